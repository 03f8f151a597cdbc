//! One decision in the making: the status as it will be, and what is to be done.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::names::lease_name;
use super::snapshot::{Decision, Effect, Event, Snapshot};
use super::status;
use crate::api::{
    DatabaseMigrationSpec, DatabaseMigrationStatus, DatabasePhase, DatabaseStatus, Phase,
    RunStatus, StepOutcome, StepStatus, reasons,
};
use crate::facts::{DatabaseFacts, JobFacts, Reading};
use crate::tools::psql::Psql;

/// What is known of a step's Job.
pub(super) enum Seen<'a> {
    /// Nothing yet: it may have been made and not be visible.
    NotYet,
    /// The API server says that there is none.
    Gone,
    /// There is one of that name, and it is somebody else's: neither judged nor touched.
    Foreign,
    /// Ours.
    Job(&'a JobFacts),
}

/// Collects a [`Decision`].
pub(super) struct Pass<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) spec: &'a DatabaseMigrationSpec,
    pub(super) status: DatabaseMigrationStatus,
    pub(super) effects: Vec<Effect>,
    pub(super) events: Vec<Event>,
    /// Events for what a person has to mend. They are journaled in the run's waits, so that nothing takes them away.
    pub(super) calls: Vec<Event>,
    /// What was met in this decision that waits: the subjects of the run's waits.
    pub(super) waiting: BTreeSet<String>,
    pub(super) requeue_ms: Option<u64>,
    pub(super) poll_ms: Option<u64>,
    pub(super) again: bool,
    pub(super) in_line: BTreeSet<String>,
    /// What is to be done may come before the journal: nothing is at work by it, and the next pass decides all the rest
    /// anew.
    pub(super) before_journal: bool,
}

impl<'a> Pass<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut status = snapshot.resource.status.clone();
        status.observed_generation = Some(snapshot.resource.generation);
        Pass {
            snapshot,
            spec: &snapshot.resource.spec,
            status,
            effects: Vec::new(),
            events: Vec::new(),
            calls: Vec::new(),
            waiting: BTreeSet::new(),
            requeue_ms: None,
            poll_ms: None,
            again: false,
            in_line: BTreeSet::new(),
            before_journal: false,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.snapshot.now
    }

    /// The run; an empty one where there is none, which no caller changes.
    pub(super) fn run(&self) -> RunStatus {
        self.status.run.clone().unwrap_or_default()
    }

    pub(super) fn steps(&self) -> &[StepStatus] {
        self.status
            .run
            .as_ref()
            .map_or(&[], |run| run.steps.as_slice())
    }

    pub(super) fn active(&self) -> Vec<StepStatus> {
        self.steps()
            .iter()
            .filter(|step| step.finished_at.is_none())
            .cloned()
            .collect()
    }

    /// Changes the journal's entry of a Job.
    pub(super) fn step_mut(&mut self, job: &str) -> Option<&mut StepStatus> {
        self.status
            .run
            .as_mut()?
            .steps
            .iter_mut()
            .find(|step| step.job == job)
    }

    /// Journals the end of a step. Its Job, if it has ended, is tied to the resource, so that it goes when that goes.
    pub(super) fn end_step(&mut self, job: &str, outcome: StepOutcome) {
        let now = self.now();
        if let Some(step) = self.step_mut(job) {
            step.finished_at = status::time(now);
            step.outcome = Some(outcome);
        }
        if let Some(Some(job)) = self.snapshot.jobs.get(job) {
            self.adopt(job);
        }
    }

    /// Ties an ended Job to the resource.
    pub(super) fn adopt(&mut self, job: &JobFacts) {
        let adopt = Effect::AdoptJob {
            name: job.name.clone(),
            uid: job.uid.clone(),
        };
        if job.ended() && !job.adopted && self.is_ours(job) && !self.effects.contains(&adopt) {
            self.effects.push(adopt);
        }
    }

    /// Where psql is run for a database.
    pub(super) fn psql(&self, database: &str) -> Psql {
        let resource = &self.snapshot.resource;
        super::choices::commands::psql((&resource.name, &resource.namespace), self.spec, database)
    }

    pub(super) fn database(&self, name: &str) -> Option<&DatabaseStatus> {
        self.status
            .databases
            .iter()
            .find(|database| database.name == name)
    }

    pub(super) fn database_mut(&mut self, name: &str) -> Option<&mut DatabaseStatus> {
        self.status
            .databases
            .iter_mut()
            .find(|database| database.name == name)
    }

    /// A step's Job. Where nothing is known of it, it is looked for again.
    pub(super) fn job(&mut self, name: &str) -> Seen<'a> {
        match self.snapshot.jobs.get(name) {
            None => {
                self.requeue(5_000);
                Seen::NotYet
            }
            Some(None) => Seen::Gone,
            Some(Some(job)) if !self.is_ours(job) => Seen::Foreign,
            Some(Some(job)) => Seen::Job(job),
        }
    }

    /// A database failed or was rolled back: no migration and no test is started any more in this run.
    pub(super) fn has_failed(&self) -> bool {
        let over = |database: &DatabaseStatus| {
            matches!(
                database.phase,
                DatabasePhase::Failed | DatabasePhase::RolledBack
            )
        };
        self.status.databases.iter().any(over)
    }

    /// Whether the Job of a step is known to have been there: by the journal, or by whoever made it.
    pub(super) fn was_there(&self, step: &StepStatus) -> bool {
        !step.job_uid.is_empty() || self.snapshot.made.contains(&step.job)
    }

    /// Whether a Job was made for this very resource.
    pub(super) fn is_ours(&self, job: &JobFacts) -> bool {
        job.owner_uid.as_ref() == Some(&self.snapshot.resource.uid)
    }

    /// The facts of a database that was looked at and could be read.
    pub(super) fn facts(&self, name: &str) -> Option<&'a DatabaseFacts> {
        self.snapshot.databases.get(name).and_then(Reading::known)
    }

    /// The database of a step is not in the spec any more, or its Secret leads to another one by now.
    pub(super) fn is_other_database(&self, step: &StepStatus) -> bool {
        let named = self.spec.databases.iter().any(|d| d.name == step.database);
        let lease = self
            .database(&step.database)
            .map_or("", |entry| entry.lease.as_str());
        let moved = self
            .facts(&step.database)
            .is_some_and(|facts| !lease.is_empty() && lease != lease_name(&facts.identity));
        !named || moved
    }

    pub(super) fn requeue(&mut self, ms: u64) {
        self.requeue_ms = Some(self.requeue_ms.map_or(ms, |before| before.min(ms)));
    }

    /// For what somebody else has to mend; see [`Decision::poll_ms`].
    pub(super) fn poll(&mut self, ms: u64) {
        self.poll_ms = Some(self.poll_ms.map_or(ms, |before| before.min(ms)));
    }

    pub(super) fn event(
        &mut self,
        warning: bool,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let message = status::cut(&message.into(), status::MESSAGE_LIMIT);
        self.events.push(Event {
            warning,
            reason,
            message,
        });
    }

    pub(super) fn condition(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let generation = self.snapshot.resource.generation;
        let now = self.now();
        status::condition(
            &mut self.status,
            now,
            generation,
            kind,
            holds,
            reason,
            message,
        );
        // Taken away and set again within one decision is no transition.
        let before = status::get(&self.snapshot.resource.status, kind);
        let set = self.status.conditions.iter_mut().find(|c| c.type_ == kind);
        if let (Some(before), Some(set)) = (before, set)
            && before.status == set.status
        {
            set.last_transition_time = before.last_transition_time.clone();
        }
    }

    /// At work, or waiting for something that comes by itself.
    pub(super) fn working(&mut self, phase: Phase, reason: &str, message: impl Into<String>) {
        let message = message.into();
        self.condition(reasons::READY, false, reason, &message);
        self.condition(reasons::RECONCILING, true, reason, &message);
        status::drop_condition(&mut self.status, reasons::STALLED);
        self.tell(phase, message, String::new());
    }

    /// It will not go on without somebody; `next` is what that somebody would run.
    pub(super) fn stalled(
        &mut self,
        phase: Phase,
        reason: &'static str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) {
        let message = message.into();
        if !self.told(reason) {
            self.event(true, reason, message.clone());
        }
        self.halted(phase, reason, message, next);
    }

    /// [`Pass::stalled`], without telling it.
    pub(super) fn halted(
        &mut self,
        phase: Phase,
        reason: &str,
        message: impl Into<String>,
        next: impl Into<String>,
    ) {
        let message = message.into();
        self.condition(reasons::READY, false, reason, &message);
        self.condition(reasons::STALLED, true, reason, &message);
        status::drop_condition(&mut self.status, reasons::RECONCILING);
        self.tell(phase, message, next.into());
    }

    /// It was Stalled for this reason before this decision, in this run. What this decision said in between, of another
    /// database, does not make it news.
    fn told(&self, reason: &str) -> bool {
        let before = &self.snapshot.resource.status;
        let run = |status: &DatabaseMigrationStatus| status.run.as_ref().map(|run| run.id.clone());
        run(before) == run(&self.status)
            && status::get(before, reasons::STALLED).is_some_and(|old| old.reason == reason)
    }

    /// Done.
    pub(super) fn ready(&mut self, reason: &str, message: impl Into<String>) {
        let message = message.into();
        self.condition(reasons::READY, true, reason, &message);
        status::drop_condition(&mut self.status, reasons::RECONCILING);
        status::drop_condition(&mut self.status, reasons::STALLED);
        self.tell(Phase::Succeeded, message, String::new());
    }

    fn tell(&mut self, phase: Phase, message: String, next: String) {
        self.status.phase = Some(phase);
        self.status.message = message;
        self.status.next_command = next;
    }

    /// Who we are on a Lease: [`super::snapshot::LeaseFacts::holder`]'s form.
    pub(super) fn holder(&self) -> String {
        let resource = &self.snapshot.resource;
        format!(
            "{}/{}/{}/{}",
            resource.namespace,
            resource.name,
            resource.uid,
            self.run().id
        )
    }

    pub(super) fn finish(mut self) -> Decision {
        let marks = |effect: &Effect| matches!(effect, Effect::MakeRestorePoint { .. });
        if self.before_journal && self.effects.iter().all(marks) {
            // One write less between a resource and its Job.
            return Decision {
                effects: self.effects,
                again: true,
                ..Decision::default()
            };
        }
        let resource = &self.snapshot.resource;
        let mut choices =
            super::choices::choices(&resource.name, &resource.namespace, self.spec, &self.status);
        let stalled = status::get(&self.status, reasons::STALLED).is_some();
        if stalled && choices.is_empty() && self.status.next_command == self.retry_command() {
            choices.push(super::choices::fix::corrected(self.retry_command()));
        }
        let ready = status::get(&self.status, reasons::READY).is_some_and(|c| c.status == "True");
        if let Some(first) = choices.first().filter(|_| !ready) {
            self.status.next_command.clone_from(&first.command);
        }
        self.status.choices = choices;
        tidy(&mut self);
        self.events.append(&mut self.calls);
        status::finish(&mut self.status);
        let changed = status::differs(&self.snapshot.resource.status, &self.status);
        Decision {
            status: changed.then(|| Box::new(self.status)),
            effects: self.effects,
            events: self.events,
            requeue_ms: self.requeue_ms,
            poll_ms: self.poll_ms,
            again: self.again,
            in_line: self.in_line,
        }
    }

    /// The command that asks for a new run.
    pub(super) fn retry_command(&self) -> String {
        self.command("retry")
    }

    /// A command of `kubectl dbm` about this resource.
    pub(super) fn command(&self, verb: &str) -> String {
        format!(
            "kubectl dbm {verb} {} -n {}",
            self.snapshot.resource.name, self.snapshot.resource.namespace
        )
    }

    /// Seconds since an instant, never negative.
    pub(super) fn age(&self, since: Timestamp) -> i64 {
        (self.now().as_second() - since.as_second()).max(0)
    }
}

/// So many waits of a run are journaled, the newest.
const WAITS_LIMIT: usize = 128;

/// What passed before it was told is forgotten, but for what waits for another reason now, as a server does that is out of reach
/// in more than one way. What was told is kept as long as the run: what comes and goes is told once.
fn tidy(pass: &mut Pass<'_>) {
    let Some(run) = &mut pass.status.run else {
        return;
    };
    let over = run.finished_at.is_some();
    run.waits.retain(|wait| {
        // Between two attempts nobody waits for it.
        let kept = wait.told || wait.reason == reasons::LOCK_HELD;
        pass.waiting.contains(&wait.subject) || kept && !over
    });
    let many = run.waits.len().saturating_sub(WAITS_LIMIT);
    run.waits.drain(..many);
}

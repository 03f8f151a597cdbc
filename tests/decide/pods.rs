//! The life of pods, of Prisma in them, and of the backends that outlive them.

use database_migration_operator::api::StepKind;
use database_migration_operator::facts::{ContainerEnd, JobProgress, Session};
use database_migration_operator::tools::prisma::{self, RowState};
use dbm_protocol::{LogFinding, Outcome, Refusal, Summary, VERSION};

use super::invariants;
use super::world::{Ending, Fate, Job, Process, World, at, split};

pub(super) fn summary(outcome: Outcome, code: &str, state: &str) -> Summary {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Summary {
        version: VERSION,
        outcome,
        exit_code: None,
        signal: None,
        code: some(code),
        sql_state: some(state),
        migration: None,
        message: None,
        problem: None,
        elsewhere: None,
        begun: None,
        findings: Vec::new(),
        findings_count: 0,
        timed_out: false,
        started_at: None,
        finished_at: None,
    }
}

impl World {
    /// One second.
    pub fn tick(&mut self) {
        self.now += 1;
        let names: Vec<String> = self.jobs.keys().cloned().collect();
        for name in names {
            let mut job = self.jobs.remove(&name).unwrap();
            self.step(&mut job);
            self.jobs.insert(name, job);
        }
        let mut buried = std::mem::take(&mut self.buried);
        buried.iter_mut().for_each(|job| self.step(job));
        self.buried.append(&mut buried);
        self.remember();
    }

    fn step(&mut self, job: &mut Job) {
        if job.process.is_some() {
            self.work(job);
        } else if job.exists && matches!(job.facts.progress, JobProgress::NotStarted(_)) {
            self.start(job);
        }
    }

    pub(super) fn end(&mut self, job: &mut Job, exit_code: i32, summary: Option<Summary>) {
        if job.process.is_some() {
            self.let_go(job);
        }
        if job.lost {
            return;
        }
        job.facts.progress = JobProgress::Ended(ContainerEnd {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            said: String::new(),
            finished_at: at(self.now),
            summary: summary.map(Box::new),
        });
        if job.terminating {
            job.exists = false;
        }
    }

    pub(super) fn let_go(&mut self, job: &mut Job) {
        let process = job.process.take().unwrap();
        if job.target.is_empty() {
            return;
        }
        let physical = self.databases.get_mut(split(&job.target).0).unwrap();
        if physical.lock.as_ref() == Some(&process.session) {
            physical.lock = None;
        }
    }

    fn start(&mut self, job: &mut Job) {
        let push = self.push(&job.image);
        if let Some(why) = &self.trouble.waits {
            job.facts.progress = JobProgress::NotStarted(why.clone());
            return;
        }
        if job.plan.step == StepKind::Inventory && self.trouble.loses {
            let message = "evicted".to_owned();
            job.facts.progress = JobProgress::Lost { message };
            return;
        }
        if job.plan.step == StepKind::Inventory {
            return self.end(job, 0, None);
        }
        let expect = &job.plan.expect;
        let refusal = if !expect.is_empty() && self.inventory(&job.image, push, "").hash != *expect
        {
            Some(Refusal::InventoryChanged {
                found: String::new(),
            })
        } else if job.plan.not_after.is_some_and(|last| at(self.now) > last) {
            Some(Refusal::TooLate)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.end(job, 1, Some(summary(Outcome::Refused(refusal), "", "")));
        }
        if job.plan.step != StepKind::SmokeTest {
            invariants::at_start(self, job);
        }
        let application_name = prisma::application_name(&job.plan.run, &job.plan.database);
        let pid = i32::try_from(self.serial()).unwrap() + 1000;
        job.facts.progress = JobProgress::Running {
            since: at(self.now),
        };
        job.process = Some(Process {
            session: Session {
                pid,
                application_name,
                ..Session::default()
            },
            client: true,
            content: self.content(&job.image, push),
            current: None,
            waited: 0,
            left: 3,
        });
    }

    /// One second of Prisma, or of the backend that it left behind.
    fn work(&mut self, job: &mut Job) {
        let mut process = job.process.clone().unwrap();
        if job.plan.step != StepKind::Migrate {
            return self.work_on_action(job, process);
        }
        let (database, schema) = split(&job.target);
        let (database, schema) = (database.to_owned(), schema.to_owned());
        if !process.client {
            // A killed client's backend ends its statement and is gone; nobody keeps the books.
            process.left -= 1;
            if process.left == 0 {
                if let Some(name) = process.current {
                    let physical = self.databases.get_mut(&database).unwrap();
                    physical
                        .content
                        .catalog
                        .entry(schema)
                        .or_default()
                        .insert(name);
                }
                self.let_go(job);
            } else {
                job.process = Some(process);
            }
            return;
        }
        if let Some(ending) = self.trouble.ending.clone() {
            job.process = Some(process);
            return self.end_so(job, &ending);
        }
        let physical = &self.databases[&database];
        let mine = physical.lock.as_ref() == Some(&process.session);
        if !mine && (physical.lock.is_some() || physical.stranger > self.now) {
            process.waited += 1;
            job.process = Some(process.clone());
            if process.waited > 5 {
                self.end(job, 1, Some(summary(Outcome::Failed, "", "55P03")));
            }
            return;
        }
        let content = &physical.content;
        let filled = content
            .catalog
            .get(&schema)
            .is_some_and(|tables| !tables.is_empty());
        let ledger = content.ledgers.get(&schema).is_some_and(Option::is_some);
        if filled && !ledger && !self.external {
            job.process = Some(process);
            return self.end(job, 1, Some(summary(Outcome::Failed, "P3005", "")));
        }
        self.databases.get_mut(&database).unwrap().lock = Some(process.session.clone());
        let target = job.target.clone();
        if let Some(name) = process.current.take() {
            job.process = Some(process);
            self.finish_migration(job, &name);
            return;
        }
        if self
            .rows(&target)
            .iter()
            .any(|row| prisma::row_state(row).blocks())
        {
            job.process = Some(process);
            return self.end(job, 1, Some(summary(Outcome::Failed, "P3009", "")));
        }
        let applied = self.applied(&target);
        process.current = process
            .content
            .iter()
            .find(|name| !applied.contains(*name))
            .cloned();
        let current = process.current.clone();
        job.process = Some(process);
        let Some(name) = current else {
            let said = self.said(job, summary(Outcome::Succeeded, "", ""));
            return self.end(job, 0, Some(said));
        };
        invariants::at_write(self, job);
        job.wrote = true;
        let row = self.row(&name);
        self.rows(&target).push(row);
    }

    /// It ends as the story says, and leaves what that says.
    fn end_so(&mut self, job: &mut Job, ending: &Ending) {
        let target = job.target.clone();
        let (database, schema) = split(&target);
        let push = self.push(&job.image);
        let applied = self.applied(&target);
        let content = self.content(&job.image, push);
        let next = content.into_iter().find(|name| !applied.contains(name));
        if let Some(name) = next {
            if ending.makes {
                let physical = self.databases.get_mut(database).unwrap();
                let catalog = physical.content.catalog.entry(schema.to_owned());
                catalog.or_default().insert(name.clone());
            }
            if ending.row {
                // The next one is another migration.
                self.trouble.ending = None;
                invariants::at_write(self, job);
                job.wrote = true;
                let row = self.row(&name);
                self.rows(&target).push(row);
            }
        }
        if let Some(other) = ending.other {
            let mut row = self.row(other);
            (row.finished_at, row.applied_steps_count) = (Some(row.started_at), 1);
            self.rows(&target).push(row);
        }
        self.end(job, ending.exit_code, ending.summary.clone());
        if let JobProgress::Ended(end) = &mut job.facts.progress {
            ending.reason.clone_into(&mut end.reason);
            ending.said.clone_into(&mut end.said);
        }
    }

    fn finish_migration(&mut self, job: &mut Job, name: &str) {
        let target = job.target.clone();
        let fate = self.fates.get(&(target.clone(), name.to_owned())).copied();
        let (database, schema) = split(&target);
        let now = at(self.now);
        if matches!(fate, None | Some(Fate::FailsWithTraces | Fate::NotRecorded)) {
            let physical = self.databases.get_mut(database).unwrap();
            let catalog = physical
                .content
                .catalog
                .entry(schema.to_owned())
                .or_default();
            catalog.insert(name.to_owned());
        }
        if fate == Some(Fate::LockTimeout) {
            self.fates.remove(&(target.clone(), name.to_owned()));
        }
        let rows = self.rows(&target);
        let row = rows.iter_mut().find(|row| {
            row.migration_name == name && prisma::row_state(row) == RowState::Unfinished
        });
        let Some(row) = row else {
            // A restore that nobody sees took it away.
            return self.end(job, 1, Some(summary(Outcome::Failed, "", "57P01")));
        };
        let state = match fate {
            None => {
                row.applied_steps_count = 1;
                row.finished_at = Some(now);
                return;
            }
            Some(Fate::NotRecorded) => {
                row.applied_steps_count = 1;
                ""
            }
            Some(Fate::FailsSilently) => "",
            Some(Fate::Fails | Fate::FailsWithTraces) => "42703",
            Some(Fate::LockTimeout) => "55P03",
        };
        if !state.is_empty() {
            row.logs = Some(format!(
                "Migration name: {name}\n\nDatabase error code: {state}\n"
            ));
        }
        let said = self.said(job, summary(Outcome::Failed, "P3018", state));
        self.end(job, 1, Some(said));
    }

    /// With the lines of the output that are worth a look.
    fn said(&self, job: &Job, mut summary: Summary) -> Summary {
        if self.noisy.as_ref() == Some(&job.target) && job.wrote {
            summary.findings = vec![LogFinding {
                line: 3,
                text: "NOTICE: truncated".to_owned(),
                pattern: Some(0),
            }];
            summary.findings_count = 1;
        }
        summary
    }

    /// SIGKILL: the client is gone, the backend is not. A lost node: nobody knows.
    pub fn kill(&mut self, name: &str, lost: bool) {
        let Some(mut job) = self.jobs.remove(name) else {
            return;
        };
        if job.exists && matches!(job.facts.progress, JobProgress::Running { .. }) {
            if lost {
                job.lost = true;
                let message = "the node is gone".to_owned();
                job.facts.progress = JobProgress::Lost { message };
            } else {
                if let Some(process) = &mut job.process {
                    process.client = false;
                }
                // What is no session of the database's is gone at once.
                let sessionless = [StepKind::SmokeTest, StepKind::Restore];
                let left = !sessionless.contains(&job.plan.step);
                let process = job.process.take();
                self.end(&mut job, 137, None);
                job.process = process.filter(|_| left);
            }
        }
        self.jobs.insert(name.to_owned(), job);
    }

    /// Somebody deletes a Job: it is gone at once, its pod is not. The agent holds SIGTERM, so Prisma goes on.
    pub fn vanish(&mut self, name: &str) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.exists = false;
        }
    }
}

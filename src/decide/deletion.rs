//! A resource that is being deleted: its running Job is waited for, then everything is let go.

use super::deleting;
use super::pass::{Pass, Seen};
use super::run;
use super::snapshot::Effect;
use super::waiting::phase;
use crate::api::{Phase, StepKind, reasons};
use crate::facts::JobProgress;

/// Holds the resource while a migration runs, unless its whole namespace goes.
pub(super) fn decide(pass: &mut Pass<'_>) {
    let mut running = Vec::new();
    for step in pass.active() {
        let job = match pass.job(&step.job) {
            Seen::NotYet => {
                pass.requeue(1_000);
                return;
            }
            Seen::Gone | Seen::Foreign => continue,
            Seen::Job(job) => job,
        };
        if matches!(
            job.progress,
            JobProgress::Ended(_) | JobProgress::Lost { .. }
        ) {
            continue;
        }
        let started = matches!(job.progress, JobProgress::Running { .. });
        if step.name == StepKind::Inventory || !started {
            pass.effects.push(Effect::DeleteJob {
                name: job.name.clone(),
                uid: job.uid.clone(),
            });
        }
        // It may start before it is deleted: the resource is held until the Job itself is gone.
        if step.name != StepKind::Inventory {
            running.push(step.clone());
        }
    }
    if let (Some(step), false) = (running.first(), pass.snapshot.resource.namespace_deleting) {
        let mut text = format!(
            "{}: being deleted; waits for Job {} to end, because a running migration is never killed. What is applied to this resource meanwhile goes with it: apply it again once it is gone (kubectl wait --for=delete databasemigration/{} -n {} --timeout=1h)",
            step.database, step.job, pass.snapshot.resource.name, pass.snapshot.resource.namespace
        );
        // A resource that goes is not looked at any more.
        if step.name == StepKind::Migrate && !step.message.is_empty() {
            text.push_str(&format!("; it was last seen waiting for {}", step.message));
        }
        pass.working(Phase::Migrating, reasons::MIGRATING, text);
        pass.requeue(10_000);
        return;
    }
    if let Some(step) = running.first() {
        // It is written before the finalizer gives way: what is shown last says what becomes of it.
        let text = deleting::with(step);
        pass.working(phase(step.name), reasons::MIGRATING, text);
    }
    run::give_back(pass);
    run::tidy(pass);
}

//! Waiting: for a container to start, for a database to be readable, for somebody to mend something.

use super::container;
use super::lock_held;
use super::pass::Pass;
use super::patience;
use super::snapshot::Event;
use super::status;
use super::turn;
use super::unanswered;
use crate::api::reasons::Person;
use crate::api::{
    DatabaseStatus, Phase, SmokeTestSpec, StepKind, StepStatus, Time, WaitStatus, reasons,
};
use crate::facts::{JobFacts, NotStarted, Unreadable, UnreadableReason};

/// The kubelet's word for an image that is on its way.
const PULLING: &str = "Pulling";

/// When a Job is looked for again of which no pod was seen, milliseconds: after that long it is not taken for new any more.
const UNSEEN_MS: u64 = 10_000;

/// A container that has not started yet, and why. After `timeouts.start` it is Stalled, and still waited for.
pub(super) fn not_started(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    database: &str,
    job: &JobFacts,
    why: &NotStarted,
) {
    let since = step.started_at.as_ref().map_or(pass.now(), |time| time.0);
    let limit = pass.spec.timeouts.start.seconds().unwrap_or(600);
    let age = pass.age(since);
    let late = age > limit;
    if !late {
        pass.requeue(milliseconds(limit - age + 1));
    }
    let phase = phase(step.name);
    if job.pod.is_none() {
        // Its Job may be gone again before any cache showed it.
        look_again(pass, Some(phase), UNSEEN_MS);
    }
    if why.silent {
        // Events are not watched: what they say is asked for.
        look_again(pass, Some(phase), milliseconds((age / 4).clamp(2, 15)));
    }
    let subject = subject(pass, step, database);
    let look = describe(pass, step, job);
    if let Some(told) = container::explain(why) {
        let text = told.with_then();
        let text = text.replace("spec.image", &image_field(pass, step));
        let message = format!("{subject}: {text}");
        let what = if database.is_empty() && step.test.is_empty() {
            "image"
        } else {
            subject.as_str()
        };
        if late && was_called(pass, what, told.reason) {
            pass.halted(phase, told.reason, message, look);
        } else if late {
            pass.stalled(phase, told.reason, message, look);
        } else {
            let patience = reasons::person(told.reason).patience();
            call(pass, what, told.reason, patience, &message);
            pass.working(phase, told.reason, message);
            pass.status.next_command = look;
        }
        return;
    }
    let pulling = (why.reason == PULLING)
        .then(|| format!("{subject}: the image {} is still being pulled", why.message));
    match (late, pulling) {
        (true, pulling) => {
            let what = pulling.unwrap_or_else(|| {
                format!("{subject}: the pod of Job {} has not started", step.job)
            });
            let message = format!(
                "{what}, for longer than timeouts.start ({}); nothing was executed. Look at it: {look}. It goes on by itself.",
                pass.spec.timeouts.start.0
            );
            pass.stalled(phase, reasons::START_TIMEOUT, message, look);
        }
        (false, Some(what)) => {
            let message = format!("{what}; it goes on by itself");
            pass.working(phase, reasons::PULLING_IMAGE, message);
        }
        // A step that has just been decided has said so already; its pod's start is no news.
        (false, None) if step.name == StepKind::Inventory => {
            pass.working(phase, reasons::PLANNING, "reading what the image holds");
        }
        (false, None) => {}
    }
}

/// The phase in which a step is.
pub(super) fn phase(step: StepKind) -> Phase {
    match step {
        StepKind::Inventory => Phase::Planning,
        StepKind::SmokeTest => Phase::Validating,
        StepKind::Down | StepKind::Restore => Phase::RollingBack,
        StepKind::Migrate | StepKind::Resolve => Phase::Migrating,
    }
}

fn subject(pass: &Pass<'_>, step: &StepStatus, database: &str) -> String {
    if step.name == StepKind::SmokeTest {
        format!("smoke test {}", step.test)
    } else if database.is_empty() {
        format!("image {}", pass.spec.image)
    } else {
        database.to_owned()
    }
}

/// The field that names the image of a step's Job.
fn image_field(pass: &Pass<'_>, step: &StepStatus) -> String {
    let tests = &pass.spec.validation.smoke_tests;
    let own = |test: &SmokeTestSpec| test.name == step.test && !test.image.is_empty();
    match step.name {
        StepKind::SmokeTest => tests
            .iter()
            .position(own)
            .map(|at| format!("spec.validation.smokeTests[{at}].image")),
        StepKind::Restore => Some("spec.rollback.restore.image".to_owned()),
        _ => None,
    }
    .unwrap_or_else(|| "spec.image".to_owned())
}

/// The command that shows what Kubernetes says of it.
fn describe(pass: &Pass<'_>, step: &StepStatus, job: &JobFacts) -> String {
    let namespace = &pass.snapshot.resource.namespace;
    if job.pod.is_none() {
        format!("kubectl describe job -n {namespace} {}", step.job)
    } else {
        format!(
            "kubectl describe pod -n {namespace} -l job-name={}",
            step.job
        )
    }
}

fn milliseconds(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(1).saturating_mul(1000)
}

/// A database that cannot be read: nothing is concluded, and it is looked at again.
pub(super) fn unreadable(pass: &mut Pass<'_>, database: &str, why: &Unreadable) {
    let why = &unanswered::judged(pass.database(database), pass.now().as_second(), why);
    let why = &patience::as_before(pass, database, why.clone());
    if patience::too_early(pass, database, why) {
        look_again(pass, pass.status.phase, 2_000);
        return;
    }
    let migrates = |step: &StepStatus| step.name == StepKind::Migrate && step.database == database;
    let at_work = pass.active().into_iter().find(|step| migrates(step));
    // What it did when it was last seen is not what it does.
    if let Some(entry) = pass.database_mut(database) {
        entry.current = None;
    }
    let message = format!("{database}: {}", goes_on(why, at_work.is_some()));
    pass.condition(reasons::OBSERVED, false, why.reason.as_str(), &message);
    let since = status::get(&pass.status, reasons::OBSERVED)
        .map_or(pass.now(), |condition| condition.last_transition_time.0);
    let limit = pass.spec.timeouts.unknown.seconds().unwrap_or(900);
    let running = !pass.active().is_empty() && pass.status.phase == Some(Phase::Migrating);
    let is_full = why.reason.as_str() == reasons::CONNECTION_LIMIT_REACHED;
    if let Some(step) = own_connection(pass, database).filter(|_| is_full) {
        // Its own session is one of those that are counted.
        let (what, reason) = holds(&step);
        let text = format!(
            "{database}: {what} is at work (Job {}), and the operator cannot look at it: with its session the limit of connections is reached. Do not end it; it is judged when it has ended. To be looked at it needs one more: {}",
            step.job, why.message
        );
        // No fault that somebody has to mend: nothing is called for.
        pass.working(phase(step.name), reason, text);
        poll(pass, reasons::OBSERVED);
        return;
    }
    let phase = if running {
        Phase::Migrating
    } else {
        Phase::Pending
    };
    // Whoever keeps a look waiting is told of once for each session.
    let subject = match lock_held::blocker_of_look(&message) {
        Some(pid) => lock_held::subject(database, pid),
        None => database.to_owned(),
    };
    if pass.age(since) > limit {
        if was_called(pass, &subject, why.reason.as_str()) {
            pass.halted(phase, why.reason.as_str(), message, "");
        } else {
            pass.stalled(phase, why.reason.as_str(), message, "");
        }
        // Others need not wait for what nobody can tell; the database guards itself.
        turn::release(pass, database);
    } else {
        let patience = patience(pass, database, why.reason.as_str());
        call(pass, &subject, why.reason.as_str(), patience, &message);
        pass.working(phase, why.reason.as_str(), message);
    }
    poll(pass, reasons::OBSERVED);
}

/// The step of this run that holds a connection to a database: a test may, too, as the same role.
fn own_connection(pass: &Pass<'_>, database: &str) -> Option<StepStatus> {
    let tests = |step: &StepStatus| step.name == StepKind::SmokeTest && step.database.is_empty();
    let holds = |step: &StepStatus| match step.name {
        StepKind::Inventory | StepKind::Restore => false,
        _ => step.database == database || tests(step),
    };
    pass.active().into_iter().find(holds)
}

/// What a step is at, and the reason with which it is.
fn holds(step: &StepStatus) -> (String, &'static str) {
    match step.name {
        StepKind::Down => ("its down.sql".to_owned(), reasons::ROLLING_BACK),
        StepKind::Resolve => ("the marking of its row".to_owned(), reasons::RESOLVING),
        StepKind::SmokeTest => (format!("smoke test {}", step.test), reasons::SMOKE_TESTING),
        StepKind::Migrate | StepKind::Inventory | StepKind::Restore => {
            ("its migration".to_owned(), reasons::MIGRATING)
        }
    }
}

/// For how many seconds a database must have been unreadable before that is told.
fn patience(pass: &Pass<'_>, database: &str, reason: &str) -> Option<i64> {
    let answered = |entry: &DatabaseStatus| entry.last_observed_at.is_some();
    let person = match reasons::person(reason) {
        Person::Again if pass.database(database).is_some_and(answered) => Person::Soon,
        person => person,
    };
    person.patience()
}

/// Tells, once in a run, of what somebody has to mend, as soon as it is certain that it does not pass by itself. Since when, and
/// that it was told, is journaled: another operator does not begin anew.
fn call(
    pass: &mut Pass<'_>,
    subject: &str,
    reason: &'static str,
    patience: Option<i64>,
    message: &str,
) {
    let Some(patience) = patience else {
        return;
    };
    pass.waiting.insert(subject.to_owned());
    let now = status::seconds(pass.now());
    let Some(run) = &mut pass.status.run else {
        return;
    };
    let is_it = |wait: &WaitStatus| wait.subject == subject && wait.reason == reason;
    if !run.waits.iter().any(is_it) {
        run.waits.push(WaitStatus {
            subject: subject.to_owned(),
            reason: reason.to_owned(),
            since: Time(now),
            told: false,
        });
    }
    let Some(wait) = run.waits.iter_mut().find(|wait| is_it(wait)) else {
        return;
    };
    if wait.told {
        return;
    }
    let age = (now.as_second() - wait.since.0.as_second()).max(0);
    if age < patience {
        pass.requeue(milliseconds(patience - age));
    } else {
        wait.told = true;
        pass.calls.push(Event {
            warning: true,
            reason,
            message: status::cut(message, status::MESSAGE_LIMIT),
        });
    }
}

/// Tells, once, what is news of a step that runs. That it was told is journaled: where several run, what the status says is
/// another one's words in turns.
pub(super) fn tell_once(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    reason: &'static str,
    message: &str,
) {
    if was_called(pass, &step.job, reason) {
        return;
    }
    let since = Time(status::seconds(pass.now()));
    let Some(run) = &mut pass.status.run else {
        return;
    };
    run.waits.push(WaitStatus {
        subject: step.job.clone(),
        reason: reason.to_owned(),
        since,
        told: true,
    });
    pass.calls.push(Event {
        warning: true,
        reason,
        message: status::cut(message, status::MESSAGE_LIMIT),
    });
}

/// Whether it was told of in this run while it was only waited for: that it is Stalled by now is no news then.
/// Whether that was told of a step in this run.
pub(super) fn was_called(pass: &Pass<'_>, subject: &str, reason: &str) -> bool {
    let is_it = |wait: &WaitStatus| wait.told && wait.subject == subject && wait.reason == reason;
    let run = pass.status.run.as_ref();
    run.is_some_and(|run| run.waits.iter().any(is_it))
}

/// Every one of these is looked at again, and says so; and of what no look mends, that somebody has to.
fn goes_on(why: &Unreadable, migrates: bool) -> String {
    let message = why.message.trim_end_matches('.');
    let then = if migrates && !message.contains("a fault of the operator") {
        "It is looked at again by itself; once it can be read, what became of the migration is judged."
    } else if message.contains("by itself") || message.contains("a fault of the operator") {
        return why.message.clone();
    } else if [
        UnreadableReason::ServerUnavailable,
        UnreadableReason::NotAnswered,
    ]
    .contains(&why.reason)
    {
        "It goes on by itself."
    } else {
        "Once that is mended, it goes on by itself."
    };
    format!("{message}. {then}")
}

/// Looks again, soon at first, every 15 seconds in the end; what is mended is noticed without a watch on Secrets,
/// which the operator has no right to.
pub(super) fn poll(pass: &mut Pass<'_>, since: &str) {
    let since = status::get(&pass.status, since)
        .map_or(pass.now(), |condition| condition.last_transition_time.0);
    let age = pass.age(since);
    let wait = milliseconds((age / 4).clamp(1, 15));
    look_again(pass, pass.status.phase, wait);
}

/// Where a run is at work, many others that wait make nothing rarer.
fn look_again(pass: &mut Pass<'_>, phase: Option<Phase>, ms: u64) {
    match phase {
        Some(Phase::Migrating | Phase::Validating | Phase::RollingBack) => pass.requeue(ms),
        _ => pass.poll(ms),
    }
}

//! Single decisions on snapshots that random schedules do not make.

use std::collections::BTreeMap;

use database_migration_operator::api::{
    DatabaseMigrationStatus, Phase, RestorePointPolicy, digest, reasons,
};
use database_migration_operator::decide::{
    Decision, Effect, Refusal, Refused, Snapshot, decide, status,
};
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, DatabaseIdentity, JobFacts, JobProgress, Ledger, LedgerRow,
    NotStarted, Reading, Session, Unreadable, UnreadableReason,
};
use dbm_protocol::{DatabaseInventory, Migration};

use super::setup;
use super::world::{START, at};

pub(super) fn snapshot(databases: usize) -> Snapshot {
    let name = |n: usize| format!("db{n:02}");
    let specs = (0..databases)
        .map(|n| setup::database(&name(n), "p0/public", &[]))
        .collect();
    let facts = |n: usize| {
        let database = name(n);
        let identity = DatabaseIdentity {
            database,
            ..DatabaseIdentity::default()
        };
        Reading::Known(DatabaseFacts {
            identity,
            catalog: Some(String::new()),
            ..DatabaseFacts::default()
        })
    };
    let mut resource = setup::resource(1, "app@sha256:1", specs).resource;
    resource.spec.preflight.backup.restore_point = RestorePointPolicy::None;
    Snapshot {
        now: at(START),
        resource,
        inventories: (0..databases).map(|n| (name(n), inventory(1))).collect(),
        report: None,
        databases: (0..databases).map(|n| (name(n), facts(n))).collect(),
        jobs: BTreeMap::new(),
        leases: BTreeMap::new(),
        servers: BTreeMap::new(),
        made: Default::default(),
        old_jobs: Vec::new(),
        held_pods: Vec::new(),
        left_turns: Vec::new(),
        refusals: BTreeMap::new(),
        actions: Vec::new(),
        restore_points: BTreeMap::new(),
        look_due: false,
    }
}

pub(super) fn inventory(migrations: usize) -> DatabaseInventory {
    let migration = |n| {
        let name = format!("5{n:04} \"{}\"", "ä".repeat(120));
        Migration {
            sha256: digest(name.as_bytes()),
            name,
            ..Migration::default()
        }
    };
    DatabaseInventory {
        hash: "h".to_owned(),
        migrations: (0..migrations).map(migration).collect(),
        ..DatabaseInventory::default()
    }
}

pub(super) fn job(snapshot: &Snapshot, name: &str, progress: JobProgress) -> Option<JobFacts> {
    Some(JobFacts {
        name: name.to_owned(),
        uid: "job".to_owned(),
        owner_uid: Some(snapshot.resource.uid.clone()),
        adopted: false,
        created_at: at(START),
        progress,
        image_digest: None,
        pod: None,
        pod_going: false,
    })
}

pub(super) fn ended() -> JobProgress {
    let (exit_code, reason) = (0, "Completed".to_owned());
    JobProgress::Ended(ContainerEnd {
        exit_code,
        reason,
        said: String::new(),
        finished_at: at(START),
        summary: None,
    })
}

/// Takes over what was written; the name of the last Job that was made.
pub(super) fn write(snapshot: &mut Snapshot, decision: &Decision) -> String {
    if let Some(status) = &decision.status {
        snapshot.resource.status = (**status).clone();
    }
    snapshot.resource.finalizer |= decision.effects.contains(&Effect::AddFinalizer);
    let made = |effect: &Effect| match effect {
        Effect::CreateJob(plan) => Some(plan.name.clone()),
        _ => None,
    };
    decision
        .effects
        .iter()
        .rev()
        .find_map(made)
        .unwrap_or_default()
}

/// Decides until a Job is made, which it names, or there is nothing more to decide.
pub(super) fn settle(snapshot: &mut Snapshot) -> String {
    for _ in 0..5 {
        let decision = decide(snapshot);
        let made = write(snapshot, &decision);
        if !made.is_empty() || !decision.again {
            return made;
        }
    }
    panic!("no end: {}", snapshot.resource.status.message);
}

pub(super) fn reason(status: &DatabaseMigrationStatus) -> &str {
    status::ready_reason(status)
}

pub(super) fn looked() -> (Snapshot, String) {
    let mut snapshot = snapshot(1);
    snapshot.inventories.clear();
    let decision = decide(&snapshot);
    let job = write(&mut snapshot, &decision);
    (snapshot, job)
}

pub(super) fn migrating() -> (Snapshot, String) {
    let mut snapshot = snapshot(1);
    let decision = decide(&snapshot);
    let job = write(&mut snapshot, &decision);
    (snapshot, job)
}

/// The finalizer is first, then the turn, then the Job.
#[test]
fn what_a_start_does() {
    let decision = decide(&snapshot(1));
    assert!(matches!(
        decision.effects.as_slice(),
        [
            Effect::AddFinalizer,
            Effect::AcquireLease { .. },
            Effect::CreateJob(_)
        ]
    ));
}

#[test]
fn status_is_bounded() {
    let mut snapshot = snapshot(64);
    for (name, inventory) in &mut snapshot.inventories {
        *inventory = self::inventory(600);
        let row = |migration: &Migration| LedgerRow {
            id: migration.name.clone(),
            checksum: "other".to_owned(),
            migration_name: migration.name.clone(),
            finished_at: Some(at(START)),
            applied_steps_count: 1,
            ..LedgerRow::default()
        };
        // 300 findings, 300 pending.
        let rows = inventory.migrations[..300].iter().map(row).collect();
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut(name) {
            facts.ledger = Ledger::Rows(rows);
        }
    }
    let decision = decide(&snapshot);
    let status = decision.status.unwrap();
    let size = serde_json::to_vec(&*status).unwrap().len();
    assert!(size <= status::STATUS_LIMIT, "{size}");
    assert!(
        status
            .databases
            .iter()
            .all(|d| d.findings_count == 300 && d.pending_count == 300)
    );
    assert!(status.message.len() <= status::MESSAGE_LIMIT);
}

#[test]
fn a_refused_job_is_said_and_not_made_at_once_again() {
    for (mut snapshot, job) in [looked(), migrating()] {
        snapshot.jobs.insert(job.clone(), None);
        for (what, message, expected) in [
            (Refused::Job, "denied by a policy", reasons::JOB_REFUSED),
            (
                Refused::Job,
                "exceeded quota: jobs",
                reasons::QUOTA_EXCEEDED,
            ),
            (Refused::Foreign, "it exists", reasons::FOREIGN_JOB),
        ] {
            refused(&mut snapshot, &job, what, message, expected);
        }
    }
}

/// The inventory Job went well, and what it found cannot be had or kept. It is not lost and not read anew each time.
#[test]
fn what_an_image_holds_waits_where_it_cannot_be_read_or_stored() {
    let (mut snapshot, name) = looked();
    let found = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name.clone(), found);
    for (what, message, expected) in [
        (Refused::Log, "dial tcp: refused", reasons::INVENTORY_FAILED),
        (Refused::Inventory, "too large", reasons::INVENTORY_FAILED),
        (
            Refused::Inventory,
            "exceeded quota: configmaps",
            reasons::QUOTA_EXCEEDED,
        ),
    ] {
        refused(&mut snapshot, &name, what, message, expected);
    }
}

pub(super) fn refusal(what: Refused, message: &str) -> Refusal {
    Refusal {
        what,
        message: message.to_owned(),
        since: at(START),
        passing: false,
    }
}

fn refused(snapshot: &mut Snapshot, job: &str, what: Refused, message: &str, expected: &str) {
    let refusal = refusal(what, message);
    snapshot.refusals = [(job.to_owned(), refusal)].into();
    let decision = decide(snapshot);
    let status = decision.status.as_ref().unwrap();
    assert_eq!(reason(status), expected);
    assert!(status.message.contains("by itself"), "{}", status.message);
    assert!(decision.effects.is_empty() && !decision.again);
    assert!(decision.poll_ms.is_some() && decision.requeue_ms.is_none());
}

#[test]
fn a_strangers_job_is_not_judged_nor_touched() {
    for (mut snapshot, name) in [looked(), migrating()] {
        for progress in [ended(), JobProgress::NotStarted(NotStarted::default())] {
            let mut found = job(&snapshot, &name, progress);
            found.as_mut().unwrap().owner_uid = None;
            snapshot.jobs.insert(name.clone(), found);
            let decision = decide(&snapshot);
            assert_eq!(
                reason(decision.status.as_ref().unwrap()),
                reasons::FOREIGN_JOB
            );
            assert_eq!(decision.effects, []);
            let mut deleted = snapshot.clone();
            deleted.resource.deleting = true;
            let effects = decide(&deleted).effects;
            let touches =
                |e: &Effect| matches!(e, Effect::DeleteJob { .. } | Effect::AdoptJob { .. });
            assert!(!effects.iter().any(touches), "{effects:?}");
        }
    }
}

/// The pod is lost and its backend is not: waits, then says Stalled with the statement that ends it.
#[test]
fn a_backend_that_stays_becomes_stalled() {
    let (mut snapshot, name) = migrating();
    let found = job(
        &snapshot,
        &name,
        JobProgress::Lost {
            message: "gone".to_owned(),
        },
    );
    snapshot.jobs.insert(name, found);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.lock_holder = Some(Session {
            pid: 42,
            ..Session::default()
        });
    }
    for (seconds, stalled) in [(1, false), (30, false), (90, true)] {
        snapshot.now = at(START + seconds);
        let decision = decide(&snapshot);
        assert!(decision.next_ms().is_some());
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        assert_eq!(reason(status), reasons::WAITING_FOR_BACKEND);
        assert_eq!(status::get(status, reasons::STALLED).is_some(), stalled);
        assert!(status.next_command.contains("pg_terminate_backend(42)"));
        let [only] = status.choices.as_slice() else {
            panic!("{:?}", status.choices)
        };
        assert_eq!(only.command, status.next_command);
    }
}

/// The row of a migration that is applied as the image holds it.
pub(super) fn row(migration: &Migration) -> LedgerRow {
    LedgerRow {
        migration_name: migration.name.clone(),
        checksum: migration.sha256.clone(),
        finished_at: Some(at(START)),
        applied_steps_count: 1,
        ..LedgerRow::default()
    }
}

/// Every migration of the image is applied, and no run has been yet.
pub(super) fn applied() -> Snapshot {
    let mut snapshot = snapshot(1);
    let row = row(&inventory(1).migrations[0]);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(vec![row]);
    }
    snapshot
}

pub(super) fn finished() -> Snapshot {
    let mut snapshot = applied();
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    snapshot.look_due = true;
    snapshot
}

#[test]
fn a_look_that_finds_nothing_writes_nothing() {
    let decision = decide(&finished());
    assert_eq!(decision.effects, []);
    assert!(decision.status.is_none());
    assert_eq!(decision.requeue_ms, Some(3_600_000));
}

#[test]
fn a_look_starts_nothing() {
    // Not to be reached: still Ready.
    let mut snapshot = finished();
    let read = snapshot.databases.clone();
    let why = Unreadable {
        reason: UnreadableReason::Unreachable,
        message: "gone".to_owned(),
    };
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Unknown(why));
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    let observed = status::get(&snapshot.resource.status, reasons::OBSERVED).unwrap();
    assert_eq!(observed.status, "False");
    // Restored behind its back: said, with the command, and nothing is made.
    snapshot.databases = read.clone();
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(Vec::new());
    }
    let decision = decide(&snapshot);
    assert_eq!(decision.effects, []);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);
    assert!(
        snapshot
            .resource
            .status
            .next_command
            .contains("kubectl dbm baseline")
    );
    // And back again.
    snapshot.databases = read;
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
}

#[test]
fn a_crash_at_the_end_of_a_run_is_made_good() {
    let mut snapshot = finished();
    snapshot.resource.finalizer = true;
    let found = job(&snapshot, "shop1-db00-1", ended());
    snapshot.jobs.insert("shop1-db00-1".to_owned(), found);
    let effects = decide(&snapshot).effects;
    assert!(matches!(
        effects.as_slice(),
        [Effect::AdoptJob { .. }, Effect::RemoveFinalizer]
    ));
}

#[test]
fn suspended_shows_its_plan_and_ended_runs_stay_ended() {
    let mut snapshot = snapshot(1);
    snapshot.resource.suspended = true;
    let decision = decide(&snapshot);
    assert_eq!(decision.effects, []);
    write(&mut snapshot, &decision);
    assert_eq!(snapshot.resource.status.phase, Some(Phase::Suspended));
    assert!(
        snapshot
            .resource
            .status
            .message
            .contains("1 migration pending")
    );
    assert!(
        snapshot
            .resource
            .status
            .message
            .contains("kubectl dbm resume")
    );
    // That takes away an annotation, and helps nothing where the spec says it.
    snapshot.resource.spec.suspend = true;
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let message = &snapshot.resource.status.message;
    assert!(!message.contains("kubectl dbm resume"), "{message}");
    assert!(message.contains("set spec.suspend to false"), "{message}");
    let mut snapshot = finished();
    for suspended in [true, false] {
        snapshot.resource.suspended = suspended;
        assert_eq!(decide(&snapshot).effects, []);
    }
}

#[test]
fn frozen_does_nothing() {
    let mut snapshot = snapshot(1);
    snapshot.resource.frozen = true;
    let decision = decide(&snapshot);
    assert!(decision.status.is_none() && decision.effects.is_empty());
}

/// The operator died right after it made the Job. The next one finds the Job, without its pod, and a failed row: that is
/// this run's failure, and not something that stood there before.
#[test]
fn a_job_that_was_made_and_not_journaled_is_judged_as_this_runs() {
    let mut snapshot = snapshot(1);
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let lost = JobProgress::Lost {
        message: "its pod is gone".to_owned(),
    };
    let found = job(&snapshot, &name, lost);
    snapshot.jobs.insert(name, found);
    let row = LedgerRow {
        id: "row-1".to_owned(),
        migration_name: inventory(1).migrations[0].name.clone(),
        started_at: at(START),
        logs: Some("ERROR: no".to_owned()),
        ..LedgerRow::default()
    };
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(vec![row]);
    }
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::MIGRATION_FAILED);
}

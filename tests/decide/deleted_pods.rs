//! The pod of a step is deleted while it runs: that is said while it ends, and stays in the cause of what follows.

use database_migration_operator::api::reasons;
use database_migration_operator::decide::Snapshot;
use database_migration_operator::facts::{
    ContainerEnd, JobFacts, JobProgress, Ledger, LedgerRow, Reading,
};
use rstest::rstest;

use super::cases::{inventory, job, migrating, reason, row, settle};
use super::world::{START, at};

fn shown(snapshot: &Snapshot) -> &str {
    &snapshot.resource.status.message
}

fn with(snapshot: &Snapshot, name: &str, progress: JobProgress, going: bool) -> Option<JobFacts> {
    let found = job(snapshot, name, progress)?;
    Some(JobFacts {
        pod: Some("shop-1-abcde".to_owned()),
        pod_going: going,
        ..found
    })
}

fn rows(snapshot: &mut Snapshot, rows: Vec<LedgerRow>) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(rows);
    }
}

fn open() -> LedgerRow {
    LedgerRow {
        finished_at: None,
        applied_steps_count: 0,
        ..row(&inventory(1).migrations[0])
    }
}

fn killed() -> JobProgress {
    JobProgress::Ended(ContainerEnd {
        exit_code: 137,
        reason: "Error".to_owned(),
        said: String::new(),
        finished_at: at(START + 3),
        summary: None,
    })
}

fn lost() -> JobProgress {
    JobProgress::Lost {
        message: "gone".to_owned(),
    }
}

#[rstest]
#[case::gone_in_the_middle(
    lost(),
    true,
    true,
    "was cut off (its pod was deleted, by somebody, a drain or an eviction)"
)]
#[case::killed_in_the_middle(
    killed(),
    true,
    true,
    "its pod was deleted, by somebody, a drain or an eviction; its process ended with exit code 137"
)]
#[case::gone_before_it_began(
    lost(),
    false,
    true,
    "pod was deleted (by somebody, a drain or an eviction) before it recorded anything"
)]
#[case::nobody_deleted_it(lost(), true, false, "was cut off (its pod was lost)")]
fn a_pod_that_is_deleted_is_said_and_stays_the_cause(
    #[case] end: JobProgress,
    #[case] begun: bool,
    #[case] deleted: bool,
    #[case] cause: &str,
) {
    let (mut snapshot, name) = migrating();
    let running = || JobProgress::Running { since: at(START) };
    let found = with(&snapshot, &name, running(), false);
    snapshot.jobs.insert(name.clone(), found);
    if begun {
        rows(&mut snapshot, vec![open()]);
    }
    snapshot.now = at(START + 1);
    settle(&mut snapshot);
    assert!(!shown(&snapshot).contains("deleted"));
    if deleted {
        let found = with(&snapshot, &name, running(), true);
        snapshot.jobs.insert(name.clone(), found);
        snapshot.now = at(START + 2);
        settle(&mut snapshot);
        assert_eq!(reason(&snapshot.resource.status), reasons::MIGRATING);
        let text = shown(&snapshot);
        for part in [
            "its pod shop-1-abcde is being deleted (by somebody, a drain or an eviction)",
            "what it left is read",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    let found = with(&snapshot, &name, end, false);
    snapshot.jobs.insert(name, found);
    snapshot.now = at(START + 30);
    settle(&mut snapshot);
    let text = shown(&snapshot);
    assert!(text.contains(cause), "{text}");
}

/// What ends by itself although its pod is being deleted has not failed.
#[test]
fn a_pod_that_is_deleted_may_come_to_its_end() {
    let (mut snapshot, name) = migrating();
    let running = JobProgress::Running { since: at(START) };
    let found = with(&snapshot, &name, running, true);
    snapshot.jobs.insert(name.clone(), found);
    settle(&mut snapshot);
    rows(&mut snapshot, vec![row(&inventory(1).migrations[0])]);
    let found = with(&snapshot, &name, super::cases::ended(), true);
    snapshot.jobs.insert(name, found);
    snapshot.now = at(START + 30);
    settle(&mut snapshot);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::SUCCEEDED, "{}", status.message);
    assert!(!status.message.contains("deleted"), "{}", status.message);
}

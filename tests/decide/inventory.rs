//! Reading what an image holds: what is wrong with it is said once, and a pod that is lost is not replaced for ever.

use database_migration_operator::api::{Phase, reasons};
use database_migration_operator::decide::{decide, status};
use database_migration_operator::facts::{
    ContainerEnd, JobProgress, NotStarted, Reading, Unreadable, UnreadableReason,
};
use dbm_protocol::{DatabaseInventory, InventoryReport, Problem, ProblemReason, VERSION};

use super::cases::{applied, ended, job, looked, reason, write};
use super::world::{START, at};

/// The image is read once; what is wrong with it stays said, whatever happens to a database meanwhile.
#[test]
fn an_image_that_cannot_be_used_is_read_once() {
    let (mut snapshot, name) = looked();
    let found = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, found);
    let problem = Problem {
        reason: ProblemReason::SchemaMissing,
        message: "no schema".to_owned(),
    };
    let databases = vec![DatabaseInventory {
        database: "db00".to_owned(),
        problem: Some(problem),
        ..DatabaseInventory::default()
    }];
    snapshot.report = Some(Ok(InventoryReport {
        version: VERSION,
        databases,
    }));
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = snapshot.resource.status.clone();
    assert_eq!(
        (said.phase, reason(&said)),
        (Some(Phase::Blocked), reasons::SCHEMA_MISSING)
    );
    assert!(
        said.next_command
            .starts_with("kubectl edit databasemigration ")
    );
    assert!(said.choices[1].command.starts_with("kubectl dbm retry "));
    snapshot.report = None;
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
    snapshot.databases = read;
    let decision = decide(&snapshot);
    assert_eq!(write(&mut snapshot, &decision), "");
    assert_eq!(snapshot.resource.status.message, said.message);
    assert_eq!(reason(&snapshot.resource.status), reasons::SCHEMA_MISSING);
}

/// What is waited for says how it is corrected: on the screen, and to a script that reads the next command.
#[test]
fn the_next_command_is_the_first_choice_while_it_waits() {
    let (mut snapshot, name) = looked();
    let why = NotStarted {
        reason: "ImagePullBackOff".to_owned(),
        message: "not found".to_owned(),
        silent: false,
    };
    let found = job(&snapshot, &name, JobProgress::NotStarted(why));
    snapshot.jobs.insert(name, found);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), reasons::IMAGE_PULL_FAILED);
    assert!(status::get(said, reasons::RECONCILING).is_some());
    assert!(said.next_command.starts_with("kubectl edit "), "{said:?}");
    assert_eq!(said.next_command, said.choices[0].command);
}

/// Whatever ends pods in a namespace: each is followed by another one later than the one before, and after five a person
/// is told. A new run begins to count anew.
#[test]
fn a_pod_that_is_lost_is_replaced_with_patience_and_a_bound() {
    let (mut snapshot, mut name) = looked();
    let mut waits = Vec::new();
    let mut made = 1;
    for _ in 0..5 {
        let message = "The node was low on resource: memory.".to_owned();
        let lost = job(&snapshot, &name, JobProgress::Lost { message });
        snapshot.jobs = [(name.clone(), lost)].into();
        let decision = decide(&snapshot);
        assert_eq!(write(&mut snapshot, &decision), "", "at once");
        snapshot.jobs.clear();
        let Some(wait) = decision.requeue_ms else {
            break;
        };
        waits.push(wait / 1000);
        let said = &snapshot.resource.status;
        assert_eq!(reason(said), reasons::WAITING_RETRY);
        assert!(
            said.message.contains("low on resource: memory)"),
            "{}",
            said.message
        );
        // Whatever wakes it sooner changes nothing.
        let early = decide(&snapshot);
        assert_eq!(early.status, None);
        assert!(early.effects.is_empty() && early.requeue_ms.is_some());
        let seconds = i64::try_from(wait / 1000).unwrap();
        snapshot.now = at(snapshot.now.as_second() + seconds);
        let decision = decide(&snapshot);
        let next = write(&mut snapshot, &decision);
        assert!(!next.is_empty() && next != name, "{next}");
        name = next;
        made += 1;
    }
    assert_eq!((made, waits), (5, vec![2, 4, 8, 16]));
    let said = snapshot.resource.status.clone();
    assert_eq!(
        (said.phase, reason(&said)),
        (Some(Phase::Blocked), reasons::INVENTORY_FAILED)
    );
    assert!(status::get(&said, reasons::STALLED).is_some());
    assert!(
        said.message.contains("lost 5 times") && said.message.contains(&name),
        "{}",
        said.message
    );
    assert!(
        said.next_command.contains("kubectl dbm retry"),
        "{}",
        said.next_command
    );
    snapshot.now = at(START + 3600);
    assert_eq!(write(&mut snapshot.clone(), &decide(&snapshot)), "");
    snapshot.resource.retry = Some("again".to_owned());
    let superseded = decide(&snapshot);
    assert!(superseded.again);
    write(&mut snapshot, &superseded);
    let decision = decide(&snapshot);
    assert_ne!(write(&mut snapshot, &decision), "");
}

/// A tag was pushed again, nothing is pending by what was stored of it before, and the look at what it holds now says
/// nothing or that it cannot be used: the run neither goes by what it was nor looks for ever.
#[test]
fn what_was_stored_before_is_not_to_go_by_after_a_look_that_failed() {
    let broken = JobProgress::Ended(ContainerEnd {
        exit_code: 1,
        reason: "Error".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: None,
    });
    let lost = JobProgress::Lost {
        message: String::new(),
    };
    for (progress, expected) in [
        (broken, reasons::INVENTORY_FAILED),
        (lost, reasons::WAITING_RETRY),
    ] {
        let mut snapshot = applied();
        snapshot.resource.spec.image = "app:latest".to_owned();
        let decision = decide(&snapshot);
        let name = write(&mut snapshot, &decision);
        assert!(!name.is_empty(), "a tag is looked at");
        let found = job(&snapshot, &name, progress);
        snapshot.jobs.insert(name, found);
        snapshot.report = Some(Err("no".to_owned()));
        let decision = decide(&snapshot);
        assert_eq!(write(&mut snapshot, &decision), "");
        snapshot.jobs.clear();
        let decision = decide(&snapshot);
        assert_eq!(write(&mut snapshot, &decision), "");
        assert_eq!(reason(&snapshot.resource.status), expected);
    }
}

/// An image may bring an agent of its own, which may be of another release. The operator's own agent is of the release that made
/// the Job, and what it found is used.
#[rstest::rstest]
#[case("/app/dbm-agent", reasons::INVENTORY_FAILED)]
#[case("", reasons::MIGRATING)]
fn an_agent_of_another_release_is_told_where_it_is_the_images(
    #[case] agent_path: &str,
    #[case] expected: &str,
) {
    let mut snapshot = super::cases::snapshot(1);
    snapshot.resource.spec.job.agent_path = agent_path.to_owned();
    let mut databases: Vec<DatabaseInventory> = snapshot.inventories.values().cloned().collect();
    databases[0].database = "db00".to_owned();
    snapshot.inventories.clear();
    let decision = decide(&snapshot);
    let name = write(&mut snapshot, &decision);
    let found = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, found);
    snapshot.report = Some(Ok(InventoryReport {
        version: VERSION - 1,
        databases,
    }));
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let said = &snapshot.resource.status;
    assert_eq!(reason(said), expected, "{}", said.message);
    assert_eq!(
        said.message.contains("job.agentPath"),
        !agent_path.is_empty()
    );
}

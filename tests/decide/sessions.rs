//! Whose session it is that nothing is started beside, and what is said of what no retry mends.

use database_migration_operator::api::{FindingKind, Policy, reasons};
use database_migration_operator::decide::{Snapshot, decide};
use database_migration_operator::facts::{
    DatabaseFacts, JobProgress, OBSERVER, Reading, Session, Unreadable, UnreadableReason,
};
use rstest::rstest;

use super::cases::{finished, job, migrating, reason, snapshot, write};
use super::world::{START, at};

fn facts(snapshot: &mut Snapshot) -> &mut DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn session(application_name: &str, state: &str, transaction: Option<i64>) -> Session {
    Session {
        pid: 42,
        application_name: application_name.to_owned(),
        user: None,
        state: Some(state.to_owned()),
        transaction_seconds: transaction,
        ..Session::default()
    }
}

/// A pooler's connection that keeps Prisma's lock is named as that; a migration's session is waited for.
#[rstest]
#[case(
    session(OBSERVER, "active", Some(1)),
    "connection pooler's server connection, active",
    "No migration is at work in it"
)]
#[case(
    session(OBSERVER, "idle", None),
    "connection pooler's server connection, idle",
    "No migration is at work in it"
)]
#[case(session("web", "idle", None), "web, idle", "never ends by itself")]
#[case(
    session("dbm/r1-1/db00", "idle", None),
    "dbm/r1-1/db00, idle",
    "never ends by itself"
)]
#[case(session("web", "active", Some(1)), "web, active", "")]
#[case(
    session("web", "idle in transaction", Some(100)),
    "web, idle in transaction",
    ""
)]
fn who_holds_the_lock(#[case] holder: Session, #[case] who: &str, #[case] left: &str) {
    // Before a start.
    let mut before = snapshot(1);
    facts(&mut before).lock_holder = Some(holder.clone());
    let decision = decide(&before);
    write(&mut before, &decision);
    // After the end of a migration's pod.
    let (mut after, name) = migrating();
    let lost = JobProgress::Lost {
        message: "gone".to_owned(),
    };
    let found = job(&after, &name, lost);
    after.jobs.insert(name, found);
    facts(&mut after).lock_holder = Some(holder);
    after.now = at(START + 30);
    let decision = decide(&after);
    write(&mut after, &decision);
    for (snapshot, expected) in [
        (before, reasons::WAITING_LOCK),
        (after, reasons::WAITING_FOR_BACKEND),
    ] {
        let status = &snapshot.resource.status;
        let message = &status.message;
        assert_eq!(reason(status), expected);
        assert!(message.contains(who), "{message}");
        assert!(!message.contains(OBSERVER), "{message}");
        if left.is_empty() {
            assert!(!message.contains("pooler"), "{message}");
        } else {
            assert!(message.contains(left), "{message}");
            assert!(!message.contains("it goes on by itself"), "{message}");
            assert!(status.next_command.contains("pg_terminate_backend(42)"));
        }
    }
}

/// What somebody has to mend is not said to pass.
#[rstest]
#[case(
    UnreadableReason::HostUnknown,
    "the host pg does not resolve",
    "Once that is mended, it goes on by itself."
)]
#[case(
    UnreadableReason::UrlPooled,
    "a pooler",
    "Once that is mended, it goes on by itself."
)]
#[case(
    UnreadableReason::AuthenticationFailed,
    "the password",
    "Once that is mended, it goes on by itself."
)]
#[case(
    UnreadableReason::ConnectionRefused,
    "check the port",
    "Once that is mended, it goes on by itself."
)]
#[case(
    UnreadableReason::ServerUnavailable,
    "all connections are taken",
    "It goes on by itself."
)]
#[case(
    UnreadableReason::SecretMissing,
    "Create it; it goes on by itself.",
    "Create it; it goes on by itself."
)]
#[case(
    UnreadableReason::QueryFailed,
    "report this as a fault of the operator",
    "report this as a fault of the operator"
)]
fn what_goes_on_by_itself(
    #[case] reason: UnreadableReason,
    #[case] message: &str,
    #[case] end: &str,
) {
    let mut snapshot = snapshot(1);
    let unread = Unreadable {
        reason,
        message: message.to_owned(),
    };
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Unknown(unread));
    let decision = decide(&snapshot);
    let status = decision.status.as_ref().unwrap();
    assert!(status.message.ends_with(end), "{}", status.message);
    assert_eq!(
        status.message.matches("by itself").count(),
        usize::from(end.contains("by itself"))
    );
    assert!(decision.poll_ms.is_some(), "it is looked at again");
}

/// It is worth a look and stands in nothing's way.
#[test]
fn a_ledger_of_prisma_8_is_a_finding() {
    let mut snapshot = finished();
    facts(&mut snapshot).prisma_contract = Some("prisma_contract".to_owned());
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
    let findings = &snapshot.resource.status.databases[0].findings;
    let found: Vec<_> = findings
        .iter()
        .filter(|finding| finding.kind == FindingKind::PrismaContract)
        .map(|finding| (finding.policy, finding.migration.as_str()))
        .collect();
    assert_eq!(found, [(Policy::Warn, "prisma_contract")]);
}

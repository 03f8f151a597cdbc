//! What came into a database between its plan and its Job.

use std::collections::BTreeSet;

use database_migration_operator::api::{RunOutcome, digest, reasons};
use database_migration_operator::decide::{Snapshot, decide};
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, JobProgress, Ledger, Object, Reading, TableName,
};
use database_migration_operator::tools::sql::expected;
use dbm_protocol::{DatabaseInventory, Migration, Outcome};
use rstest::rstest;

use super::cases::{job, reason, settle, snapshot, write};
use super::pods::summary;
use super::world::{START, at};

const SQL: &str = "CREATE TABLE made (id int);";

fn facts(snapshot: &mut Snapshot) -> &mut DatabaseFacts {
    match snapshot.databases.get_mut("db00") {
        Some(Reading::Known(facts)) => facts,
        _ => panic!("no facts"),
    }
}

/// It was planned on an empty database; by the time of its Job a table is there, and Prisma refuses (P3005).
#[rstest]
#[case::what_it_would_make("made", Some("kubectl dbm baseline"))]
#[case::somebody_elses("other", None)]
fn tables_that_came_lead_to_what_they_would_have_led_to_before(
    #[case] table: &str,
    #[case] first: Option<&str>,
) {
    let mut snapshot = snapshot(1);
    let migration = Migration {
        name: "1_init".to_owned(),
        sha256: digest(b"1"),
        sql: Some(SQL.to_owned()),
        ..Migration::default()
    };
    let inventory = DatabaseInventory {
        hash: "h".to_owned(),
        migrations: vec![migration],
        ..DatabaseInventory::default()
    };
    snapshot.inventories = [("db00".to_owned(), inventory)].into();
    facts(&mut snapshot).identity.schema = "public".to_owned();
    facts(&mut snapshot).ledger = Ledger::Absent { tables: Vec::new() };
    let name = settle(&mut snapshot);
    let end = ContainerEnd {
        exit_code: 1,
        reason: "Error".to_owned(),
        said: String::new(),
        finished_at: at(START),
        summary: Some(Box::new(summary(Outcome::Failed, "P3005", ""))),
    };
    let job = job(&snapshot, &name, JobProgress::Ended(end));
    snapshot.jobs.insert(name, job);
    let facts = facts(&mut snapshot);
    facts.ledger = Ledger::Absent {
        tables: vec![TableName {
            schema: "public".to_owned(),
            name: table.to_owned(),
        }],
    };
    let sql = format!("CREATE TABLE {table} (id int);");
    let objects: BTreeSet<Object> = expected(&[("", &sql)], "public");
    facts.objects = Some(objects);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let now = &snapshot.resource.status;
    assert_eq!(now.run.as_ref().unwrap().outcome, Some(RunOutcome::Failed));
    assert_eq!(reason(now), reasons::BASELINE_NEEDED, "{}", now.message);
    assert!(
        now.message.contains(&format!("public.{table}")),
        "{}",
        now.message
    );
    let commands: Vec<&str> = now.choices.iter().map(|c| c.command.as_str()).collect();
    match first {
        Some(first) => {
            assert!(commands[0].starts_with(first), "{commands:?}");
            assert!(commands[0].contains("--migration 1_init"), "{commands:?}");
        }
        // What made them may take them away again.
        None => assert!(commands[1].starts_with("kubectl dbm retry"), "{commands:?}"),
    }
}

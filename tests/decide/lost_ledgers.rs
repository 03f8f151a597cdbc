//! A ledger that is dropped, or loses rows, while a migration runs.

use database_migration_operator::api::{DatabasePhase, StepKind, reasons};
use database_migration_operator::decide::{Snapshot, decide};
use database_migration_operator::facts::{JobProgress, Ledger, LedgerRow, Reading};
use rstest::rstest;

use super::cases::{ended, inventory, job, reason, row, settle, snapshot, write};
use super::tables;
use super::world::{START, at};

fn ledger(snapshot: &mut Snapshot, ledger: Ledger) {
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = ledger;
    }
}

fn absent() -> Ledger {
    Ledger::Absent { tables: Vec::new() }
}

fn failed(code: &str, message: &str) -> JobProgress {
    let mut end = tables::end(1, "Error", code, "").unwrap();
    end.summary.as_mut().unwrap().message = Some(message.to_owned());
    JobProgress::Ended(end)
}

/// A migration of two that runs, one of which was applied before.
fn running() -> (Snapshot, String, Vec<LedgerRow>) {
    let mut snapshot = snapshot(1);
    let image = inventory(2);
    let rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    ledger(&mut snapshot, Ledger::Rows(rows[..1].to_vec()));
    let name = write_decision(&mut snapshot);
    let runs = job(&snapshot, &name, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(name.clone(), runs);
    write_decision(&mut snapshot);
    (snapshot, name, rows)
}

fn write_decision(snapshot: &mut Snapshot) -> String {
    let decision = decide(snapshot);
    write(snapshot, &decision)
}

/// It is said at once, once, and at the end nothing is said not to have been executed, however the command ended.
#[rstest]
#[case::dropped(absent(), failed("P1014", "no _prisma_migrations"))]
#[case::dropped_and_the_command_does_not_mind(absent(), ended())]
#[case::emptied(Ledger::Rows(Vec::new()), failed("P3018", "it failed"))]
fn what_is_not_in_a_lost_ledger_may_have_been_executed(
    #[case] left: Ledger,
    #[case] end: JobProgress,
) {
    let (mut snapshot, name, _) = running();
    ledger(&mut snapshot, left);
    let mut told = Vec::new();
    for seconds in [2, 4] {
        snapshot.now = at(START + seconds);
        let decision = decide(&snapshot);
        told.extend(decision.events.iter().map(|event| event.reason));
        write(&mut snapshot, &decision);
        let shown = &snapshot.resource.status;
        assert_eq!(reason(shown), reasons::LEDGER_LOST, "{}", shown.message);
    }
    assert_eq!(told, [reasons::LEDGER_LOST], "once, at once");
    let over = job(&snapshot, &name, end);
    snapshot.jobs.insert(name, over);
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::LEDGER_LOST);
    assert_eq!(status.databases[0].phase, DatabasePhase::Failed);
    assert!(
        !status.message.contains("nothing was executed"),
        "{}",
        status.message
    );
    let run = status.run.as_ref().unwrap();
    assert!(
        run.steps
            .iter()
            .all(|step| step.name != StepKind::Migrate || step.finished_at.is_some())
    );
}

/// Prisma makes its table before it applies anything: where it is missing at the end it was dropped, seen or not, as by a migration
/// that drops its schema.
#[test]
fn a_ledger_that_prisma_misses_was_dropped() {
    let mut snapshot = snapshot(1);
    ledger(&mut snapshot, absent());
    let name = write_decision(&mut snapshot);
    let message = "The underlying table for model `_prisma_migrations` does not exist.";
    let over = job(&snapshot, &name, failed("P1014", message));
    snapshot.jobs.insert(name, over);
    write_decision(&mut snapshot);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::LEDGER_LOST, "{}", status.message);
}

/// What another image holds, or what stands there as before, is no loss.
#[test]
fn a_ledger_that_holds_as_much_as_before_is_not_lost() {
    let (mut snapshot, name, rows) = running();
    for upto in [1, 2] {
        ledger(&mut snapshot, Ledger::Rows(rows[..upto].to_vec()));
        let decision = decide(&snapshot);
        assert!(decision.events.is_empty(), "{:?}", decision.events);
        write(&mut snapshot, &decision);
    }
    let over = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, over);
    write_decision(&mut snapshot);
    assert_eq!(reason(&snapshot.resource.status), reasons::SUCCEEDED);
}

/// One that was applied is gone while another one is applied: as many stand there as before, or more.
#[rstest]
#[case::of_the_image(0, "5")]
#[case::of_no_image(1, "0_of_no_image")]
fn one_that_goes_while_another_comes_is_seen(#[case] gone: usize, #[case] named: &str) {
    let mut snapshot = snapshot(1);
    let image = inventory(3);
    let mut rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    let mut other = rows[0].clone();
    "0_of_no_image".clone_into(&mut other.migration_name);
    "other".clone_into(&mut other.checksum);
    rows.insert(1, other);
    ledger(&mut snapshot, Ledger::Rows(rows[..2].to_vec()));
    let history = &mut snapshot.resource.spec.preflight.history;
    history.unknown = database_migration_operator::api::Policy::Ignore;
    history.since = "1".to_owned();
    let name = settle(&mut snapshot);
    assert!(!name.is_empty(), "{}", snapshot.resource.status.message);
    let runs = job(&snapshot, &name, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(name.clone(), runs);
    write_decision(&mut snapshot);
    rows.remove(gone);
    ledger(&mut snapshot, Ledger::Rows(rows[..2].to_vec()));
    let decision = decide(&snapshot);
    write(&mut snapshot, &decision);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::LEDGER_LOST, "{}", status.message);
    assert!(status.message.contains(named), "{}", status.message);
    // The way on is printed, and leads on.
    let over = job(&snapshot, &name, failed("P3018", "it failed"));
    snapshot.jobs.insert(name, over);
    write_decision(&mut snapshot);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::LEDGER_LOST, "{}", status.message);
    leads_on(&mut snapshot);
}

/// The first retry says what would run, the second one runs it.
fn leads_on(snapshot: &mut Snapshot) {
    snapshot.resource.retry = Some("again".to_owned());
    assert_eq!(settle(snapshot), "");
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::PENDING_FOUND, "{}", status.message);
    snapshot.resource.retry = Some("and again".to_owned());
    let made = settle(snapshot);
    assert!(!made.is_empty(), "{}", snapshot.resource.status.message);
}

/// The second of two migrations, of which the first was applied before, has this text, and has run.
fn writes(script: &str, names: &[&str]) -> Snapshot {
    let mut snapshot = snapshot(1);
    let mut image = inventory(2);
    for (migration, name) in image.migrations.iter_mut().zip(["1_first", "2_writes"]) {
        name.clone_into(&mut migration.name);
    }
    image.migrations[1].sql = Some(script.to_owned());
    let mut rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        "public".clone_into(&mut facts.identity.schema);
    }
    ledger(&mut snapshot, Ledger::Rows(rows[..1].to_vec()));
    let name = settle(&mut snapshot);
    assert!(!name.is_empty(), "{}", snapshot.resource.status.message);
    rows[1].started_at = at(START);
    let mut other = rows[1].clone();
    "3_other".clone_into(&mut other.migration_name);
    other.id = "other".to_owned();
    rows.push(other);
    rows.retain(|row| names.contains(&row.migration_name.as_str()));
    ledger(&mut snapshot, Ledger::Rows(rows));
    let over = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, over);
    settle(&mut snapshot);
    snapshot
}

/// A migration that writes to Prisma's table itself is named as the cause, and nothing else is.
#[rstest]
#[case::others("DELETE FROM \"_prisma_migrations\" WHERE migration_name < '2';", &["2_writes"], reasons::LEDGER_LOST)]
#[case::all("TRUNCATE \"_prisma_migrations\";", &[], reasons::LEDGER_LOST)]
#[case::its_own("DELETE FROM \"_prisma_migrations\" WHERE finished_at IS NULL;", &["1_first"], reasons::LEDGER_LOST)]
#[case::in_code("DO $$ BEGIN DELETE FROM _prisma_migrations; END $$;", &[], reasons::LEDGER_LOST)]
#[case::more("INSERT INTO _prisma_migrations (id) VALUES ('other');", &["1_first", "2_writes", "3_other"], reasons::UNPLANNED_MIGRATIONS)]
fn what_a_migration_does_to_the_ledger_itself_is_its_own(
    #[case] script: &str,
    #[case] names: &[&str],
    #[case] expected: &str,
) {
    let mut snapshot = writes(script, names);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), expected, "{}", status.message);
    let message = &status.message;
    assert!(
        message.contains("the SQL of 2_writes (statement 1: "),
        "{message}"
    );
    for untrue in [
        "another folder",
        "another database",
        "somebody else",
        "reads other",
    ] {
        assert!(!message.contains(untrue), "{message}");
    }
    // What may have run does not run again before somebody said so.
    if expected == reasons::LEDGER_LOST {
        leads_on(&mut snapshot);
    }
}

/// Such a file that did not do it, or whose command found nothing to do, is no cause.
#[test]
fn what_the_ledger_shows_to_be_otherwise_is_not_its_doing() {
    let text = "DELETE FROM \"_prisma_migrations\" WHERE false;";
    let fine = writes(text, &["1_first", "2_writes"]);
    assert_eq!(reason(&fine.resource.status), reasons::SUCCEEDED);
    let other = writes("SELECT 1;", &["1_first"]);
    assert_ne!(reason(&other.resource.status), reasons::LEDGER_LOST);
}

/// Prisma takes the migrations in their order: one that comes before another of this run had its turn, whatever became of its row.
#[test]
fn what_comes_before_one_that_the_run_applied_has_run() {
    let mut snapshot = snapshot(1);
    let image = inventory(3);
    let mut rows: Vec<LedgerRow> = image.migrations.iter().map(row).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    ledger(&mut snapshot, Ledger::Rows(rows[..1].to_vec()));
    let name = write_decision(&mut snapshot);
    let over = job(&snapshot, &name, ended());
    snapshot.jobs.insert(name, over);
    snapshot.now = at(START + 5);
    rows[2].started_at = at(START + 3);
    rows[2].finished_at = Some(at(START + 4));
    let lost = rows.remove(1);
    ledger(&mut snapshot, Ledger::Rows(rows));
    settle(&mut snapshot);
    let status = &snapshot.resource.status;
    assert_eq!(reason(status), reasons::LEDGER_LOST, "{}", status.message);
    assert!(
        status.message.contains(&lost.migration_name),
        "{}",
        status.message
    );
    // Nobody has been told yet what would run.
    snapshot.resource.retry = Some("again".to_owned());
    assert_eq!(settle(&mut snapshot), "", "nothing is started");
    assert_eq!(reason(&snapshot.resource.status), reasons::PENDING_FOUND);
}

/// Its command named what it applied: what of that has no row had its turn. What it named last counts where it came to its end.
#[rstest]
#[case::all_of_it(true, Some("All migrations have been successfully applied."), 2, true)]
#[case::no_end(true, None, 2, false)]
#[case::the_first_of_two(true, None, 3, true)]
#[case::elsewhere(
    false,
    Some("All migrations have been successfully applied."),
    2,
    false
)]
fn what_the_command_named_and_has_no_row_has_run(
    #[case] here: bool,
    #[case] said: Option<&str>,
    #[case] begun: usize,
    #[case] lost: bool,
) {
    let mut snapshot = snapshot(1);
    let image = inventory(3);
    let rows: Vec<LedgerRow> = image.migrations[..1].iter().map(row).collect();
    let names: Vec<String> = image.migrations.iter().map(|m| m.name.clone()).collect();
    snapshot.inventories.insert("db00".to_owned(), image);
    ledger(&mut snapshot, Ledger::Rows(rows));
    let facts = |snapshot: &mut Snapshot, digest: &str| {
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
            facts.catalog = Some(digest.to_owned());
        }
    };
    facts(&mut snapshot, "before");
    let name = write_decision(&mut snapshot);
    // Somebody deleted all that the run wrote.
    facts(&mut snapshot, if here { "after" } else { "before" });
    let JobProgress::Ended(mut end) = ended() else {
        panic!("it has ended")
    };
    let mut summary = *end.summary.take().unwrap_or_else(|| {
        tables::end(0, "Completed", "", "")
            .unwrap()
            .summary
            .unwrap()
    });
    summary.begun = Some(names[begun - 1].clone());
    summary.message = said.map(|_| dbm_protocol::recognise::APPLIED.to_owned());
    summary.exit_code = Some(0);
    end.summary = Some(Box::new(summary));
    let over = job(&snapshot, &name, JobProgress::Ended(end));
    snapshot.jobs.insert(name, over);
    settle(&mut snapshot);
    let status = &snapshot.resource.status;
    assert_eq!(
        reason(status) == reasons::LEDGER_LOST,
        lost,
        "{}",
        status.message
    );
    if lost {
        let part = format!("Prisma applied {}", names[1]);
        assert!(status.message.contains(&part), "{}", status.message);
        leads_on(&mut snapshot);
    }
}

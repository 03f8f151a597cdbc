//! What is marked applied with force, and what the catalog says of it.

use database_migration_operator::api::{ActionKind, FindingKind, Policy, reasons};
use rstest::rstest;

use super::humans;
use super::situations::{FIRST, SECOND, Stage, TARGET, odd, same, situation};

const SITUATION: &str = "squashed, and not all of it is there";

fn forced(stage: &Stage) -> Vec<&str> {
    let entry = &stage.world.objects[0].resource.status.databases[0];
    let findings = entry.findings.iter();
    findings
        .filter(|finding| finding.kind == FindingKind::Forced)
        .map(|finding| finding.text.as_str())
        .collect()
}

/// A forced baseline says for as long as its run is shown, and where that succeeds, what of it is not there; one that is right says
/// nothing.
#[rstest]
#[case::nobody_made_it(false)]
#[case::somebody_made_it(true)]
fn what_is_forced_against_the_catalog_is_said(#[case] by_hand: bool) {
    let (mut stage, _) = situation(SITUATION);
    let resource = &stage.world.objects[0].resource;
    let offered = humans::offered(&stage.world, 0, &resource.status);
    let mut found = offered.into_iter();
    let (title, mut spec) = found
        .find(|(_, spec)| spec.action == ActionKind::Baseline)
        .unwrap();
    spec.force = true;
    if by_hand {
        humans::by_hand(&mut stage.world, 0, &title, &spec);
    }
    humans::create(&mut stage.world, 0, spec);
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let said = stage
        .said()
        .contains("with --force although the catalog contradicts it: a: 0000_squashed");
    assert_eq!(said, !by_hand, "{}", stage.said());
    assert_eq!(forced(&stage).len(), usize::from(!by_hand));
    // It is so in a later run, too, until somebody makes it.
    stage.edit(|resource| resource.retry = Some("again".to_owned()));
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    assert_eq!(forced(&stage).len(), usize::from(!by_hand));
    assert_eq!(
        stage.said().contains("contradicts"),
        !by_hand,
        "{}",
        stage.said()
    );
    let content = &mut stage.world.databases.get_mut("p0").unwrap().content;
    content
        .catalog
        .get_mut("public")
        .unwrap()
        .insert("other".to_owned());
    stage.edit(|resource| resource.retry = Some("once more".to_owned()));
    stage.go(60);
    assert_eq!(forced(&stage), Vec::<&str>::new());
}

/// Where it was not marked, nothing was forced.
#[test]
fn what_was_not_marked_was_not_forced() {
    let (mut stage, _) = situation(SITUATION);
    let resource = &stage.world.objects[0].resource;
    let offered = humans::offered(&stage.world, 0, &resource.status);
    let mut found = offered.into_iter();
    let (_, mut spec) = found
        .find(|(_, spec)| spec.action == ActionKind::Baseline)
        .unwrap();
    spec.force = true;
    stage.world.trouble.resolves_nothing = true;
    humans::create(&mut stage.world, 0, spec);
    stage.go(60);
    assert!(!stage.ready(), "{}", stage.said());
    assert_eq!(forced(&stage), Vec::<&str>::new());
}

/// Of a ledger that is gone as a whole one baseline marks what a run has seen in it, also what the catalog does not show, and nothing of it
/// runs again.
#[test]
fn one_baseline_marks_what_a_lost_ledger_held() {
    let (mut stage, _) = situation("a name has something else, and rows are pending");
    let rows = || {
        [
            same(FIRST),
            odd("0150_rows", "r", &[]),
            odd("0160_rows", "s", &[]),
        ]
    };
    stage.world.odd.insert("rows".to_owned(), rows().to_vec());
    let content = &mut stage.world.databases.get_mut("p0").unwrap().content;
    content.ledgers.insert("public".to_owned(), None);
    content.catalog.get_mut("public").unwrap().clear();
    stage.edit(|resource| {
        resource.spec.preflight.history.unknown = Policy::Ignore;
        resource.spec.preflight.history.ahead = Policy::Ignore;
    });
    stage.world.rows(TARGET).clear();
    stage.release("rows");
    stage.go(60);
    stage.choose("retry");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let ran = |stage: &Stage| {
        let ledger = stage.world.databases["p0"].content.ledgers["public"].clone();
        let rows = ledger.unwrap_or_default().into_iter();
        let ran = rows.filter(|row| row.applied_steps_count > 0);
        ran.map(|row| row.migration_name).collect::<Vec<_>>()
    };
    assert_eq!(ran(&stage).len(), 3);

    let content = &mut stage.world.databases.get_mut("p0").unwrap().content;
    content.ledgers.insert("public".to_owned(), None);
    stage.edit(|resource| resource.retry = Some("again".to_owned()));
    stage.go(60);
    assert_eq!(stage.reason(), reasons::BASELINE_NEEDED, "{}", stage.said());
    let command = &stage.world.objects[0].resource.status.choices[0].command;
    assert!(
        command.contains("0160_rows") && command.ends_with(" --force"),
        "{command}"
    );
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    assert_eq!(
        ran(&stage),
        Vec::<String>::new(),
        "it is marked, and not run"
    );
    assert_eq!(stage.world.applied(TARGET).len(), 3);
}

/// After a human's word that what was applied has another name, what stands under the old one never ran: an object that it would make, or rows.
#[rstest]
#[case::an_object(&["0900_new"])]
#[case::rows(&[])]
fn what_stands_under_a_name_that_was_reused_is_no_success(#[case] makes: &[&str]) {
    let (mut stage, _) = situation("a name has something else, and rows are pending");
    let image = [
        same(FIRST),
        odd(SECOND, "n", makes),
        odd("0301_rows", "r", &[]),
    ];
    stage.world.odd.insert("odd".to_owned(), image.to_vec());
    stage.edit(|resource| resource.retry = Some("again".to_owned()));
    stage.go(60);
    assert_eq!(stage.reason(), reasons::UNSEEN_FOUND, "{}", stage.said());
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::EDITED_FOUND, "{}", stage.said());
}

/// Of a tag that was pushed again under a plan that was shown, the new plan of every database is shown before anything of it runs.
#[test]
fn the_new_plan_of_every_database_is_shown() {
    let (mut stage, _) = situation("two databases were exchanged");
    stage.exchange();
    stage.go(60);
    assert!(stage.ready(), "{}", stage.said());
    stage.edit(|resource| resource.suspended = true);
    stage.release("v3");
    stage.go(40);
    *stage.world.pushes.entry("v3".to_owned()).or_default() += 1;
    stage.edit(|resource| resource.suspended = false);
    stage.go(60);
    assert_eq!(stage.reason(), reasons::PLAN_CHANGED, "{}", stage.said());
    let status = &stage.world.objects[0].resource.status;
    for entry in &status.databases {
        assert_eq!(
            entry.pending_count, 2,
            "{}: {:?}",
            entry.name, entry.pending
        );
    }
    let title = &status.choices[0].title;
    assert_eq!(title.matches("0301_pushed again").count(), 2, "{title}");
}

/// A forced retry counts for the image that was looked at, and for no other that was pushed under its tag since.
#[test]
fn what_is_forced_is_what_was_looked_at() {
    let (mut stage, _) = situation("lacking one, and rows are pending");
    let other = [
        same(FIRST),
        odd("0301_rows", "other", &[]),
        same("0900_new"),
    ];
    stage.world.odd.insert("odd".to_owned(), other.to_vec());
    stage.choose("retry");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::PLAN_CHANGED, "{}", stage.said());
    assert!(!stage.world.applied(TARGET).contains("0301_rows"));
    stage.choose("retry");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::UNSEEN_FOUND, "{}", stage.said());
}

/// After a baseline of a database without a ledger, what only changes rows may have run there, too.
#[test]
fn what_comes_after_a_baseline_and_does_not_show_is_asked_about() {
    let (mut stage, _) = situation("all are there");
    let image = [
        same(FIRST),
        same(SECOND),
        odd("0301_rows", "r", &[]),
        same("0900_new"),
        odd("0910_rows", "s", &[]),
    ];
    stage.world.odd.insert("odd".to_owned(), image.to_vec());
    stage.release("odd");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::BASELINE_NEEDED, "{}", stage.said());
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::UNSEEN_FOUND, "{}", stage.said());
    assert!(
        stage.said().contains("0301_rows is pending after"),
        "{}",
        stage.said()
    );
    assert!(!stage.said().contains("0910"), "{}", stage.said());
    stage.choose("baseline");
    stage.go(60);
    assert_eq!(stage.reason(), reasons::SUCCEEDED, "{}", stage.said());
    let ledger = stage.world.databases["p0"].content.ledgers["public"].clone();
    let rows = ledger.unwrap_or_default().into_iter();
    let ran: Vec<String> = rows
        .filter(|row| row.applied_steps_count > 0)
        .map(|row| row.migration_name)
        .collect();
    assert_eq!(ran, ["0900_new", "0910_rows"]);
}

//! What is marked applied with force, and what the catalog says of it.

use database_migration_operator::api::{ActionKind, FindingKind, reasons};
use rstest::rstest;

use super::humans;
use super::situations::{Stage, situation};

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
    if !by_hand {
        assert!(forced(&stage)[0].contains("other"), "{:?}", forced(&stage));
    }
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

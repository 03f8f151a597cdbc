//! Rows 1 and 2, and every action: the operator is killed before and after each of its writes, the answer lost with it.
//! Each story's points are played side by side in namespaces of their own.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;

use super::play::{Recorded, play, record, report};
use super::script::{Expect, Fault, Match, Rule};
use super::story::Story;

/// Plays at once. Most of their time is waiting.
const LANES: usize = 2;
/// More writes than any story makes: a point that is never reached ends the search.
const MOST: usize = 200;

fn kill(number: usize, fault: Fault) -> Rule {
    let on = Match {
        verb: "write".to_owned(),
        resource: "any".to_owned(),
        from: number,
        to: number,
    };
    Rule { on, fault }
}

/// Every point, or every n-th of `DBM_FAULTS_EVERY`, where the run is not to take so long.
fn every() -> usize {
    let every = std::env::var("DBM_FAULTS_EVERY").ok();
    every.map_or(1, |every| every.parse().expect("a number"))
}

async fn all_points(story: Story) {
    let recorded = record(story).await;
    assert!(!recorded.writes.is_empty());
    let next = AtomicUsize::new(0);
    let lanes = join_all((0..LANES).map(|_| lane(story, &recorded, &next))).await;
    let mut points = 0;
    let mut longest = Duration::ZERO;
    for (count, time) in lanes {
        points += count;
        longest = longest.max(time);
    }
    // A run with a crash in it may have a write less, never so many.
    let least = recorded.writes.len() * 2 / every();
    assert!(
        points * 10 >= least * 8,
        "{points} points of {:#?}",
        recorded.writes
    );
    report(
        &format!("crash_points::{}", story.name().replace('-', "_")),
        story.name(),
        points,
        longest,
    );
}

/// Takes one point after the other until there is none left. How many were reached, and the longest play.
async fn lane(story: Story, recorded: &Recorded, next: &AtomicUsize) -> (usize, Duration) {
    let (mut points, mut longest) = (0, Duration::ZERO);
    loop {
        let point = next.fetch_add(1, Ordering::Relaxed) * every();
        let (number, fault) = match point % 2 {
            0 => (point / 2 + 1, Fault::KillBefore),
            _ => (point / 2 + 1, Fault::KillAfter),
        };
        assert!(number < MOST, "{} does not end", story.name());
        if number > recorded.writes.len() {
            return (points, longest);
        }
        let write = &recorded.writes[number - 1];
        println!(
            "{}: {fault:?} write {number}, in the run without faults: {write}",
            story.name()
        );
        let played = play(story, &[kill(number, fault)], &Expect::Same, &[], recorded).await;
        points += played.fired;
        longest = longest.max(played.took);
    }
}

macro_rules! crash_points {
    ($($test:ident: $story:expr;)*) => {$(
        #[tokio::test]
        async fn $test() { all_points($story).await; }
    )*};
}

crash_points! {
    release: Story::Release;
    failure: Story::Failure;
    lock_retry: Story::LockRetry;
    edit: Story::Edit;
    deletion: Story::Deletion;
    retry: Story::Retry;
    abort: Story::Abort;
    mark_applied: Story::MarkApplied;
    mark_rolled_back: Story::MarkRolledBack;
    down_migration: Story::DownMigration;
    restore: Story::Restore;
    baseline: Story::Baseline;
    accept_validation: Story::AcceptValidation;
}

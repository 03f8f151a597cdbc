//! The scenarios that stand as text files in `scenarios/`.

use super::play::{play, record, report};
use super::script::Scenario;
use super::story::Story;

async fn scenario(test: &str, text: &str) {
    let scenario = Scenario::parse(text);
    let story = Story::named(&scenario.story);
    let recorded = record(story).await;
    let played = play(
        story,
        &scenario.rules,
        &scenario.expect,
        &scenario.but,
        &recorded,
    )
    .await;
    assert!(played.fired > 0, "nothing went wrong: {text}");
    report(
        &format!("scenarios::{test}"),
        &scenario.what,
        1,
        played.took,
    );
}

macro_rules! scenarios {
    ($($test:ident: $file:literal;)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                scenario(stringify!($test), include_str!(concat!("scenarios/", $file))).await;
            }
        )*

        #[test]
        fn every_file_is_played() {
            let played = [$($file),*];
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/scenarios");
            for file in std::fs::read_dir(folder).unwrap() {
                let name = file.unwrap().file_name().into_string().unwrap();
                assert!(played.contains(&name.as_str()), "{name} is not played");
            }
        }
    };
}

scenarios! {
    row_05_the_api_server_is_away_during_a_job: "05-away.txt";
    row_06_every_status_write_conflicts_for_a_while: "06-conflicts.txt";
    row_07_watches_expire: "07-expired.txt";
    row_08_bursts_of_429: "08-too-many-requests.txt";
    row_08_bursts_of_500: "08-internal-errors.txt";
    row_08_connections_are_cut: "08-cut.txt";
    row_08_answers_are_lost: "08-lost-answers.txt";
    row_09_reads_are_stale_after_a_job_was_made: "09-stale.txt";
    row_09_the_resource_itself_is_stale: "09-stale-resource.txt";
    row_10_a_success_is_hidden_until_its_job_is_gone: "10-hidden-success.txt";
    row_10_a_failure_is_hidden_until_its_job_is_gone: "10-hidden-failure.txt";
    row_11_events_come_twice_and_out_of_order: "11-echo.txt";
}

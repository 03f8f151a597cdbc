//! `maxRunsPerServer`: runs on one database server wait for each other, those on another one do not.

use database_migration_operator::api::{StepKind, reasons};

use crate::bad_input::{small, until_said};
use crate::harness::*;

#[tokio::test]
async fn runs_on_one_server_take_turns_where_they_are_limited() {
    Stage::without_operator(async |stage| {
        stage.set_operator(Operator::start(Options {
            arguments: vec!["--max-runs-per-server=1".to_owned()],
            ..Options::of(&stage.namespace)
        }));
        let warm = stage.database(Server::Identity, "warm").await;
        stage.apply(&small("warm", &warm.secret)).await;
        stage.until_ready("warm").await;

        stage.database(Server::Identity, "identity").await;
        let second = stage.database(Server::Identity, "second").await;
        let elsewhere = stage.database(Server::Tasks, "elsewhere").await;
        stage.apply(&slow("first")).await;
        until_slow(stage, "first").await;
        stage.apply(&small("second", &second.secret)).await;
        let parts = ["1 run is at work on this server", "maxRunsPerServer"];
        until_said(stage, "second", reasons::SERVER_BUSY, &parts).await;
        stage.apply(&small("elsewhere", &elsewhere.secret)).await;
        stage.until_ready("elsewhere").await;

        let first = stage.until_ready("first").await;
        let second = stage.until_ready("second").await;
        let ended = status(&first).run.unwrap().finished_at.unwrap();
        let begun = steps(&second, StepKind::Migrate)[0]
            .started_at
            .clone()
            .unwrap();
        assert!(begun >= ended, "{begun:?} is before {ended:?}");
    })
    .await;
}

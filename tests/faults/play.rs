//! Plays a story with something going wrong, and compares its end with the end of the play without.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use database_migration_operator::api::reasons;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::proxy::Proxy;
use super::script::{Expect, Rule};
use super::state::{differences, state};
use super::story::{Story, inventories};
use crate::harness::{Operator, Options, Stage, holds, reason, status};

/// Within this time a story with a fault has ended as the one without, or pauses with a reason.
pub const BOUND: Duration = Duration::from_secs(120);
/// For so long the end must stay as it is: what comes late is a fault, too.
const SETTLED: Duration = Duration::from_millis(1500);

/// A play without faults.
#[derive(Clone, Default)]
pub struct Recorded {
    pub end: Value,
    /// What the operator wrote, in order.
    pub writes: Vec<String>,
    pub inventories: Vec<ConfigMap>,
}

/// How a play with faults ended.
#[derive(Clone, Debug)]
pub struct Played {
    /// How often something went wrong.
    pub fired: usize,
    /// From the first move to the end that lasts.
    pub took: Duration,
}

/// Plays a story without faults; once for all tests of this process.
pub async fn record(story: Story) -> Recorded {
    static RECORDED: Mutex<BTreeMap<Story, Arc<OnceCell<Recorded>>>> =
        Mutex::const_new(BTreeMap::new());
    let cell = RECORDED.lock().await.entry(story).or_default().clone();
    let recorded = cell.get_or_init(async || {
        let first = without_faults(story, &[]).await;
        match story.finds_out() {
            true => first,
            false => without_faults(story, &first.inventories).await,
        }
    });
    recorded.await.clone()
}

async fn without_faults(story: Story, known: &[ConfigMap]) -> Recorded {
    let mut recorded = Recorded::default();
    Stage::without_operator(async |stage| {
        let proxy = proxied(stage).await;
        let prepared = story.prepare(stage, known).await;
        proxy.arm(&[]);
        story.go(stage, &prepared).await;
        until_over(story, stage).await;
        tokio::time::sleep(SETTLED).await;
        recorded.end = state(stage, &prepared.databases).await;
        recorded.writes = proxy.writes();
        recorded.inventories = inventories(stage).await;
        prepared.unblock().await;
    })
    .await;
    recorded
}

/// Plays it with faults.
pub async fn play(
    story: Story,
    rules: &[Rule],
    expect: &Expect,
    but: &[String],
    recorded: &Recorded,
) -> Played {
    let mut played = None;
    Stage::without_operator(async |stage| {
        let proxy = proxied(stage).await;
        let prepared = story.prepare(stage, &recorded.inventories).await;
        proxy.arm(rules);
        let began = Instant::now();
        story.go(stage, &prepared).await;
        let took = match expect {
            Expect::Same => {
                until_same(story, stage, &prepared.databases, recorded, but, began).await
            }
            Expect::Paused(why) => {
                let paused = stage.until_reason("shop", why).await;
                assert_eq!(holds(&paused, reasons::STALLED), Some(true));
                assert!(
                    !status(&paused).next_command.is_empty(),
                    "{}",
                    status(&paused).message
                );
                began.elapsed()
            }
        };
        let log = proxy.operator(|operator| operator.log());
        assert!(!log.contains("panicked"), "{log}");
        prepared.unblock().await;
        played = Some(Played {
            fired: proxy.fired(),
            took,
        });
    })
    .await;
    played.unwrap()
}

/// An operator of this build behind a proxy.
async fn proxied(stage: &Stage) -> Proxy {
    let proxy = Proxy::start().await;
    let options = Options {
        server: Some(proxy.address.clone()),
        ..Options::of(&stage.namespace)
    };
    proxy.put(Operator::start(options));
    proxy
}

async fn until_over(story: Story, stage: &Stage) {
    let began = Instant::now();
    while !story.over(stage) {
        assert!(
            began.elapsed() < BOUND,
            "{} has not ended within {BOUND:?}",
            story.name()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until the end is that of the play without faults, and stays so.
async fn until_same(
    story: Story,
    stage: &Stage,
    databases: &[crate::harness::Db],
    recorded: &Recorded,
    but: &[String],
    began: Instant,
) -> Duration {
    let counts = |line: &String| !but.iter().any(|name| line.contains(&format!("/{name}")));
    let compared = async || -> Vec<String> {
        let found = state(stage, databases).await;
        let lines = differences(&recorded.end, &found);
        lines.into_iter().filter(counts).collect()
    };
    loop {
        let (mut lines, took) = (vec!["it is not over".to_owned()], began.elapsed());
        if story.over(stage) {
            lines = compared().await;
        }
        if lines.is_empty() {
            tokio::time::sleep(SETTLED).await;
            lines = compared().await;
            assert!(lines.is_empty(), "it changed after its end: {lines:#?}");
            return took;
        }
        if took > BOUND {
            let all = stage.resources.all();
            let last = all
                .last()
                .map(|seen| (reason(&seen.object), status(&seen.object).message));
            panic!("{} ended otherwise: {lines:#?}\n{last:?}", story.name());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Notes what `make faults` prints.
pub fn report(test: &str, what: &str, points: usize, longest: Duration) {
    let line =
        json!({"test": test, "what": what, "points": points, "longestMs": longest.as_millis()});
    println!("{line}");
    if let Ok(path) = std::env::var("DBM_FAULTS_REPORT") {
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{line}").unwrap();
    }
}

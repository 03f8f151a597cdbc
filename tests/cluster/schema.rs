//! Row 45: resources made of the CRD's schema. The API server refuses them, or the operator handles them: no panic, no
//! resource that is stuck or says nothing, no Job without a cause.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use database_migration_operator::api::{
    DatabaseMigration, LABEL_INVENTORY, LABEL_MIGRATION, LABEL_RUN, LABEL_STEP, Phase,
};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, ValidationDirective};
use serde_json::{Value, json};

use crate::generate::{Dice, Kind, schema, spec};
use crate::harness::*;

/// Another row of resources by another number.
const SEED: u64 = 45;
const NUMBER: usize = 420;
/// As many as a busy client has under way.
const AT_ONCE: usize = 12;
/// The resource for which the image is read that all name in the end.
const KNOWN: &str = "known";
/// How long any of the three rounds may take, also on a machine that has other things to do.
const ROUND: Duration = Duration::from_secs(300);

fn object(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "dbops.dev/v1alpha1", "kind": "DatabaseMigration",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// Applied as it is: the API server's answer, or why it refuses.
async fn apply(stage: &Stage, object: &Value) -> Result<DatabaseMigration, String> {
    let parameters = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("test").force()
    };
    let name = object["metadata"]["name"].as_str().unwrap();
    let api = stage.api::<DatabaseMigration>();
    match api.patch(name, &parameters, &Patch::Apply(object)).await {
        Ok(applied) => Ok(applied),
        // An unknown field of an apply is a 500 of the API server.
        Err(kube::Error::Api(status))
            if [400, 422].contains(&status.code)
                || status.message.contains("failed to create typed patch") =>
        {
            Err(status.message.clone())
        }
        Err(other) => panic!("neither taken nor refused: {other}\n{object}"),
    }
}

/// Few of the pods may be made: the images are not there, and the node is not this test's alone.
async fn hold_pods_down(stage: &Stage) {
    let quota: ResourceQuota = serde_json::from_value(json!({
        "metadata": {"name": "few-pods"}, "spec": {"hard": {"pods": "12"}},
    }))
    .unwrap();
    let api = stage.api::<ResourceQuota>();
    api.create(&PostParams::default(), &quota).await.unwrap();
}

/// Waits until every one of these says of its newest spec what goes on.
async fn until_all_speak(
    stage: &Stage,
    least: &BTreeMap<String, i64>,
    is: impl Fn(&DatabaseMigration) -> bool,
) {
    let speaks = |object: &DatabaseMigration, generation: i64| {
        object.metadata.generation.unwrap_or(0) >= generation
            && object.status.as_ref().is_some_and(|s| s.phase.is_some())
            && !reason(object).is_empty()
            && !message(object).is_empty()
            && is(object)
    };
    // Each version is looked at once: looking at all of them at every change would take the operator's processor.
    let mut silent: BTreeMap<String, String> = least
        .keys()
        .map(|name| (name.clone(), "nothing".to_owned()))
        .collect();
    let mut looked_at = 0;
    let all = stage
        .resources
        .until(ROUND, |seen| {
            for seen in &seen[looked_at..] {
                let name = seen.object.name_any();
                let Some(generation) = least.get(&name) else {
                    continue;
                };
                if speaks(&seen.object, *generation) {
                    silent.remove(&name);
                } else {
                    let phase = status(&seen.object).phase;
                    let said = (phase, reason(&seen.object), message(&seen.object));
                    silent.insert(name, format!("{said:?}"));
                }
            }
            looked_at = seen.len();
            silent.is_empty().then_some(())
        })
        .await;
    assert!(
        all.is_some(),
        "{} say nothing or not that: {silent:#?}",
        silent.len()
    );
}

/// What the operator has done so far is alive and without a panic.
async fn is_well(stage: &Stage) {
    let mut operator = stage.operator.lock().unwrap().take();
    if let Some(process) = &mut operator {
        assert!(process.ended().is_none(), "{}", process.log());
        assert!(!process.log().contains("panicked"), "{}", process.log());
    }
    *stage.operator.lock().unwrap() = operator;
    for pod in stage.operator_pods().await {
        let statuses = pod.status.and_then(|status| status.container_statuses);
        for status in statuses.into_iter().flatten() {
            // A panic aborts (134). One that could not renew its Lease in time says so and ends with 1; it may, and
            // what it left undone is asked for by the caller.
            let ended = status.last_state.and_then(|state| state.terminated);
            assert!(
                ended.as_ref().is_none_or(|ended| ended.exit_code == 1),
                "{ended:?}"
            );
        }
    }
}

/// A spec that is well and waits: its Secret is not there. Of some the database is there, too.
fn put_back(name: &str, ready: &BTreeMap<String, Db>) -> Value {
    let secret = ready
        .get(name)
        .map_or("no-such-secret", |db| db.secret.as_str());
    let mut well = resource(
        name,
        &variant("small"),
        &[("main", secret, "prisma/schema.prisma")],
    );
    // What its image holds is known.
    well["spec"]["suspend"] = (!ready.contains_key(name)).into();
    well
}

/// Puts these back: their generations.
async fn put(
    stage: &Stage,
    names: &[&String],
    ready: &BTreeMap<String, Db>,
) -> BTreeMap<String, i64> {
    stream::iter(names)
        .map(|name| {
            let well = put_back(name, ready);
            async move {
                let applied = apply(stage, &well).await.unwrap();
                ((*name).clone(), applied.metadata.generation.unwrap_or(0))
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// Each Job reads what an image holds, for a resource that was taken, once in a run.
fn jobs_have_a_cause(stage: &Stage, taken: &BTreeMap<String, i64>, ready: &BTreeMap<String, Db>) {
    let mut made: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for seen in stage.jobs.all() {
        let job = &seen.object;
        let label = |key: &str| job.labels().get(key).cloned().unwrap_or_default();
        let (name, run) = (label(LABEL_MIGRATION), label(LABEL_RUN));
        assert!(
            taken.contains_key(&name) || name == KNOWN,
            "{} is of no resource",
            job.name_any()
        );
        if label(LABEL_STEP) == "inventory" {
            made.entry((name, run)).or_default().insert(job.name_any());
        } else {
            assert!(
                ready.contains_key(&name),
                "{} migrates what cannot be read",
                job.name_any()
            );
        }
    }
    let twice: Vec<_> = made.iter().filter(|(_, jobs)| jobs.len() > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn hundreds_of_generated_resources_are_refused_or_handled_and_can_be_put_back() {
    Stage::with(async |stage| {
        println!("seed {SEED}");
        let known = put_back(KNOWN, &BTreeMap::new());
        apply(stage, &known).await.unwrap();
        let reads = |maps: &[Seen<ConfigMap>]| {
            let stored = maps
                .iter()
                .any(|map| map.object.labels().contains_key(LABEL_INVENTORY));
            stored.then_some(())
        };
        let maps = Recorder::start(stage.api::<ConfigMap>());
        maps.until(ROUND, reads).await.expect("it is read");
        hold_pods_down(stage).await;
        let schema = schema();
        let mut dice = Dice::new(SEED);
        let kinds = [Kind::Valid, Kind::Bounds, Kind::Broken];
        let made: Vec<(Kind, Value)> = (0..NUMBER)
            .map(|at| {
                let kind = kinds[at % kinds.len()];
                let name = format!("g{at}");
                (kind, object(&name, spec(&schema, kind, &mut dice)))
            })
            .collect();
        let began = Instant::now();
        let answers: Vec<_> = stream::iter(&made)
            .map(|one| async move { (one, apply(stage, &one.1).await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut taken: BTreeMap<String, i64> = BTreeMap::new();
        let mut refused = 0;
        for ((kind, object), answer) in answers {
            match answer {
                Ok(applied) => {
                    taken.insert(applied.name_any(), applied.metadata.generation.unwrap_or(0));
                }
                Err(why) => {
                    assert_eq!(*kind, Kind::Broken, "{why}\n{object}");
                    refused += 1;
                }
            }
        }
        println!(
            "{} taken and {refused} refused after {:?}",
            taken.len(),
            began.elapsed()
        );
        assert!(
            taken.len() >= 2 * NUMBER / 3 && refused >= NUMBER / 10,
            "{} {refused}",
            taken.len()
        );
        until_all_speak(stage, &taken, |_| true).await;
        println!("all speak after {:?}", began.elapsed());
        is_well(stage).await;
        jobs_have_a_cause(stage, &taken, &BTreeMap::new());

        let mut ready = BTreeMap::new();
        for name in taken.keys().take(4) {
            let server = if ready.len() % 2 == 0 {
                Server::Identity
            } else {
                Server::Tasks
            };
            ready.insert(name.clone(), stage.database(server, name).await);
        }
        // First those that need no pod: Jobs of before would have theirs made where the quota goes, hundreds at once.
        let (few, many): (Vec<&String>, Vec<&String>) =
            taken.keys().partition(|name| ready.contains_key(*name));
        let many = put(stage, &many, &ready).await;
        until_all_speak(stage, &many, |object| {
            reason(object) == "SecretMissing" && status(object).phase == Some(Phase::Pending)
        })
        .await;
        println!("all that wait are put back after {:?}", began.elapsed());
        let quotas = stage.api::<ResourceQuota>();
        quotas
            .delete("few-pods", &DeleteParams::default())
            .await
            .unwrap();
        let few = put(stage, &few, &ready).await;
        until_all_speak(stage, &few, is_ready).await;
        println!("all are put back after {:?}", began.elapsed());
        is_well(stage).await;
        jobs_have_a_cause(stage, &taken, &ready);

        let api = stage.api::<DatabaseMigration>();
        api.delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .unwrap();
        let mut there: BTreeSet<String> = taken.keys().cloned().collect();
        let mut looked_at = 0;
        let gone = stage
            .resources
            .until(ROUND, |seen| {
                let deleted = seen[looked_at..].iter().filter(|seen| seen.deleted);
                for seen in deleted {
                    there.remove(&seen.object.name_any());
                }
                looked_at = seen.len();
                there.is_empty().then_some(())
            })
            .await;
        let left = api.list(&ListParams::default()).await.unwrap().items;
        let left: Vec<String> = left.iter().map(ResourceExt::name_any).collect();
        assert!(gone.is_some(), "not gone: {left:?}");
        is_well(stage).await;
        println!("all are gone after {:?}", began.elapsed());
    })
    .await;
}

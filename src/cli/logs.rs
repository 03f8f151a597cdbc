//! `logs`: the output of every Job of a run, in the order of its steps.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;

use dbm_protocol::INVENTORY_FRAME;
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};

use super::args::LogsArgs;
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::page::step_words;
use super::style::{Style, Tone};
use super::terminal::{Terminal, print};
use super::text::{between, safe, safe_lines};
use crate::api::{
    DatabaseMigration, LABEL_DATABASE, LABEL_MIGRATION, LABEL_RUN, LABEL_STEP, LABEL_TEST,
    StepKind, StepOutcome, StepStatus,
};
use crate::build::CONTAINER;

/// The label by which Kubernetes ties a pod to its Job.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// A Job whose log is wanted.
struct Entry {
    heading: String,
    job: String,
    database: String,
    /// It went well, and its pod is deleted as soon as it is read: nobody looks for its log.
    read: bool,
}

/// Prints the logs.
///
/// # Errors
/// When the cluster cannot be read, or there is no such run.
pub async fn logs(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &LogsArgs,
) -> Result<Exit, Failure> {
    let resource = cluster.get(&args.name).await?;
    if let Some(database) = &args.database
        && !resource.spec.databases.iter().any(|d| d.name == *database)
    {
        let names: Vec<&str> = resource
            .spec
            .databases
            .iter()
            .map(|d| d.name.as_str())
            .collect();
        return Err(Failure::usage(format!(
            "{} has no database {}; it has: {}",
            safe(&args.name),
            safe(database),
            names.join(", ")
        )));
    }
    let current = resource.status.as_ref().and_then(|s| s.run.as_ref());
    let wanted = args.run.as_deref().or(current.map(|run| run.id.as_str()));
    let Some(wanted) = wanted else {
        return Err(Failure::human(format!(
            "{} has no run yet, so there are no logs",
            safe(&args.name)
        )));
    };
    if args.follow {
        return follow(cluster, terminal, args, wanted).await;
    }
    let entries = match current {
        Some(run) if run.id == wanted => run.steps.iter().map(entry).collect(),
        _ => old_run(cluster, &args.name, wanted).await?,
    };
    let chosen: Vec<&Entry> = entries
        .iter()
        .filter(|entry| of_database(entry, args))
        .collect();
    let only_read = chosen.iter().all(|entry| entry.read);
    let mut any = false;
    for entry in chosen {
        let pod = newest_pod(cluster, &entry.job).await?;
        if pod.is_none() && entry.read && !only_read {
            continue;
        }
        one(cluster, terminal.out, entry, pod.as_ref(), any, false).await?;
        any = true;
    }
    if !any {
        return Err(Failure::failed(format!(
            "run {} has no Job{}",
            safe(wanted),
            args.database
                .as_ref()
                .map_or(String::new(), |database| format!(" of {}", safe(database)))
        )));
    }
    Ok(Exit::Done)
}

fn of_database(entry: &Entry, args: &LogsArgs) -> bool {
    args.database
        .as_ref()
        .is_none_or(|database| entry.database == *database)
}

fn entry(step: &StepStatus) -> Entry {
    let mut heading = step_words(step.name, &step.database, &step.test);
    if step.attempt > 1 {
        heading.push_str(&format!(", attempt {}", step.attempt));
    }
    if let Some(outcome) = step.outcome {
        heading.push_str(&format!(", {outcome:?}"));
    }
    if let (Some(start), Some(end)) = (&step.started_at, &step.ended_at) {
        heading.push_str(&format!(" after {}", between(start.0, end.0)));
    }
    Entry {
        heading: format!("{heading} (Job {})", safe(&step.job)),
        job: step.job.clone(),
        database: step.database.clone(),
        read: step.name == StepKind::Inventory && step.outcome == Some(StepOutcome::Succeeded),
    }
}

/// The Jobs that are left of a run that is over; its journal is gone, so they tell by their labels.
async fn old_run(cluster: &Cluster, name: &str, run: &str) -> Result<Vec<Entry>, Failure> {
    let api: Api<Job> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let selector = format!("{LABEL_MIGRATION}={name},{LABEL_RUN}={run}");
    let mut jobs = api
        .list(&ListParams::default().labels(&selector))
        .await
        .map_err(|error| cluster.failure("the Jobs", &error, "list jobs"))?
        .items;
    if jobs.is_empty() {
        return Err(Failure::failed(format!(
            "no Job of run {} of {} is left",
            safe(run),
            safe(name)
        )));
    }
    jobs.sort_by_key(|job| job.metadata.creation_timestamp.clone());
    Ok(jobs
        .iter()
        .map(|job| {
            let label = |key| job.labels().get(key).map_or("", String::as_str);
            let database = label(LABEL_DATABASE);
            let mut heading = safe(label(LABEL_STEP));
            if !label(LABEL_TEST).is_empty() {
                heading.push_str(&format!(" {}", safe(label(LABEL_TEST))));
            }
            if !database.is_empty() {
                heading = format!("{}: {heading}", safe(database));
            }
            Entry {
                heading: format!("{heading} (Job {})", job.name_any()),
                job: job.name_any(),
                database: database.to_owned(),
                read: false,
            }
        })
        .collect())
}

async fn newest_pod(cluster: &Cluster, job: &str) -> Result<Option<Pod>, Failure> {
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let list = api
        .list(&ListParams::default().labels(&format!("{JOB_NAME}={job}")))
        .await
        .map_err(|error| cluster.failure("the pods", &error, "list pods"))?;
    Ok(list
        .items
        .into_iter()
        .max_by_key(|pod| pod.metadata.creation_timestamp.clone()))
}

/// Whether the container has begun, so that there is a log.
fn has_begun(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses.into_iter().flatten().any(|status| {
        let state = status.state.as_ref();
        status.name == CONTAINER
            && state.is_some_and(|state| state.running.is_some() || state.terminated.is_some())
    })
}

/// One Job: its heading and its log, or why there is none.
async fn one(
    cluster: &Cluster,
    style: Style,
    entry: &Entry,
    pod: Option<&Pod>,
    gap: bool,
    follow: bool,
) -> Result<(), Failure> {
    let heading = style.paint(Tone::Strong, &format!("==> {}", entry.heading));
    print(&format!("{}{heading}\n", if gap { "\n" } else { "" }));
    let Some(pod) = pod else {
        print("its pod is gone, and its log with it\n");
        return Ok(());
    };
    let name = pod.name_any();
    if !has_begun(pod) {
        print(&format!(
            "its container has not started; see: kubectl describe pod {name} -n {}\n",
            safe(&cluster.namespace)
        ));
        return Ok(());
    }
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let parameters = LogParams {
        container: Some(CONTAINER.to_owned()),
        follow,
        ..LogParams::default()
    };
    let log = match api.log_stream(&name, &parameters).await {
        Ok(log) => log,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            print("its pod is gone, and its log with it\n");
            return Ok(());
        }
        Err(error) => return Err(cluster.failure("the log", &error, "get pods/log")),
    };
    let mut lines = log.lines();
    loop {
        match lines.try_next().await {
            Ok(Some(line)) => print(&format!("{}\n", shown(&line))),
            Ok(None) => return Ok(()),
            Err(error) => {
                print(&format!(
                    "the log was cut off: {}\n",
                    safe(&error.to_string())
                ));
                return Ok(());
            }
        }
    }
}

/// A line as it is shown: what the agent says to the operator is not for people.
fn shown(line: &str) -> String {
    if line.starts_with(INVENTORY_FRAME) {
        return format!(
            "(what the image holds, {} bytes, for the operator)",
            line.len()
        );
    }
    safe_lines(line)
}

/// Something that changed while following.
enum Change {
    Resource(Option<Box<DatabaseMigration>>),
    Pod(Box<Pod>),
}

/// One Job after the other as they begin, until the run has ended.
async fn follow(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &LogsArgs,
    run: &str,
) -> Result<Exit, Failure> {
    let resources = cluster
        .watch(cluster.migrations(), &args.name, "databasemigrations")
        .map_ok(|resource| Change::Resource(resource.map(Box::new)));
    let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let selector = format!("{LABEL_MIGRATION}={},{LABEL_RUN}={run}", args.name);
    let mut errors = 0;
    let failing = cluster.clone();
    let pods = watcher::watcher(api, watcher::Config::default().labels(&selector))
        .default_backoff()
        .applied_objects()
        .filter_map(move |pod| {
            let change = match pod {
                Ok(pod) => {
                    errors = 0;
                    Some(Ok(Change::Pod(Box::new(pod))))
                }
                Err(error) => {
                    errors += 1;
                    failing.watch_failure("pods", &error, errors).map(Err)
                }
            };
            std::future::ready(change)
        });
    let mut changes = pin!(stream::select(resources, pods));
    let mut steps: Vec<StepStatus> = Vec::new();
    let mut ended = false;
    let mut begun: BTreeMap<String, Pod> = BTreeMap::new();
    let mut printed: BTreeSet<String> = BTreeSet::new();
    while let Some(change) = changes.next().await {
        match change? {
            Change::Resource(None) => ended = true,
            Change::Resource(Some(resource)) => {
                match resource.status.and_then(|status| status.run) {
                    Some(now) if now.id == run => {
                        ended = now.finished_at.is_some();
                        steps = now.steps;
                    }
                    _ => ended = true,
                }
            }
            Change::Pod(pod) => {
                if let Some(job) = pod.labels().get(JOB_NAME)
                    && has_begun(&pod)
                {
                    begun.insert(job.clone(), *pod);
                }
            }
        }
        for step in &steps {
            let entry = entry(step);
            if printed.contains(&step.job) || !of_database(&entry, args) {
                continue;
            }
            let mut pod = begun.get(&step.job).cloned();
            if pod.is_none() && (step.finished_at.is_some() || ended) {
                pod = newest_pod(cluster, &step.job).await?;
            } else if pod.is_none() {
                break;
            }
            let gap = !printed.is_empty();
            one(cluster, terminal.out, &entry, pod.as_ref(), gap, true).await?;
            printed.insert(step.job.clone());
        }
        if ended {
            break;
        }
    }
    Ok(Exit::Done)
}

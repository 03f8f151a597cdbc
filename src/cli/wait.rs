//! `wait`: for a pipeline, or an application that must not start before its schema is there.

use std::time::Duration;

use futures::future::join_all;
use kube::ResourceExt;

use super::args::{Goal, WaitArgs};
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::follow;
use super::terminal::{print, say};
use super::text::safe;
use super::verdict;
use crate::api::{DatabaseMigration, reasons};

/// Whether a goal is reached, or will not be without somebody.
pub fn reached(resource: &DatabaseMigration, goal: Goal) -> Option<Exit> {
    let kind = match goal {
        Goal::Ready => reasons::READY,
        Goal::Migrated => reasons::MIGRATED,
    };
    let status = resource.status.as_ref()?;
    let of_now = verdict::condition(status, kind).is_some_and(|condition| {
        condition.status == "True" && condition.observed_generation == resource.metadata.generation
    });
    if verdict::is_current(resource) && of_now {
        return Some(Exit::Done);
    }
    verdict::settled(resource)
}

/// Waits for all of them at once.
///
/// # Errors
/// When one cannot be watched, or the time is over.
pub async fn wait(cluster: &Cluster, args: &WaitArgs) -> Result<Exit, Failure> {
    let resources = cluster.select(&args.which).await?;
    let alone = resources.len() == 1;
    let waits = resources.iter().map(|resource| {
        let name = resource.name_any();
        async move {
            let lead = if alone {
                String::new()
            } else {
                format!("{}: ", safe(&name))
            };
            let command = format!(
                "kubectl dbm status {} -n {}",
                safe(&name),
                safe(&cluster.namespace)
            );
            let over = |resource: &DatabaseMigration| reached(resource, args.goal);
            let patience = args.patience.seconds().unwrap_or_default();
            let patience = Duration::from_secs(u64::try_from(patience).unwrap_or_default());
            // What the operator said of an older spec is not about now.
            let news = verdict::is_current;
            let work = follow::resource(cluster, &name, &lead, news, over, Some(patience));
            let (_, exit) = follow::within(Some(&args.timeout), &command, work).await?;
            if exit == Exit::Done {
                let word = match args.goal {
                    Goal::Ready => "ready",
                    Goal::Migrated => "migrated",
                };
                print(&format!(
                    "databasemigration.dbops.dev/{} {word}\n",
                    safe(&name)
                ));
            } else {
                say(&format!("{lead}it waits for somebody: {command}"));
            }
            Ok::<_, Failure>(exit)
        }
    });
    let mut exit = Exit::Done;
    for result in join_all(waits).await {
        match result {
            Ok(end) => exit = exit.worst(end),
            Err(failure) => {
                exit = exit.worst(failure.exit);
                say(&format!("error: {}", failure.message));
            }
        }
    }
    Ok(exit)
}

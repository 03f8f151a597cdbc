//! `suspend` and `resume`: one annotation, which GitOps does not revert.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};

use super::args::ManyWrite;
use super::cluster::{Cluster, names};
use super::exit::{Exit, Failure};
use super::screen;
use super::show;
use super::terminal::{Terminal, print, say};
use super::text::safe;
use crate::api::ANNOTATION_SUSPEND;
use crate::runtime::clock;

/// Sets the annotation, or takes it away.
///
/// # Errors
/// As [`crate::cli::exit`] says.
pub async fn suspend(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &ManyWrite,
    suspended: bool,
) -> Result<Exit, Failure> {
    let resources = cluster.select(&args.which).await?;
    let what = if suspended {
        "suspend: nothing new is started from now on, it plans and shows; a running migration goes on"
    } else {
        "resume: what is pending is started, with every check"
    };
    if resources.len() > 1 {
        let (width, style) = (terminal.width(), terminal.err);
        say(&screen::table(
            &resources,
            false,
            clock::now(),
            width,
            style,
        ));
    }
    let screens = show::screens(terminal.err, terminal.width(), &resources);
    say(screen::confirmation(&screens, &[], &cluster.facts, what).trim_end());
    terminal.confirm(args.write.yes, None)?;
    let value = suspended.then_some("true");
    let patch = serde_json::json!({"metadata": {"annotations": {ANNOTATION_SUSPEND: value}}});
    for resource in &resources {
        let name = resource.name_any();
        cluster
            .migrations()
            .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .map_err(|error| {
                let what = format!("DatabaseMigration {}", safe(&name));
                cluster.failure(&what, &error, "patch databasemigrations")
            })?;
        let done = if suspended { "suspended" } else { "resumed" };
        print(&format!(
            "databasemigration.dbops.dev/{} {done}\n",
            safe(&name)
        ));
    }
    let by_spec: Vec<_> = resources.into_iter().filter(|r| r.spec.suspend).collect();
    if !suspended && !by_spec.is_empty() {
        return Err(Failure::human(format!(
            "{} stays suspended by spec.suspend: set that to false where its manifest is kept",
            names(&by_spec)
        )));
    }
    Ok(Exit::Done)
}

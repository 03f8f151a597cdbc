//! `suspend` and `resume`: one annotation, which GitOps does not revert.

use kube::ResourceExt;
use kube::api::{Patch, PatchParams};

use super::args::ManyWrite;
use super::cluster::{Cluster, names};
use super::exit::{Exit, Failure};
use super::page;
use super::screen;
use super::terminal::{Terminal, print, say};
use super::text::safe;
use crate::api::{ANNOTATION_SUSPEND, DatabaseMigration};
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
    let mut resources = cluster.select(&args.which).await?;
    // What the spec says is not ours to change: nothing of it would be resumed.
    let refusal = if suspended {
        None
    } else {
        let refusal = stay_suspended(&resources);
        resources.retain(|resource| !resource.spec.suspend);
        refusal
    };
    if let Some(refusal) = refusal.as_ref().filter(|_| resources.is_empty()) {
        return Err(Failure::human(refusal.clone()));
    }
    if let Some(refusal) = &refusal {
        say(refusal);
    }
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
    let screens = page::screens(terminal.err, terminal.width(), &resources);
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
    match refusal {
        Some(refusal) => Err(Failure::human(refusal)),
        None => Ok(Exit::Done),
    }
}

/// Of those that their spec suspends: that `resume` does not help, and what does.
fn stay_suspended(resources: &[DatabaseMigration]) -> Option<String> {
    let by_spec: Vec<DatabaseMigration> = resources
        .iter()
        .filter(|resource| resource.spec.suspend)
        .cloned()
        .collect();
    let first = by_spec.first()?;
    let namespace = first.namespace().unwrap_or_default();
    Some(format!(
        "{} suspended by spec.suspend, which this command does not change: set spec.suspend to false in its manifest and apply that, or, where it is kept nowhere else: {}",
        match by_spec.len() {
            1 => format!("{} is", names(&by_spec)),
            _ => format!("{} are", names(&by_spec)),
        },
        screen::unsuspend(&first.name_any(), &namespace)
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_its_spec_suspends_is_not_said_to_be_resumed() {
        let mut resource: DatabaseMigration = serde_json::from_value(serde_json::json!({
            "apiVersion": "dbops.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": {"name": "shop", "namespace": "production"},
            "spec": {"image": "shop:1", "databases": []},
        }))
        .unwrap();
        assert_eq!(stay_suspended(&[resource.clone()]), None);
        resource.spec.suspend = true;
        let said = stay_suspended(&[resource]).unwrap_or_default();
        let patch = r#"kubectl patch databasemigration shop -n production --type merge -p '{"spec":{"suspend":false}}'"#;
        assert!(said.contains(patch), "{said}");
    }
}

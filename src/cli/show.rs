//! `status` and `plan`: reading and printing.

use kube::Resource;
use serde::Serialize;

use super::args::{Format, PlanArgs, StatusArgs};
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::live;
use super::page::{full, screens, stored};
use super::screen;
use super::terminal::{Terminal, print, say};
use super::text::safe;
use super::verdict;
use crate::api::DatabaseMigration;
use crate::runtime::clock;
use crate::tools::prisma::shell_quote;

/// `status`.
///
/// # Errors
/// When the cluster cannot be read.
pub async fn status(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &StatusArgs,
) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        let found = cluster
            .list(args.selector.as_deref(), args.all_namespaces)
            .await?;
        if let Some(format) = args.output.output {
            print(&list(format, &found)?);
        } else if found.is_empty() {
            print("No DatabaseMigration is here.\n");
        } else {
            let (width, style) = (terminal.width(), terminal.out);
            let now = clock::now();
            print(&screen::table(
                &found,
                args.all_namespaces,
                now,
                width,
                style,
            ));
        }
        return Ok(Exit::Done);
    };
    if args.watch {
        return live::watch(cluster, terminal, name).await;
    }
    let resource = cluster.get(name).await?;
    if let Some(format) = args.output.output {
        print(&object(format, &resource)?);
    } else {
        print(&full(cluster, terminal, &resource).await);
    }
    Ok(verdict::look(&resource))
}

/// `plan`.
///
/// # Errors
/// When the cluster cannot be read.
pub async fn plan(
    cluster: &Cluster,
    terminal: &Terminal,
    args: &PlanArgs,
) -> Result<Exit, Failure> {
    let resources = cluster.select(&args.which).await?;
    let mut values = Vec::new();
    let mut kept_back = false;
    for (at, screen) in screens(terminal.out, terminal.width(), &resources)
        .iter()
        .enumerate()
    {
        let stored = match args.sql {
            true => {
                let found = stored(cluster, screen.resource).await;
                kept_back |= found.forbidden && pends(screen.resource);
                Some(found.by_database)
            }
            false => None,
        };
        if args.output.output.is_some() {
            values.push(screen::plan_object(screen.resource, stored.as_ref()));
            continue;
        }
        let gap = if at > 0 { "\n" } else { "" };
        print(&format!("{gap}{}", screen::plan(screen, stored.as_ref())));
    }
    if let Some(format) = args.output.output {
        let text = match values.as_slice() {
            [one] if args.which.name.is_some() => write(format, one)?,
            several => write(format, &as_list(several))?,
        };
        print(&text);
    }
    if kept_back {
        say(&how_to_read_sql(cluster).await);
    }
    Ok(resources
        .iter()
        .map(verdict::look)
        .fold(Exit::Done, Exit::worst))
}

/// Something is pending, so that there is SQL to show.
fn pends(resource: &DatabaseMigration) -> bool {
    let status = resource.status.as_ref();
    status.is_some_and(|status| status.databases.iter().any(|d| !d.pending.is_empty()))
}

/// What right is missing to show the SQL, and how whoever may give it does so.
async fn how_to_read_sql(cluster: &Cluster) -> String {
    let user = cluster.who().await.unwrap_or_else(|_| "NAME".to_owned());
    let namespace = shell_quote(&safe(&cluster.namespace));
    let user = shell_quote(&safe(&user));
    format!(
        "\nThe SQL of an image is stored in ConfigMaps, and to read them you need the right to list ConfigMaps in the namespace {namespace}. The cluster's ClusterRole view has it. The roles of the chart leave it out, because RBAC cannot tell these ConfigMaps from the others of the namespace. Whoever administers the namespace can give it, for all of its ConfigMaps, by:\n  \
         kubectl create role dbm-plan-sql -n {namespace} --verb=get,list --resource=configmaps\n  \
         kubectl create rolebinding dbm-plan-sql -n {namespace} --role=dbm-plan-sql --user={user}"
    )
}

/// An object for programs: what was asked for by its name.
///
/// # Errors
/// When it cannot be written down, which no object of ours is known for.
pub fn object<K>(format: Format, object: &K) -> Result<String, Failure>
where
    K: Resource + Serialize + Clone,
{
    write(format, &shown(object))
}

/// What was not asked for by its name, as a List: also where it is one, or none. So a script meets one shape, whatever there is.
///
/// # Errors
/// When they cannot be written down.
pub fn list<K>(format: Format, several: &[K]) -> Result<String, Failure>
where
    K: Resource + Serialize + Clone,
{
    let items: Vec<K> = several.iter().map(shown).collect();
    write(format, &as_list(&items))
}

/// The object as kubectl shows it: who wrote which field fills pages and says nothing to people.
fn shown<K: Resource + Clone>(object: &K) -> K {
    let mut object = object.clone();
    object.meta_mut().managed_fields = None;
    object
}

/// As kubectl has it.
fn as_list<T: Serialize>(items: &[T]) -> serde_json::Value {
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items})
}

fn write(format: Format, value: &impl Serialize) -> Result<String, Failure> {
    let failed = |error: String| Failure::failed(format!("it cannot be printed: {error}"));
    match format {
        Format::Json => serde_json::to_string_pretty(value)
            .map(|text| format!("{text}\n"))
            .map_err(|error| failed(error.to_string())),
        Format::Yaml => serde_json::to_value(value)
            .map_err(|error| failed(error.to_string()))
            .and_then(|value| {
                serde_saphyr::to_string(&value).map_err(|error| failed(error.to_string()))
            }),
    }
}

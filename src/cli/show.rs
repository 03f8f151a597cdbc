//! `status` and `plan`: reading and printing.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;

use super::args::{Format, PlanArgs, StatusArgs};
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::live;
use super::screen::{self, Screen, Stored};
use super::style::Style;
use super::terminal::{Terminal, print, say};
use super::text::safe;
use super::verdict;
use crate::api::{DatabaseMigration, LABEL_INVENTORY, StepKind};
use crate::build::read_config_map;
use crate::decide::inventory_key;
use crate::runtime::clock;
use crate::tools::prisma::shell_quote;

/// The looks at resources at this moment.
pub fn screens(
    style: Style,
    width: Option<usize>,
    resources: &[DatabaseMigration],
) -> Vec<Screen<'_>> {
    let now = clock::now();
    let screen = |resource| Screen {
        resource,
        now,
        width,
        style,
        prisma: &[],
    };
    resources.iter().map(screen).collect()
}

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

/// The whole screen of one resource.
pub async fn full(cluster: &Cluster, terminal: &Terminal, resource: &DatabaseMigration) -> String {
    let prisma = prisma_versions(cluster, resource).await;
    screen::status(&Screen {
        resource,
        now: clock::now(),
        width: terminal.width(),
        style: terminal.out,
        prisma: &prisma,
    })
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

/// What is stored of the image.
struct Found {
    /// By database.
    by_database: Stored,
    /// The ConfigMaps may not be listed.
    forbidden: bool,
}

/// What is stored of the image, by database. What may not be read is said, and takes nothing else away.
async fn stored(cluster: &Cluster, resource: &DatabaseMigration) -> Found {
    let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let databases = &resource.spec.databases;
    let keys: Vec<String> = databases
        .iter()
        .map(|database| inventory_key(&resource.spec, database))
        .collect();
    let selector = format!("{LABEL_INVENTORY} in ({})", keys.join(","));
    let list = api.list(&ListParams::default().labels(&selector)).await;
    let one = |key: &String| match &list {
        Err(error) if is_forbidden(error) => Err(format!(
            "you may not list the ConfigMaps of {}",
            cluster.namespace
        )),
        Err(error) => Err(cluster
            .failure("the ConfigMaps", error, "list configmaps")
            .message),
        Ok(list) => {
            let newest = list
                .items
                .iter()
                .filter(|map| map.labels().get(LABEL_INVENTORY) == Some(key))
                .max_by_key(|map| map.metadata.creation_timestamp.clone());
            let map = newest.ok_or_else(|| {
                "the content of this image is not stored; a run stores it".to_owned()
            })?;
            read_config_map(map).map_err(|error| error.to_string())
        }
    };
    Found {
        by_database: databases
            .iter()
            .zip(&keys)
            .map(|(database, key)| (database.name.clone(), one(key)))
            .collect(),
        forbidden: list.as_ref().is_err_and(is_forbidden),
    }
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}

/// The versions of Prisma in the image, where that can be read; else none, which is no failure.
async fn prisma_versions(cluster: &Cluster, resource: &DatabaseMigration) -> Vec<String> {
    let inventoried = resource
        .status
        .as_ref()
        .is_some_and(|status| status.databases.iter().any(|d| d.total > 0));
    if !inventoried {
        return Vec::new();
    }
    let found = stored(cluster, resource).await;
    let versions: BTreeSet<String> = found
        .by_database
        .into_values()
        .filter_map(|inventory| inventory.ok()?.prisma_version)
        .collect();
    versions.into_iter().collect()
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

/// What a step is called where people read it.
pub fn step_words(step: StepKind, database: &str, test: &str) -> String {
    let mut text = step.as_str().to_owned();
    if !test.is_empty() {
        text.push_str(&format!(" {}", super::text::safe(test)));
    }
    if database.is_empty() {
        text
    } else {
        format!("{}: {text}", super::text::safe(database))
    }
}

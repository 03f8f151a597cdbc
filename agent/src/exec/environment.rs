//! The environment of the child: what is merged into it, and what forbids to start it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use nix::unistd::{AccessFlags, access};

use super::config::Code;
use super::elsewhere;
use super::url::{self, Settings};
use crate::inventory::Project;
use crate::inventory::schema::Setting;
use dbm_protocol::connection;
use dbm_protocol::recognise::image::unset_message;
use dbm_protocol::redact::common::Known;
use dbm_protocol::redact::secrets::{Secrets, is_secret};
use dbm_protocol::{ExecRequest, Problem, ProblemReason, Refusal};

/// Names and values.
pub type Variables = BTreeMap<OsString, OsString>;

/// What turns off Prisma's lock.
const NO_LOCK: &str = "PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK";

/// Refuses an environment in which Prisma migrates without its lock: its engine takes every value but an empty one and
/// `0` for yes, `false` too.
///
/// # Errors
/// That refusal.
pub fn check_lock(variables: &Variables) -> Result<(), Refusal> {
    match variables.get(OsStr::new(NO_LOCK)) {
        Some(value) if !value.is_empty() && value != "0" => Err(Refusal::AdvisoryLockDisabled),
        _ => Ok(()),
    }
}

/// Merges the operator's settings into every connection string that Prisma may migrate by. Returns the variable by which
/// it does, as far as that is known. `variables_of_code` are those that the configuration's code names.
///
/// # Errors
/// When a variable is missing or no URL, or when Prisma would migrate by something into which nothing can be merged.
pub fn merge_connections(
    variables: &mut Variables,
    request: &ExecRequest,
    project: Option<&Project>,
    variables_of_code: &[String],
) -> Result<Option<String>, Refusal> {
    if request.env_var.is_empty() {
        return Ok(None);
    }
    let settings = settings(request);
    let own = request.env_var.as_str();
    merge_into(variables, own, &settings, "databases[].envVar names it")?;
    let Some(project) = project else {
        return Ok(Some(own.to_owned()));
    };
    let datasource = &project.datasource;
    let migrates_by = if datasource.direct_url == Setting::Unset {
        &datasource.url
    } else {
        &datasource.direct_url
    };
    // An adapter is given its connection by the configuration's own code.
    let needed = if project.has_config {
        None
    } else {
        match migrates_by {
            Setting::Unset => None,
            Setting::Literal => return Err(literal()),
            Setting::Variable(name) => Some(name.as_str()),
        }
    };
    if let Some(name) = needed.filter(|name| *name != own) {
        if !variables.contains_key(OsStr::new(name)) {
            return Err(Refusal::Problem(Problem {
                reason: ProblemReason::DatasourceVariableUnset,
                message: unset_message(name),
            }));
        }
        let why = "the schema's datasource names it, and Prisma migrates by it";
        merge_into(variables, name, &settings, why)?;
        check_place(variables, request, project, name)?;
    }
    let others = [&datasource.url, &datasource.direct_url]
        .into_iter()
        .filter_map(Setting::variable)
        .chain(variables_of_code.iter().map(String::as_str))
        .filter(|name| *name != own && Some(*name) != needed);
    for name in others {
        merge_where_it_may_count(variables, name, &settings);
    }
    Ok(Some(needed.unwrap_or(own).to_owned()))
}

/// Prisma migrates by this variable, and the operator watches what is in its own: both have to lead to one database.
fn check_place(
    variables: &Variables,
    request: &ExecRequest,
    project: &Project,
    name: &str,
) -> Result<(), Refusal> {
    let own = request.env_var.as_str();
    let value = |name: &str| variables.get(OsStr::new(name)).and_then(|v| v.to_str());
    let patience = Duration::from_secs(request.reach_seconds);
    let (Some(watched), Some(migrated)) = (value(own), value(name)) else {
        return Ok(());
    };
    let Some(elsewhere) = elsewhere::leads(watched, migrated, patience) else {
        return Ok(());
    };
    let setting = match &project.datasource.direct_url {
        Setting::Unset => "url",
        _ => "directUrl",
    };
    let configured = project.inventory.configured.as_ref();
    let place = match configured.filter(|configured| configured.datasource) {
        Some(_) => "prisma.config",
        None => "the schema",
    };
    Err(Refusal::ConnectionInvalid(format!(
        "{name}, by which Prisma migrates (it is {setting} of the datasource in {place}), leads {} than {own}, which holds \
         connection.secretKeyRef and is watched. Let both lead to one database, under the same host, or set databases[].envVar \
         to {name} and connection.secretKeyRef to what it holds",
        elsewhere.text()
    )))
}

/// Whether the configuration's code can connect by nothing but the operator's own variable: it is plain, names that one, and what else it
/// names is set by nobody, leads to the same place, or can name no place.
#[must_use]
pub fn is_certain(variables: &Variables, request: &ExecRequest, code: &Code) -> bool {
    let own = request.env_var.as_str();
    // What a command of the user's own does is the user's to say.
    if own.is_empty() || request.project.own_command {
        return true;
    }
    let value = |name: &str| variables.get(OsStr::new(name)).and_then(|v| v.to_str());
    let harmless = |name: &String| {
        let text = match value(name) {
            None | Some("") => return !code.sets,
            Some(text) => text,
        };
        let flag = ["true", "false"].contains(&text) || text.parse::<u64>().is_ok();
        let same = value(own)
            .zip(url::check(text).ok())
            .is_some_and(|(own, text)| elsewhere::leads(own, text, Duration::ZERO).is_none());
        name == own || flag || same
    };
    code.plain && code.named.iter().any(|name| name == own) && code.named.iter().all(harmless)
}

/// Of the variables that the configuration's code names, one that leads elsewhere than the operator's own, and how, for people. One for
/// a shadow database, and a pooler's, it does not migrate by.
#[must_use]
pub fn other_place(
    variables: &Variables,
    request: &ExecRequest,
    variables_of_code: &[String],
) -> Option<String> {
    let own = request.env_var.as_str();
    let value = |name: &str| {
        let value = variables.get(OsStr::new(name)).and_then(|v| v.to_str());
        value.and_then(|value| url::check(value).ok())
    };
    let watched = value(own)?;
    let mut others = variables_of_code
        .iter()
        .filter(|name| *name != own && !name.to_ascii_uppercase().contains("SHADOW"));
    others.find_map(|name| {
        let other = value(name).filter(|other| !url::is_pooled(other))?;
        let elsewhere = elsewhere::leads(watched, other, Duration::ZERO)?;
        Some(format!(
            "{name}, which leads {} than {own}",
            elsewhere.text()
        ))
    })
}

fn literal() -> Refusal {
    Refusal::ConnectionInvalid(
        "the schema itself holds the connection string, so Prisma would not migrate the database of this resource, nor keep \
         its time-outs; write url = env(\"...\") there, and name that variable in databases[].envVar"
            .to_owned(),
    )
}

/// Into a variable that Prisma may migrate by, or may not look at: one that is not set, is no URL, or is a pooler's by its own
/// word, it does not migrate by.
fn merge_where_it_may_count(variables: &mut Variables, name: &str, settings: &Settings) {
    let Some(value) = variables.get(OsStr::new(name)).and_then(|v| v.to_str()) else {
        return;
    };
    if let Ok(text) = url::check(value)
        && !url::is_pooled(text)
    {
        let merged = url::merge(text, settings);
        variables.insert(name.into(), merged.into());
    }
}

/// Connection strings of other databases, which a smoke test gets: they, too, are without what surrounds them in a Secret.
pub fn trim_connections(variables: &mut Variables, request: &ExecRequest) {
    for name in &request.secret_variables {
        if let Some(value) = variables.get(OsStr::new(name)).and_then(|v| v.to_str())
            && let Ok(text) = connection::string(value)
            && text != value
        {
            let text = text.into();
            variables.insert(name.into(), text);
        }
    }
}

fn merge_into(
    variables: &mut Variables,
    name: &str,
    settings: &Settings,
    why: &str,
) -> Result<(), Refusal> {
    let invalid =
        |what: &str| Refusal::ConnectionInvalid(format!("the variable {name} {what} ({why})"));
    let value = variables
        .get(OsStr::new(name))
        .ok_or_else(|| invalid("is not set"))?;
    let value = value.to_str().ok_or_else(|| invalid("is not UTF-8"))?;
    let text = url::check(value).map_err(invalid)?;
    let merged = url::merge(text, settings);
    variables.insert(name.into(), merged.into());
    Ok(())
}

fn settings(request: &ExecRequest) -> Settings<'_> {
    let server = [
        ("lock_timeout", request.lock_timeout_ms),
        ("statement_timeout", request.statement_timeout_ms),
        (
            "client_connection_check_interval",
            request.connection_check_interval_ms,
        ),
    ];
    Settings {
        application_name: &request.application_name,
        server: server.into_iter().filter(|(_, value)| *value > 0).collect(),
        ca_file: &request.ca_file,
    }
}

/// What every child gets.
pub fn add_defaults(variables: &mut Variables, ca_file: &str) {
    variables.remove(OsStr::new(super::summary::PATH_VARIABLE));
    // Prisma takes what is not set from a .env of the image, and what is set from there alone.
    variables.insert(NO_LOCK.into(), "0".into());
    for (name, value) in [
        ("CHECKPOINT_DISABLE", "1"),
        ("PRISMA_HIDE_UPDATE_MESSAGE", "1"),
        ("NO_COLOR", "1"),
    ] {
        variables.entry(name.into()).or_insert_with(|| value.into());
    }
    if !ca_file.is_empty() {
        variables
            .entry("NODE_EXTRA_CA_CERTS".into())
            .or_insert_with(|| ca_file.into());
    }
    let home_is_writable = variables
        .get(OsStr::new("HOME"))
        .is_some_and(|home| access(Path::new(home), AccessFlags::W_OK).is_ok());
    if !home_is_writable {
        variables.insert("HOME".into(), "/tmp".into());
    }
}

/// The secrets of the environment before and after merging.
#[must_use]
pub fn secrets(
    before: &Variables,
    after: &Variables,
    request: &ExecRequest,
    project: Option<&Project>,
) -> Secrets {
    let mut whole = vec![request.env_var.as_str()];
    if let Some(project) = project {
        whole.extend(project.datasource.url.variable());
        whole.extend(project.datasource.direct_url.variable());
    }
    let secret = |name: &&String| {
        let value = before.get(OsStr::new(name));
        value.is_some_and(|value| is_secret(name, value.len()))
    };
    let from_secrets = request.secret_variables.iter();
    whole.extend(from_secrets.filter(secret).map(String::as_str));
    let texts: Vec<(String, String)> = before
        .iter()
        .chain(after)
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .collect();
    Secrets::collect_beside(
        texts
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        &whole,
        &known(request, project),
    )
}

/// The words of the image's own migrations, and of where they are.
fn known(request: &ExecRequest, project: Option<&Project>) -> Known {
    let migrations = project.map_or(&[][..], |project| &project.inventory.migrations);
    let paths = [&request.project.database, &request.project.schema];
    let names = migrations
        .iter()
        .map(|migration| &migration.name)
        .chain(paths)
        .map(String::as_str);
    let scripts = migrations
        .iter()
        .flat_map(|migration| [migration.sql.as_deref(), migration.down_sql.as_deref()])
        .flatten();
    Known::of(names, scripts)
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;

//! The environment of the child: what is merged into it, and what forbids to start it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use super::secrets::{Secrets, is_secret};
use super::url::{self, Settings};
use crate::inventory::Project;
use crate::inventory::schema::Setting;
use crate::protocol::{ExecRequest, Problem, ProblemReason, Refusal};
use crate::recognise::image::unset_message;

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

/// Merges the operator's settings into the connection strings that Prisma may migrate by.
///
/// # Errors
/// When a variable is missing or no URL, or when Prisma would migrate by a variable that is not known here.
pub fn merge_connections(
    variables: &mut Variables,
    request: &ExecRequest,
    project: Option<&Project>,
) -> Result<(), Refusal> {
    if request.env_var.is_empty() {
        return Ok(());
    }
    let settings = settings(request);
    merge_into(
        variables,
        &request.env_var,
        &settings,
        "databases[].envVar names it",
    )?;
    let Some(project) = project else {
        return Ok(());
    };
    if is_configured_elsewhere(request, project) {
        return Ok(());
    }
    let datasource = &project.datasource;
    let migrates_by = if datasource.direct_url == Setting::Unset {
        &datasource.url
    } else {
        &datasource.direct_url
    };
    let variable = match migrates_by {
        Setting::Unset => return Ok(()),
        Setting::Literal => {
            return Err(Refusal::ConnectionInvalid(
                "the schema itself holds the connection string, so Prisma would not migrate the database of this resource; \
                 write url = env(\"...\") there, and name that variable in databases[].envVar"
                    .to_owned(),
            ));
        }
        Setting::Variable(name) => name,
    };
    if *variable == request.env_var {
        return Ok(());
    }
    if !variables.contains_key(OsStr::new(variable)) {
        return Err(Refusal::Problem(Problem {
            reason: ProblemReason::DatasourceVariableUnset,
            message: unset_message(variable),
        }));
    }
    merge_into(
        variables,
        variable,
        &settings,
        "the schema's datasource names it, and Prisma migrates by it",
    )
}

/// With a configuration file, what the schema says of the connection may not be what Prisma uses.
fn is_configured_elsewhere(request: &ExecRequest, project: &Project) -> bool {
    !request.project.config.is_empty() || project.has_config
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
    url::check(value).map_err(invalid)?;
    let merged = url::merge(value, settings);
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
    Secrets::collect(
        texts
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
        &whole,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inventory::schema::Datasource;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn request() -> ExecRequest {
        ExecRequest {
            env_var: "DATABASE_URL".into(),
            application_name: "dbm".into(),
            lock_timeout_ms: 5,
            ..ExecRequest::default()
        }
    }

    fn project(url: Setting, direct_url: Setting) -> Project {
        Project {
            datasource: Datasource {
                provider: None,
                url,
                direct_url,
                ..Datasource::default()
            },
            ..Project::default()
        }
    }

    fn variable(name: &str) -> Setting {
        Setting::Variable(name.into())
    }

    #[test]
    fn the_lock_stays_on() {
        for (value, refused) in [
            ("1", true),
            ("true", true),
            ("false", true),
            ("0", false),
            ("", false),
        ] {
            assert_eq!(
                check_lock(&variables(&[(NO_LOCK, value)])).is_err(),
                refused,
                "{value}"
            );
        }
        assert_eq!(check_lock(&variables(&[])), Ok(()));
    }

    #[test]
    fn merges_into_what_prisma_migrates_by() {
        let mut environment = variables(&[
            ("DATABASE_URL", "postgres://u:p@h/d"),
            ("DIRECT", "postgres://u:p@direct/d"),
            ("POOLED", "postgres://p/d"),
        ]);
        let by_direct = project(variable("POOLED"), variable("DIRECT"));
        merge_connections(&mut environment, &request(), Some(&by_direct)).unwrap();
        let merged = "?application_name=dbm&options=-c%20lock_timeout%3D5";
        assert_eq!(
            environment[OsStr::new("DATABASE_URL")],
            *format!("postgres://u:p@h/d{merged}")
        );
        assert_eq!(
            environment[OsStr::new("DIRECT")],
            *format!("postgres://u:p@direct/d{merged}")
        );
        assert_eq!(environment[OsStr::new("POOLED")], *"postgres://p/d");
    }

    #[test]
    fn refuses_another_database() {
        let environment = || variables(&[("DATABASE_URL", "postgres://u:p@h/d")]);
        let by_direct = project(variable("DATABASE_URL"), variable("DIRECT_URL"));
        let Err(Refusal::Problem(Problem { reason, message })) =
            merge_connections(&mut environment(), &request(), Some(&by_direct))
        else {
            panic!()
        };
        assert_eq!(reason, ProblemReason::DatasourceVariableUnset);
        assert!(
            message.contains("DIRECT_URL")
                && message.contains("databases[].envVar")
                && message.contains("databases[].env"),
            "{message}"
        );
        let literal = project(Setting::Literal, Setting::Unset);
        assert!(merge_connections(&mut environment(), &request(), Some(&literal)).is_err());

        let configured = Project {
            has_config: true,
            ..by_direct.clone()
        };
        assert_eq!(
            merge_connections(&mut environment(), &request(), Some(&configured)),
            Ok(())
        );
        let with_config = ExecRequest {
            project: crate::protocol::ProjectPaths {
                config: "a".into(),
                ..Default::default()
            },
            ..request()
        };
        assert_eq!(
            merge_connections(&mut environment(), &with_config, Some(&by_direct)),
            Ok(())
        );
        let prisma_7 = project(Setting::Unset, Setting::Unset);
        assert_eq!(
            merge_connections(&mut environment(), &request(), Some(&prisma_7)),
            Ok(())
        );
    }

    #[test]
    fn a_missing_or_wrong_connection() {
        let Err(Refusal::ConnectionInvalid(message)) =
            merge_connections(&mut variables(&[]), &request(), None)
        else {
            panic!()
        };
        assert_eq!(
            message,
            "the variable DATABASE_URL is not set (databases[].envVar names it)"
        );
        assert!(
            merge_connections(
                &mut variables(&[("DATABASE_URL", "mysql://h")]),
                &request(),
                None
            )
            .is_err()
        );
        assert_eq!(
            merge_connections(&mut variables(&[]), &ExecRequest::default(), None),
            Ok(()),
            "none is asked for"
        );
    }

    #[test]
    fn defaults() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().to_str().unwrap();
        let mut environment = variables(&[("HOME", home), ("NO_COLOR", "")]);
        add_defaults(&mut environment, "");
        assert_eq!(environment[OsStr::new("HOME")], *home);
        assert_eq!(environment[OsStr::new("NO_COLOR")], *"");
        assert_eq!(environment[OsStr::new("CHECKPOINT_DISABLE")], *"1");
        let mut environment = variables(&[("HOME", "/nowhere/at/all")]);
        add_defaults(&mut environment, "/ca.crt");
        assert_eq!(environment[OsStr::new("HOME")], *"/tmp");
        assert_eq!(environment[OsStr::new("NODE_EXTRA_CA_CERTS")], *"/ca.crt");
    }
}

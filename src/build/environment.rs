//! The variables of a step's container.

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};

use super::step::Step;
use crate::api::{DatabaseSpec, StepKind};

/// The variables, each name once: what the operator sets wins over what the resource adds. Steps that belong to no one
/// database get the URL of each; a smoke test after a database also has that database's own environment.
pub(super) fn environment(step: &Step) -> Vec<EnvVar> {
    let mut variables = Vec::new();
    if step.reads_only() {
        return variables;
    }
    add(&mut variables, step.spec.job.env.iter().cloned());
    if let Some(database) = step.project() {
        add(&mut variables, database.env.iter().cloned());
        add(&mut variables, [url(&database.env_var, database)]);
        return variables;
    }
    let after = step.test().and_then(|test| step.database(&test.after));
    if let Some(database) = after {
        add(&mut variables, database.env.iter().cloned());
    }
    let all = step.spec.databases.iter();
    add(
        &mut variables,
        all.map(|database| url(&url_variable(&database.name), database)),
    );
    if let Some(database) = after {
        add(&mut variables, [url(&database.env_var, database)]);
    }
    if step.plan.step == StepKind::Restore {
        let to = step.plan.restore.clone().unwrap_or_default();
        let told = [
            ("DBM_RESTORE_DATABASE", to.database),
            ("DBM_RESTORE_POINT", to.point),
            ("DBM_RESTORE_LSN", to.lsn),
            ("DBM_RESTORE_TIME", to.time),
        ];
        add(
            &mut variables,
            told.map(|(name, value)| EnvVar {
                name: name.to_owned(),
                value: Some(value),
                value_from: None,
            }),
        );
    }
    variables
}

/// The variables whose values come from Secrets.
pub(super) fn from_secrets(step: &Step) -> Vec<String> {
    let own = environment(step).into_iter().filter(|variable| {
        let from = variable.value_from.as_ref();
        from.is_some_and(|from| from.secret_key_ref.is_some())
    });
    let names = own.map(|variable| variable.name);
    names.chain(step.from_secrets.iter().cloned()).collect()
}

/// Of two with one name the later stays, at the later's place: a variable may use those before it.
fn add(variables: &mut Vec<EnvVar>, more: impl IntoIterator<Item = EnvVar>) {
    for variable in more {
        variables.retain(|known| known.name != variable.name);
        variables.push(variable);
    }
}

/// `TASKS_DB_DATABASE_URL` for `tasks-db`, `_2FA_DATABASE_URL` for `2fa`: no shell reads a name that begins with a digit, and not every
/// Kubernetes takes one.
fn url_variable(database: &str) -> String {
    let digit = database.starts_with(|first: char| first.is_ascii_digit());
    format!(
        "{}{}_DATABASE_URL",
        if digit { "_" } else { "" },
        database.to_ascii_uppercase().replace('-', "_")
    )
}

fn url(variable: &str, database: &DatabaseSpec) -> EnvVar {
    let reference = &database.connection.secret_key_ref;
    EnvVar {
        name: variable.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: reference.name.clone(),
                key: reference.key.clone(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

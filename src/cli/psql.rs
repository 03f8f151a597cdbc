//! `psql`: runs psql in a pod of the resource's namespace, by kubectl.

use std::io::Write;
use std::process::{Command, Stdio};

use super::args::{Global, PsqlArgs};
use super::cluster::Cluster;
use super::exit::{Exit, Failure};
use super::pod::{Wanted, arguments, ended};
use super::text::safe;
use crate::tools::psql::{is_open, is_server};

/// The variable with the URL of one who may do what the migration's role may not.
const ADMIN_URL: &str = "ADMIN_DATABASE_URL";

/// How long a statement waits for a lock where nothing else is asked for.
const LOCK_SECONDS: i64 = 5;

/// Runs it. What psql prints is printed, and how it ends is how this ends.
///
/// # Errors
/// When there is no such resource or database, or kubectl cannot be started, or psql failed.
pub async fn psql(cluster: &Cluster, global: &Global, args: &PsqlArgs) -> Result<Exit, Failure> {
    let resource = cluster.get(&args.name).await?;
    let databases = &resource.spec.databases;
    let Some(database) = databases.iter().find(|entry| entry.name == args.database) else {
        let names: Vec<String> = databases.iter().map(|entry| safe(&entry.name)).collect();
        return Err(Failure::usage(format!(
            "{} has no database {}; it has: {}",
            safe(&args.name),
            safe(&args.database),
            names.join(", ")
        )));
    };
    let admin = match args.admin {
        true => Some(std::env::var(ADMIN_URL).map_err(|_| {
            Failure::usage(format!(
                "--admin takes the connection URL of one who may from the variable {ADMIN_URL}, and that is not set"
            ))
        })?),
        false => None,
    };
    if admin.is_some() && args.statements.is_empty() {
        return Err(Failure::usage("--admin needs a statement: -c".to_owned()));
    }
    let status = resource.status.as_ref();
    let entry =
        status.and_then(|status| status.databases.iter().find(|it| it.name == args.database));
    // What the variable holds may be left from another incident.
    let server = entry.map(|it| it.server.as_str()).filter(|_| args.admin);
    let is_it = server.filter(|it| it.chars().all(|c| c.is_ascii_digit()) && !it.is_empty());
    let first = is_it.map(|server| is_server(server, &args.database));
    let open = args.if_open.iter().map(|row| is_open(row));
    let statements: Vec<String> = first
        .into_iter()
        .chain(open)
        .chain(args.statements.iter().cloned())
        .collect();
    let key = &database.connection.secret_key_ref;
    let name = format!("dbm-psql-{}", std::process::id());
    let wanted = Wanted {
        namespace: &cluster.namespace,
        name: &name,
        image: &args.image,
        secret: admin.is_none().then_some(key),
        at_once: args.single_transaction,
        lock_timeout: lock_timeout(args),
        statements: &statements,
    };
    let mut kubectl = Command::new("kubectl");
    kubectl.args(reaching(global)).args(arguments(&wanted));
    let failed = |error: std::io::Error| {
        Failure::failed(format!(
            "kubectl, which runs the pod, cannot be started: {error}"
        ))
    };
    let status = if args.statements.is_empty() {
        kubectl.status().map_err(failed)?
    } else {
        let mut child = kubectl.stdin(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(mut input) = child.stdin.take() {
            // A pod that did not start reads nothing; how kubectl ends says so.
            let _ = writeln!(input, "{}", admin.unwrap_or_default());
        }
        child.wait().map_err(failed)?
    };
    let code = status.code().unwrap_or(1);
    match (code, ended(code)) {
        (0, _) => Ok(Exit::Done),
        (_, Some(code)) => Err(Failure::failed(format!(
            "psql ended with code {code}, on database {} of {}; its error stands above",
            safe(&args.database),
            safe(&args.name)
        ))),
        _ => Err(Failure::failed(format!(
            "pod {name} of namespace {} did not run psql to its end; if it did not start, --image names another image that holds psql",
            safe(&cluster.namespace)
        ))),
    }
}

/// How long a statement waits for a lock, in milliseconds. What runs CONCURRENTLY waits for others' transactions and keeps nobody waiting.
fn lock_timeout(args: &PsqlArgs) -> i64 {
    let beside = |sql: &String| sql.to_ascii_uppercase().contains("CONCURRENTLY");
    let default = match args.statements.iter().any(beside) {
        true => 0,
        false => LOCK_SECONDS,
    };
    let asked = args.lock_timeout.as_ref();
    let seconds = asked.and_then(|asked| asked.seconds()).unwrap_or(default);
    seconds.saturating_mul(1000)
}

/// How kubectl finds the same cluster, as the same user.
fn reaching(global: &Global) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(file) = &global.kubeconfig {
        words.push(format!("--kubeconfig={}", file.display()));
    }
    if let Some(context) = &global.context {
        words.push(format!("--context={context}"));
    }
    if let Some(user) = &global.act_as {
        words.push(format!("--as={user}"));
    }
    words.extend(
        global
            .act_as_groups
            .iter()
            .map(|group| format!("--as-group={group}")),
    );
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::Duration;

    #[rstest::rstest]
    #[case("ALTER TABLE t ADD a int", None, 5_000)]
    #[case("REINDEX INDEX concurrently i", None, 0)]
    #[case("REINDEX INDEX CONCURRENTLY i", Some("1m"), 60_000)]
    #[case("ALTER TABLE t ADD a int", Some("0s"), 0)]
    fn what_is_built_beside_others_waits_for_them(
        #[case] sql: &str,
        #[case] asked: Option<&str>,
        #[case] expected: i64,
    ) {
        let args = PsqlArgs {
            statements: vec![sql.to_owned()],
            lock_timeout: asked.map(Duration::new),
            ..PsqlArgs::default()
        };
        assert_eq!(lock_timeout(&args), expected);
    }
}

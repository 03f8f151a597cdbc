//! What a human can do where the spec, a Secret or the image has to be corrected: the command that shows what is there, and
//! the one that corrects it. What is kept in Git is corrected there.

use super::super::{status, unanswered};
use super::commands::{Commands, push, spoken_of};
use crate::api::{ChoiceStatus, DatabaseMigrationSpec, DatabaseMigrationStatus, reasons};
use crate::tools::prisma::shell_quote;

/// The Secret's value has to be corrected.
const OF_URL: [&str; 12] = [
    reasons::AUTHENTICATION_FAILED,
    reasons::URL_INVALID,
    reasons::URL_NOT_POSTGRES,
    reasons::URL_NOT_DIRECT,
    reasons::URL_POOLED,
    reasons::URL_NAMES_FILE,
    reasons::URL_LOOPBACK,
    reasons::HOST_UNKNOWN,
    reasons::CONNECTION_REFUSED,
    reasons::UNREACHABLE,
    reasons::DATABASE_MISSING,
    reasons::TLS_FAILED,
];

/// A field of the spec, or what it names in the image, has to be corrected.
const OF_SPEC: [&str; 5] = [
    reasons::SCHEMA_MISSING,
    reasons::MIGRATIONS_MISSING,
    reasons::MIGRATIONS_ELSEWHERE,
    reasons::CONFIG_MISSING,
    reasons::COMMAND_MISSING,
];

/// The namespace, or a policy, takes no pod of a Job.
const OF_POD: [&str; 2] = [reasons::QUOTA_EXCEEDED, reasons::POD_REFUSED];

/// Whether a reason is one of them.
pub(super) fn is_of_pod(reason: &str) -> bool {
    OF_POD.contains(&reason)
}

/// Whether a reason is one of these.
pub(super) fn corrects(reason: &str) -> bool {
    let others = [
        reasons::SECRET_MISSING,
        reasons::SECRET_KEY_MISSING,
        reasons::IMAGE_PULL_FAILED,
        reasons::NOT_ANSWERED,
        reasons::CONNECTION_LIMIT_REACHED,
    ];
    others.contains(&reason)
        || is_of_pod(reason)
        || OF_URL.contains(&reason)
        || OF_SPEC.contains(&reason)
}

/// The choices for such a reason.
pub(super) fn of(
    list: &mut Vec<ChoiceStatus>,
    commands: &Commands<'_>,
    spec: &DatabaseMigrationSpec,
    now: &DatabaseMigrationStatus,
    reason: &str,
) {
    let kubectl = |verb: &str, what: &str| {
        format!(
            "kubectl {verb} {what} -n {}",
            shell_quote(commands.namespace)
        )
    };
    let resource = format!("databasemigration {}", shell_quote(commands.name));
    let edit = kubectl("edit", &resource);
    let mut databases = spec.databases.iter();
    let database = match spoken_of(now) {
        Some(entry) => databases.find(|database| database.name == entry.name),
        None => databases.next(),
    };
    let key = database.map(|database| &database.connection.secret_key_ref);
    match (reason, key) {
        (reasons::CONNECTION_LIMIT_REACHED, _) => {
            let title = "see what holds the connections, and end what is not needed (SELECT pg_terminate_backend(PID), with a pid that this lists), or raise the limit: put the URL of one who may still connect, for this server, into the variable ADMIN_DATABASE_URL of your shell (read -rs ADMIN_DATABASE_URL; export ADMIN_DATABASE_URL). It goes on by itself";
            let name = database.map_or("", |database| database.name.as_str());
            push(list, title, commands.psql(name).connections());
        }
        (reasons::NOT_ANSWERED, _) => {
            let title = "look at the server's load, and at the network between; it goes on by itself once the server answers";
            push(list, title, String::new());
        }
        (reasons::UNREACHABLE | reasons::CONNECTION_REFUSED, _)
            if now.message.contains(unanswered::ANSWERED) =>
        {
            let title = "look whether the server runs, and at network policies and firewalls; it goes on by itself once the server answers";
            push(list, title, String::new());
        }
        // Not even a refusal came back: what drops packets is no wrong password, and seldom a wrong URL.
        (reasons::UNREACHABLE, Some(key)) if silent(&now.message) => {
            let title = "see whether a NetworkPolicy of this namespace keeps pods from the server; one of the database's namespace, or of the operator's, from which it is looked, may do so as well";
            push(list, title, kubectl("get", "networkpolicy"));
            let title = "try it from a pod of this namespace: where that gets no answer either, a firewall or a security group drops it, or the address is wrong or down";
            let name = database.map_or("", |database| database.name.as_str());
            push(list, title, commands.psql(name).reach());
            let title = format!(
                "only if host or port are wrong: correct the URL under the key {} of Secret {}; the other keys stay. {PASTED}",
                key.key, key.name
            );
            push(
                list,
                title,
                set_key(commands.namespace, &key.name, &key.key),
            );
        }
        (reason, _) if is_of_pod(reason) => of_pod(list, now, &kubectl, edit),
        (reasons::IMAGE_PULL_FAILED, _) => {
            let title =
                "push the image, or correct its name in your manifest and apply it, or here";
            push(list, title, edit);
        }
        (reasons::SECRET_MISSING, Some(key)) => {
            let title = format!(
                "create Secret {} with the connection URL under the key {}; these Secrets are there",
                key.name, key.key
            );
            push(list, title, kubectl("get", "secrets"));
        }
        (reasons::SECRET_KEY_MISSING, Some(key)) => {
            let secret = format!("secret {}", shell_quote(&key.name));
            let title = format!("list the keys of Secret {} (not their values)", key.name);
            push(list, title, kubectl("describe", &secret));
            let title = "correct the key in your manifest and apply it, or here";
            push(list, title, edit);
            let title = format!(
                "or add the key {} to the Secret; the other keys stay. {PASTED}",
                key.key
            );
            push(
                list,
                title,
                set_key(commands.namespace, &key.name, &key.key),
            );
        }
        (_, Some(key)) if OF_URL.contains(&reason) => {
            let title = format!(
                "correct the URL under the key {} of Secret {}, where the message says that it is wrong; the other keys stay. {PASTED}",
                key.key, key.name
            );
            push(
                list,
                title,
                set_key(commands.namespace, &key.name, &key.key),
            );
        }
        _ if OF_SPEC.contains(&reason) => {
            let title =
                "correct the field that the message names in your manifest and apply it, or here";
            push(list, title, edit);
            let title = "or mend the image, push it under the same name, and ask for a new run";
            push(list, title, commands.dbm("retry", &[]));
        }
        _ => {}
    }
}

/// How the command of [`set_key`] is used.
const PASTED: &str = "In bash it waits for the URL, which is pasted, not shown, and in no history";

/// Replaces the value of one key of a Secret by a line that is read: what `kubectl edit` shows of it is base64. The value comes on no
/// command line, as `printf` is the shell's own.
fn set_key(namespace: &str, secret: &str, key: &str) -> String {
    format!(
        "read -rs URL && printf '{{\"data\":{{\"%s\":\"%s\"}}}}' {} \"$(printf %s \"$URL\" | base64 | tr -d '\\n')\" | kubectl patch secret {} -n {} --type merge --patch-file /dev/stdin; unset URL",
        shell_quote(key),
        shell_quote(secret),
        shell_quote(namespace)
    )
}

/// The Job controller, or the operator where the Job itself was refused, tries again by itself.
fn of_pod(
    list: &mut Vec<ChoiceStatus>,
    now: &DatabaseMigrationStatus,
    kubectl: &dyn Fn(&str, &str) -> String,
    edit: String,
) {
    let again = "it is tried again by itself, with growing pauses of up to some minutes";
    let change = "or change spec.job in your manifest and apply it, or here";
    let said = |part: &str| now.message.contains(part);
    if said("wants requests or limits") {
        let title = format!(
            "set spec.job.resources (requests and limits of cpu and memory) in your manifest and apply it, or here; {again}"
        );
        push(list, title, edit);
        let title = "or give the namespace a LimitRange with defaults; these quotas want them";
        push(list, title, kubectl("describe", "quota"));
    } else if status::ready_reason(now) == reasons::QUOTA_EXCEEDED {
        let title = format!(
            "see what the namespace's quota allows and what uses it up, and make room, or have it raised; {again}"
        );
        push(list, title, kubectl("describe", "quota"));
        if said("cpu") || said("memory") {
            let title = "or ask for less: lower spec.job.resources in your manifest and apply it, or here; Prisma needs 256Mi of memory and more";
            push(list, title, edit);
        }
    } else if said("a LimitRange of the namespace") {
        let title = format!(
            "see what the namespace's LimitRange allows, and change it, or have it changed; {again}"
        );
        push(list, title, kubectl("describe", "limitrange"));
        let title =
            "or change spec.job.resources to what it allows in your manifest and apply it, or here";
        push(list, title, edit);
    } else if !said("the namespace is being deleted") {
        let look = match said("a policy of the cluster") {
            true => "have the policy that the message names changed, or an exception made",
            false => "see what the API server refuses, and mend it",
        };
        let title = format!("{look}; {again}");
        push(list, title, now.next_command.clone());
        push(list, change, edit);
    }
}

/// The host and the port of a server that sent nothing at all.
fn silent(message: &str) -> bool {
    let said = message.split_once(": no answer from ");
    said.is_some_and(|(_, place)| place.contains(" within "))
}

/// Where nothing else can be done than what the message says, and a run starts only when it is asked for.
pub(in super::super) fn corrected(retry: String) -> ChoiceStatus {
    ChoiceStatus {
        title: "once what the message says is corrected, ask for a new run".to_owned(),
        command: retry,
        loses_since: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::set_key;

    /// With bash, and something for kubectl that says what it gets.
    #[test]
    fn one_key_is_replaced_and_its_value_is_on_no_command_line() {
        let line = set_key("shop", "identity-db", "DATABASE_URL");
        let script = format!("kubectl() {{ echo \"$@\"; cat; }}\n{line}");
        let mut child = std::process::Command::new("bash")
            .args(["-c", &script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let url = b"postgresql://u:p%24w\"'$HOME@db:5432/shop?a=1&b=2\n";
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), url).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (arguments, patch) = text.split_once('\n').unwrap();
        assert_eq!(
            arguments,
            "patch secret identity-db -n shop --type merge --patch-file /dev/stdin"
        );
        assert_eq!(
            patch,
            r#"{"data":{"DATABASE_URL":"cG9zdGdyZXNxbDovL3U6cCUyNHciJyRIT01FQGRiOjU0MzIvc2hvcD9hPTEmYj0y"}}"#
        );
    }
}

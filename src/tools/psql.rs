//! PURE. Commands that run psql where the database can be reached: in a pod of the resource's namespace, with the URL from its
//! Secret, which comes on no command line. The pod keeps to Pod Security's level *restricted*, and goes when it has ended.

use serde_json::{Value, json};

use super::prisma::shell_quote;

/// An image that holds psql; any other that does serves as well.
const IMAGE: &str = "postgres:17-alpine";
/// The number of the user `postgres` in it.
const USER: u32 = 70;
/// What the commands begin with.
pub const BEGINS: &str = "kubectl run dbm-psql ";

/// Where the commands run, and as whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Psql {
    /// The namespace of the resource.
    pub namespace: String,
    /// The Secret that holds the database's URL; where that is not known there are no commands.
    pub secret: String,
    /// Its key.
    pub key: String,
}

impl Psql {
    /// Runs statements, one after the other, up to the first that fails.
    #[must_use]
    pub fn run(&self, statements: &[String]) -> String {
        self.with(&[], statements)
    }

    /// Runs statements, all of them or none.
    #[must_use]
    pub fn at_once(&self, statements: &[String]) -> String {
        self.with(&["-1"], statements)
    }

    fn with(&self, options: &[&str], statements: &[String]) -> String {
        if self.secret.is_empty() {
            return String::new();
        }
        let key = json!({"secretKeyRef": {"name": self.secret, "key": self.key}});
        let pod = pod(
            &self.namespace,
            "dbm-psql",
            "--attach",
            Some(json!([{"name": "URL", "valueFrom": key}])),
        );
        let mut words: Vec<&str> = options.to_vec();
        if statements.len() > 1 {
            words.extend(["-v", "ON_ERROR_STOP=1"]);
        }
        // Kubernetes takes two of them in an argument for one.
        let statements: Vec<String> = statements.iter().map(|it| it.replace('$', "$$")).collect();
        for statement in &statements {
            words.extend(["-c", statement]);
        }
        let words: Vec<String> = words.iter().map(|word| shell_quote(word)).collect();
        // It knows none of the parameters that Prisma adds to a URL, and refuses them.
        format!(
            r#"{pod} sh -c 'psql "${{URL%%\?*}}" "$@"' - {}"#,
            words.join(" ")
        )
    }

    /// Ends a session.
    #[must_use]
    pub fn terminate(&self, pid: i32) -> String {
        self.run(&[format!("SELECT pg_terminate_backend({pid})")])
    }

    /// The same for whoever may end what the migration's role may not: the URL is read from a variable of the shell.
    #[must_use]
    pub fn terminate_as_admin(&self, pid: i32) -> String {
        let pod = pod(&self.namespace, "dbm-psql", "-i", None);
        format!(
            r#"{pod} sh -c 'read -r URL; psql "${{URL%%\?*}}" "$@"' - -c 'SELECT pg_terminate_backend({pid})' <<<"$ADMIN_DATABASE_URL""#
        )
    }

    /// Shows what a session is at: of a dump the table that it reads.
    #[must_use]
    pub fn at_work(&self, pid: i32) -> String {
        self.run(&[format!(
            "SELECT now() - xact_start AS runs_for, state, query FROM pg_stat_activity WHERE pid = {pid}"
        )])
    }

    /// Shows which sessions of the database hold locks on its tables.
    #[must_use]
    pub fn holders(&self) -> String {
        self.run(&["SELECT pid, usename, application_name, state, xact_start FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid IN (SELECT pid FROM pg_locks WHERE granted AND relation IS NOT NULL)".to_owned()])
    }
}

/// Asks a server whether it answers, without logging in.
#[must_use]
pub fn reach(namespace: &str, host: &str, port: &str) -> String {
    let pod = pod(namespace, "dbm-reach", "--attach", None);
    format!(
        "{pod} pg_isready -t 5 -h {} -p {}",
        shell_quote(host),
        shell_quote(port)
    )
}

/// `kubectl run ... --`: what follows runs in the pod, and its exit code is the command's.
fn pod(namespace: &str, name: &str, attached: &str, env: Option<Value>) -> String {
    let mut container = json!({
        "name": name,
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    if let Some(env) = env {
        container["env"] = env;
    }
    let pod = json!({"spec": {"containers": [container]}});
    format!(
        "kubectl run {name} -n {} --rm {attached} -q --restart=Never --image={IMAGE} --override-type=strategic --overrides={} --",
        shell_quote(namespace),
        shell_quote(&pod.to_string())
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn psql() -> Psql {
        Psql {
            namespace: "shop".to_owned(),
            secret: "identity-db".to_owned(),
            key: "DATABASE_URL".to_owned(),
        }
    }

    /// What the shell hands to `kubectl`, and what psql then gets in the pod.
    fn pasted(command: &str) -> (Vec<String>, Vec<String>) {
        let script = r#"
            kubectl() {
              printf '%s\n' "$@" >"$KUBECTL"
              while [ "$1" != -- ]; do shift; done
              shift
              URL='postgresql://app:p$w@host:5432/shop?schema=public&connection_limit=5' "$@"
            }
            eval "$COMMAND""#;
        let folder = std::env::temp_dir().join(format!(
            "dbm-psql-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let psql = folder.join("psql");
        std::fs::write(&psql, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&psql, mode).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let output = std::process::Command::new("bash")
            .args(["-c", script])
            .env("PATH", path)
            .env("KUBECTL", folder.join("kubectl"))
            .env("COMMAND", command)
            .env("ADMIN_DATABASE_URL", "postgresql://root:r@host/shop")
            .output()
            .unwrap();
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let kubectl = lines(&std::fs::read_to_string(folder.join("kubectl")).unwrap());
        let got = lines(std::str::from_utf8(&output.stdout).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(output.status.success(), "{output:?}");
        (kubectl, got)
    }

    #[test]
    fn what_is_pasted_reaches_psql_as_it_is_meant() {
        let statements = [
            r#"DROP TABLE "public"."It's \"$HOME\" `x`""#.to_owned(),
            "SELECT 1".to_owned(),
        ];
        let command = psql().at_once(&statements);
        assert!(command.starts_with(BEGINS), "{command}");
        let (kubectl, got) = pasted(&command);
        let expected = [
            "postgresql://app:p$w@host:5432/shop",
            "-1",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            &statements[0].replace('$', "$$"),
            "-c",
            "SELECT 1",
        ];
        assert_eq!(got, expected);
        let overrides = kubectl
            .iter()
            .find_map(|word| word.strip_prefix("--overrides="));
        let pod: Value = serde_json::from_str(overrides.unwrap()).unwrap();
        let env = &pod["spec"]["containers"][0]["env"][0];
        assert_eq!(
            env["valueFrom"]["secretKeyRef"],
            json!({"name": "identity-db", "key": "DATABASE_URL"})
        );
        assert!(kubectl.iter().all(|word| !word.contains("p$w")));
    }

    #[test]
    fn the_url_of_one_who_may_is_on_no_command_line() {
        let (kubectl, got) = pasted(&psql().terminate_as_admin(42));
        assert!(!kubectl.concat().contains("root"), "{kubectl:?}");
        let expected = [
            "postgresql://root:r@host/shop",
            "-c",
            "SELECT pg_terminate_backend(42)",
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn without_a_secret_there_is_no_command() {
        assert_eq!(Psql::default().terminate(1), "");
    }
}

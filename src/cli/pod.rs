//! PURE. A pod that runs psql with the URL of a Secret: what `kubectl run` is called with. It keeps to Pod Security's level *restricted*, and
//! goes when it has ended.

use serde_json::json;

use crate::api::SecretKeySelector;

/// An image that holds psql; any other that does serves as well.
pub const IMAGE: &str = "docker.io/library/postgres:17-alpine";
/// The number of the user `postgres` in it. psql needs no user of that number in another.
const USER: u32 = 70;
/// How psql gets the URL without what psql does not know of it, which Prisma adds: all that follows `?` but what libpq has as well; and
/// with settings of its own, as a role's time-outs (ALTER ROLE ... SET) would cut what a person runs. A pooler may refuse these, which
/// is seen before anything runs. `$0` are the settings. Prisma's `schema` is where names are looked up.
const START: &str = r#"query=
options=
case $URL in *\?*)
  for part in $(printf %s "${URL#*\?}" | tr '&' ' '); do
    case $part in
      options=*) options=$options${part#options=}%20 ;;
      schema=?*) options=$options-c%20search_path%3D%22${part#schema=}%22%20 ;;
      sslmode=*|connect_timeout=*|target_session_attrs=*) query="$query&$part" ;;
    esac
  done ;;
esac
base="${URL%%\?*}?application_name=kubectl-dbm&connect_timeout=10$query"
url="$base&options=$options$0"
if ! said=$(psql "$url" -Xqc '' 2>&1); then
  case $said in
    *startup*|*options*)
      url=$base${options:+&options=${options%\%20}}
      echo 'This connection, a pooler perhaps, takes no settings: the time-outs of the role hold, except with --single-transaction' >&2 ;;
    *) printf '%s\n' "$said" >&2; exit 102 ;;
  esac
fi
psql "$url" "$@" || exit $((100 + $?))"#;

/// How psql itself ended, by the exit code of its pod, which says of kubectl's own failures something else.
#[must_use]
pub fn ended(code: i32) -> Option<i32> {
    (101..=103).contains(&code).then(|| code - 100)
}

/// What is run, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub name: &'a str,
    /// The image; empty for [`IMAGE`].
    pub image: &'a str,
    /// The Secret with the URL; none where it is the line that is read from standard input.
    pub secret: Option<&'a SecretKeySelector>,
    /// All statements or none.
    pub at_once: bool,
    /// How many milliseconds a statement waits for a lock; 0 for as long as it takes.
    pub lock_timeout: i64,
    /// The statements; none for a session at the terminal.
    pub statements: &'a [String],
}

/// The arguments of `kubectl`, after those by which it finds the cluster. What runs statements waits for a line on its standard input.
#[must_use]
pub fn arguments(wanted: &Wanted<'_>) -> Vec<String> {
    let mut container = json!({
        "name": wanted.name,
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true, "runAsUser": USER, "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    if let Some(key) = wanted.secret {
        let key = json!({"secretKeyRef": {"name": key.name, "key": key.key}});
        container["env"] = json!([{"name": "URL", "valueFrom": key}]);
    }
    let pod = json!({"spec": {"containers": [container]}});
    let image = match wanted.image {
        "" => IMAGE,
        image => image,
    };
    let session = wanted.statements.is_empty();
    let mut arguments = vec!["run".to_owned(), wanted.name.to_owned()];
    arguments.extend(["-n".to_owned(), wanted.namespace.to_owned()]);
    arguments.extend(["--rm", "-q", "--restart=Never"].map(str::to_owned));
    arguments.push(if session { "-it" } else { "-i" }.to_owned());
    arguments.push(format!("--image={image}"));
    arguments.push("--override-type=strategic".to_owned());
    arguments.push(format!("--overrides={pod}"));
    // Not what the image starts by itself.
    arguments.extend(["--command", "--", "sh", "-c"].map(str::to_owned));
    // It waits for a line, so that nothing is printed before kubectl listens.
    let read = match (wanted.secret, session) {
        (Some(_), true) => "",
        (Some(_), false) => "read -r _\n",
        (None, _) => "read -r URL\n",
    };
    // Kubernetes takes two of them in an argument for one, and `$(` for a variable's name.
    let kept = |text: &str| text.replace('$', "$$");
    arguments.push(kept(&format!("{read}{START}")));
    let lock = wanted.lock_timeout;
    arguments.push(format!(
        "-c%20statement_timeout%3D0%20-c%20lock_timeout%3D{lock}"
    ));
    if wanted.at_once {
        arguments.push("-1".to_owned());
    }
    arguments.extend(["-v", "ON_ERROR_STOP=1"].map(str::to_owned));
    if wanted.at_once {
        // Of the transaction alone: a pooler gives the session to others.
        let settings = [
            r"\set QUIET on".to_owned(),
            "SET LOCAL statement_timeout = 0".to_owned(),
            format!("SET LOCAL lock_timeout = {lock}"),
            r"\set QUIET off".to_owned(),
        ];
        for setting in settings {
            arguments.extend(["-c".to_owned(), setting]);
        }
    }
    for statement in wanted.statements {
        arguments.extend(["-c".to_owned(), kept(statement)]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wanted<'a>(secret: Option<&'a SecretKeySelector>, statements: &'a [String]) -> Wanted<'a> {
        Wanted {
            namespace: "shop",
            name: "dbm-psql-1",
            secret,
            at_once: true,
            lock_timeout: 5000,
            statements,
            ..Wanted::default()
        }
    }

    /// A psql that says what it gets.
    const SAYS: &str = "printf '%s\\n' \"$@\"";

    /// How a pod ends, with a shell of this machine and this for psql.
    fn ends(arguments: &[String], url: &str, input: &str, psql: &str) -> std::process::Output {
        let name = format!(
            "dbm-psql-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("psql");
        std::fs::write(&file, format!("#!/bin/sh\n{psql}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&file, mode).unwrap();
        let at = arguments.iter().position(|word| word == "--").unwrap();
        let words: Vec<String> = arguments[at + 1..]
            .iter()
            .map(|word| word.replace("$$", "$"))
            .collect();
        let file = folder.join("input");
        std::fs::write(&file, input).unwrap();
        let path = format!("{}:/usr/bin:/bin", folder.display());
        let output = std::process::Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .env("PATH", path)
            .env("URL", url)
            .stdin(std::fs::File::open(file).unwrap())
            .output()
            .unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        output
    }

    /// What psql gets in the pod.
    fn got(arguments: &[String], url: &str, input: &str) -> Vec<String> {
        let output = ends(arguments, url, input, SAYS);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_psql_gets() {
        let statements = [
            r#"DROP TABLE "public"."It's \"$HOME\" `x`""#.to_owned(),
            "SELECT 1".to_owned(),
        ];
        let key = SecretKeySelector {
            name: "identity-db".to_owned(),
            key: "DATABASE_URL".to_owned(),
        };
        let arguments = arguments(&wanted(Some(&key), &statements));
        assert_eq!(arguments[..2], ["run", "dbm-psql-1"]);
        let overrides = arguments
            .iter()
            .find_map(|word| word.strip_prefix("--overrides="));
        let pod: serde_json::Value = serde_json::from_str(overrides.unwrap()).unwrap();
        let env = &pod["spec"]["containers"][0]["env"][0];
        assert_eq!(
            env["valueFrom"]["secretKeyRef"],
            serde_json::json!({"name": "identity-db", "key": "DATABASE_URL"})
        );
        let url = "postgresql://app:p$w@host:5432/shop?schema=Shop&sslmode=require&connection_limit=5&connect_timeout=9";
        let expected = [
            "postgresql://app:p$w@host:5432/shop?application_name=kubectl-dbm&connect_timeout=10&sslmode=require&connect_timeout=9&options=-c%20search_path%3D%22Shop%22%20-c%20statement_timeout%3D0%20-c%20lock_timeout%3D5000",
            "-1",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            "\\set QUIET on",
            "-c",
            "SET LOCAL statement_timeout = 0",
            "-c",
            "SET LOCAL lock_timeout = 5000",
            "-c",
            "\\set QUIET off",
            "-c",
            &statements[0],
            "-c",
            "SELECT 1",
        ];
        assert_eq!(got(&arguments, url, "\n"), expected);
    }

    #[test]
    fn the_url_of_one_who_may_is_on_no_command_line() {
        let statements = ["SELECT 1".to_owned()];
        let arguments = arguments(&wanted(None, &statements));
        assert!(
            arguments.contains(&"-i".to_owned()) && !arguments.concat().contains("secretKeyRef")
        );
        let found = got(&arguments, "", "postgresql://root:r@host/shop\n");
        assert_eq!(
            found[0],
            "postgresql://root:r@host/shop?application_name=kubectl-dbm&connect_timeout=10&options=-c%20statement_timeout%3D0%20-c%20lock_timeout%3D5000"
        );
    }

    #[test]
    fn settings_of_the_url_stay_and_a_pooler_that_refuses_ours_gets_none() {
        let statements = ["SELECT 1".to_owned()];
        let key = SecretKeySelector::default();
        let wanted = Wanted {
            at_once: false,
            ..wanted(Some(&key), &statements)
        };
        let arguments = arguments(&wanted);
        let url = "postgresql://a:b@h/d?options=-c%20search_path%3Dx&pgbouncer=true";
        let found = got(&arguments, url, "\n");
        let base = "postgresql://a:b@h/d?application_name=kubectl-dbm&connect_timeout=10";
        assert_eq!(
            found[0],
            format!(
                "{base}&options=-c%20search_path%3Dx%20-c%20statement_timeout%3D0%20-c%20lock_timeout%3D5000"
            )
        );
        assert!(!found.concat().contains("SET"), "{found:?}");
        let refuses = format!(
            "case $1 in *statement_timeout*) echo 'FATAL: unsupported startup parameter in options: statement_timeout' >&2; exit 2 ;; esac\n{SAYS}"
        );
        let output = ends(&arguments, url, "\n", &refuses);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text.lines().next().unwrap(),
            format!("{base}&options=-c%20search_path%3Dx")
        );
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.starts_with("This connection, a pooler perhaps"),
            "{said}"
        );
    }

    #[test]
    fn how_psql_ended_is_told_from_how_kubectl_did() {
        let statements = ["SELECT 1".to_owned()];
        let key = SecretKeySelector::default();
        let arguments = arguments(&wanted(Some(&key), &statements));
        let fails = "case $2 in -Xqc) ;; *) echo 'ERROR: no' >&2; exit 3 ;; esac";
        let output = ends(&arguments, "postgresql://h/d", "\n", fails);
        assert_eq!(output.status.code().and_then(ended), Some(3));
        // No connection.
        let none = "echo 'psql: error: no route' >&2; exit 2";
        let output = ends(&arguments, "postgresql://h/d", "\n", none);
        assert_eq!(output.status.code().and_then(ended), Some(2));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "psql: error: no route\n");
        assert_eq!([0, 1, 2, 126, 127, 137].map(ended), [None; 6]);
    }
}

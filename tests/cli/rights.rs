//! Whoever may see a resource may read what its screens tell them to read: the chart's viewer role has every kind that a printed
//! command looks at.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The rules that all of the chart's roles for people have.
fn read_rules() -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = "charts/database-migration-operator/templates/user-roles.yaml";
    let text = std::fs::read_to_string(root.join(path)).unwrap();
    let (_, rules) = text.split_once("define \"dbm.readRules\" -}}").unwrap();
    let (rules, _) = rules.split_once("{{- end -}}").unwrap();
    serde_saphyr::from_str(rules).unwrap()
}

fn may(rules: &[Value], verb: &str, resource: &str) -> bool {
    let has = |rule: &Value, key: &str, word: &str| {
        let words = rule[key].as_array().unwrap();
        words.iter().any(|found| found == word)
    };
    rules
        .iter()
        .any(|rule| has(rule, "resources", resource) && has(rule, "verbs", verb))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// What `kubectl get` and `kubectl describe` are told to look at, in the sources of what is printed; that of the operator's own namespace,
/// which is for whoever runs it, is not counted.
fn looked_at() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for folder in ["decide", "cli", "world"] {
        sources(&root.join(folder), &mut files);
    }
    let mut kinds = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for verb in ["kubectl get ", "kubectl describe "] {
            for command in text.split(verb).skip(1) {
                let kind: String = command
                    .chars()
                    .take_while(char::is_ascii_lowercase)
                    .collect();
                if !kind.is_empty() && !command.starts_with("pods -A") {
                    kinds.push(format!("{}s", kind.trim_end_matches('s')));
                }
            }
        }
    }
    kinds
}

#[test]
fn a_viewer_may_read_what_the_screens_tell_people_to_read() {
    let rules = read_rules();
    let kinds = looked_at();
    assert!(kinds.len() >= 4, "the sources have moved: {kinds:?}");
    for kind in kinds {
        // The keys of a Secret are for whoever writes it.
        if kind == "secrets" {
            continue;
        }
        let kind = if kind == "dbms" {
            "databasemigrations"
        } else {
            &kind
        };
        assert!(
            may(&rules, "get", kind) && may(&rules, "list", kind),
            "{kind}: {rules:?}"
        );
    }
    // kubectl dbm status, wait, logs and logs --run.
    for (verb, resource) in [
        ("watch", "databasemigrations"),
        ("list", "migrationactions"),
        ("list", "jobs"),
        ("list", "pods"),
        ("watch", "pods"),
        ("get", "pods/log"),
    ] {
        assert!(may(&rules, verb, resource), "{verb} {resource}");
    }
    for resource in ["secrets", "configmaps", "*"] {
        assert!(!may(&rules, "get", resource) && !may(&rules, "list", resource));
    }
}

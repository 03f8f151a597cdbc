//! PURE. The API reference for people, `docs/api.md`: every field of both kinds with its type, default, bounds and rules, made from
//! the CRDs, so that it cannot say anything else.

use std::fmt::Write as _;

use kube::CustomResourceExt;
use serde_json::Value;

use super::{
    ActionKind, ActionOutcome, ActionState, DatabaseMigration, DatabasePhase, FindingKind,
    MigrationAction, OnMigrationFailure, OnValidationFailure, Phase, Policy, PullPolicy,
    Resolution, RestorePointPolicy, RunOutcome, StepKind, StepOutcome, Traces, WentBack,
};

/// Before all of it.
const HEAD: &str = "# API reference

Every field of the two kinds of `dbops.dev/v1alpha1`, made from the CustomResourceDefinitions in [crds/](../crds) by `make generate`. At
hand in a cluster: `kubectl explain dbm`, `kubectl explain dbm.spec.databases` and `kubectl explain dbma.spec`. What the phases, conditions and
reasons in the status mean: [conditions.md](conditions.md). Manifests that can be applied: [examples/](../examples).

- **Type** says how many items, characters or properties a value may have, and between which numbers it lies. `Duration` is a string like
  `90s`, `30m` or `1h30m`.
- **Default** is what the API server sets where a field is left out; **required** is said of fields without which nothing is taken.
- **Rules** are checked by the API server beside these bounds, with the message that is shown here.
";

/// Types of Kubernetes' own, which its own reference explains.
const FOREIGN: [(&str, &str, &str); 5] = [
    (".affinity", "Affinity", ""),
    (".tolerations", "Toleration", "[]"),
    (".env", "EnvVar", "[]"),
    (".envFrom", "EnvFromSource", "[]"),
    (".resources", "ResourceRequirements", ""),
];

/// Where Kubernetes explains them.
const FOREIGN_REFERENCE: &str =
    "https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/";

/// The reference as Markdown.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    let kinds = [DatabaseMigration::crd(), MigrationAction::crd()];
    out.push('\n');
    for crd in &kinds {
        let kind = &crd.spec.names.kind;
        let anchor = kind.to_lowercase();
        let _ = writeln!(
            out,
            "- [{kind}](#{anchor}): [spec](#{anchor}spec), [status](#{anchor}status)"
        );
    }
    for crd in &kinds {
        let names = &crd.spec.names;
        let schema = serde_json::to_value(crd).unwrap_or_default();
        let schema = &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let short = names.short_names.clone().unwrap_or_default().join(", ");
        let _ = write!(
            out,
            "\n## {}\n\n{}\n\n`kubectl get {}`, in short `{short}`; it stands in a namespace.\n",
            names.kind,
            text(schema, "description"),
            names.plural,
        );
        rules(&mut out, &[(String::new(), schema)]);
        for part in ["spec", "status"] {
            let path = format!("{}.{part}", names.kind);
            object(&mut out, &path, &schema["properties"][part]);
        }
    }
    out
}

/// A section for an object: its fields, their rules and values, then the objects in it.
fn object(out: &mut String, path: &str, schema: &Value) {
    let description = text(schema, "description");
    let _ = write!(out, "\n### {path}\n\n{description}\n");
    out.push_str("\n| field | type | default | meaning |\n|---|---|---|---|\n");
    let required: Vec<&str> = array(schema, "required")
        .filter_map(Value::as_str)
        .collect();
    let fields: Vec<(&String, &Value)> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    for (name, field) in &fields {
        let default = if required.contains(&name.as_str()) {
            "**required**".to_owned()
        } else {
            default(field)
        };
        let row = [
            format!("`{name}`"),
            type_of(&format!("{path}.{name}"), field),
            default,
            one_line(text(field, "description")),
        ];
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    let mut ruled = vec![(String::new(), schema)];
    for (name, field) in &fields {
        ruled.push(((*name).clone(), field));
        ruled.push((format!("{name}[]"), &field["items"]));
    }
    // What an object in it is held to stands in its own section.
    ruled.retain(|(name, field)| name.is_empty() || !is_object(field));
    rules(out, &ruled);
    for (name, field) in &fields {
        for values in [&field["enum"], &field["items"]["enum"]] {
            let values: Vec<&str> = values
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if !values.is_empty() {
                meanings(out, name, &values);
            }
        }
    }
    for (name, field) in &fields {
        let path = format!("{path}.{name}");
        if foreign(&path).is_some() {
            continue;
        }
        if is_object(field) {
            object(out, &path, field);
        } else if is_object(&field["items"]) {
            object(out, &format!("{path}[]"), &field["items"]);
        }
    }
}

fn is_object(schema: &Value) -> bool {
    schema["properties"].is_object()
}

fn foreign(path: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    FOREIGN.iter().find(|(end, _, _)| path.ends_with(end))
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema[key].as_str().unwrap_or_default()
}

fn array<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema[key].as_array().into_iter().flatten()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the API server sets. What it sets of an object stands at the object's own fields.
fn default(field: &Value) -> String {
    match &field["default"] {
        Value::Null => String::new(),
        Value::Object(set) if set.is_empty() => "`{}`".to_owned(),
        Value::Object(_) => "see its fields".to_owned(),
        value => format!("`{value}`"),
    }
}

/// The type of a field, with its bounds.
fn type_of(path: &str, field: &Value) -> String {
    let bounds = bounds(field);
    let bounds = if bounds.is_empty() {
        String::new()
    } else {
        format!(", {bounds}")
    };
    if let Some((_, kind, many)) = foreign(path) {
        return format!("[{kind}{many}]({FOREIGN_REFERENCE}){bounds}");
    }
    let items = &field["items"];
    let kind = match text(field, "type") {
        "array" if is_object(items) => "list of objects".to_owned(),
        "array" => format!("list of {}s", scalar(items)),
        "object" if is_object(field) => "object".to_owned(),
        "object" => format!("map of {}s", scalar(&field["additionalProperties"])),
        _ => scalar(field),
    };
    let each = match bounds_of_items(items) {
        each if each.is_empty() => each,
        each => format!(", each {each}"),
    };
    format!("{kind}{bounds}{each}")
}

fn scalar(schema: &Value) -> String {
    let is_duration = array(schema, "x-kubernetes-validations")
        .any(|rule| text(rule, "message").starts_with("must be a duration"));
    match (text(schema, "type"), text(schema, "format")) {
        ("string", "date-time") => "time".to_owned(),
        ("string", _) if is_duration => "Duration".to_owned(),
        ("string", _) if schema["enum"].is_array() => "one of the values below".to_owned(),
        (kind, _) => kind.to_owned(),
    }
}

fn bounds_of_items(items: &Value) -> String {
    if is_object(items) {
        String::new()
    } else {
        bounds(items)
    }
}

/// `1 to 512 characters`.
fn bounds(schema: &Value) -> String {
    let units = [
        ("minLength", "maxLength", "character"),
        ("minItems", "maxItems", "item"),
        ("minProperties", "maxProperties", "entry"),
        ("minimum", "maximum", ""),
    ];
    let parts = units.iter().filter_map(|(least, most, unit)| {
        let number = |key: &str| schema[key].as_f64().map(|number| number.to_string());
        let words = |number: &str| match (*unit, number) {
            ("", _) => String::new(),
            ("entry", "1") => " entry".to_owned(),
            ("entry", _) => " entries".to_owned(),
            (unit, "1") => format!(" {unit}"),
            (unit, _) => format!(" {unit}s"),
        };
        match (number(least), number(most)) {
            (None, None) => None,
            (Some(least), Some(most)) => Some(format!("{least} to {most}{}", words(&most))),
            (Some(least), None) => Some(format!("at least {least}{}", words(&least))),
            (None, Some(most)) => Some(format!("at most {most}{}", words(&most))),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// What the API server checks, with the message it shows.
fn rules(out: &mut String, ruled: &[(String, &Value)]) {
    let mut lines = Vec::new();
    for (name, schema) in ruled {
        for rule in array(schema, "x-kubernetes-validations") {
            let whose = if name.is_empty() {
                String::new()
            } else {
                format!("`{name}`: ")
            };
            let cel = text(rule, "rule").replace('\n', " ");
            lines.push(format!(
                "- {whose}{}: `{cel}`\n",
                one_line(text(rule, "message"))
            ));
        }
    }
    if !lines.is_empty() {
        let _ = write!(out, "\nRules:\n\n{}", lines.concat());
    }
}

/// What each value of an enumeration means.
fn meanings(out: &mut String, name: &str, values: &[&str]) {
    let known = enumerations();
    let of_this = known.iter().find(|known| {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        names == values
    });
    let _ = write!(out, "\nValues of `{name}`:\n\n");
    for (at, value) in values.iter().enumerate() {
        let meaning = of_this.and_then(|known| known.get(at));
        match meaning.filter(|(_, text)| !text.is_empty()) {
            Some((_, text)) => {
                let _ = writeln!(out, "- `{value}`: {}", one_line(text));
            }
            None => {
                let _ = writeln!(out, "- `{value}`");
            }
        }
    }
}

/// The values of an enumeration with what they mean. A CRD has only the values.
type Values = Vec<(String, String)>;

fn enumerations() -> Vec<Values> {
    let schemas = [
        schemars::schema_for!(ActionKind),
        schemars::schema_for!(ActionOutcome),
        schemars::schema_for!(ActionState),
        schemars::schema_for!(DatabasePhase),
        schemars::schema_for!(FindingKind),
        schemars::schema_for!(OnMigrationFailure),
        schemars::schema_for!(OnValidationFailure),
        schemars::schema_for!(Phase),
        schemars::schema_for!(Policy),
        schemars::schema_for!(PullPolicy),
        schemars::schema_for!(Resolution),
        schemars::schema_for!(RestorePointPolicy),
        schemars::schema_for!(RunOutcome),
        schemars::schema_for!(StepKind),
        schemars::schema_for!(StepOutcome),
        schemars::schema_for!(Traces),
        schemars::schema_for!(WentBack),
    ];
    schemas
        .iter()
        .map(|schema| {
            let schema = schema.as_value();
            array(schema, "oneOf")
                .map(|value| {
                    (
                        text(value, "const").to_owned(),
                        text(value, "description").to_owned(),
                    )
                })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_every_enumeration_says_what_it_means() {
        let text = reference();
        let mut values = false;
        let mut bare = Vec::new();
        for line in text.lines() {
            values = line.starts_with("Values of ")
                || (values && (line.is_empty() || line.starts_with("- ")));
            if values && line.starts_with("- ") && !line.contains("`: ") {
                bare.push(line);
            }
        }
        assert!(text.contains("- `RevertIfClean`: "), "the values are there");
        assert!(bare.is_empty(), "{bare:?}");
    }

    #[test]
    fn bounds_defaults_and_rules_are_said() {
        let text = reference();
        for line in [
            "| `image` | string, 1 to 512 characters | **required** | The image that holds the Prisma migrations. |",
            "| `parallelism` | integer, 1 to 64 | `1` |",
            "| `lock` | Duration, ",
            "| `schema` | string, 1 to 512 characters | `\"prisma/schema.prisma\"` |",
            "- `databases`: names of databases must be unique: `self.all(d, self.exists_one(e, e.name == d.name))`",
            "### DatabaseMigration.spec.databases[].connection.secretKeyRef",
            "- target is exactly one of restorePoint and time: `(has(self.restorePoint) && self.restorePoint != '') != has(self.time)`",
            "| `affinity` | [Affinity](https://kubernetes.io/",
        ] {
            assert!(text.contains(line), "{line}");
        }
        for (end, _, _) in FOREIGN {
            let name = end.trim_start_matches('.');
            assert!(text.contains(&format!("| `{name}` | [")), "{name}");
        }
    }
}

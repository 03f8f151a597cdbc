//! What could be decided and is in no recorded schedule: a list that may only get shorter.

use std::collections::BTreeSet;

use database_migration_operator::api::{
    ActionKind, DatabasePhase, FindingKind, Phase, RunOutcome, StepKind, StepOutcome,
};
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

/// What no recorded schedule shows.
const NEVER: &[&str] = &[];

/// What may be said and done, as [`super::book::Book::seen`] has it.
fn possible() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    let source = include_str!("../../../src/api/reasons.rs");
    let (conditions, events) = source.split_once("pub mod events").unwrap();
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim);
        let lines = lines.filter_map(|line| line.strip_prefix("pub const ")?.split_once("= \""));
        lines
            .filter_map(|(_, value)| Some(value.split_once('"')?.0.to_owned()))
            .collect()
    };
    let (conditions, events) = (values(conditions), values(events));
    assert!(
        conditions.len() > 100 && events.len() > 8,
        "the sources have moved"
    );
    all.extend(conditions.iter().map(|reason| format!("reason={reason}")));
    all.extend(events.iter().map(|reason| format!("event={reason}")));
    all.extend(of::<StepKind>("run.steps.name="));
    all.extend(of::<StepOutcome>("run.steps.outcome="));
    all.extend(of::<RunOutcome>("history.outcome="));
    all.extend(of::<Phase>("phase="));
    all.extend(of::<DatabasePhase>("databases.phase="));
    all.extend(of::<FindingKind>("databases.findings.kind="));
    for kind in of::<ActionKind>("action=") {
        all.extend(["Succeeded", "Refused"].map(|end| format!("{kind} {end}")));
    }
    all.extend(
        of::<ActionKind>("status.action=")
            .into_iter()
            .map(|kind| kind.replace("status.action", "action.action")),
    );
    let effects = [
        "AddFinalizer",
        "RemoveFinalizer",
        "StoreInventory",
        "AcquireLease",
        "ReleaseLease",
        "CreateJob",
        "DeleteJob",
        "DeletePod",
        "SetAction",
        "MakeRestorePoint",
        "AdoptJob",
    ];
    all.extend(effects.map(|effect| format!("effect={effect}")));
    all
}

/// The values of an enumeration, from its schema.
fn of<T: JsonSchema>(before: &str) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                let one = fields.get("const").and_then(Value::as_str);
                let some = fields.get("enum").and_then(Value::as_array);
                found.extend(one.map(str::to_owned));
                found.extend(
                    some.into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(str::to_owned),
                );
                fields.values().for_each(|field| collect(field, found));
            }
            Value::Array(list) => list.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&schema_for!(T).to_value(), &mut found);
    assert!(found.len() > 2, "the schema has moved: {before}");
    found
        .into_iter()
        .map(|value| format!("{before}{value}"))
        .collect()
}

/// What stands wrongly in the list, or not at all.
pub fn wrong(seen: &BTreeSet<&str>) -> Vec<String> {
    // A reason is one wherever it stands.
    let mut seen: BTreeSet<String> = seen.iter().map(|word| (*word).to_owned()).collect();
    let reasons: Vec<String> =
        seen.iter()
            .filter_map(|word| word.split_once('='))
            .filter(|(path, _)| *path == "event" || path.ends_with("reason"))
            .map(|(_, value)| format!("reason={value}"))
            .chain(seen.iter().filter_map(|word| {
                Some(format!("reason={}", word.strip_prefix("conditions.type=")?))
            }))
            .collect();
    seen.extend(reasons);
    let possible = possible();
    let mut wrong = Vec::new();
    for word in possible.iter().filter(|word| !seen.contains(*word)) {
        if !NEVER.contains(&word.as_str()) {
            wrong.push(format!("{word}: no recorded schedule shows it any more; add one that does to tests/decide/recorded"));
        }
    }
    for word in NEVER {
        if seen.contains(*word) {
            wrong.push(format!(
                "{word} is recorded by now: take it out of NEVER in tests/decide/recorded/never.rs"
            ));
        } else if !possible.contains(*word) {
            wrong.push(format!("{word} is no word of the API any more: take it out of NEVER in tests/decide/recorded/never.rs"));
        }
    }
    wrong
}

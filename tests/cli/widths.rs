//! At no width is a line broken inside a word: neither by a screen nor by the terminal, which would break what is wider than it is.

use std::collections::BTreeSet;

use database_migration_operator::api::{ActionKind, DatabaseMigration, MigrationActionSpec};
use database_migration_operator::cli::screen::{self, Facts, Screen};
use database_migration_operator::cli::style::Style;
use proptest::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::{now, status, statuses};

/// Names as long as they may be.
#[derive(Clone, Debug)]
struct Names {
    resource: String,
    namespace: String,
    database: String,
    migration: String,
    image: String,
    message: String,
}

fn names() -> impl Strategy<Value = Names> {
    (
        "[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
        "[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
        "[0-9]{14}_[a-z_]{1,120}",
        "[a-z./]{1,90}:[0-9a-z.]{1,40}",
        "([a-zäß数据]{1,14} ){1,40}[a-z]{1,9}",
    )
        .prop_map(
            |(resource, namespace, database, migration, image, message)| Names {
                resource,
                namespace,
                database,
                migration,
                image,
                message,
            },
        )
}

/// A resource of `tests/cli/statuses` with these names in every place.
fn renamed(fixture: &str, names: &Names) -> DatabaseMigration {
    fn walk(value: &mut Value, change: &dyn Fn(&str) -> String) {
        match value {
            Value::String(text) => *text = change(text),
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, change)),
            Value::Object(fields) => fields.values_mut().for_each(|item| walk(item, change)),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(status(fixture)).unwrap();
    walk(&mut value, &|text| {
        text.replace("20261122101500_split_name", &names.migration)
            .replace("identity", &names.database)
            .replace("shop-migrations:1.43.0", &names.image)
    });
    let mut resource: DatabaseMigration = serde_json::from_value(value).unwrap();
    resource.metadata.name = Some(names.resource.clone());
    resource.metadata.namespace = Some(names.namespace.clone());
    resource.spec.image = names.image.clone();
    if let Some(status) = &mut resource.status {
        status.message = names.message.clone();
        for choice in &mut status.choices {
            choice.command = format!(
                "kubectl dbm down {} -n {} --database {} --migration {} --reason \"a reason of words\"",
                names.resource, names.namespace, names.database, names.migration
            );
        }
    }
    resource
}

/// Every screen of a resource.
fn texts(resource: &DatabaseMigration, width: Option<usize>) -> Vec<(&'static str, String)> {
    texts_in(Style::PLAIN, resource, width)
}

fn texts_in(
    style: Style,
    resource: &DatabaseMigration,
    width: Option<usize>,
) -> Vec<(&'static str, String)> {
    let screen = Screen {
        resource,
        now: now(),
        width,
        style,
        prisma: &[],
    };
    let spec = MigrationActionSpec {
        migration: resource.metadata.name.clone().unwrap(),
        run: "r2-5e1c0a9b".to_owned(),
        action: ActionKind::MarkApplied,
        reason: "a reason of words".to_owned(),
        ..MigrationActionSpec::default()
    };
    let facts = Facts {
        cluster: "europe-1".to_owned(),
        server: "https://10.0.0.1:6443".to_owned(),
        user: "alice@example.com".to_owned(),
    };
    let both = [resource.clone(), resource.clone()];
    let does = screen::does(ActionKind::MarkApplied);
    let table = |namespaces| screen::table(&both, namespaces, now(), width, style);
    vec![
        ("status", screen::status(&screen)),
        ("live", screen::live(&screen)),
        ("plan", screen::plan(&screen, None)),
        (
            "confirmation",
            screen::confirmation(&[screen], &[spec], &facts, does),
        ),
        ("table", table(false)),
        ("table -A", table(true)),
    ]
}

/// Of the words of a text those that a terminal would not have to break, by columns.
fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}

fn check(fixture: &str, names: &Names, width: usize) {
    let resource = renamed(fixture, names);
    let whole = texts(&resource, None);
    for ((screen, text), (_, unbroken)) in texts(&resource, Some(width)).iter().zip(&whole) {
        let known = words(unbroken);
        for word in words(text) {
            let part = word.strip_suffix('…');
            // The live screen cuts a word that is wider than the terminal.
            let cut = *screen == "live"
                && part.is_some_and(|part| known.iter().any(|k| k.starts_with(part)));
            assert!(
                known.contains(word) || ["\\", "…"].contains(&word) || cut,
                "{fixture} {screen} at {width}: {word} in\n{text}"
            );
        }
        for line in text.lines() {
            // A word that is wider than the room beside the first column stays whole.
            let last = line.split(' ').next_back().unwrap_or_default();
            let last = if last == "\\" {
                line.trim_end_matches(" \\").split(' ').next_back()
            } else {
                Some(last)
            };
            let long = last.unwrap_or_default().width() + width / 2 + 2 > width;
            assert!(
                line.width() <= width || long,
                "{fixture} {screen} at {width}: {line}\nin\n{text}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_broken_inside_a_word(names in names(), width in prop_oneof![Just(80usize), 40usize..200]) {
        for entry in std::fs::read_dir(statuses()).unwrap() {
            let path = entry.unwrap().path();
            let fixture = path.file_stem().unwrap().to_str().unwrap().to_owned();
            // Its words are spelled out anew at every look.
            if fixture != "control-characters" {
                check(&fixture, &names, width);
            }
        }
    }
}

/// Names as they mostly are: every line fits.
#[test]
fn with_short_names_every_line_fits_at_80_columns() {
    for fixture in [
        "failed",
        "lock",
        "good",
        "denied",
        "rolled-back",
        "smoke-test",
        "suspended",
        "new",
    ] {
        for (screen, text) in texts(&status(fixture), Some(80)) {
            for line in text.lines() {
                assert!(line.width() <= 80, "{fixture} {screen}: {line}\nin\n{text}");
            }
        }
    }
}

/// Colours take no columns.
#[test]
fn colours_change_no_line() {
    for fixture in [
        "failed",
        "lock",
        "denied",
        "rolled-back",
        "smoke-test",
        "new",
    ] {
        for width in [40, 80, 120] {
            let resource = status(fixture);
            let plain = texts(&resource, Some(width));
            let coloured = texts_in(Style { colour: true }, &resource, Some(width));
            for ((screen, plain), (_, coloured)) in plain.iter().zip(&coloured) {
                let stripped = anstream::adapter::strip_str(coloured).to_string();
                let trimmed = |text: &str| {
                    let lines = text.lines().map(str::trim_end);
                    lines.collect::<Vec<_>>().join("\n")
                };
                assert_eq!(
                    trimmed(&stripped),
                    trimmed(plain),
                    "{fixture} {screen} at {width}"
                );
                assert!(
                    coloured.contains('\x1b') || *screen == "live",
                    "{fixture} {screen}"
                );
            }
        }
    }
}

/// What is printed over several lines is one command for a shell.
#[test]
fn a_continued_command_is_the_command() {
    let text = screen::status(&Screen {
        resource: &status("failed"),
        now: now(),
        width: Some(80),
        style: Style::PLAIN,
        prisma: &[],
    });
    let joined = text.replace(" \\\n", " ");
    let joined: Vec<&str> = joined.split_whitespace().collect();
    let wanted = "kubectl dbm mark-applied shop -n production --database identity --migration 20261122101500_split_name --reason \"...\"";
    assert!(joined.join(" ").contains(wanted), "{text}");
    assert!(text.contains(" \\\n"), "{text}");
}

/// The first line of a database's plan is broken where the lines below it, which are set in, still fit.
#[test]
fn a_plan_whose_first_line_is_broken_fits() {
    let names = Names {
        resource: "a".to_owned(),
        namespace: "a".to_owned(),
        database: "a-0-a-a-a0-a---aa0a-a-a".to_owned(),
        migration: "00000000000128_x".to_owned(),
        image: "shop-migrations:1.42.0".to_owned(),
        message: "a message".to_owned(),
    };
    check("good", &names, 40);
}

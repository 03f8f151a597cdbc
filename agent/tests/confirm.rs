//! Where it is not certain what Prisma reads, it is asked before anything is applied.
#![allow(clippy::unwrap_used)]

mod image;

use dbm_agent::protocol::{Outcome, Planned, Refusal};
use serde_json::json;

use image::*;

/// In Prisma's place: what `migrate status` prints, and a trace of `migrate deploy`.
fn prisma(status: &str, code: u8) -> String {
    format!(
        "case \"$*\" in\n*status*) printf '{status}'; echo \"$*\" >asked; printf %s \"$DATABASE_URL\" >url; exit {code};;\n*) echo \"$*\" >ran;;\nesac"
    )
}

const PENDING: &str = "Following migrations have not yet been applied:\\n0_init\\n1_more\\n\\nTo apply migrations in development run prisma migrate dev.\\n";

fn planned(names: &[&str]) -> serde_json::Value {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    json!({"confirm": Planned::of(&names)})
}

#[test]
fn what_prisma_would_apply_as_planned_is_applied() {
    let image = Image::new();
    let output = image
        .prisma(planned(&["0_init", "1_more"]), &prisma(PENDING, 1))
        .output()
        .unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded, "{output:?}");
    assert_eq!(
        image.read("ran").trim(),
        "migrate deploy --schema prisma/schema.prisma"
    );
    assert_eq!(
        image.read("asked").trim(),
        "migrate status --schema prisma/schema.prisma"
    );
    assert!(
        image.read("url").contains("lock_timeout"),
        "with the same connection"
    );
}

#[test]
fn what_prisma_would_apply_beyond_the_plan_is_refused() {
    for (names, expected) in [
        (&["0_init"][..], "it would also apply 1_more"),
        (&["0_init", "1_more", "2_last"], "it would not apply 2_last"),
        (
            &["2_last"],
            "it would also apply 0_init, 1_more; it would not apply 2_last",
        ),
    ] {
        let image = Image::new();
        let refusal = image.refusal(&mut image.prisma(planned(names), &prisma(PENDING, 1)));
        let Refusal::OtherMigrations(message) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(message.ends_with(expected), "{message}");
    }
}

#[test]
fn without_an_answer_nothing_is_applied() {
    let image = Image::new();
    let failing = prisma("Error: P1000: no such user tr@in-spotting\\n", 1);
    let refusal = image.refusal(&mut image.prisma(planned(&["0_init"]), &failing));
    let Refusal::OtherMigrations(message) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(
        message.contains("did not say it: Error: P1000"),
        "{message}"
    );
}

/// It costs a second, so it is asked only where it is told to.
#[test]
fn nobody_is_asked_without_doubt() {
    let image = Image::new();
    image
        .prisma(json!({}), &prisma(PENDING, 1))
        .output()
        .unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded);
    assert!(!image.path("asked").exists());
}

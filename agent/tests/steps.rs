//! The steps of a run: calls of Prisma's, scripts, tests, and what is looked for in their output.
#![allow(clippy::unwrap_used)]

mod image;

use std::fs;

use dbm_protocol::{Outcome, ProblemReason, Refusal};
use serde_json::json;
use tempfile::TempDir;

use image::*;

#[test]
fn calls_run_one_after_the_other() {
    let image = Image::new();
    let calls = json!({"prismaCalls": [
        ["migrate", "resolve", "--applied=0_init"],
        ["migrate", "resolve", "--applied=1 a; b"],
    ]});
    let mut agent = image.prisma(calls, "echo \"$*\" | tee -a calls");
    let output = agent.output().unwrap();
    let expected = "migrate resolve --applied=0_init --schema prisma/schema.prisma\n\
                    migrate resolve --applied=1 a; b --schema prisma/schema.prisma\n";
    assert_eq!(shown(&output), expected);
    assert_eq!(image.read("calls"), expected);
    assert_eq!(image.summary().outcome, Outcome::Succeeded);
}

#[test]
fn the_first_call_that_fails_is_the_last() {
    let image = Image::new();
    let calls = json!({"prismaCalls": [["a"], ["b"], ["c"]]});
    let node = "echo $1 >>calls; echo \"Error: P300$(wc -l <calls)\"; test $1 != b || { echo 'Error: P3017'; exit 7; }";
    let output = image.prisma(calls, node).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", shown(&output));
    assert_eq!(image.read("calls"), "a\nb\n");
    let summary = image.summary();
    assert_eq!(
        (summary.outcome, summary.exit_code),
        (Outcome::Failed, Some(7))
    );
    // Not what the first one said.
    assert_eq!(summary.code.as_deref(), Some("P3002"));
}

/// A folder for temporary files with what the agent left in it.
fn left_in(folder: &TempDir) -> Vec<String> {
    fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_script_is_down_sql_between_what_was_asked_for() {
    let image = Image::new();
    image.file(
        "prisma/migrations/1 a/migration.sql",
        "CREATE TABLE a ();\n",
    );
    image.file("prisma/migrations/1 a/down.sql", "DROP TABLE a -- gone");
    let script =
        json!({"script": {"migration": "1 a", "before": "BEGIN;\n", "after": "\n;COMMIT;\n"}});
    for (end, code) in [("true", 0), ("echo 'Error: P1014'; exit 3", 3)] {
        let folder = tempfile::tempdir().unwrap();
        let node =
            format!("echo \"$*\" >arguments; cat \"$4\" >script; stat -c %a \"$4\" >mode; {end}");
        // A command of the user's own is not meant for it.
        let mut agent = image.prisma(script.clone(), &node);
        let output = agent
            .args(["--", "touch", "ran"])
            .env("TMPDIR", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        assert!(!image.path("ran").exists());
        assert_eq!(
            image.read("script"),
            "BEGIN;\nDROP TABLE a -- gone\n;COMMIT;\n"
        );
        assert_eq!(image.read("mode"), "600\n");
        let arguments = image.read("arguments");
        assert!(
            arguments.starts_with(&format!("db execute --file {}/", folder.path().display()))
                && arguments.ends_with(".sql --schema prisma/schema.prisma\n"),
            "{arguments}"
        );
        assert_eq!(left_in(&folder), [""; 0]);
    }
    assert_eq!(image.summary().code.as_deref(), Some("P1014"));
}

#[test]
fn a_script_that_is_not_there_is_refused() {
    let image = Image::new();
    image.file("prisma/outside/down.sql", "DROP TABLE a;");
    image.file("prisma/outside/migration.sql", "CREATE TABLE a ();");
    for (migration, part) in [
        ("0_init", "prisma/migrations/0_init/down.sql"),
        ("../outside", "no migration \"../outside\""),
        ("", "no migration \"\""),
    ] {
        let script = json!({"script": {"migration": migration, "before": "", "after": ""}});
        let Refusal::Problem(problem) = image.refusal(&mut image.prisma(script, "touch ran"))
        else {
            panic!()
        };
        assert_eq!(problem.reason, ProblemReason::MigrationUnreadable);
        assert!(problem.message.contains(part), "{}", problem.message);
    }
}

#[test]
fn nothing_is_deployed_for_a_step_that_lost_its_command() {
    let image = Image::new();
    let more = json!({"project": {"database": "", "schema": ""}, "envVar": ""});
    let Refusal::Problem(problem) = image.refusal(&mut image.exec_with(more, &[], &[])) else {
        panic!()
    };
    assert!(
        problem.message.contains("no command"),
        "{}",
        problem.message
    );
}

#[test]
fn of_a_command_of_ones_own_the_last_line_is_what_failed() {
    let image = Image::new();
    let script = "echo Error: P1001; echo \"POST /login: 500 for $SHOP_DATABASE_URL\"; echo; echo '  '; exit 4";
    let mut agent = image.test(0, script);
    let output = agent.env("SHOP_DATABASE_URL", URL).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let message = image.summary().message.unwrap();
    assert!(message.starts_with("POST /login: 500 for "), "{message}");
    assert!(!shown(&output).contains("in-spotting"));
}

const PATTERNS: [&str; 2] = ["(?i)deprecated", "took [0-9]+ms"];

#[test]
fn lines_worth_a_look_are_reported_for_success_and_failure() {
    let image = Image::new();
    let more = json!({"logPatterns": PATTERNS});
    for code in [0, 9] {
        let script = format!(
            "echo 'prisma:warn The image is old'; echo fine; echo; \
             echo \"is DEPRECATED, see $DATABASE_URL\" >&2; printf '\\033[33mtook 12ms\\033[0m'; exit {code}"
        );
        let output = image
            .exec_with(more.clone(), &[], &["sh", "-c", &script])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", shown(&output));
        let summary = image.summary();
        let found: Vec<_> = summary
            .findings
            .iter()
            .map(|finding| (finding.line, finding.pattern, finding.text.as_str()))
            .collect();
        let warning = "prisma:warn The image is old";
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], (1, None, warning));
        assert_eq!((found[1].0, found[1].1), (4, Some(0)));
        assert!(
            found[1].2.starts_with("is DEPRECATED, see [redacted]"),
            "{found:?}"
        );
        assert_eq!(found[2], (5, Some(1), "took 12ms"));
        assert_eq!(summary.findings_count, 3);
    }
}

#[test]
fn lines_are_counted_over_all_calls() {
    let image = Image::new();
    let more = json!({"prismaCalls": [["a"], ["b"]], "logPatterns": ["b"]});
    let mut agent = image.prisma(more, "printf \"one\\n$1\"");
    let output = agent.output().unwrap();
    assert_eq!(shown(&output), "one\na\none\nb\n");
    let summary = image.summary();
    assert_eq!((summary.findings[0].line, summary.findings_count), (4, 1));
}

#[test]
fn many_findings_are_counted_and_the_summary_stays_within_its_limit() {
    let image = Image::new();
    // Each sign of it becomes two in JSON, and the error's message is as long as it may be.
    let script = r#"i=0; while [ $i -lt 300 ]; do printf 'warn %0300d\n' 0 | tr 0 '"'; i=$((i+1)); done
        echo 'Error: P3018'; printf 'ERROR: %02000d\n' 0 | tr 0 '\\'; exit 1"#;
    let output = image.exec(&[], script).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let summary = image.summary();
    assert_eq!(summary.findings_count, 300);
    assert!(
        (1..=10).contains(&summary.findings.len()),
        "{:?}",
        summary.findings
    );
    assert!(
        summary
            .findings
            .iter()
            .all(|finding| finding.text.len() <= 200)
    );
    assert_eq!(summary.code.as_deref(), Some("P3018"));
    // What is worth a look makes room for what failed.
    assert!(summary.message.unwrap().len() > 1000);
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let image = Image::new();
    let more = json!({"logPatterns": ["fine", "(unclosed"]});
    let mut agent = image.exec_with(more, &[], &["touch", "ran"]);
    let Refusal::Problem(problem) = image.refusal(&mut agent) else {
        panic!()
    };
    assert!(
        problem.message.contains("validation.logs.patterns")
            && problem.message.contains("(unclosed"),
        "{}",
        problem.message
    );
}

#[test]
fn ten_megabytes_with_patterns_and_a_limit() {
    let image = Image::new();
    let more = json!({
        "project": {"database": "", "schema": ""}, "envVar": "", "timeoutSeconds": 300, "logPatterns": PATTERNS,
    });
    let script = "yes 'a query took 0123456789012345678901234567890123456789ms' | head -c 10000000; \
                  grep VmHWM /proc/$PPID/status >memory";
    let output = image
        .exec_with(more, &[], &["sh", "-c", script])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.len() < 8 * 1024 * 1024 + 200);
    let summary = image.summary();
    assert!(
        summary.findings_count > 100_000,
        "{}",
        summary.findings_count
    );
    let memory = image.read("memory");
    let kilobytes: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 30_000, "{memory}");
}

#[test]
fn no_url_of_any_database_is_shown() {
    let image = Image::new();
    let passwords = [
        (
            "IDENTITY_DATABASE_URL",
            "correct%2Fhorse%40one",
            "correct/horse@one",
        ),
        (
            "TASKS_DB_DATABASE_URL",
            "battery%3Astaple%25two",
            "battery:staple%two",
        ),
        ("SHADOW", "unencoded+three", "unencoded+three"),
    ];
    let script = "env; echo \"$IDENTITY_DATABASE_URL$TASKS_DB_DATABASE_URL\"; echo; \
                  echo correct/horse@one battery:staple%two unencoded+three; \
                  echo correct%2fhorse%40one battery%3Astaple%25two unencoded%2Bthree; exit 1";
    let more =
        json!({"project": {"database": "", "schema": ""}, "envVar": "", "logPatterns": ["o"]});
    let mut agent = image.exec_with(more, &[], &["sh", "-c", script]);
    for (name, password, _) in passwords {
        agent.env(
            name,
            format!("postgresql://app:{password}@db.example:5432/x"),
        );
    }
    let text = shown(&agent.output().unwrap());
    let summary = image.read("termination-log");
    for part in [
        "horse",
        "staple",
        "three",
        "correct",
        "battery",
        "unencoded",
    ] {
        assert!(!text.contains(part), "{part}: {text}");
        assert!(!summary.contains(part), "{part}: {summary}");
    }
}

/// A configuration that says nothing of the connection leaves it to the schema, and so to its `directUrl`. What the
/// inventory found is taken as it is where the file is the same; there is no loader here that could be asked.
#[test]
fn beside_a_configuration_the_direct_url_gets_the_settings_too() {
    let image = Image::new();
    image.file(
        "prisma/schema.prisma",
        "datasource db {\n provider = \"postgresql\"\n url = env(\"DATABASE_URL\")\n directUrl = env(\"DIRECT_URL\")\n}\n",
    );
    let config = "export default {}";
    image.file("prisma.config.ts", config);
    let file = image.path("prisma.config.ts").canonicalize().unwrap();
    let exec = |text: &str| {
        let configured = serde_json::json!({"file": file, "sha256": sha256(text)});
        let more = serde_json::json!({"configured": configured});
        let mut agent = image.exec_with(more, &[], &["sh", "-c", "printf %s \"$DIRECT_URL\" >got"]);
        agent.env("DIRECT_URL", URL).output().unwrap()
    };
    let output = exec(config);
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(
        image.read("got"),
        format!("{URL}&application_name=dbm/shop&options=-c%20lock_timeout%3D5000")
    );
    let changed = exec("something else");
    assert_eq!(changed.status.code(), Some(64), "{}", shown(&changed));
}

fn sha256(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Where it is not certain what Prisma reads, it is asked before anything is applied.
#![allow(clippy::unwrap_used)]

mod image;

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use dbm_protocol::{Outcome, Planned, ProblemReason, Refusal, Summary};
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
    for (status, code, expected) in [
        (
            "I am no such command\\n",
            1,
            "did not say it: I am no such command",
        ),
        (
            "Error: P1001: out of nowhere\\n",
            0,
            "did not say it: Error: P1001",
        ),
        ("", 1, "did not say it: it printed nothing"),
    ] {
        let image = Image::new();
        let refusal = image.refusal(&mut image.prisma(planned(&["0_init"]), &prisma(status, code)));
        let Refusal::OtherMigrations(message) = refusal else {
            panic!("{refusal:?}")
        };
        assert!(message.contains(expected), "{message}");
    }
}

/// A server that cannot be reached, starts, or has no connection left says nothing of what Prisma reads: it is the same failure as
/// that of the command itself, with the same account.
#[test]
fn what_fails_when_it_is_asked_fails_as_when_it_is_told() {
    let reached = "Timed out trying to acquire a postgres advisory lock";
    for (said, code, state) in [
        (
            "Error: P1000: Authentication failed against database server, `tr@in-spotting`",
            "P1000",
            "",
        ),
        (
            "Error: Can't reach database server at `db:5432`",
            "P1001",
            "",
        ),
        (
            "Error: P1001: Can't reach database server at `db:5432`",
            "P1001",
            "",
        ),
        (
            &*format!(
                "Error: P1002\n\nThe database server at `db:5432` was reached but timed out.\n\nContext: {reached}"
            ),
            "P1002",
            "",
        ),
        ("Error: P1003: Database `shop` does not exist", "P1003", ""),
        ("Error: P1008: Operations timed out", "P1008", ""),
        (
            "Error: P1010: User `app` was denied access on the database `shop`",
            "P1010",
            "",
        ),
        (
            "Error: P1011: Error opening a TLS connection: refused",
            "P1011",
            "",
        ),
        (
            "Error: P1017: Server has closed the connection.",
            "P1017",
            "",
        ),
        (
            "Error: Schema engine error:\nFATAL: sorry, too many clients already",
            "",
            "53300",
        ),
        (
            "Error: Schema engine error:\nFATAL: the database system is starting up",
            "",
            "57P03",
        ),
        (
            "Error: ERROR: canceling statement due to lock timeout",
            "",
            "55P03",
        ),
    ] {
        let told = Image::new();
        let failing = "cat words; exit 1";
        told.file("words", &format!("{said}\n"));
        let output = told.prisma(json!({}), failing).output().unwrap();
        let expected = told.summary();
        assert_eq!(expected.outcome, Outcome::Failed, "{output:?}");
        assert_eq!(expected.code.as_deref().unwrap_or_default(), code, "{said}");
        assert_eq!(
            expected.sql_state.as_deref().unwrap_or_default(),
            state,
            "{said}"
        );

        let asked = Image::new();
        asked.file("words", &format!("{said}\n"));
        let script = format!("case \"$*\" in\n*status*) {failing};;\n*) echo \"$*\" >ran;;\nesac");
        let output = asked
            .prisma(planned(&["0_init"]), &script)
            .output()
            .unwrap();
        assert!(!asked.path("ran").exists(), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            !shown(&output).contains("in-spotting"),
            "{}",
            shown(&output)
        );
        let found = asked.summary();
        let times = |mut summary: Summary| {
            (summary.started_at, summary.finished_at) = (None, None);
            summary
        };
        assert_eq!(times(found), times(expected), "{said}");
    }
}

#[test]
fn one_that_is_killed_while_it_is_asked_has_failed_by_that_signal() {
    let image = Image::new();
    let script = "case \"$*\" in\n*status*) kill -9 $$;;\n*) echo \"$*\" >ran;;\nesac";
    let output = image.prisma(planned(&["0_init"]), script).output().unwrap();
    assert_eq!(output.status.code(), Some(137));
    assert_eq!(image.summary().outcome, Outcome::Failed);
    assert_eq!(image.summary().signal, Some(9));
    assert!(!image.path("ran").exists());
}

/// A proxy in the pod opens the network seconds after the container has started: it is waited for once, before the first that needs it.
#[test]
fn the_network_is_waited_for_before_prisma_is_asked() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let image = Image::new();
    let mut more = planned(&["0_init", "1_more"]);
    more["reachSeconds"] = json!(30);
    // Asked before the port is open, it cannot answer.
    let script = format!(
        "if [ ! -e open ]; then echo \"$*\" >early; fi\n{}",
        prisma(PENDING, 1)
    );
    let agent = image
        .prisma(more, &script)
        .env(
            "DATABASE_URL",
            format!("postgresql://app:x@127.0.0.1:{port}/shop"),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_millis(1500));
    assert!(!image.path("asked").exists() && !image.path("early").exists());
    image.file("open", "");
    let _proxy = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let output = agent.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded, "{text}");
    assert!(image.path("asked").exists() && image.path("ran").exists());
    assert!(!image.path("early").exists(), "{text}");
    assert_eq!(text.matches("it takes connections").count(), 1, "{text}");
}

/// A way of calling Prisma that may migrate whatever it is given is called for a migration and for nothing else.
#[test]
fn what_may_migrate_is_never_asked() {
    let deploy = "echo \"$*\" >>ran";
    let with_cli = |cli: &[&str], more: serde_json::Value| {
        let mut request = json!({"project": {"database": "identity", "schema": "prisma/schema.prisma", "cli": cli}});
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        request
    };
    let confirm = planned(&["0_init", "1_more"]);
    let resolve = json!({"prismaCalls": [["migrate", "resolve", "--applied", "0_init"]]});
    for cli in [
        &["sh", "deploy.sh"][..],
        &["npm", "run", "migrate"],
        &["./own"],
    ] {
        // The image has a Prisma of its own.
        for (more, asked, told) in [
            (&confirm, "migrate status", 1),
            (&resolve, "migrate resolve", 0),
        ] {
            let image = Image::new();
            for name in ["deploy.sh", "own", "bin/npm"] {
                image.program(name, &format!("#!/bin/sh\n{deploy}\n"));
            }
            let node = format!(
                "echo \"$*\" >>node\n{}",
                prisma(PENDING, 1).replace("exit 1", "exit 0")
            );
            image
                .prisma(with_cli(cli, more.clone()), &node)
                .output()
                .unwrap();
            assert_eq!(
                image.summary().outcome,
                Outcome::Succeeded,
                "{cli:?} {asked}"
            );
            assert!(
                image.read("node").starts_with(asked),
                "{}",
                image.read("node")
            );
            let ran = fs::read_to_string(image.path("ran")).unwrap_or_default();
            if told == 1 {
                assert_eq!(ran.lines().count(), told, "{cli:?}: {ran}");
                assert!(ran.contains("migrate deploy"), "{ran}");
            }
        }
        // It has none.
        for more in [&confirm, &resolve] {
            let image = Image::new();
            fs::remove_dir_all(image.path("node_modules")).unwrap();
            for name in ["deploy.sh", "own", "bin/npm"] {
                image.program(name, &format!("#!/bin/sh\n{deploy}\n"));
            }
            let refusal = image.refusal(&mut image.prisma(with_cli(cli, more.clone()), "exit 1"));
            let Refusal::Problem(problem) = refusal else {
                panic!("{refusal:?}")
            };
            assert_eq!(problem.reason, ProblemReason::CommandMissing);
            for part in [
                &*cli.join(" "),
                "prisma.cli to Prisma itself",
                "prisma.migrate",
            ] {
                assert!(problem.message.contains(part), "{}", problem.message);
            }
        }
    }
    // One that is Prisma itself is asked as it is called.
    let image = Image::new();
    let cli = [
        "node",
        "--no-warnings",
        "node_modules/prisma/build/index.js",
    ];
    let node = format!("echo \"$*\" >>node\n{}", prisma(PENDING, 1));
    image
        .prisma(with_cli(&cli, confirm.clone()), &node)
        .output()
        .unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded);
    let calls = image.read("node");
    assert_eq!(calls.matches("build/index.js").count(), 2, "{calls}");
    // A command of the user's own is run once, and is not asked in other words.
    let image = Image::new();
    let own = ["sh", "-c", "echo \"$0 $*\" >>ran", "migrate", "deploy"];
    image.exec_with(confirm, &[], &own).output().unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded);
    assert_eq!(image.read("ran"), "migrate deploy\n");
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

/// Both databases may have the same pending: the one that Prisma names has to be the one that is watched.
#[test]
fn where_prisma_would_migrate_another_database_nothing_is_applied() {
    let answer = |database: &str| {
        format!(
            "Datasource \"db\": PostgreSQL database \"{database}\", schema \"public\" at \"db.example:5432\"\\n\\n{PENDING}"
        )
    };
    let names = planned(&["0_init", "1_more"]);
    let image = Image::new();
    let refusal = image.refusal(&mut image.prisma(names.clone(), &prisma(&answer("other"), 1)));
    let Refusal::ConnectionInvalid(message) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(
        message.starts_with("Prisma would migrate the database \"other\"")
            && message.contains("DATABASE_URL leads to"),
        "{message}"
    );
    let image = Image::new();
    let mut agent = image.prisma(names, &prisma(&answer("shop"), 1));
    let output = agent.output().unwrap();
    assert_eq!(image.summary().outcome, Outcome::Succeeded, "{output:?}");
}

/// A configuration that gives Prisma its connection by code: by which variable it connects is found out where its code does not tell,
/// before anything is applied.
#[test]
fn what_code_connects_by_is_found_out() {
    let indirect = "const { DIRECT_URL, DATABASE_URL } = process.env\nmodule.exports = { adapter: async () => new Adapter(DIRECT_URL ?? DATABASE_URL) }";
    let direct = "module.exports = { adapter: async () => new Adapter(process.env.DIRECT_URL ?? process.env.DATABASE_URL) }";
    let own = "module.exports = { adapter: async () => new Adapter(process.env.DATABASE_URL) }";
    let other = "postgresql://app:in-spotting@other.invalid/shop";
    // The configuration; DIRECT_URL; the variable that Prisma takes; whether it is asked, and what is refused.
    for (config, set, takes, asked, refused) in [
        (own, None, "DATABASE_URL", false, ""),
        (own, Some(other), "DATABASE_URL", false, ""),
        (direct, None, "DATABASE_URL", false, ""),
        (direct, Some(other), "DATABASE_URL", true, ""),
        (
            direct,
            Some(other),
            "DIRECT_URL",
            true,
            "DIRECT_URL, which leads to another host or port than DATABASE_URL",
        ),
        (indirect, None, "DATABASE_URL", true, ""),
        (indirect, Some(other), "DATABASE_URL", true, ""),
        (
            indirect,
            Some(other),
            "DIRECT_URL",
            true,
            "does not connect by DATABASE_URL",
        ),
    ] {
        let image = Image::new();
        image.file("prisma.config.cjs", config);
        let file = image.path("prisma.config.cjs");
        let said =
            json!({"number": 0, "said": {"file": file, "adapter": true, "datasource": false}});
        let node = format!(
            "case \"$2\" in --) echo 'DBM-CONFIG {said}'; exit;; esac\ncase \"$*\" in\n*status*) echo \"$DATABASE_URL\" >asked; exec bash -c 'rest=${{{takes}#*@}}; rest=${{rest%%/*}}; exec 3<>/dev/tcp/${{rest%%:*}}/${{rest##*:}} && sleep 9';;\n*deploy*) echo \"$DATABASE_URL\" >ran;;\nesac"
        );
        let mut agent = image.prisma(json!({}), &node);
        if let Some(set) = set {
            agent.env("DIRECT_URL", set);
        }
        let output = agent.output().unwrap();
        let summary = image.summary();
        let case = format!("{config} {set:?} {takes}: {}", shown(&output));
        assert!(!shown(&output).contains("in-spotting"), "{case}");
        assert_eq!(image.path("asked").exists(), asked, "{case}");
        assert_eq!(image.path("ran").exists(), refused.is_empty(), "{case}");
        match summary.outcome {
            Outcome::Succeeded => {
                let ran = image.read("ran");
                assert!(refused.is_empty() && ran.contains("db.example"), "{case}");
            }
            Outcome::Refused(Refusal::ConnectionInvalid(message)) => {
                assert!(
                    !refused.is_empty() && message.contains(refused),
                    "{message}"
                );
            }
            other => panic!("{other:?}: {case}"),
        }
        if asked {
            let led = image.read("asked");
            assert!(
                led.contains("dbm:dbm@127.0.0.1:") && !led.contains("in-spotting"),
                "{led}"
            );
        }
    }
}

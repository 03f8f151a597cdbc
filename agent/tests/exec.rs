//! The program itself, with commands that do what a real one may do.
#![allow(clippy::unwrap_used)]

mod image;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dbm_protocol::{Outcome, ProblemReason, Refusal};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use image::*;

#[test]
fn inventory_is_one_line() {
    let report = Image::new().inventory();
    assert_eq!(report.databases.len(), 2);
    assert_eq!(report.databases[0].migrations[0].name, "0_init");
    assert_eq!(
        report.databases[1].problem.as_ref().unwrap().reason,
        ProblemReason::SchemaMissing
    );
}

#[test]
fn succeeds() {
    let image = Image::new();
    let output = image
        .exec(
            &[],
            "echo out; echo err >&2; echo Error: P3018 in a comment",
        )
        .output()
        .unwrap();
    assert_eq!(shown(&output), "out\nerr\nError: P3018 in a comment\n");
    assert_eq!(output.status.code(), Some(0));
    let summary = image.summary();
    assert_eq!(
        (summary.outcome, summary.exit_code, summary.code),
        (Outcome::Succeeded, Some(0), None)
    );
    let (start, end) = (summary.started_at.unwrap(), summary.finished_at.unwrap());
    let width = "2026-11-24T21:28:56.120Z".len();
    assert_eq!((start.len(), end.len()), (width, width), "{start} {end}");
    assert!(start <= end, "{start} {end}");
}

#[test]
fn the_child_gets_the_merged_url_and_no_more() {
    let image = Image::new();
    let output = image
        .exec(&[], "test \"$HOME\" = /tmp && test -z \"$DBM_TERMINATION_LOG\" && test $CHECKPOINT_DISABLE = 1 && test $PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK = 0 && printf %s \"$DATABASE_URL\" >got")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    assert_eq!(
        fs::read_to_string(image.path("got")).unwrap(),
        format!("{URL}&application_name=dbm/shop&options=-c%20lock_timeout%3D5000")
    );
}

#[test]
fn fails_with_what_the_output_says_and_without_secrets() {
    let image = Image::new();
    let script = r#"
        echo "connecting to $DATABASE_URL"
        echo "Error: P3018"
        echo "Migration name: 0_init"
        echo "Database error code: 23505"
        echo 'ERROR: duplicate key for tr@in-spotting and tr%40in-spotting'
        echo 'DETAIL: Key (email)=(a@b.c) already exists.'
        exit 3"#;
    let output = image.exec(&[], script).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let text = shown(&output);
    assert!(
        !text.contains("in-spotting") && !text.contains("a@b.c"),
        "{text}"
    );
    let summary = image.summary();
    assert_eq!(
        (summary.outcome, summary.exit_code),
        (Outcome::Failed, Some(3))
    );
    assert_eq!(summary.code.as_deref(), Some("P3018"));
    assert_eq!(summary.sql_state.as_deref(), Some("23505"));
    assert_eq!(summary.migration.as_deref(), Some("0_init"));
    assert_eq!(
        summary.message.as_deref(),
        Some("ERROR: duplicate key for [redacted] and [redacted]")
    );
}

/// A password that is a common word, or a name of the image's own, hides nothing of what failed.
#[test]
fn a_password_that_is_a_common_word_leaves_the_cause_to_be_read() {
    let image = Image::new();
    image.file(
        "prisma/migrations/1_customers/migration.sql",
        "ALTER TABLE \"customer_accounts\" ADD COLUMN \"email\" TEXT;",
    );
    let error =
        "ERROR: column \"email\" of relation \"customer_accounts\" of app_users already exists";
    for word in [
        "app", "email", "prisma", "postgres", "x", "customer", "accounts", "column",
    ] {
        let url = format!("postgresql://app:{word}@db.example:5432/shop");
        image.file(
            "said",
            &format!(
                "connecting to {url}, password={word}, {{ password: '{word}' }}\nError: P3018\n\nMigration name: 1_customers\n\nDatabase error code: 42701\n\nDatabase error:\n{error}\n"
            ),
        );
        let output = image
            .exec(&[], "cat said; exit 1")
            .env("DATABASE_URL", &url)
            .output()
            .unwrap();
        let text = shown(&output);
        let first = text.lines().find(|line| line.contains("connecting"));
        assert_eq!(
            first,
            Some("connecting to [redacted], password=[redacted], { password: '[redacted]' }"),
            "{word}"
        );
        assert_eq!(image.summary().message.as_deref(), Some(error), "{word}");
    }
}

/// Whatever it is called, what comes from a Secret is not printed.
#[test]
fn what_comes_from_a_secret_is_not_printed() {
    let image = Image::new();
    let more = serde_json::json!({"secretVariables": ["STRIPE", "SHORT", "UNSET", "BACKUP_USER"]});
    let script = "echo \"$STRIPE, $SHORT, $MODE, $BACKUP_USER\"; exit 1";
    let output = image
        .exec_with(more, &[], &["sh", "-c", script])
        .envs([
            ("STRIPE", "in-spotting"),
            ("SHORT", "on"),
            ("MODE", "in-time"),
            ("BACKUP_USER", "keeper"),
        ])
        .output()
        .unwrap();
    assert_eq!(shown(&output), "[redacted], on, in-time, keeper\n");
}

#[test]
fn a_signal_ends_the_command() {
    let image = Image::new();
    let output = image.exec(&[], "kill -KILL $$").output().unwrap();
    assert_eq!(output.status.code(), Some(137));
    let summary = image.summary();
    assert_eq!(
        (summary.outcome, summary.exit_code, summary.signal),
        (Outcome::Failed, None, Some(9))
    );
}

#[test]
fn sigterm_is_held_until_the_command_ends_by_itself() {
    let image = Image::new();
    let script = "touch started; until [ -e go ]; do sleep 0.02; done; echo done; exit 5";
    let mut agent = image
        .exec(&[], script)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    until(|| image.path("started").exists());
    let id = Pid::from_raw(i32::try_from(agent.id()).unwrap());
    kill(id, Signal::SIGTERM).unwrap();
    kill(id, Signal::SIGINT).unwrap();
    sleep(Duration::from_millis(200));
    assert!(
        agent.try_wait().unwrap().is_none(),
        "it ended before its command"
    );
    image.file("go", "");
    let mut text = String::new();
    agent
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(5));
    assert!(
        text.contains("dbm-agent: SIGTERM is held") && text.contains("dbm-agent: SIGINT is held"),
        "{text}"
    );
    assert!(text.ends_with("done\n"), "{text}");
}

/// A big image is read for a while before the command begins; what it reads here comes through a pipe.
#[test]
fn what_was_asked_to_stop_before_it_began_does_not_begin() {
    let image = Image::new();
    let migration = image.path("prisma/migrations/0_init/migration.sql");
    fs::remove_file(&migration).unwrap();
    nix::unistd::mkfifo(&migration, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut agent = image
        .exec(&[], "touch ran")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It stands open for writing once the agent reads it.
    let mut pipe = fs::OpenOptions::new().write(true).open(&migration).unwrap();
    let id = Pid::from_raw(i32::try_from(agent.id()).unwrap());
    kill(id, Signal::SIGTERM).unwrap();
    sleep(Duration::from_millis(200));
    std::io::Write::write_all(&mut pipe, b"CREATE TABLE a ();").unwrap();
    drop(pipe);
    assert_eq!(agent.wait().unwrap().code(), Some(64));
    assert_eq!(image.summary().outcome, Outcome::Refused(Refusal::TooLate));
    assert!(!image.path("ran").exists());
}

#[test]
fn the_childs_signals_are_as_if_there_were_no_agent() {
    let image = Image::new();
    // Not by a shell, which may set right what it was given wrong.
    let own = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    let output = image.exec_of(&[], &own).output().unwrap();
    // What the agent holds is the child's by default, also where these tests run under nohup.
    let plain = Command::new("env")
        .arg("--default-signal=TERM,INT,HUP")
        .args(own)
        .output()
        .unwrap();
    assert_eq!(shown(&output), shown(&plain));
    assert!(shown(&plain).contains("SigBlk:\t0000000000000000"));
}

#[test]
fn a_process_left_behind_does_not_hold_the_agent() {
    let image = Image::new();
    let start = Instant::now();
    let mut agent = image
        .exec(&[], "sleep 15 & echo done")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn ten_megabytes_without_a_line_end() {
    let image = Image::new();
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; grep VmHWM /proc/$PPID/status >memory; echo; echo Error: P1001: late; exit 1";
    let output = image.exec(&[], script).output().unwrap();
    let text = shown(&output);
    assert_eq!(text.lines().count(), 2);
    assert!(text.len() < 20_000, "{}", text.len());
    assert!(text.lines().next().unwrap().ends_with("(line cut)"));
    assert_eq!(image.summary().code.as_deref(), Some("P1001"));
    let memory = fs::read_to_string(image.path("memory")).unwrap();
    let kilobytes: u64 = memory.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 20_000, "{memory}");
}

#[test]
fn ten_megabytes_of_lines() {
    let image = Image::new();
    let script = "yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 10000000; echo Error: P3005; exit 1";
    let output = image.exec(&[], script).output().unwrap();
    let text = shown(&output);
    assert!(text.len() < 8 * 1024 * 1024 + 200, "{}", text.len());
    assert!(text.ends_with("the rest is not shown\n"));
    assert_eq!(
        image.summary().code.as_deref(),
        Some("P3005"),
        "recognised all the same"
    );
}

#[test]
fn bytes_that_are_no_text() {
    let image = Image::new();
    let output = image
        .exec(&[], r"printf 'a\377\033[31mb\033[0m\000\rc\nno line end'")
        .output()
        .unwrap();
    assert_eq!(shown(&output), "a\u{fffd}bc\nno line end\n");
}

#[test]
fn runs_nothing_when_the_image_changed() {
    let image = Image::new();
    let hash = image.inventory().databases[0].hash.clone();
    let output = image.exec(&["--expect", &hash], "exit 0").output().unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    image.file("prisma/migrations/0_init/migration.sql", "SELECT 2;\n");
    let found = image.inventory().databases[0].hash.clone();
    assert_ne!(found, hash);
    let refusal = image.refusal(&mut image.exec(&["--expect", &hash], "touch ran"));
    assert_eq!(refusal, Refusal::InventoryChanged { found });
}

#[test]
fn runs_nothing_too_late() {
    let image = Image::new();
    assert_eq!(
        image.refusal(&mut image.exec(&["--not-after", "2026-01-01T00:00:00Z"], "touch ran")),
        Refusal::TooLate
    );
    let output = image
        .exec(&["--not-after", "2999-01-01T00:00:00Z"], "exit 0")
        .output()
        .unwrap();
    assert!(output.status.success());
}

#[test]
fn runs_nothing_in_a_wrong_environment() {
    let image = Image::new();
    let mut no_lock = image.exec(&[], "touch ran");
    assert_eq!(
        image.refusal(no_lock.env("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK", "1")),
        Refusal::AdvisoryLockDisabled
    );
    let mut no_url = image.exec(&[], "touch ran");
    assert!(matches!(
        image.refusal(no_url.env_remove("DATABASE_URL")),
        Refusal::ConnectionInvalid(_)
    ));
    let mut bad_url = image.exec(&[], "touch ran");
    assert!(matches!(
        image.refusal(bad_url.env("DATABASE_URL", "mysql://a:in-spotting@b/c")),
        Refusal::ConnectionInvalid(_)
    ));
    let mut no_project = image.exec(&[], "touch ran");
    fs::remove_dir_all(image.path("prisma")).unwrap();
    let Refusal::Problem(problem) = image.refusal(&mut no_project) else {
        panic!()
    };
    assert_eq!(problem.reason, ProblemReason::SchemaMissing);
}

#[test]
fn runs_nothing_that_cannot_be_started() {
    let image = Image::new();
    image.file("not-executable", "#!/bin/sh\ntouch ran\n");
    image.program("no-interpreter", "#!/no/such/interpreter\n");
    image.program("no-format", "touch ran\n");
    for program in [
        "no-such-program",
        "./no-such-program",
        "./not-executable",
        "./no-interpreter",
        "./no-format",
    ] {
        let Refusal::Problem(problem) = image.refusal(&mut image.exec_of(&[], &[program])) else {
            panic!()
        };
        assert_eq!(problem.reason, ProblemReason::CommandMissing, "{program}");
    }
    // A program of a mainframe, and a script for it: what Linux reads of them.
    let header = "\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16";
    image.program("foreign", header);
    let script = format!("#!{}\n", image.path("foreign").display());
    image.program("foreign-script", &script);
    for program in ["./foreign", "./foreign-script"] {
        let Refusal::Problem(problem) = image.refusal(&mut image.exec_of(&[], &[program])) else {
            panic!()
        };
        assert_eq!(problem.reason, ProblemReason::WrongArchitecture);
        for part in ["/foreign is built for s390x", "job.nodeSelector"] {
            assert!(problem.message.contains(part), "{}", problem.message);
        }
    }
    let mut wrong_call = Command::new(AGENT);
    wrong_call
        .args(["exec", "{}"])
        .env("DBM_TERMINATION_LOG", image.path("termination-log"));
    let Refusal::Problem(problem) = image.refusal(&mut wrong_call) else {
        panic!()
    };
    assert_eq!(problem.reason, ProblemReason::Internal);
}

#[test]
fn prismas_own_command_is_node_on_the_package() {
    let image = Image::new();
    image.program("bin/node", "#!/bin/sh\nprintf '%s\\n' \"$@\" >arguments\n");
    let mut agent = image.exec_of(&[], &[]);
    let output = agent
        .env("PATH", format!("{}:/bin", image.path("bin").display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let script = image
        .0
        .path()
        .canonicalize()
        .unwrap()
        .join("node_modules/prisma/build/index.js");
    assert_eq!(
        fs::read_to_string(image.path("arguments")).unwrap(),
        format!(
            "{}\nmigrate\ndeploy\n--schema\nprisma/schema.prisma\n",
            script.display()
        )
    );
    let mut without = image.exec_of(&[], &[]);
    let Refusal::Problem(problem) = image.refusal(without.env("PATH", Path::new("/nowhere")))
    else {
        panic!()
    };
    assert!(
        problem.message.contains("no program node on PATH"),
        "{}",
        problem.message
    );
}

/// A proxy that was added to the pod opens the network after the command's container has started.
#[test]
fn a_server_that_takes_no_connections_yet_is_waited_for_where_that_is_asked_for() {
    let image = Image::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("postgresql://app:tr%40in-spotting@127.0.0.1:{port}/shop\n");
    let proxy = std::thread::spawn(move || {
        sleep(Duration::from_millis(1500));
        let proxy = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
        proxy.accept().unwrap();
    });
    let start = Instant::now();
    let output = image
        .exec(&[], "printf %s \"$DATABASE_URL\"")
        .env("DATABASE_URL", &url)
        .output()
        .unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "not asked for");
    assert!(output.status.success());
    let output = image
        .exec_with(
            serde_json::json!({"reachSeconds": 30}),
            &[],
            &["sh", "-c", "printf %s \"$DATABASE_URL\" >got"],
        )
        .env("DATABASE_URL", &url)
        .output()
        .unwrap();
    proxy.join().unwrap();
    let text = shown(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("a proxy in this pod may still be starting"),
        "{text}"
    );
    assert!(!text.contains("in-spotting"), "{text}");
    let got = fs::read_to_string(image.path("got")).unwrap();
    assert!(
        got.starts_with(url.trim_end()) && got.contains("lock_timeout") && !got.contains('\n'),
        "{got:?}"
    );
}

/// Prisma up to 6 migrates by the schema's directUrl; `steps.rs` has it beside a configuration.
#[test]
fn every_variable_that_prisma_may_migrate_by_gets_the_settings() {
    let image = Image::new();
    fs::write(
        image.path("prisma/schema.prisma"),
        "datasource db {\n  provider = \"postgresql\"\n  url = env(\"DATABASE_URL\")\n  directUrl = env(\"DIRECT_URL\")\n}\n",
    )
    .unwrap();
    let script = "printf '%s %s' \"$DATABASE_URL\" \"$DIRECT_URL\" >got";
    let output = image
        .exec(&[], script)
        .env("DIRECT_URL", format!("{URL}\n"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", shown(&output));
    let merged = format!("{URL}&application_name=dbm/shop&options=-c%20lock_timeout%3D5000");
    assert_eq!(image.read("got"), format!("{merged} {merged}"));

    // What is watched is not what Prisma would migrate.
    let elsewhere = URL.replace("/shop?", "/other?");
    let mut agent = image.exec(&[], "touch ran");
    let refusal = image.refusal(agent.env("DIRECT_URL", elsewhere));
    let Refusal::ConnectionInvalid(message) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(
        message.contains("DIRECT_URL, by which Prisma migrates")
            && message.contains("another database than DATABASE_URL"),
        "{message}"
    );

    // It cannot be known into what else they would have to go.
    let refusal = image.refusal(&mut image.exec(&[], "touch ran"));
    let Refusal::Problem(problem) = refusal else {
        panic!("{refusal:?}")
    };
    assert_eq!(problem.reason, ProblemReason::DatasourceVariableUnset);
    assert!(problem.message.contains("DIRECT_URL"), "{problem:?}");
}

/// What Prisma says that it works on is told where it is not what the variable leads to.
#[test]
fn what_prisma_works_on_is_told_where_it_is_another_database() {
    let image = Image::new();
    for (database, end, expected) in [
        ("shop", "true", None),
        ("other", "true", Some("the database \"other\"")),
        ("other", "exit 1", Some("the database \"other\"")),
    ] {
        let script = format!(
            "echo 'Datasource \"db\": PostgreSQL database \"{database}\", schema \"public\" at \"db.example:5432\"'; {end}"
        );
        image.exec(&[], &script).output().unwrap();
        assert_eq!(image.summary().elsewhere.as_deref(), expected, "{script}");
    }
}

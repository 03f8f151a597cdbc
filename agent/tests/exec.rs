//! The program itself, with commands that do what a real one may do.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use dbm_agent::inventory::frame;
use dbm_agent::protocol::{
    InventoryReport, Outcome, ProblemReason, Refusal, Summary, TERMINATION_MESSAGE_LIMIT,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

const AGENT: &str = env!("CARGO_BIN_EXE_dbm-agent");
const URL: &str = "postgresql://app:tr%40in-spotting@db.example:5432/shop?schema=public";

/// An image's folder.
struct Image(TempDir);

impl Image {
    fn new() -> Image {
        let image = Image(tempfile::tempdir().unwrap());
        image.file(
            "node_modules/prisma/package.json",
            r#"{"name":"prisma","version":"6.19.3"}"#,
        );
        image.file("node_modules/prisma/build/index.js", "");
        image.file(
            "prisma/schema.prisma",
            "datasource db {\n provider = \"postgresql\"\n url = env(\"DATABASE_URL\")\n}\n",
        );
        image.file("prisma/migrations/0_init/migration.sql", "SELECT 1;\n");
        image
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn program(&self, name: &str, script: &str) {
        self.file(name, script);
        fs::set_permissions(
            self.path(name),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }

    /// `dbm-agent exec` with these options, and the command `sh -c SCRIPT`.
    fn exec(&self, options: &[&str], script: &str) -> Command {
        self.exec_of(options, &["sh", "-c", script])
    }

    fn exec_of(&self, options: &[&str], own: &[&str]) -> Command {
        self.exec_with(json!({}), options, own)
    }

    /// The same with more in the request.
    fn exec_with(&self, more: Value, options: &[&str], own: &[&str]) -> Command {
        let mut request = json!({
            "project": {"database": "identity", "schema": "prisma/schema.prisma"},
            "envVar": "DATABASE_URL",
            "applicationName": "dbm/shop",
            "lockTimeoutMs": 5000,
        });
        for (key, value) in more.as_object().unwrap() {
            request[key] = value.clone();
        }
        let mut command = Command::new(AGENT);
        command.arg("exec").args(options).arg(request.to_string());
        if !own.is_empty() {
            command.arg("--").args(own);
        }
        command
            .current_dir(self.0.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DATABASE_URL", URL)
            .env("DBM_TERMINATION_LOG", self.path("termination-log"));
        command
    }

    /// As for a smoke test: a script of a shell, no project, for so many seconds.
    fn test(&self, seconds: u64, script: &str) -> Command {
        let more = json!({"project": {"database": "", "schema": ""}, "envVar": "", "timeoutSeconds": seconds});
        self.exec_with(more, &[], &["sh", "-c", script])
    }

    /// Prisma's calls with this script of a shell in Node's place, which finds the call's words in `$*`.
    fn prisma(&self, more: Value, node: &str) -> Command {
        self.program("bin/node", &format!("#!/bin/sh\nshift\n{node}\n"));
        let mut agent = self.exec_with(more, &[], &[]);
        agent.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.path("bin").display()),
        );
        agent
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn summary(&self) -> Summary {
        let text = fs::read_to_string(self.path("termination-log")).unwrap();
        assert!(text.len() <= TERMINATION_MESSAGE_LIMIT);
        assert!(!text.contains("in-spotting"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn refusal(&self, command: &mut Command) -> Refusal {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", shown(&output));
        assert!(!self.path("ran").exists(), "something was executed");
        assert!(!shown(&output).contains("in-spotting"));
        match self.summary().outcome {
            Outcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn inventory(&self) -> InventoryReport {
        let output = Command::new(AGENT)
            .args(["inventory", r#"{"databases":[{"database":"identity","schema":"prisma/schema.prisma"},{"database":"x","schema":"y"}]}"#])
            .current_dir(self.0.path())
            .output()
            .unwrap();
        assert!(output.status.success());
        let text = shown(&output);
        assert_eq!(text.lines().count(), 1);
        frame::decode(&text).unwrap().unwrap()
    }
}

fn shown(output: &Output) -> String {
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long");
        sleep(Duration::from_millis(5));
    }
}

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
    assert!(summary.started_at.unwrap() <= summary.finished_at.unwrap());
}

#[test]
fn the_child_gets_the_merged_url_and_no_more() {
    let image = Image::new();
    let output = image
        .exec(&[], "test \"$HOME\" = /tmp && test -z \"$DBM_TERMINATION_LOG\" && test $CHECKPOINT_DISABLE = 1 && printf %s \"$DATABASE_URL\" >got")
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
        Some("ERROR: duplicate key for (redacted) and (redacted)")
    );
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

#[test]
fn the_childs_signals_are_as_if_there_were_no_agent() {
    let image = Image::new();
    // Not by a shell, which may set right what it was given wrong.
    let own = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    let output = image.exec_of(&[], &own).output().unwrap();
    let plain = Command::new(own[0]).args(&own[1..]).output().unwrap();
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
            "echo 'prisma:warn Prisma failed to detect the libssl/openssl version'; echo fine; echo; \
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
        let warning = "prisma:warn Prisma failed to detect the libssl/openssl version";
        assert_eq!(found.len(), 3);
        assert_eq!(found[0], (1, None, warning));
        assert_eq!((found[1].0, found[1].1), (4, Some(0)));
        assert!(
            found[1].2.starts_with("is DEPRECATED, see (redacted)"),
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

/// The summary of a test that took too long, what was shown, and for how long it ran.
fn too_long(image: &Image, script: &str) -> (Summary, String, Duration) {
    let start = Instant::now();
    let output = image.test(1, script).output().unwrap();
    let took = start.elapsed();
    assert_eq!(output.status.code(), Some(124), "{}", shown(&output));
    let summary = image.summary();
    assert_eq!(
        (&summary.outcome, summary.timed_out),
        (&Outcome::Failed, true)
    );
    assert!(took >= Duration::from_secs(1), "{took:?}");
    (summary, shown(&output), took)
}

#[test]
fn what_takes_too_long_is_ended() {
    let image = Image::new();
    let (summary, _, took) = too_long(&image, "echo waiting for the portal; exec sleep 60");
    assert_eq!(
        summary.message.as_deref(),
        Some("it took longer than 1s and was ended; it said at last: waiting for the portal")
    );
    assert_eq!((summary.exit_code, summary.signal), (None, Some(15)));
    assert!(took < Duration::from_secs(4), "{took:?}");

    let (summary, ..) = too_long(&image, "exec sleep 60");
    assert_eq!(
        summary.message.as_deref(),
        Some("it took longer than 1s and was ended; it said nothing")
    );
}

#[test]
fn what_ends_well_when_it_is_asked_to_has_failed_all_the_same() {
    let image = Image::new();
    let script = "trap 'echo tidied up; exit 0' TERM; touch started; while :; do sleep 0.05; done";
    let (summary, text, _) = too_long(&image, script);
    assert_eq!(summary.exit_code, Some(0));
    assert!(text.ends_with("tidied up\n"), "{text}");
}

#[test]
fn what_does_not_end_when_it_is_asked_to_is_killed() {
    let scripts = [
        // ignores signals
        "trap '' TERM INT HUP; while :; do sleep 1; done",
        // closed its output
        "trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 1; done",
        // the shell ends at once, its child does not and holds the pipe
        "(trap '' TERM; sleep 60) & wait",
    ];
    thread::scope(|scope| {
        for script in scripts {
            scope.spawn(move || {
                let (summary, text, took) = too_long(&Image::new(), script);
                assert!(took >= Duration::from_secs(5), "{script}: {took:?}");
                assert!(took < Duration::from_secs(12), "{script}: {took:?}");
                assert!(text.contains("SIGKILL"), "{script}: {text}");
                assert!(
                    matches!(summary.signal, Some(9 | 15)),
                    "{script}: {summary:?}"
                );
            });
        }
    });
}

#[test]
fn nothing_of_its_group_is_left_behind() {
    let image = Image::new();
    let script =
        "(trap '' TERM; while :; do date >>alive; sleep 0.05; done) >/dev/null 2>&1 & sleep 60";
    let (_, _, took) = too_long(&image, script);
    assert!(took < Duration::from_secs(12), "{took:?}");
    sleep(Duration::from_millis(200));
    let size = || fs::metadata(image.path("alive")).unwrap().len();
    let before = size();
    sleep(Duration::from_millis(300));
    assert_eq!(size(), before, "it still writes");
}

#[test]
fn a_child_that_left_the_group_and_holds_the_output_does_not_hold_the_agent() {
    let image = Image::new();
    let script = "setsid sh -c 'sleep 15' & sleep 60";
    let start = Instant::now();
    // Its output is not read to the end: the child has that, too.
    let mut agent = image.test(1, script).stdout(Stdio::null()).spawn().unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(124));
    assert!(
        start.elapsed() < Duration::from_secs(12),
        "{:?}",
        start.elapsed()
    );
    assert!(image.summary().timed_out);
}

#[test]
fn the_time_is_that_of_all_calls_together() {
    let image = Image::new();
    let more = json!({"prismaCalls": [["a"], ["b"], ["c"]], "timeoutSeconds": 2});
    let mut agent = image.prisma(more, "echo $1 >>calls; sleep 1.2");
    assert_eq!(agent.output().unwrap().status.code(), Some(124));
    assert_eq!(image.read("calls"), "a\nb\n");
    assert!(image.summary().timed_out);
}

#[test]
fn what_is_in_time_is_not_touched() {
    let image = Image::new();
    for (script, code) in [
        ("echo out", 0),
        ("echo out; exit 3", 3),
        ("sleep 15 & echo out", 0),
    ] {
        let mut agent = image.test(20, script);
        let start = Instant::now();
        let mut child = agent.stdout(Stdio::null()).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{script}");
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(!image.summary().timed_out);
    }
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

//! A folder as an image has it, and the program itself in it.
// Not every test binary needs all of it.
#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use dbm_protocol::frame;
use dbm_protocol::{InventoryReport, Outcome, Refusal, Summary, TERMINATION_MESSAGE_LIMIT};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const AGENT: &str = env!("CARGO_BIN_EXE_dbm-agent");
pub const URL: &str = "postgresql://app:tr%40in-spotting@db.example:5432/shop?schema=public";

/// An image's folder.
pub struct Image(pub TempDir);

impl Image {
    pub fn new() -> Image {
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

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn program(&self, name: &str, script: &str) {
        self.file(name, script);
        fs::set_permissions(
            self.path(name),
            std::os::unix::fs::PermissionsExt::from_mode(0o755),
        )
        .unwrap();
    }

    /// `dbm-agent exec` with these options, and the command `sh -c SCRIPT`.
    pub fn exec(&self, options: &[&str], script: &str) -> Command {
        self.exec_of(options, &["sh", "-c", script])
    }

    pub fn exec_of(&self, options: &[&str], own: &[&str]) -> Command {
        self.exec_with(json!({}), options, own)
    }

    /// The same with more in the request.
    pub fn exec_with(&self, more: Value, options: &[&str], own: &[&str]) -> Command {
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
    pub fn test(&self, seconds: u64, script: &str) -> Command {
        let more = json!({"project": {"database": "", "schema": ""}, "envVar": "", "timeoutSeconds": seconds});
        self.exec_with(more, &[], &["sh", "-c", script])
    }

    /// Prisma's calls with this script of a shell in Node's place, which finds the call's words in `$*`.
    pub fn prisma(&self, more: Value, node: &str) -> Command {
        self.program("bin/node", &format!("#!/bin/sh\nshift\n{node}\n"));
        let mut agent = self.exec_with(more, &[], &[]);
        agent.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.path("bin").display()),
        );
        agent
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn summary(&self) -> Summary {
        let text = fs::read_to_string(self.path("termination-log")).unwrap();
        assert!(text.len() <= TERMINATION_MESSAGE_LIMIT);
        assert!(!text.contains("in-spotting"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub fn refusal(&self, command: &mut Command) -> Refusal {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{}", shown(&output));
        assert!(!self.path("ran").exists(), "something was executed");
        assert!(!shown(&output).contains("in-spotting"));
        match self.summary().outcome {
            Outcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    pub fn inventory(&self) -> InventoryReport {
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

pub fn shown(output: &Output) -> String {
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn until(what: impl Fn() -> bool) {
    let start = Instant::now();
    while !what() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited too long");
        sleep(Duration::from_millis(5));
    }
}

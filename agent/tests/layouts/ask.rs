//! Installs the real command lines of Prisma once, and asks them what they would hand to their engine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dbm_agent::exec::command;
use dbm_agent::inventory::{Project, Surroundings};
use dbm_protocol::{ExecRequest, ProjectPaths};
use serde::Deserialize;

/// What the stand-in for the engine wrote down.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub struct Said {
    pub schemas: Vec<PathBuf>,
    pub folder: PathBuf,
    pub migrations: Vec<Listed>,
    #[serde(default)]
    pub lock: Option<String>,
}

/// One migration; without a digest where it was not read.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Listed {
    pub name: String,
    pub sha256: Option<String>,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts")
}

/// The folder of this major version's `node_modules`, installed by npm from the lock file beside this test.
pub fn installed(major: u32) -> PathBuf {
    let from = here().join(major.to_string());
    let lock = fs::read(from.join("package-lock.json")).unwrap();
    let mut digest = dbm_protocol::digest_of_names(&[String::from_utf8(lock).unwrap()]);
    digest.truncate(12);
    let cache = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("layouts");
    fs::create_dir_all(&cache).unwrap();
    let folder = cache.join(format!("{major}-{digest}"));
    // One installs, whoever else runs this test waits.
    let turn = File::create(cache.join(format!("{major}.lock"))).unwrap();
    turn.lock().unwrap();
    let done = folder.join("installed");
    if !done.exists() {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for name in ["package.json", "package-lock.json"] {
            fs::copy(from.join(name), folder.join(name)).unwrap();
        }
        let words = [
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        let output = Command::new("npm")
            .args(words)
            .current_dir(&folder)
            .output();
        let output =
            output.expect("this test asks the real Prisma, which npm installs: there is no npm");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "npm ci for Prisma {major}: {said}");
        fs::write(done, "").unwrap();
    }
    folder.join("node_modules")
}

/// Calls it as a Job would, with `migrate status` in place of `migrate deploy`. `None`: it ended before it came to its
/// engine; then what it printed says why.
pub fn ask(
    paths: &ProjectPaths,
    project: &Project,
    surroundings: &Surroundings,
    scratch: &Path,
) -> (Option<Said>, String) {
    let request = ExecRequest {
        project: paths.clone(),
        prisma_calls: vec![vec!["migrate".to_owned(), "status".to_owned()]],
        ..ExecRequest::default()
    };
    let commands = command::resolve(&[], &request, Some(project), None, surroundings).unwrap();
    let said = scratch.join("said.json");
    let nothing = scratch.join("nothing");
    fs::write(&nothing, "").unwrap();
    let output = Command::new(&commands[0].program)
        .args(&commands[0].arguments)
        .current_dir(&commands[0].directory)
        .env("DATABASE_URL", "postgresql://u:p@127.0.0.1:1/d")
        .env("DIRECT_URL", "postgresql://u:p@127.0.0.1:1/d")
        .env("STAGE", "test")
        .env("PRISMA_SCHEMA_ENGINE_BINARY", here().join("engine"))
        .env("PRISMA_QUERY_ENGINE_LIBRARY", nothing)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PRISMA_HIDE_UPDATE_MESSAGE", "1")
        .env("NO_COLOR", "1")
        .env("LAYOUT_SAID", &said)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let said = fs::read(said)
        .ok()
        .map(|json| serde_json::from_slice(&json).unwrap());
    (said, printed.join(""))
}

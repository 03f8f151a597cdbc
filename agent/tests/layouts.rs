//! What the agent reads of an image is what the real Prisma of that version reads: a table of layouts, each asked of the
//! command lines that npm installs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "layouts/ask.rs"]
mod ask;
#[path = "layouts/table.rs"]
mod table;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use dbm_agent::inventory::{self, Surroundings};
use dbm_protocol::{ProblemReason, ProjectPaths};

use ask::{ask, installed};
use table::{Content, Layout, layouts};

/// So many at once.
const PARALLEL: usize = 3;

const DATASOURCE: &str = "datasource db {\n  provider = \"postgresql\"\n  URL\n}\n";
const GENERATOR: &str = "generator client {\n  provider = \"prisma-client-js\"\n  previewFeatures = [\"prismaSchemaFolder\"]\n}\n";

fn schema(major: u32) -> String {
    let url = if major < 7 {
        "url = env(\"DATABASE_URL\")"
    } else {
        ""
    };
    DATASOURCE.replace("URL", url)
}

fn config(path: &str, body: &str, major: u32, root: &Path) -> String {
    let datasource = if major < 7 {
        ""
    } else {
        "datasource: { url: process.env.DATABASE_URL }, "
    };
    let export = if path.ends_with(".mjs") || path.ends_with("ts") {
        "export default"
    } else {
        "module.exports ="
    };
    let body = body.replace("{root}", root.to_str().unwrap());
    format!("{export} {{ {datasource}{body} }}\n")
}

/// Puts it into a folder.
fn lay(layout: &Layout, major: u32, packages: &Path, root: &Path) {
    let at = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    for (path, content) in &layout.files {
        let bytes = match content {
            Content::Is(bytes) => bytes.to_vec(),
            Content::Schema => schema(major).into_bytes(),
            // Prisma 7 knows the feature no more and warns.
            Content::Preview if major < 7 => format!("{GENERATOR}{}", schema(major)).into_bytes(),
            Content::Preview => schema(major).into_bytes(),
            Content::Config(body) => config(path, body, major, root).into_bytes(),
            Content::Link(target) => {
                symlink(target, at(path)).unwrap();
                continue;
            }
        };
        fs::write(at(path), bytes).unwrap();
    }
    let has_config = layout.files.iter().any(|(path, _)| path.contains("config"));
    if major >= 7 && !has_config {
        fs::write(
            at("prisma.config.cjs"),
            config("prisma.config.cjs", "", major, root),
        )
        .unwrap();
    }
    for package in layout.packages {
        match package.split_once(" -> ") {
            Some((path, target)) => symlink(target, at(path)).unwrap(),
            None => symlink(packages.join("prisma"), at(package)).unwrap(),
        }
    }
}

/// What is wrong with it, if anything is.
fn check(
    layout: &Layout,
    major: u32,
    reason: Option<ProblemReason>,
    packages: &Path,
) -> Option<String> {
    let image = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = image.path().canonicalize().unwrap();
    lay(layout, major, packages, &root);
    let paths = ProjectPaths {
        database: "shop".to_owned(),
        schema: layout.schema.to_owned(),
        migrations: layout.migrations.to_owned(),
        config: layout.config.to_owned(),
        ..ProjectPaths::default()
    };
    let surroundings = Surroundings {
        directory: root.clone(),
        path: std::env::var_os("PATH"),
        ..Surroundings::default()
    };
    let project = inventory::read(&paths, &surroundings, None);
    let (said, printed) = ask(&paths, &project, &surroundings, scratch.path());
    let found = project
        .inventory
        .problem
        .as_ref()
        .map(|problem| problem.reason);
    if found != reason {
        return Some(format!(
            "{found:?}, not {reason:?}: {:?}; Prisma: {printed}",
            project.inventory.problem
        ));
    }
    let Some(said) = said else {
        let fails = matches!(
            reason,
            Some(
                ProblemReason::ConfigInvalid
                    | ProblemReason::ConfigMissing
                    | ProblemReason::SchemaMissing
            )
        );
        return (!fails).then(|| format!("Prisma came not so far: {printed}"));
    };
    match reason {
        None => {}
        // It reads something, and not what was named.
        Some(ProblemReason::MigrationsElsewhere) => {
            let named = root.join(layout.migrations);
            return (said.folder == named).then(|| "Prisma reads it".to_owned());
        }
        Some(ProblemReason::MigrationsMissing) => {
            let nothing = said.migrations.is_empty() && !said.folder.exists();
            return (!nothing).then(|| format!("Prisma reads {said:?}"));
        }
        Some(ProblemReason::ProviderUnsupported) => {
            let handed = major < 6 || said.lock.is_some_and(|lock| lock.contains("sqlite"));
            return (!handed).then(|| "Prisma hands no such lock file to its engine".to_owned());
        }
        // It is not certain what Prisma reads, which is why it is refused.
        Some(ProblemReason::ConfigInvalid) => return None,
        Some(other) => return Some(format!("{other:?}, and Prisma reads {said:?}")),
    }
    if project.inventory.doubt.is_some() {
        return Some(format!("doubt: {:?}", project.inventory.doubt));
    }
    let mut schemas = said.schemas.clone();
    schemas.sort();
    if schemas != project.schema_files {
        return Some(format!(
            "the schema is {schemas:?}, not {:?}",
            project.schema_files
        ));
    }
    if said.folder != project.migrations {
        return Some(format!(
            "the folder is {:?}, not {:?}",
            said.folder, project.migrations
        ));
    }
    let migrations = &project.inventory.migrations;
    let ours: Vec<&str> = migrations
        .iter()
        .map(|migration| migration.name.as_str())
        .collect();
    let theirs: Vec<&str> = said
        .migrations
        .iter()
        .map(|migration| migration.name.as_str())
        .collect();
    if ours != theirs {
        return Some(format!("the migrations are {theirs:?}, not {ours:?}"));
    }
    migrations
        .iter()
        .zip(&said.migrations)
        .find_map(|(ours, theirs)| {
            let sha256 = theirs.sha256.as_ref()?;
            (ours.sha256 != *sha256).then(|| {
                format!(
                    "the digest of {} is {sha256:?}, not {:?}",
                    ours.name, ours.sha256
                )
            })
        })
}

/// A project with this configuration, in a folder of its own that goes with the first of them.
fn with_configuration(
    major: u32,
    packages: &Path,
    text: &str,
) -> (tempfile::TempDir, ProjectPaths, Surroundings) {
    with_configuration_in("prisma.config.ts", major, packages, text)
}

fn with_configuration_in(
    file: &'static str,
    major: u32,
    packages: &Path,
    text: &str,
) -> (tempfile::TempDir, ProjectPaths, Surroundings) {
    let image = tempfile::tempdir().unwrap();
    let root = image.path().canonicalize().unwrap();
    let layout = Layout {
        name: "",
        files: vec![
            ("prisma/schema.prisma", Content::Schema),
            (
                "prisma/migrations/1_a/migration.sql",
                Content::Is(b"SELECT 1;"),
            ),
            ("db/migrations/1_a/migration.sql", Content::Is(b"SELECT 1;")),
            (file, Content::Is(b"")),
            (
                "paths.cjs",
                Content::Is(
                    b"exports.path = process.env.STAGE ? 'db/migrations' : 'prisma/migrations'",
                ),
            ),
            (
                "settings",
                Content::Is(b"A_URL=postgresql://u:in-spotting@h/d X=1"),
            ),
        ],
        schema: "prisma/schema.prisma",
        config: "",
        migrations: "",
        versions: Vec::new(),
        packages: &["node_modules/prisma"],
    };
    lay(&layout, major, packages, &root);
    fs::write(root.join(file), text).unwrap();
    for package in ["dotenv", "@prisma"] {
        let here = root.join("node_modules").join(package);
        symlink(packages.join(package), here).unwrap();
    }
    let paths = ProjectPaths {
        schema: layout.schema.to_owned(),
        ..ProjectPaths::default()
    };
    let surroundings = Surroundings {
        directory: root,
        path: std::env::var_os("PATH"),
        ..Surroundings::default()
    };
    (image, paths, surroundings)
}

/// What a configuration says of its connection: names of variables, and never a value.
#[test]
fn configurations_say_by_which_variables_they_connect() {
    let packages = [6, 7].map(|major| (major, installed(major)));
    let env = "import { env } from 'prisma/config'\nexport default ";
    for (major, text, url, unset, read) in [
        (7, format!("{env}{{ datasource: {{ url: env('A_URL'), shadowDatabaseUrl: env('B_URL') }} }}"), Some("A_URL"), &["A_URL", "B_URL"][..], &[][..]),
        (7, "export default { datasource: { url: process.env.A_URL } }".to_owned(), Some("A_URL"), &["A_URL"], &[]),
        (7, "export default { datasource: { url: `postgresql://u:in-spotting@${process.env.A_HOST}/d` } }".to_owned(), None, &[], &["A_HOST"]),
        // Which of them will be set is not known, and one is enough.
        (7, "export default { datasource: { url: process.env.A_URL ?? process.env.B_URL } }".to_owned(), None, &[], &["A_URL", "B_URL"]),
        (7, "export default { datasource: { url: process.env.A_URL, shadowDatabaseUrl: process.env.B_URL } }".to_owned(), Some("A_URL"), &["A_URL"], &["B_URL"]),
        (7, "import fs from 'node:fs'\nfor (const line of fs.readFileSync('settings', 'utf8').split(' ')) { const [name, value] = line.split('='); process.env[name] = value }\nexport default { datasource: { url: process.env.A_URL } }".to_owned(), Some("A_URL"), &[], &[]),
        (6, "export default { engine: 'classic', datasource: { url: process.env.A_URL, directUrl: process.env.B_URL } }".to_owned(), Some("A_URL"), &["A_URL", "B_URL"], &[]),
        (6, format!("{env}{{ engine: 'classic', datasource: {{ url: env('A_URL'), directUrl: env('B_URL') }}, migrations: {{ seed: process.env.SEED ?? 'x' }} }}"), Some("A_URL"), &["A_URL", "B_URL"], &["SEED"]),
    ] {
        let packages = &packages.iter().find(|(known, _)| *known == major).unwrap().1;
        let (_image, paths, surroundings) = with_configuration(major, packages, &text);
        let project = inventory::read(&paths, &surroundings, None);
        let inventory = &project.inventory;
        assert_eq!(inventory.problem, None, "{text}");
        assert_eq!(inventory.url_variable.as_deref(), url, "{text}");
        assert_eq!(project.has_config, url.is_none(), "{text}");
        assert_eq!(inventory.unset_variables, unset, "{text}");
        let configured = inventory.configured.as_ref().unwrap();
        assert_eq!(configured.read, read, "{text}");
        assert!(!serde_json::to_string(inventory).unwrap().contains("in-spotting"));

        // What is known of it need not be asked for again: without node it could not be.
        let without_node = Surroundings { path: None, ..surroundings };
        let again = inventory::read(&paths, &without_node, Some(configured));
        assert_eq!(again.inventory, project.inventory);
    }
}

/// By which of several variables it connects is known where they are set, before anything runs.
#[test]
fn a_variable_that_only_the_job_sets_does_not_lead_elsewhere() {
    let text = "export default { datasource: { url: process.env.DIRECT_URL ?? process.env.DATABASE_URL } }";
    leads_nowhere_else(7, text);
}

fn leads_nowhere_else(major: u32, text: &str) {
    let (image, paths, surroundings) = with_configuration(major, &installed(major), text);
    let project = inventory::read(&paths, &surroundings, None);
    let configured = project.inventory.configured.unwrap();
    let run = |direct: &str| {
        let request = serde_json::json!({
            "project": paths, "envVar": "DATABASE_URL", "applicationName": "dbm/shop", "configured": configured,
        });
        let mut agent = Command::new(env!("CARGO_BIN_EXE_dbm-agent"));
        agent
            .args(["exec", &request.to_string(), "--", "touch", "ran"])
            .current_dir(image.path())
            .env("DATABASE_URL", "postgresql://u:in-spotting@h/shop")
            .env("DIRECT_URL", direct)
            .env("DBM_TERMINATION_LOG", image.path().join("summary"));
        let output = agent.output().unwrap();
        let summary = fs::read_to_string(image.path().join("summary")).unwrap();
        assert!(!summary.contains("in-spotting"), "{summary}");
        (output.status.code(), summary)
    };
    let (code, summary) = run("postgresql://u:in-spotting@h/other");
    assert_eq!(code, Some(64), "{summary}");
    assert!(
        summary.contains("DIRECT_URL")
            && summary.contains("leads to another database than DATABASE_URL"),
        "{summary}"
    );
    assert!(!image.path().join("ran").exists());
    let (code, summary) = run("postgresql://u:in-spotting@h/shop?connect_timeout=5");
    assert_eq!(code, Some(0), "{summary}");
}

/// What Prisma itself refuses is refused before a Job, whatever kind of file it is: a CommonJS file, for which no loader is
/// needed, has to have a form that this version of Prisma takes.
#[test]
fn a_configuration_of_a_form_that_prisma_does_not_take_is_refused() {
    let packages = [6, 7].map(|major| (major, installed(major)));
    let scratch = tempfile::tempdir().unwrap();
    let url = "datasource: { url: process.env.DATABASE_URL }";
    // What it says; whether Prisma 6 and Prisma 7 take it; what of it they name.
    for (body, six, seven, part) in [
        (format!("engine: 'js', {url}"), false, false, ""),
        (
            "engine: 'js', datasource: { url: 'postgresql://u:in-spotting@h/d' }".to_owned(),
            false,
            false,
            "",
        ),
        (url.to_owned(), false, true, "datasource is unexpected"),
        (
            format!("engine: 'classic', {url}"),
            true,
            false,
            "engine is unexpected",
        ),
        ("engine: 'classic'".to_owned(), false, false, ""),
        (
            "engine: 'js', adapter: async () => 1".to_owned(),
            false,
            false,
            "",
        ),
        (
            "engine: 'js', experimental: { adapter: true }, adapter: async () => 1".to_owned(),
            true,
            false,
            "engine is unexpected",
        ),
        (
            format!("engine: 'classic', {url}, experimental: {{ adapter: true }}"),
            true,
            false,
            "engine is unexpected",
        ),
        (format!("{url}, engines: 1"), false, false, ""),
        (
            format!("{url}, migrations: 'db/migrations'"),
            false,
            false,
            "",
        ),
        (
            format!("{url}, migrations: {{ path: 5 }}"),
            false,
            false,
            "",
        ),
        (
            format!("{url}, migrations: {{ path: 'prisma/migrations', seeds: 'x' }}"),
            false,
            false,
            "",
        ),
        (
            "schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations', seed: 'x' }"
                .to_owned(),
            true,
            false,
            "by which alone this version",
        ),
        (
            "datasource: { url: process.env.DATABASE_URL, directUrl: process.env.DIRECT_URL }"
                .to_owned(),
            false,
            false,
            "",
        ),
    ] {
        for (major, packages) in &packages {
            let taken = if *major < 7 { six } else { seven };
            for (file, export) in [
                ("prisma.config.cjs", "module.exports ="),
                ("prisma.config.ts", "export default"),
            ] {
                let text = format!("{export} {{ {body} }}\n");
                let (_image, paths, surroundings) =
                    with_configuration_in(file, *major, packages, &text);
                let project = inventory::read(&paths, &surroundings, None);
                let what = format!("{major} {file}: {text}");
                let problem = project.inventory.problem.as_ref();
                assert_eq!(problem.is_none(), taken, "{what}: {problem:?}");
                let Some(problem) = problem else {
                    continue;
                };
                assert!(
                    [ProblemReason::ConfigInvalid, ProblemReason::ConfigMissing]
                        .contains(&problem.reason)
                        && problem.message.contains(part)
                        && !problem.message.contains("in-spotting")
                        && !problem.message.contains("readonly"),
                    "{what}: {problem:?}"
                );
                // Prisma says the same.
                if problem.reason == ProblemReason::ConfigInvalid && file.ends_with("cjs") {
                    let (said, printed) = ask(&paths, &project, &surroundings, scratch.path());
                    assert!(
                        said.is_none() && printed.contains("config file"),
                        "{what}: {printed}"
                    );
                }
            }
        }
    }
}

/// Where the Job may make another of it than the inventory, that is known, whatever kind of file it is: then Prisma is asked.
#[test]
fn configurations_that_may_say_something_else_in_the_job_are_known() {
    let packages = [6, 7].map(|major| (major, installed(major)));
    let by = |condition: &str| {
        format!(
            "datasource: {{ url: process.env.DATABASE_URL }}, migrations: {{ path: {condition} ? 'db/migrations' : 'prisma/migrations' }}"
        )
    };
    let url = "datasource: { url: process.env.DATABASE_URL }";
    let scratch = tempfile::tempdir().unwrap();
    // What it says, what it is plain of, and what it was seen to read beside its URL.
    let all = [
        "prisma.config.cjs",
        "prisma.config.ts",
        "prisma.config.js",
        "prisma.config.mjs",
    ];
    // Those of the kinds take their time.
    let files = |body: &str| &all[..if body.contains("MDIR") { 4 } else { 2 }];
    for (body, plain, read) in [
        (url.to_owned(), true, &[][..]),
        (
            format!("{url}, migrations: {{ path: 'prisma/migrations' }}"),
            true,
            &[],
        ),
        (
            format!("{url}, migrations: {{ path: process.env.MDIR ?? 'prisma/migrations' }}"),
            false,
            &["MDIR"],
        ),
        (by("process.env.STAGE"), false, &["STAGE"]),
        (
            by("process.env.DATABASE_URL.includes('127.0.0.1')"),
            false,
            &[],
        ),
        (
            by("(process.env.DATABASE_URL ?? '').includes('127.0.0.1')"),
            false,
            &[],
        ),
        (by("'STAGE' in process.env"), false, &["STAGE"]),
        (by("Object.hasOwn(process.env, 'STAGE')"), false, &["STAGE"]),
        (by("Object.keys(process.env).includes('STAGE')"), false, &[]),
        (
            by("JSON.stringify(process.env).includes('STAGE')"),
            false,
            &[],
        ),
        (by("({ ...process.env }).STAGE"), false, &[]),
        (by("process.argv.includes('status')"), false, &[]),
        (
            format!("{url}, migrations: require('./paths.cjs')"),
            false,
            &["STAGE"],
        ),
    ] {
        for (major, packages) in &packages {
            for file in files(&body) {
                let module = file.ends_with("mjs") || file.ends_with("ts");
                // Of a module that node has loaded it keeps what it said without a URL, which Prisma 6 refuses.
                let kept = *major < 7 && (file.ends_with(".js") || file.ends_with(".mjs"));
                if kept || module && body.contains("require(") {
                    continue;
                }
                let before = if module {
                    "import 'dotenv/config'\nexport default"
                } else {
                    "require('dotenv/config')\nmodule.exports ="
                };
                let before = if *major < 7 {
                    &before[before.find('\n').unwrap()..]
                } else {
                    before
                };
                // Prisma 6 wants to be told that a datasource counts.
                let engine = if *major < 7 {
                    "engine: 'classic', "
                } else {
                    ""
                };
                let text = format!("{before} {{ {engine}{body} }}\n");
                let (_image, paths, surroundings) =
                    with_configuration_in(file, *major, packages, &text);
                let project = inventory::read(&paths, &surroundings, None);
                let what = format!("{major} {file}: {text}");
                if let Some(problem) = &project.inventory.problem {
                    // Without its URL Prisma 6 refuses it, and with all that it asks for its path is nowhere: nothing runs.
                    let asks = *major < 7 && body.contains("MDIR");
                    assert!(
                        asks && problem.reason == ProblemReason::ConfigInvalid,
                        "{what}: {problem:?}"
                    );
                    continue;
                }
                let configured = project.inventory.configured.as_ref().unwrap();
                assert_eq!(configured.plain, plain, "{what}");
                let seen: Vec<&str> = configured.read.iter().map(String::as_str).collect();
                for name in read {
                    assert!(seen.contains(name), "{what}: {seen:?}");
                }
                // And there it is kept by node, so that it is not known by which variable it connects.
                let kept = file.ends_with(".js") || file.ends_with(".mjs");
                assert!(!plain || kept || seen.is_empty(), "{what}: {seen:?}");
            }
        }
    }
    // It is so: this is what Prisma itself reads with the Job's variables, and the inventory read the other folder.
    for (major, packages) in &packages {
        let engine = if *major < 7 {
            "engine: 'classic', "
        } else {
            ""
        };
        let text = format!("module.exports = {{ {engine}{} }}", by("process.env.STAGE"));
        let (_image, paths, surroundings) =
            with_configuration_in("prisma.config.cjs", *major, packages, &text);
        let project = inventory::read(&paths, &surroundings, None);
        let (said, printed) = ask(&paths, &project, &surroundings, scratch.path());
        let folder = said.expect(&printed).folder;
        assert!(folder.ends_with("db/migrations"), "{major}: {folder:?}");
        assert!(project.migrations.ends_with("prisma/migrations"));
    }
}

/// Prisma migrates by the second of them: which variable it is has to be known of a CommonJS file, too.
#[test]
fn a_direct_url_that_nobody_sets_yet_is_known() {
    let packages = installed(6);
    let text = "module.exports = { engine: 'classic', datasource: { url: process.env.A_URL, directUrl: process.env.B_URL } }";
    let (_image, paths, surroundings) =
        with_configuration_in("prisma.config.cjs", 6, &packages, text);
    let inventory = inventory::read(&paths, &surroundings, None).inventory;
    assert_eq!(inventory.problem, None);
    assert_eq!(inventory.url_variable.as_deref(), Some("A_URL"));
    assert_eq!(inventory.direct_url_variable.as_deref(), Some("B_URL"));
    assert_eq!(inventory.unset_variables, ["A_URL", "B_URL"]);
}

/// It is asked as when Prisma migrates, whose command line it may look at.
#[test]
fn a_configuration_is_asked_with_the_command_line_of_a_migration() {
    let packages = installed(7);
    let text = "module.exports = { datasource: { url: process.env.A }, migrations: { path: process.argv.includes('deploy') ? \
                'db/migrations' : 'prisma/migrations' } }";
    let (_image, paths, surroundings) =
        with_configuration_in("prisma.config.cjs", 7, &packages, text);
    let project = inventory::read(&paths, &surroundings, None);
    assert!(project.migrations.ends_with("db/migrations"));
}

/// What a configuration throws may hold what it was given; a folder of schemas that it names may hold the default one.
#[test]
fn a_configuration_that_fails_shows_no_value_and_a_folder_around_the_schema_is_the_same_project() {
    let packages = installed(7);
    let read = |text: &str| {
        let (_image, paths, surroundings) = with_configuration(7, &packages, text);
        inventory::read(&paths, &surroundings, None).inventory
    };
    for text in [
        "process.env.KEY = 'in-spotting'; throw new Error(`the key ${process.env.KEY} is none`)",
        "process.env.KEY = 'in-spotting'; JSON.parse(process.env.KEY); export default {}",
    ] {
        let problem = read(text).problem.unwrap();
        assert_eq!(problem.reason, ProblemReason::ConfigInvalid);
        assert!(
            !problem.message.contains("in-spotting"),
            "{}",
            problem.message
        );
        assert!(
            problem.message.contains("prisma.config.ts"),
            "{}",
            problem.message
        );
    }
    let folder =
        read("export default { schema: 'prisma', datasource: { url: process.env.A_URL } }");
    assert_eq!(folder.problem, None);
    assert_eq!(folder.migrations.len(), 1);
}

#[test]
fn layouts_are_read_as_prisma_reads_them() {
    let packages: BTreeMap<u32, PathBuf> = [5, 6, 7].map(|major| (major, installed(major))).into();
    let table = layouts();
    assert!(table.len() >= 30, "{}", table.len());
    let only = std::env::var("LAYOUT").unwrap_or_default();
    let cases = table
        .iter()
        .filter(|layout| layout.name.contains(&only))
        .flat_map(|layout| {
            layout
                .versions
                .iter()
                .map(move |version| (layout, *version))
        });
    let work = Mutex::new(cases);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..PARALLEL {
            scope.spawn(|| {
                loop {
                    let next = work.lock().unwrap().next();
                    let Some((layout, (major, reason))) = next else {
                        break;
                    };
                    if let Some(what) = check(layout, major, reason, &packages[&major]) {
                        wrong
                            .lock()
                            .unwrap()
                            .push(format!("{} (Prisma {major}): {what}", layout.name));
                    }
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(OsStr::new(&only).is_empty() || !table.is_empty());
}

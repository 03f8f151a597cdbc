//! Asks Prisma's own loader, which is in the image, what a `prisma.config.*` says.
//!
//! A configuration is a program: nothing but running it tells what it says. It is run once for all databases, by one
//! node, with the image's own environment, which holds no credential; what only the Job sets is stood in for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::layout::{Rules, same};
use super::loader;
use super::plain;
use super::prisma::{Call, Prisma, on_path};
use super::surroundings::Surroundings;
use crate::machine;
use dbm_protocol::hex;
use dbm_protocol::raised::REDACTED;
use dbm_protocol::{CONFIG_SECONDS, Configured, Problem};

/// How long all configurations of an image may take.
const LIMIT: Duration = Duration::from_secs(CONFIG_SECONDS);

/// Since when files of these kinds are found, besides `prisma.config.ts`.
const ALL_KINDS: (u64, u64) = (6, 13);

const ENDS: [&str; 6] = ["js", "ts", "mjs", "cjs", "mts", "cts"];

/// What is known of a project's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Config {
    /// Prisma reads none.
    #[default]
    Absent,
    /// This is what it says.
    Said(Box<Configured>),
    /// It could not be asked.
    Silent {
        /// The file, where it is known.
        file: Option<PathBuf>,
        /// Why, in words that begin a sentence.
        why: String,
        /// Prisma itself could not load it either.
        certain: bool,
    },
    /// There is no node that could ask it, nor run Prisma.
    Unusable(Problem),
}

/// A configuration to ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// The working directory of Prisma.
    root: PathBuf,
    /// The file, where it is named, or where there is but one.
    file: Option<PathBuf>,
    /// The command line's script in the image.
    package: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Answer {
    number: usize,
    said: Said,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Said {
    #[serde(flatten)]
    configured: Configured,
    error: Option<String>,
    certain: bool,
    no_loader: bool,
}

/// Whether this project's configuration has to be asked for.
pub fn wanted(
    config: &str,
    directory: &Path,
    rules: Rules,
    prisma: Option<&Prisma>,
) -> Option<Wanted> {
    if !rules.reads_config() {
        return None;
    }
    let package = prisma.and_then(|prisma| match &prisma.call {
        Call::Script(script) => Some(script.clone()),
        Call::Program(program) => fs::canonicalize(program).ok(),
    });
    if !config.is_empty() {
        let file = directory.join(config);
        let root = file.parent().unwrap_or(directory);
        return Some(Wanted {
            root: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
            file: Some(file),
            package,
        });
    }
    let found = in_folder(directory, rules);
    let file = match found.as_slice() {
        [] => return None,
        [one] => Some(one.clone()),
        _ => None,
    };
    Some(Wanted {
        root: directory.to_owned(),
        file,
        package,
    })
}

/// The configurations that Prisma may find in this folder.
pub fn in_folder(folder: &Path, rules: Rules) -> Vec<PathBuf> {
    let mut names = vec!["prisma.config.ts".to_owned()];
    if rules.at_least(ALL_KINDS) {
        for base in ["prisma.config", ".config/prisma", ".config/prisma.config"] {
            names.extend(ENDS.iter().map(|end| format!("{base}.{end}")));
            names.extend(ENDS.iter().map(|end| format!("{base}/index.{end}")));
        }
        for base in ["prisma7.config", ".config/prisma7"] {
            names.extend(ENDS.iter().map(|end| format!("{base}.{end}")));
        }
    }
    names.dedup();
    let mut found: Vec<PathBuf> = names
        .iter()
        .map(|name| folder.join(name))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// Whether it is known by which variable it connects. One of several, or one that is put together, can be told where they are set.
pub fn is_settled(config: &Config) -> bool {
    let Config::Said(configured) = config else {
        return false;
    };
    let urls = [&configured.url, &configured.direct_url].into_iter();
    urls.flatten().all(|url| url.variable.is_some())
}

/// What the inventory found, where it still holds: the same file with the same text.
pub fn remembered(configured: Option<&Configured>, wanted: &Wanted) -> Option<Config> {
    let configured = configured?;
    let file = Path::new(&configured.file);
    let same_file = match &wanted.file {
        Some(named) => same(named, file),
        None => file.starts_with(&wanted.root),
    };
    let same = same_file && digest(file).is_some_and(|digest| digest == configured.sha256);
    same.then(|| Config::Said(Box::new(configured.clone())))
}

fn digest(file: &Path) -> Option<String> {
    fs::read(file)
        .ok()
        .map(|bytes| hex(&Sha256::digest(&bytes)))
}

/// Asks for all of them; the answers stand in the same order.
pub fn ask(wanted: &[Wanted], surroundings: &Surroundings) -> Vec<Config> {
    ask_within(wanted, surroundings, LIMIT)
}

fn ask_within(wanted: &[Wanted], surroundings: &Surroundings, limit: Duration) -> Vec<Config> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let silent = |why: &str| -> Vec<Config> {
        wanted
            .iter()
            .map(|wanted| silent(wanted, why, false))
            .collect()
    };
    let Some(node) = on_path("node", surroundings.path.as_deref()) else {
        return silent("there is no program node on PATH to ask it with");
    };
    if let Some(problem) = machine::problem(&node) {
        return vec![Config::Unusable(problem); wanted.len()];
    }
    let Ok(request) = serde_json::to_string(wanted) else {
        return silent("its path is not UTF-8");
    };
    let (lines, end) = match loader::run(&node, &request, limit) {
        Ok(ended) => ended,
        Err(error) => return silent(&format!("node cannot be started to ask it: {error}")),
    };
    let answers: Vec<Answer> = lines
        .iter()
        .filter_map(|json| serde_json::from_str(json).ok())
        .collect();
    let said = |number: usize| answers.iter().find(|answer| answer.number == number);
    // They are asked one after the other, so that the first without an answer is the one that ended it.
    let mut ended_by = None;
    wanted
        .iter()
        .enumerate()
        .map(|(number, wanted)| match (said(number), ended_by) {
            (Some(answer), _) => answered(wanted, &answer.said),
            (None, None) => {
                ended_by = Some(wanted);
                silent_one(wanted, &end.text(limit))
            }
            (None, Some(first)) => {
                let which = first.file.as_ref().map_or_else(
                    || format!("that of {}", first.root.display()),
                    |file| file.display().to_string(),
                );
                silent_one(
                    wanted,
                    &format!(
                        "it was not asked, because of {which}, which was asked before it: {}",
                        end.text(limit)
                    ),
                )
            }
        })
        .collect()
}

fn silent_one(wanted: &Wanted, why: &str) -> Config {
    silent(wanted, why, false)
}

fn silent(wanted: &Wanted, why: &str, certain: bool) -> Config {
    Config::Silent {
        file: wanted.file.clone(),
        why: why.to_owned(),
        certain,
    }
}

fn answered(wanted: &Wanted, said: &Said) -> Config {
    if said.no_loader {
        return silent(
            wanted,
            "the prisma package of the image has no loader that could be asked",
            false,
        );
    }
    if let Some(error) = &said.error {
        return silent(wanted, &redacted(error), said.certain);
    }
    if said.configured.file.is_empty() {
        return Config::Absent;
    }
    let mut configured = said.configured.clone();
    let bytes = fs::read(&configured.file).unwrap_or_default();
    configured.sha256 = hex(&Sha256::digest(&bytes));
    configured.plain = str::from_utf8(&bytes).is_ok_and(plain::is_plain);
    Config::Said(Box::new(configured))
}

/// An error of the image's own, without anything that looks like a URL.
fn redacted(error: &str) -> String {
    let words: Vec<&str> = error
        .split(' ')
        .map(|word| {
            if word.contains("://") && !word.starts_with("file://") {
                REDACTED
            } else {
                word
            }
        })
        .collect();
    let line: String = words
        .join(" ")
        .chars()
        .filter(|sign| !sign.is_control())
        .collect();
    format!("it cannot be loaded: {line}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn errors_hold_no_url() {
        assert_eq!(
            redacted("bad url postgresql://u:p@h/d here\u{1b}"),
            "it cannot be loaded: bad url [redacted] here"
        );
    }

    #[test]
    fn what_is_found_depends_on_the_version() {
        let folder = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        let found = |version: &str| in_folder(folder.path(), Rules::of(Some(version))).len();
        add("prisma.config.mjs");
        assert_eq!((found("6.12.0"), found("6.13.0")), (0, 1));
        add(".config/prisma.ts");
        add("prisma.config.ts");
        assert_eq!((found("6.12.0"), found("7.10.1")), (1, 3));
        let wanted = |version: &str| wanted("", folder.path(), Rules::of(Some(version)), None);
        assert_eq!(wanted("5.22.0"), None);
        assert_eq!(wanted("6.4.0"), None);
        assert!(wanted("6.5.0").unwrap().file.is_some());
        assert!(wanted("6.19.3").unwrap().file.is_none(), "Prisma chooses");
    }

    /// A shell in node's place: the first configuration is answered, the second one is what happens.
    fn asked(then: &str, limit: Duration) -> (Duration, Vec<Config>) {
        let folder = tempfile::tempdir().unwrap();
        let node = folder.path().join("node");
        let script = format!(
            "#!/bin/sh\necho 'DBM-CONFIG {{\"number\":0,\"said\":{{\"noLoader\":true}}}}'\n{then}\n"
        );
        fs::write(&node, script).unwrap();
        fs::set_permissions(&node, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let surroundings = Surroundings {
            path: Some(folder.path().into()),
            ..Surroundings::default()
        };
        let wanted = ["a", "b", "c"].map(|name| Wanted {
            root: "/app".into(),
            file: Some(format!("/app/{name}.ts").into()),
            package: None,
        });
        let began = std::time::Instant::now();
        let found = ask_within(&wanted, &surroundings, limit);
        (began.elapsed(), found)
    }

    #[test]
    fn why_there_is_no_answer_is_told() {
        let long = Duration::from_secs(20);
        for (then, limit, why) in [
            (
                "sleep 30 >/dev/null",
                Duration::from_millis(1500),
                "it did not say what it holds within 1.5 s, the limit for all",
            ),
            ("sleep 30", Duration::from_millis(1500), "within 1.5 s"),
            (
                "kill -9 $$",
                long,
                "by signal 9 (SIGKILL), most likely for lack of memory: raise job.resources.limits.memory",
            ),
            (
                "kill -ABRT $$",
                long,
                "by signal 6 (SIGABRT), most likely for lack of memory: raise job.resources.limits.memory",
            ),
            ("kill -TERM $$", long, "by signal 15 (SIGTERM) before"),
            ("exit 7", long, "before it said what it holds (exit code 7)"),
        ] {
            let (took, found) = asked(then, limit);
            assert!(took < Duration::from_secs(10), "{then}: {took:?}");
            let whys: Vec<&str> = found
                .iter()
                .map(|config| match config {
                    Config::Silent {
                        why,
                        certain: false,
                        ..
                    } => why.as_str(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert!(whys[0].contains("has no loader"), "{whys:?}");
            assert!(whys[1].contains(why), "{then}: {whys:?}");
            // It is not the one to be corrected.
            let third = "it was not asked, because of /app/b.ts";
            assert!(
                whys[2].starts_with(third) && whys[2].contains(why),
                "{whys:?}"
            );
        }
        assert!(
            loader::End::TimedOut.text(LIMIT).contains("within 60 s"),
            "the limit is told"
        );
    }
}

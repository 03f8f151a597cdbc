//! A scenario as a text file: which story is played, and what goes wrong in it.
//!
//! ```text
//! row 9
//! what the caches lag behind when a Job was made
//! story release
//! on create jobs 1-2: hold watches of jobs, pods for 8s
//! expect same
//! ```
//!
//! A line `on VERB RESOURCE [NUMBER | FROM-TO | FROM-]: FAULT` says at which requests. VERB is get, list, watch, create, update,
//! patch, delete, `write` (any that changes something) or `any`; RESOURCE as in `databasemigrations/status`, or `any`. The requests that fit
//! are counted from 1, over restarts of the operator. The leader's Lease is left out: its renewals come by the clock.

use std::time::Duration;

/// One file.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The row of the list of faults.
    pub row: u32,
    /// What goes wrong, in words.
    pub what: String,
    /// The story's name.
    pub story: String,
    /// What goes wrong.
    pub rules: Vec<Rule>,
    /// How it ends.
    pub expect: Expect,
    /// What the end may differ in, by the names that stand in it.
    pub but: Vec<String>,
}

/// How a scenario ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Like the run without faults.
    Same,
    /// It pauses with this reason, and with a command for people.
    Paused(String),
}

/// What goes wrong, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// When.
    pub on: Match,
    /// What.
    pub fault: Fault,
}

/// Requests of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// As above.
    pub verb: String,
    /// Plural and subresource, or `any`.
    pub resource: String,
    /// The first one, from 1.
    pub from: usize,
    /// The last one.
    pub to: usize,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The operator is killed (SIGKILL) and the request never arrives; it is started again.
    KillBefore,
    /// The request is carried out, the operator is killed before it hears of it, and started again.
    KillAfter,
    /// The API server answers this code and does nothing.
    Answer(u16),
    /// The connection is cut and the request never arrives.
    CutBefore,
    /// The request is carried out, and the connection cut before the answer.
    CutAfter,
    /// From here on nobody answers, and all watches are cut.
    Away(Duration),
    /// Watches of these resources show nothing new for a time.
    HoldWatches(Vec<String>, Duration),
    /// All watches end with 410 Gone.
    ExpireWatches,
    /// Watches show each event twice and the one before it again.
    EchoWatches,
    /// Watches of Jobs and pods show nothing before the Job that is made here has ended and is deleted.
    HideEnd,
}

impl Match {
    /// Whether a request is of the kind; which one it is is counted elsewhere.
    pub fn fits(&self, verb: &str, resource: &str, writes: bool) -> bool {
        let verb_fits = match self.verb.as_str() {
            "any" => true,
            "write" => writes,
            one => one == verb,
        };
        verb_fits && (self.resource == "any" || self.resource == resource)
    }
}

impl Scenario {
    /// Reads a file.
    ///
    /// # Panics
    /// On a line that it does not know: a misspelt fault would never happen.
    pub fn parse(text: &str) -> Scenario {
        let mut scenario = Scenario {
            row: 0,
            what: String::new(),
            story: String::new(),
            rules: Vec::new(),
            expect: Expect::Same,
            but: Vec::new(),
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "row" => scenario.row = rest.parse().unwrap_or_else(|_| panic!("{line}")),
                "what" => scenario.what = rest.to_owned(),
                "story" => scenario.story = rest.to_owned(),
                "expect" => {
                    scenario.expect = match rest.split_once(' ') {
                        None if rest == "same" => Expect::Same,
                        Some(("same", but)) => {
                            let but = but.strip_prefix("but ").unwrap_or_else(|| panic!("{line}"));
                            scenario.but = but.split(", ").map(str::to_owned).collect();
                            Expect::Same
                        }
                        Some(("paused", reason)) => Expect::Paused(reason.to_owned()),
                        _ => panic!("{line}"),
                    }
                }
                "on" => scenario.rules.push(rule(rest)),
                _ => panic!("unknown: {line}"),
            }
        }
        let whole = scenario.row > 0 && !scenario.what.is_empty() && !scenario.story.is_empty();
        assert!(whole && !scenario.rules.is_empty(), "not whole: {text}");
        scenario
    }
}

fn rule(text: &str) -> Rule {
    let (on, fault) = text
        .split_once(": ")
        .unwrap_or_else(|| panic!("no ': ' in {text}"));
    let words: Vec<&str> = on.split_whitespace().collect();
    let (verb, resource, which) = match words.as_slice() {
        [verb, resource] => (verb, resource, "1-"),
        [verb, resource, which] => (verb, resource, *which),
        _ => panic!("{text}"),
    };
    let known = [
        "get", "list", "watch", "create", "update", "patch", "delete", "write", "any",
    ];
    assert!(known.contains(verb), "{verb} in {text}");
    let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| panic!("{text}"));
    let (from, to) = match which.split_once('-') {
        None => (number(which), number(which)),
        Some((from, "")) => (number(from), usize::MAX),
        Some((from, to)) => (number(from), number(to)),
    };
    let on = Match {
        verb: (*verb).to_owned(),
        resource: (*resource).to_owned(),
        from,
        to,
    };
    Rule {
        on,
        fault: self::fault(fault),
    }
}

fn fault(text: &str) -> Fault {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["kill", "before"] => Fault::KillBefore,
        ["kill", "after"] => Fault::KillAfter,
        ["cut", "before"] => Fault::CutBefore,
        ["cut", "after"] => Fault::CutAfter,
        ["answer", code] => Fault::Answer(code.parse().unwrap_or_else(|_| panic!("{text}"))),
        ["away", "for", time] => Fault::Away(duration(time)),
        ["expire", "watches"] => Fault::ExpireWatches,
        ["echo", "watches"] => Fault::EchoWatches,
        ["hide", "its", "end"] => Fault::HideEnd,
        ["hold", "watches", "of", kinds @ .., "for", time] => {
            let kinds = kinds
                .iter()
                .map(|kind| kind.trim_end_matches(',').to_owned());
            Fault::HoldWatches(kinds.collect(), duration(time))
        }
        _ => panic!("unknown fault: {text}"),
    }
}

fn duration(text: &str) -> Duration {
    let seconds = text.strip_suffix('s').and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{text} is not as 8s")))
}

#[test]
fn a_scenario_is_read_as_it_is_written() {
    let text = "# a comment\nrow 9\nwhat stale reads\nstory release\n\
        on create jobs 2: kill after\non any any 3-: answer 429\non update databasemigrations/status 1-4: answer 409\n\
        on create jobs: hold watches of jobs, pods for 8s\nexpect paused MigrationFailed\n";
    let read = Scenario::parse(text);
    assert_eq!((read.row, read.story.as_str()), (9, "release"));
    assert_eq!(read.expect, Expect::Paused("MigrationFailed".to_owned()));
    assert_eq!(read.rules[0].fault, Fault::KillAfter);
    assert_eq!((read.rules[0].on.from, read.rules[0].on.to), (2, 2));
    assert_eq!(
        (read.rules[1].on.from, read.rules[1].on.to),
        (3, usize::MAX)
    );
    assert!(read.rules[1].on.fits("get", "pods", false));
    assert!(!read.rules[2].on.fits("update", "databasemigrations", true));
    let held = vec!["jobs".to_owned(), "pods".to_owned()];
    let hold = Fault::HoldWatches(held, Duration::from_secs(8));
    assert_eq!(read.rules[3].fault, hold);
    let misspelt = std::panic::catch_unwind(|| {
        Scenario::parse("row 1\nwhat x\nstory y\non write any 1: kil before")
    });
    assert!(misspelt.is_err());
}

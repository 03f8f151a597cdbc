//! PURE. The examples that the help of each command ends with.

use clap::Command;

/// Of each command: what one wants, and the line that does it.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "status",
        &[
            ("A table of the namespace", "kubectl dbm status"),
            (
                "What happened to one, and what to do",
                "kubectl dbm status shop -n production",
            ),
            (
                "Live, until it has settled",
                "kubectl dbm status shop --watch",
            ),
            (
                "The names of those that failed, for a script",
                "kubectl dbm status -A -o json | jq -r '.items[] | select(.status.phase == \"Failed\").metadata.name'",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("What a release will run", "kubectl dbm plan shop"),
            ("With its SQL", "kubectl dbm plan shop --sql"),
        ],
    ),
    (
        "retry",
        &[
            (
                "Start a new run and stay until it has settled",
                "kubectl dbm retry shop",
            ),
            (
                "All of a team, in a script",
                "kubectl dbm retry -l team=shop --yes --no-wait",
            ),
        ],
    ),
    (
        "mark-applied",
        &[(
            "You finished by hand in SQL what failed",
            "kubectl dbm mark-applied shop --reason \"added the column by hand, INC-123\"",
        )],
    ),
    (
        "mark-rolled-back",
        &[(
            "You removed by hand what the failed migration left",
            "kubectl dbm mark-rolled-back shop --reason \"dropped the column, INC-123\"",
        )],
    ),
    (
        "down",
        &[
            (
                "Undo the migration that failed",
                "kubectl dbm down shop --reason \"wrong column name\"",
            ),
            (
                "Undo one by name",
                "kubectl dbm down shop --database identity --migration 20261122101500_split_name --reason \"INC-123\"",
            ),
        ],
    ),
    (
        "restore",
        &[
            (
                "To the restore point of the run",
                "kubectl dbm restore shop --database identity --reason \"rows damaged, INC-123\"",
            ),
            (
                "To a time",
                "kubectl dbm restore shop --target 2026-11-22T03:02:11Z --reason \"INC-123\"",
            ),
        ],
    ),
    (
        "baseline",
        &[(
            "The database holds everything up to this migration already",
            "kubectl dbm baseline shop --database tasks --migration 20250101000000_init --reason \"adopted\"",
        )],
    ),
    (
        "accept",
        &[(
            "A smoke test failed for a reason of its own",
            "kubectl dbm accept shop --reason \"the test's own user is gone\"",
        )],
    ),
    (
        "abort",
        &[("End the run before its next step", "kubectl dbm abort shop")],
    ),
    (
        "logs",
        &[
            (
                "Of the run under way, until it ends",
                "kubectl dbm logs shop -f",
            ),
            (
                "Of one database in an earlier run",
                "kubectl dbm logs shop --run r1-5e1c0a9b --database tasks",
            ),
        ],
    ),
    (
        "suspend",
        &[
            ("Start no further migration", "kubectl dbm suspend shop"),
            ("Of a whole team", "kubectl dbm suspend -l team=shop --yes"),
        ],
    ),
    ("resume", &[("Go on with it", "kubectl dbm resume shop")]),
    (
        "wait",
        &[
            (
                "In a pipeline, until all is migrated and verified",
                "kubectl dbm wait shop --timeout 10m",
            ),
            (
                "Before an application starts",
                "kubectl dbm wait shop --for migrated",
            ),
        ],
    ),
    (
        "psql",
        &[
            (
                "A session at the terminal",
                "kubectl dbm psql shop --database identity",
            ),
            (
                "A query",
                "kubectl dbm psql shop --database identity -c \"SELECT count(*) FROM orders\"",
            ),
        ],
    ),
    (
        "completion",
        &[
            ("In ~/.bashrc", "source <(dbm completion bash)"),
            (
                "For fish",
                "dbm completion fish > ~/.config/fish/completions/dbm.fish",
            ),
        ],
    ),
];

/// The first look, for the help of the whole.
const FIRST: &[(&str, &str)] = &[
    ("What there is", "kubectl dbm status"),
    (
        "What happened to one, and what to do",
        "kubectl dbm status shop -n production",
    ),
    ("What a release will run", "kubectl dbm plan shop --sql"),
];

/// The grammar with the examples at the end of each command's help.
pub(super) fn added(grammar: Command) -> Command {
    EXAMPLES.iter().fold(
        grammar.after_help(text(FIRST)),
        |grammar, (name, examples)| {
            grammar.mut_subcommand(*name, |command| command.after_help(text(examples)))
        },
    )
}

/// As kubectl prints them: each under a remark. A line that is long is continued, so that no terminal breaks a word of it.
fn text(examples: &[(&str, &str)]) -> String {
    let mut out = "Examples:".to_owned();
    for (at, (what, line)) in examples.iter().enumerate() {
        let gap = if at > 0 { "\n" } else { "" };
        out.push_str(&format!("{gap}\n  # {what}\n"));
        let lines = crate::cli::text::command_lines(line, Some(COLUMNS - 2));
        out.push_str(
            &lines
                .iter()
                .map(|line| format!("  {line}"))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    out
}

/// The columns of the narrowest terminal that is thought of.
const COLUMNS: usize = 80;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_examples_and_there_are_no_others() {
        let mut grammar = super::super::grammar();
        let commands: Vec<&str> = grammar.get_subcommands().map(Command::get_name).collect();
        let named: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        assert_eq!(commands, named);
        grammar.build();
        let ours = |command: &&mut Command| command.get_name() != "help";
        for command in grammar.get_subcommands_mut().filter(ours) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:\n  # "), "{}", command.get_name());
        }
    }

    #[test]
    fn every_example_is_taken() {
        let all = EXAMPLES
            .iter()
            .flat_map(|(_, examples)| examples.iter())
            .chain(FIRST);
        for (_, line) in all {
            let called = line.split_once(" | ").map_or(*line, |(called, _)| called);
            let called = called.trim_start_matches("source <(").trim_end_matches(')');
            let called = called
                .split_once(" > ")
                .map_or(called, |(called, _)| called);
            let called = called.strip_prefix("kubectl ").unwrap_or(called);
            // What stands in quotes is one word.
            let words = called
                .split('"')
                .enumerate()
                .flat_map(|(at, part)| match at % 2 {
                    0 => part.split_whitespace().collect::<Vec<_>>(),
                    _ => vec![part],
                });
            super::super::grammar()
                .try_get_matches_from(words)
                .unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

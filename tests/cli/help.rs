//! The help: its order never changes by itself, and no terminal breaks a word of it.

use database_migration_operator::cli::args;

/// The help of every command, as `--help` and as `-h` print it.
fn helps(width: usize) -> Vec<(String, String)> {
    let mut grammar = args::grammar()
        .bin_name("kubectl dbm")
        .term_width(width)
        .max_term_width(width);
    grammar.build();
    let mut helps = vec![(String::new(), grammar.render_long_help().to_string())];
    let ours = |command: &&mut clap::Command| command.get_name() != "help";
    for command in grammar.get_subcommands_mut().filter(ours) {
        let name = command.get_name().to_owned();
        helps.push((name.clone(), command.render_long_help().to_string()));
        helps.push((name, command.render_help().to_string()));
    }
    helps
}

#[test]
fn every_help_word_for_word() {
    let long = helps(80);
    let mut text = String::new();
    let mut last = None;
    for (name, help) in &long {
        // The long one stands first.
        if last != Some(name) {
            let called = format!("kubectl dbm {name}");
            text.push_str(&format!("$ {} --help\n{help}\n", called.trim_end()));
        }
        last = Some(name);
    }
    let text: Vec<&str> = text.lines().map(str::trim_end).collect();
    insta::with_settings!({
        snapshot_path => "goldens",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, { insta::assert_snapshot!("help", text.join("\n")) });
}

/// The options of a command stand together, and those of every command after them, in one order.
#[test]
fn the_options_of_every_command_come_last_and_in_one_order() {
    for (name, help) in helps(80) {
        let (own, common) = help.split_once("Options of every command:").unwrap();
        let at = |option: &str| {
            common
                .find(option)
                .unwrap_or_else(|| panic!("{name}: {option}"))
        };
        let common = [
            "--namespace",
            "--context",
            "--kubeconfig",
            "--as ",
            "--as-group",
            "--no-color",
        ];
        assert!(common.is_sorted_by_key(|option| at(option)), "{name}");
        for option in common {
            assert!(!own.contains(&format!("{option}<")), "{name}: {option}");
        }
    }
}

#[test]
fn no_line_of_a_help_is_wider_than_the_terminal() {
    for width in [66, 72, 80, 100, 132] {
        let whole: Vec<String> = helps(1000)
            .iter()
            .flat_map(|(_, help)| {
                help.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();
        for (name, help) in helps(width) {
            // The examples are continued for 80 columns.
            let (help, examples) = help.split_once("Examples:").unwrap_or((&help, ""));
            let fits = |line: &str, width: usize| line.trim_end().chars().count() <= width;
            for line in help.lines() {
                let alone = line.trim().split(' ').count() == 1;
                assert!(fits(line, width) || alone, "{name} at {width}: {line}");
            }
            for line in examples.lines().filter(|_| width >= 80) {
                assert!(fits(line, 80), "{name}: {line}");
            }
            for word in help.split_whitespace() {
                assert!(
                    whole.iter().any(|whole| whole == word),
                    "{name} at {width}: {word}"
                );
            }
        }
    }
}

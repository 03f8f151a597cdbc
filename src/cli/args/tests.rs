#![allow(clippy::unwrap_used)]

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_grammar_is_sound() {
    grammar().debug_assert();
}

#[rstest::rstest]
#[case("dbm status")]
#[case("dbm status shop -w")]
#[case("dbm status -A")]
#[case("dbm -n production status shop -o json")]
#[case("dbm plan -l team=shop --sql")]
#[case("dbm retry shop --yes --no-wait")]
#[case("dbm retry shop --wait=false")]
#[case("dbm mark-applied shop -n p --database identity --migration x --reason done")]
#[case("dbm restore shop --target 2026-11-22T03:02:11Z --reason corrupt --timeout 2h")]
#[case("dbm baseline shop --migration 0_init --reason adopted")]
#[case("dbm logs shop -f --database tasks")]
#[case("dbm suspend -l team=shop -y")]
#[case("dbm wait shop --for migrated --timeout 90s")]
#[case("dbm wait shop --for Migrated")]
#[case("dbm wait shop --for=READY")]
#[case("dbm wait shop --for condition=Ready")]
#[case("dbm status --as alice")]
#[case("dbm --as alice --as-group dev --as-group oncall status shop")]
#[case("dbm wait shop --patience 0s")]
#[case("dbm wait shop --patience 5m")]
#[case("dbm completion zsh")]
fn taken(#[case] line: &str) {
    parse(line).unwrap();
}

#[rstest::rstest]
#[case("dbm")]
#[case("dbm retry")]
#[case("dbm retry shop -l a=b")]
#[case("dbm retry -l")]
#[case("dbm status --watch")]
#[case("dbm status shop -A")]
#[case("dbm mark-applied -l a=b")]
#[case("dbm baseline shop")]
#[case("dbm wait shop --timeout soon")]
#[case("dbm wait shop --patience soon")]
#[case("dbm wait shop --patience -5s")]
#[case("dbm wait shop --for lunch")]
#[case("dbm approve shop")]
#[case("dbm logs shop -f --run r1-x")]
#[case("dbm status --as-group oncall")]
#[case("dbm status --as=")]
fn refused_as_usage(#[case] line: &str) {
    let error = parse(line).unwrap_err();
    assert!(error.exit_code() == 2, "{error}");
}

#[test]
fn waits_unless_told_otherwise() {
    let stays = |line: &str| match parse(line).unwrap().command {
        Command::Retry(args) => args.many.act.stays(),
        _ => unreachable!(),
    };
    assert!(stays("dbm retry shop"));
    assert!(stays("dbm retry shop --wait"));
    assert!(!stays("dbm retry shop --wait=false"));
    assert!(!stays("dbm retry shop --no-wait"));
}

//! Connection strings, good and bad.

use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;

use crate::database::url::is_local_address;
use crate::database::{Rules, SslMode, Target, parse};
use crate::facts::UnreadableReason::{
    self, UrlInvalid, UrlLoopback, UrlNamesFile, UrlNotDirect, UrlNotPostgres, UrlPooled,
};

const IN_CLUSTER: Rules = Rules {
    allow_loopback: false,
};
const SECRET: &str = "hunter2";

fn good(raw: &str) -> Target {
    parse(raw, &IN_CLUSTER).unwrap_or_else(|error| panic!("{error:?}"))
}

#[test]
fn all_parts() {
    let target = good(
        "\n postgresql://us%40er:p%40%2F%3A%3F%23%25%C3%A9@db.shop.svc:6543/my%2Fdb?schema=my%20schema&sslmode=require\
         &connect_timeout=7&connection_limit=5&pool_timeout=1&sslcert=&sslrootcert=system&options=-c%20x%3Dy \r\n",
    );
    assert_eq!(target.host, "db.shop.svc");
    assert_eq!(target.port, 6543);
    assert_eq!(target.user, "us@er");
    assert_eq!(target.password.reveal(), "p@/:?#%é");
    assert_eq!(target.database, "my/db");
    assert_eq!(target.schema, "my schema");
    assert_eq!(target.ssl_mode, SslMode::Require);
    assert_eq!(target.connect_timeout, Duration::from_secs(7));
    assert!(!target.allow_loopback && !target.other_role);
    assert!(good("postgres://u@db/d?options=-c%20role%3Downer").other_role);
}

#[test]
fn what_is_left_out() {
    let target = good("postgres://u@db/d?schema=&connect_timeout=0");
    assert_eq!(
        (
            target.port,
            target.schema.as_str(),
            target.password.reveal()
        ),
        (5432, "public", "")
    );
    assert_eq!(target.ssl_mode, SslMode::Prefer);
    assert_eq!(target.connect_timeout, Duration::from_secs(5));
    assert_eq!(
        good("postgres://u@db/d?connect_timeout=900").connect_timeout,
        Duration::from_secs(30)
    );
    assert_eq!(good("postgres://u@[2001:db8::1]:1/d").host, "2001:db8::1");
    for host in ["[64:ff9b::a00:1]", "[fd00::1]", "10.0.0.1", "100.64.0.1"] {
        let url = format!("postgres://u@{host}/d");
        assert_eq!(good(&url).host, host.trim_matches(['[', ']']));
    }
    assert_eq!(good("postgres://u@db/d?pgbouncer=false").port, 5432);
}

#[rstest]
#[case("sslmode=disable", SslMode::Disable)]
#[case("sslmode=disable&sslaccept=strict", SslMode::Disable)]
#[case("sslmode=prefer", SslMode::Prefer)]
#[case("sslaccept=accept_invalid_certs", SslMode::Prefer)]
#[case("sslaccept=strict", SslMode::VerifyFull)]
#[case("sslaccept=strict&sslmode=require", SslMode::VerifyFull)]
#[case("sslmode=require&sslaccept=accept_invalid_certs", SslMode::Require)]
#[case("sslmode=verify-ca", SslMode::VerifyCa)]
#[case("sslmode=verify-full", SslMode::VerifyFull)]
fn tls(#[case] parameters: &str, #[case] expected: SslMode) {
    assert_eq!(
        good(&format!("postgres://u@db/d?{parameters}")).ssl_mode,
        expected
    );
}

#[rstest]
#[case("", UrlInvalid)]
#[case(" \n", UrlInvalid)]
#[case("hunter2", UrlInvalid)]
#[case("host=db user=u password=hunter2", UrlInvalid)]
#[case("\"postgres://u:hunter2@db/d\"", UrlInvalid)]
#[case("postgres://u:hunter2@db/d\npostgres://u:hunter2@db/d", UrlInvalid)]
#[case("postgres://u:hunter2%0A@db/d", UrlInvalid)]
#[case("postgres://u:hunter2@db/d%00", UrlInvalid)]
#[case("postgres://u:hunter2%ff@db/d", UrlInvalid)]
#[case("postgres:hunter2", UrlInvalid)]
#[case("postgres:///d", UrlInvalid)]
#[case("postgres://u:hunter2@/d", UrlInvalid)]
#[case("postgres://:hunter2@db/d", UrlInvalid)]
#[case("postgres://u:hunter2@db", UrlInvalid)]
#[case("postgres://u:hunter2@db/", UrlInvalid)]
#[case("postgres://u:hunter2@db/?schema=x", UrlInvalid)]
#[case("postgres://u:hunter2@db:99999/d", UrlInvalid)]
#[case("postgres://u:hun/ter2@db/d", UrlInvalid)]
#[case("postgres://u:1/hunter2@db/d", UrlInvalid)]
#[case("postgres://u:1#hunter2@db/d", UrlInvalid)]
#[case("postgres://u:1?hunter2@db/d", UrlInvalid)]
#[case("postgres://u:hunter2@db1,db2/d", UrlInvalid)]
#[case("postgres://u:hunter2@db%2Dhost/d", UrlInvalid)]
#[case("postgres://u:hunter2@db/d?host=other", UrlInvalid)]
#[case("postgres://u:hunter2@db/d?hostaddr=10.0.0.1", UrlInvalid)]
#[case("postgres://u:hunter2@%2Fvar%2Frun/d", UrlNamesFile)]
#[case("postgres://u:hunter2@%2fvar%2frun:5433/d", UrlNamesFile)]
#[case("postgres://u:hunter2@%40abstract/d", UrlNamesFile)]
#[case("postgres://u:hunter2@db/d?host=/var/run", UrlNamesFile)]
#[case("postgres://u:hunter2@db/d?host=%2Fvar%2Frun%2Fhunter2", UrlNamesFile)]
#[case("postgres://u:hunter2@db/d?sslcert=/etc/hunter2.pem", UrlNamesFile)]
#[case(
    "postgres://u:hunter2@db/d?sslidentity=hunter2.p12&sslpassword=hunter2",
    UrlNamesFile
)]
#[case(
    "postgres://u:hunter2@db/d?sslmode=require&sslkey=hunter2",
    UrlNamesFile
)]
#[case("postgres://u:hunter2@db/d?ssl%72ootcert=..%2Fhunter2", UrlNamesFile)]
#[case("postgres://u:hunter2@db/d?sslmode=hunter2", UrlInvalid)]
#[case("postgres://u:hunter2@db/d?connect_timeout=hunter2", UrlInvalid)]
#[case("postgres://u:hunter2@db/d?schema=a%00b", UrlInvalid)]
#[case("mysql://u:hunter2@db/d", UrlNotPostgres)]
#[case("file:./dev.db?hunter2", UrlNotPostgres)]
#[case("https://u:hunter2@db/d", UrlNotPostgres)]
#[case("prisma://accelerate.example/?api_key=hunter2", UrlNotDirect)]
#[case("prisma+postgres://accelerate.example/?api_key=hunter2", UrlNotDirect)]
#[case("postgres://u:hunter2@db/d?pgbouncer=true", UrlPooled)]
#[case("postgres://u:hunter2@localhost/d", UrlLoopback)]
#[case("postgres://u:hunter2@LocalHost./d", UrlLoopback)]
#[case("postgres://u:hunter2@db.localhost/d", UrlLoopback)]
#[case("postgres://u:hunter2@127.0.0.1/d", UrlLoopback)]
#[case("postgres://u:hunter2@127.8.8.8:1/d", UrlLoopback)]
#[case("postgres://u:hunter2@0.0.0.0/d", UrlLoopback)]
#[case("postgres://u:hunter2@169.254.169.254/d", UrlLoopback)]
#[case("postgres://u:hunter2@[::1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[::]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[fe80::1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[::ffff:127.0.0.1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[::127.0.0.1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[64:ff9b::169.254.169.254]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[64:ff9b::7f00:1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[2002:7f00:1::1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[2002:a9fe:a9fe::]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[fd00:ec2::254]/d", UrlLoopback)]
#[case("postgres://u:hunter2@[ff02::1]/d", UrlLoopback)]
#[case("postgres://u:hunter2@168.63.129.16/d", UrlLoopback)]
#[case("postgres://u:hunter2@100.100.100.200/d", UrlLoopback)]
#[case("postgres://u:hunter2@224.0.0.1/d", UrlLoopback)]
fn refused(#[case] raw: &str, #[case] reason: UnreadableReason) {
    let refused = parse(raw, &IN_CLUSTER).unwrap_err();
    assert_eq!(refused.reason, reason, "{}", refused.message);
    assert!(
        !refused.message.contains(SECRET) && !refused.message.contains("ter2"),
        "{}",
        refused.message
    );
    assert!(
        refused.message.starts_with(char::is_lowercase),
        "{}",
        refused.message
    );
    assert!(
        refused.message.contains(':') || refused.message.contains("must"),
        "says what to do: {}",
        refused.message
    );
}

/// What to do is said of the parameter that was meant, and the authority has another place.
#[rstest]
#[case("sslcert=ca.pem", &["sslcert", "connection.caFrom"])]
#[case("sslrootcert=ca.pem", &["sslrootcert", "connection.caFrom"])]
#[case("sslidentity=me.p12", &["sslidentity", "password"])]
#[case("sslkey=me.key", &["sslkey", "password"])]
#[case("host=/run/postgresql", &["Unix socket", "TCP"])]
fn files(#[case] parameter: &str, #[case] parts: &[&str]) {
    let refused = parse(&format!("postgres://u@db/d?{parameter}"), &IN_CLUSTER).unwrap_err();
    assert_eq!(refused.reason, UrlNamesFile);
    for part in parts {
        assert!(refused.message.contains(part), "{}", refused.message);
    }
}

#[test]
fn loopback_on_a_laptop() {
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let target = parse(
            &format!("postgres://u@{host}/d"),
            &Rules {
                allow_loopback: true,
            },
        )
        .unwrap();
        assert!(target.allow_loopback);
    }
}

#[test]
fn a_schema_of_64_bytes_would_be_cut_by_the_server() {
    assert_eq!(
        good(&format!("postgres://u@db/d?schema={}", "a".repeat(63)))
            .schema
            .len(),
        63
    );
    parse(
        &format!("postgres://u@db/d?schema={}", "a".repeat(64)),
        &IN_CLUSTER,
    )
    .unwrap_err();
}

#[test]
fn private_networks_are_no_local_addresses() {
    for address in [
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "fd00::1",
        "2001:db8::1",
    ] {
        assert!(!is_local_address(address.parse().unwrap()), "{address}");
    }
}

#[test]
fn a_password_is_never_printed() {
    let target = good("postgres://u:hunter2@db/d");
    assert!(!format!("{target:?} {target:#?} {:?}", target.password).contains(SECRET));
}

proptest! {
    #[test]
    fn any_text_is_judged_without_a_panic_and_not_repeated(raw in any::<String>()) {
        if let Err(refused) = parse(&raw, &IN_CLUSTER) {
            prop_assert!(raw.trim().len() < 12 || !refused.message.contains(raw.trim()));
        }
    }

    #[test]
    fn every_password_comes_through_percent_encoded(password in "[^\u{0}-\u{1f}\u{7f}-\u{9f}]{0,30}") {
        let encoded = percent_encoding::utf8_percent_encode(&password, percent_encoding::NON_ALPHANUMERIC);
        let target = good(&["postgres://u:", &encoded.to_string(), "@db/d"].concat());
        prop_assert_eq!(target.password.reveal(), password);
    }

    #[test]
    fn a_raw_password_is_never_in_a_message(password in "[ -~]{0,12}", tail in "[ -~]{0,12}") {
        let marked = format!("{password}Zq7Zq{tail}");
        if let Err(refused) = parse(&["postgres://u:", &marked, "@db/d"].concat(), &IN_CLUSTER) {
            prop_assert!(!refused.message.contains("Zq7Zq"), "{}", refused.message);
        }
    }
}

/// The agent's tests read the same table: neither side takes what the other refuses, and both take the same of it.
#[test]
fn one_table_for_both_sides() {
    let table: Vec<(String, Option<String>)> =
        serde_json::from_str(include_str!("../../../protocol/tests/values.json")).unwrap();
    for (value, taken) in table {
        let parsed = parse(&value, &IN_CLUSTER);
        let expected = taken.map(|text| good(&text));
        assert_eq!(parsed.as_ref().ok(), expected.as_ref(), "{value:?}");
        if let Err(unreadable) = parsed {
            let kinds = [UrlInvalid, UrlNotPostgres, UrlNotDirect];
            assert!(
                kinds.contains(&unreadable.reason),
                "{value:?}: {unreadable:?}"
            );
            assert!(!unreadable.message.contains("secret"), "{unreadable:?}");
        }
    }
}

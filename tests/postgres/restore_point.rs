//! A place to come back to: with a name where the role may give it one, else without.

use database_migration_operator::database::{Target, restore_point};
use database_migration_operator::facts::{Reading, RestorePointFacts};

use crate::harness::{Db, until};

async fn made(target: &Target, name: &str) -> RestorePointFacts {
    match restore_point(target, None, name).await {
        Reading::Known(facts) => facts,
        Reading::Unknown(unreadable) => panic!("{unreadable:?}"),
    }
}

/// A position in the write-ahead log, as a number.
fn position(lsn: &str) -> u64 {
    let (high, low) = lsn.split_once('/').unwrap();
    (u64::from_str_radix(high, 16).unwrap() << 32) + u64::from_str_radix(low, 16).unwrap()
}

#[tokio::test]
async fn with_the_right_it_has_a_name_and_without_it_says_the_grant() {
    Db::with(async |db| {
        let name = "dbm-r2-5e1c0a9b it's";
        let first = made(&db.as_admin(), name).await;
        assert_eq!((first.name.as_deref(), &first.refused), (Some(name), &None));

        let without = made(&db.as_role(), name).await;
        assert_eq!(without.name, None);
        let refused = without.refused.unwrap();
        let grant = format!(
            "GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO {};",
            db.quoted_role()
        );
        assert_eq!(
            refused,
            format!(
                "the role may not make a restore point. Run as superuser in this database: {grant}"
            )
        );
        assert!(
            position(&without.lsn) >= position(&first.lsn),
            "where it is can be read in any case"
        );
        assert!(without.at > first.at);

        db.run(&grant).await;
        let second = made(&db.as_role(), name).await;
        assert_eq!(
            (second.name.as_deref(), &second.refused),
            (Some(name), &None)
        );
        assert!(position(&second.lsn) > position(&without.lsn));
        db.run(&format!(
            "REVOKE ALL ON FUNCTION pg_create_restore_point(text) FROM {}",
            db.quoted_role()
        ))
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_refusal_of_the_server_is_said_and_the_place_is_read_all_the_same() {
    Db::with(async |db| {
        let facts = made(&db.as_admin(), &"x".repeat(64)).await;
        assert_eq!(facts.name, None);
        let refused = facts.refused.unwrap();
        assert!(
            refused.starts_with("the server makes no restore point (22023): value too long"),
            "{refused}"
        );
        assert!(position(&facts.lsn) > 0);
    })
    .await;
}

#[tokio::test]
async fn commits_are_counted() {
    Db::with(async |db| {
        let before = made(&db.as_admin(), "a").await.commits;
        for _ in 0..10 {
            db.run("CREATE TABLE t (id int); DROP TABLE t").await;
        }
        // A session reports what it did when it ends, or some 100 ms later.
        until(async || db.look().await.commits >= before + 10).await;
        until(async || made(&db.as_role(), "a").await.commits >= before + 10).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unknown() {
    Db::with(async |db| {
        let nowhere = Target {
            port: 1,
            ..db.as_admin()
        };
        assert!(matches!(
            restore_point(&nowhere, None, "x").await,
            Reading::Unknown(_)
        ));
    })
    .await;
}

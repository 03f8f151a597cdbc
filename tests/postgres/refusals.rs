//! What cannot be read: each has its own reason, none has a credential in its message.

use database_migration_operator::database::{Look, Password, Rules, SslMode, Target, look, parse};
use database_migration_operator::facts::{Ledger, Reading, UnreadableReason};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::harness::{Db, PASSWORD, create_ledger, known, run, unknown};

#[tokio::test]
async fn a_percent_encoded_password_logs_in() {
    Db::with(async |db| {
        let target = db.as_role();
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!(
            " postgresql://{}:{}@{}:{}/{}?schema={}&application_name=x&sslpassword=x\n",
            encode(&db.role),
            encode(PASSWORD),
            target.host,
            target.port,
            db.name,
            encode("Odd \"one; é'--"),
        );
        let parsed = parse(
            &url,
            &Rules {
                allow_loopback: true,
            },
        )
        .unwrap();
        assert!(!format!("{parsed:?}").contains(PASSWORD));
        let facts = known(&parsed, Look::default()).await;
        assert_eq!(facts.ledger, Ledger::default());
        assert_eq!(facts.identity.schema, "Odd \"one; é'--");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_password_and_a_role_that_may_not_log_in() {
    Db::with(async |db| {
        let wrong = Target {
            password: Password::new("Wr0ng secret"),
            ..db.as_role()
        };
        assert_eq!(
            unknown(&wrong, None).await.reason,
            UnreadableReason::AuthenticationFailed
        );
        let nobody = Target {
            user: "nobody here".to_owned(),
            ..db.as_role()
        };
        assert_eq!(
            unknown(&nobody, None).await.reason,
            UnreadableReason::AuthenticationFailed
        );
        db.run(&format!("ALTER ROLE {} NOLOGIN", db.quoted_role()))
            .await;
        assert_eq!(
            unknown(&db.as_role(), None).await.reason,
            UnreadableReason::AuthenticationFailed
        );
        db.run(&format!("ALTER ROLE {} LOGIN", db.quoted_role()))
            .await;
        db.run(&format!(
            "REVOKE CONNECT ON DATABASE {} FROM PUBLIC",
            db.name
        ))
        .await;
        let unreadable = unknown(&db.as_role(), None).await;
        assert_eq!(unreadable.reason, UnreadableReason::AuthenticationFailed);
        assert!(
            unreadable.message.contains("GRANT CONNECT"),
            "{}",
            unreadable.message
        );
    })
    .await;
}

/// What Prisma needs to begin, step by step: to make the schema, the ledger in it, and a row in that.
#[tokio::test]
async fn what_a_role_lacks_for_prisma_to_begin_comes_with_its_grant() {
    Db::with(async |db| {
        let schema = "Odd \"one; é'--";
        let target = Target {
            schema: schema.to_owned(),
            ..db.as_role()
        };
        let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
        let steps = [
            (
                String::new(),
                format!("GRANT CREATE ON DATABASE {} TO ", db.name),
            ),
            (
                format!("CREATE SCHEMA {quoted}"),
                format!("GRANT USAGE, CREATE ON SCHEMA {quoted} TO "),
            ),
            (
                format!(
                    "{} GRANT SELECT ON {quoted}._prisma_migrations TO {}",
                    create_ledger(&schema.replace('"', "\"\"")),
                    db.quoted_role()
                ),
                format!("GRANT INSERT, UPDATE ON TABLE {quoted}._prisma_migrations TO "),
            ),
        ];
        for (before, grant) in steps {
            if !before.is_empty() {
                db.run(&before).await;
            }
            let facts = known(&target, Look::default()).await;
            assert_eq!(facts.role, db.quoted_role());
            let lacks = facts.lacks.unwrap_or_else(|| panic!("not: {grant}"));
            assert_eq!(lacks, format!("{grant}{};", db.quoted_role()));
            db.run(&lacks).await;
            assert_eq!(known(&target, Look::default()).await.lacks, None, "{lacks}");
            // The session of a Prisma that acts as another role has that one's rights.
            db.run(&lacks.replace("GRANT", "REVOKE").replace(" TO ", " FROM "))
                .await;
            let other = Target {
                other_role: true,
                ..target.clone()
            };
            assert_eq!(known(&other, Look::default()).await.lacks, None);
            db.run(&lacks).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_database_is_not_created() {
    Db::with(async |db| {
        let name = format!("{}_none", db.name);
        // The superuser may create databases.
        let target = Target {
            database: name.clone(),
            ..db.as_admin()
        };
        let unreadable = unknown(&target, None).await;
        assert_eq!(unreadable.reason, UnreadableReason::DatabaseMissing);
        assert!(unreadable.message.contains(&name));
        let mut session = db.session("test").await;
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(found, 0);
    })
    .await;
}

#[tokio::test]
async fn a_database_that_takes_no_connections() {
    Db::with(async |db| {
        let mut session = db.session_elsewhere().await;
        run(
            &mut session,
            &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", db.name),
        )
        .await;
        assert_eq!(
            unknown(&db.as_role(), None).await.reason,
            UnreadableReason::ServerUnavailable
        );
        run(
            &mut session,
            &format!("ALTER DATABASE {} CONNECTION LIMIT 0", db.name),
        )
        .await;
        run(
            &mut session,
            &format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", db.name),
        )
        .await;
        assert_eq!(
            unknown(&db.as_role(), None).await.reason,
            UnreadableReason::ConnectionLimitReached
        );
    })
    .await;
}

#[tokio::test]
async fn loopback_is_refused_in_a_cluster_after_the_look_up_too() {
    Db::with(async |db| {
        let target = Target {
            host: "localhost".to_owned(),
            allow_loopback: false,
            ..db.as_role()
        };
        let unreadable = unknown(&target, None).await;
        assert_eq!(unreadable.reason, UnreadableReason::UrlLoopback);
        assert!(unreadable.message.contains("loopback"));
    })
    .await;
}

#[tokio::test]
async fn tls_as_far_as_the_server_has_it() {
    Db::with(async |db| {
        let mut session = db.session("test").await;
        let offers: String = sqlx::query_scalar("SHOW ssl")
            .fetch_one(&mut session)
            .await
            .unwrap();
        let target = |ssl_mode| Target {
            ssl_mode,
            ..db.as_role()
        };
        known(&target(SslMode::Prefer), Look::default()).await;
        known(&target(SslMode::Disable), Look::default()).await;
        if offers == "on" {
            known(&target(SslMode::Require), Look::default()).await;
        } else {
            let unreadable = unknown(&target(SslMode::Require), None).await;
            assert_eq!(unreadable.reason, UnreadableReason::TlsFailed);
            assert!(
                unreadable.message.contains("offers no TLS"),
                "{}",
                unreadable.message
            );
        }
        // No test server's certificate is of a trusted authority.
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
            assert_eq!(
                unknown(&target(mode), None).await.reason,
                UnreadableReason::TlsFailed
            );
        }
        // A certificate authority turns verification on, and must be one.
        for ca in [
            b"not pem".as_slice(),
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert_eq!(
                unknown(&target(SslMode::Disable), Some(ca)).await.reason,
                UnreadableReason::TlsFailed
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_authority_is_trusted_for_its_host_only() {
    let Ok(path) = std::env::var("DBM_TEST_POSTGRES_CA") else {
        println!("left out: DBM_TEST_POSTGRES_CA is not set");
        return;
    };
    let ca = std::fs::read(path).unwrap();
    Db::with(async |db| {
        for ssl_mode in [
            SslMode::Disable,
            SslMode::Prefer,
            SslMode::Require,
            SslMode::VerifyFull,
        ] {
            let named = Target {
                host: "localhost".to_owned(),
                ssl_mode,
                ..db.as_role()
            };
            assert!(
                look(&named, Some(&ca), Look::default())
                    .await
                    .known()
                    .is_some(),
                "{ssl_mode:?}"
            );
            let other = Target {
                host: "127.0.0.1".to_owned(),
                ssl_mode,
                ..db.as_role()
            };
            assert_eq!(
                unknown(&other, Some(&ca)).await.reason,
                UnreadableReason::TlsFailed,
                "{ssl_mode:?}"
            );
        }
        let any_host = Target {
            host: "127.0.0.1".to_owned(),
            ssl_mode: SslMode::VerifyCa,
            ..db.as_role()
        };
        assert!(
            look(&any_host, Some(&ca), Look::default())
                .await
                .known()
                .is_some()
        );
    })
    .await;
}

#[tokio::test]
async fn a_table_locked_against_readers_names_who_holds_it() {
    Db::with(async |db| {
        db.run("CREATE TABLE \"Locked one\" (id int DEFAULT 1 + 1)")
            .await;
        let mut holder = db.session("portal").await;
        run(&mut holder, "BEGIN; LOCK TABLE \"Locked one\"").await;
        let found = match look(
            &db.as_admin(),
            None,
            Look {
                catalog: true,
                ..Look::default()
            },
        )
        .await
        {
            Reading::Unknown(unreadable) => unreadable,
            // Older servers read a definition without a lock.
            Reading::Known(_) => return,
        };
        assert_eq!(found.reason, UnreadableReason::WaitingLock);
        for part in ["\"Locked one\"", "pid ", "portal, idle in transaction"] {
            assert!(found.message.contains(part), "{}", found.message);
        }
    })
    .await;
}

//! The other databases of a server, by name: whatever they are called.

use database_migration_operator::database::Look;
use database_migration_operator::facts::OtherDatabases;
use sqlx::{Connection, PgConnection};

use crate::harness::{Db, known, run};

const OTHERS: Look = Look {
    catalog: false,
    objects: false,
    others: true,
};

/// Names that PostgreSQL allows.
const ODD: [&str; 4] = [
    r"it's a \ name",
    "donn\u{e9}es",
    "line\nand \u{1b}[31mcolour",
    "\u{202e}turned",
];

async fn others(db: &Db) -> OtherDatabases {
    known(&db.as_role(), OTHERS).await.others.unwrap()
}

#[tokio::test]
async fn a_plain_role_sees_their_names_made_harmless() {
    Db::with(async |db| {
        let prefix = format!("{} ", db.name);
        let mut session = db.session("test").await;
        let quoted = |name: &str| format!("\"{prefix}{}\"", name.replace('"', "\"\""));
        for name in ODD {
            run(&mut session, &format!("CREATE DATABASE {}", quoted(name))).await;
        }
        let template = format!("{prefix}template");
        run(
            &mut session,
            &format!("CREATE DATABASE \"{template}\" IS_TEMPLATE true"),
        )
        .await;
        let closed = format!("{prefix}closed");
        run(
            &mut session,
            &format!("CREATE DATABASE \"{closed}\" ALLOW_CONNECTIONS false"),
        )
        .await;
        // A name that is no text in the encoding of the database that is looked at.
        let latin = format!("{prefix}latin");
        run(
            &mut session,
            &format!("CREATE DATABASE \"{latin}\" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"),
        )
        .await;
        let mut there = connected(db, &latin).await;
        let foreign = quoted("na\u{ef}ve");
        run(&mut there, &format!("CREATE DATABASE {foreign}")).await;

        let seen = others(db).await;
        let own: Vec<&str> = seen
            .first
            .iter()
            .filter_map(|other| other.name.strip_prefix(&prefix))
            .collect();
        assert!(seen.count as usize >= own.len());
        // From where the names are in another encoding.
        let elsewhere = known(
            &database_migration_operator::database::Target {
                database: latin.clone(),
                ..db.as_admin()
            },
            OTHERS,
        )
        .await;
        let elsewhere = elsewhere.others.unwrap();

        run(&mut there, &format!("DROP DATABASE {foreign}")).await;
        there.close().await.unwrap();
        run(
            &mut session,
            &format!("ALTER DATABASE \"{template}\" IS_TEMPLATE false"),
        )
        .await;
        for name in ODD
            .map(quoted)
            .into_iter()
            .chain([&template, &closed, &latin].map(|name| format!("\"{name}\"")))
        {
            run(&mut session, &format!("DROP DATABASE {name}")).await;
        }

        let mut own = own;
        own.sort_unstable();
        let mut wanted = vec![
            r"it's a \ name",
            "donn\u{e9}es",
            "line\u{fffd}and \u{fffd}[31mcolour",
            "\u{fffd}turned",
            "latin",
            "na\u{fffd}ve",
        ];
        wanted.sort_unstable();
        assert_eq!(own, wanted);
        assert!(
            seen.first
                .iter()
                .all(|other| other.name != db.name && other.oid > 0)
        );
        assert!(elsewhere.first.iter().any(|other| other.name == db.name));
    })
    .await;
}

async fn connected(db: &Db, database: &str) -> PgConnection {
    let target = database_migration_operator::database::Target {
        database: database.to_owned(),
        ..db.as_admin()
    };
    crate::harness::connect(&target, "test").await
}

#[tokio::test]
async fn nobody_asks_unless_told() {
    Db::with(async |db| {
        assert_eq!(known(&db.as_role(), Look::default()).await.others, None);
    })
    .await;
}

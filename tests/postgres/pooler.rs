//! A connection pooler between a URL and its database, for real: PgBouncer. Whatever its mode and whatever it makes of the
//! settings of a session, it is told from a direct connection, and nothing is looked at through it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use database_migration_operator::database::{Target, restore_point};
use database_migration_operator::facts::{OBSERVER, Reading, UnreadableReason};
use rstest::rstest;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};

use crate::harness::{Db, run, unknown, until};

/// What a look sends, one by one.
const EACH: &str = "statement_timeout, lock_timeout, idle_in_transaction_session_timeout, default_transaction_read_only, \
    search_path, row_security, standard_conforming_strings, quote_all_identifiers, intervalstyle, jit";

/// PgBouncer before the test server, on a port of its own; dropped, it ends.
struct PgBouncer {
    process: Child,
    folder: PathBuf,
    port: u16,
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl PgBouncer {
    /// Before a database, with more lines in its configuration, and more behind what says where the database is.
    async fn start(db: &Db, more: &str, of_database: &str) -> PgBouncer {
        let target = db.as_admin();
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("dbm-pgbouncer-{}", db.name));
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let quoted = |text: &str| text.replace('"', "\"\"");
        let users = folder.join("users.txt");
        let user = format!(
            "\"{}\" \"{}\"\n",
            quoted(&target.user),
            quoted(target.password.reveal())
        );
        fs::write(&users, user).unwrap();
        let settings = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{name} = host={host} port={server} dbname={name} {of_database}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {users}\n\
             default_pool_size = 3\n{more}\n",
            name = db.name,
            host = target.host,
            server = target.port,
            users = users.display(),
        );
        fs::write(&settings, text).unwrap();
        let mut command = Command::new("pgbouncer");
        // It does not run as root.
        if is_root() {
            command.args(["-u", "nobody"]);
        }
        let process = command
            .arg(&settings)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "these tests need the program pgbouncer ({error}): apt-get install pgbouncer"
                )
            });
        let bouncer = PgBouncer {
            process,
            folder,
            port,
        };
        until(async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        bouncer
    }

    /// The superuser's way into the database through it.
    fn target(&self, db: &Db) -> Target {
        Target {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            ..db.as_admin()
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A client as Prisma's is: it sends no settings.
async fn client(target: &Target, application_name: &str) -> PgConnection {
    PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.user)
        .password(target.password.reveal())
        .database(&target.database)
        .application_name(application_name)
        .extra_float_digits(None)
        .statement_cache_capacity(0)
        .connect()
        .await
        .unwrap()
}

async fn assert_pooled(target: &Target, says: &str) {
    let unreadable = unknown(target, None).await;
    assert_eq!(
        unreadable.reason,
        UnreadableReason::UrlPooled,
        "{unreadable:?}"
    );
    for part in [says, "direct URL"] {
        assert!(
            unreadable.message.contains(part),
            "{part}: {}",
            unreadable.message
        );
    }
}

#[rstest]
#[tokio::test]
async fn is_told_from_a_direct_connection(
    #[values("transaction", "session", "statement")] mode: &str,
    #[values("", "extra_float_digits, options", EACH)] ignored: &str,
) {
    Db::with(async |db| {
        let more = format!("pool_mode = {mode}\nignore_startup_parameters = {ignored}");
        let bouncer = PgBouncer::start(db, &more, "").await;
        let target = bouncer.target(db);
        let says = if ignored.contains("options") {
            "did not reach"
        } else {
            "refuses the settings"
        };
        assert_pooled(&target, says).await;
        match restore_point(&target, None, "r1").await {
            Reading::Unknown(why) => assert_eq!(why.reason, UnreadableReason::UrlPooled),
            Reading::Known(point) => panic!("{point:?}"),
        }
        db.look().await;
    })
    .await;
}

/// Also where every server connection happens to have the settings: its owner set them there.
#[tokio::test]
async fn is_known_by_the_processes_that_answer() {
    Db::with(async |db| {
        let more = "pool_mode = transaction\nignore_startup_parameters = options\nserver_round_robin = 1\nmin_pool_size = 3";
        let settings = "connect_query='SET default_transaction_read_only = on; SET statement_timeout = \"10s\"; \
                        SET lock_timeout = \"2s\"; SET search_path = pg_catalog'";
        let bouncer = PgBouncer::start(db, more, settings).await;
        let target = bouncer.target(db);
        // As many connections to the server as there may be: one would answer everything.
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = client(&target, "web").await;
            run(&mut client, "BEGIN").await;
            clients.push(client);
        }
        for client in &mut clients {
            run(client, "COMMIT").await;
        }
        assert_pooled(&target, "several processes").await;
    })
    .await;
}

/// The lock of a migration that went through it stays on a connection to the server whose client is long gone. Whoever used
/// that connection last gave it its name: also the operator's own look, which is no migration.
#[rstest]
#[tokio::test]
async fn a_lock_that_was_left_on_its_connection_is_seen_as_that(
    #[values("pgbouncer-web", OBSERVER, "dbm/r1-1/main")] last: &str,
) {
    Db::with(async |db| {
        let more = "pool_mode = transaction\nignore_startup_parameters = options";
        let bouncer = PgBouncer::start(db, more, "pool_size=1").await;
        let target = bouncer.target(db);
        let mut migration = client(&target, "").await;
        run(&mut migration, "SELECT pg_advisory_lock(72707369)").await;
        drop(migration);
        let mut after = client(&target, last).await;
        run(&mut after, "SELECT 1").await;
        drop(after);
        tokio::time::sleep(Duration::from_millis(100)).await;

        // Through it nothing is looked at, so the look cannot meet itself.
        assert_pooled(&target, "did not reach").await;
        run(&mut client(&target, last).await, "SELECT 1").await;
        let facts = db.look().await;
        let holder = facts.lock_holder.unwrap();
        assert_eq!(holder.application_name, last);
        assert_eq!(holder.state.as_deref(), Some("idle"));
        assert_eq!(holder.transaction_seconds, None);
        let ours: Vec<i32> = facts
            .our_sessions
            .iter()
            .map(|session| session.pid)
            .collect();
        let expected = if last.starts_with("dbm/") {
            vec![holder.pid]
        } else {
            vec![]
        };
        assert_eq!(ours, expected);
    })
    .await;
}

/// A look that reads what a migration wants to change is not whom the migration waits for, as far as people are told.
#[tokio::test]
async fn a_look_is_no_blocker() {
    Db::with(async |db| {
        db.run("CREATE TABLE a (b int)").await;
        let mut look = db.session(OBSERVER).await;
        run(&mut look, "BEGIN; SELECT * FROM a").await;
        let mut migration = db.session("dbm/r1-1/main").await;
        let waits = tokio::spawn(async move {
            run(&mut migration, "ALTER TABLE a ADD c int").await;
        });
        until(async || {
            let sql =
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass";
            let mut session = db.session("test").await;
            let waiting: i64 = sqlx::query_scalar(sql)
                .fetch_one(&mut session)
                .await
                .unwrap();
            waiting == 1
        })
        .await;
        let facts = db.look().await;
        assert_eq!(facts.waits, [], "a look is over in a moment");
        assert_eq!(facts.our_sessions.len(), 1);
        run(&mut look, "COMMIT").await;
        waits.await.unwrap();
    })
    .await;
}

//! How the simulated world begins: two resources that share databases, and what will go wrong.

use database_migration_operator::api::{
    BackupSpec, ConnectionSpec, DatabaseMigrationSpec, DatabaseMigrationStatus, DatabaseSpec,
    Duration, LogsSpec, OnMigrationFailure, Policy, PreflightSpec, PrismaSpec, PullPolicy,
    RestorePointPolicy, RestoreSpec, RollbackSpec, SecretKeySelector, SmokeTestSpec, TimeoutsSpec,
    ValidationSpec,
};
use database_migration_operator::decide::Resource;

use super::world::{Fate, Object, World};

#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// 0 is 1.
    pub parallelism: u32,
    pub depends: bool,
    /// Which schema, which migration, and what becomes of it.
    pub fates: Vec<(usize, usize, u8)>,
    /// `rollback.onMigrationFailure: RevertIfClean`.
    pub revert: bool,
    /// There is a restore command, and this becomes of it.
    pub restore: Option<u8>,
    /// Smoke tests: after which database (0: the end), attempts, what becomes of it.
    pub tests: Vec<(u8, u32, u8)>,
    /// The schema whose migrations print what is denied.
    pub denied: Option<usize>,
    pub watch: bool,
    /// Restore points: 0 best effort, 1 required, 2 none.
    pub points: u8,
    /// The role may not make restore points.
    pub forbidden: bool,
    /// One database has tables and no ledger.
    pub unknown_tables: bool,
    pub downs_fail: bool,
    /// All databases are on one server, and so many runs may be at work on it; 0: each has its own.
    pub room: u32,
}

pub const TARGETS: [&str; 4] = ["p0/public", "p1/public", "p2/one", "p2/two"];

pub fn database(name: &str, target: &str, depends_on: &[&str]) -> DatabaseSpec {
    DatabaseSpec {
        name: name.to_owned(),
        connection: ConnectionSpec {
            secret_key_ref: SecretKeySelector {
                name: target.to_owned(),
                key: "DATABASE_URL".to_owned(),
            },
            ca_from: None,
        },
        env_var: "DATABASE_URL".to_owned(),
        env: Vec::new(),
        prisma: PrismaSpec::default(),
        depends_on: depends_on.iter().map(|name| (*name).to_owned()).collect(),
    }
}

pub fn resource(number: usize, image: &str, databases: Vec<DatabaseSpec>) -> Object {
    let spec = DatabaseMigrationSpec {
        image: image.to_owned(),
        image_pull_policy: PullPolicy::default(),
        image_pull_secrets: Vec::new(),
        suspend: false,
        parallelism: 1,
        interval: Duration::new("1h"),
        history_limit: 10,
        databases,
        job: Default::default(),
        timeouts: TimeoutsSpec {
            unknown: Duration::new("1m"),
            ..TimeoutsSpec::default()
        },
        preflight: PreflightSpec::default(),
        validation: Default::default(),
        rollback: Default::default(),
    };
    let resource = Resource {
        name: format!("shop{number}"),
        namespace: "production".to_owned(),
        uid: format!("{number}{number}{number}{number}{number}{number}{number}{number}-uid"),
        generation: 1,
        deleting: false,
        namespace_deleting: false,
        finalizer: false,
        retry: None,
        suspended: false,
        frozen: false,
        spec,
        status: DatabaseMigrationStatus::default(),
    };
    Object {
        resource,
        version: 1,
        exists: true,
    }
}

/// What is proven before, verified after, and undone.
fn careful(setup: &Setup, spec: &mut DatabaseMigrationSpec) {
    spec.preflight.backup = BackupSpec {
        restore_point: [
            RestorePointPolicy::BestEffort,
            RestorePointPolicy::Required,
            RestorePointPolicy::None,
        ][usize::from(setup.points)],
    };
    let names: Vec<String> = spec.databases.iter().map(|d| d.name.clone()).collect();
    let test = |(number, (after, attempts, _)): (usize, &(u8, u32, u8))| SmokeTestSpec {
        name: format!("t{number}"),
        command: vec!["true".to_owned()],
        image: String::new(),
        after: match after {
            0 => String::new(),
            after => names[usize::from(*after - 1) % names.len()].clone(),
        },
        timeout: Duration::new("5m"),
        attempts: *attempts,
    };
    spec.validation = ValidationSpec {
        smoke_tests: setup.tests.iter().enumerate().map(test).collect(),
        logs: LogsSpec {
            policy: if setup.denied.is_some() {
                Policy::Deny
            } else {
                Policy::Warn
            },
            patterns: vec!["truncated".to_owned()],
        },
        watch: Duration::new(if setup.watch { "12s" } else { "0s" }),
    };
    spec.rollback = RollbackSpec {
        on_migration_failure: if setup.revert {
            OnMigrationFailure::RevertIfClean
        } else {
            OnMigrationFailure::Halt
        },
        restore: setup.restore.map(|_| RestoreSpec {
            image: "restore".to_owned(),
            command: vec!["restore".to_owned()],
            timeout: Duration::new("2h"),
        }),
        ..RollbackSpec::default()
    };
}

pub fn world(setup: &Setup) -> World {
    let mut world = World::new();
    let depends: &[&str] = if setup.depends { &["a"] } else { &[] };
    let four = vec![
        database("a", TARGETS[0], &[]),
        database("b", TARGETS[1], depends),
        database("c", TARGETS[2], &[]),
        database("d", TARGETS[3], &[]),
    ];
    let mut first = resource(1, "v2", four);
    first.resource.spec.parallelism = setup.parallelism.max(1);
    let two = vec![
        database("x", TARGETS[0], &[]),
        database("y", TARGETS[2], &[]),
    ];
    let mut second = resource(2, "v3", two);
    careful(setup, &mut first.resource.spec);
    careful(setup, &mut second.resource.spec);
    world.objects = vec![first, second];
    for (target, migration, fate) in &setup.fates {
        let fate = [
            Fate::Fails,
            Fate::FailsWithTraces,
            Fate::LockTimeout,
            Fate::FailsSilently,
            Fate::NotRecorded,
        ][usize::from(*fate)];
        let name = format!("{:02}00_base", migration + 1);
        world
            .fates
            .insert((TARGETS[*target].to_owned(), name), fate);
    }
    let tests = setup.tests.iter().enumerate();
    world.tests = tests
        .map(|(number, (_, _, fate))| (format!("t{number}"), *fate))
        .collect();
    world.restores = setup.restore.unwrap_or(0);
    world.downs_fail = setup.downs_fail;
    world.room = setup.room;
    world.may_point = !setup.forbidden;
    world.noisy = setup.denied.map(|target| TARGETS[target].to_owned());
    if setup.unknown_tables {
        let physical = world.databases.get_mut("p1").unwrap();
        let catalog = physical.content.catalog.entry("public".to_owned());
        catalog.or_default().insert("0100_base".to_owned());
    }
    world.remember();
    world
}

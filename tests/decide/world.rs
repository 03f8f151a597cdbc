//! The simulated world: Kubernetes objects, pods and databases as plain data. Nothing here knows how it is decided.

use std::collections::{BTreeMap, BTreeSet};

use database_migration_operator::api::{DatabaseMigrationStatus, StepKind, digest};
use database_migration_operator::decide::{JobPlan, LookWant, Resource};
use database_migration_operator::facts::{
    DatabaseFacts, DatabaseIdentity, JobFacts, JobProgress, Ledger, LedgerRow, NotStarted,
    Object as CatalogObject, ObjectKind, OtherDatabase, OtherDatabases, Session, TableName,
};
use database_migration_operator::tools::prisma;
use dbm_protocol::{DatabaseInventory, Migration, Problem};
use jiff::Timestamp;

pub use super::things::*;

/// Everything.
pub struct World {
    pub now: i64,
    pub objects: Vec<Object>,
    pub jobs: BTreeMap<String, Job>,
    /// Jobs whose names were given free and made again.
    pub buried: Vec<Job>,
    pub leases: BTreeMap<String, (String, u64)>,
    pub databases: BTreeMap<String, Physical>,
    pub pushes: BTreeMap<String, u32>,
    pub stored: BTreeMap<String, DatabaseInventory>,
    pub fates: BTreeMap<(String, String), Fate>,
    pub actions: Vec<Action>,
    /// What a human saw when they looked.
    pub seen: BTreeMap<usize, DatabaseMigrationStatus>,
    /// What becomes of smoke tests, by name: 0 passes, 1 fails, 2 fails at first, 3 takes too long.
    pub tests: BTreeMap<String, u8>,
    /// How often a test was run in a run.
    pub tried: BTreeMap<(String, String), u32>,
    /// What becomes of restores; see `work`.
    pub restores: u8,
    /// A down.sql fails.
    pub downs_fail: bool,
    /// How many runs may be at work on the only server; 0: each database has a server of its own.
    pub room: u32,
    /// The role may make restore points.
    pub may_point: bool,
    /// What images hold that are no `v<n>`.
    pub odd: BTreeMap<String, Vec<Odd>>,
    /// The images hold a configuration that cannot be read.
    pub config: bool,
    /// It names every table that is there without a ledger as another one's.
    pub external: bool,
    /// The API server refuses the Jobs of this step.
    pub refuses: Option<StepKind>,
    /// What else is wrong.
    pub trouble: Trouble,
    /// The schema whose migrations print a line that is denied.
    pub noisy: Option<String>,
    /// Who changed which row of a ledger: a resource, or `HAND`.
    pub touched: BTreeMap<String, BTreeSet<usize>>,
    /// What somebody finished by hand, by target and migration.
    pub mended: BTreeSet<(String, String)>,
    /// Who restored which physical database, and when.
    pub restored: BTreeMap<String, Vec<(usize, i64)>>,
    /// When the operator looked last.
    pub looked: i64,
    pub violations: Vec<String>,
    serial: u64,
}

/// Somebody with psql.
pub const HAND: usize = 99;

pub const START: i64 = 1_790_000_000;

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// The second migration cannot be undone in a transaction, the third and what is pushed again not at all.
fn down_sql(name: &str) -> Option<String> {
    match name {
        "0100_base" => Some(format!("DROP TABLE \"{name}\";")),
        "0200_base" => Some(format!("DROP INDEX CONCURRENTLY \"{name}_i\";")),
        _ => None,
    }
}

/// `p0/public` is the schema `public` of the physical database `p0`.
pub fn split(target: &str) -> (&str, &str) {
    target.split_once('/').unwrap()
}

impl World {
    pub fn new() -> Self {
        let mut world = World {
            now: START,
            objects: Vec::new(),
            jobs: BTreeMap::new(),
            buried: Vec::new(),
            leases: BTreeMap::new(),
            databases: BTreeMap::new(),
            pushes: BTreeMap::new(),
            stored: BTreeMap::new(),
            fates: BTreeMap::new(),
            actions: Vec::new(),
            seen: BTreeMap::new(),
            tests: BTreeMap::new(),
            tried: BTreeMap::new(),
            restores: 0,
            downs_fail: false,
            room: 0,
            may_point: true,
            odd: BTreeMap::new(),
            config: false,
            external: false,
            refuses: None,
            trouble: Trouble::default(),
            noisy: None,
            touched: BTreeMap::new(),
            mended: BTreeSet::new(),
            restored: BTreeMap::new(),
            looked: START,
            violations: Vec::new(),
            serial: 0,
        };
        for name in ["p0", "p1", "p2"] {
            let physical = Physical {
                readable: true,
                ..Physical::default()
            };
            world.databases.insert(name.to_owned(), physical);
        }
        world
    }

    pub fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn violate(&mut self, text: String) {
        let text = format!("t+{}: {text}", self.now - START);
        self.violations.push(text);
    }

    /// What an image holds for a schema now: `v<n>` has n migrations, and each push of its tag adds one.
    pub fn content(&self, image: &str, push: u32) -> Vec<String> {
        if let Some(odd) = self.odd.get(image) {
            return odd.iter().map(|migration| migration.name.clone()).collect();
        }
        let newest: u32 = image.trim_start_matches('v').parse().unwrap();
        let mut names: Vec<String> = (1..=newest).map(|n| format!("{n:02}00_base")).collect();
        names.extend((1..=push).map(|push| format!("{newest:02}{push:02}_pushed again")));
        names
    }

    pub fn inventory(&self, image: &str, push: u32, database: &str) -> DatabaseInventory {
        let mut inventory = self.held(image, push, database);
        inventory.problem = self.trouble.problem.map(|reason| Problem {
            reason,
            message: "this is wrong".to_owned(),
        });
        if let Some(change) = self.trouble.inventory {
            change(&mut inventory);
        }
        inventory
    }

    fn held(&self, image: &str, push: u32, database: &str) -> DatabaseInventory {
        let names = self.content(image, push);
        if let Some(odd) = self.odd.get(image) {
            return self.odd_inventory(odd, database);
        }
        DatabaseInventory {
            database: database.to_owned(),
            hash: digest(names.join("\n").as_bytes()),
            migrations: names
                .iter()
                .map(|name| Migration {
                    name: name.clone(),
                    sha256: digest(name.as_bytes()),
                    // Of two statements the first may have taken effect; one alone that fails leaves nothing.
                    sql: Some(format!(
                        "CREATE TABLE \"{name}\" (id int); COMMENT ON TABLE \"{name}\" IS 'made';"
                    )),
                    down_sql: down_sql(name),
                    ..Migration::default()
                })
                .collect(),
            external_unknown: self.config,
            ..DatabaseInventory::default()
        }
    }

    fn odd_inventory(&self, odd: &[Odd], database: &str) -> DatabaseInventory {
        let script = |table: &String| format!("CREATE TABLE IF NOT EXISTS \"{table}\" (id int);");
        let migration = |odd: &Odd| Migration {
            name: odd.name.clone(),
            sha256: digest(odd.content.as_bytes()),
            sql: Some(odd.makes.iter().map(script).collect::<String>() + "DELETE FROM a;"),
            ..Migration::default()
        };
        DatabaseInventory {
            database: database.to_owned(),
            hash: digest(format!("{odd:?}").as_bytes()),
            migrations: odd.iter().map(migration).collect(),
            external_unknown: self.config,
            ..DatabaseInventory::default()
        }
    }

    /// What a migration's checksum is of, by its name.
    fn text_of(&self, name: &str) -> String {
        let odd = self.odd.values().flatten().find(|odd| odd.name == name);
        odd.map_or(name, |odd| odd.content.as_str()).to_owned()
    }

    pub fn push(&self, image: &str) -> u32 {
        self.pushes.get(image).copied().unwrap_or(0)
    }

    pub fn applied(&self, target: &str) -> BTreeSet<String> {
        let (database, schema) = split(target);
        let rows = self.databases[database]
            .content
            .ledgers
            .get(schema)
            .cloned()
            .flatten();
        rows.unwrap_or_default()
            .iter()
            .filter(|row| prisma::row_state(row).is_applied())
            .map(|row| row.migration_name.clone())
            .collect()
    }

    /// The processes on one physical database: Prisma itself, or the backend it left.
    pub fn at_work(&self, database: &str) -> Vec<&Job> {
        self.jobs
            .values()
            .chain(&self.buried)
            .filter(|job| {
                let works = job.plan.step != StepKind::SmokeTest && job.process.is_some();
                works && split(&job.target).0 == database
            })
            .collect()
    }

    pub fn is_readable(&self, database: &str) -> bool {
        let physical = &self.databases[database];
        physical.readable && physical.down_until <= self.now
    }

    pub fn facts(&self, target: &str, want: LookWant) -> DatabaseFacts {
        let (database, schema) = split(target);
        let physical = &self.databases[database];
        let catalog = physical.content.catalog.get(schema);
        let table = |name: &String| TableName {
            schema: schema.to_owned(),
            name: name.clone(),
        };
        let tables = catalog.into_iter().flatten().map(table).collect();
        let ledger = match physical.content.ledgers.get(schema).cloned().flatten() {
            Some(rows) => Ledger::Rows(rows),
            None => Ledger::Absent { tables },
        };
        let objects = catalog.into_iter().flatten().flat_map(|name| {
            let object = |kind, part: &str| CatalogObject {
                kind,
                schema: schema.to_owned(),
                name: name.clone(),
                part: part.to_owned(),
            };
            [
                object(ObjectKind::Table, ""),
                object(ObjectKind::Column, "id"),
            ]
        });
        let stranger = (physical.stranger > self.now).then(|| Session {
            pid: 7,
            application_name: "psql".to_owned(),
            ..Session::default()
        });
        let mut facts = DatabaseFacts {
            identity: DatabaseIdentity {
                system_identifier: match self.room {
                    0 => format!("server of {database}"),
                    _ => super::servers::ONLY.to_owned(),
                },
                database_oid: 1,
                database: database.to_owned(),
                schema: schema.to_owned(),
            },
            server_version: 150_000,
            ledger,
            lock_holder: physical.lock.clone().or(stranger),
            our_sessions: self
                .at_work(database)
                .iter()
                .filter(|job| job.plan.step != StepKind::Restore)
                .filter_map(|job| job.process.as_ref())
                .map(|process| process.session.clone())
                .collect(),
            catalog: want.catalog.then(|| format!("{catalog:?}")),
            objects: want.objects.then(|| objects.collect()),
            others: want.others.then(|| self.others(database)),
            commits: physical.past.len() as i64,
            sees_activity: true,
            ..DatabaseFacts::default()
        };
        if let Some(change) = self.trouble.facts {
            change(&mut facts);
        }
        facts
    }

    /// What else is on the server of a database.
    fn others(&self, database: &str) -> OtherDatabases {
        let shared = self.room > 0;
        let names = self
            .databases
            .keys()
            .filter(|name| shared && *name != database);
        let first: Vec<OtherDatabase> = names
            .map(|name| OtherDatabase {
                oid: 1,
                name: name.clone(),
            })
            .collect();
        OtherDatabases {
            count: first.len() as u32,
            first,
        }
    }

    /// `AlreadyExists` with our uid is as good as made; a name that was free again is a new Job.
    pub fn create_job(&mut self, resource: usize, object: &Resource, plan: &JobPlan) {
        let old = self.jobs.get(&plan.name).is_some_and(|job| job.exists);
        if old {
            return;
        }
        if let Some(before) = self.jobs.remove(&plan.name) {
            self.buried.push(before);
        }
        let uid = format!("job-{}", self.serial());
        let target = object
            .spec
            .databases
            .iter()
            .find(|database| database.name == plan.database)
            .map(|database| database.connection.secret_key_ref.name.clone())
            .unwrap_or_default();
        let facts = JobFacts {
            name: plan.name.clone(),
            uid,
            owner_uid: Some(if self.trouble.foreign {
                "somebody else's".to_owned()
            } else {
                object.uid.clone()
            }),
            adopted: false,
            created_at: at(self.now),
            progress: JobProgress::NotStarted(NotStarted::default()),
            image_digest: None,
            pod: None,
            pod_going: false,
        };
        let taken = object.status.action.as_ref();
        let action = taken
            .filter(|taken| taken.job == plan.name)
            .map(|taken| taken.uid.clone());
        let entry = object
            .status
            .databases
            .iter()
            .find(|d| d.name == plan.database);
        let job = Job {
            facts,
            action,
            turn: entry.is_some_and(|entry| !entry.lease.is_empty()),
            plan: plan.clone(),
            resource,
            image: object.spec.image.clone(),
            target,
            exists: true,
            terminating: false,
            process: None,
            lost: false,
            wrote: false,
        };
        super::promises::at_creation(self, object, plan, job.action.is_some());
        if plan.step == StepKind::Migrate {
            super::invariants::at_creation(self, resource, object, plan);
        }
        self.jobs.insert(plan.name.clone(), job);
    }

    /// Keeps what every database holds by now.
    pub fn remember(&mut self) {
        for physical in self.databases.values_mut() {
            if physical
                .past
                .last()
                .is_none_or(|(_, last)| *last != physical.content)
            {
                physical.past.push((self.now, physical.content.clone()));
            }
        }
    }

    /// The row was changed.
    pub fn touch(&mut self, row: &str, by: usize) {
        self.touched.entry(row.to_owned()).or_default().insert(by);
    }

    /// The Job goes when its pod has ended; a pod that has not started goes at once.
    pub fn delete_job(&mut self, name: &str, uid: &str) {
        if let Some(job) = self.jobs.get_mut(name)
            && job.exists
            && job.facts.uid == uid
        {
            if matches!(job.facts.progress, JobProgress::Running { .. }) && !job.lost {
                job.terminating = true;
            } else {
                job.exists = false;
            }
        }
    }

    /// Prisma's own row in the ledger.
    pub fn row(&mut self, name: &str) -> LedgerRow {
        LedgerRow {
            id: format!("row-{}", self.serial()),
            checksum: digest(self.text_of(name).as_bytes()),
            migration_name: name.to_owned(),
            started_at: at(self.now),
            logs: None,
            ..LedgerRow::default()
        }
    }

    pub fn rows(&mut self, target: &str) -> &mut Vec<LedgerRow> {
        let (database, schema) = split(target);
        let physical = self.databases.get_mut(database).unwrap();
        let ledger = physical
            .content
            .ledgers
            .entry(schema.to_owned())
            .or_default();
        ledger.get_or_insert_default()
    }
}

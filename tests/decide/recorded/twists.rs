//! The same snapshot, but for one thing: what would be decided then. It covers what the simulated world never shows, at moments that no
//! schedule was written for.

use database_migration_operator::decide::{
    LeaseFacts, Refusal, Refused, ServerFacts, Snapshot, lease_name, server_name,
};
use database_migration_operator::facts::{
    ContainerEnd, DatabaseFacts, HeldPod, JobFacts, JobProgress, Ledger, NotStarted, OldJob,
    Reading, Session, Unreadable,
};
use dbm_protocol::Migration;
use jiff::SignedDuration;

use crate::troubles::{PODS, UNREAD};

/// Changes a snapshot; the number says how, where there are several ways.
type Twist = fn(&mut Snapshot, usize);

const TWISTS: &[(&str, Twist)] = &[
    ("deleted", |snapshot, n| {
        snapshot.resource.deleting = true;
        snapshot.resource.namespace_deleting = n.is_multiple_of(2);
    }),
    ("retried", |snapshot, _| {
        snapshot.resource.retry = Some("again".to_owned())
    }),
    ("suspended", |snapshot, n| {
        snapshot.resource.suspended = true;
        snapshot.resource.spec.suspend = n.is_multiple_of(2);
    }),
    ("frozen", |snapshot, _| snapshot.resource.frozen = true),
    ("another image", |snapshot, _| {
        snapshot.resource.spec.image = "v9".to_owned();
        snapshot.resource.generation += 1;
    }),
    ("a database cannot be read", |snapshot, n| {
        let at = n % snapshot.databases.len().max(1);
        for reading in snapshot.databases.values_mut().skip(at).take(1) {
            *reading = Reading::Unknown(Unreadable {
                reason: UNREAD[n % UNREAD.len()],
                message: "it cannot be read".to_owned(),
            });
        }
    }),
    ("no Job is there", |snapshot, _| {
        snapshot.jobs.values_mut().for_each(|job| *job = None)
    }),
    ("no Job is there that was made", |snapshot, _| {
        snapshot.made = snapshot.jobs.keys().cloned().collect();
        snapshot.jobs.values_mut().for_each(|job| *job = None);
    }),
    ("nothing is known of Jobs", |snapshot, _| {
        snapshot.jobs.clear()
    }),
    ("a minute later", |snapshot, _| later(snapshot, 60)),
    ("a day later", |snapshot, _| later(snapshot, 86_400)),
    ("pods do not start", |snapshot, n| {
        let (word, message, _) = PODS[n % PODS.len()];
        let why = NotStarted {
            reason: word.to_owned(),
            message: message.to_owned(),
            silent: false,
        };
        progress(snapshot, &JobProgress::NotStarted(why));
        later(snapshot, [5, 90, 3600][n % 3]);
    }),
    ("an image is being pulled", |snapshot, n| {
        let why = NotStarted {
            reason: "Pulling".to_owned(),
            message: "registry.example/shop:v2".to_owned(),
            silent: false,
        };
        progress(snapshot, &JobProgress::NotStarted(why));
        later(snapshot, [5, 90, 3600][n % 3]);
    }),
    ("pods are lost", |snapshot, _| {
        progress(
            snapshot,
            &JobProgress::Lost {
                message: "the node is gone".to_owned(),
            },
        )
    }),
    ("pods ended without a word", |snapshot, n| {
        let end = ContainerEnd {
            exit_code: [0, 1, 137, 143][n % 4],
            reason: ["Completed", "Error", "OOMKilled", "Error"][n % 4].to_owned(),
            said: String::new(),
            finished_at: snapshot.now,
            summary: None,
        };
        progress(snapshot, &JobProgress::Ended(end));
    }),
    ("Jobs are somebody else's", |snapshot, _| {
        each_job(snapshot, |job| {
            job.owner_uid = Some("somebody else's".to_owned())
        });
    }),
    ("something is refused", |snapshot, n| {
        let refusal = Refusal {
            what: [
                Refused::Job,
                Refused::Foreign,
                Refused::Log,
                Refused::Inventory,
            ][n % 4],
            message: "denied by a policy".to_owned(),
            since: snapshot.now - SignedDuration::from_secs([1, 30, 120][n % 3]),
            passing: n.is_multiple_of(2),
        };
        let run = snapshot.resource.status.run.as_ref();
        let open = run
            .iter()
            .flat_map(|run| &run.steps)
            .filter(|step| step.finished_at.is_none());
        let names: Vec<String> = open.map(|step| step.job.clone()).collect();
        snapshot
            .refusals
            .extend(names.into_iter().map(|name| (name, refusal.clone())));
    }),
    ("things are left over", |snapshot, n| {
        let (resource, now) = (&snapshot.resource, snapshot.now);
        let me = format!("{}/{}/{}", resource.namespace, resource.name, resource.uid);
        snapshot.left_turns = vec![("dbm-left".to_owned(), format!("{me}/r0-left"))];
        snapshot.old_jobs = ["r0-left", "r1-11111111"]
            .map(|run| OldJob {
                name: format!("old-{run}"),
                uid: format!("uid of old-{run}"),
                run: run.to_owned(),
                adopted: n.is_multiple_of(2),
            })
            .to_vec();
        let held = |job: &String| HeldPod {
            name: format!("{job}-abcde"),
            uid: format!("uid of {job}-abcde"),
            job: job.clone(),
            ended_at: now - SignedDuration::from_secs([1, 100, 10_000][n % 3]),
            grace: (n % 4 < 2).then_some(30),
        };
        snapshot.held_pods = snapshot.jobs.keys().map(held).collect();
    }),
    ("a turn is somebody else's", |snapshot, n| {
        let lease = LeaseFacts {
            holder: "production/other/9-uid/r1-99999999".to_owned(),
            holder_gone: n.is_multiple_of(2),
            holder_hidden: n % 4 == 1,
            resource_version: "7".to_owned(),
        };
        let names: Vec<String> = known(snapshot)
            .map(|facts| lease_name(&facts.identity))
            .collect();
        snapshot
            .leases
            .extend(names.into_iter().map(|name| (name, lease.clone())));
    }),
    ("the servers are full", |snapshot, n| {
        let full = ServerFacts {
            limit: 1,
            at_work: u32::from(n.is_multiple_of(2)),
            ahead: 1,
        };
        let names: Vec<String> = known(snapshot)
            .map(|facts| server_name(&facts.identity).to_owned())
            .collect();
        snapshot
            .servers
            .extend(names.into_iter().map(|name| (name, full)));
    }),
    ("sessions of ours are left", |snapshot, n| {
        let session = session("dbm", 4711);
        for facts in known(snapshot) {
            facts.our_sessions.push(session.clone());
            facts.lock_holder = n.is_multiple_of(2).then(|| session.clone());
        }
    }),
    ("somebody holds Prisma's lock", |snapshot, _| {
        known(snapshot).for_each(|facts| facts.lock_holder = Some(session("psql", 7)));
    }),
    ("nobody may see sessions", |snapshot, _| {
        known(snapshot).for_each(|facts| facts.sees_activity = false)
    }),
    ("the ledgers are gone", |snapshot, n| {
        known(snapshot).for_each(|facts| match n % 3 {
            0 => facts.ledger = Ledger::default(),
            1 => facts.ledger = Ledger::Rows(Vec::new()),
            _ => {
                facts.ledger = Ledger::NoRight {
                    grant: "GRANT SELECT".to_owned(),
                }
            }
        });
    }),
    ("the last row is otherwise", |snapshot, n| {
        let now = snapshot.now;
        for facts in known(snapshot) {
            let Ledger::Rows(rows) = &mut facts.ledger else {
                continue;
            };
            let Some(row) = rows.last_mut() else { continue };
            match n % 5 {
                0 => row.finished_at = None,
                1 => {
                    (row.finished_at, row.logs) =
                        (None, Some("Database error code: 42703".to_owned()))
                }
                2 => row.rolled_back_at = Some(now),
                3 => row.checksum = "edited".to_owned(),
                _ => drop(rows.pop()),
            }
        }
    }),
    ("another database stands there", |snapshot, n| {
        known(snapshot).for_each(|facts| {
            facts.identity.database_oid = 2;
            if n.is_multiple_of(2) {
                facts.identity.system_identifier = "another server".to_owned();
            }
        });
    }),
    ("rights are missing", |snapshot, _| {
        known(snapshot).for_each(|facts| {
            facts.lacks = Some("GRANT CREATE ON SCHEMA public TO app;".to_owned())
        });
    }),
    ("indexes are INVALID", |snapshot, _| {
        known(snapshot).for_each(|facts| facts.invalid_indexes = vec!["public.slow".to_owned()]);
    }),
    ("no session of ours is there", |snapshot, _| {
        known(snapshot).for_each(|facts| {
            facts.our_sessions.clear();
            facts.lock_holder = None;
        });
        later(snapshot, 180);
    }),
    ("constraints are NOT VALID", |snapshot, _| {
        known(snapshot).for_each(|facts| {
            facts.not_valid_constraints = vec!["public.orders_check".to_owned()];
            facts.prisma_contract = Some("prisma_contract".to_owned());
        });
    }),
    ("indexes are built CONCURRENTLY", |snapshot, n| {
        let script = "CREATE INDEX CONCURRENTLY slow ON a (id);";
        each_migration(snapshot, |migration| {
            migration.sql = Some(script.to_owned())
        });
        known(snapshot).for_each(|facts| {
            if n.is_multiple_of(2) {
                facts.old_snapshots = vec![session("pg_dump", 8)];
            }
        });
    }),
    ("a script repeats another", |snapshot, _| {
        for inventory in snapshot.inventories.values_mut() {
            if let Some(first) = inventory.migrations.first().cloned() {
                let name = "9900_again".to_owned();
                inventory.migrations.push(Migration { name, ..first });
            }
        }
    }),
    ("scripts cannot be read", |snapshot, _| {
        each_migration(snapshot, |migration| {
            migration.sql = None;
            migration.unreadable = Some("permission denied".to_owned());
        });
    }),
    ("the report cannot be read", |snapshot, _| {
        snapshot.report = Some(Err("it is cut off".to_owned()))
    }),
    ("nothing is stored", |snapshot, _| {
        snapshot.inventories.clear()
    }),
    ("its turn to be looked at", |snapshot, _| {
        snapshot.look_due = !snapshot.look_due
    }),
];

/// One of them, another in each round.
pub fn of(snapshot: &Snapshot, round: usize) -> (&'static str, Snapshot) {
    let (name, twist) = TWISTS[round % TWISTS.len()];
    let mut twisted = snapshot.clone();
    twist(&mut twisted, round / TWISTS.len());
    (name, twisted)
}

fn later(snapshot: &mut Snapshot, seconds: i64) {
    snapshot.now += SignedDuration::from_secs(seconds);
}

fn each_job(snapshot: &mut Snapshot, change: impl Fn(&mut JobFacts)) {
    snapshot.jobs.values_mut().flatten().for_each(change);
}

fn progress(snapshot: &mut Snapshot, progress: &JobProgress) {
    each_job(snapshot, |job| job.progress = progress.clone());
}

fn each_migration(snapshot: &mut Snapshot, change: impl Fn(&mut Migration)) {
    let inventories = snapshot.inventories.values_mut();
    inventories
        .flat_map(|inventory| &mut inventory.migrations)
        .for_each(change);
}

fn known(snapshot: &mut Snapshot) -> impl Iterator<Item = &mut DatabaseFacts> {
    snapshot
        .databases
        .values_mut()
        .filter_map(|reading| match reading {
            Reading::Known(facts) => Some(facts),
            Reading::Unknown(_) => None,
        })
}

fn session(name: &str, pid: i32) -> Session {
    Session {
        pid,
        application_name: name.to_owned(),
        ..Session::default()
    }
}

//! What else is on the server of a database: read where what a restore loses is counted, and said where one is offered.

use std::collections::BTreeMap;

use database_migration_operator::api::{
    DatabaseStatus, InstanceStatus, OtherDatabaseStatus, RestoreSpec, RunOutcome, spec_hash,
};
use database_migration_operator::decide::{Snapshot, decide, wants};
use database_migration_operator::facts::{OtherDatabase, OtherDatabases, Reading};

use super::operator::Operator;
use super::schedule::second;
use super::setup::{self, Setup};
use super::world::at;

/// After the first look at rest, which also sees databases of which nothing was pending.
fn ended(setup: &Setup) -> Vec<DatabaseStatus> {
    let mut world = setup::world(setup);
    let mut operator = Operator::new(world.objects.len());
    (0..3_700).for_each(|_| second(&mut world, &mut operator));
    world.objects[0].resource.status.databases.clone()
}

/// What the offer says, and since when it loses what was written.
#[test]
fn the_offer_names_them() {
    let mut world = setup::world(&one_server(Some(0)));
    let mut operator = Operator::new(world.objects.len());
    (0..90).for_each(|_| second(&mut world, &mut operator));
    let status = &world.objects[0].resource.status;
    let offer = status.choices.last().unwrap();
    assert!(offer.command.contains(" restore "), "{offer:?}");
    assert!(
        offer.title.ends_with(
            "; if the command restores the whole instance, 2 other databases on the server too: p1 (b of this resource), p2 (c, d of this resource)"
        ),
        "{offer:?}"
    );
    let point = status.databases[0].restore_point.clone().unwrap();
    assert_eq!(offer.loses_since, point.at);
}

fn other(name: &str, of_resource: &[&str]) -> OtherDatabaseStatus {
    OtherDatabaseStatus {
        name: name.to_owned(),
        of_resource: of_resource.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn one_server(restore: Option<u8>) -> Setup {
    Setup {
        parallelism: 1,
        restore,
        room: 5,
        ..Setup::default()
    }
}

#[test]
fn every_database_of_the_server_is_named_and_those_of_the_resource_are_told_apart() {
    let databases = ended(&one_server(Some(0)));
    let instance = |at: usize| databases[at].instance.clone().unwrap();
    assert_eq!(
        instance(0),
        InstanceStatus {
            others: vec![other("p1", &["b"]), other("p2", &["c", "d"])],
            others_count: 2,
            same_database: Vec::new(),
        }
    );
    assert_eq!(
        instance(2),
        InstanceStatus {
            others: vec![other("p0", &["a"]), other("p1", &["b"])],
            others_count: 2,
            same_database: vec!["d".to_owned()],
        }
    );
}

#[test]
fn on_servers_of_their_own_there_is_nothing_else() {
    let databases = ended(&Setup {
        room: 0,
        ..one_server(Some(0))
    });
    assert_eq!(databases[0].instance, Some(InstanceStatus::default()));
    let together = databases[2].instance.clone().unwrap();
    assert_eq!(
        (together.others_count, together.same_database),
        (0, vec!["d".to_owned()])
    );
}

#[test]
fn without_a_restore_command_nobody_asks() {
    let databases = ended(&one_server(None));
    assert!(databases.iter().all(|entry| entry.instance.is_none()));
}

/// A run that went well, whose next look is due.
fn at_rest() -> Snapshot {
    let mut snapshot = super::cases::snapshot(2);
    super::cases::settle(&mut snapshot);
    snapshot.look_due = true;
    snapshot.resource.spec.rollback.restore = Some(RestoreSpec {
        image: "restore".to_owned(),
        command: vec!["restore".to_owned()],
        timeout: database_migration_operator::api::Duration::new("2h"),
    });
    let hash = spec_hash(&snapshot.resource.spec);
    let status = &mut snapshot.resource.status;
    let run = status.run.as_mut().unwrap();
    run.spec_hash = hash;
    run.steps.clear();
    run.started_at = Some(database_migration_operator::api::Time(at(0)));
    run.finished_at = run.started_at.clone();
    run.outcome = Some(RunOutcome::Succeeded);
    snapshot
}

#[test]
fn a_look_at_rest_asks_only_where_it_counts_what_a_restore_loses() {
    let mut snapshot = at_rest();
    let asked = |snapshot: &Snapshot| {
        let wants = wants(&snapshot.resource, &BTreeMap::new(), &[], true, at(0));
        wants.databases.values().filter(|look| look.others).count()
    };
    assert_eq!(asked(&snapshot), 2);
    snapshot.resource.spec.rollback.restore = None;
    let hash = spec_hash(&snapshot.resource.spec);
    snapshot.resource.status.run.as_mut().unwrap().spec_hash = hash;
    assert_eq!(asked(&snapshot), 0);
}

/// A server may hold thousands, with names of any length.
#[test]
fn what_stands_in_the_status_is_bounded_and_what_belongs_to_the_resource_comes_first() {
    let mut snapshot = at_rest();
    let facts = |snapshot: &Snapshot, name: &str| match &snapshot.databases[name] {
        Reading::Known(facts) => facts.clone(),
        Reading::Unknown(why) => panic!("{why:?}"),
    };
    for (name, oid) in [("db00", 1), ("db01", 2)] {
        let mut seen = facts(&snapshot, name);
        seen.identity.system_identifier = "7300000000000000001".to_owned();
        seen.identity.database_oid = oid;
        snapshot
            .databases
            .insert(name.to_owned(), Reading::Known(seen));
    }
    // What another look has read.
    let first = decide(&snapshot);
    if let Some(status) = first.status {
        snapshot.resource.status = *status;
    }
    let turn = database_migration_operator::decide::lease_name(&facts(&snapshot, "db01").identity);
    snapshot.resource.status.databases[1].turn = turn;
    let mut seen = facts(&snapshot, "db00");
    let other = |oid: u32, name: String| OtherDatabase { oid, name };
    let mut list: Vec<OtherDatabase> = (10..500)
        .map(|oid| other(oid, format!("{oid}{}", "é".repeat(90))))
        .collect();
    list.push(other(2, "db01".to_owned()));
    seen.others = Some(OtherDatabases {
        count: 4711,
        first: list,
    });
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Known(seen));
    let status = decide(&snapshot).status.unwrap();
    let instance = status.databases[0].instance.clone().unwrap();
    assert_eq!((instance.others_count, instance.others.len()), (4711, 20));
    assert_eq!(
        (
            instance.others[0].name.as_str(),
            instance.others[0].of_resource.as_slice()
        ),
        ("db01", &["db01".to_owned()][..])
    );
    assert!(instance.others.iter().all(|other| other.name.len() <= 128));
}

/// A role that may not ask the server who it is: one name and one number are the same on many servers.
#[test]
fn a_server_that_does_not_say_who_it_is_shares_nothing_that_is_known() {
    let mut snapshot = at_rest();
    let Reading::Known(mut seen) = snapshot.databases["db00"].clone() else {
        panic!("it is read");
    };
    seen.others = Some(OtherDatabases {
        count: 1,
        first: vec![OtherDatabase {
            oid: 0,
            name: "db01".to_owned(),
        }],
    });
    let Reading::Known(second) = snapshot.databases["db01"].clone() else {
        panic!("it is read");
    };
    assert_eq!(second.identity.system_identifier, "");
    snapshot.resource.status.databases[1].turn =
        database_migration_operator::decide::lease_name(&second.identity);
    snapshot
        .databases
        .insert("db00".to_owned(), Reading::Known(seen));
    let status = decide(&snapshot).status.unwrap();
    let instance = status.databases[0].instance.clone().unwrap();
    assert_eq!(instance.others, [other("db01", &[])]);
}

//! PURE. From what somebody typed, and the state that they looked at, to the MigrationAction that says so.

use jiff::Timestamp;
use kube::ResourceExt;

use super::args::{Act, Which, verb};
use super::exit::Failure;
use super::text::safe;
use crate::api::{
    ActionKind, DatabaseMigration, DatabaseStatus, MigrationActionSpec, RestoreTarget, Time,
};

/// What somebody wants done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// What.
    pub kind: ActionKind,
    /// The database, if they named one.
    pub database: Option<String>,
    /// The migration, if they named one.
    pub migration: Option<String>,
    /// Where a restore goes back to, if they said so.
    pub target: Option<String>,
    /// The run they looked at, if they named one.
    pub run: Option<String>,
    /// The plan they looked at, if they named one.
    pub plan: Option<String>,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// Whatever the operator sees against it.
    pub force: bool,
}

impl Wish {
    /// An action of a kind, with what every action may have.
    pub fn new(kind: ActionKind, act: &Act) -> Self {
        Wish {
            kind,
            run: act.run.clone(),
            reason: act.reason.clone(),
            ..Wish::default()
        }
    }
}

/// Whether an action has to say why by itself.
pub fn needs_reason(kind: ActionKind) -> bool {
    !matches!(kind, ActionKind::Retry | ActionKind::Abort)
}

/// Whether a reason has words: the commands that a status offers have `--reason ...`, to be filled in.
pub fn says_something(reason: &str) -> bool {
    reason.chars().any(char::is_alphanumeric)
}

/// The reason as it is recorded.
///
/// # Errors
/// Where one is needed and not given, or is too short or too long.
pub fn reason(kind: ActionKind, given: Option<&str>) -> Result<String, Failure> {
    let given = given.filter(|text| says_something(text)).map(str::trim);
    let verb = verb(kind);
    match given {
        None if needs_reason(kind) => Err(Failure::usage(format!(
            "{verb} is recorded with its reason: add --reason \"why\", 3 to 500 characters"
        ))),
        None => Ok(format!("{verb} by kubectl dbm")),
        Some(text) if (3..=500).contains(&text.chars().count()) => Ok(text.to_owned()),
        Some(text) => Err(Failure::usage(format!(
            "the reason has {} characters; it must have 3 to 500",
            text.chars().count()
        ))),
    }
}

/// The spec of the MigrationAction, all of it as it was looked at.
///
/// # Errors
/// Where the state does not have what the action needs, or what was typed does not fit it. Nothing is guessed.
pub fn spec(
    resource: &DatabaseMigration,
    wish: &Wish,
    requested_by: &str,
) -> Result<MigrationActionSpec, Failure> {
    let name = resource.name_any();
    let status = resource.status.clone().unwrap_or_default();
    let run = match (&wish.run, &status.run) {
        (Some(run), _) => run.clone(),
        (None, Some(run)) => run.id.clone(),
        (None, None) => {
            return Err(Failure::human(format!(
                "{name} has no run yet, so there is nothing to decide about: {}",
                command(resource, "status")
            )));
        }
    };
    let mut spec = MigrationActionSpec {
        migration: name,
        run,
        action: wish.kind,
        requested_by: requested_by.to_owned(),
        reason: reason(wish.kind, wish.reason.as_deref())?,
        force: wish.force,
        ..MigrationActionSpec::default()
    };
    if wish.force && wish.kind == ActionKind::DownMigration {
        return Err(Failure::usage(
            "down is not carried out against what the operator sees: leave out --force",
        ));
    }
    match wish.kind {
        ActionKind::Retry | ActionKind::AcceptValidation | ActionKind::Abort => {}
        ActionKind::MarkApplied | ActionKind::MarkRolledBack => {
            let database = database(resource, wish)?;
            (spec.migration_name, spec.ledger_row) = judged(resource, &database, wish)?;
            spec.database = database.name;
        }
        ActionKind::DownMigration => {
            let database = database(resource, wish)?;
            spec.migration_name = match &wish.migration {
                Some(migration) => migration.clone(),
                None => failed_name(resource, &database, wish.kind)?,
            };
            spec.database = database.name;
        }
        ActionKind::Baseline => {
            spec.database = database(resource, wish)?.name;
            spec.migration_name = wish.migration.clone().ok_or_else(|| {
                Failure::usage("baseline needs --migration, the last one that the database holds")
            })?;
            spec.plan_hash = wish.plan.clone().unwrap_or(status.plan_hash);
            if spec.plan_hash.is_empty() {
                return Err(Failure::human(format!(
                    "{} has no plan yet, and a baseline is bound to the plan that was looked at: {}",
                    spec.migration,
                    command(resource, "plan")
                )));
            }
        }
        ActionKind::Restore => {
            let database = database(resource, wish)?;
            spec.target = Some(target(&database, wish.target.as_deref())?);
            spec.database = database.name;
        }
    }
    Ok(spec)
}

/// The database that was named, or the only one that it can be.
fn database(resource: &DatabaseMigration, wish: &Wish) -> Result<DatabaseStatus, Failure> {
    let name = resource.name_any();
    let names: Vec<&str> = resource
        .spec
        .databases
        .iter()
        .map(|database| database.name.as_str())
        .collect();
    let statuses: &[DatabaseStatus] = resource
        .status
        .as_ref()
        .map_or(&[], |status| status.databases.as_slice());
    let known = |name: &str| {
        let found = statuses.iter().find(|database| database.name == name);
        found.cloned().unwrap_or_else(|| DatabaseStatus {
            name: name.to_owned(),
            ..DatabaseStatus::default()
        })
    };
    if let Some(wanted) = &wish.database {
        if !names.contains(&wanted.as_str()) {
            return Err(Failure::usage(format!(
                "{name} has no database {}; it has: {}",
                safe(wanted),
                names.join(", ")
            )));
        }
        return Ok(known(wanted));
    }
    let failed: Vec<&DatabaseStatus> = statuses.iter().filter(|d| d.failed.is_some()).collect();
    match (failed.as_slice(), names.as_slice()) {
        ([one], _) => Ok((*one).clone()),
        ([], [only]) => Ok(known(only)),
        ([], _) => Err(Failure::usage(format!(
            "no database of {name} has failed, so say which one: --database {}",
            names.join("|")
        ))),
        (several, _) => {
            let several: Vec<&str> = several.iter().map(|d| d.name.as_str()).collect();
            Err(Failure::usage(format!(
                "several databases of {name} have failed, so say which one: --database {}",
                several.join("|")
            )))
        }
    }
}

/// A command of this program about a resource.
pub fn command(resource: &DatabaseMigration, verb: &str) -> String {
    format!(
        "kubectl dbm {verb} {} -n {}",
        safe(&resource.name_any()),
        safe(&resource.namespace().unwrap_or_default())
    )
}

fn failed_name(
    resource: &DatabaseMigration,
    database: &DatabaseStatus,
    kind: ActionKind,
) -> Result<String, Failure> {
    match &database.failed {
        Some(failed) if !failed.name.is_empty() => Ok(failed.name.clone()),
        Some(_) => Err(Failure::human(format!(
            "{}: Prisma failed before it came to a migration, so there is none for {}; mend the cause, then: {}",
            database.name,
            verb(kind),
            command(resource, "retry")
        ))),
        None if kind == ActionKind::DownMigration => Err(Failure::usage(format!(
            "{}: no migration failed, so say which one is to be undone: --migration NAME",
            database.name
        ))),
        None => Err(Failure::human(format!(
            "{}: no migration failed, so there is no row to be judged: see {}",
            database.name,
            command(resource, "status")
        ))),
    }
}

/// The failed migration and its row, which somebody judged.
fn judged(
    resource: &DatabaseMigration,
    database: &DatabaseStatus,
    wish: &Wish,
) -> Result<(String, String), Failure> {
    let failed = failed_name(resource, database, wish.kind)?;
    if let Some(wanted) = &wish.migration
        && *wanted != failed
    {
        return Err(Failure::usage(format!(
            "{}: the migration that failed is {}, not {}",
            database.name,
            safe(&failed),
            safe(wanted)
        )));
    }
    let row = database
        .failed
        .as_ref()
        .map_or(String::new(), |failed| failed.ledger_row.clone());
    if row.is_empty() {
        return Err(Failure::human(format!(
            "{}: {} has no row in _prisma_migrations that could be marked: it never began there; mend the cause, then: {}",
            database.name,
            safe(&failed),
            command(resource, "retry")
        )));
    }
    Ok((failed, row))
}

/// A restore point's name or an instant; what was not said is the run's restore point, by its name if it has one.
fn target(database: &DatabaseStatus, given: Option<&str>) -> Result<RestoreTarget, Failure> {
    if let Some(given) = given {
        return match given.parse::<Timestamp>() {
            Ok(time) => Ok(RestoreTarget {
                time: Some(Time(time)),
                ..RestoreTarget::default()
            }),
            Err(_) if given.is_empty() || given.len() > 63 => Err(Failure::usage(
                "--target is a restore point's name, at most 63 bytes, or a time like 2026-11-22T03:02:11Z",
            )),
            Err(_) => Ok(RestoreTarget {
                restore_point: given.to_owned(),
                ..RestoreTarget::default()
            }),
        };
    }
    let point = database.restore_point.as_ref();
    match point {
        Some(point) if !point.name.is_empty() => Ok(RestoreTarget {
            restore_point: point.name.clone(),
            ..RestoreTarget::default()
        }),
        Some(point) if point.at.is_some() => Ok(RestoreTarget {
            time: point.at.clone(),
            ..RestoreTarget::default()
        }),
        _ => Err(Failure::usage(format!(
            "{}: the run made no restore point, so say where to go back to: --target 2026-11-22T03:02:11Z",
            database.name
        ))),
    }
}

/// The name, or a selector, as words for a message.
pub fn which(which: &Which) -> String {
    match (&which.name, &which.selector) {
        (Some(name), _) => safe(name),
        (None, selector) => format!("-l {}", safe(selector.as_deref().unwrap_or_default())),
    }
}

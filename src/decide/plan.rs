//! The plan of one database: inventory against ledger.

use std::collections::{BTreeMap, BTreeSet};

use dbm_agent::protocol::{DatabaseInventory, Migration, ProblemReason};

use crate::api::{FailedStatus, FindingKind, FindingStatus, HistorySpec, Policy, digest, reasons};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow};
use crate::tools::prisma::{self, RowState};

/// What is to be done on one database, and what stands against it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatabasePlan {
    /// Migrations in the image.
    pub total: usize,
    /// Of those, applied.
    pub applied: usize,
    /// Of those, to be applied, in order.
    pub pending: Vec<String>,
    /// What is worth a look.
    pub findings: Vec<FindingStatus>,
    /// The ledger holds all of the image and newer ones.
    pub ahead: bool,
    /// Why nothing may start.
    pub blocker: Option<Blocker>,
    /// The migration of an earlier run whose row blocks every deploy.
    pub open: Option<FailedStatus>,
}

/// Why nothing may start on a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// A reason of `reasons`.
    pub reason: &'static str,
    /// What happened and what to do.
    pub message: String,
    /// The command for it.
    pub next: String,
}

impl Blocker {
    /// What an image that holds something else might not be blocked by.
    pub(super) fn is_of_image(&self) -> bool {
        ![
            reasons::DUPLICATE_DATABASE,
            reasons::LEDGER_FORBIDDEN,
            reasons::RIGHT_MISSING,
            reasons::BASELINE_NEEDED,
            reasons::FAILED_ROW_FOUND,
            reasons::UNFINISHED_ROW_FOUND,
        ]
        .contains(&self.reason)
    }
}

/// Compares what the image holds with what the ledger says.
pub fn plan(
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    history: &HistorySpec,
) -> DatabasePlan {
    if let Some(problem) = &inventory.problem {
        return blocked(problem_reason(problem.reason), problem.message.clone());
    }
    let rows: &[LedgerRow] = match &facts.ledger {
        Ledger::NoRight { grant } => {
            return blocked(
                reasons::LEDGER_FORBIDDEN,
                format!(
                    "{database}: the role may not read _prisma_migrations. Run as the table's owner: {grant} It goes on by itself."
                ),
            );
        }
        Ledger::Absent { objects } if *objects > 0 => {
            return blocked(
                reasons::BASELINE_NEEDED,
                format!(
                    "{database}: its schema {} holds {objects} tables or views and no _prisma_migrations, so Prisma refuses to deploy (P3005). Baseline it: say up to which migration it is there already; it goes on by itself.",
                    facts.identity.schema
                ),
            );
        }
        Ledger::Absent { .. } => &[],
        Ledger::Rows(rows) => rows,
    };
    let mut result = compare(inventory, rows, history);
    result.findings.extend(weak_spots(facts));
    if let Some((row, blocker)) = open_row(database, rows, facts, inventory) {
        // What somebody else migrates right now is nobody's to decide about.
        let busy = facts.lock_holder.is_some() && prisma::row_state(row) != RowState::Failed;
        result.open = (!busy).then(|| open_status(row, inventory));
        result.blocker = Some(blocker);
    } else {
        result.blocker =
            denied(database, &result.findings).or_else(|| lacking(database, facts, &result));
    }
    result
}

/// Prisma could not even record what it does.
fn lacking(database: &str, facts: &DatabaseFacts, plan: &DatabasePlan) -> Option<Blocker> {
    let grant = facts.lacks.as_ref().filter(|_| !plan.pending.is_empty())?;
    let ledger = matches!(facts.ledger, Ledger::Rows(_));
    let what = if ledger { "write to" } else { "make" };
    Some(Blocker {
        reason: reasons::RIGHT_MISSING,
        message: format!(
            "{database}: the role may not {what} Prisma's table _prisma_migrations in schema {}, so nothing was started. Run as the owner, or a superuser: {grant} It goes on by itself.",
            facts.identity.schema
        ),
        next: String::new(),
    })
}

/// What stands in the catalog and does not do what its name says, whoever left it.
fn weak_spots(facts: &DatabaseFacts) -> impl Iterator<Item = FindingStatus> + '_ {
    let spot = |kind| {
        move |name: &String| FindingStatus {
            kind,
            migration: name.clone(),
            policy: Policy::Warn,
            line: None,
            text: String::new(),
        }
    };
    let indexes = facts.invalid_indexes.iter();
    let constraints = facts.not_valid_constraints.iter();
    indexes
        .map(spot(FindingKind::InvalidIndex))
        .chain(constraints.map(spot(FindingKind::NotValidated)))
}

fn blocked(reason: &'static str, message: String) -> DatabasePlan {
    let blocker = Blocker {
        reason,
        message,
        next: String::new(),
    };
    DatabasePlan {
        blocker: Some(blocker),
        ..DatabasePlan::default()
    }
}

/// Pending, edited, unknown, ahead and out of order, by name.
fn compare(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    history: &HistorySpec,
) -> DatabasePlan {
    let applied: BTreeMap<&str, &LedgerRow> = rows
        .iter()
        .filter(|row| {
            matches!(
                prisma::row_state(row),
                RowState::Applied | RowState::AppliedByHand
            )
        })
        .map(|row| (row.migration_name.as_str(), row))
        .collect();
    let known: BTreeSet<&str> = inventory
        .migrations
        .iter()
        .map(|m| m.name.as_str())
        .collect();
    let newest_known = known.iter().next_back().copied().unwrap_or_default();
    let newest_applied = applied.keys().next_back().copied().unwrap_or_default();
    let mut findings = Vec::new();
    let mut find = |kind, migration: &str, policy| {
        let policy = if migration < history.since.as_str() {
            Policy::Ignore
        } else {
            policy
        };
        findings.push(FindingStatus {
            kind,
            migration: migration.to_owned(),
            policy,
            line: None,
            text: String::new(),
        });
    };
    let mut pending = Vec::new();
    for migration in &inventory.migrations {
        match applied.get(migration.name.as_str()) {
            Some(row) if !prisma::checksum_matches(&row.checksum, migration) => {
                find(FindingKind::Edited, &migration.name, history.edited);
            }
            Some(_) => {}
            None => {
                if migration.name.as_str() < newest_applied {
                    find(
                        FindingKind::OutOfOrder,
                        &migration.name,
                        history.out_of_order,
                    );
                }
                pending.push(migration.name.clone());
            }
        }
    }
    let mut ahead = 0;
    for name in applied.keys().filter(|name| !known.contains(**name)) {
        if *name > newest_known {
            ahead += 1;
            find(FindingKind::Ahead, name, history.ahead);
        } else {
            find(FindingKind::Unknown, name, history.unknown);
        }
    }
    DatabasePlan {
        total: inventory.migrations.len(),
        applied: inventory.migrations.len() - pending.len(),
        ahead: ahead > 0 && pending.is_empty(),
        pending,
        findings,
        blocker: None,
        open: None,
    }
}

/// A row that neither finished nor was rolled back: Prisma refuses every deploy (P3009).
fn open_row<'a>(
    database: &str,
    rows: &'a [LedgerRow],
    facts: &DatabaseFacts,
    inventory: &DatabaseInventory,
) -> Option<(&'a LedgerRow, Blocker)> {
    let (row, state) =
        rows.iter()
            .map(|row| (row, prisma::row_state(row)))
            .find(|(_, state)| {
                matches!(
                    state,
                    RowState::Failed | RowState::Unfinished | RowState::ScriptDone
                )
            })?;
    let name = &row.migration_name;
    let busy = facts.lock_holder.as_ref();
    let blocker = match (state, busy) {
        (RowState::Unfinished | RowState::ScriptDone, Some(session)) => Blocker {
            reason: reasons::UNFINISHED_ROW_FOUND,
            message: format!(
                "{database}: {name} is being migrated by somebody else: pid {} ({}) holds Prisma's lock. It goes on by itself when that has ended.",
                session.pid, session.application_name
            ),
            next: String::new(),
        },
        (RowState::Unfinished | RowState::ScriptDone, None) => Blocker {
            reason: reasons::UNFINISHED_ROW_FOUND,
            message: format!(
                "{database}: an earlier run of {name} was cut off (row {} is neither finished nor rolled back, nothing is running). Look at what it left in the schema. Once the row is resolved by hand it goes on by itself.",
                row.id
            ),
            next: String::new(),
        },
        _ => {
            let failure = failure_of(row, inventory);
            Blocker {
                reason: reasons::FAILED_ROW_FOUND,
                message: format!(
                    "{database}: {name} failed in an earlier run (row {}{}{}) and blocks every deploy (P3009). Once the row is resolved by hand it goes on by itself.",
                    row.id,
                    if failure.summary.is_empty() { "" } else { ": " },
                    failure.summary
                ),
                next: String::new(),
            }
        }
    };
    Some((row, blocker))
}

fn failure_of(row: &LedgerRow, inventory: &DatabaseInventory) -> prisma::Failure {
    let logs = row.logs.as_deref().unwrap_or_default();
    prisma::parse_failure(logs, &prisma::raised(inventory))
}

/// What is known of a migration of an earlier run that blocks.
fn open_status(row: &LedgerRow, inventory: &DatabaseInventory) -> FailedStatus {
    let failure = failure_of(row, inventory);
    let of_name = |m: &&Migration| m.name == row.migration_name;
    FailedStatus {
        name: row.migration_name.clone(),
        ledger_row: row.id.clone(),
        sql_state: failure.sql_state.unwrap_or_default(),
        summary: failure.summary,
        has_down: inventory
            .migrations
            .iter()
            .find(of_name)
            .is_some_and(|m| m.down_sql.is_some()),
        ..FailedStatus::default()
    }
}

/// The first kind of finding whose policy is Deny.
fn denied(database: &str, findings: &[FindingStatus]) -> Option<Blocker> {
    let first = findings
        .iter()
        .find(|finding| finding.policy == Policy::Deny)?;
    let names: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.kind == first.kind && finding.policy == Policy::Deny)
        .map(|finding| finding.migration.as_str())
        .collect();
    let list = super::status::names(&names);
    let (reason, field, what) = match first.kind {
        FindingKind::Edited => (
            reasons::EDITED_FOUND,
            "edited",
            "was edited after it had been applied",
        ),
        FindingKind::Unknown => (
            reasons::UNKNOWN_FOUND,
            "unknown",
            "is applied in the database and not in the image, which has newer ones",
        ),
        FindingKind::Ahead => (
            reasons::AHEAD_FOUND,
            "ahead",
            "is applied in the database and newer than everything in the image",
        ),
        FindingKind::OutOfOrder => (
            reasons::OUT_OF_ORDER_FOUND,
            "outOfOrder",
            "is pending and older than a migration that is applied",
        ),
        FindingKind::InvalidIndex | FindingKind::NotValidated | FindingKind::Log => return None,
    };
    Some(Blocker {
        reason,
        message: format!(
            "{database}: {list} {what}. Release an image whose migrations fit the ledger, or set preflight.history.{field} to Warn (or preflight.history.since, for old history)."
        ),
        next: String::new(),
    })
}

/// The digest of a ledger's rows: what changed means that somebody wrote to it.
pub fn ledger_digest(ledger: &Ledger) -> String {
    let text = match ledger {
        Ledger::Absent { objects } => format!("absent {}", *objects > 0),
        Ledger::NoRight { .. } => "no right".to_owned(),
        Ledger::Rows(rows) => rows
            .iter()
            .map(|row| {
                format!(
                    "{}\0{}\0{}\0{}\n",
                    row.id,
                    row.checksum,
                    row.finished_at.is_some(),
                    row.rolled_back_at.is_some()
                )
            })
            .collect(),
    };
    digest(text.as_bytes())
}

/// The digest of one database's part of a plan: which database it is, what stands in its ledger, what will be added.
pub fn part_digest(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    plan: &DatabasePlan,
) -> String {
    let identity = &facts.identity;
    let mut text = format!(
        "{}\0{}\0{}\0{}\0{}\0{}",
        identity.system_identifier,
        identity.database_oid,
        identity.database,
        identity.schema,
        inventory.hash,
        ledger_digest(&facts.ledger)
    );
    for name in &plan.pending {
        text.push('\0');
        text.push_str(name);
    }
    digest(text.as_bytes())
}

/// The reason of `reasons` for what is wrong with an image.
pub fn problem_reason(reason: ProblemReason) -> &'static str {
    match reason {
        ProblemReason::SchemaMissing => reasons::SCHEMA_MISSING,
        ProblemReason::ProviderUnsupported => reasons::PROVIDER_UNSUPPORTED,
        ProblemReason::MigrationsMissing => reasons::MIGRATIONS_MISSING,
        ProblemReason::MigrationsEmpty => reasons::MIGRATIONS_EMPTY,
        ProblemReason::MigrationUnreadable => reasons::MIGRATION_UNREADABLE,
        ProblemReason::MigrationNameInvalid => reasons::MIGRATION_NAME_INVALID,
        ProblemReason::PrismaMissing => reasons::PRISMA_MISSING,
        ProblemReason::PrismaUnsupported => reasons::PRISMA_UNSUPPORTED,
        ProblemReason::CommandMissing => reasons::COMMAND_MISSING,
        ProblemReason::ConfigMissing => reasons::CONFIG_MISSING,
        ProblemReason::WrongArchitecture => reasons::WRONG_ARCHITECTURE,
        ProblemReason::EngineMissing => reasons::ENGINE_MISSING,
        ProblemReason::ReadOnlyFileSystem => reasons::READ_ONLY_FILE_SYSTEM,
        ProblemReason::DatasourceVariableUnset => reasons::DATASOURCE_VARIABLE_UNSET,
        ProblemReason::Internal => reasons::INVENTORY_FAILED,
    }
}

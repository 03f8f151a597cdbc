//! The plan of one database: inventory against ledger.

mod open;

pub(super) use open::is_left_over;

use std::collections::BTreeMap;

use dbm_protocol::{DatabaseInventory, ProblemReason};

use super::database_plan::{Blocker, DatabasePlan, UNLESS_EXTERNAL};
use super::history::{self, Rewritten};
use super::status::count;
use super::unplanned;
use crate::api::{FindingKind, FindingStatus, HistorySpec, Policy, digest, reasons};
use crate::facts::{DatabaseFacts, Ledger, LedgerRow, TableName};
use crate::tools::prisma::{self, RowState};

/// Compares what the image holds with what the ledger says.
pub fn plan(
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    history: &HistorySpec,
) -> DatabasePlan {
    plan_for(database, inventory, facts, history, &Said::default())
}

/// What humans have said.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Where it cannot be known whether Prisma asks for a baseline, that is left to Prisma; and what the catalog does not
    /// show, beside what was marked applied for a rewritten history, is new and to be run.
    pub(super) left_to_prisma: bool,
    /// What has run and is not marked applied yet.
    pub(super) marks: Vec<String>,
    /// What a run applied that was not planned, and nobody accepted.
    pub(super) unplanned: Vec<String>,
    /// What a run applied that was not planned, and a human accepted.
    pub(super) accepted: Vec<String>,
}

/// The same, with what humans have said.
pub(super) fn plan_for(
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    policies: &HistorySpec,
    said: &Said,
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
        Ledger::Absent { tables } => {
            let schema = &facts.identity.schema;
            if let Some(other) = history::elsewhere(tables, schema, inventory) {
                let other = &other.schema;
                return blocked(
                    reasons::LEDGER_ELSEWHERE,
                    format!(
                        "{database}: schema {other}, which the datasource names, holds a _prisma_migrations, and the URL's schema {schema}, where Prisma keeps it, holds none: Prisma would fail. If that one is this image's, add ?schema={other} to the URL in the Secret; it goes on by itself. Else it has to go, or {other} from the datasource's schemas."
                    ),
                );
            }
            let counted = history::counted(tables, schema, inventory);
            let left = said.left_to_prisma && inventory.external_unknown;
            if !(counted.is_empty() || left) {
                let unless = match inventory.external_unknown {
                    true => UNLESS_EXTERNAL,
                    false => "",
                };
                return baseline_needed(database, inventory, facts, &counted, unless);
            }
            &[]
        }
        Ledger::Rows(rows) => rows,
    };
    let rewritten = history::rewritten(
        inventory,
        rows,
        &facts.identity.schema,
        facts.objects.as_ref(),
        history::Word {
            marks: &said.marks,
            new: said.left_to_prisma,
            doubts: history::lets_pass(inventory, rows, policies, &said.accepted),
            by_policy: history::lets_pass(inventory, rows, policies, &[]),
            edits: policies.edited != Policy::Ignore,
        },
    );
    let lost = history::lost(inventory, rows);
    let mut result = compare(inventory, rows, &lost, &rewritten, policies, &said.accepted);
    for finding in &mut result.findings {
        match finding.kind {
            FindingKind::Squashed => {
                finding.unseen = rewritten.is_unseen(&finding.migration);
                finding.lacks = rewritten.lacks(&finding.migration);
                finding.text = rewritten.words(&finding.migration);
            }
            FindingKind::Repeated => {
                let of = rewritten.repeated.get(&finding.migration);
                finding.text = of.cloned().unwrap_or_default();
            }
            FindingKind::Reused => {
                let mut reused = rewritten.reused.iter();
                if let Some((_, now)) = reused.find(|(name, _)| *name == finding.migration) {
                    finding.text.clone_from(now);
                }
            }
            _ => {}
        }
    }
    result.by_name = rewritten.by_name;
    result.baseline = rewritten.baseline().unwrap_or_default().to_owned();
    if !rewritten.is_doubtful() {
        result.since = since(inventory, &result.findings).unwrap_or_default();
    }
    result.findings.extend(weak_spots(facts));
    if let Some((row, blocker)) = open::row(database, rows, facts, inventory) {
        // What somebody else migrates right now is nobody's to decide about.
        let busy = facts.lock_holder.is_some() && prisma::row_state(row) != RowState::Failed;
        result.under_way = open::is_under_way(row, facts);
        result.open = (!busy).then(|| open::status(row, rows, inventory, facts));
        // What of it stands there is told by name.
        result.by_name |= result.open.is_some();
        result.blocker = Some(blocker);
    } else {
        let lost: Vec<&str> = lost.keys().copied().collect();
        result.blocker = rewritten
            .blocker(database, &lost)
            .or_else(|| unplanned::blocker(database, &said.unplanned))
            .or_else(|| unreadable(database, inventory, &result.pending))
            .or_else(|| denied(database, &result))
            .or_else(|| lacking(database, facts, &result));
    }
    result
}

/// A pending migration at which Prisma would stop, after it had applied those before it.
fn unreadable(
    database: &str,
    inventory: &DatabaseInventory,
    pending: &[String],
) -> Option<Blocker> {
    let migrations = inventory.migrations.iter();
    let (name, why) = migrations
        .filter(|migration| pending.contains(&migration.name))
        .find_map(|migration| Some((&migration.name, migration.unreadable.as_ref()?)))?;
    Some(Blocker {
        reason: reasons::MIGRATION_UNREADABLE,
        message: format!(
            "{database}: {name} is pending and {why}; Prisma would stop at it (P3015 where there is no file). Nothing was started: release an image in which it is whole, or without its folder."
        ),
        next: String::new(),
    })
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
            unseen: false,
            lacks: String::new(),
            accepted: None,
        }
    };
    let indexes = facts.invalid_indexes.iter();
    let constraints = facts.not_valid_constraints.iter();
    let contract = facts.prisma_contract.iter();
    indexes
        .map(spot(FindingKind::InvalidIndex))
        .chain(constraints.map(spot(FindingKind::NotValidated)))
        .chain(contract.map(spot(FindingKind::PrismaContract)))
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

/// What is said where tables are there by now for which Prisma asks for a baseline.
pub(super) fn came(
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Option<String> {
    let Ledger::Absent { tables } = &facts.ledger else {
        return None;
    };
    let counted = history::counted(tables, &facts.identity.schema, inventory);
    // Prisma has decided by what the configuration names.
    let needed = baseline_needed(database, inventory, facts, &counted, "");
    let blocker = needed.blocker.filter(|_| !counted.is_empty());
    blocker.map(|blocker| blocker.message)
}

/// Tables are there and no ledger: Prisma asks for a baseline.
fn baseline_needed(
    database: &str,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    counted: &[&TableName],
    unless: &str,
) -> DatabasePlan {
    let named: Vec<String> = counted
        .iter()
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect();
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let list = super::status::names(&named);
    let baseline = history::up_to(inventory, facts);
    let then = match (&baseline, facts.objects.is_some()) {
        (Some(name), _) => format!(
            "What the migrations up to {name} make is there: baseline it up to that one, or to another; it goes on by itself."
        ),
        (None, true) => "None of the image's migrations is there as a whole: if these tables are what the first ones make, release an image whose first migrations make just them; if they are somebody else's, give Prisma a schema of its own, or name them in tables.external.".to_owned(),
        (None, false) => "Baseline it: say up to which migration it is there already; it goes on by itself.".to_owned(),
    };
    let mut result = blocked(
        reasons::BASELINE_NEEDED,
        format!(
            "{database}: it holds {} without a _prisma_migrations in schema {} ({list}), so Prisma refuses to deploy (P3005){unless}. {then}",
            count(counted.len(), "table"),
            facts.identity.schema
        ),
    );
    result.by_name = true;
    result.baseline = baseline.unwrap_or_default();
    result
}

/// Pending, rewritten, edited, unknown, ahead and out of order, by name.
fn compare(
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    lost: &BTreeMap<&str, &LedgerRow>,
    rewritten: &Rewritten,
    history: &HistorySpec,
    accepted: &[String],
) -> DatabasePlan {
    let applied = history::applied(rows);
    let names = inventory.migrations.iter().map(|m| m.name.as_str());
    let newest_known = names.max().unwrap_or_default();
    let newest_applied = applied.keys().next_back().copied().unwrap_or_default();
    let mut findings = Vec::new();
    let mut find = |kind, migration: &str, policy| {
        let judged = matches!(kind, FindingKind::Renamed | FindingKind::Squashed);
        let policy = if !judged && migration < history.since.as_str() {
            Policy::Ignore
        } else {
            policy
        };
        findings.push(FindingStatus::new(kind, migration, policy));
    };
    let all = rewritten.all();
    let mut pending = Vec::new();
    let mut edited = Vec::new();
    for migration in &inventory.migrations {
        let name = migration.name.as_str();
        match applied.get(name) {
            // Prisma does not read it again.
            Some(_) if migration.unreadable.is_some() => {
                find(FindingKind::Unreadable, name, Policy::Warn);
            }
            Some(row) if !prisma::checksum_matches(&row.checksum, migration) => {
                // What it holds has not run, and does not: what is said to be done would not be.
                let reused = rewritten.reused.iter().any(|(reused, _)| reused == name);
                let policy = match history.edited {
                    Policy::Warn if reused => Policy::Deny,
                    policy => policy,
                };
                let kind = match reused {
                    true => FindingKind::Reused,
                    false => FindingKind::Edited,
                };
                find(kind, name, policy);
                edited.extend(row.finished_at.map(|at| (name, at)));
            }
            Some(_) => {}
            None => {
                if rewritten.renamed.iter().any(|(new, _)| new == name) {
                    find(FindingKind::Renamed, name, Policy::Deny);
                } else if all.contains(name) {
                    find(FindingKind::Squashed, name, Policy::Deny);
                } else if name < newest_applied {
                    find(FindingKind::OutOfOrder, name, history.out_of_order);
                }
                if rewritten.repeated.contains_key(name) && !all.contains(name) {
                    find(FindingKind::Repeated, name, Policy::Warn);
                }
                pending.push(migration.name.clone());
            }
        }
    }
    let mut ahead = 0;
    for name in lost.keys() {
        let taken = accepted.iter().any(|accepted| accepted == name);
        let judged = |policy| match policy {
            Policy::Deny if taken => Policy::Warn,
            policy => policy,
        };
        if *name > newest_known {
            ahead += 1;
            // Beside what newer migrations did, nobody tried what is pending.
            let policy = match history.ahead {
                Policy::Warn if !pending.is_empty() => Policy::Deny,
                policy => policy,
            };
            find(FindingKind::Ahead, name, judged(policy));
        } else {
            find(FindingKind::Unknown, name, judged(history.unknown));
        }
    }
    for finding in &mut findings {
        let of = |(name, _): &&(&str, jiff::Timestamp)| *name == finding.migration;
        let at = edited
            .iter()
            .find(of)
            .filter(|_| finding.kind == FindingKind::Edited);
        if let Some((name, at)) = at {
            finding.text = edited_words(inventory, name, *at);
        }
    }
    DatabasePlan {
        total: inventory.migrations.len(),
        applied: inventory.migrations.len() - pending.len(),
        ahead: ahead > 0 && pending.is_empty(),
        pending,
        findings,
        ..DatabasePlan::default()
    }
}

/// When an edited migration was applied, and where its file is in the image, as far as its configuration says that.
fn edited_words(inventory: &DatabaseInventory, name: &str, at: jiff::Timestamp) -> String {
    let at = at.strftime("applied on %Y-%m-%d at %H:%M:%S UTC");
    let configured = inventory.configured.as_ref();
    match configured.and_then(|configured| configured.migrations.as_deref()) {
        Some(folder) => format!("{at}; its file in the image is {folder}/{name}/migration.sql"),
        None => at.to_string(),
    }
}

/// The first name of the image that is later than what is denied as unknown.
fn since(inventory: &DatabaseInventory, findings: &[FindingStatus]) -> Option<String> {
    let denied = |finding: &&FindingStatus| {
        finding.kind == FindingKind::Unknown && finding.policy == Policy::Deny
    };
    let last = findings.iter().filter(denied).map(|f| &f.migration).max()?;
    let names = inventory.migrations.iter().map(|m| &m.name);
    names.filter(|name| *name > last).min().cloned()
}

/// The first kind of finding whose policy is Deny.
fn denied(database: &str, plan: &DatabasePlan) -> Option<Blocker> {
    let denies = |finding: &&FindingStatus| finding.policy == Policy::Deny;
    let first = plan.findings.iter().find(denies)?;
    let names: Vec<&str> = plan
        .findings
        .iter()
        .filter(denies)
        .filter(|finding| finding.kind == first.kind)
        .map(|finding| finding.migration.as_str())
        .collect();
    let list = super::status::names(&names);
    let mut denied = plan.findings.iter().filter(denies);
    let reused = denied.find(|finding| finding.kind == FindingKind::Reused);
    if let Some(FindingStatus {
        migration, text, ..
    }) = reused
    {
        return Some(Blocker {
            reason: reasons::EDITED_FOUND,
            message: format!(
                "{database}: {migration} is applied, and what was applied under that name is {text} in the image: the SQL that {migration} holds now has not run, and Prisma runs no name twice. Release that SQL under a new name, and {migration} not at all, or as it was applied."
            ),
            next: String::new(),
        });
    }
    let (reason, what, then) = match first.kind {
        FindingKind::Edited => (
            reasons::EDITED_FOUND,
            "was edited after it had been applied, which preflight.history.edited denies",
            "Release an image in which it is as it was applied; what it should do besides goes into a new migration.",
        ),
        FindingKind::Unknown => (
            reasons::UNKNOWN_FOUND,
            "is applied in the database and not in the image, which has newer ones",
            "Release an image that holds it: the release that applied it, or one that is merged with that.",
        ),
        FindingKind::Ahead if plan.pending.is_empty() => (
            reasons::AHEAD_FOUND,
            "is applied in the database and newer than everything in the image, which preflight.history.ahead denies",
            "Release an image that holds it.",
        ),
        FindingKind::Ahead => (
            reasons::AHEAD_FOUND,
            "is applied in the database and not in the image, which has others that are pending",
            "They were never tried together: release an image that holds both.",
        ),
        FindingKind::OutOfOrder => (
            reasons::OUT_OF_ORDER_FOUND,
            "is pending and older than a migration that is applied, which preflight.history.outOfOrder denies",
            "Look whether it may run after the newer ones; if not, release an image without it, or with what it should do in a new migration.",
        ),
        FindingKind::Renamed
        | FindingKind::Reused
        | FindingKind::Squashed
        | FindingKind::Repeated
        | FindingKind::Concurrently
        | FindingKind::Unreadable
        | FindingKind::InvalidIndex
        | FindingKind::NotValidated
        | FindingKind::PrismaContract
        | FindingKind::Forced
        | FindingKind::Log => return None,
    };
    Some(Blocker {
        reason,
        message: format!("{database}: {list} {what}. {then}"),
        next: String::new(),
    })
}

/// The digest of a ledger's rows: what changed means that somebody wrote to it.
pub fn ledger_digest(ledger: &Ledger) -> String {
    let text = match ledger {
        // In the words of earlier releases, of which a journal may hold the digest.
        Ledger::Absent { .. } => "absent false".to_owned(),
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
        ProblemReason::MigrationsElsewhere => reasons::MIGRATIONS_ELSEWHERE,
        ProblemReason::MigrationsEmpty => reasons::MIGRATIONS_EMPTY,
        ProblemReason::MigrationUnreadable => reasons::MIGRATION_UNREADABLE,
        ProblemReason::MigrationNameInvalid => reasons::MIGRATION_NAME_INVALID,
        ProblemReason::PrismaMissing => reasons::PRISMA_MISSING,
        ProblemReason::PrismaUnsupported => reasons::PRISMA_UNSUPPORTED,
        ProblemReason::CommandMissing => reasons::COMMAND_MISSING,
        ProblemReason::ConfigMissing => reasons::CONFIG_MISSING,
        ProblemReason::ConfigInvalid => reasons::CONFIG_INVALID,
        ProblemReason::WrongArchitecture => reasons::WRONG_ARCHITECTURE,
        ProblemReason::EngineMissing => reasons::ENGINE_MISSING,
        ProblemReason::ReadOnlyFileSystem => reasons::READ_ONLY_FILE_SYSTEM,
        ProblemReason::DatasourceVariableUnset => reasons::DATASOURCE_VARIABLE_UNSET,
        ProblemReason::Internal => reasons::INVENTORY_FAILED,
    }
}

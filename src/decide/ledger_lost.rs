//! A ledger that held more while a migration ran than it holds now: its table was dropped or emptied by somebody else, or by a
//! migration. What stands in it then says nothing of what was executed.

use dbm_protocol::recognise::APPLIED;
use dbm_protocol::{DatabaseInventory, Summary};

use super::evidence::missing;
use super::evidence::own_writes;
use super::judge::Verdict;
use super::pass::Pass;
use super::plan::ledger_digest;
use super::remembered;
use super::status::names;
use super::waiting;
use crate::api::{FailedStatus, StepStatus, Traces, reasons};
use crate::facts::{ContainerEnd, DatabaseFacts, Ledger, LedgerRow};

/// Prisma's code for a table that it uses and that is not there.
const TABLE_MISSING: &str = "P1014";

/// Its code for a migration that failed.
const APPLY_FAILED: &str = "P3018";

/// Says once that it is so, where people see it. None: it is not.
pub(super) fn seen(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Option<String> {
    let text = remembered::lost_meanwhile(pass, step, facts)?;
    let text = format!("{text}{}", own_doing(step, inventory, facts));
    waiting::tell_once(pass, step, reasons::LEDGER_LOST, &text);
    Some(text)
}

/// That a migration of the step does so itself, as the end of a sentence.
fn own_doing(step: &StepStatus, inventory: &DatabaseInventory, facts: &DatabaseFacts) -> String {
    let own = own_writes(step, inventory, facts).removes;
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    match own.as_slice() {
        [] => String::new(),
        own => format!(", as the SQL of {} itself does", names(own)),
    }
}

/// Of a command that ended well and left some out: those that come before one that it applied. Prisma takes them in their order, so they
/// had their turn, and their rows are gone.
fn overtaken(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    verdict: &Verdict,
) -> Vec<String> {
    let incomplete =
        matches!(verdict, Verdict::Failed { reason, .. } if *reason == reasons::LEDGER_INCOMPLETE);
    let (Ledger::Rows(rows), Some(begun), true) = (&facts.ledger, &step.started_at, incomplete)
    else {
        return Vec::new();
    };
    let applied = rows.iter().filter(|row| {
        row.started_at >= begun.0 && row.finished_at.is_some() && row.rolled_back_at.is_none()
    });
    let of_image = |name: &&str| inventory.migrations.iter().any(|m| m.name == **name);
    let applied = applied.map(|row| row.migration_name.as_str());
    let Some(last) = applied.filter(of_image).max() else {
        return Vec::new();
    };
    let missing = missing(inventory, rows).into_iter();
    let before = missing.filter(|name| *name < last);
    before.map(str::to_owned).collect()
}

/// Of a command that named what it applies: those that had their turn, and of which the ledger has no row. Prisma names one
/// before it writes its row, so that the last counts only where it came to its end. Of a ledger that is as it was before only a
/// changed catalog says that it was this database.
fn unrecorded(
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Vec<String> {
    let summary = end.and_then(|end| end.summary.as_deref());
    let Some(summary) = summary else {
        return Vec::new();
    };
    // What failed had its turn, too; P3009 names one that failed in an earlier run.
    let failed = summary
        .migration
        .as_deref()
        .filter(|_| matches!(summary.code.as_deref(), None | Some(APPLY_FAILED)));
    let Some(begun) = summary.begun.as_deref().or(failed) else {
        return Vec::new();
    };
    let rows: &[LedgerRow] = match &facts.ledger {
        Ledger::Rows(rows) => rows,
        Ledger::Absent { .. } => &[],
        Ledger::NoRight { .. } => return Vec::new(),
    };
    let changed = !step.catalog.is_empty()
        && facts
            .catalog
            .as_ref()
            .is_some_and(|now| *now != step.catalog);
    let here =
        summary.elsewhere.is_none() && (changed || ledger_digest(&facts.ledger) != step.ledger);
    let of_image = inventory.migrations.iter().any(|m| m.name == begun);
    if !here || !of_image {
        return Vec::new();
    }
    had_turn(step, inventory, rows, |name| {
        name < begun || done(summary) && name == begun
    })
}

/// It came to its end and said so.
fn done(summary: &Summary) -> bool {
    summary.exit_code == Some(0) && summary.message.as_deref() == Some(APPLIED)
}

/// Those of what was pending before the step that have no row. Prisma takes what is pending by name.
fn had_turn(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    rows: &[LedgerRow],
    turn: impl Fn(&str) -> bool,
) -> Vec<String> {
    let recorded = |name: &str| rows.iter().any(|row| row.migration_name == name);
    inventory
        .migrations
        .iter()
        .skip(step.applied.unwrap_or(0) as usize)
        .map(|migration| migration.name.as_str())
        .filter(|name| turn(name) && !recorded(name))
        .map(str::to_owned)
        .collect()
}

/// Of a ledger that is gone, and that a migration of the step drops: what came up to that one.
fn before_own_drop(
    step: &StepStatus,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
) -> Vec<String> {
    let own = own_writes(step, inventory, facts).lost;
    match (&facts.ledger, own.first()) {
        (Ledger::Absent { .. }, Some(last)) => {
            had_turn(step, inventory, &[], |name| name <= last.as_str())
        }
        _ => Vec::new(),
    }
}

/// A verdict that trusts the ledger is none where that is lost. A row that stands there and is open is one.
pub(super) fn corrected(
    pass: &mut Pass<'_>,
    step: &StepStatus,
    end: Option<&ContainerEnd>,
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    verdict: Verdict,
) -> Verdict {
    let trusts = match &verdict {
        Verdict::Failed { failed, .. } => failed.ledger_row.is_empty(),
        Verdict::NeverBegan { .. } => true,
        _ => false,
    };
    let told = waiting::was_called(pass, &step.job, reasons::LEDGER_LOST);
    // Prisma makes its table before it applies anything, and says when it misses it.
    let missed = matches!(facts.ledger, Ledger::Absent { .. })
        && matches!(&verdict, Verdict::Failed { failed, .. }
            if failed.code == TABLE_MISSING && failed.summary.contains("_prisma_migrations"));
    let seen = seen(pass, step, inventory, facts);
    if verdict == Verdict::Succeeded {
        // All that the image holds is applied: what is gone was told.
        remembered::remember(pass, &step.database, facts);
    }
    if !trusts {
        return verdict;
    }
    let image: Vec<&str> = inventory
        .migrations
        .iter()
        .map(|migration| migration.name.as_str())
        .collect();
    if matches!(&verdict, Verdict::Failed { reason, .. } if *reason == reasons::LEDGER_LOST) {
        // It ran, and only its own row says so.
        let ran = own_writes(step, inventory, facts).lost;
        remembered::has_run(pass, &step.database, &ran, &image);
        return verdict;
    }
    let mut overtaken = overtaken(step, inventory, facts, &verdict);
    overtaken.extend(unrecorded(step, end, inventory, facts));
    overtaken.sort();
    overtaken.dedup();
    let mut ran = overtaken.clone();
    if seen.is_some() || missed || told {
        ran.extend(before_own_drop(step, inventory, facts));
        ran.sort();
        ran.dedup();
    }
    remembered::has_run(pass, &step.database, &ran, &image);
    let text = match seen {
        Some(text) => text,
        None if !overtaken.is_empty() => {
            let list: Vec<&str> = overtaken.iter().map(String::as_str).collect();
            format!(
                "{}: Prisma applied {}, and the ledger does not say so any more: {} while the migration ran{}",
                step.database,
                names(&list),
                match facts.ledger {
                    Ledger::Absent { .. } => "the table _prisma_migrations was dropped or renamed",
                    _ => "rows of _prisma_migrations were deleted or changed",
                },
                own_doing(step, inventory, facts),
            )
        }
        None if missed => format!(
            "{}: the table _prisma_migrations was dropped or renamed while the migration ran{}",
            step.database,
            match own_doing(step, inventory, facts).as_str() {
                "" => ", by a migration that drops its schema, say",
                own => own,
            }
        ),
        None if told => format!(
            "{}: _prisma_migrations was dropped, or rows of it were deleted, while the migration ran",
            step.database
        ),
        None => return verdict,
    };
    let failed = match verdict {
        Verdict::Failed { failed, .. } => FailedStatus {
            traces: Traces::Unknown,
            ..*failed
        },
        _ => FailedStatus::default(),
    };
    Verdict::Failed {
        reason: reasons::LEDGER_LOST,
        failed: Box::new(failed),
        message: format!(
            "{text}. What was executed cannot be told by it any more: look at what the schema holds. {}",
            match facts.ledger {
                Ledger::Absent { .. } =>
                    "If the table was renamed, rename it back; then ask for a new run, which plans anew and, where tables stand and no ledger, asks for a baseline.",
                _ =>
                    "Then ask for a new run, which plans anew and asks before anything runs a second time that may have run.",
            }
        ),
    }
}

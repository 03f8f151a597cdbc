//! Pending migrations that run a statement CONCURRENTLY: it waits for every older snapshot of the database, however long
//! that takes. Cut short, it leaves an invalid index, so no lock time-out of ours is set for such a deploy.

use crate::api::DatabaseStatus;
use dbm_protocol::{DatabaseInventory, Migration};

use super::evidence::missing;
use super::session::who;
use super::status::names;
use crate::api::{FindingKind, FindingStatus, Policy, StepStatus};
use crate::facts::{DatabaseFacts, Ledger, Wait};
use crate::tools::sql;

/// What is said of such a migration, after its name.
const SAID: &str = "runs a statement CONCURRENTLY: its lock waits are not limited (timeouts.lock), and it is best released alone";
/// The same where the file holds more.
const BESIDE: &str = "; other statements stand in its file, beside which Prisma before 7.4 cannot run it (SQLSTATE 25001)";

/// What the plan says of the pending ones.
pub(super) fn findings(
    inventory: &DatabaseInventory,
    facts: &DatabaseFacts,
    pending: &[String],
) -> Vec<FindingStatus> {
    // Nobody but whoever set it can take it away.
    let own = facts
        .own_timeouts
        .iter()
        .find(|own| own.name == "lock_timeout");
    let cut = own.map_or_else(String::new, |own| {
        format!(
            "; lock_timeout {} ({}) would cut it short: take that away before",
            own.value, own.set_by
        )
    });
    let is_pending = |migration: &&Migration| pending.contains(&migration.name);
    let all = inventory.migrations.iter().filter(is_pending);
    all.filter_map(|migration| {
        let script = migration.sql.as_deref()?;
        let beside = if sql::waits_beside_others(script) {
            BESIDE
        } else {
            ""
        };
        sql::waits_for_snapshots(script).then(|| FindingStatus {
            kind: FindingKind::Concurrently,
            migration: migration.name.clone(),
            policy: Policy::Warn,
            line: None,
            text: format!("{SAID}{beside}{cut}"),
            unseen: false,
            lacks: String::new(),
            accepted: None,
        })
    })
    .collect()
}

/// The same for the plan's message, which begins with `; `; empty where there is nothing to say.
pub(super) fn note(database: &str, findings: &[FindingStatus]) -> String {
    let of_kind = findings
        .iter()
        .filter(|f| f.kind == FindingKind::Concurrently);
    let list: Vec<&str> = of_kind.map(|f| f.migration.as_str()).collect();
    match list.as_slice() {
        [] => String::new(),
        list => format!("; {database}: {} {SAID}", names(list)),
    }
}

/// Whether one of them is pending on a database, by its plan or its ledger.
pub(super) fn is_pending(
    planned: Option<&DatabaseStatus>,
    inventory: Option<&DatabaseInventory>,
    facts: Option<&DatabaseFacts>,
) -> bool {
    if planned.is_some_and(|entry| is_planned(&entry.findings)) {
        return true;
    }
    let Some(inventory) = inventory else {
        return false;
    };
    let rows: &[_] = match facts.map(|facts| &facts.ledger) {
        Some(Ledger::Rows(rows)) => rows,
        _ => &[],
    };
    let pending = missing(inventory, rows);
    let mut all = inventory.migrations.iter();
    all.any(|migration| {
        pending.contains(&migration.name.as_str())
            && migration
                .sql
                .as_deref()
                .is_some_and(sql::waits_for_snapshots)
    })
}

/// Whether the down.sql that a step runs is such a script.
pub(super) fn is_in_down(inventory: Option<&DatabaseInventory>, step: &StepStatus) -> bool {
    let Some(inventory) = inventory else {
        return false;
    };
    let mut all = inventory.migrations.iter();
    all.find(|migration| migration.name == step.migration)
        .and_then(|migration| migration.down_sql.as_deref())
        .is_some_and(sql::waits_for_snapshots)
}

/// Whether the plan of a database holds one.
pub(super) fn is_planned(findings: &[FindingStatus]) -> bool {
    findings.iter().any(|f| f.kind == FindingKind::Concurrently)
}

/// What is said of a dump, and of what else only reads: it is best let run to its end.
pub(super) const A_DUMP: &str =
    ". It waits for a dump, which is lost if it is ended: wait for its end";
/// The same of another session.
pub(super) const READS: &str = ". It waits for a session that only reads, and loses what it did if it is ended: wait for its end, if it comes to one";

/// Whether the one that it waits for is best let run to its end: what is said then, else nothing.
pub(super) fn let_it_end(wait: &Wait) -> &'static str {
    match &wait.blocker {
        session if session.is_dump() => A_DUMP,
        session if session.reads => READS,
        _ => "",
    }
}

/// Who else holds a snapshot, as far as that can be seen: what comes after the one that is waited for now.
pub(super) fn other_snapshots(facts: &DatabaseFacts, but: Option<i32>) -> String {
    let sessions = facts.old_snapshots.iter();
    let others: Vec<String> = sessions
        .filter(|session| Some(session.pid) != but)
        .map(who)
        .collect();
    if others.is_empty() {
        return String::new();
    }
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    format!(
        "; {} {} a transaction open, for which CONCURRENTLY waits if its snapshot is older",
        names(&others),
        if others.len() == 1 { "holds" } else { "hold" }
    )
}

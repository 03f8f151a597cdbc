//! PURE. What is pending in each database, what was found, and on demand the SQL.

use std::collections::BTreeMap;

use dbm_protocol::{DatabaseInventory, Migration};
use kube::ResourceExt;

use super::findings::finding;
use super::frame::{Screen, trim_line, unknown};
use super::{header, highlight, notes};
use crate::api::{DatabaseMigration, DatabasePhase, DatabaseStatus, FindingStatus, Policy};
use crate::cli::style::Tone;
use crate::cli::text::{age, count, safe, safe_lines, width, wrap};

/// What is stored of the image for a database, or why it cannot be had.
pub type Stored = BTreeMap<String, Result<DatabaseInventory, String>>;

/// The plan as text; with the SQL where `stored` is given.
pub fn plan(screen: &Screen, stored: Option<&Stored>) -> String {
    let mut out = header(screen);
    out.push_str(&notes(screen));
    let Some(status) = screen.status() else {
        return out;
    };
    if status.databases.is_empty() {
        let mut text = "No plan yet".to_owned();
        if !status.message.is_empty() {
            text.push_str(&format!(": {}", safe(&status.message)));
        }
        let lines = wrap(&text, screen.width).join("\n");
        out.push_str(&format!("\n{lines}\n"));
        return out;
    }
    if !status.plan_hash.is_empty() {
        let short: String = status.plan_hash.chars().take(12).collect();
        out.push_str(&format!("plan {}\n", safe(&short)));
    }
    for database in &status.databases {
        out.push('\n');
        out.push_str(&one(screen, database, stored));
    }
    let unknown = |database: &DatabaseStatus| database.phase == DatabasePhase::Unknown;
    if status.databases.iter().any(unknown) && !status.message.is_empty() {
        // Why there is no plan.
        let lines = wrap(&safe(&status.message), screen.width).join("\n");
        out.push_str(&format!("\n{lines}\n"));
    }
    out
}

fn one(screen: &Screen, database: &DatabaseStatus, stored: Option<&Stored>) -> String {
    let name = screen.style.paint(Tone::Strong, &safe(&database.name));
    let mut line = match (database.phase, database.pending_count) {
        (DatabasePhase::Unknown, _) => unknown(screen, database).to_owned(),
        (_, 0) => format!(
            "nothing pending, {} applied",
            count(database.applied, "migration")
        ),
        (_, pending) => format!(
            "{pending} pending, {} of {} applied",
            database.applied, database.total
        ),
    };
    if let Some(at) = &database.last_observed_at {
        line.push_str(&format!(", read {} ago", age(at.0, screen.now)));
    }
    let mut out = String::new();
    // Every line but the first is set in.
    let room = screen.width.map(|columns| columns.saturating_sub(2));
    for (at, line) in wrap(&format!("{name}  {line}"), room).iter().enumerate() {
        out.push_str(if at == 0 { "" } else { "  " });
        out.push_str(line);
        trim_line(&mut out);
    }
    let column = database
        .pending
        .iter()
        .map(|name| width(&safe(name)))
        .max()
        .unwrap_or(0);
    for migration in &database.pending {
        let found: Vec<&FindingStatus> = database
            .findings
            .iter()
            .filter(|found| found.migration == *migration)
            .collect();
        let failed = database
            .failed
            .as_ref()
            .is_some_and(|failed| failed.name == *migration);
        let mut remarks: Vec<String> = found.iter().map(|found| remark(found)).collect();
        if failed && database.phase == DatabasePhase::RolledBack {
            remarks.insert(0, "it failed, and was undone".to_owned());
        } else if failed {
            remarks.insert(0, "failed".to_owned());
        }
        let lead = format!("  {}", safe(migration));
        screen.beside(
            &mut out,
            &lead,
            column + 4,
            &remarks.join("; "),
            Some(Tone::Warn),
        );
    }
    let listed = database.pending.len();
    let more = usize::try_from(database.pending_count)
        .unwrap_or(usize::MAX)
        .saturating_sub(listed);
    if more > 0 {
        out.push_str(&format!("  and {more} more\n"));
    }
    let others: Vec<&FindingStatus> = database
        .findings
        .iter()
        .filter(|found| !database.pending.contains(&found.migration))
        .collect();
    for found in &others {
        let text = format!("{} ({})", finding(found), policy(found.policy));
        let room = screen.width.map(|columns| columns.saturating_sub(4));
        for (at, line) in wrap(&text, room).iter().enumerate() {
            let lead = if at == 0 { "  ! " } else { "    " };
            out.push_str(&screen.style.paint(Tone::Warn, lead));
            out.push_str(line);
            trim_line(&mut out);
        }
    }
    let shown = database.findings.len();
    let all = usize::try_from(database.findings_count).unwrap_or(usize::MAX);
    if all > shown {
        out.push_str(&format!("  ! and {} findings more\n", all - shown));
    }
    if let Some(stored) = stored {
        out.push_str(&texts(screen, database, stored.get(&database.name), more));
    }
    out
}

/// A finding beside its migration's name.
fn remark(found: &FindingStatus) -> String {
    let text = finding(found);
    let name = format!("{} ", safe(&found.migration));
    let short = text.strip_prefix(&name).unwrap_or(&text);
    format!("{short} ({})", policy(found.policy))
}

fn policy(policy: Policy) -> &'static str {
    match policy {
        Policy::Ignore => "ignored",
        Policy::Warn => "warning",
        Policy::Deny => "denied",
    }
}

/// The SQL of the pending migrations.
fn texts(
    screen: &Screen,
    database: &DatabaseStatus,
    stored: Option<&Result<DatabaseInventory, String>>,
    more: usize,
) -> String {
    if database.pending.is_empty() {
        return String::new();
    }
    let inventory = match stored {
        Some(Ok(inventory)) => inventory,
        Some(Err(why)) => {
            let mut out = "\n".to_owned();
            screen.beside(&mut out, "  No SQL to show:", 18, &safe(why), None);
            return out;
        }
        None => return "\n  No SQL to show: the image's content is not stored\n".to_owned(),
    };
    let mut out = String::new();
    if !database.inventory_hash.is_empty() && database.inventory_hash != inventory.hash {
        out.push_str(&screen.style.paint(
            Tone::Warn,
            "\n  What is stored is of another image than the plan.\n",
        ));
    }
    for name in &database.pending {
        let heading = format!("\n-- {}: {}", safe(&database.name), safe(name));
        out.push_str(&screen.style.paint(Tone::Strong, &heading));
        out.push('\n');
        let found = inventory.migrations.iter().find(|m| m.name == *name);
        out.push_str(&text_of(screen, found));
    }
    if more > 0 {
        out.push_str(&format!(
            "\n-- and {more} more; the status names the first {} only\n",
            database.pending.len()
        ));
    }
    out
}

fn text_of(screen: &Screen, migration: Option<&Migration>) -> String {
    let Some(migration) = migration else {
        return "-- it is not in what is stored of the image\n".to_owned();
    };
    let mut out = String::new();
    let sql = migration.sql.as_ref();
    if let Some(why) = &migration.unreadable {
        out.push_str(&format!("-- Prisma cannot apply it: it {}\n", safe(why)));
        // Such a text shows nothing but escapes.
        if sql.is_none_or(|sql| sql.contains('\0')) {
            return out;
        }
    }
    let Some(sql) = sql else {
        return format!(
            "-- its text is not stored: all of them together are too big (it has {} bytes)\n",
            migration.size
        );
    };
    if migration.down_sql.is_some() {
        out.push_str("-- a down.sql stands beside it\n");
    }
    if let Some(notes) = &migration.notes {
        for line in safe_lines(notes).lines() {
            out.push_str(&screen.style.paint(Tone::Dim, &format!("-- note: {line}")));
            out.push('\n');
        }
    }
    out.push_str(&highlight(safe_lines(sql).trim_end(), screen.style));
    out.push('\n');
    out
}

/// The plan for programs.
pub fn plan_object(resource: &DatabaseMigration, stored: Option<&Stored>) -> serde_json::Value {
    let status = resource.status.clone().unwrap_or_default();
    let databases: Vec<serde_json::Value> = status
        .databases
        .iter()
        .map(|database| {
            let mut value = serde_json::json!({
                "name": database.name,
                "phase": database.phase,
                "total": database.total,
                "applied": database.applied,
                "pending": database.pending,
                "pendingCount": database.pending_count,
                "findings": database.findings,
                "findingsCount": database.findings_count,
            });
            if let Some(stored) = stored {
                let inventory = stored.get(&database.name);
                let sql: BTreeMap<&str, Option<&str>> = database
                    .pending
                    .iter()
                    .map(|name| {
                        let found = inventory.and_then(|stored| stored.as_ref().ok()).and_then(
                            |inventory| inventory.migrations.iter().find(|m| m.name == *name),
                        );
                        (name.as_str(), found.and_then(|m| m.sql.as_deref()))
                    })
                    .collect();
                value["sql"] = serde_json::json!(sql);
            }
            value
        })
        .collect();
    serde_json::json!({
        "name": resource.name_any(),
        "namespace": resource.namespace(),
        "run": status.run.map(|run| run.id),
        "planHash": status.plan_hash,
        "pendingCount": status.pending_count,
        "databases": databases,
    })
}

//! How many runs may migrate at once on one database server, where the operator limits it.

use std::collections::BTreeMap;

use super::pass::Pass;
use crate::api::{DatabaseMigrationStatus, Phase, reasons};
use crate::facts::{DatabaseFacts, DatabaseIdentity};

/// Whoever waits is woken when a run ends; this is for a word that got lost.
const LOOK_AGAIN_MS: u64 = 300_000;
/// Servers that do not say who they are count as one: rather a run that waits in vain than one too many.
const UNKNOWN: &str = "unknown";

/// The name under which the runs on a server are counted.
pub fn server_name(identity: &DatabaseIdentity) -> &str {
    match identity.system_identifier.as_str() {
        "" => UNKNOWN,
        known => known,
    }
}

/// The turns that a status journals, by server.
pub fn turns(status: &DatabaseMigrationStatus) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    for database in &status.databases {
        // A turn that an earlier release journaled names no server and is not counted.
        if !database.lease.is_empty() && !database.server.is_empty() {
            *found.entry(database.server.clone()).or_default() += 1;
        }
    }
    found
}

/// Whether one more run may start on a database's server. Where not, says so, and gets in line.
pub(super) fn has_room(pass: &mut Pass<'_>, name: &str, facts: &DatabaseFacts) -> bool {
    let server = server_name(&facts.identity);
    let Some(found) = pass.snapshot.servers.get(server) else {
        return true;
    };
    let own = turns(&pass.status).get(server).copied().unwrap_or(0);
    let taken = found.at_work.saturating_add(own);
    // So many may start as there is room for, in the order in which they came.
    if taken.saturating_add(found.ahead) < found.limit {
        return true;
    }
    pass.in_line.insert(server.to_owned());
    let runs = match found.limit {
        1 => "1 run is".to_owned(),
        more => format!("{more} runs are"),
    };
    let text = format!(
        "{name}: {runs} at work on this server, the limit of the operator (maxRunsPerServer); it goes on by itself"
    );
    pass.working(Phase::Pending, reasons::SERVER_BUSY, text);
    pass.requeue(LOOK_AGAIN_MS);
    false
}

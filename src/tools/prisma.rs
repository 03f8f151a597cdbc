//! Prisma Migrate: the meaning of its ledger rows, its checksums and its commands.

mod failure;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use dbm_protocol::Migration;

pub use crate::api::Resolution;
use crate::facts::LedgerRow;

pub use failure::{Failure, parse_failure, position_in, raised};

/// PostgreSQL keeps at most this many bytes of an `application_name` (NAMEDATALEN - 1).
const MAX_APPLICATION_NAME: usize = 63;

/// What one row of the ledger says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowState {
    /// Prisma ran it and wrote so down.
    Applied,
    /// `resolve --applied`, or a baseline: a human said so.
    AppliedByHand,
    /// It failed, and Prisma wrote why.
    Failed,
    /// It runs, or was killed, or failed and could not say so: tell by Job, advisory lock and backend.
    Unfinished,
    /// Its script is done, and the one who ran it died before the book-keeping.
    ScriptDone,
    /// A human marked it rolled back: it counts for nothing, and the next deploy runs that name again.
    RolledBack,
}

impl RowState {
    /// The row blocks every later deploy (P3009): neither finished nor rolled back.
    pub fn blocks(self) -> bool {
        matches!(
            self,
            RowState::Failed | RowState::Unfinished | RowState::ScriptDone
        )
    }

    /// The row says that the migration is in the database.
    pub fn is_applied(self) -> bool {
        matches!(self, RowState::Applied | RowState::AppliedByHand)
    }
}

/// What a row says. `logs` without a visible character are no logs.
pub fn row_state(row: &LedgerRow) -> RowState {
    let has_logs = row
        .logs
        .as_deref()
        .is_some_and(|logs| !logs.trim().is_empty());
    match (row.rolled_back_at.is_some(), row.finished_at.is_some()) {
        (true, _) => RowState::RolledBack,
        (false, true) if row.applied_steps_count > 0 => RowState::Applied,
        (false, true) => RowState::AppliedByHand,
        (false, false) if has_logs => RowState::Failed,
        (false, false) if row.applied_steps_count > 0 => RowState::ScriptDone,
        (false, false) => RowState::Unfinished,
    }
}

/// The row that decides for each name, and what it says.
///
/// One name can have several rows. As `migrate deploy` sees them: any row that is neither finished nor rolled back
/// blocks every deploy (P3009), whatever else stands under its name, so it wins; then any finished row that is not
/// rolled back makes the name applied; then only rolled-back rows are left, and the name is pending again. Among
/// equals the row that was started last wins, by `started_at` and then by `id`.
pub fn latest_by_name(rows: &[LedgerRow]) -> BTreeMap<&str, (RowState, &LedgerRow)> {
    fn rank(state: RowState) -> u8 {
        match state {
            state if state.blocks() => 2,
            state if state.is_applied() => 1,
            _ => 0,
        }
    }
    let mut latest: BTreeMap<&str, (RowState, &LedgerRow)> = BTreeMap::new();
    for row in rows {
        let state = row_state(row);
        let candidate = (state, row);
        let key =
            |(state, row): &(RowState, &LedgerRow)| (rank(*state), row.started_at, row.id.clone());
        latest
            .entry(&row.migration_name)
            .and_modify(|kept| {
                if key(&candidate) >= key(kept) {
                    *kept = candidate;
                }
            })
            .or_insert(candidate);
    }
    latest
}

/// Whether the ledger's checksum is of this migration: any of the line-end variants, and the old hex in which a byte
/// below 16 has one digit only.
pub fn checksum_matches(ledger: &str, migration: &Migration) -> bool {
    checksums(migration).contains(&ledger.trim().to_ascii_lowercase())
}

/// All that [`checksum_matches`] takes for a migration's, in lower case.
pub fn checksums(migration: &Migration) -> Vec<String> {
    let padded = std::iter::once(&migration.sha256).chain(&migration.other_sha256);
    let padded = padded.filter(|padded| !padded.is_empty());
    padded
        .map(|padded| padded.to_ascii_lowercase())
        .flat_map(|padded| [unpadded(&padded), Some(padded)].into_iter().flatten())
        .collect()
}

/// The digest as very old Prisma wrote it: each byte in hex without its leading zero. `None` where the text is no hex
/// of whole bytes.
fn unpadded(padded: &str) -> Option<String> {
    if !padded.len().is_multiple_of(2) || !padded.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut old = String::with_capacity(padded.len());
    let mut digits = padded.chars();
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        if high != '0' {
            old.push(high.to_ascii_lowercase());
        }
        old.push(low.to_ascii_lowercase());
    }
    Some(old)
}

/// The arguments after the CLI that settle a migration. Each is one argument, so no shell sees the name.
pub fn resolve_command(action: Resolution, name: &str, schema: &str) -> Vec<String> {
    let flag = match action {
        Resolution::Applied => "--applied",
        Resolution::RolledBack => "--rolled-back",
    };
    // `--flag=value`, so that a name that begins with a dash is not taken for a flag.
    let mut command = vec![
        "migrate".to_owned(),
        "resolve".to_owned(),
        format!("{flag}={name}"),
    ];
    if !schema.is_empty() {
        command.push(format!("--schema={schema}"));
    }
    command
}

/// `dbm/<run>/<database>`: by this the operator knows its own sessions. At most 63 bytes, cut at a character.
pub fn application_name(run_id: &str, database: &str) -> String {
    let mut name = format!("dbm/{run_id}/{database}");
    while name.len() > MAX_APPLICATION_NAME {
        name.pop();
    }
    name
}

/// A word for a POSIX shell: as it stands where it is harmless, else in single quotes.
pub fn shell_quote(word: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    // zsh takes a word that begins with = for the path of a command.
    if !word.is_empty() && !word.starts_with('=') && word.bytes().all(harmless) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

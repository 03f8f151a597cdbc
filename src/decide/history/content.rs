//! Whether a ledger's checksum is of a text, also where what does nothing was changed since: line ends, white space at the
//! end or the beginning, a byte-order mark, a block of comment lines that came.
//!
//! The ledger has no text, only its checksum: what was there before can only be tried.

use std::collections::{BTreeSet, HashMap};

use dbm_protocol::{DatabaseInventory, Migration};

use crate::api::digest;
use crate::facts::LedgerRow;
use crate::tools::prisma::{self, RowState};

/// How many blocks of comment lines are left out, one at a time.
const BLOCKS: usize = 10;

/// A longer text is only tried as a whole: nobody waits for it.
const LONGEST: usize = 256 * 1024;

/// The migrations of an image by their content.
pub(super) struct Contents<'a> {
    /// Those that a checksum in a ledger may be of, by names. A look compares some hundred rows with as many migrations.
    of: HashMap<String, Vec<&'a str>>,
    /// Those that are applied as the image has them.
    intact: BTreeSet<&'a str>,
}

impl<'a> Contents<'a> {
    /// Tried is only what is in no row as it is, and only where the image lacks what a row has.
    pub(super) fn of(inventory: &'a DatabaseInventory, applied: &[&'a LedgerRow]) -> Self {
        let mut contents = Contents {
            of: HashMap::new(),
            intact: BTreeSet::new(),
        };
        for migration in &inventory.migrations {
            for checksum in prisma::checksums(migration) {
                contents.add(checksum, &migration.name);
            }
        }
        let named = |row: &LedgerRow, names: &[&str]| names.contains(&row.migration_name.as_str());
        let needed = applied
            .iter()
            .any(|row| !contents.names(row).is_some_and(|names| named(row, names)));
        if needed {
            // What was marked applied may be there for an applied one whose text was another then.
            let ran = applied
                .iter()
                .filter(|row| prisma::row_state(row) == RowState::Applied);
            let found = ran.filter_map(|row| contents.names(row));
            let known: BTreeSet<&str> = found.flatten().copied().collect();
            for migration in &inventory.migrations {
                let text = migration.sql.as_deref();
                let text = text.filter(|_| !known.contains(migration.name.as_str()));
                for checksum in text.map(variants).unwrap_or_default() {
                    contents.add(checksum, &migration.name);
                }
            }
        }
        let intact = applied
            .iter()
            .filter(|row| contents.names(row).is_some_and(|names| named(row, names)));
        contents.intact = intact.map(|row| row.migration_name.as_str()).collect();
        contents
    }

    fn add(&mut self, checksum: String, name: &'a str) {
        self.of.entry(checksum).or_default().push(name);
    }

    fn names(&self, row: &LedgerRow) -> Option<&[&'a str]> {
        let ledger = row.checksum.trim();
        let found = match ledger.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => self.of.get(&ledger.to_ascii_lowercase()),
            false => self.of.get(ledger),
        };
        found.map(Vec::as_slice)
    }

    /// Whether a row's content is that of a migration of the image.
    pub(super) fn is(&self, row: &LedgerRow, migration: &Migration) -> bool {
        let names = self.names(row);
        names.is_some_and(|names| names.contains(&migration.name.as_str()))
    }

    /// Whether the image has the migration of an applied row as it was applied.
    pub(super) fn is_intact(&self, row: &LedgerRow) -> bool {
        self.intact.contains(row.migration_name.as_str())
    }
}

/// The checksums of what a text may have been.
fn variants(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if text.len() > LONGEST {
        return found;
    }
    let bare = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let stripped: Vec<&str> = bare.lines().map(str::trim_end).collect();
    for text in without_comments(&bare) {
        found.insert(digest(text.as_bytes()));
        found.insert(digest(text.trim_end().as_bytes()));
    }
    for text in [stripped.join("\n"), bare] {
        for begin in [text.as_str(), text.trim_start()] {
            let body = begin.trim_end();
            for end in ["", "\n", "\n\n", "\n\n\n", &begin[body.len()..]] {
                let lines = format!("{body}{end}");
                let marked = format!("\u{feff}{lines}");
                for text in [&lines, &marked] {
                    found.insert(digest(text.as_bytes()));
                    found.insert(digest(text.replace('\n', "\r\n").as_bytes()));
                }
            }
        }
    }
    found
}

/// The text without all its comment lines, and without each block of them, with the empty lines around it and without.
fn without_comments(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_comment = |line: &str| line.trim_start().starts_with("--");
    let kept = |keep: &dyn Fn(usize) -> bool| {
        let kept = lines.iter().enumerate().filter(|(at, _)| keep(*at));
        let kept: Vec<&str> = kept.map(|(_, line)| *line).collect();
        kept.join("\n") + "\n"
    };
    let blank = |at: usize| lines.get(at).is_some_and(|line| line.trim().is_empty());
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() && found.len() < BLOCKS * 3 {
        if !is_comment(lines[at]) {
            at += 1;
            continue;
        }
        let end = (at..lines.len())
            .find(|at| !is_comment(lines[*at]))
            .unwrap_or(lines.len());
        let before = at - usize::from(at > 0 && blank(at - 1));
        let after = end + usize::from(blank(end));
        for (from, to) in [(at, end), (before, end), (at, after)] {
            found.push(kept(&|line| line < from || line >= to));
        }
        at = end;
    }
    if !found.is_empty() {
        found.push(kept(&|line| !is_comment(lines[line])));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const WAS: &str = "-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\n";

    #[rstest]
    #[case::end("-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;", true)]
    #[case::ends(
        "-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\n\n\n",
        true
    )]
    #[case::spaces(
        "-- UpdateTable  \nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\t\n",
        true
    )]
    #[case::mark(
        "\u{feff}-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\n",
        true
    )]
    #[case::lines(
        "-- UpdateTable\r\nUPDATE a SET b = 1;\r\n\r\nUPDATE c SET d = 2;\r\n",
        true
    )]
    #[case::head(
        "-- prices in cents\n-- since May\n\n-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\n",
        true
    )]
    #[case::inside(
        "-- UpdateTable\nUPDATE a SET b = 1;\n\n-- and\nUPDATE c SET d = 2;\n",
        true
    )]
    #[case::at_the_end(
        "-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 2;\n-- renamed\n",
        true
    )]
    #[case::other("-- UpdateTable\nUPDATE a SET b = 1;\n\nUPDATE c SET d = 3;\n", false)]
    #[case::less("-- UpdateTable\nUPDATE a SET b = 1;\n", false)]
    fn what_does_nothing_makes_no_other_content(#[case] is: &str, #[case] same: bool) {
        assert_eq!(variants(is).contains(&digest(WAS.as_bytes())), same);
    }
}

//! What stands around a `down.sql`.

use dbm_protocol::Script;

use crate::decide::DownPlan;

/// Prisma's advisory lock: no deploy starts while the script runs, and the script waits for one that does.
const PRISMA_LOCK: u32 = 72_707_369;

/// The script of a down step. In a transaction it marks the migration's row, too, and is done wholly or not at all; a
/// row that is gone, or rolled back already, is left alone. No part of it holds a `;` but at a statement's end: there are
/// engines that part statements at every one.
pub fn down_script(migration: &str, plan: &DownPlan) -> Script {
    let (before, after) = if plan.transaction {
        let before = format!("BEGIN;\nSELECT pg_advisory_xact_lock({PRISMA_LOCK});\n");
        // The line end ends a comment, and the `;` a statement, that the file's last line left open.
        let after = format!(
            "\n;UPDATE {}.\"_prisma_migrations\" SET rolled_back_at = now() WHERE id = {} AND rolled_back_at IS NULL;\nCOMMIT;\n",
            identifier(&plan.schema),
            literal(&plan.ledger_row)
        );
        (before, after)
    } else {
        (String::new(), String::new())
    };
    Script {
        migration: migration.to_owned(),
        before,
        after,
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A backslash means itself, unless the server's `standard_conforming_strings` is off; with `E` it never does.
fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(schema: &str, row: &str, transaction: bool) -> DownPlan {
        DownPlan {
            transaction,
            ledger_row: row.to_owned(),
            schema: schema.to_owned(),
        }
    }

    #[test]
    fn a_transaction_marks_the_row() {
        let script = down_script("20260101_a", &plan("public", "row-1", true));
        let whole = format!("{}DROP TABLE a -- why{}", script.before, script.after);
        assert_eq!(
            whole,
            "BEGIN;\nSELECT pg_advisory_xact_lock(72707369);\nDROP TABLE a -- why\n;UPDATE \"public\".\"_prisma_migrations\" \
             SET rolled_back_at = now() WHERE id = 'row-1' AND rolled_back_at IS NULL;\nCOMMIT;\n"
        );
        assert_eq!(script.migration, "20260101_a");
    }

    #[test]
    fn every_statement_ends_at_a_line_end_and_nowhere_else() {
        let script = down_script("m", &plan("public", "row-1", true));
        let statements: Vec<&str> = script.after.split(';').map(str::trim).collect();
        assert_eq!(statements.len(), 4, "{statements:?}");
        assert_eq!(
            (statements[0], statements[2], statements[3]),
            ("", "COMMIT", "")
        );
        assert_eq!(
            script.before.matches(';').count(),
            script.before.lines().count()
        );
    }

    #[test]
    fn names_and_values_are_quoted() {
        let script = down_script("m", &plan("my \"app\"", "it's", true));
        assert!(
            script
                .after
                .contains("UPDATE \"my \"\"app\"\"\".\"_prisma_migrations\""),
            "{}",
            script.after
        );
        assert!(
            script.after.contains("id = 'it''s' AND"),
            "{}",
            script.after
        );
        let script = down_script("m", &plan("public", "a\\'; DROP", true));
        assert!(
            script.after.contains("id = E'a\\\\''; DROP' AND"),
            "{}",
            script.after
        );
    }

    #[test]
    fn without_a_transaction_the_file_stands_alone() {
        let script = down_script("m", &plan("public", "row-1", false));
        assert_eq!((script.before.as_str(), script.after.as_str()), ("", ""));
    }
}

//! What a migration's own text does to the rows of Prisma's table.

use super::reference::{StatementRef, statement};
use super::token::{Kind, Token};
use super::{split, token};

/// Prisma's table, as words are compared here.
const LEDGER: &str = "_PRISMA_MIGRATIONS";

/// What is done to the table after these words.
const VERBS: [&str; 10] = [
    "SELECT", "INSERT", "COPY", "MERGE", "UPDATE", "DELETE", "TRUNCATE", "DROP", "ALTER", "LOCK",
];

/// Columns without which a row does not say that its migration is applied.
const SAYING: [&str; 3] = ["FINISHED_AT", "ROLLED_BACK_AT", "MIGRATION_NAME"];

/// The statements of a text by which rows of `_prisma_migrations` come, or go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerWrites {
    /// By which some come, or come to say that something is applied.
    pub adds: Vec<StatementRef>,
    /// By which some go, or come to say that something is not applied any more.
    pub removes: Vec<StatementRef>,
}

/// Looks for them, also in what the text executes. `schema`: where the table stands.
pub fn ledger_writes(sql: &str, schema: &str) -> LedgerWrites {
    let mut found = LedgerWrites::default();
    if !sql.to_ascii_uppercase().contains(LEDGER) && !sql.to_ascii_uppercase().contains("DROP") {
        return found;
    }
    let read = token::tokens(sql);
    for (tokens, number) in split(&read.tokens).into_iter().zip(1..) {
        let words = words(sql, tokens);
        let first = words.first().map_or("", String::as_str);
        if ["GRANT", "REVOKE", "COMMENT"].contains(&first) {
            continue;
        }
        let says = |word: &str| words.iter().any(|other| other == word);
        let verbs = verbs(&words);
        let does = |verb: &str| verbs.contains(&verb);
        let column = SAYING.iter().any(|column| says(column));
        let moved = says("RENAME") || says("SCHEMA");
        let dropped = first == "DROP"
            && words.get(1).is_some_and(|word| word == "SCHEMA")
            && says(&schema.to_ascii_uppercase());
        let changes = does("MERGE") || does("UPDATE") && column;
        let adds = does("INSERT") || does("COPY") || changes;
        let gone = ["DELETE", "TRUNCATE", "DROP"].into_iter().any(does);
        let removes = gone || changes || dropped || does("ALTER") && moved;
        let at = statement(sql, number);
        found.adds.extend(at.clone().filter(|_| adds));
        found.removes.extend(at.filter(|_| removes));
    }
    found
}

/// The words of a statement in upper case, those of names and of what stands in quotes, too.
fn words(sql: &str, tokens: &[Token]) -> Vec<String> {
    let mut words = Vec::new();
    for token in tokens {
        match &token.kind {
            Kind::Word(word) => words.push(word.clone()),
            Kind::Name | Kind::Text => {
                let text = sql.get(token.span.clone()).unwrap_or_default();
                let parts = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                let parts = parts.filter(|part| !part.is_empty());
                words.extend(parts.map(str::to_ascii_uppercase));
            }
            Kind::Number | Kind::Operator(_) | Kind::Mark(_) => {}
        }
    }
    words
}

/// What is done to the table: the last such word before each place where it is named.
fn verbs(words: &[String]) -> Vec<&str> {
    let named = words.iter().enumerate().filter(|(_, word)| *word == LEDGER);
    named
        .filter_map(|(at, _)| {
            let before = words.get(..at)?.iter().rev().map(String::as_str);
            before.into_iter().find(|word| VERBS.contains(word))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("DELETE FROM \"_prisma_migrations\" WHERE true;", &[], &[1])]
    #[case("SELECT 1; delete from public._prisma_migrations;", &[], &[2])]
    #[case("TRUNCATE _prisma_migrations", &[], &[1])]
    #[case("DROP TABLE a, \"_prisma_migrations\"", &[], &[1])]
    #[case("DROP SCHEMA IF EXISTS \"public\" CASCADE; CREATE SCHEMA public;", &[], &[1])]
    #[case("DROP SCHEMA app", &[], &[])]
    #[case("ALTER TABLE _prisma_migrations RENAME TO old", &[], &[1])]
    #[case("ALTER TABLE _prisma_migrations ADD COLUMN a int", &[], &[])]
    #[case("INSERT INTO _prisma_migrations (id) SELECT id FROM old;", &[1], &[])]
    #[case("INSERT INTO old SELECT * FROM _prisma_migrations;", &[], &[])]
    #[case("UPDATE _prisma_migrations SET rolled_back_at = now()", &[1], &[1])]
    #[case("UPDATE _prisma_migrations SET checksum = 'x'", &[], &[])]
    #[case("WITH gone AS (DELETE FROM _prisma_migrations RETURNING *) INSERT INTO old SELECT * FROM gone", &[], &[1])]
    #[case("DO $$ BEGIN DELETE FROM _prisma_migrations; END $$;", &[], &[1])]
    #[case("DO $$ BEGIN EXECUTE 'insert into \"_prisma_migrations\" values (1)'; END $$;", &[1], &[])]
    #[case("-- DELETE FROM _prisma_migrations\nSELECT count(*) FROM _prisma_migrations;", &[], &[])]
    #[case("GRANT DELETE ON _prisma_migrations TO app", &[], &[])]
    #[case("CREATE TABLE a (id int)", &[], &[])]
    fn what_is_done_to_the_ledger(
        #[case] sql: &str,
        #[case] adds: &[usize],
        #[case] removes: &[usize],
    ) {
        let found = ledger_writes(sql, "public");
        let numbers = |list: &[StatementRef]| list.iter().map(|at| at.number).collect::<Vec<_>>();
        assert_eq!(
            (numbers(&found.adds), numbers(&found.removes)),
            (adds.to_vec(), removes.to_vec())
        );
    }
}

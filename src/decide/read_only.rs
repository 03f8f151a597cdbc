//! A session in which nothing may be written: who made it so, and how that is taken back.

use crate::facts::DatabaseFacts;

/// The setting that makes every session read-only.
const SETTING: &str = "default_transaction_read_only";

/// What stands before the statement that takes it back.
const TAKES_BACK: &str = "To take it back, if nobody means it to be so: ";

/// What to do, as a sentence without its full stop.
pub(super) fn remedy(facts: &DatabaseFacts) -> String {
    let mut all = facts.own_timeouts.iter();
    let set = all.find(|own| own.name == SETTING && is_on(&own.value));
    match set {
        Some(own) => format!(
            "{SETTING} is set by {}, maybe on purpose, as while a database is moved. {TAKES_BACK}{} RESET {SETTING}",
            own.set_by, own.set_by
        ),
        None => format!(
            "See that the URL leads to the primary, and that nothing sets {SETTING} (psql's \\drds lists what is set for roles and databases; ALTER DATABASE or ALTER ROLE ... RESET {SETTING} takes it back, after SET {SETTING} = off in the same session)"
        ),
    }
}

fn is_on(value: &str) -> bool {
    ["on", "true", "yes", "1"].contains(&value.trim_matches('\'').to_lowercase().as_str())
}

/// The statements that take it back, where a remedy names them: such a session may not even alter its own role.
pub(super) fn takes_back(remedy: &str) -> Option<[String; 2]> {
    let (_, statement) = remedy.split_once(TAKES_BACK)?;
    let statement = statement.trim_end_matches('.').to_owned();
    Some([format!("SET {SETTING} = off"), statement])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::facts::OwnTimeout;

    #[test]
    fn who_set_it_is_named_with_what_takes_it_back() {
        let mut facts = DatabaseFacts::default();
        assert_eq!(takes_back(&remedy(&facts)), None);
        facts.own_timeouts = vec![OwnTimeout {
            name: SETTING.to_owned(),
            value: "on".to_owned(),
            set_by: "ALTER ROLE app IN DATABASE shop".to_owned(),
        }];
        let statements = takes_back(&format!("{}.", remedy(&facts))).unwrap();
        assert_eq!(
            statements,
            [
                "SET default_transaction_read_only = off",
                "ALTER ROLE app IN DATABASE shop RESET default_transaction_read_only"
            ]
        );
        facts.own_timeouts[0].value = "off".to_owned();
        assert_eq!(takes_back(&remedy(&facts)), None);
    }
}

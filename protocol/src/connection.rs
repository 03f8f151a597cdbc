//! What a Secret's value has to be before it is taken for a connection string: one rule for the operator, which looks at the
//! database, and for the agent, which hands the value to Prisma.

/// The protocols that Prisma takes for PostgreSQL, as it spells them.
const PROTOCOLS: [&str; 2] = ["postgresql://", "postgres://"];
/// Those of Prisma's own proxy.
const PROXY: [&str; 2] = ["prisma://", "prisma+postgres://"];
/// What editors of some systems put before a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why a value is no connection string that can be migrated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing but blanks.
    Empty,
    /// A line end or another control character in its middle.
    ControlCharacter,
    /// It begins with this quote.
    Quoted(char),
    /// Prisma's own proxy.
    Proxy,
    /// Another protocol, or none.
    Protocol,
}

impl Wrong {
    /// What is wrong and what to do, in words that hold nothing of the value and follow its name.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Wrong::Empty => "is empty; set it to postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            Wrong::ControlCharacter => {
                "holds a line end or another control character in its middle; write it in one line"
            }
            Wrong::Quoted(_) => "stands in quotes, which are part of the value here; remove them",
            Wrong::Proxy => {
                "goes through Prisma's own proxy; migrations need the direct URL of the database, postgresql://..."
            }
            Wrong::Protocol => {
                "is no URL of PostgreSQL; it has to begin with postgresql:// or postgres://"
            }
        }
    }
}

/// The connection string in a value: without the blanks, line ends and byte-order mark around it, which come from how the
/// Secret was made and are never meant. Programs differ in whether they take them, so what is used is this, everywhere.
///
/// # Errors
/// When what is left is no connection string.
pub fn string(value: &str) -> Result<&str, Wrong> {
    let text = trimmed(value);
    let begins = |protocols: &[&str]| protocols.iter().any(|known| text.starts_with(known));
    if text.is_empty() {
        Err(Wrong::Empty)
    } else if text.chars().any(char::is_control) {
        Err(Wrong::ControlCharacter)
    } else if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        Err(Wrong::Quoted(quote))
    } else if begins(&PROXY) {
        Err(Wrong::Proxy)
    } else if begins(&PROTOCOLS) {
        Ok(text)
    } else {
        Err(Wrong::Protocol)
    }
}

fn trimmed(value: &str) -> &str {
    value.trim_matches(|sign: char| sign.is_whitespace() || sign == BYTE_ORDER_MARK)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The operator's tests read the same table.
    #[test]
    fn one_table_for_both_sides() {
        let table: Vec<(String, Option<String>)> =
            serde_json::from_str(include_str!("../tests/values.json")).unwrap();
        assert!(table.len() > 20);
        for (value, taken) in table {
            assert_eq!(string(&value).ok(), taken.as_deref(), "{value:?}");
        }
    }
}

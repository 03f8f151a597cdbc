//! What a column is like beyond its name: what a text makes of it, and whether that is what the catalog says.

use super::cursor::Cursor;
use super::token::{self, Kind, Token};
use crate::facts::Column;

/// What is known of a column. What is `None` is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub not_null: Option<bool>,
    pub default: Option<Default>,
    /// As [`type_name`] spells it.
    pub of_type: Option<String>,
}

/// A column's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Default {
    None,
    /// As it is written; empty where only that there is one is known.
    Some(String),
}

/// What one action of a statement makes of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    NotNull(bool),
    Default(Default),
    /// `None`: one that is not read here.
    Type(Option<String>),
    /// All of it, of a column that the statement makes.
    Whole(Shape),
}

impl Shape {
    pub(super) fn take(&mut self, aspect: &Aspect) {
        match aspect {
            Aspect::NotNull(not_null) => self.not_null = Some(*not_null),
            Aspect::Default(default) => self.default = Some(default.clone()),
            Aspect::Type(of_type) => {
                self.of_type.clone_from(of_type);
                // It is cast, too.
                if self.default != Some(Default::None) {
                    self.default = None;
                }
            }
            Aspect::Whole(shape) => self.clone_from(shape),
        }
    }

    /// Only what that aspect says something of.
    pub(super) fn only(&self, aspect: &Aspect) -> Shape {
        let mut only = Shape::default();
        match aspect {
            Aspect::NotNull(_) => only.not_null = self.not_null,
            Aspect::Default(_) => only.default.clone_from(&self.default),
            Aspect::Type(_) => only.of_type.clone_from(&self.of_type),
            Aspect::Whole(_) => only.clone_from(self),
        }
        only
    }

    /// In what the catalog's column is another one, in words that follow its name.
    pub(super) fn differences(&self, seen: &Column) -> Vec<String> {
        let mut found = Vec::new();
        let of_type = Shape {
            of_type: self.of_type.clone(),
            ..Shape::default()
        };
        if !of_type.fits(seen) {
            found.push(format!("is of type {}", seen.of_type));
        }
        if self.not_null.is_some_and(|known| known != seen.not_null) {
            let is = if seen.not_null { "is" } else { "is not" };
            found.push(format!("{is} NOT NULL"));
        }
        if self.default.as_ref().is_some_and(|known| !known.fits(seen)) {
            let has = match seen.default {
                Some(_) => "has another default",
                None => "has no default",
            };
            found.push(has.to_owned());
        }
        found
    }

    /// It may be what the catalog says of it.
    pub(super) fn fits(&self, seen: &Column) -> bool {
        let not_null = self.not_null.is_none_or(|known| known == seen.not_null);
        let of_type = match (&self.of_type, type_of(&seen.of_type)) {
            (Some(known), Some(seen)) => *known == seen,
            _ => true,
        };
        not_null && of_type && self.default.as_ref().is_none_or(|d| d.fits(seen))
    }
}

impl Default {
    fn fits(&self, seen: &Column) -> bool {
        let none = |text: &str| value(text) == Value::Null;
        let written = match self {
            Default::Some(text) if !none(text) => Some(text),
            _ => None,
        };
        let seen = seen.default.as_ref().filter(|text| !none(text));
        match (written, seen) {
            (None, None) => true,
            (Some(written), Some(seen)) => {
                written.is_empty() || seen.is_empty() || !differ(&value(written), &value(seen))
            }
            _ => false,
        }
    }
}

/// `ALTER [COLUMN] name ...`, from behind the name. `None` where it is about something else.
pub(super) fn altered(mut cursor: Cursor<'_>) -> Option<Aspect> {
    match cursor.take_word()? {
        "SET" if cursor.take("NOT") => cursor.take("NULL").then_some(Aspect::NotNull(true)),
        "SET" if cursor.take("DEFAULT") => {
            let text = text_of(cursor)?;
            Some(Aspect::Default(Default::Some(text)))
        }
        "SET" if cursor.take("DATA") && cursor.take("TYPE") => retyped(cursor),
        "TYPE" => retyped(cursor),
        "DROP" if cursor.take("NOT") => cursor.take("NULL").then_some(Aspect::NotNull(false)),
        "DROP" if cursor.take("DEFAULT") => Some(Aspect::Default(Default::None)),
        _ => None,
    }
}

fn retyped(mut cursor: Cursor<'_>) -> Option<Aspect> {
    let of_type = type_name(&mut cursor);
    let collated = cursor.has(&["COLLATE"]);
    let read = cursor.is_done() || cursor.peek_word() == "USING";
    Some(Aspect::Type(of_type.filter(|_| read && !collated)))
}

/// A column's definition, from behind its name.
pub(super) fn defined(mut cursor: Cursor<'_>) -> Shape {
    let serial = cursor.peek_word().contains("SERIAL");
    let mut shape = Shape {
        not_null: Some(serial),
        default: Some(Default::None),
        of_type: None,
    };
    if serial {
        shape.default = Some(Default::Some(String::new()));
        cursor.take_word();
    } else {
        shape.of_type = type_name(&mut cursor);
    }
    let (mut depth, mut default) = (0_usize, None);
    let all = cursor.tokens;
    for (at, token) in all.iter().enumerate() {
        match &token.kind {
            Kind::Mark('(' | '[') => depth += 1,
            Kind::Mark(')' | ']') => depth = depth.saturating_sub(1),
            Kind::Word(word) if depth == 0 => {
                let next = all.get(at + 1).map(|token| &token.kind);
                let is_next = |word: &str| next == Some(&Kind::Word(word.to_owned()));
                match word.as_str() {
                    "NOT" if is_next("NULL") => shape.not_null = Some(true),
                    "PRIMARY" | "IDENTITY" => shape.not_null = Some(true),
                    // SET DEFAULT is what a foreign key does, BY DEFAULT an identity.
                    "DEFAULT" if !follows(all, at, &["SET", "BY"]) => {
                        default = Some(at + 1);
                        continue;
                    }
                    _ => {}
                }
                if let Some(from) = default.filter(|from| *from < at)
                    && ENDS_DEFAULT.contains(&word.as_str())
                {
                    let tokens = &all[from..at];
                    let text = text_of(Cursor { tokens, ..cursor });
                    shape.default = Some(Default::Some(text.unwrap_or_default()));
                    default = None;
                }
            }
            _ => {}
        }
    }
    if let Some(from) = default {
        let tokens = &all[from.min(all.len())..];
        let text = text_of(Cursor { tokens, ..cursor });
        shape.default = Some(Default::Some(text.unwrap_or_default()));
    }
    shape
}

fn follows(tokens: &[Token], at: usize, words: &[&str]) -> bool {
    let before = at.checked_sub(1).and_then(|at| tokens.get(at));
    let word = before.map(|token| &token.kind);
    matches!(word, Some(Kind::Word(word)) if words.contains(&word.as_str()))
}

/// What may follow a default in a column's definition.
const ENDS_DEFAULT: [&str; 9] = [
    "NOT",
    "NULL",
    "CONSTRAINT",
    "CHECK",
    "UNIQUE",
    "PRIMARY",
    "REFERENCES",
    "COLLATE",
    "GENERATED",
];

fn text_of(cursor: Cursor<'_>) -> Option<String> {
    super::text_of(cursor.sql, cursor.tokens).map(str::to_owned)
}

fn type_of(text: &str) -> Option<String> {
    let read = token::tokens(text);
    let mut cursor = Cursor {
        sql: text,
        tokens: &read.tokens,
    };
    type_name(&mut cursor).filter(|_| cursor.is_done())
}

/// A type as `format_type` writes it, but for its schema. `None` where it is not understood.
fn type_name(cursor: &mut Cursor<'_>) -> Option<String> {
    let is_quoted = |cursor: &Cursor<'_>| {
        let first = cursor.tokens.first();
        first.is_some_and(|token| token.kind == Kind::Name)
    };
    let mut quoted = is_quoted(cursor);
    let mut name = cursor.identifier()?;
    while cursor.advance_if(|kind| *kind == Kind::Mark('.')) {
        quoted = is_quoted(cursor);
        name = cursor.identifier()?;
    }
    let mut name = match (quoted, name.as_str()) {
        // It is no char.
        (true, "char") => "\"char\"".to_owned(),
        (true, _) => name,
        (false, word) => own_type(word, cursor)?,
    };
    let mut array = cursor.take("ARRAY");
    while cursor.advance_if(|kind| *kind == Kind::Mark('[')) {
        cursor.advance_if(|kind| *kind == Kind::Number);
        cursor
            .advance_if(|kind| *kind == Kind::Mark(']'))
            .then_some(())?;
        array = true;
    }
    if array {
        name.push_str("[]");
    }
    Some(name)
}

/// A type whose name is a word: one of PostgreSQL's own under its other names, or a user's.
fn own_type(word: &str, cursor: &mut Cursor<'_>) -> Option<String> {
    let varying = matches!(word, "character" | "char" | "bit") && cursor.take("VARYING");
    if word == "double" {
        cursor.take("PRECISION").then_some(())?;
    }
    let modifier = match cursor.group() {
        Some(tokens) => Some(text_of(Cursor { tokens, ..*cursor })?.replace(' ', "")),
        None => None,
    };
    let zone = if cursor.take("WITH") {
        Some(true)
    } else {
        cursor.take("WITHOUT").then_some(false)
    };
    if zone.is_some() {
        (cursor.take("TIME") && cursor.take("ZONE")).then_some(())?;
    }
    let with = |name: &str, modifier: Option<String>| match modifier {
        Some(modifier) => format!("{name}({modifier})"),
        None => name.to_owned(),
    };
    let one = || Some("1".to_owned());
    Some(match word {
        "int" | "int4" | "integer" => "integer".to_owned(),
        "int8" | "bigint" => "bigint".to_owned(),
        "int2" | "smallint" => "smallint".to_owned(),
        "bool" | "boolean" => "boolean".to_owned(),
        "float4" | "real" => "real".to_owned(),
        "double" | "float8" => "double precision".to_owned(),
        "float" => match modifier {
            None => "double precision".to_owned(),
            Some(bits) if bits.parse::<u8>().ok()? <= 24 => "real".to_owned(),
            Some(_) => "double precision".to_owned(),
        },
        "decimal" | "dec" | "numeric" => with(
            "numeric",
            modifier.map(|m| if m.contains(',') { m } else { m + ",0" }),
        ),
        "varchar" => with("character varying", modifier),
        "character" | "char" if varying => with("character varying", modifier),
        "character" | "char" => with("character", modifier.or_else(one)),
        "bit" if varying => with("bit varying", modifier),
        "varbit" => with("bit varying", modifier),
        "bit" => with("bit", modifier.or_else(one)),
        "timestamp" | "timestamptz" | "time" | "timetz" => {
            let name = word.trim_end_matches("tz");
            let zone = if zone == Some(true) || word.ends_with("tz") {
                "with"
            } else {
                "without"
            };
            format!("{} {zone} time zone", with(name, modifier))
        }
        // What may follow it is not read here.
        "interval" | "national" | "nchar" | "bpchar" | "setof" => return None,
        _ => with(word, modifier),
    })
}

/// A default's value, as far as it is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Null,
    Bool(bool),
    Number(String),
    /// A literal, and what it is cast to.
    Text(String, Option<String>),
    /// A function without arguments.
    Call(String),
    Other,
}

fn value(text: &str) -> Value {
    let read = token::tokens(text);
    value_of(Cursor {
        sql: text,
        tokens: &read.tokens,
    })
}

fn value_of(mut cursor: Cursor<'_>) -> Value {
    let mut whole = cursor;
    if let Some(tokens) = whole.group()
        && whole.is_done()
    {
        return value_of(Cursor { tokens, ..cursor });
    }
    let (tokens, cast) = without_cast(cursor);
    cursor.tokens = tokens;
    match tokens {
        [one] => match &one.kind {
            Kind::Text => match cursor.literal() {
                Some(text) => Value::Text(text, cast),
                None => Value::Other,
            },
            Kind::Number => Value::Number(spelt(cursor)),
            Kind::Word(word) => match word.as_str() {
                "NULL" => Value::Null,
                "TRUE" => Value::Bool(true),
                "FALSE" => Value::Bool(false),
                _ => Value::Call(word.to_lowercase()),
            },
            _ => Value::Other,
        },
        [sign, number] if number.kind == Kind::Number => match &sign.kind {
            Kind::Operator(sign) if sign == "-" => Value::Number(spelt(cursor).replace(' ', "")),
            _ => Value::Other,
        },
        [name @ .., open, close]
            if open.kind == Kind::Mark('(') && close.kind == Kind::Mark(')') =>
        {
            let mut of = Cursor {
                tokens: name,
                ..cursor
            };
            match of.qualified().filter(|_| of.is_done()) {
                Some((_, name)) => Value::Call(name + "()"),
                None => Value::Other,
            }
        }
        _ => Value::Other,
    }
}

fn spelt(cursor: Cursor<'_>) -> String {
    text_of(cursor).unwrap_or_default()
}

/// What stands before a cast that is the last thing in an expression, and to which type.
fn without_cast(cursor: Cursor<'_>) -> (&[Token], Option<String>) {
    let colon = |token: &Token| token.kind == Kind::Mark(':');
    let pairs = cursor.tokens.windows(2);
    let Some(at) = pairs
        .enumerate()
        .filter(|(_, pair)| pair.iter().all(colon))
        .map(|(at, _)| at)
        .next()
    else {
        return (cursor.tokens, None);
    };
    let mut rest = Cursor {
        tokens: &cursor.tokens[at + 2..],
        ..cursor
    };
    match type_name(&mut rest) {
        Some(name) if rest.is_done() => (&cursor.tokens[..at], Some(name)),
        _ => (cursor.tokens, None),
    }
}

/// The two are surely not the same. `seen` is as PostgreSQL writes it, which reads a literal as its type has it.
fn differ(written: &Value, seen: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Number(text) | Value::Text(text, _) => text.parse::<i64>().ok(),
        _ => None,
    };
    match (written, seen) {
        (Value::Other, _) | (_, Value::Other) => false,
        (Value::Bool(one), Value::Bool(other)) => one != other,
        (Value::Call(one), Value::Call(other)) => one != other,
        (Value::Call(_), _) | (_, Value::Call(_)) => true,
        (Value::Text(one, _), Value::Text(other, Some(cast)))
            if ["text", "character varying"].contains(&cast.as_str())
                || cast.contains(char::is_uppercase) =>
        {
            one != other
        }
        (Value::Text(..), Value::Text(..)) => false,
        (one, other) => match (number(one), number(other)) {
            (Some(one), Some(other)) => one != other,
            _ => false,
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("INT", "integer")]
    #[case("VARCHAR ( 9 )", "character varying(9)")]
    #[case("character varying(9)", "character varying(9)")]
    #[case("char", "character(1)")]
    #[case("\"char\"", "\"char\"")]
    #[case("DECIMAL(10)", "numeric(10,0)")]
    #[case("numeric(10, 2)[]", "numeric(10,2)[]")]
    #[case("TIMESTAMP(3)", "timestamp(3) without time zone")]
    #[case("timestamp(3) with time zone", "timestamp(3) with time zone")]
    #[case("TIMESTAMPTZ", "timestamp with time zone")]
    #[case("double precision", "double precision")]
    #[case("\"public\".\"Role\"[3]", "Role[]")]
    #[case("public.citext", "citext")]
    fn a_type_has_one_spelling(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(type_of(text).unwrap(), expected);
    }

    #[rstest]
    #[case("interval day")]
    #[case("%")]
    #[case("")]
    fn what_is_no_type_that_is_known(#[case] text: &str) {
        assert_eq!(type_of(text), None);
    }

    /// What was written; what the catalog says; whether it may be the same.
    #[rstest]
    #[case("'x'", "'x'::text", true)]
    #[case("'x'", "'y'::text", false)]
    #[case("('USER')", "'USER'::public.\"Role\"", true)]
    #[case("'USER'::\"Role\"", "'ADMIN'::public.\"Role\"", false)]
    #[case("'{\"a\":1}'", "'{\"a\": 1}'::jsonb", true)]
    #[case("-1", "'-1'::integer", true)]
    #[case("-1", "0", false)]
    #[case("'5'", "5", true)]
    #[case("0.0", "0.00", true)]
    #[case("TRUE", "true", true)]
    #[case("true", "false", false)]
    #[case("now()", "now()", true)]
    #[case("now()", "CURRENT_TIMESTAMP", false)]
    #[case(
        "CURRENT_TIMESTAMP",
        "'2020-01-01 00:00:00'::timestamp without time zone",
        false
    )]
    #[case("public.made()", "made()", true)]
    #[case("lower('A')", "lower('B'::text)", true)]
    #[case("'x'", "", true)]
    fn a_default_may_be_what_is_seen(
        #[case] written: &str,
        #[case] seen: &str,
        #[case] expected: bool,
    ) {
        let column = |default: Option<&str>| Column {
            default: default.map(str::to_owned),
            ..Column::default()
        };
        let written = Default::Some(written.to_owned());
        assert_eq!(written.fits(&column(Some(seen))), expected);
        assert!(!written.fits(&column(None)), "it has none");
        assert!(!Default::None.fits(&column(Some(seen))), "it has one");
        assert!(Default::Some("NULL".to_owned()).fits(&column(None)));
        assert!(Default::None.fits(&column(Some("NULL::character varying"))));
    }

    #[rstest]
    #[case("TEXT", false, None)]
    #[case("TEXT NOT NULL DEFAULT 'a b'", true, Some("'a b'"))]
    #[case("int DEFAULT (1 + 1) CHECK (x IS NOT NULL)", false, Some("(1 + 1)"))]
    #[case("int REFERENCES t (id) ON DELETE SET DEFAULT", false, None)]
    #[case("SERIAL", true, Some(""))]
    #[case("int GENERATED ALWAYS AS IDENTITY", true, None)]
    #[case("timestamptz DEFAULT now() NOT NULL", true, Some("now()"))]
    fn what_a_definition_says(
        #[case] text: &str,
        #[case] not_null: bool,
        #[case] default: Option<&str>,
    ) {
        let read = token::tokens(text);
        let shape = defined(Cursor {
            sql: text,
            tokens: &read.tokens,
        });
        assert_eq!(shape.not_null, Some(not_null));
        let default = default.map_or(Default::None, |text| Default::Some(text.to_owned()));
        assert_eq!(shape.default, Some(default));
    }
}

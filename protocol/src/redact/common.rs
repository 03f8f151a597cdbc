//! Which secrets are so short or so common that hiding them wherever they stand would hide what an error says.

use std::collections::BTreeSet;

/// A secret of that many characters is hidden wherever it stands, unless it is a word of those below.
pub const LONG: usize = 8;

/// One that is shorter is hidden nowhere but where it is used as a password.
const SHORTEST: usize = 4;

/// Words of PostgreSQL's, Prisma's and Node's own messages, and of the examples that people copy. Words of letters alone are
/// listed from [`LONG`] on: below, every one of them is taken for common.
const FIXED: &str = "\
    postgres postgresql database databases password passwords username relation relations constraint constraints migration \
    migrations migrated duplicate violates existing connection connections connected localhost timestamp timestamptz character \
    identity sequence function functions extension extensions information_schema pg_catalog permission transaction \
    transactions unsupported parameter parameters statement statements operator operators datasource datasources provider \
    direct_url database_url environment variable variables production development undefined reference references referenced \
    authentication authenticated credentials administrator superuser template0 template1 _prisma_migrations prisma_migrations \
    schema.prisma prisma-client generated following recorded baseline position terminated terminating unexpected canceling \
    cancelled deadlock detected currently depends objects multiple aggregate collation encoding definition primary_key \
    foreign_key not-null not_null unique-violation applied_steps_count migration_name finished_at started_at rolled_back_at \
    checksum advisory available directory executable supported required argument arguments attribute attributes expression \
    int2 int4 int8 float4 float8 utf8 utf-8 base64 sha1 sha256 sha512 md5 x509 tls1 tls12 tls13 ipv4 ipv6 http2 node18 node20 \
    node22 p1000 p1001 p1002 p1003 p1010 p1011 p1012 p1013 p1014 p1017 p3000 p3001 p3002 p3003 p3004 p3005 p3006 p3007 p3008 \
    p3009 p3010 p3011 p3012 p3013 p3014 p3015 p3018 p3019";

/// How well a secret is told from other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strength {
    /// It says too little by itself: hidden where it is used as a password.
    Used,
    /// Hidden where it stands as a word of its own.
    Word,
    /// Hidden wherever it stands.
    Everywhere,
}

/// Words that are no secret where they stand: names of the image's own SQL, its folders and its files.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// In lower case, each once, parted by blanks.
    words: String,
}

impl Known {
    /// Those of these names, as they stand, and of these SQL texts, but for what stands in single quotes and comments there.
    #[must_use]
    pub fn of<'a>(
        names: impl IntoIterator<Item = &'a str>,
        scripts: impl IntoIterator<Item = &'a str>,
    ) -> Known {
        let mut found: BTreeSet<String> = names.into_iter().map(str::to_ascii_lowercase).collect();
        for script in scripts {
            identifiers(script, &mut found);
        }
        Known {
            words: found.into_iter().collect::<Vec<_>>().join(" "),
        }
    }

    /// How a secret, decoded, is told from other text.
    pub(super) fn strength(&self, plain: &str) -> Strength {
        let characters = plain.chars().count();
        if characters < SHORTEST {
            return Strength::Used;
        }
        let is_name = |sign: char| sign.is_alphanumeric() || matches!(sign, '_' | '-' | '.');
        if plain.chars().all(is_name) {
            let lower = plain.to_ascii_lowercase();
            if FIXED.contains(&lower) || self.words.contains(&lower) {
                return Strength::Used;
            }
        }
        if characters >= LONG {
            return Strength::Everywhere;
        }
        if is_plain_word(plain) {
            Strength::Used
        } else if plain.chars().all(is_name) {
            Strength::Word
        } else {
            Strength::Everywhere
        }
    }
}

/// Letters alone as words have them (`app`, `App`, `APP`, `my-app`), or digits alone.
fn is_plain_word(text: &str) -> bool {
    let is_joint = |sign: char| matches!(sign, '_' | '-' | '.');
    let lower = |sign: char| sign.is_lowercase() || is_joint(sign);
    let mut signs = text.chars();
    signs.next();
    let rest = signs.as_str();
    text.chars().all(|sign| sign.is_ascii_digit())
        || text
            .chars()
            .all(|sign| sign.is_uppercase() || is_joint(sign))
        || text
            .chars()
            .all(|sign| sign.is_alphabetic() || is_joint(sign))
            && rest.chars().all(lower)
}

/// The words of a text of SQL.
fn identifiers(sql: &str, found: &mut BTreeSet<String>) {
    let mut rest = sql;
    while let Some(sign) = rest.chars().next() {
        let length = if rest.starts_with("--") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if sign == '\'' {
            rest[1..].find('\'').map_or(rest.len(), |end| end + 2)
        } else if sign.is_alphanumeric() || sign == '_' {
            let end = rest
                .find(|sign: char| !(sign.is_alphanumeric() || sign == '_'))
                .unwrap_or(rest.len());
            found.insert(rest[..end].to_ascii_lowercase());
            end
        } else {
            sign.len_utf8()
        };
        rest = &rest[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_is_told_from_what_is_not() {
        let known = Known::of(
            ["20260101_customer_numbers", "packages/tasks-db/prisma"],
            [
                "CREATE TABLE \"customers\" (id int, note text DEFAULT 'hidden-word1'); -- don't secretword1\nCREATE ROLE a PASSWORD 'passphrase9'",
            ],
        );
        for (secret, expected) in [
            ("x", Strength::Used),
            ("é!", Strength::Used),
            ("app", Strength::Used),
            ("email", Strength::Used),
            ("Prisma", Strength::Used),
            ("my-app", Strength::Used),
            ("postgres", Strength::Used),
            ("POSTGRES", Strength::Used),
            ("1234", Strength::Used),
            ("5432", Strength::Used),
            ("customer", Strength::Used),
            ("customers", Strength::Used),
            ("tasks-db", Strength::Used),
            ("p3018", Strength::Used),
            ("app1", Strength::Word),
            ("xKqWpz", Strength::Word),
            ("p@ss", Strength::Everywhere),
            ("hidden-word1", Strength::Everywhere),
            ("secretword1", Strength::Everywhere),
            ("passphrase9", Strength::Everywhere),
            ("qwertyui", Strength::Everywhere),
            ("12345678", Strength::Everywhere),
            ("correct-horse", Strength::Everywhere),
        ] {
            assert_eq!(known.strength(secret), expected, "{secret}");
        }
    }
}

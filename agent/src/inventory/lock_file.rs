//! `migration_lock.toml`: Prisma's engine takes it line by line and not as TOML, and refuses everything else (P3019).

use std::fs;
use std::path::Path;

use super::layout::Rules;

/// What Prisma writes for PostgreSQL.
const LINE: &str = "provider = \"postgresql\"";

/// Why Prisma refuses to migrate from this folder (P3019), if so. No lock file at all is fine.
pub(super) fn refused(folder: &Path, rules: Rules, shown: &str) -> Option<String> {
    let bytes = fs::read(folder.join("migration_lock.toml")).ok()?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if rules.replaces_bad_bytes() => {
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        }
        // To the engine it is as if there were none.
        Err(_) => return None,
    };
    let found = provider(&text);
    if found == Some("postgresql") {
        return None;
    }
    let file = format!("{shown}/migration_lock.toml");
    let what = match found {
        Some(provider) if provider.chars().all(|sign| sign.is_ascii_alphanumeric()) => {
            format!("{file} says {provider}, the schema postgresql")
        }
        Some(_) => format!(
            "{file} does not say {LINE} on a line of its own, with these very blanks and nothing after it"
        ),
        None => format!("{file} names no provider"),
    };
    Some(format!(
        "{what}, and Prisma refuses to migrate (P3019): write {LINE} there"
    ))
}

/// What the engine takes for the provider.
fn provider(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("provider"))?;
    Some(line.trim_start_matches("provider = ").trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_prisma_accepts() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |bytes: &[u8], version: &str| {
            fs::write(folder.path().join("migration_lock.toml"), bytes).unwrap();
            super::refused(folder.path(), Rules::of(Some(version)), "prisma/migrations")
        };
        for (text, contains) in [
            ("# x\nprovider = \"postgresql\"\n", None),
            ("# x\r\nprovider = \"postgresql\"\r\n", None),
            ("provider = \"postgresql\"", None),
            ("provider = postgresql\nprovider = \"sqlite\"", None),
            (
                "provider = \"sqlite\"",
                Some("says sqlite, the schema postgresql"),
            ),
            ("provider = \"postgres\"", Some("says postgres,")),
            ("provider=\"postgresql\"", Some("with these very blanks")),
            (
                "provider = \"postgresql\" # db",
                Some("with these very blanks"),
            ),
            (" provider = \"postgresql\"", Some("names no provider")),
            (
                "\u{feff}provider = \"postgresql\"",
                Some("names no provider"),
            ),
            ("", Some("names no provider")),
        ] {
            let found = refused(text.as_bytes(), "6.19.3");
            assert_eq!(found.is_some(), contains.is_some(), "{text:?}: {found:?}");
            if let (Some(found), Some(contains)) = (found, contains) {
                assert!(found.contains(contains), "{text:?}: {found}");
                assert!(found.ends_with("write provider = \"postgresql\" there"));
            }
        }
        let bad = b"# \xe9\nprovider = \"sqlite\"";
        assert!(refused(bad, "6.19.3").is_some());
        assert!(refused(bad, "5.22.0").is_none());
        fs::remove_file(folder.path().join("migration_lock.toml")).unwrap();
        assert_eq!(super::refused(folder.path(), Rules::of(None), "m"), None);
    }
}

//! The order in which Prisma applies migrations.
//!
//! Up to Prisma 6.5 the engine sorts the names by their bytes. Since then the command line sorts them as JavaScript's
//! `localeCompare` does, which differs only where two names differ in case or in a sign: `0_init` stands before
//! `0001_add` there, and after it in the order of bytes.

use std::cmp::Ordering;

use super::prisma::numbers;

/// Punctuation and signs in the order of the Unicode root collation, all before digits and letters.
const SIGNS: &str = " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$";

/// Compares two names as this version of Prisma would. Versions that are not known are taken for new ones.
#[must_use]
pub fn compare(left: &str, right: &str, prisma_version: Option<&str>) -> Ordering {
    let by_bytes = prisma_version
        .and_then(numbers)
        .is_some_and(|version| version < (6, 6));
    if by_bytes {
        left.cmp(right)
    } else {
        as_javascript(left, right)
    }
}

fn as_javascript(left: &str, right: &str) -> Ordering {
    left.chars()
        .map(weight)
        .cmp(right.chars().map(weight))
        // Lower case before upper case, where nothing else differs.
        .then_with(|| right.cmp(left))
}

fn weight(letter: char) -> (u8, u32) {
    if let Some(place) = SIGNS.chars().position(|sign| sign == letter) {
        (0, u32::try_from(place).unwrap_or(u32::MAX))
    } else if letter.is_ascii_digit() {
        (1, u32::from(letter))
    } else {
        (2, u32::from(letter.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<'a>(mut names: Vec<&'a str>, version: &str) -> Vec<&'a str> {
        names.sort_by(|left, right| compare(left, right, Some(version)));
        names
    }

    #[test]
    fn time_stamps_sort_the_same_in_both() {
        let names = vec![
            "20240102000000_b",
            "0_init",
            "20240101000000_z",
            "20240102000000_a",
        ];
        let expected = vec![
            "0_init",
            "20240101000000_z",
            "20240102000000_a",
            "20240102000000_b",
        ];
        assert_eq!(sorted(names.clone(), "5.0.0"), expected);
        assert_eq!(sorted(names, "6.19.3"), expected);
    }

    #[test]
    fn signs_and_case_sort_by_version() {
        let names = vec!["0001_b", "0_init", "1_B", "1_a", "1_b", "1 c"];
        assert_eq!(
            sorted(names.clone(), "5.22.0"),
            vec!["0001_b", "0_init", "1 c", "1_B", "1_a", "1_b"]
        );
        assert_eq!(
            sorted(names, "7.0.0"),
            vec!["0_init", "0001_b", "1 c", "1_a", "1_b", "1_B"]
        );
    }
}

//! What no screen, Event or message may say, whatever the incident.

use std::collections::BTreeSet;

use regex::Regex;

/// Patterns that are never right, and why.
const NEVER: [(&str, &str); 9] = [
    (
        r"✔ inventory +0 migrations",
        "nothing was read, and it is ticked",
    ),
    (r"not read yet[^.]*, read \d", "read, and not read"),
    (r"\.\.\.\.", "an ellipsis after a full stop"),
    (r"\bplaybook\b", "a document that is not there"),
    (r"[Uu]n-suspend", "no command has this name"),
    (
        r"what stands there proves neither",
        "not understood at night",
    ),
    (r"it did, because statement", "not understood at night"),
    (r"what has no name of its own", "not understood at night"),
    (
        r"\b1 (tables|migrations|databases|statements|rows) ",
        "one is not many",
    ),
];

/// What is wrong in a text, whose blanks and line ends are one blank each.
pub fn in_any(text: &str) -> Vec<String> {
    let mut found: Vec<String> = NEVER
        .iter()
        .filter(|(pattern, _)| Regex::new(pattern).unwrap().is_match(text))
        .map(|(pattern, why)| format!("{pattern:?} ({why}) in: {text}"))
        .collect();
    let mut before = BTreeSet::new();
    for sentence in text.split(". ") {
        let sentence = sentence.trim();
        if sentence.len() > 40 && !before.insert(sentence) {
            found.push(format!("said twice: {sentence:?} in: {text}"));
        }
    }
    found
}

#[test]
fn a_sentence_that_is_said_twice_is_found() {
    let sentence = "The session of the portal holds the lock on the table. ";
    assert_eq!(in_any(sentence), [""; 0]);
    assert_eq!(in_any(&sentence.repeat(2)).len(), 1);
    assert_eq!(in_any("1 tables or views").len(), 1);
}

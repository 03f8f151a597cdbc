//! PURE. What else is in the instance of a database: a restore of the whole instance takes it back, too.

use super::status::bounded;
use crate::api::{DatabaseStatus, OtherDatabaseStatus};

/// What the choice of a restore says of it; empty where it is not known.
pub(super) fn words(entry: &DatabaseStatus) -> String {
    let Some(instance) = &entry.instance else {
        return String::new();
    };
    let mut text = String::new();
    if !instance.same_database.is_empty() {
        text.push_str(&format!(
            "; {}, in the same database, goes back with it",
            names(&instance.same_database)
        ));
    }
    if instance.others_count > 0 {
        let shown: Vec<String> = instance.others.iter().map(other).collect();
        let count = match instance.others_count {
            1 => "1 other database".to_owned(),
            more => format!("{more} other databases"),
        };
        text.push_str(&format!(
            "; if the command restores the whole instance, {count} on the server too: {}",
            more(&shown, instance.others_count)
        ));
    }
    text
}

fn names(list: &[String]) -> String {
    more(list, bounded(list.len()))
}

/// `tasks (of this resource)`, or of which of its databases, where that has another name.
pub fn other(other: &OtherDatabaseStatus) -> String {
    match other.of_resource.as_slice() {
        [] => other.name.clone(),
        [one] if *one == other.name => format!("{one} (of this resource)"),
        several => format!("{} ({} of this resource)", other.name, names(several)),
    }
}

/// The first names of a list that has so many: `a, b, c and 2 more`.
fn more(list: &[String], count: u32) -> String {
    let shown = &list[..list.len().min(3)];
    let left = (count as usize).saturating_sub(shown.len());
    let rest = match left {
        0 => String::new(),
        left => format!(" and {left} more"),
    };
    format!("{}{rest}", shown.join(", "))
}

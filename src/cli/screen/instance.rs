//! PURE. What else is on the server of a database that is to be restored.

use super::frame::Screen;
use crate::api::{DatabaseStatus, InstanceStatus, MigrationActionSpec};
use crate::cli::text::{count, safe};
use crate::decide::other_database;

/// What goes back with it: for certain, and where the command restores the whole instance, which the operator does not know.
pub(super) fn section(
    screen: &Screen,
    out: &mut String,
    spec: &MigrationActionSpec,
    database: Option<&DatabaseStatus>,
) {
    let instance = database.and_then(|database| database.instance.as_ref());
    let mut heading = "On the server";
    let mut say = |out: &mut String, text: &str| {
        screen.section(out, std::mem::take(&mut heading), text);
    };
    let Some(instance) = instance else {
        let text = "not read yet: to see what else is there, SELECT datname FROM pg_database. If the command restores the whole instance, as a physical restore does, all of it goes back";
        return say(out, text);
    };
    if !instance.same_database.is_empty() {
        let names = safe(&instance.same_database.join(", "));
        let text =
            format!("in the same database, and so brought back with it: {names} of this resource");
        say(out, &text);
    }
    if instance.others_count == 0 {
        return say(
            out,
            &format!("no other database than that of {}", safe(&spec.database)),
        );
    }
    let text = format!("{}: {}", others(instance), names(instance));
    say(out, &text);
    let (they, them) = match instance.others_count {
        1 => ("it goes", "it"),
        _ => ("they go", "them"),
    };
    let text = format!(
        "if the command restores the whole instance, as a physical restore does (pgBackRest, a base backup, a snapshot of the volume), {they} back to the same moment, and what was written to {them} since is lost, too. The operator does not know what the command of spec.rollback.restore restores"
    );
    say(out, &text);
}

fn others(instance: &InstanceStatus) -> String {
    count(instance.others_count, "other database")
}

/// `tasks (of this resource), audit and 3 more`.
fn names(instance: &InstanceStatus) -> String {
    let name = |other| safe(&other_database(other));
    let shown: Vec<String> = instance.others.iter().map(name).collect();
    let left = (instance.others_count as usize).saturating_sub(shown.len());
    match left {
        0 => shown.join(", "),
        left => format!("{} and {left} more", shown.join(", ")),
    }
}

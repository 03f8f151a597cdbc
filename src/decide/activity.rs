//! What the session of a migration does that waits for no other session: whether it makes progress, and how much is left, as far as
//! PostgreSQL tells.

use crate::facts::{Activity, DatabaseFacts};

/// How long a session may have nothing to do before that is worth a word, seconds.
const IDLE: i64 = 10;
/// In what steps a share is told, per cent: each is a write to the resource's status.
const STEP: i128 = 5;

/// What the sessions with this name do, in words; empty where nothing is known, or too little.
pub(super) fn words(facts: &DatabaseFacts, application: &str) -> String {
    let own = |activity: &&Activity| {
        let mut sessions = facts.our_sessions.iter();
        sessions.any(|it| it.pid == activity.pid && it.application_name == application)
    };
    let own: Vec<&Activity> = facts.activities.iter().filter(own).collect();
    let told = own.iter().find(|activity| activity.progress.is_some());
    told.or(own.first())
        .map_or_else(String::new, |activity| of(activity))
}

fn of(activity: &Activity) -> String {
    if let Some(progress) = &activity.progress {
        let share = match progress.total {
            1.. => {
                let done = i128::from(progress.done.clamp(0, progress.total));
                let share = done * 100 / i128::from(progress.total);
                format!(
                    ", {} % of the {} of this phase",
                    share - share % STEP,
                    progress.unit
                )
            }
            _ => String::new(),
        };
        return format!(
            "{} makes progress: {}{share}",
            progress.command, progress.phase
        );
    }
    let idle = activity.seconds.is_some_and(|seconds| seconds >= IDLE);
    match (activity.state.as_deref(), activity.wait_type.as_deref()) {
        // Whom it waits for is told otherwise.
        (Some("active"), Some("Lock")) => String::new(),
        (Some("active"), Some("Timeout")) => "its statement sleeps (pg_sleep, say)".to_owned(),
        (Some("active"), Some("Client")) => {
            "the server waits for the migration's process to take or send data".to_owned()
        }
        (Some("active"), _) => {
            "its statement is at work and waits for no other session; PostgreSQL does not tell how much is left".to_owned()
        }
        (Some(state), _) if state.starts_with("idle") && idle => format!(
            "PostgreSQL has nothing to do for it: its session is {state} and waits for Prisma's next statement"
        ),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Progress, Session};
    use rstest::rstest;

    fn facts(activity: Activity) -> DatabaseFacts {
        let session = Session {
            pid: 7,
            application_name: "dbm/r1/shop".to_owned(),
            ..Session::default()
        };
        DatabaseFacts {
            our_sessions: vec![session],
            activities: vec![Activity { pid: 7, ..activity }],
            ..DatabaseFacts::default()
        }
    }

    #[rstest]
    #[case("active", None, 1, "at work and waits for no other session")]
    #[case("active", Some("IO"), 1, "at work and waits for no other session")]
    #[case("active", Some("Lock"), 1, "")]
    #[case("active", Some("Timeout"), 1, "sleeps")]
    #[case("idle in transaction", Some("Client"), 3, "")]
    #[case(
        "idle in transaction",
        Some("Client"),
        30,
        "idle in transaction and waits for Prisma"
    )]
    #[case("", None, 30, "")]
    fn what_it_does(
        #[case] state: &str,
        #[case] wait: Option<&str>,
        #[case] seconds: i64,
        #[case] expected: &str,
    ) {
        let facts = facts(Activity {
            state: Some(state.to_owned()).filter(|state| !state.is_empty()),
            wait_type: wait.map(str::to_owned),
            seconds: Some(seconds),
            ..Activity::default()
        });
        let found = words(&facts, "dbm/r1/shop");
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
        assert!(found.contains(expected), "{found}");
        assert_eq!(words(&facts, "dbm/r1/other"), "");
    }

    #[rstest]
    #[case(0, 0, "CREATE INDEX makes progress: building index: scanning table")]
    #[case(49, 100, "scanning table, 45 % of the blocks of this phase")]
    #[case(300, 200, "100 %")]
    #[case(-1, 200, " 0 %")]
    #[case(i64::MAX / 200, i64::MAX / 100, " 50 %")]
    fn how_far_it_is(#[case] done: i64, #[case] total: i64, #[case] expected: &str) {
        let facts = facts(Activity {
            progress: Some(Progress {
                command: "CREATE INDEX".to_owned(),
                phase: "building index: scanning table".to_owned(),
                done,
                total,
                unit: "blocks".to_owned(),
            }),
            ..Activity::default()
        });
        let found = words(&facts, "dbm/r1/shop");
        assert!(found.contains(expected), "{found}");
    }
}

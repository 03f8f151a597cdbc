//! What is wrong with an image or with what its Job gets, and a command that works on something else.

use database_migration_operator::api::{StepKind, reasons};
use database_migration_operator::decide::{Effect, Verdict, decide, judge, status};
use database_migration_operator::facts::{JobProgress, Ledger, LedgerRow, Reading, Session};
use dbm_protocol::{
    CONFIG_SECONDS, Configured, Planned, Problem, ProblemReason, QUESTION_SECONDS, REACH_SECONDS,
};
use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};
use rstest::rstest;

use super::cases::{job, migrating, reason, snapshot, write};
use super::tables::{end, facts, inventory, step, word};
use super::world::{START, at};

fn judged(problem: ProblemReason, code: &str, exit_code: i32, rows: &[&str]) -> Verdict {
    let mut end = end(exit_code, "Error", code, "").unwrap();
    let summary = end.summary.as_mut().unwrap();
    summary.problem = Some(Problem {
        reason: problem,
        message: "this is wrong, do that".to_owned(),
    });
    let rows: Vec<_> = rows
        .iter()
        .map(|name| (*name, super::tables::Row::Applied))
        .collect();
    judge(
        "shop",
        &step(),
        Some(&end),
        &inventory(),
        &facts(&rows),
        "dbm/r1/shop",
    )
}

#[rstest]
#[case(ProblemReason::EngineMissing, "", reasons::ENGINE_MISSING)]
#[case(ProblemReason::ReadOnlyFileSystem, "", reasons::READ_ONLY_FILE_SYSTEM)]
#[case(
    ProblemReason::DatasourceVariableUnset,
    "P1012",
    reasons::DATASOURCE_VARIABLE_UNSET
)]
fn what_is_wrong_with_an_image_has_its_own_reason(
    #[case] problem: ProblemReason,
    #[case] code: &str,
    #[case] expected: &str,
) {
    let verdict = judged(problem, code, 1, &[]);
    assert_eq!(word(&verdict), expected);
    let Verdict::Failed { message, .. } = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        message,
        "shop: this is wrong, do that. Nothing was executed."
    );
    // The ledger is the truth: a command that complained and migrated everything has succeeded.
    let all = ["2_a", "4_b", "6_c"];
    assert_eq!(word(&judged(problem, code, 1, &all)), "succeeded");
    let Verdict::Failed { message, .. } = judged(problem, code, 1, &all[..1]) else {
        panic!()
    };
    assert!(
        message.ends_with("What was applied before it is recorded."),
        "{message}"
    );
}

fn variable(name: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        ..EnvVar::default()
    }
}

/// Who sets the variable; whether it is said to be set by nobody.
#[rstest]
#[case("nobody", true)]
#[case("the database", false)]
#[case("the Job", false)]
#[case("the Secret's own variable", false)]
// What it holds is not known here.
#[case("perhaps a group", false)]
// An inventory that an older agent made.
#[case("not asked", false)]
#[case("nothing to do", false)]
fn a_variable_that_nobody_sets_is_said_before_any_job(#[case] who: &str, #[case] said: bool) {
    let mut snapshot = snapshot(1);
    let known = snapshot.inventories.get_mut("db00").unwrap();
    known.unset_variables = vec!["DIRECT_URL".to_owned()];
    let spec = &mut snapshot.resource.spec;
    spec.databases[0].env.push(variable("OTHER"));
    match who {
        "the database" => spec.databases[0].env.push(variable("DIRECT_URL")),
        "the Job" => spec.job.env.push(variable("DIRECT_URL")),
        "the Secret's own variable" => spec.databases[0].env_var = "DIRECT_URL".to_owned(),
        "perhaps a group" => spec.job.env_from.push(EnvFromSource::default()),
        "not asked" => known.unset_variables.clear(),
        "nothing to do" => known.migrations.clear(),
        _ => {}
    }
    let decision = decide(&snapshot);
    let job = |effect: &Effect| matches!(effect, Effect::CreateJob(plan) if plan.step == StepKind::Migrate);
    let made = decision.effects.iter().any(job);
    write(&mut snapshot, &decision);
    let status = &snapshot.resource.status;
    assert_eq!(
        reason(status) == reasons::DATASOURCE_VARIABLE_UNSET,
        said,
        "{}",
        status.message
    );
    assert_eq!(made, !said && who != "nothing to do");
    if said {
        assert!(status::get(status, reasons::STALLED).is_some());
        for part in ["db00: ", "DIRECT_URL", "databases[].env", "job.envFrom"] {
            assert!(status.message.contains(part), "{}", status.message);
        }
    }
}

/// Prisma is asked before it migrates where it is not certain what it reads, and nowhere else: that takes a second.
#[rstest]
#[case("nothing", false)]
#[case("a doubt", true)]
#[case("it asks for what nobody sets", false)]
#[case("it asks for what the Job sets", true)]
#[case("it asks for what the database sets", true)]
#[case("it asks, and there is a group", true)]
#[case("it is plain", false)]
#[case("it may say something else", true)]
#[case("it may say something else, and a command of one's own", false)]
#[case("a doubt, and a command of one's own", false)]
fn prisma_is_asked_where_there_is_doubt(#[case] what: &str, #[case] asked: bool) {
    let mut snapshot = snapshot(1);
    let known = snapshot.inventories.get_mut("db00").unwrap();
    let names: Vec<String> = known.migrations.iter().map(|m| m.name.clone()).collect();
    if what.starts_with("a doubt") {
        known.doubt = Some("the version is not known".to_owned());
    } else if what != "nothing" {
        let asks = what.starts_with("it asks");
        known.configured = Some(Configured {
            plain: !what.starts_with("it may"),
            read: vec!["STAGE".to_owned(); usize::from(asks)],
            ..Configured::default()
        });
    }
    let configured = known.configured.clone();
    let spec = &mut snapshot.resource.spec;
    match what {
        "it asks for what the Job sets" => spec.job.env.push(variable("STAGE")),
        "it asks for what the database sets" => spec.databases[0].env.push(variable("STAGE")),
        "a doubt, and a command of one's own"
        | "it may say something else, and a command of one's own" => {
            spec.databases[0].prisma.migrate = vec!["./migrate.sh".to_owned()];
        }
        "it asks, and there is a group" => spec.job.env_from.push(EnvFromSource::default()),
        _ => {}
    }
    let decision = decide(&snapshot);
    let plan = decision.effects.iter().find_map(|effect| match effect {
        Effect::CreateJob(plan) if plan.step == StepKind::Migrate => Some(plan),
        _ => None,
    });
    let plan = plan.unwrap();
    assert_eq!(plan.confirm, asked.then(|| Planned::of(&names)));
    assert_eq!(plan.configured, configured);
}

/// `migrate status` says nothing of what was rolled back, and `migrate deploy` applies it again.
#[test]
fn prisma_is_not_asked_for_what_was_rolled_back() {
    let mut snapshot = snapshot(1);
    let known = snapshot.inventories.get_mut("db00").unwrap();
    known.doubt = Some("the version is not known".to_owned());
    let names: Vec<String> = known.migrations.iter().map(|m| m.name.clone()).collect();
    if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
        facts.ledger = Ledger::Rows(vec![LedgerRow {
            id: "row".to_owned(),
            migration_name: names[0].clone(),
            started_at: at(START),
            rolled_back_at: Some(at(START)),
            ..LedgerRow::default()
        }]);
    }
    let decision = decide(&snapshot);
    let plan = decision.effects.iter().find_map(|effect| match effect {
        Effect::CreateJob(plan) if plan.step == StepKind::Migrate => Some(plan),
        _ => None,
    });
    assert_eq!(plan.unwrap().confirm, Some(Planned::of(&names[1..])));
}

/// It is not said while the agent in the pod may still wait, for a proxy that starts or for an answer, before it starts the command.
#[rstest]
#[case("nothing", REACH_SECONDS)]
#[case("a doubt", REACH_SECONDS + QUESTION_SECONDS)]
#[case("a silent configuration", CONFIG_SECONDS + REACH_SECONDS + QUESTION_SECONDS)]
fn a_command_whose_session_does_not_come_is_said_and_nothing_is_ended(
    #[case] what: &str,
    #[case] waits: u64,
) {
    let (mut snapshot, name) = migrating();
    let known = snapshot.inventories.get_mut("db00").unwrap();
    known.doubt = (what != "nothing").then(|| "the version is not known".to_owned());
    known.external_unknown = what == "a silent configuration";
    let waits = i64::try_from(waits).unwrap();
    let found = job(&snapshot, &name, JobProgress::Running { since: at(START) });
    snapshot.jobs.insert(name, found);
    let run = snapshot.resource.status.run.clone().unwrap().id;
    let mut told = Vec::new();
    for (seconds, session, expected) in [
        (2, false, reasons::MIGRATING),
        (11, false, reasons::MIGRATING),
        (waits + 4, false, reasons::MIGRATING),
        (waits + 11, false, reasons::SESSION_MISSING),
        (waits + 21, false, reasons::SESSION_MISSING),
        (waits + 31, true, reasons::MIGRATING),
    ] {
        snapshot.now = at(START + seconds);
        if let Some(Reading::Known(facts)) = snapshot.databases.get_mut("db00") {
            facts.our_sessions = session
                .then(|| Session {
                    application_name: format!("dbm/{run}/db00"),
                    ..Session::default()
                })
                .into_iter()
                .collect();
        }
        let decision = decide(&snapshot);
        assert_eq!(decision.effects, []);
        told.extend(decision.events.iter().map(|event| event.reason));
        write(&mut snapshot, &decision);
        let status = &snapshot.resource.status;
        assert_eq!(reason(status), expected, "{seconds}");
        assert!(
            status::get(status, reasons::RECONCILING).is_some(),
            "it is at work"
        );
    }
    assert_eq!(told, [reasons::SESSION_MISSING], "once");
}

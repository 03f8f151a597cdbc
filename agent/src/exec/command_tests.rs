//! What is started, for each kind of request.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::inventory::prisma::Prisma;
use dbm_protocol::ProjectPaths;

fn surroundings() -> Surroundings {
    Surroundings {
        directory: "/app".into(),
        path: Some("/bin:/usr/bin".into()),
        ..Surroundings::default()
    }
}

fn project_paths() -> ProjectPaths {
    ProjectPaths {
        schema: "db/schema.prisma".into(),
        ..ProjectPaths::default()
    }
}

fn line(request: &ExecRequest) -> (PathBuf, String) {
    lines(request, None, None).remove(0)
}

fn lines(
    request: &ExecRequest,
    version: Option<&str>,
    script: Option<&str>,
) -> Vec<(PathBuf, String)> {
    let mut project = Project {
        prisma: Some(Prisma {
            call: Call::Program("/bin/prisma".into()),
            version: None,
        }),
        ..Project::default()
    };
    project.inventory.prisma_version = version.map(str::to_owned);
    let commands = resolve(
        &[],
        request,
        Some(&project),
        script.map(Path::new),
        &surroundings(),
    );
    commands.unwrap().into_iter().map(shown).collect()
}

fn shown(command: Command) -> (PathBuf, String) {
    let words: Vec<_> = command
        .arguments
        .iter()
        .map(|word| word.to_str().unwrap())
        .collect();
    (
        command.directory,
        format!("{} {}", command.program.display(), words.join(" ")),
    )
}

#[test]
fn prismas_own_command() {
    let mut request = ExecRequest {
        project: project_paths(),
        ..ExecRequest::default()
    };
    assert_eq!(
        line(&request),
        (
            "/app".into(),
            "/bin/prisma migrate deploy --schema db/schema.prisma".into()
        )
    );
    let resolve = ["migrate", "resolve", "--applied", "a b"];
    request.prisma_calls = vec![resolve.map(Into::into).to_vec()];
    assert_eq!(
        line(&request).1,
        "/bin/prisma migrate resolve --applied a b --schema db/schema.prisma"
    );
    request.prisma_calls = vec![["migrate", "diff", "--from-empty"].map(Into::into).to_vec()];
    assert_eq!(line(&request).1, "/bin/prisma migrate diff --from-empty");
    request.prisma_calls.clear();
    request.project.config = "db/prisma.config.ts".into();
    request.project.cli = ["sh", "x"].map(Into::into).to_vec();
    let (directory, line) = line(&request);
    assert_eq!(directory, Path::new("/app/db"));
    assert!(
        line.ends_with(
            "/sh x migrate deploy --config /app/db/prisma.config.ts --schema /app/db/schema.prisma"
        ),
        "{line}"
    );
}

#[test]
fn several_calls_stay_in_order() {
    let call = |name: &str| {
        vec![
            "migrate".to_owned(),
            "resolve".to_owned(),
            format!("--applied={name}"),
        ]
    };
    let request = ExecRequest {
        project: project_paths(),
        prisma_calls: vec![call("0_init"), call("1 more")],
        ..ExecRequest::default()
    };
    let found: Vec<String> = lines(&request, None, None)
        .into_iter()
        .map(|(_, line)| line)
        .collect();
    assert_eq!(
        found,
        [
            "/bin/prisma migrate resolve --applied=0_init --schema db/schema.prisma",
            "/bin/prisma migrate resolve --applied=1 more --schema db/schema.prisma",
        ]
    );
}

#[test]
fn a_script_is_executed_in_place_of_calls() {
    let mut request = ExecRequest {
        project: project_paths(),
        prisma_calls: vec![vec!["migrate".to_owned(), "deploy".to_owned()]],
        ..ExecRequest::default()
    };
    let line = |request: &ExecRequest, version: &str| {
        let mut found = lines(request, Some(version), Some("/tmp/down.sql"));
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    assert_eq!(
        line(&request, "6.19.3").1,
        "/bin/prisma db execute --file /tmp/down.sql --schema db/schema.prisma"
    );
    assert_eq!(
        line(&request, "7.2.0").1,
        "/bin/prisma db execute --file /tmp/down.sql"
    );
    request.project.config = "db/prisma.config.ts".into();
    let (directory, found) = line(&request, "7.2.0");
    assert_eq!(directory, Path::new("/app/db"));
    assert_eq!(
        found,
        "/bin/prisma db execute --file /tmp/down.sql --config /app/db/prisma.config.ts"
    );
    assert_eq!(
        line(&request, "6.19.3").1,
        "/bin/prisma db execute --file /tmp/down.sql --config /app/db/prisma.config.ts --schema /app/db/schema.prisma"
    );
}

#[test]
fn a_step_without_a_command_and_a_project_deploys_nothing() {
    let refusal = resolve(&[], &ExecRequest::default(), None, None, &surroundings());
    let Err(Refusal::Problem(problem)) = refusal else {
        panic!("{refusal:?}")
    };
    assert!(problem.message.contains("no command"), "{problem:?}");
}

#[test]
fn missing_programs() {
    for own in ["no-such-program", "./no-such-program", "/etc/passwd"] {
        let refusal = resolve(
            &[own.into()],
            &ExecRequest::default(),
            None,
            None,
            &surroundings(),
        )
        .unwrap_err();
        let Refusal::Problem(problem) = refusal else {
            panic!()
        };
        assert_eq!(problem.reason, ProblemReason::CommandMissing);
    }
}

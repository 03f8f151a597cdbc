//! What the agent is told.

use dbm_protocol::{ExecRequest, InventoryRequest, ProjectPaths, REACH_SECONDS, Script};

use super::down::down_script;
use super::environment;
use super::settings::CA_FILE;
use super::step::Step;
use crate::api::{DatabaseSpec, Duration, Policy, StepKind};
use crate::tools::prisma;

/// How often a server looks whether its client is still there, milliseconds: a killed migration's backend ends soon
/// after it, instead of committing later.
const CONNECTION_CHECK_MS: u64 = 2_000;

/// The agent's arguments for a step.
pub(super) fn arguments(step: &Step) -> Vec<String> {
    if step.reads_only() {
        let databases = step.spec.databases.iter().map(project).collect();
        return vec![
            "inventory".to_owned(),
            json(&InventoryRequest { databases }),
        ];
    }
    let plan = step.plan;
    let mut words = vec!["exec".to_owned()];
    // Without a project there is no inventory to compare with.
    if step.project().is_some() && !plan.expect.is_empty() {
        words.extend(["--expect".to_owned(), plan.expect.clone()]);
    }
    if let Some(at) = plan.not_after {
        words.extend([
            "--not-after".to_owned(),
            crate::decide::status::seconds(at).to_string(),
        ]);
    }
    words.push(json(&request(step)));
    let command = step.command();
    if !command.is_empty() {
        words.push("--".to_owned());
        words.extend(command.iter().cloned());
    }
    words
}

fn request(step: &Step) -> ExecRequest {
    let timeout_seconds = step.timeout_seconds();
    let Some(database) = step.project() else {
        return ExecRequest {
            timeout_seconds,
            secret_variables: environment::from_secrets(step),
            ..ExecRequest::default()
        };
    };
    let plan = step.plan;
    let timeouts = &step.spec.timeouts;
    ExecRequest {
        project: project(database),
        env_var: database.env_var.clone(),
        application_name: prisma::application_name(&plan.run, &database.name),
        lock_timeout_ms: if plan.unlimited_locks {
            0
        } else {
            milliseconds(&timeouts.lock)
        },
        statement_timeout_ms: milliseconds(&timeouts.statement),
        connection_check_interval_ms: if plan.connection_check {
            CONNECTION_CHECK_MS
        } else {
            0
        },
        ca_file: if database.connection.ca_from.is_some() {
            CA_FILE.to_owned()
        } else {
            String::new()
        },
        prisma_calls: prisma_calls(step),
        script: script(step),
        log_patterns: log_patterns(step),
        timeout_seconds,
        reach_seconds: REACH_SECONDS,
        secret_variables: environment::from_secrets(step),
        configured: plan.configured.clone(),
        confirm: plan.confirm.clone(),
    }
}

/// One call for each migration that a resolve step settles; the agent adds the schema itself.
fn prisma_calls(step: &Step) -> Vec<Vec<String>> {
    if step.plan.step != StepKind::Resolve {
        return Vec::new();
    }
    let mut calls: Vec<Vec<String>> = Vec::new();
    if let Some(resolution) = step.plan.resolution {
        let migrations = step.plan.migrations.iter();
        calls.extend(migrations.map(|name| prisma::resolve_command(resolution, name, "")));
    }
    if calls.is_empty() {
        // No call at all would be a deploy. This one Prisma refuses.
        calls.push(vec!["migrate".to_owned(), "resolve".to_owned()]);
    }
    calls
}

fn script(step: &Step) -> Option<Script> {
    if step.plan.step != StepKind::Down {
        return None;
    }
    // Without a name the agent finds no such migration and refuses; it never runs anything else in its place.
    let migration = step.plan.migrations.first().map_or("", String::as_str);
    let down = step.plan.down.clone().unwrap_or_default();
    Some(down_script(migration, &down))
}

fn log_patterns(step: &Step) -> Vec<String> {
    let logs = &step.spec.validation.logs;
    if step.plan.step == StepKind::Migrate && logs.policy != Policy::Ignore {
        logs.patterns.clone()
    } else {
        Vec::new()
    }
}

/// At most what PostgreSQL takes for a time-out, some 24 days.
fn milliseconds(duration: &Duration) -> u64 {
    let seconds = u64::try_from(duration.seconds().unwrap_or(0)).unwrap_or(0);
    seconds
        .saturating_mul(1000)
        .min(i32::MAX.unsigned_abs().into())
}

fn project(database: &DatabaseSpec) -> ProjectPaths {
    let prisma = &database.prisma;
    ProjectPaths {
        database: database.name.clone(),
        schema: prisma.schema.clone(),
        migrations: prisma.migrations.clone(),
        config: prisma.config.clone(),
        cli: prisma.cli.clone(),
        own_command: !prisma.migrate.is_empty(),
    }
}

/// Plain structures of text and numbers have no cause to fail.
fn json<T: serde::Serialize>(request: &T) -> String {
    serde_json::to_string(request).unwrap_or_default()
}

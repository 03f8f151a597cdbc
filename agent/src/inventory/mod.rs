//! Reads what an image holds for each database: `dbm-agent inventory`.

mod config;
mod decode;
mod digest;
mod folder;
pub mod layout;
mod loader;
mod lock_file;
mod memory;
mod migrations;
mod order;
pub(crate) mod plain;
pub mod prisma;
mod project;
pub mod schema;
mod search;
mod surroundings;
mod variables;
pub(crate) mod words;

use std::fs;
use std::io::Write;
use std::path::Path;

use config::{Config, Wanted};
use layout::Rules;
use prisma::Prisma;
pub use project::Project;
use project::Reading;
pub use surroundings::Surroundings;

use dbm_protocol::{
    Configured, InventoryReport, InventoryRequest, Problem, ProblemReason, ProjectPaths, VERSION,
    frame, inventory_hash,
};

/// Prints the frame for a request in JSON.
///
/// # Errors
/// When the request is not understood or the output cannot be written. What is wrong with a project is no error.
pub fn print(request: &str) -> Result<(), String> {
    let request: InventoryRequest = serde_json::from_str(request)
        .map_err(|error| format!("the request is not understood: {error}"))?;
    let surroundings = Surroundings::of_process()?;
    let databases = read_all(&request.databases, &surroundings)
        .into_iter()
        .map(|project| project.inventory)
        .collect();
    let mut report = InventoryReport {
        version: VERSION,
        databases,
    };
    frame::shrink(&mut report)
        .and_then(|()| frame::encode(&report))
        .and_then(|line| {
            let mut output = std::io::stdout().lock();
            writeln!(output, "{line}")?;
            output.flush()
        })
        .map_err(|error| format!("the inventory could not be written: {error}"))
}

/// Reads projects. Never fails: what is wrong stands in [`dbm_protocol::DatabaseInventory::problem`].
#[must_use]
pub fn read_all(paths: &[ProjectPaths], surroundings: &Surroundings) -> Vec<Project> {
    read_with(paths, surroundings, None)
}

/// Reads one project; what its configuration says need not be asked for again where `configured` still holds.
#[must_use]
pub fn read(
    paths: &ProjectPaths,
    surroundings: &Surroundings,
    configured: Option<&Configured>,
) -> Project {
    let mut projects = read_with(std::slice::from_ref(paths), surroundings, configured);
    projects.pop().unwrap_or_default()
}

fn read_with(
    paths: &[ProjectPaths],
    surroundings: &Surroundings,
    configured: Option<&Configured>,
) -> Vec<Project> {
    let begun: Vec<Begun> = paths
        .iter()
        .map(|paths| Begun::new(paths, surroundings, configured))
        .collect();
    // One node for all of them, and each configuration once.
    let mut wanted: Vec<Wanted> = Vec::new();
    for each in begun.iter().filter_map(|begun| begun.to_ask.as_ref()) {
        if !wanted.contains(each) {
            wanted.push(each.clone());
        }
    }
    let said = config::ask(&wanted, surroundings);
    begun
        .into_iter()
        .map(|begun| {
            let asked = begun.to_ask.as_ref().and_then(|to_ask| {
                let number = wanted.iter().position(|wanted| wanted == to_ask)?;
                said.get(number).cloned()
            });
            begun.finish(asked)
        })
        .collect()
}

/// A project whose Prisma is found and whose configuration has yet to be asked.
struct Begun<'a> {
    paths: &'a ProjectPaths,
    surroundings: &'a Surroundings,
    prisma: Option<Prisma>,
    to_ask: Option<Wanted>,
    known: Config,
}

impl<'a> Begun<'a> {
    fn new(
        paths: &'a ProjectPaths,
        surroundings: &'a Surroundings,
        configured: Option<&Configured>,
    ) -> Begun<'a> {
        let directory = &surroundings.directory;
        // Links resolved, so that for a schema in a linked package Prisma is searched from where it really stands.
        let schema = layout::resolved(directory, Path::new(&paths.schema));
        let schema = fs::canonicalize(&schema).unwrap_or(schema);
        // With a command of the user's own, a prisma on PATH may be another one than it calls.
        let path = surroundings
            .path
            .as_deref()
            .filter(|_| paths.cli.is_empty());
        let prisma = prisma::find([schema.as_path(), directory.as_path()], path);
        let version = prisma.as_ref().and_then(|prisma| prisma.version.as_deref());
        let rules = Rules::of(version);
        let there = paths.config.is_empty() || directory.join(&paths.config).is_file();
        let wanted = config::wanted(&paths.config, directory, rules, prisma.as_ref())
            .filter(|_| there && !version.is_some_and(prisma::is_unsupported));
        let remembered = wanted
            .as_ref()
            .and_then(|wanted| config::remembered(configured, wanted));
        Begun {
            paths,
            surroundings,
            prisma,
            to_ask: wanted.filter(|_| !remembered.as_ref().is_some_and(config::is_settled)),
            known: remembered.unwrap_or_default(),
        }
    }

    fn finish(self, asked: Option<Config>) -> Project {
        let mut project = Project::default();
        let inventory = &mut project.inventory;
        inventory.database.clone_from(&self.paths.database);
        inventory.prisma_version = self
            .prisma
            .as_ref()
            .and_then(|prisma| prisma.version.clone());
        project.prisma = self.prisma;
        let reading = Reading {
            paths: self.paths,
            surroundings: self.surroundings,
            rules: Rules::of(project.inventory.prisma_version.as_deref()),
            config: match (asked, self.known) {
                // Where it cannot be asked again, what it said before holds.
                (
                    Some(Config::Silent { .. } | Config::Unusable(_)) | None,
                    known @ Config::Said(_),
                ) => known,
                (Some(asked), _) => asked,
                (None, known) => known,
            },
        };
        // Without Prisma there is nobody who could be asked.
        let nobody = matches!(reading.config, Config::Silent { .. }) && !self.paths.own_command;
        let result = check_supported(&project)
            .and_then(|()| match nobody {
                true => check_prisma(&project, self.paths, self.surroundings),
                false => Ok(()),
            })
            .and_then(|()| reading.fill(&mut project))
            .and_then(|()| check_prisma(&project, self.paths, self.surroundings));
        match result {
            Ok(()) => project.inventory.hash = inventory_hash(&project.inventory),
            Err((reason, what)) => {
                let message = format!("database {}: {what}", self.paths.database);
                project.inventory.problem = Some(Problem { reason, message });
            }
        }
        project
    }
}

fn check_supported(project: &Project) -> Result<(), migrations::Unreadable> {
    match project.inventory.prisma_version.as_deref() {
        Some(version) if prisma::is_unsupported(version) => {
            let message = format!(
                "the image holds Prisma {version}, which keeps no _prisma_migrations table; versions 5, 6 and 7 are supported"
            );
            Err((ProblemReason::PrismaUnsupported, message))
        }
        _ => Ok(()),
    }
}

fn check_prisma(
    project: &Project,
    paths: &ProjectPaths,
    surroundings: &Surroundings,
) -> Result<(), migrations::Unreadable> {
    if project.prisma.is_some() || !paths.cli.is_empty() {
        return Ok(());
    }
    let directory = &surroundings.directory;
    let message = format!(
        "no prisma package in a node_modules from {} or {} upward, and no program prisma on PATH; install prisma in the \
         image (it is often a development dependency and left out), or set databases[].prisma.cli",
        directory.join(&paths.schema).display(),
        directory.display()
    );
    Err((ProblemReason::PrismaMissing, message))
}

#[cfg(test)]
mod tests;

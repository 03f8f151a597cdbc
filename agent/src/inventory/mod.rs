//! Reads what an image holds for each database: `dbm-agent inventory`.

mod digest;
pub mod frame;
mod hash;
mod migrations;
mod order;
pub mod prisma;
pub mod schema;
mod variables;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

pub use hash::inventory_hash;
use prisma::Prisma;
use schema::Datasource;

use crate::protocol::{
    DatabaseInventory, InventoryReport, InventoryRequest, Problem, ProblemReason, ProjectPaths,
    VERSION,
};

/// A project as found in the image: what goes into the report, and what only the agent itself needs.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The report's part, with full texts.
    pub inventory: DatabaseInventory,
    /// The folder of the migrations, where it was found.
    pub migrations: PathBuf,
    /// How to call Prisma, where it was looked for and found.
    pub prisma: Option<Prisma>,
    /// The datasource, as far as the schema could be read.
    pub datasource: Datasource,
    /// Whether the working directory holds a configuration that Prisma finds by itself, in which the connection may be
    /// another than the schema says.
    pub has_config: bool,
}

/// Where to look: the working directory and PATH, as values.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// The working directory.
    pub directory: PathBuf,
    /// PATH.
    pub path: Option<OsString>,
    /// The names of the variables that are set, to something.
    pub variables: BTreeSet<OsString>,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// When the working directory is gone or cannot be entered.
    pub fn of_process() -> Result<Surroundings, String> {
        let directory = std::env::current_dir().map_err(|error| {
            format!("the working directory cannot be read: {error}; set job.workingDir to a folder that the image's user may enter")
        })?;
        Ok(Surroundings {
            directory,
            path: std::env::var_os("PATH"),
            variables: std::env::vars_os()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, _)| name)
                .collect(),
        })
    }
}

/// Prints the frame for a request in JSON.
///
/// # Errors
/// When the request is not understood or the output cannot be written. What is wrong with a project is no error.
pub fn print(request: &str) -> Result<(), String> {
    let request: InventoryRequest = serde_json::from_str(request)
        .map_err(|error| format!("the request is not understood: {error}"))?;
    let surroundings = Surroundings::of_process()?;
    let databases = request
        .databases
        .iter()
        .map(|paths| read(paths, &surroundings).inventory)
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

/// Reads one project. Never fails: what is wrong stands in [`DatabaseInventory::problem`].
#[must_use]
pub fn read(paths: &ProjectPaths, surroundings: &Surroundings) -> Project {
    let mut project = Project {
        has_config: has_config(&surroundings.directory),
        ..Project::default()
    };
    project.inventory.database.clone_from(&paths.database);
    match fill(&mut project, paths, surroundings) {
        Ok(()) => project.inventory.hash = inventory_hash(&project.inventory),
        Err((reason, what)) => {
            let message = format!("database {}: {what}", paths.database);
            project.inventory.problem = Some(Problem { reason, message });
        }
    }
    project
}

fn fill(
    project: &mut Project,
    paths: &ProjectPaths,
    surroundings: &Surroundings,
) -> Result<(), migrations::Unreadable> {
    let directory = &surroundings.directory;
    if !paths.config.is_empty() && !directory.join(&paths.config).is_file() {
        let message = format!(
            "there is no file {}; set databases[].prisma.config to the path of prisma.config.ts, relative to {}",
            directory.join(&paths.config).display(),
            directory.display()
        );
        return Err((ProblemReason::ConfigMissing, message));
    }
    let schema = directory.join(&paths.schema);
    if paths.schema.is_empty() || !schema.exists() {
        return Err((
            ProblemReason::SchemaMissing,
            schema_missing(&schema, directory),
        ));
    }
    // Links resolved, so that a schema in a linked package is searched from where it really stands.
    let schema = fs::canonicalize(&schema).unwrap_or(schema);
    let schema_folder = if schema.is_dir() {
        schema.as_path()
    } else {
        schema.parent().unwrap_or(directory)
    };

    find_prisma(project, paths, schema_folder, surroundings)?;
    let (datasource, datasource_folder) = find_datasource(&schema, schema_folder)?;
    project.inventory.provider.clone_from(&datasource.provider);
    project.inventory.schemas.clone_from(&datasource.schemas);
    project.inventory.external_unknown = project.has_config || !paths.config.is_empty();
    project.inventory.url_variable = datasource.url.variable().map(str::to_owned);
    project.inventory.direct_url_variable = datasource.direct_url.variable().map(str::to_owned);
    check_provider(&datasource, &schema)?;
    if paths.config.is_empty() && !project.has_config {
        let folders = [directory.as_path(), schema_folder];
        project.inventory.unset_variables = variables::unset(&datasource, surroundings, &folders);
    }
    project.datasource = datasource;

    let folder = migrations_folder(
        paths,
        directory,
        schema_folder,
        &datasource_folder,
        schema.is_dir(),
    )?;
    project.migrations.clone_from(&folder);
    let found = migrations::read(&folder, project.inventory.prisma_version.as_deref())?;
    if found.migrations.is_empty() {
        let message = format!(
            "{} holds no migration (a folder with a migration.sql); was it left out when the image was built, as by \
             .dockerignore? Else set databases[].prisma.migrations",
            folder.display()
        );
        return Err((ProblemReason::MigrationsEmpty, message));
    }
    project.inventory.migrations = found.migrations;
    project.inventory.truncated = found.truncated;
    if project.prisma.is_none() && paths.cli.is_empty() {
        let message = format!(
            "no prisma package in a node_modules from {} or {} upward, and no program prisma on PATH; install prisma in the \
             image (it is often a development dependency and left out), or set databases[].prisma.cli",
            schema_folder.display(),
            directory.display()
        );
        return Err((ProblemReason::PrismaMissing, message));
    }
    Ok(())
}

fn has_config(directory: &Path) -> bool {
    ["prisma.config", ".config/prisma"].iter().any(|name| {
        ["ts", "mts", "cts", "js", "mjs", "cjs"]
            .iter()
            .any(|end| directory.join(format!("{name}.{end}")).is_file())
    })
}

fn find_prisma(
    project: &mut Project,
    paths: &ProjectPaths,
    schema_folder: &Path,
    surroundings: &Surroundings,
) -> Result<(), migrations::Unreadable> {
    // With a command of the user's own, a prisma on PATH may be another one than it calls.
    let path = surroundings
        .path
        .as_deref()
        .filter(|_| paths.cli.is_empty());
    let found = prisma::find([schema_folder, surroundings.directory.as_path()], path);
    project.inventory.prisma_version = found.as_ref().and_then(|prisma| prisma.version.clone());
    project.prisma = found;
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

fn schema_missing(schema: &Path, directory: &Path) -> String {
    let found: Vec<&str> = [
        "prisma/schema.prisma",
        "schema.prisma",
        "prisma/schema",
        "src/prisma/schema.prisma",
    ]
    .into_iter()
    .filter(|candidate| directory.join(candidate).exists())
    .collect();
    let hint = if found.is_empty() {
        String::new()
    } else {
        format!(" (there is {})", found.join(", "))
    };
    format!(
        "there is no Prisma schema at {}; set databases[].prisma.schema to its path in the image, relative to {}, or \
         job.workingDir{hint}",
        schema.display(),
        directory.display()
    )
}

/// The datasource and the folder of the file it stands in.
fn find_datasource(
    schema: &Path,
    schema_folder: &Path,
) -> Result<(Datasource, PathBuf), migrations::Unreadable> {
    let files = if schema.is_dir() {
        schema_files(schema_folder)
    } else {
        vec![schema.to_owned()]
    };
    for file in &files {
        let bytes = fs::read(file).map_err(|error| {
            (
                ProblemReason::SchemaMissing,
                format!("{} cannot be read: {error}", file.display()),
            )
        })?;
        if let Some(found) = schema::datasource(&String::from_utf8_lossy(&bytes)) {
            return Ok((found, file.parent().unwrap_or(schema_folder).to_owned()));
        }
    }
    let message = format!(
        "{} has no datasource block; set databases[].prisma.schema to the schema (or the folder of schemas) that has one",
        schema.display()
    );
    Err((ProblemReason::ProviderUnsupported, message))
}

/// All schema files of a folder, in a fixed order.
fn schema_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            let name = entry.file_name();
            if name != OsStr::new("node_modules") && name != OsStr::new("migrations") {
                folders.push(path);
            }
        } else if path.extension() == Some(OsStr::new("prisma")) {
            files.push(path);
        }
    }
    files.sort();
    folders.sort();
    files.extend(folders.iter().flat_map(|folder| schema_files(folder)));
    files
}

fn check_provider(datasource: &Datasource, schema: &Path) -> Result<(), migrations::Unreadable> {
    let provider = datasource.provider.as_deref();
    if matches!(provider, Some("postgresql" | "postgres")) {
        return Ok(());
    }
    let message = format!(
        "the datasource in {} has the provider {}; only postgresql is supported",
        schema.display(),
        provider.map_or_else(
            || "that could not be read".to_owned(),
            |provider| format!("{provider:?}")
        )
    );
    Err((ProblemReason::ProviderUnsupported, message))
}

fn migrations_folder(
    paths: &ProjectPaths,
    directory: &Path,
    schema_folder: &Path,
    datasource_folder: &Path,
    schema_is_folder: bool,
) -> Result<PathBuf, migrations::Unreadable> {
    let mut candidates = Vec::new();
    if paths.migrations.is_empty() {
        // Prisma takes the folder beside the file with the datasource; with a configuration it is often beside the folder.
        candidates.push(datasource_folder.join("migrations"));
        if schema_is_folder {
            candidates.push(schema_folder.join("migrations"));
            candidates.extend(schema_folder.parent().map(|above| above.join("migrations")));
        }
    } else {
        candidates.push(directory.join(&paths.migrations));
    }
    candidates.dedup();
    if let Some(found) = candidates.iter().find(|candidate| candidate.is_dir()) {
        return Ok(found.clone());
    }
    let looked: Vec<String> = candidates
        .iter()
        .map(|candidate| candidate.display().to_string())
        .collect();
    let message = format!(
        "there is no folder of migrations at {}; copy it into the image, or set databases[].prisma.migrations to its path, \
         relative to {}",
        looked.join(" or "),
        directory.display()
    );
    Err((ProblemReason::MigrationsMissing, message))
}

#[cfg(test)]
mod tests;

//! Which folder of migrations Prisma reads, and what to do where that is not the one that was meant.

use std::path::{Path, PathBuf};

use super::config::Config;
use super::layout::{self, Schema, same, shown};
use super::migrations::Unreadable;
use super::project::Reading;
use dbm_protocol::ProblemReason;

impl Reading<'_> {
    /// The folder of the migrations.
    pub(super) fn folder(
        &self,
        schema: &Schema,
        datasource_file: &Path,
    ) -> Result<PathBuf, Unreadable> {
        let directory = &self.surroundings.directory;
        let configured = self.said().and_then(|said| said.migrations.as_ref());
        let reads = configured.map_or_else(
            || self.rules.migrations(schema, datasource_file),
            PathBuf::from,
        );
        let named = (!self.paths.migrations.is_empty())
            .then(|| layout::resolved(directory, Path::new(&self.paths.migrations)));
        if let Some(named) = named {
            if !named.is_dir() {
                return Err((ProblemReason::MigrationsMissing, self.missing(&named)));
            }
            // What a command of the user's own reads is the user's to say. So is what a configuration says that says nothing
            // here, or may say something else in the Job: there Prisma is asked before anything is applied.
            let unknown = matches!(self.config, Config::Silent { .. }) || self.may_differ();
            if self.paths.own_command || unknown || same(&named, &reads) {
                return Ok(named);
            }
            return Err((
                ProblemReason::MigrationsElsewhere,
                self.reads_elsewhere(&named, &reads),
            ));
        }
        if reads.is_dir() {
            return Ok(reads);
        }
        if self.paths.own_command
            && let Some(found) = candidates(schema, datasource_file, directory)
                .into_iter()
                .find(|folder| folder.is_dir())
        {
            return Ok(found);
        }
        let message = match (self.said(), self.elsewhere(schema, datasource_file, &reads)) {
            (Some(said), hint) if said.migrations.is_some() => format!(
                "{} names {} as the folder of the migrations, and there is none; copy it into the image, or correct \
                 migrations.path{}{}",
                shown(Path::new(&said.file), directory),
                shown(&reads, directory),
                if self.may_differ() {
                    ". If it names another one in the Job, set databases[].prisma.migrations to that"
                } else {
                    ""
                },
                hint.map(|hint| format!(". {hint}")).unwrap_or_default()
            ),
            (_, Some(hint)) => hint,
            (_, None) => self.missing(&reads),
        };
        Err((ProblemReason::MigrationsMissing, message))
    }

    /// The configuration may say something else in the Job than it does here.
    fn may_differ(&self) -> bool {
        self.said().is_some_and(|said| !said.plain)
    }

    fn missing(&self, folder: &Path) -> String {
        format!(
            "there is no folder of migrations at {}; copy it into the image, or set databases[].prisma.migrations to its path, \
             relative to {}",
            folder.display(),
            self.surroundings.directory.display()
        )
    }

    /// That the migrations are somewhere else than where Prisma looks, and what to do.
    pub(super) fn elsewhere(
        &self,
        schema: &Schema,
        datasource_file: &Path,
        reads: &Path,
    ) -> Option<String> {
        let directory = &self.surroundings.directory;
        let found = candidates(schema, datasource_file, directory)
            .into_iter()
            .find(|folder| folder != reads && folder.is_dir() && !same(folder, reads))?;
        Some(format!(
            "Prisma looks for {}; there is {}: move it{}",
            shown(reads, directory),
            shown(&found, directory),
            self.by_configuration(", or set")
        ))
    }

    fn reads_elsewhere(&self, named: &Path, reads: &Path) -> String {
        let directory = &self.surroundings.directory;
        let (named, reads) = (shown(named, directory), shown(reads, directory));
        let then = if self.rules.knows_configured_path() {
            format!(
                "name the folder in {} (migrations.path)",
                self.config_name()
            )
        } else {
            format!("move it to {reads}")
        };
        format!(
            "Prisma would read {reads}, not prisma.migrations ({named}): {then}, or correct databases[].prisma.migrations{}",
            self.unread_config()
        )
    }

    fn by_configuration(&self, words: &str) -> String {
        if self.rules.knows_configured_path() {
            format!(
                "{words} migrations.path in {}{}",
                self.config_name(),
                self.unread_config()
            )
        } else {
            " there".to_owned()
        }
    }

    fn config_name(&self) -> String {
        self.said().map_or_else(
            || "prisma.config.ts".to_owned(),
            |said| shown(Path::new(&said.file), &self.surroundings.directory),
        )
    }

    /// That there is a configuration which Prisma does not find.
    fn unread_config(&self) -> String {
        if self.config != Config::Absent || !self.rules.reads_config() {
            return String::new();
        }
        self.config_near_schema().map_or_else(String::new, |near| {
            format!(
                " (there is {near}, which Prisma does not find by itself: set databases[].prisma.config to it)"
            )
        })
    }
}

/// Where migrations are often found, whatever Prisma reads.
fn candidates(schema: &Schema, datasource_file: &Path, directory: &Path) -> Vec<PathBuf> {
    let root = schema.root();
    let beside = datasource_file.parent().map(Path::to_owned);
    let above = root.parent().map(Path::to_owned);
    let mut folders: Vec<PathBuf> = [beside, Some(root), above, Some(directory.join("prisma"))]
        .into_iter()
        .flatten()
        .map(|folder| folder.join("migrations"))
        .collect();
    folders.push(directory.join("migrations"));
    let mut seen = std::collections::BTreeSet::new();
    folders.retain(|folder| seen.insert(folder.clone()));
    folders
}

//! From a project's paths in an image to what Prisma would read there, or to why it cannot be migrated.

use std::fs;
use std::path::{Path, PathBuf};

use super::config::{self, Config};
use super::layout::{self, Rules, Schema, same, shown};
use super::migrations::{self, Unreadable};
use super::prisma::Prisma;
use super::schema::{self, Datasource, Setting};
use super::surroundings::Surroundings;
use super::{lock_file, search, variables};
use dbm_protocol::{Configured, ConfiguredUrl, DatabaseInventory, ProblemReason, ProjectPaths};

/// The default of `databases[].prisma.schema`: nobody may have chosen it.
const DEFAULT_SCHEMA: &str = "prisma/schema.prisma";

/// A project as found in the image: what goes into the report, and what only the agent itself needs.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The report's part, with full texts.
    pub inventory: DatabaseInventory,
    /// The folder of the migrations, where it was found.
    pub migrations: PathBuf,
    /// The schema, where it is not the one that the resource names.
    pub schema: Option<PathBuf>,
    /// The files of the schema, as Prisma loads them.
    pub schema_files: Vec<PathBuf>,
    /// How to call Prisma, where it was looked for and found.
    pub prisma: Option<Prisma>,
    /// The datasource that Prisma connects by, of its configuration where that has one, else of the schema.
    pub datasource: Datasource,
    /// Prisma's configuration makes the connection by an adapter, or in a way that is not known: it may be another than
    /// `datasource` says.
    pub has_config: bool,
}

/// A project that is being read.
pub(super) struct Reading<'a> {
    pub(super) paths: &'a ProjectPaths,
    pub(super) surroundings: &'a Surroundings,
    pub(super) rules: Rules,
    pub(super) config: Config,
}

impl Reading<'_> {
    /// Fills in what can be found, up to what is wrong.
    pub(super) fn fill(&self, project: &mut Project) -> Result<(), Unreadable> {
        let directory = &self.surroundings.directory;
        self.check_config()?;
        let path = self.schema_path()?;
        if path != layout::resolved(directory, Path::new(&self.paths.schema)) {
            project.schema = Some(path.clone());
        }
        let schema = self.schema(&path)?;
        project.schema_files.clone_from(&schema.files);
        let (datasource, file) = self.datasource(&schema)?;
        let inventory = &mut project.inventory;
        inventory.provider.clone_from(&datasource.provider);
        inventory.schemas.clone_from(&datasource.schemas);
        self.connection(project, datasource, &schema);
        check_provider(project.inventory.provider.as_deref(), &schema)?;
        self.check_needed_config()?;

        let folder = self.folder(&schema, &file)?;
        project.migrations.clone_from(&folder);
        if !self.paths.own_command
            && let Some(why) = lock_file::refused(&folder, self.rules, &shown(&folder, directory))
        {
            return Err((ProblemReason::ProviderUnsupported, why));
        }
        let found = migrations::read(&folder, project.inventory.prisma_version.as_deref())?;
        if found.migrations.is_empty() {
            let message = format!(
                "{} holds no migration (a folder with a migration.sql); was it left out when the image was built, as by \
                 .dockerignore?{}",
                folder.display(),
                self.elsewhere(&schema, &file, &folder).map_or_else(
                    || " Else set databases[].prisma.migrations".to_owned(),
                    |hint| format!(" {hint}")
                )
            );
            return Err((ProblemReason::MigrationsEmpty, message));
        }
        project.inventory.migrations = found.migrations;
        project.inventory.truncated = found.truncated;
        project.inventory.doubt = self.doubt();
        project.inventory.external_unknown = matches!(self.config, Config::Silent { .. });
        if let Config::Said(configured) = &self.config {
            project.inventory.configured = Some((**configured).clone());
        }
        Ok(())
    }

    /// Why Prisma may read something else than what was found here.
    fn doubt(&self) -> Option<String> {
        if self.paths.own_command {
            return None;
        }
        match &self.config {
            Config::Silent { why, .. } => Some(format!("its configuration is not known: {why}")),
            _ if !self.rules.known => Some("the version of Prisma is not known".to_owned()),
            _ if !self.paths.cli.is_empty() => {
                Some("databases[].prisma.cli calls Prisma in a way of its own".to_owned())
            }
            _ => None,
        }
    }

    pub(super) fn said(&self) -> Option<&Configured> {
        match &self.config {
            Config::Said(configured) => Some(configured),
            _ => None,
        }
    }

    /// A file that is named has to be there, and one that Prisma loads has to say where the migrations are.
    fn check_config(&self) -> Result<(), Unreadable> {
        let directory = &self.surroundings.directory;
        let named = &self.paths.config;
        if !named.is_empty() && !directory.join(named).is_file() {
            let message = format!(
                "there is no file {}; set databases[].prisma.config to the path of prisma.config.ts, relative to {}",
                directory.join(named).display(),
                directory.display()
            );
            return Err((ProblemReason::ConfigMissing, message));
        }
        if let Config::Unusable(problem) = &self.config
            && !self.paths.own_command
        {
            return Err((problem.reason, problem.message.clone()));
        }
        let Config::Silent { file, why, certain } = &self.config else {
            return Ok(());
        };
        if self.paths.own_command || (!certain && !self.paths.migrations.is_empty()) {
            return Ok(());
        }
        let file = file.as_ref().map_or_else(
            || "Prisma's configuration".to_owned(),
            |file| shown(file, directory),
        );
        let then = if *certain {
            "So Prisma cannot migrate either: correct it, or add to the image what it needs"
        } else {
            "So it is not known which migrations Prisma would read: correct it, or set databases[].prisma.migrations to the \
             folder that it names"
        };
        Err((
            ProblemReason::ConfigInvalid,
            format!("{file}: {why}. {then}"),
        ))
    }

    /// Where the schema is: what the configuration says counts where the resource says nothing.
    fn schema_path(&self) -> Result<PathBuf, Unreadable> {
        let directory = &self.surroundings.directory;
        let path = layout::resolved(directory, Path::new(&self.paths.schema));
        let configured = self.said().and_then(|said| said.schema.as_ref());
        if let Some(configured) = configured.map(PathBuf::from)
            && self.paths.schema == DEFAULT_SCHEMA
            && configured != path
        {
            // A folder of schemas that holds this one, too, is the same project.
            if !path.exists() || configured.is_dir() && path.starts_with(&configured) {
                return Ok(configured);
            }
            if !self.paths.own_command && configured.exists() && !same(&configured, &path) {
                let file = self.said().map_or("", |said| said.file.as_str());
                let message = format!(
                    "{} names the schema {}, and there is {DEFAULT_SCHEMA}, too, the default of databases[].prisma.schema: set \
                     that to the one that is meant, {} or ./{DEFAULT_SCHEMA}",
                    shown(Path::new(file), directory),
                    shown(&configured, directory),
                    shown(&configured, directory),
                );
                return Err((ProblemReason::ConfigInvalid, message));
            }
        }
        Ok(path)
    }

    fn schema(&self, path: &Path) -> Result<Schema, Unreadable> {
        let directory = &self.surroundings.directory;
        if self.paths.schema.is_empty() || !path.exists() {
            return Err((
                ProblemReason::SchemaMissing,
                schema_missing(path, directory),
            ));
        }
        let unreadable = |error: std::io::Error| {
            let message = format!("{} cannot be read: {error}", path.display());
            (ProblemReason::SchemaMissing, message)
        };
        Schema::at(path).map_err(unreadable)
    }

    /// The datasource and the file that it stands in.
    fn datasource(&self, schema: &Schema) -> Result<(Datasource, PathBuf), Unreadable> {
        let mut texts = Vec::new();
        for file in &schema.files {
            let bytes = fs::read(file).map_err(|error| {
                let message = format!("{} cannot be read: {error}", file.display());
                (ProblemReason::SchemaMissing, message)
            })?;
            texts.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        let previews = schema::previews(texts.iter().map(String::as_str));
        if schema.is_folder
            && !self.paths.own_command
            && let Some(why) = self.rules.refuses_folder(&previews)
        {
            let message = format!("{} is a folder, and {why}", schema.path.display());
            return Err((ProblemReason::SchemaMissing, message));
        }
        let mut found = texts.iter().zip(&schema.files);
        found
            .find_map(|(text, file)| Some((schema::datasource(text)?, file.clone())))
            .ok_or_else(|| {
                let message = format!(
                    "{} has no datasource block; set databases[].prisma.schema to the schema (or the folder of schemas) that \
                     has one",
                    schema.path.display()
                );
                (ProblemReason::ProviderUnsupported, message)
            })
    }

    /// Which variables Prisma may migrate by, and which of them nobody sets.
    fn connection(&self, project: &mut Project, datasource: Datasource, schema: &Schema) {
        let directory = &self.surroundings.directory;
        let mut datasource = datasource;
        let mut unset = Vec::new();
        match &self.config {
            Config::Absent => {
                let root = schema.root();
                let real = fs::canonicalize(&root).unwrap_or_else(|_| root.clone());
                let folders = [directory.as_path(), root.as_path(), real.as_path()];
                unset = variables::unset(&datasource, self.surroundings, &folders);
            }
            Config::Silent { .. } | Config::Unusable(_) => project.has_config = true,
            Config::Said(said) if said.adapter => project.has_config = true,
            Config::Said(said) if said.datasource => {
                let (url, direct_url) = (&said.url, &said.direct_url);
                match (setting(url.as_ref()), setting(direct_url.as_ref())) {
                    (Some(url), Some(direct_url)) => {
                        datasource.url = url;
                        datasource.direct_url = direct_url;
                    }
                    // Put together from parts, as the image likes.
                    _ => project.has_config = true,
                }
                unset.clone_from(&said.unset);
            }
            // It says nothing of it: then the schema does. No .env is read beside a configuration.
            Config::Said(said) => {
                unset = variables::unset(&datasource, self.surroundings, &[]);
                unset.extend(said.unset.iter().cloned());
                unset.retain(|name| !said.sets.contains(name));
                unset.dedup();
            }
        }
        let inventory = &mut project.inventory;
        if !project.has_config {
            inventory.url_variable = datasource.url.variable().map(str::to_owned);
            inventory.direct_url_variable = datasource.direct_url.variable().map(str::to_owned);
        }
        if !self.paths.own_command {
            inventory.unset_variables = unset;
        }
        project.datasource = datasource;
    }

    /// Prisma 7 knows the connection from a configuration alone.
    fn check_needed_config(&self) -> Result<(), Unreadable> {
        if !self.rules.needs_config() || self.paths.own_command {
            return Ok(());
        }
        let directory = &self.surroundings.directory;
        match &self.config {
            Config::Absent => {
                let near = self.config_near_schema();
                let then = near.map_or_else(
                    || {
                        "copy prisma.config.ts into the image, or set databases[].prisma.config to its path"
                            .to_owned()
                    },
                    |near| {
                        format!(
                            "there is {near}: set databases[].prisma.config to it, because Prisma looks in the working directory only"
                        )
                    },
                );
                let message = format!(
                    "this version of Prisma takes the connection from prisma.config.ts, and there is none in {}; {then}",
                    directory.display()
                );
                Err((ProblemReason::ConfigMissing, message))
            }
            Config::Said(said) if !said.datasource => {
                let message = format!(
                    "{} has no datasource.url, by which alone this version of Prisma migrates: add datasource: {{ url: \
                     process.env.DATABASE_URL }} to it",
                    shown(Path::new(&said.file), directory)
                );
                Err((ProblemReason::ConfigMissing, message))
            }
            _ => Ok(()),
        }
    }

    /// A configuration above the schema that Prisma does not find from the working directory.
    pub(super) fn config_near_schema(&self) -> Option<String> {
        let directory = &self.surroundings.directory;
        let schema = layout::resolved(directory, Path::new(&self.paths.schema));
        let above = schema.ancestors().skip(1);
        let mut folders =
            above.take_while(|folder| *folder != directory && folder.parent().is_some());
        folders.find_map(|folder| {
            let found = config::in_folder(folder, self.rules);
            Some(shown(found.first()?, directory))
        })
    }
}

/// The setting that a configuration's URL is; none where it cannot be told.
fn setting(url: Option<&ConfiguredUrl>) -> Option<Setting> {
    match url {
        None => Some(Setting::Unset),
        Some(url) => url.variable.clone().map(Setting::Variable),
    }
}

fn schema_missing(schema: &Path, directory: &Path) -> String {
    let found: Vec<String> = search::schemas(directory)
        .iter()
        .map(|path| shown(path, directory))
        .collect();
    let (there, which) = match found.as_slice() {
        [] => (String::new(), "its path in the image"),
        [one] => (format!("; the image has {one}"), "that path"),
        many => (
            format!("; the image has {}", many.join(", ")),
            "one of them",
        ),
    };
    format!(
        "there is no Prisma schema at {}{there}; set databases[].prisma.schema to {which}, relative to {}, or job.workingDir",
        schema.display(),
        directory.display()
    )
}

fn check_provider(provider: Option<&str>, schema: &Schema) -> Result<(), Unreadable> {
    if matches!(provider, Some("postgresql" | "postgres")) {
        return Ok(());
    }
    let message = format!(
        "the datasource in {} has the provider {}; only postgresql is supported",
        schema.path.display(),
        provider.map_or_else(
            || "that could not be read".to_owned(),
            |provider| format!("{provider:?}")
        )
    );
    Err((ProblemReason::ProviderUnsupported, message))
}

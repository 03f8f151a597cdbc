//! Where an image is looked at.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

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

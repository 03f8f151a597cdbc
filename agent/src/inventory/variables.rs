//! Which of the variables that a datasource names the image itself leaves unset.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::schema::Datasource;
use super::surroundings::Surroundings;

/// Those that are set neither in the image's environment nor in a `.env` of these folders, which Prisma reads. Prisma
/// wants both variables, whichever it migrates by.
pub(super) fn unset(
    datasource: &Datasource,
    surroundings: &Surroundings,
    folders: &[&Path],
) -> Vec<String> {
    let files: Vec<String> = folders
        .iter()
        .filter_map(|folder| fs::read(folder.join(".env")).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let mut unset: Vec<String> = [&datasource.direct_url, &datasource.url]
        .into_iter()
        .filter_map(|setting| setting.variable())
        .filter(|name| {
            !surroundings.variables.contains(OsStr::new(name))
                && !files.iter().any(|text| sets(text, name))
        })
        .map(str::to_owned)
        .collect();
    unset.dedup();
    unset
}

/// Whether a `.env` has a line for a variable.
fn sets(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        line.strip_prefix(name)
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::inventory::schema::Setting;

    #[test]
    fn what_nobody_sets() {
        let folder = tempfile::tempdir().unwrap();
        let surroundings = |set: &[&str]| Surroundings {
            variables: set.iter().map(Into::into).collect(),
            ..Surroundings::default()
        };
        let datasource = |url: &str, direct: Option<&str>| Datasource {
            url: Setting::Variable(url.to_owned()),
            direct_url: direct.map_or(Setting::Unset, |name| Setting::Variable(name.to_owned())),
            ..Datasource::default()
        };
        let both = datasource("URL", Some("DIRECT"));
        let folders = [folder.path()];
        let unset = |datasource: &Datasource, set: &[&str]| {
            super::unset(datasource, &surroundings(set), &folders)
        };
        assert_eq!(unset(&both, &[]), ["DIRECT", "URL"]);
        assert_eq!(unset(&both, &["URL"]), ["DIRECT"]);
        assert_eq!(unset(&datasource("URL", None), &["OTHER"]), ["URL"]);
        assert_eq!(unset(&datasource("URL", Some("URL")), &[]), ["URL"]);
        assert_eq!(unset(&Datasource::default(), &[]), [""; 0]);

        fs::write(
            folder.path().join(".env"),
            "# URL=1\nDIRECTION=x\n export DIRECT = \"postgres://h/d\"\n",
        )
        .unwrap();
        assert_eq!(unset(&both, &[]), ["URL"]);
    }
}

//! Where log lines go and which of them: standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// One JSON object a line, its fields at the top level.
    Json,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level, or `RUST_LOG`, is no filter.
    #[error("{wanted:?} is no log filter; use a level as info, or directives as info,kube=debug")]
    Filter {
        /// What was given.
        wanted: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Logging was set up before.
    #[error("logging is set up already")]
    Twice(#[source] TryInitError),
}

/// Sets logging up for the whole process. `RUST_LOG` wins over `level`, which is a plain level or `RUST_LOG`'s own
/// directives.
///
/// # Errors
/// When the filter cannot be read, or when it was called before.
pub fn init(format: LogFormat, level: &str) -> Result<(), TelemetryError> {
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .filter(|value| !value.is_empty())
        .unwrap_or_else(|| directives(level));
    let filter =
        EnvFilter::try_new(&wanted).map_err(|source| TelemetryError::Filter { wanted, source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(colours()).finish().try_init(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_ansi(false)
            .finish()
            .try_init(),
    }
    .map_err(TelemetryError::Twice)
}

fn colours() -> bool {
    std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A plain `debug` or `trace` means our own code: the HTTP and TLS libraries stay at `info`.
fn directives(level: &str) -> String {
    match level.trim().to_ascii_lowercase().as_str() {
        own @ ("debug" | "trace") => {
            format!("info,database_migration_operator={own},kubectl_dbm={own}")
        }
        _ => level.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_debug_is_about_our_code() {
        assert_eq!(
            directives("DEBUG"),
            "info,database_migration_operator=debug,kubectl_dbm=debug"
        );
    }

    #[test]
    fn other_levels_and_directives_stand_as_they_are() {
        assert_eq!(directives("warn"), "warn");
        assert_eq!(directives("info,kube=trace"), "info,kube=trace");
    }

    #[test]
    fn every_level_is_a_filter() {
        for level in [
            "off",
            "error",
            "warn",
            "info",
            "debug",
            "trace",
            "info,kube=debug",
        ] {
            assert!(EnvFilter::try_new(directives(level)).is_ok(), "{level}");
        }
        assert!(EnvFilter::try_new(directives("a=b=c")).is_err());
    }
}

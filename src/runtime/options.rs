//! The options of `database-migration-operator run`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU32};

use clap::builder::NonEmptyStringValueParser;

use super::telemetry::LogFormat;

/// How the controller runs.
#[derive(Clone, Debug, clap::Args)]
pub struct RunOptions {
    /// A namespace to watch; may be given more than once. Default: the operator's own
    #[arg(long = "watch-namespace", value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new(), conflicts_with = "all_namespaces")]
    pub watch_namespaces: Vec<String>,

    /// Watch every namespace
    #[arg(long)]
    pub all_namespaces: bool,

    /// Where /healthz, /readyz and /metrics are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,

    /// How a log line is written
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// The least level that is logged, or directives as RUST_LOG takes them, which wins over this
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// Work only while holding the Lease, so that a second replica stands by
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub leader_elect: bool,

    /// The image that brings the agent into the Jobs: the operator's own
    #[arg(long, env = "OPERATOR_IMAGE", value_name = "IMAGE", value_parser = NonEmptyStringValueParser::new())]
    pub agent_image: String,

    /// When that image is pulled
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub agent_image_pull_policy: PullPolicy,

    /// How many resources are worked on at once, in each watched namespace
    #[arg(long, value_name = "COUNT", default_value = "8")]
    pub max_concurrent_reconciles: NonZeroU16,

    /// How many runs may migrate at once on one database server; 0: no limit
    #[arg(long, value_name = "COUNT", default_value = "0")]
    pub max_runs_per_server: u32,

    /// The operator's own namespace, where its Leases live
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub pod_namespace: String,

    /// The operator's own name, as its Leases and Events show it
    #[arg(
        long,
        env = "POD_NAME",
        value_name = "NAME",
        default_value = "database-migration-operator"
    )]
    pub pod_name: String,
}

/// A container's `imagePullPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PullPolicy {
    /// At every start.
    #[value(name = "Always")]
    Always,
    /// Where the node does not have it.
    #[default]
    #[value(name = "IfNotPresent")]
    IfNotPresent,
    /// The node has it.
    #[value(name = "Never")]
    Never,
}

impl PullPolicy {
    /// As Kubernetes spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// Which namespaces are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Every namespace of the cluster.
    All,
    /// These; at least one.
    Namespaces(BTreeSet<String>),
}

impl Watched {
    /// How many watches of each kind there are.
    #[must_use]
    pub fn scopes(&self) -> usize {
        match self {
            Watched::All => 1,
            Watched::Namespaces(names) => names.len(),
        }
    }
}

impl RunOptions {
    /// The limit of runs on one database server, if there is one.
    #[must_use]
    pub fn max_runs_per_server(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.max_runs_per_server)
    }

    /// Which namespaces are watched: those that were named, else the operator's own.
    #[must_use]
    pub fn watched(&self) -> Watched {
        if self.all_namespaces {
            return Watched::All;
        }
        if self.watch_namespaces.is_empty() {
            return Watched::Namespaces(BTreeSet::from([self.pod_namespace.clone()]));
        }
        Watched::Namespaces(self.watch_namespaces.iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: RunOptions,
    }

    const NEEDED: [&str; 5] = [
        "run",
        "--agent-image",
        "operator:1",
        "--pod-namespace",
        "dbm-system",
    ];

    fn parse(more: &[&str]) -> Result<RunOptions, clap::Error> {
        Cli::try_parse_from(NEEDED.iter().chain(more)).map(|cli| cli.run)
    }

    #[test]
    fn defaults() -> Result<(), clap::Error> {
        let options = parse(&[])?;
        assert_eq!(
            options.watched(),
            Watched::Namespaces(BTreeSet::from(["dbm-system".to_owned()]))
        );
        assert_eq!(options.http_address.to_string(), "0.0.0.0:8080");
        assert_eq!(
            (options.log_format, options.log_level.as_str()),
            (LogFormat::Text, "info")
        );
        assert!(options.leader_elect);
        assert_eq!(options.agent_image_pull_policy, PullPolicy::IfNotPresent);
        assert_eq!(options.max_concurrent_reconciles.get(), 8);
        assert_eq!(options.max_runs_per_server(), None);
        assert_eq!(options.watched().scopes(), 1);
        Ok(())
    }

    #[test]
    fn what_the_chart_passes() -> Result<(), clap::Error> {
        let options = parse(&[
            "--watch-namespace=b",
            "--watch-namespace=a",
            "--watch-namespace=b",
            "--http-address=127.0.0.1:0",
            "--log-format=json",
            "--log-level=debug",
            "--leader-elect=false",
            "--agent-image-pull-policy=Never",
            "--max-concurrent-reconciles=3",
            "--max-runs-per-server=4",
        ])?;
        assert_eq!(
            options.watched(),
            Watched::Namespaces(BTreeSet::from(["a".to_owned(), "b".to_owned()]))
        );
        assert_eq!(options.log_format, LogFormat::Json);
        assert!(!options.leader_elect);
        assert_eq!(options.agent_image_pull_policy.as_str(), "Never");
        assert_eq!(options.max_concurrent_reconciles.get(), 3);
        assert_eq!(options.max_runs_per_server(), NonZeroU32::new(4));
        assert_eq!(parse(&["--all-namespaces"])?.watched(), Watched::All);
        assert!(parse(&["--leader-elect"])?.leader_elect);
        Ok(())
    }

    #[rstest]
    #[case::both(&["--all-namespaces", "--watch-namespace=a"])]
    #[case::empty(&["--watch-namespace="])]
    #[case::less_than_none(&["--max-runs-per-server=-1"])]
    #[case::none_at_once(&["--max-concurrent-reconciles=0"])]
    #[case::no_address(&["--http-address=8080"])]
    #[case::no_policy(&["--agent-image-pull-policy=Sometimes"])]
    fn refused(#[case] more: &[&str]) {
        assert!(parse(more).is_err());
    }
}

//! The operator's command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand};
use database_migration_operator::build::Settings;
use database_migration_operator::runtime::http::{HttpServer, Readiness};
use database_migration_operator::runtime::lease::{self, Election};
use database_migration_operator::runtime::liveness::Liveness;
use database_migration_operator::runtime::metrics::Metrics;
use database_migration_operator::runtime::names;
use database_migration_operator::runtime::options::{RunOptions, Watched};
use database_migration_operator::runtime::shutdown::Shutdown;
use database_migration_operator::runtime::telemetry;
use database_migration_operator::world::cluster::{Servers, Shared, Sleepers};
use database_migration_operator::{api, controller};

/// The Lease that one replica holds while it works.
const LEADER_LEASE: &str = "database-migration-operator";

/// A request on whose answer nothing arrives for so long has failed. A quiet watch hears a bookmark about every minute.
const SILENCE: Duration = Duration::from_secs(150);

/// Runs Prisma database migrations on Kubernetes.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the controller.
    Run(RunOptions),
    /// Prints the CustomResourceDefinitions.
    Crds {
        /// Writes each to a file of this folder instead.
        #[arg(long)]
        directory: Option<PathBuf>,
        /// Writes the API reference to this file, too.
        #[arg(long, value_name = "FILE")]
        reference: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Crds {
            directory,
            reference,
        } => crds(directory.as_deref(), reference.as_deref()),
        Command::Run(options) => start(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("database-migration-operator: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn crds(
    directory: Option<&Path>,
    reference: Option<&Path>,
) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(file) = reference {
        std::fs::write(file, api::reference())?;
    }
    let files = api::crds_yaml()?;
    let Some(directory) = directory else {
        let texts: Vec<String> = files.into_iter().map(|(_, text)| text).collect();
        print!("{}", texts.join("---\n"));
        return Ok(());
    };
    for (name, text) in files {
        std::fs::write(directory.join(name), text)?;
    }
    Ok(())
}

/// An error with all of its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// Two threads: it waits for others most of the time, and each thread has a heap of its own, which would be megabytes on
/// a node with many cores.
#[tokio::main(worker_threads = 2)]
async fn start(options: RunOptions) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::init(options.log_format, &options.log_level)?;
    let stop = Shutdown::on_signal()?;
    let metrics = Arc::new(Metrics::new(env!("CARGO_PKG_VERSION")));
    let readiness = Readiness::new();
    let reachable = readiness.flag("api-server");
    let liveness = Liveness::default();
    let server = HttpServer::bind(
        options.http_address,
        readiness,
        liveness.clone(),
        metrics.clone(),
    )
    .await?;
    let serving = tokio::spawn(server.serve(stop.wait()));

    let watched = options.watched();
    match &watched {
        Watched::All => tracing::info!("watching every namespace"),
        Watched::Namespaces(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            tracing::info!(
                namespaces = names.join(","),
                "watching these namespaces only"
            );
        }
    }
    let mut config = kube::Config::infer().await?;
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    let client = kube::Client::try_from(config)?;
    let version = client.apiserver_version().await?;
    tracing::info!(version = version.git_version, "API server reached");
    reachable.set(true);

    let shared = Arc::new(Shared {
        client: client.clone(),
        settings: Settings {
            agent_image: options.agent_image.clone(),
            agent_image_pull_policy: options.agent_image_pull_policy.as_str().to_owned(),
        },
        namespace: options.pod_namespace.clone(),
        reporter: options.pod_name.clone(),
        metrics: metrics.clone(),
        sleepers: Sleepers::default(),
        liveness,
        servers: Servers::new(options.max_runs_per_server(), watched.scopes()),
        names: names::of_this_process(&options.pod_namespace),
        concurrency: options.max_concurrent_reconciles.get(),
    });
    let stopping = stop.clone();
    let work = async { controller::run(shared, &watched, || stopping.wait()).await };

    if options.leader_elect {
        let settings = lease::Settings::default();
        let election = Election::new(
            client,
            &options.pod_namespace,
            LEADER_LEASE,
            &options.pod_name,
            settings,
        );
        if let Some(leadership) = election.acquire(&stop).await {
            metrics.set_leader(true);
            tracing::info!("leading");
            // On an error another may lead already: nothing of this process may go on.
            leadership.run(work).await?;
        }
    } else {
        metrics.set_leader(true);
        work.await;
    }
    tracing::info!("stopped");
    serving.await?;
    Ok(())
}

//! What Prometheus reads. Labels come from enums: no name of an object and no error text ever becomes one.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Media type of what [`Metrics::encode`] writes.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds: a reconcile that reads only caches up to one that waits for a slow database.
const RECONCILE_BUCKETS: [f64; 10] = [0.001, 0.0025, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// A label's whole set of values.
macro_rules! label {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident => $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As it stands in the metric.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

label! {
    /// How one reconcile of a resource went.
    ReconcileOutcome {
        /// It did what there was to do, which may be nothing.
        Ok => "ok",
        /// Someone else wrote first: read again and done again.
        Conflict => "conflict",
        /// The API server or a database did not do its part; tried again later.
        Error => "error",
    }
}

label! {
    /// How a run ended.
    RunOutcome {
        /// Everything applied and validated.
        Succeeded => "succeeded",
        /// Halted; a human is needed.
        Failed => "failed",
        /// Ended by a recovery action.
        RolledBack => "rolled_back",
        /// Ended by a human or by a newer spec before it was through.
        Aborted => "aborted",
    }
}

label! {
    /// How a run ended for one of its databases.
    DatabaseOutcome {
        /// Its ledger holds the whole inventory.
        Succeeded => "succeeded",
        /// Its migration failed.
        Failed => "failed",
        /// Not touched, because of one before it.
        Skipped => "skipped",
        /// Taken back.
        RolledBack => "rolled_back",
    }
}

label! {
    /// What a Job was made for.
    JobStep {
        /// Reading the image.
        Inventory => "inventory",
        /// A check before the run: backup evidence, promotion.
        Preflight => "preflight",
        /// The scratch database.
        DryRun => "dry_run",
        /// A hook before or after.
        Hook => "hook",
        /// The migration.
        Migrate => "migrate",
        /// A smoke test.
        SmokeTest => "smoke_test",
        /// Marking a ledger's row.
        Resolve => "resolve",
        /// A down migration.
        Down => "down",
        /// A restore.
        Restore => "restore",
    }
}

type Counters = Family<[(&'static str, &'static str); 1], Counter>;

/// The process' metrics. Build it once and share it by reference or `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Counters,
    reconcile_seconds: Histogram,
    runs: Counters,
    databases: Counters,
    jobs: Counters,
    leader: Gauge,
}

impl Metrics {
    /// All metrics, at zero; `version` is the build's.
    #[must_use]
    pub fn new(version: &'static str) -> Self {
        let reconciles = counters(
            "outcome",
            ReconcileOutcome::ALL.iter().map(|label| label.as_str()),
        );
        let reconcile_seconds = Histogram::new(RECONCILE_BUCKETS);
        let runs = counters(
            "outcome",
            RunOutcome::ALL.iter().map(|label| label.as_str()),
        );
        let databases = counters(
            "outcome",
            DatabaseOutcome::ALL.iter().map(|label| label.as_str()),
        );
        let jobs = counters("step", JobStep::ALL.iter().map(|label| label.as_str()));
        let leader = Gauge::default();

        let mut registry = Registry::with_prefix("dbm");
        registry.register("reconciles", "Reconciles of a resource", reconciles.clone());
        let seconds = reconcile_seconds.clone();
        registry.register_with_unit(
            "reconcile_duration",
            "Length of a reconcile",
            Unit::Seconds,
            seconds,
        );
        registry.register("runs_finished", "Runs that ended", runs.clone());
        registry.register(
            "databases_finished",
            "Databases that a run was done with",
            databases.clone(),
        );
        registry.register("jobs_created", "Jobs that were made", jobs.clone());
        registry.register(
            "leader",
            "1 where this process leads, else 0",
            leader.clone(),
        );
        registry.register("build", "What runs", Info::new([("version", version)]));
        Self {
            registry,
            reconciles,
            reconcile_seconds,
            runs,
            databases,
            jobs,
            leader,
        }
    }

    /// A reconcile ended.
    pub fn reconciled(&self, outcome: ReconcileOutcome, took: Duration) {
        self.reconciles
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
        self.reconcile_seconds.observe(took.as_secs_f64());
    }

    /// A run ended.
    pub fn run_finished(&self, outcome: RunOutcome) {
        self.runs
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// A run is done with one of its databases.
    pub fn database_finished(&self, outcome: DatabaseOutcome) {
        self.databases
            .get_or_create(&[("outcome", outcome.as_str())])
            .inc();
    }

    /// A Job was made.
    pub fn job_created(&self, step: JobStep) {
        self.jobs.get_or_create(&[("step", step.as_str())]).inc();
    }

    /// Whether this process leads.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// The page that a scrape gets.
    ///
    /// # Errors
    /// When a metric cannot be written, which is a mistake in this file.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// Every value from the start: a rate over a counter that first appears at 1 misses that 1.
fn counters(label: &'static str, values: impl Iterator<Item = &'static str>) -> Counters {
    let family = Counters::default();
    for value in values {
        drop(family.get_or_create(&[(label, value)]));
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(metrics: &Metrics) -> String {
        metrics.encode().unwrap_or_default()
    }

    #[test]
    fn everything_is_there_from_the_start() {
        let page = page(&Metrics::new("1.2.3"));
        for line in [
            "dbm_reconciles_total{outcome=\"conflict\"} 0",
            "dbm_reconcile_duration_seconds_count 0",
            "dbm_runs_finished_total{outcome=\"rolled_back\"} 0",
            "dbm_databases_finished_total{outcome=\"skipped\"} 0",
            "dbm_jobs_created_total{step=\"smoke_test\"} 0",
            "dbm_leader 0",
            "dbm_build_info{version=\"1.2.3\"} 1",
        ] {
            assert!(
                page.lines().any(|have| have == line),
                "{line} is missing in\n{page}"
            );
        }
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::new("1.2.3");
        metrics.reconciled(ReconcileOutcome::Ok, Duration::from_millis(20));
        metrics.run_finished(RunOutcome::Failed);
        metrics.database_finished(DatabaseOutcome::Succeeded);
        metrics.job_created(JobStep::Migrate);
        metrics.set_leader(true);
        let page = page(&metrics);
        for line in [
            "dbm_reconciles_total{outcome=\"ok\"} 1",
            "dbm_reconcile_duration_seconds_bucket{le=\"0.01\"} 0",
            "dbm_reconcile_duration_seconds_bucket{le=\"0.025\"} 1",
            "dbm_runs_finished_total{outcome=\"failed\"} 1",
            "dbm_databases_finished_total{outcome=\"succeeded\"} 1",
            "dbm_jobs_created_total{step=\"migrate\"} 1",
            "dbm_leader 1",
        ] {
            assert!(
                page.lines().any(|have| have == line),
                "{line} is missing in\n{page}"
            );
        }
    }
}

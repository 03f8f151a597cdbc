//! What a step's container is: whose image, which command, for how long.

use crate::api::{
    DatabaseMigrationSpec, DatabaseSpec, Duration, RestoreSpec, SmokeTestSpec, StepKind,
};
use crate::decide::JobPlan;

/// A planned step beside what the resource says of it.
pub(super) struct Step<'a> {
    pub(super) spec: &'a DatabaseMigrationSpec,
    pub(super) plan: &'a JobPlan,
    /// The variables that `job.envFrom` takes from Secrets.
    pub(super) from_secrets: &'a [String],
}

impl<'a> Step<'a> {
    /// It only reads the image, and is given no credential.
    pub(super) fn reads_only(&self) -> bool {
        self.plan.step == StepKind::Inventory
    }

    /// The database whose Prisma project it works on: none for a command of the user's that serves no project.
    pub(super) fn project(&self) -> Option<&'a DatabaseSpec> {
        match self.plan.step {
            StepKind::Migrate | StepKind::Resolve | StepKind::Down => {
                self.database(&self.plan.database)
            }
            StepKind::Inventory | StepKind::SmokeTest | StepKind::Restore => None,
        }
    }

    /// The database that it is about, for labels.
    pub(super) fn subject(&self) -> &'a str {
        let of_restore = self
            .plan
            .restore
            .as_ref()
            .map(|plan| plan.database.as_str());
        [
            self.plan.database.as_str(),
            self.test().map_or("", |test| &test.after),
            of_restore.unwrap_or(""),
        ]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or("")
    }

    pub(super) fn database(&self, name: &str) -> Option<&'a DatabaseSpec> {
        let databases = &self.spec.databases;
        databases.iter().find(|database| database.name == name)
    }

    /// The smoke test that it runs.
    pub(super) fn test(&self) -> Option<&'a SmokeTestSpec> {
        let tests = &self.spec.validation.smoke_tests;
        (self.plan.step == StepKind::SmokeTest)
            .then(|| tests.iter().find(|test| test.name == self.plan.test))?
    }

    fn restore(&self) -> Option<&'a RestoreSpec> {
        let restore = self.spec.rollback.restore.as_ref();
        restore.filter(|_| self.plan.step == StepKind::Restore)
    }

    /// The image that its container runs.
    pub(super) fn image(&self) -> &'a str {
        let own = match self.plan.step {
            StepKind::SmokeTest => self.test().map(|test| test.image.as_str()),
            StepKind::Restore => self.restore().map(|restore| restore.image.as_str()),
            _ => None,
        };
        own.filter(|image| !image.is_empty())
            .unwrap_or(&self.spec.image)
    }

    /// Whether that is the image with the migrations. What the resource says of paths in it holds for no other.
    pub(super) fn runs_migrations_image(&self) -> bool {
        self.image() == self.spec.image
    }

    /// The user's command, where the step has one.
    pub(super) fn command(&self) -> &'a [String] {
        match self.plan.step {
            StepKind::Migrate => self
                .project()
                .map_or(&[], |database| &database.prisma.migrate),
            StepKind::SmokeTest => self.test().map_or(&[], |test| &test.command),
            StepKind::Restore => self.restore().map_or(&[], |restore| &restore.command),
            StepKind::Inventory | StepKind::Resolve | StepKind::Down => &[],
        }
    }

    /// After how many seconds the agent ends it; 0 is never.
    pub(super) fn timeout_seconds(&self) -> u64 {
        let limit = match self.plan.step {
            StepKind::Migrate => Some(&self.spec.timeouts.kill),
            StepKind::SmokeTest => self.test().map(|test| &test.timeout),
            StepKind::Restore => self.restore().map(|restore| &restore.timeout),
            _ => None,
        };
        limit
            .and_then(Duration::seconds)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .unwrap_or(0)
    }

    /// How long its pod may take to end when it is asked to. A smoke test changes nothing that an end would tear.
    pub(super) fn grace_seconds(&self) -> i64 {
        match self.plan.step {
            StepKind::Inventory => 5,
            StepKind::SmokeTest => 30,
            StepKind::Migrate | StepKind::Resolve | StepKind::Down | StepKind::Restore => self
                .spec
                .job
                .termination_grace_period
                .seconds()
                .unwrap_or(3600),
        }
    }
}

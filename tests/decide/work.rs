//! What the Jobs of actions and validation do: Prisma's resolve, a down.sql, a smoke test, a restore.

use database_migration_operator::api::{Resolution, StepKind};
use database_migration_operator::facts::LedgerRow;
use database_migration_operator::tools::prisma::{self, RowState};
use dbm_protocol::Outcome;
use jiff::Timestamp;

use super::pods::summary;
use super::promises;
use super::world::{Content, Job, Process, World, at, split};

/// What becomes of a restore.
pub const RESTORE_FAILS: u8 = 1;
pub const RESTORES_ANOTHER: u8 = 2;
pub const RESTORES_NOTHING: u8 = 3;
pub const RESTORE_TIMES_OUT: u8 = 4;
pub const RESTORE_BREAKS: u8 = 5;

/// Prisma waits so long for its lock, seconds.
const PATIENCE: u32 = 5;

impl World {
    /// One second of a Job that is no migration.
    pub(super) fn work_on_action(&mut self, job: &mut Job, mut process: Process) {
        let locks = match job.plan.step {
            StepKind::Resolve => true,
            StepKind::Down => job.plan.down.as_ref().is_some_and(|down| down.transaction),
            _ => false,
        };
        if locks && process.client && !self.lock(job, &process) {
            process.waited += 1;
            let tired = process.waited > PATIENCE;
            job.process = Some(process);
            if tired {
                self.end(job, 1, Some(summary(Outcome::Failed, "P1002", "")));
            }
            return;
        }
        process.left -= 1;
        let (left, client, pid) = (process.left, process.client, process.session.pid);
        job.process = Some(process);
        if job.plan.step == StepKind::Restore {
            let physical = self.databases.get_mut(split(&job.target).0).unwrap();
            physical.down_until = self.now + i64::from(left.min(1));
        }
        if left > 0 {
            return;
        }
        if !client {
            // Its last statement was sent, or it was not.
            if pid % 2 == 0 || locks && job.plan.step == StepKind::Resolve {
                self.let_go(job);
                return;
            }
            match job.plan.step {
                StepKind::Resolve => drop(self.resolve(job)),
                _ => drop(self.down(job)),
            }
            self.let_go(job);
            return;
        }
        let code = match job.plan.step {
            StepKind::Resolve => self.resolve(job),
            StepKind::Down => self.down(job),
            StepKind::SmokeTest => self.test(job),
            StepKind::Restore => self.restore(job),
            StepKind::Inventory | StepKind::Migrate => unreachable!(),
        };
        let mut said = match code {
            Ok(()) => summary(Outcome::Succeeded, "", ""),
            Err(code) => summary(Outcome::Failed, code, ""),
        };
        let times_out = self.restores == RESTORE_TIMES_OUT && job.plan.step == StepKind::Restore;
        let hangs =
            job.plan.step == StepKind::SmokeTest && self.tests.get(&job.plan.test) == Some(&3);
        said.timed_out = code.is_err() && (times_out || hangs);
        self.end(job, i32::from(code.is_err()), Some(said));
    }

    fn lock(&mut self, job: &Job, process: &Process) -> bool {
        let now = self.now;
        let physical = self.databases.get_mut(split(&job.target).0).unwrap();
        if physical.lock.as_ref() == Some(&process.session) {
            return true;
        }
        if physical.lock.is_some() || physical.stranger > now {
            return false;
        }
        physical.lock = Some(process.session.clone());
        true
    }

    /// `prisma migrate resolve`, once for each name.
    fn resolve(&mut self, job: &Job) -> Result<(), &'static str> {
        if self.trouble.resolves_nothing {
            return Ok(());
        }
        let now = at(self.now);
        for name in &job.plan.migrations {
            if job.plan.resolution == Some(Resolution::Applied) {
                if self.applied(&job.target).contains(name) {
                    return Err("P3008");
                }
                let push = self.push(&job.image);
                if !self.content(&job.image, push).contains(name) {
                    return Err("P3017");
                }
                self.roll_back(job, name, now);
                let mut row = self.row(name);
                row.finished_at = Some(now);
                self.rows(&job.target).push(row);
            } else if self.roll_back(job, name, now) == 0 {
                return Err("P3012");
            }
            promises::at_effect(self, job, &format!("resolve {name}"));
        }
        Ok(())
    }

    /// Marks the rows of a migration that block; how many there were.
    fn roll_back(&mut self, job: &Job, name: &str, now: Timestamp) -> usize {
        let mut marked = Vec::new();
        for row in self.rows(&job.target) {
            if row.migration_name == name && prisma::row_state(row).blocks() {
                row.rolled_back_at = Some(now);
                marked.push(row.id.clone());
            }
        }
        marked.iter().for_each(|row| self.touch(row, job.resource));
        marked.len()
    }

    fn down(&mut self, job: &Job) -> Result<(), &'static str> {
        if self.downs_fail {
            return Err("");
        }
        let plan = job.plan.down.clone().unwrap();
        let name = &job.plan.migrations[0];
        let (database, schema) = split(&job.target);
        let physical = self.databases.get_mut(database).unwrap();
        let catalog = physical
            .content
            .catalog
            .entry(schema.to_owned())
            .or_default();
        catalog.remove(name);
        promises::at_effect(self, job, &format!("down {name}"));
        if plan.transaction {
            let now = at(self.now);
            for row in self.rows(&job.target) {
                if row.id == plan.ledger_row && row.rolled_back_at.is_none() {
                    row.rolled_back_at = Some(now);
                }
            }
            self.touch(&plan.ledger_row, job.resource);
        }
        Ok(())
    }

    fn test(&mut self, job: &Job) -> Result<(), &'static str> {
        let key = (job.plan.run.clone(), job.plan.test.clone());
        let tried = self.tried.entry(key).or_default();
        *tried += 1;
        match self.tests.get(&job.plan.test) {
            Some(1 | 3) => Err(""),
            Some(2) if *tried == 1 => Err(""),
            _ => Ok(()),
        }
    }

    fn restore(&mut self, job: &Job) -> Result<(), &'static str> {
        let (database, _) = split(&job.target);
        match self.restores {
            RESTORE_FAILS | RESTORE_TIMES_OUT => return Err(""),
            RESTORE_BREAKS => {
                // Somebody mends it later.
                self.databases.get_mut(database).unwrap().down_until = self.now + 90;
                return Err("");
            }
            RESTORES_NOTHING => {
                promises::at_effect(self, job, "restore nothing");
                return Ok(());
            }
            RESTORES_ANOTHER => {
                let other = if database == "p1" { "p2" } else { "p1" };
                if self.at_work(other).is_empty() {
                    self.put_back(other, Content::default(), super::world::HAND);
                }
                promises::at_effect(self, job, "restore another");
                return Ok(());
            }
            _ => {}
        }
        let content = self.asked_for(job);
        self.put_back(database, content, job.resource);
        promises::at_effect(self, job, "restore");
        Ok(())
    }

    /// What the database held at the place that a restore Job was given.
    pub(super) fn asked_for(&self, job: &Job) -> Content {
        let plan = job.plan.restore.clone().unwrap();
        let physical = &self.databases[split(&job.target).0];
        if let Some(content) = physical.places.get(&plan.lsn) {
            return content.clone();
        }
        let time: Timestamp = plan.time.parse().unwrap();
        let mut past = physical.past.iter();
        past.rfind(|(since, _)| at(*since) <= time)
            .map(|(_, content)| content.clone())
            .unwrap_or_default()
    }

    fn put_back(&mut self, database: &str, content: Content, by: usize) {
        let restored = self.restored.entry(database.to_owned()).or_default();
        restored.push((by, self.now));
        let physical = self.databases.get_mut(database).unwrap();
        let before = std::mem::replace(&mut physical.content, content);
        let now = physical.content.ledgers.values();
        let rows: Vec<String> = before
            .ledgers
            .values()
            .chain(now)
            .flatten()
            .flatten()
            .map(|row| row.id.clone())
            .collect();
        rows.iter().for_each(|row| self.touch(row, by));
    }

    /// Somebody settles what blocks with psql, as if nothing were left of it.
    pub fn settle_by_hand(&mut self, target: &str) {
        let now = at(self.now);
        if !self.at_work(split(target).0).is_empty() {
            return;
        }
        let mut marked = Vec::new();
        for row in self.rows(target) {
            if prisma::row_state(row).blocks() {
                row.rolled_back_at = Some(now);
                marked.push(row.id.clone());
            }
        }
        marked
            .iter()
            .for_each(|row| self.touch(row, super::world::HAND));
    }

    /// Somebody finishes by hand what a failed migration left undone.
    pub fn mend_by_hand(&mut self, target: &str) {
        let failed = |row: &&LedgerRow| prisma::row_state(row) != RowState::RolledBack;
        let names: Vec<String> = self
            .rows(target)
            .iter()
            .filter(failed)
            .map(|row| row.migration_name.clone())
            .collect();
        let (database, schema) = split(target);
        let physical = self.databases.get_mut(database).unwrap();
        let catalog = physical.content.catalog.entry(schema.to_owned());
        let catalog = catalog.or_default();
        for name in names {
            if catalog.insert(name.clone()) {
                self.mended.insert((target.to_owned(), name));
            }
        }
        self.fates.retain(|(of, _), _| of != target);
    }
}

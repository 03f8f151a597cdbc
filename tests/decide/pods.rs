//! The life of pods, of Prisma in them, and of the backends that outlive them.

use database_migration_operator::api::StepKind;
use database_migration_operator::facts::{ContainerEnd, JobProgress, Session};
use database_migration_operator::tools::prisma::{self, RowState};
use dbm_agent::protocol::{Outcome, Refusal, Summary, VERSION};

use super::invariants;
use super::world::{Fate, Job, Process, World, at, split};

fn summary(outcome: Outcome, code: &str, state: &str) -> Summary {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Summary {
        version: VERSION,
        outcome,
        exit_code: None,
        signal: None,
        code: some(code),
        sql_state: some(state),
        migration: None,
        message: None,
        findings: Vec::new(),
        findings_count: 0,
        timed_out: false,
        started_at: None,
        finished_at: None,
    }
}

impl World {
    /// One second.
    pub fn tick(&mut self) {
        self.now += 1;
        let names: Vec<String> = self.jobs.keys().cloned().collect();
        for name in names {
            let mut job = self.jobs.remove(&name).unwrap();
            self.step(&mut job);
            self.jobs.insert(name, job);
        }
        let mut buried = std::mem::take(&mut self.buried);
        buried.iter_mut().for_each(|job| self.step(job));
        self.buried.append(&mut buried);
    }

    fn step(&mut self, job: &mut Job) {
        if job.process.is_some() {
            self.work(job);
        } else if job.exists && matches!(job.facts.progress, JobProgress::NotStarted(_)) {
            self.start(job);
        }
    }

    fn end(&mut self, job: &mut Job, exit_code: i32, summary: Option<Summary>) {
        if job.process.is_some() {
            self.let_go(job);
        }
        if job.lost {
            return;
        }
        job.facts.progress = JobProgress::Ended(ContainerEnd {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            finished_at: at(self.now),
            summary: summary.map(Box::new),
        });
        if job.terminating {
            job.exists = false;
        }
    }

    fn let_go(&mut self, job: &mut Job) {
        let process = job.process.take().unwrap();
        let physical = self.databases.get_mut(split(&job.target).0).unwrap();
        if physical.lock.as_ref() == Some(&process.session) {
            physical.lock = None;
        }
    }

    fn start(&mut self, job: &mut Job) {
        let push = self.push(&job.image);
        match job.plan.step {
            StepKind::Inventory => return self.end(job, 0, None),
            StepKind::Resolve => {
                let name = job.plan.migrations[0].clone();
                let now = at(self.now);
                for row in self.rows(&job.target) {
                    if row.migration_name == name && prisma::row_state(row).blocks() {
                        row.rolled_back_at = Some(now);
                    }
                }
                return self.end(job, 0, Some(summary(Outcome::Succeeded, "", "")));
            }
            StepKind::Migrate => {}
            other => panic!("{other:?} has no place in this world yet"),
        }
        let refusal = if self.inventory(&job.image, push, "").hash != job.plan.expect {
            Some(Refusal::InventoryChanged {
                found: String::new(),
            })
        } else if job.plan.not_after.is_some_and(|last| at(self.now) > last) {
            Some(Refusal::TooLate)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.end(job, 1, Some(summary(Outcome::Refused(refusal), "", "")));
        }
        invariants::at_start(self, job);
        let application_name = prisma::application_name(&job.plan.run, &job.plan.database);
        let pid = i32::try_from(self.serial()).unwrap() + 1000;
        job.facts.progress = JobProgress::Running {
            since: at(self.now),
        };
        job.process = Some(Process {
            session: Session {
                pid,
                application_name,
                ..Session::default()
            },
            client: true,
            content: self.content(&job.image, push),
            current: None,
            waited: 0,
            left: 3,
        });
    }

    /// One second of Prisma, or of the backend that it left behind.
    fn work(&mut self, job: &mut Job) {
        let mut process = job.process.clone().unwrap();
        let (database, schema) = split(&job.target);
        let (database, schema) = (database.to_owned(), schema.to_owned());
        if !process.client {
            // A killed client's backend ends its statement and is gone; nobody keeps the books.
            process.left -= 1;
            if process.left == 0 {
                if let Some(name) = process.current {
                    let physical = self.databases.get_mut(&database).unwrap();
                    physical.catalog.entry(schema).or_default().insert(name);
                }
                self.let_go(job);
            } else {
                job.process = Some(process);
            }
            return;
        }
        let physical = &self.databases[&database];
        let mine = physical.lock.as_ref() == Some(&process.session);
        if !mine && (physical.lock.is_some() || physical.stranger > self.now) {
            process.waited += 1;
            job.process = Some(process.clone());
            if process.waited > 5 {
                self.end(job, 1, Some(summary(Outcome::Failed, "", "55P03")));
            }
            return;
        }
        self.databases.get_mut(&database).unwrap().lock = Some(process.session.clone());
        let target = job.target.clone();
        if let Some(name) = process.current.take() {
            job.process = Some(process);
            self.finish_migration(job, &name);
            return;
        }
        if self
            .rows(&target)
            .iter()
            .any(|row| prisma::row_state(row).blocks())
        {
            job.process = Some(process);
            return self.end(job, 1, Some(summary(Outcome::Failed, "P3009", "")));
        }
        let applied = self.applied(&target);
        process.current = process
            .content
            .iter()
            .find(|name| !applied.contains(*name))
            .cloned();
        let current = process.current.clone();
        job.process = Some(process);
        let Some(name) = current else {
            return self.end(job, 0, Some(summary(Outcome::Succeeded, "", "")));
        };
        invariants::at_write(self, job);
        job.wrote = true;
        let row = self.row(&name);
        self.rows(&target).push(row);
    }

    fn finish_migration(&mut self, job: &mut Job, name: &str) {
        let target = job.target.clone();
        let fate = self.fates.get(&(target.clone(), name.to_owned())).copied();
        let (database, schema) = split(&target);
        let now = at(self.now);
        if matches!(fate, None | Some(Fate::FailsWithTraces | Fate::NotRecorded)) {
            let physical = self.databases.get_mut(database).unwrap();
            let catalog = physical.catalog.entry(schema.to_owned()).or_default();
            catalog.insert(name.to_owned());
        }
        if fate == Some(Fate::LockTimeout) {
            self.fates.remove(&(target.clone(), name.to_owned()));
        }
        let rows = self.rows(&target);
        let row = rows
            .iter_mut()
            .find(|row| {
                row.migration_name == name && prisma::row_state(row) == RowState::Unfinished
            })
            .unwrap();
        let state = match fate {
            None => {
                row.applied_steps_count = 1;
                row.finished_at = Some(now);
                return;
            }
            Some(Fate::NotRecorded) => {
                row.applied_steps_count = 1;
                ""
            }
            Some(Fate::FailsSilently) => "",
            Some(Fate::Fails | Fate::FailsWithTraces) => "42703",
            Some(Fate::LockTimeout) => "55P03",
        };
        if !state.is_empty() {
            row.logs = Some(format!(
                "Migration name: {name}\n\nDatabase error code: {state}\n"
            ));
        }
        self.end(job, 1, Some(summary(Outcome::Failed, "P3018", state)));
    }

    /// SIGKILL: the client is gone, the backend is not. A lost node: nobody knows.
    pub fn kill(&mut self, name: &str, lost: bool) {
        let Some(mut job) = self.jobs.remove(name) else {
            return;
        };
        if job.exists && matches!(job.facts.progress, JobProgress::Running { .. }) {
            if lost {
                job.lost = true;
                let message = "the node is gone".to_owned();
                job.facts.progress = JobProgress::Lost { message };
            } else {
                if let Some(process) = &mut job.process {
                    process.client = false;
                }
                let process = job.process.take();
                self.end(&mut job, 137, None);
                job.process = process;
            }
        }
        self.jobs.insert(name.to_owned(), job);
    }

    /// Somebody deletes a Job: it is gone at once, its pod is not. The agent holds SIGTERM, so Prisma goes on.
    pub fn vanish(&mut self, name: &str) {
        if let Some(job) = self.jobs.get_mut(name) {
            job.exists = false;
        }
    }
}

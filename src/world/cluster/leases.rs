//! Turns on a database: one Lease per database, taken by creating it, given back by deleting it.

use std::collections::BTreeSet;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};

use super::{Cluster, Error};
use crate::api::{DatabaseMigration, RunStatus};
use crate::build;
use crate::decide::{Effect, LeaseFacts, Resource};
use crate::runtime::clock;

impl Cluster {
    fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.shared.client.clone(), &self.shared.namespace)
    }

    /// Takes the turn. `false`: another run has it, and who that is will be in the next snapshot.
    pub(super) async fn acquire(
        &self,
        uid: &str,
        name: &str,
        holder: &str,
        take_over: Option<&str>,
    ) -> Result<bool, Error> {
        let object = build::lease(
            &self.shared.namespace,
            name,
            holder,
            clock::now(),
            take_over,
        );
        let written = match take_over {
            Some(_) => {
                self.leases()
                    .replace(name, &PostParams::default(), &object)
                    .await
            }
            None => self.leases().create(&PostParams::default(), &object).await,
        };
        match written {
            Ok(lease) => {
                let mut memory = self.memory();
                let remembered = memory.of(uid);
                remembered.leases.remove(name);
                remembered.held.insert(name.to_owned(), version(&lease));
                return Ok(true);
            }
            Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
            Err(error) => return Err(Error::api(format!("taking Lease {name}"))(error)),
        }
        let Some(facts) = self.lease(name).await? else {
            // Given back in this very moment.
            self.memory().of(uid).leases.remove(name);
            return Err(Error::Conflict(format!("Lease {name}")));
        };
        if facts.holder == holder {
            // Written again, so that a take-over that was decided on the version before it comes too late.
            let version = Some(facts.resource_version.as_str());
            let object = build::lease(&self.shared.namespace, name, holder, clock::now(), version);
            let written = self
                .leases()
                .replace(name, &PostParams::default(), &object)
                .await
                .map_err(Error::api(format!("taking Lease {name} again")))?;
            let mut memory = self.memory();
            let remembered = memory.of(uid);
            remembered.leases.remove(name);
            remembered
                .held
                .insert(name.to_owned(), self::version(&written));
            return Ok(true);
        }
        self.memory().of(uid).leases.insert(name.to_owned(), facts);
        Ok(false)
    }

    /// Reads again who has the turns that could not be had: whoever had one may have given it back.
    pub(super) async fn look_at_leases(&self, uid: &str) -> Result<(), Error> {
        let names: Vec<String> = self.memory().of(uid).leases.keys().cloned().collect();
        for name in names {
            let found = self.lease(&name).await?;
            let mut memory = self.memory();
            let leases = &mut memory.of(uid).leases;
            match found {
                Some(facts) => leases.insert(name, facts),
                None => leases.remove(&name),
            };
        }
        Ok(())
    }

    /// Turns that a run of this resource has given back by its journal and that still stand: whoever was to delete them
    /// was killed, or not answered. A process asks for those that were journaled before its time, once, and for those
    /// that it did not get rid of itself.
    pub(super) async fn left_turns(
        &self,
        resource: &Resource,
    ) -> Result<Vec<(String, String)>, Error> {
        let held = |name: &String| {
            let databases = &resource.status.databases;
            databases.iter().any(|database| database.lease == *name)
        };
        let doubtful: Vec<String> = {
            let mut memory = self.memory();
            let remembered = memory.of(&resource.uid);
            let names = remembered
                .doubtful
                .get_or_insert_with(|| before_our_time(resource));
            names.iter().filter(|name| !held(name)).cloned().collect()
        };
        let ours = format!("{}/{}/{}/", resource.namespace, resource.name, resource.uid);
        let mut left = Vec::new();
        for name in doubtful {
            let found = self.leases().get_opt(&name).await;
            let found = found.map_err(Error::api(format!("reading Lease {name}")))?;
            let holder = found.and_then(|lease| lease.spec?.holder_identity);
            match holder.filter(|holder| holder.starts_with(&ours)) {
                Some(holder) => left.push((name, holder)),
                None => self.sure(&resource.uid, &name),
            }
        }
        Ok(left)
    }

    /// The journal is about to give these turns back; until they are known to be, they are looked for.
    pub(super) fn doubt(&self, uid: &str, effects: &[Effect]) {
        let mut memory = self.memory();
        let doubtful = memory.of(uid).doubtful.get_or_insert_default();
        for effect in effects {
            if let Effect::ReleaseLease { name, .. } = effect {
                doubtful.insert(name.clone());
            }
        }
    }

    /// A turn is known not to be this resource's.
    fn sure(&self, uid: &str, name: &str) {
        if let Some(doubtful) = &mut self.memory().of(uid).doubtful {
            doubtful.remove(name);
        }
    }

    /// Who has a turn.
    async fn lease(&self, name: &str) -> Result<Option<LeaseFacts>, Error> {
        let found = self.leases().get_opt(name).await;
        let found = found.map_err(Error::api(format!("reading Lease {name}")))?;
        let Some(found) = found else { return Ok(None) };
        let holder = found
            .spec
            .as_ref()
            .and_then(|spec| spec.holder_identity.clone())
            .unwrap_or_default();
        let gone = self.is_gone(name, &holder).await?;
        Ok(Some(LeaseFacts {
            holder_gone: gone == Some(true),
            holder_hidden: gone.is_none(),
            holder,
            resource_version: found.metadata.resource_version.unwrap_or_default(),
        }))
    }

    /// Whether the run that holds a Lease is over; `None`: its resource cannot be read, and it counts as alive.
    async fn is_gone(&self, lease: &str, holder: &str) -> Result<Option<bool>, Error> {
        let parts: Vec<&str> = holder.split('/').collect();
        let [namespace, name, uid, run] = parts.as_slice() else {
            return Ok(None);
        };
        let api: Api<DatabaseMigration> = Api::namespaced(self.shared.client.clone(), namespace);
        let found = match api.get_opt(name).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 403 => return Ok(None),
            Err(error) => {
                return Err(Error::api(format!(
                    "reading DatabaseMigration {namespace}/{name}"
                ))(error));
            }
        };
        let Some(found) = found.filter(|found| found.metadata.uid.as_deref() == Some(uid)) else {
            return Ok(Some(true));
        };
        let Some(status) = found.status else {
            return Ok(Some(true));
        };
        // What it does not journal it does not hold any more: giving it back was cut short.
        let journaled = status
            .databases
            .iter()
            .any(|database| database.lease == lease);
        // A run that has ended may hold one again: for a human's action on it.
        let current = status.run.is_some_and(|current| current.id == *run);
        Ok(Some(!journaled || !current))
    }

    /// Gives the turn back, if it is ours, and wakes who waits for it.
    pub(super) async fn release(&self, uid: &str, name: &str, holder: &str) -> Result<(), Error> {
        let known = {
            let mut memory = self.memory();
            memory.of(uid).held.remove(name)
        };
        let ours = match known {
            Some(ours) => Some(ours),
            None => {
                let found = self.leases().get_opt(name).await;
                let found = found.map_err(Error::api(format!("reading Lease {name}")))?;
                found
                    .filter(|lease| {
                        let spec = lease.spec.as_ref();
                        spec.and_then(|spec| spec.holder_identity.as_deref()) == Some(holder)
                    })
                    .map(|lease| version(&lease))
            }
        };
        if let Some(only) = ours {
            let parameters = DeleteParams {
                preconditions: Some(only),
                ..DeleteParams::default()
            };
            match self.leases().delete(name, &parameters).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => {}
                Err(error) => return Err(Error::api(format!("giving back Lease {name}"))(error)),
            }
        }
        self.sure(uid, name);
        self.shared.sleepers.wake(name);
        Ok(())
    }
}

/// What a resource's journal had given back when this process first saw it, unless its run ended whole.
fn before_our_time(resource: &Resource) -> BTreeSet<String> {
    let over = |run: &RunStatus| run.finished_at.is_some();
    if resource.status.run.as_ref().is_none_or(over) && !resource.finalizer {
        return BTreeSet::new();
    }
    let turns = resource
        .status
        .databases
        .iter()
        .map(|database| &database.turn);
    turns.filter(|turn| !turn.is_empty()).cloned().collect()
}

/// Exactly this version: a Lease that was taken over in between is the next run's, under the same uid.
fn version(lease: &Lease) -> Preconditions {
    Preconditions {
        uid: lease.metadata.uid.clone(),
        resource_version: lease.metadata.resource_version.clone(),
    }
}

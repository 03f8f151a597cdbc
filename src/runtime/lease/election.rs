//! The election itself: asks [`decide_lease`], does what it says, and learns what came of it.

use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::super::clock;
use super::super::shutdown::Shutdown;
use super::object;
use super::{LeaseDecision, Settings, Sighting, decide_lease};

/// The leadership is gone: the process must end, whatever it is at.
#[derive(Debug, thiserror::Error)]
pub enum LeaseLost {
    /// Another holds the Lease, or it was released or deleted.
    #[error("the Lease is no longer ours")]
    Taken,
    /// It could not be renewed in time, so another may hold it by now.
    #[error("the Lease could not be renewed for {0:?}")]
    NotRenewed(Duration),
    /// The task that renews it died.
    #[error("the Lease is no longer renewed")]
    Stopped,
}

/// A candidate for one Lease.
#[derive(Clone, Debug)]
pub struct Election {
    leases: Api<Lease>,
    name: String,
    identity: String,
    settings: Settings,
    /// What we know of the Lease.
    lease: Option<Lease>,
    seen: Option<Sighting>,
}

/// A Lease that we hold. [`run`](Self::run) keeps it.
#[derive(Debug)]
#[must_use = "a Lease that nobody renews is lost"]
pub struct Leadership {
    election: Election,
    renewed: Duration,
}

/// What came of a write.
enum Written {
    /// The Lease is ours, counted from before the request was sent.
    Ours(Duration),
    /// Somebody else wrote, or it is gone: what is there now was read.
    Refused,
    /// Nobody knows whether it was written.
    Unclear(String),
}

impl Election {
    /// A candidate for the Lease `name`. Its identity is `pod` and a random part: a container that starts again in the
    /// same pod is another candidate.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, pod: &str, settings: Settings) -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: format!("{pod}_{random:016x}"),
            settings,
            lease: None,
            seen: None,
        }
    }

    /// What stands in the Lease while we hold it.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Stands by until the Lease is ours; `None` when `stop` came first.
    pub async fn acquire(mut self, stop: &Shutdown) -> Option<Leadership> {
        let mut changes =
            pin!(watcher::watch_object(self.leases.clone(), &self.name).default_backoff());
        let mut stopped = pin!(stop.wait());
        let mut retry = false;
        loop {
            let decision = match &self.seen {
                // after a request that failed only time helps
                _ if retry => LeaseDecision::Wait(self.settings.retry),
                Some(seen) => decide_lease(
                    clock::monotonic(),
                    seen,
                    None,
                    &self.identity,
                    &self.settings,
                ),
                // the first look is the watch's
                None => LeaseDecision::Wait(self.settings.duration),
            };
            retry = false;
            let LeaseDecision::Wait(wait) = decision else {
                let written = tokio::select! {
                    written = self.write() => written,
                    () = &mut stopped => {
                        // it may have been written: what is ours is let go
                        self.let_go().await;
                        return None;
                    }
                };
                match written {
                    Written::Ours(renewed) => {
                        tracing::info!(lease = self.name, identity = self.identity, "leading");
                        return Some(Leadership {
                            election: self,
                            renewed,
                        });
                    }
                    Written::Refused => {}
                    Written::Unclear(why) => {
                        tracing::warn!(
                            lease = self.name,
                            why,
                            "the Lease could not be written; trying again"
                        );
                        retry = true;
                    }
                }
                continue;
            };
            tokio::select! {
                change = changes.next() => match change {
                    Some(Ok(lease)) => self.learn(lease),
                    Some(Err(error)) => tracing::warn!(lease = self.name, %error, "the Lease cannot be watched"),
                    None => retry = true,
                },
                () = sleep(wait) => {}
                () = &mut stopped => return None,
            }
        }
    }

    fn learn(&mut self, lease: Option<Lease>) {
        let record = lease.as_ref().map(object::record);
        if let Some(holder) = record.as_ref().and_then(|record| record.holder.as_deref())
            && self
                .lease
                .as_ref()
                .map(object::record)
                .and_then(|before| before.holder)
                .as_deref()
                != Some(holder)
            && holder != self.identity
        {
            tracing::info!(lease = self.name, holder, "standing by");
        }
        self.seen = Some(Sighting::next(self.seen.take(), clock::monotonic(), record));
        self.lease = lease;
    }

    /// Writes the Lease in our name, against the version that was seen.
    async fn write(&mut self) -> Written {
        let begun = clock::monotonic();
        let (now, duration) = (clock::now(), self.settings.duration);
        let params = PostParams::default();
        let request = async {
            match &self.lease {
                None => {
                    let lease = object::created(&self.name, &self.identity, duration, now);
                    self.leases.create(&params, &lease).await
                }
                Some(lease) => {
                    let lease = object::held(lease.clone(), &self.identity, duration, now);
                    self.leases.replace(&self.name, &params, &lease).await
                }
            }
        };
        match timeout(self.request_limit(), request).await {
            Ok(Ok(lease)) => {
                self.learn(Some(lease));
                Written::Ours(begun)
            }
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                self.read().await
            }
            Ok(Err(error)) => Written::Unclear(error.to_string()),
            Err(_) => Written::Unclear("no answer in time".to_owned()),
        }
    }

    async fn read(&mut self) -> Written {
        match timeout(self.request_limit(), self.leases.get_opt(&self.name)).await {
            Ok(Ok(lease)) => {
                self.learn(lease);
                Written::Refused
            }
            Ok(Err(error)) => Written::Unclear(error.to_string()),
            Err(_) => Written::Unclear("no answer in time".to_owned()),
        }
    }

    /// Two requests fit before the deadline, in case the first is stuck on a dead connection.
    fn request_limit(&self) -> Duration {
        (self
            .settings
            .renew_deadline
            .saturating_sub(self.settings.renew_interval))
            / 2
    }

    /// Clears the holder if it is us, so that the next need not wait. One try: else it expires.
    async fn let_go(&mut self) {
        let params = PostParams::default();
        let request = async {
            let Some(lease) = self.leases.get_opt(&self.name).await? else {
                return Ok(());
            };
            if object::record(&lease).holder.as_ref() != Some(&self.identity) {
                return Ok(());
            }
            self.leases
                .replace(&self.name, &params, &object::released(lease, clock::now()))
                .await
                .map(drop)
        };
        match timeout(self.settings.retry, request).await {
            Ok(Ok(())) => tracing::info!(lease = self.name, "the Lease is released"),
            Ok(Err(error)) => {
                tracing::warn!(lease = self.name, %error, "the Lease is not released: it expires")
            }
            Err(_) => tracing::warn!(
                lease = self.name,
                "the Lease is not released in time: it expires"
            ),
        }
    }
}

impl Leadership {
    /// Does `work` while renewing, and releases the Lease when the work is done. The renewing has a task of its own,
    /// so that work that keeps its task busy does not cost the Lease.
    ///
    /// # Errors
    /// When the Lease is lost. `work` is dropped then, but not the tasks that it started: end the process.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> Result<T, LeaseLost> {
        let (done, until) = oneshot::channel::<()>();
        let mut renewing = tokio::spawn(self.renew(until));
        let result = tokio::select! {
            // a lost Lease is looked at before the work goes on
            biased;
            ended = &mut renewing => return Err(match ended {
                Ok(Err(lost)) => lost,
                Ok(Ok(())) | Err(_) => LeaseLost::Stopped,
            }),
            result = work => result,
        };
        drop(done);
        match renewing.await {
            Ok(Ok(())) => Ok(result),
            Ok(Err(lost)) => Err(lost),
            Err(_) => Err(LeaseLost::Stopped),
        }
    }

    /// Renews until `until` is dropped, then releases.
    async fn renew(mut self, mut until: oneshot::Receiver<()>) -> Result<(), LeaseLost> {
        let Self { election, renewed } = &mut self;
        let settings = election.settings;
        let mut pause = Duration::ZERO;
        loop {
            let now = clock::monotonic();
            let decision = match &election.seen {
                Some(seen) => {
                    decide_lease(now, seen, Some(*renewed), &election.identity, &settings)
                }
                None => LeaseDecision::Lost,
            };
            let wait = match decision {
                LeaseDecision::Wait(wait) => wait,
                LeaseDecision::Renew | LeaseDecision::Create | LeaseDecision::TakeOver => pause,
                LeaseDecision::Lost => {
                    let age = now.saturating_sub(*renewed);
                    return Err(if age < settings.renew_deadline {
                        LeaseLost::Taken
                    } else {
                        LeaseLost::NotRenewed(age)
                    });
                }
            };
            // never beyond the deadline
            let left = (*renewed + settings.renew_deadline).saturating_sub(now);
            tokio::select! {
                () = sleep(wait.min(left)) => {}
                _ = &mut until => {
                    election.let_go().await;
                    return Ok(());
                }
            }
            if matches!(decision, LeaseDecision::Wait(_)) {
                continue;
            }
            pause = Duration::ZERO;
            match timeout(
                (*renewed + settings.renew_deadline).saturating_sub(clock::monotonic()),
                election.write(),
            )
            .await
            {
                Ok(Written::Ours(begun)) => *renewed = begun,
                Ok(Written::Refused) | Err(_) => {}
                Ok(Written::Unclear(why)) => {
                    tracing::warn!(
                        lease = election.name,
                        why,
                        "the Lease could not be renewed; trying again"
                    );
                    pause = settings.retry;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "election_tests.rs"]
mod tests;

//! How many runs are at work on each database server, and who is in line for one. Counted from what the resources
//! journal; what this process has written counts before the cache shows it. The line is forgotten with the process:
//! then those that wait come in any order.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use super::PackedResource;
use crate::api::DatabaseMigration;
use crate::decide::{ServerFacts, turns};

/// A namespace whose watch does not come up must not hold the others for ever.
const OTHER_SCOPES: Duration = Duration::from_secs(10);

/// A resource, wherever it is.
pub type Who = ObjectRef<PackedResource>;

/// The turns on each server, and the lines in front of them. Without a limit nothing is counted.
pub struct Servers {
    limit: Option<NonZeroU32>,
    counts: Mutex<Counts>,
    /// How many scopes have yet to tell what their cache holds.
    untold: watch::Sender<usize>,
}

#[derive(Default)]
struct Counts {
    /// Of resources that have one: their turns, by server.
    turns: HashMap<Who, BTreeMap<String, u32>>,
    /// Who waits for which server, the first first.
    lines: HashMap<String, VecDeque<Who>>,
}

impl Servers {
    /// At most `limit` runs on a server; `scopes` caches tell what is at work already.
    pub fn new(limit: Option<NonZeroU32>, scopes: usize) -> Self {
        Servers {
            limit,
            counts: Mutex::default(),
            untold: watch::Sender::new(scopes),
        }
    }

    /// Whether there is a limit.
    pub fn limited(&self) -> bool {
        self.limit.is_some()
    }

    /// A scope's cache is filled, and this is what it holds.
    pub fn told(&self, all: impl Iterator<Item = (Who, BTreeMap<String, u32>)>) {
        let mut counts = self.counts();
        for (who, turns) in all {
            counts.set(who, turns);
        }
        self.untold
            .send_modify(|untold| *untold = untold.saturating_sub(1));
    }

    /// Waits until all scopes have told what they hold, or for some seconds.
    pub async fn all_told(&self) {
        let mut untold = self.untold.subscribe();
        let told = untold.wait_for(|untold| *untold == 0);
        if tokio::time::timeout(OTHER_SCOPES, told).await.is_err() {
            tracing::warn!(
                "runs are counted without the namespaces that cannot be watched: maxRunsPerServer may be exceeded"
            );
            self.untold.send_replace(0);
        }
    }

    /// What a resource journals by now.
    pub fn note(&self, object: &DatabaseMigration) {
        if self.limited() {
            let status = object.status.as_ref();
            let turns = status.map(turns).unwrap_or_default();
            self.counts().set(who(object), turns);
        }
    }

    /// What else is at work on these servers, as a resource sees it.
    pub fn facts<'a>(
        &self,
        object: &DatabaseMigration,
        servers: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, ServerFacts> {
        let Some(limit) = self.limit else {
            return BTreeMap::new();
        };
        let (me, counts) = (who(object), self.counts());
        servers
            .map(|server| {
                let facts = ServerFacts {
                    limit: limit.get(),
                    at_work: counts.others(&me, server),
                    ahead: counts.ahead(&me, server),
                };
                (server.to_owned(), facts)
            })
            .collect()
    }

    /// Takes the turns that are about to be journaled, so that nobody else counts on the same room. `false`: there is
    /// none any more, and nothing was taken. Only what `starts` a migration is refused.
    pub fn claim(
        &self,
        object: &DatabaseMigration,
        wanted: BTreeMap<String, u32>,
        starts: bool,
    ) -> bool {
        let Some(limit) = self.limit else { return true };
        let (me, mut counts) = (who(object), self.counts());
        let before = counts.turns.get(&me).cloned().unwrap_or_default();
        let mut more = wanted
            .iter()
            .filter(|(server, count)| before.get(*server).unwrap_or(&0) < *count);
        let full = more.any(|(server, count)| counts.others(&me, server) + count > limit.get());
        if starts && full {
            return false;
        }
        for server in wanted.keys() {
            if let Some(line) = counts.lines.get_mut(server) {
                line.retain(|waiting| *waiting != me);
            }
        }
        counts.set(me, wanted);
        true
    }

    /// A resource was worked on and waits for these servers, for none of them where that failed. Answers who may go on
    /// now: as many of those in line as there is room for.
    pub fn settle(&self, me: &Who, in_line: &BTreeSet<String>) -> Vec<Who> {
        let Some(limit) = self.limit else {
            return Vec::new();
        };
        let mut counts = self.counts();
        for (server, line) in &mut counts.lines {
            if !in_line.contains(server) {
                line.retain(|waiting| waiting != me);
            }
        }
        for server in in_line {
            let line = counts.lines.entry(server.clone()).or_default();
            if !line.contains(me) {
                line.push_back(me.clone());
            }
        }
        counts.lines.retain(|_, line| !line.is_empty());
        let mut next = Vec::new();
        for (server, line) in &counts.lines {
            let room = limit.get().saturating_sub(counts.at_work(server)) as usize;
            next.extend(line.iter().take(room).filter(|who| *who != me).cloned());
        }
        next
    }

    /// A resource is gone. Answers who may go on now.
    pub fn gone(&self, me: &Who) -> Vec<Who> {
        self.counts().turns.remove(me);
        self.settle(me, &BTreeSet::new())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn set(&mut self, who: Who, turns: BTreeMap<String, u32>) {
        if turns.is_empty() {
            self.turns.remove(&who);
        } else {
            self.turns.insert(who, turns);
        }
    }

    fn at_work(&self, server: &str) -> u32 {
        let on_it = self.turns.values().filter_map(|turns| turns.get(server));
        on_it.sum()
    }

    fn others(&self, me: &Who, server: &str) -> u32 {
        let mine = self.turns.get(me).and_then(|turns| turns.get(server));
        self.at_work(server) - mine.unwrap_or(&0)
    }

    /// Who is not in line comes after all who are.
    fn ahead(&self, me: &Who, server: &str) -> u32 {
        let Some(line) = self.lines.get(server) else {
            return 0;
        };
        let place = line.iter().position(|waiting| waiting == me);
        u32::try_from(place.unwrap_or(line.len())).unwrap_or(u32::MAX)
    }
}

/// A resource by its names alone, so that every version of it is the same.
pub fn who(object: &impl Resource) -> Who {
    let meta = object.meta();
    ObjectRef::new(meta.name.as_deref().unwrap_or_default())
        .within(meta.namespace.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::api::{DatabaseMigrationStatus, DatabaseStatus};

    const NONE: [&str; 0] = [];

    fn servers(limit: u32) -> Servers {
        Servers::new(NonZeroU32::new(limit), 1)
    }

    /// A resource with one turn on each of these servers.
    fn object(name: &str, at_work_on: &[&str]) -> DatabaseMigration {
        let spec = serde_json::json!({"image": "i", "databases": []});
        let mut object = DatabaseMigration::new(name, serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("shop".to_owned());
        let databases = at_work_on.iter().map(|server| DatabaseStatus {
            server: (*server).to_owned(),
            lease: "dbm-x".to_owned(),
            ..DatabaseStatus::default()
        });
        object.status = Some(DatabaseMigrationStatus {
            databases: databases.collect(),
            ..DatabaseMigrationStatus::default()
        });
        object
    }

    fn seen(servers: &Servers, name: &str) -> ServerFacts {
        let facts = servers.facts(&object(name, &NONE), ["s"].into_iter());
        facts["s"]
    }

    fn one() -> BTreeMap<String, u32> {
        BTreeMap::from([("s".to_owned(), 1)])
    }

    fn wait(servers: &Servers, name: &str) -> Vec<String> {
        let called = servers.settle(
            &who(&object(name, &NONE)),
            &BTreeSet::from(["s".to_owned()]),
        );
        called.into_iter().map(|who| who.name).collect()
    }

    fn done(servers: &Servers, name: &str) -> Vec<String> {
        servers.note(&object(name, &NONE));
        let called = servers.settle(&who(&object(name, &NONE)), &BTreeSet::new());
        called.into_iter().map(|who| who.name).collect()
    }

    #[test]
    fn without_a_limit_nothing_is_counted_and_nobody_waits() {
        let servers = servers(0);
        servers.note(&object("a", &["s"]));
        assert!(
            servers
                .facts(&object("b", &NONE), ["s"].into_iter())
                .is_empty()
        );
        assert!(servers.claim(&object("b", &NONE), one(), true));
    }

    #[test]
    fn a_claim_counts_before_it_is_journaled_and_once() {
        let servers = servers(2);
        assert!(servers.claim(&object("a", &NONE), one(), true));
        assert!(servers.claim(&object("a", &NONE), one(), true));
        servers.note(&object("a", &["s"]));
        assert_eq!(seen(&servers, "b").at_work, 1);
        assert_eq!(seen(&servers, "a").at_work, 0);
        assert!(servers.claim(&object("b", &NONE), one(), true));
        assert!(!servers.claim(&object("c", &NONE), one(), true));
        // A human's decision waits for nobody.
        assert!(servers.claim(&object("c", &NONE), one(), false));
        assert_eq!(seen(&servers, "d").at_work, 3);
    }

    #[test]
    fn what_ends_lets_in_as_many_as_there_is_room_for_in_their_order() {
        let servers = servers(2);
        for name in ["a", "b"] {
            servers.note(&object(name, &["s"]));
        }
        for name in ["c", "d", "e"] {
            assert_eq!(wait(&servers, name), NONE);
        }
        assert_eq!(
            (seen(&servers, "d").ahead, seen(&servers, "new").ahead),
            (1, 3)
        );
        assert_eq!(done(&servers, "a"), ["c"]);
        assert_eq!(done(&servers, "b"), ["c", "d"]);
        assert!(servers.claim(&object("c", &NONE), one(), true));
        assert_eq!(
            (seen(&servers, "d").ahead, seen(&servers, "d").at_work),
            (0, 1)
        );
    }

    #[test]
    fn who_does_not_take_its_turn_holds_up_nobody() {
        let servers = servers(1);
        servers.note(&object("a", &["s"]));
        wait(&servers, "b");
        wait(&servers, "c");
        assert_eq!(done(&servers, "a"), ["b"]);
        // Suspended meanwhile, or not to be read, or its writes fail.
        assert_eq!(done(&servers, "b"), ["c"]);
        let called = servers.gone(&who(&object("c", &NONE)));
        assert!(called.is_empty());
        assert_eq!(
            seen(&servers, "d"),
            ServerFacts {
                limit: 1,
                at_work: 0,
                ahead: 0
            }
        );
    }

    #[test]
    fn other_servers_are_other_lines() {
        let servers = servers(1);
        servers.note(&object("a", &["s"]));
        wait(&servers, "b");
        let facts = servers.facts(&object("c", &NONE), ["t"].into_iter());
        assert_eq!(
            facts["t"],
            ServerFacts {
                limit: 1,
                at_work: 0,
                ahead: 0
            }
        );
    }

    #[tokio::test]
    async fn what_is_at_work_already_is_counted_before_anything_starts() {
        let servers = servers(1);
        servers.told([(who(&object("a", &NONE)), one())].into_iter());
        servers.all_told().await;
        assert!(!servers.claim(&object("b", &NONE), one(), true));
    }
}

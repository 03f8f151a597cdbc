//! What is kept of watched objects: as little as is needed, found by the resource that they belong to without looking
//! through those of all others.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;
use tokio::sync::watch;

/// What is kept of an object of some kind.
pub trait Kept: Sized {
    /// The kind.
    type Object;

    /// Where it belongs.
    fn place(object: &Self::Object) -> Option<Place>;

    /// What is worth keeping; nothing of an object that is not looked at any more.
    fn keep(object: &Self::Object) -> Option<Self>;
}

/// Where an object belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its namespace.
    pub namespace: String,
    /// The resource that it belongs to.
    pub resource: String,
    /// Its own name.
    pub name: String,
}

type Objects<K> = Vec<(Box<str>, Arc<K>)>;
type ByNamespace<K> = HashMap<Box<str>, HashMap<Box<str>, Objects<K>>>;

/// The objects of one kind in one scope, as the watch has shown them.
pub struct Cache<K> {
    shown: RwLock<ByNamespace<K>>,
    /// A list that is being read; it takes the other's place when it is whole.
    listed: RwLock<ByNamespace<K>>,
    filled: watch::Sender<bool>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Cache {
            shown: RwLock::default(),
            listed: RwLock::default(),
            filled: watch::Sender::new(false),
        }
    }
}

impl<K: Kept> Cache<K> {
    /// The watch tells something.
    pub fn hear(&self, event: &Event<K::Object>) {
        match event {
            Event::Init => write(&self.listed).clear(),
            Event::InitApply(object) => apply(&mut write(&self.listed), object),
            Event::InitDone => {
                let whole = std::mem::take(&mut *write(&self.listed));
                *write(&self.shown) = whole;
                self.filled.send_replace(true);
            }
            Event::Apply(object) => apply(&mut write(&self.shown), object),
            Event::Delete(object) => {
                if let Some(place) = K::place(object) {
                    remove(&mut write(&self.shown), &place);
                }
            }
        }
    }

    /// Waits until it holds what there is.
    pub async fn filled(&self) {
        // The sender lives as long as `self`, so this ends by the value only.
        let _ = self.filled.subscribe().wait_for(|filled| *filled).await;
    }

    /// What belongs to a resource, in no order.
    pub fn of(&self, namespace: &str, resource: &str) -> Vec<Arc<K>> {
        let shown = read(&self.shown);
        let objects = shown.get(namespace).and_then(|all| all.get(resource));
        objects
            .into_iter()
            .flatten()
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// One of them, by its own name.
    pub fn get(&self, namespace: &str, resource: &str, name: &str) -> Option<Arc<K>> {
        let shown = read(&self.shown);
        let objects = shown.get(namespace)?.get(resource)?;
        let found = objects.iter().find(|(known, _)| **known == *name)?;
        Some(found.1.clone())
    }
}

fn apply<K: Kept>(all: &mut ByNamespace<K>, object: &K::Object) {
    let Some(place) = K::place(object) else {
        return;
    };
    let Some(kept) = K::keep(object).map(Arc::new) else {
        return remove(all, &place);
    };
    let objects = all
        .entry(place.namespace.into())
        .or_default()
        .entry(place.resource.into())
        .or_default();
    match objects.iter_mut().find(|(name, _)| **name == *place.name) {
        Some((_, old)) => *old = kept,
        None => {
            // Most resources have one or two.
            objects.reserve_exact(1);
            objects.push((place.name.into(), kept));
        }
    }
}

fn remove<K>(all: &mut ByNamespace<K>, place: &Place) {
    let Some(namespace) = all.get_mut(place.namespace.as_str()) else {
        return;
    };
    let Some(objects) = namespace.get_mut(place.resource.as_str()) else {
        return;
    };
    objects.retain(|(name, _)| **name != *place.name);
    if objects.is_empty() {
        namespace.remove(place.resource.as_str());
    }
    if namespace.is_empty() {
        all.remove(place.namespace.as_str());
    }
}

/// Plain data that no panic leaves half-written: a poisoned lock is as good as a sound one.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `namespace/resource/name`, and a value that is not worth keeping where it is 0.
    type Thing = (&'static str, u32);

    impl Kept for u32 {
        type Object = Thing;

        fn place((path, _): &Thing) -> Option<Place> {
            let mut parts = path.split('/').map(str::to_owned);
            Some(Place {
                namespace: parts.next()?,
                resource: parts.next()?,
                name: parts.next()?,
            })
        }

        fn keep((_, value): &Thing) -> Option<u32> {
            (*value > 0).then_some(*value)
        }
    }

    fn of(cache: &Cache<u32>, namespace: &str, resource: &str) -> Vec<u32> {
        let mut found: Vec<u32> = cache.of(namespace, resource).iter().map(|v| **v).collect();
        found.sort_unstable();
        found
    }

    fn filled(things: &[Thing]) -> Cache<u32> {
        let cache = Cache::default();
        cache.hear(&Event::Init);
        for thing in things {
            cache.hear(&Event::InitApply(*thing));
        }
        cache.hear(&Event::InitDone);
        cache
    }

    #[test]
    fn objects_are_found_by_their_resource_and_by_their_name() {
        let cache = filled(&[
            ("a/shop/x", 1),
            ("a/shop/y", 2),
            ("a/other/x", 3),
            ("b/shop/x", 4),
        ]);
        assert_eq!(of(&cache, "a", "shop"), [1, 2]);
        assert_eq!(of(&cache, "b", "shop"), [4]);
        assert_eq!(of(&cache, "b", "other"), [0; 0]);
        assert_eq!(cache.get("a", "other", "x").as_deref(), Some(&3));
        assert_eq!(cache.get("a", "other", "y"), None);
    }

    #[test]
    fn what_changes_goes_or_is_not_worth_keeping_is_followed() {
        let cache = filled(&[("a/shop/x", 1), ("a/shop/y", 2)]);
        cache.hear(&Event::Apply(("a/shop/x", 5)));
        cache.hear(&Event::Apply(("a/shop/z", 6)));
        assert_eq!(of(&cache, "a", "shop"), [2, 5, 6]);
        cache.hear(&Event::Apply(("a/shop/x", 0)));
        cache.hear(&Event::Delete(("a/shop/y", 2)));
        assert_eq!(of(&cache, "a", "shop"), [6]);
        cache.hear(&Event::Delete(("a/shop/z", 6)));
        assert!(read(&cache.shown).is_empty());
    }

    #[tokio::test]
    async fn a_list_takes_the_place_of_what_was_known_when_it_is_whole() {
        let cache = filled(&[("a/shop/x", 1)]);
        cache.hear(&Event::Init);
        cache.hear(&Event::InitApply(("a/shop/y", 2)));
        assert_eq!(of(&cache, "a", "shop"), [1]);
        cache.hear(&Event::InitDone);
        assert_eq!(of(&cache, "a", "shop"), [2]);
        cache.filled().await;
    }

    #[tokio::test]
    async fn it_is_waited_for_until_the_first_list_is_whole() {
        let cache: Cache<u32> = Cache::default();
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), cache.filled());
        assert!(early.await.is_err());
        let waiting = cache.filled();
        cache.hear(&Event::Init);
        cache.hear(&Event::InitDone);
        waiting.await;
    }
}

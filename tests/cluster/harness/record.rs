//! Everything that a watch has shown, so that nothing is missed between two looks.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// One version of an object.
#[derive(Clone, Debug)]
pub struct Seen<K> {
    pub object: K,
    pub deleted: bool,
}

/// A watch and all that it has shown.
pub struct Recorder<K> {
    seen: Arc<Mutex<Vec<Seen<K>>>>,
    news: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<()>,
}

impl<K> Drop for Recorder<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<K> Recorder<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Default,
{
    pub fn start(api: Api<K>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, news) = watch::channel(0);
        let store = seen.clone();
        let task = tokio::spawn(async move {
            let mut stream = watcher(api, watcher::Config::default())
                .default_backoff()
                .boxed();
            while let Some(event) = stream.next().await {
                let (object, deleted) = match event {
                    Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                        (object, false)
                    }
                    Ok(watcher::Event::Delete(object)) => (object, true),
                    Ok(watcher::Event::Init | watcher::Event::InitDone) | Err(_) => continue,
                };
                store.lock().unwrap().push(Seen { object, deleted });
                sender.send_modify(|count| *count += 1);
            }
        });
        Recorder { seen, news, task }
    }

    pub fn all(&self) -> Vec<Seen<K>> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until all that was seen answers; `None` after `limit`.
    pub async fn until<T>(
        &self,
        limit: Duration,
        mut answer: impl FnMut(&[Seen<K>]) -> Option<T>,
    ) -> Option<T> {
        let mut news = self.news.clone();
        tokio::time::timeout(limit, async {
            loop {
                news.borrow_and_update();
                if let Some(found) = answer(&self.seen.lock().unwrap()) {
                    return found;
                }
                news.changed().await.expect("the watch goes on");
            }
        })
        .await
        .ok()
    }
}

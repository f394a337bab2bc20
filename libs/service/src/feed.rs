//! One look for many watchers: whoever watches the same thing is told of what one task sees, so that
//! a crowd of watchers costs no more reads than one of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use crate::Problem;

/// What a feed looks at, and when it is worth looking again.
#[tonic::async_trait]
pub trait Look: Send + 'static {
    type Seen: Clone + PartialEq + Send + Sync + 'static;

    /// What there is to see now.
    async fn look(&mut self) -> Result<Self::Seen, Problem>;

    /// Waits until there may be something else; false when there never will be.
    async fn wait(&mut self) -> bool;
}

/// What was last seen; nothing before the first look, a cause when looking failed.
type Told<T> = Option<Result<T, String>>;

/// Feeds by what they are about. They start with their first watcher and end with their last.
pub struct Feeds<T> {
    // Locked for the length of a look-up.
    running: Arc<Mutex<HashMap<String, watch::Sender<Told<T>>>>>,
}

impl<T> Default for Feeds<T> {
    fn default() -> Self {
        Self {
            running: Arc::default(),
        }
    }
}

impl<T> Feeds<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    /// What is seen now and whenever that changes. If looking fails, the watcher is told once and the
    /// stream ends; the next watcher begins anew.
    pub fn watch<L>(
        &self,
        key: &str,
        start: impl FnOnce() -> L,
    ) -> BoxStream<'static, Result<T, Problem>>
    where
        L: Look<Seen = T>,
    {
        let mut told = self.subscribe(key, start);
        told.mark_changed();
        let seen = stream::unfold(Some(told), |told| async move {
            let mut told = told?;
            loop {
                if told.changed().await.is_err() {
                    return None;
                }
                let seen = told.borrow_and_update().clone();
                match seen {
                    None => {}
                    Some(Ok(seen)) => return Some((Ok(seen), Some(told))),
                    Some(Err(cause)) => return Some((Err(Problem::Unavailable(cause)), None)),
                }
            }
        });
        seen.boxed()
    }

    /// What is watched now.
    pub fn watched(&self) -> Vec<String> {
        let running = lock(&self.running);
        let watched = running
            .iter()
            .filter(|(_, sender)| sender.receiver_count() > 0);
        watched.map(|(key, _)| key.clone()).collect()
    }

    fn subscribe<L>(&self, key: &str, start: impl FnOnce() -> L) -> watch::Receiver<Told<T>>
    where
        L: Look<Seen = T>,
    {
        let mut running = lock(&self.running);
        if let Some(sender) = running.get(key) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(None);
        running.insert(key.to_owned(), sender.clone());
        let feed = Feed {
            key: key.to_owned(),
            running: self.running.clone(),
            sender,
        };
        tokio::spawn(feed.run(start()));
        receiver
    }
}

type Running<T> = HashMap<String, watch::Sender<Told<T>>>;

fn lock<T>(running: &Mutex<Running<T>>) -> MutexGuard<'_, Running<T>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Feed<T> {
    key: String,
    running: Arc<Mutex<Running<T>>>,
    sender: watch::Sender<Told<T>>,
}

impl<T> Feed<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    async fn run<L: Look<Seen = T>>(self, mut look: L) {
        loop {
            match look.look().await {
                Ok(seen) => {
                    self.sender.send_if_modified(|told| {
                        let new = !matches!(told, Some(Ok(before)) if *before == seen);
                        if new {
                            *told = Some(Ok(seen));
                        }
                        new
                    });
                }
                Err(problem) => {
                    // Nobody may join a feed that ends: first out of the list, then told.
                    lock(&self.running).remove(&self.key);
                    self.sender.send_replace(Some(Err(format!("{problem:?}"))));
                    return;
                }
            }
            let again = tokio::select! {
                again = look.wait() => again,
                () = self.sender.closed() => true,
            };
            if !again {
                lock(&self.running).remove(&self.key);
                return;
            }
            let mut running = lock(&self.running);
            if self.sender.receiver_count() == 0 {
                running.remove(&self.key);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counting {
        source: watch::Receiver<Result<u32, &'static str>>,
        looks: Arc<AtomicUsize>,
    }

    #[tonic::async_trait]
    impl Look for Counting {
        type Seen = u32;

        async fn look(&mut self) -> Result<u32, Problem> {
            self.looks.fetch_add(1, Ordering::SeqCst);
            let seen = *self.source.borrow_and_update();
            seen.map_err(|cause| Problem::Unavailable(cause.to_owned()))
        }

        async fn wait(&mut self) -> bool {
            self.source.changed().await.is_ok()
        }
    }

    #[tokio::test]
    async fn many_watchers_make_one_look() {
        let (source, receiver) = watch::channel(Ok(1));
        let looks = Arc::new(AtomicUsize::new(0));
        let feeds = Feeds::default();
        let start = || Counting {
            source: receiver.clone(),
            looks: looks.clone(),
        };
        let mut watchers: Vec<_> = (0..100).map(|_| feeds.watch("a", start)).collect();
        for round in 1..4 {
            source.send(Ok(round)).unwrap();
            for watcher in &mut watchers {
                let seen = watcher.next().await.unwrap().unwrap();
                assert_eq!(seen, round);
            }
        }
        // One look for each change, and perhaps one that saw the first value before it changed.
        assert!(looks.load(Ordering::SeqCst) <= 4);
        let mut late = feeds.watch("a", start);
        assert_eq!(late.next().await.unwrap().unwrap(), 3);
        // The same again is no news, and the feed ends with its last watcher.
        drop(late);
        watchers.clear();
        while !lock(&feeds.running).is_empty() {
            tokio::task::yield_now().await;
        }
        let mut anew = feeds.watch("a", start);
        assert_eq!(anew.next().await.unwrap().unwrap(), 3);
    }

    #[tokio::test]
    async fn a_feed_that_fails_says_so_and_begins_anew() {
        let (source, receiver) = watch::channel(Ok(1));
        let feeds = Feeds::default();
        let start = || Counting {
            source: receiver.clone(),
            looks: Arc::default(),
        };
        let mut watcher = feeds.watch("a", start);
        assert_eq!(watcher.next().await.unwrap().unwrap(), 1);
        source.send(Err("away")).unwrap();
        assert!(matches!(
            watcher.next().await,
            Some(Err(Problem::Unavailable(_)))
        ));
        assert!(watcher.next().await.is_none());
        source.send(Ok(2)).unwrap();
        let mut watcher = feeds.watch("a", start);
        assert_eq!(watcher.next().await.unwrap().unwrap(), 2);
        drop(source);
        assert!(watcher.next().await.is_none());
    }
}

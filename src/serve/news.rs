//! Those who wait for a change: all of them hear of it at once, from the committer, and nobody asks
//! again and again.

use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::wire::fault::HttpRefusal;

/// What is new.
pub struct News {
    newest: watch::Sender<u64>,
    places: Semaphore,
    most_waiting: usize,
}

impl News {
    /// News since an entry, for so many who wait at once.
    pub fn since(sequence: u64, most_waiting: usize) -> Self {
        let most_waiting = most_waiting.min(Semaphore::MAX_PERMITS);
        Self {
            newest: watch::Sender::new(sequence),
            places: Semaphore::new(most_waiting),
            most_waiting,
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.most_waiting - self.places.available_permits()
    }

    /// Tells that the register has come to an entry.
    pub fn tell(&self, sequence: u64) {
        self.newest.send_if_modified(|newest| {
            let is_newer = *newest < sequence;
            *newest = sequence.max(*newest);
            is_newer
        });
    }

    /// Lets everybody go, and nobody wait any more: the node is going down.
    pub fn end(&self) {
        self.tell(u64::MAX);
    }

    /// Waits until the register is beyond an entry, but not longer than so many seconds.
    pub async fn wait(&self, sequence: u64, seconds: u64) -> Result<(), HttpRefusal> {
        let mut newest = self.newest.subscribe();
        if seconds == 0 || *newest.borrow() > sequence {
            return Ok(());
        }
        let place = self.places.try_acquire();
        let _place = place.map_err(|_| HttpRefusal::TooManyFollowers)?;
        let beyond = newest.wait_for(|newest| *newest > sequence);
        // Whether there is anything new, the answer tells.
        let _ = tokio::time::timeout(Duration::from_secs(seconds), beyond).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(work)
    }

    #[test]
    fn who_waits_hears_of_what_is_newer_and_of_the_end() {
        block_on(async {
            let news = Arc::new(News::since(7, 2));
            let waiter = |sequence| {
                let news = Arc::clone(&news);
                tokio::spawn(async move { news.wait(sequence, 60).await })
            };
            assert_eq!(news.wait(6, 60).await, Ok(()), "at once");
            let (first, second) = (waiter(7), waiter(8));
            tokio::task::yield_now().await;
            assert_eq!(news.wait(7, 60).await, Err(HttpRefusal::TooManyFollowers));
            assert_eq!(
                news.wait(7, 0).await,
                Ok(()),
                "who does not wait needs no place"
            );
            news.tell(7);
            news.tell(8);
            assert_eq!(first.await.unwrap(), Ok(()));
            assert!(!second.is_finished());
            news.end();
            assert_eq!(second.await.unwrap(), Ok(()));
            assert_eq!(news.wait(1_000, 60).await, Ok(()), "nobody waits any more");
        });
    }

    #[test]
    fn who_waits_in_vain_is_let_go() {
        block_on(async {
            let news = News::since(7, 1);
            assert_eq!(news.wait(7, 1).await, Ok(()));
            assert_eq!(news.wait(7, 1).await, Ok(()), "and gives the place back");
        });
    }
}

//! Wide searches: work that may take longer than a moment runs on threads of its own, so many at
//! once and so many waiting, whichever thread the requests came in on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::Gauge;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::wire::fault::{HttpRefusal, Trouble};

/// The pool.
pub struct Wide {
    turns: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    most_waiting: usize,
    running_gauge: Gauge,
    waiting_gauge: Gauge,
}

/// A place in the queue, given back when dropped: also when the caller hangs up.
struct Waiting<'w>(&'w Wide);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.waiting_gauge.decrement(1.0);
    }
}

/// Work going on, over when dropped: also when it panics.
struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl Wide {
    /// A pool for `at_once` works, 0 for one per core, while `most_waiting` wait.
    pub fn new(at_once: usize, most_waiting: usize, running: Gauge, waiting: Gauge) -> Self {
        let at_once = match at_once {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            at_once => at_once.min(Semaphore::MAX_PERMITS),
        };
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::default(),
            most_waiting,
            running_gauge: running,
            waiting_gauge: waiting,
        }
    }

    /// Runs `work` when its turn comes. Work that was begun ends, whether anybody waits for it or
    /// not, and keeps its place until then.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let turn = if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            turn
        } else {
            let _waiting = self.wait()?;
            let turn = Arc::clone(&self.turns).acquire_owned().await;
            turn.map_err(|_| Trouble::Failed)?
        };
        self.running_gauge.increment(1.0);
        let running = Running(self.running_gauge.clone());
        let done = spawn_blocking(move || {
            let _held = (turn, running);
            work()
        });
        done.await.map_err(|_| Trouble::Failed)
    }

    fn wait(&self) -> Result<Waiting<'_>, Trouble> {
        let room = |waiting: usize| (waiting < self.most_waiting).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, room)
            .map_err(|_| HttpRefusal::Busy)?;
        self.waiting_gauge.increment(1.0);
        Ok(Waiting(self))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn pool(at_once: usize, most_waiting: usize) -> Arc<Wide> {
        let (running, waiting) = (Gauge::noop(), Gauge::noop());
        Arc::new(Wide::new(at_once, most_waiting, running, waiting))
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    #[test]
    fn one_runs_one_waits_and_the_third_is_sent_away() {
        block_on(async {
            let pool = pool(1, 1);
            let (go, wait) = channel::<()>();
            let first = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(move || wait.recv().is_ok()).await })
            };
            tokio::task::yield_now().await;
            let second = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(|| 2).await })
            };
            tokio::task::yield_now().await;
            assert_eq!(pool.run(|| 3).await, Err(HttpRefusal::Busy.into()));
            go.send(()).unwrap();
            assert_eq!(first.await.unwrap(), Ok(true));
            assert_eq!(second.await.unwrap(), Ok(2));
            assert_eq!(pool.run(|| 4).await, Ok(4), "and there is room again");
        });
    }

    #[test]
    fn who_hangs_up_leaves_the_queue() {
        block_on(async {
            let pool = pool(1, 1);
            let (go, wait) = channel::<()>();
            let first = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(move || wait.recv().is_ok()).await })
            };
            tokio::task::yield_now().await;
            let second = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(|| 2).await })
            };
            tokio::task::yield_now().await;
            second.abort();
            assert!(second.await.is_err());
            let third = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(|| 3).await })
            };
            tokio::task::yield_now().await;
            go.send(()).unwrap();
            assert_eq!(first.await.unwrap(), Ok(true));
            assert_eq!(third.await.unwrap(), Ok(3));
        });
    }

    #[test]
    fn work_that_fails_gives_its_turn_back() {
        block_on(async {
            let pool = pool(1, 0);
            let failed = pool.run(|| assert!(pool_is_broken(), "as it should")).await;
            assert_eq!(failed, Err(Trouble::Failed));
            assert_eq!(pool.run(|| 1).await, Ok(1));
        });
    }

    fn pool_is_broken() -> bool {
        std::hint::black_box(false)
    }
}

//! Wide searches: work that may take longer than a moment runs on threads of its own, so many at
//! once and so many waiting, whichever thread the requests came in on. Places are shared: a consumer
//! never has all of them, nor of the queue more than its part, and the queue lets consumers in by
//! turns, however many calls each has waiting.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use metrics::Gauge;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::access::hsa::HsaId;
use crate::base::limits;
use crate::wire::fault::{HttpRefusal, Trouble};

/// Whose work it is; `None` where everybody counts as one, who then has all places.
pub type Whose = Option<HsaId>;

/// The pool.
pub struct Wide(Arc<Pool>);

struct Pool {
    places: usize,
    most_waiting: usize,
    queue: Mutex<Queue>,
    running_gauge: Gauge,
    waiting_gauge: Gauge,
}

/// Who runs, and who waits.
#[derive(Default)]
struct Queue {
    running: usize,
    waiting: usize,
    lines: HashMap<Whose, Line>,
    /// Those whose lines have somebody waiting, in the order of their turns.
    turns: VecDeque<Whose>,
    /// The number of the next one who waits.
    next: u64,
}

/// One consumer's part of it.
#[derive(Default)]
struct Line {
    running: usize,
    waiting: VecDeque<(u64, oneshot::Sender<Turn>)>,
}

/// A place at work, given on when dropped: also when the work panics.
struct Turn {
    pool: Arc<Pool>,
    whose: Whose,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pool.running_gauge.decrement(1.0);
        // Whoever has hung up meanwhile drops their turn, which goes on to the next.
        if let Some((next, turn)) = self.pool.end(&self.whose) {
            let _ = next.send(turn);
        }
    }
}

/// A place in the queue, given back when dropped: also when the caller hangs up.
struct Waiting<'p> {
    pool: &'p Pool,
    whose: Whose,
    number: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = self.pool.queue.lock();
        if let Some(line) = queue.lines.get_mut(&self.whose) {
            let before = line.waiting.len();
            line.waiting.retain(|(number, _)| *number != self.number);
            let left = before - line.waiting.len();
            queue.waiting -= left;
            queue.tidy(&self.whose);
        }
        drop(queue);
        self.pool.waiting_gauge.decrement(1.0);
    }
}

impl Queue {
    /// Forgets a line that has nobody.
    fn tidy(&mut self, whose: &Whose) {
        let Some(line) = self.lines.get(whose) else {
            return;
        };
        if line.waiting.is_empty() {
            self.turns.retain(|it| it != whose);
            if line.running == 0 {
                self.lines.remove(whose);
            }
        }
    }
}

impl Pool {
    /// How many places one consumer may have: all but one, where there are two.
    fn share(&self, whose: &Whose) -> usize {
        match whose {
            Some(_) => (self.places - 1).max(1),
            None => self.places,
        }
    }

    /// How many of one consumer may wait.
    fn share_of_waiting(&self, whose: &Whose) -> usize {
        match whose {
            Some(_) => self.most_waiting.div_ceil(limits::SHARES_OF_WAITING),
            None => self.most_waiting,
        }
    }

    /// A turn now, or the place in the queue of one that comes; refused when there is neither.
    fn enter(self: &Arc<Self>, whose: &Whose) -> Result<Entered<'_>, HttpRefusal> {
        let mut queue = self.queue.lock();
        let queue = &mut *queue;
        let line = queue.lines.entry(whose.clone()).or_default();
        if queue.running < self.places && line.running < self.share(whose) {
            queue.running += 1;
            line.running += 1;
            return Ok(Entered::Now(self.turn(whose)));
        }
        let is_full = queue.waiting >= self.most_waiting
            || line.waiting.len() >= self.share_of_waiting(whose);
        if is_full {
            queue.tidy(whose);
            return Err(HttpRefusal::Busy);
        }
        let (sender, receiver) = oneshot::channel();
        let number = queue.next;
        queue.next += 1;
        queue.waiting += 1;
        if line.waiting.is_empty() {
            queue.turns.push_back(whose.clone());
        }
        line.waiting.push_back((number, sender));
        self.waiting_gauge.increment(1.0);
        let waiting = Waiting {
            pool: self,
            whose: whose.clone(),
            number,
        };
        Ok(Entered::Later(waiting, receiver))
    }

    fn turn(self: &Arc<Self>, whose: &Whose) -> Turn {
        self.running_gauge.increment(1.0);
        Turn {
            pool: Arc::clone(self),
            whose: whose.clone(),
        }
    }

    /// Ends a turn, and finds who comes next: by turns, those whose share is used up passed over.
    fn end(self: &Arc<Self>, whose: &Whose) -> Option<(oneshot::Sender<Turn>, Turn)> {
        let mut queue = self.queue.lock();
        let queue = &mut *queue;
        queue.running -= 1;
        if let Some(line) = queue.lines.get_mut(whose) {
            line.running -= 1;
        }
        queue.tidy(whose);
        for _ in 0..queue.turns.len() {
            let next = queue.turns.pop_front()?;
            let line = queue.lines.get_mut(&next)?;
            let may = line.running < self.share(&next);
            let sender = may.then(|| line.waiting.pop_front()).flatten();
            if let Some((_, sender)) = sender {
                line.running += 1;
                let is_last = line.waiting.is_empty();
                queue.running += 1;
                queue.waiting -= 1;
                let turn = self.turn(&next);
                if !is_last {
                    queue.turns.push_back(next);
                }
                return Some((sender, turn));
            }
            queue.turns.push_back(next);
        }
        None
    }
}

/// How somebody came in.
enum Entered<'p> {
    /// To work at once.
    Now(Turn),
    /// Into the queue, and where their turn will come.
    Later(Waiting<'p>, oneshot::Receiver<Turn>),
}

impl Wide {
    /// A pool for `at_once` works, 0 for one per core, while `most_waiting` wait.
    pub fn new(at_once: usize, most_waiting: usize, running: Gauge, waiting: Gauge) -> Self {
        let places = match at_once {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            at_once => at_once,
        };
        Self(Arc::new(Pool {
            places,
            most_waiting,
            queue: Mutex::default(),
            running_gauge: running,
            waiting_gauge: waiting,
        }))
    }

    /// Runs `work` when its turn comes. Work that was begun ends, whether anybody waits for it or
    /// not, and keeps its place until then.
    pub async fn run<T: Send + 'static>(
        &self,
        whose: Whose,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let turn = match self.0.enter(&whose)? {
            Entered::Now(turn) => turn,
            Entered::Later(_waiting, comes) => comes.await.map_err(|_| Trouble::Failed)?,
        };
        let done = spawn_blocking(move || {
            let _held = turn;
            work()
        });
        done.await.map_err(|_| Trouble::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use tokio::task::JoinHandle;

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
                tokio::spawn(async move { pool.run(None, move || wait.recv().is_ok()).await })
            };
            tokio::task::yield_now().await;
            let second = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(None, || 2).await })
            };
            tokio::task::yield_now().await;
            assert_eq!(pool.run(None, || 3).await, Err(HttpRefusal::Busy.into()));
            go.send(()).unwrap();
            assert_eq!(first.await.unwrap(), Ok(true));
            assert_eq!(second.await.unwrap(), Ok(2));
            assert_eq!(pool.run(None, || 4).await, Ok(4), "and there is room again");
        });
    }

    #[test]
    fn who_hangs_up_leaves_the_queue() {
        block_on(async {
            let pool = pool(1, 1);
            let (go, wait) = channel::<()>();
            let first = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(None, move || wait.recv().is_ok()).await })
            };
            tokio::task::yield_now().await;
            let second = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(None, || 2).await })
            };
            tokio::task::yield_now().await;
            second.abort();
            assert!(second.await.is_err());
            let third = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(None, || 3).await })
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
            let failed = pool
                .run(None, || assert!(pool_is_broken(), "as it should"))
                .await;
            assert_eq!(failed, Err(Trouble::Failed));
            assert_eq!(pool.run(None, || 1).await, Ok(1));
        });
    }

    fn consumer(name: &str) -> Whose {
        HsaId::parse(name).ok()
    }

    type Call = JoinHandle<Result<bool, Trouble>>;

    /// As many calls of one consumer as wanted, which work until they are told to go on.
    fn crowd(pool: &Arc<Wide>, name: &'static str, calls: usize) -> (Vec<Sender<()>>, Vec<Call>) {
        let call = |_| {
            let (go, wait) = channel::<()>();
            let pool = Arc::clone(pool);
            let work = move || wait.recv().is_ok();
            let call = async move { pool.run(consumer(name), work).await };
            (go, tokio::spawn(call))
        };
        (0..calls).map(call).unzip()
    }

    #[test]
    fn eighty_callers_of_one_consumer_do_not_keep_another_out() {
        block_on(async {
            let pool = pool(2, 64);
            let (go, calls) = crowd(&pool, "SE1-CROWD", 80);
            tokio::task::yield_now().await;
            assert_eq!(pool.run(consumer("SE1-OTHER"), || 7).await, Ok(7));
            let (mut answered, mut sent_away) = (0, 0);
            for (go, call) in go.into_iter().zip(calls) {
                // Who was sent away is not waiting for it.
                let _ = go.send(());
                match call.await.unwrap() {
                    Ok(true) => answered += 1,
                    Err(Trouble::Http(HttpRefusal::Busy)) => sent_away += 1,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!((answered, sent_away), (1 + 16, 63));
            assert!(pool.0.queue.lock().lines.is_empty(), "nothing is left");
        });
    }

    #[test]
    fn with_one_place_consumers_come_by_turns() {
        block_on(async {
            let pool = pool(1, 64);
            let (go, calls) = crowd(&pool, "SE1-CROWD", 10);
            tokio::task::yield_now().await;
            let other = {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.run(consumer("SE1-OTHER"), || 7).await })
            };
            tokio::task::yield_now().await;
            // Behind the one at work and one that waited before, and not behind ten.
            for go in &go[..2] {
                go.send(()).unwrap();
            }
            assert_eq!(other.await.unwrap(), Ok(7));
            drop(go);
            for (at, call) in calls.into_iter().enumerate() {
                assert_eq!(call.await.unwrap(), Ok(at < 2));
            }
        });
    }

    fn pool_is_broken() -> bool {
        std::hint::black_box(false)
    }
}

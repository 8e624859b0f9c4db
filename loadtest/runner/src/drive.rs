//! One stream at work. A request is due by its schedule, waits for a free connection, and is counted
//! from when it was due: a service that stands still for a second has made everybody wait who would
//! have come in that second, whether or not they could be sent.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::Notify;

use crate::alarm::Alarm;
use crate::answer::{Failure, Verdict, judge};
use crate::ask::{Ask, Asked};
use crate::latency::Latencies;
use crate::line::{Line, Target};
use crate::scenario::Stream;
use crate::schedule::Schedule;
use crate::tally::{Over, Tally};

/// When a run begins and ends.
#[derive(Clone, Copy)]
pub struct Clock {
    /// The beginning of the warm-up.
    pub begin: Instant,
    /// The beginning of what is measured.
    pub zero: Instant,
    /// Its end: nothing is due any more.
    pub end: Instant,
    /// How long after the end is waited for what was due before it.
    pub drain: Duration,
}

impl Clock {
    /// Where in what is measured a moment is; `None` outside it.
    pub fn measured(&self, moment: Instant) -> Option<Duration> {
        (moment < self.end).then(|| moment.checked_duration_since(self.zero))?
    }
}

/// Connections of a stream that are free, and those whose request is due.
struct Pool {
    free: RefCell<VecDeque<usize>>,
    freed: Notify,
    spread: bool,
    seats: Vec<Seat>,
}

/// Where a connection waits for its next request.
#[derive(Default)]
struct Seat {
    due: Cell<Option<Instant>>,
    called: Notify,
    /// The step that is under way on it, and when that was due.
    busy: Cell<Option<(usize, Instant)>>,
}

impl Pool {
    fn new(connections: usize, spread: bool) -> Self {
        Self {
            free: RefCell::default(),
            freed: Notify::new(),
            spread,
            seats: (0..connections).map(|_| Seat::default()).collect(),
        }
    }

    /// A free connection: the one that has waited longest where requests are spread, else the one
    /// used last.
    fn take(&self) -> Option<usize> {
        let mut free = self.free.borrow_mut();
        if self.spread {
            free.pop_front()
        } else {
            free.pop_back()
        }
    }

    fn give_back(&self, seat: usize) {
        self.free.borrow_mut().push_back(seat);
        self.freed.notify_one();
    }

    fn call(&self, seat: usize, due: Instant) {
        if let Some(seat) = self.seats.get(seat) {
            seat.due.set(Some(due));
            seat.called.notify_one();
        }
    }
}

/// A stream that is driven.
pub struct Driven {
    pool: Pool,
    asker: RefCell<Box<dyn Ask>>,
    tallies: Vec<Rc<RefCell<Tally>>>,
    late: Rc<RefCell<Latencies>>,
    clock: Clock,
    closed: bool,
}

impl Driven {
    /// A stream with its asker, and a tally for each of its steps.
    pub fn new(
        stream: &Stream,
        asker: Box<dyn Ask>,
        tallies: Vec<Rc<RefCell<Tally>>>,
        late: &Rc<RefCell<Latencies>>,
        clock: Clock,
        closed: bool,
    ) -> Rc<Self> {
        Rc::new(Self {
            pool: Pool::new(stream.connections, stream.spread),
            asker: RefCell::new(asker),
            tallies,
            late: Rc::clone(late),
            clock,
            closed,
        })
    }

    /// Opens the stream's connections and puts somebody on each. Within a local set.
    pub fn open(self: &Rc<Self>, stream: &Stream, target: &Rc<Target>, seed: u64) {
        for seat in 0..stream.connections {
            let consumer = match stream.consumers.as_slice() {
                [] => None,
                all => all.get(seat % all.len()).map(String::as_str),
            };
            let line = Line::new(target, consumer);
            let chance = Rng::with_seed(seed.wrapping_add(seat as u64));
            tokio::task::spawn_local(Rc::clone(self).sit(seat, line, chance));
        }
    }

    /// Calls requests as they are due, until the run ends and what was due is answered.
    pub async fn follow(self: Rc<Self>, schedule: Schedule) -> std::io::Result<()> {
        let mut alarm = Alarm::new()?;
        let last = self.clock.end + self.clock.drain;
        let mut had_to_wait = false;
        for due in schedule {
            let due = self.clock.begin + due;
            if due > Instant::now() {
                alarm.until(due).await?;
            } else {
                // Behind: whoever else is ready goes first.
                tokio::task::yield_now().await;
            }
            if !had_to_wait && self.clock.measured(due).is_some() {
                self.late.borrow_mut().record(due.elapsed());
            }
            had_to_wait = false;
            let seat = loop {
                if let Some(seat) = self.pool.take() {
                    break Some(seat);
                }
                had_to_wait = true;
                let freed = tokio::time::timeout_at(last.into(), self.pool.freed.notified());
                if freed.await.is_err() {
                    break None;
                }
            };
            if let Some(seat) = seat {
                self.pool.call(seat, due);
            } else {
                let verdict = Verdict::Failed(Failure::Unsent);
                self.count(0, due, Instant::now(), verdict, (0, 0));
            }
        }
        self.quiet(last).await;
        Ok(())
    }

    /// Waits until every connection is free again; what is under way at last has had no answer.
    async fn quiet(&self, last: Instant) {
        let all = self.pool.seats.len();
        while self.pool.free.borrow().len() < all {
            let freed = tokio::time::timeout_at(last.into(), self.pool.freed.notified());
            if freed.await.is_err() {
                break;
            }
        }
        for (step, due) in self.pool.seats.iter().filter_map(|seat| seat.busy.take()) {
            let verdict = Verdict::Failed(Failure::Timeout);
            self.count(step, due, Instant::now(), verdict, (0, 0));
        }
    }

    /// One connection and who uses it. What is asked next is made ready before it is due, so that
    /// the making of a request is not measured.
    async fn sit(self: Rc<Self>, seat: usize, mut line: Line, mut chance: Rng) {
        // A service that is not there is seen when something is due.
        let _ = line.open().await;
        loop {
            let asked = self.asker.borrow_mut().ask(&mut chance);
            let due = if self.closed {
                let now = Instant::now();
                if now >= self.clock.end {
                    return;
                }
                now
            } else {
                self.pool.give_back(seat);
                self.due(seat).await
            };
            self.perform(seat, asked, due, &mut line, &mut chance).await;
        }
    }

    async fn due(&self, seat: usize) -> Instant {
        let Some(seat) = self.pool.seats.get(seat) else {
            return std::future::pending().await;
        };
        loop {
            if let Some(due) = seat.due.take() {
                return due;
            }
            seat.called.notified().await;
        }
    }

    /// A request, and those that follow from its answer.
    async fn perform(
        &self,
        seat: usize,
        mut asked: Asked,
        mut due: Instant,
        line: &mut Line,
        chance: &mut Rng,
    ) {
        let Some(seat) = self.pool.seats.get(seat) else {
            return;
        };
        loop {
            seat.busy.set(Some((asked.step, due)));
            let came = line.exchange(&asked).await;
            let over = Instant::now();
            if seat.busy.take().is_none() {
                // It has been counted as one that did not come in time.
                return;
            }
            let (verdict, bytes) = match came {
                Ok(came) => (judge(asked.expected, came.status, line.body()), came.bytes),
                Err(failure) => (Verdict::Failed(failure), 0),
            };
            let bytes = (asked.body.len(), bytes);
            self.count(asked.step, due, over, verdict, bytes);
            let next = self
                .asker
                .borrow_mut()
                .answered(&asked, verdict, line.body(), chance);
            match next {
                Some(next) => (asked, due) = (next, Instant::now()),
                None => return,
            }
        }
    }

    fn count(
        &self,
        step: usize,
        due: Instant,
        over: Instant,
        verdict: Verdict,
        (bytes_out, bytes_in): (usize, usize),
    ) {
        if let Some(tally) = self.tallies.get(step) {
            tally.borrow_mut().take(&Over {
                due: self.clock.measured(due),
                took: over.saturating_duration_since(due),
                verdict,
                bytes_out,
                bytes_in,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use hyper::{Method, Uri};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::answer::Expected;
    use crate::ask::About;
    use crate::report::Row;
    use crate::scenario::Kind;
    use crate::schedule::Arrivals;

    struct Ping;

    impl Ask for Ping {
        fn ask(&mut self, _: &mut Rng) -> Asked {
            Asked {
                method: Method::GET,
                uri: Uri::from_static("/"),
                content: None,
                body: Bytes::new(),
                expected: Expected::Person(true),
                step: 0,
                about: About::Nothing,
            }
        }
    }

    /// A server that answers at once, but stands still once for some time.
    async fn serve(still_at: u64, still_for: Duration) -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        tokio::task::spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let asked = Arc::clone(&counted);
                tokio::task::spawn_local(async move {
                    let mut buffer = [0; 4_096];
                    while let Ok(1..) = stream.read(&mut buffer).await {
                        if asked.fetch_add(1, Ordering::Relaxed) == still_at {
                            tokio::time::sleep(still_for).await;
                        }
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                        if stream.write_all(answer).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        (address, asked)
    }

    /// Two seconds of 200 a second on one connection.
    fn run(still_at: u64, still_for: Duration, patience: Duration, drain: Duration) -> (Row, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let (address, asked) = serve(still_at, still_for).await;
            let stream = Stream {
                name: "ping".to_owned(),
                kind: Kind::RestPerson,
                rate: 200.0,
                per_hour: 0.0,
                contract: None,
                major: 5,
                profiles: Vec::new(),
                ids: 1,
                connections: 1,
                spread: false,
                arrivals: Arrivals::Even,
                consumers: Vec::new(),
                curve: None,
            };
            let measured = Duration::from_secs(2);
            let begin = Instant::now() + Duration::from_millis(20);
            let clock = Clock {
                begin,
                zero: begin,
                end: begin + measured,
                drain,
            };
            let tally = Rc::new(RefCell::new(
                Tally::new("ping".to_owned(), "ping".to_owned(), measured).unwrap(),
            ));
            let late = Rc::new(RefCell::new(Latencies::new().unwrap()));
            let target = Target::new(&format!("http://{address}"), None, patience).unwrap();
            let tallies = vec![Rc::clone(&tally)];
            let driven = Driven::new(&stream, Box::new(Ping), tallies, &late, clock, false);
            driven.open(&stream, &Rc::new(target), 1);
            let schedule = Schedule::new(Arrivals::Even, 200.0, None, Duration::ZERO, measured, 1);
            driven.follow(schedule).await.unwrap();
            let row = tally.borrow().row(Some(200.0), 2.0);
            (row, asked.load(Ordering::Relaxed))
        })
    }

    const LONG: Duration = Duration::from_secs(5);

    /// The heart of it: a closed loop would have one slow request here, and 300 quick ones.
    #[test]
    fn a_pause_is_felt_by_everybody_who_was_due_in_it() {
        let (row, asked) = run(100, Duration::from_secs(1), LONG, LONG);
        assert!((399..=400).contains(&row.requests), "{}", row.requests);
        assert_eq!((row.right, asked), (row.requests, row.requests));
        // Half of the run was due in the pause, and waited for half of it on average.
        assert!(row.latency.p50 < 300_000.0, "{:?}", row.latency);
        assert!(row.latency.p90 > 500_000.0, "{:?}", row.latency);
        assert!(row.latency.max > 950_000.0, "{:?}", row.latency);
    }

    #[test]
    fn arrivals_come_on_time_whatever_the_answers_do() {
        let (row, _) = run(u64::MAX, Duration::ZERO, LONG, LONG);
        assert_eq!(row.right, row.requests);
        assert!((row.rate_reached - 200.0).abs() < 1.0);
        assert!(row.latency.p50 < 50_000.0, "{:?}", row.latency);
    }

    #[test]
    fn what_cannot_be_sent_before_the_end_is_counted_too() {
        let pause = Duration::from_secs(30);
        let (row, _) = run(100, pause, LONG, Duration::from_millis(100));
        assert!((399..=400).contains(&row.requests), "{}", row.requests);
        // One was under way, and the others never were.
        assert_eq!((row.right, row.errors["timeout"]), (100, 1));
        assert_eq!(row.errors["unsent"], row.requests - 101);
        assert!(row.latency.max > 1_500_000.0);
    }

    #[test]
    fn an_answer_that_does_not_come_is_a_timeout_and_the_run_goes_on() {
        let pause = Duration::from_secs(30);
        let (row, _) = run(100, pause, Duration::from_millis(300), LONG);
        assert_eq!(row.errors["timeout"], 1);
        assert_eq!(row.right + 1, row.requests);
    }
}

//! Answers on their way out: how many bytes wait to leave, on each connection, for each consumer and
//! in the process. They count from the moment they are made until their memory is given back, and so
//! does the call that they answer: who does not read has soon no more to ask.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::activity::UnderWay;
use crate::access::usage::Turn;

/// Bytes that are handed on at once. That the next ones are asked for tells that these are moving.
const PIECE: usize = 64 << 10;

/// How many bytes may wait. An answer is made while there is room, however large it then is.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// On one connection.
    pub connection: u64,
    /// For one consumer.
    pub consumer: u64,
    /// In the process.
    pub process: u64,
    /// How long they may lie without moving.
    pub patience: Duration,
}

/// What waits in the process.
pub struct Outgoing {
    /// How many bytes may.
    pub room: Room,
    bytes: AtomicU64,
}

/// What waits on one connection.
pub struct Line {
    bytes: AtomicU64,
    moved: Mutex<Instant>,
    left: Notify,
}

/// A call and its answer, until that has left.
pub struct Held {
    bytes: u64,
    turn: Turn,
    line: Arc<Line>,
    outgoing: Arc<Outgoing>,
}

/// The body of an answer.
#[derive(Default)]
pub struct Leaving {
    rest: Bytes,
    line: Option<Arc<Line>>,
    under_way: Option<UnderWay>,
}

/// The memory of an answer, and what it counts as.
struct Counted {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Outgoing {
    /// Nothing waits yet.
    pub fn new(room: Room) -> Self {
        Self {
            room,
            bytes: AtomicU64::new(0),
        }
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the process has no room for one more.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.room.process
    }
}

impl Line {
    /// A connection on which nothing waits.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(0),
            moved: Mutex::new(Instant::now()),
            left: Notify::new(),
        })
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until fewer than `most` bytes wait.
    pub async fn room(&self, most: u64) {
        loop {
            // Asked for before it is looked, so that nothing that leaves meanwhile is missed.
            let left = self.left.notified();
            if self.bytes() < most {
                return;
            }
            left.await;
        }
    }

    /// When something moved last.
    pub fn moved(&self) -> Instant {
        *self.moved.lock()
    }

    /// When what waits will have lain for `patience`, if it does not move; nothing when nothing waits.
    pub fn stalls_at(&self, patience: Duration) -> Option<Instant> {
        (self.bytes() > 0).then(|| self.moved() + patience)
    }

    fn note_moved(&self) {
        *self.moved.lock() = Instant::now();
    }
}

impl Held {
    /// A call that has no answer yet.
    pub const fn new(turn: Turn, line: Arc<Line>, outgoing: Arc<Outgoing>) -> Self {
        Self {
            bytes: 0,
            turn,
            line,
            outgoing,
        }
    }

    /// The connection that it came by.
    pub const fn line(&self) -> &Arc<Line> {
        &self.line
    }

    /// Counts so many bytes of answer more.
    pub fn hold(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        if self.line.bytes.fetch_add(bytes, Ordering::Relaxed) == 0 {
            self.line.note_moved();
        }
        self.outgoing.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.turn.hold(bytes);
        self.bytes += bytes;
    }

    /// Counts so many bytes of answer less.
    fn let_go(&mut self, bytes: usize) {
        let bytes = self.bytes.min(bytes as u64);
        self.outgoing.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.line.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.turn.let_go(bytes);
        self.bytes -= bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.outgoing.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.line.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.line.note_moved();
        self.line.left.notify_waiters();
    }
}

impl Leaving {
    /// A body that is counted nowhere: small, or shared by many.
    pub fn new(bytes: Bytes) -> Self {
        Self {
            rest: bytes,
            ..Self::default()
        }
    }

    /// Keeps a request under way until the last of the answer was taken.
    pub fn attend(&mut self, under_way: UnderWay) {
        self.under_way = Some(under_way);
    }

    /// Takes out all that is left.
    pub fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.rest)
    }

    /// Puts other bytes in the place of those that were taken out.
    pub fn fill(&mut self, bytes: Bytes) {
        self.rest = bytes;
    }

    /// Bytes that are left.
    pub const fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether none are.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ties a call to its answer: it is over when the answer's memory is given back, the last part of
    /// it, wherever that is by then.
    pub fn keep(&mut self, mut held: Held) {
        let bytes = self.take();
        // What was not counted when it was made is counted now, and no more what is gone.
        held.hold(bytes.len().saturating_sub(held.counted()));
        held.let_go(held.counted().saturating_sub(bytes.len()));
        if bytes.is_empty() {
            return;
        }
        self.line = Some(Arc::clone(held.line()));
        self.rest = Bytes::from_owner(Counted { bytes, _held: held });
    }
}

impl Held {
    fn counted(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }
}

impl Body for Leaving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        if let Some(line) = &self.line {
            line.note_moved();
        }
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        if self.rest.is_empty() {
            self.under_way = None;
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::access::consumers::Consumer;
    use crate::access::usage::Usage;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(work)
    }

    struct Node {
        usage: Usage,
        line: Arc<Line>,
        outgoing: Arc<Outgoing>,
    }

    impl Node {
        fn new() -> Self {
            let room = Room {
                connection: 100,
                consumer: 100,
                process: 100,
                patience: Duration::from_secs(1),
            };
            Self {
                usage: Usage::new(Consumer::UNLIMITED),
                line: Line::new(),
                outgoing: Arc::new(Outgoing::new(room)),
            }
        }

        fn answer(&self, bytes: usize) -> Leaving {
            let turn = self.usage.enter().unwrap();
            let held = Held::new(turn, Arc::clone(&self.line), Arc::clone(&self.outgoing));
            let mut leaving = Leaving::new(vec![7; bytes].into());
            leaving.keep(held);
            leaving
        }

        /// Bytes on the connection, of the consumer, in the process, and calls under way.
        fn counts(&self) -> (u64, u64, u64, u32) {
            let (line, all) = (self.line.bytes(), self.outgoing.bytes());
            (line, self.usage.waiting_bytes(), all, self.usage.running())
        }
    }

    #[test]
    fn an_answer_counts_until_the_last_of_its_memory_is_gone() {
        let node = Node::new();
        let length = 3 * PIECE + 5;
        let mut leaving = node.answer(length);
        let whole = length as u64;
        assert_eq!(node.counts(), (whole, whole, whole, 1));
        let mut pieces = Vec::new();
        block_on(async {
            while let Some(piece) = leaving.frame().await {
                pieces.push(piece.unwrap().into_data().unwrap());
            }
        });
        drop(leaving);
        assert_eq!(pieces.len(), 4);
        // It has been taken whole, and lies in the hands of whoever sends it.
        let last = pieces.pop().unwrap();
        drop(pieces);
        assert_eq!(node.counts(), (whole, whole, whole, 1));
        drop(last);
        assert_eq!(node.counts(), (0, 0, 0, 0));
        drop(node.answer(0));
        assert_eq!(node.counts(), (0, 0, 0, 0));
    }

    #[test]
    fn an_answer_that_was_packed_counts_as_what_is_left() {
        let node = Node::new();
        let turn = node.usage.enter().unwrap();
        let mut held = Held::new(turn, Arc::clone(&node.line), Arc::clone(&node.outgoing));
        held.hold(1_000);
        let mut leaving = Leaving::new(vec![7; 1_000].into());
        assert_eq!(leaving.take().len(), 1_000);
        leaving.fill(vec![7; 100].into());
        assert_eq!(node.counts(), (1_000, 1_000, 1_000, 1));
        leaving.keep(held);
        assert_eq!(node.counts(), (100, 100, 100, 1));
        drop(leaving);
        assert_eq!(node.counts(), (0, 0, 0, 0));
    }

    #[test]
    fn a_connection_waits_until_there_is_room() {
        block_on(async {
            let node = Node::new();
            node.line.room(100).await;
            let (small, large) = (node.answer(1), node.answer(200));
            assert!(node.outgoing.is_full());
            let line = Arc::clone(&node.line);
            let waits = tokio::spawn(async move { line.room(100).await });
            tokio::task::yield_now().await;
            drop(small);
            tokio::task::yield_now().await;
            assert!(!waits.is_finished());
            drop(large);
            waits.await.unwrap();
        });
    }

    #[test]
    fn what_lies_still_has_a_time_by_which_it_is_too_long() {
        block_on(async {
            let node = Node::new();
            let patience = Duration::from_secs(30);
            assert_eq!(node.line.stalls_at(patience), None);
            let mut leaving = node.answer(2 * PIECE);
            let first = node.line.stalls_at(patience).unwrap();
            let _piece = leaving.frame().await;
            let second = node.line.stalls_at(patience).unwrap();
            assert!(second > first, "it moves");
            assert_eq!(node.line.stalls_at(patience), Some(second));
        });
    }
}

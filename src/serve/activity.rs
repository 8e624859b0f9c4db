//! What goes on in a connection, and an end that takes no request with it: a connection that has to end
//! does so between two requests, when nothing waits to be read, and what arrives even then is read and
//! let go, so that the caller sees an end and not a broken line.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::connection::Patience;
use super::leaving::Line;
use crate::base::limits;

/// What goes on in a connection.
pub(super) struct Activity {
    requests: Mutex<Requests>,
    /// What waits to leave.
    pub line: Arc<Line>,
    /// Told when the connection has to end for what came by it.
    pub end: Notify,
    /// Told when a head has begun that did not come in one piece.
    pub head: Notify,
    is_last: AtomicBool,
    leaves: AtomicBool,
    is_over: AtomicBool,
}

#[derive(Clone, Copy)]
struct Requests {
    /// Those that are being answered.
    open: usize,
    /// Whether there was any.
    any: bool,
    /// Whether the last answer may not be sent whole.
    is_unsent: bool,
    /// When the last one ended.
    since: Instant,
    /// When the head began that is on its way, and whether that was told.
    head: Option<(Instant, bool)>,
}

/// A request under way, over when dropped: when the last of its answer was taken.
pub struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut requests = self.0.requests.lock();
        requests.open -= 1;
        requests.is_unsent = true;
        requests.since = Instant::now();
    }
}

/// Until when a connection may go on as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    /// A request is answered.
    Answered,
    /// A head should have come.
    Head(Instant),
    /// Nothing has happened for too long.
    Idle(Instant),
}

impl Activity {
    pub fn new() -> Self {
        Self {
            requests: Mutex::new(Requests {
                open: 0,
                any: false,
                is_unsent: false,
                since: Instant::now(),
                head: None,
            }),
            line: Line::new(),
            end: Notify::new(),
            head: Notify::new(),
            is_last: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
        }
    }

    /// Notes a request whose head has come.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        let mut requests = self.requests.lock();
        requests.open += 1;
        requests.any = true;
        requests.head = None;
        UnderWay(Arc::clone(self))
    }

    /// Until when it may go on. The first request must come as soon as any head.
    pub fn until(&self, patience: Patience) -> Until {
        let requests = *self.requests.lock();
        if requests.open > 0 || self.line.bytes() > 0 {
            return Until::Answered;
        }
        match requests.head {
            Some((began, _)) => Until::Head(began + patience.head),
            None if !requests.any => Until::Idle(requests.since + patience.head),
            // An answer that was long on its way has only just left.
            None => Until::Idle(requests.since.max(self.line.moved()) + patience.idle),
        }
    }

    /// From now on answers say that they are the last.
    pub fn answer_the_last(&self) {
        self.is_last.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer is the last.
    pub fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Relaxed)
    }

    /// Ends the connection as soon as it is between two requests, or goes on with it. What has ended
    /// stays so: whether it has is answered.
    pub fn leave(&self, leaves: bool) -> bool {
        self.leaves.store(leaves, Ordering::Relaxed);
        self.is_over.load(Ordering::Relaxed)
    }

    /// Whether it is to end, and could: no request is on its way in or being answered.
    fn may_end(&self) -> bool {
        let leaves = self.leaves.load(Ordering::Relaxed);
        leaves && {
            let requests = self.requests.lock();
            requests.open == 0 && requests.head.is_none() && !requests.is_unsent
        }
    }

    /// Notes bytes that came. Lines without anything between two requests are none (RFC 9112, 2.2).
    fn hear(&self, came: &[u8]) {
        let mut requests = self.requests.lock();
        let is_blank = || came.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
        if requests.open == 0 && requests.head.is_none() && !is_blank() {
            let began = if requests.any {
                Instant::now()
            } else {
                requests.since
            };
            requests.head = Some((began, false));
        }
    }

    /// Notes that nothing more has come for now.
    fn pause(&self) {
        if let Some((_, is_told @ false)) = &mut self.requests.lock().head {
            *is_told = true;
            self.head.notify_one();
        }
    }

    /// Notes that all that was to be sent was.
    fn note_sent(&self) {
        let mut requests = self.requests.lock();
        if requests.is_unsent && requests.open == 0 {
            requests.is_unsent = false;
            requests.since = Instant::now();
        }
    }
}

/// What a connection's bytes come by.
pub(super) trait Wired {
    /// Its socket.
    fn socket(&self) -> SockRef<'_>;
}

impl Wired for TcpStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl Wired for UnixStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self)
    }
}

impl Wired for TlsStream<TcpStream> {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.get_ref().0)
    }
}

/// Whether bytes lie in a socket that nobody has read. Asks the system: the runtime may not have heard
/// of them.
pub(super) fn has_unread(socket: &SockRef<'_>) -> bool {
    let mut first = [MaybeUninit::uninit()];
    matches!(socket.peek(&mut first), Ok(1..))
}

/// A connection's bytes, with an eye on what goes on.
pub(super) struct Attended<I> {
    stream: I,
    activity: Arc<Activity>,
    /// Whether it may be ended between two requests: HTTP/2 has a word for that.
    ends_between: bool,
    parting: Option<Parting>,
}

/// The end: nothing more is sent, and what still comes is let go.
struct Parting {
    patience: Pin<Box<Sleep>>,
    left: usize,
}

impl<I> Attended<I> {
    pub const fn new(stream: I, activity: Arc<Activity>, ends_between: bool) -> Self {
        Self {
            stream,
            activity,
            ends_between,
            parting: None,
        }
    }
}

impl<I: AsyncRead + Unpin> Attended<I> {
    /// Reads and forgets what comes until the other end closes too, or has had its time.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let parting = self.parting.get_or_insert_with(|| Parting {
            patience: Box::pin(sleep(limits::PARTING)),
            left: limits::PARTING_BYTES,
        });
        let mut waste = [MaybeUninit::uninit(); 4096];
        while parting.left > 0 {
            let mut waste = ReadBuf::uninit(&mut waste);
            match Pin::new(&mut self.stream).poll_read(cx, &mut waste) {
                Poll::Ready(Ok(())) if !waste.filled().is_empty() => {
                    parting.left = parting.left.saturating_sub(waste.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return parting.patience.as_mut().poll(cx),
            }
        }
        Poll::Ready(())
    }
}

impl<I: AsyncRead + Wired + Unpin> AsyncRead for Attended<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if !self.ends_between {
            return read;
        }
        match &read {
            Poll::Ready(Ok(())) => {
                let came = buffer.filled().get(before..).unwrap_or_default();
                self.activity.hear(came);
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.activity.pause();
                if self.activity.may_end() && !has_unread(&self.stream.socket()) {
                    // As if the caller had closed: what was read of them has been answered.
                    self.activity.is_over.store(true, Ordering::Relaxed);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        read
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Attended<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked for only when nothing is left to be written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        if self.ends_between {
            self.activity.note_sent();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.parting.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        }
        self.poll_part(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(120),
        whole: Duration::from_secs(3_600),
        end: Duration::from_secs(10),
    };

    #[test]
    fn a_head_has_its_own_time_and_blank_lines_begin_none() {
        let activity = Arc::new(Activity::new());
        let first = activity.requests.lock().since + PATIENCE.head;
        assert_eq!(activity.until(PATIENCE), Until::Idle(first));
        activity.hear(b"G");
        let told = "from the beginning";
        assert_eq!(activity.until(PATIENCE), Until::Head(first), "{told}");
        let under_way = activity.begin();
        assert_eq!(activity.until(PATIENCE), Until::Answered);
        activity.hear(b"of its body");
        drop(under_way);
        activity.hear(b"\r\n\r\n");
        assert!(matches!(activity.until(PATIENCE), Until::Idle(_)));
        activity.hear(b"\r\nP");
        let Until::Head(second) = activity.until(PATIENCE) else {
            panic!("a head has begun");
        };
        activity.hear(b"OST");
        assert_eq!(activity.until(PATIENCE), Until::Head(second));
    }

    #[test]
    fn it_ends_only_between_two_requests() {
        let activity = Arc::new(Activity::new());
        assert!(!activity.may_end(), "nobody wants that");
        activity.leave(true);
        assert!(activity.may_end());
        activity.hear(b"G");
        assert!(!activity.may_end(), "a request is on its way");
        let under_way = activity.begin();
        assert!(!activity.may_end(), "it is being answered");
        activity.note_sent();
        drop(under_way);
        assert!(!activity.may_end(), "the answer was not sent yet");
        activity.note_sent();
        assert!(activity.may_end());
        activity.leave(false);
        assert!(!activity.may_end());
    }

    #[test]
    fn a_request_that_has_come_is_read_before_an_end_and_after_it_nothing_breaks() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};

        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let ours = UnixStream::from_std(ours).unwrap();
            let activity = Arc::new(Activity::new());
            let mut attended = Attended::new(ours, Arc::clone(&activity), true);
            activity.leave(true);
            // The runtime has not heard of it yet.
            io::Write::write_all(&mut &theirs, b"GET").unwrap();
            let mut came = [0; 8];
            assert_eq!(attended.read(&mut came).await.unwrap(), 3);
            drop(activity.begin());
            attended.flush().await.unwrap();
            assert_eq!(attended.read(&mut came).await.unwrap(), 0, "an end");
            assert!(activity.leave(true));
            let other = std::thread::spawn(move || {
                assert_eq!(io::Read::read(&mut &theirs, &mut [0]).unwrap(), 0);
                io::Write::write_all(&mut &theirs, b"GET").unwrap();
            });
            attended.shutdown().await.unwrap();
            other.join().unwrap();
        });
    }

    #[test]
    fn what_the_runtime_has_not_heard_of_is_seen() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let unread = || has_unread(&SockRef::from(&ours));
        assert!(!unread());
        io::Write::write_all(&mut &theirs, b"G").unwrap();
        assert!(unread());
        io::Read::read_exact(&mut &ours, &mut [0]).unwrap();
        drop(theirs);
        assert!(!unread(), "an end is none");
    }
}

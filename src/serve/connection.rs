//! One connection: which HTTP is spoken on it, how long it may take, and an orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::App;
use super::leaving::Line;
use super::page::{Answer, TEXT, page, pass_over, refuse};
use super::peer::Peer;
use super::route::{answer, tells_how_it_is};
use super::tls::Tls;
use crate::base::limits;
use crate::wire::fault::HttpRefusal;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Which HTTP is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What may be asked on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// Everything.
    Usual,
    /// How the service is, once: there is room for no more connections.
    Spare,
}

/// How connections are served.
pub(super) struct Server {
    pub app: Arc<App>,
    pub tls: Option<Arc<Tls>>,
    http_1: http1::Builder,
    http_2: http2::Builder<TokioExecutor>,
    patience: Patience,
}

/// How long things may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// The head of a request.
    pub head: Duration,
    /// A connection, until it is ended in an orderly way.
    pub whole: Duration,
    /// That end.
    pub end: Duration,
}

/// What goes on in a connection.
struct Activity {
    requests: Mutex<Requests>,
    /// What waits to leave.
    line: Arc<Line>,
    end: Notify,
}

#[derive(Clone, Copy)]
struct Requests {
    open: usize,
    any: bool,
    since: Instant,
}

/// A request under way, over when dropped.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut requests = self.0.requests.lock();
        requests.open -= 1;
        requests.since = Instant::now();
    }
}

impl Activity {
    fn new() -> Self {
        Self {
            requests: Mutex::new(Requests {
                open: 0,
                any: false,
                since: Instant::now(),
            }),
            line: Line::new(),
            end: Notify::new(),
        }
    }

    fn begin(self: &Arc<Self>) -> UnderWay {
        let mut requests = self.requests.lock();
        requests.open += 1;
        requests.any = true;
        UnderWay(Arc::clone(self))
    }

    /// When the connection has been idle for too long, if nothing happens; the first request must
    /// come as soon as any head.
    fn idle_until(&self, first: Duration) -> Instant {
        let requests = *self.requests.lock();
        let idle = Duration::from_secs(limits::IDLE_SECONDS);
        match requests {
            Requests {
                open: 0,
                any,
                since,
            } if self.line.bytes() == 0 => since + if any { idle } else { first },
            _ => Instant::now() + idle,
        }
    }
}

impl Server {
    pub fn new(app: Arc<App>, tls: Option<Arc<Tls>>, patience: Patience) -> Self {
        let mut http_1 = http1::Builder::new();
        http_1
            .timer(TokioTimer::new())
            .header_read_timeout(patience.head)
            .max_buf_size(64 * 1024)
            .pipeline_flush(true);
        let mut http_2 = http2::Builder::new(TokioExecutor::new());
        http_2
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::STREAMS)
            .max_pending_accept_reset_streams(limits::STREAMS_RESET)
            .max_local_error_reset_streams(limits::STREAMS_RESET)
            .max_header_list_size(limits::HEADER_LIST_BYTES)
            .max_send_buf_size(limits::STREAM_BUFFER_BYTES)
            .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
            .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
            .max_frame_size(limits::FRAME_BYTES)
            .keep_alive_interval(Duration::from_secs(limits::PING_SECONDS))
            .keep_alive_timeout(Duration::from_secs(limits::PONG_SECONDS));
        Self {
            app,
            tls,
            http_1,
            http_2,
            patience,
        }
    }

    /// Serves a connection to its end. `ending` changes when the node goes down, and is held until
    /// the connection is closed.
    pub async fn serve<I>(
        self: &Arc<Self>,
        stream: I,
        protocol: Protocol,
        (peer, way): (Peer, Way),
        ending: watch::Receiver<bool>,
    ) where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        let service = {
            let (server, peer, activity) =
                (Arc::clone(self), Arc::new(peer), Arc::clone(&activity));
            service_fn(move |request| {
                let (server, peer, activity) = (
                    Arc::clone(&server),
                    Arc::clone(&peer),
                    Arc::clone(&activity),
                );
                let under_way = (protocol == Protocol::Http2).then(|| activity.begin());
                async move {
                    let mut answer = server.answer((&peer, way), request, &activity).await;
                    drop(under_way);
                    let is_last = way == Way::Spare || server.app.health.is_closing();
                    if let (Protocol::Http1, true, Ok(answer)) = (protocol, is_last, &mut answer) {
                        answer.headers_mut().insert(CONNECTION, CLOSE);
                    }
                    answer
                }
            })
        };
        let stream = TokioIo::new(stream);
        let served = match protocol {
            Protocol::Http1 => {
                let connection = self.http_1.serve_connection(stream, service);
                self.drive(connection, None, &activity, ending).await
            }
            Protocol::Http2 => {
                let connection = self.http_2.serve_connection(stream, service);
                let first = Some(self.patience.head);
                self.drive(connection, first, &activity, ending).await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }

    async fn answer(
        &self,
        (peer, way): (&Arc<Peer>, Way),
        request: Request<Incoming>,
        activity: &Activity,
    ) -> Result<Answer, Infallible> {
        if way == Way::Spare && !tells_how_it_is(request.uri().path()) {
            activity.end.notify_one();
            return Ok(refuse(&self.app, HttpRefusal::Overloaded));
        }
        if let (Peer::Certified(certified), Some(tls)) = (&**peer, &self.tls)
            && let Err(failure) = tls.judge_again(certified)
        {
            tls.handshakes.note_lost(&failure, certified.hsa());
            Box::pin(pass_over(&self.app, request.into_body())).await;
            activity.end.notify_one();
            let text = "Certifikatet godtas inte längre.\n";
            return Ok(page(StatusCode::FORBIDDEN, TEXT, text));
        }
        answer(Arc::clone(&self.app), (peer, &activity.line), request).await
    }

    /// Drives a connection until it ends, or has to.
    async fn drive<C>(
        &self,
        connection: C,
        first: Option<Duration>,
        activity: &Activity,
        mut ending: watch::Receiver<bool>,
    ) -> hyper::Result<()>
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let mut connection = pin!(connection);
        // Looked at only when it has something to say, and not whenever the connection has.
        let mut has_to_end: FuturesUnordered<_> =
            std::iter::once(self.has_to_end(first, activity, &mut ending)).collect();
        tokio::select! {
            biased;
            done = connection.as_mut() => return done,
            _ = has_to_end.next() => {}
        }
        // A request may be on its way. HTTP/2 is told what was taken; to HTTP/1.1 the next answer says
        // that it was the last.
        if first.is_none() && self.app.health.is_closing() {
            tokio::select! {
                biased;
                done = connection.as_mut() => return done,
                () = sleep(limits::CLOSING_IDLE) => {}
            }
        }
        connection.as_mut().graceful_shutdown();
        // Who does not take the answer is not waited for.
        timeout(self.patience.end, connection)
            .await
            .unwrap_or(Ok(()))
    }

    /// Waits until a connection has to end. HTTP/1.1 itself sees to it that heads come in time; of
    /// HTTP/2 the `first` request must, and then there must be some now and then.
    async fn has_to_end(
        &self,
        first: Option<Duration>,
        activity: &Activity,
        ending: &mut watch::Receiver<bool>,
    ) {
        let whole = Instant::now() + self.patience.whole;
        loop {
            let idle = first.map_or(whole, |first| activity.idle_until(first));
            let patience = self.app.outgoing.room.patience;
            // What begins to wait from now on will not have waited too long before that.
            let stall = activity.line.stalls_at(patience);
            let stall = stall.unwrap_or_else(|| Instant::now() + patience);
            tokio::select! {
                biased;
                _ = ending.wait_for(|it| *it) => return,
                () = activity.end.notified() => return,
                () = sleep_until(whole.min(idle).min(stall)) => {
                    let now = Instant::now();
                    let stalled = activity.line.stalls_at(patience).is_some_and(|at| now >= at);
                    if stalled {
                        tracing::info!("a connection ended that took no answers");
                    }
                    if stalled || now >= whole || first.is_some_and(|first| now >= activity.idle_until(first)) {
                        return;
                    }
                }
            }
        }
    }
}

/// Which HTTP is spoken on a connection without TLS: HTTP/2 says so in its first bytes. Nothing when
/// none come in time.
pub(super) async fn spoken(stream: &TcpStream, within: Duration) -> Option<Protocol> {
    const HTTP_2: &[u8] = b"PRI";
    const PAUSE: Duration = Duration::from_millis(5);
    let look = async {
        let mut first = [0; HTTP_2.len()];
        loop {
            let came = stream.peek(&mut first).await.ok()?;
            let came = first.get(..came).filter(|came| !came.is_empty())?;
            if !HTTP_2.starts_with(came) {
                return Some(Protocol::Http1);
            }
            if came.len() == HTTP_2.len() {
                return Some(Protocol::Http2);
            }
            // POST begins as PRI does, and bytes that were looked at are still there.
            sleep(PAUSE).await;
        }
    };
    timeout(within, look).await.ok()?
}

//! One connection: which HTTP is spoken on it, how long it may take, and an orderly end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::App;
use super::activity::{Activity, Attended, Until, Wired};
use super::page::{Answer, TEXT, page, pass_over, refuse};
use super::peer::Peer;
use super::route::{answer, tells_how_it_is};
use super::tls::Tls;
use crate::base::limits;
use crate::wire::fault::HttpRefusal;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// By which callers learn how long they may keep a connection (RFC 2068, 19.7.1.1).
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How much sooner than we, callers should end a connection that is idle.
const SOONER: u64 = 5;

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
    /// What HTTP/1.1 is told of it.
    keep_alive: Option<HeaderValue>,
}

/// How long things may take.
#[derive(Clone, Copy)]
pub(super) struct Patience {
    /// The head of a request.
    pub head: Duration,
    /// A connection without requests.
    pub idle: Duration,
    /// A connection, until it is ended in an orderly way.
    pub whole: Duration,
    /// That end.
    pub end: Duration,
}

impl Server {
    pub fn new(app: Arc<App>, tls: Option<Arc<Tls>>, patience: Patience) -> Self {
        let mut http_1 = http1::Builder::new();
        // How long a head may take is seen to here: a connection may be idle for longer.
        http_1
            .header_read_timeout(None)
            .max_buf_size(limits::HEAD_BYTES);
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
            keep_alive: keep_alive(patience.idle),
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
        I: AsyncRead + AsyncWrite + Wired + Unpin + Send + 'static,
    {
        let activity = Arc::new(Activity::new());
        if way == Way::Spare {
            activity.answer_the_last();
        }
        let service = {
            let (server, peer, activity) =
                (Arc::clone(self), Arc::new(peer), Arc::clone(&activity));
            service_fn(move |request| {
                let (server, peer, activity) = (
                    Arc::clone(&server),
                    Arc::clone(&peer),
                    Arc::clone(&activity),
                );
                let under_way = activity.begin();
                let stays = stays(&request);
                async move {
                    let mut answer = server.answer((&peer, way), request, &activity).await;
                    if let Ok(answer) = &mut answer {
                        answer.body_mut().attend(under_way);
                        if protocol == Protocol::Http1 {
                            let is_last = server.app.health.is_closing() || activity.is_last();
                            server.say_how_long(answer.headers_mut(), is_last, stays);
                        }
                    }
                    answer
                }
            })
        };
        let is_http_1 = protocol == Protocol::Http1;
        let stream = TokioIo::new(Attended::new(stream, Arc::clone(&activity), is_http_1));
        let served = if is_http_1 {
            let connection = self.http_1.serve_connection(stream, service);
            self.drive_http_1(connection, &activity, ending).await
        } else {
            let connection = self.http_2.serve_connection(stream, service);
            self.drive_http_2(connection, &activity, ending).await
        };
        if let Err(error) = served {
            tracing::debug!(%error, "connection ended");
        }
    }

    /// Says that the connection ends with an answer, or how long it may be idle when it `stays`.
    fn say_how_long(&self, headers: &mut HeaderMap, is_last: bool, stays: bool) {
        if is_last {
            headers.insert(CONNECTION, CLOSE);
        } else if let Some(keep_alive) = self.keep_alive.as_ref().filter(|_| stays) {
            headers.insert(KEEP_ALIVE, keep_alive.clone());
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
            activity.answer_the_last();
            activity.end.notify_one();
            let text = "Certifikatet godtas inte längre.\n";
            return Ok(page(StatusCode::FORBIDDEN, TEXT, text));
        }
        answer(Arc::clone(&self.app), (peer, &activity.line), request).await
    }

    /// Drives a connection of HTTP/1.1 until it ends, or has to. It has no word for that but an answer: one
    /// that is idle is ended only where nothing has come, and before others are, their next answers say
    /// that they are the last.
    async fn drive_http_1<C>(
        &self,
        connection: C,
        activity: &Activity,
        mut ending: watch::Receiver<bool>,
    ) -> hyper::Result<()>
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let whole = Instant::now() + self.patience.whole;
        let mut connection = pin!(connection);
        loop {
            // Looked at only when it has something to say, and not whenever the connection has.
            let mut has_to_end: FuturesUnordered<_> =
                std::iter::once(self.has_to_end(whole, activity, &mut ending)).collect();
            let why = tokio::select! {
                biased;
                done = connection.as_mut() => return done,
                why = has_to_end.next() => why,
            };
            match why {
                Some(Why::Silent) => return Ok(()),
                Some(Why::Idle) => {
                    activity.leave(true);
                    if let Some(done) = connection.as_mut().now_or_never() {
                        return done;
                    }
                    if activity.leave(false) {
                        break;
                    }
                }
                Some(Why::Due) => {
                    activity.answer_the_last();
                    tokio::select! {
                        biased;
                        done = connection.as_mut() => return done,
                        () = sleep(limits::CLOSING_IDLE) => {}
                    }
                    activity.leave(true);
                    break;
                }
                Some(Why::Told) | None => {
                    activity.leave(true);
                    break;
                }
            }
        }
        // Who does not take the answer is not waited for.
        timeout(self.patience.end, connection)
            .await
            .unwrap_or(Ok(()))
    }

    /// Drives a connection of HTTP/2 until it ends, or has to. It is told what was taken, and loses none.
    async fn drive_http_2<C>(
        &self,
        connection: C,
        activity: &Activity,
        mut ending: watch::Receiver<bool>,
    ) -> hyper::Result<()>
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let whole = Instant::now() + self.patience.whole;
        let mut connection = pin!(connection);
        let mut has_to_end: FuturesUnordered<_> =
            std::iter::once(self.has_to_end(whole, activity, &mut ending)).collect();
        tokio::select! {
            biased;
            done = connection.as_mut() => return done,
            _ = has_to_end.next() => {}
        }
        connection.as_mut().graceful_shutdown();
        timeout(self.patience.end, connection)
            .await
            .unwrap_or(Ok(()))
    }

    /// Waits until a connection has to end.
    async fn has_to_end(
        &self,
        whole: Instant,
        activity: &Activity,
        ending: &mut watch::Receiver<bool>,
    ) -> Why {
        loop {
            let until = match activity.until(self.patience) {
                Until::Answered => Instant::now() + self.patience.idle,
                Until::Head(until) | Until::Idle(until) => until,
            };
            let patience = self.app.outgoing.room.patience;
            // What begins to wait from now on will not have waited too long before that.
            let stall = activity.line.stalls_at(patience);
            let stall = stall.unwrap_or_else(|| Instant::now() + patience);
            tokio::select! {
                biased;
                _ = ending.wait_for(|it| *it) => return Why::Due,
                () = activity.end.notified() => return Why::Told,
                () = activity.head.notified() => {}
                () = sleep_until(whole.min(until).min(stall)) => {
                    let now = Instant::now();
                    if activity.line.stalls_at(patience).is_some_and(|at| now >= at) {
                        tracing::info!("a connection ended that took no answers");
                        return Why::Told;
                    }
                    match activity.until(self.patience) {
                        Until::Head(until) if now >= until => return Why::Silent,
                        Until::Idle(until) if now >= until => return Why::Idle,
                        _ if now >= whole => return Why::Due,
                        _ => {}
                    }
                }
            }
        }
    }
}

/// Why a connection has to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// A head does not come.
    Silent,
    /// Nothing has been asked for too long.
    Idle,
    /// Its time is over, or the node's.
    Due,
    /// For what came by it, or was not taken.
    Told,
}

/// Whether the caller of a request means to go on with its connection.
fn stays<B>(request: &Request<B>) -> bool {
    let says = request.headers().get(CONNECTION);
    let keeps = |it: &HeaderValue| it.as_bytes().eq_ignore_ascii_case(b"keep-alive");
    match request.version() {
        Version::HTTP_11 => says.is_none_or(keeps),
        _ => says.is_some_and(keeps),
    }
}

/// How long callers are told that they may be idle; nothing where that is no time.
fn keep_alive(idle: Duration) -> Option<HeaderValue> {
    let seconds = idle.as_secs();
    let seconds = seconds.saturating_sub(SOONER).max(seconds / 2);
    let told = HeaderValue::try_from(format!("timeout={seconds}")).ok()?;
    (seconds > 0).then_some(told)
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

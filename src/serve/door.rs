//! The ways in, each with its own room: a thread takes a connection when it has room for one more,
//! and leaves it in the kernel's queue until then.

use std::io;
use std::net::{Shutdown, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use socket2::{SockRef, Socket};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::App;
use super::activity::has_unread;
use super::callers::{From, Place};
use super::connection::{Protocol, Server, Way, spoken};
use super::descriptors::Taken;
use super::listen::Listening;
use super::peer::Peer;
use super::queue::{Counted, Queue};
use super::tls::Tls;
use crate::base::limits;
use crate::base::seldom::Seldom;

/// A thread's side of the ways in.
pub(super) struct Doors {
    pub server: Arc<Server>,
    pub listening: Listening,
    /// Told when no more connections are to be taken.
    pub stop: watch::Receiver<bool>,
    /// Told when connections are to end; closed when all have.
    pub ending: watch::Sender<bool>,
}

/// A connection that was taken from a queue.
struct Accepted {
    socket: Socket,
    /// Where it came from; nothing on the unix socket.
    remote: Option<SocketAddr>,
}

/// An open connection: what it takes, given back when dropped.
struct Open {
    app: Arc<App>,
    descriptor: Taken,
    _room: OwnedSemaphorePermit,
    _place: Place,
    _load: Counted,
}

impl Open {
    /// What may be asked on it.
    fn way(&self) -> Way {
        if self.descriptor.is_spare {
            Way::Spare
        } else {
            Way::Usual
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.metrics.connection(false);
    }
}

impl Doors {
    /// Takes connections on loopback, without TLS.
    pub async fn plain(&self, queue: Queue) {
        let head = Duration::from_secs(self.listening.header_seconds);
        let serve = |accepted: Accepted, open: Open, (): ()| {
            let stream = TcpStream::from_std(accepted.socket.into())?;
            // Answers are written in one piece: nothing is gained by waiting for more.
            let _ = stream.set_nodelay(true);
            let (server, ending) = (Arc::clone(&self.server), self.ending.subscribe());
            tokio::spawn(async move {
                let mut spoke = tokio::select! {
                    spoke = spoken(&stream, head) => spoke,
                    () = ended(ending.clone(), limits::CLOSING_IDLE) => None,
                };
                if spoke.is_none() && has_unread(&SockRef::from(&stream)) {
                    // It began in the very moment in which it was to end.
                    spoke = spoken(&stream, limits::CLOSING_IDLE).await;
                }
                if let Some(protocol) = spoke {
                    let way = open.way();
                    server
                        .serve(stream, protocol, (Peer::Local, way), ending)
                        .await;
                } else {
                    part(&stream).await;
                }
                drop(open);
            });
            Ok(())
        };
        self.take_in(&queue, async || Some(()), serve).await;
    }

    /// Takes connections on the unix socket.
    pub async fn unix(&self, queue: Queue) {
        let serve = |accepted: Accepted, open: Open, (): ()| {
            let stream = UnixStream::from_std(accepted.socket.into())?;
            let (server, ending) = (Arc::clone(&self.server), self.ending.subscribe());
            tokio::spawn(async move {
                let way = open.way();
                server
                    .serve(stream, Protocol::Http1, (Peer::Socket, way), ending)
                    .await;
                drop(open);
            });
            Ok(())
        };
        self.take_in(&queue, async || Some(()), serve).await;
    }

    /// Takes connections with TLS, no faster than handshakes leave the others their share.
    pub async fn tls(&self, queue: Queue, tls: &Arc<Tls>) {
        let hands = Arc::new(Semaphore::new(limits::HANDSHAKES_AT_ONCE));
        let pace = Pace::new(self.listening.handshakes_per_second);
        let within = Duration::from_secs(self.listening.handshake_seconds);
        let turn = async || {
            let hand = Arc::clone(&hands).acquire_owned().await.ok()?;
            pace.turn().await;
            Some(hand)
        };
        let serve = |accepted: Accepted, open: Open, hand: OwnedSemaphorePermit| {
            let stream = TcpStream::from_std(accepted.socket.into())?;
            let _ = stream.set_nodelay(true);
            let (server, tls) = (Arc::clone(&self.server), Arc::clone(tls));
            let ending = self.ending.subscribe();
            tokio::spawn(async move {
                let shaken = tokio::select! {
                    shaken = tls.shake(stream, within) => shaken,
                    () = ended(ending.clone(), limits::CLOSING_IDLE) => return,
                };
                drop(hand);
                let (stream, certified) = match shaken {
                    Ok(shaken) => shaken,
                    Err((failure, stream)) => {
                        if let Some(remote) = accepted.remote {
                            tls.handshakes.note_failed(&failure, remote);
                        }
                        if let Some(stream) = stream {
                            part(&stream).await;
                        }
                        return;
                    }
                };
                tls.handshakes.note_done();
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                let peer = (Peer::Certified(certified), open.way());
                server.serve(stream, protocol, peer, ending).await;
                drop(open);
            });
            Ok(())
        };
        self.take_in(&queue, turn, serve).await;
    }

    /// Takes connections from a queue, one for each `turn`, until told to stop; then those that are left
    /// in it.
    async fn take_in<T>(
        &self,
        queue: &Queue,
        turn: impl AsyncFn() -> Option<T>,
        serve: impl Fn(Accepted, Open, T) -> io::Result<()>,
    ) {
        let most = self.listening.connections_per_thread;
        let room = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        let mut stop = self.stop.clone();
        let one = async || {
            let turns = async {
                let place = Arc::clone(&room).acquire_owned().await.ok()?;
                let turn = turn().await?;
                Some((place, turn, taken(queue.next().await).await?))
            };
            let Some((place, turn, (socket, remote))) = turns.await else {
                return;
            };
            let remote = remote.as_socket();
            let from = remote.map_or(From::Here, |it| From::address(it.ip()));
            let accepted = Accepted { socket, remote };
            let Some(open) = self.open(place, from, queue.load().count()) else {
                return;
            };
            if let Err(error) = serve(accepted, open, turn) {
                not_taken(&error);
            }
        };
        loop {
            tokio::select! {
                biased;
                // Nobody says any more when to stop: then it is now.
                _ = stop.wait_for(|it| *it) => break,
                () = one() => {}
            }
        }
        if queue.close() {
            let left = async {
                loop {
                    one().await;
                }
            };
            // It never ends by itself.
            let _ = tokio::time::timeout(limits::CLOSING_QUEUE, left).await;
        }
    }

    /// Notes an open connection, unless its address has as many as it may, or the process.
    fn open(&self, room: OwnedSemaphorePermit, from: From, load: Counted) -> Option<Open> {
        let app = &self.server.app;
        let most = self.listening.connections_per_address;
        let Some(descriptor) = app.descriptors.connection() else {
            app.callers.refuse();
            return None;
        };
        let place = app.callers.take(from, most)?;
        app.metrics.connection(true);
        Some(Open {
            app: Arc::clone(app),
            descriptor,
            _room: room,
            _place: place,
            _load: load,
        })
    }
}

/// Returns a while after the node has begun to close.
async fn ended(mut ending: watch::Receiver<bool>, patience: Duration) {
    // Whoever would say so is gone: then it has.
    let _ = ending.wait_for(|it| *it).await;
    tokio::time::sleep(patience).await;
}

/// What was accepted. When nothing can be, say for want of file descriptors, that is waited out.
async fn taken<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            not_taken(&error);
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

fn not_taken(error: &io::Error) {
    static NOT_TAKEN: Seldom = Seldom::new();
    if let Some(times) = NOT_TAKEN.count() {
        tracing::warn!(%error, times, "connections could not be accepted");
    }
}

/// Lets a caller read why it is refused: were what it still sent not read, the connection would be
/// reset, and the alert with it.
async fn part(stream: &TcpStream) {
    const PIECES: usize = 64;
    let read = async {
        let mut waste = [0; 1024];
        for _ in 0..PIECES {
            stream.readable().await?;
            match stream.try_read(&mut waste) {
                Ok(0) => break,
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => break,
                _ => {}
            }
        }
        Ok::<_, io::Error>(())
    };
    if SockRef::from(stream).shutdown(Shutdown::Write).is_ok() {
        // A caller that stays is left.
        let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
    }
}

/// So many handshakes a second, spread out: what comes at once is a twentieth of them, so that open
/// connections never wait long.
struct Pace {
    limiter: DefaultDirectRateLimiter,
    clock: DefaultClock,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        let burst = NonZeroU32::new(per_second.get() / 20).unwrap_or(NonZeroU32::MIN);
        Self {
            limiter: RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst)),
            clock: DefaultClock::default(),
        }
    }

    async fn turn(&self) {
        while let Err(early) = self.limiter.check() {
            tokio::time::sleep(early.wait_time_from(self.clock.now())).await;
        }
    }
}

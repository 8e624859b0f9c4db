//! The ways in, each with its own room: a thread takes a connection when it has room for one more,
//! and leaves it in the kernel's queue until then.

use std::io;
use std::net::Shutdown;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::App;
use super::callers::{From, Place};
use super::connection::{Protocol, Server, spoken};
use super::listen::Listening;
use super::peer::Peer;
use super::tls::Tls;
use crate::base::limits;

/// A thread's side of the ways in.
pub(super) struct Doors {
    pub server: Arc<Server>,
    pub listening: Listening,
    /// Told when the node goes down; closed when all connections are.
    pub ending: watch::Sender<()>,
}

/// An open connection: what it takes, given back when dropped.
struct Open {
    app: Arc<App>,
    _room: OwnedSemaphorePermit,
    _place: Place,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.app.metrics.connection(false);
    }
}

impl Doors {
    /// Takes connections on loopback, without TLS.
    pub async fn plain(&self, listener: TcpListener) {
        let room = self.room();
        let head = Duration::from_secs(self.listening.header_seconds);
        while let Ok(turn) = Arc::clone(&room).acquire_owned().await {
            let Some((stream, remote)) = taken(listener.accept().await).await else {
                continue;
            };
            let Some(open) = self.open(turn, From::address(remote.ip())) else {
                continue;
            };
            // Answers are written in one piece: nothing is gained by waiting for more.
            let _ = stream.set_nodelay(true);
            let (server, mut ending) = (Arc::clone(&self.server), self.ending.subscribe());
            tokio::spawn(async move {
                let _open = open;
                let protocol = tokio::select! {
                    protocol = spoken(&stream, head) => protocol,
                    _ = ending.changed() => None,
                };
                if let Some(protocol) = protocol {
                    server.serve(stream, protocol, Peer::Local, ending).await;
                }
            });
        }
    }

    /// Takes connections on the unix socket.
    pub async fn unix(&self, listener: UnixListener) {
        let room = self.room();
        while let Ok(turn) = Arc::clone(&room).acquire_owned().await {
            let Some((stream, _)) = taken(listener.accept().await).await else {
                continue;
            };
            let Some(open) = self.open(turn, From::Here) else {
                continue;
            };
            let (server, ending) = (Arc::clone(&self.server), self.ending.subscribe());
            tokio::spawn(async move {
                let _open = open;
                server
                    .serve(stream, Protocol::Http1, Peer::Socket, ending)
                    .await;
            });
        }
    }

    /// Takes connections with TLS, no faster than handshakes leave the others their share.
    pub async fn tls(&self, listener: TcpListener, tls: &Arc<Tls>) {
        let room = self.room();
        let hands = Arc::new(Semaphore::new(limits::HANDSHAKES_AT_ONCE));
        let pace = Pace::new(self.listening.handshakes_per_second);
        let within = Duration::from_secs(self.listening.handshake_seconds);
        while let Ok(turn) = Arc::clone(&room).acquire_owned().await {
            let Ok(hand) = Arc::clone(&hands).acquire_owned().await else {
                return;
            };
            pace.turn().await;
            let Some((stream, remote)) = taken(listener.accept().await).await else {
                continue;
            };
            let Some(open) = self.open(turn, From::address(remote.ip())) else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            let (server, tls) = (Arc::clone(&self.server), Arc::clone(tls));
            let mut ending = self.ending.subscribe();
            tokio::spawn(async move {
                let _open = open;
                let shaken = tokio::select! {
                    shaken = tls.shake(stream, within) => shaken,
                    _ = ending.changed() => return,
                };
                drop(hand);
                let (stream, certified) = match shaken {
                    Ok(shaken) => shaken,
                    Err((failure, stream)) => {
                        tls.handshakes.note_failed(&failure, remote);
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
                let peer = Peer::Certified(certified);
                server.serve(stream, protocol, peer, ending).await;
            });
        }
    }

    fn room(&self) -> Arc<Semaphore> {
        let most = self.listening.connections_per_thread;
        Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
    }

    /// Notes an open connection, unless its address has as many as it may.
    fn open(&self, room: OwnedSemaphorePermit, from: From) -> Option<Open> {
        let app = &self.server.app;
        let most = self.listening.connections_per_address;
        let place = app.callers.take(from, most)?;
        app.metrics.connection(true);
        Some(Open {
            app: Arc::clone(app),
            _room: room,
            _place: place,
        })
    }
}

/// What was accepted. When nothing can be, say for want of file descriptors, that is waited out.
async fn taken<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
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

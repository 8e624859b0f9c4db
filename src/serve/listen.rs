//! Listening: one thread per core, each with a current-thread runtime. They share the sockets, so that an
//! address has one service and no more, and a service manager can hold the sockets over a restart.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::sync::watch;

use super::App;
use super::admission::watch_load;
use super::anchors;
use super::connection::{Patience, Server};
use super::door::Doors;
use super::handed::Handed;
use super::health::Beat;
use super::queue::{Load, Queue};
use super::readiness::Phase;
use super::record::{put_down_the_pen, tend_the_pen};
use super::tls::Tls;
use crate::base::limits;
use crate::base::told::Told;

/// How to listen.
#[derive(Clone, Debug)]
pub struct Listening {
    /// The address without TLS. Port 0 takes a free one.
    pub address: SocketAddr,
    /// The address with TLS.
    pub tls: Option<SocketAddr>,
    /// The unix socket.
    pub unix: Option<PathBuf>,
    /// Threads; 0 for one per core.
    pub threads: usize,
    /// Open connections per thread and way in; more wait.
    pub connections_per_thread: usize,
    /// Open connections per remote address; more are closed at once. 0 is no limit.
    pub connections_per_address: usize,
    /// Seconds after which a connection is ended in an orderly way.
    pub connection_seconds: u64,
    /// Seconds a connection may be without requests.
    pub idle_seconds: u64,
    /// Seconds for the head of a request.
    pub header_seconds: u64,
    /// Seconds for a handshake.
    pub handshake_seconds: u64,
    /// Handshakes begun per second and thread; more wait.
    pub handshakes_per_second: NonZeroU32,
    /// How long anything may wait for its turn on a thread before calls are sent away.
    pub patience: Duration,
    /// How long the node says that it will close before it does.
    pub announce: Duration,
    /// Seconds a shutdown waits for open requests.
    pub drain_seconds: u64,
}

impl Listening {
    /// How many threads serve.
    pub fn threads(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

/// Why a service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Plain HTTP outside loopback.
    #[error("{0} is not a loopback address: without TLS, the service listens on loopback only")]
    NotLoopback(SocketAddr),
    /// Somebody else listens at the address.
    #[error("another process listens on {0}")]
    Taken(SocketAddr),
    /// A socket that was handed over is none that can be served.
    #[error("socket {0} of those that were handed over (LISTEN_FDS) does not listen")]
    OtherHanded(usize),
    /// A socket that was handed over is not configured.
    #[error("a socket on {0} was handed over (LISTEN_FDS), and the configuration does not name it")]
    NotConfigured(String),
    /// A socket cannot be shared between threads.
    #[error("cannot share a socket between threads")]
    Share(#[source] io::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Socket {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else listens on the unix socket.
    #[error("another process listens on {0}")]
    UnixTaken(PathBuf),
    /// Something else than a socket has its name.
    #[error("{0} is there already, and is no socket")]
    NotASocket(PathBuf),
    /// The unix socket cannot be made.
    #[error("cannot listen on {path}")]
    Unix {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// A service that listens.
pub struct Running {
    /// The address without TLS, with the port that was taken.
    pub address: SocketAddr,
    /// The address with TLS, with the port that was taken.
    pub tls: Option<SocketAddr>,
    /// How long the node says that it will close before it does.
    announce: Duration,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    app: Arc<App>,
    unix: Option<UnixFile>,
    /// Threads beside, which end by themselves when the node goes down.
    pub companions: Vec<JoinHandle<()>>,
}

impl Running {
    /// Says that it will close and goes on for a while, so that whoever sends callers here hears of it;
    /// then lets every connection end after an answer, stops listening, and returns when all is quiet.
    pub fn stop(self) {
        let was_ready = self.app.readiness.phase() == Phase::Ready;
        self.app.readiness.set(Phase::Draining);
        if was_ready {
            std::thread::sleep(self.announce);
        }
        self.app.health.close();
        self.app.news.end();
        drop(self.unix);
        // Threads that are gone already need no word.
        let _ = self.stop.send(true);
        for thread in self.threads.into_iter().chain(self.companions) {
            if thread.join().is_err() {
                tracing::error!("a serving thread had failed");
            }
        }
        // The serving threads have put down their pens: now the chains have their last entries.
        anchors::write_aloud(&self.app);
    }
}

/// A socket that listens.
struct Listener {
    socket: Socket,
    /// A service manager holds it, and it goes on after this process.
    is_lent: bool,
}

impl Listener {
    const fn own(socket: Socket) -> Self {
        let is_lent = false;
        Self { socket, is_lent }
    }

    fn lent(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let is_lent = true;
        Ok(Self { socket, is_lent })
    }

    /// The same socket for each thread, with the thread's load.
    fn shares(&self, threads: usize) -> io::Result<Vec<Share>> {
        let loads = Load::of_threads(threads).into_iter();
        let share = |load| {
            Ok(Share {
                socket: self.socket.try_clone()?,
                load,
                is_lent: self.is_lent,
            })
        };
        loads.map(share).collect()
    }
}

/// A thread's share of a socket.
struct Share {
    socket: Socket,
    load: Load,
    is_lent: bool,
}

impl Share {
    fn queue(self) -> io::Result<Queue> {
        Queue::new(self.socket, self.load, self.is_lent)
    }
}

/// One thread's sockets.
struct Sockets {
    plain: Share,
    tls: Option<(Share, Arc<Tls>)>,
    unix: Option<Share>,
}

/// Starts to serve; with `tls`, also on the address for it.
pub fn start(
    app: &Arc<App>,
    listening: &Listening,
    tls: Option<&Arc<Tls>>,
) -> Result<Running, ListenError> {
    start_with(app, listening, tls, Handed::default())
}

/// The same, on sockets that were handed over where there are such.
pub fn start_with(
    app: &Arc<App>,
    listening: &Listening,
    tls: Option<&Arc<Tls>>,
    mut handed: Handed,
) -> Result<Running, ListenError> {
    if !listening.address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(listening.address));
    }
    let threads = listening.threads();
    let shares = |listener: &Listener| listener.shares(threads).map_err(ListenError::Share);
    let (address, plain) = port(listening.address, &mut handed)?;
    let mut plain = shares(&plain)?;
    let secure = listening.tls.zip(tls);
    let (tls_address, mut secure) = match secure {
        Some((address, tls)) => {
            let (address, listener) = port(address, &mut handed)?;
            let shares = shares(&listener)?.into_iter();
            let secure: Vec<_> = shares.map(|share| (share, Arc::clone(tls))).collect();
            (Some(address), secure)
        }
        None => (None, Vec::new()),
    };
    let (mut unix, file) = match listening.unix.as_deref() {
        Some(path) => {
            let (listener, file) = unix_listener(path, &mut handed)?;
            (shares(&listener)?, file)
        }
        None => (Vec::new(), None),
    };
    handed.check_empty()?;
    let (stop, _) = watch::channel(false);
    let mut started = Vec::new();
    for number in (0..threads).rev() {
        let Some(plain) = plain.pop() else { break };
        let sockets = Sockets {
            plain,
            tls: secure.pop(),
            unix: unix.pop(),
        };
        let (app, stop, listening) = (Arc::clone(app), stop.subscribe(), listening.clone());
        let thread = std::thread::Builder::new()
            .name(format!("serve-{number}"))
            .spawn(move || {
                if let Err(error) = run(number, app, sockets, stop, listening) {
                    tracing::error!(error = %Told(&error), "a serving thread failed");
                }
            });
        started.push(thread.map_err(ListenError::Thread)?);
    }
    Ok(Running {
        address,
        tls: tls_address,
        announce: listening.announce,
        stop,
        threads: started,
        app: Arc::clone(app),
        unix: file,
        companions: Vec::new(),
    })
}

/// The socket at an address, with the port that was taken: the one that was handed over, or one of our own.
fn port(address: SocketAddr, handed: &mut Handed) -> Result<(SocketAddr, Listener), ListenError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address),
        _ => ListenError::Socket { address, source },
    };
    if let Some((address, socket)) = handed.port(address) {
        return Ok((address, Listener::lent(socket).map_err(failed)?));
    }
    let socket = socket(address).map_err(failed)?;
    let taken = socket.local_addr().map_err(failed)?.as_socket();
    Ok((taken.unwrap_or(address), Listener::own(socket)))
}

/// A socket that listens at an address where nobody else does: without `SO_REUSEPORT`, with which others
/// would share its callers.
fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // What is left of connections of an earlier service keeps nobody from starting.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::CONNECTIONS_QUEUED)?;
    Ok(socket)
}

/// The unix socket's file, removed when dropped, unless another has taken its name.
struct UnixFile {
    path: PathBuf,
    file: (u64, u64),
}

impl Drop for UnixFile {
    fn drop(&mut self) {
        let found = fs::symlink_metadata(&self.path);
        if found.is_ok_and(|found| (found.dev(), found.ino()) == self.file) {
            // What is left behind is replaced at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The unix socket: the one that was handed over, or one of our own, with its file.
fn unix_listener(
    path: &Path,
    handed: &mut Handed,
) -> Result<(Listener, Option<UnixFile>), ListenError> {
    let Some(socket) = handed.unix(path) else {
        let (socket, file) = unix_socket(path)?;
        return Ok((Listener::own(socket), Some(file)));
    };
    let listener = Listener::lent(socket).map_err(|source| ListenError::Unix {
        path: path.to_path_buf(),
        source,
    })?;
    Ok((listener, None))
}

/// The unix socket, for its owner and group. One that a dead process has left is replaced.
fn unix_socket(path: &Path) -> Result<(Socket, UnixFile), ListenError> {
    if let Ok(found) = fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(ListenError::NotASocket(path.to_path_buf()));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(ListenError::UnixTaken(path.to_path_buf()));
        }
    }
    let make = || {
        if path.exists() {
            fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // Nobody gets through before it listens.
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
        let found = fs::symlink_metadata(path)?;
        socket.listen(limits::CONNECTIONS_QUEUED)?;
        let file = UnixFile {
            path: path.to_path_buf(),
            file: (found.dev(), found.ino()),
        };
        Ok((socket, file))
    };
    make().map_err(|source| ListenError::Unix {
        path: path.to_path_buf(),
        source,
    })
}

/// A serving thread's sign of life, and the care of its pen, for as long as it serves.
async fn live(beat: Beat) {
    loop {
        tokio::time::sleep(limits::HEALTH_EVERY).await;
        beat.renew();
        tend_the_pen();
    }
}

fn run(
    number: usize,
    app: Arc<App>,
    sockets: Sockets,
    stop: watch::Receiver<bool>,
    listening: Listening,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let drain = Duration::from_secs(listening.drain_seconds);
    let patience = Patience {
        head: Duration::from_secs(listening.header_seconds),
        idle: Duration::from_secs(listening.idle_seconds),
        whole: Duration::from_secs(listening.connection_seconds),
        end: drain,
    };
    let secure = sockets.tls.as_ref().map(|(_, tls)| Arc::clone(tls));
    runtime.block_on(async {
        tokio::spawn(watch_load(listening.patience, app.metrics.lag(number)));
        tokio::spawn(live(app.health.beat()));
        let doors = Doors {
            server: Arc::new(Server::new(app, secure, patience)),
            listening,
            stop,
            ending: watch::channel(false).0,
        };
        let plain = sockets.plain.queue()?;
        let tls = match sockets.tls {
            Some((share, tls)) => Some((share.queue()?, tls)),
            None => None,
        };
        let unix = sockets.unix.map(Share::queue).transpose()?;
        let tls = async {
            if let Some((queue, tls)) = tls {
                doors.tls(queue, &tls).await;
            }
        };
        let unix = async {
            if let Some(queue) = unix {
                doors.unix(queue).await;
            }
        };
        // Each is closed, and its socket with it, when told to stop.
        let ending = async {
            // Nobody says any more when to stop: then it is now.
            let _ = doors.stop.clone().wait_for(|it| *it).await;
            doors.ending.send_replace(true);
        };
        tokio::join!(doors.plain(plain), tls, unix, ending);
        let drained = tokio::time::timeout(drain, doors.ending.closed());
        if drained.await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        Ok::<(), io::Error>(())
    })?;
    // A search that outlasts the patience is left to end with the process.
    runtime.shutdown_background();
    put_down_the_pen();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_service_whatever_its_form() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (first, second) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("0.0.0.0:0", "127.0.0.1:0"),
            ("127.0.0.1:0", "0.0.0.0:0"),
            ("[::]:0", "[::1]:0"),
            ("[::1]:0", "[::]:0"),
            ("[::]:0", "127.0.0.1:0"),
            ("127.0.0.1:0", "[::]:0"),
        ] {
            let (taken, listener) = port(at(first), &mut Handed::default()).unwrap();
            let mut wanted = at(second);
            wanted.set_port(taken.port());
            let refused = port(wanted, &mut Handed::default()).err().unwrap();
            assert_eq!(
                refused.to_string(),
                format!("another process listens on {wanted}"),
                "after {first}"
            );
            drop(listener);
            port(wanted, &mut Handed::default()).unwrap();
        }
    }
}

//! Listening: one thread per core, each with a current-thread runtime and sockets of its own on
//! the same ports (`SO_REUSEPORT`), so that no two cores share a queue. The unix socket, which has no
//! ports, is shared.

use std::fs::{self, Permissions};
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::App;
use super::admission::watch_load;
use super::anchors;
use super::connection::{Patience, Server};
use super::door::Doors;
use super::readiness::Phase;
use super::record::put_down_the_pen;
use super::tls::Tls;
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
    /// Seconds for the head of a request.
    pub header_seconds: u64,
    /// Seconds for a handshake.
    pub handshake_seconds: u64,
    /// Handshakes begun per second and thread; more wait.
    pub handshakes_per_second: NonZeroU32,
    /// How long anything may wait for its turn on a thread before calls are sent away.
    pub patience: Duration,
    /// Seconds a shutdown waits for open requests.
    pub drain_seconds: u64,
}

/// Why a service cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Plain HTTP outside loopback.
    #[error("{0} is not a loopback address: without TLS, the service listens on loopback only")]
    NotLoopback(SocketAddr),
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
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    app: Arc<App>,
    unix: Option<UnixFile>,
    /// Threads beside, which end by themselves when the node goes down.
    pub companions: Vec<JoinHandle<()>>,
}

impl Running {
    /// Stops listening, lets open requests finish, and returns when all is quiet.
    pub fn stop(self) {
        self.app.readiness.set(Phase::Draining);
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

/// One thread's sockets.
struct Sockets {
    plain: Socket,
    tls: Option<(Socket, Arc<Tls>)>,
    unix: Option<Socket>,
}

/// Starts to serve; with `tls`, also on the address for it.
pub fn start(
    app: &Arc<App>,
    listening: &Listening,
    tls: Option<&Arc<Tls>>,
) -> Result<Running, ListenError> {
    if !listening.address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(listening.address));
    }
    let threads = match listening.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let (address, plain) = ports(listening.address, threads)?;
    let (tls_address, mut tls_sockets) = match listening.tls.filter(|_| tls.is_some()) {
        Some(address) => {
            let (address, sockets) = ports(address, threads)?;
            (Some(address), sockets)
        }
        None => (None, Vec::new()),
    };
    let unix = listening.unix.as_deref().map(unix_socket).transpose()?;
    let (stop, _) = watch::channel(false);
    let mut started = Vec::new();
    for (number, plain) in plain.into_iter().enumerate() {
        let unix = unix.as_ref().map(|(socket, _)| socket.try_clone());
        let sockets = Sockets {
            plain,
            tls: tls_sockets.pop().zip(tls.cloned()),
            unix: unix.transpose().map_err(ListenError::Thread)?,
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
        stop,
        threads: started,
        app: Arc::clone(app),
        unix: unix.map(|(_, file)| file),
        companions: Vec::new(),
    })
}

/// A socket per thread on one address, and that address with the port that was taken.
fn ports(address: SocketAddr, threads: usize) -> Result<(SocketAddr, Vec<Socket>), ListenError> {
    let failed = |source| ListenError::Socket { address, source };
    let first = socket(address).map_err(failed)?;
    let taken = first.local_addr().map_err(failed)?;
    let taken = taken
        .as_socket()
        .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(socket(taken).map_err(failed)?);
    }
    Ok((taken, sockets))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
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
        socket.listen(1024)?;
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

fn run(
    number: usize,
    app: Arc<App>,
    sockets: Sockets,
    mut stop: watch::Receiver<bool>,
    listening: Listening,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let drain = Duration::from_secs(listening.drain_seconds);
    let patience = Patience {
        head: Duration::from_secs(listening.header_seconds),
        whole: Duration::from_secs(listening.connection_seconds),
        end: drain,
    };
    let secure = sockets.tls.as_ref().map(|(_, tls)| Arc::clone(tls));
    runtime.block_on(async {
        tokio::spawn(watch_load(listening.patience, app.metrics.lag(number)));
        let doors = Doors {
            server: Arc::new(Server::new(app, secure, patience)),
            listening,
            ending: watch::channel(()).0,
        };
        let plain = TcpListener::from_std(sockets.plain.into())?;
        let tls = match sockets.tls {
            Some((socket, tls)) => Some((TcpListener::from_std(socket.into())?, tls)),
            None => None,
        };
        let unix = match sockets.unix {
            Some(socket) => Some(UnixListener::from_std(socket.into())?),
            None => None,
        };
        let tls = async {
            match tls {
                Some((listener, tls)) => doors.tls(listener, &tls).await,
                None => pending().await,
            }
        };
        let unix = async {
            match unix {
                Some(listener) => doors.unix(listener).await,
                None => pending().await,
            }
        };
        // The doors are closed, and their sockets with them, when told to stop.
        tokio::select! {
            () = doors.plain(plain) => {}
            () = tls => {}
            () = unix => {}
            _ = stop.changed() => {}
        }
        let _ = doors.ending.send(());
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

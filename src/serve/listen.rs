//! Listening: one thread per core, each with a current-thread runtime and a socket of its own on
//! the same port (`SO_REUSEPORT`), so that no two cores share a queue.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::App;
use super::readiness::Phase;
use super::route::answer;

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    /// The address. Port 0 takes a free one.
    pub address: SocketAddr,
    /// Threads; 0 for one per core.
    pub threads: usize,
    /// Open connections per thread; more wait.
    pub connections_per_thread: usize,
    /// Seconds for the head of a request.
    pub header_seconds: u64,
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
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// A service that listens.
pub struct Running {
    /// The address, with the port that was taken.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
    app: Arc<App>,
    /// Threads beside, which end by themselves when the node goes down.
    pub companions: Vec<JoinHandle<()>>,
}

impl Running {
    /// Stops listening, lets open requests finish, and returns when all is quiet.
    pub fn stop(self) {
        self.app.readiness.set(Phase::Draining);
        self.app.news.end();
        // Threads that are gone already need no word.
        let _ = self.stop.send(true);
        for thread in self.threads.into_iter().chain(self.companions) {
            if thread.join().is_err() {
                tracing::error!("a serving thread had failed");
            }
        }
    }
}

/// Starts to serve.
pub fn start(app: &Arc<App>, listening: Listening) -> Result<Running, ListenError> {
    if !listening.address.ip().is_loopback() {
        return Err(ListenError::NotLoopback(listening.address));
    }
    let failed = |source| ListenError::Socket {
        address: listening.address,
        source,
    };
    let first = socket(listening.address).map_err(failed)?;
    let address = first
        .local_addr()
        .map_err(failed)?
        .as_socket()
        .unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let threads = match listening.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(socket(address).map_err(failed)?);
    }
    let (stop, _) = watch::channel(false);
    let threads = sockets
        .into_iter()
        .enumerate()
        .map(|(number, socket)| {
            let (app, stop) = (Arc::clone(app), stop.subscribe());
            let listener = socket.into();
            std::thread::Builder::new()
                .name(format!("serve-{number}"))
                .spawn(move || {
                    if let Err(error) = run(&app, listener, stop, listening) {
                        tracing::error!(%error, "a serving thread failed");
                    }
                })
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(ListenError::Thread)?;
    Ok(Running {
        address,
        stop,
        threads,
        app: Arc::clone(app),
        companions: Vec::new(),
    })
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

fn run(
    app: &Arc<App>,
    listener: std::net::TcpListener,
    mut stop: watch::Receiver<bool>,
    listening: Listening,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let open = Arc::new(Semaphore::new(listening.connections_per_thread));
        let graceful = GracefulShutdown::new();
        let http = http(listening);
        loop {
            let accepted = tokio::select! {
                accepted = accept(&listener, &open) => accepted,
                _ = stop.changed() => break,
            };
            let Some((stream, permit)) = accepted else {
                continue;
            };
            let (app, http) = (Arc::clone(app), http.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                app.metrics.connection(true);
                let service = {
                    let app = Arc::clone(&app);
                    service_fn(move |request| {
                        answer(
                            Arc::clone(&app),
                            Arc::new(super::peer::Peer::Local),
                            request,
                        )
                    })
                };
                let connection = http.serve_connection(TokioIo::new(stream), service);
                if let Err(error) = watcher.watch(connection.into_owned()).await {
                    tracing::debug!(%error, "connection ended");
                }
                app.metrics.connection(false);
                drop(permit);
            });
        }
        drop(listener);
        let drained = tokio::time::timeout(
            Duration::from_secs(listening.drain_seconds),
            graceful.shutdown(),
        );
        if drained.await.is_err() {
            tracing::warn!("some requests did not finish in time");
        }
        Ok::<(), io::Error>(())
    })?;
    // A search that outlasts the patience is left to end with the process.
    runtime.shutdown_background();
    Ok(())
}

/// The next connection, when there is room for one more.
async fn accept(
    listener: &TcpListener,
    open: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(open).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            // Answers are written in one piece: nothing is gained by waiting for more.
            let _ = stream.set_nodelay(true);
            Some((stream, permit))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(Duration::from_millis(10)).await;
            None
        }
    }
}

fn http(listening: Listening) -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(listening.header_seconds))
        .max_buf_size(64 * 1024)
        .pipeline_flush(true);
    http.http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(128)
        .keep_alive_interval(Some(Duration::from_secs(30)));
    http
}

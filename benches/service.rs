//! The service over real sockets, against bare hyper with the same bytes in and out: one serving
//! thread each, 32 connections that wait for their answers, turns of a second side by side, medians
//! over the turns; plain and by mutual TLS, with and without the record of disclosures. Processor time is that of the serving thread.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark"
)]

mod register;

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pu::access::authority::{Authority, Issued, Order};
use pu::access::hsa::HsaId;
use pu::cli::config::Config;
use pu::cli::serve::begin;
use pu::serve::readiness::Phase;
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use register::{Asked, Bench, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let (rounds, turn) = if quick { (1, 50) } else { (12, 1000) };
    let bench = Bench::open();
    let town = Town::new();
    println!(
        "{:<44} {:>9} {:>9} {:>8} {:>8} {:>7} {:>7}",
        "", "pu req/s", "bare", "pu µs", "bare µs", "rate", "cpu"
    );
    for (record, said) in [(false, ""), (true, ", audit")] {
        let (app, running) = begin(&town.config(record)).unwrap_or_else(|error| panic!("{error}"));
        while app.readiness.phase() != Phase::Ready {
            std::thread::sleep(Duration::from_millis(1));
        }
        let plain = Way {
            said: "plain",
            address: running.address,
            tls: None,
        };
        let tls = running.tls.map(|address| Way {
            said: "mutual TLS",
            address,
            tls: Some(town.client()),
        });
        for (name, count) in [("get_person_p3_v5", 1), ("get_500_persons_p3_v5", 500)] {
            let asked = Asked {
                major: 5,
                profile: "P3",
                count,
            };
            let bodies: Vec<String> = (0..256).map(|turn| request(&bench, &asked, turn)).collect();
            let path = pu::wire::contract::find("GetPersonsForProfile", 5)
                .unwrap()
                .path();
            let requests: Arc<Vec<Bytes>> =
                Arc::new(bodies.iter().map(|body| http(&path, body)).collect());
            let answer = one_answer(&plain, &requests[0]);
            for way in std::iter::once(&plain).chain(&tls) {
                let row = format!("{name}, {}{said}", way.said);
                if !wanted(&row) {
                    continue;
                }
                let bare = bare(answer.clone(), bodies[0].len(), way, &town);
                let measured = compare(rounds, || {
                    let ours = load(way, "serve-0", &requests, turn);
                    (ours, load(&bare, "bare", &requests, turn))
                });
                println!("{row:<44} {measured}");
            }
        }
        let anew = "handshake and one request, mutual TLS";
        if let Some(tls) = tls.as_ref().filter(|_| wanted(anew)) {
            let path = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let requests = Arc::new(vec![Bytes::from_static(path.as_bytes())]);
            let bare = bare(Bytes::from_static(b"ok\n"), 0, tls, &town);
            let measured = compare(rounds, || {
                let ours = connect_anew(tls, "serve-0", &requests[0], turn);
                (ours, connect_anew(&bare, "bare", &requests[0], turn))
            });
            println!("{anew:<44} {measured}");
        }
        running.stop();
    }
}

/// Whether a row is asked for: those whose names hold every word given, all when none is.
fn wanted(row: &str) -> bool {
    let words = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    words.into_iter().all(|word| row.contains(&word))
}

/// A way into a server.
struct Way {
    said: &'static str,
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Way {
    async fn connect(&self) -> Pipe {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let connector = TlsConnector::from(Arc::clone(config));
                Box::new(connector.connect(name, stream).await.unwrap())
            }
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}
type Pipe = Box<dyn Both>;

/// An authority, what it has issued, and where it lies.
struct Town {
    folder: tempfile::TempDir,
    root: Authority,
    server: Issued,
    client: Issued,
}

impl Town {
    fn new() -> Self {
        let root = Authority::root("Bench").unwrap();
        let hsa = HsaId::parse("SE0000000000-BENCH").unwrap();
        let hosts = ["localhost".to_owned()];
        let server = root.issue(&Order::server("pu", &hsa, &hosts)).unwrap();
        let client = root.issue(&Order::client("bench", &hsa)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let town = Self {
            folder,
            root,
            server,
            client,
        };
        town.write("ca.pem", &town.root.certificate());
        town.write("server.pem", &town.server.chain);
        town.write("server-key.pem", &town.server.key);
        town.write(
            "consumers.toml",
            "[[consumer]]\nhsa_id = \"SE0000000000-BENCH\"\nname = \"bench\"\ncategory = \"region\"\n\
             valid_from = 2020-01-01\nvalid_to = 2099-12-31\nlogical_addresses = [\"SE165565594230-1000\"]\n\
             limits = { requests_per_second = 1000000, burst = 1000000, concurrent = 100000, cpu = \"24h\" }\n\
             [consumer.contracts]\nGetPersonsForProfile = [5]\n",
        );
        town
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// A service with TLS and a record of disclosures, or one with neither that is open to everybody.
    fn config(&self, record: bool) -> Config {
        let mut config = Config {
            data: register::folder(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 1,
            ..Config::default()
        };
        config.limits.patience_milliseconds = 10_000;
        config.audit.record = record;
        if !record {
            config.access.open = true;
            return config;
        }
        config.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.tls.certificate = Some(self.path("server.pem"));
        config.tls.key = Some(self.path("server-key.pem"));
        config.tls.client_authorities = vec![self.path("ca.pem")];
        config.limits.handshakes_per_second = NonZeroU32::MAX;
        config.limits.connections_per_address = 0;
        config.access.consumers = Some(self.path("consumers.toml"));
        config.access.local_consumer = Some("SE0000000000-BENCH".to_owned());
        config.audit.folder = Some(self.path("audit"));
        config
    }

    /// A caller that never resumes a session.
    fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.certificate().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain(&self.client), key(&self.client))
            .unwrap();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    }

    /// What bare hyper serves with: the same certificates, asked of the caller in the same way.
    fn server(&self) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.certificate().as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain(&self.server), key(&self.server));
        Arc::new(config.unwrap())
    }
}

fn chain(issued: &Issued) -> Vec<CertificateDer<'static>> {
    let chain: Result<_, _> = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).collect();
    chain.unwrap()
}

fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap()
}

/// Ours and theirs, side by side: the medians, and the medians of what each turn says.
fn compare(rounds: usize, mut turn: impl FnMut() -> (Load, Load)) -> String {
    let turns: Vec<(Load, Load)> = (0..rounds).map(|_| turn()).collect();
    let median = |of: &dyn Fn(&(Load, Load)) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    format!(
        "{:>9.0} {:>9.0} {:>8.1} {:>8.1} {:>7.2} {:>7.2}",
        median(&|(ours, _)| ours.rate),
        median(&|(_, bare)| bare.rate),
        median(&|(ours, _)| ours.cpu),
        median(&|(_, bare)| bare.cpu),
        median(&|(ours, bare)| ours.rate / bare.rate),
        median(&|(ours, bare)| ours.cpu / bare.cpu),
    )
}

fn http(path: &str, body: &str) -> Bytes {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

struct Load {
    rate: f64,
    /// Microseconds of processor per request.
    cpu: f64,
}

/// Loads a server for some milliseconds.
fn load(way: &Way, thread: &str, requests: &Arc<Vec<Bytes>>, millis: u64) -> Load {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (done, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let mut pipes = Vec::new();
        for _ in 0..CONNECTIONS {
            pipes.push(way.connect().await);
        }
        let clients: Vec<_> = pipes
            .into_iter()
            .enumerate()
            .map(|(client, mut stream)| {
                let (requests, done, stop) =
                    (Arc::clone(requests), Arc::clone(&done), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 2 << 20];
                    let mut turn = client;
                    while !stop.load(Ordering::Relaxed) {
                        turn = (turn + 1) % requests.len();
                        stream.write_all(&requests[turn]).await.unwrap();
                        stream.flush().await.unwrap();
                        receive(&mut stream, &mut buffer).await;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(millis / 10)).await;
        let (first, cpu, began) = (
            done.load(Ordering::Relaxed),
            processor(thread),
            Instant::now(),
        );
        tokio::time::sleep(Duration::from_millis(millis)).await;
        let count = (done.load(Ordering::Relaxed) - first).max(1) as f64;
        let cpu = processor(thread) - cpu;
        let seconds = began.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.await.unwrap();
        }
        Load {
            rate: count / seconds,
            cpu: cpu * 1e6 / count,
        }
    })
}

/// Connects, asks once and hangs up, again and again, on one connection at a time.
fn connect_anew(way: &Way, thread: &str, request: &Bytes, millis: u64) -> Load {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (cpu, began) = (processor(thread), Instant::now());
        let mut count = 0.0;
        let mut buffer = vec![0; 64 << 10];
        while began.elapsed() < Duration::from_millis(millis) {
            let mut stream = way.connect().await;
            stream.write_all(request).await.unwrap();
            stream.flush().await.unwrap();
            receive(&mut stream, &mut buffer).await;
            count += 1.0;
        }
        Load {
            rate: count / began.elapsed().as_secs_f64(),
            cpu: (processor(thread) - cpu) * 1e6 / count,
        }
    })
}

/// Reads one answer; how long it is.
async fn receive(stream: &mut Pipe, buffer: &mut [u8]) -> usize {
    let mut have = 0;
    loop {
        have += stream.read(&mut buffer[have..]).await.unwrap();
        let Some(head) = memchr::memmem::find(&buffer[..have], b"\r\n\r\n") else {
            continue;
        };
        assert!(
            buffer.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&buffer[..have])
        );
        let name = b"content-length: ";
        let at = memchr::memmem::find(&buffer[..head], name).unwrap() + name.len();
        let digits = buffer[at..].iter().take_while(|byte| byte.is_ascii_digit());
        let length = digits.fold(0, |sum, byte| sum * 10 + usize::from(byte - b'0'));
        if have >= head + 4 + length {
            return length;
        }
    }
}

fn one_answer(way: &Way, request: &Bytes) -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stream = way.connect().await;
        stream.write_all(request).await.unwrap();
        let mut buffer = vec![0; 2 << 20];
        let length = receive(&mut stream, &mut buffer).await;
        let end = memchr::memmem::find(&buffer, b"\r\n\r\n").unwrap() + 4 + length;
        Bytes::copy_from_slice(&buffer[end - length..end])
    })
}

/// hyper and nothing else: takes the body in, gives the bytes out.
fn bare(answer: Bytes, expected: usize, like: &Way, town: &Town) -> Way {
    let acceptor = like.tls.as_ref().map(|_| TlsAcceptor::from(town.server()));
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("bare".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let (answer, acceptor) = (answer.clone(), acceptor.clone());
                    tokio::spawn(async move {
                        let stream: Pipe = match acceptor {
                            None => Box::new(stream),
                            Some(acceptor) => match acceptor.accept(stream).await {
                                Ok(stream) => Box::new(stream),
                                Err(_) => return,
                            },
                        };
                        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                            let answer = answer.clone();
                            async move {
                                let body = request.into_body().collect().await.unwrap().to_bytes();
                                assert!(body.len() + 100 > expected, "the whole body");
                                let mut response = Response::new(Full::new(answer));
                                let xml = hyper::header::HeaderValue::from_static(
                                    "text/xml; charset=UTF-8",
                                );
                                response
                                    .headers_mut()
                                    .insert(hyper::header::CONTENT_TYPE, xml);
                                Ok::<_, Infallible>(response)
                            }
                        });
                        let io = TokioIo::new(stream);
                        let _ = hyper::server::conn::http1::Builder::new()
                            .serve_connection(io, service)
                            .await;
                    });
                }
            });
        })
        .unwrap();
    Way {
        said: "bare",
        address: told.recv().unwrap(),
        tls: like.tls.clone(),
    }
}

/// Seconds of processor that the threads of this name have used. A new bare server is the last.
fn processor(name: &str) -> f64 {
    let nanos: u64 = fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| {
            let folder = task.ok()?.path();
            let comm = fs::read_to_string(folder.join("comm")).ok()?;
            (comm.trim() == name).then_some(())?;
            fs::read_to_string(folder.join("schedstat"))
                .ok()?
                .split(' ')
                .next()?
                .parse::<u64>()
                .ok()
        })
        .sum();
    nanos as f64 / 1e9
}

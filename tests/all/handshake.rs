//! The handshake: who is let in and who is not, new files while the service runs, and callers who take
//! too much or too long.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pu::access::authority::{Authority, DAY, Issued, Order, Usage};
use pu::access::hsa::HsaId;
use pu::cli::config::Config;
use pu::cli::serve::begin;
use pu::serve::listen::start;
use pu::serve::tls::material::{ExpiredLists, UnknownConsumers};
use pu::serve::tls::{Looked, Tls};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::program::{Serving, pu};
use crate::support::{Ask, PNR, Service, persons, register};

const CHILD: &str = "201001012382";

/// The one consumer, with what the tests ask for.
const CONSUMERS: &str = r#"
    [[consumer]]
    hsa_id = "SE0000000000-TEST"
    name = "Test"
    category = "region"
    valid_from = 2020-01-01
    valid_to = 2099-12-31
    logical_addresses = ["SE165565594230-1000"]
    [consumer.contracts]
    GetPersonsForProfile = [3, 4, 5]
"#;

/// A register with an authority of its own, and the files of TLS.
pub struct Town {
    folder: TempDir,
    pub root: Authority,
    hsa: HsaId,
}

impl Town {
    pub fn new() -> Self {
        let town = Self {
            folder: register(persons()),
            root: Authority::root("Root").unwrap(),
            hsa: HsaId::parse("SE0000000000-TEST").unwrap(),
        };
        town.write("ca.pem", &town.root.certificate());
        town.write("consumers.toml", CONSUMERS);
        town.serve_anew();
        town.revoke(&[]);
        town
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    /// A server's certificate and key.
    fn serve_anew(&self) {
        let hosts = ["localhost".to_owned()];
        let server = self.root.issue(&Order::server("pu", &self.hsa, &hosts));
        let server = server.unwrap();
        self.write("server.pem", &server.chain);
        self.write("server-key.pem", &server.key);
    }

    /// The root's list of what is revoked.
    fn revoke(&self, revoked: &[&Issued]) {
        self.write(
            "crl.pem",
            &list(&self.root, revoked, SystemTime::now() + DAY),
        );
    }

    fn client(&self) -> Issued {
        self.root.issue(&Order::client("Test", &self.hsa)).unwrap()
    }

    /// Serves with TLS, and with more said of the configuration.
    pub fn serve(self, change: impl FnOnce(&mut Config)) -> (Service, Files) {
        let (files, root) = (Files::of(self.folder.path()), self.root.certificate());
        let service = Service::over(self.folder, |config| {
            config.access.open = false;
            config.access.consumers = Some(files.path("consumers.toml"));
            config.access.local_consumer = Some("SE0000000000-TEST".to_owned());
            config.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
            config.tls.certificate = Some(files.path("server.pem"));
            config.tls.key = Some(files.path("server-key.pem"));
            config.tls.client_authorities = vec![files.path("ca.pem")];
            config.tls.revocation_lists = vec![files.path("crl.pem")];
            change(config);
        });
        (service, Files { root, ..files })
    }
}

/// The files of a town that is served.
pub struct Files {
    folder: PathBuf,
    pub root: String,
}

impl Files {
    fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_path_buf(),
            root: String::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn list(authority: &Authority, revoked: &[&Issued], until: SystemTime) -> String {
    let from = SystemTime::now() - DAY * 2;
    authority.revocation_list(revoked, from, until).unwrap()
}

fn tls(service: &Service) -> &Arc<Tls> {
    service.app.tls.as_ref().unwrap()
}

/// How many handshakes failed for a reason.
fn failed(service: &Service, reason: &str) -> u64 {
    let mut failed = tls(service).handshakes.failed();
    failed.find(|(name, _)| *name == reason).unwrap().1
}

/// A client that trusts `root` and shows a certificate.
pub fn client(
    root: &str,
    shown: Option<&Issued>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).unwrap();
    roots.add(root).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => config.with_no_client_auth(),
        Some(shown) => {
            let chain: Result<Vec<_>, _> =
                CertificateDer::pem_slice_iter(shown.chain.as_bytes()).collect();
            let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain.unwrap(), key).unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|it| it.to_vec()).collect();
    Arc::new(config)
}

pub fn usual(files: &Files, shown: &Issued) -> Arc<ClientConfig> {
    client(&files.root, Some(shown), &[&TLS13, &TLS12], &[])
}

/// An HTTP/1.1 connection over TLS.
pub struct Secure(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secure {
    fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::clone(config), name).unwrap();
        Self(BufReader::new(StreamOwned::new(session, stream)))
    }

    pub fn service(service: &Service, config: &Arc<ClientConfig>) -> Self {
        Self::connect(service.tls.unwrap(), config)
    }

    /// The status of a GET.
    pub fn get(&mut self) -> io::Result<u16> {
        self.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        Ok(self.receive()?.0)
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)?;
        self.0.get_mut().flush()
    }

    pub fn receive(&mut self) -> io::Result<(u16, String)> {
        receive(&mut self.0)
    }

    /// Whatever comes until the connection ends.
    pub fn rest(&mut self) -> String {
        let mut heard = Vec::new();
        // One that is cut off has said what it had to say.
        let _ = self.0.read_to_end(&mut heard);
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn session(&self) -> &ClientConnection {
        &self.0.get_ref().conn
    }
}

/// Reads an answer.
fn receive(stream: &mut impl BufRead) -> io::Result<(u16, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.to_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap();
    let length = length.split('\r').next().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((status, String::from_utf8(body).unwrap()))
}

/// Waits until something is so.
fn until(what: &str, so: impl Fn() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

async fn secure_stream(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = tokio_rustls::TlsConnector::from(config);
    connector.connect(name, stream).await.unwrap()
}

#[test]
fn a_good_caller_is_let_in_by_both_versions_of_tls_and_of_http() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|_| {});
    for version in [&TLS12, &TLS13] {
        let config = client(&files.root, Some(&shown), &[version], &[b"http/1.1"]);
        let mut caller = Secure::service(&service, &config);
        assert_eq!(caller.get().unwrap(), 200);
        assert_eq!(caller.get().unwrap(), 200, "and again");
        assert_eq!(caller.session().protocol_version(), Some(version.version));

        let config = client(&files.root, Some(&shown), &[version], &[b"h2"]);
        let status = block_on(async {
            let stream = secure_stream(service.tls.unwrap(), config).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            tokio::spawn(connection);
            let request = Request::get("https://localhost/readyz");
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            let status = answer.status().as_u16();
            answer.into_body().collect().await.unwrap();
            status
        });
        assert_eq!(status, 200);
    }
    assert_eq!(tls(&service).handshakes.done(), 4);
    assert!(tls(&service).certificate_seconds() > 700 * 24 * 60 * 60);
    let lists = tls(&service).revocation_list_seconds().unwrap();
    assert!((80_000..=86_400).contains(&lists), "{lists}");
}

#[test]
fn each_wrong_caller_is_refused_for_its_own_reason() {
    let town = Town::new();
    let now = SystemTime::now();
    let good = Order::client("Test", &town.hsa);
    let issue = |change: &dyn Fn(&mut Order)| {
        let mut order = good.clone();
        change(&mut order);
        town.root.issue(&order).unwrap()
    };
    let nobody = HsaId::parse("SE0000000000-STRANGER").unwrap();
    let stranger = Order::client("Stranger", &nobody);
    let between = town.root.under("Between").unwrap();
    let other = Authority::root("Other").unwrap();
    let revoked = issue(&|_| {});
    town.revoke(&[&revoked]);
    let callers = [
        ("no_certificate", None),
        ("expired", Some(issue(&|it| it.until = now - DAY / 48))),
        ("not_valid_yet", Some(issue(&|it| it.from = now + DAY))),
        ("revoked", Some(revoked)),
        (
            "unknown_issuer",
            Some(Authority::self_signed(&good).unwrap()),
        ),
        ("unknown_issuer", Some(other.issue(&good).unwrap())),
        ("wrong_usage", Some(issue(&|it| it.usage = Usage::Server))),
        ("wrong_usage", Some(issue(&|it| it.usage = Usage::Unsaid))),
        (
            "unknown_consumer",
            Some(town.root.issue(&stranger).unwrap()),
        ),
        ("no_hsa_id", Some(issue(&|it| it.hsa = None))),
        ("revocation_unknown", Some(between.issue(&good).unwrap())),
    ];
    let (service, files) = town.serve(|_| {});
    for (reason, shown) in &callers {
        for version in [&TLS12, &TLS13] {
            let before = failed(&service, reason);
            let config = client(&files.root, shown.as_ref(), &[version], &[]);
            let refused = Secure::service(&service, &config).get();
            assert!(refused.is_err(), "{reason}: {refused:?}");
            until(reason, || failed(&service, reason) == before + 1);
        }
    }
    let total: u64 = tls(&service)
        .handshakes
        .failed()
        .map(|(_, count)| count)
        .sum();
    assert_eq!((tls(&service).handshakes.done(), total), (0, 22));
}

#[test]
fn an_authority_in_between_needs_a_list_of_its_own() {
    let town = Town::new();
    let between = town.root.under("Between").unwrap();
    let shown = between.issue(&Order::client("Test", &town.hsa)).unwrap();
    let tomorrow = SystemTime::now() + DAY;
    let lists = list(&between, &[], tomorrow) + &list(&town.root, &[], tomorrow);
    town.write("crl.pem", &lists);
    let (service, files) = town.serve(|_| {});
    let config = usual(&files, &shown);
    assert_eq!(Secure::service(&service, &config).get().unwrap(), 200);
    drop(service);

    let town = Town::new();
    let between = town.root.under("Between").unwrap();
    let shown = between.issue(&Order::client("Test", &town.hsa)).unwrap();
    let (service, files) = town.serve(|config| config.tls.revocation_lists.clear());
    let config = usual(&files, &shown);
    assert_eq!(Secure::service(&service, &config).get().unwrap(), 200);
}

#[test]
fn a_list_that_is_too_old_lets_nobody_in_unless_the_operator_says_so() {
    for (rule, lets_in) in [(ExpiredLists::Refuse, false), (ExpiredLists::Accept, true)] {
        let town = Town::new();
        let shown = town.client();
        let old = list(&town.root, &[], SystemTime::now() - DAY);
        town.write("crl.pem", &old);
        let (service, files) = town.serve(|config| config.tls.expired_revocation_lists = rule);
        let config = usual(&files, &shown);
        let status = Secure::service(&service, &config).get();
        assert_eq!(status.is_ok(), lets_in, "{status:?}");
        until("it is counted", || {
            failed(&service, "revocation_unknown") == u64::from(!lets_in)
        });
        assert!(tls(&service).revocation_list_seconds().unwrap() < 0);
    }
}

#[test]
fn new_files_are_taken_while_open_connections_go_on() {
    let town = Town::new();
    let (good, bad) = (town.client(), town.client());
    let (hsa, new_list) = (
        town.hsa.clone(),
        list(&town.root, &[&bad], SystemTime::now() + DAY),
    );
    let hosts = ["localhost".to_owned()];
    let server = town.root.issue(&Order::server("pu", &hsa, &hosts)).unwrap();
    let (service, files) = town.serve(|_| {});
    let (good, bad) = (usual(&files, &good), usual(&files, &bad));
    let connect = |config| {
        let mut caller = Secure::service(&service, config);
        assert_eq!(caller.get().unwrap(), 200);
        caller
    };
    let (mut open, mut lost) = (connect(&good), connect(&bad));
    let certificate = |caller: &Secure| caller.session().peer_certificates().unwrap()[0].clone();
    let first = certificate(&open);

    // By itself, the service sees new files within seconds.
    fs::write(files.path("server.pem"), server.chain).unwrap();
    fs::write(files.path("server-key.pem"), server.key).unwrap();
    until("new certificates are taken", || {
        tls(&service).generation() > 1
    });
    assert_ne!(certificate(&connect(&good)), first);
    assert_eq!(open.get().unwrap(), 200);
    assert_eq!(lost.get().unwrap(), 200);

    let generation = tls(&service).generation();
    fs::write(files.path("crl.pem"), new_list).unwrap();
    tls(&service).look();
    assert_eq!(tls(&service).generation(), generation + 1);
    assert_eq!(open.get().unwrap(), 200, "whose certificate is good");
    assert_eq!(lost.get().unwrap(), 403, "whose certificate is revoked");
    assert!(lost.get().is_err(), "and the connection is closed");
    assert_eq!(tls(&service).handshakes.lost(), 1);
    assert!(Secure::service(&service, &bad).get().is_err());
    until("a revoked caller", || failed(&service, "revoked") == 1);
}

#[test]
fn a_revoked_caller_loses_its_http_2_connection() {
    let town = Town::new();
    let bad = town.client();
    let new_list = list(&town.root, &[&bad], SystemTime::now() + DAY);
    let (service, files) = town.serve(|_| {});
    let config = client(&files.root, Some(&bad), &[&TLS13], &[b"h2"]);
    block_on(async {
        let stream = secure_stream(service.tls.unwrap(), config).await;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        for expected in [200, 403] {
            let request = Request::get("https://localhost/readyz");
            let request = request.body(Empty::<Bytes>::new()).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status().as_u16(), expected);
            fs::write(files.path("crl.pem"), &new_list).unwrap();
            tls(&service).look();
        }
        let ended = tokio::time::timeout(Duration::from_secs(20), connection).await;
        assert!(ended.is_ok(), "the connection is closed");
    });
}

#[test]
fn files_that_cannot_be_used_leave_the_old_in_force() {
    let town = Town::new();
    let shown = town.client();
    let wrong_list = list(
        &Authority::root("Root").unwrap(),
        &[],
        SystemTime::now() + DAY,
    );
    let (service, files) = town.serve(|_| {});
    let config = usual(&files, &shown);
    let tls = tls(&service);
    let keep = |name: &str| fs::read(files.path(name)).unwrap();
    let mut refused = 0;
    for (name, bytes) in [
        ("crl.pem", b"garbage".to_vec()),
        ("crl.pem", b"".to_vec()),
        ("crl.pem", wrong_list.into_bytes()),
        ("ca.pem", b"".to_vec()),
        ("server.pem", keep("ca.pem")),
        ("server-key.pem", b"-----BEGIN PRIVATE KEY-----\n".to_vec()),
    ] {
        let old = keep(name);
        fs::write(files.path(name), bytes).unwrap();
        refused += 1;
        until("it is seen", || {
            tls.look();
            tls.files_refused() == refused
        });
        assert_eq!(tls.look(), Looked::Same, "{name} is told of once");
        assert_eq!(Secure::service(&service, &config).get().unwrap(), 200);
        fs::write(files.path(name), old).unwrap();
        until("the old are good again", || {
            tls.look();
            tls.generation() == refused + 1
        });
    }
    let key = files.path("server-key.pem");
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    until("others may read the key", || {
        tls.look();
        tls.files_refused() == refused + 1
    });
    fs::remove_file(key).unwrap();
    until("the key is gone", || {
        tls.look();
        tls.files_refused() == refused + 2
    });
    assert_eq!(Secure::service(&service, &config).get().unwrap(), 200);
}

#[test]
fn a_service_does_not_begin_with_files_that_cannot_be_used() {
    let town = Town::new();
    let mut config = Config {
        data: town.folder.path().to_path_buf(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..Config::default()
    };
    config.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.tls.certificate = Some(town.path("server.pem"));
    config.tls.key = Some(town.path("server-key.pem"));
    config.tls.client_authorities = vec![town.path("ca.pem")];
    config.access.consumers = Some(town.path("consumers.toml"));
    fs::set_permissions(town.path("server-key.pem"), Permissions::from_mode(0o644)).unwrap();
    let refused = begin(&config).err().unwrap().to_string();
    assert!(
        refused.contains("server-key.pem") && refused.contains("600"),
        "{refused}"
    );
    config.tls.key = Some(town.path("nothing.pem"));
    let refused = begin(&config).err().unwrap().to_string();
    assert!(refused.contains("nothing.pem"), "{refused}");
}

#[test]
fn a_resumed_session_is_judged_like_a_new_one() {
    for version in [&TLS12, &TLS13] {
        let town = Town::new();
        let shown = town.client();
        let (root, hsa) = (town.root.certificate(), town.hsa.clone());
        let new_list = list(&town.root, &[&shown], SystemTime::now() + DAY);
        let (service, files) = town.serve(|_| {});
        let config = client(&root, Some(&shown), &[version], &[]);
        // A second way in, where unknown consumers are refused in the handshake.
        let mut second = Config {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            threads: 1,
            ..Config::default()
        };
        second.tls.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        second.tls.certificate = Some(files.path("server.pem"));
        second.tls.key = Some(files.path("server-key.pem"));
        second.tls.client_authorities = vec![files.path("ca.pem")];
        second.tls.revocation_lists = vec![files.path("crl.pem")];
        second.tls.unknown_consumers = UnknownConsumers::Handshake;
        let known = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&known);
        let tls = Tls::open(
            second.tls.files().unwrap().unwrap(),
            Arc::new(move |it| *it == hsa && asked.load(Ordering::Relaxed)),
        );
        let tls = Arc::new(tls.unwrap());
        let running = start(&service.app, &second.listening(), Some(&tls)).unwrap();
        let call = || {
            let mut caller = Secure::connect(running.tls.unwrap(), &config);
            let status = caller.get();
            (status.ok(), caller.session().handshake_kind())
        };
        let unknown = || {
            let mut failed = tls.handshakes.failed();
            failed
                .find(|(name, _)| *name == "unknown_consumer")
                .unwrap()
                .1
        };
        assert_eq!(call(), (Some(200), Some(HandshakeKind::Full)));
        assert_eq!(call(), (Some(200), Some(HandshakeKind::Resumed)));
        known.store(false, Ordering::Relaxed);
        assert_eq!(call().0, None, "a resumed session of who is known no more");
        until("it is counted", || unknown() == 1);
        assert_eq!(call().0, None, "whether resumed or not");
        until("it is counted again", || unknown() == 2);

        known.store(true, Ordering::Relaxed);
        assert_eq!(call().0, Some(200));
        fs::write(files.path("crl.pem"), new_list).unwrap();
        assert_eq!(tls.look(), Looked::Taken);
        assert_eq!(call().0, None, "nothing resumes into a new generation");
        until("it is revoked", || {
            let mut failed = tls.handshakes.failed();
            failed.any(|it| it == ("revoked", 1))
        });
        running.stop();
    }
}

#[test]
fn old_tls_and_no_tls_at_all_are_told_apart() {
    let (service, _) = Town::new().serve(|_| {});
    let said = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(service.tls.unwrap()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // The connection may be reset after the alert.
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    // A ClientHello of TLS 1.1 with one cipher of its time.
    let mut hello = vec![0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0, 0x2f, 1, 0]);
    assert_eq!(hello.len(), 50);
    assert_eq!(said(&hello).first(), Some(&0x15), "an alert");
    until("TLS 1.1", || failed(&service, "incompatible") == 1);
    let answer = said(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    until("plain HTTP", || failed(&service, "not_tls") == 1);
    drop(TcpStream::connect(service.tls.unwrap()).unwrap());
    until("a caller that hangs up", || {
        failed(&service, "hung_up") == 1
    });
}

#[test]
fn whoever_is_too_slow_loses_the_connection() {
    const HEAD: &[u8] = &[b'x'; 150];
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|config| {
        config.limits.handshake_seconds = 1;
        config.limits.header_seconds = 1;
    });
    let config = client(&files.root, Some(&shown), &[&TLS13], &[b"h2"]);
    let (plain, secure) = (service.address, service.tls.unwrap());
    let silent = |address: SocketAddr, bytes: &'static [u8], more: &'static [u8]| {
        move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_millis(100)))
                .unwrap();
            let since = Instant::now();
            let mut rest = more.iter();
            loop {
                let mut answer = [0; 1024];
                match stream.read(&mut answer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        assert!(since.elapsed() < Duration::from_secs(15), "{bytes:?}");
                    }
                    Err(_) => break,
                }
                if let Some(byte) = rest.next() {
                    let _ = stream.write_all(&[*byte]);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let callers = [
            scope.spawn(silent(plain, b"", b"")),
            scope.spawn(silent(plain, b"P", b"")),
            scope.spawn(silent(plain, b"GET /", HEAD)),
            scope.spawn(silent(plain, b"PRI * HTTP/2.0\r\n", b"")),
            scope.spawn(silent(plain, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"")),
            scope.spawn(silent(secure, b"", b"")),
            scope.spawn(silent(secure, &[0x16, 3, 1, 1, 0, 1, 0], HEAD)),
        ];
        let ended = block_on(async {
            let mut stream = secure_stream(secure, config).await;
            let mut byte = [0];
            let read = std::future::poll_fn(|context| {
                let mut into = tokio::io::ReadBuf::new(&mut byte);
                let stream = std::pin::Pin::new(&mut stream);
                let read = tokio::io::AsyncRead::poll_read(stream, context, &mut into);
                match read {
                    std::task::Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                        context.waker().wake_by_ref();
                        std::task::Poll::Pending
                    }
                    other => other,
                }
            });
            tokio::time::timeout(Duration::from_secs(15), read).await
        });
        assert!(ended.is_ok(), "silence after a handshake");
        for caller in callers {
            caller.join().unwrap();
        }
    });
    until("slow handshakes", || failed(&service, "timeout") == 2);
    assert_eq!(service.get("/healthz").status, 200);
}

#[test]
fn a_connection_ends_when_its_time_is_over() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|config| config.limits.connection_seconds = 1);
    let mut caller = Secure::service(&service, &usual(&files, &shown));
    let since = Instant::now();
    while let Ok(status) = caller.get() {
        assert_eq!(status, 200);
        assert!(since.elapsed() < Duration::from_secs(15), "still open");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_address_gets_so_many_connections_and_no_more() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|config| config.limits.connections_per_address = 3);
    let config = usual(&files, &shown);
    let mut first = Secure::service(&service, &config);
    assert_eq!(first.get().unwrap(), 200);
    let mut plain: Vec<_> = (0..2).map(|_| service.connect()).collect();
    for caller in &mut plain {
        assert_eq!(caller.request("GET", "/healthz", &[], b"").status, 200);
    }
    assert!(Secure::service(&service, &config).get().is_err());
    assert!(
        TcpStream::connect(service.address)
            .unwrap()
            .read(&mut [0])
            .map_or(true, |read| read == 0)
    );
    assert_eq!(service.app.callers.refused(), 2);
    assert_eq!(first.get().unwrap(), 200, "who is in stays in");
    drop(plain);
    until("there is room again", || {
        Secure::service(&service, &config).get().is_ok()
    });
}

#[test]
fn a_flood_of_handshakes_waits_and_all_are_let_in() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|config| {
        config.threads = 1;
        config.limits.handshakes_per_second = 20.try_into().unwrap();
    });
    let config = usual(&files, &shown);
    let since = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| assert_eq!(Secure::service(&service, &config).get().unwrap(), 200));
        }
    });
    assert!(
        since.elapsed() > Duration::from_secs(1),
        "they were spread out"
    );
}

#[test]
fn the_unix_socket_serves_and_is_gone_afterwards() {
    let folder = register(persons());
    let path = folder.path().join("pu.sock");
    // One that a dead process has left.
    drop(UnixListener::bind(&path).unwrap());
    let service = Service::over(folder, |config| config.listen_unix = Some(path.clone()));
    let found = fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    for _ in 0..4 {
        let mut stream = BufReader::new(UnixStream::connect(&path).unwrap());
        for _ in 0..2 {
            let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.get_mut().write_all(request).unwrap();
            assert_eq!(receive(&mut stream).unwrap().0, 200);
        }
    }
    let other = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        listen_unix: Some(path.clone()),
        ..Config::default()
    };
    let taken = start(&service.app, &other.listening(), None).err().unwrap();
    assert!(taken.to_string().contains("another process"), "{taken}");
    let no_socket = Config {
        listen_unix: Some(std::env::current_exe().unwrap()),
        ..other
    };
    let refused = start(&service.app, &no_socket.listening(), None)
        .err()
        .unwrap();
    assert!(refused.to_string().contains("no socket"), "{refused}");
    service.stop();
    assert!(!path.exists());
}

#[test]
fn an_orderly_end_answers_what_was_begun_over_tls() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|_| {});
    let ask = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let body = ask.envelope();
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let mut begun = Secure::service(&service, &usual(&files, &shown));
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        ask.path(),
        body.len()
    );
    begun.send(head.as_bytes()).unwrap();
    begun.send(first).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let address = service.tls.unwrap();
    let stopping = std::thread::spawn(move || service.stop());
    until("it listens no more", || {
        TcpStream::connect(address).is_err()
    });
    assert!(!stopping.is_finished(), "it waits for what was begun");
    begun.send(second).unwrap();
    let (status, answer) = begun.receive().unwrap();
    assert!(status == 200 && answer.contains(CHILD), "{answer}");
    stopping.join().unwrap();
}

#[test]
fn rapid_reset_ends_that_connection_and_no_other() {
    let town = Town::new();
    let shown = town.client();
    let (service, files) = town.serve(|_| {});
    let config = client(&files.root, Some(&shown), &[&TLS13], &[b"h2"]);
    let frame = |kind: u8, flags: u8, stream: u32, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    };
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[]));
    // GET https://localhost/, each reset at once. No more than the service reads before it ends the
    // connection: what came after would reset that, and its last word be lost.
    let request = b"\x82\x87\x84\x01\x09localhost";
    for stream in (1..180).step_by(2) {
        sent.extend(frame(1, 5, stream, request));
        sent.extend(frame(3, 0, stream, &[0, 0, 0, 8]));
    }
    let mut caller = Secure::service(&service, &config);
    caller.send(&sent).unwrap();
    let goaway = loop {
        let mut head = [0; 9];
        caller.0.read_exact(&mut head).unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        caller.0.read_exact(&mut payload).unwrap();
        if head[3] == 7 {
            break payload;
        }
    };
    assert_eq!(goaway[4..8], [0, 0, 0, 11], "ENHANCE_YOUR_CALM");
    assert!(caller.0.read_exact(&mut [0]).is_err(), "and the end");
    assert_eq!(service.get("/readyz").status, 200);
    let mut other = Secure::service(&service, &usual(&files, &shown));
    assert_eq!(other.get().unwrap(), 200);
}

#[test]
fn certificates_for_trying_out_work_as_they_are_told_to() {
    let folder = register(persons());
    let out = folder.path().join("certs");
    let dev = ["certs", "dev", "--out", out.to_str().unwrap()];
    let said = pu(&dev).well();
    assert!(
        said.contains("curl --cacert") && said.contains("pu serve --config"),
        "{said}"
    );
    let refused = pu(&dev).refused();
    assert!(refused.contains("--force"), "{refused}");
    let before = fs::read(out.join("ca.pem")).unwrap();
    pu(&[&dev[..], &["--force", "--host", "pu.test"]].concat()).well();
    assert_ne!(fs::read(out.join("ca.pem")).unwrap(), before);
    for entry in fs::read_dir(&out).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
    }
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let file = read("pu.toml");
    let file = file.replace("8080", "0").replace("8443", "0");
    let file = file.replace(
        "\"snapshots/demo\"",
        &format!("'{}'", folder.path().display()),
    );
    fs::write(out.join("pu.toml"), file).unwrap();
    let (config, _) = Config::read(Some(&out.join("pu.toml"))).unwrap();
    let service = Service::over(folder, |own| *own = config);
    for (name, lets_in) in [
        ("region", true),
        ("municipality", true),
        ("private", true),
        ("authority", true),
        ("agent", true),
        ("intermediary", true),
        ("expired", false),
        ("revoked", false),
    ] {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(read("ca.pem").as_bytes()).unwrap();
        roots.add(root).unwrap();
        let chain = CertificateDer::from_pem_slice(read(&format!("{name}.pem")).as_bytes());
        let key = PrivateKeyDer::from_pem_slice(read(&format!("{name}-key.pem")).as_bytes());
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![chain.unwrap()], key.unwrap());
        let mut caller = Secure::service(&service, &Arc::new(config.unwrap()));
        assert_eq!(caller.get().is_ok(), lets_in, "{name}");
        if lets_in {
            let path = format!("GET /v1/persons/{CHILD} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            caller.send(path.as_bytes()).unwrap();
            let expected = if name == "intermediary" { 403 } else { 200 };
            assert_eq!(caller.receive().unwrap().0, expected, "{name}");
        }
    }
}

#[test]
fn a_hangup_signal_asks_for_a_look_and_the_log_names_no_more_than_it_may() {
    let town = Town::new();
    let shown = town.client();
    let other = Authority::root("Other").unwrap();
    let secret = HsaId::parse("SE0000000000-SECRET").unwrap();
    let wrong = other
        .issue(&Order::client("Hemligt namn", &secret))
        .unwrap();
    let quoted = |name: &str| format!("'{}'", town.path(name).display());
    let lines = format!(
        "access.consumers = {}\n[tls]\nlisten = \"127.0.0.1:0\"\ncertificate = {}\nkey = {}\nclient_authorities = [{}]\n",
        quoted("consumers.toml"),
        quoted("server.pem"),
        quoted("server-key.pem"),
        quoted("ca.pem")
    );
    let serving = Serving::start(town.folder.path(), &lines).ready();
    let root = town.root.certificate();
    let call = |shown| {
        let config = client(&root, Some(shown), &[&TLS13], &[]);
        Secure::connect(serving.tls(), &config).get()
    };
    assert_eq!(call(&shown).unwrap(), 200);
    assert!(call(&wrong).is_err());
    town.write("ca.pem", "nothing of the kind");
    serving.signal("-HUP");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(call(&shown).unwrap(), 200);
    let (ended, log) = serving.stop();
    assert!(ended.success());
    let log = log.join("\n");
    assert!(log.contains("issuer is not trusted"), "{log}");
    assert_eq!(log.matches("the old stay in force").count(), 1, "{log}");
    assert!(log.contains("ca.pem: holds no certificate"), "{log}");
    assert!(!log.contains("Hemligt") && !log.contains("SECRET"), "{log}");
}

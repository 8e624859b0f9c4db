//! The front end: HTTP/2 on the same port, an orderly end, one process to a data folder, and a
//! register that is damaged.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pu::person::field::schema_hash;
use pu::serve::readiness::Phase;
use pu::store::layout::Section;
use pu::store::snapshot::Snapshot;

use crate::program::{Serving, configure, pu};
use crate::support::{Ask, Client, PNR, Service, persons, register};

const CHILD: &str = "201001012382";

/// Sends all requests at once over one HTTP/2 connection without TLS, and answers status and body
/// in their order.
pub fn over_http_2(address: SocketAddr, requests: Vec<(String, String)>) -> Vec<(u16, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let streams: Vec<_> = requests
            .into_iter()
            .map(|(path, body)| {
                let mut sender = sender.clone();
                tokio::spawn(async move {
                    let request = Request::post(format!("http://{address}{path}"))
                        .header("content-type", "text/xml; charset=UTF-8")
                        .body(Full::new(Bytes::from(body)))
                        .unwrap();
                    let answer = sender.send_request(request).await.unwrap();
                    let status = answer.status().as_u16();
                    let body = answer.into_body().collect().await.unwrap().to_bytes();
                    (status, String::from_utf8(body.to_vec()).unwrap())
                })
            })
            .collect();
        let mut answers = Vec::new();
        for stream in streams {
            answers.push(stream.await.unwrap());
        }
        answers
    })
}

#[test]
fn a_hundred_streams_of_one_connection_are_each_answered_right() {
    let service = Service::start();
    let identities: Vec<String> = persons()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|person| person["personalIdentity"]["root"] == PNR)
        .map(|person| {
            let identity = &person["personalIdentity"]["extension"];
            identity.as_str().unwrap().to_owned()
        })
        .collect();
    let asks: Vec<Ask> = (0..100)
        .map(|number| {
            let profile = ["P1", "P2", "P3", "P4", "P5"][number % 5];
            let identity = identities[number % identities.len()].as_str();
            let major = [3, 4, 5][number % 3];
            Ask::new(major, profile, &[(PNR, identity)])
        })
        .collect();
    let requests = asks
        .iter()
        .map(|ask| (ask.path(), ask.envelope()))
        .collect();
    let answers = over_http_2(service.address, requests);
    assert_eq!(answers.len(), 100);
    for (ask, (status, body)) in asks.iter().zip(answers) {
        assert_eq!(status, 200, "{body}");
        assert_eq!(body, ask.send(&service).body, "as over HTTP/1.1");
        assert!(body.contains(&ask.identities[0].1));
    }
}

#[test]
fn a_fault_of_one_stream_leaves_the_others_alone() {
    let service = Service::start();
    let good = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let requests = (0..30)
        .map(|number| match number % 3 {
            0 => (good.path(), good.envelope()),
            1 => (good.path(), "x".to_owned()),
            _ => ("/nowhere".to_owned(), good.envelope()),
        })
        .collect();
    let answers = over_http_2(service.address, requests);
    for (number, (status, body)) in answers.into_iter().enumerate() {
        assert_eq!(status, [200, 500, 404][number % 3], "{body}");
    }
}

#[test]
fn an_orderly_end_answers_what_was_begun_and_takes_nothing_new() {
    let service = Service::start();
    let (address, app) = (service.address, service.app.clone());
    let ask = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let body = ask.envelope();
    let (first, second) = body.as_bytes().split_at(body.len() / 2);
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
        ask.path(),
        body.len()
    );
    let mut begun = service.connect();
    begun.send(head.as_bytes());
    begun.send(first);
    let mut watcher = service.connect();
    watcher.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n");
    let mut idle = service.connect();
    assert_eq!(idle.request("GET", "/readyz", &[], b"").status, 200);
    std::thread::sleep(Duration::from_millis(200));

    let stopping = std::thread::spawn(move || service.stop());
    let since = Instant::now();
    while app.readiness.phase() != Phase::Draining || TcpStream::connect(address).is_ok() {
        assert!(since.elapsed() < Duration::from_secs(5), "still listening");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!stopping.is_finished(), "it waits for what was begun");
    watcher.send(b"\r\n");
    let ready = watcher.receive().expect("an answer");
    assert!(
        ready.status == 503 && ready.body.contains("\"phase\":\"draining\""),
        "{ready:?}"
    );
    assert!(idle.receive().is_none(), "an idle connection is closed");
    begun.send(second);
    let answer = begun.receive().expect("an answer");
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(CHILD) && answer.body.ends_with("</soapenv:Envelope>"));
    stopping.join().unwrap();
    assert!(begun.receive().is_none(), "and then the connection ends");
    assert!(
        since.elapsed() < Duration::from_secs(8),
        "nothing is waited out"
    );
}

#[test]
fn one_process_at_a_time_works_on_a_data_folder() {
    let folder = register(persons());
    let data = folder.path().to_str().unwrap();
    let serving = Serving::start(folder.path(), "");
    let before = snapshots(folder.path());

    let config = configure(folder.path(), "");
    let refused = pu(&["serve", "--as-root", "--config", config.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("another process"), "{}", refused.err);
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/navet/termdata.txt"
    );
    let complaint = pu(&["import", "--data", data, "--test-persons", file]).refused();
    assert!(complaint.contains("is being served"), "{complaint}");
    // What is imported all the same, the first one applies.
    let said = pu(&["import", "--data", data, file]).well();
    assert!(said.contains("applied by the service"), "{said}");
    assert_eq!(snapshots(folder.path()), before);

    let answer = Client::connect(serving.address).request("GET", "/healthz", &[], b"");
    assert_eq!(answer.status, 200, "the first one goes on");
    assert!(serving.stop().0.success());
    pu(&["import", "--data", data, file]).well();
}

fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let found = pu::store::folder::snapshots(folder).unwrap();
    found.into_iter().map(|file| file.path).collect()
}

#[test]
fn a_damaged_register_never_becomes_ready() {
    for eighths in [0, 3, 7] {
        let folder = register(persons());
        let path = snapshots(folder.path()).pop().unwrap();
        let records = Snapshot::open(&path, schema_hash())
            .unwrap()
            .sections()
            .find_map(|(section, extent)| (section == Section::Records).then_some(extent))
            .unwrap();
        let at = usize::try_from(records.offset + records.length * eighths / 8).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[at] ^= 0x10;
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, bytes).unwrap();

        let service = Service::over(folder, |_| {});
        for _ in 0..2 {
            let ready = service.get("/readyz");
            assert!(
                ready.status == 503 && ready.body.contains("\"phase\":\"damaged\""),
                "{ready:?}"
            );
            let answer = Ask::new(5, "P1", &[(PNR, CHILD)]).send(&service);
            assert_eq!(answer.status, 503);
            assert!(!answer.body.contains(CHILD));
            assert_eq!(service.get("/healthz").status, 200, "it lives all the same");
        }
    }
}

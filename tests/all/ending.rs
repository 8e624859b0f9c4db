//! The end of a service under load: nobody's connection is reset in the middle, and nobody who sent a
//! request on an open connection gets nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::program::Serving;
use crate::support::{Client, persons, register};

const PERSON: &str = "/v1/persons/201001012382";

/// What callers saw.
#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    told_to_close: AtomicU64,
    is_stopping: AtomicBool,
}

/// Asks over and over; on connections that stay open when `stays`. Every request that was sent must be
/// answered.
fn ask(address: SocketAddr, stays: bool, seen: &Seen) {
    while let Some(mut client) = Client::try_connect(address) {
        loop {
            let headers: &[_] = if stays {
                &[]
            } else {
                &[("Connection", "close")]
            };
            let answer = client.request("GET", PERSON, headers, b"");
            assert_eq!(answer.status, 200);
            seen.answers.fetch_add(1, Ordering::Relaxed);
            if answer.header("connection") == Some("close") {
                seen.told_to_close
                    .fetch_add(u64::from(stays), Ordering::Relaxed);
                break;
            }
            if !stays {
                break;
            }
        }
    }
    assert!(
        seen.is_stopping.load(Ordering::Relaxed),
        "refused before the end"
    );
}

/// The same over one connection of HTTP/2, until it says that it takes no more.
async fn ask_by_http_2(address: SocketAddr, seen: Arc<Seen>) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
        .await
        .unwrap();
    tokio::spawn(connection);
    while sender.ready().await.is_ok() {
        let request = Request::get(format!("http://{address}{PERSON}"));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        match sender.try_send_request(request).await {
            Ok(answer) => {
                assert_eq!(answer.status(), 200);
                answer.into_body().collect().await.unwrap();
                seen.answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(mut error) => {
                assert!(error.take_message().is_some(), "it was sent: {error:?}");
                break;
            }
        }
    }
    assert!(
        seen.is_stopping.load(Ordering::Relaxed),
        "ended before the end"
    );
}

#[test]
fn nobody_loses_an_answer_when_a_service_stops_under_load() {
    let folder = register(persons());
    let more = "shutdown.announce_seconds = 1\nlimits.connections_per_address = 0\n\
                limits.patience_milliseconds = 60000\n";
    let serving = Serving::start(folder.path(), more).ready();
    let (address, seen) = (serving.address, Arc::new(Seen::default()));
    let mut callers = Vec::new();
    for number in 0..10 {
        let seen = Arc::clone(&seen);
        callers.push(std::thread::spawn(move || ask(address, number < 8, &seen)));
    }
    let multiplexed = Arc::clone(&seen);
    callers.push(std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(ask_by_http_2(address, multiplexed));
    }));
    let reached = |count| {
        let began = Instant::now();
        while seen.answers.load(Ordering::Relaxed) < count {
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    reached(200);
    let mut watcher = Client::connect(address);
    assert_eq!(watcher.request("GET", "/readyz", &[], b"").status, 200);
    seen.is_stopping.store(true, Ordering::Relaxed);
    serving.signal("-TERM");
    while watcher.request("GET", "/readyz", &[], b"").status == 200 {}
    // It has said so, and still answers, to whoever comes.
    let before = seen.answers.load(Ordering::Relaxed);
    reached(before + 100);
    assert_eq!(
        Client::connect(address)
            .request("GET", PERSON, &[], b"")
            .status,
        200
    );
    let (status, log) = serving.stop();
    assert!(status.success(), "{log:#?}");
    for caller in callers {
        caller.join().expect("every request was answered");
    }
    assert!(seen.told_to_close.load(Ordering::Relaxed) >= 8);
    assert!(
        !log.iter().any(|it| it.contains("did not finish in time")),
        "{log:#?}"
    );
}

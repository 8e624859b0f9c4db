//! The service over real sockets, against bare hyper with the same bytes in and out: one serving
//! thread each, 32 connections that wait for their answers, turns of a second side by side, medians
//! over the turns. Processor time is that of the serving thread.

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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use pu::cli::config::Config;
use pu::cli::serve::begin;
use pu::serve::readiness::Phase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use register::{Asked, Bench, request};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 32;

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let (rounds, turn) = if quick { (1, 50) } else { (12, 1000) };
    let bench = Bench::open();
    let config = Config {
        data: register::folder(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        threads: 1,
        ..Config::default()
    };
    let (app, running) = begin(&config).unwrap_or_else(|error| panic!("{error}"));
    while app.readiness.phase() != Phase::Ready {
        std::thread::sleep(Duration::from_millis(1));
    }
    println!(
        "{:<34} {:>9} {:>9} {:>8} {:>8} {:>7} {:>7}",
        "", "pu req/s", "bare", "pu µs", "bare µs", "rate", "cpu"
    );
    for (name, asked) in [
        (
            "get_person_p3_v5",
            Asked {
                major: 5,
                profile: "P3",
                count: 1,
            },
        ),
        (
            "get_500_persons_p3_v5",
            Asked {
                major: 5,
                profile: "P3",
                count: 500,
            },
        ),
    ] {
        let bodies: Vec<String> = (0..256).map(|turn| request(&bench, &asked, turn)).collect();
        let path = pu::wire::contract::find("GetPersonsForProfile", 5)
            .unwrap()
            .path();
        let requests: Arc<Vec<Bytes>> =
            Arc::new(bodies.iter().map(|body| http(&path, body)).collect());
        let answer = one_answer(running.address, &requests[0]);
        let bare = bare(answer, bodies[0].len());
        let mut turns = Vec::new();
        for _ in 0..rounds {
            let ours = load(running.address, "serve-0", &requests, turn);
            let theirs = load(bare, "bare", &requests, turn);
            turns.push((ours, theirs));
        }
        let median = |of: &dyn Fn(&(Load, Load)) -> f64| {
            let mut values: Vec<f64> = turns.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "{name:<34} {:>9.0} {:>9.0} {:>8.1} {:>8.1} {:>7.2} {:>7.2}",
            median(&|(ours, _)| ours.rate),
            median(&|(_, bare)| bare.rate),
            median(&|(ours, _)| ours.cpu),
            median(&|(_, bare)| bare.cpu),
            median(&|(ours, bare)| ours.rate / bare.rate),
            median(&|(ours, bare)| ours.cpu / bare.cpu),
        );
    }
    running.stop();
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
fn load(address: SocketAddr, thread: &str, requests: &Arc<Vec<Bytes>>, millis: u64) -> Load {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (done, stop) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let clients: Vec<_> = (0..CONNECTIONS)
            .map(|client| {
                let (requests, done, stop) =
                    (Arc::clone(requests), Arc::clone(&done), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut stream = TcpStream::connect(address).await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut buffer = vec![0; 2 << 20];
                    let mut turn = client;
                    while !stop.load(Ordering::Relaxed) {
                        turn = (turn + 1) % requests.len();
                        stream.write_all(&requests[turn]).await.unwrap();
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

/// Reads one answer; how long it is.
async fn receive(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
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

fn one_answer(address: SocketAddr, request: &Bytes) -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut buffer = vec![0; 2 << 20];
        let length = receive(&mut stream, &mut buffer).await;
        let end = memchr::memmem::find(&buffer, b"\r\n\r\n").unwrap() + 4 + length;
        Bytes::copy_from_slice(&buffer[end - length..end])
    })
}

/// hyper and nothing else: takes the body in, gives the bytes out.
fn bare(answer: Bytes, expected: usize) -> SocketAddr {
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
                    let answer = answer.clone();
                    tokio::spawn(async move {
                        let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                            let answer = answer.clone();
                            async move {
                                let body = request.into_body().collect().await.unwrap().to_bytes();
                                assert!(body.len() + 100 > expected);
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
    told.recv().unwrap()
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

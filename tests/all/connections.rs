//! Connections as old and odd clients use them: what else lies on the line never holds an answer back,
//! refusals arrive whole, and an end takes no request with it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pu::access::authority::Order;
use pu::access::hsa::HsaId;

use crate::handshake::{Secure, Town, usual};
use crate::program::Serving;
use crate::support::{Ask, Client, PNR, Service, persons, register};

const CHILD: &str = "201001012382";

const READY: &str = "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What may lie behind a request.
const BEHIND: [&str; 4] = ["\r\n", "\r\n\r\n", "G", "GET /readyz HTTP/1.1\r\nHo"];

fn tcp(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.address).unwrap();
    let patience = Some(Duration::from_secs(20));
    stream.set_read_timeout(patience).unwrap();
    stream
}

/// Whatever comes until the other end closes, which it does in an orderly way.
fn rest(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).expect("no broken line");
    String::from_utf8(heard).unwrap()
}

fn statuses(heard: &str) -> Vec<u16> {
    let after = heard.split("HTTP/1.1 ").skip(1);
    after.map(|it| it[..3].parse().unwrap()).collect()
}

fn five_hundred() -> String {
    let ask = Ask::new(5, "P5", &[(PNR, CHILD); 500]);
    let body = ask.envelope();
    format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
        ask.path(),
        body.len()
    )
}

#[test]
fn what_lies_behind_a_request_does_not_hold_its_answer() {
    let service = Service::start();
    for behind in BEHIND {
        let mut client = service.connect();
        client.send(format!("{READY}{behind}").as_bytes());
        let answer = client.receive().unwrap_or_else(|| panic!("{behind:?}"));
        assert_eq!(answer.status, 200);
        let rest = if behind.starts_with('G') {
            &READY[behind.len()..]
        } else {
            READY
        };
        client.send(rest.as_bytes());
        assert_eq!(client.receive().expect("the second").status, 200);
    }
    // As some send it: an empty line after a body that has its length.
    let mut client = service.connect();
    client.send(format!("{}\r\n", five_hundred()).as_bytes());
    assert_eq!(client.receive().expect("an answer").status, 200);
}

#[test]
fn nor_with_tls() {
    let town = Town::new();
    let hsa_id = HsaId::parse("SE0000000000-TEST").unwrap();
    let shown = town.root.issue(&Order::client("Test", &hsa_id)).unwrap();
    let (service, files) = town.serve(|_| {});
    let shown = usual(&files, &shown);
    for behind in BEHIND {
        let mut secure = Secure::service(&service, &shown);
        secure.send(format!("{READY}{behind}").as_bytes()).unwrap();
        assert_eq!(secure.receive().unwrap().0, 200, "{behind:?}");
    }
}

#[test]
fn refusals_of_what_is_no_request_arrive_and_the_end_is_a_clean_one() {
    let service = Service::start();
    let with = |more: &str| format!("GET /readyz HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
    let many: String = (0..101).map(|it| format!("x{it}: y\r\n")).collect();
    let long = |bytes: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes));
    for (status, request) in [
        (400, with("x: y\r\n z: folded\r\n")),
        (400, with("Content-Length: +5\r\n")),
        (400, with("Transfer-Encoding: xchunked\r\n")),
        (400, "\u{1} \u{2}\r\n\r\n".to_owned()),
        (431, with(&many)),
        (431, with(&format!("x: {}\r\n", "y".repeat(200_000)))),
        (414, long(70_000)),
    ] {
        let said = &request[..request.len().min(60)];
        // The whole time something is still on its way that nobody reads.
        for (before, behind) in [("", ""), ("", "more"), (READY, READY)] {
            let mut stream = tcp(&service);
            let sent = format!("{before}{request}{behind}");
            stream.write_all(sent.as_bytes()).unwrap();
            let heard = rest(&mut stream);
            let told = statuses(&heard);
            assert_eq!(told.last(), Some(&status), "{said:?}: {heard}");
            assert_eq!(told.len(), 1 + usize::from(!before.is_empty()), "{heard}");
        }
    }
}

#[test]
fn http_1_1_names_the_host_once() {
    let service = Service::start();
    let mut client = service.connect();
    for (hosts, status) in [
        ("", 400),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\n", 200),
    ] {
        client.send(format!("GET /readyz HTTP/1.1\r\n{hosts}\r\n").as_bytes());
        assert_eq!(client.receive().expect("an answer").status, status);
    }
    client.send(b"GET http://localhost/readyz HTTP/1.1\r\n\r\n");
    assert_eq!(client.receive().expect("an answer").status, 400);
    client.send(b"GET /readyz HTTP/1.0\r\n\r\n");
    assert_eq!(client.receive().expect("an answer").status, 200);
}

/// Bytes that a process has in memory.
fn memory(serving: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let line = status.lines().find(|it| it.starts_with("VmRSS")).unwrap();
    let kilobytes = line.split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() << 10
}

#[test]
fn who_asks_without_reading_takes_no_memory() {
    const ASKED: usize = 100;
    let folder = register(persons());
    let serving = Serving::start(folder.path(), "").ready();
    let request = five_hundred();
    let mut stream = TcpStream::connect(serving.address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    // One answer, as a measure.
    stream.write_all(request.as_bytes()).unwrap();
    let mut one = vec![0; 16 << 10];
    let read = stream.read(&mut one).unwrap();
    let head = String::from_utf8_lossy(&one[..read]).into_owned();
    let length = head.split("content-length: ").nth(1).unwrap();
    let length: usize = length[..length.find('\r').unwrap()].parse().unwrap();
    let whole = head.find("\r\n\r\n").unwrap() + 4 + length;
    let mut left = vec![0; whole - read];
    stream.read_exact(&mut left).unwrap();

    let before = memory(&serving);
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut asked = 0;
    let all = request.repeat(ASKED);
    // Until nothing more is taken.
    while let Ok(more @ 1..) = stream.write(&all.as_bytes()[asked..]) {
        asked += more;
    }
    let asked = asked / request.len();
    let grown = memory(&serving).saturating_sub(before);
    assert!(
        grown < 20 * length as u64,
        "{grown} of {length} and {asked}"
    );
    // And who then reads gets all.
    let mut all = vec![0; whole];
    for _ in 0..asked {
        stream.read_exact(&mut all).unwrap();
        assert!(all.starts_with(b"HTTP/1.1 200") && all.ends_with(b"</soapenv:Envelope>"));
    }
}

#[test]
fn a_connection_may_be_idle_for_longer_than_a_head_may_take() {
    let service = Service::over(register(persons()), |config| {
        config.limits.header_seconds = 1;
        config.limits.idle_seconds = 60;
    });
    let mut stays = service.connect();
    let answer = stays.request("GET", "/readyz", &[], b"");
    assert_eq!(answer.header("keep-alive"), Some("timeout=55"));
    let mut blank = service.connect();
    blank.send(format!("{READY}\r\n").as_bytes());
    assert_eq!(blank.receive().expect("an answer").status, 200);
    // Whoever begins a head, the first or another one, has a second for it.
    let mut slow = service.connect();
    assert_eq!(slow.request("GET", "/readyz", &[], b"").status, 200);
    slow.send(b"GET");
    let mut silent = tcp(&service);
    let mut begun = tcp(&service);
    begun.write_all(b"GET").unwrap();
    assert!(slow.receive().is_none());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert_eq!(begun.read(&mut [0]).unwrap(), 0);
    sleep(Duration::from_millis(500));
    for client in [&mut stays, &mut blank] {
        assert_eq!(client.request("GET", "/readyz", &[], b"").status, 200);
    }
}

/// What became of a request that was sent when its connection was about to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It was answered.
    Answered,
    /// The end had come before, and was seen.
    Seen,
    /// It crossed the end, which came in an orderly way: it was not performed.
    Crossed,
    /// Its connection broke.
    Broken,
}

/// Asks once on a connection that may have ended.
fn late(stream: &mut TcpStream) -> Fate {
    let mut first = [0];
    stream.set_nonblocking(true).unwrap();
    let seen = stream.peek(&mut first);
    stream.set_nonblocking(false).unwrap();
    if matches!(seen, Ok(0)) {
        return Fate::Seen;
    }
    if stream.write_all(READY.as_bytes()).is_err() {
        return Fate::Broken;
    }
    match stream.read(&mut first) {
        Ok(0) => Fate::Crossed,
        Ok(_) => Fate::Answered,
        Err(error) => {
            assert_ne!(error.kind(), ErrorKind::WouldBlock, "no answer and no end");
            Fate::Broken
        }
    }
}

#[test]
fn a_request_in_the_moment_of_an_end_is_answered_or_sees_the_end() {
    const CONNECTIONS: usize = 400;
    let service = Service::over(register(persons()), |config| {
        config.limits.idle_seconds = 1;
    });
    let began = Instant::now();
    let mut idle: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = tcp(&service);
            stream.write_all(READY.as_bytes()).unwrap();
            let mut answer = [0; 4096];
            assert!(stream.read(&mut answer).unwrap() > 0);
            // The answer may come in two parts: what is left of it is no sign of an end.
            stream.set_nonblocking(true).unwrap();
            while let Ok(1..) = stream.read(&mut answer) {}
            stream.set_nonblocking(false).unwrap();
            stream
        })
        .collect();
    // They were asked on one after the other, and so end; what is asked now comes just about then.
    sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
    let fates = Arc::new([const { AtomicU64::new(0) }; 4]);
    let half = idle.split_off(CONNECTIONS / 2);
    let ask = |mut idle: Vec<TcpStream>, fates: Arc<[AtomicU64; 4]>| {
        std::thread::spawn(move || {
            for stream in &mut idle {
                fates[late(stream) as usize].fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_micros(500));
            }
        })
    };
    let asking = [idle, half].map(|idle| ask(idle, Arc::clone(&fates)));
    asking.into_iter().for_each(|it| it.join().unwrap());
    let of = |fate: Fate| fates[fate as usize].load(Ordering::Relaxed);
    let told = [Fate::Answered, Fate::Seen, Fate::Crossed, Fate::Broken].map(of);
    assert_eq!(of(Fate::Broken), 0, "{told:?}");
    // Between a look at a socket and its end there is a moment that nobody can take away.
    assert!(of(Fate::Crossed) <= CONNECTIONS as u64 / 20, "{told:?}");
    assert_eq!(told.iter().sum::<u64>(), CONNECTIONS as u64);
}

#[test]
fn what_is_sent_after_the_end_breaks_no_line() {
    let service = Service::over(register(persons()), |config| {
        config.limits.idle_seconds = 1;
    });
    let mut stream = tcp(&service);
    stream.write_all(READY.as_bytes()).unwrap();
    let heard = rest(&mut stream);
    assert_eq!(statuses(&heard), [200]);
    // A request that was on its way is taken, and so is the rest of it.
    for _ in 0..20 {
        stream.write_all(READY.as_bytes()).expect("it is taken");
        sleep(Duration::from_millis(5));
    }
    stream
        .shutdown(Shutdown::Write)
        .expect("still a connection");
}

#[test]
fn a_connection_whose_time_is_over_says_so_in_an_answer() {
    let service = Service::over(register(persons()), |config| {
        config.limits.connection_seconds = 1;
    });
    let mut client = service.connect();
    while client
        .request("GET", "/readyz", &[], b"")
        .header("connection")
        != Some("close")
    {}
    assert!(client.receive().is_none(), "and ends");
    assert_eq!(
        Client::connect(service.address)
            .request("GET", "/readyz", &[], b"")
            .status,
        200
    );
}

//! Callers who mean harm: what each of them gets, and what a good caller notices of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pu::access::authority::Order;
use pu::access::hsa::HsaId;
use rustls::ClientConfig;

use crate::handshake::{Files, Secure, Town, client, usual};
use crate::support::{Ask, PNR, Service, envelope};

const CHILD: &str = "201001012382";
const GOOD: &str = "SE0000000000-TEST";
const ROGUE: &str = "SE0000000000-ROGUE";
const STRANGER: &str = "SE0000000000-STRANGER";

/// A service that is attacked, and everybody's certificates.
struct Target {
    service: Service,
    good: Arc<ClientConfig>,
    rogue: Arc<ClientConfig>,
    stranger: Arc<ClientConfig>,
    files: Files,
}

fn consumer(hsa_id: &str, limits: &str) -> String {
    format!(
        "[[consumer]]\nhsa_id = \"{hsa_id}\"\nname = \"x\"\ncategory = \"region\"\nvalid_from = 2020-01-01\n\
         valid_to = 2099-12-31\nlogical_addresses = [\"SE165565594230-1000\"]\n{limits}\n\
         rest = [\"search\"]\n[consumer.contracts]\nGetPersonsForProfile = [5]\n\
         SearchPersonsForProfile = [5]\n"
    )
}

impl Target {
    fn start() -> Self {
        let town = Town::new();
        let issue = |name: &str| {
            let hsa = HsaId::parse(name).unwrap();
            town.root.issue(&Order::client("Test", &hsa)).unwrap()
        };
        let (good, rogue, stranger) = (issue(GOOD), issue(ROGUE), issue(STRANGER));
        let consumers = town.path("consumers.toml");
        let limits = "limits = { requests_per_second = 200, burst = 200, concurrent = 20 }";
        std::fs::write(&consumers, consumer(GOOD, "") + &consumer(ROGUE, limits)).unwrap();
        let (service, files) = town.serve(|config| {
            config.access.open = false;
            config.access.consumers = Some(consumers);
            config.limits.header_seconds = 1;
            config.limits.body_seconds = 1;
            config.limits.handshake_seconds = 1;
            config.limits.connections_per_address = 0;
        });
        Self {
            good: usual(&files, &good),
            rogue: usual(&files, &rogue),
            stranger: usual(&files, &stranger),
            service,
            files,
        }
    }

    fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect(self.service.tls.unwrap()).unwrap();
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).unwrap();
        stream
    }

    fn rogue(&self) -> Secure {
        Secure::service(&self.service, &self.rogue)
    }

    /// The rogue sends bytes and hears what comes back until the end of it.
    fn rogue_sends(&self, bytes: &[u8]) -> String {
        let mut rogue = self.rogue();
        // Whoever is hung up on while still talking has been answered all the same.
        let _ = rogue.send(bytes);
        rogue.rest()
    }
}

fn post(body: &[u8], headers: &str) -> Vec<u8> {
    let path = Ask::new(5, "P1", &[]).path();
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nConnection: close\r\n{headers}"
    )
    .into_bytes();
    if !headers.to_lowercase().contains("content-length") && !headers.contains("chunked") {
        request.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    request.extend(b"\r\n");
    request.extend(body);
    request
}

/// The same request on a connection that may go on.
fn open(request: &[u8]) -> String {
    let request = String::from_utf8(request.to_vec()).unwrap();
    request.replacen("Connection: close\r\n", "", 1)
}

/// The statuses of all answers in what was heard.
fn statuses(heard: &str) -> Vec<u16> {
    let after = heard.split("HTTP/1.1 ").skip(1);
    after.map(|it| it[..3].parse().unwrap()).collect()
}

/// One of these, or too many calls already.
#[track_caller]
fn only(heard: &str, expected: &[u16]) {
    let told = statuses(heard);
    let fits = told.iter().all(|it| expected.contains(it) || *it == 429);
    assert!(fits && told.len() <= 1, "{told:?} instead of {expected:?}");
    assert!(!heard.contains("<p:name>"), "nothing is disclosed");
}

/// An attack: its name, and one round of it, which says itself what may come of it.
type Attack = (&'static str, fn(&Target));

const ATTACKS: &[Attack] = &[
    ("silence before the handshake", |target| {
        let mut silent = target.tcp();
        let mut heard = Vec::new();
        let _ = silent.read_to_end(&mut heard);
    }),
    ("noise instead of a handshake", |target| {
        let mut noisy = target.tcp();
        let _ = noisy.write_all(&[0x5a; 4096]);
        let mut heard = Vec::new();
        let _ = noisy.read_to_end(&mut heard);
        assert!(heard.len() < 64);
    }),
    ("handshakes without end", |target| {
        for _ in 0..20 {
            let mut rogue = target.rogue();
            assert!(matches!(rogue.get(), Ok(200 | 503)));
        }
    }),
    ("half handshakes", |target| {
        for _ in 0..20 {
            let _ = target
                .tcp()
                .write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
        }
    }),
    ("a certificate nobody knows", |target| {
        let mut stranger = Secure::service(&target.service, &target.stranger);
        let ask = Ask::new(5, "P1", &[(PNR, CHILD)]).envelope();
        let _ = stranger.send(&post(ask.as_bytes(), ""));
        only(&stranger.rest(), &[500]);
    }),
    ("no certificate", |target| {
        let none = client(&target.files.root, None, &[&rustls::version::TLS13], &[]);
        assert!(Secure::service(&target.service, &none).get().is_err());
    }),
    ("a head that never ends", |target| {
        let mut rogue = target.rogue();
        let _ = rogue.send(b"POST / HTTP/1.1\r\n");
        for _ in 0..30 {
            if rogue.send(b"x: y\r\n").is_err() {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        only(&rogue.rest(), &[408]);
    }),
    ("a body that never ends", |target| {
        let mut rogue = target.rogue();
        let _ = rogue.send(&post(b"<", "Content-Length: 1000\r\n"));
        for _ in 0..30 {
            if rogue.send(b" ").is_err() {
                break;
            }
            sleep(Duration::from_millis(50));
        }
        only(&rogue.rest(), &[408]);
    }),
    ("a huge head", |target| {
        let huge = format!("x: {}\r\n", "y".repeat(200_000));
        only(&target.rogue_sends(&post(b"", &huge)), &[431]);
    }),
    ("many headers", |target| {
        let many: String = (0..5_000).map(|it| format!("x{it}: y\r\n")).collect();
        only(&target.rogue_sends(&post(b"", &many)), &[431]);
    }),
    ("a body that says it is huge", |target| {
        only(
            &target.rogue_sends(&post(b"", "Content-Length: 99999999999\r\n")),
            &[413],
        );
    }),
    ("a body that is huge", |target| {
        let mut body = Vec::new();
        for _ in 0..80 {
            body.extend(b"8000\r\n");
            body.extend(vec![b' '; 0x8000]);
            body.extend(b"\r\n");
        }
        only(
            &target.rogue_sends(&post(&body, "Transfer-Encoding: chunked\r\n")),
            &[413],
        );
    }),
    ("a bomb of entities", |target| {
        let mut bomb = "<!DOCTYPE a [<!ENTITY e0 \"ha\">".to_owned();
        for level in 1..40 {
            let one = format!("&e{};", level - 1);
            bomb += &format!("<!ENTITY e{level} \"{}\">", one.repeat(10));
        }
        bomb += "]><a>&e39;</a>";
        only(&target.rogue_sends(&post(bomb.as_bytes(), "")), &[500]);
    }),
    ("a bomb of levels", |target| {
        let bomb = envelope(&"<a>".repeat(200_000));
        only(&target.rogue_sends(&post(bomb.as_bytes(), "")), &[500]);
    }),
    ("a bomb of attributes", |target| {
        let many: String = (0..100_000).map(|it| format!(" a{it}=\"\"")).collect();
        only(
            &target.rogue_sends(&post(envelope(&format!("<a{many}/>")).as_bytes(), "")),
            &[500, 413],
        );
    }),
    ("an attribute without end", |target| {
        let bomb = format!("<a b=\"{}", "x".repeat(900_000));
        only(&target.rogue_sends(&post(bomb.as_bytes(), "")), &[500]);
    }),
    ("a compressed bomb", |target| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&vec![b' '; 20 << 20]).unwrap();
        let packed = packed.finish().unwrap();
        only(
            &target.rogue_sends(&post(&packed, "Content-Encoding: gzip\r\n")),
            &[413],
        );
    }),
    ("one request in another", |target| {
        let inner = "GET /v1/search?text=hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let length = inner.len();
        for headers in [
            format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
            "Content-Length: +5\r\n".to_owned(),
            "Content-Length: -1\r\n".to_owned(),
            "Content-Length: 5, 6\r\n".to_owned(),
            "Transfer-Encoding: xchunked\r\n".to_owned(),
            "Transfer-Encoding: chunked, identity\r\n".to_owned(),
            "Transfer-Encoding : chunked\r\n".to_owned(),
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
            " Transfer-Encoding: chunked\r\n".to_owned(),
            "X: a\rContent-Length: 0\r\n".to_owned(),
            "X: a\0b\r\n".to_owned(),
        ] {
            let request = open(&post(inner.as_bytes(), &headers));
            only(&target.rogue_sends(request.as_bytes()), &[400]);
        }
    }),
    ("two lengths for one body", |target| {
        // What one server reads by its length, another reads by its chunks. Here the chunks count, and
        // what follows is a request of its own by the same caller, with that caller's rights.
        let inner =
            "GET /v1/persons/201001012382 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let body = format!("0\r\n\r\n{inner}");
        let headers = format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
            body.len()
        );
        let request = open(&post(body.as_bytes(), &headers));
        let told = statuses(&target.rogue_sends(request.as_bytes()));
        let fits = matches!(told[..], [] | [400 | 429 | 500] | [429 | 500, 403 | 429]);
        assert!(fits, "{told:?}");
    }),
    ("chunks of an odd size", |target| {
        for chunk in [
            "ffffffffffffffffff\r\n",
            "-1\r\nx\r\n",
            "0x5\r\nxxxxx\r\n",
            "5\nxxxxx\r\n",
            "\r\n",
        ] {
            let request = post(chunk.as_bytes(), "Transfer-Encoding: chunked\r\n");
            only(&target.rogue_sends(&request), &[400, 408]);
        }
    }),
    ("wide searches without end", |target| {
        let query = "<r:query>FROM PersonRecord WHERE name.surname LIKE '%a%' OR name.givenName LIKE '%e%'</r:query>";
        let message = format!(
            "<r:SearchPersonsForProfile xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:SearchPersonsForProfileResponder:5\">{query}<r:queryLanguage>SimpleQL</r:queryLanguage><r:profile>P1</r:profile></r:SearchPersonsForProfile>"
        );
        let body = envelope(&message);
        let request = String::from_utf8(post(body.as_bytes(), "")).unwrap();
        let request = request.replace("GetPersonsForProfile", "SearchPersonsForProfile");
        let told = statuses(&target.rogue_sends(request.as_bytes()));
        assert!(
            told.iter().all(|it| [200, 429, 500, 503].contains(it)),
            "{told:?}"
        );
    }),
    ("five hundred at a time, without end", |target| {
        let all = vec![(PNR, CHILD); 500];
        let mut rogue = target.rogue();
        for _ in 0..20 {
            let body = Ask::new(5, "P5", &all).envelope();
            let open = open(&post(body.as_bytes(), ""));
            let Ok(()) = rogue.send(open.as_bytes()) else {
                break;
            };
            let Ok((status, _)) = rogue.receive() else {
                break;
            };
            assert!([200, 429, 503].contains(&status), "{status}");
        }
    }),
    ("connections without end", |target| {
        let held: Vec<_> = (0..200).map(|_| target.tcp()).collect();
        sleep(Duration::from_millis(20));
        drop(held);
    }),
];

/// A good caller's one call; panics when it is not answered well.
fn good_call(caller: &mut Secure) {
    let body = Ask::new(5, "P3", &[(PNR, CHILD)]).envelope();
    let open = open(&post(body.as_bytes(), ""));
    caller.send(open.as_bytes()).unwrap();
    let (status, body) = caller.receive().unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(CHILD) && body.contains("<p:personRecord>"));
}

#[test]
fn each_attack_gets_what_it_deserves_and_the_service_goes_on() {
    let target = Target::start();
    for (name, attack) in ATTACKS {
        eprintln!("{name}");
        attack(&target);
        good_call(&mut Secure::service(&target.service, &target.good));
    }
}

/// How long each of a good caller's calls took, asked at a steady pace whatever the answers do.
fn pace(target: &Target, time: Duration) -> Vec<Duration> {
    const EACH: Duration = Duration::from_millis(5);
    let mut caller = Secure::service(&target.service, &target.good);
    let began = Instant::now();
    let mut took = Vec::new();
    for number in 0.. {
        let due = began + EACH * number;
        if due.duration_since(began) > time {
            break;
        }
        sleep(due.saturating_duration_since(Instant::now()));
        good_call(&mut caller);
        // From when it was due: who is kept waiting waits for the next call too.
        took.push(due.elapsed());
    }
    took.sort();
    took
}

/// Runs for `PU_TEST_HOSTILE_SECONDS` (2), a third of it in peace.
#[test]
fn a_good_caller_is_answered_while_everybody_else_attacks() {
    let seconds = std::env::var("PU_TEST_HOSTILE_SECONDS").ok();
    let seconds: u64 = seconds.map_or(2, |it| it.parse().unwrap());
    let target = Target::start();
    let peace = pace(&target, Duration::from_secs(seconds) / 3);
    let stop = AtomicBool::new(false);
    let rounds: Vec<AtomicU64> = ATTACKS.iter().map(|_| AtomicU64::new(0)).collect();
    let war = std::thread::scope(|scope| {
        for ((_, attack), rounds) in ATTACKS.iter().zip(&rounds) {
            let (target, stop) = (&target, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    attack(target);
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let war = pace(&target, Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
        war
    });
    for ((name, _), rounds) in ATTACKS.iter().zip(&rounds) {
        eprintln!("{name:<40} {:>8}", rounds.load(Ordering::Relaxed));
    }
    for (said, took) in [("in peace", &peace), ("under attack", &war)] {
        let at = |part: usize| took[(took.len() * part / 1000).min(took.len() - 1)];
        eprintln!(
            "{said:<14} {:>6} calls  p50 {:?}  p99 {:?}  p99.9 {:?}  max {:?}",
            took.len(),
            at(500),
            at(990),
            at(999),
            took[took.len() - 1]
        );
    }
}

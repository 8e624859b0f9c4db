//! Compression: answers come packed to those who take them so, and say the same; requests may be packed,
//! and no small one becomes a large one.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http2::handshake;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;

use crate::support::{Answer, Ask, Client, PNR, Service, path, persons, register};

const CHILD: &str = "201001012382";

const XML: (&str, &str) = ("Content-Type", "text/xml; charset=UTF-8");

const CODINGS: [&str; 2] = ["gzip", "zstd"];

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn pack(coding: &str, plain: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => gzip(plain),
        _ => zstd::encode_all(plain, 3).unwrap(),
    }
}

fn unpack(coding: &str, packed: &[u8]) -> String {
    let mut plain = String::new();
    match coding {
        "gzip" => MultiGzDecoder::new(packed).read_to_string(&mut plain),
        _ => zstd::Decoder::new(packed)
            .unwrap()
            .read_to_string(&mut plain),
    }
    .unwrap();
    plain
}

/// Asks, and gives the head and the bytes of the answer.
fn ask(
    client: &mut Client,
    (method, path, body): (&str, &str, &[u8]),
    headers: &[(&str, &str)],
) -> (Answer, Vec<u8>) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", body.len());
    client.send(head.as_bytes());
    client.send(body);
    client.receive_bytes().expect("an answer")
}

/// What is long enough to be packed: by each contract's way, by REST, and the descriptions.
fn long() -> Vec<(&'static str, String, &'static str, Vec<u8>)> {
    let all = Ask::new(5, "P5", &[(PNR, CHILD); 100]);
    let json = json!({"identities": vec![CHILD; 100], "profile": "P5"}).to_string();
    let search = "/v1/search?birth_date=2010-01-01&profile=P5";
    let mut long = vec![
        ("POST", all.path(), XML.1, all.envelope().into_bytes()),
        (
            "POST",
            "/v1/persons".to_owned(),
            "application/json",
            json.into_bytes(),
        ),
    ];
    for get in [
        search.to_owned(),
        "/v1/openapi.json".to_owned(),
        path("GetPersonsForProfile", 5) + "?wsdl",
        path("GetPersonsForProfile", 5)
            + "?xsd=../../core_components/strategicresourcemanagement_persons_person_5.0.xsd",
    ] {
        long.push(("GET", get, "text/plain", Vec::new()));
    }
    long
}

#[test]
fn what_is_packed_says_the_same() {
    let service = Service::start();
    let mut client = service.connect();
    let mut packed_any = 0;
    for (method, path, media, body) in long() {
        let request = (method, path.as_str(), body.as_slice());
        let media = ("Content-Type", media);
        let (plain, bytes) = ask(&mut client, request, &[media]);
        assert_eq!(
            (plain.status, plain.header("content-encoding")),
            (200, None),
            "{path}"
        );
        if bytes.len() < 4096 {
            assert_eq!(plain.header("vary"), None, "{path}");
            continue;
        }
        packed_any += 1;
        assert_eq!(plain.header("vary"), Some("accept-encoding"), "{path}");
        for coding in CODINGS {
            for _ in 0..2 {
                let (head, packed) =
                    ask(&mut client, request, &[media, ("Accept-Encoding", coding)]);
                assert_eq!(head.status, 200);
                assert_eq!(head.header("content-encoding"), Some(coding), "{path}");
                assert_eq!(head.header("vary"), Some("accept-encoding"));
                assert_eq!(head.header("content-type"), plain.header("content-type"));
                assert_eq!(head.header("cache-control"), plain.header("cache-control"));
                assert!(
                    packed.len() < bytes.len() / 2,
                    "{path}: {} of {}",
                    packed.len(),
                    bytes.len()
                );
                assert_eq!(unpack(coding, &packed).as_bytes(), bytes, "{path}");
            }
        }
        let (head, again) = ask(
            &mut client,
            request,
            &[media, ("Accept-Encoding", "br, gzip;q=0")],
        );
        assert_eq!(head.header("content-encoding"), None);
        assert_eq!(again, bytes);
    }
    assert!(packed_any >= 4, "{packed_any}");
    assert_eq!(service.app.outgoing.bytes(), 0, "nothing is left behind");
    service.app.metrics.observe(&service.app);
    let metrics = service.app.metrics.render(&service.app);
    for coding in CODINGS {
        let line = format!("pu_packed_answers_total{{coding=\"{coding}\"}} ");
        assert!(
            metrics.contains(&line) && !metrics.contains(&(line + "0\n")),
            "{metrics}"
        );
    }
}

#[test]
fn what_is_short_is_sent_as_it_is() {
    let service = Service::start();
    let mut client = service.connect();
    let one = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let (head, bytes) = ask(
        &mut client,
        ("POST", &one.path(), one.envelope().as_bytes()),
        &[XML, ("Accept-Encoding", "gzip, zstd")],
    );
    assert_eq!((head.status, head.header("content-encoding")), (200, None));
    assert!(bytes.ends_with(b"</soapenv:Envelope>"));
    let nobody = ask(
        &mut client,
        ("GET", "/v1/persons/x", b""),
        &[("Accept-Encoding", "gzip")],
    );
    assert_eq!(
        (nobody.0.status, nobody.0.header("content-encoding")),
        (400, None)
    );
}

#[test]
fn http_2_is_packed_too() {
    let service = Service::start();
    let asked = Ask::new(5, "P5", &[(PNR, CHILD); 500]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let bytes = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(service.address)
            .await
            .unwrap();
        let io = TokioIo::new(stream);
        let (mut sender, connection) = handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        let request = Request::post(format!("http://{}{}", service.address, asked.path()))
            .header("content-type", "text/xml")
            .header("content-encoding", "zstd")
            .header("accept-encoding", "zstd")
            .body(Full::new(Bytes::from(pack(
                "zstd",
                asked.envelope().as_bytes(),
            ))))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "zstd");
        answer.into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(unpack("zstd", &bytes), asked.send(&service).body);
}

#[test]
fn a_request_may_be_packed() {
    let service = Service::start();
    let mut client = service.connect();
    let asked = Ask::new(5, "P5", &[(PNR, CHILD); 500]);
    let (path, body) = (asked.path(), asked.envelope());
    let expected = asked.send(&service).body;
    let in_two = [&body.as_bytes()[..100], &body.as_bytes()[100..]]
        .map(gzip)
        .concat();
    for (coding, packed) in [
        ("gzip", gzip(body.as_bytes())),
        ("x-gzip", in_two),
        ("ZSTD", pack("zstd", body.as_bytes())),
        ("identity", body.clone().into_bytes()),
    ] {
        let headers = [XML, ("Content-Encoding", coding)];
        let answer = client.post(&path, &headers, &packed);
        assert_eq!((answer.status, &answer.body), (200, &expected), "{coding}");
    }
    let json = json!({"identities": [CHILD]}).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "zstd"),
    ];
    let answer = client.post("/v1/persons", &headers, &pack("zstd", json.as_bytes()));
    assert!(
        answer.status == 200 && answer.body.contains(CHILD),
        "{answer:?}"
    );
}

#[test]
fn what_cannot_be_unpacked_is_refused_and_the_connection_goes_on() {
    let service = Service::start();
    let mut client = service.connect();
    let asked = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let (path, body) = (asked.path(), asked.envelope());
    let cut = |mut packed: Vec<u8>| {
        packed.truncate(packed.len() - 5);
        packed
    };
    let spaces = vec![b' '; 20 << 20];
    let packed = |coding| pack(coding, body.as_bytes());
    for (coding, sent, status) in [
        ("gzip", body.clone().into_bytes(), 400),
        ("zstd", body.clone().into_bytes(), 400),
        ("gzip", cut(packed("gzip")), 400),
        ("zstd", cut(packed("zstd")), 400),
        ("gzip", packed("zstd"), 400),
        ("gzip", Vec::new(), 400),
        ("zstd", Vec::new(), 400),
        ("gzip", pack("gzip", &spaces), 413),
        ("zstd", pack("zstd", &spaces), 413),
        // No more than it may be, but far more than it was.
        ("zstd", pack("zstd", &spaces[..1_000_000]), 413),
        ("gzip", pack("gzip", &spaces[..60_000]), 500),
        ("br", body.clone().into_bytes(), 415),
        ("deflate", body.clone().into_bytes(), 415),
        ("gzip, zstd", body.clone().into_bytes(), 415),
        ("gzip\r\nContent-Encoding: gzip", gzip(&packed("gzip")), 415),
    ] {
        let answer = client.post(&path, &[XML, ("Content-Encoding", coding)], &sent);
        assert_eq!(answer.status, status, "{coding}: {}", answer.body);
        let offered = (status == 415).then_some("gzip, zstd");
        assert_eq!(answer.header("accept-encoding"), offered, "{coding}");
    }
    let json = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "br"),
    ];
    let answer = client.post("/v1/persons", &json, b"{}");
    assert!(
        answer.status == 415 && answer.body.contains("unsupported-media"),
        "{answer:?}"
    );
    assert_eq!(client.post(&path, &[XML], body.as_bytes()).status, 200);
}

#[test]
fn who_wants_none_of_it_turns_it_off() {
    let service = Service::over(register(persons()), |config| config.compression = false);
    let mut client = service.connect();
    for (method, path, media, body) in long() {
        let headers = [("Content-Type", media), ("Accept-Encoding", "gzip, zstd")];
        let (head, _) = ask(&mut client, (method, &path, &body), &headers);
        assert_eq!(head.status, 200);
        assert_eq!(head.header("content-encoding"), None);
        assert_eq!(head.header("vary"), None);
    }
    let asked = Ask::new(5, "P1", &[(PNR, CHILD)]);
    let headers = [XML, ("Content-Encoding", "gzip")];
    let answer = client.post(&asked.path(), &headers, &gzip(asked.envelope().as_bytes()));
    assert_eq!(answer.status, 415);
    assert_eq!(answer.header("accept-encoding"), Some("identity"));
}

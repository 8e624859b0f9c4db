//! The REST interface: each route, each problem, and answers that its own description allows.

use serde_json::{Value, json};

use crate::support::{Answer, NRID, PNR, Service, persons, register};

const CHILD: &str = "201001012382";
const OLD: &str = "198402192382";
const SECRECY: &str = "197501079292";
const UNKNOWN: &str = "191212121212";

fn parsed(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// An answer with personal data, as it must look on the wire.
#[track_caller]
fn good(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    parsed(answer)
}

#[track_caller]
fn problem(answer: &Answer, status: u16, name: &str, detail: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let said = parsed(answer);
    assert_eq!(said["type"], format!("urn:pu:problem:{name}"));
    assert_eq!(
        (said["status"].as_u64(), said["detail"].as_str()),
        (Some(u64::from(status)), Some(detail))
    );
    assert!(said["title"].is_string() && said.get("instance").is_none());
}

fn post(service: &Service, body: &str) -> Answer {
    let headers = [("Content-Type", "application/json")];
    service
        .connect()
        .post("/v1/persons", &headers, body.as_bytes())
}

#[test]
fn a_person_is_found_by_identity() {
    let service = Service::start();
    for path in [
        format!("/v1/persons/{CHILD}"),
        "/v1/persons/20100101-2382".to_owned(),
        format!("/v1/persons/{CHILD}?root={PNR}&profile=P3&ignore_referred_identity=false"),
        "/v1/persons/%32%30%31%30%30%31%30%312382".to_owned(),
    ] {
        let person = good(&service.get(&path));
        assert_eq!(
            person["personalIdentity"],
            json!({"root": PNR, "extension": CHILD})
        );
        assert!(person["addressInformation"].is_object(), "profile 3");
    }
    let short = good(&service.get(&format!("/v1/persons/{CHILD}?profile=P1")));
    assert!(short.get("addressInformation").is_none());
}

#[test]
fn a_linked_identity_answers_with_the_main_identitys_record_unless_told_otherwise() {
    let service = Service::start();
    let shown = |query: &str| {
        let person = good(&service.get(&format!("/v1/persons/22790814AA01{query}")));
        person["personalIdentity"].clone()
    };
    let own = json!({"root": NRID, "extension": "22790814AA01"});
    assert_eq!(shown("?ignore_referred_identity=true"), own);
    assert_eq!(shown(""), json!({"root": PNR, "extension": "198001022386"}));
}

#[test]
fn protected_persons_are_shown_as_by_a_restricted_contract() {
    let service = Service::start();
    for profile in ["P1", "P5"] {
        let answer = service.get(&format!("/v1/persons/{SECRECY}?profile={profile}"));
        let person = good(&answer);
        assert_eq!(person["protectedPersonIndicator"], true);
        for hidden in ["addressInformation", "contactInformation", "relationship"] {
            assert!(person.get(hidden).is_none(), "{hidden}");
        }
        assert!(!answer.body.contains("HEMLIGA"));
    }
}

#[test]
fn several_persons_come_in_the_order_asked_for() {
    let service = Service::start();
    let body =
        json!({"identities": [CHILD, {"root": PNR, "extension": UNKNOWN}, CHILD], "profile": "P1"});
    let rows = good(&post(&service, &body.to_string()))["requestedPersonRecord"].take();
    let rows = rows.as_array().unwrap().clone();
    let asked: Vec<&Value> = rows
        .iter()
        .map(|row| &row["requestedPersonalIdentity"]["extension"])
        .collect();
    assert_eq!(asked, [CHILD, UNKNOWN, CHILD]);
    let found: Vec<bool> = rows
        .iter()
        .map(|row| row.get("personRecord").is_some())
        .collect();
    assert_eq!(found, [true, false, true]);
}

#[test]
fn what_is_wrong_with_a_request_is_a_problem() {
    let service = Service::start();
    let malformed = "Identitet nummer 1 i frågan följer inte formatet för sin identitetstyp.";
    let invalid = "invalid-parameter";
    let question = "Sökfrågan saknas. Ange q, text eller parametrar som name och birth_date.";
    let questions =
        "Ange antingen q, text eller parametrar som name och birth_date, inte flera av dem.";
    for (path, status, name, detail) in [
        (
            format!("/v1/persons/{UNKNOWN}"),
            404,
            "unknown-person",
            "Identiteten finns inte i registret.",
        ),
        (
            "/v1/persons/1912".to_owned(),
            400,
            "malformed-identity",
            malformed,
        ),
        (
            format!("/v1/persons/{CHILD}?root=1.2.3"),
            400,
            "malformed-identity",
            "Identitet nummer 1 i frågan har en okänd identitetstyp (root).",
        ),
        (
            format!("/v1/persons/{CHILD}?profile=P6"),
            400,
            "reserved-profile",
            "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.",
        ),
        (
            format!("/v1/persons/{CHILD}?profile=X"),
            400,
            invalid,
            "Parametern profile ska vara P1, P2, P3, P4 eller P5.",
        ),
        (
            format!("/v1/persons/{CHILD}?profile=P1&profile=P2"),
            400,
            invalid,
            "Parametern profile får anges högst en gång.",
        ),
        (
            format!("/v1/persons/{CHILD}?prfile=P1"),
            400,
            invalid,
            "Parametern prfile är okänd.",
        ),
        (
            format!("/v1/persons/{CHILD}?profile=%ff"),
            400,
            invalid,
            "En parameter är inte procentkodad UTF-8.",
        ),
        (
            format!("/v1/persons/{CHILD}?ignore_referred_identity=1"),
            400,
            invalid,
            "Parametern ignore_referred_identity ska vara true eller false.",
        ),
        ("/v1/search".to_owned(), 400, invalid, question),
        ("/v1/search?profile=P1".to_owned(), 400, invalid, question),
        ("/v1/search?q=x&text=y".to_owned(), 400, invalid, questions),
        ("/v1/search?name=x&q=y".to_owned(), 400, invalid, questions),
        (
            "/v1/search?gender=3".to_owned(),
            400,
            invalid,
            "Parametern gender ska vara 0, 1, 2 eller 9.",
        ),
        (
            "/v1/search?surname=a&surname=b".to_owned(),
            400,
            invalid,
            "Parametern surname får anges högst en gång.",
        ),
        (
            "/v1/search?q=x&explain=true".to_owned(),
            403,
            "explanation-off",
            "Förklaringar av sökningar lämnas inte ut av denna tjänst.",
        ),
        ("/v1/".to_owned(), 404, "not-found", "Sidan finns inte."),
        (
            format!("/v1/persons/{CHILD}/x"),
            404,
            "not-found",
            "Sidan finns inte.",
        ),
    ] {
        problem(&service.get(&path), status, name, detail);
    }
}

#[test]
fn a_slash_at_the_end_of_a_path_is_forgiven() {
    let service = Service::over(register(persons()), |_| {});
    for path in [
        format!("/v1/persons/{CHILD}"),
        "/v1/openapi.json".to_owned(),
        "/healthz".to_owned(),
    ] {
        let (plain, slash) = (service.get(&path), service.get(&format!("{path}/")));
        assert_eq!((plain.status, slash.status), (200, 200), "{path}");
        assert_eq!(plain.body, slash.body, "{path}");
        assert_eq!(service.get(&format!("{path}//")).status, 404, "{path}");
    }
    assert_eq!(service.get("/v1/persons/").status, 405);
}

#[test]
fn what_is_wrong_with_a_body_is_a_problem() {
    let service = Service::over(register(persons()), |config| {
        config.limits.body_bytes = 20_000;
    });
    let form = |what: &str| format!("Meddelandet har fel form: {what}.");
    for (body, name, detail) in [
        (
            "{".to_owned(),
            "malformed-request",
            "Meddelandet är inte välformad JSON (rad 1, tecken 1).".to_owned(),
        ),
        (
            format!("\u{feff}{{\"identities\":[\"{CHILD}\"],\n\"identities\":[]}}"),
            "malformed-request",
            "Ett fält står två gånger i samma objekt (rad 2, tecken 16).".to_owned(),
        ),
        (
            "[]".to_owned(),
            "malformed-request",
            form("ett objekt med identities väntades"),
        ),
        (
            "{}".to_owned(),
            "malformed-request",
            form("identities ska vara en lista med minst en identitet"),
        ),
        (
            json!({"identities": [CHILD], "profil": "P1"}).to_string(),
            "malformed-request",
            form("ett fält är okänt"),
        ),
        (
            json!({"identities": [7]}).to_string(),
            "malformed-request",
            form("en identitet ska vara en text, eller ett objekt med root och extension"),
        ),
        (
            json!({"identities": [CHILD, "1"]}).to_string(),
            "malformed-identity",
            "Identitet nummer 2 i frågan följer inte formatet för sin identitetstyp.".to_owned(),
        ),
        (
            json!({"identities": vec![CHILD; 501]}).to_string(),
            "too-many-identities",
            "Högst 500 identiteter får anges i en fråga.".to_owned(),
        ),
    ] {
        problem(&post(&service, &body), 400, name, &detail);
    }
    assert_eq!(
        post(
            &service,
            &json!({"identities": vec![CHILD; 500]}).to_string()
        )
        .status,
        200
    );
    problem(
        &post(&service, &" ".repeat(20_001)),
        413,
        "too-large",
        "Meddelandet är större än 20000 byte.",
    );
}

#[test]
fn methods_and_media_are_kept_to() {
    let service = Service::start();
    let one = format!("/v1/persons/{CHILD}");
    let mut connection = service.connect();
    for (method, path, allowed) in [
        ("POST", one.as_str(), "GET, HEAD"),
        ("DELETE", "/v1/search", "GET, HEAD"),
        ("PUT", "/v1/openapi.json", "GET, HEAD"),
        ("GET", "/v1/persons", "POST"),
    ] {
        let answer = connection.request(method, path, &[], b"");
        problem(
            &answer,
            405,
            "method-not-allowed",
            "Metoden stöds inte här.",
        );
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    let accept = [("Accept", "application/xml")];
    let answer = connection.request("GET", &one, &accept, b"");
    problem(
        &answer,
        406,
        "not-acceptable",
        "Svaret ges bara som application/json.",
    );
    let body = json!({"identities": [CHILD]}).to_string();
    for header in [
        ("Content-Type", "text/xml"),
        ("Content-Type", "application/json; charset=ISO-8859-1"),
        ("X", "y"),
    ] {
        let answer = connection.post("/v1/persons", &[header], body.as_bytes());
        problem(
            &answer,
            415,
            "unsupported-media",
            "Innehållstypen ska vara application/json i UTF-8.",
        );
    }
    let json = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(
        connection
            .post("/v1/persons", &json, body.as_bytes())
            .status,
        200,
        "still the same connection"
    );
}

#[test]
fn head_is_get_without_the_body() {
    let service = Service::start();
    let path = format!("/v1/persons/{CHILD}");
    let whole = service.get(&path).body.len().to_string();
    let mut connection = service.connect();
    connection.send(
        format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\nGET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .as_bytes(),
    );
    let head = connection.receive_head().unwrap();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, Some(whole.as_str()))
    );
    assert_eq!(
        connection.receive().unwrap().status,
        200,
        "and the connection goes on"
    );
}

#[test]
fn the_description_names_nobody() {
    let service = Service::start();
    let answer = service.get("/v1/openapi.json");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json"))
    );
    let document = parsed(&answer);
    assert_eq!(document["openapi"], "3.1.0");
    for run in answer
        .body
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| run.len() == 12)
    {
        assert_eq!(run, UNKNOWN);
    }
}

#[test]
fn rest_requests_are_counted() {
    let service = Service::start();
    service.get(&format!("/v1/persons/{OLD}"));
    service.get(&format!("/v1/persons/{UNKNOWN}"));
    let metrics = service.get("/metrics").body;
    for line in [
        "pu_rest_requests_total{route=\"person\",outcome=\"answered\"} 1",
        "pu_rest_requests_total{route=\"person\",outcome=\"client_fault\"} 1",
        "pu_searches_total{language=\"SimpleQL\",outcome=\"answered\"} 0",
        "pu_wide_searches_waiting 0",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

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

#[test]
fn identities_are_understood_as_people_write_them() {
    let service = Service::start();
    let old = "191500722390";
    let extension = |person: &Value| person["personalIdentity"]["extension"].clone();
    for (typed, expected) in [
        ("100101-2382", CHILD),
        ("1001012382", CHILD),
        ("100101%202382", CHILD),
        ("100101%C2%A0%E2%80%93%C2%A02382", CHILD),
        ("20100101%E2%88%922382", CHILD),
        ("150072+2390", old),
        ("150072%2B2390", old),
        ("19150072-2390", old),
    ] {
        let person = good(&service.get(&format!("/v1/persons/{typed}")));
        assert_eq!(extension(&person), expected, "{typed}");
    }
    let found = |query: &str| {
        let found = good(&service.get(&format!("/v1/search?{query}")));
        let persons = found["personRecord"].as_array().unwrap().clone();
        persons.iter().map(extension).collect::<Vec<_>>()
    };
    let simple = "q=FROM%20PersonRecord%20WHERE%20personalIdentity.extension%20";
    for (query, expected) in [
        ("identity=100101-2382".to_owned(), CHILD),
        ("identity=150072%2B2390".to_owned(), old),
        ("identity=100101*".to_owned(), CHILD),
        ("identity=100101-23*".to_owned(), CHILD),
        ("text=100101-2382".to_owned(), CHILD),
        ("text=100101%202382".to_owned(), CHILD),
        ("text=20100101+-+2382".to_owned(), CHILD),
        ("text=150072%2B2390".to_owned(), old),
        ("text=1500*".to_owned(), old),
        (format!("{simple}=%20'100101%E2%80%932382'"), CHILD),
        (format!("{simple}IN%20('150072%2B2390')"), old),
        (format!("{simple}LIKE%20'1500%25'"), old),
        (format!("{simple}LIKE%20'100101-2%25'"), CHILD),
    ] {
        assert_eq!(found(&query), [expected], "{query}");
    }
    let body = json!({"identities": ["100101-2382", "150072+2390"], "profile": "P1"});
    let rows = good(&post(&service, &body.to_string()))["requestedPersonRecord"].take();
    for (row, expected) in rows.as_array().unwrap().iter().zip([CHILD, old]) {
        assert_eq!(row["requestedPersonalIdentity"]["extension"], expected);
        assert_eq!(extension(&row["personRecord"]), expected);
    }
    // A telephone number is nobody, and neither are a student's number and the child in 1910.
    for (typed, status) in [
        ("0709612346", 400),
        ("121212-T121", 400),
        ("20121212-T121", 404),
        ("100101+2382", 404),
    ] {
        let answer = service.get(&format!("/v1/persons/{typed}"));
        assert_eq!(answer.status, status, "{typed} {}", answer.body);
    }
    // Where a plus may have become a space, nobody is guessed at.
    assert_eq!(service.get("/v1/search?identity=150072+2390").status, 400);
}

/// Of the formats that a value fits, those count that the register has.
#[test]
fn a_value_of_several_formats_is_the_one_that_is_there() {
    let (rb, rsr) = ("1.2.752.74.9.5", "1.2.752.266.1.1.1");
    let line = |root: &str, value: &str| {
        let line = json!({
            "personalIdentity": {"root": root, "extension": value},
            "protectedPersonIndicator": false, "testIndicator": true, "primaryIdentity": true,
            "version": "20241128091233",
        });
        format!("{line}\n")
    };
    let lines = [
        line(rb, "20200501AA8A"),
        line(rsr, "20200501AA8A"),
        line(rsr, "19600606AA1G"),
        line("1.2.752.113.11.0.2.1.1.4", "17001111k912"),
        line("1.2.752.219.1.10.10.1", "810829DA1B"),
    ];
    let service = Service::over(register(&lines.concat()), |_| {});
    let root = |path: &str| {
        let person = good(&service.get(path));
        person["personalIdentity"]["root"].clone()
    };
    assert_eq!(root("/v1/persons/19600606-AA1G"), rsr);
    assert_eq!(root("/v1/persons/19600606aa1g"), rsr);
    assert_eq!(root(&format!("/v1/persons/20200501-AA8A?root={rb}")), rb);
    assert_eq!(root(&format!("/v1/persons/20200501aa8a?root={rsr}")), rsr);
    problem(
        &service.get("/v1/persons/20200501-AA8A"),
        400,
        "invalid-parameter",
        "Identitet nummer 1 finns i flera format. Ange vilket som avses med root.",
    );
    root("/v1/persons/810829-DA1B");
    root("/v1/persons/17001111-k912");
    // Letter case carries meaning there.
    assert_eq!(service.get("/v1/persons/17001111-K912").status, 404);
    for (query, count) in [
        ("identity=20200501-AA8A", 2),
        ("text=20200501-AA8A", 2),
        ("identity=810829DA1B", 1),
        ("identity=20200501*", 2),
        ("identity=17001111k*", 1),
        (
            "q=FROM%20PersonRecord%20WHERE%20personalIdentity.extension%20=%20'20200501-aa8a'",
            2,
        ),
        (
            "q=FROM%20PersonRecord%20WHERE%20personalIdentity.type%20=%20'RSR'",
            2,
        ),
    ] {
        let found = good(&service.get(&format!("/v1/search?{query}")));
        assert_eq!(found["count"], count, "{query}");
    }
}

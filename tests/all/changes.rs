//! The feed of changes and the history of persons over the wire: whole, in order, and never more of
//! a protected person than is shown now.

use std::time::{Duration, Instant};

use pu::person::identity::Formats;
use pu::person::json;
use pu::store::entry::Origin;
use serde_json::{Value, json};

use crate::support::{Answer, PNR, Service, persons, register};

const CHILD: &str = "201001012382";
const OLD: &str = "198402192390";
const RESERVE: &str = "22790814AA01";
const UNKNOWN: &str = "191212121212";

/// What is said of a person nowhere but in one version of the record.
const SECRET: &str = "HEMLIGSTIGEN";

fn start() -> Service {
    Service::over(register(persons()), |config| {
        config.rest.history = true;
        config.rest.reserve_identities = true;
    })
}

/// The fixture's record of a person.
fn person(extension: &str) -> Value {
    let rows = persons()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found = rows.filter(|row| row["personalIdentity"]["extension"] == extension);
    found.next().unwrap()
}

fn record(person: &Value) -> Vec<u8> {
    let read = json::read(person.to_string().as_bytes(), &Formats::standard());
    read.unwrap().to_record().unwrap()
}

fn origin() -> Origin {
    let id = |name: &str| Some(("1.2.752.129.2.1.4.1".to_owned(), name.to_owned()));
    Origin {
        by: "UpdatePerson/5".to_owned(),
        actor: id("SE1-ACTOR"),
        organization: id("SE1-CLINIC"),
        consumer: Some("SE1-SYSTEM".to_owned()),
        correlation: Some("c-1".to_owned()),
    }
}

/// Commits records, as one change. Answers its number.
fn commit(service: &Service, people: &[&Value]) -> u64 {
    let records = people.iter().map(|it| record(it)).collect();
    let work = move |draft: &mut pu::store::commit::Draft| {
        draft.commit(origin(), records, Vec::new()).unwrap()
    };
    service.app.live.committer.wait(work).unwrap().0
}

fn newest(service: &Service) -> u64 {
    service.app.store.pin().sequence()
}

/// The lines of an answer, the last one apart.
#[track_caller]
fn lines(answer: &Answer) -> (Vec<Value>, u64) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut lines: Vec<Value> = answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let last = lines.pop().unwrap();
    assert_eq!(last.as_object().unwrap().len(), 1);
    (lines, last["sequence"].as_u64().unwrap())
}

fn follow(service: &Service, query: &str) -> (Vec<Value>, u64) {
    lines(&service.get(&format!("/v1/changes?{query}")))
}

fn who(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| {
            line["personRecord"]["personalIdentity"]["extension"]
                .as_str()
                .unwrap()
        })
        .collect()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, name: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    let said: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(said["type"], format!("urn:pu:problem:{name}"));
    said
}

fn history(service: &Service, extension: &str) -> Value {
    let answer = service.get(&format!("/v1/persons/{extension}/history"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn whoever_changed_comes_once_as_they_are_now_and_the_last_line_tells_where_to_go_on() {
    let service = start();
    let before = newest(&service);
    assert_eq!(
        follow(&service, &format!("since={before}")),
        (vec![], before)
    );
    assert_eq!(follow(&service, ""), (vec![], before), "where the log ends");
    let mut child = person(CHILD);
    child["name"]["surname"] = json!("Ett");
    let one = commit(&service, &[&child]);
    let two = commit(&service, &[&person(OLD), &person(RESERVE)]);
    child["name"]["surname"] = json!("Två");
    let three = commit(&service, &[&child]);
    let (found, last) = follow(&service, &format!("since={before}"));
    assert_eq!(who(&found), [OLD, RESERVE, CHILD]);
    assert_eq!(last, three);
    let sequences: Vec<u64> = found
        .iter()
        .map(|it| it["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [two, two, three]);
    assert_eq!(found[2]["personRecord"]["name"]["surname"], "Två");
    assert_eq!(found[2]["by"], "UpdatePerson/5");
    assert!(found[2]["at"].as_str().unwrap().len() > 20);
    // Who goes on from the middle gets the rest; who has seen more than there is, nothing.
    let (found, _) = follow(&service, &format!("since={one}&type=PNR"));
    assert_eq!(who(&found), [OLD, CHILD]);
    let (found, last) = follow(&service, &format!("since={one}&type=nrid"));
    assert_eq!((who(&found), last), (vec![RESERVE], three));
    assert_eq!(
        follow(&service, &format!("since={one}&type=SNR")),
        (vec![], three)
    );
    assert_eq!(follow(&service, "since=999999"), (vec![], 999_999));
}

#[test]
fn pages_are_whole_changes_and_together_everything() {
    let service = start();
    let before = newest(&service);
    let everybody: Vec<Value> = persons()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for three in everybody.chunks(3) {
        commit(&service, &three.iter().collect::<Vec<_>>());
    }
    let mut at = before;
    let mut all = Vec::new();
    let mut pages = 0;
    while at < newest(&service) {
        let (found, reached) = follow(&service, &format!("since={at}&limit=4"));
        assert!(reached > at && !found.is_empty() && found.len() <= 4);
        all.extend(found);
        at = reached;
        pages += 1;
    }
    assert_eq!(
        (all.len(), pages),
        (everybody.len(), everybody.len().div_ceil(3))
    );
    // A change is never parted, however little is asked for.
    let (found, reached) = follow(&service, &format!("since={before}&limit=1"));
    assert_eq!((found.len(), reached), (3, before + 1));
}

#[test]
fn protection_that_came_later_hides_what_the_change_brought() {
    let service = start();
    let before = newest(&service);
    let mut child = person(CHILD);
    child["addressInformation"]["residentialAddress"]["postalAddress2"] = json!(SECRET);
    commit(&service, &[&child]);
    // The test could fail: now it is there.
    let all = format!("/v1/changes?since={before}&profile=P5");
    assert!(service.get(&all).body.contains(SECRET));
    for flag in ["protectedPersonIndicator", "protectedPopulationRecord"] {
        let mut hidden = child.clone();
        hidden[flag] = json!(true);
        commit(&service, &[&hidden]);
        for since in before..newest(&service) {
            for profile in ["P1", "P2", "P3", "P4", "P5"] {
                let query = format!("since={since}&profile={profile}");
                let (found, _) = follow(&service, &query);
                assert_eq!(who(&found), [CHILD]);
                let shown = &found[0]["personRecord"];
                assert_eq!(shown[flag], true);
                assert!(!found[0].to_string().contains(SECRET));
                assert!(shown.get("addressInformation").is_none());
            }
        }
        commit(&service, &[&child]);
    }
}

#[test]
fn a_county_hears_of_its_own_and_of_those_who_left() {
    let service = start();
    let before = newest(&service);
    let mut child = person(CHILD);
    child["populationRegistrationLocality"]["countyCode"] = json!("14");
    commit(&service, &[&child]);
    for profile in ["P1", "P3", "P5"] {
        for (asked, found) in [("01", 1), ("14", 1), ("22", 0)] {
            let query = format!("since={before}&county={asked}&profile={profile}");
            assert_eq!(follow(&service, &query).0.len(), found, "{query}");
        }
    }
}

/// Whoever was told of somebody who becomes protected must hear of it; were they the only ones, the
/// feed would tell who was where.
#[test]
fn everybody_hears_that_somebody_became_protected_and_nothing_more() {
    let service = start();
    let mut child = person(CHILD);
    child["populationRegistrationLocality"]["countyCode"] = json!("14");
    child["addressInformation"]["residentialAddress"]["city"] = json!(SECRET);
    let before = commit(&service, &[&child]);
    let county = |since: u64, asked: &str| {
        let query = format!("since={since}&county={asked}&profile=P5");
        let (found, reached) = follow(&service, &query);
        assert_eq!(reached, newest(&service), "{query}");
        found
    };
    for kind in ["protectedPopulationRecord", "protectedPersonIndicator"] {
        child["protectedPopulationRecord"] = json!(false);
        child["protectedPersonIndicator"] = json!(false);
        child["populationRegistrationLocality"]["countyCode"] = json!("14");
        let open = commit(&service, &[&child]);
        child[kind] = json!(true);
        let hidden = commit(&service, &[&child]);
        let told: Vec<_> = (0..100)
            .map(|it| county(open, &format!("{it:02}")))
            .collect();
        for (asked, told) in told.iter().enumerate() {
            let [change] = told.as_slice() else {
                panic!("{asked}: {} changes", told.len());
            };
            let record = &change["personRecord"];
            assert_eq!(record["personalIdentity"]["extension"], CHILD);
            assert_eq!(record[kind], true);
            let shown = kind == "protectedPersonIndicator" && asked == 14;
            let place = record.get("populationRegistrationLocality");
            assert_eq!(place.is_some(), shown, "{asked}: {record}");
            assert!(record.get("addressInformation").is_none());
            assert!(shown || change == &told[0]);
        }
        // Who moves under protection is heard of where the county is shown, before and after.
        child["populationRegistrationLocality"]["countyCode"] = json!("25");
        commit(&service, &[&child]);
        for (asked, found) in [("01", 0), ("14", 1), ("25", 1)] {
            let found = found * usize::from(kind == "protectedPersonIndicator");
            assert_eq!(county(hidden, asked).len(), found, "{kind} {asked}");
        }
        // Where somebody lived while that was hidden is not told when it is not hidden any more.
        let moved = newest(&service);
        child["protectedPopulationRecord"] = json!(false);
        child["protectedPersonIndicator"] = json!(false);
        child["populationRegistrationLocality"]["countyCode"] = json!("03");
        commit(&service, &[&child]);
        assert_eq!(county(moved, "03").len(), 1);
        let found = usize::from(kind == "protectedPersonIndicator");
        assert_eq!(county(moved, "25").len(), found, "{kind}");
    }
    // Where somebody moved in the open is not told of who is protected now.
    child["populationRegistrationLocality"]["countyCode"] = json!("20");
    let open = newest(&service);
    commit(&service, &[&child]);
    assert_eq!(county(open, "03").len(), 1);
    child["protectedPersonIndicator"] = json!(true);
    commit(&service, &[&child]);
    let (mine, others) = (county(open, "03"), county(open, "09"));
    assert_eq!(mine, others);
    assert!(county(before, "14")[0].to_string().find(SECRET).is_none());
}

#[test]
fn who_waits_is_answered_when_something_changes() {
    let service = start();
    let before = newest(&service);
    let began = Instant::now();
    let (found, last) = follow(&service, &format!("since={before}&wait=1"));
    assert_eq!((found, last), (vec![], before));
    assert!(began.elapsed() >= Duration::from_secs(1));
    std::thread::scope(|scope| {
        let waiting: Vec<_> = (0..20)
            .map(|number| {
                let since = format!("since={before}&wait=15");
                let query = if number == 0 {
                    "wait=15".to_owned()
                } else {
                    since
                };
                let service = &service;
                scope.spawn(move || follow(service, &query))
            })
            .collect();
        std::thread::sleep(Duration::from_millis(300));
        let sequence = commit(&service, &[&person(CHILD)]);
        for answer in waiting {
            let (found, last) = answer.join().unwrap();
            assert_eq!((who(&found), last), (vec![CHILD], sequence));
        }
    });
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[test]
fn who_waits_does_not_hold_up_the_end() {
    let service = start();
    let before = newest(&service);
    let mut client = service.connect();
    let path = format!("/v1/changes?since={before}&wait=60");
    client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    service.stop();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(lines(&client.receive().unwrap()), (vec![], before));
}

#[test]
fn what_is_wrong_with_following_is_a_problem() {
    let service = start();
    let before = newest(&service);
    assert!(before > 1);
    let gone = service.get("/v1/changes?since=0");
    let said = refused(&gone, 410, "gone");
    let detail = said["detail"].as_str().unwrap();
    // The log begins with what a register that came from another says first: its numbers go on beyond.
    assert!(detail.contains(&format!("nummer {before}.")), "{detail}");
    for query in [
        "since=-1",
        "since=+1",
        "since=x",
        "since=",
        "limit=0",
        "limit=1001",
        "wait=61",
        "county=1",
        "county=1a",
        "type=XXX",
        "profile=P0",
        "sinse=1",
        "since=1&since=1",
    ] {
        refused(
            &service.get(&format!("/v1/changes?{query}")),
            400,
            "invalid-parameter",
        );
    }
    let mut client = service.connect();
    let answer = client.request("POST", "/v1/changes", &[], b"");
    refused(&answer, 405, "method-not-allowed");
    let answer = client.request("GET", "/v1/changes", &[("Accept", "application/json")], b"");
    let said = refused(&answer, 406, "not-acceptable");
    assert_eq!(said["detail"], "Svaret ges bara som application/x-ndjson.");
    let off = Service::over(register(persons()), |config| config.rest.changes = false);
    refused(&off.get("/v1/changes?since=1"), 403, "changes-off");
    let metrics = service.get("/metrics").body;
    assert!(
        metrics.contains("pu_rest_requests_total{route=\"changes\",outcome=\"client_fault\"} 1")
    );
}

#[test]
fn the_history_tells_who_changed_which_parts_and_to_nothing() {
    let service = start();
    let path = format!("/v1/persons/{CHILD}/history");
    assert_eq!(
        history(&service, CHILD),
        json!({"change": [], "complete": false})
    );
    let mut child = person(CHILD);
    commit(&service, &[&child]);
    child["name"]["surname"] = json!(SECRET);
    child["addressInformation"]["residentialAddress"]["postalAddress2"] = json!(SECRET);
    commit(&service, &[&person(OLD), &child]);
    let told = history(&service, CHILD);
    assert!(!told.to_string().contains(SECRET) && !told.to_string().contains(CHILD));
    let changes = told["change"].as_array().unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(changes[0]["changed"], json!(["name", "addressInformation"]));
    assert_eq!(changes[0]["sequence"], newest(&service));
    assert_eq!(changes[0]["by"], "UpdatePerson/5");
    assert_eq!(changes[0]["actor"]["extension"], "SE1-ACTOR");
    assert_eq!(changes[0]["organization"]["extension"], "SE1-CLINIC");
    assert_eq!(changes[0]["consumer"], "SE1-SYSTEM");
    assert_eq!(changes[0]["correlation"], "c-1");
    assert!(
        changes[1].get("changed").is_none(),
        "the version before is in no log"
    );
    refused(
        &service.get(&format!("/v1/persons/{UNKNOWN}/history")),
        404,
        "unknown-person",
    );
    refused(
        &service.get("/v1/persons/12/history"),
        400,
        "malformed-identity",
    );
    refused(
        &service.get(&format!("{path}?profile=P1")),
        400,
        "invalid-parameter",
    );
    assert_eq!(service.get(&format!("{path}?root={PNR}")).status, 200);
    refused(
        &service.connect().post(&path, &[], b""),
        405,
        "method-not-allowed",
    );
    refused(&Service::start().get(&path), 403, "history-off");
}

#[test]
fn the_history_of_a_protected_person_tells_nothing_that_is_hidden() {
    for flag in ["protectedPersonIndicator", "protectedPopulationRecord"] {
        let service = start();
        let mut child = person(CHILD);
        commit(&service, &[&child]);
        child["addressInformation"]["residentialAddress"]["postalAddress2"] = json!(SECRET);
        commit(&service, &[&child]);
        let shown = history(&service, CHILD);
        assert_eq!(shown["change"][0]["changed"], json!(["addressInformation"]));
        // Protection came after the change.
        child[flag] = json!(true);
        commit(&service, &[&child]);
        // And while it lasts, the person moves.
        child["addressInformation"]["residentialAddress"]["postalAddress2"] = json!("ANNAN");
        child["populationRegistrationLocality"]["parishCode"] = json!("99");
        commit(&service, &[&child]);
        let told = history(&service, CHILD);
        let parts: Vec<&Value> = (0..3).map(|at| &told["change"][at]["changed"]).collect();
        assert_eq!(parts, [&json!([]), &json!([flag]), &json!([])]);
        for hidden in ["actor", "organization", "consumer", "correlation", "SE1-"] {
            assert!(!told.to_string().contains(hidden), "{hidden}");
        }
        // What happened under protection stays hidden when it is over; the rest is told again.
        child[flag] = json!(false);
        commit(&service, &[&child]);
        let told = history(&service, CHILD);
        let parts: Vec<&Value> = (0..4).map(|at| &told["change"][at]["changed"]).collect();
        let address = json!(["addressInformation"]);
        assert_eq!(
            parts,
            [&json!([flag]), &json!([]), &json!([flag]), &address]
        );
        assert!(told["change"][1].get("organization").is_none());
        assert!(told["change"][3].get("organization").is_some());
    }
}

#[test]
fn a_long_history_ends_with_the_limit() {
    let service = start();
    let mut child = person(CHILD);
    let records: Vec<Vec<u8>> = (0..1_005)
        .map(|number| {
            child["name"]["surname"] = json!(format!("Namn{number}"));
            record(&child)
        })
        .collect();
    let work = move |draft: &mut pu::store::commit::Draft| {
        for record in records {
            draft.commit(origin(), vec![record], Vec::new()).unwrap();
        }
    };
    service.app.live.committer.wait(work).unwrap();
    let told = history(&service, CHILD);
    let changes = told["change"].as_array().unwrap();
    assert_eq!((changes.len(), &told["complete"]), (1_000, &json!(false)));
    assert!(changes.iter().all(|it| it["changed"] == json!(["name"])));
    assert_eq!(changes[0]["sequence"], newest(&service));
}

#[test]
fn reserve_identities_are_issued_where_the_service_allows_it() {
    let service = start();
    let name = |extension: &str| json!({"root": "1.2.752.129.2.1.4.1", "extension": extension});
    let body = json!({"count": 3, "actor": name("A"), "organization": name("O")}).to_string();
    let json = [("Content-Type", "application/json")];
    let send = |service: &Service, body: &str| {
        let mut client = service.connect();
        client.post("/v1/reserve-identities", &json, body.as_bytes())
    };
    let mut all = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let answer = send(&service, &body);
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let issued: Value = serde_json::from_str(&answer.body).unwrap();
        for identity in issued["personalIdentity"].as_array().unwrap() {
            assert!(all.insert(identity["extension"].as_str().unwrap().to_owned()));
        }
    }
    assert_eq!(all.len(), 9);
    for extension in &all {
        let path = format!("/v1/persons/{extension}");
        assert_eq!(service.get(&path).status, 200);
        let told = history(&service, extension);
        assert_eq!(told["change"][0]["by"], "rest");
        assert_eq!(told["change"][0]["actor"]["extension"], "A");
    }
    let bad = body.replace('3', "51");
    refused(&send(&service, &bad), 400, "malformed-request");
    refused(
        &send(&Service::start(), &body),
        403,
        "reserve-identities-off",
    );
    refused(
        &service.get("/v1/reserve-identities"),
        405,
        "method-not-allowed",
    );
}

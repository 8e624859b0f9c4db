//! Search over SOAP, REST and the command line, in every version.

use serde_json::Value;

use crate::program::pu;
use crate::support::{Answer, NRID, Service, envelope, path, persons, register};

const FULL: &str = "198001022386";
const CHILD: &str = "201001012382";
const SECRECY: &str = "197501079292";
const POPULATION: &str = "198501012382";
const RESERVE: &str = "22790814AA01";

const RESTRICTED: &str = "SearchPersonsForProfile";
const UNRESTRICTED: &str = "SearchPersonsForProfileUnrestricted";

fn message(contract: &str, major: u8, query: &str, language: &str, profile: &str) -> String {
    let query = query
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    let responder =
        format!("urn:riv:strategicresourcemanagement:persons:person:{contract}Responder:{major}");
    envelope(&format!(
        "<r:{contract} xmlns:r=\"{responder}\"><r:query>{query}</r:query><r:queryLanguage>{language}</r:queryLanguage><r:profile>{profile}</r:profile></r:{contract}>"
    ))
}

fn ask(service: &Service, contract: &str, major: u8, query: &str, profile: &str) -> Answer {
    let body = message(contract, major, query, "SimpleQL", profile);
    service.post(&path(contract, major), body.as_bytes())
}

fn by_identity(identity: &str) -> String {
    format!("FROM PersonRecord WHERE personalIdentity.extension = '{identity}'")
}

/// The identities of the hits, in order.
#[track_caller]
fn hits(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let extension = |record: &str| {
        let from = record.find("<p:extension>").unwrap() + "<p:extension>".len();
        record[from..from + record[from..].find('<').unwrap()].to_owned()
    };
    answer
        .body
        .split("<r:personRecord>")
        .skip(1)
        .map(extension)
        .collect()
}

#[track_caller]
fn refused(answer: &Answer, text: &str) {
    assert_eq!(answer.fault(), ("Client".to_owned(), text.to_owned()));
}

#[test]
fn an_identity_is_found_by_every_version() {
    let service = Service::start();
    for major in [3, 4, 5] {
        for contract in [RESTRICTED, UNRESTRICTED] {
            let answer = ask(&service, contract, major, &by_identity(CHILD), "P3");
            assert_eq!(hits(&answer), [CHILD], "{contract} {major}");
            let core =
                format!("xmlns:p=\"urn:riv:strategicresourcemanagement:persons:person:{major}\"");
            assert!(answer.body.contains(&core));
        }
    }
}

#[test]
fn nobody_is_an_answer_without_persons() {
    let service = Service::start();
    let answer = ask(&service, RESTRICTED, 5, &by_identity("191212121212"), "P1");
    assert_eq!(hits(&answer), Vec::<String>::new());
    assert!(answer.body.contains("SearchPersonsForProfileResponse"));
}

#[test]
fn a_search_shows_an_identitys_own_record_and_its_links() {
    let service = Service::start();
    let answer = ask(&service, RESTRICTED, 5, &by_identity(RESERVE), "P1");
    assert_eq!(hits(&answer), [RESERVE], "not the main identity's record");
    assert!(answer.body.contains(NRID) && answer.body.contains("<p:linkedIdentity>"));
    assert!(
        answer.body.contains(FULL),
        "the link names the main identity"
    );
}

#[test]
fn hits_come_in_the_order_of_identities() {
    let service = Service::start();
    let query = "FROM PersonRecord WHERE name.surname = 'testsson'";
    let found = hits(&ask(&service, RESTRICTED, 5, query, "P1"));
    assert!(found.len() >= 6, "{found:?}");
    let again = hits(&ask(&service, UNRESTRICTED, 3, query, "P5"));
    assert_eq!(found, again, "in every contract");
    // Personal numbers before the other types, and each type by its value.
    let numbers: Vec<u64> = found.iter().map_while(|it| it.parse().ok()).collect();
    assert!(numbers.len() >= 4 && numbers.is_sorted(), "{found:?}");
    let others = &found[numbers.len()..];
    assert!(
        others.iter().all(|it| it.parse::<u64>().is_err()),
        "{found:?}"
    );
}

#[test]
fn protected_persons_are_found_by_what_may_be_shown() {
    let service = Service::start();
    for (identity, city) in [(SECRECY, "GÖTEBORG"), (POPULATION, "LUND")] {
        let answer = ask(&service, RESTRICTED, 5, &by_identity(identity), "P5");
        assert_eq!(hits(&answer), [identity]);
        assert!(!answer.body.contains("addressInformation"));
        let open = ask(&service, UNRESTRICTED, 5, &by_identity(identity), "P5");
        assert_eq!(hits(&open), [identity]);
        assert!(open.body.contains("addressInformation"), "{city}");
    }
    // A hidden address is no way to its owner, unless the contract shows it.
    let query = "FROM PersonRecord WHERE addressInformation.residentialAddress.city = 'GÖTEBORG'";
    assert!(!hits(&ask(&service, RESTRICTED, 5, query, "P3")).contains(&SECRECY.to_owned()));
    assert!(hits(&ask(&service, UNRESTRICTED, 5, query, "P3")).contains(&SECRECY.to_owned()));
}

#[test]
fn changes_are_found_by_their_time_both_ends_included() {
    let service = Service::start();
    let between = |from: &str, to: &str| {
        let query = format!("FROM PersonRecord WHERE version BETWEEN '{from}' AND '{to}'");
        hits(&ask(&service, RESTRICTED, 5, &query, "P1"))
    };
    // Settling its links moved the version of this record to the moment of the import.
    let found = |from, to| between(from, to).contains(&RESERVE.to_owned());
    assert!(found("20250107060000", "20250107060000"));
    assert!(found("20250107055959", "20250107060000") && found("20250107060000", "20250107060001"));
    assert!(!found("20250107060001", "20250107065959"));
    assert!(!found("20250107050000", "20250107055959"));
}

#[test]
fn refusals_are_told_precisely() {
    let service = Service::start();
    let good = by_identity(CHILD);
    for profile in ["P6", "P10"] {
        let answer = ask(&service, RESTRICTED, 5, &good, profile);
        refused(
            &answer,
            "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.",
        );
    }
    let body = message(RESTRICTED, 5, &good, "SQL", "P1");
    let answer = service.post(&path(RESTRICTED, 5), body.as_bytes());
    refused(
        &answer,
        "Frågespråket är okänt. Använd SimpleQL eller Text.",
    );
    let hidden = "FROM PersonRecord WHERE addressInformation.residentialAddress.city = 'LUND'";
    refused(
        &ask(&service, RESTRICTED, 5, hidden, "P1"),
        "Uppgiften vid tecken 25 i sökfrågan visas inte i den begärda profilen. Använd lägst profil P2.",
    );
    for wrong in [
        "",
        "hej",
        "FROM",
        "FROM PersonRecord",
        "FROM PersonRecord WHERE hej = 'Hemligord'",
    ] {
        let (code, text) = ask(&service, RESTRICTED, 5, wrong, "P1").fault();
        assert_eq!(code, "Client", "{wrong}: {text}");
        assert!(
            !text.contains("Hemligord") && !text.contains("hej"),
            "{text}"
        );
    }
}

/// A register of so many official test persons with one surname.
fn namesakes(count: usize) -> Service {
    let numbers = include_str!("../../snapshots/source/personal-numbers.txt");
    let lines: String = numbers
        .lines()
        .filter(|line| line.len() == 12)
        .take(count)
        .map(|number| {
            format!("{{\"personalIdentity\":{{\"root\":\"1.2.752.129.2.1.3.1\",\"extension\":\"{number}\"}},\"name\":{{\"surname\":\"Namne\"}}}}\n")
        })
        .collect();
    assert_eq!(lines.lines().count(), count);
    Service::over(register(&lines), |_| {})
}

#[test]
fn five_hundred_hits_are_an_answer_and_one_more_is_not() {
    let query = "FROM PersonRecord WHERE name.surname = 'namne'";
    let service = namesakes(500);
    let found = hits(&ask(&service, RESTRICTED, 5, query, "P1"));
    assert!(found.len() == 500 && found.is_sorted());
    let service = namesakes(501);
    for major in [3, 4, 5] {
        refused(
            &ask(&service, UNRESTRICTED, major, query, "P5"),
            "Förfrågans maxgräns överskriden: fler än 500 träffar.",
        );
    }
    let answer = service.get("/v1/search?surname=namne");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("urn:pu:problem:too-many-hits"));
    let metrics = service.get("/metrics").body;
    let line = "pu_searches_total{language=\"SimpleQL\",outcome=\"client_fault\"} 4";
    assert!(metrics.contains(line), "{metrics}");
}

fn found(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let hits = body["personRecord"].as_array().unwrap();
    assert_eq!(body["count"], hits.len());
    let extension = |hit: &Value| {
        hit["personalIdentity"]["extension"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    hits.iter().map(extension).collect()
}

#[test]
fn plain_parameters_find_people() {
    let service = Service::start();
    for (query, identity) in [
        ("identity=201001012382", CHILD),
        ("identity=20100101*", CHILD),
        ("given_name=britt", FULL),
        ("given_name=marie", FULL),
        ("given_name=Hedvig+Britt", FULL),
        ("name=hed*", FULL),
        ("name=hedvig+%C3%A5ker%C3%A4ng", FULL),
        ("middle_name=%C3%B6zil", FULL),
        ("surname=von+%C3%85ker*", FULL),
        ("birth_date=1980-01-02", FULL),
        ("birth_date=1979-12-31..1980-01-02&gender=2", FULL),
        ("city=sundsv*", FULL),
        ("county=22&municipality=81", FULL),
        ("municipality=2281", FULL),
        ("surname=testsson&given_name=skyddad", SECRECY),
    ] {
        let hits = found(&service.get(&format!("/v1/search?{query}")));
        assert!(hits.contains(&identity.to_owned()), "{query}: {hits:?}");
    }
    let nobody = found(&service.get("/v1/search?given_name=brit"));
    assert!(
        nobody.is_empty(),
        "a part of a word is not the word: {nobody:?}"
    );
    let nobody = found(&service.get("/v1/search?surname=Testsson%27%20OR%20%27a%27=%27a"));
    assert!(
        nobody.is_empty(),
        "a quotation mark stays in its value: {nobody:?}"
    );
    let answer = service.get("/v1/search?gender=2&city=lund&profile=P1");
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("Parametern city frågar efter något"),
        "{}",
        answer.body
    );
}

#[test]
fn a_query_by_rest_is_the_contracts_and_tells_how_it_went_when_allowed() {
    let service = Service::over(register(persons()), |config| config.search.explain = true);
    let query = "/v1/search?q=FROM+PersonRecord+WHERE+name.surname+%3D+%27barn%27";
    let answer = service.get(query);
    assert_eq!(found(&answer), [CHILD]);
    assert!(!answer.body.contains("explanation"));
    let answer = service.get(&format!("{query}&explain=true"));
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["explanation"]["hits"], 1);
    assert!(body["explanation"]["steps"].is_array());
}

#[test]
fn the_command_line_searches_too() {
    let folder = register(persons());
    let data = folder.path().to_str().unwrap();
    let query = by_identity(CHILD);
    let search = |more: &[&str]| {
        let mut arguments = vec!["search", query.as_str(), "--data", data];
        arguments.extend(more);
        pu(&arguments).well()
    };
    let table = search(&[]);
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("identity"));
    assert!(lines.next().unwrap().starts_with(CHILD));
    assert_eq!(lines.next(), Some("1 hit"));
    let person: Value = serde_json::from_str(&search(&["--json"])).unwrap();
    assert_eq!(person["personalIdentity"]["extension"], CHILD);
    for version in ["3", "4", "5"] {
        let answer = search(&["--soap", "--version", version]);
        assert!(answer.contains("<r:personRecord>") && answer.contains(CHILD));
    }
    let ran = pu(&["search", query.as_str(), "--data", data, "--explain"]);
    assert!(ran.err.contains("candidates"), "{ran:?}");
}

/// More candidates than are looked at where requests are read: the search goes to the pool and back,
/// over SOAP and REST, while the connection goes on.
#[test]
fn a_wide_search_is_answered_from_the_pool() {
    let service = namesakes(2_100);
    let narrow = "FROM PersonRecord WHERE personalIdentity = '191212121212'";
    let wide = "FROM PersonRecord WHERE name.surname = 'namne' AND name.givenName IS NOT NULL";
    for major in [3, 4, 5] {
        assert!(hits(&ask(&service, RESTRICTED, major, wide, "P1")).is_empty());
        ask(&service, RESTRICTED, major, narrow, "P1");
    }
    let text = found(&service.get("/v1/search?text=namn"));
    assert!(text.len() == 50 && text.is_sorted(), "the best fifty");
    let metrics = service.get("/metrics").body;
    for line in [
        "pu_searches_total{language=\"SimpleQL\",outcome=\"answered\"} 6",
        "pu_searches_total{language=\"Text\",outcome=\"answered\"} 1",
        "pu_wide_searches_running 0",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
}

//! Somebody who wants a protected person's address tries every output.

use std::sync::atomic::Ordering;

use pu::person::identity::Formats;
use pu::person::json as person_json;
use pu::person::view::{Grant, HouseholdRule, PopulationRecordRule, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::query::search::{Question, search};
use pu::store::commit::Draft;
use pu::store::entry::Origin;
use serde_json::{Value, json};

use crate::support::{Ask, PNR, Service, persons, register};

const SECRECY: &str = "197501079292";
const POPULATION: &str = "198501012382";
const LRID: (&str, &str) = ("1.2.752.113.11.0.2.1.1.1", "19810829M071");

/// Words and numbers that stand nowhere but in what is hidden of the protected persons.
const SECRETS: &[&str] = &[
    "HEMLIGA",
    "FÖRRA",
    "FÖRMEDLINGEN",
    "Hemliga",
    "Modern",
    "+46700000001",
    "41301",
    "40010",
    "10061",
    "22222",
    "50330",
    "GÖTEBORG",
    "LUND",
    "BORÅS",
];

pub fn secrets_in(text: &str) -> Vec<&'static str> {
    SECRETS
        .iter()
        .copied()
        .filter(|secret| text.contains(secret))
        .collect()
}

#[test]
fn no_restricted_answer_holds_a_hidden_word() {
    let service = Service::start();
    let asked = [(PNR, SECRECY), (PNR, POPULATION), LRID];
    for major in [3, 4, 5] {
        for profile in ["P1", "P2", "P3", "P4", "P5"] {
            for ask in [
                Ask::new(major, profile, &asked),
                Ask::new(major, profile, &asked).ignoring(),
            ] {
                let answer = ask.send(&service);
                assert_eq!(answer.status, 200);
                assert!(answer.body.matches("<p:personRecord>").count() == 3);
                assert!(
                    secrets_in(&answer.body).is_empty(),
                    "{:?}",
                    secrets_in(&answer.body)
                );
            }
        }
    }
    // The test could fail: the Unrestricted twin shows them all.
    let open = Ask::new(5, "P5", &asked)
        .ignoring()
        .unrestricted()
        .send(&service);
    assert_eq!(
        secrets_in(&open.body).len(),
        SECRETS.len(),
        "{:?}",
        secrets_in(&open.body)
    );
}

#[test]
fn the_flags_are_always_shown() {
    let service = Service::start();
    let body = Ask::new(5, "P1", &[(PNR, SECRECY)]).send(&service).body;
    assert!(body.contains("<p:protectedPersonIndicator>true<"));
    let body = Ask::new(3, "P5", &[(PNR, POPULATION)]).send(&service).body;
    assert!(body.contains("<e1:protectedPopulationRecord>true<"));
}

/// Skyddad folkbokföring: name and number by the service terms, profile 1 by the contract's letter.
#[test]
fn places_of_a_protected_registration_follow_the_configuration() {
    let ask = Ask::new(5, "P5", &[(PNR, POPULATION)]);
    let strict = ask.send(&Service::start()).body;
    for hidden in [
        "countyCode",
        "deregistration",
        "syncronizationTime",
        "notificationCase",
    ] {
        assert!(!strict.contains(hidden), "{hidden}");
    }
    assert!(strict.contains("<p:surname>Testsson<") && strict.contains("<p:dateOfBirth>"));
    let letter = Service::over(register(persons()), |config| {
        config.protection.population_record = PopulationRecordRule::Profile1;
    });
    let body = ask.send(&letter).body;
    assert!(body.contains("<p:countyCode>14<") && body.contains("<p:deregistration>"));
    assert!(secrets_in(&body).is_empty());
}

/// A child without protection who lives where a protected parent does leads to the parent.
#[test]
fn a_household_is_masked_where_the_configuration_says_so_and_as_long_as_it_is_one() {
    const CHILD: &str = "201001012382";
    let rows: Vec<Value> = persons()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |extension: &str| {
        let found = rows
            .iter()
            .find(|it| it["personalIdentity"]["extension"] == extension);
        found.unwrap().clone()
    };
    let (mut child, parent) = (of(CHILD), of(SECRECY));
    child["addressInformation"] = parent["addressInformation"].clone();
    let home = parent["addressInformation"].clone();
    let record = |person: &Value| {
        let read = person_json::read(person.to_string().as_bytes(), &Formats::standard());
        read.unwrap().to_record().unwrap()
    };
    let commit = |service: &Service, person: &Value| {
        let record = record(person);
        let work = move |draft: &mut Draft| {
            draft
                .commit(Origin::default(), vec![record], Vec::new())
                .unwrap()
        };
        service.app.live.committer.wait(work).unwrap();
    };
    let city = parent["addressInformation"]["residentialAddress"]["city"].clone();
    let city = city.as_str().unwrap();
    let ask = Ask::new(5, "P3", &[(PNR, CHILD)]);
    let sees = |service: &Service| ask.send(service).body.contains(city);
    let finds = |service: &Service, rules: ProtectionRules| {
        let text = format!(
            "FROM PersonRecord WHERE addressInformation.residentialAddress.city = '{city}'"
        );
        let question = Question::parse("SimpleQL", &text, &Formats::standard()).unwrap();
        let grant = Grant::restricted(Profile::P3, rules);
        let state = service.app.store.pin();
        let found = search(&state, &question, &grant, 500).unwrap();
        found
            .hits
            .iter()
            .any(|hit| hit.identity() == Formats::standard().guess(CHILD).unwrap())
    };
    let related = |to: &str, kind: &str| {
        json!([{
            "relationshipId": {"personalIdentity": {"root": PNR, "extension": to}},
            "relationshipType": kind
        }])
    };
    for (household, told_by_child) in [
        (HouseholdRule::Show, true),
        (HouseholdRule::Mask, true),
        (HouseholdRule::Mask, false),
    ] {
        let rules = ProtectionRules {
            household,
            ..ProtectionRules::STANDARD
        };
        let service = Service::over(register(persons()), |config| config.protection = rules);
        let shown = household == HouseholdRule::Show;
        let shows = || (sees(&service), finds(&service, rules));
        let (mut child, mut parent) = (child.clone(), parent.clone());
        child["relationship"] = json!([]);
        if told_by_child {
            child["relationship"] = related(SECRECY, "FA");
        } else {
            parent["relationship"] = related(CHILD, "B");
        }
        commit(&service, &parent);
        commit(&service, &child);
        // In the same moment: the child's change is not there without the mask.
        assert_eq!(shows(), (shown, shown), "{rules:?} {told_by_child}");
        assert!(
            ask.clone()
                .unrestricted()
                .send(&service)
                .body
                .contains(city)
        );
        // Whatever else changes about the child.
        child["contactInformation"] = json!([{"contactType": "email", "value": "a@example.org"}]);
        commit(&service, &child);
        assert_eq!(shows(), (shown, shown), "{rules:?} {told_by_child}");
        service.app.live.compact().unwrap();
        assert_eq!(shows(), (shown, shown), "out of the next snapshot");
        let pairs = &service.app.households.pairs;
        let began = std::time::Instant::now();
        while pairs.load(Ordering::Relaxed) != 1 {
            assert!(began.elapsed().as_secs() < 20, "the pair is counted");
            std::thread::yield_now();
        }
        // The parent moves; the child is shown as anybody.
        parent["addressInformation"] = json!({"residentialAddress": {
            "postalAddress2": "ANNANSTANS 1", "postalCode": 98765, "city": "KIRUNA"
        }});
        commit(&service, &parent);
        assert_eq!(shows(), (true, true));
        // And back, with the child where it was.
        parent["addressInformation"] = home.clone();
        commit(&service, &parent);
        assert_eq!(shows(), (shown, shown));
    }
}

#[test]
fn json_is_as_tight_as_the_contracts() {
    let service = Service::start();
    let state = service.app.store.pin();
    let formats = Formats::standard();
    for (root, value) in [(PNR, SECRECY), (PNR, POPULATION), LRID] {
        let identity = formats.parse(root, value).unwrap();
        for follow in [Follow::MainIdentity, Follow::Nothing] {
            for profile in Profile::ALL {
                let grant = Grant::restricted(profile, ProtectionRules::STANDARD);
                let view = lookup(&state, identity, &grant, follow).unwrap().unwrap();
                let mut out = Vec::new();
                person_json::write(&view, &formats, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert!(secrets_in(&text).is_empty(), "{:?}", secrets_in(&text));
                assert!(!text.contains("\"link\""), "the register's own field");
            }
        }
    }
}

#[test]
fn faults_metrics_and_pages_hold_nothing_of_a_request() {
    let service = Service::start();
    let mut texts = Vec::new();
    for broken in [
        "19750107929",
        "197501079292 ",
        "HEMLIGA",
        "<x>HEMLIGA</x>",
        "197501079292&amp;",
    ] {
        texts.push(Ask::new(5, "P5", &[(PNR, broken)]).send(&service).body);
    }
    texts.push(
        Ask::new(5, "HEMLIGA", &[(PNR, SECRECY)])
            .send(&service)
            .body,
    );
    for page in ["/metrics", "/readyz", "/healthz", "/HEMLIGA/197501079292"] {
        texts.push(service.get(page).body);
    }
    for text in texts {
        assert!(secrets_in(&text).is_empty(), "{text}");
        assert!(!text.contains("19750107929"), "{text}");
    }
}

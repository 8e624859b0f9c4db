//! Answers about the persons that together use every field, in every version and profile. After a
//! wanted change, `PU_BLESS=1 cargo test golden` writes them anew; the difference is read by a
//! human before it is committed.

use std::fs;
use std::path::Path;

use crate::support::{Ask, Service, persons};

/// Everybody in the fixture, and somebody who is not.
fn everybody() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = persons()
        .lines()
        .map(|line| {
            let person: serde_json::Value = serde_json::from_str(line).unwrap();
            let id = |part: &str| {
                person["personalIdentity"][part]
                    .as_str()
                    .unwrap()
                    .to_owned()
            };
            (id("root"), id("extension"))
        })
        .collect();
    all.push((crate::support::PNR.to_owned(), "191212121212".to_owned()));
    all
}

/// One element a line, so that differences can be read.
fn lines(xml: &str) -> String {
    xml.replace("><", ">\n<") + "\n"
}

pub fn check(name: &str, answer: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("PU_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, lines(answer)).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{name} is missing"));
    for (number, (got, wanted)) in lines(answer).lines().zip(golden.lines()).enumerate() {
        assert_eq!(got, wanted, "{name} line {}", number + 1);
    }
    assert_eq!(
        lines(answer).lines().count(),
        golden.lines().count(),
        "{name}"
    );
}

#[test]
fn every_version_and_profile_answers_as_before() {
    let service = Service::start();
    let everybody = everybody();
    let ids: Vec<(&str, &str)> = everybody
        .iter()
        .map(|(root, it)| (root.as_str(), it.as_str()))
        .collect();
    for major in [3, 4, 5] {
        for profile in ["P1", "P2", "P3", "P4", "P5"] {
            let ask = Ask::new(major, profile, &ids).ignoring();
            let answer = ask.send(&service);
            assert_eq!(answer.status, 200, "{}", answer.body);
            check(&format!("v{major}/{profile}.xml"), &answer.body);
        }
        let answer = Ask::new(major, "P5", &ids)
            .ignoring()
            .unrestricted()
            .send(&service);
        check(&format!("v{major}/P5-unrestricted.xml"), &answer.body);
        let answer = Ask::new(major, "P1", &ids).send(&service);
        check(&format!("v{major}/P1-main-identities.xml"), &answer.body);
    }
}

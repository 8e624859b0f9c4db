//! The disclosure audit on the command line: what is verified, found and shown.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pu::access::audit::{Audit, Entry, Keeping};
use pu::base::micros::Micros;
use pu::person::identity::{Formats, Identity};
use pu::person::view::Profile;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::pu;

const SEEN: &str = "191212121212";
const ASKED: &str = "198401012391";

fn id(text: &str) -> Identity {
    Formats::standard().guess(text).unwrap()
}

/// A data folder with an audit of two chains.
fn audited() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let keeping = Keeping {
        sync: Duration::from_millis(10),
        ..Keeping::default()
    };
    let audit = Audit::open(&data.join("audit"), keeping).unwrap();
    let (mut one, mut two) = (audit.pen().unwrap(), audit.pen().unwrap());
    let at = |text: &str| Micros::parse(text).unwrap();
    let lookup = Entry {
        at: at("2026-03-01T08:00:00Z"),
        consumer: Some("TST-JOURNAL"),
        via: Some("TST-PLATFORM"),
        service: "GetPersonsForProfile/5",
        profile: Some(Profile::P3),
        unrestricted: false,
        answer: "ok",
        asked: &[id(SEEN), id(ASKED)],
        shown: &[id(SEEN)],
        query: None,
        correlation: Some("c-1"),
        sequence: Some(300),
    };
    one.note(&lookup);
    two.note(&Entry {
        at: at("2026-03-02T08:00:00Z"),
        consumer: None,
        via: None,
        service: "rest/persons",
        answer: "not-allowed",
        asked: &[],
        shown: &[],
        query: Some("anna\u{1b}[2J"),
        correlation: None,
        sequence: None,
        ..lookup
    });
    one.write().unwrap();
    two.write().unwrap();
    (folder, data)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(data: &Path, command: &str, more: &[&str]) -> crate::program::Ran {
    let mut all = vec!["audit", command, "--data", text(data)];
    all.extend(more);
    pu(&all)
}

fn lines(data: &Path, more: &[&str]) -> Vec<Value> {
    let out = run(data, "search", &[&["--json"], more].concat()).well();
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_audit_is_intact_until_somebody_touches_it() {
    let (_folder, data) = audited();
    let told = run(&data, "verify", &[]).well();
    assert!(
        told.ends_with("intact\n") && told.lines().count() == 3,
        "{told}"
    );
    assert!(told.starts_with("chain 0: 3 entries in 1 files"), "{told}");
    let hash = told.lines().next().unwrap().rsplit(' ').next().unwrap();
    let anchor = format!("0:3:{hash}");
    run(&data, "verify", &["--anchor", &anchor]).well();
    let folder = data.join("audit");
    pu(&["audit", "verify", "--folder", text(&folder)]).well();

    let other = format!("0:2:{hash}");
    let ran = run(&data, "verify", &["--anchor", &other]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains("chain 0") && ran.out.contains("entry 2"),
        "{ran:?}"
    );

    let path = folder.join("1-000001.audit");
    let mut file = fs::read(&path).unwrap();
    let last = file.len() - 1;
    file[last] ^= 1;
    fs::write(&path, file).unwrap();
    let ran = run(&data, "verify", &[]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.out.contains("1-000001.audit, byte ") && ran.out.contains("entry 3"),
        "{ran:?}"
    );
    assert!(
        !ran.out.contains("intact\n") && ran.err.contains("not intact"),
        "{ran:?}"
    );
    // What can be read is shown, and the damage is told.
    let ran = run(&data, "search", &["--person", SEEN]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("1-000001.audit"), "{ran:?}");
}

#[test]
fn who_has_seen_a_person_and_what_a_system_has_done() {
    let (_folder, data) = audited();
    let found = lines(&data, &["--person", SEEN]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["consumer"], "TST-JOURNAL");
    assert_eq!(found[0]["via"], "TST-PLATFORM");
    assert_eq!(found[0]["at"], "2026-03-01T09:00:00.000000+01:00");
    assert_eq!(found[0]["shown"][0]["extension"], SEEN);
    assert_eq!(found[0]["personShown"], true);
    assert_eq!(lines(&data, &["--person", ASKED]).len(), 0);
    let found = lines(&data, &["--person", ASKED, "--asked"]);
    assert_eq!(
        (found.len(), &found[0]["personShown"]),
        (1, &Value::from(false))
    );

    for (given, count) in [
        (vec![], 2),
        (vec!["--limit", "1"], 1),
        (vec!["--consumer", "tst-platform"], 1),
        (vec!["--consumer", "TST-OTHER"], 0),
        (vec!["--answer", "not-allowed"], 1),
        (vec!["--service", "GetPersonsForProfile"], 1),
        (vec!["--since", "2026-03-02"], 1),
        (vec!["--until", "2026-03-01"], 1),
        (vec!["--since", "2026-03-01", "--until", "2026-03-02"], 2),
        (vec!["--until", "2026-03-01T09:00:00"], 0),
    ] {
        assert_eq!(lines(&data, &given).len(), count, "{given:?}");
    }
}

#[test]
fn the_table_is_for_people_and_terminals() {
    let (_folder, data) = audited();
    let table = run(&data, "search", &[]).well();
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 3, "{table}");
    assert!(rows[1].contains("TST-JOURNAL via TST-PLATFORM"), "{table}");
    assert!(rows[1].ends_with(SEEN), "{table}");
    assert!(
        rows[2].contains("nobody") && rows[2].contains("query: anna"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'));
    let table = run(&data, "search", &["--person", ASKED, "--asked"]).well();
    assert!(
        table.contains(&format!("asked: {ASKED}, {SEEN}")),
        "{table}"
    );
    let ran = run(&data, "search", &["--person", "19840101-239"]);
    assert!(ran.refused().contains("person 1: "));
    let nowhere = data.join("nowhere");
    let ran = run(&nowhere, "verify", &[]);
    assert!(ran.refused().contains("there is no audit"));
    for command in ["verify", "search"] {
        assert!(
            pu(&["audit", command, "--help"])
                .well()
                .contains("Examples:")
        );
    }
}

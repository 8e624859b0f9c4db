//! Losses: a log that is gone, cut, changed or put back is noticed before anybody is answered, and no
//! number is issued twice whatever was lost. Every test does to the files of the real program what an
//! operator, a disk or a restore does.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::program::{Ran, Serving, configure, pu};
use crate::support::{Answer, Client, persons, register};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
/// Reserve identities are offered; the log's files are small, and no snapshot is made.
pub const MORE: &str = "[rest]\nreserve_identities = true\n[changes]\nsegment_bytes = 65536\n";

/// Asks for reserve identities.
pub fn try_to_issue(client: &mut Client, count: usize) -> Answer {
    let name = |extension: &str| json!({"root": "1.2.752.129.2.1.4.1", "extension": extension});
    let body = json!({"count": count, "actor": name("A"), "organization": name("O")}).to_string();
    client.post("/v1/reserve-identities", JSON, body.as_bytes())
}

/// Has reserve identities issued.
pub fn issue(client: &mut Client, count: usize) -> Vec<String> {
    let answer = try_to_issue(client, count);
    assert_eq!(answer.status, 201, "{}", answer.body);
    let issued: Value = serde_json::from_str(&answer.body).unwrap();
    let issued = issued["personalIdentity"].as_array().unwrap().iter();
    issued
        .map(|it| it["extension"].as_str().unwrap().to_owned())
        .collect()
}

/// A register that has issued some numbers, all of them in the log alone, and was killed.
fn issued(folder: &Path, rounds: usize) -> BTreeSet<String> {
    let serving = Serving::start(folder, MORE).ready();
    let mut client = Client::connect(serving.address);
    (0..rounds).flat_map(|_| issue(&mut client, 50)).collect()
}

/// Issues more numbers than before, and sees that none is one of those.
fn issue_others(folder: &Path, before: &BTreeSet<String>) {
    let serving = Serving::start(folder, MORE).ready();
    let mut client = Client::connect(serving.address);
    let more: BTreeSet<String> = (0..=before.len() / 50)
        .flat_map(|_| issue(&mut client, 50))
        .collect();
    assert!(more.len() > before.len() && more.is_disjoint(before));
}

/// Runs a command on a register, with its configuration.
pub fn with<const N: usize>(folder: &Path, arguments: [&str; N]) -> Ran {
    let config = configure(folder, MORE);
    let mut all = arguments.map(str::to_owned).to_vec();
    all.extend(["--config".to_owned(), config.display().to_string()]);
    pu(&all)
}

fn refused_to_serve(folder: &Path) -> String {
    with(folder, ["serve", "--as-root"]).err
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("log")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|it| it.unwrap().path()).collect();
    paths.retain(|it| it.extension().is_some_and(|it| it == "segment"));
    paths.sort();
    paths
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

/// What is done to a register, by name.
type Harm = (&'static str, fn(&Path));

const HARMS: [Harm; 4] = [
    ("its files are removed", |folder| {
        segments(folder)
            .iter()
            .for_each(|it| fs::remove_file(it).unwrap());
    }),
    ("its folder is removed", |folder| {
        fs::remove_dir_all(folder.join("log")).unwrap();
    }),
    ("its newest file is removed", |folder| {
        fs::remove_file(segments(folder).last().unwrap()).unwrap();
    }),
    ("its newest file is cut", |folder| {
        let path = segments(folder).pop().unwrap();
        let file = OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(3_000).unwrap();
    }),
];

#[test]
fn a_log_that_is_gone_or_cut_is_noticed_and_no_number_is_issued_again() {
    for (harm, harms) in HARMS {
        let folder = register(persons());
        let folder = folder.path();
        let before = issued(folder, 12);
        harms(folder);
        let refused = refused_to_serve(folder);
        let is_told = refused.contains("lacks changes") || refused.contains("has been cut");
        assert!(is_told, "{harm}: {refused}");
        // Nobody else takes it for whole either.
        let out = folder.join("out.ndjson");
        for command in [
            vec!["export", "--out", out.to_str().unwrap()],
            vec!["check"],
        ] {
            let data = ["--data", folder.to_str().unwrap()];
            let ran = pu(&[&command[..], &data[..]].concat());
            assert_eq!(ran.code, Some(1), "{harm}: {command:?}");
        }
        assert!(!out.exists(), "{harm}");
        let told = with(folder, ["recover"]).well();
        assert!(told.contains("MISSING"), "{harm}: {told}");
        assert!(
            told.contains("the witness beside the log saw change"),
            "{told}"
        );
        let accepted = ["recover", "--accept-loss", "--because", "a test of losses"];
        let told = with(folder, accepted).well();
        assert!(told.contains("given up: changes"), "{harm}: {told}");
        issue_others(folder, &before);
        let log = with(folder, ["log", "show", "--json"]).well();
        let entry = log.lines().find(|line| line.contains("loss-accepted"));
        let entry: Value = serde_json::from_str(entry.unwrap()).unwrap();
        assert_eq!(entry["correlation"], "a test of losses");
        assert!(
            entry["actor"]["extension"]
                .as_str()
                .unwrap()
                .starts_with("uid:")
        );
        let again = with(folder, accepted);
        assert!(again.err.contains("nothing is missing"), "{}", again.err);
    }
}

#[test]
fn an_older_backup_that_is_put_back_issues_other_numbers() {
    let folder = register(persons());
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    copy(folder.path(), &data);
    // Before there was a witness, and with one.
    for rounds in [0, 3] {
        let early = issued(&data, rounds);
        let backup = outer.path().join(format!("backup-{rounds}"));
        copy(&data, &backup);
        let later = issued(&data, 6);
        fs::rename(&data, outer.path().join(format!("old-{rounds}"))).unwrap();
        fs::rename(&backup, &data).unwrap();
        issue_others(&data, &early.union(&later).cloned().collect());
    }
}

#[test]
fn a_backup_that_is_put_back_again_and_over_what_is_there_issues_other_numbers() {
    let folder = register(persons());
    let outer = tempfile::tempdir().unwrap();
    let (data, backup) = (outer.path().join("data"), outer.path().join("backup"));
    copy(folder.path(), &data);
    let mut before = issued(&data, 2);
    copy(&data, &backup);
    before.extend(issued(&data, 2));
    // As if all that had been an hour ago.
    let witness = backup.join("witness");
    let mut touch = Command::new("touch");
    let dated = touch.args(["-d", "1 hour ago"]).arg(witness);
    assert!(dated.status().unwrap().success());
    for _ in 0..2 {
        copy(&backup.join("."), &data);
        let serving = Serving::start(&data, MORE).ready();
        let mut client = Client::connect(serving.address);
        for _ in 0..4 {
            for number in issue(&mut client, 50) {
                assert!(before.insert(number), "issued twice");
            }
        }
        serving.stop();
    }
}

#[test]
fn an_export_that_is_put_back_issues_other_numbers() {
    let folder = register(persons());
    let outer = tempfile::tempdir().unwrap();
    let (export, data) = (outer.path().join("all.ndjson"), outer.path().join("data"));
    let early = issued(folder.path(), 2);
    let paths = [folder.path(), &export, &data].map(|it| it.to_str().unwrap());
    pu(&["export", "--data", paths[0], "--out", paths[1]]).well();
    let later = issued(folder.path(), 2);
    pu(&["import", "--data", paths[2], paths[1]]).well();
    issue_others(&data, &early.union(&later).cloned().collect());
}

#[test]
fn the_audit_and_reports_of_files_are_witnesses_too() {
    for witness in ["the audit in", "a report in"] {
        let outer = tempfile::tempdir().unwrap();
        let at = |name: &str| outer.path().join(name);
        let elsewhere = format!(
            "[audit]\nrecord = true\nfolder = '{}'\n[feed]\ninbox = '{}'\n{MORE}",
            at("audit").display(),
            at("inbox").display()
        );
        let (folder, data) = (register(persons()), at("data"));
        copy(folder.path(), &data);
        let serving = Serving::start(&data, &elsewhere).ready();
        let mut client = Client::connect(serving.address);
        issue(&mut client, 50);
        if witness == "a report in" {
            let (data, out) = (folder.path().display(), at("inbox/.more"));
            let (data, out) = (data.to_string(), out.display().to_string());
            pu(&["export", "--data", &data, "--out", &out]).well();
            fs::rename(at("inbox/.more"), at("inbox/more.ndjson")).unwrap();
            let is_done = |_: &u32| {
                std::thread::sleep(std::time::Duration::from_millis(20));
                at("inbox/done/more.ndjson.report.json").exists()
            };
            let found = (0..500).find(is_done);
            let said = serving.stop().1.join("\n");
            assert!(found.is_some(), "{said}");
            fs::remove_dir_all(at("audit")).unwrap();
        } else {
            let answer = client.request("GET", "/v1/persons/201001012382", &[], b"");
            assert_eq!(answer.status, 200);
            serving.stop();
        }
        // Everything in the data folder is of an older day.
        fs::remove_dir_all(&data).unwrap();
        copy(folder.path(), &data);
        let config = configure(&data, &elsewhere);
        let config = config.to_str().unwrap();
        let refused = pu(&["serve", "--as-root", "--config", config]).err;
        assert!(refused.contains(witness), "{refused}");
        let because = ["--because", "a test", "--config", config];
        pu(&[&["recover", "--accept-loss"][..], &because[..]].concat()).well();
        Serving::start(&data, &elsewhere).ready();
    }
}

/// A byte somewhere in the middle of the entries of a file.
fn change_a_byte(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x20;
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_wrong_byte_in_the_log_is_told_and_a_backup_mends_it() {
    let folder = register(persons());
    let folder = folder.path();
    let before = issued(folder, 10);
    let outer = tempfile::tempdir().unwrap();
    let backup = outer.path().join("backup");
    copy(folder, &backup);
    change_a_byte(&segments(folder)[0], 20_000);
    assert!(refused_to_serve(folder).contains("damaged at byte"));
    let told = with(folder, ["recover"]).well();
    assert!(
        told.contains("MISSING") && told.contains("made after 2"),
        "{told}"
    );
    assert!(
        !before.iter().any(|it| told.contains(it)),
        "nobody is named"
    );
    let backup = backup.to_str().unwrap();
    let told = with(folder, ["recover", "--from", backup]).well();
    assert!(told.contains("Nothing is missing"), "{told}");
    let mend = [
        "recover",
        "--from",
        backup,
        "--write",
        "--because",
        "a test",
    ];
    let told = with(folder, mend).well();
    assert!(told.contains("set aside"), "{told}");
    let serving = Serving::start(folder, MORE).ready();
    let mut client = Client::connect(serving.address);
    for extension in &before {
        let path = format!("/v1/persons/{extension}");
        assert_eq!(client.request("GET", &path, &[], b"").status, 200);
    }
    drop(serving);
    issue_others(folder, &before);
}

#[test]
fn what_is_behind_a_wrong_byte_is_kept_when_the_loss_is_accepted() {
    let folder = register(persons());
    let folder = folder.path();
    let before = issued(folder, 10);
    change_a_byte(&segments(folder)[0], 20_000);
    with(folder, ["recover", "--accept-loss", "--because", "a test"]).well();
    let serving = Serving::start(folder, MORE).ready();
    let mut client = Client::connect(serving.address);
    let is_there = |extension: &&String| {
        let path = format!("/v1/persons/{extension}");
        client.request("GET", &path, &[], b"").status == 200
    };
    let left = before.iter().filter(is_there).count();
    assert_eq!(left, before.len() - 50, "one commit of fifty is lost");
    drop(serving);
    issue_others(folder, &before);
}

#[test]
fn a_damaged_witness_is_told_and_made_anew() {
    let folder = register(persons());
    let folder = folder.path();
    let before = issued(folder, 2);
    let path = folder.join("witness");
    let bytes = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![7; usize::try_from(bytes).unwrap()]).unwrap();
    assert!(refused_to_serve(folder).contains("witness is damaged"));
    let told = with(folder, ["recover"]).well();
    assert!(told.contains("cannot be read"), "{told}");
    with(folder, ["recover", "--accept-loss", "--because", "a test"]).well();
    issue_others(folder, &before);
}

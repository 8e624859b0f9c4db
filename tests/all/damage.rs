//! Damage to a snapshot: whoever reads it says where it is, nobody copies it, and a register that has an
//! older snapshot and its log mends itself, to the very state it had or not at all.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pu::person::field::schema_hash;
use pu::serve::readiness::Phase;
use pu::serve::scrub;
use pu::store::folder;
use pu::store::layout::{Extent, Section};
use pu::store::snapshot::Snapshot;
use tempfile::TempDir;

use crate::program::{Serving, configure, pu};
use crate::support::{Client, Service, persons, register};

const CHILD: &str = "201001012382";
const TEXT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/navet/termdata.txt"
);
const RESERVED: &str = "rest.reserve_identities = true";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn newest(data: &Path) -> PathBuf {
    folder::newest(data).unwrap().unwrap().path
}

fn extents(snapshot: &Path) -> Vec<(Section, Extent)> {
    let snapshot = Snapshot::open(snapshot, schema_hash()).unwrap();
    snapshot.sections().collect()
}

fn extent(snapshot: &Path, wanted: Section) -> Extent {
    let all = extents(snapshot);
    let found = all.into_iter().find(|(section, _)| *section == wanted);
    found.unwrap().1
}

/// Changes one letter where it lies, as a disk does.
fn flip(path: &Path, at: u64) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::options().read(true).write(true).open(path);
    let file = file.unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

fn flip_in(path: &Path, section: Section) {
    let extent = extent(path, section);
    flip(path, extent.offset + extent.length / 2);
}

/// Does harm to a file; the other function gives the middle of a section.
type Harm = fn(&Path, &dyn Fn(&Path, Section) -> u64);

/// Everybody in a register, a line each.
fn everybody(data: &Path) -> BTreeSet<String> {
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("all.ndjson");
    pu(&["export", "--data", text(data), "--out", text(&out)]).well();
    let lines = fs::read_to_string(out).unwrap();
    lines.lines().skip(1).map(str::to_owned).collect()
}

fn copy_of(data: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let from = format!("{}/.", data.display());
    let mut copying = Command::new("cp");
    let copied = copying.args(["-a", &from, text(copy.path())]).status();
    assert!(copied.unwrap().success());
    copy
}

#[track_caller]
fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn set_aside(data: &Path) -> usize {
    folder::set_aside(data).unwrap().len()
}

/// The sequence that a service tells.
fn sequence(serving: &Serving) -> u64 {
    let ready = Client::connect(serving.address).request("GET", "/readyz", &[], b"");
    let told: serde_json::Value = serde_json::from_str(&ready.body).unwrap();
    told["sequence"].as_u64().unwrap()
}

/// Changes the register of a service.
fn issue(address: SocketAddr) {
    let wish = r#"{"count": 1,
        "actor": {"root": "1.2.752.29.6.2.1", "extension": "SE2321000016-1HZ3"},
        "organization": {"root": "2.5.4.97", "extension": "556559-4230"}}"#;
    let json = [("Content-Type", "application/json")];
    let path = "/v1/reserve-identities";
    let answer = Client::connect(address).post(path, &json, wish.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.body);
}

fn snapshot_of(data: &Path, sequence: u64) {
    let name = data.join(folder::name_of(sequence));
    wait_for("no new snapshot", || name.exists());
    pu(&["snapshot", "verify", text(&name)]).well();
}

/// A register that was served: two snapshots, and changes after the newest.
fn worked() -> TempDir {
    let folder = register(persons());
    let serving = Serving::start(folder.path(), RESERVED).ready();
    issue(serving.address);
    let made = sequence(&serving);
    serving.signal("-USR1");
    snapshot_of(folder.path(), made);
    issue(serving.address);
    assert!(serving.stop().0.success());
    folder
}

#[test]
fn each_command_names_the_section_and_the_offset_and_copies_nothing() {
    let sound = register(persons());
    let all = everybody(sound.path());
    let query = "FROM PersonRecord WHERE name.surname LIKE 'te%'";
    for (section, extent) in extents(&newest(sound.path())) {
        let folder = copy_of(sound.path());
        let data = folder.path();
        let path = newest(data);
        flip_in(&path, section);
        let outer = tempfile::tempdir().unwrap();
        let out = outer.path().join("all.ndjson");
        let commands: [(&str, Vec<&str>); 6] = [
            ("verify", vec!["snapshot", "verify", text(data)]),
            ("build", vec!["snapshot", "build", text(data)]),
            ("import", vec!["import", "--data", text(data), TEXT]),
            (
                "export",
                vec!["export", "--data", text(data), "--out", text(&out)],
            ),
            ("get", vec!["get", "--data", text(data), CHILD]),
            ("search", vec!["search", "--data", text(data), query]),
        ];
        let place = format!(
            "section {} does not match its checksum at offset {}",
            section.name(),
            extent.offset
        );
        for (command, arguments) in commands {
            let is_read = match section {
                Section::Identities => !["export", "search"].contains(&command),
                // A new snapshot has new ones, made of the records.
                Section::Search | Section::Words => {
                    ["verify", "build", "search"].contains(&command)
                }
                _ => true,
            };
            if is_read {
                let complaint = pu(&arguments).refused();
                assert!(complaint.contains(&place), "{command}: {complaint}");
                assert!(!out.exists() && newest(data) == path, "{command}");
            } else if command != "import" {
                pu(&arguments).well();
                // Only an export is there now.
                let _ = fs::remove_file(&out);
            }
        }
        if matches!(section, Section::Search | Section::Words) {
            assert!(everybody(data) == all);
            pu(&["import", "--data", text(data), TEXT]).well();
            pu(&["snapshot", "verify", text(data)]).well();
        }
    }
}

#[test]
fn a_name_that_is_wrong_is_not_built_into_the_next_snapshot() {
    let folder = worked();
    let (data, before) = (folder.path(), everybody(folder.path()));
    let path = newest(data);
    let records = extent(&path, Section::Records);
    let bytes = fs::read(&path).unwrap();
    let name = bytes.windows(4).position(|it| it == b"Test").unwrap() as u64;
    assert!((records.offset..records.offset + records.length).contains(&name));
    flip(&path, name);
    for command in [
        vec!["snapshot", "build", text(data)],
        vec!["import", "--data", text(data), TEXT],
    ] {
        let complaint = pu(&command).refused();
        assert!(complaint.contains("section records"), "{complaint}");
        assert_eq!(newest(data), path);
    }
    flip(&path, name);
    assert!(everybody(data) == before);
}

#[test]
fn a_service_whose_snapshot_is_damaged_under_it_mends_it_with_the_next() {
    let folder = worked();
    let data = folder.path();
    let serving = Serving::start(data, RESERVED).ready();
    let damaged = newest(data);
    flip_in(&damaged, Section::Records);
    issue(serving.address);
    serving.signal("-USR1");
    let now = sequence(&serving);
    snapshot_of(data, now);
    wait_for("not set aside", || {
        set_aside(data) == 1 && !damaged.exists()
    });
    let get = || {
        let path = format!("/v1/persons/{CHILD}");
        Client::connect(serving.address)
            .request("GET", &path, &[], b"")
            .status
    };
    wait_for("not answered", || get() == 200);
    let all = everybody(data);
    let (_, log) = serving.stop();
    let told = |what: &str| log.iter().any(|line| line.contains(what));
    assert!(told("\"section\":\"records\"") && told("is set aside") && told("is replaced"));
    // The same by an older snapshot and the log alone.
    fs::remove_file(data.join(folder::name_of(now))).unwrap();
    folder::set_aside(data)
        .unwrap()
        .iter()
        .for_each(|it| fs::remove_file(&it.path).unwrap());
    assert!(everybody(data) == all);
}

#[test]
fn what_cannot_be_mended_is_not_copied_by_a_running_service() {
    let folder = register(persons());
    let path = newest(folder.path());
    let data = folder.path().to_path_buf();
    let service = Service::over(folder, |config| config.rest.reserve_identities = true);
    // What is damaged later was whole when it was checked.
    let is_ready = || service.app.readiness.phase() == Phase::Ready;
    wait_for("the register is not ready", is_ready);
    flip_in(&path, Section::Records);
    issue(service.address);
    for _ in 0..2 {
        let complaint = service.app.live.compact().unwrap_err().to_string();
        assert!(complaint.contains("no older snapshot"), "{complaint}");
        assert!(newest(&data) == path && set_aside(&data) == 0);
    }
    issue(service.address);
    // Read wrongly once, and rightly since: nothing is lost by it.
    flip_in(&path, Section::Records);
    service.app.live.compact().unwrap();
    pu(&["snapshot", "verify", text(&data)]).well();
    assert_ne!(newest(&data), path);
}

#[test]
fn a_register_whose_newest_snapshot_is_damaged_starts_as_it_was() {
    let sound = worked();
    let (all, name) = (everybody(sound.path()), newest(sound.path()));
    let name = name.file_name().unwrap();
    let state = pu::store::state::open(sound.path(), &pu::person::identity::Formats::standard());
    let last = state.unwrap().unwrap().sequence();
    let middle = |path: &Path, section| {
        let extent = extent(path, section);
        extent.offset + extent.length / 2
    };
    let harms: [(Harm, &str); 9] = [
        (
            |path, middle| flip(path, middle(path, Section::Records)),
            "",
        ),
        (
            |path, middle| flip(path, middle(path, Section::Records)),
            "verify_on_start = false",
        ),
        (
            |path, middle| flip(path, middle(path, Section::Records)),
            "protection.household = \"mask\"",
        ),
        (|path, middle| flip(path, middle(path, Section::Search)), ""),
        (
            |path, middle| flip(path, middle(path, Section::Checksums)),
            "",
        ),
        (
            |path, middle| flip(path, middle(path, Section::Sources)),
            "verify_on_start = false",
        ),
        (|path, _| flip(path, 8), ""),
        (
            |path, middle| {
                let at = middle(path, Section::Search);
                fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
                let file = fs::File::options().write(true).open(path).unwrap();
                file.set_len(at).unwrap();
            },
            "",
        ),
        (
            |path, _| fs::rename(path, path.with_extension("snapshot.damaged")).unwrap(),
            "",
        ),
    ];
    // The last one is what a kill leaves behind while it is mended.
    for (number, (harm, more)) in harms.into_iter().enumerate() {
        let folder = copy_of(sound.path());
        let data = folder.path();
        let damaged = data.join(name);
        harm(&damaged, &middle);
        let serving = Serving::start(data, &format!("{RESERVED}\n{more}")).ready();
        assert!(sequence(&serving) >= last, "{number}");
        wait_for("not mended", || {
            let snapshot = folder::newest(data).unwrap().unwrap();
            set_aside(data) == 1 && snapshot.sequence >= last
        });
        pu(&["snapshot", "verify", text(data)]).well();
        // Killed, and started again.
        drop(serving);
        assert!(everybody(data) == all, "{number}");
        let serving = Serving::start(data, RESERVED).ready();
        assert!(sequence(&serving) >= last);
        assert_eq!(set_aside(data), 1);
    }
}

#[test]
fn a_register_never_goes_back_to_an_older_state() {
    let folder = register(persons());
    let data = folder.path();
    let config = configure(data, "");
    let serve = ["serve", "--as-root", "--config", text(&config)];
    // Nothing to begin with.
    let first = newest(data);
    flip(&first, 20);
    let complaint = pu(&serve);
    assert_eq!(complaint.code, Some(1));
    assert!(
        complaint.err.contains("no older snapshot"),
        "{}",
        complaint.err
    );
    assert!(complaint.err.contains("pu recover"), "{}", complaint.err);
    flip(&first, 20);
    // What an import wrote is not in the log.
    pu(&["import", "--data", text(data), TEXT]).well();
    let path = newest(data);
    assert_ne!(path, first);
    flip(&path, 20);
    let complaint = pu(&serve);
    assert_eq!(complaint.code, Some(1));
    let told = "end with entry 14 of ";
    assert!(complaint.err.contains(told), "{}", complaint.err);
    assert_eq!(newest(data), path, "it is left where it is");
    // Set aside by hand, it is missed all the same.
    let aside = path.with_extension("snapshot.damaged");
    fs::rename(&path, &aside).unwrap();
    for complaint in [
        pu(&serve).err,
        pu(&["get", "--data", text(data), CHILD]).refused(),
    ] {
        assert!(complaint.contains("was set aside"), "{complaint}");
    }
    fs::remove_file(&aside).unwrap();
    pu(&["get", "--data", text(data), CHILD]).well();
}

#[test]
fn a_log_without_its_snapshot_is_not_taken_for_an_empty_folder() {
    let folder = worked();
    let data = folder.path();
    for file in folder::snapshots(data).unwrap() {
        fs::remove_file(file.path).unwrap();
    }
    let config = configure(data, "");
    let slashed = format!("{}/", data.display());
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("all.ndjson");
    let commands = [
        vec!["serve", "--as-root", "--config", text(&config)],
        vec!["import", "--data", text(data), TEXT],
        vec!["demo", "--build-only", "--data", text(data)],
        vec!["generate", "--persons", "10", "--out", &slashed],
        vec!["export", "--data", text(data), "--out", text(&out)],
        vec!["get", "--data", text(data), CHILD],
    ];
    for command in commands {
        let complaint = pu(&command);
        assert_eq!(complaint.code, Some(1), "{command:?}");
        let (log, audit) = ("a log with entries 15 to ", ", and an audit");
        let told = complaint.err.contains(log) && complaint.err.contains(audit);
        assert!(told, "{command:?}: {}", complaint.err);
        assert!(folder::newest(data).unwrap().is_none() && data.join("log").exists());
    }
    pu(&["import", "--data", text(data), "--new-register", TEXT]).well();
    assert!(!data.join("log").exists());
    assert!(data.join("lost-1/log").read_dir().unwrap().count() > 0);
    assert_eq!(everybody(data).len(), 7, "six persons and the end mark");
    drop(Serving::start(data, "").ready());
    let again = pu(&["import", "--data", text(data), "--new-register", TEXT]).well();
    assert!(again.contains("nothing changed"), "{again}");

    // The audit alone tells that there was a register.
    for file in folder::snapshots(data).unwrap() {
        fs::remove_file(file.path).unwrap();
    }
    fs::remove_dir_all(data.join("log")).unwrap();
    let complaint = pu(&["import", "--data", text(data), TEXT]).refused();
    assert!(complaint.contains("there is an audit"), "{complaint}");
}

#[test]
fn a_damaged_block_is_not_answered_from_and_the_operator_hears_of_it() {
    let folder = register(persons());
    flip_in(&newest(folder.path()), Section::Records);
    let service = Service::over(folder, |config| config.verify_on_start = false);
    let person = || service.get(&format!("/v1/persons/{CHILD}"));
    let answer = person();
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(answer.body.contains("urn:pu:problem:technical") && !answer.body.contains(CHILD));
    let damage = service.app.live.store.pin().snapshot().damage().unwrap();
    assert_eq!(damage.section, Section::Records);
    let metrics = service.get("/metrics").body;
    assert!(metrics.contains("\npu_snapshot_damaged 1\n"), "{metrics}");
}

#[test]
fn reading_through_finds_what_was_damaged_since_the_start() {
    let folder = register(persons());
    let path = newest(folder.path());
    let service = Service::over(folder, |_| {});
    let person = || service.get(&format!("/v1/persons/{CHILD}")).status;
    assert_eq!(person(), 200);
    let metric = |name: &str| {
        let metrics = service.get("/metrics").body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("no {name}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    assert!(
        metric("pu_snapshot_read_through_seconds") > 1.7e9,
        "at the start"
    );
    assert!(metric("pu_snapshot_read_through_bytes_total") < 1.0);
    // Started as the service does it, but more often.
    let scrubbing = scrub::start(&service.app, Duration::from_millis(1)).unwrap();
    wait_for("nothing was read", || {
        metric("pu_snapshot_read_through_bytes_total") > 0.0
    });
    assert!(metric("pu_snapshot_damaged_blocks_total") < 1.0);
    flip_in(&path, Section::Records);
    wait_for("not found", || {
        metric("pu_snapshot_damaged_blocks_total") > 0.0
    });
    assert_eq!(person(), 500);
    assert!(metric("pu_snapshot_damaged") > 0.0);
    // There is nothing to mend it with; put right, it is answered from again.
    flip_in(&path, Section::Records);
    wait_for("not answered", || person() == 200);
    drop(service);
    scrubbing.join().unwrap();
}

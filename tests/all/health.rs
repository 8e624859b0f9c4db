//! Health: what `/readyz` and the metrics say is what a caller would find.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Serving, configure};
use crate::support::{Answer, Client, Service, persons, register};

const CHILD: &str = "201001012382";

fn person() -> String {
    format!("/v1/persons/{CHILD}")
}

/// Waits until something is so.
#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn said(ready: &Answer) -> Value {
    serde_json::from_str(&ready.body).unwrap()
}

/// Whether parts work, in the order lookups, changes, disclosures, files.
fn works(ready: &Answer) -> [bool; 4] {
    let said = said(ready);
    ["lookups", "changes", "disclosures", "files"].map(|part| said[part]["works"] == true)
}

#[test]
fn a_damaged_audit_is_told_before_anybody_asks_and_is_taken_again_when_it_is_whole() {
    let folder = register(persons());
    let data = folder.path();
    let serving = Serving::start(data, "").ready();
    let mut client = Client::connect(serving.address);
    for _ in 0..3 {
        assert_eq!(client.request("GET", &person(), &[], b"").status, 200);
    }
    // Killed: what the register's log knows of the audit is from before these entries.
    drop(serving);
    let mut files = ["0-000001.audit", "1-000001.audit"].map(|it| data.join("audit").join(it));
    files.sort_by_key(|it| fs::metadata(it).map_or(0, |about| about.len()));
    let [_, file] = files;
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 3] ^= 1;
    fs::write(&file, damaged).unwrap();

    let serving = Serving::start(data, "");
    let get = |path: &str| Client::connect(serving.address).request("GET", path, &[], b"");
    until("it is checked", || {
        said(&get("/readyz"))["phase"] != "verifying"
    });
    let ready = get("/readyz");
    assert_eq!(ready.status, 503, "{ready:?}");
    assert_eq!(said(&ready)["phase"], "failing");
    assert_eq!(works(&ready), [false; 4]);
    let reason = said(&ready)["disclosures"]["reason"].to_string();
    assert!(
        reason.contains("damaged") && !reason.contains("audit/"),
        "{reason}"
    );
    for _ in 0..40 {
        assert_eq!(get(&person()).status, 503);
    }
    let metrics = get("/metrics").body;
    for line in ["pu_audit_failing 1", "pu_works{part=\"lookups\"} 0"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    fs::write(&file, whole).unwrap();
    until("it is ready", || get("/readyz").status == 200);
    assert_eq!(get(&person()).status, 200);
    assert!(get("/metrics").body.contains("pu_audit_failing 0"));
    let log = serving.stop().1;
    let lines = log.iter().filter(|it| it.contains("cannot be opened"));
    assert_eq!(lines.count(), 1, "it is told once, not at each call");
}

#[test]
fn an_audit_whose_folder_is_gone_is_told_within_seconds() {
    let service = Service::start();
    let folder = service.app.audit.as_ref().unwrap().folder().to_path_buf();
    assert_eq!(service.get(&person()).status, 200);
    assert_eq!(works(&service.get("/readyz")), [true; 4]);
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).unwrap();
    until("it is noticed", || service.get("/readyz").status == 503);
    assert_eq!(works(&service.get("/readyz")), [false; 4]);
    fs::rename(&away, &folder).unwrap();
    until("it is back", || service.get("/readyz").status == 200);
    assert_eq!(service.get(&person()).status, 200);
}

#[test]
fn a_data_folder_that_is_gone_or_another_takes_no_changes_and_look_ups_go_on() {
    let audit = tempfile::tempdir().unwrap();
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    fs::rename(register(persons()).keep(), &data).unwrap();
    let service = Service::over(outer, |config| {
        config.data.clone_from(&data);
        config.audit.folder = Some(audit.path().join("audit"));
        config.rest.reserve_identities = true;
    });
    let issue = || {
        let body = br#"{"gender": 1, "formatType": "1.2.752.74.9.1"}"#;
        let headers = [("Content-Type", "application/json")];
        let path = "/v1/reserve-identities";
        service.connect().post(path, &headers, body).status
    };
    let before = issue();
    assert!(before < 500);
    let away = data.with_extension("away");
    fs::rename(&data, &away).unwrap();
    let is_noticed = || !works(&service.get("/readyz"))[1];
    until("it is gone", is_noticed);
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, works(&ready)),
        (200, [true, false, true, false])
    );
    assert_eq!(service.get(&person()).status, 200);
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    std::thread::sleep(Duration::from_millis(1_100));
    assert!(is_noticed(), "another is not the one");
    fs::remove_dir(&data).unwrap();
    fs::rename(&away, &data).unwrap();
    until("it is back", || works(&service.get("/readyz")) == [true; 4]);
    assert_eq!(issue(), before);
}

#[test]
fn a_log_that_has_failed_stops_changes_and_not_look_ups() {
    let service = Service::start();
    service
        .app
        .live
        .committer
        .pulse()
        .failed
        .store(true, Ordering::Relaxed);
    until("it is noticed", || !works(&service.get("/readyz"))[1]);
    let ready = service.get("/readyz");
    assert_eq!(
        (ready.status, works(&ready)),
        (200, [true, false, true, false])
    );
    assert_eq!(service.get(&person()).status, 200);
}

#[test]
fn a_snapshot_that_becomes_shorter_is_not_read_again() {
    let service = Service::start();
    let path = service.app.store.pin().snapshot().path().to_path_buf();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    until("it is noticed", || service.get("/readyz").status == 503);
    assert_eq!(said(&service.get("/readyz"))["phase"], "damaged");
    assert_eq!(service.get(&person()).status, 503);
}

#[test]
fn a_service_that_could_not_keep_its_own_files_open_is_not_begun() {
    let folder = register(persons());
    let config = configure(folder.path(), "");
    let serve = "ulimit -n 40; exec \"$0\" serve --as-root --config \"$1\"";
    let ran = std::process::Command::new("sh")
        .args(["-c", serve, env!("CARGO_BIN_EXE_pu")])
        .arg(config)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1));
    assert!(told.contains("may open 40 files"), "{told}");
    assert!(!folder.path().join("witness").exists());
}

#[test]
fn when_connections_have_taken_all_descriptors_the_node_still_says_how_it_is() {
    let folder = register(persons());
    // Of 200, 64 are kept back, and 8 for each of two threads.
    let limit = "limits.connections_per_address = 0\n";
    let serving =
        Serving::start_after(folder.path(), limit, "ulimit -n 200", Stdio::null()).ready();
    let ask = |path: &str| Client::connect(serving.address).request("GET", path, &[], b"");
    let mut open: Vec<TcpStream> = Vec::new();
    for _ in 0..120 {
        open.push(TcpStream::connect(serving.address).unwrap());
    }
    until("they are taken", || {
        let ready = ask("/readyz");
        assert_eq!(ready.status, 200);
        ready.header("connection") == Some("close")
    });
    let refused = ask(&person());
    assert_eq!(
        (refused.status, refused.header("connection")),
        (503, Some("close"))
    );
    assert!(ask("/metrics").body.contains("pu_audit_failing 0"));
    // Beyond the spare ones nobody is let in, and the audit still has what it needs.
    let more: Vec<TcpStream> = (0..64)
        .map(|_| TcpStream::connect(serving.address).unwrap())
        .collect();
    drop(more);
    drop(open);
    until("there is room", || ask(&person()).status == 200);
    let log = serving.stop().1;
    let told = |words: &str| log.iter().filter(|line| line.contains(words)).count();
    assert_eq!(told("limits.connections_per_thread"), 1, "{log:#?}");
    assert!(told("could not be accepted") <= 2, "{log:#?}");
}

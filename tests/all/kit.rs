//! The kit: what an operator installs `pu` with, and the version that it tells.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::program::{Ran, Serving, configure, pu};
use crate::support::{Client, persons, register};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// What git says here; nothing where the sources lie outside a repository of their own.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(ROOT)
        .args(arguments)
        .output()
        .ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

#[test]
fn the_version_tells_the_commit_and_the_compiler() {
    let told = pu(&["--version"]).well();
    let is_own = git(&["rev-parse", "--show-toplevel"]).is_some_and(|top| top == ROOT);
    let commit = git(&["rev-parse", "HEAD"]).filter(|_| is_own);
    let commit = commit.as_deref().unwrap_or("unknown");
    let version = env!("CARGO_PKG_VERSION");
    let begin = format!("pu {version} (commit {commit}, rustc 1.");
    assert!(told.starts_with(&begin), "{told}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The files below a folder, by their names in it.
fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(text(path.strip_prefix(folder).unwrap()).to_owned());
            }
        }
    }
    found
}

#[test]
fn a_kit_is_written_into_a_new_folder_and_listed() {
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("kit");
    let kit = |more: &[&str]| -> Ran {
        let arguments = ["kit", "--out", text(&out)];
        pu(&[&arguments[..], more].concat())
    };
    let table = kit(&[]).well();
    let told = table
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().to_owned());
    assert_eq!(told.collect::<BTreeSet<_>>(), below(&out), "{table}");
    for name in below(&out) {
        let mode = fs::metadata(out.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let again = kit(&[]).refused();
    assert!(again.contains("is not empty"), "{again}");

    // Its settings are those that it was made from.
    let settings = out.join("pu.toml");
    let of = |file: &Path| pu(&["config", "--config", text(file)]).out;
    assert!(of(&settings).contains("[limits]"));
    assert_eq!(of(&settings), pu(&["config"]).out);
    let own = outer.path().join("own.toml");
    fs::write(&own, "data = \"/srv/pu\"\nlisten = \"127.0.0.1:9999\"\n").unwrap();
    fs::remove_dir_all(&out).unwrap();
    fs::create_dir(&out).unwrap();
    kit(&["--config", text(&own), "--only", "settings,unit"]).well();
    assert_eq!(of(&settings), of(&own));
    let written = [
        "pu.service",
        "pu.socket",
        "pu.sysusers.conf",
        "pu.tmpfiles.conf",
        "pu.toml",
    ];
    assert_eq!(below(&out), written.map(str::to_owned).into());
    let unit = fs::read_to_string(out.join("pu.service")).unwrap();
    assert!(unit.contains("\nReadWritePaths=/srv/pu\n"), "{unit}");
    let usage = kit(&["--only", "everything"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
}

/// A file that names the address of a service.
fn naming(service: &Serving, folder: &Path) -> PathBuf {
    let path = folder.join("ready.toml");
    fs::write(&path, format!("listen = \"{}\"\n", service.address)).unwrap();
    path
}

#[test]
fn a_script_can_ask_whether_a_service_is_ready() {
    let folder = register(persons());
    let service = Serving::start(folder.path(), "").ready();
    let config = naming(&service, folder.path());
    let ask = || pu(&["ready", "--config", text(&config)]);
    assert_eq!(ask().well(), "ready\n");
    let address = service.address.to_string();
    service.stop();
    let refused = ask().refused();
    assert!(
        refused.contains(&address) && refused.contains("refused"),
        "{refused}"
    );
}

/// What the kernel says of each thread of a process.
fn threads(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).unwrap();
    let status = |path: PathBuf| fs::read_to_string(path.join("status")).ok();
    tasks
        .filter_map(|task| status(task.unwrap().path()))
        .collect()
}

#[test]
fn every_thread_of_a_service_is_shut_in_unless_the_configuration_says_no() {
    let folder = register(persons());
    for (setting, seccomp, says) in [
        ("", "Seccomp:\t2", "calls: seccomp"),
        ("sandbox = \"off\"", "Seccomp:\t0", "no sandbox"),
    ] {
        let service = Serving::start(folder.path(), setting).ready();
        let answer =
            Client::connect(service.address).request("GET", "/v1/persons/191212121212", &[], b"");
        assert!([200, 404].contains(&answer.status), "{answer:?}");
        let threads = threads(service.id());
        assert!(threads.len() > 4, "{}", threads.len());
        let outside = threads.iter().find(|status| !status.contains(seccomp));
        assert_eq!(outside, None);
        let (ended, log) = service.stop();
        assert!(ended.success());
        let told: Vec<&String> = log.iter().filter(|line| line.contains("sandbox")).collect();
        assert!(told.len() == 1 && told[0].contains(says), "{told:?}");
    }
}

#[test]
fn a_required_sandbox_is_in_force_or_nothing_is_served() {
    let folder = register(persons());
    let lacks = {
        // What the service itself finds.
        let (_, log) = Serving::start(folder.path(), "").stop();
        log.iter()
            .any(|line| line.contains("does not offer all of it"))
    };
    let required = "sandbox = \"required\"";
    if lacks {
        let config = configure(folder.path(), required);
        let refused = pu(&["serve", "--as-root", "--config", text(&config)]);
        assert_eq!(refused.code, Some(1));
        assert!(
            refused.err.contains("not all of it is in force"),
            "{refused:?}"
        );
    } else {
        let (_, log) = Serving::start(folder.path(), required).ready().stop();
        let told = log.iter().find(|line| line.contains("sandbox")).unwrap();
        assert!(told.contains("files: Landlock "), "{told}");
    }
}

#[test]
fn the_command_for_anchors_runs_outside_and_to_the_last_of_them() {
    let folder = register(persons());
    let outside = tempfile::tempdir().unwrap();
    let kept = outside.path().join("anchors");
    let script = format!("cat >> {}; echo . >> {0}", kept.display());
    let more = format!(
        "audit.anchor_command = [\"sh\", \"-c\", \"{script}\"]\naudit.anchor_required = true"
    );
    let service = Serving::start(folder.path(), &more).ready();
    let ask = || {
        let path = "/v1/persons/191212121212";
        Client::connect(service.address)
            .request("GET", path, &[], b"")
            .status
    };
    let until = Instant::now() + Duration::from_secs(20);
    while ask() == 503 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_ne!(ask(), 503, "anchors are kept, so answers are given");
    let times = || fs::read_to_string(&kept).unwrap().matches(".\n").count();
    let before = times();
    assert!(before > 0);
    let (ended, log) = service.stop();
    assert!(ended.success(), "{log:?}");
    // What was disclosed since is in the chain's new end, which is written at the stop.
    assert!(times() > before, "{log:?}");
}

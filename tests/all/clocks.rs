//! Clocks that are wrong: set back, set far ahead, and the hour that comes twice in October. The real
//! program runs under libfaketime (Debian's package faketime), which tells it another time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::losses::{MORE, issue, try_to_issue, with};
use crate::program::Serving;
use crate::support::{Client, persons, register};

/// What a clock shows that a test sets: seconds beside the real time.
struct Clock(PathBuf);

impl Clock {
    fn new(folder: &Path) -> Self {
        let clock = Self(folder.join("clock"));
        clock.set(0);
        clock
    }

    fn set(&self, seconds: i64) {
        let made = self.0.with_extension("new");
        fs::write(&made, format!("{seconds:+}\n")).unwrap();
        fs::rename(made, &self.0).unwrap();
    }

    fn serve(&self, data: &Path) -> Serving {
        Serving::start_after(data, MORE, &self.told(), Stdio::null()).ready()
    }

    /// What a shell says so that a program goes by this clock, but not its timers.
    fn told(&self) -> String {
        let library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"]
            .map(|folder| format!("{folder}/faketime/libfaketimeMT.so.1"))
            .into_iter()
            .find(|path| Path::new(path).exists());
        format!(
            "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1",
            library.expect("libfaketime is missing: install Debian's package faketime"),
            self.0.display()
        )
    }
}

const DAY: i64 = 24 * 3_600;

/// The times of all changes in the log, and whether none is before the one before it.
fn times(data: &Path) -> Vec<String> {
    let log = with(data, ["log", "show", "--json"]).well();
    let entries = log.lines().map(|line| serde_json::from_str(line).unwrap());
    entries
        .map(|entry: Value| entry["at"].as_str().unwrap().to_owned())
        .collect()
}

/// The version of a person.
fn version(client: &mut Client, extension: &str) -> String {
    let path = format!("/v1/persons/{extension}");
    let answer = client.request("GET", &path, &[], b"");
    let person: Value = serde_json::from_str(&answer.body).unwrap();
    person["version"].as_str().unwrap().to_owned()
}

fn one_more(client: &mut Client) -> String {
    let issued = issue(client, 1).remove(0);
    version(client, &issued)
}

#[test]
fn time_stands_still_until_a_clock_that_was_set_back_has_caught_up() {
    let folder = register(persons());
    let data = folder.path();
    let clock = Clock::new(data);
    let serving = clock.serve(data);
    let mut client = Client::connect(serving.address);
    let first = one_more(&mut client);
    clock.set(-40 * DAY);
    let while_running = one_more(&mut client);
    assert!(while_running >= first, "{first} {while_running}");
    let (_, said) = serving.stop();
    let told = said
        .iter()
        .any(|line| line.contains("the clock is behind the last change"));
    assert!(told, "{said:?}");
    let serving = clock.serve(data);
    let mut client = Client::connect(serving.address);
    let between = one_more(&mut client);
    assert!(between >= while_running, "{while_running} {between}");
    clock.set(60);
    let later = one_more(&mut client);
    assert!(later > between, "{between} {later}");
    drop(serving);
    assert!(times(data).is_sorted());
}

#[test]
fn a_clock_far_ahead_is_not_believed_until_an_operator_agrees() {
    let folder = register(persons());
    let data = folder.path();
    let clock = Clock::new(data);
    let serving = clock.serve(data);
    let mut client = Client::connect(serving.address);
    one_more(&mut client);
    clock.set(4_000 * DAY);
    let refused = try_to_issue(&mut client, 1);
    assert_eq!(refused.status, 503, "{}", refused.body);
    clock.set(0);
    one_more(&mut client);
    serving.stop();
    clock.set(4_000 * DAY);
    let serving = clock.serve(data);
    let mut client = Client::connect(serving.address);
    assert_eq!(try_to_issue(&mut client, 1).status, 503);
    let (_, said) = serving.stop();
    let advice = said.iter().any(|line| line.contains("--accept-clock"));
    assert!(advice, "{said:?}");
    clock.set(3 * DAY);
    let agreed = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{}\nexec \"$0\" \"$@\"", clock.told()))
        .arg(env!("CARGO_BIN_EXE_pu"))
        .args(["recover", "--accept-clock", "--because", "a test", "--data"])
        .arg(data)
        .output()
        .unwrap();
    assert!(agreed.status.success(), "{agreed:?}");
    let serving = clock.serve(data);
    one_more(&mut Client::connect(serving.address));
    drop(serving);
    assert!(times(data).iter().all(|at| at < &"2036".to_owned()));
}

#[test]
fn in_the_hour_that_comes_twice_no_version_is_earlier_than_the_one_before() {
    /// 2026-10-25T02:59:53 in summer time.
    const BEFORE: i64 = 1_792_889_993;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let folder = register(persons());
    let data = folder.path();
    let clock = Clock::new(data);
    clock.set(BEFORE - now);
    let serving = clock.serve(data);
    let mut client = Client::connect(serving.address);
    let mut versions = vec![one_more(&mut client)];
    let hours = |version: &str| version[8..12].to_owned();
    assert_eq!(hours(&versions[0]), "0259", "{versions:?}");
    for seconds in [14, 1_800, 3_660] {
        clock.set(BEFORE - now + seconds);
        versions.push(one_more(&mut client));
    }
    assert!(versions.is_sorted(), "{versions:?}");
    assert_eq!(hours(&versions[3]), "0300", "{versions:?}");
}

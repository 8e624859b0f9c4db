//! What a service says of itself: at its start, of files, of consumers, in its metrics and at a bad end.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use crate::access::row;
use crate::operator::below;
use crate::program::{Serving, configure, pu};
use crate::support::{Client, Service, persons, register};

const PERSON: &str = "/v1/persons/201001012382";
const OF_PERSON: &str = "{\"personalIdentity\": {\"root\": \"1.2.752.129.2.1.3.1\", \
                         \"extension\": \"201001012382\"}";
const NOBODY: &str = "/v1/persons/191212121212";
const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/navet/termdata.txt"
);

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(serving: &Serving, path: &str) -> String {
    Client::connect(serving.address)
        .request("GET", path, &[], b"")
        .body
}

#[track_caller]
fn line<'l>(log: &'l [String], words: &str) -> &'l str {
    let mut lines = log.iter().filter(|line| line.contains(words));
    let found = lines
        .next()
        .unwrap_or_else(|| panic!("no {words} in {log:#?}"));
    assert!(lines.next().is_none(), "{words} twice in {log:#?}");
    found
}

#[test]
fn the_first_line_says_what_is_served_and_finding_nobody_is_none() {
    let folder = register(persons());
    let serving = Serving::start(folder.path(), "").ready();
    let status = |path: &str| {
        Client::connect(serving.address)
            .request("GET", path, &[], b"")
            .status
    };
    assert_eq!((status(PERSON), status(NOBODY)), (200, 404));
    let log = serving.stop().1;
    let first = line(&log, "listening");
    for said in [
        "\"version\":\"",
        "\"commit\":\"",
        "\"sequence\":1",
        "\"persons\":14",
        "\"consumers\":0",
        "\"address\":\"127.0.0.1:",
        folder.path().to_str().unwrap(),
    ] {
        assert!(first.contains(said), "{said}: {first}");
    }
    assert!(!log.iter().any(|it| it.contains("refused")), "{log:#?}");
}

#[test]
fn a_level_of_logging_that_does_not_exist_is_refused() {
    let folder = register(persons());
    let config = configure(folder.path(), "log.level = \"loud\"");
    let serve = ["serve", "--as-root", "--config", config.to_str().unwrap()];
    let said = pu(&serve).refused();
    assert!(said.contains("loud") && said.contains("debug"), "{said}");
    let config = configure(folder.path(), "");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pu"))
        .args(["config", "--config", config.to_str().unwrap()])
        .env("PU_LOG__LEVEL", "pu::nowhere=debug")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("pu::nowhere"),
        "{said}"
    );
}

#[test]
fn a_text_log_that_is_no_terminal_has_no_colours() {
    let folder = register(persons());
    let more = "log.format = \"text\"";
    let config = configure(folder.path(), more);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_pu"))
        .args(["serve", "--as-root", "--config", config.to_str().unwrap()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("listening") {
        assert!(
            std::io::BufRead::read_line(&mut stderr, &mut text).unwrap() > 0,
            "{text}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        text.contains("persons=14") && !text.contains('\u{1b}'),
        "{text:?}"
    );
}

#[test]
fn the_inbox_names_each_file_and_what_came_of_it() {
    let folder = register(persons());
    let inbox = folder.path().join("inbox");
    let serving = Serving::start(folder.path(), "").ready();
    symlink("/etc/hostname", inbox.join("a-link")).unwrap();
    fs::create_dir(inbox.join("a-folder")).unwrap();
    fs::write(
        inbox.join("nonsense.txt"),
        "nothing that anybody understands\n",
    )
    .unwrap();
    fs::copy(FILE, inbox.join("good.txt")).unwrap();
    for name in ["done/good.txt", "failed/nonsense.txt"] {
        until(name, || inbox.join(name).exists());
    }
    let log = serving.stop().1;
    let link = line(&log, "\"file\":\"a-link\"");
    assert!(
        link.contains("passed over") && link.contains("it is a link"),
        "{link}"
    );
    assert!(line(&log, "\"file\":\"a-folder\"").contains("it is a folder"));
    let refused = line(&log, "\"file\":\"nonsense.txt\"");
    assert!(
        refused.contains("\"code\":") && refused.contains("\"rejected\":0"),
        "{refused}"
    );
    let applied = line(&log, "\"file\":\"good.txt\"");
    assert!(
        applied.contains("\"changed\":") && applied.contains("\"unchanged\":"),
        "{applied}"
    );
}

#[test]
fn an_emptied_file_of_consumers_shuts_nobody_out_and_a_new_one_is_taken_when_told() {
    let folder = register(persons());
    let consumers = folder.path().join("consumers.toml");
    let (one, other) = ("SE2321000016-A1B2", "SE2321000016-C3D4");
    let of = |names: &[&str]| {
        let rows: Vec<_> = names.iter().map(|it| row(it, "region", "")).collect();
        rows.concat()
    };
    fs::write(&consumers, of(&[one])).unwrap();
    let more = format!(
        "access.consumers = '{}'\naccess.local_consumer = \"{one}\"\n",
        consumers.display()
    );
    let serving = Serving::start(folder.path(), &more).ready();
    let metric = |line: &str| get(&serving, "/metrics").lines().any(|it| it == line);
    fs::write(&consumers, "").unwrap();
    serving.signal("-HUP");
    until("it is refused", || metric("pu_consumer_file_refused 1"));
    assert!(metric("pu_consumers 1"));
    fs::write(&consumers, of(&[one, other])).unwrap();
    serving.signal("-HUP");
    until("it is taken", || metric("pu_consumers 2"));
    assert!(metric("pu_consumer_file_refused 0"));
    let log = serving.stop().1;
    let refused = line(&log, "the new file is refused");
    assert!(
        refused.contains("ERROR") && refused.contains("access.allow_fewer"),
        "{refused}"
    );
}

#[test]
fn metrics_tell_their_form_the_program_the_process_and_the_persons_served() {
    let service = Service::over(register(persons()), |config| {
        config.rest.reserve_identities = true;
    });
    let persons = || {
        let text = service.get("/metrics").body;
        let line = text.lines().find_map(|it| it.strip_prefix("pu_persons "));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(persons(), 14);
    // A person who is newer than the snapshot.
    let is_it = |line: &&str| line.starts_with(OF_PERSON);
    let text = crate::support::persons().lines().find(is_it).unwrap();
    let text = text.replace("201001012382", "201001022399");
    let person =
        pu::person::json::read(text.as_bytes(), &pu::person::identity::Formats::standard());
    let record = person.unwrap().to_record().unwrap();
    let commit = |record: Vec<u8>| {
        let work = move |draft: &mut pu::store::commit::Draft| {
            draft
                .commit(
                    pu::store::entry::Origin::default(),
                    vec![record],
                    Vec::new(),
                )
                .unwrap()
        };
        service.app.live.committer.wait(work).unwrap();
    };
    commit(record.clone());
    let added = persons();
    assert_eq!(added, service.app.store.pin().records().count() as u64);
    commit(record);
    assert_eq!(persons(), added, "changed, not added");
    service.app.live.compact().unwrap();
    assert_eq!(persons(), added);
    let ready = service.get("/readyz").body;
    assert!(ready.contains(&format!("\"persons\":{added}")), "{ready}");

    let metrics = service.get("/metrics");
    assert_eq!(
        metrics.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for name in [
        "pu_build_info{version=\"",
        "process_open_fds ",
        "process_resident_memory_bytes ",
        "pu_log_flush_seconds_total ",
        "pu_consumer_cpu_seconds_total{consumer=\"unknown\"} ",
    ] {
        assert!(
            metrics.body.contains(&format!("\n{name}")),
            "{name}\n{}",
            metrics.body
        );
    }
    for line in metrics
        .body
        .lines()
        .filter_map(|it| it.strip_prefix("# TYPE "))
    {
        let name = line.split(' ').next().unwrap();
        assert!(
            metrics.body.contains(&format!("# HELP {name} ")),
            "{name} says nothing"
        );
    }
}

#[test]
fn a_snapshot_that_is_cut_while_it_is_read_is_named_before_the_end() {
    // The once-a-second look may be first: then nothing is read, and it is tried again.
    let is_named = || {
        let folder = register(persons());
        let serving = Serving::start(folder.path(), "").ready();
        let snapshot = pu::store::folder::newest(folder.path())
            .unwrap()
            .unwrap()
            .path;
        fs::set_permissions(&snapshot, fs::Permissions::from_mode(0o600)).unwrap();
        let file = fs::File::options().write(true).open(&snapshot).unwrap();
        let mut client = Client::connect(serving.address);
        file.set_len(4_096).unwrap();
        let request = format!("GET {PERSON} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        client.send(request.as_bytes());
        if let Some(answer) = client.receive() {
            assert_eq!(answer.status, 503);
            return false;
        }
        let (status, log) = serving.end();
        assert_eq!(status.signal(), Some(7), "{status}");
        let said = line(&log, "SIGBUS");
        assert!(said.contains(snapshot.to_str().unwrap()), "{said}");
        true
    };
    assert!((0..5).any(|_| is_named()));
}

#[test]
fn what_root_serves_stays_its_owners() {
    let folder = register(persons());
    let data = folder.path();
    let owner = if nix::unistd::geteuid().is_root() {
        65_534
    } else {
        nix::unistd::geteuid().as_raw()
    };
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
    for path in below(data) {
        nix::unistd::chown(&path, Some(owner.into()), Some(owner.into())).unwrap();
    }
    let serving = Serving::start(data, "").ready();
    assert!(get(&serving, PERSON).contains("201001012382"));
    pu(&["import", "--data", data.to_str().unwrap(), FILE]).well();
    fs::copy(FILE, data.join("inbox/again.txt")).unwrap();
    until("it is put away", || {
        data.join("inbox/done/again.txt").exists()
    });
    serving.signal("-USR1");
    until("there is a new snapshot", || {
        pu::store::folder::snapshots(data).unwrap().len() > 1
    });
    assert!(serving.stop().0.success());
    // Those two the test itself has made.
    for path in below(data) {
        if !path.ends_with("pu.toml") && !path.ends_with("again.txt") {
            assert_eq!(
                fs::metadata(&path).unwrap().uid(),
                owner,
                "{}",
                path.display()
            );
        }
    }
}

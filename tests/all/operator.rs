//! The operator: files, the audit and alarms, on which whoever runs the register relies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pu::person::field::Field;
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::value::Value;
use pu::serve::anchors::{known_ends, write_aloud};
use pu::store::commit::Draft;
use pu::store::entry::Origin;

use crate::access::row;
use crate::program::{Serving, configure, pu, pu_with_open_umask};
use crate::support::{Client, Service, persons, register};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder and all that lies below it.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn whatever_is_written_is_its_owners_alone() {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let broken = at("broken.txt");
    fs::write(&broken, "nothing that anybody understands\n").unwrap();
    set_mode(&broken, 0o600);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let (data, out) = (at("data"), at("out.ndjson"));
    for file in ["persons/all.ndjson", "navet/termdata.txt"] {
        let file = fixtures.join(file);
        let import = [
            "import",
            "--accept-truncated",
            "--data",
            text(&data),
            text(&file),
        ];
        pu_with_open_umask(&import).well();
    }
    pu_with_open_umask(&["export", "--data", text(&data), "--out", text(&out)]).well();
    let certs = at("certs");
    pu_with_open_umask(&["certs", "dev", "--out", text(&certs)]).well();
    for name in ["navet.txt.gz", "navet.xml", "made/x.snapshot"] {
        let path = at(name);
        if let Some(folder) = path.parent().filter(|it| !it.exists()) {
            fs::create_dir(folder).unwrap();
            set_mode(folder, 0o700);
        }
        pu_with_open_umask(&["generate", "--persons", "50", "--out", text(&path)]).well();
    }
    for path in below(outer.path()).iter().skip(1) {
        let wanted: &[u32] = if path.is_dir() {
            &[0o700]
        } else {
            &[0o600, 0o400]
        };
        assert!(
            wanted.contains(&mode(path)),
            "{} {:o}",
            path.display(),
            mode(path)
        );
    }
}

#[test]
fn a_service_keeps_to_itself_what_it_writes() {
    let folder = register(persons());
    let data = folder.path();
    set_mode(data, 0o755);
    let serving = Serving::start(data, "").ready();
    let said = serving.stop().1.join("\n");
    assert!(
        said.contains("others could enter") && said.contains("755"),
        "{said}"
    );
    for path in below(data).iter().filter(|it| !it.ends_with("pu.toml")) {
        assert_eq!(mode(path) & 0o077, 0, "{} {:o}", path.display(), mode(path));
    }
}

#[test]
fn a_register_that_root_works_on_stays_its_owners() {
    use std::os::unix::fs::MetadataExt;
    const SERVICE: u32 = 65_534;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("data");
    fs::create_dir(&data).unwrap();
    set_mode(&data, 0o700);
    let service = Some(nix::unistd::Uid::from_raw(SERVICE));
    nix::unistd::chown(&data, service, None).unwrap();
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/persons/all.ndjson"
    );
    pu(&["import", "--data", text(&data), file]).well();
    pu(&["get", CHILD, "--data", text(&data)]).well();
    // Opens the log to write.
    pu(&[
        "audit",
        "accept",
        "--data",
        text(&data),
        "--because",
        "nothing",
    ])
    .well();
    assert!(data.join("log").is_dir());
    for path in below(&data) {
        assert_eq!(
            fs::metadata(&path).unwrap().uid(),
            SERVICE,
            "{}",
            path.display()
        );
    }
}

#[test]
fn root_serves_only_when_it_is_told_to() {
    let folder = register(persons());
    let config = configure(folder.path(), "");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        let refused = pu(&["serve", "--config", text(&config)]).refused();
        assert!(refused.contains("--as-root"), "{refused}");
    }
}

const CHILD: &str = "201001012382";

/// Serves a register, lets somebody be looked up as often as told, and stops.
fn served(data: &Path, times: usize) {
    let serving = Serving::start(data, "").ready();
    let path = format!("/v1/persons/{CHILD}");
    let mut client = Client::connect(serving.address);
    for _ in 0..times {
        assert_eq!(client.request("GET", &path, &[], b"").status, 200);
    }
    assert!(serving.stop().0.success());
}

#[test]
fn an_audit_that_was_emptied_while_nobody_looked_is_missed() {
    let folder = register(persons());
    let data = folder.path();
    served(data, 3);
    let verify = ["audit", "verify", "--data", text(data)];
    assert!(pu(&verify).well().ends_with("intact\n"));
    let log = pu(&["log", "show", "--data", text(data)]).well();
    let told = log.lines().filter(|line| line.contains("  audit "));
    assert_eq!(told.count(), 1, "{log}");
    // What the log knows goes into the next snapshot.
    pu(&["snapshot", "build", text(data)]).well();
    fs::remove_dir_all(data.join("log")).unwrap();

    let audit = data.join("audit");
    let away = data.join("away");
    fs::rename(&audit, &away).unwrap();
    let missed = |ran: crate::program::Ran, entries: u64| {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let said = ran.out + &ran.err;
        assert!(
            said.contains(&format!("chain 0: {entries} entries are missing")),
            "{said}"
        );
    };
    missed(pu(&verify), 5);
    fs::create_dir(&audit).unwrap();
    set_mode(&audit, 0o700);
    missed(pu(&verify), 5);
    let config = configure(data, "");
    let serve = ["serve", "--as-root", "--config", text(&config)];
    missed(pu(&serve), 5);

    // Put back, all is well.
    fs::remove_dir_all(&audit).unwrap();
    fs::rename(&away, &audit).unwrap();
    pu(&verify).well();
    served(data, 1);

    // Or the loss is accepted, which the log tells.
    fs::remove_dir_all(&audit).unwrap();
    missed(pu(&serve), 8);
    let accept = [
        "audit",
        "accept",
        "--data",
        text(data),
        "--because",
        "case 4711",
    ];
    let accepted = pu(&accept).well();
    assert!(accepted.contains("entries are missing"), "{accepted}");
    assert!(pu(&accept).well().contains("holds all"));
    served(data, 1);
    pu(&verify).well();
    let log = pu(&["log", "show", "--json", "--data", text(data)]).well();
    assert!(
        log.contains("audit-accepted") && log.contains("case 4711"),
        "{log}"
    );
}

#[test]
fn the_ends_of_the_audit_are_written_into_the_log_when_they_moved() {
    let service = Service::start();
    let sequence = || service.app.store.pin().sequence();
    let audit = service.app.audit.as_ref().unwrap();
    let before = sequence();
    service.get(&format!("/v1/persons/{CHILD}"));
    assert!(audit.settle());
    for _ in 0..3 {
        write_aloud(&service.app);
        assert_eq!(sequence(), before + 1);
    }
    let known = known_ends(service.app.store.pin().ledger());
    assert_eq!(known, audit.ends().unwrap());
    service.app.live.compact().unwrap();
    let ledger = service
        .app
        .store
        .pin()
        .snapshot()
        .sources()
        .unwrap()
        .to_vec();
    let kept = pu::store::ledger::Ledger::from_bytes(&ledger).unwrap();
    assert_eq!(known_ends(&kept), known);
}

#[test]
fn files_of_the_audit_that_are_removed_under_a_running_service_stop_disclosures() {
    let service = Service::start();
    let ask = || service.get(&format!("/v1/persons/{CHILD}"));
    assert_eq!(ask().status, 200);
    let folder = service.app.audit.as_ref().unwrap().folder().to_path_buf();
    for path in below(&folder).iter().filter(|it| it.is_file()) {
        fs::remove_file(path).unwrap();
    }
    // The keeper looks several times a second.
    let stopped = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        Some(ask()).filter(|answer| answer.status != 200)
    });
    let answer = stopped.expect("nobody noticed");
    assert!(
        answer.status == 503 && !answer.body.contains(CHILD),
        "{answer:?}"
    );
    assert!(service.get("/metrics").body.contains("pu_audit_failing 1"));
}

#[test]
fn what_the_operator_reads_is_recorded_with_the_system_user() {
    let folder = register(persons());
    let data = folder.path();
    let out = data.join("out.ndjson");
    let read = || {
        pu(&["get", CHILD, "--data", text(data)]).well();
        pu(&[
            "get",
            CHILD,
            "--json",
            "--unrestricted",
            "--data",
            text(data),
        ])
        .well();
        pu(&[
            "search",
            "--text",
            "nobody of this name",
            "--data",
            text(data),
        ])
        .well();
        pu(&[
            "search",
            "FROM PersonRecord WHERE x = 'y'",
            "--data",
            text(data),
        ])
        .refused();
        pu(&["export", "--out", text(&out), "--data", text(data)]).well();
    };
    read();
    let serving = Serving::start(data, "").ready();
    read();
    assert!(serving.stop().0.success());
    let me = nix::unistd::User::from_uid(nix::unistd::getuid())
        .unwrap()
        .unwrap();
    let me = format!("uid:{}:{}", me.uid, me.name);
    let found = pu(&[
        "audit",
        "search",
        "--consumer",
        &me,
        "--json",
        "--data",
        text(data),
    ])
    .well();
    let found: Vec<serde_json::Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<_> = found
        .iter()
        .map(|it| [&it["service"], &it["answer"]].map(|it| it.as_str().unwrap()))
        .collect();
    let once = [
        ["cli/get", "ok"],
        ["cli/get", "ok"],
        ["cli/search", "ok"],
        ["cli/search", "invalid-query"],
        ["cli/export", "begun"],
        ["cli/export", "ok"],
    ];
    assert_eq!(told, [once, once].concat());
    assert_eq!(found[0]["shown"][0]["extension"], CHILD);
    assert_eq!(
        [&found[0]["unrestricted"], &found[1]["unrestricted"]],
        [false, true]
    );
    assert!(
        pu(&["audit", "verify", "--data", text(data)])
            .well()
            .ends_with("intact\n")
    );
    // Where it cannot be recorded, nothing is shown.
    set_mode(&data.join("audit"), 0o755);
    for refused in [&["get", CHILD][..], &["export", "--out", text(&out)]] {
        let said = pu(&[refused, &["--data", text(data)]].concat()).refused();
        assert!(said.contains("mode 755") && !said.contains(CHILD), "{said}");
    }
}

#[test]
fn a_page_from_elsewhere_cannot_ask_by_a_name_of_its_own() {
    let service = Service::over(register(persons()), |config| {
        config.hosts = vec!["pu.region.example".to_owned()];
    });
    let ask = |host: &str| {
        let mut client = service.connect();
        client.send(format!("GET /v1/persons/{CHILD} HTTP/1.1\r\n{host}\r\n").as_bytes());
        client.receive().unwrap()
    };
    for ours in ["Host: localhost:8080\r\n", "Host: pu.region.example\r\n"] {
        assert_eq!(ask(ours).status, 200, "{ours}");
    }
    for other in [
        "Host: attacker.example\r\n",
        "Host: localhost\r\nHost: attacker.example\r\n",
        "",
    ] {
        let answer = ask(other);
        let is_refused = [400, 421].contains(&answer.status);
        assert!(
            is_refused && !answer.body.contains(CHILD),
            "{other}{answer:?}"
        );
    }
    let told = ask("Host: attacker.example\r\n");
    assert!(
        told.status == 421 && told.body.contains("värdnamn"),
        "{told:?}"
    );
    assert!(!told.body.contains("attacker"));
}

/// Somebody protected, who lives in county 14.
const PROTECTED: &str = "197501079292";

#[test]
fn patterns_of_calls_ring_by_consumer_and_rule_and_name_nobody() {
    const RIGHTS: &str = "logical_addresses = [\"SE165565594230-1000\"]\n\
                          rest = [\"person\", \"search\", \"changes\"]\ncounties = [\"99\"]";
    let folder = register(persons());
    let file = folder.path().join("consumers.toml");
    fs::write(&file, row("TST-CURIOUS", "region", RIGHTS)).unwrap();
    let service = Service::over(folder, |config| {
        config.access.open = false;
        config.access.consumers = Some(file);
        config.access.local_consumer = Some("TST-CURIOUS".to_owned());
        config.alarms.consumers_of_one = 1;
        // No window ends within the test.
        config.alarms.minutes = 10_000_000;
    });
    let ask = |path: &str, times: usize, status: u16| {
        let mut client = service.connect();
        for _ in 0..times {
            assert_eq!(
                client.request("GET", path, &[], b"").status,
                status,
                "{path}"
            );
        }
    };
    let rung = || {
        let metrics = service.get("/metrics").body;
        let lines = metrics
            .lines()
            .filter(|line| line.starts_with("pu_alarms_total"));
        let rules = lines.map(|line| {
            assert!(
                line.contains("consumer=\"TST-CURIOUS\"") && line.ends_with(" 1"),
                "{line}"
            );
            let rule = line.split("rule=\"").nth(1).unwrap();
            rule.split('"').next().unwrap().to_owned()
        });
        let mut rules: Vec<_> = rules.collect();
        rules.sort();
        rules
    };
    ask(
        "/v1/search?q=FROM%20PersonRecord%20WHERE%20name.surname%20LIKE%20'a%25'",
        20,
        400,
    );
    assert_eq!(rung(), ["too-wide"]);
    ask("/v1/search?text=nobody%20of%20this%20name", 30, 200);
    assert_eq!(rung(), ["narrow-searches", "too-wide"]);
    // That somebody has become protected is told to every follower: nobody asked for it.
    let before = service.app.store.pin().sequence();
    let mut hidden = 0;
    for line in persons().lines().filter(|line| !line.trim().is_empty()) {
        let mut person = json::read(line.as_bytes(), &Formats::standard()).unwrap();
        if person.shield().is_on() {
            continue;
        }
        person.set(Field::at("protectedPersonIndicator"), Value::Boolean(true));
        let record = person.to_record().unwrap();
        let work =
            move |draft: &mut Draft| draft.commit(Origin::default(), vec![record], Vec::new());
        service.app.live.committer.wait(work).unwrap().0.unwrap();
        hidden += 1;
    }
    assert!(hidden >= 5);
    ask(&format!("/v1/changes?since={before}&county=99"), 1, 200);
    assert_eq!(rung(), ["narrow-searches", "too-wide"]);
    ask(&format!("/v1/persons/{PROTECTED}"), 5, 200);
    assert_eq!(
        rung(),
        [
            "many-for-one",
            "narrow-searches",
            "protected-elsewhere",
            "too-wide"
        ]
    );
    assert!(!service.get("/metrics").body.contains(PROTECTED));
}

#[test]
fn anchors_are_brought_to_a_second_place_and_may_be_required_there() {
    let outer = tempfile::tempdir().unwrap();
    let (kept, barred) = (outer.path().join("kept"), outer.path().join("barred"));
    let script = format!(
        "test ! -e {} && cat >> {}",
        barred.display(),
        kept.display()
    );
    let service = |is_required| {
        let command = ["sh", "-c", script.as_str()].map(str::to_owned).to_vec();
        Service::over(register(persons()), |config| {
            config.audit.anchor_command = command;
            config.audit.anchor_required = is_required;
        })
    };
    for is_required in [false, true] {
        let service = service(is_required);
        let status = || service.get(&format!("/v1/persons/{CHILD}")).status;
        let settle = || {
            service.app.audit.as_ref().unwrap().settle();
            write_aloud(&service.app);
        };
        assert_eq!(status(), 200);
        settle();
        let known = known_ends(service.app.store.pin().ledger());
        let brought = fs::read_to_string(&kept).unwrap();
        assert!(
            brought.ends_with(&format!("{}\n", known.last().unwrap())),
            "{brought}"
        );
        // The second place cannot be reached.
        fs::write(&barred, b"").unwrap();
        assert_eq!(status(), 200);
        settle();
        assert_eq!(service.app.anchors.failed(), 1);
        assert_eq!(status(), if is_required { 503 } else { 200 });
        fs::remove_file(&barred).unwrap();
        settle();
        assert_eq!(status(), 200);
        assert_eq!(service.app.anchors.pushed(), 3);
        let metrics = service.get("/metrics").body;
        assert!(metrics.contains("pu_audit_anchors_total{outcome=\"failed\"} 1"));
    }
    // Required from the start.
    fs::write(&barred, b"").unwrap();
    let service = service(true);
    assert_eq!(service.get(&format!("/v1/persons/{CHILD}")).status, 503);
}

//! Mistakes of operators: what commands do when they are used wrongly, or stopped in the middle.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::program::{Ran, Serving, program, pu};
use crate::support::{Client, persons, register};

const CHILD: &str = "201001012382";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What lies in a folder, by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |it: std::io::Result<fs::DirEntry>| it.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// `pu` with more arguments, on a data folder.
fn on(data: &Path, arguments: &[&str]) -> Ran {
    pu(&[arguments, &["--data", text(data)]].concat())
}

#[test]
fn an_export_never_replaces_what_is_no_file() {
    let folder = register(persons());
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let is_whole = |lines: &str| {
        let first = lines.starts_with("{\"pu_exchange\"");
        first && lines.lines().last().unwrap().contains("\"end\":true")
    };
    // Standard output, by two names.
    symlink("/dev/stdout", at("stdout")).unwrap();
    for out in ["-", "/dev/stdout", text(&at("stdout"))] {
        let lines = on(folder.path(), &["export", "--out", out]).well();
        let lines = lines
            .split_inclusive('\n')
            .filter(|line| line.starts_with('{'));
        assert!(is_whole(&lines.collect::<String>()), "{out}");
    }
    assert!(at("stdout").is_symlink() && Path::new("/dev/stdout").is_symlink());
    // A pipe.
    let pipe = at("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read_to_string(pipe).unwrap())
    };
    on(folder.path(), &["export", "--out", text(&pipe)]).well();
    assert!(is_whole(&reader.join().unwrap()));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    // A link to a file; one that everybody could read.
    fs::write(at("file"), b"before").unwrap();
    fs::set_permissions(at("file"), fs::Permissions::from_mode(0o644)).unwrap();
    symlink("file", at("link")).unwrap();
    on(folder.path(), &["export", "--out", text(&at("link"))]).well();
    assert!(at("link").is_symlink() && is_whole(&fs::read_to_string(at("file")).unwrap()));
    let mode = fs::metadata(at("file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    // A link to nothing, and a folder, are refused by name.
    symlink("nothing", at("dangling")).unwrap();
    for name in ["dangling", ""] {
        let refused = on(folder.path(), &["export", "--out", text(&at(name))]).refused();
        assert!(refused.contains(text(&at(name))), "{refused}");
    }
    assert_eq!(
        names(outer.path()),
        ["dangling", "file", "link", "pipe", "stdout"]
    );
}

#[test]
fn an_invented_population_never_replaces_what_is_no_file() {
    let outer = tempfile::tempdir().unwrap();
    let generate = |out: &str| pu(&["generate", "--persons", "20", "--out", out]);
    let printed = program()
        .args(["generate", "--persons", "20", "--out", "-"])
        .output()
        .unwrap();
    assert!(printed.status.success() && printed.stdout.ends_with(b"#FIL_SLUT\n"));
    let pipe = outer.path().join("pipe.snapshot");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::read(pipe).unwrap())
    };
    generate(text(&pipe)).well();
    let file = outer.path().join("made.snapshot");
    // Nothing beside it is touched: not another register either.
    let other = outer.path().join("register-00000000000000000020.snapshot");
    fs::write(&other, b"other").unwrap();
    generate(text(&file)).well();
    assert!(fs::read(&file).unwrap() == reader.join().unwrap());
    assert_eq!(fs::read(&other).unwrap(), b"other");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(names(outer.path()).len(), 3);
}

#[test]
fn a_command_that_fails_leaves_nothing_behind() {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    let left = || names(outer.path());
    fs::write(at("empty"), b"").unwrap();
    fs::write(at("cut"), b"#INFO_START\n").unwrap();
    let data = at("a/b");
    for wrong in [
        &["import", text(&at("empty"))][..],
        &["import", text(&at("cut"))],
        &["import", text(&at("nowhere"))],
        &["import", text(outer.path())],
        &["snapshot", "build"],
        &["snapshot", "upgrade"],
        &["audit", "accept", "--because", "nothing"],
        &["get", CHILD],
        &["log", "show"],
    ] {
        on(&data, wrong).refused();
        assert_eq!(left(), ["cut", "empty"], "{wrong:?}");
    }
    // A folder that cannot be made within a file.
    for command in [&["certs", "dev"][..], &["wsdl"]] {
        let out = at("empty").join("x");
        let refused = pu(&[command, &["--out", text(&out)]].concat()).refused();
        assert!(refused.contains(text(&out)), "{refused}");
    }
    let refused = pu(&["generate", "--persons", "3", "--out", text(&at("x.csv"))]).refused();
    assert!(refused.contains(".snapshot"), "{refused}");
    assert_eq!(left(), ["cut", "empty"]);
}

#[test]
fn an_export_that_is_killed_leaves_what_was_there() {
    let folder = register(persons());
    let outer = tempfile::tempdir().unwrap();
    let out = outer.path().join("out.ndjson");
    fs::write(&out, b"before").unwrap();
    // One of many persons takes long enough to be stopped in the middle.
    let mut child = program()
        .args(["generate", "--persons", "100000", "--out"])
        .arg(outer.path().join("big.txt"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(200));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(outer.path()), ["out.ndjson"]);
    // A disk that takes no byte.
    let full = on(folder.path(), &["export", "--out", "/dev/full"]).refused();
    assert!(
        full.contains("/dev/full") && full.contains("No space"),
        "{full}"
    );
    assert_eq!(full.matches("No space").count(), 1, "{full}");
    assert_eq!(fs::read(&out).unwrap(), b"before");
}

/// Runs a command whose reader goes after the first line. Answers how it ended and what it complained of.
fn read_one_line(arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = program()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::with_capacity(16, child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "{line}");
    drop(out);
    let mut complaint = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut complaint).unwrap();
    (child.wait().unwrap().code(), complaint)
}

#[test]
fn who_has_read_enough_may_go() {
    let outer = tempfile::tempdir().unwrap();
    let data = outer.path().join("many/");
    pu(&["generate", "--persons", "3000", "--out", text(&data)]).well();
    for arguments in [
        &["export", "--out", "-"][..],
        &["log", "show"],
        &["snapshot", "info"],
        &["check"],
        &["config"],
    ] {
        let all = [arguments, &["--data", text(&data)]].concat();
        let (code, complaint) = read_one_line(&all);
        assert_eq!((code, complaint.as_str()), (Some(0), ""), "{arguments:?}");
    }
    let (code, complaint) = read_one_line(&["generate", "--persons", "3000", "--out", "-"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let (code, complaint) = read_one_line(&["--help"]);
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
}

#[test]
fn the_audit_is_read_where_the_configuration_says_it_is() {
    let folder = register(persons());
    let data = folder.path();
    let elsewhere = tempfile::tempdir().unwrap();
    let audit = elsewhere.path().join("kept/audit");
    fs::create_dir(audit.parent().unwrap()).unwrap();
    let more = format!("audit.folder = '{}'", audit.display());
    let serving = Serving::start(data, &more).ready();
    let path = format!("/v1/persons/{CHILD}");
    assert_eq!(
        Client::connect(serving.address)
            .request("GET", &path, &[], b"")
            .status,
        200
    );
    assert!(serving.stop().0.success());
    let config = data.join("pu.toml");
    let with = |arguments: &[&str]| pu(&[arguments, &["--config", text(&config)]].concat());
    with(&["get", CHILD, "--json"]).well();
    let found = with(&["audit", "search", "--person", CHILD]).well();
    assert!(
        found.contains("cli/get") && found.contains("rest/person"),
        "{found}"
    );
    assert!(with(&["audit", "verify"]).well().ends_with("intact\n"));
    assert!(
        with(&["audit", "accept", "--because", "x"])
            .well()
            .contains("holds all")
    );
    // Without the configuration nobody can know; the complaint says what to do.
    for command in [&["verify"][..], &["search"]] {
        let ran = on(data, &[&["audit"], command].concat());
        assert_eq!(ran.code, Some(1));
        assert!(ran.err.contains("--config"), "{}", ran.err);
    }
}

/// Everything that a command can be told to read, and what is not that.
fn wrong_folders() -> (tempfile::TempDir, Vec<PathBuf>) {
    let outer = tempfile::tempdir().unwrap();
    let at = |name: &str| outer.path().join(name);
    fs::write(at("file"), b"no register").unwrap();
    fs::create_dir(at("empty")).unwrap();
    fs::set_permissions(at("empty"), fs::Permissions::from_mode(0o700)).unwrap();
    let paths = vec![at("nowhere"), at("file"), at("empty")];
    (outer, paths)
}

#[test]
fn what_is_no_register_is_told_with_its_path_and_the_reason_once() {
    let (_outer, paths) = wrong_folders();
    for path in &paths {
        for command in [
            &["get", CHILD][..],
            &["search", "--text", "anna"],
            &["export", "--out", "-"],
            &["log", "show"],
            &["snapshot", "info"],
            &["snapshot", "verify"],
            &["snapshot", "build"],
            &["audit", "verify"],
            &["audit", "search"],
            &["audit", "accept", "--because", "x"],
        ] {
            let said = on(path, command).refused();
            assert!(said.contains(text(path)), "{command:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            for reason in ["os error", "No such file", "Not a directory"] {
                assert!(said.matches(reason).count() <= 1, "{command:?}: {said}");
            }
        }
    }
    for command in [&["config"][..], &["get", CHILD], &["serve", "--as-root"]] {
        let nowhere = paths[0].join("pu.toml");
        let said = pu(&[command, &["--config", text(&nowhere)]].concat()).refused();
        assert!(
            said.contains(text(&nowhere)) && said.contains("No such file"),
            "{said}"
        );
    }
}

#[test]
fn pu_check_says_everything_at_once_and_serve_refuses_the_same() {
    let folder = register(persons());
    let data = folder.path();
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
    let checked = on(data, &["check"]);
    let table = checked.well();
    for about in [
        "configuration",
        "data folder",
        "log",
        "audit",
        "disk",
        "clock",
    ] {
        let row = table
            .lines()
            .find(|line| line[8..].trim_start().starts_with(about));
        assert!(
            row.is_some_and(|row| row.starts_with("ok ")),
            "{about}: {table}"
        );
    }
    assert!(table.contains("protected by their own marks"), "{table}");

    let consumers = data.join("consumers.toml");
    let row = "[[consumer]]\nhsa_id = \"TST-1\"\nname = \"\"\ncategory = \"region\"\nvalid_from = 2026-01-01\nvalid_to = 2027-01-01\n";
    fs::write(&consumers, format!("{row}\n{row}namn = 1\n")).unwrap();
    let config = data.join("pu.toml");
    let text_of = format!(
        "data = '{}'\nlisten = \"127.0.0.1:0\"\n[access]\nopen = true\nconsumers = '{}'\n\
         [tls]\nlisten = \"127.0.0.1:0\"\ncertificate = 'no.pem'\nkey = 'no-key.pem'\nclient_authorities = ['no-ca.pem']\n",
        data.display(),
        consumers.display()
    );
    fs::write(&config, text_of).unwrap();
    let wanted = [
        "pu.toml, line 4: access.open and access.consumers cannot both be given",
        "consumers.toml, line 1: consumer TST-1: has no name",
        "consumers.toml, line 8: consumer 2: there is no setting namn: is name meant?",
        "no.pem: cannot be read: No such file",
        "no-key.pem: cannot be read: No such file",
        "no-ca.pem: cannot be read: No such file",
    ];
    let named = ["--config", text(&config)];
    let check = pu(&[&["check"][..], &named].concat());
    assert_eq!(check.code, Some(1));
    let serve = pu(&[&["serve", "--as-root"][..], &named].concat());
    assert_eq!(serve.code, Some(1));
    let settings = pu(&[&["config"][..], &named].concat());
    assert_eq!(settings.code, Some(1));
    assert!(
        settings.out.contains("listen = \"127.0.0.1:0\"\n"),
        "{}",
        settings.out
    );
    for what in wanted {
        for said in [&check.out, &serve.err, &settings.err] {
            assert!(said.contains(what), "{what}\n{said}");
        }
    }
    // A log that was cut, and a folder that others may enter.
    fs::set_permissions(data, fs::Permissions::from_mode(0o755)).unwrap();
    let snapshot = names(data)
        .into_iter()
        .find(|it| it.ends_with(".snapshot"))
        .unwrap();
    let path = data.join(snapshot);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, b"short").unwrap();
    let check = on(data, &["check"]);
    assert_eq!(check.code, Some(1));
    assert!(check.out.contains("warning  data folder") && check.out.contains("mode 755"));
    assert!(check.out.contains("wrong    snapshot"), "{}", check.out);
    assert!(check.err.contains("one thing is wrong"), "{}", check.err);
}

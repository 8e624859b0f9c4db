//! The rules of the house, read off the sources: which room may lean on which, where unsafe code
//! may live, who may hold an unmasked person, and that no real person's number stands anywhere.

#![allow(
    clippy::unwrap_used,
    reason = "a failed helper is a failed test; clippy sees only #[test] functions as such"
)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("person", &["base"]),
    ("store", &["base", "person"]),
    ("register", &["base", "person", "store"]),
    ("query", &["base", "person", "store", "register"]),
    ("wire", &["base", "person", "store", "register", "query"]),
    ("access", &["base", "person", "wire"]),
    ("feed", &["base", "person", "register"]),
    (
        "serve",
        &[
            "base", "person", "store", "register", "query", "wire", "access",
        ],
    ),
    (
        "cli",
        &[
            "base", "person", "store", "register", "query", "wire", "access", "feed", "serve",
        ],
    ),
];

/// The files in which unsafe code may live.
const MAY_BE_UNSAFE: &[&str] = &["store/map.rs", "serve/sigbus.rs"];

/// The rooms that may hold a person unmasked (`person::edit`): those that change records.
const MAY_EDIT: &[&str] = &["person", "register", "feed"];

/// Published examples of formats and well-known test numbers that the official lists lack.
const EXAMPLES: &[&str] = &[
    "191212121212",
    "191212121213",
    "991981000010",
    "198108320014",
];

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                // Registers that are measured (`loadtest/search`) are no sources either.
                if !["target", "tools", "corpus", "artifacts", "node_modules"]
                    .contains(&name.as_str())
                    && !name.starts_with("data-")
                {
                    collect(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found = Vec::new();
    collect(&root, &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(&path).ok()?;
            Some((path.strip_prefix(&root).unwrap().to_path_buf(), text))
        })
        .collect()
}

fn rust(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = sources(folder);
    files.retain(|(path, _)| path.extension().is_some_and(|it| it == "rs"));
    files
}

fn room(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
    parts.next().map(|_| first)
}

/// The code before a file's tests: what the product is made of.
fn product<'t>(path: &Path, text: &'t str) -> &'t str {
    // Modules of tests alone, declared under cfg(test).
    let of_tests = ["tests.rs", "sample.rs", "forgetful.rs"];
    if of_tests.iter().any(|name| path.ends_with(name)) {
        return "";
    }
    text.split("#[cfg(test)]\nmod")
        .next()
        .unwrap()
        .split("#[cfg(test)]\npub")
        .next()
        .unwrap()
}

/// `crate::room` wherever it stands in code.
fn used_rooms(text: &str) -> HashSet<String> {
    let mut used = HashSet::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
    {
        for rest in line.split("crate::").skip(1) {
            let name = rest.trim_start_matches('{');
            let end = name
                .find(|c: char| !c.is_alphanumeric() && c != '_')
                .unwrap_or(name.len());
            used.insert(name[..end].to_owned());
        }
    }
    used
}

#[test]
fn rooms_lean_only_on_the_rooms_below() {
    for (path, text) in rust("src") {
        let Some(room) = room(&path) else { continue };
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("the room {room} has no row in the table"));
        for used in used_rooms(product(&path, &text)) {
            let known = MAY_USE.iter().any(|(name, _)| *name == used);
            assert!(
                !known || used == room || allowed.contains(&used.as_str()),
                "{} uses crate::{used}",
                path.display()
            );
        }
    }
}

#[test]
fn the_table_of_rooms_would_catch_a_wrong_edge() {
    let used =
        used_rooms("use crate::serve::App;\n// crate::cli::run\nfn x() { crate::wire::y() }");
    assert_eq!(used, HashSet::from(["serve".to_owned(), "wire".to_owned()]));
}

#[test]
fn every_file_says_what_it_is() {
    for folder in ["src", "tests", "benches"] {
        for (path, text) in rust(folder) {
            assert!(
                text.starts_with("//!"),
                "{folder}/{} has no //!",
                path.display()
            );
        }
    }
}

#[test]
fn unsafe_code_lives_in_its_own_files() {
    for (path, text) in rust("src") {
        let is_unsafe = text.lines().any(|line| {
            let code = line.split("//").next().unwrap();
            code.contains("unsafe ") || code.contains("allow(unsafe_code)")
        });
        let allowed = MAY_BE_UNSAFE
            .iter()
            .any(|allowed| path == Path::new(allowed));
        assert!(
            !is_unsafe || allowed,
            "{} holds unsafe code",
            path.display()
        );
    }
}

#[test]
fn only_rooms_that_change_records_hold_a_person_unmasked() {
    for (path, text) in rust("src") {
        let Some(room) = room(&path) else { continue };
        let edits = product(&path, &text).contains("person::edit");
        assert!(
            !edits || MAY_EDIT.contains(&room.as_str()),
            "{} edits persons",
            path.display()
        );
    }
}

/// What makes a file or a folder, or says who may read it, past `base::files`.
const MAKES_FILES: &[&str] = &[
    "File::create",
    "File::options",
    "OpenOptions",
    "DirBuilder",
    "create_dir",
    "fs::write(",
    "fs::copy(",
    "set_permissions(",
];

/// The files of the program that may, and why.
const MAY_MAKE_FILES: &[(&str, &str)] = &[
    ("base/files.rs", "it is the door"),
    ("serve/listen.rs", "a socket, whose group may connect"),
];

#[test]
fn files_are_made_through_one_door() {
    for (path, text) in rust("src") {
        let code = product(&path, &text);
        let past = MAKES_FILES.iter().find(|it| code.contains(**it));
        let may = MAY_MAKE_FILES
            .iter()
            .any(|(file, _)| path == Path::new(file));
        assert!(
            may || past.is_none(),
            "{} makes files: {past:?}",
            path.display()
        );
    }
}

/// What writes a file at its place, past `files::Output`.
const WRITES_IN_PLACE: &[&str] = &[
    "files::create(",
    "files::create_new(",
    "files::write(",
    "files::keep(",
    "files::append(",
    "fs::rename(",
];

/// What works on a folder of the register's own, and on nothing that a user names.
const OWN_FOLDERS: &[(&str, &str)] = &[
    ("cli/import.rs", "the inbox of a running service"),
    (
        "feed/bundle.rs",
        "what archives hold, in the data folder or the inbox",
    ),
    ("feed/inbox.rs", "the inbox"),
    ("feed/report.rs", "what was rejected, in the data folder"),
];

/// Commands, exchange files and descriptions are written where a user says: `files::Output` replaces
/// nothing that is no file, and leaves nothing that is not whole.
#[test]
fn what_a_user_names_is_written_through_output() {
    let rooms = ["cli", "feed", "wire"];
    for (path, text) in rust("src") {
        let is_meant = room(&path).is_some_and(|room| rooms.contains(&room.as_str()))
            && !OWN_FOLDERS.iter().any(|(own, _)| path == Path::new(own));
        let code = product(&path, &text);
        let past = WRITES_IN_PLACE.iter().find(|it| code.contains(**it));
        assert!(
            !is_meant || past.is_none(),
            "{} writes in place: {past:?}",
            path.display()
        );
    }
}

#[test]
fn the_backup_grant_is_asked_for_where_backups_are_made() {
    let allowed = [
        "person/view.rs",
        "person/edit.rs",
        // Which keys a record has, and how many a snapshot has of each.
        "person/keys.rs",
        "store/snapshot.rs",
        "feed/exchange/write.rs",
        "cli/export.rs",
    ];
    for (path, text) in rust("src") {
        let asks = product(&path, &text).contains("Grant::backup()");
        let may = allowed.iter().any(|allowed| path == Path::new(allowed));
        assert!(!asks || may, "{} sees everything", path.display());
    }
}

/// Twelve digits that could be somebody's number are an official test number or an example.
#[test]
fn no_real_persons_number_stands_in_the_sources() {
    let official: HashSet<String> = sources("snapshots/source")
        .into_iter()
        .filter(|(path, _)| path.to_string_lossy().ends_with("numbers.txt"))
        .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(official.len() > 40_000, "the official lists are there");
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches", "loadtest"] {
        files.extend(sources(folder));
    }
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md"));
    files.push((PathBuf::from("README.md"), readme.unwrap()));
    for (path, text) in files {
        for run in text.split(|c: char| !c.is_ascii_alphanumeric()) {
            let digits = run.len() == 12 && run.bytes().all(|byte| byte.is_ascii_digit());
            let Some((month, day)) = digits.then(|| (&run[4..6], &run[6..8])) else {
                continue;
            };
            let dated = ("1800".."2100").contains(&&run[..4])
                && ("01"..="12").contains(&month)
                && ("01"..="31").contains(&day);
            assert!(
                !dated
                    || run.ends_with("0000")
                    || official.contains(run)
                    || EXAMPLES.contains(&run),
                "{} holds a number that is no test number",
                path.display()
            );
        }
    }
}

//! The operator: files, the audit and alarms, on which whoever runs the register relies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::program::{Serving, configure, pu, pu_with_open_umask};
use crate::support::{persons, register};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A folder and all that lies below it.
fn below(folder: &Path) -> Vec<PathBuf> {
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
            mode(&path)
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
fn root_serves_only_when_it_is_told_to() {
    let folder = register(persons());
    let config = configure(folder.path(), "");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        let refused = pu(&["serve", "--config", text(&config)]).refused();
        assert!(refused.contains("--as-root"), "{refused}");
    }
}

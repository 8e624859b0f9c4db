//! What the program shall know of its own making: the commit, the compiler, and the packages that lie in
//! it. Nothing is fetched, and the same sources give the same answers.
#![allow(
    clippy::print_stdout,
    reason = "cargo reads what a build script prints"
)]

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Where nothing is known.
const UNKNOWN: &str = "unknown";

fn main() {
    for file in ["Cargo.toml", "Cargo.lock", "src/build.rs"] {
        println!("cargo::rerun-if-changed={file}");
    }
    let commit = commit();
    let is_known = commit.is_some();
    let commit = commit.as_deref().unwrap_or(UNKNOWN);
    println!("cargo::rustc-env=PU_COMMIT={commit}");
    let date = said(&OsString::from("git"), &["log", "-1", "--format=%cs"]).filter(|_| is_known);
    println!(
        "cargo::rustc-env=PU_DATE={}",
        date.as_deref().unwrap_or(UNKNOWN)
    );
    let compiler = said(&variable("RUSTC"), &["--version"]);
    let compiler = compiler.unwrap_or_else(|| UNKNOWN.to_owned());
    println!("cargo::rustc-env=PU_RUSTC={compiler}");
    let packages = packages().unwrap_or_else(|| {
        println!(
            "cargo::warning=cargo tree tells no packages: pu kit will write no bill of materials"
        );
        String::new()
    });
    println!("cargo::rustc-env=PU_PACKAGES={packages}");
}

/// The commit that is checked out, and a new look when another is. A folder that lies in somebody
/// else's repository has none.
fn commit() -> Option<String> {
    let git = |arguments: &[&str]| said(&OsString::from("git"), arguments);
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = env::current_dir().ok()?.canonicalize().ok()?;
    if Path::new(&top).canonicalize().ok()? != here {
        return None;
    }
    // Its log grows whenever HEAD moves. A file that is missing would mean a new build each time.
    let places = [
        "HEAD",
        "logs/HEAD",
        &git(&["rev-parse", "--symbolic-full-name", "HEAD"])?,
    ]
    .map(|name| git(&["rev-parse", "--git-path", name]));
    for place in places.iter().flatten().filter(|it| Path::new(it).exists()) {
        println!("cargo::rerun-if-changed={place}");
    }
    git(&["rev-parse", "HEAD"])
}

/// The packages that lie in the program, `name version licence` each, with `;` between them.
fn packages() -> Option<String> {
    let arguments =
        "tree --package pu --edges normal,no-proc-macro --offline --locked --prefix none";
    let target = variable("TARGET").into_string().ok()?;
    let form = ["--target", target.as_str(), "--format", "{p}\t{l}"];
    let arguments: Vec<&str> = arguments.split(' ').chain(form).collect();
    let tree = said(&variable("CARGO"), &arguments)?;
    let rows = tree.lines().filter_map(|line| {
        let (package, licence) = line.split_once('\t')?;
        let mut package = package.split(' ');
        let (name, version) = (package.next()?, package.next()?.strip_prefix('v')?);
        let licence = licence.trim_end_matches(" (*)");
        Some(format!("{name} {version} {licence}"))
    });
    let rows: BTreeSet<String> = rows.collect();
    Some(rows.into_iter().collect::<Vec<_>>().join(";"))
}

/// What a program prints, when all goes well.
fn said(program: &OsString, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_default()
}

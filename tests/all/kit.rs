//! The kit: what an operator installs `pu` with, and the version that it tells.

use std::process::Command;

use crate::program::pu;

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

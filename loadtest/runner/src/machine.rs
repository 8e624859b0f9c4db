//! What a run ran on.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine. Numbers of two machines do not compare.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// Processors that may be used.
    pub cores: usize,
    /// What they are.
    pub processor: String,
    /// Bytes.
    pub memory: u64,
    /// Its version.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let info = read("/proc/cpuinfo");
        let line = info.lines().find(|line| line.starts_with("model name"));
        let memory = number_after(&read("/proc/meminfo"), "MemTotal:");
        let cores = info.lines().filter(|line| line.starts_with("processor"));
        Self {
            // Of the machine: this process may be pinned to one of them.
            cores: cores.count(),
            processor: line
                .and_then(|line| line.split_once(':'))
                .map_or_else(String::new, |(_, model)| model.trim().to_owned()),
            memory: memory.unwrap_or_default() * 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// In a line.
    pub fn said(&self) -> String {
        let gib = self.memory as f64 / f64::from(1 << 30);
        let Self {
            cores,
            processor,
            kernel,
            ..
        } = self;
        format!("{cores} cores ({processor}), {gib:.1} GiB, kernel {kernel}")
    }
}

/// The number after a word, as `/proc` writes it.
pub fn number_after(text: &str, word: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(word))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The commit of the working copy that this runs in, and whether it was changed since.
pub fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let changed = if changed.is_empty() { "" } else { ", changed" };
    Some(format!("{commit}{changed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_memory() {
        let here = Machine::here();
        assert!(here.cores > 0 && here.memory > 1 << 20 && !here.kernel.is_empty());
        assert_eq!(number_after("VmRSS:\t  12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(number_after("VmRSS:\t  12 kB\n", "VmSize:"), None);
    }
}

//! The machine that a result was measured on.

use serde_json::{Value, json};

/// A line of a file below `/proc`, behind its name.
fn proc(file: &str, name: &str) -> String {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
        .map_or_else(|| "unknown".to_owned(), |rest| rest.trim().to_owned())
}

/// Processors, memory, kernel.
pub fn describe() -> Value {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = cpuinfo
        .lines()
        .filter(|it| it.starts_with("processor"))
        .count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    json!({
        "processor": proc("/proc/cpuinfo", "model name"),
        "cores": cores,
        "memory": proc("/proc/meminfo", "MemTotal"),
        "kernel": kernel.trim(),
        "load before": load.split(' ').next(),
    })
}

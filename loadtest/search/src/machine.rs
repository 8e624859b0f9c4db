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

/// Processor, memory, kernel.
pub fn describe() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
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

/// The most memory this process has held, in bytes.
pub fn memory_peak() -> u64 {
    let kilobytes = proc("/proc/self/status", "VmHWM");
    let digits = kilobytes.split(' ').next().unwrap_or_default();
    digits.parse::<u64>().unwrap_or(0) << 10
}

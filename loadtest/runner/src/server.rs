//! The service as the machine sees it: processor, memory, files. A thread beside the run reads every
//! second, so that growth over an hour shows.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::latency::rounded;
use crate::machine::number_after;

/// One look at the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// In seconds of what is measured; below 0 in the warm-up.
    pub at: f64,
    /// Seconds of processor since the first reading.
    pub cpu: f64,
    /// Bytes resident.
    pub resident: u64,
    /// Of those, the process's own.
    pub anonymous: u64,
    /// Of those, files mapped.
    pub file: u64,
    /// Bytes of address space.
    pub mapped: u64,
    /// Threads.
    pub threads: u64,
    /// Open files and sockets.
    pub open_files: u64,
    /// The number of the last change.
    pub sequence: Option<u64>,
    /// What lies in the register's folder.
    pub folder: Folder,
}

/// Files and bytes below the register's folder, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Folder {
    /// Snapshots.
    pub snapshots: u64,
    /// Their bytes.
    pub snapshot_bytes: u64,
    /// Files of the log.
    pub log_files: u64,
    /// Bytes of the log.
    pub log_bytes: u64,
    /// Bytes of the record of disclosures.
    pub audit_bytes: u64,
    /// Every file.
    pub files: u64,
    /// Every byte.
    pub bytes: u64,
}

impl Folder {
    /// Counts what is there now. What comes and goes meanwhile is counted or not.
    pub fn count(register: &Path) -> Self {
        let mut all = Self::default();
        all.below(register, None);
        all
    }

    fn below(&mut self, folder: &Path, kind: Option<&str>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(about) = entry.metadata() else {
                continue;
            };
            if about.is_dir() {
                self.below(&entry.path(), kind.or(Some(&name)));
                continue;
            }
            self.files += 1;
            self.bytes += about.len();
            match kind {
                Some("log") => {
                    self.log_files += 1;
                    self.log_bytes += about.len();
                }
                Some("audit") => self.audit_bytes += about.len(),
                None if name.ends_with(".snapshot") => {
                    self.snapshots += 1;
                    self.snapshot_bytes += about.len();
                }
                _ => {}
            }
        }
    }
}

/// What is watched.
#[derive(Clone, Default)]
pub struct Watched {
    /// The service's process.
    pub pid: Option<u32>,
    /// Where it tells of itself, as `HOST:PORT` without TLS.
    pub status: Option<String>,
    /// The register's folder.
    pub register: PathBuf,
}

impl Watched {
    /// Looks once.
    pub fn look(&self, processor: &mut Processor) -> Reading {
        let proc = self.pid.map(|pid| PathBuf::from(format!("/proc/{pid}")));
        let status = proc.as_ref().map(|proc| proc.join("status"));
        let status = status.and_then(|path| fs::read_to_string(path).ok());
        let status = status.unwrap_or_default();
        let number = |word| number_after(&status, word).unwrap_or_default();
        let bytes = |word| number(word) * 1024;
        let files = proc.as_ref().map(|proc| fs::read_dir(proc.join("fd")));
        Reading {
            at: 0.0,
            cpu: processor.seconds(),
            resident: bytes("VmRSS:"),
            anonymous: bytes("RssAnon:"),
            file: bytes("RssFile:"),
            mapped: bytes("VmSize:"),
            threads: number("Threads:"),
            open_files: files.map_or(0, |files| files.map_or(0, Iterator::count)) as u64,
            sequence: self.sequence(),
            folder: Folder::count(&self.register),
        }
    }

    fn sequence(&self) -> Option<u64> {
        let told = get(self.status.as_deref()?, "/readyz")?;
        let told: serde_json::Value = serde_json::from_str(&told).ok()?;
        told.get("sequence")?.as_u64()
    }

    /// The service's counters, by name and labels; buckets are left out.
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let told = self.status.as_deref().and_then(|it| get(it, "/metrics"));
        let lines = told.as_deref().unwrap_or_default().lines();
        lines
            .filter(|line| !line.starts_with('#') && !line.contains("_bucket"))
            .filter_map(|line| {
                let (name, value) = line.rsplit_once(' ')?;
                Some((name.to_owned(), value.parse().ok()?))
            })
            .collect()
    }
}

/// The processor time of a process, threads that have ended included.
pub struct Processor {
    pid: Option<u32>,
    threads: HashMap<String, u64>,
    first: Option<u64>,
}

impl Processor {
    /// Of a process.
    pub fn of(pid: Option<u32>) -> Self {
        Self {
            pid,
            threads: HashMap::new(),
            first: None,
        }
    }

    /// Seconds since the first time this was asked.
    pub fn seconds(&mut self) -> f64 {
        let Some(pid) = self.pid else { return 0.0 };
        let tasks = fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let told = fs::read_to_string(task.path().join("schedstat"));
            let nanos = told.ok().and_then(|it| it.split(' ').next()?.parse().ok());
            if let Some(nanos) = nanos {
                let name = task.file_name().to_string_lossy().into_owned();
                self.threads.insert(name, nanos);
            }
        }
        let nanos: u64 = self.threads.values().sum();
        let first = *self.first.get_or_insert(nanos);
        rounded(nanos.saturating_sub(first) as f64 / 1e9, 6)
    }
}

/// A page of a service on this machine, without TLS.
pub fn get(authority: &str, path: &str) -> Option<String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect(authority).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    // Not being ready is an answer too.
    head.starts_with("HTTP/1.1 ").then(|| body.to_owned())
}

/// The thread that looks every second.
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Reading>>,
}

impl Watcher {
    /// Begins to look; `zero` is where what is measured begins. One reading in `every` is kept.
    pub fn begin(watched: Watched, zero: Instant, every: Duration) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let look = move || {
            let mut processor = Processor::of(watched.pid);
            let mut readings = Vec::new();
            let mut next = Instant::now();
            while !told.load(Ordering::Relaxed) {
                let now = Instant::now();
                let mut reading = watched.look(&mut processor);
                let at = match now.checked_duration_since(zero) {
                    Some(after) => after.as_secs_f64(),
                    None => -zero.duration_since(now).as_secs_f64(),
                };
                reading.at = rounded(at, 3);
                readings.push(reading);
                next += every;
                std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
            }
            readings
        };
        let thread = std::thread::Builder::new()
            .name("watch".to_owned())
            .spawn(look)?;
        Ok(Self { stop, thread })
    }

    /// Ends, and gives what was seen.
    pub fn end(self) -> Vec<Reading> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_counted_by_kind() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: usize| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; bytes]).unwrap();
        };
        write("register-1.snapshot", 100);
        write("register-2.snapshot", 50);
        write("log/00.log", 7);
        write("audit/0/1.audit", 3);
        write("inbox/done/x.txt", 1);
        assert_eq!(
            Folder::count(folder.path()),
            Folder {
                snapshots: 2,
                snapshot_bytes: 150,
                log_files: 1,
                log_bytes: 7,
                audit_bytes: 3,
                files: 5,
                bytes: 161,
            }
        );
    }

    #[test]
    fn a_process_is_seen_with_its_memory_and_processor() {
        let watched = Watched {
            pid: Some(std::process::id()),
            ..Watched::default()
        };
        let mut processor = Processor::of(watched.pid);
        let before = watched.look(&mut processor);
        assert!(before.resident > 0 && before.threads > 0 && before.open_files > 0);
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {}
        assert!(watched.look(&mut processor).cpu > 0.01);
    }
}

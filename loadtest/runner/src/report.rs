//! The report as data: what is written as JSON, and read again to be shown or compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::latency::Quantiles;
use crate::machine::Machine;
use crate::server::Reading;
use crate::trend::Trend;

/// The form of the file. Another form is not read.
pub const FORM: u32 = 1;

/// A run and what it showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The form of this file.
    pub form: u32,
    /// The scenario.
    pub scenario: String,
    /// What it stands for.
    pub about: String,
    /// When it began.
    pub began: String,
    /// The arguments it was run with.
    pub arguments: Vec<String>,
    /// The commit of the working copy it was run in, when it was run in one.
    pub commit: Option<String>,
    /// Where.
    pub machine: Machine,
    /// Whether each connection asked as fast as it was answered. Such numbers tell how much a
    /// service can do, and nothing of how long its callers wait.
    pub closed: bool,
    /// Seconds measured.
    pub seconds: f64,
    /// Seconds before that, in which nothing was counted.
    pub warm_up: f64,
    /// Whether it was broken off.
    pub broken_off: bool,
    /// Persons in the register, and how many were drawn from it.
    pub persons: u64,
    /// Drawn.
    pub drawn: u64,
    /// Connections opened, and those that took the place of one the service had ended.
    pub connections: u64,
    /// Of those.
    pub reopened: u64,
    /// The streams' steps.
    pub rows: Vec<Row>,
    /// From due to answered, of all rows together.
    pub together: Quantiles,
    /// The program that asked.
    pub generator: Generator,
    /// The program that answered, when its process was named.
    pub server: Option<Server>,
    /// Now and then.
    pub readings: Vec<Reading>,
    /// Counters of the service that moved: before and after.
    pub metrics: BTreeMap<String, (f64, f64)>,
    /// The first sixth against the last.
    pub trend: Vec<Trend>,
}

/// One step of one stream.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Requests that were due.
    pub requests: u64,
    /// A second; `None` where it follows from answers.
    pub rate_asked: Option<f64>,
    /// A second.
    pub rate_reached: f64,
    /// Right answers.
    pub right: u64,
    /// Honest refusals.
    pub refused: u64,
    /// Failures by kind.
    pub errors: BTreeMap<String, u64>,
    /// Records in answers.
    pub records: u64,
    /// Bytes of answers' bodies.
    pub bytes_in: u64,
    /// Bytes of requests' bodies.
    pub bytes_out: u64,
    /// From due to answered; of failures, only those that were waited for.
    pub latency: Quantiles,
    /// Of the first sixth of the run.
    pub first_sixth: Quantiles,
    /// Of the last.
    pub last_sixth: Quantiles,
    /// Points along the nines: (share, microseconds).
    pub nines: Vec<(f64, f64)>,
    /// In the course of time.
    pub intervals: Vec<Interval>,
}

impl Row {
    /// All failures.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// Some seconds of a row, by when requests were over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Its end, in seconds of what is measured.
    pub at: f64,
    /// Requests.
    pub count: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Microseconds.
    pub p50: f64,
    /// Microseconds.
    pub p99: f64,
    /// Microseconds.
    pub max: f64,
}

/// How the program that asked did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Generator {
    /// Seconds of processor.
    pub cpu_seconds: f64,
    /// Of one core.
    pub cpu_share: f64,
    /// How late it sent what it could have sent: its own fault, and counted in the latencies.
    pub late: Quantiles,
}

/// How the program that answered did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Seconds of processor while it was measured.
    pub cpu_seconds: f64,
    /// Of one core.
    pub cpu_share: f64,
    /// Microseconds of processor per request.
    pub cpu_per_request: f64,
}

/// Why a report cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file cannot be read or written.
    #[error("{path} cannot be read or written")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no report.
    #[error("{path} is not a report of this program")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl Report {
    /// Reads a report.
    pub fn read(path: &Path) -> Result<Self, ReportError> {
        let text = fs::read(path).map_err(failed(path))?;
        serde_json::from_slice(&text).map_err(|source| ReportError::Form {
            path: path.to_path_buf(),
            source,
        })
    }

    /// Writes it as JSON.
    pub fn write(&self, path: &Path) -> Result<(), ReportError> {
        let text = serde_json::to_vec(self).map_err(|source| ReportError::Form {
            path: path.to_path_buf(),
            source,
        })?;
        fs::write(path, text).map_err(failed(path))
    }
}

/// What goes wrong with a file.
pub fn failed(path: &Path) -> impl Fn(std::io::Error) -> ReportError + '_ {
    |source| ReportError::File {
        path: path.to_path_buf(),
        source,
    }
}

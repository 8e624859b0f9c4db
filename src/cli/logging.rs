//! The log: structured lines on standard error.

use tracing_subscriber::EnvFilter;

use super::config::{Log, LogFormat};

/// Starts logging. A second call in one process changes nothing.
pub fn start(log: &Log) {
    let filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.compact().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}

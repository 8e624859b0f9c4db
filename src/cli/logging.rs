//! The log: structured lines on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::config::{Log, LogFormat};

/// The rooms of the program, whose lines may be wanted by themselves, and the crates whose lines help to
/// find trouble on the network.
const TARGETS: &[&str] = &[
    "pu::base",
    "pu::person",
    "pu::store",
    "pu::register",
    "pu::query",
    "pu::wire",
    "pu::access",
    "pu::feed",
    "pu::serve",
    "pu::cli",
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "rustls",
    "tokio",
    "tokio_rustls",
];

/// Why a level of logging cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// Neither a level nor something that logs.
    #[error(
        "log.level: there is no level or target {0:?}: levels are off, error, warn, info, debug and trace; \
         targets are pu, its rooms such as pu::serve, and hyper, h2, rustls, tokio"
    )]
    Unknown(String),
    /// Not of this form.
    #[error("log.level: {0:?} is no list of levels and target=level")]
    Form(String),
}

/// What a level in the configuration lets through.
pub fn filter(level: &str) -> Result<EnvFilter, LevelError> {
    let directives: Vec<&str> = level.split(',').map(str::trim).collect();
    for directive in &directives {
        let (target, of_target) = match directive.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, *directive),
        };
        let unknown = |word: &str| LevelError::Unknown(word.to_owned());
        match target {
            Some(target) if !is_target(target) => return Err(unknown(target)),
            None if is_target(of_target) => {}
            // Both are levels to the parser.
            _ if of_target.is_empty() || of_target.parse::<u8>().is_ok() => {
                return Err(unknown(of_target));
            }
            _ if of_target.parse::<LevelFilter>().is_err() => return Err(unknown(of_target)),
            _ => {}
        }
    }
    EnvFilter::try_new(directives.join(",")).map_err(|_| LevelError::Form(level.to_owned()))
}

/// Whether something logs by this name.
fn is_target(name: &str) -> bool {
    let is_within = |target: &&str| {
        let rest = name.strip_prefix(*target);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    name == "pu" || TARGETS.iter().any(is_within)
}

/// Starts logging. A second call in one process changes nothing.
pub fn start(log: &Log) -> Result<(), LevelError> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(&log.level)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines.compact().try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_targets_that_do_not_exist_are_refused() {
        for good in [
            "info",
            "WARN",
            "off",
            "pu=debug",
            "pu::serve::tls=trace,info",
            "warn, hyper=debug",
            "pu::store",
        ] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in [
            "loud",
            "",
            "info,",
            "3",
            "pu=loud",
            "pux=info",
            "pu::nowhere=info",
            "serve",
        ] {
            assert!(matches!(filter(bad), Err(LevelError::Unknown(_))), "{bad}");
        }
    }
}

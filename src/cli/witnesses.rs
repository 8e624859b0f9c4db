//! What else than the register itself knows how far it has come: the disclosure audit, and the reports
//! of files that were applied.

use super::Failure;
use super::config::Config;
use crate::access::audit::known;
use crate::base::time::DateTime;
use crate::feed::inbox;
use crate::store::loss::{self, Saw};
use crate::store::witness;

/// What the witnesses of a register saw that lie outside its log and snapshots.
pub fn of(config: &Config) -> Result<Vec<Saw>, Failure> {
    let mut saw = Vec::new();
    let folder = config.audit_folder();
    if let Some((sequence, at)) = known::newest_change(&folder).or_else(none)? {
        saw.push(Saw {
            witness: format!("the audit in {}", folder.display()),
            sequence,
            at: DateTime::parse(&at.to_string()),
        });
    }
    let folder = config.inbox();
    if let Some(sequence) = inbox::newest_change(&folder)? {
        saw.push(Saw {
            witness: format!("a report in {}", folder.display()),
            sequence,
            at: None,
        });
    }
    Ok(saw)
}

/// The last change of a register that anything in or beside its data folder knows of; 0 when nothing
/// does.
pub fn last_change(config: &Config) -> Result<u64, Failure> {
    let beside = witness::read(&config.data)?.as_ref().map(loss::seen);
    let saw = of(config)?.into_iter().chain(beside);
    Ok(saw.map(|saw| saw.sequence).max().unwrap_or(0))
}

fn none<T>(error: std::io::Error) -> std::io::Result<Option<T>> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    }
}

//! What else than the register itself knows how far it has come: the disclosure audit, and the reports
//! of files that were applied.

use super::Failure;
use super::config::Config;
use crate::access::audit::known;
use crate::base::time::DateTime;
use crate::feed::inbox;
use crate::store::loss::Saw;

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

fn none<T>(error: std::io::Error) -> std::io::Result<Option<T>> {
    match error.kind() {
        std::io::ErrorKind::NotFound => Ok(None),
        _ => Err(error),
    }
}

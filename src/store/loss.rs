//! What a register has lost: what is there, held against what witnesses saw of it. The
//! [witness](super::witness) beside the log is one; the disclosure audit and the reports of files are
//! others.

use std::fmt;
use std::path::{Path, PathBuf};

use super::state::{RegisterError, State};
use super::witness::Testimony;
use crate::base::time::{DateTime, Moment};

/// How far a witness saw a register come.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saw {
    /// Who saw it, for people.
    pub witness: String,
    /// The entry.
    pub sequence: u64,
    /// Of what time, where the witness tells.
    pub at: Option<DateTime>,
}

/// Entries that somebody saw and that are not there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Missing {
    /// The data folder.
    pub data: PathBuf,
    /// The last entry that is there.
    pub found: u64,
    /// Of what time.
    pub found_at: Option<DateTime>,
    /// Who saw more, the one who saw most first.
    pub saw: Vec<Saw>,
}

impl Missing {
    /// The last entry that somebody saw.
    pub fn last(&self) -> u64 {
        self.saw.first().map_or(self.found, |saw| saw.sequence)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} lacks changes {} to {}: the newest that is there is {}{}",
            self.data.display(),
            self.found + 1,
            self.last(),
            self.found,
            Time(self.found_at),
        )?;
        for saw in &self.saw {
            write!(
                out,
                "; {} saw {}{}",
                saw.witness,
                saw.sequence,
                Time(saw.at)
            )?;
        }
        write!(
            out,
            ". Put the log or a newer backup in place, or find out what is left: pu recover"
        )
    }
}

/// A time in brackets, where it is known.
struct Time(Option<DateTime>);

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.map(DateTime::written) {
            Some(written) => write!(out, " ({})", String::from_utf8_lossy(&written)),
            None => Ok(()),
        }
    }
}

/// What the witness beside the log saw.
pub fn seen(testimony: &Testimony) -> Saw {
    Saw {
        witness: "the witness beside the log".to_owned(),
        sequence: testimony.seen.flushed,
        at: testimony.seen.at,
    }
}

/// Refuses a state that has not come as far as somebody saw.
pub fn check(
    data: &Path,
    state: &State,
    saw: impl IntoIterator<Item = Saw>,
) -> Result<(), RegisterError> {
    let found = state.sequence();
    let mut saw: Vec<Saw> = saw.into_iter().filter(|it| it.sequence > found).collect();
    if saw.is_empty() {
        return Ok(());
    }
    saw.sort_by_key(|saw| std::cmp::Reverse(saw.sequence));
    Err(RegisterError::Missing(Box::new(Missing {
        data: data.to_path_buf(),
        found,
        found_at: state.ledger().latest.and_then(|latest| latest.at()),
        saw,
    })))
}

/// The time that the witness last knew to be right: the clock may have been set back after the newest
/// change.
pub fn last_time(testimony: &Testimony) -> Option<Moment> {
    // Without a time by the clock, the newest change may be of any day.
    let clock = testimony.seen.clock?;
    let latest = testimony
        .seen
        .at
        .filter(|at| at.instant() > clock.instant());
    Some(Moment::of(latest.unwrap_or(clock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_of_an_older_day_says_nothing_of_the_clock() {
        let moment = |text: &str| Moment::parse(text).unwrap();
        let (old, new) = (moment("2025-01-14T06:00:00"), moment("2026-11-30T12:00:00"));
        let mut testimony = Testimony::default();
        testimony.seen.at = Some(old.date_time);
        assert_eq!(last_time(&testimony), None);
        testimony.seen.clock = Some(new.date_time);
        assert_eq!(last_time(&testimony), Some(new));
        // It was set back after the newest change.
        testimony.seen.at = Some(new.date_time);
        testimony.seen.clock = Some(old.date_time);
        assert_eq!(last_time(&testimony), Some(new));
    }
}

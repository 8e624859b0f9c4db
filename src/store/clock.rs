//! The committer's time: never before the last change, and not far ahead of it either. A version that
//! was given cannot be taken back, and whoever asks what has changed since would miss what is dated
//! earlier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::ledger::Latest;
use crate::base::limits;
use crate::base::time::{Moment, Uptime};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// A clock that is too far ahead to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock is {} days and {} hours ahead of the time that has passed since it was last known to be right: \
     set it, or, when it is right, stop the service and say so with pu recover --accept-clock",
    .seconds / 86_400,
    .seconds / 3_600 % 24
)]
pub struct ClockAhead {
    /// By how much.
    pub seconds: u64,
}

/// The time of changes.
pub struct Timekeeper {
    clock: Clock,
    /// Milliseconds; changes are refused beyond it.
    most_jump: AtomicU64,
    known: Mutex<Option<Known>>,
    /// By how many milliseconds the clock is behind the last change; 0 when it is not.
    behind: AtomicU64,
    /// When that was told.
    told: Mutex<Option<Uptime>>,
}

/// A time that was right, and how much later than that it may be without anybody having to agree.
#[derive(Clone, Copy)]
struct Known {
    /// Milliseconds since 1970.
    at: i64,
    uptime: Uptime,
    allowed: u64,
}

impl Known {
    /// What the time must be by now, in milliseconds since 1970.
    fn expected(&self) -> i64 {
        let passed = Uptime::now().since(self.uptime).unwrap_or(0);
        self.at.saturating_add_unsigned(passed)
    }
}

impl Timekeeper {
    /// Goes by a clock, whatever it says until [`Timekeeper::hold_to`].
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            most_jump: AtomicU64::new(u64::MAX),
            known: Mutex::default(),
            behind: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    /// What the clock says.
    pub fn now(&self) -> Moment {
        (self.clock)()
    }

    /// From now on changes are refused when the clock is more than `most_jump` ahead; zero: never.
    pub fn hold_to(&self, most_jump: Duration) {
        let millis = match most_jump {
            Duration::ZERO => u64::MAX,
            jump => millis(jump),
        };
        self.most_jump.store(millis, Ordering::Relaxed);
    }

    /// Says that the clock was right at `at`, which was `uptime` by the machine's own time.
    pub fn was_right(&self, at: &Moment, uptime: Uptime) {
        let is_same_start = Uptime::now().since(uptime).is_some();
        *self.known.lock() = Some(Known {
            at: at.date_time.instant(),
            uptime: if is_same_start { uptime } else { Uptime::now() },
            allowed: if is_same_start {
                0
            } else {
                millis(limits::MOST_PAUSE)
            },
        });
    }

    /// What the clock says, but not before the `latest` change.
    pub fn now_after(&self, latest: Option<Latest>) -> Moment {
        Latest::held(latest, &self.now())
    }

    /// The moment of a change that is made now, after the `latest` one.
    pub fn moment(&self, latest: Option<Latest>) -> Result<Moment, ClockAhead> {
        let now = self.now();
        self.check(now.date_time.instant())?;
        let Some(latest) = latest else {
            return Ok(now);
        };
        let behind = latest.at().map_or(0, |at| {
            u64::try_from(at.instant() - now.date_time.instant()).unwrap_or(0)
        });
        self.behind.store(behind, Ordering::Relaxed);
        if behind > millis(limits::CLOCK_BEHIND) {
            self.tell(behind);
        }
        Ok(latest.hold(&now))
    }

    /// Whether a change would be made now: the clock is not too far ahead.
    pub fn is_believed(&self) -> bool {
        let known = *self.known.lock();
        let now = self.now().date_time.instant();
        known.is_none_or(|known| self.ahead(known, now).is_none())
    }

    /// How far the clock was behind the last change when the newest was made.
    pub fn behind(&self) -> Duration {
        Duration::from_millis(self.behind.load(Ordering::Relaxed))
    }

    /// Whether the clock is not too far ahead of what is known. What it says then is known.
    fn check(&self, now: i64) -> Result<(), ClockAhead> {
        let mut known = self.known.lock();
        if let Some(before) = *known {
            if let Some(ahead) = self.ahead(before, now) {
                return Err(ahead);
            }
            if now < before.expected() {
                // A clock that was set back has not made the time before wrong.
                return Ok(());
            }
        }
        *known = Some(Known {
            at: now,
            uptime: Uptime::now(),
            allowed: 0,
        });
        Ok(())
    }

    /// How far a clock that says `now` is ahead of what is known, when that is too far.
    fn ahead(&self, known: Known, now: i64) -> Option<ClockAhead> {
        let most = self.most_jump.load(Ordering::Relaxed);
        let ahead = u64::try_from(now.saturating_sub(known.expected())).unwrap_or(0);
        let is_too_far = ahead > most.saturating_add(known.allowed);
        let seconds = ahead / 1000;
        is_too_far.then_some(ClockAhead { seconds })
    }

    /// Logs that the clock is behind, once a minute at most.
    fn tell(&self, behind: u64) {
        let now = Uptime::now();
        let mut told = self.told.lock();
        let since = told.and_then(|told| now.since(told));
        if since.is_none_or(|since| since >= millis(limits::CLOCK_BEHIND)) {
            *told = Some(now);
            tracing::error!(
                seconds = behind / 1000,
                "the clock is behind the last change: changes keep the time of that one until it has caught up"
            );
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    /// A keeper of a clock that a test sets.
    fn keeper() -> (Timekeeper, Arc<Mutex<Moment>>) {
        let set = Arc::new(Mutex::new(moment("2026-11-30T12:00:00")));
        let clock = Arc::clone(&set);
        (Timekeeper::new(Arc::new(move || *clock.lock())), set)
    }

    fn moment(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn a_clock_that_was_set_back_holds_time_still_until_it_has_caught_up() {
        let (keeper, clock) = keeper();
        let first = keeper.moment(None).unwrap();
        let latest = Some(Latest::with(None, &first));
        *clock.lock() = moment("2026-10-21T12:00:00");
        assert_eq!(keeper.moment(latest).unwrap(), first);
        assert_eq!(keeper.behind().as_secs(), 40 * 24 * 3_600 + 3_600);
        *clock.lock() = moment("2026-11-30T12:00:07");
        assert_eq!(keeper.moment(latest).unwrap(), *clock.lock());
        assert_eq!(keeper.behind(), Duration::ZERO);
    }

    #[test]
    fn a_clock_far_ahead_changes_nothing_until_it_is_right_again() {
        let (keeper, clock) = keeper();
        keeper.hold_to(DAY);
        keeper.moment(None).unwrap();
        *clock.lock() = moment("2026-12-01T11:59:59");
        keeper.moment(None).unwrap();
        // Set back for an hour, which makes the way ahead no shorter.
        *clock.lock() = moment("2026-11-01T12:00:00");
        keeper.moment(None).unwrap();
        *clock.lock() = moment("2037-12-01T12:00:00");
        let refused = keeper.moment(None).unwrap_err();
        assert!((347_000_000..348_000_000).contains(&refused.seconds));
        assert!(refused.to_string().contains("--accept-clock"));
        *clock.lock() = moment("2026-12-02T11:59:59");
        keeper.moment(None).unwrap();
        keeper.hold_to(Duration::ZERO);
        *clock.lock() = moment("2037-12-01T12:00:00");
        keeper.moment(None).unwrap();
    }

    #[test]
    fn what_passed_since_the_machine_started_is_counted_and_before_that_a_pause_is_allowed() {
        let (keeper, clock) = keeper();
        keeper.hold_to(DAY);
        let mut uptime = Uptime::now();
        uptime.millis = uptime.millis.saturating_sub(60_000);
        keeper.was_right(&moment("2026-11-29T11:59:50"), uptime);
        keeper.moment(None).unwrap();
        keeper.was_right(&moment("2026-11-29T11:58:50"), uptime);
        keeper.moment(None).unwrap_err();
        uptime.boot = [7; 16];
        keeper.was_right(&moment("2026-09-10T12:00:00"), uptime);
        keeper.moment(None).unwrap();
        *clock.lock() = moment("2026-12-03T12:00:00");
        keeper.moment(None).unwrap_err();
        keeper.was_right(&moment("2026-08-01T12:00:00"), uptime);
        keeper.moment(None).unwrap_err();
    }
}

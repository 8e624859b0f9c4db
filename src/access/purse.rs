//! Processor time as money: a consumer has so much of it each minute, pays for each question when it
//! is answered, and asks no more when it has spent what it had, until there is some again.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// What times are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What one consumer has spent.
#[derive(Default)]
pub struct Purse {
    /// Until when, in nanoseconds from the start, what was spent has to be earned again.
    paid_by: AtomicU64,
    /// All that was ever spent, in nanoseconds.
    spent: AtomicU64,
}

impl Purse {
    /// Pays for work, of `each_minute` that there is.
    pub fn pay(&self, cost: Duration, each_minute: Duration) {
        self.pay_at(START.elapsed(), cost, each_minute);
    }

    /// How long until there is some again; `None` when there is.
    pub fn wait(&self) -> Option<Duration> {
        self.wait_at(START.elapsed())
    }

    /// All that was ever spent.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    fn pay_at(&self, now: Duration, cost: Duration, each_minute: Duration) {
        self.spent.fetch_add(nanos(cost), Ordering::Relaxed);
        // Earning as much takes the same part of a minute as it is of what a minute gives.
        let share = cost.as_secs_f64() / each_minute.as_secs_f64().max(f64::MIN_POSITIVE);
        let earned = Duration::try_from_secs_f64(share * MINUTE.as_secs_f64());
        let earned = nanos(earned.unwrap_or(Duration::MAX));
        let pay = |by: u64| Some(by.max(nanos(now)).saturating_add(earned));
        // It always finds something to put in place.
        let _ = self
            .paid_by
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
    }

    fn wait_at(&self, now: Duration) -> Option<Duration> {
        let by = Duration::from_nanos(self.paid_by.load(Ordering::Relaxed));
        let ahead = by.saturating_sub(now);
        ahead.checked_sub(MINUTE).filter(|wait| !wait.is_zero())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_a_minute_gives_may_be_spent_at_once_and_comes_again() {
        let (purse, minute, now) = (Purse::default(), seconds(20), seconds(1_000));
        purse.pay_at(now, seconds(20), minute);
        assert_eq!(purse.wait_at(now), None);
        purse.pay_at(now, seconds(1), minute);
        assert_eq!(purse.wait_at(now), Some(seconds(3)));
        assert_eq!(purse.wait_at(now + seconds(3)), None);
        // After a rest there is one minute's worth and no more.
        let later = now + seconds(3_600);
        purse.pay_at(later, seconds(30), minute);
        assert_eq!(purse.wait_at(later), Some(seconds(30)));
        assert_eq!(purse.spent(), seconds(51));
    }

    #[test]
    fn with_as_much_as_one_likes_there_is_never_a_wait() {
        let purse = Purse::default();
        for _ in 0..100 {
            purse.pay_at(seconds(1), seconds(1_000), Duration::MAX);
        }
        assert_eq!(purse.wait_at(seconds(1)), None);
    }
}

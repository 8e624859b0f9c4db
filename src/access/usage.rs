//! What a consumer has done, and how much more it may do now: calls a second with a burst on top,
//! calls at once, and processor time a minute.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::purse::Purse;

/// How much a consumer may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Allowance {
    /// Calls a second in the long run.
    pub requests_per_second: u32,
    /// Calls at one moment after a rest.
    pub burst: u32,
    /// Calls that are being answered at once.
    pub concurrent: u32,
    /// Processor time a minute.
    pub cpu: Duration,
}

impl Allowance {
    /// More calls a second than any machine answers: the bucket counts in nanoseconds.
    pub const MOST_PER_SECOND: u32 = 1_000_000;

    /// Whether every limit lets something through, and the bucket can hold it.
    pub fn is_sound(self) -> bool {
        let rate = 1..=Self::MOST_PER_SECOND;
        rate.contains(&self.requests_per_second)
            && self.burst > 0
            && self.concurrent > 0
            && !self.cpu.is_zero()
    }
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Let in.
    Admitted,
    /// Without the right.
    Refused,
    /// Over the allowance.
    Limited,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Self; 3] = [Self::Admitted, Self::Refused, Self::Limited];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        ["admitted", "refused", "limited"][self as usize]
    }
}

/// The counts of one consumer.
pub struct Usage {
    allowance: Allowance,
    bucket: Arc<DefaultDirectRateLimiter>,
    running: Arc<AtomicU32>,
    waiting_bytes: Arc<AtomicU64>,
    purse: Arc<Purse>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    by_fate: [AtomicU64; Fate::ALL.len()],
    /// The hour, since 1970, that was counted last.
    hour: AtomicU64,
    /// Calls by hour of the day, the last 24 of them.
    by_hour: [AtomicU64; 24],
}

/// A call that is being answered, with the bytes of its answer; over when dropped.
pub struct Turn {
    running: Arc<AtomicU32>,
    waiting_bytes: Arc<AtomicU64>,
    bytes: u64,
}

impl Turn {
    /// Counts so many bytes of answer more, as long as the turn lasts.
    pub fn hold(&mut self, bytes: u64) {
        self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Counts so many bytes of answer less.
    pub fn let_go(&mut self, bytes: u64) {
        let bytes = self.bytes.min(bytes);
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.waiting_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Usage {
    /// Nothing used yet of an allowance.
    pub fn new(allowance: Allowance) -> Self {
        Self::continued(allowance, None)
    }

    /// What was used before goes on being counted; the bucket is a new one only when its size is.
    pub(super) fn continued(allowance: Allowance, earlier: Option<&Arc<Self>>) -> Self {
        let rate = allowance
            .requests_per_second
            .min(Allowance::MOST_PER_SECOND);
        let rate = NonZeroU32::new(rate).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(allowance.burst).unwrap_or(NonZeroU32::MIN);
        let bucket = |allowance: Allowance| (allowance.requests_per_second, allowance.burst);
        let kept = earlier.filter(|it| bucket(it.allowance) == bucket(allowance));
        let fresh = || RateLimiter::direct(Quota::per_second(rate).allow_burst(burst));
        Self {
            allowance,
            bucket: kept.map_or_else(|| Arc::new(fresh()), |it| Arc::clone(&it.bucket)),
            running: earlier.map_or_else(Arc::default, |it| Arc::clone(&it.running)),
            waiting_bytes: earlier.map_or_else(Arc::default, |it| Arc::clone(&it.waiting_bytes)),
            purse: earlier.map_or_else(Arc::default, |it| Arc::clone(&it.purse)),
            counts: earlier.map_or_else(Arc::default, |it| Arc::clone(&it.counts)),
        }
    }

    /// Lets a call in, if the allowance has room for it.
    pub fn enter(&self) -> Option<Turn> {
        let room = |running: u32| (running < self.allowance.concurrent).then_some(running + 1);
        self.running
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        // From here on the turn gives its place back, whatever happens.
        let turn = Turn {
            running: Arc::clone(&self.running),
            waiting_bytes: Arc::clone(&self.waiting_bytes),
            bytes: 0,
        };
        self.bucket.check().is_ok().then_some(turn)
    }

    /// Takes processor time that was used out of the allowance.
    pub fn pay(&self, cost: Duration) {
        self.purse.pay(cost, self.allowance.cpu);
    }

    /// How long until there is processor time in the allowance again; `None` when there is.
    pub fn wait_for_cpu(&self) -> Option<Duration> {
        self.purse.wait()
    }

    /// Processor time that was used.
    pub fn cpu(&self) -> Duration {
        self.purse.spent()
    }

    /// Counts a call, `now` in seconds since 1970.
    pub fn count(&self, fate: Fate, now: i64) {
        let counts = &*self.counts;
        counts.by_fate[fate as usize].fetch_add(1, Ordering::Relaxed);
        let hour = now.unsigned_abs() / 3600;
        counts.turn_to(hour);
        counts.by_hour[(hour % 24) as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls by fate.
    pub fn by_fate(&self, fate: Fate) -> u64 {
        self.counts.by_fate[fate as usize].load(Ordering::Relaxed)
    }

    /// Calls by hour of the day (UTC) within the last 24 hours, `now` in seconds since 1970.
    pub fn by_hour(&self, now: i64) -> [u64; 24] {
        self.counts.turn_to(now.unsigned_abs() / 3600);
        std::array::from_fn(|hour| self.counts.by_hour[hour].load(Ordering::Relaxed))
    }

    /// Bytes of answers that have not left yet.
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Calls that are being answered, and whose answers have not left yet.
    pub fn running(&self) -> u32 {
        self.running.load(Ordering::Relaxed)
    }
}

impl Counts {
    /// Empties the hours that have come round since the last count. Two threads may meet at the turn
    /// of an hour and lose a call or two; the totals by fate lose none.
    fn turn_to(&self, hour: u64) {
        let last = self.hour.load(Ordering::Relaxed);
        if last >= hour {
            return;
        }
        let turned = self
            .hour
            .compare_exchange(last, hour, Ordering::Relaxed, Ordering::Relaxed);
        if turned.is_ok() {
            for passed in (last + 1..=hour).rev().take(24) {
                self.by_hour[(passed % 24) as usize].store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(burst: u32, concurrent: u32) -> Usage {
        let allowance = Allowance {
            requests_per_second: 1,
            burst,
            concurrent,
            cpu: Duration::from_secs(1),
        };
        Usage::new(allowance)
    }

    #[test]
    fn a_burst_is_let_in_and_no_more() {
        let usage = usage(3, 10);
        let turns: Vec<_> = (0..4).map(|_| usage.enter()).collect();
        assert!(turns[..3].iter().all(Option::is_some));
        assert!(turns[3].is_none());
        assert_eq!(usage.running(), 3, "who was sent away takes no place");
    }

    #[test]
    fn so_many_at_once_and_a_place_is_given_back() {
        let usage = usage(10, 1);
        let first = usage.enter();
        assert!(first.is_some() && usage.enter().is_none());
        drop(first);
        assert!(usage.enter().is_some());
    }

    #[test]
    fn a_new_file_with_the_same_limits_gives_no_new_burst() {
        let old = Arc::new(usage(1, 10));
        let turn = old.enter();
        assert!(turn.is_some());
        old.count(Fate::Admitted, 0);
        let same = Usage::continued(old.allowance, Some(&old));
        assert!(same.enter().is_none());
        assert_eq!((same.running(), same.by_fate(Fate::Admitted)), (1, 1));
        let wider = Allowance {
            burst: 2,
            ..old.allowance
        };
        assert!(Usage::continued(wider, Some(&old)).enter().is_some());
    }

    #[test]
    fn a_new_file_gives_no_new_processor_time() {
        let old = Arc::new(usage(1, 1));
        assert_eq!(old.wait_for_cpu(), None);
        old.pay(Duration::from_secs(600));
        let same = Usage::continued(old.allowance, Some(&old));
        assert!(same.wait_for_cpu() > Some(Duration::from_secs(540)));
        assert_eq!(same.cpu(), Duration::from_secs(600));
    }

    #[test]
    fn a_limit_of_zero_is_not_sound() {
        let too_many = Allowance::MOST_PER_SECOND + 1;
        for (requests_per_second, burst, concurrent) in
            [(0, 1, 1), (1, 0, 1), (1, 1, 0), (too_many, 1, 1)]
        {
            let allowance = Allowance {
                requests_per_second,
                burst,
                concurrent,
                cpu: Duration::MAX,
            };
            assert!(!allowance.is_sound());
        }
    }

    #[test]
    fn calls_are_counted_by_hour_and_the_day_comes_round() {
        const HOUR: i64 = 3600;
        let usage = usage(1, 1);
        let day = 20_000 * 24 * HOUR;
        for (hour, calls) in [(0, 2), (1, 1), (23, 3)] {
            for _ in 0..calls {
                usage.count(Fate::Admitted, day + hour * HOUR);
            }
        }
        let counted = usage.by_hour(day + 23 * HOUR);
        assert_eq!(
            (counted[0], counted[1], counted[2], counted[23]),
            (2, 1, 0, 3)
        );
        let next = usage.by_hour(day + 24 * HOUR);
        assert_eq!((next[0], next[1], next[23]), (0, 1, 3));
        assert_eq!(usage.by_hour(day + 100 * HOUR), [0; 24]);
        assert_eq!(usage.by_fate(Fate::Admitted), 6);
    }
}

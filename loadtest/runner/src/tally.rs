//! What is counted of one row of the report: one step of one stream. Memory does not grow with
//! requests; of each interval only its numbers are kept.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::answer::{Failure, Verdict};
use crate::latency::{Latencies, NoHistogram, rounded};
use crate::report::{Interval, Row};

const FAILURES: [Failure; 6] = [
    Failure::Status,
    Failure::Fault,
    Failure::Timeout,
    Failure::Transport,
    Failure::Wrong,
    Failure::Unsent,
];

/// Of a run, the parts that are compared for growth.
pub const PARTS: u32 = 6;

/// One row.
pub struct Tally {
    stream: String,
    name: String,
    measured: Duration,
    all: Latencies,
    interval: Latencies,
    first: Latencies,
    last: Latencies,
    requests: u64,
    right: u64,
    refused: u64,
    failed: [u64; FAILURES.len()],
    records: u64,
    bytes_in: u64,
    bytes_out: u64,
    interval_requests: u64,
    interval_failed: u64,
    intervals: Vec<Interval>,
}

/// One request that is over.
pub struct Over {
    /// When it was due, counted from the beginning of what is measured; `None` in the warm-up.
    pub due: Option<Duration>,
    /// From then to the last byte of the answer.
    pub took: Duration,
    /// What became of it.
    pub verdict: Verdict,
    /// Bytes of its body.
    pub bytes_out: usize,
    /// Bytes of the answer's.
    pub bytes_in: usize,
}

impl Tally {
    /// A row of a stream, over a measured time.
    pub fn new(stream: String, name: String, measured: Duration) -> Result<Self, NoHistogram> {
        Ok(Self {
            stream,
            name,
            measured,
            all: Latencies::new()?,
            interval: Latencies::new()?,
            first: Latencies::new()?,
            last: Latencies::new()?,
            requests: 0,
            right: 0,
            refused: 0,
            failed: [0; FAILURES.len()],
            records: 0,
            bytes_in: 0,
            bytes_out: 0,
            interval_requests: 0,
            interval_failed: 0,
            intervals: Vec::new(),
        })
    }

    /// Whether it is a step of the stream with this name.
    pub fn is_of(&self, stream: &str) -> bool {
        self.stream == stream
    }

    /// Adds its latencies to those of others.
    pub fn add_to(&self, others: &mut Latencies) {
        others.merge(&self.all);
    }

    /// Takes a request in. Those of the warm-up count nowhere.
    pub fn take(&mut self, over: &Over) {
        let Some(due) = over.due else { return };
        self.requests += 1;
        self.interval_requests += 1;
        if tells_how_long(over.verdict) {
            self.all.record(over.took);
            self.interval.record(over.took);
            if due < self.measured / PARTS {
                self.first.record(over.took);
            } else if due >= self.measured.saturating_sub(self.measured / PARTS) {
                self.last.record(over.took);
            }
        }
        self.bytes_out += over.bytes_out as u64;
        self.bytes_in += over.bytes_in as u64;
        match over.verdict {
            Verdict::Right(records) => {
                self.right += 1;
                self.records += records;
            }
            Verdict::Refused => self.refused += 1,
            Verdict::Failed(failure) => {
                self.failed[failure as usize] += 1;
                self.interval_failed += 1;
            }
        }
    }

    /// Ends an interval, at some seconds of what is measured. Gives its requests and failures.
    pub fn end_interval(&mut self, at: f64) -> (u64, u64) {
        let told = self.interval.quantiles();
        let failed = std::mem::take(&mut self.interval_failed);
        let count = std::mem::take(&mut self.interval_requests);
        self.intervals.push(Interval {
            at,
            count,
            failed,
            p50: told.p50,
            p99: told.p99,
            max: told.max,
        });
        self.interval.clear();
        (count, failed)
    }

    /// The row, of a time that was measured in the end.
    pub fn row(&self, rate_asked: Option<f64>, seconds: f64) -> Row {
        let errors: BTreeMap<String, u64> = FAILURES
            .iter()
            .zip(self.failed)
            .filter(|(_, count)| *count > 0)
            .map(|(failure, count)| (failure.name().to_owned(), count))
            .collect();
        let unsent = self.failed[Failure::Unsent as usize];
        Row {
            name: self.name.clone(),
            requests: self.requests,
            rate_asked,
            rate_reached: rounded(
                (self.requests - unsent) as f64 / seconds.max(f64::MIN_POSITIVE),
                3,
            ),
            right: self.right,
            refused: self.refused,
            errors,
            records: self.records,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            latency: self.all.quantiles(),
            first_sixth: self.first.quantiles(),
            last_sixth: self.last.quantiles(),
            nines: self.all.nines(),
            intervals: self.intervals.clone(),
        }
    }
}

/// Whether it counts among the latencies. What failed at once must not make a service look quick; what
/// was waited for in vain took at least that long.
const fn tells_how_long(verdict: Verdict) -> bool {
    matches!(
        verdict,
        Verdict::Right(_) | Verdict::Refused | Verdict::Failed(Failure::Timeout | Failure::Unsent)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn over(due: u64, millis: u64, verdict: Verdict) -> Over {
        Over {
            due: Some(Duration::from_secs(due)),
            took: Duration::from_millis(millis),
            verdict,
            bytes_out: 1,
            bytes_in: 2,
        }
    }

    #[test]
    fn failures_are_counted_by_kind_and_refusals_beside_them() {
        let mut tally = Tally::new("x".to_owned(), "x".to_owned(), MINUTE).unwrap();
        tally.take(&over(1, 1, Verdict::Right(5)));
        tally.take(&over(1, 1, Verdict::Refused));
        tally.take(&over(1, 1, Verdict::Failed(Failure::Fault)));
        tally.take(&over(1, 1, Verdict::Failed(Failure::Unsent)));
        let row = tally.row(Some(1.0), 60.0);
        assert_eq!(
            (row.requests, row.right, row.refused, row.records),
            (4, 1, 1, 5)
        );
        assert_eq!(row.errors["fault"], 1);
        assert_eq!(row.errors["unsent"], 1);
        assert_eq!(row.errors.len(), 2);
        assert!((row.rate_reached - 3.0 / 60.0).abs() < 1e-6);
    }

    #[test]
    fn a_service_is_not_quick_because_it_fails_at_once() {
        let mut tally = Tally::new("x".to_owned(), "x".to_owned(), MINUTE).unwrap();
        tally.take(&over(1, 500, Verdict::Right(1)));
        for _ in 0..10 {
            tally.take(&over(1, 1, Verdict::Failed(Failure::Transport)));
        }
        tally.take(&over(1, 9_000, Verdict::Failed(Failure::Timeout)));
        let row = tally.row(None, 60.0);
        assert_eq!((row.requests, row.latency.count), (12, 2));
        assert!(row.latency.p50 > 400_000.0 && row.latency.max > 8_000_000.0);
    }

    #[test]
    fn the_warm_up_counts_nowhere() {
        let mut tally = Tally::new("x".to_owned(), "x".to_owned(), MINUTE).unwrap();
        tally.take(&Over {
            due: None,
            ..over(0, 1, Verdict::Right(1))
        });
        assert_eq!(tally.row(None, 60.0).requests, 0);
    }

    #[test]
    fn sixths_and_intervals_hold_their_own() {
        let mut tally = Tally::new("x".to_owned(), "x".to_owned(), MINUTE).unwrap();
        tally.take(&over(0, 1, Verdict::Right(1)));
        tally.take(&over(30, 2, Verdict::Right(1)));
        tally.end_interval(30.0);
        tally.take(&over(55, 4, Verdict::Right(1)));
        tally.end_interval(60.0);
        let row = tally.row(None, 60.0);
        let near = |found: f64, wanted: f64| (found / wanted - 1.0).abs() < 0.01;
        assert!(near(row.first_sixth.max, 1_000.0) && near(row.last_sixth.max, 4_000.0));
        assert_eq!((row.first_sixth.count, row.last_sixth.count), (1, 1));
        let counts: Vec<u64> = row.intervals.iter().map(|it| it.count).collect();
        assert_eq!(counts, [2, 1]);
        assert!(near(row.intervals[0].max, 2_000.0) && near(row.latency.max, 4_000.0));
    }
}

//! Latencies, kept in HDR histograms: bounded memory whatever comes, three digits right.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Nothing is told apart below a microsecond, and nothing above two minutes.
const LOWEST_NANOS: u64 = 1_000;
const HIGHEST_NANOS: u64 = 120_000_000_000;
const DIGITS: u8 = 3;

/// How long requests took.
#[derive(Clone)]
pub struct Latencies(Histogram<u64>);

/// What is told of a histogram, in microseconds.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// Half of them took at most this long.
    pub p50: f64,
    /// Nine of ten.
    pub p90: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// All but one of a thousand.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// A histogram cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("no histogram can be made: {0}")]
pub struct NoHistogram(#[from] hdrhistogram::CreationError);

impl Latencies {
    /// None yet.
    pub fn new() -> Result<Self, NoHistogram> {
        let histogram = Histogram::new_with_bounds(LOWEST_NANOS, HIGHEST_NANOS, DIGITS)?;
        Ok(Self(histogram))
    }

    /// Takes one in. What is longer than the histogram reaches counts as its highest.
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(nanos);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Takes another's in: those of several streams, or of several intervals.
    pub fn merge(&mut self, other: &Self) {
        // Both were made alike, so this cannot fail.
        let _ = self.0.add(&other.0);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// The longest that a share of them took, in microseconds.
    pub fn at(&self, share: f64) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        micros(self.0.value_at_quantile(share) as f64)
    }

    /// What is told of them.
    pub fn quantiles(&self) -> Quantiles {
        if self.0.is_empty() {
            return Quantiles::default();
        }
        Quantiles {
            count: self.count(),
            p50: self.at(0.5),
            p90: self.at(0.9),
            p99: self.at(0.99),
            p999: self.at(0.999),
            max: micros(self.0.max() as f64),
            mean: micros(self.0.mean()),
        }
    }

    /// Points along the nines: 0, 0.5, 0.9, 0.99 and so on with steps between, as far as the count
    /// says anything. Each is (share, microseconds).
    pub fn nines(&self) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut left = 1.0;
        // Eight points for each nine.
        let step = 10_f64.powf(-1.0 / 8.0);
        while !self.0.is_empty() && left * self.count() as f64 >= 0.5 {
            let share = 1.0 - left;
            points.push((rounded(share, 7), self.at(share)));
            left *= step;
        }
        points
    }
}

/// Nanoseconds as microseconds with one digit: more would only make reports longer.
fn micros(nanos: f64) -> f64 {
    rounded(nanos / 1_000.0, 1)
}

/// A number with so many digits after its point.
pub fn rounded(number: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (number * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl IntoIterator<Item = u64>) -> Latencies {
        let mut all = Latencies::new().unwrap();
        micros
            .into_iter()
            .for_each(|it| all.record(Duration::from_micros(it)));
        all
    }

    fn near(found: f64, wanted: f64) {
        assert!((found / wanted - 1.0).abs() < 0.002, "{found} {wanted}");
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let told = of(1..=10_000).quantiles();
        assert_eq!(told.count, 10_000);
        near(told.p50, 5_000.0);
        near(told.p90, 9_000.0);
        near(told.p99, 9_900.0);
        near(told.p999, 9_990.0);
        near(told.max, 10_000.0);
        near(told.mean, 5_000.5);
        assert_eq!(of([]).quantiles(), Quantiles::default());
    }

    #[test]
    fn merging_is_the_same_as_recording_everything_in_one() {
        let mut halves = of(1..=500);
        halves.merge(&of(501..=1_000));
        assert_eq!(halves.quantiles(), of(1..=1_000).quantiles());
        halves.clear();
        assert_eq!(halves.count(), 0);
    }

    #[test]
    fn what_is_too_long_is_kept_as_the_longest_there_is() {
        let mut all = of([]);
        all.record(Duration::from_secs(100_000));
        assert!(all.quantiles().max >= 119_000_000.0);
    }

    #[test]
    fn nines_rise_and_end_where_the_count_ends() {
        let points = of(1..=1_000).nines();
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
        let (share, last) = *points.last().unwrap();
        assert!(share > 0.998 && share < 0.9996, "{share}");
        near(last, 1_000.0);
    }
}

//! When requests are due. A schedule knows nothing of answers: it goes on at its rate however the
//! service does, and that is what makes the loop open.

use std::f64::consts::PI;
use std::time::Duration;

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// How arrivals are spread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrivals {
    /// As independent callers arrive: at random, so that some come close together.
    #[default]
    Poisson,
    /// At equal distances, as a timer makes them.
    Even,
}

/// The hours of a day, as weights beside each other.
pub const HOURS: usize = 24;

/// The due times of one stream, counted from the beginning of the run.
pub struct Schedule {
    arrivals: Arrivals,
    /// Per second, on average over the run.
    rate: f64,
    /// What each hour of the day has of the rate; the mean is 1.
    curve: Option<[f64; HOURS]>,
    /// When what is measured begins: the day of a curve begins there.
    warm_up: f64,
    /// How long is measured. After that nothing is due any more.
    measured: f64,
    /// The last due time, in seconds as all of these.
    last: f64,
    chance: Rng,
}

impl Schedule {
    /// Arrivals at `rate` a second, through the warm-up and `measured` after it.
    pub fn new(
        arrivals: Arrivals,
        rate: f64,
        curve: Option<&[f64; HOURS]>,
        warm_up: Duration,
        measured: Duration,
        seed: u64,
    ) -> Self {
        let mut chance = Rng::with_seed(seed);
        // Streams of one rate must not march in step: the first is due anywhere in the first distance.
        let before = match arrivals {
            Arrivals::Even if rate > 0.0 => (chance.f64() - 1.0) / rate,
            _ => 0.0,
        };
        Self {
            arrivals,
            rate,
            curve: curve.map(normalised),
            warm_up: warm_up.as_secs_f64(),
            measured: measured.as_secs_f64(),
            last: before,
            chance,
        }
    }

    /// The rate at a moment of the run: a curve lays its day over what is measured.
    fn rate_at(&self, seconds: f64) -> f64 {
        let Some(curve) = &self.curve else {
            return self.rate;
        };
        let share = ((seconds - self.warm_up) / self.measured).clamp(0.0, 1.0);
        let at = share * HOURS as f64;
        // From the middle of one hour to the middle of the next, without steps.
        let (before, part) = ((at - 0.5).floor(), (at - 0.5) - (at - 0.5).floor());
        let of = |hour: f64| curve[(hour.rem_euclid(HOURS as f64)) as usize % HOURS];
        let weight = (1.0 - (part * PI).cos()) / 2.0;
        self.rate * (of(before) * (1.0 - weight) + of(before + 1.0) * weight)
    }
}

/// Weights with a mean of 1.
fn normalised(curve: &[f64; HOURS]) -> [f64; HOURS] {
    let mean = curve.iter().sum::<f64>() / HOURS as f64;
    curve.map(|hour| hour / mean)
}

impl Iterator for Schedule {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // Where the curve is nearly zero the next arrival is looked for in small steps, so that a
        // quiet hour does not reach into the busy one after it.
        const STEPS: f64 = 200.0;
        let step = self.measured / STEPS;
        let end = self.warm_up + self.measured;
        let mut wanted = match self.arrivals {
            Arrivals::Even => 1.0,
            Arrivals::Poisson => -(1.0 - self.chance.f64()).ln(),
        };
        while self.rate > 0.0 && self.last < end {
            let rate = self.rate_at(self.last);
            let next = wanted / rate;
            if self.curve.is_none() || next <= step {
                self.last += next;
                let due = Duration::from_secs_f64(self.last.max(0.0));
                return (self.last < end).then_some(due);
            }
            wanted -= rate * step;
            self.last += step;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn even_arrivals_keep_their_distance_to_the_end_of_the_run() {
        let all: Vec<Duration> =
            Schedule::new(Arrivals::Even, 50.0, None, NONE, MINUTE, 1).collect();
        assert!((2_999..=3_000).contains(&all.len()), "{}", all.len());
        for pair in all.windows(2) {
            let distance = pair[1].saturating_sub(pair[0]).as_secs_f64();
            assert!((distance - 0.02).abs() < 1e-6, "{distance}");
        }
        assert!(*all.last().unwrap() < MINUTE);
    }

    /// Seldom ones too come as often as they should: one every half a minute, in half a minute.
    #[test]
    fn the_first_even_arrival_is_within_the_first_distance() {
        let half = MINUTE / 2;
        for seed in 0..20 {
            let files = Schedule::new(Arrivals::Even, 1.0 / 30.0, None, NONE, half, seed);
            assert_eq!(files.count(), 1);
        }
    }

    #[test]
    fn poisson_arrivals_have_the_rate_and_the_scatter_of_independent_callers() {
        let all: Vec<f64> = Schedule::new(Arrivals::Poisson, 1_000.0, None, NONE, MINUTE, 7)
            .map(|due| due.as_secs_f64())
            .collect();
        assert!((58_500..61_500).contains(&all.len()), "{}", all.len());
        let distances: Vec<f64> = all.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let variance =
            distances.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / distances.len() as f64;
        // Of an exponential distribution the deviation is the mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_seed_makes_the_same_schedule_again() {
        let of = |seed| -> Vec<Duration> {
            Schedule::new(Arrivals::Poisson, 10.0, None, NONE, MINUTE, seed).collect()
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }

    #[test]
    fn a_curve_moves_arrivals_to_its_hours_and_keeps_their_number() {
        let mut curve = [1.0; HOURS];
        curve[9..12].fill(10.0);
        let day = Duration::from_mins(40);
        let all: Vec<Duration> =
            Schedule::new(Arrivals::Poisson, 20.0, Some(&curve), MINUTE, day, 5).collect();
        let measured = all.iter().filter(|due| **due >= MINUTE).count();
        assert!((46_000..50_000).contains(&measured), "{measured}");
        let within = |from: u64, to: u64| {
            let hour = |hour: u64| MINUTE + Duration::from_secs(hour * 100);
            let range = hour(from)..hour(to);
            all.iter().filter(|due| range.contains(*due)).count()
        };
        let (busy, quiet) = (within(9, 12), within(0, 3));
        assert!(busy > 7 * quiet, "{busy} {quiet}");
    }

    #[test]
    fn nothing_is_due_at_a_rate_of_nothing() {
        let mut none = Schedule::new(Arrivals::Poisson, 0.0, None, NONE, MINUTE, 1);
        assert_eq!(none.next(), None);
    }
}

//! Medians, spreads, ratios.

use serde::Serialize;

/// The middle of some numbers, and where the middle eighty per cent of them lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half are below.
    pub median: f64,
    /// A tenth are below.
    pub low: f64,
    /// A tenth are above.
    pub high: f64,
}

impl Spread {
    /// Of these numbers; not a number when there are none.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        Self {
            median: quantile(&sorted, 0.5),
            low: quantile(&sorted, 0.1),
            high: quantile(&sorted, 0.9),
        }
    }

    /// Of the ratios of numbers of the same round.
    pub fn of_ratios(ones: &[f64], others: &[f64]) -> Self {
        Self::of(ones.iter().zip(others).map(|(one, other)| one / other))
    }
}

/// The number below which this part lies, between neighbours when it falls between them.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let place = part * last as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-9
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert!(close(Spread::of([4.0, 1.0, 3.0, 2.0]).median, 2.5));
        assert!(close(Spread::of([9.0, 1.0, 2.0]).median, 2.0));
    }

    #[test]
    fn the_spread_leaves_out_a_tenth_at_each_end() {
        let spread = Spread::of((0..=10).map(f64::from));
        assert!(
            close(spread.low, 1.0) && close(spread.high, 9.0),
            "{spread:?}"
        );
    }

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        // Ratios 2, 2 and 0.1: the ratio of the medians would be 1.
        let ratio = Spread::of_ratios(&[2.0, 20.0, 10.0], &[1.0, 10.0, 100.0]);
        assert!(close(ratio.median, 2.0), "{ratio:?}");
    }

    #[test]
    fn nothing_has_no_median() {
        assert!(Spread::of([]).median.is_nan());
    }
}

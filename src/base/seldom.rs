//! Lines that would come too often: one a second at most, with how many there were.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How far apart the lines are.
const APART: Duration = Duration::from_secs(1);

/// Something that may be told seldom.
#[derive(Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Nothing has been told yet.
    pub const fn new() -> Self {
        Self(Mutex::new((None, 0)))
    }

    /// Counts one more. How often it happened since the last line, when it is time for one.
    pub fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock();
        told.1 += 1;
        if told.0.is_some_and(|last| now < last + APART) {
            return None;
        }
        told.0 = Some(now);
        Some(std::mem::take(&mut told.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once_a_second_with_its_count() {
        let seldom = Seldom::new();
        let start = Instant::now();
        assert_eq!(seldom.count_at(start), Some(1));
        for _ in 0..40 {
            assert_eq!(seldom.count_at(start + APART / 2), None);
        }
        assert_eq!(seldom.count_at(start + APART), Some(41));
        assert_eq!(seldom.count_at(start + APART), None);
    }
}

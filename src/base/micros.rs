//! Moments to the microsecond, for records of what happened when.

use std::fmt;

use jiff::civil;

use super::time::{DateTime, sweden};

/// Microseconds since 1970 (UTC). Written in Swedish time with its offset, for instance
/// `2026-03-01T09:12:33.000250+01:00`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Micros(i64);

impl Micros {
    /// Later than any moment that is met: the end of the calendar, to the second.
    pub const MAX: Self = Self(253_402_207_200_000_000);

    /// Now.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// From the number; `None` outside the calendar (years -9999 to 9999).
    pub fn from_number(number: i64) -> Option<Self> {
        jiff::Timestamp::from_microsecond(number)
            .ok()
            .map(|_| Self(number))
    }

    /// The number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// From an `xs:dateTime`, to the millisecond; without an offset it is Swedish time.
    pub fn parse(text: &str) -> Option<Self> {
        let at = DateTime::parse(text)?.instant();
        at.checked_mul(1_000).map(Self)
    }

    /// A day of the Swedish calendar, `2026-03-01`: when it begins, and when the next one does.
    pub fn day(text: &str) -> Option<(Self, Self)> {
        let date: civil::Date = text.parse().ok().filter(|_| text.len() == 10)?;
        Some((
            Self::midnight(date)?,
            Self::midnight(date.tomorrow().ok()?)?,
        ))
    }

    /// When the Swedish day after this moment's begins.
    pub fn next_midnight(self) -> Self {
        let date = self.zoned().date();
        let next = date.tomorrow().ok().and_then(Self::midnight);
        next.unwrap_or(Self::MAX)
    }

    /// So much later, or earlier.
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    fn midnight(date: civil::Date) -> Option<Self> {
        let at = date.to_zoned(sweden()).ok()?.timestamp();
        Some(Self(at.as_microsecond()))
    }

    fn zoned(self) -> jiff::Zoned {
        let at = jiff::Timestamp::from_microsecond(self.0);
        at.unwrap_or(jiff::Timestamp::MAX).to_zoned(sweden())
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = self.zoned().strftime("%Y-%m-%dT%H:%M:%S%.6f%:z");
        out.pad(&written.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_swedish_time_and_read_again() {
        let at = Micros::parse("2026-03-01T08:12:33.25Z").unwrap();
        assert_eq!(at.to_string(), "2026-03-01T09:12:33.250000+01:00");
        assert_eq!(Micros::parse(&at.to_string()), Some(at));
        assert_eq!(Micros::parse("2026-03-01T09:12:33.25"), Some(at));
        assert_eq!(Micros::from_number(at.number()), Some(at));
        assert_eq!(Micros::from_number(i64::MAX), None);
        assert_eq!(Micros::from_number(Micros::MAX.number()), Some(Micros::MAX));
        assert_eq!(Micros::MAX.next_midnight(), Micros::MAX);
    }

    #[test]
    fn days_are_as_long_as_the_clock_makes_them() {
        for (day, hours) in [("2026-03-01", 24), ("2026-03-29", 23), ("2026-10-25", 25)] {
            let (from, to) = Micros::day(day).unwrap();
            assert_eq!(from.plus_seconds(hours * 3600), to, "{day}");
            assert_eq!(from.next_midnight(), to);
            assert_eq!(to.plus_seconds(-1).next_midnight(), to);
        }
        for bad in ["2026-02-30", "20260301", "2026-3-1", ""] {
            assert_eq!(Micros::day(bad), None, "{bad}");
        }
    }
}

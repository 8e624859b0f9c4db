//! Periods: what a date or a moment stands for when somebody asks for it. `1980` is a year, from
//! its first moment to its last; `1980-04` a month; `2025-01-07T06:00` a minute.

use jiff::civil;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp as Instant, ToSpan};

use super::time::{Timestamp, sweden};

/// A stretch of time, in Swedish civil time or, when it was written with an offset, in absolute
/// time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period {
    first: civil::DateTime,
    unit: Unit,
    offset: Option<Offset>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Unit {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
    Millisecond,
}

impl Period {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, the last with `Thh`, `Thh:mm`, `Thh:mm:ss` or
    /// `Thh:mm:ss.fff` (a space may stand for the `T`) and then perhaps `Z` or `+hh:mm`; or an even
    /// number of digits from `YYYY` to `YYYYMMDDhhmmss`. In eight digits, 00 is an unknown month or
    /// day. `None` when it is none of these, or no moment of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > 4 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Self::of_digits(text);
        }
        let (date, time) = match text.split_once(['T', 't', ' ']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = [1, 1, 1, 0, 0, 0, 0];
        let mut known = split(date, '-', &[4, 2, 2], &mut parts)?;
        let mut offset = None;
        if let Some(time) = time {
            let clock_ends = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
            let (clock, zone) = time.split_at(clock_ends);
            offset = match zone {
                "" => None,
                zone => Some(zone_of(zone)?),
            };
            let (clock, fraction) = match clock.split_once('.') {
                Some((clock, fraction)) => (clock, Some(fraction)),
                None => (clock, None),
            };
            let clock_parts = split(clock, ':', &[2, 2, 2], &mut parts[3..6])?;
            known = (known == 3).then_some(3 + clock_parts)?;
            if let Some(fraction) = fraction {
                let digits = number(fraction).filter(|_| known == 6 && fraction.len() <= 3)?;
                parts[6] = digits * [100, 10, 1].get(fraction.len() - 1)?;
                known = 7;
            }
        }
        Self::of_parts(parts, known, offset)
    }

    /// The period as packed dates `YYYYMMDD`, unknown parts (00) included; `None` when it is
    /// shorter than a day.
    pub fn dates(self) -> Option<(i64, i64)> {
        let day = i64::from(self.first.year()) * 10_000
            + i64::from(self.first.month()) * 100
            + i64::from(self.first.day());
        match self.unit {
            Unit::Year => Some((day - 101, day - 101 + 1231)),
            Unit::Month => Some((day - 1, day - 1 + 31)),
            Unit::Day => Some((day, day)),
            _ => None,
        }
    }

    /// The period as packed moments `YYYYMMDDhhmmss`; `None` when it is shorter than a second.
    pub fn timestamps(self) -> Option<(i64, i64)> {
        let (first, last) = if self.offset.is_some() {
            let (first, last) = self.instants()?;
            let local = |instant: i64| {
                let at = Instant::from_millisecond(instant).ok()?;
                Some(at.to_zoned(sweden()).datetime())
            };
            (local(first)?, local(last)?)
        } else {
            let last = self.next().map_or(civil::DateTime::MAX, before);
            (self.first, last)
        };
        let whole = self.unit < Unit::Millisecond || self.first.subsec_nanosecond() == 0;
        let packed = |at| i64::try_from(Timestamp::from_civil(at).number()).ok();
        whole.then_some((packed(first)?, packed(last)?))
    }

    /// The period as milliseconds since 1970. Of an hour that comes twice in autumn, both are
    /// meant; of a shorter time in it, the first. A time that spring leaps over is `None`.
    pub fn instants(self) -> Option<(i64, i64)> {
        let instant = |at: civil::DateTime| {
            if let Some(offset) = self.offset {
                return offset.to_timestamp(at).ok().map(Instant::as_millisecond);
            }
            let at = sweden().to_ambiguous_zoned(at);
            let leapt = matches!(at.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
            let at = at.compatible().ok();
            at.filter(|_| !leapt || self.unit < Unit::Hour)
                .map(|at| at.timestamp().as_millisecond())
        };
        let first = instant(self.first)?;
        let last = match self.unit {
            Unit::Millisecond => first,
            Unit::Second => first + 999,
            Unit::Minute => first + 59_999,
            // After the last hour of the calendar there is no moment to stop before.
            _ => self
                .next()
                .and_then(|next| {
                    let leap = Self {
                        first: next,
                        unit: Unit::Day,
                        ..self
                    };
                    leap.start()
                })
                .map_or(i64::MAX, |next| next - 1),
        };
        Some((first, last))
    }

    /// The first instant, where a leap in spring moves to its end.
    fn start(self) -> Option<i64> {
        let at = match self.offset {
            Some(offset) => offset.to_timestamp(self.first).ok()?,
            None => self.first.to_zoned(sweden()).ok()?.timestamp(),
        };
        Some(at.as_millisecond())
    }

    fn of_digits(text: &str) -> Option<Self> {
        let mut parts = [1, 1, 1, 0, 0, 0, 0];
        parts[0] = number(text.get(..4)?)?;
        let mut known = 1;
        let mut rest = &text[4..];
        while !rest.is_empty() {
            *parts[..6].get_mut(known)? = number(rest.get(..2)?)?;
            known += 1;
            rest = &rest[2..];
        }
        if known == 3 && parts[2] == 0 {
            (parts[2], known) = (1, 2);
            if parts[1] == 0 {
                (parts[1], known) = (1, 1);
            }
        }
        Self::of_parts(parts, known, None)
    }

    fn of_parts(parts: [i16; 7], known: usize, offset: Option<Offset>) -> Option<Self> {
        let small = |at: usize| i8::try_from(parts[at]).ok();
        let date = civil::Date::new(parts[0], small(1)?, small(2)?).ok()?;
        let nanoseconds = i32::from(parts[6]) * 1_000_000;
        let time = civil::Time::new(small(3)?, small(4)?, small(5)?, nanoseconds).ok()?;
        let unit = [
            Unit::Year,
            Unit::Month,
            Unit::Day,
            Unit::Hour,
            Unit::Minute,
            Unit::Second,
            Unit::Millisecond,
        ];
        (parts[0] >= 1).then_some(Self {
            first: date.to_datetime(time),
            unit: *unit.get(known.checked_sub(1)?)?,
            offset,
        })
    }

    /// Where the period after this one begins; `None` at the end of the calendar.
    fn next(self) -> Option<civil::DateTime> {
        let span = match self.unit {
            Unit::Year => 1.year(),
            Unit::Month => 1.month(),
            Unit::Day => 1.day(),
            Unit::Hour => 1.hour(),
            Unit::Minute => 1.minute(),
            Unit::Second => 1.second(),
            Unit::Millisecond => 1.millisecond(),
        };
        self.first.checked_add(span).ok()
    }
}

fn before(next: civil::DateTime) -> civil::DateTime {
    next.checked_sub(SignedDuration::from_millis(1))
        .unwrap_or(next)
}

/// Puts the numbers between separators into `parts`; how many there were.
fn split(text: &str, separator: char, widths: &[usize], parts: &mut [i16]) -> Option<usize> {
    let mut count = 0;
    for part in text.split(separator) {
        let width = *widths.get(count)?;
        parts[count] = number(part).filter(|_| part.len() == width)?;
        count += 1;
    }
    Some(count)
}

fn number(digits: &str) -> Option<i16> {
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// The offset in `Z` or `+hh:mm`.
fn zone_of(text: &str) -> Option<Offset> {
    let sign = match text.chars().next()? {
        'Z' | 'z' => return (text.len() == 1).then_some(Offset::UTC),
        '-' => -1,
        _ => 1,
    };
    let mut parts = [0, 0];
    let both = split(&text[1..], ':', &[2, 2], &mut parts)? == 2;
    let possible = both && parts[0] <= 14 && parts[1] < 60;
    let seconds = sign * (i32::from(parts[0]) * 3_600 + i32::from(parts[1]) * 60);
    possible.then(|| Offset::from_seconds(seconds).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::DateTime;

    fn instant(text: &str) -> i64 {
        DateTime::parse(text).unwrap().instant()
    }

    #[test]
    fn a_short_date_is_its_whole_period_with_unknown_parts_first() {
        for (text, dates) in [
            ("1980", (19_800_000, 19_801_231)),
            ("1980-04", (19_800_400, 19_800_431)),
            ("198004", (19_800_400, 19_800_431)),
            ("1980-04-30", (19_800_430, 19_800_430)),
            ("19800430", (19_800_430, 19_800_430)),
            ("19800400", (19_800_400, 19_800_431)),
            ("19800000", (19_800_000, 19_801_231)),
        ] {
            assert_eq!(Period::parse(text).unwrap().dates(), Some(dates), "{text}");
        }
        assert_eq!(Period::parse("1980-04-30T10").unwrap().dates(), None);
    }

    #[test]
    fn what_is_no_date_of_the_calendar_is_none() {
        for text in [
            "",
            "80",
            "198",
            "19801",
            "1980-13",
            "1980-02-30",
            "2023-02-29",
            "19801301",
            "1980-4",
            "1980-00",
            "0000",
            "19800012",
            "2024-01-01T24:00:00",
            "2024-01-01T10:60",
            "2024-01-01T10:00:00.1234",
            "2024-01-01T10:00:00.",
            "2024-01-01T10:00:00+15:00",
            "2024-01-01T10:00:00+01",
            "2024-01-01T",
            "2024T10:00",
            "2024-01-01Z",
            "+1980",
            "2024010110000099",
            "202401011",
            "å980",
            "1980-01-01TT10",
        ] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn moments_of_fourteen_digits_span_what_is_not_said() {
        for (text, span) in [
            ("2024", (20_240_101_000_000, 20_241_231_235_959)),
            ("2024-02", (20_240_201_000_000, 20_240_229_235_959)),
            ("20240229", (20_240_229_000_000, 20_240_229_235_959)),
            ("2024022907", (20_240_229_070_000, 20_240_229_075_959)),
            ("2024-02-29 07:08", (20_240_229_070_800, 20_240_229_070_859)),
            ("20240229070809", (20_240_229_070_809, 20_240_229_070_809)),
            (
                "2024-02-29T06:08:09Z",
                (20_240_229_070_809, 20_240_229_070_809),
            ),
            ("9999", (99_990_101_000_000, 99_991_231_235_959)),
        ] {
            assert_eq!(
                Period::parse(text).unwrap().timestamps(),
                Some(span),
                "{text}"
            );
        }
        let short = Period::parse("2024-02-29T06:08:09.500").unwrap();
        assert_eq!(short.timestamps(), None);
    }

    #[test]
    fn periods_follow_summer_time() {
        for (text, first, last) in [
            (
                "2024-03-31",
                "2024-03-31T00:00:00+01:00",
                "2024-03-31T23:59:59.999+02:00",
            ),
            (
                "2024-10-27",
                "2024-10-27T00:00:00+02:00",
                "2024-10-27T23:59:59.999+01:00",
            ),
            (
                "2024-10-27T02",
                "2024-10-27T02:00:00+02:00",
                "2024-10-27T02:59:59.999+01:00",
            ),
            (
                "2024-10-27T02:59",
                "2024-10-27T02:59:00+02:00",
                "2024-10-27T02:59:59.999+02:00",
            ),
            (
                "2024-03-31T01",
                "2024-03-31T01:00:00+01:00",
                "2024-03-31T01:59:59.999+01:00",
            ),
            (
                "2024-06",
                "2024-06-01T00:00:00+02:00",
                "2024-06-30T23:59:59.999+02:00",
            ),
            (
                "2024-06-01T10:00:00.25Z",
                "2024-06-01T12:00:00.25+02:00",
                "2024-06-01T12:00:00.25+02:00",
            ),
        ] {
            let span = (instant(first), instant(last));
            assert_eq!(
                Period::parse(text).unwrap().instants(),
                Some(span),
                "{text}"
            );
        }
        // Spring leaps over these.
        for text in ["2024-03-31T02", "2024-03-31T02:30", "2024-03-31T02:30:00"] {
            assert_eq!(Period::parse(text).unwrap().instants(), None, "{text}");
        }
        let last = Period::parse("9999").unwrap().instants().unwrap();
        assert!(last.0 < last.1);
    }
}

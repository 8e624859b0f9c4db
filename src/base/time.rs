//! Swedish time and the contracts' date forms.
//!
//! Three forms cross the contracts: partial dates (year, month or day may be unknown), timestamps
//! of 14 digits in Swedish local time, and `xs:dateTime` with milliseconds and offset. Each is
//! packed into one integer that keeps its written form, so that rendering needs no calendar and no
//! time zone. The calendar and the zone are jiff's.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use jiff::Zoned;
use jiff::civil;
use jiff::tz::{Offset, TimeZone};
use rustix::time::{ClockId, clock_gettime};

/// A date of the calendar whose day, or day and month, may be unknown: `YYYYMMDD` as a number, zeros
/// for what is not known (Navet's form). A date that does not exist cannot be one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PartialDate(u32);

impl PartialDate {
    /// From year, month and day, where month and day may be 0 for unknown. A known day demands a
    /// known month.
    pub fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        const DAYS: [u32; 13] = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let known = (1..=9999).contains(&year)
            && month <= 12
            && DAYS.get(month as usize).is_some_and(|&days| day <= days)
            && ((month, day) != (2, 29) || is_leap(year));
        known.then_some(Self(year * 10_000 + month * 100 + day))
    }

    /// From the packed number `YYYYMMDD`.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::new(number / 10_000, number / 100 % 100, number % 100)
    }

    /// From the packed number of a record. Until version 0.5 records could hold the 29th of February of
    /// any year: of such a date year and month are read, or, where the field demands a day, the last
    /// one of that month.
    pub fn from_record(number: u32, whole: bool) -> Option<Self> {
        let year = number / 10_000;
        match number % 10_000 {
            229 if !is_leap(year) => Self::new(year, 2, if whole { 28 } else { 0 }),
            _ => Self::from_number(number),
        }
    }

    /// From an `xs:date`, which may tell a zone behind the day: the day is meant as it is written.
    pub fn parse_xs(text: &str) -> Option<Self> {
        let (day, zone) = text.split_at_checked(10).unwrap_or((text, ""));
        let is_zone = match zone.as_bytes() {
            b"" | b"Z" => true,
            [b'+' | b'-', rest @ ..] if rest.len() == 5 && rest[2] == b':' => {
                let hours = number(&rest[..2]).zip(number(&rest[3..]));
                hours.is_some_and(|(hours, minutes)| {
                    (hours, minutes) == (14, 0) || hours < 14 && minutes < 60
                })
            }
            _ => false,
        };
        Self::parse(day).filter(|_| is_zone && day.len() == 10)
    }

    /// From any of the written forms `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, `YYYYMMDD`.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let digits = |from: usize, to: usize| number(bytes.get(from..to)?);
        match bytes.len() {
            4 => Self::new(digits(0, 4)?, 0, 0),
            7 if bytes[4] == b'-' => {
                Self::new(digits(0, 4)?, digits(5, 7)?, 0).filter(|date| date.month() > 0)
            }
            8 => Self::from_number(digits(0, 8)?),
            10 if bytes[4] == b'-' && bytes[7] == b'-' => {
                Self::new(digits(0, 4)?, digits(5, 7)?, digits(8, 10)?)
                    .filter(|date| date.is_complete())
            }
            _ => None,
        }
    }

    /// The packed number `YYYYMMDD`.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The year.
    pub const fn year(self) -> u32 {
        self.0 / 10_000
    }

    /// The month, 0 when unknown.
    pub const fn month(self) -> u32 {
        self.0 / 100 % 100
    }

    /// The day, 0 when unknown.
    pub const fn day(self) -> u32 {
        self.0 % 100
    }

    /// Whether this is before another date, as far as both are known.
    pub const fn is_before(self, other: Self) -> bool {
        let unknown = match (self.month() * other.month(), self.day() * other.day()) {
            (0, _) => 10_000,
            (_, 0) => 100,
            _ => 1,
        };
        self.0 / unknown < other.0 / unknown
    }

    /// Whether year, month and day are known.
    pub const fn is_complete(self) -> bool {
        self.month() > 0 && self.day() > 0
    }

    /// How much is known, as the contract names it (`DateTypeFormatType`).
    pub const fn format(self) -> &'static str {
        match (self.month(), self.day()) {
            (0, _) => "YYYY",
            (_, 0) => "YYYY-MM",
            _ => "YYYY-MM-DD",
        }
    }

    /// The written form in a fixed buffer and how many of its bytes count.
    pub fn written(self) -> ([u8; 10], usize) {
        let mut out = *b"0000-00-00";
        put(&mut out, 0, 4, u64::from(self.year()));
        put(&mut out, 5, 2, u64::from(self.month()));
        put(&mut out, 8, 2, u64::from(self.day()));
        (out, self.format().len())
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl fmt::Display for PartialDate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, len) = self.written();
        bytes[..len]
            .iter()
            .try_for_each(|&byte| fmt::Write::write_char(out, char::from(byte)))
    }
}

/// A moment as the contracts' `Timestamp`: 14 digits `YYYYMMDDhhmmss`, Swedish local time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Digits of the written form.
    pub const LEN: usize = 14;

    /// From 14 digits that name a moment of the calendar.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != Self::LEN {
            return None;
        }
        let packed = u64::from(number(&bytes[..8])?) * 1_000_000 + u64::from(number(&bytes[8..])?);
        Self::from_number(packed)
    }

    /// From the packed number `YYYYMMDDhhmmss`.
    pub fn from_number(packed: u64) -> Option<Self> {
        Self(packed).civil().map(|_| Self(packed))
    }

    /// The packed number `YYYYMMDDhhmmss`.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The written form.
    pub fn written(self) -> [u8; 14] {
        let mut out = [b'0'; 14];
        put(&mut out, 0, 14, self.0);
        out
    }

    /// This moment, or one second after `last` when the clock has not moved past it: versions of a
    /// record are strictly increasing.
    pub fn after(self, last: Option<Self>) -> Self {
        match last {
            Some(last) if self <= last => last
                .civil()
                .and_then(|at| at.checked_add(jiff::SignedDuration::from_secs(1)).ok())
                .map_or(Self(last.0 + 1), Self::from_civil),
            _ => self,
        }
    }

    fn civil(self) -> Option<civil::DateTime> {
        let part = |div: u64, modulus: u64| i16::try_from(self.0 / div % modulus).ok();
        let small = |div: u64| i8::try_from(self.0 / div % 100).ok();
        civil::DateTime::new(
            part(10_000_000_000, 10_000)?,
            small(100_000_000)?,
            small(1_000_000)?,
            small(10_000)?,
            small(100)?,
            small(1)?,
            0,
        )
        .ok()
    }

    pub(super) fn from_civil(at: civil::DateTime) -> Self {
        let part = |value: i8| u64::from(value.unsigned_abs());
        Self(
            u64::from(at.year().unsigned_abs()) * 10_000_000_000
                + part(at.month()) * 100_000_000
                + part(at.day()) * 1_000_000
                + part(at.hour()) * 10_000
                + part(at.minute()) * 100
                + part(at.second()),
        )
    }
}

/// A moment as `xs:dateTime` in Swedish time with milliseconds and offset, for instance
/// `2020-09-16T08:34:33.000+02:00`. Packed so that the written form comes out by shifts alone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DateTime(u64);

/// Offsets are kept as quarters of an hour, biased to be positive.
const OFFSET_BIAS: i32 = 64;

impl DateTime {
    /// Bytes of the written form.
    pub const LEN: usize = 29;

    /// From an instant in any zone, written in Swedish time.
    pub fn from_zoned(at: &Zoned) -> Self {
        let at = at.with_time_zone(sweden());
        let quarters = at.offset().seconds() / 900 + OFFSET_BIAS;
        let part = |value: i32| u64::from(value.unsigned_abs());
        Self(
            part(i32::from(at.year())) << 43
                | part(i32::from(at.month())) << 39
                | part(i32::from(at.day())) << 34
                | part(i32::from(at.hour())) << 29
                | part(i32::from(at.minute())) << 23
                | part(i32::from(at.second())) << 17
                | part(i32::from(at.millisecond())) << 7
                | part(quarters) & 0x7f,
        )
    }

    /// From an `xs:dateTime`; without an offset it is Swedish time (TKB). Times from before the
    /// standard hour (1893) are refused: their local offsets have seconds, which the written form
    /// cannot tell.
    pub fn parse(text: &str) -> Option<Self> {
        let has_offset = text.ends_with('Z')
            || text
                .get(19..)
                .is_some_and(|rest| rest.contains('+') || rest.contains('-'));
        let at = if has_offset {
            text.parse::<jiff::Timestamp>().ok()?.to_zoned(sweden())
        } else {
            text.parse::<civil::DateTime>()
                .ok()?
                .to_zoned(sweden())
                .ok()?
        };
        let is_standard = at.offset().seconds() % 900 == 0;
        (at.year() >= 1 && is_standard).then(|| Self::from_zoned(&at))
    }

    /// From the packed bits; `None` when they are no moment.
    pub fn from_bits(bits: u64) -> Option<Self> {
        let at = Self(bits);
        let fits = bits >> 57 == 0
            && (1..=12).contains(&at.part(39, 4))
            && (1..=31).contains(&at.part(34, 5))
            && at.part(29, 5) < 24
            && at.part(23, 6) < 60
            && at.part(17, 6) < 60
            && at.part(7, 10) < 1000;
        fits.then_some(at)
    }

    /// The packed bits.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970 (UTC): the order of moments.
    pub fn instant(self) -> i64 {
        let small = |shift: u32, bits: u32| self.part(shift, bits) as i8;
        let millis = self.part(7, 10) as i32;
        let local = civil::DateTime::new(
            self.part(43, 14) as i16,
            small(39, 4),
            small(34, 5),
            small(29, 5),
            small(23, 6),
            small(17, 6),
            millis * 1_000_000,
        );
        let seconds = (self.part(0, 7) as i32 - OFFSET_BIAS) * 900;
        let offset = Offset::from_seconds(seconds);
        let at = local.and_then(|local| offset?.to_timestamp(local));
        at.map_or(0, jiff::Timestamp::as_millisecond)
    }

    /// The written form.
    pub fn written(self) -> [u8; 29] {
        let mut out = *b"0000-00-00T00:00:00.000+00:00";
        put(&mut out, 0, 4, self.part(43, 14));
        put(&mut out, 5, 2, self.part(39, 4));
        put(&mut out, 8, 2, self.part(34, 5));
        put(&mut out, 11, 2, self.part(29, 5));
        put(&mut out, 14, 2, self.part(23, 6));
        put(&mut out, 17, 2, self.part(17, 6));
        put(&mut out, 20, 3, self.part(7, 10));
        let bias = u64::from(OFFSET_BIAS.unsigned_abs());
        let quarters = self.part(0, 7);
        if quarters < bias {
            out[23] = b'-';
        }
        let minutes = quarters.abs_diff(bias) * 15;
        put(&mut out, 24, 2, minutes / 60);
        put(&mut out, 27, 2, minutes % 60);
        out
    }

    const fn part(self, shift: u32, bits: u32) -> u64 {
        self.0 >> shift & ((1 << bits) - 1)
    }
}

/// One moment in the forms a change needs. Taken once per change, so that everything the change
/// writes carries the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moment {
    /// As a record's version.
    pub timestamp: Timestamp,
    /// As a synchronisation or registration time.
    pub date_time: DateTime,
    /// As a date.
    pub date: PartialDate,
}

impl Moment {
    /// Now, in Swedish time.
    pub fn now() -> Self {
        Self::from_zoned(&Zoned::now())
    }

    /// A given instant.
    pub fn from_zoned(at: &Zoned) -> Self {
        let at = at.with_time_zone(sweden());
        let timestamp = Timestamp::from_civil(at.datetime());
        let date = u32::try_from(timestamp.number() / 1_000_000).unwrap_or(0);
        Self {
            timestamp,
            date_time: DateTime::from_zoned(&at),
            date: PartialDate(date),
        }
    }

    /// From an `xs:dateTime`.
    pub fn parse(text: &str) -> Option<Self> {
        DateTime::parse(text).map(Self::of)
    }

    /// The moment of a synchronisation or registration time.
    pub fn of(at: DateTime) -> Self {
        let at = jiff::Timestamp::from_millisecond(at.instant()).unwrap_or_default();
        Self::from_zoned(&at.to_zoned(sweden()))
    }
}

/// A time that nobody can set: how long the machine has been on, and since which start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Uptime {
    /// Milliseconds since the machine started, asleep or not.
    pub millis: u64,
    /// What tells one start from another; zeros where the system does not say.
    pub boot: [u8; 16],
}

impl Uptime {
    /// Now.
    pub fn now() -> Self {
        static BOOT: OnceLock<[u8; 16]> = OnceLock::new();
        let boot = || {
            let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
            text.map_or([0; 16], |text| {
                uuid::Uuid::parse_str(text.trim()).map_or([0; 16], uuid::Uuid::into_bytes)
            })
        };
        let since = clock_gettime(ClockId::Boottime);
        let millis = since.tv_sec * 1_000 + since.tv_nsec / 1_000_000;
        Self {
            millis: u64::try_from(millis).unwrap_or(0),
            boot: *BOOT.get_or_init(boot),
        }
    }

    /// How many milliseconds have passed since an earlier time; `None` when the machine has been
    /// started anew.
    pub fn since(self, earlier: Self) -> Option<u64> {
        let is_same = self.boot == earlier.boot && self.boot != [0; 16];
        is_same.then(|| self.millis.saturating_sub(earlier.millis))
    }
}

/// The seconds since 1970 from the beginning of a Swedish day to the end of another; `None` when they
/// are no dates, or in the wrong order.
pub fn seconds_of_days(first: &str, last: &str) -> Option<Range<i64>> {
    let day = |text: &str| {
        text.parse::<civil::Date>()
            .ok()
            .filter(|_| text.len() == 10)
    };
    let begins = |day: civil::Date| Some(day.to_zoned(sweden()).ok()?.timestamp().as_second());
    let (first, last) = (day(first)?, day(last)?);
    (first <= last).then_some(())?;
    Some(begins(first)?..begins(last.tomorrow().ok()?)?)
}

/// Europe/Stockholm. The rules are compiled in, so a machine without a time zone database answers
/// the same.
pub(super) fn sweden() -> TimeZone {
    thread_local! {
        static SWEDEN: TimeZone = sweden_anew();
    }
    // A thread that ends may still ask, when its own copy is gone.
    SWEDEN
        .try_with(TimeZone::clone)
        .unwrap_or_else(|_| sweden_anew())
}

fn sweden_anew() -> TimeZone {
    TimeZone::get("Europe/Stockholm").unwrap_or(TimeZone::UTC)
}

/// A number of digits only.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |sum, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10)
            .then(|| sum.checked_mul(10)?.checked_add(u32::from(digit)))
            .flatten()
    })
}

/// The numbers below a hundred, two digits each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// Writes `value` as `width` digits at `at`.
#[inline]
fn put(out: &mut [u8], at: usize, width: usize, mut value: u64) {
    let mut pairs = out[at..at + width].rchunks_exact_mut(2);
    for pair in &mut pairs {
        pair.copy_from_slice(&PAIRS[(value % 100) as usize]);
        value /= 100;
    }
    if let [digit] = pairs.into_remainder() {
        *digit = b'0' + (value % 10) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_dates_keep_what_is_known() {
        for (text, format, written) in [
            ("19410000", "YYYY", "1941"),
            ("19410700", "YYYY-MM", "1941-07"),
            ("1941-07-02", "YYYY-MM-DD", "1941-07-02"),
            ("1941", "YYYY", "1941"),
        ] {
            let date = PartialDate::parse(text).expect(text);
            assert_eq!(
                (date.format(), date.to_string().as_str()),
                (format, written)
            );
        }
        for bad in [
            "",
            "19411301",
            "1941-00",
            "1941-07-00",
            "19410732",
            "1941-7-2",
            "0",
            "x",
        ] {
            assert_eq!(PartialDate::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_date_that_does_not_exist_is_none() {
        for bad in [
            "2023-02-29",
            "20230229",
            "19000229",
            "20250431",
            "2100-02-29",
            "20230230",
        ] {
            assert_eq!(PartialDate::parse(bad), None, "{bad}");
        }
        for day in ["2024-02-29", "20000229", "2023-02-28"] {
            assert!(PartialDate::parse(day).is_some(), "{day}");
        }
        // Every day that the calendar has, and no other.
        for number in 18_990_101..19_050_101 {
            let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
            let whole = month > 0 && day > 0;
            let is_day = civil::Date::new(year as i16, month as i8, day as i8).is_ok();
            let expected = if whole {
                is_day
            } else {
                month <= 12 && day == 0
            };
            assert_eq!(
                PartialDate::from_number(number).is_some(),
                expected,
                "{number}"
            );
        }
    }

    #[test]
    fn what_older_records_hold_instead_is_read_as_far_as_it_can_be() {
        let read = |whole| PartialDate::from_record(20_230_229, whole).map(PartialDate::number);
        assert_eq!(
            (read(false), read(true)),
            (Some(20_230_200), Some(20_230_228))
        );
        assert_eq!(PartialDate::from_record(20_230_230, true), None);
        let leap = PartialDate::from_record(20_240_229, true);
        assert_eq!(leap.map(PartialDate::number), Some(20_240_229));
    }

    #[test]
    fn a_day_may_tell_its_zone() {
        for zone in ["", "Z", "+01:00", "-11:30", "+14:00"] {
            let day = PartialDate::parse_xs(&format!("2025-01-02{zone}"));
            assert_eq!(day.map(PartialDate::number), Some(20_250_102), "{zone}");
        }
        for bad in ["z", "+1:00", "+14:01", "+01:60", "+0100", " ", "T00:00:00"] {
            assert_eq!(
                PartialDate::parse_xs(&format!("2025-01-02{bad}")),
                None,
                "{bad}"
            );
        }
        for bad in ["2025-02-29+01:00", "2025-01+01:00", "2025", "2025-01-0é"] {
            assert_eq!(PartialDate::parse_xs(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates_are_compared_as_far_as_both_are_known() {
        let before = |one: &str, other: &str| {
            let parsed = |text| PartialDate::parse(text).unwrap();
            parsed(one).is_before(parsed(other))
        };
        assert!(before("2023-12-31", "2024"));
        assert!(before("2024-01", "2024-02-01") && before("2024-01-01", "2024-01-02"));
        for (one, other) in [
            ("2024", "2024-05"),
            ("2024-05", "2024-05-02"),
            ("2024-05-02", "2024"),
        ] {
            assert!(!before(one, other) && !before(other, one), "{one} {other}");
        }
    }

    #[test]
    fn date_times_follow_swedish_summer_time() {
        for (text, written) in [
            (
                "2020-09-16T08:34:33.000+02:00",
                "2020-09-16T08:34:33.000+02:00",
            ),
            ("2020-09-16T06:34:33Z", "2020-09-16T08:34:33.000+02:00"),
            ("2024-11-28T09:12:33", "2024-11-28T09:12:33.000+01:00"),
            (
                "2024-11-28T09:12:33.25-05:00",
                "2024-11-28T15:12:33.250+01:00",
            ),
        ] {
            let at = DateTime::parse(text).expect(text);
            assert_eq!(std::str::from_utf8(&at.written()).unwrap(), written);
            assert_eq!(DateTime::from_bits(at.bits()), Some(at));
        }
        assert_eq!(DateTime::parse("2024-13-01T00:00:00"), None);
        assert_eq!(DateTime::from_bits(u64::MAX), None);
    }

    /// Found by fuzzing exchange files: written and read again, they became other moments.
    #[test]
    fn moments_with_an_offset_that_cannot_be_written_are_refused() {
        assert_eq!(DateTime::parse("1010-09-16T08:34:33.000+02:00"), None);
        assert_eq!(DateTime::parse("1892-12-31T12:00:00"), None);
        for first in ["1894-01-01T00:00:00.000+01:00", "1945-06-01T00:00:00Z"] {
            let at = DateTime::parse(first).expect(first);
            let written = at.written();
            let again = std::str::from_utf8(&written).unwrap();
            assert_eq!(DateTime::parse(again), Some(at), "{first}");
        }
    }

    #[test]
    fn instants_order_moments_across_the_change_of_offset() {
        let before = DateTime::parse("2024-10-27T02:30:00+02:00").unwrap();
        let after = DateTime::parse("2024-10-27T02:10:00+01:00").unwrap();
        assert!(before.instant() < after.instant());
        for text in [
            "2024-10-27T02:10:00.123Z",
            "1900-01-01T00:00:00-11:45",
            "9998-12-31T23:59:59.999+14:00",
        ] {
            let at = DateTime::parse(text).unwrap();
            let wanted: jiff::Timestamp = text.parse().unwrap();
            assert_eq!(at.instant(), wanted.as_millisecond(), "{text}");
        }
    }

    #[test]
    fn versions_always_move() {
        let at = Timestamp::parse("20241231235959").unwrap();
        assert_eq!(at.after(None), at);
        assert_eq!(at.after(Some(at)).written(), *b"20250101000000");
        let earlier = Timestamp::parse("20200101000000").unwrap();
        assert_eq!(earlier.after(Some(at)).written(), *b"20250101000000");
        assert_eq!(Timestamp::parse("20241301000000"), None);
        assert_eq!(Timestamp::parse("2024010100000"), None);
    }

    #[test]
    fn a_moment_has_three_forms_of_one_time() {
        let at = Moment::parse("2025-01-07T23:30:00Z").unwrap();
        assert_eq!(at.timestamp.written(), *b"20250108003000");
        assert_eq!(at.date.to_string(), "2025-01-08");
        assert_eq!(
            &at.date_time.written()[..],
            b"2025-01-08T00:30:00.000+01:00"
        );
    }
}

//! Days that can be reckoned with. Packed dates are for records; these are for ages and spans.

use crate::base::time::PartialDate;

/// A day, counted from 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(i32);

impl Day {
    /// The day with this date, by the rule of the proleptic Gregorian calendar.
    pub(super) const fn new(year: i32, month: i32, day: i32) -> Self {
        // Years begin in March here, so that the leap day is the last.
        let year = if month <= 2 { year - 1 } else { year };
        let era = year.div_euclid(400);
        let of_era = year.rem_euclid(400);
        let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        Self(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }

    /// The first day that a date may mean.
    pub(super) fn first_of(date: PartialDate) -> Self {
        let part = |number: u32| number.max(1).cast_signed();
        Self::new(
            date.year().cast_signed(),
            part(date.month()),
            part(date.day()),
        )
    }

    /// Year, month and day.
    pub(super) const fn civil(self) -> (i32, i32, i32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let january = month >= 10;
        (
            year + era * 400 + january as i32,
            if january { month - 9 } else { month + 3 },
            day,
        )
    }

    /// As records keep it.
    pub(super) fn date(self) -> PartialDate {
        let (year, month, day) = self.civil();
        let number = (year * 10_000 + month * 100 + day).unsigned_abs();
        match PartialDate::from_number(number) {
            Some(date) => date,
            None => unreachable!("a day of the calendar is a date"),
        }
    }

    pub(super) const fn year(self) -> i32 {
        self.civil().0
    }

    pub(super) const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// So many years later; 29 February becomes 1 March.
    pub(super) const fn plus_years(self, years: i32) -> Self {
        let (year, month, day) = self.civil();
        Self::new(year + years, month, day)
    }

    /// Days from `earlier` to this one.
    pub(super) const fn since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// Whole years from birth to this day.
    pub(super) const fn age(self, birth: Self) -> i32 {
        let (year, month, day) = self.civil();
        let (born, born_month, born_day) = birth.civil();
        let before = month < born_month || month == born_month && day < born_day;
        year - born - before as i32
    }

    pub(super) fn earlier(self, other: Self) -> Self {
        if self < other { self } else { other }
    }

    pub(super) fn later(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_the_calendars() {
        let mut date = jiff::civil::date(1889, 12, 30);
        for count in 0..60_000 {
            let (year, month, day) = (
                i32::from(date.year()),
                i32::from(date.month()),
                i32::from(date.day()),
            );
            let reckoned = Day::new(year, month, day);
            assert_eq!(reckoned.civil(), (year, month, day));
            assert!(reckoned == Day::new(1889, 12, 30).plus(count));
            date = date.tomorrow().unwrap();
        }
        assert!(Day::new(1970, 1, 1) == Day(0));
        assert_eq!(Day::new(2025, 1, 7).date().number(), 20_250_107);
    }

    #[test]
    fn ages_change_on_the_birthday() {
        let birth = Day::new(2000, 2, 29);
        for (day, age) in [
            (Day::new(2018, 2, 28), 17),
            (Day::new(2018, 3, 1), 18),
            (birth, 0),
        ] {
            assert_eq!(day.age(birth), age);
        }
        assert!(birth.plus_years(1) == Day::new(2001, 3, 1));
    }
}

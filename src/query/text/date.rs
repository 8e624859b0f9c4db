//! Dates of birth as people type them: `1957`, `1957-03`, `195703`, `570321`, `21/3 1957`, `21 mars
//! 1957`. Some may be read in two ways (`191001` is January 1910 and a day of 1919 and of 2019):
//! then each is meant.

use crate::base::time::PartialDate;

/// Dates from one up to another, as `YYYYMMDD`.
pub type Span = (u32, u32);

/// Years in which somebody may be born.
const YEARS: std::ops::Range<u32> = 1850..2100;

/// The centuries that a year of two digits may be of.
const CENTURIES: [u32; 2] = [19, 20];

/// What the months are called. A date begins with a day, or else a month may be a name (Maj, Jan).
const MONTHS: [&str; 12] = [
    "januari",
    "februari",
    "mars",
    "april",
    "maj",
    "juni",
    "juli",
    "augusti",
    "september",
    "oktober",
    "november",
    "december",
];

/// Months that are nobody's name, so that no day needs to stand before them.
const NO_NAMES: [u32; 6] = [1, 2, 9, 10, 11, 12];

/// Letters of a month that are enough.
const SHORT_MONTH: usize = 3;

/// Reads the date that the first pieces are: its spans, and how many pieces it takes. One that is made
/// of digits alone may be something else as well.
pub fn read(pieces: &[&str]) -> Option<(Vec<Span>, usize)> {
    let one = *pieces.first()?;
    let digits = one.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(day) = ordinal(one)
        && let Some(month) = pieces.get(1).and_then(|text| month(text))
        && let Some(years) = pieces.get(2).and_then(|text| years(text))
    {
        return spans(&years, month, day).map(|spans| (spans, 3));
    }
    if let Some(month) = month(one).filter(|month| NO_NAMES.contains(month))
        && one != "jan"
        && let Some(years) = pieces.get(1).and_then(|text| full_year(text))
    {
        return spans(&[years], month, 0).map(|spans| (spans, 2));
    }
    if digits {
        return packed(one).map(|spans| (spans, 1));
    }
    let parts: Vec<&str> = one.split(['-', '/', '.']).collect();
    let spans_of =
        |year: &str, month: &str, day: &str| spans(&years(year)?, part(month)?, part(day)?);
    match *parts {
        [year, month] if year.len() == 4 => {
            spans(&[full_year(year)?], part(month)?, 0).map(|spans| (spans, 1))
        }
        [day, month] if one.contains('/') => {
            let year = pieces.get(1)?;
            spans_of(year, month, day).map(|spans| (spans, 2))
        }
        [year, month, day] if year.len() == 4 => spans_of(year, month, day).map(|spans| (spans, 1)),
        // 57-03-21, but 21/3-57 and 21.3.57.
        [year, month, day] if !one.contains(['/', '.']) => {
            spans_of(year, month, day).map(|spans| (spans, 1))
        }
        [day, month, year] => spans_of(year, month, day).map(|spans| (spans, 1)),
        _ => None,
    }
}

/// Digits without anything between them.
fn packed(digits: &str) -> Option<Vec<Span>> {
    let number = digits.parse::<u32>().ok()?;
    let found: Vec<Span> = match digits.len() {
        8 => spans(&[number / 10_000], number / 100 % 100, number % 100)?,
        6 => {
            let (month, day) = (number / 100 % 100, number % 100);
            let years = CENTURIES.map(|century| century * 100 + number / 10_000);
            let days = if day > 0 {
                spans(&years, month, day)
            } else {
                None
            };
            let year = Some(number / 100).filter(|year| YEARS.contains(year));
            let months = year.and_then(|year| spans(&[year], number % 100, 0));
            [days, months].into_iter().flatten().flatten().collect()
        }
        4 if YEARS.contains(&number) => vec![(number * 10_000, number * 10_000 + 9_999)],
        _ => Vec::new(),
    };
    (!found.is_empty()).then_some(found)
}

/// The day, or the whole month when the day is 0, in each of these years.
fn spans(years: &[u32], month: u32, day: u32) -> Option<Vec<Span>> {
    if month == 0 {
        return None;
    }
    let dates = years.iter().map(|&year| PartialDate::new(year, month, day));
    let span = |date: PartialDate| {
        let from = date.number();
        (from, if day == 0 { from + 99 } else { from })
    };
    dates.map(|date| date.map(span)).collect()
}

/// One or two digits of a day or month that is known.
fn part(text: &str) -> Option<u32> {
    let right = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| right && number > 0)
}

/// A day: `21`, `21.`, `21:a`, `3:e`.
fn ordinal(text: &str) -> Option<u32> {
    let ends = [".", ":a", ":e"];
    part(
        ends.iter()
            .find_map(|end| text.strip_suffix(end))
            .unwrap_or(text),
    )
}

fn full_year(text: &str) -> Option<u32> {
    let number = text.parse().ok().filter(|year| YEARS.contains(year));
    number.filter(|_| text.len() == 4)
}

fn years(text: &str) -> Option<Vec<u32>> {
    let short = || {
        let right = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse::<u32>().ok().filter(|_| right)?;
        Some(CENTURIES.map(|century| century * 100 + number).to_vec())
    };
    full_year(text).map(|year| vec![year]).or_else(short)
}

fn month(text: &str) -> Option<u32> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_it = |name: &&str| text.len() >= SHORT_MONTH && name.starts_with(text);
    (1..)
        .zip(MONTHS)
        .find(|(_, name)| is_it(name))
        .map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_people_type_them() {
        let day = |date| vec![(date, date)];
        let both = |date: u32| {
            vec![
                (19_000_000 + date, 19_000_000 + date),
                (20_000_000 + date, 20_000_000 + date),
            ]
        };
        let month = vec![(19_570_300, 19_570_399)];
        for (typed, expected, pieces) in [
            ("1957", vec![(19_570_000, 19_579_999)], 1),
            ("1957-03", month.clone(), 1),
            ("1957-3", month.clone(), 1),
            ("1957/03", month.clone(), 1),
            ("195703", month.clone(), 1),
            ("570321", both(570_321), 1),
            ("57-03-21", both(570_321), 1),
            ("19570321", day(19_570_321), 1),
            ("1957-03-21", day(19_570_321), 1),
            ("1957.03.21", day(19_570_321), 1),
            ("21/3 1957", day(19_570_321), 2),
            ("21/3 57", both(570_321), 2),
            ("21/3-57", both(570_321), 1),
            ("21/03/1957", day(19_570_321), 1),
            ("21.3.1957", day(19_570_321), 1),
            ("21.3.57", both(570_321), 1),
            ("21 mars 1957", day(19_570_321), 3),
            ("21 mar. 1957", day(19_570_321), 3),
            ("21:a mars 57", both(570_321), 3),
            ("1 sept 1957", day(19_570_901), 3),
            ("3 maj 1957 anna", day(19_570_503), 3),
            ("oktober 1910", vec![(19_101_000, 19_101_099)], 2),
            (
                "191001",
                vec![
                    (19_191_001, 19_191_001),
                    (20_191_001, 20_191_001),
                    (19_100_100, 19_100_199),
                ],
                1,
            ),
        ] {
            let words: Vec<&str> = typed.split(' ').collect();
            assert_eq!(read(&words), Some((expected, pieces)), "{typed}");
        }
        for typed in [
            "12",
            "12345",
            "570399",
            "1957-13",
            "31/4",
            "21/3",
            "0/3 1957",
            "30/2 1957",
            "21 anna 1957",
            "maj 1957",
            "jan 1957",
            "12-14",
            "1/2/3/4",
            "12b",
            "",
            "1849",
            "00000000",
            "4294967295",
        ] {
            let words: Vec<&str> = typed.split(' ').collect();
            let found = read(&words);
            assert!(found.is_none(), "{typed} {found:?}");
        }
    }
}

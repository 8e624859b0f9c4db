//! Personal numbers as people write them: ten digits, a sign that tells the century, and whatever
//! spaces and dashes a document or a telephone puts between.

use crate::base::time::PartialDate;

/// Characters of a personal number without its century.
const SHORT: usize = 10;

/// Digits from which on a beginning may be one without its century: a year and a month.
const LEAST_OF_PREFIX: usize = 4;

/// Where the sign stands.
const SIGN_AT: usize = 6;

/// Centuries in which people with personal numbers were born.
const CENTURIES: [&str; 3] = ["18", "19", "20"];

/// What people type, without its spaces and dashes. A plus stays: it tells the century, so nobody
/// may lose it.
pub fn bare(value: &str) -> String {
    let kept = value.chars().filter(|&c| !(is_space(c) || is_dash(c)));
    let plain = kept.map(|c| if c == '\u{ff0b}' { '+' } else { c });
    plain.collect()
}

/// The beginnings of twelve digits that the beginning of ten may stand for: with each century.
pub(super) fn prefixes_with_century(bare: &str) -> Vec<String> {
    let is_short = (LEAST_OF_PREFIX..=SHORT).contains(&bare.len());
    // What begins with a century has it.
    let has_century = CENTURIES.iter().any(|century| bare.starts_with(century));
    if !is_short || has_century || !bare.bytes().all(|byte| byte.is_ascii_digit()) {
        return Vec::new();
    }
    let whole = CENTURIES.iter().map(|century| format!("{century}{bare}"));
    whole.collect()
}

/// Whether a space stands alone where the sign of the century stands: in a query it may have been a
/// plus, and which of two people a hundred years apart is meant cannot be told.
pub fn may_have_lost_a_plus(value: &str) -> bool {
    let parts = value.trim().split_once(' ');
    parts.is_some_and(|(date, rest)| date.len() == SIGN_AT && rest.len() == SHORT - SIGN_AT)
}

/// Whether a bare value has the length of a number without its century.
pub(super) fn is_short(bare: &str) -> bool {
    bare.len() == SHORT || bare.len() == SHORT + 1 && bare.contains('+')
}

/// The twelve digits that ten stand for on a day; `None` for anything but ten digits.
///
/// The year is the latest that is not in the future. With a plus it is the one a hundred years
/// before: the sign changes with the year in which somebody turns 100.
pub(super) fn with_century(bare: &str, today: PartialDate) -> Option<String> {
    let (digits, is_old) = match bare.split_once('+') {
        Some((date, rest)) if date.len() == SIGN_AT => (format!("{date}{rest}"), true),
        Some(_) => return None,
        None => (bare.to_owned(), false),
    };
    if digits.len() != SHORT || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let in_century: u32 = digits.get(..2)?.parse().ok()?;
    let this_year = today.year();
    let mut year = this_year / 100 * 100 + in_century;
    for back in [year > this_year, is_old] {
        year = year.checked_sub(if back { 100 } else { 0 })?;
    }
    Some(format!("{year:04}{}", digits.get(2..)?))
}

/// White space, and what documents put in that has no width.
fn is_space(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
        )
}

/// Hyphen, dashes and minus signs of all sorts.
fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'
            ..='\u{2015}' | '\u{2043}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_and_the_day_tell_the_century() {
        for (typed, today, expected) in [
            ("121212+1212", "20261201", "191212121212"),
            ("121212-1212", "20261201", "20-1212121212"),
            ("1212121212", "20261201", "20-1212121212"),
            ("121212-1212", "20111231", "191212121212"),
            ("121212-1212", "20120101", "20-1212121212"),
            ("121212\u{2212}1212", "19991231", "191212121212"),
            ("121212\u{ff0b}1212", "19991231", "18-1212121212"),
            (
                "70\u{a0}01 78\u{2013}23\u{202f}95",
                "20261201",
                "197001782395",
            ),
            ("150072+2390", "20261201", "191500722390"),
            ("150388+2399", "20261201", "191503882399"),
        ] {
            let today = PartialDate::parse(today).unwrap();
            let found = with_century(&bare(typed), today);
            // A dash where nobody's number may stand in full.
            assert_eq!(found, Some(expected.replace('-', "")), "{typed}");
        }
    }

    #[test]
    fn nothing_else_gets_a_century() {
        let today = PartialDate::parse("20261201").unwrap();
        for typed in [
            "",
            "+",
            "191212121212",
            "19121212+1212",
            "1212+121212",
            "121212++1212",
            "121212+121",
            "121212-T121",
            "12121212123",
            "å21212-121",
        ] {
            assert_eq!(with_century(&bare(typed), today), None, "{typed}");
        }
    }
}

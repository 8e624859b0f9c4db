//! The names of countries in full, as Skatteverket writes them: what stands in an address abroad.
//!
//! Source: Skatteverket, NAVET Landskoder 2.1 of 2025-11-05 (`snapshots/source/README.md`).

use std::sync::LazyLock;

/// Code and name in capitals.
static COUNTRIES: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let table = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/snapshots/source/countries.tsv"
    ));
    table
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .chain(NO_COUNTRY)
        .collect()
});

/// What the list has for those whose country is none of the others.
const NO_COUNTRY: [(&str, &str); 4] = [
    ("XO", UNKNOWN),
    ("XS", "STATSLÖS"),
    ("XU", "UPPHÖRT LAND"),
    ("ZZ", "UNDER UTREDNING"),
];

const UNKNOWN: &str = "OKÄNT LAND";

/// The name of the country with this code, in capitals.
pub fn name(code: &str) -> &'static str {
    COUNTRIES
        .iter()
        .find(|(other, _)| *other == code)
        .map_or(UNKNOWN, |(_, name)| name)
}

/// Whether text is the name of a country, in any case.
pub fn is_name(text: &str) -> bool {
    let name = text.trim().to_uppercase();
    COUNTRIES.iter().any(|(_, other)| *other == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_codes_are_not_names() {
        assert_eq!((name("SE"), name("??")), ("SVERIGE", "OKÄNT LAND"));
        for known in ["DANMARK", "Förenade Arabemiraten", " åland ", "okänt land"] {
            assert!(is_name(known), "{known}");
        }
        for unknown in ["DK", "", "Danmarks", "JUGOSLAVIEN"] {
            assert!(!is_name(unknown), "{unknown}");
        }
        assert!(COUNTRIES.len() > 240);
        assert!(COUNTRIES.iter().all(|(_, name)| name.chars().count() <= 40));
    }
}

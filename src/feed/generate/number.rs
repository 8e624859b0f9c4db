//! Invented numbers with right check digits. They follow the rules of real numbers, so any of them
//! may be somebody's; that is why everybody made with one is marked as a test person, and why the
//! official test numbers are left to the demonstration register.

use std::collections::BTreeSet;

use super::day::Day;
use super::life::{Subject, TODAY};
use super::random::Random;
use super::source::{SOURCE, coordination_numbers, personal_numbers};
use crate::person::identity::{Formats, Identity};

const PNR: &str = "1.2.752.129.2.1.3.1";
const SNR: &str = "1.2.752.129.2.1.3.3";

/// The first day that numbers are made for.
const FIRST_DAY: Day = Day::new(1895, 1, 1);

/// Serial numbers of one sex on one day: 001 to 999, odd for men, less one.
const SERIALS: u16 = 499;

/// Coordination numbers in ten thousand, and people born long ago: so that, of fifteen million, 10.6
/// are registered in Sweden today.
const COORDINATION: usize = 600;
const LONG_AGO: usize = 1_840;

/// The number that guides, forms and this program's own examples use. It is on no official list.
const WELL_KNOWN: &str = "191212121212";

/// Gives out numbers, each once. Holds a counter per day and sex, whatever it has given out.
pub(super) struct Numbers {
    formats: Formats,
    /// Personal numbers, then coordination numbers; women, then men; by day.
    used: [[Vec<u16>; 2]; 2],
    /// Those that the demonstration register has: the official ones, and the well-known one.
    kept: BTreeSet<Identity>,
}

impl Numbers {
    pub(super) fn new(formats: &Formats) -> Self {
        let days = (TODAY.since(FIRST_DAY) + 1).unsigned_abs() as usize;
        let kept = personal_numbers()
            .map(|number| formats.parse(PNR, number))
            .chain(coordination_numbers().map(|number| formats.parse(SNR, number)))
            .chain([formats.parse(PNR, WELL_KNOWN)])
            .filter_map(Result::ok)
            .collect();
        let counters = || [vec![0; days], vec![0; days]];
        Self {
            formats: formats.clone(),
            used: [counters(), counters()],
            kept,
        }
    }

    /// Somebody with a new number; `None` when every number is given out.
    pub(super) fn subject(&mut self, random: &mut Random) -> Option<Subject> {
        let is_snr = random.chance(COORDINATION);
        let male = random.chance(5_000);
        let municipality = SOURCE.municipality(random);
        let birth = birth(municipality, random);
        let first = birth.since(FIRST_DAY).unsigned_abs() as usize;
        let days = self.used[0][0].len();
        // A day that is used up lends its number to the next.
        for day in (first..days).chain(0..first) {
            let given = &mut self.used[usize::from(is_snr)][usize::from(male)][day];
            while *given < SERIALS {
                let place = (usize::from(*given) * 7 + day) % usize::from(SERIALS) + 1;
                *given += 1;
                let serial = 2 * place + usize::from(male);
                let date = FIRST_DAY.plus(i32::try_from(day).unwrap_or(0));
                let (root, number) = written(date, serial % 1_000, is_snr);
                let identity = self.formats.with_check_digit(root, &number).ok();
                if let Some(identity) = identity.filter(|it| !self.kept.contains(it)) {
                    return Subject::of(identity, &self.formats).map(|subject| Subject {
                        municipality: Some(municipality),
                        ..subject
                    });
                }
            }
        }
        None
    }
}

/// A birthday: as old as people of the municipality are, or long ago, so that the register also
/// knows the dead.
fn birth(municipality: usize, random: &mut Random) -> Day {
    if random.chance(LONG_AGO) {
        return FIRST_DAY.plus(random.between(0, 50 * 365));
    }
    let age = SOURCE.age(municipality, random);
    let from = TODAY.plus_years(-age - 1).plus(1);
    from.plus(random.between(0, 364)).later(FIRST_DAY)
}

fn written(date: Day, serial: usize, is_snr: bool) -> (&'static str, String) {
    let (year, month, day) = date.civil();
    if is_snr {
        (SNR, format!("{year}{month:02}{:02}{serial:03}0", day + 60))
    } else {
        (PNR, format!("{year}{month:02}{day:02}{serial:03}0"))
    }
}

/// The person of the well-known number.
pub(super) fn well_known(formats: &Formats) -> Option<Subject> {
    let identity = formats.parse(PNR, WELL_KNOWN).ok()?;
    Subject::of(identity, formats)
}

/// Everybody with an official test number.
pub(super) fn official(formats: &Formats) -> Vec<Subject> {
    let personal = personal_numbers().map(|number| (PNR, number));
    let coordination = coordination_numbers().map(|number| (SNR, number));
    personal
        .chain(coordination)
        .filter_map(|(root, number)| formats.parse(root, number).ok())
        .filter_map(|identity| Subject::of(identity, formats))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_right_and_given_out_once() {
        let formats = Formats::standard();
        let mut numbers = Numbers::new(&formats);
        let mut random = Random::new(11);
        let mut seen = numbers.kept.clone();
        for _ in 0..50_000 {
            let subject = numbers.subject(&mut random).unwrap();
            assert!(formats.check_is_right(subject.identity));
            assert!(seen.insert(subject.identity));
        }
    }

    #[test]
    fn a_full_day_lends_from_the_next() {
        let formats = Formats::standard();
        let mut numbers = Numbers::new(&formats);
        for kind in &mut numbers.used {
            for sex in kind {
                let last = sex.len() - 1;
                sex[..last].fill(SERIALS);
                sex[last] = SERIALS - 1;
            }
        }
        let mut random = Random::new(11);
        let given = std::iter::from_fn(|| numbers.subject(&mut random)).count();
        assert!((1..=4).contains(&given));
    }
}

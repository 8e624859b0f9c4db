//! Homes: a place in Sweden where every code and name belongs together.

use super::random::Random;
use super::source::SOURCE;

/// A home. Small, so that a household can share one by value; the words are looked up when they are
/// written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Home {
    municipality: u16,
    postal: u16,
    parish: u16,
    district: u16,
    street: &'static str,
    number: u8,
    letter: Option<char>,
    /// Floor and door, for instance 1102; 0 in a house.
    apartment: u16,
    property: &'static str,
    block: u16,
    /// Stands for the property in keys.
    pub(super) key: u64,
}

/// What blocks are called.
const BLOCKS: [&str; 24] = [
    "BJÖRKEN",
    "BOKEN",
    "EKEN",
    "LINDEN",
    "LÖNNEN",
    "TALLEN",
    "GRANEN",
    "HASSELN",
    "KVARNEN",
    "SMEDJAN",
    "TRÄDGÅRDEN",
    "KLOCKAREN",
    "FISKAREN",
    "ORREN",
    "TJÄDERN",
    "LÄRKAN",
    "HJORTEN",
    "RÄVEN",
    "LODET",
    "SPADEN",
    "BLÅKLOCKAN",
    "PRÄSTGÅRDEN",
    "SÄTERIET",
    "ÖSTRA HAGEN",
];

impl Home {
    pub(super) fn new(random: &mut Random) -> Self {
        let municipality = SOURCE.municipality(random);
        Self::within(municipality, random)
    }

    /// A home in a municipality.
    pub(super) fn within(at: usize, random: &mut Random) -> Self {
        let municipality = &SOURCE.municipalities[at];
        let one_of = |range: &std::ops::Range<usize>, random: &mut Random| {
            (range.start + random.below(range.len())) as u16
        };
        let apartment = if random.chance(5_500) {
            let floor = 10 + u16::from(random.up_to(6));
            floor * 100 + 1 + u16::from(random.up_to(5))
        } else {
            0
        };
        Self {
            municipality: at as u16,
            postal: one_of(&municipality.postal, random),
            parish: one_of(&municipality.parishes, random),
            district: one_of(&municipality.districts, random),
            street: SOURCE.street(at, random),
            number: 1 + random.up_to(119),
            letter: random.chance(1_000).then(|| random.pick(&['A', 'B', 'C'])),
            apartment,
            property: random.pick(&BLOCKS),
            block: 1 + u16::from(random.up_to(89)),
            key: random.next(),
        }
    }

    /// Another home, mostly in the same municipality.
    pub(super) fn moved(&self, random: &mut Random) -> Self {
        if random.chance(6_500) {
            Self::within(usize::from(self.municipality), random)
        } else {
            Self::new(random)
        }
    }

    pub(super) fn municipality(&self) -> usize {
        usize::from(self.municipality)
    }

    pub(super) fn county_code(&self) -> &'static str {
        &SOURCE.municipalities[self.municipality()].code[..2]
    }

    pub(super) fn municipality_code(&self) -> &'static str {
        &SOURCE.municipalities[self.municipality()].code[2..]
    }

    pub(super) fn parish(&self) -> (&'static str, &'static str) {
        SOURCE.parishes[usize::from(self.parish)]
    }

    pub(super) fn district(&self) -> &'static str {
        SOURCE.districts[usize::from(self.district)]
    }

    pub(super) fn postal_code(&self) -> &'static str {
        SOURCE.postal[usize::from(self.postal)].0
    }

    pub(super) fn city(&self) -> &'static str {
        SOURCE.postal[usize::from(self.postal)].1
    }

    /// Street, number and apartment, as the register prints them.
    pub(super) fn street(&self) -> String {
        let letter = self
            .letter
            .map_or(String::new(), |letter| format!(" {letter}"));
        let apartment = match self.apartment {
            0 => String::new(),
            apartment => format!(" LGH {apartment}"),
        };
        format!("{} {}{letter}{apartment}", self.street, self.number)
    }

    pub(super) fn property(&self) -> String {
        format!("{} {}:{}", self.property, self.block, self.number)
    }

    pub(super) const fn has_apartment(&self) -> bool {
        self.apartment != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_fit_the_registers_lines() {
        let mut random = Random::new(3);
        for _ in 0..20_000 {
            let home = Home::new(&mut random);
            assert!(home.street().chars().count() <= 35, "{}", home.street());
            assert!(home.property().chars().count() <= 40);
            assert!(home.city().chars().count() <= 27);
            assert_eq!(home.street().to_uppercase(), home.street());
            let code = format!("{}{}", home.county_code(), home.municipality_code());
            assert_eq!(code, SOURCE.municipalities[home.municipality()].code);
        }
    }
}

//! Counties as a right: whose extracts somebody may take. A county is the two digits of the
//! population registration's `countyCode`.

use super::field::Field;
use super::record::Damaged;
use super::value::ValueRef;
use super::view::View;

/// Some counties, or all of them and those who are registered in none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counties {
    is_all: bool,
    /// A bit for each number of two digits.
    bits: u128,
}

/// The word for all counties.
const ALL: &str = "all";

const COUNTY: Field = Field::at("populationRegistrationLocality/countyCode");

impl Counties {
    /// Everybody, wherever they are registered.
    pub const ALL: Self = Self {
        is_all: true,
        bits: 0,
    };

    /// Reads codes of two digits, or the one word `all`.
    pub fn parse(codes: &[String]) -> Option<Self> {
        if let [only] = codes
            && only == ALL
        {
            return Some(Self::ALL);
        }
        let mut counties = Self::default();
        for code in codes {
            counties.bits |= bit(code.as_bytes())?;
        }
        Some(counties)
    }

    /// One county, by its two digits.
    pub fn one(code: &str) -> Option<Self> {
        let bits = bit(code.as_bytes())?;
        Some(Self {
            is_all: false,
            bits,
        })
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        !self.is_all && self.bits == 0
    }

    /// Whether everybody is meant.
    pub const fn is_all(self) -> bool {
        self.is_all
    }

    /// Whether a county is among them.
    pub fn has(self, code: [u8; 2]) -> bool {
        self.is_all || bit(&code).is_some_and(|it| self.bits & it != 0)
    }

    /// Whether these are part of others.
    pub const fn are_within(self, others: Self) -> bool {
        others.is_all || (!self.is_all && self.bits & !others.bits == 0)
    }

    /// Whether a person is registered in one of them, as far as the view shows it. Who is registered
    /// nowhere, or hides where, belongs to all counties only.
    pub fn have(self, view: &View<'_>) -> Result<bool, Damaged> {
        if self.is_all {
            return Ok(true);
        }
        for value in view.values(COUNTY) {
            if let ValueRef::Text(text) = value?
                && <[u8; 2]>::try_from(text.xml()).is_ok_and(|code| self.has(code))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn bit(code: &[u8]) -> Option<u128> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    match code {
        [tens, ones] => Some(1 << (digit(*tens)? * 10 + digit(*ones)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(codes: &[&str]) -> Option<Counties> {
        let codes: Vec<String> = codes.iter().map(|it| (*it).to_owned()).collect();
        Counties::parse(&codes)
    }

    #[test]
    fn codes_are_two_digits_and_all_stands_alone() {
        let two = read(&["01", "25"]).unwrap();
        assert!(two.has(*b"01") && two.has(*b"25") && !two.has(*b"02") && !two.has(*b"xx"));
        assert!(read(&[]).unwrap().is_empty() && !two.is_empty());
        let all = read(&["all"]).unwrap();
        assert!(all.is_all() && all.has(*b"99"));
        for odd in [&["1"][..], &["001"], &["ab"], &["01", "all"], &[""]] {
            assert_eq!(read(odd), None);
        }
    }

    #[test]
    fn a_part_is_within_the_whole() {
        let of = |codes| read(codes).unwrap();
        assert!(of(&["01"]).are_within(of(&["01", "03"])));
        assert!(!of(&["01", "04"]).are_within(of(&["01", "03"])));
        assert!(of(&["01"]).are_within(Counties::ALL) && Counties::ALL.are_within(Counties::ALL));
        assert!(!Counties::ALL.are_within(of(&["01"])));
    }
}

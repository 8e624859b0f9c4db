//! The identity formats as a table: OID, short name, pattern, check rule, and what the value tells
//! about birth and gender. Regions add rows by configuration (`identity_formats`).
//!
//! Sources: TKB 5.1 (roots of PNR, SNR, NRID), Inera's pages "Nationellt Reservidformat" and
//! "Lokala Reservid"; Örebro's row from the public library `SwedishIdentifier`; the regions from
//! number 21 on from HL7 Sweden's base profile for Patient. Where none of them names a check rule,
//! none is known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::identity::IdentityType;
use crate::base::time::PartialDate;

/// One row of the table, as written in code or in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FormatRow {
    /// The number that stands for this format in packed keys. It is written into snapshot files,
    /// so it must never be given to another format: 1 to 63 are `pu`'s own, 64 to 255 free for
    /// configuration.
    pub number: u8,
    /// The OID that stands in `IIType/root`.
    pub root: String,
    /// Short name: `PNR`, `SLL`, `VGRL` ...
    pub short_name: String,
    /// Who issues the identity, for people.
    pub name: String,
    /// The characters, position by position: `[0-9]`, `[A-HJ-NPk]`, a literal, each with an optional
    /// `{n}`. Capitals and small letters are different letters. `|` stands between alternatives, of
    /// which a value fits one at most.
    pub pattern: String,
    /// The check character rule, when there is one.
    #[serde(default)]
    pub check: Option<Check>,
    /// What the value tells about the date of birth.
    #[serde(default)]
    pub birth: Birth,
    /// What the value tells about gender.
    #[serde(default)]
    pub gender: Option<Parity>,
}

/// A check digit modulo 10: from the right, weights 2 1 2 1 ..., the decimal digits of each product
/// are added; the check digit fills up to the next ten. With digits alone this is the Luhn rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// First position that counts (from 0).
    pub from: usize,
    /// Position of the check digit; the positions before it count.
    pub at: usize,
    /// What a letter counts as, for instance `K5 M7 X8`; empty: its ASCII code.
    #[serde(default)]
    pub letters: String,
}

/// What a value tells about the date of birth, and thereby which dates are well-formed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Birth {
    /// Nothing.
    #[default]
    Unknown,
    /// The first eight digits are the date.
    Date,
    /// The first eight digits are the date when they can be one; others are well-formed too.
    DateIfReal,
    /// As [`Birth::Date`] with 60 added to the day; month 00 and day 60 stand for unknown.
    DatePlus60,
    /// The first six digits are year and month.
    Month,
    /// As [`Birth::Date`] when the character at position 9 is `F`; otherwise nothing.
    DateWhenF,
    /// The national reserve identity: century plus a multiple of three, or the `00` series of
    /// persons whose birth date is not known.
    NationalReserve,
}

/// Gender by parity: an odd number is a man, an even one a woman.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// First position of the number (from 0).
    pub from: usize,
    /// Position after the number.
    pub to: usize,
    /// Lowest number that tells a gender.
    #[serde(default)]
    pub lowest: u32,
    /// Highest number that tells a gender.
    #[serde(default = "no_highest")]
    pub highest: u32,
}

const fn no_highest() -> u32 {
    u32::MAX
}

/// The formats every register knows.
pub fn built_in() -> Vec<FormatRow> {
    let row = |number: u8, root: &str, short_name: &str, name: &str, pattern: &str| FormatRow {
        number,
        root: root.to_owned(),
        short_name: short_name.to_owned(),
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        check: None,
        birth: Birth::Unknown,
        gender: None,
    };
    let luhn = |from: usize| {
        Some(Check {
            from,
            at: 11,
            letters: String::new(),
        })
    };
    let parity = |from: usize, to: usize, lowest: u32, highest: u32| {
        Some(Parity {
            from,
            to,
            lowest,
            highest,
        })
    };
    // Without a check rule; the first digits are a date of the centuries 18 to 21.
    let dated = |number, root, short_name, name, rest: &str| FormatRow {
        birth: Birth::Date,
        ..row(
            number,
            root,
            short_name,
            name,
            &format!("1[89][0-9]{{6}}{rest}|2[01][0-9]{{6}}{rest}"),
        )
    };
    let any = u32::MAX;
    vec![
        FormatRow {
            check: luhn(2),
            birth: Birth::Date,
            gender: parity(10, 11, 0, any),
            ..row(1, "1.2.752.129.2.1.3.1", "PNR", "Personnummer", "[0-9]{12}")
        },
        FormatRow {
            check: luhn(2),
            birth: Birth::DatePlus60,
            gender: parity(10, 11, 0, any),
            ..row(
                2,
                "1.2.752.129.2.1.3.3",
                "SNR",
                "Samordningsnummer",
                "[0-9]{12}",
            )
        },
        FormatRow {
            check: luhn(0),
            birth: Birth::NationalReserve,
            gender: parity(10, 11, 0, any),
            ..row(
                3,
                "1.2.752.74.9.1",
                "NRID",
                "Nationellt reservid",
                "[0-9]{8}[A-HJ-NPR-UX-Z]{2}[0-9A-HJ-NPR-UX-Z][0-9]",
            )
        },
        FormatRow {
            check: luhn(4),
            ..row(
                16,
                "1.2.752.97.3.1.3",
                "SLL",
                "Region Stockholm",
                "99[0-9]{10}",
            )
        },
        FormatRow {
            check: Some(Check {
                from: 2,
                at: 11,
                letters: "K5 M7 X8".to_owned(),
            }),
            birth: Birth::Date,
            gender: parity(9, 11, 6, 79),
            ..row(
                17,
                "1.2.752.113.11.0.2.1.1.1",
                "VGRL",
                "Västra Götalandsregionen",
                "[0-9]{8}[KMX][0-9]{3}",
            )
        },
        FormatRow {
            birth: Birth::DateWhenF,
            gender: parity(10, 11, 2, 9),
            ..row(
                18,
                "1.2.752.74.9.2",
                "LIV",
                "Region Värmland",
                "[0-9]{8}S[FLPUX][0-9][1-9A-UW-Z]",
            )
        },
        FormatRow {
            check: luhn(2),
            birth: Birth::Month,
            ..row(
                19,
                "1.2.752.129.2.1.3.2",
                "CLNK",
                "Inera Carelink",
                "[0-9]{6}[3-5][0-9]{5}",
            )
        },
        row(
            20,
            "1.2.752.74.9.3",
            "ROL",
            "Region Örebro län",
            "[0-9]{8}T[0-9A-Z][0-9][0-9A-Z]",
        ),
        row(
            21,
            "1.2.752.113.11.0.2.1.1.4",
            "VGRG",
            "Västra Götalandsregionen, gemensamt",
            "[0-9]{8}[A-FHJ-NPR-Ykmx][0-9]{3}",
        ),
        row(
            22,
            "1.2.752.219.1.10.10.1",
            "RSKA",
            "Region Skåne",
            "[0-9]{6}[DEF][A-Z][01][A-Z]|[0-9]{8}[DEF][A-Z][01][A-Z]",
        ),
        dated(
            23,
            "1.2.752.74.9.5",
            "RB",
            "Region Blekinge",
            "[A-Z]{2}[0-9][A-Z]",
        ),
        dated(
            24,
            "1.2.752.269.1.1",
            "RVN",
            "Region Västernorrland",
            "[0-9]{3}R",
        ),
        dated(
            25,
            "1.2.752.266.1.1.1",
            "RSR",
            "Region Sörmland, reserv",
            "[A-Z]{2}[0-9][A-Z]",
        ),
        row(
            26,
            "1.2.752.266.1.1.2",
            "RSK",
            "Region Sörmland, katastrof",
            // The date is a mark, and the numbers begin with 001.
            "18[56]00101[KMNP]00[1-9]|18[56]00101[KMNP]0[1-9][0-9]|18[56]00101[KMNP][1-9][0-9]{2}",
        ),
        dated(
            27,
            "1.2.752.74.9.7",
            "RV",
            "Region Västerbotten",
            "[AEKR][0-9]{3}",
        ),
        FormatRow {
            birth: Birth::Month,
            ..row(
                28,
                "1.2.752.74.9.6",
                "RH",
                "Region Halland",
                "1[7-9][0-9]{4}[3-5][0-9]{5}|20[0-9]{4}[3-5][0-9]{5}",
            )
        },
        FormatRow {
            birth: Birth::DateIfReal,
            ..row(
                29,
                "1.2.752.74.9.9",
                "RG",
                "Region Gävleborg",
                "[0-9]{10}[KMX][0-9]",
            )
        },
        dated(
            30,
            "1.2.752.74.9.8",
            "RD",
            "Region Dalarna",
            "[A-Z][0-9]{3}",
        ),
    ]
}

/// Alternatives of one pattern.
const MOST_ALTERNATIVES: usize = 8;

/// Longest value of any format.
pub const MAX_LEN: usize = 16;

/// Bits of a packed key that hold the value.
const VALUE_BITS: u32 = 56;

/// Why a row cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The pattern does not follow the syntax.
    #[error("identity format {short_name}: the pattern is wrong at character {at}")]
    Pattern {
        /// Short name of the row.
        short_name: String,
        /// Position in the pattern, from 0.
        at: usize,
    },
    /// Two alternatives have a value in common.
    #[error("identity format {short_name}: alternative {at} has values of one before it")]
    Alternatives {
        /// Short name of the row.
        short_name: String,
        /// Which alternative, from 1.
        at: usize,
    },
    /// More values than a packed key holds.
    #[error(
        "identity format {short_name}: more values than {VALUE_BITS} bits, or over {MAX_LEN} characters"
    )]
    TooWide {
        /// Short name of the row.
        short_name: String,
    },
    /// A rule points outside the value.
    #[error(
        "identity format {short_name}: a rule points outside the value, or to letters without a value"
    )]
    Rule {
        /// Short name of the row.
        short_name: String,
    },
    /// Number, root or short name is taken.
    #[error("identity format {short_name}: its number, root or short name is already taken")]
    Taken {
        /// Short name of the row.
        short_name: String,
    },
    /// The number belongs to `pu` itself.
    #[error("identity format {short_name}: configured formats take the numbers 64 to 255")]
    Reserved {
        /// Short name of the row.
        short_name: String,
    },
}

/// A row ready for use.
#[derive(Clone, Debug)]
pub(super) struct Format {
    pub(super) row: FormatRow,
    shapes: Vec<ValueShape>,
    letters: [u8; 26],
}

/// One alternative of a pattern.
#[derive(Clone, Debug)]
struct ValueShape {
    alphabets: Vec<Alphabet>,
    digits_only: bool,
    /// The number of its first value: the values of the alternatives before it have the lower ones.
    first: u64,
    /// How many values it has.
    count: u64,
}

/// The characters allowed at one position, in ASCII order.
#[derive(Clone, Debug)]
struct Alphabet {
    chars: Vec<u8>,
    /// Rank of each ASCII character, 255 when it is not allowed.
    rank: [u8; 128],
}

impl Format {
    pub(super) fn compile(row: FormatRow) -> Result<Self, FormatError> {
        let short_name = || row.short_name.clone();
        let parsed = parse_patterns(&row.pattern).map_err(|at| FormatError::Pattern {
            short_name: short_name(),
            at,
        })?;
        let too_wide = || FormatError::TooWide {
            short_name: short_name(),
        };
        let mut shapes: Vec<ValueShape> = Vec::with_capacity(parsed.len());
        let mut first = 0_u64;
        for alphabets in parsed {
            let count = alphabets.iter().try_fold(1_u64, |product, alphabet| {
                product.checked_mul(alphabet.chars.len() as u64)
            });
            let count = count.filter(|_| alphabets.len() <= MAX_LEN);
            let count = count.ok_or_else(too_wide)?;
            let next = first.checked_add(count).ok_or_else(too_wide)?;
            let digits_only = alphabets.iter().all(Alphabet::is_digits);
            shapes.push(ValueShape {
                alphabets,
                digits_only,
                first,
                count,
            });
            first = next;
        }
        if first > 1 << VALUE_BITS {
            return Err(too_wide());
        }
        if let Some(at) = ambiguous(&shapes) {
            return Err(FormatError::Alternatives {
                short_name: short_name(),
                at,
            });
        }
        let len = shapes
            .iter()
            .map(|it| it.alphabets.len())
            .min()
            .unwrap_or(0);
        let digits = |from: usize, to: usize| {
            shapes.iter().all(|shape| {
                let places = shape.alphabets.get(from..to);
                places.is_some_and(|all| all.iter().all(Alphabet::is_digits))
            })
        };
        let letters = row
            .check
            .as_ref()
            .map_or(Some([0; 26]), |check| letter_values(&check.letters))
            .ok_or_else(|| FormatError::Rule {
                short_name: short_name(),
            })?;
        let check_fits = row.check.as_ref().is_none_or(|check| {
            check.from < check.at && check.at < len && digits(check.at, check.at + 1)
        });
        let parity_fits = row
            .gender
            .as_ref()
            .is_none_or(|it| it.from < it.to && it.to <= len);
        let birth_fits = match row.birth {
            Birth::Unknown => true,
            Birth::Month => digits(0, 8),
            Birth::DateWhenF => digits(0, 8) && len > 9,
            Birth::Date | Birth::DateIfReal | Birth::DatePlus60 | Birth::NationalReserve => {
                digits(0, 8)
            }
        };
        if !(check_fits && parity_fits && birth_fits) {
            return Err(FormatError::Rule {
                short_name: short_name(),
            });
        }
        Ok(Self {
            row,
            shapes,
            letters,
        })
    }

    pub(super) const fn kind(&self) -> IdentityType {
        IdentityType::of_number(self.row.number)
    }

    /// The value as a number, when it is well-formed: the characters fit the pattern and the date
    /// part can be one.
    pub(super) fn pack(&self, text: &str) -> Option<u64> {
        let bytes = text.as_bytes();
        let value = self.shapes.iter().find_map(|shape| shape.pack(bytes))?;
        self.dates_can_be(bytes).then_some(value)
    }

    /// The smallest and the largest number of values that begin with `prefix`, in capitals or small
    /// letters, whether or not their dates can be: a pair for each way they can begin so.
    pub(super) fn spans_of_prefix(&self, prefix: &str) -> Vec<(u64, u64)> {
        self.shapes
            .iter()
            .flat_map(|shape| shape.spans_of_prefix(prefix))
            .collect()
    }

    /// The characters of a packed value; `None` when the number is beyond the format.
    pub(super) fn unpack(&self, value: u64) -> Option<Text> {
        self.shapes.iter().find_map(|shape| shape.unpack(value))
    }

    /// The check character the value should have; `None` when the format has no check rule.
    pub(super) fn check_digit(&self, text: &str) -> Option<char> {
        let check = self.row.check.as_ref()?;
        let counted = text.as_bytes().get(check.from..check.at)?;
        let sum: u32 = counted
            .iter()
            .rev()
            .enumerate()
            .map(|(place, &byte)| {
                let value = match byte {
                    b'0'..=b'9' => u32::from(byte - b'0'),
                    b'A'..=b'Z' if check.letters.is_empty() => u32::from(byte),
                    b'A'..=b'Z' => u32::from(self.letters[usize::from(byte - b'A')]),
                    _ => 0,
                };
                let product = if place % 2 == 0 { value * 2 } else { value };
                product / 100 + product / 10 % 10 + product % 10
            })
            .sum();
        char::from_digit((10 - sum % 10) % 10, 10)
    }

    /// Whether the check character is right; formats without a rule always are.
    pub(super) fn check_is_right(&self, text: &str) -> bool {
        let at = self.row.check.as_ref().map(|check| check.at);
        at.is_none_or(|at| text[at..].chars().next() == self.check_digit(text))
    }

    /// The date of birth as far as the value tells it.
    pub(super) fn birth_date(&self, text: &str) -> Option<PartialDate> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        match self.row.birth {
            Birth::Date => PartialDate::new(year, month, day),
            Birth::DateIfReal => {
                PartialDate::new(year, month, day).filter(|date| date.is_complete())
            }
            Birth::DatePlus60 => {
                let day = day.checked_sub(60)?;
                PartialDate::new(year, month, if month == 0 { 0 } else { day })
            }
            Birth::Month => PartialDate::new(year, month, 0),
            Birth::DateWhenF if text.as_bytes().get(9) == Some(&b'F') => {
                PartialDate::new(year, month, day)
            }
            Birth::Unknown | Birth::DateWhenF => None,
            Birth::NationalReserve => {
                let (series, year) = (year / 100, year % 100);
                (series > 0)
                    .then(|| PartialDate::new(((series - 19) % 3 + 19) * 100 + year, month, day))?
            }
        }
    }

    /// The gender code (`1` man, `2` woman) as far as the value tells it.
    pub(super) fn gender(&self, text: &str) -> Option<&'static str> {
        let parity = self.row.gender.as_ref()?;
        let number: u32 = text.get(parity.from..parity.to)?.parse().ok()?;
        (parity.lowest..=parity.highest)
            .contains(&number)
            .then_some(if number % 2 == 1 { "1" } else { "2" })
    }

    fn dates_can_be(&self, bytes: &[u8]) -> bool {
        let pair = |at: usize| (bytes[at] - b'0') * 10 + bytes[at + 1] - b'0';
        match self.row.birth {
            Birth::Unknown | Birth::DateWhenF | Birth::DateIfReal => true,
            Birth::Date => (1..=12).contains(&pair(4)) && (1..=31).contains(&pair(6)),
            Birth::DatePlus60 => pair(4) <= 12 && (60..=91).contains(&pair(6)),
            Birth::Month => (1..=12).contains(&pair(4)) && (32..=59).contains(&pair(6)),
            Birth::NationalReserve if pair(0) == 0 => {
                (20..=99).contains(&pair(4)) && (40..=59).contains(&pair(6))
            }
            Birth::NationalReserve => {
                pair(0) >= 22 && (1..=12).contains(&pair(4)) && (1..=31).contains(&pair(6))
            }
        }
    }
}

impl ValueShape {
    fn pack(&self, bytes: &[u8]) -> Option<u64> {
        if bytes.len() != self.alphabets.len() {
            return None;
        }
        let mut value = 0;
        for (&byte, alphabet) in bytes.iter().zip(&self.alphabets) {
            value = value * alphabet.chars.len() as u64 + alphabet.rank_of(byte)?;
        }
        Some(self.first + value)
    }

    fn unpack(&self, value: u64) -> Option<Text> {
        let mut value = value
            .checked_sub(self.first)
            .filter(|&value| value < self.count)?;
        let mut out = Text {
            bytes: [b'0'; MAX_LEN],
            len: self.alphabets.len() as u8,
        };
        let places = out.bytes[..self.alphabets.len()].iter_mut().rev();
        if self.digits_only && self.alphabets.iter().all(|one| one.chars.len() == 10) {
            for place in places {
                *place = b'0' + (value % 10) as u8;
                value /= 10;
            }
        } else {
            for (place, alphabet) in places.zip(self.alphabets.iter().rev()) {
                let radix = alphabet.chars.len() as u64;
                *place = alphabet.chars[(value % radix) as usize];
                value /= radix;
            }
        }
        Some(out)
    }

    fn spans_of_prefix(&self, prefix: &str) -> Vec<(u64, u64)> {
        if prefix.len() > self.alphabets.len() {
            return Vec::new();
        }
        let mut given = prefix.bytes();
        let mut spans = vec![(0, 0)];
        for alphabet in &self.alphabets {
            let radix = alphabet.chars.len() as u64;
            let ends: Vec<(u64, u64)> = match given.next() {
                Some(byte) => {
                    let mut cases = vec![byte.to_ascii_uppercase(), byte.to_ascii_lowercase()];
                    cases.dedup();
                    let ranks = cases.into_iter().filter_map(|case| alphabet.rank_of(case));
                    ranks.map(|rank| (rank, rank)).collect()
                }
                None => vec![(0, radix - 1)],
            };
            let longer = |&(least, most): &(u64, u64)| {
                let ends = ends.iter();
                ends.map(move |end| (least * radix + end.0, most * radix + end.1))
            };
            spans = spans.iter().flat_map(longer).collect();
        }
        let moved = |(least, most)| (self.first + least, self.first + most);
        spans.into_iter().map(moved).collect()
    }
}

impl Alphabet {
    fn rank_of(&self, byte: u8) -> Option<u64> {
        let rank = *self.rank.get(usize::from(byte))?;
        (rank != u8::MAX).then_some(u64::from(rank))
    }

    fn is_digits(&self) -> bool {
        self.chars.iter().all(u8::is_ascii_digit)
    }
}

/// The place of an alternative, from 1, that has a value of one before it: its key would depend on
/// which is tried first.
fn ambiguous(shapes: &[ValueShape]) -> Option<usize> {
    let meets = |one: &ValueShape, other: &ValueShape| {
        let places = one.alphabets.iter().zip(&other.alphabets);
        let common =
            |(a, b): (&Alphabet, &Alphabet)| a.chars.iter().any(|&byte| b.rank_of(byte).is_some());
        one.alphabets.len() == other.alphabets.len() && places.into_iter().all(common)
    };
    let later = shapes.iter().enumerate();
    later
        .filter(|(at, shape)| shapes[..*at].iter().any(|before| meets(before, shape)))
        .map(|(at, _)| at + 1)
        .next()
}

/// The characters of one identity, held without allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text {
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl Text {
    /// The characters. They are ASCII digits and letters, so they need no escaping anywhere.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The characters as a string.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

/// Reads a pattern's alternatives; the error is the position of what does not fit.
fn parse_patterns(pattern: &str) -> Result<Vec<Vec<Alphabet>>, usize> {
    let mut begins = 0;
    let mut all = Vec::new();
    for alternative in pattern.split('|') {
        if all.len() == MOST_ALTERNATIVES {
            return Err(begins);
        }
        all.push(parse_pattern(alternative).map_err(|at| begins + at)?);
        begins += alternative.len() + 1;
    }
    Ok(all)
}

/// Reads one alternative; the error is the position of what does not fit.
fn parse_pattern(pattern: &str) -> Result<Vec<Alphabet>, usize> {
    let bytes = pattern.as_bytes();
    let mut alphabets: Vec<Alphabet> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'[' => {
                let end = pattern[at..].find(']').ok_or(at)? + at;
                alphabets.push(class(&bytes[at + 1..end]).ok_or(at)?);
                at = end + 1;
            }
            b'{' => {
                let end = pattern[at..].find('}').ok_or(at)? + at;
                let times: usize = pattern[at + 1..end].parse().map_err(|_| at)?;
                let last = alphabets.last().cloned().ok_or(at)?;
                if times == 0 || times > MAX_LEN {
                    return Err(at);
                }
                alphabets.extend(std::iter::repeat_n(last, times - 1));
                at = end + 1;
            }
            byte => {
                alphabets.push(class(&[byte]).ok_or(at)?);
                at += 1;
            }
        }
    }
    if alphabets.is_empty() {
        Err(0)
    } else {
        Ok(alphabets)
    }
}

fn class(members: &[u8]) -> Option<Alphabet> {
    let mut chars = Vec::new();
    let mut at = 0;
    while at < members.len() {
        let range = members.get(at + 1) == Some(&b'-') && at + 2 < members.len();
        let last = if range { members[at + 2] } else { members[at] };
        chars.extend(members[at]..=last);
        at += if range { 3 } else { 1 };
    }
    chars.sort_unstable();
    chars.dedup();
    let plain = !chars.is_empty() && chars.iter().all(u8::is_ascii_alphanumeric);
    plain.then(|| {
        let mut rank = [u8::MAX; 128];
        for (place, &byte) in chars.iter().enumerate() {
            rank[usize::from(byte)] = place as u8;
        }
        Alphabet { chars, rank }
    })
}

/// `K5 M7 X8` as a table.
fn letter_values(letters: &str) -> Option<[u8; 26]> {
    letters
        .split_whitespace()
        .try_fold([0; 26], |mut table, pair| {
            let (letter, value) = pair.split_at_checked(1)?;
            let letter = letter.as_bytes()[0];
            let slot = table.get_mut(usize::from(letter.checked_sub(b'A')?))?;
            *slot = value.parse().ok()?;
            Some(table)
        })
}

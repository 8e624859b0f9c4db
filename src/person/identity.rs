//! Identities: parsing, packing into a 64-bit key, and what a value tells.

use std::fmt;

use super::format::{Format, FormatError, FormatRow, Text, built_in};
use super::typed;
use crate::base::time::{Moment, PartialDate};

/// A person's identity as one number: the format's number in the high byte, the value below it.
/// Keys order as (format, alternative of its pattern, characters). Only well-formed values become identities.
///
/// `Debug` shows no value: an identity is personal data.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(u64);

impl Identity {
    /// The packed key.
    pub const fn key(self) -> u64 {
        self.0
    }

    /// From a key that [`Identity::key`] gave, for instance out of a file. A key of an unknown
    /// format has no characters: [`Formats::text`] answers `None`.
    pub const fn from_key(key: u64) -> Self {
        Self(key)
    }

    /// Which of the four kinds the identity is.
    pub const fn kind(self) -> IdentityType {
        IdentityType::of_number(self.format_number())
    }

    /// Whether care itself issued it (NRID or LRID): only then have some fields a meaning.
    pub fn is_reserve(self) -> bool {
        self.kind() <= IdentityType::Nrid
    }

    /// The smallest and the largest key of the format with this number.
    pub const fn span_of_format(number: u8) -> (Self, Self) {
        let first = (number as u64) << 56;
        (Self(first), Self(first | (u64::MAX >> 8)))
    }

    /// The number of its format.
    pub const fn format_number(self) -> u8 {
        (self.0 >> 56) as u8
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}([private])", self.kind())
    }
}

/// The kinds of identity, lowest first: the order of the link hierarchy (TKB, LinkPersonIdentity).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IdentityType {
    /// Local reserve identity, issued by a region.
    Lrid,
    /// National reserve identity.
    Nrid,
    /// Samordningsnummer, coordination number.
    Snr,
    /// Personnummer, personal number.
    Pnr,
}

impl IdentityType {
    /// The number of the format of personal numbers.
    const PNR_FORMAT: u8 = 1;

    /// The number of the format of coordination numbers.
    const SNR_FORMAT: u8 = 2;

    /// The number of the format of national reserve identities.
    pub const NRID_FORMAT: u8 = 3;

    pub(super) const fn of_number(number: u8) -> Self {
        match number {
            Self::PNR_FORMAT => Self::Pnr,
            Self::SNR_FORMAT => Self::Snr,
            Self::NRID_FORMAT => Self::Nrid,
            _ => Self::Lrid,
        }
    }
}

/// Why text is not an identity. The value is never part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No format has this root.
    #[error("the root is not one of this register's identity types")]
    UnknownRoot,
    /// The value breaks the format of its root.
    #[error("the value breaks the format of its root")]
    Malformed,
    /// No root was given and the value fits no format, or more than one.
    #[error("the value fits no identity type, or several: name the root")]
    Unclear,
}

/// The identity formats of one register: the built-in rows and those of the configuration.
#[derive(Clone, Debug)]
pub struct Formats {
    formats: Vec<Format>,
    by_number: [u8; 256],
}

const NONE: u8 = u8::MAX;

/// Lower numbers are `pu`'s own.
const FIRST_CONFIGURED: u8 = 64;

/// From here on, `pu`'s own rows came after regions had begun to configure theirs.
const FIRST_GIVING_WAY: u8 = 21;

impl Formats {
    /// The formats every register knows.
    pub fn standard() -> Self {
        let mut formats = Self {
            formats: Vec::new(),
            by_number: [NONE; 256],
        };
        for row in built_in() {
            // A built-in row that does not compile is caught by this room's tests.
            if formats.add(row).is_err() {
                debug_assert!(false, "a built-in identity format is wrong");
            }
        }
        formats
    }

    /// The built-in formats and `rows` beside them. A row whose root or short name a later version of
    /// `pu` brought along as well goes before that one: keys in a register mean what they meant.
    pub fn with(rows: &[FormatRow]) -> Result<Self, FormatError> {
        let mut formats = Self::standard();
        formats.give_way_to(rows);
        for row in rows {
            if row.number < FIRST_CONFIGURED {
                return Err(FormatError::Reserved {
                    short_name: row.short_name.clone(),
                });
            }
            formats.add(row.clone())?;
        }
        Ok(formats)
    }

    fn give_way_to(&mut self, rows: &[FormatRow]) {
        self.formats.retain(|format| {
            let own = &format.row;
            own.number < FIRST_GIVING_WAY
                || !rows.iter().any(|row| {
                    row.root == own.root || row.short_name.eq_ignore_ascii_case(&own.short_name)
                })
        });
        self.by_number = [NONE; 256];
        for (place, format) in self.formats.iter().enumerate() {
            self.by_number[usize::from(format.row.number)] = place as u8;
        }
    }

    fn add(&mut self, row: FormatRow) -> Result<(), FormatError> {
        let taken = self.rows().any(|other| {
            other.number == row.number
                || other.root == row.root
                || other.short_name.eq_ignore_ascii_case(&row.short_name)
        });
        if taken {
            return Err(FormatError::Taken {
                short_name: row.short_name,
            });
        }
        self.by_number[usize::from(row.number)] = self.formats.len() as u8;
        self.formats.push(Format::compile(row)?);
        Ok(())
    }

    /// The table's rows, built-in ones first.
    pub fn rows(&self) -> impl Iterator<Item = &FormatRow> {
        self.formats.iter().map(|format| &format.row)
    }

    /// The rows beyond the built-in ones.
    pub fn configured(&self) -> impl Iterator<Item = &FormatRow> {
        self.rows().filter(|row| row.number >= FIRST_CONFIGURED)
    }

    /// The identity that `extension` is under `root`.
    pub fn parse(&self, root: &str, extension: &str) -> Result<Identity, IdentityError> {
        let format = self
            .formats
            .iter()
            .find(|format| format.row.root == root)
            .ok_or(IdentityError::UnknownRoot)?;
        packed(format, extension).ok_or(IdentityError::Malformed)
    }

    /// The identity that `extension` is in the format with this number.
    pub fn parse_as(&self, format_number: u8, extension: &str) -> Result<Identity, IdentityError> {
        self.of(Identity(u64::from(format_number) << 56))
            .and_then(|format| packed(format, extension))
            .ok_or(IdentityError::Malformed)
    }

    /// The identity that a value most likely is, for those who have no register to ask: the only one
    /// that it can be, or the only one of several whose check digit is right. Whoever answers
    /// questions asks the register about all [`Formats::readings`].
    pub fn guess(&self, value: &str) -> Result<Identity, IdentityError> {
        match self.readings(value).as_slice() {
            [one] => Ok(*one),
            [first, second, ..] if self.is_checked(*first) && !self.is_checked(*second) => {
                Ok(*first)
            }
            _ => Err(IdentityError::Unclear),
        }
    }

    /// Every identity that a value can be, for people who do not write OIDs: one for each format it
    /// fits, most likely first. Only a register knows which of them there are. Ten digits are a
    /// personal or coordination number of the century that today and the sign tell.
    pub fn readings(&self, value: &str) -> Vec<Identity> {
        self.readings_on(value, || Moment::now().date)
    }

    /// As [`Formats::readings`], on another day. The day is asked only when the value needs one.
    pub fn readings_on(&self, value: &str, today: impl FnOnce() -> PartialDate) -> Vec<Identity> {
        let value = typed::bare(value);
        let capitals = value.to_uppercase();
        let mut all: Vec<Identity> = self
            .formats
            .iter()
            // Small letters are others than capitals where the format has both.
            .filter_map(|format| packed(format, &value).or_else(|| packed(format, &capitals)))
            .collect();
        if all.is_empty() {
            all.extend(self.of_ten_digits(&value, today));
        }
        // A check digit that is right by chance is rarer than one that was meant.
        all.sort_by_key(|identity| !self.is_checked(*identity));
        all
    }

    /// Whether it has a check digit, and the right one.
    fn is_checked(&self, identity: Identity) -> bool {
        let format = self.of(identity);
        format.is_some_and(|it| it.row.check.is_some()) && self.check_is_right(identity)
    }

    /// What somebody typed under a root that they told; the value as in [`Formats::readings`].
    pub fn typed(&self, root: &str, value: &str) -> Result<Identity, IdentityError> {
        if !self.rows().any(|row| row.root == root) {
            return Err(IdentityError::UnknownRoot);
        }
        let readings = self.readings(value);
        let own = |it: &Identity| self.root(*it) == Some(root);
        readings
            .into_iter()
            .find(own)
            .ok_or(IdentityError::Malformed)
    }

    /// The number that ten digits stand for. Its check digit must be right: a telephone number is
    /// typed by mistake more often than a number without its century that is old and wrong.
    fn of_ten_digits(&self, bare: &str, today: impl FnOnce() -> PartialDate) -> Option<Identity> {
        if !typed::is_short(bare) {
            return None;
        }
        let value = typed::with_century(bare, today())?;
        [IdentityType::PNR_FORMAT, IdentityType::SNR_FORMAT]
            .into_iter()
            .filter_map(|number| self.parse_as(number, &value).ok())
            .find(|identity| self.check_is_right(*identity))
    }

    /// The keys between which every identity lies whose characters begin with `prefix`, in capitals
    /// or small letters, and no other: some pairs for each format in which a value can begin so.
    pub fn spans_of_prefix(&self, prefix: &str) -> Vec<(Identity, Identity)> {
        let spans = self.formats.iter().flat_map(|format| {
            let number = u64::from(format.row.number) << 56;
            let spans = format.spans_of_prefix(prefix).into_iter();
            spans.map(move |(least, most)| (Identity(number | least), Identity(number | most)))
        });
        spans.collect()
    }

    /// As [`Formats::spans_of_prefix`], for a beginning that somebody typed: digits from a month on
    /// may also begin a personal or coordination number without its century, which then is any that
    /// lives have begun in.
    pub fn spans_of_typed_prefix(&self, prefix: &str) -> Vec<(Identity, Identity)> {
        let bare = typed::bare(prefix);
        let mut spans = self.spans_of_prefix(&bare);
        for whole in typed::prefixes_with_century(&bare) {
            let numbers = [IdentityType::PNR_FORMAT, IdentityType::SNR_FORMAT];
            let all = self.spans_of_prefix(&whole).into_iter();
            spans.extend(all.filter(|(first, _)| numbers.contains(&first.format_number())));
        }
        spans
    }

    /// The characters of an identity; `None` when its format is not in this table.
    pub fn text(&self, identity: Identity) -> Option<Text> {
        self.of(identity)?.unpack(identity.0 & (u64::MAX >> 8))
    }

    /// The OID of an identity's format.
    pub fn root(&self, identity: Identity) -> Option<&str> {
        Some(&self.of(identity)?.row.root)
    }

    /// The date of birth, as far as the value tells it.
    pub fn birth_date(&self, identity: Identity) -> Option<PartialDate> {
        self.of(identity)?.birth_date(self.text(identity)?.as_str())
    }

    /// The gender code (`1` man, `2` woman), as far as the value tells it.
    pub fn gender(&self, identity: Identity) -> Option<&'static str> {
        self.of(identity)?.gender(self.text(identity)?.as_str())
    }

    /// Whether the check character is right: demanded of what is issued or newly registered, not of
    /// what is looked up.
    pub fn check_is_right(&self, identity: Identity) -> bool {
        self.of(identity)
            .zip(self.text(identity))
            .is_some_and(|(format, text)| format.check_is_right(text.as_str()))
    }

    /// The value with its last character replaced by the right check digit, for those who make
    /// identities. `value` must fit the format of `root` otherwise.
    pub fn with_check_digit(&self, root: &str, value: &str) -> Result<Identity, IdentityError> {
        let format = self
            .formats
            .iter()
            .find(|format| format.row.root == root)
            .ok_or(IdentityError::UnknownRoot)?;
        let check = format.row.check.as_ref().ok_or(IdentityError::Malformed)?;
        let digit = format.check_digit(value).ok_or(IdentityError::Malformed)?;
        let mut corrected = value.to_owned();
        if !corrected.is_char_boundary(check.at) || corrected.len() <= check.at {
            return Err(IdentityError::Malformed);
        }
        corrected.replace_range(check.at..=check.at, digit.encode_utf8(&mut [0; 4]));
        packed(format, &corrected).ok_or(IdentityError::Malformed)
    }

    fn of(&self, identity: Identity) -> Option<&Format> {
        self.formats.get(usize::from(
            self.by_number[usize::from(identity.format_number())],
        ))
    }
}

fn packed(format: &Format, value: &str) -> Option<Identity> {
    debug_assert_eq!(format.kind(), IdentityType::of_number(format.row.number));
    format
        .pack(value)
        .map(|packed| Identity(u64::from(format.row.number) << 56 | packed))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::person::format::{Birth, Check};

    const PNR: &str = "1.2.752.129.2.1.3.1";
    const SNR: &str = "1.2.752.129.2.1.3.3";
    const NRID: &str = "1.2.752.74.9.1";
    const SLL: &str = "1.2.752.97.3.1.3";
    const VGRL: &str = "1.2.752.113.11.0.2.1.1.1";
    const LIV: &str = "1.2.752.74.9.2";
    const CLNK: &str = "1.2.752.129.2.1.3.2";
    const ROL: &str = "1.2.752.74.9.3";
    const VGRG: &str = "1.2.752.113.11.0.2.1.1.4";
    const RSKA: &str = "1.2.752.219.1.10.10.1";
    const RB: &str = "1.2.752.74.9.5";
    const RVN: &str = "1.2.752.269.1.1";
    const RSR: &str = "1.2.752.266.1.1.1";
    const RSK: &str = "1.2.752.266.1.1.2";
    const RV: &str = "1.2.752.74.9.7";
    const RH: &str = "1.2.752.74.9.6";
    const RG: &str = "1.2.752.74.9.9";
    const RD: &str = "1.2.752.74.9.8";

    #[test]
    fn every_built_in_row_compiles() {
        let formats = Formats::standard();
        assert_eq!(formats.rows().count(), built_in().len());
    }

    /// Published examples of each format: what they tell, and that their check characters are right.
    #[test]
    fn published_examples_are_read() {
        let formats = Formats::standard();
        for (root, value, kind, birth, gender) in [
            (PNR, "191212121212", IdentityType::Pnr, "1912-12-12", "1"),
            (SNR, "197001782395", IdentityType::Snr, "1970-01-18", "1"),
            (NRID, "22790814AA01", IdentityType::Nrid, "1979-08-14", "2"),
            (NRID, "22950606FH20", IdentityType::Nrid, "1995-06-06", "2"),
            (NRID, "22950606FH12", IdentityType::Nrid, "1995-06-06", "1"),
            (NRID, "25780404KHD5", IdentityType::Nrid, "1978-04-04", ""),
            (NRID, "00342145BZ31", IdentityType::Nrid, "", "1"),
            (NRID, "00749852BZK0", IdentityType::Nrid, "", ""),
            (SLL, "991981000010", IdentityType::Lrid, "", ""),
            (VGRG, "17001111A912", IdentityType::Lrid, "", ""),
            (VGRG, "17001111k912", IdentityType::Lrid, "", ""),
            (RSKA, "810829DA1B", IdentityType::Lrid, "", ""),
            (RSKA, "19810829DA1B", IdentityType::Lrid, "", ""),
            (RB, "20200501AA8A", IdentityType::Lrid, "2020-05-01", ""),
            (RVN, "20100101014R", IdentityType::Lrid, "2010-01-01", ""),
            (RSR, "19600606AA1G", IdentityType::Lrid, "1960-06-06", ""),
            (RSK, "18500101N123", IdentityType::Lrid, "", ""),
            (RSK, "18600101P001", IdentityType::Lrid, "", ""),
            (RV, "19890715R910", IdentityType::Lrid, "1989-07-15", ""),
            (RH, "201905355622", IdentityType::Lrid, "2019-05", ""),
            (RG, "1965120701M1", IdentityType::Lrid, "1965-12-07", ""),
            (RG, "1965130701M1", IdentityType::Lrid, "", ""),
            (RD, "19010105Y202", IdentityType::Lrid, "1901-01-05", ""),
            (VGRL, "19810829M071", IdentityType::Lrid, "1981-08-29", "1"),
            (VGRL, "19450829K088", IdentityType::Lrid, "1945-08-29", "2"),
            (VGRL, "19930829X802", IdentityType::Lrid, "1993-08-29", ""),
            (LIV, "19810829SU3A", IdentityType::Lrid, "", "1"),
            (LIV, "19810829SF2B", IdentityType::Lrid, "1981-08-29", "2"),
            (CLNK, "198108320014", IdentityType::Lrid, "1981-08", ""),
            (ROL, "12345678TA0A", IdentityType::Lrid, "", ""),
            (ROL, "19930829T320", IdentityType::Lrid, "", ""),
        ] {
            let identity = formats.parse(root, value).expect(value);
            assert_eq!(identity.kind(), kind, "{value}");
            assert_eq!(formats.text(identity).unwrap().as_str(), value);
            assert_eq!(formats.root(identity), Some(root));
            let told = formats
                .birth_date(identity)
                .map_or(String::new(), |date| date.to_string());
            assert_eq!(told, birth, "{value}");
            assert_eq!(formats.gender(identity).unwrap_or(""), gender, "{value}");
            assert!(formats.check_is_right(identity), "{value}");
        }
    }

    #[test]
    fn unknown_parts_of_a_coordination_number_stay_unknown() {
        let formats = Formats::standard();
        let told = |value: &str| formats.birth_date(formats.parse(SNR, value).unwrap());
        assert_eq!(told("197000782390").unwrap().to_string(), "1970");
        assert_eq!(told("197003602390").unwrap().to_string(), "1970-03");
        assert_eq!(told("197000602390").unwrap().to_string(), "1970");
    }

    #[test]
    fn what_breaks_a_format_is_refused() {
        let formats = Formats::standard();
        for (root, value) in [
            (PNR, "19121212121"),
            (PNR, "1912121212121"),
            (PNR, "191213121212"),
            (PNR, "191212001212"),
            (PNR, "19121212-121"),
            (PNR, "197001782395"),
            (SNR, "191212121212"),
            (SNR, "197013782395"),
            (NRID, "22790814AI01"),
            (NRID, "21790814AA01"),
            (NRID, "00341945BZ31"),
            (VGRL, "19810829A071"),
            (LIV, "19810829SU3V"),
            (VGRG, "17001111G912"),
            (VGRG, "17001111a912"),
            (RSKA, "10829DA1B"),
            (RSKA, "9810829DA1B"),
            (RSKA, "810829GA1B"),
            (RB, "22200501AA8A"),
            (RB, "20201301AA8A"),
            (RB, "20200501-AA8A"),
            (RSK, "18500101N000"),
            (RSK, "18700101N123"),
            (RH, "201905605622"),
            (RD, "17010105Y202"),
            (PNR, ""),
            (PNR, "19121212121å"),
        ] {
            assert_eq!(
                formats.parse(root, value),
                Err(IdentityError::Malformed),
                "{value}"
            );
        }
        assert_eq!(
            formats.parse("1.2.3", "191212121212"),
            Err(IdentityError::UnknownRoot)
        );
    }

    #[test]
    fn a_wrong_check_digit_is_well_formed_but_not_right() {
        let formats = Formats::standard();
        let identity = formats.parse(PNR, "191212121213").unwrap();
        assert!(!formats.check_is_right(identity));
        let right = formats.with_check_digit(PNR, "191212121213").unwrap();
        assert_eq!(formats.text(right).unwrap().as_str(), "191212121212");
    }

    #[test]
    fn bare_values_are_all_that_they_can_be() {
        let formats = Formats::standard();
        for (value, roots) in [
            ("19121212-1212", &[PNR][..]),
            ("197001782395", &[SNR]),
            ("22790814aa01", &[NRID]),
            ("991981000010", &[SLL]),
            // The check digit is right for the first.
            ("19810829M071", &[VGRL, VGRG, RD]),
            ("19810829-m071", &[VGRL, VGRG, RD]),
            ("12345678TA0A", &[ROL]),
            ("198108320014", &[CLNK, RH]),
            ("20200501-AA8A", &[RB, RSR]),
            ("20200501\u{2013}aa8a", &[RB, RSR]),
            ("19651207-01M1", &[RG]),
            ("810829 DA1B", &[RSKA]),
            ("20100101014r", &[RVN]),
            ("121212-T121", &[]),
            ("x", &[]),
        ] {
            let found = formats.readings(value);
            let found: Vec<_> = found
                .into_iter()
                .filter_map(|it| formats.root(it))
                .collect();
            assert_eq!(found, roots, "{value}");
        }
        // Letter case tells two of a region's numbers apart, where the region has both.
        let found = |value: &str| {
            let read = formats.typed(VGRG, value).unwrap();
            formats.text(read).unwrap().as_str().to_owned()
        };
        assert_eq!(found("17001111-k912"), "17001111k912");
        assert_eq!(found("17001111-K912"), "17001111K912");
        assert_eq!(found("17001111-a912"), "17001111A912");
        assert_eq!(formats.guess("x"), Err(IdentityError::Unclear));
        assert_eq!(formats.guess("20200501AA8A"), Err(IdentityError::Unclear));
    }

    /// Keys are written into files: these were there before the later regions.
    #[test]
    fn keys_of_the_first_formats_stay() {
        let formats = Formats::standard();
        for (root, value, number, packed) in [
            (PNR, "191212121212", 1_u64, 191_212_121_212),
            (SNR, "197001782395", 2, 197_001_782_395),
            (SLL, "991981000010", 16, 1_981_000_010),
            (VGRL, "19810829M071", 17, (19_810_829 * 3 + 1) * 1000 + 71),
            (CLNK, "198108320014", 19, (198_108 * 3) * 100_000 + 20_014),
        ] {
            let identity = formats.parse(root, value).unwrap();
            assert_eq!(identity.key(), number << 56 | packed, "{value}");
        }
    }

    #[test]
    fn a_beginning_without_century_begins_in_both() {
        let formats = Formats::standard();
        let begins = |prefix: &str, value: &str| {
            let identity = formats.guess(value).expect(value);
            let spans = formats.spans_of_typed_prefix(prefix);
            spans.iter().any(|(a, b)| (*a..=*b).contains(&identity))
        };
        for prefix in ["1212", "121212", "121212-12", "12 12", "1912", "19121212-1"] {
            assert!(begins(prefix, "191212121212"), "{prefix}");
        }
        assert!(begins("7001", "197001782395") && begins("700178-23", "197001782395"));
        for prefix in ["1213", "7001", "121212-12x", "121"] {
            assert!(!begins(prefix, "191212121212"), "{prefix}");
        }
        // The beginning of another format's value stays that alone.
        assert!(!begins("2790", "22790814AA01"));
    }

    /// A region that configured its numbers before `pu` knew them keeps its keys.
    #[test]
    fn a_configured_row_goes_before_a_later_built_in_one() {
        let mut row = built_in().into_iter().find(|it| it.root == RB).unwrap();
        row.number = 64;
        row.short_name = "BLE".into();
        let formats = Formats::with(std::slice::from_ref(&row)).unwrap();
        let identity = formats.parse(RB, "20200501AA8A").unwrap();
        assert_eq!(identity.format_number(), 64);
        assert_eq!(formats.text(identity).unwrap().as_str(), "20200501AA8A");
        assert_eq!(formats.rows().count(), built_in().len());
        let other = formats.parse(RD, "19010105Y202").unwrap();
        assert_eq!(formats.root(other), Some(RD));
    }

    #[test]
    fn ten_digits_are_a_number_of_the_nearest_century() {
        let formats = Formats::standard();
        let today = || PartialDate::parse("20261201").unwrap();
        let one = |typed: &str| match formats.readings_on(typed, today)[..] {
            [one] => Some(one),
            _ => None,
        };
        for (typed, root, value) in [
            ("121212+1212", PNR, "191212121212"),
            (" 121212 + 1212 ", PNR, "191212121212"),
            ("700178-2395", SNR, "197001782395"),
            ("7001782395", SNR, "197001782395"),
            ("700178\u{2013}2395", SNR, "197001782395"),
            ("19700178\u{a0}2395", SNR, "197001782395"),
            ("150072+2390", SNR, "191500722390"),
            ("150088+2392", SNR, "191500882392"),
            ("150388+2399", SNR, "191503882399"),
        ] {
            let identity = one(typed).expect(typed);
            assert_eq!(formats.text(identity).unwrap().as_str(), value, "{typed}");
            assert_eq!(formats.root(identity), Some(root), "{typed}");
        }
        // The century is not tried until one fits: this is nobody born in 1912.
        let young = one("121212-1212").unwrap();
        let young = formats.text(young).unwrap();
        assert!(young.as_str().starts_with("2012") && young.as_str().ends_with("12121212"));
        // Telephone numbers, universities' numbers, a plus that is not between date and number.
        for typed in ["070961 2346", "121212-T121", "1212+121212", "19121212+1212"] {
            assert_eq!(one(typed), None, "{typed}");
        }
    }

    #[test]
    fn regions_add_formats_by_configuration() {
        let row = FormatRow {
            number: 64,
            root: "1.2.752.999.1".into(),
            short_name: "RX".into(),
            name: "Region Exempel".into(),
            pattern: "[0-9]{8}RX[0-9]{2}".into(),
            check: Some(Check {
                from: 0,
                at: 11,
                letters: "R1 X2".into(),
            }),
            birth: Birth::Date,
            gender: None,
        };
        let formats = Formats::with(std::slice::from_ref(&row)).unwrap();
        let identity = formats.with_check_digit(&row.root, "19930829RX10").unwrap();
        assert_eq!(identity.kind(), IdentityType::Lrid);
        assert!(formats.check_is_right(identity));
        assert_eq!(
            formats.birth_date(identity).unwrap().to_string(),
            "1993-08-29"
        );

        let changed = |change: &dyn Fn(&mut FormatRow)| {
            let mut other = row.clone();
            change(&mut other);
            Formats::with(&[other]).unwrap_err()
        };
        let short_name = || "RX".to_owned();
        assert_eq!(
            changed(&|it| it.number = 16),
            FormatError::Reserved {
                short_name: short_name()
            }
        );
        assert_eq!(
            changed(&|it| it.root = PNR.into()),
            FormatError::Taken {
                short_name: short_name()
            }
        );
        assert_eq!(
            changed(&|it| it.pattern = "[0-9]{8}RX[0-9]{2}|[0-9]{10}[X-Z][0-9]|1{8}RX00".into()),
            FormatError::Alternatives {
                short_name: short_name(),
                at: 3
            }
        );
        assert_eq!(
            changed(&|it| it.pattern = "[0-9A-Z]{12}".into()),
            FormatError::TooWide {
                short_name: short_name()
            }
        );
        assert_eq!(
            changed(&|it| it.pattern = "[0-9]{8}[".into()),
            FormatError::Pattern {
                short_name: short_name(),
                at: 8
            }
        );
        assert_eq!(
            changed(&|it| it.check = Some(Check {
                from: 3,
                at: 12,
                letters: String::new()
            })),
            FormatError::Rule {
                short_name: short_name()
            }
        );
    }

    #[test]
    fn prefixes_that_no_format_has_have_no_span() {
        let formats = Formats::standard();
        for prefix in ["å", "1912121212123", "19121212121", "x"] {
            let spans = formats.spans_of_prefix(prefix);
            let whole = prefix.bytes().all(|byte| byte.is_ascii_digit()) && prefix.len() <= 12;
            assert_eq!(spans.is_empty(), !whole, "{prefix}");
        }
        let all = formats.spans_of_prefix("");
        let alternatives = |row: FormatRow| row.pattern.split('|').count();
        assert_eq!(
            all.len(),
            built_in().into_iter().map(alternatives).sum::<usize>()
        );
        for (first, last) in all {
            let (least, most) = Identity::span_of_format(first.format_number());
            assert!(first >= least && last < most);
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let identity = Formats::standard().parse(PNR, "191212121212").unwrap();
        assert_eq!(format!("{identity:?}"), "Pnr([private])");
    }

    proptest! {
        #[test]
        fn packing_keeps_the_characters_and_their_order(
            (place, a, b) in (0..built_in().len()).prop_flat_map(|place| {
                let pattern = built_in()[place].pattern.clone();
                let value = || proptest::string::string_regex(&pattern).unwrap();
                (Just(place), value(), value())
            })
        ) {
            let formats = Formats::standard();
            let root = built_in()[place].root.clone();
            if let (Ok(x), Ok(y)) = (formats.parse(&root, &a), formats.parse(&root, &b)) {
                let written = formats.text(x).unwrap();
                prop_assert_eq!(written.as_str(), a.as_str());
                prop_assert_eq!(Identity::from_key(x.key()), x);
                if built_in()[place].pattern.contains('|') {
                    prop_assert_eq!(x == y, a == b);
                } else {
                    prop_assert_eq!(x.cmp(&y), a.cmp(&b));
                }
            }
        }

        /// An identity lies in the span of a prefix exactly when its characters begin so.
        #[test]
        fn a_prefix_is_a_span_of_keys(
            (value, prefix) in (0..built_in().len(), 0..built_in().len()).prop_flat_map(|(a, b)| {
                let value = |place: usize| {
                    proptest::string::string_regex(&built_in()[place].pattern).unwrap()
                };
                (value(a), value(b))
            }),
            length in 0_usize..=12,
            own: bool,
        ) {
            let formats = Formats::standard();
            let prefix = if own { &value } else { &prefix };
            let prefix = &prefix[..length.min(prefix.len())];
            let spans = formats.spans_of_prefix(prefix);
            for row in built_in() {
                if let Ok(identity) = formats.parse_as(row.number, &value) {
                    let within = spans.iter().any(|(a, b)| (a..=b).contains(&&identity));
                    let begins = value.to_lowercase().starts_with(&prefix.to_lowercase());
                    prop_assert_eq!(within, begins);
                }
            }
            for (a, b) in &spans {
                let begins = |identity: &Identity| {
                    let text = formats.text(*identity).unwrap().as_str().to_lowercase();
                    text.starts_with(&prefix.to_lowercase())
                };
                prop_assert!(a <= b && begins(a) && begins(b));
                prop_assert!(a.format_number() == b.format_number());
            }
        }

        #[test]
        fn any_key_is_safe_to_write(key: u64) {
            let formats = Formats::standard();
            let _ = formats.text(Identity::from_key(key));
            let _ = formats.birth_date(Identity::from_key(key));
        }
    }
}

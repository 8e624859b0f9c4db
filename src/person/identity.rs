//! Identities: parsing, packing into a 64-bit key, and what a value tells.

use std::fmt;

use super::format::{Format, FormatError, FormatRow, Text, built_in};
use super::typed;
use crate::base::time::{Moment, PartialDate};

/// A person's identity as one number: the format's number in the high byte, the value below it.
/// Keys order as (format, characters). Only well-formed values become identities.
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

    /// The built-in formats and `rows` beside them.
    pub fn with(rows: &[FormatRow]) -> Result<Self, FormatError> {
        let mut formats = Self::standard();
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

    /// The identity that a bare value is, for people who do not write OIDs: the one format it fits,
    /// where a right check character and PNR, SNR, NRID before local formats decide between several.
    /// Ten digits are a personal or coordination number of the century that today and the sign tell.
    pub fn guess(&self, value: &str) -> Result<Identity, IdentityError> {
        self.guess_on(value, || Moment::now().date)
    }

    /// As [`Formats::guess`], on another day. The day is asked only when the value needs one.
    pub fn guess_on(
        &self,
        value: &str,
        today: impl FnOnce() -> PartialDate,
    ) -> Result<Identity, IdentityError> {
        let value = typed::bare(value);
        if let Some(identity) = self.of_ten_digits(&value, today) {
            return Ok(identity);
        }
        let fitting = || {
            self.formats
                .iter()
                .filter_map(|format| packed(format, &value).map(|identity| (format, identity)))
        };
        let right = fitting()
            .find(|(format, _)| format.row.check.is_some() && format.check_is_right(&value));
        if let Some((_, identity)) = right {
            return Ok(identity);
        }
        let mut all = fitting();
        match (all.next(), all.next()) {
            (Some((_, identity)), None) => Ok(identity),
            (Some((_, identity)), Some(_)) if identity.kind() == IdentityType::Pnr => Ok(identity),
            _ => Err(IdentityError::Unclear),
        }
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

    /// The keys between which every identity lies whose characters begin with `prefix`, and no
    /// other: one pair for each format in which a value can begin so.
    pub fn spans_of_prefix(&self, prefix: &str) -> Vec<(Identity, Identity)> {
        let spans = self.formats.iter().filter_map(|format| {
            let (least, most) = format.span_of_prefix(prefix)?;
            let number = u64::from(format.row.number) << 56;
            Some((Identity(number | least), Identity(number | most)))
        });
        spans.collect()
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
    fn bare_values_are_recognised() {
        let formats = Formats::standard();
        for (value, root) in [
            ("19121212-1212", PNR),
            ("197001782395", SNR),
            ("22790814aa01", NRID),
            ("991981000010", SLL),
            ("19810829M071", VGRL),
            ("12345678TA0A", ROL),
        ] {
            let identity = formats.guess(value).expect(value);
            assert_eq!(formats.root(identity), Some(root), "{value}");
        }
        assert_eq!(formats.guess("x"), Err(IdentityError::Unclear));
    }

    #[test]
    fn ten_digits_are_a_number_of_the_nearest_century() {
        let formats = Formats::standard();
        let today = || PartialDate::parse("20261201").unwrap();
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
            let identity = formats.guess_on(typed, today).expect(typed);
            assert_eq!(formats.text(identity).unwrap().as_str(), value, "{typed}");
            assert_eq!(formats.root(identity), Some(root), "{typed}");
        }
        // The century is not tried until one fits: this is nobody born in 1912.
        let young = formats.guess_on("121212-1212", today).unwrap();
        assert_eq!(formats.text(young).unwrap().as_str(), "201212121212");
        // Telephone numbers, universities' numbers, a plus that is not between date and number.
        for typed in ["070961 2346", "121212-T121", "1212+121212", "19121212+1212"] {
            let found = formats.guess_on(typed, today);
            assert_eq!(found, Err(IdentityError::Unclear), "{typed}");
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
        assert_eq!(all.len(), built_in().len());
        for (first, last) in all {
            let (least, most) = Identity::span_of_format(first.format_number());
            assert!(first == least && last < most);
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
                prop_assert_eq!(x.cmp(&y), a.cmp(&b));
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
            let prefix = if own { &value[..length] } else { &prefix[..length] };
            let spans = formats.spans_of_prefix(prefix);
            for row in built_in() {
                if let Ok(identity) = formats.parse_as(row.number, &value) {
                    let within = spans.iter().any(|(a, b)| (a..=b).contains(&&identity));
                    prop_assert_eq!(within, value.starts_with(prefix));
                }
            }
            for (a, b) in &spans {
                let text = |identity: &Identity| formats.text(*identity).unwrap();
                prop_assert!(a <= b && text(a).as_str().starts_with(prefix));
                prop_assert!(text(b).as_str().starts_with(prefix));
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

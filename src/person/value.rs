//! Values: what stands at a field, checked against the field table on the way in.

use std::borrow::Cow;

use super::field::Field;
use super::identity::Identity;
use super::schema::{Content, Facet, Kind};
use crate::base::time::{DateTime, PartialDate, Timestamp};
use crate::base::unseen::holds_unseen;

/// A value on its way into a record. Not `Debug`: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Text, and numbers as their canonical digits.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
    /// A complete date.
    Date(PartialDate),
    /// A date with unknown parts.
    PartialDate(PartialDate),
    /// A moment with offset.
    DateTime(DateTime),
    /// A moment of 14 digits.
    Timestamp(Timestamp),
    /// A person's identity.
    Identity(Identity),
}

/// Why text cannot be a field's value. The text is never part of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Longer than the type allows.
    #[error("longer than {0} characters")]
    TooLong(usize),
    /// Shorter than the type allows.
    #[error("shorter than {0} characters")]
    TooShort(usize),
    /// Not one of the enumerated values.
    #[error("not one of the allowed values")]
    NotAllowed,
    /// Not a whole number.
    #[error("not a whole number")]
    NotANumber,
    /// Outside the type's range.
    #[error("outside the range {0} to {1}")]
    OutOfRange(i64, i64),
    /// Neither true nor false.
    #[error("neither true nor false")]
    NotABoolean,
    /// Not a date of the calendar in the demanded form.
    #[error("not a date")]
    NotADate,
    /// Not a moment in the demanded form.
    #[error("not a point in time")]
    NotATime,
    /// A character that XML cannot carry.
    #[error("a character that XML does not allow")]
    IllegalCharacter,
    /// A control or direction character, a line break, a tab: nothing that anybody sees.
    #[error("a control or direction character, a line break or a tab")]
    UnseenCharacter,
    /// Not a well-formed identity under a known root.
    #[error("not a well-formed identity")]
    NotAnIdentity,
    /// Elements where a value belongs, or a value where elements belong.
    #[error("not of the field's shape")]
    WrongShape,
}

impl Value {
    /// Reads text as a value of `field`. Whoever brings text into a record comes this way, so no record
    /// holds a character that nobody sees.
    pub fn parse(field: Field, text: &str) -> Result<Self, ValueError> {
        let info = field.info();
        let value = Self::parse_as(info.kind, info.facet, text)?;
        if info.kind == Kind::Text && !is_binary(field) && holds_unseen(text) {
            return Err(ValueError::UnseenCharacter);
        }
        Ok(value)
    }

    /// Reads text as a value of some kind, within what the type allows.
    pub fn parse_as(kind: Kind, facet: Facet, text: &str) -> Result<Self, ValueError> {
        match kind {
            Kind::Group => Err(ValueError::WrongShape),
            Kind::Identity => Err(ValueError::NotAnIdentity),
            Kind::Text => text_within(facet, text).map(|text| Self::Text(text.to_owned())),
            Kind::Number => number_within(facet, text).map(|number| Self::Text(number.to_string())),
            Kind::Boolean => match text.trim() {
                "true" | "1" => Ok(Self::Boolean(true)),
                "false" | "0" => Ok(Self::Boolean(false)),
                _ => Err(ValueError::NotABoolean),
            },
            Kind::Date => PartialDate::parse_xs(text.trim())
                .map(Self::Date)
                .ok_or(ValueError::NotADate),
            Kind::PartialDate => PartialDate::parse(text)
                .map(Self::PartialDate)
                .ok_or(ValueError::NotADate),
            Kind::DateTime => DateTime::parse(text.trim())
                .map(Self::DateTime)
                .ok_or(ValueError::NotATime),
            Kind::Timestamp => Timestamp::parse(text)
                .map(Self::Timestamp)
                .ok_or(ValueError::NotATime),
        }
    }

    /// Whether text is a value of some kind, within what the type allows.
    pub fn check_as(kind: Kind, facet: Facet, text: &str) -> Result<(), ValueError> {
        match kind {
            Kind::Text => text_within(facet, text).map(|_| ()),
            _ => Self::parse_as(kind, facet, text).map(|_| ()),
        }
    }

    /// The text, for values that are text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is the boolean `true`.
    pub const fn is_true(&self) -> bool {
        matches!(self, Self::Boolean(true))
    }

    /// The date, complete or partial.
    pub const fn as_date(&self) -> Option<PartialDate> {
        match self {
            Self::Date(date) | Self::PartialDate(date) => Some(*date),
            _ => None,
        }
    }

    /// The identity.
    pub const fn as_identity(&self) -> Option<Identity> {
        match self {
            Self::Identity(identity) => Some(*identity),
            _ => None,
        }
    }

    /// The moment of 14 digits.
    pub const fn as_timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Timestamp(at) => Some(*at),
            _ => None,
        }
    }

    /// Whether the value is of the kind that `field` keeps.
    pub const fn fits(&self, field: Field) -> bool {
        matches!(
            (self, field.kind()),
            (Self::Text(_), Kind::Text | Kind::Number)
                | (Self::Boolean(_), Kind::Boolean)
                | (Self::Date(_), Kind::Date)
                | (Self::PartialDate(_), Kind::PartialDate)
                | (Self::DateTime(_), Kind::DateTime)
                | (Self::Timestamp(_), Kind::Timestamp)
                | (Self::Identity(_), Kind::Identity)
        )
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// Whether the field's text is bytes in Base64, which is broken into lines.
fn is_binary(field: Field) -> bool {
    matches!(&field.info().row.content, Content::Simple(of) if of.name == "xs:base64Binary")
}

fn text_within(facet: Facet, text: &str) -> Result<&str, ValueError> {
    if !text.chars().all(is_xml_character) {
        return Err(ValueError::IllegalCharacter);
    }
    let (least, most) = match facet {
        Facet::None | Facet::Range(..) => (0, usize::MAX),
        Facet::Length(length) => (length, length),
        Facet::Lengths(least, most) => (least, most),
        Facet::MaxLength(most) => (0, most),
        Facet::Enumeration(allowed) if allowed.contains(&text) => (0, usize::MAX),
        Facet::Enumeration(_) => return Err(ValueError::NotAllowed),
    };
    // Characters are counted only where bytes leave a doubt.
    if text.len() > most && text.chars().count() > most {
        return Err(ValueError::TooLong(most));
    }
    if text.len() < least * 4 && text.chars().count() < least {
        return Err(ValueError::TooShort(least));
    }
    Ok(text)
}

fn number_within(facet: Facet, text: &str) -> Result<i64, ValueError> {
    let number: i64 = text.trim().parse().map_err(|_| ValueError::NotANumber)?;
    let (least, most) = match facet {
        Facet::Range(least, most) => (least, most),
        _ => (i64::from(i32::MIN), i64::from(i32::MAX)),
    };
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(ValueError::OutOfRange(least, most))
    }
}

const fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// A value as it stands in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// Text, and numbers as digits, escaped for XML.
    Text(Escaped<'a>),
    /// `true` or `false`.
    Boolean(bool),
    /// A complete date.
    Date(PartialDate),
    /// A date with unknown parts.
    PartialDate(PartialDate),
    /// A moment with offset.
    DateTime(DateTime),
    /// A moment of 14 digits.
    Timestamp(Timestamp),
    /// A person's identity.
    Identity(Identity),
}

impl ValueRef<'_> {
    /// The value by itself, out of the record.
    pub fn to_value(self) -> Result<Value, super::record::Damaged> {
        Ok(match self {
            Self::Text(text) => Value::Text(text.plain()?.into_owned()),
            Self::Boolean(truth) => Value::Boolean(truth),
            Self::Date(date) => Value::Date(date),
            Self::PartialDate(date) => Value::PartialDate(date),
            Self::DateTime(at) => Value::DateTime(at),
            Self::Timestamp(at) => Value::Timestamp(at),
            Self::Identity(identity) => Value::Identity(identity),
        })
    }
}

/// Text that is kept escaped, so that writing it into XML is a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Escaped<'a>(pub(super) &'a [u8]);

impl<'a> Escaped<'a> {
    /// The bytes, ready to stand between two tags.
    #[inline]
    pub const fn xml(self) -> &'a [u8] {
        self.0
    }

    /// The text itself.
    pub fn plain(self) -> Result<Cow<'a, str>, super::record::Damaged> {
        let text = std::str::from_utf8(self.0).map_err(|_| super::record::Damaged)?;
        quick_xml::escape::unescape(text).map_err(|_| super::record::Damaged)
    }
}

/// Appends text with the characters escaped that may not stand between tags. A carriage return is
/// escaped because an XML reader would turn it into a line feed.
pub fn escape_into(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'))
    {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'&' => b"&amp;",
            b'<' => b"&lt;",
            b'>' => b"&gt;",
            _ => b"&#13;",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(path: &str, text: &str) -> Option<ValueError> {
        Value::parse(Field::at(path), text).err()
    }

    #[test]
    fn types_hold_their_limits() {
        assert_eq!(error("name/surname", &"ö".repeat(80)), None);
        assert_eq!(
            error("name/surname", &"ö".repeat(81)),
            Some(ValueError::TooLong(80))
        );
        assert_eq!(
            error(
                "populationRegistrationRecord/notificationCase/recordId",
                "2025.1"
            ),
            Some(ValueError::TooShort(16))
        );
        assert_eq!(
            error("name/givenNameIndicator", "9"),
            Some(ValueError::OutOfRange(10, 99))
        );
        assert_eq!(error("contactInformation/rank", "-5"), None);
        assert_eq!(
            error("contactInformation/rank", "3000000000"),
            Some(ValueError::OutOfRange(
                i64::from(i32::MIN),
                i64::from(i32::MAX)
            ))
        );
        assert_eq!(
            error("contactInformation/rank", "1.5"),
            Some(ValueError::NotANumber)
        );
        assert_eq!(error("testIndicator", "J"), Some(ValueError::NotABoolean));
        assert_eq!(
            error("contactInformation/period/start", "2024"),
            Some(ValueError::NotADate)
        );
        for day in ["2025-02-29", "2025-02-29+01:00", "20250102"] {
            let wrong = error("contactInformation/period/start", day);
            assert_eq!(wrong, Some(ValueError::NotADate), "{day}");
        }
        for day in ["2025-01-02+01:00", " 2025-01-02Z\n", "2025-01-02"] {
            assert_eq!(error("contactInformation/period/start", day), None, "{day}");
        }
        assert_eq!(error("version", "2024"), Some(ValueError::NotATime));
        assert_eq!(
            error("name/surname", "a\u{1}b"),
            Some(ValueError::IllegalCharacter)
        );
        for unseen in [
            "a\tb",
            "a\nb",
            "a\u{85}b",
            "\u{202e}ab",
            "a\u{200b}b",
            "a\u{7f}",
        ] {
            let refused = Some(ValueError::UnseenCharacter);
            assert_eq!(error("name/surname", unseen), refused, "{unseen:?}");
        }
        let attachment = Field::all().find(|it| is_binary(*it)).unwrap();
        assert_eq!(error(&attachment.path(), "QQ==\r\nQQ=="), None);
        assert_eq!(error("name", "x"), Some(ValueError::WrongShape));
        assert_eq!(
            error("personalIdentity", "x"),
            Some(ValueError::NotAnIdentity)
        );
    }

    #[test]
    fn numbers_become_canonical() {
        let code = Field::at("addressInformation/residentialAddress/postalCode");
        assert!(Value::parse(code, " 01234 ") == Ok(Value::from("1234")));
    }

    #[test]
    fn escaped_text_comes_back() {
        for text in ["", "Å & <b> ]]> \r\n\t", "&amp;", "Ærøskøbing \u{1F9D1}"] {
            let mut out = Vec::new();
            escape_into(&mut out, text);
            assert!(!out.contains(&b'<') && !out.contains(&b'\r'));
            assert_eq!(Escaped(&out).plain().unwrap(), text);
        }
    }
}

//! A record's bytes: one rkyv archive per person, holding the sparse list of the person's fields.
//!
//! The list is in document order: for each value the field's number and the value in the form its
//! kind demands; for each entry of a repeating group (and each group that is written even when
//! empty) the group's number alone. Groups in between are not written: the field table knows them.
//!
//! | kind | after the field's number |
//! |---|---|
//! | text, number | length (one byte, or 255 and four bytes), then the text, XML-escaped |
//! | boolean | one byte |
//! | date, partial date | four bytes `YYYYMMDD` |
//! | moment | eight bytes |
//! | identity | eight bytes, the packed key |
//! | entry | nothing |
//!
//! A protected person's record holds two further lists of the same kind behind it, with what profile
//! 1 shows and what is always shown, and the lengths of both (four bytes each). Restricted views walk
//! these alone: were they to walk over what is hidden, the time it takes would tell how much there is.
//!
//! All numbers are little endian. The archive's root is at its end, so a record is found by where
//! it ends; nothing in it is aligned.

use rkyv::{Archive, Serialize, rancor};

use super::field::{Field, FieldMask};
use super::identity::Identity;
use super::schema::{Kind, Level};
use super::value::{Escaped, Value, ValueRef, escape_into};
use super::view::{Shield, mask_of};
use crate::base::limits;
use crate::base::time::{DateTime, PartialDate, Timestamp};

/// The archived form. Its fields stay in this room.
#[derive(Archive, Serialize)]
pub struct Record {
    pub(in crate::person) identity: u64,
    /// The person's own protection in the two lowest bits, what linked identities lend in the two
    /// lowest of the high half; [`HAS_LISTS`], [`SHARES_HOME`] and [`KEEPS_PROTECTION`].
    pub(in crate::person) shields: u8,
    pub(in crate::person) fields: Vec<u8>,
}

/// In `shields`: the lists of what restricted views show stand behind the fields. Records that were
/// written before version 0.5 have none.
const HAS_LISTS: u8 = 0x08;

/// In `shields`: the person's registered home is that of a protected relative.
const SHARES_HOME: u8 = 0x40;

/// In `shields`: the protection that was lent by an identity which is linked no more stays.
const KEEPS_PROTECTION: u8 = 0x80;

/// Bytes of the lengths behind the lists.
const LENGTHS: usize = 8;

/// Bytes that are not a record. Says no more: what the bytes hold is personal data, and where they
/// lie is told by the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a person record")]
pub struct Damaged;

/// Why a person cannot be written as a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A mandatory field is missing.
    #[error("the mandatory field {0:?} is missing")]
    Missing(Field),
    /// More entries of one group than a record may hold.
    #[error("more than {max} entries of {0:?}", max = limits::GROUP_ITEMS)]
    TooManyEntries(Field),
    /// The record is larger than a record may be.
    #[error("the record is larger than {} bytes", limits::RECORD_BYTES)]
    TooLarge,
    /// The list of fields is none.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A record in its bytes. It shows whose it is and how it is protected; its fields are seen through
/// a [`View`](super::view::View) only.
#[derive(Clone, Copy)]
pub struct RecordRef<'a>(&'a ArchivedRecord);

impl<'a> RecordRef<'a> {
    /// The record that ends where `bytes` ends; what lies before it does not matter.
    #[inline]
    pub fn open(bytes: &'a [u8]) -> Result<Self, Damaged> {
        let record = rkyv::access::<ArchivedRecord, rancor::Failure>(bytes)
            .map(Self)
            .map_err(|_| Damaged)?;
        if record.has_lists() {
            record.lists().ok_or(Damaged)?;
        }
        Ok(record)
    }

    /// Where the record lies in memory: its fields' address and length. Two records that live at the
    /// same time and lie in the same place are one.
    pub fn place(self) -> (usize, usize) {
        let fields = self.fields();
        (fields.as_ptr().addr(), fields.len())
    }

    /// Whose record it is.
    #[inline]
    pub const fn identity(self) -> Identity {
        Identity::from_key(self.0.identity.to_native())
    }

    /// The protection that counts: the record's own and that of linked identities.
    #[inline]
    pub const fn shield(self) -> Shield {
        self.own_shield().with(self.inherited_shield())
    }

    /// The protection that linked identities lend it.
    #[inline]
    pub const fn inherited_shield(self) -> Shield {
        Shield::from_bits(self.0.shields >> 4)
    }

    /// The protection of its own two flags.
    pub const fn own_shield(self) -> Shield {
        Shield::from_bits(self.0.shields & 0xf)
    }

    /// Whether the person's registered home is that of a protected relative.
    #[inline]
    pub const fn shares_protected_home(self) -> bool {
        self.0.shields & SHARES_HOME != 0
    }

    /// Whether the protection that it inherited has outlived the link.
    #[inline]
    pub const fn keeps_protection(self) -> bool {
        self.0.shields & KEEPS_PROTECTION != 0
    }

    const fn head(self) -> Head {
        Head {
            own: self.own_shield(),
            inherited: self.inherited_shield(),
            keeps_protection: self.keeps_protection(),
            shares_protected_home: self.shares_protected_home(),
        }
    }

    /// The same record with the lists that restricted views walk, when it is one of those that need
    /// them and has none: written before version 0.5.
    pub fn restated(self) -> Result<Option<Vec<u8>>, EncodeError> {
        if self.has_lists() || !self.shield().is_on() {
            return Ok(None);
        }
        archive(self.identity(), self.head(), self.fields().to_vec()).map(Some)
    }

    /// Reads every field, their order, the two flags against the protection kept beside them, and the
    /// lists for restricted views against the fields.
    pub fn check(self) -> Result<(), Damaged> {
        const FLAGS: [(Field, Shield); 2] = [
            (Field::at("protectedPersonIndicator"), Shield::PERSON),
            (
                Field::at("protectedPopulationRecord"),
                Shield::POPULATION_RECORD,
            ),
        ];
        let mut bytes = self.fields();
        let (mut shield, mut identity) = (Shield::NONE, None);
        let mut before = Field::RECORD;
        while !bytes.is_empty() {
            let token = next_token(&mut bytes)?;
            let (Token::Value(field, _) | Token::Entry(field)) = token;
            if !field.may_follow(before) {
                return Err(Damaged);
            }
            before = field;
            match token {
                Token::Value(field, ValueRef::Boolean(true)) => {
                    let flags = FLAGS.iter().filter(|(flag, _)| *flag == field);
                    shield = flags.fold(shield, |sum, (_, flag)| sum.with(*flag));
                }
                Token::Value(field, ValueRef::Identity(id))
                    if field == const { Field::at("personalIdentity") } =>
                {
                    identity = Some(id);
                }
                Token::Value(_, ValueRef::Text(text)) => {
                    text.plain()?;
                }
                Token::Value(..) | Token::Entry(_) => {}
            }
        }
        let whole = shield == self.own_shield() && identity == Some(self.identity());
        (whole && self.has_right_lists()?)
            .then_some(())
            .ok_or(Damaged)
    }

    /// Whether the lists for restricted views hold what they should.
    fn has_right_lists(self) -> Result<bool, Damaged> {
        if !self.has_lists() {
            return Ok(true);
        }
        let expected = lists_of(self.fields(), self.identity().is_reserve())?;
        Ok(self.shield().is_on() && self.lists() == Some(expected.each_ref().map(|list| &**list)))
    }

    /// The main identity of the chain it belongs to; `None` when that is itself.
    #[inline]
    pub fn main_identity(self) -> Result<Option<Identity>, Damaged> {
        const PRIMARY: Field = Field::at("primaryIdentity");
        const LINKED: Field = Field::at("linkedIdentity");
        const LINKED_ID: Field = Field::at("linkedIdentity/referredPersonalIdentity");
        const LINKED_PRIMARY: Field = Field::at("linkedIdentity/primaryIdentity");
        // All of these are always shown.
        let mut bytes = self.fields_up_to(Level::Always);
        let mut last = None;
        while !bytes.is_empty() {
            match next_token(&mut bytes)? {
                Token::Value(PRIMARY, ValueRef::Boolean(true)) => return Ok(None),
                Token::Value(LINKED_ID, ValueRef::Identity(id)) => last = Some(id),
                Token::Value(LINKED_PRIMARY, ValueRef::Boolean(true)) => return Ok(last),
                Token::Value(field, _) | Token::Entry(field)
                    if field > LINKED && !LINKED.contains(field) =>
                {
                    return Ok(None);
                }
                Token::Value(..) | Token::Entry(_) => {}
            }
        }
        Ok(None)
    }

    /// Every field.
    #[inline]
    pub(super) fn fields(self) -> &'a [u8] {
        let bytes: &[u8] = &self.0.fields;
        if !self.has_lists() {
            return bytes;
        }
        let [profile_1, always] = self.lists().unwrap_or_default();
        let behind = profile_1.len() + always.len() + LENGTHS;
        bytes
            .get(..bytes.len().saturating_sub(behind))
            .unwrap_or_default()
    }

    /// The shortest list that holds every field up to a level.
    #[inline]
    pub(super) fn fields_up_to(self, level: Level) -> &'a [u8] {
        if self.has_lists() && level <= Level::P1 {
            let [profile_1, always] = self.lists().unwrap_or_default();
            return if level == Level::Always {
                always
            } else {
                profile_1
            };
        }
        self.fields()
    }

    #[inline]
    const fn has_lists(self) -> bool {
        self.0.shields & HAS_LISTS != 0
    }

    /// What profile 1 shows and what is always shown; `None` when the lengths do not fit.
    fn lists(self) -> Option<[&'a [u8]; 2]> {
        let (rest, always) = self.0.fields.split_last_chunk::<4>()?;
        let (rest, profile_1) = rest.split_last_chunk::<4>()?;
        let length = |bytes| u32::from_le_bytes(bytes) as usize;
        let (rest, always) = rest.split_at_checked(rest.len().checked_sub(length(*always))?)?;
        let (_, profile_1) = rest.split_at_checked(rest.len().checked_sub(length(*profile_1))?)?;
        Some([profile_1, always])
    }
}

/// Of a list of fields, what profile 1 shows and what is always shown.
fn lists_of(fields: &[u8], is_reserve: bool) -> Result<[Vec<u8>; 2], Damaged> {
    Ok([
        filtered(fields, mask_of(Level::P1, is_reserve))?,
        filtered(fields, mask_of(Level::Always, is_reserve))?,
    ])
}

/// The tokens of the fields in a mask.
fn filtered(fields: &[u8], mask: &FieldMask) -> Result<Vec<u8>, Damaged> {
    let mut out = Vec::new();
    let mut rest = fields;
    loop {
        let before = rest;
        let Some(field) = next_field(&mut rest)? else {
            return Ok(out);
        };
        skip_value(field, &mut rest)?;
        if mask.has(field) {
            out.extend_from_slice(&before[..before.len() - rest.len()]);
        }
    }
}

/// One entry of the list.
pub(super) enum Token<'a> {
    /// An entry of a repeating group begins.
    Entry(Field),
    /// A value.
    Value(Field, ValueRef<'a>),
}

/// Takes the first token off `bytes`.
#[inline]
pub(super) fn next_token<'a>(bytes: &mut &'a [u8]) -> Result<Token<'a>, Damaged> {
    let field = next_field(bytes)?.ok_or(Damaged)?;
    Ok(match next_value(field, bytes)? {
        Some(value) => Token::Value(field, value),
        None => Token::Entry(field),
    })
}

/// Takes a token's field off `bytes`; `None` at the end.
#[inline]
pub(super) fn next_field(bytes: &mut &[u8]) -> Result<Option<Field>, Damaged> {
    let Some((&number, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    *bytes = rest;
    Field::from_number(number).map(Some).ok_or(Damaged)
}

/// Takes the value of `field` off `bytes`; `None` when it is an entry.
#[expect(clippy::inline_always, reason = "a call costs as much as most values")]
#[inline(always)]
pub(super) fn next_value<'a>(
    field: Field,
    bytes: &mut &'a [u8],
) -> Result<Option<ValueRef<'a>>, Damaged> {
    Ok(Some(match field.kind() {
        Kind::Group => return entry(field).map(|()| None),
        Kind::Text | Kind::Number => ValueRef::Text(Escaped(take_text(bytes)?)),
        Kind::Boolean => match take::<1>(bytes)? {
            [0] => ValueRef::Boolean(false),
            [1] => ValueRef::Boolean(true),
            // Protection fails closed: anything that is not a clear "no" is damage.
            _ => return Err(Damaged),
        },
        Kind::Date => ValueRef::Date(take_date(bytes, true)?),
        Kind::PartialDate => ValueRef::PartialDate(take_date(bytes, false)?),
        Kind::DateTime => {
            let bits = u64::from_le_bytes(take(bytes)?);
            ValueRef::DateTime(DateTime::from_bits(bits).ok_or(Damaged)?)
        }
        Kind::Timestamp => {
            let number = u64::from_le_bytes(take(bytes)?);
            ValueRef::Timestamp(Timestamp::from_number(number).ok_or(Damaged)?)
        }
        Kind::Identity => ValueRef::Identity(Identity::from_key(u64::from_le_bytes(take(bytes)?))),
    }))
}

/// Passes over the value of `field`, which nobody may see or wants to.
#[inline]
pub(super) fn skip_value(field: Field, bytes: &mut &[u8]) -> Result<(), Damaged> {
    let len = match field.kind() {
        Kind::Group => entry(field).map(|()| 0)?,
        Kind::Text | Kind::Number => take_len(bytes)?,
        Kind::Boolean => 1,
        Kind::Date | Kind::PartialDate => 4,
        Kind::DateTime | Kind::Timestamp | Kind::Identity => 8,
    };
    *bytes = bytes.get(len..).ok_or(Damaged)?;
    Ok(())
}

/// Only entries of groups stand in the list. The record is no entry of itself: a walk could never
/// leave it.
#[inline]
fn entry(field: Field) -> Result<(), Damaged> {
    let is_entry = field.is_entry() && field != Field::RECORD;
    is_entry.then_some(()).ok_or(Damaged)
}

#[inline]
fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (taken, rest) = bytes.split_first_chunk::<N>().ok_or(Damaged)?;
    *bytes = rest;
    Ok(*taken)
}

#[inline]
fn take_date(bytes: &mut &[u8], whole: bool) -> Result<PartialDate, Damaged> {
    PartialDate::from_record(u32::from_le_bytes(take(bytes)?), whole).ok_or(Damaged)
}

#[inline]
fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let len = take_len(bytes)?;
    let (text, rest) = bytes.split_at_checked(len).ok_or(Damaged)?;
    *bytes = rest;
    Ok(text)
}

#[inline]
fn take_len(bytes: &mut &[u8]) -> Result<usize, Damaged> {
    Ok(match take::<1>(bytes)? {
        [LONG] => u32::from_le_bytes(take(bytes)?) as usize,
        [len] => usize::from(len),
    })
}

/// The length byte that says that four bytes of length follow.
const LONG: u8 = u8::MAX;

pub(super) fn put_entry(out: &mut Vec<u8>, field: Field) {
    out.push(field.number());
}

pub(super) fn put_value(out: &mut Vec<u8>, field: Field, value: &Value) {
    debug_assert!(value.fits(field), "{field:?}");
    out.push(field.number());
    match value {
        Value::Text(text) => {
            let at = out.len();
            out.push(LONG);
            escape_into(out, text);
            let len = out.len() - at - 1;
            if len < usize::from(LONG) {
                out[at] = len as u8;
            } else {
                let long = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
                let after = at + 1;
                out.splice(after..after, long);
            }
        }
        Value::Boolean(truth) => out.push(u8::from(*truth)),
        Value::Date(date) | Value::PartialDate(date) => {
            out.extend_from_slice(&date.number().to_le_bytes());
        }
        Value::DateTime(at) => out.extend_from_slice(&at.bits().to_le_bytes()),
        Value::Timestamp(at) => out.extend_from_slice(&at.number().to_le_bytes()),
        Value::Identity(identity) => out.extend_from_slice(&identity.key().to_le_bytes()),
    }
}

/// What stands in a record beside its fields.
#[derive(Clone, Copy, Default)]
pub(super) struct Head {
    pub(super) own: Shield,
    pub(super) inherited: Shield,
    pub(super) keeps_protection: bool,
    pub(super) shares_protected_home: bool,
}

impl Head {
    const fn bits(self) -> u8 {
        let mut bits = self.own.bits() | self.inherited.bits() << 4;
        if self.keeps_protection {
            bits |= KEEPS_PROTECTION;
        }
        if self.shares_protected_home {
            bits |= SHARES_HOME;
        }
        bits
    }
}

/// The archive of a list of fields.
pub(super) fn archive(
    identity: Identity,
    head: Head,
    mut fields: Vec<u8>,
) -> Result<Vec<u8>, EncodeError> {
    let mut shields = head.bits();
    if head.own.with(head.inherited).is_on() {
        shields |= HAS_LISTS;
        let lists = lists_of(&fields, identity.is_reserve())?;
        lists.iter().for_each(|list| fields.extend_from_slice(list));
        for list in lists {
            let length = u32::try_from(list.len()).map_err(|_| EncodeError::TooLarge)?;
            fields.extend_from_slice(&length.to_le_bytes());
        }
    }
    if fields.len() > limits::RECORD_BYTES {
        return Err(EncodeError::TooLarge);
    }
    let record = Record {
        identity: identity.key(),
        shields,
        fields,
    };
    rkyv::to_bytes::<rancor::Failure>(&record)
        .map(rkyv::util::AlignedVec::into_vec)
        .map_err(|_| EncodeError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::{full, identity};

    #[test]
    fn fields_out_of_order_are_damage() {
        let bytes = full(identity("22790814AA01"), 2).to_record().unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        record.check().unwrap();
        let fields = record.fields();
        let mut rest = fields;
        let mut end_of_next = || {
            next_token(&mut rest).ok().unwrap();
            fields.len() - rest.len()
        };
        let (first, second) = (end_of_next(), end_of_next());
        let swapped = [&fields[first..second], &fields[..first], &fields[second..]].concat();
        let bytes = archive(record.identity(), record.head(), swapped).unwrap();
        assert_eq!(RecordRef::open(&bytes).unwrap().check(), Err(Damaged));
    }
}

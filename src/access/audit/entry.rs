//! One entry of the audit, and its bytes.
//!
//! ```text
//! disclosure:  1, time i64, flags u8, profile u8 (when flagged), consumer, via, service, answer,
//!              correlation, query (each its length and its bytes, the optional ones when flagged),
//!              sequence (when flagged), asked, shown (each their number and a key u64 each; shown only when it differs)
//! opened:      2, time i64, version, bytes cut off, chains there are
//! closed:      3, time i64
//! ```
//!
//! Lengths and counts are variable-length numbers (LEB128, the shortest form only), everything else is
//! little endian. Each entry has exactly one form: what is read and written again is the same bytes.

use std::fmt;

use crate::base::limits::{AUDIT_BLOCK_BYTES, AUDIT_IDENTITIES, AUDIT_NAME_BYTES, QUERY_BYTES};
use crate::base::micros::Micros;
use crate::person::identity::Identity;
use crate::person::view::Profile;

/// What somebody asked for, and whose records left for them: as it is written.
///
/// `Debug` shows nobody.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was noted.
    pub at: Micros,
    /// HSA-id of the system whose rights were used; `None` when nobody is known.
    pub consumer: Option<&'a str>,
    /// HSA-id of the system that is connected, when it is another: an intermediary.
    pub via: Option<&'a str>,
    /// What was called, for instance `GetPersonsForProfile/5` or `rest/persons`.
    pub service: &'a str,
    /// The profile that was asked for.
    pub profile: Option<Profile>,
    /// Whether protected persons were to be shown in full.
    pub unrestricted: bool,
    /// `ok`, or the kind of refusal.
    pub answer: &'a str,
    /// Who was asked about.
    pub asked: &'a [Identity],
    /// Whose records left.
    pub shown: &'a [Identity],
    /// The text of a search.
    pub query: Option<&'a str>,
    /// The caller's own name of the request.
    pub correlation: Option<&'a str>,
    /// The newest change that the register held when this was noted.
    pub sequence: Option<u64>,
}

impl<'a> Entry<'a> {
    /// What `service` came to just now, about nobody and by nobody known.
    pub fn new(service: &'a str, answer: &'a str) -> Self {
        Self {
            at: Micros::now(),
            consumer: None,
            via: None,
            service,
            profile: None,
            unrestricted: false,
            answer,
            asked: &[],
            shown: &[],
            query: None,
            correlation: None,
            sequence: None,
        }
    }
}

/// An entry as it is read.
///
/// `Debug` shows nobody.
#[derive(Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of Entry")]
pub struct OwnedEntry {
    pub at: Micros,
    pub consumer: Option<String>,
    pub via: Option<String>,
    pub service: String,
    pub profile: Option<Profile>,
    pub unrestricted: bool,
    pub answer: String,
    pub asked: Vec<Identity>,
    pub shown: Vec<Identity>,
    pub query: Option<String>,
    pub correlation: Option<String>,
    pub sequence: Option<u64>,
}

/// What stands in a chain.
#[derive(Clone, PartialEq, Eq)]
pub enum Note {
    /// Something was disclosed, changed or refused.
    Disclosure(OwnedEntry),
    /// A process began to write here.
    Opened {
        /// When.
        at: Micros,
        /// The version of the program.
        version: String,
        /// Bytes of an unfinished block that a crash had left, and that were cut off.
        cut: u64,
        /// How many chains there were, this one among them: one that vanishes is missed.
        chains: u32,
    },
    /// The process went on to end in an orderly way.
    Closed {
        /// When.
        at: Micros,
    },
}

/// An entry that is larger than any may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Bytes that are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

const DISCLOSURE: u8 = 1;
const OPENED: u8 = 2;
const CLOSED: u8 = 3;

const CONSUMER: u8 = 1;
const VIA: u8 = 1 << 1;
const PROFILE: u8 = 1 << 2;
const UNRESTRICTED: u8 = 1 << 3;
const QUERY: u8 = 1 << 4;
const CORRELATION: u8 = 1 << 5;
/// Those who were asked about are those who were shown, in the same order: the most common case.
const SAME: u8 = 1 << 6;
const SEQUENCE: u8 = 1 << 7;

/// Ends a text that was cut.
const ELLIPSIS: &str = "\u{2026}";

impl Entry<'_> {
    /// Adds the entry's bytes. Texts beyond their limit are cut, and end in an ellipsis; lists are not
    /// cut: an entry that would have to leave somebody out is refused, and nothing is added.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        let most = self.asked.len().max(self.shown.len());
        let texts = 6 * AUDIT_NAME_BYTES + QUERY_BYTES;
        let bytes = texts + 8 * (self.asked.len() + self.shown.len());
        if most > AUDIT_IDENTITIES || out.len() + bytes > AUDIT_BLOCK_BYTES {
            return Err(TooLarge);
        }
        let flag = |given: bool, flag: u8| if given { flag } else { 0 };
        let is_same = self.asked == self.shown;
        out.push(DISCLOSURE);
        out.extend_from_slice(&self.at.number().to_le_bytes());
        out.push(
            flag(self.consumer.is_some(), CONSUMER)
                | flag(self.via.is_some(), VIA)
                | flag(self.profile.is_some(), PROFILE)
                | flag(self.unrestricted, UNRESTRICTED)
                | flag(self.query.is_some(), QUERY)
                | flag(self.correlation.is_some(), CORRELATION)
                | flag(self.sequence.is_some(), SEQUENCE)
                | flag(is_same, SAME),
        );
        out.extend(self.profile.map(|profile| profile as u8));
        let names = [
            self.consumer,
            self.via,
            Some(self.service),
            Some(self.answer),
            self.correlation,
        ];
        for name in names.into_iter().flatten() {
            put_text(out, name, AUDIT_NAME_BYTES);
        }
        if let Some(query) = self.query {
            put_text(out, query, QUERY_BYTES);
        }
        if let Some(sequence) = self.sequence {
            put_number(out, sequence);
        }
        put_identities(out, self.asked);
        if !is_same {
            put_identities(out, self.shown);
        }
        Ok(())
    }
}

impl OwnedEntry {
    /// The entry as it was written.
    pub fn borrowed(&self) -> Entry<'_> {
        Entry {
            at: self.at,
            consumer: self.consumer.as_deref(),
            via: self.via.as_deref(),
            service: &self.service,
            profile: self.profile,
            unrestricted: self.unrestricted,
            answer: &self.answer,
            asked: &self.asked,
            shown: &self.shown,
            query: self.query.as_deref(),
            correlation: self.correlation.as_deref(),
            sequence: self.sequence,
        }
    }
}

impl Note {
    /// When it was noted.
    pub const fn at(&self) -> Micros {
        match self {
            Self::Disclosure(entry) => entry.at,
            Self::Opened { at, .. } | Self::Closed { at } => *at,
        }
    }

    /// Adds the note's bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), TooLarge> {
        match self {
            Self::Disclosure(entry) => entry.borrowed().write(out)?,
            Self::Opened {
                at,
                version,
                cut,
                chains,
            } => {
                out.push(OPENED);
                out.extend_from_slice(&at.number().to_le_bytes());
                put_text(out, version, AUDIT_NAME_BYTES);
                put_number(out, *cut);
                put_number(out, u64::from(*chains));
            }
            Self::Closed { at } => {
                out.push(CLOSED);
                out.extend_from_slice(&at.number().to_le_bytes());
            }
        }
        Ok(())
    }

    /// Takes the note that `bytes` begin with off them.
    pub fn read(bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let mut from = Cursor(bytes);
        let [kind] = from.array()?;
        let at = Micros::from_number(i64::from_le_bytes(from.array()?)).ok_or(Malformed)?;
        let note = match kind {
            DISCLOSURE => Self::Disclosure(from.disclosure(at)?),
            OPENED => Self::Opened {
                at,
                version: from.text(AUDIT_NAME_BYTES)?,
                cut: from.number()?,
                chains: u32::try_from(from.number()?).map_err(|_| Malformed)?,
            },
            CLOSED => Self::Closed { at },
            _ => return Err(Malformed),
        };
        *bytes = from.0;
        Ok(note)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Entry({}, {}, [private])", self.service, self.answer)
    }
}

impl fmt::Debug for OwnedEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrowed().fmt(out)
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disclosure(entry) => entry.fmt(out),
            Self::Opened { .. } => out.write_str("Opened"),
            Self::Closed { .. } => out.write_str("Closed"),
        }
    }
}

/// Bytes yet to be read.
struct Cursor<'b>(&'b [u8]);

impl<'b> Cursor<'b> {
    fn disclosure(&mut self, at: Micros) -> Result<OwnedEntry, Malformed> {
        let [flags] = self.array()?;
        let is = |flag: u8| flags & flag != 0;
        let profile = is(PROFILE).then(|| self.profile()).transpose()?;
        let consumer = self.text_if(is(CONSUMER), AUDIT_NAME_BYTES)?;
        let via = self.text_if(is(VIA), AUDIT_NAME_BYTES)?;
        let service = self.text(AUDIT_NAME_BYTES)?;
        let answer = self.text(AUDIT_NAME_BYTES)?;
        let correlation = self.text_if(is(CORRELATION), AUDIT_NAME_BYTES)?;
        let query = self.text_if(is(QUERY), QUERY_BYTES)?;
        let sequence = is(SEQUENCE).then(|| self.number()).transpose()?;
        let asked = self.identities()?;
        let shown = if is(SAME) {
            asked.clone()
        } else {
            self.identities()?
        };
        if !is(SAME) && asked == shown {
            return Err(Malformed);
        }
        Ok(OwnedEntry {
            at,
            consumer,
            via,
            service,
            profile,
            unrestricted: is(UNRESTRICTED),
            answer,
            asked,
            shown,
            query,
            correlation,
            sequence,
        })
    }

    fn profile(&mut self) -> Result<Profile, Malformed> {
        let [number] = self.array()?;
        let profile = Profile::ALL.get(usize::from(number));
        profile.copied().ok_or(Malformed)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let part = u64::from(byte & 0x7f);
            number |= part << shift;
            if byte & 0x80 == 0 {
                let is_shortest = (byte != 0 || shift == 0) && part << shift >> shift == part;
                return if is_shortest {
                    Ok(number)
                } else {
                    Err(Malformed)
                };
            }
        }
        Err(Malformed)
    }

    /// A length that is within its limit.
    fn length(&mut self, most: usize) -> Result<usize, Malformed> {
        let length = usize::try_from(self.number()?).map_err(|_| Malformed)?;
        (length <= most).then_some(length).ok_or(Malformed)
    }

    fn text(&mut self, most: usize) -> Result<String, Malformed> {
        let length = self.length(most)?;
        let text = str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| Malformed)
    }

    fn text_if(&mut self, is_there: bool, most: usize) -> Result<Option<String>, Malformed> {
        is_there.then(|| self.text(most)).transpose()
    }

    fn identities(&mut self) -> Result<Vec<Identity>, Malformed> {
        let count = self.length(AUDIT_IDENTITIES)?;
        let (keys, _) = self.take(count * 8)?.as_chunks::<8>();
        let keys = keys.iter().map(|&key| u64::from_le_bytes(key));
        Ok(keys.map(Identity::from_key).collect())
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_text(out: &mut Vec<u8>, text: &str, most: usize) {
    if text.len() <= most {
        put_number(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
        return;
    }
    let mut end = most - ELLIPSIS.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = &text[..end];
    put_number(out, (kept.len() + ELLIPSIS.len()) as u64);
    out.extend_from_slice(kept.as_bytes());
    out.extend_from_slice(ELLIPSIS.as_bytes());
}

fn put_identities(out: &mut Vec<u8>, identities: &[Identity]) {
    put_number(out, identities.len() as u64);
    for identity in identities {
        out.extend_from_slice(&identity.key().to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> impl Strategy<Value = Option<String>> {
        proptest::option::of("[A-ZÅÄÖ0-9/-]{0,40}")
    }

    fn identities() -> impl Strategy<Value = Vec<Identity>> {
        let keys = proptest::collection::vec(any::<u64>(), 0..5);
        keys.prop_map(|keys| keys.into_iter().map(Identity::from_key).collect())
    }

    prop_compose! {
        fn entries()(
            at in 0..Micros::MAX.number(),
            (consumer, via, correlation) in (name(), name(), name()),
            (service, answer) in (".{0,20}", ".{0,20}"),
            query in proptest::option::of(".{0,200}"),
            sequence in proptest::option::of(any::<u64>()),
            profile in proptest::option::of(0..5_usize),
            unrestricted in any::<bool>(),
            (asked, shown, is_same) in (identities(), identities(), any::<bool>()),
        ) -> OwnedEntry {
            let shown = if is_same { asked.clone() } else { shown };
            OwnedEntry {
                at: Micros::from_number(at).unwrap(),
                profile: profile.map(|it| Profile::ALL[it]),
                consumer, via, service, unrestricted, answer, asked, shown, query, correlation, sequence,
            }
        }
    }

    proptest! {
        #[test]
        fn entries_are_read_as_they_were_written(
            all in proptest::collection::vec(entries(), 1..5),
            cut in any::<u64>(),
        ) {
            let opened = Note::Opened {
                at: Micros::now(),
                version: "1.2.3".to_owned(),
                cut,
                chains: 4,
            };
            let mut notes: Vec<Note> = all.into_iter().map(Note::Disclosure).collect();
            notes.extend([opened, Note::Closed { at: Micros::MAX }]);
            let mut bytes = Vec::new();
            for note in &notes {
                note.write(&mut bytes).unwrap();
            }
            let mut rest = &bytes[..];
            for note in &notes {
                prop_assert!(Note::read(&mut rest).as_ref() == Ok(note));
            }
            prop_assert!(rest.is_empty());
            for length in 0..bytes.len() {
                let mut rest = &bytes[..length];
                let read = notes.iter().map(|_| Note::read(&mut rest)).find(Result::is_err);
                prop_assert!(read.is_some(), "{length} bytes are not enough");
            }
        }

        #[test]
        fn whatever_is_read_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..60), kind in 1..4_u8) {
            let bytes = [&[kind, 0, 0, 0, 0, 0, 0, 0, 0], &bytes[..]].concat();
            let mut rest = &bytes[..];
            if let Ok(note) = Note::read(&mut rest) {
                let mut written = Vec::new();
                note.write(&mut written).unwrap();
                prop_assert_eq!(&written[..], &bytes[..bytes.len() - rest.len()]);
            }
        }
    }

    fn plain() -> Entry<'static> {
        Entry {
            at: Micros::now(),
            consumer: None,
            via: None,
            service: "rest/persons",
            profile: None,
            unrestricted: false,
            answer: "ok",
            asked: &[],
            shown: &[],
            query: None,
            correlation: None,
            sequence: None,
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_say_so() {
        let long = "å".repeat(QUERY_BYTES);
        let entry = Entry {
            query: Some(&long),
            correlation: Some(&long),
            ..plain()
        };
        let mut bytes = Vec::new();
        entry.write(&mut bytes).unwrap();
        let Ok(Note::Disclosure(read)) = Note::read(&mut &bytes[..]) else {
            panic!("no disclosure");
        };
        for (text, most) in [
            (read.query, QUERY_BYTES),
            (read.correlation, AUDIT_NAME_BYTES),
        ] {
            let text = text.unwrap();
            assert!(text.ends_with("å…") && (most - 2..=most).contains(&text.len()));
        }
    }

    #[test]
    fn nobody_is_left_out_of_a_list_that_is_too_long() {
        let many = vec![Identity::from_key(1); AUDIT_IDENTITIES + 1];
        let mut bytes = Vec::new();
        for (asked, shown) in [(&many[..], &many[1..]), (&many[1..], &many[..])] {
            let entry = Entry {
                asked,
                shown,
                ..plain()
            };
            assert_eq!(entry.write(&mut bytes), Err(TooLarge));
            assert!(bytes.is_empty());
        }
        let entry = Entry {
            shown: &many[1..],
            ..plain()
        };
        let mut written = 0;
        while entry.write(&mut bytes).is_ok() {
            written += 1;
        }
        assert!(written > 10 && bytes.len() <= AUDIT_BLOCK_BYTES);
    }

    #[test]
    fn a_count_that_the_bytes_do_not_hold_is_refused_before_room_is_made() {
        let mut bytes = Vec::new();
        plain().write(&mut bytes).unwrap();
        bytes.pop();
        put_number(&mut bytes, AUDIT_IDENTITIES as u64);
        assert!(Note::read(&mut &bytes[..]).is_err());
        bytes.truncate(bytes.len() - 3);
        put_number(&mut bytes, u64::MAX);
        assert!(Note::read(&mut &bytes[..]).is_err());
    }

    #[test]
    fn debug_shows_nobody() {
        let entry = Entry {
            query: Some("Testsson"),
            consumer: Some("TST-1"),
            ..plain()
        };
        let shown = format!("{entry:?}");
        assert!(
            !shown.contains("Testsson") && !shown.contains("TST"),
            "{shown}"
        );
    }
}

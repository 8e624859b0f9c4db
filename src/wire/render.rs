//! Views as XML. The field table and a version are compiled once into the tags between any two
//! values; a record is then rendered by copying tags and values in turn. Values are kept escaped,
//! so nothing is looked at on the way.

use std::cell::RefCell;

use bytes::Bytes;

use super::disclosed::Disclosed;
use super::message::CONTACT_INFORMATION_RECORD;
use crate::base::time::PartialDate;
use crate::person::field::{Field, FieldMask, Wrap};
use crate::person::identity::{Formats, Identity};
use crate::person::record::Damaged;
use crate::person::schema::{Core, Extension, Kind};
use crate::person::value::ValueRef;
use crate::person::view::{Step, View, between};

/// Copying this many bytes whatever a seam's length is quicker than copying as many as it has; what
/// is too much is written over by what follows.
const STRIDE: usize = 64;

/// The tags between two values that follow each other in a record, ready-made for each pair that
/// can.
struct Seams {
    /// Where each pair's tags are, by the two fields' numbers; [`Seam::NONE`] where the table of
    /// fields has no such order.
    table: Box<[Seam]>,
    /// All tags, and a stride that nobody uses.
    text: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Seam {
    at: u32,
    len: u32,
}

impl Seam {
    const NONE: Self = Self {
        at: u32::MAX,
        len: 0,
    };
}

impl Seams {
    fn compile(core: Core, fields: &FieldMask) -> Self {
        let tags: Vec<_> = Field::all().map(|field| tags(field, core)).collect();
        let tags = |field: Field| &tags[usize::from(field.number())];
        let is_there = |field: Field| field == Field::RECORD || fields.has(field);
        let mut text = Vec::new();
        let mut table = vec![Seam::NONE; Field::COUNT * Field::COUNT].into_boxed_slice();
        for before in Field::all().filter(|&field| is_there(field)) {
            let follows = |next: Field| next == Field::RECORD || next.may_follow(before);
            for next in Field::all().filter(|&next| is_there(next) && follows(next)) {
                let at = text.len();
                if before.kind() != Kind::Group {
                    text.extend_from_slice(tags(before).1.as_bytes());
                }
                between(before, next, |step| {
                    text.extend_from_slice(match step {
                        Step::Open(group) => tags(group).0.as_bytes(),
                        Step::Close(group) => tags(group).1.as_bytes(),
                    });
                });
                if next.kind() != Kind::Group {
                    text.extend_from_slice(tags(next).0.as_bytes());
                }
                table[place(before, next)] = Seam {
                    at: at as u32,
                    len: (text.len() - at) as u32,
                };
            }
        }
        text.extend_from_slice(&[0; STRIDE]);
        Self {
            table,
            text: text.into_boxed_slice(),
        }
    }

    /// The tags between two values, and at least a stride of bytes from there on.
    #[inline]
    fn between(&self, before: Field, next: Field) -> Result<(&[u8], usize), Damaged> {
        let seam = self.table[place(before, next)];
        let text = self.text.get(seam.at as usize..).ok_or(Damaged)?;
        Ok((text, seam.len as usize))
    }
}

#[inline]
fn place(before: Field, next: Field) -> usize {
    usize::from(before.number()) * Field::COUNT + usize::from(next.number())
}

thread_local! {
    /// Memory of answers that have been sent, for the next ones: fresh memory is slow to touch.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Spare pieces of memory kept by one thread, and the largest that is kept.
const SPARES: usize = 16;
const LARGEST_SPARE: usize = 4 << 20;

/// Bytes that an answer may take with it beyond twice its own.
const LENT_BEYOND: usize = 64 << 10;

/// An answer on its way out. When it has been sent, its memory is spare again.
struct Lent {
    bytes: Vec<u8>,
    len: usize,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        // A thread that ends has no use for it any more.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < SPARES && bytes.len() <= LARGEST_SPARE {
                spare.push(bytes);
            }
        });
    }
}

/// Where answers are written. Its memory comes back when an answer has been sent.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    len: usize,
    /// Whom it tells of. Whoever is rendered is noted by the renderer.
    pub disclosed: Disclosed,
}

impl Buffer {
    /// What has been written.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Hands out what has been written without copying it, and begins anew.
    pub fn lend(&mut self) -> Bytes {
        // A small answer does not take a large one's memory with it.
        if self.bytes.len() > 2 * self.len + LENT_BEYOND {
            let copied = Bytes::copy_from_slice(self.written());
            self.len = 0;
            return copied;
        }
        let spare = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        let bytes = std::mem::replace(&mut self.bytes, spare);
        let len = std::mem::take(&mut self.len);
        Bytes::from_owner(Lent { bytes, len })
    }

    /// Forgets what has been written.
    pub fn clear(&mut self) {
        self.len = 0;
        self.disclosed.clear();
    }

    /// Appends bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        self.put(bytes);
    }

    /// Makes sure that `more` bytes and a stride fit.
    #[inline]
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() - self.len < more + STRIDE {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let wanted = self.len + more + STRIDE;
        self.bytes
            .resize(wanted.next_power_of_two().max(16 * 1024), 0);
    }

    /// Writes the first `len` of `bytes`, which are a stride at least.
    #[inline]
    fn put_strides(&mut self, bytes: &[u8], len: usize) {
        let room = &mut self.bytes[self.len..];
        if let (Some(room), Some(bytes)) = (room.first_chunk_mut(), bytes.first_chunk::<STRIDE>()) {
            *room = *bytes;
        }
        if len > STRIDE {
            room[STRIDE..len].copy_from_slice(&bytes[STRIDE..len]);
        }
        self.len += len;
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// Records of one version of the core types as XML, prefix `p` for the core namespace and `e1` to
/// `e3` for version 3's extensions.
pub struct RecordWriter {
    fields: FieldMask,
    seams: Seams,
    /// What a contact record is made of, in its own order.
    contact: Vec<ContactPart>,
    identities: Identities,
}

/// An element of a contact record.
enum ContactPart {
    /// Whose record it is.
    PersonId,
    /// What the person record has under the same name.
    Same(FieldMask),
}

/// The insides of an `IIType`, ready for each identity format.
struct Identities {
    roots: Vec<(u8, Box<[u8]>)>,
    formats: Formats,
}

const IDENTITY_END: &[u8] = b"</p:extension>";

/// The prefix of an extension namespace.
pub const fn extension_prefix(extension: Extension) -> &'static str {
    match extension {
        Extension::E31 => "e1",
        Extension::E32 => "e2",
        Extension::E33 => "e3",
    }
}

impl RecordWriter {
    /// Compiles the table for one version.
    pub fn compile(core: Core, formats: &Formats) -> Self {
        let root = |root: &str| format!("<p:root>{root}</p:root><p:extension>").into_bytes();
        let roots = formats
            .rows()
            .map(|row| (row.number, root(&row.root).into_boxed_slice()))
            .collect();
        let fields = FieldMask::of(|field| field.exists_in(core));
        Self {
            fields,
            seams: Seams::compile(core, &fields),
            contact: contact_parts(core, &fields),
            identities: Identities {
                roots,
                formats: formats.clone(),
            },
        }
    }

    /// Writes what `view` shows, without an element around it.
    #[inline]
    pub fn write(&self, view: &View<'_>, out: &mut Buffer) -> Result<(), Damaged> {
        out.disclosed.show(view);
        self.write_within(&self.fields, view, out)
    }

    fn write_within(
        &self,
        fields: &FieldMask,
        view: &View<'_>,
        out: &mut Buffer,
    ) -> Result<(), Damaged> {
        let mut before = Field::RECORD;
        view.each(fields, |field, value| {
            self.write_seam(before, field, out)?;
            before = field;
            value.map_or(Ok(()), |value| self.write_value(value, out))
        })?;
        self.write_seam(before, Field::RECORD, out)
    }

    #[expect(clippy::inline_always, reason = "a call costs as much as the tags")]
    #[inline(always)]
    fn write_seam(&self, before: Field, next: Field, out: &mut Buffer) -> Result<(), Damaged> {
        let (text, len) = self.seams.between(before, next)?;
        out.make_room(len);
        out.put_strides(text, len);
        Ok(())
    }

    #[inline]
    fn write_value(&self, value: ValueRef<'_>, out: &mut Buffer) -> Result<(), Damaged> {
        match value {
            ValueRef::Text(text) => out.push(text.xml()),
            ValueRef::Boolean(true) => out.push(b"true"),
            ValueRef::Boolean(false) => out.push(b"false"),
            ValueRef::Date(date) => out.push(&date.written().0),
            ValueRef::PartialDate(date) => push_partial_date(date, out),
            ValueRef::DateTime(at) => out.push(&at.written()),
            ValueRef::Timestamp(at) => out.push(&at.written()),
            ValueRef::Identity(identity) => self.write_identity(identity, out)?,
        }
        Ok(())
    }

    /// Writes a contact record of what `view` shows, without an element around it.
    pub fn write_contact(&self, view: &View<'_>, out: &mut Buffer) -> Result<(), Damaged> {
        out.disclosed.show(view);
        for part in &self.contact {
            match part {
                ContactPart::PersonId => {
                    out.push(b"<p:personId>");
                    self.write_identity(view.identity(), out)?;
                    out.push(b"</p:personId>");
                }
                ContactPart::Same(fields) => self.write_within(fields, view, out)?,
            }
        }
        Ok(())
    }

    /// Writes root and extension of an identity, without an element around them.
    #[inline]
    pub fn write_identity(&self, identity: Identity, out: &mut Buffer) -> Result<(), Damaged> {
        self.identities.write(identity, out)
    }
}

impl Identities {
    #[inline]
    fn write(&self, identity: Identity, out: &mut Buffer) -> Result<(), Damaged> {
        let number = identity.format_number();
        let (_, root) = self
            .roots
            .iter()
            .find(|(format, _)| *format == number)
            .ok_or(Damaged)?;
        let text = self.formats.text(identity).ok_or(Damaged)?;
        out.make_room(root.len() + text.as_bytes().len() + IDENTITY_END.len());
        out.put(root);
        out.put(text.as_bytes());
        out.put(IDENTITY_END);
        Ok(())
    }
}

/// The contact record's elements in a version, found in the person record by their names.
fn contact_parts(core: Core, fields: &FieldMask) -> Vec<ContactPart> {
    let rows = CONTACT_INFORMATION_RECORD.rows.iter();
    rows.filter(|row| row.versions.has(core))
        .map(|row| {
            let same = Field::RECORD
                .children()
                .find(|field| field.info().name == row.name);
            same.map_or(ContactPart::PersonId, |same| {
                ContactPart::Same(FieldMask::of(|field| same.contains(field)).and(fields))
            })
        })
        .collect()
}

/// The two tags of a field in a version. The record itself, fields that the version lacks, and the
/// wrappers that version 5 dropped have none.
fn tags(field: Field, core: Core) -> (String, String) {
    let info = field.info();
    let unwrapped = core == Core::V5;
    if field == Field::RECORD || !field.exists_in(core) || (unwrapped && info.wrap == Wrap::Wrapper)
    {
        return (String::new(), String::new());
    }
    let row = match info.wrap {
        Wrap::Value if unwrapped => info.parent.info().row,
        _ => info.row,
    };
    let prefix = match row.extension {
        Some(extension) if core == Core::V3 => extension_prefix(extension),
        _ => "p",
    };
    let name = row.name;
    let close = match info.kind {
        Kind::PartialDate => format!("</p:value></{prefix}:{name}>"),
        _ => format!("</{prefix}:{name}>"),
    };
    (format!("<{prefix}:{name}>"), close)
}

/// Format and value; the value's end tag is part of the field's own.
#[inline]
fn push_partial_date(date: PartialDate, out: &mut Buffer) {
    let (written, len) = date.written();
    out.push(match len {
        4 => b"<p:format>YYYY</p:format><p:value>".as_slice(),
        7 => b"<p:format>YYYY-MM</p:format><p:value>",
        _ => b"<p:format>YYYY-MM-DD</p:format><p:value>",
    });
    out.push(&written[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::{full, identity};
    use crate::person::record::RecordRef;
    use crate::person::view::{Grant, Profile, Shield, restrict};

    fn rendered(core: Core) -> String {
        let bytes = full(identity("22790814AA01"), 4).to_record().unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        let view = restrict(record, &Grant::unrestricted(Profile::P5), Shield::NONE);
        let mut out = Buffer::default();
        RecordWriter::compile(core, &Formats::standard())
            .write(&view, &mut out)
            .unwrap();
        String::from_utf8(out.written().to_vec()).unwrap()
    }

    #[test]
    fn every_order_of_a_record_has_its_tags_and_no_other_order_has() {
        let core = Core::V4;
        let fields = FieldMask::of(|field| field.exists_in(core));
        let seams = Seams::compile(core, &fields);
        let seam = |before, next| {
            let (text, len) = seams.between(before, next).ok()?;
            Some(String::from_utf8(text[..len].to_vec()).unwrap())
        };
        let at = Field::at;
        for (before, next, tags) in [
            (
                Field::RECORD,
                at("name/givenName"),
                Some("<p:name><p:givenName><p:name>"),
            ),
            (
                at("name/givenName"),
                at("name/givenName/attested"),
                Some("</p:name><p:attested>"),
            ),
            (
                at("name/givenName/attested"),
                at("birth/dateOfBirth"),
                Some("</p:attested></p:givenName></p:name><p:birth><p:dateOfBirth>"),
            ),
            (at("birth/dateOfBirth"), at("name/givenName"), None),
            (
                at("linkedIdentity/primaryIdentity"),
                at("linkedIdentity"),
                Some("</p:primaryIdentity></p:linkedIdentity><p:linkedIdentity>"),
            ),
        ] {
            assert_eq!(seam(before, next).as_deref(), tags, "{before:?} {next:?}");
        }
        let there = || Field::all().skip(1).filter(|&field| fields.has(field));
        for before in there() {
            for next in there() {
                let is_told = seam(before, next).is_some();
                assert_eq!(is_told, next.may_follow(before), "{before:?} {next:?}");
            }
        }
    }

    #[test]
    fn versions_wrap_values_their_own_way() {
        let (v3, v4, v5) = (rendered(Core::V3), rendered(Core::V4), rendered(Core::V5));
        assert!(v5.contains("<p:givenName>å&lt;4&gt;&amp;</p:givenName>"));
        let wrapped = "<p:givenName><p:name>å&lt;4&gt;&amp;</p:name><p:attested>true</p:attested></p:givenName>";
        assert!(v4.contains(wrapped) && v3.contains(wrapped));
        assert!(v5.contains("<p:UUID>") && v4.contains("<p:UUID>") && v3.contains("<e2:UUID>"));
        assert!(v3.contains("<e1:foundDeadAtDate><p:format>"));
        assert!(v3.contains("</p:value></e1:foundDeadAtDate>"));
        for absent in [
            "identityLevel",
            "referredPersonalIdentities",
            "localRegistrationTime",
        ] {
            assert!(!v3.contains(absent), "{absent}");
        }
        assert!(v5.contains("identityLevel") && !v4.contains("identityLevel"));
        assert!(!v5.contains("attested") && !v5.contains(":link>"));
    }

    #[test]
    fn lent_answers_keep_their_bytes_and_give_their_memory_back() {
        let mut out = Buffer::default();
        out.push(b"first");
        let first = out.lend();
        out.push(b"second");
        let second = out.lend();
        assert_eq!((&*first, &*second), (&b"first"[..], &b"second"[..]));
        let place = first.as_ptr();
        drop(first);
        // The buffer took its next memory before the first came back; the one after that is it.
        out.push(b"third");
        drop(out.lend());
        out.push(b"fourth");
        let fourth = out.lend();
        assert_eq!((&*fourth, fourth.as_ptr()), (&b"fourth"[..], place));
    }

    #[test]
    fn tags_balance() {
        for core in Core::ALL {
            let text = format!(
                "<x xmlns:p='p' xmlns:e1='1' xmlns:e2='2' xmlns:e3='3'>{}</x>",
                rendered(core)
            );
            let mut reader = quick_xml::Reader::from_str(&text);
            while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
        }
    }
}

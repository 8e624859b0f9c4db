//! Views as XML. The field table and a version are compiled once into ready-made tags, one entry
//! per field; a record is then rendered by copying tags and values. Values are kept escaped, so
//! nothing is looked at on the way.

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
use crate::person::view::{View, Visitor};

/// Room for one tag. Copying this many bytes whatever the tag's length is quicker than copying as
/// many as it has; what is too much is written over by what follows.
const TAG: usize = 64;

/// A ready-made piece of XML.
#[derive(Clone, Copy)]
struct Tag {
    bytes: [u8; TAG],
    len: usize,
}

impl Tag {
    const EMPTY: Self = Self {
        bytes: [0; TAG],
        len: 0,
    };

    /// `text` cut to the room there is; the longest tag of the table is asserted to fit by a test.
    fn new(text: &str) -> Self {
        let len = text.len().min(TAG);
        let mut bytes = [0; TAG];
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        debug_assert_eq!(len, text.len(), "{text}");
        Self { bytes, len }
    }
}

thread_local! {
    /// Memory of answers that have been sent, for the next ones: fresh memory is slow to touch.
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Spare pieces of memory kept by one thread, and the largest that is kept.
const SPARES: usize = 16;
const LARGEST_SPARE: usize = 4 << 20;

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

    /// Makes sure that `more` bytes and two tags fit.
    #[inline]
    fn make_room(&mut self, more: usize) {
        if self.bytes.len() - self.len < more + 2 * TAG {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        let wanted = self.len + more + 2 * TAG;
        self.bytes
            .resize(wanted.next_power_of_two().max(16 * 1024), 0);
    }

    #[inline]
    fn put_tag(&mut self, tag: &Tag) {
        if let Some(room) = self.bytes[self.len..].first_chunk_mut::<TAG>() {
            *room = tag.bytes;
            self.len += tag.len;
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

/// What one field becomes in one version.
#[derive(Clone, Copy)]
struct Piece {
    open: Tag,
    close: Tag,
}

/// Records of one version of the core types as XML, prefix `p` for the core namespace and `e1` to
/// `e3` for version 3's extensions.
pub struct RecordWriter {
    fields: FieldMask,
    pieces: Box<[Piece]>,
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
        let pieces = Field::all().map(|field| piece(field, core)).collect();
        let root = |root: &str| format!("<p:root>{root}</p:root><p:extension>").into_bytes();
        let roots = formats
            .rows()
            .map(|row| (row.number, root(&row.root).into_boxed_slice()))
            .collect();
        let fields = FieldMask::of(|field| field.exists_in(core));
        Self {
            fields,
            pieces,
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
        out.disclosed.shown.push(view.identity());
        self.write_within(&self.fields, view, out)
    }

    #[inline]
    fn write_within(
        &self,
        fields: &FieldMask,
        view: &View<'_>,
        out: &mut Buffer,
    ) -> Result<(), Damaged> {
        let mut writing = Writing {
            pieces: &self.pieces,
            identities: &self.identities,
            out,
            damaged: false,
        };
        view.walk(fields, &mut writing)?;
        if writing.damaged {
            Err(Damaged)
        } else {
            Ok(())
        }
    }

    /// Writes a contact record of what `view` shows, without an element around it.
    pub fn write_contact(&self, view: &View<'_>, out: &mut Buffer) -> Result<(), Damaged> {
        out.disclosed.shown.push(view.identity());
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

/// The tags of a field in a version. The record itself, fields that the version lacks, and the
/// wrappers that version 5 dropped have none.
fn piece(field: Field, core: Core) -> Piece {
    let info = field.info();
    let unwrapped = core == Core::V5;
    if field == Field::RECORD || !field.exists_in(core) || (unwrapped && info.wrap == Wrap::Wrapper)
    {
        return Piece {
            open: Tag::EMPTY,
            close: Tag::EMPTY,
        };
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
    Piece {
        open: Tag::new(&format!("<{prefix}:{name}>")),
        close: Tag::new(&match info.kind {
            Kind::PartialDate => format!("</p:value></{prefix}:{name}>"),
            _ => format!("</{prefix}:{name}>"),
        }),
    }
}

struct Writing<'w> {
    pieces: &'w [Piece],
    identities: &'w Identities,
    out: &'w mut Buffer,
    /// An identity that no format of the table explains was met.
    damaged: bool,
}

impl Visitor for Writing<'_> {
    #[inline]
    fn open(&mut self, group: Field) {
        self.out.make_room(0);
        self.out
            .put_tag(&self.pieces[usize::from(group.number())].open);
    }

    #[inline]
    fn close(&mut self, group: Field) {
        self.out.make_room(0);
        self.out
            .put_tag(&self.pieces[usize::from(group.number())].close);
    }

    #[inline]
    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        let piece = &self.pieces[usize::from(field.number())];
        let out = &mut *self.out;
        if let ValueRef::Text(text) = value {
            let text = text.xml();
            out.make_room(text.len());
            out.put_tag(&piece.open);
            out.put(text);
            out.put_tag(&piece.close);
            return;
        }
        out.make_room(2 * TAG);
        out.put_tag(&piece.open);
        match value {
            ValueRef::Text(_) => {}
            ValueRef::Boolean(true) => out.put(b"true"),
            ValueRef::Boolean(false) => out.put(b"false"),
            ValueRef::Date(date) => out.put(&date.written().0),
            ValueRef::PartialDate(date) => put_partial_date(date, out),
            ValueRef::DateTime(at) => out.put(&at.written()),
            ValueRef::Timestamp(at) => out.put(&at.written()),
            ValueRef::Identity(identity) => {
                self.damaged |= self.identities.write(identity, out).is_err();
            }
        }
        out.make_room(0);
        out.put_tag(&piece.close);
    }
}

/// Format and value; the value's end tag is part of the field's own.
#[inline]
fn put_partial_date(date: PartialDate, out: &mut Buffer) {
    let (written, len) = date.written();
    out.put(match len {
        4 => b"<p:format>YYYY</p:format><p:value>".as_slice(),
        7 => b"<p:format>YYYY-MM</p:format><p:value>",
        _ => b"<p:format>YYYY-MM-DD</p:format><p:value>",
    });
    out.put(&written[..len]);
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
    fn every_tag_has_room() {
        for core in Core::ALL {
            for field in Field::all() {
                let piece = piece(field, core);
                assert!(piece.open.len < TAG && piece.close.len < TAG, "{field:?}");
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

//! Writing: a visitor of a view that knows which brackets are open.

use std::io::Write as _;
use std::sync::LazyLock;

use super::{KEEPS_PROTECTION, value_in};
use crate::person::field::{Field, FieldMask, Wrap};
use crate::person::identity::Formats;
use crate::person::record::Damaged;
use crate::person::schema::Kind;
use crate::person::value::ValueRef;
use crate::person::view::{View, Visitor};

/// Appends what a view shows as one JSON object, without spaces or line breaks.
pub fn write(view: &View<'_>, formats: &Formats, out: &mut Vec<u8>) -> Result<(), Damaged> {
    static EVERYTHING: LazyLock<FieldMask> = LazyLock::new(|| FieldMask::of(|_| true));
    let mut writer = Writer {
        out,
        formats,
        last: [None; DEPTH],
        depth: 0,
        wrapped: Wrapped::No,
        damaged: false,
    };
    writer.out.push(b'{');
    view.walk(&EVERYTHING, &mut writer)?;
    writer.end_array();
    if view.keeps_protection() {
        writer.out.push(b',');
        writer.name(KEEPS_PROTECTION);
        writer.out.extend_from_slice(b"true");
    }
    writer.out.push(b'}');
    if writer.damaged { Err(Damaged) } else { Ok(()) }
}

/// Levels of groups that the field table can have; a test holds it.
pub(super) const DEPTH: usize = 8;

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    formats: &'a Formats,
    /// For each open group, the field written last in it.
    last: [Option<Field>; DEPTH],
    depth: usize,
    wrapped: Wrapped,
    damaged: bool,
}

/// What has been written of the wrapper that is open.
#[derive(Clone, Copy)]
enum Wrapped {
    No,
    /// Its value alone, which starts here.
    Value(usize),
    /// An object, because of its mark.
    Object,
}

impl Writer<'_> {
    /// Writes what stands before a field's value: comma, name, bracket.
    fn begin(&mut self, field: Field) {
        let last = self.last[self.depth];
        if last == Some(field) {
            self.damaged |= !field.repeats();
            self.out.push(b',');
            return;
        }
        self.end_array();
        if last.is_some() {
            self.out.push(b',');
        }
        self.last[self.depth] = Some(field);
        self.name(field.info().name);
        if field.repeats() {
            self.out.push(b'[');
        }
    }

    fn name(&mut self, name: &str) {
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn end_array(&mut self) {
        if self.last[self.depth].is_some_and(Field::repeats) {
            self.out.push(b']');
        }
    }

    /// A value or a mark inside a wrapper, whose own name is written.
    fn within_wrapper(&mut self, field: Field, value: ValueRef<'_>) {
        let name = field.info().name;
        match self.wrapped {
            Wrapped::No if field.info().wrap == Wrap::Value => {
                self.wrapped = Wrapped::Value(self.out.len());
            }
            Wrapped::No => {
                self.wrapped = Wrapped::Object;
                self.out.push(b'{');
                self.name(name);
            }
            Wrapped::Value(from) => {
                self.wrapped = Wrapped::Object;
                let inner = format!("{{\"{}\":", value_in(field.parent()).info().name);
                self.out.splice(from..from, inner.into_bytes());
                self.out.push(b',');
                self.name(name);
            }
            Wrapped::Object => {
                self.out.push(b',');
                self.name(name);
            }
        }
        self.put(field, value);
    }

    fn put(&mut self, field: Field, value: ValueRef<'_>) {
        match value {
            ValueRef::Text(text) if field.kind() == Kind::Number => {
                let digits = text.xml();
                let plain = digits.strip_prefix(b"-").unwrap_or(digits);
                self.damaged |= plain.is_empty() || !plain.iter().all(u8::is_ascii_digit);
                self.out.extend_from_slice(digits);
            }
            ValueRef::Text(text) => match text.plain() {
                Ok(text) => put_string(self.out, &text),
                Err(Damaged) => self.damaged = true,
            },
            ValueRef::Boolean(truth) => {
                self.out
                    .extend_from_slice(if truth { b"true" } else { b"false" });
            }
            ValueRef::Date(date) | ValueRef::PartialDate(date) => {
                let (written, len) = date.written();
                self.quoted(&written[..len]);
            }
            ValueRef::DateTime(at) => self.quoted(&at.written()),
            ValueRef::Timestamp(at) => self.quoted(&at.written()),
            ValueRef::Identity(identity) => {
                match (self.formats.root(identity), self.formats.text(identity)) {
                    (Some(root), Some(extension)) => {
                        self.out.extend_from_slice(b"{\"root\":");
                        put_string(self.out, root);
                        self.out.extend_from_slice(b",\"extension\":");
                        self.quoted(extension.as_str().as_bytes());
                        self.out.push(b'}');
                    }
                    _ => self.damaged = true,
                }
            }
        }
    }

    /// Characters that need no escaping.
    fn quoted(&mut self, plain: &[u8]) {
        self.out.push(b'"');
        self.out.extend_from_slice(plain);
        self.out.push(b'"');
    }
}

impl Visitor for Writer<'_> {
    fn open(&mut self, group: Field) {
        self.begin(group);
        self.depth += 1;
        self.last[self.depth] = None;
        if group.info().wrap == Wrap::Wrapper {
            self.wrapped = Wrapped::No;
        } else {
            self.out.push(b'{');
        }
    }

    fn close(&mut self, group: Field) {
        match (group.info().wrap, self.wrapped) {
            (Wrap::Wrapper, Wrapped::Value(_)) => {}
            // A wrapper that the view shows nothing of is not opened, so there is an object.
            (Wrap::Wrapper, _) => self.out.push(b'}'),
            _ => {
                self.end_array();
                self.out.push(b'}');
            }
        }
        self.depth -= 1;
    }

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        if matches!(field.info().wrap, Wrap::Value | Wrap::Mark) {
            self.within_wrapper(field, value);
        } else {
            self.begin(field);
            self.put(field, value);
        }
    }
}

/// Appends text as a JSON string.
fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
    {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // XML characters stop here; a damaged record may hold others.
            control => {
                let _ = write!(out, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

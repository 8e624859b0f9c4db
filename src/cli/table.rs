//! A person as people read it: a line for each value, indented below the groups that it stands in.

use std::sync::LazyLock;

use crate::person::field::{Field, FieldMask, Wrap};
use crate::person::identity::Formats;
use crate::person::record::Damaged;
use crate::person::value::ValueRef;
use crate::person::view::{View, Visitor};

/// Appends what a view shows as lines of names and values, with the contracts' names.
pub fn write(view: &View<'_>, formats: &Formats, out: &mut Vec<u8>) -> Result<(), Damaged> {
    static EVERYTHING: LazyLock<FieldMask> = LazyLock::new(|| FieldMask::of(|_| true));
    let mut lines = Lines {
        formats,
        rows: Vec::new(),
        damaged: false,
    };
    view.walk(&EVERYTHING, &mut lines)?;
    if lines.damaged {
        return Err(Damaged);
    }
    let width = |(name, _): &(String, String)| name.chars().count();
    let widest = lines.rows.iter().map(width).max().unwrap_or(0);
    for (name, value) in &lines.rows {
        let line = format!("{name:widest$}  {value}");
        out.extend_from_slice(line.trim_end().as_bytes());
        out.push(b'\n');
    }
    Ok(())
}

/// Names with their indents, and values; groups have none.
struct Lines<'f> {
    formats: &'f Formats,
    rows: Vec<(String, String)>,
    damaged: bool,
}

impl Lines<'_> {
    fn line(&mut self, field: Field, name: &str, value: String) {
        let depth = usize::from(field.info().depth).saturating_sub(1);
        self.rows
            .push((format!("{:1$}{name}", "", 2 * depth), value));
    }

    fn written(&self, value: ValueRef<'_>) -> Result<String, Damaged> {
        let written = |ascii: &[u8]| String::from_utf8_lossy(ascii).into_owned();
        Ok(match value {
            ValueRef::Text(text) => harmless(&text.plain()?),
            ValueRef::Boolean(truth) => truth.to_string(),
            ValueRef::Date(date) | ValueRef::PartialDate(date) => {
                let (ascii, len) = date.written();
                written(&ascii[..len])
            }
            ValueRef::Timestamp(at) => written(&at.written()),
            ValueRef::DateTime(at) => written(&at.written()),
            ValueRef::Identity(identity) => {
                let text = self.formats.text(identity).ok_or(Damaged)?;
                text.as_str().to_owned()
            }
        })
    }
}

/// Text in which nothing moves a terminal's cursor.
fn harmless(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

impl Visitor for Lines<'_> {
    fn open(&mut self, group: Field) {
        // The value in a wrapper stands alone, under the wrapper's name.
        if group != Field::RECORD && group.info().wrap != Wrap::Wrapper {
            self.line(group, group.info().name, String::new());
        }
    }

    fn close(&mut self, _: Field) {}

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        let Ok(value) = self.written(value) else {
            self.damaged = true;
            return;
        };
        match field.info().wrap {
            Wrap::Value => {
                let wrapper = field.parent();
                self.line(wrapper, wrapper.info().name, value);
            }
            Wrap::No | Wrap::Wrapper | Wrap::Mark => self.line(field, field.info().name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::json;
    use crate::person::record::RecordRef;
    use crate::person::view::{Grant, Profile, ProtectionRules, restrict};

    const PERSON: &str = r#"{"personalIdentity":{"root":"1.2.752.129.2.1.3.1","extension":"191212121212"},"protectedPersonIndicator":PROTECTED,"name":{"givenName":"Tolvan","surname":"Tolvansson"},"addressInformation":{"residentialAddress":{"postalAddress2":"STORGATAN 1","city":"LUND"}}}"#;

    fn shown(protected: &str) -> String {
        let formats = Formats::standard();
        let line = PERSON.replace("PROTECTED", protected);
        let person = json::read(line.as_bytes(), &formats).unwrap();
        let record = person.to_record().unwrap();
        let grant = Grant::restricted(Profile::P3, ProtectionRules::default());
        let record = RecordRef::open(&record).unwrap();
        let view = restrict(record, &grant, record.shield());
        let mut out = Vec::new();
        write(&view, &formats, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_stand_in_one_column_below_their_groups() {
        let text = shown("false");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("personalIdentity  "), "{text}");
        assert!(lines[0].ends_with("  191212121212"), "{text}");
        assert!(lines.contains(&"name"), "{text}");
        let column = lines[0].find("1912").unwrap();
        let given = lines
            .iter()
            .find(|it| it.starts_with("  givenName "))
            .unwrap();
        assert_eq!(&given[column..], "Tolvan");
    }

    #[test]
    fn a_protected_address_is_in_no_line_and_no_width() {
        let text = shown("true");
        assert!(
            !text.contains("STORGATAN") && !text.contains("ddress"),
            "{text}"
        );
        assert!(shown("false").contains("STORGATAN"));
    }

    #[test]
    fn no_value_moves_the_cursor() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{9b}"), "a\u{fffd}[2Jb\u{fffd}");
    }
}

//! Posts to test with: random ones in the order in which the readers give terms, and a way to
//! compare posts.

use super::assemble::{NORDIC, NORDIC_COUNTRY, NORDIC_NUMBER, REFERENCE_ID};
use super::read::{Encoding, Navet, Read, Rejected, Understood};
use super::terms::{GROUPS, Part, Rule, TERMS, Term};
use super::write::{Header, Writer};
use crate::base::time::{DateTime, PartialDate};
use crate::person::edit::Group;
use crate::person::field::{Field, Wrap};
use crate::person::identity::{Formats, Identity};
use crate::person::schema::{Facet, Kind};
use crate::person::value::Value;
use crate::register::post::{Edit, Post};

pub(crate) const PERSONS: [&str; 8] = [
    "191212121212",
    "202412302396",
    "199002262385",
    "198401012391",
    "194012239101",
    "196511032804",
    "198402192382",
    "197001782395",
];

pub(crate) fn identity(value: &str) -> Identity {
    Formats::standard().guess(value).unwrap()
}

/// Numbers out of a seed.
pub(crate) struct Dice(pub u64);

impl Dice {
    pub fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn date(&mut self) -> PartialDate {
        let (year, month, day) = (1875 + self.throw(150), self.throw(13), self.throw(29));
        let day = if month == 0 { 0 } else { day };
        PartialDate::new(year as u32, month as u32, day as u32).unwrap()
    }

    fn identity(&mut self) -> Identity {
        identity(PERSONS[self.throw(8) as usize])
    }

    fn text(&mut self, field: Field, wide: bool) -> String {
        let (least, most) = match field.info().facet {
            Facet::Length(len) => (len, len),
            Facet::Lengths(least, most) => (least.max(1), most.min(40)),
            Facet::MaxLength(most) => (1, most),
            _ => (1, 40),
        };
        let mut letters: Vec<char> = "abcåäöéüÅÄÖÉÜ&<>\"'-.,:/0123$#".chars().collect();
        if wide {
            letters.extend("ŠłŻ€\u{1F9D1}".chars());
        }
        let count = least as u64 + self.throw((most - least + 1) as u64);
        let mut text: String = (0..count)
            .map(|at| match self.throw(6) {
                0 if at > 0 && at + 1 < count => ' ',
                _ => letters[self.throw(letters.len() as u64) as usize],
            })
            .collect();
        if text == "$" {
            text = "S".to_owned();
        }
        text
    }

    fn value(&mut self, term: &Term, field: Field, wide: bool) -> Value {
        match (term.rule, field.kind(), field.info().facet) {
            (Rule::Code(spellings), ..) => {
                Value::from(spellings[self.throw(spellings.len() as u64) as usize].1)
            }
            (_, Kind::Boolean, _) => Value::Boolean(self.throw(2) == 0),
            (_, Kind::PartialDate, _) => Value::PartialDate(self.date()),
            (_, Kind::Identity, _) => Value::Identity(self.identity()),
            (_, Kind::DateTime, _) => {
                let (day, hour) = (1 + self.throw(28), self.throw(24));
                Value::DateTime(
                    DateTime::parse(&format!("2025-01-{day:02}T{hour:02}:30:15")).unwrap(),
                )
            }
            (_, Kind::Number, Facet::Range(least, most)) => {
                let above = self.throw(most.abs_diff(least));
                Value::Text((least.unsigned_abs() + above).to_string())
            }
            _ => Value::Text(self.text(field, wide)),
        }
    }

    /// A post; with `wide` characters beyond ISO-8859-1.
    pub fn post(&mut self, wide: bool) -> Post {
        let mut post = Post {
            subject: self.identity(),
            post_id: (self.throw(4) > 0).then(|| {
                let part = |it: u64| format!("{it:03}");
                format!(
                    "2025.{}.{}.{}",
                    part(self.throw(1000)),
                    part(self.throw(1000)),
                    part(self.throw(1000))
                )
            }),
            total: self.throw(3) == 0,
            overtaken: false,
            edits: Vec::new(),
        };
        let (mut last, mut done) = (Vec::new(), Vec::new());
        let fill = 1 + self.throw(9);
        for term in TERMS.iter().filter(|term| term.written) {
            if term.part != Part::Post {
                self.entries(term, &mut done, &mut post.edits, wide);
            }
            let in_entry = term.field.is_some_and(|field| {
                GROUPS
                    .iter()
                    .any(|group| group.entry && group.field.contains(field))
            });
            let Some(field) = term.field.filter(|_| !in_entry) else {
                continue;
            };
            if self.throw(10) > fill {
                continue;
            }
            match term.rule {
                Rule::Total | Rule::NotificationDate => {}
                Rule::Nordic(country) => {
                    let mut entry = Group::new(NORDIC);
                    if self.throw(4) > 0 {
                        entry.set(NORDIC_NUMBER, Value::Text(self.text(NORDIC_NUMBER, wide)));
                    }
                    entry.set(NORDIC_COUNTRY, Value::from(country));
                    post.edits.push(Edit::Entry(entry));
                }
                Rule::Protection | Rule::ChangeTime => {
                    last.push(Edit::Set(field, self.value(term, field, wide)));
                }
                _ if field.info().wrap == Wrap::Mark => {
                    post.edits
                        .push(Edit::Set(field, self.value(term, field, wide)));
                    let value = Field::from_number(field.number() - 1).unwrap();
                    post.edits
                        .push(Edit::Set(value, Value::Text(self.text(value, wide))));
                    done.push(value);
                }
                _ if done.contains(&field) => {}
                _ if self.throw(5) == 0 => {
                    post.edits
                        .push(Edit::Clear(super::assemble::unwrapped(field)));
                }
                _ => post
                    .edits
                    .push(Edit::Set(field, self.value(term, field, wide))),
            }
        }
        post.edits.extend(last);
        let case = |name| Field::all().find(|it| it.info().name == name).unwrap();
        post.edits
            .push(Edit::Set(case("totalRecord"), Value::Boolean(post.total)));
        post.edits.push(Edit::Set(
            case("notificationDate"),
            Value::PartialDate(self.date()),
        ));
        post
    }

    /// The entries of the group that `term` opens, the first time it is asked.
    fn entries(&mut self, term: &Term, done: &mut Vec<Field>, edits: &mut Vec<Edit>, wide: bool) {
        let group = GROUPS
            .iter()
            .find(|group| group.entry && group.part == term.part)
            .unwrap();
        if done.contains(&group.field) {
            return;
        }
        done.push(group.field);
        if self.throw(4) == 0 {
            edits.push(Edit::Clear(group.field));
        }
        for _ in 0..self.throw(4) {
            let mut entry = Group::new(group.field);
            for term in TERMS.iter().filter(|it| it.part == group.part) {
                let Some(field) = term.field.filter(|it| group.field.contains(*it)) else {
                    continue;
                };
                let other_id = matches!(term.rule, Rule::BirthTime) && !entry.is_empty();
                let lone_mark = field.info().wrap == Wrap::Mark;
                if self.throw(2) == 0 && !other_id && !lone_mark {
                    entry.set(field, self.value(term, field, wide));
                }
            }
            if entry.field() == Field::at("referredPersonalIdentities") {
                entry.set(REFERENCE_ID, Value::Identity(self.identity()));
            }
            if !entry.is_empty() {
                edits.push(Edit::Entry(entry));
            }
        }
    }
}

pub(super) fn header(encoding: Encoding, posts: u64) -> Header {
    Header {
        encoding,
        order_id: "00000236-FO01-0002".to_owned(),
        effectuated: PartialDate::parse("20250107").unwrap(),
        posts,
    }
}

pub(super) fn file_of(posts: &[Post], navet: Navet, encoding: Encoding) -> Vec<u8> {
    let formats = Formats::standard();
    let header = header(encoding, posts.len() as u64);
    let mut writer = Writer::new(Vec::new(), navet, header, &formats).unwrap();
    for post in posts {
        writer.write(post).unwrap();
    }
    writer.finish().unwrap()
}

/// A post as text, to compare and to show in a failed test.
pub(super) fn told(post: &Post) -> String {
    let formats = Formats::standard();
    let digits = |it: Identity| formats.text(it).unwrap().as_str().to_owned();
    let value = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Date(date) | Value::PartialDate(date) => date.to_string(),
        Value::DateTime(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        Value::Timestamp(at) => String::from_utf8(at.written().to_vec()).unwrap(),
        Value::Identity(identity) => digits(*identity),
    };
    let head = (digits(post.subject), &post.post_id, post.total);
    let mut out = vec![format!("{} {:?} {}\n", head.0, head.1, head.2)];
    for edit in &post.edits {
        out.push(match edit {
            Edit::Set(field, it) => format!("{field:?}={}\n", value(it)),
            Edit::Clear(field) => format!("-{field:?}\n"),
            Edit::Entry(entry) => {
                let path = entry.field().path();
                let below = Field::all().filter(|field| entry.field().contains(*field));
                let said: Vec<String> = below
                    .filter_map(|field| {
                        let it = entry.value(field)?;
                        Some(format!(" {}={}", &field.path()[path.len()..], value(it)))
                    })
                    .collect();
                format!("{path}:{}\n", said.concat())
            }
        });
    }
    out.concat()
}

pub(super) fn understood(read: &Read) -> &Understood {
    match read {
        Read::Post(it) => it,
        Read::Rejected(it) => panic!("rejected on line {}: {}", it.line, it.reason),
    }
}

pub(super) fn rejected(read: &Read) -> &Rejected {
    match read {
        Read::Rejected(it) => it,
        Read::Post(it) => panic!("understood: {}", told(&it.post)),
    }
}

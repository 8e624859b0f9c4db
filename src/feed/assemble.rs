//! Makes a post out of terms, whichever format they came in. The first thing that cannot be
//! understood fails the post; after it, only subject and protection are still read.

use super::read::{Reject, Warning};
use super::terms::{Group as GroupRow, Rule, Term};
use crate::base::limits;
use crate::base::time::{DateTime, PartialDate};
use crate::base::unseen::without_unseen;
use crate::person::edit::Group;
use crate::person::field::{Field, Wrap};
use crate::person::identity::{Formats, Identity};
use crate::person::schema::Kind;
use crate::person::value::{Value, ValueError};
use crate::register::post::{Edit, Post};

const PNR: &str = "1.2.752.129.2.1.3.1";
const SNR: &str = "1.2.752.129.2.1.3.3";

const PROTECTION: [Field; 2] = [
    Field::at("protectedPersonIndicator"),
    Field::at("protectedPopulationRecord"),
];

/// The fields of a single reference and of a Nordic number, and of the case.
pub(super) const REFERENCE: Field = Field::at("referredPersonalIdentities");
pub(super) const REFERENCE_ID: Field =
    Field::at("referredPersonalIdentities/referredPersonalIdentity");
const REFERENCE_STATUS: Field =
    Field::at("referredPersonalIdentities/referredPersonalIdentityStatus");
pub(super) const NORDIC: Field = Field::at("immigration/immigrationIdentity");
pub(super) const NORDIC_NUMBER: Field =
    Field::at("immigration/immigrationIdentity/personalIdentityNumber");
pub(super) const NORDIC_COUNTRY: Field = Field::at("immigration/immigrationIdentity/country");
pub(super) const TOTAL: Field =
    Field::at("populationRegistrationRecord/notificationCase/totalRecord");
const CHANGE_TIME: Field =
    Field::at("populationRegistrationRecord/notificationCase/modificationTime");
const NOTIFIED: Field = Field::at("populationRegistrationRecord/notificationCase/notificationDate");

/// When somebody died, as Navet tells it.
const DEATH: [Field; 3] = [
    DEREGISTERED_ON,
    Field::at("deregistration/foundDeadAtDate"),
    Field::at("coOrdinationNumberData/deceasedDate"),
];
const DEREGISTERED_ON: Field = Field::at("deregistration/deregistrationDate");
const DEREGISTERED: Field = Field::at("deregistration/deregistrationReasonCode");
const DECEASED: &str = "AV";
const BORN: Field = Field::at("birth/dateOfBirth");

/// A post in the making.
pub(super) struct Assembler<'f> {
    formats: &'f Formats,
    subject: Option<Identity>,
    post_id: Option<String>,
    total: bool,
    change_time: Option<DateTime>,
    notified: Option<PartialDate>,
    /// What the post says of each mark in [`PROTECTION`].
    protection: [Option<bool>; 2],
    edits: Vec<Edit>,
    entry: Option<(&'static GroupRow, Group)>,
    entries: usize,
    warnings: Vec<Warning>,
    failure: Option<Reject>,
}

/// What is left of a post that was not understood.
pub(super) struct Failure {
    pub reason: Reject,
    pub post_id: Option<String>,
    pub protection: Option<Box<Post>>,
}

impl<'f> Assembler<'f> {
    pub fn new(formats: &'f Formats) -> Self {
        Self {
            formats,
            subject: None,
            post_id: None,
            total: false,
            change_time: None,
            notified: None,
            protection: [None; 2],
            edits: Vec::new(),
            entry: None,
            entries: 0,
            warnings: Vec::new(),
            failure: None,
        }
    }

    /// Begins a post.
    pub fn begin(&mut self) {
        *self = Self::new(self.formats);
        self.edits.reserve(48);
    }

    /// The post tells everything, whether it says so or not.
    pub fn is_total(&mut self) {
        self.total = true;
    }

    /// Notes what deserves a look.
    pub fn warn(&mut self, warning: Warning) {
        self.warnings.push(warning);
    }

    /// Notes why the post cannot be understood, unless that is known.
    pub fn fail(&mut self, reason: Reject) {
        self.failure.get_or_insert(reason);
    }

    /// Notes why the post cannot be understood, in place of what is known.
    pub fn replace_failure(&mut self, reason: Reject) {
        self.failure = Some(reason);
    }

    /// The group that is open.
    pub fn open_group(&self) -> Option<&'static GroupRow> {
        self.entry.as_ref().map(|(group, _)| *group)
    }

    /// Begins an entry.
    pub fn open(&mut self, group: &'static GroupRow) {
        self.entry = Some((group, Group::new(group.field)));
    }

    /// Ends the entry that is open. One that says nothing is none.
    pub fn close(&mut self) {
        if let Some((_, entry)) = self.entry.take()
            && !entry.is_empty()
        {
            self.push_entry(entry);
        }
    }

    /// Whether the entry that is open has a value of the term.
    pub fn says(&self, term: &Term) -> bool {
        let entry = self.entry.as_ref().zip(term.field);
        entry.is_some_and(|((_, entry), field)| entry.value(field).is_some())
    }

    /// A blanked group of fields.
    pub fn blank(&mut self, field: Field) {
        if self.entry.is_none() {
            self.edits.push(Edit::Clear(field));
        }
    }

    /// A term: its value, or `None` when it is blanked.
    pub fn term(&mut self, term: &'static Term, text: Option<&str>) {
        let text = text.map(str::trim).filter(|text| !text.is_empty());
        let clean = text
            .filter(|_| is_mended(term.rule))
            .and_then(without_unseen);
        if let Some(clean) = &clean {
            self.warnings.push(Warning::Unseen(term));
            if clean.is_empty() {
                // Nothing is left of it: damage, not a value that is blanked.
                let error = ValueError::UnseenCharacter;
                return self.fail(Reject::Value { term, error });
            }
        }
        let text = clean.as_deref().or(text);
        match (term.rule, text) {
            (Rule::Protection, _) => self.protect(term, text),
            (Rule::Subject, Some(text)) => self.name_subject(term, text),
            (Rule::Subject | Rule::Ignored, _) => {}
            _ if self.failure.is_some() && term.rule != Rule::PostId => {}
            (_, None) => self.clear(term),
            (_, Some(text)) => {
                if let Err(error) = self.take(term, text) {
                    self.fail(Reject::Value { term, error });
                }
            }
        }
    }

    fn protect(&mut self, term: &'static Term, text: Option<&str>) {
        let protected = match text {
            None | Some("N") => false,
            Some("J") => true,
            Some(_) => {
                self.warnings.push(Warning::UnreadableProtection(term));
                true
            }
        };
        let mark = PROTECTION.iter().zip(&mut self.protection);
        let Some((_, mark)) = mark
            .into_iter()
            .find(|(field, _)| term.field == Some(**field))
        else {
            return;
        };
        if mark.is_some_and(|mark| mark != protected) {
            self.warnings.push(Warning::ContradictingProtection(term));
        }
        *mark = Some(protected || mark.unwrap_or(false));
    }

    fn name_subject(&mut self, term: &'static Term, text: &str) {
        match (self.identity(text), self.subject) {
            (Err(_), _) => self.fail(Reject::BadSubject(term)),
            (Ok(subject), Some(other)) if subject != other => self.fail(Reject::TwoSubjects),
            (Ok(subject), _) => self.subject = Some(subject),
        }
    }

    /// A PNR or SNR: the latter has 60 added to the day.
    fn identity(&self, text: &str) -> Result<Identity, ValueError> {
        let root = match text.as_bytes().get(6) {
            Some(b'6'..) => SNR,
            _ => PNR,
        };
        self.formats
            .parse(root, text)
            .map_err(|_| ValueError::NotAnIdentity)
    }

    fn clear(&mut self, term: &'static Term) {
        match (term.rule, term.field) {
            (Rule::PostId, _) => self.post_id = None,
            (Rule::Total, _) => self.total = false,
            (Rule::ChangeTime | Rule::NotificationDate, _) | (_, None) => {}
            // The number is blanked, not every Nordic number: an entry that names the country alone.
            (Rule::Nordic(country), _) => self.nordic(country, None),
            // What is blanked in an entry is not in the entry.
            (_, Some(field)) if self.is_in_entry(field) => {}
            (_, Some(field)) => self.edits.push(Edit::Clear(unwrapped(field))),
        }
    }

    fn take(&mut self, term: &'static Term, text: &str) -> Result<(), ValueError> {
        let put = |it: &mut Self, value| {
            if let Some(field) = term.field {
                it.put(field, value);
            }
        };
        match term.rule {
            Rule::Subject | Rule::Protection | Rule::Ignored => {}
            Rule::Code(spellings) => {
                let spelled = spellings.iter().find(|(navets, _)| *navets == text);
                put(self, plain(term, spelled.map_or(text, |(_, ours)| ours))?);
            }
            Rule::PositiveNumber | Rule::Date if is_zero(text) => self.clear(term),
            Rule::Plain | Rule::PositiveNumber => put(self, plain(term, text)?),
            Rule::Date => {
                if let Some(date) = self.date(term, text)? {
                    put(self, Value::PartialDate(date));
                }
            }
            Rule::Truth => put(self, Value::Boolean(truth(text)?)),
            Rule::Relative(birth) if text.len() == 12 && text.ends_with("0000") => {
                self.put_birth_time(term, birth, text)?;
            }
            Rule::Identity | Rule::Relative(_) => put(self, Value::Identity(self.identity(text)?)),
            Rule::BirthTime => {
                if let Some(field) = term.field {
                    self.put_birth_time(term, field, text)?;
                }
            }
            Rule::SingleReference => {
                let mut entry = Group::new(REFERENCE);
                entry.set(REFERENCE_ID, Value::Identity(self.identity(text)?));
                entry.set(REFERENCE_STATUS, Value::from("NY"));
                self.push_entry(entry);
            }
            Rule::Nordic(country) => {
                let number = Value::parse(NORDIC_NUMBER, text)?;
                self.nordic(country, Some(number));
            }
            Rule::PostId => self.post_id = Some(post_id(text)?.to_owned()),
            Rule::Total => self.total = text != "N",
            Rule::ChangeTime => self.change_time = moment(text)?,
            Rule::NotificationDate => self.notified = self.date(term, text)?,
        }
        Ok(())
    }

    fn put_birth_time(
        &mut self,
        term: &'static Term,
        field: Field,
        text: &str,
    ) -> Result<(), ValueError> {
        let eight = match text.len() {
            8 | 12 if text.bytes().all(|byte| byte.is_ascii_digit()) => &text[..8],
            _ => return Err(ValueError::NotADate),
        };
        if let Some(date) = self.date(term, eight)? {
            self.put(field, Value::PartialDate(date));
        }
        Ok(())
    }

    /// A date; nothing for zeros, and for a day that does not exist, which is reported.
    fn date(&mut self, term: &'static Term, text: &str) -> Result<Option<PartialDate>, ValueError> {
        let date = PartialDate::parse(text);
        if date.is_none() && !is_zero(text) {
            if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(ValueError::NotADate);
            }
            self.warnings.push(Warning::NoSuchDate(term));
        }
        Ok(date)
    }

    fn nordic(&mut self, country: &str, number: Option<Value>) {
        let mut entry = Group::new(NORDIC);
        if let Some(number) = number {
            entry.set(NORDIC_NUMBER, number);
        }
        entry.set(NORDIC_COUNTRY, Value::from(country));
        self.push_entry(entry);
    }

    fn is_in_entry(&self, field: Field) -> bool {
        self.entry
            .as_ref()
            .is_some_and(|(_, entry)| entry.field().contains(field))
    }

    fn put(&mut self, field: Field, value: Value) {
        match &mut self.entry {
            Some((_, entry)) if entry.field().contains(field) => entry.set(field, value),
            _ => self.edits.push(Edit::Set(field, value)),
        }
    }

    fn push_entry(&mut self, entry: Group) {
        self.entries += 1;
        if self.entries > limits::GROUP_ITEMS {
            self.fail(Reject::TooManyEntries);
        } else {
            self.edits.push(Edit::Entry(entry));
        }
    }

    /// Ends the post. `day` is when it was picked out, where it does not tell itself.
    pub fn finish(&mut self, day: Option<PartialDate>) -> Result<(Post, Vec<Warning>), Failure> {
        if self.entry.is_some() {
            self.fail(Reject::NoEnd);
        }
        if self.subject.is_none() {
            self.fail(Reject::NoSubject);
        }
        let post_id = self.post_id.take();
        let (Some(subject), None) = (self.subject, self.failure) else {
            return Err(Failure {
                reason: self.failure.unwrap_or(Reject::NoSubject),
                post_id,
                protection: self.protection_alone(self.notified.or(day)),
            });
        };
        let mut edits = std::mem::take(&mut self.edits);
        edits.extend(self.protection_edits());
        if let Some(at) = self.change_time {
            edits.push(Edit::Set(CHANGE_TIME, Value::DateTime(at)));
        }
        edits.push(Edit::Set(TOTAL, Value::Boolean(self.total)));
        let day = self.notified.or(day);
        if let Some(day) = day {
            edits.push(Edit::Set(NOTIFIED, Value::PartialDate(day)));
        }
        self.warnings.extend(self.wrong_death(subject, &edits, day));
        let post = Post {
            subject,
            post_id,
            total: self.total,
            overtaken: false,
            edits,
        };
        Ok((post, std::mem::take(&mut self.warnings)))
    }

    /// What is wrong with the death that a post tells of.
    fn wrong_death(
        &self,
        subject: Identity,
        edits: &[Edit],
        day: Option<PartialDate>,
    ) -> Option<Warning> {
        let told = |wanted: Field| {
            edits.iter().rev().find_map(|edit| match edit {
                Edit::Set(field, value) if *field == wanted => Some(value),
                _ => None,
            })
        };
        let is_dead = told(DEREGISTERED).and_then(Value::as_text) == Some(DECEASED);
        let deaths = DEATH
            .into_iter()
            .filter(|&it| it != DEREGISTERED_ON || is_dead);
        let deaths = deaths.filter_map(|field| told(field)?.as_date());
        let born = told(BORN).and_then(Value::as_date);
        let born = born.or_else(|| self.formats.birth_date(subject));
        deaths.into_iter().find_map(|died| {
            if born.is_some_and(|born| died.is_before(born)) {
                Some(Warning::DeathBeforeBirth)
            } else if day.is_some_and(|day| day.is_before(died)) {
                Some(Warning::DeathInFuture)
            } else {
                None
            }
        })
    }

    fn protection_edits(&self) -> impl Iterator<Item = Edit> {
        PROTECTION
            .into_iter()
            .zip(self.protection)
            .filter_map(|(field, mark)| Some(Edit::Set(field, Value::Boolean(mark?))))
    }

    /// The protection that a post sets which cannot be understood, with the day it says it: what is
    /// older does not take it away.
    fn protection_alone(&self, day: Option<PartialDate>) -> Option<Box<Post>> {
        let subject = self
            .subject
            .filter(|_| self.failure != Some(Reject::TwoSubjects))?;
        let mut edits: Vec<Edit> = self
            .protection_edits()
            .filter(|edit| matches!(edit, Edit::Set(_, value) if value.is_true()))
            .collect();
        (!edits.is_empty()).then(|| {
            edits.extend(day.map(|day| Edit::Set(NOTIFIED, Value::PartialDate(day))));
            Box::new(Post {
                subject,
                post_id: None,
                total: false,
                overtaken: false,
                edits,
            })
        })
    }
}

/// What is cleared when a value is: with it the mark that stands beside it in one wrapper.
pub(super) const fn unwrapped(field: Field) -> Field {
    match field.info().wrap {
        Wrap::Value => field.parent(),
        _ => field,
    }
}

/// Whether characters that nobody sees are taken out of a term's value. Who somebody is and whether they
/// are protected must be right as it stands.
const fn is_mended(rule: Rule) -> bool {
    !matches!(
        rule,
        Rule::Subject
            | Rule::Protection
            | Rule::Identity
            | Rule::Relative(_)
            | Rule::BirthTime
            | Rule::SingleReference
            | Rule::PostId
            | Rule::Ignored
    )
}

fn plain(term: &'static Term, text: &str) -> Result<Value, ValueError> {
    match term.field {
        Some(field) if matches!(field.kind(), Kind::Text | Kind::Number) => {
            Value::parse(field, text)
        }
        _ => Err(ValueError::WrongShape),
    }
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

fn truth(text: &str) -> Result<bool, ValueError> {
    match text {
        "J" => Ok(true),
        "N" => Ok(false),
        _ => Err(ValueError::NotABoolean),
    }
}

/// `YYYYMMDDhhmmss`, Swedish time.
fn moment(text: &str) -> Result<Option<DateTime>, ValueError> {
    if is_zero(text) {
        return Ok(None);
    }
    if text.len() != 14 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ValueError::NotATime);
    }
    let part = |from, to| &text[from..to];
    let (day, time) = (
        (part(0, 4), part(4, 6), part(6, 8)),
        (part(8, 10), part(10, 12), part(12, 14)),
    );
    let written = format!(
        "{}-{}-{}T{}:{}:{}",
        day.0, day.1, day.2, time.0, time.1, time.2
    );
    DateTime::parse(&written)
        .map(Some)
        .ok_or(ValueError::NotATime)
}

/// `YYYY.NNN.NNN.NNN`.
fn post_id(text: &str) -> Result<&str, ValueError> {
    let bytes = text.as_bytes();
    let fits = bytes.len() == 16
        && bytes.iter().enumerate().all(|(at, &byte)| match at {
            4 | 8 | 12 => byte == b'.',
            _ => byte.is_ascii_digit(),
        });
    if fits {
        Ok(text)
    } else {
        Err(ValueError::NotAllowed)
    }
}

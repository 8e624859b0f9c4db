//! The history of a person as REST tells it: who changed what, and when. It says which parts of the
//! record changed and never to what.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fault::Trouble;
use super::rest::{ParameterError, Sources};
use crate::base::limits;
use crate::base::time::DateTime;
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};
use crate::person::json;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};
use crate::store::entry::{Entry, Origin};
use crate::store::log::{Entries, Log, ReadError};

/// The changes of a person that the log holds, newest first, as JSON.
///
/// Both versions that are compared are seen as a restricted contract shows the person, under the
/// protection of today and that of either version: nobody learns of a protected person what is hidden
/// now, or was hidden then. Under protection it is not told either who made a change, and for whom:
/// a care unit is a place.
pub fn history(
    sources: &Sources<'_>,
    identity: Identity,
    rule: ProtectionRules,
    formats: &Formats,
) -> Result<Value, Trouble> {
    let now = sources.state.record(identity)?;
    let shield = now.ok_or(ParameterError::UnknownPerson)?.shield();
    let newest = sources.state.sequence();
    let mut entries = sources.trail.of(sources.log, identity.key())?;
    entries.retain(|&sequence| sequence <= newest);
    // One more than is told, to compare the oldest with.
    let surplus = entries.len().saturating_sub(limits::HISTORY_ENTRIES + 1);
    let wanted = &entries[surplus..];
    let mut told = Vec::with_capacity(wanted.len());
    let mut before: Option<Vec<u8>> = None;
    let seen = Seen {
        shield,
        grant: Grant::restricted(Profile::P5, rule),
        formats,
    };
    for entry in Several::new(sources.log, wanted) {
        let entry = entry?;
        let Some(record) = record_in(&entry, identity) else {
            continue;
        };
        told.push(seen.tell(&entry, before.as_deref(), record)?);
        before = Some(record.to_vec());
    }
    let limited = told.len() > limits::HISTORY_ENTRIES;
    if limited {
        told.remove(0);
    }
    told.reverse();
    let complete = !limited && sources.log.first() <= 1;
    Ok(json!({"change": told, "complete": complete}))
}

/// How versions of one person are seen.
struct Seen<'a> {
    shield: Shield,
    grant: Grant,
    formats: &'a Formats,
}

impl Seen<'_> {
    fn tell(&self, entry: &Entry, before: Option<&[u8]>, after: &[u8]) -> Result<Value, Damaged> {
        let after = RecordRef::open(after)?;
        let before = before.map(RecordRef::open).transpose()?;
        let then = before.map_or(Shield::NONE, RecordRef::shield);
        let shield = self.shield.with(after.shield()).with(then);
        let mut told = Map::new();
        told.insert("sequence".to_owned(), entry.sequence.into());
        if let Some(at) = entry.at() {
            told.insert("at".to_owned(), written(at).into());
        }
        told.insert("by".to_owned(), entry.origin.by.clone().into());
        if !shield.is_on() {
            told.extend(who(&entry.origin));
        }
        if let Some(before) = before {
            told.insert(
                "changed".to_owned(),
                self.changed(before, after, shield)?.into(),
            );
        }
        Ok(Value::Object(told))
    }

    /// The names of the parts that differ, in the order of the contracts.
    fn changed(
        &self,
        before: RecordRef<'_>,
        after: RecordRef<'_>,
        shield: Shield,
    ) -> Result<Vec<&'static str>, Damaged> {
        let (before, after) = (self.parts(before, shield)?, self.parts(after, shield)?);
        let differs = |name: &&'static str| before.get(*name) != after.get(*name);
        let names = Field::RECORD.children().map(|part| part.info().name);
        Ok(names.filter(differs).collect())
    }

    fn parts(
        &self,
        record: RecordRef<'_>,
        shield: Shield,
    ) -> Result<BTreeMap<String, Value>, Damaged> {
        let mut text = Vec::new();
        let view = restrict(record, &self.grant, shield);
        json::write(&view, self.formats, &mut text)?;
        serde_json::from_slice(&text).map_err(|_| Damaged)
    }
}

/// A moment as JSON has it.
pub(super) fn written(at: DateTime) -> String {
    String::from_utf8_lossy(&at.written()).into_owned()
}

/// Who made a change and for whom; nothing of what is not known.
fn who(origin: &Origin) -> Vec<(String, Value)> {
    let id = |(root, extension): &(String, String)| json!({"root": root, "extension": extension});
    let text = |text: &String| Value::from(text.as_str());
    let all = [
        ("actor", origin.actor.as_ref().map(id)),
        ("organization", origin.organization.as_ref().map(id)),
        ("consumer", origin.consumer.as_ref().map(text)),
        ("correlation", origin.correlation.as_ref().map(text)),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The last record of a person in an entry.
fn record_in(entry: &Entry, identity: Identity) -> Option<&[u8]> {
    let records = entry.changes.iter().rev().map(|it| it.record.as_slice());
    records
        .into_iter()
        .find(|bytes| RecordRef::open(bytes).is_ok_and(|it| it.identity() == identity))
}

/// Some entries of the log, in order. Those that lie near each other are read in one go.
struct Several<'l> {
    log: &'l dyn Log,
    wanted: std::slice::Iter<'l, u64>,
    reading: Option<(Entries<'l>, u64)>,
}

/// Entries that are rather read and passed over than a place looked up.
const NEAR: u64 = 64;

impl<'l> Several<'l> {
    fn new(log: &'l dyn Log, wanted: &'l [u64]) -> Self {
        Self {
            log,
            wanted: wanted.iter(),
            reading: None,
        }
    }

    fn read(&mut self, wanted: u64) -> Result<Option<Entry>, ReadError> {
        let near = |at: &u64| *at <= wanted && wanted - at < NEAR;
        let (entries, at) = match self.reading.take() {
            Some((entries, at)) if near(&at) => self.reading.insert((entries, at)),
            _ => self.reading.insert((self.log.read_from(wanted)?, wanted)),
        };
        for entry in entries {
            let entry = entry?;
            *at = entry.sequence + 1;
            if entry.sequence == wanted {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Iterator for Several<'_> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let wanted = *self.wanted.next()?;
        self.read(wanted).transpose()
    }
}

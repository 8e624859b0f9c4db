//! The feed of changes for those who keep a copy: who changed since an entry of the log, each with
//! the record as it is now.
//!
//! A record is always the newest of the state that is answered from, seen as a restricted contract
//! shows it: protection that came after a change hides what the change brought.

use std::collections::HashMap;

use serde_json::json;

use super::fault::Trouble;
use super::history::written;
use super::rest::{Page, ParameterError, Rest, Sources, once, read_profile};
use crate::base::limits;
use crate::base::time::DateTime;
use crate::person::counties::Counties;
use crate::person::identity::Identity;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::{Grant, Profile, Shield, View, restrict};
use crate::store::entry::{Changed, Entry};
use crate::store::log::ReadError;

/// What somebody who follows the changes asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Following {
    /// The last entry the caller has seen; `None` to be told where the log ends.
    pub since: Option<u64>,
    /// Persons after which the answer ends with the entry it is in.
    limit: usize,
    /// Seconds to wait for something newer.
    pub wait: u64,
    /// How much of the persons.
    pub profile: Profile,
    /// Those who are, or were, registered in one of these.
    counties: Counties,
    /// The number of the identity's format.
    format: Option<u8>,
}

impl Following {
    /// Keeps to the counties somebody has a right to. Answers whether that leaves what was asked for:
    /// a county that was named must be among them.
    pub fn keep_within(&mut self, counties: Counties) -> bool {
        if self.counties.is_all() {
            self.counties = counties;
        }
        self.counties.are_within(counties)
    }
}

impl Rest {
    /// Reads a request for changes.
    pub fn changes(&self, query: &str) -> Result<Following, Trouble> {
        if !self.offered.changes {
            return Err(ParameterError::ChangesOff.into());
        }
        let mut following = Following {
            since: None,
            limit: limits::CHANGES_PER_ANSWER,
            wait: 0,
            profile: super::rest::DEFAULT_PROFILE,
            counties: Counties::ALL,
            format: None,
        };
        let known = ["since", "limit", "wait", "profile", "county", "type"];
        for (name, value) in once(query, &known)? {
            let wrong = |expected| ParameterError::Value { name, expected };
            match name {
                "since" => {
                    let since = number(&value).ok_or(wrong("ett heltal från 0"))?;
                    following.since = Some(since);
                }
                "limit" => {
                    let most = limits::CHANGES_PER_ANSWER;
                    let limit = number(&value).and_then(|it| usize::try_from(it).ok());
                    let limit = limit.filter(|it| (1..=most).contains(it));
                    following.limit = limit.ok_or(wrong("ett heltal från 1 till 1000"))?;
                }
                "wait" => {
                    let wait = number(&value).filter(|it| *it <= limits::FOLLOWING_SECONDS);
                    following.wait = wait.ok_or(wrong("ett heltal från 0 till 60"))?;
                }
                "profile" => following.profile = read_profile(&value)?,
                "county" => {
                    let county = Counties::one(&value);
                    following.counties = county.ok_or(wrong("en länskod med två siffror"))?;
                }
                _ => {
                    let mut rows = self.formats.rows();
                    let row = rows.find(|row| row.short_name.eq_ignore_ascii_case(&value));
                    let row =
                        row.ok_or(wrong("kortnamnet på en identitetstyp, till exempel PNR"))?;
                    following.format = Some(row.number);
                }
            }
        }
        Ok(following)
    }

    /// Writes the changes, a line each, and at last where to go on.
    pub fn write_changes(
        &self,
        sources: &Sources<'_>,
        following: &Following,
        out: &mut Page,
    ) -> Result<(), Trouble> {
        let newest = sources.state.sequence();
        let since = following.since.unwrap_or(newest);
        let mut reached = since;
        if since < newest {
            let gathered = self.gather(sources, following, since)?;
            reached = gathered.reached;
            for changed in gathered.in_order() {
                let view = self.newest(sources, following, changed.identity)?;
                self.write_change(&view, &changed, out)?;
            }
        }
        out.push(&json!({"sequence": reached}).to_string());
        out.push("\n");
        Ok(())
    }

    /// A person as the caller is shown them, now.
    fn newest<'s>(
        &self,
        sources: &Sources<'s>,
        following: &Following,
        identity: Identity,
    ) -> Result<View<'s>, Damaged> {
        let record = sources.state.record(identity)?.ok_or(Damaged)?;
        let grant = Grant::restricted(following.profile, self.rules);
        Ok(restrict(record, &grant, Shield::NONE))
    }

    fn write_change(&self, view: &View<'_>, changed: &Told, out: &mut Page) -> Result<(), Damaged> {
        let head = json!({
            "sequence": changed.sequence,
            "at": changed.at.map(written),
            "by": changed.by,
        });
        out.push(head.to_string().trim_end_matches('}'));
        out.push(",\"personRecord\":");
        out.show(view, &self.formats)?;
        out.push("}\n");
        Ok(())
    }

    /// Reads the log from an entry on, until there are as many persons as asked for. The first entry
    /// is always taken, and each as a whole, so that whoever asks again comes further.
    fn gather(
        &self,
        sources: &Sources<'_>,
        following: &Following,
        since: u64,
    ) -> Result<Gathered, Trouble> {
        let gone = || {
            let first = sources.log.first();
            (since + 1 < first).then_some(ParameterError::Gone { first })
        };
        if let Some(gone) = gone() {
            return Err(gone.into());
        }
        // A file that was let go of in the meantime is gone, not lost.
        let trouble = |error: ReadError| gone().map_or_else(|| error.into(), Trouble::from);
        let mut gathered = Gathered {
            reached: since,
            ..Gathered::default()
        };
        let mut looked_at = 0;
        for entry in sources.log.read_from(since + 1).map_err(trouble)? {
            let entry = entry.map_err(trouble)?;
            looked_at += entry.changes.len();
            let is_enough = gathered.wanted + entry.changes.len() > following.limit
                || gathered.bytes > limits::CHANGES_BYTES
                || looked_at > limits::CHANGES_LOOKED_AT;
            let is_first = gathered.reached == since;
            if entry.sequence > sources.state.sequence() || (is_enough && !is_first) {
                break;
            }
            for change in &entry.changes {
                let identity = RecordRef::open(&change.record)?.identity();
                let is_other = |format| format != identity.format_number();
                if following.format.is_some_and(is_other) {
                    continue;
                }
                let left = gathered.add(&entry, change, identity);
                let wanted = following.counties.is_all() || {
                    let now = sources.state.record(identity)?.ok_or(Damaged)?;
                    let view = self.newest(sources, following, identity)?;
                    // Where a protected person came from is not shown, so not told either.
                    let left = if now.shield().is_on() { &[] } else { &*left };
                    let has_left = left.iter().any(|it| following.counties.has(*it));
                    has_left || following.counties.have(&view)?
                };
                if wanted {
                    gathered.want(identity);
                }
            }
            gathered.reached = entry.sequence;
        }
        Ok(gathered)
    }
}

/// What the log tells of a person's changes.
struct Told {
    identity: Identity,
    sequence: u64,
    at: Option<DateTime>,
    by: String,
    /// Counties that were left.
    left: Vec<[u8; 2]>,
    is_wanted: bool,
}

/// Those who changed.
#[derive(Default)]
struct Gathered {
    told: HashMap<Identity, Told>,
    wanted: usize,
    reached: u64,
    bytes: usize,
}

impl Gathered {
    /// Takes in a change of a person. Answers the counties they have left until now.
    fn add(&mut self, entry: &Entry, change: &Changed, identity: Identity) -> Vec<[u8; 2]> {
        self.bytes += change.record.len();
        let told = self.told.entry(identity).or_insert_with(|| Told {
            identity,
            sequence: 0,
            at: None,
            by: String::new(),
            left: Vec::new(),
            is_wanted: false,
        });
        told.sequence = entry.sequence;
        told.at = entry.at();
        told.by.clone_from(&entry.origin.by);
        told.left.extend(change.left);
        told.left.clone()
    }

    fn want(&mut self, identity: Identity) {
        if let Some(told) = self.told.get_mut(&identity).filter(|it| !it.is_wanted) {
            told.is_wanted = true;
            self.wanted += 1;
        }
    }

    fn in_order(self) -> Vec<Told> {
        let mut all: Vec<Told> = self.told.into_values().filter(|it| it.is_wanted).collect();
        all.sort_unstable_by_key(|it| (it.sequence, it.identity));
        all
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

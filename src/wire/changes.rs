//! The feed of changes for those who keep a copy: who changed since an entry of the log, each with
//! the record as it is now.
//!
//! A record is always the newest of the state that is answered from, seen as a restricted contract
//! shows it: protection that came after a change hides what the change brought. Who follows some
//! counties hears of those who are registered there, as far as that is shown, and of those who left.
//! That somebody has become protected is told to everybody, name and number only: were it told to the
//! followers of the county alone, it would tell the county.

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
use crate::person::view::{
    Grant, PopulationRecordRule, Profile, ProtectionRules, Shield, View, restrict,
};
use crate::store::entry::{Changed, Entry, Left};
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
                let Some(reason) = changed.reason else {
                    continue;
                };
                let record = sources.state.record(changed.identity)?.ok_or(Damaged)?;
                let view = self.shown(record, following, reason);
                self.write_change(&view, &changed, out)?;
            }
        }
        out.push(&json!({"sequence": reached}).to_string());
        out.push("\n");
        Ok(())
    }

    /// A person as the caller is shown them.
    fn shown<'s>(&self, record: RecordRef<'s>, following: &Following, reason: Reason) -> View<'s> {
        let (rules, also) = match reason {
            Reason::Followed => (self.rules, Shield::NONE),
            Reason::Protected => (ProtectionRules::STANDARD, Shield::POPULATION_RECORD),
        };
        restrict(record, &Grant::restricted(following.profile, rules), also)
    }

    /// Why somebody who follows some counties is told of a person who left these; `None` when they
    /// are not.
    fn reason(
        &self,
        record: RecordRef<'_>,
        following: &Following,
        left: &[Left],
    ) -> Result<Option<Reason>, Damaged> {
        let counties = following.counties;
        let view = self.shown(record, following, Reason::Followed);
        let shows_all = self.rules.population_record == PopulationRecordRule::Profile1;
        let shows_county = shows_all || !view.shield().has_population_record();
        // What was shown then counts as far as as much is shown now: where a protected person lived
        // before is hidden too.
        let has_left = |left: &Left| match *left {
            Left::Open(county) => !view.shield().is_on() && counties.has(county),
            Left::Shielded(county) => shows_county && counties.has(county),
            Left::PopulationRecord(county) => shows_all && counties.has(county),
            Left::IntoProtection => false,
        };
        Ok(if counties.have(&view)? || left.iter().any(has_left) {
            Some(Reason::Followed)
        } else if left.contains(&Left::IntoProtection) {
            Some(Reason::Protected)
        } else {
            None
        })
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
        if changed.reason == Some(Reason::Protected) {
            // Told unasked, to everybody: it says nothing of what the caller is after.
            out.disclosed.protected.pop();
        }
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
                let record = sources.state.record(identity)?.ok_or(Damaged)?;
                if let Some(reason) = self.reason(record, following, left)? {
                    let view = self.shown(record, following, reason);
                    gathered.want(identity, reason, view.size()?);
                }
            }
            gathered.reached = entry.sequence;
        }
        Ok(gathered)
    }
}

/// Why a person is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The person is, or was, among those whom the caller follows.
    Followed,
    /// The person has become protected, wherever that was.
    Protected,
}

/// What the log tells of a person's changes.
struct Told {
    identity: Identity,
    sequence: u64,
    at: Option<DateTime>,
    by: String,
    left: Vec<Left>,
    /// Why the caller is told of them; `None` when they are not.
    reason: Option<Reason>,
}

/// Those who changed.
#[derive(Default)]
struct Gathered {
    told: HashMap<Identity, Told>,
    wanted: usize,
    reached: u64,
    /// Bytes of what may be shown of those who are told of: what is hidden must not move the end of an
    /// answer.
    bytes: usize,
}

impl Gathered {
    /// Takes in a change of a person. Answers what they have left until now.
    fn add(&mut self, entry: &Entry, change: &Changed, identity: Identity) -> &[Left] {
        let told = self.told.entry(identity).or_insert_with(|| Told {
            identity,
            sequence: 0,
            at: None,
            by: String::new(),
            left: Vec::new(),
            reason: None,
        });
        told.sequence = entry.sequence;
        told.at = entry.at();
        told.by.clone_from(&entry.origin.by);
        if change.left() == Some(Left::IntoProtection) {
            // Everybody hears of this; what was left before it has nothing to say any more.
            told.left.clear();
        }
        told.left.extend(change.left());
        &told.left
    }

    fn want(&mut self, identity: Identity, reason: Reason, bytes: usize) {
        let Some(told) = self.told.get_mut(&identity) else {
            return;
        };
        if told.reason.is_none() {
            self.wanted += 1;
            self.bytes += bytes;
        }
        told.reason = Some(reason);
    }

    fn in_order(self) -> Vec<Told> {
        let mut all: Vec<Told> = self
            .told
            .into_values()
            .filter(|it| it.reason.is_some())
            .collect();
        all.sort_unstable_by_key(|it| (it.sequence, it.identity));
        all
    }
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

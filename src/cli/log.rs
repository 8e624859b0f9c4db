//! `pu log`: the changes of a register, read from the files of its log. The service may run meanwhile.

use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::out::say;
use super::register::identities;
use super::{Common, Failure};
use crate::base::time::DateTime;
use crate::person::field::schema_hash;
use crate::person::identity::{Formats, Identity};
use crate::person::json as person_json;
use crate::person::record::RecordRef;
use crate::person::view::{Grant, Profile, Shield, restrict};
use crate::store::entry::Entry;
use crate::store::log::follow::Follower;
use crate::store::state::log_folder;

/// Read a register's log of changes.
#[derive(Subcommand)]
pub enum Log {
    /// Show the changes in the log, oldest first
    Show(Show),
    /// Show changes as they come, until stopped
    Follow(Wanted),
}

/// Which changes, and how.
#[derive(Args)]
pub struct Show {
    /// Stop after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    wanted: Wanted,
}

#[derive(Args)]
pub struct Wanted {
    /// Begin after this change [default: show: the oldest there is; follow: the newest]
    #[arg(long, value_name = "SEQUENCE")]
    since: Option<u64>,
    /// Only changes of this person
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Show also whose records changed, and the records
    #[arg(long)]
    personal: bool,
    #[command(flatten)]
    common: Common,
}

/// How often more is looked for.
const LOOK: Duration = Duration::from_millis(200);

impl Log {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Show(show) => show.wanted.read(show.limit, false),
            Self::Follow(wanted) => wanted.read(None, true),
        }
    }
}

impl Wanted {
    fn read(&self, limit: Option<u64>, goes_on: bool) -> Result<(), Failure> {
        let config = self.common.standing()?;
        let formats = config.formats()?;
        let folder = log_folder(&config.data);
        let has_snapshot = crate::store::folder::newest(&config.data).is_ok_and(|it| it.is_some());
        if !has_snapshot && !folder.is_dir() {
            return Err(super::no_register(&config.data));
        }
        let identities = self.identity.as_deref().map(|it| identities(it, &formats));
        let line = Line {
            formats: &formats,
            identities: identities.transpose()?,
            json: self.json,
            personal: self.personal,
        };
        let next = self.since.map_or(0, |since| since.saturating_add(1));
        let mut log = Follower::open(&folder, schema_hash(), next)?;
        if goes_on && self.since.is_none() {
            while log.next_entry()?.is_some() {}
        }
        if !self.json {
            say!("{HEAD}")?;
        }
        let mut left = limit.unwrap_or(u64::MAX);
        while left > 0 {
            match log.next_entry()? {
                Some(entry) => left -= u64::from(line.show(&entry)?),
                None if goes_on => std::thread::sleep(LOOK),
                None => break,
            }
        }
        Ok(())
    }
}

const HEAD: &str = "  sequence  time                           by                          records  actor, organization";

/// How entries are shown.
struct Line<'f> {
    formats: &'f Formats,
    /// Whom is asked for: what was typed can be any of these.
    identities: Option<Vec<Identity>>,
    json: bool,
    personal: bool,
}

impl Line<'_> {
    /// Shows an entry, unless it is not asked for.
    fn show(&self, entry: &Entry) -> Result<bool, Failure> {
        let mut records = Vec::new();
        for change in &entry.changes {
            let record = RecordRef::open(&change.record)?;
            let asked = self.identities.as_ref();
            if asked.is_none_or(|them| them.contains(&record.identity())) {
                records.push(record);
            }
        }
        if self.identities.is_some() && records.is_empty() {
            return Ok(false);
        }
        let mut out = std::io::stdout().lock();
        if self.json {
            writeln!(out, "{}", self.object(entry, &records)?)?;
        } else {
            writeln!(out, "{}", self.plain(entry))?;
            if self.personal {
                for record in records {
                    writeln!(out, "            {}", self.record(record)?)?;
                }
            }
        }
        Ok(true)
    }

    fn plain(&self, entry: &Entry) -> String {
        let origin = &entry.origin;
        let who = [
            self.shown(origin.actor.as_ref()),
            self.shown(origin.organization.as_ref()),
        ];
        let who: Vec<&str> = who
            .into_iter()
            .flatten()
            .map(|(_, it)| it.as_str())
            .collect();
        let line = format!(
            "{:>10}  {:<29}  {:<26}  {:>7}  {}",
            entry.sequence,
            at(entry).unwrap_or_default(),
            origin.by,
            entry.changes.len(),
            who.join(", "),
        );
        line.trim_end().to_owned()
    }

    fn object(&self, entry: &Entry, records: &[RecordRef<'_>]) -> Result<Value, Failure> {
        let origin = &entry.origin;
        let id = |id: &(String, String)| json!({"root": id.0, "extension": id.1});
        let mut line = Map::new();
        line.insert("sequence".to_owned(), entry.sequence.into());
        let told = [
            ("at", at(entry).map(Value::from)),
            ("by", Some(origin.by.as_str().into())),
            ("actor", self.shown(origin.actor.as_ref()).map(id)),
            (
                "organization",
                self.shown(origin.organization.as_ref()).map(id),
            ),
            ("consumer", origin.consumer.as_deref().map(Value::from)),
            (
                "correlation",
                origin.correlation.as_deref().map(Value::from),
            ),
            ("records", Some(entry.changes.len().into())),
        ];
        let told = told.into_iter();
        line.extend(told.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        if self.personal {
            let records = records.iter().map(|record| self.record(*record));
            let records = records.collect::<Result<Vec<_>, _>>()?;
            line.insert("personRecord".to_owned(), records.into());
        }
        Ok(line.into())
    }

    fn record(&self, record: RecordRef<'_>) -> Result<Value, Failure> {
        let mut text = Vec::new();
        let view = restrict(record, &Grant::unrestricted(Profile::P5), Shield::NONE);
        person_json::write(&view, self.formats, &mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Who acted, unless that is told by the identity of a person.
    fn shown<'o>(&self, id: Option<&'o (String, String)>) -> Option<&'o (String, String)> {
        let is_personal = |root: &str| self.formats.rows().any(|row| row.root == root);
        id.filter(|(root, _)| self.personal || !is_personal(root))
    }
}

fn at(entry: &Entry) -> Option<String> {
    let written = entry.at().map(DateTime::written);
    written.map(|written| String::from_utf8_lossy(&written).into_owned())
}

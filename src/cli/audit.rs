//! `pu audit`: whether the record of disclosures is intact, and what it tells. The service may run
//! meanwhile.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::out::{complain, say};
use super::register::identities;
use super::user::SystemUser;
use super::{Common, Failure};
use crate::access::audit::known;
use crate::access::audit::search::{Found, Search as Searching, Wanted};
use crate::access::audit::verify::{Anchor, Known, verify};
use crate::base::micros::Micros;
use crate::person::identity::{Formats, Identity};
use crate::serve::anchors;
use crate::store::commit::Draft;
use crate::store::state::{self, RegisterError};

/// Check and read the record of what was disclosed to whom.
#[derive(Subcommand)]
pub enum Audit {
    /// Check that nothing was removed, changed, inserted or reordered
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Say that entries which the register's log knows are lost, so that the service can start
    #[command(after_help = ACCEPT)]
    Accept(Accept),
    /// Who has seen a person, and what a system has done
    #[command(after_help = SEARCH)]
    Search(Search),
}

const VERIFY: &str = "\
Each thread of the service writes one chain of files. Prints each chain with its number of entries,
times and hash, and then \"intact\"; or says what is wrong and where, and exits with 1.

The files prove that nothing in them was changed, and the heads beside them that nothing was taken
off their ends. That nobody wrote all of it anew is proved by an anchor that was kept elsewhere: the
service logs one for each chain once a minute (\"audit anchor\"), and when it stops. It writes them
into the register's own log too, which the audit is held against.

Examples:
  pu audit verify --data D
  pu audit verify --data D --anchor 0:1840:6b86b2...   chain 0 had this hash after entry 1840
  pu audit verify --data D --first-file 0:31           files 1 to 30 of chain 0 were archived";

const ACCEPT: &str = "\
The service does not start over an audit that lacks what the register's log knows of it. When its files
cannot be brought back, this says so in the log: what was known, who accepts the loss, and why.
The service must be stopped.

Example:
  pu audit accept --data D --because \"disk 2 failed, case 4711\"";

const SEARCH: &str = "\
Shows the entries that meet everything that is given, oldest first. Times are Swedish unless they
have an offset; a day given to --until is included.

Examples:
  pu audit search --person 191212121212                  who has seen this person
  pu audit search --person 191212121212 --asked          and who asked without being shown
  pu audit search --consumer SE2321000016-A1B2 --since 2026-03-01 --until 2026-03-07
  pu audit search --answer not-allowed --limit 20        the first 20 refusals
  pu audit search --service GetPersonsForProfile/5 --since 2026-03-01T08:00:00 --json";

/// Which audit.
#[derive(Args)]
struct Which {
    #[command(flatten)]
    common: Common,
    /// Folder of the audit, by itself [default: audit.folder, or audit in the data folder]
    #[arg(long, value_name = "DIR", conflicts_with = "data")]
    folder: Option<PathBuf>,
}

/// Why a loss is accepted.
#[derive(Args)]
pub struct Accept {
    /// What happened; it stands in the log
    #[arg(long, value_name = "TEXT")]
    because: String,
    #[command(flatten)]
    common: Common,
}

/// What it is held against.
#[derive(Args)]
pub struct Verify {
    /// The hash of a chain at an entry, as the service logged it
    #[arg(long = "anchor", value_name = "CHAIN:ENTRY:HASH")]
    anchors: Vec<Anchor>,
    /// The first file of a chain whose older files were archived
    #[arg(long = "first-file", value_name = "CHAIN:N", value_parser = first_file)]
    first_files: Vec<(u32, u64)>,
    #[command(flatten)]
    which: Which,
}

/// Which entries, and how.
#[derive(Args)]
pub struct Search {
    /// One of these persons was shown: 12 characters, or ROOT:EXTENSION
    #[arg(long = "person", value_name = "ID")]
    persons: Vec<String>,
    /// Or was asked about without being shown
    #[arg(long, requires = "persons")]
    asked: bool,
    /// The system whose rights were used, or through which it asked
    #[arg(long, value_name = "HSA-ID")]
    consumer: Option<String>,
    /// What was called, with or without version
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// "ok", or the kind of refusal
    #[arg(long, value_name = "KIND")]
    answer: Option<String>,
    /// Then or later: a day, or a time (2026-03-01T08:00:00)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Micros>,
    /// Before this time, or on this day or before
    #[arg(long, value_name = "TIME", value_parser = until)]
    until: Option<Micros>,
    /// One JSON object a line, with everything that was noted
    #[arg(long)]
    json: bool,
    /// Stop after so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    which: Which,
}

impl Audit {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Self::Verify(verify) => verify.run(),
            Self::Accept(accept) => accept.run(),
            Self::Search(search) => search.run(),
        }
    }
}

impl Which {
    fn folder(&self) -> Result<(PathBuf, Formats), Failure> {
        let config = self.common.standing()?;
        let formats = config.formats()?;
        let folder = self.folder.clone();
        let folder = folder.unwrap_or_else(|| config.audit_folder());
        if !folder.is_dir() {
            let hint = match (&self.folder, &self.common.config) {
                (None, None) => ": when it lies elsewhere, --config names the file that says where",
                _ => "",
            };
            return Err(format!("there is no audit in {}{hint}", folder.display()).into());
        }
        Ok((folder, formats))
    }

    /// The ends of chains that the register's log knows; none of an audit that is looked at by itself.
    fn known_ends(&self) -> Result<Vec<Anchor>, Failure> {
        let config = self.common.standing()?;
        if self.folder.is_some() || !config.data.is_dir() {
            return Ok(Vec::new());
        }
        let state = match state::open(&config.data, &config.formats()?) {
            // The audit of a register that is gone is looked at by itself.
            Err(RegisterError::Orphaned { .. }) => None,
            opened => opened?,
        };
        Ok(state.map_or(Vec::new(), |state| anchors::known_ends(state.ledger())))
    }
}

impl Verify {
    fn run(self) -> Result<(), Failure> {
        // The log is read before the audit is: it is never ahead of it.
        let ends = self.which.known_ends()?;
        let folder = match self.which.folder() {
            Ok((folder, _)) => folder,
            Err(nowhere) if ends.is_empty() => return Err(nowhere),
            Err(nowhere) => {
                let lost = known::check(Path::new(""), &ends)?;
                for finding in lost {
                    say!("wrong: {finding}")?;
                }
                return Err(nowhere);
            }
        };
        let known = Known {
            first_files: self.first_files.into_iter().collect(),
            anchors: self.anchors,
            ends,
        };
        let report = verify(&folder, &known)?;
        let mut out = std::io::stdout().lock();
        for chain in &report.chains {
            writeln!(out, "{chain}")?;
        }
        if report.is_intact() {
            writeln!(out, "intact")?;
            return Ok(());
        }
        for finding in &report.findings {
            writeln!(out, "wrong: {finding}")?;
        }
        let what = format!("the audit in {} is not intact", folder.display());
        Err(what.into())
    }
}

impl Accept {
    fn run(self) -> Result<(), Failure> {
        let config = self.common.config()?;
        let _lock = super::take(&config.data)?;
        let live = super::open_to_change(&config)?;
        let folder = config.audit_folder();
        let state = live.store.keep();
        let there = known::ends(&folder).unwrap_or_default();
        let mut notes = Vec::new();
        for known in anchors::known_ends(state.ledger()) {
            for finding in known::check(&folder, &[known])? {
                say!("accepted: {finding}")?;
                let end = there.iter().find(|end| end.chain == known.chain).copied();
                notes.push(anchors::note(
                    end.unwrap_or(Anchor::of_nothing(known.chain)),
                ));
            }
        }
        if notes.is_empty() {
            say!("the audit holds all that the register's log knows")?;
            return Ok(());
        }
        let origin = SystemUser::did("audit-accepted", self.because);
        let commit = move |draft: &mut Draft| draft.commit(origin, Vec::new(), notes);
        live.committer.wait(commit)?.0?;
        Ok(())
    }
}

impl Search {
    fn run(self) -> Result<(), Failure> {
        let (folder, formats) = self.which.folder()?;
        let persons = self.persons.iter().enumerate().map(|(place, text)| {
            // The message must not repeat an identity.
            identities(text, &formats).map_err(|why| format!("person {}: {why}", place + 1))
        });
        let persons = persons.collect::<Result<Vec<_>, _>>()?;
        let wanted = Wanted {
            // Who was shown under any of what the values can be is found.
            persons: persons.concat(),
            asked: self.asked,
            consumer: self.consumer,
            service: self.service,
            answer: self.answer,
            since: self.since,
            until: self.until,
        };
        let line = Line {
            formats: &formats,
            persons: wanted.persons.clone(),
        };
        let mut search = Searching::begin(&folder, wanted)?;
        for (chain, first) in search.archived() {
            complain!("pu: chain {chain} begins with file {first}: older files are not here");
        }
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        if !self.json {
            writeln!(out, "{HEAD}")?;
        }
        let mut left = self.limit.unwrap_or(u64::MAX);
        while left > 0 {
            // What was found before damage is shown.
            let found = search.next_found().or_else(|error| {
                out.flush()?;
                Err(Failure::from(error))
            });
            let Some(found) = found? else { break };
            if self.json {
                writeln!(out, "{}", line.object(&found))?;
            } else {
                writeln!(out, "{}", line.plain(&found))?;
            }
            left -= 1;
        }
        Ok(out.flush()?)
    }
}

const HEAD: &str = "time                              consumer                          service                           profile  answer          shown/asked  persons";

/// Persons of one entry that the table names.
const NAMED: usize = 3;

/// How entries are shown.
struct Line<'f> {
    formats: &'f Formats,
    /// Who is looked for.
    persons: Vec<Identity>,
}

impl Line<'_> {
    fn plain(&self, found: &Found) -> String {
        let entry = &found.entry;
        let mut consumer = clean(entry.consumer.as_deref().unwrap_or("nobody"));
        if let Some(via) = &entry.via {
            consumer += &format!(" via {}", clean(via));
        }
        let profile = entry.profile.map_or("", |it| it.name());
        let profile = format!("{profile}{}", if entry.unrestricted { " full" } else { "" });
        let counts = format!("{}/{}", entry.shown.len(), entry.asked.len());
        let line = format!(
            "{}  {consumer:<32}  {:<32}  {profile:<7}  {:<14}  {counts:>11}  {}",
            entry.at,
            clean(&entry.service),
            clean(&entry.answer),
            self.whom(found),
        );
        line.trim_end().to_owned()
    }

    /// Who was shown, or else asked about; who is looked for comes first.
    fn whom(&self, found: &Found) -> String {
        let entry = &found.entry;
        let is_shown = found.has_seen && !entry.shown.is_empty();
        let list = if is_shown { &entry.shown } else { &entry.asked };
        let (looked_for, others): (Vec<_>, Vec<_>) =
            list.iter().partition(|it| self.persons.contains(it));
        let named = looked_for.into_iter().chain(others).take(NAMED);
        let mut told: Vec<String> = named.map(|&it| self.text(it)).collect();
        if list.len() > NAMED {
            told.push(format!("and {} more", list.len() - NAMED));
        }
        let asked = if is_shown || list.is_empty() {
            ""
        } else {
            "asked: "
        };
        let query = entry.query.as_deref();
        let query = query.map_or(String::new(), |query| format!(" query: {}", clean(query)));
        format!("{asked}{}{query}", told.join(", "))
    }

    fn text(&self, identity: Identity) -> String {
        let text = self.formats.text(identity);
        text.map_or_else(unknown, |text| text.as_str().to_owned())
    }

    fn object(&self, found: &Found) -> Value {
        let entry = &found.entry;
        let ids = |list: &[Identity]| list.iter().map(|&it| self.id(it)).collect::<Vec<_>>();
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let mut line = Map::new();
        let told = [
            ("at", Some(entry.at.to_string().into())),
            ("chain", Some(found.chain.into())),
            ("entry", Some(found.number.into())),
            ("consumer", text(&entry.consumer)),
            ("via", text(&entry.via)),
            ("service", Some(entry.service.as_str().into())),
            ("profile", entry.profile.map(|it| it.name().into())),
            ("unrestricted", Some(entry.unrestricted.into())),
            ("answer", Some(entry.answer.as_str().into())),
            (
                "personShown",
                (!self.persons.is_empty()).then_some(found.has_seen.into()),
            ),
            ("asked", Some(ids(&entry.asked).into())),
            ("shown", Some(ids(&entry.shown).into())),
            ("query", text(&entry.query)),
            ("sequence", entry.sequence.map(Value::from)),
            ("correlation", text(&entry.correlation)),
        ];
        let told = told.into_iter();
        line.extend(told.filter_map(|(name, value)| Some((name.to_owned(), value?))));
        line.into()
    }

    fn id(&self, identity: Identity) -> Value {
        let known = self.formats.root(identity).zip(self.formats.text(identity));
        known.map_or_else(
            // A format that is no longer configured: the key still tells one from another.
            || json!({"key": identity.key()}),
            |(root, text)| json!({"root": root, "extension": text.as_str()}),
        )
    }
}

fn unknown() -> String {
    "(unknown format)".to_owned()
}

/// A text from outside, without characters that a terminal acts on.
fn clean(text: &str) -> String {
    text.chars()
        .map(|it| if it.is_control() { '\u{fffd}' } else { it })
        .collect()
}

fn first_file(text: &str) -> Result<(u32, u64), String> {
    let parts = text.split_once(':');
    let parts = parts.and_then(|(chain, number)| Some((chain.parse().ok()?, number.parse().ok()?)));
    parts.ok_or_else(|| "CHAIN:N, two numbers".to_owned())
}

const TIME: &str = "a day (2026-03-01) or a time (2026-03-01T08:00:00, Swedish, or with an offset)";

fn since(text: &str) -> Result<Micros, &'static str> {
    let day = Micros::day(text).map(|(begins, _)| begins);
    day.or_else(|| Micros::parse(text)).ok_or(TIME)
}

fn until(text: &str) -> Result<Micros, &'static str> {
    let day = Micros::day(text).map(|(_, next)| next);
    day.or_else(|| Micros::parse(text)).ok_or(TIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_includes_all_of_itself() {
        assert_eq!(until("2026-03-01"), since("2026-03-02"));
        assert_eq!(since("2026-03-01"), since("2026-03-01T00:00:00"));
        assert_eq!(until("2026-03-01T08:00:00Z"), since("2026-03-01T09:00:00"));
        assert_eq!(since("yesterday"), Err(TIME));
    }

    #[test]
    fn what_a_terminal_acts_on_is_not_shown() {
        assert_eq!(clean("a\x1b[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}

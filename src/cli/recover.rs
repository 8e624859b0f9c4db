//! `pu recover`: what is left of a register whose log is damaged, cut or gone, and the way on.

use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::config::Config;
use super::out::say;
use super::user::SystemUser;
use super::{Common, Failure, witnesses};
use crate::base::files;
use crate::base::time::DateTime;
use crate::person::field::schema_hash;
use crate::person::identity::Formats;
use crate::register::nrid;
use crate::store::commit::Draft;
use crate::store::compact::write_whole;
use crate::store::entry::Note;
use crate::store::folder;
use crate::store::loss::{self, Saw};
use crate::store::salvage::{Salvage, logs_set_aside};
use crate::store::snapshot::Snapshot;
use crate::store::state::{self, State, log_folder};
use crate::store::witness::{self, Testimony, WitnessError};

/// Look what is left of a register that has lost something, and go on with it.
///
/// Without --write or an --accept it only tells: which snapshots and which part of the log can be read,
/// what witnesses saw of the register, and which changes are missing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag for each way on, of which one may be given"
)]
pub struct Recover {
    /// Look for what is missing in this data folder too: a backup's, or another node's
    #[arg(long = "from", value_name = "DIR")]
    from: Vec<PathBuf>,
    /// Write a whole log of what can be read, when nothing is missing
    #[arg(long, requires = "because", group = "way")]
    write: bool,
    /// Go on without the changes that are missing
    #[arg(long, requires = "because", group = "way")]
    accept_loss: bool,
    /// Say that the clock is right, however far ahead of the last change it is
    #[arg(long, requires = "because", group = "way")]
    accept_clock: bool,
    /// Say that the register was put back from a backup: numbers go on beyond what may have been issued
    /// since
    #[arg(long, requires = "because", group = "way")]
    restored: bool,
    /// Why, for those who come after: it is written into the register's log
    #[arg(long, value_name = "TEXT")]
    because: Option<String>,
    #[command(flatten)]
    common: Common,
}

const EXAMPLES: &str = "\
Examples:
  pu recover --data D                                what is there, and what is missing
  pu recover --data D --from /backup/register        the same, with what a backup still has
  pu recover --data D --write --because 'a bad disk' a whole log again, when nothing is missing
  pu recover --data D --accept-loss --because 'the disk burnt; the backup is of Monday'";

/// The ways entries of the log tell that this command wrote them.
const MENDED: &str = "log-mended";
const LOSS_ACCEPTED: &str = "loss-accepted";
const CLOCK_ACCEPTED: &str = "clock-accepted";
const RESTORED: &str = "restored";

impl Recover {
    pub fn run(self) -> Result<(), Failure> {
        let config = self.common.config()?;
        if !config.data.is_dir() {
            return Err(format!("there is no register in {}", config.data.display()).into());
        }
        let because = self.because.clone().unwrap_or_default();
        if self.accept_clock || self.restored {
            let _lock = super::take(&config.data)?;
            let by = if self.restored {
                RESTORED
            } else {
                CLOCK_ACCEPTED
            };
            return go_on(&config, by, because, self.restored, Vec::new());
        }
        let changes = self.write || self.accept_loss;
        let _lock = changes.then(|| super::take(&config.data)).transpose()?;
        let found = Remains::find(&config, &self.from)?;
        found.print()?;
        match (self.write, self.accept_loss) {
            (true, _) => found.mend(&config, because),
            (_, true) => found.accept(&config, because),
            _ => {
                say!("\n{}", found.advice())?;
                Ok(())
            }
        }
    }
}

/// What is left of a register.
struct Remains {
    data: PathBuf,
    formats: Formats,
    /// The newest snapshot that is whole, with its file; and whether it lies in another folder.
    base: Snapshot,
    is_elsewhere: bool,
    /// Snapshots that are damaged, and how.
    damaged: Vec<String>,
    log: Salvage,
    testimony: Result<Option<Testimony>, WitnessError>,
    saw: Vec<Saw>,
    /// The last change that anybody knows of.
    last: u64,
    missing: Vec<RangeInclusive<u64>>,
}

impl Remains {
    fn find(config: &Config, from: &[PathBuf]) -> Result<Self, Failure> {
        let formats = config.formats()?;
        // Witnesses are heard before the log is read: whoever writes it is never behind them.
        let testimony = witness::read(&config.data);
        let mut saw = witnesses::of(config)?;
        saw.extend(testimony.iter().flatten().map(loss::seen));
        let mut damaged = Vec::new();
        let mut base: Option<(Snapshot, bool)> = None;
        let data = std::iter::once((&config.data, false));
        for (folder, is_elsewhere) in data.chain(from.iter().map(|it| (it, true))) {
            let newest = newest_whole(folder, &mut damaged)?;
            let known = base.as_ref().map(|(base, _)| base.sequence());
            let is_newer = |it: &Snapshot| known.is_none_or(|known| it.sequence() > known);
            if let Some(newest) = newest.filter(is_newer) {
                base = Some((newest, is_elsewhere));
            }
        }
        let Some((base, is_elsewhere)) = base else {
            let told = damaged.join("; ");
            return Err(format!(
                "there is no whole snapshot in {}{}{told}. Name a folder that has one: --from DIR",
                config.data.display(),
                if told.is_empty() { "" } else { ": " },
            )
            .into());
        };
        let mut log = Salvage::default();
        log.read(&log_folder(&config.data), schema_hash())?;
        let mut elsewhere = Salvage::default();
        for folder in logs_set_aside(&config.data)? {
            elsewhere.read(&folder, schema_hash())?;
        }
        for folder in from {
            elsewhere.read(&log_folder(folder), schema_hash())?;
        }
        log.fill_from(&elsewhere);
        let witnessed = saw.iter().map(|saw| saw.sequence).max().unwrap_or(0);
        let last = witnessed.max(log.last()).max(base.sequence());
        let missing = log.missing(base.sequence(), last);
        Ok(Self {
            data: config.data.clone(),
            formats,
            base,
            is_elsewhere,
            damaged,
            log,
            testimony,
            saw,
            last,
            missing,
        })
    }

    fn print(&self) -> Result<(), Failure> {
        let row = |what: &str, told: &str| say!("{what:<9}  {told}");
        for damaged in &self.damaged {
            row("damaged", damaged)?;
        }
        let base = &self.base;
        let created = written(Some(base.created()));
        row(
            "snapshot",
            &format!(
                "{}: up to change {}{created}, whole",
                base.path().display(),
                base.sequence()
            ),
        )?;
        for stretch in self.log.stretches() {
            row("log", &format!("changes {} can be read", told(&stretch)))?;
        }
        for damage in &self.log.damages {
            let (first, last) = damage.entries;
            let last = last.map_or_else(|| "on".to_owned(), |last| format!("to {last}"));
            row(
                "damaged",
                &format!(
                    "{}, byte {}: {}; changes {first} {last}",
                    damage.path.display(),
                    damage.at,
                    damage.what
                ),
            )?;
        }
        for saw in &self.saw {
            let at = written(saw.at);
            row(
                "witness",
                &format!("{} saw change {}{at}", saw.witness, saw.sequence),
            )?;
        }
        if let Err(error) = &self.testimony {
            row("damaged", &error.to_string())?;
        }
        for missing in &self.missing {
            let count = missing.end() - missing.start() + 1;
            let (before, after) = self.times_around(missing)?;
            row(
                "MISSING",
                &format!("changes {}: {count}{before}{after}", told(missing)),
            )?;
        }
        Ok(())
    }

    /// When the changes around those that are missing were made.
    fn times_around(&self, missing: &RangeInclusive<u64>) -> Result<(String, String), Failure> {
        let time = |sequence: u64| -> Result<Option<DateTime>, Failure> {
            let entry = self.log.entries(sequence).next().transpose()?;
            Ok(entry
                .filter(|it| it.sequence == sequence)
                .and_then(|it| it.at()))
        };
        let before = time(missing.start().saturating_sub(1))?;
        let before = before.map_or_else(String::new, |at| format!(", made after {}", text(at)));
        let after = time(missing.end() + 1)?;
        let after = after.map_or_else(String::new, |at| format!(", made before {}", text(at)));
        Ok((before, after))
    }

    /// Whether the log is damaged where the snapshot does not need it, or lies elsewhere.
    fn can_be_mended(&self) -> bool {
        self.missing.is_empty() && (self.is_elsewhere || !self.log.damages.is_empty())
    }

    fn advice(&self) -> &'static str {
        if !self.missing.is_empty() {
            "Put back what is missing, or name a folder that has it (--from DIR). When it is lost:\n\
             pu recover --accept-loss --because TEXT"
        } else if self.testimony.is_err() {
            "Nothing is missing that anybody knows of, but the witness beside the log cannot be read. A new\n\
             one is made, and numbers go on beyond what it may have known, by\n\
             pu recover --accept-loss --because TEXT"
        } else if self.can_be_mended() {
            "Nothing is missing. A whole log is written of what can be read by\n\
             pu recover --write --because TEXT"
        } else {
            "Nothing is missing, and nothing is damaged."
        }
    }

    /// Writes a whole log, and records that.
    fn mend(self, config: &Config, because: String) -> Result<(), Failure> {
        if !self.missing.is_empty() {
            return Err("changes are missing: --write is for when none are".into());
        }
        if !self.can_be_mended() {
            return Err("there is nothing to mend".into());
        }
        let first = self.first_of_log();
        self.put_in_place()?;
        self.write_log(config, first)?;
        go_on(config, MENDED, because, self.testimony.is_err(), Vec::new())
    }

    /// Goes on without what is missing: the state without it becomes a snapshot, behind all that
    /// anybody has seen; and records that.
    fn accept(self, config: &Config, because: String) -> Result<(), Failure> {
        if self.missing.is_empty() && self.testimony.is_ok() {
            return Err("nothing is missing".into());
        }
        let first = self.first_of_log();
        self.put_in_place()?;
        let mut notes: Vec<Note> = self.missing.iter().map(lost).collect();
        if !self.missing.is_empty() {
            let base = Snapshot::open(&self.base_path(), schema_hash())?;
            let mut state = State::of_snapshot(Arc::new(base))?;
            let entries = self.log.entries(state.sequence() + 1);
            state::replay(&mut state, entries)?;
            let testimony = self.testimony.as_ref().ok().and_then(Option::as_ref);
            let witnessed = testimony.map_or(&[][..], |it| &it.series);
            notes.extend(nrid::beyond(&state, witnessed, &self.formats)?);
            state.pass_over(self.last, &notes);
            write_whole(&self.data, &self.formats, &state, |_| ())?;
        }
        self.write_log(config, first)?;
        go_on(
            config,
            LOSS_ACCEPTED,
            because,
            self.testimony.is_err(),
            notes,
        )?;
        for missing in &self.missing {
            say!("given up: changes {}", told(missing))?;
        }
        Ok(())
    }

    /// Where the log begins that follows on without a gap until the end.
    fn first_of_log(&self) -> u64 {
        let stretches = self.log.stretches();
        let newest = stretches.last().filter(|it| *it.end() == self.last);
        newest.map_or(self.last + 1, |it| *it.start())
    }

    fn base_path(&self) -> PathBuf {
        self.data.join(folder::name_of(self.base.sequence()))
    }

    /// Copies the snapshot out of another folder.
    fn put_in_place(&self) -> Result<(), Failure> {
        if !self.is_elsewhere {
            return Ok(());
        }
        let path = self.base_path();
        files::copy_finished(self.base.path(), &path)?;
        say!(
            "copied     {} to {}",
            self.base.path().display(),
            path.display()
        )?;
        Ok(())
    }

    fn write_log(&self, config: &Config, first: u64) -> Result<(), Failure> {
        let is_whole = self.log.damages.is_empty() && self.missing.is_empty();
        if !is_whole || self.is_elsewhere {
            let aside = self
                .log
                .write(&self.data, schema_hash(), first, config.keeping())?;
            if let Some(aside) = aside {
                say!("set aside  the log as it was: {}", aside.display())?;
            }
        }
        if self.testimony.is_err() {
            fs::remove_file(witness::path_of(&self.data))?;
        }
        Ok(())
    }
}

/// The newest snapshot of a folder that is whole. What is not is told.
fn newest_whole(data: &Path, damaged: &mut Vec<String>) -> Result<Option<Snapshot>, Failure> {
    for file in folder::snapshots(data)?.into_iter().rev() {
        let opened = Snapshot::open(&file.path, schema_hash());
        let whole = opened.map_err(Failure::from).and_then(|snapshot| {
            snapshot.verify(|_, _| ())?;
            Ok(snapshot)
        });
        match whole {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(error) => damaged.push(error.to_string()),
        }
    }
    Ok(None)
}

/// Opens a register and records by an entry of its log who did what, and why; with a jump of its
/// numbers, where that is wanted.
fn go_on(
    config: &Config,
    by: &str,
    because: String,
    jumps: bool,
    mut notes: Vec<Note>,
) -> Result<(), Failure> {
    let live = super::open_to_change(config)?;
    if jumps {
        let formats = config.formats()?;
        let testimony = live.testimony.as_ref();
        let witnessed = testimony.map_or(&[][..], |it| &it.series);
        notes.extend(nrid::beyond(&live.store.keep(), witnessed, &formats)?);
    }
    let goes_on = notes.iter().any(|it| matches!(it, Note::Issued { .. }));
    let origin = SystemUser::did(by, because);
    let commit = move |draft: &mut Draft| draft.commit(origin, Vec::new(), notes);
    let sequence = live.committer.wait(commit)?.0?;
    if goes_on {
        live.committer.tell_goes_on()?;
    }
    live.committer.tend();
    say!("recorded   as change {sequence} ({by})")?;
    Ok(())
}

fn lost(missing: &RangeInclusive<u64>) -> Note {
    Note::Lost {
        first: *missing.start(),
        last: *missing.end(),
    }
}

fn told(changes: &RangeInclusive<u64>) -> String {
    format!("{} to {}", changes.start(), changes.end())
}

/// A time in brackets, where it is known.
fn written(at: Option<DateTime>) -> String {
    at.map_or_else(String::new, |at| format!(" ({})", text(at)))
}

fn text(at: DateTime) -> String {
    String::from_utf8_lossy(&at.written()).into_owned()
}

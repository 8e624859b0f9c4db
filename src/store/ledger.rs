//! What a register remembers beside its records, kept in the snapshot and in every state: the files
//! that were applied, so that the same file twice changes nothing; how far one is applied, so that it
//! can go on after a stop; the records that point at identities which are not there yet; how far each
//! chain of the audit had come; which numbers were issued; the time of the last change; and what was
//! given up as lost.

use imbl::{OrdMap, OrdSet, Vector};
use serde::{Deserialize, Serialize};

use super::entry::{Note, OTHER_SERIES};
use crate::base::time::{DateTime, Moment, Timestamp};

/// The ledger of one register. A copy shares everything with the original.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Files applied, oldest first.
    pub applied: Vector<AppliedFile>,
    /// Pairs of keys: an identity that is not in the register, and one whose record points at it.
    pub waiting: OrdSet<(u64, u64)>,
    /// Entries applied of files that are not applied to their end, by content.
    #[serde(default)]
    pub progress: OrdMap<String, u64>,
    /// Of the newest days, the last of Skatteverket's files that was applied, by its place among the
    /// files of that day.
    #[serde(default)]
    pub newest_files: OrdMap<u32, u64>,
    /// The end of each chain of the audit, as the audit writes an anchor.
    #[serde(default)]
    pub audit: OrdMap<u32, String>,
    /// Where each series of issued numbers goes on: the place of the first that was never issued.
    #[serde(default)]
    pub series: OrdMap<u64, u64>,
    /// Entries that were given up as lost, oldest first.
    #[serde(default)]
    pub losses: Vector<Loss>,
    /// The time of the last change; `None` before the first.
    #[serde(default)]
    pub latest: Option<Latest>,
    /// Whether the first persons came out of another register, whose later changes nobody here knows:
    /// it may be a backup of this one.
    #[serde(default)]
    pub is_restored: bool,
}

/// Entries that were given up as lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The first of them.
    pub first: u64,
    /// The last of them.
    pub last: u64,
}

/// The time that a register has come to: no change is dated before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latest {
    /// When the newest change was committed, as the bits of a [`DateTime`].
    at: u64,
    /// The newest version that a change gave, as the number of a [`Timestamp`]. Versions are local
    /// time, whose hour from two to three comes twice in October.
    version: u64,
}

impl Latest {
    /// The later of this time and a moment.
    pub fn with(latest: Option<Self>, at: &Moment) -> Self {
        let at = Self::held(latest, at);
        Self {
            at: at.date_time.bits(),
            version: at.timestamp.number(),
        }
    }

    /// A moment that is not before a time: the given one, or that time itself.
    pub fn held(latest: Option<Self>, at: &Moment) -> Moment {
        latest.map_or(*at, |latest| latest.hold(at))
    }

    /// A moment that is not before this time: the given one, or this time itself.
    pub fn hold(&self, at: &Moment) -> Moment {
        let mut held = *at;
        if let Some(latest) = self.at().filter(|it| it.instant() > at.date_time.instant()) {
            held = Moment::of(latest);
        }
        if let Some(version) = Timestamp::from_number(self.version) {
            held.timestamp = held.timestamp.max(version);
        }
        held
    }

    /// When the newest change was committed.
    pub fn at(&self) -> Option<DateTime> {
        DateTime::from_bits(self.at)
    }
}

/// One applied file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedFile {
    /// XXH3-128 of the content, in hexadecimal: what makes it the same file.
    pub content: String,
    /// When it was applied, `xs:dateTime`.
    pub at: String,
    /// Posts, or persons, in it.
    pub entries: u64,
}

/// Where one of Skatteverket's files stands among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// The day it was made (Effektueringsdatum), `YYYYMMDD`.
    pub day: u32,
    /// Its place among the files of that day: by run, part, and file of the delivery (JobbId, LopNr,
    /// FilNr), each 0 where it is not told.
    pub serial: u64,
}

impl Ledger {
    /// Files remembered: more than twenty years of daily files.
    const MOST: usize = 10_000;

    /// Days remembered of which files came.
    const MOST_DAYS: usize = 400;

    /// Reads a snapshot's ledger.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        if bytes.is_empty() {
            Ok(Self::default())
        } else {
            serde_json::from_slice(bytes)
        }
    }

    /// The ledger as a snapshot keeps it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }

    /// Whether a file with this content was applied.
    pub fn knows(&self, content: &str) -> bool {
        self.applied.iter().any(|file| file.content == content)
    }

    /// The keys of the records that point at an identity which is not there.
    pub fn waiting_for(&self, missing: u64) -> impl Iterator<Item = u64> + '_ {
        let pairs = self.waiting.range((missing, 0)..=(missing, u64::MAX));
        pairs.map(|&(_, waits)| waits)
    }

    /// Notes an applied file; the oldest is forgotten when there are too many.
    pub fn note(&mut self, file: AppliedFile) {
        if self.applied.len() >= Self::MOST {
            self.applied.pop_front();
        }
        self.progress.remove(&file.content);
        self.applied.push_back(file);
    }

    /// Whether a file of the same day that was made later has been applied.
    pub fn is_overtaken(&self, place: FilePlace) -> bool {
        let newest = self.newest_files.get(&place.day);
        newest.is_some_and(|&newest| newest > place.serial)
    }

    /// Whether a file is the last one that was applied of its day.
    pub fn is_newest(&self, place: FilePlace) -> bool {
        self.newest_files.get(&place.day) == Some(&place.serial)
    }

    /// Notes that a file began to be applied; the oldest day is forgotten when there are too many.
    pub fn begin(&mut self, place: FilePlace) {
        let newest = self.newest_files.get(&place.day);
        let newest = newest.copied().unwrap_or_default().max(place.serial);
        self.newest_files.insert(place.day, newest);
        if self.newest_files.len() > Self::MOST_DAYS {
            self.newest_files = self.newest_files.without_min().1;
        }
    }

    /// The place of the first number of a series that may be issued.
    pub fn next_of(&self, series: u64) -> u64 {
        let next = self.series.get(&series);
        let next = next.or_else(|| self.series.get(&OTHER_SERIES));
        next.copied().unwrap_or_default()
    }

    /// Takes over a note from an entry of the log; `at` is the entry's time.
    pub fn apply(&mut self, note: &Note, at: &str) {
        match note {
            Note::File { content, entries } => self.note(AppliedFile {
                content: content.clone(),
                at: at.to_owned(),
                entries: *entries,
            }),
            Note::Progress { content, done } => {
                self.progress.insert(content.clone(), *done);
            }
            Note::Waits { missing, waits } => {
                self.waiting.insert((*missing, *waits));
            }
            Note::AuditEnd { chain, anchor } if anchor.is_empty() => {
                self.audit.remove(chain);
            }
            Note::AuditEnd { chain, anchor } => {
                self.audit.insert(*chain, anchor.clone());
            }
            Note::Issued { series, next } => {
                let next = (*next).max(self.next_of(*series));
                self.series.insert(*series, next);
            }
            &Note::Began { day, serial } => self.begin(FilePlace { day, serial }),
            &Note::Lost { first, last } => {
                let loss = Loss { first, last };
                if !self.losses.contains(&loss) {
                    self.losses.push_back(loss);
                }
            }
            Note::Arrived { key } => {
                let waiting: Vec<u64> = self.waiting_for(*key).collect();
                for waits in waiting {
                    self.waiting.remove(&(*key, waits));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_never_goes_back_and_what_is_not_named_begins_where_all_do() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.next_of(7), 0);
        for (series, next) in [(7, 5), (OTHER_SERIES, 100), (7, 3), (8, 2)] {
            ledger.apply(&Note::Issued { series, next }, "");
        }
        assert_eq!([7, 8, 9].map(|it| ledger.next_of(it)), [5, 100, 100]);
    }

    #[test]
    fn the_hour_that_comes_twice_gives_no_earlier_version() {
        let moment = |text: &str| Moment::parse(text).unwrap();
        let first = moment("2026-10-25T02:59:53+02:00");
        let latest = Latest::with(None, &first);
        let later = latest.hold(&moment("2026-10-25T02:00:07+01:00"));
        assert_eq!(later.timestamp, first.timestamp);
        assert_eq!(
            later.date_time,
            moment("2026-10-25T02:00:07+01:00").date_time
        );
        let back = latest.hold(&moment("2026-09-15T12:00:00"));
        assert_eq!(back, first);
        let on = moment("2026-10-25T03:00:00+01:00");
        assert_eq!(Latest::with(Some(latest), &on).hold(&first), on);
    }

    #[test]
    fn the_newest_end_of_each_chain_of_the_audit_is_kept() {
        let mut ledger = Ledger::from_bytes(br#"{"applied":[],"waiting":[]}"#).unwrap();
        let mut told = |chain, anchor: &str| {
            let anchor = anchor.to_owned();
            ledger.apply(&Note::AuditEnd { chain, anchor }, "");
        };
        told(0, "0:5:aa");
        told(12, "12:1:bb");
        told(0, "0:9:cc");
        told(3, "3:1:dd");
        told(3, "");
        let again = Ledger::from_bytes(&ledger.to_bytes().unwrap()).unwrap();
        assert_eq!(again, ledger);
        let ends: Vec<_> = again.audit.into_iter().collect();
        assert_eq!(ends, [(0, "0:9:cc".to_owned()), (12, "12:1:bb".to_owned())]);
    }
}

//! The trail: which entries of the log changed a person. It is made when somebody first asks, and
//! then grows with the log; a start does not wait for it.

use parking_lot::Mutex;

use super::log::{Log, ReadError};
use crate::person::record::RecordRef;

/// An index of the log by person.
#[derive(Default)]
pub struct Trail(Mutex<Indexed>);

/// What is indexed so far.
#[derive(Default)]
struct Indexed {
    /// Older entries first. Each is at least twice as long as the one after it, so that there are
    /// few.
    runs: Vec<Run>,
    /// The first entry that is not indexed.
    next: u64,
}

/// Changes of neighbouring entries, by key and then by entry.
struct Run {
    pairs: Vec<(u64, u64)>,
    last: u64,
}

/// Changes that are gathered before they are sorted.
const GATHERED: usize = 1 << 18;

impl Trail {
    /// The entries of the log that hold a record with this key, oldest first.
    pub fn of(&self, log: &dyn Log, key: u64) -> Result<Vec<u64>, ReadError> {
        let mut indexed = self.0.lock();
        indexed.extend(log)?;
        let first = log.first();
        let mut found: Vec<u64> = Vec::new();
        for run in &indexed.runs {
            let from = run.pairs.partition_point(|&pair| pair < (key, first));
            let those = run.pairs[from..].iter();
            found.extend(
                those
                    .take_while(|(other, _)| *other == key)
                    .map(|(_, entry)| entry),
            );
        }
        // An entry may hold a record twice.
        found.dedup();
        Ok(found)
    }
}

impl Indexed {
    /// Takes in what the log holds beyond.
    fn extend(&mut self, log: &dyn Log) -> Result<(), ReadError> {
        let first = log.first();
        self.runs.retain(|run| run.last >= first);
        self.next = self.next.max(first);
        if self.next > log.last() {
            return Ok(());
        }
        let mut pairs = Vec::new();
        for entry in log.read_from(self.next)? {
            let entry = entry?;
            for changed in &entry.changes {
                // What is no record was refused when the entry was made, and when it was replayed.
                if let Ok(record) = RecordRef::open(&changed.record) {
                    pairs.push((record.identity().key(), entry.sequence));
                }
            }
            if pairs.len() >= GATHERED {
                self.push(std::mem::take(&mut pairs), entry.sequence);
            }
            self.next = entry.sequence + 1;
        }
        if !pairs.is_empty() {
            self.push(pairs, self.next - 1);
        }
        Ok(())
    }

    fn push(&mut self, mut pairs: Vec<(u64, u64)>, last: u64) {
        while let Some(before) = self
            .runs
            .pop_if(|before| before.pairs.len() < 2 * pairs.len())
        {
            pairs.extend(before.pairs);
        }
        pairs.sort_unstable();
        self.runs.push(Run { pairs, last });
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::base::time::DateTime;
    use crate::person::edit::Person;
    use crate::person::edit::tests::identity;
    use crate::person::identity::Formats;
    use crate::store::entry::{Changed, Entry, Origin};
    use crate::store::log::{AppendError, Entries};

    /// A log in memory that begins with some entry.
    struct Memory {
        first: u64,
        entries: Vec<Entry>,
    }

    impl Log for Memory {
        fn append(&self, _: &[Vec<u8>], _: u64) -> Result<u64, AppendError> {
            Err(AppendError::Failed(String::new()))
        }

        fn read_from(&self, sequence: u64) -> Result<Entries<'_>, ReadError> {
            let wanted = move |entry: &&Entry| entry.sequence >= sequence;
            Ok(Box::new(
                self.entries.iter().filter(wanted).cloned().map(Ok),
            ))
        }

        fn first(&self) -> u64 {
            self.first
        }

        fn last(&self) -> u64 {
            self.first + self.entries.len() as u64 - 1
        }

        fn trim(&self, _: u64) -> io::Result<()> {
            Ok(())
        }

        fn bytes(&self) -> u64 {
            0
        }
    }

    const PERSONS: [&str; 3] = ["191212121212", "22790814AA01", "991981000010"];

    fn entry(sequence: u64, persons: &[&str]) -> Entry {
        let changed = |person: &&str| {
            let person = Person::new(identity(person), &Formats::standard());
            Changed::new(person.to_record().unwrap(), None)
        };
        let at = DateTime::parse("2025-01-07T06:00:00").unwrap();
        let changes = persons.iter().map(changed).collect();
        Entry::new(sequence, at, Origin::default(), changes, Vec::new())
    }

    #[test]
    fn the_entries_of_a_person_are_found_as_the_log_grows_and_is_trimmed() {
        let mut log = Memory {
            first: 5,
            entries: Vec::new(),
        };
        let trail = Trail::default();
        let of = |log: &Memory, person: &str| trail.of(log, identity(person).key()).unwrap();
        for sequence in 5..105 {
            let person = PERSONS[sequence as usize % 3];
            log.entries.push(entry(sequence, &[person, person]));
            if sequence % 7 == 0 {
                for (person, rest) in PERSONS.iter().zip(0..) {
                    let wanted: Vec<u64> = (5..=sequence).filter(|it| it % 3 == rest).collect();
                    assert_eq!(of(&log, person), wanted, "{sequence}");
                }
            }
        }
        assert!(trail.0.lock().runs.len() < 8);
        log.entries.drain(..50);
        log.first = 55;
        let wanted: Vec<u64> = (55..105).filter(|it| it % 3 == 1).collect();
        assert_eq!(of(&log, PERSONS[1]), wanted);
        assert!(of(&log, "198001022386").is_empty());
    }
}

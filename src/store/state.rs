//! The state: one immutable point in time that a request pins and reads from, and the place where
//! the newest one is published.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::error::OpenError;
use super::folder;
use super::overlay::Overlay;
use super::snapshot::Snapshot;
use crate::person::field::schema_hash;
use crate::person::format::FormatRow;
use crate::person::identity::{Formats, Identity};
use crate::person::record::{Damaged, RecordRef};

/// Why a register cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The data folder cannot be read.
    #[error("the data folder {path} cannot be read")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no snapshot in the folder.
    #[error("there is no register in {0}: build one with `pu import` or `pu demo`")]
    NoSnapshot(PathBuf),
    /// The snapshot cannot be used.
    #[error(transparent)]
    Snapshot(#[from] OpenError),
    /// The snapshot holds identities of formats that the configuration tells otherwise, or not.
    #[error(
        "{path} was written with another definition of the identity format {short_name}: configure it as it was"
    )]
    Format {
        /// The snapshot.
        path: PathBuf,
        /// The format's short name.
        short_name: String,
    },
    /// The snapshot's list of identity formats cannot be read.
    #[error("{0}: the list of identity formats cannot be read")]
    Formats(PathBuf),
}

/// One point in time: a snapshot and what changed since.
pub struct State {
    snapshot: Arc<Snapshot>,
    overlay: Overlay,
    sequence: u64,
}

impl State {
    /// The state a snapshot holds by itself.
    pub fn of_snapshot(snapshot: Arc<Snapshot>) -> Self {
        let sequence = snapshot.sequence();
        Self {
            snapshot,
            overlay: Overlay::default(),
            sequence,
        }
    }

    /// The state after changes on top of a snapshot.
    pub fn with_overlay(snapshot: Arc<Snapshot>, overlay: Overlay, sequence: u64) -> Self {
        Self {
            snapshot,
            overlay,
            sequence,
        }
    }

    /// The number of the last change it holds.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The snapshot below it.
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What is newer than the snapshot.
    pub const fn overlay(&self) -> &Overlay {
        &self.overlay
    }

    /// The record of an identity.
    #[inline]
    pub fn record(&self, identity: Identity) -> Result<Option<RecordRef<'_>>, Damaged> {
        let key = identity.key();
        if let Some(bytes) = self.overlay.get(key) {
            return RecordRef::open(bytes).map(Some);
        }
        // A candidate that is no record is damage, not a miss.
        let damaged = Cell::new(false);
        let is_it = |bytes| {
            let record = RecordRef::open(bytes);
            damaged.set(damaged.get() || record.is_err());
            record.is_ok_and(|record| record.identity() == identity)
        };
        match self.snapshot.find(key, is_it) {
            Some(bytes) => RecordRef::open(bytes).map(Some),
            None if damaged.get() => Err(Damaged),
            None => Ok(None),
        }
    }
}

/// The register that is served: the newest state, swapped in whole.
pub struct Store {
    state: ArcSwap<State>,
    /// Held while a new state is made and published, so that two makers cannot lose each other's.
    publishing: Mutex<()>,
}

impl Store {
    /// Opens the newest snapshot in a data folder.
    pub fn open(data: &Path, formats: &Formats) -> Result<Self, RegisterError> {
        let snapshot = open_newest(data, formats)?
            .ok_or_else(|| RegisterError::NoSnapshot(data.to_path_buf()))?;
        Ok(Self::new(State::of_snapshot(Arc::new(snapshot))))
    }

    /// A store that begins with `state`.
    pub fn new(state: State) -> Self {
        Self {
            state: ArcSwap::from_pointee(state),
            publishing: Mutex::new(()),
        }
    }

    /// Pins the newest state. Never waits.
    #[inline]
    pub fn pin(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    /// The newest state, to be kept as long as it takes: for work on another thread.
    pub fn keep(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// Publishes what `make` makes of the newest state. Readers that pinned an older one keep it.
    pub fn publish<E>(&self, make: impl FnOnce(&State) -> Result<State, E>) -> Result<(), E> {
        let _publishing = self.publishing.lock();
        let next = make(&self.state.load())?;
        self.state.store(Arc::new(next));
        Ok(())
    }
}

/// The newest snapshot in a data folder, checked against the identity formats in use; `None` when
/// there is none.
pub fn open_newest(data: &Path, formats: &Formats) -> Result<Option<Snapshot>, RegisterError> {
    let newest = folder::newest(data).map_err(|source| RegisterError::Folder {
        path: data.to_path_buf(),
        source,
    })?;
    let Some(file) = newest else { return Ok(None) };
    let snapshot = Snapshot::open(&file.path, schema_hash())?;
    check_formats(&snapshot, formats)?;
    Ok(Some(snapshot))
}

/// The identity formats as a snapshot keeps them.
pub fn formats_to_bytes(formats: &Formats) -> Vec<u8> {
    let rows: Vec<&FormatRow> = formats.rows().collect();
    serde_json::to_vec(&rows).unwrap_or_default()
}

/// Keys in a snapshot mean what its own formats say: each must be in use, unchanged.
fn check_formats(snapshot: &Snapshot, formats: &Formats) -> Result<(), RegisterError> {
    let path = || snapshot.path().to_path_buf();
    let rows: Vec<FormatRow> =
        serde_json::from_slice(snapshot.formats()).map_err(|_| RegisterError::Formats(path()))?;
    match rows
        .into_iter()
        .find(|row| !formats.rows().any(|other| other == row))
    {
        Some(row) => Err(RegisterError::Format {
            path: path(),
            short_name: row.short_name,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::Person;
    use crate::person::edit::tests::identity;
    use crate::person::field::Field;
    use crate::person::value::Value;
    use crate::store::write::{About, SnapshotWriter};

    const SURNAME: Field = Field::at("name/surname");
    const VALUE: &str = "191212121212";

    fn named(name: &str) -> Vec<u8> {
        let mut person = Person::new(identity(VALUE), &Formats::standard());
        person.set(SURNAME, Value::from(name));
        person.to_record().unwrap()
    }

    fn state(folder: &Path) -> State {
        let at = crate::base::time::Moment::parse("2025-01-07T06:00:00").unwrap();
        let about = About {
            schema_hash: schema_hash(),
            sequence: 1,
            created: at.date_time,
        };
        let mut writer = SnapshotWriter::create(folder, &folder::name_of(1), about).unwrap();
        writer
            .push(identity(VALUE).key(), &named("Testsson"))
            .unwrap();
        writer
            .finish(&formats_to_bytes(&Formats::standard()), b"")
            .unwrap();
        let snapshot = open_newest(folder, &Formats::standard()).unwrap().unwrap();
        State::of_snapshot(Arc::new(snapshot))
    }

    fn surname(state: &State) -> String {
        let record = state.record(identity(VALUE)).unwrap().unwrap();
        Person::from_record(record)
            .unwrap()
            .text(SURNAME)
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_pinned_state_stays_what_it_was_while_a_newer_one_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(state(folder.path()));
        let pinned = store.pin();
        store
            .publish(|state| {
                let overlay = Overlay::of([named("Nysson").into_boxed_slice()])?;
                let (snapshot, next) = (Arc::clone(state.snapshot()), state.sequence() + 1);
                Ok::<_, Damaged>(State::with_overlay(snapshot, overlay, next))
            })
            .unwrap();
        assert_eq!(
            (surname(&pinned).as_str(), pinned.sequence()),
            ("Testsson", 1)
        );
        let newest = store.pin();
        assert_eq!(
            (surname(&newest).as_str(), newest.sequence()),
            ("Nysson", 2)
        );
        assert_eq!(newest.overlay().len(), 1);
    }

    #[test]
    fn a_failed_change_publishes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(state(folder.path()));
        assert_eq!(store.publish(|_| Err(Damaged)), Err(Damaged));
        assert_eq!(store.pin().sequence(), 1);
    }

    #[test]
    fn a_register_is_refused_under_other_identity_formats() {
        let folder = tempfile::tempdir().unwrap();
        let row = FormatRow {
            number: 64,
            root: "1.2.752.999.1".into(),
            short_name: "RX".into(),
            name: "Region Exempel".into(),
            pattern: "[0-9]{8}RX[0-9]{2}".into(),
            check: None,
            birth: crate::person::format::Birth::Unknown,
            gender: None,
        };
        let own = Formats::with(&[row]).unwrap();
        let at = crate::base::time::Moment::parse("2025-01-07T06:00:00").unwrap();
        let about = About {
            schema_hash: schema_hash(),
            sequence: 1,
            created: at.date_time,
        };
        let writer = SnapshotWriter::create(folder.path(), &folder::name_of(1), about).unwrap();
        writer.finish(&formats_to_bytes(&own), b"").unwrap();
        assert!(open_newest(folder.path(), &own).unwrap().is_some());
        let error = open_newest(folder.path(), &Formats::standard())
            .err()
            .unwrap();
        assert!(error.to_string().contains("RX"), "{error}");
    }

    #[test]
    fn an_empty_folder_is_no_register() {
        let folder = tempfile::tempdir().unwrap();
        let error = Store::open(folder.path(), &Formats::standard())
            .err()
            .unwrap();
        assert!(matches!(error, RegisterError::NoSnapshot(_)));
    }
}

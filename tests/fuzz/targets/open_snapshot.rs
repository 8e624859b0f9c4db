//! A snapshot from a hostile writer: whatever the bytes, opening, verifying, finding and reading end
//! without harm.
//!
//! The input is taken twice: as a file, and as changes to a valid snapshot of the fixture. In the
//! second reading the first byte says whether checksums are made right again afterwards, and each
//! change is eight bytes: what to do, where (three bytes), with what (four bytes).
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use pu::person::edit::Person;
use pu::person::field::schema_hash;
use pu::person::record::{Damaged, RecordRef};
use pu::person::schema::Core;
use pu::person::view::{Grant, PopulationRecordRule, Profile, ProtectionRules};
use pu::query::lookup::{Follow, lookup};
use pu::store::blocks::Summing;
use pu::store::layout::{CHECKED_SECTIONS, HEADER_BYTES};
use pu::store::snapshot::Snapshot;
use pu::store::state::State;
use pu::wire::render::{Buffer, RecordWriter};
use shared::{FORMATS, IDENTITIES, SNAPSHOT};
use xxhash_rust::xxh3::xxh3_64;

fuzz_target!(|input: &[u8]| {
    walk(input.to_vec());
    let Some((&seal, changes)) = input.split_first() else {
        return;
    };
    let mut file = SNAPSHOT.clone();
    for change in changes.chunks_exact(8) {
        let [what, a, b, c, with @ ..] = *change.first_chunk::<8>().unwrap();
        let place = u32::from_le_bytes([a, b, c, 0]) as usize % (file.len() + 1);
        let length = file.len();
        match what % 6 {
            0 => file[place.min(length - 1)] = with[0],
            1 => file.truncate(place.max(1)),
            2 => file[place.min(length - 1)] ^= 1 << (with[0] % 8),
            3 => file.resize(length + usize::from(with[0]), with[1]),
            4 => {
                // A number of the header or an index: aligned, small or huge.
                let at = (place & !7).min(length.saturating_sub(8));
                let number = i64::from(i32::from_le_bytes(with)).to_le_bytes();
                let end = (at + 8).min(length);
                file[at..end].copy_from_slice(&number[..end - at]);
            }
            _ => {
                let from = u32::from_le_bytes(with) as usize % length;
                let count = (length - from).min(length - place).min(32);
                file.copy_within(from..from + count, place);
            }
        }
    }
    if seal.is_multiple_of(2) {
        reseal(&mut file);
    }
    walk(file);
});

/// Everything that reads a snapshot, over these bytes.
fn walk(file: Vec<u8>) {
    let Ok(snapshot) = Snapshot::from_bytes(file, schema_hash()) else {
        return;
    };
    // Whatever has not passed its check yet is checked before it is read.
    let early: Vec<bool> = IDENTITIES
        .iter()
        .map(|identity| {
            let is_it = |bytes| RecordRef::open(bytes).is_ok_and(|it| it.identity() == *identity);
            snapshot.find(identity.key(), is_it).is_ok()
        })
        .collect();
    let whole = snapshot.verify(|_, _| {}).is_ok();
    let checked = snapshot.verify_records(|_, bytes| {
        let record = RecordRef::open(bytes)?;
        record.check()?;
        Ok::<_, Damaged>(record.identity().key())
    });
    let mut read = 0;
    for bytes in snapshot.records().take(100).flatten() {
        let Ok(record) = RecordRef::open(bytes) else {
            continue;
        };
        read += u64::from(record.check().is_ok());
        // A person can be made of every record that passes its check, and only then is edited.
        let person = Person::from_record(record);
        if record.check().is_ok() {
            assert!(person.is_ok());
        }
    }
    if whole && checked.is_ok() {
        assert!(early.into_iter().all(|found| found));
        assert!(read == snapshot.len().min(100));
    }
    // A ledger that cannot be read is refused.
    let Ok(state) = State::of_snapshot(Arc::new(snapshot)) else {
        return;
    };
    let grants = [
        Grant::unrestricted(Profile::P5),
        Grant::restricted(
            Profile::P5,
            ProtectionRules::with_population_record(PopulationRecordRule::Profile1),
        ),
    ];
    let writer = RecordWriter::compile(Core::V3, &FORMATS);
    for &identity in IDENTITIES.iter() {
        for grant in &grants {
            for follow in [Follow::MainIdentity, Follow::Nothing] {
                if let Ok(Some(view)) = lookup(&state, identity, grant, follow) {
                    let _ = writer.write(&view, &mut Buffer::default());
                }
            }
        }
    }
}

/// Makes all checksums right again.
fn reseal(file: &mut [u8]) {
    if file.len() < HEADER_BYTES {
        return;
    }
    let place = |file: &[u8], row: usize| {
        let number = |at: usize| {
            let bytes = file[64 + row * 32 + at..].first_chunk().unwrap();
            usize::try_from(u64::from_le_bytes(*bytes)).ok()
        };
        let (offset, length) = number(8).zip(number(16))?;
        let range = offset..offset.checked_add(length)?;
        file.get(range.clone()).is_some().then_some(range)
    };
    let mut sums = Vec::new();
    for row in 0..CHECKED_SECTIONS {
        if let Some(range) = place(file, row) {
            let sum = Summing::all_of(&file[range], &mut sums);
            let at = 64 + row * 32 + 24;
            file[at..at + 8].copy_from_slice(&sum.to_le_bytes());
        }
    }
    if let Some(range) = place(file, CHECKED_SECTIONS) {
        let length = range.len().min(sums.len());
        file[range.start..range.start + length].copy_from_slice(&sums[..length]);
        let sum = xxh3_64(&file[range]).to_le_bytes();
        let at = 64 + CHECKED_SECTIONS * 32 + 24;
        file[at..at + 8].copy_from_slice(&sum);
    }
    file[56..64].fill(0);
    let sum = xxh3_64(&file[..HEADER_BYTES]);
    file[56..64].copy_from_slice(&sum.to_le_bytes());
}

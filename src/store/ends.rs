//! Where each record ends. One u64 for each 64 records and one u32 for each record: 4.125 bytes a
//! record, and two reads for any record. The layout is drawn in [`layout`](super::layout).

use std::ops::Range;

use crate::base::limits::RECORD_BYTES;

/// Records that share one start.
const GROUP: u64 = 64;
const START_BYTES: u64 = 8;
const END_BYTES: u64 = 4;
const GROUP_BYTES: u64 = START_BYTES + GROUP * END_BYTES;

const _: () = assert!(GROUP_BYTES == 264);
/// So a record's end always fits 32 bits from its group's start.
const _: () = assert!(GROUP as usize * RECORD_BYTES <= u32::MAX as usize);

/// Bytes of the section for so many records; `None` when no file could hold it.
pub fn section_bytes(records: u64) -> Option<u64> {
    let starts = records.div_ceil(GROUP).checked_mul(START_BYTES)?;
    records.checked_mul(END_BYTES)?.checked_add(starts)
}

/// Where the end of a record stands in the section.
pub fn position(ordinal: u64) -> Option<u64> {
    (ordinal / GROUP)
        .checked_mul(GROUP_BYTES)?
        .checked_add(START_BYTES + ordinal % GROUP * END_BYTES)
}

/// The bytes of the section that say where a record starts and ends.
pub fn read_for(ordinal: u64) -> Option<Range<u64>> {
    let group = (ordinal / GROUP).checked_mul(GROUP_BYTES)?;
    Some(group..position(ordinal)?.checked_add(END_BYTES)?)
}

/// Collects the section while records are written.
#[derive(Default)]
pub struct EndsBuilder {
    bytes: Vec<u8>,
    records: u64,
    group_start: u64,
    last: u64,
}

impl EndsBuilder {
    /// As if records up to there had been written.
    #[cfg(test)]
    pub(super) fn after(last: u64) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    /// Adds the next record's end. `None`, and nothing added, when it is no end of a record that
    /// starts at the last one.
    pub fn push(&mut self, end: u64) -> Option<()> {
        let opens_group = self.records.is_multiple_of(GROUP);
        let start = if opens_group {
            self.last
        } else {
            self.group_start
        };
        let relative = u32::try_from(end.checked_sub(start)?).ok()?;
        if end <= self.last {
            return None;
        }
        if opens_group {
            self.bytes.extend_from_slice(&start.to_le_bytes());
            self.group_start = start;
        }
        self.bytes.extend_from_slice(&relative.to_le_bytes());
        self.records += 1;
        self.last = end;
        Some(())
    }

    /// Where the last record ends.
    pub const fn last(&self) -> u64 {
        self.last
    }

    /// Number of records so far.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The section's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The ends so far.
    pub fn view(&self) -> Ends<'_> {
        Ends::new(&self.bytes, self.records)
    }
}

/// The section, read.
#[derive(Clone, Copy)]
pub struct Ends<'a> {
    bytes: &'a [u8],
    records: u64,
}

impl<'a> Ends<'a> {
    /// Over a section's bytes, which may be any bytes.
    pub const fn new(bytes: &'a [u8], records: u64) -> Self {
        Self { bytes, records }
    }

    /// Where a record ends; `None` when there is no such record.
    pub fn get(&self, ordinal: u64) -> Option<u64> {
        if ordinal >= self.records {
            return None;
        }
        let start = self.group_start(ordinal)?;
        let at = usize::try_from(position(ordinal)?).ok()?;
        let relative = u32::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?);
        start.checked_add(u64::from(relative))
    }

    /// Where a record starts and ends. `None` when there is no such record, or when these bytes
    /// are damaged so that it has no length.
    pub fn range(&self, ordinal: u64) -> Option<Range<u64>> {
        let end = self.get(ordinal)?;
        let start = if ordinal.is_multiple_of(GROUP) {
            self.group_start(ordinal)?
        } else {
            self.get(ordinal - 1)?
        };
        (start < end).then_some(start..end)
    }

    /// All ends in order. Stops early at damage; [`Ends::get`] of the next is `None` then.
    pub fn iter(&self) -> impl Iterator<Item = u64> + 'a {
        let ends = *self;
        (0..ends.records).map_while(move |ordinal| ends.get(ordinal))
    }

    fn group_start(&self, ordinal: u64) -> Option<u64> {
        let at = usize::try_from((ordinal / GROUP).checked_mul(GROUP_BYTES)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_come_back_across_groups_and_far_into_the_arena() {
        let far = 1_u64 << 39;
        for count in [0_u64, 1, 63, 64, 65, 128, 200] {
            let mut builder = EndsBuilder::after(far);
            let ends: Vec<u64> = (0..count).map(|i| far + (i + 1) * (i + 2)).collect();
            for &end in &ends {
                builder.push(end).unwrap();
            }
            let bytes = u64::try_from(builder.bytes().len()).unwrap();
            assert_eq!(Some(bytes), section_bytes(count));
            let view = builder.view();
            assert_eq!(view.iter().collect::<Vec<_>>(), ends);
            assert_eq!(view.get(count), None);
            let mut start = far;
            for (ordinal, &end) in (0..).zip(&ends) {
                assert_eq!(view.range(ordinal), Some(start..end));
                start = end;
            }
        }
    }

    #[test]
    fn an_end_must_move_on_and_stay_within_reach_of_its_group() {
        let mut builder = EndsBuilder::default();
        builder.push(5).unwrap();
        for wrong in [5, 4, 0, 1 << 32] {
            assert_eq!(builder.push(wrong), None, "{wrong}");
        }
        builder.push(6).unwrap();
        assert_eq!(builder.view().iter().collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn damaged_bytes_give_no_range() {
        let ends = Ends::new(&[0xff; 20], 3);
        assert_eq!(ends.get(0), None, "overflow");
        assert_eq!(Ends::new(&[0; 20], 3).range(1), None, "no length");
        assert_eq!(Ends::new(&[0; 3], 3).range(0), None, "too short");
        assert_eq!(Ends::new(&[], u64::MAX).get(u64::MAX - 1), None);
        assert_eq!(section_bytes(u64::MAX), None);
    }
}

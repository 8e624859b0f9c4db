//! The identity index: from a key to the end of its record, in one cache line as a rule.
//!
//! A hash table of buckets, one bucket a cache line of 64 bytes:
//!
//! ```text
//!  0  10  fingerprints: 8 bits of each entry's hash
//! 10  50  where each entry's record ends: 40 bits each
//! 60   1  number of entries, 0 to 10
//! 61   3  passed on: a set of 24 bits, see below
//! ```
//!
//! No key is kept: a fingerprint that matches makes a candidate, and the record tells. A wrong
//! candidate costs one look at a record and comes up in 3 of 100 buckets looked at.
//!
//! The hash is the finaliser of splitmix64 (Steele, Lea and Flood 2014, with Stafford's mix 13): a
//! bijection in which each bit of the key moves half of the bits, so that keys in a row, as birth
//! dates make them, spread like random ones. Its high bits choose the bucket, by multiplication
//! (Lemire 2019), its low byte is the fingerprint, the byte above chooses the bit of *passed on*.
//!
//! A key whose bucket is full goes to the next one (after the last comes the first), and sets its
//! bit of *passed on* in each full bucket on the way. A search goes on only while its own bit is
//! set, so most searches that find nothing stop at the first bucket, full or not.
//!
//! At 8.125 entries a bucket on average a person costs 7.88 bytes. Measured over a million keys: 1.13
//! buckets a hit and 1.09 a miss. A plain mark "something passed on" would make that 1.86 a miss.

use std::ops::Range;

/// Bytes of a bucket.
pub const BUCKET_BYTES: usize = 64;

/// The last end that 40 bits can hold.
pub const MAX_END: u64 = (1 << 40) - 1;

/// Entries a bucket has room for.
pub const SLOTS: usize = 10;
const ENDS_AT: usize = SLOTS;
const END_BYTES: usize = 5;
const COUNT_AT: usize = 60;
const MARKS: u32 = 24;

/// The mean number of entries in a bucket, as a fraction.
const FILL: (u64, u64) = (65, 8);

const _: () = assert!(ENDS_AT + SLOTS * END_BYTES == COUNT_AT);
const _: () = assert!(COUNT_AT + 1 + MARKS as usize / 8 == BUCKET_BYTES);
/// The table is never full: a search for a free slot ends.
const _: () = assert!(FILL.0 < FILL.1 * SLOTS as u64);

type Bucket = [u8; BUCKET_BYTES];

/// Buckets for so many entries.
fn buckets_for(entries: u64) -> Option<u64> {
    Some(entries.checked_mul(FILL.1)?.div_ceil(FILL.0))
}

/// Whether an index of so many bytes is whole buckets with room for the entries. How full buckets
/// are is the builder's choice, not the format's.
pub const fn may_hold(bytes: u64, entries: u64) -> bool {
    bytes.is_multiple_of(BUCKET_BYTES as u64)
        && entries <= bytes / BUCKET_BYTES as u64 * SLOTS as u64
}

/// Where a key belongs.
#[derive(Clone, Copy)]
struct Spot {
    bucket: usize,
    fingerprint: u8,
    mark: u32,
}

impl Spot {
    fn of(key: u64, buckets: usize) -> Option<Self> {
        let hash = mix(key);
        let [fingerprint, mark, ..] = hash.to_le_bytes();
        let scaled = u128::from(hash) * u128::try_from(buckets).ok()?;
        Some(Self {
            bucket: usize::try_from(scaled >> 64).ok()?,
            fingerprint,
            mark: 1 << ((u32::from(mark) * MARKS) >> 8),
        })
    }
}

/// The finaliser of splitmix64.
const fn mix(key: u64) -> u64 {
    let key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ key >> 31
}

/// The index, read.
#[derive(Clone, Copy)]
pub struct IdentityIndex<'a> {
    buckets: &'a [Bucket],
}

impl<'a> IdentityIndex<'a> {
    /// Over a section's bytes, which may be any bytes: damage can hide entries and make up
    /// candidates, no more.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            buckets: bytes.as_chunks().0,
        }
    }

    /// The end of the record with this key. `is` looks at the record that ends there and says
    /// whether it has the key; the end is not checked to be inside the records.
    #[inline]
    pub fn find(&self, key: u64, mut is: impl FnMut(u64) -> bool) -> Option<u64> {
        let spot = Spot::of(key, self.buckets.len())?;
        self.path(spot)
            .find_map(|bucket| candidates(bucket, spot.fingerprint).find(|&end| is(end)))
    }

    /// The same where each bucket is checked before it is read: `check` gets its place in the section.
    pub fn try_find<E>(
        &self,
        key: u64,
        mut check: impl FnMut(Range<u64>) -> Result<(), E>,
        mut is: impl FnMut(u64) -> bool,
    ) -> Result<Option<u64>, E> {
        let Some(spot) = Spot::of(key, self.buckets.len()) else {
            return Ok(None);
        };
        let buckets = self.buckets.iter().enumerate();
        let around = buckets.cycle().skip(spot.bucket).take(self.buckets.len());
        for (number, bucket) in around {
            let at = (number * BUCKET_BYTES) as u64;
            check(at..at + BUCKET_BYTES as u64)?;
            for end in candidates(bucket, spot.fingerprint) {
                if is(end) {
                    return Ok(Some(end));
                }
            }
            if passed_on(bucket) & spot.mark == 0 {
                break;
            }
        }
        Ok(None)
    }

    /// Where the record with this key most likely ends, without a look at it.
    #[inline]
    pub fn guess(&self, key: u64) -> Option<u64> {
        let spot = Spot::of(key, self.buckets.len())?;
        candidates(self.buckets.get(spot.bucket)?, spot.fingerprint).next()
    }

    /// The buckets a search looks at: at most all of them.
    #[inline]
    fn path(&self, spot: Spot) -> impl Iterator<Item = &'a Bucket> + use<'a> {
        let (before, from) = self
            .buckets
            .split_at_checked(spot.bucket)
            .unwrap_or_default();
        let mut goes_on = true;
        from.iter().chain(before).take_while(move |bucket| {
            let looks = goes_on;
            // Not even a glance at the bucket after the last: it is another cache line.
            goes_on = looks && passed_on(bucket) & spot.mark != 0;
            looks
        })
    }

    /// Number of buckets.
    pub const fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// For each bucket, the ends in it; `None` for a bucket that claims more than fit.
    pub fn ends(&self) -> impl Iterator<Item = Option<impl Iterator<Item = u64> + use<'a>>> + 'a {
        self.buckets.iter().map(|bucket| {
            let count = usize::from(bucket[COUNT_AT]);
            (count <= SLOTS).then(|| (0..count).map(|slot| end_in(bucket, slot)))
        })
    }
}

/// The ends of a bucket whose fingerprint matches. The loop runs over more bytes than there are
/// slots, and a fixed number of them, because that is what the compiler turns into vector
/// comparisons; what lies beyond the used slots is masked away.
#[inline]
fn candidates(bucket: &Bucket, fingerprint: u8) -> impl Iterator<Item = u64> + '_ {
    let mut matching = 0_u16;
    for (slot, &found) in bucket.iter().take(16).enumerate() {
        matching |= u16::from(found == fingerprint) << slot;
    }
    let used = bucket[COUNT_AT].min(10);
    matching &= (1 << used) - 1;
    std::iter::from_fn(move || {
        let slot = matching.trailing_zeros();
        matching &= matching.checked_sub(1)?;
        Some(end_in(bucket, usize::try_from(slot).ok()?))
    })
}

fn end_in(bucket: &Bucket, slot: usize) -> u64 {
    // Eight bytes hold the five of every slot: the last one's reach to byte 63.
    let at = ENDS_AT + slot * END_BYTES;
    bucket
        .get(at..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |bytes| u64::from_le_bytes(*bytes) & MAX_END)
}

const fn passed_on(bucket: &Bucket) -> u32 {
    u32::from_le_bytes([bucket[61], bucket[62], bucket[63], 0])
}

/// Why there is no index.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BuildError {
    /// A record ends beyond [`MAX_END`].
    #[error("entry {ordinal}: its record ends beyond 1 TiB")]
    EndTooFar {
        /// The entry's position, from 0.
        ordinal: u64,
    },
    /// There are more entries than were announced, or than memory can hold.
    #[error("more entries than the {announced} announced")]
    TooMany {
        /// The number announced.
        announced: u64,
    },
    /// There are fewer entries than were announced.
    #[error("{found} entries of the {announced} announced")]
    TooFew {
        /// The number announced.
        announced: u64,
        /// The number that came.
        found: u64,
    },
}

/// The index of `count` entries, each a key of its own and the end of its record. The same entries
/// in the same order give the same bytes.
pub fn build(
    count: u64,
    entries: impl IntoIterator<Item = (u64, u64)>,
) -> Result<Vec<u8>, BuildError> {
    let too_many = BuildError::TooMany { announced: count };
    let buckets = buckets_for(count)
        .and_then(|buckets| usize::try_from(buckets).ok())
        .ok_or(too_many)?;
    let bytes = buckets.checked_mul(BUCKET_BYTES).ok_or(too_many)?;
    let mut table = Vec::new();
    table.try_reserve_exact(bytes).map_err(|_| too_many)?;
    table.resize(bytes, 0);
    let mut found = 0_u64;
    for (key, end) in entries {
        if found == count {
            return Err(too_many);
        }
        if end > MAX_END {
            return Err(BuildError::EndTooFar { ordinal: found });
        }
        insert(table.as_chunks_mut().0, key, end).ok_or(too_many)?;
        found += 1;
    }
    if found < count {
        return Err(BuildError::TooFew {
            announced: count,
            found,
        });
    }
    Ok(table)
}

/// Puts an entry into the first bucket with room. `None` when there is none.
fn insert(buckets: &mut [Bucket], key: u64, end: u64) -> Option<()> {
    let home = Spot::of(key, buckets.len())?;
    let (before, from) = buckets.split_at_mut_checked(home.bucket)?;
    for bucket in from.iter_mut().chain(before) {
        let slot = usize::from(bucket[COUNT_AT]);
        if slot < SLOTS {
            let at = ENDS_AT + slot * END_BYTES;
            bucket[slot] = home.fingerprint;
            bucket
                .get_mut(at..at + END_BYTES)?
                .copy_from_slice(end.to_le_bytes().get(..END_BYTES)?);
            bucket[COUNT_AT] += 1;
            return Some(());
        }
        let marks = passed_on(bucket) | home.mark;
        bucket
            .get_mut(COUNT_AT + 1..)?
            .copy_from_slice(marks.to_le_bytes().get(..3)?);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Splitmix64, seeded.
    fn random(seed: u64) -> impl Iterator<Item = u64> {
        (1..).map(move |i: u64| mix(seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
    }

    fn entries(keys: impl Iterator<Item = u64>) -> HashMap<u64, u64> {
        keys.zip((1..).map(|i| i * 37)).collect()
    }

    fn built(entries: &HashMap<u64, u64>) -> Vec<u8> {
        let count = u64::try_from(entries.len()).unwrap();
        build(count, entries.iter().map(|(&key, &end)| (key, end))).unwrap()
    }

    /// The mean number of buckets looked at, and of wrong candidates, per search.
    fn cost(index: IdentityIndex, searches: &[(u64, Option<u64>)]) -> (f64, f64) {
        let (mut buckets, mut wrong) = (0_u32, 0_u32);
        for &(key, end) in searches {
            let spot = Spot::of(key, index.buckets()).unwrap();
            for bucket in index.path(spot) {
                buckets += 1;
                let mut found = false;
                for candidate in candidates(bucket, spot.fingerprint) {
                    found = Some(candidate) == end;
                    if found {
                        break;
                    }
                    wrong += 1;
                }
                if found {
                    break;
                }
            }
        }
        let searches = f64::from(u32::try_from(searches.len()).unwrap());
        (f64::from(buckets) / searches, f64::from(wrong) / searches)
    }

    /// Checks hits and misses, and gives bytes per entry, buckets per hit and buckets per miss.
    fn measure(entries: &HashMap<u64, u64>, misses: impl Iterator<Item = u64>) -> [f64; 3] {
        let bytes = built(entries);
        let index = IdentityIndex::new(&bytes);
        for (&key, &end) in entries {
            assert_eq!(index.find(key, |found| found == end), Some(end));
        }
        let hits: Vec<_> = entries
            .iter()
            .map(|(&key, &end)| (key, Some(end)))
            .collect();
        let misses: Vec<_> = misses
            .filter(|key| !entries.contains_key(key))
            .take(hits.len())
            .map(|key| (key, None))
            .collect();
        let (hit, hit_wrong) = cost(index, &hits);
        let (miss, miss_wrong) = cost(index, &misses);
        let size = f64::from(u32::try_from(bytes.len()).unwrap())
            / f64::from(u32::try_from(entries.len()).unwrap());
        println!(
            "{} entries: {size:.3} bytes each; hit {hit:.3} buckets, {hit_wrong:.3} wrong \
             candidates; miss {miss:.3} buckets, {miss_wrong:.3} wrong candidates",
            entries.len()
        );
        [size, hit, miss]
    }

    #[test]
    fn the_mixer_is_the_published_one() {
        // First outputs of splitmix64 seeded with 1234567.
        assert_eq!(
            random(1_234_567).take(3).collect::<Vec<_>>(),
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn random_keys_cost_eight_bytes_and_about_one_bucket() {
        let all = entries(random(1).take(100_000));
        let [size, hit, miss] = measure(&all, random(2));
        assert!(size <= 8.0, "{size}");
        assert!(hit <= 1.2, "{hit}");
        assert!(miss <= 1.2, "{miss}");
    }

    #[test]
    fn keys_in_a_row_cost_no_more_than_random_ones() {
        for step in [1, 10, 1 << 20, 1 << 40] {
            let all = entries((0..100_000).map(|i| i * step));
            let [size, hit, miss] = measure(&all, (100_000..).map(|i: u64| i.wrapping_mul(step)));
            assert!(size <= 8.0, "step {step}: {size}");
            assert!(hit <= 1.2, "step {step}: {hit}");
            assert!(miss <= 1.2, "step {step}: {miss}");
        }
    }

    #[test]
    fn keys_of_one_bucket_fill_the_table_around_its_end_and_are_all_found() {
        let count = 200;
        let buckets = usize::try_from(buckets_for(count).unwrap()).unwrap();
        let last = random(3).filter(|&key| Spot::of(key, buckets).unwrap().bucket == buckets - 1);
        let all = entries(last.take(usize::try_from(count).unwrap()));
        let [_, hit, _] = measure(&all, random(4));
        assert!(hit > 5.0, "these keys were meant to collide");
    }

    #[test]
    fn ends_go_up_to_one_tebibyte_and_no_further() {
        let bytes = build(2, [(1, MAX_END), (2, 1)]).unwrap();
        let index = IdentityIndex::new(&bytes);
        assert_eq!(index.find(1, |end| end == MAX_END), Some(MAX_END));
        assert_eq!(index.find(2, |end| end == 1), Some(1));
        assert_eq!(
            build(2, [(1, 1), (2, MAX_END + 1)]),
            Err(BuildError::EndTooFar { ordinal: 1 })
        );
    }

    #[test]
    fn the_announced_number_is_held() {
        assert_eq!(build(0, []), Ok(Vec::new()));
        assert_eq!(IdentityIndex::new(&[]).find(7, |_| true), None);
        let two = [(1, 1), (2, 2)];
        assert_eq!(build(1, two), Err(BuildError::TooMany { announced: 1 }));
        assert_eq!(
            build(3, two),
            Err(BuildError::TooFew {
                announced: 3,
                found: 2
            })
        );
        assert!(build(u64::MAX, two).is_err());
        assert!(build(u64::MAX / 1000, two).is_err());
    }

    proptest! {
        #[test]
        fn finds_what_a_hash_map_finds(
            all in prop::collection::hash_map(0_u64..4000, 1..=MAX_END, 0..1500),
            others in prop::collection::vec(0_u64..4000, 100),
        ) {
            // Two keys may share an end here; in a snapshot none do.
            let bytes = built(&all);
            let index = IdentityIndex::new(&bytes);
            for key in all.keys().chain(&others) {
                let expected = all.get(key).copied();
                prop_assert_eq!(index.find(*key, |end| Some(end) == expected), expected);
            }
        }

        #[test]
        fn any_bytes_are_searched_without_panic(bytes: Vec<u8>, key: u64) {
            let index = IdentityIndex::new(&bytes);
            prop_assert_eq!(index.find(key, |_| false), None);
            for bucket in index.ends().flatten() {
                prop_assert!(bucket.count() <= SLOTS);
            }
        }
    }
}

//! The filter before the overlay: most persons have not changed since the snapshot, and one look
//! at a small table says so. A bit that is set may be another person's; one that is not, is nobody's.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

/// Bits in use: one mebibyte, which stays in a core's cache.
#[cfg(not(loom))]
const BITS: u32 = 23;
#[cfg(loom)]
const BITS: u32 = 7;

/// A set of keys that only grows, shared by every state that was made since it was empty. Readers of
/// an older state may see bits of a newer one, which costs them a look for nothing.
///
/// A bit is set before the state that needs it is published. Publishing releases and pinning
/// acquires, so whoever sees the state sees its bits (`tests/loom` tries every order).
pub struct Filter(Box<[AtomicU64]>);

impl Default for Filter {
    fn default() -> Self {
        Self((0..1 << (BITS - 6)).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Filter {
    /// Adds a key.
    pub fn add(&self, key: u64) {
        let (word, bit) = place(key);
        self.0[word].fetch_or(bit, Ordering::Relaxed);
    }

    /// Whether a key may have been added.
    #[inline]
    pub fn may_hold(&self, key: u64) -> bool {
        let (word, bit) = place(key);
        self.0[word].load(Ordering::Relaxed) & bit != 0
    }
}

/// Fibonacci hashing: identities differ in the middle of the key, the high bits of the product mix
/// all of them.
#[inline]
const fn place(key: u64) -> (usize, u64) {
    let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

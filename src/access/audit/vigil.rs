//! A look at the files of an audit while it is written: on some systems an open file can be removed or
//! replaced, and whoever writes in it notices nothing.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::medium::Writable;
use super::{Shared, folder};

/// What was seen of the files.
#[derive(Default)]
pub struct Vigil {
    /// The newest file of each chain.
    seen: Mutex<BTreeMap<u32, u64>>,
    robbed: AtomicBool,
    /// Anchors must first be in a second place.
    held: AtomicBool,
}

impl Vigil {
    /// Whether files were gone, or others, at the last look.
    pub fn is_robbed(&self) -> bool {
        self.robbed.load(Ordering::Acquire)
    }

    /// Whether writing waits for anchors to be in a second place.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    pub(super) fn hold(&self, is_held: bool) {
        self.held.store(is_held, Ordering::Release);
    }
}

impl Shared {
    /// Looks at the files. Whether they are where they were written; what cannot be looked at is not.
    pub(super) fn look(&self) -> bool {
        let looked = self.are_there();
        let is_robbed = !matches!(looked, Ok(true));
        let was_robbed = self.vigil.robbed.swap(is_robbed, Ordering::AcqRel);
        if is_robbed && !was_robbed {
            let error = looked.err().map(tracing::field::display);
            tracing::error!(
                error,
                "files of the audit were removed or replaced: nothing is disclosed"
            );
        } else if was_robbed && !is_robbed {
            tracing::warn!("the files of the audit are back");
        }
        !is_robbed
    }

    fn are_there(&self) -> io::Result<bool> {
        let root = &self.folder;
        if !self.lock.is_at(&root.join(self.writer.lock()), 0)? {
            return Ok(false);
        }
        for chain in self.all() {
            if !chain.is_there(root)? {
                return Ok(false);
            }
        }
        // Chains that nobody writes now; first files may be archived, last ones not.
        let there = folder::chains(root)?;
        let mut seen = self.vigil.seen.lock();
        for (&chain, &newest) in &*seen {
            let files = there.get(&chain);
            let is_there =
                files.is_some_and(|it| it.has_head && it.numbers.last() >= Some(&newest));
            if !is_there {
                return Ok(false);
            }
        }
        for (chain, files) in there {
            if let Some(&newest) = files.numbers.last().filter(|_| files.has_head) {
                seen.insert(chain, newest);
            }
        }
        Ok(true)
    }
}

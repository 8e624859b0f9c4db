//! What every engine does: answer.

use crate::Failure;
use crate::question::{Ask, Kind};

/// Hits that a count comes with.
pub const FIRST: usize = 50;

/// What an engine found.
#[derive(Default)]
pub struct Answer {
    /// How many.
    pub count: u64,
    /// The first fifty of a count; everybody of a search for all.
    pub hits: Vec<u64>,
    /// Whether `count` counts index entries instead of persons.
    pub listings: bool,
    /// Bytes of whole records.
    pub bytes: usize,
}

impl Answer {
    /// Counts one more hit and keeps it while there is room.
    pub fn hit(&mut self, identity: u64, most: usize) {
        self.count += 1;
        if self.hits.len() < most {
            self.hits.push(identity);
        }
    }
}

/// A side of the comparison.
pub trait Engine {
    fn name(&self) -> &'static str;

    /// Whether it takes part in a kind of question.
    fn takes(&self, kind: Kind) -> bool;

    /// Whether a question without a known answer means to it what it means to all that say so: then
    /// their counts must agree.
    fn is_literal(&self, _: Kind) -> bool {
        false
    }

    fn answer(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure>;

    /// Bytes on disk of each of its parts.
    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure>;
}

/// How many identities an answer of a kind holds.
pub const fn wanted(kind: Kind) -> usize {
    match kind {
        Kind::CountAndFirst | Kind::FreeText => FIRST,
        _ => usize::MAX,
    }
}

/// The first text after all that begin with `prefix`, in the order of bytes.
pub fn after(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

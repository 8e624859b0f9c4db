//! Whom an answer tells of: for the audit and the metrics.

use crate::person::identity::Identity;
use crate::person::view::View;

/// The persons of one request and its answer. Not `Debug`: it is personal data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Disclosed {
    /// Who was asked for, or was to be changed.
    pub asked: Vec<Identity>,
    /// Whose records the answer holds.
    pub shown: Vec<Identity>,
    /// Those of them who are protected.
    pub protected: Vec<Identity>,
    /// Whether the answer says that a change is refused.
    pub is_refusal: bool,
}

impl Disclosed {
    /// Notes that the answer holds what a view shows.
    #[inline]
    pub fn show(&mut self, view: &View<'_>) {
        self.shown.push(view.identity());
        if view.shield().is_on() {
            self.protected.push(view.identity());
        }
    }

    /// Forgets everybody, and keeps the room.
    pub fn clear(&mut self) {
        self.asked.clear();
        self.shown.clear();
        self.protected.clear();
        self.is_refusal = false;
    }
}

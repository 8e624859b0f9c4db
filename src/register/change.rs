//! A change: what a wish makes of the register, whole. It is applied as one, or not at all.

use crate::person::edit::Person;
use crate::person::identity::Identity;

/// What is different from now on.
pub struct Change {
    /// Everybody touched, as they are from now on: versions moved, chains settled. In the order of
    /// their identities.
    pub persons: Vec<Person>,
    /// Pairs of a missing identity and who points at it: the register must remember them. Whoever
    /// is among `persons` is missing no more.
    pub waits: Vec<(Identity, Identity)>,
    /// The person the wish was about, for the answer.
    pub subject: Identity,
    /// The identities that this change issues, in their order.
    pub issued: Vec<Identity>,
}

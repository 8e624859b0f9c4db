//! A change: what a wish makes of the register, whole. It is applied as one, or not at all.

use crate::person::edit::Person;
use crate::person::identity::Identity;

use super::refusal::Refusal;

/// What is different from now on.
pub struct Change {
    /// Everybody touched, as they are from now on: versions moved, chains settled. In the order of
    /// their identities.
    pub persons: Vec<Person>,
    /// Their records, in the same order.
    pub records: Vec<Vec<u8>>,
    /// Pairs of a missing identity and who points at it: the register must remember them. Whoever
    /// is among `persons` is missing no more.
    pub waits: Vec<(Identity, Identity)>,
    /// The person the wish was about, for the answer.
    pub subject: Identity,
    /// The identities that this change issues, in their order.
    pub issued: Vec<Identity>,
    /// How far the series of numbers come that these are of: the series, and the place of the first
    /// number that was never issued.
    pub series: Vec<(u64, u64)>,
    /// How many identities the longest chain has that is another one from now on; 0 when none is.
    pub longest_chain: usize,
}

impl Change {
    /// The change of these persons, when all of them make valid records. Nothing is issued by it.
    pub(super) fn of(
        persons: Vec<Person>,
        waits: Vec<(Identity, Identity)>,
        subject: Identity,
    ) -> Result<Self, Refusal> {
        let records = persons.iter().map(Person::to_record);
        Ok(Self {
            records: records.collect::<Result<_, _>>().map_err(Refusal::Record)?,
            persons,
            waits,
            subject,
            issued: Vec::new(),
            series: Vec::new(),
            longest_chain: 0,
        })
    }
}

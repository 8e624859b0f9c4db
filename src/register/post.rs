//! A post: what one notification from Skatteverket wishes of one person, whatever file format
//! carried it.

use crate::base::time::PartialDate;
use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::value::Value;

pub use crate::store::ledger::FilePlace;

/// One post (Folkbokforingspost), in the register's terms.
#[derive(Clone)]
pub struct Post {
    /// Whom it is about: a PNR or SNR.
    pub subject: Identity,
    /// Skatteverket's running number of the change, `YYYY.NNN.NNN.NNN`; orders posts of one person.
    /// Posts in the text format may lack it.
    pub post_id: Option<String>,
    /// Whether the post holds the whole record (totalpost), not only what changed.
    pub total: bool,
    /// Whether a file of the same day that was made later has been applied.
    pub overtaken: bool,
    /// What it says, in the file's order.
    pub edits: Vec<Edit>,
}

/// Where a record keeps the day of the post it stands on.
pub(super) const NOTIFIED: Field =
    Field::at("populationRegistrationRecord/notificationCase/notificationDate");

impl Post {
    /// The day it was picked out: its own, or its file's.
    pub(super) fn day(&self) -> Option<PartialDate> {
        self.edits.iter().find_map(|edit| match edit {
            Edit::Set(field, value) if *field == NOTIFIED => value.as_date(),
            _ => None,
        })
    }
}

/// One thing a post says.
#[derive(Clone)]
pub enum Edit {
    /// A field has this value. The field is a value on a way without repetition.
    Set(Field, Value),
    /// A field, or a group with all below it, is blanked.
    Clear(Field),
    /// An entry of a repeating group: `relationship`, `citizenship`, `referredPersonalIdentities`,
    /// `immigration/immigrationIdentity` or
    /// `populationRegistrationRecord/historicalRecords/populationRegistrationLocality`.
    /// Its status, where it has one, says whether it begins, changes or ends.
    Entry(Group),
}

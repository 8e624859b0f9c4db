//! Why a wish is not granted: logical errors, in the rules' own terms. What a caller is told of them
//! is the wire's matter. Nothing here holds a value of anybody.

use crate::base::limits;
use crate::person::field::Field;
use crate::person::identity::IdentityError;
use crate::person::record::{Damaged, EncodeError};
use crate::person::value::ValueError;

use super::settle::GatherError;

/// Why the register stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is named as the one who makes the change.
    #[error("the actor has no identity")]
    NoActor,
    /// A change of personal data without the organisation that answers for it.
    #[error("the actor has no organisation")]
    NoOrganization,
    /// A time of the actor's own in a contract that allows none.
    #[error("the actor tells a time of its own")]
    TimeTold,
    /// An identity of a message that cannot be one; the element's name.
    #[error("{0}: {1}")]
    Identity(&'static str, IdentityError),
    /// A name of a message with characters that nobody sees; the element's name.
    #[error("{0} holds a control or direction character")]
    Unseen(&'static str),
    /// An identity that is not in the register; the element's name.
    #[error("{0} is not in the register")]
    Unknown(&'static str),
    /// A value that breaks a rule.
    #[error("{0:?}: {1}")]
    Value(Field, Wrong),
    /// Another version than the one the wish was made from.
    #[error("the version is not the current one")]
    StaleVersion,
    /// No version, although there is something to overwrite.
    #[error("the version to update is missing")]
    MissingVersion,
    /// A version of somebody who is not in the register yet.
    #[error("a version of a person who is new")]
    VersionOfNobody,
    /// A personal or coordination number where only reserve identities belong.
    #[error("not a reserve identity")]
    NotReserve,
    /// A national reserve identity that was never issued.
    #[error("a national reserve identity that this register has not issued")]
    NotIssued,
    /// A new local reserve identity whose check character is wrong.
    #[error("the check character is wrong")]
    CheckCharacter,
    /// Every number for this date and gender is used.
    #[error("the series of national reserve identities is used up")]
    SeriesUsedUp,
    /// Reserve identities by the wrong number.
    #[error("not between 1 and {max} identities", max = limits::RESERVE_IDENTITIES_PER_REQUEST)]
    Count,
    /// Contact data of a protected person.
    #[error("the person is protected")]
    Protected,
    /// A link of a protected person's identities.
    #[error("an identity of a protected person")]
    ProtectedLink,
    /// No paper, and no other way either.
    #[error("paper is opted out of without a digital way")]
    NoDigitalWay,
    /// An identity and itself.
    #[error("both identities are the same")]
    SameIdentity,
    /// A link between numbers that Skatteverket gives out.
    #[error("only Skatteverket links these identities")]
    OnlySkatteverket,
    /// A link to an identity of a lower kind.
    #[error("a link from a higher to a lower kind of identity")]
    Downwards,
    /// A link between two local identities.
    #[error("two local identities are linked by a national one")]
    BetweenLocal,
    /// Two identities that are one person's already.
    #[error("the identities are linked already")]
    AlreadyLinked,
    /// Two identities without a link between them.
    #[error("the identities are not linked")]
    NotLinked,
    /// A link that would make a chain longer than care may make one.
    #[error("the chain would be longer than is allowed")]
    LongChain,
    /// More linked identities than can be one person's.
    #[error("too many linked identities")]
    EndlessChain,
    /// The record would not be valid.
    #[error("the record would not be valid: {0}")]
    Record(EncodeError),
    /// The register itself is damaged: no fault of the wish.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// What is wrong with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Not what its type allows.
    #[error(transparent)]
    Type(#[from] ValueError),
    /// Not an identity.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// It must be there.
    #[error("missing")]
    Missing,
    /// Not in the code list.
    #[error("not in the code list")]
    NotACode,
    /// Not two capitals.
    #[error("not a country code of two capitals")]
    NotACountryCode,
    /// Not the name of a country.
    #[error("not the name of a country")]
    NotACountry,
    /// Not a UUID.
    #[error("not a UUID")]
    NotAUuid,
    /// A day that has not come.
    #[error("in the future")]
    InTheFuture,
    /// A death before the birth.
    #[error("before the birth")]
    BeforeBirth,
    /// Not the number of an LMA card.
    #[error("not an LMA number")]
    NotAnLmaNumber,
    /// Not a telephone number in international form.
    #[error("not a number by E.164")]
    NotANumber,
    /// Not an e-mail address.
    #[error("not an e-mail address")]
    NotAnEmail,
    /// A period without beginning and end.
    #[error("a period without ends")]
    NoEnds,
    /// A period that ends before it begins.
    #[error("the period ends before it begins")]
    EndsBeforeStart,
}

impl From<GatherError<Damaged>> for Refusal {
    fn from(error: GatherError<Damaged>) -> Self {
        match error {
            GatherError::Unreadable(damaged) => Self::Damaged(damaged),
            GatherError::Endless => Self::EndlessChain,
        }
    }
}

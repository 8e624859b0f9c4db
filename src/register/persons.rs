//! What the rules read of a register: persons, and who waits for whom. A state is one; so is a state
//! under changes that are on their way.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use crate::person::edit::Person;
use crate::person::identity::Identity;
use crate::person::record::{Damaged, RecordRef};
use crate::person::view::Shield;
use crate::store::state::State;

use super::change::Change;
use super::refusal::Refusal;

/// A register, as rules read it.
pub trait Persons {
    /// Why reading fails.
    type Error;

    /// The person of an identity, as they are.
    fn person(&self, identity: Identity) -> Result<Option<Person>, Self::Error>;

    /// Whether an identity is in the register.
    fn has(&self, identity: Identity) -> Result<bool, Self::Error> {
        Ok(self.person(identity)?.is_some())
    }

    /// How a person is protected, by themselves and by linked identities: told without a look at
    /// anything else, so that a refusal takes no longer the more is hidden.
    fn shield(&self, identity: Identity) -> Result<Option<Shield>, Self::Error> {
        let person = self.person(identity)?;
        Ok(person.map(|person| person.shield()))
    }

    /// Who points at an identity and has been waiting for it to come.
    fn waiting(&self, identity: Identity) -> Vec<Identity>;

    /// The place of the first number of a series that was never issued, as far as is remembered.
    fn next_of(&self, _series: u64) -> u64 {
        0
    }
}

/// Lets only those who may see protected persons whole change one. Asked before anything else is read.
pub(super) fn may_change<P: Persons<Error = Damaged>>(
    persons: &P,
    identity: Identity,
    unrestricted: bool,
    otherwise: Refusal,
) -> Result<(), Refusal> {
    let shield = persons.shield(identity)?.unwrap_or_default();
    if shield.is_on() && !unrestricted {
        return Err(otherwise);
    }
    Ok(())
}

impl Persons for State {
    type Error = Damaged;

    fn person(&self, identity: Identity) -> Result<Option<Person>, Damaged> {
        self.record(identity)?.map(Person::from_record).transpose()
    }

    fn has(&self, identity: Identity) -> Result<bool, Damaged> {
        Ok(self.record(identity)?.is_some())
    }

    fn shield(&self, identity: Identity) -> Result<Option<Shield>, Damaged> {
        Ok(self.record(identity)?.map(RecordRef::shield))
    }

    fn waiting(&self, identity: Identity) -> Vec<Identity> {
        let waiting = self.ledger().waiting_for(identity.key());
        waiting.map(Identity::from_key).collect()
    }

    fn next_of(&self, series: u64) -> u64 {
        self.ledger().next_of(series)
    }
}

/// A register in which nobody is.
pub struct Nobody;

impl Persons for Nobody {
    type Error = Infallible;

    fn person(&self, _: Identity) -> Result<Option<Person>, Infallible> {
        Ok(None)
    }

    fn waiting(&self, _: Identity) -> Vec<Identity> {
        Vec::new()
    }
}

/// A register with some persons changed on top of it.
pub struct Changed<'p, P> {
    below: &'p P,
    persons: BTreeMap<Identity, Person>,
    /// Pairs of an identity that was not there, and who points at it.
    waits: BTreeSet<(Identity, Identity)>,
}

impl<'p, P: Persons> Changed<'p, P> {
    /// The register `below`, where `changed` are as they are here.
    pub fn over(below: &'p P, changed: impl IntoIterator<Item = Person>) -> Self {
        let persons = changed.into_iter().map(|it| (it.identity(), it)).collect();
        Self {
            below,
            persons,
            waits: BTreeSet::new(),
        }
    }

    /// One more changed person, in place of an earlier change.
    pub fn put(&mut self, person: Person) {
        self.persons.insert(person.identity(), person);
    }

    /// Takes in a change. Its persons go over; what the log takes of it stays.
    pub fn take(&mut self, change: &mut Change) {
        self.waits.extend(&change.waits);
        change.persons.drain(..).for_each(|it| self.put(it));
    }

    /// Whose change it holds, in their order.
    pub fn identities(&self) -> Vec<Identity> {
        self.persons.keys().copied().collect()
    }

    /// Everybody changed, in the order of their identities.
    pub fn into_persons(self) -> Vec<Person> {
        self.persons.into_values().collect()
    }
}

impl<P: Persons> Persons for Changed<'_, P> {
    type Error = P::Error;

    fn person(&self, identity: Identity) -> Result<Option<Person>, P::Error> {
        match self.persons.get(&identity) {
            Some(person) => Ok(Some(person.clone())),
            None => self.below.person(identity),
        }
    }

    fn has(&self, identity: Identity) -> Result<bool, P::Error> {
        Ok(self.persons.contains_key(&identity) || self.below.has(identity)?)
    }

    fn shield(&self, identity: Identity) -> Result<Option<Shield>, P::Error> {
        match self.persons.get(&identity) {
            Some(person) => Ok(Some(person.shield())),
            None => self.below.shield(identity),
        }
    }

    fn waiting(&self, identity: Identity) -> Vec<Identity> {
        let mut waiting = self.below.waiting(identity);
        let here = self
            .waits
            .iter()
            .filter(|(missing, _)| *missing == identity);
        waiting.extend(here.map(|(_, waits)| *waits));
        waiting
    }

    fn next_of(&self, series: u64) -> u64 {
        self.below.next_of(series)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A register in memory, for the tests of rules.
    #[derive(Default)]
    pub(crate) struct Few {
        pub(crate) persons: BTreeMap<Identity, Person>,
        pub(crate) waits: Vec<(Identity, Identity)>,
    }

    impl Few {
        pub(crate) fn of(persons: impl IntoIterator<Item = Person>) -> Self {
            let persons = persons.into_iter().map(|it| (it.identity(), it)).collect();
            Self {
                persons,
                waits: Vec::new(),
            }
        }

        /// The register after a change.
        pub(crate) fn take(&mut self, change: &Change) {
            for person in &change.persons {
                assert!(person.to_record().is_ok());
                self.persons.insert(person.identity(), person.clone());
            }
            self.waits.extend(&change.waits);
        }

        pub(crate) fn get(&self, identity: Identity) -> &Person {
            &self.persons[&identity]
        }
    }

    impl Persons for Few {
        type Error = Damaged;

        fn person(&self, identity: Identity) -> Result<Option<Person>, Damaged> {
            Ok(self.persons.get(&identity).cloned())
        }

        fn waiting(&self, identity: Identity) -> Vec<Identity> {
            let waits = self
                .waits
                .iter()
                .filter(|(missing, _)| *missing == identity);
            waits.map(|(_, waits)| *waits).collect()
        }
    }

    #[test]
    fn a_change_on_its_way_hides_what_is_below() {
        use crate::person::edit::tests::identity;
        use crate::person::field::Field;
        use crate::person::identity::Formats;
        use crate::person::value::Value;

        let surname = Field::at("name/surname");
        let person = Person::new(identity("22790814AA01"), &Formats::standard());
        let few = Few::of([person.clone()]);
        let mut renamed = person.clone();
        renamed.set(surname, Value::from("Ny"));
        let mut changed = Changed::over(&few, [renamed]);
        let here = person.identity();
        assert_eq!(
            changed.person(here).unwrap().unwrap().text(surname),
            Some("Ny")
        );
        let other = identity("22950606FH20");
        assert!(!changed.has(other).unwrap());
        changed.put(Person::new(other, &Formats::standard()));
        assert!(changed.has(other).unwrap());
        assert_eq!(changed.into_persons().len(), 2);
    }
}

//! Households with a protected member: somebody without protection who is registered where a protected
//! relative is leads to that relative by the relation. Such pairs are counted for the operator; where
//! `protection.household` says so, the one without protection is marked, and restricted contracts show
//! no address of theirs.
//!
//! A pair is a relation that either of the two records tells, and one registered home: street and
//! postal code of the registered address, or where there is none the property.

use std::collections::{BTreeSet, HashMap};

use crate::base::swedish::fold;
use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::Identity;
use crate::person::record::{Damaged, RecordRef};
use crate::person::value::{Value, ValueRef};
use crate::person::view::{Grant, Profile, Shield, restrict};
use crate::store::state::State;

use super::merge::touch;
use super::persons::Persons;

const RELATIVE: Field = Field::at("relationship/relationshipId/personalIdentity");
const RELATIONSHIP: Field = Field::at("relationship");

/// What the register's households are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Households {
    /// Pairs of somebody without protection and a protected relative in one home.
    pub pairs: u64,
    /// Those whose mark is not what it should be.
    pub unlike: BTreeSet<Identity>,
}

/// Where somebody is registered: equal when two homes are one.
#[derive(PartialEq, Eq)]
enum Home {
    Address { street: String, code: String },
    Property { place: [String; 3] },
}

fn home(person: &Person) -> Option<Home> {
    const STREET: Field = Field::at("addressInformation/residentialAddress/postalAddress2");
    const CODE: Field = Field::at("addressInformation/residentialAddress/postalCode");
    const PROPERTY: [Field; 3] = [
        Field::at("populationRegistrationLocality/countyCode"),
        Field::at("populationRegistrationLocality/municipalityCode"),
        Field::at("populationRegistrationLocality/propertyDesignation"),
    ];
    let text = |field| {
        let text = person.text(field).map(|it| fold(it).into_owned());
        text.filter(|it| !it.is_empty())
    };
    if let (Some(street), Some(code)) = (text(STREET), text(CODE)) {
        return Some(Home::Address { street, code });
    }
    let [county, municipality, property] = PROPERTY.map(text);
    let place = [county?, municipality?, property?];
    Some(Home::Property { place })
}

fn relatives(person: &Person) -> impl Iterator<Item = Identity> {
    let entries = person.entries(RELATIONSHIP);
    entries.filter_map(|it| it.value(RELATIVE).and_then(Value::as_identity))
}

fn is_protected(person: &Person) -> bool {
    person.own_shield().with(person.inherited).is_on()
}

/// Looks through the whole register. Reads every record once: a second for each million persons or so.
pub fn look(state: &State) -> Result<Households, Damaged> {
    let mut protected: HashMap<Identity, Person> = HashMap::new();
    for record in state.records() {
        let record = record?;
        if record.shield().is_on() {
            protected.insert(record.identity(), Person::from_record(record)?);
        }
    }
    let mut pairs: BTreeSet<(Identity, Identity)> = BTreeSet::new();
    for (identity, person) in &protected {
        pairs.extend(relatives(person).map(|relative| (relative, *identity)));
    }
    let mut marked = BTreeSet::new();
    for record in state.records() {
        let record = record?;
        if record.shares_protected_home() {
            marked.insert(record.identity());
        }
        if !record.shield().is_on() {
            each_relative(record, |relative| {
                if protected.contains_key(&relative) {
                    pairs.insert((record.identity(), relative));
                }
            })?;
        }
    }
    let mut households = Households::default();
    let mut sharing = BTreeSet::new();
    for (identity, relative) in pairs {
        let Some(person) = state.person(identity)?.filter(|it| !is_protected(it)) else {
            continue;
        };
        let theirs = protected.get(&relative).and_then(home);
        if theirs.is_some() && theirs == home(&person) {
            households.pairs += 1;
            sharing.insert(identity);
        }
    }
    households.unlike = sharing.symmetric_difference(&marked).copied().collect();
    Ok(households)
}

fn each_relative(record: RecordRef<'_>, mut told: impl FnMut(Identity)) -> Result<(), Damaged> {
    let relations = FieldMask::of(|field| field == RELATIVE);
    let view = restrict(record, &Grant::unrestricted(Profile::P5), Shield::NONE);
    view.each(&relations, |_, value| {
        if let Some(ValueRef::Identity(relative)) = value {
            told(relative);
        }
        Ok(())
    })
}

/// The identities whose marks may be others when a person has changed: that person and the relatives.
pub fn concerned(state: &State, changed: Identity) -> Result<Vec<Identity>, Damaged> {
    let person = state.person(changed)?;
    let relatives = person.iter().flat_map(relatives);
    Ok(relatives.chain([changed]).collect())
}

/// The person with the mark that it should have; `None` when it has it. `beside` are people whose
/// records may tell of the relation where the person's own does not.
pub fn marked<P: Persons<Error = Damaged>>(
    persons: &P,
    identity: Identity,
    beside: &[Identity],
    at: &Moment,
) -> Result<Option<Person>, Damaged> {
    let Some(mut person) = persons.person(identity)? else {
        return Ok(None);
    };
    let mut shares = false;
    if let (Some(own), false) = (home(&person), is_protected(&person)) {
        let told_by_them = beside.iter().copied();
        for relative in relatives(&person)
            .chain(told_by_them)
            .collect::<BTreeSet<_>>()
        {
            let Some(other) = persons.person(relative)?.filter(is_protected) else {
                continue;
            };
            let related = relatives(&person).any(|it| it == relative)
                || relatives(&other).any(|it| it == identity);
            shares |= related && home(&other).as_ref() == Some(&own);
        }
    }
    if person.shares_protected_home == shares {
        return Ok(None);
    }
    person.shares_protected_home = shares;
    touch(&mut person, at);
    Ok(Some(person))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::Group;
    use crate::person::edit::tests::identity;
    use crate::person::identity::Formats;
    use crate::register::persons::tests::Few;

    const CHILD: &str = "201001012382";
    const PARENT: &str = "197501079292";

    fn living(value: &str, street: &str) -> Person {
        let mut person = Person::new(identity(value), &Formats::standard());
        let address = "addressInformation/residentialAddress";
        person.set(
            Field::all()
                .find(|it| it.path() == format!("{address}/postalAddress2"))
                .unwrap(),
            Value::from(street),
        );
        person.set(
            Field::at("addressInformation/residentialAddress/postalCode"),
            Value::from("41301"),
        );
        person
    }

    fn relate(person: &mut Person, other: &str) {
        let mut entry = Group::new(RELATIONSHIP);
        entry.set(RELATIVE, Value::Identity(identity(other)));
        entry.set(Field::at("relationship/relationshipType"), Value::from("F"));
        person.push(entry);
    }

    fn shares(few: &Few, value: &str, beside: &[&str]) -> bool {
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let beside: Vec<Identity> = beside.iter().map(|it| identity(it)).collect();
        let marked = marked(few, identity(value), &beside, &at).unwrap();
        marked.map_or(few.get(identity(value)).shares_protected_home, |it| {
            it.shares_protected_home
        })
    }

    #[test]
    fn a_pair_is_a_relation_told_by_either_and_one_home() {
        let mut parent = living(PARENT, "STORGATAN 1");
        parent.set(Field::at("protectedPersonIndicator"), Value::Boolean(true));
        let mut child = living(CHILD, "Storgatan 1");
        let few = Few::of([parent.clone(), child.clone()]);
        assert!(!shares(&few, CHILD, &[PARENT]), "no relation");
        let mut telling = parent.clone();
        relate(&mut telling, CHILD);
        let few = Few::of([telling, child.clone()]);
        assert!(shares(&few, CHILD, &[PARENT]), "told by the parent");
        relate(&mut child, PARENT);
        let few = Few::of([parent.clone(), child.clone()]);
        assert!(shares(&few, CHILD, &[]), "told by the child");
        let mut moved = living(CHILD, "STORGATAN 2");
        relate(&mut moved, PARENT);
        moved.shares_protected_home = true;
        let few = Few::of([parent.clone(), moved]);
        assert!(!shares(&few, CHILD, &[]), "another home");
        let mut open = parent;
        open.set(Field::at("protectedPersonIndicator"), Value::Boolean(false));
        let few = Few::of([open, child]);
        assert!(!shares(&few, CHILD, &[]), "nobody is protected");
    }
}

//! Households with a protected member: somebody without protection who is registered where a protected
//! relative is leads to that relative by the relation. Such pairs are counted for the operator; where
//! `protection.household` says so, the one without protection is marked, and restricted contracts show
//! no address of theirs.
//!
//! A pair is a relation that either of the two records tells, by any number of the other, and one home:
//! the street and postal code of an address of Skatteverket's, or the property of the registration.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use parking_lot::Mutex;

use crate::base::swedish::fold;
use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::{Field, FieldMask};
use crate::person::identity::Identity;
use crate::person::record::{Damaged, EncodeError, RecordRef};
use crate::person::value::{Value, ValueRef};
use crate::person::view::{Grant, Profile, Shield, restrict};
use crate::store::state::{State, Unreadable};

use super::merge::touch;
use super::persons::{Changed, Persons};

const RELATIVE: Field = Field::at("relationship/relationshipId/personalIdentity");
const RELATIONSHIP: Field = Field::at("relationship");
const LINKED: Field = Field::at("linkedIdentity");
const LINKED_ID: Field = Field::at("linkedIdentity/referredPersonalIdentity");

/// What the register's households are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Households {
    /// Pairs of somebody without protection and a protected relative in one home.
    pub pairs: u64,
    /// Those whose mark is not what it should be.
    pub unlike: BTreeSet<Identity>,
    /// Everybody with a protected relative, and that relative, whichever of the two tells it.
    related: BTreeSet<(Identity, Identity)>,
}

/// Where somebody lives or gets their mail.
#[derive(Default)]
struct Home {
    /// Street with number, and postal code.
    addresses: BTreeSet<(String, String)>,
    /// County, municipality and property of the registration.
    property: Option<[String; 3]>,
}

impl Home {
    /// Whether two homes are one, as far as one address or the property tells.
    fn is_one_with(&self, other: &Self) -> bool {
        let same_property = self.property.is_some() && self.property == other.property;
        same_property || !self.addresses.is_disjoint(&other.addresses)
    }
}

fn home(person: &Person) -> Home {
    const ADDRESSES: [[Field; 3]; 2] = [
        [
            Field::at("addressInformation/residentialAddress/postalAddress1"),
            Field::at("addressInformation/residentialAddress/postalAddress2"),
            Field::at("addressInformation/residentialAddress/postalCode"),
        ],
        [
            Field::at("addressInformation/specialPostalAddress/postalAddress1"),
            Field::at("addressInformation/specialPostalAddress/postalAddress2"),
            Field::at("addressInformation/specialPostalAddress/postalCode"),
        ],
    ];
    const PROPERTY: [Field; 3] = [
        Field::at("populationRegistrationLocality/countyCode"),
        Field::at("populationRegistrationLocality/municipalityCode"),
        Field::at("populationRegistrationLocality/propertyDesignation"),
    ];
    let text = |field| {
        let text = person.text(field).map(|it| fold(it).into_owned());
        text.filter(|it| !it.is_empty())
    };
    let mut home = Home::default();
    for [first, second, code] in ADDRESSES {
        for line in [first, second] {
            let street = text(line).map(|line| without_apartment(&line).to_owned());
            home.addresses.extend(street.zip(text(code)));
        }
    }
    if let [Some(county), Some(municipality), Some(property)] = PROPERTY.map(text) {
        home.property = Some([county, municipality, property]);
    }
    home
}

/// A folded address line without the number of an apartment, which is told by some and not by others.
fn without_apartment(line: &str) -> &str {
    let (street, rest) = line.split_once(" lgh ").unwrap_or((line, ""));
    if rest.bytes().all(|byte| byte.is_ascii_digit()) {
        street.trim_end()
    } else {
        line
    }
}

/// Those whom Skatteverket names. What care writes of a reserve identity makes no household: whoever
/// writes there could try addresses out, and see which one is masked.
fn relatives(person: &Person) -> impl Iterator<Item = Identity> {
    let told = !person.identity().is_reserve();
    let entries = person.entries(RELATIONSHIP).filter(move |_| told);
    entries.filter_map(|it| it.value(RELATIVE).and_then(Value::as_identity))
}

/// The relatives by every identity of theirs: a relation may name an old number.
fn kin<P: Persons<Error = Damaged>>(
    persons: &P,
    person: &Person,
) -> Result<BTreeSet<Identity>, Damaged> {
    let mut kin: BTreeSet<Identity> = relatives(person).collect();
    for relative in kin.clone() {
        if let Some(relative) = persons.person(relative)? {
            let linked = relative.entries(LINKED);
            kin.extend(linked.filter_map(|it| it.value(LINKED_ID).and_then(Value::as_identity)));
        }
    }
    Ok(kin)
}

fn is_protected(person: &Person) -> bool {
    person.shield().is_on()
}

/// Looks through the whole register. Reads every record twice: five million persons take some three
/// seconds.
pub fn look(state: &State) -> Result<Households, Unreadable> {
    let mut protected: HashMap<Identity, Person> = HashMap::new();
    for record in state.records() {
        let record = record?;
        if record.shield().is_on() {
            protected.insert(record.identity(), Person::from_record(record)?);
        }
    }
    let mut pairs: BTreeSet<(Identity, Identity)> = BTreeSet::new();
    for (identity, person) in &protected {
        pairs.extend(kin(state, person)?.into_iter().map(|it| (it, *identity)));
    }
    let (mut marked, mut told) = (BTreeSet::new(), BTreeSet::new());
    for record in state.records() {
        let record = record?;
        if record.shares_protected_home() {
            marked.insert(record.identity());
        }
        if !record.shield().is_on() && !record.identity().is_reserve() {
            each_relative(record, |relative| {
                if protected.contains_key(&relative) {
                    told.insert((record.identity(), relative));
                }
            })?;
        }
    }
    for (identity, relative) in told {
        pairs.insert((identity, relative));
        // A protected person's other numbers are protected too.
        for entry in protected[&relative].entries(LINKED) {
            let linked = entry.value(LINKED_ID).and_then(Value::as_identity);
            pairs.extend(linked.map(|linked| (identity, linked)));
        }
    }
    let mut households = Households::default();
    let mut sharing = BTreeSet::new();
    for &(identity, relative) in &pairs {
        let is_open = |it: &Person| !is_protected(it) && !identity.is_reserve();
        let Some(person) = state.person(identity)?.filter(is_open) else {
            continue;
        };
        let theirs = protected.get(&relative).map(home).unwrap_or_default();
        if theirs.is_one_with(&home(&person)) {
            households.pairs += 1;
            sharing.insert(identity);
        }
    }
    households.related = pairs;
    households.unlike = sharing.symmetric_difference(&marked).copied().collect();
    Ok(households)
}

fn each_relative(record: RecordRef<'_>, mut told: impl FnMut(Identity)) -> Result<(), Damaged> {
    static RELATIONS: LazyLock<FieldMask> =
        LazyLock::new(|| FieldMask::of(|field| field == RELATIVE));
    let view = restrict(record, &Grant::unrestricted(Profile::P5), Shield::NONE);
    view.each(&RELATIONS, |_, value| {
        if let Some(ValueRef::Identity(relative)) = value {
            told(relative);
        }
        Ok(())
    })
}

/// The records of these people as they are, under a new version.
pub fn standing(
    state: &State,
    people: &[Identity],
    at: &Moment,
) -> Result<Vec<Vec<u8>>, EncodeError> {
    let mut records = Vec::with_capacity(people.len());
    for &identity in people {
        if let Some(mut person) = state.person(identity)? {
            touch(&mut person, at);
            records.push(person.to_record()?);
        }
    }
    Ok(records)
}

/// The marks of a register at work: they change in one commit with what they follow from.
#[derive(Default)]
pub struct Marks {
    /// Those who have protected relatives, by whom. More may stand here than hold: the records decide.
    told: Mutex<HashMap<Identity, BTreeSet<Identity>>>,
}

impl Marks {
    /// The marks of a register whose households are these.
    pub fn of(households: &Households) -> Self {
        let marks = Self::default();
        marks.note(households.related.iter().copied());
        marks
    }

    fn note(&self, related: impl IntoIterator<Item = (Identity, Identity)>) {
        let mut told = self.told.lock();
        for (identity, relative) in related {
            told.entry(identity).or_default().insert(relative);
        }
    }

    /// A change of these records with the marks that change by it: their own, and their relatives'.
    pub fn with(
        &self,
        state: &State,
        records: Vec<Vec<u8>>,
        at: &Moment,
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let read = |bytes: &Vec<u8>| Person::from_record(RecordRef::open(bytes)?);
        let changed = records.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let mut concerned = BTreeSet::new();
        for person in &changed {
            if let Some(before) = state.person(person.identity())? {
                concerned.extend(kin(state, &before)?);
            }
            let kin = kin(state, person)?;
            if is_protected(person) {
                self.note(kin.iter().map(|relative| (*relative, person.identity())));
            }
            concerned.extend(kin);
            concerned.insert(person.identity());
        }
        let mut after = Changed::over(state, changed);
        let moved: BTreeSet<Identity> = after.identities().into_iter().collect();
        let mut is_other = false;
        for identity in concerned {
            let beside = self.told.lock().get(&identity).cloned().unwrap_or_default();
            if let Some(mut person) = marked(&after, identity, &beside)? {
                if !moved.contains(&identity) {
                    touch(&mut person, at);
                }
                after.put(person);
                is_other = true;
            }
        }
        if !is_other {
            return Ok(records);
        }
        let persons = after.into_persons();
        persons.iter().map(Person::to_record).collect()
    }
}

/// The person with the mark that it should have; `None` when it has it. `beside` are people whose
/// records may tell of the relation where the person's own does not.
fn marked<P: Persons<Error = Damaged>>(
    persons: &P,
    identity: Identity,
    beside: &BTreeSet<Identity>,
) -> Result<Option<Person>, Damaged> {
    let Some(mut person) = persons.person(identity)? else {
        return Ok(None);
    };
    let mut shares = false;
    if !is_protected(&person) && !identity.is_reserve() {
        let (own, kin_told) = (home(&person), kin(persons, &person)?);
        for relative in kin_told.union(beside) {
            let Some(other) = persons.person(*relative)?.filter(is_protected) else {
                continue;
            };
            let related = kin_told.contains(relative) || kin(persons, &other)?.contains(&identity);
            shares |= related && home(&other).is_one_with(&own);
        }
    }
    if person.shares_protected_home == shares {
        return Ok(None);
    }
    person.shares_protected_home = shares;
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
        let beside: BTreeSet<Identity> = beside.iter().map(|it| identity(it)).collect();
        let marked = marked(few, identity(value), &beside).unwrap();
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

    #[test]
    fn homes_are_one_by_an_address_or_by_the_property_and_by_every_number() {
        const OLD: &str = "198402192382";
        let formats = Formats::standard();
        let mut parent = living(PARENT, "STORGATAN 1 LGH 1101");
        parent.set(Field::at("protectedPersonIndicator"), Value::Boolean(true));
        let mut old = Person::new(identity(OLD), &formats);
        old.inherited = Shield::PERSON;
        for (person, other) in [(&mut parent, OLD), (&mut old, PARENT)] {
            let mut entry = Group::new(LINKED);
            entry.set(LINKED_ID, Value::Identity(identity(other)));
            entry.set(
                Field::at("linkedIdentity/assuranceLevel"),
                Value::from("level4"),
            );
            person.push(entry);
        }
        let mut child = living(CHILD, "STORGATAN 1");
        relate(&mut child, OLD);
        let few = Few::of([parent.clone(), old.clone(), child]);
        assert!(
            shares(&few, CHILD, &[]),
            "by the old number, without the apartment"
        );
        let property = |person: &mut Person| {
            for (field, value) in [
                ("countyCode", "14"),
                ("municipalityCode", "80"),
                ("propertyDesignation", "HASSELN 1:1"),
            ] {
                let path = format!("populationRegistrationLocality/{field}");
                let field = Field::all().find(|it| it.path() == path).unwrap();
                person.set(field, Value::from(value));
            }
        };
        let mut child = living(CHILD, "BAKGATAN 2");
        relate(&mut child, PARENT);
        property(&mut child);
        property(&mut parent);
        let few = Few::of([parent, old, child]);
        assert!(shares(&few, CHILD, &[]), "by the property");
    }

    /// Whoever may write a reserve identity writes a relation and a guess, and looks whether it is masked.
    #[test]
    fn what_care_writes_makes_no_household() {
        const RESERVE: &str = "22790814AA01";
        let mut parent = living(PARENT, "STORGATAN 1");
        parent.set(Field::at("protectedPersonIndicator"), Value::Boolean(true));
        let mut guess = living(RESERVE, "STORGATAN 1");
        relate(&mut guess, PARENT);
        relate(&mut parent, RESERVE);
        let few = Few::of([parent, guess]);
        assert!(!shares(&few, RESERVE, &[PARENT]));
    }
}

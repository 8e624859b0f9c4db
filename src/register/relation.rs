//! Which of a person's relations a post speaks of: the one to the same relative, or, when the
//! relative got another number (status PB), the one to the old number.

use crate::person::edit::Group;
use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};
use crate::person::value::Value;

use super::chain;
use super::persons::Persons;

pub(super) const RELATIONSHIP: Field = Field::at("relationship");
pub(super) const STATUS: Field = Field::at("relationship/status");
pub(super) const KIND: Field = Field::at("relationship/relationshipType");
const ID: Field = Field::at("relationship/relationshipId");
pub(super) const RELATIVE: Field = Field::at("relationship/relationshipId/personalIdentity");
const BORN: Field = Field::at("relationship/relationshipId/dateOfBirth");
const NAME: [Field; 3] = [
    Field::at("relationship/name/givenName"),
    Field::at("relationship/name/middleName"),
    Field::at("relationship/name/surname"),
];

/// Relations of which a person has one at most: mother, father, spouse, partner.
const SINGLE: [&str; 4] = ["MO", "FA", "M", "P"];

/// Whether a relation is over.
pub(super) fn is_over(relation: &Group) -> bool {
    matches!(relation.text(STATUS), Some("AS" | "AV" | "IV" | "AN"))
}

/// Whether a relation goes on with the relative's new number.
pub(super) fn is_renumbered(relation: &Group) -> bool {
    relation.text(STATUS) == Some("PB")
}

/// The place of the relation that `news` speaks of. A relation to the relative's old number is one to
/// the new number after this.
pub(super) fn place<P: Persons>(
    relations: &mut Vec<Group>,
    news: &Group,
    persons: &P,
    formats: &Formats,
) -> Result<Option<usize>, P::Error> {
    if let Some(number) = relative(news).filter(|_| is_renumbered(news)) {
        let old = to_old_numbers(relations, news, number, persons, formats)?;
        let is_there = relations.iter().any(|it| is_same(it, news));
        let kept = old.first().copied().filter(|_| !is_there);
        if let Some(relation) = kept.map(|place| &mut relations[place]) {
            relation.clear(ID);
            relation.set(RELATIVE, Value::Identity(number));
        }
        for place in old.into_iter().rev().filter(|&it| Some(it) != kept) {
            relations.remove(place);
        }
    }
    let same = relations.iter().position(|it| is_same(it, news));
    Ok(same.or_else(|| to_the_only_one_born_then(relations, news)))
}

fn relative(relation: &Group) -> Option<Identity> {
    relation.value(RELATIVE).and_then(Value::as_identity)
}

/// Relatives without a number are told apart by birth date and name: twins are two.
fn is_same(one: &Group, other: &Group) -> bool {
    let same = |field: Field| one.value(field) == other.value(field);
    same(KIND)
        && same(RELATIVE)
        && (relative(one).is_some() || same(BORN) && NAME.into_iter().all(same))
}

/// The relation to somebody without a number, where one has no name to compare, or `news` corrects it.
fn to_the_only_one_born_then(relations: &[Group], news: &Group) -> Option<usize> {
    let is_named = |it: &Group| NAME.iter().any(|&field| it.value(field).is_some());
    if relative(news).is_some() || news.value(BORN).is_none() {
        return None;
    }
    let corrects = news.text(STATUS) == Some("RD");
    let mut born_then = relations.iter().enumerate().filter(|(_, it)| {
        let same = |field: Field| it.value(field) == news.value(field);
        relative(it).is_none() && same(KIND) && same(BORN)
    });
    let (place, only) = born_then.next().filter(|_| born_then.next().is_none())?;
    (corrects || !is_named(only) || !is_named(news)).then_some(place)
}

/// The places of the relations of the kind of `news` to numbers that its relative had before: those
/// that Skatteverket's references tell, else the one that it can be.
fn to_old_numbers<P: Persons>(
    relations: &[Group],
    news: &Group,
    number: Identity,
    persons: &P,
    formats: &Formats,
) -> Result<Vec<usize>, P::Error> {
    let others = relations.iter().enumerate().filter_map(|(place, it)| {
        let old = relative(it).filter(|&old| old != number)?;
        (it.value(KIND) == news.value(KIND) && !is_over(it)).then_some((place, old))
    });
    let new_person = persons.person(number)?;
    let (mut tied, mut possible) = (Vec::new(), Vec::new());
    let is_single = news.text(KIND).is_some_and(|kind| SINGLE.contains(&kind));
    for (place, old) in others {
        let old_person = persons.person(old)?;
        let refers = |person: &Option<_>, to| {
            let person = person.as_ref();
            person.is_some_and(|person| chain::refers(person, to))
        };
        if refers(&old_person, number) || refers(&new_person, old) {
            tied.push(place);
            continue;
        }
        // Two who are both there and have nothing to do with each other are two.
        let lives_on = old_person.is_some_and(|it| !chain::is_replaced(&it));
        if is_single || !(lives_on && new_person.is_some()) {
            possible.push((place, old));
        }
    }
    if !tied.is_empty() || relations.iter().any(|it| is_same(it, news)) {
        return Ok(tied);
    }
    if possible.len() > 1 {
        let born = formats.birth_date(number);
        possible.retain(|&(_, old)| formats.birth_date(old) == born);
    }
    Ok(match possible[..] {
        [(place, _)] => vec![place],
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::PartialDate;
    use crate::person::edit::Person;
    use crate::person::edit::tests::identity;
    use crate::register::persons::tests::Few;

    const OLD: &str = "198402192382";
    const NEW: &str = "198402192390";
    const OTHER: &str = "194012239101";

    fn to(kind: &str, relative: &str, status: &str) -> Group {
        let mut relation = Group::new(RELATIONSHIP);
        relation.set(RELATIVE, Value::Identity(identity(relative)));
        relation.set(KIND, Value::from(kind));
        relation.set(STATUS, Value::from(status));
        relation
    }

    fn born(day: &str, name: &str, status: &str) -> Group {
        let mut relation = Group::new(RELATIONSHIP);
        relation.set(BORN, Value::PartialDate(PartialDate::parse(day).unwrap()));
        relation.set(KIND, Value::from("B"));
        relation.set(STATUS, Value::from(status));
        if !name.is_empty() {
            relation.set(NAME[0], Value::from(name));
        }
        relation
    }

    fn person(value: &str) -> Person {
        Person::new(identity(value), &Formats::standard())
    }

    fn referring(value: &str, to: &str) -> Person {
        let mut person = person(value);
        let mut entry = Group::new(Field::at("referredPersonalIdentities"));
        entry.set(
            Field::at("referredPersonalIdentities/referredPersonalIdentity"),
            Value::Identity(identity(to)),
        );
        person.push(entry);
        person
    }

    /// The relatives that are left, and which of them `news` speaks of.
    fn placed(
        mut relations: Vec<Group>,
        news: &Group,
        persons: impl IntoIterator<Item = Person>,
    ) -> (Vec<Option<Identity>>, Option<usize>) {
        let few = Few::of(persons);
        let place = place(&mut relations, news, &few, &Formats::standard()).unwrap();
        (relations.iter().map(relative).collect(), place)
    }

    #[test]
    fn a_relatives_new_number_takes_the_place_of_the_old_one() {
        // Whatever the register knows of the two numbers: nothing, the old one, both.
        let known = [
            vec![],
            vec![person(OLD)],
            vec![person(OLD), referring(NEW, OLD)],
            vec![referring(OLD, NEW), person(NEW)],
        ];
        for persons in known {
            for kind in ["MO", "V", "B"] {
                let before = vec![to("FA", OTHER, "NY"), to(kind, OLD, "NY")];
                let (left, place) = placed(before, &to(kind, NEW, "PB"), persons.clone());
                assert!(left == [Some(identity(OTHER)), Some(identity(NEW))]);
                assert_eq!(place, Some(1), "{kind}");
            }
        }
    }

    #[test]
    fn of_several_relatives_the_one_whose_number_it_was_is_meant() {
        let children = || vec![to("B", OTHER, "NY"), to("B", OLD, "NY")];
        let news = to("B", NEW, "PB");
        // By the birth date, or by the reference.
        let (left, place) = placed(children(), &news, []);
        assert!(left == [Some(identity(OTHER)), Some(identity(NEW))] && place == Some(1));
        let (left, place) = placed(children(), &news, [referring(OTHER, NEW)]);
        assert!(left == [Some(identity(NEW)), Some(identity(OLD))] && place == Some(0));
        // Two who are both there and have nothing to do with each other.
        let (left, place) = placed(vec![to("B", OLD, "NY")], &news, [person(OLD), person(NEW)]);
        assert!(left == [Some(identity(OLD))] && place.is_none());
        // An ended relation is nobody's.
        let (_, place) = placed(vec![to("MO", OLD, "AS")], &to("MO", NEW, "PB"), []);
        assert_eq!(place, None);
        // Both stand there already, from an earlier version: the old one goes.
        let both = vec![to("MO", OLD, "NY"), to("MO", NEW, "NY")];
        let (left, place) = placed(both, &to("MO", NEW, "PB"), [referring(OLD, NEW)]);
        assert!(left == [Some(identity(NEW))] && place == Some(0));
    }

    #[test]
    fn twins_who_were_never_registered_are_two() {
        let twins = || {
            vec![
                born("20100102", "Kim", "NY"),
                born("20100102", "Robin", "NY"),
            ]
        };
        let place = |relations, news: &Group| placed(relations, news, []).1;
        assert_eq!(place(twins(), &born("20100102", "Robin", "AV")), Some(1));
        assert_eq!(place(twins(), &born("20100102", "Sam", "RD")), None);
        assert_eq!(place(twins(), &born("20100102", "", "AV")), None);
        let first = || vec![born("20100102", "Kim", "NY")];
        assert_eq!(place(first(), &born("20100102", "Robin", "NY")), None);
        assert_eq!(place(first(), &born("20100102", "Robin", "RD")), Some(0));
        assert_eq!(place(first(), &born("20100102", "", "AV")), Some(0));
        assert_eq!(place(first(), &born("20100103", "Kim", "AV")), None);
    }
}

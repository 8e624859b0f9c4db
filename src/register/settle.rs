//! Chains out of a register: whoever is changed, everybody linked with them is gathered, and the
//! chain is settled anew. The offline import and the rules of a running register share this.

use std::collections::{BTreeSet, VecDeque};

use crate::base::time::Moment;
use crate::person::edit::Person;
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::person::value::Value;

use super::chain;
use super::change::Change;
use super::merge::touch;
use super::persons::{Changed, Persons};
use super::refusal::Refusal;

const VERSION: Field = Field::at("version");

/// Identities in one chain: a guard against references that run wild.
pub const MOST_MEMBERS: usize = 500;

/// The members of a chain, and whom they point at in vain.
pub struct Gathered {
    /// Everybody reachable, in the order of their identities.
    pub members: Vec<Person>,
    /// Pairs of an identity that is not there, and who points at it.
    pub missing: Vec<(Identity, Identity)>,
}

/// Why a chain cannot be gathered.
#[derive(Debug, thiserror::Error)]
pub enum GatherError<E> {
    /// A person cannot be read.
    #[error("a member of the chain cannot be read")]
    Unreadable(E),
    /// More identities than can be one person's.
    #[error("a chain of more than {MOST_MEMBERS} linked identities")]
    Endless,
}

/// The person of `identity` and everyone reachable from there by links and references, and by
/// having waited for one of them.
pub fn gather<P: Persons>(
    persons: &P,
    identity: Identity,
) -> Result<Gathered, GatherError<P::Error>> {
    let mut members: Vec<Person> = Vec::new();
    let mut not_there = BTreeSet::new();
    let mut queue = VecDeque::from([identity]);
    let mut seen = BTreeSet::from([identity]);
    while let Some(identity) = queue.pop_front() {
        match persons.person(identity).map_err(GatherError::Unreadable)? {
            Some(person) => {
                let neighbours = chain::neighbours(&person);
                for neighbour in neighbours.into_iter().chain(persons.waiting(identity)) {
                    if seen.insert(neighbour) {
                        queue.push_back(neighbour);
                    }
                }
                members.push(person);
            }
            None => {
                not_there.insert(identity);
            }
        }
        if members.len() > MOST_MEMBERS {
            return Err(GatherError::Endless);
        }
    }
    // Whoever the search began with, the chain is listed in one order.
    members.sort_by_key(Person::identity);
    // Everybody who points at somebody waits, not only the first: their chain may be parted.
    let pairs = members.iter().flat_map(|member| {
        let pointed = chain::neighbours(member).into_iter();
        pointed.map(|it| (it, member.identity()))
    });
    let missing = pairs.filter(|(it, _)| not_there.contains(it)).collect();
    Ok(Gathered { members, missing })
}

/// Settles the members of a chain as a file's entries have left them. Answers the places of those that
/// changed. Their versions move to the moment of the file, unless they are there already; a record that
/// was restored with its version keeps it when settling only tells what lines do not: the protection
/// that others lend.
pub fn settle_in_file(
    members: &mut [Person],
    is_restored: impl Fn(Identity) -> bool,
    at: &Moment,
) -> Vec<usize> {
    let before = members.to_vec();
    let places = chain::settle(members);
    for &place in &places {
        let member = &mut members[place];
        let keeps_version = is_restored(member.identity()) && **member == *before[place];
        let version = member.value(VERSION).and_then(Value::as_timestamp);
        if !keeps_version && version.is_none_or(|version| version < at.timestamp) {
            touch(member, at);
        }
    }
    places
}

/// The change that `changed` make together: their versions have moved already; the chains they
/// belong to are settled, and whoever that touches gets a new version too.
pub fn settled<P: Persons<Error = Damaged>>(
    persons: &P,
    changed: impl IntoIterator<Item = Person>,
    subject: Identity,
    at: &Moment,
) -> Result<Change, Refusal> {
    let mut after = Changed::over(persons, changed);
    let moved = after.identities();
    let mut done = BTreeSet::new();
    let mut waits = Vec::new();
    let mut longest_chain = 0;
    for &start in &moved {
        if done.contains(&start) {
            continue;
        }
        let Gathered {
            mut members,
            missing,
        } = gather(&after, start)?;
        waits.extend(missing);
        done.extend(members.iter().map(Person::identity));
        let touched: BTreeSet<usize> = chain::settle(&mut members).into_iter().collect();
        for (_, mut member) in members
            .into_iter()
            .enumerate()
            .filter(|(place, _)| touched.contains(place))
        {
            longest_chain = longest_chain.max(chain::length(&member));
            if !moved.contains(&member.identity()) {
                touch(&mut member, at);
            }
            after.put(member);
        }
    }
    let change = Change::of(after.into_persons(), waits, subject)?;
    Ok(Change {
        longest_chain,
        ..change
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::identity;
    use crate::person::edit::{Group, Person};
    use crate::person::identity::Formats;
    use crate::register::persons::tests::Few;

    const LINKED_ID: Field = Field::at("linkedIdentity/referredPersonalIdentity");

    fn linked(from: &str, to: &str) -> Person {
        let mut person = Person::new(identity(from), &Formats::standard());
        let mut entry = Group::new(LINKED_ID.parent());
        entry.set(LINKED_ID, Value::Identity(identity(to)));
        entry.set(
            Field::at("linkedIdentity/assuranceLevel"),
            Value::from("level3"),
        );
        entry.set(
            Field::at("linkedIdentity/primaryIdentity"),
            Value::Boolean(true),
        );
        entry.set(Field::at("linkedIdentity/link"), Value::from("to"));
        person.push(entry);
        person
    }

    #[test]
    fn who_waited_is_gathered_when_the_identity_comes() {
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let (early, late) = ("19810829M071", "22790814AA01");
        let waiting = linked(early, late);
        let mut few = Few::default();
        let change = settled(&few, [waiting], identity(early), &at).unwrap();
        assert_eq!(change.waits, [(identity(late), identity(early))]);
        few.take(&change);
        let person = Person::new(identity(late), &Formats::standard());
        let change = settled(&few, [person], identity(late), &at).unwrap();
        assert_eq!(change.persons.len(), 2, "the one who waited changes too");
        assert!(change.waits.is_empty());
        few.take(&change);
        let primary = Field::at("primaryIdentity");
        assert!(few.get(identity(late)).value(primary).unwrap().is_true());
        assert!(!few.get(identity(early)).value(primary).unwrap().is_true());
    }

    #[test]
    fn a_chain_that_runs_wild_is_refused() {
        let formats = Formats::standard();
        let value = |number: usize| {
            let text = format!("9919900{number:04}0");
            formats.with_check_digit("1.2.752.97.3.1.3", &text).unwrap()
        };
        let text = |number| formats.text(value(number)).unwrap().as_str().to_owned();
        let few = Few::of((0..600).map(|it| linked(&text(it), &text(it + 1))));
        assert!(matches!(gather(&few, value(0)), Err(GatherError::Endless)));
    }
}

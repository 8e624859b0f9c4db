//! Chains: the identities of one person, linked by Skatteverket's references and by care's own
//! links. Each chain has one main identity, its members list each other, and protection of one
//! member shields them all.
//!
//! Order of the main identity (TKB, Inera's page "Huvudidentitet"): what was linked to, before what
//! was linked away; then not deregistered before deregistered; then PNR, SNR, NRID, LRID; then the
//! largest value.

use std::collections::{BTreeMap, BTreeSet};

use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::value::Value;
use crate::person::view::Shield;

const PRIMARY_IDENTITY: Field = Field::at("primaryIdentity");
const LINKED: Field = Field::at("linkedIdentity");
const LINKED_ID: Field = Field::at("linkedIdentity/referredPersonalIdentity");
const ASSURANCE: Field = Field::at("linkedIdentity/assuranceLevel");
const LINKED_PRIMARY: Field = Field::at("linkedIdentity/primaryIdentity");
const LINK: Field = Field::at("linkedIdentity/link");
const REFERRED: Field = Field::at("referredPersonalIdentities");
const REFERRED_ID: Field = Field::at("referredPersonalIdentities/referredPersonalIdentity");
const REFERRED_STATUS: Field =
    Field::at("referredPersonalIdentities/referredPersonalIdentityStatus");
const DEREGISTERED: Field = Field::at("deregistration/deregistrationReasonCode");
const STATUS: Field = Field::at("personalIdentityStatus/identityStatus");

/// A link by care stands on both ends: on the one linked away from, and on the one linked to.
pub(super) const TO: &str = "to";
const FROM: &str = "from";

/// The identities that a person's record points at, by link or reference, ended ones included:
/// with these, and with theirs, a chain is complete.
pub fn neighbours(person: &Person) -> Vec<Identity> {
    let listed = |entries: Field, id: Field| {
        person
            .entries(entries)
            .filter_map(move |entry| entry.value(id)?.as_identity())
    };
    listed(LINKED, LINKED_ID)
        .chain(listed(REFERRED, REFERRED_ID))
        .collect()
}

/// How many identities a person's settled record says are theirs, this one included.
pub fn length(person: &Person) -> usize {
    person.entries(LINKED).count() + 1
}

/// Settles the chains among `members`: main identity, lists of linked identities, inherited
/// protection. Members must hold every neighbour of every member that the register knows. Answers
/// the places of those that changed.
pub fn settle(members: &mut [Person]) -> Vec<usize> {
    let all = Members::of(members);
    let mut settled: Vec<(usize, Person)> = Vec::new();
    for chain in all.chains() {
        let main = all.main_of(&chain);
        for &place in &chain {
            let person = all.settled(&chain, main, place);
            if person != members[place] {
                settled.push((place, person));
            }
        }
    }
    settled.sort_by_key(|(place, _)| *place);
    let places = settled.iter().map(|(place, _)| *place).collect();
    for (place, person) in settled {
        members[place] = person;
    }
    places
}

/// Members, and what leads from one to another.
struct Members<'m> {
    all: &'m [Person],
    places: BTreeMap<Identity, usize>,
    /// Care's links, as places linked from and to.
    links: BTreeSet<(usize, usize)>,
    /// Who was linked away.
    away: BTreeSet<usize>,
}

impl<'m> Members<'m> {
    fn of(members: &'m [Person]) -> Self {
        let places = members.iter().enumerate();
        let mut found = Self {
            all: members,
            places: places.map(|(place, it)| (it.identity(), place)).collect(),
            links: BTreeSet::new(),
            away: BTreeSet::new(),
        };
        for (here, member) in members.iter().enumerate() {
            for entry in member.entries(LINKED) {
                let there = found.named(entry, LINKED_ID);
                match (there, entry.text(LINK)) {
                    (Some(there), Some(TO)) => found.links.insert((here, there)),
                    (Some(there), Some(FROM)) => found.links.insert((there, here)),
                    _ => continue,
                };
            }
        }
        found.away = found.links.iter().map(|(from, _)| *from).collect();
        found
    }

    /// The place of whom an entry names.
    fn named(&self, entry: &Group, id: Field) -> Option<usize> {
        let identity = entry.value(id).and_then(Value::as_identity)?;
        self.places.get(&identity).copied()
    }

    /// The chains, each as the places of its members in their order.
    fn chains(&self) -> Vec<Vec<usize>> {
        let mut beside = vec![Vec::new(); self.all.len()];
        let mut join = |one: usize, other: usize| {
            beside[one].push(other);
            beside[other].push(one);
        };
        self.links.iter().for_each(|&(from, to)| join(from, to));
        for (here, member) in self.all.iter().enumerate() {
            let active = member
                .entries(REFERRED)
                .filter(|it| it.text(REFERRED_STATUS) != Some("AS"));
            for there in active.filter_map(|entry| self.named(entry, REFERRED_ID)) {
                join(here, there);
            }
        }
        let mut seen = vec![false; self.all.len()];
        let mut chains = Vec::new();
        for start in 0..self.all.len() {
            let mut chain = Vec::new();
            let mut waiting = vec![start];
            while let Some(place) = waiting.pop() {
                if !std::mem::replace(&mut seen[place], true) {
                    chain.push(place);
                    waiting.extend(&beside[place]);
                }
            }
            chain.sort_unstable();
            chains.push(chain);
        }
        chains
    }

    /// The main identity of a chain.
    fn main_of(&self, chain: &[usize]) -> Option<usize> {
        chain.iter().copied().max_by_key(|place| {
            let member = &self.all[*place];
            let identity = member.identity();
            (
                !self.away.contains(place),
                !is_deregistered(member),
                identity.kind(),
                identity.key(),
            )
        })
    }

    fn settled(&self, chain: &[usize], main: Option<usize>, place: usize) -> Person {
        let others = || chain.iter().copied().filter(|&other| other != place);
        let mut person = self.all[place].clone();
        person.set(PRIMARY_IDENTITY, Value::Boolean(main == Some(place)));

        let mut entries: Vec<Group> = others()
            .map(|other| {
                let link = self.link(place, other);
                entry(&person, &self.all[other], main == Some(other), link)
            })
            .collect();
        // A link to an identity that the register does not know yet waits for it.
        entries.extend(
            person
                .entries(LINKED)
                .filter(|entry| entry.text(LINK).is_some())
                .filter(|entry| self.named(entry, LINKED_ID).is_none())
                .cloned(),
        );
        person.set_entries(LINKED, entries);

        let lent = others().fold(Shield::NONE, |sum, other| {
            sum.with(self.all[other].own_shield())
        });
        // The rule for reserve identities speaks of profile 1; a personal number keeps the stricter
        // protection, because its record holds places.
        person.inherited = match (lent.is_on(), person.identity().is_reserve()) {
            (true, true) => Shield::PERSON,
            _ if person.keeps_protection => lent.with(Shield::PERSON),
            _ => lent,
        };
        person
    }

    fn link(&self, here: usize, there: usize) -> Option<&'static str> {
        if self.links.contains(&(here, there)) {
            Some(TO)
        } else if self.links.contains(&(there, here)) {
            Some(FROM)
        } else {
            None
        }
    }
}

fn entry(person: &Person, other: &Person, is_main: bool, link: Option<&str>) -> Group {
    let by_care = person.identity().is_reserve() || other.identity().is_reserve();
    let mut entry = Group::new(LINKED);
    entry.set(LINKED_ID, Value::Identity(other.identity()));
    entry.set(
        ASSURANCE,
        Value::from(if by_care { "level3" } else { "level4" }),
    );
    entry.set(LINKED_PRIMARY, Value::Boolean(is_main));
    if let Some(link) = link {
        entry.set(LINK, Value::from(link));
    }
    entry
}

/// Deregistered, or a coordination number that is no longer in use.
fn is_deregistered(person: &Person) -> bool {
    person.text(DEREGISTERED).is_some()
        || matches!(person.text(STATUS), Some("AVREGISTRERAT" | "EJ_AKTUELLT"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::identity;
    use crate::person::identity::Formats;

    const OLD: &str = "198402192382";
    const NEW: &str = "198402192390";
    const SNR: &str = "197001782395";
    const NRID: &str = "22790814AA01";
    const OTHER_NRID: &str = "22950606FH20";
    const LRID: &str = "19810829M071";

    fn person(value: &str) -> Person {
        Person::new(identity(value), &Formats::standard())
    }

    fn linked(mut person: Person, to: &str) -> Person {
        let mut entry = Group::new(LINKED);
        entry.set(LINKED_ID, Value::Identity(identity(to)));
        entry.set(ASSURANCE, Value::from("level3"));
        entry.set(LINKED_PRIMARY, Value::Boolean(true));
        entry.set(LINK, Value::from(TO));
        person.push(entry);
        person
    }

    fn referring(mut person: Person, to: &str, status: &str) -> Person {
        let mut entry = Group::new(REFERRED);
        entry.set(REFERRED_ID, Value::Identity(identity(to)));
        entry.set(REFERRED_STATUS, Value::from(status));
        person.push(entry);
        person
    }

    fn deregistered(mut person: Person, reason: &str) -> Person {
        person.set(DEREGISTERED, Value::from(reason));
        person
    }

    fn main(members: &[Person]) -> Vec<bool> {
        members
            .iter()
            .map(|it| it.value(PRIMARY_IDENTITY).unwrap().is_true())
            .collect()
    }

    #[test]
    fn a_number_change_is_one_chain_with_the_new_number_as_main() {
        let mut members = [
            deregistered(referring(person(OLD), NEW, "NY"), "GN"),
            referring(person(NEW), OLD, "NY"),
        ];
        assert_eq!(settle(&mut members), [0, 1]);
        assert_eq!(main(&members), [false, true]);
        let listed = members[0].entries(LINKED).next().unwrap();
        assert!(listed.value(LINKED_ID).unwrap().as_identity() == Some(identity(NEW)));
        assert_eq!(listed.text(ASSURANCE), Some("level4"));
        assert!(listed.value(LINKED_PRIMARY).unwrap().is_true());
        assert_eq!(settle(&mut members), [0_usize; 0], "settling is done once");
    }

    #[test]
    fn an_ended_reference_joins_nobody() {
        let mut members = [referring(person(OLD), NEW, "AS"), person(NEW)];
        assert_eq!(settle(&mut members), [0_usize; 0]);
        assert_eq!(main(&members), [true, true]);
    }

    #[test]
    fn links_list_the_whole_chain_and_remember_their_own_ends() {
        let mut members = [
            linked(person(LRID), NRID),
            linked(person(NRID), SNR),
            person(SNR),
        ];
        settle(&mut members);
        assert_eq!(main(&members), [false, false, true]);
        let marks = |place: usize| -> Vec<Option<String>> {
            members[place]
                .entries(LINKED)
                .map(|it| it.text(LINK).map(str::to_owned))
                .collect()
        };
        assert_eq!(marks(0), [Some("to".to_owned()), None]);
        assert_eq!(marks(1), [Some("from".to_owned()), Some("to".to_owned())]);
        assert_eq!(marks(2), [None, Some("from".to_owned())]);
    }

    #[test]
    fn what_was_linked_to_is_main_even_when_deregistered() {
        let mut members = [linked(person(NRID), OLD), deregistered(person(OLD), "AV")];
        settle(&mut members);
        assert_eq!(main(&members), [false, true]);
        let mut equals = [linked(person(OTHER_NRID), NRID), person(NRID)];
        settle(&mut equals);
        assert_eq!(
            main(&equals),
            [false, true],
            "not the larger value, but the one linked to"
        );
    }

    #[test]
    fn references_choose_among_active_numbers() {
        let mut members = [
            linked(person(NRID), OLD),
            deregistered(referring(person(OLD), NEW, "NY"), "GN"),
            person(NEW),
            deregistered(person(SNR), "AS"),
        ];
        settle(&mut members);
        assert_eq!(main(&members), [false, false, true, true]);
    }

    #[test]
    fn protection_shields_the_whole_chain() {
        let mut protected = person(NEW);
        protected.set(Field::at("protectedPopulationRecord"), Value::Boolean(true));
        let mut members = [
            linked(person(NRID), NEW),
            protected,
            referring(person(OLD), NEW, "NY"),
            person(SNR),
        ];
        settle(&mut members);
        assert_eq!(members[0].inherited, Shield::PERSON);
        assert_eq!(members[1].inherited, Shield::NONE);
        assert_eq!(members[2].inherited, Shield::POPULATION_RECORD);
        assert_eq!(members[3].inherited, Shield::NONE);
        // The mark is lifted: so is what it lent.
        members[1].set(
            Field::at("protectedPopulationRecord"),
            Value::Boolean(false),
        );
        settle(&mut members);
        assert!(members.iter().all(|member| !member.inherited.is_on()));
    }

    #[test]
    fn a_link_waits_for_an_identity_that_is_not_there_yet() {
        let mut members = [linked(person(NRID), SNR)];
        settle(&mut members);
        assert_eq!(members[0].entries(LINKED).count(), 1);
        assert_eq!(main(&members), [true]);
        let mut both = [members[0].clone(), person(SNR)];
        settle(&mut both);
        assert_eq!(main(&both), [false, true]);
    }
}

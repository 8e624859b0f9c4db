//! Chains: the identities of one person, linked by Skatteverket's references and by care's own
//! links. Each chain has one main identity, its members list each other, and protection of one
//! member shields them all.
//!
//! Order of the main identity (TKB, Inera's page "Huvudidentitet"): a number that Skatteverket has
//! replaced by another one that is known never is it; then what was linked to, before what was
//! linked away; then who is active, dormant, deregistered; then PNR, SNR, NRID, LRID; then the
//! largest value.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::time::PartialDate;
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::{Identity, IdentityType};
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
const DEREGISTERED_ON: Field = Field::at("deregistration/deregistrationDate");
const STATUS: Field = Field::at("personalIdentityStatus/identityStatus");
const STATUS_DATE: Field = Field::at("personalIdentityStatus/identityStatusDate");
const STATUS_CAUSE: Field = Field::at("personalIdentityStatus/identityStatusCause");

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

/// Whether Skatteverket refers from a person to another identity, and has not ended that.
pub(super) fn refers(person: &Person, to: Identity) -> bool {
    let active = person
        .entries(REFERRED)
        .filter(|it| it.text(REFERRED_STATUS) != Some("AS"));
    let mut referred = active.filter_map(|it| it.value(REFERRED_ID)?.as_identity());
    referred.any(|it| it == to)
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
    /// Skatteverket's references that have not ended, as places referring from and to. Which of two
    /// replaced the other they do not tell: a new number lists the old ones too.
    references: BTreeSet<(usize, usize)>,
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
            references: BTreeSet::new(),
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
            let active = member
                .entries(REFERRED)
                .filter(|it| it.text(REFERRED_STATUS) != Some("AS"));
            let referred: Vec<usize> = active
                .filter_map(|entry| found.named(entry, REFERRED_ID))
                .collect();
            let referred = referred.into_iter().map(|there| (here, there));
            found.references.extend(referred);
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
        let everybody: Vec<usize> = (0..self.all.len()).collect();
        joined(&everybody, self.links.iter().chain(&self.references))
    }

    /// The main identity of a chain.
    fn main_of(&self, chain: &[usize]) -> Option<usize> {
        let replaced = self.replaced(chain);
        chain.iter().copied().max_by_key(|place| {
            let member = &self.all[*place];
            let identity = member.identity();
            (
                !replaced.contains(place),
                !self.away.contains(place),
                standing(member),
                identity.kind(),
                identity.key(),
            )
        })
    }

    /// The members of a chain whose number was replaced by another member's: of all that references
    /// tie together, those that are marked as replaced; where all are, all but the last.
    fn replaced(&self, chain: &[usize]) -> BTreeSet<usize> {
        let mut replaced = BTreeSet::new();
        for tied in joined(chain, &self.references) {
            let (old, current): (Vec<usize>, Vec<usize>) = tied
                .iter()
                .partition(|&&place| is_replaced(&self.all[place]));
            let last = current.is_empty().then(|| self.last_of(&old)).flatten();
            replaced.extend(old.into_iter().filter(|&place| Some(place) != last));
            // Who got a personal number has no other: their death must not hide behind the old one.
            if current
                .iter()
                .any(|&place| is_of_a_resident(&self.all[place]))
            {
                let coordination =
                    |&place: &usize| self.all[place].identity().kind() == IdentityType::Snr;
                replaced.extend(current.into_iter().filter(coordination));
            }
        }
        replaced
    }

    /// Which of numbers that were all replaced was so last: what replaced it is not known. It refers
    /// to none of the others that does not refer back.
    fn last_of(&self, old: &[usize]) -> Option<usize> {
        let refers_on = |here: usize| {
            let others = old.iter().copied().filter(|&it| it != here);
            others.into_iter().any(|there| {
                self.references.contains(&(here, there))
                    && !self.references.contains(&(there, here))
            })
        };
        old.iter().copied().max_by_key(|&place| {
            let member = &self.all[place];
            let day = member.value(DEREGISTERED_ON).or(member.value(STATUS_DATE));
            let day = day.and_then(Value::as_date).map(PartialDate::number);
            (!refers_on(place), day, member.identity().key())
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

/// The parts into which pairs join places, each in order.
fn joined<'p>(
    places: &[usize],
    pairs: impl IntoIterator<Item = &'p (usize, usize)>,
) -> Vec<Vec<usize>> {
    let mut beside: BTreeMap<usize, Vec<usize>> =
        places.iter().map(|&place| (place, Vec::new())).collect();
    for &(one, other) in pairs {
        if beside.contains_key(&one) && beside.contains_key(&other) {
            beside.entry(one).or_default().push(other);
            beside.entry(other).or_default().push(one);
        }
    }
    let mut parts = Vec::new();
    for &start in places {
        let mut part = Vec::new();
        let mut waiting = vec![start];
        while let Some(place) = waiting.pop() {
            if let Some(next) = beside.remove(&place) {
                part.push(place);
                waiting.extend(next);
            }
        }
        if !part.is_empty() {
            part.sort_unstable();
            parts.push(part);
        }
    }
    parts
}

/// How much an identity is in use: active, dormant, dormant and closed, deregistered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Deregistered,
    Closed,
    Dormant,
    Active,
}

fn standing(person: &Person) -> Standing {
    if person.text(DEREGISTERED).is_some() {
        return Standing::Deregistered;
    }
    match person.text(STATUS) {
        Some("AVREGISTRERAT" | "EJ_AKTUELLT") => Standing::Deregistered,
        Some("VILANDEFORKLARAT_STANGT") => Standing::Closed,
        Some("VILANDEFORKLARAT") => Standing::Dormant,
        _ => Standing::Active,
    }
}

/// Whether Skatteverket says that another number took the place of this one: an old personal number
/// (GN), an old coordination number (GS, until 2021), a coordination number that was replaced.
pub(super) fn is_replaced(person: &Person) -> bool {
    matches!(person.text(DEREGISTERED), Some("GN" | "GS"))
        || person.text(STATUS_CAUSE) == Some("ERSATT") && standing(person) == Standing::Deregistered
}

/// A personal number that is its holder's, living here, gone or dead; one of a false identity (FI) is
/// nobody's.
fn is_of_a_resident(person: &Person) -> bool {
    person.identity().kind() == IdentityType::Pnr && person.text(DEREGISTERED) != Some("FI")
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

    /// The main identity among members, whatever order they come in.
    fn main_among(members: &[Person]) -> Identity {
        let (mut forth, mut back) = (members.to_vec(), members.to_vec());
        back.reverse();
        let mains = [&mut forth, &mut back].map(|members| {
            settle(members);
            let main = main(members).iter().position(|&it| it).unwrap();
            members[main].identity()
        });
        assert!(mains[0] == mains[1], "the order of members must not matter");
        mains[0]
    }

    fn on(mut person: Person, day: &str) -> Person {
        let day = PartialDate::parse(day).unwrap();
        person.set(DEREGISTERED_ON, Value::PartialDate(day));
        person
    }

    fn with_status(mut person: Person, status: &str, cause: Option<&str>) -> Person {
        person.set(STATUS, Value::from(status));
        if let Some(cause) = cause {
            person.set(STATUS_CAUSE, Value::from(cause));
        }
        person
    }

    /// Whoever asked got the old record, and death and emigration were not shown.
    #[test]
    fn a_replaced_number_is_never_main_while_its_successor_is_known() {
        // The old number is the larger one, and its holder died or emigrated with the new one.
        for (old, new) in [(NEW, OLD), (OLD, NEW)] {
            for reason in ["AV", "UV", "OB", "TA"] {
                for (from_old, from_new) in [(true, true), (true, false), (false, true)] {
                    let mut members = [
                        deregistered(person(old), "GN"),
                        deregistered(person(new), reason),
                    ];
                    if from_old {
                        members[0] = referring(members[0].clone(), new, "NY");
                    }
                    if from_new {
                        members[1] = referring(members[1].clone(), old, "NY");
                    }
                    assert!(main_among(&members) == identity(new), "{old} {reason}");
                }
            }
        }
    }

    #[test]
    fn a_chain_of_three_ends_in_the_number_that_replaced_the_others() {
        const LAST: &str = "191212121212";
        // The last number lists all earlier ones, earlier ones point at the next one.
        let members = |last: Person| {
            [
                on(
                    deregistered(referring(person(NEW), OLD, "NY"), "GN"),
                    "20200101",
                ),
                on(
                    deregistered(referring(person(OLD), LAST, "NY"), "GN"),
                    "20210101",
                ),
                referring(referring(last, NEW, "NY"), OLD, "NY"),
            ]
        };
        assert!(main_among(&members(person(LAST))) == identity(LAST));
        let dead = deregistered(person(LAST), "AV");
        assert!(main_among(&members(dead)) == identity(LAST));
        // The last one is not known: the one before it, told by references, else by days.
        let [first, second, _] = members(person(LAST));
        assert!(main_among(&[first.clone(), second.clone()]) == identity(OLD));
        let both = referring(second, NEW, "NY");
        assert!(main_among(&[first, both]) == identity(OLD));
        // What took the place of the only one that is here is not known.
        let alone = deregistered(referring(person(OLD), LAST, "NY"), "GN");
        assert!(main_among(&[alone]) == identity(OLD));
    }

    #[test]
    fn a_change_that_is_taken_back_makes_the_old_number_main_again() {
        for reason in ["GN", "AN"] {
            let members = [
                person(OLD),
                deregistered(referring(person(NEW), OLD, "NY"), reason),
            ];
            assert!(main_among(&members) == identity(OLD), "{reason}");
        }
    }

    #[test]
    fn coordination_numbers_rank_by_their_status() {
        const OTHER_SNR: &str = "197001792388";
        let ranks = [
            ("AKTIVT", None),
            ("VILANDEFORKLARAT", Some("TIDSFRIST")),
            ("VILANDEFORKLARAT_STANGT", Some("ANNAN_ORSAK")),
            ("AVREGISTRERAT", Some("FELAKTIGT_REGISTERAT")),
        ];
        for (at, better) in ranks.iter().enumerate() {
            for worse in &ranks[at + 1..] {
                for (first, second) in [(SNR, OTHER_SNR), (OTHER_SNR, SNR)] {
                    let members = [
                        with_status(referring(person(first), second, "NY"), better.0, better.1),
                        with_status(person(second), worse.0, worse.1),
                    ];
                    assert!(main_among(&members) == identity(first), "{}", better.0);
                }
            }
        }
        // Replaced by a number that has lost its standing too.
        let replaced = with_status(person(OTHER_SNR), "AVREGISTRERAT", Some("ERSATT"));
        for status in ["VILANDEFORKLARAT", "AVREGISTRERAT"] {
            let members = [
                with_status(referring(person(SNR), OTHER_SNR, "NY"), status, None),
                replaced.clone(),
            ];
            assert!(main_among(&members) == identity(SNR), "{status}");
        }
    }

    /// A coordination number whose status nobody ended must not hide its holder's death.
    #[test]
    fn who_got_a_personal_number_is_shown_by_it() {
        let active =
            |reference| with_status(referring(person(SNR), reference, "NY"), "AKTIVT", None);
        for reason in ["AV", "UV"] {
            let members = [active(NEW), deregistered(person(NEW), reason)];
            assert!(main_among(&members) == identity(NEW), "{reason}");
        }
        let members = [active(NEW), deregistered(person(NEW), "FI")];
        assert!(
            main_among(&members) == identity(SNR),
            "a false identity is nobody's"
        );
    }

    #[test]
    fn skatteverkets_reference_goes_before_cares_link() {
        // Care linked to the old number; its successor is main all the same.
        let members = [
            linked(person(NRID), NEW),
            deregistered(referring(person(NEW), OLD, "NY"), "GN"),
            deregistered(person(OLD), "AV"),
        ];
        assert!(main_among(&members) == identity(OLD));
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

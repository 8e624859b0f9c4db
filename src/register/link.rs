//! LinkPersonIdentity and UnlinkPersonIdentity: two identities of one person are joined, or parted.
//!
//! Source: TKB 5.1 of both, SjD LinkPersonIdentity 1 to 16 and UnlinkPersonIdentity 1 to 10.

use crate::base::time::Moment;
use crate::person::edit::{Group, Person};
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::person::value::Value;
use crate::person::view::Shield;

use super::chain::{self, TO};
use super::change::Change;
use super::merge::touch;
use super::persons::{Persons, may_change};
use super::refusal::Refusal;
use super::settle::{gather, settled};
use super::wish::Actor;

const LINKED: Field = Field::at("linkedIdentity");
const LINKED_ID: Field = Field::at("linkedIdentity/referredPersonalIdentity");
const ASSURANCE: Field = Field::at("linkedIdentity/assuranceLevel");
const LINKED_PRIMARY: Field = Field::at("linkedIdentity/primaryIdentity");
const LINK: Field = Field::at("linkedIdentity/link");
const PRIMARY_IDENTITY: Field = Field::at("primaryIdentity");

/// Who may be linked to whom: a row for each kind linked from, a column for each linked to, both in
/// the order LRID, NRID, SNR, PNR. `None` is allowed.
const HIERARCHY: [[Option<Refusal>; 4]; 4] = {
    const YES: Option<Refusal> = None;
    const LOCAL: Option<Refusal> = Some(Refusal::BetweenLocal);
    const DOWN: Option<Refusal> = Some(Refusal::Downwards);
    const SKV: Option<Refusal> = Some(Refusal::OnlySkatteverket);
    [
        [LOCAL, YES, YES, YES],
        [DOWN, YES, YES, YES],
        [DOWN, DOWN, SKV, SKV],
        [DOWN, DOWN, SKV, SKV],
    ]
};

/// Links one identity to another, when their chain then holds no more than `longest` identities.
pub(super) fn link<P: Persons<Error = Damaged>>(
    actor: &Actor,
    (from, to): (Identity, Identity),
    unrestricted: bool,
    persons: &P,
    longest: usize,
    at: &Moment,
) -> Result<Change, Refusal> {
    actor.check()?;
    if actor.update_time.is_some() {
        return Err(Refusal::TimeTold);
    }
    if from == to {
        return Err(Refusal::SameIdentity);
    }
    if let Some(refusal) = HIERARCHY[from.kind() as usize][to.kind() as usize] {
        return Err(refusal);
    }
    may_link(
        persons,
        [(from, "fromIdentity"), (to, "toIdentity")],
        unrestricted,
    )?;
    let mut person = known(persons, from, "fromIdentity")?;
    let main = known(persons, to, "toIdentity")?;
    if entry_of(&person, to).is_some() {
        return Err(Refusal::AlreadyLinked);
    }
    // What their lists say is enough to refuse, and costs the same however long the chains are.
    if chain::length(&person) + chain::length(&main) > longest {
        return Err(Refusal::LongChain);
    }
    let (ours, theirs) = (chain_of(persons, from)?, chain_of(persons, to)?);
    if ours.contains(&to) {
        return Err(Refusal::AlreadyLinked);
    }
    if ours.len() + theirs.len() > longest {
        return Err(Refusal::LongChain);
    }
    // Else two people's numbers could be joined by way of a reserve identity.
    let has_number = |chain: &[Identity]| chain.iter().any(|it| !it.is_reserve());
    if has_number(&ours) && has_number(&theirs) {
        return Err(Refusal::OnlySkatteverket);
    }
    let mut entry = Group::new(LINKED);
    entry.set(LINKED_ID, Value::Identity(to));
    entry.set(ASSURANCE, Value::from("level3"));
    entry.set(LINKED_PRIMARY, Value::Boolean(true));
    entry.set(LINK, Value::from(TO));
    person.push(entry);
    touch(&mut person, at);
    person.keeps_protection = false;
    let mut changed = vec![person];
    for member in ours.into_iter().chain(theirs).filter(|it| *it != from) {
        changed.extend(freed(member, persons, at)?);
    }
    settled(persons, changed, to, at)
}

/// Parts one identity from its main identity, which comes first.
pub(super) fn unlink<P: Persons<Error = Damaged>>(
    actor: &Actor,
    (from, identity): (Identity, Identity),
    unrestricted: bool,
    persons: &P,
    at: &Moment,
) -> Result<Change, Refusal> {
    actor.check()?;
    if from == identity {
        return Err(Refusal::SameIdentity);
    }
    if !from.is_reserve() && !identity.is_reserve() {
        return Err(Refusal::OnlySkatteverket);
    }
    let both = [(from, "unlinkFromIdentity"), (identity, "unlinkIdentity")];
    may_link(persons, both, unrestricted)?;
    let main = known(persons, from, "unlinkFromIdentity")?;
    let mut person = known(persons, identity, "unlinkIdentity")?;
    let partners = partners(&person, &main);
    if partners.is_empty() {
        return Err(Refusal::NotLinked);
    }
    let mut changed = Vec::new();
    for partner in partners {
        part(&mut person, partner);
        if let Some(mut other) = persons.person(partner)? {
            part(&mut other, identity);
            touch(&mut other, at);
            changed.push(other);
        }
    }
    touch(&mut person, at);
    changed.push(person);
    let change = settled(persons, changed, identity, at)?;
    kept(change, persons)
}

/// Whom the link between an identity and its main identity is stored with, on the identity's side.
fn partners(person: &Person, main: &Person) -> Vec<Identity> {
    let direct = entry_of(person, main.identity()).is_some_and(|it| it.text(LINK).is_some())
        || entry_of(main, person.identity()).is_some_and(|it| it.text(LINK).is_some());
    if direct {
        vec![main.identity()]
    } else if entry_of(person, main.identity()).is_some()
        && main.value(PRIMARY_IDENTITY).is_some_and(Value::is_true)
    {
        // It reaches the main identity by way of others: its own link is the one that is meant.
        let away = person
            .entries(LINKED)
            .filter(|it| it.text(LINK) == Some(TO));
        away.filter_map(|it| it.value(LINKED_ID)?.as_identity())
            .collect()
    } else {
        Vec::new()
    }
}

/// Identities of a protected person are linked and parted only by who may see that person whole: the
/// link decides what everybody else is shown. Both must be there; their elements' names are told.
fn may_link<P: Persons<Error = Damaged>>(
    persons: &P,
    both: [(Identity, &'static str); 2],
    unrestricted: bool,
) -> Result<(), Refusal> {
    for (identity, element) in both {
        if !persons.has(identity)? {
            return Err(Refusal::Unknown(element));
        }
    }
    for (identity, _) in both {
        may_change(persons, identity, unrestricted, Refusal::ProtectedLink)?;
    }
    Ok(())
}

/// Somebody who kept the protection of an earlier link, without it: from now on the new link counts.
fn freed<P: Persons<Error = Damaged>>(
    identity: Identity,
    persons: &P,
    at: &Moment,
) -> Result<Option<Person>, Refusal> {
    let mut keeper = persons.person(identity)?.filter(|it| it.keeps_protection);
    if let Some(person) = &mut keeper {
        person.keeps_protection = false;
        touch(person, at);
    }
    Ok(keeper)
}

/// The change in which nobody has lost the protection that the link lent: what was hidden of an
/// identity stays hidden when it stands alone.
fn kept<P: Persons<Error = Damaged>>(mut change: Change, persons: &P) -> Result<Change, Refusal> {
    let mut is_kept = false;
    for person in &mut change.persons {
        let before = persons.person(person.identity())?;
        let was_lent = before.is_some_and(|before| before.inherited.is_on());
        if was_lent && !person.inherited.is_on() {
            person.keeps_protection = true;
            person.inherited = Shield::PERSON;
            is_kept = true;
        }
    }
    if !is_kept {
        return Ok(change);
    }
    Ok(Change {
        longest_chain: change.longest_chain,
        ..Change::of(change.persons, change.waits, change.subject)?
    })
}

fn known<P: Persons<Error = Damaged>>(
    persons: &P,
    identity: Identity,
    element: &'static str,
) -> Result<Person, Refusal> {
    persons.person(identity)?.ok_or(Refusal::Unknown(element))
}

/// Every identity of the same person, this one included.
fn chain_of<P: Persons<Error = Damaged>>(
    persons: &P,
    identity: Identity,
) -> Result<Vec<Identity>, Refusal> {
    let mut members = gather(persons, identity)?.members;
    chain::settle(&mut members);
    let own = members.iter().find(|it| it.identity() == identity);
    let listed = own.into_iter().flat_map(|it| it.entries(LINKED));
    Ok(listed
        .filter_map(|it| it.value(LINKED_ID)?.as_identity())
        .chain([identity])
        .collect())
}

/// The entry of another identity in a person's list.
fn entry_of(person: &Person, other: Identity) -> Option<&Group> {
    person
        .entries(LINKED)
        .find(|it| it.value(LINKED_ID).and_then(Value::as_identity) == Some(other))
}

/// Takes the link to another identity out of a person's list.
fn part(person: &mut Person, other: Identity) {
    let is_other = |it: &&Group| it.value(LINKED_ID).and_then(Value::as_identity) == Some(other);
    let left: Vec<Group> = person
        .entries(LINKED)
        .filter(|it| !is_other(it))
        .cloned()
        .collect();
    person.set_entries(LINKED, left);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::person::edit::tests::identity;
    use crate::person::identity::{Formats, IdentityType};
    use crate::register::nrid::Issuer;
    use crate::register::persons::tests::Few;
    use crate::register::wish::tests::actor;
    use crate::register::wish::{Rules, Wish, perform, version_of};

    const PNR: &str = "198402192390";
    const OLD_PNR: &str = "198402192382";
    const SNR: &str = "197001782395";
    const OTHER_SNR: &str = "197003602390";
    const NRID: &str = "22790814AA01";
    const OTHER_NRID: &str = "22950606FH20";
    const LRID: &str = "19810829M071";
    const OTHER_LRID: &str = "991981000010";

    fn person(value: &str) -> Person {
        Person::new(identity(value), &Formats::standard())
    }

    fn everybody() -> Few {
        let all = [
            PNR, OLD_PNR, SNR, OTHER_SNR, NRID, OTHER_NRID, LRID, OTHER_LRID,
        ];
        Few::of(all.map(person))
    }

    fn refers(few: &mut Few, from: &str, to: &str) {
        let id = Field::at("referredPersonalIdentities/referredPersonalIdentity");
        let mut entry = Group::new(id.parent());
        entry.set(id, Value::Identity(identity(to)));
        few.persons.get_mut(&identity(from)).unwrap().push(entry);
    }

    fn performed(few: &mut Few, wish: &Wish) -> Result<BTreeSet<Identity>, Refusal> {
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let change = perform(
            wish,
            few,
            Rules::standard(&Formats::standard()),
            &mut Issuer::default(),
            &at,
        )?;
        few.take(&change);
        Ok(change.persons.iter().map(Person::identity).collect())
    }

    fn linked(few: &mut Few, from: &str, to: &str) -> Result<BTreeSet<Identity>, Refusal> {
        let (actor, from, to) = (actor(), identity(from), identity(to));
        let unrestricted = true;
        performed(
            few,
            &Wish::Link {
                actor,
                from,
                to,
                unrestricted,
            },
        )
    }

    fn unlinked(few: &mut Few, from: &str, value: &str) -> Result<BTreeSet<Identity>, Refusal> {
        let (actor, from, identity) = (actor(), identity(from), identity(value));
        performed(
            few,
            &Wish::Unlink {
                actor,
                from,
                identity,
                unrestricted: true,
            },
        )
    }

    fn main_of(few: &Few, value: &str) -> Identity {
        let bytes = few.get(identity(value)).to_record().unwrap();
        let record = crate::person::record::RecordRef::open(&bytes).unwrap();
        record.main_identity().unwrap().unwrap_or(identity(value))
    }

    fn touched(values: &[&str]) -> BTreeSet<Identity> {
        values.iter().map(|value| identity(value)).collect()
    }

    /// SjD LinkPersonIdentity 1 to 16, in that order.
    #[test]
    fn the_sixteen_cells_of_the_hierarchy() {
        const OK: Option<Refusal> = None;
        const DOWN: Option<Refusal> = Some(Refusal::Downwards);
        const SKV: Option<Refusal> = Some(Refusal::OnlySkatteverket);
        let first = [LRID, NRID, SNR, PNR];
        let second = [OTHER_LRID, OTHER_NRID, OTHER_SNR, OLD_PNR];
        let expected = [
            [Some(Refusal::BetweenLocal), OK, OK, OK],
            [DOWN, OK, OK, OK],
            [DOWN, DOWN, SKV, SKV],
            [DOWN, DOWN, SKV, SKV],
        ];
        for (from, row) in first.iter().zip(expected) {
            for (to, refusal) in second.iter().zip(row) {
                let mut few = everybody();
                let answer = linked(&mut few, from, to);
                assert_eq!(answer.err(), refusal, "{from} to {to}");
                if refusal.is_none() {
                    assert_eq!(main_of(&few, from), identity(to));
                    let entry = entry_of(few.get(identity(from)), identity(to)).unwrap();
                    assert_eq!(entry.text(ASSURANCE), Some("level3"));
                    assert!(entry.value(LINKED_PRIMARY).unwrap().is_true());
                }
            }
        }
        assert_eq!(IdentityType::Pnr as usize, 3);
    }

    #[test]
    fn a_link_moves_the_version_of_everybody_in_the_chain() {
        let mut few = everybody();
        assert_eq!(
            linked(&mut few, LRID, NRID).unwrap(),
            touched(&[LRID, NRID])
        );
        let before = version_of(few.get(identity(LRID)));
        assert!(before.is_some());
        let all = touched(&[LRID, NRID, SNR]);
        assert_eq!(linked(&mut few, NRID, SNR).unwrap(), all);
        assert!(version_of(few.get(identity(LRID))) > before);
        for value in [LRID, NRID, SNR] {
            assert_eq!(main_of(&few, value), identity(SNR));
        }
    }

    #[test]
    fn two_local_identities_are_joined_by_a_national_one() {
        let mut few = everybody();
        linked(&mut few, LRID, NRID).unwrap();
        linked(&mut few, OTHER_LRID, NRID).unwrap();
        assert_eq!(few.get(identity(LRID)).entries(LINKED).count(), 2);
        assert_eq!(main_of(&few, OTHER_LRID), identity(NRID));
    }

    #[test]
    fn what_cannot_be_linked_is_told_apart() {
        let mut few = everybody();
        linked(&mut few, NRID, PNR).unwrap();
        linked(&mut few, LRID, NRID).unwrap();
        for (from, to, refusal) in [
            (NRID, NRID, Refusal::SameIdentity),
            (NRID, PNR, Refusal::AlreadyLinked),
            (LRID, PNR, Refusal::AlreadyLinked),
            // Two people's numbers by way of a reserve identity.
            (NRID, OLD_PNR, Refusal::OnlySkatteverket),
            (LRID, SNR, Refusal::OnlySkatteverket),
        ] {
            assert_eq!(linked(&mut few, from, to), Err(refusal), "{from} to {to}");
        }
        let mut backwards = everybody();
        linked(&mut backwards, NRID, OTHER_NRID).unwrap();
        let again = linked(&mut backwards, OTHER_NRID, NRID);
        assert_eq!(again, Err(Refusal::AlreadyLinked));
        let mut empty = Few::of([person(NRID)]);
        assert_eq!(
            linked(&mut empty, NRID, PNR),
            Err(Refusal::Unknown("toIdentity"))
        );
        assert_eq!(
            linked(&mut empty, LRID, NRID),
            Err(Refusal::Unknown("fromIdentity"))
        );
        let wish = Wish::Link {
            actor: Actor {
                update_time: crate::base::time::Timestamp::parse("20250101000000"),
                ..actor()
            },
            from: identity(NRID),
            to: identity(OLD_PNR),
            unrestricted: true,
        };
        assert_eq!(performed(&mut few, &wish), Err(Refusal::TimeTold));
    }

    #[test]
    fn references_of_skatteverket_may_stand_in_the_chain() {
        let mut few = everybody();
        refers(&mut few, SNR, PNR);
        linked(&mut few, NRID, SNR).unwrap();
        assert_eq!(main_of(&few, NRID), identity(PNR));
        linked(&mut few, OTHER_NRID, NRID).unwrap();
        assert_eq!(main_of(&few, OTHER_NRID), identity(PNR));
    }

    /// SjD UnlinkPersonIdentity 1 to 6.
    #[test]
    fn parted_identities_are_main_identities_again() {
        for (value, main) in [
            (LRID, NRID),
            (LRID, SNR),
            (LRID, PNR),
            (OTHER_NRID, NRID),
            (NRID, SNR),
            (NRID, PNR),
        ] {
            let mut few = everybody();
            let linked = linked(&mut few, value, main).unwrap();
            let before = version_of(few.get(identity(main)));
            assert_eq!(unlinked(&mut few, main, value).unwrap(), linked);
            for value in [value, main] {
                assert_eq!(main_of(&few, value), identity(value));
                assert_eq!(few.get(identity(value)).entries(LINKED).count(), 0);
            }
            assert!(version_of(few.get(identity(main))) > before);
        }
    }

    /// SjD UnlinkPersonIdentity 7 to 10, and what is not linked.
    #[test]
    fn what_cannot_be_parted_is_told_apart() {
        let mut few = everybody();
        refers(&mut few, OLD_PNR, PNR);
        linked(&mut few, NRID, OLD_PNR).unwrap();
        for (from, value, refusal) in [
            (SNR, OTHER_SNR, Refusal::OnlySkatteverket),
            (SNR, PNR, Refusal::OnlySkatteverket),
            (PNR, SNR, Refusal::OnlySkatteverket),
            (PNR, OLD_PNR, Refusal::OnlySkatteverket),
            (PNR, LRID, Refusal::NotLinked),
            (NRID, NRID, Refusal::SameIdentity),
        ] {
            let answer = unlinked(&mut few, from, value);
            assert_eq!(answer, Err(refusal), "{from} {value}");
        }
        let mut empty = Few::of([person(NRID)]);
        let unknown = Err(Refusal::Unknown("unlinkFromIdentity"));
        assert_eq!(unlinked(&mut empty, PNR, NRID), unknown);
    }

    #[test]
    fn an_identity_is_parted_from_the_main_identity_it_reaches_by_others() {
        let mut few = everybody();
        linked(&mut few, LRID, NRID).unwrap();
        linked(&mut few, NRID, PNR).unwrap();
        let all = touched(&[LRID, NRID, PNR]);
        assert_eq!(unlinked(&mut few, PNR, LRID).unwrap(), all);
        assert_eq!(main_of(&few, LRID), identity(LRID));
        assert_eq!(main_of(&few, NRID), identity(PNR));
        // The middle one is nobody's main identity, so nothing is reached by way of it.
        linked(&mut few, LRID, NRID).unwrap();
        linked(&mut few, OTHER_LRID, NRID).unwrap();
        let refused = unlinked(&mut few, LRID, OTHER_LRID);
        assert_eq!(refused, Err(Refusal::NotLinked));
    }

    #[test]
    fn a_link_is_parted_whichever_end_is_named_as_main() {
        let mut few = everybody();
        linked(&mut few, NRID, PNR).unwrap();
        assert!(unlinked(&mut few, NRID, PNR).is_ok());
        assert_eq!(main_of(&few, NRID), identity(NRID));
    }

    /// Local identities, as many as wanted, one after another.
    fn local(number: usize) -> Person {
        let formats = Formats::standard();
        let text = format!("9919900{number:04}0");
        let identity = formats.with_check_digit("1.2.752.97.3.1.3", &text).unwrap();
        Person::new(identity, &formats)
    }

    #[test]
    fn a_chain_has_a_longest_length_and_its_links_cost_no_more_than_that() {
        let longest = crate::base::limits::LINKED_IDENTITIES;
        let mut few = everybody();
        let everybody: Vec<Person> = (0..longest + 20).map(local).collect();
        let mut written = 0;
        for (place, person) in everybody.iter().enumerate() {
            few.persons.insert(person.identity(), person.clone());
            let link = Wish::Link {
                actor: actor(),
                from: person.identity(),
                to: identity(NRID),
                unrestricted: false,
            };
            let answer = performed(&mut few, &link);
            if place + 2 <= longest {
                written = answer.unwrap().len();
            } else {
                assert_eq!(answer, Err(Refusal::LongChain), "{place}");
            }
        }
        assert_eq!(written, longest);
        // Skatteverket's references make a chain as long as they say.
        let beyond = linked(&mut few, OTHER_NRID, OTHER_SNR).unwrap();
        assert_eq!(beyond, touched(&[OTHER_NRID, OTHER_SNR]));
        refers(&mut few, NRID, OTHER_NRID);
        let at = Moment::parse("2025-01-08T06:00:00").unwrap();
        let changed = few.get(identity(NRID)).clone();
        let change = settled(&few, [changed], identity(NRID), &at).unwrap();
        assert_eq!(change.persons.len(), longest + 2);
        assert_eq!(change.longest_chain, longest + 2, "it is counted");
        few.take(&change);
        // Parting goes on working, whatever the length.
        let away = Wish::Unlink {
            actor: actor(),
            from: identity(NRID),
            identity: everybody[0].identity(),
            unrestricted: false,
        };
        assert!(performed(&mut few, &away).is_ok());
    }

    fn protect(few: &mut Few, value: &str) {
        let protected = Field::at("protectedPersonIndicator");
        few.persons
            .get_mut(&identity(value))
            .unwrap()
            .set(protected, Value::Boolean(true));
    }

    #[test]
    fn protection_comes_with_the_link_and_outlives_it_until_the_next() {
        let mut few = everybody();
        protect(&mut few, PNR);
        linked(&mut few, LRID, NRID).unwrap();
        linked(&mut few, NRID, PNR).unwrap();
        let is_hidden = |few: &Few, value: &str| few.get(identity(value)).inherited.is_on();
        assert!(is_hidden(&few, NRID) && is_hidden(&few, LRID));
        unlinked(&mut few, PNR, NRID).unwrap();
        assert!(is_hidden(&few, NRID) && is_hidden(&few, LRID));
        assert!(!is_hidden(&few, PNR), "the link lent it nothing");
        // What is changed meanwhile changes nothing of it.
        unlinked(&mut few, NRID, LRID).unwrap();
        assert!(is_hidden(&few, NRID) && is_hidden(&few, LRID));
        // Linked to somebody without protection, it belongs to them.
        linked(&mut few, NRID, OLD_PNR).unwrap();
        assert!(!is_hidden(&few, NRID) && !is_hidden(&few, OLD_PNR));
        assert!(is_hidden(&few, LRID), "not in that chain");
        // And back to the protected one.
        unlinked(&mut few, OLD_PNR, NRID).unwrap();
        assert!(!is_hidden(&few, NRID));
        linked(&mut few, NRID, PNR).unwrap();
        assert!(is_hidden(&few, NRID));
    }

    #[test]
    fn who_may_not_see_a_protected_person_links_and_parts_none_of_their_identities() {
        let mut few = everybody();
        protect(&mut few, PNR);
        let link = |few: &mut Few, from: &str, to: &str| {
            let wish = Wish::Link {
                actor: actor(),
                from: identity(from),
                to: identity(to),
                unrestricted: false,
            };
            performed(few, &wish)
        };
        let refused = Err(Refusal::ProtectedLink);
        assert_eq!(link(&mut few, NRID, PNR), refused, "to one");
        linked(&mut few, NRID, PNR).unwrap();
        assert_eq!(link(&mut few, LRID, NRID), refused, "by inheritance");
        assert_eq!(link(&mut few, NRID, OTHER_NRID), refused, "away from one");
        // The refusal comes before what would tell of the links.
        assert_eq!(link(&mut few, NRID, PNR), refused, "linked already");
        for (from, value) in [(PNR, NRID), (NRID, PNR), (PNR, OTHER_NRID)] {
            let wish = Wish::Unlink {
                actor: actor(),
                from: identity(from),
                identity: identity(value),
                unrestricted: false,
            };
            assert_eq!(performed(&mut few, &wish), refused, "{from} {value}");
        }
        unlinked(&mut few, PNR, NRID).unwrap();
        assert_eq!(link(&mut few, NRID, OTHER_NRID), refused, "kept");
        assert!(link(&mut few, OTHER_LRID, OTHER_NRID).is_ok());
    }
}

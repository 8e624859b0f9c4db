//! A village: people who only know each other. Families are made within it, so that every relation
//! has both its ends, and a population of any size is a row of villages that nothing else joins.

use std::collections::BTreeMap;

use super::day::Day;
use super::life::{Fate, Life, Origin, Parent, Partner, Subject, TODAY};
use super::name::{Name, Surname};
use super::random::Random;

/// Two people who have children, share a home, or did.
struct Couple {
    /// The mother where there is one; else one of the two.
    first: usize,
    second: usize,
    bond: Bond,
    children: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bond {
    /// Married or registered partners, since this day.
    Bound,
    /// Living together.
    Together,
    /// Parted: separate homes, no relation between the two.
    Parted,
}

/// Makes a village of these people. The first to be born stands first.
pub(super) fn settle(subjects: &mut [Subject], random: &mut Random) -> Vec<Life> {
    subjects.sort_unstable_by_key(|it| (it.born, it.identity));
    let mut lives: Vec<Life> = subjects.iter().map(|it| Life::new(it, random)).collect();
    change_numbers(&mut lives, random);
    replace_coordination_numbers(&mut lives, random);
    let mut couples = marry(&mut lives, random);
    bear(&mut lives, &mut couples, random);
    share_homes(&mut lives, &couples);
    give_custody(&mut lives, &couples, random);
    protect(&mut lives, random);
    lives
}

/// A few neighbours in the order of birth are the same human being, who got a new number.
fn change_numbers(lives: &mut [Life], random: &mut Random) {
    let mut at = 0;
    while at + 1 < lives.len() {
        let (old, new) = (at, at + 1);
        at += 1;
        let near = lives[new].birth.since(lives[old].birth) < 400;
        let both = lives[old].is_registered() && lives[new].is_registered();
        if !(near && both && random.chance(20)) {
            continue;
        }
        let born = lives[new].birth;
        let day = born.plus(random.between(0, TODAY.since(born)));
        lives[old].fate = Fate::OldNumber { day };
        lives[old].origin = lives[new].origin;
        lives[old].references.push(new);
        lives[new].references.push(old);
        lives[new].since = lives[new].since.later(day);
        lives[new].earlier.clear();
        at += 1;
    }
}

/// A coordination number that was replaced refers to the personal number that its holder got.
fn replace_coordination_numbers(lives: &mut [Life], random: &mut Random) {
    let replaced = |life: &Life| {
        let cause = life.coordination.as_ref().and_then(|it| it.cause);
        cause == Some("ERSATT")
    };
    let all: Vec<usize> = (0..lives.len())
        .filter(|&at| replaced(&lives[at]))
        .collect();
    for snr in all {
        // Somebody born about then, who immigrated and has no other number.
        let from = snr.saturating_sub(60);
        let to = (snr + 60).min(lives.len());
        let holder = (from..to).find(|&at| {
            let life = &lives[at];
            life.is_registered()
                && life.references.is_empty()
                && life.male == lives[snr].male
                && matches!(life.origin, Origin::Abroad { .. })
        });
        let Some(holder) = holder else { continue };
        lives[snr].origin = lives[holder].origin;
        let citizenships = lives[holder].citizenships.clone();
        lives[snr].citizenships = citizenships;
        if random.chance(8_000) {
            lives[snr].name = lives[holder].name.clone();
        }
        lives[snr].references.push(holder);
        lives[holder].references.push(snr);
    }
}

fn marry(lives: &mut [Life], random: &mut Random) -> Vec<Couple> {
    const YOUNGEST: i32 = 20;
    /// How many of each sex wait for somebody: the more, the more the ages in a couple differ.
    const WAITING: usize = 30;
    const MOST_APART_DAYS: i32 = 15 * 365;
    let mut couples = Vec::new();
    let mut waiting: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
    for at in 0..lives.len() {
        let life = &lives[at];
        if life.is_snr() || life.is_old_number() || life.age() < YOUNGEST || !random.chance(7_000) {
            continue;
        }
        let own = usize::from(life.male);
        let same = random.chance(150);
        let others = &mut waiting[if same { own } else { 1 - own }];
        if others.len() < WAITING {
            waiting[own].push(at);
            continue;
        }
        let other = others.swap_remove(random.below(others.len()));
        if life.birth.since(lives[other].birth) < MOST_APART_DAYS {
            couples.push(bind(lives, other, at, random));
        }
    }
    couples
}

/// Makes a couple of two, and what the register knows of it.
fn bind(lives: &mut [Life], one: usize, other: usize, random: &mut Random) -> Couple {
    let (first, second) = if lives[one].male {
        (other, one)
    } else {
        (one, other)
    };
    let same_sex = lives[first].male == lives[second].male;
    let mut bond =
        random.pick_weighted(&[(Bond::Bound, 62), (Bond::Together, 20), (Bond::Parted, 18)]);
    let grown = lives[first].birth.later(lives[second].birth).plus_years(20);
    let mut since = grown.plus(random.between(0, 12 * 365));
    // Partnership could be registered from 1995 until marriage was opened in May 2009.
    let opened = Day::new(2009, 5, 1);
    let partnership = same_sex && since < opened;
    if partnership {
        since = since.later(Day::new(1995, 1, 1));
    }
    let ends = |at: usize| -> Day {
        match lives[at].fate {
            Fate::Living => TODAY,
            Fate::Dead { date, .. } => Day::first_of(date),
            Fate::Emigrated { day, .. } | Fate::Removed { day, .. } | Fate::OldNumber { day } => {
                day
            }
        }
    };
    let end = ends(first).earlier(ends(second));
    if since.plus(60) >= end && bond != Bond::Parted {
        bond = Bond::Together;
    }
    if bond == Bond::Together && end < TODAY {
        bond = Bond::Parted;
    }
    match bond {
        Bond::Bound => {
            let [married, widowed, kind] = if partnership {
                ["RP", "EP", "P"]
            } else {
                ["G", "A", "M"]
            };
            let deaths = [lives[first].death(), lives[second].death()];
            for (at, with, own, others) in [
                (first, second, deaths[0], deaths[1]),
                (second, first, deaths[1], deaths[0]),
            ] {
                // The first to die stays married; the other is widowed from that day.
                let outlived = others.filter(|day| own.is_none_or(|own| *day < own));
                lives[at].civil =
                    outlived.map_or((married, Some(since)), |day| (widowed, Some(day)));
                lives[at].partner = Some(Partner { with, kind, since });
            }
            if random.chance(7_000) {
                let shared = lives[if random.chance(7_000) { second } else { first }]
                    .name
                    .surname
                    .clone();
                lives[first].name.surname = shared.clone();
                lives[second].name.surname = shared;
            }
        }
        Bond::Parted if since.plus(1_500) < end && random.chance(6_000) => {
            let parted = since.plus(random.between(700, end.since(since)));
            let code = if partnership { "SP" } else { "S" };
            lives[first].civil = (code, Some(parted));
            lives[second].civil = (code, Some(parted));
        }
        Bond::Parted | Bond::Together => {}
    }
    if bond != Bond::Parted && end == TODAY {
        lives[first].since = since.later(lives[first].since).later(lives[second].since);
    }
    Couple {
        first,
        second,
        bond,
        children: Vec::new(),
    }
}

/// Finds parents for those who are young enough to have theirs in the village.
fn bear(lives: &mut [Life], couples: &mut [Couple], random: &mut Random) {
    const FIRST_YEAR: i32 = 1880;
    let slot = |year: i32| usize::try_from(year - FIRST_YEAR).unwrap_or(0);
    let mut by_year: Vec<Vec<usize>> = vec![Vec::new(); slot(TODAY.year()) + 1];
    for (at, couple) in couples.iter().enumerate() {
        by_year[slot(lives[couple.first].birth.year())].push(at);
    }
    let mut alone: Vec<Vec<usize>> = vec![Vec::new(); by_year.len()];
    let mut paired = vec![false; lives.len()];
    for couple in couples.iter() {
        paired[couple.first] = true;
        paired[couple.second] = true;
    }
    for (at, life) in lives.iter().enumerate() {
        if !paired[at] && !life.male && life.is_registered() {
            alone[slot(life.birth.year())].push(at);
        }
    }
    for child in 0..lives.len() {
        if lives[child].is_snr() || lives[child].is_old_number() {
            continue;
        }
        let abroad = matches!(lives[child].origin, Origin::Abroad { .. });
        let mut found = false;
        if !abroad && random.chance(9_000) {
            for _ in 0..5 {
                let year = lives[child].birth.year() - random.between(20, 41);
                let candidates = &by_year[slot(year)];
                if candidates.is_empty() {
                    continue;
                }
                let at = random.pick(candidates);
                if may_bear(lives, &couples[at], child) {
                    let couple = &mut couples[at];
                    couple.children.push(child);
                    adopt(lives, child, couple.first);
                    adopt(lives, child, couple.second);
                    found = true;
                    break;
                }
            }
        }
        if !found && !abroad && lives[child].age() < 60 && random.chance(2_500) {
            let candidates = &alone[slot(lives[child].birth.year() - random.between(20, 38))];
            if !candidates.is_empty() {
                let mother = random.pick(candidates);
                if lives[mother].children.is_empty() {
                    adopt(lives, child, mother);
                    found = true;
                }
            }
        }
        let unregistered = if found {
            // A mother alone: the father may be known by name.
            usize::from(lives[child].parents.len() == 1 && random.chance(1_500))
        } else if random.chance(1_500) {
            1 + random.below(2)
        } else {
            0
        };
        for male in [true, false].into_iter().take(unregistered) {
            let birth = lives[child].birth.plus(-365 * random.between(20, 40));
            let name = Name::new(Surname::new(random), male, random);
            lives[child]
                .parents
                .push(Parent::Unregistered { birth, male, name });
        }
    }
}

fn may_bear(lives: &[Life], couple: &Couple, child: usize) -> bool {
    const MOST_CHILDREN: usize = 4;
    const APART_DAYS: i32 = 320;
    let birth = lives[child].birth;
    let parent_may = |at: usize| {
        let parent = &lives[at];
        let age = birth.age(parent.birth);
        let here = match parent.fate {
            Fate::Living => true,
            Fate::Dead { date, .. } => Day::first_of(date) > birth.plus(300),
            Fate::Emigrated { day, .. } => day > birth,
            Fate::Removed { .. } | Fate::OldNumber { .. } => false,
        };
        here && (18..=if parent.male { 60 } else { 45 }).contains(&age)
    };
    couple.children.len() < MOST_CHILDREN
        && parent_may(couple.first)
        && parent_may(couple.second)
        && couple
            .children
            .iter()
            .all(|&other| birth.since(lives[other].birth).abs() > APART_DAYS)
}

fn adopt(lives: &mut [Life], child: usize, parent: usize) {
    lives[child].parents.push(Parent::Registered(parent));
    lives[parent].children.push(child);
    if lives[child].parents.len() == 1 && lives[child].partner.is_none() {
        lives[child].name.surname = lives[parent].name.surname.clone();
    }
}

/// Who lives with whom.
fn share_homes(lives: &mut [Life], couples: &[Couple]) {
    const STAYS_UNTIL: i32 = 20;
    for couple in couples.iter().filter(|it| it.bond != Bond::Parted) {
        if lives[couple.first].is_registered() && lives[couple.second].is_registered() {
            lives[couple.second].home = lives[couple.first].home;
            lives[couple.second].since = lives[couple.first].since;
            lives[couple.second].earlier.clear();
        }
    }
    for child in 0..lives.len() {
        if !lives[child].is_registered() || lives[child].age() >= STAYS_UNTIL {
            continue;
        }
        let mut parents = lives[child].parents.iter();
        let host = parents.find_map(|parent| match parent {
            Parent::Registered(at) if lives[*at].is_registered() => Some(*at),
            _ => None,
        });
        if let Some(host) = host {
            lives[child].home = lives[host].home;
            lives[child].since = lives[host].since.later(lives[child].birth);
            lives[child].earlier.clear();
        }
    }
}

/// Custody of those under eighteen, and of those who were until lately: its end is told.
fn give_custody(lives: &mut [Life], couples: &[Couple], random: &mut Random) {
    const TOLD_UNTIL: i32 = 19;
    let give = |lives: &mut [Life], child: usize, guardian: usize| {
        if lives[child].is_registered()
            && lives[guardian].is_registered()
            && lives[child].age() < TOLD_UNTIL
        {
            lives[child].guardians.push(guardian);
            lives[guardian].wards.push(child);
        }
    };
    let mut of_couples = vec![false; lives.len()];
    for couple in couples {
        for &child in &couple.children {
            of_couples[child] = true;
            give(lives, child, couple.first);
            if couple.bond != Bond::Parted || random.chance(7_000) {
                give(lives, child, couple.second);
            }
        }
    }
    for child in 0..lives.len() {
        if let (false, Some(Parent::Registered(at))) =
            (of_couples[child], lives[child].parents.first())
        {
            give(lives, child, *at);
        }
    }
}

/// Protects whole households: one record would tell where the others live.
fn protect(lives: &mut [Life], random: &mut Random) {
    const IN_TEN_THOUSAND: usize = 35;
    let mut households: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (at, life) in lives
        .iter()
        .enumerate()
        .filter(|(_, life)| life.is_registered())
    {
        households.entry(life.home.key).or_default().push(at);
    }
    for at in 0..lives.len() {
        let life = &lives[at];
        let abroad = matches!(life.fate, Fate::Emigrated { .. });
        if !random.chance(IN_TEN_THOUSAND)
            || life.age() < 18
            || !(abroad || life.is_registered() || life.is_snr())
        {
            continue;
        }
        let (person, registration) =
            random.pick_weighted(&[((true, false), 60), ((false, true), 25), ((true, true), 15)]);
        // Only who is registered can have a protected registration.
        let registration = registration && life.is_registered();
        let alone = vec![at];
        let household = if life.is_registered() {
            households.get(&life.home.key).unwrap_or(&alone)
        } else {
            &alone
        };
        for &member in household {
            lives[member].protected |= person || !registration;
            lives[member].protected_registration |= registration;
        }
    }
}

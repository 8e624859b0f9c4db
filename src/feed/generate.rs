//! An invented population, the same for the same seed on every machine.
//!
//! [`demo_population`] gives every official test number of Skatteverket a life: families that point
//! at each other, moves, deaths, protection, coordination numbers, reserve identities. It comes in
//! the forms that real data comes in: posts of a base file, posts of daily change files, and the
//! exchange lines of what Skatteverket does not know. [`synthetic_population`] invents the numbers
//! too, and streams villages of a thousand: a country needs no more memory than a village.
//!
//! What people are made of lies in `snapshots/source`. Everybody carries the test indicator: an
//! invented number may be a real person's.

mod change;
mod contact;
mod cores;
mod day;
mod home;
mod life;
mod name;
mod number;
mod random;
mod reserve;
mod say;
mod source;
#[cfg(test)]
mod tests;
mod total;
mod village;

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use self::change::Events;
pub use self::cores::in_order;
use self::life::{Fate, Life, Subject, TODAY};
use self::name::Name;
use self::number::Numbers;
use self::random::Random;
use self::reserve::Amount;
use crate::base::time::PartialDate;
use crate::person::edit::Person;
use crate::person::identity::{Formats, Identity};
use crate::register::post::Post;

/// The day of the base file.
pub fn base_day() -> PartialDate {
    TODAY.date()
}

/// Purposes that chance is drawn for; each has a source of its own.
mod purpose {
    pub(super) const LIVES: u64 = 1;
    pub(super) const TOTAL: u64 = 2;
    pub(super) const CHANGES: u64 = 3;
    pub(super) const RESERVE: u64 = 4;
    pub(super) const CONTACT: u64 = 5;
    pub(super) const NUMBERS: u64 = 6;
    pub(super) const AMOUNTS: u64 = 7;
}

/// People who know each other, and nobody else.
pub struct Village {
    lives: Vec<Life>,
    seed: u64,
    first_post: u64,
    first_change: u64,
    events: Events,
    reserve: Amount,
}

/// Reserve identities that have been given out.
#[derive(Default)]
pub struct Taken(BTreeSet<Identity>);

impl Village {
    /// How many people live in it, dead and emigrated included.
    pub const fn len(&self) -> usize {
        self.lives.len()
    }

    /// Whether nobody does.
    pub const fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// Everybody's total post, in the order of birth.
    pub fn posts(&self) -> impl Iterator<Item = Post> {
        (0..self.lives.len()).map(|at| {
            let random = Random::of(self.seed, purpose::TOTAL, at);
            total::post(&self.lives, at, self.first_post + at as u64, random)
        })
    }

    /// The change posts of the days after the base file, in order.
    pub fn changes(&self) -> Vec<(PartialDate, Vec<Post>)> {
        let mut random = Random::of(self.seed, purpose::CHANGES, 0);
        let mut lives = self.lives.clone();
        change::days(&mut lives, self.first_change, self.events, &mut random)
    }

    /// Reserve identities as persons for an exchange file, national before local, each with the
    /// identity it was linked to.
    pub fn reserve(&self, taken: &mut Taken, formats: &Formats) -> Vec<Person> {
        let mut random = Random::of(self.seed, purpose::RESERVE, 0);
        reserve::people(
            &self.lives,
            self.reserve,
            &mut taken.0,
            formats,
            &mut random,
        )
    }

    /// What does not come from Skatteverket, as persons for an exchange file: reserve identities, then
    /// contact data.
    pub fn exchange(&self, formats: &Formats) -> impl Iterator<Item = Person> {
        let reserve = self.reserve(&mut Taken::default(), formats);
        reserve.into_iter().chain(self.contact(formats))
    }

    /// Small persons for an exchange file, with the contact data of a third of those registered, to
    /// be joined to what the base file tells.
    pub fn contact(&self, formats: &Formats) -> impl Iterator<Item = Person> {
        let lives = &self.lives;
        (0..lives.len()).filter_map(move |at| {
            let mut random = Random::of(self.seed, purpose::CONTACT, at);
            let has = lives[at].is_registered() && random.chance(3_333);
            has.then(|| contact::person(lives, at, formats, random))
        })
    }
}

/// The population of the demonstration register: every official test number, brought to life.
pub fn demo_population(formats: &Formats, seed: u64) -> Village {
    let mut subjects = number::official(formats);
    let mut random = Random::of(seed, purpose::LIVES, 0);
    let lives = village::settle(&mut subjects, &mut random);
    Village {
        seed,
        first_post: 1,
        first_change: 1 + lives.len() as u64,
        events: [60; 5],
        reserve: Amount {
            national: 600,
            local: 200,
            telling: true,
        },
        lives,
    }
}

/// The person of the best-known test number, 19121212-1212, whom every example asks for: a village
/// of its own, so that nobody else's life depends on it. Has an address and no protection.
pub fn well_known_person(formats: &Formats, seed: u64) -> Village {
    let mut subjects: Vec<Subject> = number::well_known(formats).into_iter().collect();
    let mut random = Random::of(seed, purpose::LIVES, 0);
    let mut lives = village::settle(&mut subjects, &mut random);
    for life in &mut lives {
        life.name = Name::told("Tolvan", "Tolvansson");
        life.fate = Fate::Living;
        life.protected = false;
        life.protected_registration = false;
    }
    Village {
        seed,
        first_post: WELL_KNOWN_POST,
        first_change: WELL_KNOWN_POST + 1,
        events: [0; 5],
        reserve: Amount {
            national: 0,
            local: 0,
            telling: false,
        },
        lives,
    }
}

/// The post of the well-known person: after those of the others in the demonstration register.
const WELL_KNOWN_POST: u64 = 99_000_001;

/// People of one village.
const VILLAGE_SIZE: usize = 1_000;

/// The first numbers of base posts and of change posts: after those of the demonstration register.
const FIRST_SYNTHETIC_POST: u64 = 100_000_001;
const FIRST_SYNTHETIC_CHANGE: u64 = 500_000_001;

/// More posts than the changes of a village ever are.
const CHANGES_PER_VILLAGE: u64 = 1_000;

/// The people of a village, not yet settled: [`Settlers::settle`] is the work, and can be done on
/// any thread.
pub struct Settlers {
    subjects: Vec<Subject>,
    seed: u64,
    first_post: u64,
    first_change: u64,
}

impl Settlers {
    /// How many there are.
    pub const fn len(&self) -> usize {
        self.subjects.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    /// Makes the village.
    pub fn settle(mut self) -> Village {
        let mut random = Random::of(self.seed, purpose::LIVES, 0);
        let lives = village::settle(&mut self.subjects, &mut random);
        // One post and a half a day for each thousand, a reserve identity for each 330.
        let mut random = Random::of(self.seed, purpose::AMOUNTS, 0);
        let mut one_to = |people: usize| {
            let more = random.below(people) < lives.len() % people;
            lives.len() / people + usize::from(more)
        };
        Village {
            seed: self.seed,
            first_post: self.first_post,
            first_change: self.first_change,
            events: std::array::from_fn(|_| one_to(730)),
            reserve: Amount {
                national: one_to(500),
                local: one_to(1_000),
                telling: false,
            },
            lives,
        }
    }
}

/// `persons` invented persons with invented numbers, village by village. Ends early when the number
/// series of one sex is used up, beyond forty million.
pub fn synthetic_population(
    formats: &Formats,
    persons: usize,
    seed: u64,
) -> impl Iterator<Item = Settlers> {
    let mut numbers = Numbers::new(formats);
    let mut random = Random::of(seed, purpose::NUMBERS, 0);
    let mut made = 0;
    let mut first_change = FIRST_SYNTHETIC_CHANGE;
    std::iter::from_fn(move || {
        let size = VILLAGE_SIZE.min(persons - made);
        let subjects: Vec<Subject> = (0..size)
            .map_while(|_| numbers.subject(&mut random))
            .collect();
        let settlers = Settlers {
            seed: random.next(),
            first_post: FIRST_SYNTHETIC_POST + made as u64,
            first_change,
            subjects,
        };
        made += settlers.subjects.len();
        first_change += CHANGES_PER_VILLAGE;
        (!settlers.subjects.is_empty()).then_some(settlers)
    })
}

/// Whether an identity is one of Skatteverket's official test numbers.
pub fn is_official(identity: Identity) -> bool {
    static OFFICIAL: LazyLock<HashSet<Identity>> = LazyLock::new(|| {
        number::official(&Formats::standard())
            .iter()
            .map(|subject| subject.identity)
            .collect()
    });
    OFFICIAL.contains(&identity)
}

//! Patterns that somebody who looks after the register wants to know of: what a consumer asks is within
//! its rights each time, but not all of it together. They refuse nothing. An alarm names the consumer and
//! the rule, never a person; what is kept is of fixed size, in memory.
//!
//! Callers notice nothing: what is heard is counted where the answer is made, and whether it makes an
//! alarm is looked at elsewhere, now and then. Where a protected person is registered is looked up there
//! too, so that no call takes longer or shorter for it.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::hsa::HsaId;
use crate::person::counties::Counties;
use crate::person::identity::Identity;

/// From when on a pattern is an alarm. A threshold of 0 turns its rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// Minutes over which a consumer's calls are counted.
    pub minutes: u32,
    /// Searches of a consumer that found one person or nobody ...
    pub narrow_searches: u32,
    /// ... when they found no more persons than these.
    pub narrow_persons: u32,
    /// Searches of a consumer that were refused because they were too wide.
    pub too_wide: u32,
    /// Protected persons shown to a consumer who are registered outside its counties.
    pub protected_elsewhere: u32,
    /// Hours over which it is counted who asks for a person.
    pub person_hours: u32,
    /// Consumers that ask for one person.
    pub consumers_of_one: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            minutes: 10,
            narrow_searches: 30,
            narrow_persons: 3,
            too_wide: 20,
            protected_elsewhere: 5,
            person_hours: 24,
            consumers_of_one: 20,
        }
    }
}

/// A pattern.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// Many narrow searches about few persons.
    NarrowSearches,
    /// Searches that are too wide, one after the other.
    TooWide,
    /// Protected persons outside the consumer's counties.
    ProtectedElsewhere,
    /// Somebody whom many consumers ask for.
    ManyForOne,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 4] = [
        Self::NarrowSearches,
        Self::TooWide,
        Self::ProtectedElsewhere,
        Self::ManyForOne,
    ];

    /// Its name in metrics and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NarrowSearches => "narrow-searches",
            Self::TooWide => "too-wide",
            Self::ProtectedElsewhere => "protected-elsewhere",
            Self::ManyForOne => "many-for-one",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// An alarm: a consumer has met a rule. The last to ask for somebody is named for all who did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// The consumer.
    pub consumer: HsaId,
    /// The rule.
    pub rule: Rule,
}

/// A call, as far as patterns go.
#[derive(Clone, Copy, Default)]
pub struct Heard<'c> {
    /// Whether it was a search.
    pub is_search: bool,
    /// Whether it was refused because it was too wide.
    pub is_too_wide: bool,
    /// Who was asked for by identity.
    pub asked: &'c [Identity],
    /// Who was shown.
    pub shown: &'c [Identity],
    /// Those of them who are protected.
    pub protected: &'c [Identity],
    /// The consumer's counties. One with none in its row, or all, has no home that could be told from.
    pub counties: Counties,
}

/// A protected person who was shown, of whom it is not known yet where they are registered.
struct Seen {
    consumer: HsaId,
    counties: Counties,
    who: Identity,
}

/// What is remembered of calls.
pub struct Alarms {
    thresholds: Thresholds,
    consumers: Box<[Mutex<Slot>]>,
    persons: Box<[Mutex<Person>]>,
    seen: ArrayQueue<Seen>,
    rung: [AtomicU64; Rule::ALL.len()],
}

/// Consumers that are remembered; a power of two.
const CONSUMERS: usize = 1 << 10;
/// Places where a consumer may be remembered.
const PROBES: usize = 8;
/// Persons that are remembered; a power of two.
const PERSONS: usize = 1 << 15;
/// Protected persons that wait to be looked up; more are passed over.
const WAITING: usize = 1 << 14;
/// Persons of narrow searches that are told apart.
const FEW: usize = 16;

/// What a consumer has done within its window.
#[derive(Default)]
struct Slot {
    consumer: Option<HsaId>,
    window: i64,
    narrow: u32,
    /// Hashes of whom narrow searches found; more than fit are not few.
    found: [u64; FEW],
    few: usize,
    too_wide: u32,
    elsewhere: u32,
    many: u32,
    /// Rules that rang within the window.
    rung: u8,
}

/// Who asked for a person within a window.
#[derive(Default)]
struct Person {
    hash: u64,
    window: i64,
    /// A bit for each consumer, by its hash: of many some count as one.
    consumers: u128,
}

impl Alarms {
    /// Nothing heard yet.
    pub fn new(thresholds: Thresholds) -> Self {
        let of = |count| (0..count).map(|_| Mutex::default()).collect();
        let persons = (0..PERSONS).map(|_| Mutex::default()).collect();
        Self {
            thresholds,
            consumers: of(CONSUMERS),
            persons,
            seen: ArrayQueue::new(WAITING),
            rung: Default::default(),
        }
    }

    /// Remembers a call of a consumer, `now` in seconds since 1970.
    pub fn hear(&self, consumer: &HsaId, heard: &Heard<'_>, now: i64) {
        self.put_aside(consumer, heard);
        let asker = hash_of(consumer);
        let mut many = 0;
        if self.thresholds.consumers_of_one > 0 {
            for identity in heard.asked {
                many += u32::from(self.asked_by(asker, *identity, now));
            }
        }
        self.with_slot(consumer, asker, now, |slot| {
            slot.too_wide += u32::from(heard.is_too_wide);
            slot.many += many;
            if heard.is_search && !heard.is_too_wide && heard.shown.len() <= 1 {
                slot.narrow += 1;
                heard.shown.iter().for_each(|it| slot.note_found(hash(*it)));
            }
        });
    }

    /// Puts protected persons aside, to be looked up later.
    fn put_aside(&self, consumer: &HsaId, heard: &Heard<'_>) {
        let counties = heard.counties;
        if self.thresholds.protected_elsewhere == 0 || counties.is_empty() || counties.is_all() {
            return;
        }
        for &who in heard.protected {
            // When nobody looks, there is nobody to tell either.
            let _ = self.seen.push(Seen {
                consumer: consumer.clone(),
                counties,
                who,
            });
        }
    }

    /// Looks up those who were put aside: whether each is registered outside these counties.
    pub fn look_up(&self, now: i64, is_outside: impl Fn(Counties, Identity) -> bool) {
        for _ in 0..WAITING {
            let Some(seen) = self.seen.pop() else { return };
            if is_outside(seen.counties, seen.who) {
                let asker = hash_of(&seen.consumer);
                self.with_slot(&seen.consumer, asker, now, |slot| slot.elsewhere += 1);
            }
        }
    }

    /// Notes who asked for a person: whether that makes them as many as are too many.
    fn asked_by(&self, asker: u64, identity: Identity, now: i64) -> bool {
        let hash = hash(identity);
        let window = now.div_euclid(i64::from(self.thresholds.person_hours.max(1)) * 3600);
        let mut person = self.persons[hash as usize % PERSONS].lock();
        if (person.hash, person.window) != (hash, window) {
            *person = Person {
                hash,
                window,
                consumers: 0,
            };
        }
        let before = person.consumers;
        person.consumers |= 1 << (asker >> 32 & 127);
        before != person.consumers
            && person.consumers.count_ones() == self.thresholds.consumers_of_one
    }

    fn window(&self, now: i64) -> i64 {
        now.div_euclid(i64::from(self.thresholds.minutes.max(1)) * 60)
    }

    /// The slot of a consumer: its own, or the one that was used longest ago.
    fn with_slot(&self, consumer: &HsaId, hash: u64, now: i64, work: impl FnOnce(&mut Slot)) {
        let window = self.window(now);
        let places = (0..PROBES).map(|at| &self.consumers[(hash as usize + at) % CONSUMERS]);
        let mut oldest = None;
        for place in places {
            let mut slot = place.lock();
            if slot.consumer.as_ref() == Some(consumer) {
                if slot.window != window {
                    slot.begin(consumer, window);
                }
                return work(&mut slot);
            }
            let age = slot.consumer.as_ref().map_or(i64::MIN, |_| slot.window);
            if oldest.is_none_or(|(before, _)| age < before) {
                oldest = Some((age, place));
            }
        }
        if let Some((_, place)) = oldest {
            let mut slot = place.lock();
            slot.begin(consumer, window);
            work(&mut slot);
        }
    }

    /// The alarms that have come since this was last asked, each once within its window.
    pub fn ring(&self) -> Vec<Alarm> {
        let mut alarms = Vec::new();
        for slot in &self.consumers {
            let mut slot = slot.lock();
            let Some(consumer) = slot.consumer.clone() else {
                continue;
            };
            for rule in Rule::ALL {
                if slot.rung & rule.bit() == 0 && slot.meets(rule, &self.thresholds) {
                    slot.rung |= rule.bit();
                    self.rung[rule as usize].fetch_add(1, Ordering::Relaxed);
                    let consumer = consumer.clone();
                    alarms.push(Alarm { consumer, rule });
                }
            }
        }
        alarms
    }

    /// How often a rule has rung.
    pub fn rung(&self, rule: Rule) -> u64 {
        self.rung[rule as usize].load(Ordering::Relaxed)
    }
}

impl Slot {
    fn begin(&mut self, consumer: &HsaId, window: i64) {
        *self = Self {
            consumer: Some(consumer.clone()),
            window,
            ..Self::default()
        };
    }

    fn note_found(&mut self, hash: u64) {
        let known = &self.found[..self.few.min(FEW)];
        if known.contains(&hash) {
            return;
        }
        if let Some(place) = self.found.get_mut(self.few) {
            *place = hash;
        }
        self.few += 1;
    }

    fn meets(&self, rule: Rule, thresholds: &Thresholds) -> bool {
        let reaches = |count: u32, threshold: u32| threshold > 0 && count >= threshold;
        match rule {
            Rule::NarrowSearches => {
                let most = thresholds.narrow_persons as usize;
                reaches(self.narrow, thresholds.narrow_searches) && self.few <= most.min(FEW)
            }
            Rule::TooWide => reaches(self.too_wide, thresholds.too_wide),
            Rule::ProtectedElsewhere => reaches(self.elsewhere, thresholds.protected_elsewhere),
            Rule::ManyForOne => self.many > 0,
        }
    }
}

fn hash_of(consumer: &HsaId) -> u64 {
    xxh3_64_with_seed(consumer.as_str().as_bytes(), 0)
}

fn hash(identity: Identity) -> u64 {
    xxh3_64_with_seed(&identity.key().to_le_bytes(), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn id(number: u64) -> Identity {
        Identity::from_key(1 << 56 | number)
    }

    fn consumer(number: usize) -> HsaId {
        HsaId::parse(&format!("TST-{number}")).unwrap()
    }

    fn rules(alarms: &Alarms) -> Vec<&'static str> {
        alarms.ring().iter().map(|it| it.rule.name()).collect()
    }

    fn search(alarms: &Alarms, shown: &[Identity], times: u32, now: i64) {
        let heard = Heard {
            is_search: true,
            shown,
            ..Heard::default()
        };
        (0..times).for_each(|_| alarms.hear(&consumer(1), &heard, now));
    }

    #[test]
    fn many_narrow_searches_about_few_ring_and_about_many_do_not() {
        let alarms = Alarms::new(Thresholds::default());
        search(&alarms, &[id(1)], 15, NOW);
        search(&alarms, &[], 14, NOW);
        assert!(rules(&alarms).is_empty());
        search(&alarms, &[id(2)], 1, NOW);
        assert_eq!(rules(&alarms), ["narrow-searches"]);
        search(&alarms, &[id(2)], 30, NOW);
        assert!(rules(&alarms).is_empty(), "once within a window");
        search(&alarms, &[id(2)], 30, NOW + 600);
        assert_eq!(rules(&alarms), ["narrow-searches"]);
        assert_eq!(alarms.rung(Rule::NarrowSearches), 2);

        // A reception asks for one after the other; a list is not narrow.
        let alarms = Alarms::new(Thresholds::default());
        (0..100).for_each(|number| search(&alarms, &[id(number)], 1, NOW));
        assert!(rules(&alarms).is_empty());
        let alarms = Alarms::new(Thresholds::default());
        search(&alarms, &[id(1), id(2)], 100, NOW);
        assert!(rules(&alarms).is_empty());
    }

    #[test]
    fn too_wide_in_series_and_protected_persons_elsewhere_ring() {
        let alarms = Alarms::new(Thresholds::default());
        let wide = Heard {
            is_search: true,
            is_too_wide: true,
            ..Heard::default()
        };
        let elsewhere = Heard {
            asked: &[id(1)],
            shown: &[id(1)],
            protected: &[id(1)],
            counties: Counties::one("01").unwrap(),
            ..Heard::default()
        };
        (0..20).for_each(|_| alarms.hear(&consumer(1), &wide, NOW));
        (0..5).for_each(|_| alarms.hear(&consumer(2), &elsewhere, NOW));
        let without_a_home = Heard {
            counties: Counties::ALL,
            ..elsewhere
        };
        (0..5).for_each(|_| alarms.hear(&consumer(4), &without_a_home, NOW));
        alarms.look_up(NOW, |_, _| false);
        (0..5).for_each(|_| alarms.hear(&consumer(2), &elsewhere, NOW));
        alarms.look_up(NOW, |counties, who| who == id(1) && !counties.has(*b"14"));
        let mut rung = alarms.ring();
        rung.sort_by_key(|it| it.rule);
        let of = |number, rule| Alarm {
            consumer: consumer(number),
            rule,
        };
        assert_eq!(
            rung,
            [of(1, Rule::TooWide), of(2, Rule::ProtectedElsewhere)]
        );
        // Spread over windows, both are ordinary.
        for minutes in 0..100 {
            alarms.hear(&consumer(3), &wide, NOW + minutes * 60);
        }
        assert!(rules(&alarms).is_empty());
    }

    #[test]
    fn somebody_asked_for_by_many_consumers_rings_once() {
        let alarms = Alarms::new(Thresholds {
            consumers_of_one: 5,
            ..Thresholds::default()
        });
        let heard = Heard {
            asked: &[id(7)],
            ..Heard::default()
        };
        (0..4).for_each(|_| alarms.hear(&consumer(0), &heard, NOW));
        assert!(
            rules(&alarms).is_empty(),
            "one consumer is one, however often"
        );
        (0..40).for_each(|number| alarms.hear(&consumer(number), &heard, NOW));
        assert_eq!(rules(&alarms), ["many-for-one"]);
    }

    #[test]
    fn a_threshold_of_zero_is_no_rule_and_memory_does_not_grow() {
        let alarms = Alarms::new(Thresholds {
            narrow_searches: 0,
            consumers_of_one: 0,
            ..Thresholds::default()
        });
        search(&alarms, &[id(1)], 1000, NOW);
        assert!(rules(&alarms).is_empty());
        for number in 0..5_000 {
            let asked = [id(number as u64)];
            let heard = Heard {
                asked: &asked,
                ..Heard::default()
            };
            alarms.hear(&consumer(number), &heard, NOW);
        }
        assert_eq!(
            (alarms.consumers.len(), alarms.persons.len()),
            (CONSUMERS, PERSONS)
        );
    }
}

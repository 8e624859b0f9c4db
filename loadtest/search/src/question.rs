//! The questions, drawn from the register with a seed: every person is as likely to be asked for,
//! so that common names are asked for as often as they are common. Beside each stands the answer,
//! found without any of the engines.

use std::collections::HashMap;
use std::ops::Range;

use pu::base::swedish::words;
use pu::store::state::State;

use crate::misspelt::Random;
use crate::{Failure, person};

/// Hits that a search of the contracts may have.
pub const MOST_HITS: usize = 500;

/// What users do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// One person by identity.
    Identity,
    /// How many, and the first fifty, with a word in the surname that begins so, in a county.
    CountAndFirst,
    /// Everybody whose surname begins so, in a county.
    NameAndCounty,
    /// Everybody whose surname begins so.
    NamePrefix,
    /// Everybody with exactly these given names and this surname.
    FullName,
    /// Everybody born within some days.
    BirthDateRange,
    /// Everybody changed since a moment.
    ChangedSince,
    /// How many, and the first fifty, found by three words of names and city.
    FreeText,
    /// Name and county, and the whole records.
    Records,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Identity,
        Self::CountAndFirst,
        Self::NameAndCounty,
        Self::NamePrefix,
        Self::FullName,
        Self::BirthDateRange,
        Self::ChangedSince,
        Self::FreeText,
        Self::Records,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::CountAndFirst => "surname word prefix + county, count and first 50",
            Self::NameAndCounty => "surname prefix + county, all hits",
            Self::NamePrefix => "surname prefix, all hits",
            Self::FullName => "given names and surname, all hits",
            Self::BirthDateRange => "birth date range, all hits",
            Self::ChangedSince => "changed since, all hits",
            Self::FreeText => "three words, count and first 50",
            Self::Records => "surname prefix + county, all records",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    Identity(u64),
    WordPrefix {
        county: String,
        prefix: String,
    },
    Surname {
        county: Option<String>,
        prefix: String,
    },
    FullName {
        given: String,
        surname: String,
    },
    Born {
        from: u32,
        to: u32,
    },
    Changed {
        since: u64,
    },
    Words([String; 3]),
}

/// A question and its answer.
pub struct Question {
    pub ask: Ask,
    /// Identities, ascending; `None` where the engines mean different things.
    pub hits: Option<Vec<u64>>,
    /// How many index entries answer: a person with two such words has two.
    pub listings: u64,
}

/// Texts, each once.
#[derive(Default)]
struct Dictionary {
    numbers: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Dictionary {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }

    /// Sorts the texts; gives the new number of each old one.
    fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.texts.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.texts[a as usize].cmp(&self.texts[b as usize]));
        let mut place = vec![0; order.len()];
        for (at, &old) in (0..).zip(&order) {
            place[old as usize] = at;
        }
        self.texts.sort_unstable();
        self.numbers.clear();
        place
    }

    fn range(&self, prefix: &str) -> Range<u32> {
        let from = self.texts.partition_point(|text| text.as_str() < prefix);
        let many = self.texts[from..].partition_point(|text| text.starts_with(prefix));
        from as u32..(from + many) as u32
    }
}

/// The register in sorted lists: what the answers are read off.
pub struct Truth {
    identities: Vec<u64>,
    counties: Dictionary,
    county_of: Vec<u32>,
    surnames: Dictionary,
    surname_of: Vec<u32>,
    givens: Dictionary,
    given_of: Vec<u32>,
    cities: Dictionary,
    city_of: Vec<u32>,
    words: Dictionary,
    /// County, word, person.
    listings: Vec<(u32, u32, u32)>,
    /// Surname, person.
    by_surname: Vec<(u32, u32)>,
    by_birth: Vec<(u32, u32)>,
    by_version: Vec<(u64, u32)>,
}

impl Truth {
    pub fn read(state: &State) -> Result<Self, Failure> {
        let mut it = Self {
            identities: Vec::new(),
            counties: Dictionary::default(),
            county_of: Vec::new(),
            surnames: Dictionary::default(),
            surname_of: Vec::new(),
            givens: Dictionary::default(),
            given_of: Vec::new(),
            cities: Dictionary::default(),
            city_of: Vec::new(),
            words: Dictionary::default(),
            listings: Vec::new(),
            by_surname: Vec::new(),
            by_birth: Vec::new(),
            by_version: Vec::new(),
        };
        person::each(state, |person, _| {
            let at = u32::try_from(it.identities.len())?;
            it.identities.push(person.identity);
            let county = it.counties.number(&person.county);
            it.county_of.push(county);
            it.surname_of.push(it.surnames.number(&person.surname));
            it.given_of.push(it.givens.number(&person.given));
            it.city_of.push(it.cities.number(&person.city));
            for word in words(&person.surname) {
                it.listings.push((county, it.words.number(word), at));
            }
            it.by_birth.push((person.birth, at));
            it.by_version.push((person.version, at));
            Ok(())
        })?;
        let counties = it.counties.sort();
        it.county_of
            .iter_mut()
            .for_each(|it| *it = counties[*it as usize]);
        let surnames = it.surnames.sort();
        it.surname_of
            .iter_mut()
            .for_each(|it| *it = surnames[*it as usize]);
        let words = it.words.sort();
        for (county, word, _) in &mut it.listings {
            (*county, *word) = (counties[*county as usize], words[*word as usize]);
        }
        it.listings.sort_unstable();
        it.listings.dedup();
        it.by_surname = (0..)
            .zip(&it.surname_of)
            .map(|(at, &name)| (name, at))
            .collect();
        it.by_surname.sort_unstable();
        it.by_birth.sort_unstable();
        it.by_version.sort_unstable();
        Ok(it)
    }

    pub fn persons(&self) -> usize {
        self.identities.len()
    }

    /// Different surnames, words in them, and given names; and how many bear the commonest surname.
    pub fn names(&self) -> [usize; 4] {
        let most = self
            .by_surname
            .chunk_by(|a, b| a.0 == b.0)
            .map(<[_]>::len)
            .max();
        let texts = [&self.surnames, &self.words, &self.givens].map(|it| it.texts.len());
        [texts[0], texts[1], texts[2], most.unwrap_or(0)]
    }

    /// The entries of a county's words that begin so: a sorted list and two binary searches, what
    /// an index could do at best.
    pub fn listings(&self, county: &str, prefix: &str) -> &[(u32, u32, u32)] {
        let Ok(county) = self
            .counties
            .texts
            .binary_search_by(|it| it.as_str().cmp(county))
        else {
            return &[];
        };
        let (county, words) = (county as u32, self.words.range(prefix));
        let from = self
            .listings
            .partition_point(|&(c, w, _)| (c, w) < (county, words.start));
        let to = self
            .listings
            .partition_point(|&(c, w, _)| (c, w) < (county, words.end));
        &self.listings[from..to]
    }

    pub fn identity(&self, person: u32) -> u64 {
        self.identities[person as usize]
    }

    fn sorted(&self, persons: impl Iterator<Item = u32>) -> Vec<u64> {
        let mut hits: Vec<u64> = persons.map(|at| self.identity(at)).collect();
        hits.sort_unstable();
        hits.dedup();
        hits
    }

    fn with_surname(&self, names: Range<u32>) -> &[(u32, u32)] {
        let from = self.by_surname.partition_point(|it| it.0 < names.start);
        let to = self.by_surname.partition_point(|it| it.0 < names.end);
        &self.by_surname[from..to]
    }

    /// The answer.
    fn hits(&self, ask: &Ask) -> Option<Vec<u64>> {
        Some(match ask {
            Ask::Identity(identity) => vec![*identity],
            Ask::WordPrefix { county, prefix } => {
                self.sorted(self.listings(county, prefix).iter().map(|it| it.2))
            }
            Ask::Surname { county, prefix } => {
                let in_county = |at: u32| {
                    let own = &self.counties.texts[self.county_of[at as usize] as usize];
                    county.as_ref().is_none_or(|county| county == own)
                };
                let all = self.with_surname(self.surnames.range(prefix));
                self.sorted(all.iter().map(|it| it.1).filter(|&at| in_county(at)))
            }
            Ask::FullName { given, surname } => {
                let number = self.surnames.texts.binary_search(surname).ok()? as u32;
                let all = self.with_surname(number..number + 1).iter().map(|it| it.1);
                let is =
                    |at: &u32| self.givens.texts[self.given_of[*at as usize] as usize] == *given;
                self.sorted(all.filter(is))
            }
            Ask::Born { from, to } => {
                let first = self.by_birth.partition_point(|it| it.0 < *from);
                let last = self.by_birth.partition_point(|it| it.0 <= *to);
                self.sorted(self.by_birth[first..last].iter().map(|it| it.1))
            }
            Ask::Changed { since } => {
                let first = self.by_version.partition_point(|it| it.0 < *since);
                self.sorted(self.by_version[first..].iter().map(|it| it.1))
            }
            Ask::Words(_) => return None,
        })
    }

    /// Whether a question about names means the same to those who compare whole names and to pu,
    /// which also takes one word of several. (What begins with a common name and a letter more, pu
    /// refuses as too wide in a whole country.)
    fn is_plain(&self, ask: &Ask, hits: &[u64]) -> bool {
        let (prefix, only) = match ask {
            Ask::Surname { county, prefix } => (prefix, county.as_deref()),
            Ask::FullName { given, surname } if words(given).count() > 1 => (surname, None),
            Ask::FullName { .. } => return false,
            _ => return true,
        };
        let counties = self.counties.texts.iter().map(String::as_str);
        let listed = counties
            .filter(|county| only.is_none_or(|only| only == *county))
            .flat_map(|county| self.listings(county, prefix));
        let fits = |&&(_, word, at): &&(u32, u32, u32)| match ask {
            Ask::FullName { given, surname } => {
                self.words.texts[word as usize] == *surname
                    && self.givens.texts[self.given_of[at as usize] as usize] == *given
            }
            _ => true,
        };
        let by_word = self.sorted(listed.filter(fits).map(|it| it.2));
        by_word == hits
    }

    /// `count` questions of one kind.
    pub fn draw(&self, kind: Kind, count: usize, seed: u64) -> Vec<Question> {
        let mut random = Random(seed ^ (kind as u64) << 32);
        let mut questions = Vec::with_capacity(count);
        let mut tries = 0;
        while questions.len() < count && tries < 200 * count {
            tries += 1;
            let Some(ask) = self.draw_one(kind, &mut random) else {
                continue;
            };
            // Common names, before they are gathered.
            if let Ask::Surname {
                county: None,
                prefix,
            } = &ask
                && self.with_surname(self.surnames.range(prefix)).len() > MOST_HITS
            {
                continue;
            }
            let hits = self.hits(&ask);
            let fits = match (&hits, kind) {
                (None, _) | (_, Kind::CountAndFirst) => true,
                (Some(hits), Kind::Records) => (50..=MOST_HITS).contains(&hits.len()),
                (Some(hits), _) => (1..=MOST_HITS).contains(&hits.len()),
            };
            let is_plain = || hits.as_ref().is_none_or(|hits| self.is_plain(&ask, hits));
            if fits && is_plain() {
                let listings = match &ask {
                    Ask::WordPrefix { county, prefix } => {
                        self.listings(county, prefix).len() as u64
                    }
                    _ => 0,
                };
                questions.push(Question {
                    ask,
                    hits,
                    listings,
                });
            }
        }
        questions
    }

    fn draw_one(&self, kind: Kind, random: &mut Random) -> Option<Ask> {
        let at = random.below(self.persons());
        let county = self.counties.texts[self.county_of[at] as usize].clone();
        let surname = &self.surnames.texts[self.surname_of[at] as usize];
        let given = &self.givens.texts[self.given_of[at] as usize];
        let letters = |text: &str| {
            text.chars()
                .all(|c| c.is_alphabetic() || c == ' ' || c == '-')
        };
        if county.is_empty() || !letters(surname) || !letters(given) {
            return None;
        }
        let first = words(surname).next()?.to_owned();
        Some(match kind {
            Kind::Identity => Ask::Identity(self.identities[at]),
            Kind::CountAndFirst => {
                let prefix = first.chars().take(2 + random.below(5)).collect();
                Ask::WordPrefix { county, prefix }
            }
            Kind::NameAndCounty | Kind::Records => {
                let prefix = surname.chars().take(3 + random.below(5)).collect();
                Ask::Surname {
                    county: Some(county),
                    prefix,
                }
            }
            Kind::NamePrefix => {
                let prefix = surname.chars().take(3 + random.below(8)).collect();
                Ask::Surname {
                    county: None,
                    prefix,
                }
            }
            Kind::FullName => Ask::FullName {
                given: given.clone(),
                surname: surname.clone(),
            },
            Kind::BirthDateRange => {
                let from = self.by_birth[at].0;
                // Within a month, so that a date without a day is no question of taste.
                let days = random.below(28) as u32;
                if from % 100 == 0 || from / 100 % 100 == 0 {
                    return None;
                }
                let to = (from + days).min(from / 100 * 100 + 28).max(from);
                Ask::Born { from, to }
            }
            Kind::ChangedSince => {
                let last = self
                    .by_version
                    .len()
                    .saturating_sub(1 + random.below(MOST_HITS));
                let newest = self.by_version[last].0;
                let before = self.by_version.partition_point(|it| it.0 < newest);
                let before = self.by_version.get(before.checked_sub(1)?)?.0;
                // Some second after the change before: many values, none of which is a change.
                Ask::Changed {
                    since: before + 1 + random.below(59) as u64,
                }
            }
            Kind::FreeText => {
                let city = &self.cities.texts[self.city_of[at] as usize];
                let place = words(city).next()?.to_owned();
                Ask::Words([words(given).next()?.to_owned(), first, place])
            }
        })
    }
}

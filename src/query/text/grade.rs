//! How well somebody fits, by what their view shows and by nothing else: how far one must reach for
//! it, what the fit of each word costs and where it stands (a surname before a middle name, a name
//! before a place), and whether they live and are registered.

use std::collections::HashMap;
use std::rc::Rc;

use super::lookup::MOST_PARTS;
use super::typing::{Fit, Part, Reach, Typed};
use super::{Joined, Number, Text, Token};
use crate::base::swedish::{self, skeleton};
use crate::person::field::Field;
use crate::person::identity::Identity;
use crate::person::keys::Index;
use crate::person::record::Damaged;
use crate::person::value::ValueRef;
use crate::person::view::{View, Visitor};
use crate::query::work::{self, Meter};

/// How well somebody fits.
#[derive(Clone, Debug)]
pub struct Rank {
    cost: Cost,
    /// Dead, emigrated, or gone otherwise, as far as that is shown.
    is_gone: bool,
    /// The word that fits each typed one.
    words: Box<[usize]>,
}

/// What the fit of one word or of all costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Cost {
    slips: Reach,
    sum: u32,
    /// Whether a word does not stand there as it was typed, but for accents.
    is_other: bool,
}

/// What the fit of a word costs, and which word of somebody it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Fitting {
    cost: Cost,
    word: usize,
}

/// Those who fit in the order in which they are shown, the best first. Those who bear the very words
/// come by themselves; of others, the first bearer of each name comes before the second of any, or
/// the many who are called one thing would hide who was meant.
pub fn in_order<T>(mut hits: Vec<(Rank, T)>) -> Vec<T> {
    // Both sorts are stable: those who fit as well stay in the order of identities.
    hits.sort_by_key(|(rank, _)| (rank.cost, rank.is_gone));
    let mut bearers: HashMap<Box<[usize]>, usize> = HashMap::new();
    let place = |(rank, hit): (Rank, T)| {
        let mut nth = 1;
        if rank.cost.is_other {
            let bearers = bearers.entry(rank.words).or_default();
            *bearers += 1;
            nth = *bearers;
        }
        ((rank.cost.slips, nth, rank.cost, rank.is_gone), hit)
    };
    let mut placed: Vec<_> = hits.into_iter().map(place).collect();
    placed.sort_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, hit)| hit).collect()
}

/// Where a word of a person stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    GivenName,
    Surname,
    Place,
    Number,
}

const ROLES: usize = 4;

/// More than the letters of a name may cost: a place that is typed right comes behind names that sound
/// or begin so, and before names with a slip.
const PLACE: u32 = 9;

/// A middle name comes behind a surname that fits as well.
const MIDDLE_NAME: u32 = 1;

/// Words in one that stand apart, or apart that stand in one, are not letter for letter.
const LEAST_IN_ONE: u32 = Fit::Unaccented.cost();

/// What it costs that words which a hyphen joins stand without it, and that they do not stand so.
const NO_HYPHEN: u32 = 1;
const OTHER_ORDER: u32 = 3;

impl Cost {
    fn new(fit: Fit, more: u32) -> Self {
        // Sounds cost something, but nobody was mistaken.
        Self {
            slips: fit.reach().max(Reach::Sounds),
            sum: fit.cost() + more,
            is_other: !matches!(fit, Fit::Exact | Fit::Unaccented),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            slips: self.slips.max(other.slips),
            sum: self.sum + other.sum,
            is_other: self.is_other || other.is_other,
        }
    }
}

/// How one word of somebody fits each word of the question.
struct Fits {
    /// What tells the word from others.
    number: usize,
    /// The typed words, by token.
    typed: Box<[Option<Fit>]>,
    /// Those that are typed in two or three.
    joined: Box<[Option<Fit>]>,
    /// Where in a token's sounds this word ends when it begins them; 0 when it does not.
    begun: Box<[usize]>,
}

/// Grades one person after another. How a word fits is found out once.
pub struct Grades<'t> {
    text: &'t Text,
    words: &'t [Option<Typed>],
    known: HashMap<Box<str>, Rc<Fits>>,
}

impl<'t> Grades<'t> {
    /// For a question and its words.
    pub fn new(text: &'t Text, words: &'t [Option<Typed>]) -> Self {
        Self {
            text,
            words,
            known: HashMap::new(),
        }
    }

    /// How well a view fits; `None` when a word does not.
    pub fn rank(&mut self, view: &View<'_>, meter: &mut Meter) -> Result<Option<Rank>, Damaged> {
        let tokens = self.text.tokens.len();
        let text = self.text;
        let mut grader = Grader {
            grades: self,
            meter,
            costs: vec![[None; ROLES]; tokens],
            order: vec![OTHER_ORDER; tokens],
            is_gone: false,
            damaged: false,
        };
        view.walk(&text.fields, &mut grader)?;
        if grader.damaged {
            return Err(Damaged);
        }
        let best = grader.best();
        Ok(best.map(|(cost, words)| Rank {
            cost,
            is_gone: grader.is_gone,
            words,
        }))
    }

    fn fits(&mut self, word: &str) -> Rc<Fits> {
        if let Some(known) = self.known.get(word) {
            return Rc::clone(known);
        }
        let plain = skeleton(word);
        let fit = |typed: &Typed| typed.fit(word, &plain);
        let begun = |typed: &Typed| Part::new(typed.sounds(), 0).end_of(&plain);
        let words = self.words.iter().map(Option::as_ref);
        let fits = Rc::new(Fits {
            number: self.known.len() + 1,
            typed: words.clone().map(|word| word.and_then(fit)).collect(),
            joined: self.text.joined.iter().map(|it| fit(&it.typed)).collect(),
            begun: words
                .map(|word| word.and_then(begun).unwrap_or(0))
                .collect(),
        });
        self.known.insert(word.into(), Rc::clone(&fits));
        fits
    }
}

/// Grades what one view shows.
struct Grader<'g, 't> {
    grades: &'g mut Grades<'t>,
    meter: &'g mut Meter,
    /// What each token costs in each role; `None` where it does not fit.
    costs: Vec<[Option<Fitting>; ROLES]>,
    /// What the order of two tokens costs that a hyphen joins, by the first.
    order: Vec<u32>,
    is_gone: bool,
    damaged: bool,
}

impl Grader<'_, '_> {
    fn note(&mut self, at: usize, role: Role, cost: Cost, word: usize) {
        let fitting = Fitting { cost, word };
        let best = &mut self.costs[at][role as usize];
        *best = Some(best.map_or(fitting, |best| best.min(fitting)));
    }

    fn note_number(&mut self, is_it: impl Fn(&Number) -> bool) {
        for (at, token) in self.grades.text.tokens.iter().enumerate() {
            if matches!(token, Token::Number(number) if is_it(number)) {
                self.note(at, Role::Number, Cost::new(Fit::Exact, 0), 0);
            }
        }
    }

    /// The words of one text.
    fn words(&mut self, text: &str, role: Role, more: u32) {
        let words: Vec<&str> = swedish::words(text).collect();
        let fits: Vec<Rc<Fits>> = words.iter().map(|word| self.grades.fits(word)).collect();
        for (nth, fit) in fits.iter().enumerate() {
            let word = fit.number;
            for at in 0..fit.typed.len() {
                if let Some(fit) = fit.typed[at] {
                    self.note(at, role, Cost::new(fit, more), word);
                }
                if fit.begun[at] > 0
                    && let Some(fit) = self.apart(at, fit.begun[at], &words[nth..])
                {
                    self.note(at, role, Cost::new(fit, more), word);
                }
            }
            for (number, fit) in fit.joined.iter().enumerate() {
                if let Some(fit @ (Fit::Exact | Fit::Unaccented | Fit::Sound)) = *fit {
                    let cost = Cost::new(fit, 0);
                    let sum = cost.sum.max(LEAST_IN_ONE) + more;
                    self.in_one(number, role, Cost { sum, ..cost }, word);
                }
            }
        }
        self.order(text, &words, &fits);
    }

    /// Neighbouring tokens that are one word of the person.
    fn in_one(&mut self, number: usize, role: Role, cost: Cost, word: usize) {
        let Joined { from, many, .. } = self.grades.text.joined[number];
        for at in from..from + many {
            let sum = if at == from { cost.sum } else { 0 };
            self.note(at, role, Cost { sum, ..cost }, word);
            if at + 1 < from + many {
                self.order[at] = self.order[at].min(NO_HYPHEN);
            }
        }
    }

    /// Whether a token is made of the first of these words and of those behind it, in one.
    fn apart(&self, at: usize, begun: usize, words: &[&str]) -> Option<Fit> {
        let typed = self.grades.words[at].as_ref()?;
        let sounds = typed.sounds();
        let mut end = begun;
        for (nth, word) in words.iter().enumerate().skip(1).take(MOST_PARTS - 1) {
            end = Part::new(sounds, end).end_of(&skeleton(word))?;
            if end == sounds.len() {
                let is_spelt = words[..=nth].concat() == typed.folded();
                return Some(if is_spelt {
                    Fit::Unaccented
                } else {
                    Fit::Sound
                });
            }
        }
        None
    }

    /// Whether tokens that a hyphen joins stand one behind the other.
    fn order(&mut self, text: &str, words: &[&str], fits: &[Rc<Fits>]) {
        for (at, token) in self.grades.text.tokens.iter().enumerate() {
            if !token.word().is_some_and(|word| word.hyphen) {
                continue;
            }
            for (nth, pair) in fits.windows(2).enumerate() {
                let is_it = pair[0].typed[at].is_some()
                    && pair[1].typed.get(at + 1).is_some_and(Option::is_some);
                if is_it {
                    let with_hyphen = text.contains(&format!("{}-{}", words[nth], words[nth + 1]));
                    let cost = if with_hyphen { 0 } else { NO_HYPHEN };
                    self.order[at] = self.order[at].min(cost);
                }
            }
        }
    }

    /// What all tokens cost at best, and which words they are.
    fn best(&self) -> Option<(Cost, Box<[usize]>)> {
        const ANYWHERE: &[Role] = &[Role::GivenName, Role::Surname, Role::Place, Role::Number];
        if !self.grades.text.has_comma {
            return self.sum(|_| ANYWHERE);
        }
        // Surname, given name; the surname may stand beside a place.
        let is_surname = |(at, token): (usize, &Token)| {
            let is_first = token.word().is_some_and(|word| word.commas == 0);
            is_first && self.costs[at][Role::Surname as usize].is_some()
        };
        let has_surname = self.grades.text.tokens.iter().enumerate().any(is_surname);
        let name = has_surname.then(|| {
            self.sum(|commas| match commas {
                0 => &[Role::Surname, Role::Place],
                1 => &[Role::GivenName],
                _ => ANYWHERE,
            })
        });
        // Or the comma parts a name or a street from a place.
        let place = self.sum(|commas| match commas {
            1 => &[Role::Place],
            _ => ANYWHERE,
        });
        [name.flatten(), place].into_iter().flatten().min()
    }

    /// What all tokens cost where words may only stand in the roles that follow from the commas
    /// before them.
    fn sum(&self, roles: impl Fn(usize) -> &'static [Role]) -> Option<(Cost, Box<[usize]>)> {
        let mut all = Cost::new(Fit::Exact, 0);
        let mut words = Vec::with_capacity(self.costs.len());
        for (at, token) in self.grades.text.tokens.iter().enumerate() {
            let fitting = match token {
                Token::Number(_) => self.costs[at][Role::Number as usize],
                Token::Word(word) => {
                    let roles = roles(word.commas).iter();
                    let costs = roles.filter_map(|role| self.costs[at][*role as usize]);
                    let order = if word.hyphen { self.order[at] } else { 0 };
                    costs.min().map(|mut fitting| {
                        fitting.cost.sum += order;
                        fitting
                    })
                }
            }?;
            all = all.and(fitting.cost);
            words.push(fitting.word);
        }
        Some((all, words.into_boxed_slice()))
    }

    fn text(&mut self, index: Index, text: &str) {
        let folded = swedish::fold(text);
        let (role, more) = match index {
            Index::GivenName => (Role::GivenName, 0),
            Index::Surname => (Role::Surname, 0),
            Index::MiddleName => (Role::Surname, MIDDLE_NAME),
            Index::PostalCode => {
                let code = folded.parse().ok();
                self.note_number(|number| code.is_some() && code == number.postal_code);
                return;
            }
            _ => (Role::Place, PLACE),
        };
        for word in swedish::words(&folded) {
            self.note_number(|number| number.text == word);
        }
        self.words(&folded, role, more);
    }
}

impl Visitor for Grader<'_, '_> {
    fn open(&mut self, _: Field) {}

    fn close(&mut self, _: Field) {}

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        let index = Index::of(field);
        if let Some(Index::Deregistration | Index::DeregistrationDate) = index {
            self.is_gone = true;
            return;
        }
        match value {
            ValueRef::Text(text) => {
                let text_of_question = self.grades.text;
                let held_against = text_of_question.tokens.len() + text_of_question.joined.len();
                self.meter
                    .charge(work::typed(text.xml().len(), held_against));
                if self.meter.is_over() {
                    return;
                }
                match (index, text.plain()) {
                    (Some(index), Ok(text)) => self.text(index, &text),
                    (None, Ok(_)) => {}
                    (_, Err(_)) => self.damaged = true,
                }
            }
            ValueRef::PartialDate(date) => {
                let day = date.number();
                let within = |&(from, to): &(u32, u32)| from <= day && day <= to;
                self.note_number(|number| number.born.iter().any(within));
            }
            ValueRef::Identity(identity) => {
                let holds = |(from, to): &(Identity, Identity)| (*from..=*to).contains(&identity);
                self.note_number(|number| number.identities.iter().any(holds));
            }
            _ => {}
        }
    }
}

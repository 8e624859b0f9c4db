//! A query held against views. What a query needs of every record is worked out once; a record is
//! then one walk over its values, without memory of its own.
//!
//! Knowledge has three values. What the view hides is unknown, and so is the opposite of unknown: a
//! record is found only by what its view shows, whether the query asks for a value, for another
//! one, or for none.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Bound, Condition, Predicate, Query, Test};
use crate::base::{limits, swedish};
use crate::person::field::{Field, FieldMask};
use crate::person::identity::Formats;
use crate::person::keys::{Index, Shape};
use crate::person::record::Damaged;
use crate::person::schema::Kind;
use crate::person::value::{Escaped, ValueRef};
use crate::person::view::{View, Visitor};
use crate::query::work::{self, Budget, Meter, Weight, Work};

/// Whether one word of the field's text passes for the whole: names of several parts.
pub fn by_words(field: Field) -> bool {
    Index::of(field).is_some_and(|index| index.row().shape == Shape::Words)
}

/// A query made ready to be held against many views.
pub struct Matcher {
    formats: Formats,
    predicates: Vec<Predicate>,
    tree: Tree,
    /// The repeating group of which one entry must do.
    entry: Option<Field>,
    /// What the predicates outside the entry need, and those inside; the first only without entry.
    needs: [FieldMask; 2],
    /// By number of a field, which places of `asked` are its predicates.
    by_field: Vec<(usize, usize)>,
    asked: Vec<usize>,
    /// What each predicate costs to ask, and the whole to judge.
    weights: Vec<Weight>,
    judged: Work,
}

/// The condition over numbers of predicates.
enum Tree {
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
    Is(usize),
}

impl Tree {
    fn nodes(&self) -> usize {
        match self {
            Self::All(terms) | Self::Any(terms) => 1 + terms.iter().map(Self::nodes).sum::<usize>(),
            Self::Not(term) => 1 + term.nodes(),
            Self::Is(_) => 1,
        }
    }
}

const WORDS: usize = limits::QUERY_PREDICATES.div_ceil(64);

/// Which predicates hold.
#[derive(Clone, Copy, Default)]
struct Held([u64; WORDS]);

impl Held {
    const fn has(&self, predicate: usize) -> bool {
        self.0[predicate / 64] >> (predicate % 64) & 1 == 1
    }

    const fn insert(&mut self, predicate: usize) {
        self.0[predicate / 64] |= 1 << (predicate % 64);
    }
}

impl Matcher {
    /// Makes a query ready.
    pub fn new(query: &Query, formats: &Formats) -> Self {
        let mut predicates = Vec::new();
        let tree = number(&query.condition, &mut predicates);
        let weigh = |it: &Predicate| Weight::of(&it.test, by_words(it.field));
        let weights = predicates.iter().map(weigh).collect();
        let judged = work::judged(tree.nodes());
        let entry = innermost_entry(query.root);
        let inside = |field: Field| entry.is_some_and(|entry| entry.contains(field));
        let mut needs = [FieldMask::NONE; 2];
        let mut by_field = Vec::with_capacity(Field::COUNT);
        let mut asked = Vec::new();
        for field in Field::all() {
            let from = asked.len();
            let about = predicates.iter().enumerate();
            asked.extend(about.filter_map(|(place, predicate)| {
                let within = predicate.field.contains(field) && field.kind() != Kind::Group;
                if within {
                    needs[usize::from(inside(predicate.field))].insert(field);
                }
                within.then_some(place)
            }));
            by_field.push((from, asked.len()));
        }
        if let Some(entry) = entry {
            needs[1].insert(entry);
        }
        Self {
            formats: formats.clone(),
            predicates,
            tree,
            entry,
            needs,
            by_field,
            asked,
            weights,
            judged,
        }
    }

    /// What one record is reckoned to cost before it is seen.
    pub fn usual_work(&self) -> Work {
        let asked = self.predicates.iter().zip(&self.weights);
        let asked = asked.map(|(predicate, weight)| weight.usual(predicate.field));
        work::records(1) + self.judged + asked.sum::<Work>()
    }

    /// Whether the view is among what the query asks for.
    pub fn matches(&self, view: &View<'_>) -> Result<bool, Damaged> {
        self.matches_within(view, &mut Meter::new(Budget::Whole))
    }

    /// The same, charged to a meter. When that is over, the answer means nothing.
    pub fn matches_within(&self, view: &View<'_>, meter: &mut Meter) -> Result<bool, Damaged> {
        let mut walk = Walk {
            meter,
            matcher: self,
            mask: view.mask(),
            outside: Held::default(),
            inside: Held::default(),
            counts_inside: false,
            found: false,
            damaged: false,
        };
        if self.needs[0] != FieldMask::NONE {
            view.walk(&self.needs[0], &mut walk)?;
        }
        if self.entry.is_some() && !walk.damaged {
            walk.counts_inside = true;
            view.walk(&self.needs[1], &mut walk)?;
        } else {
            walk.found = walk.judge();
        }
        if walk.damaged {
            return Err(Damaged);
        }
        Ok(walk.found)
    }
}

fn passes(predicate: &Predicate, value: &Seen<'_>) -> bool {
    match (&predicate.test, value) {
        (Test::Present, _) => true,
        (Test::Within(spans), Seen::Number(number) | Seen::Identity(number, _)) => {
            lies_in(spans, *number)
        }
        (Test::Within(spans), Seen::Text(text)) => {
            text.parse().is_ok_and(|number| lies_in(spans, number))
        }
        (Test::Like(pattern), Seen::Identity(_, text)) => pattern.holds(text),
        (test, Seen::Text(text)) => {
            passes_text(test, text)
                || by_words(predicate.field)
                    && matches!(test, Test::OneOf(_) | Test::Like(_))
                    && swedish::words(text).any(|word| passes_text(test, word))
        }
        _ => false,
    }
}

fn lies_in(spans: &[(i64, i64)], number: i64) -> bool {
    let at = spans.partition_point(|(_, last)| *last < number);
    spans.get(at).is_some_and(|(first, _)| *first <= number)
}

fn passes_text(test: &Test, text: &str) -> bool {
    match test {
        Test::OneOf(texts) => texts.binary_search_by(|it| it.as_str().cmp(text)).is_ok(),
        Test::Differs(from) => from != text,
        Test::Like(pattern) => pattern.holds(text),
        Test::Between(from, to) => {
            let within = |bound: &Option<Bound>, outside: Ordering| {
                bound.as_ref().is_none_or(|bound| {
                    let order = swedish::compare(text, &bound.text);
                    order != outside && (bound.inclusive || order != Ordering::Equal)
                })
            };
            within(from, Ordering::Less) && within(to, Ordering::Greater)
        }
        Test::Present | Test::Within(_) => false,
    }
}

fn number(condition: &Condition, predicates: &mut Vec<Predicate>) -> Tree {
    let mut all = |terms: &[Condition]| -> Vec<Tree> {
        terms.iter().map(|term| number(term, predicates)).collect()
    };
    match condition {
        Condition::All(terms) => Tree::All(all(terms)),
        Condition::Any(terms) => Tree::Any(all(terms)),
        Condition::Not(term) => Tree::Not(Box::new(number(term, predicates))),
        Condition::Is(predicate) => {
            predicates.push(predicate.clone());
            Tree::Is(predicates.len() - 1)
        }
    }
}

/// The innermost repeating group that the root is, or lies in.
pub(super) fn innermost_entry(root: Field) -> Option<Field> {
    (1..=root.info().depth)
        .rev()
        .map(|depth| root.ancestor(depth))
        .find(|group| group.repeats())
}

/// A value in the form it is compared in.
enum Seen<'v> {
    Number(i64),
    Identity(i64, &'v str),
    Text(&'v str),
}

impl Seen<'_> {
    const fn bytes(&self) -> usize {
        match self {
            Self::Number(_) => 0,
            Self::Identity(_, text) | Self::Text(text) => text.len(),
        }
    }
}

/// One walk through one view.
struct Walk<'m> {
    meter: &'m mut Meter,
    matcher: &'m Matcher,
    mask: &'m FieldMask,
    outside: Held,
    inside: Held,
    /// Whether this is the walk through the entries.
    counts_inside: bool,
    found: bool,
    damaged: bool,
}

impl Walk<'_> {
    fn judge(&mut self) -> bool {
        self.meter.charge(self.matcher.judged);
        self.truth(&self.matcher.tree) == Some(true)
    }

    fn truth(&self, tree: &Tree) -> Option<bool> {
        match tree {
            Tree::All(terms) => self.until(terms, false),
            Tree::Any(terms) => self.until(terms, true),
            Tree::Not(term) => self.truth(term).map(|truth| !truth),
            Tree::Is(predicate) => {
                let shown = self.mask.has(self.matcher.predicates[*predicate].field);
                shown.then(|| self.inside.has(*predicate) || self.outside.has(*predicate))
            }
        }
    }

    /// `decides` as soon as one term is that; else unknown if one is; else the opposite.
    fn until(&self, terms: &[Tree], decides: bool) -> Option<bool> {
        let mut truth = Some(!decides);
        for term in terms {
            match self.truth(term) {
                Some(term) if term == decides => return Some(decides),
                Some(_) => {}
                None => truth = None,
            }
        }
        truth
    }

    /// Notes which of the field's predicates the value passes.
    fn see(&mut self, field: Field, value: &Seen<'_>) {
        let matcher = self.matcher;
        let (from, to) = matcher.by_field[usize::from(field.number())];
        for &place in &matcher.asked[from..to] {
            let predicate = &matcher.predicates[place];
            let is_inside = matcher
                .entry
                .is_some_and(|entry| entry.contains(predicate.field));
            if is_inside != self.counts_inside {
                continue;
            }
            let held = if is_inside {
                &mut self.inside
            } else {
                &mut self.outside
            };
            if held.has(place) {
                continue;
            }
            self.meter
                .charge(matcher.weights[place].asked(value.bytes()));
            if self.meter.is_over() {
                return;
            }
            if passes(predicate, value) {
                held.insert(place);
            }
        }
    }

    fn see_text(&mut self, field: Field, text: Escaped<'_>) -> Result<(), Damaged> {
        const SHORT: usize = 160;
        let bytes = text.xml();
        self.meter.charge(work::value(bytes.len()));
        if bytes.len() <= SHORT && bytes.is_ascii() && !bytes.contains(&b'&') {
            let mut short = [0; SHORT];
            let short = &mut short[..bytes.len()];
            short.copy_from_slice(bytes);
            short.make_ascii_lowercase();
            let folded = std::str::from_utf8(short).map_err(|_| Damaged)?;
            self.see(field, &Seen::Text(folded));
            return Ok(());
        }
        let plain = if bytes.contains(&b'&') {
            text.plain()?
        } else {
            Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| Damaged)?)
        };
        self.see(field, &Seen::Text(&swedish::fold(&plain)));
        Ok(())
    }
}

impl Visitor for Walk<'_> {
    fn open(&mut self, group: Field) {
        if self.matcher.entry == Some(group) {
            self.inside = Held::default();
        }
    }

    fn close(&mut self, group: Field) {
        if self.counts_inside && self.matcher.entry == Some(group) {
            self.found = self.found || self.judge();
        }
    }

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        if self.found || self.meter.is_over() {
            return;
        }
        let number = match value {
            ValueRef::Text(text) => {
                self.damaged |= self.see_text(field, text).is_err();
                return;
            }
            ValueRef::Identity(identity) => {
                let text = self.matcher.formats.text(identity);
                let mut bytes = [0; crate::person::format::MAX_LEN];
                let text = text.as_ref().map_or(&[][..], |text| text.as_bytes());
                let bytes = &mut bytes[..text.len()];
                bytes.copy_from_slice(text);
                bytes.make_ascii_lowercase();
                let text = std::str::from_utf8(bytes).unwrap_or("");
                self.see(field, &Seen::Identity(identity.key().cast_signed(), text));
                return;
            }
            ValueRef::Boolean(truth) => i64::from(truth),
            ValueRef::Date(date) | ValueRef::PartialDate(date) => i64::from(date.number()),
            ValueRef::Timestamp(at) => at.number().cast_signed(),
            ValueRef::DateTime(at) => at.instant(),
        };
        self.see(field, &Seen::Number(number));
    }
}

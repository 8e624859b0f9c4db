//! What a question costs, and how much it may. The planner reckons it beforehand, and a meter counts
//! it while a search runs; both by the same table. What is charged depends on the question and on
//! what views show, never on what they hide.

use super::simple::{Part, Pattern, Test};
use crate::person::field::Field;

/// Work, in units of about a nanosecond on the machine that the table was measured on.
pub type Work = u64;

/// The table. Measured with an unoptimised build (`opt-level = 1`, 2026-11-30) and rounded: its
/// proportions matter, not the last digit.
mod costs {
    use super::Work;

    /// Reading an index entry.
    pub(super) const ENTRY: Work = 2;
    /// Finding a range of keys in an index.
    pub(super) const RANGE: Work = 600;
    /// Finding a record and walking through it.
    pub(super) const RECORD: Work = 350;
    /// Making a value comparable, without its length.
    pub(super) const VALUE: Work = 20;
    /// A byte of text made comparable.
    pub(super) const BYTE: Work = 1;
    /// Asking a condition of a value, whatever it asks.
    pub(super) const CONDITION: Work = 12;
    /// One halving of a sorted list.
    pub(super) const HALVING: Work = 4;
    /// A byte of text held against one end of a range, in Swedish order.
    pub(super) const ORDER: Work = 2;
    /// A byte of text held against a pattern or a list.
    pub(super) const FORM: Work = 2;
    /// Bytes of a pattern's literal that are compared as fast as one step is made.
    pub(super) const STRIDE: Work = 16;
    /// A node of the condition's tree, each time the whole is judged.
    pub(super) const JUDGED: Work = 3;
    /// A byte of text held against one typed word.
    pub(super) const TYPED: Work = 5;
}

/// Bytes that a text is taken for before it is seen.
const USUAL_BYTES: Work = 16;

/// Values that a field is taken to have before it is seen.
const USUAL_VALUES: Work = 2;

/// How much a search may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Budget {
    /// What takes no longer than a moment: on a thread where others wait.
    AtOnce,
    /// As much as any search may.
    Whole,
}

impl Budget {
    /// The most that may be charged.
    pub const fn most(self) -> Work {
        match self {
            Self::AtOnce => crate::base::limits::WORK_AT_ONCE,
            Self::Whole => crate::base::limits::WORK_PER_SEARCH,
        }
    }
}

/// What a search has cost so far.
#[derive(Clone, Debug)]
pub struct Meter {
    budget: Budget,
    spent: Work,
}

/// More than the budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spent(pub Budget);

impl Meter {
    /// Nothing spent yet.
    pub const fn new(budget: Budget) -> Self {
        Self { budget, spent: 0 }
    }

    /// Charges work, done or to be done.
    pub const fn charge(&mut self, work: Work) {
        self.spent = self.spent.saturating_add(work);
    }

    /// Whether more was charged than the budget has: time to stop.
    pub const fn is_over(&self) -> bool {
        self.spent > self.budget.most()
    }

    /// An error when more was charged than the budget has.
    pub const fn check(&self) -> Result<(), Spent> {
        if self.is_over() {
            Err(Spent(self.budget))
        } else {
            Ok(())
        }
    }

    /// What was charged.
    pub const fn spent(&self) -> Work {
        self.spent
    }
}

/// Reading index entries.
pub const fn entries(count: u64) -> Work {
    count.saturating_mul(costs::ENTRY)
}

/// Finding ranges of keys.
pub const fn ranges(count: u64) -> Work {
    count.saturating_mul(costs::RANGE)
}

/// Looking at records, before anything is asked of them.
pub const fn records(count: u64) -> Work {
    count.saturating_mul(costs::RECORD)
}

/// Making a text of so many bytes comparable.
pub const fn value(bytes: usize) -> Work {
    costs::VALUE + costs::BYTE * bytes as Work
}

/// Holding a text of so many bytes against typed words.
pub const fn typed(bytes: usize, words: usize) -> Work {
    value(bytes) + costs::TYPED * (bytes as Work + 1) * words as Work
}

/// Judging a condition of so many nodes.
pub const fn judged(nodes: usize) -> Work {
    costs::JUDGED * nodes as Work
}

/// What asking one condition of one value costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    fixed: Work,
    byte: Work,
}

impl Weight {
    /// The weight of a test; `by_words` when each word of a text is tested too.
    pub fn of(test: &Test, by_words: bool) -> Self {
        let halvings =
            |rows: usize| costs::HALVING * Work::from(usize::BITS - rows.leading_zeros());
        let (fixed, byte) = match test {
            Test::Present | Test::Differs(_) => (0, 0),
            Test::Within(spans) => (halvings(spans.len()), 0),
            Test::OneOf(texts) => (halvings(texts.len()), costs::FORM),
            Test::Between(from, to) => {
                let ends = Work::from(from.is_some()) + Work::from(to.is_some());
                (0, ends * costs::ORDER)
            }
            Test::Like(pattern) => (0, costs::FORM * tries(pattern)),
        };
        let times = if by_words { 2 } else { 1 };
        Self {
            fixed: (costs::CONDITION + fixed) * times,
            byte: byte * times,
        }
    }

    /// Asking it of a value of so many bytes.
    pub const fn asked(self, bytes: usize) -> Work {
        self.fixed + self.byte.saturating_mul(bytes as Work)
    }

    /// Asking it of a field, before its values are seen.
    pub fn usual(self, field: Field) -> Work {
        let mut values = 1;
        for depth in 1..=field.info().depth {
            if field.ancestor(depth).repeats() {
                values *= USUAL_VALUES;
            }
        }
        let asked = self.fixed + self.byte.saturating_mul(USUAL_BYTES);
        values * (asked + costs::VALUE + costs::BYTE * USUAL_BYTES)
    }
}

/// How often each byte of a text may be looked at: the longest piece between two runs may be tried
/// from every place.
fn tries(pattern: &Pattern) -> Work {
    let pieces = pattern.parts.split(|part| *part == Part::Run);
    let longest = pieces.map(|piece| {
        let bytes = piece.iter().map(|part| match part {
            Part::Literal(text) => text.len() as Work,
            Part::One | Part::Run => 0,
        });
        piece.len() as Work + bytes.sum::<Work>() / costs::STRIDE
    });
    1 + longest.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::identity::Formats;
    use crate::query::simple::{Condition, Query};

    fn weight(condition: &str) -> Weight {
        let text = format!("FROM PersonRecord WHERE {condition}");
        match Query::parse(&text, &Formats::standard()).unwrap().condition {
            Condition::Is(predicate) => Weight::of(&predicate.test, false),
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_condition_weighs_by_what_it_asks_and_how_much_it_says() {
        let city = "addressInformation.residentialAddress.city";
        let plain = weight(&format!("{city} = 'x'")).asked(10);
        let like = weight(&format!("{city} LIKE '%berg%'")).asked(10);
        let hostile = weight(&format!("{city} LIKE '%a_a_a_a_a_a_a_a%'")).asked(10);
        let order = weight(&format!("{city} BETWEEN 'a' AND 'b'")).asked(10);
        assert!(plain < like && like < hostile && plain < order);
        let list = (0..500).map(|it| format!("'{it}'")).collect::<Vec<_>>();
        let list = weight(&format!("{city} IN ({})", list.join(", "))).asked(10);
        assert!(plain < list && list < 10 * plain);
        assert!(weight("gender = '1'").asked(1) <= plain);
    }

    #[test]
    fn a_meter_is_over_when_more_is_spent_than_there_was() {
        let mut meter = Meter::new(Budget::AtOnce);
        meter.charge(Budget::AtOnce.most());
        assert_eq!(meter.check(), Ok(()));
        meter.charge(1);
        assert_eq!(meter.check(), Err(Spent(Budget::AtOnce)));
        meter.charge(Work::MAX);
        assert_eq!(meter.spent(), Work::MAX);
    }
}

//! Whether a word is what somebody typed: in full, as the word's beginning, without its dots and
//! accents, or with one slip of the fingers (a letter wrong, missing, too many, or two swapped).
//!
//! One automaton decides, over the bytes of the word's [`skeleton`]: it walks the dictionary of all
//! words without visiting those that cannot match, and it grades the words of one record, so that
//! the two never disagree.

use crate::base::swedish::skeleton;

/// Letters from which on a slip is forgiven: in a shorter word it would be another word.
const FORGIVING: usize = 4;

/// Letters from which on a slip is forgiven in a beginning too.
const FORGIVING_BEGINNING: usize = 6;

/// Bytes of a typed word that are looked at; the rest is taken for typed right.
const LONGEST: usize = 60;

/// How well a word fits, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fit {
    /// Letter for letter.
    Exact,
    /// But for dots and accents.
    Unaccented,
    /// It begins so.
    Beginning,
    /// But for one slip.
    Slip,
    /// It begins so, but for one slip.
    SlippedBeginning,
}

impl Fit {
    /// What the fit costs in the ranking.
    pub const fn cost(self) -> u32 {
        match self {
            Self::Exact => 0,
            Self::Unaccented => 1,
            Self::Beginning => 3,
            Self::Slip => 5,
            Self::SlippedBeginning => 8,
        }
    }
}

/// A typed word.
#[derive(Clone)]
pub struct Typed {
    folded: String,
    bytes: Vec<u8>,
    /// For each byte, the positions where it stands.
    places: Box<[u64; 256]>,
    slips: bool,
    slipped_beginning: bool,
}

/// Where the automaton is: sets of positions in the typed word, one bit each.
#[derive(Clone, Copy, Default)]
pub struct Position {
    /// Reached without a slip.
    right: u64,
    /// Reached with one.
    slipped: u64,
    /// The first of two swapped letters was just read as the second.
    swapping: u64,
    /// All of the typed word was read without a slip.
    beginning: bool,
    /// All of it was read with one slip.
    slipped_beginning: bool,
    /// The word has ended.
    ended: Option<Fit>,
}

impl Typed {
    /// From a folded word.
    pub fn new(folded: &str) -> Self {
        let plain = skeleton(folded);
        let letters = plain.chars().count();
        let mut bytes = plain.as_bytes().to_vec();
        bytes.truncate(LONGEST);
        let mut places = Box::new([0; 256]);
        for (at, &byte) in bytes.iter().enumerate() {
            places[usize::from(byte)] |= 1_u64 << at;
        }
        Self {
            places,
            folded: folded.to_owned(),
            bytes,
            slips: letters >= FORGIVING,
            slipped_beginning: letters >= FORGIVING_BEGINNING,
        }
    }

    /// How a folded word fits.
    pub fn fit(&self, word: &str) -> Option<Fit> {
        if word == self.folded {
            return Some(Fit::Exact);
        }
        let mut at = self.start();
        for &byte in skeleton(word).as_bytes() {
            at = self.step(at, byte);
            if !self.is_alive(&at) {
                return None;
            }
        }
        self.end(at).ended
    }

    /// The beginning of `text` that is the whole typed word but for dots and accents, when every
    /// text that begins so fits.
    pub fn beginning_of<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        let text = std::str::from_utf8(text).ok()?;
        let letters = self.folded.chars().count();
        let end = text
            .char_indices()
            .nth(letters)
            .map_or(text.len(), |(at, _)| at);
        let lead = text.get(..end)?;
        (skeleton(lead).as_bytes() == self.bytes).then_some(lead.as_bytes())
    }

    fn start(&self) -> Position {
        Position {
            right: 1,
            beginning: self.bytes.is_empty(),
            ..Position::default()
        }
    }

    fn step(&self, at: Position, byte: u8) -> Position {
        let here = self.places[usize::from(byte)];
        let right = (at.right & here) << 1;
        let mut next = Position {
            right,
            beginning: at.beginning || right >> self.bytes.len() & 1 == 1,
            slipped_beginning: at.slipped_beginning,
            ..Position::default()
        };
        if self.slips {
            let wrong = at.right << 1;
            let too_many = at.right;
            let missing = (at.right << 1 & here) << 1;
            let swapped = (at.swapping & here) << 2;
            next.slipped = (at.slipped & here) << 1 | wrong | too_many | missing | swapped;
            next.swapping = at.right & here >> 1;
            next.slipped_beginning |=
                self.slipped_beginning && next.slipped >> self.bytes.len() & 1 == 1;
        }
        next
    }

    fn end(&self, mut at: Position) -> Position {
        let whole = 1_u64 << self.bytes.len();
        let but_last = self.slips && at.right & whole >> 1 != 0;
        at.ended = if at.right & whole != 0 {
            Some(Fit::Unaccented)
        } else if at.beginning {
            Some(Fit::Beginning)
        } else if at.slipped & whole != 0 || but_last {
            Some(Fit::Slip)
        } else if at.slipped_beginning {
            Some(Fit::SlippedBeginning)
        } else {
            None
        };
        at
    }

    fn is_alive(&self, at: &Position) -> bool {
        let within = (1_u64 << (self.bytes.len() + 1)) - 1;
        at.beginning || at.slipped_beginning || (at.right | at.slipped | at.swapping) & within != 0
    }
}

/// Over the dictionary: a word's skeleton, a zero, and what it stands for.
impl fst::Automaton for Typed {
    type State = Position;

    fn start(&self) -> Position {
        Self::start(self)
    }

    fn is_match(&self, at: &Position) -> bool {
        at.ended.is_some()
    }

    fn can_match(&self, at: &Position) -> bool {
        at.ended.is_some() || self.is_alive(at)
    }

    fn accept(&self, at: &Position, byte: u8) -> Position {
        match (at.ended, byte) {
            (Some(_), _) => *at,
            (None, 0) => {
                let end = self.end(*at);
                if end.ended.is_some() {
                    end
                } else {
                    Position::default()
                }
            }
            (None, byte) => self.step(*at, byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fit(typed: &str, word: &str) -> Option<Fit> {
        Typed::new(typed).fit(word)
    }

    #[test]
    fn words_fit_as_people_type_them() {
        for (typed, word, expected) in [
            ("svensson", "svensson", Some(Fit::Exact)),
            ("akesson", "åkesson", Some(Fit::Unaccented)),
            ("åkesson", "akesson", Some(Fit::Unaccented)),
            ("rené", "rene", Some(Fit::Unaccented)),
            ("svens", "svensson", Some(Fit::Beginning)),
            ("ake", "åkesson", Some(Fit::Beginning)),
            ("svenson", "svensson", Some(Fit::Slip)),
            ("svennsson", "svensson", Some(Fit::Slip)),
            ("svemsson", "svensson", Some(Fit::Slip)),
            ("svesnson", "svensson", Some(Fit::Slip)),
            ("vsensson", "svensson", Some(Fit::Slip)),
            ("svensso", "svensson", Some(Fit::Beginning)),
            ("svenssonn", "svensson", Some(Fit::Slip)),
            ("stokhol", "stockholm", Some(Fit::SlippedBeginning)),
            ("svesson", "svenssen", None),
            ("eva", "ava", None),
            ("eva", "evelina", None),
            ("anna", "hanna", Some(Fit::Slip)),
            ("anna", "ann", Some(Fit::Slip)),
            ("an", "anna", Some(Fit::Beginning)),
            ("annna", "annika", None),
        ] {
            assert_eq!(fit(typed, word), expected, "{typed} {word}");
        }
        assert_eq!(fit(&"ö".repeat(80), &"ö".repeat(80)), Some(Fit::Exact));
        assert_eq!(fit(&"o".repeat(90), &"ö".repeat(90)), Some(Fit::Beginning));
    }

    /// Damerau's distance with adjacent swaps, written down as the recursion says.
    fn distance(a: &[u8], b: &[u8]) -> usize {
        let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                rows[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let differs = usize::from(a[i - 1] != b[j - 1]);
                    let mut least = (rows[i - 1][j] + 1)
                        .min(rows[i][j - 1] + 1)
                        .min(rows[i - 1][j - 1] + differs);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                };
            }
        }
        rows[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn a_slip_is_a_distance_of_one(typed in "[abc]{4,8}", word in "[abc]{1,10}") {
            let (t, w) = (typed.as_bytes(), word.as_bytes());
            let expected = if typed == word {
                Some(Fit::Exact)
            } else if word.starts_with(&typed) {
                Some(Fit::Beginning)
            } else if distance(t, w) <= 1 {
                Some(Fit::Slip)
            } else if t.len() >= FORGIVING_BEGINNING && (0..=w.len()).any(|end| distance(t, &w[..end]) <= 1 && end + 1 > t.len()) {
                Some(Fit::SlippedBeginning)
            } else {
                None
            };
            let found = fit(&typed, &word);
            // A beginning may end anywhere: the automaton sees the slip where the typed word ends.
            if found == Some(Fit::SlippedBeginning) || expected == Some(Fit::SlippedBeginning) {
                let some_beginning = (0..=w.len()).any(|end| distance(t, &w[..end]) <= 1);
                prop_assert!(t.len() >= FORGIVING_BEGINNING && some_beginning);
            } else {
                prop_assert_eq!(found, expected);
            }
        }
    }
}

//! Whether a word is what somebody typed: in full, without its dots and accents, by its sound, as
//! the word's beginning, or with a slip of the fingers or two (a letter wrong, missing, too many, or
//! two swapped).
//!
//! One automaton decides, over the bytes of the word's [`skeleton`] and over its [sounds](super::sound):
//! it walks the dictionary of all words without visiting those that cannot match, and it grades the
//! words of one record, so that the two never disagree.

use super::sound::{Ear, sound};
use crate::base::swedish::skeleton;

/// Letters from which on a slip is forgiven: in a shorter word it would be another word.
const FORGIVING: usize = 4;

/// Letters from which on a slip is forgiven in a beginning too.
const FORGIVING_BEGINNING: usize = 6;

/// Letters from which on two slips are forgiven.
const FORGIVING_TWICE: usize = 8;

/// Sounds from which on a slip is forgiven in how a word sounds: sounds are fewer than letters.
const FORGIVING_SOUNDS: usize = 5;

/// Letters from which on a word may begin as it sounds.
const SOUNDING_BEGINNING: usize = 4;

/// Bytes of a typed word that are looked at; the rest is taken for typed right.
const LONGEST: usize = 60;

/// How well a word fits, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fit {
    /// Letter for letter.
    Exact,
    /// But for dots and accents.
    Unaccented,
    /// It sounds so.
    Sound,
    /// It begins so.
    Beginning,
    /// It begins as that sounds.
    SoundBeginning,
    /// It sounds so but for the -son or -sen at its end.
    Ending,
    /// But for one slip.
    Slip,
    /// It begins so, but for one slip.
    SlippedBeginning,
    /// But for two slips, or for slips in how it sounds.
    Slips,
}

impl Fit {
    /// What the fit costs in the ranking.
    pub const fn cost(self) -> u32 {
        match self {
            Self::Exact => 0,
            Self::Unaccented => 2,
            Self::Sound => 4,
            Self::Beginning => 6,
            Self::SoundBeginning => 7,
            Self::Ending => 8,
            Self::Slip => 12,
            Self::SlippedBeginning => 18,
            Self::Slips => 24,
        }
    }

    /// How far somebody has to reach for it.
    pub const fn reach(self) -> Reach {
        match self {
            Self::Exact | Self::Unaccented | Self::Beginning => Reach::Letters,
            Self::Sound | Self::SoundBeginning | Self::Ending => Reach::Sounds,
            Self::Slip | Self::SlippedBeginning => Reach::Slip,
            Self::Slips => Reach::Slips,
        }
    }
}

/// How much is forgiven, each more than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reach {
    /// Case, dots and accents, and what is not typed yet.
    Letters,
    /// What sounds alike as well.
    Sounds,
    /// A slip as well.
    Slip,
    /// Two slips as well, and slips in what sounds alike.
    Slips,
}

/// A typed word, and how much is forgiven in it.
#[derive(Clone)]
pub struct Typed {
    folded: String,
    letters: usize,
    reach: Reach,
    spelt: Pattern,
    sounding: Pattern,
    /// Where an o and an e are the same: in the -son or -sen that it ends with.
    ending: u64,
}

/// Bytes that are looked for, 60 at most.
#[derive(Clone)]
struct Pattern {
    bytes: Vec<u8>,
    /// For each byte, the positions where it stands.
    places: Box<[u64; 256]>,
    /// Slips that are forgiven.
    slips: u8,
}

/// Where the search for a pattern is: sets of positions in it, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Places {
    /// Reached without a slip.
    right: u64,
    /// Reached with one.
    once: u64,
    /// Reached with two.
    twice: u64,
    /// The first of two swapped letters was just read as the second, without a slip before.
    swapping: u64,
    /// The same, with one before.
    swapping_again: u64,
    /// All of the pattern was read without a slip.
    read: bool,
    /// All of it was read with one.
    read_once: bool,
}

/// Where the automaton is.
#[derive(Clone, Copy, Default)]
pub struct Position {
    spelt: Places,
    sounding: Places,
    /// Sounds read right but for the ending.
    ending: u64,
    ear: Ear,
    /// The word has ended.
    ended: Option<Fit>,
}

impl Pattern {
    fn new(mut bytes: Vec<u8>, slips: u8) -> Self {
        bytes.truncate(LONGEST);
        let mut places = Box::new([0; 256]);
        for (at, &byte) in bytes.iter().enumerate() {
            places[usize::from(byte)] |= 1_u64 << at;
        }
        Self {
            bytes,
            places,
            slips,
        }
    }

    const fn whole(&self) -> u64 {
        1_u64 << self.bytes.len()
    }

    fn start(&self) -> Places {
        let mut at = Places {
            right: 1,
            ..Places::default()
        };
        if self.slips > 0 {
            at.once = 1 << 1;
        }
        if self.slips > 1 {
            at.twice = 1 << 2;
        }
        at
    }

    fn step(&self, at: &Places, byte: u8) -> Places {
        let here = self.places[usize::from(byte)];
        let mut next = Places {
            right: (at.right & here) << 1,
            ..*at
        };
        if self.slips > 0 {
            // One too many, one wrong, two swapped; and one left out behind what was read.
            next.once = (at.once & here) << 1
                | at.right
                | at.right << 1
                | (at.swapping & here) << 2
                | next.right << 1;
            next.swapping = at.right & here >> 1;
        }
        if self.slips > 1 {
            next.twice = (at.twice & here) << 1
                | at.once
                | at.once << 1
                | (at.swapping_again & here) << 2
                | next.once << 1;
            next.swapping_again = at.once & here >> 1;
        }
        next.read |= next.right & self.whole() != 0;
        next.read_once |= next.once & self.whole() != 0;
        next
    }

    const fn is_alive(&self, at: &Places) -> bool {
        let within = (self.whole() << 1) - 1;
        let reached = at.right | at.once | at.twice | at.swapping | at.swapping_again;
        reached & within != 0
    }
}

impl Typed {
    /// From a folded word.
    pub fn new(folded: &str, reach: Reach) -> Self {
        let plain = skeleton(folded);
        let letters = plain.chars().count();
        let sounds = sound(&plain);
        let ending = match &*sounds {
            [.., b's', b'o' | b'e', b'n'] if sounds.len() <= LONGEST => 1 << (sounds.len() - 2),
            _ => 0,
        };
        let slips = match reach {
            Reach::Letters | Reach::Sounds => 0,
            Reach::Slip | Reach::Slips if letters < FORGIVING => 0,
            Reach::Slips if letters >= FORGIVING_TWICE => 2,
            Reach::Slip | Reach::Slips => 1,
        };
        let slips_of_sound = match sounds.len() {
            _ if reach < Reach::Slips => 0,
            FORGIVING_TWICE.. => 2,
            FORGIVING_SOUNDS.. => 1,
            _ => 0,
        };
        Self {
            folded: folded.to_owned(),
            letters,
            reach,
            spelt: Pattern::new(plain.into_owned().into_bytes(), slips),
            sounding: Pattern::new(sounds, slips_of_sound),
            ending,
        }
    }

    /// The same word, and how much else is forgiven in it.
    pub fn within(&self, reach: Reach) -> Self {
        Self::new(&self.folded, reach)
    }

    /// The folded word.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Its sounds, as far as they are looked at.
    pub fn sounds(&self) -> &[u8] {
        &self.sounding.bytes
    }

    /// Whether reaching further may find other words.
    pub const fn is_forgiving(&self) -> bool {
        self.letters >= FORGIVING
    }

    /// How a folded word fits, whose skeleton is given beside it.
    pub fn fit(&self, word: &str, skeleton: &str) -> Option<Fit> {
        if word == self.folded {
            return Some(Fit::Exact);
        }
        let mut at = self.start();
        for &byte in skeleton.as_bytes() {
            at = self.step(&at, byte);
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
        (skeleton(lead).as_bytes() == self.spelt.bytes).then_some(lead.as_bytes())
    }

    fn start(&self) -> Position {
        Position {
            spelt: self.spelt.start(),
            sounding: self.sounding.start(),
            ending: 1,
            ..Position::default()
        }
    }

    fn step(&self, at: &Position, byte: u8) -> Position {
        let mut next = Position {
            spelt: self.spelt.step(&at.spelt, byte),
            ..*at
        };
        if self.reach >= Reach::Sounds {
            self.listen(&mut next, byte);
        }
        next
    }

    fn listen(&self, at: &mut Position, byte: u8) {
        for sound in at.ear.hear(byte) {
            if sound != 0 {
                let either = matches!(sound, b'o' | b'e');
                let here =
                    self.sounding.places[usize::from(sound)] | if either { self.ending } else { 0 };
                at.ending = (at.ending & here) << 1;
                at.sounding = self.sounding.step(&at.sounding, sound);
            }
        }
    }

    fn end(&self, mut at: Position) -> Position {
        let (spelt, sounding) = (self.spelt.whole(), self.sounding.whole());
        let sounds = self.reach >= Reach::Sounds && !self.sounding.bytes.is_empty();
        if sounds {
            self.listen(&mut at, 0);
        }
        at.ended = if at.spelt.right & spelt != 0 {
            Some(Fit::Unaccented)
        } else if sounds && at.sounding.right & sounding != 0 {
            Some(Fit::Sound)
        } else if at.spelt.read {
            Some(Fit::Beginning)
        } else if sounds && at.sounding.read && self.letters >= SOUNDING_BEGINNING {
            Some(Fit::SoundBeginning)
        } else if sounds && at.ending & sounding != 0 {
            Some(Fit::Ending)
        } else if at.spelt.once & spelt != 0 {
            Some(Fit::Slip)
        } else if at.spelt.read_once && self.letters >= FORGIVING_BEGINNING {
            Some(Fit::SlippedBeginning)
        } else if at.spelt.twice & spelt != 0
            || (at.sounding.once | at.sounding.twice) & sounding != 0
        {
            Some(Fit::Slips)
        } else {
            None
        };
        at
    }

    fn is_alive(&self, at: &Position) -> bool {
        at.spelt.read
            || at.spelt.read_once && self.letters >= FORGIVING_BEGINNING
            || self.spelt.is_alive(&at.spelt)
            || self.reach >= Reach::Sounds && self.may_sound(at)
    }

    fn may_sound(&self, at: &Position) -> bool {
        at.sounding.read && self.letters >= SOUNDING_BEGINNING
            || at.ending != 0
            || self.sounding.is_alive(&at.sounding)
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
            (None, byte) => self.step(at, byte),
        }
    }
}

/// Words that spell the sounds of a typed word from one place on, or a part of them: what a name is
/// made of that was typed in one.
#[derive(Clone)]
pub struct Part<'t> {
    sounds: &'t [u8],
    from: usize,
}

/// Where a [`Part`] is.
#[derive(Clone, Copy)]
pub struct PartAt {
    ear: Ear,
    /// Sounds that were read; `None` when one was another.
    read: Option<usize>,
    ended: bool,
}

/// Sounds that a part has at least.
const SHORTEST_PART: usize = 2;

impl<'t> Part<'t> {
    /// From one place on.
    pub const fn new(sounds: &'t [u8], from: usize) -> Self {
        Self { sounds, from }
    }

    /// Where the sounds of a word end that begin here; `None` when they are others, or too few.
    pub fn end_of(&self, skeleton: &str) -> Option<usize> {
        let mut at = self.begin();
        for byte in skeleton.bytes().chain([0]) {
            self.hear(&mut at, byte);
        }
        at.read.filter(|&end| end >= self.from + SHORTEST_PART)
    }

    fn begin(&self) -> PartAt {
        let last = self.from.checked_sub(1).and_then(|at| self.sounds.get(at));
        PartAt {
            ear: Ear::behind(last.copied().unwrap_or(0)),
            read: Some(self.from),
            ended: false,
        }
    }

    fn hear(&self, at: &mut PartAt, byte: u8) {
        for sound in at.ear.hear(byte) {
            if sound != 0 {
                let is_it = |at: &usize| self.sounds.get(*at) == Some(&sound);
                at.read = at.read.filter(is_it).map(|at| at + 1);
            }
        }
    }
}

impl fst::Automaton for Part<'_> {
    type State = PartAt;

    fn start(&self) -> PartAt {
        self.begin()
    }

    fn is_match(&self, at: &PartAt) -> bool {
        at.ended && at.read.is_some()
    }

    fn can_match(&self, at: &PartAt) -> bool {
        at.read.is_some()
    }

    fn accept(&self, at: &PartAt, byte: u8) -> PartAt {
        let mut next = *at;
        if !at.ended {
            self.hear(&mut next, byte);
            next.ended = byte == 0;
            let is_long = |&end: &usize| !next.ended || end >= self.from + SHORTEST_PART;
            next.read = next.read.filter(is_long);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fit(typed: &str, word: &str) -> Option<Fit> {
        Typed::new(typed, Reach::Slips).fit(word, &skeleton(word))
    }

    #[test]
    fn words_fit_as_people_type_them() {
        for (typed, word, expected) in [
            ("svensson", "svensson", Some(Fit::Exact)),
            ("akesson", "åkesson", Some(Fit::Unaccented)),
            ("åkesson", "akesson", Some(Fit::Unaccented)),
            ("rené", "rene", Some(Fit::Unaccented)),
            ("oconnor", "o'connor", Some(Fit::Unaccented)),
            ("o'connor", "o’connor", Some(Fit::Unaccented)),
            ("kristian", "christian", Some(Fit::Sound)),
            ("grannstrom", "granström", Some(Fit::Sound)),
            ("sjoestroem", "sjöström", Some(Fit::Sound)),
            ("aakesson", "åkesson", Some(Fit::Sound)),
            ("svenson", "svensson", Some(Fit::Sound)),
            ("svens", "svensson", Some(Fit::Beginning)),
            ("ake", "åkesson", Some(Fit::Beginning)),
            ("svensso", "svensson", Some(Fit::Beginning)),
            ("an", "anna", Some(Fit::Beginning)),
            ("kristi", "christina", Some(Fit::SoundBeginning)),
            ("andersson", "andersen", Some(Fit::Ending)),
            ("andersen", "anderson", Some(Fit::Ending)),
            ("svemsson", "svensson", Some(Fit::Slip)),
            ("svesnson", "svensson", Some(Fit::Slip)),
            ("vsensson", "svensson", Some(Fit::Slip)),
            ("anna", "ana", Some(Fit::Sound)),
            ("anna", "hanna", Some(Fit::Sound)),
            ("stokhol", "stockholm", Some(Fit::SoundBeginning)),
            ("stovkhol", "stockholm", Some(Fit::SlippedBeginning)),
            ("grasntrmo", "granström", Some(Fit::Slips)),
            ("kristain", "christian", Some(Fit::Slips)),
            ("lindstrm", "lundstrom", Some(Fit::Slips)),
            ("lindgn", "lindgren", Some(Fit::SlippedBeginning)),
            ("lindbe", "lundgren", None),
            ("svesso", "svanssen", None),
            ("eva", "ava", None),
            ("eva", "evelina", None),
            ("annna", "annika", None),
        ] {
            assert_eq!(fit(typed, word), expected, "{typed} {word}");
        }
        assert_eq!(fit(&"ö".repeat(80), &"ö".repeat(80)), Some(Fit::Exact));
        assert_eq!(
            fit(&"oa".repeat(45), &"öå".repeat(45)),
            Some(Fit::Beginning)
        );
    }

    #[test]
    fn no_more_is_forgiven_than_the_reach_says() {
        for (typed, word) in [
            ("svensson", "svensson"),
            ("kristian", "christian"),
            ("svemsson", "svensson"),
            ("grasntrmo", "granström"),
        ] {
            let needed = fit(typed, word).unwrap().reach();
            for reach in [Reach::Letters, Reach::Sounds, Reach::Slip, Reach::Slips] {
                let found = Typed::new(typed, reach).fit(word, &skeleton(word));
                assert_eq!(found.is_some(), reach >= needed, "{typed} {word} {reach:?}");
            }
        }
    }

    #[test]
    fn a_part_ends_where_its_sounds_do() {
        for (typed, from, word, end) in [
            ("annakarin", 0, "anna", Some(3)),
            ("annakarin", 3, "karin", Some(8)),
            ("annakarin", 3, "carin", Some(8)),
            ("picarddupont", 0, "picard", Some(6)),
            ("picarddupont", 6, "dupont", Some(11)),
            ("alhassan", 2, "hassan", Some(6)),
            ("annakarin", 0, "annika", None),
            ("annakarin", 0, "a", None),
        ] {
            assert_eq!(
                Part::new(&sound(typed), from).end_of(word),
                end,
                "{typed} {word}"
            );
        }
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
        fn slips_are_distances(typed in "[aptu]{4,10}", word in "[aptu]{1,12}") {
            let (t, w) = (typed.as_bytes(), word.as_bytes());
            let most = if t.len() >= FORGIVING_TWICE { 2 } else { 1 };
            let apart = distance(t, w);
            let found = fit(&typed, &word);
            prop_assert_eq!(found == Some(Fit::Exact), apart == 0);
            if apart <= most {
                prop_assert!(found.is_some());
            }
            match found {
                Some(Fit::Beginning) => prop_assert!(word.starts_with(&typed)),
                Some(Fit::Slip) => prop_assert!(apart == 1),
                // A beginning may end anywhere: the automaton sees the slip where the typed word ends.
                Some(Fit::SlippedBeginning) => {
                    prop_assert!((0..=w.len()).any(|end| distance(t, &w[..end]) <= 1));
                }
                Some(Fit::Slips) => {
                    let sounds = [&typed, &word].map(|it| sound(it));
                    let heard = distance(&sounds[0], &sounds[1]);
                    prop_assert!(apart == 2 || (1..=2).contains(&heard));
                }
                Some(Fit::Sound) => prop_assert_eq!(sound(&typed), sound(&word)),
                Some(Fit::SoundBeginning) => {
                    prop_assert!(sound(&word).starts_with(&sound(&typed)));
                }
                None => prop_assert!(apart > most),
                _ => {}
            }
        }
    }
}

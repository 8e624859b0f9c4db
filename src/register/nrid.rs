//! National reserve identities: which number comes next. A number tells the date of birth and the
//! gender where they are known; the series of each date and gender are used up in order, and a
//! number that is in the register is never given again.
//!
//! Source: Inera's page "Nationellt Reservidformat".

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::Ordering;

use crate::base::limits;
use crate::base::time::{Moment, PartialDate};
use crate::person::edit::Person;
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::record::Damaged;
use crate::store::commit::{CommitError, Draft};
use crate::store::entry::{Note, OTHER_SERIES, Origin};
use crate::store::live::Live;
use crate::store::state::State;

use super::change::Change;
use super::merge::touch;
use super::persons::{Changed, Persons};
use super::refusal::Refusal;
use super::settle::settled;
use super::wish::{Actor, PERSON_ACTOR};

/// The OID of national reserve identities.
pub const ROOT: &str = "1.2.752.74.9.1";

/// The letters that a number may have.
const LETTERS: &[u8; 21] = b"ABCDEFGHJKLMNPRSTUXYZ";
const OF_WOMEN: &[u8] = b"02468";
const OF_MEN: &[u8] = b"13579";

/// The first century with series of its own: numbers with lower ones are never used.
const FIRST_CENTURY: u32 = 19;
/// Series of one date: its century plus 3, plus 6, up to plus 78.
const SERIES_OF_DATE: u64 = 26;
/// The anonymous series run over three pairs of digits: from 00, 20 and 40.
const FIRST_PAIRS: [u64; 3] = [0, 20, 40];
const PAIRS: [u64; 3] = [100, 80, 20];

/// A gender, as far as a number tells it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Gender {
    Man,
    Woman,
    Unknown,
}

/// The numbers of one date of birth and gender, in the order in which they are issued.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Series {
    /// `None`: the anonymous series.
    birth: Option<PartialDate>,
    gender: Gender,
}

impl Series {
    /// Of somebody of whom nothing is known.
    pub const ANONYMOUS: Self = Self {
        birth: None,
        gender: Gender::Unknown,
    };

    /// By what is known: `gender` is the contract's code. A date that is not whole, or lies before
    /// the centuries that numbers can tell, is as good as none.
    pub fn of(birth: Option<PartialDate>, gender: Option<&str>) -> Self {
        Self {
            birth: birth.filter(|it| it.is_complete() && it.year() / 100 >= FIRST_CENTURY),
            gender: match gender {
                Some("1") => Gender::Man,
                Some("2") => Gender::Woman,
                _ => Gender::Unknown,
            },
        }
    }

    /// The series of which nothing but perhaps the gender is known.
    pub const ALL_ANONYMOUS: [Self; 3] = [
        Self::ANONYMOUS,
        Self {
            birth: None,
            gender: Gender::Man,
        },
        Self {
            birth: None,
            gender: Gender::Woman,
        },
    ];

    /// The series as one number: the date of birth, or 0, and one digit for the gender. Registers
    /// remember by it how far a series has come.
    pub fn number(self) -> u64 {
        let birth = self.birth.map_or(0, PartialDate::number);
        let gender = match self.gender {
            Gender::Unknown => 0,
            Gender::Man => 1,
            Gender::Woman => 2,
        };
        u64::from(birth) * 10 + gender
    }

    /// How many numbers a series passes over when something may have been lost; the same for all of one
    /// kind, by a number that is there by chance.
    const fn jump_of(number: u64, chance: u64) -> u64 {
        if number < 10 {
            limits::ANONYMOUS_JUMP + chance % limits::ANONYMOUS_CHANCE
        } else {
            limits::DATED_JUMP + chance % limits::DATED_CHANCE
        }
    }

    /// The series that a number is of, and its place there; `None` when it is of none, as those are
    /// that were issued elsewhere.
    fn of_number(identity: Identity, formats: &Formats) -> Option<(Self, u64)> {
        let text = formats.text(identity)?;
        let text: &[u8; 12] = text.as_str().as_bytes().first_chunk()?;
        let pair = |at: usize| {
            let [tens, ones] = [text[at], text[at + 1]].map(|it| u64::from(it.wrapping_sub(b'0')));
            (tens < 10 && ones < 10).then(|| tens * 10 + ones)
        };
        let [century, year, month, day] = [pair(0)?, pair(2)?, pair(4)?, pair(6)?];
        let sign = text[10];
        let series = Self {
            birth: formats.birth_date(identity),
            gender: match sign {
                b'0'..=b'9' if sign % 2 == 1 => Gender::Man,
                b'0'..=b'9' => Gender::Woman,
                _ => Gender::Unknown,
            },
        };
        let date = if let Some(birth) = series.birth {
            century.checked_sub(3 + u64::from(birth.year() / 100))? / 3
        } else {
            let [first, second, third] = FIRST_PAIRS;
            let first = year.checked_sub(first)?;
            let second = month.checked_sub(second)?;
            (first * PAIRS[1] + second) * PAIRS[2] + day.checked_sub(third)?
        };
        let among = |signs: &[u8], sign: u8| {
            let place = signs.iter().position(|&it| it == sign)?;
            u64::try_from(place).ok()
        };
        let letters = LETTERS.len() as u64;
        let place = date * letters + among(LETTERS, text[8])?;
        let place = place * letters + among(LETTERS, text[9])?;
        let signs = series.signs();
        let place = place * signs.len() as u64 + among(signs, sign)?;
        (series.at(place, formats) == Some(identity)).then_some((series, place))
    }

    /// The characters that may stand for the gender.
    const fn signs(self) -> &'static [u8] {
        match self.gender {
            Gender::Man => OF_MEN,
            Gender::Woman => OF_WOMEN,
            Gender::Unknown => LETTERS,
        }
    }

    /// The number at a place; `None` when it is behind the last one.
    fn at(self, place: u64, formats: &Formats) -> Option<Identity> {
        let mut rest = place;
        let mut digit = |radix: usize| {
            let radix = radix as u64;
            let digit = (rest % radix) as usize;
            rest /= radix;
            digit
        };
        let signs = self.signs();
        let sign = char::from(signs[digit(signs.len())]);
        let second = char::from(LETTERS[digit(LETTERS.len())]);
        let first = char::from(LETTERS[digit(LETTERS.len())]);
        let date = match self.birth {
            Some(birth) => dated(birth, rest),
            None => anonymous(rest),
        }?;
        formats
            .with_check_digit(ROOT, &format!("{date}{first}{second}{sign}0"))
            .ok()
    }
}

/// The first eight characters of a date's series, from 0; `None` behind the last.
fn dated(birth: PartialDate, series: u64) -> Option<String> {
    let century = u64::from(birth.year() / 100) + 3 + 3 * series;
    // Two digits are all there is.
    let fits = series < SERIES_OF_DATE && century <= 99;
    let (year, month, day) = (birth.year() % 100, birth.month(), birth.day());
    fits.then(|| format!("{century:02}{year:02}{month:02}{day:02}"))
}

/// The first eight characters of an anonymous series, from 0; `None` behind the last.
fn anonymous(series: u64) -> Option<String> {
    let pairs = [
        series / (PAIRS[1] * PAIRS[2]),
        series / PAIRS[2] % PAIRS[1],
        series % PAIRS[2],
    ];
    let [year, month, day] = [0, 1, 2].map(|it| FIRST_PAIRS[it] + pairs[it]);
    (pairs[0] < PAIRS[0]).then(|| format!("00{year:02}{month:02}{day:02}"))
}

/// Where each series is to be gone on with. Only a hint, which may be thrown away: what is free is
/// what the register does not have, and has never issued as far as it remembers. A place is never
/// passed by a number that was not issued in the end, because the place kept is that of the last
/// number, which is looked at again.
#[derive(Default)]
pub struct Issuer {
    places: HashMap<Series, u64>,
}

/// A number that is issued.
pub struct Next {
    /// The number.
    pub identity: Identity,
    /// How far its series comes: the series, and the place of the first number after it.
    pub mark: (u64, u64),
}

impl Issuer {
    /// The first free number of a series.
    pub fn issue<P: Persons<Error = Damaged>>(
        &mut self,
        series: Series,
        persons: &P,
        formats: &Formats,
    ) -> Result<Next, Refusal> {
        let place = self.places.entry(series).or_default();
        *place = persons.next_of(series.number()).max(*place);
        while let Some(identity) = series.at(*place, formats) {
            if !persons.has(identity)? {
                let mark = (series.number(), *place + 1);
                return Ok(Next { identity, mark });
            }
            *place += 1;
        }
        Err(Refusal::SeriesUsedUp)
    }
}

/// How each series goes on after something may have been lost: beyond every number that the register
/// has or remembers, and those that a witness saw, by more than can have been issued since; and by as many
/// more as chance says, for the same backup may be put back twice.
pub fn beyond(
    state: &State,
    witnessed: &[(u64, u64)],
    formats: &Formats,
) -> Result<Vec<Note>, Damaged> {
    let mut reached: BTreeMap<u64, u64> = BTreeMap::new();
    let mut reach = |series: u64, next: u64| {
        let known = reached.entry(series).or_default();
        *known = next.max(*known);
    };
    let remembered = state.ledger().series.iter().map(|(&it, &next)| (it, next));
    for (series, next) in remembered.chain(witnessed.iter().copied()) {
        reach(series, next);
    }
    let (first, last) = Identity::span_of_format(IdentityType::NRID_FORMAT);
    for record in state.records_between(first, last) {
        if let Some((series, place)) = Series::of_number(record?.identity(), formats) {
            reach(series.number(), place + 1);
        }
    }
    for series in Series::ALL_ANONYMOUS {
        reach(series.number(), 0);
    }
    reach(OTHER_SERIES, 0);
    let chance = uuid::Uuid::new_v4().as_u128() as u64;
    let jumped = reached.into_iter().map(|(series, next)| Note::Issued {
        series,
        next: next.saturating_add(Series::jump_of(series, chance)),
    });
    Ok(jumped.collect())
}

/// Why series of numbers went on beyond what may have been issued.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WentOn {
    /// The register is new here, and holds numbers or persons of another, or of an older day.
    New,
    /// The data folder was put back, or moved to another file system.
    Copied,
}

/// Lets series of numbers go on beyond what may have been issued elsewhere, or later than what is here:
/// by an entry of the log. That is so when the register is opened for the first time where it lies, of
/// which it tells why; and of numbers that the witness saw and the register does not remember. While it
/// fails, because records are damaged, no number is issued.
pub fn go_on(live: &Live, formats: &Formats) -> Result<Option<WentOn>, CommitError> {
    live.numbers_wait.store(true, Ordering::Relaxed);
    let testimony = live.testimony.clone().unwrap_or_default();
    let state = live.store.keep();
    let why = if testimony.seen.goes_on && !testimony.is_copy {
        None
    } else if testimony.is_copy {
        Some(WentOn::Copied)
    } else {
        let may_have_issued = state.ledger().is_restored || has_issued(&state)?;
        may_have_issued.then_some(WentOn::New)
    };
    let notes = if why.is_some() {
        beyond(&state, &testimony.series, formats)?
    } else {
        let seen = testimony.series.iter();
        let ahead = seen.filter(|(series, next)| *next > state.ledger().next_of(*series));
        ahead
            .map(|&(series, next)| Note::Issued { series, next })
            .collect()
    };
    if !notes.is_empty() {
        let origin = Origin::by(GONE_ON);
        let commit = move |draft: &mut Draft| draft.commit(origin, Vec::new(), notes);
        live.committer.wait(commit)?.0?;
    }
    if !testimony.seen.goes_on || testimony.is_copy {
        live.committer.tell_goes_on()?;
    }
    live.numbers_wait.store(false, Ordering::Relaxed);
    Ok(why)
}

/// How the log tells that series went on.
const GONE_ON: &str = "series";

/// Whether a register has numbers that were issued, or remembers some.
pub fn has_issued(state: &State) -> Result<bool, Damaged> {
    let (first, last) = Identity::span_of_format(IdentityType::NRID_FORMAT);
    let any = state.records_between(first, last).next().transpose()?;
    Ok(any.is_some() || !state.ledger().series.is_empty())
}

/// Issues anonymous identities in bulk: whoever takes one fills in its data later.
pub(super) fn issue_many<P: Persons<Error = Damaged>>(
    actor: &Actor,
    count: usize,
    persons: &P,
    formats: &Formats,
    issuer: &mut Issuer,
    at: &Moment,
) -> Result<Change, Refusal> {
    actor.check_with_organization()?;
    if !(1..=limits::RESERVE_IDENTITIES_PER_REQUEST).contains(&count) {
        return Err(Refusal::Count);
    }
    let mut issued = Vec::with_capacity(count);
    let mut after = Changed::over(persons, []);
    let mut mark = None;
    for _ in 0..count {
        let next = issuer.issue(Series::ANONYMOUS, &after, formats)?;
        let mut person = Person::new(next.identity, formats);
        touch(&mut person, at);
        actor.sign(&mut person, PERSON_ACTOR);
        after.put(person);
        issued.push(next.identity);
        mark = Some(next.mark);
    }
    let subject = issued[0];
    let change = settled(persons, after.into_persons(), subject, at)?;
    Ok(Change {
        issued,
        series: mark.into_iter().collect(),
        ..change
    })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::person::identity::IdentityType;
    use crate::register::persons::tests::Few;
    use crate::register::wish::tests::employed;

    fn text(identity: Identity) -> String {
        let formats = Formats::standard();
        formats.text(identity).unwrap().as_str().to_owned()
    }

    fn date(text: &str) -> Option<PartialDate> {
        PartialDate::parse(text)
    }

    /// A register of which only the numbers are known.
    #[derive(Default)]
    struct Taken {
        numbers: HashSet<Identity>,
        all: bool,
        next: u64,
        looked: Cell<usize>,
    }

    impl Persons for Taken {
        type Error = Damaged;

        fn person(&self, _: Identity) -> Result<Option<Person>, Damaged> {
            Ok(None)
        }

        fn has(&self, identity: Identity) -> Result<bool, Damaged> {
            self.looked.set(self.looked.get() + 1);
            Ok(self.all || self.numbers.contains(&identity))
        }

        fn waiting(&self, _: Identity) -> Vec<Identity> {
            Vec::new()
        }

        fn next_of(&self, _: u64) -> u64 {
            self.next
        }
    }

    fn issued(
        issuer: &mut Issuer,
        series: Series,
        taken: &Taken,
        formats: &Formats,
    ) -> Result<Identity, Refusal> {
        Ok(issuer.issue(series, taken, formats)?.identity)
    }

    /// The first numbers of a series.
    fn first(series: Series, count: usize) -> Vec<Identity> {
        let (formats, mut issuer) = (Formats::standard(), Issuer::default());
        let mut taken = Taken::default();
        (0..count)
            .map(|_| {
                let identity = issued(&mut issuer, series, &taken, &formats).unwrap();
                taken.numbers.insert(identity);
                identity
            })
            .collect()
    }

    #[test]
    fn numbers_begin_at_the_first_of_their_series() {
        let begins = |birth, gender, with: &str| {
            let series = Series::of(birth, gender);
            let number = text(first(series, 1)[0]);
            assert!(number.starts_with(with), "{number}");
        };
        begins(date("1979-08-14"), Some("2"), "22790814AA0");
        begins(date("1979-08-14"), Some("1"), "22790814AA1");
        begins(date("2004-02-29"), None, "23040229AAA");
        begins(date("1979-08"), Some("1"), "00002040AA1");
        begins(None, Some("9"), "00002040AAA");
        begins(date("1899-12-31"), None, "00002040AAA");
        assert_eq!(Series::of(None, Some("0")), Series::ANONYMOUS);
    }

    #[test]
    fn a_used_up_century_goes_on_three_later_up_to_the_last_series() {
        let formats = Formats::standard();
        let series = Series::of(date("1979-08-14"), Some("1"));
        let of_one = (LETTERS.len() * LETTERS.len() * OF_MEN.len()) as u64;
        let at = |place| series.at(place, &formats).map(text);
        assert!(at(of_one - 1).unwrap().starts_with("22790814ZZ9"));
        assert!(at(of_one).unwrap().starts_with("25790814AA1"));
        let last = at(of_one * SERIES_OF_DATE - 1).unwrap();
        assert!(last.starts_with("97790814ZZ9"), "{last}");
        assert_eq!(at(of_one * SERIES_OF_DATE), None);
        let all = Taken {
            all: true,
            ..Taken::default()
        };
        let used_up = issued(&mut Issuer::default(), series, &all, &formats);
        assert_eq!(used_up, Err(Refusal::SeriesUsedUp));
    }

    #[test]
    fn the_anonymous_series_has_an_end_too() {
        let formats = Formats::standard();
        let of_one = (LETTERS.len() * LETTERS.len() * LETTERS.len()) as u64;
        let count: u64 = of_one * PAIRS.iter().product::<u64>();
        let at = |place| Series::ANONYMOUS.at(place, &formats).map(text);
        assert!(at(count - 1).unwrap().starts_with("00999959ZZZ"));
        assert_eq!(at(count), None);
    }

    #[test]
    fn thousands_of_numbers_are_right_and_all_different() {
        let formats = Formats::standard();
        for series in [
            Series::ANONYMOUS,
            Series::of(date("1980-01-01"), Some("1")),
            Series::of(date("2010-12-31"), None),
        ] {
            let numbers = first(series, 5_000);
            assert!(numbers.iter().all(|&it| formats.check_is_right(it)));
            assert!(numbers.iter().all(|it| it.kind() == IdentityType::Nrid));
            assert_eq!(numbers.iter().collect::<HashSet<_>>().len(), numbers.len());
        }
    }

    #[test]
    fn the_issuer_looks_at_few_numbers_and_skips_none_that_was_not_issued() {
        let (formats, mut issuer) = (Formats::standard(), Issuer::default());
        let mut taken = Taken {
            numbers: first(Series::ANONYMOUS, 1_000).into_iter().collect(),
            ..Taken::default()
        };
        let mut next =
            |taken: &Taken| issued(&mut issuer, Series::ANONYMOUS, taken, &formats).unwrap();
        let one = next(&taken);
        assert_eq!(taken.looked.replace(0), 1_001);
        // It was refused by the log, say, and is wished for again.
        assert_eq!((next(&taken), taken.looked.replace(0)), (one, 1));
        // What is remembered is passed over, though the register does not have it.
        taken.next = 5_000;
        let beyond = next(&taken);
        let place = Series::of_number(beyond, &formats);
        assert_eq!(place, Some((Series::ANONYMOUS, 5_000)));
    }

    #[test]
    fn identities_are_issued_in_bulk_and_each_once() {
        let (formats, mut issuer) = (Formats::standard(), Issuer::default());
        let at = Moment::parse("2025-01-07T06:00:00").unwrap();
        let mut few = Few::default();
        let mut seen = HashSet::new();
        for _ in 0..3 {
            let change = issue_many(&employed(), 50, &few, &formats, &mut issuer, &at)
                .unwrap_or_else(|refusal| panic!("{refusal}"));
            assert_eq!((change.issued.len(), change.persons.len()), (50, 50));
            assert!(change.issued.iter().all(|&it| seen.insert(it)));
            few.take(&change);
        }
        for (count, refusal) in [(0, Refusal::Count), (51, Refusal::Count)] {
            let change = issue_many(&employed(), count, &few, &formats, &mut issuer, &at);
            assert_eq!(change.err(), Some(refusal));
        }
        let change = issue_many(&Actor::default(), 1, &few, &formats, &mut issuer, &at);
        assert_eq!(change.err(), Some(Refusal::NoActor));
    }

    proptest! {
        #[test]
        fn a_number_tells_what_its_series_knows(
            year in 1900_u32..2100, month in 1_u32..=12, day in 1_u32..=28,
            gender in 0_usize..3, place in 0_u64..50_000,
        ) {
            let formats = Formats::standard();
            let birth = PartialDate::new(year, month, day);
            let code = [None, Some("1"), Some("2")][gender];
            let series = Series::of(birth, code);
            if let Some(identity) = series.at(place, &formats) {
                prop_assert_eq!(formats.birth_date(identity), birth);
                prop_assert_eq!(formats.gender(identity), code);
                prop_assert!(formats.check_is_right(identity));
            }
            if let Some(identity) = series.at(place, &formats) {
                prop_assert_eq!(Series::of_number(identity, &formats), Some((series, place)));
            }
            let nameless = Series::of(None, code);
            let found = Series::of_number(nameless.at(place, &formats).unwrap(), &formats);
            prop_assert_eq!(found, Some((nameless, place)));
            let anonymous = Series::of(None, code).at(place, &formats).unwrap();
            prop_assert_eq!(formats.birth_date(anonymous), None);
            prop_assert_eq!(formats.gender(anonymous), code);
        }
    }
}

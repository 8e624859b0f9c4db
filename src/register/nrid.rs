//! National reserve identities: which number comes next. A number tells the date of birth and the
//! gender where they are known; the series of each date and gender are used up in order, and a
//! number that is in the register is never given again.
//!
//! Source: Inera's page "Nationellt Reservidformat".

use std::collections::HashMap;

use crate::base::limits;
use crate::base::time::{Moment, PartialDate};
use crate::person::edit::Person;
use crate::person::identity::{Formats, Identity};
use crate::person::record::Damaged;

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
/// what the register does not have. A place is never passed by a number that was not issued in the
/// end, because the place kept is that of the last number, which is looked at again.
#[derive(Default)]
pub struct Issuer {
    places: HashMap<Series, u64>,
}

impl Issuer {
    /// The first free number of a series, where `is_taken` tells which are not free; `None` when
    /// all are used.
    pub fn issue<E>(
        &mut self,
        series: Series,
        formats: &Formats,
        is_taken: impl Fn(Identity) -> Result<bool, E>,
    ) -> Result<Option<Identity>, E> {
        let place = self.places.entry(series).or_default();
        while let Some(identity) = series.at(*place, formats) {
            if !is_taken(identity)? {
                return Ok(Some(identity));
            }
            *place += 1;
        }
        Ok(None)
    }
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
    for _ in 0..count {
        let identity = issuer
            .issue(Series::ANONYMOUS, formats, |it| after.has(it))?
            .ok_or(Refusal::SeriesUsedUp)?;
        let mut person = Person::new(identity, formats);
        touch(&mut person, at);
        actor.sign(&mut person, PERSON_ACTOR);
        after.put(person);
        issued.push(identity);
    }
    let subject = issued[0];
    let change = settled(persons, after.into_persons(), subject, at)?;
    Ok(Change { issued, ..change })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
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

    /// The first numbers of a series.
    fn first(series: Series, count: usize) -> Vec<Identity> {
        let (formats, mut issuer) = (Formats::standard(), Issuer::default());
        let taken = RefCell::new(HashSet::new());
        (0..count)
            .map(|_| {
                let is_taken = |it| Ok::<_, ()>(taken.borrow().contains(&it));
                let identity = issuer.issue(series, &formats, is_taken).unwrap().unwrap();
                taken.borrow_mut().insert(identity);
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
        let used_up = Issuer::default().issue(series, &formats, |_| Ok::<_, ()>(true));
        assert_eq!(used_up, Ok(None));
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
        let looked = std::cell::Cell::new(0);
        let taken: HashSet<Identity> = first(Series::ANONYMOUS, 1_000).into_iter().collect();
        let is_taken = |it: Identity| {
            looked.set(looked.get() + 1);
            Ok::<_, ()>(taken.contains(&it))
        };
        let one = issuer.issue(Series::ANONYMOUS, &formats, is_taken);
        assert_eq!(looked.replace(0), 1_001);
        // It was refused by the log, say, and is wished for again.
        let again = issuer.issue(Series::ANONYMOUS, &formats, is_taken);
        assert_eq!((again, looked.get()), (one, 1));
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
            let anonymous = Series::of(None, code).at(place, &formats).unwrap();
            prop_assert_eq!(formats.birth_date(anonymous), None);
            prop_assert_eq!(formats.gender(anonymous), code);
        }
    }
}

//! Names, as common as they are in Sweden, and what the register makes of them: the mark of the
//! name somebody is called by, and the shortened name for envelopes.

use super::random::Random;
use super::source::SOURCE;

/// Longest name that needs no shortened form (SKV: given, middle and surname together).
const LONGEST_ON_ENVELOPE: usize = 36;

/// A person's name.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Name {
    given: Vec<&'static str>,
    /// Which of the given names is used; `None` when nobody has told.
    called: Option<usize>,
    pub(super) middle: Option<&'static str>,
    pub(super) surname: Surname,
}

/// One surname, or two joined by a hyphen or a space.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Surname {
    parts: Vec<&'static str>,
    joint: &'static str,
}

impl Surname {
    pub(super) fn new(random: &mut Random) -> Self {
        // Once in a while a rare one: the noble names are among those.
        let one = |random: &mut Random| {
            if random.chance(300) {
                SOURCE.surnames.pick_any(random)
            } else {
                SOURCE.surnames.pick(random)
            }
        };
        let first = one(random);
        if random.chance(300) {
            let second = one(random);
            let joint = random.pick(&["-", " "]);
            return Self {
                parts: vec![first, second],
                joint,
            };
        }
        Self {
            parts: vec![first],
            joint: "",
        }
    }

    pub(super) fn written(&self) -> String {
        self.parts.join(self.joint)
    }
}

impl Name {
    /// One given name, by which the person is called, and one surname.
    pub(super) fn told(given: &'static str, surname: &'static str) -> Self {
        Self {
            given: vec![given],
            called: Some(0),
            middle: None,
            surname: Surname {
                parts: vec![surname],
                joint: "",
            },
        }
    }

    pub(super) fn new(surname: Surname, male: bool, random: &mut Random) -> Self {
        let sex = usize::from(male);
        let count = random.pick_weighted(&[(1, 25), (2, 52), (3, 20), (4, 3)]);
        let place = random.pick_weighted(&[(0, 80), (1, 15), (2, 5)]);
        let place = place.min(count - 1);
        let given = (0..count)
            .map(|at| {
                if at == place {
                    SOURCE.called[sex].pick(random)
                } else {
                    SOURCE.given[sex].pick(random)
                }
            })
            .collect();
        let middle = random
            .chance(800)
            .then(|| SOURCE.surnames.pick(random))
            .filter(|middle| surname.parts[0] != *middle);
        let mut name = Self {
            given,
            called: (!random.chance(1_200)).then_some(place),
            middle,
            surname,
        };
        if random.chance(8) {
            name.grow(sex, random);
        }
        name
    }

    /// Makes the name as long as the register's fields allow, or nearly: somebody has such a name.
    fn grow(&mut self, sex: usize, random: &mut Random) {
        const GIVEN: usize = 80;
        const SURNAME: usize = 60;
        while self.given.join(" ").chars().count() < GIVEN - 12 {
            self.given.push(SOURCE.given[sex].pick(random));
        }
        while self.given.join(" ").chars().count() > GIVEN {
            self.given.pop();
        }
        self.called = self.called.map(|at| at.min(self.given.len() - 1));
        self.surname.joint = "-";
        while self.surname.written().chars().count() < SURNAME - 22 {
            self.surname.parts.push(SOURCE.surnames.pick_any(random));
        }
        while self.surname.written().chars().count() > SURNAME {
            self.surname.parts.pop();
        }
    }

    /// The given names.
    pub(super) fn given(&self) -> String {
        self.given.join(" ")
    }

    /// The first given name and the surname, plain: for a mail address and the like.
    pub(super) fn plain(&self) -> String {
        let plain = |text: &str| -> String {
            text.to_lowercase()
                .chars()
                .filter_map(|letter| match letter {
                    'a'..='z' => Some(letter),
                    'å' | 'ä' | 'á' | 'à' => Some('a'),
                    'ö' | 'ø' | 'ó' => Some('o'),
                    'é' | 'è' | 'ë' => Some('e'),
                    'ü' => Some('u'),
                    _ => None,
                })
                .collect()
        };
        format!("{}.{}", plain(self.used()), plain(self.surname.parts[0]))
    }

    /// The given name that is used.
    pub(super) fn used(&self) -> &'static str {
        self.given[self.called.unwrap_or(0)]
    }

    /// Tilltalsnamnsmarkering: the places of the used name's parts, where the parts of a hyphenated
    /// name count by themselves.
    pub(super) fn indicator(&self) -> Option<usize> {
        let called = self.called?;
        let parts = |name: &str| name.split('-').count();
        let before: usize = self.given[..called].iter().map(|name| parts(name)).sum();
        let first = before + 1;
        let second = match parts(self.given[called]) {
            1 => 0,
            _ => first + 1,
        };
        // Two digits have no room for the tenth name.
        (first < 10 && second < 10).then_some(first * 10 + second)
    }

    /// Aviseringsnamn: middle and surname, then the given names as far as there is room, the later
    /// ones as initials. Only for names that are too long for an envelope.
    pub(super) fn notification(&self) -> Option<String> {
        let surname = self.surname.written();
        let last = match self.middle {
            Some(middle) => format!("{middle} {surname}"),
            None => surname.clone(),
        };
        let whole = self.given.join(" ").chars().count() + 1 + last.chars().count();
        if whole <= LONGEST_ON_ENVELOPE {
            return None;
        }
        let with_initials = |last: &str, whole: usize| {
            let given: Vec<String> = self
                .given
                .iter()
                .enumerate()
                .map(|(at, name)| match name.chars().next() {
                    Some(initial) if at >= whole => initial.to_string(),
                    _ => (*name).to_owned(),
                })
                .collect();
            format!("{last}, {}", given.join(" "))
        };
        let all = self.given.len();
        (0..=all)
            .rev()
            .map(|whole| with_initials(&last, whole))
            .chain([with_initials(&surname, 0)])
            .find(|name| name.chars().count() <= LONGEST_ON_ENVELOPE)
            .or_else(|| Some(surname.chars().take(LONGEST_ON_ENVELOPE).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(given: &[&'static str], called: usize, middle: &str, surname: &'static str) -> Name {
        Name {
            given: given.to_vec(),
            called: Some(called),
            middle: (!middle.is_empty()).then(|| &*middle.to_owned().leak()),
            surname: Surname {
                parts: vec![surname],
                joint: "",
            },
        }
    }

    /// The examples of the register's own description.
    #[test]
    fn the_used_name_is_marked_by_its_parts() {
        for (given, called, indicator) in [
            (vec!["Eva", "Mia"], 1, 20),
            (vec!["Kjell"], 0, 10),
            (vec!["Hedvig", "Britt-Marie"], 1, 23),
            (vec!["Eva", "Ulla-Karin", "Isa"], 1, 23),
            (vec!["Eva", "Ulla-Karin", "Isa"], 2, 40),
        ] {
            assert_eq!(name(&given, called, "", "X").indicator(), Some(indicator));
        }
    }

    #[test]
    fn only_long_names_are_shortened() {
        let short = name(&["Anna", "Maria"], 0, "", "Andersson");
        assert_eq!(short.notification(), None);
        let long = name(
            &["Svante", "Hans", "Erik"],
            0,
            "Andersson",
            "Grundberg-Ekström",
        );
        assert_eq!(
            long.notification().as_deref(),
            Some("Andersson Grundberg-Ekström, S H E")
        );
        let long = name(&["Svante", "Hans", "Erik"], 0, "Andersson", "Grundbergs");
        assert_eq!(
            long.notification().as_deref(),
            Some("Andersson Grundbergs, Svante Hans E")
        );
    }

    #[test]
    fn names_keep_the_registers_limits() {
        let mut random = Random::new(5);
        let mut longest = (0, 0);
        let mut shortened = 0;
        for _ in 0..30_000 {
            let surname = Surname::new(&mut random);
            let name = Name::new(surname, random.chance(5_000), &mut random);
            let (given, surname) = (name.given(), name.surname.written());
            longest.0 = longest.0.max(given.chars().count());
            longest.1 = longest.1.max(surname.chars().count());
            if let Some(name) = name.notification() {
                shortened += 1;
                assert!(name.chars().count() <= 36, "{name}");
            }
            assert!(name.indicator().is_none_or(|it| (10..=99).contains(&it)));
        }
        assert!(shortened > 100 && shortened < 3_000, "{shortened}");
        assert!((70..=80).contains(&longest.0) && (40..=60).contains(&longest.1));
    }
}

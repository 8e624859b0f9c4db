//! The facts that people are made of, compiled in from `snapshots/source` and read once.

use std::ops::Range;
use std::sync::LazyLock;

use super::random::Random;

macro_rules! source {
    ($file:literal) => {
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/snapshots/source/",
            $file
        ))
    };
}

/// The official test personal numbers.
pub(super) fn personal_numbers() -> impl Iterator<Item = &'static str> {
    source!("personal-numbers.txt").lines()
}

/// The official test coordination numbers.
pub(super) fn coordination_numbers() -> impl Iterator<Item = &'static str> {
    source!("coordination-numbers.txt").lines()
}

/// Items with how common they are.
pub(super) struct Weighted {
    items: Vec<&'static str>,
    /// The sum of the weights up to and with each item.
    up_to: Vec<usize>,
}

impl Weighted {
    fn read(text: &'static str) -> Self {
        let mut sum = 0;
        let (items, up_to) = text
            .lines()
            .filter_map(|line| line.rsplit_once('\t'))
            .filter_map(|(item, count)| Some((item, count.parse::<usize>().ok()?)))
            .map(|(item, count)| {
                sum += count;
                (item, sum)
            })
            .unzip();
        Self { items, up_to }
    }

    /// Counts without names, one after another.
    fn of_counts(text: &'static str) -> Self {
        let counts = text.split(' ').filter_map(|it| it.parse::<usize>().ok());
        let sums = counts.scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self {
            items: Vec::new(),
            up_to: sums.collect(),
        }
    }

    /// The place of one item, by weight.
    pub(super) fn place(&self, random: &mut Random) -> usize {
        let drawn = random.below(self.up_to.last().copied().unwrap_or(0));
        self.up_to.partition_point(|&sum| sum <= drawn)
    }

    /// One item, by weight.
    pub(super) fn pick(&self, random: &mut Random) -> &'static str {
        self.items[self.place(random)]
    }

    /// One item, all alike: finds the rare ones.
    pub(super) fn pick_any(&self, random: &mut Random) -> &'static str {
        random.pick(&self.items)
    }
}

/// A municipality and where its rows lie in the other lists.
pub(super) struct Municipality {
    /// Four digits; the first two are the county.
    pub(super) code: &'static str,
    pub(super) postal: Range<usize>,
    pub(super) parishes: Range<usize>,
    pub(super) districts: Range<usize>,
}

/// Everything, read.
pub(super) struct Source {
    pub(super) surnames: Weighted,
    /// Names of address of women and of men.
    pub(super) called: [Weighted; 2],
    /// All given names of women and of men.
    pub(super) given: [Weighted; 2],
    pub(super) municipalities: Vec<Municipality>,
    municipality_weights: Weighted,
    /// Postal code and city.
    pub(super) postal: Vec<(&'static str, &'static str)>,
    /// Code within the municipality, and name.
    pub(super) parishes: Vec<(&'static str, &'static str)>,
    pub(super) districts: Vec<&'static str>,
    common_streets: Vec<&'static str>,
    local_streets: Vec<&'static str>,
    /// Inhabitants of each municipality by age.
    ages: Vec<Weighted>,
}

pub(super) static SOURCE: LazyLock<Source> = LazyLock::new(Source::read);

/// How many of the local street names each municipality has.
const STREETS_PER_MUNICIPALITY: usize = 40;

impl Source {
    fn read() -> Self {
        let (postal_of, postal) = by_municipality(source!("postal.tsv"), pair);
        let (parishes_of, parishes) = by_municipality(source!("parishes.tsv"), pair);
        let (districts_of, districts) = by_municipality(source!("districts.tsv"), Some);
        let rows = source!("municipalities.tsv");
        let municipalities = rows
            .lines()
            .filter_map(|line| line.split('\t').next())
            .map(|code| Municipality {
                code,
                postal: range_of(&postal_of, code),
                parishes: range_of(&parishes_of, code),
                districts: range_of(&districts_of, code),
            })
            .collect();
        let streets = |kind: &str| {
            source!("streets.tsv")
                .lines()
                .filter_map(pair)
                .filter(|(of, _)| *of == kind)
                .map(|(_, street)| street)
                .collect()
        };
        Self {
            surnames: Weighted::read(source!("surnames.tsv")),
            called: [
                Weighted::read(source!("called-women.tsv")),
                Weighted::read(source!("called-men.tsv")),
            ],
            given: [
                Weighted::read(source!("given-women.tsv")),
                Weighted::read(source!("given-men.tsv")),
            ],
            municipalities,
            municipality_weights: Weighted::read(rows),
            postal,
            parishes,
            districts,
            common_streets: streets("common"),
            local_streets: streets("local"),
            ages: source!("ages.tsv")
                .lines()
                .filter_map(pair)
                .map(|(_, counts)| Weighted::of_counts(counts))
                .collect(),
        }
    }

    /// A municipality, by inhabitants.
    pub(super) fn municipality(&self, random: &mut Random) -> usize {
        self.municipality_weights.place(random)
    }

    /// A street of a municipality: a common name, or one of its own few.
    pub(super) fn street(&self, municipality: usize, random: &mut Random) -> &'static str {
        if random.chance(5_000) {
            return random.pick(&self.common_streets);
        }
        let at = municipality * 997 + random.below(STREETS_PER_MUNICIPALITY);
        self.local_streets[at % self.local_streets.len()]
    }

    /// The age of somebody in a municipality, as common as it is there.
    pub(super) fn age(&self, municipality: usize, random: &mut Random) -> i32 {
        i32::try_from(self.ages[municipality].place(random)).unwrap_or(0)
    }
}

fn pair(line: &'static str) -> Option<(&'static str, &'static str)> {
    line.split_once('\t')
}

type Ranges = Vec<(&'static str, Range<usize>)>;

/// Rows that begin with a municipality's code, in its order, and where each municipality's lie.
fn by_municipality<T>(
    text: &'static str,
    read: impl Fn(&'static str) -> Option<T>,
) -> (Ranges, Vec<T>) {
    let mut ranges: Ranges = Vec::new();
    let mut rows = Vec::new();
    for (code, rest) in text.lines().filter_map(pair) {
        rows.extend(read(rest));
        match ranges.last_mut() {
            Some((last, range)) if *last == code => range.end = rows.len(),
            _ => ranges.push((code, rows.len() - 1..rows.len())),
        }
    }
    (ranges, rows)
}

fn range_of(ranges: &Ranges, code: &str) -> Range<usize> {
    ranges
        .iter()
        .find(|(other, _)| *other == code)
        .map_or(0..0, |(_, range)| range.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_whole() {
        assert_eq!(personal_numbers().count(), 41_493);
        assert_eq!(coordination_numbers().count(), 2_240);
        let source = &*SOURCE;
        assert_eq!(source.municipalities.len(), 290);
        assert_eq!(source.ages.len(), 290);
        assert!(source.ages.iter().all(|it| it.up_to.len() == 101));
        for it in &source.municipalities {
            assert!(
                !it.postal.is_empty() && !it.parishes.is_empty() && !it.districts.is_empty(),
                "{}",
                it.code
            );
        }
        let rows = |of: fn(&Municipality) -> Range<usize>| -> usize {
            source.municipalities.iter().map(|it| of(it).len()).sum()
        };
        assert_eq!(source.postal.len(), rows(|it| it.postal.clone()));
        assert_eq!(source.districts.len(), rows(|it| it.districts.clone()));
        assert!(source.local_streets.len() > 3_000);
    }

    #[test]
    fn common_things_are_drawn_more_often() {
        let mut random = Random::new(1);
        let drawn = |random: &mut Random, name: &str| {
            (0..10_000)
                .filter(|_| SOURCE.surnames.pick(random) == name)
                .count()
        };
        assert!(drawn(&mut random, "Andersson") > 10 * drawn(&mut random, "von Essen").max(10));
    }
}

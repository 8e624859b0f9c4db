//! The search language against an evaluator written the simplest way there is: over the JSON of a
//! person, with strings, its own mask and its own LIKE. Where the two differ, one of them is wrong.

use proptest::prelude::*;
use pu::person::edit::{Group, Person};
use pu::person::field::{Field, Wrap};
use pu::person::identity::Formats;
use pu::person::json;
use pu::person::record::RecordRef;
use pu::person::schema::{Core, Kind, Level};
use pu::person::value::Value;
use pu::person::view::{Grant, Profile, ProtectionRules, Shield, restrict};
use pu::query::simple::Query;
use pu::query::simple::matches::Matcher;
use serde_json::Value as Json;

const IDENTITIES: [(&str, &str, &str); 6] = [
    ("191212121212", "1.2.752.129.2.1.3.1", "PNR"),
    ("198001022386", "1.2.752.129.2.1.3.1", "pnr"),
    ("197001782395", "1.2.752.129.2.1.3.3", "SNR"),
    ("197000782390", "1.2.752.129.2.1.3.3", "Snr"),
    ("22790814AA01", "1.2.752.74.9.1", "NRID"),
    ("19810829M071", "1.2.752.113.11.0.2.1.1.1", "vgrl"),
];

const TEXTS: [&str; 18] = [
    "Åsa",
    "ÅSA-Märta",
    "von Éric",
    "Ek & <Söner>",
    "Örn",
    "Ü",
    "Zorn",
    "Ede",
    "Éden",
    "01",
    "12",
    "SE",
    "O'Brien",
    "2025.000.123.456",
    "Anna Karin Åsa",
    "Ärla",
    "y%_",
    "N",
];

const OPERATORS: [&str; 15] = [
    "=",
    "!=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "LIKE",
    "BETWEEN",
    "IN",
    "NOT LIKE",
    "NOT BETWEEN",
    "NOT IN",
    "IS NULL",
    "IS NOT NULL",
];

/// Numbers without end out of one.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((it ^ (it >> 31)) % most as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What a field can hold, and can be asked for.
fn samples(field: Field) -> Vec<String> {
    let long = "Ö".repeat(80);
    let texts: Vec<&str> = match field.kind() {
        Kind::Text => TEXTS.iter().copied().chain([long.as_str()]).collect(),
        Kind::Number => vec!["11455", "1234", "12", "99", "500"],
        Kind::Boolean => vec!["true", "false"],
        Kind::Date => vec!["1980-04-02", "1980-12-31", "2024-02-29"],
        Kind::PartialDate => vec!["1980", "1980-04", "1980-04-02", "1981-01-01", "1979-12"],
        Kind::DateTime => vec![
            "2024-03-31T00:30:00.000+01:00",
            "2024-07-01T12:00:00.500+02:00",
            "2024-12-31T23:59:59.999+01:00",
            "2025-01-01T00:00:00.000+01:00",
        ],
        Kind::Timestamp => vec!["20241128091233", "20241231235959", "20250101000000"],
        Kind::Identity => IDENTITIES.iter().map(|(it, ..)| *it).collect(),
        Kind::Group => vec![],
    };
    texts.into_iter().map(str::to_owned).collect()
}

fn literals(field: Field, part: &str) -> Vec<String> {
    match (part, field.kind()) {
        (".root", _) => IDENTITIES
            .iter()
            .map(|(_, root, _)| (*root).to_owned())
            .collect(),
        (".type", _) => IDENTITIES
            .iter()
            .map(|(.., name)| (*name).to_owned())
            .collect(),
        (_, Kind::DateTime) => [
            "2024",
            "2024-07",
            "2024-07-01",
            "2024-12-31T23:59:59",
            "2024-07-01T12",
            "2025",
        ]
        .map(str::to_owned)
        .to_vec(),
        (_, Kind::Timestamp) => ["2024", "202411", "20241231", "2025010100", "20241128091233"]
            .map(str::to_owned)
            .to_vec(),
        _ => samples(field),
    }
}

fn fill(group: &mut Group, dice: &mut Dice, formats: &Formats) {
    let children: Vec<Field> = group.field().children().collect();
    for field in children {
        let must = field.info().row.occurs.mandatory() || field.info().wrap == Wrap::Value;
        if field.parent() == Field::RECORD && (field == Field::at("personalIdentity") || must) {
            continue;
        }
        let times = if field.repeats() {
            dice.below(3)
        } else {
            usize::from(must || dice.below(10) < 7)
        };
        for _ in 0..times {
            if field.kind() == Kind::Group {
                let mut below = Group::new(field);
                fill(&mut below, dice, formats);
                if !below.is_empty() {
                    group.push(below);
                }
                continue;
            }
            let values: Vec<Value> = samples(field)
                .iter()
                .filter_map(|text| match field.kind() {
                    Kind::Identity => formats.guess(text).ok().map(Value::Identity),
                    _ => Value::parse(field, text).ok(),
                })
                .collect();
            assert!(!values.is_empty(), "{field:?} has no sample");
            let value = values[dice.below(values.len())].clone();
            group.push_value(field, value);
        }
    }
}

/// A person, and how it is seen.
struct Case {
    person: Person,
    json: Json,
    ceiling: Level,
    grant: Grant,
}

impl Case {
    fn random(dice: &mut Dice, formats: &Formats) -> Self {
        let (own, ..) = dice.of(&IDENTITIES);
        let mut person = Person::new(formats.guess(own).unwrap(), formats);
        person.clear(Field::at("gender"));
        person.clear(Field::at("birth"));
        fill(&mut person, dice, formats);
        let protected = dice.below(4) == 0;
        let population = dice.below(6) == 0;
        person.set(
            Field::at("protectedPersonIndicator"),
            Value::Boolean(protected),
        );
        person.set(
            Field::at("protectedPopulationRecord"),
            Value::Boolean(population),
        );
        let inherited = dice.below(6) == 0;
        if inherited {
            person.inherited = Shield::PERSON;
        }
        let profile = dice.of(&Profile::ALL);
        let level = [Level::P1, Level::P2, Level::P3, Level::P4, Level::P5][profile as usize];
        let (grant, ceiling) = if dice.below(3) == 0 {
            (Grant::unrestricted(profile), level)
        } else {
            let ceiling = match (population, protected || inherited) {
                (true, _) => Level::Always,
                (_, true) => Level::P1,
                _ => level,
            };
            let rule = ProtectionRules::STANDARD;
            (Grant::restricted(profile, rule), ceiling)
        };
        let record = person.to_record().unwrap();
        let record = RecordRef::open(&record).unwrap();
        let mut out = Vec::new();
        let all = restrict(record, &Grant::backup(), Shield::NONE);
        json::write(&all, formats, &mut out).unwrap();
        Self {
            json: serde_json::from_slice(&out).unwrap(),
            person,
            ceiling,
            grant,
        }
    }

    fn shows(&self, field: Field) -> bool {
        let info = field.info();
        let root = &self.json["personalIdentity"]["root"];
        let reserve = root == "1.2.752.74.9.1" || root == "1.2.752.113.11.0.2.1.1.1";
        info.level <= self.ceiling && (reserve || !info.reserve_only)
    }

    fn found_by(&self, query: &str, formats: &Formats) -> bool {
        let query = Query::parse(query, formats).unwrap_or_else(|error| panic!("{query}: {error}"));
        let bytes = self.person.to_record().unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        let view = restrict(record, &self.grant, Shield::NONE);
        Matcher::new(&query, formats).matches(&view).unwrap()
    }

    /// What the condition says of the record, or of one entry of a group.
    fn truth(&self, expression: &Expression, entry: Option<(Field, &Json)>) -> Option<bool> {
        match expression {
            Expression::Not(term) => self.truth(term, entry).map(|truth| !truth),
            Expression::Both(a, b) => match (self.truth(a, entry), self.truth(b, entry)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expression::Either(a, b) => match (self.truth(a, entry), self.truth(b, entry)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expression::Is(claim) => self.shows(claim.field).then(|| claim.holds(self, entry)),
        }
    }

    fn meets(&self, root: Field, expression: &Expression) -> bool {
        if root == Field::RECORD {
            return self.truth(expression, None) == Some(true);
        }
        let mut entries = Vec::new();
        let names = root.path();
        collect(
            &self.json,
            &names.split('/').collect::<Vec<_>>(),
            &mut entries,
        );
        self.shows(root)
            && entries
                .into_iter()
                .any(|entry| self.truth(expression, Some((root, entry))) == Some(true))
    }
}

enum Expression {
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Is(Claim),
}

struct Claim {
    field: Field,
    part: &'static str,
    operator: &'static str,
    literals: Vec<String>,
}

fn collect<'j>(json: &'j Json, names: &[&str], found: &mut Vec<&'j Json>) {
    match (json, names.split_first()) {
        (Json::Array(entries), _) => entries.iter().for_each(|it| collect(it, names, found)),
        (_, None) => found.push(json),
        (_, Some((name, rest))) => {
            if let Some(below) = json.get(name) {
                collect(below, rest, found);
            }
        }
    }
}

/// The definition of LIKE.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => (0..=text.len()).any(|from| like(rest, &text[from..])),
        Some(('_', rest)) => !text.is_empty() && like(rest, &text[1..]),
        Some((c, rest)) => text.first() == Some(c) && like(rest, &text[1..]),
    }
}

/// Keys that order texts of these tests as the Swedish alphabet does.
fn order(text: &str) -> (Vec<u32>, String) {
    let letter = |c: char| match c {
        'å' => 1_000,
        'ä' => 1_001,
        'ö' => 1_002,
        'é' => u32::from('e'),
        'ü' => u32::from('u'),
        c => u32::from(c),
    };
    (text.chars().map(letter).collect(), text.to_owned())
}

impl Claim {
    fn text(&self) -> String {
        let node = format!("{}{}", self.field.path().replace('/', "."), self.part);
        let quoted = |(place, text): (usize, &String)| match place % 2 {
            0 => format!("'{}'", text.replace('\'', "''")),
            _ => format!("\"{}\"", text.replace('"', "\"\"")),
        };
        let literals: Vec<String> = self.literals.iter().enumerate().map(quoted).collect();
        let operator = self.operator;
        match operator.trim_start_matches("NOT ") {
            "IS NULL" | "IS NOT NULL" => format!("personRecord.{node} {operator}"),
            "BETWEEN" => format!("personRecord.{node} {operator} {}", literals.join(" and ")),
            "IN" => format!("personRecord.{node} {operator} ({})", literals.join(",")),
            _ => format!("personRecord.{node} {operator} {}", literals[0]),
        }
    }

    fn holds(&self, case: &Case, entry: Option<(Field, &Json)>) -> bool {
        let values = self.values(case, entry);
        match self.operator {
            "IS NULL" => values.is_empty(),
            "IS NOT NULL" => !values.is_empty(),
            "<>" => values.iter().any(|value| self.one("!=", value)),
            operator => match operator.strip_prefix("NOT ") {
                Some(operator) => !values.iter().any(|value| self.one(operator, value)),
                None => values.iter().any(|value| self.one(operator, value)),
            },
        }
    }

    /// The values that are seen, as text.
    fn values(&self, case: &Case, entry: Option<(Field, &Json)>) -> Vec<String> {
        let fields = Field::all().filter(|it| self.field.contains(*it) && it.kind() != Kind::Group);
        let mut texts = Vec::new();
        for field in fields.filter(|field| case.shows(*field)) {
            let path = field.path();
            let names: Vec<&str> = path.split('/').collect();
            let mut found = Vec::new();
            match entry {
                Some((root, json)) if root.contains(field) => {
                    let depth = root.path().split('/').count();
                    collect(json, &names[depth..], &mut found);
                }
                _ => collect(&case.json, &names, &mut found),
            }
            texts.extend(found.into_iter().filter_map(|json| {
                let json = match (json, self.part) {
                    (Json::Object(it), ".root" | ".type") => it.get("root")?,
                    (Json::Object(it), _) if field.kind() == Kind::Identity => {
                        it.get("extension")?
                    }
                    (Json::Object(it), _) => it.get(field.info().name)?,
                    _ => json,
                };
                Some(
                    json.as_str()
                        .map_or_else(|| json.to_string(), str::to_owned),
                )
            }));
        }
        texts
    }

    fn one(&self, operator: &str, value: &str) -> bool {
        let literal = &self.literals[0];
        let (first, last) = (literal, self.literals.last().unwrap());
        match (self.part, self.field.kind()) {
            (".type", _) => {
                let named = |name: &String| {
                    let rows = IDENTITIES
                        .iter()
                        .filter(|(.., it)| it.eq_ignore_ascii_case(name));
                    rows.map(|(_, root, _)| *root).any(|root| root == value)
                };
                among(operator, named(literal), self.literals.iter().any(named))
            }
            (".root", _) => among(
                operator,
                literal == value,
                self.literals.iter().any(|it| it == value),
            ),
            (_, Kind::Text) => {
                let value = value.to_lowercase();
                let lower: Vec<String> = self.literals.iter().map(|it| it.to_lowercase()).collect();
                let (first, last) = (&lower[0], lower.last().unwrap());
                let path = self.field.path();
                let whole = [value.as_str()];
                let names = ["name/givenName", "name/middleName", "name/surname"];
                let forms: Vec<&str> = if names.contains(&path.as_str()) {
                    let words = value.split([' ', '-', '&', '<', '>', '%', '_', '.']);
                    words.filter(|it| !it.is_empty()).chain(whole).collect()
                } else {
                    whole.to_vec()
                };
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                let (own, from, to) = (order(&value), order(first), order(last));
                match operator {
                    "=" => forms.contains(&first.as_str()),
                    "IN" => lower.iter().any(|it| forms.contains(&it.as_str())),
                    "LIKE" => forms.iter().any(|it| like(&chars(first), &chars(it))),
                    "!=" => value != *first,
                    "<" => own < from,
                    "<=" => own <= from,
                    ">" => own > from,
                    ">=" => own >= from,
                    _ => own >= from && own <= to,
                }
            }
            (_, Kind::Number) if operator == "LIKE" => {
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                like(&chars(first), &chars(value))
            }
            (_, Kind::Number) => {
                let number = |text: &str| text.parse::<i64>().unwrap();
                let (own, from, to) = (number(value), number(first), number(last));
                match operator {
                    "<" => own < from,
                    "<=" => own <= from,
                    ">" => own > from,
                    ">=" => own >= from,
                    "BETWEEN" => own >= from && own <= to,
                    _ => among(
                        operator,
                        own == from,
                        self.literals.iter().any(|it| number(it) == own),
                    ),
                }
            }
            (_, Kind::Boolean) => among(
                operator,
                value == literal,
                self.literals.iter().any(|it| it == value),
            ),
            (_, Kind::Identity) if operator == "LIKE" => {
                let chars = |text: &str| text.chars().collect::<Vec<_>>();
                like(&chars(first), &chars(value))
            }
            (_, Kind::Identity) => among(
                operator,
                value == literal,
                self.literals.iter().any(|it| it == value),
            ),
            // Dates and moments: what is written shorter is a beginning of what it stands for.
            _ => {
                let after = |literal: &String| {
                    value > literal.as_str() && !value.starts_with(literal.as_str())
                };
                let within = |literal: &String| value.starts_with(literal.as_str());
                match operator {
                    "<" => value < first.as_str(),
                    "<=" => !after(first),
                    ">" => after(first),
                    ">=" => value >= first.as_str(),
                    "BETWEEN" => value >= first.as_str() && !after(last),
                    _ => among(operator, within(first), self.literals.iter().any(within)),
                }
            }
        }
    }
}

fn among(operator: &str, same: bool, any: bool) -> bool {
    match operator {
        "=" | "LIKE" => same,
        "!=" => !same,
        "IN" => any,
        _ => panic!("{operator}"),
    }
}

fn goes_with(operator: &str, field: Field, part: &str) -> bool {
    let bare = operator.trim_start_matches("NOT ");
    let kind = field.kind();
    match bare {
        "IS NULL" | "IS NOT NULL" => true,
        _ if kind == Kind::Group => false,
        "=" | "!=" | "<>" | "IN" => true,
        "LIKE" => part.is_empty() && matches!(kind, Kind::Text | Kind::Number | Kind::Identity),
        _ => !matches!(kind, Kind::Boolean | Kind::Identity),
    }
}

/// Every node and what can be asked of it.
fn nodes() -> Vec<(Field, &'static str)> {
    Field::all()
        .skip(1)
        .filter(|field| Core::ALL.iter().any(|&core| field.exists_in(core)))
        .filter(|field| field.info().level != Level::Internal && field.info().wrap != Wrap::Wrapper)
        .flat_map(|field| match field.kind() {
            Kind::Identity => vec![(field, ""), (field, ".root"), (field, ".type")],
            _ => vec![(field, "")],
        })
        .collect()
}

fn claim(dice: &mut Dice, (field, part): (Field, &'static str), operator: &'static str) -> Claim {
    let pool = literals(field, part);
    let count = match operator.trim_start_matches("NOT ") {
        "BETWEEN" => 2,
        "IN" => 1 + dice.below(3),
        "IS NULL" | "IS NOT NULL" => 0,
        _ => 1,
    };
    let mut literals = Vec::new();
    for _ in 0..count {
        let text = pool
            .get(dice.below(pool.len().max(1)))
            .cloned()
            .unwrap_or_default();
        let text = match dice.below(3) {
            // Case matters to the evaluator only where it never does to anybody.
            0 if field.kind() == Kind::Text => text.to_uppercase(),
            1 if field.kind() == Kind::Text => text.to_lowercase(),
            _ => text,
        };
        literals.push(if operator.ends_with("LIKE") {
            let mut chars: Vec<char> = text.chars().filter(|c| !"%_".contains(*c)).collect();
            let at = dice.below(chars.len() + 1);
            match dice.below(4) {
                0 => chars.truncate(at),
                1 => chars.drain(..at).for_each(drop),
                2 if at < chars.len() => chars[at] = '_',
                _ => {}
            }
            let (before, after) = dice.of(&[("", "%"), ("%", ""), ("%", "%"), ("", "%")]);
            format!("{before}{}{after}", chars.into_iter().collect::<String>())
        } else {
            text
        });
    }
    Claim {
        field,
        part,
        operator,
        literals,
    }
}

fn expression(dice: &mut Dice, nodes: &[(Field, &'static str)], depth: usize) -> Expression {
    let choice = if depth == 0 { 0 } else { dice.below(5) };
    let mut below = || Box::new(expression(dice, nodes, depth - 1));
    match choice {
        1 => Expression::Not(below()),
        2 => Expression::Both(below(), below()),
        3 => Expression::Either(below(), below()),
        _ => loop {
            let (node, operator) = (dice.of(nodes), dice.of(&OPERATORS));
            if goes_with(operator, node.0, node.1) {
                break Expression::Is(claim(dice, node, operator));
            }
        },
    }
}

fn written(expression: &Expression) -> String {
    match expression {
        Expression::Not(term) => format!("NOT ({})", written(term)),
        Expression::Both(a, b) => format!("({} and {})", written(a), written(b)),
        Expression::Either(a, b) => format!("({} Or {})", written(a), written(b)),
        Expression::Is(claim) => claim.text(),
    }
}

/// A pattern for identities must begin as some identity can.
fn is_wrong_prefix(claim: &Claim, formats: &Formats) -> bool {
    let prefix = claim
        .literals
        .first()
        .map_or("", |it| it.trim_end_matches('%'));
    claim.field.kind() == Kind::Identity
        && claim.operator.ends_with("LIKE")
        && formats.spans_of_typed_prefix(prefix).is_empty()
}

#[test]
fn every_node_with_every_operator() {
    let formats = Formats::standard();
    let mut dice = Dice(7);
    let (mut found, mut missed) = (0, 0);
    for node in nodes() {
        for operator in OPERATORS {
            for round in 0..4 {
                let claim = claim(&mut dice, node, operator);
                let query = format!("FROM personrecord WHERE {};", claim.text());
                let parsed = Query::parse(&query, &formats).is_ok();
                if !goes_with(operator, node.0, node.1) || !parsed {
                    let wrong =
                        !goes_with(operator, node.0, node.1) || is_wrong_prefix(&claim, &formats);
                    assert!(!parsed && wrong, "{query}");
                    continue;
                }
                let case = Case::random(&mut dice, &formats);
                let expected = case.meets(Field::RECORD, &Expression::Is(claim));
                assert_eq!(
                    case.found_by(&query, &formats),
                    expected,
                    "{round} {query} {}",
                    case.json
                );
                if expected { found += 1 } else { missed += 1 }
            }
        }
    }
    assert!(
        found > 1_000 && missed > 1_000,
        "{found} found, {missed} not"
    );
}

/// Nobody can learn what a view hides by asking for it, for anything else, or for nothing.
#[test]
fn what_is_hidden_finds_nobody() {
    let formats = Formats::standard();
    let mut dice = Dice(11);
    let mut hidden = 0;
    for round in 0..6 {
        let mut case = loop {
            let case = Case::random(&mut dice, &formats);
            if case.ceiling <= Level::P1 {
                break case;
            }
        };
        // Once as drawn, and then by protection that is inherited alone.
        if round % 2 == 1 {
            case.person
                .set(Field::at("protectedPersonIndicator"), Value::Boolean(false));
            case.person.set(
                Field::at("protectedPopulationRecord"),
                Value::Boolean(false),
            );
            case.person.inherited = Shield::PERSON;
            case.grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);
            case.ceiling = Level::P1;
        }
        for node in nodes().into_iter().filter(|(field, _)| !case.shows(*field)) {
            for operator in OPERATORS {
                let claim = claim(&mut dice, node, operator);
                if !goes_with(operator, node.0, node.1) || is_wrong_prefix(&claim, &formats) {
                    continue;
                }
                hidden += 1;
                for text in [claim.text(), format!("NOT ({})", claim.text())] {
                    let query = format!("FROM PersonRecord WHERE {text}");
                    assert!(!case.found_by(&query, &formats), "{query}");
                }
            }
        }
    }
    assert!(hidden > 2_000, "{hidden}");
}

#[test]
fn names_of_every_kind_are_found_by_their_words() {
    let formats = Formats::standard();
    let mut person = Person::new(formats.guess("191212121212").unwrap(), &formats);
    person.set(
        Field::at("name/givenName"),
        Value::from("Anna-Karin ÅSA O’Neil"),
    );
    person.set(Field::at("name/surname"), Value::from("von Éckerman & Ö"));
    person.set(
        Field::at("name/middleName"),
        Value::from("Ö".repeat(80).as_str()),
    );
    let bytes = person.to_record().unwrap();
    let grant = Grant::unrestricted(Profile::P1);
    let view = restrict(RecordRef::open(&bytes).unwrap(), &grant, Shield::NONE);
    for (claim, expected) in [
        ("givenName = 'karin'", true),
        ("givenName = 'anna-karin åsa o’neil'", true),
        ("givenName = 'anna-karin'", false),
        ("givenName LIKE 'kar%'", true),
        ("givenName LIKE 'ann_'", true),
        ("givenName LIKE 'anna%neil'", true),
        ("givenName = 'asa'", false),
        ("givenName LIKE '_sa'", true),
        ("givenName != 'karin'", true),
        ("NOT givenName = 'karin'", false),
        ("surname = 'VON'", true),
        ("surname = 'eckerman'", false),
        ("surname = 'ö'", true),
        ("surname LIKE '%&%'", true),
        ("surname > 'w'", false),
        ("surname BETWEEN 'v' AND 'x'", true),
        ("notificationName IS NULL", true),
        ("notificationName != 'x'", false),
        ("NOT notificationName = 'x'", true),
        ("name IS NOT NULL AND deregistration IS NULL", true),
    ] {
        let query = Query::parse(&format!("FROM PersonRecord WHERE {claim}"), &formats).unwrap();
        assert_eq!(
            Matcher::new(&query, &formats).matches(&view),
            Ok(expected),
            "{claim}"
        );
    }
    let whole = format!("FROM PersonRecord WHERE middleName = '{}'", "ö".repeat(80));
    let query = Query::parse(&whole, &formats).unwrap();
    assert_eq!(Matcher::new(&query, &formats).matches(&view), Ok(true));
}

#[test]
fn one_entry_must_meet_the_whole_condition() {
    let formats = Formats::standard();
    let mut person = Person::new(formats.guess("191212121212").unwrap(), &formats);
    for (kind, surname) in [("MO", "Ek"), ("FA", "Al")] {
        let mut entry = Group::new(Field::at("relationship"));
        entry.set(
            Field::at("relationship/relationshipType"),
            Value::from(kind),
        );
        entry.set(Field::at("relationship/name/surname"), Value::from(surname));
        person.push(entry);
    }
    let bytes = person.to_record().unwrap();
    let seen = |profile: Profile, query: &str| {
        let grant = Grant::unrestricted(profile);
        let view = restrict(RecordRef::open(&bytes).unwrap(), &grant, Shield::NONE);
        let query = Query::parse(query, &formats).unwrap();
        Matcher::new(&query, &formats).matches(&view).unwrap()
    };
    let mixed = "relationshipType = 'MO' AND relationship.name.surname = 'Al'";
    assert!(seen(
        Profile::P5,
        &format!("FROM PersonRecord WHERE {mixed}")
    ));
    assert!(!seen(
        Profile::P5,
        &format!("FROM PersonRecord.relationship WHERE {mixed}")
    ));
    let own = "FROM PersonRecord.relationship.name WHERE surname = 'Al' AND relationship.relationshipType = 'FA'";
    assert!(seen(Profile::P5, own));
    let also = "FROM PersonRecord.relationship WHERE surname = 'Ek' AND gender = '1'";
    assert!(seen(Profile::P5, also));
    assert!(!seen(Profile::P5, &also.replace("'1'", "'2'")));
    assert!(!seen(Profile::P1, own));
    assert!(!seen(
        Profile::P5,
        "FROM PersonRecord.citizenship WHERE status IS NULL"
    ));
    assert!(seen(
        Profile::P5,
        "FROM PersonRecord.relationship WHERE status IS NULL"
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn conditions_mean_what_they_say(seed: u64) {
        let formats = Formats::standard();
        let mut dice = Dice(seed);
        let nodes = nodes();
        let roots: Vec<Field> = [Field::RECORD]
            .into_iter()
            .chain(["relationship", "citizenship", "contactInformation", "linkedIdentity"].map(Field::at))
            .collect();
        let root = dice.of(&roots);
        let near: Vec<_> = nodes
            .iter()
            .copied()
            .filter(|(field, _)| root != *field && root.contains(*field) || dice.below(8) == 0)
            .collect();
        let case = Case::random(&mut dice, &formats);
        let expression = expression(&mut dice, &near, 3);
        let from = match root {
            Field::RECORD => "PersonRecord".to_owned(),
            root => format!("PersonRecord.{}", root.path()),
        };
        let query = format!("from {from} where {}", written(&expression));
        if Query::parse(&query, &formats).is_ok() {
            let expected = case.meets(root, &expression);
            prop_assert_eq!(case.found_by(&query, &formats), expected, "{}", query);
        }
    }
}

//! Search parameters: plain names and values that become SimpleQL. One row per parameter; the REST
//! search and its description are made from the rows.

use super::rest::ParameterError;
use crate::base::swedish;
use crate::person::schema::{Facet, Kind};
use crate::person::typed;
use crate::person::value::Value;
use crate::query::search::SearchError;

/// One parameter.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like, and what becomes of it.
    pub form: Form,
    /// The nodes it asks for; one of them must hold.
    pub nodes: &'static [&'static str],
    /// What it is, for the description.
    pub about: &'static str,
}

/// The form of a parameter's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// An identity, or the beginning of one with `*`.
    Identity,
    /// Words, each of which must be a word of the node; the last one may end in `*`.
    Words,
    /// The whole text, or its beginning with `*`.
    Text,
    /// A day, month or year, or two of them with `..` between.
    Date,
    /// One of the genders.
    Gender,
    /// Five digits, or the first ones with `*`.
    PostalCode,
    /// Two digits.
    County,
    /// Two digits, or four: county and municipality.
    Municipality,
    /// Changed since this moment or day.
    Since,
}

const fn row(
    name: &'static str,
    form: Form,
    nodes: &'static [&'static str],
    about: &'static str,
) -> Row {
    Row {
        name,
        form,
        nodes,
        about,
    }
}

/// Every parameter.
pub static PARAMETERS: &[Row] = &[
    row(
        "identity",
        Form::Identity,
        &["personalIdentity.extension"],
        "Identity without separator, or its beginning followed by *",
    ),
    row(
        "name",
        Form::Words,
        &["name.givenName", "name.surname"],
        "Words of given name or surname, all of which must be found; * after the last for its beginning",
    ),
    row(
        "given_name",
        Form::Words,
        &["name.givenName"],
        "Words of the given name; * after the last for its beginning",
    ),
    row(
        "middle_name",
        Form::Words,
        &["name.middleName"],
        "Words of the middle name; * after the last for its beginning",
    ),
    row(
        "surname",
        Form::Words,
        &["name.surname"],
        "Words of the surname; * after the last for its beginning",
    ),
    row(
        "birth_date",
        Form::Date,
        &["birth.dateOfBirth"],
        "Date of birth: YYYY-MM-DD, YYYY-MM or YYYY; or two of them as FROM..TO",
    ),
    row(
        "gender",
        Form::Gender,
        &["gender"],
        "Gender: 0 not known, 1 man, 2 woman, 9 not applicable",
    ),
    row(
        "street",
        Form::Text,
        &[
            "addressInformation.residentialAddress.postalAddress1",
            "addressInformation.residentialAddress.postalAddress2",
            "addressInformation.specialPostalAddress.postalAddress1",
            "addressInformation.specialPostalAddress.postalAddress2",
            "addressInformation.givenAddress.postalAddress1",
            "addressInformation.givenAddress.postalAddress2",
        ],
        "Street and number in full, or the beginning followed by *",
    ),
    row(
        "postal_code",
        Form::PostalCode,
        &[
            "addressInformation.residentialAddress.postalCode",
            "addressInformation.specialPostalAddress.postalCode",
            "addressInformation.givenAddress.postalCode",
        ],
        "Postal code: five digits, or the first ones followed by *",
    ),
    row(
        "city",
        Form::Text,
        &[
            "addressInformation.residentialAddress.city",
            "addressInformation.specialPostalAddress.city",
            "addressInformation.givenAddress.city",
        ],
        "City of an address in Sweden, or its beginning followed by *",
    ),
    row(
        "county",
        Form::County,
        &["populationRegistrationLocality.countyCode"],
        "County code: two digits",
    ),
    row(
        "municipality",
        Form::Municipality,
        &[
            "populationRegistrationLocality.countyCode",
            "populationRegistrationLocality.municipalityCode",
        ],
        "Municipality code: two digits (beside county), or four with the county's first",
    ),
    row(
        "changed_since",
        Form::Since,
        &["version"],
        "Changed at this moment or later, Swedish time: YYYY-MM-DD, YYYY-MM-DDThh:mm:ss or YYYYMMDDhhmmss",
    ),
];

/// Characters of the longest value.
pub const LONGEST: usize = 100;

/// Words of one value.
const WORDS: usize = 4;

/// A query made of parameters.
#[derive(Default)]
pub struct Built {
    /// The query.
    pub text: String,
    /// Where each parameter's condition ends, in characters.
    ends: Vec<(usize, &'static str)>,
}

impl Built {
    /// Adds a parameter's condition; all must hold.
    pub fn add(&mut self, row: &'static Row, value: &str) -> Result<(), ParameterError> {
        let expected = ParameterError::Value {
            name: row.name,
            expected: row.form.expected(),
        };
        let condition = condition(row, value.trim()).ok_or(expected)?;
        let before = if self.text.is_empty() {
            "FROM PersonRecord WHERE "
        } else {
            " AND "
        };
        self.text += before;
        self.text += &condition;
        self.ends.push((self.text.chars().count(), row.name));
        Ok(())
    }

    /// Whether there is no condition.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is wrong with a condition, told by its parameter instead of its position.
    pub fn told(&self, error: SearchError) -> super::fault::Trouble {
        match error {
            SearchError::HiddenNode { at, profile } => {
                let condition = self.ends.iter().find(|(end, _)| at <= *end);
                let name = condition.map_or("", |(_, name)| *name);
                ParameterError::Hidden { name, profile }.into()
            }
            error => error.into(),
        }
    }
}

impl Form {
    /// What a value must be, for those who sent another.
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Identity => "en identitet, eller minst två tecken följda av *",
            Self::Words => {
                "högst fyra ord om sammanlagt högst 100 tecken, det sista eventuellt följt av *"
            }
            Self::Text => "en text om högst 100 tecken, eventuellt följd av *",
            Self::Date => "ett datum (ÅÅÅÅ-MM-DD, ÅÅÅÅ-MM eller ÅÅÅÅ), eller två med .. mellan",
            Self::Gender => "0, 1, 2 eller 9",
            Self::PostalCode => "fem siffror, eller två till fyra följda av *",
            Self::County => "två siffror",
            Self::Municipality => "två siffror, eller fyra med länets först",
            Self::Since => "en tidpunkt (ÅÅÅÅ-MM-DD, ÅÅÅÅ-MM-DDTtt:mm:ss eller ÅÅÅÅMMDDttmmss)",
        }
    }

    /// What a value must look like, as a regular expression.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Identity => {
                "^([0-9A-Za-z]{8}-?[0-9A-Za-z]{4}|[0-9]{6}[-+]?[0-9]{4}|[0-9]{6}[A-Za-z]{2}[01][A-Za-z]|[0-9A-Za-z]{2,11}[*])$"
            }
            // Something beside the star, to begin with.
            Self::Words | Self::Text => "^[0-9A-Za-z\u{c5}\u{c4}\u{d6}\u{e5}\u{e4}\u{f6}]",
            Self::Date => {
                "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?([.][.][0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$"
            }
            Self::Gender => "^[0129]$",
            Self::PostalCode => "^([0-9]{5}|[0-9]{2,4}[*])$",
            Self::County => "^[0-9]{2}$",
            Self::Municipality => "^[0-9]{2}([0-9]{2})?$",
            Self::Since => "^([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2})?|[0-9]{14})$",
        }
    }
}

/// The condition a value stands for; `None` when it has another form.
fn condition(row: &Row, value: &str) -> Option<String> {
    if value.is_empty() || value.chars().count() > LONGEST || value.chars().any(char::is_control) {
        return None;
    }
    let digits = |text: &str, least: usize, most: usize| {
        (least..=most).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit())
    };
    let any = |test: &dyn Fn(&str) -> String| {
        let all: Vec<String> = row.nodes.iter().map(|node| test(node)).collect();
        match all.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", all.join(" OR ")),
        }
    };
    let prefix = value.strip_suffix('*');
    match row.form {
        Form::Identity => {
            let plain = typed::bare(prefix.unwrap_or(value));
            let letters = |text: &str| text.bytes().all(|it| it.is_ascii_alphanumeric());
            // The plus of a number without its century, in its place.
            let unsigned = match plain.split_once('+') {
                Some((date, rest)) if date.len() == 6 && rest.len() == 4 => format!("{date}{rest}"),
                _ => plain.clone(),
            };
            match prefix {
                Some(_) if (2..12).contains(&plain.len()) && letters(&plain) => {
                    Some(any(&|node| format!("{node} LIKE {}", beginning(&plain))))
                }
                None if typed::may_have_lost_a_plus(value) => None,
                None if matches!(unsigned.len(), 10 | 12) && letters(&unsigned) => {
                    Some(any(&|node| format!("{node} = {}", literal(&plain))))
                }
                _ => None,
            }
        }
        Form::Words => words(row.nodes, value),
        Form::Text => match prefix {
            Some("") => None,
            Some(begin) => Some(any(&|node| format!("{node} LIKE {}", beginning(begin)))),
            None => Some(any(&|node| format!("{node} = {}", literal(value)))),
        },
        Form::Date => {
            let is_date = |text: &str| {
                Value::check_as(Kind::PartialDate, Facet::None, text).is_ok()
                    && matches!(text.len(), 4 | 7 | 10)
            };
            match value.split_once("..") {
                Some((from, to)) => (is_date(from) && is_date(to)).then(|| {
                    let (from, to) = (literal(from), literal(to));
                    any(&|node| format!("{node} BETWEEN {from} AND {to}"))
                }),
                None => is_date(value).then(|| any(&|node| format!("{node} = {}", literal(value)))),
            }
        }
        Form::Gender => ["0", "1", "2", "9"]
            .contains(&value)
            .then(|| any(&|node| format!("{node} = {}", literal(value)))),
        Form::PostalCode => {
            let plain: String = value.chars().filter(|c| *c != ' ').collect();
            match plain.strip_suffix('*') {
                Some(begin) if digits(begin, 2, 4) => {
                    let (from, to) = (format!("{begin:0<5}"), format!("{begin:9<5}"));
                    Some(any(&|node| format!("{node} BETWEEN '{from}' AND '{to}'")))
                }
                None if digits(&plain, 5, 5) => Some(any(&|node| format!("{node} = '{plain}'"))),
                _ => None,
            }
        }
        Form::County => digits(value, 2, 2).then(|| any(&|node| format!("{node} = '{value}'"))),
        Form::Municipality => {
            let [county, municipality] = row.nodes else {
                return None;
            };
            match value.len() {
                2 if digits(value, 2, 2) => Some(format!("{municipality} = '{value}'")),
                4 if digits(value, 4, 4) => {
                    let (first, last) = value.split_at(2);
                    Some(format!(
                        "{county} = '{first}' AND {municipality} = '{last}'"
                    ))
                }
                _ => None,
            }
        }
        Form::Since => {
            let mut moment: String = match value.len() {
                14 => value.to_owned(),
                10 | 19 => {
                    let form = Form::Since.separators(value)?;
                    value.chars().filter(|c| !form.contains(*c)).collect()
                }
                _ => return None,
            };
            if moment.len() == 8 {
                moment += "000000";
            }
            let is_moment = Value::check_as(Kind::Timestamp, Facet::Length(14), &moment).is_ok();
            (is_moment && digits(&moment, 14, 14))
                .then(|| any(&|node| format!("{node} >= '{moment}'")))
        }
    }
}

impl Form {
    /// The separators of a date or moment, when they stand where they should.
    fn separators(self, value: &str) -> Option<&'static str> {
        let bytes = value.as_bytes();
        let at = |place: usize, byte: u8| bytes.get(place) == Some(&byte);
        let date = self == Self::Since && at(4, b'-') && at(7, b'-');
        let time = bytes.len() == 10 || (at(10, b'T') && at(13, b':') && at(16, b':'));
        (date && time).then_some("-T:")
    }
}

/// Every word must be a word of one of the nodes: of names, SimpleQL asks word by word.
fn words(nodes: &[&str], value: &str) -> Option<String> {
    let (value, prefix) = match value.strip_suffix('*') {
        Some(begin) => (begin, true),
        None => (value, false),
    };
    let folded = swedish::fold(value);
    let words: Vec<&str> = swedish::words(&folded).collect();
    // A star stands directly behind a word.
    if words.is_empty() || words.len() > WORDS || (prefix && !folded.ends_with(words.last()?)) {
        return None;
    }
    let mut all = Vec::new();
    for (number, word) in words.iter().enumerate() {
        let test = if prefix && number + 1 == words.len() {
            format!("LIKE {}", beginning(word))
        } else {
            format!("= {}", literal(word))
        };
        let tests: Vec<String> = nodes.iter().map(|node| format!("{node} {test}")).collect();
        all.push(match tests.as_slice() {
            [one] => one.clone(),
            _ => format!("({})", tests.join(" OR ")),
        });
    }
    Some(all.join(" AND "))
}

/// Text in quotation marks.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A pattern for what begins so. SimpleQL cannot quote its wildcards; one character stands for a `%`
/// of the text.
fn beginning(text: &str) -> String {
    literal(&(text.replace('%', "_") + "%"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::identity::Formats;
    use crate::person::view::Profile;
    use crate::wire::fault::Trouble;

    fn built(parameters: &[(&str, &str)]) -> Option<String> {
        let mut built = Built::default();
        for (name, value) in parameters {
            let row = PARAMETERS.iter().find(|row| row.name == *name).unwrap();
            built.add(row, value).ok()?;
        }
        Some(built.text)
    }

    fn one(name: &str, value: &str) -> Option<String> {
        let text = built(&[(name, value)])?;
        Some(
            text.strip_prefix("FROM PersonRecord WHERE ")
                .unwrap()
                .to_owned(),
        )
    }

    #[test]
    fn values_become_conditions() {
        for (name, value, condition) in [
            (
                "identity",
                "19121212-1212",
                "personalIdentity.extension = '191212121212'",
            ),
            (
                "identity",
                "700178\u{2013}2395",
                "personalIdentity.extension = '7001782395'",
            ),
            (
                "identity",
                "121212+1212",
                "personalIdentity.extension = '121212+1212'",
            ),
            (
                "identity",
                "20200501-AA8A",
                "personalIdentity.extension = '20200501AA8A'",
            ),
            (
                "identity",
                "700178-*",
                "personalIdentity.extension LIKE '700178%'",
            ),
            (
                "identity",
                "1912*",
                "personalIdentity.extension LIKE '1912%'",
            ),
            ("birth_date", "1912-12", "birth.dateOfBirth = '1912-12'"),
            (
                "birth_date",
                "1980-01-01..1980-12-31",
                "birth.dateOfBirth BETWEEN '1980-01-01' AND '1980-12-31'",
            ),
            ("gender", "2", "gender = '2'"),
            (
                "county",
                "14",
                "populationRegistrationLocality.countyCode = '14'",
            ),
            (
                "municipality",
                "80",
                "populationRegistrationLocality.municipalityCode = '80'",
            ),
            (
                "municipality",
                "1480",
                "populationRegistrationLocality.countyCode = '14' AND populationRegistrationLocality.municipalityCode = '80'",
            ),
            ("changed_since", "2025-01-07", "version >= '20250107000000'"),
            (
                "changed_since",
                "2025-01-07T06:00:01",
                "version >= '20250107060001'",
            ),
            (
                "changed_since",
                "20250107060001",
                "version >= '20250107060001'",
            ),
        ] {
            assert_eq!(
                one(name, value).as_deref(),
                Some(condition),
                "{name}={value}"
            );
        }
        let postal = one("postal_code", "791*").unwrap();
        assert!(postal.starts_with(
            "(addressInformation.residentialAddress.postalCode BETWEEN '79100' AND '79199' OR "
        ));
        assert!(
            one("postal_code", "791 08")
                .unwrap()
                .contains("postalCode = '79108'")
        );
        let street = one("street", "Söd*").unwrap();
        assert_eq!(street.matches("LIKE 'Söd%'").count(), 6);
    }

    #[test]
    fn words_are_found_wherever_they_stand() {
        for (name, value, condition) in [
            (
                "surname",
                "von Åkeräng",
                "name.surname = 'von' AND name.surname = 'åkeräng'",
            ),
            (
                "given_name",
                "Britt-Mar*",
                "name.givenName = 'britt' AND name.givenName LIKE 'mar%'",
            ),
            (
                "name",
                "Anna",
                "(name.givenName = 'anna' OR name.surname = 'anna')",
            ),
        ] {
            assert_eq!(one(name, value).as_deref(), Some(condition));
        }
    }

    #[test]
    fn conditions_are_joined_and_values_stay_values() {
        let text = built(&[("gender", "1"), ("city", "x' OR '1'='1")]).unwrap();
        assert!(text.starts_with("FROM PersonRecord WHERE gender = '1' AND ("));
        assert!(text.contains("city = 'x'' OR ''1''=''1'"));
        assert!(one("city", "a%b*").unwrap().contains("LIKE 'a_b%'"));
        assert!(one("surname", "d'Arc").unwrap().contains("= 'd''arc'"));
    }

    #[test]
    fn other_forms_are_refused() {
        for (name, values) in [
            (
                "identity",
                [
                    "1912",
                    "191212121212*",
                    "1*",
                    "19121212121å",
                    "121212 1212",
                    "1212+121212",
                    "19121212+1212",
                ]
                .as_slice(),
            ),
            ("name", &["", " ", "*", "- *", "a\u{0}b"]),
            ("city", &["", "*"]),
            (
                "birth_date",
                &[
                    "19801",
                    "1980-13",
                    "1980..",
                    "..1980",
                    "1980-01-01..x",
                    "80",
                ],
            ),
            ("gender", &["3", "man", "12"]),
            ("postal_code", &["791", "7*", "791081", "79108*"]),
            ("county", &["1", "123", "AB"]),
            ("municipality", &["148", "1a80"]),
            (
                "changed_since",
                &[
                    "2025",
                    "2025-01-07 06:00:01",
                    "2025-13-07",
                    "2025010706000x",
                ],
            ),
        ] {
            for value in values {
                assert_eq!(one(name, value), None, "{name}={value}");
            }
        }
        assert!(one("city", &"a".repeat(LONGEST)).is_some());
        assert!(one("city", &"a".repeat(LONGEST + 1)).is_none());
    }

    #[test]
    fn all_parameters_together_are_a_query() {
        let values = [
            "19121212*",
            "a b c d",
            "a b c d",
            "a b c d",
            "a b c d*",
            "1980..1981",
            "1",
            "Söd*",
            "791*",
            "LUND",
            "14",
            "1480",
            "2025-01-07",
        ];
        let pairs: Vec<(&str, &str)> = PARAMETERS.iter().map(|row| row.name).zip(values).collect();
        assert_eq!(pairs.len(), PARAMETERS.len());
        let text = built(&pairs).unwrap();
        let read = crate::query::simple::Query::parse(&text, &Formats::standard());
        assert!(read.is_ok(), "{text}");
        assert_eq!(one("name", "a b c d e"), None);
    }

    #[test]
    fn a_hidden_node_is_told_by_its_parameter() {
        let mut built = Built::default();
        for (name, value) in [("gender", "1"), ("city", "LUND"), ("county", "12")] {
            let row = PARAMETERS.iter().find(|row| row.name == name).unwrap();
            built.add(row, value).unwrap();
        }
        let at = built.text.find("addressInformation").unwrap() + 1;
        let profile = Some(Profile::P2);
        let told = built.told(SearchError::HiddenNode { at, profile });
        assert_eq!(
            told,
            Trouble::Parameter(ParameterError::Hidden {
                name: "city",
                profile
            })
        );
        assert_eq!(
            built.told(SearchError::TooWide),
            Trouble::Search(SearchError::TooWide)
        );
    }
}

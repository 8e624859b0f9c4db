//! Tests of the language as a whole: what a query becomes, and what is said of one that is wrong.

use crate::person::field::Field;
use crate::person::identity::{Formats, Identity};

use super::matches::Matcher;
use super::{Condition, Query, Test};

fn parsed(text: &str) -> Query {
    match Query::parse(text, &Formats::standard()) {
        Ok(query) => query,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn test_of(claim: &str) -> Test {
    match parsed(&format!("FROM personrecord WHERE {claim};")).condition {
        Condition::Is(predicate) => predicate.test,
        _ => panic!("{claim} is more than a predicate"),
    }
}

fn spans(claim: &str) -> Vec<(i64, i64)> {
    match test_of(claim) {
        Test::Within(spans) => spans,
        _ => panic!("{claim} has no spans"),
    }
}

/// What is said of each broken query, in full.
#[test]
fn errors_say_where_and_what() {
    const OPERATOR: &str =
        "en operator (=, !=, <, <=, >, >=, LIKE, BETWEEN, IN eller IS) förväntades efter noden";
    const KNOWN: &str = "identitetstypen är okänd; de kända är PNR, SNR, NRID, LRID, SLL, VGRL, LIV, CLNK, ROL, VGRG, \
         RSKA, RB, RVN, RSR, RSK, RV, RH, RG, RD";
    const QUOTE: &str =
        "citattecknet är typografiskt; skriv värden inom raka citattecken, ' eller \"";
    const CITY: &str = "noden är inte entydig; skriv addressInformation.residentialAddress.city, addressInformation.specialPostalAddress.city eller addressInformation.givenAddress.city";
    const VALUE: &str = "ett värde inom citattecken förväntades";
    let broken: &[(&str, usize, &str)] = &[
        ("", 1, "FROM förväntades, men frågan tar slut"),
        ("   ", 4, "FROM förväntades, men frågan tar slut"),
        (
            "SELECT",
            1,
            "FROM förväntades, men där står ett ord utan citattecken",
        ),
        (
            "'FROM'",
            1,
            "FROM förväntades, men där står ett värde inom citattecken",
        ),
        (
            "FROM",
            5,
            "PersonRecord förväntades efter FROM, men frågan tar slut",
        ),
        (
            "FROM WHERE",
            6,
            "PersonRecord förväntades efter FROM, men där står WHERE",
        ),
        (
            "FROM Person WHERE gender = '1'",
            6,
            "rotnoden efter FROM ska vara PersonRecord eller en grupp i den",
        ),
        (
            "FROM PersonRecord",
            18,
            "WHERE förväntades efter rotnoden, men frågan tar slut",
        ),
        (
            "FROM PersonRecord AND",
            19,
            "WHERE förväntades efter rotnoden, men där står AND",
        ),
        (
            "FROM PersonRecord.birt WHERE gender = '1'",
            6,
            "noden är okänd; menas PersonRecord.birth?",
        ),
        ("FROM PersonRecord. WHERE gender = '1'", 6, "noden är okänd"),
        (
            "FROM PersonRecord.gender WHERE gender = '1'",
            6,
            "gender är ett värde; rotnoden efter FROM ska vara PersonRecord eller en grupp i den",
        ),
        (
            "FROM personrecord WHERE",
            24,
            "en nod förväntades, men frågan tar slut",
        ),
        (
            "FROM personrecord WHERE ()",
            26,
            "en nod förväntades, men där står ett skiljetecken",
        ),
        (
            "FROM personrecord WHERE 'Åsa'",
            25,
            "en nod förväntades, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE AND",
            25,
            "en nod förväntades, men där står AND",
        ),
        (
            "FROM personrecord WHERE hemligsson = '1'",
            25,
            "noden är okänd",
        ),
        (
            "FROM personrecord WHERE surnam = 'Ek'",
            25,
            "noden är okänd; menas name.surname?",
        ),
        (
            "FROM personrecord WHERE linkedIdentity.link = 'to'",
            25,
            "noden är okänd",
        ),
        ("FROM personrecord WHERE city = 'LUND'", 25, CITY),
        (
            "FROM personrecord WHERE gender",
            31,
            &format!("{OPERATOR}, men frågan tar slut"),
        ),
        (
            "FROM personrecord WHERE gender '1'",
            32,
            &format!("{OPERATOR}, men där står ett värde inom citattecken"),
        ),
        (
            "FROM personrecord WHERE gender LIKES '1'",
            32,
            &format!("{OPERATOR}, men där står ett ord utan citattecken"),
        ),
        (
            "FROM personrecord WHERE gender NOT '1'",
            36,
            "LIKE, BETWEEN eller IN förväntades efter NOT, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE gender NOT = '1'",
            36,
            "LIKE, BETWEEN eller IN förväntades efter NOT, men där står ett skiljetecken",
        ),
        (
            "FROM personrecord WHERE gender =",
            33,
            &format!("{VALUE}, men frågan tar slut"),
        ),
        (
            "FROM personrecord WHERE gender = 1",
            34,
            &format!("{VALUE}, men där står ett ord utan citattecken"),
        ),
        (
            "FROM personrecord WHERE gender == '1'",
            33,
            &format!("{VALUE}, men där står ett skiljetecken"),
        ),
        (
            "FROM personrecord WHERE gender = NULL",
            34,
            &format!("{VALUE}, men där står NULL"),
        ),
        (
            "FROM personrecord WHERE gender ! '1'",
            32,
            "tecknet har ingen betydelse här",
        ),
        (
            "FROM personrecord WHERE gender = #1",
            34,
            "tecknet har ingen betydelse här",
        ),
        (
            "FROM personrecord WHERE gender = '1",
            34,
            "värdet saknar avslutande citattecken",
        ),
        (
            "FROM personrecord WHERE gender = '1''",
            34,
            "värdet saknar avslutande citattecken",
        ),
        (
            "FROM personrecord WHERE surname = \"Åsa'",
            35,
            "värdet saknar avslutande citattecken",
        ),
        ("FROM personrecord WHERE surname = ”Åsa”", 35, QUOTE),
        (
            "FROM personrecord WHERE surname = 'Å' OR surname = ‘Ö’",
            52,
            QUOTE,
        ),
        (
            "FROM personrecord WHERE version BETWEEN '2024'",
            47,
            "AND förväntades mellan de två värdena efter BETWEEN, men frågan tar slut",
        ),
        (
            "FROM personrecord WHERE version BETWEEN '2024', '2025'",
            47,
            "AND förväntades mellan de två värdena efter BETWEEN, men där står ett skiljetecken",
        ),
        (
            "FROM personrecord WHERE gender IS '1'",
            35,
            "NULL eller NOT NULL förväntades efter IS, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE gender IS NOT '1'",
            39,
            "NULL förväntades efter IS NOT, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE gender IN '1'",
            35,
            "en vänsterparentes förväntades efter IN, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE gender IN ()",
            36,
            &format!("{VALUE}, men där står ett skiljetecken"),
        ),
        (
            "FROM personrecord WHERE gender IN ('1' '2')",
            40,
            "komma eller högerparentes förväntades i listan, men där står ett värde inom citattecken",
        ),
        (
            "FROM personrecord WHERE (gender = '1'",
            38,
            "AND, OR eller högerparentes förväntades, men frågan tar slut",
        ),
        (
            "FROM personrecord WHERE gender = '1')",
            37,
            "AND, OR eller frågans slut förväntades, men där står ett skiljetecken",
        ),
        (
            "FROM personrecord WHERE gender = '1' gender = '2'",
            38,
            "AND, OR eller frågans slut förväntades, men där står ett ord utan citattecken",
        ),
        (
            "FROM personrecord WHERE gender = '1';;",
            38,
            "inget mer förväntades efter semikolonet, men där står ett skiljetecken",
        ),
        (
            "FROM personrecord WHERE name = 'Åsa'",
            30,
            "= kan inte användas på name, som är en grupp av noder; använd IS NULL, IS NOT NULL eller en nod i gruppen",
        ),
        (
            "FROM personrecord WHERE dateOfBirth LIKE '1980%'",
            37,
            "LIKE kan inte användas på birth.dateOfBirth, som är ett datum; skriv ett kortare datum, som gäller för hela sin period",
        ),
        (
            "FROM personrecord WHERE testIndicator < '1'",
            39,
            "< kan inte användas på testIndicator, som är sant eller falskt; använd =, != eller IN",
        ),
        (
            "FROM personrecord WHERE personalIdentity > '191212121212'",
            42,
            "> kan inte användas på personalIdentity, som är en identitet; använd =, !=, IN eller LIKE",
        ),
        (
            "FROM personrecord WHERE testIndicator = 'kanske'",
            41,
            "testIndicator är sant eller falskt; skriv true eller false",
        ),
        (
            "FROM personrecord WHERE residentialAddress.postalCode = 'x'",
            57,
            "addressInformation.residentialAddress.postalCode är ett heltal; skriv siffror",
        ),
        (
            "FROM personrecord WHERE dateOfBirth = '2023-02-29'",
            39,
            "birth.dateOfBirth är ett datum; skriv ÅÅÅÅ, ÅÅÅÅ-MM, ÅÅÅÅ-MM-DD eller ÅÅÅÅMMDD",
        ),
        (
            "FROM personrecord WHERE version > 'igår'",
            35,
            "version är en tidpunkt; skriv ÅÅÅÅ-MM-DD, ÅÅÅÅ-MM-DDTtt:mm:ss eller ÅÅÅÅMMDDttmmss",
        ),
        (
            "FROM personrecord WHERE personalIdentity IN ('191212121212', '19')",
            62,
            "personalIdentity är en identitet; värdet följer inte formatet för någon identitetstyp",
        ),
        (
            "FROM personrecord WHERE personalIdentity LIKE 'å%'",
            47,
            "personalIdentity är en identitet; värdet följer inte formatet för någon identitetstyp",
        ),
        (
            "FROM personrecord WHERE personalIdentity.type = 'PNX'",
            49,
            KNOWN,
        ),
        (
            "FROM personrecord WHERE personalIdentity.root = '1.2.3'",
            49,
            KNOWN,
        ),
        (
            "FROM personrecord WHERE personalIdentity.root LIKE '1.2%'",
            47,
            "LIKE kan inte användas på personalIdentity.root, som är en identitetstyps OID; använd =, != eller IN",
        ),
    ];
    assert!(broken.len() >= 40);
    for (text, at, reason) in broken {
        let Err(error) = Query::parse(text, &Formats::standard()) else {
            panic!("{text} is a query");
        };
        let whole = format!("Sökfrågan är fel vid tecken {at}: {reason}.");
        assert_eq!(error.in_swedish(), whole, "{text}");
        assert!(error.at() == *at);
    }
}

#[test]
fn limits_have_names() {
    let said = |text: &str| {
        let error = Query::parse(text, &Formats::standard()).err();
        error.map_or(String::new(), |error| error.in_swedish())
    };
    let from = "FROM personrecord WHERE ";
    let claims = |count: usize| vec!["gender = '1'"; count].join(" OR ");
    let list = |count: usize| {
        format!(
            "personalIdentity IN ({})",
            vec!["'19121212-1212'"; count].join(", ")
        )
    };
    let nested = |count: usize| format!("{}gender = '1'{}", "(".repeat(count), ")".repeat(count));
    for (good, bad, reason) in [
        (
            claims(200),
            claims(201),
            "3225: frågan har fler än 200 villkor",
        ),
        (
            list(1_000),
            list(1_001),
            "17046: listan har fler än 1000 värden",
        ),
        (
            nested(32),
            nested(33),
            "58: fler än 32 parenteser och NOT ligger i varandra",
        ),
        (
            format!("{}gender = '1'", "NOT ".repeat(32)),
            format!("{}gender = '1'", "NOT ".repeat(10_000 / 2)),
            "157: fler än 32 parenteser och NOT ligger i varandra",
        ),
        (
            format!("gender = '{}'", "å".repeat(16_000)),
            format!("gender = '{}'", "å".repeat(17_000)),
            "16402: frågan är längre än 32768 byte",
        ),
    ] {
        assert_eq!(said(&format!("{from}{good}")), "");
        assert_eq!(
            said(&format!("{from}{bad}")),
            format!("Sökfrågan är fel vid tecken {reason}.")
        );
    }
}

/// Every error's text, in both languages, holds nothing of what was asked for.
#[test]
fn errors_repeat_nothing_that_was_sent() {
    for text in [
        "FROM hemligsson WHERE gender = '1'",
        "FROM personrecord.hemligsson WHERE gender = '1'",
        "FROM personrecord WHERE surname = hemligsson",
        "FROM personrecord WHERE hemligsson = '1'",
        "FROM personrecord WHERE dateOfBirth = 'hemligsson'",
        "FROM personrecord WHERE personalIdentity = 'hemligsson'",
        "FROM personrecord WHERE personalIdentity.type = 'hemligsson'",
        "FROM personrecord WHERE surname = 'hemligsson",
        "FROM personrecord WHERE surname = 'x' hemligsson",
    ] {
        let error = Query::parse(text, &Formats::standard()).err().unwrap();
        let said = format!("{error} {error:?} {}", error.in_swedish());
        assert!(!said.to_lowercase().contains("hemlig"), "{said}");
    }
}

#[test]
fn the_shapes_of_queries() {
    fn shape(condition: &Condition) -> String {
        let all = |terms: &[Condition]| terms.iter().map(shape).collect::<Vec<_>>().join(" ");
        match condition {
            Condition::All(terms) => format!("all({})", all(terms)),
            Condition::Any(terms) => format!("any({})", all(terms)),
            Condition::Not(term) => format!("not({})", shape(term)),
            Condition::Is(predicate) => predicate.field.path(),
        }
    }
    for (text, expected) in [
        (
            "gender='1' OR version='2024' AND gender='2'",
            "any(gender all(version gender))",
        ),
        (
            "(gender='1' or version='2024') and gender='2'",
            "all(any(gender version) gender)",
        ),
        (
            "NOT gender='1' AND version='2024'",
            "all(not(gender) version)",
        ),
        (
            "not (gender='1' AND version='2024')",
            "not(all(gender version))",
        ),
        ("gender IS NULL", "not(gender)"),
        ("gender is not null", "gender"),
        (
            "gender NOT LIKE 'x%' AND gender NOT IN ('1') AND version NOT BETWEEN '1999' AND '2000'",
            "all(not(gender) not(gender) not(version))",
        ),
        ("((gender='1'))", "gender"),
        ("NOT NOT gender='1'", "not(not(gender))"),
    ] {
        let query = parsed(&format!("From PersonRecord wHERE\n\t{text}"));
        assert_eq!(shape(&query.condition), expected, "{text}");
    }
    let query = parsed(
        "FROM PersonRecord.PopulationRegistrationLocality WHERE (CountyCode IN (\"05\",\"06\",\"07\") OR (CountyCode <> '01'))",
    );
    let county = Field::at("populationRegistrationLocality/countyCode");
    assert_eq!(query.fields(), [(county, 57), (county, 92)]);
    assert!(query.root == Field::at("populationRegistrationLocality") && query.entry().is_none());
    let entry = parsed("FROM PersonRecord.relationship.name WHERE surname = 'Ek'").entry();
    assert_eq!(entry, Some(Field::at("relationship")));
}

#[test]
fn quotes_are_doubled_to_stand_inside() {
    for (claim, text) in [
        ("surname = 'O''Brien'", "o'brien"),
        ("surname = \"O'Brien\"", "o'brien"),
        ("surname = \"a\"\"b\"", "a\"b"),
        ("surname = ''''", "'"),
        ("surname = ''", ""),
        ("surname = '”Åsa”'", "”åsa”"),
        ("surname LIKE 'Ek'", "ek"),
        ("surname = 'A\u{30a}SA'", "åsa"),
    ] {
        let Test::OneOf(texts) = test_of(claim) else {
            panic!("{claim}")
        };
        assert_eq!(texts, [text], "{claim}");
    }
    let Test::OneOf(texts) = test_of("surname IN ('Ö', \"a\", 'A', 'z')") else {
        panic!()
    };
    assert_eq!(texts, ["a", "z", "ö"]);
}

#[test]
fn literals_become_spans() {
    const LEAST: i64 = i64::MIN;
    const MOST: i64 = i64::MAX;
    for (claim, expected) in [
        ("dateOfBirth = '1980'", vec![(19_800_000, 19_801_231)]),
        (
            "dateOfBirth != '1980-02'",
            vec![(LEAST, 19_800_199), (19_800_232, MOST)],
        ),
        ("dateOfBirth < '1980'", vec![(LEAST, 19_799_999)]),
        ("dateOfBirth <= '1980'", vec![(LEAST, 19_801_231)]),
        ("dateOfBirth > '1980'", vec![(19_801_232, MOST)]),
        ("dateOfBirth >= '1980'", vec![(19_800_000, MOST)]),
        (
            "dateOfBirth BETWEEN '1980' AND '198102'",
            vec![(19_800_000, 19_810_231)],
        ),
        ("dateOfBirth BETWEEN '1981' AND '1980'", vec![]),
        (
            "dateOfBirth IN ('1982', '1980', '19800101')",
            vec![(19_800_000, 19_801_231), (19_820_000, 19_821_231)],
        ),
        (
            "version = '2024-02-29T07'",
            vec![(20_240_229_070_000, 20_240_229_075_959)],
        ),
        (
            "syncronizationTime = '1970-01-01T00:00:00Z'",
            vec![(0, 999)],
        ),
        (
            "residentialAddress.postalCode = '114 55'",
            vec![(11_455, 11_455)],
        ),
        (
            "residentialAddress.postalCode = '01234'",
            vec![(1_234, 1_234)],
        ),
        (
            "residentialAddress.postalCode LIKE '01234'",
            vec![(1_234, 1_234)],
        ),
        (
            "residentialAddress.postalCode IN ('2','1','4')",
            vec![(1, 2), (4, 4)],
        ),
        ("testIndicator = 'TRUE'", vec![(1, 1)]),
        ("testIndicator != '1'", vec![(0, 0)]),
        ("testIndicator IN ('true', 'false')", vec![(0, 1)]),
    ] {
        assert_eq!(spans(claim), expected, "{claim}");
    }
    let least = format!("contactInformation.rank < '{LEAST}'");
    assert!(spans(&least).is_empty());
}

#[test]
fn identities_are_spans_of_keys() {
    let formats = Formats::standard();
    let key = |number: u8, text: &str| formats.parse_as(number, text).unwrap().key().cast_signed();
    let one = |key: i64| (key, key);
    let whole = |from: u8, to: u8| {
        let (first, last) = (
            Identity::span_of_format(from).0,
            Identity::span_of_format(to).1,
        );
        (first.key().cast_signed(), last.key().cast_signed())
    };
    for (claim, expected) in [
        (
            "personalIdentity = '19121212-1212'",
            vec![one(key(1, "191212121212"))],
        ),
        (
            "personalIdentity.extension = '22790814aa01'",
            vec![one(key(3, "22790814AA01"))],
        ),
        (
            "personalIdentity LIKE '191212121212'",
            vec![one(key(1, "191212121212"))],
        ),
        ("personalIdentity.type = 'pnr'", vec![whole(1, 1)]),
        ("personalIdentity.TYPE IN ('Snr', 'PNR')", vec![whole(1, 2)]),
        ("personalIdentity.type = 'LRID'", vec![whole(16, 30)]),
        ("personalIdentity.type = 'LiV'", vec![whole(18, 18)]),
        (
            "personalIdentity.root = '1.2.752.74.9.1'",
            vec![whole(3, 3)],
        ),
    ] {
        assert!(spans(claim) == expected, "{claim}");
    }
    // A value can be well-formed in more than one format.
    assert!(spans("personalIdentity = '991981000010'").contains(&one(key(16, "991981000010"))));
    let held = |claim: &str, number: u8, text: &str| {
        let key = key(number, text);
        spans(claim)
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&key))
    };
    assert!(held(
        "personalIdentity LIKE '197001-78%'",
        2,
        "197001782395"
    ));
    assert!(!held(
        "personalIdentity LIKE '19700179%'",
        2,
        "197001782395"
    ));
    assert!(held("personalIdentity LIKE '1970%'", 2, "197000782390"));
    assert!(held(
        "personalIdentity != '191212121213'",
        1,
        "191212121212"
    ));
    assert!(!held(
        "personalIdentity != '191212121212'",
        1,
        "191212121212"
    ));
    assert!(matches!(
        test_of("personalIdentity LIKE '%1212'"),
        Test::Like(_)
    ));
}

#[test]
fn a_matcher_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let (query, formats) = (
        parsed("FROM PersonRecord WHERE gender = '1'"),
        Formats::standard(),
    );
    shared(&query);
    shared(&Matcher::new(&query, &formats));
}

//! The XML format: reads one `Folkbokforingspost` at a time, as the splitter in `tags` finds them.
//!
//! Names count without their prefix: files have no namespace, answers of the online service do.
//! There is no DTD and no entity beyond the five of XML.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::assemble::Assembler;
use super::letters::meant;
use super::read::{Navet, Read, ReadError, Reader, Reject, Unknown, Warning};
use super::terms::{Index, ROOT, Rule, Term};
use crate::base::limits;
use crate::person::identity::Formats;

/// Reads a whole file out of memory; the way in for tests and fuzzing.
pub fn read_all(bytes: &[u8], formats: &Formats) -> Result<Vec<Read>, ReadError> {
    Reader::new(bytes, Navet::Xml, None, formats).collect()
}

/// Reads the elements of one post.
#[derive(Default)]
pub(super) struct Parser {
    stack: Vec<Frame>,
    text: String,
    /// A reference in the text was read as what Windows means by it.
    windows: bool,
}

/// An element that is open.
#[derive(Clone, Copy)]
struct Frame {
    /// Its node; `None` for elements that are not known, or that are passed.
    node: Option<u16>,
    /// Whether elements that are known stood in it.
    has_elements: bool,
    /// Whether its end ends an entry.
    is_entry: bool,
}

impl Parser {
    pub fn parse(&mut self, post: &str, assembler: &mut Assembler<'_>, unknown: &mut Unknown) {
        self.stack.clear();
        let mut reader = quick_xml::Reader::from_str(post);
        reader.config_mut().expand_empty_elements = true;
        let mut done = false;
        loop {
            let mut read = Some(());
            match reader.read_event() {
                Ok(Event::Eof) if done && self.stack.is_empty() => return,
                Ok(Event::Start(tag)) if !done => read = self.start(&tag, assembler, unknown),
                Ok(Event::End(_)) => {
                    self.end(assembler);
                    done = self.stack.is_empty();
                }
                Ok(Event::Text(text)) => self.push(&text.xml10_content()),
                Ok(Event::CData(text)) => self.push(&text.xml10_content()),
                Ok(Event::GeneralRef(name)) => match character(&name) {
                    Some(character) => {
                        let meant = meant(character);
                        self.windows |= meant != character;
                        self.push(meant.encode_utf8(&mut [0; 4]));
                    }
                    None => read = None,
                },
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                // A second root, a declaration, an early end, or no XML.
                Ok(_) | Err(_) => read = None,
            }
            if read.is_none() {
                // A failure that is known already tells more.
                assembler.fail(Reject::NotWellFormed {
                    at: reader.buffer_position(),
                });
                return;
            }
        }
    }

    fn start(
        &mut self,
        tag: &BytesStart<'_>,
        assembler: &mut Assembler<'_>,
        unknown: &mut Unknown,
    ) -> Option<()> {
        let index = Index::get();
        if self.stack.len() >= limits::XML_DEPTH {
            assembler.fail(Reject::TooDeep);
            return None;
        }
        let local = tag.local_name();
        let name: &str = local.as_ref();
        let above = self.stack.last().copied();
        let node = match above {
            None => Some(ROOT),
            Some(Frame { node: None, .. }) => stand_in(index, name),
            Some(Frame {
                node: Some(above), ..
            }) if index.at(above).is_ignored() => stand_in(index, name),
            Some(Frame {
                node: Some(above), ..
            }) => {
                let known = index.child(above, name).or_else(|| stand_in(index, name));
                if known.is_none() {
                    unknown.note(name);
                }
                known
            }
        };
        let mut frame = Frame {
            node,
            has_elements: false,
            is_entry: false,
        };
        if let Some(at) = node {
            if let Some(above) = self.stack.last_mut() {
                above.has_elements = true;
            }
            self.text.clear();
            self.windows = false;
            let known = index.at(at);
            let nil = is_nil(tag)?;
            if nil {
                blank(index, at, assembler);
                // What stands in a blanked element is passed.
                frame.node = None;
            } else {
                if let Some(group) = known.group.filter(|group| group.entry) {
                    assembler.open(group);
                    frame.is_entry = true;
                }
                if !known.attributes.is_empty() {
                    attributes(tag, &known.attributes, assembler)?;
                }
            }
        }
        self.stack.push(frame);
        Some(())
    }

    fn end(&mut self, assembler: &mut Assembler<'_>) {
        let Some(frame) = self.stack.pop() else {
            return;
        };
        let node = frame.node.map(|node| Index::get().at(node));
        if let Some(term) = node.and_then(|node| node.term)
            && !frame.has_elements
        {
            if self.windows {
                assembler.warn(Warning::WindowsReference(term));
            }
            assembler.term(term, Some(&self.text));
        }
        if frame.is_entry {
            assembler.close();
        }
    }

    /// Text counts in an element that is a term.
    fn push(&mut self, text: &str) {
        if self.stack.last().is_some_and(|frame| frame.node.is_some()) {
            self.text.push_str(text);
        }
    }
}

/// Whether an element is blanked.
fn is_nil(tag: &BytesStart<'_>) -> Option<bool> {
    if tag.attributes_raw().trim_ascii().is_empty() {
        return Some(false);
    }
    let mut nil = false;
    for (number, attribute) in tag.attributes().enumerate() {
        let attribute = attribute.ok().filter(|_| number < limits::XML_ATTRIBUTES)?;
        let local = attribute.key.local_name();
        let name: &str = local.as_ref();
        if name == "nil" {
            nil |= matches!(attribute.value.trim_ascii(), "true" | "1");
        }
    }
    Some(nil)
}

/// Protection counts wherever it stands: the element of that name directly below the post.
fn stand_in(index: &Index, name: &str) -> Option<u16> {
    let node = index.child(ROOT, name)?;
    let is_protection = index
        .at(node)
        .term
        .is_some_and(|term| term.rule == Rule::Protection);
    is_protection.then_some(node)
}

/// Blanks an element: its term, its group, or else everything below it.
fn blank(index: &Index, at: u16, assembler: &mut Assembler<'_>) {
    let node = index.at(at);
    match (node.term, node.group) {
        (_, Some(group)) => assembler.blank(group.field),
        (Some(term), None) => assembler.term(term, None),
        (None, None) => node
            .children
            .iter()
            .for_each(|&child| blank(index, child, assembler)),
    }
}

fn attributes(
    tag: &BytesStart<'_>,
    known: &[(&'static str, &'static Term)],
    assembler: &mut Assembler<'_>,
) -> Option<()> {
    for attribute in tag.attributes() {
        let attribute = attribute.ok()?;
        let local = attribute.key.local_name();
        let name: &str = local.as_ref();
        if let Some((_, term)) = known.iter().find(|(known, _)| *known == name) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
            assembler.term(term, Some(&value));
        }
    }
    Some(())
}

/// The character behind a reference.
fn character(name: &BytesRef<'_>) -> Option<char> {
    if name.is_char_ref() {
        return name.resolve_char_ref().ok().flatten();
    }
    match &**name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::feed::read::Encoding;
    use crate::feed::sample::{Dice, file_of, rejected, told, understood};

    const EXAMPLES: &[u8] = include_bytes!("../../tests/fixtures/navet/avisering.xml");
    const CASE: &str = "populationRegistrationRecord/notificationCase";

    fn read(bytes: &[u8]) -> Vec<Read> {
        read_all(bytes, &Formats::standard()).unwrap()
    }

    /// A file of posts with this content each.
    fn file(posts: &[&str]) -> Vec<u8> {
        let posts = posts.concat();
        format!(
            "<Navetavisering><Folkbokforingsposter>{posts}</Folkbokforingsposter></Navetavisering>"
        )
        .into_bytes()
    }

    fn post(content: &str) -> String {
        format!("<Folkbokforingspost>{content}</Folkbokforingspost>")
    }

    fn person(content: &str) -> String {
        post(&format!(
            "<Personpost><PersonId><PersonNr>191212121212</PersonNr></PersonId>{content}</Personpost>"
        ))
    }

    fn edits(content: &str) -> String {
        let reads = read(&file(&[content]));
        let told = told(&understood(&reads[0]).post);
        let case = format!("{CASE}/totalRecord=false\n");
        let (_, edits) = told.split_once('\n').unwrap();
        edits.strip_suffix(&case).unwrap().to_owned()
    }

    /// The spec's six examples, every edit of every post.
    #[test]
    fn the_examples_are_read_in_full() {
        let case = |id: &str, kind: &str, total: bool| {
            let kind = if kind.is_empty() {
                String::new()
            } else {
                format!("{CASE}/notificationType={kind}\n")
            };
            let end = format!("{CASE}/totalRecord={total}\n{CASE}/notificationDate=2025-01-07\n");
            (
                format!("Some(\"2025.000.000.00{id}\") {total}\n{kind}"),
                end,
            )
        };
        let expected = [
            ("202412302396", case("1", "6H", true), "\
name/surname=Testsson
populationRegistrationLocality/populationRegistrationDate=2024-12-30
populationRegistrationLocality/countyCode=01
populationRegistrationLocality/municipalityCode=25
populationRegistrationLocality/propertyDesignation=EKEN 1
addressInformation/residentialAddress/postalAddress2=TESTGATAN 1 LGH 1101
addressInformation/residentialAddress/postalCode=17838
addressInformation/residentialAddress/city=EKERÖ
maritalStatus/maritalStatusCode=OG
birth/placeOfBirthSweden/birthCountyCode=01
relationship: /relationshipId/personalIdentity=199002262385 /relationshipType=MO /status=NY
relationship: /relationshipId/personalIdentity=199002262385 /relationshipType=V /relationshipFromDate=2024-12-30 /status=NY
citizenship: /citizenshipCountryCode=SE /status=NY
"),
            ("198401012391", case("2", "41H", false), "\
populationRegistrationLocality/populationRegistrationDate=2025-01-03
populationRegistrationLocality/countyCode=12
populationRegistrationLocality/municipalityCode=80
populationRegistrationLocality/propertyDesignation=BOKEN 2
-addressInformation/residentialAddress/careOf
addressInformation/residentialAddress/postalAddress2=PROVVÄGEN 2
addressInformation/residentialAddress/postalCode=21120
addressInformation/residentialAddress/city=MALMÖ
"),
            ("194012239101", case("3", "66H", false), "\
deregistration/deregistrationReasonCode=AV
deregistration/deregistrationDate=2025-01-02
"),
            ("196511032804", case("4", "3H", false), "protectedPersonIndicator=true\n"),
            ("198402192382", case("5", "1H", false), "\
referredPersonalIdentities: /referredPersonalIdentity=198402192390 /referredPersonalIdentityStatus=NY
deregistration/deregistrationReasonCode=GN
deregistration/deregistrationDate=2025-01-03
"),
            ("197001782395", case("6", "", true), "\
name/givenName=Test
name/surname=Person
birth/birthAbroad/placeOfBirthAbroad=TESTBY
birth/birthAbroad/countryOfBirth=POLEN
citizenship: /citizenshipCountryCode=PL
"),
        ];
        let reads = read(EXAMPLES);
        assert_eq!(reads.len(), expected.len());
        for (read, (subject, (begin, end), edits)) in reads.iter().zip(expected) {
            let it = understood(read);
            assert_eq!(told(&it.post), format!("{subject} {begin}{edits}{end}"));
            assert!(it.warnings.is_empty());
        }
    }

    #[test]
    fn what_a_reader_must_tolerate_is_tolerated() {
        let surname = "name/surname=Ek & Ås\n";
        for content in [
            "<Namn><Efternamn>Ek &amp; &#197;s</Efternamn></Namn>",
            "<Namn><Efternamn><![CDATA[Ek & Ås]]></Efternamn></Namn>",
            "<Namn>\n <Efternamn>\n  Ek &amp; Ås\n </Efternamn>\n</Namn>",
            "<Namn><!-- </Folkbokforingspost> --><Efternamn>Ek &amp; Ås</Efternamn></Namn>",
            "<Namn><Nytt><Djupt>x</Djupt></Nytt><Efternamn nytt='>'>Ek &amp; Ås</Efternamn></Namn>",
            "<Namn><Efternamn>Ek &amp; <Nytt>x</Nytt>Ås</Efternamn></Namn><Nytt/>",
        ] {
            assert_eq!(edits(&person(content)), surname, "{content}");
        }
        let sarlosning = "<Sarlosning><Personpost><Namn><Efternamn>x</Efternamn></Namn></Personpost></Sarlosning>";
        let ignored = "<Folkbokforing><Trappuppgang>1</Trappuppgang></Folkbokforing>";
        assert_eq!(
            edits(&person(ignored).replace("</Personpost>", &format!("</Personpost>{sarlosning}"))),
            ""
        );
    }

    #[test]
    fn unknown_elements_are_counted() {
        let formats = Formats::standard();
        let bytes = file(&[
            &person("<Nytt><Djupt/></Nytt>"),
            &person("<Nytt/><Namn><Annat/></Namn>"),
        ]);
        let mut reader = Reader::new(&bytes[..], Navet::Xml, None, &formats);
        assert_eq!(reader.by_ref().count(), 2);
        assert!(reader.unknown().iter().eq([("Annat", 1), ("Nytt", 2)]));
    }

    #[test]
    fn blanked_groups_are_blanked_whole() {
        for (content, expected) in [
            ("<Namn xsi:nil='true'/>", "-name\n"),
            (
                "<Namn xsi:nil='1'><Efternamn>x</Efternamn></Namn>",
                "-name\n",
            ),
            ("<Relationer xsi:nil='true'/>", "-relationship\n"),
            ("<Medborgarskap xsi:nil='true'/>", "-citizenship\n"),
            (
                "<HanvisningsPersonNr xsi:nil='true'/>",
                "-referredPersonalIdentities\n",
            ),
            (
                "<Fodelse xsi:nil='true'/>",
                "-birth/placeOfBirthSweden\n-birth/birthAbroad\n",
            ),
            ("<Namn><Mellannamn/></Namn>", "-name/middleName\n"),
            (
                "<Namn><Mellannamn> </Mellannamn></Namn>",
                "-name/middleName\n",
            ),
            ("<Namn/>", ""),
            (
                "<Civilstand><Civilstandsdatum>00000000</Civilstandsdatum></Civilstand>",
                "-maritalStatus/maritalStatusDate\n",
            ),
        ] {
            // A wrapper is shown under its value's name.
            assert_eq!(edits(&person(content)), expected, "{content}");
        }
    }

    #[test]
    fn the_elements_that_came_later_are_read() {
        let content = "\
            <PersonId><Identitetsstatus><Varde>AKTIVT</Varde><Datum>20230901</Datum></Identitetsstatus>\
            <Identitetsniva>STYRKT</Identitetsniva></PersonId>\
            <Hanvisningar><Hanvisning status=\"AS\"><HanvisningsPersonNr>198402192390</HanvisningsPersonNr></Hanvisning></Hanvisningar>\
            <Fodelsedatum>19121200</Fodelsedatum><Namn><Fornamn styrkt=\"J\">Tolvan</Fornamn></Namn>\
            <Adresser><UUID><Fastighet>a-b</Fastighet></UUID><Distrikt><Distriktskod>101001</Distriktskod></Distrikt></Adresser>\
            <Civilstand><CivilstandKod>Ä</CivilstandKod></Civilstand>\
            <Invandring><Uppehallsratt>J</Uppehallsratt><NordisktPnrNo>123</NordisktPnrNo><NordisktPnrDa xsi:nil=\"true\"/></Invandring>\
            <Relationer><Relation><RelationId><FodelsetidNr>197502020000</FodelsetidNr></RelationId><Namn><Fornamn>Eva</Fornamn></Namn></Relation>\
            <Relation><RelationId><PersonNr>197502000000</PersonNr></RelationId></Relation></Relationer>\
            <Samordningsnummeruppgifter><Fornyelsedatum>2024</Fornyelsedatum></Samordningsnummeruppgifter>";
        assert_eq!(edits(&person(content)), "\
personalIdentityStatus/identityStatus=AKTIVT
personalIdentityStatus/identityStatusDate=2023-09-01
identityLevel=STYRKT
referredPersonalIdentities: /referredPersonalIdentity=198402192390 /referredPersonalIdentityStatus=AS
birth/dateOfBirth=1912-12
name/givenName/attested=true
name/givenName=Tolvan
addressInformation/UUID/propertyId=a-b
addressInformation/district/districtCode=101001
maritalStatus/maritalStatusCode=A
immigration/rightOfResidence=true
immigration/immigrationIdentity: /personalIdentityNumber=123 /country=NO
immigration/immigrationIdentity: /country=DK
relationship: /relationshipId/dateOfBirth=1975-02-02 /name/givenName=Eva
relationship: /relationshipId/dateOfBirth=1975-02
coOrdinationNumberData/renewalDate=2024
");
    }

    #[test]
    fn case_attributes_and_history_are_read() {
        let content = "<Arendeuppgift totalpost='X' andringstidpunkt='20250102030405' utsokningsdatum='20250103'/>\
            <Personpost><PersonId><PersonNr>191212121212</PersonNr></PersonId></Personpost>\
            <Historik><Folkbokforing><LanKod>01</LanKod><Folkbokforingstyp>FB</Folkbokforingstyp></Folkbokforing>\
            <Folkbokforingsadress><Postort>EKERÖ</Postort></Folkbokforingsadress></Historik>";
        let reads = read(&file(&[&post(content)]));
        let history = "populationRegistrationRecord/historicalRecords";
        assert_eq!(
            told(&understood(&reads[0]).post),
            format!(
                "191212121212 None true
{history}/populationRegistrationLocality: /countyCode=01 /populationRegistrationType=FB
{history}/historicalAddress/city=EKERÖ
{CASE}/modificationTime=2025-01-02T03:04:05.000+01:00
{CASE}/totalRecord=true
{CASE}/notificationDate=2025-01-03
"
            )
        );
    }

    /// Every broken post is named, keeps its bytes, and leaves its neighbours alone.
    #[test]
    fn broken_posts_are_rejected_alone() {
        let pnr = "<Personpost><PersonId><PersonNr>";
        let long = person(&format!(
            "<Namn><Efternamn>{}</Efternamn></Namn>",
            "x".repeat(81)
        ));
        let deep = person(&"<x>".repeat(40));
        for (broken, reason) in [
            (
                post("<Personpost/>"),
                "the post does not say whom it is about",
            ),
            (
                post(&format!("{pnr}1912</PersonNr></PersonId></Personpost>")),
                "term 01001 (Personpost/PersonId/PersonNr): the subject is neither a personnummer nor a samordningsnummer",
            ),
            (
                post(&format!(
                    "{pnr}191212121212</PersonNr><PersonNr>199002262385</PersonNr></PersonId></Personpost>"
                )),
                "the post names two subjects",
            ),
            (
                long,
                "term 01014 (Personpost/Namn/Efternamn): longer than 80 characters",
            ),
            (
                person("<Civilstand><Civilstandsdatum>igår</Civilstandsdatum></Civilstand>"),
                "term 01082 (Personpost/Civilstand/Civilstandsdatum): not a date",
            ),
            (
                person("<Namn><Fornamn styrkt='?'>x</Fornamn></Namn>"),
                "term 09012 (Personpost/Namn/Fornamn/@styrkt): neither true nor false",
            ),
            (
                person("<Namn></Personpost>"),
                "not well-formed XML at byte 105 of the post",
            ),
            (
                person("&unknown;"),
                "not well-formed XML at byte 95 of the post",
            ),
            (
                person("<!DOCTYPE x>"),
                "not well-formed XML at byte 98 of the post",
            ),
            (
                person("a < b"),
                "not well-formed XML at byte 125 of the post",
            ),
            (deep, "elements nested too deeply"),
            (
                "<Folkbokforingspost><Personpost>".to_owned(),
                "the post has no end",
            ),
            ("garbage & <more>".to_owned(), "content outside every post"),
        ] {
            let bytes = file(&[&person(""), &broken, &person("")]);
            let reads = read(&bytes);
            assert_eq!(reads.len(), 3, "{reason}");
            understood(&reads[0]);
            let it = rejected(&reads[1]);
            assert_eq!(it.reason.to_string(), reason);
            assert_eq!(String::from_utf8_lossy(&it.raw), broken);
            understood(&reads[2]);
        }
    }

    #[test]
    fn protection_fails_closed() {
        for (content, expected, warned) in [
            ("<Sekretessmarkering>J</Sekretessmarkering>", "true", false),
            ("<Sekretessmarkering>N</Sekretessmarkering>", "false", false),
            ("<Sekretessmarkering xsi:nil='true'/>", "false", false),
            ("<Sekretessmarkering>j</Sekretessmarkering>", "true", true),
            ("<Sekretessmarkering>0</Sekretessmarkering>", "true", true),
            (
                "<Sekretessmarkering>J</Sekretessmarkering><Sekretessmarkering>N</Sekretessmarkering>",
                "true",
                true,
            ),
            (
                "<Nytt><Sekretessmarkering>J</Sekretessmarkering></Nytt>",
                "true",
                false,
            ),
        ] {
            let subject =
                "<Personpost><PersonId><PersonNr>191212121212</PersonNr></PersonId></Personpost>";
            let reads = read(&file(&[&post(&format!("{content}{subject}"))]));
            let it = understood(&reads[0]);
            assert!(
                told(&it.post).contains(&format!("protectedPersonIndicator={expected}\n")),
                "{content}"
            );
            assert_eq!(!it.warnings.is_empty(), warned, "{content}");
        }
    }

    #[test]
    fn a_rejected_post_still_protects() {
        let subject = "<PersonId><PersonNr>191212121212</PersonNr></PersonId>";
        let content = format!(
            "<SkyddadFolkbokforing>J</SkyddadFolkbokforing><Arendeuppgift><PostId>2025.000.000.001</PostId></Arendeuppgift>\
             <Personpost><Fodelsedatum>x</Fodelsedatum>{subject}</Personpost>"
        );
        let reads = read(&file(&[&post(&content)]));
        let it = rejected(&reads[0]);
        assert_eq!(it.post_id.as_deref(), Some("2025.000.000.001"));
        assert_eq!(
            told(it.protection.as_ref().unwrap()),
            "191212121212 None false\nprotectedPopulationRecord=true\n"
        );
        let reads = read(&file(&[&post(&content.replace(">J<", ">N<"))]));
        assert!(rejected(&reads[0]).protection.is_none());
    }

    #[test]
    fn encodings_follow_the_declaration() {
        let body = "<a><Folkbokforingspost><Personpost><PersonId><PersonNr>191212121212</PersonNr></PersonId><Namn><Efternamn>\u{c5}</Efternamn></Namn></Personpost></Folkbokforingspost></a>";
        let latin1: Vec<u8> = body.chars().map(|it| it as u8).collect();
        let declared = |name: &str| format!("<?xml version='1.0' encoding='{name}'?>").into_bytes();
        for bytes in [
            body.as_bytes().to_vec(),
            [declared("utf-8"), body.into()].concat(),
            [b"\xef\xbb\xbf".to_vec(), body.into()].concat(),
            [declared("iso-8859-1"), latin1.clone()].concat(),
        ] {
            assert!(told(&understood(&read(&bytes)[0]).post).contains("name/surname=Å\n"));
        }
        assert_eq!(rejected(&read(&latin1)[0]).reason, Reject::NotEncoded);
        let formats = Formats::standard();
        let koi = [declared("KOI8-R"), latin1].concat();
        assert!(matches!(read_all(&koi, &formats), Err(ReadError::Encoding)));
        let doctype = [
            b"<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]>".to_vec(),
            body.into(),
        ]
        .concat();
        assert!(matches!(
            read_all(&doctype, &formats),
            Err(ReadError::Doctype { line: 2 })
        ));
    }

    #[test]
    fn what_is_commented_out_is_not_applied() {
        let hidden = format!("<!-- {} -->", person(""));
        assert_eq!(read(&file(&[&hidden, &person(""), &hidden])).len(), 1);
    }

    #[test]
    fn a_post_above_the_limit_is_passed_without_holding_it() {
        let formats = Formats::standard();
        let many = "<Efternamn>x</Efternamn>".repeat(200_000);
        for large in [
            person(&many),
            person(&format!("<!--{many}-->")),
            person(&format!("<x a='{}'/>", "y".repeat(3_000_000))),
        ] {
            let bytes = file(&[&person(""), &large, &person("")]);
            let mut reader = Reader::limited(&bytes[..], Navet::Xml, None, &formats, 1 << 16);
            let reads: Vec<Read> = reader.by_ref().map(Result::unwrap).collect();
            assert_eq!(reads.len(), 3);
            let it = rejected(&reads[1]);
            assert_eq!(it.reason, Reject::TooLarge);
            assert!(it.raw.len() < 1 << 19 && large.as_bytes().starts_with(&it.raw));
            understood(&reads[2]);
            assert!(reader.held() < 1 << 20);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = read_all(&bytes, &Formats::standard());
        }

        /// Damage stays in the posts it hits; nothing panics.
        #[test]
        fn damaged_files_are_survived(seed: u64, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut dice = Dice(seed);
            let posts: Vec<_> = (0..3).map(|_| dice.post(false)).collect();
            let mut bytes = file_of(&posts, Navet::Xml, Encoding::Latin1);
            for (at, with) in hits {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            let _ = read_all(&bytes, &Formats::standard());
        }

        #[test]
        fn any_markup_is_survived(pieces in prop::collection::vec(prop::sample::select(vec![
            "<Folkbokforingspost>", "</Folkbokforingspost>", "<Personpost>", "</Personpost>", "<Relationer>",
            "<Relation>", "</Relation>", "<", ">", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "&", ";", "'",
            "\"", " xsi:nil='true'", "/>", "<Namn", "J", "Folkbokforingsposter", "</", "<PersonNr>", "191212121212", ":",
        ]), 0..60)) {
            let _ = read_all(pieces.concat().as_bytes(), &Formats::standard());
        }
    }
}

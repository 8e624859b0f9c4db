//! The contracts that change the register, and the reading of contact data: every version as XML in
//! and XML out, the acceptance cases of the self declarations by their numbers, and what a protected
//! person's contact data must never give away.

use pu::base::time::Moment;
use pu::person::field::Field;
use pu::person::schema::Core;
use pu::person::value::ValueError;
use pu::register::refusal::{Refusal, Wrong};
use pu::register::wish::{Actor, Name, Wish};
use pu::wire::contract::{core_namespace, find};
use pu::wire::fault::Trouble;
use pu::wire::result;

use crate::golden::check;
use crate::protection::secrets_in;
use crate::support::{Care, NRID, PNR, SNR, envelope};

type Id<'a> = (&'a str, &'a str);

/// With contact data.
const FULL: Id<'_> = (PNR, "198001022386");
/// Without.
const CHILD: Id<'_> = (PNR, "201001012382");
const COORDINATED: Id<'_> = (SNR, "191405722396");
const OTHER_COORDINATED: Id<'_> = (SNR, "191500722390");
const SECRECY: Id<'_> = (PNR, "197501079292");
const POPULATION: Id<'_> = (PNR, "198501012382");
/// Linked to the full one.
const RESERVE: Id<'_> = (NRID, "22790814AA01");
const ANONYMOUS: Id<'_> = (NRID, "00749852BZK0");
const VGR: &str = "1.2.752.113.11.0.2.1.1.1";
/// Linked to the person with secrecy.
const SHIELDED: Id<'_> = (VGR, "19810829M071");
const NEW_LOCAL: Id<'_> = (VGR, "19450829K088");
const NOBODY: Id<'_> = (PNR, "191212121212");

const UPDATE_CONTACT: &str = "UpdatePersonContactInformation";
const UPDATE_CONTACT_U: &str = "UpdatePersonContactInformationUnrestricted";
const GET_CONTACT: &str = "GetPersonContactInformation";
const GET_CONTACT_U: &str = "GetPersonContactInformationUnrestricted";
const UPDATE: &str = "UpdatePerson";
const LINK: &str = "LinkPersonIdentity";
const UNLINK: &str = "UnlinkPersonIdentity";

const UNSEEN: Wrong = Wrong::Type(ValueError::UnseenCharacter);

const MAIL: &str = "<p:contactType>email</p:contactType><p:value>a@example.org</p:value>";

fn core(contract: &str, major: u8) -> Core {
    find(contract, major).unwrap().core.unwrap()
}

/// A message of a contract around `inside`.
pub fn message(contract: &str, major: u8, inside: &str) -> String {
    let core = core_namespace(core(contract, major));
    let domain = "urn:riv:strategicresourcemanagement:persons:person";
    envelope(&format!(
        "<r:{contract} xmlns:r=\"{domain}:{contract}Responder:{major}\" xmlns:p=\"{core}\" \
         xmlns:e1=\"{domain}:3.1\" xmlns:e3=\"{domain}:3.3\">{inside}</r:{contract}>"
    ))
}

fn sent(care: &mut Care, contract: &str, major: u8, inside: &str) -> Result<String, Trouble> {
    let message = message(contract, major, inside);
    care.send(contract, major, message.as_bytes(), None)
}

/// The answer to a message that is readable.
fn answer(care: &mut Care, contract: &str, major: u8, inside: &str) -> String {
    sent(care, contract, major, inside).unwrap_or_else(|trouble| panic!("{trouble}"))
}

fn is_ok(answer: &str) -> bool {
    assert!(answer.contains("resultCode"), "{answer}");
    answer.contains("<p:resultCode>OK</p:resultCode>")
}

/// Demands that an answer is an error with the text of this refusal, and no record.
fn assert_refused(answer: &str, refusal: Refusal) {
    let text = result::text(refusal);
    assert!(
        answer.contains(&format!(
            "<p:resultCode>ERROR</p:resultCode><p:resultText>{text}</p:resultText>"
        )),
        "{refusal}: {answer}"
    );
    assert!(!answer.contains("Record>"), "{answer}");
}

/// An identity in an element of a message.
pub fn id(element: &str, (root, extension): Id<'_>) -> String {
    format!(
        "<r:{element}><p:root>{root}</p:root><p:extension>{extension}</p:extension></r:{element}>"
    )
}

/// Somebody at work for a care provider, in a message.
pub fn actor() -> String {
    "<r:actor><p:id><p:root>1.2.752.29.6.2.1</p:root>\
     <p:extension>SE165565594230-1003</p:extension></p:id>\
     <p:professional><p:organizationId><p:root>1.2.752.29.6.10.1</p:root>\
     <p:extension>SE165565594230-1000</p:extension></p:organizationId></p:professional></r:actor>"
        .to_owned()
}

fn between<'t>(text: &'t str, open: &str, close: &str) -> Option<&'t str> {
    let rest = text.split_once(open)?.1;
    Some(rest.split_once(close)?.0)
}

fn version(answer: &str) -> String {
    between(answer, "<p:version>", "</p:version>")
        .unwrap_or_else(|| panic!("no version: {answer}"))
        .to_owned()
}

/// The contact record of somebody, unmasked.
fn contact(care: &mut Care, person: Id<'_>) -> String {
    answer(care, GET_CONTACT_U, 4, &id("personId", person))
}

fn current(care: &mut Care, person: Id<'_>) -> String {
    version(&contact(care, person))
}

/// An update of somebody's contact data, from the current version.
fn update_contact(care: &mut Care, contract: &str, person: Id<'_>, rest: &str) -> String {
    let version = current(care, person);
    let head = format!("{}{}", actor(), id("personId", person));
    let inside = format!("{head}<r:versionToUpdate>{version}</r:versionToUpdate>{rest}");
    answer(care, contract, 4, &inside)
}

/// An update of a reserve identity, or a new one.
fn update_person(care: &mut Care, person: Option<Id<'_>>, rest: &str) -> String {
    let person = person.map_or(String::new(), |it| id("personId", it));
    answer(care, UPDATE, 5, &format!("{}{person}{rest}", actor()))
}

/// The identity that an answer's record has.
fn identity(answer: &str) -> &str {
    let record = between(answer, "<p:personalIdentity>", "</p:personalIdentity>").unwrap();
    between(record, "<p:extension>", "</p:extension>").unwrap()
}

fn item(kind: &str, value: &str, rest: &str) -> String {
    format!(
        "<r:contactInformation><p:contactType>{kind}</p:contactType><p:value>{value}</p:value>\
         {rest}</r:contactInformation>"
    )
}

fn date(element: &str, value: &str) -> String {
    format!("<p:{element}><p:format>YYYY-MM-DD</p:format><p:value>{value}</p:value></p:{element}>")
}

const DIGITAL: &str = "<p:digitalNotification>true</p:digitalNotification>";
const NO_PAPER: &str = "<r:optoutPaperNotification>true</r:optoutPaperNotification>";

/// Contact data with everything in it, in the words of a contract's version.
fn full_contact(of: Core) -> String {
    let (ext, out) = match of {
        Core::V3 => ("e1", "e1"),
        _ => ("p", "r"),
    };
    let digital = format!("<{ext}:digitalNotification>true</{ext}:digitalNotification>");
    let address = "<p:careOf>C/O Åke</p:careOf><p:postalAddress1>GÅRDEN</p:postalAddress1>\
                   <p:postalAddress2>TESTGATAN 1</p:postalAddress2>\
                   <p:postalCode>85233</p:postalCode><p:city>SUNDSVALL</p:city>";
    let way = format!(
        "<p:contactType>sms</p:contactType><p:use>mobile</p:use><p:value>+46701740605</p:value>\
         <p:rank>1</p:rank><p:comment>Vardagar &amp; helger</p:comment>\
         <p:period><p:start>2024-01-01</p:start><p:end>2030-01-01</p:end></p:period>{digital}"
    );
    format!(
        "<r:contactInformation>{way}</r:contactInformation>\
         <r:contactInformation>{MAIL}</r:contactInformation>\
         <r:contactPerson><p:contactRelationshipType>127850001</p:contactRelationshipType>\
         <p:priorityOrder>1</p:priorityOrder><p:givenName>Łukasz</p:givenName>\
         <p:surName>Ærøskøbing</p:surName><p:middleName>Ö</p:middleName>\
         <p:contactPersonAddress>{address}</p:contactPersonAddress>\
         <p:contactPersonContactInformation>{way}</p:contactPersonContactInformation>\
         </r:contactPerson>\
         <{out}:optoutPaperNotification>true</{out}:optoutPaperNotification>"
    )
}

/// A reserve identity's data with everything in it, in the words of a contract's version.
fn full_person(of: Core) -> String {
    let part = |name: &str, value: &str| match of {
        Core::V5 => format!("<p:{name}>{value}</p:{name}>"),
        _ => format!("<p:{name}><p:name>{value}</p:name><p:attested>true</p:attested></p:{name}>"),
    };
    let names = format!(
        "<p:givenNameIndicator>10</p:givenNameIndicator>{}{}{}",
        part("givenName", "Łukasz"),
        part("middleName", "Ö"),
        part("surname", "Ærøskøbing")
    );
    let place = match of {
        Core::V5 => "<p:placeOfBirthAbroad>OSLO</p:placeOfBirthAbroad>".to_owned(),
        _ => "<p:placeOfBirthAbroad><p:placeOfBirthAbroad>OSLO</p:placeOfBirthAbroad>\
              <p:attested>false</p:attested></p:placeOfBirthAbroad>"
            .to_owned(),
    };
    let (found, country, abroad) = match of {
        Core::V3 => ("e1", "e3", "e3"),
        _ => ("p", "p", "r"),
    };
    let gone = format!(
        "<p:deregistrationReasonCode>AV</p:deregistrationReasonCode>{}{}",
        date("deregistrationDate", "2024-12-31"),
        date("foundDeadAtDate", "2025-01-01")
            .replace("p:foundDeadAtDate", &format!("{found}:foundDeadAtDate"))
    );
    format!(
        "<r:gender>2</r:gender><r:name>{names}</r:name>\
         <r:birth>{born}<p:placeOfBirthSweden><p:birthCountyCode>22</p:birthCountyCode>\
         <p:birthParish>SUNDSVALL</p:birthParish></p:placeOfBirthSweden>\
         <p:birthAbroad>{place}<p:countryOfBirth>NORGE</p:countryOfBirth></p:birthAbroad></r:birth>\
         <r:relationship><p:relationshipId><p:personalIdentity><p:root>{PNR}</p:root>\
         <p:extension>198001022386</p:extension></p:personalIdentity>{relative}</p:relationshipId>\
         <p:relationshipType>M</p:relationshipType>{since}<p:name>{names}</p:name>\
         <p:deregistration>{gone}</p:deregistration><p:status>NY</p:status></r:relationship>\
         <r:relationship><p:relationshipId/><p:relationshipType>B</p:relationshipType>\
         </r:relationship>\
         <r:givenAddress><p:postalAddress2>TESTGATAN 1</p:postalAddress2>\
         <p:postalCode>85233</p:postalCode><p:city>SUNDSVALL</p:city></r:givenAddress>\
         <r:deregistration>{gone}</r:deregistration>\
         <r:administrativeInformation><p:categoryOfPerson>04</p:categoryOfPerson>\
         <p:accountCode>9902</p:accountCode><p:comment>Åtta &lt; nio</p:comment>\
         </r:administrativeInformation>\
         <r:confirmedIdentity><p:typeOfIdentification>03</p:typeOfIdentification>\
         <p:identificationNumber>12-345678</p:identificationNumber>\
         <p:issuersOfId>Migrationsverket</p:issuersOfId>\
         <p:validDatePeriod><p:start>2020-01-01</p:start><p:end>2030-01-01</p:end></p:validDatePeriod>\
         <p:attachmentId>3f2504e0-4f89-41d3-9a0c-0305e82c3301</p:attachmentId>\
         <p:attachmentId>3f2504e0-4f89-41d3-9a0c-0305e82c3302</p:attachmentId>\
         <{country}:countryCode>SE</{country}:countryCode></r:confirmedIdentity>\
         <{abroad}:addressAbroad><p:postalAddress1>TESTVEJ 1</p:postalAddress1>\
         <p:postalAddress2>1000 KØBENHAVN</p:postalAddress2><p:countryCode>Danmark</p:countryCode>\
         </{abroad}:addressAbroad>",
        born = date("dateOfBirth", "1980-01-02"),
        relative = date("dateOfBirth", "1980-01-02"),
        since = date("relationshipFromDate", "2005-06-15"),
    )
}

/// The folder of goldens for a contract's version.
fn golden(contract: &str, major: u8, case: &str) -> String {
    format!("v{}/{contract}{case}.xml", core(contract, major).major())
}

#[test]
fn every_version_updates_a_reserve_identity() {
    for major in [3, 4, 5] {
        let mut care = Care::start();
        let told = full_person(core(UPDATE, major));
        let made = answer(&mut care, UPDATE, major, &format!("{}{told}", actor()));
        assert!(is_ok(&made), "{made}");
        check(&golden(UPDATE, major, ""), &made);
        // What it reads back as is what was sent, whatever version sent it.
        assert_eq!(made.matches("Ærøskøbing").count(), 2);
        let refused = answer(
            &mut care,
            UPDATE,
            major,
            &format!("{}{}", actor(), id("personId", NOBODY)),
        );
        assert_refused(&refused, Refusal::NotReserve);
        check(&golden(UPDATE, major, "-error"), &refused);
    }
}

#[test]
fn every_version_updates_and_reads_contact_data() {
    for (get, update) in [
        (GET_CONTACT, UPDATE_CONTACT),
        (GET_CONTACT_U, UPDATE_CONTACT_U),
    ] {
        for major in [3, 4] {
            let mut care = Care::start();
            for (case, person) in [
                ("", FULL),
                ("-protected", SECRECY),
                ("-inherited", SHIELDED),
                ("-without", CHILD),
                ("-unknown", NOBODY),
            ] {
                let read = answer(&mut care, get, major, &id("personId", person));
                check(&golden(get, major, case), &read);
            }
            let of = current(&mut care, FULL);
            let inside = format!(
                "{}{}<r:versionToUpdate>{of}</r:versionToUpdate>{}",
                actor(),
                id("personId", FULL),
                full_contact(core(update, major))
            );
            let made = answer(&mut care, update, major, &inside);
            assert!(is_ok(&made), "{made}");
            check(&golden(update, major, ""), &made);
            // The same once more: somebody has changed it since.
            let again = answer(&mut care, update, major, &inside);
            assert_refused(&again, Refusal::StaleVersion);
            check(&golden(update, major, "-error"), &again);
            let read = answer(&mut care, get, major, &id("personId", FULL));
            let record = |text: &str| {
                let record = between(
                    text,
                    "contactInformationRecord>",
                    "contactInformationRecord>",
                );
                record.unwrap().replace("</r:", "</p:")
            };
            assert_eq!(record(&read), record(&made), "the next read sees it");
        }
    }
}

#[test]
fn every_version_links_and_unlinks() {
    for major in [3, 4] {
        let mut care = Care::start();
        let link = |from, to| {
            format!(
                "{}{}{}",
                actor(),
                id("fromIdentity", from),
                id("toIdentity", to)
            )
        };
        let made = answer(&mut care, LINK, major, &link(ANONYMOUS, CHILD));
        assert!(is_ok(&made));
        check(&golden(LINK, major, ""), &made);
        let refused = answer(&mut care, LINK, major, &link(CHILD, ANONYMOUS));
        assert_refused(&refused, Refusal::Downwards);
        check(&golden(LINK, major, "-error"), &refused);
        let unlink = format!(
            "{}{}{}",
            actor(),
            id("unlinkFromIdentity", CHILD),
            id("unlinkIdentity", ANONYMOUS)
        );
        let made = answer(&mut care, UNLINK, major, &unlink);
        assert!(is_ok(&made));
        check(&golden(UNLINK, major, ""), &made);
        let refused = answer(&mut care, UNLINK, major, &unlink);
        assert_refused(&refused, Refusal::NotLinked);
        check(&golden(UNLINK, major, "-error"), &refused);
    }
}

/// SjD GetPersonContactInformation 1 to 4 and 6 to 10.
#[test]
fn contact_data_is_read_by_every_kind_of_identity_and_follows_no_link() {
    let mut care = Care::start();
    for person in [CHILD, COORDINATED, RESERVE, SHIELDED] {
        let read = contact(&mut care, person);
        let own = format!("<p:extension>{}</p:extension></p:personId>", person.1);
        assert!(read.contains(&own), "{read}");
    }
    let read = answer(&mut care, GET_CONTACT, 4, &id("personId", NOBODY));
    assert!(
        !read.contains("Record>") && !read.contains("Fault"),
        "{read}"
    );
    let read = answer(&mut care, GET_CONTACT, 4, &id("personId", CHILD));
    assert!(!read.contains("<p:contactInformation>") && !version(&read).is_empty());
    let read = answer(&mut care, GET_CONTACT, 4, &id("personId", FULL));
    let (first, second) = read.split_once("<p:rank>2</p:rank>").unwrap();
    assert!(first.contains("<p:rank>1</p:rank>") && second.contains("<p:contactPerson>"));
    let broken = sent(&mut care, GET_CONTACT, 4, &id("personId", (PNR, "1")));
    assert!(matches!(broken, Err(Trouble::Refused(_))));
}

/// SjD UpdatePersonContactInformation 1 to 14 and 17.
#[test]
fn contact_data_is_replaced_as_a_whole() {
    let mut care = Care::start();
    for person in [CHILD, COORDINATED, ANONYMOUS, RESERVE] {
        let one = item("other", "Ring på dörren", "");
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &one);
        assert!(is_ok(&made) && made.contains("Ring på dörren"), "{made}");
        let before = version(&made);
        let two = format!(
            "{one}{}",
            item("email", "a@example.org", "<p:rank>1</p:rank>")
        );
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &two);
        assert!(version(&made) > before);
        assert_eq!(made.matches("<p:contactInformation>").count(), 2);
        let changed = two.replace("a@example.org", "b@example.org");
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &changed);
        assert!(made.contains("b@example.org") && !made.contains("a@example.org"));
        assert!(made.contains("Ring på dörren"));
        let ranked = changed.replace("<p:rank>1<", "<p:rank>7<");
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &ranked);
        assert!(made.contains("<p:rank>7</p:rank>"));
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &one);
        assert_eq!(made.matches("<p:contactInformation>").count(), 1);
        let known = "<r:contactPerson><p:contactRelationshipType>375005\
                     </p:contactRelationshipType><p:givenName>Elva</p:givenName></r:contactPerson>";
        let paper = NO_PAPER.replace("true", "false");
        let more = format!("{one}{known}{paper}");
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &more);
        assert!(made.contains("Elva") && made.contains("<p:optoutPaperNotification>false<"));
        let digital = format!("{}{NO_PAPER}", item("email", "a@example.org", DIGITAL));
        let made = update_contact(&mut care, UPDATE_CONTACT, person, &digital);
        assert!(made.contains("<p:optoutPaperNotification>true<") && !made.contains("Elva"));
        let made = update_contact(&mut care, UPDATE_CONTACT, person, "");
        assert!(is_ok(&made) && !made.contains("<p:contactInformation>"));
        assert!(!made.contains("optoutPaperNotification"));
        assert!(made.contains("SE165565594230-1003"), "the actor is told");
    }
}

/// SjD UpdatePersonContactInformation 19 to 21.
#[test]
fn contact_data_that_breaks_a_rule_is_not_stored() {
    let mut care = Care::start();
    let before = contact(&mut care, FULL);
    let value = Field::at;
    for (rest, refusal) in [
        (NO_PAPER.to_owned(), Refusal::NoDigitalWay),
        (
            item("email", "HEMLIGT", ""),
            Refusal::Value(value("contactInformation/value"), Wrong::NotAnEmail),
        ),
        (
            item("HEMLIGT", "x", ""),
            Refusal::Value(value("contactInformation/contactType"), Wrong::NotACode),
        ),
        (
            item("other", "x", "<p:period/>"),
            Refusal::Value(value("contactInformation/period"), Wrong::NoEnds),
        ),
    ] {
        let made = update_contact(&mut care, UPDATE_CONTACT, FULL, &rest);
        assert_refused(&made, refusal);
        assert!(!made.contains("HEMLIGT"));
        assert_eq!(contact(&mut care, FULL), before);
    }
    let head = |version: &str| format!("{}{}{version}", actor(), id("personId", FULL));
    let old = head("<r:versionToUpdate>20200101000000</r:versionToUpdate>");
    let made = answer(&mut care, UPDATE_CONTACT, 4, &old);
    assert_refused(&made, Refusal::StaleVersion);
    let made = answer(&mut care, UPDATE_CONTACT, 4, &head(""));
    assert_refused(&made, Refusal::MissingVersion);
    let broken = format!("{}{}", actor(), id("personId", ("1.2.3", "HEMLIGT")));
    let made = answer(&mut care, UPDATE_CONTACT, 4, &broken);
    assert!(made.contains("ERROR") && made.contains("okänd identitetstyp"));
    assert!(!made.contains("HEMLIGT"));
    assert_eq!(contact(&mut care, FULL), before);
}

/// An `xs:date` may tell its zone, and JAX-WS writes it so: the day is meant.
#[test]
fn a_day_with_a_zone_is_that_day() {
    let mut care = Care::start();
    let period =
        "<p:period><p:start>2025-01-02+01:00</p:start><p:end>2025-03-04Z</p:end></p:period>";
    let made = update_contact(&mut care, UPDATE_CONTACT, FULL, &item("other", "x", period));
    assert!(is_ok(&made), "{made}");
    let read = contact(&mut care, FULL);
    for day in ["<p:start>2025-01-02</p:start>", "<p:end>2025-03-04</p:end>"] {
        assert!(read.contains(day), "{read}");
    }
    // One that does not exist is against the schema, and nothing is kept of it.
    let head = format!("{}{}", actor(), id("personId", FULL));
    let period = "<p:period><p:start>2025-02-29+01:00</p:start></p:period>";
    let sent = sent(
        &mut care,
        UPDATE_CONTACT,
        4,
        &(head + &item("other", "x", period)),
    );
    assert!(matches!(sent, Err(Trouble::Request(_))));
    assert_eq!(contact(&mut care, FULL), read);
}

#[test]
fn the_service_sets_the_time_of_a_change() {
    let mut care = Care::start();
    let timed = actor().replace(
        "</r:actor>",
        "<p:updateTime>19990101000000</p:updateTime></r:actor>",
    );
    let inside = format!("{timed}{}", id("personId", CHILD));
    let made = answer(&mut care, UPDATE_CONTACT, 4, &inside);
    let time = between(&made, "<p:updateTime>", "</p:updateTime>").unwrap();
    assert_eq!(time, version(&made));
    assert_eq!(time, "20250203040506");
    let inside = format!(
        "{timed}{}{}",
        id("fromIdentity", ANONYMOUS),
        id("toIdentity", CHILD)
    );
    assert_refused(&answer(&mut care, LINK, 4, &inside), Refusal::TimeTold);
}

/// SjD 8 and 9 of the reading contract, 15 and 16 of the updating one.
#[test]
fn a_protected_persons_contact_data_is_neither_shown_nor_changed() {
    for person in [SECRECY, POPULATION, SHIELDED] {
        let mut care = Care::start();
        let open = contact(&mut care, person);
        for major in [3, 4] {
            let read = answer(&mut care, GET_CONTACT, major, &id("personId", person));
            assert!(secrets_in(&read).is_empty(), "{:?}", secrets_in(&read));
            for hidden in ["<p:contactInformation>", "contactPerson", "optout", "Actor"] {
                assert!(!read.contains(hidden), "{read}");
            }
            assert_eq!(version(&read), version(&open));
            // Right or wrong, old or new: the answer is the same.
            for rest in ["", "<r:versionToUpdate>20200101000000</r:versionToUpdate>"] {
                let inside = format!("{}{}{rest}", actor(), id("personId", person));
                let made = answer(&mut care, UPDATE_CONTACT, major, &inside);
                assert_refused(&made, Refusal::Protected);
            }
        }
        assert_eq!(contact(&mut care, person), open);
        let made = update_contact(&mut care, UPDATE_CONTACT_U, person, &item("url", "x", ""));
        assert!(is_ok(&made) && made.contains("<p:value>x</p:value>"));
    }
}

/// A reserve identity that is linked to a protected person is shown as protected.
#[test]
fn the_answer_to_an_update_shows_no_more_than_a_read() {
    let mut care = Care::start();
    let told = "<r:givenAddress><p:city>HEMLIGA ORTEN</p:city></r:givenAddress>";
    // Right or wrong: who may not see it learns nothing of what stands there.
    for told in [told, "<r:gender>7</r:gender>"] {
        let refused = update_person(&mut care, Some(SHIELDED), told);
        assert_refused(&refused, Refusal::Protected);
    }
    care.sees_protected = true;
    let made = update_person(&mut care, Some(SHIELDED), told);
    assert!(is_ok(&made) && !made.contains("HEMLIGA"), "{made}");
    let free = update_person(&mut care, Some(ANONYMOUS), told);
    assert!(is_ok(&free) && free.contains("HEMLIGA ORTEN"));
}

/// SjD UpdatePerson 1 to 9.
#[test]
fn reserve_identities_are_issued_registered_and_replaced() {
    let mut care = Care::start();
    let known = format!(
        "<r:gender>1</r:gender><r:name><p:surname>Testsson</p:surname></r:name><r:birth>{}</r:birth>",
        date("dateOfBirth", "1980-01-02")
    );
    let made = update_person(&mut care, None, &known);
    assert!(identity(&made).starts_with("22800102AA1"), "{made}");
    let anonymous = "<r:name><p:givenName>Okänd</p:givenName></r:name>";
    let made = update_person(&mut care, None, anonymous);
    let issued = identity(&made).to_owned();
    assert!(issued.starts_with("00002040AAA") && !made.contains("gender"));
    let made = update_person(&mut care, Some((NRID, &issued)), &known);
    assert_eq!(identity(&made), issued);
    assert!(made.contains("<p:surname>Testsson<") && !made.contains("Okänd"));
    let made = update_person(&mut care, Some((NRID, &issued)), "");
    assert!(is_ok(&made));
    for gone in ["<p:name>", "<p:birth>", "<p:gender>"] {
        assert!(!made.contains(gone), "{made}");
    }
    let made = update_person(&mut care, Some(NEW_LOCAL), &known);
    assert_eq!(identity(&made), NEW_LOCAL.1);
    let abroad = "<r:addressAbroad><p:countryCode>NORGE</p:countryCode></r:addressAbroad>";
    let made = update_person(&mut care, Some(NEW_LOCAL), abroad);
    assert!(made.contains("<p:countryCode>NORGE<"));
    // What it does not replace stays: the link of the fixture.
    let made = update_person(&mut care, Some(RESERVE), "");
    assert!(made.contains("<p:linkedIdentity>"));
}

/// SjD UpdatePerson 10 and 12.
#[test]
fn updates_of_persons_that_break_a_rule_are_refused() {
    let mut care = Care::start();
    let old = "<r:versionToUpdate>20200101000000</r:versionToUpdate>";
    for (person, rest, refusal) in [
        (Some(FULL), "", Refusal::NotReserve),
        (Some(COORDINATED), "", Refusal::NotReserve),
        (Some((NRID, "22950606FH20")), "", Refusal::NotIssued),
        (Some((VGR, "19450829K089")), "", Refusal::CheckCharacter),
        (Some(ANONYMOUS), old, Refusal::StaleVersion),
        (None, old, Refusal::VersionOfNobody),
    ] {
        assert_refused(&update_person(&mut care, person, rest), refusal);
    }
    let alone = actor();
    let (head, _) = alone.split_once("<p:professional>").unwrap();
    let made = answer(&mut care, UPDATE, 5, &format!("{head}</r:actor>"));
    assert_refused(&made, Refusal::NoOrganization);
    for broken in [
        "<r:birth><p:dateOfBirth><p:format>YYYY</p:format><p:value>1980-02</p:value></p:dateOfBirth></r:birth>",
        "<r:birth><p:dateOfBirth><p:format>YYYY-MM-DD</p:format><p:value>1980-02-31</p:value></p:dateOfBirth></r:birth>",
        "<r:birth><p:dateOfBirth><p:format>YYYY-MM-DD</p:format><p:value>2023-02-29</p:value></p:dateOfBirth></r:birth>",
        "<r:gender>HEMLIGT</r:gender>",
        "<r:addressAbroad><p:countryCode>HEMLIGT</p:countryCode></r:addressAbroad>",
        "<r:relationship><p:relationshipId><p:personalIdentity><p:root>1.2.3</p:root><p:extension>HEMLIGT</p:extension></p:personalIdentity></p:relationshipId><p:relationshipType>B</p:relationshipType></r:relationship>",
    ] {
        let made = update_person(&mut care, None, broken);
        assert!(!is_ok(&made) && !made.contains("HEMLIGT"), "{made}");
        assert!(made.contains("<p:resultText>Uppgiften "), "{made}");
    }
    // What nobody sees is in no record.
    for unseen in [
        "&#10;", "&#9;", "\u{7f}", "\u{85}", "\u{202e}", "\u{200b}", "&#x2028;",
    ] {
        let value = format!("Tolvan{unseen}sson");
        let name = format!("<r:name><p:surname>{value}</p:surname></r:name>");
        let made = update_person(&mut care, None, &name);
        let refused = |element| Refusal::Value(Field::at(element), UNSEEN);
        assert_refused(&made, refused("name/surname"));
        let way = item("other", &value, "");
        let made = update_contact(&mut care, UPDATE_CONTACT, CHILD, &way);
        assert_refused(&made, refused("contactInformation/value"));
        let signed = actor().replacen("</p:extension>", &format!("{unseen}x</p:extension>"), 1);
        let made = answer(&mut care, UPDATE, 5, &signed);
        assert_refused(&made, Refusal::Unseen("actor/id"));
    }
    // Against the schema: a fault, as for every other contract.
    for broken in [
        "<r:gender/><r:gender/>",
        "<r:name>x</r:name>",
        "<r:unknown/>",
    ] {
        let sent = sent(&mut care, UPDATE, 5, &format!("{}{broken}", actor()));
        assert!(matches!(sent, Err(Trouble::Request(_))), "{broken}");
    }
}

/// SjD LinkPersonIdentity 1 to 16 over the wire, and what a link does to those who read.
#[test]
fn a_link_is_seen_by_whoever_reads() {
    let mut care = Care::start();
    let link = |from, to| {
        format!(
            "{}{}{}",
            actor(),
            id("fromIdentity", from),
            id("toIdentity", to)
        )
    };
    for (from, to, refusal) in [
        (SHIELDED, NEW_LOCAL, Refusal::BetweenLocal),
        (ANONYMOUS, SHIELDED, Refusal::Downwards),
        (COORDINATED, SHIELDED, Refusal::Downwards),
        (COORDINATED, ANONYMOUS, Refusal::Downwards),
        (CHILD, SHIELDED, Refusal::Downwards),
        (CHILD, ANONYMOUS, Refusal::Downwards),
        (COORDINATED, OTHER_COORDINATED, Refusal::OnlySkatteverket),
        (COORDINATED, CHILD, Refusal::OnlySkatteverket),
        (CHILD, COORDINATED, Refusal::OnlySkatteverket),
        (CHILD, FULL, Refusal::OnlySkatteverket),
        (ANONYMOUS, ANONYMOUS, Refusal::SameIdentity),
        (RESERVE, FULL, Refusal::AlreadyLinked),
        (RESERVE, CHILD, Refusal::OnlySkatteverket),
        (ANONYMOUS, NOBODY, Refusal::Unknown("toIdentity")),
    ] {
        assert_refused(&answer(&mut care, LINK, 4, &link(from, to)), refusal);
    }
    let before = current(&mut care, CHILD);
    assert!(is_ok(&answer(&mut care, LINK, 4, &link(ANONYMOUS, CHILD))));
    assert!(current(&mut care, CHILD) > before);
    let inside = format!(
        "{}<r:profile>P1</r:profile><r:ignoreReferredIdentity>false</r:ignoreReferredIdentity>",
        id("personId", ANONYMOUS)
    );
    let read = answer(&mut care, "GetPersonsForProfile", 5, &inside);
    let record = between(&read, "<p:personRecord>", "</p:personRecord>").unwrap();
    assert_eq!(identity(record), CHILD.1, "the main identity answers");
    assert!(record.contains("<p:assuranceLevel>level3<"));
}

/// C1 and C2: the same characters in both encodings, and the same answer.
#[test]
fn utf_16_says_the_same() {
    let told = full_person(Core::V5);
    let text = message(UPDATE, 5, &format!("{}{told}", actor()));
    let plain = Care::start()
        .send(UPDATE, 5, text.as_bytes(), None)
        .unwrap_or_else(|trouble| panic!("{trouble}"));
    let text = text.replace("encoding=\"UTF-8\"", "encoding=\"UTF-16\"");
    let marked = || std::iter::once(0xfeff).chain(text.encode_utf16());
    let little: Vec<u8> = marked().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = marked().flat_map(u16::to_be_bytes).collect();
    for body in [little, big] {
        let answer = Care::start().send(UPDATE, 5, &body, Some("utf-16"));
        assert_eq!(answer, Ok(plain.clone()));
    }
}

/// The web interface's fifty, by the rule that a route will call.
#[test]
fn anonymous_identities_are_issued_in_bulk_and_never_twice() {
    let mut care = Care::start();
    let name = |root: &str| Name {
        root: root.to_owned(),
        extension: "SE165565594230-1003".to_owned(),
    };
    let wish = Wish::IssueReserve {
        actor: Actor {
            id: name("1.2.752.29.6.2.1"),
            organization: Some(name("1.2.752.29.6.10.1")),
            update_time: None,
        },
        count: 50,
    };
    let mut issued = std::collections::HashSet::new();
    for round in 0..4 {
        // A restart loses the hint, and nothing else.
        care.issuer = pu::register::nrid::Issuer::default();
        care.at = Moment::parse(&format!("2025-02-03T04:05:{:02}", 10 + round)).unwrap();
        let change = care
            .perform(&wish)
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        assert!(change.issued.into_iter().all(|it| issued.insert(it)));
    }
    assert_eq!(issued.len(), 200);
}

/// Every region's own numbers are registered alike; the contract names the root, and is strict.
#[test]
fn reserve_numbers_of_every_region_are_registered() {
    let mut care = Care::start();
    let born = |date_of_birth: &str| {
        let birth = date("dateOfBirth", date_of_birth);
        format!("<r:name><p:surname>Testsson</p:surname></r:name><r:birth>{birth}</r:birth>")
    };
    for (root, value, date_of_birth) in [
        ("1.2.752.113.11.0.2.1.1.4", "17001111A912", "1980-01-02"),
        ("1.2.752.113.11.0.2.1.1.4", "17001111k912", "1980-01-02"),
        ("1.2.752.219.1.10.10.1", "810829DA1B", "1981-08-29"),
        ("1.2.752.219.1.10.10.1", "19810829DA1B", "1981-08-29"),
        ("1.2.752.74.9.5", "20200501AA8A", "2020-05-01"),
        ("1.2.752.269.1.1", "20100101014R", "2010-01-01"),
        ("1.2.752.266.1.1.1", "20200501AA8A", "2020-05-01"),
        ("1.2.752.266.1.1.2", "18500101N123", "1980-01-02"),
        ("1.2.752.74.9.7", "19890715R910", "1989-07-15"),
        ("1.2.752.74.9.6", "201905355622", "2019-05-03"),
        ("1.2.752.74.9.9", "1965120701M1", "1965-12-07"),
        ("1.2.752.74.9.8", "19010105Y202", "1901-01-05"),
    ] {
        let made = update_person(&mut care, Some((root, value)), &born(date_of_birth));
        assert!(is_ok(&made), "{root} {value}: {made}");
        assert_eq!(identity(&made), value);
        assert!(made.contains(&format!("<p:root>{root}</p:root>")), "{made}");
    }
    for (root, value) in [
        ("1.2.752.74.9.5", "20200501-AA8A"),
        ("1.2.752.74.9.5", "20200501aa8a"),
        ("1.2.752.266.1.1.2", "18500101N000"),
    ] {
        let made = update_person(&mut care, Some((root, value)), &born("2020-05-01"));
        assert!(!is_ok(&made), "{root} {value}: {made}");
    }
}

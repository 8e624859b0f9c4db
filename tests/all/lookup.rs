//! Lookup by identity, as the contract describes it.

use crate::support::{Ask, NRID, PNR, SNR, Service};

const FULL: &str = "198001022386";
const CHILD: &str = "201001012382";
const OLD: &str = "198402192382";
const NEW: &str = "198402192390";
const UNKNOWN: &str = "191212121212";
const RESERVE: &str = "22790814AA01";

/// What each `requestedPersonRecord` asked for and whose record it holds.
fn records(body: &str) -> Vec<(String, Option<String>)> {
    let extension = |text: &str| {
        let from = text.find("<p:extension>").unwrap() + "<p:extension>".len();
        text[from..from + text[from..].find('<').unwrap()].to_owned()
    };
    body.split("<r:requestedPersonRecord>")
        .skip(1)
        .map(|record| {
            (
                extension(record),
                record.split("<p:personRecord>").nth(1).map(extension),
            )
        })
        .collect()
}

#[test]
fn answers_come_in_the_order_of_the_request_doubles_and_unknown_included() {
    let service = Service::start();
    let answer = Ask::new(
        5,
        "P1",
        &[(PNR, CHILD), (PNR, UNKNOWN), (PNR, FULL), (PNR, CHILD)],
    )
    .send(&service);
    let found = |it: &str| (it.to_owned(), Some(it.to_owned()));
    assert_eq!(answer.status, 200);
    assert_eq!(
        records(&answer.body),
        [
            found(CHILD),
            (UNKNOWN.to_owned(), None),
            found(FULL),
            found(CHILD)
        ]
    );
}

#[test]
fn only_unknown_identities_are_no_error() {
    let service = Service::start();
    let answer = Ask::new(4, "P3", &[(PNR, UNKNOWN), (SNR, "197001782395")]).send(&service);
    assert_eq!(answer.status, 200);
    assert!(
        records(&answer.body)
            .iter()
            .all(|(_, found)| found.is_none())
    );
}

#[test]
fn five_hundred_identities_are_answered() {
    let service = Service::start();
    let ids = vec![(PNR, CHILD); 500];
    let answer = Ask::new(5, "P5", &ids).send(&service);
    assert_eq!(answer.status, 200);
    assert_eq!(records(&answer.body).len(), 500);
}

#[test]
fn a_linked_identity_is_answered_by_its_main_identity_unless_told_otherwise() {
    let service = Service::start();
    for major in [3, 4, 5] {
        let asked = [(NRID, RESERVE), (PNR, OLD), (PNR, NEW)];
        let main = Ask::new(major, "P1", &asked).send(&service);
        assert_eq!(
            records(&main.body),
            [
                (RESERVE.to_owned(), Some(FULL.to_owned())),
                (OLD.to_owned(), Some(NEW.to_owned())),
                (NEW.to_owned(), Some(NEW.to_owned())),
            ]
        );
        let own = Ask::new(major, "P1", &asked).ignoring().send(&service);
        assert!(
            records(&own.body)
                .iter()
                .all(|(asked, found)| found.as_ref() == Some(asked))
        );
    }
}

#[test]
fn a_main_record_lists_its_linked_identities() {
    let service = Service::start();
    let answer = Ask::new(5, "P1", &[(PNR, FULL)]).send(&service);
    let linked = format!(
        "<p:linkedIdentity><p:referredPersonalIdentity><p:root>{NRID}</p:root><p:extension>{RESERVE}</p:extension></p:referredPersonalIdentity><p:assuranceLevel>level3</p:assuranceLevel><p:primaryIdentity>false</p:primaryIdentity></p:linkedIdentity>"
    );
    assert!(answer.body.contains(&linked), "{}", answer.body);
    let answer = Ask::new(5, "P1", &[(NRID, RESERVE)])
        .ignoring()
        .send(&service);
    assert!(
        answer
            .body
            .contains("<p:primaryIdentity>false</p:primaryIdentity>")
    );
}

#[test]
fn a_number_change_shows_in_both_records() {
    let service = Service::start();
    for (asked, other) in [(OLD, NEW), (NEW, OLD)] {
        let answer = Ask::new(5, "P1", &[(PNR, asked)]).ignoring().send(&service);
        let reference = format!(
            "<p:extension>{other}</p:extension></p:referredPersonalIdentity><p:referredPersonalIdentityStatus>NY<"
        );
        assert!(answer.body.contains(&reference), "{}", answer.body);
    }
}

#[test]
fn utf_16_is_answered_like_utf_8() {
    let service = Service::start();
    let ask = Ask::new(5, "P2", &[(PNR, FULL)]);
    let plain = ask.send(&service).body;
    let envelope = ask.envelope().replace("UTF-8", "UTF-16");
    for little in [true, false] {
        let unit = |it: u16| {
            if little {
                it.to_le_bytes()
            } else {
                it.to_be_bytes()
            }
        };
        let bytes: Vec<u8> = std::iter::once(0xfeff)
            .chain(envelope.encode_utf16())
            .flat_map(unit)
            .collect();
        let headers = [("Content-Type", "text/xml; charset=utf-16")];
        let answer = service.connect().post(&ask.path(), &headers, &bytes);
        assert_eq!((answer.status, &answer.body), (200, &plain));
    }
}

#[test]
fn any_prefixes_and_namespaces_by_default_are_understood() {
    let service = Service::start();
    let message = "<GetPersonsForProfile xmlns=\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:5\"><personId><root xmlns=\"urn:riv:strategicresourcemanagement:persons:person:5\">1.2.752.129.2.1.3.1</root><extension xmlns=\"urn:riv:strategicresourcemanagement:persons:person:5\"><![CDATA[1980]]>0102&#50;38<!-- x -->6</extension><more xmlns=\"urn:else\"><deep/></more></personId><profile>P1</profile><ignoreReferredIdentity> 1 </ignoreReferredIdentity><more xmlns=\"urn:else\"/></GetPersonsForProfile>";
    let path = Ask::new(5, "P1", &[]).path();
    let answer = service.post(&path, crate::support::envelope(message).as_bytes());
    assert_eq!(
        records(&answer.body),
        [(FULL.to_owned(), Some(FULL.to_owned()))]
    );
}

#[test]
fn soap_action_may_be_right_empty_or_missing() {
    let service = Service::start();
    let ask = Ask::new(5, "P1", &[(PNR, FULL)]);
    let right = "\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:5:GetPersonsForProfile\"";
    for action in [right, "\"\"", ""] {
        let headers = [("Content-Type", "text/xml"), ("SOAPAction", action)];
        let answer = service
            .connect()
            .post(&ask.path(), &headers, ask.envelope().as_bytes());
        assert_eq!(answer.status, 200, "{action}");
    }
}

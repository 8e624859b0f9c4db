//! A request's body against every endpoint whose namespace it names: there is an answer of
//! well-formed XML, or a fault whose text holds nothing but what the tables can say.
#![no_main]

use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use pu::base::limits;
use pu::person::schema::{ComplexType, Content};
use pu::person::value::ValueError;
use pu::person::view::{Profile, ProtectionRules};
use pu::query::search::SearchError;
use pu::store::state::State;
use pu::wire::contract::{ENDPOINTS, LOGICAL_ADDRESS_NATIONAL};
use pu::wire::fault::{Refusal, Trouble, tell};
use pu::wire::request::{Expected, RequestError, decode};
use pu::wire::soap::{Call, Scratch, Soap};
use shared::FORMATS;
use uuid::Uuid;

static SOAP: LazyLock<Soap> = LazyLock::new(|| {
    let rule = ProtectionRules::STANDARD;
    Soap::compile(&FORMATS, &[LOGICAL_ADDRESS_NATIONAL.to_owned()], rule)
});

static STATE: LazyLock<State> =
    LazyLock::new(|| State::of_snapshot(Arc::new(shared::snapshot())).unwrap());

thread_local! {
    static REMEMBERING: RefCell<Scratch> = RefCell::default();
}

fuzz_target!(|body: &[u8]| {
    let text = decode(body, None).unwrap_or_default();
    let mut scratch = Scratch::default();
    let mut met = false;
    for (number, service) in SOAP.services().iter().enumerate() {
        let named = text.contains(&service.endpoint.responder_namespace());
        // Whoever names no contract is read by the first.
        if !named && (met || number + 1 < ENDPOINTS.len()) {
            continue;
        }
        met = true;
        let call = Call {
            body,
            charset: None,
            soap_action: None,
        };
        let fresh = SOAP.answer(service, &STATE, call, &mut scratch);
        let (disclosed, answer) = (scratch.disclosed(), scratch.answer());
        // A request is answered the same whether its shape has been seen before or not.
        REMEMBERING.with_borrow_mut(|remembering| {
            assert_eq!(SOAP.answer(service, &STATE, call, remembering), fresh);
            // After a refusal there may be an older answer.
            assert!(fresh.is_err() || remembering.answer() == answer);
            assert!(fresh.is_err() || remembering.disclosed().shown == disclosed.shown);
        });
        match fresh {
            Ok(()) => {
                // A search asks for no identity.
                let most = disclosed.asked.len().max(limits::HITS_PER_SEARCH);
                assert!(disclosed.shown.len() <= most);
                shared::assert_well_formed(answer);
            }
            Err(trouble) => {
                assert!(!matches!(trouble, Trouble::Damaged(_)));
                let told = SOAP.tell(&trouble, Uuid::nil());
                // What is wrong with a query is told by its own texts, which the target
                // `simpleql` looks at.
                let of_query = matches!(&trouble, Trouble::Search(SearchError::Query(error))
                    if told.text == error.in_swedish());
                assert!(
                    of_query || TEXTS.contains(&without_numbers(&told.text)),
                    "{trouble:?}"
                );
                shared::assert_well_formed(&told.to_fault());
            }
        }
    }
});

/// Every text a fault can have, with each number as `#`.
static TEXTS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let mut names = BTreeSet::from(["Envelope", "Header", "Body", "LogicalAddress"]);
    for endpoint in &ENDPOINTS {
        names.insert(endpoint.contract);
        collect(endpoint.request, &mut names);
    }
    let mut errors = vec![
        RequestError::Encoding,
        RequestError::NotXml { at: 1 },
        RequestError::Dtd,
        RequestError::ProcessingInstruction,
        RequestError::TooComplex,
        RequestError::NotSoap11,
        RequestError::MustUnderstand,
        RequestError::NoLogicalAddress,
        RequestError::ForeignLogicalAddress,
        RequestError::WrongOperation,
    ];
    for &inside in &names {
        let mut expected = vec![
            Expected::End,
            Expected::NoText,
            Expected::NoElements,
            Expected::NoAttributes,
        ];
        expected.extend(names.iter().map(|&name| Expected::Element(name)));
        errors.extend(
            expected
                .into_iter()
                .map(|expected| RequestError::Unexpected { inside, expected }),
        );
        let whys = [
            ValueError::TooLong(1),
            ValueError::TooShort(1),
            ValueError::NotAllowed,
            ValueError::NotANumber,
            ValueError::OutOfRange(1, 1),
            ValueError::NotABoolean,
            ValueError::NotADate,
            ValueError::NotATime,
            ValueError::IllegalCharacter,
            ValueError::NotAnIdentity,
            ValueError::WrongShape,
        ];
        errors.extend(whys.map(|why| RequestError::Value {
            element: inside,
            why,
        }));
    }
    let refusals = [
        Refusal::TooManyIdentities,
        Refusal::ReservedProfile,
        Refusal::UnknownRoot(1),
        Refusal::MalformedIdentity(1),
        Refusal::NotServed,
    ];
    let hidden = |profile| SearchError::HiddenNode { at: 1, profile };
    let searches = [
        SearchError::UnknownLanguage,
        SearchError::TooManyHits(1),
        SearchError::TooWide,
        SearchError::TooMuchWork,
        SearchError::ShortPattern { at: 1 },
        SearchError::NoWords,
        SearchError::TooManyWords,
        hidden(None),
        hidden(Some(Profile::P1)),
    ];
    errors
        .into_iter()
        .map(Trouble::from)
        .chain(refusals.map(Trouble::from))
        .chain(searches.map(Trouble::from))
        .map(|trouble| tell(&trouble, LOGICAL_ADDRESS_NATIONAL, Uuid::nil()))
        .map(|told| without_numbers(&told.text))
        .collect()
});

fn collect(of: &'static ComplexType, names: &mut BTreeSet<&'static str>) {
    for row in of.rows {
        names.insert(row.name);
        match row.content {
            Content::Simple(_) => {}
            Content::Complex(of) | Content::Wrapped(of, _) => collect(of, names),
        }
    }
}

/// Numbers of up to eight digits as `#`. Longer ones stay: no ceiling is so high, and identities
/// are longer.
fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    for part in text.split_inclusive(|it: char| !it.is_ascii_digit()) {
        let rest = part.trim_start_matches(|it: char| it.is_ascii_digit());
        match part.len() - rest.len() {
            0 => {}
            1..=8 => out.push('#'),
            _ => out.push_str(&part[..part.len() - rest.len()]),
        }
        out.push_str(rest);
    }
    out
}

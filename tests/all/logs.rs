//! The log at its most talkative holds nothing of anybody, whatever is asked: no identity, no name,
//! no address, no word of a request.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::front_end::over_http_2;
use crate::program::Serving;
use crate::support::{Ask, Client, NRID, PNR, envelope, path, persons, register};

const XML: (&str, &str) = ("Content-Type", "text/xml; charset=UTF-8");

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// What stands nowhere but in the requests of this test.
const WORD: &str = "Hemligord";

/// Texts of at least five characters in the fixture, and their words; roots of identities are not
/// of a person.
fn secrets() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in persons().lines() {
        collect(&serde_json::from_str(line).unwrap(), &mut found);
    }
    found.insert(WORD.to_owned());
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let words = text.split_whitespace().chain([text.as_str()]);
            found.extend(words.filter(|it| it.chars().count() > 4).map(str::to_owned));
        }
        Value::Array(all) => all.iter().for_each(|it| collect(it, found)),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "root")
            .for_each(|(_, it)| collect(it, found)),
        _ => {}
    }
}

/// Identities of the fixture as (root, extension).
fn identities() -> Vec<(String, String)> {
    let of = |person: &Value, name: &str| {
        person["personalIdentity"][name]
            .as_str()
            .unwrap()
            .to_owned()
    };
    persons()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|person| (of(&person, "root"), of(&person, "extension")))
        .collect()
}

/// Bodies and paths in which personal data stands where it does not belong.
fn misplaced(value: &str) -> Vec<(String, String)> {
    let good = Ask::new(5, "P1", &[(PNR, "201001012382")]);
    let body = good.envelope();
    let path = good.path();
    let asked = |ask: &Ask| (ask.path(), ask.envelope());
    let mut all = vec![
        asked(&Ask::new(5, "P1", &[(PNR, value)])),
        asked(&Ask::new(4, "P1", &[(value, "201001012382")])),
        asked(&Ask::new(3, value, &[(PNR, "201001012382")])),
        asked(&Ask::new(5, "P1", &[(NRID, value)]).unrestricted()),
        (path.clone(), value.to_owned()),
        (path.clone(), body.replace("SE165565594230-1000", value)),
        (path.clone(), body.replace(">false<", &format!(">{value}<"))),
        (
            path.clone(),
            body.replace("<r:profile>", &format!("{value}<r:profile>")),
        ),
        (
            path.clone(),
            body.replace("<r:profile>", &format!("<r:profile x=\"{value}\">")),
        ),
        (
            path.clone(),
            body.replace("<r:profile>P1", &format!("<r:profile>&{value};")),
        ),
        (
            path.clone(),
            body.replace("encoding=\"UTF-8\"", &format!("encoding=\"{value}\"")),
        ),
        (
            path.clone(),
            body.replace("xmlns:p=\"", &format!("xmlns:p=\"{value}")),
        ),
        (path.clone(), format!("{body}{value}")),
        (path.clone(), format!("<!DOCTYPE {value}>{body}")),
        (
            path.clone(),
            body.replace("<r:profile>", &format!("<?{value} x?><r:profile>")),
        ),
    ];
    // As a name, which begins with a letter.
    let name = format!(
        "{WORD}{}",
        value.replace(|it: char| !it.is_alphanumeric(), "")
    );
    all.extend([
        (
            path.clone(),
            body.replace("r:profile>", &format!("r:{name}>")),
        ),
        (
            path.clone(),
            body.replace("GetPersonsForProfile>", &format!("{name}>")),
        ),
        (
            path.clone(),
            body.replace("<r:profile>", &format!("<{name}:profile>")),
        ),
        (
            path.clone(),
            body.replace("</soapenv:Body>", &format!("</{name}>")),
        ),
    ]);
    all
}

/// Searches for a value, right and wrong ones.
fn searches(value: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (contract, major) in [
        ("SearchPersonsForProfile", 3),
        ("SearchPersonsForProfile", 5),
        ("SearchPersonsForProfileUnrestricted", 4),
    ] {
        for (query, language) in [
            (
                format!("FROM PersonRecord WHERE name.surname = '{value}'"),
                "SimpleQL",
            ),
            (
                format!("FROM PersonRecord WHERE personalIdentity.extension LIKE '{value}%'"),
                "SimpleQL",
            ),
            (
                format!("FROM {value} WHERE {value} = '{value}'"),
                "SimpleQL",
            ),
            (value.to_owned(), "SimpleQL"),
            (value.to_owned(), "Text"),
            (value.to_owned(), value),
        ] {
            let responder = format!(
                "urn:riv:strategicresourcemanagement:persons:person:{contract}Responder:{major}"
            );
            let message = format!(
                "<r:{contract} xmlns:r=\"{responder}\"><r:query>{query}</r:query><r:queryLanguage>{language}</r:queryLanguage><r:profile>P5</r:profile></r:{contract}>"
            );
            all.push((path(contract, major), envelope(&message)));
        }
    }
    all
}

/// One request over HTTP/1.1 of which only an answer, if any, is wanted.
fn send(serving: &Serving, bytes: &str) {
    let mut client = Client::connect(serving.address);
    client.send(bytes.as_bytes());
    client.receive();
}

#[test]
fn the_log_holds_nothing_of_a_request_and_names_the_contract_refused() {
    let folder = register(persons());
    let serving = Serving::start(
        folder.path(),
        "[log]\nlevel = \"debug\"\n[limits]\nbody_seconds = 1\nheader_seconds = 1",
    );
    while Client::connect(serving.address)
        .request("GET", "/readyz", &[], b"")
        .status
        != 200
    {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }

    // Everybody, protected persons included, by all versions.
    let mut connection = Client::connect(serving.address);
    for (root, extension) in &identities() {
        for major in [3, 4, 5] {
            let ask = Ask::new(major, "P5", &[(root.as_str(), extension.as_str())]);
            for ask in [ask.clone(), ask.clone().ignoring(), ask.unrestricted()] {
                let answer = connection.post(&ask.path(), &[XML], ask.envelope().as_bytes());
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    }

    // And by REST, alone and together.
    for (root, extension) in &identities() {
        let one = format!("/v1/persons/{extension}?root={root}&profile=P5");
        let answer = Client::connect(serving.address).request("GET", &one, &[], b"");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = format!("{{\"identities\":[\"{extension}\"]}}");
        let answer = Client::connect(serving.address).post("/v1/persons", &[JSON], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    // Idle connections are closed, so each request has its own from here on.
    let post = |path: &str, headers: &[(&str, &str)], body: &str| {
        let mut client = Client::connect(serving.address);
        client.post(path, headers, body.as_bytes()).status
    };
    let values = [
        "197501079292",
        "19750107-9292",
        "von Åkeräng",
        "TESTGATAN 1",
        WORD,
    ];
    let mut refused = 0;
    for value in values {
        let requests = misplaced(value);
        for (path, body) in &requests {
            refused += usize::from(post(path, &[XML], body) == 500);
        }
        over_http_2(serving.address, requests);
        // Where HTTP itself has room for it.
        let plain = value.replace(' ', "%20").replace(['Å', 'ä'], "A");
        let ask = Ask::new(5, "P1", &[(PNR, value)]);
        let (path, body) = (ask.path(), ask.envelope());
        for target in [
            format!("/person/{plain}"),
            format!("{path}/{plain}"),
            format!("{path}?wsdl={plain}"),
            format!("{path}?xsd={plain}"),
            format!("/v1/{plain}"),
            format!("/v1/persons/{plain}"),
            format!("/v1/persons/{plain}/{plain}"),
            format!("/v1/persons/191212121212?root={plain}"),
            format!("/v1/persons/191212121212?{plain}=1"),
            format!("/v1/search?q=FROM+PersonRecord+WHERE+name.surname=%27{plain}%27"),
            format!("/v1/search?q={plain}"),
            format!("/v1/search?text={plain}"),
            format!("/v1/search?name={plain}&explain=true"),
            format!("/v1/search?name={plain}"),
            format!("/v1/search?birth_date={plain}"),
            format!("/v1/search?street={plain}*"),
        ] {
            Client::connect(serving.address).request("GET", &target, &[], b"");
            over_http_2(serving.address, vec![(target, body.clone())]);
        }
        for header in ["Content-Type", "SOAPAction", "Content-Encoding", "X-Person"] {
            post(&path, &[XML, (header, value)], &body);
            post(&path, &[(header, value)], &body);
        }
        for body in [
            value.to_owned(),
            format!("{{\"identities\":[\"{value}\"]}}"),
            format!("{{\"{value}\":1}}"),
            format!("{{\"identities\":[{{\"root\":\"{value}\",\"extension\":\"{value}\"}}]}}"),
            format!("{{\"identities\":[\"191212121212\"],\"profile\":\"{value}\"}}"),
        ] {
            let mut client = Client::connect(serving.address);
            client.post("/v1/persons", &[JSON], body.as_bytes());
        }
        for (path, body) in searches(value) {
            post(&path, &[XML], &body);
        }
        // And where it breaks.
        send(
            &serving,
            &format!("GET /{value} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        send(
            &serving,
            &format!("{value} / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        send(&serving, &format!("GET / HTTP/1.1\r\n{value}\r\n\r\n"));
        send(&serving, &format!("GET / HTTP/{value}\r\n\r\n"));
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n");
        send(&serving, &format!("{head}Content-Length: {value}\r\n\r\n"));
        send(
            &serving,
            &format!("{head}Transfer-Encoding: chunked\r\n\r\n{value}\r\n\r\n"),
        );
        send(
            &serving,
            &format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{value}{value}{value}"),
        );
        // Gone in the middle.
        let mut gone = Client::connect(serving.address);
        gone.send(format!("{head}Content-Length: 500\r\n\r\n<x>{value}").as_bytes());
    }
    assert!(refused > 80, "{refused}");
    let link = path("LinkPersonIdentity", 4);
    let words = envelope(&format!("<LinkPersonIdentity>{WORD}</LinkPersonIdentity>"));
    assert_eq!(post(&link, &[XML], &words), 500);

    let (ended, lines) = serving.stop();
    assert_eq!(ended.code(), Some(0));
    // Clock, port and running numbers may look like anything.
    let own = |line: &String| {
        let mut parsed: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        let fields = parsed.as_object_mut().unwrap();
        assert!(fields["level"].is_string() && fields.remove("timestamp").is_some());
        fields.retain(|name, _| !["address", "log_id"].contains(&name.as_str()));
        parsed.to_string()
    };
    let lines: Vec<String> = lines.iter().map(own).collect();
    let secrets = secrets();
    assert!(secrets.len() > 150 && secrets.contains("197501079292"));
    for line in &lines {
        let held: Vec<_> = secrets
            .iter()
            .filter(|it| line.contains(it.as_str()))
            .collect();
        assert!(held.is_empty(), "{held:?}: {line}");
        // Nor parts of identities, or anything spelled another way.
        for part in [
            "19750107",
            "9292",
            "keräng",
            "kerang",
            "TESTGATAN",
            "hemligord",
        ] {
            assert!(!line.contains(part), "{part}: {line}");
        }
    }
    let told = |words: &[&str]| {
        lines
            .iter()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    };
    assert!(told(&["request refused", "GetPersonsForProfile\""]) >= refused - values.len() - 5);
    for contract in [
        "GetPersonsForProfile",
        "GetPersonsForProfileUnrestricted",
        "LinkPersonIdentity",
    ] {
        let field = format!("\"contract\":\"{contract}\"");
        assert!(told(&["request refused", &field]) > 0, "{contract}");
    }
    assert!(
        told(&["stopping"]) == 1 && told(&["DEBUG"]) > 0,
        "{lines:?}"
    );
}

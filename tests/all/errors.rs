//! Each wrong request has its own precise answer, in Swedish, and the connection goes on where HTTP
//! allows.

use crate::support::{Ask, NRID, PNR, Service, envelope, path};

const CHILD: &str = "201001012382";

fn good() -> Ask<'static> {
    Ask::new(5, "P1", &[(PNR, CHILD)])
}

/// The fault for a body sent to GetPersonsForProfile 5, after which the same connection must still
/// answer a good request.
fn fault(service: &Service, body: &[u8]) -> (String, String) {
    fault_with(
        service,
        &[("Content-Type", "text/xml; charset=UTF-8")],
        body,
    )
}

fn fault_with(service: &Service, headers: &[(&str, &str)], body: &[u8]) -> (String, String) {
    let mut connection = service.connect();
    let answer = connection.post(&good().path(), headers, body);
    assert_eq!(
        answer.header("content-type"),
        Some("text/xml; charset=UTF-8")
    );
    let fault = answer.fault();
    let headers = [("Content-Type", "text/xml")];
    let next = connection.post(&good().path(), &headers, good().envelope().as_bytes());
    assert_eq!(next.status, 200, "the connection goes on");
    fault
}

#[track_caller]
fn assert_fault((fault_code, fault_text): (String, String), code: &str, text: &str) {
    assert_eq!((fault_code, fault_text), (code.to_owned(), text.to_owned()));
}

#[test]
fn what_is_not_xml_is_told_where() {
    let service = Service::start();
    let not_xml = |text: &str| {
        let (code, text) = fault(&service, text.as_bytes());
        assert_eq!(code, "Client", "{text}");
        assert!(
            text.starts_with("Meddelandet är inte välformad XML (byte "),
            "{text}"
        );
    };
    let good = good().envelope();
    not_xml(&good[..good.len() - 1]);
    not_xml(&good.replace("</soapenv:Body>", "</soapenv:Bodi>"));
    not_xml(&good.replace("<r:profile>", "<q:profile>"));
    not_xml(&good.replace("<r:profile>P1", "<r:profile>&p1;"));
    not_xml(&good.replace("<r:profile>", "<r:profile a='1' a='2'>"));
    not_xml(&format!("{good}<again/>"));
    not_xml(&good.replace(
        "encoding=\"UTF-8\"?>",
        "encoding=\"UTF-8\"?><?xml version=\"1.0\"?>",
    ));
    not_xml("");
    not_xml("   ");
    not_xml("hej");
}

#[test]
fn a_dtd_is_refused_whatever_it_says() {
    let service = Service::start();
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>";
    let body = good().envelope().replace("?><", &format!("?>{bomb}<"));
    assert_fault(
        fault(&service, body.as_bytes()),
        "Client",
        "Meddelandet får inte innehålla någon DTD.",
    );
}

#[test]
fn processing_instructions_are_refused() {
    let service = Service::start();
    let body = good()
        .envelope()
        .replace("<r:profile>", "<?go now?><r:profile>");
    let text = "Meddelandet får inte innehålla processinstruktioner.";
    assert_fault(fault(&service, body.as_bytes()), "Client", text);
}

#[test]
fn depth_has_a_limit() {
    let service = Service::start();
    let deep = "<x:a xmlns:x='urn:x'>".repeat(100) + &"</x:a>".repeat(100);
    let body = good().envelope().replace(
        "</r:GetPersonsForProfile>",
        &format!("{deep}</r:GetPersonsForProfile>"),
    );
    let (code, text) = fault(&service, body.as_bytes());
    assert_eq!(
        (code.as_str(), text.as_str()),
        (
            "Client",
            "Meddelandet har fler än 32 nivåer eller 64 attribut."
        )
    );
}

#[test]
fn encodings_that_are_wrong_or_disagree_are_refused_never_mangled() {
    let service = Service::start();
    let text = "Teckenkodningen stöds inte, eller anges olika på olika ställen. Använd UTF-8 eller UTF-16.";
    let body = good().envelope();
    for (content_type, declared) in [
        ("text/xml; charset=ISO-8859-1", "UTF-8"),
        ("text/xml; charset=UTF-8", "ISO-8859-1"),
        ("text/xml; charset=UTF-16", "UTF-8"),
        ("text/xml; charset=UTF-8", "UTF-16"),
        ("text/xml", "windows-1252"),
    ] {
        let body = body.replace("UTF-8", declared);
        let headers = [("Content-Type", content_type)];
        assert_fault(
            fault_with(&service, &headers, body.as_bytes()),
            "Client",
            text,
        );
    }
    let mut latin_1 = body.replace("P1", "Å").into_bytes();
    latin_1.retain(|byte| *byte != 0xc3);
    assert_fault(fault(&service, &latin_1), "Client", text);
}

#[test]
fn other_envelopes_are_a_version_mismatch() {
    let service = Service::start();
    let text = "Meddelandet är inte ett SOAP 1.1-kuvert.";
    let soap_12 = good().envelope().replace(
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
    );
    assert_fault(fault(&service, soap_12.as_bytes()), "VersionMismatch", text);
    let headers = [("Content-Type", "application/soap+xml; charset=utf-8")];
    assert_fault(
        fault_with(&service, &headers, soap_12.as_bytes()),
        "VersionMismatch",
        text,
    );
    assert_fault(fault(&service, b"<a/>"), "VersionMismatch", text);
}

#[test]
fn an_envelope_may_be_followed_by_white_space_and_comments_only() {
    let service = Service::start();
    let with = |rest: &str| good().envelope() + rest;
    for rest in ["\r\n", "\n\n \t", "<!-- c -->\n"] {
        let answer = service.post(&good().path(), with(rest).as_bytes());
        assert_eq!(answer.status, 200, "{rest:?}: {}", answer.body);
    }
    for rest in ["x", "<a/>", "\n<a/>", "</a>", "\0"] {
        let (code, text) = fault(&service, with(rest).as_bytes());
        assert_eq!(code, "Client", "{rest:?}");
        assert!(text.contains("inte välformad XML"), "{rest:?}: {text}");
    }
}

#[test]
fn text_beside_the_message_is_told_as_what_it_is() {
    let service = Service::start();
    let good = good().envelope();
    for (before, after, inside) in [
        ("<soapenv:Body>", "<soapenv:Body>text", "Body"),
        ("</soapenv:Body>", "text</soapenv:Body>", "Body"),
        ("<soapenv:Header>", "<soapenv:Header>&#65;", "Header"),
        (
            "<soapenv:Body>",
            "<![CDATA[text]]><soapenv:Body>",
            "Envelope",
        ),
    ] {
        let (code, text) = fault(&service, good.replacen(before, after, 1).as_bytes());
        assert_eq!(code, "Client");
        let told = text.contains(inside) && text.contains("finns text mellan elementen");
        assert!(told, "{after}: {text}");
    }
}

/// MTOM switched on, and nothing attached: what .NET and JAX-WS send then.
#[test]
fn a_message_may_come_as_the_only_part_of_a_body() {
    let service = Service::start();
    let headers = [(
        "Content-Type",
        "multipart/related; type=\"application/xop+xml\"; start=\"<m@x>\"; \
         boundary=\"uuid:7-id=1\"; start-info=\"text/xml\"",
    )];
    let part = |message: &str| {
        format!(
            "--uuid:7-id=1\r\nContent-ID: <m@x>\r\nContent-Transfer-Encoding: 8bit\r\n\
             Content-Type: application/xop+xml;charset=utf-8;type=\"text/xml\"\r\n\r\n{message}\r\n"
        )
    };
    let end = "--uuid:7-id=1--";
    let mut connection = service.connect();
    let plain = service.post(&good().path(), good().envelope().as_bytes());
    let body = part(&good().envelope()) + end;
    let answer = connection.post(&good().path(), &headers, body.as_bytes());
    assert_eq!((answer.status, answer.body), (200, plain.body));
    // Its faults are the same, and an attachment is none of it.
    let (code, text) = {
        let body = part(&good().envelope().replace("<r:profile>", "<q:profile>")) + end;
        connection
            .post(&good().path(), &headers, body.as_bytes())
            .fault()
    };
    assert!(
        code == "Client" && text.contains("inte välformad XML"),
        "{text}"
    );
    let two = part(&good().envelope()) + &part("x") + end;
    let answer = connection.post(&good().path(), &headers, two.as_bytes());
    assert_eq!(answer.status, 415);
    assert!(
        answer.body.contains("ska ha en enda del"),
        "{}",
        answer.body
    );
    let included = good().envelope().replace(
        "<r:profile>P1",
        "<r:profile><xop:Include xmlns:xop=\"http://www.w3.org/2004/08/xop/include\" href=\"cid:a\"/>",
    );
    let answer = connection.post(&good().path(), &headers, (part(&included) + end).as_bytes());
    assert_eq!(answer.fault().0, "Client");
}

#[test]
fn header_blocks_are_understood_or_refused() {
    let service = Service::start();
    let with = |block: &str| {
        good()
            .envelope()
            .replace("</soapenv:Header>", &format!("{block}</soapenv:Header>"))
    };
    let block = "<x:a xmlns:x='urn:x' soapenv:mustUnderstand='1'>y</x:a>";
    let text = "Ett huvudblock med mustUnderstand stöds inte.";
    assert_fault(
        fault(&service, with(block).as_bytes()),
        "MustUnderstand",
        text,
    );
    for tolerated in [
        "<x:a xmlns:x='urn:x'>y</x:a>",
        "<x:a xmlns:x='urn:x' soapenv:mustUnderstand='0'>y</x:a>",
        "<x:a xmlns:x='urn:x' soapenv:mustUnderstand='1' soapenv:actor='urn:other'/>",
    ] {
        assert_eq!(
            service
                .post(&good().path(), with(tolerated).as_bytes())
                .status,
            200
        );
    }
}

#[test]
fn the_logical_address_must_be_there_and_ours() {
    let service = Service::start();
    let good = good().envelope();
    let from = good.find("<itr:LogicalAddress>").unwrap();
    let to = good.find("</soapenv:Header>").unwrap();
    let missing = format!("{}{}", &good[..from], &good[to..]);
    let text = "Logisk adress saknas i SOAP-huvudet.";
    assert_fault(fault(&service, missing.as_bytes()), "Client", text);
    let headless = missing.replace("<soapenv:Header></soapenv:Header>", "");
    assert_fault(fault(&service, headless.as_bytes()), "Client", text);
    let foreign = good.replace("SE165565594230-1000", "SE2321000016-A1B2");
    let text = "Den logiska adressen är okänd. Tjänsten har adressen SE165565594230-1000.";
    assert_fault(fault(&service, foreign.as_bytes()), "Client", text);
}

#[test]
fn a_message_of_another_contract_is_refused() {
    let service = Service::start();
    let text = "Meddelandet hör inte till det tjänstekontrakt som adressen anger.";
    for other in [
        Ask::new(4, "P1", &[(PNR, CHILD)]).envelope(),
        good().unrestricted().envelope(),
        envelope("<a/>"),
        envelope(""),
    ] {
        assert_fault(fault(&service, other.as_bytes()), "Client", text);
    }
    let headers = [
        ("Content-Type", "text/xml"),
        ("SOAPAction", "\"urn:other\""),
    ];
    assert_fault(
        fault_with(&service, &headers, good().envelope().as_bytes()),
        "Client",
        text,
    );
}

#[test]
fn what_breaks_the_schema_is_told_by_element() {
    let service = Service::start();
    let begin = "Meddelandet följer inte schemat: ";
    let good = good().envelope();
    let id = "<r:personId><p:root>1.2.752.129.2.1.3.1</p:root><p:extension>201001012382</p:extension></r:personId>";
    for (changed, told) in [
        (
            good.replace(id, ""),
            "i GetPersonsForProfile väntades personId.",
        ),
        (
            good.replace("<r:profile>P1</r:profile>", ""),
            "i GetPersonsForProfile väntades profile.",
        ),
        (
            good.replace("<p:root>1.2.752.129.2.1.3.1</p:root>", ""),
            "i personId väntades root.",
        ),
        (
            good.replace("P1", "P11"),
            "profile har ett värde som inte är tillåtet.",
        ),
        (
            good.replace("P1", "p1"),
            "profile har ett värde som inte är tillåtet.",
        ),
        (
            good.replace(">false<", ">nej<"),
            "ignoreReferredIdentity är varken true eller false.",
        ),
        (
            good.replace(">false<", "><r:x/><"),
            "i ignoreReferredIdentity finns element där ett värde väntades.",
        ),
        (
            good.replace("<r:profile>", "text<r:profile>"),
            "i GetPersonsForProfile finns text mellan elementen.",
        ),
        (
            good.replace("<r:profile>", "<r:profile x='1'>"),
            "i profile finns ett attribut som inte hör dit.",
        ),
        (
            good.replace(
                "</r:GetPersonsForProfile>",
                "<r:x/></r:GetPersonsForProfile>",
            ),
            "i GetPersonsForProfile finns ett element som inte hör dit.",
        ),
        (
            good.replace(
                "<p:extension>201001012382</p:extension>",
                "<r:extension>1</r:extension><p:x/>",
            ),
            "i personId finns ett element som inte hör dit.",
        ),
        (
            good.replace("p:root", "r:root"),
            "i personId väntades root.",
        ),
    ] {
        assert_ne!(changed, good);
        assert_fault(
            fault(&service, changed.as_bytes()),
            "Client",
            &format!("{begin}{told}"),
        );
    }
}

#[test]
fn too_many_identities_are_refused_by_number() {
    let service = Service::start();
    let body = Ask::new(5, "P1", &vec![(PNR, CHILD); 501]).envelope();
    let text = "Högst 500 identiteter får anges i en fråga.";
    assert_fault(fault(&service, body.as_bytes()), "Client", text);
}

#[test]
fn reserved_profiles_are_refused() {
    let service = Service::start();
    for profile in ["P6", "P7", "P8", "P9", "P10"] {
        let body = Ask::new(5, profile, &[(PNR, CHILD)]).envelope();
        let text = "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.";
        assert_fault(fault(&service, body.as_bytes()), "Client", text);
    }
}

#[test]
fn wrong_identities_are_told_by_place_never_by_value() {
    let service = Service::start();
    let ask = |id: (&'static str, &str)| Ask::new(5, "P1", &[(PNR, CHILD), id]).envelope();
    let malformed = "Identitet nummer 2 i frågan följer inte formatet för sin identitetstyp.";
    for id in [
        (PNR, "20100101238"),
        (PNR, "20100101-2382"),
        (NRID, "22790814AI01"),
        (PNR, ""),
    ] {
        assert_fault(fault(&service, ask(id).as_bytes()), "Client", malformed);
    }
    let unknown = "Identitet nummer 2 i frågan har en okänd identitetstyp (root).";
    assert_fault(
        fault(&service, ask(("1.2.3", CHILD)).as_bytes()),
        "Client",
        unknown,
    );
    let without = ask((PNR, "x")).replace("<p:extension>x</p:extension>", "");
    assert_fault(fault(&service, without.as_bytes()), "Client", malformed);
}

#[test]
fn contracts_without_behaviour_say_so_after_reading_the_request() {
    let service = Service::start();
    let responder =
        "urn:riv:strategicresourcemanagement:persons:person:GetFilesForOrderIdResponder:4";
    let message = format!(
        "<GetFilesForOrderId xmlns=\"{responder}\"><orderId>1</orderId></GetFilesForOrderId>"
    );
    let path = path("GetFilesForOrderId", 4);
    let answer = service.post(&path, envelope(&message).as_bytes());
    assert_fault(
        answer.fault(),
        "Server",
        "Tjänstekontraktet är ännu inte infört i denna tjänst.",
    );
    let broken = message.replace("orderId>", "order>");
    let answer = service.post(&path, envelope(&broken).as_bytes());
    let text = "Meddelandet följer inte schemat: i GetFilesForOrderId väntades orderId.";
    assert_fault(answer.fault(), "Client", text);
}

#[test]
fn what_is_not_soap_gets_a_plain_status() {
    let service = Service::start();
    let body = good().envelope();
    let xml = ("Content-Type", "text/xml");
    let mut connection = service.connect();
    let path = good().path();
    for (method, path, headers, status) in [
        ("POST", "/nowhere", vec![xml], 404),
        (
            "POST",
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/6/rivtabp21",
            vec![xml],
            404,
        ),
        ("GET", "/nowhere", vec![], 404),
        ("PATCH", path.as_str(), vec![], 405),
        ("PUT", path.as_str(), vec![xml], 405),
        ("DELETE", "/metrics", vec![], 405),
        ("POST", "/healthz", vec![], 405),
        ("POST", path.as_str(), vec![], 415),
        (
            "POST",
            path.as_str(),
            vec![("Content-Type", "application/json")],
            415,
        ),
        (
            "POST",
            path.as_str(),
            vec![xml, ("Content-Encoding", "br")],
            415,
        ),
        (
            "POST",
            path.as_str(),
            vec![xml, ("Content-Encoding", "gzip")],
            400,
        ),
    ] {
        let sent = if method == "GET" { "" } else { body.as_str() };
        let answer = connection.request(method, path, &headers, sent.as_bytes());
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    assert_eq!(
        connection.post(&path, &[xml], body.as_bytes()).status,
        200,
        "still the same connection"
    );
}

#[test]
fn bodies_have_a_limit_known_or_found_out() {
    let service = Service::over(
        crate::support::register(crate::support::persons()),
        |config| {
            config.limits.body_bytes = 10_000;
        },
    );
    let body = vec![b' '; 10_001];
    let headers = [("Content-Type", "text/xml")];
    let answer = service.connect().post(&good().path(), &headers, &body);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "Meddelandet är större än 10000 byte.\n")
    );
    // The same without a length told in advance.
    let mut chunked = service.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n",
        good().path()
    );
    chunked.send(head.as_bytes());
    for _ in 0..20 {
        chunked.send(b"400\r\n");
        chunked.send(&[b' '; 0x400]);
        chunked.send(b"\r\n");
    }
    assert_eq!(chunked.receive().expect("an answer").status, 413);
    // What fits is read.
    let answer = service.post(&good().path(), good().envelope().as_bytes());
    assert_eq!(answer.status, 200);
}

#[test]
fn slow_bodies_are_cut_off() {
    let service = Service::over(
        crate::support::register(crate::support::persons()),
        |config| {
            config.limits.body_seconds = 1;
        },
    );
    let mut slow = service.connect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: 100\r\n\r\n<",
        good().path()
    );
    slow.send(head.as_bytes());
    assert_eq!(slow.receive().expect("an answer").status, 408);
}

#[test]
fn a_contract_s_address_tells_what_there_is() {
    let service = Service::start();
    let path = good().path();
    let told = "Här finns ?wsdl (beskrivningen), ?singleWsdl (samma i en enda fil) och ?xsd=NAMN \
                (ett schema i den); frågor ställs med POST.\n";
    for (query, status) in [
        ("", 200),
        ("/", 200),
        ("?", 200),
        ("?disco", 404),
        ("?wsdl=1", 404),
    ] {
        let answer = service.get(&format!("{path}{query}"));
        let media = answer.header("content-type");
        assert_eq!(
            (answer.status, media, answer.body.as_str()),
            (status, Some("text/plain; charset=utf-8"), told),
            "{query}"
        );
    }
    // The numbers that others' services give their schemas.
    for query in ["?xsd=1", "?xsd=xsd0"] {
        let answer = service.get(&format!("{path}{query}"));
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (
                404,
                "Schemat finns inte. Schemanas adresser står i ?wsdl, och ?singleWsdl håller dem alla.\n"
            )
        );
    }
    let single = service.get(&format!("{path}?singleWsdl"));
    assert_eq!(single.status, 200);
    assert!(!single.body.contains("schemaLocation"), "{}", single.body);
    assert!(single.body.contains(&format!("http://localhost{path}")));
    assert_eq!(service.get(&format!("{path}?SINGLEWSDL")).body, single.body);
}

#[test]
fn the_bare_slash_tells_what_there_is() {
    let service = Service::start();
    let text = service.get("/");
    assert_eq!(text.status, 200);
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let asked = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*;q=0.8\r\n\r\n";
    let mut browser = service.connect();
    browser.send(asked);
    let html = browser.receive().expect("an answer");
    assert_eq!(
        html.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(
        html.header("content-security-policy"),
        Some("default-src 'none'; frame-ancestors 'none'")
    );
    assert!(
        !html.body.contains("<script") && !html.body.contains("//"),
        "{}",
        html.body
    );
    // Every link leads somewhere, and the text names the same addresses.
    let links: Vec<&str> = html
        .body
        .split("href=\"")
        .skip(1)
        .filter_map(|it| it.split('"').next())
        .collect();
    assert_eq!(links.len(), 4 + 35, "{links:?}");
    for link in links {
        assert_eq!(service.get(link).status, 200, "{link}");
        assert!(text.body.contains(&format!("  {link}")), "{link}");
    }
    for route in [
        "GET /v1/persons/{identity}\n",
        "POST /v1/persons\n",
        "GET /v1/search\n",
    ] {
        assert!(text.body.contains(route), "{}", text.body);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let service = Service::start();
    let mut connection = service.connect();
    let request = |profile: &str| {
        let body = Ask::new(5, profile, &[(PNR, CHILD)]).envelope();
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}",
            good().path(),
            body.len()
        )
    };
    connection.send(format!("{}{}{}", request("P1"), request("P6"), request("P2")).as_bytes());
    let statuses: Vec<u16> = (0..3)
        .map(|_| connection.receive().unwrap().status)
        .collect();
    assert_eq!(statuses, [200, 500, 200]);
}

#[test]
fn plain_http_is_for_loopback_only() {
    let folder = crate::support::register(crate::support::persons());
    let config = pu::cli::config::Config {
        data: folder.path().to_path_buf(),
        listen: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
        access: pu::cli::config::Access {
            open: true,
            ..Default::default()
        },
        ..Default::default()
    };
    let error = pu::cli::serve::begin(&config)
        .err()
        .expect("a refusal")
        .to_string();
    assert!(error.contains("loopback"), "{error}");
}

#[test]
fn health_and_metrics_are_served() {
    let service = Service::start();
    assert_eq!(service.get("/healthz").status, 200);
    let ready = service.get("/readyz");
    assert_eq!(ready.status, 200);
    assert!(
        ready.body.contains("\"phase\":\"ready\"") && ready.body.contains("\"persons\":14"),
        "{}",
        ready.body
    );
    good().send(&service);
    service.post(&good().path(), b"x");
    let metrics = service.get("/metrics").body;
    for line in [
        "pu_requests_total{contract=\"GetPersonsForProfile\",major=\"5\",outcome=\"answered\"} 1",
        "pu_requests_total{contract=\"GetPersonsForProfile\",major=\"5\",outcome=\"client_fault\"} 1",
        "pu_records_total 1",
        "pu_persons 14",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
}

#[test]
fn descriptions_are_served() {
    let service = Service::start();
    let path = path("GetPersonsForProfile", 3);
    let wsdl = service.get(&format!("{path}?wsdl"));
    assert_eq!(wsdl.status, 200);
    assert!(
        wsdl.body.contains(&format!("http://localhost{path}")),
        "the address is the caller's"
    );
    let at = wsdl.body.find("?xsd=").unwrap();
    let schema = &wsdl.body[at..at + wsdl.body[at..].find('"').unwrap()];
    let answer = service.get(&format!("{path}{schema}"));
    assert!(
        answer.status == 200 && answer.body.contains("<xs:schema"),
        "{}",
        answer.body
    );
    let by_path =
        "?xsd=../../core_components/strategicresourcemanagement_persons_person_ext_3.1.xsd";
    assert_eq!(service.get(&format!("{path}{by_path}")).status, 200);
    // KDSoap encodes a link once more.
    for encoded in [
        schema.replace('?', "%3F"),
        schema.replace('?', "%3f").replace('=', "%3D"),
        schema.replace('.', "%2E"),
        schema.replace('?', "/?"),
    ] {
        let again = service.get(&format!("{path}{encoded}"));
        assert_eq!(
            (again.status, &again.body),
            (200, &answer.body),
            "{encoded}"
        );
    }
    assert_eq!(service.get(&format!("{path}%3Fxsd=x.xsd")).status, 404);
    assert_eq!(service.get(&format!("{path}/?wsdl")).body, wsdl.body);
    for nothing in ["?xsd=../../../../etc/passwd", "?xsd=", "?xsd=x.xsd"] {
        assert_eq!(
            service.get(&format!("{path}{nothing}")).status,
            404,
            "{nothing}"
        );
    }
}

#[test]
fn searches_are_refused_for_language_and_profile_first() {
    let service = Service::start();
    let contract = "SearchPersonsForProfile";
    let search = |major: u8, language: &str, profile: &str| {
        let message = format!(
            "<r:{contract} xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:{contract}Responder:{major}\"><r:query>Hemligord</r:query><r:queryLanguage>{language}</r:queryLanguage><r:profile>{profile}</r:profile></r:{contract}>"
        );
        let path = path(contract, major);
        service.post(&path, envelope(&message).as_bytes()).fault()
    };
    for major in [3, 4, 5] {
        assert_fault(
            search(major, "SQL", "P1"),
            "Client",
            "Frågespråket är okänt. Använd SimpleQL eller Text.",
        );
        assert_fault(
            search(major, "SimpleQL", "P7"),
            "Client",
            "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.",
        );
        let (code, text) = search(major, "SimpleQL", "P1");
        assert!(code == "Client" && !text.contains("Hemligord"), "{text}");
    }
    let metrics = service.get("/metrics").body;
    let line = "pu_searches_total{language=\"unknown\",outcome=\"client_fault\"} 3";
    assert!(metrics.contains(line), "{metrics}");
}

//! The WSDL of an endpoint: one operation with a logical address in its SOAP header, and no
//! declared faults. The structure and every prefix are those of the official files; what a service
//! hands out names the body's part first, since some clients take the first part for the body.

use super::super::contract::{Endpoint, Message, REGISTRY_NAMESPACE};
use super::element::{Element, element};
use super::xsd::import;
use super::{Document, Links, schemas};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_OVER_HTTP: &str = "http://schemas.xmlsoap.org/soap/http";

/// The address in a package: there is no service yet.
pub(super) const NO_ADDRESS: &str = "http://tempuri.org";

/// What a served WSDL says of its one difference.
const BODY_FIRST: &str = " The official file names LogicalAddress first. Some clients take the \
                          first part for the body; the message is the same. ";

pub(super) fn file(endpoint: &Endpoint, links: Links, address: &str) -> Element {
    let contract = endpoint.contract;
    element("wsdl:definitions")
        .with("xmlns:wsdl", WSDL)
        .with("xmlns:soap", SOAP)
        .with("xmlns:xs", super::xsd::XML_SCHEMA)
        .with("xmlns:tjsr", endpoint.responder_namespace())
        .with("xmlns:itr", REGISTRY_NAMESPACE)
        .with("xmlns:tns", endpoint.wsdl_namespace())
        .with("name", format!("{contract}Interaction"))
        .with("targetNamespace", endpoint.wsdl_namespace())
        .holding(types(endpoint, links))
        .holding(request(endpoint, links))
        .holding(
            message(&format!("{contract}Response"))
                .holding(parameters(endpoint, Message::Response)),
        )
        .holding(port_type(contract))
        .holding(binding(endpoint))
        .holding(service(contract, address))
}

fn types(endpoint: &Endpoint, links: Links) -> Element {
    let types = element("wsdl:types");
    if links == Links::Inline {
        return types.holding_all(schemas(endpoint).into_iter().map(|it| it.root(links)));
    }
    let import = |namespace: &str, target| import(namespace, links.relative_to_wsdl(target));
    types.holding(
        element("xs:schema")
            .with("targetNamespace", endpoint.wsdl_namespace())
            .holding(import(
                &endpoint.responder_namespace(),
                Document::Responder(endpoint),
            ))
            .holding(import(REGISTRY_NAMESPACE, Document::Registry)),
    )
}

fn message(name: &str) -> Element {
    element("wsdl:message").with("name", name)
}

/// The message is the same whichever part is named first: the binding says which is the header.
fn request(endpoint: &Endpoint, links: Links) -> Element {
    let request = message(&format!("{}Request", endpoint.contract));
    let header = part("LogicalAddress", "itr:LogicalAddress".to_owned());
    let body = parameters(endpoint, Message::Request);
    match links {
        Links::Package => request.holding_all([header, body]),
        Links::Served | Links::Inline => request.remarking(BODY_FIRST).holding_all([body, header]),
    }
}

fn part(name: &str, of: String) -> Element {
    element("wsdl:part").with("name", name).with("element", of)
}

fn parameters(endpoint: &Endpoint, message: Message) -> Element {
    part("parameters", format!("tjsr:{}", endpoint.element(message)))
}

fn port_type(contract: &str) -> Element {
    let message = |name, suffix| element(name).with("message", format!("tns:{contract}{suffix}"));
    element("wsdl:portType")
        .with("name", format!("{contract}ResponderInterface"))
        .holding(
            element("wsdl:operation")
                .with("name", contract)
                .holding(message("wsdl:input", "Request"))
                .holding(message("wsdl:output", "Response")),
        )
}

fn binding(endpoint: &Endpoint) -> Element {
    let contract = endpoint.contract;
    let literal = |name| element(name).with("use", "literal");
    let input = element("wsdl:input")
        .holding(
            literal("soap:header")
                .with("message", format!("tns:{contract}Request"))
                .with("part", "LogicalAddress"),
        )
        .holding(literal("soap:body").with("parts", "parameters"));
    element("wsdl:binding")
        .with("name", format!("{contract}ResponderBinding"))
        .with("type", format!("tns:{contract}ResponderInterface"))
        .holding(
            element("soap:binding")
                .with("style", "document")
                .with("transport", SOAP_OVER_HTTP),
        )
        .holding(
            element("wsdl:operation")
                .with("name", contract)
                .holding(
                    element("soap:operation")
                        .with("soapAction", endpoint.soap_action())
                        .with("style", "document"),
                )
                .holding(input)
                .holding(element("wsdl:output").holding(literal("soap:body"))),
        )
}

fn service(contract: &str, address: &str) -> Element {
    element("wsdl:service")
        .with("name", format!("{contract}ResponderService"))
        .holding(
            element("wsdl:port")
                .with("name", format!("{contract}ResponderPort"))
                .with("binding", format!("tns:{contract}ResponderBinding"))
                .holding(element("soap:address").with("location", address)),
        )
}

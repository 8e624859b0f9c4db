//! The description of the REST interface: an OpenAPI 3.1 document made from the field table, the
//! search parameters and the kinds of trouble.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fault::{FaultCode, KINDS, PROBLEM_PREFIX};
use super::parameters::{LONGEST, PARAMETERS};
use crate::base::limits;
use crate::person::schema::{
    ComplexType, Content, Facet, IDENTITY, Kind, Level, PERSON_RECORD, Row, Shape, SimpleType,
};
use crate::person::view::Profile;

/// Where the document is served.
pub const PATH: &str = "/v1/openapi.json";

/// How callers prove who they are.
const MUTUAL_TLS: &str = "mutualTLS";

/// What whoever asks for persons may be told, whatever they ask: not allowed, another service's host, too
/// many calls, and that it is the service's own fault.
const ALWAYS: [u16; 5] = [403, 421, 429, 500, 503];

/// A number that everybody uses in examples.
const EXAMPLE: &str = "191212121212";

/// The document.
pub fn document() -> Value {
    let mut schemas = Map::new();
    declare(&PERSON_RECORD, &mut schemas);
    schemas.insert("IIType".to_owned(), identity());
    schemas.extend(answers());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "pu: a person register",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Persons by identity and by search, as JSON with the names of the national contracts, version 5. Everybody sees what the restricted contracts show: of protected persons, little.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The service that this document comes from"}],
        "security": [{MUTUAL_TLS: []}],
        "paths": {
            "/v1/persons/{identity}": {"get": get_person()},
            "/v1/persons/{identity}/history": {"get": get_history()},
            "/v1/persons": {"post": get_persons()},
            "/v1/search": {"get": search()},
            "/v1/reserve-identities": {"post": reserve_identities()},
            "/v1/changes": {"get": get_changes()},
            "/v1/openapi.json": {"get": {
                "operationId": "describe",
                "summary": "This document",
                "security": [],
                "responses": responses("The document", &json!({"type": "object"}), &[400, 405, 406]),
            }},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {MUTUAL_TLS: {
                "type": "mutualTLS",
                "description": "A client certificate of the caller's, whose HSA-id the service knows (SITHS function certificate). Only an operator's own address on the same machine may go without.",
            }},
        },
    })
}

/// An identity in the path.
fn named_identity() -> Vec<Value> {
    vec![
        json!({
            "name": "identity", "in": "path", "required": true,
            "description": "12 characters, or with a hyphen before the last four",
            "schema": {"type": "string", "pattern": "^[0-9A-Za-z]{8}-?[0-9A-Za-z]{4}$"},
            "example": EXAMPLE,
        }),
        json!({
            "name": "root", "in": "query",
            "description": "The OID of the identity's type; without it, the form of the identity tells",
            "schema": {"type": "string", "pattern": "^[0-9]+([.][0-9]+)+$"},
            "example": "1.2.752.129.2.1.3.1",
        }),
    ]
}

fn get_person() -> Value {
    let mut parameters = named_identity();
    parameters.push(json!({
        "name": "ignore_referred_identity", "in": "query",
        "description": "The identity's own record, also when it is linked to a main identity",
        "schema": {"type": "boolean", "default": false},
    }));
    parameters.push(profile());
    json!({
        "operationId": "getPerson",
        "summary": "One person by identity",
        "parameters": parameters,
        "responses": answers_to("The record", &reference("PersonRecordType"), &[400, 404, 405, 406]),
    })
}

fn get_history() -> Value {
    json!({
        "operationId": "getHistory",
        "summary": "Who changed a person, and when, where the service allows it",
        "description": format!("The changes that the log holds, newest first, at most {}. Which parts changed is told, not to what; of protected persons, neither what is hidden nor who made the change.", limits::HISTORY_ENTRIES),
        "parameters": named_identity(),
        "responses": answers_to("The changes", &reference("History"), &[400, 404, 405, 406]),
    })
}

fn reserve_identities() -> Value {
    let mut answers = answers_to(
        "The identities",
        &reference("ReserveAnswer"),
        &[400, 405, 406, 408, 409, 413, 415],
    );
    if let Some(issued) = answers.as_object_mut().and_then(|it| it.remove("200")) {
        answers["201"] = issued;
    }
    json!({
        "operationId": "reserveIdentities",
        "summary": "Issues anonymous national reserve identities, where the service allows it",
        "requestBody": {"required": true, "content": {"application/json": {"schema": reference("ReserveRequest")}}},
        "responses": answers,
    })
}

fn get_changes() -> Value {
    let whole = |name: &str, least: u64, most: Option<u64>, description: &str| {
        let mut schema = json!({"type": "integer", "minimum": least});
        if let Some(most) = most {
            schema["maximum"] = most.into();
        }
        json!({"name": name, "in": "query", "description": description, "schema": schema})
    };
    let text = |name: &str, pattern: &str, description: &str| {
        json!({
            "name": name, "in": "query", "description": description,
            "schema": {"type": "string", "pattern": pattern},
        })
    };
    let most = limits::CHANGES_PER_ANSWER as u64;
    let parameters = json!([
        whole(
            "since",
            0,
            None,
            "The last change that is known; without it, the answer tells where the log ends"
        ),
        whole(
            "limit",
            1,
            Some(most),
            "Persons after which the answer ends, with the change it is in"
        ),
        whole(
            "wait",
            0,
            Some(limits::FOLLOWING_SECONDS),
            "Seconds to wait for something newer"
        ),
        text(
            "county",
            "^[0-9]{2}$",
            "Only those registered in this county, as far as that is shown, and those who left it"
        ),
        text(
            "type",
            "^[0-9A-Za-z]+$",
            "Only identities of the type with this short name: PNR, SNR, NRID ..."
        ),
        profile(),
    ]);
    let mut answers = answers_to(
        "A line each for persons who changed, once, as they are now; the last line tells where to go on",
        &reference("Change"),
        &[400, 405, 406, 410],
    );
    answers["200"]["content"] = json!({"application/x-ndjson": {"schema": reference("Change")}});
    json!({
        "operationId": "getChanges",
        "summary": "Who changed since a change, where the service allows it",
        "parameters": parameters,
        "responses": answers,
    })
}

fn get_persons() -> Value {
    json!({
        "operationId": "getPersons",
        "summary": "Persons by identity, in the order asked for; unknown ones without personRecord",
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": reference("PersonsRequest"),
            "example": {"identities": [EXAMPLE], "profile": "P3"},
        }}},
        "responses": answers_to("The records", &reference("PersonsAnswer"), &[400, 405, 406, 408, 413, 415]),
    })
}

fn search() -> Value {
    let text = |name: &str, description: &str| {
        json!({
            "name": name, "in": "query", "description": description,
            "schema": {"type": "string", "minLength": 1},
        })
    };
    let mut parameters = vec![
        text("q", "A query in SimpleQL; alone"),
        text("text", "Words as people type them; alone"),
    ];
    parameters.extend(PARAMETERS.iter().map(|row| {
        json!({
            "name": row.name, "in": "query", "description": row.about,
            "schema": {"type": "string", "pattern": row.form.pattern(), "maxLength": LONGEST},
        })
    }));
    parameters.push(profile());
    parameters.push(json!({
        "name": "explain", "in": "query",
        "description": "Tells how the search went, where the service allows it",
        "schema": {"type": "boolean", "default": false},
    }));
    json!({
        "operationId": "search",
        "summary": "Persons by a search",
        "description": format!("At most {} hits, in the order of identities; more are an error. Links are not followed.", limits::HITS_PER_SEARCH),
        "parameters": parameters,
        "responses": answers_to("The hits", &reference("SearchAnswer"), &[400, 405, 406]),
    })
}

fn profile() -> Value {
    json!({
        "name": "profile", "in": "query",
        "description": "How much of each person",
        "schema": profile_schema(),
    })
}

fn profile_schema() -> Value {
    json!({
        "type": "string",
        "enum": Profile::ALL.map(Profile::name),
        "default": super::rest::DEFAULT_PROFILE.name(),
    })
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

/// The answer to a question about persons, the problems with these statuses, and those there may
/// always be.
fn answers_to(description: &str, schema: &Value, statuses: &[u16]) -> Value {
    responses(description, schema, &[statuses, &ALWAYS[..]].concat())
}

/// The answer, and the problems with these statuses.
fn responses(description: &str, schema: &Value, statuses: &[u16]) -> Value {
    let mut all = BTreeMap::new();
    all.insert(
        "200".to_owned(),
        json!({"description": description, "content": {"application/json": {"schema": schema}}}),
    );
    for &status in statuses {
        let names: Vec<&str> = problems()
            .filter(|it| it.status == status)
            .map(|it| it.name)
            .collect();
        let mut response = json!({
            "description": format!("Problem: {}", names.join(", ")),
            "content": {"application/problem+json": {"schema": reference("Problem")}},
        });
        let header = match status {
            405 => Some(("Allow", json!({"type": "string"}))),
            429 | 503 => Some(("Retry-After", json!({"type": "integer"}))),
            _ => None,
        };
        if let Some((name, schema)) = header {
            response["headers"] = json!({name: {"schema": schema}});
        }
        all.insert(status.to_string(), response);
    }
    json!(all)
}

/// What a REST caller can be told: SOAP's own troubles are not among it.
fn problems() -> impl Iterator<Item = &'static super::fault::Kind> {
    KINDS.iter().copied().filter(|kind| {
        !matches!(
            kind.code,
            FaultCode::VersionMismatch | FaultCode::MustUnderstand
        ) && kind.status != 501
    })
}

fn answers() -> Map<String, Value> {
    let types: Vec<String> = problems()
        .map(|kind| format!("{PROBLEM_PREFIX}{}", kind.name))
        .collect();
    let record = reference("PersonRecordType");
    let sequence = json!({"type": "integer", "minimum": 0});
    let other = json!({
        "type": "object",
        "required": ["root", "extension"],
        "properties": {"root": {"type": "string"}, "extension": {"type": "string"}},
        "additionalProperties": false,
    });
    let schemas = json!({
        "Problem": {
            "description": "RFC 9457. Details are Swedish, and repeat nothing of what was sent.",
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "enum": types},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "instance": {"type": "string", "pattern": "^urn:uuid:", "description": "Names a technical error in the log"},
            },
            "additionalProperties": false,
        },
        "PersonsRequest": {
            "type": "object",
            "required": ["identities"],
            "properties": {
                "identities": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": limits::IDENTITIES_PER_REQUEST,
                    "items": {"anyOf": [{"type": "string", "pattern": "^[0-9A-Za-z]{8}-?[0-9A-Za-z]{4}$"}, reference("IIType")]},
                },
                "profile": profile_schema(),
                "ignore_referred_identity": {"type": "boolean", "default": false},
            },
            "additionalProperties": false,
        },
        "PersonsAnswer": {
            "type": "object",
            "required": ["requestedPersonRecord"],
            "properties": {"requestedPersonRecord": {"type": "array", "items": {
                "type": "object",
                "required": ["requestedPersonalIdentity"],
                "properties": {"requestedPersonalIdentity": reference("IIType"), "personRecord": record},
                "additionalProperties": false,
            }}},
            "additionalProperties": false,
        },
        "ReserveRequest": {
            "type": "object",
            "required": ["count", "actor", "organization"],
            "properties": {
                "count": {"type": "integer", "minimum": 1, "maximum": limits::RESERVE_IDENTITIES_PER_REQUEST},
                "actor": other,
                "organization": other,
            },
            "additionalProperties": false,
        },
        "ReserveAnswer": {
            "type": "object",
            "required": ["personalIdentity"],
            "properties": {"personalIdentity": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits::RESERVE_IDENTITIES_PER_REQUEST,
                "items": reference("IIType"),
            }},
            "additionalProperties": false,
        },
        "History": {
            "type": "object",
            "required": ["change", "complete"],
            "properties": {
                "change": {"type": "array", "maxItems": limits::HISTORY_ENTRIES, "items": {
                    "type": "object",
                    "required": ["sequence", "at", "by"],
                    "properties": {
                        "sequence": sequence,
                        "at": {"type": "string", "format": "date-time"},
                        "by": {"type": "string", "description": "The contract and its version, or navet, exchange, rest"},
                        "actor": other,
                        "organization": other,
                        "consumer": {"type": "string"},
                        "correlation": {"type": "string"},
                        "changed": {"type": "array", "items": {"type": "string"}, "description": "Parts that differ from the version before; missing when the log does not hold that"},
                    },
                    "additionalProperties": false,
                }},
                "complete": {"type": "boolean", "description": "Whether these are all changes there ever were"},
            },
            "additionalProperties": false,
        },
        "Change": {
            "type": "object",
            "required": ["sequence"],
            "properties": {
                "sequence": sequence,
                "at": {"type": "string", "format": "date-time"},
                "by": {"type": "string"},
                "personRecord": record,
            },
            "additionalProperties": false,
        },
        "SearchAnswer": {
            "type": "object",
            "required": ["count", "personRecord"],
            "properties": {
                "count": {"type": "integer", "minimum": 0, "maximum": limits::HITS_PER_SEARCH},
                "personRecord": {"type": "array", "maxItems": limits::HITS_PER_SEARCH, "items": record},
                "explanation": {"type": "object", "description": "How the search went; no value of the query"},
            },
            "additionalProperties": false,
        },
    });
    match schemas {
        Value::Object(schemas) => schemas,
        _ => Map::new(),
    }
}

fn identity() -> Value {
    let properties: Map<String, Value> = IDENTITY
        .rows
        .iter()
        .map(|row| (row.name.to_owned(), json!({"type": "string"})))
        .collect();
    json!({
        "type": "object",
        "required": ["root", "extension"],
        "properties": properties,
        "additionalProperties": false,
        "example": {"root": "1.2.752.129.2.1.3.1", "extension": EXAMPLE},
    })
}

/// Declares a type and those below it.
fn declare(of: &'static ComplexType, schemas: &mut Map<String, Value>) {
    if schemas.contains_key(of.name) {
        return;
    }
    // Its name first, so that the order is that of the table.
    schemas.insert(of.name.to_owned(), Value::Null);
    let mut properties = Map::new();
    let mut required = Vec::new();
    for row in of.rows.iter().filter(|row| row.level != Level::Internal) {
        let mut schema = content(row, schemas);
        if row.occurs.repeats() {
            schema = json!({"type": "array", "minItems": 1, "items": schema});
        }
        if row.occurs.mandatory() {
            required.push(row.name);
        }
        properties.insert(row.name.to_owned(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema["additionalProperties"] = json!(false);
    schemas.insert(of.name.to_owned(), schema);
}

fn content(row: &Row, schemas: &mut Map<String, Value>) -> Value {
    match row.content {
        Content::Simple(of) => simple(of),
        Content::Complex(of) => match of.shape {
            Shape::Group => {
                // Persons' own and other identities share their type's name, and their form.
                if of.name != IDENTITY.name {
                    declare(of, schemas);
                }
                reference(of.name)
            }
            Shape::Value(Kind::Identity) => reference(IDENTITY.name),
            Shape::Value(kind) => kept(kind),
        },
        // A plain value, unless the register has the mark of versions 3 and 4.
        Content::Wrapped(wrapper, of) => {
            let properties: Map<String, Value> = wrapper
                .rows
                .iter()
                .map(|row| (row.name.to_owned(), content(row, schemas)))
                .collect();
            json!({"oneOf": [
                simple(of),
                {"type": "object", "properties": properties, "required": ["attested"], "additionalProperties": false},
            ]})
        }
    }
}

fn simple(of: &SimpleType) -> Value {
    if of.kind != Kind::Text && of.kind != Kind::Number {
        return kept(of.kind);
    }
    let number = of.kind == Kind::Number;
    let mut schema = json!({"type": if number { "integer" } else { "string" }});
    match of.facet {
        Facet::None => {}
        Facet::Length(length) => {
            schema["minLength"] = json!(length);
            schema["maxLength"] = json!(length);
        }
        Facet::Lengths(least, most) => {
            schema["minLength"] = json!(least);
            schema["maxLength"] = json!(most);
        }
        Facet::MaxLength(most) => schema["maxLength"] = json!(most),
        Facet::Range(least, most) => {
            schema["minimum"] = json!(least);
            schema["maximum"] = json!(most);
        }
        Facet::Enumeration(values) => schema["enum"] = json!(values),
    }
    if of.name == "xs:base64Binary" {
        schema["contentEncoding"] = json!("base64");
    }
    schema
}

/// A value that is kept in a form of its own.
fn kept(kind: Kind) -> Value {
    match kind {
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::PartialDate => {
            json!({"type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"})
        }
        Kind::DateTime => json!({"type": "string", "format": "date-time"}),
        Kind::Timestamp => json!({"type": "string", "pattern": "^[0-9]{14}$"}),
        Kind::Identity => reference(IDENTITY.name),
        Kind::Number => json!({"type": "integer"}),
        Kind::Text => json!({"type": "string"}),
        Kind::Group => json!({"type": "object"}),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
            match value {
                Value::Object(fields) => fields.iter().for_each(|(name, value)| match value {
                    Value::String(target) if name == "$ref" => found.push(target),
                    value => references(value, found),
                }),
                Value::Array(all) => all.iter().for_each(|it| references(it, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 60);
        for target in found {
            let schema = document.pointer(target.trim_start_matches('#'));
            assert!(schema.is_some_and(Value::is_object), "{target}");
        }
    }

    #[test]
    fn types_are_those_of_the_table() {
        let document = document();
        let schema = |name: &str| document["components"]["schemas"][name].clone();
        assert_eq!(
            schema("ResidentialAddressType")["properties"]["postalCode"],
            json!({"type": "integer", "minimum": 0, "maximum": 99999})
        );
        assert_eq!(
            schema("PersonRecordType")["required"],
            json!([
                "personalIdentity",
                "protectedPersonIndicator",
                "testIndicator",
                "primaryIdentity"
            ])
        );
        assert!(
            schema("LinkedIdentityType")["properties"]
                .get("link")
                .is_none()
        );
        assert_eq!(
            schema("NameType")["properties"]["givenName"]["oneOf"][0],
            json!({"type": "string", "maxLength": 80})
        );
    }

    #[test]
    fn every_status_that_is_described_has_a_problem() {
        let described: BTreeSet<u16> = document()["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
            .flat_map(|operation| operation["responses"].as_object().unwrap().keys())
            .map(|status| status.parse().unwrap())
            .filter(|status| *status >= 300)
            .collect();
        let kinds: BTreeSet<u16> = problems().map(|kind| kind.status).collect();
        assert_eq!(described, kinds);
    }

    #[test]
    fn it_says_where_and_by_what_certificate() {
        let document = document();
        assert_eq!(document["servers"][0]["url"], "/");
        assert_eq!(document["security"], json!([{"mutualTLS": []}]));
        let schemes = &document["components"]["securitySchemes"];
        assert_eq!(schemes["mutualTLS"]["type"], "mutualTLS");
        for path in ["/v1/persons", "/v1/search", "/v1/changes"] {
            let operations = document["paths"][path].as_object().unwrap();
            for operation in operations.values() {
                for status in ["403", "429", "503"] {
                    assert!(
                        operation["responses"].get(status).is_some(),
                        "{path} {status}"
                    );
                }
            }
        }
    }
}

//! The schemas: core types, what domain 3 added to them in extension namespaces, the messages of an
//! endpoint, and the header. Order, names and facets are those of the tables.

use super::super::contract::{
    ENDPOINTS, Endpoint, Message, REGISTRY_NAMESPACE, core_namespace, extension_namespace,
};
use super::super::message::COMPLEX_TYPES;
use super::element::{Element, element};
use super::{Document, Links};
use crate::person::schema::{
    ComplexType, Content, Core, Extension, Facet, Occurs, Row, SIMPLE_TYPES, SimpleType,
};

pub(super) const XML_SCHEMA: &str = "http://www.w3.org/2001/XMLSchema";

/// What the official Responder schemas call the core namespace.
const CORE_PREFIX: &str = "strategicresourcemanagementpersonsperson";

/// The version in a core schema's file name.
pub(super) const fn core_version(core: Core) -> &'static str {
    match core {
        Core::V3 => "3.3",
        Core::V4 => "4.0",
        Core::V5 => "5.0",
    }
}

pub(super) fn core(core: Core, links: Links) -> Element {
    let extensions: &[Extension] = match core {
        Core::V3 => &Extension::ALL,
        Core::V4 | Core::V5 => &[],
    };
    let scope = Scope {
        core,
        prefix: "tns",
    };
    let mut schema = schema(core_namespace(core), core_version(core));
    for &extension in extensions {
        schema = schema.with(declaration(extension), extension_namespace(extension));
    }
    schema
        .holding_all(extensions.iter().map(|&extension| {
            let location = links.relative_to_components(Document::Extension(extension));
            import(extension_namespace(extension), location)
        }))
        .holding_all(SIMPLE_TYPES.iter().map(|of| simple_type(of)))
        .holding_all(
            COMPLEX_TYPES
                .iter()
                .filter(|(_, versions)| versions.has(core))
                .map(|(of, _)| scope.complex_type(of.name.to_owned(), of)),
        )
}

/// The global elements of an extension namespace; their types are core types.
pub(super) fn extension(extension: Extension, links: Links) -> Element {
    let scope = Scope {
        core: Core::V3,
        prefix: CORE_PREFIX,
    };
    let messages = ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.core == Some(Core::V3))
        .flat_map(|endpoint| Message::ALL.map(|message| endpoint.message(message)));
    let mut rows: Vec<&Row> = Vec::new();
    for of in COMPLEX_TYPES.iter().map(|(of, _)| *of).chain(messages) {
        for row in rows_in(of, Core::V3).filter(|row| row.extension == Some(extension)) {
            if rows.iter().all(|known| known.name != row.name) {
                rows.push(row);
            }
        }
    }
    schema(extension_namespace(extension), extension.version())
        .with(
            "xmlns:strategicresourcemanagementpersonsperson",
            core_namespace(Core::V3),
        )
        .holding(import(
            core_namespace(Core::V3),
            links.relative_to_components(Document::Core(Core::V3)),
        ))
        .holding_all(rows.into_iter().map(|row| {
            element("xs:element")
                .with("name", row.name)
                .with("type", scope.type_of(row))
        }))
}

pub(super) fn responder(endpoint: &Endpoint, links: Links) -> Element {
    let scope = Scope {
        core: endpoint.rows_of(),
        prefix: endpoint.core.map_or("tns", |_| CORE_PREFIX),
    };
    let extensions: Vec<Extension> = Extension::ALL
        .into_iter()
        .filter(|&extension| {
            endpoint.core == Some(Core::V3)
                && Message::ALL.iter().any(|&message| {
                    rows_in(endpoint.message(message), Core::V3)
                        .any(|row| row.extension == Some(extension))
                })
        })
        .collect();
    let mut schema = schema(&endpoint.responder_namespace(), endpoint.version);
    let mut imports = Vec::new();
    let mut own_types = Vec::new();
    if let Some(core) = endpoint.core {
        schema = schema.with(
            "xmlns:strategicresourcemanagementpersonsperson",
            core_namespace(core),
        );
        let location = links.relative_to_wsdl(Document::Core(core));
        imports.push(import(core_namespace(core), location));
    } else {
        own_types = scope.types_below(&Message::ALL.map(|message| endpoint.message(message)));
    }
    for extension in extensions {
        schema = schema.with(declaration(extension), extension_namespace(extension));
        let location = links.relative_to_wsdl(Document::Extension(extension));
        imports.push(import(extension_namespace(extension), location));
    }
    schema
        .holding_all(imports)
        .holding_all(Message::ALL.map(|message| {
            element("xs:element")
                .with("name", endpoint.element(message))
                .with("type", format!("tns:{}", endpoint.type_name(message)))
        }))
        .holding_all(own_types)
        .holding_all(Message::ALL.map(|message| {
            scope.complex_type(endpoint.type_name(message), endpoint.message(message))
        }))
}

/// The schema of the SOAP header. Only `LogicalAddress` is used; the rest completes the official
/// file.
pub(super) fn registry() -> Element {
    let string = |name: &str| {
        element("xs:simpleType")
            .with("name", name)
            .holding(element("xs:restriction").with("base", "xs:string"))
    };
    schema(REGISTRY_NAMESPACE, "1.0")
        .holding(
            element("xs:element")
                .with("name", "LogicalAddress")
                .with("type", "tns:LogicalAddressType"),
        )
        .holding(string("LogicalAddressType"))
        .holding(
            element("xs:complexType")
                .with("name", "ServiceContractNamespaceType")
                .holding(
                    element("xs:sequence")
                        .holding(
                            element("xs:element")
                                .with("name", "ServiceContractNamespace")
                                .with("type", "xs:anyURI"),
                        )
                        .holding(any()),
                ),
        )
        .holding(string("HsaIdType"))
}

fn schema(namespace: &str, version: &str) -> Element {
    element("xs:schema")
        .with("xmlns:xs", XML_SCHEMA)
        .with("xmlns:tns", namespace)
        .with("targetNamespace", namespace)
        .with("elementFormDefault", "qualified")
        .with("attributeFormDefault", "unqualified")
        .with("version", version)
}

/// What a schema uses of another namespace, and where that is.
pub(super) fn import(namespace: &str, location: Option<String>) -> Element {
    let import = element("xs:import").with("namespace", namespace);
    match location {
        Some(location) => import.with("schemaLocation", location),
        None => import,
    }
}

/// The attribute that declares an extension namespace's prefix, `m1` for 3.1 and so on.
const fn declaration(extension: Extension) -> &'static str {
    match extension {
        Extension::E31 => "xmlns:m1",
        Extension::E32 => "xmlns:m2",
        Extension::E33 => "xmlns:m3",
    }
}

fn rows_in(of: &ComplexType, core: Core) -> impl Iterator<Item = &'static Row> {
    of.rows.iter().filter(move |row| row.versions.has(core))
}

/// Where foreign elements may follow.
fn any() -> Element {
    element("xs:any")
        .with("namespace", "##other")
        .with("processContents", "lax")
        .with("minOccurs", "0")
        .with("maxOccurs", "unbounded")
}

fn with_occurs(it: Element, occurs: Occurs) -> Element {
    let it = if occurs.mandatory() {
        it
    } else {
        it.with("minOccurs", "0")
    };
    if occurs.repeats() {
        it.with("maxOccurs", "unbounded")
    } else {
        it
    }
}

fn simple_type(of: &SimpleType) -> Element {
    let facet = |name, value: String| element(name).with("value", value);
    let length = |name, value: usize| facet(name, value.to_string());
    let facets = match of.facet {
        Facet::None => vec![],
        Facet::Length(exactly) => vec![length("xs:length", exactly)],
        Facet::Lengths(least, most) => {
            vec![length("xs:minLength", least), length("xs:maxLength", most)]
        }
        Facet::MaxLength(most) => vec![length("xs:maxLength", most)],
        Facet::Range(least, most) => vec![
            facet("xs:minInclusive", least.to_string()),
            facet("xs:maxInclusive", most.to_string()),
        ],
        Facet::Enumeration(values) => values
            .iter()
            .map(|&value| facet("xs:enumeration", value.to_owned()))
            .collect(),
    };
    element("xs:simpleType").with("name", of.name).holding(
        element("xs:restriction")
            .with("base", of.base)
            .holding_all(facets),
    )
}

/// The version whose rows hold in a schema, and the prefix of the types it uses.
#[derive(Clone, Copy)]
struct Scope {
    core: Core,
    prefix: &'static str,
}

impl Scope {
    fn complex_type(self, name: String, of: &ComplexType) -> Element {
        element("xs:complexType").with("name", name).holding(
            element("xs:sequence")
                .holding_all(rows_in(of, self.core).map(|row| self.element(row)))
                .holding_all(of.any.has(self.core).then(any)),
        )
    }

    fn element(self, row: &Row) -> Element {
        let it = match row.extension {
            Some(extension) if self.core == Core::V3 => {
                let (_, prefix) = declaration(extension).split_at("xmlns:".len());
                element("xs:element").with("ref", format!("{prefix}:{}", row.name))
            }
            _ => element("xs:element")
                .with("name", row.name)
                .with("type", self.type_of(row)),
        };
        with_occurs(it, row.occurs)
    }

    fn type_of(self, row: &Row) -> String {
        let name = match self.holds(row) {
            Holds::Simple(of) => of.name,
            Holds::Complex(of) => of.name,
        };
        if name.starts_with("xs:") {
            name.to_owned()
        } else {
            format!("{}:{name}", self.prefix)
        }
    }

    fn holds(self, row: &Row) -> Holds {
        match row.content {
            Content::Simple(of) => Holds::Simple(of),
            Content::Wrapped(_, of) if self.core == Core::V5 => Holds::Simple(of),
            Content::Complex(of) | Content::Wrapped(of, _) => Holds::Complex(of),
        }
    }

    /// The core types that some types need, for a schema which has to declare them itself.
    fn types_below(self, of: &[&'static ComplexType]) -> Vec<Element> {
        let mut simple: Vec<&str> = Vec::new();
        let mut complex: Vec<&str> = Vec::new();
        let mut open = of.to_vec();
        while let Some(of) = open.pop() {
            for row in rows_in(of, self.core) {
                match self.holds(row) {
                    Holds::Simple(of) => simple.push(of.name),
                    Holds::Complex(of) if complex.contains(&of.name) => {}
                    Holds::Complex(of) => {
                        complex.push(of.name);
                        open.push(of);
                    }
                }
            }
        }
        let simple = SIMPLE_TYPES
            .iter()
            .filter(|of| simple.contains(&of.name))
            .map(|of| simple_type(of));
        let complex = COMPLEX_TYPES
            .iter()
            .filter(|(of, _)| complex.contains(&of.name))
            .map(|(of, _)| self.complex_type(of.name.to_owned(), of));
        simple.chain(complex).collect()
    }
}

/// What an element holds in one version.
enum Holds {
    Simple(&'static SimpleType),
    Complex(&'static ComplexType),
}

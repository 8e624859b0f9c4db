//! The generated schemas against the official tables in `tests/fixtures/contracts`: equal names,
//! order, types, occurrences, namespaces and places for foreign elements, in every version.

use pu::person::field::{Field, Wrap};
use pu::person::schema::{Core, Kind, Level};
use pu::wire::contract::{ENDPOINTS, Endpoint, find, find_path};
use pu::wire::describe::package;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::BTreeMap;

const ENDPOINT_TABLE: &str = include_str!("../fixtures/contracts/endpoints.csv");
const MESSAGE_TABLE: &str = include_str!("../fixtures/contracts/messages.csv");
const PROFILE_TABLE: &str = include_str!("../fixtures/contracts/profile-table.csv");
const TYPE_TABLES: [(Core, &str, &str); 3] = [
    (
        Core::V3,
        "3.3",
        include_str!("../fixtures/contracts/types-3.csv"),
    ),
    (
        Core::V4,
        "4.0",
        include_str!("../fixtures/contracts/types-4.csv"),
    ),
    (
        Core::V5,
        "5.0",
        include_str!("../fixtures/contracts/types-5.csv"),
    ),
];

const DOMAIN: &str = "urn:riv:strategicresourcemanagement:persons:person";
const COMPONENT: &str = "schemas/core_components/strategicresourcemanagement_persons_person_";

type Package = BTreeMap<String, Vec<u8>>;

fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().skip(1)
}

fn cells(line: &str) -> Vec<&str> {
    line.split(';').collect()
}

// A file as a tree, and the tables' lines out of it.

#[derive(Default)]
struct Node {
    name: String,
    attributes: BTreeMap<String, String>,
    children: Vec<Node>,
}

impl Node {
    fn read(bytes: &[u8]) -> Self {
        let mut reader = Reader::from_reader(bytes);
        let mut open = vec![Self::default()];
        let start = |it: &BytesStart<'_>| Self {
            name: it.name().as_ref().to_owned(),
            attributes: it
                .attributes()
                .map(|attribute| {
                    let attribute = attribute.unwrap();
                    (
                        attribute.key.as_ref().to_owned(),
                        attribute.value.into_owned(),
                    )
                })
                .collect(),
            children: Vec::new(),
        };
        loop {
            match reader.read_event().unwrap() {
                Event::Start(it) => open.push(start(&it)),
                Event::Empty(it) => open.last_mut().unwrap().children.push(start(&it)),
                Event::End(_) => {
                    let done = open.pop().unwrap();
                    open.last_mut().unwrap().children.push(done);
                }
                Event::Eof => return open.pop().unwrap().children.pop().unwrap(),
                _ => {}
            }
        }
    }

    fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element at a path of element names.
    fn at(&self, path: &str) -> &Self {
        path.split('/').fold(self, |node, name| {
            let found = node.children.iter().find(|child| child.name == name);
            found.unwrap_or_else(|| panic!("no {name} of {path}"))
        })
    }

    fn occurs(&self) -> String {
        let least = self.attributes.get("minOccurs").map_or("1", String::as_str);
        let most = match self.get("maxOccurs") {
            "unbounded" => "*",
            "" => "1",
            other => other,
        };
        format!("{least}..{most}")
    }
}

/// The name of a type, without a prefix that stands for one of `namespaces`.
fn type_name<'a>(schema: &Node, of: &'a str, namespaces: &[&str]) -> &'a str {
    match of.split_once(':') {
        Some(("xs", _)) => of,
        Some((prefix, name)) => {
            let namespace = schema.get(&format!("xmlns:{prefix}"));
            assert!(namespaces.contains(&namespace), "{of} is of {namespace}");
            name
        }
        None => panic!("{of} has no prefix"),
    }
}

/// One line of the type tables: an element, or the place for foreign ones.
fn element_line(package: &Package, schema: &Node, types: &str, it: &Node) -> String {
    if it.name == "xs:any" {
        let (namespace, process) = (it.get("namespace"), it.get("processContents"));
        return format!("xs:any;{namespace};{process};{}", it.occurs());
    }
    assert_eq!(it.name, "xs:element");
    let Some((prefix, name)) = it.get("ref").split_once(':') else {
        let of = type_name(schema, it.get("type"), &[types]);
        return format!("{};;{of};{}", it.get("name"), it.occurs());
    };
    let namespace = schema.get(&format!("xmlns:{prefix}"));
    let version = namespace.strip_prefix(&format!("{DOMAIN}:")).unwrap();
    let extension = Node::read(&package[&format!("{COMPONENT}ext_{version}.xsd")]);
    assert_eq!(extension.get("targetNamespace"), namespace);
    assert_eq!(extension.get("elementFormDefault"), "qualified");
    let global = extension
        .all("xs:element")
        .find(|global| global.get("name") == name)
        .unwrap();
    let of = type_name(&extension, global.get("type"), &[types]);
    format!("{name};{version};{of};{}", it.occurs())
}

/// The lines of every type a schema declares.
fn type_lines(package: &Package, schema: &Node) -> Vec<String> {
    let types = schema.get("targetNamespace");
    let mut lines = Vec::new();
    for it in &schema.children {
        let name = it.get("name");
        match it.name.as_str() {
            "xs:simpleType" => {
                let restriction = it.at("xs:restriction");
                lines.push(format!(
                    "{name};;;{};{}",
                    restriction.get("base"),
                    facets(restriction)
                ));
            }
            "xs:complexType" => lines.extend(
                it.at("xs:sequence")
                    .children
                    .iter()
                    .map(|it| format!("{name};{}", element_line(package, schema, types, it))),
            ),
            _ => {}
        }
    }
    lines
}

fn facets(restriction: &Node) -> String {
    let mut facets: Vec<String> = Vec::new();
    for facet in &restriction.children {
        let (_, name) = facet.name.split_once(':').unwrap();
        let value = facet.get("value");
        match facets.last_mut() {
            Some(last) if name == "enumeration" => last.extend(["|", value]),
            _ => facets.push(format!("{name}={value}")),
        }
    }
    facets.join(",")
}

#[test]
fn core_types_equal_the_official_schemas() {
    for (core, version, table) in TYPE_TABLES {
        let package: Package = package(core).collect();
        let schema = Node::read(&package[&format!("{COMPONENT}{version}.xsd")]);
        assert_eq!(
            schema.get("targetNamespace"),
            format!("{DOMAIN}:{}", core.major())
        );
        assert_eq!(schema.get("version"), version);
        assert_eq!(schema.get("elementFormDefault"), "qualified");
        assert_eq!(schema.all("xs:element").count(), 0, "only types are global");
        let generated = type_lines(&package, &schema);
        for (generated, official) in generated.iter().zip(lines(table)) {
            assert_eq!(generated, official, "{version}");
        }
        assert_eq!(generated.len(), lines(table).count(), "{version}");
    }
}

#[test]
fn messages_equal_the_official_tables() {
    let mut compared = 0;
    for domain in Core::ALL {
        let package: Package = package(domain).collect();
        for endpoint in ENDPOINTS.iter().filter(|it| it.domains.has(domain)) {
            let schema = Node::read(&package[&file(endpoint, &endpoint.responder_file())]);
            assert_eq!(schema.get("version"), endpoint.version);
            assert_eq!(schema.get("elementFormDefault"), "qualified");
            let own = schema.get("targetNamespace");
            let types = endpoint
                .core
                .map_or(own.to_owned(), |core| format!("{DOMAIN}:{}", core.major()));
            for (kind, root) in [
                ("request", endpoint.contract.to_owned()),
                ("response", format!("{}Response", endpoint.contract)),
            ] {
                let global = schema
                    .all("xs:element")
                    .find(|it| it.get("name") == root)
                    .unwrap();
                let type_name = type_name(&schema, global.get("type"), &[own]);
                assert_eq!(type_name, format!("{root}Type"));
                let prefix = format!("{};{};{kind};", endpoint.contract, endpoint.version);
                let official: Vec<_> = lines(MESSAGE_TABLE)
                    .filter_map(|line| line.strip_prefix(&prefix))
                    .collect();
                let of = schema
                    .all("xs:complexType")
                    .find(|it| it.get("name") == type_name)
                    .unwrap();
                let generated: Vec<_> = of
                    .at("xs:sequence")
                    .children
                    .iter()
                    .map(|it| element_line(&package, &schema, &types, it))
                    .collect();
                assert_eq!(generated, official, "{prefix}");
                compared += official.len();
            }
        }
    }
    // Domain 4 shares seven contracts with domain 3, so some lines count twice.
    assert!(compared > lines(MESSAGE_TABLE).count());
}

#[test]
fn a_contract_without_core_types_declares_what_it_needs() {
    let package: Package = package(Core::V5).collect();
    let endpoint = find("GetFilesForOrderId", 4).unwrap();
    let schema = Node::read(&package[&file(endpoint, &endpoint.responder_file())]);
    assert_eq!(schema.all("xs:import").count(), 0);
    let own: Vec<_> = type_lines(&package, &schema)
        .into_iter()
        .filter(|line| !line.starts_with("GetFilesForOrderId"))
        .collect();
    let (_, _, core) = TYPE_TABLES[2];
    let official: Vec<_> = ["CodedValue;", "OrderId;", "MultimediaType;"]
        .iter()
        .flat_map(|name| lines(core).filter(move |line| line.starts_with(name)))
        .collect();
    assert_eq!(own, official);
}

fn file(endpoint: &Endpoint, name: &str) -> String {
    format!(
        "schemas/interactions/{}Interaction/{name}",
        endpoint.contract
    )
}

#[test]
fn endpoints_equal_the_official_list() {
    assert_eq!(lines(ENDPOINT_TABLE).count(), ENDPOINTS.len());
    for line in lines(ENDPOINT_TABLE) {
        let [contract, version, core, domains, namespace, action, path] = cells(line)[..] else {
            panic!("{line}");
        };
        let endpoint = find_path(path).unwrap_or_else(|| panic!("no endpoint at {path}"));
        assert_eq!((endpoint.contract, endpoint.version), (contract, version));
        let majors = |cores: Vec<Core>| {
            let majors: Vec<_> = cores.iter().map(|core| core.major().to_string()).collect();
            majors.join(" ")
        };
        assert_eq!(majors(endpoint.core.into_iter().collect()), core, "{line}");
        let of = Core::ALL
            .into_iter()
            .filter(|&domain| endpoint.domains.has(domain))
            .collect();
        assert_eq!(majors(of), domains, "{line}");
        assert_eq!(endpoint.responder_namespace(), namespace);
        assert_eq!(endpoint.soap_action(), action);
        assert_eq!(endpoint.path(), path);
        assert_eq!(endpoint.unrestricted, contract.ends_with("Unrestricted"));
    }
}

#[test]
fn a_wsdl_has_the_official_structure() {
    let packages = Core::ALL.map(|domain| package(domain).collect::<Package>());
    for line in lines(ENDPOINT_TABLE) {
        let [c, version, _, domains, namespace, action, _] = cells(line)[..] else {
            panic!("{line}");
        };
        let domain = usize::from(domains.as_bytes()[0] - b'3');
        let path =
            format!("schemas/interactions/{c}Interaction/{c}Interaction_{version}_RIVTABP21.wsdl");
        let wsdl = Node::read(&packages[domain][&path]);
        let own = format!("{DOMAIN}:{c}:{}:rivtabp21", &version[..1]);
        for (attribute, value) in [
            ("name", format!("{c}Interaction")),
            ("targetNamespace", own.clone()),
            ("xmlns:tns", own),
            ("xmlns:tjsr", namespace.to_owned()),
            ("xmlns:itr", "urn:riv:itintegration:registry:1".to_owned()),
        ] {
            assert_eq!(wsdl.get(attribute), value, "{path}");
        }
        let messages: Vec<_> = wsdl
            .all("wsdl:message")
            .map(|message| {
                let parts: Vec<_> = message
                    .all("wsdl:part")
                    .map(|part| (part.get("name").to_owned(), part.get("element").to_owned()))
                    .collect();
                (message.get("name").to_owned(), parts)
            })
            .collect();
        let part = |name: &str, of: String| (name.to_owned(), of);
        assert_eq!(
            messages,
            [
                (
                    format!("{c}Request"),
                    vec![
                        part("LogicalAddress", "itr:LogicalAddress".to_owned()),
                        part("parameters", format!("tjsr:{c}"))
                    ]
                ),
                (
                    format!("{c}Response"),
                    vec![part("parameters", format!("tjsr:{c}Response"))]
                ),
            ]
        );
        let operation = wsdl.at("wsdl:portType/wsdl:operation");
        assert_eq!(
            wsdl.at("wsdl:portType").get("name"),
            format!("{c}ResponderInterface")
        );
        assert_eq!((operation.get("name"), operation.children.len()), (c, 2));
        let binding = wsdl.at("wsdl:binding");
        assert_eq!(binding.get("name"), format!("{c}ResponderBinding"));
        assert_eq!(binding.at("soap:binding").get("style"), "document");
        let bound = binding.at("wsdl:operation");
        assert_eq!(bound.at("soap:operation").get("soapAction"), action);
        assert_eq!(bound.at("wsdl:input/soap:body").get("parts"), "parameters");
        let header = bound.at("wsdl:input/soap:header");
        assert_eq!(header.get("message"), format!("tns:{c}Request"));
        assert_eq!(header.get("part"), "LogicalAddress");
        assert!(
            !bound
                .at("wsdl:output/soap:body")
                .attributes
                .contains_key("parts")
        );
        let endpoint = wsdl.at("wsdl:service/wsdl:port");
        assert_eq!(
            wsdl.at("wsdl:service").get("name"),
            format!("{c}ResponderService")
        );
        assert_eq!(endpoint.get("name"), format!("{c}ResponderPort"));
        assert_eq!(
            endpoint.at("soap:address").get("location"),
            "http://tempuri.org"
        );
    }
}

// Profiles.

/// A path of the profile table: the lowest profile, and whether it is for reserve identities only.
fn profile_rows() -> BTreeMap<&'static str, (Option<u8>, bool)> {
    lines(PROFILE_TABLE)
        .map(cells)
        .filter(|cells| !cells[7].starts_with("3.x/4.x only"))
        .filter_map(|cells| {
            let path = cells[0].strip_prefix("personRecord/")?;
            let lowest = (1..=5).find(|&profile| cells[usize::from(profile)] == "1");
            if let Some(lowest) = lowest {
                let above = cells[usize::from(lowest)..6].iter();
                assert!(above.clone().all(|&cell| cell == "1"), "{path}");
            }
            Some((path, (lowest, cells[6] == "1")))
        })
        .collect()
}

const fn lowest_profile(level: Level) -> u8 {
    match level {
        Level::Always | Level::P1 => 1,
        Level::P2 => 2,
        Level::P3 => 3,
        Level::P4 => 4,
        Level::P5 => 5,
        Level::Internal => u8::MAX,
    }
}

#[test]
fn levels_equal_the_profile_table_in_both_directions() {
    let mut table = profile_rows();
    for field in Field::all().skip(1) {
        let info = field.info();
        let path = field.path();
        let row = table.remove(path.as_str());
        if info.level == Level::Internal {
            assert_eq!(row, None, "{path}");
            continue;
        }
        let Some((lowest, reserve_only)) = row else {
            // A wrapper and its two elements are one row, and periods and the identities of actors
            // are single rows of the table: what is in them follows them.
            let parent = field.parent().info();
            let below_the_table = matches!(info.wrap, Wrap::Value | Wrap::Mark)
                || ["start", "end", "root", "extension"].contains(&info.name);
            assert!(below_the_table, "{path} is not in the profile table");
            assert_eq!(info.level, parent.level, "{path}");
            continue;
        };
        // A group is shown when something in it is; the table leaves one such row blank and starts
        // another later than its first child.
        let shown = if field.kind() == Kind::Group && info.wrap == Wrap::No {
            field
                .children()
                .filter_map(|child| table.get(child.path().as_str())?.0)
                .chain(lowest)
                .min()
        } else {
            lowest
        };
        assert_eq!(Some(lowest_profile(info.level)), shown, "{path}");
        assert_eq!(info.row.reserve_only, reserve_only, "{path}");
    }
    assert!(table.is_empty(), "no field for {:?}", table.keys());
}

//! The description of the contracts, generated from their tables: WSDL and XSD files, as a running
//! service hands them out and as the folders of a RIV-TA release package.
//!
//! A served file links to the others as `rivtabp21?xsd=<name>`. Such a link resolves to the service's
//! own URL by RFC 3986, by the older rules of `java.net.URL` (which lose the last segment of a bare
//! `?xsd=`) and by those of gSOAP (which takes a slash in the query for one of the path), and it
//! stays right behind a proxy that changes scheme or host. Whoever asks by the path that a file has
//! from the WSDL's folder in the package, as on the national platform, gets it too.

mod element;
mod wsdl;
mod xsd;

use self::element::Element;
use super::contract::{ENDPOINTS, Endpoint, PATH_LAST};
use crate::base::files;
use crate::person::schema::{Core, Extension};
use std::path::{Path, PathBuf};

/// One file of the description.
#[derive(Clone, Copy, Debug)]
enum Document<'a> {
    Wsdl(&'a Endpoint),
    Responder(&'a Endpoint),
    Core(Core),
    Extension(Extension),
    Registry,
}

/// How files refer to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Links {
    /// By their place in the package.
    Package,
    /// By the URL of the service.
    Served,
    /// By namespace alone: everything is in one file.
    Inline,
}

/// What a consumer may ask a service's URL for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted<'a> {
    /// `?wsdl`
    Wsdl,
    /// `?singleWsdl`: with every schema in it.
    SingleWsdl,
    /// `?xsd=` with this name, or this path from the WSDL's folder in the package.
    Xsd(&'a str),
}

/// A description that could not be written to a folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: std::io::Error,
}

/// The description of an endpoint, as its service hands it out. `address` is the service's URL
/// without query, for consumers that read it from the WSDL. A path that no file of this endpoint
/// has gives nothing; no path ever reaches a file system.
pub fn document(endpoint: &Endpoint, wanted: Wanted<'_>, address: &str) -> Option<Vec<u8>> {
    match wanted {
        Wanted::Wsdl => Some(wsdl::file(endpoint, Links::Served, address).to_bytes()),
        Wanted::SingleWsdl => Some(wsdl::file(endpoint, Links::Inline, address).to_bytes()),
        Wanted::Xsd(path) => schemas(endpoint)
            .into_iter()
            .find(|schema| schema.name() == path || schema.relative_to_wsdl() == path)
            .map(|schema| schema.to_bytes(Links::Served)),
    }
}

/// The name of a domain version's package.
pub const fn package_name(domain: Core) -> &'static str {
    match domain {
        Core::V3 => "ServiceContracts_strategicresourcemanagement_persons_person_3.3",
        Core::V4 => "ServiceContracts_strategicresourcemanagement_persons_person_4.1",
        Core::V5 => "ServiceContracts_strategicresourcemanagement_persons_person_5.1",
    }
}

/// The files of a domain version's package: their paths in it, with `/`, and what they hold.
pub fn package(domain: Core) -> impl Iterator<Item = (String, Vec<u8>)> {
    let endpoints = ENDPOINTS
        .iter()
        .filter(move |endpoint| endpoint.domains.has(domain));
    let cores = Core::ALL.into_iter().filter(move |&core| {
        ENDPOINTS
            .iter()
            .any(|endpoint| endpoint.domains.has(domain) && endpoint.core == Some(core))
    });
    std::iter::once(Document::Registry)
        .chain(cores.flat_map(components))
        .chain(endpoints.flat_map(|it| [Document::Wsdl(it), Document::Responder(it)]))
        .map(|file| (file.in_package(), file.to_bytes(Links::Package)))
}

/// Writes the packages of every domain version, each into a folder of its own below `folder`.
pub fn write_packages(folder: &Path) -> Result<(), WriteError> {
    for domain in Core::ALL {
        for (path, bytes) in package(domain) {
            let path = folder.join(package_name(domain)).join(path);
            path.parent()
                .map_or(Ok(()), files::create_folder)
                .and_then(|()| files::put(&path, bytes))
                .map_err(|source| WriteError { path, source })?;
        }
    }
    Ok(())
}

/// The schema of a core version, with its extensions.
fn components<'a>(core: Core) -> impl Iterator<Item = Document<'a>> {
    let extensions: &[Extension] = match core {
        Core::V3 => &Extension::ALL,
        Core::V4 | Core::V5 => &[],
    };
    std::iter::once(Document::Core(core)).chain(extensions.iter().copied().map(Document::Extension))
}

/// Every schema that an endpoint's WSDL leads to.
fn schemas(endpoint: &Endpoint) -> Vec<Document<'_>> {
    [Document::Responder(endpoint), Document::Registry]
        .into_iter()
        .chain(endpoint.core.into_iter().flat_map(components))
        .collect()
}

impl Document<'_> {
    fn name(self) -> String {
        match self {
            Self::Wsdl(endpoint) => endpoint.wsdl_file(),
            Self::Responder(endpoint) => endpoint.responder_file(),
            Self::Core(core) => format!(
                "strategicresourcemanagement_persons_person_{}.xsd",
                xsd::core_version(core)
            ),
            Self::Extension(extension) => format!(
                "strategicresourcemanagement_persons_person_ext_{}.xsd",
                extension.version()
            ),
            Self::Registry => "itintegration_registry_1.0.xsd".to_owned(),
        }
    }

    fn in_package(self) -> String {
        match self {
            Self::Wsdl(endpoint) | Self::Responder(endpoint) => {
                format!("schemas/interactions/{}/{}", endpoint.folder(), self.name())
            }
            _ => format!("schemas/core_components/{}", self.name()),
        }
    }

    /// The path from the WSDL's folder.
    fn relative_to_wsdl(self) -> String {
        match self {
            Self::Wsdl(_) | Self::Responder(_) => self.name(),
            _ => format!("../../core_components/{}", self.name()),
        }
    }

    /// The path from another schema among the core components.
    fn relative_to_components(self) -> String {
        self.name()
    }

    fn to_bytes(self, links: Links) -> Vec<u8> {
        self.root(links).to_bytes()
    }

    /// The root of the file.
    fn root(self, links: Links) -> Element {
        match self {
            Self::Wsdl(endpoint) => wsdl::file(endpoint, links, wsdl::NO_ADDRESS),
            Self::Responder(endpoint) => xsd::responder(endpoint, links),
            Self::Core(core) => xsd::core(core, links),
            Self::Extension(extension) => xsd::extension(extension, links),
            Self::Registry => xsd::registry(),
        }
    }
}

impl Links {
    /// How a file in the WSDL's folder refers to `target`, when it has to say where that is.
    fn relative_to_wsdl(self, target: Document<'_>) -> Option<String> {
        match self {
            Self::Package => Some(target.relative_to_wsdl()),
            Self::Served => Some(served(target)),
            Self::Inline => None,
        }
    }

    /// How a core component refers to another one.
    fn relative_to_components(self, target: Document<'_>) -> Option<String> {
        match self {
            Self::Package => Some(target.relative_to_components()),
            Self::Served => Some(served(target)),
            Self::Inline => None,
        }
    }
}

/// Every file is served at the same URL, so one form does for all.
fn served(target: Document<'_>) -> String {
    format!("{PATH_LAST}?xsd={}", target.name())
}

#[cfg(test)]
mod tests {
    use super::super::contract::find;
    use super::*;

    const ADDRESS: &str = "https://pu.example/vp/x?a=1&b=\"2\"";

    fn served(contract: &str, major: u8, wanted: Wanted<'_>) -> Option<String> {
        let bytes = document(find(contract, major).unwrap(), wanted, ADDRESS)?;
        Some(String::from_utf8(bytes).unwrap())
    }

    /// The targets of every import in a schema or WSDL.
    fn locations(text: &str) -> Vec<&str> {
        text.split("schemaLocation=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect()
    }

    #[test]
    fn every_served_link_is_served() {
        for endpoint in &ENDPOINTS {
            let mut open = vec![Wanted::Wsdl];
            let mut texts = Vec::new();
            let mut seen = std::collections::BTreeSet::new();
            while let Some(wanted) = open.pop() {
                let text = served(endpoint.contract, endpoint.major, wanted)
                    .unwrap_or_else(|| panic!("{}: {wanted:?}", endpoint.contract));
                texts.push(text);
                for link in locations(texts.last().unwrap()) {
                    let path = link.strip_prefix("rivtabp21?xsd=").unwrap().to_owned();
                    assert!(!path.contains('/'), "{path}");
                    if seen.insert(path.clone()) {
                        open.push(Wanted::Xsd(path.leak()));
                    }
                }
            }
            assert_eq!(seen.len(), schemas(endpoint).len(), "{}", endpoint.contract);
        }
    }

    /// node-soap built the body out of the first part, which was the header's.
    #[test]
    fn a_served_wsdl_names_the_body_first_and_the_package_the_header() {
        for endpoint in &ENDPOINTS {
            let is_body_first = |text: &str| {
                let header = text.find("<wsdl:part name=\"LogicalAddress\"").unwrap();
                text.find("<wsdl:part name=\"parameters\"").unwrap() < header
            };
            let text = served(endpoint.contract, endpoint.major, Wanted::Wsdl).unwrap();
            assert!(is_body_first(&text), "{text}");
            assert!(text.contains("<!-- The official file"), "{text}");
            let official = Document::Wsdl(endpoint).to_bytes(Links::Package);
            let official = String::from_utf8(official).unwrap();
            assert!(!is_body_first(&official), "{official}");
            assert!(!official.contains("<!--"), "{official}");
        }
    }

    #[test]
    fn a_single_wsdl_holds_every_schema_and_looks_for_none() {
        for endpoint in &ENDPOINTS {
            let text = served(endpoint.contract, endpoint.major, Wanted::SingleWsdl).unwrap();
            assert_eq!(locations(&text), Vec::<&str>::new());
            let held: Vec<&str> = text.split("<xs:schema ").skip(1).collect();
            assert_eq!(held.len(), schemas(endpoint).len(), "{}", endpoint.contract);
            for import in text.split("<xs:import namespace=\"").skip(1) {
                let wanted = format!("targetNamespace=\"{}\"", import.split('"').next().unwrap());
                assert!(held.iter().any(|it| it.contains(&wanted)), "{wanted}");
            }
            assert!(text.contains("<!-- The official file"), "{text}");
        }
    }

    #[test]
    fn a_schema_is_served_by_its_path_in_the_package_too() {
        let name = "strategicresourcemanagement_persons_person_ext_3.1.xsd";
        let path = format!("../../core_components/{name}");
        let by = |path| served("GetPersonsForProfile", 3, Wanted::Xsd(path)).unwrap();
        assert_eq!(by(&path), by(name));
    }

    #[test]
    fn a_path_outside_the_endpoints_own_files_is_not_served() {
        for path in [
            "",
            "/etc/passwd",
            "../../../Cargo.toml",
            "../../core_components/../core_components/itintegration_registry_1.0.xsd",
            "../../core_components/strategicresourcemanagement_persons_person_4.0.xsd",
            "GetPersonsForProfileUnrestrictedResponder_5.0.xsd",
            "GetPersonsForProfileInteraction_5.0_RIVTABP21.wsdl",
            "GetPersonsForProfileResponder_5.0.xsd ",
        ] {
            assert_eq!(
                served("GetPersonsForProfile", 5, Wanted::Xsd(path)),
                None,
                "{path}"
            );
        }
    }

    #[test]
    fn the_address_is_escaped() {
        let text = served("UpdatePerson", 5, Wanted::Wsdl).unwrap();
        assert!(
            text.contains("location=\"https://pu.example/vp/x?a=1&amp;b=&quot;2&quot;\""),
            "{text}"
        );
    }

    #[test]
    fn a_package_holds_every_file_its_links_lead_to() {
        for (domain, endpoints, components) in
            [(Core::V3, 14, 5), (Core::V4, 14, 6), (Core::V5, 14, 2)]
        {
            let files: std::collections::BTreeMap<_, _> = package(domain).collect();
            assert_eq!(files.len(), endpoints * 2 + components, "{domain:?}");
            for (path, bytes) in &files {
                let folder = path.rsplit_once('/').unwrap().0;
                for link in locations(std::str::from_utf8(bytes).unwrap()) {
                    let target = match link.strip_prefix("../../core_components/") {
                        Some(name) => format!("schemas/core_components/{name}"),
                        None => format!("{folder}/{link}"),
                    };
                    assert!(files.contains_key(&target), "{path} -> {link}");
                }
            }
        }
    }
}

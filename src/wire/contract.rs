//! The contracts: fourteen, in thirty-five endpoints (contract and major version). A row says which
//! messages an endpoint takes and gives, over which core types, and in which domain packages it is;
//! every name on the wire follows from it by one pattern.
//!
//! The major version of a contract is not that of its core types: it only moves when the contract
//! changes. GetPersonsForProfile/4 has core 4, GetPersonContactInformation/4 has core 5.

use super::message as m;
use crate::person::schema::{ComplexType, Core, Extension, Versions};

/// The logical address of the national service.
pub const LOGICAL_ADDRESS_NATIONAL: &str = "SE165565594230-1000";

/// The namespace of the SOAP header's `LogicalAddress`.
pub const REGISTRY_NAMESPACE: &str = "urn:riv:itintegration:registry:1";

/// What every path of a service begins with.
pub const PATH_PREFIX: &str = "/vp/strategicresourcemanagement/persons/person/";

/// The last segment of every path: the profile of the transport, RIV-TA basic profile 2.1.
pub const PATH_LAST: &str = "rivtabp21";

const DOMAIN: &str = "urn:riv:strategicresourcemanagement:persons:person";

/// What a contract does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Reads persons by identity.
    GetPersons,
    /// Finds persons by a query.
    SearchPersons,
    /// Orders a file of the persons a query finds.
    SearchPersonsByOrder,
    /// Fetches the files of an order.
    GetFiles,
    /// Reads a person's contact details.
    GetContactInformation,
    /// Replaces a person's contact details.
    UpdateContactInformation,
    /// Issues or changes a reserve identity.
    UpdatePerson,
    /// Links two identities of one person.
    Link,
    /// Takes a link away.
    Unlink,
}

/// One contract in one major version: what has a URL of its own.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The contract's name.
    pub contract: &'static str,
    /// Its major version.
    pub major: u8,
    /// Its version in full, for instance `3.3`.
    pub version: &'static str,
    /// The core types its messages are made of. None: it declares what it needs in its own
    /// namespace (GetFilesForOrderId/4).
    pub core: Option<Core>,
    /// The domain versions whose packages contain it.
    pub domains: Versions,
    /// Whether it also delivers what is kept from a protected person's record.
    pub unrestricted: bool,
    /// What it does.
    pub operation: Operation,
    /// The type of its request.
    pub request: &'static ComplexType,
    /// The type of its answer.
    pub response: &'static ComplexType,
}

/// The two messages of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message {
    /// From the consumer.
    Request,
    /// To the consumer.
    Response,
}

impl Message {
    /// Both, the request first.
    pub const ALL: [Self; 2] = [Self::Request, Self::Response];
}

/// The namespace of a core version's types.
pub const fn core_namespace(core: Core) -> &'static str {
    match core {
        Core::V3 => "urn:riv:strategicresourcemanagement:persons:person:3",
        Core::V4 => "urn:riv:strategicresourcemanagement:persons:person:4",
        Core::V5 => "urn:riv:strategicresourcemanagement:persons:person:5",
    }
}

/// The namespace of what a minor version of domain 3 added.
pub const fn extension_namespace(extension: Extension) -> &'static str {
    match extension {
        Extension::E31 => "urn:riv:strategicresourcemanagement:persons:person:3.1",
        Extension::E32 => "urn:riv:strategicresourcemanagement:persons:person:3.2",
        Extension::E33 => "urn:riv:strategicresourcemanagement:persons:person:3.3",
    }
}

struct Contract {
    name: &'static str,
    unrestricted: bool,
    operation: Operation,
    request: &'static ComplexType,
    response: &'static ComplexType,
    /// The latest version of major 3.
    latest_3: &'static str,
    later: &'static [Later],
}

/// The versions after major 3.
struct Later {
    major: u8,
    version: &'static str,
    core: Option<Core>,
    domains: Versions,
}

const fn later(major: u8, version: &'static str, core: Option<Core>, domains: Versions) -> Later {
    Later {
        major,
        version,
        core,
        domains,
    }
}

/// A contract that changed with every domain version.
static ALWAYS_NEW: &[Later] = &[
    later(4, "4.0", Some(Core::V4), Versions::V4),
    later(5, "5.0", Some(Core::V5), Versions::FROM_V5),
];

/// A contract that domain 4 left alone.
static KEPT_BY_4: &[Later] = &[later(4, "4.0", Some(Core::V5), Versions::FROM_V5)];

/// As before, and its successor uses no core types.
static KEPT_BY_4_THEN_ALONE: &[Later] = &[later(4, "4.0", None, Versions::FROM_V5)];

macro_rules! contracts {
    ($($name:literal $access:ident $operation:ident $request:ident $response:ident $latest_3:literal $later:ident;)*) => {
        static CONTRACTS: &[Contract] = &[$(Contract {
            name: $name,
            unrestricted: contracts!(@ $access),
            operation: Operation::$operation,
            request: &m::$request,
            response: &m::$response,
            latest_3: $latest_3,
            later: $later,
        }),*];
    };
    (@ restricted) => { false };
    (@ unrestricted) => { true };
}

contracts! {
    "GetPersonsForProfile" restricted GetPersons GET_PERSONS GET_PERSONS_RESPONSE "3.3" ALWAYS_NEW;
    "GetPersonsForProfileUnrestricted" unrestricted GetPersons GET_PERSONS GET_PERSONS_RESPONSE "3.3" ALWAYS_NEW;
    "SearchPersonsForProfile" restricted SearchPersons SEARCH_PERSONS SEARCH_PERSONS_RESPONSE "3.3" ALWAYS_NEW;
    "SearchPersonsForProfileUnrestricted" unrestricted SearchPersons SEARCH_PERSONS SEARCH_PERSONS_RESPONSE "3.3" ALWAYS_NEW;
    "SearchPersonsForProfileByOrder" restricted SearchPersonsByOrder SEARCH_PERSONS SEARCH_PERSONS_BY_ORDER_RESPONSE "3.2" ALWAYS_NEW;
    "SearchPersonsForProfileByOrderUnrestricted" unrestricted SearchPersonsByOrder SEARCH_PERSONS SEARCH_PERSONS_BY_ORDER_RESPONSE "3.2" ALWAYS_NEW;
    "GetFilesForOrderId" restricted GetFiles GET_FILES GET_FILES_RESPONSE "3.0" KEPT_BY_4_THEN_ALONE;
    "GetPersonContactInformation" restricted GetContactInformation GET_CONTACT GET_CONTACT_RESPONSE "3.1" KEPT_BY_4;
    "GetPersonContactInformationUnrestricted" unrestricted GetContactInformation GET_CONTACT GET_CONTACT_RESPONSE "3.1" KEPT_BY_4;
    "UpdatePersonContactInformation" restricted UpdateContactInformation UPDATE_CONTACT UPDATE_CONTACT_RESPONSE "3.1" KEPT_BY_4;
    "UpdatePersonContactInformationUnrestricted" unrestricted UpdateContactInformation UPDATE_CONTACT UPDATE_CONTACT_UNRESTRICTED_RESPONSE "3.1" KEPT_BY_4;
    "UpdatePerson" restricted UpdatePerson UPDATE_PERSON UPDATE_PERSON_RESPONSE "3.3" ALWAYS_NEW;
    "LinkPersonIdentity" restricted Link LINK LINK_RESPONSE "3.0" KEPT_BY_4;
    "UnlinkPersonIdentity" restricted Unlink UNLINK UNLINK_RESPONSE "3.0" KEPT_BY_4;
}

const fn count() -> usize {
    let mut count = 0;
    let mut at = 0;
    while at < CONTRACTS.len() {
        count += 1 + CONTRACTS[at].later.len();
        at += 1;
    }
    count
}

/// How many endpoints there are.
pub const ENDPOINT_COUNT: usize = count();

/// Every endpoint: by contract, and each contract's versions oldest first.
pub static ENDPOINTS: [Endpoint; ENDPOINT_COUNT] = endpoints();

const fn endpoints() -> [Endpoint; ENDPOINT_COUNT] {
    let mut rows = [oldest(&CONTRACTS[0]); ENDPOINT_COUNT];
    let mut row = 0;
    let mut at = 0;
    while at < CONTRACTS.len() {
        let contract = &CONTRACTS[at];
        rows[row] = oldest(contract);
        row += 1;
        let mut later = 0;
        while later < contract.later.len() {
            let release = &contract.later[later];
            rows[row] = Endpoint {
                major: release.major,
                version: release.version,
                core: release.core,
                domains: release.domains,
                ..oldest(contract)
            };
            row += 1;
            later += 1;
        }
        at += 1;
    }
    rows
}

/// The contract's major 3, which domain 4 also has unless it has its own.
const fn oldest(contract: &Contract) -> Endpoint {
    Endpoint {
        contract: contract.name,
        major: 3,
        version: contract.latest_3,
        core: Some(Core::V3),
        domains: if contract.later[0].domains.has(Core::V4) {
            Versions::V3
        } else {
            Versions::TO_V4
        },
        unrestricted: contract.unrestricted,
        operation: contract.operation,
        request: contract.request,
        response: contract.response,
    }
}

/// The endpoint of a contract's major version.
pub fn find(contract: &str, major: u8) -> Option<&'static Endpoint> {
    ENDPOINTS
        .iter()
        .find(|endpoint| endpoint.contract == contract && endpoint.major == major)
}

/// The endpoint at a URL's path.
pub fn find_path(path: &str) -> Option<&'static Endpoint> {
    let (contract, rest) = path.strip_prefix(PATH_PREFIX)?.split_once('/')?;
    let major = rest.strip_suffix(PATH_LAST)?.strip_suffix('/')?;
    match major.as_bytes() {
        [digit @ b'0'..=b'9'] => find(contract, digit - b'0'),
        _ => None,
    }
}

impl Endpoint {
    /// The version whose rows hold for its messages. An endpoint without core types of its own
    /// follows the newest.
    pub const fn rows_of(&self) -> Core {
        match self.core {
            Some(core) => core,
            None => Core::V5,
        }
    }

    /// The type of one of its messages.
    pub const fn message(&self, message: Message) -> &'static ComplexType {
        match message {
            Message::Request => self.request,
            Message::Response => self.response,
        }
    }

    /// The name of a message's root element.
    pub fn element(&self, message: Message) -> String {
        match message {
            Message::Request => self.contract.to_owned(),
            Message::Response => format!("{}Response", self.contract),
        }
    }

    /// The name of a message's type in the Responder schema.
    pub fn type_name(&self, message: Message) -> String {
        format!("{}Type", self.element(message))
    }

    /// The namespace of the messages' root elements and of the elements directly below them.
    pub fn responder_namespace(&self) -> String {
        format!("{DOMAIN}:{}Responder:{}", self.contract, self.major)
    }

    /// The namespace of the elements further down: the core types', or the messages' own.
    pub fn types_namespace(&self) -> String {
        self.core.map_or_else(
            || self.responder_namespace(),
            |core| core_namespace(core).to_owned(),
        )
    }

    /// The target namespace of the WSDL.
    pub fn wsdl_namespace(&self) -> String {
        format!("{DOMAIN}:{}:{}:{PATH_LAST}", self.contract, self.major)
    }

    /// The SOAP action, without the quotation marks it has in the header.
    pub fn soap_action(&self) -> String {
        format!("{}:{}", self.responder_namespace(), self.contract)
    }

    /// The path of the service's URL.
    pub fn path(&self) -> String {
        format!("{PATH_PREFIX}{}/{}/{PATH_LAST}", self.contract, self.major)
    }

    /// The folder of its files in a package, below `schemas/interactions`.
    pub fn folder(&self) -> String {
        format!("{}Interaction", self.contract)
    }

    /// The name of its WSDL file.
    pub fn wsdl_file(&self) -> String {
        format!(
            "{}Interaction_{}_RIVTABP21.wsdl",
            self.contract, self.version
        )
    }

    /// The name of its Responder schema file.
    pub fn responder_file(&self) -> String {
        format!("{}Responder_{}.xsd", self.contract, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_endpoint_and_nothing_else_does() {
        for endpoint in &ENDPOINTS {
            let found = find_path(&endpoint.path()).expect("the endpoint");
            assert_eq!(
                (found.contract, found.major),
                (endpoint.contract, endpoint.major)
            );
        }
        for path in [
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/6/rivtabp21",
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/05/rivtabp21",
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/5/rivtabp20",
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/5rivtabp21",
            "/vp/strategicresourcemanagement/persons/person/GetPersonsForProfile/5/rivtabp21/",
            "/vp/strategicresourcemanagement/persons/person/rivtabp21",
            "/GetPersonsForProfile/5/rivtabp21",
            "",
        ] {
            assert!(find_path(path).is_none(), "{path}");
        }
    }

    #[test]
    fn the_major_version_does_not_tell_the_core() {
        let core = |contract, major| find(contract, major).map(|endpoint| endpoint.core);
        assert_eq!(core("GetPersonsForProfile", 4), Some(Some(Core::V4)));
        assert_eq!(core("GetPersonContactInformation", 4), Some(Some(Core::V5)));
        assert_eq!(core("GetFilesForOrderId", 4), Some(None));
        assert_eq!(core("GetPersonContactInformation", 5), None);
    }
}

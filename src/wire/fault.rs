//! What a caller is told when a request fails: the one place where errors become SOAP faults. The
//! wording is fixed, Swedish, and holds nothing of what was sent.
//!
//! Sources: SOAP 1.1 section 4.4, WS-I Basic Profile 1.1 (HTTP 500), Inera's page "Svarskoder och
//! felmeddelanden", TKB 5.1 (technical errors carry a log id).

use uuid::Uuid;

use super::request::{Expected, RequestError};
use crate::base::limits;
use crate::person::value::ValueError;

/// The fault codes of SOAP 1.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FaultCode {
    /// Another version of the envelope.
    VersionMismatch,
    /// A header block that is not understood.
    MustUnderstand,
    /// The request is wrong.
    Client,
    /// The service failed.
    Server,
}

impl FaultCode {
    const fn name(self) -> &'static str {
        match self {
            Self::VersionMismatch => "VersionMismatch",
            Self::MustUnderstand => "MustUnderstand",
            Self::Client => "Client",
            Self::Server => "Server",
        }
    }
}

/// Why a well-formed request to a read contract is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More identities than a request may hold.
    #[error("more than {max} identities", max = limits::IDENTITIES_PER_REQUEST)]
    TooManyIdentities,
    /// A profile that the schema reserves.
    #[error("a reserved profile")]
    ReservedProfile,
    /// An identity without extension or under a root that is not known, by its place from 1.
    #[error("identity {0} is of an unknown type")]
    UnknownRoot(usize),
    /// An identity whose value breaks the format of its root, by its place from 1.
    #[error("identity {0} is malformed")]
    MalformedIdentity(usize),
    /// The contract is described but not served yet.
    #[error("the contract is not served")]
    NotServed,
}

/// A SOAP fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code.
    pub code: FaultCode,
    /// The text for the caller.
    pub text: String,
}

impl Fault {
    fn client(text: impl Into<String>) -> Self {
        Self {
            code: FaultCode::Client,
            text: text.into(),
        }
    }

    /// A technical error: the caller learns a log id and nothing else.
    pub fn technical(log_id: Uuid) -> Self {
        let text = format!("Ett tekniskt fel har inträffat. Log-id: {log_id}");
        Self {
            code: FaultCode::Server,
            text,
        }
    }

    /// The fault as an envelope.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut text = Vec::new();
        crate::person::value::escape_into(&mut text, &self.text);
        let mut out = br#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault><faultcode>soapenv:"#.to_vec();
        out.extend_from_slice(self.code.name().as_bytes());
        out.extend_from_slice(b"</faultcode><faultstring>");
        out.extend_from_slice(&text);
        out.extend_from_slice(b"</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>");
        out
    }

    /// The fault for a request that could not be read. `logical_address` is the service's own.
    pub fn of_request(error: &RequestError, logical_address: &str) -> Self {
        let text = match error {
            RequestError::NotSoap11 => {
                return Self {
                    code: FaultCode::VersionMismatch,
                    text: "Meddelandet är inte ett SOAP 1.1-kuvert.".to_owned(),
                };
            }
            RequestError::MustUnderstand => {
                return Self {
                    code: FaultCode::MustUnderstand,
                    text: "Ett huvudblock med mustUnderstand stöds inte.".to_owned(),
                };
            }
            RequestError::Encoding => "Teckenkodningen stöds inte, eller anges olika på olika \
                 ställen. Använd UTF-8 eller UTF-16."
                .to_owned(),
            RequestError::NotXml { at } => {
                format!("Meddelandet är inte välformad XML (byte {at}).")
            }
            RequestError::Dtd => "Meddelandet får inte innehålla någon DTD.".to_owned(),
            RequestError::ProcessingInstruction => {
                "Meddelandet får inte innehålla processinstruktioner.".to_owned()
            }
            RequestError::TooComplex => format!(
                "Meddelandet har fler än {} nivåer eller {} attribut.",
                limits::XML_DEPTH,
                limits::XML_ATTRIBUTES
            ),
            RequestError::NoLogicalAddress => "Logisk adress saknas i SOAP-huvudet.".to_owned(),
            RequestError::ForeignLogicalAddress => {
                format!("Den logiska adressen är okänd. Tjänsten har adressen {logical_address}.")
            }
            RequestError::WrongOperation => {
                "Meddelandet hör inte till det tjänstekontrakt som adressen anger.".to_owned()
            }
            RequestError::Unexpected { inside, expected } => {
                format!(
                    "Meddelandet följer inte schemat: i {inside} {}.",
                    expectation(*expected)
                )
            }
            RequestError::Value { element, why } => {
                format!(
                    "Meddelandet följer inte schemat: {element} {}.",
                    reason(*why)
                )
            }
        };
        Self::client(text)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooManyIdentities => Self::client(format!(
                "Högst {} identiteter får anges i en fråga.",
                limits::IDENTITIES_PER_REQUEST
            )),
            Refusal::ReservedProfile => {
                Self::client("Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.")
            }
            Refusal::UnknownRoot(place) => Self::client(format!(
                "Identitet nummer {place} i frågan har en okänd identitetstyp (root)."
            )),
            Refusal::MalformedIdentity(place) => Self::client(format!(
                "Identitet nummer {place} i frågan följer inte formatet för sin identitetstyp."
            )),
            Refusal::NotServed => Self {
                code: FaultCode::Server,
                text: "Tjänstekontraktet är ännu inte infört i denna tjänst.".to_owned(),
            },
        }
    }
}

fn expectation(expected: Expected) -> String {
    match expected {
        Expected::Element(name) => format!("väntades {name}"),
        Expected::End => "finns ett element som inte hör dit".to_owned(),
        Expected::NoText => "finns text mellan elementen".to_owned(),
        Expected::NoElements => "finns element där ett värde väntades".to_owned(),
        Expected::NoAttributes => "finns ett attribut som inte hör dit".to_owned(),
    }
}

fn reason(why: ValueError) -> String {
    match why {
        ValueError::TooLong(most) => format!("har fler än {most} tecken"),
        ValueError::TooShort(least) => format!("har färre än {least} tecken"),
        ValueError::NotAllowed => "har ett värde som inte är tillåtet".to_owned(),
        ValueError::NotANumber => "är inte ett heltal".to_owned(),
        ValueError::OutOfRange(least, most) => format!("är inte mellan {least} och {most}"),
        ValueError::NotABoolean => "är varken true eller false".to_owned(),
        ValueError::NotADate => "är inte ett datum".to_owned(),
        ValueError::NotATime => "är inte en tidpunkt".to_owned(),
        ValueError::IllegalCharacter => "innehåller ett otillåtet tecken".to_owned(),
        ValueError::NotAnIdentity => "är inte en identitet".to_owned(),
        ValueError::WrongShape => "har fel form".to_owned(),
    }
}

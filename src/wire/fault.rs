//! What a caller is told when a request fails: the one place where errors become texts. A SOAP
//! caller gets them as a fault, a REST caller as a problem (RFC 9457). The wording is fixed, Swedish,
//! and holds nothing of what was sent.
//!
//! Sources: SOAP 1.1 section 4.4, WS-I Basic Profile 1.1 (HTTP 500), Inera's page "Svarskoder och
//! felmeddelanden", TKB 5.1 (technical errors carry a log id).

use uuid::Uuid;

use super::request::{Expected, RequestError};
use super::rest::ParameterError;
use super::result;
use super::search::Language;
use crate::base::limits;
use crate::person::record::Damaged;
use crate::person::value::ValueError;
use crate::query::search::SearchError;
use crate::register;
use crate::store::commit::CommitError;
use crate::store::log::ReadError;

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

/// Why a request is refused before its contract is looked at, or is not performed now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpRefusal {
    /// The request names a host that the plain listener is not.
    #[error("the request is for another host")]
    OtherHost,
    /// Nothing is at this address.
    #[error("no such page")]
    NoPage,
    /// A contract has no such schema.
    #[error("no such schema")]
    NoSchema,
    /// A contract has no such description.
    #[error("no such description")]
    NoDescription,
    /// Another method; these are allowed.
    #[error("the method is not one of {0}")]
    Method(&'static str),
    /// The caller takes no answer of this kind.
    #[error("the caller does not take {0}")]
    NotAcceptable(&'static str),
    /// A body that is not XML.
    #[error("the body is not XML")]
    NotXml,
    /// A body in parts that is not one message in plain bytes.
    #[error("the body is not one part that holds the message")]
    NotOnePart,
    /// A body that is not JSON.
    #[error("the body is not JSON")]
    NotJson,
    /// A body in another coding; these are taken.
    #[error("the body's coding is not one of {0}")]
    UnknownCoding(&'static str),
    /// A body that is not what its coding says.
    #[error("the body cannot be unpacked")]
    NotUnpacked,
    /// A request of HTTP/1.1 that does not say which host it is for, or says so twice.
    #[error("the request does not name one host")]
    NoHost,
    /// A body of more bytes.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// A body that took too long.
    #[error("the body came too slowly")]
    TooSlow,
    /// A body that broke off.
    #[error("the body broke off")]
    Cut,
    /// The register is being checked.
    #[error("the register is being checked")]
    Starting,
    /// The register is damaged.
    #[error("the register is damaged and not served")]
    DamagedRegister,
    /// More calls than the consumer may make.
    #[error("more calls than the consumer may make")]
    Limited,
    /// More processor time than the consumer may use; the seconds until there is some again.
    #[error("more processor time than the consumer may use")]
    Spent(u64),
    /// More calls than the service can answer in time.
    #[error("the service is overloaded")]
    Overloaded,
    /// An answer that did not come in time.
    #[error("the answer took too long")]
    NotInTime,
    /// Too many wide searches.
    #[error("too many searches are waiting")]
    Busy,
    /// Too many who follow the changes.
    #[error("too many callers wait for changes")]
    TooManyFollowers,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The SOAP request could not be read.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A REST request could not be read, or finds nobody.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The search is refused.
    #[error(transparent)]
    Search(SearchError),
    /// Refused before or beside the contract.
    #[error(transparent)]
    Http(#[from] HttpRefusal),
    /// The caller has no right to it. The text is the HSA-id of the system, when one is known.
    #[error("{who} is not allowed to do this", who = .0.as_deref().unwrap_or("somebody unknown"))]
    NotAllowed(Option<String>),
    /// The disclosure cannot be recorded, so there is none.
    #[error("the audit takes no entries")]
    NotAudited,
    /// The register is damaged.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The register takes no changes now.
    #[error("the register takes no changes: {0}")]
    ReadOnly(String),
    /// The register's rules do not allow it.
    #[error("not granted: {0}")]
    NotGranted(register::refusal::Refusal),
    /// The log cannot be read: which file, and why.
    #[error("the log: {0}")]
    Log(String),
    /// The work broke off.
    #[error("the thread at work failed")]
    Failed,
}

impl From<CommitError> for Trouble {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Busy => HttpRefusal::Busy.into(),
            CommitError::Damaged => Self::Damaged(Damaged),
            CommitError::Failed => Self::Failed,
            CommitError::Stopped | CommitError::Log(_) | CommitError::Clock(_) => {
                Self::ReadOnly(error.to_string())
            }
        }
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::Log(error.to_string())
    }
}

impl From<SearchError> for Trouble {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Damaged(damaged) => Self::Damaged(damaged),
            error => Self::Search(error),
        }
    }
}

impl Trouble {
    /// What kind it is.
    pub fn kind(&self) -> &'static Kind {
        tell(self, "", Uuid::nil()).kind
    }
}

/// A kind of trouble: what is the same of it every time.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The last part of a problem's type, `urn:pu:problem:...`.
    pub name: &'static str,
    /// A problem's title.
    pub title: &'static str,
    /// The HTTP status. SOAP faults go out with 500 whatever it is.
    pub status: u16,
    /// The SOAP fault code.
    pub code: FaultCode,
}

/// What a change is recorded as that was refused, also where the contract answers with a result.
pub const REFUSED_CHANGE: &str = NOT_GRANTED.name;

/// What the type of every problem begins with.
pub const PROBLEM_PREFIX: &str = "urn:pu:problem:";

macro_rules! kinds {
    ($($constant:ident $name:literal $status:literal $code:ident $title:literal;)*) => {
        $(static $constant: Kind = Kind {
            name: $name,
            title: $title,
            status: $status,
            code: FaultCode::$code,
        };)*
        /// Every kind.
        pub static KINDS: &[&Kind] = &[$(&$constant),*];
    };
}

kinds! {
    VERSION_MISMATCH "version-mismatch" 400 VersionMismatch "Fel version av SOAP";
    MUST_UNDERSTAND "must-understand" 400 MustUnderstand "Ett huvudblock stöds inte";
    MALFORMED_REQUEST "malformed-request" 400 Client "Begäran kan inte läsas";
    TOO_MANY_IDENTITIES "too-many-identities" 400 Client "För många identiteter";
    RESERVED_PROFILE "reserved-profile" 400 Client "Profilen är reserverad";
    MALFORMED_IDENTITY "malformed-identity" 400 Client "En identitet är fel skriven";
    INVALID_PARAMETER "invalid-parameter" 400 Client "En parameter är fel";
    INVALID_QUERY "invalid-query" 400 Client "Sökfrågan är fel";
    HIDDEN_NODE "hidden-node" 400 Client "Uppgiften visas inte i profilen";
    TOO_WIDE "too-wide" 400 Client "Sökningen är för bred";
    TOO_MANY_HITS "too-many-hits" 400 Client "För många träffar";
    NOT_ALLOWED "not-allowed" 403 Client "Obehörigt anrop";
    EXPLANATION_OFF "explanation-off" 403 Client "Förklaringar lämnas inte ut";
    HISTORY_OFF "history-off" 403 Client "Ändringshistorik lämnas inte ut";
    RESERVE_OFF "reserve-identities-off" 403 Client "Reservidentiteter lämnas inte ut";
    CHANGES_OFF "changes-off" 403 Client "Ändringar lämnas inte ut";
    UNKNOWN_PERSON "unknown-person" 404 Client "Personen finns inte";
    NOT_FOUND "not-found" 404 Client "Sidan finns inte";
    METHOD_NOT_ALLOWED "method-not-allowed" 405 Client "Metoden stöds inte";
    NOT_ACCEPTABLE "not-acceptable" 406 Client "Svaret kan inte ges i den form som begärs";
    TOO_SLOW "too-slow" 408 Client "Begäran kom för långsamt";
    NOT_GRANTED "not-granted" 409 Client "Ändringen kan inte göras";
    GONE "gone" 410 Client "Ändringarna finns inte längre kvar";
    TOO_LARGE "too-large" 413 Client "Begäran är för stor";
    UNSUPPORTED_MEDIA "unsupported-media" 415 Client "Innehållstypen stöds inte";
    MISDIRECTED "misdirected" 421 Client "Begäran gäller en annan tjänst";
    LIMITED "limited" 429 Client "För många anrop";
    TECHNICAL "technical" 500 Server "Tekniskt fel";
    NOT_SERVED "not-served" 501 Server "Inte infört";
    UNAVAILABLE "unavailable" 503 Server "Tjänsten svarar inte just nu";
    READ_ONLY "read-only" 503 Server "Registret tar inte emot ändringar";
    NOT_AUDITED "not-audited" 503 Server "Uppgifter lämnas inte ut just nu";
    NOT_IN_TIME "not-in-time" 503 Server "Svaret dröjde för länge";
    BUSY "busy" 503 Server "Tjänsten är upptagen";
}

/// What is said of one trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its kind.
    pub kind: &'static Kind,
    /// The text for the caller.
    pub text: String,
}

/// What a caller is told. `logical_address` is the service's own; `log_id` names the trouble in the
/// log when it is ours.
pub fn tell(trouble: &Trouble, logical_address: &str, log_id: Uuid) -> Told {
    let (kind, text) = match trouble {
        Trouble::Request(error) => of_request(error, logical_address),
        Trouble::Refused(refusal) => of_refusal(*refusal),
        Trouble::Parameter(error) => of_parameter(error),
        Trouble::Search(error) => of_search(error),
        Trouble::Http(refusal) => of_http(*refusal),
        Trouble::NotAllowed(who) => (
            &NOT_ALLOWED,
            match who {
                Some(who) => format!("Obehörigt anrop för system {who}."),
                None => "Obehörigt anrop: inget system är angivet.".to_owned(),
            },
        ),
        Trouble::NotAudited => (
            &NOT_AUDITED,
            format!("Uppgifter lämnas inte ut just nu. Log-id: {log_id}"),
        ),
        Trouble::NotGranted(refusal) => (&NOT_GRANTED, result::text(*refusal)),
        Trouble::ReadOnly(_) => (
            &READ_ONLY,
            format!("Registret tar inte emot ändringar just nu. Log-id: {log_id}"),
        ),
        // The caller learns a log id and nothing else.
        Trouble::Damaged(Damaged) | Trouble::Log(_) | Trouble::Failed => (
            &TECHNICAL,
            format!("Ett tekniskt fel har inträffat. Log-id: {log_id}"),
        ),
    };
    Told { kind, text }
}

impl Told {
    /// Whether the service is to blame.
    pub fn is_ours(&self) -> bool {
        self.kind.code == FaultCode::Server
    }

    /// As a SOAP fault in its envelope.
    pub fn to_fault(&self) -> Vec<u8> {
        let mut text = Vec::new();
        crate::person::value::escape_into(&mut text, &self.text);
        let mut out = br#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><soapenv:Fault><faultcode>soapenv:"#.to_vec();
        out.extend_from_slice(self.kind.code.name().as_bytes());
        out.extend_from_slice(b"</faultcode><faultstring>");
        out.extend_from_slice(&text);
        out.extend_from_slice(b"</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>");
        out
    }

    /// As a problem. One of ours carries the log id as its instance.
    pub fn to_problem(&self, log_id: Uuid) -> Vec<u8> {
        let mut problem = serde_json::json!({
            "type": format!("{PROBLEM_PREFIX}{}", self.kind.name),
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.text,
        });
        if self.kind.status == 500 {
            problem["instance"] = format!("urn:uuid:{log_id}").into();
        }
        problem.to_string().into_bytes()
    }
}

fn of_request(error: &RequestError, logical_address: &str) -> (&'static Kind, String) {
    let text = match error {
        RequestError::NotSoap11 => {
            let text = "Meddelandet är inte ett SOAP 1.1-kuvert.";
            return (&VERSION_MISMATCH, text.to_owned());
        }
        RequestError::MustUnderstand => {
            let text = "Ett huvudblock med mustUnderstand stöds inte.";
            return (&MUST_UNDERSTAND, text.to_owned());
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
        RequestError::Unexpected { inside, expected } => format!(
            "Meddelandet följer inte schemat: i {inside} {}.",
            expectation(*expected)
        ),
        RequestError::Value { element, why } => format!(
            "Meddelandet följer inte schemat: {element} {}.",
            reason(*why)
        ),
    };
    (&MALFORMED_REQUEST, text)
}

fn of_refusal(refusal: Refusal) -> (&'static Kind, String) {
    match refusal {
        Refusal::TooManyIdentities => (
            &TOO_MANY_IDENTITIES,
            format!(
                "Högst {} identiteter får anges i en fråga.",
                limits::IDENTITIES_PER_REQUEST
            ),
        ),
        Refusal::ReservedProfile => (
            &RESERVED_PROFILE,
            "Profilen är reserverad. Använd P1, P2, P3, P4 eller P5.".to_owned(),
        ),
        Refusal::UnknownRoot(place) => (
            &MALFORMED_IDENTITY,
            format!("Identitet nummer {place} i frågan har en okänd identitetstyp (root)."),
        ),
        Refusal::MalformedIdentity(place) => (
            &MALFORMED_IDENTITY,
            format!(
                "Identitet nummer {place} i frågan följer inte formatet för sin identitetstyp."
            ),
        ),
        Refusal::NotServed => (
            &NOT_SERVED,
            "Tjänstekontraktet är ännu inte infört i denna tjänst.".to_owned(),
        ),
    }
}

fn of_search(error: &SearchError) -> (&'static Kind, String) {
    match error {
        SearchError::UnknownLanguage => (
            &INVALID_QUERY,
            format!(
                "Frågespråket är okänt. Använd {} eller {}.",
                Language::SimpleQl.name(),
                Language::Text.name()
            ),
        ),
        SearchError::Query(error) => (&INVALID_QUERY, error.in_swedish()),
        SearchError::ShortPattern { at } => (
            &TOO_WIDE,
            format!(
                "Mönstret vid tecken {at} i sökfrågan börjar med färre än två bestämda tecken. \
                 Skriv fler tecken, eller lägg till ett villkor som avgränsar sökningen."
            ),
        ),
        SearchError::NoWords => (&INVALID_QUERY, "Sökfrågan innehåller inga ord.".to_owned()),
        SearchError::TooManyWords => (
            &INVALID_QUERY,
            format!(
                "Sökfrågan har fler än {} ord eller {} byte.",
                limits::WORDS_PER_TEXT,
                limits::TEXT_BYTES
            ),
        ),
        SearchError::HiddenNode { at, profile } => {
            let text = match profile {
                Some(profile) => format!(
                    "Uppgiften vid tecken {at} i sökfrågan visas inte i den begärda profilen. \
                     Använd lägst profil {}.",
                    profile.name()
                ),
                None => {
                    format!("Uppgiften vid tecken {at} i sökfrågan visas inte i någon profil.")
                }
            };
            (&HIDDEN_NODE, text)
        }
        SearchError::TooManyHits(most) => (
            &TOO_MANY_HITS,
            format!("Förfrågans maxgräns överskriden: fler än {most} träffar."),
        ),
        SearchError::TooWide => (
            &TOO_WIDE,
            "Sökningen är för bred. Lägg till ett villkor som avgränsar den, till exempel på \
             identitet, namn, födelsedatum, postnummer, postort, gatuadress, kommun eller \
             ändringstid (version)."
                .to_owned(),
        ),
        SearchError::TooMuchWork => (
            &TOO_WIDE,
            "Sökningen är för bred: villkoren är för många eller för omfattande för så många \
             personer. Avgränsa den, eller ställ färre villkor."
                .to_owned(),
        ),
        // What takes longer than a moment is performed elsewhere; damage is told as what it is by
        // `Trouble::from`.
        SearchError::NotAtOnce | SearchError::Damaged(Damaged) => {
            (&TECHNICAL, "Ett tekniskt fel har inträffat.".to_owned())
        }
    }
}

fn of_parameter(error: &ParameterError) -> (&'static Kind, String) {
    let invalid = |text: String| (&INVALID_PARAMETER, text);
    match *error {
        ParameterError::Unknown(None) => invalid("En parameter är okänd.".to_owned()),
        ParameterError::Unknown(Some(ref name)) => invalid(format!("Parametern {name} är okänd.")),
        ParameterError::Repeated(name) => {
            invalid(format!("Parametern {name} får anges högst en gång."))
        }
        ParameterError::Encoding => invalid("En parameter är inte procentkodad UTF-8.".to_owned()),
        ParameterError::Value { name, expected } => {
            invalid(format!("Parametern {name} ska vara {expected}."))
        }
        ParameterError::NoQuestion => invalid(
            "Sökfrågan saknas. Ange q, text eller parametrar som name och birth_date.".to_owned(),
        ),
        ParameterError::TwoQuestions => invalid(
            "Ange antingen q, text eller parametrar som name och birth_date, inte flera av dem."
                .to_owned(),
        ),
        ParameterError::Hidden { name, profile } => {
            let text = match profile {
                Some(profile) => format!(
                    "Parametern {name} frågar efter något som inte visas i den begärda profilen. \
                     Använd lägst profil {}.",
                    profile.name()
                ),
                None => {
                    format!("Parametern {name} frågar efter något som inte visas i någon profil.")
                }
            };
            (&HIDDEN_NODE, text)
        }
        ParameterError::Syntax { line, column } => (
            &MALFORMED_REQUEST,
            format!("Meddelandet är inte välformad JSON (rad {line}, tecken {column})."),
        ),
        ParameterError::RepeatedField { line, column } => (
            &MALFORMED_REQUEST,
            format!("Ett fält står två gånger i samma objekt (rad {line}, tecken {column})."),
        ),
        ParameterError::BodyEncoding => (
            &MALFORMED_REQUEST,
            "Teckenkodningen stöds inte. Använd UTF-8.".to_owned(),
        ),
        ParameterError::Body { expected } => (
            &MALFORMED_REQUEST,
            format!("Meddelandet har fel form: {expected}."),
        ),
        ParameterError::UnknownPerson => (
            &UNKNOWN_PERSON,
            "Identiteten finns inte i registret.".to_owned(),
        ),
        ParameterError::SeveralFormats(place) => invalid(format!(
            "Identitet nummer {place} finns i flera format. Ange vilket som avses med root."
        )),
        ParameterError::ExplanationOff => (
            &EXPLANATION_OFF,
            "Förklaringar av sökningar lämnas inte ut av denna tjänst.".to_owned(),
        ),
        ParameterError::HistoryOff => (
            &HISTORY_OFF,
            "Ändringshistorik lämnas inte ut av denna tjänst.".to_owned(),
        ),
        ParameterError::ReserveOff => (
            &RESERVE_OFF,
            "Reservidentiteter lämnas inte ut av denna tjänst.".to_owned(),
        ),
        ParameterError::ChangesOff => (
            &CHANGES_OFF,
            "Ändringar lämnas inte ut av denna tjänst.".to_owned(),
        ),
        ParameterError::Gone { first } => (
            &GONE,
            format!(
                "De äldsta ändringarna finns inte kvar: loggen börjar med nummer {first}. Hämta \
                 ett nytt grunduttag och fortsätt därifrån."
            ),
        ),
    }
}

/// What there is to get at a contract's address.
pub const WHAT_A_CONTRACT_HAS: &str = "Här finns ?wsdl (beskrivningen), ?singleWsdl (samma i en \
     enda fil) och ?xsd=NAMN (ett schema i den); frågor ställs med POST.";

fn of_http(refusal: HttpRefusal) -> (&'static Kind, String) {
    let (kind, text) = match refusal {
        HttpRefusal::NoPage => (&NOT_FOUND, "Sidan finns inte."),
        HttpRefusal::OtherHost => (
            &MISDIRECTED,
            "Tjänsten har inte det värdnamn som begäran anger.",
        ),
        HttpRefusal::NoSchema => (
            &NOT_FOUND,
            "Schemat finns inte. Schemanas adresser står i ?wsdl, och ?singleWsdl håller dem alla.",
        ),
        HttpRefusal::NoDescription => (&NOT_FOUND, WHAT_A_CONTRACT_HAS),
        HttpRefusal::Method(_) => (&METHOD_NOT_ALLOWED, "Metoden stöds inte här."),
        HttpRefusal::NotAcceptable(media) => {
            return (&NOT_ACCEPTABLE, format!("Svaret ges bara som {media}."));
        }
        HttpRefusal::NotXml => (
            &UNSUPPORTED_MEDIA,
            "Innehållstypen ska vara text/xml i UTF-8 eller UTF-16.",
        ),
        HttpRefusal::NotOnePart => (
            &UNSUPPORTED_MEDIA,
            "En begäran i multipart/related ska ha en enda del, som är meddelandet okodat (8bit eller \
             binary). Bilagor tas inte emot.",
        ),
        HttpRefusal::NotJson => (
            &UNSUPPORTED_MEDIA,
            "Innehållstypen ska vara application/json i UTF-8.",
        ),
        HttpRefusal::UnknownCoding(offered) => {
            return (
                &UNSUPPORTED_MEDIA,
                format!("Meddelandets kodning (Content-Encoding) stöds inte här, men: {offered}."),
            );
        }
        HttpRefusal::NotUnpacked => (
            &MALFORMED_REQUEST,
            "Meddelandet är inte packat så som det säger (Content-Encoding).",
        ),
        HttpRefusal::NoHost => (
            &MALFORMED_REQUEST,
            "Begäran ska ange ett värdnamn (Host), en gång.",
        ),
        HttpRefusal::TooLarge(most) => {
            return (&TOO_LARGE, format!("Meddelandet är större än {most} byte."));
        }
        HttpRefusal::TooSlow => (&TOO_SLOW, "Meddelandet kom för långsamt."),
        HttpRefusal::Cut => (&MALFORMED_REQUEST, "Meddelandet kom inte fram helt."),
        HttpRefusal::Starting => (&UNAVAILABLE, "Tjänsten startar."),
        HttpRefusal::DamagedRegister => (&UNAVAILABLE, "Registret är skadat och lämnas inte ut."),
        HttpRefusal::Limited => (
            &LIMITED,
            "För många anrop från systemet. Försök igen om en stund.",
        ),
        HttpRefusal::Spent(_) => (
            &LIMITED,
            "Systemets frågor har tagit för mycket processortid. Försök igen om en stund.",
        ),
        HttpRefusal::Overloaded => (
            &BUSY,
            "För många anrop till tjänsten. Försök igen om en stund.",
        ),
        HttpRefusal::NotInTime => (
            &NOT_IN_TIME,
            "Svaret dröjde för länge. Försök igen om en stund.",
        ),
        HttpRefusal::Busy => (&BUSY, "För många sökningar pågår. Försök igen om en stund."),
        HttpRefusal::TooManyFollowers => (
            &BUSY,
            "För många väntar på ändringar. Försök igen om en stund.",
        ),
    };
    (kind, text.to_owned())
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

pub(super) fn reason(why: ValueError) -> String {
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
        ValueError::UnseenCharacter => {
            "innehåller en radbrytning, en tabb eller ett annat tecken som inte syns".to_owned()
        }
        ValueError::NotAnIdentity => "är inte en identitet".to_owned(),
        ValueError::WrongShape => "har fel form".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::view::Profile;
    use crate::query::simple::error::QueryError;

    /// Every trouble there is, with the kind it is told as and how its text begins.
    fn all() -> Vec<(Trouble, &'static str, &'static str)> {
        use ParameterError as P;
        let profile = Some(Profile::P4);
        let hidden = |profile| SearchError::HiddenNode { at: 23, profile };
        let unexpected = |expected| RequestError::Unexpected {
            inside: "name",
            expected,
        };
        let mut all: Vec<(Trouble, &str, &str)> = Vec::new();
        for (error, kind, text) in [
            (
                RequestError::NotSoap11,
                "version-mismatch",
                "Meddelandet är inte ett SOAP 1.1",
            ),
            (
                RequestError::MustUnderstand,
                "must-understand",
                "Ett huvudblock",
            ),
            (
                RequestError::Encoding,
                "malformed-request",
                "Teckenkodningen",
            ),
            (
                RequestError::NotXml { at: 7 },
                "malformed-request",
                "Meddelandet är inte välformad XML (byte 7).",
            ),
            (
                RequestError::Dtd,
                "malformed-request",
                "Meddelandet får inte innehålla någon DTD.",
            ),
            (
                RequestError::ProcessingInstruction,
                "malformed-request",
                "Meddelandet får inte innehålla proc",
            ),
            (
                RequestError::TooComplex,
                "malformed-request",
                "Meddelandet har fler än 32 nivåer",
            ),
            (
                RequestError::NoLogicalAddress,
                "malformed-request",
                "Logisk adress saknas",
            ),
            (
                RequestError::ForeignLogicalAddress,
                "malformed-request",
                "Den logiska adressen är okänd. Tjänsten har adressen OURS.",
            ),
            (
                RequestError::WrongOperation,
                "malformed-request",
                "Meddelandet hör inte till",
            ),
            (
                unexpected(Expected::Element("surname")),
                "malformed-request",
                "Meddelandet följer inte schemat: i name väntades surname.",
            ),
            (
                unexpected(Expected::End),
                "malformed-request",
                "Meddelandet följer inte schemat: i name finns ett element",
            ),
            (
                RequestError::Value {
                    element: "profile",
                    why: ValueError::NotAllowed,
                },
                "malformed-request",
                "Meddelandet följer inte schemat: profile har ett",
            ),
        ] {
            all.push((error.into(), kind, text));
        }
        for (error, kind, text) in [
            (
                Refusal::TooManyIdentities,
                "too-many-identities",
                "Högst 500 identiteter",
            ),
            (
                Refusal::ReservedProfile,
                "reserved-profile",
                "Profilen är reserverad.",
            ),
            (
                Refusal::UnknownRoot(2),
                "malformed-identity",
                "Identitet nummer 2 i frågan har en okänd",
            ),
            (
                Refusal::MalformedIdentity(3),
                "malformed-identity",
                "Identitet nummer 3 i frågan följer inte",
            ),
            (
                Refusal::NotServed,
                "not-served",
                "Tjänstekontraktet är ännu inte",
            ),
        ] {
            all.push((error.into(), kind, text));
        }
        for (error, kind, text) in [
            (
                SearchError::UnknownLanguage,
                "invalid-query",
                "Frågespråket är okänt. Använd SimpleQL eller Text.",
            ),
            (
                hidden(profile),
                "hidden-node",
                "Uppgiften vid tecken 23 i sökfrågan visas inte i den begärda profilen. Använd lägst profil P4.",
            ),
            (
                hidden(None),
                "hidden-node",
                "Uppgiften vid tecken 23 i sökfrågan visas inte i någon profil.",
            ),
            (
                SearchError::Query(QueryError::Unclosed { at: 3 }),
                "invalid-query",
                "Sökfrågan är fel vid tecken 3: ",
            ),
            (
                SearchError::ShortPattern { at: 5 },
                "too-wide",
                "Mönstret vid tecken 5 i sökfrågan",
            ),
            (
                SearchError::NoWords,
                "invalid-query",
                "Sökfrågan innehåller inga ord.",
            ),
            (
                SearchError::TooManyWords,
                "invalid-query",
                "Sökfrågan har fler än 10 ord eller 400 byte.",
            ),
            (
                SearchError::TooManyHits(500),
                "too-many-hits",
                "Förfrågans maxgräns överskriden: fler än 500 träffar.",
            ),
            (
                SearchError::TooWide,
                "too-wide",
                "Sökningen är för bred. Lägg till",
            ),
            (
                SearchError::TooMuchWork,
                "too-wide",
                "Sökningen är för bred: villkoren är för många",
            ),
            (
                SearchError::Damaged(Damaged),
                "technical",
                "Ett tekniskt fel har inträffat. Log-id: 0000",
            ),
        ] {
            all.push((error.into(), kind, text));
        }
        for (error, kind, text) in [
            (
                P::Unknown(None),
                "invalid-parameter",
                "En parameter är okänd.",
            ),
            (
                P::Unknown(Some("surename".to_owned())),
                "invalid-parameter",
                "Parametern surename är okänd.",
            ),
            (
                P::RepeatedField { line: 1, column: 9 },
                "malformed-request",
                "Ett fält står två gånger i samma objekt (rad 1, tecken 9).",
            ),
            (
                P::BodyEncoding,
                "malformed-request",
                "Teckenkodningen stöds inte.",
            ),
            (
                P::Repeated("q"),
                "invalid-parameter",
                "Parametern q får anges högst en gång.",
            ),
            (
                P::Encoding,
                "invalid-parameter",
                "En parameter är inte procentkodad",
            ),
            (
                P::Value {
                    name: "gender",
                    expected: "kort",
                },
                "invalid-parameter",
                "Parametern gender ska vara kort.",
            ),
            (P::NoQuestion, "invalid-parameter", "Sökfrågan saknas."),
            (P::TwoQuestions, "invalid-parameter", "Ange antingen q"),
            (
                P::Hidden {
                    name: "city",
                    profile,
                },
                "hidden-node",
                "Parametern city frågar efter något som inte visas i den begärda",
            ),
            (
                P::Hidden {
                    name: "city",
                    profile: None,
                },
                "hidden-node",
                "Parametern city frågar efter något som inte visas i någon",
            ),
            (
                P::Syntax { line: 2, column: 3 },
                "malformed-request",
                "Meddelandet är inte välformad JSON (rad 2, tecken 3).",
            ),
            (
                P::Body {
                    expected: "x ska vara y",
                },
                "malformed-request",
                "Meddelandet har fel form: x ska vara y.",
            ),
            (P::UnknownPerson, "unknown-person", "Identiteten finns inte"),
            (
                P::SeveralFormats(2),
                "invalid-parameter",
                "Identitet nummer 2 finns i flera format.",
            ),
            (P::ExplanationOff, "explanation-off", "Förklaringar"),
            (P::HistoryOff, "history-off", "Ändringshistorik lämnas"),
            (
                P::ReserveOff,
                "reserve-identities-off",
                "Reservidentiteter lämnas inte ut",
            ),
            (P::ChangesOff, "changes-off", "Ändringar lämnas"),
            (
                P::Gone { first: 17 },
                "gone",
                "De äldsta ändringarna finns inte kvar: loggen börjar med nummer 17. Hämta",
            ),
        ] {
            all.push((error.into(), kind, text));
        }
        for (error, kind, text) in [
            (HttpRefusal::NoPage, "not-found", "Sidan finns inte."),
            (
                HttpRefusal::OtherHost,
                "misdirected",
                "Tjänsten har inte det värdnamn som begäran anger.",
            ),
            (HttpRefusal::NoSchema, "not-found", "Schemat finns inte. "),
            (
                HttpRefusal::NoDescription,
                "not-found",
                "Här finns ?wsdl (beskrivningen), ",
            ),
            (
                HttpRefusal::Method("GET"),
                "method-not-allowed",
                "Metoden stöds inte här.",
            ),
            (
                HttpRefusal::NotAcceptable("x/y"),
                "not-acceptable",
                "Svaret ges bara som x/y.",
            ),
            (
                HttpRefusal::NotXml,
                "unsupported-media",
                "Innehållstypen ska vara text/xml",
            ),
            (
                HttpRefusal::NotOnePart,
                "unsupported-media",
                "En begäran i multipart/related ska ha en enda del",
            ),
            (
                HttpRefusal::NotJson,
                "unsupported-media",
                "Innehållstypen ska vara application/json",
            ),
            (
                HttpRefusal::UnknownCoding("x, y"),
                "unsupported-media",
                "Meddelandets kodning (Content-Encoding) stöds inte här, men: x, y.",
            ),
            (
                HttpRefusal::NotUnpacked,
                "malformed-request",
                "Meddelandet är inte packat så som det säger",
            ),
            (
                HttpRefusal::NoHost,
                "malformed-request",
                "Begäran ska ange ett värdnamn (Host), en gång.",
            ),
            (
                HttpRefusal::TooLarge(9),
                "too-large",
                "Meddelandet är större än 9 byte.",
            ),
            (
                HttpRefusal::TooSlow,
                "too-slow",
                "Meddelandet kom för långsamt.",
            ),
            (
                HttpRefusal::Cut,
                "malformed-request",
                "Meddelandet kom inte fram helt.",
            ),
            (HttpRefusal::Starting, "unavailable", "Tjänsten startar."),
            (
                HttpRefusal::DamagedRegister,
                "unavailable",
                "Registret är skadat",
            ),
            (
                HttpRefusal::Limited,
                "limited",
                "För många anrop från systemet.",
            ),
            (
                HttpRefusal::Spent(9),
                "limited",
                "Systemets frågor har tagit för mycket processortid.",
            ),
            (
                HttpRefusal::Overloaded,
                "busy",
                "För många anrop till tjänsten.",
            ),
            (
                HttpRefusal::NotInTime,
                "not-in-time",
                "Svaret dröjde för länge.",
            ),
            (HttpRefusal::Busy, "busy", "För många sökningar pågår."),
            (
                HttpRefusal::TooManyFollowers,
                "busy",
                "För många väntar på ändringar.",
            ),
        ] {
            all.push((error.into(), kind, text));
        }
        all.push((
            Damaged.into(),
            "technical",
            "Ett tekniskt fel har inträffat. Log-id: 0000",
        ));
        all.push((
            Trouble::NotGranted(register::refusal::Refusal::SeriesUsedUp),
            "not-granted",
            "Det finns inga lediga",
        ));
        all.push((
            Trouble::NotAllowed(Some("SE1-A".to_owned())),
            "not-allowed",
            "Obehörigt anrop för system SE1-A.",
        ));
        all.push((
            Trouble::NotAllowed(None),
            "not-allowed",
            "Obehörigt anrop: inget system är angivet.",
        ));
        all.push((
            Trouble::NotAudited,
            "not-audited",
            "Uppgifter lämnas inte ut just nu. Log-id: 0000",
        ));
        all.push((
            Trouble::ReadOnly("x".to_owned()),
            "read-only",
            "Registret tar inte emot ändringar just nu. Log-id: 0000",
        ));
        all.push((
            Trouble::Log("x".to_owned()),
            "technical",
            "Ett tekniskt fel har inträffat. Log-id: 0000",
        ));
        all.push((
            Trouble::Failed,
            "technical",
            "Ett tekniskt fel har inträffat. Log-id: 0000",
        ));
        all
    }

    #[test]
    fn every_trouble_is_told_once_as_fault_and_problem() {
        let mut kinds = Vec::new();
        for (trouble, kind, text) in all() {
            let told = tell(&trouble, "OURS", Uuid::nil());
            assert_eq!(told.kind.name, kind, "{trouble:?}");
            assert!(told.text.starts_with(text), "{}", told.text);
            assert!(
                told.text.ends_with('.') || told.text.ends_with("000000"),
                "{}",
                told.text
            );
            let fault = String::from_utf8(told.to_fault()).unwrap();
            assert!(fault.contains(told.kind.code.name()) && fault.contains("</faultstring>"));
            let problem: serde_json::Value =
                serde_json::from_slice(&told.to_problem(Uuid::nil())).unwrap();
            assert_eq!(problem["type"], format!("urn:pu:problem:{kind}"));
            assert_eq!(problem["status"], told.kind.status);
            assert_eq!(problem["detail"], told.text);
            assert_eq!(problem.get("instance").is_some(), kind == "technical");
            assert_eq!(told.is_ours(), told.kind.status >= 500);
            kinds.push(kind);
        }
        for kind in KINDS {
            assert!(
                kinds.contains(&kind.name),
                "{} is told of nothing",
                kind.name
            );
        }
    }

    #[test]
    fn names_of_kinds_are_not_shared() {
        let mut names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KINDS.len());
    }
}

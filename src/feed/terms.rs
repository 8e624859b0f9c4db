//! The terms of Navet as one table: code in the text format, place in the XML format, and what the
//! register does with the value. Both readers and both writers know no term but these rows, so a
//! corrected code or place is a change of one row.
//!
//! Source: the Navet interface (schema V1 and the elements added since). The rows stand in the
//! schema's element order, attributes before what they belong to; the writers follow it. Where no
//! source tells a code, the row has one of the series 09000 to 09999, which Skatteverket does not
//! use: a guessed code among the real ones could make the register misread a term, an own code
//! cannot. Where no source tells an element's name or place, the row says so as well.

use std::fmt;
use std::sync::LazyLock;

use crate::person::field::Field;

/// How sure a code or a place is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Certainty {
    /// Seen in a source.
    Seen,
    /// Follows from the order of the terms around it.
    Inferred,
    /// Chosen here, because no source tells it.
    Assumed,
}

use Certainty::{Assumed, Inferred, Seen};

/// Which part of a post a term stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The post itself.
    Post,
    /// A relation.
    Relation,
    /// A citizenship.
    Citizenship,
    /// A reference to another identity.
    Reference,
    /// An earlier registration.
    History,
}

/// What becomes of a term's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rule {
    /// Whom the post is about.
    Subject,
    /// A text or a number, as the field's type demands.
    Plain,
    /// A code, where Navet's spelling (left) is the record's (right); other codes pass unchanged.
    Code(&'static [(&'static str, &'static str)]),
    /// A number where 0 means that there is none.
    PositiveNumber,
    /// A date whose parts may be unknown; zeros alone mean that there is none.
    Date,
    /// `J` or `N`.
    Truth,
    /// `J` or `N`, where anything that is neither counts as `J`: protection fails closed.
    Protection,
    /// A PNR or SNR. A birth-time number (one that ends in 0000) goes to the field beside it.
    Relative(Field),
    /// A birth-time number: a date of birth and four digits that say nothing.
    BirthTime,
    /// A PNR or SNR that is a whole reference (before references became a list).
    SingleReference,
    /// A PNR or SNR.
    Identity,
    /// A personal number of another Nordic country: an entry with this country.
    Nordic(&'static str),
    /// Skatteverket's running number of the change.
    PostId,
    /// Whether the post is the whole record: anything but `N` or nothing.
    Total,
    /// When the change was made, 14 digits.
    ChangeTime,
    /// When the post was picked out.
    NotificationDate,
    /// Known, and without a field in the record.
    Ignored,
}

/// One term.
#[derive(Debug, PartialEq, Eq)]
pub struct Term {
    /// Its code in the text format, written with five digits.
    pub code: u16,
    /// How sure the code is.
    pub certainty: Certainty,
    /// Its place in the XML format, below `Folkbokforingspost`.
    pub path: &'static str,
    /// How sure the place is.
    pub place: Certainty,
    /// The part of the post it stands in.
    pub part: Part,
    /// The field it goes to, for rules that have one.
    pub field: Option<Field>,
    /// What becomes of its value.
    pub rule: Rule,
    /// Whether the writers use it; other rows are only read.
    pub written: bool,
}

impl fmt::Display for Term {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:05} ({})", self.code, self.path)
    }
}

/// A group of terms: in the XML format an element around others, in the text format, where it has
/// codes, a pair of lines around others.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    /// The codes that begin and end it.
    pub codes: Option<(u16, u16)>,
    /// Its place in the XML format.
    pub path: &'static str,
    /// The group of fields it is, and what is cleared when it is blanked.
    pub field: Field,
    /// Whether each one is an entry of a repeating group.
    pub entry: bool,
    /// The part of the post that its terms form.
    pub part: Part,
}

const fn term(code: u16, certainty: Certainty, path: &'static str, rule: Rule) -> Term {
    Term {
        code,
        certainty,
        path,
        place: Seen,
        part: part_of(path),
        field: None,
        rule,
        written: true,
    }
}

impl Term {
    const fn to(mut self, field: &str) -> Self {
        self.field = Some(Field::at(field));
        self
    }

    const fn place_assumed(mut self) -> Self {
        self.place = Assumed;
        self
    }

    const fn only_read(mut self) -> Self {
        self.written = false;
        self
    }
}

const fn plain(code: u16, certainty: Certainty, path: &'static str, field: &str) -> Term {
    term(code, certainty, path, Rule::Plain).to(field)
}

const fn date(code: u16, certainty: Certainty, path: &'static str, field: &str) -> Term {
    term(code, certainty, path, Rule::Date).to(field)
}

/// Marks of proof were abolished in 2023 and had no code in the sources.
const fn proof(code: u16, path: &'static str, field: &str) -> Term {
    term(code, Assumed, path, Rule::Truth).to(field)
}

const fn ignored(code: u16, certainty: Certainty, path: &'static str) -> Term {
    term(code, certainty, path, Rule::Ignored)
}

const fn part_of(path: &str) -> Part {
    if begins(path, "Personpost/Relationer/Relation/") {
        Part::Relation
    } else if begins(path, "Personpost/Medborgarskap/") {
        Part::Citizenship
    } else if begins(path, "Personpost/Hanvisningar/Hanvisning") {
        Part::Reference
    } else if begins(path, "Historik/") {
        Part::History
    } else {
        Part::Post
    }
}

const fn begins(path: &str, with: &str) -> bool {
    let (path, with) = (path.as_bytes(), with.as_bytes());
    let mut at = 0;
    while at < with.len() {
        if at >= path.len() || path[at] != with[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// Widow or widower: `Ä` in Navet, `A` in the record.
const MARITAL_STATUS: Rule = Rule::Code(&[("Ä", "A")]);

/// Skatteverket's online service writes these with Swedish letters and spaces; the files' spelling
/// is not in the sources, so both are read.
const IDENTITY_STATUS: Rule = Rule::Code(&[
    ("VILANDEFÖRKLARAT", "VILANDEFORKLARAT"),
    ("VILANDEFÖRKLARAT STÄNGT", "VILANDEFORKLARAT_STANGT"),
    ("EJ AKTUELLT", "EJ_AKTUELLT"),
]);

const IDENTITY_LEVEL: Rule =
    Rule::Code(&[("OSÄKER", "OSAKER"), ("INTE TILLÄMPLIG", "INTE_TILLAMPLIG")]);

/// Every term, in the schema's order.
#[rustfmt::skip] // one row a line
pub static TERMS: &[Term] = &[
    term(1003, Seen, "Sekretessmarkering", Rule::Protection).to("protectedPersonIndicator"),
    term(1020, Seen, "SkyddadFolkbokforing", Rule::Protection).to("protectedPopulationRecord"),
    term(9002, Assumed, "Arendeuppgift/@andringstidpunkt", Rule::ChangeTime).to("populationRegistrationRecord/notificationCase/modificationTime"),
    // Real code unknown, among 01008 to 01010.
    term(9003, Assumed, "Arendeuppgift/@totalpost", Rule::Total).to("populationRegistrationRecord/notificationCase/totalRecord"),
    term(9004, Assumed, "Arendeuppgift/@utsokningsdatum", Rule::NotificationDate).to("populationRegistrationRecord/notificationCase/notificationDate"),
    term(9001, Assumed, "Arendeuppgift/PostId", Rule::PostId),
    plain(1004, Seen, "Arendeuppgift/Arendetyp", "populationRegistrationRecord/notificationCase/notificationType"),
    term(1001, Seen, "Personpost/PersonId/PersonNr", Rule::Subject),
    term(1002, Seen, "Personpost/PersonId/TilldelatPersonNrSamordningsNr", Rule::Subject),
    // The element is seen, what it holds is not: read as a bare value too.
    term(1308, Seen, "Personpost/PersonId/Identitetsstatus", IDENTITY_STATUS).to("personalIdentityStatus/identityStatus").only_read(),
    term(1308, Seen, "Personpost/PersonId/Identitetsstatus/Varde", IDENTITY_STATUS).to("personalIdentityStatus/identityStatus").place_assumed(),
    date(1309, Inferred, "Personpost/PersonId/Identitetsstatus/Datum", "personalIdentityStatus/identityStatusDate").place_assumed(),
    plain(1310, Seen, "Personpost/PersonId/Identitetsstatus/Orsak", "personalIdentityStatus/identityStatusCause").place_assumed(),
    term(1311, Seen, "Personpost/PersonId/Identitetsniva", IDENTITY_LEVEL).to("identityLevel").place_assumed(),
    date(1312, Seen, "Personpost/PersonId/Identitetsnivadatum", "identityLevelDate").place_assumed(),
    // The single reference came before the list: an entry with the status NY.
    term(1005, Seen, "Personpost/HanvisningsPersonNr", Rule::SingleReference).to("referredPersonalIdentities").only_read(),
    // As answers of the online service have it.
    term(1005, Seen, "Personpost/PersonId/Hanvisning", Rule::SingleReference).to("referredPersonalIdentities").only_read(),
    term(1005, Inferred, "Personpost/PersonId/Hanvisningar/Hanvisning", Rule::SingleReference).to("referredPersonalIdentities").only_read(),
    term(1401, Seen, "Personpost/Hanvisningar/Hanvisning", Rule::Identity).to("referredPersonalIdentities/referredPersonalIdentity").only_read(),
    plain(1402, Seen, "Personpost/Hanvisningar/Hanvisning/@status", "referredPersonalIdentities/referredPersonalIdentityStatus").place_assumed(),
    term(1401, Inferred, "Personpost/Hanvisningar/Hanvisning/HanvisningsPersonNr", Rule::Identity).to("referredPersonalIdentities/referredPersonalIdentity").place_assumed(),
    plain(1006, Seen, "Personpost/Avregistrering/AvregistreringsorsakKod", "deregistration/deregistrationReasonCode"),
    date(1007, Seen, "Personpost/Avregistrering/Avregistreringsdatum", "deregistration/deregistrationDate"),
    date(9005, Assumed, "Personpost/Avregistrering/DatumAntraffadDod", "deregistration/foundDeadAtDate").place_assumed(),
    date(9006, Assumed, "Personpost/Fodelsedatum", "birth/dateOfBirth"),
    term(1011, Seen, "Personpost/Namn/Tilltalsnamnsmarkering", Rule::PositiveNumber).to("name/givenNameIndicator"),
    proof(9012, "Personpost/Namn/Fornamn/@styrkt", "name/givenName/attested"),
    plain(1012, Seen, "Personpost/Namn/Fornamn", "name/givenName"),
    proof(9013, "Personpost/Namn/Mellannamn/@styrkt", "name/middleName/attested"),
    plain(1013, Seen, "Personpost/Namn/Mellannamn", "name/middleName"),
    proof(9014, "Personpost/Namn/Efternamn/@styrkt", "name/surname/attested"),
    plain(1014, Seen, "Personpost/Namn/Efternamn", "name/surname"),
    plain(1015, Seen, "Personpost/Namn/Aviseringsnamn", "name/notificationName"),
    date(1021, Seen, "Personpost/Folkbokforing/Folkbokforingsdatum", "populationRegistrationLocality/populationRegistrationDate"),
    plain(1022, Seen, "Personpost/Folkbokforing/LanKod", "populationRegistrationLocality/countyCode"),
    plain(1023, Seen, "Personpost/Folkbokforing/KommunKod", "populationRegistrationLocality/municipalityCode"),
    plain(1024, Inferred, "Personpost/Folkbokforing/ForsamlingKod", "populationRegistrationLocality/parishCode"),
    plain(1025, Seen, "Personpost/Folkbokforing/Fastighetsbeteckning", "populationRegistrationLocality/propertyDesignation"),
    ignored(1026, Inferred, "Personpost/Folkbokforing/Trappuppgang"),
    ignored(1027, Inferred, "Personpost/Folkbokforing/Lagenhet"),
    plain(1028, Seen, "Personpost/Folkbokforing/FiktivtNr", "populationRegistrationLocality/fictitiousPropertyNumber"),
    // The information model gives the present registration's type the code of the history group.
    plain(4008, Inferred, "Personpost/Folkbokforing/Folkbokforingstyp", "populationRegistrationLocality/populationRegistrationType"),
    plain(1031, Seen, "Personpost/Adresser/Folkbokforingsadress/CareOf", "addressInformation/residentialAddress/careOf"),
    plain(1032, Seen, "Personpost/Adresser/Folkbokforingsadress/Utdelningsadress1", "addressInformation/residentialAddress/postalAddress1"),
    plain(1033, Seen, "Personpost/Adresser/Folkbokforingsadress/Utdelningsadress2", "addressInformation/residentialAddress/postalAddress2"),
    plain(1034, Seen, "Personpost/Adresser/Folkbokforingsadress/PostNr", "addressInformation/residentialAddress/postalCode"),
    plain(1035, Seen, "Personpost/Adresser/Folkbokforingsadress/Postort", "addressInformation/residentialAddress/city"),
    plain(1045, Seen, "Personpost/Adresser/Riksnycklar/FastighetsId", "addressInformation/nationalKeys/propertyId"),
    plain(1046, Seen, "Personpost/Adresser/Riksnycklar/AdressplatsId", "addressInformation/nationalKeys/addressPlaceId"),
    plain(1047, Seen, "Personpost/Adresser/Riksnycklar/LagenhetsId", "addressInformation/nationalKeys/apartmentId"),
    plain(9045, Assumed, "Personpost/Adresser/UUID/Fastighet", "addressInformation/UUID/propertyId"),
    plain(9046, Assumed, "Personpost/Adresser/UUID/Adress", "addressInformation/UUID/addressPlaceId"),
    plain(9047, Assumed, "Personpost/Adresser/UUID/Lagenhet", "addressInformation/UUID/apartmentId"),
    plain(9048, Assumed, "Personpost/Adresser/Distrikt/Distriktskod", "addressInformation/district/districtCode"),
    plain(1051, Seen, "Personpost/Adresser/SarskildPostadress/CareOf", "addressInformation/specialPostalAddress/careOf"),
    plain(1052, Seen, "Personpost/Adresser/SarskildPostadress/Utdelningsadress1", "addressInformation/specialPostalAddress/postalAddress1"),
    plain(1053, Seen, "Personpost/Adresser/SarskildPostadress/Utdelningsadress2", "addressInformation/specialPostalAddress/postalAddress2"),
    plain(1054, Seen, "Personpost/Adresser/SarskildPostadress/PostNr", "addressInformation/specialPostalAddress/postalCode"),
    plain(1055, Seen, "Personpost/Adresser/SarskildPostadress/Postort", "addressInformation/specialPostalAddress/city"),
    plain(1071, Seen, "Personpost/Adresser/Utlandsadress/Utdelningsadress1", "addressInformation/addressAbroad/postalAddress1"),
    plain(1072, Seen, "Personpost/Adresser/Utlandsadress/Utdelningsadress2", "addressInformation/addressAbroad/postalAddress2"),
    plain(1073, Seen, "Personpost/Adresser/Utlandsadress/Utdelningsadress3", "addressInformation/addressAbroad/postalAddress3"),
    plain(1077, Seen, "Personpost/Adresser/Utlandsadress/Land", "addressInformation/addressAbroad/countryCode"),
    date(9078, Assumed, "Personpost/Adresser/Utlandsadress/Utlandsadressdatum", "addressInformation/addressAbroad/addressAbroadDate"),
    date(9079, Assumed, "Personpost/Adresser/Utlandsadress/Rostrattsdatum", "addressInformation/addressAbroad/votingDate"),
    term(1081, Seen, "Personpost/Civilstand/CivilstandKod", MARITAL_STATUS).to("maritalStatus/maritalStatusCode"),
    date(1082, Seen, "Personpost/Civilstand/Civilstandsdatum", "maritalStatus/maritalStatusDate"),
    plain(1091, Seen, "Personpost/Fodelse/HemortSverige/FodelselanKod", "birth/placeOfBirthSweden/birthCountyCode"),
    plain(1092, Seen, "Personpost/Fodelse/HemortSverige/Fodelseforsamling", "birth/placeOfBirthSweden/birthParish"),
    proof(9093, "Personpost/Fodelse/OrtUtlandet/FodelseortUtland/@styrkt", "birth/birthAbroad/placeOfBirthAbroad/attested"),
    plain(1093, Seen, "Personpost/Fodelse/OrtUtlandet/FodelseortUtland", "birth/birthAbroad/placeOfBirthAbroad"),
    plain(1094, Seen, "Personpost/Fodelse/OrtUtlandet/Fodelseland", "birth/birthAbroad/countryOfBirth"),
    date(1101, Seen, "Personpost/Invandring/Invandringsdatum", "immigration/immigrationDate"),
    term(9102, Assumed, "Personpost/Invandring/Uppehallsratt", Rule::Truth).to("immigration/rightOfResidence").place_assumed(),
    term(9103, Assumed, "Personpost/Invandring/NordisktPnrDa", Rule::Nordic("DK")).to("immigration/immigrationIdentity").place_assumed(),
    term(9104, Assumed, "Personpost/Invandring/NordisktPnrFi", Rule::Nordic("FI")).to("immigration/immigrationIdentity").place_assumed(),
    term(9105, Assumed, "Personpost/Invandring/NordisktPnrFo", Rule::Nordic("FO")).to("immigration/immigrationIdentity").place_assumed(),
    term(9106, Assumed, "Personpost/Invandring/NordisktPnrIs", Rule::Nordic("IS")).to("immigration/immigrationIdentity").place_assumed(),
    term(9107, Assumed, "Personpost/Invandring/NordisktPnrNo", Rule::Nordic("NO")).to("immigration/immigrationIdentity").place_assumed(),
    plain(2008, Seen, "Personpost/Relationer/Relation/@status", "relationship/status"),
    term(2001, Seen, "Personpost/Relationer/Relation/RelationId/PersonNr", Rule::Relative(Field::at("relationship/relationshipId/dateOfBirth"))).to("relationship/relationshipId/personalIdentity"),
    term(2002, Seen, "Personpost/Relationer/Relation/RelationId/FodelsetidNr", Rule::BirthTime).to("relationship/relationshipId/dateOfBirth"),
    plain(2003, Seen, "Personpost/Relationer/Relation/Relationstyp", "relationship/relationshipType"),
    date(2004, Inferred, "Personpost/Relationer/Relation/RelationFromdatum", "relationship/relationshipFromDate"),
    date(9204, Assumed, "Personpost/Relationer/Relation/RelationTomdatum", "relationship/relationshipToDate"),
    term(9211, Assumed, "Personpost/Relationer/Relation/Namn/Tilltalsnamnsmarkering", Rule::PositiveNumber).to("relationship/name/givenNameIndicator"),
    proof(9212, "Personpost/Relationer/Relation/Namn/Fornamn/@styrkt", "relationship/name/givenName/attested"),
    plain(2005, Seen, "Personpost/Relationer/Relation/Namn/Fornamn", "relationship/name/givenName"),
    proof(9213, "Personpost/Relationer/Relation/Namn/Mellannamn/@styrkt", "relationship/name/middleName/attested"),
    plain(2006, Seen, "Personpost/Relationer/Relation/Namn/Mellannamn", "relationship/name/middleName"),
    proof(9214, "Personpost/Relationer/Relation/Namn/Efternamn/@styrkt", "relationship/name/surname/attested"),
    plain(2007, Seen, "Personpost/Relationer/Relation/Namn/Efternamn", "relationship/name/surname"),
    plain(9215, Assumed, "Personpost/Relationer/Relation/Namn/Aviseringsnamn", "relationship/name/notificationName"),
    plain(9206, Assumed, "Personpost/Relationer/Relation/Avregistrering/AvregistreringsorsakKod", "relationship/deregistration/deregistrationReasonCode"),
    date(9207, Assumed, "Personpost/Relationer/Relation/Avregistrering/Avregistreringsdatum", "relationship/deregistration/deregistrationDate"),
    date(9205, Assumed, "Personpost/Relationer/Relation/Avregistrering/DatumAntraffadDod", "relationship/deregistration/foundDeadAtDate").place_assumed(),
    plain(3003, Seen, "Personpost/Medborgarskap/@status", "citizenship/status"),
    proof(9301, "Personpost/Medborgarskap/MedborgarskapslandKod/@styrkt", "citizenship/citizenshipCountryCode/attested"),
    plain(3001, Seen, "Personpost/Medborgarskap/MedborgarskapslandKod", "citizenship/citizenshipCountryCode"),
    date(3002, Seen, "Personpost/Medborgarskap/Medborgarskapsdatum", "citizenship/citizenshipDate"),
    // The element is seen; the names in it follow Skatteverket's online service.
    date(9321, Assumed, "Personpost/Samordningsnummeruppgifter/Tilldelningsdatum", "coOrdinationNumberData/allocationDate").place_assumed(),
    date(9322, Assumed, "Personpost/Samordningsnummeruppgifter/PreliminartVilandeforklaringsdatum", "coOrdinationNumberData/preliminaryTransferDate").place_assumed(),
    date(9323, Assumed, "Personpost/Samordningsnummeruppgifter/Fornyelsedatum", "coOrdinationNumberData/renewalDate").place_assumed(),
    date(9324, Assumed, "Personpost/Samordningsnummeruppgifter/DatumAvliden", "coOrdinationNumberData/deceasedDate").place_assumed(),
    date(4001, Inferred, "Historik/Folkbokforing/Folkbokforingsdatum", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/populationRegistrationDate"),
    plain(4002, Inferred, "Historik/Folkbokforing/LanKod", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/countyCode"),
    plain(4003, Inferred, "Historik/Folkbokforing/KommunKod", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/municipalityCode"),
    plain(4004, Inferred, "Historik/Folkbokforing/ForsamlingKod", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/parishCode"),
    plain(4005, Inferred, "Historik/Folkbokforing/Fastighetsbeteckning", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/propertyDesignation"),
    ignored(4006, Inferred, "Historik/Folkbokforing/Trappuppgang"),
    ignored(4007, Inferred, "Historik/Folkbokforing/Lagenhet"),
    plain(9408, Assumed, "Historik/Folkbokforing/FiktivtNr", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/fictitiousPropertyNumber"),
    plain(4008, Seen, "Historik/Folkbokforing/Folkbokforingstyp", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality/populationRegistrationType"),
    plain(9431, Assumed, "Historik/Folkbokforingsadress/CareOf", "populationRegistrationRecord/historicalRecords/historicalAddress/careOf"),
    plain(9432, Assumed, "Historik/Folkbokforingsadress/Utdelningsadress1", "populationRegistrationRecord/historicalRecords/historicalAddress/postalAddress1"),
    plain(9433, Assumed, "Historik/Folkbokforingsadress/Utdelningsadress2", "populationRegistrationRecord/historicalRecords/historicalAddress/postalAddress2"),
    plain(9434, Assumed, "Historik/Folkbokforingsadress/PostNr", "populationRegistrationRecord/historicalRecords/historicalAddress/postalCode"),
    plain(9435, Assumed, "Historik/Folkbokforingsadress/Postort", "populationRegistrationRecord/historicalRecords/historicalAddress/city"),
    // Special orders: facts about events, which the record has no fields for. In the text format
    // they are the codes 05000 to 06999.
    ignored(5001, Seen, "Sarlosning"),
];

/// The codes of special orders, which are all ignored.
const SPECIAL_ORDERS: std::ops::RangeInclusive<u16> = 5000..=6999;

const fn entry(start: u16, end: u16, path: &'static str, field: &str, part: Part) -> Group {
    Group {
        codes: Some((start, end)),
        path,
        field: Field::at(field),
        entry: true,
        part,
    }
}

const fn group(path: &'static str, field: &str) -> Group {
    Group {
        codes: None,
        path,
        field: Field::at(field),
        entry: false,
        part: Part::Post,
    }
}

/// The groups that are entries, and those that can be blanked as a whole because they are a whole
/// group of the record. Any other element around terms is blanked term by term.
#[rustfmt::skip] // one row a line
pub static GROUPS: &[Group] = &[
    group("Personpost/PersonId/Identitetsstatus", "personalIdentityStatus"),
    group("Personpost/Hanvisningar", "referredPersonalIdentities"),
    // The end code is assumed; a term that is no reference ends the group as well.
    entry(1400, 1499, "Personpost/Hanvisningar/Hanvisning", "referredPersonalIdentities", Part::Reference),
    group("Personpost/Avregistrering", "deregistration"),
    group("Personpost/Namn", "name"),
    group("Personpost/Folkbokforing", "populationRegistrationLocality"),
    group("Personpost/Adresser/Folkbokforingsadress", "addressInformation/residentialAddress"),
    group("Personpost/Adresser/Riksnycklar", "addressInformation/nationalKeys"),
    group("Personpost/Adresser/UUID", "addressInformation/UUID"),
    group("Personpost/Adresser/Distrikt", "addressInformation/district"),
    group("Personpost/Adresser/SarskildPostadress", "addressInformation/specialPostalAddress"),
    group("Personpost/Adresser/Utlandsadress", "addressInformation/addressAbroad"),
    group("Personpost/Civilstand", "maritalStatus"),
    group("Personpost/Fodelse/HemortSverige", "birth/placeOfBirthSweden"),
    group("Personpost/Fodelse/OrtUtlandet", "birth/birthAbroad"),
    group("Personpost/Invandring", "immigration"),
    group("Personpost/Relationer", "relationship"),
    entry(2000, 2999, "Personpost/Relationer/Relation", "relationship", Part::Relation),
    entry(3000, 3999, "Personpost/Medborgarskap", "citizenship", Part::Citizenship),
    group("Personpost/Samordningsnummeruppgifter", "coOrdinationNumberData"),
    group("Historik", "populationRegistrationRecord/historicalRecords"),
    entry(4000, 4999, "Historik/Folkbokforing", "populationRegistrationRecord/historicalRecords/populationRegistrationLocality", Part::History),
    Group { codes: Some((4000, 4999)), path: "Historik/Folkbokforingsadress", field: Field::at("populationRegistrationRecord/historicalRecords/historicalAddress"), entry: false, part: Part::History, },
];

/// What a code means in the text format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Code {
    Term(&'static Term),
    Begin(&'static Group),
    End(&'static Group),
    /// A special order's term.
    Ignored,
}

/// One element, as the XML reader and the writers walk them.
pub(super) struct Node {
    pub name: &'static str,
    pub children: Vec<u16>,
    pub attributes: Vec<(&'static str, &'static Term)>,
    pub term: Option<&'static Term>,
    pub group: Option<&'static Group>,
}

/// The table made ready for look-up.
pub(super) struct Index {
    codes: Vec<Option<Code>>,
    inside: Vec<Option<Code>>,
    nodes: Vec<Node>,
}

/// The node of `Folkbokforingspost`.
pub(super) const ROOT: u16 = 0;

const CODES: usize = 10_000;

impl Index {
    /// The table's index, made once.
    pub fn get() -> &'static Self {
        static INDEX: LazyLock<Index> = LazyLock::new(Index::build);
        &INDEX
    }

    fn build() -> Self {
        let mut index = Self {
            codes: vec![None; CODES],
            inside: vec![None; CODES],
            nodes: vec![Node::new("Folkbokforingspost")],
        };
        for code in SPECIAL_ORDERS {
            index.codes[usize::from(code)] = Some(Code::Ignored);
        }
        for term in TERMS {
            let codes = match term.part {
                Part::Post => &mut index.codes,
                _ => &mut index.inside,
            };
            // Of two rows for one code, the text reader needs either: they differ in place only.
            codes[usize::from(term.code)] = Some(Code::Term(term));
            if let Some((path, name)) = term.path.rsplit_once('@') {
                let node = index.node(path.trim_end_matches('/'));
                index.nodes[usize::from(node)].attributes.push((name, term));
            } else {
                let node = index.node(term.path);
                index.nodes[usize::from(node)].term = Some(term);
            }
        }
        for group in GROUPS {
            let node = index.node(group.path);
            index.nodes[usize::from(node)].group = Some(group);
            if let (Some((start, end)), true) = (group.codes, group.entry) {
                index.codes[usize::from(start)] = Some(Code::Begin(group));
                index.codes[usize::from(end)] = Some(Code::End(group));
            }
        }
        index
    }

    /// The node at a path, made where it is missing.
    fn node(&mut self, path: &'static str) -> u16 {
        let mut at = ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.child(at, name).unwrap_or_else(|| {
                let made = self.nodes.len() as u16;
                self.nodes.push(Node::new(name));
                self.nodes[usize::from(at)].children.push(made);
                made
            });
        }
        at
    }

    /// The element with this name inside another.
    pub fn child(&self, of: u16, name: &str) -> Option<u16> {
        let children = &self.nodes[usize::from(of)].children;
        let found = children
            .iter()
            .find(|&&child| self.nodes[usize::from(child)].name == name);
        found.copied()
    }

    /// An element.
    pub fn at(&self, node: u16) -> &Node {
        &self.nodes[usize::from(node)]
    }

    /// What a code means outside every group.
    pub fn code(&self, code: u16) -> Option<Code> {
        self.codes.get(usize::from(code)).copied().flatten()
    }

    /// What a code means inside a group.
    pub fn code_inside(&self, code: u16) -> Option<Code> {
        self.inside.get(usize::from(code)).copied().flatten()
    }
}

impl Node {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            children: Vec::new(),
            attributes: Vec::new(),
            term: None,
            group: None,
        }
    }

    /// Whether everything in the element is ignored.
    pub fn is_ignored(&self) -> bool {
        self.term.is_some_and(|term| term.rule == Rule::Ignored)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::person::schema::Kind;

    #[test]
    fn codes_and_places_name_one_term() {
        let mut codes = BTreeSet::new();
        let mut paths = BTreeSet::new();
        for term in TERMS {
            assert!(paths.insert(term.path), "{term}");
            if term.written {
                assert!(codes.insert((term.code, term.part == Part::Post)), "{term}");
            }
            let own = (9000..=9999).contains(&term.code);
            assert_eq!(own, term.certainty == Assumed, "{term}");
        }
    }

    #[test]
    fn rules_fit_their_fields() {
        for term in TERMS {
            let kind = term.field.map(Field::kind);
            let fits = match term.rule {
                Rule::Subject | Rule::PostId | Rule::Ignored => kind.is_none(),
                Rule::Plain => matches!(kind, Some(Kind::Text | Kind::Number)),
                Rule::Code(_) => kind == Some(Kind::Text),
                Rule::PositiveNumber => kind == Some(Kind::Number),
                Rule::Date | Rule::BirthTime | Rule::NotificationDate => {
                    kind == Some(Kind::PartialDate)
                }
                Rule::Truth | Rule::Protection | Rule::Total => kind == Some(Kind::Boolean),
                Rule::Relative(beside) => {
                    kind == Some(Kind::Identity) && beside.kind() == Kind::PartialDate
                }
                Rule::Identity => kind == Some(Kind::Identity),
                Rule::SingleReference | Rule::Nordic(_) => kind == Some(Kind::Group),
                Rule::ChangeTime => kind == Some(Kind::DateTime),
            };
            assert!(fits, "{term}");
        }
    }

    /// What Skatteverket sends has a term; what it does not send has none.
    #[test]
    fn the_table_reaches_every_field_that_skatteverket_fills() {
        let not_skatteverkets = [
            "personalIdentity",
            "gender",
            "testIndicator",
            "primaryIdentity",
            "version",
            "linkedIdentity",
            "localRegistrationTime",
            "localRegistrationEndTime",
            "syncronizationTime",
            "recordId",
            "contactInformation",
            "contactPerson",
            "confirmedIdentity",
            "administrativeInformation",
            "updatePersonActor",
            "updatePersonContactInformationActor",
            "attachment",
            "optoutPaperNotification",
            "givenAddress",
            "immigrationIdentity",
        ];
        for field in Field::all().filter(|field| field.kind() != Kind::Group) {
            let path = field.path();
            let own = not_skatteverkets
                .iter()
                .any(|name| path.split('/').any(|step| step == *name))
                && !path.starts_with("relationship/");
            let reached = TERMS.iter().any(|term| term.field == Some(field));
            assert_eq!(reached, !own, "{path}");
        }
    }

    #[test]
    fn text_codes_lead_to_terms_and_groups() {
        let index = Index::get();
        assert!(matches!(index.code(1001), Some(Code::Term(term)) if term.rule == Rule::Subject));
        assert!(
            matches!(index.code(2000), Some(Code::Begin(group)) if group.part == Part::Relation)
        );
        assert!(matches!(index.code(4999), Some(Code::End(group)) if group.part == Part::History));
        assert!(matches!(index.code(6123), Some(Code::Ignored)));
        assert!(
            matches!(index.code_inside(4008), Some(Code::Term(term)) if term.part == Part::History)
        );
        assert!(matches!(index.code(4008), Some(Code::Term(term)) if term.part == Part::Post));
        assert!(index.code(1008).is_none() && index.code(65_000).is_none());
    }
}

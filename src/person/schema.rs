//! The field table: every type of the person record, in the contracts' element order, with what
//! changed between versions and who may see it. Parsing, validation, rendering, JSON, schemas,
//! profile masks and documentation all read these rows; nothing repeats them.
//!
//! Source: the core schemas 3.1, 4.0 and 5.0 of strategicresourcemanagement:persons:person; the
//! additions of 3.2 and 3.3 follow the 3.1 pattern. Levels: TKB 5.1 chapter 8. The messages around
//! the record (requests, answers, results) are rows of the same kind in `wire::message`.

/// A version of the core types. The minor version in use is 3.3, 4.0 and 5.0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Core {
    /// Domain version 3 (3.3), with the extension namespaces 3.1 to 3.3.
    V3,
    /// Domain version 4.
    V4,
    /// Domain version 5.
    V5,
}

impl Core {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V3, Self::V4, Self::V5];

    /// The major number.
    pub const fn major(self) -> u8 {
        self as u8 + 3
    }
}

/// The versions in which something exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Versions(u8);

impl Versions {
    /// In no contract: kept by the register for itself.
    pub const NONE: Self = Self(0);
    /// In every version.
    pub const ALL: Self = Self(0b111);
    /// In version 3 only.
    pub const V3: Self = Self(0b001);
    /// In version 4 only.
    pub const V4: Self = Self(0b010);
    /// Up to and with version 4.
    pub const TO_V4: Self = Self(0b011);
    /// From version 4.
    pub const FROM_V4: Self = Self(0b110);
    /// From version 5.
    pub const FROM_V5: Self = Self(0b100);

    /// Whether `core` is among them.
    pub const fn has(self, core: Core) -> bool {
        self.0 >> core as u8 & 1 == 1
    }
}

/// The extension namespaces of domain version 3, which hold what its minor versions added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extension {
    /// `…:person:3.1`
    E31,
    /// `…:person:3.2`
    E32,
    /// `…:person:3.3`
    E33,
}

impl Extension {
    /// Every extension, oldest first.
    pub const ALL: [Self; 3] = [Self::E31, Self::E32, Self::E33];

    /// The version in its namespace.
    pub const fn version(self) -> &'static str {
        match self {
            Self::E31 => "3.1",
            Self::E32 => "3.2",
            Self::E33 => "3.3",
        }
    }
}

/// Who sees a field: the lowest profile that has it (TKB 5.1 chapter 8).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// In every profile, and also shown of a person with protected population registration.
    Always,
    /// From profile 1.
    P1,
    /// From profile 2.
    P2,
    /// From profile 3.
    P3,
    /// From profile 4.
    P4,
    /// Profile 5.
    P5,
    /// Never delivered: the register's own.
    Internal,
}

/// How often an element occurs in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Occurs {
    /// 0..1
    Optional,
    /// 1..1
    One,
    /// 0..*
    Many,
    /// 1..*
    OneOrMore,
}

impl Occurs {
    /// Whether the element must be there.
    pub const fn mandatory(self) -> bool {
        matches!(self, Self::One | Self::OneOrMore)
    }

    /// Whether the element may come again.
    pub const fn repeats(self) -> bool {
        matches!(self, Self::Many | Self::OneOrMore)
    }
}

/// How a value is kept and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Has children instead of a value.
    Group,
    /// Text.
    Text,
    /// A whole number, kept as its canonical digits.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `xs:date`.
    Date,
    /// `PartialDateType`: format and value.
    PartialDate,
    /// `xs:dateTime`.
    DateTime,
    /// `Timestamp`: 14 digits.
    Timestamp,
    /// `IIType` of a person: root and extension.
    Identity,
}

/// What a simple type allows beside its base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Facet {
    /// Anything of the base type.
    None,
    /// Exactly so many characters.
    Length(usize),
    /// Between so many characters.
    Lengths(usize, usize),
    /// At most so many characters.
    MaxLength(usize),
    /// Between two numbers.
    Range(i64, i64),
    /// One of these.
    Enumeration(&'static [&'static str]),
}

/// A simple type: one of the core schema's own, or one of XML Schema's.
#[derive(Debug)]
pub struct SimpleType {
    /// Its name; with the prefix `xs:` for XML Schema's own.
    pub name: &'static str,
    /// The XML Schema type below it.
    pub base: &'static str,
    /// The restriction.
    pub facet: Facet,
    /// How its values are kept.
    pub kind: Kind,
}

/// How the register keeps an element of a complex type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// As a group of fields.
    Group,
    /// As one value of this kind.
    Value(Kind),
}

/// A complex type: a sequence of elements, in most versions with a trailing `xs:any ##other`.
#[derive(Debug)]
pub struct ComplexType {
    /// Its name in the schema.
    pub name: &'static str,
    /// Its elements, in order.
    pub rows: &'static [Row],
    /// The versions in which foreign elements may follow.
    pub any: Versions,
    /// How the register keeps it.
    pub shape: Shape,
}

/// What an element holds.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A value.
    Simple(&'static SimpleType),
    /// Elements.
    Complex(&'static ComplexType),
    /// A plain value from version 5; before, a type of its own whose first element is the value.
    Wrapped(&'static ComplexType, &'static SimpleType),
}

/// One element of a complex type.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The element's name.
    pub name: &'static str,
    /// What it holds.
    pub content: Content,
    /// How often it occurs.
    pub occurs: Occurs,
    /// The versions that have it.
    pub versions: Versions,
    /// In version 3, the extension namespace it stands in.
    pub extension: Option<Extension>,
    /// Who sees it; a group's level bounds its children's.
    pub level: Level,
    /// Whether it has a meaning for reserve identities only.
    pub reserve_only: bool,
}

/// An optional element of a simple type.
pub const fn value(name: &'static str, of: &'static SimpleType) -> Row {
    row(name, Content::Simple(of))
}

/// An optional element of a complex type.
pub const fn group(name: &'static str, of: &'static ComplexType) -> Row {
    row(name, Content::Complex(of))
}

const fn row(name: &'static str, content: Content) -> Row {
    Row {
        name,
        content,
        occurs: Occurs::Optional,
        versions: Versions::ALL,
        extension: None,
        level: Level::Always,
        reserve_only: false,
    }
}

impl Row {
    /// The element must be there.
    pub const fn one(mut self) -> Self {
        self.occurs = Occurs::One;
        self
    }

    /// The element may be repeated.
    pub const fn many(mut self) -> Self {
        self.occurs = Occurs::Many;
        self
    }

    /// The element must be there and may be repeated.
    pub const fn one_or_more(mut self) -> Self {
        self.occurs = Occurs::OneOrMore;
        self
    }

    /// The element exists in these versions only.
    pub const fn only(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// In version 3 the element stands in an extension namespace.
    pub const fn extension(mut self, extension: Extension) -> Self {
        self.extension = Some(extension);
        self
    }

    /// The lowest profile that shows the element.
    pub const fn from(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The element has a meaning for reserve identities only.
    pub const fn reserve_only(mut self) -> Self {
        self.reserve_only = true;
        self
    }
}

// Simple types. The order is the core schema's own.

const fn simple(name: &'static str, base: &'static str, facet: Facet, kind: Kind) -> SimpleType {
    SimpleType {
        name,
        base,
        facet,
        kind,
    }
}

macro_rules! simple_types {
    ($($constant:ident $name:literal $base:literal $kind:ident $facet:expr;)*) => {
        $(#[doc = concat!("`", $name, "`")]
        pub static $constant: SimpleType = simple($name, $base, $facet, Kind::$kind);)*
        /// The core schema's simple types. Some serve no element but are declared all the same.
        pub static SIMPLE_TYPES: &[&SimpleType] = &[$(&$constant),*];
    };
}

const MAX_14_DIGITS: i64 = 99_999_999_999_999;

simple_types! {
    RESULT_CODE "ResultCodeType" "xs:string" Text Facet::Enumeration(&["OK", "ERROR"]);
    LOOKUP_PROFILE "LookupProfileType" "xs:string" Text Facet::Enumeration(&["P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10"]);
    DATE_FORMAT "DateTypeFormatType" "xs:string" Text Facet::Enumeration(&["YYYY", "YYYY-MM", "YYYY-MM-DD"]);
    APARTMENT_ID "ApartmentId" "xs:long" Number Facet::Range(0, MAX_14_DIGITS);
    ADDRESS_PLACE_ID "AddressPlaceId" "xs:long" Number Facet::Range(0, MAX_14_DIGITS);
    DISTRICT_CODE "DistrictCode" "xs:string" Text Facet::Lengths(0, 999_999);
    POSTAL_CODE "PostalCode" "xs:int" Number Facet::Range(0, 99_999);
    PARTIAL_DATE_VALUE "PartialDateValue" "xs:string" Text Facet::Lengths(4, 10);
    FICTITIOUS_PROPERTY_NUMBER "FictitiousPropertyNumber" "xs:int" Number Facet::Range(0, 999);
    GIVEN_NAME_INDICATOR "GivenNameIndicator" "xs:int" Number Facet::Range(10, 99);
    PERSONAL_IDENTITY_NUMBER "PersonalIdentityNumber" "xs:string" Text Facet::MaxLength(64);
    PROPERTY_ID "PropertyId" "xs:string" Text Facet::MaxLength(10);
    RECORD_ID "RecordId" "xs:string" Text Facet::Length(16);
    PHONE_NUMBER "PhoneNumber" "xs:string" Text Facet::Lengths(1, 20);
    COUNTRY_CODE "CountryCode" "xs:string" Text Facet::Lengths(1, 2);
    TIMESTAMP "Timestamp" "xs:string" Timestamp Facet::Length(14);
    CODED_VALUE "CodedValue" "xs:string" Text Facet::MaxLength(40);
    STRING_80 "String80" "xs:string" Text Facet::MaxLength(80);
    STRING_60 "String60" "xs:string" Text Facet::MaxLength(60);
    STRING_40 "String40" "xs:string" Text Facet::MaxLength(40);
    STRING_5 "String5" "xs:string" Text Facet::MaxLength(5);
    STRING_2 "String2" "xs:string" Text Facet::MaxLength(2);
    ORDER_ID "OrderId" "xs:string" Text Facet::MaxLength(36);
    HSA_ID "HsaId" "xs:string" Text Facet::MaxLength(32);
}

macro_rules! xml_schema_types {
    ($($constant:ident $name:literal $kind:ident;)*) => {
        $(#[doc = concat!("`", $name, "`")]
        pub static $constant: SimpleType = simple($name, $name, Facet::None, Kind::$kind);)*
    };
}

xml_schema_types! {
    XS_STRING "xs:string" Text;
    XS_BOOLEAN "xs:boolean" Boolean;
    XS_INT "xs:int" Number;
    XS_DATE "xs:date" Date;
    XS_DATE_TIME "xs:dateTime" DateTime;
    XS_BASE64_BINARY "xs:base64Binary" Text;
    XS_ANY_URI "xs:anyURI" Text;
}

// Complex types.

/// A complex type that the register keeps as a group.
pub const fn complex(name: &'static str, rows: &'static [Row]) -> ComplexType {
    ComplexType {
        name,
        rows,
        any: Versions::ALL,
        shape: Shape::Group,
    }
}

/// A type that lost its `xs:any` in version 3 to the extension elements of 3.1 to 3.3.
#[must_use]
pub const fn closed_in_v3(mut it: ComplexType) -> ComplexType {
    it.any = Versions::FROM_V4;
    it
}

const fn kept_as(mut it: ComplexType, kind: Kind) -> ComplexType {
    it.shape = Shape::Value(kind);
    it
}

static IDENTITY_ROWS: &[Row] = &[
    value("root", &XS_STRING).one(),
    value("extension", &XS_STRING),
];

/// The identity of a person.
pub static IDENTITY: ComplexType = kept_as(complex("IIType", IDENTITY_ROWS), Kind::Identity);

/// Any other identity, for instance the HSA-id of an actor.
pub static OTHER_IDENTITY: ComplexType = complex("IIType", IDENTITY_ROWS);

/// A date whose month or day may be unknown.
pub static PARTIAL_DATE: ComplexType = kept_as(
    complex(
        "PartialDateType",
        &[
            value("format", &DATE_FORMAT).one(),
            value("value", &PARTIAL_DATE_VALUE).one(),
        ],
    ),
    Kind::PartialDate,
);

/// Who made a change.
pub static ACTOR: ComplexType = complex(
    "ActorType",
    &[
        group("id", &OTHER_IDENTITY).one(),
        group("professional", &PROFESSIONAL),
        value("updateTime", &TIMESTAMP).only(Versions::FROM_V5),
    ],
);

/// The organisation a professional acts for.
pub static PROFESSIONAL: ComplexType = complex(
    "ProfessionalType",
    &[group("organizationId", &OTHER_IDENTITY).one()],
);

/// A period; at least one end is known.
pub static DATE_PERIOD: ComplexType = complex(
    "DatePeriodType",
    &[value("start", &XS_DATE), value("end", &XS_DATE)],
);

/// A person to contact. `surName` stands before `middleName` here.
pub static CONTACT_PERSON: ComplexType = complex(
    "ContactPersonType",
    &[
        value("contactRelationshipType", &CODED_VALUE).one(),
        value("priorityOrder", &XS_INT),
        value("givenName", &STRING_80),
        value("surName", &STRING_80),
        value("middleName", &STRING_80),
        group("contactPersonAddress", &RESIDENTIAL_ADDRESS),
        group("contactPersonContactInformation", &CONTACT_INFORMATION).many(),
    ],
);

/// One way to reach somebody.
pub static CONTACT_INFORMATION: ComplexType = closed_in_v3(complex(
    "ContactInformationType",
    &[
        value("contactType", &CODED_VALUE).one(),
        value("use", &CODED_VALUE),
        value("value", &XS_STRING),
        value("rank", &XS_INT),
        value("comment", &XS_STRING),
        group("period", &DATE_PERIOD),
        value("digitalNotification", &XS_BOOLEAN).extension(Extension::E31),
    ],
));

/// How the holder of a reserve identity has proved who they are.
pub static CONFIRMED_IDENTITY: ComplexType = closed_in_v3(complex(
    "ConfirmedIdentityType",
    &[
        value("typeOfIdentification", &CODED_VALUE),
        value("identificationNumber", &XS_STRING),
        value("issuersOfId", &XS_STRING),
        group("validDatePeriod", &DATE_PERIOD),
        value("attachmentId", &XS_STRING).many(),
        value("countryCode", &COUNTRY_CODE).extension(Extension::E33),
    ],
));

/// What care notes about the holder of a reserve identity.
pub static ADMINISTRATIVE_INFORMATION: ComplexType = complex(
    "AdministrativeInformationType",
    &[
        value("categoryOfPerson", &CODED_VALUE),
        value("accountCode", &CODED_VALUE),
        value("comment", &XS_STRING),
    ],
);

/// Everything the register tells about one identity.
pub static PERSON_RECORD: ComplexType = closed_in_v3(complex(
    "PersonRecordType",
    &[
        group("personalIdentity", &IDENTITY).one(),
        value("identityLevel", &XS_STRING)
            .only(Versions::FROM_V5)
            .from(Level::P1),
        group("identityLevelDate", &PARTIAL_DATE)
            .only(Versions::FROM_V5)
            .from(Level::P1),
        value("gender", &CODED_VALUE),
        value("protectedPersonIndicator", &XS_BOOLEAN).one(),
        value("testIndicator", &XS_BOOLEAN).one(),
        value("primaryIdentity", &XS_BOOLEAN).one(),
        value("version", &TIMESTAMP),
        group("name", &NAME),
        group("linkedIdentity", &LINKED_IDENTITY).many(),
        group("referredPersonalIdentities", &REFERRED_IDENTITY)
            .many()
            .only(Versions::FROM_V4),
        group("birth", &BIRTH),
        group("populationRegistrationLocality", &LOCALITY).from(Level::P1),
        group("populationRegistrationRecord", &REGISTRATION_RECORD).from(Level::P1),
        group("addressInformation", &ADDRESS_INFORMATION).from(Level::P2),
        group("contactInformation", &CONTACT_INFORMATION)
            .many()
            .from(Level::P3),
        group("contactPerson", &CONTACT_PERSON)
            .many()
            .from(Level::P3),
        group("confirmedIdentity", &CONFIRMED_IDENTITY)
            .many()
            .from(Level::P2)
            .reserve_only(),
        group("administrativeInformation", &ADMINISTRATIVE_INFORMATION)
            .from(Level::P2)
            .reserve_only(),
        group("deregistration", &DEREGISTRATION).from(Level::P1),
        group("maritalStatus", &MARITAL_STATUS).from(Level::P4),
        group("immigration", &IMMIGRATION).from(Level::P4),
        group("citizenship", &CITIZENSHIP).many().from(Level::P4),
        group("relationship", &RELATIONSHIP).many().from(Level::P4),
        group("coOrdinationNumberData", &CO_ORDINATION_NUMBER_DATA)
            .only(Versions::FROM_V4)
            .from(Level::P1),
        group("personalIdentityStatus", &IDENTITY_STATUS)
            .only(Versions::FROM_V4)
            .from(Level::P1),
        group("updatePersonActor", &ACTOR)
            .from(Level::P3)
            .reserve_only(),
        group("updatePersonContactInformationActor", &ACTOR).from(Level::P3),
        group("attachment", &MULTIMEDIA)
            .many()
            .from(Level::P2)
            .reserve_only(),
        value("optoutPaperNotification", &XS_BOOLEAN)
            .extension(Extension::E31)
            .from(Level::P3),
        value("protectedPopulationRecord", &XS_BOOLEAN).extension(Extension::E31),
    ],
));

/// Another identity of the same person.
pub static LINKED_IDENTITY: ComplexType = complex(
    "LinkedIdentityType",
    &[
        group("referredPersonalIdentity", &IDENTITY).one(),
        value("assuranceLevel", &CODED_VALUE).one(),
        value("primaryIdentity", &XS_BOOLEAN).one(),
        // The register's own: set where these two identities were linked with each other, `to` on
        // the identity that was linked away from, `from` on the one it was linked to. Without it
        // the identity is in the list because it belongs to the same chain.
        value("link", &CODED_VALUE)
            .only(Versions::NONE)
            .from(Level::Internal),
    ],
);

/// Skatteverket's reference to another identity (hänvisning).
pub static REFERRED_IDENTITY: ComplexType = complex(
    "ReferredPersonalIdentityType",
    &[
        group("referredPersonalIdentity", &IDENTITY).one(),
        value("referredPersonalIdentityStatus", &XS_STRING),
    ],
);

/// A personal number in another Nordic country.
pub static IMMIGRATION_IDENTITY: ComplexType = complex(
    "ImmigrationIdentityType",
    &[
        value("personalIdentityNumber", &PERSONAL_IDENTITY_NUMBER).one(),
        value("country", &COUNTRY_CODE).one(),
    ],
);

/// Whom a relation is to.
pub static RELATIONSHIP_ID: ComplexType = complex(
    "RelationshipIdType",
    &[
        group("personalIdentity", &IDENTITY),
        group("dateOfBirth", &PARTIAL_DATE),
    ],
);

/// Data about a coordination number.
pub static CO_ORDINATION_NUMBER_DATA: ComplexType = complex(
    "CoOrdinationNumberDataType",
    &[
        group("allocationDate", &PARTIAL_DATE),
        group("preliminaryTransferDate", &PARTIAL_DATE),
        group("renewalDate", &PARTIAL_DATE),
        group("deceasedDate", &PARTIAL_DATE),
    ],
);

/// The state of a coordination number.
pub static IDENTITY_STATUS: ComplexType = complex(
    "PersonalIdentityStatusType",
    &[
        value("identityStatus", &XS_STRING),
        group("identityStatusDate", &PARTIAL_DATE),
        value("identityStatusCause", &XS_STRING),
    ],
);

/// A relation to another person. `relationshipId` is written even when nothing is known of it.
pub static RELATIONSHIP: ComplexType = complex(
    "RelationshipType",
    &[
        group("relationshipId", &RELATIONSHIP_ID).one(),
        value("relationshipType", &CODED_VALUE).one(),
        group("relationshipFromDate", &PARTIAL_DATE),
        group("relationshipToDate", &PARTIAL_DATE),
        group("name", &NAME),
        group("deregistration", &DEREGISTRATION),
        value("status", &CODED_VALUE),
    ],
);

/// Earlier registrations, and the address before the present one.
pub static HISTORICAL_RECORDS: ComplexType = complex(
    "HistoricalRecordsType",
    &[
        group("populationRegistrationLocality", &LOCALITY).many(),
        group("historicalAddress", &RESIDENTIAL_ADDRESS),
    ],
);

/// The wrapper of a citizenship's country code up to version 4.
pub static CITIZENSHIP_COUNTRY_CODE: ComplexType = complex(
    "CitizenshipCountryCodeType",
    &[
        value("countryCode", &COUNTRY_CODE),
        value("attested", &XS_BOOLEAN),
    ],
);

/// A citizenship.
pub static CITIZENSHIP: ComplexType = complex(
    "CitizenshipType",
    &[
        row(
            "citizenshipCountryCode",
            Content::Wrapped(&CITIZENSHIP_COUNTRY_CODE, &COUNTRY_CODE),
        ),
        group("citizenshipDate", &PARTIAL_DATE),
        value("status", &CODED_VALUE),
    ],
);

/// An address in Sweden.
pub static RESIDENTIAL_ADDRESS: ComplexType = complex(
    "ResidentialAddressType",
    &[
        value("careOf", &STRING_40),
        value("postalAddress1", &STRING_40),
        value("postalAddress2", &STRING_40),
        value("postalCode", &POSTAL_CODE),
        value("city", &STRING_40),
    ],
);

/// Immigration.
pub static IMMIGRATION: ComplexType = complex(
    "ImmigrationType",
    &[
        group("immigrationDate", &PARTIAL_DATE),
        value("rightOfResidence", &XS_BOOLEAN),
        group("immigrationIdentity", &IMMIGRATION_IDENTITY).many(),
    ],
);

/// The wrapper of a place of birth abroad up to version 4.
pub static PLACE_OF_BIRTH_ABROAD: ComplexType = complex(
    "PlaceOfBirthAbroadType",
    &[
        value("placeOfBirthAbroad", &STRING_80),
        value("attested", &XS_BOOLEAN),
    ],
);

/// Birth outside Sweden.
pub static BIRTH_ABROAD: ComplexType = complex(
    "BirthAbroadType",
    &[
        row(
            "placeOfBirthAbroad",
            Content::Wrapped(&PLACE_OF_BIRTH_ABROAD, &STRING_80),
        ),
        value("countryOfBirth", &STRING_40),
    ],
);

/// Birth in Sweden.
pub static PLACE_OF_BIRTH_SWEDEN: ComplexType = complex(
    "PlaceOfBirthSwedenType",
    &[
        value("birthCountyCode", &STRING_2),
        value("birthParish", &STRING_40),
    ],
);

/// Birth.
pub static BIRTH: ComplexType = complex(
    "BirthType",
    &[
        group("dateOfBirth", &PARTIAL_DATE),
        group("placeOfBirthSweden", &PLACE_OF_BIRTH_SWEDEN).from(Level::P4),
        group("birthAbroad", &BIRTH_ABROAD).from(Level::P4),
    ],
);

/// Civil status.
pub static MARITAL_STATUS: ComplexType = complex(
    "MaritalStatusType",
    &[
        value("maritalStatusCode", &CODED_VALUE),
        group("maritalStatusDate", &PARTIAL_DATE),
    ],
);

/// An address outside Sweden. `countryCode` is the country's name in full.
pub static ADDRESS_ABROAD: ComplexType = complex(
    "AddressAbroadType",
    &[
        value("postalAddress1", &STRING_40),
        value("postalAddress2", &STRING_40),
        value("postalAddress3", &STRING_40),
        value("countryCode", &STRING_40),
        group("addressAbroadDate", &PARTIAL_DATE),
        group("votingDate", &PARTIAL_DATE),
    ],
);

/// The district, which replaced the parish in 2016.
pub static DISTRICT: ComplexType =
    complex("DistrictType", &[value("districtCode", &DISTRICT_CODE)]);

/// Keys of the property register; not delivered by Skatteverket since 2019-09-11.
pub static NATIONAL_KEYS: ComplexType = complex(
    "NationalKeysType",
    &[
        value("propertyId", &PROPERTY_ID),
        value("addressPlaceId", &ADDRESS_PLACE_ID),
        value("apartmentId", &APARTMENT_ID),
    ],
);

/// Every address of a person.
pub static ADDRESS_INFORMATION: ComplexType = closed_in_v3(complex(
    "AddressInformationType",
    &[
        group("residentialAddress", &RESIDENTIAL_ADDRESS),
        group("nationalKeys", &NATIONAL_KEYS),
        group("district", &DISTRICT),
        group("specialPostalAddress", &RESIDENTIAL_ADDRESS),
        group("addressAbroad", &ADDRESS_ABROAD),
        group("givenAddress", &RESIDENTIAL_ADDRESS).reserve_only(),
        group("UUID", &UUID).extension(Extension::E32),
    ],
));

/// The wrapper of a part of a name up to version 4.
pub static NAME_PART: ComplexType = complex(
    "NamePartType",
    &[
        value("name", &STRING_80).one(),
        value("attested", &XS_BOOLEAN),
    ],
);

/// A person's name.
pub static NAME: ComplexType = complex(
    "NameType",
    &[
        value("givenNameIndicator", &GIVEN_NAME_INDICATOR),
        row("givenName", Content::Wrapped(&NAME_PART, &STRING_80)),
        row("middleName", Content::Wrapped(&NAME_PART, &STRING_80)),
        row("surname", Content::Wrapped(&NAME_PART, &STRING_80)),
        value("notificationName", &STRING_40),
    ],
);

/// Where a person is registered: now, or once.
pub static LOCALITY: ComplexType = complex(
    "PopulationRegistrationLocalityType",
    &[
        group("populationRegistrationDate", &PARTIAL_DATE).from(Level::P2),
        value("countyCode", &STRING_2).from(Level::P1),
        value("municipalityCode", &STRING_2).from(Level::P2),
        value("parishCode", &STRING_2).from(Level::P2),
        value("propertyDesignation", &STRING_40).from(Level::P2),
        value("fictitiousPropertyNumber", &FICTITIOUS_PROPERTY_NUMBER).from(Level::P2),
        value("populationRegistrationType", &CODED_VALUE).from(Level::P2),
        value("localRegistrationTime", &XS_DATE_TIME)
            .only(Versions::FROM_V4)
            .from(Level::P5),
        value("localRegistrationEndTime", &XS_DATE_TIME)
            .only(Versions::FROM_V4)
            .from(Level::P5),
    ],
);

/// Why and when an identity was deregistered.
pub static DEREGISTRATION: ComplexType = closed_in_v3(complex(
    "DeregistrationType",
    &[
        value("deregistrationReasonCode", &CODED_VALUE),
        group("deregistrationDate", &PARTIAL_DATE),
        group("foundDeadAtDate", &PARTIAL_DATE).extension(Extension::E31),
    ],
));

/// The case behind the last change from Skatteverket.
pub static NOTIFICATION_CASE: ComplexType = complex(
    "NotificationCaseType",
    &[
        value("recordId", &RECORD_ID),
        value("notificationType", &STRING_40),
        value("modificationTime", &XS_DATE_TIME),
        value("totalRecord", &XS_BOOLEAN),
        group("notificationDate", &PARTIAL_DATE),
    ],
);

/// When and how the record was last changed by Skatteverket. `syncronizationTime` is spelled so.
pub static REGISTRATION_RECORD: ComplexType = complex(
    "PopulationRegistrationRecordType",
    &[
        value("syncronizationTime", &XS_DATE_TIME).from(Level::P1),
        group("notificationCase", &NOTIFICATION_CASE).from(Level::P1),
        group("historicalRecords", &HISTORICAL_RECORDS).from(Level::P5),
    ],
);

/// A document, in the record or behind a reference.
pub static MULTIMEDIA: ComplexType = complex(
    "MultimediaType",
    &[
        value("id", &XS_STRING),
        value("mediaType", &CODED_VALUE).one(),
        value("value", &XS_BASE64_BINARY),
        value("reference", &XS_ANY_URI),
    ],
);

/// Keys that replaced the national keys.
pub static UUID: ComplexType = complex(
    "UUIDType",
    &[
        value("propertyId", &XS_STRING),
        value("addressPlaceId", &XS_STRING),
        value("apartmentId", &XS_STRING),
    ],
);

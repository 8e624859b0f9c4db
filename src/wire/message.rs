//! The messages around the person record: requests, answers and results, as rows of the same kind
//! as the field table. A contract's restricted and Unrestricted form share their messages, and so
//! do its versions; what differs is in the rows.
//!
//! Source: the Responder schemas of domain 5.1 and 4.0; those of domain 3 follow the official
//! examples of 3.0 and the 3.1 pattern.

use crate::person::schema::{
    ACTOR, ADDRESS_ABROAD, ADDRESS_INFORMATION, ADMINISTRATIVE_INFORMATION, BIRTH, BIRTH_ABROAD,
    CITIZENSHIP, CITIZENSHIP_COUNTRY_CODE, CO_ORDINATION_NUMBER_DATA, CODED_VALUE,
    CONFIRMED_IDENTITY, CONTACT_INFORMATION, CONTACT_PERSON, ComplexType, DATE_PERIOD,
    DEREGISTRATION, DISTRICT, Extension, HISTORICAL_RECORDS, IDENTITY, IDENTITY_STATUS,
    IMMIGRATION, IMMIGRATION_IDENTITY, LINKED_IDENTITY, LOCALITY, LOOKUP_PROFILE, MARITAL_STATUS,
    MULTIMEDIA, NAME, NAME_PART, NATIONAL_KEYS, NOTIFICATION_CASE, ORDER_ID, PARTIAL_DATE,
    PERSON_RECORD, PLACE_OF_BIRTH_ABROAD, PLACE_OF_BIRTH_SWEDEN, PROFESSIONAL, REFERRED_IDENTITY,
    REGISTRATION_RECORD, RELATIONSHIP, RELATIONSHIP_ID, RESIDENTIAL_ADDRESS, RESULT_CODE, Row,
    TIMESTAMP, UUID, Versions, XS_BOOLEAN, XS_STRING, closed_in_v3, complex, group, value,
};

// Core types around the record.

/// Whether a change was made, and if not, why.
pub static RESULT: ComplexType = complex(
    "ResultType",
    &[
        value("resultCode", &RESULT_CODE).one(),
        value("resultText", &XS_STRING),
    ],
);

/// The result of UpdatePerson.
pub static UPDATE_PERSON_RESULT: ComplexType = complex(
    "UpdatePersonResultType",
    &[
        group("result", &RESULT).one(),
        group("personRecord", &PERSON_RECORD),
    ],
);

/// The result of UpdatePersonContactInformation.
pub static UPDATE_CONTACT_RESULT: ComplexType = complex(
    "UpdatePersonContactInformationResultType",
    &[
        group("result", &RESULT).one(),
        group("contactInformationRecord", &CONTACT_INFORMATION_RECORD),
    ],
);

/// An identity asked for, and the record found for it.
pub static REQUESTED_PERSON_RECORD: ComplexType = complex(
    "RequestedPersonRecordType",
    &[
        group("requestedPersonalIdentity", &IDENTITY).one(),
        group("personRecord", &PERSON_RECORD),
    ],
);

/// How to reach a person. Version 5 changed the order of the last elements.
pub static CONTACT_INFORMATION_RECORD: ComplexType = closed_in_v3(complex(
    "ContactInformationRecordType",
    &[
        value("version", &TIMESTAMP).one(),
        group("personId", &IDENTITY).one(),
        group("contactInformation", &CONTACT_INFORMATION).many(),
        group("contactPerson", &CONTACT_PERSON).many(),
        value("protectedPersonIndicator", &XS_BOOLEAN).one(),
        value("protectedPopulationRecord", &XS_BOOLEAN).only(Versions::FROM_V5),
        group("updatePersonContactInformationActor", &ACTOR).only(Versions::TO_V4),
        value("optoutPaperNotification", &XS_BOOLEAN).extension(Extension::E31),
        value("protectedPopulationRecord", &XS_BOOLEAN)
            .only(Versions::TO_V4)
            .extension(Extension::E31),
        group("updatePersonContactInformationActor", &ACTOR).only(Versions::FROM_V5),
    ],
));

/// The complex types of the core schemas in the order they are declared, and the versions that
/// declare them. The one place where "every core type" is spelled out.
pub static COMPLEX_TYPES: &[(&ComplexType, Versions)] = &[
    (&ACTOR, Versions::ALL),
    (&PROFESSIONAL, Versions::ALL),
    (&DATE_PERIOD, Versions::ALL),
    (&IDENTITY, Versions::ALL),
    (&CONTACT_PERSON, Versions::ALL),
    (&CONTACT_INFORMATION, Versions::ALL),
    (&CONFIRMED_IDENTITY, Versions::ALL),
    (&ADMINISTRATIVE_INFORMATION, Versions::ALL),
    (&PERSON_RECORD, Versions::ALL),
    (&LINKED_IDENTITY, Versions::ALL),
    (&REFERRED_IDENTITY, Versions::FROM_V4),
    (&PARTIAL_DATE, Versions::ALL),
    (&IMMIGRATION_IDENTITY, Versions::ALL),
    (&RELATIONSHIP_ID, Versions::ALL),
    (&CO_ORDINATION_NUMBER_DATA, Versions::FROM_V4),
    (&IDENTITY_STATUS, Versions::FROM_V4),
    (&RELATIONSHIP, Versions::ALL),
    (&HISTORICAL_RECORDS, Versions::ALL),
    (&CITIZENSHIP_COUNTRY_CODE, Versions::TO_V4),
    (&CITIZENSHIP, Versions::ALL),
    (&RESIDENTIAL_ADDRESS, Versions::ALL),
    (&IMMIGRATION, Versions::ALL),
    (&PLACE_OF_BIRTH_ABROAD, Versions::TO_V4),
    (&BIRTH_ABROAD, Versions::ALL),
    (&PLACE_OF_BIRTH_SWEDEN, Versions::ALL),
    (&BIRTH, Versions::ALL),
    (&MARITAL_STATUS, Versions::ALL),
    (&ADDRESS_ABROAD, Versions::ALL),
    (&DISTRICT, Versions::ALL),
    (&NATIONAL_KEYS, Versions::ALL),
    (&ADDRESS_INFORMATION, Versions::ALL),
    (&NAME_PART, Versions::TO_V4),
    (&NAME, Versions::ALL),
    (&LOCALITY, Versions::ALL),
    (&DEREGISTRATION, Versions::ALL),
    (&NOTIFICATION_CASE, Versions::ALL),
    (&REGISTRATION_RECORD, Versions::ALL),
    (&MULTIMEDIA, Versions::ALL),
    (&RESULT, Versions::ALL),
    (&UPDATE_PERSON_RESULT, Versions::ALL),
    (&UPDATE_CONTACT_RESULT, Versions::ALL),
    (&REQUESTED_PERSON_RECORD, Versions::ALL),
    (&CONTACT_INFORMATION_RECORD, Versions::ALL),
    // In version 3 it came with 3.2, and stands in the core namespace like every type.
    (&UUID, Versions::ALL),
];

// Messages: the types of the root elements. In a schema a message type is named after its contract,
// see `Message::type_name`; the name here is the restricted form's.

/// The request of GetPersonsForProfile.
pub static GET_PERSONS: ComplexType = complex(
    "GetPersonsForProfileType",
    &[
        group("personId", &IDENTITY).one_or_more(),
        value("profile", &LOOKUP_PROFILE).one(),
        value("ignoreReferredIdentity", &XS_BOOLEAN).one(),
    ],
);

/// The answer of GetPersonsForProfile.
pub static GET_PERSONS_RESPONSE: ComplexType = complex(
    "GetPersonsForProfileResponseType",
    &[group("requestedPersonRecord", &REQUESTED_PERSON_RECORD).one_or_more()],
);

/// The request of SearchPersonsForProfile and SearchPersonsForProfileByOrder.
pub static SEARCH_PERSONS: ComplexType = complex(
    "SearchPersonsForProfileType",
    &[
        value("query", &XS_STRING).one(),
        value("queryLanguage", &XS_STRING).one(),
        value("profile", &LOOKUP_PROFILE).one(),
    ],
);

/// The answer of SearchPersonsForProfile.
pub static SEARCH_PERSONS_RESPONSE: ComplexType = complex(
    "SearchPersonsForProfileResponseType",
    &[group("personRecord", &PERSON_RECORD).many()],
);

/// The answer of SearchPersonsForProfileByOrder.
pub static SEARCH_PERSONS_BY_ORDER_RESPONSE: ComplexType = complex(
    "SearchPersonsForProfileByOrderResponseType",
    &[value("orderId", &ORDER_ID)],
);

/// The request of GetFilesForOrderId.
pub static GET_FILES: ComplexType = complex(
    "GetFilesForOrderIdType",
    &[value("orderId", &ORDER_ID).one()],
);

/// The answer of GetFilesForOrderId.
pub static GET_FILES_RESPONSE: ComplexType = complex(
    "GetFilesForOrderIdResponseType",
    &[group("multimedia", &MULTIMEDIA).many()],
);

/// The request of GetPersonContactInformation.
pub static GET_CONTACT: ComplexType = complex(
    "GetPersonContactInformationType",
    &[group("personId", &IDENTITY).one()],
);

/// The answer of GetPersonContactInformation.
pub static GET_CONTACT_RESPONSE: ComplexType = complex(
    "GetPersonContactInformationResponseType",
    &[group(
        "contactInformationRecord",
        &CONTACT_INFORMATION_RECORD,
    )],
);

/// The request of UpdatePersonContactInformation.
pub static UPDATE_CONTACT: ComplexType = closed_in_v3(complex(
    "UpdatePersonContactInformationType",
    &[
        group("actor", &ACTOR).one(),
        group("personId", &IDENTITY).one(),
        value("versionToUpdate", &TIMESTAMP),
        group("contactInformation", &CONTACT_INFORMATION).many(),
        group("contactPerson", &CONTACT_PERSON).many(),
        value("optoutPaperNotification", &XS_BOOLEAN).extension(Extension::E31),
    ],
));

/// The answer of UpdatePersonContactInformation.
pub static UPDATE_CONTACT_RESPONSE: ComplexType = complex(
    "UpdatePersonContactInformationResponseType",
    &[group(
        "updatePersonContactInformationResult",
        &UPDATE_CONTACT_RESULT,
    )
    .one()],
);

/// The answer of UpdatePersonContactInformationUnrestricted. Its element begins with a capital in
/// the official 4.0 schema. That of 3.1 was not seen; it is spelled the same way here, since 4.0
/// says that it only moved to the new core types.
pub static UPDATE_CONTACT_UNRESTRICTED_RESPONSE: ComplexType = complex(
    "UpdatePersonContactInformationUnrestrictedResponseType",
    &[group(
        "UpdatePersonContactInformationUnrestrictedResult",
        &UPDATE_CONTACT_RESULT,
    )
    .one()],
);

/// The request of UpdatePerson. In version 3 `addressAbroad` came with 3.3.
pub static UPDATE_PERSON: ComplexType = closed_in_v3(complex(
    "UpdatePersonType",
    &[
        group("actor", &ACTOR).one(),
        group("personId", &IDENTITY),
        value("gender", &CODED_VALUE),
        value("versionToUpdate", &TIMESTAMP),
        group("name", &NAME),
        group("birth", &BIRTH),
        group("relationship", &RELATIONSHIP).many(),
        group("givenAddress", &RESIDENTIAL_ADDRESS),
        group("deregistration", &DEREGISTRATION),
        group("administrativeInformation", &ADMINISTRATIVE_INFORMATION),
        group("confirmedIdentity", &CONFIRMED_IDENTITY).many(),
        group("addressAbroad", &ADDRESS_ABROAD).extension(Extension::E33),
    ],
));

/// The answer of UpdatePerson.
pub static UPDATE_PERSON_RESPONSE: ComplexType = complex(
    "UpdatePersonResponseType",
    &[group("updatePersonResult", &UPDATE_PERSON_RESULT).one()],
);

/// The request of LinkPersonIdentity.
pub static LINK: ComplexType = complex(
    "LinkPersonIdentityType",
    &[
        group("actor", &ACTOR).one(),
        group("fromIdentity", &IDENTITY).one(),
        group("toIdentity", &IDENTITY).one(),
    ],
);

/// The request of UnlinkPersonIdentity.
pub static UNLINK: ComplexType = complex(
    "UnlinkPersonIdentityType",
    &[
        group("actor", &ACTOR).one(),
        group("unlinkFromIdentity", &IDENTITY).one(),
        group("unlinkIdentity", &IDENTITY).one(),
    ],
);

static RESULT_ROWS: &[Row] = &[group("result", &RESULT).one()];

/// The answer of LinkPersonIdentity.
pub static LINK_RESPONSE: ComplexType = complex("LinkPersonIdentityResponseType", RESULT_ROWS);

/// The answer of UnlinkPersonIdentity.
pub static UNLINK_RESPONSE: ComplexType = complex("UnlinkPersonIdentityResponseType", RESULT_ROWS);

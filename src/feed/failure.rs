//! Why a file is refused as a whole, told in a report: a code for machines, and plain Swedish.

use super::bundle::BundleError;
use super::exchange::ReadError;
use super::file::FileError;
use super::report::Failed;
use crate::base::limits;

impl From<&FileError> for Failed {
    fn from(error: &FileError) -> Self {
        let (code, message) = match error {
            FileError::Io { .. } => unreadable(),
            FileError::Damaged { .. } => {
                ("damaged-packing", "Filens packning är skadad.".to_owned())
            }
            FileError::UnknownFormat { .. } | FileError::NotNavet { .. } => unknown_format(),
            FileError::UnknownEncoding { .. } => (
                "unknown-encoding",
                "Filen anger en annan teckenkodning än ISO-8859-1, CP1252 och UTF-8.".to_owned(),
            ),
            FileError::NotEncoded { .. } => (
                "not-encoded",
                "Filens tecken är varken UTF-8 eller ISO-8859-1 (CP1252), eller inte vad filen anger."
                    .to_owned(),
            ),
            FileError::ForeignXml { .. } => (
                "foreign-xml",
                "Filen är XML men ingen aviseringsfil: rotelementet är inte Navetavisering.".to_owned(),
            ),
            FileError::SoapFault { .. } => (
                "soap-fault",
                "Filen är ett SOAP-fel och ingen aviseringsfil.".to_owned(),
            ),
            FileError::OnlineAnswer { .. } => (
                "online-answer",
                "Filen är ett svar från Skatteverkets direktåtkomst och ingen aviseringsfil. Ett sådant \
                 läses in med pu import --online-answer."
                    .to_owned(),
            ),
            FileError::Incomplete { part, .. } => (
                "incomplete",
                format!("Filen är ingen hel aviseringsfil: {part} saknas."),
            ),
            FileError::Bundle { why, .. } => bundle(why),
            FileError::Doctype { line, .. } => (
                "doctype",
                format!("Rad {line} innehåller en dokumenttypsdeklaration, som inte godtas."),
            ),
            FileError::Truncated { line, .. } => truncated(*line),
            FileError::WrongCount {
                announced, found, ..
            } => wrong_count(*announced, *found),
        };
        Self::new(code, message)
    }
}

impl From<&ReadError> for Failed {
    fn from(error: &ReadError) -> Self {
        let (code, message) = match error {
            ReadError::Io(_) => unreadable(),
            ReadError::NotExchange => unknown_format(),
            ReadError::Version(version) => (
                "unknown-version",
                format!("Utbytesfilen har version {version}, som inte kan läsas."),
            ),
            ReadError::UnknownFormat { short_name } => (
                "unknown-identity-format",
                format!(
                    "Filen innehåller identiteter av typen {short_name}, som inte är konfigurerad."
                ),
            ),
            ReadError::Truncated { line } => truncated(*line),
            ReadError::WrongCount { told, found } => wrong_count(*told, *found),
            ReadError::AfterEnd { line } => (
                "after-end",
                format!("Rad {line} står efter filens slutmarkering."),
            ),
        };
        Self::new(code, message)
    }
}

impl Failed {
    fn new(code: &str, message: String) -> Self {
        Self {
            code: code.to_owned(),
            message,
        }
    }
}

fn bundle(why: &BundleError) -> (&'static str, String) {
    let (code, message) = match why {
        BundleError::Io(_) => return unreadable(),
        BundleError::Damaged => (
            "damaged-packing",
            "Zip-filen är skadad, eller packad på ett sätt som inte kan läsas.".to_owned(),
        ),
        BundleError::Encrypted => ("encrypted-zip", "Zip-filen är krypterad.".to_owned()),
        BundleError::Nested => (
            "nested-zip",
            "Zip-filen innehåller en zip-fil, som inte packas upp.".to_owned(),
        ),
        BundleError::Empty => ("empty-zip", "Zip-filen är tom.".to_owned()),
        BundleError::TooMany => (
            "large-zip",
            format!(
                "Zip-filen innehåller fler än {} filer.",
                limits::BUNDLE_FILES
            ),
        ),
        BundleError::TooLarge => (
            "large-zip",
            format!("Zip-filen innehåller mer än {} byte.", limits::BUNDLE_BYTES),
        ),
        BundleError::Bomb => (
            "large-zip",
            format!(
                "Zip-filen packas upp till mer än {} gånger sin storlek.",
                limits::BUNDLE_RATIO
            ),
        ),
    };
    (code, message)
}

fn unreadable() -> (&'static str, String) {
    ("unreadable", "Filen kan inte läsas.".to_owned())
}

fn unknown_format() -> (&'static str, String) {
    let message = "Filen är varken en aviseringsfil (text eller XML) eller en utbytesfil.";
    ("unknown-format", message.to_owned())
}

fn truncated(line: u64) -> (&'static str, String) {
    let message = format!("Filen är avklippt: den slutar på rad {line} utan slutmarkering.");
    ("truncated", message)
}

fn wrong_count(told: u64, found: u64) -> (&'static str, String) {
    let message = format!("Filen anger {told} poster men innehåller {found}.");
    ("wrong-count", message)
}

//! Why a file is refused as a whole, told in a report: a code for machines, and plain Swedish.

use super::exchange::ReadError;
use super::file::FileError;
use super::report::Failed;

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
                "Filen anger en annan teckenkodning än ISO-8859-1 och UTF-8.".to_owned(),
            ),
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

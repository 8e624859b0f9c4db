//! The register's own exchange file: one person a line as JSON, for backup, for moving between
//! registers, and as the way across record formats.
//!
//! ```text
//! {"pu_exchange":1,"created":"2025-01-07T06:00:00.000+01:00","sequence":17,"identity_formats":[]}
//! {"personalIdentity":{"root":"1.2.752.74.9.1","extension":"22790814AA01"}, ...}
//! {"end":true,"persons":1}
//! ```
//!
//! The count stands last, so that writing streams; a file without its last line is cut off and
//! says so. A file may be packed by gzip or zstd: by its name when written, by its first bytes when
//! read. A line that is no person is handed out with its bytes and the reason, and reading goes on.

mod read;
mod write;

pub use read::{LineText, ReadError, Reader, Reason, Rejected, check};
pub use write::{FileWriter, WriteError, Writer};

use serde::{Deserialize, Serialize};

use crate::base::time::DateTime;
use crate::person::format::FormatRow;
use crate::person::identity::Formats;

/// The version of the file format. A reader takes no other.
const VERSION: u32 = 1;

/// What the first line tells of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When the state that the file holds was current.
    pub created: DateTime,
    /// The sequence number of that state.
    pub sequence: u64,
    /// The identity formats that the writing register had beside the built-in ones. A reader must
    /// know each of them.
    pub identity_formats: Vec<FormatRow>,
}

impl Header {
    /// The header of a file written from a register with these formats.
    pub fn new(created: DateTime, sequence: u64, formats: &Formats) -> Self {
        Self {
            created,
            sequence,
            identity_formats: formats.configured().cloned().collect(),
        }
    }
}

/// The first line as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstLine {
    pu_exchange: u32,
    created: String,
    sequence: u64,
    identity_formats: Vec<FormatRow>,
}

/// The last line as it stands.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LastLine {
    end: bool,
    persons: u64,
}

/// Longest last line, and longest first line: anything longer is not looked at as one.
const LAST_LINE_BYTES: usize = 200;
const FIRST_LINE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::path::Path;

    use super::*;
    use crate::base::limits;
    use crate::feed::packing::Packing;
    use crate::person::edit::Person;
    use crate::person::edit::tests::{full, identity};
    use crate::person::format::{Birth, built_in};
    use crate::person::json::JsonError;

    fn header() -> Header {
        Header {
            created: DateTime::parse("2025-01-07T06:00:00").unwrap(),
            sequence: 17,
            identity_formats: Vec::new(),
        }
    }

    fn people() -> Vec<Person> {
        let numbers = ["191212121212", "22790814AA01", "991981000010"];
        numbers
            .into_iter()
            .zip(1..)
            .map(|(number, seed)| full(identity(number), seed))
            .collect()
    }

    fn packed(packing: Packing) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), packing, &header(), Formats::standard()).unwrap();
        for person in people() {
            writer.write_person(&person).unwrap();
        }
        writer.finish().unwrap()
    }

    fn all(bytes: Vec<u8>) -> Result<Vec<Result<Person, Rejected>>, ReadError> {
        let formats = Formats::standard();
        let mut reader = Reader::new(Cursor::new(bytes))?;
        let mut read = Vec::new();
        while let Some(person) = reader.next_person(&formats)? {
            read.push(person);
        }
        assert!(reader.next_person(&formats).unwrap().is_none());
        Ok(read)
    }

    fn failed(bytes: Vec<u8>) -> ReadError {
        all(bytes).err().unwrap()
    }

    #[test]
    fn people_come_back_from_every_packing() {
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let read = all(packed(packing)).unwrap();
            let read: Vec<Person> = read.into_iter().map(Result::unwrap).collect();
            assert!(read == people(), "{packing:?}");
        }
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        for (name, packing) in [
            ("people.ndjson", Packing::Plain),
            ("people.ndjson.gz", Packing::Gzip),
            ("people.ndjson.zst", Packing::Zstd),
        ] {
            let path = dir.path().join(name);
            assert_eq!(Packing::of_name(&path), packing);
            let mut writer = Writer::create(&path, &header(), Formats::standard()).unwrap();
            writer.write_person(&people()[0]).unwrap();
            assert!(!path.exists());
            assert_eq!(writer.finish().unwrap(), 1);
            assert_eq!(
                std::fs::read(&path).unwrap().starts_with(b"{"),
                packing == Packing::Plain
            );
            let mut reader = Reader::open(&path).unwrap();
            assert_eq!(*reader.header(), header());
            assert!(reader.next_person(&Formats::standard()).unwrap().is_some());
        }
        assert!(Reader::open(Path::new("/nowhere/at.all")).is_err());
    }

    #[test]
    fn a_cut_off_file_is_noticed_wherever_it_is_cut() {
        for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
            let whole = packed(packing);
            for keep in 0..10 {
                let mut cut = whole.clone();
                cut.truncate(whole.len() * keep / 10);
                let error = failed(cut);
                let told = match error {
                    ReadError::Truncated { .. } => true,
                    ReadError::NotExchange => keep == 0,
                    _ => false,
                };
                assert!(told, "{packing:?} {keep}: {error}");
            }
        }
        let whole = String::from_utf8(packed(Packing::Plain)).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let last = lines.len() - 1;
        let without_end = lines[..last].join("\n") + "\n";
        assert!(matches!(
            failed(without_end.into_bytes()),
            ReadError::Truncated { line: 4 }
        ));
        let without_one = [&lines[..1], &lines[2..]].concat().join("\n") + "\n";
        assert!(matches!(
            failed(without_one.into_bytes()),
            ReadError::WrongCount { told: 3, found: 2 }
        ));
        assert!(matches!(
            failed((whole.clone() + "{}\n").into_bytes()),
            ReadError::AfterEnd { line: 6 }
        ));
        assert!(all((whole.replace('\n', "\r\n") + "\r\n").into_bytes()).is_ok());
    }

    #[test]
    fn a_bad_line_is_handed_out_and_reading_goes_on() {
        let whole = String::from_utf8(packed(Packing::Plain)).unwrap();
        let mut lines: Vec<String> = whole.lines().map(str::to_owned).collect();
        lines[2] = r#"{"surname":"TESTGATAN"}"#.to_owned();
        lines[3] = "x".repeat(limits::POST_BYTES + 1);
        let read = all((lines.join("\n") + "\n").into_bytes()).unwrap();
        let kept: Vec<bool> = read.iter().map(Result::is_ok).collect();
        assert_eq!(kept, [true, false, false]);
        let rejected: Vec<&Rejected> = read.iter().filter_map(|it| it.as_ref().err()).collect();
        assert_eq!(rejected[0].line, 3);
        assert!(matches!(
            rejected[0].reason,
            Reason::Json(JsonError::UnknownName { .. })
        ));
        assert_eq!(rejected[0].raw.reveal(), lines[2].as_bytes());
        assert!(!format!("{:?} {}", rejected[0], rejected[0].reason).contains("TESTGATAN"));
        assert_eq!((rejected[1].line, rejected[1].reason), (4, Reason::TooLong));
    }

    #[test]
    fn foreign_files_are_refused_by_their_first_line() {
        for text in ["", "{}\n", "#INFO_START\n", "{\"pu_exchange\":1}\n"] {
            let error = failed(text.as_bytes().to_vec());
            assert!(matches!(error, ReadError::NotExchange), "{text}");
        }
        let newer = b"{\"pu_exchange\":2,\"more\":[]}\n".to_vec();
        assert!(matches!(failed(newer), ReadError::Version(2)));
    }

    #[test]
    fn a_file_names_the_identity_formats_that_a_reader_must_know() {
        let mut row = built_in()[3].clone();
        row.number = 64;
        row.root = "1.2.752.999.1".to_owned();
        row.short_name = "RX".to_owned();
        row.birth = Birth::Unknown;
        let formats = Formats::with(std::slice::from_ref(&row)).unwrap();
        let with = Header::new(header().created, 17, &formats);
        assert_eq!(with.identity_formats, std::slice::from_ref(&row));
        let writer = Writer::new(Vec::new(), Packing::Plain, &with, formats.clone()).unwrap();
        let reader = Reader::new(Cursor::new(writer.finish().unwrap())).unwrap();
        assert_eq!(*reader.header(), with);
        reader.check_formats(&formats).unwrap();
        let error = reader.check_formats(&Formats::standard()).unwrap_err();
        assert!(matches!(error, ReadError::UnknownFormat { short_name } if short_name == "RX"));
        row.number = 70;
        let elsewhere = Formats::with(&[row]).unwrap();
        reader.check_formats(&elsewhere).unwrap();
    }
}

//! Files as they come: written by other letters than they say, packed by others, or not
//! Skatteverket's at all. Offline and served, one file has one result.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::inbox::report;
use crate::program::{Ran, pu};
use crate::support::{Service, persons, register};

const TEXT: &[u8] = include_bytes!("../fixtures/navet/termdata.txt");
const XML: &[u8] = include_bytes!("../fixtures/navet/avisering.xml");

/// Who moves to MALMÖ in both fixtures.
const MOVER: &str = "198401012391";

/// A register beside the files that are brought into it.
struct Shelf(tempfile::TempDir);

impl Shelf {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn import(&self, more: &[&str], name: &str, bytes: &[u8]) -> Ran {
        let path = self.path(name);
        fs::write(&path, bytes).unwrap();
        let data = self.path("data");
        let mut all = vec!["import", "--data", told(&data)];
        all.extend(more);
        all.push(told(&path));
        pu(&all)
    }

    fn get(&self, number: &str) -> String {
        pu(&["get", "--data", told(&self.path("data")), number]).well()
    }
}

fn told(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Latin-1 bytes as text.
fn letters(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|it| u8::try_from(u32::from(it)).unwrap())
        .collect()
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let order = |unit: u16| {
        if little {
            unit.to_le_bytes()
        } else {
            unit.to_be_bytes()
        }
    };
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units
        .collect::<Vec<_>>()
        .into_iter()
        .flat_map(order)
        .collect()
}

#[test]
fn letters_are_told_by_the_bytes() {
    let text = letters(TEXT);
    let xml = letters(XML);
    let declared = |name: &str| xml.replace("ISO-8859-1", name);
    for (name, bytes, expected) in [
        ("plain.txt", TEXT.to_vec(), None),
        (
            "utf8.txt",
            text.clone().into_bytes(),
            Some("UTF-8, not ISO-8859-1"),
        ),
        (
            "utf8.xml",
            xml.clone().into_bytes(),
            Some("UTF-8, not ISO-8859-1"),
        ),
        ("right.xml", declared("UTF-8").into_bytes(), None),
        ("little.txt", utf16(&text, true), None),
        ("big.txt", utf16(&text, false), None),
        ("little.xml", utf16(&declared("UTF-16"), true), None),
        (
            "big.xml",
            utf16(&xml, false),
            Some("UTF-16BE, not ISO-8859-1"),
        ),
    ] {
        let shelf = Shelf::new();
        let printed = shelf.import(&[], name, &bytes).well();
        let warned = printed.contains("letters are");
        assert_eq!(warned, expected.is_some(), "{name}: {printed}");
        assert!(printed.contains(expected.unwrap_or_default()), "{printed}");
        let mover = shelf.get(MOVER);
        assert!(
            mover.contains("MALMÖ") && mover.contains("PROVVÄGEN 2"),
            "{name}: {mover}"
        );
    }
    // What Windows has where ISO-8859-1 has control characters.
    for (name, file) in [("windows.txt", text.clone()), ("windows.xml", xml.clone())] {
        let shelf = Shelf::new();
        let file = latin1(&file.replace("MALMÖ", "\u{8a}KÖVDE \u{96} \u{9a}"));
        let printed = shelf.import(&[], name, &file).well();
        assert!(
            printed.contains("letters are CP1252, not ISO-8859-1"),
            "{printed}"
        );
        assert!(shelf.get(MOVER).contains("ŠKÖVDE – š"));
    }
    // References mean the same letters.
    let shelf = Shelf::new();
    let printed = shelf.import(
        &[],
        "r.xml",
        &latin1(&xml.replace("MALMÖ", "&#x8A;K&#214;VDE")),
    );
    assert!(
        printed
            .well()
            .contains("a reference to a control character")
    );
    assert!(shelf.get(MOVER).contains("ŠKÖVDE"));
    for (name, bytes) in [
        ("neither.txt", latin1(&text.replace("MALMÖ", "\u{8f}"))),
        ("neither.xml", latin1(&xml.replace("MALMÖ", "\u{81}"))),
        ("wrong.xml", latin1(&declared("UTF-8"))),
        ("marked.txt", [b"\xef\xbb\xbf", TEXT].concat()),
    ] {
        let shelf = Shelf::new();
        let refused = shelf.import(&[], name, &bytes).refused();
        assert!(
            refused.contains("its letters are neither"),
            "{name}: {refused}"
        );
    }
}

/// What is rejected of a file in UTF-16 is kept as it came.
#[test]
fn rejects_keep_the_bytes_of_the_file() {
    let text = letters(TEXT).replace("#UP 01007 20250102", "#UP 01007 x");
    let shelf = Shelf::new();
    let printed = shelf.import(&[], "a.txt", &utf16(&text, true)).well();
    assert!(printed.contains("not a date"), "{printed}");
    let kept = fs::read(shelf.path("data/rejected/a.txt.posts")).unwrap();
    let begin = text.find("#POST_START\n#UP 01001 194012239101").unwrap();
    let end = begin + text[begin..].find("#POST_SLUT\n").unwrap() + "#POST_SLUT\n".len();
    assert!(kept == utf16(&text[begin..end], true));
}

const FAULT: &str = "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body><S:Fault>\
    <faultcode>S:Server</faultcode><faultstring>Felaktiga inparametrar</faultstring></S:Fault></S:Body>\
    </S:Envelope>";

const ANSWER: &str = "<S:Envelope xmlns:S='http://schemas.xmlsoap.org/soap/envelope/'><S:Body>\
    <n:PersonpostXMLResponse xmlns:n='urn:x'><n:Folkbokforingsposter><Folkbokforingspost>\
    <Arendeuppgift andringstidpunkt='20250202121500'/><Personpost><PersonId><PersonNr>198401012391</PersonNr>\
    </PersonId><Hanvisningar><Hanvisning>198402192390</Hanvisning></Hanvisningar><Namn>\
    <Efternamn>Svarsson</Efternamn></Namn></Personpost></Folkbokforingspost></n:Folkbokforingsposter>\
    </n:PersonpostXMLResponse></S:Body></S:Envelope>";

#[test]
fn what_is_no_file_of_skatteverkets_is_refused() {
    let (text, xml) = (letters(TEXT), letters(XML));
    let information = {
        let begin = xml.find("<Aviseringsinformation>").unwrap();
        let end = xml.find("</Aviseringsinformation>").unwrap() + "</Aviseringsinformation>".len();
        format!("{}{}", &xml[..begin], &xml[end..])
    };
    for (name, file, why) in [
        ("a.xml", "<a/>".to_owned(), "its root is not Navetavisering"),
        (
            "news.xml",
            "<rss><channel/></rss>".to_owned(),
            "its root is not Navetavisering",
        ),
        ("fault.xml", FAULT.to_owned(), "a SOAP fault"),
        (
            "answer.xml",
            ANSWER.to_owned(),
            "an answer of Skatteverket's online service",
        ),
        (
            "empty.xml",
            "<S:Envelope><S:Body/></S:Envelope>".to_owned(),
            "its root is not Navetavisering",
        ),
        ("bare.xml", information, "Aviseringsinformation is missing"),
        (
            "uncounted.xml",
            xml.replace("AntalPoster>", "Poster>"),
            "AntalPoster is missing",
        ),
        (
            "untyped.txt",
            text.replace("#FILTYP UTFIL\n", ""),
            "#FILTYP is missing",
        ),
        (
            "unframed.txt",
            text[text.find("#DATA_START").unwrap()..].to_owned(),
            "#INFO_START is missing",
        ),
        (
            "uncounted.txt",
            text.replace("#ANTAL_POSTER 6\n", ""),
            "#ANTAL_POSTER is missing",
        ),
    ] {
        let shelf = Shelf::new();
        let refused = shelf.import(&[], name, &latin1(&file)).refused();
        assert!(refused.contains(why), "{name}: {refused}");
        assert!(!shelf.path("data").join("rejected").exists());
    }
    // Whoever says what it is has it read, and complete: what the answer does not tell has no value.
    let shelf = Shelf::new();
    shelf.import(&[], "before.txt", TEXT).well();
    assert!(shelf.get(MOVER).contains("MALMÖ"));
    let all = &["--online-answer"];
    shelf.import(all, "answer.xml", ANSWER.as_bytes()).well();
    let mover = shelf.get(MOVER);
    assert!(
        mover.contains("Svarsson") && mover.contains("198402192390"),
        "{mover}"
    );
    assert!(!mover.contains("MALMÖ"), "{mover}");
    let refused = shelf.import(all, "fault.xml", FAULT.as_bytes()).refused();
    assert!(refused.contains("a SOAP fault"), "{refused}");
}

#[test]
fn characters_that_nobody_sees_are_taken_out_and_told() {
    let (text, xml) = (letters(TEXT), letters(XML));
    let value = "PROVVÄGEN 2";
    for (name, file) in [
        ("a.txt", text.replace(value, "PROV\u{7f}VÄGEN\t2\u{1}")),
        (
            "b.txt",
            text.replace(value, "\u{202e}PROV\u{200b}VÄGEN\u{2028}2"),
        ),
        ("c.xml", xml.replace(value, "PROV\u{7f}VÄGEN\r\n   2")),
        (
            "d.xml",
            xml.replace(value, "PROVVÄGEN&#10;2&#x200B;&#x202E;"),
        ),
    ] {
        let bytes = match name {
            "b.txt" => file.into_bytes(),
            _ => latin1(&file),
        };
        let shelf = Shelf::new();
        let printed = shelf.import(&[], name, &bytes).well();
        assert!(
            printed.contains("Utdelningsadress2): control or direction characters"),
            "{printed}"
        );
        assert!(shelf.get(MOVER).contains(value), "{name}");
    }
}

#[test]
fn small_differences_of_the_text_format_are_read() {
    let text = letters(TEXT)
        .replace("#UP 01035 MALMÖ", "#UP \t 01035 \t MALMÖ")
        .replace("#UP 01001 ", "#UP  01001  ");
    for tail in [
        "\u{1a}",
        "\u{1a}\r\n",
        "\0\0\0\0",
        "\n\n \n",
        "\u{1a}\0\0\n\0",
    ] {
        let shelf = Shelf::new();
        let printed = shelf
            .import(&[], "a.txt", &latin1(&format!("{text}{tail}")))
            .well();
        let row = printed
            .lines()
            .find(|line| line.starts_with("a.txt"))
            .unwrap();
        let counts: Vec<&str> = row.split_whitespace().skip(1).collect();
        assert_eq!(counts, ["6", "6", "0", "0", "0"], "{tail:?}");
        assert!(shelf.get(MOVER).contains("MALMÖ"));
    }
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A day later: another address.
fn later() -> Vec<u8> {
    let text = letters(TEXT)
        .replace("#EFFEKTUERAD 20250107", "#EFFEKTUERAD 20250108")
        .replace("2025.000.000.", "2025.000.001.")
        .replace("PROVVÄGEN 2", "SENAREVÄGEN 3");
    latin1(&text)
}

#[test]
fn an_archive_is_its_files_in_the_order_of_their_dates() {
    let archive = zipped(&[("in/later.txt", &later()), ("first.txt", TEXT)]);
    let shelf = Shelf::new();
    let printed = shelf.import(&[], "day.zip", &archive).well();
    let at = |name: &str| printed.find(name).unwrap_or_else(|| panic!("{printed}"));
    assert!(at("day.zip-first.txt") < at("day.zip-later.txt"));
    assert!(shelf.get(MOVER).contains("SENAREVÄGEN 3"));
    assert!(!shelf.path("data/.unpacked").exists());
    let nested = zipped(&[("a.zip", &archive)]);
    let refused = shelf.import(&[], "nested.zip", &nested).refused();
    assert!(
        refused.contains("nested.zip: a zip within a zip"),
        "{refused}"
    );
    assert!(!shelf.path("data/.unpacked").exists());
}

#[test]
fn the_inbox_has_the_same_result() {
    let folder = register(persons());
    let inbox = folder.path().join("inbox");
    let service = Service::over(folder, |_| {});
    let before = service.app.store.pin().sequence();
    for (name, bytes, code) in [
        ("fault.xml", FAULT.as_bytes().to_vec(), "soap-fault"),
        ("answer.xml", ANSWER.as_bytes().to_vec(), "online-answer"),
        ("a.xml", b"<a/>".to_vec(), "foreign-xml"),
        (
            "neither.txt",
            latin1(&letters(TEXT).replace("MALMÖ", "\u{8f}")),
            "not-encoded",
        ),
        (
            "bare.txt",
            latin1(letters(TEXT).split_once("#INFO_SLUT\n").unwrap().1),
            "incomplete",
        ),
        (
            "nested.zip",
            zipped(&[("a.zip", &zipped(&[("a", TEXT)]))]),
            "nested-zip",
        ),
    ] {
        fs::write(inbox.join(name), bytes).unwrap();
        let told = report(&inbox, "failed", name);
        assert_eq!(told["failed"]["code"], code, "{name}");
    }
    assert_eq!(service.app.store.pin().sequence(), before);
    let utf8 = letters(TEXT).into_bytes();
    let archive = zipped(&[("later.txt", &later()), ("first.txt", &utf8)]);
    fs::write(inbox.join("day.zip"), archive).unwrap();
    let told = report(&inbox, "done", "day.zip");
    let inside = ["day.zip-later.txt", "day.zip-first.txt"];
    assert_eq!(told["unpacked"], serde_json::json!(inside));
    let first = report(&inbox, "done", inside[1]);
    assert_eq!(first["letters"], "UTF-8");
    assert_eq!(
        first["warnings"]["letters are UTF-8, not ISO-8859-1 as declared"],
        1
    );
    let later = report(&inbox, "done", inside[0]);
    assert_eq!(later["letters"], "ISO-8859-1");
    assert!(later["sequence"].as_u64() > first["sequence"].as_u64());
    assert_eq!(later["not_newer"], 0);
}

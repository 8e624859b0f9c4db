//! What a record says is true: files as Skatteverket sends them, imported by the real program, and
//! the record that somebody reads afterwards.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Ran, pu};

const OLD: &str = "198402192390";
const NEW: &str = "198402192382";
const OTHER: &str = "194012239101";

/// A register, and the files that come to it.
struct Register {
    folder: tempfile::TempDir,
    files: usize,
}

impl Register {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            files: 0,
        }
    }

    /// A file of a day with posts, written in short: `01001 A / 01006 GN`.
    fn file(&mut self, day: &str, posts: &[&str]) -> PathBuf {
        let posts: String = posts
            .iter()
            .map(|post| {
                let lines: String = post
                    .split(" / ")
                    .map(|line| format!("#UP {line}\n"))
                    .collect();
                format!("#POST_START\n{lines}#POST_SLUT\n")
            })
            .collect();
        let text = format!(
            "#INFO_START\n#FILTYP UTFIL\n#BESTALLNINGSID 00000236-FO01-0002\n#EFFEKTUERAD {day}\n\
             #INFO_SLUT\n#DATA_START\n{posts}#DATA_SLUT\n#AVST_START\n#ANTAL_POSTER {}\n#AVST_SLUT\n\
             #FIL_SLUT\n",
            posts.matches("#POST_START").count()
        );
        self.files += 1;
        let path = self.folder.path().join(format!("{}.txt", self.files));
        fs::write(&path, text).unwrap();
        path
    }

    fn import(&self, files: &[PathBuf]) -> Ran {
        let data = self.folder.path().join("data");
        let mut arguments = vec!["import", "--data", data.to_str().unwrap()];
        arguments.extend(files.iter().map(|it| it.to_str().unwrap()));
        pu(&arguments)
    }

    fn take(&mut self, day: &str, posts: &[&str]) -> String {
        let file = self.file(day, posts);
        self.import(&[file]).well()
    }

    /// The record that somebody gets who asks for an identity.
    fn get(&self, identity: &str) -> Value {
        let data = self.folder.path().join("data");
        let arguments = ["--json", "--unrestricted", "--profile", "P5", identity];
        let all = [&["get", "--data", data.to_str().unwrap()], &arguments[..]].concat();
        serde_json::from_str(&pu(&all).well()).unwrap()
    }

    fn is_protected(&self, identity: &str) -> bool {
        self.get(identity)["protectedPersonIndicator"] == true
    }
}

#[test]
fn a_death_after_a_change_of_number_is_shown_by_both_numbers() {
    for (reason, posts) in [("AV", [0, 1]), ("UV", [1, 0])] {
        let mut register = Register::new();
        let gone = format!("01001 {NEW} / 01005 {OLD} / 01006 {reason} / 01007 20240101");
        let all = [&*format!("01001 {OLD} / 01005 {NEW} / 01006 GN"), &*gone];
        register.take("20250107", &posts.map(|post| all[post]));
        for identity in [OLD, NEW] {
            let shown = register.get(identity);
            assert_eq!(shown["personalIdentity"]["extension"], NEW, "{shown}");
            assert_eq!(shown["deregistration"]["deregistrationReasonCode"], reason);
        }
    }
}

#[test]
fn a_file_that_was_left_lying_takes_no_protection_away() {
    let hidden = format!("01001 {NEW} / 01003 J / 01014 Testsson");
    for old in [
        format!("01001 {NEW} / 01003 N"),
        format!("01001 {NEW} / 09003 J / 01014 Testsson"),
    ] {
        let mut register = Register::new();
        register.take("20250110", &[&hidden]);
        register.take("20250105", &[&old]);
        assert!(register.is_protected(NEW), "{old}");
        register.take("20250111", &[&old]);
        assert!(!register.is_protected(NEW), "the newest opens it: {old}");
        // In one command, whatever their order.
        let mut register = Register::new();
        let files = [
            register.file("20250110", &[&hidden]),
            register.file("20250105", &[&old]),
        ];
        register.import(&files).well();
        assert!(register.is_protected(NEW), "{old}");
    }
}

/// Posts in the XML format may lack a number too: then day and serial number of the file order them,
/// in another run of the program as well.
#[test]
fn of_two_files_of_one_day_the_one_that_was_made_later_counts() {
    let register = Register::new();
    let file = |serial: u32, mark: &str| {
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><Navetavisering><Aviseringsinformation>\
             <Filinformation><Utfil><Effektueringsdatum>20250110</Effektueringsdatum>\
             <AntalPoster>1</AntalPoster><JobbId>12345678</JobbId><LopNr>{serial}</LopNr></Utfil>\
             </Filinformation></Aviseringsinformation><Folkbokforingsposter><Folkbokforingspost>\
             <Sekretessmarkering>{mark}</Sekretessmarkering><Personpost><PersonId>\
             <PersonNr>{NEW}</PersonNr></PersonId></Personpost></Folkbokforingspost>\
             </Folkbokforingsposter></Navetavisering>"
        );
        let path = register.folder.path().join(format!("{serial}{mark}.xml"));
        fs::write(&path, xml).unwrap();
        path
    };
    register.import(&[file(2, "J")]).well();
    register.import(&[file(1, "N")]).well();
    assert!(register.is_protected(NEW));
    register.import(&[file(3, "N")]).well();
    assert!(!register.is_protected(NEW));
}

#[test]
fn dates_that_do_not_exist_are_reported_and_kept_out() {
    let mut register = Register::new();
    let report = register.take(
        "20250107",
        &[
            &format!("01001 {NEW} / 01006 AV / 01007 20230229"),
            &format!("01001 {OTHER} / 01006 AV / 01007 19391231"),
            &format!("01001 {OLD} / 01006 AV / 01007 20260101"),
        ],
    );
    for told in [
        "a date that does not exist, left out",
        "a death before the birth",
        "a death after the day of the file",
    ] {
        assert!(report.contains(told), "{told}: {report}");
    }
    let shown = register.get(NEW);
    let death = &shown["deregistration"];
    assert_eq!(death["deregistrationReasonCode"], "AV");
    assert!(death.get("deregistrationDate").is_none(), "{shown}");
}

/// The relations of a record: kind, relative or birth date, status.
fn relations(shown: &Value) -> Vec<[String; 3]> {
    let all = shown["relationship"].as_array().unwrap();
    let mut all: Vec<[String; 3]> = all
        .iter()
        .map(|it| {
            let relative = &it["relationshipId"];
            let number = &relative["personalIdentity"]["extension"];
            let born = &relative["dateOfBirth"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            [
                text(&it["relationshipType"]),
                text(number) + &text(born) + &text(&it["name"]["givenName"]),
                text(&it["status"]),
            ]
        })
        .collect();
    all.sort();
    all
}

#[test]
fn a_child_has_one_mother_when_her_number_changes_and_twins_are_two() {
    let mut register = Register::new();
    let relation = |number: &str, kind: &str, status: &str| {
        format!("02000 / 02001 {number} / 02003 {kind} / 02008 {status} / 02999")
    };
    let twin = |name: &str, status: &str| {
        format!("02000 / 02002 201001020000 / 02003 B / 02005 {name} / 02008 {status} / 02999")
    };
    let first = [
        format!("01001 {OTHER} / 01014 Testsson"),
        relation(OLD, "MO", "NY"),
        relation(OLD, "V", "NY"),
        twin("Kim", "NY"),
        twin("Robin", "NY"),
    ];
    register.take("20250107", &[&first.join(" / ")]);
    let second = [
        format!("01001 {OTHER}"),
        relation(NEW, "MO", "PB"),
        relation(NEW, "V", "PB"),
        twin("Robin", "AV"),
    ];
    register.take("20250108", &[&second.join(" / ")]);
    let mother = |kind: &str| [kind.to_owned(), NEW.to_owned(), "PB".to_owned()];
    let twin = |name: &str, status: &str| {
        [
            "B".to_owned(),
            format!("2010-01-02{name}"),
            status.to_owned(),
        ]
    };
    assert_eq!(
        relations(&register.get(OTHER)),
        [
            twin("Kim", "NY"),
            twin("Robin", "AV"),
            mother("MO"),
            mother("V")
        ]
    );
}

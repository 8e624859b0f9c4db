//! The command line: what each command prints, writes, refuses and answers to the shell.

use std::fs;
use std::path::{Path, PathBuf};

use crate::program::pu;
use crate::support::persons;

const TEXT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/navet/termdata.txt"
);
const XML: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/navet/avisering.xml"
);
const PERSONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/persons/all.ndjson"
);

/// A data folder and a place for other files beside it.
struct Place {
    folder: tempfile::TempDir,
    data: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        Self { folder, data }
    }

    fn with(files: &[&str]) -> Self {
        let place = Self::new();
        place.import(files).well();
        place
    }

    fn import(&self, files: &[&str]) -> crate::program::Ran {
        let mut arguments = vec!["import", "--data", text(&self.data)];
        arguments.extend(files);
        pu(&arguments)
    }

    fn get(&self, arguments: &[&str]) -> crate::program::Ran {
        let mut all = vec!["get", "--data", text(&self.data)];
        all.extend(arguments);
        pu(&all)
    }

    /// A file beside the data folder.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn path(&self, name: &str) -> String {
        text(&self.folder.path().join(name)).to_owned()
    }

    /// The names of the snapshots there are.
    fn snapshots(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.data) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains(".snapshot") || name.contains(".tmp"))
            .collect();
        names.sort();
        names
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The numbers in the report's row of a file: read, changed, unchanged, not newer, rejected.
fn counts(report: &str, file: &str) -> Vec<u64> {
    let row = report
        .lines()
        .find(|line| line.starts_with(file))
        .unwrap_or_else(|| panic!("no row {file}: {report}"));
    row.split_whitespace()
        .skip(1)
        .map(|number| number.parse().unwrap_or_else(|_| panic!("{row}")))
        .collect()
}

/// The fixture in the text format without its last lines.
fn cut_off() -> Vec<u8> {
    let whole = fs::read(TEXT).unwrap();
    let end = b"#DATA_SLUT";
    let at = whole.windows(end.len()).position(|it| it == end).unwrap();
    whole[..at].to_vec()
}

#[test]
fn imports_report_what_became_of_each_file() {
    let place = Place::new();
    let report = place.import(&[TEXT]).well();
    assert_eq!(counts(&report, "termdata.txt"), [6, 6, 0, 0, 0]);
    assert!(report.contains("\nwrote "), "{report}");
    let first = place.snapshots();
    assert_eq!(first.len(), 1);

    let report = place.import(&[TEXT]).well();
    assert!(
        report.contains("applied before, passed over") && report.contains("nothing changed"),
        "{report}"
    );
    assert_eq!(place.snapshots(), first, "the same file changes nothing");

    // The same posts in the other format: nothing is newer.
    let report = place.import(&[XML]).well();
    assert_eq!(counts(&report, "avisering.xml"), [6, 0, 0, 6, 0]);
    assert_eq!(place.snapshots(), first);

    let report = place.import(&[PERSONS]).well();
    let found = counts(&report, "all.ndjson");
    assert_eq!((found[0], found[4]), (14, 0), "{report}");
    assert!(place.snapshots().len() > first.len() || place.snapshots() != first);
}

#[test]
fn both_formats_say_the_same() {
    let (one, other) = (Place::with(&[TEXT]), Place::with(&[XML]));
    for identity in [
        "202412302396",
        "198401012391",
        "194012239101",
        "197001782395",
    ] {
        let shown = |place: &Place| {
            let line = place.get(&["--json", "--profile", "P5", identity]).well();
            let mut person: serde_json::Value = serde_json::from_str(&line).unwrap();
            let fields = person.as_object_mut().unwrap();
            fields.remove("version");
            fields.remove("populationRegistrationRecord");
            if let Some(place) = fields.get_mut("populationRegistrationLocality") {
                let place = place.as_object_mut().unwrap();
                place.remove("localRegistrationTime");
            }
            person
        };
        assert_eq!(shown(&one), shown(&other));
    }
}

#[test]
fn a_file_that_is_cut_off_is_refused_unless_told_otherwise() {
    let place = Place::with(&[PERSONS]);
    let before = place.snapshots();
    let file = place.file("cut.txt", cut_off());
    // A good file before it does not get through either: a run is one change or none.
    let complaint = place.import(&[TEXT, &file]).refused();
    assert!(complaint.contains("cut.txt"), "{complaint}");
    assert_eq!(place.snapshots(), before, "nothing changed");
    let unknown = place.get(&["--json", "202412302396"]);
    assert_eq!((unknown.code, unknown.out.as_str()), (Some(1), "null\n"));
    assert!(unknown.err.contains("identity 1: there is no such person"));

    let report = place.import(&["--accept-truncated", &file]).well();
    assert_eq!(counts(&report, "cut.txt"), [6, 6, 0, 0, 0]);
    assert_ne!(place.snapshots(), before);
}

#[test]
fn broken_posts_are_kept_aside_in_their_own_bytes_and_told_without_personal_data() {
    let place = Place::new();
    let whole = fs::read(TEXT).unwrap();
    let latin = encoding_of(&whole);
    // The second post's county is no number of two digits, and its street is nobody else's.
    let broken = latin.replacen("#UP 01022 12\n", "#UP 01022 HEMLIGT LÄN\n", 1);
    assert_ne!(broken, latin);
    let bytes: Vec<u8> = broken.chars().map(|it| it as u32 as u8).collect();
    let file = place.file("broken.txt", &bytes);
    let ran = place.import(&[&file]);
    let spoken = format!("{}{}", ran.out, ran.err);
    let report = ran.well();
    assert_eq!(counts(&report, "broken.txt"), [6, 5, 0, 0, 1]);
    assert!(report.contains("rejected        1  term"), "{report}");
    for hidden in ["HEMLIGT", "198401012391", "PROVV", "BOKEN", "Testsson"] {
        assert!(!spoken.contains(hidden), "{hidden}: {spoken}");
    }

    let rejected = place.data.join("rejected");
    let kept = fs::read(rejected.join("broken.txt.posts")).unwrap();
    let at = bytes
        .windows(kept.len())
        .position(|it| it == kept)
        .expect("the post's own bytes");
    let post = encoding_of(&kept);
    assert!(
        post.contains("HEMLIGT LÄN") && post.contains("PROVVÄGEN 2"),
        "{post}"
    );
    assert!(!post.contains("202412302396"), "one post and no other");

    let reasons = fs::read_to_string(rejected.join("broken.txt.reasons.tsv")).unwrap();
    let rows: Vec<&str> = reasons.lines().collect();
    assert_eq!((rows.len(), rows[0]), (2, "line\treason"));
    let (line, reason) = rows[1].split_once('\t').unwrap();
    let begins = bytes[..at].split(|&byte| byte == b'\n').count();
    assert_eq!(line.parse::<usize>().unwrap(), begins);
    assert!(
        reason.contains("01022") && !reason.contains("HEMLIGT"),
        "{reason}"
    );

    // A line of an exchange file, the same way.
    let lines = fs::read_to_string(PERSONS).unwrap();
    let broken = lines.replacen("\"gender\": \"2\"", "\"kön\": \"HEMLIGT\"", 1);
    let file = place.file("broken.ndjson", broken);
    let ran = place.import(&[&file]);
    assert!(!format!("{}{}", ran.out, ran.err).contains("HEMLIGT"));
    let found = counts(&ran.well(), "broken.ndjson");
    assert_eq!((found[0], found[4]), (14, 1));
    let kept = fs::read_to_string(rejected.join("broken.ndjson.posts")).unwrap();
    assert!(kept.contains("HEMLIGT") && kept.lines().count() == 1);
}

fn encoding_of(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

#[test]
fn get_answers_every_version_and_json() {
    let place = Place::with(&[PERSONS]);
    for version in ["3", "4", "5"] {
        let asked = ["--version", version, "--profile", "P5", "198001022386"];
        let answer = place.get(&asked).well();
        let namespace = format!("urn:riv:strategicresourcemanagement:persons:person:{version}\"");
        assert!(
            answer.contains(&namespace) && answer.contains("Hedvig Britt-Marie"),
            "{answer}"
        );
        assert_eq!(answer.contains("<p:attested>"), version != "5");
        assert_eq!(answer.contains("<e1:"), version == "3");
    }
    let asked = [
        "--json",
        "--profile",
        "P1",
        "198001022386",
        "1.2.752.129.2.1.3.1:199002262385",
    ];
    let ran = place.get(&asked);
    assert_eq!(ran.code, Some(1));
    assert!(ran.err.contains("identity 2") && !ran.err.contains("199002262385"));
    let lines: Vec<serde_json::Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["personalIdentity"]["extension"], "198001022386");
    assert!(lines[0].get("addressInformation").is_none(), "profile 1");
    assert!(lines[1].is_null() && lines.len() == 2);
    // Protection holds here as well.
    let hidden = place.get(&["--profile", "P5", "197501079292"]).well();
    assert!(!hidden.contains("HEMLIGA"));
    let open = place
        .get(&["--profile", "P5", "--unrestricted", "197501079292"])
        .well();
    assert!(open.contains("HEMLIGA"));
}

#[test]
fn exit_codes_tell_refused_from_wrongly_asked() {
    let place = Place::with(&[PERSONS]);
    let complaint = place.get(&["20100101238"]).refused();
    assert!(
        complaint.contains("identity 1") && !complaint.contains("20100101238"),
        "{complaint}"
    );
    assert!(
        place
            .get(&["--profile", "P6", "201001012382"])
            .refused()
            .contains("P1")
    );
    let nowhere = place.path("nowhere");
    let complaint = pu(&["get", "--data", &nowhere, "201001012382"]).refused();
    assert!(complaint.contains("nowhere"), "{complaint}");
    for wrong in [
        &["get"][..],
        &["get", "--version", "6", "201001012382"],
        &["frobnicate"],
        &["import", "--data", "x"],
        &["export"],
    ] {
        assert_eq!(pu(wrong).code, Some(2), "{wrong:?}");
    }
    assert_eq!(pu(&["--help"]).code, Some(0));
}

#[test]
fn the_configuration_is_refused_by_key_and_printed_to_be_read_back() {
    let place = Place::new();
    let wrong = place.file("wrong.toml", "[limits]\nbody_byte = 1\n");
    let complaint = pu(&["config", "--config", &wrong]).refused();
    assert!(complaint.contains("body_byte"), "{complaint}");

    let more = "threads = 3\naccess.open = true\n[log]\nlevel = \"warn\"\n[protection]\npopulation_record = \"profile-1\"\n";
    let own = place.file("own.toml", more);
    let printed = pu(&["config", "--config", &own]).well();
    let again = place.file("again.toml", &printed);
    let said = pu(&["config", "--config", &again]).well();
    assert_eq!(
        toml::from_str::<toml::Table>(&said),
        toml::from_str(&printed)
    );
    assert!(printed.contains("\n# listen_unix is not set\n") && printed.contains(" # default\n"));
    let read: toml::Table = toml::from_str(&printed).unwrap();
    assert_eq!(read["threads"].as_integer(), Some(3));
    assert_eq!(read["log"]["level"].as_str(), Some("warn"));
}

#[test]
fn a_query_begins_with_from_or_is_said_to_be_text() {
    let complaint = pu(&["search", "anna lund"]).refused();
    assert!(complaint.contains("begins with FROM") && complaint.contains("--text"));
    assert!(!complaint.contains("lund"));
}

#[test]
fn contract_packages_are_written() {
    let place = Place::new();
    let out = place.path("contracts");
    let printed = pu(&["wsdl", "--out", &out]).well();
    let (packages, description): (Vec<&str>, Vec<&str>) = printed
        .lines()
        .partition(|path| !path.ends_with("openapi.json"));
    assert_eq!((packages.len(), description.len()), (3, 1));
    for package in packages {
        assert!(Path::new(package).join("schemas").is_dir(), "{package}");
    }
    let description = fs::read_to_string(description[0]).unwrap();
    assert!(description.contains("\"openapi\": \"3.1.0\""));
}

#[test]
fn snapshots_are_described_and_checked() {
    let place = Place::with(&[PERSONS]);
    let data = text(&place.data);
    let described = pu(&["snapshot", "info", data]).well();
    assert!(described.contains("persons    14"), "{described}");
    assert!(
        pu(&["snapshot", "verify", data])
            .well()
            .contains("whole, 14 persons")
    );
    let name = &place.snapshots()[0];
    let mut bytes = fs::read(place.data.join(name)).unwrap();
    bytes[4096 + 100] ^= 1;
    let damaged = place.file("damaged.snapshot", bytes);
    let complaint = pu(&["snapshot", "verify", &damaged]).refused();
    assert!(
        complaint.contains("damaged") || complaint.contains("checksum"),
        "{complaint}"
    );
}

/// A register as an earlier release wrote it: refused with advice, upgraded by the command, and then
/// the same as one that is imported today.
#[test]
fn registers_of_older_formats_are_upgraded() {
    for version in [1, 2, 3] {
        older_register_is_upgraded(version);
    }
}

fn older_register_is_upgraded(version: u32) {
    let place = Place::new();
    fs::create_dir(&place.data).unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/snapshots");
    let old = format!("{fixtures}/version-{version}.snapshot");
    let name = "register-00000000000000000014.snapshot";
    fs::copy(old, place.data.join(name)).unwrap();
    let complaint = place.get(&["191212121212"]).refused();
    assert!(complaint.contains("pu snapshot upgrade"), "{complaint}");
    let data = text(&place.data);
    // A letter that has changed is not taken over.
    let sound = fs::read(place.data.join(name)).unwrap();
    let mut damaged = sound.clone();
    damaged[4_200] ^= 1;
    fs::write(place.data.join(name), &damaged).unwrap();
    let complaint = pu(&["snapshot", "upgrade", data]).refused();
    assert!(complaint.contains("section records"), "{complaint}");
    assert!(fs::read(place.data.join(name)).unwrap() == damaged);
    fs::write(place.data.join(name), &sound).unwrap();
    let printed = pu(&["snapshot", "upgrade", data]).well();
    assert!(printed.contains("wrote "), "{printed}");
    let printed = pu(&["snapshot", "upgrade", data]).well();
    assert!(printed.contains("nothing to do"), "{printed}");
    assert_eq!(place.snapshots(), [name]);
    pu(&["snapshot", "verify", data]).well();
    let printed = pu(&["snapshot", "info", data]).well();
    assert!(printed.contains("surname"), "{printed}");
    let printed = pu(&[
        "search",
        "--text",
        "zven aakeraeng",
        "--json",
        "--data",
        data,
    ])
    .well();
    assert!(printed.contains("Åkeräng"), "as it sounds: {printed}");
    let people = |data: &Path, out: &str| {
        pu(&["export", "--data", text(data), "--out", out]).well();
        let lines = fs::read_to_string(out).unwrap();
        let person = |line| {
            let mut person: serde_json::Value = serde_json::from_str(line).unwrap();
            // When it was imported.
            person.as_object_mut().unwrap().remove("version");
            person
        };
        lines.lines().skip(1).map(person).collect::<Vec<_>>()
    };
    let bytes = || fs::read(place.data.join(name)).unwrap();
    let before = bytes();
    let printed = pu(&["snapshot", "build", data]).well();
    assert!(printed.contains("wrote "), "{printed}");
    assert!(bytes() == before, "the same records make the same bytes");
    let today = Place::with(&[PERSONS]);
    let (ours, theirs) = (place.path("a.ndjson"), today.path("a.ndjson"));
    assert!(people(&place.data, &ours) == people(&today.data, &theirs));
}

#[test]
fn an_export_comes_back_whole() {
    let place = Place::with(&[TEXT, PERSONS]);
    for name in ["all.ndjson", "all.ndjson.gz", "all.ndjson.zst"] {
        let out = place.path(name);
        let printed = pu(&["export", "--data", text(&place.data), "--out", &out]).well();
        let other = Place::new();
        let report = other.import(&[&out]).well();
        let persons = counts(&report, name)[0];
        assert!(printed.contains(&format!("{persons} persons")), "{printed}");
        let again = other.path("again.ndjson");
        pu(&["export", "--data", text(&other.data), "--out", &again]).well();
        let plain = place.path("plain.ndjson");
        pu(&["export", "--data", text(&place.data), "--out", &plain]).well();
        // But for the first line, which tells when each register was written.
        let people = |path: &str| {
            let text = fs::read_to_string(path).unwrap();
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(people(&again) == people(&plain), "{name}");
    }
    assert_eq!(persons().lines().count(), 14);
}

#[test]
fn invented_populations_are_the_same_for_the_same_seed() {
    let place = Place::new();
    let make = |name: &str, seed: &str| {
        let out = place.path(name);
        let printed = pu(&[
            "generate",
            "--persons",
            "300",
            "--seed",
            seed,
            "--out",
            &out,
        ])
        .well();
        assert!(printed.contains("300 persons"), "{printed}");
        fs::read(out).unwrap()
    };
    for end in ["snapshot", "txt", "xml"] {
        let one = make(&format!("one.{end}"), "7");
        assert!(one == make(&format!("two.{end}"), "7"), "{end}");
        assert!(one != make(&format!("three.{end}"), "8"), "{end}");
    }
    let people = |file: &str| {
        let other = Place::new();
        let path = place.path(file);
        let report = other.import(&["--test-persons", &path]).well();
        assert_eq!(counts(&report, file)[..2], [300, 300], "{report}");
        let out = other.path("out.ndjson");
        pu(&["export", "--data", text(&other.data), "--out", &out]).well();
        let lines = fs::read_to_string(out).unwrap();
        let named = |line: &str| {
            let person: serde_json::Value = serde_json::from_str(line).unwrap();
            let of = |name: &str| person[name].to_string();
            format!(
                "{}{}{}",
                of("personalIdentity"),
                of("name"),
                of("relationship")
            )
        };
        let lines: Vec<&str> = lines.lines().collect();
        lines[1..lines.len() - 1]
            .iter()
            .map(|line| named(line))
            .collect::<Vec<_>>()
    };
    assert!(people("one.txt") == people("one.xml"));
    let complaint = pu(&["generate", "--persons", "3", "--out", &place.path("x.csv")]).refused();
    assert!(complaint.contains(".snapshot"), "{complaint}");
}

/// Lines without a version are told apart by what they say, also of a relation to nobody named.
#[test]
fn a_line_that_says_nothing_new_changes_nothing() {
    let place = Place::new();
    let line = r#"{"personalIdentity":{"root":"1.2.752.74.9.1","extension":"22790814AA01"},"name":{"surname":"Ny"},"relationship":[{"relationshipType":"B"}]}"#;
    let file = |created: &str, line: &str| {
        format!(
            "{{\"pu_exchange\":1,\"created\":\"{created}T06:00:00.000+01:00\",\"sequence\":1,\"identity_formats\":[]}}\n{line}\n{{\"end\":true,\"persons\":1}}\n"
        )
    };
    let import = |name: &str, content: String| {
        let path = place.file(name, content);
        counts(&place.import(&[&path]).well(), name)
    };
    assert_eq!(
        import("one.ndjson", file("2025-01-07", line)),
        [1, 1, 0, 0, 0]
    );
    let before = place.snapshots();
    assert_eq!(
        import("two.ndjson", file("2025-01-08", line)),
        [1, 0, 0, 1, 0]
    );
    assert_eq!(place.snapshots(), before);
    let other = line.replace("\"Ny\"", "\"Nyare\"");
    assert_eq!(
        import("three.ndjson", file("2025-01-09", &other)),
        [1, 1, 0, 0, 0]
    );
}

/// Runs `pu` in a folder, as somebody does who names no other.
fn pu_in(folder: &Path, arguments: &[&str]) -> (bool, String, String) {
    let mut command = crate::program::program();
    let output = command
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    (output.status.success(), out, err)
}

#[test]
fn the_only_register_below_the_usual_folder_is_found_and_several_are_named() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let import = |data| assert!(pu_in(folder, &["import", PERSONS, "--data", data]).0);
    import("snapshots/demo");
    let get = ["get", "201001012382", "--format", "table"];
    let (well, out, err) = pu_in(folder, &get);
    assert!(well && out.starts_with("personalIdentity  "), "{out}{err}");
    assert!(err.contains("snapshots/demo"), "{err}");
    for looks in [
        &["check"][..],
        &["log", "show"],
        &["audit", "search"],
        &["audit", "verify"],
        &["export", "--out", "all.ndjson"],
    ] {
        let (well, out, err) = pu_in(folder, looks);
        assert!(well, "{looks:?}: {out}{err}");
    }
    import("snapshots/other");
    let (well, _, err) = pu_in(folder, &get);
    assert!(
        !well && err.contains("snapshots/demo and in snapshots/other"),
        "{err}"
    );
    import("snapshots");
    let (well, _, err) = pu_in(folder, &get);
    assert!(well && err.is_empty(), "{err}");
}

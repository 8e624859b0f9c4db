//! Files into a register that is served: by its inbox and by `pu import`. Whatever is stopped in the
//! middle, every entry is applied once, as by an import into a register that stands still.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pu::base::time::Moment;
use pu::feed::apply::{Batch, Target};
use pu::feed::inbox::{Inbox, Looked, Watch};
use pu::person::identity::Formats;
use pu::register::import::Applied;
use pu::register::online::Online;
use pu::register::post::FilePlace;
use pu::store::commit::CommitError;
use pu::store::entry::Origin;
use pu::store::live::Live;
use pu::store::log::segments::Keeping;
use serde_json::Value;

use crate::program::{Serving, pu};
use crate::support::{Client, Service, WRITTEN, persons, register};

const TEXT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/navet/termdata.txt"
);
const PERSONS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/fixtures/persons/all.ndjson"
);

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The report of a file that was put away, when it is.
#[track_caller]
pub fn report(inbox: &Path, where_to: &str, name: &str) -> Value {
    let path = inbox.join(where_to).join(format!("{name}.report.json"));
    let until = Instant::now() + Duration::from_secs(60);
    while !path.exists() || inbox.join(name).exists() {
        assert!(Instant::now() < until, "no report of {name}");
        std::thread::sleep(Duration::from_millis(20));
    }
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Everybody in a register, without the moments at which they were written.
fn everybody(data: &Path) -> BTreeMap<String, Value> {
    let out = data.join("all.ndjson");
    pu(&["export", "--data", text(data), "--out", text(&out)]).well();
    let lines = fs::read_to_string(out).unwrap();
    let mut all = BTreeMap::new();
    for line in lines.lines().skip(1) {
        let mut person: Value = serde_json::from_str(line).unwrap();
        if person.get("end").is_some() {
            continue;
        }
        forget_moments(&mut person);
        let extension = person["personalIdentity"]["extension"].to_string();
        assert!(all.insert(extension, person).is_none());
    }
    all
}

fn forget_moments(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for moment in [
                "version",
                "syncronizationTime",
                "localRegistrationTime",
                "localRegistrationEndTime",
            ] {
                fields.remove(moment);
            }
            fields.values_mut().for_each(forget_moments);
        }
        Value::Array(all) => all.iter_mut().for_each(forget_moments),
        _ => {}
    }
}

/// A small register, and an invented population to be applied to it.
fn place(persons_more: usize) -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("more.txt");
    let count = persons_more.to_string();
    pu(&["generate", "--persons", &count, "--out", text(&file)]).well();
    let data = folder.path().join("data");
    pu(&["import", "--data", text(&data), "--test-persons", PERSONS]).well();
    (folder, data, file)
}

/// The same register after an import that disturbs nobody.
fn imported(folder: &Path, file: &Path) -> BTreeMap<String, Value> {
    let data = folder.join("still");
    pu(&["import", "--data", text(&data), "--test-persons", PERSONS]).well();
    pu(&["import", "--data", text(&data), text(file)]).well();
    everybody(&data)
}

#[test]
fn files_are_applied_in_order_and_put_away_with_their_reports() {
    let folder = register(persons());
    let inbox = folder.path().join("inbox");
    let service = Service::over(folder, |_| {});
    let before = service.app.store.pin().persons();
    let whole = fs::read(TEXT).unwrap();
    fs::write(inbox.join("one.txt"), &whole).unwrap();
    let told = report(&inbox, "done", "one.txt");
    assert_eq!(told["known"], false);
    let changed = told["changed"].as_u64().unwrap();
    assert!(changed > 0 && told["read"].as_u64().unwrap() >= changed);
    assert!(service.app.store.pin().persons() > before);
    assert_eq!(fs::read(inbox.join("done/one.txt")).unwrap(), whole);
    let rejected = told["rejected"].as_object().unwrap();
    assert_eq!(
        rejected.is_empty(),
        !inbox.join("done/one.txt.posts").exists()
    );
    // The same content again, under the same name.
    let sequence = service.app.store.pin().sequence();
    fs::write(inbox.join("one.txt"), &whole).unwrap();
    assert_eq!(report(&inbox, "done", "one.txt.2")["known"], true);
    assert_eq!(service.app.store.pin().sequence(), sequence);
    // Names of files that are being written are left alone.
    fs::write(inbox.join("other.txt.part"), &whole).unwrap();
    fs::write(inbox.join(".other.txt"), &whole).unwrap();
    // A file that is cut off changes nothing.
    let end = b"#DATA_SLUT";
    let at = whole.windows(end.len()).position(|it| it == end).unwrap();
    fs::write(inbox.join("cut.txt"), &whole[..at]).unwrap();
    let told = report(&inbox, "failed", "cut.txt");
    assert_eq!(told["failed"]["code"], "truncated");
    let message = told["failed"]["message"].as_str().unwrap();
    assert!(message.starts_with("Filen är avklippt"), "{message}");
    let exchange = fs::read_to_string(PERSONS).unwrap();
    let cut = &exchange[..exchange.rfind("{\"end\"").unwrap()];
    fs::write(inbox.join("cut.ndjson"), cut).unwrap();
    assert_eq!(
        report(&inbox, "failed", "cut.ndjson")["failed"]["code"],
        "truncated"
    );
    fs::write(inbox.join("cat.jpg"), b"\xff\xd8\xff").unwrap();
    assert_eq!(
        report(&inbox, "failed", "cat.jpg")["failed"]["code"],
        "unknown-format"
    );
    assert_eq!(service.app.store.pin().sequence(), sequence);
    assert!(inbox.join("other.txt.part").exists());
    let metrics = service.get("/metrics").body;
    for line in [
        "pu_feed_files_total{outcome=\"done\"} 1".to_owned(),
        "pu_feed_files_total{outcome=\"known\"} 1".to_owned(),
        "pu_feed_files_total{outcome=\"failed\"} 3".to_owned(),
        format!("pu_feed_entries_total{{outcome=\"changed\"}} {changed}"),
        "pu_feed_waiting_files 0".to_owned(),
        "pu_feed_position 0".to_owned(),
    ] {
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }
}

/// A register at work whose process is stopped after so many batches: before the batch is committed
/// or right after it, in turn.
struct Stopping<'o> {
    online: Online<'o>,
    left: usize,
    after: bool,
}

impl Target for Stopping<'_> {
    type Error = CommitError;

    const BATCH: usize = 5;

    fn knows(&self, content: &str) -> bool {
        self.online.knows(content)
    }

    fn progress(&self, content: &str) -> u64 {
        self.online.progress(content)
    }

    fn begin(&mut self, place: FilePlace, _: &str) -> Result<bool, CommitError> {
        self.online.begin_file(place, Origin::default())
    }

    fn apply(&mut self, batch: Batch<'_>) -> Result<Vec<Applied>, CommitError> {
        if self.left == 0 && !self.after {
            return Err(CommitError::Stopped);
        }
        let applied =
            self.online
                .apply(batch.entries, Origin::default(), batch.content, batch.done)?;
        if self.left == 0 {
            return Err(CommitError::Stopped);
        }
        self.left -= 1;
        Ok(applied)
    }

    fn note_file(
        &mut self,
        content: &str,
        _: &str,
        entries: u64,
    ) -> Result<Option<u64>, CommitError> {
        let noted = self.online.note_file(content, entries, Origin::default());
        noted.map(Some)
    }
}

struct Nobody;

impl Watch for Nobody {
    fn file(&self, _: &'static str) {}
    fn entries(&self, _: &'static str, _: u64) {}
    fn waiting(&self, _: usize, _: Duration) {}
    fn position(&self, _: u64) {}
}

#[test]
fn a_file_that_is_stopped_anywhere_is_gone_on_with() {
    let (folder, data, file) = place(80);
    let wanted = imported(folder.path(), &file);
    let still: Value = {
        let ran = pu(&[
            "import",
            "--data",
            text(&folder.path().join("other")),
            text(&file),
        ])
        .well();
        let row = ran
            .lines()
            .find(|line| line.starts_with("more.txt"))
            .unwrap();
        row.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let inbox_folder = data.join("inbox");
    let formats = Formats::standard();
    let mut stops = 0;
    loop {
        let keeping = Keeping::default();
        let at = Moment::parse(WRITTEN).unwrap();
        let live = Live::open(&data, &formats, keeping, 2, Arc::new(move || at)).unwrap();
        let is_test = Arc::new(pu::feed::generate::is_official);
        let mut target = Stopping {
            online: Online::new(&live, &formats, is_test),
            left: 1 + stops % 3,
            after: stops % 2 == 1,
        };
        let mut inbox = Inbox::open(&inbox_folder, &formats).unwrap();
        if stops == 0 {
            fs::copy(&file, inbox_folder.join("more.txt")).unwrap();
        }
        let first = inbox.look(&mut target, &Nobody, || true).unwrap();
        assert_eq!(first, Looked::Nothing, "who has just come may not be whole");
        match inbox.look(&mut target, &Nobody, || true).unwrap() {
            Looked::Trouble => stops += 1,
            Looked::File => break,
            Looked::Nothing => panic!("the file is gone"),
        }
        assert!(stops < 100);
    }
    assert!(stops > 3, "{stops}");
    assert_eq!(everybody(&data), wanted);
    let told = report(&inbox_folder, "done", "more.txt");
    assert_eq!(told["read"], still);
    let sum: u64 = ["changed", "unchanged", "not_newer", "earlier"]
        .iter()
        .map(|it| told[it].as_u64().unwrap())
        .sum();
    assert_eq!(sum, still.as_u64().unwrap(), "{told}");
    assert!(told["earlier"].as_u64().unwrap() > 0);
}

#[test]
fn kill_minus_nine_in_the_middle_of_a_file_doubles_and_loses_nothing() {
    let (folder, data, file) = place(4_000);
    let wanted = imported(folder.path(), &file);
    let inbox = data.join("inbox");
    fs::create_dir_all(&inbox).unwrap();
    fs::copy(&file, inbox.join("more.txt")).unwrap();
    let done = || {
        let progress = fs::read(inbox.join(".work/more.txt.json")).ok()?;
        serde_json::from_slice::<Value>(&progress).ok()?["done"].as_u64()
    };
    let mut kills = 0;
    while inbox.join("more.txt").exists() {
        let serving = Serving::start(&data, "");
        let before = done();
        let until = Instant::now() + Duration::from_secs(60);
        // Somewhere in the batch after the next one; at last, to the end.
        while inbox.join("more.txt").exists() && (kills == 5 || done() == before) {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(7 * kills % 20));
        // Dropped, it is killed.
        drop(serving);
        kills += 1;
    }
    assert!(kills > 2, "{kills}");
    let told = report(&inbox, "done", "more.txt");
    assert!(told["failed"].is_null());
    assert_eq!(everybody(&data), wanted);
}

#[test]
fn an_import_goes_to_the_service_that_works_on_the_register() {
    let (folder, data, file) = place(50);
    let wanted = imported(folder.path(), &file);
    let serving = Serving::start(&data, "");
    let import = |arguments: &[&str]| {
        let mut all = vec!["import", "--data", text(&data)];
        all.extend(arguments);
        pu(&all)
    };
    let said = import(&[text(&file)]).well();
    assert!(said.contains("applied by the service"), "{said}");
    let row = said
        .lines()
        .find(|line| line.starts_with("more.txt"))
        .unwrap();
    assert_eq!(row.split_whitespace().count(), 6, "{row}");
    let said = import(&[text(&file)]).well();
    assert!(said.contains("applied before, passed over"), "{said}");
    // What cannot be applied is refused as if nobody served, and nothing is handed over.
    let cut = folder.path().join("cut.txt");
    let whole = fs::read(&file).unwrap();
    fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let complaint = import(&[text(&cut)]).refused();
    assert!(complaint.contains("ends on line"), "{complaint}");
    let complaint = import(&["--accept-truncated", text(&cut)]).refused();
    assert!(complaint.contains("stop the service first"), "{complaint}");
    let ready = Client::connect(serving.address).request("GET", "/readyz", &[], b"");
    assert_eq!(ready.status, 200);
    assert_eq!(everybody(&data), wanted);
    // The log is read while the service runs, and names nobody.
    let log = pu(&["log", "show", "--data", text(&data), "--limit", "5"]).well();
    assert_eq!(log.lines().count(), 6, "{log}");
    assert!(log.contains("navet") && !has_a_number(&log), "{log}");
    let log = pu(&["log", "show", "--data", text(&data), "--json"]).well();
    let lines: Vec<Value> = log
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let first = lines[0]["sequence"].as_u64().unwrap();
    assert!(
        lines
            .iter()
            .zip(first..)
            .all(|(line, it)| line["sequence"] == it)
    );
    assert!(!has_a_number(&log) && !log.contains("personRecord"));
    let log = pu(&["log", "show", "--data", text(&data), "--json", "--personal"]).well();
    let someone = log.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        let id = &line["personRecord"][0]["personalIdentity"]["extension"];
        id.as_str().map(str::to_owned)
    });
    let someone = someone.unwrap();
    let arguments = ["log", "show", "--data", text(&data), "--identity", &someone];
    let log = pu(&arguments).well();
    assert!(log.lines().count() >= 2 && !log.contains(&someone), "{log}");
    let (status, lines) = serving.stop();
    assert!(status.success());
    assert!(!lines.iter().any(|line| line.contains(&someone)));
    // Nobody serves: the file becomes a snapshot again.
    let said = import(&[TEXT]).well();
    assert!(said.contains("wrote "), "{said}");
}

/// Whether twelve digits that could be somebody's number stand in a text.
fn has_a_number(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_digit())
        .any(|run| run.len() == 12)
}

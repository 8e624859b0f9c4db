//! A file as it comes, whatever it is: it is told what it is or refused, an archive is unpacked within
//! its limits, and each file is read to its end by the letters that were found.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use pu::base::unseen::holds_unseen;
use pu::feed::bundle;
use pu::feed::file::{Format, Options, inspect, read};
use pu::feed::read::Read;
use pu::person::value::Value;
use pu::register::post::Edit;
use shared::FORMATS;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, bytes).unwrap();
    let into = folder.path().join("in");
    match bundle::is_bundle(&path).unwrap() {
        true => match bundle::unpack(&path, &into) {
            Ok(files) => files.iter().for_each(|file| look(file)),
            Err(_) => assert!(!into.exists()),
        },
        false => look(&path),
    }
});

fn look(path: &Path) {
    let options = Options {
        online_answer: true,
        ..Options::default()
    };
    let Ok(summary) = inspect(path, &options) else {
        return;
    };
    if summary.format == Format::Exchange {
        return;
    }
    let mut found = 0;
    for post in read(path, &summary, &FORMATS, &options).unwrap() {
        let post = match post.unwrap() {
            Read::Post(understood) => understood.post,
            Read::Rejected(rejected) => {
                found += u64::from(rejected.reason.is_a_post());
                continue;
            }
        };
        found += 1;
        for edit in &post.edits {
            if let Edit::Set(_, Value::Text(text)) = edit {
                assert!(!holds_unseen(text));
            }
        }
    }
    assert_eq!(found, summary.found);
}

//! Flushes: what is acknowledged or disclosed was flushed before, as the system's own trace of the real
//! program tells (strace). A test that only kills the process cannot see that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;

use crate::losses::{MORE, issue};
use crate::program::Serving;
use crate::support::{Client, persons, register};

/// A call that has returned, in the order in which they did.
struct Call {
    name: String,
    /// The file or socket, as the system names it.
    file: String,
    text: String,
}

/// Reads a trace of all threads; calls that were interrupted by others are put together.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        let begin = if rest.ends_with("<unfinished ...>") {
            begun.insert(thread, rest);
            continue;
        } else if rest.starts_with("<... ") {
            begun.remove(thread).unwrap_or_default()
        } else {
            rest
        };
        let returned = rest.rsplit_once(" = ").map_or("", |(_, it)| it);
        let has_failed = returned.is_empty() || returned.starts_with('-');
        let named = begin.split_once('(').zip(begin.split_once('<'));
        let Some(((name, _), (_, file))) = named.filter(|_| !has_failed) else {
            continue;
        };
        calls.push(Call {
            name: name.to_owned(),
            file: file.split('>').next().unwrap_or_default().to_owned(),
            text: begin.to_owned(),
        });
    }
    calls
}

/// Counts answers with a status before which all that was written to each of some files was flushed.
fn flushed_before(calls: &[Call], status: &str, kinds: &[&str]) -> usize {
    let mut unflushed: BTreeSet<&str> = BTreeSet::new();
    let mut written: BTreeSet<&str> = BTreeSet::new();
    let mut answers = 0;
    for call in calls {
        let kind = kinds.iter().find(|kind| call.file.contains(**kind));
        match call.name.as_str() {
            "pwrite64" => {
                if let Some(kind) = kind {
                    written.insert(kind);
                    unflushed.insert(kind);
                }
            }
            "fdatasync" | "fsync" => {
                kind.map(|kind| unflushed.remove(kind));
            }
            _ if call.text.contains(status) => {
                let lacking: Vec<_> = kinds.iter().filter(|it| !written.contains(*it)).collect();
                assert!(lacking.is_empty(), "nothing was written to {lacking:?}");
                assert!(unflushed.is_empty(), "an answer left before {unflushed:?}");
                written.clear();
                answers += 1;
            }
            _ => {}
        }
    }
    answers
}

#[test]
fn what_is_acknowledged_or_disclosed_was_flushed_before() {
    const CHANGES: usize = 12;
    const LOOKUPS: usize = 12;
    let folder = register(persons());
    let data = folder.path();
    let trace = data.join("trace");
    let before = format!(
        "set -- strace -D -f --seccomp-bpf -y -qq -s 40 -o {} \
         -e trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg \"$0\" \"$@\"\n\
         exec \"$@\"",
        trace.display()
    );
    let more = format!("[audit]\nsync_milliseconds = 0\n{MORE}");
    let serving = Serving::start_after(data, &more, &before, Stdio::null()).ready();
    let mut client = Client::connect(serving.address);
    for _ in 0..CHANGES {
        issue(&mut client, 1);
    }
    for _ in 0..LOOKUPS {
        let answer = client.request("GET", "/v1/persons/201001012382", &[], b"");
        assert_eq!(answer.status, 200);
    }
    serving.stop();
    let trace = fs::read_to_string(trace).unwrap();
    let calls = calls(&trace);
    // The witness is written once more after the flush of the log; that goes with the next commit.
    let changes = flushed_before(&calls, "HTTP/1.1 201", &["/log/log-", "/audit/0-"]);
    assert_eq!(changes, CHANGES);
    let witnessed = calls
        .iter()
        .filter(|call| call.name == "fdatasync" && call.file.ends_with("/witness"));
    assert!(witnessed.count() >= CHANGES);
    let of_lookups: Vec<Call> = calls
        .into_iter()
        .skip_while(|call| !call.text.contains("HTTP/1.1 201"))
        .collect();
    let lookups = flushed_before(&of_lookups, "HTTP/1.1 200", &["/audit/"]);
    assert_eq!(lookups, LOOKUPS);
}

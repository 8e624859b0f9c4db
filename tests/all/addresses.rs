//! Addresses: one service to each, sockets that a service manager holds, and what it is told.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{Serving, configure, pu};
use crate::support::{Client, persons, register};

/// As a service manager starts a service to which it hands one socket over: it is the third descriptor.
const HANDED: &str =
    "exec 3<&0 </dev/null; LISTEN_FDS=1; LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";

#[test]
fn a_second_service_on_an_address_is_refused_and_starts_when_the_first_has_gone() {
    let (first, second) = (register(persons()), register(persons()));
    let serving = Serving::start(first.path(), "").ready();
    let listen = format!("listen = \"{}\"\n", serving.address);
    let config = configure(second.path(), &listen);
    let serve = ["serve", "--as-root", "--config", config.to_str().unwrap()];
    let refused = pu(&serve);
    assert_eq!(refused.code, Some(1));
    let reason = format!("another process listens on {}", serving.address);
    assert!(refused.err.contains(&reason), "{}", refused.err);
    assert!(serving.stop().0.success());
    assert!(
        Serving::start(second.path(), &listen)
            .ready()
            .stop()
            .0
            .success()
    );
}

#[test]
fn a_restart_on_a_socket_that_is_handed_over_loses_no_connection() {
    let folder = register(persons());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let listen = format!("listen = \"{address}\"\n");
    let start = || {
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        Serving::start_after(folder.path(), &listen, HANDED, Stdio::from(socket))
    };
    let serving = start().ready();
    assert_eq!(serving.address, address);
    assert!(serving.stop().0.success());
    // Nobody serves now; who comes waits.
    let mut waiting = Client::connect(address);
    waiting.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let serving = start();
    assert_eq!(waiting.receive().expect("an answer").status, 200);
    assert!(serving.stop().0.success());
}

#[test]
fn a_socket_that_is_handed_over_and_not_configured_is_refused_by_name() {
    let folder = register(persons());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = configure(folder.path(), "");
    let script = format!("{HANDED}; exec \"$0\" serve --as-root --config \"$1\"");
    let output = std::process::Command::new("sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_pu")])
        .arg(config)
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        said.contains(&address.to_string()) && said.contains("LISTEN_FDS"),
        "{said}"
    );
}

/// A service manager's ear.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits until it is told something; gives what it was told until then.
    #[track_caller]
    fn hears(&self, wanted: &str) -> String {
        let began = Instant::now();
        let (mut all, mut piece) = (String::new(), [0; 4096]);
        while !all.contains(wanted) {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "no {wanted} in {all}"
            );
            if let Ok(length) = self.0.recv(&mut piece) {
                all += &String::from_utf8_lossy(&piece[..length]);
            }
        }
        all
    }
}

#[test]
fn a_service_manager_is_told_and_hears_nothing_while_look_ups_do_not_work() {
    let folder = register(persons());
    let path = folder.path().join("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    manager
        .0
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let before = format!(
        "NOTIFY_SOCKET='{}'; WATCHDOG_USEC=300000; export NOTIFY_SOCKET WATCHDOG_USEC",
        path.display()
    );
    let serving = Serving::start_after(folder.path(), "", &before, Stdio::null());
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    serving.signal("-HUP");
    let reloading = manager.hears("RELOADING=1");
    assert!(
        reloading.contains("MONOTONIC_USEC=") || manager.hears("READY=1").contains("MONOTONIC")
    );

    let (audit, away) = (folder.path().join("audit"), folder.path().join("away"));
    fs::rename(&audit, &away).unwrap();
    manager.hears("STATUS=files of the audit were removed or replaced");
    let mut piece = [0; 4096];
    while let Ok(length) = manager.0.recv(&mut piece) {
        let said = String::from_utf8_lossy(&piece[..length]);
        assert!(!said.contains("WATCHDOG=1"), "{said}");
    }
    fs::rename(&away, &audit).unwrap();
    manager.hears("WATCHDOG=1");
    serving.signal("-TERM");
    manager.hears("STOPPING=1");
    assert!(serving.stop().0.success());
}

//! The real program as a child process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::evidence;
use crate::support::Client;

/// What a finished run left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// `pu`, without the settings of who runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pu"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PU_")) {
        command.env_remove(name);
    }
    command
}

/// Runs `pu` to its end where every file that is made is everybody's, unless the program says.
pub fn pu_with_open_umask(arguments: &[&str]) -> Ran {
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PU_")) {
        command.env_remove(name);
    }
    let all = [
        "-c",
        "umask 0; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_pu"),
    ];
    ended(command.args(all).args(arguments))
}

/// Runs `pu` to its end.
pub fn pu<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Ran {
    ended(program().args(arguments))
}

fn ended(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    evidence::add("stderr", &String::from_utf8_lossy(&output.stderr));
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What was printed by a run that must have gone well.
    #[track_caller]
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// What was complained of by a run that must have been refused.
    #[track_caller]
    pub fn refused(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        self.err
    }
}

/// A `pu serve` of its own, killed when dropped.
pub struct Serving {
    pub address: SocketAddr,
    tls: Option<SocketAddr>,
    child: Child,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Serving {
    /// Starts to serve the register in `data` on a free port, with more lines of configuration.
    pub fn start(data: &Path, more: &str) -> Self {
        Self::spawn(data, more, &mut program())
    }

    /// The same, by a shell that does something before, with a standard input for it.
    pub fn start_after(data: &Path, more: &str, before: &str, input: Stdio) -> Self {
        let mut shell = Command::new("sh");
        let script = format!("{before}\nexec \"$0\" \"$@\"");
        shell
            .args(["-c", &script, env!("CARGO_BIN_EXE_pu")])
            .stdin(input);
        Self::spawn(data, more, &mut shell)
    }

    fn spawn(data: &Path, more: &str, command: &mut Command) -> Self {
        let config = configure(data, more);
        let mut child = command
            .args(["serve", "--as-root"])
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (say, hear) = channel();
        let log = std::thread::spawn(move || {
            let lines = log.lines().map(Result::unwrap).inspect(|line| {
                evidence::add("log", line);
                if let Some((_, rest)) = line.split_once("\"address\":\"") {
                    let address = rest[..rest.find('"').unwrap()].parse().unwrap();
                    let tls = line.split_once("\"tls\":\"");
                    let tls = tls.map(|(_, it)| it[..it.find('"').unwrap()].parse().unwrap());
                    // Only the first one is waited for.
                    let _ = say.send((address, tls));
                }
            });
            lines.collect()
        });
        let (address, tls) = hear.recv_timeout(Duration::from_secs(20)).unwrap();
        Self {
            address,
            tls,
            child,
            log: Some(log),
        }
    }

    /// Waits until its register has been checked.
    pub fn ready(self) -> Self {
        let is_ready = |_: &u32| {
            std::thread::sleep(Duration::from_millis(10));
            let answer = Client::connect(self.address).request("GET", "/readyz", &[], b"");
            answer.status == 200
        };
        assert!((0..2_000).find(is_ready).is_some(), "not ready");
        self
    }

    /// Its address with TLS.
    pub fn tls(&self) -> SocketAddr {
        self.tls.unwrap()
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(told.success());
    }

    /// Tells it to stop (SIGTERM), and waits. Answers how it ended and its whole log.
    pub fn stop(self) -> (ExitStatus, Vec<String>) {
        self.signal("-TERM");
        self.end()
    }

    /// Waits until it has ended. Answers how, and its whole log.
    pub fn end(mut self) -> (ExitStatus, Vec<String>) {
        let lines = self.log.take().unwrap().join().unwrap();
        (self.child.wait().unwrap(), lines)
    }
}

/// A configuration file in a data folder, for a free port.
pub fn configure(data: &Path, more: &str) -> PathBuf {
    let config = data.join("pu.toml");
    let folder = data.display();
    let open = if more.contains("access.") {
        ""
    } else {
        "access.open = true\n"
    };
    let listen = if more.starts_with("listen = ") {
        ""
    } else {
        "listen = \"127.0.0.1:0\"\n"
    };
    let announce = if more.contains("announce_seconds") {
        ""
    } else {
        "shutdown.announce_seconds = 0\n"
    };
    let text = format!("data = '{folder}'\n{listen}threads = 2\n{open}{announce}{more}\n");
    std::fs::write(&config, text).unwrap();
    config
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Evidence against ourselves: when `TEST_EVIDENCE` names a file, everything that a service says
//! beside its answers is added to it in the whole run: log lines at their most talkative, metrics,
//! refusals of every kind, panics. `tests/leaks` then looks in it for anybody.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::sync::{Mutex, Once, OnceLock};

/// Where evidence goes, when it is gathered.
fn file() -> Option<&'static Mutex<File>> {
    static FILE: OnceLock<Option<Mutex<File>>> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = std::env::var_os("TEST_EVIDENCE")?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        Some(Mutex::new(file.unwrap()))
    })
    .as_ref()
}

/// Adds what a service said.
pub fn add(kind: &str, text: &str) {
    if let Some(file) = file() {
        let mut file = file.lock().unwrap();
        for line in text.lines() {
            writeln!(file, "{kind}: {line}").unwrap();
        }
    }
}

/// Gathers log lines and panics of this process from now on.
pub fn gather() {
    static ONCE: Once = Once::new();
    if file().is_none() {
        return;
    }
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| Lines);
        subscriber.init();
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // A test that fails says why, and may name anybody; a thread of the service may not.
            let thread = std::thread::current();
            if thread.name().is_some_and(|it| !it.contains("::")) {
                add("panic", &panic.to_string());
            }
            told(panic);
        }));
    });
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        add("log", &String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

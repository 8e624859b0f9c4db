//! What commands say: results on standard output, how it goes on standard error.

use std::io;
use std::path::{Path, PathBuf};

/// Says a line on standard output.
macro_rules! say {
    ($($told:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout(), $($told)*)
    }};
}

/// Says a line on standard error, as far as anybody listens.
macro_rules! complain {
    ($($told:tt)*) => {{
        use std::io::Write as _;
        // There is nobody left to tell that nobody listens.
        let _ = writeln!(std::io::stderr(), $($told)*);
    }};
}

pub(super) use {complain, say};

/// A file with which something could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", path.display())]
pub struct FileFailure {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// What fails where a file is written.
pub fn of_file(path: &Path, source: io::Error) -> super::Failure {
    failure("write", path, source)
}

/// What fails where something is done with a file.
pub fn failure(what: &'static str, path: &Path, source: io::Error) -> super::Failure {
    let path = path.to_path_buf();
    FileFailure { what, path, source }.into()
}

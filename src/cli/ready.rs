//! `pu ready`: whether a service on this machine answers, for containers and scripts that have no other
//! way to ask.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use clap::Args;

use super::out::say;
use super::{Common, Failure};
use crate::base::limits;

/// Ask the service of a configuration, on its plain address, whether it is ready. The exit code is 0
/// when it is.
#[derive(Args)]
pub struct Ready {
    #[command(flatten)]
    common: Common,
}

/// Why a service is not known to be ready.
#[derive(Debug, thiserror::Error)]
enum ReadyError {
    /// It does not answer.
    #[error("no answer from {address}")]
    NoAnswer {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says that it is not.
    #[error("the service at {address} is not ready: {said}")]
    NotReady {
        /// The address.
        address: SocketAddr,
        /// The status line of its answer.
        said: String,
    },
}

impl Ready {
    pub fn run(self) -> Result<(), Failure> {
        let address = self.common.config()?.listen;
        let said = ask(address).map_err(|source| ReadyError::NoAnswer { address, source })?;
        let status = said.split(' ').nth(1);
        if status != Some("200") {
            return Err(ReadyError::NotReady { address, said }.into());
        }
        say!("ready")?;
        Ok(())
    }
}

/// The status line of the answer.
fn ask(address: SocketAddr) -> std::io::Result<String> {
    let patience = limits::READY_PATIENCE;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let ask = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes())?;
    let mut head = Vec::new();
    stream
        .take(limits::READY_ANSWER_BYTES)
        .read_to_end(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    Ok(head.lines().next().unwrap_or_default().to_owned())
}

//! Sockets that a service manager holds and hands over (`LISTEN_FDS`), so that a restart loses no
//! connection: what comes meanwhile waits in them.

use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use listenfd::ListenFd;
use socket2::Socket;

use super::listen::ListenError;
use super::queue::listens;

/// The sockets that were handed over and are not served yet.
#[derive(Default)]
pub struct Handed {
    ports: Vec<(SocketAddr, Socket)>,
    unix: Vec<(PathBuf, Socket)>,
}

impl Handed {
    /// Those that the environment tells of. To be asked once, before there are threads.
    pub fn from_environment() -> Result<Self, ListenError> {
        let mut found = ListenFd::from_env();
        let mut handed = Self::default();
        for place in 0..found.len() {
            let other = |_| ListenError::OtherHanded(place + 1);
            if let Ok(Some(socket)) = found.take_tcp_listener(place) {
                let address = socket.local_addr().map_err(other)?;
                if !listens(&socket) {
                    return Err(ListenError::OtherHanded(place + 1));
                }
                handed.ports.push((address, socket.into()));
            } else {
                let socket: Option<UnixListener> =
                    found.take_unix_listener(place).map_err(other)?;
                let socket = socket.filter(listens);
                let socket = socket.ok_or(ListenError::OtherHanded(place + 1))?;
                let address = socket.local_addr().map_err(other)?;
                let path = address.as_pathname().unwrap_or(Path::new("")).to_path_buf();
                handed.unix.push((path, socket.into()));
            }
        }
        Ok(handed)
    }

    /// The socket for an address.
    pub(super) fn port(&mut self, address: SocketAddr) -> Option<(SocketAddr, Socket)> {
        let place = self.ports.iter().position(|it| is_same(it.0, address))?;
        Some(self.ports.swap_remove(place))
    }

    /// The socket at a path.
    pub(super) fn unix(&mut self, path: &Path) -> Option<Socket> {
        let place = self.unix.iter().position(|it| it.0 == path)?;
        Some(self.unix.swap_remove(place).1)
    }

    /// What is left when all that is configured has been taken: nobody would serve it.
    pub(super) fn check_empty(&self) -> Result<(), ListenError> {
        let port = self.ports.first().map(|it| it.0.to_string());
        let unix = self.unix.first().map(|it| it.0.display().to_string());
        match port.or(unix) {
            Some(address) => Err(ListenError::NotConfigured(address)),
            None => Ok(()),
        }
    }
}

/// Whether two addresses are one; every address of IPv4 and of IPv6 are, since service managers listen at
/// both with one socket.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || (a.is_unspecified() && b.is_unspecified()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_in_either_form() {
        let is_same =
            |one: &str, other: &str| is_same(one.parse().unwrap(), other.parse().unwrap());
        assert!(is_same("127.0.0.1:80", "127.0.0.1:80"));
        assert!(is_same("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
        assert!(is_same("[::]:80", "0.0.0.0:80"));
        assert!(!is_same("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!is_same("0.0.0.0:80", "127.0.0.1:80"));
    }
}

//! The names under which the plain listener answers. A page that a browser on this machine has loaded
//! from elsewhere can let its own name point at loopback: what it asks for then comes with that name.

use std::net::{IpAddr, SocketAddr};

use hyper::Request;
use hyper::header::HOST;
use hyper::http::Version;

/// The names and addresses of the plain listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    address: IpAddr,
    names: Vec<String>,
}

/// What every machine calls itself.
const LOCALHOST: &str = "localhost";

impl Hosts {
    /// `localhost`, the address that is listened on, and these names.
    pub fn new(listening: SocketAddr, more: &[String]) -> Self {
        let names = std::iter::once(LOCALHOST.to_owned()).chain(more.iter().cloned());
        Self {
            address: listening.ip(),
            names: names.collect(),
        }
    }

    /// Whether a request is for us, whatever the port: a tunnel has another. Who names nobody by an
    /// old protocol that need not, is no browser.
    pub fn has<B>(&self, request: &Request<B>) -> bool {
        let mut is_named = false;
        for host in request.headers().get_all(HOST) {
            is_named = true;
            if !host.to_str().is_ok_and(|host| self.is_ours(host)) {
                return false;
            }
        }
        match request.uri().authority() {
            Some(authority) => self.is_ours(authority.as_str()),
            None => is_named || request.version() < Version::HTTP_11,
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        self.names.iter().any(|it| it.eq_ignore_ascii_case(name))
            || name.parse() == Ok(self.address)
    }
}

/// Whether a request says once which host it is for, where its HTTP wants that (RFC 9112 section 3.2).
pub fn names_a_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let is_named = hosts.next().is_some_and(|host| host.to_str().is_ok());
    request.version() != Version::HTTP_11 || is_named && hosts.next().is_none()
}

/// The name or the address in `NAME:PORT`, where the port may be missing.
fn without_port(host: &str) -> Option<&str> {
    let (name, rest) = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(hosts: &Hosts, version: Version, uri: &str, named: &[&str]) -> bool {
        let mut request = Request::builder().version(version).uri(uri);
        for host in named {
            request = request.header(HOST, *host);
        }
        hosts.has(&request.body(()).unwrap())
    }

    #[test]
    fn http_1_1_names_one_host() {
        let names = |version, named: &[&str]| {
            let mut request = Request::builder().version(version);
            for host in named {
                request = request.header(HOST, *host);
            }
            names_a_host(&request.body(()).unwrap())
        };
        assert!(names(Version::HTTP_11, &["localhost"]));
        assert!(!names(Version::HTTP_11, &[]));
        assert!(!names(Version::HTTP_11, &["localhost", "localhost"]));
        assert!(!names(Version::HTTP_11, &["östersund"]));
        assert!(names(Version::HTTP_10, &[]) && names(Version::HTTP_2, &[]));
    }

    #[test]
    fn other_names_are_not_ours_however_they_are_said() {
        let hosts = Hosts::new(
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            &["pu.region.example".to_owned()],
        );
        let named = |named: &[&str]| has(&hosts, Version::HTTP_11, "/", named);
        for ours in [
            "localhost",
            "LOCALHOST:8080",
            "localhost:9999",
            "127.0.0.1",
            "127.0.0.1:8080",
            "pu.region.example",
        ] {
            assert!(named(&[ours]), "{ours}");
        }
        for other in [
            "attacker.example",
            "localhost.attacker.example",
            "localhost:1@attacker.example",
            "localhost@attacker.example",
            "attacker.example@localhost",
            "127.0.0.1.attacker.example:8080",
            "127.0.0.2",
            "10.0.0.1:8080",
            "",
            "a b",
        ] {
            assert!(!named(&[other]), "{other}");
            assert!(!named(&["localhost", other]), "{other}");
        }
        assert!(!named(&[]), "HTTP/1.1 names its host");
        assert!(has(&hosts, Version::HTTP_10, "/", &[]));
        // What the address of the request says counts too, and alone in HTTP/2.
        let to = |uri, named: &[&str]| has(&hosts, Version::HTTP_2, uri, named);
        assert!(to("http://localhost:8080/", &[]));
        assert!(!to("http://attacker.example/", &[]));
        assert!(!to("http://attacker.example/", &["localhost"]));
        assert!(!to("http://localhost/", &["attacker.example"]));
        let six = Hosts::new("[::1]:8080".parse().unwrap(), &[]);
        assert!(has(&six, Version::HTTP_11, "/", &["[::1]:8080"]));
    }
}

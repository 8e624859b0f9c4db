//! The caller: raw sockets, and just enough of each protocol to know when an answer is whole.

use std::net::SocketAddr;
use std::path::PathBuf;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::Failure;
use crate::request::{prepare, startup};

/// Bytes that are asked for at once.
const READ: usize = 256 << 10;

/// How a peer is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// HTTP/1.1, kept alive.
    Http,
    /// Redis's own.
    Redis,
    /// PostgreSQL's own.
    Postgres,
}

/// Where a peer listens.
#[derive(Clone, Debug)]
pub enum Address {
    /// Loopback.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// An answer is not what a good one looks like.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a {0:?} answer that is none: {1}")]
pub struct Unexpected(Protocol, &'static str);

impl Protocol {
    /// The bytes of the answer these begin with, when it is there as a whole, and how many of them
    /// come before what was asked for.
    fn whole(self, bytes: &[u8]) -> Result<Option<(usize, usize)>, Unexpected> {
        match self {
            Self::Http => http(bytes),
            Self::Redis => redis(bytes),
            Self::Postgres => postgres(bytes),
        }
    }
}

fn http(bytes: &[u8]) -> Result<Option<(usize, usize)>, Unexpected> {
    let Some(head) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    if !bytes.starts_with(b"HTTP/1.1 200") {
        return Err(Unexpected(Protocol::Http, "the status is not 200"));
    }
    let mut lines = bytes[..head].split(|byte| *byte == b'\n');
    let length = lines
        .find_map(|line| {
            let (name, value) = line.split_at_checked(15)?;
            name.eq_ignore_ascii_case(b"content-length:")
                .then_some(value)
        })
        .and_then(|value| {
            std::str::from_utf8(value)
                .ok()?
                .trim()
                .parse::<usize>()
                .ok()
        })
        .ok_or(Unexpected(Protocol::Http, "no length"))?;
    let end = head + 4 + length;
    Ok((bytes.len() >= end).then_some((end, head + 4)))
}

fn redis(bytes: &[u8]) -> Result<Option<(usize, usize)>, Unexpected> {
    let Some((count, mut at)) = number(bytes) else {
        return Ok(None);
    };
    let (strings, first) = match bytes[0] {
        b'$' => (1, at),
        b'*' => (count, at),
        _ => return Err(Unexpected(Protocol::Redis, "an error")),
    };
    if bytes[0] == b'$' {
        at = 0;
    }
    for _ in 0..strings {
        let Some((length, digits)) = number(&bytes[at..]) else {
            return Ok(None);
        };
        let length = usize::try_from(length)
            .map_err(|_| Unexpected(Protocol::Redis, "a key that is not there"))?;
        at += digits + length + 2;
        if at > bytes.len() {
            return Ok(None);
        }
    }
    Ok(Some((at, first)))
}

/// The number of a line such as `$12`, and where the line ends.
fn number(bytes: &[u8]) -> Option<(i64, usize)> {
    let end = memchr::memchr(b'\n', bytes)?;
    let digits = std::str::from_utf8(bytes.get(1..end)?).ok()?;
    Some((digits.trim_end().parse().unwrap_or(-1), end + 1))
}

fn postgres(bytes: &[u8]) -> Result<Option<(usize, usize)>, Unexpected> {
    let (mut at, mut first) = (0, 0);
    while let Some([kind, length @ ..]) = bytes.get(at..at + 5) {
        let length: [u8; 4] = length
            .try_into()
            .map_err(|_| Unexpected(Protocol::Postgres, "no length"))?;
        let end = at + 1 + u32::from_be_bytes(length) as usize;
        match kind {
            b'E' => return Err(Unexpected(Protocol::Postgres, "an error")),
            b'D' if first == 0 => first = at,
            b'Z' if end <= bytes.len() => return Ok(Some((end, first))),
            _ => {}
        }
        at = end;
    }
    Ok(None)
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// A connection that asks one question at a time.
pub struct Caller {
    protocol: Protocol,
    stream: Box<dyn Both>,
    buffer: Vec<u8>,
}

impl Caller {
    /// Connects, and says what a peer wants to hear first. `count` persons will be asked for.
    pub async fn connect(
        address: &Address,
        protocol: Protocol,
        count: usize,
    ) -> Result<Self, Failure> {
        let stream: Box<dyn Both> = match address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        };
        let buffer = Vec::with_capacity(READ);
        let mut caller = Self {
            protocol,
            stream,
            buffer,
        };
        if protocol == Protocol::Postgres {
            caller.ask(&startup()).await?;
            caller.ask(&prepare(count)).await?;
        }
        Ok(caller)
    }

    /// Asks and waits for the whole answer; gives what was asked for, without its head.
    pub async fn ask(&mut self, question: &[u8]) -> Result<&[u8], Failure> {
        self.stream.write_all(question).await?;
        self.buffer.clear();
        loop {
            self.buffer.reserve(READ);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(format!("a {:?} connection was closed", self.protocol).into());
            }
            if let Some((end, first)) = self.protocol.whole(&self.buffer)? {
                return Ok(&self.buffer[first..end]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer is whole with its last byte and not before.
    fn check(protocol: Protocol, answer: &[u8], wanted: &[u8]) {
        for end in 0..answer.len() {
            assert_eq!(protocol.whole(&answer[..end]), Ok(None), "{end}");
        }
        let (end, first) = protocol.whole(answer).unwrap().unwrap();
        assert_eq!(&answer[first..end], wanted);
    }

    #[test]
    fn an_http_answer_is_whole_when_its_length_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nabcde";
        check(Protocol::Http, answer, b"abcde");
        assert!(Protocol::Http.whole(b"HTTP/1.1 503 No\r\n\r\n").is_err());
    }

    #[test]
    fn a_redis_answer_is_a_string_or_an_array_of_them() {
        check(Protocol::Redis, b"$3\r\nabc\r\n", b"abc\r\n");
        let array = b"*2\r\n$1\r\na\r\n$2\r\nbc\r\n";
        check(Protocol::Redis, array, &array[4..]);
        assert!(Protocol::Redis.whole(b"$-1\r\n").is_err());
        assert!(Protocol::Redis.whole(b"-ERR no\r\n").is_err());
    }

    #[test]
    fn a_postgres_answer_ends_when_it_is_ready_for_more() {
        let rows = b"2\0\0\0\x04D\0\0\0\x0b\0\x01\0\0\0\x01aZ\0\0\0\x05I";
        check(Protocol::Postgres, rows, &rows[5..]);
        assert!(Protocol::Postgres.whole(b"E\0\0\0\x05\0").is_err());
    }
}

//! A window over a source of bytes: what is being looked at, and nothing that has been.

use std::io::{self, Read};

/// Bytes asked of the source at a time.
const CHUNK: usize = 128 << 10;

/// The bytes between what was passed and what was not read yet.
pub(super) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    line: u64,
    limit: usize,
}

/// Where a line ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LineEnd {
    /// Before this place; the last line of a source may lack its line feed.
    At(usize),
    /// Beyond the limit.
    Beyond,
    /// Nowhere: the source has ended.
    None,
}

impl<R: Read> Window<R> {
    /// A window that looks `limit` bytes far.
    pub fn new(source: R, limit: usize) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            line: 1,
            limit,
        }
    }

    /// What is in sight.
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// The line that the window begins on, from 1.
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// How far the window looks.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Passes bytes in sight.
    pub fn advance(&mut self, bytes: usize) {
        let to = (self.start + bytes).min(self.end);
        self.line += memchr::memchr_iter(b'\n', &self.buffer[self.start..to]).count() as u64;
        self.start = to;
    }

    /// Brings more bytes into sight; `false` when there are none. Places in [`Window::data`] stay
    /// what they were.
    pub fn more(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Growing with what is held keeps repeated looks for an end linear.
        let room = CHUNK.max(self.end.min(self.limit));
        if self.buffer.len() < self.end + room {
            self.buffer.resize(self.end + room, 0);
        }
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(!self.ended);
        }
    }

    /// Where the line that begins at `from` ends, its line feed included.
    pub fn line_end(&mut self, from: usize) -> io::Result<LineEnd> {
        let mut looked = from;
        loop {
            let data = self.data();
            if let Some(at) = memchr::memchr(b'\n', data.get(looked..).unwrap_or_default()) {
                return Ok(LineEnd::At(looked + at + 1));
            }
            looked = data.len();
            if looked > self.limit {
                return Ok(LineEnd::Beyond);
            }
            if !self.more()? {
                return Ok(if looked > from {
                    LineEnd::At(looked)
                } else {
                    LineEnd::None
                });
            }
        }
    }

    /// Bytes that memory is held for.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let (Some((&first, rest)), Some(place)) = (self.0.split_first(), out.first_mut())
            else {
                return Ok(0);
            };
            *place = first;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn lines_come_whole_however_the_source_gives_them() {
        let mut window = Window::new(Drip(b"one\ntwo\n\nthree"), 100);
        let mut lines = Vec::new();
        while let LineEnd::At(end) = window.line_end(0).unwrap() {
            lines.push((window.line(), window.data()[..end].to_vec()));
            window.advance(end);
        }
        let expected = [(1, "one\n"), (2, "two\n"), (3, "\n"), (4, "three")];
        assert!(
            lines
                .iter()
                .map(|(n, it)| (*n, &it[..]))
                .eq(expected.map(|(n, it)| (n, it.as_bytes())))
        );
    }

    #[test]
    fn a_line_without_end_does_not_fill_memory() {
        let mut window = Window::new(io::repeat(b'x').take(100 << 20), 1 << 20);
        while window.line_end(0).unwrap() == LineEnd::Beyond {
            window.advance(window.data().len());
        }
        assert!(window.held() < 4 << 20);
    }
}

//! Content codings (RFC 9110 section 8.4.1): which one an answer goes out in, packing it, and unpacking
//! what callers send. All is done where the request was read, a piece at a time with a pause for others
//! between, and paid for by who asked.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};
use tokio::task::yield_now;

use super::App;
use super::page::Answer;
use super::used::Used;
use crate::access::usage::Usage;
use crate::base::limits;
use crate::wire::fault::HttpRefusal;

/// A content coding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Coding {
    /// zstd: smaller and several times quicker.
    Zstd,
    /// gzip: what everybody reads.
    Gzip,
}

/// What is said of them where others are asked for.
const OFFERED: &str = "gzip, zstd";

/// The same where none is used.
const NONE_OFFERED: &str = "identity";

impl Coding {
    /// Every coding.
    pub const ALL: [Self; 2] = [Self::Zstd, Self::Gzip];

    /// Its name in HTTP.
    pub const fn name(self) -> &'static str {
        ["zstd", "gzip"][self as usize]
    }

    const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.name())
    }

    fn find(name: &str) -> Option<Self> {
        // An old name that is to be read as the new one.
        if name.eq_ignore_ascii_case("x-gzip") {
            return Some(Self::Gzip);
        }
        Self::ALL
            .into_iter()
            .find(|it| name.eq_ignore_ascii_case(it.name()))
    }

    fn encoder(self, length: usize) -> io::Result<Encoder> {
        let out = Vec::with_capacity(length / 4);
        Ok(match self {
            Self::Zstd => {
                let mut encoder = zstd::Encoder::new(out, limits::ZSTD_LEVEL)?;
                encoder.set_pledged_src_size(Some(length as u64))?;
                Encoder::Zstd(encoder)
            }
            Self::Gzip => {
                let level = flate2::Compression::new(limits::GZIP_LEVEL);
                Encoder::Gzip(flate2::write::GzEncoder::new(out, level))
            }
        })
    }

    fn decoder(self, packed: Bytes) -> io::Result<Box<dyn Read + Send>> {
        let packed = io::Cursor::new(packed);
        Ok(match self {
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed)?;
                decoder.window_log_max(limits::ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        })
    }
}

enum Encoder {
    Zstd(zstd::Encoder<'static, Vec<u8>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Encoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match self {
            Self::Zstd(encoder) => encoder.write_all(piece),
            Self::Gzip(encoder) => encoder.write_all(piece),
        }
    }

    fn finish(self) -> io::Result<Bytes> {
        match self {
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
        .map(Bytes::from)
    }
}

/// Packs at once what is short, or packed once for many.
pub fn packed(coding: Coding, plain: &[u8]) -> io::Result<Bytes> {
    let mut encoder = coding.encoder(plain.len())?;
    encoder.write(plain)?;
    encoder.finish()
}

/// The coding that a caller takes and likes best; nothing when that is none.
pub fn taken(headers: &HeaderMap) -> Option<Coding> {
    let mut likes = Likes::default();
    for line in headers.get_all(ACCEPT_ENCODING) {
        let line = line.to_str().unwrap_or("");
        line.split(',').for_each(|one| likes.note(one));
    }
    likes.best()
}

/// How much a caller likes each coding, from 0 to 1; nothing where that is not said.
#[derive(Default)]
struct Likes {
    named: [Option<f32>; Coding::ALL.len()],
    plain: Option<f32>,
    others: Option<f32>,
}

impl Likes {
    /// Reads one coding with its weight (RFC 9110 section 12.5.3). A weight that is none is read as a
    /// refusal: plain bytes everybody can read.
    fn note(&mut self, one: &str) {
        let mut parts = one.split(';').map(str::trim);
        let name = parts.next().unwrap_or("");
        let weight = parts.find_map(|it| it.strip_prefix("q=").or_else(|| it.strip_prefix("Q=")));
        let weight = weight.map_or(Ok(1.0), str::parse).unwrap_or(0.0);
        let place = match Coding::find(name) {
            Some(coding) => &mut self.named[coding as usize],
            None if name == "*" => &mut self.others,
            None if name.eq_ignore_ascii_case("identity") => &mut self.plain,
            None => return,
        };
        *place = Some(weight)
            .filter(|it| (0.0..=1.0).contains(it))
            .or(Some(0.0));
    }

    fn best(&self) -> Option<Coding> {
        let liked = |coding: Coding| {
            let named = self.named[coding as usize];
            let weight = named.or(self.others).filter(|it| *it > 0.0)?;
            // Who takes anything is given what everybody reads.
            let rank = match (coding, named) {
                (Coding::Zstd, Some(_)) => 3,
                (Coding::Gzip, Some(_)) => 2,
                (Coding::Gzip, None) => 1,
                (Coding::Zstd, None) => 0,
            };
            Some((weight, rank, coding))
        };
        let codings = Coding::ALL.into_iter().filter_map(liked);
        let (weight, _, coding) =
            codings.max_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)))?;
        // Plain bytes are liked least by who does not name them.
        (weight >= self.plain.unwrap_or(0.0)).then_some(coding)
    }
}

/// Notes in an answer that others who ask may get it in another coding, and in which it is.
pub fn tell(answer: &mut Answer, coding: Option<Coding>) {
    let headers = answer.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(coding) = coding {
        headers.insert(CONTENT_ENCODING, coding.header());
    }
}

/// Packs an answer that is long enough, for who takes it so.
pub async fn pack(app: &App, headers: &HeaderMap, usage: &Arc<Usage>, answer: &mut Answer) {
    let length = answer.body().len();
    if !app.compression || length < limits::PACKED_FROM {
        return;
    }
    let coding = taken(headers);
    if let Some(coding) = coding {
        let plain = answer.body_mut().take();
        match Box::pin(in_pieces(coding, &plain, usage)).await {
            Ok(packed) => {
                app.metrics.packed(coding, plain.len(), packed.len());
                answer.body_mut().fill(packed);
            }
            // It never does, and plain bytes are read by everybody.
            Err(error) => {
                tracing::error!(%error, "an answer could not be packed");
                answer.body_mut().fill(plain);
                return;
            }
        }
    }
    tell(answer, coding);
}

/// Packs a piece at a time.
async fn in_pieces(coding: Coding, plain: &[u8], usage: &Arc<Usage>) -> io::Result<Bytes> {
    let mut encoder = {
        let _used = Used::at_once(usage);
        coding.encoder(plain.len())?
    };
    let mut pieces = plain.chunks(limits::PACKED_AT_ONCE).peekable();
    while let Some(piece) = pieces.next() {
        {
            let _used = Used::at_once(usage);
            encoder.write(piece)?;
        }
        if pieces.peek().is_some() {
            yield_now().await;
        }
    }
    let _used = Used::at_once(usage);
    encoder.finish()
}

/// The coding of a request's body; nothing when it is plain.
pub fn sent(app: &App, headers: &HeaderMap) -> Result<Option<Coding>, HttpRefusal> {
    let mut sent = None;
    for line in headers.get_all(CONTENT_ENCODING) {
        let name = line.to_str().unwrap_or("?").trim();
        if name.is_empty() || name.eq_ignore_ascii_case("identity") {
            continue;
        }
        let offered = if app.compression {
            OFFERED
        } else {
            NONE_OFFERED
        };
        let coding = Coding::find(name).filter(|_| app.compression && sent.is_none());
        sent = Some(coding.ok_or(HttpRefusal::UnknownCoding(offered))?);
    }
    Ok(sent)
}

/// Unpacks a request's body, up to so many bytes, and no more than so many times what came.
pub async fn unpack(
    app: &App,
    coding: Coding,
    packed: Bytes,
    usage: Option<&Arc<Usage>>,
) -> Result<Bytes, HttpRefusal> {
    let most = packed.len().saturating_mul(limits::UNPACKED_TIMES);
    let most = most.max(limits::UNPACKED_ALWAYS).min(app.body_bytes);
    app.metrics.unpacked(coding);
    let broken = |_| HttpRefusal::NotUnpacked;
    let mut decoder = coding.decoder(packed).map_err(broken)?;
    let mut plain = Vec::new();
    loop {
        let before = plain.len();
        {
            let _used = usage.map(Used::at_once);
            let mut piece = (&mut decoder).take(limits::PACKED_AT_ONCE as u64);
            piece.read_to_end(&mut plain).map_err(broken)?;
        }
        if plain.len() > most {
            return Err(HttpRefusal::TooLarge(app.body_bytes));
        }
        if plain.len() == before {
            return Ok(Bytes::from(plain));
        }
        yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::access::consumers::Consumer;

    #[test]
    fn a_caller_gets_what_it_likes_best() {
        let (gzip, zstd) = (Some(Coding::Gzip), Some(Coding::Zstd));
        for (said, best) in [
            ("", None),
            ("identity", None),
            ("br", None),
            ("gzip", gzip),
            ("x-gzip", gzip),
            ("GZIP;Q=0.5", gzip),
            ("zstd", zstd),
            ("gzip, zstd", zstd),
            ("gzip, deflate, br, zstd", zstd),
            ("gzip;q=1.0, zstd;q=0.9", gzip),
            ("gzip;q=0.001", gzip),
            ("gzip;q=0", None),
            ("gzip; q=0.000, zstd", zstd),
            ("gzip;q=0.5, identity", None),
            ("gzip;q=0.5, identity;q=0.5", gzip),
            ("gzip;q=0.5, identity;q=0", gzip),
            ("identity;q=0", None),
            ("*", gzip),
            ("*;q=0", None),
            ("*;q=0, zstd", zstd),
            ("*, gzip;q=0", zstd),
            ("*;q=0.1, zstd;q=0.2", zstd),
            ("gzip;q=2", None),
            ("gzip;q=x", None),
            ("gzip;q=NaN", None),
            ("gzip;q=-1", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, said.parse().unwrap());
            assert_eq!(taken(&headers), best, "{said}");
        }
        assert_eq!(taken(&HeaderMap::new()), None);
        let mut two = HeaderMap::new();
        two.append(ACCEPT_ENCODING, "gzip;q=0".parse().unwrap());
        two.append(ACCEPT_ENCODING, "zstd;q=0.5".parse().unwrap());
        assert_eq!(taken(&two), zstd);
    }

    #[test]
    fn what_is_packed_is_paid_for_and_others_have_their_turns() {
        let usage = Arc::new(Usage::new(Consumer::UNLIMITED));
        let plain = vec![7; 10 * limits::PACKED_AT_ONCE];
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            let turns = Rc::new(Cell::new(0));
            let counted = Rc::clone(&turns);
            let others = async move {
                loop {
                    counted.set(counted.get() + 1);
                    yield_now().await;
                }
            };
            let before = usage.cpu();
            tokio::select! {
                biased;
                packed = in_pieces(Coding::Gzip, &plain, &usage) => assert!(packed.is_ok()),
                () = others => {}
            }
            assert!(usage.cpu() > before);
            assert_eq!(turns.get(), 9, "between the pieces");
        });
    }

    #[test]
    fn what_is_packed_is_unpacked_to_the_same() {
        let plain: Vec<u8> = (0..300_000_u32)
            .flat_map(|it| (it / 7).to_le_bytes())
            .collect();
        for coding in Coding::ALL {
            let packed = packed(coding, &plain).unwrap();
            assert!(packed.len() < plain.len());
            let mut unpacked = Vec::new();
            let mut decoder = coding.decoder(packed).unwrap();
            decoder.read_to_end(&mut unpacked).unwrap();
            assert!(unpacked == plain, "{}", coding.name());
        }
    }
}

//! Messages in `multipart/related`: what a client sends whose MTOM is switched on. The message is the
//! only part there may be, for no contract takes attachments this way.
//!
//! Source: RFC 2046 section 5.1, RFC 2387, MTOM SOAP 1.1 binding.

use memchr::memmem;

use super::fault::HttpRefusal;
use crate::base::limits;

/// A message's part of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessagePart<'b> {
    /// The message.
    pub body: &'b [u8],
    /// The charset that the part's own content type names.
    pub charset: Option<&'b str>,
}

/// Whether a content type is that of a body in parts.
pub fn is_multipart(media: &str) -> bool {
    media.eq_ignore_ascii_case("multipart/related")
}

/// The value of a content type's parameter, without quotation marks.
pub fn parameter<'h>(content_type: &'h str, name: &str) -> Option<&'h str> {
    let parameters = content_type.split(';').skip(1);
    let mut named = parameters.filter_map(|it| it.split_once('='));
    let (_, value) = named.find(|(it, _)| it.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

/// The only part of a body whose content type names its boundary.
pub fn message_part<'b>(
    content_type: &str,
    body: &'b [u8],
) -> Result<MessagePart<'b>, HttpRefusal> {
    let boundary = parameter(content_type, "boundary")
        .filter(|it| (1..=limits::BOUNDARY_BYTES).contains(&it.len()))
        .ok_or(HttpRefusal::NotOnePart)?;
    let delimiter = format!("--{boundary}");
    let delimiter = delimiter.as_bytes();
    // The first one stands at the beginning, or at that of a line; what is before it is not meant.
    let begin = if body.starts_with(delimiter) {
        Some(delimiter.len())
    } else {
        after_line_end(body, delimiter)
    };
    let part = begin.and_then(|begin| body.get(begin..));
    let part = part.and_then(rest_of_line).ok_or(HttpRefusal::NotOnePart)?;
    let end = if part.starts_with(delimiter) {
        None
    } else {
        after_line_end(part, delimiter)
    };
    let end = end.ok_or(HttpRefusal::NotOnePart)?;
    if !part[end..].starts_with(b"--") {
        return Err(HttpRefusal::NotOnePart);
    }
    let part = &part[..end - delimiter.len()];
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    let part = part.strip_suffix(b"\r").unwrap_or(part);
    let (head, message) = split_head(part).ok_or(HttpRefusal::NotOnePart)?;
    let mut charset = None;
    for line in head.split(|&byte| byte == b'\n') {
        let line = std::str::from_utf8(line).map_err(|_| HttpRefusal::NotOnePart)?;
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.eq_ignore_ascii_case("Content-Type") {
            charset = parameter(value, "charset");
        }
        let is_plain = ["7bit", "8bit", "binary"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(value.trim()));
        if name.eq_ignore_ascii_case("Content-Transfer-Encoding") && !is_plain {
            return Err(HttpRefusal::NotOnePart);
        }
    }
    Ok(MessagePart {
        body: message,
        charset,
    })
}

/// Where the first delimiter ends that begins a line.
fn after_line_end(body: &[u8], delimiter: &[u8]) -> Option<usize> {
    let begins_a_line = |&at: &usize| at > 0 && body[at - 1] == b'\n';
    let at = memmem::find_iter(body, delimiter).find(begins_a_line)?;
    Some(at + delimiter.len())
}

/// What follows a line of which nothing but blanks is left.
fn rest_of_line(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr(b'\n', text)?;
    let is_blank = text[..end].trim_ascii().is_empty();
    is_blank.then(|| &text[end + 1..])
}

/// A part's headers, and what follows the empty line behind them.
fn split_head(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        let end = at + memchr::memchr(b'\n', part.get(at..)?)?;
        if part[at..end].trim_ascii().is_empty() {
            return Some((&part[..at], &part[end + 1..]));
        }
        if end > limits::PART_HEAD_BYTES {
            return None;
        }
        at = end + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/related; type=\"application/xop+xml\"; start=\"<a@b>\"; \
                        boundary=\"uuid:1-2\"; start-info=\"text/xml\"";

    fn part(head: &str, message: &str) -> String {
        format!("\r\n--uuid:1-2\r\n{head}\r\n\r\n{message}\r\n--uuid:1-2--\r\n")
    }

    const HEAD: &str = "Content-Type: application/xop+xml; charset=UTF-8; type=\"text/xml\"\r\n\
                        Content-Transfer-Encoding: binary\r\nContent-ID: <a@b>";

    #[test]
    fn the_only_part_is_the_message() {
        for body in [
            part(HEAD, "<a/>"),
            part(HEAD, "<a/>").trim_start().to_owned(),
            part(HEAD, "<a/>").replace("\r\n", "\n"),
            format!("before{}behind", part(HEAD, "<a/>")),
        ] {
            let read = message_part(TYPE, body.as_bytes()).unwrap();
            assert_eq!((read.body, read.charset), (&b"<a/>"[..], Some("UTF-8")));
        }
        // A text that looks like a boundary inside a line is none.
        let message = "<a>--uuid:1-2</a>\r\n";
        let body = part("Content-ID: <a@b>", message);
        let read = message_part(TYPE, body.as_bytes()).unwrap();
        assert_eq!((read.body, read.charset), (message.as_bytes(), None));
    }

    #[test]
    fn several_parts_and_what_is_none_are_refused() {
        let two = format!("{}--uuid:1-2--", part(HEAD, "<a/>").replace("2--", "2"));
        for body in [
            two.replace("--uuid:1-2--", "--uuid:1-2\r\n\r\n<b/>\r\n--uuid:1-2--"),
            part("Content-Transfer-Encoding: base64", "PGEvPg=="),
            part(HEAD, "<a/>").replace("1-2--", "1-3--"),
            part(HEAD, "<a/>").replace("\r\n\r\n", "\r\n"),
            "<a/>".to_owned(),
            String::new(),
            "--uuid:1-2".to_owned(),
            "--uuid:1-2--".to_owned(),
            "--uuid:1-2\r\n--uuid:1-2--".to_owned(),
        ] {
            assert_eq!(
                message_part(TYPE, body.as_bytes()),
                Err(HttpRefusal::NotOnePart),
                "{body}"
            );
        }
        for without in ["multipart/related", "multipart/related; boundary=\"\""] {
            let body = part(HEAD, "<a/>");
            assert!(message_part(without, body.as_bytes()).is_err());
        }
    }
}

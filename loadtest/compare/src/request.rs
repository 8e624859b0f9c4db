//! What is asked: the same question in the language of each peer, with places for identities.
//!
//! A question is written once with [`PLACE`] wherever an identity belongs; asking copies twelve
//! digits into each place, so that the generator costs little and its memory does not grow.

use pu::wire::contract::{LOGICAL_ADDRESS_NATIONAL, core_namespace, find};

use crate::Failure;

/// A personal number as it is written, with the century.
pub type Digits = [u8; 12];

/// Stands for an identity in a question that has not been asked.
pub const PLACE: &Digits = b"000000000000";

/// A question, and where in it the identities go.
#[derive(Clone)]
pub struct Question {
    bytes: Vec<u8>,
    places: Vec<usize>,
}

impl Question {
    /// The question written like this, with [`PLACE`] where identities go.
    pub fn new(bytes: Vec<u8>) -> Self {
        let places = memchr::memmem::find_iter(&bytes, PLACE).collect();
        Self { bytes, places }
    }

    /// Puts an identity in each place, and gives what to send.
    pub fn with(&mut self, mut draw: impl FnMut() -> Digits) -> &[u8] {
        for place in &self.places {
            self.bytes[*place..*place + PLACE.len()].copy_from_slice(&draw());
        }
        &self.bytes
    }
}

/// The path of the contract that is asked.
pub fn path() -> Result<String, Failure> {
    let endpoint = find("GetPersonsForProfile", 5).ok_or("there is no such contract")?;
    Ok(endpoint.path())
}

/// `GetPersonsForProfile` version 5 for profile P3 over HTTP, indented as clients write it.
pub fn soap(count: usize) -> Result<Question, Failure> {
    let core = core_namespace(pu::person::schema::Core::V5);
    let place = String::from_utf8_lossy(PLACE);
    let ids = format!(
        "\n      <r:personId>\n        <p:root>1.2.752.129.2.1.3.1</p:root>\n        <p:extension>{place}</p:extension>\n      </r:personId>"
    )
    .repeat(count);
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope\n    xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"\n    xmlns:itr=\"urn:riv:itintegration:registry:1\"\n    xmlns:r=\"urn:riv:strategicresourcemanagement:persons:person:GetPersonsForProfileResponder:5\"\n    xmlns:p=\"{core}\">\n  <soapenv:Header>\n    <itr:LogicalAddress>{LOGICAL_ADDRESS_NATIONAL}</itr:LogicalAddress>\n  </soapenv:Header>\n  <soapenv:Body>\n    <r:GetPersonsForProfile>{ids}\n      <r:profile>P3</r:profile>\n      <r:ignoreReferredIdentity>false</r:ignoreReferredIdentity>\n    </r:GetPersonsForProfile>\n  </soapenv:Body>\n</soapenv:Envelope>"
    );
    Ok(Question::new(
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml; charset=UTF-8\r\nContent-Length: {}\r\n\r\n{body}",
            path()?,
            body.len()
        )
        .into_bytes(),
    ))
}

/// A file over HTTP.
pub fn file(name: &str) -> Question {
    Question::new(format!("GET /{name} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes())
}

/// `GET` or `MGET` in the protocol of Redis.
pub fn redis(count: usize) -> Question {
    let place = String::from_utf8_lossy(PLACE);
    let key = format!("$12\r\n{place}\r\n");
    let words = match count {
        1 => format!("*2\r\n$3\r\nGET\r\n{key}"),
        many => format!("*{}\r\n$4\r\nMGET\r\n{}", many + 1, key.repeat(many)),
    };
    Question::new(words.into_bytes())
}

/// Bind, Execute and Sync for the statement that [`prepare`] prepared.
pub fn postgres(count: usize) -> Question {
    let place = String::from_utf8_lossy(PLACE);
    let parameter = match count {
        1 => place.into_owned(),
        many => format!("{{{}}}", vec![place; many].join(",")),
    };
    let mut bind = b"\0one\0".to_vec();
    bind.extend(0_i16.to_be_bytes()); // parameters are text
    bind.extend(1_i16.to_be_bytes());
    bind.extend((parameter.len() as u32).to_be_bytes());
    bind.extend(parameter.as_bytes());
    bind.extend(1_i16.to_be_bytes());
    bind.extend(1_i16.to_be_bytes()); // results are binary
    let execute = [&b"\0"[..], &[0; 4]].concat();
    let messages = [
        message(b'B', &bind),
        message(b'E', &execute),
        message(b'S', b""),
    ];
    Question::new(messages.concat())
}

/// What a PostgreSQL connection begins with, as the user `postgres`.
pub fn startup() -> Vec<u8> {
    let mut words = 196_608_u32.to_be_bytes().to_vec();
    words.extend(b"user\0postgres\0database\0postgres\0\0");
    let mut all = (words.len() as u32 + 4).to_be_bytes().to_vec();
    all.extend(words);
    all
}

/// Parse and Sync: the statement that is executed again and again.
pub fn prepare(count: usize) -> Vec<u8> {
    let test = match count {
        1 => "= $1::bigint",
        _ => "= ANY($1::bigint[])",
    };
    let mut parse =
        format!("one\0SELECT document FROM person WHERE identity {test}\0").into_bytes();
    parse.extend(0_i16.to_be_bytes());
    [message(b'P', &parse), message(b'S', b"")].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 4).to_be_bytes();
    [&[kind], &length[..], body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_with_another_identity() {
        let mut question = soap(3).unwrap();
        let mut last = 191_212_121_212_u64;
        let sent = question.with(|| {
            last += 1;
            last.to_string().into_bytes().try_into().unwrap()
        });
        let text = String::from_utf8(sent.to_vec()).unwrap();
        for end in ["213", "214", "215"] {
            assert!(text.contains(&format!("<p:extension>191212121{end}</p:extension>")));
        }
        assert!(!text.contains("000000000000"));
    }

    #[test]
    fn a_soap_request_says_how_long_its_body_is() {
        let mut question = soap(1).unwrap();
        let text = String::from_utf8(question.with(|| *PLACE).to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())));
        assert!((800..1000).contains(&text.len()), "{}", text.len());
    }

    #[test]
    fn a_redis_question_is_an_array_of_strings() {
        let mut one = redis(1);
        let sent = one.with(|| *b"191212121212");
        assert_eq!(sent, b"*2\r\n$3\r\nGET\r\n$12\r\n191212121212\r\n");
    }

    #[test]
    fn a_postgres_bind_says_its_own_length() {
        let mut many = postgres(2);
        let sent = many.with(|| *b"191212121212");
        let length = u32::from_be_bytes(sent[1..5].try_into().unwrap()) as usize;
        assert_eq!((sent[0], sent[1 + length]), (b'B', b'E'));
        let list = b"{191212121212,191212121212}";
        assert!(sent.windows(list.len()).any(|it| it == list));
    }
}

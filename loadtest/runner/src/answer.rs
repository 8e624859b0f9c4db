//! What became of a request: an answer is checked, not only counted. The checks are cheap, a search
//! for an element's tag, and keep nothing of what they see.

use hyper::StatusCode;
use memchr::memmem;

/// What a right answer looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// So many persons, out of those asked for.
    Persons(usize),
    /// So many hits at least.
    Hits(usize),
    /// A contact record.
    Contact,
    /// A change that was made.
    Updated,
    /// One person as JSON; or that there is none.
    Person(bool),
    /// Lines of changes, the last of which tells where to go on.
    Changes,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Failure {
    /// Another HTTP status than expected.
    Status,
    /// A SOAP fault.
    Fault,
    /// None came in time.
    Timeout,
    /// The connection failed.
    Transport,
    /// It looks right and is not.
    Wrong,
    /// The run ended before there was a free connection to send it on.
    Unsent,
}

impl Failure {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Fault => "fault",
            Self::Timeout => "timeout",
            Self::Transport => "transport",
            Self::Wrong => "wrong",
            Self::Unsent => "unsent",
        }
    }
}

/// A judgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// As it should be, with so many records in it.
    Right(u64),
    /// An honest no, which the contract provides for: too many hits, changed in the meantime, log
    /// no longer kept. The caller asks otherwise.
    Refused,
    /// A failure of the service.
    Failed(Failure),
}

const TOO_MANY: &str = "maxgräns";
const STALE: &str = "ändrats sedan de hämtades";
const MISSING: &str = "ange deras version";
const PROTECTED: &str = "skyddade personuppgifter";

/// Judges an answer.
pub fn judge(expected: Expected, status: StatusCode, body: &[u8]) -> Verdict {
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    let count = |tag: &[u8]| memmem::find_iter(body, tag).count();
    if status == StatusCode::INTERNAL_SERVER_ERROR && has("Fault>") {
        let is_narrowed = matches!(expected, Expected::Hits(_)) && has(TOO_MANY);
        return if is_narrowed {
            Verdict::Refused
        } else {
            Verdict::Failed(Failure::Fault)
        };
    }
    match (expected, status) {
        (Expected::Person(false), StatusCode::NOT_FOUND) => return Verdict::Right(0),
        (Expected::Changes, StatusCode::GONE) => return Verdict::Refused,
        (_, StatusCode::OK) => {}
        _ => return Verdict::Failed(Failure::Status),
    }
    let found = match expected {
        Expected::Persons(wanted) => {
            // Counted with its own tag: a record's inner elements have other names.
            let found = count(b"<p:personRecord>");
            (found == wanted).then_some(found)
        }
        Expected::Hits(wanted) => {
            let found = count(b"<r:personRecord>");
            (found >= wanted && has("Response")).then_some(found)
        }
        Expected::Contact => has("<r:contactInformationRecord>").then_some(1),
        Expected::Updated if has("<p:resultCode>OK</p:resultCode>") => Some(1),
        Expected::Updated if [STALE, MISSING, PROTECTED].iter().any(|text| has(text)) => {
            return Verdict::Refused;
        }
        Expected::Updated => None,
        Expected::Person(wanted) => (wanted && body.starts_with(b"{")).then_some(1),
        Expected::Changes => cursor(body).map(|_| count(b"\"personRecord\":")),
    };
    if found.is_none() && has("Fault>") {
        return Verdict::Failed(Failure::Fault);
    }
    found.map_or(Verdict::Failed(Failure::Wrong), |found| {
        Verdict::Right(found as u64)
    })
}

/// Where to go on, from the last line of an answer with changes.
pub fn cursor(body: &[u8]) -> Option<u64> {
    let text = body.strip_suffix(b"\n")?;
    let line = memchr::memrchr(b'\n', text).map_or(text, |at| &text[at + 1..]);
    let digits = line.strip_prefix(b"{\"sequence\":")?.strip_suffix(b"}")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// What stands between two tags, where they first occur.
pub fn between<'b>(body: &'b [u8], open: &str, close: &str) -> Option<&'b str> {
    let from = memmem::find(body, open.as_bytes())? + open.len();
    let length = memmem::find(&body[from..], close.as_bytes())?;
    std::str::from_utf8(&body[from..from + length]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusCode = StatusCode::OK;
    const SERVER: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

    fn failed(expected: Expected, status: StatusCode, body: &str) -> Option<Failure> {
        match judge(expected, status, body.as_bytes()) {
            Verdict::Failed(failure) => Some(failure),
            _ => None,
        }
    }

    #[test]
    fn a_missing_record_is_wrong_and_so_is_one_too_many() {
        let record = "<p:personRecord>x</p:personRecord>";
        let body = |count: usize| {
            let records = record.repeat(count);
            format!("<r:GetPersonsForProfileResponse>{records}</r:GetPersonsForProfileResponse>")
        };
        let two = Expected::Persons(2);
        assert_eq!(judge(two, OK, body(2).as_bytes()), Verdict::Right(2));
        assert_eq!(failed(two, OK, &body(1)), Some(Failure::Wrong));
        assert_eq!(failed(two, OK, &body(3)), Some(Failure::Wrong));
        assert_eq!(failed(two, OK, ""), Some(Failure::Wrong));
    }

    #[test]
    fn a_fault_is_an_error_with_any_status() {
        let fault = "<s:Fault><faultcode>s:Server</faultcode></s:Fault>";
        for expected in [Expected::Persons(0), Expected::Hits(0), Expected::Contact] {
            assert_eq!(failed(expected, SERVER, fault), Some(Failure::Fault));
            if expected != Expected::Persons(0) {
                assert_eq!(failed(expected, OK, fault), Some(Failure::Fault));
            }
        }
        for status in [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ] {
            assert_eq!(failed(Expected::Hits(0), status, ""), Some(Failure::Status));
        }
    }

    #[test]
    fn too_many_hits_are_an_honest_no_to_a_search_and_to_nothing_else() {
        let fault = "<s:Fault>Förfrågans maxgräns överskriden: fler än 500 träffar.</s:Fault>";
        assert_eq!(
            judge(Expected::Hits(1), SERVER, fault.as_bytes()),
            Verdict::Refused
        );
        assert_eq!(
            failed(Expected::Persons(1), SERVER, fault),
            Some(Failure::Fault)
        );
    }

    #[test]
    fn an_update_is_made_refused_or_failed() {
        let said = |code: &str, text: &str| {
            let body =
                format!("<p:resultCode>{code}</p:resultCode><p:resultText>{text}</p:resultText>");
            judge(Expected::Updated, OK, body.as_bytes())
        };
        assert_eq!(said("OK", ""), Verdict::Right(1));
        let stale = "Uppgifterna har ändrats sedan de hämtades. Hämta dem på nytt.";
        assert_eq!(said("ERROR", stale), Verdict::Refused);
        assert_eq!(
            said("ERROR", "Något annat."),
            Verdict::Failed(Failure::Wrong)
        );
    }

    #[test]
    fn changes_end_with_where_to_go_on() {
        let body = b"{\"sequence\":7,\"at\":\"x\",\"personRecord\":{}}\n{\"sequence\":9}\n";
        assert_eq!(cursor(body), Some(9));
        assert_eq!(judge(Expected::Changes, OK, body), Verdict::Right(1));
        assert_eq!(
            failed(Expected::Changes, OK, "{\"sequence\":7"),
            Some(Failure::Wrong)
        );
        assert_eq!(
            judge(Expected::Changes, StatusCode::GONE, b""),
            Verdict::Refused
        );
    }

    #[test]
    fn nobody_is_nobody_and_somebody_is_somebody() {
        let nobody = Expected::Person(false);
        assert_eq!(
            judge(nobody, StatusCode::NOT_FOUND, b"{}"),
            Verdict::Right(0)
        );
        assert_eq!(failed(nobody, OK, "{}"), Some(Failure::Wrong));
        let somebody = Expected::Person(true);
        assert_eq!(
            failed(somebody, StatusCode::NOT_FOUND, "{}"),
            Some(Failure::Status)
        );
    }
}

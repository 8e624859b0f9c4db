//! How long something lasts, as an operator writes it: `20s`, `500ms`, `1m 30s`.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A length of time.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Lasting(pub Duration);

/// A text that is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a length of time is written as 20s, 500ms or 1m 30s")]
pub struct NotALength;

impl TryFrom<String> for Lasting {
    type Error = NotALength;

    fn try_from(text: String) -> Result<Self, NotALength> {
        let length: SignedDuration = text.parse().map_err(|_| NotALength)?;
        Duration::try_from(length).map(Self).map_err(|_| NotALength)
    }
}

impl fmt::Display for Lasting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX);
        write!(out, "{length:#}")
    }
}

impl From<Lasting> for String {
    fn from(lasting: Lasting) -> Self {
        lasting.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_write_them() {
        let read = |text: &str| Lasting::try_from(text.to_owned());
        for (text, millis) in [("20s", 20_000), ("500ms", 500), ("1m 30s", 90_000)] {
            let lasting = read(text).unwrap();
            assert_eq!(lasting.0, Duration::from_millis(millis));
            assert_eq!(lasting.to_string(), text);
        }
        for odd in ["", "20", "-1s", "soon"] {
            assert_eq!(read(odd), Err(NotALength), "{odd}");
        }
    }
}

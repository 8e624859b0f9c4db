//! HSA-ids: the names of systems and organisations in Swedish healthcare.

use std::fmt;
use std::sync::Arc;

/// The name of a system or an organisation, in capitals, as the subject's `serialNumber` of a SITHS
/// function certificate bears it. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct HsaId(Arc<str>);

/// Characters of the longest name taken. Real ones have at most 31; test platforms add prefixes.
const LONGEST: usize = 64;

/// A text that is no HSA-id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an HSA-id has 1 to {LONGEST} characters out of A-Z, 0-9, - and _, and begins with a letter"
)]
pub struct NotAnHsaId;

impl HsaId {
    /// Reads a name: letters, digits, hyphens and underscores, in any case, a letter first. Names are
    /// logged and told, and what begins with a digit may be somebody's number.
    pub fn parse(text: &str) -> Result<Self, NotAnHsaId> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let begins_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
        if !begins_well || text.len() > LONGEST || !text.bytes().all(fits) {
            return Err(NotAnHsaId);
        }
        Ok(Self(text.to_ascii_uppercase().into()))
    }

    /// The name of whoever comes where nobody is asked for one.
    pub(super) fn anyone() -> Self {
        Self("ANYONE".into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HsaId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_kept_in_capitals() {
        for name in ["SE2321000016-A1b2", "TSTNMT2321000156-102q", "T_TEST-1"] {
            let read = HsaId::parse(name).unwrap();
            assert_eq!(read.as_str(), name.to_ascii_uppercase());
        }
        for odd in ["", "SE 1", "SE1/2", "SÖ-1", "a\nb", "x".repeat(65).as_str()] {
            assert_eq!(HsaId::parse(odd), Err(NotAnHsaId));
        }
    }
}

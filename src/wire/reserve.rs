//! Anonymous reserve identities by REST, for use where no computer is at hand.

use serde_json::{Map, Value, json};

use super::body;
use super::fault::Trouble;
use super::rest::{Page, ParameterError, Rest};
use crate::base::limits;
use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::register::wish::{Actor, Name, Wish};

impl Rest {
    /// Reads a request for reserve identities.
    pub fn reserve(&self, body: &[u8]) -> Result<Wish, Trouble> {
        if !self.offered.reserve_identities {
            return Err(ParameterError::ReserveOff.into());
        }
        let body = body::read(body)?;
        let form = |expected| ParameterError::Body { expected };
        let fields = body.as_object().ok_or(form(
            "ett objekt med count, actor och organization väntades",
        ))?;
        let known = ["count", "actor", "organization"];
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return Err(form("ett fält är okänt").into());
        }
        let most = limits::RESERVE_IDENTITIES_PER_REQUEST;
        let count = fields.get("count").and_then(Value::as_u64);
        let count = count
            .and_then(|count| usize::try_from(count).ok())
            .filter(|count| (1..=most).contains(count))
            .ok_or(form("count ska vara ett heltal från 1 till 50"))?;
        let actor = Actor {
            id: name_in(fields, "actor")
                .ok_or(form("actor ska vara ett objekt med root och extension"))?,
            organization: Some(name_in(fields, "organization").ok_or(form(
                "organization ska vara ett objekt med root och extension",
            ))?),
            update_time: None,
        };
        Ok(Wish::IssueReserve { actor, count })
    }

    /// Writes the identities that were issued.
    pub fn write_issued(&self, issued: Vec<Identity>) -> Result<Page, Damaged> {
        let one = |&identity: &Identity| {
            let both = self.formats.root(identity).zip(self.formats.text(identity));
            let (root, extension) = both.ok_or(Damaged)?;
            Ok(json!({"root": root, "extension": extension.as_str()}))
        };
        let named = issued
            .iter()
            .map(one)
            .collect::<Result<Vec<_>, Damaged>>()?;
        let mut page = Page::default();
        page.push(&json!({"personalIdentity": named}).to_string());
        page.disclosed.shown = issued;
        Ok(page)
    }
}

/// A complete name.
fn name_in(fields: &Map<String, Value>, name: &str) -> Option<Name> {
    let parts = fields.get(name)?.as_object().filter(|it| it.len() == 2)?;
    let part = |name| parts.get(name)?.as_str().map(str::to_owned);
    let name = Name {
        root: part("root")?,
        extension: part("extension")?,
    };
    Some(name).filter(Name::is_complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::identity::Formats;
    use crate::person::view::ProtectionRules;
    use crate::wire::rest::Offered;

    fn rest(reserve_identities: bool) -> Rest {
        let offered = Offered {
            reserve_identities,
            ..Offered::default()
        };
        let rule = ProtectionRules::default();
        Rest::new(&Formats::standard(), rule, false, offered)
    }

    const GOOD: &str = r#"{"count":50,"actor":{"root":"1.2.752.129.2.1.4.1","extension":"A"},"organization":{"root":"1.2.752.129.2.1.4.1","extension":"O"}}"#;

    #[test]
    fn a_request_is_read_strictly() {
        let Ok(Wish::IssueReserve { actor, count }) = rest(true).reserve(GOOD.as_bytes()) else {
            panic!("{GOOD}")
        };
        assert_eq!((count, actor.id.extension.as_str()), (50, "A"));
        for (from, to) in [
            ("50", "0"),
            ("50", "51"),
            ("50", "\"1\""),
            ("count", "counts"),
            ("\"A\"", "\" \""),
            ("\"A\"", "7"),
            ("organization", "organisation"),
        ] {
            let bad = GOOD.replace(from, to);
            let error = rest(true).reserve(bad.as_bytes()).err();
            assert!(
                matches!(error, Some(Trouble::Parameter(ParameterError::Body { .. }))),
                "{bad}"
            );
        }
        let off = rest(false).reserve(GOOD.as_bytes()).err();
        assert_eq!(off, Some(ParameterError::ReserveOff.into()));
    }
}

//! Remembering requests by their shape. Consumers send what one program writes: the same bytes every
//! time, but for the identities. A request that equals an accepted one in every byte outside the
//! identities, and has plain digits and letters in their places, says the same about other people;
//! it needs no second parsing, only a comparison. Anything else is read in full.

use std::ops::Range;

use crate::base::limits;
use crate::person::identity::{Formats, Identity, IdentityError};
use crate::person::view::Profile;
use crate::query::lookup::Follow;

/// What a request for persons wishes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Whom it asks for, in order.
    pub identities: Vec<Identity>,
    /// How much of them.
    pub profile: Profile,
    /// Whose records shall answer.
    pub follow: Follow,
}

/// The shapes of requests that were accepted lately, newest first. Holds no identity: their places
/// are blanked.
#[derive(Default)]
pub struct Recall {
    shapes: Vec<Shape>,
}

struct Shape {
    endpoint: usize,
    /// The place of the logical address it was sent to.
    address: usize,
    charset: Option<String>,
    body: Vec<u8>,
    /// Where each identity's value stands, and the number of its format.
    places: Vec<(Range<usize>, u8)>,
    profile: Profile,
    follow: Follow,
}

/// Shapes remembered: a few programs, each with a few kinds of requests.
const MOST: usize = 8;

/// Longest body remembered: five hundred identities, generously indented.
const LONGEST: usize = limits::BODY_BYTES / 8;

impl Recall {
    /// What `body` wishes, and the place of the address it was sent to, when its shape is known. The
    /// inner error is the place of an identity that breaks its format, from 1.
    pub fn find(
        &mut self,
        endpoint: usize,
        charset: Option<&str>,
        body: &[u8],
        formats: &Formats,
    ) -> Option<Result<(Wish, usize), usize>> {
        let at = self.shapes.iter().position(|shape| {
            shape.endpoint == endpoint
                && shape.body.len() == body.len()
                && shape.charset.as_deref() == charset
                && shape.fits(body)
        })?;
        self.shapes[..=at].rotate_right(1);
        let shape = &self.shapes[0];
        Some(shape.wish(body, formats).map(|wish| (wish, shape.address)))
    }

    /// Remembers the shape of an accepted request. `values` are the identities' values, each a part
    /// of `body`; when one is not, nothing is remembered.
    pub fn note(
        &mut self,
        (endpoint, address): (usize, usize),
        charset: Option<&str>,
        body: &[u8],
        values: &[&str],
        wish: &Wish,
    ) {
        if body.len() > LONGEST || values.len() != wish.identities.len() {
            return;
        }
        let place = |(value, identity): (&&str, &Identity)| {
            let from = (value.as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
            let range = from..from.checked_add(value.len())?;
            let stands =
                body.get(range.clone()) == Some(value.as_bytes()) && is_plain(value.as_bytes());
            stands.then_some((range, identity.format_number()))
        };
        let places: Option<Vec<_>> = values.iter().zip(&wish.identities).map(place).collect();
        let Some(places) = places else { return };
        let mut body = body.to_vec();
        for (range, _) in &places {
            body[range.clone()].fill(b'0');
        }
        self.shapes.truncate(MOST - 1);
        let charset = charset.map(str::to_owned);
        let (profile, follow) = (wish.profile, wish.follow);
        self.shapes.insert(
            0,
            Shape {
                endpoint,
                address,
                charset,
                body,
                places,
                profile,
                follow,
            },
        );
    }
}

impl Shape {
    /// Whether `body`, which is as long, differs in the identities' places only.
    fn fits(&self, body: &[u8]) -> bool {
        let mut from = 0;
        for (place, _) in &self.places {
            if self.body[from..place.start] != body[from..place.start]
                || !is_plain(&body[place.clone()])
            {
                return false;
            }
            from = place.end;
        }
        self.body[from..] == body[from..]
    }

    fn wish(&self, body: &[u8], formats: &Formats) -> Result<Wish, usize> {
        let identity = |(at, (place, format)): (usize, &(Range<usize>, u8))| {
            std::str::from_utf8(&body[place.clone()])
                .map_err(|_| IdentityError::Malformed)
                .and_then(|value| formats.parse_as(*format, value))
                .map_err(|_| at + 1)
        };
        let identities = self
            .places
            .iter()
            .enumerate()
            .map(identity)
            .collect::<Result<_, _>>()?;
        Ok(Wish {
            identities,
            profile: self.profile,
            follow: self.follow,
        })
    }
}

/// Digits and letters only: nothing that XML could take for anything but text.
fn is_plain(value: &[u8]) -> bool {
    !value.is_empty() && value.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: &str = "191212121212";
    const SECOND: &str = "198401012391";

    fn body(one: &str, other: &str) -> String {
        format!("<a><x>{one}</x><y>P1</y><x>{other}</x></a>")
    }

    fn known() -> (Recall, Formats) {
        let formats = Formats::standard();
        let text = body(FIRST, SECOND);
        let at = |value: &str| {
            let from = text.find(value).unwrap();
            &text[from..from + value.len()]
        };
        let identities = [FIRST, SECOND]
            .map(|it| formats.guess(it).unwrap())
            .to_vec();
        let wish = Wish {
            identities,
            profile: Profile::P1,
            follow: Follow::Nothing,
        };
        let mut recall = Recall::default();
        recall.note(
            (7, 1),
            Some("UTF-8"),
            text.as_bytes(),
            &[at(FIRST), at(SECOND)],
            &wish,
        );
        (recall, formats)
    }

    #[test]
    fn the_same_shape_says_the_same_about_others() {
        let (mut recall, formats) = known();
        let (wish, address) = recall
            .find(7, Some("UTF-8"), body(SECOND, FIRST).as_bytes(), &formats)
            .unwrap()
            .unwrap();
        let expected = [SECOND, FIRST].map(|it| formats.guess(it).unwrap());
        assert_eq!(wish.identities, expected);
        assert_eq!(address, 1);
        assert_eq!((wish.profile, wish.follow), (Profile::P1, Follow::Nothing));
    }

    #[test]
    fn anything_else_is_not_recalled() {
        let (mut recall, formats) = known();
        let good = body(FIRST, SECOND);
        let mut find = |endpoint, charset, text: &str| {
            recall
                .find(endpoint, charset, text.as_bytes(), &formats)
                .is_some()
        };
        assert!(find(7, Some("UTF-8"), &good));
        assert!(!find(6, Some("UTF-8"), &good));
        assert!(!find(7, None, &good));
        assert!(!find(7, Some("UTF-8"), &good.replace("P1", "P2")));
        assert!(!find(7, Some("UTF-8"), &body("19121212121", SECOND)));
        for odd in [
            "1912121212<>",
            "1912121212&1",
            "19121212-121",
            "            ",
            "1912121212å",
        ] {
            assert!(!find(7, Some("UTF-8"), &body(odd, SECOND)), "{odd}");
        }
    }

    #[test]
    fn an_identity_that_breaks_its_format_is_told_by_place() {
        let (mut recall, formats) = known();
        let text = body(FIRST, "198413012391");
        assert_eq!(
            recall.find(7, Some("UTF-8"), text.as_bytes(), &formats),
            Some(Err(2))
        );
    }

    #[test]
    fn no_identity_is_kept_and_shapes_are_few() {
        let (mut recall, formats) = known();
        assert!(
            !recall.shapes[0]
                .body
                .windows(12)
                .any(|it| it == FIRST.as_bytes())
        );
        for number in 0..3 * MOST {
            let text = format!("{number:03} {FIRST}");
            let identities = vec![formats.guess(FIRST).unwrap()];
            let wish = Wish {
                identities,
                profile: Profile::P1,
                follow: Follow::Nothing,
            };
            recall.note((0, 0), None, text.as_bytes(), &[&text[4..]], &wish);
        }
        assert_eq!(recall.shapes.len(), MOST);
    }

    #[test]
    fn a_value_from_elsewhere_is_not_remembered() {
        let formats = Formats::standard();
        let mut recall = Recall::default();
        let identities = vec![formats.guess(FIRST).unwrap()];
        let wish = Wish {
            identities,
            profile: Profile::P1,
            follow: Follow::Nothing,
        };
        let elsewhere = FIRST.to_owned();
        recall.note(
            (0, 0),
            None,
            body(FIRST, SECOND).as_bytes(),
            &[&elsewhere],
            &wish,
        );
        assert!(recall.shapes.is_empty());
    }

    proptest! {
        /// One changed byte outside the identities is never overlooked.
        #[test]
        fn a_changed_byte_is_seen(at: prop::sample::Index, with: u8) {
            let (mut recall, formats) = known();
            let good = body(FIRST, SECOND);
            let mut bytes = good.clone().into_bytes();
            let at = at.index(bytes.len());
            let within = |value: &str| {
                let from = good.find(value).unwrap();
                (from..from + value.len()).contains(&at)
            };
            prop_assume!(bytes[at] != with && !within(FIRST) && !within(SECOND));
            bytes[at] = with;
            prop_assert!(recall.find(7, Some("UTF-8"), &bytes, &formats).is_none());
        }
    }
}

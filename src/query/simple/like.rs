//! Patterns: `%` is any run of characters, `_` one character.

use super::{Part, Pattern};

impl Pattern {
    /// Reads a pattern. `fold` makes of each literal piece what is compared.
    pub(super) fn parse(text: &str, fold: impl Fn(&str) -> String) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        for piece in text.split_inclusive(['%', '_']) {
            let literal = fold(piece.trim_end_matches(['%', '_']));
            match parts.last_mut() {
                _ if literal.is_empty() => {}
                Some(Part::Literal(before)) => before.push_str(&literal),
                _ => parts.push(Part::Literal(literal)),
            }
            match piece.chars().next_back() {
                Some('%') if parts.last() != Some(&Part::Run) => parts.push(Part::Run),
                Some('_') => parts.push(Part::One),
                _ => {}
            }
        }
        Self { parts }
    }

    /// The literal, when the pattern is nothing else.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether the pattern is a literal beginning and then anything.
    pub(super) fn is_prefix(&self) -> bool {
        matches!(self.parts[..], [Part::Run] | [Part::Literal(_), Part::Run])
    }

    /// Whether folded text has this form. After a run that fits too early, only the last run moves
    /// on: what stands before it fits already, and would fit no better elsewhere.
    pub fn holds(&self, text: &str) -> bool {
        let (mut part, mut rest) = (0, text);
        let mut run: Option<(usize, &str)> = None;
        loop {
            let next = match self.parts.get(part) {
                None if rest.is_empty() => return true,
                None => None,
                Some(Part::Run) if part + 1 == self.parts.len() => return true,
                Some(Part::Run) => {
                    run = Some((part + 1, rest));
                    Some(rest)
                }
                Some(Part::One) => after_one(rest),
                Some(Part::Literal(literal)) => rest.strip_prefix(literal.as_str()),
            };
            if let Some(next) = next {
                (part, rest) = (part + 1, next);
                continue;
            }
            let Some((after, tried)) = run else {
                return false;
            };
            let Some(mut from) = after_one(tried) else {
                return false;
            };
            if let Some(Part::Literal(literal)) = self.parts.get(after) {
                let Some(found) = from.find(literal.as_str()) else {
                    return false;
                };
                from = &from[found..];
            }
            run = Some((after, from));
            (part, rest) = (after, from);
        }
    }
}

fn after_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text, str::to_lowercase)
    }

    /// The definition, as slow as it likes.
    fn defined(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|from| defined(rest, &text[from..])),
            Some(('_', rest)) => !text.is_empty() && defined(rest, &text[1..]),
            Some((c, rest)) => text.first() == Some(c) && defined(rest, &text[1..]),
        }
    }

    #[test]
    fn runs_and_literals_never_stand_side_by_side() {
        let parts = |text: &str| -> String {
            let sign = |part: &Part| match part {
                Part::Literal(_) => 'l',
                Part::One => '_',
                Part::Run => '%',
            };
            pattern(text).parts.iter().map(sign).collect()
        };
        assert_eq!(parts("a%%%b__c%"), "l%l__l%");
        assert_eq!(parts("%%"), "%");
        assert_eq!(parts(""), "");
        assert_eq!(pattern("Åsa%").prefix(), "åsa");
        assert!(pattern("ab%").is_prefix() && pattern("%").is_prefix());
        assert!(!pattern("a%b").is_prefix() && !pattern("ab").is_prefix());
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer() {
        let text = "a".repeat(20_000);
        assert!(!pattern(&format!("{}b", "%a".repeat(2_000))).holds(&text));
        assert!(pattern(&format!("{}%", "%a".repeat(2_000))).holds(&text));
    }

    proptest! {
        #[test]
        fn matching_is_what_the_definition_says(form in "[aåb%_]{0,8}", text in "[aåb]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = defined(&chars(&form), &chars(&text));
            prop_assert_eq!(pattern(&form).holds(&text), expected);
        }
    }
}

//! Characters that nobody sees and that make two equal texts differ: no record holds them.

/// Whether a character is a control character (a line break or a tab among them), or one that has no
/// width or turns the direction of what is written.
pub const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

/// Whether a character ends a line or moves along it: what stands on its sides are two words.
const fn parts_words(character: char) -> bool {
    matches!(character, '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether one stands in a text.
pub fn holds_unseen(text: &str) -> bool {
    if text.is_ascii() {
        return text.bytes().any(|byte| byte < b' ' || byte == 0x7f);
    }
    text.chars().any(is_unseen)
}

/// A text without them: with a space for line breaks and tabs, however many, and nothing for others.
/// `None` when there are none.
pub fn without_unseen(text: &str) -> Option<String> {
    if !holds_unseen(text) {
        return None;
    }
    let mut clean = String::with_capacity(text.len());
    let mut parted = false;
    for character in text.chars() {
        if parts_words(character) {
            parted = true;
        } else if character == ' ' && parted || is_unseen(character) {
        } else {
            if std::mem::take(&mut parted) && !clean.ends_with(' ') {
                clean.push(' ');
            }
            clean.push(character);
        }
    }
    clean.truncate(clean.trim_ascii_end().len());
    Some(clean.trim_ascii_start().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_characters_are_taken_out() {
        let unseen = "\0\u{1}\u{7f}\u{80}\u{9f}\u{61c}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{202a}\
                      \u{202e}\u{2060}\u{2066}\u{2069}\u{feff}";
        for one in unseen.chars() {
            assert!(is_unseen(one), "{one:?}");
            assert_eq!(
                without_unseen(&format!("TEST{one}VÄGEN")).as_deref(),
                Some("TESTVÄGEN")
            );
            assert!(holds_unseen(&one.to_string()));
        }
        for (text, clean) in [
            ("A\tB", "A B"),
            ("A\nB", "A B"),
            ("A\r\n   B", "A B"),
            ("A \u{2028} B", "A B"),
            ("A\u{85}\u{b}B", "A B"),
            ("\tA B\n", "A B"),
            ("\u{202e}", ""),
            ("A \u{200b}B", "A B"),
        ] {
            assert_eq!(without_unseen(text).as_deref(), Some(clean), "{text:?}");
        }
        for seen in [
            "",
            "A  B",
            "Åsa-Britt O'Neill",
            "\u{a0}",
            "Šimek €",
            "\u{1F9D1}",
            "é",
        ] {
            assert_eq!(without_unseen(seen), None, "{seen:?}");
            assert!(!holds_unseen(seen));
        }
    }
}

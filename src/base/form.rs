//! What is wrong with a TOML file, in words for whoever wrote it: the line, what stands there, and what
//! is meant. A parser's own words are for programmers; only their sense comes through here.

/// A mistake in a file, and the line it stands on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, where one is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

/// The line of a place in a text, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + memchr::memchr_iter(b'\n', before).count()
}

/// What is wrong with a text that is no TOML.
pub fn not_toml(text: &str, error: &toml::de::Error) -> Mistake {
    let line = error.span().map(|span| line_of(text, span.start));
    let written = line
        .and_then(|line| text.lines().nth(line - 1))
        .unwrap_or("");
    let message = error.message();
    let quotes = |mark: char| written.chars().filter(|it| *it == mark).count() % 2 == 1;
    let what = if message.contains("duplicate key") {
        "this is set for the second time"
    } else if quotes('"') || quotes('\'') {
        "a quote is missing"
    } else if written.trim_start().starts_with('[') {
        "a section is written as [name]"
    } else if !written.contains('=') {
        "a setting is written as name = value"
    } else {
        "the value cannot be read: texts stand in quotes, lists in [ ]"
    };
    Mistake {
        line,
        what: what.to_owned(),
    }
}

/// What is wrong with a text that is TOML, but of another form.
pub fn of(text: &str, error: &toml::de::Error) -> Mistake {
    Mistake {
        line: error.span().map(|span| line_of(text, span.start)),
        what: in_plain_words(error.message()),
    }
}

/// What is wrong with a value, with the name of its setting where that is known.
pub fn of_setting(error: &toml::de::Error) -> String {
    let words = in_plain_words(error.message());
    let told = error.to_string();
    match told.lines().find_map(|line| line.strip_prefix("in `")) {
        Some(name) if words.starts_with("takes ") => format!("{} {words}", name.trim_matches('`')),
        _ => words,
    }
}

/// What is meant by the words that serde has for a value of the wrong form.
pub fn in_plain_words(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (name, expected) = rest.split_once(", ").unwrap_or((rest, ""));
        let name = name.trim_matches('`');
        let meant = nearest(name, ticked(expected));
        return unknown(name, meant);
    }
    if let Some(rest) = message.strip_prefix("unknown variant") {
        let (_, expected) = rest.split_once(", ").unwrap_or((rest, ""));
        let all: Vec<&str> = ticked(expected).collect();
        return format!("takes one of {}", all.join(", "));
    }
    if let Some(name) = message.strip_prefix("missing field ") {
        return format!("{} is missing", name.trim_matches('`'));
    }
    if let Some(rest) = message.strip_prefix("invalid ")
        && let Some((_, expected)) = rest.split_once("expected ")
    {
        return format!("takes {}", kind(expected));
    }
    message.to_owned()
}

/// That a name is no setting, and which is.
pub fn unknown(name: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("there is no setting {name}: is {meant} meant?"),
        None => format!("there is no setting {name}"),
    }
}

/// The name that is most like another, if any is much like it.
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// Below this, names have nothing to do with each other.
    const LIKE: f64 = 0.6;
    let like = |it: &str| strsim::normalized_damerau_levenshtein(name, it);
    names
        .map(|it| (like(it), it))
        .filter(|(like, _)| *like >= LIKE)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, it)| it)
}

/// What stands between backticks.
fn ticked(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// A kind of value.
fn kind(expected: &str) -> &str {
    match expected.trim_matches('`') {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, zero or more",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "a nonzero u32" | "NonZeroU32" | "a nonzero u64" => "a whole number, more than zero",
        "a boolean" | "bool" => "true or false",
        "a string" | "string" | "str" => "a text, in quotes",
        "path string" | "PathBuf" => "a path, in quotes",
        "a sequence" => "a list, in [ ]",
        other if other.starts_with("struct ") || other == "a map" => {
            "a section, with settings of its own"
        }
        other if other.contains("socket address") => "an address and a port, as \"127.0.0.1:8080\"",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_toml_is_told_by_line_and_sense() {
        for (text, line, what) in [
            ("a = 1\nb = \"open\nc = 2\n", 2, "a quote is missing"),
            ("a = 1\na = 2\n", 2, "this is set for the second time"),
            ("a = yes\n", 1, "texts stand in quotes"),
            ("\n\nlisten\n", 3, "name = value"),
            ("[limits\n", 1, "[name]"),
        ] {
            let error = toml::from_str::<toml::Table>(text).unwrap_err();
            let mistake = not_toml(text, &error);
            assert_eq!(mistake.line, Some(line), "{text}");
            assert!(mistake.what.contains(what), "{text}: {}", mistake.what);
        }
    }

    #[test]
    fn names_that_are_like_each_other_are_told() {
        let names = || ["listen", "limits", "data"].into_iter();
        assert_eq!(nearest("lissen", names()), Some("listen"));
        assert_eq!(nearest("quantum", names()), None);
        assert_eq!(
            in_plain_words("unknown field `nam`, expected one of `name`, `root`"),
            "there is no setting nam: is name meant?"
        );
        assert_eq!(
            in_plain_words("unknown variant `x`, expected `show` or `mask`"),
            "takes one of show, mask"
        );
        assert_eq!(
            in_plain_words("invalid type: string \"x\", expected u64"),
            "takes a whole number, zero or more"
        );
        assert_eq!(in_plain_words("missing field `root`"), "root is missing");
    }
}

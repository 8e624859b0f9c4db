//! The configuration as it is written: read with every mistake and its place told, and printed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Env, Format as _, Serialized, Toml};
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::config::{Config, ConfigError};
use crate::base::form::{self, in_plain_words, line_of, nearest, unknown};

/// What the environment's settings begin with.
const ENVIRONMENT: &str = "PU_";

/// What the build script tells under the same prefix: cargo hands it to what it runs, too.
const BUILT: &[&str] = &["commit", "date", "rustc", "packages"];

/// Where settings stand.
#[derive(Clone, Debug, Default)]
pub struct Written {
    file: Option<PathBuf>,
    /// Lines by the paths of settings and sections.
    lines: BTreeMap<String, usize>,
}

/// A mistake in the configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, or the name in the environment; nothing for a rule about what is not written.
    pub place: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(out, "{place}: {}", self.what),
            None => out.write_str(&self.what),
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(out, "{one}"),
            all => {
                write!(out, "{} mistakes in the configuration:", all.len())?;
                all.iter().try_for_each(|it| write!(out, "\n  {it}"))
            }
        }
    }
}

impl Written {
    /// A mistake that is told at the setting that it is about, or at its section.
    pub fn mistake(&self, error: &ConfigError) -> Mistake {
        let setting = error.setting();
        let section = setting.split('.').next().unwrap_or(setting);
        let line = self.lines.get(setting).or_else(|| self.lines.get(section));
        Mistake {
            place: self.file.as_ref().map(|file| place(file, line.copied())),
            what: crate::base::told::Told(error).to_string(),
        }
    }

    /// Where a setting stands, with a colon, when it stands in a file.
    pub fn place(&self, setting: &str) -> String {
        let line = self.lines.get(setting);
        let at = line.zip(self.file.as_ref());
        at.map_or_else(String::new, |(line, file)| {
            format!("{}: ", place(file, Some(*line)))
        })
    }

    /// The file, when one was named.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

fn place(file: &Path, line: Option<usize>) -> String {
    let file = file.display();
    line.map_or_else(|| file.to_string(), |line| format!("{file}, line {line}"))
}

/// Reads the settings: defaults, a file, the environment.
pub fn read(file: Option<&Path>) -> Result<(Config, Written), Mistakes> {
    let mut reading = Reading::begin(file);
    let mut figment = Figment::from(Serialized::defaults(Config::default()));
    if let Some(path) = file {
        let text = std::fs::read_to_string(path)
            .map_err(|error| reading.all(format!("cannot be read: {error}")))?;
        reading.file(&text)?;
        figment = figment.merge(Toml::string(&text));
    }
    reading.environment();
    if !reading.mistakes.is_empty() {
        return Err(Mistakes(reading.mistakes));
    }
    let environment = Env::prefixed(ENVIRONMENT).ignore(BUILT).split("__");
    let config = figment.merge(environment).extract();
    // Whatever can be wrong was told above, setting by setting.
    let config = config.map_err(|error: figment::Error| {
        let what = in_plain_words(&error.kind.to_string());
        reading.all(format!("{}: {what}", error.path.join(".")))
    })?;
    Ok((config, reading.written))
}

/// A look at every setting by itself.
struct Reading {
    written: Written,
    /// Every setting that there is, in sections; null where none is the default.
    known: Value,
    mistakes: Vec<Mistake>,
}

impl Reading {
    fn begin(file: Option<&Path>) -> Self {
        Self {
            written: Written {
                file: file.map(Path::to_path_buf),
                lines: BTreeMap::new(),
            },
            known: every_setting(),
            mistakes: Vec::new(),
        }
    }

    /// A mistake of the whole file.
    fn all(&self, what: String) -> Mistakes {
        let place = self.written.file.as_ref().map(|file| place(file, None));
        Mistakes(vec![Mistake { place, what }])
    }

    fn wrong(&mut self, line: Option<usize>, what: String) {
        let place = self.written.file.as_ref().map(|file| place(file, line));
        self.mistakes.push(Mistake { place, what });
    }

    fn file(&mut self, text: &str) -> Result<(), Mistakes> {
        match (toml::from_str(text), DeTable::parse(text)) {
            (Ok(values), Ok(places)) => {
                let known = self.known.clone();
                self.section(text, (&values, places.get_ref()), &known, "");
                Ok(())
            }
            (Err(error), _) | (_, Err(error)) => {
                let form::Mistake { line, what } = form::not_toml(text, &error);
                self.wrong(line, what);
                Err(Mistakes(std::mem::take(&mut self.mistakes)))
            }
        }
    }

    /// Looks at the settings of a section, whose values stand at those places. `before` is its path,
    /// with a point behind it.
    fn section(
        &mut self,
        text: &str,
        (values, places): (&toml::Table, &DeTable<'_>),
        known: &Value,
        before: &str,
    ) {
        let mut names: Vec<_> = places.iter().collect();
        names.sort_by_key(|(name, _)| name.span().start);
        for (name, place) in names {
            let line = line_of(text, name.span().start);
            let name = name.get_ref().as_ref();
            let path = format!("{before}{name}");
            self.written.lines.insert(path.clone(), line);
            let wrong = match (known.get(name), values.get(name), place.get_ref()) {
                (None, ..) => {
                    let meant = self.meant(&path, before, known);
                    Some(unknown(&path, meant.as_deref()))
                }
                (Some(known), Some(toml::Value::Table(values)), DeValue::Table(places))
                    if known.is_object() =>
                {
                    self.section(text, (values, places), known, &format!("{path}."));
                    None
                }
                (_, Some(value), _) => look_alone(&path, value).err(),
                (_, None, _) => None,
            };
            if let Some(what) = wrong {
                self.wrong(Some(line), what);
            }
        }
    }

    fn environment(&mut self) {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in names {
            let Some(setting) = name.strip_prefix(ENVIRONMENT) else {
                continue;
            };
            let path = setting.to_lowercase().replace("__", ".");
            if BUILT.contains(&path.as_str()) {
                continue;
            }
            let known = path
                .split('.')
                .try_fold(&self.known, |known, part| known.get(part));
            let wrong = if known.is_some() {
                let only = Env::prefixed(ENVIRONMENT).only(&[setting]).split("__");
                let read = Figment::from(Serialized::defaults(Config::default())).merge(only);
                let error = read.extract::<Config>().err();
                error.map(|error| told(&path, &error.kind.to_string()))
            } else {
                let meant = self.meant(&path, "", &self.known);
                let meant = meant.map(|it| it.to_uppercase().replace('.', "__"));
                let meant = meant.map(|it| format!("{ENVIRONMENT}{it}"));
                Some(unknown(&name, meant.as_deref()))
            };
            if let Some(what) = wrong {
                let place = Some(format!("{name} in the environment"));
                self.mistakes.push(Mistake { place, what });
            }
        }
    }

    /// The setting that is most like a path that is none: of the same section, or of that name elsewhere.
    fn meant(&self, path: &str, before: &str, section: &Value) -> Option<String> {
        let name = path.strip_prefix(before).unwrap_or(path);
        let here = section.as_object().into_iter().flat_map(|it| it.keys());
        if let Some(meant) = nearest(name, here.map(String::as_str)) {
            return Some(format!("{before}{meant}"));
        }
        let mut paths = Vec::new();
        paths_of(&self.known, "", &mut paths);
        let is_named = |it: &&String| it.rsplit('.').next() == Some(name);
        let named = paths.iter().find(is_named).cloned();
        named.or_else(|| nearest(path, paths.iter().map(String::as_str)).map(str::to_owned))
    }
}

/// What is wrong with a value, by the words of who took it for a setting.
fn told(path: &str, words: &str) -> String {
    let words = in_plain_words(words);
    if words.starts_with("takes ") {
        format!("{path} {words}")
    } else {
        format!("{path}: {words}")
    }
}

/// Looks at a value as that of one setting alone.
fn look_alone(path: &str, value: &toml::Value) -> Result<(), String> {
    let nested = path.rsplit('.').fold(value.clone(), |value, name| {
        toml::Table::from_iter([(name.to_owned(), value)]).into()
    });
    let read = nested.try_into::<Config>();
    read.map(drop).map_err(|error| told(path, error.message()))
}

/// Every setting with its default, in sections; null where there is none.
fn every_setting() -> Value {
    serde_json::to_value(Config::default()).unwrap_or_default()
}

/// The paths of all settings.
fn paths_of(section: &Value, before: &str, paths: &mut Vec<String>) {
    for (name, value) in section.as_object().into_iter().flatten() {
        match value {
            Value::Object(_) => paths_of(value, &format!("{before}{name}."), paths),
            _ => paths.push(format!("{before}{name}")),
        }
    }
}

/// Every setting in force as TOML, in sections. Those that are as by default are marked, and so are
/// those that are not set and have no default.
pub fn print(config: &Config) -> String {
    let table = |config: &Config| toml::Table::try_from(config).unwrap_or_default();
    let (set, default) = (table(config), table(&Config::default()));
    let every = every_setting();
    let (sections, single): (Vec<_>, Vec<_>) = every
        .as_object()
        .into_iter()
        .flatten()
        .partition(|(_, value)| value.is_object());
    let mut text = String::new();
    for (name, _) in single {
        text += &line(name, set.get(name), default.get(name));
    }
    for (section, settings) in sections {
        text += &format!("\n[{section}]\n");
        let of = |table: &toml::Table| table.get(section).and_then(toml::Value::as_table).cloned();
        let (set, default) = (of(&set), of(&default));
        for name in settings.as_object().into_iter().flat_map(|it| it.keys()) {
            let value = |table: &Option<toml::Table>| table.as_ref()?.get(name).cloned();
            text += &line(name, value(&set).as_ref(), value(&default).as_ref());
        }
    }
    text
}

fn line(name: &str, set: Option<&toml::Value>, default: Option<&toml::Value>) -> String {
    match set {
        None => format!("# {name} is not set\n"),
        Some(value) if set == default => format!("{name} = {value} # default\n"),
        Some(value) => format!("{name} = {value}\n"),
    }
}

//! Every setting as a commented file. What there is, what it means and which words it takes is read off
//! the structures that the configuration is read into, so that no setting can be missing.

use std::fmt::Write as _;

use serde_json::Value;
use toml::Table;

use super::super::Failure;
use super::super::config::Config;

/// What stands behind a setting that has no value.
const NOT_SET: &str = "# not set";

/// The file: what has its default is commented out, what differs is not.
pub fn commented(config: &Config) -> Result<String, Failure> {
    let schema = serde_json::to_value(schemars::schema_for!(Config))?;
    let mut text = format!(
        "# Every setting of pu {}. A line that begins with # and a name shows the default; take the # away to\n\
         # change it. `pu config --config FILE` prints what is in force.\n",
        env!("CARGO_PKG_VERSION")
    );
    let writer = Writer { schema: &schema };
    let (now, default) = (
        Table::try_from(config)?,
        Table::try_from(Config::default())?,
    );
    writer.table(&mut text, "", &schema, &now, &default);
    Ok(text)
}

struct Writer<'s> {
    schema: &'s Value,
}

impl Writer<'_> {
    /// A table's settings, and then the tables in it.
    fn table(&self, text: &mut String, path: &str, schema: &Value, now: &Table, default: &Table) {
        let empty = Table::new();
        let (mut tables, mut rows) = (Vec::new(), Vec::new());
        for (name, property) in properties(schema) {
            let shape = self.shape(property);
            let item = shape.get("items").map(|items| self.shape(items));
            if properties(shape).next().is_some() {
                tables.push((name, property, shape));
            } else if let Some(row) = item.filter(|row| properties(row).next().is_some()) {
                rows.push((name, property, row));
            } else {
                self.setting(text, name, property, now.get(name), default.get(name));
            }
        }
        for (name, property, shape) in tables {
            let path = join(path, name);
            text.push('\n');
            say(text, property);
            // A String takes whatever is written into it.
            let _ = writeln!(text, "[{path}]");
            let [now, default] =
                [now, default].map(|it| it.get(name).and_then(toml::Value::as_table));
            self.table(
                text,
                &path,
                shape,
                now.unwrap_or(&empty),
                default.unwrap_or(&empty),
            );
        }
        for (name, property, row) in rows {
            let path = join(path, name);
            text.push('\n');
            say(text, property);
            let given = now.get(name).and_then(toml::Value::as_array);
            let given: Vec<&toml::Value> = given.into_iter().flatten().collect();
            if given.is_empty() {
                let _ = writeln!(text, "#[[{path}]]  {NOT_SET}");
                for (name, property) in properties(row) {
                    self.setting(text, name, property, None, None);
                }
            }
            for row in given {
                let _ = writeln!(text, "[[{path}]]");
                for (name, value) in row.as_table().into_iter().flatten() {
                    let _ = writeln!(text, "{name} = {value}");
                }
            }
        }
    }

    /// One setting: what it means, which words it takes, and its line.
    fn setting(
        &self,
        text: &mut String,
        name: &str,
        property: &Value,
        now: Option<&toml::Value>,
        default: Option<&toml::Value>,
    ) {
        text.push('\n');
        say(text, property);
        for (word, meaning) in self.words(property) {
            let _ = writeln!(text, "#   {word}: {meaning}");
        }
        let _ = match now {
            None => writeln!(text, "#{name} = {}  {NOT_SET}", self.sample(property)),
            Some(value) if Some(value) == default => writeln!(text, "#{name} = {value}"),
            Some(value) => writeln!(text, "{name} = {value}"),
        };
    }

    /// What a reference stands for, and what may be there of what may be absent.
    fn shape<'v>(&'v self, value: &'v Value) -> &'v Value {
        if let Some(name) = value.get("$ref").and_then(Value::as_str) {
            let name = name.trim_start_matches('#');
            return self.schema.pointer(name).unwrap_or(value);
        }
        let ways = value.get("anyOf").and_then(Value::as_array);
        let some = ways.and_then(|ways| ways.iter().find(|way| way["type"] != "null"));
        some.map_or(value, |some| self.shape(some))
    }

    /// The words that a setting takes, and what they mean.
    fn words<'v>(&'v self, property: &'v Value) -> Vec<(&'v Value, String)> {
        let ways = self.shape(property).get("oneOf").and_then(Value::as_array);
        let ways = ways.into_iter().flatten();
        ways.filter_map(|way| Some((way.get("const")?, plain(way).join(" "))))
            .collect()
    }

    /// What a value that is not given might look like.
    fn sample(&self, property: &Value) -> &'static str {
        let kind = &self.shape(property)["type"];
        let is = |name: &str| match kind {
            Value::Array(kinds) => kinds.iter().any(|kind| kind == name),
            kind => kind == name,
        };
        match () {
            () if is("integer") || is("number") => "0",
            () if is("boolean") => "false",
            () if is("array") => "[]",
            () if is("object") => "{}",
            () => "\"...\"",
        }
    }
}

/// The path of a table in a table.
fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.into_iter().flatten();
    properties.map(|(name, property)| (name.as_str(), property))
}

/// What a structure says of itself, without the marks of links between parts of the sources.
fn plain(value: &Value) -> Vec<String> {
    let text = value.get("description").and_then(Value::as_str);
    let lines = text.unwrap_or_default().lines();
    lines
        .map(|line| line.replace("[`", "`").replace("`]", "`"))
        .collect()
}

fn say(text: &mut String, property: &Value) {
    for line in plain(property) {
        text.push_str("# ");
        text.push_str(&line);
        text.push('\n');
    }
}

//! Names become fields. A node is looked for below the root, in full from `PersonRecord`, and as a
//! short name: the end of a path, where the shortest path outside repeating groups wins.

use std::sync::LazyLock;

use super::error::QueryError;
use super::parse::Word;
use crate::person::field::{Field, Wrap};
use crate::person::schema::{Core, Kind, Level};

/// The name of the record itself.
const RECORD: &str = "PersonRecord";

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// The field.
    pub field: Field,
    /// What of it.
    pub asked: Asked,
}

/// What of a field is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// All of it; of an identity, the extension.
    Value,
    /// Of an identity, the OID of its type.
    Root,
    /// Of an identity, the name of its type.
    Type,
}

/// One way to write a node.
struct Name {
    node: Node,
    segments: Vec<&'static str>,
    /// Whether the last segment alone says which node is meant.
    shortens: bool,
}

static NAMES: LazyLock<Vec<Name>> = LazyLock::new(|| {
    let delivered = |field: &Field| {
        let in_a_contract = Core::ALL.iter().any(|&core| field.exists_in(core));
        let info = field.info();
        in_a_contract && info.level != Level::Internal && info.wrap != Wrap::Wrapper
    };
    Field::all()
        .skip(1)
        .filter(delivered)
        .flat_map(names_of)
        .collect()
});

fn names_of(field: Field) -> Vec<Name> {
    let name = |asked, last: Option<&'static str>, shortens| {
        let mut segments = segments(field);
        segments.extend(last);
        Name {
            node: Node { field, asked },
            segments,
            shortens,
        }
    };
    let mut names = vec![name(Asked::Value, None, true)];
    match field.kind() {
        Kind::Identity => names.extend([
            name(Asked::Value, Some("extension"), true),
            name(Asked::Root, Some("root"), true),
            name(Asked::Type, Some("type"), true),
        ]),
        // The contracts' elements inside a date and inside a wrapper stand for the whole.
        Kind::PartialDate => names.push(name(Asked::Value, Some("value"), false)),
        _ if field.info().wrap == Wrap::Value => {
            names.push(name(Asked::Value, Some(field.info().name), false));
        }
        _ => {}
    }
    names
}

/// The names on the way from the record to a field; a wrapper's name stands for its value.
fn segments(field: Field) -> Vec<&'static str> {
    let mut segments = Vec::new();
    let mut at = field;
    while at != Field::RECORD {
        if at.info().wrap != Wrap::Value {
            segments.push(at.info().name);
        }
        at = at.parent();
    }
    segments.reverse();
    segments
}

impl Node {
    /// Its path, as a query writes it.
    pub fn path(self) -> String {
        let mut names = NAMES.iter().filter(|name| name.node == self);
        names
            .next()
            .map_or_else(String::new, |name| name.segments.join("."))
    }
}

/// The group that a root names.
pub fn root(word: Word<'_>) -> Result<Field, QueryError> {
    let at = word.at;
    let mut segments: Vec<&str> = word.text.split('.').collect();
    if !segments.remove(0).eq_ignore_ascii_case(RECORD) {
        return Err(QueryError::ForeignRoot { at });
    }
    if segments.is_empty() {
        return Ok(Field::RECORD);
    }
    let near = || near(&segments, |node| node.field.kind() == Kind::Group);
    let node = exact(Field::RECORD, &segments).ok_or_else(|| QueryError::UnknownNode {
        at,
        near: near().map(|path| format!("{RECORD}.{path}")),
    })?;
    if node.field.kind() == Kind::Group {
        Ok(node.field)
    } else {
        let node = node.path();
        Err(QueryError::RootIsValue { at, node })
    }
}

/// The node that a name stands for under a root. What lies below the root comes first.
pub fn node(root: Field, word: Word<'_>) -> Result<Node, QueryError> {
    let mut segments: Vec<&str> = word.text.split('.').collect();
    let in_full = segments.len() > 1 && segments[0].eq_ignore_ascii_case(RECORD);
    if in_full {
        segments.remove(0);
    }
    let groups = [root, Field::RECORD];
    for &group in if in_full { &groups[1..] } else { &groups[..] } {
        if let Some(node) = exact(group, &segments) {
            return Ok(node);
        }
        if let Some(node) = short(group, &segments, word.at)? {
            return Ok(node);
        }
    }
    Err(QueryError::UnknownNode {
        at: word.at,
        near: near(&segments, |_| true),
    })
}

/// The node at a path below a group.
fn exact(group: Field, segments: &[&str]) -> Option<Node> {
    let above = usize::from(group.info().depth);
    let is = |name: &&Name| {
        group.contains(name.node.field)
            && name.segments.len() == above + segments.len()
            && ends_with(name, segments)
    };
    NAMES.iter().find(is).map(|name| name.node)
}

/// The node below a group whose path ends with these names.
fn short(group: Field, segments: &[&str], at: usize) -> Result<Option<Node>, QueryError> {
    let rank = |name: &Name| {
        let repeats = (group.info().depth + 1..=name.node.field.info().depth)
            .any(|depth| name.node.field.ancestor(depth).repeats());
        (repeats, name.segments.len())
    };
    let found: Vec<&Name> = NAMES
        .iter()
        .filter(|name| (name.shortens || segments.len() > 1) && group != name.node.field)
        .filter(|name| group.contains(name.node.field) && ends_with(name, segments))
        .collect();
    let Some(best) = found.iter().map(|name| rank(name)).min() else {
        return Ok(None);
    };
    let best: Vec<&Name> = found
        .into_iter()
        .filter(|name| rank(name) == best)
        .collect();
    match best[..] {
        [only] => Ok(Some(only.node)),
        _ => Err(QueryError::AmbiguousNode {
            at,
            candidates: best.iter().map(|name| name.segments.join(".")).collect(),
        }),
    }
}

fn ends_with(name: &Name, segments: &[&str]) -> bool {
    name.segments.len() >= segments.len()
        && name.segments[name.segments.len() - segments.len()..]
            .iter()
            .zip(segments)
            .all(|(own, asked)| own.eq_ignore_ascii_case(asked))
}

/// Longer names are not compared: none of the table's is near them.
const LONGEST: usize = 120;

/// The path of the node whose name, or end of a name, is nearest to what was written.
fn near(segments: &[&str], wanted: impl Fn(Node) -> bool) -> Option<String> {
    let asked = segments.join(".").to_lowercase();
    let most = (asked.chars().count() / 4).clamp(1, 3);
    let names = NAMES
        .iter()
        .filter(|name| name.shortens && wanted(name.node));
    let near = names.filter_map(|name| {
        let from = name.segments.len().checked_sub(segments.len())?;
        let own = name.segments[from..].join(".").to_lowercase();
        let distance = distance(&own, &asked);
        (asked.len() <= LONGEST && distance <= most).then_some((distance, name))
    });
    near.min_by_key(|(distance, name)| (*distance, name.segments.len()))
        .map(|(_, name)| name.segments.join("."))
}

/// How many characters must be put in, taken out or changed to make one text of another.
fn distance(left: &str, right: &str) -> usize {
    if right.len() > LONGEST {
        return usize::MAX;
    }
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, own) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (place, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(own != *other);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(root: &str, node: &str) -> Result<String, QueryError> {
        let word = |text| Word { text, at: 1 };
        super::root(word(root)).and_then(|root| super::node(root, word(node)).map(Node::path))
    }

    #[test]
    fn nodes_are_found_below_the_root_in_full_and_by_short_names() {
        const HISTORY: &str =
            "populationRegistrationRecord.historicalRecords.populationRegistrationLocality";
        let history = format!("PersonRecord.{HISTORY}");
        let moved_out = format!("{HISTORY}.localRegistrationEndTime");
        for (root, node, path) in [
            (
                "personrecord",
                "countyCode",
                "populationRegistrationLocality.countyCode",
            ),
            ("PERSONRECORD", "GENDER", "gender"),
            ("PersonRecord", "name.givenname", "name.givenName"),
            ("PersonRecord", "name.givenname.NAME", "name.givenName"),
            ("PersonRecord", "givenName", "name.givenName"),
            (
                "PersonRecord",
                "givenName.attested",
                "name.givenName.attested",
            ),
            (
                "PersonRecord",
                "personrecord.birth.dateOfBirth",
                "birth.dateOfBirth",
            ),
            ("PersonRecord", "dateOfBirth.value", "birth.dateOfBirth"),
            ("PersonRecord", "personalIdentity", "personalIdentity"),
            ("PersonRecord", "extension", "personalIdentity"),
            (
                "PersonRecord",
                "personalIdentity.TYPE",
                "personalIdentity.type",
            ),
            (
                "PersonRecord",
                "linkedIdentity.referredPersonalIdentity.root",
                "linkedIdentity.referredPersonalIdentity.root",
            ),
            (
                "PersonRecord",
                "residentialAddress.city",
                "addressInformation.residentialAddress.city",
            ),
            (
                "PersonRecord",
                "contactType",
                "contactInformation.contactType",
            ),
            ("PersonRecord", "localRegistrationEndTime", &moved_out),
            (
                "PersonRecord",
                "populationRegistrationLocality.localRegistrationEndTime",
                &moved_out,
            ),
            (
                "PersonRecord.PopulationRegistrationLocality",
                "CountyCode",
                "populationRegistrationLocality.countyCode",
            ),
            (
                "PersonRecord.PopulationRegistrationLocality",
                "gender",
                "gender",
            ),
            (
                "PersonRecord.addressInformation",
                "addressInformation.addressAbroad.countryCode",
                "addressInformation.addressAbroad.countryCode",
            ),
            (
                "PersonRecord.relationship",
                "surname",
                "relationship.name.surname",
            ),
            (
                "PersonRecord.relationship",
                "personRecord.surname",
                "name.surname",
            ),
            (
                "PersonRecord.relationship",
                "personalIdentity",
                "relationship.relationshipId.personalIdentity",
            ),
            (&history, "countyCode", &format!("{HISTORY}.countyCode")),
        ] {
            assert_eq!(found(root, node).as_deref(), Ok(path), "{root} {node}");
        }
    }

    #[test]
    fn every_path_of_the_table_is_a_node() {
        for name in NAMES.iter() {
            let path = name.segments.join(".");
            let text = path.to_uppercase();
            let word = Word { text: &text, at: 1 };
            assert!(node(Field::RECORD, word) == Ok(name.node), "{path}");
        }
    }

    #[test]
    fn what_is_no_node_says_so_and_what_may_be_meant() {
        let near = |node: &str| match found("PersonRecord", node) {
            Err(QueryError::UnknownNode { near, .. }) => near,
            _ => panic!("{node} is a node"),
        };
        for (node, meant) in [
            (
                "countyCod",
                Some("populationRegistrationLocality.countyCode"),
            ),
            ("name.givenNme", Some("name.givenName")),
            ("persnolIdentity", Some("personalIdentity")),
            ("linkedIdentity.link", None),
            ("Hemligsson", None),
            ("name..surname", None),
            ("", None),
            (".", None),
            ("PersonRecord", None),
        ] {
            assert_eq!(near(node).as_deref(), meant, "{node}");
        }
        near(&"x".repeat(30_000));
        let Err(QueryError::AmbiguousNode { candidates, .. }) = found("PersonRecord", "city")
        else {
            panic!("city has one meaning");
        };
        assert_eq!(candidates.len(), 3);
    }
}

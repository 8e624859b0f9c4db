//! Fields: the paths of the person record, numbered in document order out of the field table at
//! compile time. A record is a list of (field, value) in this order, so a field's number is the
//! record's only key, and a set of fields is a small bit set.

use super::schema::{ComplexType, Content, Core, Facet, Kind, Level, PERSON_RECORD, Row, Shape};

/// One path of the person record, for instance `birth/dateOfBirth`. The numbers follow document
/// order, and a group's descendants follow it without gap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u8);

/// What the table says of one field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The element's name. The value inside a version 3 and 4 wrapper has its name there.
    pub name: &'static str,
    /// The group around it.
    pub parent: Field,
    /// The number after its last descendant.
    end: u8,
    /// Levels below the record.
    pub depth: u8,
    /// How values are kept; [`Kind::Group`] for groups.
    pub kind: Kind,
    /// What values must obey.
    pub facet: Facet,
    /// Who sees it, its groups' levels included.
    pub level: Level,
    /// Whether it has a meaning for reserve identities only, its groups' rules included.
    pub reserve_only: bool,
    /// Whether it is one of the two elements inside a version 3 and 4 wrapper, or the wrapper.
    pub wrap: Wrap,
    /// Its row in the table.
    pub row: &'static Row,
}

/// A field's part in the wrappers of versions 3 and 4 (`NamePartType` and its kin).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrap {
    /// None.
    No,
    /// It is the wrapper: a group up to version 4, not there from 5.
    Wrapper,
    /// It is the value in the wrapper; from version 5 it stands alone under the wrapper's name.
    Value,
    /// It is the mark beside the value; not there from version 5.
    Mark,
}

const CAPACITY: usize = 256;

struct Table {
    rows: [FieldInfo; CAPACITY],
    count: usize,
}

static ROOT_ROW: Row = super::schema::group("personRecord", &PERSON_RECORD).one();

/// Paths whose level is not their type's: the current locality keeps its registration time for the
/// day it becomes history, but the profile table shows the two times in history only.
const EXCEPTIONS: [&str; 2] = [
    "populationRegistrationLocality/localRegistrationTime",
    "populationRegistrationLocality/localRegistrationEndTime",
];

static TABLE: Table = build();

const fn build() -> Table {
    let root = FieldInfo {
        name: "personRecord",
        parent: Field::RECORD,
        end: 0,
        depth: 0,
        kind: Kind::Group,
        facet: Facet::None,
        level: Level::Always,
        reserve_only: false,
        wrap: Wrap::No,
        row: &ROOT_ROW,
    };
    let mut table = Table {
        rows: [root; CAPACITY],
        count: 1,
    };
    table = expand(table, 0, &PERSON_RECORD, Wrap::No);
    assert!(table.count < CAPACITY, "a field's number must fit one byte");
    let mut at = 0;
    while at < EXCEPTIONS.len() {
        let field = find(&table, EXCEPTIONS[at]);
        table.rows[field.0 as usize].level = Level::Internal;
        at += 1;
    }
    table
}

const fn expand(mut table: Table, parent: usize, of: &'static ComplexType, inside: Wrap) -> Table {
    let mut at = 0;
    while at < of.rows.len() {
        let row = &of.rows[at];
        let number = table.count;
        let above = table.rows[parent];
        let (kind, facet, below) = match row.content {
            Content::Simple(of) => (of.kind, of.facet, None),
            Content::Complex(of) => match of.shape {
                Shape::Value(kind) => (kind, Facet::None, None),
                Shape::Group => (Kind::Group, Facet::None, Some((of, Wrap::No))),
            },
            Content::Wrapped(of, _) => (Kind::Group, Facet::None, Some((of, Wrap::Wrapper))),
        };
        table.rows[number] = FieldInfo {
            name: row.name,
            parent: Field(parent as u8),
            end: 0,
            depth: above.depth + 1,
            kind,
            facet,
            level: if (row.level as u8) < above.level as u8 {
                above.level
            } else {
                row.level
            },
            reserve_only: row.reserve_only || above.reserve_only,
            wrap: match (inside, below) {
                (Wrap::Wrapper, _) if at == 0 => Wrap::Value,
                (Wrap::Wrapper, _) => Wrap::Mark,
                (_, Some((_, wrap))) => wrap,
                (_, None) => Wrap::No,
            },
            row,
        };
        table.count += 1;
        if let Some((of, wrap)) = below {
            table = expand(table, number, of, wrap);
        }
        at += 1;
    }
    table.rows[parent].end = table.count as u8;
    // Leaves end where they stand.
    let mut leaf = parent;
    while leaf < table.count {
        if table.rows[leaf].end == 0 {
            table.rows[leaf].end = leaf as u8 + 1;
        }
        leaf += 1;
    }
    table
}

const fn find(table: &Table, path: &str) -> Field {
    let path = path.as_bytes();
    let mut group = 0;
    let mut from = 0;
    while from <= path.len() {
        let mut to = from;
        while to < path.len() && path[to] != b'/' {
            to += 1;
        }
        let mut field = group + 1;
        while field < table.rows[group].end as usize
            && !(table.rows[field].parent.0 as usize == group
                && same(table.rows[field].name.as_bytes(), path, from, to))
        {
            field += 1;
        }
        assert!(field < table.rows[group].end as usize, "no such field");
        group = field;
        from = to + 1;
    }
    match table.rows[group].wrap {
        // The wrapper's name stands for the value in it, as it does from version 5.
        Wrap::Wrapper => Field(group as u8 + 1),
        _ => Field(group as u8),
    }
}

const fn same(name: &[u8], path: &[u8], from: usize, to: usize) -> bool {
    let mut at = 0;
    while at < name.len() && from + at < to {
        if name[at] != path[from + at] {
            return false;
        }
        at += 1;
    }
    at == name.len() && from + at == to
}

impl Field {
    /// The record itself: the group around all others.
    pub const RECORD: Self = Self(0);

    /// How many fields there are.
    pub const COUNT: usize = TABLE.count;

    /// The field at a path below `personRecord`. Meant for constants: a wrong path does not compile
    /// there. The name of a version 3 and 4 wrapper stands for the value in it.
    pub const fn at(path: &str) -> Self {
        find(&TABLE, path)
    }

    /// Every field, the record first, in document order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(|number| Self(number as u8))
    }

    /// The field with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        if (number as usize) < Self::COUNT {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The field's number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The field so many numbers on: the same place in another group of the same type.
    pub(super) const fn plus(self, offset: u8) -> Self {
        Self(self.0 + offset)
    }

    /// What the table says of it.
    #[inline]
    pub const fn info(self) -> &'static FieldInfo {
        &TABLE.rows[self.0 as usize]
    }

    /// How its values are kept.
    #[inline]
    pub const fn kind(self) -> Kind {
        self.info().kind
    }

    /// The group around it.
    #[inline]
    pub const fn parent(self) -> Self {
        self.info().parent
    }

    /// Whether `other` is this field or lies below it.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 <= other.0 && other.0 < self.info().end
    }

    /// Whether it can be next to `before` in a record, which is in document order.
    #[inline]
    pub const fn may_follow(self, before: Self) -> bool {
        self.0 > before.0 || (self.repeats() && self.contains(before))
    }

    /// Whether it may come several times in its place.
    pub const fn repeats(self) -> bool {
        self.info().row.occurs.repeats()
    }

    /// Whether it is a group that is written even when it holds nothing: an entry of a repeating
    /// group, or a group its surroundings demand.
    pub const fn is_entry(self) -> bool {
        let info = self.info();
        matches!(info.kind, Kind::Group)
            && !matches!(info.wrap, Wrap::Wrapper)
            && (info.row.occurs.repeats() || info.row.occurs.mandatory())
    }

    /// The fields directly below it, in document order.
    pub fn children(self) -> impl Iterator<Item = Self> {
        (self.0 + 1..self.info().end)
            .map(Self)
            .filter(move |field| field.parent() == self)
    }

    /// The group at `depth` levels below the record that this field lies in, or itself.
    pub fn ancestor(self, depth: u8) -> Self {
        let mut field = self;
        while field.info().depth > depth {
            field = field.parent();
        }
        field
    }

    /// Whether contract version `core` has the field.
    pub const fn exists_in(self, core: Core) -> bool {
        let mut field = self;
        while field.0 != 0 {
            let info = field.info();
            let wrapped = matches!(info.wrap, Wrap::Mark) && matches!(core, Core::V5);
            if wrapped || !info.row.versions.has(core) {
                return false;
            }
            field = info.parent;
        }
        true
    }

    /// The path below `personRecord`, names joined by `/`, wrappers as from version 5.
    pub fn path(self) -> String {
        let info = self.info();
        match (info.wrap, info.depth) {
            (Wrap::Value, _) => info.parent.path(),
            (_, 0 | 1) => info.name.to_owned(),
            _ => format!("{}/{}", info.parent.path(), info.name),
        }
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.path())
    }
}

/// A set of fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldMask([u64; 4]);

impl FieldMask {
    /// No field.
    pub const NONE: Self = Self([0; 4]);

    /// The fields for which `wanted` holds.
    pub fn of(wanted: impl Fn(Field) -> bool) -> Self {
        let mut mask = Self::NONE;
        Field::all()
            .filter(|&field| wanted(field))
            .for_each(|field| mask.insert(field));
        mask
    }

    /// Adds a field.
    pub const fn insert(&mut self, field: Field) {
        self.0[(field.0 >> 6) as usize] |= 1 << (field.0 & 63);
    }

    /// Whether the field is in the set.
    #[inline]
    pub const fn has(&self, field: Field) -> bool {
        self.0[(field.0 >> 6) as usize] >> (field.0 & 63) & 1 == 1
    }

    /// The fields in both sets.
    #[must_use]
    pub const fn and(&self, other: &Self) -> Self {
        Self([
            self.0[0] & other.0[0],
            self.0[1] & other.0[1],
            self.0[2] & other.0[2],
            self.0[3] & other.0[3],
        ])
    }
}

/// A number that changes when the fields, their order or their kinds do: records written under
/// another one cannot be read.
pub fn schema_hash() -> u64 {
    let mut text = String::from("pu record 1\n");
    for field in Field::all() {
        let info = field.info();
        text += &format!("{} {:?} {}\n", field.path(), info.kind, field.is_entry());
    }
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_document_order_and_groups_hold_their_fields() {
        for field in Field::all().skip(1) {
            let parent = field.parent();
            assert!(parent < field && parent.contains(field), "{field:?}");
            assert_eq!(field.info().depth, parent.info().depth + 1);
            let children: Vec<_> = field.children().collect();
            assert_eq!(
                children.is_empty(),
                field.kind() != Kind::Group,
                "{field:?}"
            );
        }
        assert!(Field::RECORD.contains(Field::at("protectedPopulationRecord")));
    }

    #[test]
    fn a_wrappers_name_stands_for_its_value() {
        let field = Field::at("name/givenName");
        assert_eq!((field.info().name, field.kind()), ("name", Kind::Text));
        assert_eq!(field.path(), "name/givenName");
        assert!(field.exists_in(Core::V5) && field.exists_in(Core::V3));
        let mark = Field::at("name/givenName/attested");
        assert!(!mark.exists_in(Core::V5) && mark.exists_in(Core::V4));
    }

    #[test]
    fn versions_add_fields() {
        for (path, since) in [
            ("identityLevel", Core::V5),
            (
                "referredPersonalIdentities/referredPersonalIdentity",
                Core::V4,
            ),
            ("updatePersonActor/updateTime", Core::V5),
            ("personalIdentityStatus/identityStatusDate", Core::V4),
            ("protectedPopulationRecord", Core::V3),
        ] {
            for core in Core::ALL {
                assert_eq!(
                    Field::at(path).exists_in(core),
                    core >= since,
                    "{path} {core:?}"
                );
            }
        }
        assert!(
            Core::ALL
                .iter()
                .all(|&core| !Field::at("linkedIdentity/link").exists_in(core))
        );
    }

    #[test]
    fn every_path_finds_its_field() {
        for field in Field::all()
            .skip(1)
            .filter(|field| field.info().wrap != Wrap::Wrapper)
        {
            assert_eq!(Field::at(&field.path()), field);
        }
    }
}

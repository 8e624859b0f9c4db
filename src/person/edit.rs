//! The editable form of a person: a tree of the fields that have a value. Only the rooms that
//! change records use it (`tests/house.rs`); what is shown goes through a view.

use super::field::{Field, FieldMask};
use super::identity::{Formats, Identity};
use super::record::{Damaged, EncodeError, Head, RecordRef, archive, put_entry, put_value};
use super::value::{Value, ValueRef};
use super::view::{Grant, Shield, Visitor, restrict};
use crate::base::limits;

/// A person being changed. Not `Debug`: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    identity: Identity,
    /// What protection linked identities lend this record.
    pub inherited: Shield,
    /// Whether inherited protection has outlived the link that lent it: it stays until somebody with
    /// the right to see the person links the identity again.
    pub keeps_protection: bool,
    /// Whether the registered home is that of a protected relative.
    pub shares_protected_home: bool,
    record: Group,
}

/// The values below one group of the record.
#[derive(Clone, PartialEq, Eq)]
pub struct Group {
    field: Field,
    nodes: Vec<Node>,
}

#[derive(Clone, PartialEq, Eq)]
enum Node {
    Value(Field, Value),
    Group(Group),
}

impl Node {
    const fn field(&self) -> Field {
        match self {
            Self::Value(field, _) => *field,
            Self::Group(group) => group.field,
        }
    }
}

const PERSONAL_IDENTITY: Field = Field::at("personalIdentity");
const PROTECTED_PERSON: Field = Field::at("protectedPersonIndicator");
const PROTECTED_POPULATION_RECORD: Field = Field::at("protectedPopulationRecord");
const TEST_INDICATOR: Field = Field::at("testIndicator");
const PRIMARY_IDENTITY: Field = Field::at("primaryIdentity");
const GENDER: Field = Field::at("gender");
const DATE_OF_BIRTH: Field = Field::at("birth/dateOfBirth");

impl Person {
    /// A person of whom nothing is known but the identity and what its value tells.
    pub fn new(identity: Identity, formats: &Formats) -> Self {
        let mut person = Self {
            identity,
            inherited: Shield::NONE,
            keeps_protection: false,
            shares_protected_home: false,
            record: Group::new(Field::RECORD),
        };
        person.set(PERSONAL_IDENTITY, Value::Identity(identity));
        person.set(PROTECTED_PERSON, Value::Boolean(false));
        person.set(PROTECTED_POPULATION_RECORD, Value::Boolean(false));
        person.set(TEST_INDICATOR, Value::Boolean(false));
        person.set(PRIMARY_IDENTITY, Value::Boolean(true));
        person.tell_by_number(formats);
        person
    }

    /// Fills in gender and date of birth from the identity's value, where they are not known.
    pub fn tell_by_number(&mut self, formats: &Formats) {
        if let (None, Some(code)) = (self.value(GENDER), formats.gender(self.identity)) {
            self.set(GENDER, Value::from(code));
        }
        if let (None, Some(date)) = (self.value(DATE_OF_BIRTH), formats.birth_date(self.identity)) {
            self.set(DATE_OF_BIRTH, Value::PartialDate(date));
        }
    }

    /// The person in a record.
    pub fn from_record(record: RecordRef<'_>) -> Result<Self, Damaged> {
        let mut builder = Builder {
            groups: vec![Group::new(Field::RECORD)],
            damaged: false,
        };
        restrict(record, &Grant::backup(), Shield::NONE)
            .walk(&FieldMask::of(|_| true), &mut builder)?;
        let (Some(group), false) = (builder.groups.pop(), builder.damaged) else {
            return Err(Damaged);
        };
        let identity = record.identity();
        Ok(Self {
            identity,
            inherited: record.inherited_shield(),
            keeps_protection: record.keeps_protection(),
            shares_protected_home: record.shares_protected_home(),
            record: group,
        })
    }

    /// Whose record it is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The protection of the record's own two flags.
    pub fn own_shield(&self) -> Shield {
        let on = |field: Field| self.value(field).is_some_and(Value::is_true);
        let mut shield = Shield::NONE;
        if on(PROTECTED_PERSON) {
            shield = shield.with(Shield::PERSON);
        }
        if on(PROTECTED_POPULATION_RECORD) {
            shield = shield.with(Shield::POPULATION_RECORD);
        }
        shield
    }

    /// The protection that counts: the person's own and that of linked identities.
    pub fn shield(&self) -> Shield {
        self.own_shield().with(self.inherited)
    }

    /// The record's bytes.
    pub fn to_record(&self) -> Result<Vec<u8>, EncodeError> {
        let mut fields = Vec::with_capacity(512);
        self.record.encode(&mut fields)?;
        let head = Head {
            own: self.own_shield(),
            inherited: self.inherited,
            keeps_protection: self.keeps_protection,
            shares_protected_home: self.shares_protected_home,
        };
        archive(self.identity, head, fields)
    }
}

impl std::ops::Deref for Person {
    type Target = Group;

    fn deref(&self) -> &Group {
        &self.record
    }
}

impl std::ops::DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Group {
        &mut self.record
    }
}

impl Group {
    /// An empty group.
    pub const fn new(field: Field) -> Self {
        Self {
            field,
            nodes: Vec::new(),
        }
    }

    /// Which group it is.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// Whether nothing is known below it.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The value at a field below this group, on a way without repetition.
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.nodes
            .iter()
            .find(|node| node.field().contains(field))
            .and_then(|node| match node {
                Node::Value(_, value) => Some(value),
                Node::Group(group) => group.value(field),
            })
    }

    /// The text at a field below this group.
    pub fn text(&self, field: Field) -> Option<&str> {
        self.value(field).and_then(Value::as_text)
    }

    /// A group below this one, when it holds anything.
    pub fn group(&self, field: Field) -> Option<&Self> {
        self.nodes.iter().find_map(|node| match node {
            Node::Group(group) if group.field == field => Some(group),
            Node::Group(group) if group.field.contains(field) => group.group(field),
            _ => None,
        })
    }

    /// Puts a value at a field below this group, in place of what was there.
    pub fn set(&mut self, field: Field, value: Value) {
        self.clear(field);
        self.push_value(field, value);
    }

    /// Adds one more value at a field that repeats.
    pub fn push_value(&mut self, field: Field, value: Value) {
        self.within(field).insert(Node::Value(field, value));
    }

    /// Adds an entry to a repeating group below this one, after those that are there.
    pub fn push(&mut self, entry: Self) {
        self.within(entry.field).insert(Node::Group(entry));
    }

    /// Puts a group in place of what was there.
    pub fn set_group(&mut self, group: Self) {
        self.clear(group.field);
        if !group.is_empty() {
            self.push(group);
        }
    }

    /// Removes everything at and below a field, and the groups that held nothing else.
    pub fn clear(&mut self, field: Field) {
        self.nodes.retain_mut(|node| match node {
            _ if field.contains(node.field()) => false,
            Node::Group(group) if group.field.contains(field) => {
                group.clear(field);
                !group.is_empty() || group.field.is_entry()
            }
            _ => true,
        });
    }

    /// The entries of a repeating group below this one.
    pub fn entries(&self, field: Field) -> impl Iterator<Item = &Self> {
        let holder = if field.parent() == self.field {
            Some(self)
        } else {
            self.group(field.parent())
        };
        holder
            .into_iter()
            .flat_map(|group| &group.nodes)
            .filter_map(move |node| match node {
                Node::Group(group) if group.field == field => Some(group),
                _ => None,
            })
    }

    /// Every value at or below this group, in document order.
    pub fn each_value<'g>(&'g self, visit: &mut dyn FnMut(Field, &'g Value)) {
        for node in &self.nodes {
            match node {
                Node::Value(field, value) => visit(*field, value),
                Node::Group(group) => group.each_value(visit),
            }
        }
    }

    /// Every group at `field` below this one, in every entry around it.
    pub fn groups(&self, field: Field) -> Vec<&Self> {
        let mut found = Vec::new();
        for node in &self.nodes {
            match node {
                Node::Group(group) if group.field == field => found.push(group),
                Node::Group(group) if group.field.contains(field) => {
                    found.append(&mut group.groups(field));
                }
                _ => {}
            }
        }
        found
    }

    /// Replaces all entries of a repeating group below this one.
    pub fn set_entries(&mut self, field: Field, entries: Vec<Self>) {
        self.clear(field);
        entries.into_iter().for_each(|entry| self.push(entry));
    }

    /// The same values under another group of the same type, for instance the current locality as
    /// a historical one.
    #[must_use]
    pub fn moved_to(&self, field: Field) -> Self {
        let moved = |from: Field| field.plus(from.number() - self.field.number());
        let nodes = self
            .nodes
            .iter()
            .map(|node| match node {
                Node::Value(from, value) => Node::Value(moved(*from), value.clone()),
                Node::Group(group) => Node::Group(group.moved_to(moved(group.field))),
            })
            .collect();
        Self { field, nodes }
    }

    /// Takes over every value and group directly below `other`, in place of its own; what `other`
    /// does not tell stays.
    pub fn overlay(&mut self, other: &Self) {
        for node in &other.nodes {
            self.clear(node.field());
        }
        for node in &other.nodes {
            self.insert(node.clone());
        }
    }

    /// Copies everything at `field` from another group that holds the same field.
    pub fn copy_from(&mut self, other: &Self, field: Field) {
        let nodes: Vec<Node> = other
            .nodes
            .iter()
            .filter(|node| field.contains(node.field()))
            .cloned()
            .collect();
        if !nodes.is_empty() {
            self.clear(field);
            nodes.into_iter().for_each(|node| {
                self.insert(node);
            });
        } else if let Some(group) = other.nodes.iter().find_map(|node| match node {
            Node::Group(group) if group.field.contains(field) => Some(group),
            _ => None,
        }) && group.holds(field)
        {
            let target = group.field;
            let at = match self.nodes.iter().position(|node| node.field() == target) {
                Some(at) => at,
                None => self.insert(Node::Group(Self::new(target))),
            };
            if let Node::Group(own) = &mut self.nodes[at] {
                own.copy_from(group, field);
            }
        }
    }

    fn holds(&self, field: Field) -> bool {
        self.nodes.iter().any(|node| match node {
            _ if field.contains(node.field()) => true,
            Node::Group(group) => group.field.contains(field) && group.holds(field),
            Node::Value(..) => false,
        })
    }

    /// The group that `field` stands in directly, made where it is missing.
    fn within(&mut self, field: Field) -> &mut Self {
        let parent = field.parent();
        if parent == self.field || !self.field.contains(field) {
            debug_assert!(
                parent == self.field,
                "{field:?} is not below {:?}",
                self.field
            );
            return self;
        }
        let step = field.ancestor(self.field.info().depth + 1);
        let at = match self.nodes.iter().rposition(|node| node.field() == step) {
            Some(at) => at,
            None => self.insert(Node::Group(Self::new(step))),
        };
        match &mut self.nodes[at] {
            Node::Group(group) => group.within(field),
            Node::Value(..) => unreachable!("groups and values never share a field"),
        }
    }

    /// Keeps document order; equal fields keep the order in which they came.
    fn insert(&mut self, node: Node) -> usize {
        let at = self
            .nodes
            .partition_point(|other| other.field() <= node.field());
        self.nodes.insert(at, node);
        at
    }

    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut nodes = self.nodes.iter().peekable();
        for field in self.field.children() {
            let mut count = 0;
            while let Some(node) = nodes.next_if(|node| node.field() == field) {
                count += 1;
                match node {
                    Node::Value(field, value) => put_value(out, *field, value),
                    Node::Group(group) => {
                        if field.is_entry() {
                            put_entry(out, field);
                        }
                        group.encode(out)?;
                    }
                }
            }
            if count > limits::GROUP_ITEMS {
                return Err(EncodeError::TooManyEntries(field));
            }
            if count == 0 && field.info().row.occurs.mandatory() {
                if !field.is_entry() || field.children().any(is_mandatory_value) {
                    return Err(EncodeError::Missing(field));
                }
                put_entry(out, field);
            }
        }
        Ok(())
    }
}

fn is_mandatory_value(field: Field) -> bool {
    !field.is_entry() && field.info().row.occurs.mandatory()
}

/// Builds the tree out of a walk.
struct Builder {
    groups: Vec<Group>,
    damaged: bool,
}

impl Visitor for Builder {
    fn open(&mut self, group: Field) {
        self.groups.push(Group::new(group));
    }

    fn close(&mut self, _: Field) {
        if let Some(group) = self.groups.pop()
            && let Some(above) = self.groups.last_mut()
        {
            above.nodes.push(Node::Group(group));
        }
    }

    fn value(&mut self, field: Field, value: ValueRef<'_>) {
        match (value.to_value(), self.groups.last_mut()) {
            (Ok(value), Some(group)) => group.nodes.push(Node::Value(field, value)),
            _ => self.damaged = true,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::time::{DateTime, PartialDate, Timestamp};
    use crate::person::schema::{Facet, Kind};
    use crate::person::view::{PopulationRecordRule, Profile, ProtectionRules};

    pub(crate) fn identity(value: &str) -> Identity {
        Formats::standard().guess(value).unwrap()
    }

    /// A person with every field filled, repeating groups twice; `seed` varies the values.
    pub(crate) fn full(identity: Identity, seed: u32) -> Person {
        let mut person = Person::new(identity, &Formats::standard());
        fill(&mut person.record, seed);
        person.set(PERSONAL_IDENTITY, Value::Identity(identity));
        person
    }

    fn fill(group: &mut Group, seed: u32) {
        let children: Vec<Field> = group.field.children().collect();
        for field in children {
            let times = if field.repeats() { 2 } else { 1 };
            let mut made = Vec::new();
            for time in 0..times {
                if field.kind() == Kind::Group {
                    let mut below = Group::new(field);
                    fill(&mut below, seed + time);
                    made.push(Node::Group(below));
                } else {
                    made.push(Node::Value(field, sample(field, seed + time)));
                }
            }
            group.clear(field);
            made.into_iter().for_each(|node| {
                group.insert(node);
            });
        }
    }

    fn sample(field: Field, seed: u32) -> Value {
        let info = field.info();
        match (info.kind, info.facet) {
            (Kind::Group, _) => unreachable!(),
            (Kind::Text, Facet::Length(len)) => Value::Text("x".repeat(len)),
            (Kind::Text, Facet::Lengths(_, 2) | Facet::MaxLength(2)) => {
                Value::Text(format!("{:02}", seed % 100))
            }
            (Kind::Text, _) => Value::Text(format!("å<{seed}>&")),
            (Kind::Number, Facet::Range(least, most)) => {
                Value::Text((least + i64::from(seed) % (most - least)).to_string())
            }
            (Kind::Number, _) => Value::Text(seed.to_string()),
            (Kind::Boolean, _) => Value::Boolean(seed.is_multiple_of(2)),
            (Kind::Date, _) => Value::Date(PartialDate::new(2000 + seed % 20, 1, 2).unwrap()),
            (Kind::PartialDate, _) => {
                Value::PartialDate(PartialDate::new(1900 + seed % 100, seed % 13, 0).unwrap())
            }
            (Kind::DateTime, _) => {
                Value::DateTime(DateTime::parse("2024-07-01T12:00:00+02:00").unwrap())
            }
            (Kind::Timestamp, _) => Value::Timestamp(Timestamp::parse("20241128091233").unwrap()),
            (Kind::Identity, _) => Value::Identity(identity("191212121212")),
        }
    }

    struct Shown(Vec<(String, bool)>);

    impl Visitor for Shown {
        fn open(&mut self, group: Field) {
            self.0.push((group.path(), true));
        }
        fn close(&mut self, group: Field) {
            self.0.push((group.path(), false));
        }
        fn value(&mut self, field: Field, _: ValueRef<'_>) {
            self.0.push((field.path(), true));
        }
    }

    fn shown(person: &Person, grant: Grant) -> Vec<String> {
        let bytes = person.to_record().unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        let mut out = Shown(Vec::new());
        restrict(record, &grant, Shield::NONE)
            .walk(&FieldMask::of(|_| true), &mut out)
            .unwrap();
        out.0
            .into_iter()
            .filter(|(_, begins)| *begins)
            .map(|(path, _)| path)
            .collect()
    }

    #[test]
    fn a_full_record_comes_back_from_its_bytes() {
        let person = full(identity("22790814AA01"), 7);
        let bytes = person.to_record().unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        assert_eq!(record.identity(), person.identity());
        assert!(Person::from_record(record).unwrap() == person);
        // What stands before a record does not matter: records lie end to end in an arena.
        let mut arena = vec![0xff; 37];
        arena.extend_from_slice(&bytes);
        let record = RecordRef::open(&arena).unwrap();
        assert!(Person::from_record(record).unwrap() == person);
    }

    #[test]
    fn a_new_person_tells_what_the_number_tells() {
        let person = Person::new(identity("191212121212"), &Formats::standard());
        assert_eq!(person.text(GENDER), Some("1"));
        assert_eq!(
            person
                .value(DATE_OF_BIRTH)
                .unwrap()
                .as_date()
                .unwrap()
                .number(),
            19_121_212
        );
    }

    #[test]
    fn editing_keeps_groups_tidy() {
        let mut person = Person::new(identity("191212121212"), &Formats::standard());
        let city = Field::at("addressInformation/residentialAddress/city");
        let address = Field::at("addressInformation/residentialAddress");
        person.set(city, Value::from("EKERÖ"));
        assert_eq!(person.group(address).unwrap().text(city), Some("EKERÖ"));
        person.clear(city);
        assert!(person.group(Field::at("addressInformation")).is_none());

        let relation = Field::at("relationship");
        for kind in ["MO", "FA"] {
            let mut entry = Group::new(relation);
            entry.set(
                Field::at("relationship/relationshipType"),
                Value::from(kind),
            );
            person.push(entry);
        }
        assert_eq!(person.entries(relation).count(), 2);
        // The relation's mandatory and empty relationshipId is written all the same.
        let bytes = person.to_record().unwrap();
        let back = Person::from_record(RecordRef::open(&bytes).unwrap()).unwrap();
        let ids = back
            .entries(relation)
            .filter_map(|it| it.group(Field::at("relationship/relationshipId")));
        assert_eq!(ids.count(), 2);
    }

    #[test]
    fn a_record_without_its_mandatory_fields_is_refused() {
        let mut person = Person::new(identity("191212121212"), &Formats::standard());
        person.push(Group::new(Field::at("contactInformation")));
        assert_eq!(
            person.to_record(),
            Err(EncodeError::Missing(Field::at(
                "contactInformation/contactType"
            )))
        );
    }

    /// Every profile adds to the one below; protection cuts to the same set whatever the profile.
    #[test]
    fn profiles_grow_and_protection_cuts() {
        let mut person = full(identity("22790814AA01"), 1);
        let (protected, population) = (PROTECTED_PERSON, PROTECTED_POPULATION_RECORD);
        let rule = ProtectionRules::STANDARD;
        let set = |person: &mut Person, a: bool, b: bool| {
            person.set(protected, Value::Boolean(a));
            person.set(population, Value::Boolean(b));
        };
        set(&mut person, false, false);
        let by_profile: Vec<_> = Profile::ALL
            .map(|profile| shown(&person, Grant::restricted(profile, rule)))
            .into();
        for pair in by_profile.windows(2) {
            assert!(pair[0].len() < pair[1].len());
            assert!(pair[0].iter().all(|path| pair[1].contains(path)));
        }
        set(&mut person, true, false);
        for profile in Profile::ALL {
            assert_eq!(
                shown(&person, Grant::restricted(profile, rule)),
                by_profile[0]
            );
            let full = shown(&person, Grant::unrestricted(profile));
            assert_eq!(full, by_profile[profile as usize]);
        }
        set(&mut person, false, true);
        for profile in Profile::ALL {
            let shown = shown(&person, Grant::restricted(profile, rule));
            let place = |path: &String| {
                [
                    "Locality",
                    "address",
                    "Registration",
                    "Parish",
                    "city",
                    "county",
                    "dereg",
                ]
                .iter()
                .any(|word| path.contains(word))
            };
            assert!(!shown.iter().any(place), "{shown:?}");
            assert!(shown.iter().any(|path| path == "birth/dateOfBirth"));
            let letter = Grant::restricted(
                profile,
                ProtectionRules::with_population_record(PopulationRecordRule::Profile1),
            );
            assert_eq!(self::shown(&person, letter), by_profile[0]);
        }
    }

    #[test]
    fn inherited_protection_counts_like_a_persons_own() {
        let mut person = full(identity("22790814AA01"), 1);
        person.set(PROTECTED_PERSON, Value::Boolean(false));
        person.set(PROTECTED_POPULATION_RECORD, Value::Boolean(false));
        let grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);
        let open = shown(&person, grant);
        person.inherited = Shield::PERSON;
        let cut = shown(&person, grant);
        assert!(cut.len() < open.len() && !cut.iter().any(|path| path.contains("address")));
    }

    #[test]
    fn reserve_fields_are_not_shown_of_a_personal_number() {
        let mut person = full(identity("191212121212"), 1);
        person.set(PROTECTED_PERSON, Value::Boolean(false));
        person.set(PROTECTED_POPULATION_RECORD, Value::Boolean(false));
        let shown = shown(&person, Grant::unrestricted(Profile::P5));
        assert!(!shown.iter().any(|path| path.contains("givenAddress")));
        assert!(
            !shown
                .iter()
                .any(|path| path.contains("administrativeInformation"))
        );
        assert!(shown.iter().any(|path| path.contains("residentialAddress")));
    }

    /// Found by fuzzing snapshots: reading it did not end.
    #[test]
    fn a_record_within_a_record_is_damage() {
        let fields = vec![Field::RECORD.number()];
        let own = identity("191212121212");
        let bytes = archive(own, Head::default(), fields).unwrap();
        let record = RecordRef::open(&bytes).unwrap();
        assert_eq!(record.check(), Err(Damaged));
        assert!(Person::from_record(record).is_err());
    }

    proptest! {
        #[test]
        fn any_filling_comes_back(seed in 0_u32..1_000_000) {
            let person = full(identity("22790814AA01"), seed);
            let bytes = person.to_record().unwrap();
            let back = Person::from_record(RecordRef::open(&bytes).unwrap()).unwrap();
            prop_assert!(back == person);
        }

        /// Damaged bytes give an error or another record, never a panic.
        #[test]
        fn damaged_bytes_are_survived(seed in 0_u32..1000, at: prop::sample::Index, with: u8) {
            let mut bytes = full(identity("22790814AA01"), seed).to_record().unwrap();
            let at = at.index(bytes.len());
            bytes[at] = with;
            if let Ok(record) = RecordRef::open(&bytes) {
                let _ = Person::from_record(record);
            }
        }
    }
}

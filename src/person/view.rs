//! Who may see what. A [`View`] is a record seen through one mask, computed once from the grant
//! (contract and profile) and the record's protection. Nothing else can be rendered, matched or
//! exported, so a new contract or output cannot forget protection.
//!
//! Rules: TKB 5.1 (profiles, chapter 8; protection, rule 1 of the restricted read contracts) and
//! the service terms for skyddad folkbokföring.

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::{Field, FieldMask};
use super::identity::Identity;
use super::record::{Damaged, RecordRef, next_field, next_value, skip_value};
use super::schema::{Kind, Level};
use super::value::ValueRef;

/// A profile in use. P6 to P10 are reserved in the schema and refused by the contracts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Profile {
    /// Identity, names, links.
    P1,
    /// And addresses, registration, data about reserve identities.
    P2,
    /// And contact data and actors.
    P3,
    /// And all other current data.
    P4,
    /// And history.
    P5,
}

impl Profile {
    /// Every profile in use.
    pub const ALL: [Self; 5] = [Self::P1, Self::P2, Self::P3, Self::P4, Self::P5];

    /// The profile with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Its name in the contracts.
    pub const fn name(self) -> &'static str {
        ["P1", "P2", "P3", "P4", "P5"][self as usize]
    }

    /// The lowest profile that shows a field; `None` when none does.
    pub fn that_shows(field: Field) -> Option<Self> {
        let level = field.info().level;
        Self::ALL
            .into_iter()
            .find(|profile| level <= profile.level())
    }

    const fn level(self) -> Level {
        [Level::P1, Level::P2, Level::P3, Level::P4, Level::P5][self as usize]
    }
}

/// The protection of a person: sekretessmarkering, skyddad folkbokföring, both or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Shield(u8);

impl Shield {
    /// No protection.
    pub const NONE: Self = Self(0);
    /// Sekretessmarkering: `protectedPersonIndicator`.
    pub const PERSON: Self = Self(1);
    /// Skyddad folkbokföring: `protectedPopulationRecord`.
    pub const POPULATION_RECORD: Self = Self(2);

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits & 3)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    /// Both protections together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether there is any protection.
    pub const fn is_on(self) -> bool {
        self.0 != 0
    }

    /// Whether the protection of population registration is among them.
    pub const fn has_population_record(self) -> bool {
        self.0 & Self::POPULATION_RECORD.0 != 0
    }
}

/// What a restricted contract shows of a person with skyddad folkbokföring
/// (`protection.population_record`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PopulationRecordRule {
    /// Name and number, as the service terms say: no place of any kind.
    #[default]
    NameAndNumber,
    /// Profile 1, as the contract description says: county code included.
    #[serde(rename = "profile-1")]
    Profile1,
}

/// What a restricted contract shows of somebody without protection whose registered home is that of
/// a protected relative (`protection.household`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HouseholdRule {
    /// What the profile shows of anybody.
    #[default]
    Show,
    /// No address and no locality below the county.
    Mask,
}

/// What restricted contracts show where the sources leave a choice (`[protection]`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProtectionRules {
    /// What is shown of a person with skyddad folkbokföring.
    pub population_record: PopulationRecordRule,
    /// What is shown of the relatives who share a protected person's home.
    pub household: HouseholdRule,
}

impl ProtectionRules {
    /// The default: nothing beyond name and number of skyddad folkbokföring, relatives as anybody.
    pub const STANDARD: Self = Self {
        population_record: PopulationRecordRule::NameAndNumber,
        household: HouseholdRule::Show,
    };

    /// The default, but for what is shown of skyddad folkbokföring.
    #[must_use]
    pub const fn with_population_record(rule: PopulationRecordRule) -> Self {
        Self {
            population_record: rule,
            ..Self::STANDARD
        }
    }
}

/// What a caller may see: the contract's kind and the profile asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    level: Level,
    /// The rules of a restricted contract; `None` for an Unrestricted one.
    shielding: Option<ProtectionRules>,
}

/// A set of search keys, by who may find a person with them. Every person has the keys of what the
/// strictest restricted view shows in the first set; what other views show beyond it stands in the
/// others, each key once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum KeySet {
    /// What every view shows.
    Shown,
    /// What is shown beside it of somebody who shares a protected relative's home, unless
    /// [`HouseholdRule::Mask`] holds.
    SharedHome,
    /// What [`PopulationRecordRule::Profile1`] shows beside it of skyddad folkbokföring.
    Profile1,
    /// What is shown by Unrestricted contracts only.
    Hidden,
}

impl KeySet {
    /// Every set, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Shown, Self::SharedHome, Self::Profile1, Self::Hidden];
}

/// The sets of search keys that a search may read. Only a [`Grant`] makes one, so that no search
/// reads keys of what its answer may not show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySets([bool; KeySet::ALL.len()]);

impl KeySets {
    /// The sets that every caller's search may read, whatever the rules.
    pub const SHOWN: Self = Self([true, false, false, false]);

    /// Whether a set is among them.
    pub const fn has(self, set: KeySet) -> bool {
        self.0[set as usize]
    }

    /// The sets, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = KeySet> {
        KeySet::ALL.into_iter().filter(move |&set| self.has(set))
    }
}

impl Grant {
    /// A restricted contract: protected persons are cut down.
    pub const fn restricted(profile: Profile, rules: ProtectionRules) -> Self {
        Self {
            level: profile.level(),
            shielding: Some(rules),
        }
    }

    /// An Unrestricted contract, for callers with a recorded reason: the profile in full.
    pub const fn unrestricted(profile: Profile) -> Self {
        Self {
            level: profile.level(),
            shielding: None,
        }
    }

    /// Everything the register holds, its own fields included: for the operator's backup and for
    /// editing, never for a contract.
    pub const fn backup() -> Self {
        Self {
            level: Level::Internal,
            shielding: None,
        }
    }

    /// Whether this grant shows a field of anybody.
    pub fn shows(self, field: Field) -> bool {
        field.info().level <= self.level
    }

    /// The search keys that a search under this grant may read.
    pub const fn key_sets(self) -> KeySets {
        let Some(rules) = self.shielding else {
            return KeySets([true; KeySet::ALL.len()]);
        };
        let mut sets = KeySets::SHOWN;
        sets.0[KeySet::SharedHome as usize] = matches!(rules.household, HouseholdRule::Show);
        sets.0[KeySet::Profile1 as usize] =
            matches!(rules.population_record, PopulationRecordRule::Profile1);
        sets
    }

    /// The highest level this grant shows of a record under `shield`.
    const fn ceiling(self, shield: Shield) -> Level {
        let Some(rules) = self.shielding else {
            return self.level;
        };
        match rules.population_record {
            PopulationRecordRule::NameAndNumber if shield.has_population_record() => Level::Always,
            _ if shield.is_on() => Level::P1,
            _ => self.level,
        }
    }

    /// Whether this grant hides the address of somebody who shares a protected relative's home.
    const fn masks_homes(self) -> bool {
        matches!(
            self.shielding,
            Some(ProtectionRules {
                household: HouseholdRule::Mask,
                ..
            })
        )
    }
}

const LEVELS: usize = Level::Internal as usize + 1;

/// One mask per ceiling, for other identities and for reserve identities.
static MASKS: LazyLock<[[FieldMask; 2]; LEVELS]> = LazyLock::new(|| masks(|_| true));

/// The same for somebody whose home is not shown.
static HOMELESS_MASKS: LazyLock<[[FieldMask; 2]; LEVELS]> =
    LazyLock::new(|| masks(|field| !tells_home(field)));

fn masks(among: impl Fn(Field) -> bool) -> [[FieldMask; 2]; LEVELS] {
    std::array::from_fn(|ceiling| {
        std::array::from_fn(|reserve| {
            FieldMask::of(|field| {
                let info = field.info();
                let meant = reserve == 1 || !info.reserve_only || ceiling == LEVELS - 1;
                info.level as usize <= ceiling && meant && among(field)
            })
        })
    })
}

/// Whether a field tells where somebody lives or lived: addresses, and of localities all but the
/// county.
fn tells_home(field: Field) -> bool {
    const HOMES: [Field; 3] = [
        Field::at("addressInformation"),
        Field::at("populationRegistrationLocality"),
        Field::at("populationRegistrationRecord/historicalRecords"),
    ];
    const COUNTY: Field = Field::at("populationRegistrationLocality/countyCode");
    HOMES.iter().any(|home| home.contains(field)) && !field.contains(COUNTY)
}

/// The mask of what is shown of a record under a ceiling.
pub(super) fn mask_of(ceiling: Level, is_reserve: bool) -> &'static FieldMask {
    &MASKS[ceiling as usize][usize::from(is_reserve)]
}

/// A record through a mask.
#[derive(Clone, Copy)]
pub struct View<'a> {
    record: RecordRef<'a>,
    /// The list of fields that is walked: the whole record, or for a shielded one the list of what
    /// restricted views show, so that not even the time it takes tells of what is hidden.
    fields: &'a [u8],
    mask: &'static FieldMask,
}

/// The one door to a record's fields: `record` as `grant` shows it, under its own protection and
/// under `also`, the protection of the identity it is shown for.
#[inline]
pub fn restrict<'a>(record: RecordRef<'a>, grant: &Grant, also: Shield) -> View<'a> {
    let ceiling = grant.ceiling(record.shield().with(also));
    let reserve = usize::from(record.identity().is_reserve());
    let masks = if record.shares_protected_home() && grant.masks_homes() {
        &HOMELESS_MASKS
    } else {
        &MASKS
    };
    View {
        record,
        fields: record.fields_up_to(ceiling),
        mask: &masks[ceiling as usize][reserve],
    }
}

/// Receives what a view shows, in document order.
pub trait Visitor {
    /// A group begins; it holds at least one value, or its surroundings demand it.
    fn open(&mut self, group: Field);
    /// The group opened last and not yet closed ends.
    fn close(&mut self, group: Field);
    /// A value in the group opened last.
    fn value(&mut self, field: Field, value: ValueRef<'_>);
}

impl<'a> View<'a> {
    /// Whose record it is.
    #[inline]
    pub const fn identity(&self) -> Identity {
        self.record.identity()
    }

    /// The protection of the person, their own and what linked identities lend: every view shows it.
    pub const fn shield(&self) -> Shield {
        self.record.shield()
    }

    /// Whether inherited protection has outlived the link that lent it, for views of everything: an
    /// export must not lose it.
    pub const fn keeps_protection(&self) -> bool {
        const REGISTERS_OWN: Field = Field::at("linkedIdentity/link");
        self.mask.has(REGISTERS_OWN) && self.record.keeps_protection()
    }

    /// Bytes of what is shown, as the record keeps it.
    pub fn size(&self) -> Result<usize, Damaged> {
        let (mut size, mut bytes) = (0, self.fields);
        loop {
            let before = bytes.len();
            let Some(field) = next_field(&mut bytes)? else {
                return Ok(size);
            };
            skip_value(field, &mut bytes)?;
            if self.mask.has(field) {
                size += before - bytes.len();
            }
        }
    }

    /// The fields this view can show.
    pub const fn mask(&self) -> &'static FieldMask {
        self.mask
    }

    /// Passes on what the record holds of the fields in `within`, as far as the view shows it: each
    /// value, and each entry of a group, which has none.
    #[inline]
    pub fn each(
        &self,
        within: &FieldMask,
        mut pass: impl FnMut(Field, Option<ValueRef<'a>>) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        let mask = self.mask.and(within);
        let mut bytes = self.fields;
        while let Some(field) = next_field(&mut bytes)? {
            if mask.has(field) {
                let value = next_value(field, &mut bytes)?;
                pass(field, value)?;
            } else {
                skip_value(field, &mut bytes)?;
            }
        }
        Ok(())
    }

    /// Walks through what the view shows of the fields in `within`, with the groups around it.
    #[inline]
    pub fn walk(&self, within: &FieldMask, visitor: &mut impl Visitor) -> Result<(), Damaged> {
        let mut before = Field::RECORD;
        self.each(within, |field, value| {
            between(before, field, |step| step.take(visitor));
            if let Some(value) = value {
                visitor.value(field, value);
            }
            before = field;
            Ok(())
        })?;
        between(before, Field::RECORD, |step| step.take(visitor));
        Ok(())
    }

    /// The values of one field, wherever it is repeated.
    pub fn values(&self, wanted: Field) -> impl Iterator<Item = Result<ValueRef<'a>, Damaged>> {
        let mut bytes = if self.mask.has(wanted) {
            self.fields
        } else {
            &[]
        };
        std::iter::from_fn(move || {
            let found = next_of(wanted, &mut bytes);
            if found.is_err() {
                bytes = &[];
            }
            found.transpose()
        })
    }
}

/// The next value of one field.
fn next_of<'a>(wanted: Field, bytes: &mut &'a [u8]) -> Result<Option<ValueRef<'a>>, Damaged> {
    while let Some(field) = next_field(bytes)? {
        if field == wanted {
            return next_value(field, bytes);
        }
        skip_value(field, bytes)?;
    }
    Ok(None)
}

/// A group's tag on the way from one value to the next.
#[derive(Clone, Copy)]
pub enum Step {
    /// The group begins.
    Open(Field),
    /// The group opened last ends.
    Close(Field),
}

impl Step {
    fn take(self, visitor: &mut impl Visitor) {
        match self {
            Self::Open(group) => visitor.open(group),
            Self::Close(group) => visitor.close(group),
        }
    }
}

/// The groups that end and begin between what stands in a record one after the other: values and
/// entries of groups, and [`Field::RECORD`] for the record's two ends.
#[inline]
pub fn between(before: Field, next: Field, mut step: impl FnMut(Step)) {
    let mut open = if before.kind() == Kind::Group {
        before
    } else {
        before.parent()
    };
    let around = next.parent();
    while !open.contains(around) {
        step(Step::Close(open));
        open = open.parent();
    }
    for depth in open.info().depth + 1..=around.info().depth {
        step(Step::Open(around.ancestor(depth)));
    }
    if next.kind() == Kind::Group && next != Field::RECORD {
        step(Step::Open(next));
    }
}

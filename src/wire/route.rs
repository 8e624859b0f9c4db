//! The routes of the REST interface, as rights, counters and the description name them.

/// A route of the REST interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Route {
    /// One person.
    Person,
    /// Several persons.
    Persons,
    /// A search.
    Search,
    /// Who changed a person.
    History,
    /// Who changed.
    Changes,
    /// Reserve identities.
    Reserve,
    /// The interface's description.
    Description,
    /// No route.
    Other,
}

impl Route {
    /// Every route.
    pub const ALL: [Self; 8] = [
        Self::Person,
        Self::Persons,
        Self::Search,
        Self::History,
        Self::Changes,
        Self::Reserve,
        Self::Description,
        Self::Other,
    ];

    /// The routes that take a right. The description tells of nobody.
    pub const RIGHTS: [Self; 6] = [
        Self::Person,
        Self::Persons,
        Self::Search,
        Self::History,
        Self::Changes,
        Self::Reserve,
    ];

    /// Its name in rights, in labels and in the log.
    pub const fn name(self) -> &'static str {
        [
            "person",
            "persons",
            "search",
            "history",
            "changes",
            "reserve-identities",
            "description",
            "other",
        ][self as usize]
    }

    /// Whether it takes a right.
    pub fn takes_a_right(self) -> bool {
        Self::RIGHTS.contains(&self)
    }
}

//! A message of one contract, compiled out of the tables: the flat list of elements that a request
//! is checked against while it is read.

use std::ops::Range;

use crate::person::schema::{ComplexType, Content, Core, Facet, Kind, Occurs};

/// A node of a compiled message: an element in its place.
#[derive(Debug)]
pub struct Node {
    /// The element's name.
    pub name: &'static str,
    /// Where its name lives.
    pub space: Space,
    /// How often it occurs.
    pub occurs: Occurs,
    /// How its value is read; [`Kind::Group`] for elements with children.
    pub kind: Kind,
    /// What its value must obey.
    pub facet: Facet,
    /// Whether foreign elements may follow its children.
    pub any: bool,
    /// The namespace its children's schema declares, which is not foreign there.
    pub inside: Space,
    /// Its children, in order.
    pub children: Range<usize>,
}

/// The namespace of an element's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Space {
    /// The contract's own.
    Responder,
    /// The core types'.
    Core,
    /// One of version 3's extensions. What senders disagree about is read in any namespace of
    /// version 3.
    Extension,
}

/// A compiled message. Node 0 is the root element.
#[derive(Debug)]
pub struct Plan {
    nodes: Vec<Node>,
}

impl Plan {
    /// Compiles the message `name` of type `of` for one version of the core types; without one, all
    /// its types are the contract's own.
    pub fn compile(name: &'static str, of: &'static ComplexType, core: Option<Core>) -> Self {
        let version = core.unwrap_or(Core::V5);
        let root = Node {
            name,
            space: Space::Responder,
            occurs: Occurs::One,
            kind: Kind::Group,
            facet: Facet::None,
            any: of.any.has(version),
            inside: Space::Responder,
            children: 0..0,
        };
        let mut plan = Self { nodes: vec![root] };
        let inside = if core.is_some() {
            Space::Core
        } else {
            Space::Responder
        };
        plan.expand(0, of, version, Space::Responder, inside);
        plan
    }

    fn expand(
        &mut self,
        parent: usize,
        of: &'static ComplexType,
        version: Core,
        space: Space,
        inside: Space,
    ) {
        let first = self.nodes.len();
        let rows = of.rows.iter().filter(|row| row.versions.has(version));
        let mut below = Vec::new();
        for row in rows {
            let (kind, facet, group) = match row.content {
                Content::Simple(of) => (of.kind, of.facet, None),
                Content::Wrapped(_, of) if version == Core::V5 => (of.kind, of.facet, None),
                Content::Complex(of) | Content::Wrapped(of, _) => {
                    (Kind::Group, Facet::None, Some(of))
                }
            };
            let extended = version == Core::V3 && row.extension.is_some();
            below.push((self.nodes.len(), group));
            self.nodes.push(Node {
                name: row.name,
                space: if extended { Space::Extension } else { space },
                occurs: row.occurs,
                kind,
                facet,
                any: group.is_some_and(|of| of.any.has(version)),
                inside,
                children: 0..0,
            });
        }
        self.nodes[parent].children = first..self.nodes.len();
        for (place, group) in below {
            if let Some(of) = group {
                // Senders of version 3 disagree on the namespace inside what an extension added.
                let within = if self.nodes[place].space == Space::Extension {
                    Space::Extension
                } else {
                    inside
                };
                self.expand(place, of, version, within, inside);
            }
        }
    }

    /// How many nodes there are.
    pub const fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is always a root.
    pub const fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node at a place.
    pub fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    /// The place of the node at a path below the root, names joined by `/`.
    pub fn at(&self, path: &str) -> Option<usize> {
        path.split('/').try_fold(0, |place, name| {
            self.nodes[place]
                .children
                .clone()
                .find(|&child| self.nodes[child].name == name)
        })
    }
}

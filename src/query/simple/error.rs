//! Why a query is refused, for programs in English and for people in Swedish. Nothing here repeats
//! what stood in the query: literals are personal data, and an unknown word may be one whose quotes
//! were forgotten.

use crate::base::limits;

/// Why a text is not a query. Each error has the position where the trouble begins, in characters
/// from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The text is longer than a query may be.
    #[error("the query is longer than {max} bytes", max = limits::QUERY_BYTES)]
    TooLong {
        /// The first character too many.
        at: usize,
    },
    /// Parentheses and NOTs within one another beyond the limit.
    #[error("at {at}: more than {max} levels", max = limits::QUERY_DEPTH)]
    TooDeep {
        /// Where.
        at: usize,
    },
    /// More predicates than a query may have.
    #[error("at {at}: more than {max} predicates", max = limits::QUERY_PREDICATES)]
    TooManyPredicates {
        /// The first one too many.
        at: usize,
    },
    /// More values in a list than it may have.
    #[error("at {at}: more than {max} values in a list", max = limits::QUERY_LIST)]
    ListTooLong {
        /// The first one too many.
        at: usize,
    },
    /// A character that has no meaning here.
    #[error("at {at}: a character that has no meaning")]
    Character {
        /// Where.
        at: usize,
    },
    /// A quote as word processors write them.
    #[error("at {at}: a quote other than ' and \"")]
    TypographicQuote {
        /// Where.
        at: usize,
    },
    /// A literal that does not end.
    #[error("at {at}: the quote is not closed")]
    Unclosed {
        /// Where it begins.
        at: usize,
    },
    /// Something else than what must stand here.
    #[error("at {at}: expected {expected:?}, found {found:?}")]
    Expected {
        /// Where.
        at: usize,
        /// What must stand here.
        expected: Expected,
        /// What stands here.
        found: Found,
    },
    /// The query is about something else than persons.
    #[error("at {at}: the root is not PersonRecord")]
    ForeignRoot {
        /// Where.
        at: usize,
    },
    /// The root is a value.
    #[error("at {at}: the root {node} is not a group")]
    RootIsValue {
        /// Where.
        at: usize,
        /// Its path.
        node: String,
    },
    /// No such node.
    #[error("at {at}: unknown node")]
    UnknownNode {
        /// Where.
        at: usize,
        /// A node with a similar name.
        near: Option<String>,
    },
    /// A short name that several nodes have.
    #[error("at {at}: the node could be any of {candidates:?}")]
    AmbiguousNode {
        /// Where.
        at: usize,
        /// Their paths.
        candidates: Vec<String>,
    },
    /// An operator that the node's values do not have.
    #[error("at {at}: {operator:?} does not go with {node}")]
    WrongOperator {
        /// Where the operator stands.
        at: usize,
        /// The node's path.
        node: String,
        /// The operator.
        operator: Operator,
        /// What the node holds.
        holds: Holds,
    },
    /// A literal that the node cannot hold.
    #[error("at {at}: not a value of {node}")]
    WrongLiteral {
        /// Where.
        at: usize,
        /// The node's path.
        node: String,
        /// What the node holds.
        holds: Holds,
    },
    /// An identity type that is not in the table of formats.
    #[error("at {at}: unknown identity type")]
    UnknownType {
        /// Where.
        at: usize,
        /// The names that are known.
        known: Vec<String>,
    },
}

/// What must stand in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// FROM.
    From,
    /// The root.
    Root,
    /// WHERE.
    Where,
    /// A node.
    Node,
    /// An operator.
    Operator,
    /// LIKE, BETWEEN or IN.
    AfterNot,
    /// A value in quotes.
    Literal,
    /// The AND of BETWEEN.
    And,
    /// NULL.
    Null,
    /// NULL or NOT NULL.
    NotNull,
    /// `(` after IN.
    Open,
    /// `,` or `)` in a list.
    CommaOrClose,
    /// AND, OR or `)`.
    Close,
    /// AND, OR, `;` or the end.
    AndOrEnd,
    /// Nothing.
    Nothing,
}

/// What stands in a place, by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// The end of the query.
    End,
    /// A keyword.
    Keyword(&'static str),
    /// A word that is no keyword.
    Word,
    /// A value in quotes.
    Literal,
    /// A symbol.
    Symbol,
}

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// LIKE
    Like,
    /// BETWEEN
    Between,
    /// IN
    In,
    /// IS NULL and IS NOT NULL
    Null,
}

/// What a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Other nodes.
    Nodes,
    /// A whole number.
    Number,
    /// True or false.
    Truth,
    /// A date.
    Date,
    /// A moment.
    Moment,
    /// A person's identity.
    Identity,
    /// The type of an identity, as a name.
    Type,
    /// The type of an identity, as an OID.
    Oid,
}

impl QueryError {
    /// The position where the trouble begins, in characters from 1.
    pub const fn at(&self) -> usize {
        match self {
            Self::TooLong { at }
            | Self::TooDeep { at }
            | Self::TooManyPredicates { at }
            | Self::ListTooLong { at }
            | Self::Character { at }
            | Self::TypographicQuote { at }
            | Self::Unclosed { at }
            | Self::Expected { at, .. }
            | Self::ForeignRoot { at }
            | Self::RootIsValue { at, .. }
            | Self::UnknownNode { at, .. }
            | Self::AmbiguousNode { at, .. }
            | Self::WrongOperator { at, .. }
            | Self::WrongLiteral { at, .. }
            | Self::UnknownType { at, .. } => *at,
        }
    }

    /// The error for the person who wrote the query.
    pub fn in_swedish(&self) -> String {
        format!(
            "Sökfrågan är fel vid tecken {}: {}.",
            self.at(),
            self.reason()
        )
    }

    fn reason(&self) -> String {
        match self {
            Self::TooLong { .. } => {
                format!("frågan är längre än {} byte", limits::QUERY_BYTES)
            }
            Self::TooDeep { .. } => format!(
                "fler än {} parenteser och NOT ligger i varandra",
                limits::QUERY_DEPTH
            ),
            Self::TooManyPredicates { .. } => {
                format!("frågan har fler än {} villkor", limits::QUERY_PREDICATES)
            }
            Self::ListTooLong { .. } => {
                format!("listan har fler än {} värden", limits::QUERY_LIST)
            }
            Self::Character { .. } => "tecknet har ingen betydelse här".to_owned(),
            Self::TypographicQuote { .. } => {
                "citattecknet är typografiskt; skriv värden inom raka citattecken, ' eller \""
                    .to_owned()
            }
            Self::Unclosed { .. } => "värdet saknar avslutande citattecken".to_owned(),
            Self::Expected {
                expected, found, ..
            } => format!("{}, men {}", expected.in_swedish(), found.in_swedish()),
            Self::ForeignRoot { .. } => {
                "rotnoden efter FROM ska vara PersonRecord eller en grupp i den".to_owned()
            }
            Self::RootIsValue { node, .. } => format!(
                "{node} är ett värde; rotnoden efter FROM ska vara PersonRecord eller en grupp i den"
            ),
            Self::UnknownNode { near: None, .. } => "noden är okänd".to_owned(),
            Self::UnknownNode {
                near: Some(near), ..
            } => format!("noden är okänd; menas {near}?"),
            Self::AmbiguousNode { candidates, .. } => {
                format!("noden är inte entydig; skriv {}", alternatives(candidates))
            }
            Self::WrongOperator {
                node,
                operator,
                holds,
                ..
            } => {
                let (operator, what) = (operator.name(), holds.in_swedish());
                let instead = match holds {
                    Holds::Nodes => "; använd IS NULL, IS NOT NULL eller en nod i gruppen",
                    Holds::Date | Holds::Moment => {
                        "; skriv ett kortare datum, som gäller för hela sin period"
                    }
                    Holds::Truth | Holds::Type | Holds::Oid => "; använd =, != eller IN",
                    Holds::Identity => "; använd =, !=, IN eller LIKE",
                    Holds::Number => "",
                };
                format!("{operator} kan inte användas på {node}, som är {what}{instead}")
            }
            Self::WrongLiteral { node, holds, .. } => {
                let form = match holds {
                    Holds::Nodes => "",
                    Holds::Number => "; skriv siffror",
                    Holds::Truth => "; skriv true eller false",
                    Holds::Date => "; skriv ÅÅÅÅ, ÅÅÅÅ-MM, ÅÅÅÅ-MM-DD eller ÅÅÅÅMMDD",
                    Holds::Moment => "; skriv ÅÅÅÅ-MM-DD, ÅÅÅÅ-MM-DDTtt:mm:ss eller ÅÅÅÅMMDDttmmss",
                    Holds::Identity => "; värdet följer inte formatet för någon identitetstyp",
                    Holds::Type => "; skriv typens namn",
                    Holds::Oid => "; skriv typens OID",
                };
                format!("{node} är {}{form}", holds.in_swedish())
            }
            Self::UnknownType { known, .. } => {
                format!("identitetstypen är okänd; de kända är {}", known.join(", "))
            }
        }
    }
}

/// `a, b eller c`.
fn alternatives(names: &[String]) -> String {
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} eller {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

impl Expected {
    const fn in_swedish(self) -> &'static str {
        match self {
            Self::From => "FROM förväntades",
            Self::Root => "PersonRecord förväntades efter FROM",
            Self::Where => "WHERE förväntades efter rotnoden",
            Self::Node => "en nod förväntades",
            Self::Operator => {
                "en operator (=, !=, <, <=, >, >=, LIKE, BETWEEN, IN eller IS) förväntades efter noden"
            }
            Self::AfterNot => "LIKE, BETWEEN eller IN förväntades efter NOT",
            Self::Literal => "ett värde inom citattecken förväntades",
            Self::And => "AND förväntades mellan de två värdena efter BETWEEN",
            Self::Null => "NULL förväntades efter IS NOT",
            Self::NotNull => "NULL eller NOT NULL förväntades efter IS",
            Self::Open => "en vänsterparentes förväntades efter IN",
            Self::CommaOrClose => "komma eller högerparentes förväntades i listan",
            Self::Close => "AND, OR eller högerparentes förväntades",
            Self::AndOrEnd => "AND, OR eller frågans slut förväntades",
            Self::Nothing => "inget mer förväntades efter semikolonet",
        }
    }
}

impl Found {
    fn in_swedish(self) -> String {
        match self {
            Self::End => "frågan tar slut".to_owned(),
            Self::Keyword(word) => format!("där står {word}"),
            Self::Word => "där står ett ord utan citattecken".to_owned(),
            Self::Literal => "där står ett värde inom citattecken".to_owned(),
            Self::Symbol => "där står ett skiljetecken".to_owned(),
        }
    }
}

impl Operator {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::Different => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Like => "LIKE",
            Self::Between => "BETWEEN",
            Self::In => "IN",
            Self::Null => "IS NULL",
        }
    }
}

impl Holds {
    const fn in_swedish(self) -> &'static str {
        match self {
            Self::Nodes => "en grupp av noder",
            Self::Number => "ett heltal",
            Self::Truth => "sant eller falskt",
            Self::Date => "ett datum",
            Self::Moment => "en tidpunkt",
            Self::Identity => "en identitet",
            Self::Type => "en identitetstyp",
            Self::Oid => "en identitetstyps OID",
        }
    }
}

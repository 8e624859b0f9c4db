//! Tokens become a tree of names and literals. Nothing is known of fields here.
//!
//! ```text
//! query     = FROM word WHERE any [";"]
//! any       = all { OR all }
//! all       = term { AND term }
//! term      = NOT term | "(" any ")" | claim
//! claim     = word ( compare literal
//!                  | [NOT] LIKE literal
//!                  | [NOT] BETWEEN literal AND literal
//!                  | [NOT] IN "(" literal { "," literal } ")"
//!                  | IS [NOT] NULL )
//! compare   = "=" | "!=" | "<>" | "<" | "<=" | ">" | ">="
//! ```

use super::error::{Expected, Found, Operator, QueryError};
use super::lex::{Lexeme, Lexer, Token};
use crate::base::limits;

/// A query as it was written.
pub struct Syntax<'t> {
    /// What stands after FROM.
    pub root: Word<'t>,
    /// What stands after WHERE.
    pub condition: Tree<'t>,
}

/// A name and where it stands.
#[derive(Clone, Copy)]
pub struct Word<'t> {
    /// The name.
    pub text: &'t str,
    /// In characters from 1.
    pub at: usize,
}

/// A literal and where it stands.
pub struct Literal {
    /// What stands between the quotes.
    pub text: String,
    /// In characters from 1.
    pub at: usize,
}

/// What must hold.
pub enum Tree<'t> {
    /// All of these.
    All(Vec<Tree<'t>>),
    /// One of these.
    Any(Vec<Tree<'t>>),
    /// Not this.
    Not(Box<Tree<'t>>),
    /// What a node holds.
    Is(Claim<'t>),
}

/// A node, an operator and literals.
pub struct Claim<'t> {
    /// The node.
    pub node: Word<'t>,
    /// The operator.
    pub operator: Operator,
    /// Where the operator stands.
    pub operator_at: usize,
    /// One literal to a comparison and LIKE, two to BETWEEN, none to NULL.
    pub literals: Vec<Literal>,
}

/// Reads a query.
pub fn parse(text: &str) -> Result<Syntax<'_>, QueryError> {
    if text.len() > limits::QUERY_BYTES {
        let within = text.char_indices();
        let at = 1 + within
            .take_while(|(byte, c)| byte + c.len_utf8() <= limits::QUERY_BYTES)
            .count();
        return Err(QueryError::TooLong { at });
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser {
        lexer,
        token,
        depth: 0,
        predicates: 0,
    };
    parser.keyword("FROM", Expected::From)?;
    let root = parser.word(Expected::Root)?;
    parser.keyword("WHERE", Expected::Where)?;
    let condition = parser.any()?;
    if parser.token.lexeme == Lexeme::Semicolon {
        parser.advance()?;
        return match parser.token.lexeme {
            Lexeme::End => Ok(Syntax { root, condition }),
            _ => Err(parser.expected(Expected::Nothing)),
        };
    }
    match parser.token.lexeme {
        Lexeme::End => Ok(Syntax { root, condition }),
        _ => Err(parser.expected(Expected::AndOrEnd)),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    token: Token<'t>,
    depth: usize,
    predicates: usize,
}

const KEYWORDS: [&str; 10] = [
    "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL",
];

fn keyword(word: &str) -> Option<&'static str> {
    KEYWORDS
        .into_iter()
        .find(|keyword| word.eq_ignore_ascii_case(keyword))
}

impl<'t> Parser<'t> {
    fn any(&mut self) -> Result<Tree<'t>, QueryError> {
        let mut terms = vec![self.all()?];
        while self.takes("OR")? {
            terms.push(self.all()?);
        }
        Ok(one_or(terms, Tree::Any))
    }

    fn all(&mut self) -> Result<Tree<'t>, QueryError> {
        let mut terms = vec![self.term()?];
        while self.takes("AND")? {
            terms.push(self.term()?);
        }
        Ok(one_or(terms, Tree::All))
    }

    fn term(&mut self) -> Result<Tree<'t>, QueryError> {
        let at = self.token.at;
        if self.depth > limits::QUERY_DEPTH {
            return Err(QueryError::TooDeep { at });
        }
        self.depth += 1;
        let tree = if self.takes("NOT")? {
            Tree::Not(Box::new(self.term()?))
        } else if self.token.lexeme == Lexeme::Open {
            self.advance()?;
            let tree = self.any()?;
            self.symbol(&Lexeme::Close, Expected::Close)?;
            tree
        } else {
            self.predicates += 1;
            if self.predicates > limits::QUERY_PREDICATES {
                return Err(QueryError::TooManyPredicates { at });
            }
            self.claim()?
        };
        self.depth -= 1;
        Ok(tree)
    }

    fn claim(&mut self) -> Result<Tree<'t>, QueryError> {
        let node = self.word(Expected::Node)?;
        let operator_at = self.token.at;
        let is = |operator, literals| {
            Tree::Is(Claim {
                node,
                operator,
                operator_at,
                literals,
            })
        };
        let compare = match self.token.lexeme {
            Lexeme::Equal => Some(Operator::Equal),
            Lexeme::Different => Some(Operator::Different),
            Lexeme::Less => Some(Operator::Less),
            Lexeme::AtMost => Some(Operator::AtMost),
            Lexeme::Greater => Some(Operator::Greater),
            Lexeme::AtLeast => Some(Operator::AtLeast),
            _ => None,
        };
        if let Some(operator) = compare {
            self.advance()?;
            return Ok(is(operator, vec![self.literal()?]));
        }
        if self.takes("IS")? {
            let not = self.takes("NOT")?;
            let expected = if not {
                Expected::Null
            } else {
                Expected::NotNull
            };
            self.keyword("NULL", expected)?;
            let present = is(Operator::Null, Vec::new());
            return Ok(if not { present } else { negated(present) });
        }
        let not = self.takes("NOT")?;
        let (operator, literals) = if self.takes("LIKE")? {
            (Operator::Like, vec![self.literal()?])
        } else if self.takes("BETWEEN")? {
            let first = self.literal()?;
            self.keyword("AND", Expected::And)?;
            (Operator::Between, vec![first, self.literal()?])
        } else if self.takes("IN")? {
            (Operator::In, self.list()?)
        } else if not {
            return Err(self.expected(Expected::AfterNot));
        } else {
            return Err(self.expected(Expected::Operator));
        };
        let tree = is(operator, literals);
        Ok(if not { negated(tree) } else { tree })
    }

    fn list(&mut self) -> Result<Vec<Literal>, QueryError> {
        self.symbol(&Lexeme::Open, Expected::Open)?;
        let mut list = vec![self.literal()?];
        while self.token.lexeme == Lexeme::Comma {
            self.advance()?;
            if list.len() == limits::QUERY_LIST {
                return Err(QueryError::ListTooLong { at: self.token.at });
            }
            list.push(self.literal()?);
        }
        self.symbol(&Lexeme::Close, Expected::CommaOrClose)?;
        Ok(list)
    }

    fn literal(&mut self) -> Result<Literal, QueryError> {
        let at = self.token.at;
        let Lexeme::Literal(text) = &mut self.token.lexeme else {
            return Err(self.expected(Expected::Literal));
        };
        let text = std::mem::take(text);
        self.advance()?;
        Ok(Literal { text, at })
    }

    fn word(&mut self, expected: Expected) -> Result<Word<'t>, QueryError> {
        match self.token {
            Token {
                lexeme: Lexeme::Word(text),
                at,
            } if keyword(text).is_none() => {
                self.advance()?;
                Ok(Word { text, at })
            }
            _ => Err(self.expected(expected)),
        }
    }

    /// Takes a keyword that may stand here.
    fn takes(&mut self, word: &str) -> Result<bool, QueryError> {
        let is_there =
            matches!(self.token.lexeme, Lexeme::Word(found) if keyword(found) == Some(word));
        if is_there {
            self.advance()?;
        }
        Ok(is_there)
    }

    /// Takes a keyword that must stand here.
    fn keyword(&mut self, word: &str, expected: Expected) -> Result<(), QueryError> {
        if self.takes(word)? {
            Ok(())
        } else {
            Err(self.expected(expected))
        }
    }

    fn symbol(&mut self, lexeme: &Lexeme<'_>, expected: Expected) -> Result<(), QueryError> {
        if self.token.lexeme == *lexeme {
            self.advance()
        } else {
            Err(self.expected(expected))
        }
    }

    fn advance(&mut self) -> Result<(), QueryError> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn expected(&self, expected: Expected) -> QueryError {
        let found = match self.token.lexeme {
            Lexeme::End => Found::End,
            Lexeme::Word(word) => keyword(word).map_or(Found::Word, Found::Keyword),
            Lexeme::Literal(_) => Found::Literal,
            _ => Found::Symbol,
        };
        QueryError::Expected {
            at: self.token.at,
            expected,
            found,
        }
    }
}

fn negated(tree: Tree<'_>) -> Tree<'_> {
    Tree::Not(Box::new(tree))
}

fn one_or<'t>(mut terms: Vec<Tree<'t>>, several: fn(Vec<Tree<'t>>) -> Tree<'t>) -> Tree<'t> {
    match (terms.len(), terms.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            terms.extend(last);
            several(terms)
        }
    }
}

//! The tree of names and literals becomes a query over the field table: nodes become fields, and
//! literals what those fields can hold.

use super::error::{Holds, Operator, QueryError};
use super::names::{self, Asked, Node};
use super::parse::{Claim, Literal, Syntax, Tree};
use super::{Bound, Condition, Pattern, Predicate, Query, Test};
use crate::base::period::Period;
use crate::base::swedish;
use crate::person::identity::{Formats, Identity, IdentityType};
use crate::person::schema::Kind;
use crate::person::typed;

/// Resolves a query.
pub fn resolve(syntax: &Syntax<'_>, formats: &Formats) -> Result<Query, QueryError> {
    let root = names::root(syntax.root)?;
    let claims = |claim: &Claim<'_>| {
        let node = names::node(root, claim.node)?;
        let asked = Question {
            node,
            claim,
            formats,
        };
        Ok(Condition::Is(Predicate {
            field: node.field,
            test: asked.test()?,
            at: claim.node.at,
        }))
    };
    let condition = condition(&syntax.condition, &claims)?;
    Ok(Query { root, condition })
}

fn condition<'t>(
    tree: &Tree<'t>,
    claims: &impl Fn(&Claim<'t>) -> Result<Condition, QueryError>,
) -> Result<Condition, QueryError> {
    let all = |terms: &[Tree<'t>]| -> Result<Vec<Condition>, QueryError> {
        terms.iter().map(|term| condition(term, claims)).collect()
    };
    Ok(match tree {
        Tree::All(terms) => Condition::All(all(terms)?),
        Tree::Any(terms) => Condition::Any(all(terms)?),
        Tree::Not(term) => Condition::Not(Box::new(condition(term, claims)?)),
        Tree::Is(claim) => return claims(claim),
    })
}

/// A claim about a node that is known.
struct Question<'q, 't> {
    node: Node,
    claim: &'q Claim<'t>,
    formats: &'q Formats,
}

type Span = (i64, i64);

impl Question<'_, '_> {
    fn test(&self) -> Result<Test, QueryError> {
        let literals = &self.claim.literals;
        match (self.claim.operator, self.holds()) {
            (Operator::Null, _) => Ok(Test::Present),
            (Operator::Like, None | Some(Holds::Number | Holds::Identity)) => {
                self.like(&literals[0])
            }
            (_, None) => Ok(self.text()),
            (_, Some(holds)) => {
                let ordered = matches!(holds, Holds::Number | Holds::Date | Holds::Moment);
                let spans = match self.claim.operator {
                    _ if holds == Holds::Nodes => return Err(self.wrong_operator(holds)),
                    Operator::Equal | Operator::In | Operator::Different => self.equal(holds)?,
                    Operator::Like => return Err(self.wrong_operator(holds)),
                    _ if !ordered => return Err(self.wrong_operator(holds)),
                    _ => self.ordered(holds)?,
                };
                Ok(Test::Within(joined(spans)))
            }
        }
    }

    /// What the node holds; `None` for text.
    fn holds(&self) -> Option<Holds> {
        match (self.node.asked, self.node.field.kind()) {
            (Asked::Root, _) => Some(Holds::Oid),
            (Asked::Type, _) => Some(Holds::Type),
            (Asked::Value, Kind::Group) => Some(Holds::Nodes),
            (Asked::Value, Kind::Text) => None,
            (Asked::Value, Kind::Number) => Some(Holds::Number),
            (Asked::Value, Kind::Boolean) => Some(Holds::Truth),
            (Asked::Value, Kind::Date | Kind::PartialDate) => Some(Holds::Date),
            (Asked::Value, Kind::DateTime | Kind::Timestamp) => Some(Holds::Moment),
            (Asked::Value, Kind::Identity) => Some(Holds::Identity),
        }
    }

    fn text(&self) -> Test {
        let mut texts: Vec<String> = self.claim.literals.iter().map(folded).collect();
        let bound = |text, inclusive| Some(Bound { text, inclusive });
        match self.claim.operator {
            Operator::Equal | Operator::In | Operator::Like | Operator::Null => {
                texts.sort_unstable();
                texts.dedup();
                Test::OneOf(texts)
            }
            Operator::Different => Test::Differs(texts.remove(0)),
            Operator::Less => Test::Between(None, bound(texts.remove(0), false)),
            Operator::AtMost => Test::Between(None, bound(texts.remove(0), true)),
            Operator::Greater => Test::Between(bound(texts.remove(0), false), None),
            Operator::AtLeast => Test::Between(bound(texts.remove(0), true), None),
            Operator::Between => {
                let first = texts.remove(0);
                Test::Between(bound(first, true), bound(texts.remove(0), true))
            }
        }
    }

    fn like(&self, literal: &Literal) -> Result<Test, QueryError> {
        let identity = match self.holds() {
            None => {
                let pattern =
                    Pattern::parse(&literal.text, |text| swedish::fold(text).into_owned());
                return Ok(match pattern.literal() {
                    Some(text) => Test::OneOf(vec![text.to_owned()]),
                    None => Test::Like(pattern),
                });
            }
            Some(holds) => holds == Holds::Identity,
        };
        // Digits and identities are kept without what people put between them.
        let bare = |text: &str| -> String {
            if identity {
                typed::bare(text)
            } else {
                text.chars().filter(|c| !c.is_whitespace()).collect()
            }
        };
        let pattern = Pattern::parse(&literal.text, |text| bare(text).to_lowercase());
        if pattern.literal().is_some() {
            return self
                .equal(if identity {
                    Holds::Identity
                } else {
                    Holds::Number
                })
                .map(|spans| Test::Within(joined(spans)));
        }
        if !identity || !pattern.is_prefix() {
            return Ok(Test::Like(pattern));
        }
        let spans: Vec<Span> = self
            .formats
            .spans_of_typed_prefix(pattern.prefix())
            .into_iter()
            .map(span_of_keys)
            .collect();
        if spans.is_empty() {
            return Err(self.wrong_literal(literal, Holds::Identity));
        }
        Ok(Test::Within(joined(spans)))
    }

    /// The spans of `=`, IN and `!=`.
    fn equal(&self, holds: Holds) -> Result<Vec<Span>, QueryError> {
        let mut spans = Vec::new();
        for literal in &self.claim.literals {
            spans.extend(self.spans(literal, holds)?);
        }
        if self.claim.operator != Operator::Different {
            return Ok(spans);
        }
        let all = if holds == Holds::Truth {
            (0, 1)
        } else {
            (i64::MIN, i64::MAX)
        };
        Ok(others(all, &joined(spans)))
    }

    /// The spans of what has an order: a literal is one span, and the order is that of its ends.
    fn ordered(&self, holds: Holds) -> Result<Vec<Span>, QueryError> {
        let ends = |literal: &Literal| {
            let spans = self.spans(literal, holds)?;
            let span = spans.first().copied();
            span.ok_or_else(|| self.wrong_literal(literal, holds))
        };
        let (first, last) = ends(&self.claim.literals[0])?;
        let span = match (self.claim.operator, self.claim.literals.get(1)) {
            (Operator::Less, _) => first.checked_sub(1).map(|before| (i64::MIN, before)),
            (Operator::AtMost, _) => Some((i64::MIN, last)),
            (Operator::Greater, _) => last.checked_add(1).map(|after| (after, i64::MAX)),
            (_, Some(to)) => Some((first, ends(to)?.1)),
            (_, None) => Some((first, i64::MAX)),
        };
        Ok(span.into_iter().collect())
    }

    /// What one literal stands for.
    fn spans(&self, literal: &Literal, holds: Holds) -> Result<Vec<Span>, QueryError> {
        let text = literal.text.trim();
        let one = |span: Option<Span>| span.map(|span| vec![span]);
        let spans = match holds {
            Holds::Nodes => None,
            Holds::Number => {
                let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
                one(digits.parse().ok().map(|number| (number, number)))
            }
            Holds::Truth => one(match text {
                "1" => Some((1, 1)),
                "0" => Some((0, 0)),
                _ if text.eq_ignore_ascii_case("true") => Some((1, 1)),
                _ if text.eq_ignore_ascii_case("false") => Some((0, 0)),
                _ => None,
            }),
            Holds::Date => one(Period::parse(text).and_then(Period::dates)),
            Holds::Moment => {
                let period = Period::parse(text);
                one(match self.node.field.kind() {
                    Kind::Timestamp => period.and_then(Period::timestamps),
                    _ => period.and_then(Period::instants),
                })
            }
            Holds::Identity => Some(self.identities(text)).filter(|spans| !spans.is_empty()),
            Holds::Type | Holds::Oid => {
                let spans = self.types(text, holds);
                if spans.is_empty() {
                    return Err(self.unknown_type(literal));
                }
                Some(spans)
            }
        };
        spans.ok_or_else(|| self.wrong_literal(literal, holds))
    }

    /// The identities that a value is: one for each format it is well-formed in, or the number that
    /// ten digits stand for.
    fn identities(&self, text: &str) -> Vec<Span> {
        self.formats
            .readings(text)
            .into_iter()
            .map(|identity| span_of_keys((identity, identity)))
            .collect()
    }

    /// The formats of an identity type.
    fn types(&self, text: &str, holds: Holds) -> Vec<Span> {
        let all_local = holds == Holds::Type && text.eq_ignore_ascii_case(LRID);
        self.formats
            .rows()
            .filter(|row| {
                let (first, _) = Identity::span_of_format(row.number);
                match holds {
                    Holds::Oid => row.root == text,
                    _ if all_local => first.kind() == IdentityType::Lrid,
                    _ => row.short_name.eq_ignore_ascii_case(text),
                }
            })
            .map(|row| span_of_keys(Identity::span_of_format(row.number)))
            .collect()
    }

    fn unknown_type(&self, literal: &Literal) -> QueryError {
        let mut known: Vec<String> = self
            .formats
            .rows()
            .map(|row| row.short_name.clone())
            .collect();
        // The name of all local types stands before theirs.
        known.insert(known.len().min(3), LRID.to_owned());
        QueryError::UnknownType {
            at: literal.at,
            known,
        }
    }

    fn wrong_operator(&self, holds: Holds) -> QueryError {
        QueryError::WrongOperator {
            at: self.claim.operator_at,
            node: self.node.path(),
            operator: self.claim.operator,
            holds,
        }
    }

    fn wrong_literal(&self, literal: &Literal, holds: Holds) -> QueryError {
        QueryError::WrongLiteral {
            at: literal.at,
            node: self.node.path(),
            holds,
        }
    }
}

const LRID: &str = "LRID";

fn folded(literal: &Literal) -> String {
    swedish::fold(&literal.text).into_owned()
}

fn span_of_keys((first, last): (Identity, Identity)) -> Span {
    (first.key().cast_signed(), last.key().cast_signed())
}

/// The same numbers in spans that are in order and do not touch.
fn joined(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|(first, last)| first <= last);
    spans.sort_unstable();
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

/// What `all` has beside spans that are in order.
fn others((first, last): Span, spans: &[Span]) -> Vec<Span> {
    let mut others = Vec::with_capacity(spans.len() + 1);
    let mut from = Some(first);
    for (begin, end) in spans {
        if let (Some(from), Some(to)) = (from, begin.checked_sub(1)) {
            others.push((from, to));
        }
        from = end.checked_add(1);
    }
    others.extend(from.map(|from| (from, last)));
    others
}

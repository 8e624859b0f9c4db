//! Text becomes tokens, each with its position in characters from 1.

use super::error::QueryError;

/// What a token is.
#[derive(Clone, PartialEq, Eq)]
pub enum Lexeme<'t> {
    /// A keyword, a node, or a value whose quotes were forgotten.
    Word(&'t str),
    /// The text between quotes.
    Literal(String),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// `=`
    Equal,
    /// `!=` or `<>`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// The end of the text.
    End,
}

/// A token.
pub struct Token<'t> {
    /// What it is.
    pub lexeme: Lexeme<'t>,
    /// Where it begins, in characters from 1.
    pub at: usize,
}

/// Takes a text apart.
pub struct Lexer<'t> {
    rest: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    /// Before the first token.
    pub const fn new(text: &'t str) -> Self {
        Self { rest: text, at: 1 }
    }

    /// The next token; after the last, [`Lexeme::End`] for ever.
    pub fn next(&mut self) -> Result<Token<'t>, QueryError> {
        let ends = |c: char| !c.is_whitespace();
        self.take(self.rest.find(ends).unwrap_or(self.rest.len()));
        let at = self.at;
        let lexeme = match self.rest.chars().next() {
            None => Lexeme::End,
            Some(quote @ ('\'' | '"')) => self.literal(quote)?,
            Some(first) if is_of_word(first) => {
                let ends = |c: char| !is_of_word(c);
                Lexeme::Word(self.take(self.rest.find(ends).unwrap_or(self.rest.len())))
            }
            Some(
                '‘' | '’' | '‚' | '‛' | '“' | '”' | '„' | '‟' | '«' | '»' | '‹' | '›' | '´' | '`'
                | '′' | '″',
            ) => return Err(QueryError::TypographicQuote { at }),
            Some(_) => self.symbol().ok_or(QueryError::Character { at })?,
        };
        Ok(Token { lexeme, at })
    }

    fn symbol(&mut self) -> Option<Lexeme<'t>> {
        const SYMBOLS: [(&str, Lexeme<'_>); 11] = [
            ("!=", Lexeme::Different),
            ("<>", Lexeme::Different),
            ("<=", Lexeme::AtMost),
            (">=", Lexeme::AtLeast),
            ("<", Lexeme::Less),
            (">", Lexeme::Greater),
            ("=", Lexeme::Equal),
            ("(", Lexeme::Open),
            (")", Lexeme::Close),
            (",", Lexeme::Comma),
            (";", Lexeme::Semicolon),
        ];
        let (symbol, lexeme) = SYMBOLS
            .into_iter()
            .find(|(symbol, _)| self.rest.starts_with(symbol))?;
        self.take(symbol.len());
        Some(lexeme)
    }

    fn literal(&mut self, quote: char) -> Result<Lexeme<'t>, QueryError> {
        let at = self.at;
        let mut text = String::new();
        self.take(1);
        loop {
            let end = self.rest.find(quote).ok_or(QueryError::Unclosed { at })?;
            text.push_str(self.take(end));
            self.take(1);
            if !self.rest.starts_with(quote) {
                return Ok(Lexeme::Literal(text));
            }
            text.push(quote);
            self.take(1);
        }
    }

    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        self.at += taken.chars().count();
        taken
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

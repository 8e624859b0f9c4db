//! An error with its causes, for lines that are logged: what failed, and why the system says so.

use std::error::Error;
use std::fmt;

/// Shows an error and what caused it, each once.
pub struct Causes<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !told.contains(&text) {
                told = format!("{told}: {text}");
            }
            cause = error.source();
        }
        out.write_str(&told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it")]
    struct Quiet(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read it: {0}")]
    struct Loud(#[source] std::io::Error);

    #[test]
    fn each_cause_is_told_once() {
        let io = || std::io::Error::other("it is broken");
        for error in [&Quiet(io()) as &(dyn Error + 'static), &Loud(io())] {
            assert_eq!(Causes(error).to_string(), "cannot read it: it is broken");
        }
    }
}

//! How errors are told: what failed, then why, each once.

use std::error::Error;
use std::fmt;

/// An error with its causes, for people: `cannot read x: No such file`. The one way to tell errors:
/// no error's own text has to repeat its cause, and a cause that was told already is passed over.
pub struct Told<'e>(pub &'e (dyn Error + 'static));

impl fmt::Display for Told<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        for cause in chain(self.0).skip(1) {
            let more = cause.to_string();
            if !said.contains(&more) {
                said += ": ";
                said += &more;
            }
        }
        out.write_str(&said)
    }
}

/// An error and its causes, one after another.
pub fn chain<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("cannot read it")]
        Quiet(#[from] Inner),
        #[error("cannot read it: {0}")]
        Twice(#[source] Inner),
        #[error(transparent)]
        Through(Inner),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Inner(#[source] std::io::Error);

    #[test]
    fn every_cause_is_told_once() {
        let inner = || Inner(std::io::Error::other("no room"));
        for outer in [Outer::Quiet(inner()), Outer::Twice(inner())] {
            assert_eq!(
                Told(&outer).to_string(),
                "cannot read it: the disk is full: no room"
            );
        }
        let through = Told(&Outer::Through(inner())).to_string();
        assert_eq!(through, "the disk is full: no room");
    }
}

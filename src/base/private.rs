//! A value that must not be printed.

use std::fmt;

/// Holds a personal value on its way through code that logs or fails. `Debug` prints `[private]`;
/// there is no `Display` and no `Serialize`, so the only way out is [`Private::reveal`], which is
/// easy to search for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Private<T>(T);

impl<T> Private<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: every call is a place where personal data leaves the wrapper.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Private<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[private]")
    }
}

#[cfg(test)]
mod tests {
    use super::Private;

    #[test]
    fn debug_never_shows_the_value() {
        let held = Private::new("TESTGATAN 1");
        assert_eq!(format!("{held:?}"), "[private]");
        assert_eq!(format!("{:?}", Some(&held)), "Some([private])");
        assert_eq!(*held.reveal(), "TESTGATAN 1");
    }
}

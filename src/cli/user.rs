//! Who sits at the machine: the system user that a command runs as.

use nix::unistd::{Uid, User, getuid};

use crate::store::entry::Origin;

/// A system user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SystemUser {
    /// Its number: what the system goes by.
    pub number: u32,
    /// Its name, when the system has one for the number.
    pub name: Option<String>,
}

impl SystemUser {
    /// Who runs this process. The environment is not asked: anybody can say anything there.
    pub fn of_this_process() -> Self {
        Self::of_number(getuid().as_raw())
    }

    /// Who logged in, whoever they have become since; `None` when the system does not tell.
    pub fn of_login() -> Option<Self> {
        /// Of a process that nobody logged in for.
        const NOBODY: u32 = u32::MAX;
        let told = std::fs::read_to_string("/proc/self/loginuid").ok()?;
        let number = told.trim().parse().ok().filter(|it| *it != NOBODY)?;
        Some(Self::of_number(number))
    }

    /// Where an entry of the log comes from that this process writes, and why.
    pub fn did(by: &str, because: String) -> Origin {
        let user = Self::of_this_process().told();
        Origin {
            by: by.to_owned(),
            actor: Some(("system user".to_owned(), user)),
            correlation: Some(because),
            ..Origin::default()
        }
    }

    fn of_number(number: u32) -> Self {
        let found = User::from_uid(Uid::from_raw(number)).ok().flatten();
        Self {
            number,
            name: found.map(|it| it.name),
        }
    }

    /// The name and the number, as the audit and the log tell them.
    pub fn told(&self) -> String {
        let name = self.name.as_deref().unwrap_or("?");
        format!("uid:{}:{name}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_always_told() {
        let told = SystemUser::of_this_process().told();
        assert!(told.starts_with(&format!("uid:{}:", getuid())), "{told}");
        let unknown = SystemUser {
            number: 77,
            name: None,
        };
        assert_eq!(unknown.told(), "uid:77:?");
    }
}

//! Who sits at the machine: the system user that a command runs as.

use nix::unistd::{User, getuid};

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
        let number = getuid();
        Self {
            number: number.as_raw(),
            name: User::from_uid(number).ok().flatten().map(|it| it.name),
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

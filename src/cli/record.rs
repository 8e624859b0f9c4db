//! What the operator reads on the machine itself is recorded before it is shown, as what a service
//! discloses is: by whom, whom it was asked for, who was shown.

use std::time::Duration;

use super::Failure;
use super::config::Config;
use super::user::SystemUser;
use crate::access::audit::{Audit, Entry, Fate, Keeping};
use crate::base::limits::IDENTITIES_PER_REQUEST;
use crate::person::identity::Identity;
use crate::wire::disclosed::Disclosed;

/// What the record says of what was shown.
pub const SHOWN: &str = "ok";

/// Records entries of the operator. When this returns well, what they tell of may be shown.
pub fn record(config: &Config, disclosed: &Disclosed, entry: Entry<'_>) -> Result<(), Failure> {
    if !config.audit.record {
        return Ok(());
    }
    let keeping = Keeping {
        file_bytes: config.audit.file_bytes,
        // Whatever comes next, the entry is on the disk.
        sync: Duration::ZERO,
    };
    let audit = Audit::open_for_operator(&config.audit_folder(), keeping)?;
    let mut pen = audit.pen()?;
    let (user, login) = (SystemUser::of_this_process(), SystemUser::of_login());
    let (who, via) = (
        user.told(),
        login.filter(|it| *it != user).map(|it| it.told()),
    );
    let mut tickets = Vec::new();
    for (asked, shown) in in_pieces(disclosed) {
        tickets.push(pen.note(&Entry {
            consumer: Some(&who),
            via: via.as_deref(),
            asked,
            shown,
            ..entry
        }));
        pen.write()?;
    }
    if tickets.iter().all(|it| it.fate() == Fate::Written) {
        return Ok(());
    }
    Err("the audit takes no entry of this: nothing is shown".into())
}

/// Those who were asked about and those who were shown, as many at a time as an entry holds.
fn in_pieces(disclosed: &Disclosed) -> Vec<(&[Identity], &[Identity])> {
    let mut asked = disclosed.asked.chunks(IDENTITIES_PER_REQUEST);
    let mut shown = disclosed.shown.chunks(IDENTITIES_PER_REQUEST);
    let mut pieces = vec![(
        asked.next().unwrap_or_default(),
        shown.next().unwrap_or_default(),
    )];
    loop {
        match (asked.next(), shown.next()) {
            (None, None) => return pieces,
            (more, others) => pieces.push((more.unwrap_or_default(), others.unwrap_or_default())),
        }
    }
}

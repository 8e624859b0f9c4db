//! One identity in, the record that answers for it out.

use crate::person::identity::Identity;
use crate::person::record::Damaged;
use crate::person::view::{Grant, Shield, View, restrict};
use crate::store::state::State;

/// Whose record answers for a linked identity (`ignoreReferredIdentity` in the contracts).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Follow {
    /// The main identity's.
    MainIdentity,
    /// Its own.
    Nothing,
}

/// The record that answers for `identity`, as `grant` shows it. The protection of the identity
/// asked for counts as much as that of the record shown.
pub fn lookup<'s>(
    state: &'s State,
    identity: Identity,
    grant: &Grant,
    follow: Follow,
) -> Result<Option<View<'s>>, Damaged> {
    let Some(asked) = state.record(identity)? else {
        return Ok(None);
    };
    if follow == Follow::MainIdentity
        && let Some(main) = asked.main_identity()?
        && let Some(record) = state.record(main)?
    {
        return Ok(Some(restrict(record, grant, asked.shield())));
    }
    Ok(Some(restrict(asked, grant, Shield::NONE)))
}

/// Records fetched at the same time: memory has no room for more open questions.
const AT_ONCE: usize = 16;

/// The same for many identities, one after the other, each beside what answers for it.
pub fn lookup_each<'s>(
    state: &'s State,
    identities: &[Identity],
    grant: &Grant,
    follow: Follow,
) -> impl Iterator<Item = (Identity, Result<Option<View<'s>>, Damaged>)> {
    identities.chunks(AT_ONCE).flat_map(move |some| {
        if let Ok(all) = <&[Identity; AT_ONCE]>::try_from(some) {
            state.fetch(all);
        }
        let answer = move |&identity| (identity, lookup(state, identity, grant, follow));
        some.iter().map(answer)
    })
}

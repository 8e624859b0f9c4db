//! Who is at the other end of a connection.

use crate::access::hsa::HsaId;

/// The other end.
pub enum Peer {
    /// A program on this machine.
    Local,
}

impl Peer {
    /// The system its certificate names.
    pub const fn hsa(&self) -> Option<&HsaId> {
        None
    }
}

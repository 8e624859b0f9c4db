//! How many connections each remote address has open, so that nobody takes all the room.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::DashMap;

/// The connections that are open, by where they came from.
#[derive(Default)]
pub struct Callers {
    open: DashMap<From, usize>,
    refused: AtomicU64,
}

/// Where a connection came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum From {
    /// The unix socket.
    Here,
    /// An address; of IPv6 the network, since whoever has one address there has all of them.
    Address(IpAddr),
}

impl From {
    pub(super) fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                let network = u128::from(address) >> 64 << 64;
                Ipv6Addr::from(network).into()
            }
            address => address,
        })
    }
}

/// A connection's place, given back when dropped.
pub(super) struct Place {
    callers: Arc<Callers>,
    from: From,
}

impl Callers {
    /// Connections that were closed at once, because their address, or the process, had as many as it may.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A connection was closed at once, because the process has as many as it may.
    pub(super) fn refuse(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A place among `most` of one address; 0 is no limit.
    pub(super) fn take(self: &Arc<Self>, from: From, most: usize) -> Option<Place> {
        {
            let mut open = self.open.entry(from).or_default();
            if most > 0 && *open >= most {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            *open += 1;
        }
        Some(Place {
            callers: Arc::clone(self),
            from,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(mut open) = self.callers.open.get_mut(&self.from) {
            *open -= 1;
        }
        // The table must not grow with everybody who ever came.
        self.callers
            .open
            .remove_if(&self.from, |_, open| *open == 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_leaves_nothing_behind() {
        let callers = Arc::new(Callers::default());
        let from = |text: &str| From::address(text.parse().unwrap());
        let first = callers.take(from("192.0.2.1"), 2);
        let mapped = callers.take(from("::ffff:192.0.2.1"), 2);
        assert!(first.is_some() && mapped.is_some());
        assert!(callers.take(from("192.0.2.1"), 2).is_none());
        assert!(callers.take(from("192.0.2.2"), 2).is_some());
        assert!(callers.take(from("192.0.2.1"), 0).is_some(), "no limit");
        drop(first);
        let again = callers.take(from("192.0.2.1"), 2);
        assert!(again.is_some(), "a place was given back");
        assert_eq!(callers.refused(), 1);
        drop((mapped, again));
        assert!(callers.open.is_empty());
        let one = callers.take(from("2001:db8::1"), 1);
        assert!(one.is_some() && callers.take(from("2001:db8::2"), 1).is_none());
    }
}

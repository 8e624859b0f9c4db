//! File descriptors: as many as the system gives, and some kept back, so that the service can go on with
//! its own files, and say how it is, when connections have taken all the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::base::limits;

/// How many connections the process can have open, and has.
pub struct Descriptors {
    most: u64,
    open: AtomicU64,
}

/// An open connection's descriptor, given back when dropped.
pub(super) struct Taken {
    of: Arc<Descriptors>,
    /// It is one of those kept back: only questions how the service is are answered on it.
    pub is_spare: bool,
}

/// Takes as many descriptors as the system gives: how many there may be.
fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Where more cannot be had, there are as many as there were.
    let raised = soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok();
    Ok(if raised { hard } else { soft })
}

/// The system lets the process open fewer files than the service itself needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process may open {all} files, and the service needs {needed} before the first connection \
     (ulimit -n, LimitNOFILE)"
)]
pub struct TooFewDescriptors {
    /// As many as there are.
    pub all: u64,
    /// As many as are needed.
    pub needed: u64,
}

impl Descriptors {
    /// All that the system gives; `wanted` is how many connections the settings allow. What the system
    /// does not give is told; so few that the service cannot keep its own files open are refused.
    pub fn take(threads: usize, wanted: u64) -> Result<Self, TooFewDescriptors> {
        let all = raise().unwrap_or(limits::DESCRIPTORS_ASSUMED);
        let own = limits::DESCRIPTORS_KEPT + threads as u64 * limits::DESCRIPTORS_PER_THREAD;
        let needed = own + 1;
        if all < needed {
            return Err(TooFewDescriptors { all, needed });
        }
        let most = all - own;
        if wanted > most {
            tracing::warn!(
                setting = "limits.connections_per_thread",
                connections = wanted,
                descriptors = all,
                served = most,
                "the settings allow more connections than the process may open files (ulimit -n, \
                 LimitNOFILE): those beyond are refused"
            );
        }
        Ok(Self::of(most))
    }

    fn of(most: u64) -> Self {
        let open = AtomicU64::new(0);
        Self { most, open }
    }

    /// Connections that can be open at once.
    pub const fn most(&self) -> u64 {
        self.most
    }

    /// One for a connection; nothing when not even a spare one is left.
    pub(super) fn connection(self: &Arc<Self>) -> Option<Taken> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let taken = Taken {
            of: Arc::clone(self),
            is_spare: before >= self.most,
        };
        (before < self.most + limits::SPARE_CONNECTIONS).then_some(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.of.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_back_and_given_back() {
        let descriptors = Arc::new(Descriptors::of(2));
        let usual = [descriptors.connection(), descriptors.connection()];
        assert!(usual.iter().flatten().all(|it| !it.is_spare));
        let spare: Vec<_> = (0..limits::SPARE_CONNECTIONS)
            .map(|_| descriptors.connection().unwrap())
            .collect();
        assert!(spare.iter().all(|it| it.is_spare));
        assert!(descriptors.connection().is_none());
        drop(usual);
        drop(spare);
        assert!(!descriptors.connection().unwrap().is_spare);
    }

    #[test]
    fn as_many_are_taken_as_there_are() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(raise().unwrap(), hard);
    }
}

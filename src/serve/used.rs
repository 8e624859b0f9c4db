//! Processor time used for a consumer: measured around what is done for it, and taken out of its
//! allowance when that ends, however it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::access::usage::Usage;

/// Work for a consumer, paid for when dropped.
pub struct Used {
    usage: Arc<Usage>,
    began: Began,
}

/// When it began, by one of two clocks.
enum Began {
    /// The clock on the wall. Costs nothing to look at, and is right where nothing takes long.
    Wall(Instant),
    /// What the thread has used, whoever else has had the processor meanwhile.
    Thread(Duration),
}

impl Used {
    /// Work of a moment, on a thread that serves.
    pub fn at_once(usage: &Arc<Usage>) -> Self {
        Self {
            usage: Arc::clone(usage),
            began: Began::Wall(Instant::now()),
        }
    }

    /// Work that may take long, on a thread of its own.
    pub fn apart(usage: &Arc<Usage>) -> Self {
        Self {
            usage: Arc::clone(usage),
            began: Began::Thread(of_thread()),
        }
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        self.usage.pay(match self.began {
            Began::Wall(began) => began.elapsed(),
            Began::Thread(began) => of_thread().saturating_sub(began),
        });
    }
}

/// Processor time that this thread has used.
fn of_thread() -> Duration {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(used).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::consumers::Consumer;

    #[test]
    fn what_is_done_is_paid_for_also_when_it_breaks_off() {
        let usage = Arc::new(Usage::new(Consumer::UNLIMITED));
        let work = || (0..100_000_u64).map(std::hint::black_box).sum::<u64>();
        for used in [Used::at_once, Used::apart] {
            let before = usage.cpu();
            let broken = std::panic::catch_unwind(|| {
                let _used = used(&usage);
                assert_eq!(work(), 1, "as it should");
            });
            assert!(broken.is_err() && usage.cpu() > before);
        }
    }
}

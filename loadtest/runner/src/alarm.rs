//! An alarm clock that is right to some microseconds. The timers of tokio are rounded up to whole
//! milliseconds, which is many times what a lookup takes: requests sent that late would be measured
//! as slow.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A timer of the kernel.
pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    /// A timer that is not set. Within a runtime.
    #[expect(
        deprecated,
        reason = "its successor is unsafe for types that may change their descriptor: this one cannot"
    )]
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        AsyncFd::with_interest(timer, Interest::READABLE).map(Self)
    }

    /// Waits until a moment; not at all when it has passed.
    pub async fn until(&mut self, moment: Instant) -> io::Result<()> {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: left.as_secs().cast_signed(),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut expirations)?));
            if let Ok(read) = read {
                // It rings once only: there is nothing more to read before it is set again.
                ready.clear_ready();
                return read.map(|_| ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_alarm_is_never_early_and_finer_than_a_millisecond() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let mut alarm = Alarm::new().unwrap();
            let mut best = Duration::MAX;
            for _ in 0..50 {
                let due = Instant::now() + Duration::from_micros(300);
                alarm.until(due).await.unwrap();
                let now = Instant::now();
                assert!(now >= due);
                best = best.min(now - due);
            }
            // Other work may disturb many of fifty, not all.
            assert!(best < Duration::from_micros(500), "{best:?}");
            let passed = Instant::now();
            alarm.until(passed).await.unwrap();
        });
    }
}

//! Shedding: when a thread falls behind its work, some of what comes in is sent away at once, so
//! that what is let in is still answered in time.
//!
//! A task on each serving thread sleeps for a moment and sees how late it is woken: that is how long
//! anything waits for its turn. When even the shortest wait of a while is too long, a growing part of
//! the calls is sent away (503 and Retry-After); when it is short again, fewer and fewer are.

use std::cell::Cell;
use std::time::{Duration, Instant};

use metrics::Gauge;

use super::App;
use crate::wire::fault::HttpRefusal;

/// How often a thread is looked at, and how many looks make a while.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: u32 = 10;

/// What a thread does about its load: parts of 256 that are sent away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Shedding(u8);

impl Shedding {
    /// The most that is sent away: one in eight is always tried.
    const MOST: u8 = 224;
    const STEP: u8 = 32;

    /// What follows when the shortest wait of a while was so long.
    const fn after(self, shortest: Duration, patience: Duration) -> Self {
        if shortest.as_nanos() > patience.as_nanos() {
            let more = self.0.saturating_add(Self::STEP);
            return Self(if more > Self::MOST { Self::MOST } else { more });
        }
        // Back more slowly than up, so that it does not swing.
        Self(self.0.saturating_sub(Self::STEP / 4))
    }
}

thread_local! {
    static SHEDDING: Cell<Shedding> = const { Cell::new(Shedding(0)) };
    /// Goes round with the calls, in steps that spread those sent away evenly.
    static TURN: Cell<u8> = const { Cell::new(0) };
}

/// Whether there is time for one more call.
pub fn has_time(app: &App) -> Result<(), HttpRefusal> {
    let part = SHEDDING.get().0;
    if part == 0 {
        return Ok(());
    }
    let turn = TURN.get().wrapping_add(97);
    TURN.set(turn);
    if turn < part {
        app.metrics.shed();
        return Err(HttpRefusal::Overloaded);
    }
    Ok(())
}

/// Watches the thread it runs on, for as long as that serves.
pub async fn watch_load(patience: Duration, lag: Gauge) {
    let mut shortest = Duration::MAX;
    let mut looks = 0;
    loop {
        let slept = Instant::now();
        tokio::time::sleep(LOOK).await;
        shortest = shortest.min(slept.elapsed().saturating_sub(LOOK));
        looks += 1;
        if looks == LOOKS {
            SHEDDING.set(SHEDDING.get().after(shortest, patience));
            lag.set(shortest.as_secs_f64());
            (shortest, looks) = (Duration::MAX, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_sent_away_while_the_wait_is_long_and_less_when_it_is_short() {
        let patience = Duration::from_millis(50);
        let mut shedding = Shedding::default();
        assert_eq!(shedding.after(patience, patience), Shedding(0));
        for _ in 0..20 {
            let next = shedding.after(patience * 2, patience);
            assert!(next.0 > shedding.0 || next.0 == Shedding::MOST);
            shedding = next;
        }
        assert_eq!(shedding.0, Shedding::MOST, "some are always tried");
        let mut whiles = 0;
        while shedding != Shedding(0) {
            shedding = shedding.after(Duration::from_millis(1), patience);
            whiles += 1;
        }
        assert!(whiles > 20);
    }

    #[test]
    fn those_sent_away_are_spread_evenly() {
        let mut turn = 0_u8;
        let mut sent_away = 0;
        for _ in 0..256 {
            turn = turn.wrapping_add(97);
            sent_away += u32::from(turn < 64);
        }
        assert_eq!(sent_away, 64);
    }
}

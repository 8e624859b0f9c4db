//! Work on all cores whose results come in order.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam::channel::bounded;

/// Does `work` on every item, on as many threads as there are cores, and hands the results to `take`
/// in the order of the items. Ends early when `take` fails.
pub fn in_order<T, U, E>(
    items: impl Iterator<Item = T> + Send,
    work: impl Fn(T) -> U + Sync,
    mut take: impl FnMut(U) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    U: Send,
{
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let (give, given) = bounded(cores * 2);
    let (done, finished) = bounded(cores * 2);
    let given_up = AtomicBool::new(false);
    thread::scope(|scope| {
        let (work, given_up) = (&work, &given_up);
        scope.spawn(move || {
            for item in items.enumerate() {
                if given_up.load(Ordering::Relaxed) || give.send(item).is_err() {
                    return;
                }
            }
        });
        for _ in 0..cores {
            let (given, done) = (given.clone(), done.clone());
            scope.spawn(move || {
                for (number, item) in given {
                    if done.send((number, work(item))).is_err() {
                        return;
                    }
                }
            });
        }
        drop((given, done));
        let mut early = BTreeMap::new();
        let mut next = 0;
        for (number, result) in &finished {
            early.insert(number, result);
            while let Some(result) = early.remove(&next) {
                next += 1;
                if let Err(error) = take(result) {
                    given_up.store(true, Ordering::Relaxed);
                    // Whoever waits to hand something in is let go.
                    drop(finished);
                    return Err(error);
                }
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_is_done_first() {
        let mut seen = Vec::new();
        let work = |number: u32| {
            let pause = if number.is_multiple_of(7) { 3 } else { 0 };
            thread::sleep(std::time::Duration::from_millis(pause));
            number * 2
        };
        let taken = in_order(0..200, work, |number| {
            seen.push(number);
            Ok::<_, ()>(())
        });
        assert_eq!(taken, Ok(()));
        assert_eq!(seen, (0..200).map(|it| it * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_ends_it_early() {
        let mut taken = 0;
        let failed = in_order(
            0..1_000_000,
            |number| number,
            |number| {
                taken += 1;
                if number == 10 { Err(number) } else { Ok(()) }
            },
        );
        assert_eq!((failed, taken), (Err(10), 11));
    }
}

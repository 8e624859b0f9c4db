//! Publishing, in every order that threads can run in: `RUSTFLAGS="--cfg loom" cargo test --release`.
//!
//! The filter is the register's own file. The queue and the pointer that is swapped are libraries'
//! (crossbeam, arc-swap), which loom cannot look into; here loom's own stand for them, with the
//! orderings that those promise: sending and publishing release, receiving and pinning acquire.
#![cfg(all(loom, test))]

#[path = "../../src/store/overlay/filter.rs"]
mod filter;

#[cfg(test)]
mod tests {
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::mpsc::channel;
    use loom::thread;

    use super::filter::Filter;

    /// A key for each change. The first two share a word of the filter, the last has one of its own.
    const KEYS: [u64; 3] = [1, 2, 3 << 40];

    /// The state: how many changes it holds.
    #[derive(Default)]
    struct Store {
        published: AtomicUsize,
        filter: Filter,
    }

    impl Store {
        fn pin(&self) -> usize {
            self.published.load(Ordering::Acquire)
        }

        /// As the committer does: the filter first, then the state.
        fn commit(&self, change: usize) {
            self.filter.add(KEYS[change]);
            self.published.store(change + 1, Ordering::Release);
        }
    }

    #[test]
    fn who_pins_a_state_finds_everybody_who_changed_up_to_it() {
        loom::model(|| {
            let store = Arc::new(Store::default());
            let committer = {
                let store = Arc::clone(&store);
                thread::spawn(move || (0..KEYS.len()).for_each(|change| store.commit(change)))
            };
            for _ in 0..2 {
                let pinned = store.pin();
                for key in &KEYS[..pinned] {
                    assert!(store.filter.may_hold(*key));
                }
            }
            committer.join().unwrap();
        });
    }

    #[test]
    fn who_is_told_of_a_change_sees_it_in_the_next_state_they_pin() {
        loom::model(|| {
            let store = Arc::new(Store::default());
            let (works, queue) = channel();
            let committer = {
                let store = Arc::clone(&store);
                thread::spawn(move || {
                    for change in 0..2 {
                        let reply: loom::sync::mpsc::Sender<usize> = queue.recv().unwrap();
                        store.commit(change);
                        reply.send(change).unwrap();
                    }
                })
            };
            let ask = |store: &Store| {
                let (reply, told) = channel();
                works.send(reply).unwrap();
                let change = told.recv().unwrap();
                assert!(store.pin() > change, "what is told is visible");
                assert!(store.filter.may_hold(KEYS[change]));
            };
            ask(&store);
            ask(&store);
            committer.join().unwrap();
        });
    }

    #[test]
    fn a_full_word_of_the_filter_loses_nobody_to_two_writers() {
        // Only one commits, but a filter is also filled while a log is replayed.
        loom::model(|| {
            let filter = Arc::new(Filter::default());
            let other = {
                let filter = Arc::clone(&filter);
                thread::spawn(move || filter.add(KEYS[0]))
            };
            filter.add(KEYS[1]);
            other.join().unwrap();
            assert!(filter.may_hold(KEYS[0]) && filter.may_hold(KEYS[1]));
        });
    }
}

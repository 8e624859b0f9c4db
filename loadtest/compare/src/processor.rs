//! Processor time of servers, from the scheduler's own accounts.
//!
//! A server is a process and everything it forked: PostgreSQL's backends come and go, so the tree is
//! walked at each reading, and a thread that was not there before counts with all it has used.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

/// A process.
pub type Pid = u32;

/// What each thread of some servers has used, in nanoseconds.
#[derive(Default, Debug)]
pub struct Reading(HashMap<(Pid, Pid), u64>);

impl Reading {
    /// Reads the accounts of these processes and of those they forked.
    pub fn take(roots: &[Pid]) -> Self {
        Self::of(Path::new("/proc"), &family(roots, &parents()))
    }

    fn of(proc: &Path, processes: &HashSet<Pid>) -> Self {
        let mut used = HashMap::new();
        for process in processes {
            let threads = fs::read_dir(proc.join(process.to_string()).join("task"));
            for thread in threads.into_iter().flatten().flatten() {
                let id = thread.file_name().to_str().and_then(|it| it.parse().ok());
                // A thread may have ended since it was listed.
                let stat = fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
                if let (Some(id), Some(nanoseconds)) = (id, on_processor(&stat)) {
                    used.insert((*process, id), nanoseconds);
                }
            }
        }
        Self(used)
    }

    /// Nanoseconds used since an earlier reading of the same servers.
    pub fn since(&self, earlier: &Self) -> u64 {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        self.0
            .iter()
            .map(|(thread, now)| now.saturating_sub(before(thread)))
            .sum()
    }
}

/// The first number of `schedstat`: nanoseconds on a processor.
fn on_processor(stat: &str) -> Option<u64> {
    stat.split(' ').next()?.parse().ok()
}

/// These processes and all below them.
fn family(roots: &[Pid], parents: &[(Pid, Pid)]) -> HashSet<Pid> {
    let mut found: HashSet<Pid> = roots.iter().copied().collect();
    loop {
        let before = found.len();
        let children = parents.iter().filter(|(_, parent)| found.contains(parent));
        let children: Vec<Pid> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        if found.len() == before {
            return found;
        }
    }
}

/// Every process with its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|it| it.file_name().to_str()?.parse::<Pid>().ok());
    ids.filter_map(|id| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        Some((id, parent_in(&stat)?))
    })
    .collect()
}

/// The parent in `/proc/PID/stat`: the second word behind the name, which may hold anything.
fn parent_in(stat: &str) -> Option<Pid> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(threads: &[(Pid, Pid, u64)]) -> Reading {
        Reading(threads.iter().map(|it| ((it.0, it.1), it.2)).collect())
    }

    #[test]
    fn threads_are_summed_and_a_new_one_counts_from_nothing() {
        let before = reading(&[(1, 1, 100), (1, 2, 50), (3, 3, 900)]);
        let after = reading(&[(1, 1, 160), (1, 2, 50), (4, 4, 7)]);
        assert_eq!(after.since(&before), 67);
    }

    #[test]
    fn a_family_holds_grandchildren_and_nobody_else() {
        let parents = [(30, 20), (20, 10), (11, 1), (31, 11)];
        assert_eq!(family(&[10], &parents), HashSet::from([10, 20, 30]));
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent_in("12 (a) b) S 7 12 12 0"), Some(7));
    }

    #[test]
    fn a_busy_thread_of_this_process_is_seen() {
        let own = [std::process::id()];
        let before = Reading::take(&own);
        let mut sum = 0_u64;
        while Reading::take(&own).since(&before) < 1_000_000 {
            sum = (0..100_000).fold(sum, u64::wrapping_add);
        }
        assert!(Reading::take(&own).since(&before) >= 1_000_000);
    }

    #[test]
    fn the_first_number_of_schedstat_is_taken() {
        assert_eq!(on_processor("1234567 89 10\n"), Some(1_234_567));
        assert_eq!(on_processor(""), None);
    }
}

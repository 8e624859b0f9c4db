//! Reading through the snapshot now and then, so that damage is found before somebody asks for what it
//! hit. The thread has the lowest priority and keeps a pace, so that neither processor nor disk is taken
//! from those who are answered. What is found is mended by whoever makes snapshots.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;

use super::App;
use crate::base::limits::SCRUB_BYTES_PER_SECOND;

/// The lowest priority of a thread; the disk's follows from it.
const LOWEST: i32 = 19;

/// Starts to read through the newest snapshot each time so much time has gone, until the service ends.
pub fn start(app: &Arc<App>, every: Duration) -> io::Result<JoinHandle<()>> {
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-scrub".to_owned())
        .spawn(move || {
            // On Linux the priority is the calling thread's own. Without it the pace is kept all the same.
            let _ = setpriority_process(None, LOWEST);
            while App::rest(&app, every) {
                scrub(&app);
            }
        })
}

fn scrub(app: &Weak<App>) {
    let Some(app) = app.upgrade() else { return };
    let (began, mut read) = (Instant::now(), 0);
    let damaged = app.live.scrub(|bytes| {
        read += bytes;
        let due = Duration::from_secs_f64(seconds_for(read));
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        !app.readiness.is_draining()
    });
    tracing::info!(bytes = read, damaged, "the snapshot was read through");
}

#[expect(clippy::cast_precision_loss, reason = "a pace need not be exact")]
fn seconds_for(bytes: u64) -> f64 {
    bytes as f64 / SCRUB_BYTES_PER_SECOND as f64
}

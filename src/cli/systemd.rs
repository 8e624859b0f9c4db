//! What a service manager is told (`NOTIFY_SOCKET`): that look-ups are answered, that files are read again,
//! that the service ends; and a sign of life for as long as look-ups work. Where there is no such manager,
//! nothing is told.

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use sd_notify::{NotifyState, notify, watchdog_enabled};

use crate::base::limits;
use crate::serve::App;
use crate::serve::health::{Part, why_not};
use crate::serve::readiness::Phase;

/// How much longer the start may take while the register is being checked, in microseconds.
const LONGER: u32 = 60_000_000;

/// Starts to tell how it is, until the service ends.
pub fn start(app: &Arc<App>) -> io::Result<JoinHandle<()>> {
    let app = Arc::downgrade(app);
    std::thread::Builder::new()
        .name("pu-systemd".to_owned())
        .spawn(move || run(&app))
}

fn run(app: &Weak<App>) {
    let watchdog = watchdog_enabled().map_or(limits::HEALTH_EVERY, |every| every / 3);
    let pause = watchdog.min(limits::HEALTH_EVERY);
    let (mut was_ready, mut before) = (false, None);
    while let Some(it) = app.upgrade() {
        let why_not = why_not(&it, Part::Lookups);
        if before != Some(why_not) {
            before = Some(why_not);
            let status =
                why_not.map_or_else(|| "look-ups are answered".to_owned(), |it| it.to_string());
            tell(&[NotifyState::Status(&status)]);
        }
        match (why_not, was_ready) {
            (None, false) => {
                was_ready = true;
                tell(&[NotifyState::Ready, NotifyState::Watchdog]);
            }
            (None, true) => tell(&[NotifyState::Watchdog]),
            (Some(_), _) if it.readiness.phase() == Phase::Verifying => {
                tell(&[NotifyState::ExtendTimeoutUsec(LONGER)]);
            }
            // No sign of life: the manager starts the service again.
            (Some(_), _) => {}
        }
        drop(it);
        // Before it is ready, it is looked at often, for somebody waits for that.
        let soon = if was_ready {
            pause
        } else {
            Duration::from_millis(50).min(pause)
        };
        if !App::rest(app, soon) {
            return;
        }
    }
}

/// The files that may be changed while the service runs are being read again.
pub fn reloading() {
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// They have been read.
pub fn reloaded() {
    tell(&[NotifyState::Ready]);
}

/// The service ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

//! `pu push-anchors`: what `pu serve` starts before it shuts itself in, to run the command for anchors.

use std::io;
use std::process::Command;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use crate::access::audit::errand::{self, Errand};
use crate::access::audit::push::Push;

/// Run the command each time that anchors come in.
#[derive(Args)]
pub struct PushAnchors {
    /// How long the command may take
    #[arg(long)]
    patience_milliseconds: u64,
    /// The command
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// What systemd tells the service, which its companions are not to answer.
const FOR_THE_SERVICE: &[&str] = &[
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
];

/// Starts the process.
pub fn start(push: &Push) -> io::Result<Errand> {
    let mut command = Command::new(std::env::current_exe()?);
    for name in FOR_THE_SERVICE {
        command.env_remove(name);
    }
    let patience = push.patience.as_millis().to_string();
    command.args(["push-anchors", "--patience-milliseconds", &patience, "--"]);
    command.args(&push.command);
    Errand::start(command)
}

impl PushAnchors {
    pub fn run(self) -> Result<(), Failure> {
        // The service has a last errand when it is told to stop, and ends this process by its silence.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let _guard = runtime.enter();
        let _deaf = [
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ];
        let push = Push {
            command: self.command,
            patience: Duration::from_millis(self.patience_milliseconds),
        };
        Ok(errand::run(&push, io::stdin().lock(), io::stdout().lock())?)
    }
}

//! Anchors are brought to a second place by a command of the operator's, which gets them on its standard
//! input, a line each as [`Anchor`] is written.

use std::io::{self, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::errand::Errand;
use super::verify::Anchor;

/// A command that takes anchors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The program and its arguments: no shell reads them.
    pub command: Vec<String>,
    /// How long it may take.
    pub patience: Duration,
}

/// Who runs the command.
pub enum Pusher {
    /// This process.
    Own(Push),
    /// A process beside it.
    Errand(Errand),
}

impl Pusher {
    /// Runs the command, and returns well when it says that the anchors are where they should be.
    pub fn push(&self, anchors: &[Anchor]) -> Result<(), PushError> {
        match self {
            Self::Own(push) => push.push(anchors),
            Self::Errand(errand) => errand.push(anchors),
        }
    }
}

/// Why anchors are not where they should be.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// There is no command.
    #[error("there is no command")]
    NoCommand,
    /// It cannot be run.
    #[error("the command cannot be run")]
    Run(#[from] io::Error),
    /// It took too long, and was ended.
    #[error("the command took too long and was ended")]
    TooSlow,
    /// It says that it failed.
    #[error("the command failed ({0})")]
    Failed(ExitStatus),
    /// The process that runs it tells this.
    #[error("{0}")]
    Told(String),
    /// The process that runs it has ended.
    #[error("the process that runs the command has ended: start the service again")]
    Gone,
}

/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(5);

impl Push {
    /// Runs the command, and returns well when it says that the anchors are where they should be.
    pub fn push(&self, anchors: &[Anchor]) -> Result<(), PushError> {
        let (program, arguments) = self.command.split_first().ok_or(PushError::NoCommand)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let lines: String = anchors.iter().map(|anchor| format!("{anchor}\n")).collect();
        if let Some(mut input) = child.stdin.take() {
            // One that does not read to the end says by its status what that means. There are as many
            // lines as chains, which fit into a pipe.
            let _ = input.write_all(lines.as_bytes());
        }
        let status = self.ended(&mut child)?;
        if status.success() {
            Ok(())
        } else {
            Err(PushError::Failed(status))
        }
    }

    fn ended(&self, child: &mut Child) -> Result<ExitStatus, PushError> {
        let since = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if since.elapsed() >= self.patience {
                child.kill()?;
                child.wait()?;
                return Err(PushError::TooSlow);
            }
            std::thread::sleep(LOOK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::Hash;
    use super::*;

    fn push(script: &str, millis: u64) -> Result<(), PushError> {
        let anchor = Anchor {
            chain: 3,
            entry: 9,
            hash: Hash([0xab; 32]),
        };
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let patience = Duration::from_millis(millis);
        Push { command, patience }.push(&[anchor])
    }

    #[test]
    fn a_command_gets_the_anchors_and_says_how_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("anchors");
        push(&format!("cat > {}", kept.display()), 60_000).unwrap();
        let text = std::fs::read_to_string(kept).unwrap();
        assert_eq!(text, format!("3:9:{}\n", "ab".repeat(32)));
        push("exit 0", 60_000).unwrap();
        assert!(matches!(push("exit 3", 60_000), Err(PushError::Failed(_))));
        assert!(matches!(push("exec sleep 600", 1), Err(PushError::TooSlow)));
        let nothing = Push {
            command: vec!["/nowhere/at-all".to_owned()],
            patience: Duration::ZERO,
        };
        assert!(matches!(nothing.push(&[]), Err(PushError::Run(_))));
    }
}

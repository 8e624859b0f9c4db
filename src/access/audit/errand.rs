//! A process beside the service that runs the command for anchors: the service shuts itself in and may
//! start no programs. It hears anchors, a line each and an empty line after them, and answers each time
//! with one line: nothing when all went well, or what did not. It ends when nobody speaks to it any more.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use parking_lot::Mutex;

use super::push::{Push, PushError};
use super::verify::Anchor;

/// The process, as the service holds it.
pub struct Errand(Mutex<Talk>);

struct Talk {
    child: Child,
    hear: BufReader<ChildStdout>,
}

impl Errand {
    /// Starts the process, by a command that does what [`run`] does.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What is typed at the terminal to end the service is not for it: it has a last errand.
            .process_group(0)
            .spawn()?;
        let hear = child.stdout.take();
        let hear = hear.ok_or_else(|| io::Error::other("its output is not heard"))?;
        let hear = BufReader::new(hear);
        Ok(Self(Mutex::new(Talk { child, hear })))
    }

    /// Has the command run, and returns well when it says that the anchors are where they should be.
    pub fn push(&self, anchors: &[Anchor]) -> Result<(), PushError> {
        let mut talk = self.0.lock();
        let lines: String = anchors.iter().map(|anchor| format!("{anchor}\n")).collect();
        let say = talk.child.stdin.as_mut().ok_or(PushError::Gone)?;
        let said = say.write_all((lines + "\n").as_bytes());
        said.map_err(|_| PushError::Gone)?;
        let mut answer = String::new();
        let heard = talk.hear.read_line(&mut answer);
        match (heard, answer.trim_end()) {
            (Ok(0) | Err(_), _) => Err(PushError::Gone),
            (_, "") => Ok(()),
            (_, told) => Err(PushError::Told(told.to_owned())),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Its input is closed first, so that it ends by itself: who is shut in may send it no signal.
        let _ = self.child.wait();
    }
}

/// What the process does until its input ends.
pub fn run(push: &Push, input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut anchors: Vec<Anchor> = Vec::new();
    for line in input.lines() {
        let line = line?;
        if let Ok(anchor) = line.parse() {
            anchors.push(anchor);
            continue;
        }
        if !line.is_empty() {
            return Err(io::Error::other("what was heard is no anchor"));
        }
        let done = push.push(&anchors);
        anchors.clear();
        let told = done.err().map(|error| error.to_string());
        writeln!(output, "{}", told.unwrap_or_default())?;
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::block::Hash;
    use super::*;

    fn push(script: &str) -> Push {
        Push {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            patience: Duration::from_secs(60),
        }
    }

    fn anchor(entry: u64) -> Anchor {
        Anchor {
            chain: 3,
            entry,
            hash: Hash([0xab; 32]),
        }
    }

    #[test]
    fn each_errand_is_run_and_answered_by_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("anchors");
        let said = format!("{}\n{}\n\n{}\n\n", anchor(1), anchor(2), anchor(3));
        let mut heard = Vec::new();
        let script = format!("cat >> {}; grep -q 3:3: {0}", kept.display());
        run(&push(&script), said.as_bytes(), &mut heard).unwrap();
        let heard = String::from_utf8(heard).unwrap();
        assert_eq!(heard, "the command failed (exit status: 1)\n\n");
        let kept = std::fs::read_to_string(kept).unwrap();
        assert_eq!(kept.lines().count(), 3, "{kept}");
        assert!(run(&push("exit 0"), &b"--help\n"[..], io::sink()).is_err());
    }

    #[test]
    fn the_service_hears_how_it_went_and_when_nobody_answers() {
        let mut command = Command::new("sh");
        // Answers twice, as the process would, and goes.
        command.args(["-c", "read a; read b; echo; read a; read b; echo no room"]);
        let errand = Errand::start(command).unwrap();
        errand.push(&[anchor(1)]).unwrap();
        let told = errand.push(&[anchor(2)]).unwrap_err();
        assert!(
            matches!(&told, PushError::Told(why) if why == "no room"),
            "{told}"
        );
        assert!(matches!(errand.push(&[anchor(3)]), Err(PushError::Gone)));
    }
}

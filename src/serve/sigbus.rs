//! A file that is read through memory and is cut under us, or whose disk fails, ends the process by a
//! signal (SIGBUS). Nothing can be done then, but to say which file it was.
#![allow(unsafe_code)] // A handler of signals cannot be installed without: see the SAFETY comments.

use std::io;
use std::os::fd::AsFd;

use nix::fcntl::{OFlag, open};
use nix::libc::siginfo_t;
use nix::sys::signal::{SigHandler, Signal, raise, signal};
use nix::sys::stat::Mode;
use nix::unistd::{read, write};
use signal_hook_registry::register_sigaction;

/// Bytes of a line of the list of mapped files; a longer one is cut.
const LINE: usize = 1_024;

/// From now on, says which file it was before the process ends.
pub fn tell_before_the_end() -> io::Result<()> {
    // SAFETY: the handler may do only what is safe whatever the thread was at, which may be holding any
    // lock, also that of the allocator. It opens, reads and writes by system calls that are listed as
    // async-signal-safe, on descriptors and on memory of its own stack; it makes and frees no memory and
    // takes no lock. It does not return to what was at work: the default action ends the process.
    unsafe { register_sigaction(Signal::SIGBUS as i32, tell) }.map(drop)
}

fn tell(about: &siginfo_t) {
    // SAFETY: the kernel fills in the address for this signal.
    let address = unsafe { about.si_addr() } as usize as u64;
    let stderr = io::stderr();
    let say = |bytes: &[u8]| {
        // There is nobody to complain to.
        let _ = write(stderr.as_fd(), bytes);
    };
    say(b"{\"level\":\"ERROR\",\"message\":\"a file that is read through memory was cut, or its disk \
          failed: the process ends (SIGBUS)\",\"file\":\"");
    find(address, |file| say(file));
    say(b"\"}\n");
    // SAFETY: the default action is no code of ours.
    let _ = unsafe { signal(Signal::SIGBUS, SigHandler::SigDfl) };
    let _ = raise(Signal::SIGBUS);
}

/// Finds the file that is mapped at an address.
fn find(address: u64, found: impl Fn(&[u8])) {
    let Ok(maps) = open(c"/proc/self/maps", OFlag::O_RDONLY, Mode::empty()) else {
        return;
    };
    let (mut line, mut length) = ([0_u8; LINE], 0);
    let mut piece = [0_u8; LINE];
    while let Ok(more) = read(&maps, &mut piece) {
        let Some(bytes) = piece.get(..more).filter(|it| !it.is_empty()) else {
            return;
        };
        for &byte in bytes {
            if byte != b'\n' {
                if let Some(place) = line.get_mut(length) {
                    *place = plain(byte);
                    length += 1;
                }
                continue;
            }
            if let Some(file) = line.get(..length).and_then(|line| file_at(line, address)) {
                return found(file);
            }
            length = 0;
        }
    }
}

/// What may stand in a string of JSON.
const fn plain(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | 0..=31 => b'?',
        _ => byte,
    }
}

/// The file of a line such as `7f00-7f10 r--p 00000000 fe:00 123   /data/x`, when the address is in it.
fn file_at(line: &[u8], address: u64) -> Option<&[u8]> {
    let dash = line.iter().position(|it| *it == b'-')?;
    let blank = line.iter().position(|it| *it == b' ')?;
    let (from, to) = (hex(line.get(..dash)?)?, hex(line.get(dash + 1..blank)?)?);
    let path = line.iter().position(|it| *it == b'/')?;
    (from..to).contains(&address).then_some(line.get(path..)?)
}

fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(number << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_at_an_address_is_found() {
        let line = b"7f0010-7f0020 r--p 00000000 fe:00 123   /data/a b";
        assert_eq!(file_at(line, 0x7f_0010), Some(b"/data/a b".as_slice()));
        assert_eq!(file_at(line, 0x7f_0020), None);
        assert_eq!(
            file_at(b"7f0010-7f0020 rw-p 00000000 00:00 0", 0x7f_0010),
            None
        );
        assert_eq!(file_at(b"", 0), None);
        let found = std::cell::Cell::new(false);
        let own = tell_before_the_end as *const () as u64;
        find(own, |file| found.set(file.starts_with(b"/")));
        assert!(found.get(), "our own code is mapped from a file");
    }
}

//! The queue of connections at one address, which all serving threads share: one socket, so that nobody
//! else can listen at the address, and nothing is lost in the queue of a thread that ends.
//!
//! Whoever wakes first would take most connections. So a thread that has more of them than others waits a
//! moment before it takes one, and leaves it to who has fewer.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::libc::{BPF_ABS, BPF_B, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET};
use socket2::{SockAddr, SockFilter, Socket};
use tokio::io::unix::AsyncFd;

/// How long a thread with many connections leaves one to the others.
const LEFT: Duration = Duration::from_millis(1);

/// A thread's part in the queue at an address.
pub(super) struct Queue {
    socket: AsyncFd<Socket>,
    load: Load,
    /// It goes on when this process has ended: a service manager holds it too.
    is_lent: bool,
}

/// How many connections each thread has that came by one queue.
#[derive(Clone)]
pub(super) struct Load {
    open: Arc<[AtomicUsize]>,
    thread: usize,
}

/// A connection that counts in its thread's load, until it is dropped.
pub(super) struct Counted(Load);

impl Load {
    /// One for each thread.
    pub fn of_threads(threads: usize) -> Vec<Self> {
        let open: Arc<[AtomicUsize]> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        let load = |thread| Self {
            open: Arc::clone(&open),
            thread,
        };
        (0..threads).map(load).collect()
    }

    /// Counts a connection.
    pub fn count(&self) -> Counted {
        self.open[self.thread].fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }

    /// Whether another thread should take the next connection.
    fn is_heavy(&self) -> bool {
        let open = |it: &AtomicUsize| it.load(Ordering::Relaxed);
        let least = self.open.iter().map(open).min().unwrap_or(0);
        open(&self.open[self.thread]) > least + least / 8
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.open[self.0.thread].fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// Of a socket that listens and does not block; to be made within the thread's runtime.
    #[expect(
        deprecated,
        reason = "a socket owns its descriptor, which is all that the newer form has one promise"
    )]
    pub fn new(socket: Socket, load: Load, is_lent: bool) -> io::Result<Self> {
        Ok(Self {
            socket: AsyncFd::new(socket)?,
            load,
            is_lent,
        })
    }

    /// The thread's load.
    pub const fn load(&self) -> &Load {
        &self.load
    }

    /// Takes the next connection.
    pub async fn next(&self) -> io::Result<(Socket, SockAddr)> {
        loop {
            let mut ready = self.socket.readable().await?;
            if self.load.is_heavy() {
                tokio::time::sleep(LEFT).await;
            }
            // Another thread may have been quicker.
            if let Ok(taken) = ready.try_io(|socket| take(socket.get_ref())) {
                return taken;
            }
        }
    }

    /// Lets nobody new knock, so that the queue comes to its end; who has knocked still comes in. False when
    /// it is lent: then it is left to who goes on.
    pub fn close(&self) -> bool {
        if !self.is_lent {
            // What asks for a new connection is not heard: it is asked again later, and then refused. Where
            // the system takes no such filter, the last moment is less orderly.
            let _ = self.socket.get_ref().attach_filter(&NO_NEW_CONNECTIONS);
        }
        !self.is_lent
    }
}

/// A filter of packets that drops those that ask for a new connection (SYN), and none else.
const NO_NEW_CONNECTIONS: [SockFilter; 4] = [
    // The flags, in the header of TCP.
    SockFilter::new((BPF_LD | BPF_B | BPF_ABS) as u16, 0, 0, 13),
    SockFilter::new((BPF_JMP | BPF_JSET | BPF_K) as u16, 0, 1, 0x02),
    SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, 0),
    SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, u32::MAX),
];

fn take(socket: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (taken, from) = socket.accept()?;
    taken.set_nonblocking(true)?;
    Ok((taken, from))
}

/// Whether a socket that was handed over listens; another kind of socket cannot be served.
pub(super) fn listens(socket: &impl AsFd) -> bool {
    socket2::SockRef::from(socket)
        .is_listener()
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_more_connections_leaves_the_next_to_others() {
        let loads = Load::of_threads(2);
        assert!(!loads[0].is_heavy() && !loads[1].is_heavy());
        let one = loads[0].count();
        assert!(loads[0].is_heavy() && !loads[1].is_heavy());
        let other = loads[1].count();
        assert!(!loads[0].is_heavy());
        drop(one);
        assert!(loads[1].is_heavy());
        drop(other);
        assert!(!loads[1].is_heavy());
    }
}

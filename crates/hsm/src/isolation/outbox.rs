//! The way out to the other side: whoever finds it idle writes, for all who come meanwhile.
//!
//! No thread of its own and no lock held while writing. What gathers during one write goes out with the next, so under
//! load there is one system call for many frames, and when there is little to do no wake-up between asking and writing.

use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// What to do when the other side takes no more for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// Wait for it, as a worker does: its host reads always, or is gone.
    Wait,
    /// Leave it, as the host does: the worker may hang. [`Outbox::flush`] goes on, for which each answer of the worker's
    /// is an occasion; and without an answer there is no hurry.
    Leave,
}

/// A socket's writing half.
#[derive(Debug)]
pub(super) struct Outbox {
    stream: UnixStream,
    when_full: WhenFull,
    backlog: Mutex<Backlog>,
}

#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    /// Somebody is inside a write and will take what is added.
    writing: bool,
    /// The other side is gone. Whoever reads from it hears of that too, and acts.
    broken: bool,
}

impl Outbox {
    pub(super) fn new(stream: UnixStream, when_full: WhenFull) -> Self {
        Self {
            stream,
            when_full,
            backlog: Mutex::default(),
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a frame, or has it sent by whoever is sending.
    pub(super) fn push(&self, frame: &[u8]) {
        let mut backlog = self.backlog();
        backlog.bytes.extend_from_slice(frame);
        self.write_out(backlog);
    }

    /// Goes on with what was left.
    pub(super) fn flush(&self) {
        self.write_out(self.backlog());
    }

    fn write_out<'a>(&'a self, mut backlog: MutexGuard<'a, Backlog>) {
        if backlog.writing {
            return;
        }
        backlog.writing = true;
        while !backlog.broken && !backlog.bytes.is_empty() {
            let mut batch = std::mem::take(&mut backlog.bytes);
            drop(backlog);
            let written = self.write(&batch);
            backlog = self.backlog();
            match written {
                Ok(sent) if sent == batch.len() => {
                    batch.clear();
                    if backlog.bytes.capacity() == 0 {
                        backlog.bytes = batch;
                    }
                }
                Ok(sent) => {
                    batch.drain(..sent);
                    batch.append(&mut backlog.bytes);
                    backlog.bytes = batch;
                    break;
                }
                Err(_) => backlog.broken = true,
            }
        }
        if backlog.broken {
            backlog.bytes = Vec::new();
        }
        backlog.writing = false;
    }

    /// How much went out; less than all only where it was to be left.
    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let flags = match self.when_full {
            WhenFull::Wait => SendFlags::NOSIGNAL,
            WhenFull::Leave => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
        };
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..)
            && !rest.is_empty()
        {
            match send(&self.stream, rest, flags) {
                Ok(count) => sent += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_the_other_side_does_not_take_is_left_and_goes_out_in_order_later() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let outbox = Outbox::new(ours, WhenFull::Leave);
        let frames = 20_000_u32;
        for number in 0..frames {
            outbox.push(&[number.to_be_bytes(); 16].concat());
        }
        let mut bytes = [0; 64];
        for number in 0..frames {
            theirs.read_exact(&mut bytes).unwrap();
            assert_eq!(bytes[60..], number.to_be_bytes());
            outbox.flush();
        }
    }

    #[test]
    fn frames_of_many_threads_stay_whole() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let outbox = Outbox::new(ours, WhenFull::Wait);
        std::thread::scope(|scope| {
            for letter in 0..8_u8 {
                let outbox = &outbox;
                scope.spawn(move || (0..1000).for_each(|_| outbox.push(&[letter; 50])));
            }
            let mut counts = [0; 8];
            let mut frame = [0; 50];
            for _ in 0..8000 {
                theirs.read_exact(&mut frame).unwrap();
                assert!(frame.iter().all(|byte| *byte == frame[0]));
                counts[usize::from(frame[0])] += 1;
            }
            assert_eq!(counts, [1000; 8]);
        });
    }

    #[test]
    fn nothing_gathers_for_a_side_that_is_gone() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let outbox = Outbox::new(ours, WhenFull::Leave);
        drop(theirs);
        for _ in 0..3 {
            outbox.push(&[7; 50]);
        }
        assert_eq!(outbox.backlog().bytes.capacity(), 0);
    }
}

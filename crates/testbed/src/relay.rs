//! A Unix socket on this machine for a service that is reached over TCP: p11-kit's client speaks over Unix sockets alone.
//!
//! The relay hides nothing of the network. A connection that the network swallows hangs, a connection that the far side ends
//! is ended, and when nobody can be reached the near side is told so by a connection that ends at once.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::TestbedError;

/// A listening Unix socket; it goes away when this is dropped. Connections that stand then end with either of their sides.
#[derive(Debug)]
pub(crate) struct Relay {
    socket: PathBuf,
    target: Arc<Mutex<SocketAddr>>,
    closed: Arc<AtomicBool>,
}

impl Relay {
    /// Takes connections on `socket` and passes each on to wherever [`Self::aim`] points when it comes.
    pub(crate) fn start(socket: &Path, target: SocketAddr) -> Result<Self, TestbedError> {
        let listener =
            UnixListener::bind(socket).map_err(TestbedError::io(socket.display().to_string()))?;
        let relay = Self {
            socket: socket.to_owned(),
            target: Arc::new(Mutex::new(target)),
            closed: Arc::default(),
        };
        let (target, closed) = (Arc::clone(&relay.target), Arc::clone(&relay.closed));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Acquire) {
                    return;
                }
                let target = *target.lock().expect("nothing panics while it is held");
                // On a thread of its own: connecting to a machine that is cut off takes the kernel seconds.
                thread::spawn(move || {
                    // The near side learns of a failure by the end of its connection.
                    let _ = pass_on(near, target);
                });
            }
        });
        Ok(relay)
    }

    /// Where connections go from now on. Those that stand stay where they are.
    pub(crate) fn aim(&self, target: SocketAddr) {
        *self.target.lock().expect("nothing panics while it is held") = target;
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the listener, which then sees that it's over.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn pass_on(mut near: UnixStream, target: SocketAddr) -> io::Result<()> {
    let mut far = TcpStream::connect(target)?;
    // Messages are written in pieces, which must not wait for each other's acknowledgement.
    far.set_nodelay(true)?;
    let (mut from_far, mut to_near) = (far.try_clone()?, near.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from_far, &mut to_near);
        // A reset is an end like any other: the other direction must not wait for more.
        let _ = to_near.shutdown(Shutdown::Both);
        let _ = from_far.shutdown(Shutdown::Both);
    });
    let copied = io::copy(&mut near, &mut far);
    far.shutdown(Shutdown::Write)?;
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn both_directions_pass_until_either_side_ends() {
        let folder = tempfile::tempdir().unwrap();
        let far = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Relay::start(&folder.path().join("near"), far.local_addr().unwrap()).unwrap();
        let mut near = UnixStream::connect(&relay.socket).unwrap();
        let (mut there, _) = far.accept().unwrap();
        near.write_all(b"sign this").unwrap();
        let mut heard = [0; 9];
        there.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"sign this");
        there.write_all(b"signed").unwrap();
        drop(there);
        let mut answer = String::new();
        near.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "signed");
    }

    #[test]
    fn a_connection_ends_when_nobody_listens_and_the_next_goes_where_the_relay_is_aimed() {
        let folder = tempfile::tempdir().unwrap();
        let gone = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let relay = Relay::start(&folder.path().join("near"), gone).unwrap();
        let mut near = UnixStream::connect(&relay.socket).unwrap();
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        let far = TcpListener::bind("127.0.0.1:0").unwrap();
        relay.aim(far.local_addr().unwrap());
        let _near = UnixStream::connect(&relay.socket).unwrap();
        far.accept().unwrap();
    }
}

//! A worker process as its host sees it: started, greeted, ended.
//!
//! The PIN goes to a process only after it has said that it is of this build, and only through the socket: never as an
//! argument, in the environment, or through a buffer that is not wiped.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::frame::{self, FrameError};
use super::message::{HELLO, MOST_HELLO, MOST_PIN, Open, Opened};
use crate::error::HsmError;
use crate::profile::Profile;
use crate::slot::TokenInfo;

/// Time in which a process that was started says hello, on a machine with other things to do.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// How much longer than the token's own time for opening is waited for its answer.
const COURTESY: Duration = Duration::from_secs(1);

/// What to start, and which token to open there.
#[derive(Debug)]
pub struct Launch {
    /// A program that calls [`serve_worker`](crate::serve_worker).
    pub program: PathBuf,
    /// Its arguments. Everybody on the machine can read them.
    pub arguments: Vec<String>,
    /// The token's profile. Its variables are the process's environment, beside the plainest of ours.
    pub profile: Profile,
    /// The PIN.
    pub pin: SecretString,
    /// Threads with a session each.
    pub workers: usize,
    /// How logs, errors and metrics call the token.
    pub name: String,
}

/// A worker process. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    pub(super) stream: UnixStream,
}

impl Child {
    /// Starts the process. The kernel kills it when the thread that calls this ends (prctl(2), PR_SET_PDEATHSIG).
    pub(super) fn start(launch: &Launch) -> Result<Self, HsmError> {
        let spawned = || -> io::Result<Self> {
            let (stream, theirs) = UnixStream::pair()?;
            let process = Command::new(&launch.program)
                .arg0("custodyd")
                .args(&launch.arguments)
                .env_clear()
                .envs(launch.profile.worker_environment())
                .envs(&launch.profile.environment)
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::null())
                .stderr(Stdio::inherit())
                .spawn()?;
            Ok(Self { process, stream })
        };
        spawned().map_err(|error| no_worker(launch, &error))
    }

    /// The process id.
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Says hello, has the token opened, and waits until it is.
    pub(super) fn open(&self, launch: &Launch) -> Result<TokenInfo, HsmError> {
        let refused = |error: FrameError| no_worker(launch, &error);
        self.greet(launch).map_err(refused)?;
        let limit = launch.profile.open_timeout + COURTESY;
        self.stream
            .set_read_timeout(Some(limit))
            .map_err(|error| no_worker(launch, &error))?;
        let mut bytes = Vec::new();
        match frame::next::<Opened>(&mut &self.stream, frame::MOST_FROM_WORKER, &mut bytes) {
            Ok(Some(opened)) => {
                let info = opened?;
                self.stream
                    .set_read_timeout(None)
                    .map_err(|error| no_worker(launch, &error))?;
                Ok(info)
            }
            Ok(None) => Err(HsmError::WorkerLost {
                token: launch.name.clone(),
                how: "it ended while opening the token".to_owned(),
            }),
            Err(FrameError::Io(error)) if timed_out(&error) => Err(HsmError::Deadline {
                operation: "opening the token".into(),
                limit,
            }),
            Err(error) => Err(HsmError::WorkerLost {
                token: launch.name.clone(),
                how: format!("opening the token: {error}"),
            }),
        }
    }

    fn greet(&self, launch: &Launch) -> Result<(), FrameError> {
        let mut stream = &self.stream;
        stream.set_read_timeout(Some(HELLO_WITHIN))?;
        stream.set_write_timeout(Some(HELLO_WITHIN))?;
        let mut hello = Vec::new();
        frame::read(&mut stream, MOST_HELLO, &mut hello)?;
        if hello != HELLO.as_bytes() {
            let said = String::from_utf8_lossy(&hello);
            return Err(io::Error::other(format!("of another build: it says {said:?}")).into());
        }
        stream.write_all(&frame::head(HELLO.len(), MOST_HELLO)?)?;
        stream.write_all(HELLO.as_bytes())?;
        let open = Open::new(&launch.profile, launch.workers);
        stream.write_all(&frame::frame(&open, frame::MOST_TO_WORKER)?)?;
        let pin = launch.pin.expose_secret().as_bytes();
        stream.write_all(&frame::head(pin.len(), MOST_PIN)?)?;
        stream.write_all(pin)?;
        stream.set_write_timeout(None)?;
        Ok(())
    }

    /// Closes the line, upon which the process ends by itself; kills it if it takes longer than `patience`.
    pub(super) fn end(mut self, patience: Duration) -> String {
        let _ = self.stream.shutdown(Shutdown::Both);
        let until = Instant::now() + patience;
        while Instant::now() < until {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                Ok(Some(status)) => return how(status),
                Err(_) => break,
            }
        }
        self.kill()
    }

    /// Kills it, unless it has ended already; says how it ended.
    fn kill(&mut self) -> String {
        let _ = self.process.kill();
        self.process.wait().map_or_else(|e| e.to_string(), how)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn how(status: ExitStatus) -> String {
    format!("it ended with {status}")
}

fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

fn no_worker(launch: &Launch, error: &dyn std::fmt::Display) -> HsmError {
    HsmError::NoWorker {
        program: launch.program.clone(),
        reason: error.to_string(),
    }
}

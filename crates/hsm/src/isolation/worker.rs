//! The worker process: opens the token that its host names, and serves requests until the host is gone.

use std::io::{self, BufReader, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use secrecy::SecretString;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use zeroize::{Zeroize as _, Zeroizing};

use super::frame::{self, FrameError};
use super::link::unfit;
use super::message::{FromWorker, HELLO, MOST_HELLO, MOST_PIN, Open, Opened, ToWorker};
use super::outbox::{Outbox, WhenFull};
use crate::error::{HsmError, Name};
use crate::hsm::Hsm as _;
use crate::request::Response;
use crate::token::Token;

/// Why a worker process ended before its host did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Standard input is not the socket that a host gives it.
    #[error("this is a part of custodyd that it starts by itself: {0}")]
    NotAWorker(io::Error),
    /// The host is of another build. Nothing was opened.
    #[error("the host is of another build: it says {0:?}")]
    OtherBuild(String),
    /// The line to the host, or what came over it. Text of ours; nothing that was sent is in it.
    #[error("the line to the host: {0}")]
    Line(String),
}

impl From<FrameError> for WorkerError {
    fn from(error: FrameError) -> Self {
        Self::Line(error.to_string())
    }
}

impl From<io::Error> for WorkerError {
    fn from(error: io::Error) -> Self {
        Self::Line(error.to_string())
    }
}

/// Serves one token to the host that started this process, over the socket that is its standard input, and returns when
/// the host has closed it. To be called before anything else is done in the process, and followed by its end.
///
/// # Errors
/// The process wasn't started by a host of this build, or the line to it broke. That the token can't be opened is told
/// to the host and is no error here.
pub fn serve_worker() -> Result<(), WorkerError> {
    harden()?;
    let mut stream = host()?;
    stream.write_all(&frame::head(HELLO.len(), MOST_HELLO)?)?;
    stream.write_all(HELLO.as_bytes())?;
    let mut bytes = Vec::new();
    if !frame::read(&mut stream, MOST_HELLO, &mut bytes)? {
        return Ok(());
    }
    if bytes != HELLO.as_bytes() {
        return Err(WorkerError::OtherBuild(
            String::from_utf8_lossy(&bytes).into_owned(),
        ));
    }
    let open: Option<Open> = frame::next(&mut stream, frame::MOST_TO_WORKER, &mut bytes)?;
    let Some(open) = open else { return Ok(()) };
    let pin = pin(&mut stream)?;
    let workers = open.workers;
    let mut profile = open
        .profile()
        .map_err(|error| WorkerError::Line(error.to_string()))?;
    // The host holds back what would be too much, and counts the calls that run.
    profile.queue = profile.queue.saturating_add(workers);
    let token = Token::open(&profile, pin, workers);
    let opened: Opened = match &token {
        Ok(token) => Ok(token.info().clone()),
        Err(error) => Err(error.clone()),
    };
    stream.write_all(&frame::frame(&opened, frame::MOST_FROM_WORKER)?)?;
    match token {
        Ok(token) => Ok(serve(&token, stream)?),
        Err(_) => Ok(()),
    }
}

/// Nothing of this process is to be found in a core file; it ends with the thread that started it, and by no signal that
/// is meant for the host. A terminal and a service manager send theirs to both, and the host needs its HSM to stop well.
fn harden() -> io::Result<()> {
    // The program may have been started by another name of its file.
    rustix::thread::set_name(c"hsm-worker")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// The line to the host. The library finds /dev/null where the socket was.
fn host() -> Result<UnixStream, WorkerError> {
    let stream = UnixStream::from(
        io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map_err(WorkerError::NotAWorker)?,
    );
    stream.peer_addr().map_err(WorkerError::NotAWorker)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(null).map_err(io::Error::from)?;
    Ok(stream)
}

/// The PIN. It is read from the socket into the memory in which it stays.
fn pin(stream: &mut UnixStream) -> Result<SecretString, WorkerError> {
    let mut bytes = Zeroizing::new(Vec::new());
    frame::read(stream, MOST_PIN, &mut bytes)?;
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(pin) => Ok(pin.into()),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(WorkerError::Line("a PIN that is no text".to_owned()))
        }
    }
}

fn serve(token: &Token, stream: UnixStream) -> Result<(), FrameError> {
    let outbox = Arc::new(Outbox::new(stream.try_clone()?, WhenFull::Wait));
    let mut stream = BufReader::with_capacity(64 * 1024, stream);
    let mut bytes = Vec::new();
    while let Some(asked) = frame::next(&mut stream, frame::MOST_TO_WORKER, &mut bytes)? {
        match asked {
            ToWorker::Ping => {
                let pong = FromWorker::Pong(token.counters());
                outbox.push(&frame::frame(&pong, frame::MOST_FROM_WORKER)?);
            }
            ToWorker::Ask {
                number,
                limit,
                request,
            } => {
                let operation = request.operation();
                let answering = Arc::clone(&outbox);
                let reply =
                    move |answer| answering.push(&answered(number, operation.into(), answer));
                if let Err(error) = token.submit(request, limit, Box::new(reply)) {
                    outbox.push(&answered(number, operation.into(), Err(error)));
                }
            }
        }
    }
    Ok(())
}

/// An answer as a frame; one that fits none is answered by saying so.
fn answered(number: u64, operation: Name, answer: Result<Response, HsmError>) -> Vec<u8> {
    let answer = FromWorker::Answer { number, answer };
    frame::frame(&answer, frame::MOST_FROM_WORKER).unwrap_or_else(|error| {
        let answer = Err(unfit(operation, &error));
        frame::frame(
            &FromWorker::Answer { number, answer },
            frame::MOST_FROM_WORKER,
        )
        .expect("an error of a few words fits a frame")
    })
}

//! Asks a person at the terminal for a secret, without showing what is typed.

use std::io;

use rustix::{
    stdio::{stderr, stdin},
    termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr},
};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Longest line that a terminal hands over at once (termios(3), canonical mode).
const MAX_BYTES: usize = 4096;

/// Whether standard input is a terminal.
pub(super) fn present() -> bool {
    isatty(stdin())
}

/// Gives the terminal its echo back, whatever happens.
struct Silent(Termios);

impl Drop for Silent {
    fn drop(&mut self) {
        // Nothing better is known than what it was.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
        let _ = rustix::io::write(stderr(), b"\n");
    }
}

/// One line, read past every buffer of the standard library, which would keep a copy.
pub(super) fn secret(prompt: &str) -> io::Result<SecretString> {
    let before = tcgetattr(stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(stdin(), OptionalActions::Flush, &silent)?;
    let echo = Silent(before);
    rustix::io::write(stderr(), prompt.as_bytes())?;
    let mut line = Zeroizing::new(vec![0; MAX_BYTES]);
    let length = rustix::io::retry_on_intr(|| rustix::io::read(stdin(), line.as_mut_slice()))?;
    drop(echo);
    line.truncate(length);
    let text = std::str::from_utf8(&line).map_err(|_| io::Error::other("no text was typed"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(io::Error::other("nothing was typed")),
        text => Ok(SecretString::from(text)),
    }
}

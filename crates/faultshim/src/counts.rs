//! What the shim counted: a file of 64-bit numbers that all processes using one rules file share.
//!
//! The module maps it into memory and adds to it without a system call or a lock; a crash loses nothing. Readers read
//! the file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::function::Function;

/// The counters behind those of the functions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extra {
    SessionsOpened,
    SessionsOpen,
    Logins,
    Injected,
    Signatures,
}

const EXTRAS: usize = 5;
pub(crate) const NUMBERS: usize = Function::ALL.len() + EXTRAS;
/// Bytes in the file.
pub(crate) const LENGTH: usize = NUMBERS * 8;

impl Extra {
    pub(crate) const fn index(self) -> usize {
        Function::ALL.len() + self as usize
    }
}

/// A reading of all counters. They grow over all processes that use the same rules file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts(Vec<u64>);

impl Counts {
    /// Reads the counters; all zero where no process has loaded the module yet.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => file.take(LENGTH as u64).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        bytes.resize(LENGTH, 0);
        let (numbers, _) = bytes.as_chunks::<8>();
        Ok(Self(
            numbers
                .iter()
                .map(|bytes| u64::from_ne_bytes(*bytes))
                .collect(),
        ))
    }

    fn at(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or_default()
    }

    /// Calls of a function, those that a fault hit included.
    #[must_use]
    pub fn calls(&self, function: Function) -> u64 {
        self.at(function.index())
    }

    /// Sessions that were opened.
    #[must_use]
    pub fn sessions_opened(&self) -> u64 {
        self.at(Extra::SessionsOpened.index())
    }

    /// Sessions that are open now in the process that loaded the module last.
    #[must_use]
    pub fn sessions_open(&self) -> u64 {
        self.at(Extra::SessionsOpen.index())
    }

    /// Logins that the token accepted.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.at(Extra::Logins.index())
    }

    /// Calls that a rule hit.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.at(Extra::Injected.index())
    }

    /// Signatures that were handed out, good or spoilt.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.at(Extra::Signatures.index())
    }
}

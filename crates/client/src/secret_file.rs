//! Files with private keys: read only while nobody but their owner may read them, and wiped from memory after use.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A key in PEM is far shorter, bytes: one of RSA with 8192 bits takes about 6,500.
const MAX_FILE: u64 = 16 * 1024;

/// A key file that is not read. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file can't be read or written.
    #[error("key file {path}: {fault}")]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        fault: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "key file {path} has mode {mode:04o}: others may read it; chmod 600 it, and consider the key known"
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is a folder, a pipe or a device.
    #[error("key file {0} is not a regular file")]
    NotFile(PathBuf),
    /// It is longer than any key.
    #[error("key file {path} is longer than {MAX_FILE} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// The bytes of a key file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretFileError> {
    let file = |fault| SecretFileError::File {
        path: path.to_owned(),
        fault,
    };
    let opened = File::open(path).map_err(file)?;
    // Of the opened file, not of the path: nobody can swap it in between.
    let about = opened.metadata().map_err(file)?;
    if !about.is_file() {
        return Err(SecretFileError::NotFile(path.to_owned()));
    }
    let mode = about.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    let too_long = || SecretFileError::TooLong {
        path: path.to_owned(),
    };
    if about.len() > MAX_FILE {
        return Err(too_long());
    }
    // Room for all of it, and for the read that finds its end: no copy stays behind where the buffer would have grown.
    let room = usize::try_from(about.len().saturating_add(64)).map_err(|_| too_long())?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    opened
        .take(about.len())
        .read_to_end(&mut bytes)
        .map_err(file)?;
    Ok(bytes)
}

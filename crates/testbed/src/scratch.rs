//! Folders, files, ports and random names that a part has to itself.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::TestbedError;

/// Ports that are looked at: below those that Linux hands out for outgoing connections (32768 and up), so that no
/// connection of another test takes one between its being found and its being bound.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port on 127.0.0.1 that nobody listened on a moment ago, drawn at random.
///
/// It is let go before the part binds it, so another process can be faster; the parts here start again on another port then.
pub fn free_port() -> Result<u16, TestbedError> {
    let mut taken = None;
    for _ in 0..100 {
        let mut draw = [0; 2];
        getrandom::fill(&mut draw).map_err(|error| TestbedError::Io {
            what: "reading random bytes".into(),
            source: std::io::Error::other(error.to_string()),
        })?;
        let width = PORTS.end.saturating_sub(PORTS.start);
        let port = PORTS.start.saturating_add(u16::from_ne_bytes(draw) % width);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => taken = Some(error),
        }
    }
    let error = taken.unwrap_or_else(|| std::io::Error::other("no port was tried"));
    Err(TestbedError::io("finding a free port on 127.0.0.1")(error))
}

/// `bytes` random bytes from the operating system, as lowercase hex.
pub fn random_hex(bytes: usize) -> Result<String, TestbedError> {
    let mut random = vec![0_u8; bytes];
    fill(&mut random)?;
    Ok(hex::encode(random))
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], TestbedError> {
    let mut random = [0; N];
    fill(&mut random)?;
    Ok(random)
}

fn fill(random: &mut [u8]) -> Result<(), TestbedError> {
    getrandom::fill(random).map_err(|error| TestbedError::Io {
        what: "reading random bytes".into(),
        source: std::io::Error::other(error.to_string()),
    })
}

/// Writes `folder/name` with the usual permissions, making the folders on the way, and gives back its path.
pub fn write_file(folder: &Path, name: &str, contents: &str) -> Result<PathBuf, TestbedError> {
    write_with_mode(folder, name, contents, 0o644)
}

/// Writes `folder/name` readable by its owner only (0600), as custodyd demands of a file with a secret.
pub fn write_secret(folder: &Path, name: &str, secret: &str) -> Result<PathBuf, TestbedError> {
    write_with_mode(folder, name, secret, 0o600)
}

fn write_with_mode(
    folder: &Path,
    name: &str,
    contents: &str,
    mode: u32,
) -> Result<PathBuf, TestbedError> {
    let path = folder.join(name);
    let parent = path.parent().unwrap_or(folder);
    fs::create_dir_all(parent).map_err(TestbedError::io(parent.display().to_string()))?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&path)
        .and_then(|mut file| file.write_all(contents.as_bytes()))
        .map_err(TestbedError::io(path.display().to_string()))?;
    Ok(path)
}

/// A folder of one's own under the system's temporary folder, removed when dropped.
pub(crate) fn folder(prefix: &str) -> Result<tempfile::TempDir, TestbedError> {
    tempfile::Builder::new()
        .prefix(&format!("custodyd-{prefix}-"))
        .tempdir()
        .map_err(TestbedError::io(format!(
            "making a temporary folder for {prefix}"
        )))
}

/// Starts a part on a free port; on another one when it ended at once, as it does when somebody else took the port first.
pub(crate) fn on_a_free_port<T>(
    mut start: impl FnMut(u16) -> Result<T, TestbedError>,
) -> Result<(T, u16), TestbedError> {
    let mut tries_left = 2;
    loop {
        let port = free_port()?;
        match start(port) {
            Ok(part) => return Ok((part, port)),
            Err(TestbedError::Ended { .. }) if tries_left > 0 => tries_left -= 1,
            Err(error) => return Err(error),
        }
    }
}

//! Bundles on a stick or out of a camera: a folder, a tar, or parts of QR codes as text come in; a folder (and a tar, with its
//! parts) goes out.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use custodyd_airgap::archive::{MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES};
use custodyd_airgap::parts::are_parts;
use custodyd_airgap::returned::RETURN;
use custodyd_airgap::{ArchiveError, Bundle, BundleError, ReturnBundle, from_parts, to_parts};

use crate::error::ColdsignError;

/// Reads a bundle: a folder of its files, or a tar.
pub(crate) fn read_bundle(path: &Path) -> Result<Bundle, ColdsignError> {
    let failed = |source| ColdsignError::Read {
        path: path.to_owned(),
        source,
    };
    let bundle = if fs::metadata(path).map_err(failed)?.is_dir() {
        Bundle::from_files(read_folder(path)?)
    } else {
        // Headers and padding on top of the contents.
        let bytes = read_bounded(path, MAX_TOTAL_BYTES.saturating_mul(2))?;
        Bundle::from_tar(&joined(path, bytes)?)
    };
    bundle.map_err(|source| ColdsignError::Bundle {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The tar, if the file holds its parts as text.
fn joined(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, ColdsignError> {
    if !are_parts(&bytes) {
        return Ok(bytes);
    }
    from_parts(&String::from_utf8_lossy(&bytes)).map_err(|source| ColdsignError::Parts {
        path: path.to_owned(),
        source,
    })
}

fn read_folder(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, ColdsignError> {
    let failed = |source| ColdsignError::Read {
        path: folder.to_owned(),
        source,
    };
    let refused = |source: ArchiveError| ColdsignError::Bundle {
        path: folder.to_owned(),
        source: Box::new(BundleError::Archive(source)),
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if files.len() == MAX_FILES {
            return Err(refused(ArchiveError::TooMany));
        }
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| refused(ArchiveError::NameEncoding))?;
        // Not followed: a link on a foreign stick may point anywhere on this machine.
        if !entry.file_type().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other(format!(
                "{name:?} is not a plain file"
            ))));
        }
        files.push((name, read_bounded(&entry.path(), MAX_FILE_BYTES)?));
    }
    Ok(files)
}

fn read_bounded(path: &Path, most: usize) -> Result<Vec<u8>, ColdsignError> {
    let failed = |source| ColdsignError::Read {
        path: path.to_owned(),
        source,
    };
    let limit = u64::try_from(most).expect("a length in memory fits 64 bits");
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > most {
        return Err(failed(io::Error::other(format!(
            "longer than {most} bytes"
        ))));
    }
    Ok(bytes)
}

/// Is there room for an answer: a folder that is not there yet, or is empty?
pub(crate) fn check_room(folder: &Path, tar: bool) -> Result<(), ColdsignError> {
    let failed = |source| ColdsignError::Write {
        path: folder.to_owned(),
        source,
    };
    for beside in [tar_of(folder), parts_of(folder)] {
        if tar && beside.exists() {
            return Err(ColdsignError::NotEmpty(beside));
        }
    }
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(ColdsignError::NotEmpty(folder.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Writes the answer. The list comes last: a folder that was left half written has none, and is refused on import.
pub(crate) fn write_answer(
    folder: &Path,
    tar: bool,
    answer: &ReturnBundle,
) -> Result<(), ColdsignError> {
    fs::create_dir_all(folder).map_err(|source| ColdsignError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let mut files = answer.files();
    files.sort_by_key(|(name, _)| name.as_str() == RETURN);
    for (name, bytes) in files {
        write_new(&folder.join(name.as_str()), &bytes)?;
    }
    if tar {
        let bytes = answer.to_tar();
        write_new(&tar_of(folder), &bytes)?;
        // What is too much for QR codes goes back on the stick.
        if let Ok(parts) = to_parts(&bytes) {
            write_new(&parts_of(folder), (parts.join("\n") + "\n").as_bytes())?;
        }
    }
    Ok(())
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ColdsignError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| ColdsignError::Write {
            path: path.to_owned(),
            source,
        })
}

/// `FOLDER.tar` beside the folder.
pub(crate) fn tar_of(folder: &Path) -> PathBuf {
    beside(folder, ".tar")
}

/// `FOLDER.ur` beside the folder: the tar's parts for QR codes, one a line.
pub(crate) fn parts_of(folder: &Path) -> PathBuf {
    beside(folder, ".ur")
}

fn beside(folder: &Path, ending: &str) -> PathBuf {
    let mut name = folder.components().as_path().as_os_str().to_owned();
    name.push(ending);
    name.into()
}

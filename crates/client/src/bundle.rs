//! A bundle as a folder, to be carried, and as a tar, to be sent.
//!
//! The invariant: unpacking writes plain files into one new folder and nothing anywhere else; what the files mean is for
//! the air-gapped signer to judge.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use tar::{Archive, Builder, EntryType, Header};

/// The most files in a bundle.
const MAX_FILES: usize = 4096;
/// The longest file name, in bytes.
const MAX_NAME: usize = 100;

/// A bundle that can't be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The tar can't be read.
    #[error("the bundle is not a tar of plain files: {0}")]
    Tar(std::io::Error),
    /// An entry is not a plain file with a plain name.
    #[error("the bundle has an entry {0:?}: only files named with A-Z a-z 0-9 . _ - may be in it")]
    Entry(String),
    /// Two entries have one name.
    #[error("the bundle has two files named {0:?}")]
    Repeated(String),
    /// More files than a bundle has.
    #[error("the bundle has more than {MAX_FILES} files")]
    TooMany,
    /// Nothing in it.
    #[error("the bundle is empty")]
    Empty,
    /// A file or folder can't be read or written.
    #[error("{path}: {fault}")]
    File {
        /// Which.
        path: PathBuf,
        /// The system's word.
        fault: std::io::Error,
    },
}

/// Unpacks a tar into a new folder, all of it or nothing, and returns the names of its files in order.
///
/// # Errors
/// Refuses entries that are not plain files, and a folder that exists.
pub fn unpack(tar: &[u8], folder: &Path) -> Result<Vec<String>, BundleError> {
    let files = read_entries(tar)?;
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |fault| BundleError::File { path, fault }
    };
    fs::create_dir(folder).map_err(fault(folder))?;
    for (name, content) in &files {
        let path = folder.join(name);
        let written = File::create_new(&path).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
        written.map_err(fault(&path))?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// Packs the plain files of a folder into a tar, the same bytes for the same files.
///
/// # Errors
/// Refuses a folder with anything else in it.
pub fn pack(folder: &Path) -> Result<Vec<u8>, BundleError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |fault| BundleError::File { path, fault }
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault(folder))? {
        let entry = entry.map_err(fault(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_plain(&name) {
            return Err(BundleError::Entry(name));
        }
        names.push(name);
        if names.len() > MAX_FILES {
            return Err(BundleError::TooMany);
        }
    }
    if names.is_empty() {
        return Err(BundleError::Empty);
    }
    names.sort();
    let mut tar = Builder::new(Vec::new());
    for name in names {
        let path = folder.join(&name);
        let content = fs::read(&path).map_err(fault(&path))?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(u64::try_from(content.len()).map_err(|_| BundleError::TooMany)?);
        tar.append_data(&mut header, &name, content.as_slice())
            .map_err(BundleError::Tar)?;
    }
    tar.into_inner().map_err(BundleError::Tar)
}

fn read_entries(tar: &[u8]) -> Result<Vec<(String, Vec<u8>)>, BundleError> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut archive = Archive::new(tar);
    for entry in archive.entries().map_err(BundleError::Tar)? {
        let mut entry = entry.map_err(BundleError::Tar)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != EntryType::Regular || !is_plain(&name) {
            return Err(BundleError::Entry(name));
        }
        if files.iter().any(|(known, _)| *known == name) {
            return Err(BundleError::Repeated(name));
        }
        if files.len() == MAX_FILES {
            return Err(BundleError::TooMany);
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(BundleError::Tar)?;
        files.push((name, content));
    }
    if files.is_empty() {
        return Err(BundleError::Empty);
    }
    files.sort();
    Ok(files)
}

/// No separators, no hidden file, no parent folder.
fn is_plain(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_NAME).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (name, kind, content) in entries {
            let mut header = Header::new_gnu();
            // Set as bytes: the crate's own setter refuses "..".
            let field = &mut header.as_old_mut().name;
            field[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, *content).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn a_bundle_comes_back_as_it_went() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("bundle");
        let tar = tar_of(&[
            ("manifest.json", EntryType::Regular, b"{}"),
            ("a.psbt", EntryType::Regular, b"psbt\xff"),
        ]);
        assert_eq!(unpack(&tar, &folder).unwrap(), ["a.psbt", "manifest.json"]);
        assert_eq!(fs::read(folder.join("a.psbt")).unwrap(), b"psbt\xff");
        let packed = pack(&folder).unwrap();
        assert_eq!(read_entries(&packed).unwrap(), read_entries(&tar).unwrap());
        assert_eq!(pack(&folder).unwrap(), packed);
    }

    #[test]
    fn nothing_is_written_outside_or_over_something() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("bundle");
        let bad: [(&str, EntryType); 7] = [
            ("../manifest.json", EntryType::Regular),
            ("/etc/manifest.json", EntryType::Regular),
            ("a/b", EntryType::Regular),
            (".hidden", EntryType::Regular),
            ("link", EntryType::Symlink),
            ("link", EntryType::Link),
            ("folder", EntryType::Directory),
        ];
        for (name, kind) in bad {
            let tar = tar_of(&[
                ("manifest.json", EntryType::Regular, b"{}"),
                (name, kind, b""),
            ]);
            assert!(
                matches!(unpack(&tar, &folder), Err(BundleError::Entry(_))),
                "{name}"
            );
            assert!(!folder.exists());
        }
        let twice = tar_of(&[
            ("a", EntryType::Regular, b"1"),
            ("a", EntryType::Regular, b"2"),
        ]);
        assert!(matches!(
            unpack(&twice, &folder),
            Err(BundleError::Repeated(_))
        ));
        assert!(matches!(unpack(b"", &folder), Err(BundleError::Empty)));
        assert!(matches!(
            unpack(&[1; 2000], &folder),
            Err(BundleError::Tar(_))
        ));
        fs::create_dir(&folder).unwrap();
        let good = tar_of(&[("a", EntryType::Regular, b"1")]);
        assert!(matches!(
            unpack(&good, &folder),
            Err(BundleError::File { .. })
        ));
    }

    #[test]
    fn a_folder_with_anything_else_is_not_a_bundle() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(pack(folder.path()), Err(BundleError::Empty)));
        fs::write(folder.path().join("manifest.json"), "{}").unwrap();
        fs::create_dir(folder.path().join("more")).unwrap();
        assert!(matches!(pack(folder.path()), Err(BundleError::Entry(name)) if name == "more"));
    }
}

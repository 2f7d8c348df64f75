//! A bundle's files in memory: from a folder's listing or from a tar, within limits, each name once.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use tar::{Archive, Builder, EntryType, Header};

use crate::ids::{FileName, NameError};

/// The files of a bundle.
pub(crate) type Files = BTreeMap<FileName, Vec<u8>>;

/// Most transactions of one bundle.
pub const MAX_TRANSACTIONS: usize = 1_024;
/// Most files of one bundle: the transactions, a manifest and its signature.
pub const MAX_FILES: usize = MAX_TRANSACTIONS + 2;
/// Most bytes of one file: a PSBT repeats each transaction that it spends from, up to 400 kB apiece.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;
/// Most bytes of all files together.
pub const MAX_TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// Why files are not a bundle, before looking into them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// A name with a path, or one that no bundle has.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A name in bytes that are no text.
    #[error("a file name is not UTF-8")]
    NameEncoding,
    /// One name for two files.
    #[error("{0} occurs twice")]
    Duplicate(FileName),
    /// More files than a bundle has.
    #[error("more than {MAX_FILES} files")]
    TooMany,
    /// One file is too long.
    #[error("{0} is longer than {MAX_FILE_BYTES} bytes")]
    FileTooLong(FileName),
    /// All together are too long.
    #[error("the files are longer than {MAX_TOTAL_BYTES} bytes together")]
    TooLong,
    /// A link, a folder, a device, or an extension header.
    #[error("{name:?} in the tar is not a plain file (type {kind:#04x})")]
    NotAFile {
        /// Its name.
        name: String,
        /// The type byte of its header.
        kind: u8,
    },
    /// Not a tar, a damaged one, or a truncated one.
    #[error("the tar cannot be read: {0}")]
    Tar(String),
    /// Something behind the end.
    #[error("the tar has bytes behind its end")]
    TrailingBytes,
}

/// Files as a folder's listing gives them.
pub(crate) fn collect<N: AsRef<str>>(
    listing: impl IntoIterator<Item = (N, Vec<u8>)>,
) -> Result<Files, ArchiveError> {
    let mut files = Files::new();
    let mut total = 0_usize;
    for (name, bytes) in listing {
        let name: FileName = name.as_ref().parse()?;
        total = total.saturating_add(bytes.len());
        if bytes.len() > MAX_FILE_BYTES {
            return Err(ArchiveError::FileTooLong(name));
        }
        if total > MAX_TOTAL_BYTES {
            return Err(ArchiveError::TooLong);
        }
        if files.len() == MAX_FILES {
            return Err(ArchiveError::TooMany);
        }
        if files.insert(name.clone(), bytes).is_some() {
            return Err(ArchiveError::Duplicate(name));
        }
    }
    Ok(files)
}

/// The tar of these files, the same bytes for the same files: sorted, of nobody, of no time.
pub(crate) fn to_tar(files: &Files) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(u64::try_from(bytes.len()).expect("a length in memory fits 64 bits"));
        builder
            .append_data(&mut header, name.as_str(), bytes.as_slice())
            .expect(
                "a name of at most 80 plain characters fits ustar, and memory takes every write",
            );
    }
    builder.into_inner().expect("memory takes every write")
}

/// Reads a tar: plain files only, complete, and nothing but zeros behind them.
pub(crate) fn from_tar(bytes: &[u8]) -> Result<Files, ArchiveError> {
    // Headers and padding are less than 1,024 bytes for each file, and some programs fill up to 10,240 bytes.
    const MOST: usize = MAX_TOTAL_BYTES + MAX_FILES * 1_024 + 10_240;
    if bytes.len() > MOST {
        return Err(ArchiveError::TooLong);
    }
    let broken = |error: std::io::Error| ArchiveError::Tar(error.to_string());
    let mut archive = Archive::new(Cursor::new(bytes));
    let mut listing = Vec::new();
    // Raw: long names and other extensions show as entries of their own kind, and are refused.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| ArchiveError::NameEncoding)?;
        let kind = entry.header().entry_type();
        if kind != EntryType::Regular {
            return Err(ArchiveError::NotAFile {
                name,
                kind: kind.as_byte(),
            });
        }
        if listing.len() == MAX_FILES {
            return Err(ArchiveError::TooMany);
        }
        let stated = entry.header().entry_size().map_err(broken)?;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(broken)?;
        if u64::try_from(content.len()) != Ok(stated) {
            return Err(ArchiveError::Tar(format!("{name} is truncated")));
        }
        listing.push((name, content));
    }
    let cursor = archive.into_inner();
    let position = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
    let end = bytes.get(position..).unwrap_or_default();
    if end.iter().any(|byte| *byte != 0) {
        return Err(ArchiveError::TrailingBytes);
    }
    collect(listing)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(names: &[&str]) -> Files {
        collect(names.iter().map(|name| (*name, name.as_bytes().to_vec()))).unwrap()
    }

    fn tar_of(kind: EntryType, name: &[u8], content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder.append(&header, content).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_tar_is_the_same_bytes_for_the_same_files_and_reads_back() {
        let files = files(&["manifest.json", "b.psbt", "a.psbt"]);
        let tar = to_tar(&files);
        assert_eq!(tar, to_tar(&files.clone()));
        assert_eq!(from_tar(&tar).unwrap(), files);
    }

    #[test]
    fn a_name_with_a_path_is_refused() {
        for name in [
            &b"../manifest.json"[..],
            b"/etc/passwd",
            b"folder/file",
            b"./manifest.json",
            b"..",
            b"\xff.psbt",
        ] {
            let result = from_tar(&tar_of(EntryType::Regular, name, b"x"));
            assert!(
                matches!(
                    result,
                    Err(ArchiveError::Name(_) | ArchiveError::NameEncoding)
                ),
                "{name:?} gave {result:?}"
            );
        }
    }

    #[test]
    fn links_folders_devices_and_extensions_are_refused() {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Directory,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::GNULongName,
            EntryType::GNULongLink,
            EntryType::GNUSparse,
            EntryType::XHeader,
            EntryType::XGlobalHeader,
        ] {
            let result = from_tar(&tar_of(kind, b"manifest.json", b""));
            assert!(
                matches!(result, Err(ArchiveError::NotAFile { .. })),
                "{kind:?} gave {result:?}"
            );
        }
    }

    #[test]
    fn a_name_that_occurs_twice_is_refused() {
        let mut twice = tar_of(EntryType::Regular, b"a", b"1");
        twice.truncate(1_024);
        twice.extend(tar_of(EntryType::Regular, b"a", b"2"));
        assert_eq!(
            from_tar(&twice),
            Err(ArchiveError::Duplicate("a".parse().unwrap()))
        );
    }

    #[test]
    fn bytes_behind_the_end_are_refused_and_padding_is_not() {
        let mut tar = to_tar(&files(&["a"]));
        tar.extend([0; 512]);
        assert!(from_tar(&tar).is_ok());
        tar.push(1);
        assert_eq!(from_tar(&tar), Err(ArchiveError::TrailingBytes));
    }

    #[test]
    fn a_truncated_tar_is_refused() {
        let files = files(&["a", "b"]);
        let tar = to_tar(&files);
        for length in [1, 100, 511, 512, 513, 1_100, 1_537] {
            let result = from_tar(&tar[..length]);
            assert!(
                matches!(result, Err(ArchiveError::Tar(_))),
                "{length} gave {result:?}"
            );
        }
        // Cut between two files it is a shorter tar, and the manifest's list notices.
        assert_eq!(from_tar(&tar[..1_024]).unwrap().len(), 1);
    }

    #[test]
    fn counts_and_sizes_are_bounded() {
        let many = (0..=MAX_FILES).map(|n| (format!("f{n}"), Vec::new()));
        assert_eq!(collect(many), Err(ArchiveError::TooMany));
        let long = [("a", vec![0; MAX_FILE_BYTES + 1])];
        assert_eq!(
            collect(long),
            Err(ArchiveError::FileTooLong("a".parse().unwrap()))
        );
        let heavy = (0..5).map(|n| (format!("f{n}"), vec![0; MAX_FILE_BYTES]));
        assert_eq!(collect(heavy), Err(ArchiveError::TooLong));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_048)) {
            let _ = from_tar(&bytes);
        }

        #[test]
        fn a_damaged_tar_never_gives_a_name_outside_the_rules(at in 0_usize..1_536, value: u8) {
            let mut tar = to_tar(&files(&["a", "b"]));
            tar[at] = value;
            if let Ok(files) = from_tar(&tar) {
                for name in files.keys() {
                    prop_assert!(name.as_str().parse::<FileName>().is_ok());
                }
            }
        }
    }
}

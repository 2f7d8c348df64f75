//! An export that is whole: its manifest in canonical form, each file that it names, with the right checksum, and
//! nothing else. Whether to believe it is another question: see [`Bundle::verify`] and [`crate::recompute`].

use std::collections::BTreeSet;

use custodyd_chain::{Digest, Family};

use crate::archive::{self, ArchiveError, Files, MAX_TRANSACTIONS};
use crate::hex_line;
use crate::ids::{FileKind, FileName, TransactionId};
use crate::journal_key::{JournalKey, JournalKeyError};
use crate::manifest::{Entry, Manifest, canonical, sha256};

/// The manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// The file with the journal key's signature of the manifest.
pub const MANIFEST_SIGNATURE: &str = "manifest.sig";

/// Why files are not a whole bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The files as such.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A file that must be there.
    #[error("{0} is missing")]
    Missing(FileName),
    /// A file that the manifest does not name.
    #[error("{0} is not named by the manifest")]
    Unknown(FileName),
    /// Not JSON, or not of the manifest's shape.
    #[error("{file} is malformed: {reason}")]
    Malformed {
        /// The file.
        file: FileName,
        /// What the JSON reader says.
        reason: String,
    },
    /// A second spelling of the same content.
    #[error("{0} is not canonical JSON (RFC 8785)")]
    NotCanonical(FileName),
    /// An integer that JSON readers disagree about.
    #[error("{0} is above 2^53 - 1")]
    Integer(u64),
    /// Not 64 bytes in hexadecimal.
    #[error("{0} does not hold 128 lower-case hexadecimal digits")]
    SignatureFile(FileName),
    /// No transactions, or too many.
    #[error("{0} transactions: a bundle holds 1 to {MAX_TRANSACTIONS}")]
    Count(usize),
    /// One transaction under two entries.
    #[error("{0} occurs twice")]
    Duplicate(TransactionId),
    /// A file name that is not the transaction's.
    #[error("{transaction} is said to be in {stated}, not in {expected}")]
    FileOf {
        /// The transaction.
        transaction: TransactionId,
        /// The name in the manifest.
        stated: FileName,
        /// The one it must have.
        expected: FileName,
    },
    /// Damaged or replaced.
    #[error("{file} has the checksum {found}, the manifest says {stated}")]
    Checksum {
        /// The file.
        file: FileName,
        /// In the manifest.
        stated: Digest,
        /// Computed.
        found: Digest,
    },
}

/// An export with its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: Manifest,
    signature: [u8; 64],
    files: Files,
}

impl Bundle {
    pub(crate) fn from_parts(manifest: Manifest, signature: [u8; 64], files: Files) -> Self {
        Bundle {
            manifest,
            signature,
            files,
        }
    }

    /// From the files of a folder: plain names and contents.
    ///
    /// # Errors
    /// [`BundleError`], the first fault.
    pub fn from_files<N: AsRef<str>>(
        listing: impl IntoIterator<Item = (N, Vec<u8>)>,
    ) -> Result<Self, BundleError> {
        Bundle::from_set(archive::collect(listing)?)
    }

    /// From a tar of such a folder's files.
    ///
    /// # Errors
    /// [`BundleError`], the first fault.
    pub fn from_tar(bytes: &[u8]) -> Result<Self, BundleError> {
        Bundle::from_set(archive::from_tar(bytes)?)
    }

    fn from_set(mut files: Files) -> Result<Self, BundleError> {
        let manifest: Manifest = take_canonical(&mut files, MANIFEST)?;
        let name: FileName = MANIFEST_SIGNATURE.parse().expect("a name of a bundle");
        let line = files
            .remove(&name)
            .ok_or_else(|| BundleError::Missing(name.clone()))?;
        let signature = hex_line::read(&line)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(BundleError::SignatureFile(name))?;
        if let Some(integer) = manifest.unsafe_integer() {
            return Err(BundleError::Integer(integer));
        }
        let listed = manifest.transactions.iter().map(|entry| Listed {
            transaction: &entry.transaction,
            file: &entry.file,
            expected: entry.transaction.file(kind_of(entry)),
            sha256: entry.sha256,
        });
        check_files(listed, &files)?;
        Ok(Bundle {
            manifest,
            signature,
            files,
        })
    }

    /// All files, as they lie in a folder.
    #[must_use]
    pub fn files(&self) -> Vec<(FileName, Vec<u8>)> {
        self.set().into_iter().collect()
    }

    /// All files in a tar, the same bytes for the same bundle.
    #[must_use]
    pub fn to_tar(&self) -> Vec<u8> {
        archive::to_tar(&self.set())
    }

    fn set(&self) -> Files {
        let mut files = self.files.clone();
        files.insert(name_of(MANIFEST), self.manifest.canonical());
        files.insert(
            name_of(MANIFEST_SIGNATURE),
            hex_line::write(&self.signature),
        );
        files
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The signature of the manifest's digest, as it lies there: r ‖ s. [`Bundle::verify`] says whose it is.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    /// The file of a transaction.
    pub(crate) fn file(&self, entry: &Entry) -> &[u8] {
        self.files
            .get(&entry.file)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// Is it by the vault whose journal key this is?
    ///
    /// # Errors
    /// [`JournalKeyError::AnotherKey`], [`JournalKeyError::Signature`].
    pub fn verify(&self, pinned: &JournalKey) -> Result<(), JournalKeyError> {
        let found = self.manifest.journal_key;
        if found != *pinned {
            return Err(JournalKeyError::AnotherKey {
                pinned: *pinned,
                found,
            });
        }
        pinned.verify(&self.manifest.digest(), &self.signature)
    }
}

/// What a manifest says of one file.
pub(crate) struct Listed<'a> {
    pub(crate) transaction: &'a TransactionId,
    pub(crate) file: &'a FileName,
    pub(crate) expected: FileName,
    pub(crate) sha256: Digest,
}

/// Holds files against the list: each there, each whole, none besides.
pub(crate) fn check_files<'a>(
    listed: impl ExactSizeIterator<Item = Listed<'a>>,
    files: &Files,
) -> Result<(), BundleError> {
    let count = listed.len();
    if !(1..=MAX_TRANSACTIONS).contains(&count) {
        return Err(BundleError::Count(count));
    }
    let mut seen = BTreeSet::new();
    for entry in listed {
        if !seen.insert(entry.expected.clone()) {
            return Err(BundleError::Duplicate(entry.transaction.clone()));
        }
        if *entry.file != entry.expected {
            let (transaction, stated) = (entry.transaction.clone(), entry.file.clone());
            return Err(BundleError::FileOf {
                transaction,
                stated,
                expected: entry.expected,
            });
        }
        let bytes = files
            .get(entry.file)
            .ok_or_else(|| BundleError::Missing(entry.file.clone()))?;
        let found = sha256(bytes);
        if found != entry.sha256 {
            let (file, stated) = (entry.file.clone(), entry.sha256);
            return Err(BundleError::Checksum {
                file,
                stated,
                found,
            });
        }
    }
    match files.keys().find(|name| !seen.contains(*name)) {
        Some(unknown) => Err(BundleError::Unknown(unknown.clone())),
        None => Ok(()),
    }
}

/// Takes the manifest out of the files and reads it. Reading and writing it again must give the same bytes: that
/// refuses duplicate keys, spaces, another order and any other second spelling at once.
pub(crate) fn take_canonical<T: serde::Serialize + serde::de::DeserializeOwned>(
    files: &mut Files,
    name: &str,
) -> Result<T, BundleError> {
    let name = name_of(name);
    let bytes = files
        .remove(&name)
        .ok_or_else(|| BundleError::Missing(name.clone()))?;
    let value: T = serde_json::from_slice(&bytes).map_err(|error| BundleError::Malformed {
        file: name.clone(),
        reason: error.to_string(),
    })?;
    if canonical(&value) != bytes {
        return Err(BundleError::NotCanonical(name));
    }
    Ok(value)
}

pub(crate) fn name_of(name: &str) -> FileName {
    name.parse().expect("a file name that this crate chose")
}

/// The file form of an entry's network.
pub(crate) fn kind_of(entry: &Entry) -> FileKind {
    match entry.network.family() {
        Family::Bitcoin => FileKind::Psbt,
        Family::Evm => FileKind::Unsigned,
    }
}

//! What comes back over the gap: a list of files, and a signature for each transaction in them. Nobody signs the list;
//! the signatures speak for themselves.

use custodyd_chain::{Digest, Family, Signature};
use serde::{Deserialize, Serialize};

use crate::archive::{self, Files};
use crate::bundle::{Bundle, BundleError, Listed, check_files, name_of, take_canonical};
use crate::hex_line;
use crate::ids::{ExportId, FileKind, FileName, TransactionId, VaultName};
use crate::manifest::{canonical, sha256};
use crate::psbt::{PsbtError, signed};

/// The list's file.
pub const RETURN: &str = "return.json";

/// The version of the format; its only value is `custodyd/cold-return/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReturnDomain {
    /// The first.
    #[serde(rename = "custodyd/cold-return/v1")]
    V1,
}

/// The list of what comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnManifest {
    /// The format.
    pub domain: ReturnDomain,
    /// Whose transactions.
    pub vault: VaultName,
    /// The export that this answers.
    pub export: ExportId,
    /// SHA-256 of that export's manifest.
    pub manifest_sha256: Digest,
    /// The signed transactions.
    pub transactions: Vec<ReturnEntry>,
}

/// One signed transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReturnEntry {
    /// Which.
    pub transaction: TransactionId,
    /// Its file: a signed PSBT, or a signature.
    pub file: FileName,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// What came back, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnBundle {
    manifest: ReturnManifest,
    files: Files,
}

impl ReturnBundle {
    /// The answer to an export: for each of its transactions, in order, the signatures in order of the inputs.
    ///
    /// # Errors
    /// [`PsbtError`] if an exported PSBT can't take them; never for an export that [`crate::recompute`] has accepted
    /// and one signature for each input.
    pub fn answer(export: &Bundle, signatures: &[Vec<Signature>]) -> Result<Self, PsbtError> {
        let mut files = Files::new();
        for (entry, signatures) in export.manifest().transactions.iter().zip(signatures) {
            let (kind, bytes) = match (entry.network.family(), signatures.as_slice()) {
                (Family::Bitcoin, _) => (
                    FileKind::Psbt,
                    signed::insert(export.file(entry), signatures)?,
                ),
                (Family::Evm, [signature]) => {
                    (FileKind::Signature, hex_line::write(&signature.to_bytes()))
                }
                (Family::Evm, other) => {
                    return Err(PsbtError::SignatureCount {
                        input: 0,
                        found: other.len(),
                    });
                }
            };
            files.insert(entry.transaction.file(kind), bytes);
        }
        Ok(Self::of(export, files))
    }

    /// The answer to an export as another wallet leaves it: signed files without a list. Whether the files are right
    /// is for [`crate::import`] to say.
    ///
    /// # Errors
    /// [`BundleError::Missing`] if a transaction has no file, [`BundleError::Unknown`] for one too many.
    pub fn gather<N: AsRef<str>>(
        export: &Bundle,
        listing: impl IntoIterator<Item = (N, Vec<u8>)>,
    ) -> Result<Self, BundleError> {
        let returned = Self::of(export, archive::collect(listing)?);
        if let Some(name) = returned.files.keys().find(|name| !returned.lists(name)) {
            return Err(BundleError::Unknown(name.clone()));
        }
        let mut expected = export.manifest().transactions.iter().map(returned_file);
        match expected.find(|name| !returned.files.contains_key(name)) {
            Some(missing) => Err(BundleError::Missing(missing)),
            None => Ok(returned),
        }
    }

    fn of(export: &Bundle, files: Files) -> Self {
        let entries = export.manifest().transactions.iter().filter_map(|entry| {
            let file = returned_file(entry);
            let sha256 = sha256(files.get(&file)?);
            Some(ReturnEntry {
                transaction: entry.transaction.clone(),
                file,
                sha256,
            })
        });
        let manifest = ReturnManifest {
            domain: ReturnDomain::V1,
            vault: export.manifest().vault.clone(),
            export: export.manifest().export.clone(),
            manifest_sha256: export.manifest().sha256(),
            transactions: entries.collect(),
        };
        ReturnBundle { manifest, files }
    }

    fn lists(&self, name: &FileName) -> bool {
        self.manifest
            .transactions
            .iter()
            .any(|entry| entry.file == *name)
    }

    /// From the files of a folder: plain names and contents.
    ///
    /// # Errors
    /// [`BundleError`], the first fault.
    pub fn from_files<N: AsRef<str>>(
        listing: impl IntoIterator<Item = (N, Vec<u8>)>,
    ) -> Result<Self, BundleError> {
        Self::from_set(archive::collect(listing)?)
    }

    /// From a tar of such a folder's files.
    ///
    /// # Errors
    /// [`BundleError`], the first fault.
    pub fn from_tar(bytes: &[u8]) -> Result<Self, BundleError> {
        Self::from_set(archive::from_tar(bytes)?)
    }

    fn from_set(mut files: Files) -> Result<Self, BundleError> {
        let manifest: ReturnManifest = take_canonical(&mut files, RETURN)?;
        let listed = manifest.transactions.iter().map(|entry| {
            let kind = if entry.file.as_str().ends_with(".psbt") {
                FileKind::Psbt
            } else {
                FileKind::Signature
            };
            let expected = entry.transaction.file(kind);
            let (transaction, file) = (&entry.transaction, &entry.file);
            Listed {
                transaction,
                file,
                expected,
                sha256: entry.sha256,
            }
        });
        check_files(listed, &files)?;
        Ok(ReturnBundle { manifest, files })
    }

    /// All files, as they lie in a folder.
    #[must_use]
    pub fn files(&self) -> Vec<(FileName, Vec<u8>)> {
        self.set().into_iter().collect()
    }

    /// All files in a tar, the same bytes for the same return.
    #[must_use]
    pub fn to_tar(&self) -> Vec<u8> {
        archive::to_tar(&self.set())
    }

    fn set(&self) -> Files {
        let mut files = self.files.clone();
        files.insert(name_of(RETURN), canonical(&self.manifest));
        files
    }

    /// The list.
    #[must_use]
    pub fn manifest(&self) -> &ReturnManifest {
        &self.manifest
    }

    pub(crate) fn file(&self, name: &FileName) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }
}

/// The file in which an exported transaction comes back.
pub(crate) fn returned_file(entry: &crate::manifest::Entry) -> FileName {
    entry.transaction.file(match entry.network.family() {
        Family::Bitcoin => FileKind::Psbt,
        Family::Evm => FileKind::Signature,
    })
}

//! What is accepted of what comes back: a signature for each exported transaction, by its keys, over exactly the bytes
//! that left. Everything else is refused, and so is anything more.

use custodyd_chain::{Digest, Network, Signature, SignatureError, SigningRequest};

use crate::bundle::Bundle;
use crate::hex_line;
use crate::ids::{ExportId, TransactionId, VaultName};
use crate::manifest::{Entry, StatedEffects};
use crate::psbt::{PsbtError, signed};
use crate::recompute::{RecomputeError, RecomputedEffects, recompute};
use crate::returned::{ReturnBundle, returned_file};

/// Why a return was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The export itself is not sound.
    #[error(transparent)]
    Export(#[from] RecomputeError),
    /// Another vault's.
    #[error("this is for vault {found}, not for {expected}")]
    Vault {
        /// Whose export it should answer.
        expected: VaultName,
        /// Whose it answers.
        found: VaultName,
    },
    /// An answer to another export.
    #[error("this answers {found}, not {expected}")]
    AnotherExport {
        /// The export.
        expected: ExportId,
        /// What it answers.
        found: ExportId,
    },
    /// An answer to another version of the export.
    #[error("this answers an export with the manifest {found}, not {expected}")]
    Manifest {
        /// SHA-256 of the export's manifest.
        expected: Digest,
        /// What it answers.
        found: Digest,
    },
    /// Not the transactions that left, in their order.
    #[error("the transactions that came back are not those that left")]
    Transactions,
    /// The PSBT.
    #[error("{transaction}: {source}")]
    Psbt {
        /// Which.
        transaction: TransactionId,
        /// Why.
        source: PsbtError,
    },
    /// The signature's file, or the signature.
    #[error("{transaction}: {reason}")]
    SignatureFile {
        /// Which.
        transaction: TransactionId,
        /// Why.
        reason: String,
    },
    /// A signature that does not verify.
    #[error("{transaction}, signature {index}: {source}")]
    Signature {
        /// Which.
        transaction: TransactionId,
        /// Its place, from 0.
        index: usize,
        /// Why.
        source: Box<SignatureError>,
    },
}

/// The signatures of each transaction, in the order in which its plan asks for them.
pub type Signed = Vec<(TransactionId, Vec<Signature>)>;

/// Reads the signatures out of what came back. Assembling them with the plan is the caller's.
///
/// # Errors
/// [`ImportError`], the first fault.
pub fn import(exported: &Bundle, returned: &ReturnBundle) -> Result<Signed, ImportError> {
    answers(exported, returned)?;
    let left = recompute(exported)?;
    let entries = exported.manifest().transactions.iter();
    entries
        .zip(&left)
        .map(|(entry, left)| {
            let file = returned
                .file(&returned_file(entry))
                .ok_or(ImportError::Transactions)?;
            let signatures = signatures(entry, exported.file(entry), left, file)?;
            verify(&entry.transaction, &left.requests, &signatures)?;
            Ok((entry.transaction.clone(), signatures))
        })
        .collect()
}

/// Is it an answer to this export, transaction for transaction?
fn answers(exported: &Bundle, returned: &ReturnBundle) -> Result<(), ImportError> {
    let (left, back) = (exported.manifest(), returned.manifest());
    if back.vault != left.vault {
        let (expected, found) = (left.vault.clone(), back.vault.clone());
        return Err(ImportError::Vault { expected, found });
    }
    if back.export != left.export {
        let (expected, found) = (left.export.clone(), back.export.clone());
        return Err(ImportError::AnotherExport { expected, found });
    }
    let expected = left.sha256();
    if back.manifest_sha256 != expected {
        return Err(ImportError::Manifest {
            expected,
            found: back.manifest_sha256,
        });
    }
    let left = left
        .transactions
        .iter()
        .map(|entry| (&entry.transaction, returned_file(entry)));
    let back = back
        .transactions
        .iter()
        .map(|entry| (&entry.transaction, entry.file.clone()));
    if left.ne(back) {
        Err(ImportError::Transactions)
    } else {
        Ok(())
    }
}

fn signatures(
    entry: &Entry,
    exported: &[u8],
    left: &RecomputedEffects,
    returned: &[u8],
) -> Result<Vec<Signature>, ImportError> {
    let transaction = || entry.transaction.clone();
    match (&left.effects, entry.network) {
        (StatedEffects::Coins(effects), Network::Bitcoin(_)) => {
            signed::signatures(exported, returned, &effects.inputs).map_err(|source| {
                ImportError::Psbt {
                    transaction: transaction(),
                    source,
                }
            })
        }
        _ => {
            let refused = |reason: String| ImportError::SignatureFile {
                transaction: transaction(),
                reason,
            };
            let bytes = hex_line::read(returned).ok_or_else(|| {
                refused("the file is not one line of lower-case hexadecimal".to_owned())
            })?;
            // The text form is the one that refuses a high s instead of lowering it.
            let signature = hex::encode(bytes).parse();
            Ok(vec![signature.map_err(|error: SignatureError| {
                refused(error.to_string())
            })?])
        }
    }
}

fn verify(
    transaction: &TransactionId,
    requests: &[SigningRequest],
    signatures: &[Signature],
) -> Result<(), ImportError> {
    for (index, (request, signature)) in requests.iter().zip(signatures).enumerate() {
        signature
            .verify(&request.public_key, &request.digest)
            .map_err(|source| ImportError::Signature {
                transaction: transaction.clone(),
                index,
                source: Box::new(source),
            })?;
    }
    Ok(())
}

//! Which signature used which nonce. Two signatures of one key with one nonce over two digests give the private key to
//! whoever sees both, so every r is remembered beside the journal and looked up before a signature is taken in.

use std::collections::BTreeMap;

use custodyd_airgap::{Bundle, JournalKey};
use custodyd_chain::{DecodeError, Plan, RawTransaction};
use custodyd_vault::{Event, ExportId, TransactionId, Vault};

use crate::{
    cold::manifest_sha256,
    engine::{ReplayError, read_event},
    journal::{CanonicalError, HeadRow, head_digest},
    store::{Origin, SignaturePointRow, Store, StoreError},
};

/// Why the nonces of a journal can't be told.
#[derive(Debug, thiserror::Error)]
pub enum NonceError {
    /// The database's.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// An event can't be read.
    #[error("{0}")]
    Event(#[from] Box<ReplayError>),
    /// A head that can't be signed as it is.
    #[error("head {seq}: {source}")]
    Head {
        /// Its sequence number.
        seq: u64,
        /// Why not.
        source: CanonicalError,
    },
    /// A head whose signature is too short to have an r.
    #[error("head {0}: its signature is not 64 bytes")]
    Signature(u64),
    /// Bytes that are not a transaction of their plan.
    #[error("{transaction}: {source}")]
    Transaction {
        /// Whose bytes.
        transaction: TransactionId,
        /// Why not.
        source: DecodeError,
    },
    /// An export whose bundle is not the one that was signed.
    #[error("export {export}: its bundle {reason}")]
    Bundle {
        /// The export.
        export: ExportId,
        /// What is wrong.
        reason: String,
    },
    /// A signature of a transaction that was never planned.
    #[error("{0} was never planned")]
    Unplanned(TransactionId),
}

/// The nonce of a head's signature. `journal_key` is the compressed point in hex.
///
/// # Errors
/// The head is not one that could be signed.
pub fn head_point(journal_key: &str, head: &HeadRow) -> Result<SignaturePointRow, NonceError> {
    let digest = head_digest(&head.vault, head.seq, head.at_ms, &head.hash).map_err(|source| {
        let seq = head.seq;
        NonceError::Head { seq, source }
    })?;
    let r = head.signature.first_chunk::<32>();
    Ok(SignaturePointRow {
        key: journal_key.to_owned(),
        r: *r.ok_or(NonceError::Signature(head.seq))?,
        digest,
        origin: Origin::head(head.seq),
    })
}

/// The nonces of a transaction's signatures, read from its bytes.
///
/// # Errors
/// The bytes are not a signed transaction of this plan.
pub fn transaction_points(
    id: &TransactionId,
    plan: &Plan,
    raw: &RawTransaction,
) -> Result<Vec<SignaturePointRow>, NonceError> {
    let points = plan
        .signature_points(raw)
        .map_err(|source| NonceError::Transaction {
            transaction: id.clone(),
            source,
        })?;
    let rows = points.iter().map(|point| SignaturePointRow {
        key: point.public_key.to_string(),
        r: *point.nonce.as_bytes(),
        digest: *point.digest.as_bytes(),
        origin: Origin::transaction(id.as_str()),
    });
    Ok(rows.collect())
}

/// The nonce of a cold export's manifest. `journal_key` is the compressed point in hex.
pub fn manifest_point(journal_key: &str, export: &ExportId, bundle: &Bundle) -> SignaturePointRow {
    let r = bundle.signature().first_chunk::<32>();
    SignaturePointRow {
        key: journal_key.to_owned(),
        r: *r.expect("64 bytes begin with 32"),
        digest: *bundle.manifest().digest().as_bytes(),
        origin: Origin::export(export.as_str()),
    }
}

/// The same, read from the bundle as it is stored, which must have the manifest that the journal remembers and be signed by
/// the journal key.
///
/// # Errors
/// The bundle is missing, or another.
pub async fn stored_manifest_point(
    store: &Store,
    vault: &Vault,
    export: &ExportId,
    manifest: &str,
) -> Result<SignaturePointRow, NonceError> {
    let fault = |reason: String| NonceError::Bundle {
        export: export.clone(),
        reason,
    };
    let stored = store.bundle(vault.id().as_str(), export.as_str()).await?;
    let tar = stored.ok_or_else(|| fault("is missing".to_owned()))?;
    let bundle = Bundle::from_tar(&tar).map_err(|e| fault(format!("can't be read: {e}")))?;
    if manifest_sha256(&bundle) != manifest {
        return Err(fault("is not the one that was built".to_owned()));
    }
    let key = &vault.journal_key().public_key;
    let pinned: JournalKey = key.parse().map_err(|e| fault(format!("{e}")))?;
    bundle
        .verify(&pinned)
        .map_err(|e| fault(format!("is not signed: {e}")))?;
    Ok(manifest_point(key, export, &bundle))
}

/// Every nonce that the journal holds, each key and r once and with its first use, ordered by them. `state` is what the
/// journal comes to.
///
/// # Errors
/// A row that can't be read or can't be.
pub async fn of_journal(
    store: &Store,
    vault: &str,
    state: &Vault,
) -> Result<Vec<SignaturePointRow>, NonceError> {
    let mut points: BTreeMap<(String, [u8; 32]), SignaturePointRow> = BTreeMap::new();
    let mut keep = |row: SignaturePointRow| {
        points.entry((row.key.clone(), row.r)).or_insert(row);
    };
    let mut after = 0;
    loop {
        let heads = store.heads(vault, after, 512).await?;
        let Some(last) = heads.last() else { break };
        after = last.seq;
        for head in &heads {
            keep(head_point(&state.journal_key().public_key, head)?);
        }
    }
    after = 0;
    loop {
        let rows = store.journal(vault, after, 512).await?;
        let Some(last) = rows.last() else { break };
        after = last.seq;
        let signed = ["transaction_signed", "cold_export_built"];
        for row in rows.iter().filter(|row| signed.contains(&&*row.kind)) {
            match read_event(row).map_err(Box::new)?.event {
                Event::TransactionSigned {
                    transaction, raw, ..
                } => {
                    let plan = state.transactions().get(&transaction).map(|t| &t.plan);
                    let plan = plan.ok_or_else(|| NonceError::Unplanned(transaction.clone()))?;
                    transaction_points(&transaction, plan, &raw)?
                        .into_iter()
                        .for_each(&mut keep);
                }
                Event::ColdExportBuilt {
                    export,
                    manifest_sha256,
                } => keep(stored_manifest_point(store, state, &export, &manifest_sha256).await?),
                _ => {}
            }
        }
    }
    Ok(points.into_values().collect())
}

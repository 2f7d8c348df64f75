//! Which signature used which nonce. Two signatures of one key with one nonce over two digests give the private key to
//! whoever sees both, so every r is remembered beside the journal and looked up before a signature is taken in.

use std::collections::BTreeMap;

use custodyd_chain::{DecodeError, Plan, RawTransaction};
use custodyd_vault::{Event, TransactionId, Vault};

use crate::{
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
        for row in rows.iter().filter(|row| row.kind == "transaction_signed") {
            if let Event::TransactionSigned {
                transaction, raw, ..
            } = read_event(row).map_err(Box::new)?.event
            {
                let plan = state.transactions().get(&transaction).map(|t| &t.plan);
                let plan = plan.ok_or_else(|| NonceError::Unplanned(transaction.clone()))?;
                transaction_points(&transaction, plan, &raw)?
                    .into_iter()
                    .for_each(&mut keep);
            }
        }
    }
    Ok(points.into_values().collect())
}

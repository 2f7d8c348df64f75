//! A vault's writer with a journal key in software: it builds the batches that the engine would.

use custodyd::journal::{Entry, GENESIS, HeadRow, JournalKey, JournalRow, Tip, head_digest};
use custodyd::store::{Batch, InboxRow, Outcome, Projection, Store};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::json;

pub(crate) struct Writer {
    pub(crate) vault: String,
    pub(crate) previous: Option<(u64, [u8; 32])>,
}

fn signer() -> SigningKey {
    SigningKey::from_slice(&[9; 32]).unwrap()
}

pub(crate) fn key() -> JournalKey {
    let point = signer().verifying_key().to_encoded_point(true);
    JournalKey::from_sec1(point.as_bytes()).unwrap()
}

pub(crate) fn sign(vault: &str, seq: u64, at_ms: u64, hash: [u8; 32]) -> HeadRow {
    let digest = head_digest(vault, seq, at_ms, &hash).unwrap();
    let signature: Signature = signer().sign_prehash(&digest).unwrap();
    HeadRow::from_hsm(vault, seq, at_ms, hash, &signature.to_bytes().into()).unwrap()
}

impl Writer {
    pub(crate) fn new(vault: &str) -> Self {
        Self {
            vault: vault.into(),
            previous: None,
        }
    }

    /// Where the database says that the vault's journal ends.
    pub(crate) async fn resumed(vault: &str, store: &Store) -> Self {
        let head = store.last_head(vault).await.unwrap();
        Self {
            vault: vault.into(),
            previous: head.map(|head| (head.seq, head.hash)),
        }
    }

    /// The next `count` rows, with nothing else; the writer stays where it is.
    pub(crate) fn batch(&self, count: u64) -> Batch {
        let (start, mut hash) = self.previous.unwrap_or((0, GENESIS));
        let rows: Vec<JournalRow> = (start + 1..=start + count)
            .map(|seq| {
                let entry = Entry {
                    vault: &self.vault,
                    seq,
                    at_ms: 1_700_000_000_000 + seq,
                    kind: "withdrawal_received",
                    prev_hash: hash,
                };
                let row = entry.seal(&json!({"amount": "1.5 LTC", "n": seq})).unwrap();
                hash = row.hash;
                row
            })
            .collect();
        let seq = start + count;
        Batch {
            vault: self.vault.clone(),
            previous: self.previous,
            head: sign(&self.vault, seq, 1_700_000_000_000 + seq, hash),
            rows,
            projections: Vec::new(),
            taken: Vec::new(),
            outcomes: Vec::new(),
            points: Vec::new(),
            feed: Vec::new(),
        }
    }

    pub(crate) fn with(&self, count: u64, projections: Vec<Projection>) -> Batch {
        Batch {
            projections,
            ..self.batch(count)
        }
    }

    pub(crate) fn moved_by(&mut self, batch: &Batch) {
        self.previous = Some((batch.head.seq, batch.head.hash));
    }

    pub(crate) async fn commit(&mut self, store: &Store, batch: &Batch) {
        store.commit(batch).await.unwrap();
        self.moved_by(batch);
    }

    /// The vault's journal verifies and ends where this writer is.
    pub(crate) async fn verify(&self, store: &Store) {
        let tip = store
            .verify_journal(&self.vault, &key(), Tip::START, |_| {})
            .await
            .unwrap();
        assert_eq!((tip.seq, tip.hash), self.previous.unwrap_or((0, GENESIS)));
    }
}

pub(crate) fn withdrawal(number: u64, state: &str) -> Projection {
    Projection::Withdrawal {
        id: format!("wd_{number:032x}"),
        client: format!("client-{}", number % 3),
        idempotency_key: format!("key-{number}"),
        state: state.into(),
        created_seq: number,
        document: json!({"number": number, "state": state}).to_string(),
        wallet: format!("wallet-{}", number % 2),
        asked: (state == "awaiting_approval").then(|| format!(" operator-{} ", number % 3)),
        queue_rank: number % 2,
    }
}

pub(crate) fn reserve_outpoint(outpoint: &str, transaction: &str) -> Projection {
    Projection::ReserveOutpoint {
        network: "litecoin-regtest".into(),
        outpoint: outpoint.into(),
        transaction: transaction.into(),
    }
}

pub(crate) fn release_outpoint(outpoint: &str) -> Projection {
    Projection::ReleaseOutpoint {
        network: "litecoin-regtest".into(),
        outpoint: outpoint.into(),
    }
}

pub(crate) fn reserve_nonce(nonce: u64, transaction: &str) -> Projection {
    Projection::ReserveNonce {
        network: "eip155:31337".into(),
        account: "0xAb".into(),
        nonce,
        transaction: transaction.into(),
    }
}

pub(crate) fn release_nonce(nonce: u64) -> Projection {
    Projection::ReleaseNonce {
        network: "eip155:31337".into(),
        account: "0xAb".into(),
        nonce,
    }
}

pub(crate) fn request(number: u64) -> InboxRow {
    InboxRow {
        id: format!("in_{number}"),
        vault: "main".into(),
        kind: "withdraw".into(),
        principal: "client/exchange".into(),
        nonce: format!("nonce-{number}"),
        at_ms: 1_700_000_000_000 + number,
        request: json!({"method": "POST", "number": number})
            .to_string()
            .into(),
    }
}

pub(crate) fn answer(number: u64) -> Outcome {
    Outcome {
        inbox_id: format!("in_{number}"),
        status: 201,
        body: json!({"answers": number}).to_string(),
    }
}

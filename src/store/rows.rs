//! What goes into the database and comes out of it.

use std::sync::Arc;

use super::FeedRow;
use crate::journal::{HeadRow, JournalRow};

/// All that one group commit writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The vault whose journal grows.
    pub vault: String,
    /// The head that the writer built on, compared with the stored one; none before the first row.
    pub previous: Option<(u64, [u8; 32])>,
    /// The new rows, following `previous` without a gap. May be empty when only outcomes are
    /// written; `head` then repeats `previous` and is not stored again.
    pub rows: Vec<JournalRow>,
    /// The signed head of the last row.
    pub head: HeadRow,
    /// Changes of the projections, in order; the last one of an id stays.
    pub projections: Vec<Projection>,
    /// Requests that were not in the inbox before: this commit answers them, and keeps their nonces from being used again.
    pub taken: Vec<Taken>,
    /// Answers to inbox requests.
    pub outcomes: Vec<Outcome>,
    /// The nonces of the signatures that this batch stores.
    pub points: Vec<SignaturePointRow>,
    /// What outsiders may hear of the new rows, following on what the feed has.
    pub feed: Vec<FeedRow>,
}

impl Batch {
    /// Whether what was created by the event at `seq` is created by this batch.
    pub(super) fn creates(&self, seq: u64) -> bool {
        self.previous.is_none_or(|(last, _)| seq > last)
    }
}

impl From<&Batch> for Arc<Batch> {
    fn from(batch: &Batch) -> Self {
        Self::new(batch.clone())
    }
}

/// What holds a signature: a head of the journal, or a transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    /// The head at this sequence number.
    pub fn head(seq: u64) -> Self {
        Self(format!("head {seq}"))
    }

    /// A transaction, by its id: `tx_…`.
    pub fn transaction(id: &str) -> Self {
        Self(id.to_owned())
    }

    /// A cold export's manifest, by the export's id.
    pub fn export(id: &str) -> Self {
        Self(format!("export {id}"))
    }

    /// Something that is looked up and not stored.
    pub fn unstored(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// As it is stored, whatever it says.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Whether it is a head.
    pub fn is_head(&self) -> bool {
        self.0.starts_with("head ")
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// One signature, as far as the safety of its key goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignaturePointRow {
    /// The public key, compressed, hex.
    pub key: String,
    /// r, big-endian. A key has each r once.
    pub r: [u8; 32],
    /// What was signed.
    pub digest: [u8; 32],
    /// Where the signature is.
    pub origin: Origin,
}

/// A request that a commit answers without its having been in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// As it came.
    pub row: Arc<InboxRow>,
    /// Whether an event of the commit has it as its evidence. Then its text is in the journal, and not kept twice.
    pub journaled: bool,
}

/// A request of the inbox, to whoever asks for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who signed it: `client/…` or `operator/…`.
    pub principal: String,
    /// Whether it is answered. The answer of what was answered before it was stored is not kept.
    pub answered: bool,
}

/// The answer to a request in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The answered request.
    pub inbox_id: String,
    /// The HTTP status.
    pub status: u16,
    /// The JSON that is answered.
    pub body: String,
}

/// One change of what reads are served from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the columns of the tables of the same names")]
pub enum Projection {
    /// Inserts what this batch creates, and then nothing may be there; of others sets all but `client`, `idempotency_key` and
    /// `created_seq`.
    Withdrawal {
        id: String,
        client: String,
        idempotency_key: String,
        state: String,
        created_seq: u64,
        document: String,
        wallet: String,
        asked: Option<String>,
        queue_rank: u64,
    },
    /// Inserts, or sets `txid`, `state` and `document`.
    Transaction {
        id: String,
        txid: Option<String>,
        wallet: String,
        network: String,
        state: String,
        document: String,
    },
    /// Inserts, or sets `state` and `document`.
    Wallet {
        id: String,
        tier: String,
        asset: String,
        state: String,
        document: String,
    },
    /// Inserts, or sets `state` and `document`.
    Key {
        id: String,
        wallet: String,
        state: String,
        document: String,
    },
    /// Inserts, or sets `state` and `document`.
    Export {
        id: String,
        state: String,
        document: String,
    },
    /// Inserts, or sets `state` and `document`.
    Proposal {
        id: String,
        state: String,
        created_seq: u64,
        document: String,
    },
    /// Inserts, or sets `units`.
    Sample {
        series: String,
        at_ms: u64,
        units: String,
    },
    /// Inserts.
    Subject { subject: String, head_seq: u64 },
    /// Fails when any transaction of any vault holds the coin.
    ReserveOutpoint {
        network: String,
        outpoint: String,
        transaction: String,
    },
    /// Frees a coin that this vault holds.
    ReleaseOutpoint { network: String, outpoint: String },
    /// Fails when any transaction of any vault holds the nonce.
    ReserveNonce {
        network: String,
        account: String,
        nonce: u64,
        transaction: String,
    },
    /// Frees a nonce that this vault holds.
    ReleaseNonce {
        network: String,
        account: String,
        nonce: u64,
    },
}

/// A signed request on its way to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// Unique id, by which the outcome is found.
    pub id: String,
    /// The vault that it is for.
    pub vault: String,
    /// What is asked.
    pub kind: String,
    /// Who signed: `client/…` or `operator/…`.
    pub principal: String,
    /// The signature's nonce; one principal uses one nonce once.
    pub nonce: String,
    /// When it arrived, in Unix milliseconds.
    pub at_ms: u64,
    /// JSON of the signed request.
    pub request: Arc<str>,
}

/// What became of a row offered to the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxPut {
    /// It is durable and will be answered.
    Stored,
    /// The principal has used this nonce before; nothing was stored.
    Replayed,
}

/// Which withdrawals to list; an absent field matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<String>,
    /// Only those of this client.
    pub client: Option<String>,
    /// Only those that this wallet pays.
    pub wallet: Option<String>,
}

/// Part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub rows: Vec<T>,
    /// Where the next part starts; absent at the end of the list.
    pub next: Option<super::Cursor>,
}

/// A stored withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct WithdrawalRow {
    pub vault: String,
    pub id: String,
    pub client: String,
    pub idempotency_key: String,
    pub state: String,
    pub created_seq: u64,
    pub document: String,
    pub wallet: String,
    pub asked: Option<String>,
    pub queue_rank: u64,
}

/// A stored transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct TransactionRow {
    pub id: String,
    pub txid: Option<String>,
    pub wallet: String,
    pub network: String,
    pub state: String,
    pub document: String,
}

/// A stored wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct WalletRow {
    pub id: String,
    pub tier: String,
    pub asset: String,
    pub state: String,
    pub document: String,
}

/// A stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct KeyRow {
    pub id: String,
    pub wallet: String,
    pub state: String,
    pub document: String,
}

/// A stored export.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct ExportRow {
    pub id: String,
    pub state: String,
    pub document: String,
}

/// A stored proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct ProposalRow {
    pub id: String,
    pub state: String,
    pub created_seq: u64,
    pub document: String,
}

/// A coin that a transaction holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct OutpointReservation {
    pub network: String,
    pub outpoint: String,
    pub transaction: String,
}

/// A nonce that a transaction holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table's columns")]
pub struct NonceReservation {
    pub network: String,
    pub account: String,
    pub nonce: u64,
    pub transaction: String,
}

/// Everything that a vault's transactions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reservations {
    /// Coins, by network and outpoint.
    pub outpoints: Vec<OutpointReservation>,
    /// Nonces, by network, account and number.
    pub nonces: Vec<NonceReservation>,
}

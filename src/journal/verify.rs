//! Walking the chain. Invariant: an edit of any column of any journal or head row ends in a
//! [`ChainFault`] that names the row, and the column as far as the chain can tell it.

use std::fmt;

use super::canonical::is_canonical;
use super::entry::{FIRST_SEQ, GENESIS, JournalRow};
use super::head::{HeadError, HeadRow, JournalKey};

/// The last row of a verified stretch of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its sequence number; 0 before the first row.
    pub seq: u64,
    /// Its hash; [`GENESIS`] before the first row.
    pub hash: [u8; 32],
}

impl Tip {
    /// Before the first row.
    pub const START: Self = Self {
        seq: FIRST_SEQ - 1,
        hash: GENESIS,
    };
}

/// The table of a faulty row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// The events.
    Journal,
    /// The signed heads.
    Heads,
    /// The row that writers compare and set.
    Vaults,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Journal => "journal",
            Self::Heads => "heads",
            Self::Vaults => "vaults",
        })
    }
}

/// Where in the row the fault is, as far as it can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The row's `vault`.
    Vault,
    /// The row's `seq`, or the row is absent or a stranger.
    Seq,
    /// The row's `event`.
    Event,
    /// The row's `prev_hash`, or the whole row before it was replaced.
    PrevHash,
    /// The row's `hash`.
    Hash,
    /// `at_ms`, `kind` or `event`: the hash covers them together.
    Contents,
    /// A head's `signature`, or its `at_ms`: the signature covers them together.
    Signature,
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vault => "vault",
            Self::Seq => "seq",
            Self::Event => "event",
            Self::PrevHash => "prev_hash",
            Self::Hash => "hash",
            Self::Contents => "at_ms, kind or event",
            Self::Signature => "signature or at_ms",
        })
    }
}

/// What is wrong with the row.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// No row has this sequence number, but a later row or a head needs it.
    #[error("the row is missing")]
    Missing,
    /// Two rows claim the place, or the rows are out of order.
    #[error("seq {expected} was expected here")]
    OutOfOrder {
        /// The sequence number that should stand here.
        expected: u64,
    },
    /// A row of another vault among this vault's.
    #[error("belongs to vault {0:?}")]
    WrongVault(String),
    /// Not the text that was hashed when it was written.
    #[error("not canonical JSON (RFC 8785)")]
    NotCanonical,
    /// The columns do not hash to `hash`.
    #[error("the columns hash to {computed}, the row says {stored}")]
    HashMismatch {
        /// Hex of what the columns hash to.
        computed: String,
        /// Hex of the stored hash.
        stored: String,
    },
    /// The row does not follow the one before.
    #[error("follows {stored}, but the row before hashes to {expected}")]
    BrokenLink {
        /// Hex of the hash of the row before.
        expected: String,
        /// Hex of the stored `prev_hash`.
        stored: String,
    },
    /// A head, or the row that writers compare, names another hash than the journal row.
    #[error("names hash {stored}, the journal row has {expected}")]
    WrongRow {
        /// Hex of the journal row's hash.
        expected: String,
        /// Hex of what is named.
        stored: String,
    },
    /// The head's signature does not stand.
    #[error(transparent)]
    Signature(#[from] HeadError),
    /// Rows after the last head: nobody with the journal key vouches for them.
    #[error("no signed head covers the row")]
    Unsigned,
}

/// A row that was edited, lost or forged.
#[derive(Debug, thiserror::Error)]
#[error("vault {vault}: {table} row seq {seq}, column {column}: {reason}")]
pub struct ChainFault {
    /// The vault whose chain it is.
    pub vault: String,
    /// The row's table.
    pub table: Table,
    /// The row's sequence number.
    pub seq: u64,
    /// Where in the row.
    pub column: Column,
    /// What is wrong.
    pub reason: Reason,
}

/// Verifies a journal page by page, in order.
#[derive(Debug, Clone)]
pub struct ChainVerifier {
    vault: String,
    key: JournalKey,
    tip: Tip,
    signed_seq: u64,
}

impl ChainVerifier {
    /// Starts at the journal's first row.
    #[must_use]
    pub fn new(vault: &str, key: JournalKey) -> Self {
        Self::resume(vault, key, Tip::START)
    }

    /// Goes on after `tip`, which the caller trusts (a snapshot, or an earlier walk).
    #[must_use]
    pub fn resume(vault: &str, key: JournalKey, tip: Tip) -> Self {
        Self {
            vault: vault.to_owned(),
            key,
            tip,
            signed_seq: tip.seq,
        }
    }

    /// The last verified row.
    #[must_use]
    pub fn tip(&self) -> Tip {
        self.tip
    }

    /// Takes the next rows, and every head after the last tip up to the last of them, both ascending.
    ///
    /// # Errors
    /// The first fault in journal order. The verifier then stays before the faulty row.
    pub fn page(&mut self, rows: &[JournalRow], heads: &[HeadRow]) -> Result<(), ChainFault> {
        let mut heads = heads.iter().peekable();
        for (index, row) in rows.iter().enumerate() {
            let head = heads.peek().filter(|head| head.seq == row.seq);
            let following = index
                .checked_add(1)
                .and_then(|next| rows.get(next))
                .map(|next| next.prev_hash)
                .or_else(|| head.map(|head| head.hash));
            self.row(row, following)?;
            if let Some(head) = heads.next_if(|head| head.seq == row.seq) {
                self.head(head)?;
            }
        }
        match heads.next() {
            Some(head) => Err(self.stray_head(head)),
            None => Ok(()),
        }
    }

    /// Ends the walk: the last row must be covered by a head.
    ///
    /// # Errors
    /// Names the first row that no head covers.
    pub fn finish(self) -> Result<Tip, ChainFault> {
        if self.signed_seq < self.tip.seq {
            let seq = self.signed_seq.saturating_add(1);
            return Err(self.fault(Table::Journal, seq, Column::Seq, Reason::Unsigned));
        }
        Ok(self.tip)
    }

    /// `following` is what comes after `row` and names its hash; it tells an edited `hash` from
    /// edited contents.
    fn row(&mut self, row: &JournalRow, following: Option<[u8; 32]>) -> Result<(), ChainFault> {
        let journal = |column, reason| self.fault(Table::Journal, row.seq, column, reason);
        let expected = self.tip.seq.saturating_add(1);
        if row.vault != self.vault {
            return Err(journal(
                Column::Vault,
                Reason::WrongVault(row.vault.clone()),
            ));
        }
        if row.seq > expected {
            return Err(self.fault(Table::Journal, expected, Column::Seq, Reason::Missing));
        }
        if row.seq < expected {
            return Err(journal(Column::Seq, Reason::OutOfOrder { expected }));
        }
        if !is_canonical(&row.event) {
            return Err(journal(Column::Event, Reason::NotCanonical));
        }
        let (Ok(computed), Ok(computed_here)) =
            (row.computed_hash(), row.hash_after(self.tip.hash))
        else {
            return Err(journal(Column::Contents, Reason::NotCanonical));
        };
        if row.prev_hash != self.tip.hash && (computed == row.hash || computed_here == row.hash) {
            return Err(journal(
                Column::PrevHash,
                Reason::BrokenLink {
                    expected: hex::encode(self.tip.hash),
                    stored: hex::encode(row.prev_hash),
                },
            ));
        }
        if computed != row.hash {
            let column = if following == Some(computed) {
                Column::Hash
            } else {
                Column::Contents
            };
            return Err(journal(
                column,
                Reason::HashMismatch {
                    computed: hex::encode(computed),
                    stored: hex::encode(row.hash),
                },
            ));
        }
        self.tip = Tip {
            seq: row.seq,
            hash: row.hash,
        };
        Ok(())
    }

    /// The head of the row at the tip.
    fn head(&mut self, head: &HeadRow) -> Result<(), ChainFault> {
        let fault = |column, reason| self.fault(Table::Heads, head.seq, column, reason);
        if head.vault != self.vault {
            return Err(fault(Column::Vault, Reason::WrongVault(head.vault.clone())));
        }
        if head.hash != self.tip.hash {
            return Err(fault(
                Column::Hash,
                Reason::WrongRow {
                    expected: hex::encode(self.tip.hash),
                    stored: hex::encode(head.hash),
                },
            ));
        }
        head.verify(&self.key)
            .map_err(|error| fault(Column::Signature, error.into()))?;
        self.signed_seq = head.seq;
        Ok(())
    }

    /// A head whose row did not come: the row is missing, or the head is a stranger.
    fn stray_head(&self, head: &HeadRow) -> ChainFault {
        if head.vault != self.vault {
            let reason = Reason::WrongVault(head.vault.clone());
            return self.fault(Table::Heads, head.seq, Column::Vault, reason);
        }
        match head.verify(&self.key) {
            Ok(()) if head.seq > self.tip.seq => {
                let missing = self.tip.seq.saturating_add(1);
                self.fault(Table::Journal, missing, Column::Seq, Reason::Missing)
            }
            Ok(()) => {
                let expected = self.tip.seq;
                let reason = Reason::OutOfOrder { expected };
                self.fault(Table::Heads, head.seq, Column::Seq, reason)
            }
            Err(error) => self.fault(Table::Heads, head.seq, Column::Seq, error.into()),
        }
    }

    /// A fault in this vault's chain, for checks that stand beside the walk.
    pub(crate) fn fault(
        &self,
        table: Table,
        seq: u64,
        column: Column,
        reason: Reason,
    ) -> ChainFault {
        ChainFault {
            vault: self.vault.clone(),
            table,
            seq,
            column,
            reason,
        }
    }
}

/// Verifies a whole journal of `vault` with all its heads, both ascending.
///
/// # Errors
/// The first fault in journal order.
pub fn verify_chain(
    vault: &str,
    rows: &[JournalRow],
    heads: &[HeadRow],
    key: &JournalKey,
) -> Result<Tip, ChainFault> {
    let mut verifier = ChainVerifier::new(vault, key.clone());
    verifier.page(rows, heads)?;
    verifier.finish()
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

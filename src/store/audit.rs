//! Walking a stored journal with the verifier: at start-up before replay, and for the auditor.

use super::Store;
use super::connection::Value;
use super::error::StoreError;
use super::fold::text;
use super::record::Record;
use crate::journal::{
    Anchor, AnchorError, ChainFault, ChainVerifier, Column, FIRST_SEQ, HeadRow, JournalKey,
    JournalRow, Reason, Table, Tip,
};

const PAGE: u32 = 512;

const TIP: &str = "SELECT vault, head_seq, head_hash FROM vaults WHERE vault = $1";

/// Why a stored journal does not stand.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// It cannot be read, or a row holds what was never written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row was edited, lost or forged.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// The database is not the one that this machine last wrote.
    #[error(transparent)]
    Anchor(#[from] AnchorError),
}

impl Store {
    /// Verifies the vault's journal after `from` to its end, and hands each verified row to `visit`.
    /// Commits may go on meanwhile; the walk ends where it catches up. A head that was moved to
    /// another vault is found there: a full audit walks all of [`Store::vaults`].
    ///
    /// # Errors
    /// The first fault in journal order; rows before it were visited.
    pub async fn verify_journal(
        &self,
        vault: &str,
        key: &JournalKey,
        from: Tip,
        mut visit: impl FnMut(&JournalRow),
    ) -> Result<Tip, AuditError> {
        let mut verifier = ChainVerifier::resume(vault, key.clone(), from);
        self.starts_at_the_start(vault, &verifier).await?;
        loop {
            let before = verifier.tip();
            let rows = self.journal(vault, before.seq, PAGE).await?;
            if rows.is_empty() {
                if self.caught_up(vault, &verifier).await? {
                    return Ok(verifier.finish()?);
                }
                continue;
            }
            let last = rows.last().map_or(before.seq, |row| row.seq);
            let heads = self.heads_through(vault, before.seq, last).await?;
            verifier.page(&rows, &heads)?;
            rows.iter().for_each(&mut visit);
        }
    }

    /// Compares the vault's journal with the anchor outside of the database, as start-up must before
    /// it trusts either. A few hundred bytes are read from the anchor's file.
    ///
    /// # Errors
    /// [`AuditError::Anchor`] names both sides when the database is behind or has another history.
    pub async fn check_anchor(
        &self,
        vault: &str,
        anchor: &Anchor,
        key: &JournalKey,
    ) -> Result<(), AuditError> {
        let Some(anchored) = anchor.read()? else {
            return Ok(());
        };
        let last = self.last_head(vault).await?;
        let before = anchored.seq.saturating_sub(1);
        let rows = self.journal(vault, before, 1).await?;
        let hash_at = rows
            .first()
            .filter(|row| row.seq == anchored.seq)
            .map(|row| row.hash);
        Ok(anchor.check(&anchored, vault, key, last.as_ref(), hash_at)?)
    }

    async fn starts_at_the_start(
        &self,
        vault: &str,
        verifier: &ChainVerifier,
    ) -> Result<(), AuditError> {
        let (row, head) = self.firsts(vault).await?;
        let firsts = [
            (Table::Journal, row.map(|row| row.seq)),
            (Table::Heads, head.map(|head| head.seq)),
        ];
        for (table, seq) in firsts {
            if let Some(seq) = seq.filter(|seq| *seq < FIRST_SEQ) {
                let expected = FIRST_SEQ;
                let reason = Reason::OutOfOrder { expected };
                return Err(verifier.fault(table, seq, Column::Seq, reason).into());
            }
        }
        Ok(())
    }

    async fn heads_through(
        &self,
        vault: &str,
        after: u64,
        through: u64,
    ) -> Result<Vec<HeadRow>, StoreError> {
        // There is at most one head a row.
        let mut heads = self.heads(vault, after, PAGE).await?;
        heads.retain(|head| head.seq <= through);
        Ok(heads)
    }

    /// No rows are left: nothing else may know of later ones.
    async fn caught_up(&self, vault: &str, verifier: &ChainVerifier) -> Result<bool, AuditError> {
        let tip = verifier.tip();
        let stored = self.tip(vault).await?;
        let last_head = self.last_head(vault).await?;
        let known = stored
            .map_or(0, |stored| stored.seq)
            .max(last_head.as_ref().map_or(0, |head| head.seq));
        if known > tip.seq && !self.journal(vault, tip.seq, 1).await?.is_empty() {
            return Ok(false);
        }
        if let Some(head) = last_head.filter(|head| head.seq > tip.seq) {
            // Reports the missing row, or the head as forged.
            verifier.clone().page(&[], &[head])?;
        }
        let fault = |column, reason| verifier.fault(Table::Vaults, tip.seq, column, reason);
        match stored {
            None if tip == Tip::START => Ok(true),
            Some(stored) if stored == tip => Ok(true),
            None => Err(fault(Column::Vault, Reason::Missing).into()),
            Some(stored) if stored.seq != tip.seq => {
                let expected = tip.seq;
                Err(fault(Column::Seq, Reason::OutOfOrder { expected }).into())
            }
            Some(stored) => Err(fault(
                Column::Hash,
                Reason::WrongRow {
                    expected: hex::encode(tip.hash),
                    stored: hex::encode(stored.hash),
                },
            )
            .into()),
        }
    }

    /// The head that the next commit is compared with.
    async fn tip(&self, vault: &str) -> Result<Option<Tip>, StoreError> {
        let values: [Value<'_>; 1] = [text("vault", vault)?];
        let rows = self.reader().await?.fetch(TIP, &values).await?;
        rows.first()
            .map(|row| {
                let mut record = Record::new("vaults", row);
                record.key("vault")?;
                Ok(Tip {
                    seq: record.number("head_seq")?,
                    hash: record.hash("head_hash")?,
                })
            })
            .transpose()
    }
}

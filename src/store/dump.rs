//! A vault's projections as the commits that wrote them would name them, to be compared with those
//! that a replay of the journal gives.

use super::Store;
use super::error::StoreError;
use super::rows::{
    ExportRow, Filter, KeyRow, NonceReservation, OutpointReservation, Projection, ProposalRow,
    TransactionRow, WalletRow, WithdrawalRow,
};

const PAGE: u32 = 1000;

impl Store {
    /// Every projection and reservation of the vault, sorted (derived order of [`Projection`]). For a
    /// true comparison the vault's writer must be at rest.
    ///
    /// # Errors
    /// When the database doesn't answer, or a row is not one of ours.
    pub async fn projections_dump(&self, vault: &str) -> Result<Vec<Projection>, StoreError> {
        let mut dump = Vec::new();
        let mut cursor = None;
        loop {
            let page = self
                .withdrawals(vault, &Filter::default(), cursor.as_ref(), PAGE)
                .await?;
            dump.extend(page.rows.into_iter().map(Projection::from));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let mut cursor = None;
        loop {
            let page = self.proposals(vault, None, cursor.as_ref(), PAGE).await?;
            dump.extend(page.rows.into_iter().map(Projection::from));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        macro_rules! whole {
            ($list:ident) => {
                let mut after = String::new();
                loop {
                    let rows = self.$list(vault, &after, PAGE).await?;
                    let Some(last) = rows.last() else { break };
                    after.clone_from(&last.id);
                    dump.extend(rows.into_iter().map(Projection::from));
                }
            };
        }
        whole!(transactions);
        whole!(wallets);
        whole!(keys);
        whole!(exports);
        let held = self.reservations(vault).await?;
        dump.extend(held.outpoints.into_iter().map(Projection::from));
        dump.extend(held.nonces.into_iter().map(Projection::from));
        let now_ms = self.last_head(vault).await?.map_or(0, |head| head.at_ms);
        let samples = self.samples_dump(vault, now_ms).await?;
        dump.extend(samples.into_iter().map(Projection::from));
        dump.extend(self.subjects_dump(vault).await?);
        dump.sort();
        Ok(dump)
    }
}

impl From<WithdrawalRow> for Projection {
    fn from(row: WithdrawalRow) -> Self {
        Self::Withdrawal {
            id: row.id,
            client: row.client,
            idempotency_key: row.idempotency_key,
            state: row.state,
            created_seq: row.created_seq,
            document: row.document,
            wallet: row.wallet,
            asked: row.asked,
            queue_rank: row.queue_rank,
        }
    }
}

impl From<TransactionRow> for Projection {
    fn from(row: TransactionRow) -> Self {
        Self::Transaction {
            id: row.id,
            txid: row.txid,
            wallet: row.wallet,
            network: row.network,
            state: row.state,
            document: row.document,
        }
    }
}

impl From<WalletRow> for Projection {
    fn from(row: WalletRow) -> Self {
        Self::Wallet {
            id: row.id,
            tier: row.tier,
            asset: row.asset,
            state: row.state,
            document: row.document,
        }
    }
}

impl From<KeyRow> for Projection {
    fn from(row: KeyRow) -> Self {
        Self::Key {
            id: row.id,
            wallet: row.wallet,
            state: row.state,
            document: row.document,
        }
    }
}

impl From<ExportRow> for Projection {
    fn from(row: ExportRow) -> Self {
        Self::Export {
            id: row.id,
            state: row.state,
            document: row.document,
        }
    }
}

impl From<ProposalRow> for Projection {
    fn from(row: ProposalRow) -> Self {
        Self::Proposal {
            id: row.id,
            state: row.state,
            created_seq: row.created_seq,
            document: row.document,
        }
    }
}

impl From<OutpointReservation> for Projection {
    fn from(row: OutpointReservation) -> Self {
        Self::ReserveOutpoint {
            network: row.network,
            outpoint: row.outpoint,
            transaction: row.transaction,
        }
    }
}

impl From<NonceReservation> for Projection {
    fn from(row: NonceReservation) -> Self {
        Self::ReserveNonce {
            network: row.network,
            account: row.account,
            nonce: row.nonce,
            transaction: row.transaction,
        }
    }
}

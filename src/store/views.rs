//! Reads of the projections, for the API and for audits. Invariant: a row is either what was written
//! or an error that names it.

use super::Store;
use super::connection::{Row, Value};
use super::cursor::Cursor;
use super::error::StoreError;
use super::fold::{int, text};
use super::record::Record;
use super::rows::{
    ExportRow, Filter, KeyRow, NonceReservation, OutpointReservation, Page, Reservations,
    TransactionRow, WalletRow, WithdrawalRow,
};

macro_rules! withdrawals {
    ($($condition:literal),*) => {
        concat!(
            "SELECT id, vault, client, idempotency_key, state, created_seq, document, wallet, asked, queue_rank \
             FROM withdrawals WHERE ",
            $($condition),*
        )
    };
}
const WITHDRAWAL: &str = withdrawals!("vault = $1 AND id = $2");
const WITHDRAWAL_BY_KEY: &str = withdrawals!("client = $1 AND idempotency_key = $2");

/// Row values compare left to right in both databases, so a page starts where the last one ended.
macro_rules! withdrawal_list {
    ($($condition:literal),*) => {
        withdrawals!(
            "vault = $1 AND (created_seq, id) < ($2, $3)",
            $($condition,)*
            " ORDER BY created_seq DESC, id DESC LIMIT $4"
        )
    };
}
const ALL: &str = withdrawal_list!();
const BY_STATE: &str = withdrawal_list!(" AND state = $5");
const BY_CLIENT: &str = withdrawal_list!(" AND client = $5");
const BY_WALLET: &str = withdrawal_list!(" AND wallet = $5");
const BY_STATE_AND_CLIENT: &str = withdrawal_list!(" AND state = $5 AND client = $6");
const BY_STATE_AND_WALLET: &str = withdrawal_list!(" AND state = $5 AND wallet = $6");
const BY_CLIENT_AND_WALLET: &str = withdrawal_list!(" AND client = $5 AND wallet = $6");
const BY_ALL: &str = withdrawal_list!(" AND state = $5 AND client = $6 AND wallet = $7");

const TRANSACTION: &str = "SELECT id, txid, wallet, network, state, document FROM transactions \
     WHERE vault = $1 AND id = $2";
const TRANSACTIONS: &str = "SELECT id, txid, wallet, network, state, document FROM transactions \
     WHERE vault = $1 AND id > $2 ORDER BY id LIMIT $3";
const WALLET: &str = "SELECT id, tier, asset, state, document FROM wallets \
     WHERE vault = $1 AND id = $2";
const WALLETS: &str = "SELECT id, tier, asset, state, document FROM wallets \
     WHERE vault = $1 AND id > $2 ORDER BY id LIMIT $3";
const KEYS: &str = "SELECT id, wallet, state, document FROM keys \
     WHERE vault = $1 AND id > $2 ORDER BY id LIMIT $3";
const WALLET_KEYS: &str = "SELECT id, wallet, state, document FROM keys \
     WHERE vault = $1 AND wallet = $2 AND id > $3 ORDER BY id LIMIT $4";
const EXPORT: &str = "SELECT id, state, document FROM exports WHERE vault = $1 AND id = $2";
const EXPORTS: &str = "SELECT id, state, document FROM exports \
     WHERE vault = $1 AND id > $2 ORDER BY id LIMIT $3";
const OUTPOINTS: &str = "SELECT network, outpoint, transaction_id FROM outpoint_reservations \
     WHERE vault = $1 ORDER BY network, outpoint";
const NONCES: &str = "SELECT network, account, nonce, transaction_id FROM nonce_reservations \
     WHERE vault = $1 ORDER BY network, account, nonce";

impl Store {
    /// One withdrawal.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn withdrawal(
        &self,
        vault: &str,
        id: &str,
    ) -> Result<Option<WithdrawalRow>, StoreError> {
        self.one(WITHDRAWAL, vault, id, withdrawal).await
    }

    /// The withdrawal, of whichever vault, that `client` asked for under this idempotency key.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn withdrawal_by_key(
        &self,
        client: &str,
        idempotency_key: &str,
    ) -> Result<Option<WithdrawalRow>, StoreError> {
        let values = [
            text("client", client)?,
            text("idempotency_key", idempotency_key)?,
        ];
        let rows = self.rows(WITHDRAWAL_BY_KEY, &values).await?;
        rows.first().map(withdrawal).transpose()
    }

    /// Withdrawals of a vault, newest first, from `cursor` on.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn withdrawals(
        &self,
        vault: &str,
        filter: &Filter,
        cursor: Option<&Cursor>,
        limit: u32,
    ) -> Result<Page<WithdrawalRow>, StoreError> {
        let mut values = newest_from(vault, cursor, limit)?;
        let Filter {
            state,
            client,
            wallet,
        } = filter;
        for (column, wanted) in [("state", state), ("client", client), ("wallet", wallet)] {
            if let Some(wanted) = wanted {
                values.push(text(column, wanted)?);
            }
        }
        let sql = match (state, client, wallet) {
            (None, None, None) => ALL,
            (Some(_), None, None) => BY_STATE,
            (None, Some(_), None) => BY_CLIENT,
            (None, None, Some(_)) => BY_WALLET,
            (Some(_), Some(_), None) => BY_STATE_AND_CLIENT,
            (Some(_), None, Some(_)) => BY_STATE_AND_WALLET,
            (None, Some(_), Some(_)) => BY_CLIENT_AND_WALLET,
            (Some(_), Some(_), Some(_)) => BY_ALL,
        };
        let rows = self.rows(sql, &values).await?;
        page(&rows, limit, withdrawal, |row| (row.created_seq, &row.id))
    }

    /// One transaction.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn transaction(
        &self,
        vault: &str,
        id: &str,
    ) -> Result<Option<TransactionRow>, StoreError> {
        self.one(TRANSACTION, vault, id, transaction).await
    }

    /// At most `limit` transactions with ids after `after_id` ("" for the first), by id.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn transactions(
        &self,
        vault: &str,
        after_id: &str,
        limit: u32,
    ) -> Result<Vec<TransactionRow>, StoreError> {
        let after = text("id", after_id)?;
        self.after(TRANSACTIONS, vault, after, limit, transaction)
            .await
    }

    /// One wallet.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn wallet(&self, vault: &str, id: &str) -> Result<Option<WalletRow>, StoreError> {
        self.one(WALLET, vault, id, wallet).await
    }

    /// At most `limit` wallets with ids after `after_id` ("" for the first), by id.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn wallets(
        &self,
        vault: &str,
        after_id: &str,
        limit: u32,
    ) -> Result<Vec<WalletRow>, StoreError> {
        self.after(WALLETS, vault, text("id", after_id)?, limit, wallet)
            .await
    }

    /// At most `limit` keys with ids after `after_id` ("" for the first), by id.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn keys(
        &self,
        vault: &str,
        after_id: &str,
        limit: u32,
    ) -> Result<Vec<KeyRow>, StoreError> {
        self.after(KEYS, vault, text("id", after_id)?, limit, key)
            .await
    }

    /// At most `limit` keys of one wallet with ids after `after_id` ("" for the first), by id.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn wallet_keys(
        &self,
        vault: &str,
        wallet: &str,
        after_id: &str,
        limit: u32,
    ) -> Result<Vec<KeyRow>, StoreError> {
        let values = [
            text("vault", vault)?,
            text("wallet", wallet)?,
            text("id", after_id)?,
            Value::Int(limit.into()),
        ];
        let rows = self.rows(WALLET_KEYS, &values).await?;
        rows.iter().map(key).collect()
    }

    /// One export.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn export(&self, vault: &str, id: &str) -> Result<Option<ExportRow>, StoreError> {
        self.one(EXPORT, vault, id, export).await
    }

    /// At most `limit` exports with ids after `after_id` ("" for the first), by id.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn exports(
        &self,
        vault: &str,
        after_id: &str,
        limit: u32,
    ) -> Result<Vec<ExportRow>, StoreError> {
        self.after(EXPORTS, vault, text("id", after_id)?, limit, export)
            .await
    }

    /// Every coin and nonce that the vault's transactions hold.
    ///
    /// # Errors
    /// As for [`Store::last_head`].
    pub async fn reservations(&self, vault: &str) -> Result<Reservations, StoreError> {
        let vault = [text("vault", vault)?];
        let outpoints = self.rows(OUTPOINTS, &vault).await?;
        let nonces = self.rows(NONCES, &vault).await?;
        Ok(Reservations {
            outpoints: outpoints.iter().map(outpoint).collect::<Result<_, _>>()?,
            nonces: nonces.iter().map(nonce).collect::<Result<_, _>>()?,
        })
    }
}

/// What a list from newest to oldest is asked with: the vault, the place to go on after, and one row more than is shown,
/// which tells whether there is a next page.
pub(super) fn newest_from<'a>(
    vault: &'a str,
    cursor: Option<&'a Cursor>,
    limit: u32,
) -> Result<Vec<Value<'a>>, StoreError> {
    let (seq, id) = cursor.map_or((i64::MAX, ""), |cursor| (cursor.created_seq, &cursor.id));
    Ok(vec![
        text("vault", vault)?,
        Value::Int(seq),
        text("id", id)?,
        Value::Int(i64::from(limit).saturating_add(1)),
    ])
}

/// The page that these rows make, and where the next one starts.
pub(super) fn page<T>(
    rows: &[Row],
    limit: u32,
    read: fn(&Row) -> Result<T, StoreError>,
    place: fn(&T) -> (u64, &String),
) -> Result<Page<T>, StoreError> {
    let asked = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > asked;
    let rows: Vec<T> = rows
        .iter()
        .take(asked)
        .map(read)
        .collect::<Result<_, _>>()?;
    let next = match rows.last().map(place) {
        Some((seq, id)) if more => Some(Cursor {
            created_seq: int("created_seq", seq)?,
            id: id.clone(),
        }),
        _ => None,
    };
    Ok(Page { rows, next })
}

fn withdrawal(row: &Row) -> Result<WithdrawalRow, StoreError> {
    let mut record = Record::new("withdrawals", row);
    Ok(WithdrawalRow {
        id: record.key("id")?,
        vault: record.text("vault")?,
        client: record.text("client")?,
        idempotency_key: record.text("idempotency_key")?,
        state: record.text("state")?,
        created_seq: record.number("created_seq")?,
        document: record.text("document")?,
        wallet: record.text("wallet")?,
        asked: record.optional_text("asked")?,
        queue_rank: record.number("queue_rank")?,
    })
}

fn transaction(row: &Row) -> Result<TransactionRow, StoreError> {
    let mut record = Record::new("transactions", row);
    Ok(TransactionRow {
        id: record.key("id")?,
        txid: record.optional_text("txid")?,
        wallet: record.text("wallet")?,
        network: record.text("network")?,
        state: record.text("state")?,
        document: record.text("document")?,
    })
}

fn wallet(row: &Row) -> Result<WalletRow, StoreError> {
    let mut record = Record::new("wallets", row);
    Ok(WalletRow {
        id: record.key("id")?,
        tier: record.text("tier")?,
        asset: record.text("asset")?,
        state: record.text("state")?,
        document: record.text("document")?,
    })
}

fn key(row: &Row) -> Result<KeyRow, StoreError> {
    let mut record = Record::new("keys", row);
    Ok(KeyRow {
        id: record.key("id")?,
        wallet: record.text("wallet")?,
        state: record.text("state")?,
        document: record.text("document")?,
    })
}

fn export(row: &Row) -> Result<ExportRow, StoreError> {
    let mut record = Record::new("exports", row);
    Ok(ExportRow {
        id: record.key("id")?,
        state: record.text("state")?,
        document: record.text("document")?,
    })
}

fn outpoint(row: &Row) -> Result<OutpointReservation, StoreError> {
    let mut record = Record::new("outpoint_reservations", row);
    Ok(OutpointReservation {
        network: record.key("network")?,
        outpoint: record.key("outpoint")?,
        transaction: record.text("transaction_id")?,
    })
}

fn nonce(row: &Row) -> Result<NonceReservation, StoreError> {
    let mut record = Record::new("nonce_reservations", row);
    Ok(NonceReservation {
        network: record.key("network")?,
        account: record.key("account")?,
        nonce: record.number_key("nonce")?,
        transaction: record.text("transaction_id")?,
    })
}

//! The database: journal, heads, inbox, projections and reservations, on SQLite or PostgreSQL.
//!
//! Invariant: a commit is one database transaction that either moves the vault's head from exactly
//! the one its writer knew, or changes nothing. SQL is written once, in the dialect that both
//! databases share; what differs (opening, begin mode) is in `sqlite.rs` and `postgres.rs`. This is
//! the only module that names sqlx.

mod audit;
mod backlog;
mod bulk;
mod bundles;
mod commit;
mod connection;
mod cursor;
mod dump;
mod error;
mod feed;
mod fold;
mod history;
mod inbox;
mod points;
mod postgres;
mod proposals;
mod queue;
mod record;
mod reservations;
mod rows;
mod samples;
mod sqlite;
#[cfg(test)]
mod sqlite_tests;
mod subjects;
mod views;
mod violation;
mod webhooks;
mod writing;

pub use crate::journal::{HeadRow, JournalRow};
pub use audit::AuditError;
pub use backlog::{Backlog, OpenWithdrawals};
pub use bundles::BundlePut;
pub use cursor::{Cursor, CursorError};
pub use error::{CommitError, Rule, StoreError};
pub use feed::FeedRow;
pub use fold::BatchFault;
pub use queue::{QueueCount, QueueFor, QueueSpot};
pub use rows::{
    Asked, Batch, ExportRow, Filter, InboxPut, InboxRow, KeyRow, NonceReservation, Origin, Outcome,
    OutpointReservation, Page, Projection, ProposalRow, Reservations, SignaturePointRow, Taken,
    TransactionRow, WalletRow, WithdrawalRow,
};
pub use samples::{SAMPLE_MS, SAMPLES_KEPT_MS, SampleRow, samples_since};
pub use webhooks::{DeliveryRow, EndpointRow, Owed, Settled};

use connection::{Conn, Pools, Transaction};

/// An open database. Clones share its connections.
#[derive(Debug, Clone)]
pub struct Store {
    pools: Pools,
    writing: writing::Writing,
}

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Opens `sqlite:/path/to/file.db` (made if absent) or `postgres://…`, and migrates it.
    ///
    /// # Errors
    /// Refuses SQLite before 3.51.3 or without WAL and synchronous=FULL, PostgreSQL with
    /// synchronous_commit=off, and a database that a newer custodyd has migrated.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let pools = match scheme {
            "sqlite" => sqlite::open(rest.strip_prefix("//").unwrap_or(rest)).await?,
            "postgres" | "postgresql" => postgres::open(url).await?,
            _ => return Err(StoreError::UnknownScheme(scheme.to_owned())),
        };
        pools.migrate(&MIGRATIONS).await?;
        let writing = writing::Writing::default();
        Ok(Self { pools, writing })
    }

    /// Closes the connections once they are idle. Later calls fail as unavailable.
    pub async fn close(&self) {
        self.pools.close().await;
    }

    /// Why the last commit or inbox write of this process failed, as a full disk makes it; none once one succeeded.
    pub fn write_trouble(&self) -> Option<String> {
        self.writing.trouble()
    }

    async fn reader(&self) -> Result<Conn, StoreError> {
        Ok(self.pools.reader().await?)
    }

    async fn begin(&self) -> Result<Transaction, sqlx::Error> {
        Transaction::begin(self.pools.writer().await?).await
    }
}

//! What is PostgreSQL's own: options, refusals at open, begin mode.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::connection::Pools;
use super::error::StoreError;

/// Each statement sees what is committed when it starts; the compare-and-set on `vaults` waits for
/// the row's lock and then reads its newest version.
pub(super) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

const WRITERS: u32 = 4;
const READERS: u32 = 8;
/// A server that is down is reported within this time, not waited for.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Every statement of ours in all its widths stays prepared.
const PREPARED: usize = 256;

pub(super) async fn open(url: &str) -> Result<Pools, StoreError> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Url(error.to_string()))?
        .application_name("custodyd")
        .statement_cache_capacity(PREPARED)
        // A statement that hangs is given up, and so is a lock whose holder hangs. A transaction
        // that its client abandoned doesn't keep the vault's row locked for ever.
        .options([
            ("statement_timeout", "30s"),
            ("lock_timeout", "20s"),
            ("idle_in_transaction_session_timeout", "60s"),
        ]);
    let mut probe = options.connect().await?;
    check(&mut probe).await?;
    probe.close().await?;

    let pool = PgPoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|conn, _| {
            Box::pin(async move {
                check(conn)
                    .await
                    .map_err(|error| sqlx::Error::Configuration(error.into()))
            })
        });
    let write = pool
        .clone()
        .max_connections(WRITERS)
        .connect_with(options.clone())
        .await?;
    let read = pool.max_connections(READERS).connect_with(options).await?;
    Ok(Pools::Postgres { write, read })
}

/// With synchronous_commit=off an acknowledged commit is lost in a crash of the server:
/// <https://www.postgresql.org/docs/current/runtime-config-wal.html>.
async fn check(conn: &mut PgConnection) -> Result<(), StoreError> {
    if setting(conn, "SHOW synchronous_commit").await? == "off" {
        return Err(StoreError::Durability {
            name: "synchronous_commit",
            found: "off".into(),
            needed: "on, local, remote_write or remote_apply",
        });
    }
    for (name, sql) in [
        ("fsync", "SHOW fsync"),
        ("full_page_writes", "SHOW full_page_writes"),
    ] {
        if setting(conn, sql).await? == "off" {
            tracing::warn!(
                setting = name,
                "PostgreSQL has this setting off: a power cut can corrupt the database"
            );
        }
    }
    Ok(())
}

async fn setting(conn: &mut PgConnection, sql: &'static str) -> Result<String, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(conn).await
}

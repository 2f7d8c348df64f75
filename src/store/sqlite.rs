//! What is SQLite's own: options, refusals at open, begin mode.

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::connection::Pools;
use super::error::StoreError;

/// Takes the write lock at once: a transaction that read first could not be upgraded without
/// SQLITE_BUSY_SNAPSHOT.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// 3.51.3 mended a WAL-reset race that could corrupt a database (<https://sqlite.org/wal.html>).
const OLDEST: [u32; 3] = [3, 51, 3];

const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Every statement of ours in all its widths stays prepared.
const PREPARED: usize = 256;

/// Bytes of a page of a new database. A withdrawal writes about six thousand; each page is one to be logged, summed and moved.
const PAGE: u32 = 16_384;

/// Pages that the writer keeps in memory, as PRAGMA cache_size has it: KiB, negative. A batch must fit, or SQLite writes pages
/// out before they are complete.
const WRITER_CACHE: &str = "-32768";

/// Pages in the write-ahead log before they are moved into the file, 64 MiB of them. Most commits change the same pages again, and
/// those are moved once for all of them. Durability doesn't depend on it.
const LOG_PAGES: &str = "4096";

pub(super) async fn open(path: &str) -> Result<Pools, StoreError> {
    if path.is_empty() || path.contains(":memory:") || path.contains('?') {
        return Err(StoreError::Url(
            "SQLite needs the path of a file, without parameters: sqlite:/path/file.db".into(),
        ));
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .page_size(PAGE)
        .pragma("trusted_schema", "OFF")
        .statement_cache_capacity(PREPARED);
    let mut probe = options.connect().await?;
    check(&mut probe).await?;
    probe.close().await?;

    let pool = SqlitePoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    let write = pool
        .clone()
        .max_connections(1)
        .connect_with(
            options
                .clone()
                .pragma("cache_size", WRITER_CACHE)
                .pragma("wal_autocheckpoint", LOG_PAGES)
                .pragma("temp_store", "MEMORY"),
        )
        .await?;
    let read = pool
        .max_connections(READERS)
        .connect_with(options.pragma("query_only", "ON"))
        .await?;
    Ok(Pools::Sqlite { write, read })
}

/// Reads the settings back: a file system without shared memory, say, leaves WAL off silently.
async fn check(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&mut *conn)
        .await?;
    if is_older(&version) {
        return Err(StoreError::SqliteTooOld { found: version });
    }
    let journal_mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut *conn)
        .await?;
    if journal_mode != "wal" {
        return Err(StoreError::Durability {
            name: "journal_mode",
            found: journal_mode,
            needed: "wal",
        });
    }
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous")
        .fetch_one(&mut *conn)
        .await?;
    if synchronous < 2 {
        return Err(StoreError::Durability {
            name: "synchronous",
            found: synchronous.to_string(),
            needed: "2 (FULL)",
        });
    }
    Ok(())
}

fn is_older(version: &str) -> bool {
    let parts: Vec<u32> = version
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    parts.as_slice() < OLDEST.as_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        for old in ["3.51.2", "3.9.9", "2.99.99", "3.51", "", "nonsense"] {
            assert!(is_older(old), "{old}");
        }
        for new in ["3.51.3", "3.51.10", "3.52.0", "4.0.0"] {
            assert!(!is_older(new), "{new}");
        }
    }
}

//! The enum of pools and the small dispatch over it. Invariant: a connection with an open
//! transaction never goes back to its pool; it is closed, and the database rolls back.

use std::sync::Arc;

use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, ColumnIndex, Decode, PgPool, Postgres, Sqlite, SqlitePool, Type};

use super::error::Failure;
use super::{postgres, sqlite};

/// Connections for writers and for readers, apart, so that reads never starve a commit.
#[derive(Debug, Clone)]
pub(super) enum Pools {
    /// SQLite has one writer at a time: its pool holds one connection, and writers queue there
    /// instead of on busy_timeout.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
    },
    Postgres {
        write: PgPool,
        read: PgPool,
    },
}

impl Pools {
    pub(super) async fn migrate(
        &self,
        migrations: &Migrator,
    ) -> Result<(), sqlx::migrate::MigrateError> {
        match self {
            Self::Sqlite { write, .. } => migrations.run(write).await,
            Self::Postgres { write, .. } => migrations.run(write).await,
        }
    }

    pub(super) async fn writer(&self) -> Result<Conn, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { write, .. } => Conn::Sqlite(write.acquire().await?),
            Self::Postgres { write, .. } => Conn::Postgres(write.acquire().await?),
        })
    }

    pub(super) async fn reader(&self) -> Result<Conn, sqlx::Error> {
        Ok(match self {
            Self::Sqlite { read, .. } => Conn::Sqlite(read.acquire().await?),
            Self::Postgres { read, .. } => Conn::Postgres(read.acquire().await?),
        })
    }

    pub(super) async fn close(&self) {
        match self {
            // The writer goes last: the last connection to close moves the WAL into the file.
            Self::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { write, read } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// A connection out of a pool.
#[derive(Debug)]
pub(super) enum Conn {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// A bound value, in the types that both databases share.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    OptionalText(Option<&'a str>),
    Int(i64),
    Bytes(&'a [u8]),
}

/// A row of either database.
#[derive(Debug)]
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// The query with its values bound, for PostgreSQL.
macro_rules! bound {
    ($sql:expr, $values:expr) => {{
        let mut query = sqlx::query($sql);
        for value in $values {
            query = match *value {
                Value::Text(text) => query.bind(text),
                Value::OptionalText(text) => query.bind(text),
                Value::Int(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            };
        }
        query
    }};
}

/// The same for SQLite. The values are put together before there is a query: it would be moved for each.
fn bound_sqlite(
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<sqlx::query::Query<'static, Sqlite, SqliteArguments>, sqlx::Error> {
    let mut texts = Texts::default();
    let mut bound = SqliteArguments::default();
    bound.reserve(values.len(), 0);
    for value in values {
        match *value {
            Value::Text(text) => bound.add(texts.own(text)),
            Value::OptionalText(text) => bound.add(text.map(|text| texts.own(text))),
            Value::Int(number) => bound.add(number),
            Value::Bytes(bytes) => bound.add(bytes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(sqlx::query_with(sql, bound))
}

/// Texts for SQLite's driver, which hands them to a thread of its own and so has to own them. Names repeat from row to row: those
/// that were seen a moment ago are shared.
#[derive(Debug)]
struct Texts([Option<Arc<str>>; Self::PLACES]);

impl Texts {
    const PLACES: usize = 64;
    /// Longest text that is looked for, bytes.
    const NAME: usize = 64;

    fn own(&mut self, text: &str) -> Arc<str> {
        let place = match text.as_bytes() {
            [first, .., last] if text.len() <= Self::NAME => {
                let mark = usize::from(*first) ^ (usize::from(*last) << 2) ^ text.len();
                self.0.get_mut(mark % Self::PLACES)
            }
            _ => None,
        };
        let Some(place) = place else {
            return Arc::from(text);
        };
        match place {
            Some(known) if **known == *text => Arc::clone(known),
            _ => Arc::clone(place.insert(Arc::from(text))),
        }
    }
}

impl Default for Texts {
    fn default() -> Self {
        Self([const { None }; Self::PLACES])
    }
}

impl Conn {
    /// Whether this is SQLite's dialect of the driver.
    pub(super) fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs one statement and says how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(conn) => bound_sqlite(sql, values)?
                .execute(&mut **conn)
                .await?
                .rows_affected(),
            Self::Postgres(conn) => bound!(sql, values)
                .execute(&mut **conn)
                .await?
                .rows_affected(),
        })
    }

    /// Runs one statement and returns its rows.
    pub(super) async fn fetch(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(conn) => {
                let query = bound_sqlite(sql, values)?;
                let rows = query.fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
            Self::Postgres(conn) => {
                let rows = bound!(sql, values).fetch_all(&mut **conn).await?;
                rows.into_iter().map(Row::Postgres).collect()
            }
        })
    }

    async fn control(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(drop),
            Self::Postgres(conn) => sqlx::raw_sql(sql).execute(&mut **conn).await.map(drop),
        }
    }

    fn begin_sql(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite::BEGIN,
            Self::Postgres(_) => postgres::BEGIN,
        }
    }

    fn close_on_drop(&mut self) {
        match self {
            Self::Sqlite(conn) => conn.close_on_drop(),
            Self::Postgres(conn) => conn.close_on_drop(),
        }
    }
}

impl Row {
    pub(super) fn get<'r, T>(&'r self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
        usize: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => sqlx::Row::try_get(row, column),
            Self::Postgres(row) => sqlx::Row::try_get(row, column),
        }
    }
}

/// An open write transaction. sqlx's own keeps the connection when a rollback fails or when SQLite
/// has already rolled back by itself (SQLITE_FULL, SQLITE_IOERR), and then counts a nesting level too
/// many; this one gives the connection up whenever it did not end cleanly, even if it is dropped.
#[derive(Debug)]
pub(super) struct Transaction {
    conn: Conn,
    open: bool,
}

impl Transaction {
    pub(super) async fn begin(conn: Conn) -> Result<Self, sqlx::Error> {
        let sql = conn.begin_sql();
        // Open before the statement is sent: if it is cut off midway, the connection is given up.
        let mut transaction = Self { conn, open: true };
        transaction.conn.control(sql).await?;
        Ok(transaction)
    }

    pub(super) fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }

    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        self.conn
            .control("COMMIT")
            .await
            .map_err(|error| Failure::at_commit(&error))?;
        self.open = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) {
        self.open = self.conn.control("ROLLBACK").await.is_err();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.open {
            self.conn.close_on_drop();
        }
    }
}

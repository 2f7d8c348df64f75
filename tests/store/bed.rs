//! A database of the test's own, and a way around the store for those who edit rows by hand.

use custodyd::store::Store;
use custodyd_testbed::Postgres;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

pub(crate) struct Bed {
    pub(crate) url: String,
    pub(crate) postgres: Option<Postgres>,
    _folder: tempfile::TempDir,
}

impl Bed {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", folder.path().join("custodyd.db").display()),
            postgres: None,
            _folder: folder,
        }
    }

    pub(crate) fn postgres() -> Self {
        let postgres = Postgres::start().unwrap();
        Self {
            url: postgres.create_database("custodyd").unwrap(),
            postgres: Some(postgres),
            _folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    /// Runs SQL past the store; says how many rows it changed.
    pub(crate) async fn sql(&self, sql: &str) -> u64 {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        if self.postgres.is_some() {
            let mut conn = PgConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut conn).await.unwrap().rows_affected()
        } else {
            let mut conn = SqliteConnection::connect(&self.url).await.unwrap();
            sql.execute(&mut conn).await.unwrap().rows_affected()
        }
    }

    /// A number out of the database, past the store.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        if self.postgres.is_some() {
            let mut conn = PgConnection::connect(&self.url).await.unwrap();
            sql.fetch_one(&mut conn).await.unwrap().get(0)
        } else {
            let mut conn = SqliteConnection::connect(&self.url).await.unwrap();
            sql.fetch_one(&mut conn).await.unwrap().get(0)
        }
    }

    /// A blob literal.
    pub(crate) fn blob(&self, bytes: &[u8]) -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.postgres.is_some() {
            format!("'\\x{digits}'::bytea")
        } else {
            format!("x'{digits}'")
        }
    }
}

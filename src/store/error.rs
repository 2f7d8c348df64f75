//! What can go wrong, sorted by what the caller may do next. Invariant: a database fault never looks
//! like a refusal of the request, and only an answer lost during COMMIT is of unknown outcome.

use std::fmt;

use super::fold::BatchFault;

/// A constraint of the database: the second line behind the vault's own checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// One withdrawal per id, and per client and idempotency key.
    IdempotencyKey,
    /// One transaction per coin.
    Outpoint,
    /// One transaction per nonce of an account.
    Nonce,
    /// One journal row, and one head, per vault and sequence number.
    Sequence,
    /// One outcome per request, and only to a request of this vault.
    Outcome,
    /// A key signs with one nonce once, in a transaction.
    KeyNonce,
    /// The journal key signs with one nonce once.
    JournalKeyNonce,
    /// One request per inbox id.
    InboxId,
    /// A constraint on a row that has no rule of its own.
    Other,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdempotencyKey => "one withdrawal per id, and per client and idempotency key",
            Self::Outpoint => "one transaction per coin",
            Self::Nonce => "one transaction per nonce",
            Self::Sequence => "one journal row per sequence number",
            Self::Outcome => "one outcome per request of this vault",
            Self::KeyNonce => "one signature per key and r",
            Self::JournalKeyNonce => "one head per r of the journal key",
            Self::InboxId => "one request per inbox id, and per nonce of its principal",
            Self::Other => "a constraint of the table",
        })
    }
}

/// Why the store did not open, read or take in.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Neither SQLite nor PostgreSQL.
    #[error("database scheme {0:?} is not known: write sqlite:/path/file.db or postgres://…")]
    UnknownScheme(String),
    /// The URL cannot be used. The URL itself may hold a password and is not repeated.
    #[error("database URL: {0}")]
    Url(String),
    /// A SQLite with known faults in WAL mode.
    #[error("SQLite {found} is too old: at least 3.51.3 is needed")]
    SqliteTooOld {
        /// The version linked.
        found: String,
    },
    /// A setting without which an acknowledged commit could be lost.
    #[error("database setting {name} is {found}: {needed} is needed, or a commit could be lost")]
    Durability {
        /// The setting.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// The schema could not be brought up to date, or is newer than this program.
    #[error("database migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database did not answer or could not write; trying again may help.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// A row that this program would never have written.
    #[error("database row {table} {key}: column {column}: {reason}")]
    Row {
        /// The row's table.
        table: &'static str,
        /// What identifies the row.
        key: String,
        /// The column that cannot be read.
        column: &'static str,
        /// Why not.
        reason: String,
    },
    /// A value that the database cannot hold.
    #[error("{column} {value:?} cannot be stored: {reason}")]
    Unstorable {
        /// The column that it was meant for.
        column: &'static str,
        /// The rejected value.
        value: String,
        /// Why not.
        reason: &'static str,
    },
    /// A constraint stood in the way.
    #[error("database constraint ({rule}): {what}")]
    Constraint {
        /// The constraint.
        rule: Rule,
        /// The row that broke it, as far as it is known.
        what: String,
    },
    /// The answer was lost; whether it was written is not known.
    #[error("database outcome unknown: {0}")]
    Unknown(String),
}

/// Why a commit was not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The batch contradicts itself; nothing was sent to the database.
    #[error("batch refused: {0}")]
    Malformed(#[from] BatchFault),
    /// Another writer moved the head, or the journal is not the one that was read. Replay.
    #[error(
        "commit conflict: vault {vault} is no longer at head seq {expected:?}; another writer was here"
    )]
    Conflict {
        /// The vault.
        vault: String,
        /// The head that the batch builds on.
        expected: Option<u64>,
    },
    /// A constraint refused the batch; nothing was written. Trying again gives the same.
    #[error("commit refused by constraint ({rule}): {what}")]
    Constraint {
        /// The constraint.
        rule: Rule,
        /// The row that broke it, as far as it is known.
        what: String,
    },
    /// Nothing was written; trying again may help.
    #[error("commit not possible, nothing was written: {0}")]
    Unavailable(String),
    /// The answer to COMMIT was lost. Replay from the database to learn what holds.
    #[error("commit outcome unknown: {0}")]
    Unknown(String),
}

/// What an sqlx error means for a transaction that it happened in.
#[derive(Debug)]
pub(super) enum Failure {
    Constraint(String),
    Unavailable(String),
    Unknown(String),
}

impl Failure {
    /// An error of any statement before COMMIT: nothing is written.
    pub(super) fn before_commit(error: &sqlx::Error) -> Self {
        if let sqlx::Error::Database(fault) = error
            && is_constraint(fault.as_ref())
        {
            return Self::Constraint(fault.message().to_owned());
        }
        Self::Unavailable(describe(error))
    }

    /// An error of COMMIT itself. Only answers that prove a rollback are definite.
    pub(super) fn at_commit(error: &sqlx::Error) -> Self {
        if let sqlx::Error::Database(fault) = error {
            let code = fault.code().unwrap_or_default();
            // SQLSTATE 40003 is "statement completion unknown"; 57P01 may come after the local commit.
            let rolled_back = matches!(code.as_ref(), "40001" | "40P01") || is_full(fault.as_ref());
            if is_constraint(fault.as_ref()) {
                return Self::Constraint(fault.message().to_owned());
            }
            if rolled_back {
                return Self::Unavailable(describe(error));
            }
        }
        Self::Unknown(describe(error))
    }
}

fn is_constraint(fault: &dyn sqlx::error::DatabaseError) -> bool {
    // SQLSTATE class 23, or SQLite's primary result code 19 in the low byte.
    // https://www.postgresql.org/docs/current/errcodes-appendix.html, https://sqlite.org/rescode.html
    let code = fault.code().unwrap_or_default();
    if code.len() == 5 {
        code.starts_with("23")
    } else {
        code.parse::<u32>().is_ok_and(|code| code & 0xff == 19)
    }
}

/// SQLITE_FULL (13), or SQLSTATE 53100 disk_full.
fn is_full(fault: &dyn sqlx::error::DatabaseError) -> bool {
    let code = fault.code().unwrap_or_default();
    code == "53100" || (code.len() < 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 13))
}

/// The error in one line, with a full disk named as such.
fn describe(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(fault) if is_full(fault.as_ref()) => {
            format!("database disk is full: {}", fault.message())
        }
        sqlx::Error::Io(fault) if fault.kind() == std::io::ErrorKind::StorageFull => {
            format!("database disk is full: {fault}")
        }
        sqlx::Error::Database(fault) => fault.message().to_owned(),
        sqlx::Error::PoolTimedOut => {
            "no connection came free in time, or the server takes none".to_owned()
        }
        other => other.to_string(),
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Failure::before_commit(&error).into()
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Constraint(what) => Self::Constraint {
                rule: Rule::Other,
                what,
            },
            Failure::Unavailable(reason) => Self::Unavailable(reason),
            Failure::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

impl From<Failure> for CommitError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Constraint(what) => Self::Constraint {
                rule: Rule::Other,
                what,
            },
            Failure::Unavailable(reason) => Self::Unavailable(reason),
            Failure::Unknown(reason) => Self::Unknown(reason),
        }
    }
}

//! Reading a row column by column. Invariant: a value that this program would never have written is
//! an error that names table, row and column; it is never taken for something else.

use sqlx::{Decode, Postgres, Sqlite, Type};

use super::connection::Row;
use super::error::StoreError;

/// A row that is being read, left to right.
#[derive(Debug)]
pub(super) struct Record<'r> {
    table: &'static str,
    key: String,
    row: &'r Row,
    column: usize,
}

impl<'r> Record<'r> {
    /// A row whose key is among its first columns.
    pub(super) fn new(table: &'static str, row: &'r Row) -> Self {
        Self::keyed(table, "", row)
    }

    /// A row whose key the reader knows already.
    pub(super) fn keyed(table: &'static str, key: &str, row: &'r Row) -> Self {
        Self {
            table,
            key: key.to_owned(),
            row,
            column: 0,
        }
    }

    /// Text that identifies the row in errors about the columns after it.
    pub(super) fn key(&mut self, column: &'static str) -> Result<String, StoreError> {
        let text: String = self.next(column)?;
        if !self.key.is_empty() {
            self.key.push(' ');
        }
        self.key.push_str(&text);
        Ok(text)
    }

    /// A number that identifies the row in errors about this column and those after it.
    pub(super) fn number_key(&mut self, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.next(column)?;
        self.key.push_str(&format!(" {column} {number}"));
        self.unsigned(column, number)
    }

    pub(super) fn text(&mut self, column: &'static str) -> Result<String, StoreError> {
        self.next(column)
    }

    pub(super) fn optional_text(
        &mut self,
        column: &'static str,
    ) -> Result<Option<String>, StoreError> {
        self.next(column)
    }

    pub(super) fn bytes(&mut self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        self.next(column)
    }

    pub(super) fn hash(&mut self, column: &'static str) -> Result<[u8; 32], StoreError> {
        let bytes = self.bytes(column)?;
        <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| self.fault(column, format!("{} bytes instead of 32", bytes.len())))
    }

    pub(super) fn number(&mut self, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = self.next(column)?;
        self.unsigned(column, number)
    }

    pub(super) fn small_number(&mut self, column: &'static str) -> Result<u16, StoreError> {
        let number = self.number(column)?;
        u16::try_from(number).map_err(|_| self.fault(column, format!("{number} is too large")))
    }

    fn unsigned(&self, column: &'static str, number: i64) -> Result<u64, StoreError> {
        u64::try_from(number).map_err(|_| self.fault(column, format!("{number} is negative")))
    }

    fn next<T>(&mut self, column: &'static str) -> Result<T, StoreError>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        let index = self.column;
        self.column = index.saturating_add(1);
        self.row
            .get(index)
            .map_err(|error| self.fault(column, error.to_string()))
    }

    fn fault(&self, column: &'static str, reason: String) -> StoreError {
        StoreError::Row {
            table: self.table,
            key: self.key.trim().to_owned(),
            column,
            reason,
        }
    }
}

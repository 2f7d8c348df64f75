//! Bundles for the air-gapped signer. Invariant: the bytes that were stored first under an export are
//! the ones that everyone gets, whatever a restart builds later.

use super::Store;
use super::connection::{Transaction, Value};
use super::error::StoreError;
use super::fold::text;
use super::record::Record;

/// More than a bundle may have, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

const PUT: &str = "INSERT INTO bundles (vault, export_id, bytes) VALUES ($1, $2, $3) \
     ON CONFLICT (vault, export_id) DO NOTHING";
const GET: &str = "SELECT bytes FROM bundles WHERE vault = $1 AND export_id = $2";

/// What became of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundlePut {
    /// It is durable.
    Stored,
    /// There was one under this export, and it stays.
    Kept,
}

impl Store {
    /// Stores an export's bundle durably, unless there is one.
    ///
    /// Dropping the future doesn't stop a transaction that has begun.
    ///
    /// # Errors
    /// Refuses more than 64 MiB. Nothing was stored, except on [`StoreError::Unknown`].
    pub async fn put_bundle(
        &self,
        vault: &str,
        export_id: &str,
        bytes: &[u8],
    ) -> Result<BundlePut, StoreError> {
        if bytes.len() > MAX_BYTES {
            return Err(StoreError::Unstorable {
                column: "bytes",
                value: format!("bundle of {} bytes", bytes.len()),
                reason: "beyond 64 MiB",
            });
        }
        let store = self.clone();
        let (vault, export_id) = (vault.to_owned(), export_id.to_owned());
        let bytes = bytes.to_vec();
        tokio::spawn(async move {
            let mut transaction = store.begin().await?;
            match put(&mut transaction, &vault, &export_id, &bytes).await {
                Ok(put) => {
                    transaction.commit().await?;
                    Ok(put)
                }
                Err(error) => {
                    transaction.rollback().await;
                    Err(error)
                }
            }
        })
        .await
        .unwrap_or_else(|error| Err(StoreError::Unknown(error.to_string())))
    }

    /// An export's bundle.
    ///
    /// # Errors
    /// When the database doesn't answer, or the row is not one of ours.
    pub async fn bundle(
        &self,
        vault: &str,
        export_id: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let values = [text("vault", vault)?, text("export_id", export_id)?];
        let rows = self.reader().await?.fetch(GET, &values).await?;
        rows.first()
            .map(|row| Record::keyed("bundles", export_id, row).bytes("bytes"))
            .transpose()
    }
}

async fn put(
    transaction: &mut Transaction,
    vault: &str,
    export_id: &str,
    bytes: &[u8],
) -> Result<BundlePut, StoreError> {
    let values = [
        text("vault", vault)?,
        text("export_id", export_id)?,
        Value::Bytes(bytes),
    ];
    Ok(match transaction.conn().execute(PUT, &values).await? {
        0 => BundlePut::Kept,
        _ => BundlePut::Stored,
    })
}

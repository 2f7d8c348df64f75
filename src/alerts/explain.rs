//! Coins that are gone, held against what our transactions take.

use std::time::Duration;

use super::Fact;
use crate::store::Store;

/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of coins that are gone, those that none of our transactions spends; nothing, if all have gone where they should. Any other fact
/// is passed on as it is.
///
/// # Errors
/// The fact, and why the database didn't answer.
pub(super) async fn explained(store: &Store, fact: Fact) -> Result<Option<Fact>, (Fact, String)> {
    let Fact::CoinsGone {
        wallet,
        network,
        outpoints,
    } = &fact
    else {
        return Ok(Some(fact));
    };
    let name = network.to_string();
    let asked = store.unreserved(&name, outpoints);
    let unexplained = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(unexplained)) => unexplained,
        Ok(Err(error)) => return Err((fact, error.to_string())),
        Err(_) => return Err((fact, "it does not answer".to_owned())),
    };
    Ok(unexplained.first().map(|example| Fact::CoinsUnexplained {
        wallet: wallet.clone(),
        many: unexplained.len(),
        example: *example,
    }))
}

//! Coins that a node no longer shows: those that one of our transactions spends have gone where they should.

use std::time::Duration;

use super::Fact;
use crate::store::Store;

/// Longest wait for the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// What there is to tell of a fact once the database was asked about coins in it; nothing, where each is explained.
///
/// # Errors
/// The database doesn't answer: the fact, to be asked about again.
pub(super) async fn explained(store: &Store, fact: Fact) -> Result<Option<Fact>, Fact> {
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
    let why = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(left)) => {
            let told = left.first().map(|example| Fact::CoinsUnexplained {
                wallet: wallet.clone(),
                many: left.len(),
                example: *example,
            });
            return Ok(told);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it does not answer".to_owned(),
    };
    tracing::error!(why, %wallet, "what became of a wallet's coins could not be looked up yet");
    Err(fact)
}

/// The same without the database: as if nothing explained the coins.
pub(super) fn unexplained(fact: Fact) -> Option<Fact> {
    match fact {
        Fact::CoinsGone {
            wallet, outpoints, ..
        } => Some(Fact::CoinsUnexplained {
            wallet,
            many: outpoints.len(),
            example: *outpoints.first()?,
        }),
        other => Some(other),
    }
}

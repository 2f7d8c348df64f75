//! What a batch reserves and frees. Invariant: a coin or nonce that is freed and taken in one batch ends as the last word, and
//! two that take the same one are refused before the database has to.

use std::collections::BTreeMap;

use super::connection::Value;
use super::error::{CommitError, Rule};
use super::fold::{Folded, int, text};
use super::rows::{Batch, Projection};

/// What one batch does to one coin or nonce.
#[derive(Debug, Default)]
struct Holding<'a> {
    /// It was held when the batch began, and is freed.
    freed: bool,
    /// Who holds it when the batch ends.
    holder: Option<&'a str>,
}

pub(super) fn fold_reservations<'a>(
    batch: &'a Batch,
    folded: &mut Folded<'a>,
) -> Result<(), CommitError> {
    let mut outpoints: BTreeMap<(&str, &str), Holding<'_>> = BTreeMap::new();
    let mut nonces: BTreeMap<(&str, &str, u64), Holding<'_>> = BTreeMap::new();
    for projection in &batch.projections {
        match projection {
            Projection::ReserveOutpoint {
                network,
                outpoint,
                transaction,
            } => {
                let holding = outpoints.entry((network, outpoint)).or_default();
                take(holding, transaction, Rule::Outpoint, outpoint)?;
            }
            Projection::ReleaseOutpoint { network, outpoint } => {
                free(outpoints.entry((network, outpoint)).or_default());
            }
            Projection::ReserveNonce {
                network,
                account,
                nonce,
                transaction,
            } => {
                let holding = nonces.entry((network, account, *nonce)).or_default();
                take(holding, transaction, Rule::Nonce, nonce)?;
            }
            Projection::ReleaseNonce {
                network,
                account,
                nonce,
            } => free(nonces.entry((network, account, *nonce)).or_default()),
            _ => {}
        }
    }
    let vault = Value::Text(&batch.vault);
    for ((network, outpoint), holding) in outpoints {
        let key = [text("network", network)?, text("outpoint", outpoint)?];
        if holding.freed {
            folded.outpoints_freed.extend(key);
            folded.outpoints_freed.push(vault);
        }
        if let Some(holder) = holding.holder {
            folded.outpoints_taken.extend(key);
            let holder = text("transaction", holder)?;
            folded.outpoints_taken.extend([vault, holder]);
        }
    }
    for ((network, account, nonce), holding) in nonces {
        let key = [
            text("network", network)?,
            text("account", account)?,
            Value::Int(int("nonce", nonce)?),
        ];
        if holding.freed {
            folded.nonces_freed.extend(key);
            folded.nonces_freed.push(vault);
        }
        if let Some(holder) = holding.holder {
            folded.nonces_taken.extend(key);
            let holder = text("transaction", holder)?;
            folded.nonces_taken.extend([vault, holder]);
        }
    }
    Ok(())
}

fn take<'a>(
    holding: &mut Holding<'a>,
    transaction: &'a str,
    rule: Rule,
    what: &dyn std::fmt::Display,
) -> Result<(), CommitError> {
    match holding.holder.replace(transaction) {
        None => Ok(()),
        Some(other) => Err(CommitError::Constraint {
            rule,
            what: format!("{what} is taken by {other} and by {transaction} in one batch"),
        }),
    }
}

/// A coin or nonce taken earlier in the batch just goes back; any other is freed in the database.
fn free(holding: &mut Holding<'_>) {
    if holding.holder.take().is_none() {
        holding.freed = true;
    }
}

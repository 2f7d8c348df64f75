//! From what an event touched to what readers see of it.

use std::collections::BTreeSet;

use custodyd_vault::{Touch, Vault};
use serde::Serialize;

use crate::{json, store::Projection, view};

/// The rows that bring readers up to the state, for what was touched.
///
/// # Errors
/// A document that can't be written: a fault of the program.
pub fn projections(
    vault: &Vault,
    touched: &BTreeSet<Touch>,
) -> Result<Vec<Projection>, serde_json::Error> {
    touched
        .iter()
        .filter_map(|touch| projection(vault, touch).transpose())
        .collect()
}

/// Every row that the state calls for: what the projections must be if they match the journal.
///
/// # Errors
/// As [`projections`].
pub fn rebuild(vault: &Vault) -> Result<Vec<Projection>, serde_json::Error> {
    let mut touched: BTreeSet<Touch> = BTreeSet::new();
    touched.extend(vault.wallets().keys().cloned().map(Touch::Wallet));
    touched.extend(vault.withdrawals().keys().cloned().map(Touch::Withdrawal));
    touched.extend(vault.transactions().keys().cloned().map(Touch::Transaction));
    touched.extend(vault.exports().keys().cloned().map(Touch::Export));
    touched.extend(vault.proposals().keys().cloned().map(Touch::Proposal));
    touched.extend(
        vault
            .wallets()
            .values()
            .flat_map(|w| w.keys())
            .filter_map(|k| k.id.clone())
            .map(Touch::Key),
    );
    touched.extend(vault.reservations());
    projections(vault, &touched)
}

fn projection(vault: &Vault, touch: &Touch) -> Result<Option<Projection>, serde_json::Error> {
    Ok(match touch {
        Touch::Withdrawal(id) => match (view::withdrawal(vault, id), vault.withdrawals().get(id)) {
            (Some(document), Some(withdrawal)) => {
                let place = view::queue_place(vault, withdrawal);
                Some(Projection::Withdrawal {
                    document: text(&document)?,
                    id: document.id,
                    client: document.client,
                    idempotency_key: withdrawal.request.idempotency_key.clone(),
                    state: document.state,
                    created_seq: withdrawal.seq,
                    wallet: document.wallet,
                    queue_rank: place.as_ref().map_or(0, |place| place.rank),
                    asked: place.map(|place| place.asked),
                })
            }
            _ => None,
        },
        Touch::Transaction(id) => match view::transaction(vault, id) {
            Some(document) => Some(Projection::Transaction {
                id: document.id.clone(),
                txid: document.txid.clone(),
                wallet: document.wallet.clone(),
                network: document.network.clone(),
                state: document.state.clone(),
                document: text(&document)?,
            }),
            None => None,
        },
        Touch::Wallet(id) => match view::wallet(vault, id) {
            Some(document) => Some(Projection::Wallet {
                id: document.id.clone(),
                tier: document.tier.clone(),
                asset: document.asset.clone(),
                state: document.state.clone(),
                document: text(&document)?,
            }),
            None => None,
        },
        Touch::Key(id) => match view::key(vault, id) {
            Some(document) => Some(Projection::Key {
                id: document.id.clone(),
                wallet: document.wallet.clone(),
                state: document.state.clone(),
                document: text(&document)?,
            }),
            None => None,
        },
        Touch::Export(id) => match view::export(vault, id) {
            Some(document) => Some(Projection::Export {
                id: document.id.clone(),
                state: document.state.clone(),
                document: text(&document)?,
            }),
            None => None,
        },
        Touch::Proposal(id) => match (view::proposal(vault, id), vault.proposals().get(id)) {
            (Some(document), Some(proposal)) => Some(Projection::Proposal {
                id: document.id.clone(),
                state: document.state.clone(),
                created_seq: proposal.seq,
                document: text(&document)?,
            }),
            _ => None,
        },
        Touch::ReserveOutpoint(network, outpoint, transaction) => {
            Some(Projection::ReserveOutpoint {
                network: network.to_string(),
                outpoint: outpoint.to_string(),
                transaction: transaction.to_string(),
            })
        }
        Touch::ReserveNonce(network, account, nonce, transaction) => {
            Some(Projection::ReserveNonce {
                network: network.to_string(),
                account: account.as_str().to_owned(),
                nonce: *nonce,
                transaction: transaction.to_string(),
            })
        }
    })
}

/// Bytes of an ordinary document.
const USUAL: usize = 2_048;

/// Written once by this function and compared byte for byte by the audit: the order of fields is their declaration's.
fn text(document: &impl Serialize) -> Result<String, serde_json::Error> {
    json::text(document, USUAL)
}

//! What nodes tell. Only a difference to what is known becomes an event.

use std::collections::BTreeMap;

use custodyd_chain::{Amount, Coin, FeeQuote, Network};
use custodyd_policy::{Timestamp, WalletId};

use crate::{
    ChainPosition, Event, Funds, Rejection, Transaction, TransactionId, TransactionState, Vault,
    decide::MAX_EXACT, effect::FEE_QUOTE_MAX_AGE_MS,
};

impl Vault {
    pub(super) fn decide_coins(
        &self,
        id: &WalletId,
        coins: &[Coin],
    ) -> Result<Vec<Event>, Rejection> {
        let wallet = self
            .wallets
            .get(id)
            .ok_or_else(|| Rejection::UnknownWallet(id.clone()))?;
        let Funds::Coins(known) = &wallet.funds else {
            return Err(Rejection::Observation(
                id.clone(),
                "it is an account".to_owned(),
            ));
        };
        let foreign = coins.iter().find(|coin| {
            coin.amount.asset() != wallet.network.asset()
                || wallet.key_of(&coin.public_key).is_none()
        });
        if let Some(coin) = foreign {
            return Err(Rejection::Observation(
                id.clone(),
                format!("{} is not its own", coin.outpoint),
            ));
        }
        let seen: BTreeMap<_, _> = coins.iter().map(|coin| (coin.outpoint, coin)).collect();
        let added: Vec<Coin> = seen
            .values()
            .filter(|coin| known.get(&coin.outpoint) != Some(**coin))
            .map(|coin| (*coin).clone())
            .collect();
        let removed: Vec<_> = known
            .keys()
            .filter(|outpoint| !seen.contains_key(*outpoint))
            .copied()
            .collect();
        if added.is_empty() && removed.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::CoinsObserved {
            wallet: id.clone(),
            added,
            removed,
        }])
    }

    pub(super) fn decide_account(
        &self,
        id: &WalletId,
        balance: Amount,
        nonce: u64,
        height: u64,
    ) -> Result<Vec<Event>, Rejection> {
        let wallet = self
            .wallets
            .get(id)
            .ok_or_else(|| Rejection::UnknownWallet(id.clone()))?;
        let Funds::Account(account) = &wallet.funds else {
            return Err(Rejection::Observation(
                id.clone(),
                "it holds coins".to_owned(),
            ));
        };
        if balance.asset() != wallet.network.asset() {
            return Err(Rejection::Observation(
                id.clone(),
                format!("{balance} is not its asset"),
            ));
        }
        if nonce > MAX_EXACT || height > MAX_EXACT {
            return Err(Rejection::Observation(
                id.clone(),
                format!("nonce {nonce} at height {height} can't be"),
            ));
        }
        if account.balance == Some(balance) && account.nonce == nonce {
            return Ok(Vec::new());
        }
        Ok(vec![Event::AccountObserved {
            wallet: id.clone(),
            balance,
            nonce,
            height,
        }])
    }

    pub(super) fn decide_fee(
        &self,
        network: Network,
        quote: &FeeQuote,
        now: Timestamp,
    ) -> Vec<Event> {
        let same = self
            .fees
            .get(&network)
            .is_some_and(|(known, _)| known == quote);
        if matches!(quote, FeeQuote::Bitcoin { sat_per_kvb } if *sat_per_kvb > MAX_EXACT) {
            return Vec::new();
        }
        let renewed_soon_enough = self
            .quote_age(network, now)
            .is_some_and(|age| age < FEE_QUOTE_MAX_AGE_MS / 8);
        if same && renewed_soon_enough {
            return Vec::new();
        }
        vec![Event::FeeObserved {
            network,
            quote: *quote,
        }]
    }

    pub(super) fn decide_position(
        &self,
        id: &TransactionId,
        position: &ChainPosition,
    ) -> Result<Vec<Event>, Rejection> {
        let transaction = self.known_transaction(id)?;
        let id = id.clone();
        match (transaction.state, position) {
            (TransactionState::Planned, _) => Err(Rejection::TransactionState(
                id,
                transaction.state_name(),
                "an observation",
            )),
            (TransactionState::Final { .. }, _)
            | (TransactionState::Conflicted, ChainPosition::Conflicted) => Ok(Vec::new()),
            (
                state,
                ChainPosition::Included {
                    height,
                    confirmations,
                    succeeded,
                },
            ) => {
                if *height > MAX_EXACT {
                    return Err(Rejection::TransactionState(
                        id,
                        transaction.state_name(),
                        "a block of that height",
                    ));
                }
                let known = state
                    == TransactionState::Included {
                        height: *height,
                        succeeded: *succeeded,
                    };
                let mut events = Vec::new();
                if matches!(state, TransactionState::Included { .. }) && !known {
                    events.push(Event::TransactionReorged {
                        transaction: id.clone(),
                    });
                }
                if !known {
                    let (height, succeeded) = (*height, *succeeded);
                    events.push(Event::TransactionIncluded {
                        transaction: id.clone(),
                        height,
                        succeeded,
                    });
                }
                if *confirmations >= transaction.confirmations {
                    events.push(Event::TransactionFinal {
                        transaction: id,
                        confirmations: *confirmations,
                    });
                }
                Ok(events)
            }
            (_, ChainPosition::Conflicted) => {
                Ok(vec![Event::TransactionConflicted { transaction: id }])
            }
            (TransactionState::Included { .. }, ChainPosition::Unknown)
            | (
                TransactionState::Included { .. } | TransactionState::Conflicted,
                ChainPosition::Pending,
            ) => Ok(vec![Event::TransactionReorged { transaction: id }]),
            (TransactionState::Signed, ChainPosition::Pending) => {
                Ok(vec![Event::TransactionBroadcast { transaction: id }])
            }
            (_, ChainPosition::Pending | ChainPosition::Unknown) => Ok(Vec::new()),
        }
    }

    pub(super) fn known_transaction(&self, id: &TransactionId) -> Result<&Transaction, Rejection> {
        self.transactions
            .get(id)
            .ok_or_else(|| Rejection::UnknownTransaction(id.clone()))
    }
}

//! What this machine signs at all, whatever the vault says: caps per asset, destinations, its own keys. It is the
//! last place where an amount can be refused, so it computes from the files and from nothing else.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_airgap::{RecomputedEffects, TransactionId};
use custodyd_chain::{Address, Amount, AmountError, Asset, PublicKey};

/// The most of one asset.
#[derive(Debug, Clone)]
pub(crate) struct AssetCaps {
    /// Payments of one transaction.
    pub(crate) transaction: Amount,
    /// Payments of all transactions of one bundle.
    pub(crate) bundle: Amount,
    /// Fee of one transaction.
    pub(crate) fee: Amount,
}

/// What may be signed. An asset without caps may not.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) caps: BTreeMap<Asset, AssetCaps>,
    /// The only destinations; none means any.
    pub(crate) allow: Option<BTreeSet<Address>>,
}

/// Why a bundle is not signed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there are no caps for {0}: it is not signed here")]
    NoCaps(Asset),
    #[error("{transaction} pays {paid}, above the cap of {cap} for a transaction")]
    Transaction {
        transaction: TransactionId,
        paid: Amount,
        cap: Amount,
    },
    #[error("the bundle pays {paid}, above the cap of {cap} for a bundle")]
    Bundle { paid: Amount, cap: Amount },
    #[error("{transaction} has a fee of {fee}, above the cap of {cap}")]
    Fee {
        transaction: TransactionId,
        fee: Amount,
        cap: Amount,
    },
    #[error("{transaction} has a fee of {fee}, more than the {paid} that it pays")]
    FeeAbovePayments {
        transaction: TransactionId,
        fee: Amount,
        paid: Amount,
    },
    #[error("{transaction} pays {to}, which is not on the allow-list")]
    Destination {
        transaction: TransactionId,
        to: Address,
    },
    #[error("{transaction} has change to {to}, which is no key of this token")]
    Change {
        transaction: TransactionId,
        to: Address,
    },
    #[error("{transaction} needs the key {key}, which is not on this token")]
    Key {
        transaction: TransactionId,
        key: PublicKey,
    },
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl Limits {
    /// May all of these be signed? `own` are the token's keys.
    pub(crate) fn check(
        &self,
        transactions: &[RecomputedEffects],
        own: &BTreeSet<PublicKey>,
    ) -> Result<(), Refusal> {
        let mut totals: BTreeMap<Asset, Amount> = BTreeMap::new();
        for transaction in transactions {
            self.check_parties(transaction, own)?;
            let paid = self.check_amounts(transaction)?;
            let total = totals
                .entry(paid.asset())
                .or_insert_with(|| Amount::zero(paid.asset()));
            *total = total.checked_add(&paid)?;
        }
        for (asset, paid) in totals {
            let cap = self.caps.get(&asset).ok_or(Refusal::NoCaps(asset))?.bundle;
            if paid.cmp_same(&cap)?.is_gt() {
                return Err(Refusal::Bundle { paid, cap });
            }
        }
        Ok(())
    }

    fn check_parties(
        &self,
        one: &RecomputedEffects,
        own: &BTreeSet<PublicKey>,
    ) -> Result<(), Refusal> {
        let transaction = || one.transaction.clone();
        if let Some(request) = one
            .requests
            .iter()
            .find(|request| !own.contains(&request.public_key))
        {
            return Err(Refusal::Key {
                transaction: transaction(),
                key: request.public_key,
            });
        }
        if let Some(change) = one
            .effects
            .change()
            .iter()
            .find(|change| !own.contains(&change.public_key))
        {
            return Err(Refusal::Change {
                transaction: transaction(),
                to: change.to.clone(),
            });
        }
        let Some(allow) = &self.allow else {
            return Ok(());
        };
        match one
            .effects
            .payments()
            .iter()
            .find(|payment| !allow.contains(&payment.to))
        {
            Some(payment) => Err(Refusal::Destination {
                transaction: transaction(),
                to: payment.to.clone(),
            }),
            None => Ok(()),
        }
    }

    fn check_amounts(&self, one: &RecomputedEffects) -> Result<Amount, Refusal> {
        let transaction = || one.transaction.clone();
        let asset = one.network.asset();
        let caps = self.caps.get(&asset).ok_or(Refusal::NoCaps(asset))?;
        let paid = Amount::sum(
            asset,
            one.effects.payments().iter().map(|payment| &payment.amount),
        )?;
        let fee = one.effects.fee();
        if paid.cmp_same(&caps.transaction)?.is_gt() {
            return Err(Refusal::Transaction {
                transaction: transaction(),
                paid,
                cap: caps.transaction,
            });
        }
        if fee.cmp_same(&caps.fee)?.is_gt() {
            return Err(Refusal::Fee {
                transaction: transaction(),
                fee,
                cap: caps.fee,
            });
        }
        if fee.cmp_same(&paid)?.is_gt() {
            return Err(Refusal::FeeAbovePayments {
                transaction: transaction(),
                fee,
                paid,
            });
        }
        Ok(paid)
    }
}

#[cfg(test)]
mod tests {
    use custodyd_airgap::{Change, CoinEffects, StatedEffects};
    use custodyd_chain::{Digest, Network, Payment, SigningRequest};

    use super::*;

    fn key(x: &str) -> PublicKey {
        x.parse().unwrap()
    }

    /// The generator of secp256k1, and twice and three times it.
    fn keys() -> [PublicKey; 3] {
        [
            key("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
            key("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"),
            key("02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"),
        ]
    }

    fn amount(text: &str) -> Amount {
        text.parse().unwrap()
    }

    fn pays(paid: &str, fee: &str) -> RecomputedEffects {
        let [own, other, _] = keys();
        let network: Network = "litecoin-regtest".parse().unwrap();
        let to = |key| Address::from_public_key(network, &key);
        RecomputedEffects {
            transaction: "tx_00000000000000000000000000000001".parse().unwrap(),
            wallet: "cold".parse().unwrap(),
            network,
            effects: StatedEffects::Coins(CoinEffects {
                payments: vec![Payment {
                    to: to(other),
                    amount: amount(paid),
                }],
                change: vec![Change {
                    to: to(own),
                    amount: amount("1 LTC"),
                    public_key: own,
                }],
                fee: amount(fee),
                inputs: vec![],
            }),
            requests: vec![SigningRequest {
                public_key: own,
                digest: Digest::from_bytes([1; 32]),
            }],
        }
    }

    fn limits() -> Limits {
        let caps = AssetCaps {
            transaction: amount("5 LTC"),
            bundle: amount("8 LTC"),
            fee: amount("0.01 LTC"),
        };
        Limits {
            caps: BTreeMap::from([(Asset::Ltc, caps)]),
            allow: None,
        }
    }

    fn verdict(limits: &Limits, transactions: &[RecomputedEffects]) -> Result<(), Refusal> {
        limits.check(transactions, &BTreeSet::from([keys()[0]]))
    }

    #[test]
    fn caps_hold_at_their_edge_and_not_above() {
        assert_eq!(verdict(&limits(), &[pays("5 LTC", "0.01 LTC")]), Ok(()));
        let above = verdict(&limits(), &[pays("5.00000001 LTC", "0.01 LTC")]);
        assert!(
            matches!(above, Err(Refusal::Transaction { .. })),
            "{above:?}"
        );
        let fee = verdict(&limits(), &[pays("5 LTC", "0.01000001 LTC")]);
        assert!(matches!(fee, Err(Refusal::Fee { .. })), "{fee:?}");
        assert_eq!(
            verdict(&limits(), &[pays("4 LTC", "0 LTC"), pays("4 LTC", "0 LTC")]),
            Ok(())
        );
        let bundle = verdict(
            &limits(),
            &[pays("4 LTC", "0 LTC"), pays("4.00000001 LTC", "0 LTC")],
        );
        assert!(matches!(bundle, Err(Refusal::Bundle { .. })), "{bundle:?}");
    }

    #[test]
    fn a_fee_greater_than_the_amount_is_refused_within_its_cap() {
        let fee = verdict(&limits(), &[pays("0.005 LTC", "0.006 LTC")]);
        assert!(
            matches!(fee, Err(Refusal::FeeAbovePayments { .. })),
            "{fee:?}"
        );
    }

    #[test]
    fn an_asset_without_caps_is_refused() {
        let none = Limits {
            caps: BTreeMap::new(),
            allow: None,
        };
        assert_eq!(
            verdict(&none, &[pays("1 LTC", "0 LTC")]),
            Err(Refusal::NoCaps(Asset::Ltc))
        );
    }

    #[test]
    fn a_destination_outside_the_allow_list_is_refused() {
        let to = pays("1 LTC", "0 LTC").effects.payments()[0].to.clone();
        let only = |allow| Limits {
            allow: Some(allow),
            ..limits()
        };
        assert_eq!(
            verdict(&only(BTreeSet::from([to])), &[pays("1 LTC", "0 LTC")]),
            Ok(())
        );
        let empty = verdict(&only(BTreeSet::new()), &[pays("1 LTC", "0 LTC")]);
        assert!(
            matches!(empty, Err(Refusal::Destination { .. })),
            "{empty:?}"
        );
    }

    #[test]
    fn change_and_inputs_of_foreign_keys_are_refused() {
        let [own, other, third] = keys();
        let one = [pays("1 LTC", "0 LTC")];
        let key = limits().check(&one, &BTreeSet::from([other, third]));
        assert!(matches!(key, Err(Refusal::Key { .. })), "{key:?}");
        let mut foreign = pays("1 LTC", "0 LTC");
        let StatedEffects::Coins(effects) = &mut foreign.effects else {
            panic!("not coins")
        };
        effects.change[0].public_key = other;
        let change = limits().check(&[foreign], &BTreeSet::from([own]));
        assert!(matches!(change, Err(Refusal::Change { .. })), "{change:?}");
    }
}

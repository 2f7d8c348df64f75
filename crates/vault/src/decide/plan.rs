//! Planning: choose inputs or a nonce for an approved payout, against what other plans hold back already.

use std::collections::BTreeSet;

use custodyd_chain::{
    Address, BitcoinPlan, Coin, EvmPlan, FeeQuote, Network, OutPoint, Payment, Plan, PlanFault,
    PublicKey,
};

use custodyd_policy::Timestamp;

use crate::{Event, ExportId, Funds, Transaction, TransactionId, Vault, Wallet, Withdrawal};

/// What plans made in the same decision hold back, before they are applied.
#[derive(Debug, Default)]
pub(super) struct Draft {
    outpoints: BTreeSet<OutPoint>,
    evm_plans: Vec<EvmPlan>,
}

impl Draft {
    fn hold(&mut self, plan: &Plan) {
        match plan {
            Plan::Bitcoin(plan) => self
                .outpoints
                .extend(plan.inputs.iter().map(|coin| coin.outpoint)),
            Plan::Evm(plan) => self.evm_plans.push(plan.clone()),
        }
    }
}

impl Vault {
    /// The event that plans a payout, or the one that says why it can't be planned.
    pub(super) fn plan_event(
        &self,
        wallet: &Wallet,
        withdrawal: &Withdrawal,
        quote: &FeeQuote,
        export: Option<&ExportId>,
        draft: &mut Draft,
        now: Timestamp,
    ) -> Event {
        let plan = match self.plan(wallet, withdrawal, quote, draft) {
            Ok(plan) => plan,
            Err(reason) => {
                return Event::PlanningBlocked {
                    id: withdrawal.id,
                    reason,
                    verdict: None,
                };
            }
        };
        if let Err(doubt) = self.recheck(wallet, withdrawal, &plan, now) {
            return Event::PlanningBlocked {
                id: withdrawal.id,
                reason: doubt.reason,
                verdict: Some(Box::new(doubt.verdict)),
            };
        }
        draft.hold(&plan);
        Event::TransactionPlanned {
            transaction: TransactionId::of_attempt(&withdrawal.id, 0),
            wallet: wallet.id.clone(),
            withdrawals: vec![withdrawal.id],
            plan,
            quote: *quote,
            export: export.cloned(),
        }
    }

    fn plan(
        &self,
        wallet: &Wallet,
        withdrawal: &Withdrawal,
        quote: &FeeQuote,
        draft: &Draft,
    ) -> Result<Plan, String> {
        let key = self.paying_key(wallet)?;
        let payment = Payment {
            to: withdrawal.request.destination.clone(),
            amount: withdrawal.request.amount,
        };
        let plan = match (&wallet.funds, quote, wallet.network) {
            (Funds::Coins(coins), FeeQuote::Bitcoin { sat_per_kvb }, Network::Bitcoin(network)) => {
                let free: Vec<Coin> = coins
                    .values()
                    .filter(|c| {
                        !self.taken.contains_key(&c.outpoint)
                            && !self.compromised.contains_key(&c.public_key)
                            && !draft.outpoints.contains(&c.outpoint)
                    })
                    .cloned()
                    .collect();
                let change = custodyd_chain::Address::from_public_key(wallet.network, &key);
                let plan = BitcoinPlan::select(
                    network,
                    &free,
                    std::slice::from_ref(&payment),
                    &change,
                    *sat_per_kvb,
                    &wallet.fee_caps,
                )
                .map_err(|e| e.to_string())?;
                Plan::Bitcoin(plan)
            }
            (
                Funds::Account(account),
                FeeQuote::Evm {
                    base_fee_per_gas,
                    priority_fee_per_gas,
                },
                Network::Evm(chain),
            ) => {
                let ours = draft
                    .evm_plans
                    .iter()
                    .filter(|p| p.from == key)
                    .map(|p| p.nonce)
                    .max();
                let nonce = match ours {
                    Some(last) => last.checked_add(1),
                    None => account.next_nonce(),
                }
                .ok_or("the account's nonces are used up")?;
                let plan = EvmPlan::new(
                    chain,
                    key,
                    nonce,
                    payment.clone(),
                    *base_fee_per_gas,
                    *priority_fee_per_gas,
                    &wallet.fee_caps,
                )
                .map_err(|e| e.to_string())?;
                self.check_funds(account, &plan, draft)?;
                Plan::Evm(plan)
            }
            _ => return Err(format!("the fee quote is not for {}", wallet.network)),
        };
        plan.check(
            &[payment],
            &self.own_change(wallet, &plan),
            &wallet.fee_caps,
        )
        .map_err(|fault| fault.to_string())?;
        Ok(plan)
    }

    /// The key that takes change, or whose account pays: the first one that may still sign.
    fn paying_key(&self, wallet: &Wallet) -> Result<PublicKey, String> {
        let first = wallet
            .primary_key()
            .ok_or_else(|| format!("wallet {} has no key yet", wallet.id))?;
        let sound = |key: &PublicKey| !self.compromised.contains_key(key);
        let found = match wallet.funds {
            Funds::Account(_) => Some(first).filter(sound),
            Funds::Coins(_) => {
                let mut keys = wallet.keys().iter().filter_map(|slot| slot.public_key);
                keys.find(sound)
            }
        };
        found.ok_or_else(|| {
            format!(
                "each key of wallet {} is compromised and never signs again",
                wallet.id
            )
        })
    }

    /// The address that the plan's change goes to, if it is one of the wallet's: of a hundred thousand, the one that counts.
    fn own_change(&self, wallet: &Wallet, plan: &Plan) -> Vec<Address> {
        let change = match plan {
            Plan::Bitcoin(plan) => plan.change.as_ref().map(|change| &change.to),
            Plan::Evm(_) => None,
        };
        change
            .filter(|address| self.destinations.own().get(address) == Some(&wallet.id))
            .cloned()
            .into_iter()
            .collect()
    }

    fn check_funds(
        &self,
        account: &crate::Account,
        plan: &EvmPlan,
        draft: &Draft,
    ) -> Result<(), String> {
        let text = |e: custodyd_chain::AmountError| e.to_string();
        let mut available = account.available().map_err(text)?;
        let cost = |p: &EvmPlan| {
            p.payment
                .amount
                .checked_add(&Plan::Evm(p.clone()).fee())
                .map_err(text)
        };
        let short = |needed, available| {
            format!("insufficient funds: {needed} needed, {available} available")
        };
        for earlier in draft.evm_plans.iter().filter(|p| p.from == plan.from) {
            let spent = cost(earlier)?;
            available = available
                .checked_sub(&spent)
                .map_err(|_| short(spent, available))?;
        }
        let needed = cost(plan)?;
        available
            .checked_sub(&needed)
            .map(drop)
            .map_err(|_| short(needed, available))
    }

    /// Whether a planned transaction still pays exactly what was approved, and nothing else.
    ///
    /// # Errors
    /// The first difference.
    pub(crate) fn check_plan(&self, transaction: &Transaction) -> Result<(), PlanFault> {
        let payments: Vec<Payment> = transaction
            .withdrawals
            .iter()
            .filter_map(|id| self.withdrawals.get(id))
            .map(|w| Payment {
                to: w.request.destination.clone(),
                amount: w.request.amount,
            })
            .collect();
        match self.wallets.get(&transaction.wallet) {
            Some(wallet) => transaction.plan.check(
                &payments,
                &self.own_change(wallet, &transaction.plan),
                &transaction.fee_caps,
            ),
            None => Err(PlanFault::Empty("wallet")),
        }
    }
}

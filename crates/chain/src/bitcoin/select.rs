//! Which coins pay. `bdk_coin_select` proposes; everything it proposes is recomputed here in
//! integers, because its fee rates are f32 and a fee must not depend on rounding.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ::bitcoin::VarInt;
use bdk_coin_select::metrics::LowestFee;
use bdk_coin_select::{
    Candidate, ChangePolicy, CoinSelector, DrainWeights, FeeRate, Target, TargetFee, TargetOutputs,
};
use thiserror::Error;

use super::params::BitcoinNetwork;
use super::plan::{BitcoinPlan, bip69_key, check_dust, txout, units};
use crate::address::Address;
use crate::amount::{Amount, AmountError};
use crate::effects::{Coin, Payment};
use crate::fee::{FeeAboveCap, FeeCaps};
use crate::plan::PlanFault;

/// Most inputs of one transaction. 200 P2WPKH inputs are 13,600 virtual bytes, far inside the
/// 100,000 that nodes relay, and 200 HSM signatures.
pub const MAX_INPUTS: usize = 200;
/// Coins that selection looks at: the largest ones. If the [`MAX_INPUTS`] largest do not suffice,
/// no set of that many does; the rest give choice for a selection without change.
const MAX_CANDIDATES: usize = 400;
/// Bound of the search, in branches.
const MAX_ROUNDS: usize = 2_000;
/// Highest fee rate that is believed: a thousand times the usual. Base units per 1,000 virtual bytes.
const MAX_FEE_RATE: u64 = 100_000_000;

/// Weight of a P2WPKH input without its witness: outpoint, empty scriptSig, sequence.
const INPUT_BASE_WEIGHT: u64 = (32 + 4 + 1 + 4) * 4;
/// Worst witness of a P2WPKH input: item count, 71 bytes of low-S DER and the sighash byte, 33 bytes of key.
const WITNESS_WEIGHT: u64 = 1 + 1 + 72 + 1 + 33;
/// Heaviest transaction that nodes relay (`MAX_STANDARD_TX_WEIGHT`).
const MAX_WEIGHT: u64 = 400_000;
/// Version and lock time, and segwit's marker and flag.
const FIXED_WEIGHT: u64 = (4 + 4) * 4 + 2;

/// Why no coins could be selected.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SelectError {
    /// Not enough to pay and to pay the fee.
    #[error("{available} are available at this fee rate, {needed} are needed")]
    InsufficientFunds {
        /// What the coins are worth that are worth spending.
        available: Amount,
        /// Payouts and the fee of spending those coins.
        needed: Amount,
    },
    /// Enough, but in too many pieces.
    #[error("the {limit} largest coins hold {available} of {needed}: consolidate first")]
    TooManyInputs {
        /// Most inputs of a transaction.
        limit: usize,
        /// Their sum.
        available: Amount,
        /// What is needed.
        needed: Amount,
    },
    /// The fee is above a cap.
    #[error(transparent)]
    FeeAboveCap(#[from] FeeAboveCap),
    /// An output that nodes would not relay.
    #[error("an output of {} to {} is below the dust limit of {limit}", payment.amount, payment.to)]
    Dust {
        /// The output.
        payment: Box<Payment>,
        /// The least that is relayed.
        limit: Amount,
    },
    /// A fee rate that nodes would not relay, or that cannot be meant.
    #[error("a fee rate of {sat_per_kvb} per 1000 virtual bytes is outside {least} to {most}")]
    FeeRate {
        /// Given.
        sat_per_kvb: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// More weight than nodes relay.
    #[error(
        "the payments make a transaction of {weight} weight units, above the {limit} that are relayed"
    )]
    TooHeavy {
        /// Weight at worst.
        weight: u64,
        /// Most that is relayed.
        limit: u64,
    },
    /// The resulting plan, or what was given for it, is not sound.
    #[error(transparent)]
    Plan(PlanFault),
}

impl From<PlanFault> for SelectError {
    fn from(fault: PlanFault) -> Self {
        match fault {
            PlanFault::Dust { payment, limit } => SelectError::Dust { payment, limit },
            PlanFault::Fee(fault) => SelectError::FeeAboveCap(fault),
            fault => SelectError::Plan(fault),
        }
    }
}

impl From<AmountError> for SelectError {
    fn from(error: AmountError) -> Self {
        SelectError::Plan(error.into())
    }
}

impl BitcoinPlan {
    /// Selects coins for `payments` at a fee rate in base units per 1,000 virtual bytes, as cheaply as
    /// a bounded search finds. Change that would be dust goes to the fee. Coins not worth their
    /// own fee are left alone. The same arguments give the same plan.
    ///
    /// # Errors
    /// [`SelectError`].
    pub fn select(
        network: BitcoinNetwork,
        coins: &[Coin],
        payments: &[Payment],
        change: &Address,
        sat_per_kvb: u64,
        caps: &FeeCaps,
    ) -> Result<Self, SelectError> {
        let spend = Spend::new(network, payments, change, sat_per_kvb)?;
        let coins = spend.worthwhile(coins)?;
        spend.check_funds(&coins)?;
        let chosen = spend
            .propose(&coins)
            .or_else(|| spend.largest_first(&coins));
        let Some(chosen) = chosen else {
            return Err(spend.insufficient(&coins)?);
        };
        let plan = spend.plan(&chosen)?;
        let payouts = Amount::from_u64(network.params().asset, spend.payouts)?;
        caps.check(plan.fee, payouts)?;
        plan.check()?;
        Ok(plan)
    }
}

/// What has to be paid, in integers.
struct Spend<'a> {
    network: BitcoinNetwork,
    payments: &'a [Payment],
    change: &'a Address,
    /// Least change worth an output, base units.
    change_limit: u64,
    change_weight: u64,
    rate: u64,
    /// Sum of the payments, base units.
    payouts: u64,
    payments_weight: u64,
}

/// A coin and its value in base units.
type Valued<'a> = (u64, &'a Coin);

impl<'a> Spend<'a> {
    fn new(
        network: BitcoinNetwork,
        payments: &'a [Payment],
        change: &'a Address,
        rate: u64,
    ) -> Result<Self, SelectError> {
        let params = network.params();
        let (least, most) = (params.min_relay_fee, MAX_FEE_RATE);
        if !(least..=most).contains(&rate) {
            return Err(SelectError::FeeRate {
                sat_per_kvb: rate,
                least,
                most,
            });
        }
        if payments.is_empty() {
            return Err(PlanFault::Empty("payments").into());
        }
        let mut payments_weight: u64 = 0;
        for payment in payments {
            check_dust(network, payment)?;
            let weight = txout(network, payment)?.weight().to_wu();
            payments_weight = payments_weight.saturating_add(weight);
        }
        let payouts = Amount::sum(params.asset, payments.iter().map(|p| &p.amount))?;
        let nothing = Payment {
            to: change.clone(),
            amount: Amount::zero(params.asset),
        };
        let change_output = txout(network, &nothing)?;
        let spend = Spend {
            network,
            payments,
            change,
            change_limit: network.dust_limit(&change_output.script_pubkey),
            change_weight: change_output.weight().to_wu(),
            rate,
            payouts: units(network, &payouts)?,
            payments_weight,
        };
        let weight = spend.weight(MAX_INPUTS, true);
        if weight > MAX_WEIGHT {
            return Err(SelectError::TooHeavy {
                weight,
                limit: MAX_WEIGHT,
            });
        }
        Ok(spend)
    }

    /// Weight of the signed transaction at worst. Saturates, which no weight limit lets through.
    fn weight(&self, inputs: usize, with_change: bool) -> u64 {
        let outputs = self.payments.len().saturating_add(usize::from(with_change));
        let counts = VarInt::from(inputs)
            .size()
            .saturating_add(VarInt::from(outputs).size());
        let inputs_weight = u64::try_from(inputs)
            .unwrap_or(u64::MAX)
            .saturating_mul(INPUT_BASE_WEIGHT.saturating_add(WITNESS_WEIGHT));
        let change_weight = if with_change { self.change_weight } else { 0 };
        FIXED_WEIGHT
            .saturating_add(u64::try_from(counts).unwrap_or(u64::MAX).saturating_mul(4))
            .saturating_add(inputs_weight)
            .saturating_add(self.payments_weight)
            .saturating_add(change_weight)
    }

    /// The fee at the wanted rate for the worst size, rounded up twice: to a virtual byte, to a base unit.
    fn fee(&self, inputs: usize, with_change: bool) -> u64 {
        self.fee_of(self.weight(inputs, with_change))
    }

    fn fee_of(&self, weight: u64) -> u64 {
        weight.div_ceil(4).saturating_mul(self.rate).div_ceil(1_000)
    }

    /// The coins worth more than what spending them costs, largest first.
    fn worthwhile<'c>(&self, coins: &'c [Coin]) -> Result<Vec<Valued<'c>>, SelectError> {
        let cost = self.fee_of(INPUT_BASE_WEIGHT.saturating_add(WITNESS_WEIGHT));
        let mut seen = BTreeSet::new();
        let mut valued = Vec::with_capacity(coins.len());
        for coin in coins {
            if !seen.insert(coin.outpoint) {
                return Err(PlanFault::DuplicateInput(coin.outpoint).into());
            }
            let value = units(self.network, &coin.amount)?;
            if value > cost {
                valued.push((value, coin));
            }
        }
        valued.sort_by_key(|(value, coin)| (Reverse(*value), bip69_key(&coin.outpoint)));
        Ok(valued)
    }

    /// Can any set of coins do? The largest ones can if any can.
    fn check_funds(&self, coins: &[Valued<'_>]) -> Result<(), SelectError> {
        match self.largest_first(coins) {
            Some(_) => Ok(()),
            None => Err(self.insufficient(coins)?),
        }
    }

    fn insufficient(&self, coins: &[Valued<'_>]) -> Result<SelectError, SelectError> {
        let asset = self.network.params().asset;
        let amount = |units: u64| Amount::from_u64(asset, units);
        let needed_for = |inputs: usize| self.payouts.saturating_add(self.fee(inputs, false));
        let available = total(coins);
        let needed = needed_for(coins.len().clamp(1, MAX_INPUTS));
        if coins.len() > MAX_INPUTS && available >= needed {
            let available = amount(total(coins.iter().take(MAX_INPUTS)))?;
            return Ok(SelectError::TooManyInputs {
                limit: MAX_INPUTS,
                available,
                needed: amount(needed)?,
            });
        }
        Ok(SelectError::InsufficientFunds {
            available: amount(available)?,
            needed: amount(needed)?,
        })
    }

    /// The fewest of the largest coins that pay for everything.
    fn largest_first<'c>(&self, coins: &[Valued<'c>]) -> Option<Vec<Valued<'c>>> {
        (1..=coins.len().min(MAX_INPUTS))
            .filter_map(|count| coins.get(..count))
            .find(|chosen| self.suffices(chosen))
            .map(<[_]>::to_vec)
    }

    fn suffices(&self, chosen: &[Valued<'_>]) -> bool {
        total(chosen) >= self.payouts.saturating_add(self.fee(chosen.len(), false))
    }

    /// What the branch-and-bound search finds cheapest, if the integers agree that it pays.
    fn propose<'c>(&self, coins: &[Valued<'c>]) -> Option<Vec<Valued<'c>>> {
        let coins = coins.get(..coins.len().min(MAX_CANDIDATES))?;
        let candidates: Vec<_> = coins
            .iter()
            .map(|(value, _)| Candidate {
                value: *value,
                weight: INPUT_BASE_WEIGHT.saturating_add(WITNESS_WEIGHT),
                input_count: 1,
                is_segwit: true,
            })
            .collect();
        let rate = proposal_rate(self.rate);
        let target = Target {
            fee: TargetFee::from_feerate(rate),
            outputs: TargetOutputs {
                value_sum: self.payouts,
                weight_sum: self.payments_weight,
                n_outputs: self.payments.len(),
            },
        };
        let change = DrainWeights {
            output_weight: self.change_weight,
            spend_weight: INPUT_BASE_WEIGHT.saturating_add(WITNESS_WEIGHT),
            n_outputs: 1,
        };
        let change_policy = ChangePolicy::min_value(change, self.change_limit);
        let metric = LowestFee {
            target,
            long_term_feerate: rate,
            change_policy,
        };
        let mut selector = CoinSelector::new(&candidates);
        selector.run_bnb(metric, MAX_ROUNDS).ok()?;
        let chosen: Vec<_> = selector
            .selected_indices()
            .iter()
            .filter_map(|index| coins.get(*index).copied())
            .collect();
        (chosen.len() <= MAX_INPUTS && self.suffices(&chosen)).then_some(chosen)
    }

    /// The plan over the chosen coins; what is left beyond the fee is change, or fee if it would be dust.
    fn plan(&self, chosen: &[Valued<'_>]) -> Result<BitcoinPlan, SelectError> {
        let asset = self.network.params().asset;
        let left = total(chosen).saturating_sub(self.payouts);
        let fee_with_change = self.fee(chosen.len(), true);
        let change_value = left
            .checked_sub(fee_with_change)
            .filter(|value| *value >= self.change_limit);
        let (change, fee) = match change_value {
            Some(value) => {
                let amount = Amount::from_u64(asset, value)?;
                (
                    Some(Payment {
                        to: self.change.clone(),
                        amount,
                    }),
                    fee_with_change,
                )
            }
            None => (None, left),
        };
        let mut inputs: Vec<_> = chosen.iter().map(|(_, coin)| (*coin).clone()).collect();
        inputs.sort_by_key(|coin| bip69_key(&coin.outpoint));
        Ok(BitcoinPlan {
            network: self.network,
            inputs,
            payments: self.payments.to_vec(),
            change,
            fee: Amount::from_u64(asset, fee)?,
            lock_time: 0,
        })
    }
}

fn total<'a, 'c: 'a>(coins: impl IntoIterator<Item = &'a Valued<'c>>) -> u64 {
    coins
        .into_iter()
        .fold(0, |sum, (value, _)| sum.saturating_add(*value))
}

/// The fee rate in the form that `bdk_coin_select` takes. Its rounding decides at most which coins
/// are proposed: [`Spend`] computes every amount in integers.
#[allow(clippy::float_arithmetic, clippy::cast_precision_loss)]
fn proposal_rate(sat_per_kvb: u64) -> FeeRate {
    FeeRate::from_sat_per_vb(sat_per_kvb as f32 / 1_000.0)
}

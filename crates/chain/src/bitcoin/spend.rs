//! What a selection of coins has to pay, in integers. `bdk_coin_select` proposes; everything it
//! proposes is recomputed here, because its fee rates are f32 and a fee must not depend on rounding.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use ::bitcoin::VarInt;
use bdk_coin_select::metrics::LowestFee;
use bdk_coin_select::{
    Candidate, ChangePolicy, CoinSelector, DrainWeights, FeeRate, Target, TargetFee, TargetOutputs,
};

use super::params::BitcoinNetwork;
use super::plan::{BitcoinPlan, bip69_key, check_dust, txout, units};
use super::select::{MAX_INPUTS, SelectError};
use crate::address::Address;
use crate::amount::Amount;
use crate::effects::{Coin, Payment};
use crate::plan::PlanFault;

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

/// What has to be paid, in integers.
pub(super) struct Spend<'a> {
    network: BitcoinNetwork,
    payments: &'a [Payment],
    change: &'a Address,
    /// Least change worth an output, base units.
    change_limit: u64,
    change_weight: u64,
    rate: u64,
    /// Sum of the payments, base units.
    pub(super) payouts: u64,
    payments_weight: u64,
}

/// A coin and its value in base units.
pub(super) type Valued<'a> = (u64, &'a Coin);

impl<'a> Spend<'a> {
    pub(super) fn new(
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
    pub(super) fn worthwhile<'c>(&self, coins: &'c [Coin]) -> Result<Vec<Valued<'c>>, SelectError> {
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

    /// Why not even the largest coins do; so no set of coins does.
    pub(super) fn insufficient(&self, coins: &[Valued<'_>]) -> Result<SelectError, SelectError> {
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
    pub(super) fn largest_first<'c>(&self, coins: &[Valued<'c>]) -> Option<Vec<Valued<'c>>> {
        (1..=coins.len().min(MAX_INPUTS))
            .filter_map(|count| coins.get(..count))
            .find(|chosen| self.suffices(chosen))
            .map(<[_]>::to_vec)
    }

    fn suffices(&self, chosen: &[Valued<'_>]) -> bool {
        total(chosen) >= self.payouts.saturating_add(self.fee(chosen.len(), false))
    }

    /// What the branch-and-bound search finds cheapest, if the integers agree that it pays.
    pub(super) fn propose<'c>(&self, coins: &[Valued<'c>]) -> Option<Vec<Valued<'c>>> {
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
    pub(super) fn plan(&self, chosen: &[Valued<'_>]) -> Result<BitcoinPlan, SelectError> {
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

//! Choosing the coins that pay, and why none could be chosen.

use thiserror::Error;

use super::params::BitcoinNetwork;
use super::plan::BitcoinPlan;
use super::spend::Spend;
use crate::address::Address;
use crate::amount::{Amount, AmountError};
use crate::effects::{Coin, Payment};
use crate::fee::{FeeAboveCap, FeeCaps};
use crate::plan::PlanFault;

/// Most inputs of one transaction. 200 P2WPKH inputs are 13,600 virtual bytes, far inside the
/// 100,000 that nodes relay, and 200 HSM signatures.
pub const MAX_INPUTS: usize = 200;

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
        let Some(largest) = spend.largest_first(&coins) else {
            return Err(spend.insufficient(&coins)?);
        };
        let chosen = spend.propose(&coins).unwrap_or(largest);
        let plan = spend.plan(&chosen)?;
        let payouts = Amount::from_u64(network.params().asset, spend.payouts)?;
        caps.check(plan.fee, payouts)?;
        plan.check()?;
        Ok(plan)
    }
}

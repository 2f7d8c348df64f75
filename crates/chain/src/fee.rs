//! Fee quotes from a node, and the caps that every plan's fee must keep.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::amount::{Amount, AmountError};
use crate::text::decimal_u128;

/// Basis points in the whole.
const WHOLE_BP: u16 = 10_000;

/// What a node says fees cost now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FeeQuote {
    /// Bitcoin family.
    Bitcoin {
        /// Satoshis (litoshis) per 1,000 virtual bytes.
        sat_per_kvb: u64,
    },
    /// EIP-1559.
    Evm {
        /// Base fee of the next block, wei per gas.
        #[serde(with = "decimal_u128")]
        base_fee_per_gas: u128,
        /// Tip, wei per gas.
        #[serde(with = "decimal_u128")]
        priority_fee_per_gas: u128,
    },
}

/// The most a transaction may pay in fees. Both caps must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeCaps {
    /// In the network's asset.
    pub absolute: Amount,
    /// Relative to the sum of the payouts, in basis points (hundredths of a percent).
    pub relative_bp: u32,
}

/// A fee that a cap refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FeeAboveCap {
    /// Above the absolute cap.
    #[error("the fee {fee} is above the cap of {cap}")]
    Absolute {
        /// The fee.
        fee: Amount,
        /// The cap.
        cap: Amount,
    },
    /// Above the relative cap.
    #[error("the fee {fee} is more than {cap_bp} basis points of the {payouts} it pays out")]
    Relative {
        /// The fee.
        fee: Amount,
        /// The cap, in basis points.
        cap_bp: u32,
        /// Sum of the payouts.
        payouts: Amount,
    },
    /// The cap is in another asset, or the sum cannot exist.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

impl FeeCaps {
    /// Does `fee` keep both caps for a transaction that pays out `payouts` in sum?
    ///
    /// # Errors
    /// [`FeeAboveCap`], with the numbers.
    pub fn check(&self, fee: Amount, payouts: Amount) -> Result<(), FeeAboveCap> {
        if fee.cmp_same(&self.absolute)?.is_gt() {
            return Err(FeeAboveCap::Absolute {
                fee,
                cap: self.absolute,
            });
        }
        fee.cmp_same(&payouts)?;
        let exceeded = FeeAboveCap::Relative {
            fee,
            cap_bp: self.relative_bp,
            payouts,
        };
        // Both products stay below 2^160: amounts are below 2^127.
        let (Some(fee_scaled), Some(allowed)) = (
            fee.units().checked_mul(U256::from(WHOLE_BP)),
            payouts.units().checked_mul(U256::from(self.relative_bp)),
        ) else {
            return Err(exceeded);
        };
        if fee_scaled > allowed {
            Err(exceeded)
        } else {
            Ok(())
        }
    }
}

//! What a Bitcoin-family transaction costs now.

use custodyd_chain::FeeQuote;
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::CoreNode;
use crate::nodes::{
    FeeBounds, NodeError,
    decimal::satoshis,
    rpc::{Call, malformed},
};

/// Fee rates are in coins per 1,000 virtual bytes. Without data, as always on regtest, there is none.
#[derive(Deserialize)]
struct Estimate {
    feerate: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Mempool {
    mempoolminfee: Box<RawValue>,
}

impl CoreNode {
    /// The node's estimate for the configured number of blocks, or the configured fallback; not below what its mempool takes now,
    /// and within the configured bounds: an estimate above the maximum becomes the maximum, since a fee is only a bid.
    ///
    /// # Errors
    /// [`NodeError::NoFeeEstimate`]; [`NodeError::FeeAboveMaximum`] if not even the maximum enters the mempool.
    pub async fn fee_quote(&self) -> Result<FeeQuote, NodeError> {
        let calls = [
            Call::new(
                "estimatesmartfee",
                json!([self.fee.target_blocks, "CONSERVATIVE"]),
            ),
            Call::new("getmempoolinfo", json!([])),
        ];
        let replies = self.node.batch(&calls).await?;
        let [estimate, mempool] = replies.as_slice() else {
            return Err(malformed("estimatesmartfee", "not two answers".to_owned()));
        };
        let estimate: Estimate = estimate.read()?;
        let estimate = estimate
            .feerate
            .map(|rate| fee_rate("estimatesmartfee", &rate))
            .transpose()?;
        let floor = fee_rate("getmempoolinfo", &mempool.read::<Mempool>()?.mempoolminfee)?;
        self.bid(estimate, floor)
            .map(|sat_per_kvb| FeeQuote::Bitcoin { sat_per_kvb })
    }

    fn bid(&self, estimate: Option<u64>, floor: u64) -> Result<u64, NodeError> {
        let FeeBounds {
            min, max, fallback, ..
        } = self.fee;
        let network = self.network();
        if floor > max {
            return Err(NodeError::FeeAboveMaximum {
                network,
                needed: floor.into(),
                max,
            });
        }
        let wanted = estimate
            .or(fallback)
            .ok_or(NodeError::NoFeeEstimate { network })?;
        Ok(wanted.max(floor).clamp(min, max))
    }
}

fn fee_rate(method: &'static str, rate: &RawValue) -> Result<u64, NodeError> {
    satoshis(rate.get()).ok_or_else(|| malformed(method, format!("{} is no fee rate", rate.get())))
}

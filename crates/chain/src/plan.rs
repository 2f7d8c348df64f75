//! A plan says what is going to be signed. It gives the digests to sign, checks itself against what
//! was approved, and is the only way to a [`RawTransaction`]: signatures are verified, the bytes are
//! read back by code that had no part in building them, and both must agree.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::address::Address;
use crate::amount::{Amount, AmountError};
use crate::bitcoin::plan::BitcoinPlan;
use crate::decode::{DecodeError, signature_points};
use crate::effects::{Effects, Payment};
use crate::evm::plan::EvmPlan;
use crate::fee::{FeeAboveCap, FeeCaps};
use crate::keys::{Digest, PublicKey};
use crate::network::Network;
use crate::raw::RawTransaction;
use crate::signature::{Signature, SignatureError};
use crate::signature_point::SignaturePoint;

/// One signature that a plan needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigningRequest {
    /// The key that must sign.
    pub public_key: PublicKey,
    /// What it signs.
    pub digest: Digest,
}

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanFault {
    /// It spends nothing or pays nobody.
    #[error("the plan has no {0}")]
    Empty(&'static str),
    /// It does not pay exactly what was approved.
    #[error("the plan pays {} outputs that are not exactly the {} approved payments", planned.len(), approved.len())]
    Payments {
        /// What it pays.
        planned: Vec<Payment>,
        /// What was approved.
        approved: Vec<Payment>,
    },
    /// Change to an address that is not one of ours.
    #[error("change goes to {0}, which is not ours")]
    ForeignChange(Address),
    /// An address or amount of another network.
    #[error("{what} is not of {network}")]
    Network {
        /// What is misplaced.
        what: String,
        /// The plan's network.
        network: Network,
    },
    /// An outpoint that occurs twice.
    #[error("the input {0} occurs twice")]
    DuplicateInput(::bitcoin::OutPoint),
    /// Inputs ≠ outputs + fee.
    #[error("inputs of {inputs} are not the {spent} that outputs and fee come to")]
    NotConserved {
        /// Sum of the inputs.
        inputs: Amount,
        /// Sum of the outputs and the stated fee.
        spent: Amount,
    },
    /// An output that nodes would not relay, or that pays nothing.
    #[error("an output of {} to {} is below the dust limit of {limit}", payment.amount, payment.to)]
    Dust {
        /// The output.
        payment: Box<Payment>,
        /// The least that is relayed.
        limit: Amount,
    },
    /// The fee is above a cap.
    #[error(transparent)]
    Fee(#[from] FeeAboveCap),
    /// A fee that EIP-1559 does not allow.
    #[error("the priority fee of {priority} wei per gas is above the maximum fee of {maximum}")]
    PriorityFee {
        /// Wei per gas.
        priority: u128,
        /// Wei per gas.
        maximum: u128,
    },
    /// Fees of which the product or sum leaves 128 bits.
    #[error("a base fee of {base_fee} and a priority fee of {priority_fee} wei per gas cannot be")]
    FeeQuote {
        /// Wei per gas.
        base_fee: u128,
        /// Wei per gas.
        priority_fee: u128,
    },
    /// Not the cost of a plain transfer.
    #[error("a plain transfer takes 21000 gas, not {0}")]
    GasLimit(u64),
    /// The last nonce can never be used (EIP-2681).
    #[error("nonce {0} is above the highest usable one")]
    Nonce(u64),
    /// A sum that cannot exist.
    #[error(transparent)]
    Amount(#[from] AmountError),
}

/// Why signatures and a plan did not become a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssembleError {
    /// The plan itself is wrong.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// One signature for each request, in their order.
    #[error("the plan needs {expected} signatures, not {given}")]
    SignatureCount {
        /// Needed.
        expected: usize,
        /// Given.
        given: usize,
    },
    /// A signature that does not verify.
    #[error("signature {index}: {source}")]
    Signature {
        /// Its place.
        index: usize,
        /// Why.
        source: SignatureError,
    },
    /// The independent decoder refused the bytes.
    #[error("the decoder refused the transaction: {0}")]
    Decode(#[from] DecodeError),
    /// The bytes do something else.
    #[error(
        "the transaction does not do what was planned: planned {planned:?}, decoded {decoded:?}"
    )]
    EffectsDiffer {
        /// What the plan states.
        planned: Box<Effects>,
        /// What the bytes do.
        decoded: Box<Effects>,
    },
    /// Same effects, other bytes under the signature: lock time, gas limit or tip.
    #[error("the transaction's {0} is not the plan's")]
    Differs(&'static str),
    /// Consensus code refuses an input.
    #[error("input {input} fails consensus verification: {reason}")]
    Consensus {
        /// Its place.
        input: usize,
        /// What libbitcoinconsensus says.
        reason: String,
    },
}

/// What is going to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plan {
    /// Bitcoin or Litecoin.
    Bitcoin(BitcoinPlan),
    /// An EVM chain.
    Evm(EvmPlan),
}

impl Plan {
    /// The network.
    #[must_use]
    pub fn network(&self) -> Network {
        match self {
            Plan::Bitcoin(plan) => plan.network.into(),
            Plan::Evm(plan) => plan.chain_id.into(),
        }
    }

    /// The payouts, without change.
    #[must_use]
    pub fn payments(&self) -> Vec<Payment> {
        match self {
            Plan::Bitcoin(plan) => plan.payments.clone(),
            Plan::Evm(plan) => vec![plan.payment.clone()],
        }
    }

    /// The fee; for EVM the most that can be charged.
    #[must_use]
    pub fn fee(&self) -> Amount {
        match self {
            Plan::Bitcoin(plan) => plan.fee,
            Plan::Evm(plan) => plan.max_fee(),
        }
    }

    /// What the transaction will do.
    #[must_use]
    pub fn effects(&self) -> Effects {
        match self {
            Plan::Bitcoin(plan) => plan.effects(),
            Plan::Evm(plan) => plan.effects(),
        }
    }

    /// The digests to sign, in the order in which [`Plan::assemble`] wants the signatures.
    ///
    /// # Errors
    /// [`PlanFault`] if the plan cannot be a transaction of its network.
    pub fn signing_requests(&self) -> Result<Vec<SigningRequest>, PlanFault> {
        match self {
            Plan::Bitcoin(plan) => plan.signing_requests(),
            Plan::Evm(plan) => Ok(vec![plan.signing_request()?]),
        }
    }

    /// The keys that must sign, each once.
    #[must_use]
    pub fn signers(&self) -> BTreeSet<PublicKey> {
        match self {
            Plan::Bitcoin(plan) => plan.inputs.iter().map(|coin| coin.public_key).collect(),
            Plan::Evm(plan) => BTreeSet::from([plan.from]),
        }
    }

    /// The signatures in a transaction of this plan, read from its bytes by code that had no part in building them.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not a signed transaction that spends this plan's coins.
    pub fn signature_points(
        &self,
        raw: &RawTransaction,
    ) -> Result<Vec<SignaturePoint>, DecodeError> {
        let coins = match self {
            Plan::Bitcoin(plan) => plan.inputs.as_slice(),
            Plan::Evm(_) => &[],
        };
        signature_points(self.network(), raw.bytes(), coins)
    }

    /// Signatures and plan to a verified transaction.
    ///
    /// # Errors
    /// [`AssembleError`]: nothing that fails any check comes out.
    pub fn assemble(&self, signatures: &[Signature]) -> Result<RawTransaction, AssembleError> {
        match self {
            Plan::Bitcoin(plan) => plan.assemble(signatures),
            Plan::Evm(plan) => plan.assemble(signatures),
        }
    }

    /// A transaction that someone else assembled (an air-gapped signer), put to the same checks.
    ///
    /// # Errors
    /// [`AssembleError`] unless the bytes are exactly this plan, validly signed.
    pub fn accept(&self, raw: &[u8]) -> Result<RawTransaction, AssembleError> {
        match self {
            Plan::Bitcoin(plan) => plan.accept(raw),
            Plan::Evm(plan) => plan.accept(raw),
        }
    }

    /// Does the plan pay exactly `payments`, with at most one change output to one of `own`, a fee
    /// within `caps`, no dust, no input twice, and nothing lost between inputs and outputs?
    ///
    /// # Errors
    /// The first [`PlanFault`] found.
    pub fn check(
        &self,
        payments: &[Payment],
        own: &[Address],
        caps: &FeeCaps,
    ) -> Result<(), PlanFault> {
        let planned = self.payments();
        if !same_payments(&planned, payments) {
            return Err(PlanFault::Payments {
                planned,
                approved: payments.to_vec(),
            });
        }
        match self {
            Plan::Bitcoin(plan) => {
                plan.check()?;
                if let Some(change) = plan
                    .change
                    .as_ref()
                    .filter(|change| !own.contains(&change.to))
                {
                    return Err(PlanFault::ForeignChange(change.to.clone()));
                }
            }
            Plan::Evm(plan) => plan.check()?,
        }
        let payouts = Amount::sum(self.network().asset(), planned.iter().map(|p| &p.amount))?;
        caps.check(self.fee(), payouts)?;
        Ok(())
    }
}

/// Equal as multisets: the same payment may be due twice.
fn same_payments(left: &[Payment], right: &[Payment]) -> bool {
    let sorted = |payments: &[Payment]| {
        let mut keys: Vec<_> = payments
            .iter()
            .map(|p| (p.to.clone(), p.amount.asset(), p.amount.units()))
            .collect();
        keys.sort();
        keys
    };
    left.len() == right.len() && sorted(left) == sorted(right)
}

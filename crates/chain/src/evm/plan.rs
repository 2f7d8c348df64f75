//! An EVM plan: a native transfer by an EIP-1559 transaction, built with alloy.

use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Bytes, Signature as AlloySignature, TxKind, U256};
use serde::{Deserialize, Serialize};

use super::decode;
use crate::address::Address;
use crate::amount::Amount;
use crate::asset::Asset;
use crate::decode::DecodeError;
use crate::effects::{Effects, Payment};
use crate::fee::FeeCaps;
use crate::keys::{Digest, PublicKey};
use crate::network::{EvmChainId, Network};
use crate::plan::{AssembleError, PlanFault, SigningRequest};
use crate::raw::{RawTransaction, evm_txid};
use crate::signature::{Signature, SignatureError};
use crate::text::decimal_u128;

/// Gas of a transfer that runs no code (yellow paper, G_transaction).
pub const TRANSFER_GAS: u64 = 21_000;

/// A native transfer that is going to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvmPlan {
    /// The chain.
    pub chain_id: EvmChainId,
    /// The paying key.
    pub from: PublicKey,
    /// Its account's nonce.
    pub nonce: u64,
    /// Whom it pays.
    pub payment: Payment,
    /// Gas; a plain transfer takes [`TRANSFER_GAS`].
    pub gas_limit: u64,
    /// Most that is paid per gas, wei.
    #[serde(with = "decimal_u128")]
    pub max_fee_per_gas: u128,
    /// Most that the block's proposer gets of it, wei.
    #[serde(with = "decimal_u128")]
    pub max_priority_fee_per_gas: u128,
}

impl EvmPlan {
    /// A plan whose maximum fee is twice the base fee and the tip: base fees rise by at most an
    /// eighth a block (EIP-1559), so it stays includable through six full blocks.
    ///
    /// # Errors
    /// [`PlanFault`], notably [`PlanFault::Fee`] if the most that can be charged is above a cap.
    pub fn new(
        chain_id: EvmChainId,
        from: PublicKey,
        nonce: u64,
        payment: Payment,
        base_fee_per_gas: u128,
        priority_fee_per_gas: u128,
        caps: &FeeCaps,
    ) -> Result<Self, PlanFault> {
        let max_fee_per_gas = base_fee_per_gas
            .checked_mul(2)
            .and_then(|fee| fee.checked_add(priority_fee_per_gas))
            .ok_or(PlanFault::FeeQuote {
                base_fee: base_fee_per_gas,
                priority_fee: priority_fee_per_gas,
            })?;
        let plan = EvmPlan {
            chain_id,
            from,
            nonce,
            payment,
            gas_limit: TRANSFER_GAS,
            max_fee_per_gas,
            max_priority_fee_per_gas: priority_fee_per_gas,
        };
        plan.check()?;
        caps.check(plan.max_fee(), plan.payment.amount)?;
        Ok(plan)
    }

    /// The paying account.
    #[must_use]
    pub fn account(&self) -> Address {
        Address::from_public_key(self.chain_id.into(), &self.from)
    }

    /// The most that can be charged: gas limit × maximum fee per gas, saturating at the cap of the
    /// asset, which no fee cap lets through and [`EvmPlan::check`] refuses.
    pub(crate) fn max_fee(&self) -> Amount {
        U256::from(self.gas_limit)
            .checked_mul(U256::from(self.max_fee_per_gas))
            .and_then(|fee| Amount::from_units(Asset::Eth, fee).ok())
            .unwrap_or_else(|| {
                Amount::from_units(Asset::Eth, Asset::Eth.cap()).expect("the cap is within the cap")
            })
    }

    /// What the transaction will do.
    pub(crate) fn effects(&self) -> Effects {
        Effects {
            network: self.chain_id.into(),
            payments: vec![self.payment.clone()],
            inputs: Vec::new(),
            fee: self.max_fee(),
            account: Some(self.account()),
            nonce: Some(self.nonce),
        }
    }

    /// The unsigned file form: `0x02 ‖ rlp` of nine fields, the bytes whose keccak256 is signed.
    ///
    /// # Errors
    /// [`PlanFault::Network`] if the payment is not of this chain.
    pub fn unsigned_bytes(&self) -> Result<Vec<u8>, PlanFault> {
        Ok(self.unsigned()?.encoded_for_signing())
    }

    pub(crate) fn signing_request(&self) -> Result<SigningRequest, PlanFault> {
        let digest = Digest::from_bytes(self.unsigned()?.signature_hash().0);
        Ok(SigningRequest {
            public_key: self.from,
            digest,
        })
    }

    /// Is the plan sound in itself?
    pub(crate) fn check(&self) -> Result<(), PlanFault> {
        self.unsigned()?;
        if self.payment.amount.is_zero() {
            let limit = Amount::from_u64(Asset::Eth, 1)?;
            let payment = Box::new(self.payment.clone());
            return Err(PlanFault::Dust { payment, limit });
        }
        if self.gas_limit != TRANSFER_GAS {
            return Err(PlanFault::GasLimit(self.gas_limit));
        }
        if self.nonce == u64::MAX {
            return Err(PlanFault::Nonce(self.nonce));
        }
        if self.max_priority_fee_per_gas > self.max_fee_per_gas {
            let (priority, maximum) = (self.max_priority_fee_per_gas, self.max_fee_per_gas);
            return Err(PlanFault::PriorityFee { priority, maximum });
        }
        Ok(())
    }

    /// Signature to a verified transaction.
    ///
    /// The parity of R is found by trying: each candidate goes through the whole independent
    /// decoding, which recovers the account from the bytes, so one recovery is both the search
    /// and the proof of the signature.
    pub(crate) fn assemble(
        &self,
        signatures: &[Signature],
    ) -> Result<RawTransaction, AssembleError> {
        let [signature] = signatures else {
            return Err(AssembleError::SignatureCount {
                expected: 1,
                given: signatures.len(),
            });
        };
        let unsigned = self.unsigned()?;
        for odd in [false, true] {
            let signed = unsigned
                .clone()
                .into_signed(AlloySignature::from_bytes_and_parity(
                    &signature.to_bytes(),
                    odd,
                ));
            let mut raw = Vec::with_capacity(signed.eip2718_encoded_length());
            signed.eip2718_encode(&mut raw);
            match self.accept(&raw) {
                Err(
                    AssembleError::Signature { .. }
                    | AssembleError::Decode(DecodeError::Unrecoverable),
                ) => {}
                outcome => return outcome,
            }
        }
        Err(self.not_ours())
    }

    /// Raw bytes that claim to be this plan, signed.
    pub(crate) fn accept(&self, raw: &[u8]) -> Result<RawTransaction, AssembleError> {
        let planned = self.effects();
        let decoded = decode::signed(self.chain_id, raw)?;
        if decoded.effects.account != planned.account {
            return Err(self.not_ours());
        }
        if decoded.effects != planned {
            let (planned, decoded) = (Box::new(planned), Box::new(decoded.effects));
            return Err(AssembleError::EffectsDiffer { planned, decoded });
        }
        if decoded.digest != self.signing_request()?.digest {
            return Err(AssembleError::Differs("gas limit or fee per gas"));
        }
        Ok(RawTransaction::verified(
            self.chain_id.into(),
            evm_txid(raw),
            raw.to_vec(),
        ))
    }

    fn not_ours(&self) -> AssembleError {
        match self.signing_request() {
            Ok(SigningRequest {
                public_key: key,
                digest,
            }) => AssembleError::Signature {
                index: 0,
                source: SignatureError::Invalid { key, digest },
            },
            Err(fault) => fault.into(),
        }
    }

    fn unsigned(&self) -> Result<TxEip1559, PlanFault> {
        let network = Network::Evm(self.chain_id);
        let misplaced = |what: String| PlanFault::Network { what, network };
        let Payment { to, amount } = &self.payment;
        let account = to
            .evm()
            .filter(|_| to.network() == network)
            .ok_or_else(|| misplaced(to.to_string()))?;
        if amount.asset() != Asset::Eth {
            return Err(misplaced(amount.to_string()));
        }
        Ok(TxEip1559 {
            chain_id: self.chain_id.get(),
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: self.max_fee_per_gas,
            max_priority_fee_per_gas: self.max_priority_fee_per_gas,
            to: TxKind::Call(account.into()),
            value: amount.units(),
            access_list: AccessList::default(),
            input: Bytes::new(),
        })
    }
}

//! A Bitcoin-family plan: P2WPKH inputs, payments, at most one change output. Version 2, every
//! input replaceable (BIP-125), inputs and outputs in BIP-69 order, SIGHASH_ALL only (BIP-143).

use std::collections::BTreeSet;

use ::bitcoin::absolute::LockTime;
use ::bitcoin::consensus::encode::serialize;
use ::bitcoin::hashes::Hash;
use ::bitcoin::sighash::SighashCache;
use ::bitcoin::transaction::Version;
use ::bitcoin::{
    EcdsaSighashType, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness,
};
use serde::{Deserialize, Serialize};

use super::params::BitcoinNetwork;
use super::{consensus, decode};
use crate::amount::Amount;
use crate::effects::{Coin, Effects, Payment};
use crate::keys::Digest;
use crate::network::Network;
use crate::plan::{AssembleError, PlanFault, SigningRequest};
use crate::raw::RawTransaction;
use crate::signature::Signature;

/// Signals replaceability and leaves relative lock times off (BIP-125, BIP-68).
pub(crate) const SEQUENCE: u32 = 0xffff_fffd;

/// A transaction of the Bitcoin family that is going to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BitcoinPlan {
    /// The network.
    pub network: BitcoinNetwork,
    /// The coins it spends, in the transaction's order.
    pub inputs: Vec<Coin>,
    /// The payouts, in no particular order.
    pub payments: Vec<Payment>,
    /// What comes back to us.
    pub change: Option<Payment>,
    /// Inputs less outputs.
    pub fee: Amount,
    /// nLockTime: 0, or a block height before which the transaction is not final.
    pub lock_time: u32,
}

impl BitcoinPlan {
    /// All outputs in the transaction's order: by amount, then by script (BIP-69).
    #[must_use]
    pub fn outputs(&self) -> Vec<&Payment> {
        let mut outputs: Vec<_> = self.payments.iter().chain(&self.change).collect();
        outputs.sort_by_cached_key(|output| (output.amount.units(), output.to.script_pubkey()));
        outputs
    }

    /// What the transaction will do.
    #[must_use]
    pub fn effects(&self) -> Effects {
        Effects {
            network: self.network.into(),
            payments: self.outputs().into_iter().cloned().collect(),
            inputs: self.inputs.iter().map(|coin| coin.outpoint).collect(),
            fee: self.fee,
            account: None,
            nonce: None,
        }
    }

    /// The transaction without signatures.
    ///
    /// # Errors
    /// [`PlanFault::Network`] if an output is not of the plan's network.
    pub fn unsigned_tx(&self) -> Result<Transaction, PlanFault> {
        let input = self
            .inputs
            .iter()
            .map(|coin| TxIn {
                previous_output: coin.outpoint,
                script_sig: ScriptBuf::new(),
                sequence: Sequence(SEQUENCE),
                witness: Witness::new(),
            })
            .collect();
        let output = self
            .outputs()
            .into_iter()
            .map(|payment| txout(self.network, payment))
            .collect::<Result<_, PlanFault>>()?;
        let lock_time = LockTime::from_consensus(self.lock_time);
        Ok(Transaction {
            version: Version::TWO,
            lock_time,
            input,
            output,
        })
    }

    /// The digests to sign, one for each input.
    pub(crate) fn signing_requests(&self) -> Result<Vec<SigningRequest>, PlanFault> {
        self.requests_for(&self.unsigned_tx()?)
    }

    fn requests_for(&self, tx: &Transaction) -> Result<Vec<SigningRequest>, PlanFault> {
        let mut cache = SighashCache::new(tx);
        self.inputs
            .iter()
            .enumerate()
            .map(|(index, coin)| {
                let digest =
                    p2wpkh_digest(&mut cache, index, coin, units(self.network, &coin.amount)?);
                Ok(SigningRequest {
                    public_key: coin.public_key,
                    digest,
                })
            })
            .collect()
    }

    /// Signatures to a verified transaction.
    pub(crate) fn assemble(
        &self,
        signatures: &[Signature],
    ) -> Result<RawTransaction, AssembleError> {
        let mut tx = self.unsigned_tx()?;
        let requests = self.requests_for(&tx)?;
        if requests.len() != signatures.len() {
            let (expected, given) = (requests.len(), signatures.len());
            return Err(AssembleError::SignatureCount { expected, given });
        }
        let signed = tx.input.iter_mut().zip(requests.iter().zip(signatures));
        for (index, (input, (request, signature))) in signed.enumerate() {
            signature
                .verify(&request.public_key, &request.digest)
                .map_err(|source| AssembleError::Signature { index, source })?;
            let mut der = signature.to_der();
            der.push(EcdsaSighashType::All as u8);
            input.witness = Witness::from_slice(&[der.as_slice(), &request.public_key.to_bytes()]);
        }
        self.accept(&serialize(&tx))
    }

    /// Raw bytes that claim to be this plan, signed.
    pub(crate) fn accept(&self, raw: &[u8]) -> Result<RawTransaction, AssembleError> {
        let decoded = decode::signed(self.network, raw, &self.inputs)?;
        let planned = self.effects();
        if decoded.effects != planned {
            let (planned, decoded) = (Box::new(planned), Box::new(decoded.effects));
            return Err(AssembleError::EffectsDiffer { planned, decoded });
        }
        if decoded.lock_time != self.lock_time {
            return Err(AssembleError::Differs("lock time"));
        }
        consensus::check(raw, &self.inputs)?;
        Ok(RawTransaction::verified(
            self.network.into(),
            decoded.txid,
            raw.to_vec(),
        ))
    }

    /// Is the plan sound in itself: one network, nothing spent twice, no dust, nothing lost?
    pub(crate) fn check(&self) -> Result<(), PlanFault> {
        let asset = self.network.params().asset;
        if self.inputs.is_empty() {
            return Err(PlanFault::Empty("inputs"));
        }
        if self.payments.is_empty() {
            return Err(PlanFault::Empty("payments"));
        }
        let mut seen = BTreeSet::new();
        if let Some(coin) = self.inputs.iter().find(|coin| !seen.insert(coin.outpoint)) {
            return Err(PlanFault::DuplicateInput(coin.outpoint));
        }
        let outputs = self.outputs();
        for output in &outputs {
            check_dust(self.network, output)?;
        }
        let inputs = Amount::sum(asset, self.inputs.iter().map(|coin| &coin.amount))?;
        let outputs = Amount::sum(asset, outputs.into_iter().map(|output| &output.amount))?;
        let spent = outputs.checked_add(&self.fee)?;
        if spent != inputs {
            return Err(PlanFault::NotConserved { inputs, spent });
        }
        Ok(())
    }
}

/// The output that makes a payment, whatever its size.
pub(super) fn txout(network: BitcoinNetwork, payment: &Payment) -> Result<TxOut, PlanFault> {
    let script_pubkey = payment
        .to
        .script_pubkey()
        .filter(|_| payment.to.network() == Network::Bitcoin(network))
        .ok_or_else(|| misplaced(network, payment.to.to_string()))?;
    let value = ::bitcoin::Amount::from_sat(units(network, &payment.amount)?);
    Ok(TxOut {
        value,
        script_pubkey,
    })
}

/// Would nodes relay this output?
pub(super) fn check_dust(network: BitcoinNetwork, payment: &Payment) -> Result<(), PlanFault> {
    let output = txout(network, payment)?;
    let limit = network.dust_limit(&output.script_pubkey);
    if output.value.to_sat() >= limit {
        return Ok(());
    }
    let limit = Amount::from_u64(network.params().asset, limit)?;
    Err(PlanFault::Dust {
        payment: Box::new(payment.clone()),
        limit,
    })
}

/// Base units of an amount in the network's asset.
pub(super) fn units(network: BitcoinNetwork, amount: &Amount) -> Result<u64, PlanFault> {
    amount
        .units_u64()
        .filter(|_| amount.asset() == network.params().asset)
        .ok_or_else(|| misplaced(network, amount.to_string()))
}

fn misplaced(network: BitcoinNetwork, what: String) -> PlanFault {
    PlanFault::Network {
        what,
        network: network.into(),
    }
}

/// BIP-143 digest of a P2WPKH input under SIGHASH_ALL. `index` must be an input of the cached transaction.
pub(super) fn p2wpkh_digest(
    cache: &mut SighashCache<&Transaction>,
    index: usize,
    coin: &Coin,
    value: u64,
) -> Digest {
    let script = coin.public_key.p2wpkh_script();
    let value = ::bitcoin::Amount::from_sat(value);
    let digest = cache
        .p2wpkh_signature_hash(index, &script, value, EcdsaSighashType::All)
        .expect("the index is of this transaction and the script is P2WPKH");
    Digest::from_bytes(digest.to_byte_array())
}

/// BIP-69 order of inputs: by transaction id as it is displayed (reversed bytes), then by index.
pub(crate) fn bip69_key(outpoint: &OutPoint) -> ([u8; 32], u32) {
    let mut txid = outpoint.txid.to_byte_array();
    txid.reverse();
    (txid, outpoint.vout)
}

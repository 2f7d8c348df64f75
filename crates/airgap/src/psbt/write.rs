//! A plan as a PSBT, with everything that a wallet needs that never saw the chain: both forms of each coin, the
//! sighash type, and where each key comes from.

use std::collections::BTreeMap;

use bitcoin::bip32::{DerivationPath, Fingerprint};
use bitcoin::consensus::encode::deserialize;
use bitcoin::psbt::{Input, Output, Psbt};
use bitcoin::secp256k1;
use bitcoin::{EcdsaSighashType, Transaction, TxOut};
use custodyd_chain::{Address, BitcoinPlan, Coin, Network, PublicKey, Txid};

use crate::export::ExportError;
use crate::manifest::{Change, fingerprint};

/// The PSBT of a plan. `previous` holds the transactions whose outputs it spends, as nodes give them.
pub(crate) fn write(
    plan: &BitcoinPlan,
    change: Option<&Change>,
    previous: &BTreeMap<Txid, Vec<u8>>,
) -> Result<Vec<u8>, ExportError> {
    let unsigned_tx = plan.unsigned_tx()?;
    let inputs = plan
        .inputs
        .iter()
        .map(|coin| input(coin, previous))
        .collect::<Result<_, _>>()?;
    let mut outputs = vec![Output::default(); unsigned_tx.output.len()];
    if let Some(change) = change {
        let place = plan
            .outputs()
            .iter()
            .position(|output| Some(*output) == plan.change.as_ref());
        let output = place.and_then(|index| outputs.get_mut(index));
        output
            .expect("a plan's change is one of its outputs")
            .bip32_derivation
            .insert(secp_key(&change.public_key), origin(&change.public_key));
    }
    let mut psbt = Psbt::from_unsigned_tx(unsigned_tx)
        .expect("a plan's transaction has neither scriptSigs nor witnesses");
    (psbt.inputs, psbt.outputs) = (inputs, outputs);
    Ok(psbt.serialize())
}

/// Which of the keys a plan's change goes to.
pub(crate) fn change_of(
    plan: &BitcoinPlan,
    own: &[PublicKey],
) -> Result<Option<Change>, ExportError> {
    let Some(change) = &plan.change else {
        return Ok(None);
    };
    let network = Network::Bitcoin(plan.network);
    let known = plan.inputs.iter().map(|coin| &coin.public_key).chain(own);
    let public_key = known
        .copied()
        .find(|key| Address::from_public_key(network, key) == change.to)
        .ok_or_else(|| ExportError::ForeignChange(change.to.clone()))?;
    Ok(Some(Change {
        to: change.to.clone(),
        amount: change.amount,
        public_key,
    }))
}

fn input(coin: &Coin, previous: &BTreeMap<Txid, Vec<u8>>) -> Result<Input, ExportError> {
    let txid = coin.outpoint.txid;
    let bytes = previous
        .get(&txid)
        .ok_or(ExportError::PreviousMissing(coin.outpoint))?;
    let transaction: Transaction =
        deserialize(bytes).map_err(|error| ExportError::PreviousMalformed {
            txid,
            reason: error.to_string(),
        })?;
    let value = coin
        .amount
        .units_u64()
        .ok_or(ExportError::PreviousMissing(coin.outpoint))?;
    let script_pubkey = coin.public_key.p2wpkh_script();
    Ok(Input {
        non_witness_utxo: Some(transaction),
        witness_utxo: Some(TxOut {
            value: bitcoin::Amount::from_sat(value),
            script_pubkey,
        }),
        sighash_type: Some(EcdsaSighashType::All.into()),
        bip32_derivation: [(secp_key(&coin.public_key), origin(&coin.public_key))].into(),
        ..Input::default()
    })
}

fn origin(key: &PublicKey) -> (Fingerprint, DerivationPath) {
    (
        Fingerprint::from(fingerprint(key)),
        DerivationPath::master(),
    )
}

fn secp_key(key: &PublicKey) -> secp256k1::PublicKey {
    secp256k1::PublicKey::from_slice(&key.to_bytes())
        .expect("a key that was parsed once parses again")
}

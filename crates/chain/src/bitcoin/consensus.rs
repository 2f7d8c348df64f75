//! Each input put before Bitcoin Core's consensus code before a transaction is handed out.

use bitcoinconsensus::{VERIFY_ALL_PRE_TAPROOT, verify_with_flags};

use crate::effects::Coin;
use crate::plan::AssembleError;

/// Runs the scripts of all inputs, in the order of `coins`. Litecoin's rules for P2WPKH are Bitcoin's.
pub(crate) fn check(raw: &[u8], coins: &[Coin]) -> Result<(), AssembleError> {
    for (input, coin) in coins.iter().enumerate() {
        let refused = |reason: String| AssembleError::Consensus { input, reason };
        let value = coin
            .amount
            .units_u64()
            .ok_or_else(|| refused(format!("{} is not a coin's value", coin.amount)))?;
        let script = coin.public_key.p2wpkh_script();
        verify_with_flags(
            script.as_bytes(),
            value,
            raw,
            None,
            input,
            VERIFY_ALL_PRE_TAPROOT,
        )
        .map_err(|code| refused(format!("{code:?}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k256::ecdsa::SigningKey;
    use k256::ecdsa::signature::hazmat::PrehashSigner;

    use super::*;
    use crate::address::Address;
    use crate::amount::Amount;
    use crate::asset::Asset;
    use crate::bitcoin::params::BitcoinNetwork::BitcoinRegtest;
    use crate::bitcoin::plan::BitcoinPlan;
    use crate::effects::Payment;
    use crate::keys::PublicKey;
    use crate::signature::Signature;

    #[test]
    fn consensus_code_accepts_a_signed_input_and_refuses_it_for_another_coin() {
        let key = SigningKey::from_slice(&[1; 32]).unwrap();
        let point = key.verifying_key().to_encoded_point(true);
        let public_key = PublicKey::from_sec1(point.as_bytes()).unwrap();
        let sats = |units| Amount::from_u64(Asset::Btc, units).unwrap();
        let coin = Coin {
            outpoint: format!("{:064x}:0", 1).parse().unwrap(),
            amount: sats(10_000),
            public_key,
        };
        let plan = BitcoinPlan {
            network: BitcoinRegtest,
            inputs: vec![coin.clone()],
            payments: vec![Payment {
                to: Address::from_public_key(BitcoinRegtest.into(), &public_key),
                amount: sats(9_000),
            }],
            change: None,
            fee: sats(1_000),
            lock_time: 0,
        };
        let digest = plan.signing_requests().unwrap()[0].digest;
        let signature: k256::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
        let signature = Signature::from_hsm(&signature.to_bytes()).unwrap();
        let raw = plan.assemble(&[signature]).unwrap();

        assert_eq!(check(raw.bytes(), std::slice::from_ref(&coin)), Ok(()));
        let other = Coin {
            amount: sats(10_001),
            ..coin
        };
        assert!(matches!(
            check(raw.bytes(), &[other]),
            Err(AssembleError::Consensus { input: 0, .. })
        ));
    }
}

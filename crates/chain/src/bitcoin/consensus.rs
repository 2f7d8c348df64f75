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

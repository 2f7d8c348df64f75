//! Text of EVM accounts: hexadecimal, with EIP-55's checksum in the case of its letters.

use alloy_primitives::Address as Account;

use crate::address::AddressError;
use crate::network::Network;
use crate::text::quoted;

/// Parses an account. Letters of one case carry no checksum and are accepted; mixed case must be EIP-55.
pub(crate) fn parse(network: Network, text: &str) -> Result<[u8; 20], AddressError> {
    let malformed = || AddressError::Malformed {
        input: quoted(text),
        network,
    };
    let digits = text.strip_prefix("0x").ok_or_else(malformed)?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(malformed());
    }
    let mut account = [0; 20];
    hex::decode_to_slice(digits, &mut account).map_err(|_| malformed())?;
    let upper = digits.bytes().any(|b| b.is_ascii_uppercase());
    let lower = digits.bytes().any(|b| b.is_ascii_lowercase());
    if upper && lower && to_text(account) != text {
        return Err(AddressError::Eip55 {
            input: quoted(text),
        });
    }
    if account == [0; 20] {
        return Err(AddressError::ZeroAddress);
    }
    Ok(account)
}

/// EIP-55 text.
pub(crate) fn to_text(account: [u8; 20]) -> String {
    Account::from(account).to_checksum(None)
}

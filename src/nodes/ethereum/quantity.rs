//! Ethereum JSON-RPC's hexadecimal values, read as strictly as the specification writes them (execution-apis, base types).

use custodyd_chain::U256;
use serde::{Deserialize, Deserializer, de::Error};

use crate::nodes::{NodeError, rpc::malformed};

const MAX_DIGITS: usize = 64;

/// A number: `0x0`, or `0x` and digits without leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(pub(super) U256);

impl Quantity {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x")?;
        let leading_zero = digits.len() > 1 && digits.starts_with('0');
        if digits.is_empty() || digits.len() > MAX_DIGITS || leading_zero || !is_hex(digits) {
            return None;
        }
        U256::from_str_radix(digits, 16).ok().map(Quantity)
    }

    pub(super) fn to_u64(self, method: &'static str) -> Result<u64, NodeError> {
        u64::try_from(self.0).map_err(|_| malformed(method, format!("{} is above 64 bits", self.0)))
    }

    pub(super) fn to_u128(self, method: &'static str) -> Result<u128, NodeError> {
        u128::try_from(self.0)
            .map_err(|_| malformed(method, format!("{} is above 128 bits", self.0)))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Quantity::parse(&text)
            .ok_or_else(|| D::Error::custom("not a quantity: 0x and digits without leading zeros"))
    }
}

/// A hash of 32 bytes, in lower case, with `0x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hash(String);

impl Hash {
    /// Is it this transaction's id?
    pub(super) fn is(&self, txid: &str) -> bool {
        self.0 == txid
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.strip_prefix("0x") {
            Some(digits) if digits.len() == MAX_DIGITS && is_hex(digits) => {
                Ok(Hash(text.to_ascii_lowercase()))
            }
            _ => Err(D::Error::custom("not a hash: 0x and 64 hexadecimal digits")),
        }
    }
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_one_spelling() {
        assert_eq!(Quantity::parse("0x0"), Some(Quantity(U256::ZERO)));
        assert_eq!(Quantity::parse("0x41"), Some(Quantity(U256::from(65))));
        assert_eq!(
            Quantity::parse(&format!("0x{}", "f".repeat(64))),
            Some(Quantity(U256::MAX))
        );
        for text in [
            "", "0x", "0x00", "0x0400", "41", "0X41", "0xg", "-0x1", "0x-1", " 0x1", "0x1_0",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
        assert_eq!(Quantity::parse(&format!("0x1{}", "0".repeat(64))), None);
    }

    #[test]
    fn numbers_too_large_for_their_use_are_errors() {
        let large = Quantity(U256::from(u64::MAX) + U256::from(1));
        assert!(large.to_u64("eth_blockNumber").is_err());
        assert_eq!(
            large.to_u128("eth_feeHistory").unwrap(),
            u128::from(u64::MAX) + 1
        );
    }

    #[test]
    fn a_hash_is_compared_in_one_case() {
        let hash: Hash = serde_json::from_str(&format!("\"0x{}\"", "AB".repeat(32))).unwrap();
        assert!(hash.is(&format!("0x{}", "ab".repeat(32))));
        assert!(serde_json::from_str::<Hash>("\"0xab\"").is_err());
    }
}

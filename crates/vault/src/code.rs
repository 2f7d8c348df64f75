//! The short code of what a withdrawal would do: the same wherever it is computed, so that two screens can be compared.
//!
//! It leaves out who decides, what, and until when: those differ from statement to statement. 80 bits: nobody finds another
//! destination with the same code.

use custodyd_policy::{PolicyHash, VaultId, WithdrawalId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{StatedEffects, Statement, Vault, Withdrawal};

/// The domain that keeps a code from being taken for any other hash.
pub const CODE_DOMAIN: &str = "custodyd/code/v1";

/// Crockford's base32: no I, L, O, U.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[derive(Serialize)]
struct Coded<'a> {
    domain: &'a str,
    vault: &'a VaultId,
    withdrawal: &'a WithdrawalId,
    effects: &'a StatedEffects,
    policy: &'a PolicyHash,
}

impl Coded<'_> {
    fn digest(&self) -> [u8; 32] {
        let canonical = serde_json_canonicalizer::to_vec(self)
            .expect("effects hold strings, which RFC 8785 can write");
        Sha256::digest(canonical).into()
    }
}

impl Vault {
    /// The code of what a withdrawal would do, under the policy that judged it: that of any statement on it.
    pub fn code(&self, withdrawal: &Withdrawal) -> String {
        let verdict = withdrawal.verdict.as_ref();
        let coded = Coded {
            domain: CODE_DOMAIN,
            vault: self.id(),
            withdrawal: &withdrawal.id,
            effects: &self.stated_effects(withdrawal),
            policy: &verdict.map_or_else(|| self.policy().hash(), |verdict| verdict.policy),
        };
        short_code(&coded.digest())
    }
}

impl Statement {
    /// SHA-256 of what the code stands for, in its canonical form (RFC 8785).
    pub fn effects_digest(&self) -> [u8; 32] {
        Coded {
            domain: CODE_DOMAIN,
            vault: &self.vault,
            withdrawal: &self.withdrawal,
            effects: &self.effects,
            policy: &self.policy,
        }
        .digest()
    }

    /// The code of its effects: `7K3Q-9M2X-…`.
    pub fn code(&self) -> String {
        short_code(&self.effects_digest())
    }
}

/// The first 80 bits of a digest, in four groups of four digits of base32.
pub fn short_code(digest: &[u8; 32]) -> String {
    let (head, _) = digest.split_at(10);
    let bits = head
        .iter()
        .fold(0_u128, |bits, byte| (bits << 8) | u128::from(*byte));
    let mut code = String::with_capacity(19);
    for place in 0..16_u32 {
        if place > 0 && place.is_multiple_of(4) {
            code.push('-');
        }
        let shift = 75_u32.saturating_sub(place.saturating_mul(5));
        let digit = usize::try_from((bits >> shift) & 31).unwrap_or_default();
        code.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_sixteen_digits_of_base32() {
        let mut digest = [0; 32];
        assert_eq!(short_code(&digest), "0000-0000-0000-0000");
        digest[..10].fill(255);
        assert_eq!(short_code(&digest), "ZZZZ-ZZZZ-ZZZZ-ZZZZ");
        digest[..10].copy_from_slice(&[0x08, 0x86, 0x42, 0x98, 0xe8, 0x4a, 0x96, 0xc6, 0xb9, 0xf0]);
        // 00001 00010 00011 00100 00101 00110 00111 01000, and so on.
        assert_eq!(short_code(&digest), "1234-5678-9ABC-DEFG");
    }
}

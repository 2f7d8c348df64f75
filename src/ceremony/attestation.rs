//! The report of a vault's keys: what each is, where it lives, and that it answered a challenge there.

use custodyd_hsm::PublicPoint;
use serde::{Deserialize, Serialize};

use super::{
    proof::{Proof, TokenEntry},
    seal::{CeremonyError, Document, Sealed},
};

/// All keys asked for, on every token that has them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// The vault.
    pub vault: String,
    /// What every key signed, hex: fresh, or the auditor's.
    pub challenge: String,
    /// When it was made, Unix milliseconds, by the machine's clock.
    pub made_at: u64,
    /// The program's version.
    pub custodyd: String,
    /// SHA-256 of the policy in force, hex.
    pub policy: String,
    /// The tokens.
    pub tokens: Vec<TokenEntry>,
    /// The keys.
    pub keys: Vec<Proof>,
}

impl Document for Attestation {
    const TAG: &'static str = "custodyd/attest/report/v1\n";
}

/// One line of what a verified report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key's owner, id and token.
    pub what: String,
    /// Attributes that no signing key should have; empty for a good one.
    pub misses: Vec<String>,
}

impl Attestation {
    /// Verifies a report: the journal key signed it, it answers the challenge if one is given, and each key proved that its
    /// token has it. Needs no HSM. What it says of attributes is the token's word, passed on by whoever ran the command.
    ///
    /// # Errors
    /// The first thing that doesn't hold.
    pub fn verify(
        bytes: &[u8],
        journal_key: &PublicPoint,
        challenge: Option<&str>,
    ) -> Result<(Self, Vec<Finding>), CeremonyError> {
        let report: Self = Sealed::open(bytes, journal_key)?;
        if let Some(expected) = challenge.filter(|expected| **expected != report.challenge) {
            return Err(CeremonyError::Challenge {
                expected: expected.to_owned(),
                found: report.challenge,
            });
        }
        let mut findings = Vec::with_capacity(report.keys.len());
        for proof in &report.keys {
            proof.verify(&report.challenge, &report.vault)?;
            let key = &proof.key;
            findings.push(Finding {
                what: format!("{} {} on {}", key.owner, key.id, key.token),
                misses: key.misses(),
            });
        }
        Ok((report, findings))
    }
}

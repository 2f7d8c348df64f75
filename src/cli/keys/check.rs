//! The check of every key at each start.

use custodyd::journal::JournalKey;
use custodyd_hsm::Hsm;
use custodyd_vault::{KeyId, Vault};

use super::{super::Failure, cka};

/// Every key that the vault relies on is on the token, is the one it was, can't leave it, and may only sign.
pub(in crate::cli) fn check_keys(
    hsm: &dyn Hsm,
    vault: &Vault,
    journal_id: &KeyId,
    journal_key: &JournalKey,
) -> Result<(), Failure> {
    let named = |owner: &str, error: Failure| Failure::from(format!("{owner}: {error}"));
    check_key(hsm, &cka(journal_id), &journal_key.to_sec1()).map_err(|e| named("journal", e))?;
    for wallet in vault.wallets().values() {
        for slot in &wallet.keys {
            if let (Some(id), Some(public)) = (&slot.id, &slot.public_key) {
                check_key(hsm, &cka(id), &public.to_bytes())
                    .map_err(|e| named(&format!("wallet {}", wallet.id), e))?;
            }
        }
    }
    Ok(())
}

fn check_key(hsm: &dyn Hsm, id: &custodyd_hsm::KeyId, public: &[u8]) -> Result<(), Failure> {
    hsm.check_attributes(id)?;
    match hsm.find(id)? {
        Some(report) if report.public.as_bytes().as_slice() == public => Ok(()),
        Some(_) => Err(format!("key {id} of the token is not the one that the vault knows").into()),
        None => Err(format!("key {id} is not on the token").into()),
    }
}

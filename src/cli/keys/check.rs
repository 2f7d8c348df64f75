//! The check of every key at each start.

use std::collections::BTreeSet;

use custodyd::journal::JournalKey;
use custodyd_hsm::{Class, Hsm, HsmError};
use custodyd_policy::WalletId;
use custodyd_vault::{Addresses, KeyId, Vault, Wallet};

use super::{super::Failure, cka};

/// Every key that the vault relies on is on a token, is the one it was, can't leave any token, and may only sign. Each token
/// that is up is asked; one that lacks a key is told about, and refused only if none has it.
pub(in crate::cli) fn check_keys(
    hsm: &dyn Hsm,
    vault: &Vault,
    journal_id: &KeyId,
    journal_key: &JournalKey,
) -> Result<(), Failure> {
    let named = |owner: &str, error: Failure| Failure::from(format!("{owner}: {error}"));
    let each = hsm.each();
    let tokens: Vec<(String, &dyn Hsm)> = if each.is_empty() {
        vec![(String::new(), hsm)]
    } else {
        let names = hsm.members().into_iter().map(|member| member.name);
        names.zip(each.iter().map(|token| &**token)).collect()
    };
    check_key(&tokens, hsm, &cka(journal_id), &journal_key.to_sec1())
        .map_err(|e| named("journal", e))?;
    for wallet in vault.wallets().values() {
        for slot in wallet.keys() {
            if let (Some(id), Some(public), None) = (&slot.id, &slot.public_key, &slot.wrapped) {
                check_key(&tokens, hsm, &cka(id), &public.to_bytes())
                    .map_err(|e| named(&format!("wallet {}", wallet.id), e))?;
            }
        }
    }
    Ok(())
}

/// One key on each token; then through all of them together, which is how the fleet learns what is right before a token
/// comes back that was out.
fn check_key(
    tokens: &[(String, &dyn Hsm)],
    together: &dyn Hsm,
    id: &custodyd_hsm::KeyId,
    public: &[u8],
) -> Result<(), Failure> {
    if let [(_, token)] = tokens {
        token.check_attributes(id)?;
        return match holds(*token, id, public)? {
            true => Ok(()),
            false => Err(format!("key {id} is not on the token").into()),
        };
    }
    for (name, token) in tokens {
        match holds(*token, id, public) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(token = name, key = %id, "a key is not on this token"),
            Err(Unfit::Hsm(error)) if error.class() == Class::Retryable => {
                tracing::warn!(token = name, key = %id, %error, "a key is not checked on this token");
            }
            Err(error) => return Err(format!("token {name}: {error}").into()),
        }
    }
    match together.find(id)? {
        Some(report) if report.public.as_bytes() == public => Ok(()),
        Some(_) => Err(Unfit::Other(*id).into()),
        None => Err(format!("key {id} is not on any token").into()),
    }
}

/// Why a token can't be signed with.
#[derive(Debug, thiserror::Error)]
enum Unfit {
    #[error(transparent)]
    Hsm(#[from] HsmError),
    #[error("key {0} of the token is not the one that the vault knows")]
    Other(custodyd_hsm::KeyId),
}

/// Whether a token has this key; refuses another one under its id, and one that could leave.
fn holds(token: &dyn Hsm, id: &custodyd_hsm::KeyId, public: &[u8]) -> Result<bool, Unfit> {
    match token.check_attributes(id) {
        Ok(()) => {}
        Err(HsmError::KeyMissing { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    match token.find(id)? {
        Some(report) if report.public.as_bytes() == public => Ok(true),
        Some(_) => Err(Unfit::Other(*id)),
        None => Ok(false),
    }
}

/// Every key that wrapped ones lie under is on the token, trusted, and can't leave it; and there is one where a wallet needs
/// one. The wrapped keys themselves are checked when they sign: unwrapping a hundred thousand takes minutes.
pub(in crate::cli) fn check_wrapping_keys(
    hsm: &dyn Hsm,
    vault: &Vault,
    configured: Option<custodyd_hsm::KeyId>,
) -> Result<(), Failure> {
    let wallets = || vault.wallets().values();
    if configured.is_none()
        && let Some(wallet) = wallets().find(|wallet| wallet.keys_are == Addresses::Wrapped)
    {
        return Err(no_wrapping_key(&wallet.id).into());
    }
    let used = wallets()
        .flat_map(Wallet::keys)
        .filter_map(|slot| slot.wrapped.as_ref())
        .map(|wrapped| custodyd_hsm::KeyId::from_bytes(wrapped.wrapping_key.cka_id()));
    let wanted: BTreeSet<custodyd_hsm::KeyId> = used.chain(configured).collect();
    for id in wanted {
        hsm.check_wrapping_key(&id)?;
    }
    Ok(())
}

/// What a wallet with wrapped addresses lacks.
pub(in crate::cli) fn no_wrapping_key(wallet: &WalletId) -> String {
    format!(
        "wallet {wallet} has wrapped addresses, but the configuration names no hsm.wrapping_key"
    )
}

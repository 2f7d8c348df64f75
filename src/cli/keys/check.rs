//! The check of every key at each start.

use std::{collections::BTreeSet, sync::Arc};

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
    let tokens = one_by_one(hsm, &each);
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

/// Each token by itself, under its name; the only one where there are no several.
fn one_by_one<'a>(together: &'a dyn Hsm, each: &'a [Arc<dyn Hsm>]) -> Vec<(String, &'a dyn Hsm)> {
    let names = together.members().into_iter().map(|member| member.name);
    if each.is_empty() {
        return names.take(1).map(|name| (name, together)).collect();
    }
    names.zip(each.iter().map(|token| &**token)).collect()
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

/// Every key that wrapped ones lie under is on a token, and wherever it is, it is trusted and can't leave; and there is one
/// where a wallet needs one. A token that lacks it, can't wrap, or is away is told about, and refused only if no other serves. The wrapped keys themselves are checked when they sign: unwrapping a hundred thousand takes minutes.
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
    let each = hsm.each();
    let tokens = one_by_one(hsm, &each);
    for id in wanted {
        check_wrapping_key(&tokens, &id)?;
    }
    Ok(())
}

fn check_wrapping_key(
    tokens: &[(String, &dyn Hsm)],
    id: &custodyd_hsm::KeyId,
) -> Result<(), Failure> {
    let mut serves = false;
    let mut last = None;
    for (name, token) in tokens {
        let error = match token.check_wrapping_key(id) {
            Ok(()) => {
                serves = true;
                continue;
            }
            Err(error) => error,
        };
        let passed_over = matches!(
            error,
            HsmError::KeyMissing { .. } | HsmError::WrappingRefused { .. }
        ) || error.class() == Class::Retryable;
        if !passed_over {
            return Err(format!("token {name}: {error}").into());
        }
        tracing::warn!(token = name, key = %id, %error, "a token can't use wrapped keys");
        last = Some((name, error));
    }
    match last {
        Some((name, error)) if !serves => Err(format!("token {name}: {error}").into()),
        _ => Ok(()),
    }
}

/// What a wallet with wrapped addresses lacks.
pub(in crate::cli) fn no_wrapping_key(wallet: &WalletId) -> String {
    format!(
        "wallet {wallet} has wrapped addresses, but the configuration names no hsm.wrapping_key"
    )
}

//! `custodyd keys`, and the check of every key at each start.

use std::collections::BTreeSet;

use clap::Subcommand;
use custodyd::{
    config::Config,
    engine::{Replayed, replay},
    journal::JournalKey,
    state_dir::StateDir,
    store::Store,
};
use custodyd_hsm::Hsm;
use custodyd_policy::WalletId;
use custodyd_vault::{Addresses, KeyId, Vault, Wallet};

use super::{Failure, wrapping_key};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the keys of the token beside those of the vault.
    List,
    /// Has the security officer make the key that wallets' keys are wrapped under.
    WrappingKey(wrapping_key::Options),
}

pub(super) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    if let Command::WrappingKey(options) = command {
        return wrapping_key::run(&config, options);
    }
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (journal_id, journal_key) = state_dir.journal_key()?;
    let store = Store::open(&config.database.url).await?;
    let hsm = config.hsm.open()?;
    let Replayed { vault, .. } = replay(&store, config.vault.as_str(), &journal_key, None).await?;
    println!(
        "{:<36} {:<10} {:<20} public key",
        "key", "curve", "belongs to"
    );
    for report in hsm.list()? {
        let id = KeyId::from_bytes(*report.id.as_bytes());
        let owner = match vault.wallet_of_key(&id) {
            Some(wallet) => wallet.to_string(),
            None if id == journal_id => "journal".to_owned(),
            None => "nobody (orphan)".to_owned(),
        };
        println!(
            "{id:<36} {:<10} {owner:<20} {}",
            report.curve.to_string(),
            hex::encode(report.public.as_bytes())
        );
    }
    check_keys(&*hsm, &vault, &journal_id, &journal_key)
}

/// Every key that the vault relies on is on the token, is the one it was, can't leave it, and may only sign.
pub(super) fn check_keys(
    hsm: &dyn Hsm,
    vault: &Vault,
    journal_id: &KeyId,
    journal_key: &JournalKey,
) -> Result<(), Failure> {
    let hsm_id = |id: &KeyId| custodyd_hsm::KeyId::from_bytes(id.cka_id());
    check_key(hsm, &hsm_id(journal_id), &journal_key.to_sec1())?;
    for slot in vault.wallets().values().flat_map(Wallet::keys) {
        if let (Some(id), Some(public), None) = (&slot.id, &slot.public_key, &slot.wrapped) {
            check_key(hsm, &hsm_id(id), &public.to_bytes())?;
        }
    }
    Ok(())
}

/// Every key that wrapped ones lie under is on the token, trusted, and can't leave it; and there is one where a wallet needs
/// one. The wrapped keys themselves are checked when they sign: unwrapping a hundred thousand takes minutes.
pub(super) fn check_wrapping_keys(
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
pub(super) fn no_wrapping_key(wallet: &WalletId) -> String {
    format!(
        "wallet {wallet} has wrapped addresses, but the configuration names no hsm.wrapping_key"
    )
}

fn check_key(hsm: &dyn Hsm, id: &custodyd_hsm::KeyId, public: &[u8]) -> Result<(), Failure> {
    hsm.check_attributes(id)?;
    match hsm.find(id)? {
        Some(report) if report.public.as_bytes().as_slice() == public => Ok(()),
        Some(_) => Err(format!("key {id} of the token is not the one that the vault knows").into()),
        None => Err(format!("key {id} is not on the token").into()),
    }
}

//! `custodyd keys list`: what is on the tokens, what the journal knows, and what is on one side only.

use std::collections::BTreeSet;

use custodyd::config::Config;
use custodyd_vault::KeyId;

use super::{super::Failure, Known, check_keys, each_token, ours};

pub(super) async fn run(config: &Config) -> Result<(), Failure> {
    let known = Known::load(config).await?;
    println!(
        "{:<36} {:<10} {:<20} {:<66} token",
        "key", "curve", "belongs to", "public key"
    );
    let mut found: BTreeSet<KeyId> = BTreeSet::new();
    for (token, hsm) in each_token(config)? {
        for report in hsm.list()? {
            let id = ours(&report.id);
            let owner = known.owner(&id);
            let owner = owner.unwrap_or_else(|| "nobody (orphan)".to_owned());
            println!(
                "{id:<36} {:<10} {owner:<20} {} {token}",
                report.curve.to_string(),
                report.public
            );
            found.insert(id);
        }
    }
    for wallet in known.vault.wallets().values() {
        for slot in wallet.keys() {
            // A wrapped key is on no token; `keys backup` lists those.
            let resident = slot.id.as_ref().filter(|_| slot.wrapped.is_none());
            let Some(id) = resident.filter(|id| !found.contains(*id)) else {
                continue;
            };
            let (state, public) = match slot.public_key {
                Some(public) => ("missing on every token", public.to_string()),
                None => ("to be made by `serve`", String::new()),
            };
            let owner = wallet.id.to_string();
            println!("{id:<36} {:<10} {owner:<20} {public:<66} {state}", "-");
        }
    }
    let hsm = config.hsm.open(&config.log)?;
    check_keys(&*hsm, &known.vault, &known.journal_id, &known.journal_key)
}

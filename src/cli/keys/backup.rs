//! `custodyd keys backup`: what must be known to have the keys on another HSM.

use std::path::PathBuf;

use clap::Args;
use custodyd::{
    ceremony::{Backup, ResidentKey, WrappedEntry},
    clock::Clock,
    config::Config,
    signer::key_ref,
};
use custodyd_hsm::{Curve, KeyRef, PublicPoint};

use super::{super::Failure, Known, check_keys, cka, seal_to_file};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Where it goes: a file that isn't there yet.
    #[arg(long)]
    out: PathBuf,
}

pub(super) async fn run(config: &Config, options: &Options) -> Result<(), Failure> {
    let known = Known::load(config).await?;
    let hsm = config.hsm.open(&config.log)?;
    // What is backed up must be there.
    check_keys(&*hsm, &known.vault, &known.journal_id, &known.journal_key)?;
    drop(hsm);
    let mut resident = vec![ResidentKey {
        id: cka(&known.journal_id),
        owner: "journal".to_owned(),
        curve: Curve::P256,
        public_key: known.journal_point()?,
    }];
    let mut wrapped = Vec::new();
    for wallet in known.vault.wallets().values() {
        for slot in wallet.keys() {
            let Some(public) = &slot.public_key else {
                continue;
            };
            match key_ref(slot) {
                Some(KeyRef::Resident(id)) => resident.push(ResidentKey {
                    id,
                    owner: wallet.id.to_string(),
                    curve: Curve::Secp256k1,
                    public_key: PublicPoint::try_from(public.to_string())?,
                }),
                Some(KeyRef::Wrapped(key)) => {
                    wrapped.push(WrappedEntry::new(&key, wallet.id.as_str()));
                }
                None => {}
            }
        }
    }
    let backup = Backup {
        vault: config.vault.to_string(),
        made_at: Clock::system().now().as_ms(),
        custodyd: env!("CARGO_PKG_VERSION").to_owned(),
        policy: known.vault.policy().hash().to_string(),
        seq: known.vault.seq(),
        journal: cka(&known.journal_id),
        resident,
        wrapped,
    };
    let (resident, wrapped) = (backup.resident.len(), backup.wrapped.len());
    seal_to_file(config, &known, backup, &options.out).await?;
    println!("journal key     {}", known.journal_point()?);
    println!("wrapped keys    {wrapped}, in the file as they are in the database");
    println!(
        "resident keys   {resident}, of which the file holds public halves only: back their token up with its vendor's"
    );
    println!(
        "                own means (cluster backup, clone, backup HSM), and check the copy with `keys restore`"
    );
    println!(
        "not in it       the journal, its anchor and pin: back up database and state folder too"
    );
    println!("written to      {}", options.out.display());
    Ok(())
}

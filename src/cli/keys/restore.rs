//! `custodyd keys restore`: the restore drill. Does this token, a clone or the one at the other site, serve every key of the
//! vault? Each must be there, be the one that it was, be unable to leave, and sign.

use std::path::PathBuf;

use clap::Args;
use custodyd::{
    ceremony::{Backup, KeyEntry, ResidentKey, Sealed},
    config::Config,
    state_dir::StateDir,
};
use custodyd_hsm::{Hsm, PublicPoint};

use super::{super::Failure, fresh, prove, read};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// What `keys backup` wrote.
    #[arg(long = "in")]
    file: PathBuf,
    /// The token to be checked, by its name in custodyd.toml.
    #[arg(long)]
    token: String,
    /// The journal's public key as it was written down, on a machine without the vault's state folder.
    #[arg(long)]
    journal_key: Option<String>,
}

pub(super) async fn run(config: &Config, options: &Options) -> Result<(), Failure> {
    let pinned = match &options.journal_key {
        Some(hex) => hex.clone(),
        None => {
            let (_, key) = StateDir::new(&config.state_dir, &config.vault).journal_key()?;
            hex::encode(key.to_sec1())
        }
    };
    let journal_key = PublicPoint::try_from(pinned)?;
    let backup: Backup = Sealed::open(&read(&options.file)?, &journal_key)?;
    if backup.vault != config.vault.as_str() {
        let (theirs, ours) = (&backup.vault, &config.vault);
        return Err(format!("the backup is of vault {theirs}, the configuration of {ours}").into());
    }
    let hsm = config.hsm.only(&options.token)?.open()?;
    let info = hsm.probe(hsm.call_limit())?;
    println!(
        "backup of vault {} at event {}, signed by its journal key",
        backup.vault, backup.seq
    );
    println!(
        "token {}: {} serial {}, firmware {}",
        options.token, info.label, info.serial, info.firmware
    );
    let mut challenge = [0; 32];
    fresh(&mut challenge)?;
    let drill = Drill {
        config,
        hsm: &*hsm,
        token: &options.token,
        challenge: hex::encode(challenge),
        vault: &backup.vault,
    };
    let mut misses = Vec::new();
    for key in &backup.resident {
        let result = drill.resident(key);
        let (mark, text) = match &result {
            Ok(()) => ("ok  ", "there, the same, can't leave, signs".to_owned()),
            Err(error) => ("FAIL", error.to_string()),
        };
        println!("{mark} {:<20} {} {text}", key.owner, key.id);
        if result.is_err() {
            misses.push(format!("{} {}", key.owner, key.id));
        }
    }
    let all = backup.resident.len();
    if misses.is_empty() {
        println!(
            "token {} serves all {all} keys of the backup",
            options.token
        );
        Ok(())
    } else {
        let (some, names) = (misses.len(), misses.join(", "));
        Err(format!(
            "token {} lacks {some} of {all} keys: {names}",
            options.token
        )
        .into())
    }
}

struct Drill<'a> {
    config: &'a Config,
    hsm: &'a dyn Hsm,
    token: &'a str,
    challenge: String,
    vault: &'a str,
}

impl Drill<'_> {
    fn resident(&self, key: &ResidentKey) -> Result<(), Failure> {
        let Some(found) = self.hsm.find(&key.id)? else {
            return Err("not on this token".into());
        };
        if (found.curve, found.public) != (key.curve, key.public_key) {
            return Err(format!("another key: {} {}", found.curve, found.public).into());
        }
        self.hsm.check_attributes(&key.id)?;
        let entry = KeyEntry::new(&found, &key.owner, self.token);
        prove(self.config, self.hsm, &self.challenge, self.vault, entry).map(drop)
    }
}

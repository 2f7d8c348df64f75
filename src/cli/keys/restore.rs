//! `custodyd keys restore`: the restore drill. Does this token, a clone or the one at the other site, serve every key of the
//! vault? Each must be there, be the one that it was, be unable to leave, and sign.

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;
use custodyd::{
    ceremony::{Backup, KeyEntry, Proof, ResidentKey, Sealed, WrappedEntry},
    config::Config,
    state_dir::StateDir,
};
use custodyd_hsm::{Hsm, KeyId, KeyRef, PublicPoint, Request, Response};

use super::{super::Failure, deadline, fresh, prove, read};

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
    let hsm = config.hsm.only(&options.token)?.open(&config.log)?;
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
    let mut line = |owner: &str, id: &KeyId, good: &str, result: Result<(), Failure>| {
        let (mark, text) = match &result {
            Ok(()) => ("ok  ", good.to_owned()),
            Err(error) => ("FAIL", error.to_string()),
        };
        println!("{mark} {owner:<20} {id} {text}");
        if result.is_err() {
            misses.push(format!("{owner} {id}"));
        }
    };
    for key in &backup.resident {
        let good = "there, the same, can't leave, signs";
        line(&key.owner, &key.id, good, drill.resident(key));
    }
    for key in &backup.wrapped {
        let good = "unwrapped, the same, signs";
        line(&key.owner, &key.id, good, drill.wrapped(key));
    }
    let all = backup.resident.len().saturating_add(backup.wrapped.len());
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

    /// Unwraps the key inside the token, as a session object, and has it sign. Nothing is left behind.
    fn wrapped(&self, key: &WrappedEntry) -> Result<(), Failure> {
        let entry = KeyEntry {
            id: key.id,
            owner: key.owner.clone(),
            label: String::new(),
            curve: key.curve,
            public_key: key.public_key,
            attributes: BTreeMap::new(),
            token: self.token.to_owned(),
        };
        let digest = Proof::digest(&self.challenge, self.vault, &entry)?;
        let request = Request::Sign {
            key: KeyRef::Wrapped(Box::new(key.key()?)),
            curve: key.curve,
            digest,
        };
        let signature = match self.hsm.ask(request, deadline(self.config))? {
            Response::Signature(signature) => hex::encode(signature),
            _ => return Err("no signature came back".into()),
        };
        let proof = Proof {
            key: entry,
            signature: Some(signature),
        };
        Ok(proof.verify(&self.challenge, self.vault)?)
    }
}

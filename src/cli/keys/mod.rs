//! `custodyd keys`: the ceremonies, and what is looked at at each start.

mod attest;
mod backup;
mod canary;
mod check;
mod generate;
mod list;
mod nonces;
mod orphans;
mod restore;
mod wrapping;

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use clap::Subcommand;
use custodyd::{
    ceremony::{KeyEntry, Proof, Sealed},
    config::{Config, ConfigError},
    engine::{Replayed, replay},
    journal::JournalKey,
    state_dir::StateDir,
    store::Store,
};
use custodyd_hsm::{Curve, Hsm, PublicPoint};
use custodyd_vault::{KeyId, Vault};

use super::Failure;
pub(super) use check::{check_keys, check_wrapping_keys, no_wrapping_key};
pub(super) use orphans::report_orphans;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists the keys of the tokens beside those of the vault.
    List,
    /// Makes a key ahead of time.
    Generate {
        #[command(subcommand)]
        what: generate::What,
    },
    /// Tests the nonces of each token for bias, by a throwaway key that everybody knows.
    Canary(canary::Options),
    /// Writes a signed report of the keys, each with proof that its token has it; or verifies one without an HSM.
    Attest(attest::Options),
    /// Writes what is needed to have the keys on another HSM, signed. Nothing in it is secret.
    Backup(backup::Options),
    /// Checks a backup on another token: the restore drill. Changes nothing.
    Restore(restore::Options),
}

impl Command {
    /// Whether it talks to an HSM: verifying a report doesn't, and needs no configuration.
    pub(super) fn needs_hsm(&self) -> bool {
        !matches!(self, Self::Attest(options) if options.verify.is_some())
    }

    /// Whether the security officer logs in.
    pub(super) fn is_an_officers(&self) -> bool {
        let Self::Generate { what } = self else {
            return false;
        };
        matches!(what, generate::What::Wrapping(_))
    }
}

pub(super) async fn run(
    command: Command,
    load: impl FnOnce() -> Result<Config, ConfigError>,
) -> Result<(), Failure> {
    match command {
        Command::List => list::run(&load()?).await,
        Command::Canary(options) => canary::run(&load()?, &options),
        Command::Generate { what } => generate::run(&load()?, what),
        Command::Attest(options) => match options.verify {
            Some(_) => attest::verify(&options),
            None => attest::run(&load()?, &options).await,
        },
        Command::Backup(options) => backup::run(&load()?, &options).await,
        Command::Restore(options) => restore::run(&load()?, &options).await,
    }
}

/// A vault with the journal that it was replayed from.
struct Known {
    store: Store,
    vault: Vault,
    journal_id: KeyId,
    journal_key: JournalKey,
}

impl Known {
    async fn load(config: &Config) -> Result<Self, Failure> {
        let state_dir = StateDir::new(&config.state_dir, &config.vault);
        let (journal_id, journal_key) = state_dir.journal_key()?;
        let store = Store::open(&config.database.url).await?;
        let Replayed { vault, .. } =
            replay(&store, config.vault.as_str(), &journal_key, None).await?;
        Ok(Self {
            store,
            vault,
            journal_id,
            journal_key,
        })
    }

    /// The wallet that a key belongs to, or the journal; none for an orphan.
    fn owner(&self, id: &KeyId) -> Option<String> {
        owner(&self.vault, &self.journal_id, id)
    }

    fn journal_point(&self) -> Result<PublicPoint, Failure> {
        Ok(PublicPoint::try_from(hex::encode(
            self.journal_key.to_sec1(),
        ))?)
    }
}

fn owner(vault: &Vault, journal_id: &KeyId, id: &KeyId) -> Option<String> {
    match vault.wallet_of_key(id) {
        Some(wallet) => Some(wallet.to_string()),
        None if id == journal_id => Some("journal".to_owned()),
        None => None,
    }
}

fn cka(id: &KeyId) -> custodyd_hsm::KeyId {
    custodyd_hsm::KeyId::from_bytes(id.cka_id())
}

fn ours(id: &custodyd_hsm::KeyId) -> KeyId {
    KeyId::from_bytes(*id.as_bytes())
}

/// A token with the name that the configuration gives it.
type Named = (String, Arc<dyn Hsm>);

/// Each token by itself, with its name.
fn each_token(config: &Config) -> Result<Vec<Named>, Failure> {
    let open = |name: &String| Ok((name.clone(), config.hsm.only(name)?.open(&config.log)?));
    config
        .hsm
        .tokens
        .iter()
        .map(|token| open(&token.name))
        .collect()
}

/// Time for one signature.
fn deadline(config: &Config) -> Duration {
    Duration::from_millis(config.hsm.deadline_ms)
}

/// Has a key sign the challenge together with what is said of it.
fn prove(
    config: &Config,
    hsm: &dyn Hsm,
    challenge: &str,
    vault: &str,
    key: KeyEntry,
) -> Result<Proof, Failure> {
    let digest = Proof::digest(challenge, vault, &key)?;
    let limit = deadline(config);
    let signature = match key.curve {
        Curve::Secp256k1 | Curve::P256 => hsm.sign(&key.id, key.curve, digest, limit)?,
        Curve::Ed25519 => hsm.sign_message(&key.id, &digest, limit)?,
    };
    let proof = Proof {
        key,
        signature: Some(hex::encode(signature)),
    };
    proof.verify(challenge, vault)?;
    Ok(proof)
}

/// Signs a document with the journal key, wherever it is, and writes it to a file that isn't there yet.
async fn seal_to_file<T: custodyd::ceremony::Document>(
    config: &Config,
    known: &Known,
    document: T,
    out: &Path,
) -> Result<(), Failure> {
    let hsm = config.hsm.open(&config.log)?;
    let id = cka(&known.journal_id);
    let mut point = None;
    let sealed = Sealed::new(document, known.journal_point()?, |digest| {
        let signature = hsm.sign(&id, Curve::P256, digest, deadline(config))?;
        point = Some((digest, signature));
        Ok::<_, Failure>(signature)
    })?;
    if let Some((digest, signature)) = point {
        let row = nonces::row(&known.journal_point()?, digest, &signature);
        nonces::refuse_used(known, &[row]).await?;
    }
    let text = sealed.to_text()?;
    // What was just written must be what anybody will read.
    Sealed::<T>::open(text.as_bytes(), &known.journal_point()?)?;
    let mut file = std::fs::File::create_new(out).map_err(|e| format!("{}: {e}", out.display()))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| format!("{}: {e}", out.display()))?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?)
}

fn fresh(bytes: &mut [u8]) -> Result<(), Failure> {
    Ok(getrandom::fill(bytes).map_err(|e| format!("the system gives no randomness: {e}"))?)
}

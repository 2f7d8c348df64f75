//! `custodyd init`: the genesis ceremony. Safe to repeat after a crash, and refuses to start a vault twice.

use std::{collections::BTreeSet, path::Path, time::Duration};

use custodyd::{
    clock::Clock,
    config::Config,
    engine::{rebuild, subjects},
    genesis_file::Ceremony,
    journal::{Anchor, Entry, GENESIS, HeadRow, head_digest},
    nonces::head_point,
    signer::Signer,
    state_dir::{Pin, StateDir},
    store::{Batch, Projection, Store},
};
use custodyd_hsm::{Curve, Hsm};
use custodyd_vault::{Addresses, Event, JournalKey, KeyId, Recorded, Vault};

use super::{Failure, keys::no_wrapping_key};

pub(super) async fn run(config: Config, genesis: &Path) -> Result<(), Failure> {
    let Ceremony {
        file,
        policy,
        signed,
    } = Ceremony::load(genesis)?;
    if file.vault != config.vault {
        return Err(format!(
            "the genesis is of vault {}, the configuration of {}",
            file.vault, config.vault
        )
        .into());
    }
    // Before anything is made: everybody signed, and nothing in it is impossible.
    let trial = JournalKey {
        key: fresh_key_id()?,
        public_key: String::new(),
    };
    file.clone()
        .into_genesis(policy.clone(), trial, signed.clone(), fresh_key_id)?
        .validate()
        .map_err(|e| format!("{}: {e}", genesis.display()))?;
    let wrapped = file
        .wallets
        .iter()
        .find(|(_, w)| w.addresses == Addresses::Wrapped);
    if let (Some((wallet, _)), None) = (wrapped, config.hsm.wrapping_key) {
        return Err(no_wrapping_key(wallet).into());
    }
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let store = Store::open(&config.database.url).await?;
    let vault = config.vault.to_string();
    if store.last_head(&vault).await?.is_some() {
        return Err(format!("the database has a vault {vault} already").into());
    }
    let hsm = config.hsm.open(&config.log)?;
    if let Some(id) = &config.hsm.wrapping_key {
        hsm.check_wrapping_key(id)?;
    }
    let (key, public_key) = journal_key(&state_dir, &config, &*hsm)?;
    println!("journal key   {key}  {public_key}");

    let signer = Signer::new(hsm, Duration::from_millis(config.hsm.deadline_ms));
    let journal_key = JournalKey {
        key: key.clone(),
        public_key,
    };
    let genesis = file.into_genesis(policy, journal_key.clone(), signed, fresh_key_id)?;
    let at = Clock::system().now();
    let event = Event::VaultCreated {
        genesis: Box::new(genesis),
    };
    let recorded = Recorded { seq: 1, at, event };
    let state = Vault::create(&recorded)?;
    let kind = recorded.event.kind();
    let row = Entry {
        vault: &vault,
        seq: 1,
        at_ms: at.as_ms(),
        kind,
        prev_hash: GENESIS,
    }
    .seal(&recorded.event)?;
    let digest = head_digest(&vault, row.seq, row.at_ms, &row.hash)?;
    let signature = signer.sign_journal(&journal_key, digest).await?;
    let head = HeadRow::from_hsm(&vault, row.seq, row.at_ms, row.hash, &signature)?;
    let hash = hex::encode(row.hash);
    let mut projections = rebuild(&state)?;
    projections.extend(subjects(&recorded.event).into_iter().map(|subject| {
        let head_seq = head.seq;
        Projection::Subject { subject, head_seq }
    }));
    let batch = Batch {
        vault,
        previous: None,
        rows: vec![row],
        head: head.clone(),
        projections,
        taken: Vec::new(),
        outcomes: Vec::new(),
        points: vec![head_point(&state.journal_key().public_key, &head)?],
        feed: Vec::new(),
    };
    store.commit(&batch).await?;
    Anchor::at(state_dir.anchor()).write(&head)?;
    println!("genesis       {hash}");
    println!("policy        {}", state.policy().hash());
    let tiers: BTreeSet<String> = state
        .wallets()
        .values()
        .map(|w| format!("{} ({})", w.id, w.tier))
        .collect();
    println!(
        "wallets       {}",
        tiers.into_iter().collect::<Vec<_>>().join(", ")
    );
    println!("`custodyd serve` makes the keys of the online wallets and starts the API");
    Ok(())
}

/// The journal's key: its id is durable before the HSM is asked for it, so that a crash can't orphan one.
fn journal_key(
    state_dir: &StateDir,
    config: &Config,
    hsm: &dyn Hsm,
) -> Result<(KeyId, String), Failure> {
    let mut pin = match state_dir.pin()? {
        Some(pin) => pin,
        None => {
            let pin = Pin {
                vault: config.vault.clone(),
                key: fresh_key_id()?,
                public_key: None,
            };
            state_dir.write_pin(&pin)?;
            pin
        }
    };
    let label = format!("custodyd-journal-{}", config.vault);
    let point = hsm.generate(
        &custodyd_hsm::KeyId::from_bytes(pin.key.cka_id()),
        &label,
        Curve::P256,
    )?;
    let public_key = hex::encode(point.as_bytes());
    if pin
        .public_key
        .as_ref()
        .is_some_and(|pinned| *pinned != public_key)
    {
        return Err("the HSM's journal key is not the one that was pinned".into());
    }
    pin.public_key = Some(public_key.clone());
    state_dir.write_pin(&pin)?;
    Ok((pin.key, public_key))
}

fn fresh_key_id() -> Result<KeyId, Failure> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|e| format!("the system gives no randomness: {e}"))?;
    Ok(KeyId::from_bytes(id))
}

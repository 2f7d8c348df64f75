//! `custodyd doctor`: a line for each part, and a non-zero exit if any is not well.

pub(super) mod hsm;

use std::path::PathBuf;

use custodyd::{
    config::Config,
    engine::{Replayed, replay},
    http::Tls,
    journal::Anchor,
    nodes::Node,
    state_dir::StateDir,
    store::Store,
    webhooks,
};

use custodyd_hsm::{Health, Hsm, MemberStatus, Profile, ProfileError, Selector};

use super::{Failure, keys::check_keys};

/// What is to be checked.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Check this HSM profile against the live token, and nothing else: needs no configuration. Makes two throwaway
    /// keys on the token and destroys them.
    #[arg(long, value_name = "PROFILE")]
    hsm: Option<PathBuf>,
    /// The token's PIN, in a file that only its owner can read. Without it and without a pin_source in the profile the
    /// terminal asks.
    #[arg(long, value_name = "FILE", requires = "hsm")]
    pin_file: Option<PathBuf>,
    /// The token's label, instead of the profile's selector.
    #[arg(long, value_name = "LABEL", requires = "hsm")]
    token: Option<String>,
    /// The PKCS#11 module, instead of the profile's.
    #[arg(long, value_name = "PATH", requires = "hsm")]
    module: Option<PathBuf>,
}

impl Options {
    /// The profile to check, with what the command line changes about it.
    pub(super) fn profile(&self) -> Option<Result<Profile, ProfileError>> {
        let mut profile = match Profile::load(self.hsm.as_ref()?) {
            Ok(profile) => profile,
            Err(error) => return Some(Err(error)),
        };
        if let Some(label) = &self.token {
            profile = profile.with_selector(Selector::Label(label.clone()));
        }
        if let Some(module) = &self.module {
            profile = profile.with_module(module);
        }
        Some(Ok(profile))
    }
}

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    let mut faults = 0_usize;
    let mut line = |part: &str, result: Result<String, Failure>| {
        let (mark, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(e) => {
                faults = faults.saturating_add(1);
                ("FAIL", e.to_string())
            }
        };
        println!("{mark} {part:<20} {text}");
    };
    let hsm = config.hsm.open(&config.log);
    match &hsm {
        Ok(hsm) => {
            for member in hsm.members() {
                let part = format!("hsm {}", member.name);
                line(&part, token_line(&member));
            }
        }
        Err(error) => line("hsm", Err(text(error))),
    }
    let store = Store::open(&config.database.url).await;
    line(
        "database",
        store
            .as_ref()
            .map(|_| {
                config
                    .database
                    .url
                    .split('@')
                    .next_back()
                    .unwrap_or_default()
                    .to_owned()
            })
            .map_err(text),
    );
    if let (Ok(store), Ok(hsm)) = (&store, &hsm) {
        line("journal and keys", journal(&config, store, &**hsm).await);
    }
    if let Some(tls) = &config.http.tls {
        let read = Tls::open(tls).map(|_| "certificate and key fit each other".to_owned());
        line("tls", read.map_err(text));
    }
    for (whose, secrets) in config.webhook_secrets() {
        let usable = webhooks::check(secrets).await;
        let usable = usable.map(|()| "its secrets can be used".to_owned());
        line(&whose, usable.map_err(text));
    }
    for node in &config.nodes {
        let checked = match Node::new(node) {
            Ok(client) => client
                .check()
                .await
                .map(|()| "on the right chain".to_owned()),
            Err(e) => Err(e),
        };
        line(&node.network.to_string(), checked.map_err(Failure::from));
    }
    if faults == 0 {
        Ok(())
    } else {
        Err(format!("{faults} part(s) not well").into())
    }
}

async fn journal(config: &Config, store: &Store, hsm: &dyn Hsm) -> Result<String, Failure> {
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (id, key) = state_dir.journal_key()?;
    let anchor = Anchor::at(state_dir.anchor());
    let Replayed { vault, .. } = replay(store, config.vault.as_str(), &key, Some(&anchor)).await?;
    check_keys(hsm, &vault, &id, &key)?;
    Ok(format!(
        "{} events, every key where it should be",
        vault.seq()
    ))
}

fn token_line(member: &MemberStatus) -> Result<String, Failure> {
    match (&member.health, &member.info) {
        (Health::Out { reason }, _) => Err(reason.clone().into()),
        (_, Some(info)) => Ok(format!("token {} (serial {})", info.label, info.serial)),
        (_, None) => Ok("opening".to_owned()),
    }
}

fn text(error: impl std::fmt::Display) -> Failure {
    error.to_string().into()
}

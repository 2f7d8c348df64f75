//! `custodyd keys generate wrapping`: the ceremony at which the security officer makes the key that wallets' keys are wrapped under.

use std::path::PathBuf;

use clap::Args;
use custodyd::config::Config;
use custodyd_hsm::{KeyId, PinSource, make_wrapping_key};

use super::{super::Failure, fresh};

/// What the ceremony needs beside the configuration.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The token of the configuration, where there are several.
    #[arg(long)]
    token: Option<String>,
    /// A file with the security officer's PIN, readable by its owner alone.
    #[arg(long)]
    so_pin_file: PathBuf,
}

/// Makes the key that `hsm.wrapping_key` names, or one with a fresh id, and prints the line to put into the configuration.
/// No other program may be logged in to the token through this process's library; a slot has one login at a time.
pub(super) fn run(config: &Config, options: Options) -> Result<(), Failure> {
    let token = match (&options.token, config.hsm.tokens.as_slice()) {
        (None, [token]) => token,
        (None, _) => return Err("there are several tokens: name one with --token".into()),
        (Some(name), tokens) => tokens
            .iter()
            .find(|token| token.name == *name)
            .ok_or_else(|| format!("the configuration has no token {name}"))?,
    };
    let id = match config.hsm.wrapping_key {
        Some(id) => id,
        None => {
            let mut bytes = [0; 16];
            fresh(&mut bytes)?;
            KeyId::from_bytes(bytes)
        }
    };
    let so_pin = PinSource::File(options.so_pin_file).read()?;
    let label = format!("custodyd-wrapping-{}", config.vault);
    let made = make_wrapping_key(&token.profile()?, token.read_pin()?, so_pin, &id, &label)?;
    println!("token         {} ({})", made.label, made.serial);
    println!("wrapping_key = \"{id}\"");
    Ok(())
}

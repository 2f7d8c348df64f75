//! The air-gapped signer. It reads a bundle from a folder or a tar, shows what it does, and signs it with a token.
//!
//! Nothing here knows a network: what coldsign believes is the pinned journal key, the files themselves, and its own
//! limits. Order of the files, top down: `arguments` → `keygen`, `inspect`, `sign` (one per command) → `config`,
//! `limits`, `signed_log`, `confirm`, `summary` (what a signature depends on) → `token`, `media` (reaching it all).
//!
//! Exit codes: 0 done, 1 refused or failed, 2 used or configured wrongly. An error is one line.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod arguments;
mod config;
mod confirm;
mod error;
mod inspect;
mod keygen;
mod limits;
mod media;
mod sign;
mod signed_log;
mod summary;
mod token;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use crate::arguments::Invocation;
use crate::config::Config;
use crate::error::ColdsignError;

/// Set in a process that executed itself, so that it does so once.
const EXECUTED: &str = "COLDSIGN_ENVIRONMENT_SET";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coldsign: {}", error::one_line(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<(), ColdsignError> {
    match arguments::parse(lexopt::Parser::from_env())? {
        Invocation::Help => print!("{}", arguments::HELP),
        Invocation::Version => println!("coldsign {}", env!("CARGO_PKG_VERSION")),
        Invocation::Inspect { bundle, config } => {
            let config = config.map(|path| Config::read(&path)).transpose()?;
            inspect::run(&bundle, config.as_ref())?;
        }
        Invocation::Keygen { config, label } => {
            let config = Config::read(&config)?;
            with_environment(&config)?;
            keygen::run(&config, &label)?;
        }
        Invocation::Sign(order) => {
            let config = Config::read(&order.config)?;
            with_environment(&config)?;
            sign::run(&config, &order)?;
        }
    }
    Ok(())
}

/// PKCS#11 libraries read variables with getenv when they are loaded, and a running process can't change its own
/// safely. So the program starts itself over with those that the profile asks for, before it has any thread.
fn with_environment(config: &Config) -> Result<(), ColdsignError> {
    let missing = config.profile.missing_environment();
    if missing.is_empty() || std::env::var_os(EXECUTED).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(ColdsignError::Restart)?;
    let failure = Command::new(program)
        .args(std::env::args_os().skip(1))
        .envs(missing)
        .env(EXECUTED, "1")
        .exec();
    Err(ColdsignError::Restart(failure))
}

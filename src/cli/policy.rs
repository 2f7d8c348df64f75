//! `custodyd policy`: try a policy before anyone relies on it.

mod check;
mod diff;
mod explain;
mod prove;
mod replay;
mod test;

use std::path::Path;

use clap::Subcommand;
use custodyd::config::{Config, read};
use custodyd_policy::Policy;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Parses a policy and says what is odd about it.
    Check(check::Options),
    /// Says what changes from one policy to another, with requests whose verdict differs.
    Diff(diff::Options),
    /// Answers claims about a policy: true with the argument, or false with a counterexample.
    Prove(prove::Options),
    /// Runs cases (facts and the expected verdict) against a policy, and names the rules that none of them touches.
    Test(test::Options),
    /// Judges one request and tells how every rule and limit saw it.
    Explain(explain::Options),
    /// Judges all that was ever asked of the vault anew, and prints what would have been different.
    Replay(replay::Options),
}

impl Command {
    /// Whether it needs the configuration: the others read files alone.
    pub(super) const fn needs_config(&self) -> bool {
        matches!(self, Self::Replay(_))
    }
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(options) => check::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Prove(options) => prove::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Replay(_) => Err("replaying needs the vault's configuration".into()),
    }
}

/// What needs the vault's journal.
pub(super) async fn run_on(config: &Config, command: Command) -> Result<(), Failure> {
    match command {
        Command::Replay(options) => replay::run(config, &options).await,
        other => run(other),
    }
}

fn parsed(path: &Path) -> Result<Policy, Failure> {
    Policy::parse(&read(path)?).map_err(|e| format!("{}: {e}", path.display()).into())
}

/// Writes a text to a file of a directory, which is made if it is not there.
fn written(directory: &Path, name: &str, text: &str) -> Result<(), Failure> {
    let path = directory.join(name);
    std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(())
}

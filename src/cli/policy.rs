//! `custodyd policy`: try a policy before anyone relies on it.

mod check;
mod diff;
mod prove;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use custodyd::config::read;
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
    /// Runs cases (facts and the expected verdict) against a policy.
    Test {
        /// The policy.
        policy: PathBuf,
        /// Case files.
        #[arg(required = true)]
        cases: Vec<PathBuf>,
    },
}

pub(super) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(options) => check::run(&options),
        Command::Diff(options) => diff::run(&options),
        Command::Prove(options) => prove::run(&options),
        Command::Test { policy, cases } => {
            let parsed =
                Policy::parse(&read(&policy)?).map_err(|e| format!("{}: {e}", policy.display()))?;
            let mut failed = 0_usize;
            for path in &cases {
                let report = custodyd_policy::cases::run(&parsed, &read(path)?)
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                println!(
                    "{} {}",
                    if report.passed() { "pass" } else { "FAIL" },
                    path.display()
                );
                if !report.passed() {
                    println!("{report}");
                    failed = failed.saturating_add(1);
                }
            }
            if failed == 0 {
                Ok(())
            } else {
                Err(format!("{failed} of {} cases failed", cases.len()).into())
            }
        }
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

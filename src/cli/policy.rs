//! `custodyd policy`: try a policy before anyone relies on it.

use std::path::PathBuf;

use clap::Subcommand;
use custodyd::config::read;
use custodyd_policy::Policy;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Parses a policy and says what it holds.
    Check {
        /// The policy.
        policy: PathBuf,
    },
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
        Command::Check { policy } => {
            let parsed =
                Policy::parse(&read(&policy)?).map_err(|e| format!("{}: {e}", policy.display()))?;
            let (rules, limits, groups) = (
                parsed.rule_count(),
                parsed.limit_count(),
                parsed.groups().len(),
            );
            println!(
                "{}: {rules} rules, {limits} limits, {groups} groups",
                policy.display()
            );
            println!("hash {}", parsed.hash());
            Ok(())
        }
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

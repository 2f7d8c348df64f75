//! `custodyd policy check`: parses a policy and says what is odd about it.

use std::path::PathBuf;

use custodyd_policy::analysis::{Severity, check};

use super::parsed;
use crate::cli::Failure;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// The policy.
    policy: PathBuf,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let policy = parsed(&options.policy)?;
    let findings = check(&policy).map_err(|e| format!("{}: {e}", options.policy.display()))?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&findings)?);
    } else {
        println!(
            "{}: {} rules, {} limits, {} groups",
            options.policy.display(),
            policy.rule_count(),
            policy.limit_count(),
            policy.groups().len()
        );
        println!("hash {}", policy.hash());
        for finding in &findings {
            println!("{finding}");
        }
    }
    let worst = if options.strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    let bad = findings
        .iter()
        .filter(|finding| finding.severity() <= worst);
    match bad.count() {
        0 => Ok(()),
        count => Err(format!("{}: {count} findings to mend", options.policy.display()).into()),
    }
}

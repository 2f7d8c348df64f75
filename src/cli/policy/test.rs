//! `custodyd policy test`: a policy's examples, and what of it no example touches.

use std::path::PathBuf;

use clap::Args;
use custodyd::config::read;
use custodyd_policy::cases;

use super::{Failure, parsed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy.
    policy: PathBuf,
    /// Case files.
    #[arg(required = true)]
    cases: Vec<PathBuf>,
    /// Fail if a rule or limit is touched by no case.
    #[arg(long)]
    complete: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let policy = parsed(&options.policy)?;
    let (mut reports, mut failed) = (Vec::new(), 0_usize);
    for path in &options.cases {
        let report =
            cases::run(&policy, &read(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
        let passed = report.passed();
        println!(
            "{} {}",
            if passed { "pass" } else { "FAIL" },
            path.display()
        );
        if !passed {
            println!("{report}");
            failed = failed.saturating_add(1);
        }
        reports.push(report);
    }
    let coverage = cases::coverage(&policy, &reports);
    println!("{coverage}");
    if failed > 0 {
        return Err(format!("{failed} of {} cases failed", options.cases.len()).into());
    }
    if options.complete && !coverage.is_complete() {
        return Err("not every rule and limit is touched by a case".into());
    }
    Ok(())
}

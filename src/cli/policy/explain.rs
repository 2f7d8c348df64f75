//! `custodyd policy explain`: the verdict on one request, and how every rule and limit came to its part in it.

use std::path::PathBuf;

use clap::Args;
use custodyd::config::read;
use custodyd_policy::{Facts, LimitBook, cases};

use super::{Failure, parsed};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy.
    policy: PathBuf,
    /// The request: a case (TOML; what it expects is left aside), or facts as a simulation gives them (JSON).
    #[arg(value_name = "FACTS", required_unless_present = "case")]
    facts: Option<PathBuf>,
    /// The same, of a case.
    #[arg(long, value_name = "FILE", conflicts_with = "facts")]
    case: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let policy = parsed(&options.policy)?;
    let path = options.facts.as_ref().or(options.case.as_ref());
    let path = path.ok_or("name the facts to judge")?;
    let text = read(path)?;
    let fault = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let explanation = if path
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let facts: Facts = serde_json::from_str(&text).map_err(|e| fault(&e))?;
        // A book of this policy in which nothing was admitted yet.
        let book = LimitBook::for_policy::<Facts>(&policy, []);
        policy.explain(&facts, &book)
    } else {
        cases::explain(&policy, &text).map_err(|e| fault(&e))?
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&explanation)?);
    } else {
        println!("{explanation}");
    }
    Ok(())
}

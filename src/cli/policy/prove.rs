//! `custodyd policy prove`: answers claims about a policy, each true with the argument or false with requests that show it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use custodyd::config::read;
use custodyd_policy::Facts;
use custodyd_policy::analysis::{Answer, Claims, Proof, prove};

use super::{parsed, written};
use crate::cli::Failure;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// The policy.
    policy: PathBuf,
    /// The claims; `NAME.proofs.toml` or `proofs.toml` beside the policy, if left out.
    proofs: Option<PathBuf>,
    /// Print the answers as JSON.
    #[arg(long)]
    json: bool,
    /// Write the requests of each counterexample to this directory: bodies for POST /v1/withdrawals/simulate, and facts.
    #[arg(long)]
    write: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let policy = parsed(&options.policy)?;
    let path = match &options.proofs {
        Some(path) => path.clone(),
        None => beside(&options.policy),
    };
    let claims =
        Claims::parse(&policy, &read(&path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut proofs = Vec::new();
    for claim in claims.iter() {
        let begun = Instant::now();
        let proof = prove(&policy, &claims, claim);
        if !options.json {
            println!("{proof}\n  took {} ms", begun.elapsed().as_millis());
        }
        if let Some(directory) = &options.write {
            write(directory, &proof)?;
        }
        proofs.push(proof);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&proofs)?);
    }
    let failed = proofs.iter().filter(|proof| !proof.holds()).count();
    match failed {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} claims are not proven", proofs.len()).into()),
    }
}

fn beside(policy: &Path) -> PathBuf {
    let named = policy.with_extension("proofs.toml");
    if named.exists() {
        return named;
    }
    policy.with_file_name("proofs.toml")
}

/// The requests of a counterexample, the first few of a long one.
fn write(directory: &Path, proof: &Proof) -> Result<(), Failure> {
    const MOST: usize = 20;
    let Answer::False { counterexample } = &proof.answer else {
        return Ok(());
    };
    for (number, step) in counterexample.steps.iter().take(MOST).enumerate() {
        let name = match counterexample.steps.len() {
            1 => proof.id.to_string(),
            _ => format!("{}-{:02}", proof.id, number.saturating_add(1)),
        };
        let body = serde_json::to_string_pretty(&body(&step.facts, &name))?;
        written(directory, &format!("{name}.json"), &body)?;
        let facts = serde_json::to_string_pretty(&step.facts)?;
        written(directory, &format!("{name}.facts.json"), &facts)?;
    }
    Ok(())
}

/// The request as a client would make it.
fn body(facts: &Facts, name: &str) -> serde_json::Value {
    serde_json::json!({
        "vault": facts.vault,
        "asset": facts.amount.asset(),
        "amount": facts.amount.to_decimal(),
        "destination": facts.destination.as_str(),
        "reference": format!("counterexample {name}"),
        "wallet": facts.wallet,
    })
}

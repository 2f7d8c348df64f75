//! `custodyd keys canary`: whether each token draws its nonces at random, as far as that can be seen.

use clap::Args;
use custodyd::{canary::SAMPLES, config::Config};
use custodyd_hsm::CanaryReport;

use super::{super::Failure, each_token};

/// How closely to look.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Signatures on each token: more of them show less bias.
    #[arg(long, default_value_t = SAMPLES, value_parser = clap::value_parser!(u32).range(1..=4096))]
    samples: u32,
}

pub(super) fn run(config: &Config, options: &Options) -> Result<(), Failure> {
    let mut biased = Vec::new();
    for (token, hsm) in each_token(config)? {
        match hsm.canary(options.samples)? {
            CanaryReport::Sound { samples } => {
                println!("{token}  sound: nothing stands out in {samples} nonces");
            }
            CanaryReport::NotPossible { code } => {
                println!("{token}  not possible: it takes no key from outside ({code})");
            }
            CanaryReport::Biased { samples, findings } => {
                println!("{token}  BIASED, by {samples} nonces:");
                for finding in findings {
                    println!("  {finding}");
                }
                biased.push(token);
            }
        }
    }
    if biased.is_empty() {
        return Ok(());
    }
    Err(format!("stop signing with {}: nonces are biased", biased.join(", ")).into())
}

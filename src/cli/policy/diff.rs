//! `custodyd policy diff`: what changes from one policy to another, by meaning.

use std::path::{Path, PathBuf};

use custodyd_policy::analysis::{Example, diff};

use super::{parsed, written};
use crate::cli::Failure;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// The policy in force.
    old: PathBuf,
    /// The one that is proposed.
    new: PathBuf,
    /// Print the differences as JSON.
    #[arg(long)]
    json: bool,
    /// Write each example's request, and what was admitted before it, to this directory.
    #[arg(long)]
    write: Option<PathBuf>,
}

pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let (old, new) = (parsed(&options.old)?, parsed(&options.new)?);
    let difference = diff(&old, &new)?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&difference)?);
    } else {
        println!("{difference}");
    }
    if let Some(directory) = &options.write {
        for (number, example) in difference.examples().enumerate() {
            write(directory, number, example)?;
        }
    }
    Ok(())
}

/// `NN.facts.json`, and `NN.earlier.json` where something was admitted before.
fn write(directory: &Path, number: usize, example: &Example) -> Result<(), Failure> {
    let serial = number.saturating_add(1);
    let facts = serde_json::to_string_pretty(&example.facts)?;
    written(directory, &format!("{serial:02}.facts.json"), &facts)?;
    if !example.earlier.is_empty() {
        let earlier = serde_json::to_string_pretty(&example.earlier)?;
        written(directory, &format!("{serial:02}.earlier.json"), &earlier)?;
    }
    Ok(())
}

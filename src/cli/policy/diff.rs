//! `custodyd policy diff`: what changes from one policy to another, by meaning.

use std::path::{Path, PathBuf};

use custodyd_policy::{
    analysis::{Example, diff},
    cases,
};

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
    /// Write each example to this directory, as a case that `policy explain` reads.
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

/// `NN.toml`: a case, which `custodyd policy explain` reads, with both verdicts in words.
fn write(directory: &Path, number: usize, example: &Example) -> Result<(), Failure> {
    let mut text = String::new();
    for (which, verdict) in [("old", &example.old), ("new", &example.new)] {
        for line in format!("{which}: {verdict}").lines() {
            text.push_str(&format!("# {line}\n"));
        }
    }
    text.push('\n');
    text.push_str(&cases::written(&example.facts, &example.earlier));
    let serial = number.saturating_add(1);
    written(directory, &format!("{serial:02}.toml"), &text)
}

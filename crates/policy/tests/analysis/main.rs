//! What the analysis of a policy tells people: what is odd, what differs, what is claimed and whether it is so.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod answers;
mod claims_file;
#[path = "../common/mod.rs"]
mod common;
mod differences;
mod findings;
mod plainest;

use common::HEAD;
use custodyd_policy::Policy;

/// The usual head, values in dollars, and this.
fn head(rest: &str) -> String {
    format!("{HEAD}[fiat]\ncurrency = \"USD\"\nprice_max_age = \"15m\"\n{rest}")
}

fn parse(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A text without the addresses and the policies' hashes, which say nothing to a reader of a test.
fn plain(text: &str) -> String {
    let hash = " (policy 01234567)".len();
    let mut found = String::new();
    for line in text.lines() {
        let line = match line.find(" (policy ") {
            Some(at) => format!("{}{}", &line[..at], &line[at + hash..]),
            None => line.to_owned(),
        };
        let words = line.split(' ').map(|word| match word {
            address if address.starts_with("bitcoin:") => "ADDRESS",
            word => word,
        });
        found += &words.collect::<Vec<_>>().join(" ");
        found.push('\n');
    }
    found
}

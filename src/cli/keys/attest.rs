//! `custodyd keys attest`: which keys there are, where each lives, and proof; and the same verified by anybody.

use std::path::PathBuf;

use clap::Args;
use custodyd::{
    ceremony::{Attestation, KeyEntry, Proof, TokenEntry},
    clock::Clock,
    config::Config,
};
use custodyd_hsm::{KeyId, PublicPoint};

use super::{super::Failure, Known, each_token, fresh, nonces, ours, prove, read, seal_to_file};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// What each key signs: 64 hexadecimal digits, drawn by the auditor. Fresh random ones when absent.
    #[arg(long, value_parser = challenge)]
    challenge: Option<String>,
    /// Only this key, by its CKA_ID; may be given several times.
    #[arg(long = "key", conflicts_with = "verify")]
    keys: Vec<KeyId>,
    /// Where the report goes: a file that isn't there yet.
    #[arg(long, required_unless_present = "verify", conflicts_with = "verify")]
    out: Option<PathBuf>,
    /// Verifies this report, without an HSM.
    #[arg(long, requires = "journal_key")]
    pub(super) verify: Option<PathBuf>,
    /// The journal's public key as it was written down at the genesis: 66 hexadecimal digits.
    #[arg(long, requires = "verify")]
    journal_key: Option<String>,
}

fn challenge(text: &str) -> Result<String, String> {
    let digits = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 64 && text.bytes().all(digits) {
        Ok(text.to_owned())
    } else {
        Err("write 64 lower-case hexadecimal digits".to_owned())
    }
}

pub(super) async fn run(config: &Config, options: &Options) -> Result<(), Failure> {
    let known = Known::load(config).await?;
    let challenge = match &options.challenge {
        Some(given) => given.clone(),
        None => {
            let mut bytes = [0; 32];
            fresh(&mut bytes)?;
            hex::encode(bytes)
        }
    };
    let mut report = Attestation {
        vault: config.vault.to_string(),
        challenge,
        made_at: Clock::system().now().as_ms(),
        custodyd: env!("CARGO_PKG_VERSION").to_owned(),
        policy: known.vault.policy().hash().to_string(),
        tokens: Vec::new(),
        keys: Vec::new(),
    };
    for (token, hsm) in each_token(config)? {
        let info = hsm.probe(hsm.call_limit())?;
        report.tokens.push(TokenEntry::new(&token, info));
        for found in hsm.list()? {
            if !options.keys.is_empty() && !options.keys.contains(&found.id) {
                continue;
            }
            let owner = known.owner(&ours(&found.id));
            let entry = KeyEntry::new(&found, owner.as_deref().unwrap_or("nobody"), &token);
            report.keys.push(if entry.misses().is_empty() {
                prove(config, &*hsm, &report.challenge, &report.vault, entry)?
            } else {
                // Never signed with, also not for this. That it is there at all is what the report must say.
                Proof {
                    key: entry,
                    signature: None,
                }
            });
        }
    }
    for id in &options.keys {
        if !report.keys.iter().any(|proof| proof.key.id == *id) {
            return Err(format!("key {id} is on no token").into());
        }
    }
    check_nonces(&known, &report).await?;
    let (count, out) = (report.keys.len(), options.out.clone().unwrap_or_default());
    println!("challenge    {}", report.challenge);
    seal_to_file(config, &known, report, &out).await?;
    println!("journal key  {}", known.journal_point()?);
    println!("{count} keys attested in {}", out.display());
    Ok(())
}

/// A proof must not hand out the nonce of a payment a second time: that would be the private key.
async fn check_nonces(known: &Known, report: &Attestation) -> Result<(), Failure> {
    let mut points = Vec::with_capacity(report.keys.len());
    for proof in &report.keys {
        let Some(text) = &proof.signature else {
            continue;
        };
        let mut signature = [0; 64];
        hex::decode_to_slice(text, &mut signature)?;
        let digest = Proof::digest(&report.challenge, &report.vault, &proof.key)?;
        points.push(nonces::row(&proof.key.public_key, digest, &signature));
    }
    nonces::refuse_used(known, &points).await
}

pub(super) fn verify(options: &Options) -> Result<(), Failure> {
    let (Some(file), Some(journal_key)) = (&options.verify, &options.journal_key) else {
        return Err("a report is verified with --verify FILE and --journal-key HEX".into());
    };
    let journal_key = PublicPoint::try_from(journal_key.clone())?;
    let (report, findings) =
        Attestation::verify(&read(file)?, &journal_key, options.challenge.as_deref())?;
    println!(
        "report of vault {}, signed by its journal key",
        report.vault
    );
    println!(
        "  made       {} ms after 1970, by the daemon's clock",
        report.made_at
    );
    println!("  challenge  {}", report.challenge);
    if options.challenge.is_none() {
        println!(
            "             not compared: give yours with --challenge, or this may be an old report"
        );
    }
    for token in &report.tokens {
        println!(
            "  token      {}: {} serial {}, {} {}, firmware {}",
            token.name, token.label, token.serial, token.manufacturer, token.model, token.firmware
        );
    }
    let mut faults = 0_usize;
    for finding in &findings {
        if finding.misses.is_empty() {
            println!("  ok    {}", finding.what);
        } else {
            faults = faults.saturating_add(1);
            println!("  FAIL  {}: {}", finding.what, finding.misses.join(", "));
        }
    }
    if faults == 0 {
        println!(
            "{} keys, each on its token, and none that could leave it",
            findings.len()
        );
        Ok(())
    } else {
        Err(format!(
            "{faults} of {} keys are not as a signing key must be",
            findings.len()
        )
        .into())
    }
}

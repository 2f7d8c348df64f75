//! `custodyd keys generate`: a key made ahead of time, by people who can then write down what it is.

use clap::{Subcommand, ValueEnum};
use custodyd::config::Config;
use custodyd_hsm::{Curve, KeyId};

use super::{super::Failure, fresh, wrapping};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum What {
    /// A key pair that signs, on the HSM as configured. A wallet's online keys are made by `serve` itself; this is for a
    /// wallet whose genesis names a public key.
    Signing {
        /// CKA_LABEL, for people who look at the token.
        #[arg(long)]
        label: String,
        /// The curve.
        #[arg(long, value_enum, default_value_t = CurveName::Secp256k1)]
        curve: CurveName,
        /// The id that an earlier run printed, to finish what it began.
        #[arg(long)]
        id: Option<KeyId>,
    },
    /// The key that wallets' keys are wrapped under, made and trusted by the security officer.
    Wrapping(wrapping::Options),
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(in crate::cli) enum CurveName {
    Secp256k1,
    P256,
    Ed25519,
}

impl From<CurveName> for Curve {
    fn from(name: CurveName) -> Self {
        match name {
            CurveName::Secp256k1 => Self::Secp256k1,
            CurveName::P256 => Self::P256,
            CurveName::Ed25519 => Self::Ed25519,
        }
    }
}

pub(super) fn run(config: &Config, what: What) -> Result<(), Failure> {
    let (label, curve, id) = match what {
        What::Wrapping(options) => return wrapping::run(config, options),
        What::Signing { label, curve, id } => (label, curve, id),
    };
    let (id, curve) = (chosen(id)?, Curve::from(curve));
    let hsm = config.hsm.open(&config.log)?;
    let public = hsm.generate(&id, &label, curve)?;
    hsm.check_attributes(&id)?;
    println!("curve       {curve}");
    println!("public key  {public}");
    match curve {
        Curve::Secp256k1 => println!("in genesis  public_key = \"{public}\""),
        Curve::P256 => {
            println!("in genesis  nothing: the journal's key is made by `custodyd init`");
        }
        Curve::Ed25519 => println!("in genesis  nothing: no chain signs with this curve yet"),
    }
    println!("until a wallet names it, `keys list` and each start call it an orphan");
    Ok(())
}

/// Printed before the HSM is asked, so that a crash leaves no key whose id nobody knows.
fn chosen(id: Option<KeyId>) -> Result<KeyId, Failure> {
    let id = match id {
        Some(id) => id,
        None => {
            let mut bytes = [0; 16];
            fresh(&mut bytes)?;
            KeyId::from_bytes(bytes)
        }
    };
    println!("id          {id}  (if this ends without a public key, repeat it with --id {id})");
    Ok(id)
}

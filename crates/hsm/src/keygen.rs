//! Generates a key pair inside the token, once per id, and refuses to use what came out different.

use std::sync::{Arc, PoisonError};

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectHandle};

use crate::attributes::Flag;
use crate::ec;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::{Curve, KeyId, PublicPoint};
use crate::login::Login;
use crate::profile::Profile;
use crate::session::KeySession;

/// Marks an id as being generated, so that two workers can't make two keys of one id.
pub(crate) struct Claim {
    login: Arc<Login>,
    id: KeyId,
}

impl Claim {
    pub(crate) fn take(login: &Arc<Login>, id: KeyId) -> Result<Self, HsmError> {
        if login
            .generating
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id)
        {
            return Ok(Self {
                login: Arc::clone(login),
                id,
            });
        }
        Err(HsmError::GenerationRunning { key: id })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.login
            .generating
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.id);
    }
}

/// The public point of the key with this id: of the one that exists, or of a new one. Safe to repeat after any
/// failure, since it looks first.
pub(crate) fn generate(
    session: &KeySession,
    id: &KeyId,
    label: &str,
    curve: Curve,
) -> Result<PublicPoint, Fault> {
    if session.locate(id)?.is_none() {
        make(session, id, label, curve)?;
        tracing::info!(key = %id, %curve, token = session.login.info.label, "generated a key pair");
    }
    let located = session.check(id)?;
    if located.report.curve != curve {
        return Err(HsmError::CurveMismatch {
            key: *id,
            wanted: curve,
            found: located.report.curve,
        }
        .into());
    }
    Ok(located.report.public)
}

/// Makes a key pair without looking whether there is one. Gives the handles of its public and its private key.
pub(crate) fn make(
    session: &KeySession,
    id: &KeyId,
    label: &str,
    curve: Curve,
) -> Result<(ObjectHandle, ObjectHandle), Fault> {
    let profile = &session.login.profile;
    let mechanism = match curve {
        Curve::Secp256k1 | Curve::P256 => Mechanism::EccKeyPairGen,
        Curve::Ed25519 => {
            session.login.demand_eddsa()?;
            Mechanism::EccEdwardsKeyPairGen
        }
    };
    Ok(session.session.generate_key_pair(
        &mechanism,
        &public_template(id, label, curve, profile),
        &private_template(id, label, profile),
    )?)
}

/// Everything is stated, since defaults differ: CloudHSM's CKA_TOKEN is false, CKA_EXTRACTABLE true.
fn private_template(id: &KeyId, label: &str, profile: &Profile) -> Vec<Attribute> {
    let mut template: Vec<Attribute> = Flag::ALL
        .into_iter()
        .filter(|flag| !profile.quirks.unsupported_attributes.contains(flag))
        .filter_map(|flag| flag.generated().map(|value| flag.attribute(value)))
        .collect();
    template.extend([
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
    ]);
    profile.templates.private.apply(&mut template);
    template
}

fn public_template(id: &KeyId, label: &str, curve: Curve, profile: &Profile) -> Vec<Attribute> {
    let quirks = &profile.quirks;
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(quirks.public_key_is_private),
        Attribute::Verify(true),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::EcParams(ec::encode_params(curve, quirks.ec_params)),
    ];
    // What the private key may not do, the public key may not either; a module that lacks the one lacks the other.
    for (private, public) in [
        (Flag::Decrypt, Attribute::Encrypt(false)),
        (Flag::Unwrap, Attribute::Wrap(false)),
        (Flag::Derive, Attribute::Derive(false)),
        (Flag::SignRecover, Attribute::VerifyRecover(false)),
        (Flag::Modifiable, Attribute::Modifiable(false)),
    ] {
        if !quirks.unsupported_attributes.contains(&private) {
            template.push(public);
        }
    }
    profile.templates.public.apply(&mut template);
    template
}

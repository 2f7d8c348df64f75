//! Generates a key pair inside the token, once per id, and refuses to use what came out different.

use std::sync::{Arc, PoisonError};

use cryptoki::mechanism::Mechanism;
use cryptoki::object::Attribute;

use crate::attributes::Flag;
use crate::ec;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::{Curve, KeyId, PublicPoint};
use crate::login::Login;
use crate::quirks::Quirks;
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
    let quirks = &session.login.profile.quirks;
    if session.locate(id)?.is_none() {
        session.session.generate_key_pair(
            &Mechanism::EccKeyPairGen,
            &public_template(id, label, curve, quirks),
            &private_template(id, label, quirks),
        )?;
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

/// Everything is stated, since defaults differ: CloudHSM's CKA_TOKEN is false, CKA_EXTRACTABLE true.
fn private_template(id: &KeyId, label: &str, quirks: &Quirks) -> Vec<Attribute> {
    let flags = Flag::ALL
        .into_iter()
        .filter(|flag| !quirks.unsupported_attributes.contains(flag))
        .filter_map(|flag| flag.generated().map(|value| flag.attribute(value)));
    flags
        .chain([
            Attribute::Id(id.as_bytes().to_vec()),
            Attribute::Label(label.as_bytes().to_vec()),
        ])
        .collect()
}

fn public_template(id: &KeyId, label: &str, curve: Curve, quirks: &Quirks) -> Vec<Attribute> {
    let mut template = vec![
        Attribute::Token(true),
        Attribute::Private(quirks.public_key_is_private),
        Attribute::Verify(true),
        Attribute::Encrypt(false),
        Attribute::Wrap(false),
        Attribute::Derive(false),
        Attribute::Id(id.as_bytes().to_vec()),
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::EcParams(ec::encode_params(curve, quirks.ec_params)),
    ];
    if !quirks.unsupported_attributes.contains(&Flag::SignRecover) {
        template.push(Attribute::VerifyRecover(false));
    }
    if !quirks.unsupported_attributes.contains(&Flag::Modifiable) {
        template.push(Attribute::Modifiable(false));
    }
    template
}

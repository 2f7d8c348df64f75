//! A throwaway key pair: made as the daemon makes one, looked at, used, and destroyed.
//!
//! Nothing but the two handles that its own generation gave is ever destroyed here.

use std::sync::Arc;

use cryptoki::object::{Attribute, ObjectHandle};
use cryptoki::session::Session;
use sha2::{Digest, Sha256};

use crate::attributes::Flag;
use crate::error::HsmError;
use crate::examine::{Findings, Outcome};
use crate::fault::Fault;
use crate::key::{Curve, KeyId};
use crate::keygen;
use crate::login::Login;
use crate::profile::SessionMode;
use crate::request::KeyRef;
use crate::session::KeySession;
use crate::verify;

/// Label of the throwaway keys, by which a person knows one that a crash left.
const LABEL: &str = "custodyd-doctor";
/// Signatures made. Half of what a token signs is high-S: all of them would be low by chance once in 65,536 times.
const SIGNATURES: u8 = 16;

/// A key pair that this program made just now.
struct Throwaway {
    id: KeyId,
    public: ObjectHandle,
    private: ObjectHandle,
}

/// Makes a key pair on this curve, says how it went, and leaves nothing of it.
pub(crate) fn make_and_use(findings: &Findings, login: &Arc<Login>, curve: Curve) {
    let part = |what: &str| format!("{curve}: {what}");
    if login.profile.mode == SessionMode::ReadOnly {
        return findings.add(
            &part("made"),
            Outcome::Absent,
            "not tried: sessions.mode is read-only",
        );
    }
    let retried = login.profile.quirks.retry_codes.clone();
    let told = |fault: Fault| fault.into_error(&retried);
    let session = KeySession::open(login).map_err(told);
    let Some(mut session) = findings.need(&part("made"), session) else {
        return;
    };
    let made = match Throwaway::make(&session, curve) {
        Ok(made) => made,
        Err(fault) => {
            let text = format!(
                "token {:?} makes no {curve} key: {}",
                login.info.label,
                told(fault)
            );
            return findings.miss(&part("made"), text);
        }
    };
    findings.good(&part("made"), format!("throwaway key {}", made.id));

    let checked = session.check(&made.id).map_err(told);
    if findings.need(&part("attributes"), checked).is_some() {
        let (demanded, waived) = demanded(&login.profile.quirks.unsupported_attributes);
        findings.good(
            &part("attributes"),
            format!("{demanded} as they must be{waived}"),
        );
        let signed = signed(&mut session, &made.id, curve).map_err(told);
        if let Some(text) = findings.need(&part("signed"), signed) {
            findings.good(&part("signed"), text);
        }
    }

    let by_hand = format!("destroy key {} with label {LABEL} by hand", made.id);
    match made.destroy(&session.session).map_err(told) {
        Ok(0) => findings.good(&part("destroyed"), "and seen to be gone"),
        Ok(left) => findings.miss(
            &part("destroyed"),
            format!("{left} object(s) of it are still there; {by_hand}"),
        ),
        Err(error) => findings.miss(&part("destroyed"), format!("{error}; {by_hand}")),
    }
}

impl Throwaway {
    fn make(session: &KeySession, curve: Curve) -> Result<Self, Fault> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| HsmError::Call {
            function: "the system's random generator".into(),
            code: error.to_string(),
            class: crate::error::Class::Fatal,
        })?;
        let id = KeyId::from_bytes(bytes);
        let (public, private) = keygen::make(session, &id, LABEL, curve)?;
        Ok(Self {
            id,
            public,
            private,
        })
    }

    /// Destroys both halves, and counts what is left.
    fn destroy(self, session: &Session) -> Result<usize, Fault> {
        let private = session.destroy_object(self.private);
        let public = session.destroy_object(self.public);
        let left = session.find_objects(&[Attribute::Id(self.id.as_bytes().to_vec())])?;
        if !left.is_empty() {
            // Where both halves are one object, the second is gone with the first, and that is no fault.
            private?;
            public?;
        }
        Ok(left.len())
    }
}

fn signed(session: &mut KeySession, id: &KeyId, curve: Curve) -> Result<String, Fault> {
    for count in 0..SIGNATURES {
        let mut hash = Sha256::new_with_prefix(id.as_bytes());
        hash.update([count]);
        let digest: [u8; 32] = hash.finalize().into();
        let signature = session.sign(&KeyRef::Resident(*id), curve, &digest)?;
        if curve == Curve::Secp256k1 && !verify::is_low_s(&signature) {
            return Err(Fault::BadSignature(*id));
        }
    }
    let low = match curve {
        Curve::Secp256k1 => ", low-S",
        _ => "",
    };
    Ok(format!(
        "{SIGNATURES} digests, each signature verified{low}"
    ))
}

fn demanded(unsupported: &[Flag]) -> (usize, String) {
    let waived: Vec<&str> = unsupported.iter().map(|flag| flag.name()).collect();
    let demanded = Flag::ALL
        .into_iter()
        .filter(|flag| flag.required().is_some() && !unsupported.contains(flag))
        .count();
    match waived.is_empty() {
        true => (demanded, String::new()),
        false => (demanded, format!("; not asked for: {}", waived.join(", "))),
    }
}

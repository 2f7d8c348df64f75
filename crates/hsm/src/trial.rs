//! A throwaway key pair: made as the daemon makes one, looked at, used, and destroyed.
//!
//! Nothing but the two handles that its own generation gave is ever destroyed here.

use std::sync::Arc;
use std::time::Instant;

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
use crate::verify::{self, Signed};
use crate::worker::attempt;

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
    let opened = KeySession::open(login).map_err(told);
    let Some(session) = findings.need(&part("made"), opened) else {
        return;
    };
    // Once: a second attempt could leave the key of a first one that failed too late.
    let made = match Throwaway::make(&session, curve) {
        Ok(made) => made,
        Err(fault) => {
            let text = format!(
                "token {:?} makes no {curve} key: {}",
                login.info.label,
                told(fault)
            );
            // CKM_EDDSA may be there for Ed448 alone.
            let needed = match curve {
                Curve::Secp256k1 | Curve::P256 => Outcome::Miss,
                Curve::Ed25519 => Outcome::Absent,
            };
            return findings.add(&part("made"), needed, text);
        }
    };
    findings.good(&part("made"), format!("throwaway key {}", made.id));

    let mut session = Some(session);
    use_it(findings, login, &mut session, &made, curve);

    let by_hand = format!("destroy key {} with label {LABEL} by hand", made.id);
    let session = match session {
        Some(session) => Ok(session),
        None => KeySession::open(login),
    };
    let left = session.and_then(|session| made.destroy(&session.session));
    match left.map_err(told) {
        Ok(0) => findings.good(&part("destroyed"), "and seen to be gone"),
        Ok(left) => findings.miss(
            &part("destroyed"),
            format!("{left} object(s) of it are still there; {by_hand}"),
        ),
        Err(error) => findings.miss(&part("destroyed"), format!("{error}; {by_hand}")),
    }
}

/// Reads and uses the key with the patience that the daemon has, since modules throttle and synchronise.
fn use_it(
    findings: &Findings,
    login: &Arc<Login>,
    session: &mut Option<KeySession>,
    made: &Throwaway,
    curve: Curve,
) {
    let limit = login.profile.call_timeout;
    let (attributes, signed) = (format!("{curve}: attributes"), format!("{curve}: signed"));
    let checked = attempt(login, session, Instant::now() + limit, |session| {
        session.check(&made.id).map(drop)
    });
    if findings.need(&attributes, checked).is_none() {
        return;
    }
    let unsupported = &login.profile.quirks.unsupported_attributes;
    findings.good(&attributes, demanded(unsupported));
    for count in 0..SIGNATURES {
        let mut hash = Sha256::new_with_prefix(made.id.as_bytes());
        hash.update([count]);
        let digest: [u8; 32] = hash.finalize().into();
        let one = attempt(login, session, Instant::now() + limit, |session| {
            let signed = Signed::of(curve, &digest);
            let signature = session.sign(&KeyRef::Resident(made.id), curve, signed)?;
            match curve == Curve::Secp256k1 && !verify::is_low_s(&signature) {
                true => Err(Fault::BadSignature(made.id)),
                false => Ok(()),
            }
        });
        if findings.need(&signed, one).is_none() {
            return;
        }
        findings.alive();
    }
    let (what, low) = match curve {
        Curve::Secp256k1 => ("digests", ", low-S"),
        Curve::P256 => ("digests", ""),
        Curve::Ed25519 => ("messages", ""),
    };
    findings.good(
        &signed,
        format!("{SIGNATURES} {what}, each signature verified{low}"),
    );
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

fn demanded(unsupported: &[Flag]) -> String {
    let waived: Vec<&str> = unsupported.iter().map(|flag| flag.name()).collect();
    let demanded = Flag::ALL
        .into_iter()
        .filter(|flag| flag.required().is_some() && !unsupported.contains(flag))
        .count();
    match waived.is_empty() {
        true => format!("{demanded} as they must be"),
        false => format!(
            "{demanded} as they must be; not asked for: {}",
            waived.join(", ")
        ),
    }
}

//! Vendors' manners as data.
//!
//! Cited is what a vendor documents. What isn't cited stands for forms that are met in the field, spread over the vendors
//! so that custodyd meets each of them.

use std::time::Duration;

use cryptoki_sys as c;

use crate::rules::Manner;

/// How a PIN is taken apart before the real token sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pin {
    Plain,
    /// `user:password`: the password is the token's PIN.
    UserPassword,
    /// Four hexadecimal digits of a key's id, then the password.
    KeyIdPassword,
}

/// How CKA_EC_POINT is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    OctetString,
    Raw,
}

/// How CKA_EC_PARAMS is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Params {
    Oid,
    /// A PrintableString; OIDs are understood too when a key is made.
    Name,
}

pub(crate) struct Manners {
    pub(crate) pin: Pin,
    pub(crate) point: Point,
    pub(crate) params: Params,
    /// A read-only session gets CKR_FUNCTION_FAILED.
    pub(crate) read_write_only: bool,
    /// CKA_ID can't be changed.
    pub(crate) fixed_id: bool,
    /// There are no CKO_DATA objects.
    pub(crate) no_data: bool,
    /// Attributes that don't exist: CKR_ATTRIBUTE_TYPE_INVALID for the whole call, which answers nothing.
    pub(crate) lacks: &'static [c::CK_ATTRIBUTE_TYPE],
    /// Attributes that may only be true.
    pub(crate) only_true: &'static [c::CK_ATTRIBUTE_TYPE],
    /// Every so many signatures, one fails with CKR_FUNCTION_FAILED.
    pub(crate) throttle: Option<u64>,
    /// A new key can't be used for so long: CKR_KEY_HANDLE_INVALID.
    pub(crate) synchronise: Option<Duration>,
    pub(crate) max_sessions: Option<u64>,
    pub(crate) idle: Option<Duration>,
}

const PLAIN: Manners = Manners {
    pin: Pin::Plain,
    point: Point::OctetString,
    params: Params::Oid,
    read_write_only: false,
    fixed_id: false,
    no_data: false,
    lacks: &[],
    only_true: &[],
    throttle: None,
    synchronise: None,
    max_sessions: None,
    idle: None,
};

/// What most vendors' libraries lack: signatures from which the data is recovered. One unknown attribute spoils a call.
const RECOVER: &[c::CK_ATTRIBUTE_TYPE] = &[c::CKA_SIGN_RECOVER, c::CKA_VERIFY_RECOVER];

/// AWS CloudHSM user guide, Client SDK 5, PKCS #11 library: authentication, key attributes, known issues, throttling.
const CLOUDHSM: Manners = Manners {
    pin: Pin::UserPassword,
    read_write_only: true,
    fixed_id: true,
    no_data: true,
    lacks: RECOVER,
    only_true: &[c::CKA_MODIFIABLE, c::CKA_PRIVATE],
    throttle: Some(7),
    synchronise: Some(Duration::from_millis(60)),
    max_sessions: Some(1024),
    ..PLAIN
};

/// YubiHSM 2 user guide: 16 sessions (core concepts, session), 30 s of inactivity; the PIN is the authentication key's id
/// as four hexadecimal digits and its password (PKCS#11 with YubiHSM 2).
const YUBIHSM2: Manners = Manners {
    pin: Pin::KeyIdPassword,
    lacks: RECOVER,
    max_sessions: Some(16),
    idle: Some(Duration::from_secs(30)),
    ..PLAIN
};

/// DER-wrapped points (OpenSC issue 1285).
const LUNA: Manners = Manners {
    lacks: RECOVER,
    ..PLAIN
};

const NSHIELD: Manners = Manners {
    params: Params::Name,
    lacks: RECOVER,
    ..PLAIN
};

const UTIMACO: Manners = Manners {
    point: Point::Raw,
    lacks: RECOVER,
    ..PLAIN
};

pub(crate) const fn of(manner: Option<Manner>) -> &'static Manners {
    match manner {
        None => &PLAIN,
        Some(Manner::CloudHsm) => &CLOUDHSM,
        Some(Manner::YubiHsm2) => &YUBIHSM2,
        Some(Manner::Luna) => &LUNA,
        Some(Manner::NShield) => &NSHIELD,
        Some(Manner::Utimaco) => &UTIMACO,
    }
}

impl Manners {
    /// The part of the PIN that the real token knows; none if the form is wrong.
    pub(crate) fn pin<'a>(&self, pin: &'a [u8]) -> Option<&'a [u8]> {
        match self.pin {
            Pin::Plain => Some(pin),
            Pin::UserPassword => {
                let colon = pin.iter().position(|byte| *byte == b':')?;
                pin.get(colon + 1..)
            }
            Pin::KeyIdPassword => {
                let (id, password) = pin.split_at_checked(4)?;
                id.iter().all(u8::is_ascii_hexdigit).then_some(password)
            }
        }
    }

    /// CKA_EC_POINT as this module gives it, from a DER OCTET STRING of less than 128 bytes.
    pub(crate) fn point(&self, der: Vec<u8>) -> Vec<u8> {
        match (self.point, der.as_slice()) {
            (Point::Raw, [0x04, _, raw @ ..]) => raw.to_vec(),
            _ => der,
        }
    }

    /// CKA_EC_PARAMS as this module gives it, from an OID.
    pub(crate) fn params(&self, oid: Vec<u8>) -> Vec<u8> {
        if self.params == Params::Oid {
            return oid;
        }
        CURVES
            .iter()
            .find(|(known, _)| *known == oid)
            .map_or(oid, |(_, name)| name.to_vec())
    }

    /// The OID of a curve that a caller named, where this module knows names.
    pub(crate) fn oid(&self, params: &[u8]) -> Option<Vec<u8>> {
        if self.params == Params::Oid {
            return None;
        }
        let (oid, _) = CURVES.iter().find(|(_, name)| *name == params)?;
        Some(oid.to_vec())
    }
}

/// OID and PrintableString of the curves in use.
const CURVES: [(&[u8], &[u8]); 2] = [
    (
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a],
        b"\x13\x09secp256k1",
    ),
    (
        &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
        b"\x13\x09secp256r1",
    ),
];

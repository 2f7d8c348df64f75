//! C_SignInit and C_Sign: the real module's signatures, the shim's own, and spoilt ones.
#![allow(unsafe_code, reason = "data and signature are C pointers")]

use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use cryptoki_sys as c;

use crate::around::Call;
use crate::counts::Extra;
use crate::emulated::Secret;
use crate::real::ask;
use crate::rules::Injection;
use crate::shim::Shim;

const LENGTH: usize = 64;

pub(crate) fn sign_init(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    mechanism: *mut c::CK_MECHANISM,
    key: c::CK_OBJECT_HANDLE,
) -> c::CK_RV {
    let shim = call.shim;
    if let Some(pause) = call.now.manners.synchronise
        && shim.sessions.key_is_younger(pause)
    {
        return c::CKR_KEY_HANDLE_INVALID;
    }
    if call.now.rules.emulate.is_none() {
        return ask!(shim, C_SignInit(session, mechanism, key));
    }
    if let Some(code) = logged_out(shim, session) {
        return code;
    }
    match shim.keys.secret(shim, session, key) {
        None => ask!(shim, C_SignInit(session, mechanism, key)),
        Some(_) if shim.sessions.signing(session).is_some() => c::CKR_OPERATION_ACTIVE,
        secret => {
            shim.sessions.begin_signing(session, secret);
            c::CKR_OK
        }
    }
}

fn logged_out(shim: &Shim, session: c::CK_SESSION_HANDLE) -> Option<c::CK_RV> {
    let mut info = c::CK_SESSION_INFO::default();
    match ask!(shim, C_GetSessionInfo(session, &raw mut info)) {
        c::CKR_OK
            if matches!(
                info.state,
                c::CKS_RO_USER_FUNCTIONS | c::CKS_RW_USER_FUNCTIONS
            ) =>
        {
            None
        }
        c::CKR_OK => Some(c::CKR_USER_NOT_LOGGED_IN),
        code => Some(code),
    }
}

/// What C_Sign is given.
pub(crate) struct Signing {
    pub(crate) session: c::CK_SESSION_HANDLE,
    pub(crate) data: *mut c::CK_BYTE,
    pub(crate) data_length: c::CK_ULONG,
    pub(crate) signature: *mut c::CK_BYTE,
    pub(crate) signature_length: *mut c::CK_ULONG,
}

impl Signing {
    /// The length of a signature: neither a call that is counted, nor one that fails.
    pub(crate) fn ask_length(&self, shim: &Shim) -> c::CK_RV {
        if shim.sessions.signing(self.session).is_none() {
            return self.real(shim);
        }
        self.set_length();
        c::CKR_OK
    }

    pub(crate) fn sign(&self, call: &Call) -> c::CK_RV {
        let shim = call.shim;
        if let Some(each) = call.now.manners.throttle {
            let number = call.now.signatures.fetch_add(1, Ordering::Relaxed) + 1;
            if number.is_multiple_of(each) {
                return c::CKR_FUNCTION_FAILED;
            }
        }
        let code = match shim.sessions.signing(self.session) {
            None => self.real(shim),
            Some(secret) => {
                shim.sessions.begin_signing(self.session, None);
                self.emulated(call, &secret)
            }
        };
        if code == c::CKR_OK {
            shim.counts.extra(Extra::Signatures);
            self.spoil(call.fault);
        }
        code
    }

    fn real(&self, shim: &Shim) -> c::CK_RV {
        ask!(
            shim,
            C_Sign(
                self.session,
                self.data,
                self.data_length,
                self.signature,
                self.signature_length,
            )
        )
    }

    fn emulated(&self, call: &Call, secret: &Secret) -> c::CK_RV {
        let Some(digest) = self.digest() else {
            return c::CKR_DATA_LEN_RANGE;
        };
        let delay = call.now.rules.emulate.unwrap_or_default().sign_delay_us;
        sleep(Duration::from_micros(delay));
        let Some(signature) = secret.sign(digest, call.fault) else {
            return c::CKR_DATA_INVALID;
        };
        let Some(place) = self.signature() else {
            return c::CKR_BUFFER_TOO_SMALL;
        };
        place.copy_from_slice(&signature);
        self.set_length();
        c::CKR_OK
    }

    fn digest(&self) -> Option<&[u8]> {
        let length = usize::try_from(self.data_length).ok()?;
        if self.data.is_null() || length != 32 {
            return None;
        }
        // SAFETY: C_Sign's caller says that `data_length` bytes are there.
        Some(unsafe { std::slice::from_raw_parts(self.data, length) })
    }

    /// The place for a signature of 64 bytes, or the signature that lies there.
    #[allow(
        clippy::mut_from_ref,
        reason = "the caller's buffer, and only this thread has the call"
    )]
    fn signature(&self) -> Option<&mut [u8; LENGTH]> {
        if self.signature.is_null() || self.signature_length.is_null() {
            return None;
        }
        // SAFETY: C_Sign's caller says where the length stands, and that so many bytes are there.
        let length = unsafe { *self.signature_length };
        // SAFETY: as above; at least 64 bytes.
        (length >= LENGTH as c::CK_ULONG).then(|| unsafe { &mut *self.signature.cast() })
    }

    fn set_length(&self) {
        if !self.signature_length.is_null() {
            // SAFETY: C_Sign's caller says where the length stands.
            unsafe { *self.signature_length = LENGTH as c::CK_ULONG };
        }
    }

    fn spoil(&self, fault: Option<Injection>) {
        let Some(signature) = self.signature() else {
            return;
        };
        match fault {
            Some(Injection::WrongSignature) => signature[7] ^= 0x10,
            Some(Injection::HighS) => {
                if let Some(high) = high_s(signature) {
                    *signature = high;
                }
            }
            _ => {}
        }
    }
}

/// The same secp256k1 signature with s in the upper half.
fn high_s(signature: &[u8; LENGTH]) -> Option<[u8; LENGTH]> {
    let low = k256::ecdsa::Signature::from_slice(signature).ok()?;
    let low = low.normalize_s().unwrap_or(low);
    let high = k256::ecdsa::Signature::from_scalars(*low.r(), -*low.s()).ok()?;
    Some(high.to_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_high_s_is_the_low_ones_complement_and_stays_high() {
        let secret = Secret::Secp256k1([7; 32]);
        let signature = secret.sign(&[1; 32], None).unwrap();
        let high = high_s(&signature).unwrap();
        assert_ne!(high, signature);
        assert_eq!(high_s(&high), Some(high));
        let high = k256::ecdsa::Signature::from_slice(&high).unwrap();
        assert_eq!(high.normalize_s().unwrap().to_bytes()[..], signature);
    }
}

//! `Content-Digest` (RFC 9530), SHA-256 only.
//!
//! RFC 9530 §2 allows several digests in one field. Here it is exactly one, so that its bytes are a function of the body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::error::HttpSigError;

/// The `Content-Digest` field for a body: `sha-256=:<base64>:`.
#[must_use]
pub fn content_digest(body: &[u8]) -> String {
    let mut field = String::with_capacity(54);
    field.push_str("sha-256=:");
    STANDARD.encode_string(Sha256::digest(body), &mut field);
    field.push(':');
    field
}

/// Refuses a field that is not the body's digest.
pub(crate) fn check(sent: &str, body: &[u8]) -> Result<(), HttpSigError> {
    let computed = content_digest(body);
    if sent == computed {
        return Ok(());
    }
    check_form(sent)?;
    Err(HttpSigError::DigestMismatch {
        sent: sent.to_owned(),
        computed,
    })
}

/// Refuses a field that is no body's digest.
pub(crate) fn check_form(sent: &str) -> Result<(), HttpSigError> {
    let is_digest = sent
        .strip_prefix("sha-256=:")
        .and_then(|rest| rest.strip_suffix(':'))
        .and_then(|text| STANDARD.decode(text).ok())
        .is_some_and(|bytes| bytes.len() == 32);
    if is_digest {
        Ok(())
    } else {
        Err(HttpSigError::ContentDigest(sent.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_bodys_digest_is_a_mismatch() {
        let sent = content_digest(b"one");
        assert_eq!(
            check(&sent, b"two"),
            Err(HttpSigError::DigestMismatch {
                sent: sent.clone(),
                computed: content_digest(b"two"),
            })
        );
    }

    #[test]
    fn any_other_form_is_refused() {
        let good = content_digest(b"");
        for sent in [
            String::new(),
            format!("{good} "),
            format!("{good}, {good}"),
            format!("sha-512=:AA==:, {good}"),
            good.replace("sha-256", "SHA-256"),
            good.replace("sha-256", "md5"),
            "sha-256=:AAAA:".to_owned(),
            "sha-256=::".to_owned(),
            // The digest of the empty body with a spare bit of its last digit set: the same 32 bytes, another text.
            "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=:".to_owned(),
        ] {
            assert_eq!(check(&sent, b""), Err(HttpSigError::ContentDigest(sent)));
        }
    }
}

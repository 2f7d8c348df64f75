//! A signed request as it is stored, and its verification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::base::signature_base;
use crate::component::Component;
use crate::error::HttpSigError;
use crate::key::{PublicKey, SIGNATURE_BYTES};
use crate::message::Message;
use crate::parameters::{Parameters, signature_params};
use crate::prepared::PreparedKey;

/// Everything of a request that its signature covers, and the signature: evidence that can be stored and verified again.
///
/// Whoever fills it in from HTTP refuses a header that comes twice, and takes `authority` from `Host` and `target` from
/// the request line as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    /// `POST`, `GET`, …
    pub method: String,
    /// Host and, unless it is the scheme's default, port; lower case.
    pub authority: String,
    /// Path, and query if there is one.
    pub target: String,
    /// The `Content-Digest` header.
    pub content_digest: Option<String>,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<String>,
    /// The `Signature-Input` header.
    pub signature_input: String,
    /// The `Signature` header.
    pub signature: String,
    /// The body; base64 in JSON.
    #[serde(with = "base64_text")]
    pub body: Vec<u8>,
}

/// A request with its `Signature-Input` read once: whose it claims to be, and all that is needed to verify it.
#[derive(Debug, Clone)]
pub struct Claimed<'a> {
    request: &'a SignedRequest,
    parameters: Parameters,
}

/// A request that is well-formed, with what its signature must be over: all that is left to ask is whose key made it. However many
/// keys are tried, form and digest are checked once.
#[derive(Debug, Clone)]
pub struct Checked<'a> {
    parameters: &'a Parameters,
    base: String,
    signature: [u8; SIGNATURE_BYTES],
}

/// What a verified signature proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose key signed: `client/<id>`, `operator/<id>` or `invitation/<key>`.
    pub keyid: String,
    /// When it was signed, Unix seconds by the signer's clock.
    pub created: u64,
    /// The signer's nonce. That it is new is for the caller to check.
    pub nonce: String,
}

impl SignedRequest {
    /// Reads `Signature-Input`. Proves nothing.
    ///
    /// # Errors
    /// As [`Parameters::parse`].
    pub fn parameters(&self) -> Result<Parameters, HttpSigError> {
        Parameters::parse(&self.signature_input)
    }

    /// Reads `Signature-Input`, to learn which key to verify with. Proves nothing.
    ///
    /// # Errors
    /// As [`Parameters::parse`].
    pub fn claimed(&self) -> Result<Claimed<'_>, HttpSigError> {
        Ok(Claimed {
            request: self,
            parameters: self.parameters()?,
        })
    }

    /// Verifies the signature, and that it was made within `max_skew_s` seconds of `now_s`, Unix seconds.
    ///
    /// `key` must be the one that belongs to the `keyid` of [`SignedRequest::parameters`].
    ///
    /// # Errors
    /// Names what is malformed, not covered, stale or wrong.
    pub fn verify(
        &self,
        key: &(impl Into<PublicKey> + Copy),
        now_s: u64,
        max_skew_s: u64,
    ) -> Result<Verified, HttpSigError> {
        let claimed = self.claimed()?;
        claimed.in_time(now_s, max_skew_s)?;
        let checked = claimed.checked()?;
        checked.verify(&PreparedKey::from((*key).into()))
    }

    /// Verifies the signature of a stored request, whose time was judged when it came.
    ///
    /// # Errors
    /// As [`SignedRequest::verify`], but never `Stale`.
    pub fn verify_stored(
        &self,
        key: &(impl Into<PublicKey> + Copy),
    ) -> Result<Verified, HttpSigError> {
        let claimed = self.claimed()?;
        let checked = claimed.checked()?;
        checked.verify(&PreparedKey::from((*key).into()))
    }

    /// Whether the body is the one that the rest speaks of, after [`Claimed::checked_head`] looked at that without it.
    ///
    /// # Errors
    /// Names what is missing, too long or another's.
    pub fn check_body(&self) -> Result<(), HttpSigError> {
        self.message().check_body(&self.body)
    }

    fn message(&self) -> Message<'_> {
        Message {
            method: &self.method,
            authority: &self.authority,
            target: &self.target,
            content_digest: self.content_digest.as_deref(),
            content_type: self.content_type.as_deref(),
            idempotency_key: self.idempotency_key.as_deref(),
        }
    }
}

impl Claimed<'_> {
    /// What `Signature-Input` says.
    #[must_use]
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether it was signed within `max_skew_s` seconds of `now_s`, Unix seconds.
    ///
    /// # Errors
    /// `Stale`.
    pub fn in_time(&self, now_s: u64, max_skew_s: u64) -> Result<(), HttpSigError> {
        let created = self.parameters.created;
        if created.abs_diff(now_s) > max_skew_s {
            return Err(HttpSigError::Stale {
                created,
                now: now_s,
                max_skew: max_skew_s,
            });
        }
        Ok(())
    }

    /// Checks form, coverage and the body's digest.
    ///
    /// # Errors
    /// Names what is malformed, not covered or another body's.
    pub fn checked(&self) -> Result<Checked<'_>, HttpSigError> {
        self.request.message().check(&self.request.body)?;
        self.covered()
    }

    /// As [`Claimed::checked`], before the body has come: says who sent the head, and whose digest the body must have. When it came,
    /// [`SignedRequest::check_body`] is asked, and until then nothing of it is believed.
    ///
    /// # Errors
    /// The same, but for the body's.
    pub fn checked_head(&self) -> Result<Checked<'_>, HttpSigError> {
        self.request.message().check_head()?;
        self.covered()
    }

    fn covered(&self) -> Result<Checked<'_>, HttpSigError> {
        let Self {
            request,
            parameters,
        } = self;
        let message = request.message();
        check_coverage(&message, &parameters.components)?;
        let signature = read_signature(&request.signature)?;
        let covered = parameters
            .components
            .iter()
            .filter_map(|&component| Some((component.name(), message.value(component)?)));
        // Parsing has proven the prefix; without it the base could not be the signer's.
        let params = signature_params(&request.signature_input).unwrap_or_default();
        Ok(Checked {
            parameters,
            base: signature_base(covered, params),
            signature,
        })
    }
}

impl Checked<'_> {
    /// Whether this key signed.
    ///
    /// # Errors
    /// `BadSignature`, also for a key of another algorithm.
    pub fn verify(&self, key: &PreparedKey) -> Result<Verified, HttpSigError> {
        let parameters = self.parameters;
        if parameters.algorithm != key.key().algorithm()
            || !key.verifies(self.base.as_bytes(), &self.signature)
        {
            return Err(HttpSigError::BadSignature {
                keyid: parameters.keyid.clone(),
            });
        }
        Ok(Verified {
            keyid: parameters.keyid.clone(),
            created: parameters.created,
            nonce: parameters.nonce.clone(),
        })
    }
}

/// The covered components are exactly those that the request has.
fn check_coverage(message: &Message<'_>, covered: &[Component]) -> Result<(), HttpSigError> {
    for component in Component::ALL {
        match (
            message.value(component).is_some(),
            covered.contains(&component),
        ) {
            (true, false) => return Err(HttpSigError::MissingComponent(component)),
            (false, true) => return Err(HttpSigError::AbsentComponent(component)),
            (true, true) | (false, false) => {}
        }
    }
    Ok(())
}

/// `sig1=:<base64>:`, with no second member and no spare bits set, so that a signature has one text.
fn read_signature(field: &str) -> Result<[u8; SIGNATURE_BYTES], HttpSigError> {
    let decode = || {
        let text = field.strip_prefix("sig1=:")?.strip_suffix(':')?;
        let mut bytes = [0; 66];
        let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
        bytes.get(..length)?.try_into().ok()
    };
    decode().ok_or_else(|| HttpSigError::Signature(field.chars().take(128).collect()))
}

/// A body's bytes as base64 text.
mod base64_text {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(body: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(body))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(D::Error::custom)
    }
}

//! Signing a request: the client's side of [`crate::SignedRequest::verify`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::signature_base;
use crate::component::Component;
use crate::digest::content_digest;
use crate::error::HttpSigError;
use crate::key::Signer;
use crate::message::Message;
use crate::parameters::{LABEL, Parameters, signature_params};
use crate::request::SignedRequest;

/// A request that is to be signed.
#[derive(Debug, Clone, Copy)]
pub struct UnsignedRequest<'a> {
    /// `POST`, `GET`, …
    pub method: &'a str,
    /// Host and, unless it is the scheme's default, port; lower case, as it is sent in `Host`.
    pub authority: &'a str,
    /// Path, and query if there is one, as sent in the request line.
    pub target: &'a str,
    /// `Content-Type`; needed with a body.
    pub content_type: Option<&'a str>,
    /// `Idempotency-Key`, if one is sent.
    pub idempotency_key: Option<&'a str>,
    /// The body; empty for none.
    pub body: &'a [u8],
}

/// The headers that make a request a signed one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Content-Digest`, if there is a body.
    pub content_digest: Option<String>,
    /// `Content-Type`, as it was signed.
    pub content_type: Option<String>,
    /// `Idempotency-Key`, as it was signed.
    pub idempotency_key: Option<String>,
    /// `Signature-Input`.
    pub signature_input: String,
    /// `Signature`.
    pub signature: String,
}

/// Signs a request. `keyid` is `client/<id>`, `operator/<id>` or `invitation/<key>`; `nonce` is 16 to 64 characters of base64url that this
/// key never used before; `created` is in Unix seconds.
///
/// # Errors
/// Names the part that a verifier would refuse; `Unsigned` if the key, on a token perhaps, did not sign.
pub fn sign(
    request: &UnsignedRequest<'_>,
    keyid: &str,
    nonce: &str,
    created: u64,
    key: &(impl Signer + ?Sized),
) -> Result<SignedHeaders, HttpSigError> {
    let digest = (!request.body.is_empty()).then(|| content_digest(request.body));
    let message = Message {
        method: request.method,
        authority: request.authority,
        target: request.target,
        content_digest: digest.as_deref(),
        content_type: request.content_type,
        idempotency_key: request.idempotency_key,
    };
    message.check(request.body)?;
    let covered = || {
        Component::ALL
            .into_iter()
            .filter_map(|component| Some((component, message.value(component)?)))
    };
    let signature_input = Parameters {
        keyid: keyid.to_owned(),
        created,
        nonce: nonce.to_owned(),
        algorithm: key.algorithm(),
        components: covered().map(|(component, _)| component).collect(),
    }
    .to_field()?;
    let base = signature_base(
        covered().map(|(component, value)| (component.name(), value)),
        signature_params(&signature_input).unwrap_or_default(),
    );
    let signature = STANDARD.encode(key.sign(base.as_bytes())?);
    Ok(SignedHeaders {
        content_type: request.content_type.map(str::to_owned),
        idempotency_key: request.idempotency_key.map(str::to_owned),
        signature: format!("{LABEL}=:{signature}:"),
        content_digest: digest,
        signature_input,
    })
}

impl SignedHeaders {
    /// The headers to send, names in lower case.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("content-digest", self.content_digest.as_deref()),
            ("content-type", self.content_type.as_deref()),
            ("idempotency-key", self.idempotency_key.as_deref()),
            ("signature-input", Some(self.signature_input.as_str())),
            ("signature", Some(self.signature.as_str())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }

    /// The request as its receiver will store it.
    #[must_use]
    pub fn attach(self, request: &UnsignedRequest<'_>) -> SignedRequest {
        SignedRequest {
            method: request.method.to_owned(),
            authority: request.authority.to_owned(),
            target: request.target.to_owned(),
            content_digest: self.content_digest,
            content_type: self.content_type,
            idempotency_key: self.idempotency_key,
            signature_input: self.signature_input,
            signature: self.signature,
            body: request.body.to_owned(),
        }
    }
}

//! Why a request's signature is refused. Every variant carries the rejected input; none carries key material.

use crate::component::Component;
use crate::key::SigningFault;

/// A refusal of this crate. Nothing a refused request says may be believed, its `keyid` included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpSigError {
    /// A part of the request is longer than this profile allows.
    #[error("{part} is {length} bytes long, the limit is {limit}")]
    TooLong {
        /// The part's name.
        part: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The method is not one to sixteen upper-case letters.
    #[error("{0:?} is not a request method")]
    Method(String),
    /// The authority is empty, or not a lower-case host with an optional port.
    #[error("{0:?} is not a lower-case host with an optional port")]
    Authority(String),
    /// The target is not in origin form and normalised (RFC 9110 §4.2.3).
    #[error("{target:?} is not a normalised path with an optional query: {fault}")]
    Target {
        /// The target as received.
        target: String,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A header field is empty or holds characters that a value may not have.
    #[error("{value:?} is not a value for {field}")]
    FieldValue {
        /// The field's name in lower case.
        field: &'static str,
        /// The value as received.
        value: String,
    },
    /// A request with a body lacks a header that a body makes mandatory.
    #[error("a request with a body needs {0}")]
    BodyWithout(Component),
    /// `Signature-Input` is not a structured field (RFC 9651).
    #[error("signature-input is not a dictionary of inner lists: {0}")]
    SignatureInput(String),
    /// `Signature-Input` has no member `sig1`, or others beside it.
    #[error("signature-input must hold exactly one signature labelled sig1, not {0:?}")]
    Label(String),
    /// `Signature-Input` has superfluous spaces, repeated members or parameters, or another form than the canonical.
    #[error("signature-input is not in canonical form; it would be {canonical:?}")]
    NotCanonical {
        /// What was read, in canonical form.
        canonical: String,
    },
    /// A covered component is not one of this profile's, or has parameters.
    #[error("component {0} is not one that may be covered")]
    UnknownComponent(String),
    /// A component is covered twice.
    #[error("component {0} is covered twice")]
    RepeatedComponent(Component),
    /// A component that must be covered is not.
    #[error("component {0} must be covered by the signature")]
    MissingComponent(Component),
    /// A component is covered that the request doesn't have.
    #[error("component {0} is covered, but the request has none")]
    AbsentComponent(Component),
    /// A signature parameter is not one of this profile's.
    #[error("signature parameter {0:?} is not one of created, keyid, nonce, alg")]
    UnknownParameter(String),
    /// A signature parameter is missing, or of another type.
    #[error("signature parameter {0} is missing or of the wrong type")]
    MissingParameter(&'static str),
    /// `created` is negative.
    #[error("created {0} is not a Unix time in seconds")]
    Created(i64),
    /// `alg` is none of this profile's algorithms.
    #[error("algorithm {0:?} is not ed25519 or ecdsa-p256-sha256")]
    Algorithm(String),
    /// `keyid` is not `client/<id>` or `operator/<id>`.
    #[error("keyid {0:?} is not client/<id> or operator/<id>")]
    Keyid(String),
    /// `nonce` is not 16 to 64 characters of base64url.
    #[error("nonce {0:?} is not 16 to 64 characters of A-Z a-z 0-9 - _")]
    Nonce(String),
    /// `created` is further from the verifier's clock than allowed.
    #[error("created {created} is more than {max_skew} s away from the clock, {now}")]
    Stale {
        /// The request's `created`, Unix seconds.
        created: u64,
        /// The verifier's clock, Unix seconds.
        now: u64,
        /// The allowed distance, seconds.
        max_skew: u64,
    },
    /// `Content-Digest` is not exactly one SHA-256 digest.
    #[error("content-digest {0:?} is not of the form sha-256=:<base64 of 32 bytes>:")]
    ContentDigest(String),
    /// The body is not the one whose digest was sent.
    #[error("content-digest {sent:?} is not the body's, which is {computed:?}")]
    DigestMismatch {
        /// The header as received.
        sent: String,
        /// The digest of the body that came.
        computed: String,
    },
    /// `Signature` is not `sig1=:<base64 of 64 bytes>:`.
    #[error("signature {0:?} is not of the form sig1=:<base64 of 64 bytes>:")]
    Signature(String),
    /// The signature is not that key's over this request, or `alg` is not what the key is for.
    #[error("the signature does not verify under {keyid}'s key")]
    BadSignature {
        /// Whose key was asked for.
        keyid: String,
    },
    /// The key could not sign.
    #[error("the key did not sign: {0}")]
    Unsigned(#[from] SigningFault),
}

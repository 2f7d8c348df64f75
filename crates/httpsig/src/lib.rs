//! HTTP Message Signatures (RFC 9421) with Ed25519 or ECDSA P-256, and Content-Digest (RFC 9530), as custodyd uses them.
//!
//! The RFC leaves the covered components and parameters to the application. This crate fixes one profile and accepts
//! nothing else:
//!
//! - one signature, labelled `sig1`, its `Signature-Input` in canonical form (RFC 9651 §4.1);
//! - parameters `created`, `keyid`, `nonce` and `alg`, all four and no other; `alg` is `ed25519` or `ecdsa-p256-sha256`,
//!   whichever the key is for;
//! - components `@method`, `@authority` and `@path` always; `@query` exactly if the target has one; `content-digest` and
//!   `content-type` exactly if they are sent, which a body makes mandatory; `idempotency-key` exactly if it is sent.
//!
//! So nothing that the daemon acts on is outside the signature. A [`SignedRequest`] holds all that a verifier needs:
//! it is stored, and verified again by whoever acts on it.
//!
//! The crate is pure: the time is handed in, and so are nonces and keys.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod base;
mod component;
mod digest;
mod error;
mod key;
mod keyid;
mod message;
mod multiples;
mod parameters;
mod prepared;
mod request;
mod sign;
#[cfg(test)]
mod vectors_tests;

pub use component::Component;
pub use digest::content_digest;
pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use error::HttpSigError;
pub use key::{Algorithm, PublicKey, SIGNATURE_BYTES, Signer, SigningFault};
pub use keyid::Principal;
pub use message::{MAX_BODY_BYTES, MAX_IDEMPOTENCY_KEY, MAX_TARGET};
pub use parameters::{LABEL, MAX_SIGNATURE_INPUT, Parameters};
pub use prepared::PreparedKey;
pub use request::{Checked, Claimed, SignedRequest, Verified};
pub use sign::{SignedHeaders, UnsignedRequest, sign};

//! What a passkey signed, verified by the specification: WebAuthn Level 2 §7.2, as far as it concerns a relying party that
//! makes its own challenge.
//!
//! An operator's approval is an assertion whose challenge is the hash of what they saw. It is verified when it comes in, by
//! the vault before it counts, and by every later reader of the journal, so all of them need the same pure function and
//! nothing of a server's session. Registration, where attestation formats and CBOR come in, is not here.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests may panic"
    )
)]

mod assertion;
mod authenticator_data;
mod base64url;
mod client_data;
mod credential;
mod fault;
mod party;

pub use assertion::{Assertion, Presence};
pub use credential::{CredentialId, Passkey, PasskeyKey};
pub use fault::{AssertionFault, CredentialFault, PartyFault};
pub use party::RelyingParty;

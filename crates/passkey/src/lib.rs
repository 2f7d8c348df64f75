//! What a passkey signed, and how one is registered, verified by the specification: WebAuthn Level 2 §7.2 and §7.1, as far as
//! they concern a relying party that makes its own challenges and asks for no attestation.
//!
//! An operator's approval is an assertion whose challenge is the hash of what they saw. It is verified when it comes in, by
//! the vault before it counts, and by every later reader of the journal, so all of them need the same pure function and
//! nothing of a server's session (docs/adr/0022).
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
mod cose;
mod credential;
mod fault;
mod party;
mod registration;

pub use assertion::{Assertion, Presence};
pub use credential::{CredentialId, Passkey, PasskeyKey};
pub use fault::{AssertionFault, CredentialFault, PartyFault, RegistrationFault};
pub use party::RelyingParty;
pub use registration::Registration;

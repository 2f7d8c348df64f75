//! What people take home from a ceremony: a report of the vault's keys and a backup of what describes them, as files that
//! anybody can verify without the HSM.
//!
//! Each signature here is over SHA-256 of a tag and a canonical JSON (RFC 8785) of our own making. No transaction's digest is
//! such a hash: a Bitcoin sighash is a double SHA-256 of a preimage that begins with the transaction's version (BIP-143), an
//! Ethereum one is Keccak-256, and a head or a manifest has a tag of its own. So nothing signed here can be taken for a payment,
//! and nobody who chooses the challenge chooses what a wallet's key signs.

mod attestation;
mod backup;
mod proof;
mod seal;

pub use attestation::{Attestation, Finding};
pub use backup::{Backup, ResidentKey, WrappedEntry};
pub use proof::{KeyEntry, Proof, TokenEntry};
pub use seal::{CeremonyError, Document, Sealed};

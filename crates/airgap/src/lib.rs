//! The bundle that crosses the air gap, and nothing else.
//!
//! An export leaves with a manifest that the vault's journal key signed and one file per transaction; a return comes
//! back with a signature for each of them. Both are a handful of files, carried as a folder or as a tar of it.
//!
//! | module | subject |
//! |---|---|
//! | [`ids`] | names that may stand in a manifest or be a file |
//! | [`archive`] | files in memory, limits, tar |
//! | [`manifest`], [`journal_key`] | what an export says it does, and whose word that is |
//! | [`export`], [`bundle`] | plans to files, files to a bundle that is whole |
//! | [`psbt`] | BIP-174: written with rust-bitcoin, read by a reader of our own |
//! | [`recompute`] | what the files do, against what the manifest says |
//! | [`returned`], [`import`] | what comes back, and what of it is accepted |
//! | [`parts`] | a bundle as texts for QR codes |
//!
//! **Purity.** Bytes come in and go out; reading folders and asking the time is the caller's. Nothing received is
//! trusted: every name, length, checksum, key and amount is judged, and the first fault is a typed error.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

pub mod archive;
pub mod bundle;
pub mod export;
pub mod ids;
pub mod import;
pub mod journal_key;
pub mod manifest;
pub mod parts;
pub mod psbt;
pub mod recompute;
pub mod returned;

mod hex_line;

pub use crate::archive::ArchiveError;
pub use crate::bundle::{Bundle, BundleError};
pub use crate::export::{ExportError, ExportItem, UnsignedBundle, export_bundle};
pub use crate::ids::{ExportId, FileName, NameError, TransactionId, VaultName, WalletName};
pub use crate::import::{ImportError, Signed, import};
pub use crate::journal_key::{JournalKey, JournalKeyError};
pub use crate::manifest::{
    AccountEffects, Change, CoinEffects, Entry, KeyOrigin, Manifest, SigningKey, StatedEffects,
};
pub use crate::parts::{PartsError, from_parts, to_parts};
pub use crate::psbt::PsbtError;
pub use crate::recompute::{RecomputeError, RecomputedEffects, Spend, recompute};
pub use crate::returned::{ReturnBundle, ReturnEntry, ReturnManifest};

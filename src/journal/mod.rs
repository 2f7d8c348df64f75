//! The journal: a hash chain of events that is the source of truth and the audit log in one.
//!
//! Everything here but [`anchor`] is pure. A row's hash covers every column of the row and the hash
//! before it; a head, signed by the journal key in the HSM, covers the last row of each commit. So
//! whoever edits any column of any row is noticed ([`verify`]), whoever appends rows lacks the key,
//! and whoever puts back an older copy of the whole database is noticed by the [`anchor`], which
//! lives outside of it.

pub mod anchor;
mod canonical;
mod entry;
mod head;
mod members;
mod verify;

pub use anchor::{Anchor, AnchorError};
pub use canonical::{CanonicalError, canonical_json};
pub use entry::{Entry, FIRST_SEQ, GENESIS, JournalRow};
pub use head::{HeadError, HeadRow, JournalKey, head_digest};
pub use verify::{ChainFault, ChainVerifier, Column, Reason, Table, Tip, verify_chain};

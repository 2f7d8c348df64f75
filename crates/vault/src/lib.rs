//! The vault: the unit of consistency of custodyd, as a pure state machine.
//!
//! [`Vault::decide`] takes a [`Command`] and a time and says what happens ([`Event`]s) or why nothing does
//! ([`Rejection`]); [`Vault::apply`] folds an event in. Nothing here does I/O, reads a clock or draws a random number, so
//! replaying the journal gives the same state, bit for bit. What is outstanding is derived from the state
//! ([`Vault::pending_effects`]), never remembered: a restart and a normal step are the same.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod act;
mod apply;
mod ceremony;
mod code;
mod command;
mod credential;
mod decide;
mod destinations;
mod effect;
mod event;
mod facts;
mod freezes;
mod genesis;
mod genesis_file;
mod governance;
mod ids;
mod rejection;
mod request;
mod statement;
mod transaction;
mod vault;
mod wallet;
mod withdrawal;
mod wrapped;

pub use act::{ACT_DOMAIN, ActStatement};
pub use apply::{ReplayFault, Touch};
pub use ceremony::{GENESIS_DOMAIN, GenesisStatement};
pub use code::{CODE_DOMAIN, short_code};
pub use command::{
    ChainPosition, Command, Decide, DecideProposal, Enrol, Evidence, FreezeScope, Propose,
    RequestWithdrawal,
};
pub use credential::{
    Credential, CredentialError, Ed25519Key, OperatorSignature, P256Key, RawSignature,
};
pub use decide::{MAX_PRICES, PriceFault};
pub use destinations::{
    BlockListError, BlockListFault, Entry, FoundingEntry, MAX_BLOCK_LIST_LINES, TaggedAddress,
    parse_block_list,
};
pub use effect::Effect;
pub use event::{Event, Recorded};
pub use genesis::{Addresses, Genesis, GenesisError, JournalKey, WalletKey, WalletSpec};
pub use genesis_file::{GenesisFile, GenesisSignatures, WalletEntry};
pub use governance::{
    Change, ChangeFault, Client, GOVERNANCE_DOMAIN, GovernanceDecision, GovernanceStatement,
    Invitation, Invitations, MAX_ADDRESSES, MAX_CHANGES, Proposal, ProposalEnd, ProposalState,
    Scope, WalletStatus, changes_digest, line_diff,
};
pub use ids::{ExportId, IdError, KeyId, ProposalId, TransactionId};
pub use rejection::Rejection;
pub use request::{CancelledBy, Request};
pub use statement::{APPROVAL_DOMAIN, Decision, StatedEffects, Statement};
pub use transaction::{Transaction, TransactionState};
pub use vault::{Compromise, Export, ExportState, Freeze, Vault};
pub use wallet::{Account, Funds, KeySlot, Wallet};
pub use withdrawal::{Screened, Vote, Withdrawal, WithdrawalState};
pub use wrapped::WrappedBlob;

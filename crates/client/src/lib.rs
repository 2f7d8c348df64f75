//! The reference client of custodyd's HTTP interface: signed requests, typed answers, and decisions signed locally.
//!
//! A client never signs what the daemon shows it as a whole. It rebuilds the statement from the withdrawal it read, and
//! refuses if the daemon proposes another.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod bundle;
mod client;
mod decision;
mod endpoint;
mod error;
mod genesis;
mod identity;
mod page;
mod problem;
mod proposal;
mod state;
mod withdrawal;

pub use bundle::{BundleError, pack, unpack};
pub use client::Client;
pub use decision::{DecisionError, SignedDecision, sign_decision, stated_effects};
pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use genesis::{CeremonyError, GenesisCeremony};
pub use identity::{Identity, IdentityError, KeyFile};
pub use page::{Page, with_query};
pub use problem::Problem;
pub use proposal::{
    Approver, GovernanceError, NewProposal, OfferedStatement, PolicyChange, Proposal,
    SignedGovernance, sign_governance,
};
pub use state::State;
pub use withdrawal::{
    Given, NewWithdrawal, Payout, ProposedStatement, Reason, VerdictView, Withdrawal,
};

//! The reference client of custodyd's HTTP interface: signed requests, typed answers, and decisions signed locally.
//!
//! A client never signs what the daemon shows it as a whole. It rebuilds the statement from the withdrawal it read, and
//! refuses if the daemon proposes another.
//!
//! ```no_run
//! use custodyd_client::{Client, Identity, NewWithdrawal, Retries, State};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = Identity::load("client/exchange".parse()?, "exchange.pem".as_ref())?;
//! let custody = Client::new("https://custody.example", identity)?;
//! let asked = NewWithdrawal {
//!     vault: "main".to_owned(),
//!     asset: "LTC".to_owned(),
//!     amount: "0.1".to_owned(),
//!     destination: "ltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszk6nl2t".to_owned(),
//!     reference: "order 7".to_owned(),
//!     wallet: None,
//! };
//! // However often this is repeated under the same key, it is paid once.
//! let withdrawal = custody.withdraw("order-7", &asked, Retries::default()).await?;
//! while custody.withdrawal(&withdrawal.id).await?.state != State::Final {
//!     tokio::time::sleep(std::time::Duration::from_secs(1)).await;
//! }
//! # Ok(())
//! # }
//! ```
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)
)]

mod api;
mod bundle;
#[cfg(feature = "cards")]
mod card;
mod chain;
mod client;
mod decision;
mod document;
mod endpoint;
mod error;
mod genesis;
mod identity;
mod invitation;
mod page;
mod pages;
mod problem;
mod proposal;
mod secret_file;
mod state;
mod statement;
mod tls;
mod withdrawal;

pub use api::{ColdSelection, Filter, Retries};
pub use bundle::{BundleError, pack, unpack};
pub use chain::{Chain, ChainFault, Checkpoint, JournalRow};
pub use client::Client;
#[cfg(feature = "cards")]
pub use custodyd_hsm::{CardError, CardKey, PinError, PinSource};
pub use decision::{DecisionError, SignedDecision, sign_decision, stated_effects};
pub use document::{
    ColdExport, Enrolment, LimitUse, PolicyText, Readiness, Simulated, Transaction, Wallet,
    WalletKey,
};
pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use genesis::{CeremonyError, GenesisCeremony};
pub use identity::{Identity, IdentityError, Key, KeyFile};
pub use invitation::{Invitation, InvitationError};
pub use page::{Page, with_query};
pub use pages::Pages;
pub use problem::Problem;
pub use proposal::{
    Approver, GovernanceError, NewProposal, OfferedStatement, PolicyChange, Proposal,
    SignedGovernance, sign_governance,
};
pub use secret_file::SecretFileError;
pub use state::State;
pub use statement::{Asked, StatementError};
pub use tls::{Papers, Tls, TlsError};
pub use withdrawal::{
    Given, NewWithdrawal, Payout, ProposedStatement, Reason, VerdictView, Withdrawal,
};

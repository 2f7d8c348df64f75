//! Governance: a vault is changed by proposals alone. Each needs the quorum that the policy in force names for its kinds
//! of change, then its delay, in which anyone who was asked may veto; then it takes effect as a whole or not at all.

mod change;
mod draft;
mod fault;
mod invitation;
mod people;
mod places;
mod proposal;
mod retirement;
mod scope;
mod statement;
mod words;

pub use change::{Change, MAX_ADDRESSES, MAX_CHANGES, changes_digest};
pub(crate) use draft::{Draft, WalletSettings, check_staffing};
pub use fault::ChangeFault;
pub use invitation::{Invitation, Invitations};
pub(crate) use people::{MAX_CREDENTIALS, MAX_OPERATORS};
pub use proposal::{Proposal, ProposalEnd, ProposalState};
pub use retirement::WalletStatus;
pub use scope::{Client, Scope};
pub use statement::{GOVERNANCE_DOMAIN, GovernanceDecision, GovernanceStatement};
pub use words::line_diff;

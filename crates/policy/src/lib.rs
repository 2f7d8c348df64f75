//! Policy: rules, limits, quorums, verdicts that explain themselves.
//!
//! A policy is TOML text. It is parsed once, strictly, into a [`Policy`]; [`Policy::evaluate`] judges [`Facts`]
//! against it and against the history in a [`LimitBook`], and answers with a [`Verdict`]. Pure: time is handed in,
//! nothing is read, the same input gives the same verdict.
//!
//! The invariants: every rule that matches counts and their order does not matter; deny wins; approvals add up;
//! without a matching allow rule, or with anything that cannot be evaluated, the answer is deny; no sliding window of
//! a limit with `deny` or `hold` ever holds more than its maximum; warm and cold wallets never go without people.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub mod analysis;
pub mod cases;
mod condition;
mod destinations;
mod duration;
mod error;
mod evaluate;
mod explain;
mod facts;
mod fiat;
mod governance;
mod hours;
mod ids;
mod index;
mod instant;
mod limit;
mod parse;
mod policy;
mod reason;
mod requirement;
mod staffing;
mod trace;
mod treasury;
mod verdict;
mod window;
mod zone;

pub use destinations::{DestinationTerms, LookAlike, MAX_PROBE_WINDOW_MS, Probe, Screening};
pub use duration::{
    DAY_MS, DurationError, HOUR_MS, MAX_DURATION_MS, MINUTE_MS, SECOND_MS, Span, parse_duration,
};
pub use error::{MAX_POLICY_BYTES, Place, PolicyError, PolicyFault};
pub use explain::{Explanation, LimitTrace, RuleTrace};
pub use facts::{Call, DestinationClass, Facts, Flag, Initiator, InitiatorError, Tier};
pub use fiat::{Currency, Fiat, FiatError, FiatTerms, Price, Prices};
pub use governance::{ChangeKind, ChangeRule, Governance, GovernanceFloor};
pub use ids::{
    CalendarId, ClientId, GroupId, IdError, LimitId, MAX_ID_LENGTH, OperatorId, OrganisationId,
    Quoted, RuleId, Tag, VaultId, WalletId, WithdrawalId,
};
pub use instant::{Timestamp, TimestampError};
pub use limit::Dimension;
pub use policy::{Effect, Policy, TierFloor};
pub use reason::{BreachKind, Fault, LimitCheck, Measure, Observation, Reason};
pub use requirement::{Groups, Organisations, Quorum, Requirement, Shortfall, may_approve};
pub use staffing::Demand;
pub use trace::ConditionTrace;
pub use treasury::TierTarget;
pub use verdict::{Outcome, PolicyHash, PolicyHashError, Verdict};
pub use window::{LimitBook, LimitUsage};
pub use zone::ZoneError;

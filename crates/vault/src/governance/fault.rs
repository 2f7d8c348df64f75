//! Why a change can't be made. Each names what was asked for, and says what to ask for instead where there is something.

use custodyd_chain::Address;
use custodyd_policy::{ChangeKind, ClientId, OperatorId, PolicyError, Requirement, Span, WalletId};

use crate::{Credential, Ed25519Key, GenesisError, MAX_ADDRESSES, MAX_CHANGES};

/// Why a change can't be made to the vault as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// Too few or too many at once.
    #[error("a proposal has 1 to {MAX_CHANGES} changes, this one has {0}")]
    Count(usize),
    /// The policy doesn't parse.
    #[error("the policy is not usable: {0}")]
    Policy(Box<PolicyError>),
    /// The policy is in force already.
    #[error("that policy is in force already")]
    SamePolicy,
    /// The policy in force lets nobody make such a change.
    #[error(
        "the policy in force lets nobody change {0}: neither [governance.changes] {0} nor default is there"
    )]
    NotGoverned(ChangeKind),
    /// The new policy would let fewer people, or let them sooner, than the one in force says is the least.
    #[error(
        "the new policy's floor is {people} people and a delay of {}, below the floor in force of {floor_people} people and {}",
        Span(*.delay_ms), Span(*.floor_delay_ms)
    )]
    FloorLowered {
        /// People, as the new policy has it.
        people: u32,
        /// Milliseconds, as the new policy has it.
        delay_ms: u64,
        /// People, as the policy in force has it.
        floor_people: u32,
        /// Milliseconds, as the policy in force has it.
        floor_delay_ms: u64,
    },
    /// The new policy could never be corrected.
    #[error(
        "nobody could change {0} any more; name it, or a default, under [governance.changes] of the new policy"
    )]
    LockedOut(ChangeKind),
    /// People would be asked who aren't there.
    #[error("{place} asks for {}, which the operators who would be left can't give{}", listed(.require), spare(*.without_proposer))]
    Unmeetable {
        /// Where in the policy.
        place: String,
        /// What it asks for.
        require: Vec<Requirement>,
        /// Whether one of them has to propose, and so doesn't count.
        without_proposer: bool,
    },
    /// No such person.
    #[error("there is no operator {0}")]
    UnknownOperator(OperatorId),
    /// There is such a person.
    #[error("operator {0} exists already")]
    OperatorExists(OperatorId),
    /// Somebody without a credential can't approve.
    #[error(
        "operator {0} needs at least one credential; to take the last one away, remove the operator"
    )]
    NoCredential(OperatorId),
    /// The credential isn't theirs.
    #[error("operator {0} has no credential {1}")]
    UnknownCredential(OperatorId, Box<Credential>),
    /// The same key for two speakers would let one act as the other.
    #[error("the key {0} belongs to {1} already; everybody needs one of their own")]
    KeyTaken(Box<Credential>, String),
    /// No such invitation.
    #[error("there is no invitation {0}")]
    UnknownInvitation(Box<Ed25519Key>),
    /// An invitation without end would lie about for ever.
    #[error("an invitation is good until a time in Unix milliseconds that can be written exactly")]
    InvitationTime,
    /// Passkeys sign for that console already.
    #[error("that is the console already")]
    SameConsole,
    /// No such service.
    #[error("there is no client {0}")]
    UnknownClient(ClientId),
    /// There is such a service.
    #[error("client {0} exists already")]
    ClientExists(ClientId),
    /// A client that may do nothing is one to be removed.
    #[error("client {0} needs at least one scope; one that may do nothing is better removed")]
    NoScopes(ClientId),
    /// There are as many as a vault may have.
    #[error("a vault has at most {most} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The most.
        most: usize,
    },
    /// An address on a network that no wallet uses.
    #[error("{0} is on a network that no wallet of this vault uses")]
    ForeignAddress(Address),
    /// A name that can't be shown as it is.
    #[error("a destination's name is 1 to 64 characters without control or direction characters")]
    DestinationName,
    /// Two destinations of one name would be taken for each other.
    #[error("a destination of the name {0:?} is in the address book already")]
    DestinationNameTaken(String),
    /// It is known.
    #[error("{0} is in the address book already; to change its name or tags, remove it first")]
    DestinationKnown(Address),
    /// It isn't known.
    #[error("{0} is not in the address book")]
    UnknownDestination(Address),
    /// Too few or too many.
    #[error("a change of the block list names 1 to {MAX_ADDRESSES} addresses, this one {0}")]
    Addresses(usize),
    /// It isn't blocked.
    #[error("{0} is not blocked")]
    NotBlocked(Address),
    /// No such wallet.
    #[error("there is no wallet {0}")]
    UnknownWallet(WalletId),
    /// There is such a wallet.
    #[error("wallet {0} exists already")]
    WalletExists(WalletId),
    /// Neither fee caps nor confirmations.
    #[error("nothing of wallet {0} would change")]
    WalletUnchanged(WalletId),
    /// Settings that no wallet can have.
    #[error("{0}")]
    Wallet(Box<GenesisError>),
    /// It is on its way out.
    #[error("wallet {0} is retiring already")]
    RetiringAlready(WalletId),
}

fn listed(require: &[Requirement]) -> String {
    let texts: Vec<String> = require.iter().map(ToString::to_string).collect();
    texts.join(" and ")
}

fn spare(without_proposer: bool) -> &'static str {
    if without_proposer {
        ", where whoever proposes doesn't count"
    } else {
        ""
    }
}

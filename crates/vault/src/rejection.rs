//! Why a command changes nothing. Each has a stable code for programs and a sentence for people.

use custodyd_chain::{AddressError, AmountError, PublicKey};
use custodyd_policy::{ClientId, OperatorId, Timestamp, VaultId, WalletId, WithdrawalId};

use crate::{ChangeFault, ExportId, KeyId, PriceFault, ProposalId, Scope, TransactionId};

/// A refusal of a command. Nothing was changed by it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Rejection {
    /// Meant for another vault.
    #[error("this is not vault {0}")]
    OtherVault(VaultId),
    /// Nobody of this name.
    #[error("{0} is not known to this vault")]
    UnknownPrincipal(String),
    /// The key was used for another request.
    #[error(
        "idempotency key {0:?} was used for another request; use a fresh key for a new withdrawal"
    )]
    IdempotencyKeyReused(String),
    /// The key is empty, too long or not printable.
    #[error("an idempotency key is 1 to 128 printable ASCII characters")]
    IdempotencyKeyForm,
    /// The reference is too long or holds control characters.
    #[error("a reference is at most 140 characters without control or direction characters")]
    ReferenceForm,
    /// No wallet holds this asset.
    #[error("no wallet of this vault holds {0}")]
    NoWalletFor(String),
    /// No such wallet.
    #[error("there is no wallet {0}")]
    UnknownWallet(WalletId),
    /// The wallet named holds something else.
    #[error("wallet {0} does not hold {1}")]
    WalletAsset(WalletId, String),
    /// The amount can't be read or is out of range.
    #[error("amount: {0}")]
    Amount(#[from] AmountError),
    /// Nothing to pay.
    #[error("amount: zero is nothing to pay")]
    ZeroAmount,
    /// Too small for the network to relay.
    #[error("amount: {0} is below what the network relays to that destination (dust)")]
    Dust(String),
    /// The destination can't be read or is for another network.
    #[error("destination: {0}")]
    Destination(#[from] AddressError),
    /// It is frozen.
    #[error("{0} is frozen; a quorum of operators must lift that first")]
    Frozen(String),
    /// No such withdrawal.
    #[error("there is no withdrawal {0}")]
    UnknownWithdrawal(WithdrawalId),
    /// No such transaction.
    #[error("there is no transaction {0}")]
    UnknownTransaction(TransactionId),
    /// No such key.
    #[error("there is no key {0}")]
    UnknownKey(KeyId),
    /// No such export.
    #[error("there is no export {0}")]
    UnknownExport(ExportId),
    /// The statement isn't about what would happen.
    #[error("the statement does not state what this withdrawal would do: its {0} differs")]
    StatementDiffers(&'static str),
    /// The statement's time is over.
    #[error("the statement expired at {0}")]
    StatementExpired(Timestamp),
    /// The signature isn't by that operator.
    #[error("the signature is not operator {0}'s over this statement")]
    StatementSignature(OperatorId),
    /// The person who sent it isn't the one who signed.
    #[error("sent by operator {sender}, signed as operator {signer}")]
    StatementSender {
        /// Whoever sent it.
        sender: OperatorId,
        /// Whoever the statement names.
        signer: OperatorId,
    },
    /// This person isn't asked.
    #[error("operator {0} is in none of the groups that this withdrawal asks")]
    NotEligible(OperatorId),
    /// Each person counts once.
    #[error("operator {0} has decided on this withdrawal already")]
    AlreadyDecided(OperatorId),
    /// It isn't in a state in which that can be done.
    #[error("the withdrawal is {0}, so it can't be {1}")]
    NotNow(&'static str, &'static str),
    /// A fault between engine and vault, or a stale result.
    #[error("transaction {0} is {1}: {2} does not apply")]
    TransactionState(TransactionId, &'static str, &'static str),
    /// Another client's withdrawal.
    #[error("withdrawal {0} was requested by another client")]
    OtherClient(WithdrawalId),
    /// A vote signed before the freeze it should lift.
    #[error("operator {0}'s vote was signed before the freeze; sign a new one")]
    VoteTooOld(OperatorId),
    /// Nothing is frozen there.
    #[error("{0} is not frozen")]
    NotFrozen(String),
    /// A key's private half isn't where the wallet's keys are.
    #[error(
        "key {0} is not kept where its wallet's keys are: on the token or wrapped, in at most 1024 bytes"
    )]
    KeyPlace(KeyId),
    /// The database is no older than what was seen.
    #[error("nothing is lost: the journal reaches event {0}, and no later one was seen")]
    NothingLost(u64),
    /// This wallet can't get more addresses.
    #[error("wallet {0} has one address only: {1}")]
    SingleAddress(WalletId, &'static str),
    /// A key that gave two signatures with one nonce.
    #[error("key {0} used one nonce for two signatures and never signs again")]
    KeyCompromised(PublicKey),
    /// The bundle isn't the answer to the export.
    #[error("the import is not exactly what was exported: {0}")]
    ImportDiffers(String),
    /// It came back before.
    #[error("export {0} was imported already")]
    ImportedAlready(ExportId),
    /// Nothing is waiting.
    #[error("no approved cold withdrawal waits for an export{0}")]
    NothingToExport(String),
    /// A reason must be given, and be readable.
    #[error("a reason is 1 to 500 characters without control characters")]
    ReasonForm,
    /// A wallet on its way out pays own wallets only, and nothing is paid to it.
    #[error("wallet {0} is retiring: it pays other wallets of this vault only, and gets nothing")]
    Retiring(WalletId),
    /// No such proposal.
    #[error("there is no proposal {0}")]
    UnknownProposal(ProposalId),
    /// A change that can't be made.
    #[error("change {number}: {fault}")]
    Change {
        /// Which, from 1.
        number: usize,
        /// Why not.
        fault: Box<ChangeFault>,
    },
    /// Changes that can't be made together.
    #[error("{0}")]
    Changes(Box<ChangeFault>),
    /// Enough is waiting for people already.
    #[error("{open} proposals are open{of}; decide on them or take them back first")]
    TooManyProposals {
        /// How many.
        open: usize,
        /// Of whom.
        of: String,
    },
    /// It isn't in a state in which that can be done.
    #[error("the proposal is {0}, so it can't be {1}")]
    ProposalNotNow(&'static str, &'static str),
    /// This person isn't asked.
    #[error("operator {0} is in none of the groups that this proposal asks")]
    NotAsked(OperatorId),
    /// Nobody approves what they proposed.
    #[error("operator {0} made this proposal, so their approval doesn't count")]
    OwnProposal(OperatorId),
    /// Each person counts once.
    #[error("operator {0} has approved this proposal already")]
    ApprovedAlready(OperatorId),
    /// The statement isn't about what would happen.
    #[error("the statement does not state what this proposal would do: its {0} differs")]
    ProposalStatementDiffers(&'static str),
    /// Cold money never goes straight to the hot tier.
    #[error("cold funds don't go to a hot wallet directly; move them to a warm wallet first")]
    ColdToHot,
    /// A payment that would only burn its fee.
    #[error("destination: it is wallet {0}'s own address, and a wallet doesn't pay itself")]
    ToItself(WalletId),
    /// The key or id is taken.
    #[error("{0} exists already")]
    Taken(String),
    /// A client without the scope for that.
    #[error("client {0} may not do that: it takes the scope {1}")]
    NotScoped(ClientId, Scope),
    /// Prices that were not taken.
    #[error("{0}")]
    Prices(#[from] PriceFault),
    /// A freeze of what this vault has nothing to do with.
    #[error("there is nothing to freeze: {0}")]
    NothingToFreeze(String),
    /// The act isn't about this request.
    #[error("the passkey signed another request: its {0} differs")]
    ActDiffers(&'static str),
    /// No invitation, another person's, or its time is over: not told apart.
    #[error("there is no such invitation for this operator; ask for a new one")]
    NotInvited,
    /// Nobody would know what a passkey signs for.
    #[error(
        "this vault has no console that passkeys sign for; operators propose one with set_console"
    )]
    NoConsole,
    /// As many credentials, or people, as a vault may have.
    #[error("operator {0} can't have one more credential; revoke one that is no longer used")]
    NoRoom(OperatorId),
    /// Somebody has a copy of the passkey, or its authenticator was reset.
    #[error(
        "the passkey of operator {operator} counts {counter} signatures, and {last} were seen: it may have been copied; revoke it"
    )]
    PasskeyCopied {
        /// Whose.
        operator: OperatorId,
        /// What it says.
        counter: u32,
        /// What was seen before.
        last: u32,
    },
    /// The observation doesn't fit the wallet.
    #[error("the observation does not fit wallet {0}: {1}")]
    Observation(WalletId, String),
}

impl Rejection {
    /// A stable code for programs: the last part of the problem's `type`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherVault(_) => "other-vault",
            Self::UnknownPrincipal(_) => "unknown-principal",
            Self::IdempotencyKeyReused(_) => "idempotency-key-reused",
            Self::IdempotencyKeyForm => "idempotency-key",
            Self::ReferenceForm => "reference",
            Self::NoWalletFor(_) => "no-wallet",
            Self::UnknownWallet(_) => "unknown-wallet",
            Self::WalletAsset(..) => "wallet-asset",
            Self::Amount(_) | Self::ZeroAmount | Self::Dust(_) => "amount",
            Self::Destination(_) | Self::ToItself(_) => "destination",
            Self::Frozen(_) => "frozen",
            Self::UnknownWithdrawal(_) => "unknown-withdrawal",
            Self::UnknownTransaction(_) => "unknown-transaction",
            Self::UnknownKey(_) => "unknown-key",
            Self::KeyPlace(_) => "key-place",
            Self::UnknownExport(_) => "unknown-export",
            Self::StatementDiffers(_) | Self::ProposalStatementDiffers(_) => "statement-differs",
            Self::StatementExpired(_) => "statement-expired",
            Self::StatementSignature(_) | Self::StatementSender { .. } => "statement-signature",
            Self::NotEligible(_) => "not-eligible",
            Self::AlreadyDecided(_) => "already-decided",
            Self::NotNow(..) => "not-now",
            Self::TransactionState(..) => "transaction-state",
            Self::OtherClient(_) => "other-client",
            Self::VoteTooOld(_) => "vote-too-old",
            Self::NotFrozen(_) => "not-frozen",
            Self::NothingLost(_) => "nothing-lost",
            Self::SingleAddress(..) => "single-address",
            Self::KeyCompromised(_) => "key-compromised",
            Self::ImportDiffers(_) => "import-differs",
            Self::ImportedAlready(_) => "imported-already",
            Self::NothingToExport(_) => "nothing-to-export",
            Self::ReasonForm => "reason",
            Self::Retiring(_) => "retiring",
            Self::UnknownProposal(_) => "unknown-proposal",
            Self::Change { .. } | Self::Changes(_) => "change",
            Self::TooManyProposals { .. } => "too-many-proposals",
            Self::ProposalNotNow(..) => "not-now",
            Self::NotAsked(_) | Self::OwnProposal(_) => "not-eligible",
            Self::ApprovedAlready(_) => "already-decided",
            Self::ColdToHot => "cold-to-hot",
            Self::Taken(_) => "taken",
            Self::NotScoped(..) => "not-scoped",
            Self::Prices(_) => "prices",
            Self::NothingToFreeze(_) => "nothing-to-freeze",
            Self::ActDiffers(_) => "act-differs",
            Self::NotInvited => "not-invited",
            Self::NoConsole => "no-console",
            Self::NoRoom(_) => "no-room",
            Self::PasskeyCopied { .. } => "passkey-copied",
            Self::Observation(..) => "observation",
        }
    }
}

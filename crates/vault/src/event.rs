//! What happened in a vault. The journal is a list of these, and the state is their fold.

mod kind;

use std::{collections::BTreeMap, sync::Arc};

use custodyd_chain::{
    Amount, Asset, Coin, FeeQuote, Network, NonceX, OutPoint, Plan, PublicKey, RawTransaction,
};
use custodyd_passkey::CredentialId;
use custodyd_policy::{
    ClientId, Currency, Facts, OperatorId, PolicyHash, Price, Timestamp, Verdict, WalletId,
    WithdrawalId,
};
use serde::{Deserialize, Serialize};

use crate::{
    CancelledBy, Change, Credential, Ed25519Key, Evidence, ExportId, FreezeScope, Genesis,
    GovernanceStatement, KeyId, OperatorSignature, ProposalEnd, ProposalId, Request, Statement,
    TransactionId, WrappedBlob,
};

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number, from 1 without gaps.
    pub seq: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// The vault began.
    VaultCreated {
        /// Its first state.
        genesis: Box<Genesis>,
    },
    /// A key is to be made; its id is durable before the HSM is asked.
    KeyRequested {
        /// For which wallet.
        wallet: WalletId,
        /// Its id.
        key: KeyId,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// Several keys of a wallet are to be made, by one request.
    KeysRequested {
        /// For which wallet.
        wallet: WalletId,
        /// Their ids.
        keys: Vec<KeyId>,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// A key exists.
    KeyMade {
        /// Its id.
        key: KeyId,
        /// Its public half.
        public_key: PublicKey,
        /// Its private half, if the HSM doesn't keep it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wrapped: Option<WrappedBlob>,
    },
    /// A key signed two digests with one nonce. Whoever sees both signatures has the private key: the second was thrown
    /// away unseen, the key never signs again, and its wallet is frozen.
    KeyCompromised {
        /// Whose it is.
        wallet: WalletId,
        /// The key.
        public_key: PublicKey,
        /// The r that both signatures have.
        r: NonceX,
        /// What the first one is part of.
        earlier: TransactionId,
        /// What the second one was made for.
        transaction: TransactionId,
    },
    /// A payout was asked for.
    WithdrawalRequested {
        /// Its id.
        id: WithdrawalId,
        /// What was asked.
        request: Arc<Request>,
        /// The signed request.
        evidence: Evidence,
    },
    /// Policy spoke.
    WithdrawalJudged {
        /// On which.
        id: WithdrawalId,
        /// What was judged: the wallet that would pay, and all that policy could look at.
        facts: Arc<Facts>,
        /// What it said, and why.
        verdict: Arc<Verdict>,
    },
    /// An operator approved.
    Approved {
        /// What they signed.
        statement: Statement,
        /// Their signature.
        signature: OperatorSignature,
        /// The signed request it came in.
        evidence: Evidence,
    },
    /// An operator refused.
    Rejected {
        /// What they signed.
        statement: Statement,
        /// Their signature.
        signature: OperatorSignature,
        /// The signed request it came in.
        evidence: Evidence,
    },
    /// It was taken back before anything was planned.
    Cancelled {
        /// Which.
        id: WithdrawalId,
        /// By whom.
        by: CancelledBy,
        /// The signed request it came in.
        evidence: Evidence,
    },
    /// Nobody completed the quorum in time.
    Expired {
        /// Which.
        id: WithdrawalId,
    },
    /// Its hold time is over.
    HoldEnded {
        /// Which.
        id: WithdrawalId,
    },
    /// It may be paid, but not now; it waits for the wallet to change, or, where policy has doubts, for a while.
    PlanningBlocked {
        /// Which.
        id: WithdrawalId,
        /// Why.
        reason: String,
        /// What policy says of the plan, if it is that which stands in the way.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Box<Verdict>>,
    },
    /// Whoever screens payouts has nothing against it.
    ScreeningPassed {
        /// Which.
        id: WithdrawalId,
    },
    /// Whoever screens payouts refuses it, or gave no answer.
    ScreeningRefused {
        /// Which.
        id: WithdrawalId,
        /// Why.
        reason: String,
    },
    /// Assets are worth something else.
    PricesSet {
        /// Who says so.
        client: ClientId,
        /// In which currency.
        currency: Currency,
        /// Since when.
        as_of: Timestamp,
        /// What one unit of each costs.
        prices: BTreeMap<Asset, Price>,
        /// The signed request.
        evidence: Evidence,
    },
    /// Inputs or a nonce are reserved for exactly these bytes.
    TransactionPlanned {
        /// Its id.
        transaction: TransactionId,
        /// From which wallet.
        wallet: WalletId,
        /// What it pays.
        withdrawals: Vec<WithdrawalId>,
        /// The bytes to be signed, as a plan.
        plan: Plan,
        /// The fee quote it was made with.
        quote: FeeQuote,
        /// The export it leaves in, for a cold wallet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        export: Option<ExportId>,
    },
    /// It carries valid signatures; from here on it can confirm whatever happens.
    TransactionSigned {
        /// Which.
        transaction: TransactionId,
        /// The bytes that are broadcast, always these.
        raw: RawTransaction,
        /// How many HSM signatures of this daemon it took; 0 when it was signed offline.
        signatures: u32,
    },
    /// A node took it.
    TransactionBroadcast {
        /// Which.
        transaction: TransactionId,
    },
    /// It is in a block.
    TransactionIncluded {
        /// Which.
        transaction: TransactionId,
        /// That block's height.
        height: u64,
        /// Whether it did what it said (EVM status).
        succeeded: bool,
    },
    /// Its block left the best chain; the stored bytes go out again.
    TransactionReorged {
        /// Which.
        transaction: TransactionId,
    },
    /// Deep enough.
    TransactionFinal {
        /// Which.
        transaction: TransactionId,
        /// Blocks from its own to the best one when that was decided.
        confirmations: u32,
    },
    /// Another transaction, in a block, took its inputs or nonce; the wallet is frozen, since only somebody else can have signed that.
    TransactionConflicted {
        /// Which.
        transaction: TransactionId,
    },
    /// A node's view of a wallet's coins changed.
    CoinsObserved {
        /// Which wallet.
        wallet: WalletId,
        /// New ones.
        added: Vec<Coin>,
        /// Those no longer unspent.
        removed: Vec<OutPoint>,
    },
    /// A node's view of an account changed.
    AccountObserved {
        /// Which wallet.
        wallet: WalletId,
        /// Its balance.
        balance: Amount,
        /// The next nonce the chain accepts.
        nonce: u64,
        /// At this block.
        height: u64,
    },
    /// Fees as a node tells them.
    FeeObserved {
        /// Where.
        network: Network,
        /// How much.
        quote: FeeQuote,
    },
    /// An operator stopped signing.
    Frozen {
        /// What.
        scope: FreezeScope,
        /// Why.
        reason: String,
        /// Who.
        operator: OperatorId,
        /// The signed request.
        evidence: Evidence,
    },
    /// An operator voted to go on.
    UnfreezeVoted {
        /// What.
        scope: FreezeScope,
        /// Who.
        operator: OperatorId,
        /// The signed request.
        evidence: Evidence,
    },
    /// The quorum was reached.
    Unfrozen {
        /// What.
        scope: FreezeScope,
    },
    /// The database was restored from an older copy, and whoever runs the daemon accepted that: the whole vault is frozen.
    RestoreAccepted {
        /// The last event that the machine knew of before. From this event's own number to that one, all is lost.
        last_seen: u64,
        /// Why, for people.
        reason: String,
    },
    /// An operator proposed changes. Who has to agree follows from them and from the policy in force.
    Proposed {
        /// Its id.
        proposal: ProposalId,
        /// What would change, in this order, as a whole.
        changes: Vec<Change>,
        /// Why, for people.
        reason: String,
        /// Who asks.
        operator: OperatorId,
        /// The policy in force.
        policy: PolicyHash,
        /// The signed request.
        evidence: Evidence,
    },
    /// An operator agreed to a proposal.
    ProposalApproved {
        /// What they signed.
        statement: GovernanceStatement,
        /// Their signature.
        signature: OperatorSignature,
        /// The signed request it came in.
        evidence: Evidence,
    },
    /// An operator ended a proposal: one who was asked, or whoever made it.
    ProposalVetoed {
        /// What they signed.
        statement: GovernanceStatement,
        /// Their signature.
        signature: OperatorSignature,
        /// The signed request it came in.
        evidence: Evidence,
    },
    /// A proposal's quorum was reached; its delay runs.
    ProposalPassed {
        /// Which.
        proposal: ProposalId,
        /// When it takes effect.
        until: Timestamp,
    },
    /// A proposal took effect, as a whole.
    ProposalEnacted {
        /// Which.
        proposal: ProposalId,
    },
    /// A proposal ended by itself, without effect.
    ProposalEnded {
        /// Which.
        proposal: ProposalId,
        /// Why.
        why: ProposalEnd,
    },
    /// Whoever was invited has a credential from here on; the invitation is used up.
    Enrolled {
        /// Who.
        operator: OperatorId,
        /// With which.
        credential: Credential,
        /// The invitation.
        invitation: Ed25519Key,
        /// The signed request.
        evidence: Evidence,
    },
    /// A passkey's signature counter moved on.
    PasskeyCounted {
        /// Whose it is.
        operator: OperatorId,
        /// The passkey.
        credential: CredentialId,
        /// Its counter.
        counter: u32,
    },
    /// A bundle is to be built of these transactions.
    ColdExportRequested {
        /// Its id.
        export: ExportId,
        /// The transactions in it, planned just before.
        transactions: Vec<TransactionId>,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// The bundle is there to be fetched.
    ColdExportBuilt {
        /// Which.
        export: ExportId,
        /// SHA-256 of its manifest, hex.
        manifest_sha256: String,
    },
    /// It came back, every transaction signed.
    ColdImported {
        /// Which.
        export: ExportId,
        /// Who brought it.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
}

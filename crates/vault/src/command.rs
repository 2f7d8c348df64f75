//! What enters a vault. Everything that influences a decision comes in here, with its time and its ids.

use std::{collections::BTreeSet, sync::Arc};

use custodyd_chain::{
    Address, Amount, Asset, Coin, FeeQuote, Network, NonceX, PublicKey, RawTransaction,
};
use custodyd_passkey::CredentialId;
use custodyd_policy::{
    ClientId, Currency, Initiator, OperatorId, Price, Timestamp, VaultId, WalletId, WithdrawalId,
};

use crate::{
    Change, Credential, Ed25519Key, ExportId, GovernanceStatement, KeyId, OperatorSignature,
    ProposalId, Statement, TransactionId, WrappedBlob,
};

/// The signed request a command came in, as JSON text exactly as it was stored, kept in the journal so that it can be
/// verified for ever. Opaque here.
pub type Evidence = Arc<str>;

/// A client asks for a payout.
#[derive(Debug, Clone)]
pub struct RequestWithdrawal {
    /// The id it will have.
    pub id: WithdrawalId,
    /// Who asks, as authenticated.
    pub initiator: Initiator,
    /// The vault the request names.
    pub vault: VaultId,
    /// The client's key for this request; asking again under it gives the same withdrawal.
    pub idempotency_key: String,
    /// SHA-256 of the request's body, hex: tells a repetition from a reuse of the key.
    pub body_digest: String,
    /// What is to be paid.
    pub asset: Asset,
    /// How much, in the asset's unit, as the client wrote it.
    pub amount: String,
    /// To whom, as the client wrote it.
    pub destination: String,
    /// The client's own reference.
    pub reference: String,
    /// The wallet to pay from; routed when absent.
    pub wallet: Option<WalletId>,
    /// The signed request.
    pub evidence: Evidence,
}

/// An operator decides on a withdrawal.
#[derive(Debug, Clone)]
pub struct Decide {
    /// Who sent it, as authenticated; must be whom the statement names.
    pub operator: OperatorId,
    /// What they signed.
    pub statement: Statement,
    /// Their signature over its challenge.
    pub signature: OperatorSignature,
    /// The signed request.
    pub evidence: Evidence,
}

/// An operator proposes changes.
#[derive(Debug, Clone)]
pub struct Propose {
    /// The id the proposal will have.
    pub id: ProposalId,
    /// Who asks, as authenticated.
    pub operator: OperatorId,
    /// The vault the request names.
    pub vault: VaultId,
    /// What is to change, in this order, as a whole.
    pub changes: Vec<Change>,
    /// Why, for people.
    pub reason: String,
    /// The signed request.
    pub evidence: Evidence,
}

/// An operator decides on a proposal.
#[derive(Debug, Clone)]
pub struct DecideProposal {
    /// Who sent it, as authenticated; must be whom the statement names.
    pub operator: OperatorId,
    /// What they signed.
    pub statement: GovernanceStatement,
    /// Their signature over its challenge.
    pub signature: OperatorSignature,
    /// The signed request.
    pub evidence: Evidence,
}

/// Somebody who was invited brings a credential.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// As whom.
    pub operator: OperatorId,
    /// Which.
    pub credential: Credential,
    /// The invitation that signed the request.
    pub invitation: Ed25519Key,
    /// The signed request.
    pub evidence: Evidence,
}

/// What a freeze covers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreezeScope {
    /// Everything.
    Vault,
    /// One wallet.
    Wallet(WalletId),
    /// Every wallet that holds this asset.
    Asset(Asset),
    /// Whatever this client asked for, and asks for.
    Client(ClientId),
    /// Whatever would go to this address.
    Destination(Address),
}

/// What a node says of a transaction that was broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainPosition {
    /// In the mempool.
    Pending,
    /// The node doesn't know it (any more).
    Unknown,
    /// In the block of this height, on the best chain.
    Included {
        /// Height of its block.
        height: u64,
        /// Blocks from its own to the best one, both counted: at least 1.
        confirmations: u32,
        /// Whether it did what it said; an Ethereum transaction can be included and have failed.
        succeeded: bool,
    },
    /// An input or the nonce is spent by another transaction that is in a block.
    Conflicted,
}

/// One thing that happened outside.
#[derive(Debug, Clone)]
pub enum Command {
    /// A client asks for a payout.
    RequestWithdrawal(Box<RequestWithdrawal>),
    /// An operator approves, rejects or cancels.
    Decide(Box<Decide>),
    /// A client takes its own request back.
    CancelByClient {
        /// Which.
        id: WithdrawalId,
        /// Who.
        client: ClientId,
        /// The signed request.
        evidence: Evidence,
    },
    /// An operator stops signing, at once.
    Freeze {
        /// What.
        scope: FreezeScope,
        /// Why, for people.
        reason: String,
        /// Who.
        operator: OperatorId,
        /// The signed request.
        evidence: Evidence,
    },
    /// An operator votes to let a frozen scope go on; the policy's quorum lifts it.
    Unfreeze {
        /// What.
        scope: FreezeScope,
        /// Who.
        operator: OperatorId,
        /// When they signed it; a vote from before the freeze doesn't lift it.
        signed_at: Timestamp,
        /// The signed request.
        evidence: Evidence,
    },
    /// Go on from an older copy of the database.
    AcceptRestore {
        /// The last event that this machine knew of.
        last_seen: u64,
        /// Why, for people.
        reason: String,
    },
    /// An operator proposes changes to the vault.
    Propose(Box<Propose>),
    /// An operator approves or vetoes such changes.
    DecideProposal(Box<DecideProposal>),
    /// A client says what assets are worth.
    SetPrices {
        /// Who.
        client: ClientId,
        /// What one unit of each costs.
        prices: Vec<(Asset, Price)>,
        /// In which currency.
        currency: Currency,
        /// Since when.
        as_of: Timestamp,
        /// The signed request.
        evidence: Evidence,
    },
    /// Whoever screens payouts has nothing against this one. It goes on to what policy asks.
    ScreeningPassed {
        /// Which.
        id: WithdrawalId,
    },
    /// Whoever screens payouts refuses this one, or can't be asked.
    ScreeningRefused {
        /// Which.
        id: WithdrawalId,
        /// Why, for people.
        reason: String,
    },
    /// One more receiving address of an online Bitcoin-family wallet.
    RequestAddress {
        /// The wallet.
        wallet: WalletId,
        /// The key's id, random.
        key: KeyId,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// So many more at once.
    RequestAddresses {
        /// The wallet.
        wallet: WalletId,
        /// The keys' ids, random.
        keys: Vec<KeyId>,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// The HSM made (or already held) a key that was asked for.
    KeyMade {
        /// Its id.
        key: KeyId,
        /// Its public half, as the HSM gives it.
        public_key: PublicKey,
        /// Its private half, if the wallet's keys lie wrapped.
        wrapped: Option<WrappedBlob>,
    },
    /// A signature of a transaction has the nonce of an earlier signature by the same key over something else.
    NonceReused {
        /// The key.
        public_key: PublicKey,
        /// The r of both.
        r: NonceX,
        /// The transaction that holds the first.
        earlier: TransactionId,
        /// The one that the second was made for.
        transaction: TransactionId,
    },
    /// A node's view of a Bitcoin-family wallet: its confirmed unspent outputs.
    ObserveCoins {
        /// The wallet.
        wallet: WalletId,
        /// All of them.
        coins: Vec<Coin>,
    },
    /// A node's view of an account, all three at one block.
    ObserveAccount {
        /// The wallet.
        wallet: WalletId,
        /// Its balance.
        balance: Amount,
        /// Count of its transactions in blocks: the next nonce the chain accepts.
        nonce: u64,
        /// The block.
        height: u64,
    },
    /// What a transaction costs now.
    ObserveFee {
        /// Where.
        network: Network,
        /// How much.
        quote: FeeQuote,
    },
    /// What became of a transaction.
    ObserveTransaction {
        /// Which.
        transaction: TransactionId,
        /// Where it is.
        position: ChainPosition,
    },
    /// Time passed, or something was observed: let go on what can.
    Advance,
    /// The HSM signed a plan, and the result was verified.
    Signed {
        /// Which.
        transaction: TransactionId,
        /// Only an assembled and independently decoded transaction is a RawTransaction.
        raw: RawTransaction,
        /// How many HSM signatures it took.
        signatures: u32,
    },
    /// The node took the transaction (or had it already).
    Broadcast {
        /// Which.
        transaction: TransactionId,
    },
    /// Somebody who was invited brings a credential.
    Enrol(Box<Enrol>),
    /// A passkey signed what comes next.
    CountPasskey {
        /// Whose it is.
        operator: OperatorId,
        /// The passkey.
        credential: CredentialId,
        /// Its counter: 0 where its authenticator keeps none.
        counter: u32,
    },
    /// Prepare a bundle for the air-gapped signer.
    ExportCold {
        /// The export's id.
        id: ExportId,
        /// Only this wallet's withdrawals.
        wallet: Option<WalletId>,
        /// Only these; all that wait when empty.
        withdrawals: BTreeSet<WithdrawalId>,
        /// Who asked.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
    /// The bundle was built, its manifest signed and both stored.
    ExportBuilt {
        /// Which.
        export: ExportId,
        /// SHA-256 of the manifest's canonical form, hex.
        manifest_sha256: String,
    },
    /// A bundle came back signed; each transaction was assembled from its signatures and the exported plan.
    ImportCold {
        /// The export it answers.
        export: ExportId,
        /// One for each exported transaction, no more, no fewer.
        signed: Vec<(TransactionId, RawTransaction)>,
        /// Who brought it.
        by: String,
        /// The signed request.
        evidence: Evidence,
    },
}

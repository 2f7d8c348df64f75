//! The state of a vault, and how to read it. Only [`Vault::apply`] changes it.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Amount, FeeQuote, Network, NonceX, OutPoint, Plan, PublicKey};
use custodyd_passkey::{CredentialId, RelyingParty};
use custodyd_policy::{
    ClientId, DestinationClass, Explanation, Facts, Initiator, LimitBook, LimitUsage, OperatorId,
    Outcome, Policy, PolicyHash, Prices, Timestamp, VaultId, WalletId, WithdrawalId,
};

use crate::destinations::Destinations;
use crate::{
    Client, Credential, Entry, ExportId, FreezeScope, Funds, Invitations, JournalKey, KeyId,
    Proposal, ProposalId, StatedEffects, Touch, Transaction, TransactionId, TransactionState,
    Wallet, Withdrawal, WithdrawalState,
};

/// A scope in which nothing is planned, signed or sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// Why.
    pub reason: String,
    /// Who froze it; nobody when the vault did by itself.
    pub by: Option<OperatorId>,
    /// Since when.
    pub at: Timestamp,
    /// Who voted to lift it.
    pub votes: BTreeSet<OperatorId>,
}

/// Why a key never signs again: two signatures of it share a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compromise {
    /// The wallet whose key it is.
    pub wallet: WalletId,
    /// The r that both have.
    pub r: NonceX,
    /// The transaction that holds the first.
    pub earlier: TransactionId,
    /// The one that the second was made for; it was thrown away.
    pub transaction: TransactionId,
    /// When that was.
    pub at: Timestamp,
}

/// How far a cold export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportState {
    /// Transactions planned, bundle to be built.
    Requested,
    /// Bundle to be fetched and signed.
    Built,
    /// Came back signed.
    Imported,
}

/// A cold export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// What it holds.
    pub transactions: Vec<TransactionId>,
    /// How far it is.
    pub state: ExportState,
    /// SHA-256 of its manifest, hex, once built.
    pub manifest_sha256: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// A vault: everything that a decision depends on.
#[derive(Debug, Clone)]
pub struct Vault {
    pub(crate) id: VaultId,
    pub(crate) seq: u64,
    pub(crate) policy: Policy,
    pub(crate) journal_key: JournalKey,
    pub(crate) operators: BTreeMap<OperatorId, Vec<Credential>>,
    /// Who may bring a credential.
    pub(crate) invitations: Invitations,
    /// The console that passkeys sign for.
    pub(crate) console: Option<RelyingParty>,
    /// The last signature counter of each passkey that keeps one.
    pub(crate) counters: BTreeMap<CredentialId, u32>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) destinations: Destinations,
    pub(crate) prices: Prices,
    pub(crate) wallets: BTreeMap<WalletId, Wallet>,
    pub(crate) keys: BTreeMap<KeyId, WalletId>,
    pub(crate) withdrawals: BTreeMap<WithdrawalId, Withdrawal>,
    pub(crate) idempotency: BTreeMap<Initiator, BTreeMap<String, WithdrawalId>>,
    pub(crate) limits: LimitBook,
    pub(crate) transactions: BTreeMap<TransactionId, Transaction>,
    /// Every outpoint a plan ever took. A signature may exist for it, so it is never planned again.
    pub(crate) taken: BTreeMap<OutPoint, TransactionId>,
    pub(crate) exports: BTreeMap<ExportId, Export>,
    pub(crate) fees: BTreeMap<Network, (FeeQuote, Timestamp)>,
    pub(crate) frozen: BTreeMap<FreezeScope, Freeze>,
    pub(crate) timers: BTreeSet<(Timestamp, WithdrawalId)>,
    /// Transactions with something left to do.
    pub(crate) open: BTreeSet<TransactionId>,
    pub(crate) keys_to_make: BTreeSet<KeyId>,
    pub(crate) compromised: BTreeMap<PublicKey, Compromise>,
    pub(crate) exports_to_build: BTreeSet<ExportId>,
    /// Payouts that somebody else is asked about.
    pub(crate) screening: BTreeSet<WithdrawalId>,
    /// Payouts that people are asked about.
    pub(crate) awaiting: BTreeSet<WithdrawalId>,
    pub(crate) proposals: BTreeMap<ProposalId, Proposal>,
    /// When an open proposal is due; each open one is here once.
    pub(crate) proposal_timers: BTreeSet<(Timestamp, ProposalId)>,
    /// Payouts that the policy in force has not judged yet, in order.
    pub(crate) unjudged: BTreeSet<(u64, WithdrawalId)>,
    /// Policies before the one in force that plans still to be signed were judged by.
    pub(crate) former: BTreeMap<PolicyHash, Policy>,
}

impl Vault {
    /// Its name.
    pub fn id(&self) -> &VaultId {
        &self.id
    }

    /// The number of the last event applied.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The policy in force.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The key that signs the journal.
    pub fn journal_key(&self) -> &JournalKey {
        &self.journal_key
    }

    /// The credentials of an operator.
    pub fn operator(&self, id: &OperatorId) -> Option<&[Credential]> {
        self.operators.get(id).map(Vec::as_slice)
    }

    /// A client: its credential and what it may do.
    pub fn client(&self, id: &ClientId) -> Option<&Client> {
        self.clients.get(id)
    }

    /// All operators with their credentials.
    pub fn operators(&self) -> &BTreeMap<OperatorId, Vec<Credential>> {
        &self.operators
    }

    /// Open invitations. One whose time is over stays until it is taken back, and counts no longer.
    pub fn invitations(&self) -> &Invitations {
        &self.invitations
    }

    /// The console that passkeys sign for.
    pub fn console(&self) -> Option<&RelyingParty> {
        self.console.as_ref()
    }

    /// The last signature counter of a passkey; 0 if its authenticator keeps none.
    pub fn passkey_counter(&self, credential: &CredentialId) -> u32 {
        self.counters.get(credential).copied().unwrap_or(0)
    }

    /// All clients with their credentials and scopes.
    pub fn clients(&self) -> &BTreeMap<ClientId, Client> {
        &self.clients
    }

    /// Its wallets.
    pub fn wallets(&self) -> &BTreeMap<WalletId, Wallet> {
        &self.wallets
    }

    /// Its payouts.
    pub fn withdrawals(&self) -> &BTreeMap<WithdrawalId, Withdrawal> {
        &self.withdrawals
    }

    /// Its transactions.
    pub fn transactions(&self) -> &BTreeMap<TransactionId, Transaction> {
        &self.transactions
    }

    /// Its cold exports.
    pub fn exports(&self) -> &BTreeMap<ExportId, Export> {
        &self.exports
    }

    /// What is frozen.
    pub fn frozen(&self) -> &BTreeMap<FreezeScope, Freeze> {
        &self.frozen
    }

    /// The wallet a key belongs to.
    pub fn wallet_of_key(&self, key: &KeyId) -> Option<&WalletId> {
        self.keys.get(key)
    }

    /// Keys that never sign again, whatever is unfrozen.
    pub fn compromised(&self) -> &BTreeMap<PublicKey, Compromise> {
        &self.compromised
    }

    /// The first key of a plan that must not sign.
    pub(crate) fn compromised_signer(&self, plan: &Plan) -> Option<PublicKey> {
        if self.compromised.is_empty() {
            return None;
        }
        let mut signers = plan.signers().into_iter();
        signers.find(|key| self.compromised.contains_key(key))
    }

    /// The last fee quote of a network, and when it was observed.
    pub fn fee_quote(&self, network: Network) -> Option<(&FeeQuote, Timestamp)> {
        self.fees.get(&network).map(|(quote, at)| (quote, *at))
    }

    /// How much of each limit is used at `now`.
    pub fn limit_usage(&self, now: Timestamp) -> Vec<LimitUsage> {
        self.limits.usage(&self.policy, now)
    }

    /// How every rule and limit of the policy in force sees these facts; changes nothing.
    pub fn explain(&self, facts: &Facts) -> Explanation {
        self.policy.explain(facts, &self.limits)
    }

    /// The withdrawal made under an initiator's idempotency key.
    pub fn withdrawal_for_key(&self, initiator: &Initiator, key: &str) -> Option<&Withdrawal> {
        self.idempotency
            .get(initiator)
            .and_then(|keys| keys.get(key))
            .and_then(|id| self.withdrawals.get(id))
    }

    /// What a withdrawal would do, as an operator's statement has it.
    pub fn stated_effects(&self, withdrawal: &Withdrawal) -> StatedEffects {
        StatedEffects {
            network: withdrawal.request.destination.network(),
            wallet: withdrawal.wallet.clone(),
            destination: withdrawal.request.destination.clone(),
            amount: withdrawal.request.amount,
        }
    }

    /// The name of a withdrawal's state, its transaction's included.
    pub fn withdrawal_state_name(&self, withdrawal: &Withdrawal) -> &'static str {
        match withdrawal
            .transaction()
            .and_then(|id| self.transactions.get(id))
        {
            Some(transaction) => transaction.state_name(),
            None => withdrawal.state_name(),
        }
    }

    /// When the next timer is due.
    pub fn due(&self) -> Option<Timestamp> {
        if !self.unjudged.is_empty() {
            return Some(Timestamp::default());
        }
        let payouts = self.timers.first().map(|(at, _)| *at);
        let proposals = self.proposal_timers.first().map(|(at, _)| *at);
        payouts.into_iter().chain(proposals).min()
    }

    /// What a wallet holds on the chain, and how much of it no transaction holds back.
    pub fn balances(&self, wallet: &Wallet) -> (Amount, Amount) {
        let zero = Amount::zero(wallet.network.asset());
        match &wallet.funds {
            Funds::Account(account) => (
                account.balance.unwrap_or(zero),
                account.available().unwrap_or(zero),
            ),
            Funds::Coins(coins) => {
                coins
                    .values()
                    .fold((zero, zero), |(balance, available), coin| {
                        let add = |sum: Amount| sum.checked_add(&coin.amount).unwrap_or(sum);
                        let free = !self.taken.contains_key(&coin.outpoint)
                            && !self.compromised.contains_key(&coin.public_key);
                        (add(balance), if free { add(available) } else { available })
                    })
            }
        }
    }

    /// Whether a key still has to be made.
    pub fn wants_key(&self, key: &KeyId) -> bool {
        self.keys_to_make.contains(key)
    }

    /// Every output and nonce that is held back, as the events that reserved them said.
    pub fn reservations(&self) -> Vec<Touch> {
        let mut held = Vec::new();
        for (id, transaction) in &self.transactions {
            let effects = transaction.plan.effects();
            held.extend(
                effects
                    .inputs
                    .iter()
                    .map(|o| Touch::ReserveOutpoint(effects.network, *o, id.clone())),
            );
            if let (Some(account), Some(nonce)) = (effects.account, effects.nonce) {
                held.push(Touch::ReserveNonce(
                    effects.network,
                    account,
                    nonce,
                    id.clone(),
                ));
            }
        }
        held
    }

    /// What policy takes a destination for at `at`.
    pub fn classify(&self, destination: &Address, at: Timestamp) -> DestinationClass {
        self.destinations
            .class(destination, self.policy.destinations(), at)
    }

    /// The address that this one could be taken for, if there is one: what a proposal to add it should show.
    pub fn resembled(&self, destination: &Address, at: Timestamp) -> Option<Address> {
        self.destinations
            .resembled(destination, self.policy.destinations(), at)
    }

    /// The wallet that an address belongs to, if it is one of ours.
    pub fn owner(&self, address: &Address) -> Option<&WalletId> {
        self.destinations.own().get(address)
    }

    /// The address book.
    pub fn address_book(&self) -> &BTreeMap<Address, Entry> {
        self.destinations.book()
    }

    /// Destinations never paid.
    pub fn block_list(&self) -> &BTreeSet<Address> {
        self.destinations.blocked()
    }

    /// What assets cost, as last told.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    /// Payouts that wait for people's approval.
    pub fn awaiting_approval(&self) -> &BTreeSet<WithdrawalId> {
        &self.awaiting
    }

    /// Payouts that a cold wallet may be asked to sign, in order.
    pub fn awaiting_export(&self) -> impl Iterator<Item = &Withdrawal> {
        self.wallets
            .values()
            .filter(|w| w.tier == custodyd_policy::Tier::Cold)
            .flat_map(|w| w.ready.iter().chain(&w.blocked))
            .filter_map(|(_, id)| self.withdrawals.get(id))
    }

    /// Whether a plan may be signed right now: nothing about it is frozen or blocked, none of its keys is compromised, its inputs or nonce are held for it, its payouts
    /// are in this transaction and no other, have the approvals that were asked for, and each is paid exactly as approved.
    pub fn may_sign(&self, id: &TransactionId) -> bool {
        let Some(transaction) = self.transactions.get(id) else {
            return false;
        };
        transaction.state == TransactionState::Planned
            && !self.is_stopped(transaction)
            && self.compromised_signer(&transaction.plan).is_none()
            && self.holds_for(id, transaction)
            && transaction.withdrawals.iter().all(|w| {
                self.withdrawals.get(w).is_some_and(|w| {
                    w.state == WithdrawalState::InTransaction(id.clone()) && self.is_approved(w)
                })
            })
            && self.check_plan(transaction).is_ok()
    }

    /// Whether what a plan spends is reserved for it and for nothing else.
    fn holds_for(&self, id: &TransactionId, transaction: &Transaction) -> bool {
        let Some(wallet) = self.wallets.get(&transaction.wallet) else {
            return false;
        };
        wallet.network == transaction.plan.network()
            && match (&transaction.plan, &wallet.funds) {
                (Plan::Bitcoin(plan), Funds::Coins(_)) => plan
                    .inputs
                    .iter()
                    .all(|coin| self.taken.get(&coin.outpoint) == Some(id)),
                (Plan::Evm(plan), Funds::Account(account)) => {
                    wallet.primary_key() == Some(plan.from)
                        && account
                            .reserved
                            .get(&plan.nonce)
                            .is_some_and(|(holder, _)| holder == id)
                }
                _ => false,
            }
    }

    /// Whether policy allowed a payout and everybody it asks for approved.
    pub fn is_approved(&self, withdrawal: &Withdrawal) -> bool {
        let allowed = withdrawal
            .verdict
            .as_ref()
            .is_some_and(|v| matches!(v.outcome, Outcome::Allow { .. }));
        allowed
            && self.judge_of(withdrawal).is_some_and(|policy| {
                policy.is_satisfied(withdrawal.requirements(), &withdrawal.approvers())
            })
    }

    /// The policy that judged a payout last: the one in force, unless the payout was planned before that.
    fn judge_of(&self, withdrawal: &Withdrawal) -> Option<&Policy> {
        let hash = withdrawal.verdict.as_ref()?.policy;
        if hash == self.policy.hash() {
            Some(&self.policy)
        } else {
            self.former.get(&hash)
        }
    }
}

//! The vault as it would be after some changes. Proposing and enacting go through the same draft: what can't be made is
//! refused twice, and nothing is made by half.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, FeeCaps};
use custodyd_passkey::RelyingParty;
use custodyd_policy::{ChangeKind, ClientId, OperatorId, Policy, WalletId};

use crate::{
    Change, ChangeFault, Client, Credential, Invitations, MAX_CHANGES, ProposalId, Rejection,
    Vault, WalletSpec,
};

/// Kinds of change that no policy may put out of everybody's reach.
const ALWAYS_CHANGEABLE: [ChangeKind; 4] = [
    ChangeKind::Rules,
    ChangeKind::Groups,
    ChangeKind::Operators,
    ChangeKind::Governance,
];

/// Other settings of a wallet.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WalletSettings {
    pub(crate) fee_caps: Option<FeeCaps>,
    pub(crate) confirmations: Option<u32>,
}

/// A vault's people, services, places and policy after some changes.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    pub(super) vault: &'a Vault,
    pub(super) proposal: &'a ProposalId,
    pub(crate) policy: Policy,
    pub(crate) kinds: BTreeSet<ChangeKind>,
    pub(crate) operators: BTreeMap<OperatorId, Vec<Credential>>,
    pub(crate) invitations: Invitations,
    pub(crate) console: Option<RelyingParty>,
    /// Whose open votes are void: they were removed, or lost a credential.
    pub(crate) voided: BTreeSet<OperatorId>,
    pub(crate) clients: BTreeMap<ClientId, Client>,
    pub(crate) wallets: BTreeMap<WalletId, WalletSpec>,
    pub(crate) settings: BTreeMap<WalletId, WalletSettings>,
    pub(crate) retiring: BTreeSet<WalletId>,
    /// Names of destinations that differ from the address book; `None` where one is taken out.
    pub(super) names: BTreeMap<Address, Option<String>>,
    /// Whether an address is blocked, where that differs.
    pub(super) blocks: BTreeMap<Address, bool>,
}

impl<'a> Draft<'a> {
    /// The vault as it is.
    fn of(vault: &'a Vault, proposal: &'a ProposalId) -> Self {
        Self {
            vault,
            proposal,
            policy: vault.policy.clone(),
            kinds: BTreeSet::new(),
            operators: vault.operators.clone(),
            invitations: vault.invitations.clone(),
            console: vault.console.clone(),
            voided: BTreeSet::new(),
            clients: vault.clients.clone(),
            wallets: BTreeMap::new(),
            settings: BTreeMap::new(),
            retiring: BTreeSet::new(),
            names: BTreeMap::new(),
            blocks: BTreeMap::new(),
        }
    }

    /// The vault after these changes, in their order.
    ///
    /// # Errors
    /// The first change that can't be made, or why they can't be made together.
    pub(crate) fn after(
        vault: &'a Vault,
        proposal: &'a ProposalId,
        changes: &[Change],
    ) -> Result<Self, Rejection> {
        let together = |fault| Rejection::Changes(Box::new(fault));
        if changes.is_empty() || changes.len() > MAX_CHANGES {
            return Err(together(ChangeFault::Count(changes.len())));
        }
        let mut draft = Self::of(vault, proposal);
        for (number, change) in (1..).zip(changes) {
            draft.apply(change).map_err(|fault| Rejection::Change {
                number,
                fault: Box::new(fault),
            })?;
        }
        draft.check_lockout().map_err(together)?;
        Ok(draft)
    }

    fn apply(&mut self, change: &Change) -> Result<(), ChangeFault> {
        self.kinds.extend(change.kind());
        match change {
            Change::SetPolicy { source } => self.set_policy(source),
            Change::AddOperator { id, credentials } => self.add_operator(id, credentials),
            Change::RemoveOperator { id } => self.remove_operator(id),
            Change::AddCredential {
                operator,
                credential,
            } => self.add_credential(operator, credential),
            Change::RevokeCredential {
                operator,
                credential,
            } => self.revoke_credential(operator, credential),
            Change::Invite {
                operator,
                invitation,
                until,
            } => self.invite(operator, invitation, *until),
            Change::Uninvite { invitation } => self.uninvite(invitation),
            Change::SetConsole { console } => self.set_console(console),
            Change::AddClient { id, key, scopes } => self.add_client(id, key, scopes),
            Change::RemoveClient { id } => self.remove_client(id),
            Change::SetClientScopes { id, scopes } => self.set_client_scopes(id, scopes),
            Change::RotateClientKey { id, key } => self.rotate_client_key(id, key),
            Change::AddDestination { address, name, .. } => self.add_destination(address, name),
            Change::RemoveDestination { address } => self.remove_destination(address),
            Change::Block { addresses } => self.block(addresses),
            Change::Unblock { addresses } => self.unblock(addresses),
            Change::SetWallet {
                id,
                fee_caps,
                confirmations,
            } => self.set_wallet(id, *fee_caps, *confirmations),
            Change::AddWallet {
                id,
                tier,
                network,
                fee_caps,
                confirmations,
                public_key,
                addresses,
            } => {
                let key = self.wallet_key(id, public_key.as_ref());
                let spec = WalletSpec {
                    tier: *tier,
                    network: *network,
                    fee_caps: *fee_caps,
                    confirmations: *confirmations,
                    key,
                    addresses: *addresses,
                };
                self.add_wallet(id, spec)
            }
            Change::RetireWallet { id } => self.retire_wallet(id),
        }
    }

    fn set_policy(&mut self, source: &str) -> Result<(), ChangeFault> {
        let next = Policy::parse(source).map_err(|e| ChangeFault::Policy(Box::new(e)))?;
        if next.hash() == self.policy.hash() {
            return Err(ChangeFault::SamePolicy);
        }
        let (before, after) = (self.policy.governance().floor(), next.governance().floor());
        if after.people < before.people || after.delay_ms < before.delay_ms {
            return Err(ChangeFault::FloorLowered {
                people: after.people,
                delay_ms: after.delay_ms,
                floor_people: before.people,
                floor_delay_ms: before.delay_ms,
            });
        }
        self.kinds.extend(self.policy.kinds_changed(&next));
        self.policy = next;
        Ok(())
    }

    /// Whether another policy comes into force.
    pub(crate) fn changes_policy(&self) -> bool {
        self.policy.hash() != self.vault.policy.hash()
    }

    /// Whatever the policy asks for can be given by who is there, and what must be changeable can be changed.
    fn check_lockout(&self) -> Result<(), ChangeFault> {
        if self.changes_policy() {
            let governance = self.policy.governance();
            let mut needed = ALWAYS_CHANGEABLE.into_iter();
            if let Some(kind) = needed.find(|kind| governance.change(*kind).is_none()) {
                return Err(ChangeFault::LockedOut(kind));
            }
        }
        check_staffing(&self.policy, &self.operators)
    }
}

/// Whether the operators can meet whatever the policy asks for.
pub(crate) fn check_staffing(
    policy: &Policy,
    operators: &BTreeMap<OperatorId, Vec<Credential>>,
) -> Result<(), ChangeFault> {
    let with_credential = operators.iter().filter(|(_, keys)| !keys.is_empty());
    let people = with_credential.map(|(id, _)| id.clone()).collect();
    match policy.unmet_demand(&people) {
        None => Ok(()),
        Some(demand) => Err(ChangeFault::Unmeetable {
            place: demand.place.to_string(),
            require: demand.require,
            without_proposer: demand.proposed,
        }),
    }
}

//! Governance retold from the journal alone, by a model that is too simple to be wrong: who is an operator, which policy is
//! in force, who approved what since when.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::Address;
use custodyd_policy::{ChangeKind, OperatorId, Policy, WithdrawalId};
use custodyd_vault::{
    Change, Credential, Ed25519Key, Event, Genesis, GovernanceDecision, GovernanceStatement,
    OperatorSignature, ProposalId, Recorded, Vault, changes_digest,
};

use crate::common::World;

struct Asked {
    changes: Vec<Change>,
    by: OperatorId,
    approvals: BTreeSet<OperatorId>,
    passed: Option<(u64, u64)>,
}

/// Watches a world from outside.
pub(crate) struct Chronicle {
    replica: Vault,
    read: usize,
    policy: Policy,
    operators: BTreeMap<OperatorId, Vec<Credential>>,
    /// Whom an invitation is for, and until when.
    invitations: BTreeMap<Ed25519Key, (OperatorId, u64)>,
    open: BTreeMap<ProposalId, Asked>,
    ended: BTreeSet<ProposalId>,
    destinations: BTreeMap<WithdrawalId, Address>,
    votes: BTreeMap<WithdrawalId, BTreeSet<OperatorId>>,
}

impl Chronicle {
    pub(crate) fn new(world: &World, genesis: &Genesis) -> Self {
        Self {
            replica: Vault::create(&world.journal[0]).unwrap(),
            read: 1,
            policy: Policy::parse(&genesis.policy).unwrap(),
            operators: genesis.operators.clone(),
            invitations: BTreeMap::new(),
            open: BTreeMap::new(),
            ended: BTreeSet::new(),
            destinations: BTreeMap::new(),
            votes: BTreeMap::new(),
        }
    }

    /// Reads what is new in the journal, then judges the state.
    pub(crate) fn check(&mut self, world: &World) {
        for recorded in &world.journal[self.read..] {
            let event = serde_json::to_string(&recorded.event).unwrap();
            let event: Event = serde_json::from_str(&event).unwrap();
            assert_eq!(event, recorded.event, "another event after its JSON form");
            let (seq, at) = (recorded.seq, recorded.at);
            self.replica.apply(&Recorded { seq, at, event }).unwrap();
            self.read_event(&recorded.event, recorded.at.as_ms());
        }
        self.read = world.journal.len();
        assert_eq!(
            format!("{:?}", self.replica),
            format!("{:?}", world.vault),
            "replaying gives another vault"
        );
        assert_eq!(*world.vault.operators(), self.operators);
        assert_eq!(world.vault.policy().hash(), self.policy.hash());
        let open: BTreeSet<_> = world.vault.open_proposals().map(|p| &p.id).collect();
        assert_eq!(open, self.open.keys().collect());
        for proposal in world.vault.open_proposals() {
            assert_eq!(
                proposal.policy,
                self.policy.hash(),
                "open under another policy"
            );
            assert_eq!(proposal.approvers(), self.open[&proposal.id].approvals);
        }
        for (id, votes) in &self.votes {
            let withdrawal = world.withdrawal(id);
            if withdrawal.state.is_cancellable() {
                assert_eq!(withdrawal.approvers(), *votes, "{id}");
            }
        }
        self.nobody_is_locked_out();
    }

    fn read_event(&mut self, event: &Event, at: u64) {
        match event {
            Event::Proposed {
                proposal,
                changes,
                operator,
                policy,
                ..
            } => {
                assert_eq!(*policy, self.policy.hash());
                assert!(self.operators.contains_key(operator));
                let asked = Asked {
                    changes: changes.clone(),
                    by: operator.clone(),
                    approvals: BTreeSet::new(),
                    passed: None,
                };
                assert!(self.open.insert(proposal.clone(), asked).is_none());
            }
            Event::ProposalApproved {
                statement,
                signature,
                ..
            } => {
                self.statement_holds(statement, signature, at);
                assert_eq!(statement.decision, GovernanceDecision::Approve);
                let asked = self.open.get_mut(&statement.proposal).unwrap();
                assert_ne!(asked.by, statement.operator, "approved their own");
                assert!(asked.approvals.insert(statement.operator.clone()));
            }
            Event::ProposalVetoed {
                statement,
                signature,
                ..
            } => {
                self.statement_holds(statement, signature, at);
                assert_eq!(statement.decision, GovernanceDecision::Veto);
                self.end(&statement.proposal);
            }
            Event::ProposalPassed { proposal, until } => {
                let asked = self.open.get_mut(proposal).unwrap();
                asked.passed = Some((at, until.as_ms()));
            }
            Event::ProposalEnacted { proposal } => {
                let asked = self.end(proposal);
                self.was_due(&asked, at);
                self.take_effect(&asked.changes);
            }
            Event::Enrolled {
                operator,
                credential,
                invitation,
                ..
            } => {
                let (invited, until) = self.invitations.remove(invitation).expect("once");
                assert!(invited == *operator && at < until);
                let mut held = self.operators.values().flatten();
                assert!(held.all(|other| other != credential));
                let held = self.operators.entry(operator.clone()).or_default();
                held.push(credential.clone());
            }
            Event::ProposalEnded { proposal, .. } => drop(self.end(proposal)),
            Event::WithdrawalRequested { id, request, .. } => {
                self.destinations.insert(*id, request.destination.clone());
            }
            Event::Approved { statement, .. } => {
                assert_eq!(statement.policy, self.policy.hash());
                let votes = self.votes.entry(statement.withdrawal).or_default();
                assert!(votes.insert(statement.operator.clone()));
            }
            _ => {}
        }
    }

    /// Ends it, once and for all.
    fn end(&mut self, id: &ProposalId) -> Asked {
        assert!(self.ended.insert(id.clone()), "{id} ended twice");
        self.open.remove(id).expect("what ends was open")
    }

    fn statement_holds(
        &self,
        statement: &GovernanceStatement,
        signature: &OperatorSignature,
        at: u64,
    ) {
        let keys = &self.operators[&statement.operator];
        assert!(statement.is_signed_by(keys, None, signature));
        let asked = &self.open[&statement.proposal];
        assert_eq!(statement.changes, changes_digest(&asked.changes));
        assert_eq!(statement.policy, self.policy.hash());
        assert!(statement.expires_at.as_ms() > at);
    }

    /// Each kind of change had the quorum and the delay that the policy in force names for it.
    fn was_due(&self, asked: &Asked, at: u64) {
        let (passed, until) = asked.passed.expect("enacted without passing");
        assert!(at >= until);
        let mut policy = self.policy.clone();
        let mut kinds = BTreeSet::new();
        for change in &asked.changes {
            kinds.extend(change.kind());
            if let Change::SetPolicy { source } = change {
                let next = Policy::parse(source).unwrap();
                kinds.extend(policy.kinds_changed(&next));
                policy = next;
            }
        }
        assert!(!kinds.is_empty());
        for kind in kinds {
            let rule = self.policy.governance().change(kind).unwrap();
            let met = self.policy.satisfied(&rule.require, &asked.approvals);
            assert!(met.is_ok(), "{kind} changed by {:?}", asked.approvals);
            assert!(at >= passed + rule.delay_ms, "{kind} changed too soon");
        }
    }

    fn take_effect(&mut self, changes: &[Change]) {
        let mut voided = BTreeSet::new();
        for change in changes {
            match change {
                Change::SetPolicy { source } => {
                    let next = Policy::parse(source).unwrap();
                    let (old, new) = (self.policy.governance().floor(), next.governance().floor());
                    assert!(new.people >= old.people && new.delay_ms >= old.delay_ms);
                    self.policy = next;
                    self.votes.clear();
                }
                Change::AddOperator { id, credentials } => {
                    self.operators.insert(id.clone(), credentials.clone());
                }
                Change::RemoveOperator { id } => {
                    self.operators.remove(id).unwrap();
                    self.invitations.retain(|_, (invited, _)| invited != id);
                    voided.insert(id);
                }
                Change::AddCredential {
                    operator,
                    credential,
                } => self
                    .operators
                    .get_mut(operator)
                    .unwrap()
                    .push(credential.clone()),
                Change::RevokeCredential {
                    operator,
                    credential,
                } => {
                    let held = self.operators.get_mut(operator).unwrap();
                    held.retain(|key| key != credential);
                    voided.insert(operator);
                }
                Change::Invite {
                    operator,
                    invitation,
                    until,
                } => {
                    let invited = (operator.clone(), until.as_ms());
                    assert!(self.invitations.insert(*invitation, invited).is_none());
                }
                Change::Uninvite { invitation } => {
                    self.invitations.remove(invitation).unwrap();
                }
                Change::Block { addresses } => {
                    let destinations = &self.destinations;
                    self.votes
                        .retain(|id, _| !addresses.contains(&destinations[id]));
                }
                _ => {}
            }
        }
        let votes = self.votes.values_mut();
        let approvals = self.open.values_mut().map(|asked| &mut asked.approvals);
        for people in votes.chain(approvals) {
            people.retain(|who| !voided.contains(who));
        }
    }

    /// Whoever is there, with a credential, can still change what matters and end a freeze.
    fn nobody_is_locked_out(&self) {
        let people: BTreeSet<OperatorId> = self.operators.keys().cloned().collect();
        assert!(self.operators.values().all(|keys| !keys.is_empty()));
        let governance = self.policy.governance();
        assert!(self.policy.satisfied(&governance.unfreeze, &people).is_ok());
        for kind in [
            ChangeKind::Rules,
            ChangeKind::Groups,
            ChangeKind::Operators,
            ChangeKind::Governance,
        ] {
            let rule = governance.change(kind).expect("it can be changed");
            let can = people.iter().any(|proposer| {
                let others = people.iter().filter(|who| *who != proposer);
                let others = others.cloned().collect();
                self.policy.satisfied(&rule.require, &others).is_ok()
            });
            assert!(can, "nobody can change {kind} any more");
        }
    }
}

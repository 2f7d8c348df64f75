//! The operators as those who change the vault: what they propose, sign and enact.

use custodyd_policy::Timestamp;
use custodyd_vault::{
    Change, Command, DecideProposal, Event, GOVERNANCE_DOMAIN, GovernanceDecision,
    GovernanceStatement, Proposal, ProposalId, Propose, RawSignature, Rejection,
};
use ed25519_dalek::Signer as _;

use super::{HOUR, POLICY, World, ed25519};

/// Most changes take two of treasury and an hour; operators one of security besides, groups and governance two hours.
pub(crate) const CHANGES: &str = r#"
[governance.changes]
default = { require = [{ group = "treasury", quorum = 2 }], delay = "1h" }
operators = { require = [{ group = "treasury", quorum = 1 }, { group = "security", quorum = 1 }], delay = "1h" }
groups = { require = [{ group = "treasury", quorum = 2 }], delay = "2h" }
governance = { require = [{ group = "treasury", quorum = 2 }], delay = "2h" }
block-list = { require = [{ group = "treasury", quorum = 2 }] }
[tiers]
"#;

/// The small vault's policy, with who may change it.
pub(crate) fn governed() -> String {
    POLICY.replace("[tiers]\n", CHANGES)
}

/// The same with one text in the place of another.
pub(crate) fn governed_but(before: &str, after: &str) -> String {
    let policy = governed();
    assert!(policy.contains(before), "{before} is not in the policy");
    policy.replace(before, after)
}

pub(crate) fn set_policy(source: &str) -> Change {
    Change::SetPolicy {
        source: source.to_owned(),
    }
}

impl World {
    /// A vault that can be changed, with coins, a balance and fee quotes.
    pub(crate) fn governed() -> Self {
        let mut world = Self::with(|genesis| genesis.policy = governed());
        world.fund();
        world
    }

    pub(crate) fn propose(
        &mut self,
        operator: &str,
        changes: &[Change],
    ) -> Result<ProposalId, Rejection> {
        let mut id = [0xab; 16];
        let serial = self.vault.proposals().len();
        id[14..].copy_from_slice(&u16::try_from(serial).unwrap().to_be_bytes());
        let id = ProposalId::from_bytes(id);
        self.take(Command::Propose(Box::new(Propose {
            id: id.clone(),
            operator: operator.parse().unwrap(),
            vault: self.vault.id().clone(),
            changes: changes.to_vec(),
            reason: "as agreed".to_owned(),
            evidence: "the signed request".into(),
        })))?;
        Ok(id)
    }

    pub(crate) fn proposal(&self, id: &ProposalId) -> &Proposal {
        &self.vault.proposals()[id]
    }

    pub(crate) fn governance_statement(
        &self,
        operator: &str,
        id: &ProposalId,
        decision: GovernanceDecision,
    ) -> GovernanceStatement {
        GovernanceStatement {
            domain: GOVERNANCE_DOMAIN.to_owned(),
            vault: self.vault.id().clone(),
            proposal: id.clone(),
            changes: self.proposal(id).digest.clone(),
            decision,
            policy: self.vault.policy().hash(),
            expires_at: Timestamp::from_ms(self.now + HOUR),
            nonce: "0123456789abcdef0123456789abcdef".to_owned(),
            operator: operator.parse().unwrap(),
        }
    }

    pub(crate) fn submit_to_council(
        &mut self,
        statement: GovernanceStatement,
        signature: RawSignature,
    ) -> Result<Vec<Event>, Rejection> {
        self.take(Command::DecideProposal(Box::new(DecideProposal {
            operator: statement.operator.clone(),
            statement,
            signature: signature.into(),
            evidence: "the signed request".into(),
        })))
    }

    fn decide_on(
        &mut self,
        operator: &str,
        id: &ProposalId,
        decision: GovernanceDecision,
    ) -> Result<Vec<Event>, Rejection> {
        let statement = self.governance_statement(operator, id, decision);
        let signature = sign_governance(&statement, 0);
        self.submit_to_council(statement, signature)
    }

    pub(crate) fn agree(
        &mut self,
        operator: &str,
        id: &ProposalId,
    ) -> Result<Vec<Event>, Rejection> {
        self.decide_on(operator, id, GovernanceDecision::Approve)
    }

    pub(crate) fn veto(
        &mut self,
        operator: &str,
        id: &ProposalId,
    ) -> Result<Vec<Event>, Rejection> {
        self.decide_on(operator, id, GovernanceDecision::Veto)
    }

    /// Proposed by dave and agreed to by whoever is needed; its delay runs.
    pub(crate) fn pass(&mut self, changes: &[Change]) -> ProposalId {
        let id = self.propose("dave", changes).unwrap();
        for operator in ["alice", "carol", "bob"] {
            if self.proposal(&id).state_name() == "voting" {
                self.agree(operator, &id).unwrap();
            }
        }
        assert_eq!(self.proposal(&id).state_name(), "delaying");
        id
    }

    /// The same, and it took effect.
    pub(crate) fn enact(&mut self, changes: &[Change]) -> ProposalId {
        let id = self.pass(changes);
        self.wait(2 * HOUR);
        let state = &self.proposal(&id).state;
        assert_eq!(self.proposal(&id).state_name(), "enacted", "{state:?}");
        id
    }
}

/// Signed with one of the credentials of whom the statement names.
pub(crate) fn sign_governance(statement: &GovernanceStatement, credential: u8) -> RawSignature {
    let key = ed25519(statement.operator.as_str(), credential);
    RawSignature(key.sign(&statement.challenge()).to_bytes())
}

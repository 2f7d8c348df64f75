//! Approvals by passkey: the vault itself verifies each assertion, whatever was verified before it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{NEW, World, governed};
use custodyd_passkey::{Assertion, CredentialId, Passkey, PasskeyKey, RelyingParty};
use custodyd_policy::WithdrawalId;
use custodyd_vault::{
    Change, Command, Credential, Decide, DecideProposal, Decision, Event, GovernanceDecision,
    OperatorSignature, Rejection, Statement,
};
use p256::ecdsa::{Signature, SigningKey, signature::Signer as _};
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "https://custody.example";

/// What a passkey and the browser before it say; each part may be made to lie.
struct Word {
    key: u8,
    credential: u8,
    challenge: [u8; 32],
    origin: &'static str,
    console: &'static str,
    /// User present and verified (WebAuthn Level 2 §6.1).
    flags: u8,
}

impl Word {
    /// Alice's, as it should be.
    fn on(challenge: [u8; 32]) -> Self {
        Self {
            key: 1,
            credential: 1,
            challenge,
            origin: ORIGIN,
            console: "custody.example",
            flags: 0b101,
        }
    }

    fn said(self) -> Assertion {
        let client_data = format!(
            r#"{{"type":"webauthn.get","challenge":"{}","origin":"{}","crossOrigin":false}}"#,
            URL_SAFE_NO_PAD.encode(self.challenge),
            self.origin
        );
        let mut authenticator_data = Sha256::digest(self.console).to_vec();
        authenticator_data.extend([self.flags, 0, 0, 0, 0]);
        let mut signed = authenticator_data.clone();
        signed.extend_from_slice(&Sha256::digest(&client_data));
        let signature: Signature = secret(self.key).sign(&signed);
        Assertion {
            credential: CredentialId::new(vec![self.credential; 16]).unwrap(),
            authenticator_data,
            client_data: client_data.into_bytes(),
            signature: signature.to_der().as_bytes().to_vec(),
        }
    }
}

fn secret(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

/// A vault with a console, at which alice has a passkey and nothing else.
fn world() -> World {
    let mut world = World::with(|genesis| {
        genesis.policy = governed();
        let console = RelyingParty::new("custody.example".to_owned(), [ORIGIN.to_owned()].into());
        genesis.console = Some(console.unwrap());
        let alice = genesis
            .operators
            .get_mut(&"alice".parse().unwrap())
            .unwrap();
        alice.push(Credential::Passkey(Passkey {
            id: CredentialId::new(vec![1; 16]).unwrap(),
            key: PasskeyKey::Es256(*secret(1).verifying_key()),
        }));
    });
    world.fund();
    world
}

fn waiting() -> (World, WithdrawalId) {
    let mut world = world();
    let id = world.request("2 LTC", NEW).unwrap();
    assert_eq!(world.state(&id), "awaiting_approval");
    (world, id)
}

fn decide(
    world: &mut World,
    statement: Statement,
    word: Assertion,
) -> Result<Vec<Event>, Rejection> {
    world.take(Command::Decide(Box::new(Decide {
        operator: statement.operator.clone(),
        statement,
        signature: OperatorSignature::from(word),
        evidence: "the signed request".into(),
    })))
}

/// Every way in which a word is not alice's on this challenge.
fn forged(challenge: [u8; 32], other: [u8; 32]) -> Vec<(&'static str, Assertion)> {
    let spoilt = |spoil: fn(&mut Word)| {
        let mut word = Word::on(challenge);
        spoil(&mut word);
        word.said()
    };
    let mut flipped = Word::on(challenge).said();
    *flipped.signature.last_mut().unwrap() ^= 1;
    let mut retold = Word::on(other).said();
    retold.client_data = Word::on(challenge).said().client_data;
    vec![
        ("another challenge", Word::on(other).said()),
        ("another challenge, told to be this one", retold),
        ("a bit of the signature", flipped),
        ("another key", spoilt(|w| w.key = 2)),
        ("another credential", spoilt(|w| w.credential = 2)),
        (
            "another origin",
            spoilt(|w| w.origin = "https://evil.example"),
        ),
        ("another console", spoilt(|w| w.console = "evil.example")),
        ("nobody verified", spoilt(|w| w.flags = 0b001)),
    ]
}

#[test]
fn an_approval_whose_assertion_does_not_verify_is_refused() {
    let (mut world, id) = waiting();
    let statement = world.statement("alice", &id, Decision::Approve);
    let other = world.statement("alice", &id, Decision::Reject);
    let challenge = statement.challenge();
    for (what, word) in forged(challenge, other.challenge()) {
        let refused = decide(&mut world, statement.clone(), word).unwrap_err();
        assert_eq!(refused.code(), "statement-signature", "{what}: {refused}");
    }
    assert!(world.withdrawal(&id).votes.is_empty());
    // Her word on somebody else's statement is not theirs.
    let bobs = world.statement("bob", &id, Decision::Approve);
    let word = Word::on(bobs.challenge()).said();
    let refused = decide(&mut world, bobs, word).unwrap_err();
    assert_eq!(refused.code(), "statement-signature");
    decide(&mut world, statement, Word::on(challenge).said()).unwrap();
    assert_eq!(world.withdrawal(&id).votes.len(), 1, "and hers counts");
}

#[test]
fn a_vote_on_a_proposal_whose_assertion_does_not_verify_is_refused() {
    let mut world = world();
    let remove = Change::RemoveClient {
        id: "shop".parse().unwrap(),
    };
    let id = world.propose("dave", &[remove]).unwrap();
    let statement = world.governance_statement("alice", &id, GovernanceDecision::Approve);
    let veto = world.governance_statement("alice", &id, GovernanceDecision::Veto);
    let challenge = statement.challenge();
    let mut vote = |word: Assertion| {
        world.take(Command::DecideProposal(Box::new(DecideProposal {
            operator: statement.operator.clone(),
            statement: statement.clone(),
            signature: OperatorSignature::from(word),
            evidence: "the signed request".into(),
        })))
    };
    for (what, word) in forged(challenge, veto.challenge()) {
        let refused = vote(word).unwrap_err();
        assert_eq!(refused.code(), "statement-signature", "{what}: {refused}");
    }
    vote(Word::on(challenge).said()).unwrap();
    assert_eq!(world.proposal(&id).approvals.len(), 1, "and hers counts");
}

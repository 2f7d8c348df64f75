//! Events that somebody inside the daemon could make up: each is recorded with a request that its speaker did sign, and is
//! refused by row and reason, because the request doesn't ask for it.

mod brought;
mod payouts;

use custodyd_airgap::{ExportItem, ReturnBundle, export_bundle};
use custodyd_chain::Signature;
use custodyd_httpsig::{SigningKey, UnsignedRequest, sign};
use custodyd_policy::{PolicyHash, Timestamp, WithdrawalId};
use custodyd_vault::{
    Change, Command, Decision, Event, ExportId, GovernanceDecision, KeyId, Recorded, Scope, Vault,
};
use k256::ecdsa::signature::hazmat::PrehashSigner as _;
use serde_json::{Value, json};

use super::{AuditFault, evidence::Walk};
use crate::stored_request::StoredRequest;

#[allow(clippy::duplicate_mod, reason = "the vault's own test world")]
#[path = "../../crates/vault/tests/common/mod.rs"]
#[allow(unreachable_pub)]
mod common;
use common::{
    HOUR, KNOWN, NEW, OPERATORS, World, ed25519, governed, secret, sign_governance, sign_statement,
};

const FIAT: &str = "[fiat]\ncurrency = \"USD\"\nprice_max_age = \"15m\"\n";

/// A request that this speaker signed, as it is stored.
fn asked(world: &World, keyid: &str, method: &str, target: &str, body: &[u8]) -> String {
    let key = match keyid.split_once('/').unwrap() {
        ("invitation", _) => invitation(),
        (_, name) if OPERATORS.contains(&name) => ed25519(name, 0),
        (_, name) => ed25519(name, 9),
    };
    let request = UnsignedRequest {
        method,
        authority: "localhost",
        target,
        content_type: (!body.is_empty()).then_some("application/json"),
        idempotency_key: (target == "/v1/withdrawals").then_some("order-7"),
        body,
    };
    let signed = sign(&request, keyid, "0123456789abcdef", world.now / 1_000, &key).unwrap();
    let request = StoredRequest::Signed(signed.attach(&request));
    request.to_text().unwrap()
}

fn posted(world: &World, keyid: &str, target: &str, body: &Value) -> String {
    asked(world, keyid, "POST", target, body.to_string().as_bytes())
}

fn invitation() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// What the audit says of an event that follows on this state.
fn audit(vault: &Vault, at: u64, event: &Value) -> Result<(), String> {
    let recorded = Recorded {
        seq: vault.seq() + 1,
        at: Timestamp::from_ms(at),
        event: serde_json::from_value(event.clone()).unwrap(),
    };
    let mut walk = Walk::default();
    walk.see(Some(vault), &recorded);
    match walk.ended() {
        Ok(audited) => {
            assert_eq!(audited.evidence, 1, "{event}");
            Ok(())
        }
        Err(AuditFault::Evidence { seq, kind, reason }) => {
            assert_eq!((seq, kind), (recorded.seq, recorded.event.kind()));
            Err(reason)
        }
        Err(other) => panic!("{other}"),
    }
}

/// The event as it was asked for passes, and with each of these members made another it is refused for this reason.
#[track_caller]
fn only_as_asked(world: &World, honest: &Event, forgeries: &[(&str, Value, &str)]) {
    let honest = serde_json::to_value(honest).unwrap();
    assert_eq!(audit(&world.vault, world.now, &honest), Ok(()));
    for (member, other, reason) in forgeries {
        let mut forged = honest.clone();
        match forged.pointer_mut(member) {
            Some(value) => *value = other.clone(),
            None => forged[member.trim_start_matches('/')] = other.clone(),
        }
        assert_ne!(forged, honest);
        let refused = audit(&world.vault, world.now, &forged).unwrap_err();
        assert!(refused.contains(reason), "{member}: {refused}");
    }
}

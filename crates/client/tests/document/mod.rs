//! A withdrawal's document as the daemon gives it.

use custodyd_chain::{Address, Network, PublicKey};
use serde_json::{Value, json};

/// 1.5 LTC from a warm wallet, to be approved by two.
pub(crate) fn awaiting_approval() -> Value {
    let network: Network = "litecoin-regtest".parse().unwrap();
    let generator = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
    let key = PublicKey::from_sec1(&hex::decode(generator).unwrap()).unwrap();
    let destination = Address::from_public_key(network, &key);
    let policy = "0".repeat(64);
    json!({
        "id": "wd_00112233445566778899aabbccddeeff",
        "vault": "main",
        "wallet": "warm-ltc",
        "tier": "warm",
        "asset": "LTC",
        "amount": "1.5 LTC",
        "destination": destination,
        "network": "litecoin-regtest",
        "client": "exchange",
        "reference": "order 7",
        "state": "awaiting_approval",
        "state_detail": null,
        "requirements": [{"group": "treasury", "quorum": 2}],
        "approvals": [{"operator": "bob", "decision": "approve", "at": 1_800_000_000_000_u64}],
        "verdict": {
            "outcome": "allow",
            "reasons": [{"code": "rule-required", "text": "rule warm-needs-two asks for 2 of treasury"}],
            "policy": policy,
        },
        "transaction": null,
        "created_at": 1_800_000_000_000_u64,
        "updated_at": 1_800_000_000_000_u64,
        "statement": {
            "domain": "custodyd/approval/v1",
            "vault": "main",
            "withdrawal": "wd_00112233445566778899aabbccddeeff",
            "effects": {
                "network": "litecoin-regtest",
                "wallet": "warm-ltc",
                "destination": destination,
                "amount": "1.5 LTC",
            },
            "policy": policy,
        },
    })
}

//! Payouts, freezes and proposals: who asked for what, and what people signed about it.

use super::*;

fn withdrawal_request(world: &World) -> Event {
    let body = json!({"vault": "main", "asset": "LTC", "amount": "2", "destination": NEW, "reference": "seven"});
    let text = body.to_string();
    let evidence = posted(world, "client/shop", "/v1/withdrawals", &body);
    let mut asked = world.asked("shop", "order-7", "2 LTC", NEW);
    asked.reference = "seven".to_owned();
    asked.body_digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
    asked.evidence = evidence.into();
    let command = Command::RequestWithdrawal(Box::new(asked));
    let events = world.vault.decide(&command, Timestamp::from_ms(world.now));
    events.unwrap().remove(0)
}

#[test]
fn a_withdrawal_is_recorded_only_as_its_client_asked_for_it() {
    let world = World::funded();
    let known = format!("litecoin-regtest:{KNOWN}");
    let event = withdrawal_request(&world);
    let cancels = asked(&world, "client/shop", "POST", &cancellation([1; 16]), b"");
    only_as_asked(
        &world,
        &event,
        &[
            ("/request/destination", json!(known), "has it: destination"),
            ("/request/amount", json!("2.5 LTC"), "has it: amount"),
            ("/request/amount", json!("2 BTC"), "has it: asset"),
            (
                "/request/initiator",
                json!("client/exchange"),
                "signed by client/shop",
            ),
            (
                "/request/initiator",
                json!("operator/alice"),
                "signed by client/shop",
            ),
            (
                "/request/idempotency_key",
                json!("order-8"),
                "has it: idempotency key",
            ),
            ("/request/reference", json!("eight"), "has it: reference"),
            ("/request/body_digest", json!("00"), "has it: body's digest"),
            ("/request", with_wallet(&event), "has it: wallet"),
            ("/evidence", json!(cancels), "something else: cancel"),
        ],
    );
}

fn with_wallet(event: &Event) -> Value {
    let mut request = serde_json::to_value(event).unwrap()["request"].take();
    request["wallet"] = json!("hot-ltc");
    request
}

fn cancellation(id: [u8; 16]) -> String {
    format!(
        "/v1/withdrawals/{}/cancellation",
        WithdrawalId::from_bytes(id)
    )
}

/// A decision of an operator on a withdrawal, with the request that it came in.
fn decided(
    world: &World,
    id: &WithdrawalId,
    (kind, verb): (&str, &str),
    statement: custodyd_vault::Statement,
) -> Value {
    let signature = sign_statement(&statement, 0);
    let body = json!({"statement": statement, "signature": signature});
    let by = format!("operator/{}", statement.operator);
    let evidence = posted(world, &by, &format!("/v1/withdrawals/{id}/{verb}"), &body);
    json!({"type": kind, "statement": statement, "signature": signature, "evidence": evidence})
}

#[test]
fn a_decision_is_recorded_only_if_its_statement_held_when_it_was_taken() {
    let mut world = World::funded();
    let id = world.request("2 LTC", NEW).unwrap();
    let statement = |by: &str, decision| world.statement(by, &id, decision);
    let approving = |statement| decided(&world, &id, ("approved", "approvals"), statement);
    let honest = approving(statement("alice", Decision::Approve));
    let event: Event = serde_json::from_value(honest.clone()).unwrap();
    let other = json!(statement("bob", Decision::Approve));
    let signature = honest["signature"].as_str().unwrap();
    let resigned = json!(format!("{}00", &signature[..126]));
    only_as_asked(
        &world,
        &event,
        &[
            ("/type", json!("rejected"), "has it: decision"),
            ("/statement", other, "signed by operator/alice"),
            (
                "/statement/effects/amount",
                json!("2.1 LTC"),
                "has it: statement",
            ),
            ("/signature", resigned, "has it: statement's signature"),
        ],
    );
    // Signed by whom it names, and sent; but never good for this withdrawal, or no longer, or not theirs to decide.
    let now = world.now;
    let mut wrong: Vec<(custodyd_vault::Statement, &str)> = Vec::new();
    let mut with = |reason, change: &dyn Fn(&mut custodyd_vault::Statement)| {
        let mut changed = statement("alice", Decision::Approve);
        change(&mut changed);
        wrong.push((changed, reason));
    };
    with("domain", &|s| s.domain = "other/v1".to_owned());
    with("vault", &|s| s.vault = "other".parse().unwrap());
    with("amount", &|s| s.effects.amount = common::amount("1 LTC"));
    with("wallet", &|s| {
        s.effects.wallet = "warm-ltc".parse().unwrap()
    });
    with("policy", &|s| s.policy = PolicyHash::of("version = 1"));
    with("expired", &|s| s.expires_at = Timestamp::from_ms(now));
    with("erin", &|s| s.operator = "erin".parse().unwrap());
    for (statement, reason) in wrong {
        let refused = audit(&world.vault, now, &approving(statement)).unwrap_err();
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
    let late = audit(&world.vault, now + HOUR, &honest).unwrap_err();
    assert!(late.contains("expired"), "{late}");
    let rejects = decided(
        &world,
        &id,
        ("rejected", "rejections"),
        statement("dave", Decision::Reject),
    );
    assert_eq!(audit(&world.vault, now, &rejects), Ok(()));
}

#[test]
fn a_cancellation_is_recorded_only_of_what_was_to_be_cancelled() {
    let mut world = World::funded();
    let [id, other] = [(); 2].map(|()| world.request("2 LTC", NEW).unwrap());
    let target = format!("/v1/withdrawals/{id}/cancellation");
    let evidence = asked(&world, "client/shop", "POST", &target, b"");
    let cancel = Command::CancelByClient {
        id,
        client: "shop".parse().unwrap(),
        evidence: evidence.into(),
    };
    let events = world.vault.decide(&cancel, Timestamp::from_ms(world.now));
    let by_another = asked(&world, "client/exchange", "POST", &target, b"");
    only_as_asked(
        &world,
        &events.unwrap()[0],
        &[
            ("/id", json!(other), "has it: withdrawal"),
            (
                "/by",
                json!({"client": "exchange"}),
                "signed by client/shop",
            ),
            ("/evidence", json!(by_another), "signed by client/exchange"),
        ],
    );
    let theirs = json!({"type": "cancelled", "id": id, "by": {"client": "exchange"}, "evidence": by_another});
    let refused = audit(&world.vault, world.now, &theirs).unwrap_err();
    assert!(refused.contains("has it: client"), "{refused}");
    let statement = world.statement("erin", &id, Decision::Cancel);
    let mut taken_back = decided(&world, &id, ("cancelled", "cancellation"), statement);
    let members = taken_back.as_object_mut().unwrap();
    let [statement, signature] =
        ["statement", "signature"].map(|name| members.remove(name).unwrap());
    members.insert("id".to_owned(), json!(id));
    members.insert(
        "by".to_owned(),
        json!({"operator": {"statement": statement, "signature": signature}}),
    );
    let taken_back: Event = serde_json::from_value(taken_back).unwrap();
    only_as_asked(
        &world,
        &taken_back,
        &[("/id", json!(other), "has it: withdrawal")],
    );
}

#[test]
fn freezes_and_votes_to_go_on_are_recorded_only_for_the_scope_that_was_named() {
    let mut world = World::funded();
    let body = json!({"wallet": "hot-ltc", "reason": "odd"});
    let freeze = posted(&world, "operator/erin", "/v1/freeze", &body);
    let frozen = json!({"type": "frozen", "scope": {"wallet": "hot-ltc"}, "reason": "odd", "operator": "erin", "evidence": freeze});
    only_as_asked(
        &world,
        &serde_json::from_value(frozen).unwrap(),
        &[
            ("/scope", json!({"wallet": "hot-eth"}), "has it: scope"),
            ("/scope", json!("vault"), "has it: scope"),
            ("/reason", json!("even"), "has it: reason"),
            ("/operator", json!("bob"), "signed by operator/erin"),
        ],
    );
    let body = json!({"wallet": "hot-ltc"});
    let vote = |world: &World, by: &str| {
        let evidence = posted(world, by, "/v1/unfreeze", &body);
        let operator = by.strip_prefix("operator/").unwrap();
        json!({"type": "unfreeze_voted", "scope": {"wallet": "hot-ltc"}, "operator": operator, "evidence": evidence})
    };
    let before = vote(&world, "operator/alice");
    world.wait(HOUR);
    world.freeze(common::scope("hot-ltc"), "dave").unwrap();
    world.freeze(common::scope("hot-eth"), "dave").unwrap();
    only_as_asked(
        &world,
        &serde_json::from_value(vote(&world, "operator/alice")).unwrap(),
        &[
            ("/scope", json!({"wallet": "hot-eth"}), "has it: scope"),
            ("/operator", json!("bob"), "signed by operator/alice"),
        ],
    );
    for (vote, reason) in [(before, "alice"), (vote(&world, "operator/erin"), "erin")] {
        let refused = audit(&world.vault, world.now, &vote).unwrap_err();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn proposals_and_votes_on_them_are_recorded_only_as_they_were_made() {
    let mut world = World::governed();
    let change = |name: &str| json!([{"change": "remove_client", "id": name}]);
    let changes: Vec<Change> = serde_json::from_value(change("shop")).unwrap();
    let body = json!({"vault": "main", "changes": change("shop"), "reason": "as agreed"});
    let evidence = posted(&world, "operator/dave", "/v1/proposals", &body);
    let id = world.propose("dave", &changes).unwrap();
    let mut event = serde_json::to_value(&world.journal.last().unwrap().event).unwrap();
    event["evidence"] = json!(evidence);
    only_as_asked(
        &world,
        &serde_json::from_value(event).unwrap(),
        &[
            ("/changes", change("exchange"), "has it: changes"),
            ("/reason", json!("never"), "has it: reason"),
            ("/operator", json!("alice"), "signed by operator/dave"),
        ],
    );
    let vote = |statement: custodyd_vault::GovernanceStatement, kind: &str, verb: &str| {
        let signature = sign_governance(&statement, 0);
        let body = json!({"statement": statement, "signature": signature});
        let by = format!("operator/{}", statement.operator);
        let evidence = posted(&world, &by, &format!("/v1/proposals/{id}/{verb}"), &body);
        json!({"type": kind, "statement": statement, "signature": signature, "evidence": evidence})
    };
    let approve = |by| world.governance_statement(by, &id, GovernanceDecision::Approve);
    let approved = vote(approve("alice"), "proposal_approved", "approvals");
    let altered = json!(approve("bob"));
    only_as_asked(
        &world,
        &serde_json::from_value(approved).unwrap(),
        &[
            ("/type", json!("proposal_vetoed"), "has it: decision"),
            ("/statement", altered, "signed by operator/alice"),
            ("/statement/changes", json!("00"), "has it: statement"),
        ],
    );
    let veto = world.governance_statement("dave", &id, GovernanceDecision::Veto);
    let vetoed = vote(veto, "proposal_vetoed", "vetoes");
    assert_eq!(audit(&world.vault, world.now, &vetoed), Ok(()));
    let mut other_changes = approve("alice");
    other_changes.changes = "00".repeat(32);
    let mut other_policy = approve("alice");
    other_policy.policy = PolicyHash::of("version = 1");
    let mut expired = approve("alice");
    expired.expires_at = Timestamp::from_ms(world.now);
    for (statement, reason) in [
        (other_changes, "changes"),
        (other_policy, "policy"),
        (expired, "expired"),
        (approve("dave"), "dave"),
        (approve("erin"), "erin"),
    ] {
        let forged = vote(statement, "proposal_approved", "approvals");
        let refused = audit(&world.vault, world.now, &forged).unwrap_err();
        assert!(refused.contains(reason), "{reason}: {refused}");
    }
}

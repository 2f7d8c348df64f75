//! What is brought from outside: prices, credentials, addresses asked for, and what crosses the air gap.

use super::*;

#[test]
fn prices_keys_and_credentials_are_recorded_only_as_they_were_brought() {
    let mut world = World::with(|genesis| {
        genesis.policy = format!("{}\n{FIAT}", governed());
        genesis.client_scopes = [("exchange".parse().unwrap(), [Scope::Prices].into())].into();
    });
    let body = json!({"currency": "USD", "as_of": world.now, "prices": {"ETH": "2000"}});
    let text = body.to_string();
    let evidence = asked(
        &world,
        "client/exchange",
        "PUT",
        "/v1/prices",
        text.as_bytes(),
    );
    let set = json!({"type": "prices_set", "client": "exchange", "currency": "USD", "as_of": world.now, "prices": {"ETH": "2000"}, "evidence": evidence});
    let unscoped = asked(&world, "client/shop", "PUT", "/v1/prices", text.as_bytes());
    only_as_asked(
        &world,
        &serde_json::from_value(set.clone()).unwrap(),
        &[
            ("/prices", json!({"ETH": "1"}), "has it: prices"),
            (
                "/prices",
                json!({"ETH": "2000", "LTC": "1"}),
                "has it: prices",
            ),
            ("/currency", json!("EUR"), "has it: currency"),
            ("/as_of", json!(world.now + 1), "has it: time"),
            ("/client", json!("shop"), "signed by client/exchange"),
            ("/evidence", json!(unscoped), "lacks the scope"),
        ],
    );

    let target = "/v1/wallets/hot-ltc/addresses";
    let evidence = asked(&world, "client/shop", "POST", target, b"");
    let key = KeyId::from_bytes([9; 16]);
    let requested = json!({"type": "key_requested", "wallet": "hot-ltc", "key": key, "by": "client/shop", "evidence": evidence});
    only_as_asked(
        &world,
        &serde_json::from_value(requested).unwrap(),
        &[
            ("/wallet", json!("warm-ltc"), "has it: wallet"),
            ("/by", json!("operator/alice"), "signed by client/shop"),
        ],
    );

    let three = posted(&world, "client/shop", target, &json!({"count": 3}));
    let keys = |many: u8| {
        json!(
            (0..many)
                .map(|n| KeyId::from_bytes([n; 16]))
                .collect::<Vec<_>>()
        )
    };
    let requested = json!({"type": "keys_requested", "wallet": "hot-ltc", "keys": keys(3), "by": "client/shop", "evidence": three});
    only_as_asked(
        &world,
        &serde_json::from_value(requested).unwrap(),
        &[
            ("/keys", keys(4), "has it: count"),
            ("/wallet", json!("warm-ltc"), "has it: wallet"),
            ("/by", json!("client/exchange"), "signed by client/shop"),
        ],
    );

    let until = Timestamp::from_ms(world.now + 100 * HOUR);
    let invited = invitation().verifying_key().into();
    world.enact(&[Change::Invite {
        operator: "frank".parse().unwrap(),
        invitation: invited,
        until,
    }]);
    let credential = |seed| hex::encode(ed25519("frank", seed).verifying_key().as_bytes());
    let body = json!({"operator": "frank", "credential": credential(0)});
    let by = format!("invitation/{invited}");
    let evidence = posted(&world, &by, "/v1/enrolments", &body);
    let enrolled = json!({"type": "enrolled", "operator": "frank", "credential": credential(0), "invitation": invited, "evidence": evidence});
    only_as_asked(
        &world,
        &serde_json::from_value(enrolled).unwrap(),
        &[
            ("/credential", json!(credential(1)), "has it: credential"),
            ("/operator", json!("grace"), "has it: operator"),
            ("/invitation", json!(credential(2)), "signed by invitation/"),
        ],
    );
}

#[test]
fn cold_exports_and_imports_are_recorded_only_for_what_was_named() {
    let mut world = World::funded();
    let mut cold = || {
        let id = world.request_from("cold-ltc", "1 LTC", KNOWN).unwrap();
        world.approve(&["alice", "bob"], &id);
        id
    };
    let [named, other] = [cold(), cold()];
    world.quote_fees();
    world.export(1).unwrap();
    let transaction = |id| world.withdrawal(id).transaction().unwrap();
    let ask = |by: &str, body: &Value| posted(&world, by, "/v1/cold/exports", body);
    let evidence = ask(
        "operator/alice",
        &json!({"wallet": "cold-ltc", "withdrawals": [named]}),
    );
    let of_another = ask("operator/alice", &json!({"wallet": "hot-ltc"}));
    let export = ExportId::from_bytes([2; 16]);
    let exported = json!({"type": "cold_export_requested", "export": export, "transactions": [transaction(&named)], "by": "operator/alice", "evidence": evidence});
    only_as_asked(
        &world,
        &serde_json::from_value(exported).unwrap(),
        &[
            (
                "/transactions",
                json!([transaction(&other)]),
                "has it: withdrawals",
            ),
            ("/by", json!("operator/bob"), "signed by operator/alice"),
            ("/evidence", json!(of_another), "has it: wallet"),
        ],
    );

    let tar = returned(&mut world, &export);
    let brought = |by: &str| asked(&world, by, "POST", "/v1/cold/imports", &tar);
    let imported = json!({"type": "cold_imported", "export": export, "by": "operator/alice", "evidence": brought("operator/alice")});
    only_as_asked(
        &world,
        &serde_json::from_value(imported.clone()).unwrap(),
        &[
            (
                "/export",
                json!(ExportId::from_bytes([1; 16])),
                "has it: export",
            ),
            ("/by", json!("operator/bob"), "signed by operator/alice"),
        ],
    );
    let mut by_a_client = imported;
    by_a_client["by"] = json!("client/shop");
    by_a_client["evidence"] = json!(brought("client/shop"));
    let refused = audit(&world.vault, world.now, &by_a_client).unwrap_err();
    assert!(refused.contains("client/shop may not"), "{refused}");
}

/// A bundle that answers an export, of some transaction: what it names is all that is looked at here.
fn returned(world: &mut World, export: &ExportId) -> Vec<u8> {
    let id = world.request("1 ETH", common::ETH_NEW).unwrap();
    let id = world.planned(&id);
    let plan = world.vault.transactions()[&id].plan.clone();
    let digest = plan.signing_requests().unwrap()[0].digest;
    let signature: k256::ecdsa::Signature =
        secret("hot-eth").sign_prehash(digest.as_bytes()).unwrap();
    let item = ExportItem {
        transaction: id.as_str().parse().unwrap(),
        wallet: "hot-eth".parse().unwrap(),
        plan,
        keys: Vec::new(),
        previous: Default::default(),
    };
    let journal = p256::ecdsa::SigningKey::from_slice(&[3; 32]).unwrap();
    let public = hex::encode(journal.verifying_key().to_encoded_point(true).as_bytes());
    let bundle = export_bundle(
        "main".parse().unwrap(),
        export.as_str().parse().unwrap(),
        world.now,
        public.parse().unwrap(),
        &[item],
    )
    .unwrap();
    let sealed: p256::ecdsa::Signature = journal.sign_prehash(&bundle.digest()).unwrap();
    let bundle = bundle.signed(sealed.to_bytes().into()).unwrap();
    let signature = Signature::from_hsm(&signature.to_bytes()).unwrap();
    let answer = ReturnBundle::answer(&bundle, &[vec![signature]]).unwrap();
    answer.to_tar()
}

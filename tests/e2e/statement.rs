//! `custodyctl statement`: what a withdrawal would do, from the raw data, whatever the daemon's documents say.

use custodyd_client::{KeyFile, Withdrawal, stated_effects};
use custodyd_vault::{APPROVAL_DOMAIN, Decision, Statement};
use serde_json::Value;

use crate::{
    house::{SOMEBODY, ask, ethereum_house, id_of, show, withdraw},
    sqlite::{database, sql},
    typed::ctl,
};

const ALICE: &str = "operator/alice";

#[tokio::test]
async fn a_statement_comes_from_the_clients_signed_request_and_not_from_a_document() {
    let house = ethereum_house().await;
    let exchange = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&exchange, "k1", &ask("ETH", "3", SOMEBODY)).await;
    let id = id_of(&asked);
    let alice = house.client_as(ALICE).unwrap();
    let journal_key = alice.checkpoint().await.unwrap().journal_key;
    let client_key = KeyFile::load(&house.key_file("client/exchange")).unwrap();
    let client_key = hex::encode(client_key.verifying_key().as_bytes());
    let checked = ["--journal-key", &journal_key, "--client-key", &client_key];
    let statement = |more: &[&str]| ctl(&house, ALICE, &[&["statement", id][..], more].concat());

    let read = statement(&checked).done();
    assert_eq!(read.row("pay"), "3 ETH");
    assert_eq!(read.row("to").replace(' ', ""), SOMEBODY);
    assert_eq!(read.row("from wallet"), "hot-eth");
    assert_eq!(read.row("asked by"), "client/exchange");
    assert_eq!(read.row("signature"), format!("holds under {client_key}"));
    assert_eq!(read.row("checkpoint"), format!("signed by {journal_key}"));

    // What the console computes from the document, as long as nobody lies.
    let document: Withdrawal = serde_json::from_value(asked.clone()).unwrap();
    let (effects, policy) = stated_effects(&document).unwrap();
    let stated = Statement {
        domain: APPROVAL_DOMAIN.to_owned(),
        vault: document.vault.clone(),
        withdrawal: document.id,
        effects,
        decision: Decision::Approve,
        policy,
        expires_at: "2026-12-01T00:00:00Z".parse().unwrap(),
        nonce: "00112233445566778899aabbccddeeff".to_owned(),
        operator: "alice".parse().unwrap(),
    };
    assert_eq!(read.row("code"), stated.code());
    assert_eq!(read.row("digest"), hex::encode(stated.effects_digest()));
    let whole = [
        "--operator",
        "alice",
        "--nonce",
        &stated.nonce,
        "--expires-at",
        "2026-12-01T00:00:00Z",
    ];
    let whole = statement(&whole).done();
    assert_eq!(whole.row("challenge"), hex::encode(stated.challenge()));
    assert!(whole.row("checkpoint").starts_with("not checked"));

    // A lie in the table that readers are served from moves the document, not the statement.
    let thief = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
    let database = database(&house);
    sql(
        &database,
        &format!("UPDATE withdrawals SET document = replace(document, '{SOMEBODY}', '{thief}');"),
    );
    let lie: Value = show(&exchange, id).await;
    assert_eq!(lie["destination"], thief);
    let still = statement(&checked).done();
    assert_eq!(still.row("code"), stated.code());
    assert_eq!(still.row("to").replace(' ', ""), SOMEBODY);

    let other = [
        "--client-key",
        "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1",
    ];
    assert!(
        statement(&other)
            .refused()
            .contains("not signed by that key")
    );
    let generator = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
    let refused = statement(&["--journal-key", generator]).refused();
    assert!(
        refused.contains("not signed by the journal key"),
        "{refused}"
    );
    let missing = format!("wd_{}", "0".repeat(32));
    let refused = ctl(&house, ALICE, &["statement", &missing]).refused();
    assert!(
        refused.contains("no row of the journal asks for"),
        "{refused}"
    );

    // And a lie in the journal itself breaks the chain.
    sql(
        &database,
        &format!(
            "UPDATE journal SET event = replace(event, '{SOMEBODY}', '{thief}') WHERE kind = 'withdrawal_requested';"
        ),
    );
    let refused = statement(&[]).refused();
    assert!(
        refused.contains("does not have the hash of what it says"),
        "{refused}"
    );
}

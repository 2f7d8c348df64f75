//! The Rust client's methods, each with a real daemon's answer.

use custodyd_client::{
    ClientError, Filter, NewProposal, Retries, State, sign_decision, sign_governance,
};
use custodyd_policy::WithdrawalId;
use custodyd_vault::{Change, Decision, FreezeScope, GovernanceDecision};

use crate::house::{LONG, SOMEBODY, ask, ethereum_house, mine};

#[tokio::test]
async fn a_client_is_given_types_and_a_list_as_long_as_it_is() {
    let house = ethereum_house().await;
    let exchange = house.client_as("client/exchange").unwrap();
    let alice = house.client_as("operator/alice").unwrap();

    let retries = Retries::default();
    let body = ask("ETH", "0.25", SOMEBODY);
    let asked = exchange.withdraw("k0", &body, retries).await.unwrap();
    let again = exchange.withdraw("k0", &body, retries).await.unwrap();
    assert_eq!(asked.id, again.id);
    let other = ask("ETH", "0.5", SOMEBODY);
    let reused = exchange.withdraw("k0", &other, retries).await.unwrap_err();
    let ClientError::Refused(problem) = reused else {
        panic!("{reused:?}");
    };
    assert_eq!(problem.code(), "idempotency-key-reused");
    house
        .until("be sent", LONG, async || {
            let seen = exchange.withdrawal(&asked.id).await;
            seen.is_ok_and(|seen| seen.state == State::Broadcast)
        })
        .await
        .unwrap();
    mine(&house, 2);
    house
        .until("be final", LONG, async || {
            let seen = exchange.withdrawal(&asked.id).await;
            seen.is_ok_and(|seen| seen.state == State::Final)
        })
        .await
        .unwrap();
    let paid = exchange.withdrawal(&asked.id).await.unwrap();
    let transaction = paid.transaction.unwrap().parse().unwrap();
    let transaction = exchange.transaction(&transaction).await.unwrap();
    assert_eq!(transaction.withdrawals, [asked.id]);
    assert!(transaction.raw.is_some() && transaction.height.is_some());

    // More than a page, each once, newest first.
    for n in 0..53 {
        let body = ask("ETH", "20", SOMEBODY);
        let denied = exchange
            .withdraw(&format!("many-{n}"), &body, retries)
            .await
            .unwrap();
        assert_eq!(denied.state, State::Denied);
    }
    let mut pages = exchange.withdrawals(&Filter::default());
    let mut seen: Vec<WithdrawalId> = Vec::new();
    while let Some(withdrawal) = pages.next().await.unwrap() {
        assert!(!seen.contains(&withdrawal.id));
        seen.push(withdrawal.id);
    }
    assert_eq!(seen.len(), 54);
    assert_eq!(seen.last(), Some(&asked.id));
    let settled = Filter {
        state: Some(State::Final),
        client: None,
    };
    assert_eq!(alice.withdrawals(&settled).all().await.unwrap().len(), 1);

    let simulated = exchange.simulate(&ask("ETH", "3", SOMEBODY)).await.unwrap();
    assert_eq!(simulated.verdict.outcome, "allow");
    let waits = exchange
        .withdraw("waits", &ask("ETH", "3", SOMEBODY), retries)
        .await
        .unwrap();
    let identity = alice.identity().unwrap();
    let signed = sign_decision(&waits, Decision::Approve, 3_600_000, identity).unwrap();
    let approved = alice.decide(&signed).await.unwrap();
    assert_eq!(approved.approvals.len(), 1);
    let taken_back = exchange.cancel(&waits.id).await.unwrap();
    assert_eq!(taken_back.state, State::Cancelled);

    let wallets = alice.wallets().all().await.unwrap();
    assert_eq!(wallets.len(), 1);
    let wallet = alice.wallet(&wallets[0].id).await.unwrap();
    assert_eq!(wallet.addresses.len(), 1);
    let keys = alice.addresses(&wallet.id).all().await.unwrap();
    assert_eq!(keys[0].address.as_ref(), wallet.addresses.first());
    let scope = FreezeScope::Wallet(wallet.id.clone());
    let frozen = alice.freeze(&scope, "a drill").await.unwrap();
    assert_eq!(frozen[0].state, "frozen");

    let proposal = alice
        .propose(&NewProposal {
            vault: "main".to_owned(),
            changes: vec![Change::RemoveClient {
                id: "payroll".parse().unwrap(),
            }],
            reason: "left".to_owned(),
        })
        .await
        .unwrap();
    let vote = sign_governance(&proposal, GovernanceDecision::Veto, 60_000, identity).unwrap();
    let ended = alice.vote(&vote).await.unwrap();
    assert_eq!(ended.state, "withdrawn");
    assert_eq!(alice.proposals(None).all().await.unwrap().len(), 1);
    assert_eq!(
        alice.proposal(&proposal.id).await.unwrap().state,
        "withdrawn"
    );

    assert!(alice.policy().await.unwrap().source.contains("version = 1"));
    assert!(!alice.limits().await.unwrap().is_empty());
    assert_eq!(alice.ready().await.unwrap().status, "ready");
    let head = alice.checkpoint().await.unwrap();
    assert_eq!(
        alice.journal(head.seq - 1, 5).await.unwrap()[0].seq,
        head.seq
    );
}

//! Many withdrawals asked for at once, each with a destination and an amount of its own, and the chain's word on them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use custodyd_client::{Client, Page};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::house::{House, LONG, ask, withdraw};

/// Clients that ask at the same time.
const CLIENTS: usize = 48;
/// 1,000 ETH.
const FUNDS: u128 = 1_000_000_000_000_000_000_000;
/// 0.001 ETH, and to that as many wei as the withdrawal's number.
const AMOUNT: u128 = 1_000_000_000_000_000;

/// A policy whose limits count every withdrawal and stop none of these.
pub(super) fn policy() -> String {
    r#"version = 1
[groups]
treasury = ["alice", "bob", "carol"]
[approvals]
expire_after = "24h"
[destinations]
cool_off = "24h"
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury", quorum = 2, hold = "1h" }
cold = { group = "treasury", quorum = 2 }
[[rules]]
id = "small"
effect = "allow"
when = { tier = ["hot"], amount = { at_most = "1 ETH" } }
[[limits]]
id = "client-hourly"
per = "client"
max_count = 100000
window = "1h"
on_breach = "deny"
"#
    .to_owned()
}

/// The withdrawals of one house.
pub(super) struct Payments<'a> {
    house: &'a House,
    client: Arc<Client>,
    turns: Arc<Semaphore>,
    asking: JoinSet<()>,
    asked: usize,
    answered: Arc<AtomicUsize>,
}

impl<'a> Payments<'a> {
    /// Funds the wallet.
    pub(super) async fn begin(house: &'a House) -> Self {
        house
            .fund_ethereum("hot-eth", &format!("{FUNDS:#x}"))
            .await
            .unwrap();
        Self {
            house,
            client: Arc::new(house.client_as("client/exchange").unwrap()),
            turns: Arc::new(Semaphore::new(CLIENTS)),
            asking: JoinSet::new(),
            asked: 0,
            answered: Arc::default(),
        }
    }

    pub(super) const fn asked(&self) -> usize {
        self.asked
    }

    /// Asks for so many more, and doesn't wait for the answers.
    pub(super) fn ask(&mut self, count: usize) {
        for number in self.asked..self.asked + count {
            let (client, turns) = (Arc::clone(&self.client), Arc::clone(&self.turns));
            let answered = Arc::clone(&self.answered);
            self.asking.spawn(async move {
                let _turn = turns.acquire().await.unwrap();
                let body = ask("ETH", &ether(number), &destination(number));
                let document = withdraw(&client, &format!("payment-{number}"), &body).await;
                assert_eq!(document["verdict"]["outcome"], "allow", "{document}");
                answered.fetch_add(1, Ordering::Relaxed);
            });
        }
        self.asked += count;
    }

    /// Waits until so many of those that were under way are answered.
    pub(super) async fn until_answered(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        self.house
            .until("answer withdrawals", LONG, async || {
                self.answered.load(Ordering::Relaxed) >= wanted
            })
            .await
            .unwrap();
    }

    /// Waits until the node took all that were asked for.
    pub(super) async fn until_broadcast(&mut self) {
        while let Some(asked) = self.asking.join_next().await {
            asked.unwrap();
        }
        let broadcast = async || events(self.house, "transaction_broadcast") >= self.asked;
        self.house
            .until("broadcast every withdrawal", LONG, broadcast)
            .await
            .unwrap();
    }

    /// Mines, and waits until every withdrawal is final.
    pub(super) async fn until_all_are_final_and_none_failed(&self) {
        let node = self.house.anvil.as_ref().unwrap();
        self.house
            .until("see every withdrawal final", LONG, async || {
                node.mine(1).unwrap();
                events(self.house, "transaction_final") >= self.asked
            })
            .await
            .unwrap();
        let mut cursor = None;
        let mut listed = 0;
        loop {
            let parameters = [("limit", Some("200".to_owned())), ("cursor", cursor)];
            let target = custodyd_client::with_query("/v1/withdrawals", &parameters);
            let page: Page<Value> = self.client.get(&target).await.unwrap();
            for withdrawal in &page.items {
                assert_eq!(withdrawal["state"], "final", "{withdrawal}");
            }
            listed += page.items.len();
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, self.asked);
    }

    /// Goes through every block: nothing but these payments left the wallet, each once, with consecutive nonces, and what is
    /// left in it is what was there without them and their fees.
    pub(super) async fn check_on_chain(&self) {
        let node = self.house.anvil.as_ref().unwrap();
        let wallet = self.house.address_of("hot-eth").await.unwrap();
        let mut fees = BTreeMap::new();
        let mut paid = BTreeMap::new();
        let mut nonces = Vec::new();
        for height in 0..=node.height().unwrap() {
            let height = format!("{height:#x}");
            let block = node
                .rpc("eth_getBlockByNumber", &json!([height, true]))
                .unwrap();
            let receipts = node.rpc("eth_getBlockReceipts", &json!([height])).unwrap();
            for receipt in receipts.as_array().unwrap() {
                assert_eq!(receipt["status"], "0x1", "{receipt}");
                let fee = quantity(&receipt["gasUsed"]) * quantity(&receipt["effectiveGasPrice"]);
                fees.insert(receipt["transactionHash"].to_string(), fee);
            }
            for transaction in block["transactions"].as_array().unwrap() {
                let from = transaction["from"].as_str().unwrap();
                assert!(from.eq_ignore_ascii_case(&wallet), "{transaction}");
                nonces.push(quantity(&transaction["nonce"]));
                let to = transaction["to"].as_str().unwrap().to_lowercase();
                let twice = paid.insert(to, quantity(&transaction["value"]));
                assert_eq!(twice, None, "{transaction}");
            }
        }
        let expected: BTreeMap<String, u128> = (0..self.asked)
            .map(|number| (destination(number), wei(number)))
            .collect();
        assert_eq!(paid, expected);
        nonces.sort_unstable();
        let consecutive: Vec<u128> = (0..expected.len() as u128).collect();
        assert_eq!(nonces, consecutive);
        let spent: u128 = paid.values().chain(fees.values()).sum();
        let left = quantity(&json!(node.balance(&wallet).unwrap()));
        assert_eq!(left, FUNDS - spent);
    }
}

/// An address of digits alone, which has no checksum to get wrong (EIP-55).
fn destination(number: usize) -> String {
    format!("0x7{number:039}")
}

fn wei(number: usize) -> u128 {
    AMOUNT + number as u128
}

fn ether(number: usize) -> String {
    format!("0.{:018}", wei(number))
}

fn quantity(hex: &Value) -> u128 {
    u128::from_str_radix(hex.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
}

/// Events of a kind since the daemon started.
fn events(house: &House, kind: &str) -> usize {
    let name = format!("custodyd_journal_events_total{{kind=\"{kind}\"}} ");
    super::sight::metric(house, &name).unwrap_or(0)
}

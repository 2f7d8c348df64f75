//! The nodes are real: they pay, confirm, reorganise, and come back after being stopped and killed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use custodyd_testbed::{Anvil, AnvilOptions, Litecoind, Mining};
use serde_json::json;

#[test]
fn litecoind_pays_and_confirms() {
    let node = Litecoind::start().unwrap();
    let address = node.outside_address().unwrap();
    assert!(address.starts_with("rltc1q"), "{address}");
    let txid = node.fund(&address, "1.5").unwrap();
    let payment = node
        .wallet_cli("miner", &["gettransaction", &txid])
        .unwrap();
    assert_eq!(payment["confirmations"], 1);
    let cookie = std::fs::read_to_string(node.cookie_file()).unwrap();
    assert!(cookie.starts_with("__cookie__:"), "{cookie}");
}

#[test]
fn litecoind_mines_past_the_height_at_which_mweb_would_stop_it() {
    let node = Litecoind::start().unwrap();
    node.mine(400).unwrap();
    assert_eq!(node.height().unwrap(), 501);
}

#[test]
fn litecoind_forgets_a_confirmation_in_a_reorganisation_and_finds_it_again() {
    let node = Litecoind::start().unwrap();
    let address = node.outside_address().unwrap();
    let txid = node.fund(&address, "0.25").unwrap();
    node.mine(1).unwrap();
    let before = node.height().unwrap();
    let lost = node.block_hash(before - 1).unwrap();

    node.reorganise(2).unwrap();
    assert_eq!(node.height().unwrap(), before + 1);
    assert!(node.cli(&["getmempoolentry", &txid]).is_ok());

    node.reconsider(&lost).unwrap();
    assert_eq!(
        node.height().unwrap(),
        before + 1,
        "the longer branch stays"
    );
    node.mine(1).unwrap();
    let payment = node
        .wallet_cli("miner", &["gettransaction", &txid])
        .unwrap();
    assert_eq!(payment["confirmations"], 1);
}

#[test]
fn litecoind_keeps_its_chain_and_mempool_over_a_restart_and_changes_its_cookie() {
    let mut node = Litecoind::start().unwrap();
    let address = node.outside_address().unwrap();
    let txid = node.pay(&address, "0.1").unwrap();
    let cookie = std::fs::read_to_string(node.cookie_file()).unwrap();
    let height = node.height().unwrap();

    node.stop().unwrap();
    assert!(node.cli(&["getblockcount"]).is_err());
    node.restart().unwrap();

    assert_eq!(node.height().unwrap(), height);
    assert!(node.cli(&["getmempoolentry", &txid]).is_ok());
    assert_ne!(cookie, std::fs::read_to_string(node.cookie_file()).unwrap());
    node.kill().unwrap();
    node.restart().unwrap();
    node.mine(1).unwrap();
}

const SENDER: &str = "0x00000000000000000000000000000000000a11ce";
const RECEIVER: &str = "0x0000000000000000000000000000000000000b0b";
const ONE_ETH: &str = "0xde0b6b3a7640000";

/// Sends one wei as an account that Anvil lets us impersonate; gives back the transaction hash.
fn send_one_wei(anvil: &Anvil) -> String {
    anvil
        .rpc("anvil_impersonateAccount", &json!([SENDER]))
        .unwrap();
    anvil.fund(SENDER, ONE_ETH).unwrap();
    let sent = anvil.rpc(
        "eth_sendTransaction",
        &json!([{"from": SENDER, "to": RECEIVER, "value": "0x1"}]),
    );
    sent.unwrap().as_str().unwrap().to_owned()
}

#[test]
fn anvil_funds_mines_and_goes_back_to_a_snapshot() {
    let mut anvil = Anvil::start().unwrap();
    assert_eq!(anvil.rpc("eth_chainId", &json!([])).unwrap(), "0x7a69");
    let snapshot = anvil.snapshot().unwrap();
    let hash = send_one_wei(&anvil);
    assert_eq!(anvil.confirmed(&hash).unwrap()["status"], "0x1");
    assert_eq!(anvil.balance(RECEIVER).unwrap(), "0x1");
    anvil.mine(3).unwrap();
    assert_eq!(anvil.height().unwrap(), 4);
    anvil.revert(&snapshot).unwrap();
    assert_eq!(anvil.height().unwrap(), 0);
    assert_eq!(anvil.balance(RECEIVER).unwrap(), "0x0");
    assert!(
        anvil.revert(&snapshot).is_err(),
        "a snapshot is good for once"
    );
}

#[test]
fn anvil_mines_by_hand_when_told_to() {
    let anvil = Anvil::start_with(AnvilOptions {
        mining: Mining::Manual,
        ..AnvilOptions::default()
    })
    .unwrap();
    let hash = send_one_wei(&anvil);
    assert_eq!(anvil.receipt(&hash).unwrap(), None);
    anvil.mine(1).unwrap();
    assert_eq!(anvil.receipt(&hash).unwrap().unwrap()["status"], "0x1");
    anvil.reorganise(1).unwrap();
    assert_eq!(anvil.receipt(&hash).unwrap(), None);
}

#[test]
fn anvil_keeps_its_chain_over_a_restart() {
    let mut anvil = Anvil::start().unwrap();
    let hash = send_one_wei(&anvil);
    anvil.confirmed(&hash).unwrap();
    anvil.stop().unwrap();
    assert!(anvil.height().is_err());
    anvil.restart().unwrap();
    assert_eq!(anvil.height().unwrap(), 1);
    assert_eq!(anvil.balance(RECEIVER).unwrap(), "0x1");
    let receipt = anvil.receipt(&hash).unwrap().unwrap();
    assert_eq!(receipt["blockNumber"], "0x1");
}

#[test]
fn an_error_of_a_node_names_the_method_and_the_reason() {
    let anvil = Anvil::start().unwrap();
    let error = anvil.rpc("eth_nonsense", &json!([])).unwrap_err();
    assert!(error.to_string().contains("eth_nonsense"), "{error}");
}

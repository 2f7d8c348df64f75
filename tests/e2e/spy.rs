//! What the PKCS#11 module is asked: exactly the signatures that the journal explains, and never a private value.

use serde_json::{Value, json};

use crate::house::{
    LONG, Plan, SOMEBODY, all_final, approve_by_two, ask, fund_ether, house, id_of, withdraw,
};

/// Attributes that hold, or lead to, the private half of a key (PKCS#11 3.0 §4.9 and, for completeness, RSA's).
const PRIVATE: [&str; 7] = [
    "CKA_VALUE ",
    "CKA_PRIVATE_EXPONENT",
    "CKA_PRIME_1",
    "CKA_PRIME_2",
    "CKA_EXPONENT_1",
    "CKA_EXPONENT_2",
    "CKA_COEFFICIENT",
];

/// Calls by which a key could leave the token, or be brought into it.
const TRAFFIC: [&str; 5] = [
    "C_WrapKey",
    "C_UnwrapKey",
    "C_DeriveKey",
    "C_CreateObject",
    "C_CopyObject",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_module_signs_as_often_as_the_journal_explains_and_no_private_value_is_read() {
    let mut house = house(Plan {
        spied: true,
        ..Plan::default()
    })
    .await;
    let client = house.client_as("client/exchange").unwrap();
    house
        .fund_litecoin("hot-ltc", &["0.6", "0.6"])
        .await
        .unwrap();
    fund_ether(&house).await;

    let outside = house.litecoind.as_ref().unwrap().outside_address().unwrap();
    let two_inputs = withdraw(&client, "k1", &ask("LTC", "0.9", &outside)).await;
    let small = withdraw(&client, "k2", &ask("ETH", "0.5", SOMEBODY)).await;
    let large = withdraw(&client, "k3", &ask("ETH", "1.4", SOMEBODY)).await;
    assert_eq!(large["state"], "awaiting_approval", "{large}");
    approve_by_two(&house, id_of(&large)).await;
    let denied = withdraw(&client, "k4", &ask("ETH", "11", SOMEBODY)).await;
    assert_eq!(denied["state"], "denied", "{denied}");
    let _: Value = client
        .post_empty("/v1/wallets/hot-ltc/addresses")
        .await
        .unwrap();
    house
        .until("make the second address", LONG, async || {
            let wallet: Value = client.get("/v1/wallets/hot-ltc").await.unwrap();
            wallet["addresses"].as_array().unwrap().len() == 2
        })
        .await
        .unwrap();
    let mut signatures = 0;
    let ids = [&two_inputs, &small, &large].map(id_of);
    for (paid, inputs) in all_final(&house, &client, ids).await.iter().zip([2, 1, 1]) {
        let path = format!("/v1/transactions/{}", paid["transaction"].as_str().unwrap());
        let transaction: Value = client.get(&path).await.unwrap();
        assert_eq!(transaction["signatures"], json!(inputs), "{transaction}");
        signatures += inputs;
    }

    house.daemon.terminate(LONG).unwrap();
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    let explained = explained(&printed);
    let calls = house.pkcs11_calls().unwrap();
    let made = |name: &str| {
        let ending = format!(": {name}");
        calls.lines().filter(|line| line.ends_with(&ending)).count()
    };
    // The log is explained literally, call by call.
    for name in ["C_SignInit", "C_Sign"] {
        assert_eq!(
            made(name),
            number_before(&printed, name),
            "{name}: {printed}"
        );
    }
    assert_eq!(made("C_SignInit"), explained, "{printed}");
    // Those with a null buffer ask for the length, and return no signature.
    let buffers = calls.matches("pSignature[*pulSignatureLen]").count();
    let lengths = calls.matches("pSignature[*pulSignatureLen] NULL").count();
    assert_eq!((buffers, lengths), (2 * explained, explained), "{printed}");
    assert!(
        explained > signatures,
        "heads are signed as well: {printed}"
    );

    assert!(made("C_GetAttributeValue") > 0, "the spy wrote nothing");
    for name in PRIVATE {
        assert!(!calls.contains(name), "{name} was asked for or shown");
    }
    for name in TRAFFIC {
        assert_eq!(made(name), 0, "{name}");
    }
}

/// `N signatures explained:`, as `custodyd journal verify` prints it.
pub(crate) fn explained(printed: &str) -> usize {
    number_before(printed, "signatures explained:")
}

/// The number that stands before these words, as they stand between blanks.
fn number_before(printed: &str, words: &str) -> usize {
    let (before, _) = printed.split_once(&format!(" {words} ")).unwrap();
    before
        .split_whitespace()
        .next_back()
        .unwrap()
        .parse()
        .unwrap()
}

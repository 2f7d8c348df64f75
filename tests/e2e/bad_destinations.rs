//! Destinations that cannot be meant, and amounts that no network takes to them.

use custodyd_client::NewWithdrawal;

use crate::{
    bad_inputs::{Mark, PAY},
    house::{Plan, SOMEBODY, ask, default_policy, house, id_of, show, until_state, withdraw},
    wire::Speaker,
};

/// Of litecoin-regtest: version 0, 20 bytes.
const PUBKEY_HASH: &str = "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3";

#[tokio::test(flavor = "multi_thread")]
async fn destinations_that_cannot_be_meant_are_refused() {
    let inward = "[[rules]]\nid = \"hot-to-own\"\neffect = \"deny\"\n\
                  when = { tier = [\"hot\"], destination = [\"own\"] }\n";
    let policy = format!("{}\n{inward}", default_policy());
    let house = house(Plan {
        policy: Some(policy),
        ..Plan::default()
    })
    .await;
    house.fund_litecoin("hot-ltc", &["3"]).await.unwrap();
    let exchange = Speaker::of(&house, "client/exchange");
    let mark = Mark::set(&house).await;
    let pay = |key: &str, asset: &str, amount: &str, destination: &str| {
        let body = serde_json::to_vec(&ask(asset, amount, destination)).unwrap();
        exchange.post(PAY, Some(key), &body)
    };
    let refused = [
        (
            "mainnet",
            "LTC",
            "ltc1qw508d6qejxtdg4y5r3zarvary0c5xw7kgmn4n9",
        ),
        (
            "Bitcoin",
            "LTC",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            "Bitcoin, base58",
            "LTC",
            "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH",
        ),
        ("an account", "LTC", SOMEBODY),
        (
            "checksum",
            "LTC",
            "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs4",
        ),
        (
            "mixed case",
            "LTC",
            "rltc1Qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "bech32m for bech32",
            "LTC",
            "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k0ep24n",
        ),
        (
            "bech32 for bech32m",
            "LTC",
            "rltc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq9cjgh4",
        ),
        (
            "witness version 2",
            "LTC",
            "rltc1zw508d6qejxtdg4y5r3zarvaryvxze8ex",
        ),
        (
            "witness version 16",
            "LTC",
            "rltc1sw508d6qejxtdg4y5r3zarvary0c5xw7km4s768",
        ),
        (
            "a Cyrillic letter",
            "LTC",
            "rltс1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "a space",
            "LTC",
            " rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        (
            "an address URI",
            "LTC",
            "litecoin:rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        ("nothing", "LTC", ""),
        (
            "a private key",
            "LTC",
            "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ",
        ),
        (
            "EIP-55",
            "ETH",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79c8",
        ),
        ("zero", "ETH", "0x0000000000000000000000000000000000000000"),
        (
            "39 digits",
            "ETH",
            "0x70997970C51812dc3A010C7d01b50e0d17dc79C",
        ),
        ("a name", "ETH", "vitalik.eth"),
        ("Litecoin", "ETH", PUBKEY_HASH),
    ];
    for (number, (what, asset, destination)) in refused.iter().enumerate() {
        pay(&format!("to-{number}"), asset, "0.5", destination).refuses(what, 422, "destination");
    }
    // BIP-141 outputs of 22 bytes: less than 294 litoshi at Core's dust rate cost more to spend than they are worth.
    pay("dust", "LTC", "0.00000001", PUBKEY_HASH).refuses("dust", 422, "amount");
    let mainnet_supply = pay("supply", "LTC", "84000000.00000001", PUBKEY_HASH);
    mainnet_supply.refuses("more than there is", 422, "amount");
    assert_eq!(mark.since(&house).await, [""; 0]);

    // The vault's own: no wallet pays itself; the hot one's is refilled from the warm one, if people approve; and what a
    // hot wallet may pay within the house is for policy to say.
    let (hot, warm) = (
        house.address_of("hot-ltc").await.unwrap(),
        house.address_of("warm-ltc").await.unwrap(),
    );
    let body = NewWithdrawal {
        wallet: Some("hot-ltc".to_owned()),
        ..ask("LTC", "0.5", &hot)
    };
    let itself = exchange.post(PAY, Some("itself"), &serde_json::to_vec(&body).unwrap());
    itself.refuses("a wallet's own address", 422, "destination");
    assert_eq!(mark.since(&house).await, [""; 0]);
    for (key, destination, wallet, state) in [
        ("refill", &hot, "warm-ltc", "awaiting_approval"),
        ("sweep", &warm, "hot-ltc", "denied"),
    ] {
        let answer = pay(key, "LTC", "0.5", destination);
        assert_eq!(answer.status, 201, "{answer:?}");
        let seen = ["destination_class", "wallet", "state"]
            .map(|field| answer.body[field].as_str().unwrap());
        assert_eq!(seen, ["own", wallet, state], "{answer:?}");
    }
    assert_eq!(
        mark.since(&house).await,
        ["withdrawal_requested", "withdrawal_judged"].repeat(2)
    );

    // The good one among them, so that the others weren't refused for something else.
    let client = house.client_as("client/exchange").unwrap();
    let paid = withdraw(&client, "good", &ask("LTC", "0.5", PUBKEY_HASH)).await;
    until_state(&house, &client, id_of(&paid), "broadcast").await;
    assert_eq!(
        show(&client, id_of(&paid)).await["destination"]
            .as_str()
            .unwrap()
            .split(':')
            .next_back(),
        Some(PUBKEY_HASH)
    );
}

//! Numbers, labels and look-alikes at the edge of what is possible, said to a whole daemon.

use crate::{
    bad_inputs::{Mark, PAY},
    house::{Plan, house},
    wire::Speaker,
};

fn payout(asset: &str, amount: &str, destination: &str) -> Vec<u8> {
    let body = serde_json::json!({
        "vault": "main", "asset": asset, "amount": amount, "destination": destination, "reference": "edge"
    });
    body.to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_labels_and_look_alikes_at_the_edge_of_what_is_possible() {
    let house = house(Plan::default()).await;
    let exchange = Speaker::of(&house, "client/exchange");
    let mark = Mark::set(&house).await;
    let (ltc, eth) = (
        "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er",
        "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
    );
    let amounts = [
        ("2^64 litoshi", "LTC", "184467440737.09551616"),
        ("2^64 - 1 litoshi", "LTC", "184467440737.09551615"),
        ("2^64 coins", "LTC", "18446744073709551616"),
        (
            "one litoshi more than there can be",
            "LTC",
            "84000000.00000001",
        ),
        ("nine decimals", "LTC", "0.123456789"),
        (
            "2^256 wei",
            "ETH",
            "115792089237316195423570985008687907853269984665640564039457.584007913129639936",
        ),
    ];
    for (what, asset, amount) in amounts {
        let destination = if asset == "LTC" { ltc } else { eth };
        let body = payout(asset, amount, destination);
        let answer = exchange.post(PAY, Some(&what.replace(' ', "-")), &body);
        answer.refuses(what, 422, "amount");
    }
    let destinations = [
        // Cyrillic a and o, Greek omicron, a full-width digit.
        ("a Cyrillic letter", "LTC", ltc.replacen('q', "\u{051b}", 1)),
        ("a full-width zero", "ETH", eth.replacen('0', "\u{ff10}", 1)),
        ("a Greek letter", "ETH", eth.replacen('C', "\u{03f9}", 1)),
        ("an invisible letter", "LTC", format!("{ltc}\u{200b}")),
    ];
    for (what, asset, destination) in destinations {
        let body = payout(asset, "0.5", &destination);
        let answer = exchange.post(PAY, Some(&what.replace(' ', "-")), &body);
        answer.refuses(what, 422, "destination");
    }
    assert_eq!(mark.since(&house).await, [""; 0]);

    // A label with SQL in it is a label.
    let alice = Speaker::of(&house, "operator/alice");
    let label = "'; DROP TABLE proposals; -- \" OR 1=1";
    let body = serde_json::json!({
        "vault": "main", "reason": label,
        "changes": [{
            "change": "add_destination", "address": format!("litecoin-regtest:{ltc}"),
            "name": "mint", "tags": []
        }]
    });
    let proposed = alice.post("/v1/proposals", None, body.to_string().as_bytes());
    assert_eq!(proposed.status, 201, "{proposed:?}");
    assert_eq!(proposed.body["reason"], label);
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
}

//! What stands on the first page of the queue, as in a house that is in use: prices, so that each payout shows what it is worth; a
//! destination with a name, and payouts to an address that looks like it; and votes that others gave.

use std::time::{SystemTime, UNIX_EPOCH};

use custodyd_chain::Address;
use custodyd_client::{NewWithdrawal, Withdrawal, sign_decision};
use custodyd_testbed::House;
use custodyd_vault::{Change, Decision, Scope};
use serde_json::{Value, json};

use crate::Failure;

/// As many as a page has at most.
const FIRST: usize = 40;
/// One in so many goes to the address that looks like another one.
const LOOK_ALIKES: usize = 4;
/// One in so many has a vote.
const VOTES: usize = 2;
/// How long a vote is good, milliseconds.
const VOTE_MS: u64 = 600_000;
/// Where the load is paid to, and what begins and ends like it.
const DESTINATION: &str = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const LOOK_ALIKE: &str = "0x70990000000000000000000000000000000079c8";

/// What the policy needs for it.
pub(crate) const POLICY: &str = r#"
[fiat]
currency = "USD"
price_max_age = "24h"
"#;

/// Asks for the payouts that the first page shows: what is asked for later stands behind them.
pub(crate) async fn first_page(house: &House, amount: &str) -> Result<(), Failure> {
    furnish(house).await?;
    let client = house.client_as("client/exchange")?;
    let bob = house.client_as("operator/bob")?;
    let signer = bob.identity().ok_or("bob has no key")?;
    for n in 0..FIRST {
        let to = match n % LOOK_ALIKES {
            0 => LOOK_ALIKE,
            _ => DESTINATION,
        };
        let asked = NewWithdrawal {
            vault: "main".into(),
            asset: "ETH".into(),
            amount: amount.into(),
            destination: to.into(),
            reference: format!("payout {n} of the first page"),
            wallet: None,
        };
        let key = format!("first-{n}");
        let document: Withdrawal = client
            .post_idempotent("/v1/withdrawals", &key, &asked)
            .await?;
        if n % VOTES == 0 {
            let signed = sign_decision(&document, Decision::Approve, VOTE_MS, signer)?;
            bob.decide(&signed).await?;
        }
    }
    Ok(())
}

/// Names the destination, and sets a price.
async fn furnish(house: &House) -> Result<(), Failure> {
    let feed = "payroll";
    let changes = vec![
        Change::AddDestination {
            address: Address::parse("eip155:31337".parse()?, DESTINATION)?,
            name: "exchange, deposits".to_owned(),
            tags: Default::default(),
        },
        Change::SetClientScopes {
            id: feed.parse()?,
            scopes: [Scope::Read, Scope::Prices].into(),
        },
    ];
    house.enact(changes).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let prices =
        json!({ "currency": "USD", "as_of": u64::try_from(now)?, "prices": { "ETH": "3120.5" } });
    let feed = house.client_as(&format!("client/{feed}"))?;
    let _: Value = feed.put("/v1/prices", &prices).await?;
    Ok(())
}

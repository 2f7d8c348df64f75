//! The vault as a whole: wallets, transactions, freezing, policy, limits, journal, health.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use custodyd_chain::Asset;
use custodyd_client::{ClientError, with_query};
use custodyd_policy::{Currency, Price, WalletId};
use custodyd_vault::TransactionId;
use serde::Serialize;
use serde_json::Value;

use crate::arguments::FreezeScope;
use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// The body of a freeze.
#[derive(Serialize)]
struct Freeze {
    #[serde(flatten)]
    scope: FreezeScope,
    reason: String,
}

/// What assets are worth.
#[derive(Serialize)]
struct NewPrices {
    currency: Currency,
    as_of: u64,
    prices: BTreeMap<Asset, Price>,
}

/// `wallets`
pub(crate) async fn wallets(session: &Session) -> Result<(), Failure> {
    session.list("/v1/wallets", &[]).await
}

/// `address`
pub(crate) async fn address(session: &Session, wallet: &WalletId) -> Result<(), Failure> {
    let target = format!("/v1/wallets/{wallet}/addresses");
    let answer: Value = session.client.post_empty(&target).await?;
    session.print(&answer, text::outline);
    Ok(())
}

/// `tx`
pub(crate) async fn transaction(session: &Session, id: &TransactionId) -> Result<(), Failure> {
    outline(session, &format!("/v1/transactions/{id}")).await
}

/// `freeze`
pub(crate) async fn freeze(
    session: &Session,
    scope: FreezeScope,
    reason: String,
) -> Result<(), Failure> {
    send(session, "/v1/freeze", &Freeze { scope, reason }).await
}

/// `unfreeze`
pub(crate) async fn unfreeze(session: &Session, scope: FreezeScope) -> Result<(), Failure> {
    send(session, "/v1/unfreeze", &scope).await
}

/// `prices set`
pub(crate) async fn set_prices(
    session: &Session,
    written: Vec<(Asset, Price)>,
    currency: Currency,
) -> Result<(), Failure> {
    let mut prices = BTreeMap::new();
    for (asset, price) in written {
        if prices.insert(asset, price).is_some() {
            return Err(Failure::Usage(format!(
                "the price of {asset} is there twice"
            )));
        }
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok();
    let as_of = since
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .ok_or_else(|| Failure::Usage("this machine's clock is before 1970".to_owned()))?;
    let body = NewPrices {
        currency,
        as_of,
        prices,
    };
    let answer: Value = session.client.put("/v1/prices", &body).await?;
    session.print(&answer, text::outline);
    Ok(())
}

/// `policy`: its source if the daemon gives it.
pub(crate) async fn policy(session: &Session) -> Result<(), Failure> {
    let answer: Value = session.client.get("/v1/policy").await?;
    session.print(&answer, |answer| {
        match answer.get("source").and_then(Value::as_str) {
            Some(source) => {
                let hash = answer.get("hash").and_then(Value::as_str).unwrap_or("?");
                let lines: Vec<String> = source.lines().map(text::plain).collect();
                format!("# policy {}\n{}", text::plain(hash), lines.join("\n"))
            }
            None => text::outline(answer),
        }
    });
    Ok(())
}

/// `limits`
pub(crate) async fn limits(session: &Session) -> Result<(), Failure> {
    outline(session, "/v1/limits").await
}

/// `journal`: one page, for `after` goes on from where it ends.
pub(crate) async fn journal(session: &Session, after: Option<u64>) -> Result<(), Failure> {
    let after = after.map(|seq| seq.to_string());
    outline(session, &with_query("/v1/journal", &[("after", after)])).await
}

/// `health`
pub(crate) async fn health(session: &Session) -> Result<(), Failure> {
    session.client.get_bytes("/healthz").await?;
    let ready = session.client.get_bytes("/readyz").await;
    match ready {
        Ok(body) => {
            let said = String::from_utf8_lossy(&body);
            match serde_json::from_str::<Value>(&said) {
                Ok(answer) => session.print(&answer, text::outline),
                Err(_) if said.trim().is_empty() => println!("ready"),
                Err(_) => println!("{}", text::one_line(&said)),
            }
            Ok(())
        }
        Err(ClientError::Status { excerpt, .. }) => Err(Failure::NotReady(excerpt)),
        Err(ClientError::Refused(problem)) => Err(Failure::NotReady(problem.to_string())),
        Err(fault) => Err(fault.into()),
    }
}

/// `hsm`: a line for each token, and why one is out.
pub(crate) async fn hsm(session: &Session) -> Result<(), Failure> {
    let answer: Value = session.client.get("/v1/hsm").await?;
    session.print(&answer, text::tokens);
    Ok(())
}

async fn outline(session: &Session, target: &str) -> Result<(), Failure> {
    let answer: Value = session.client.get(target).await?;
    session.print(&answer, text::outline);
    Ok(())
}

async fn send(session: &Session, target: &str, body: &impl Serialize) -> Result<(), Failure> {
    let answer: Value = session.client.post(target, body).await?;
    session.print(&answer, text::outline);
    Ok(())
}

//! The vault as a whole: wallets, transactions, freezing, policy, limits, journal, health.

use custodyd_client::{ClientError, with_query};
use custodyd_policy::WalletId;
use custodyd_vault::TransactionId;
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// The body of a freeze or of its opposite.
#[derive(Serialize)]
struct Scope {
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet: Option<WalletId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
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
    wallet: Option<WalletId>,
    reason: String,
) -> Result<(), Failure> {
    let scope = Scope {
        wallet,
        reason: Some(reason),
    };
    send(session, "/v1/freeze", &scope).await
}

/// `unfreeze`
pub(crate) async fn unfreeze(session: &Session, wallet: Option<WalletId>) -> Result<(), Failure> {
    let scope = Scope {
        wallet,
        reason: None,
    };
    send(session, "/v1/unfreeze", &scope).await
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

async fn send(session: &Session, target: &str, body: &Scope) -> Result<(), Failure> {
    let answer: Value = session.client.post(target, body).await?;
    session.print(&answer, text::outline);
    Ok(())
}

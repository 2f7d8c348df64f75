//! Asking for payouts, looking at them, and following them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use custodyd_client::{ClientError, NewWithdrawal, State, Withdrawal, with_query};
use custodyd_policy::{ClientId, Explanation, WithdrawalId};
use serde::Serialize;
use serde_json::Value;

use crate::arguments::{Order, Simulation};
use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// The body of a simulation.
#[derive(Serialize)]
struct NewSimulation {
    vault: String,
    asset: String,
    amount: String,
    destination: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wallet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<ClientId>,
}

const POLL: Duration = Duration::from_millis(500);

/// A document as it came, and as it was understood.
pub(crate) struct Read {
    pub(crate) document: Value,
    pub(crate) withdrawal: Withdrawal,
}

impl Read {
    fn new(document: Value) -> Result<Self, ClientError> {
        let withdrawal =
            serde_json::from_value(document.clone()).map_err(|fault| ClientError::Answer {
                url: "/v1/withdrawals".to_owned(),
                reason: fault.to_string(),
            })?;
        Ok(Self {
            document,
            withdrawal,
        })
    }

    /// Refuses if it ended without being paid.
    fn paid_or_on_its_way(&self) -> Result<(), Failure> {
        if !self.withdrawal.state.is_unpaid_end() {
            return Ok(());
        }
        Err(Failure::Unpaid {
            id: self.withdrawal.id.to_string(),
            state: self.withdrawal.state,
            detail: text::why(&self.withdrawal),
        })
    }
}

/// `withdraw`
pub(crate) async fn withdraw(session: &Session, order: Order) -> Result<(), Failure> {
    let vault = match order.vault {
        Some(vault) => vault,
        None => only_vault(session).await?,
    };
    let body = NewWithdrawal {
        vault,
        asset: order.asset,
        amount: order.amount,
        destination: order.to,
        reference: order.reference,
        wallet: order.wallet,
    };
    if order.simulate {
        let verdict: Value = session
            .client
            .post("/v1/withdrawals/simulate", &body)
            .await?;
        session.print(&verdict, text::outline);
        return Ok(());
    }
    let key = order
        .idempotency_key
        .unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let asked = ask(session, &key, &body)
        .await
        .map_err(|fault| unknown_unless_refused(fault, key))?;
    let Some(wanted) = order.wait else {
        session.print(&asked.document, |_| text::withdrawal(&asked.withdrawal));
        return asked.paid_or_on_its_way();
    };
    let read = follow(session, &asked.withdrawal.id, wanted, order.timeout, |_| {}).await?;
    session.print(&read.document, |_| text::withdrawal(&read.withdrawal));
    if read.withdrawal.state.has_reached(wanted) {
        return Ok(());
    }
    read.paid_or_on_its_way()?;
    Err(Failure::TimedOut {
        id: read.withdrawal.id.to_string(),
        state: read.withdrawal.state,
        wanted,
    })
}

/// `simulate`: the explanation is written out here, from every condition that the daemon tells.
pub(crate) async fn simulate(session: &Session, asked: Simulation) -> Result<(), Failure> {
    let vault = match asked.vault {
        Some(vault) => vault,
        None => only_vault(session).await?,
    };
    let body = NewSimulation {
        vault,
        asset: asked.asset,
        amount: asked.amount,
        destination: asked.to,
        wallet: asked.wallet,
        client: asked.client,
    };
    let target = "/v1/withdrawals/simulate";
    let answer: Value = session.client.post(target, &body).await?;
    let part = |name: &str| answer.get(name).cloned().unwrap_or_default();
    let explanation: Explanation =
        serde_json::from_value(part("explanation")).map_err(|fault| ClientError::Answer {
            url: target.to_owned(),
            reason: fault.to_string(),
        })?;
    session.print(&answer, |answer| {
        let member = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("?");
        let lines: Vec<String> = explanation.to_string().lines().map(text::plain).collect();
        format!(
            "wallet {}, destination {}\n{}",
            text::plain(member("wallet")),
            text::plain(member("destination_class")),
            lines.join("\n")
        )
    });
    Ok(())
}

async fn ask(session: &Session, key: &str, body: &NewWithdrawal) -> Result<Read, ClientError> {
    let posted = session.client.post_idempotent("/v1/withdrawals", key, body);
    Read::new(posted.await?)
}

/// Only a refusal that is final says that nothing was taken. After anything else the same key makes repeating safe.
fn unknown_unless_refused(fault: ClientError, key: String) -> Failure {
    let unknown = match &fault {
        ClientError::Refused(problem) => problem.status >= 500,
        ClientError::NoAnswer { .. }
        | ClientError::Answer { .. }
        | ClientError::TooLong { .. }
        | ClientError::Status { .. } => true,
        _ => false,
    };
    if unknown {
        Failure::Unknown { fault, key }
    } else {
        fault.into()
    }
}

/// `show`
pub(crate) async fn show(session: &Session, id: &WithdrawalId) -> Result<(), Failure> {
    let read = fetch(session, id).await?;
    session.print(&read.document, |_| text::withdrawal(&read.withdrawal));
    Ok(())
}

/// `list`
pub(crate) async fn list(session: &Session, state: Option<State>) -> Result<(), Failure> {
    let parameters = [("state", state.map(|state| state.to_string()))];
    let items = session.pages("/v1/withdrawals", &parameters).await?;
    if session.json {
        println!("{:#}", Value::Array(items));
        return Ok(());
    }
    for item in items {
        println!("{}", text::line(&Read::new(item)?.withdrawal));
    }
    Ok(())
}

/// `watch`
pub(crate) async fn watch(
    session: &Session,
    id: &WithdrawalId,
    timeout_ms: u64,
) -> Result<(), Failure> {
    let json = session.json;
    let read = follow(session, id, State::Final, timeout_ms, |read| {
        if json {
            println!("{}", read.document);
        } else {
            println!("{}", text::step(&read.withdrawal));
        }
    })
    .await?;
    read.paid_or_on_its_way()?;
    if read.withdrawal.state.is_end() {
        return Ok(());
    }
    Err(Failure::TimedOut {
        id: read.withdrawal.id.to_string(),
        state: read.withdrawal.state,
        wanted: State::Final,
    })
}

/// The vault that the daemon's wallets belong to, if it is one.
pub(crate) async fn only_vault(session: &Session) -> Result<String, Failure> {
    let wallets = session.pages("/v1/wallets", &[]).await?;
    let vault_of = |wallet: &Value| wallet.get("vault")?.as_str().map(str::to_owned);
    let vaults: BTreeSet<String> = wallets.iter().filter_map(vault_of).collect();
    let mut vaults = vaults.into_iter();
    match (vaults.next(), vaults.next()) {
        (Some(vault), None) => Ok(vault),
        _ => Err(Failure::Usage(
            "which vault is to pay is not clear: give --vault (or set CUSTODYD_VAULT)".to_owned(),
        )),
    }
}

/// Reads a withdrawal.
pub(crate) async fn fetch(session: &Session, id: &WithdrawalId) -> Result<Read, Failure> {
    let target = with_query(&format!("/v1/withdrawals/{id}"), &[]);
    let read = Read::new(session.client.get(&target).await?)?;
    if read.withdrawal.id != *id {
        return Err(Failure::Client(ClientError::Answer {
            url: target,
            reason: format!("it is about {}", read.withdrawal.id),
        }));
    }
    Ok(read)
}

/// Reads a withdrawal again and again until it is at `wanted` or can't get there, or the time is over; `changed` sees each
/// new state.
async fn follow(
    session: &Session,
    id: &WithdrawalId,
    wanted: State,
    timeout_ms: u64,
    mut changed: impl FnMut(&Read),
) -> Result<Read, Failure> {
    let started = Instant::now();
    let mut seen = None;
    loop {
        let read = fetch(session, id).await?;
        let now = Some((read.withdrawal.state, read.withdrawal.state_detail.clone()));
        if seen != now {
            changed(&read);
            seen = now;
        }
        let state = read.withdrawal.state;
        let late = started.elapsed() >= Duration::from_millis(timeout_ms);
        if state.has_reached(wanted) || state.is_end() || late {
            return Ok(read);
        }
        tokio::time::sleep(POLL).await;
    }
}

//! Approving, rejecting, cancelling: an operator sees the exact effects, and what is signed says the same.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use custodyd_client::{ClientError, sign_decision, stated_effects};
use custodyd_httpsig::Principal;
use custodyd_policy::WithdrawalId;
use custodyd_vault::Decision;
use serde_json::Value;

use crate::failure::Failure;
use crate::session::Session;
use crate::text;
use crate::withdrawals::{Read, fetch};

/// `approve`
pub(crate) async fn approve(
    session: &Session,
    id: &WithdrawalId,
    yes: bool,
    valid_ms: u64,
) -> Result<(), Failure> {
    let read = fetch(session, id).await?;
    let (effects, policy) = stated_effects(&read.withdrawal).map_err(ClientError::from)?;
    // On standard error, so that standard output holds the answer alone.
    eprintln!(
        "{}",
        text::effects(&read.withdrawal, &effects, &policy, valid_ms)
    );
    if !yes && !confirmed()? {
        return Err(Failure::Declined);
    }
    decide(session, &read, Decision::Approve, valid_ms).await
}

/// `reject`
pub(crate) async fn reject(
    session: &Session,
    id: &WithdrawalId,
    valid_ms: u64,
) -> Result<(), Failure> {
    let read = fetch(session, id).await?;
    decide(session, &read, Decision::Reject, valid_ms).await
}

/// `cancel`: an operator signs a statement; the client that asked takes its own request back.
pub(crate) async fn cancel(
    session: &Session,
    id: &WithdrawalId,
    valid_ms: u64,
) -> Result<(), Failure> {
    if let Principal::Client(_) = session.identity()?.principal() {
        let target = format!("/v1/withdrawals/{id}/cancellation");
        let answer: Value = session.client.post_empty(&target).await?;
        session.print(&answer, text::outline);
        return Ok(());
    }
    let read = fetch(session, id).await?;
    decide(session, &read, Decision::Cancel, valid_ms).await
}

async fn decide(
    session: &Session,
    read: &Read,
    decision: Decision,
    valid_ms: u64,
) -> Result<(), Failure> {
    let body = sign_decision(&read.withdrawal, decision, valid_ms, session.identity()?)?;
    let verb = match decision {
        Decision::Approve => "approvals",
        Decision::Reject => "rejections",
        Decision::Cancel => "cancellation",
    };
    let target = format!("/v1/withdrawals/{}/{verb}", read.withdrawal.id);
    let answer: Value = session.client.post(&target, &body).await?;
    session.print(&answer, text::outline);
    Ok(())
}

/// Asks the person at the terminal.
pub(crate) fn confirmed() -> Result<bool, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::Usage(
            "signing asks at a terminal; without one, give --yes".to_owned(),
        ));
    }
    eprint!("Type yes to sign: ");
    std::io::stderr().flush().map_err(Failure::Terminal)?;
    let mut line = String::new();
    input
        .lock()
        .read_line(&mut line)
        .map_err(Failure::Terminal)?;
    Ok(line.trim() == "yes")
}

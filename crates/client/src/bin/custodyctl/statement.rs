//! `statement`: what a withdrawal would do, from the raw data alone. Who approves in the console compares its code.

use custodyd_client::{Asked, ClientError};
use custodyd_policy::{OperatorId, Timestamp, WithdrawalId};
use custodyd_vault::{APPROVAL_DOMAIN, Decision, Ed25519Key, Statement};
use serde_json::json;

use crate::arguments::Evidence;
use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// `statement`
pub(crate) async fn statement(
    session: &Session,
    id: &WithdrawalId,
    keys: &Evidence,
) -> Result<(), Failure> {
    let asked = session.client.asked(id).await?;
    let fault = |fault: custodyd_client::StatementError| Failure::Client(ClientError::from(fault));
    if let Some(key) = &keys.journal_key {
        asked
            .checkpoint
            .verify(key)
            .map_err(|error| fault(error.into()))?;
    }
    if let Some(key) = &keys.client_key {
        asked.verify(&key.verifying_key()).map_err(fault)?;
    }
    let statement = stated(&asked, keys)?;
    let document = json!({
        "withdrawal": id,
        "vault": asked.vault,
        "effects": asked.effects,
        "policy": asked.policy,
        "code": statement.code(),
        "effects_digest": hex::encode(statement.effects_digest()),
        "challenge": keys.nonce.is_some().then(|| hex::encode(statement.challenge())),
        "row": asked.seq,
        "checkpoint": asked.checkpoint.seq,
        "request": asked.request,
    });
    session.print(&document, |_| shown(&asked, &statement, keys));
    Ok(())
}

/// The statement; without a nonce the parts that differ from person to person are left empty, and no digest of them is shown.
fn stated(asked: &Asked, keys: &Evidence) -> Result<Statement, Failure> {
    let nobody = || "nobody".parse::<OperatorId>();
    let operator = keys.operator.clone().map_or_else(nobody, Ok);
    Ok(Statement {
        domain: APPROVAL_DOMAIN.to_owned(),
        vault: asked.vault.clone(),
        withdrawal: asked.withdrawal,
        effects: asked.effects.clone(),
        decision: keys.decision.unwrap_or(Decision::Approve),
        policy: asked.policy,
        expires_at: keys.expires_at.unwrap_or(Timestamp::from_ms(0)),
        nonce: keys.nonce.clone().unwrap_or_default(),
        operator: operator.map_err(|fault| Failure::Usage(fault.to_string()))?,
    })
}

fn shown(asked: &Asked, statement: &Statement, keys: &Evidence) -> String {
    let effects = &asked.effects;
    let who = asked
        .request
        .parameters()
        .map(|parameters| parameters.keyid);
    let key = |key: &Ed25519Key| format!("holds under {key}");
    let signature = keys.client_key.as_ref().map(key);
    let head = &asked.checkpoint;
    let signed_by = match &keys.journal_key {
        Some(key) => format!("signed by {}", text::plain(key)),
        None => "not checked: --journal-key is missing".to_owned(),
    };
    let mut rows = vec![
        ("pay", effects.amount.to_string()),
        ("to", text::in_fours(effects.destination.as_str())),
        ("network", effects.network.to_string()),
        ("from wallet", effects.wallet.to_string()),
        ("vault", asked.vault.to_string()),
        ("policy", asked.policy.to_string()),
        ("asked by", text::plain(&who.unwrap_or_default())),
        (
            "signature",
            signature.unwrap_or_else(|| "not checked: --client-key is missing".to_owned()),
        ),
        (
            "journal",
            format!("rows {} to {} follow one another", asked.seq, head.seq),
        ),
        ("checkpoint", signed_by),
        ("digest", hex::encode(statement.effects_digest())),
    ];
    if keys.nonce.is_some() {
        rows.push(("challenge", hex::encode(statement.challenge())));
    }
    rows.push(("code", statement.code()));
    text::table(&format!("statement {}", asked.withdrawal), &rows)
}

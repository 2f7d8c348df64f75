//! Proposals: looking at them, approving and vetoing. What is shown comes from the proposal's own changes, as the signed
//! digest does.

use custodyd_client::{ClientError, Proposal, sign_governance};
use custodyd_policy::Span;
use custodyd_vault::{Change, GovernanceDecision, ProposalId};
use serde_json::Value;

use crate::decisions::confirmed;
use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// `proposals`
pub(crate) async fn list(session: &Session, state: Option<String>) -> Result<(), Failure> {
    let items = session.pages("/v1/proposals", &[("state", state)]).await?;
    if session.json {
        println!("{:#}", Value::Array(items));
        return Ok(());
    }
    for item in items {
        let proposal = read("/v1/proposals", item)?;
        println!(
            "{}  {:<16}  by {:<12}  {}  {}",
            proposal.id,
            text::plain(&proposal.state),
            proposal.proposed_by.to_string(),
            proposal.created_at,
            text::plain(&proposal.reason)
        );
    }
    Ok(())
}

/// `proposal`
pub(crate) async fn show(session: &Session, id: &ProposalId) -> Result<(), Failure> {
    let (document, proposal) = fetch(session, id).await?;
    let diff = if open(&proposal) {
        policy_change(session, &proposal).await?
    } else {
        None
    };
    session.print(&document, |_| {
        let mut text = shown(&proposal);
        if let Some(diff) = diff {
            text.push_str("\n\n");
            text.push_str(&diff);
        }
        text
    });
    Ok(())
}

/// `approve pr_…`
pub(crate) async fn approve(
    session: &Session,
    id: &ProposalId,
    yes: bool,
    valid_ms: u64,
) -> Result<(), Failure> {
    let (_, proposal) = fetch(session, id).await?;
    present(session, &proposal, "approve", valid_ms).await?;
    if !yes && !confirmed()? {
        return Err(Failure::Declined);
    }
    decide(session, &proposal, GovernanceDecision::Approve, valid_ms).await
}

/// `veto pr_…`
pub(crate) async fn veto(session: &Session, id: &ProposalId, valid_ms: u64) -> Result<(), Failure> {
    let (_, proposal) = fetch(session, id).await?;
    present(session, &proposal, "veto", valid_ms).await?;
    decide(session, &proposal, GovernanceDecision::Veto, valid_ms).await
}

/// What would be signed, on standard error: the changes themselves, what they do to the policy, their digest.
async fn present(
    session: &Session,
    proposal: &Proposal,
    verb: &str,
    valid_ms: u64,
) -> Result<(), Failure> {
    let digest = proposal.digest().map_err(ClientError::from)?;
    eprintln!("{}", shown(proposal));
    if let Some(diff) = policy_change(session, proposal).await? {
        eprintln!("\n{diff}");
    }
    eprintln!(
        "\nyou sign, as {}: {verb} the changes with digest {digest}, good until {}",
        session.identity()?.principal(),
        text::good_until(valid_ms)
    );
    Ok(())
}

async fn decide(
    session: &Session,
    proposal: &Proposal,
    decision: GovernanceDecision,
    valid_ms: u64,
) -> Result<(), Failure> {
    let body = sign_governance(proposal, decision, valid_ms, session.identity()?)?;
    let verb = match decision {
        GovernanceDecision::Approve => "approvals",
        GovernanceDecision::Veto => "vetoes",
    };
    let target = format!("/v1/proposals/{}/{verb}", proposal.id);
    let answer: Value = session.client.post(&target, &body).await?;
    let after = read(&target, answer.clone())?;
    session.print(&answer, |_| shown(&after));
    Ok(())
}

async fn fetch(session: &Session, id: &ProposalId) -> Result<(Value, Proposal), Failure> {
    let target = format!("/v1/proposals/{id}");
    let document: Value = session.client.get(&target).await?;
    let proposal = read(&target, document.clone())?;
    if proposal.id != *id {
        return Err(Failure::Client(ClientError::Answer {
            url: target,
            reason: format!("it is about {}", proposal.id),
        }));
    }
    Ok((document, proposal))
}

fn read(url: &str, document: Value) -> Result<Proposal, ClientError> {
    serde_json::from_value(document).map_err(|fault| ClientError::Answer {
        url: url.to_owned(),
        reason: fault.to_string(),
    })
}

fn open(proposal: &Proposal) -> bool {
    matches!(proposal.state.as_str(), "voting" | "delaying")
}

/// What a policy in the proposal changes, compared here with the one in force: by meaning, then line by line.
async fn policy_change(session: &Session, proposal: &Proposal) -> Result<Option<String>, Failure> {
    let is_policy = |change: &Change| matches!(change, Change::SetPolicy { .. });
    if !proposal.changes.iter().any(is_policy) {
        return Ok(None);
    }
    let policy: Value = session.client.get("/v1/policy").await?;
    let source = policy.get("source").and_then(Value::as_str).unwrap_or("");
    let change = proposal.policy_change(source).map_err(ClientError::from)?;
    Ok(change.map(|change| {
        let meaning = match &change.meaning {
            Ok(difference) => difference.to_string(),
            Err(too_many) => format!("not known: {too_many}"),
        };
        let plain = |lines: &str| {
            lines
                .lines()
                .map(text::plain)
                .collect::<Vec<_>>()
                .join("\n")
        };
        format!(
            "the policy would mean:\n{}\n\nits lines would change:\n{}",
            plain(&meaning),
            plain(&change.lines)
        )
    }))
}

/// All of a proposal.
pub(crate) fn shown(proposal: &Proposal) -> String {
    let detail = proposal.state_detail.as_deref();
    let detail = detail.map_or_else(String::new, |detail| format!(": {}", text::plain(detail)));
    let mut rows = vec![
        ("state", format!("{}{detail}", text::plain(&proposal.state))),
        (
            "asked",
            format!(
                "by operator {} at {}: {}",
                proposal.proposed_by,
                proposal.created_at,
                text::plain(&proposal.reason)
            ),
        ),
    ];
    rows.extend(text::change_rows(&proposal.changes));
    let kinds: Vec<&str> = proposal.kinds.iter().map(|kind| kind.as_str()).collect();
    rows.push(("kind", kinds.join(", ")));
    let asked = proposal.requirements.iter();
    rows.extend(asked.map(|asked| ("needs", asked.to_string())));
    rows.push(("delay", Span(proposal.delay_ms).to_string()));
    rows.extend(proposal.approvals.iter().map(|given| {
        let text = format!("by {} at {}", given.operator, given.at);
        ("approved", text)
    }));
    text::table(
        &format!("proposal {} of vault {}", proposal.id, proposal.vault),
        &rows,
    )
}

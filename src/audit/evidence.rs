//! The requests that events hold as their evidence: signed by whom the event names, who could speak when it was decided, and
//! asking for what was recorded.

use custodyd_policy::Timestamp;
use custodyd_vault::{CancelledBy, Event, Evidence, Recorded, Rejection, Vault};

use super::{
    AuditFault, Audited,
    content::{self, Heard},
};
use crate::{
    directory::{Directory, Speaker},
    engine::sworn,
    problem::Problem,
    stored_request::StoredRequest,
};

/// Checks each event against who could speak when it was decided: a key that was taken away later was good then.
#[derive(Debug, Default)]
pub(super) struct Walk {
    directory: Option<Directory>,
    audited: Audited,
    fault: Option<AuditFault>,
}

impl Walk {
    pub(super) fn see(&mut self, before: Option<&Vault>, recorded: &Recorded) {
        let (None, Some(state)) = (&self.fault, before) else {
            return;
        };
        let directory = self.directory.get_or_insert_with(|| Directory::from(state));
        let checked = check_event(state, directory, recorded, &mut self.audited);
        self.fault = checked.err().map(|reason| AuditFault::Evidence {
            seq: recorded.seq,
            kind: recorded.event.kind(),
            reason,
        });
        if matches!(
            recorded.event,
            Event::ProposalEnacted { .. } | Event::Enrolled { .. }
        ) {
            self.directory = None;
        }
    }

    pub(super) fn ended(self) -> Result<Audited, AuditFault> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.audited),
        }
    }
}

fn check_event(
    state: &Vault,
    directory: &Directory,
    recorded: &Recorded,
    audited: &mut Audited,
) -> Result<(), String> {
    let (event, at) = (&recorded.event, recorded.at);
    if let Some((speaker, evidence)) = asked_for(event) {
        audited.evidence = audited.evidence.saturating_add(1);
        let heard = hear(directory, evidence, at)?;
        if heard.speaker.to_string() != speaker {
            let other = heard.speaker;
            return Err(format!("signed by {other}, but recorded for {speaker}"));
        }
        content::check(state, at, event, &heard)?;
    }
    let (of, more) = match event {
        Event::TransactionSigned { signatures, .. } => {
            (&mut audited.transaction_signatures, u64::from(*signatures))
        }
        Event::ColdExportBuilt { .. } => (&mut audited.manifest_signatures, 1),
        Event::KeyMade {
            wrapped: Some(_), ..
        } => (&mut audited.key_signatures, 1),
        _ => return Ok(()),
    };
    *of = of.saturating_add(more);
    Ok(())
}

/// As whose an event is recorded, and the request that it came of, if it came of one.
fn asked_for(event: &Event) -> Option<(String, &Evidence)> {
    match event {
        Event::WithdrawalRequested {
            request, evidence, ..
        } => Some((request.initiator.to_string(), evidence)),
        Event::Approved {
            statement,
            evidence,
            ..
        }
        | Event::Rejected {
            statement,
            evidence,
            ..
        } => Some((format!("operator/{}", statement.operator), evidence)),
        Event::Cancelled { by, evidence, .. } => {
            let by = match by {
                CancelledBy::Client(client) => format!("client/{client}"),
                CancelledBy::Operator { statement, .. } => {
                    format!("operator/{}", statement.operator)
                }
            };
            Some((by, evidence))
        }
        Event::PricesSet {
            client, evidence, ..
        } => Some((format!("client/{client}"), evidence)),
        Event::Enrolled {
            invitation,
            evidence,
            ..
        } => Some((format!("invitation/{invitation}"), evidence)),
        Event::ProposalApproved {
            statement,
            evidence,
            ..
        }
        | Event::ProposalVetoed {
            statement,
            evidence,
            ..
        } => Some((format!("operator/{}", statement.operator), evidence)),
        Event::Proposed {
            operator, evidence, ..
        }
        | Event::Frozen {
            operator, evidence, ..
        }
        | Event::UnfreezeVoted {
            operator, evidence, ..
        } => Some((format!("operator/{operator}"), evidence)),
        Event::KeyRequested { by, evidence, .. }
        | Event::KeysRequested { by, evidence, .. }
        | Event::ColdExportRequested { by, evidence, .. }
        | Event::ColdImported { by, evidence, .. } => Some((by.clone(), evidence)),
        _ => None,
    }
}

/// Verifies and reads a request as the engine does with one that nobody vouches for.
fn hear(directory: &Directory, evidence: &Evidence, at: Timestamp) -> Result<Heard, String> {
    let request = StoredRequest::parse(evidence).map_err(|e| e.to_string())?;
    let told = |problem: Problem| problem.detail;
    let speaker = match &request {
        StoredRequest::Signed(request) => {
            let authenticated = directory.authenticate_stored(request);
            authenticated.map_err(told)?.speaker
        }
        StoredRequest::Passkey(request) => {
            let sworn = sworn(directory, request).map_err(told)?;
            let expiry = request.stated.expires_at();
            if expiry <= at {
                return Err(Rejection::StatementExpired(expiry).to_string());
            }
            Speaker::Operator(sworn.operator)
        }
    };
    let intent = request.intent().map_err(told)?;
    let scopes = intent.scopes();
    if !scopes.is_empty() {
        directory.check_scope(&speaker, scopes).map_err(told)?;
    }
    Ok(Heard {
        speaker,
        request,
        intent,
    })
}

//! Each event's signatures, checked against who could speak when it was decided.

use custodyd_policy::OperatorId;
use custodyd_vault::{CancelledBy, Event, Evidence, OperatorSignature, Recorded, Statement, Vault};

use super::{AuditFault, Audited};
use crate::{
    directory::{Directory, Speaker},
    engine::sworn,
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
        self.fault = check_event(state, directory, recorded, &mut self.audited).err();
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
) -> Result<(), AuditFault> {
    let fault = |reason: String| AuditFault::Evidence {
        seq: recorded.seq,
        kind: recorded.event.kind(),
        reason,
    };
    let mut speaks = |evidence: &Evidence| {
        audited.evidence = audited.evidence.saturating_add(1);
        verify_evidence(directory, evidence).map_err(fault)
    };
    match &recorded.event {
        Event::WithdrawalRequested {
            request, evidence, ..
        } => match speaks(evidence)? {
            speaker if speaker.initiator().as_ref() == Some(&request.initiator) => {}
            other => {
                return Err(fault(format!(
                    "signed by {other}, but recorded for {}",
                    request.initiator
                )));
            }
        },
        Event::Approved {
            statement,
            signature,
            evidence,
        }
        | Event::Rejected {
            statement,
            signature,
            evidence,
        } => {
            speaks(evidence)?;
            verify_statement(state, statement, signature).map_err(fault)?;
        }
        Event::Cancelled { by, evidence, .. } => {
            speaks(evidence)?;
            if let CancelledBy::Operator {
                statement,
                signature,
            } = by
            {
                verify_statement(state, statement, signature).map_err(fault)?;
            }
        }
        Event::PricesSet {
            client, evidence, ..
        } => match speaks(evidence)? {
            Speaker::Client(speaker) if speaker == *client => {}
            other => {
                return Err(fault(format!(
                    "signed by {other}, but recorded for client {client}"
                )));
            }
        },
        Event::Enrolled {
            invitation,
            evidence,
            ..
        } => match speaks(evidence)? {
            Speaker::Invitation(speaker) if speaker == *invitation => {}
            other => {
                return Err(fault(format!(
                    "signed by {other}, but recorded for invitation {invitation}"
                )));
            }
        },
        Event::Proposed {
            operator, evidence, ..
        } => match speaks(evidence)? {
            Speaker::Operator(speaker) if speaker == *operator => {}
            other => {
                return Err(fault(format!(
                    "signed by {other}, but recorded for operator {operator}"
                )));
            }
        },
        Event::ProposalApproved {
            statement,
            signature,
            evidence,
        }
        | Event::ProposalVetoed {
            statement,
            signature,
            evidence,
        } => {
            speaks(evidence)?;
            let keys = state.operator(&statement.operator).unwrap_or_default();
            if !statement.is_signed_by(keys, state.console(), signature) {
                return Err(fault(not_theirs(&statement.operator)));
            }
        }
        Event::KeyRequested { evidence, .. }
        | Event::KeysRequested { evidence, .. }
        | Event::Frozen { evidence, .. }
        | Event::UnfreezeVoted { evidence, .. }
        | Event::ColdExportRequested { evidence, .. }
        | Event::ColdImported { evidence, .. } => drop(speaks(evidence)?),
        Event::TransactionSigned { signatures, .. } => {
            audited.transaction_signatures = audited
                .transaction_signatures
                .saturating_add(u64::from(*signatures));
        }
        Event::ColdExportBuilt { .. } => {
            audited.manifest_signatures = audited.manifest_signatures.saturating_add(1);
        }
        Event::KeyMade {
            wrapped: Some(_), ..
        } => audited.key_signatures = audited.key_signatures.saturating_add(1),
        _ => {}
    }
    Ok(())
}

fn verify_evidence(directory: &Directory, evidence: &Evidence) -> Result<Speaker, String> {
    let verified = match StoredRequest::parse(evidence).map_err(|e| e.to_string())? {
        StoredRequest::Signed(request) => directory
            .authenticate(&request, |claimed, key| claimed.verify_stored(key.key()))
            .map(|authenticated| authenticated.speaker),
        StoredRequest::Passkey(request) => {
            sworn(directory, &request).map(|sworn| Speaker::Operator(sworn.operator))
        }
    };
    verified.map_err(|problem| problem.detail)
}

fn verify_statement(
    state: &Vault,
    statement: &Statement,
    signature: &OperatorSignature,
) -> Result<(), String> {
    let credentials = state.operator(&statement.operator).unwrap_or_default();
    if statement.is_signed_by(credentials, state.console(), signature) {
        Ok(())
    } else {
        Err(not_theirs(&statement.operator))
    }
}

fn not_theirs(operator: &OperatorId) -> String {
    format!("the statement is not signed by operator {operator}")
}

//! Answering a request from the inbox. A row of the database is not trusted: the signature is verified again, unless this
//! process verified the request itself and has it in memory; and method, target and body that were signed say what is asked.

use custodyd_policy::{Dimension, LimitUsage, Timestamp};
use custodyd_vault::{Command, Rejection, RequestWithdrawal};

use super::{
    Engine,
    asked::Asked,
    batch::{BatchError, Draft},
    reply::Reply,
};
use crate::{
    directory::{Directory, Speaker, Sworn},
    intake::Pending,
    problem::Problem,
    request::Intent,
    stored_request::{PasskeyRequest, StoredRequest},
    view::{LimitView, VerdictView},
};

/// A request of the inbox, verified.
pub(super) struct Heard {
    pub(super) speaker: Speaker,
    pub(super) request: StoredRequest,
    pub(super) intent: Intent,
    /// The passkey that signed it, if one did.
    pub(super) sworn: Option<Sworn>,
}

impl Engine {
    pub(super) async fn answer(
        &mut self,
        pending: &mut Pending,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Reply, BatchError> {
        let heard = match hear(&self.directory, pending, now) {
            Ok(heard) => heard,
            Err(problem) => return Ok(Reply::Problem(problem)),
        };
        // Before anything that it signed counts: a copy of a passkey would sign the same.
        if let Some(Sworn {
            operator,
            credential,
            counter,
        }) = heard.sworn.clone()
        {
            let count = Command::CountPasskey {
                operator,
                credential,
                counter,
            };
            if let Err(rejection) = self.take(&count, now, draft)? {
                return Ok(Reply::Problem(rejection.into()));
            }
        }
        let scopes = heard.intent.scopes();
        if !scopes.is_empty()
            && let Err(problem) = self.directory.check_scope(&heard.speaker, scopes)
        {
            return Ok(Reply::Problem(problem));
        }
        match self.asked(&pending.row, heard, now).await {
            Err(problem) => Ok(Reply::Problem(problem)),
            Ok(Asked::Answered(reply)) => Ok(reply),
            Ok(Asked::Command(command, reply)) => {
                let mut reply = reply;
                for command in self.vet(vec![command], draft).await? {
                    match (self.take(&command, now, draft)?, &command) {
                        (Ok(_), Command::NonceReused { public_key, .. }) => {
                            reply = Reply::Problem(Rejection::KeyCompromised(*public_key).into());
                        }
                        (Ok(_), _) => reply = self.repeated(&command).unwrap_or(reply),
                        (Err(rejection), _) => reply = Reply::Problem(rejection.into()),
                    }
                }
                Ok(reply)
            }
        }
    }

    /// A repetition under the same idempotency key is answered with the withdrawal that it made the first time.
    fn repeated(&self, command: &Command) -> Option<Reply> {
        let Command::RequestWithdrawal(asked) = command else {
            return None;
        };
        let withdrawal = self
            .vault
            .withdrawal_for_key(&asked.initiator, &asked.idempotency_key)?;
        let status = if withdrawal.id == asked.id { 201 } else { 200 };
        Some(Reply::Withdrawal(status, withdrawal.id))
    }

    pub(super) fn simulate(
        &self,
        asked: &RequestWithdrawal,
        now: Timestamp,
    ) -> Result<Reply, Problem> {
        let (_, judgement) = self.vault.judge_request(asked, now)?;
        Ok(Reply::json(
            200,
            &serde_json::json!({
                "wallet": judgement.facts.wallet,
                "destination_class": judgement.facts.class.to_string(),
                "verdict": VerdictView::from(&*judgement.verdict),
                "facts": judgement.facts,
                "explanation": self.vault.explain(&judgement.facts),
            }),
        ))
    }

    /// Operators see every count. A client sees what its own requests meet: not what others asked for, nor who pays whom.
    pub(super) fn limits(&self, speaker: &Speaker, now: Timestamp) -> Reply {
        let own = match speaker {
            Speaker::Client(id) => Some(format!("client {id}")),
            Speaker::Operator(_) | Speaker::Invitation(_) => None,
        };
        let concerns = |usage: &LimitUsage| match (&own, usage.per) {
            (Some(own), Dimension::Client) => usage.key == *own,
            (Some(_), Dimension::Destination) => false,
            _ => true,
        };
        let limits: Vec<LimitView> = self
            .vault
            .limit_usage(now)
            .iter()
            .filter(|usage| concerns(usage))
            .map(LimitView::from)
            .collect();
        Reply::json(
            200,
            &serde_json::json!({ "limits": limits, "policy": self.vault.policy().hash() }),
        )
    }
}

fn hear(directory: &Directory, pending: &mut Pending, now: Timestamp) -> Result<Heard, Problem> {
    if let Some((speaker, request, intent)) = pending.found(directory) {
        return Ok(Heard {
            speaker,
            request,
            intent,
            sworn: None,
        });
    }
    let request = StoredRequest::parse(&pending.row.request)
        .map_err(|e| Problem::malformed(format!("the stored request: {e}")))?;
    let (speaker, sworn) = match &request {
        StoredRequest::Signed(request) => {
            let authenticated = directory.authenticate_stored(request)?;
            (authenticated.speaker, None)
        }
        StoredRequest::Passkey(request) => {
            let sworn = sworn(directory, request)?;
            if request.stated.expires_at() <= now {
                return Err(Rejection::StatementExpired(request.stated.expires_at()).into());
            }
            (Speaker::Operator(sworn.operator.clone()), Some(sworn))
        }
    };
    let intent = request.intent()?;
    Ok(Heard {
        speaker,
        request,
        intent,
        sworn,
    })
}

/// Whose passkey signed what a request states, and that an act is about its body.
///
/// # Errors
/// As [`Directory::swear`], and what differs.
pub(crate) fn sworn(directory: &Directory, request: &PasskeyRequest) -> Result<Sworn, Problem> {
    request.check_act(directory.vault())?;
    let stated = &request.stated;
    directory.swear(stated.operator(), &stated.challenge(), &request.assertion)
}

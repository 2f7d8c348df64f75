//! Answering a request from the inbox. The row is not trusted: the signature is verified again, and method, target and
//! body that were signed say what is asked.

use custodyd_httpsig::SignedRequest;
use custodyd_policy::{Dimension, LimitUsage, Timestamp};
use custodyd_vault::{Command, Rejection, RequestWithdrawal};

use super::{
    Engine,
    asked::Asked,
    batch::{BatchError, Draft},
    reply::Reply,
};
use crate::{
    directory::{Directory, Speaker},
    problem::Problem,
    request::Intent,
    store::InboxRow,
    view::{LimitView, VerdictView},
};

/// A request of the inbox, verified.
pub(super) struct Heard {
    pub(super) speaker: Speaker,
    pub(super) request: SignedRequest,
    pub(super) intent: Intent,
}

impl Engine {
    pub(super) async fn answer(
        &mut self,
        row: InboxRow,
        now: Timestamp,
        draft: &mut Draft,
    ) -> Result<Reply, BatchError> {
        let heard = match hear(&self.directory, &row) {
            Ok(heard) => heard,
            Err(problem) => return Ok(Reply::Problem(problem)),
        };
        let scopes = heard.intent.scopes();
        if !scopes.is_empty()
            && let Err(problem) = self.directory.check_scope(&heard.speaker, scopes)
        {
            return Ok(Reply::Problem(problem));
        }
        match self.asked(&row, heard, now).await {
            Err(problem) => Ok(Reply::Problem(problem)),
            Ok(Asked::Answered(reply)) => Ok(reply),
            Ok(Asked::Commands(commands, reply)) => {
                for command in &commands {
                    if let Err(rejection) = self.take(command, now, draft)? {
                        return Ok(Reply::Problem(rejection.into()));
                    }
                }
                Ok(reply)
            }
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
                "verdict": VerdictView::from(&judgement.verdict),
                "facts": judgement.facts,
                "explanation": self.vault.explain(&judgement.facts),
            }),
        ))
    }

    /// Operators see every count. A client sees what its own requests meet: not what others asked for, nor who pays whom.
    pub(super) fn limits(&self, speaker: &Speaker, now: Timestamp) -> Reply {
        let own = match speaker {
            Speaker::Client(id) => Some(format!("client {id}")),
            Speaker::Operator(_) => None,
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

fn hear(directory: &Directory, row: &InboxRow) -> Result<Heard, Problem> {
    let request: SignedRequest = serde_json::from_str(&row.request)
        .map_err(|e| Problem::malformed(format!("the stored request: {e}")))?;
    let (speaker, _) = directory.authenticate(&request, |key| request.verify_stored(key))?;
    let intent = Intent::read(&request)?;
    Ok(Heard {
        speaker,
        request,
        intent,
    })
}

//! Answering a request from the inbox. The row is not trusted: the signature is verified again, and method, target and
//! body that were signed say what is asked.

use custodyd_httpsig::SignedRequest;
use custodyd_policy::{Dimension, Initiator, LimitUsage, Timestamp, WalletId, WithdrawalId};
use custodyd_vault::{
    Command, Decide, DecideProposal, Evidence, ExportId, KeyId, ProposalId, Propose, Rejection,
    RequestWithdrawal, TransactionId, Vault,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    Engine,
    batch::{BatchError, Draft},
};
use crate::{
    cold,
    directory::{Directory, Speaker},
    problem::Problem,
    request::{Intent, SimulationBody, WithdrawalBody},
    store::{InboxRow, Outcome},
    view::{self, LimitView, VerdictView},
};

/// An answer. Documents are made when the batch is complete, so that they show what came of the request.
#[derive(Debug)]
pub(super) enum Reply {
    Withdrawal(u16, WithdrawalId),
    Proposal(u16, ProposalId),
    Export(u16, ExportId),
    Key(u16, KeyId),
    Keys(u16, Vec<KeyId>),
    Wallets(u16),
    Json(u16, String),
    Problem(Problem),
}

impl Reply {
    fn json(status: u16, document: &impl Serialize) -> Self {
        match serde_json::to_string(document) {
            Ok(text) => Self::Json(status, text),
            Err(_) => Self::Problem(Problem::internal()),
        }
    }

    pub(super) fn into_outcome(self, inbox_id: String, vault: &Vault) -> Outcome {
        let made = match self {
            Self::Withdrawal(status, id) => {
                view::withdrawal(vault, &id).map(|view| Self::json(status, &view))
            }
            Self::Proposal(status, id) => {
                view::proposal(vault, &id).map(|view| Self::json(status, &view))
            }
            Self::Export(status, id) => {
                view::export(vault, &id).map(|view| Self::json(status, &view))
            }
            Self::Key(status, id) => view::key(vault, &id).map(|view| Self::json(status, &view)),
            Self::Keys(status, ids) => {
                let keys: Vec<_> = ids.iter().filter_map(|id| view::key(vault, id)).collect();
                let page = serde_json::json!({ "items": keys, "next": null });
                Some(Self::json(status, &page))
            }
            Self::Wallets(status) => {
                let wallets: Vec<_> = vault
                    .wallets()
                    .keys()
                    .filter_map(|id| view::wallet(vault, id))
                    .collect();
                Some(Self::json(
                    status,
                    &serde_json::json!({ "items": wallets, "next": null }),
                ))
            }
            other => Some(other),
        };
        let (status, body) = match made {
            Some(Self::Json(status, body)) => (status, body),
            Some(Self::Problem(problem)) => (problem.status, problem_text(&problem)),
            _ => (500, problem_text(&Problem::internal())),
        };
        Outcome {
            inbox_id,
            status,
            body,
        }
    }
}

fn problem_text(problem: &Problem) -> String {
    serde_json::to_string(problem).unwrap_or_default()
}

/// A request of the inbox, verified.
struct Heard {
    speaker: Speaker,
    request: SignedRequest,
    intent: Intent,
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
        match self.command(&row, heard, now).await {
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

    async fn command(
        &self,
        row: &InboxRow,
        heard: Heard,
        now: Timestamp,
    ) -> Result<Asked, Problem> {
        let Heard {
            speaker,
            request,
            intent,
        } = heard;
        let evidence = row.request.clone();
        let by = speaker.to_string();
        Ok(match (speaker, intent) {
            (speaker, Intent::Withdraw(body)) => {
                let key = request.idempotency_key.clone().ok_or_else(|| {
                    Problem::new(
                        400,
                        "idempotency-key",
                        "Idempotency key",
                        "send an Idempotency-Key header",
                    )
                })?;
                let asked = withdrawal(row, speaker.into(), body, key, &request, evidence)?;
                let id = asked.id;
                Asked::Command(
                    Command::RequestWithdrawal(Box::new(asked)),
                    Reply::Withdrawal(201, id),
                )
            }
            (speaker, Intent::Simulate(body)) => {
                let (initiator, body) = simulated(speaker, body)?;
                let asked = withdrawal(
                    row,
                    initiator,
                    body,
                    "simulation".to_owned(),
                    &request,
                    evidence,
                )?;
                Asked::Answered(self.simulate(&asked, now)?)
            }
            (Speaker::Operator(operator), Intent::Propose(body)) => {
                let id = ProposalId::from_bytes(id_bytes(row)?);
                let propose = Propose {
                    id: id.clone(),
                    operator,
                    vault: body.vault,
                    changes: body.changes,
                    reason: body.reason,
                    evidence,
                };
                Asked::Command(
                    Command::Propose(Box::new(propose)),
                    Reply::Proposal(201, id),
                )
            }
            (Speaker::Operator(operator), Intent::DecideProposal(id, body)) => {
                let decide = DecideProposal {
                    operator,
                    statement: body.statement,
                    signature: body.signature,
                    evidence,
                };
                Asked::Command(
                    Command::DecideProposal(Box::new(decide)),
                    Reply::Proposal(200, id),
                )
            }
            (Speaker::Client(client), Intent::Cancel(id)) => {
                let reply = Reply::Withdrawal(200, id);
                Asked::Command(
                    Command::CancelByClient {
                        id,
                        client,
                        evidence,
                    },
                    reply,
                )
            }
            (Speaker::Operator(operator), Intent::Decide(id, body)) => {
                let (statement, signature) = (body.statement, body.signature);
                let decide = Decide {
                    operator,
                    statement,
                    signature,
                    evidence,
                };
                Asked::Command(
                    Command::Decide(Box::new(decide)),
                    Reply::Withdrawal(200, id),
                )
            }
            (Speaker::Operator(operator), Intent::Freeze(body)) => {
                let reason = body.reason.clone();
                Asked::Command(
                    Command::Freeze {
                        scope: body.scope()?,
                        reason,
                        operator,
                        evidence,
                    },
                    Reply::Wallets(200),
                )
            }
            (Speaker::Operator(operator), Intent::Unfreeze(body)) => {
                let seconds = request.parameters().map(|p| p.created).unwrap_or_default();
                let signed_at = Timestamp::from_ms(seconds.saturating_mul(1_000));
                let scope = body.scope()?;
                Asked::Command(
                    Command::Unfreeze {
                        scope,
                        operator,
                        signed_at,
                        evidence,
                    },
                    Reply::Wallets(200),
                )
            }
            (_, Intent::Address(wallet)) => {
                let key = fresh_key()?;
                let reply = Reply::Key(202, key.clone());
                Asked::Command(request_address(wallet, key, by, evidence), reply)
            }
            (_, Intent::Addresses(wallet, count)) => {
                let keys: Vec<KeyId> = (0..count).map(|_| fresh_key()).collect::<Result<_, _>>()?;
                let ask = |key: &KeyId| {
                    request_address(wallet.clone(), key.clone(), by.clone(), evidence.clone())
                };
                Asked::Commands(keys.iter().map(ask).collect(), Reply::Keys(202, keys))
            }
            (Speaker::Operator(_), Intent::Export(body)) => {
                let id = ExportId::from_bytes(id_bytes(row)?);
                let (wallet, withdrawals, reply) = (
                    body.wallet,
                    body.withdrawals,
                    Reply::Export(202, id.clone()),
                );
                Asked::Command(
                    Command::ExportCold {
                        id,
                        wallet,
                        withdrawals,
                        by,
                        evidence,
                    },
                    reply,
                )
            }
            (Speaker::Operator(_), Intent::Import) => {
                self.import(&request.body, by, evidence).await?
            }
            (Speaker::Client(client), Intent::SetPrices(body)) => {
                let reply = Reply::json(200, &body);
                let set = Command::SetPrices {
                    client,
                    prices: body.prices.0,
                    currency: body.currency,
                    as_of: body.as_of,
                    evidence,
                };
                Asked::Command(set, reply)
            }
            (speaker, Intent::Limits) => Asked::Answered(self.limits(&speaker, now)),
            (Speaker::Client(_), _) => return Err(Problem::forbidden("this takes an operator")),
            (Speaker::Operator(_), _) => return Err(Problem::forbidden("this takes a client")),
        })
    }

    fn simulate(&self, asked: &RequestWithdrawal, now: Timestamp) -> Result<Reply, Problem> {
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
    fn limits(&self, speaker: &Speaker, now: Timestamp) -> Reply {
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

    async fn import(&self, tar: &[u8], by: String, evidence: Evidence) -> Result<Asked, Problem> {
        let export = cold::export_of(tar)?;
        let entry = self
            .vault
            .exports()
            .get(&export)
            .ok_or_else(|| Rejection::UnknownExport(export.clone()))?;
        let stored = self
            .parts
            .store
            .bundle(self.vault.id().as_str(), export.as_str())
            .await
            .map_err(|e| Problem::unavailable(e.to_string()))?
            .ok_or_else(|| Rejection::UnknownExport(export.clone()))?;
        let plans: Vec<(TransactionId, &custodyd_chain::Plan)> = entry
            .transactions
            .iter()
            .filter_map(|id| Some((id.clone(), &self.vault.transactions().get(id)?.plan)))
            .collect();
        let signed = cold::assemble_import(entry, &stored, tar, &plans)?;
        let reply = Reply::Export(200, export.clone());
        Ok(Asked::Command(
            Command::ImportCold {
                export,
                signed,
                by,
                evidence,
            },
            reply,
        ))
    }
}

enum Asked {
    Command(Command, Reply),
    /// All or, where the first is refused, none.
    Commands(Vec<Command>, Reply),
    Answered(Reply),
}

/// A key's id, random.
fn fresh_key() -> Result<KeyId, Problem> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| Problem::unavailable("the system gives no randomness"))?;
    Ok(KeyId::from_bytes(id))
}

const fn request_address(wallet: WalletId, key: KeyId, by: String, evidence: Evidence) -> Command {
    Command::RequestAddress {
        wallet,
        key,
        by,
        evidence,
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

fn withdrawal(
    row: &InboxRow,
    initiator: Initiator,
    body: WithdrawalBody,
    idempotency_key: String,
    request: &SignedRequest,
    evidence: Evidence,
) -> Result<RequestWithdrawal, Problem> {
    Ok(RequestWithdrawal {
        id: WithdrawalId::from_bytes(id_bytes(row)?),
        initiator,
        vault: body.vault,
        idempotency_key,
        body_digest: hex::encode(Sha256::digest(&request.body)),
        asset: body.asset,
        amount: body.amount,
        destination: body.destination,
        reference: body.reference,
        wallet: body.wallet,
        evidence,
    })
}

/// For whom it is simulated: an operator may see what a client would be told.
fn simulated(
    speaker: Speaker,
    body: SimulationBody,
) -> Result<(Initiator, WithdrawalBody), Problem> {
    let initiator = match (speaker, body.client) {
        (Speaker::Operator(_), Some(client)) => Initiator::Client(client),
        (Speaker::Client(own), Some(client)) if own != client => {
            return Err(Problem::forbidden("a client simulates its own withdrawals"));
        }
        (speaker, _) => speaker.into(),
    };
    let body = WithdrawalBody {
        vault: body.vault,
        asset: body.asset,
        amount: body.amount,
        destination: body.destination,
        reference: body.reference,
        wallet: body.wallet,
    };
    Ok((initiator, body))
}

/// Ids come from the inbox row's own, so that answering it again after a crash makes the same.
fn id_bytes(row: &InboxRow) -> Result<[u8; 16], Problem> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(&row.id, &mut bytes)
        .map_err(|_| Problem::malformed("the inbox row's id"))?;
    Ok(bytes)
}

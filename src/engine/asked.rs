//! What a request of the inbox asks for: a command to the vault, or an answer that takes none.

use std::sync::Arc;

use custodyd_policy::{Initiator, Timestamp, WithdrawalId};
use custodyd_vault::{
    Command, Decide, DecideProposal, Enrol, Evidence, ExportId, KeyId, ProposalId, Propose,
    Rejection, RequestWithdrawal, TransactionId,
};
use sha2::{Digest as _, Sha256};

use super::{Engine, answer::Heard, reply::Reply};
use crate::{
    cold,
    directory::Speaker,
    problem::Problem,
    request::{Intent, SimulationBody, WithdrawalBody},
    store::InboxRow,
};

/// What comes of a request.
pub(super) enum Asked {
    /// A command, and the answer if the vault takes it.
    Command(Command, Reply),
    Answered(Reply),
}

impl Engine {
    /// What somebody asks for, if it is theirs to ask.
    pub(super) async fn asked(
        &self,
        row: &InboxRow,
        heard: Heard,
        now: Timestamp,
    ) -> Result<Asked, Problem> {
        let Heard {
            speaker,
            request,
            intent,
            ..
        } = heard;
        let evidence = Arc::clone(&row.request);
        let by = speaker.to_string();
        Ok(match (speaker, intent) {
            (speaker, Intent::Withdraw(body)) => {
                let key = request
                    .idempotency_key()
                    .map(str::to_owned)
                    .ok_or_else(|| {
                        Problem::new(
                            400,
                            "idempotency-key",
                            "Idempotency key",
                            "send an Idempotency-Key header",
                        )
                    })?;
                let initiator = speaker.initiator().ok_or_else(uninvited)?;
                let asked = withdrawal(row, initiator, body, key, request.body(), evidence)?;
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
                    request.body(),
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
                let signed_at = request.signed_at();
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
            (Speaker::Invitation(invitation), Intent::Enrol(body)) => {
                let reply = Reply::json(201, &body);
                let enrol = Command::Enrol(Box::new(Enrol {
                    operator: body.operator,
                    credential: body.credential,
                    invitation,
                    evidence,
                }));
                Asked::Command(enrol, reply)
            }
            (Speaker::Invitation(_), _) => return Err(uninvited()),
            (_, Intent::Enrol(_)) => {
                return Err(Problem::forbidden("this takes an invitation"));
            }
            (_, Intent::Address(wallet)) => {
                let key = fresh_key()?;
                let reply = Reply::Key(202, key.clone());
                let request = Command::RequestAddress {
                    wallet,
                    key,
                    by,
                    evidence,
                };
                Asked::Command(request, reply)
            }
            (_, Intent::Addresses(wallet, count)) => {
                let keys: Vec<KeyId> = (0..count).map(|_| fresh_key()).collect::<Result<_, _>>()?;
                let request = Command::RequestAddresses {
                    wallet,
                    keys: keys.clone(),
                    by,
                    evidence,
                };
                Asked::Command(request, Reply::Keys(202, keys))
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
                self.import(request.body(), by, evidence).await?
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

fn uninvited() -> Problem {
    Problem::forbidden("an invitation is for enrolling only")
}

/// A key's id, random.
fn fresh_key() -> Result<KeyId, Problem> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| Problem::unavailable("the system gives no randomness"))?;
    Ok(KeyId::from_bytes(id))
}

fn withdrawal(
    row: &InboxRow,
    initiator: Initiator,
    body: WithdrawalBody,
    idempotency_key: String,
    asked: &[u8],
    evidence: Evidence,
) -> Result<RequestWithdrawal, Problem> {
    Ok(RequestWithdrawal {
        id: WithdrawalId::from_bytes(id_bytes(row)?),
        initiator,
        vault: body.vault,
        idempotency_key,
        body_digest: hex::encode(Sha256::digest(asked)),
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
        (speaker, _) => speaker.initiator().ok_or_else(uninvited)?,
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

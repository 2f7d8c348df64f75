//! What a withdrawal would do, read from the client's own signed request as it lies in the journal: not from any document that
//! the daemon makes of it.

use custodyd_chain::{Address, Amount, Asset};
use custodyd_httpsig::{SignedRequest, VerifyingKey};
use custodyd_policy::{PolicyHash, VaultId, WalletId, WithdrawalId};
use custodyd_vault::{Event, StatedEffects};
use serde::Deserialize;

use crate::chain::{Chain, ChainFault, Checkpoint, JournalRow};
use crate::client::Client;
use crate::error::ClientError;

/// Rows in one answer of the journal.
const PAGE: u64 = 200;

/// What the raw data says of a withdrawal.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The withdrawal.
    pub withdrawal: WithdrawalId,
    /// Its vault, as the signed body names it.
    pub vault: VaultId,
    /// The row that holds the request.
    pub seq: u64,
    /// The request as its client signed it.
    pub request: SignedRequest,
    /// Exactly what would leave the vault.
    pub effects: StatedEffects,
    /// The policy that it was judged by last.
    pub policy: PolicyHash,
    /// What the rows lead to.
    pub checkpoint: Checkpoint,
}

/// Raw data that is missing, or contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// No row asks for it.
    #[error("no row of the journal asks for {0}")]
    NotThere(WithdrawalId),
    /// It is asked for, and policy never spoke.
    #[error("no row of the journal says what policy made of {0}")]
    NotJudged(WithdrawalId),
    /// The journal doesn't hold.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// A row is not what this version understands.
    #[error("row {seq} of the journal can't be read: {reason}")]
    Unreadable {
        /// The row.
        seq: u64,
        /// Why.
        reason: String,
    },
    /// What the client signed is not what the journal took it for.
    #[error("row {seq} of the journal has another {field} than the client's signed request")]
    Differs {
        /// The row.
        seq: u64,
        /// Which part.
        field: &'static str,
    },
    /// The client's signature doesn't hold.
    #[error("the request of {withdrawal} is not signed by that key: {reason}")]
    Signature {
        /// The withdrawal.
        withdrawal: WithdrawalId,
        /// Why not.
        reason: String,
    },
}

/// The members of a signed body that say what leaves the vault.
#[derive(Deserialize)]
struct Body {
    vault: VaultId,
    asset: Asset,
    amount: String,
    destination: String,
    wallet: Option<WalletId>,
}

impl Asked {
    /// Verifies the client's signature over the request (RFC 9421).
    ///
    /// # Errors
    /// `Signature` if that key did not make it.
    pub fn verify(&self, key: &VerifyingKey) -> Result<(), StatementError> {
        let verified = self.request.verify_stored(key);
        verified
            .map(drop)
            .map_err(|fault| StatementError::Signature {
                withdrawal: self.withdrawal,
                reason: fault.to_string(),
            })
    }
}

impl Client {
    /// Reads what a withdrawal would do from the raw data: finds the client's signed request in the journal, and follows every
    /// row from there to the signed checkpoint. Operators only.
    ///
    /// That the checkpoint is signed is for the caller to check, by [`Checkpoint::verify`], and the client's signature by
    /// [`Asked::verify`]: the keys must have come another way than this answer.
    ///
    /// # Errors
    /// As [`Client::get`]; `Statement` where the raw data is missing or contradicts itself.
    pub async fn asked(&self, id: &WithdrawalId) -> Result<Asked, ClientError> {
        let checkpoint = self.checkpoint().await?;
        let first = self.first_row_since(&checkpoint, asked_at(id)).await?;
        match self.read_from(id, first, &checkpoint).await {
            // A clock that went back: look at all rows before giving up.
            Err(ClientError::Statement(StatementError::NotThere(_))) if first > 0 => {
                self.read_from(id, 0, &checkpoint).await
            }
            read => read,
        }
    }

    /// The last row that is older than a time, found by halving; 0 if none is.
    async fn first_row_since(&self, end: &Checkpoint, at_ms: u64) -> Result<u64, ClientError> {
        let (mut older, mut newer) = (0_u64, end.seq);
        while older.saturating_add(PAGE) < newer {
            let middle = older.midpoint(newer);
            let rows = self.journal(middle, 1).await?;
            match rows.first() {
                Some(row) if row.at < at_ms => older = middle,
                _ => newer = middle,
            }
        }
        Ok(older)
    }

    async fn read_from(
        &self,
        id: &WithdrawalId,
        mut after: u64,
        checkpoint: &Checkpoint,
    ) -> Result<Asked, ClientError> {
        let mut chain = Chain::of(&checkpoint.vault);
        let (mut asked, mut judged) = (None, None);
        while after < checkpoint.seq {
            let rows = self
                .journal(after, checkpoint.seq.saturating_sub(after).min(PAGE))
                .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                chain.take(&row).map_err(StatementError::from)?;
                after = row.seq;
                match event(&row, id)? {
                    Some(Event::WithdrawalRequested {
                        request, evidence, ..
                    }) => {
                        asked = Some((row.seq, request, evidence));
                    }
                    Some(Event::WithdrawalJudged { facts, verdict, .. }) => {
                        judged = Some((facts.wallet.clone(), verdict.policy));
                    }
                    _ => {}
                }
            }
        }
        let (seq, request, evidence) = asked.ok_or(StatementError::NotThere(*id))?;
        chain.ends_in(checkpoint).map_err(StatementError::from)?;
        let (wallet, policy) = judged.ok_or(StatementError::NotJudged(*id))?;
        let signed: SignedRequest =
            serde_json::from_str(&evidence).map_err(|fault| StatementError::Unreadable {
                seq,
                reason: fault.to_string(),
            })?;
        let recorded = StatedEffects {
            network: request.destination.network(),
            wallet,
            destination: request.destination.clone(),
            amount: request.amount,
        };
        let (vault, effects) = stated(seq, &signed, recorded)?;
        Ok(Asked {
            withdrawal: *id,
            vault,
            seq,
            request: signed,
            effects,
            policy,
            checkpoint: checkpoint.clone(),
        })
    }
}

/// The event, if it is one of this withdrawal's that matter here.
fn event(row: &JournalRow, id: &WithdrawalId) -> Result<Option<Event>, StatementError> {
    let matters = matches!(
        row.kind.as_str(),
        "withdrawal_requested" | "withdrawal_judged"
    );
    let about = row.event.get("id").and_then(serde_json::Value::as_str);
    if !matters || about != Some(id.to_string().as_str()) {
        return Ok(None);
    }
    let event = serde_json::from_value(row.event.clone());
    event.map(Some).map_err(|fault| StatementError::Unreadable {
        seq: row.seq,
        reason: fault.to_string(),
    })
}

/// The effects as the signed body has them. The wallet, where the client named none, is the one that policy judged.
fn stated(
    seq: u64,
    signed: &SignedRequest,
    recorded: StatedEffects,
) -> Result<(VaultId, StatedEffects), StatementError> {
    let unreadable = |reason: String| StatementError::Unreadable { seq, reason };
    let body: Body =
        serde_json::from_slice(&signed.body).map_err(|fault| unreadable(fault.to_string()))?;
    let amount = Amount::parse(body.asset, &body.amount).map_err(|f| unreadable(f.to_string()))?;
    let destination = Address::parse(recorded.network, &body.destination)
        .map_err(|fault| unreadable(fault.to_string()))?;
    let differs = [
        (
            signed.method != "POST" || signed.target != "/v1/withdrawals",
            "purpose",
        ),
        (amount != recorded.amount, "amount"),
        (destination != recorded.destination, "destination"),
        (
            body.wallet
                .as_ref()
                .is_some_and(|own| *own != recorded.wallet),
            "wallet",
        ),
    ];
    match differs.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, field)) => Err(StatementError::Differs { seq, field }),
        None => Ok((
            body.vault,
            StatedEffects {
                destination,
                amount,
                ..recorded
            },
        )),
    }
}

/// When it was asked for, Unix milliseconds: ids are UUIDs of version 7, which begin with it (RFC 9562 §5.7).
fn asked_at(id: &WithdrawalId) -> u64 {
    let text = id.to_string();
    let digits = text.strip_prefix("wd_").and_then(|digits| digits.get(..12));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .unwrap_or(0)
}

//! `custodyd journal verify`: what an auditor wants proven of a database, with the pinned public key alone.
//!
//! Every row and head of the chain; every event in its turn; every client's and operator's signature that the events hold as
//! evidence; and that the projections, from which reads are served, are what the journal makes them.

use std::{collections::BTreeMap, time::Duration};

use custodyd_httpsig::SignedRequest;
use custodyd_policy::{Initiator, OperatorId};
use custodyd_vault::{CancelledBy, Event, Evidence, Recorded, Statement, Vault};

use crate::{
    directory::{Directory, Speaker},
    engine::{ReplayError, Replayed, rebuild, replay_observed},
    journal::{Anchor, JournalKey, Tip},
    nonces::{self, NonceError},
    store::{Projection, SignaturePointRow, Store, StoreError},
};

/// Audits begun at most while a daemon writes.
const MOST_AUDITS: u32 = 20;
/// Time for it to come to rest.
const PAUSE: Duration = Duration::from_millis(100);

/// What does not hold.
#[derive(Debug, thiserror::Error)]
pub enum AuditFault {
    /// The chain, an event, or the anchor.
    #[error("{0}")]
    Replay(#[from] ReplayError),
    /// The database's.
    #[error("database: {0}")]
    Store(#[from] StoreError),
    /// A document that can't be written.
    #[error("{0}")]
    Document(#[from] serde_json::Error),
    /// A signature that has no nonce to be read.
    #[error("nonces: {0}")]
    Nonces(#[from] NonceError),
    /// A signature in an event doesn't hold.
    #[error("journal row {seq} ({kind}): {reason}")]
    Evidence {
        /// The row.
        seq: u64,
        /// Its kind.
        kind: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A daemon commits faster than the database can be read.
    #[error(
        "the journal grew during each of {MOST_AUDITS} audits; stop the daemon, or audit a copy of the database"
    )]
    NeverAtRest,
    /// A row that readers are served from isn't what the journal makes it.
    #[error("projection {table} {id}: {reason}")]
    Projection {
        /// Its table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What is wrong.
        reason: &'static str,
    },
}

/// What was verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audited {
    /// Rows.
    pub events: u64,
    /// Signed heads, one for each commit.
    pub heads: u64,
    /// The last row's hash, hex.
    pub head: String,
    /// HSM signatures of transactions.
    pub transaction_signatures: u64,
    /// HSM signatures of cold exports' manifests.
    pub manifest_signatures: u64,
    /// HSM signatures by which keys that lie wrapped were proven when they were made.
    pub key_signatures: u64,
    /// Requests and statements whose signatures were verified.
    pub evidence: u64,
    /// Rows that readers are served from.
    pub projections: u64,
    /// Nonces on record, one for each signature of a head, a transaction or a cold export.
    pub nonces: u64,
}

impl Audited {
    /// HSM signatures that the journal explains.
    pub fn hsm_signatures(&self) -> u64 {
        self.heads
            .saturating_add(self.transaction_signatures)
            .saturating_add(self.manifest_signatures)
            .saturating_add(self.key_signatures)
    }

    /// Calls of C_Sign that made them, as the log of a spying module shows: the first asks for the length (docs/adr/0005).
    pub fn c_sign_calls(&self) -> u64 {
        self.hsm_signatures().saturating_mul(2)
    }
}

/// Verifies everything about a vault that can be verified without the HSM. A daemon may go on meanwhile: what is read first
/// then doesn't fit what is read last, so the audit is begun anew until it saw a journal at rest.
///
/// # Errors
/// The first thing that doesn't hold.
pub async fn audit(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
) -> Result<Audited, AuditFault> {
    for _ in 0..MOST_AUDITS {
        let before = store.last_head(vault).await?;
        let audited = audit_at_rest(store, vault, key, anchor).await;
        if store.last_head(vault).await? == before {
            return audited;
        }
        // Nothing that comes later makes these good.
        if let Err(fault @ (AuditFault::Replay(_) | AuditFault::Evidence { .. })) = audited {
            return Err(fault);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(AuditFault::NeverAtRest)
}

async fn audit_at_rest(
    store: &Store,
    vault: &str,
    key: &JournalKey,
    anchor: Option<&Anchor>,
) -> Result<Audited, AuditFault> {
    let mut walk = Walk::default();
    let Replayed { vault: state, head } =
        replay_observed(store, vault, key, anchor, |before, recorded| {
            walk.see(before, recorded);
        })
        .await?;
    let mut audited = walk.ended()?;
    audited.events = state.seq();
    audited.heads = count_heads(store, vault).await?;
    audited.head = hex::encode(head.hash);
    audited.projections = check_projections(store, vault, &state).await?;
    check_strays(store, vault, key).await?;
    audited.nonces = check_nonces(store, vault, &state).await?;
    Ok(audited)
}

/// A walk of one vault can't see a head that was moved to another name. Under a name with a first row there is another
/// vault, which is audited with its own key; under any other there must be nothing.
async fn check_strays(store: &Store, vault: &str, key: &JournalKey) -> Result<(), AuditFault> {
    for other in store.vaults().await? {
        if other != vault && store.journal(&other, 0, 1).await?.is_empty() {
            let walked = store.verify_journal(&other, key, Tip::START, |_| {}).await;
            walked.map_err(ReplayError::from)?;
        }
    }
    Ok(())
}

async fn count_heads(store: &Store, vault: &str) -> Result<u64, StoreError> {
    let (mut count, mut after) = (0_u64, 0);
    loop {
        let heads = store.heads(vault, after, 512).await?;
        let Some(last) = heads.last() else {
            return Ok(count);
        };
        after = last.seq;
        count = count.saturating_add(u64::try_from(heads.len()).unwrap_or(u64::MAX));
    }
}

/// Checks each event against who could speak when it was decided: a key that was taken away later was good then.
#[derive(Debug, Default)]
struct Walk {
    directory: Option<Directory>,
    audited: Audited,
    fault: Option<AuditFault>,
}

impl Walk {
    fn see(&mut self, before: Option<&Vault>, recorded: &Recorded) {
        let (None, Some(state)) = (&self.fault, before) else {
            return;
        };
        let directory = self.directory.get_or_insert_with(|| Directory::from(state));
        self.fault = check_event(state, directory, recorded, &mut self.audited).err();
        if matches!(recorded.event, Event::ProposalEnacted { .. }) {
            self.directory = None;
        }
    }

    fn ended(self) -> Result<Audited, AuditFault> {
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
            speaker if Initiator::from(speaker.clone()) == request.initiator => {}
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
            verify_statement(state, statement, &signature.0).map_err(fault)?;
        }
        Event::Cancelled { by, evidence, .. } => {
            speaks(evidence)?;
            if let CancelledBy::Operator {
                statement,
                signature,
            } = by
            {
                verify_statement(state, statement, &signature.0).map_err(fault)?;
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
            if !statement.is_signed_by(keys, signature) {
                return Err(fault(not_theirs(&statement.operator)));
            }
        }
        Event::KeyRequested { evidence, .. }
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
    let request: SignedRequest = serde_json::from_str(evidence).map_err(|e| e.to_string())?;
    let verified = directory.authenticate(&request, |key| request.verify_stored(key));
    verified
        .map(|(speaker, _)| speaker)
        .map_err(|problem| problem.detail)
}

fn verify_statement(
    state: &Vault,
    statement: &Statement,
    signature: &[u8; 64],
) -> Result<(), String> {
    let keys: Vec<_> = state
        .operator(&statement.operator)
        .unwrap_or_default()
        .iter()
        .map(|key| key.verifying_key())
        .collect();
    if statement.is_signed_by(&keys, signature) {
        Ok(())
    } else {
        Err(not_theirs(&statement.operator))
    }
}

fn not_theirs(operator: &OperatorId) -> String {
    format!("the statement is not signed by operator {operator}")
}

async fn check_projections(store: &Store, vault: &str, state: &Vault) -> Result<u64, AuditFault> {
    let stored = store.projections_dump(vault).await?;
    let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let mut expected: BTreeMap<(&'static str, String), Projection> = rebuild(state)?
        .into_iter()
        .map(|row| (name(&row), row))
        .collect();
    for row in stored {
        let (table, id) = name(&row);
        match expected.remove(&(table, id.clone())) {
            Some(due) if due == row => {}
            Some(_) => {
                return Err(AuditFault::Projection {
                    table,
                    id,
                    reason: "differs from what the journal says",
                });
            }
            None => {
                return Err(AuditFault::Projection {
                    table,
                    id,
                    reason: "the journal knows nothing of it",
                });
            }
        }
    }
    match expected.into_keys().next() {
        Some((table, id)) => Err(AuditFault::Projection {
            table,
            id,
            reason: "is missing",
        }),
        None => Ok(count),
    }
}

/// The nonces on record are those of the journal's signatures: a row taken away would let its nonce be used again.
async fn check_nonces(store: &Store, vault: &str, state: &Vault) -> Result<u64, AuditFault> {
    let stored = store.all_points(vault).await?;
    let due = nonces::of_journal(store, vault, state).await?;
    let count = u64::try_from(stored.len()).unwrap_or(u64::MAX);
    let place = |row: &SignaturePointRow| (row.key.clone(), row.r);
    let mut due: BTreeMap<_, _> = due.into_iter().map(|row| (place(&row), row)).collect();
    let fault = |row: &SignaturePointRow, reason| AuditFault::Projection {
        table: "signature_points",
        id: format!("{} {} of {}", row.key, hex::encode(row.r), row.origin),
        reason,
    };
    for row in &stored {
        match due.remove(&place(row)) {
            Some(expected) if expected == *row => {}
            Some(_) => return Err(fault(row, "differs from what the journal says")),
            None => return Err(fault(row, "the journal knows nothing of it")),
        }
    }
    match due.values().next() {
        Some(missing) => Err(fault(missing, "is missing")),
        None => Ok(count),
    }
}

fn name(row: &Projection) -> (&'static str, String) {
    match row {
        Projection::Withdrawal { id, .. } => ("withdrawals", id.clone()),
        Projection::Transaction { id, .. } => ("transactions", id.clone()),
        Projection::Wallet { id, .. } => ("wallets", id.clone()),
        Projection::Key { id, .. } => ("keys", id.clone()),
        Projection::Export { id, .. } => ("exports", id.clone()),
        Projection::Proposal { id, .. } => ("proposals", id.clone()),
        Projection::ReserveOutpoint {
            network, outpoint, ..
        }
        | Projection::ReleaseOutpoint { network, outpoint } => {
            ("outpoint_reservations", format!("{network} {outpoint}"))
        }
        Projection::ReserveNonce {
            network,
            account,
            nonce,
            ..
        }
        | Projection::ReleaseNonce {
            network,
            account,
            nonce,
        } => ("nonce_reservations", format!("{network} {account} {nonce}")),
    }
}

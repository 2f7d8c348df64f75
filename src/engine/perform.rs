//! Doing: each effect runs in a task of its own and reports what came of it. Nothing here decides.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Network, Plan, PublicKey};
use custodyd_hsm::{Curve, HsmError, KeyRef};
use custodyd_policy::Timestamp;
use custodyd_vault::{Command, Effect, ExportId, JournalKey, KeyId, TransactionId, WrappedBlob};

use super::{
    Engine, Parts,
    follow::quote,
    jobs::Job,
    screening::{Question, ScreeningFault, screen},
    vetting::both,
};
use crate::{
    cold::{self, ColdError, Contents},
    failpoint,
    nodes::NodeError,
    nonces::manifest_point,
    signer::{SignError, key_ref},
};

/// Why an effect didn't come about. It stays outstanding and is tried again.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The HSM's.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// The HSM's.
    #[error("HSM: {0}")]
    Hsm(#[from] HsmError),
    /// A node's.
    #[error("{0}")]
    Node(#[from] NodeError),
    /// No node for the network.
    #[error("no node is configured for {0}")]
    NoNode(Network),
    /// A cold bundle's.
    #[error("{0}")]
    Cold(#[from] ColdError),
    /// The database's.
    #[error("database: {0}")]
    Store(#[from] crate::store::StoreError),
    /// The call that it was part of failed.
    #[error("{0}")]
    Together(String),
    /// The HSM gave something that is not a key of the curve.
    #[error("the key made is not usable: {0}")]
    Key(String),
    /// The wallet's keys are to be wrapped, under none.
    #[error("the configuration names no hsm.wrapping_key")]
    NoWrappingKey,
    /// The manifest's signature has a nonce that the journal key used before. It was thrown away.
    #[error("journal key {0}")]
    JournalKeyNonce(String),
    /// A signature that doesn't hold.
    #[error("the signed bundle was refused: {0}")]
    Bundle(String),
}

/// A job that ended.
#[derive(Debug)]
pub struct Done {
    pub(super) job: Job,
    /// What it depended on, for the health page.
    pub(super) part: String,
    pub(super) result: Result<Vec<Command>, EffectError>,
    /// The best block's height, when that was asked.
    pub(super) tip: Option<(Network, u64)>,
}

impl Engine {
    /// Begins one job.
    pub(super) fn perform(&mut self, job: Job, now: Timestamp) {
        let effect = match &job {
            Job::Effect(effect) => effect,
            Job::Tip(network) => return self.ask_tip(*network),
            Job::Observe(_) => return,
        };
        let parts = self.parts.clone();
        let report = self.report.clone();
        match effect {
            Effect::Sign(id) => {
                let Some((plan, keys)) = self.signing_material(id) else {
                    return self.jobs.failed(&job, now);
                };
                let id = id.clone();
                tokio::spawn(async move {
                    failpoint::pass("before-signing");
                    let signed = parts
                        .signer
                        .sign_plan(&plan, |public| keys.get(public).cloned())
                        .await;
                    let result = signed
                        .map(|(raw, signatures)| {
                            vec![Command::Signed {
                                transaction: id,
                                raw,
                                signatures,
                            }]
                        })
                        .map_err(EffectError::from);
                    let _ = report
                        .send(Done {
                            job,
                            part: "hsm".to_owned(),
                            result,
                            tip: None,
                        })
                        .await;
                });
            }
            Effect::MakeKey(key) => {
                let label = self
                    .vault
                    .wallet_of_key(key)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let wallet = self.vault.wallet_of_key(key);
                let wrap = wallet
                    .and_then(|id| self.vault.wallets().get(id))
                    .is_some_and(|wallet| wallet.wraps(key));
                let key = key.clone();
                tokio::task::spawn_blocking(move || {
                    let result = if wrap {
                        make_wrapped_key(&parts, &key)
                    } else {
                        make_key(&parts, &key, &label)
                    }
                    .map(|command| vec![command]);
                    let _ = report.blocking_send(Done {
                        job,
                        part: "hsm".to_owned(),
                        result,
                        tip: None,
                    });
                });
            }
            Effect::QuoteFee(network) => {
                let network = *network;
                tokio::spawn(async move {
                    let result = quote(&parts, network).await.map(|command| vec![command]);
                    let _ = report
                        .send(Done {
                            job,
                            part: network.to_string(),
                            result,
                            tip: None,
                        })
                        .await;
                });
            }
            Effect::BuildExport(id) => {
                let contents = Contents::of(&self.vault, id);
                let (id, key) = (id.clone(), self.vault.journal_key().clone());
                tokio::spawn(async move {
                    let result = build_export(&parts, &id, &key, contents)
                        .await
                        .map(|command| vec![command]);
                    let _ = report
                        .send(Done {
                            job,
                            part: "cold".to_owned(),
                            result,
                            tip: None,
                        })
                        .await;
                });
            }
            Effect::Screen(id) => {
                // Too late for an answer, nobody is asked: the vault ends it when time moves on.
                let open = Question::of(&self.vault, id).filter(|question| question.is_open(now));
                let Some(question) = open else {
                    return self.jobs.failed(&job, now);
                };
                tokio::spawn(async move {
                    let (command, outcome) = screen(parts.screener.as_ref(), &question, now).await;
                    // A refusal is an answer; that nobody could be asked is for whoever looks after this daemon.
                    let part = match outcome {
                        Ok(()) | Err(ScreeningFault::Refused(_)) => "screening".to_owned(),
                        Err(fault) => {
                            let what = Some(fault.to_string());
                            parts.pulse.note_trouble("screening", what);
                            "a payout that could not be screened".to_owned()
                        }
                    };
                    let _ = report
                        .send(Done {
                            job,
                            part,
                            result: Ok(vec![command]),
                            tip: None,
                        })
                        .await;
                });
            }
            Effect::Broadcast(_) | Effect::Watch(_) => {}
        }
    }

    /// A plan and the HSM's keys for what it spends, only if it may be signed now.
    fn signing_material(&self, id: &TransactionId) -> Option<(Plan, BTreeMap<PublicKey, KeyRef>)> {
        let transaction = self
            .vault
            .transactions()
            .get(id)
            .filter(|_| self.vault.may_sign(id))?;
        let wallet = self.vault.wallets().get(&transaction.wallet)?;
        let spent: BTreeSet<PublicKey> = match &transaction.plan {
            Plan::Bitcoin(plan) => plan.inputs.iter().map(|coin| coin.public_key).collect(),
            Plan::Evm(plan) => BTreeSet::from([plan.from]),
        };
        let keys = spent
            .into_iter()
            .filter_map(|public| Some((public, key_ref(wallet.key_of(&public)?)?)))
            .collect();
        Some((transaction.plan.clone(), keys))
    }
}

fn make_key(parts: &Parts, key: &KeyId, label: &str) -> Result<Command, EffectError> {
    let id = custodyd_hsm::KeyId::from_bytes(key.cka_id());
    let point = parts.signer.hsm().generate(&id, label, Curve::Secp256k1)?;
    failpoint::pass("key-generated");
    let public_key =
        PublicKey::from_sec1(point.as_bytes()).map_err(|e| EffectError::Key(e.to_string()))?;
    Ok(Command::KeyMade {
        key: key.clone(),
        public_key,
        wrapped: None,
    })
}

/// A key that the HSM doesn't keep. Asking again after a crash gives another one; the journal keeps the first it hears of.
fn make_wrapped_key(parts: &Parts, key: &KeyId) -> Result<Command, EffectError> {
    let wrapping_key = parts.wrapping_key.ok_or(EffectError::NoWrappingKey)?;
    let id = custodyd_hsm::KeyId::from_bytes(key.cka_id());
    let made = parts
        .signer
        .hsm()
        .generate_wrapped(&id, &wrapping_key, Curve::Secp256k1)?;
    failpoint::pass("key-generated");
    let public_key = PublicKey::from_sec1(made.public.as_bytes())
        .map_err(|e| EffectError::Key(e.to_string()))?;
    Ok(Command::KeyMade {
        key: key.clone(),
        public_key,
        wrapped: Some(WrappedBlob {
            wrapping_key: KeyId::from_bytes(*made.wrapping_key.as_bytes()),
            blob: made.blob,
        }),
    })
}

async fn build_export(
    parts: &Parts,
    id: &ExportId,
    journal_key: &JournalKey,
    contents: Result<Contents, ColdError>,
) -> Result<Command, EffectError> {
    let contents = contents?;
    let vault = contents.vault().to_owned();
    let unsigned = contents.build(&parts.nodes).await?;
    let signature = parts
        .signer
        .sign_journal(journal_key, unsigned.digest())
        .await?;
    let bundle = unsigned
        .signed(signature)
        .map_err(|e| EffectError::Bundle(e.to_string()))?;
    // Before anybody can see it: beside the earlier signature it would be the journal's private key.
    let point = manifest_point(&journal_key.public_key, id, &bundle);
    let known = parts.store.known_points(&vault, &[&point]).await?;
    if let Some(earlier) = known.iter().find(|known| known.digest != point.digest) {
        return Err(EffectError::JournalKeyNonce(both(earlier, &point)));
    }
    failpoint::pass("bundle-signed");
    parts
        .store
        .put_bundle(&vault, id.as_str(), &bundle.to_tar())
        .await?;
    Ok(Command::ExportBuilt {
        export: id.clone(),
        manifest_sha256: cold::manifest_sha256(&bundle),
    })
}

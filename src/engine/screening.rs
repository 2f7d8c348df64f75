//! Asking somebody else whether anything speaks against a payout. They can refuse it, never allow it: a pass only lets it
//! go on to what policy asks, and whatever is not a pass is a refusal.

use std::{sync::Arc, time::Duration};

use custodyd_hsm::PinSource;
use custodyd_policy::{Facts, Timestamp, WithdrawalId};
use custodyd_vault::{Command, Vault, WithdrawalState};
use reqwest::{Client, StatusCode, Url, header, redirect};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::{
    config::{ConfigError, ScreeningConfig},
    webhooks::{SecretError, Secrets},
};

/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;
/// Most that are asked at once; the others wait, and their time runs.
const MAX_AT_ONCE: usize = 32;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Why a payout was not passed. What it says ends in the journal and is shown to people: never a secret.
#[derive(Debug, thiserror::Error)]
pub enum ScreeningFault {
    /// The policy asks for what the configuration doesn't have.
    #[error("the policy asks for a screening, and custodyd.toml has no [screening] url")]
    NotConfigured,
    /// They said no.
    #[error("the screening refused it: {0}")]
    Refused(String),
    /// No answer.
    #[error("the screening gave no answer in time")]
    Late,
    /// No connection, or one that broke.
    #[error("the screening could not be asked: {0}")]
    Unreachable(String),
    /// An error, or a redirect.
    #[error("the screening answered with HTTP {0}")]
    Status(u16),
    /// Too much.
    #[error("the screening's answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    /// Something else than a decision about this payout.
    #[error("the screening's answer is no decision on this withdrawal: {0}")]
    Answer(String),
    /// The request could not be signed.
    #[error("the screening's secret can't be used: {0}")]
    Secret(#[from] SecretError),
}

/// What is asked: the payout as policy judged it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Question {
    vault: String,
    withdrawal: WithdrawalId,
    network: String,
    asset: String,
    amount: String,
    destination: String,
    destination_class: String,
    tags: Vec<String>,
    flags: Vec<String>,
    wallet: String,
    tier: String,
    initiator: String,
    reference: String,
    /// Unix milliseconds: an answer after that is none.
    answer_until: u64,
}

impl Question {
    /// About a payout that is being screened.
    pub(super) fn of(vault: &Vault, id: &WithdrawalId) -> Option<Self> {
        let withdrawal = vault.withdrawals().get(id)?;
        let WithdrawalState::Screening { until } = withdrawal.state else {
            return None;
        };
        let facts: &Facts = withdrawal.facts.as_deref()?;
        Some(Self {
            vault: vault.id().to_string(),
            withdrawal: *id,
            network: facts.destination.network().to_string(),
            asset: facts.amount.asset().to_string(),
            amount: facts.amount.to_decimal(),
            destination: facts.destination.as_str().to_owned(),
            destination_class: facts.class.to_string(),
            tags: facts.tags.iter().map(ToString::to_string).collect(),
            flags: facts.flags.iter().map(ToString::to_string).collect(),
            wallet: facts.wallet.to_string(),
            tier: facts.tier.to_string(),
            initiator: facts.initiator.to_string(),
            reference: withdrawal.request.reference.clone(),
            answer_until: until.as_ms(),
        })
    }

    /// Whether an answer given at `now` would still be one.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        !self.left(now).is_zero()
    }

    /// How long an answer may take from `now` on.
    fn left(&self, now: Timestamp) -> Duration {
        Duration::from_millis(self.answer_until.saturating_sub(now.as_ms()))
    }
}

/// An answer. It names what it is about, so that a page that always says the same, or an answer to another question, is none.
#[derive(Debug, Deserialize)]
struct Answer {
    withdrawal: WithdrawalId,
    decision: Decision,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Pass,
    Refuse,
}

/// Whoever is asked.
#[derive(Debug, Clone)]
pub struct Screener {
    http: Client,
    url: Url,
    secrets: Vec<PinSource>,
    deadline: Duration,
    slots: Arc<Semaphore>,
}

impl Screener {
    /// As the configuration says.
    ///
    /// # Errors
    /// The URL or the deadline can't be used.
    pub fn new(config: &ScreeningConfig) -> Result<Self, ConfigError> {
        let url = config.parsed_url()?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // reqwest would panic.
            let why = "screening: no TLS provider is installed in this process";
            return Err(ConfigError::Range(why.to_owned()));
        }
        let builder = Client::builder()
            .connect_timeout(CONNECT)
            // Whoever is asked answers; nobody it points to, and no proxy from the environment.
            .redirect(redirect::Policy::none())
            .no_proxy();
        // Plain HTTP needs no certificates, and reqwest refuses to start where the system has none.
        let builder = if url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder
        };
        let http = builder
            .build()
            .map_err(|e| ConfigError::Range(format!("screening: no HTTP client: {e}")))?;
        Ok(Self {
            http,
            url,
            secrets: config.secrets.clone(),
            deadline: config.deadline()?,
            slots: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        })
    }

    /// Asks, and waits for the answer until the deadline.
    async fn ask(&self, question: &Question, now: Timestamp) -> Result<(), ScreeningFault> {
        let longest = self.deadline.min(question.left(now));
        let asked = async {
            let _slot = self.slots.acquire().await;
            let (status, body) = self.post(question, now).await?;
            read(question, status, &body)
        };
        tokio::time::timeout(longest, asked)
            .await
            .unwrap_or(Err(ScreeningFault::Late))
    }

    async fn post(
        &self,
        question: &Question,
        now: Timestamp,
    ) -> Result<(StatusCode, Vec<u8>), ScreeningFault> {
        let unreachable = |e: reqwest::Error| ScreeningFault::Unreachable(innermost(e));
        let body = serde_json::to_string(question)
            .map_err(|e| ScreeningFault::Unreachable(e.to_string()))?;
        let id = question.withdrawal.to_string();
        let at_s = now.as_seconds();
        let mut request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", at_s);
        if !self.secrets.is_empty() {
            // Read for each request, so that one can be exchanged without a restart.
            let secrets = Secrets::read(&self.secrets).await?;
            request = request.header("webhook-signature", secrets.sign(&id, at_s, &body));
        }
        let mut response = request.body(body).send().await.map_err(unreachable)?;
        let status = response.status();
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if read.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(ScreeningFault::TooLong);
            }
            read.extend_from_slice(&chunk);
        }
        Ok((status, read))
    }
}

/// What comes of asking, whoever is there to be asked.
pub(super) async fn screen(
    screener: Option<&Screener>,
    question: &Question,
    now: Timestamp,
) -> (Command, Result<(), ScreeningFault>) {
    let outcome = match screener {
        Some(screener) => screener.ask(question, now).await,
        None => Err(ScreeningFault::NotConfigured),
    };
    let id = question.withdrawal;
    let command = match &outcome {
        Ok(()) => Command::ScreeningPassed { id },
        Err(fault) => Command::ScreeningRefused {
            id,
            reason: fault.to_string(),
        },
    };
    let result = match &outcome {
        Ok(()) => "passed",
        Err(ScreeningFault::Refused(_)) => "refused",
        Err(_) => "failed",
    };
    metrics::counter!("custodyd_screenings_total", "result" => result).increment(1);
    (command, outcome)
}

/// A pass, or why it is none.
fn read(question: &Question, status: StatusCode, body: &[u8]) -> Result<(), ScreeningFault> {
    if status != StatusCode::OK {
        return Err(ScreeningFault::Status(status.as_u16()));
    }
    let answer: Answer =
        serde_json::from_slice(body).map_err(|e| ScreeningFault::Answer(e.to_string()))?;
    if answer.withdrawal != question.withdrawal {
        let other = answer.withdrawal;
        return Err(ScreeningFault::Answer(format!("it is about {other}")));
    }
    match answer.decision {
        Decision::Pass => Ok(()),
        Decision::Refuse => Err(ScreeningFault::Refused(
            answer
                .reason
                .unwrap_or_else(|| "no reason given".to_owned()),
        )),
    }
}

/// The innermost cause says what happened; reqwest's own words only that something did.
fn innermost(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
#[path = "screening_tests.rs"]
mod tests;

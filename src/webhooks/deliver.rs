//! One message to one recipient: signed, sent, and what they said to it. When to try again is the caller's.

use std::{sync::Arc, time::Duration};

use custodyd_policy::Timestamp;
use reqwest::{Client, StatusCode, header, redirect};

use super::{
    reach::{Reach, literal},
    signing::{SecretError, Secrets},
};
use crate::config::{ConfigError, Recipient};

/// Most bytes of an answer that are read; what it says doesn't matter, but a connection is only used again once it was read.
const MAX_ANSWER: usize = 16 << 10;
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Connections that are kept for later.
const IDLE: usize = 4;

/// Why a message did not arrive, or is not known to have. Never holds a secret or the URL, whose path may be one.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryFault {
    /// The recipient wants no more, for good: HTTP 410.
    #[error("the recipient answered with HTTP 410: it wants no more")]
    Gone,
    /// Something else than success; redirects are not followed.
    #[error("the recipient answered with HTTP {0}")]
    Status(u16),
    /// No answer in time.
    #[error("the recipient gave no answer in time")]
    Late,
    /// No connection, or one that broke.
    #[error("the recipient could not be reached: {0}")]
    Unreachable(String),
    /// It can't be signed.
    #[error("{0}")]
    Secret(#[from] SecretError),
}

impl DeliveryFault {
    /// For metrics.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Status(_) => "refused",
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
            Self::Secret(_) => "unsigned",
        }
    }
}

/// What is sent: a JSON document, and an id under which the recipient knows it again when it comes twice.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Unique for what is told, and the same at every try. No dots: they separate what is signed.
    pub(crate) id: String,
    /// JSON.
    pub(crate) body: String,
}

/// Takes messages to one recipient. Clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Courier {
    http: Client,
    to: Arc<Recipient>,
}

impl Courier {
    /// For one recipient.
    ///
    /// # Errors
    /// Its URL names an address that it must not, or there is no TLS.
    pub(crate) fn new(to: Recipient) -> Result<Self, ConfigError> {
        let refused = |why: &str| ConfigError::Range(format!("webhooks {:?}: {why}", to.id));
        let reach = Reach::of(&to.url, to.allow_private);
        if literal(&to.url).is_some_and(|ip| !reach.allows(ip)) {
            return Err(refused(
                "url names a private address; allow_private = true permits that",
            ));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // reqwest would panic.
            return Err(refused("no TLS provider is installed in this process"));
        }
        let builder = Client::builder()
            .user_agent(concat!("custodyd/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_max_idle_per_host(IDLE)
            .dns_resolver(reach)
            // Whoever is named is told; nobody they point to, and no proxy from the environment.
            .redirect(redirect::Policy::none())
            .no_proxy();
        // Plain HTTP needs no certificates, and reqwest refuses to start where the system has none.
        let builder = if to.url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder
        };
        let http = builder
            .build()
            .map_err(|e| refused(&format!("no HTTP client: {}", innermost(e))))?;
        Ok(Self {
            http,
            to: Arc::new(to),
        })
    }

    /// What the configuration calls the recipient.
    pub(crate) fn id(&self) -> &str {
        &self.to.id
    }

    /// Sends it, once. `Ok` says that the recipient has it.
    ///
    /// # Errors
    /// Why it is not known to have arrived. It may have: a recipient tells repetitions by their id.
    pub(crate) async fn deliver(
        &self,
        message: &Message,
        now: Timestamp,
    ) -> Result<(), DeliveryFault> {
        let told = tokio::time::timeout(self.to.timeout, self.post(message, now));
        let status = told.await.unwrap_or(Err(DeliveryFault::Late))?;
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(DeliveryFault::Gone),
            status => Err(DeliveryFault::Status(status.as_u16())),
        }
    }

    async fn post(&self, message: &Message, now: Timestamp) -> Result<StatusCode, DeliveryFault> {
        let unreachable = |e: reqwest::Error| DeliveryFault::Unreachable(innermost(e));
        let Message { id, body } = message;
        let at_s = now.as_seconds();
        let signature = Secrets::read(&self.to.secrets).await?.sign(id, at_s, body);
        let mut answer = self
            .http
            .post(self.to.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s)
            .header("webhook-signature", signature)
            .body(body.clone())
            .send()
            .await
            .map_err(unreachable)?;
        let mut read = 0_usize;
        // The head alone says what they think; a body that breaks off takes nothing back.
        while let Ok(Some(chunk)) = answer.chunk().await {
            read = read.saturating_add(chunk.len());
            if read > MAX_ANSWER {
                break;
            }
        }
        Ok(answer.status())
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
#[path = "deliver_tests.rs"]
mod tests;

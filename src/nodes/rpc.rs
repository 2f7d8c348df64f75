//! JSON-RPC over HTTP: one call or a batch, bounded in time and size, with credentials read from their files each time.

use std::{io::ErrorKind, path::Path, time::Duration};

use custodyd_chain::Family;
use reqwest::{
    Client, StatusCode, Url,
    header::{self, HeaderMap, HeaderValue},
    redirect,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::{NodeAuth, NodeConfig, NodeError};

/// Most bytes of an answer that are read: a batch of 500 transactions with room to spare.
pub(super) const MAX_ANSWER: usize = 32 << 20;
/// Most calls in one batch; geth takes 1,000 unless told otherwise.
pub(super) const MAX_BATCH: usize = 500;
const MAX_CREDENTIAL: usize = 4096;
const MAX_MESSAGE: usize = 300;
/// An idle connection is dropped before the node does it, so that no request meets a closing one.
const IDLE: Duration = Duration::from_secs(10);

/// A method with its parameters.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: &'static str,
    pub(super) params: Value,
}

impl Call {
    pub(super) const fn new(method: &'static str, params: Value) -> Self {
        Self { method, params }
    }

    fn body(&self, id: usize) -> Value {
        json!({"jsonrpc": "2.0", "id": id, "method": self.method, "params": self.params})
    }
}

/// The node's answer to one call.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) method: &'static str,
    pub(super) outcome: Result<Box<RawValue>, Fault>,
}

/// JSON-RPC's error object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Fault {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Reply {
    /// Its result, as what it should be.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, NodeError> {
        match &self.outcome {
            Ok(result) => serde_json::from_str(result.get())
                .map_err(|error| malformed(self.method, error.to_string())),
            Err(fault) => Err(fault.error(self.method)),
        }
    }

    /// Its result, or nothing if the node answered with this code.
    pub(super) fn read_unless<T: DeserializeOwned>(
        &self,
        code: i64,
    ) -> Result<Option<T>, NodeError> {
        match &self.outcome {
            Err(fault) if fault.code == code => Ok(None),
            _ => self.read().map(Some),
        }
    }
}

impl Fault {
    pub(super) fn error(&self, method: &'static str) -> NodeError {
        NodeError::Rpc {
            method,
            code: self.code,
            message: self.reason(),
        }
    }

    /// The message for people: bounded, on one line.
    pub(super) fn reason(&self) -> String {
        self.message
            .chars()
            .take(MAX_MESSAGE)
            .flat_map(char::escape_debug)
            .collect()
    }
}

pub(super) const fn malformed(method: &'static str, why: String) -> NodeError {
    NodeError::Malformed { method, why }
}

#[derive(Deserialize)]
struct Answer {
    id: Option<usize>,
    result: Option<Box<RawValue>>,
    error: Option<Fault>,
}

impl Answer {
    fn outcome(self) -> Result<Box<RawValue>, Fault> {
        match self.error {
            Some(fault) => Err(fault),
            None => Ok(self.result.unwrap_or_else(|| RawValue::NULL.to_owned())),
        }
    }
}

/// A node's JSON-RPC endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    http: Client,
    url: Url,
    auth: Option<NodeAuth>,
    timeout: Duration,
}

impl Endpoint {
    pub(super) fn new(config: &NodeConfig) -> Result<Self, NodeError> {
        let url = config.parsed_url()?;
        // reqwest would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(config.fault("no TLS provider is installed in this process".to_owned()));
        }
        let builder = Client::builder()
            .timeout(config.timeout())
            .pool_idle_timeout(IDLE)
            // A redirect would carry our credential elsewhere, and a proxy from the environment is nobody's decision.
            .redirect(redirect::Policy::none())
            .no_proxy()
            .default_headers(connection_header(config.network.family()));
        // Plain HTTP needs no certificates, and reqwest refuses to start where the system has none.
        let builder = if url.scheme() == "http" {
            builder.tls_certs_only([])
        } else {
            builder
        };
        let http = builder
            .build()
            .map_err(|error| config.fault(format!("no HTTP client: {error}")))?;
        Ok(Self {
            http,
            url,
            auth: config.auth.clone(),
            timeout: config.timeout(),
        })
    }

    /// The same node at another path.
    pub(super) fn at(&self, path: &str) -> Self {
        let mut there = self.clone();
        there.url.set_path(path);
        there
    }

    /// Scheme, host and port: a path may hold an API key.
    pub(super) fn shown(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// One call.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<T, NodeError> {
        self.ask(Call::new(method, params)).await?.read()
    }

    /// One call whose refusal is an answer too.
    pub(super) async fn ask(&self, call: Call) -> Result<Reply, NodeError> {
        let method = call.method;
        let (status, body) = self.post(call.body(0).to_string()).await?;
        let answer: Answer = self.parse(method, status, &body)?;
        Ok(Reply {
            method,
            outcome: answer.outcome(),
        })
    }

    /// Many calls in as few requests as fit, answered in their order.
    pub(super) async fn batch(&self, calls: &[Call]) -> Result<Vec<Reply>, NodeError> {
        let mut replies = Vec::with_capacity(calls.len());
        for calls in calls.chunks(MAX_BATCH) {
            replies.extend(self.one_batch(calls).await?);
        }
        Ok(replies)
    }

    async fn one_batch(&self, calls: &[Call]) -> Result<Vec<Reply>, NodeError> {
        let first = calls.first().map_or("an empty batch", |call| call.method);
        let bodies = Value::Array(
            calls
                .iter()
                .enumerate()
                .map(|(id, call)| call.body(id))
                .collect(),
        );
        let (status, body) = self.post(bodies.to_string()).await?;
        let answers: Vec<Answer> = match serde_json::from_slice(&body) {
            Ok(answers) => answers,
            // A batch that is refused as a whole is answered by one object.
            Err(_) => match self.parse::<Answer>(first, status, &body)?.outcome() {
                Err(fault) => return Err(fault.error(first)),
                Ok(_) => return Err(malformed(first, "one answer to a batch".to_owned())),
            },
        };
        let mut slots: Vec<Option<Answer>> = calls.iter().map(|_| None).collect();
        for answer in answers {
            let slot = answer
                .id
                .and_then(|id| slots.get_mut(id))
                .filter(|slot| slot.is_none());
            *slot.ok_or_else(|| {
                malformed(first, "an answer to no call of the batch".to_owned())
            })? = Some(answer);
        }
        calls
            .iter()
            .zip(slots)
            .map(|(call, slot)| {
                let answer = slot
                    .ok_or_else(|| malformed(call.method, "no answer in the batch".to_owned()))?;
                Ok(Reply {
                    method: call.method,
                    outcome: answer.outcome(),
                })
            })
            .collect()
    }

    /// Core answers a failed call with HTTP 500 and JSON, so the body is tried whatever the status.
    fn parse<T: DeserializeOwned>(
        &self,
        method: &'static str,
        status: StatusCode,
        body: &[u8],
    ) -> Result<T, NodeError> {
        serde_json::from_slice(body).map_err(|error| {
            if status.is_success() {
                malformed(method, error.to_string())
            } else {
                NodeError::Http {
                    url: self.shown(),
                    status: status.as_u16(),
                }
            }
        })
    }

    async fn post(&self, body: String) -> Result<(StatusCode, Vec<u8>), NodeError> {
        let request = self
            .http
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        let mut response = self
            .authenticated(request)
            .await?
            .send()
            .await
            .map_err(|error| self.broken(error))?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(NodeError::Unauthorized {
                url: self.shown(),
                status: status.as_u16(),
            });
        }
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if read.len().saturating_add(chunk.len()) > MAX_ANSWER {
                return Err(malformed(
                    "a call",
                    format!("it is longer than {MAX_ANSWER} bytes"),
                ));
            }
            read.extend_from_slice(&chunk);
        }
        Ok((status, read))
    }

    async fn authenticated(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, NodeError> {
        Ok(match &self.auth {
            None => request,
            Some(NodeAuth::Password { user, file }) => {
                request.basic_auth(user, Some(required(file).await?.expose_secret()))
            }
            Some(NodeAuth::Bearer(file)) => {
                request.bearer_auth(required(file).await?.expose_secret())
            }
            // Core deletes its cookie when it stops: then the connection tells more than the missing file.
            Some(NodeAuth::Cookie(file)) => match credential(file).await? {
                None => request,
                Some(cookie) => match cookie.expose_secret().split_once(':') {
                    Some((user, password)) => request.basic_auth(user, Some(password)),
                    None => return Err(unreadable(file, "it is not user:password")),
                },
            },
        })
    }

    fn broken(&self, error: reqwest::Error) -> NodeError {
        let url = self.shown();
        if error.is_timeout() {
            let timeout_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
            return NodeError::Timeout { url, timeout_ms };
        }
        // The innermost cause says what happened; reqwest's own words only that something did.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        NodeError::Unreachable {
            url,
            source: cause.to_string().into(),
        }
    }
}

/// Core waits for every open connection, idle or not, before it shuts down: it gets one for each request.
fn connection_header(family: Family) -> HeaderMap {
    match family {
        Family::Bitcoin => {
            HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("close"))])
        }
        Family::Evm => HeaderMap::new(),
    }
}

async fn required(file: &Path) -> Result<SecretString, NodeError> {
    credential(file)
        .await?
        .ok_or_else(|| unreadable(file, "there is no such file"))
}

async fn credential(file: &Path) -> Result<Option<SecretString>, NodeError> {
    let text = match tokio::fs::read_to_string(file).await {
        Ok(text) => SecretString::from(text),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(file, &error.to_string())),
    };
    let line = text.expose_secret().trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.len() > MAX_CREDENTIAL || line.chars().any(char::is_control) {
        return Err(unreadable(file, "it is not one line of text"));
    }
    Ok(Some(SecretString::from(line.to_owned())))
}

fn unreadable(path: &Path, why: &str) -> NodeError {
    NodeError::Credential {
        path: path.to_owned(),
        why: why.to_owned(),
    }
}

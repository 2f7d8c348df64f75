//! Signed calls and their answers.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use custodyd_httpsig::{UnsignedRequest, sign};
use reqwest::{Method, Response, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::identity::Identity;
use crate::problem::{self, Problem};
use crate::tls::{Tls, TlsError};

/// The longest answer that is read, in bytes: a bundle with all its transactions fits.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A call waits longer than the daemon does for its engine.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks at a request that is not answered yet.
const POLL: Duration = Duration::from_millis(200);

/// A connection to one daemon, as one principal.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    identity: Option<Identity>,
}

/// A request before it is signed.
struct Call<'a> {
    method: Method,
    target: &'a str,
    content_type: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    body: Vec<u8>,
}

impl Client {
    /// Speaks to the daemon at `base_url` as `identity`. Over https it believes the authorities of this machine, and shows no
    /// certificate.
    ///
    /// # Errors
    /// `Endpoint` for a URL that may not be spoken to, `Tls` if this machine's authorities can't be used.
    pub fn new(base_url: &str, identity: Identity) -> Result<Self, ClientError> {
        Self::at(Endpoint::parse(base_url, false)?, Some(identity))
    }

    /// Speaks to a daemon; without an identity, requests go unsigned, which is enough for `/healthz` and the like.
    ///
    /// # Errors
    /// `Tls` if this machine's authorities can't be used.
    pub fn at(endpoint: Endpoint, identity: Option<Identity>) -> Result<Self, ClientError> {
        Self::over(&Tls::load(None, None)?, endpoint, identity)
    }

    /// The same over connections secured by `tls`: a private authority, or a certificate of the client's own.
    ///
    /// # Errors
    /// `Tls` if certificates were named and the daemon's address is plain http.
    pub fn over(
        tls: &Tls,
        endpoint: Endpoint,
        identity: Option<Identity>,
    ) -> Result<Self, ClientError> {
        if tls.is_told() && !endpoint.is_https() {
            return Err(TlsError::PlainHttp(endpoint.origin()).into());
        }
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.configuration())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            // A signature names its authority and path, so no request may go elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("custodyctl/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|fault| ClientError::Connections(causes(&fault)))?;
        Ok(Self {
            http,
            endpoint,
            identity,
        })
    }

    /// Who speaks, if requests are signed.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// `GET`; `target` is a path with its query.
    ///
    /// # Errors
    /// `Refused` with the daemon's problem; else why there is no answer that can be read.
    pub async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.json(Call::get(target)).await
    }

    /// `GET` of something that is not JSON.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn get_bytes(&self, target: &str) -> Result<Vec<u8>, ClientError> {
        Ok(self.call(Call::get(target)).await?.1)
    }

    /// `POST` of a JSON body.
    ///
    /// # Errors
    /// As [`Client::get`]. After `NoAnswer` it is unknown whether the request was taken.
    pub async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        target: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(Call::post(target, body)?).await
    }

    /// `PUT` of a JSON body.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn put<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        target: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(Call {
            method: Method::PUT,
            ..Call::post(target, body)?
        })
        .await
    }

    /// `POST` of a JSON body under an idempotency key: the same call again gives the same answer, and acts once.
    ///
    /// # Errors
    /// As [`Client::post`]; after `NoAnswer`, call again with the same key and body.
    pub async fn post_idempotent<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        target: &str,
        idempotency_key: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        self.json(Call {
            idempotency_key: Some(idempotency_key),
            ..Call::post(target, body)?
        })
        .await
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn post_empty<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.json(Call {
            method: Method::POST,
            ..Call::get(target)
        })
        .await
    }

    /// `POST` of bytes of another type.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn post_bytes<T: DeserializeOwned>(
        &self,
        target: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<T, ClientError> {
        self.json(Call {
            method: Method::POST,
            target,
            content_type: Some(content_type),
            idempotency_key: None,
            body,
        })
        .await
    }

    async fn json<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, ClientError> {
        let (url, body) = self.call(call).await?;
        serde_json::from_slice(&body).map_err(|fault| ClientError::Answer {
            url,
            reason: fault.to_string(),
        })
    }

    /// Sends, waits for the answer of a request that was taken and not answered yet, and returns the URL with the body of a
    /// successful one.
    async fn call(&self, call: Call<'_>) -> Result<(String, Vec<u8>), ClientError> {
        let mut answered = self.send(call).await;
        let started = Instant::now();
        while let Err(ClientError::Pending { request, .. }) = &answered
            && started.elapsed() < CALL_TIMEOUT
        {
            tokio::time::sleep(POLL).await;
            let target = format!("/v1/requests/{request}");
            let later = self.send(Call::get(&target)).await;
            // Without a Location: it is the request's own that was asked for.
            if !matches!(&later, Ok((_, body)) if is_pending(body)) {
                answered = later;
            }
        }
        answered
    }

    /// Sends once.
    async fn send(&self, call: Call<'_>) -> Result<(String, Vec<u8>), ClientError> {
        let url = self.endpoint.url(call.target)?;
        let shown = url.to_string();
        let headers = self.headers(&call)?;
        let mut request = self.http.request(call.method, url).body(call.body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let no_answer = |fault: reqwest::Error| ClientError::NoAnswer {
            url: shown.clone(),
            reason: causes(&fault.without_url()),
        };
        let mut answer = request.send().await.map_err(no_answer)?;
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(no_answer)? {
            if body.len().saturating_add(part.len()) > MAX_ANSWER {
                return Err(ClientError::TooLong {
                    url: shown,
                    limit: MAX_ANSWER,
                });
            }
            body.extend_from_slice(&part);
        }
        if answer.status() == StatusCode::ACCEPTED
            && answer.headers().contains_key(header::LOCATION)
        {
            return Err(pending(shown, &body));
        }
        if answer.status().is_success() {
            return Ok((shown, body));
        }
        Err(refusal(&answer, shown, &body))
    }

    /// The headers that sign a call; none without an identity, but for the body's type.
    fn headers(&self, call: &Call<'_>) -> Result<Vec<(&'static str, String)>, ClientError> {
        let Some(identity) = &self.identity else {
            let content_type = call
                .content_type
                .map(|value| ("content-type", value.to_owned()));
            return Ok(content_type.into_iter().collect());
        };
        let authority = self.endpoint.authority();
        let unsigned = UnsignedRequest {
            method: call.method.as_str(),
            authority: &authority,
            target: call.target,
            content_type: call.content_type,
            idempotency_key: call.idempotency_key,
            body: &call.body,
        };
        let signed = sign(
            &unsigned,
            &identity.principal().to_string(),
            &fresh_nonce()?,
            unix_ms()? / 1000,
            identity.key(),
        )?;
        Ok(signed
            .fields()
            .map(|(name, value)| (name, value.to_owned()))
            .collect())
    }
}

impl<'a> Call<'a> {
    fn get(target: &'a str) -> Self {
        Self {
            method: Method::GET,
            target,
            content_type: None,
            idempotency_key: None,
            body: Vec::new(),
        }
    }

    fn post<B: Serialize + ?Sized>(target: &'a str, body: &B) -> Result<Self, ClientError> {
        Ok(Self {
            method: Method::POST,
            target,
            content_type: Some("application/json"),
            idempotency_key: None,
            body: serde_json::to_vec(body).map_err(ClientError::Request)?,
        })
    }
}

/// What the daemon says of a request that it has not answered yet.
#[derive(Deserialize)]
struct PendingAnswer {
    request: String,
    status: String,
}

fn is_pending(body: &[u8]) -> bool {
    serde_json::from_slice(body).is_ok_and(|answer: PendingAnswer| answer.status == "pending")
}

fn pending(url: String, body: &[u8]) -> ClientError {
    match serde_json::from_slice::<PendingAnswer>(body) {
        // It goes into a path.
        Ok(answer)
            if answer
                .request
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            ClientError::Pending {
                url,
                request: answer.request,
            }
        }
        _ => ClientError::Answer {
            url,
            reason: "it names no request to ask for".to_owned(),
        },
    }
}

/// A failed answer: the daemon's problem, or the word of something else that answered in its place.
fn refusal(answer: &Response, url: String, body: &[u8]) -> ClientError {
    let is_problem = answer
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.split(';').next() == Some(problem::MEDIA_TYPE));
    let status = answer.status().as_u16();
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if is_problem => ClientError::Refused(Box::new(Problem { status, ..problem })),
        _ => ClientError::Status {
            url,
            status,
            excerpt: String::from_utf8_lossy(body).chars().take(200).collect(),
        },
    }
}

/// 128 random bits, as a nonce is written.
fn fresh_nonce() -> Result<String, ClientError> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes()?))
}

/// 16 random bytes.
pub(crate) fn random_bytes() -> Result<[u8; 16], ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|fault| ClientError::Machine(format!("no randomness: {fault}")))?;
    Ok(bytes)
}

/// This machine's clock, Unix milliseconds.
pub(crate) fn unix_ms() -> Result<u64, ClientError> {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .ok_or_else(|| ClientError::Machine("this machine's clock is before 1970".to_owned()))
}

/// An error with its causes, on one line.
fn causes(fault: &dyn std::error::Error) -> String {
    let chain = std::iter::successors(Some(fault), |fault| fault.source());
    let texts: Vec<String> = chain.map(ToString::to_string).collect();
    texts.join(": ")
}

//! Somebody at the console, without a browser: the same requests, a cookie, and a passkey in software.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use custodyd_passkey::Assertion;
use reqwest::{Method, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{SoftPasskey, TestbedError};

/// One browser of one person.
#[derive(Debug, Clone)]
pub struct ConsoleUser {
    http: reqwest::Client,
    url: String,
    origin: String,
    /// What they sign with.
    pub passkey: SoftPasskey,
    /// The session's cookie, `name=token`.
    pub cookie: Option<String>,
}

/// What the console answered.
#[derive(Debug, Clone)]
pub struct ConsoleAnswer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: header::HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl ConsoleAnswer {
    /// Its body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The last word of a problem's type; empty for what is none.
    #[must_use]
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Something to be done.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'a> {
    /// `act`, `approval` or `governance`.
    pub kind: &'a str,
    /// `POST`, or `GET` for what leaves the house.
    pub method: &'a str,
    /// The API's path.
    pub target: &'a str,
    /// The body of an act.
    pub body: &'a [u8],
}

impl<'a> Deed<'a> {
    /// A decision, `approval` or `governance`.
    #[must_use]
    pub fn decision(kind: &'a str, target: &'a str) -> Self {
        Self {
            kind,
            method: "POST",
            target,
            body: b"",
        }
    }

    /// An act with a JSON body.
    #[must_use]
    pub fn post(target: &'a str, body: &'a [u8]) -> Self {
        Self {
            kind: "act",
            method: "POST",
            target,
            body,
        }
    }

    /// Something that leaves the house.
    #[must_use]
    pub fn download(target: &'a str) -> Self {
        Self {
            kind: "act",
            method: "GET",
            target,
            body: b"",
        }
    }
}

impl ConsoleUser {
    /// Somebody at the console that listens at `url` and calls itself `origin`, not signed in, with a passkey that nobody knows
    /// yet.
    ///
    /// # Errors
    /// The system gives no randomness, or no TLS.
    pub fn new(url: &str, origin: &str) -> Result<Self, TestbedError> {
        // reqwest wants one even for plain HTTP; whoever installed one first did the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| fault(&e))?;
        Ok(Self {
            http,
            url: url.to_owned(),
            origin: origin.to_owned(),
            passkey: SoftPasskey::new("localhost", origin)?,
            cookie: None,
        })
    }

    /// Asks for anything, as a page of the console does.
    ///
    /// # Errors
    /// No answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<ConsoleAnswer, TestbedError> {
        let url = format!("{}{path}", self.url);
        let mut request = self.http.request(method.clone(), url);
        if let Some((_, host)) = self.origin.split_once("://") {
            request = request.header(header::HOST, host);
        }
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if method == Method::GET {
            request = request.header(header::ACCEPT, "text/html");
        } else {
            request = request
                .header(header::ORIGIN, &self.origin)
                .header("sec-fetch-site", "same-origin");
        }
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.map_err(|e| fault(&e))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if let Some(cookie) = headers
            .get(header::SET_COOKIE)
            .and_then(|value| value.to_str().ok())
        {
            let pair = cookie.split(';').next().unwrap_or_default();
            self.cookie = (!pair.ends_with('=')).then(|| pair.to_owned());
        }
        let body = response.bytes().await.map_err(|e| fault(&e))?.to_vec();
        Ok(ConsoleAnswer {
            status,
            headers,
            body,
        })
    }

    /// Opens a page.
    ///
    /// # Errors
    /// No answer.
    pub async fn get(&mut self, path: &str) -> Result<ConsoleAnswer, TestbedError> {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    /// No answer.
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<ConsoleAnswer, TestbedError> {
        self.send(Method::POST, path, Some(body)).await
    }

    /// Makes a passkey by an invitation's secret, as its link has it.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn enrol(&mut self, secret: &str) -> Result<ConsoleAnswer, TestbedError> {
        let started = self
            .post("/console/enrol/start", &json!({ "secret": secret }))
            .await?;
        if started.status != 200 {
            return Ok(started);
        }
        let started = started.json();
        let challenge = from_base64url(&started["challenge"])?;
        let registration = self.passkey.register(&challenge);
        let body =
            json!({ "nonce": started["nonce"], "secret": secret, "registration": registration });
        self.post("/console/enrol", &body).await
    }

    /// Signs in.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn sign_in(&mut self) -> Result<ConsoleAnswer, TestbedError> {
        let options = self.post("/console/login/options", &json!({})).await?;
        if options.status != 200 {
            return Ok(options);
        }
        let options = options.json();
        let assertion = self.passkey.assert(&from_base64url(&options["challenge"])?);
        let body = json!({ "nonce": options["nonce"], "assertion": assertion });
        self.post("/console/login", &body).await
    }

    /// Has something stated.
    ///
    /// # Errors
    /// No answer.
    pub async fn prepare(&mut self, deed: &Deed<'_>) -> Result<ConsoleAnswer, TestbedError> {
        let mut asked = json!({
            "kind": deed.kind,
            "method": deed.method,
            "target": deed.target,
            "body_sha256": hex::encode(Sha256::digest(deed.body)),
        });
        if !deed.body.is_empty() {
            asked["content_type"] = json!("application/json");
        }
        self.post("/console/acts/prepare", &asked).await
    }

    /// The passkey's word on what was prepared, and the act as it is sent.
    ///
    /// # Errors
    /// A preparation that can't be read.
    pub fn signed(&mut self, prepared: &Value, body: &[u8]) -> Result<Value, TestbedError> {
        let assertion: Assertion = self
            .passkey
            .assert(&from_base64url(&prepared["challenge"])?);
        Ok(
            json!({ "stated": prepared["stated"], "body": STANDARD.encode(body), "assertion": assertion }),
        )
    }

    /// Does something: prepared, signed and sent.
    ///
    /// # Errors
    /// No answer, or none that can be read.
    pub async fn act(&mut self, deed: &Deed<'_>) -> Result<ConsoleAnswer, TestbedError> {
        let prepared = self.prepare(deed).await?;
        if prepared.status != 200 {
            return Ok(prepared);
        }
        let act = self.signed(&prepared.json(), deed.body)?;
        self.post("/console/acts", &act).await
    }
}

/// Bytes as base64url, as browsers and the console write them.
#[must_use]
pub fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes in such a text.
///
/// # Errors
/// It is none.
pub fn from_base64url(text: &Value) -> Result<Vec<u8>, TestbedError> {
    let bytes = text
        .as_str()
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    bytes.ok_or_else(|| TestbedError::unexpected("console", &text.to_string()))
}

fn fault(error: &dyn std::fmt::Display) -> TestbedError {
    TestbedError::unexpected("console", &error.to_string())
}

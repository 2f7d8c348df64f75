//! Requests put together by hand, byte by byte where it matters, and really signed.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use custodyd_client::{Identity, KeyFile};
use custodyd_httpsig::{SignedHeaders, UnsignedRequest, sign};
use custodyd_testbed::{House, random_hex};
use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Asserts that this is an RFC 9457 problem of that status and type.
    pub(crate) fn refuses(&self, what: &str, status: u16, code: &str) {
        assert_eq!(self.status, status, "{what}: {self:?}");
        assert_eq!(
            self.content_type, "application/problem+json",
            "{what}: {self:?}"
        );
        assert_eq!(self.body["status"], status, "{what}: {self:?}");
        let kind = format!("urn:custodyd:problem:{code}");
        assert_eq!(self.body["type"], kind, "{what}: {self:?}");
        let detail = self.body["detail"].as_str().unwrap();
        assert!(
            !detail.is_empty() && detail.len() < 2_000,
            "{what}: {self:?}"
        );
    }
}

/// Somebody who signs requests to a house.
pub(crate) struct Speaker {
    pub(crate) identity: Identity,
    authority: String,
}

/// A signed request before it is sent, open to be spoilt.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    authority: String,
}

impl Speaker {
    /// Somebody of the house, such as `client/exchange`.
    pub(crate) fn of(house: &House, principal: &str) -> Self {
        Self::with_key(house, principal, principal)
    }

    /// `principal` with the key of `owner`.
    pub(crate) fn with_key(house: &House, principal: &str, owner: &str) -> Self {
        let key = KeyFile::load(&house.key_file(owner)).unwrap();
        Self {
            identity: Identity::new(principal.parse().unwrap(), key),
            authority: house.daemon.url().replace("http://", ""),
        }
    }

    /// A POST of JSON, signed now.
    pub(crate) fn letter(&self, target: &str, key: Option<&str>, body: &[u8]) -> Letter {
        self.letter_at(target, key, body, 0)
    }

    /// The same, signed by a clock that is `skew_s` off.
    pub(crate) fn letter_at(
        &self,
        target: &str,
        key: Option<&str>,
        body: &[u8],
        skew_s: i64,
    ) -> Letter {
        self.signed("POST", target, key, body, skew_s)
    }

    /// A GET, signed now.
    pub(crate) fn letter_to_read(&self, target: &str) -> Letter {
        self.signed("GET", target, None, b"", 0)
    }

    fn signed(
        &self,
        method: &'static str,
        target: &str,
        key: Option<&str>,
        body: &[u8],
        skew_s: i64,
    ) -> Letter {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let unsigned = UnsignedRequest {
            method,
            authority: &self.authority,
            target,
            content_type: (!body.is_empty()).then_some("application/json"),
            idempotency_key: key,
            body,
        };
        let signed: SignedHeaders = sign(
            &unsigned,
            &self.identity.principal().to_string(),
            &random_hex(16).unwrap(),
            now.checked_add_signed(skew_s).unwrap(),
            self.identity.key(),
        )
        .unwrap();
        let fields = signed.fields();
        Letter {
            method,
            target: target.to_owned(),
            headers: fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
            authority: self.authority.clone(),
        }
    }

    /// Signs and sends.
    pub(crate) fn post(&self, target: &str, key: Option<&str>, body: &[u8]) -> Answer {
        self.letter(target, key, body).send()
    }
}

impl Letter {
    /// Sends it with the length it has.
    pub(crate) fn send(&self) -> Answer {
        self.send_as(
            &[("content-length", &self.body.len().to_string())],
            &self.body,
        )
    }

    /// Sends it with other framing.
    pub(crate) fn send_as(&self, framing: &[(&str, &str)], body: &[u8]) -> Answer {
        let head = self.head(framing);
        exchange(&self.authority, &[head.as_bytes(), body].concat())
    }

    /// Sends its head and leaves the answer to be read as it comes.
    pub(crate) fn open(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        stream.write_all(self.head(&[]).as_bytes()).unwrap();
        stream
    }

    fn head(&self, framing: &[(&str, &str)]) -> String {
        let Self {
            method,
            target,
            authority,
            ..
        } = self;
        let mut head =
            format!("{method} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
        let own = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.chain(framing.iter().copied()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        head
    }

    /// Replaces a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(each, _)| each != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

fn exchange(authority: &str, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(TIMEOUT)).unwrap();
    // Whoever refuses early need not read to the end.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim().to_owned()
    };
    Answer {
        status: head
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or_default(),
        content_type: header("content-type:"),
        body: serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())),
    }
}

//! One HTTP request to a part on this machine, blocking.
//!
//! HTTP/1.0 over a plain socket: the answer ends where the connection does, with no chunks to put together. The parts' own
//! clients under test are never used to start what they are tested against.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::TestbedError;

const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// GET `path` from a local part.
pub fn get(address: SocketAddr, path: &str) -> Result<Response, TestbedError> {
    exchange(
        address,
        &format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n"),
    )
}

/// POST a JSON body to a local part.
pub fn post_json(address: SocketAddr, path: &str, body: &str) -> Result<Response, TestbedError> {
    let length = body.len();
    exchange(
        address,
        &format!(
            "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn exchange(address: SocketAddr, request: &str) -> Result<Response, TestbedError> {
    let mut answer = Vec::new();
    TcpStream::connect_timeout(&address, TIMEOUT)
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            stream.write_all(request.as_bytes())?;
            stream.read_to_end(&mut answer)
        })
        .map_err(TestbedError::io(format!("speaking to {address}")))?;
    parse(&answer).ok_or_else(|| TestbedError::Unreadable {
        part: "a local HTTP server",
        answer: String::from_utf8_lossy(&answer).into_owned(),
    })
}

fn parse(answer: &[u8]) -> Option<Response> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Response {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let answer = b"HTTP/1.0 503 Service Unavailable\r\ncontent-length: 7\r\n\r\nstarted";
        assert_eq!(
            parse(answer),
            Some(Response {
                status: 503,
                body: "started".into()
            })
        );
        assert_eq!(parse(b"nothing of the kind"), None);
    }
}

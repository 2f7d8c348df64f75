//! Nodes that answer late, endlessly, or nonsense. Each answer is an error of its own kind, never a wrong number.

use std::{
    io::{Read, Write},
    net::TcpListener,
};

use custodyd::nodes::{Node, NodeAuth, NodeConfig, NodeError};

use crate::fixture::{config, secret_file};

/// Answers each request with these bytes and hangs up; nothing at all when there are none.
fn answers(response: Vec<u8>) -> NodeConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/v3/secret-project-id",
        listener.local_addr().unwrap()
    );
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 65_536]);
            let _ = stream.write_all(&response);
            if response.is_empty() {
                open.push(stream);
            }
        }
    });
    let mut config = config("eip155:1".parse().unwrap(), url, None);
    config.timeout_ms = 2_000;
    config
}

fn http(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

async fn tip_of(config: &NodeConfig) -> NodeError {
    Node::new(config).unwrap().tip().await.unwrap_err()
}

#[tokio::test]
async fn nonsense_is_malformed() {
    for body in [
        "",
        "<html>Welcome</html>",
        "null",
        "[]",
        "{}",
        r#"{"id":0,"result":1}"#,
        r#"{"id":0,"result":"0x01"}"#,
        r#"{"id":0,"result":"0x10000000000000000"}"#,
        r#"{"id":0,"result":null}"#,
        &format!(
            r#"{{"id":0,"result":{}1{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
    ] {
        let error = tip_of(&answers(http("200 OK", body))).await;
        assert!(
            matches!(error, NodeError::Malformed { .. }),
            "{error} for {}",
            &body[..body.len().min(60)]
        );
        assert!(!error.is_transient());
    }
}

#[tokio::test]
async fn a_batch_must_be_answered_once_for_each_call() {
    for body in [
        "[]",
        r#"[{"id":0,"result":"0x1"}]"#,
        r#"[{"id":0,"result":"0x1"},{"id":0,"result":false}]"#,
        r#"[{"id":0,"result":"0x1"},{"id":7,"result":false}]"#,
        r#"[{"id":0,"result":"0x1"},{"result":false}]"#,
    ] {
        let error = Node::new(&answers(http("200 OK", body)))
            .unwrap()
            .check()
            .await
            .unwrap_err();
        assert!(
            matches!(error, NodeError::Malformed { .. }),
            "{error} for {body}"
        );
    }
    let swapped = r#"[{"id":1,"result":false},{"id":0,"result":"0x1"}]"#;
    Node::new(&answers(http("200 OK", swapped)))
        .unwrap()
        .check()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let mut endless =
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"id\":0,\"result\":\"".to_vec();
    endless.resize(40 << 20, b'a');
    let mut config = answers(endless);
    config.timeout_ms = 60_000;
    let error = tip_of(&config).await;
    assert!(matches!(error, NodeError::Malformed { .. }), "{error}");
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let mut config = answers(Vec::new());
    config.timeout_ms = 300;
    let error = tip_of(&config).await;
    assert!(
        matches!(
            error,
            NodeError::Timeout {
                timeout_ms: 300,
                ..
            }
        ) && error.is_transient(),
        "{error}"
    );
}

#[tokio::test]
async fn an_overloaded_node_may_answer_later_and_its_url_is_not_spelled_out() {
    let config = answers(http("503 Service Unavailable", "Work queue depth exceeded"));
    let error = tip_of(&config).await;
    assert!(
        matches!(error, NodeError::Http { status: 503, .. }) && error.is_transient(),
        "{error}"
    );
    assert!(
        !format!("{error} {error:?}").contains("secret-project-id"),
        "{error}"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = "HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let error = tip_of(&answers(elsewhere.into())).await;
    assert!(
        matches!(error, NodeError::Http { status: 307, .. }),
        "{error}"
    );
}

#[tokio::test]
async fn the_nodes_own_words_cannot_break_a_log_line() {
    let body = r#"{"id":0,"error":{"code":-32000,"message":"line\nbreak \u202e \u001b[31m"}}"#;
    let error = tip_of(&answers(http("500 Internal Server Error", body))).await;
    assert!(
        matches!(error, NodeError::Rpc { code: -32000, .. }),
        "{error}"
    );
    assert!(
        !error.to_string().contains(['\n', '\u{1b}', '\u{202e}']),
        "{error}"
    );
}

#[tokio::test]
async fn a_credential_that_is_not_one_line_is_not_sent_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    for text in ["", "two\nlines", "a\u{0}b"] {
        let file = secret_file(&folder, text);
        let mut config = answers(http("200 OK", r#"{"id":0,"result":"0x1"}"#));
        config.auth = Some(NodeAuth::Bearer(file.clone()));
        let error = tip_of(&config).await;
        assert!(matches!(error, NodeError::Credential { .. }), "{error}");
        assert!(
            text.is_empty() || !error.to_string().contains(text),
            "{error}"
        );
    }
    let mut config = answers(http("200 OK", r#"{"id":0,"result":"0x2a"}"#));
    config.auth = Some(NodeAuth::Bearer(secret_file(&folder, "token\n")));
    assert_eq!(Node::new(&config).unwrap().tip().await.unwrap(), 42);
}

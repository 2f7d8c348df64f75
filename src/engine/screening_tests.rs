//! A screening against a real server on loopback that answers as it likes.

use std::{
    os::unix::fs::PermissionsExt as _,
    sync::{Arc, Mutex},
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const ID: &str = "wd_d0d0d0d0d0d0d0d0d0d0d0d0d0d0d000";

/// How the server behaves, whatever it is asked.
enum Behaviour {
    /// Sends these bytes.
    Says(Vec<u8>),
    /// Reads, and never answers.
    Silent,
    /// Hangs up.
    HangsUp,
}

fn http(status: &str, body: &str) -> Behaviour {
    let length = body.len();
    Behaviour::Says(
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
            .into_bytes(),
    )
}

/// A server, its address, and what it was sent.
async fn server(behaviour: Behaviour) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/screen", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = whole_request(&mut stream).await;
            log.lock().unwrap().push(request);
            match &behaviour {
                Behaviour::Says(bytes) => {
                    let _ = stream.write_all(bytes).await;
                    let _ = stream.shutdown().await;
                }
                Behaviour::Silent => {
                    tokio::spawn(async move {
                        let _ = stream.read(&mut [0; 1]).await;
                    });
                }
                Behaviour::HangsUp => drop(stream),
            }
        }
    });
    (url, heard)
}

async fn whole_request(stream: &mut tokio::net::TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut chunk = [0; 4_096];
        let count = stream.read(&mut chunk).await.unwrap();
        read.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let length = text
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(str::to_owned)
            })
            .and_then(|length| length.trim().parse::<usize>().ok());
        if let (Some((_, body)), Some(length)) = (text.split_once("\r\n\r\n"), length)
            && body.len() >= length
        {
            return text;
        }
        assert!(count > 0, "an incomplete request: {text}");
    }
}

fn screener(url: &str, deadline_ms: u64, secret: Option<PinSource>) -> Screener {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let config = ScreeningConfig {
        url: url.to_owned(),
        secrets: secret.into_iter().collect(),
        deadline_ms,
    };
    Screener::new(&config).unwrap()
}

fn question() -> Question {
    Question {
        vault: "main".to_owned(),
        withdrawal: ID.parse().unwrap(),
        network: "litecoin-regtest".to_owned(),
        asset: "LTC".to_owned(),
        amount: "0.5".to_owned(),
        destination: "rltc1qqgpqyqszqgpqyqszqgpqyqszqgpqyqszr0p8er".to_owned(),
        destination_class: "new".to_owned(),
        tags: Vec::new(),
        flags: vec!["first-seen".to_owned()],
        wallet: "hot-ltc".to_owned(),
        tier: "hot".to_owned(),
        initiator: "client/shop".to_owned(),
        reference: String::new(),
        answer_until: 1_000_000 + 60_000,
    }
}

const NOW: Timestamp = Timestamp::from_ms(1_000_000);

/// What a server that behaves like this leads to.
async fn outcome(behaviour: Behaviour) -> Result<(), String> {
    let (url, _) = server(behaviour).await;
    let screener = screener(&url, 20_000, None);
    let (command, outcome) = screen(Some(&screener), &question(), NOW).await;
    // The command and the outcome never disagree.
    match (&command, &outcome) {
        (Command::ScreeningPassed { id }, Ok(())) => assert_eq!(id.to_string(), ID),
        (Command::ScreeningRefused { id, reason }, Err(fault)) => {
            assert_eq!(id.to_string(), ID);
            assert_eq!(*reason, fault.to_string());
        }
        other => panic!("{other:?}"),
    }
    outcome.map_err(|fault| fault.to_string())
}

fn says(decision: &str) -> String {
    format!(r#"{{"withdrawal":"{ID}","decision":"{decision}"}}"#)
}

#[tokio::test]
async fn only_an_explicit_pass_about_this_very_withdrawal_passes() {
    assert_eq!(outcome(http("200 OK", &says("pass"))).await, Ok(()));
    let more = format!(r#"{{"withdrawal":"{ID}","decision":"pass","score":3}}"#);
    assert_eq!(outcome(http("200 OK", &more)).await, Ok(()));
    let other = says("pass").replace("d000", "d001");
    let why = outcome(http("200 OK", &other)).await.unwrap_err();
    assert!(why.contains("it is about wd_"), "{why}");
    for not_quite in [
        r#"{"decision":"pass"}"#.to_owned(),
        says("PASS"),
        says("passed"),
        says("maybe"),
        format!(r#"{{"withdrawal":"{ID}","decision":"refuse","decision":"pass"}}"#),
        format!(r#"{{"withdrawal":"{ID}","decision":true}}"#),
        format!("{}{}", says("pass"), says("pass")),
        "true".to_owned(),
        "pass".to_owned(),
        String::new(),
        "<html>OK</html>".to_owned(),
        "[".repeat(60_000),
    ] {
        let why = outcome(http("200 OK", &not_quite)).await.unwrap_err();
        assert!(why.contains("is no decision"), "{not_quite}: {why}");
    }
}

#[tokio::test]
async fn a_refusal_gives_its_reason() {
    let body = format!(r#"{{"withdrawal":"{ID}","decision":"refuse","reason":"sanctioned"}}"#);
    let why = outcome(http("200 OK", &body)).await.unwrap_err();
    assert_eq!(why, "the screening refused it: sanctioned");
    let why = outcome(http("200 OK", &says("refuse"))).await.unwrap_err();
    assert_eq!(why, "the screening refused it: no reason given");
}

#[tokio::test]
async fn an_error_or_a_redirect_refuses_even_with_a_pass_in_it() {
    for status in [
        "500 Internal Server Error",
        "204 No Content",
        "202 Accepted",
        "404 Not Found",
    ] {
        let why = outcome(http(status, &says("pass"))).await.unwrap_err();
        assert!(why.contains(&status[..3]), "{why}");
    }
    let (elsewhere, heard) = server(http("200 OK", &says("pass"))).await;
    let moved = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    let why = outcome(Behaviour::Says(moved.into_bytes()))
        .await
        .unwrap_err();
    assert_eq!(why, "the screening answered with HTTP 307");
    assert!(
        heard.lock().unwrap().is_empty(),
        "the redirect was followed"
    );
}

#[tokio::test]
async fn too_much_is_not_read_and_what_breaks_off_is_no_answer() {
    let padded = format!("{}{}", says("pass"), " ".repeat(MAX_ANSWER));
    let why = outcome(http("200 OK", &padded)).await.unwrap_err();
    assert!(why.contains("longer than 65536 bytes"), "{why}");
    let cut = b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{".to_vec();
    let why = outcome(Behaviour::Says(cut)).await.unwrap_err();
    assert!(why.contains("could not be asked"), "{why}");
    let why = outcome(Behaviour::HangsUp).await.unwrap_err();
    assert!(why.contains("could not be asked"), "{why}");
    let why = outcome(Behaviour::Says(b"SSH-2.0-garbage\r\n".to_vec()))
        .await
        .unwrap_err();
    assert!(why.contains("could not be asked"), "{why}");
}

#[tokio::test]
async fn silence_is_a_refusal_after_the_shorter_of_both_deadlines() {
    let (url, _) = server(Behaviour::Silent).await;
    for (configured_ms, left_ms) in [(50, 60_000), (60_000, 50), (60_000, 0)] {
        let mut asked = question();
        asked.answer_until = NOW.as_ms() + left_ms;
        let screener = screener(&url, configured_ms, None);
        let (_, outcome) = screen(Some(&screener), &asked, NOW).await;
        assert!(matches!(outcome, Err(ScreeningFault::Late)), "{outcome:?}");
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_configured_are_refusals() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let (_, outcome) = screen(Some(&screener(&url, 20_000, None)), &question(), NOW).await;
    assert!(
        matches!(outcome, Err(ScreeningFault::Unreachable(_))),
        "{outcome:?}"
    );
    let (command, outcome) = screen(None, &question(), NOW).await;
    assert!(matches!(outcome, Err(ScreeningFault::NotConfigured)));
    let Command::ScreeningRefused { reason, .. } = command else {
        panic!("{command:?}")
    };
    assert!(reason.contains("no [screening] url"), "{reason}");
}

#[tokio::test]
async fn a_request_is_signed_as_standard_webhooks_says() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let place = PinSource::File(file.clone());
    let secrets = Secrets::read(std::slice::from_ref(&place)).await.unwrap();
    let (url, heard) = server(http("200 OK", &says("pass"))).await;
    let screener = screener(&url, 20_000, Some(place));
    let (_, outcome) = screen(Some(&screener), &question(), NOW).await;
    outcome.unwrap();
    let request = heard.lock().unwrap().pop().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {head}"))
            .to_owned()
    };
    assert_eq!(header("webhook-id: "), ID);
    assert_eq!(header("webhook-timestamp: "), "1000");
    assert_eq!(header("webhook-signature: "), secrets.sign(ID, 1_000, body));
    let asked: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(asked["amount"], "0.5");
    assert_eq!(asked["flags"][0], "first-seen");

    // A secret that can't be used is no reason to ask without.
    std::fs::write(&file, "whsec_short").unwrap();
    let (_, outcome) = screen(Some(&screener), &question(), NOW).await;
    assert!(
        matches!(outcome, Err(ScreeningFault::Secret(_))),
        "{outcome:?}"
    );
    assert!(heard.lock().unwrap().is_empty());
}

#[test]
fn only_this_machine_is_asked_in_the_clear() {
    let config = |url: &str| ScreeningConfig {
        url: url.to_owned(),
        secrets: Vec::new(),
        deadline_ms: 1_000,
    };
    for url in [
        "https://screen.example/x",
        "http://127.0.0.1:1/",
        "http://[::1]:1/",
        "http://localhost/",
    ] {
        assert!(config(url).parsed_url().is_ok(), "{url}");
    }
    for url in [
        "http://screen.example/",
        "http://127.0.0.1.example/",
        "http://10.0.0.1/",
        "ftp://127.0.0.1/",
        "https://user:secret@screen.example/",
        "screen.example",
        "",
    ] {
        let refusal = config(url).parsed_url().unwrap_err().to_string();
        assert!(refusal.contains("screening.url"), "{refusal}");
        assert!(!refusal.contains("secret@"), "{refusal}");
    }
}

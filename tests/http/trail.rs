//! One id of a request, in the answer, in the inbox and in every line that is logged on its behalf.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::Value;

use crate::edge::{Asked, Edge, SHOP, WITHDRAWAL};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    /// The lines so far that carry an id, each with that and the client's own.
    fn lines(&self) -> Vec<(String, Value)> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let spans = lines.filter_map(|line| line.get("span").cloned());
        let of_http = spans.filter(|span| span["name"] == "http");
        of_http
            .map(|span| {
                let id = span["request"].as_str().unwrap().to_owned();
                (id, span["client_request"].clone())
            })
            .collect()
    }
}

#[tokio::test]
async fn one_id_is_in_the_answer_in_the_inbox_and_in_every_line() {
    let page = Page::default();
    let writer = page.clone();
    tracing_subscriber::fmt()
        .json()
        .with_env_filter("custodyd=trace")
        .with_writer(move || writer.clone())
        .init();
    let edge = Edge::start().await;
    let mut request = edge.signed(SHOP, &Asked::post("/v1/withdrawals", WITHDRAWAL));
    request.header("x-request-id", "order-7");
    let answer = edge.send(&request).await;
    assert_eq!(answer.status, 202);
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert_eq!(answer.json()["request"], *id);
    assert_eq!(edge.inbox().await[0].id, id);
    let lines = page.lines();
    assert!(!lines.is_empty());
    for (of_line, theirs) in lines {
        assert_eq!(
            (of_line.as_str(), theirs.as_str()),
            (id.as_str(), Some("order-7"))
        );
    }

    // Refused or not, a request has an id of its own; another's is only repeated if it can't break a line.
    let before = page.lines().len();
    for theirs in ["a b", "${jndi:ldap}", &"x".repeat(65), "\"},{\""] {
        let mut request = edge.signed(SHOP, &Asked::get("/v1/nothing"));
        request.header("x-request-id", theirs);
        let answer = edge.send(&request).await;
        assert_eq!(answer.status, 404);
        let fresh = answer.header("x-request-id").unwrap();
        assert!(fresh != id && fresh != theirs, "{fresh}");
        let last = page.lines().pop().unwrap();
        assert_eq!((last.0.as_str(), last.1), (fresh, Value::Null));
    }
    assert!(page.lines().len() >= before + 4);
}

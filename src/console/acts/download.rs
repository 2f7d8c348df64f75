//! What leaves the house through the console: a cold export's bundle, and rows of the journal. Each takes a passkey's word of
//! its own, is good once, and is told in the log before the first byte leaves.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use custodyd_policy::OperatorId;
use futures_util::stream;
use serde::Serialize;

use super::target::Download;
use crate::{
    http::AppState,
    problem::Problem,
    store::{JournalRow, Store, StoreError},
};

/// Rows read at a time.
const ROWS: u32 = 512;

/// Serves it to who may have it.
pub(super) async fn serve(
    state: &AppState,
    operator: &OperatorId,
    download: &Download,
) -> Result<Response, Problem> {
    let vault = state.standing.vault().as_str();
    let (kind, name, body) = match download {
        Download::Bundle(id) => {
            let bytes = state
                .store
                .bundle(vault, id.as_str())
                .await
                .map_err(unavailable)?;
            let bytes = bytes.ok_or_else(|| {
                Problem::new(
                    409,
                    "not-built",
                    "The bundle is not built yet",
                    "there is no such export, or it is not built; look again in a moment",
                )
            })?;
            ("application/x-tar", format!("{id}.tar"), Body::from(bytes))
        }
        Download::Journal { after, until } => {
            let name = format!("{vault}-journal-{after}-{until}.jsonl");
            let rows = rows(state.store.clone(), vault.to_owned(), *after, *until);
            ("application/jsonl", name, rows)
        }
    };
    tracing::info!(target: "custodyd::access", %operator, subject = name, "exported from the console");
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition).map_err(|_| Problem::internal())?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    Ok((headers, body).into_response())
}

/// A row as it leaves: what the hash chain is computed from, as in `GET /v1/journal`.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    at: u64,
    kind: &'a str,
    event: &'a serde_json::value::RawValue,
    prev_hash: String,
    hash: String,
}

/// Rows, a line each, read as fast as they are taken.
fn rows(store: Store, vault: String, after: u64, until: u64) -> Body {
    let rows = stream::try_unfold(
        (store, vault, after),
        move |(store, vault, after)| async move {
            if after >= until {
                return Ok::<_, std::io::Error>(None);
            }
            let read = store.journal(&vault, after, ROWS).await;
            let rows = read.map_err(std::io::Error::other)?;
            let wanted: Vec<&JournalRow> = rows.iter().take_while(|row| row.seq <= until).collect();
            let Some(last) = wanted.last().map(|row| row.seq) else {
                return Ok(None);
            };
            let mut lines = Vec::new();
            for row in wanted {
                line(row, &mut lines)?;
            }
            Ok(Some((Bytes::from(lines), (store, vault, last))))
        },
    );
    Body::from_stream(rows)
}

fn line(row: &JournalRow, into: &mut Vec<u8>) -> std::io::Result<()> {
    let line = Line {
        seq: row.seq,
        at: row.at_ms,
        kind: &row.kind,
        event: serde_json::from_str(&row.event)?,
        prev_hash: hex::encode(row.prev_hash),
        hash: hex::encode(row.hash),
    };
    serde_json::to_writer(&mut *into, &line)?;
    into.push(b'\n');
    Ok(())
}

fn unavailable(error: StoreError) -> Problem {
    tracing::error!(%error, "the database did not answer a read");
    Problem::unavailable("the database does not answer")
}

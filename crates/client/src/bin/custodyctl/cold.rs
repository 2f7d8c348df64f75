//! The cold path's two ends at the daemon: fetching a bundle for the air-gapped signer, and bringing it back.

use std::path::Path;
use std::time::{Duration, Instant};

use custodyd_client::{BundleError, ClientError, pack, unpack};
use custodyd_vault::ExportId;
use serde::Serialize;
use serde_json::Value;

use crate::arguments;
use crate::failure::Failure;
use crate::session::Session;
use crate::text;

const MEDIA_TYPE: &str = "application/x-tar";
/// The daemon signs the manifest after it took the request.
const BUILD_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(250);

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Selection {
    Wallet(String),
    Withdrawals(Vec<String>),
}

/// `export`
pub(crate) async fn export(session: &Session, what: arguments::Export) -> Result<(), Failure> {
    if what.out.exists() {
        return Err(Failure::Usage(format!(
            "{} exists already; a bundle goes into a new folder",
            what.out.display()
        )));
    }
    let selection = match what.wallet {
        Some(wallet) => Selection::Wallet(wallet.to_string()),
        None => Selection::Withdrawals(what.withdrawal.iter().map(ToString::to_string).collect()),
    };
    let answer: Value = session.client.post("/v1/cold/exports", &selection).await?;
    let id = export_id(&answer)?;
    let files = unpack(&bundle(session, &id).await?, &what.out)?;
    session.print(&answer, |_| {
        format!(
            "export {id}: {} files in {}\n  {}",
            files.len(),
            what.out.display(),
            files.join("\n  ")
        )
    });
    Ok(())
}

/// `import`
pub(crate) async fn import(session: &Session, bundle: &Path) -> Result<(), Failure> {
    let tar = if bundle.is_dir() {
        pack(bundle)?
    } else {
        std::fs::read(bundle).map_err(|fault| BundleError::File {
            path: bundle.to_owned(),
            fault,
        })?
    };
    let answer: Value = session
        .client
        .post_bytes("/v1/cold/imports", MEDIA_TYPE, tar)
        .await?;
    session.print(&answer, text::outline);
    Ok(())
}

/// The export's id, which goes into a path.
fn export_id(answer: &Value) -> Result<ExportId, Failure> {
    let id = answer.get("id").and_then(Value::as_str).unwrap_or_default();
    id.parse().map_err(|fault: custodyd_vault::IdError| {
        Failure::Client(ClientError::Answer {
            url: "/v1/cold/exports".to_owned(),
            reason: fault.to_string(),
        })
    })
}

/// The bundle, as soon as it is built.
async fn bundle(session: &Session, id: &ExportId) -> Result<Vec<u8>, Failure> {
    let target = format!("/v1/cold/exports/{id}/bundle");
    let started = Instant::now();
    loop {
        match session.client.get_bytes(&target).await {
            Ok(tar) => return Ok(tar),
            // Known, but not built yet.
            Err(ClientError::Refused(problem)) if problem.status == 409 => {}
            Err(fault) => return Err(fault.into()),
        }
        if started.elapsed() >= BUILD_TIMEOUT {
            return Err(Failure::NotBuilt(id.to_string()));
        }
        tokio::time::sleep(POLL).await;
    }
}

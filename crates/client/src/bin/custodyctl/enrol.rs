//! `enrol`: somebody who was invited brings the credential that they will sign with.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use custodyd_client::{Client, Enrolment, Invitation};
use custodyd_httpsig::Principal;
use serde_json::json;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::session::Session;
use crate::text;

/// A link is far shorter, bytes.
const MAX_FILE: u64 = 4096;

/// `enrol`: the session's identity is who they will be; the request is signed with the invitation.
pub(crate) async fn enrol(session: &Session, invitation: &Path) -> Result<(), Failure> {
    let identity = session.identity()?;
    let Principal::Operator(name) = identity.principal() else {
        return Err(Failure::Usage(
            "--as is operator/<id>, whoever was invited".to_owned(),
        ));
    };
    let operator = name
        .parse()
        .map_err(|fault: custodyd_policy::IdError| Failure::Usage(fault.to_string()))?;
    let enrolment = Enrolment {
        operator,
        credential: identity.credential(),
    };
    let invited = read(invitation)?.into_identity();
    let client = Client::over(&session.tls, session.endpoint.clone(), Some(invited))?;
    let enrolled = client.enrol(&enrolment).await?;
    session.print(&json!(enrolled), text::outline);
    Ok(())
}

fn read(path: &Path) -> Result<Invitation, Failure> {
    let wrong = |what: String| Failure::Usage(format!("{}: {what}", path.display()));
    let mut text = Zeroizing::new(String::with_capacity(512));
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_FILE).read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE).read_to_string(&mut text))
    };
    read.map_err(|fault| wrong(fault.to_string()))?;
    Invitation::read(&text).map_err(|fault| wrong(fault.to_string()))
}

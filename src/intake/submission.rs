//! A verified request on its way in, and what the edge vouches for to the engine of the same process.
//!
//! The engine takes no row of the inbox on trust: the database is not its memory. Where a row is byte for byte what this
//! process has verified and stored a moment ago, though, to verify it once more would show nothing new (ADR 23).

use custodyd_httpsig::PublicKey;

use crate::{
    directory::{Directory, Speaker},
    request::Intent,
    store::InboxRow,
    stored_request::StoredRequest,
};

/// Longest text of a stored request that is kept for the engine, bytes; a longer one it reads from the row.
const LONGEST_KEPT: usize = 128 * 1024;

/// A request that the edge verified.
#[derive(Debug, Clone)]
pub struct Submission {
    /// Who asks.
    pub speaker: Speaker,
    /// What keeps the request from being taken twice.
    pub nonce: String,
    /// The request, as it is stored.
    pub request: StoredRequest,
    /// What it asks for.
    pub intent: Intent,
    /// The key that its signature was verified with; none where the engine has to verify whatever signed it.
    pub key: Option<PublicKey>,
}

/// A submission, and the text that it was stored as.
#[derive(Debug)]
pub struct Vouched {
    text: String,
    key: PublicKey,
    speaker: Speaker,
    request: StoredRequest,
    intent: Intent,
}

impl Vouched {
    /// What a submission is vouched for with; nothing where the engine has to see for itself.
    pub(super) fn of(submission: Submission, text: &str) -> Option<Box<Self>> {
        let key = submission
            .key
            .filter(|_| text.len() <= LONGEST_KEPT && matches!(submission.request, StoredRequest::Signed(_)))?;
        Some(Box::new(Self {
            text: text.to_owned(),
            key,
            speaker: submission.speaker,
            request: submission.request,
            intent: submission.intent,
        }))
    }

    /// Who asks for what, if the row is exactly what was verified, and the key is still its speaker's.
    pub fn speaks_for(
        self,
        row: &InboxRow,
        directory: &Directory,
    ) -> Option<(Speaker, StoredRequest, Intent)> {
        let stands = self.text == row.request && directory.holds(&self.speaker, &self.key);
        stands.then_some((self.speaker, self.request, self.intent))
    }
}

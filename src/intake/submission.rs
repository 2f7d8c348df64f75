//! A verified request on its way in, and what the edge vouches for to the engine of the same process.
//!
//! The engine takes no row of the inbox on trust: the database is not its memory. What this process has verified a moment ago,
//! and still has in memory, needs no second look (ADR 23).

use std::sync::Arc;

use custodyd_httpsig::PublicKey;
use tracing::Span;

use crate::{
    directory::{Directory, Speaker},
    request::Intent,
    store::InboxRow,
    stored_request::StoredRequest,
};

/// Longest text of a stored request that is kept for the engine, bytes; a longer one it reads from the database.
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

/// A request of the inbox as this process took it in: the row, and what it was found to be.
#[derive(Debug)]
pub struct Vouched {
    row: Arc<InboxRow>,
    found: Box<Found>,
}

/// What the edge found of a request.
#[derive(Debug)]
struct Found {
    key: PublicKey,
    speaker: Speaker,
    request: StoredRequest,
    intent: Intent,
    span: Span,
}

impl Vouched {
    /// What a submission is vouched for with; nothing where the engine has to see for itself.
    pub(super) fn of(submission: Submission, row: &Arc<InboxRow>) -> Option<Self> {
        let signed = matches!(submission.request, StoredRequest::Signed(_));
        let key = submission
            .key
            .filter(|_| signed && row.request.len() <= LONGEST_KEPT)?;
        let found = Box::new(Found {
            key,
            speaker: submission.speaker,
            request: submission.request,
            intent: submission.intent,
            span: Span::current(),
        });
        let row = Arc::clone(row);
        Some(Self { row, found })
    }

    pub(super) fn id(&self) -> &str {
        &self.row.id
    }

    pub(super) fn row(&self) -> Arc<InboxRow> {
        Arc::clone(&self.row)
    }
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    /// Its row.
    pub row: Arc<InboxRow>,
    found: Option<Box<Found>>,
    fresh: bool,
}

impl Pending {
    /// A request that is not in the inbox yet: the commit that answers it puts it there.
    pub fn fresh(vouched: Vouched) -> Self {
        Self {
            fresh: true,
            ..Self::from(vouched)
        }
    }

    /// What lines that are logged on its behalf stand under: what the edge's do, or a span of its own.
    pub fn span(&self) -> Span {
        match &self.found {
            Some(found) => found.span.clone(),
            None => tracing::error_span!("engine", request = self.row.id),
        }
    }

    /// Whether it is not in the inbox yet.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Who asks for what, once, if the edge verified this row, and the key that it did so with is still its speaker's.
    pub fn found(&mut self, directory: &Directory) -> Option<(Speaker, StoredRequest, Intent)> {
        let found = *self.found.take()?;
        directory.holds(&found.speaker, &found.key).then_some((
            found.speaker,
            found.request,
            found.intent,
        ))
    }
}

impl From<InboxRow> for Pending {
    /// A row as the database has it: nobody vouches for it.
    fn from(row: InboxRow) -> Self {
        Self {
            row: Arc::new(row),
            found: None,
            fresh: false,
        }
    }
}

impl From<Vouched> for Pending {
    fn from(vouched: Vouched) -> Self {
        let Vouched { row, found } = vouched;
        Self {
            row,
            found: Some(found),
            fresh: false,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use custodyd_httpsig::{SigningKey, UnsignedRequest, sign};
    use custodyd_vault::{Client, Scope};

    use super::*;

    const BODY: &[u8] = br#"{"vault":"main","asset":"LTC","amount":"1","destination":"rltc1q"}"#;

    fn directory(byte: u8) -> Directory {
        let shop = Client {
            key: SigningKey::from_bytes(&[byte; 32]).verifying_key().into(),
            scopes: [Scope::Withdraw].into(),
        };
        Directory::new(
            "main".parse().unwrap(),
            BTreeMap::from([("shop".parse().unwrap(), shop)]),
            BTreeMap::new(),
        )
    }

    /// As the edge makes it of a request that it verified.
    fn submission() -> Submission {
        let unsigned = UnsignedRequest {
            method: "POST",
            authority: "localhost",
            target: "/v1/withdrawals",
            content_type: Some("application/json"),
            idempotency_key: Some("order-7"),
            body: BODY,
        };
        let key = SigningKey::from_bytes(&[1; 32]);
        let headers = sign(&unsigned, "client/shop", "0123456789abcdef", 1_000, &key);
        let request = headers.unwrap().attach(&unsigned);
        let authenticated = directory(1).authenticate_stored(&request).unwrap();
        Submission {
            speaker: authenticated.speaker,
            nonce: authenticated.verified.nonce,
            intent: Intent::read((&request).into()).unwrap(),
            request: StoredRequest::Signed(request),
            key: Some(authenticated.key),
        }
    }

    fn row(submission: &Submission) -> Arc<InboxRow> {
        Arc::new(InboxRow {
            id: "00".repeat(16),
            vault: "main".into(),
            kind: submission.intent.kind().into(),
            principal: submission.speaker.to_string(),
            nonce: submission.nonce.clone(),
            at_ms: 1,
            request: submission.request.to_text().unwrap().into(),
        })
    }

    /// What the edge of a process vouches for with this row.
    pub(crate) fn vouched(row: &Arc<InboxRow>) -> Option<Vouched> {
        Vouched::of(submission(), row)
    }

    #[test]
    fn what_was_verified_speaks_once_and_only_while_its_key_is_its_speakers() {
        let submission = submission();
        let row = row(&submission);
        let vouched = || Pending::from(Vouched::of(submission.clone(), &row).unwrap());

        let mut pending = vouched();
        let (speaker, request, _) = pending.found(&directory(1)).unwrap();
        assert_eq!(speaker, submission.speaker);
        assert_eq!(request, submission.request);
        // Whoever asks again, as after a batch that was not committed, verifies the row.
        assert!(pending.found(&directory(1)).is_none());
        // The client's key was rotated between edge and engine.
        assert!(vouched().found(&directory(2)).is_none());
        assert!(
            Pending::from(InboxRow::clone(&row))
                .found(&directory(1))
                .is_none()
        );
    }

    #[test]
    fn nobody_vouches_for_what_the_engine_has_to_verify_itself() {
        let submission = submission();
        let row = row(&submission);
        let without_key = Submission {
            key: None,
            ..submission.clone()
        };
        assert!(Vouched::of(without_key, &row).is_none());
        let long = Arc::new(InboxRow {
            request: "x".repeat(LONGEST_KEPT + 1).into(),
            ..InboxRow::clone(&row)
        });
        assert!(Vouched::of(submission, &long).is_none());
    }
}

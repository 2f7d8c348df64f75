//! The message components (RFC 9421 §2) that a signature of custodyd's may cover.

use std::fmt;

/// One component. `Ord` is the order in which [`crate::sign`] lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// `@method` (RFC 9421 §2.2.1).
    Method,
    /// `@authority` (§2.2.3).
    Authority,
    /// `@path` (§2.2.6).
    Path,
    /// `@query` (§2.2.7), with its leading question mark.
    Query,
    /// The `Content-Digest` field (RFC 9530).
    ContentDigest,
    /// The `Content-Type` field.
    ContentType,
    /// The `Idempotency-Key` field.
    IdempotencyKey,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Method,
        Self::Authority,
        Self::Path,
        Self::Query,
        Self::ContentDigest,
        Self::ContentType,
        Self::IdempotencyKey,
    ];

    /// The component's name as it stands in `Signature-Input`, without quotes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Method => "@method",
            Self::Authority => "@authority",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::ContentDigest => "content-digest",
            Self::ContentType => "content-type",
            Self::IdempotencyKey => "idempotency-key",
        }
    }

    /// The component of that name, or `None` if this profile has none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.name())
    }
}

//! Cursors of lists. Opaque to those who page; strict to whoever makes one up.

use std::fmt;
use std::str::FromStr;

/// A place in a list of withdrawals, newest first: just after the withdrawal with this creation
/// sequence and id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) created_seq: i64,
    pub(super) id: String,
}

/// A text that is no cursor.
#[derive(Debug, thiserror::Error)]
#[error("cursor {0:?} is not one that a list returned")]
pub struct CursorError(String);

/// Longer than any id of ours.
const MAX_BYTES: usize = 128;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.created_seq, self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || CursorError(text.chars().take(MAX_BYTES).collect());
        let (seq, id) = text.split_once('.').ok_or_else(refused)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let created_seq: i64 = seq.parse().map_err(|_| refused())?;
        if text.len() > MAX_BYTES
            || created_seq.to_string() != seq
            || created_seq < 0
            || id.is_empty()
            || !id.bytes().all(plain)
        {
            return Err(refused());
        }
        Ok(Self {
            created_seq,
            id: id.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_a_made_up_one_is_refused() {
        let cursor: Cursor = "42.wd_0f".parse().unwrap();
        assert_eq!(cursor.to_string(), "42.wd_0f");
        let long = format!("1.{}", "a".repeat(200));
        for text in [
            "",
            "42",
            "42.",
            ".a",
            "-1.a",
            "+1.a",
            "042.a",
            "1.a b",
            "1.a'",
            "x.a",
            "1.é",
            "99999999999999999999.a",
            &long,
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}

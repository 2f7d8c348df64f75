//! A refusal as the daemon says it: problem+json (RFC 9457).

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// One problem document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// A stable URI that names the kind of problem.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The kind in a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// This occurrence in a sentence.
    #[serde(default)]
    pub detail: Option<String>,
    /// Members of this kind of problem.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Problem {
    /// The last part of `type`: the code programs go by.
    #[must_use]
    pub fn code(&self) -> &str {
        self.kind.rsplit(['/', ':', '#']).next().unwrap_or_default()
    }
}

/// On one line: title, then detail.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = if self.title.is_empty() {
            self.code()
        } else {
            &self.title
        };
        match self.detail.as_deref() {
            Some(detail) if !detail.is_empty() => write!(f, "{title}: {detail}"),
            _ => f.write_str(title),
        }
    }
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line_and_has_a_code() {
        let problem: Problem = serde_json::from_str(
            r#"{"type":"https://custodyd.example/problems/not-eligible","title":"Not eligible","status":403,
                "detail":"operator carol is in none of the groups","withdrawal":"wd_1"}"#,
        )
        .unwrap();
        assert_eq!(problem.code(), "not-eligible");
        assert_eq!(
            problem.to_string(),
            "Not eligible: operator carol is in none of the groups"
        );
        assert_eq!(problem.more["withdrawal"], "wd_1");
    }

    #[test]
    fn every_member_of_a_problem_is_optional() {
        let problem: Problem = serde_json::from_str("{}").unwrap();
        assert_eq!(problem.code(), "blank");
        assert_eq!(problem.to_string(), "blank");
    }
}

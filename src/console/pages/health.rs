//! How the parts are, as every page's header says it: in a word, with a shape and a colour of its own for each of three states.

use std::fmt;

use crate::condition::Condition;

/// Whether everything works; the parts that don't, by name. What is wrong with each stands in the treasury.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Everything does.
    Well,
    /// What doesn't is nothing that a withdrawal needs.
    Degraded(Vec<String>),
    /// A withdrawal needs what doesn't.
    Trouble(Vec<String>),
}

impl From<Condition> for Health {
    fn from(Condition { trouble, degraded }: Condition) -> Self {
        if !trouble.is_empty() {
            return Self::Trouble(trouble.into_keys().collect());
        }
        match degraded.is_empty() {
            true => Self::Well,
            false => Self::Degraded(degraded.into_keys().collect()),
        }
    }
}

impl Health {
    /// Its name in style sheets.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Degraded(_) => "less",
            Self::Trouble(_) => "ill",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Well => f.write_str("all parts work"),
            Self::Degraded(parts) => write!(f, "degraded: {}", parts.join(", ")),
            Self::Trouble(parts) => write!(f, "trouble: {}", parts.join(", ")),
        }
    }
}

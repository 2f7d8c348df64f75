//! `[console]`: how long a session lets one look. Which console passkeys sign for is the vault's own, and changes by
//! proposal only.

use std::time::Duration;

use serde::Deserialize;

use super::ConfigError;
use crate::console::Lifetime;

/// `[console]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// A session ends after so long without a request, minutes: 1 to 120.
    pub idle_minutes: u64,
    /// A session ends after so long, hours: 1 to 24.
    pub absolute_hours: u64,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self {
            idle_minutes: 15,
            absolute_hours: 8,
        }
    }
}

impl ConsoleConfig {
    /// How long sessions last.
    pub fn lifetime(&self) -> Lifetime {
        Lifetime {
            idle: Duration::from_secs(self.idle_minutes.saturating_mul(60)),
            absolute: Duration::from_secs(self.absolute_hours.saturating_mul(3_600)),
            rotation: Duration::from_secs(300),
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let range = |what: &str| Err(ConfigError::Range(what.to_owned()));
        if !(1..=120).contains(&self.idle_minutes) {
            return range("console.idle_minutes must be 1 to 120");
        }
        if !(1..=24).contains(&self.absolute_hours) {
            return range("console.absolute_hours must be 1 to 24");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lasts_as_the_configuration_says() {
        let read = |text: &str| toml::from_str::<ConsoleConfig>(text).unwrap();
        let lifetime = read("idle_minutes = 2\nabsolute_hours = 3").lifetime();
        assert_eq!(lifetime.idle, Duration::from_secs(120));
        assert_eq!(lifetime.absolute, Duration::from_secs(10_800));
        assert!(read("").check().is_ok());
        for refused in [
            "idle_minutes = 0",
            "idle_minutes = 121",
            "absolute_hours = 0",
            "absolute_hours = 25",
        ] {
            assert!(read(refused).check().is_err(), "{refused}");
        }
    }
}

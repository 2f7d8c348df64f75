//! `[clients.<id>]` and `[operators]`: from where a speaker may come, how fast, and with which certificate. Who may speak, and
//! what they may ask for, is the vault's to say; this only narrows it.

use std::{collections::BTreeMap, num::NonZeroU32};

use custodyd_policy::{ClientId, OperatorId};
use serde::Deserialize;

use super::{ConfigError, Network};

/// Most requests a second or minute, and most at once, that a limit may grant.
pub(super) const MOST_PER_SECOND: u32 = 1_000_000;

/// `[clients.<id>]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientAccess {
    /// Networks from which this client may come; from anywhere, if it isn't said.
    #[serde(default)]
    pub from: Option<Vec<Network>>,
    /// Requests a second in the long run; as many as it likes, if it isn't said.
    #[serde(default)]
    pub per_second: Option<NonZeroU32>,
    /// The same a minute, for those who may ask seldom.
    #[serde(default)]
    pub per_minute: Option<NonZeroU32>,
    /// Requests at once; as many as in that second or minute, if it isn't said.
    #[serde(default)]
    pub burst: Option<NonZeroU32>,
    /// Name (DNS or URI) that the client's certificate must hold, instead of `custodyd:client/<id>`.
    #[serde(default)]
    pub certificate: Option<String>,
}

/// `[operators]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatorAccess {
    /// Networks from which operators may come; from anywhere, if it isn't said.
    #[serde(default)]
    pub from: Option<Vec<Network>>,
    /// Names that operators' certificates must hold, instead of `custodyd:operator/<id>`.
    #[serde(default)]
    pub certificates: BTreeMap<OperatorId, String>,
}

impl ClientAccess {
    /// Refuses what can't be meant; `certificates` says whether client certificates are read at all.
    pub(super) fn check(&self, id: &ClientId, certificates: bool) -> Result<(), ConfigError> {
        let refused = |why: &str| Err(ConfigError::Range(format!("clients.{id}.{why}")));
        if self.from.as_ref().is_some_and(Vec::is_empty) {
            return refused("from names no network: nobody could come");
        }
        if self.per_second.is_some() && self.per_minute.is_some() {
            return refused("per_second and per_minute exclude each other");
        }
        let rate = self.per_second.or(self.per_minute);
        if self.burst.is_some() && rate.is_none() {
            return refused("burst means nothing without per_second or per_minute");
        }
        let many = |count: &NonZeroU32| count.get() > MOST_PER_SECOND;
        if rate.iter().chain(&self.burst).any(many) {
            return refused("per_second, per_minute and burst are 1 to 1000000");
        }
        if self.certificate.is_some() && !certificates {
            return refused("certificate is never looked at without http.tls.client_ca");
        }
        Ok(())
    }
}

impl OperatorAccess {
    /// Refuses what can't be meant.
    pub(super) fn check(&self, certificates: bool) -> Result<(), ConfigError> {
        let refused = |why: &str| Err(ConfigError::Range(format!("operators.{why}")));
        if self.from.as_ref().is_some_and(Vec::is_empty) {
            return refused("from names no network: nobody could come");
        }
        if !self.certificates.is_empty() && !certificates {
            return refused("certificates are never looked at without http.tls.client_ca");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_that_can_not_be_meant_is_refused() {
        let check = |text: &str, certificates| {
            let access: ClientAccess = toml::from_str(text).map_err(|e| e.message().to_owned())?;
            let checked = access.check(&"shop".parse().unwrap(), certificates);
            checked.map_err(|e| e.to_string())
        };
        for (text, says) in [
            ("from = []", "nobody could come"),
            ("from = [\"10.0.0.1/8\"]", "10.0.0.0/8"),
            ("burst = 3", "per_second or per_minute"),
            ("per_second = 3\nper_minute = 3", "exclude"),
            ("per_second = 0", "nonzero"),
            ("per_second = 1000001", "1 to 1000000"),
            ("certificate = \"shop.example\"", "client_ca"),
            ("scopes = [\"read\"]", "unknown field"),
        ] {
            let fault = check(text, false).unwrap_err();
            assert!(fault.contains(says), "{text}: {fault}");
        }
        let whole =
            "from = [\"10.0.0.0/8\"]\nper_minute = 6\nburst = 3\ncertificate = \"shop.example\"";
        assert_eq!(check(whole, true), Ok(()));
    }
}

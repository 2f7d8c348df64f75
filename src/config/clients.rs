//! `[clients.<id>]` and `[operators]`: from where a speaker may come, how fast, and with which certificate. Who may speak, and
//! what they may ask for, is the vault's to say; this only narrows it.

use std::{collections::BTreeMap, num::NonZeroU32};

use custodyd_policy::{ClientId, OperatorId};
use serde::Deserialize;

use super::{ConfigError, Network};

/// Most requests a second, and most at once, that a limit may grant.
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
    /// Requests at once; as many as in a second, if it isn't said.
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
        if self.burst.is_some() && self.per_second.is_none() {
            return refused("burst means nothing without per_second");
        }
        let many = |count: &NonZeroU32| count.get() > MOST_PER_SECOND;
        if self.per_second.iter().chain(&self.burst).any(many) {
            return refused("per_second and burst are 1 to 1000000");
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

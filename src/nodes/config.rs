//! How a node is reached, and within which bounds it is believed about fees. Secrets are named by file, never written here.

use std::{path::PathBuf, time::Duration};

use custodyd_chain::{Family, Network};
use reqwest::Url;
use serde::Deserialize;

use super::NodeError;

const WALLET_NAME_MAX: usize = 64;

/// One node. `[[nodes]]` in custodyd.toml.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The chain it must be on.
    pub network: Network,
    /// `http://` or `https://`, without credentials in it.
    pub url: String,
    /// How it knows us; nothing for a node that asks for nothing.
    #[serde(default)]
    pub auth: Option<NodeAuth>,
    /// Core only: the name of our watch-only wallet on the node. `custodyd` unless stated.
    #[serde(default)]
    pub wallet: Option<String>,
    /// Bounds of fees.
    pub fee: FeeBounds,
    /// Longest wait for one answer, milliseconds.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Core only: confirmations from which a coin counts as ours to spend. At least 1.
    #[serde(default = "default_min_confirmations")]
    pub min_confirmations: u32,
    /// Blocks on top of and including a rival's before a transaction is called conflicted, which nothing ever takes back.
    /// Unless stated 6 for the Bitcoin family and 64, two epochs, for EVM chains.
    #[serde(default)]
    pub conflict_depth: Option<u32>,
}

/// Bounds of fees: satoshis per 1,000 virtual bytes for the Bitcoin family, wei per gas for EVM chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeBounds {
    /// Least we bid. On EVM chains: least tip.
    pub min: u64,
    /// Most we bid. On EVM chains: most for base fee and tip together, in the next block.
    pub max: u64,
    /// What we bid when the node has no estimate. On EVM chains: the tip.
    #[serde(default)]
    pub fallback: Option<u64>,
    /// Blocks in which a transaction should be included; the Bitcoin family only. 1 to 1008.
    #[serde(default = "default_target_blocks")]
    pub target_blocks: u16,
}

/// How a node knows us. Files are read for every request, since Core writes a new cookie whenever it starts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenAuth")]
pub enum NodeAuth {
    /// A file with `user:password`, as Core writes it.
    Cookie(PathBuf),
    /// HTTP Basic, the password in a file.
    Password {
        /// The user.
        user: String,
        /// The file.
        file: PathBuf,
    },
    /// A bearer token in a file.
    Bearer(PathBuf),
}

/// `{ cookie_file }`, `{ user, password_file }` or `{ bearer_file }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAuth {
    cookie_file: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
    bearer_file: Option<PathBuf>,
}

impl TryFrom<WrittenAuth> for NodeAuth {
    type Error = &'static str;

    fn try_from(written: WrittenAuth) -> Result<Self, Self::Error> {
        match (
            written.cookie_file,
            written.user,
            written.password_file,
            written.bearer_file,
        ) {
            (Some(path), None, None, None) => Ok(NodeAuth::Cookie(path)),
            (None, Some(user), Some(file), None) => Ok(NodeAuth::Password { user, file }),
            (None, None, None, Some(path)) => Ok(NodeAuth::Bearer(path)),
            _ => Err("auth is one of { cookie_file }, { user, password_file }, { bearer_file }"),
        }
    }
}

const fn default_timeout_ms() -> u64 {
    10_000
}

const fn default_min_confirmations() -> u32 {
    1
}

const fn default_target_blocks() -> u16 {
    6
}

impl NodeConfig {
    /// Could this ever work? Says what to write instead.
    ///
    /// # Errors
    /// [`NodeError::Misconfigured`].
    pub fn check(&self) -> Result<(), NodeError> {
        self.parsed_url()?;
        let FeeBounds {
            min,
            max,
            fallback,
            target_blocks,
        } = self.fee;
        if min > max {
            return Err(self.fault(format!("fee.min {min} is above fee.max {max}")));
        }
        if let Some(fallback) = fallback.filter(|fallback| !(min..=max).contains(fallback)) {
            return Err(self.fault(format!(
                "fee.fallback {fallback} is not within {min} and {max}"
            )));
        }
        if !(1..=1008).contains(&target_blocks) {
            return Err(self.fault(format!(
                "fee.target_blocks {target_blocks} is not within 1 and 1008"
            )));
        }
        if !(1..=600_000).contains(&self.timeout_ms) {
            return Err(self.fault(format!(
                "timeout_ms {} is not within 1 and 600000",
                self.timeout_ms
            )));
        }
        if self.min_confirmations == 0 || self.conflict_depth == Some(0) {
            return Err(
                self.fault("min_confirmations and conflict_depth are at least 1".to_owned())
            );
        }
        match (&self.wallet, self.network.family()) {
            (Some(_), Family::Evm) => {
                Err(self.fault("wallet is for the Bitcoin family".to_owned()))
            }
            (Some(name), Family::Bitcoin) if !is_plain_name(name) => Err(self.fault(format!(
                "wallet \"{}\" is not 1 to 64 of a-z, A-Z, 0-9, - and _",
                name.escape_debug()
            ))),
            _ => Ok(()),
        }
    }

    /// The wallet's name on the node.
    pub(super) fn wallet_name(&self) -> &str {
        self.wallet.as_deref().unwrap_or("custodyd")
    }

    pub(super) fn conflict_depth(&self) -> u32 {
        self.conflict_depth.unwrap_or(match self.network.family() {
            Family::Bitcoin => 6,
            Family::Evm => 64,
        })
    }

    pub(super) const fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }

    /// The URL; its text is kept out of errors, since it may hold what is not ours to print.
    pub(super) fn parsed_url(&self) -> Result<Url, NodeError> {
        let url = Url::parse(&self.url).map_err(|error| self.fault(format!("its url: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(self.fault("its url is not http:// or https:// and a host".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(self.fault("its url holds credentials: name a file in auth".to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(self.fault("its url has a query or a fragment".to_owned()));
        }
        Ok(url)
    }

    pub(super) const fn fault(&self, what: String) -> NodeError {
        NodeError::Misconfigured {
            network: self.network,
            what,
        }
    }
}

/// The name becomes a path segment of the node's URL.
fn is_plain_name(name: &str) -> bool {
    (1..=WALLET_NAME_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"
        network = "litecoin-regtest"
        url = "http://127.0.0.1:19443"
        auth = { cookie_file = "/var/lib/litecoin/.cookie" }
        fee = { min = 1000, max = 100000, fallback = 2000 }
    "#;

    fn fault_of(change: impl FnOnce(&mut NodeConfig)) -> String {
        let mut config: NodeConfig = toml::from_str(SOUND).unwrap();
        change(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn a_few_lines_describe_a_node() {
        let config: NodeConfig = toml::from_str(SOUND).unwrap();
        config.check().unwrap();
        assert_eq!(config.wallet_name(), "custodyd");
        assert_eq!(
            (
                config.timeout_ms,
                config.min_confirmations,
                config.conflict_depth()
            ),
            (10_000, 1, 6)
        );
    }

    #[test]
    fn every_way_to_authenticate_is_written_one_way() {
        let auth =
            |text: &str| toml::from_str::<std::collections::BTreeMap<String, NodeAuth>>(text);
        let password = auth(r#"auth = { user = "a", password_file = "b" }"#).unwrap();
        assert_eq!(
            password["auth"],
            NodeAuth::Password {
                user: "a".into(),
                file: "b".into()
            }
        );
        assert!(auth(r#"auth = { bearer_file = "b" }"#).is_ok());
        for mixed in [
            r"auth = {}",
            r#"auth = { user = "a" }"#,
            r#"auth = { cookie_file = "a", bearer_file = "b" }"#,
            r#"auth = { user = "a", password = "in the clear" }"#,
        ] {
            assert!(auth(mixed).is_err(), "{mixed}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_before_a_node_is_asked() {
        assert!(fault_of(|c| c.url = "ftp://node".into()).contains("http"));
        assert!(fault_of(|c| c.url = "not a url".into()).contains("url"));
        assert!(fault_of(|c| c.fee.min = 200_000).contains("above fee.max"));
        assert!(fault_of(|c| c.fee.fallback = Some(1)).contains("fallback"));
        assert!(fault_of(|c| c.fee.target_blocks = 0).contains("target_blocks"));
        assert!(fault_of(|c| c.timeout_ms = 0).contains("timeout_ms"));
        assert!(fault_of(|c| c.min_confirmations = 0).contains("at least 1"));
        assert!(fault_of(|c| c.wallet = Some("../other".into())).contains("wallet"));
        assert!(
            fault_of(|c| {
                c.network = "eip155:1".parse().unwrap();
                c.wallet = Some("custodyd".into());
            })
            .contains("Bitcoin family")
        );
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        let fault = fault_of(|c| c.url = "http://rpc:hunter2@127.0.0.1:1".into());
        assert!(
            fault.contains("credentials") && !fault.contains("hunter2"),
            "{fault}"
        );
    }
}

//! Whether the parts that a payout needs work: engine, database, nodes and tokens, as readiness and
//! `/v1/hsm` see them.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_hsm::{Health, MemberStatus};
use custodyd_policy::Timestamp;

use crate::{condition::Condition, console::words::Moment, http::AppState};

/// A part of the daemon, or a node.
#[derive(Debug)]
pub(in crate::console::pages) struct Part {
    pub(in crate::console::pages) name: String,
    pub(in crate::console::pages) standing: Standing,
    /// When a node was last heard of fees.
    pub(in crate::console::pages) heard: Option<Moment>,
}

/// A token of the HSM.
#[derive(Debug)]
pub(in crate::console::pages) struct Token {
    pub(in crate::console::pages) name: String,
    /// `up`, `recovering` or `out`.
    pub(in crate::console::pages) health: &'static str,
    pub(in crate::console::pages) reason: Option<String>,
    pub(in crate::console::pages) device: Option<String>,
    pub(in crate::console::pages) missing_keys: u64,
    pub(in crate::console::pages) signatures: u64,
    pub(in crate::console::pages) bad_signatures: u64,
    pub(in crate::console::pages) queued: u64,
}

/// How a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) enum Standing {
    Works,
    /// Withdrawals can do without it. Why it doesn't work.
    Degraded(String),
    /// Withdrawals need it. Why it doesn't work.
    Trouble(String),
}

/// Engine, database, each network's node, and whatever else doesn't work.
pub(super) fn parts(
    condition: Condition,
    networks: &BTreeSet<String>,
    quotes: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Vec<Part> {
    let expected = networks.iter().map(String::as_str);
    let expected = expected.chain(["engine", "database"]);
    let mut standings: BTreeMap<String, Standing> = expected
        .map(|name| (name.to_owned(), Standing::Works))
        .collect();
    let Condition { trouble, degraded } = condition;
    standings.extend(
        degraded
            .into_iter()
            .map(|(n, why)| (n, Standing::Degraded(why))),
    );
    standings.extend(
        trouble
            .into_iter()
            .map(|(n, why)| (n, Standing::Trouble(why))),
    );
    let part = |(name, standing): (String, Standing)| Part {
        heard: quotes.get(&name).map(|at| Moment::of(*at, now)),
        name,
        standing,
    };
    standings.into_iter().map(part).collect()
}

/// The tokens, in the order of the configuration.
pub(super) fn tokens(state: &AppState) -> Vec<Token> {
    let members = state.hsm.iter().flat_map(|hsm| hsm.members());
    members.map(Token::from).collect()
}

impl From<MemberStatus> for Token {
    fn from(member: MemberStatus) -> Self {
        let (health, reason) = match member.health {
            Health::Up => ("up", None),
            Health::Recovering => ("recovering", None),
            Health::Out { reason } => ("out", Some(reason)),
        };
        let device = member.info.map(|info| {
            let parts = [info.manufacturer, info.model, info.serial];
            let said: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            said.join(" ")
        });
        Self {
            name: member.name,
            health,
            reason,
            device,
            missing_keys: member.missing_keys,
            signatures: member.counters.signatures,
            bad_signatures: member.counters.bad_signatures,
            queued: member.counters.queued,
        }
    }
}

//! The shape of a policy file, as TOML has it. Every table refuses keys it does not know; whatever can be wrong later
//! remembers where it stands.

use std::collections::BTreeMap;

use custodyd_chain::{Asset, Network};
use serde::Deserialize;
use toml::Spanned;

use crate::facts::{Call, DestinationClass, Flag, Initiator, Tier};
use crate::hours::Day;
use crate::ids::{
    CalendarId, ClientId, GroupId, LimitId, OperatorId, OrganisationId, RuleId, Tag, WalletId,
};
use crate::limit::Dimension;
use crate::reason::BreachKind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) version: Spanned<i64>,
    pub(super) groups: BTreeMap<GroupId, Spanned<Vec<Spanned<OperatorId>>>>,
    #[serde(default)]
    pub(super) organisations: BTreeMap<OrganisationId, Spanned<Vec<Spanned<OperatorId>>>>,
    #[serde(default)]
    pub(super) calendars: BTreeMap<CalendarId, Spanned<Vec<Spanned<String>>>>,
    pub(super) fiat: Option<Spanned<FiatTerms>>,
    #[serde(default)]
    pub(super) approvals: Approvals,
    #[serde(default)]
    pub(super) destinations: Destinations,
    pub(super) governance: Governance,
    #[serde(default)]
    pub(super) tiers: Tiers,
    #[serde(default)]
    pub(super) rules: Vec<Spanned<Rule>>,
    #[serde(default)]
    pub(super) limits: Vec<Spanned<Limit>>,
    #[serde(default)]
    pub(super) treasury: Vec<Spanned<Target>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FiatTerms {
    pub(super) currency: Spanned<String>,
    pub(super) price_max_age: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Approvals {
    pub(super) expire_after: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Destinations {
    pub(super) cool_off: Option<Spanned<String>>,
    pub(super) look_alike: Option<Spanned<LookAlike>>,
    pub(super) probe: Option<Spanned<Probe>>,
    pub(super) screening: Option<Spanned<Screening>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookAlike {
    pub(super) prefix: Option<u64>,
    pub(super) suffix: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    pub(super) window: Option<Spanned<String>>,
    pub(super) times: Option<Spanned<u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Screening {
    pub(super) required_for: Spanned<Vec<DestinationClass>>,
    pub(super) deadline: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Governance {
    pub(super) unfreeze: Spanned<Vec<Spanned<Requirement>>>,
    pub(super) floor: Option<Spanned<GovernanceFloor>>,
    #[serde(default)]
    pub(super) changes: Changes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GovernanceFloor {
    pub(super) people: Option<Spanned<u32>>,
    pub(super) delay: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Changes {
    pub(super) default: Option<Spanned<Change>>,
    pub(super) rules: Option<Spanned<Change>>,
    pub(super) limits: Option<Spanned<Change>>,
    pub(super) groups: Option<Spanned<Change>>,
    pub(super) governance: Option<Spanned<Change>>,
    pub(super) operators: Option<Spanned<Change>>,
    pub(super) clients: Option<Spanned<Change>>,
    pub(super) address_book: Option<Spanned<Change>>,
    pub(super) block_list: Option<Spanned<Change>>,
    pub(super) wallets: Option<Spanned<Change>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) require: Spanned<Vec<Spanned<Requirement>>>,
    pub(super) delay: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Tiers {
    pub(super) warm: Option<Spanned<Floor>>,
    pub(super) cold: Option<Spanned<Floor>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Floor {
    pub(super) group: Option<GroupId>,
    pub(super) quorum: Option<u32>,
    pub(super) require: Option<Spanned<Vec<Spanned<Requirement>>>>,
    pub(super) hold: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirement {
    pub(super) group: Option<GroupId>,
    pub(super) quorum: Option<u32>,
    pub(super) organisations: Option<u32>,
    pub(super) any_of: Option<Spanned<Vec<Spanned<Requirement>>>>,
    pub(super) all_of: Option<Spanned<Vec<Spanned<Requirement>>>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effect {
    Allow,
    Deny,
    Require,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) effect: Effect,
    #[serde(default)]
    pub(super) when: When,
    pub(super) require: Option<Spanned<Vec<Spanned<Requirement>>>>,
    pub(super) hold: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limit {
    pub(super) id: LimitId,
    pub(super) per: Dimension,
    pub(super) asset: Option<Asset>,
    pub(super) max_amount: Option<Spanned<String>>,
    pub(super) max_fiat: Option<Spanned<String>>,
    pub(super) max_count: Option<Spanned<u64>>,
    pub(super) window: Spanned<String>,
    pub(super) on_breach: BreachKind,
    pub(super) require: Option<Spanned<Vec<Spanned<Requirement>>>>,
    #[serde(default)]
    pub(super) when: When,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) asset: Asset,
    pub(super) tier: Tier,
    pub(super) floor: Spanned<String>,
    pub(super) target: Spanned<String>,
    pub(super) ceiling: Spanned<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    pub(super) tier: Option<Spanned<Vec<Tier>>>,
    pub(super) wallet: Option<Spanned<Vec<WalletId>>>,
    pub(super) asset: Option<Spanned<Vec<Asset>>>,
    pub(super) client: Option<Spanned<Vec<ClientId>>>,
    pub(super) chain: Option<Spanned<Vec<Network>>>,
    pub(super) initiator: Option<Spanned<Vec<Initiator>>>,
    pub(super) destination: Option<Spanned<Vec<DestinationClass>>>,
    pub(super) destination_tier: Option<Spanned<Vec<Tier>>>,
    pub(super) tag: Option<Spanned<Vec<Tag>>>,
    pub(super) flag: Option<Spanned<Vec<Flag>>>,
    pub(super) call: Option<Spanned<Vec<Call>>>,
    pub(super) amount: Option<Spanned<Range>>,
    pub(super) fiat: Option<Spanned<Range>>,
    pub(super) fee: Option<Spanned<Range>>,
    pub(super) hours: Option<Spanned<Hours>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    pub(super) above: Option<Spanned<String>>,
    pub(super) at_most: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hours {
    pub(super) from: Spanned<String>,
    pub(super) to: Spanned<String>,
    pub(super) days: Option<Spanned<Vec<Day>>>,
    pub(super) utc_offset_minutes: Option<Spanned<i64>>,
    pub(super) time_zone: Option<Spanned<String>>,
    pub(super) holidays: Option<Spanned<CalendarId>>,
}

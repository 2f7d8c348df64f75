//! Velocity limits: at most so much, or so many withdrawals, in any window of a length.

use std::fmt;

use custodyd_chain::{Amount, Asset, U256};
use serde::{Deserialize, Serialize};

use crate::condition::{Match, Subject, When};
use crate::facts::Initiator;
use crate::fiat::Fiat;
use crate::ids::LimitId;
use crate::reason::{BreachKind, LimitCheck, Measure};
use crate::requirement::Requirement;

/// What a limit counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dimension {
    /// Everything that leaves a vault.
    Vault,
    /// Each wallet.
    Wallet,
    /// Each tier.
    Tier,
    /// Each asset.
    Asset,
    /// Each client; each operator who asks by themselves as well.
    Client,
    /// Each destination address.
    Destination,
}

impl Dimension {
    /// All of them, in order.
    pub(crate) const ALL: [Self; 6] = [
        Self::Vault,
        Self::Wallet,
        Self::Tier,
        Self::Asset,
        Self::Client,
        Self::Destination,
    ];

    /// The dimension's name in policies and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::Wallet => "wallet",
            Self::Tier => "tier",
            Self::Asset => "asset",
            Self::Client => "client",
            Self::Destination => "destination",
        }
    }

    /// Whether two withdrawals count towards the same.
    pub(crate) fn is_same(self, one: &Subject<'_>, other: &Subject<'_>) -> bool {
        match self {
            Self::Vault => one.vault == other.vault,
            Self::Wallet => one.wallet == other.wallet,
            Self::Tier => one.tier == other.tier,
            Self::Asset => one.amount.asset() == other.amount.asset(),
            Self::Client => one.initiator == other.initiator,
            Self::Destination => one.destination == other.destination,
        }
    }

    /// What the subject counts towards, such as `wallet hot-1`.
    pub(crate) fn describe(self, subject: &Subject<'_>) -> String {
        let value: &dyn fmt::Display = match self {
            Self::Vault => subject.vault,
            Self::Wallet => subject.wallet,
            Self::Tier => &subject.tier,
            Self::Asset => &subject.amount.asset(),
            Self::Client => subject.initiator,
            Self::Destination => subject.destination,
        };
        match (self, subject.initiator) {
            // An initiator says by itself what it is.
            (Self::Client, Initiator::Client(client)) => format!("client {client}"),
            (Self::Client, Initiator::Operator(operator)) => format!("operator {operator}"),
            _ => format!("{self} {value}"),
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A limit of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) id: LimitId,
    pub(crate) per: Dimension,
    /// Only withdrawals of this asset count; always set where an amount of one is limited. A limit in fiat adds all
    /// assets up where it is not set.
    pub(crate) asset: Option<Asset>,
    pub(crate) when: When,
    pub(crate) max: Measure,
    /// Milliseconds, above zero, at most [`MAX_DURATION_MS`](crate::MAX_DURATION_MS).
    pub(crate) window_ms: u64,
    pub(crate) on_breach: Breach,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Breach {
    Deny,
    Hold,
    Quorum(Vec<Requirement>),
}

impl Breach {
    pub(crate) fn kind(&self) -> BreachKind {
        match self {
            Self::Deny => BreachKind::Deny,
            Self::Hold => BreachKind::Hold,
            Self::Quorum(_) => BreachKind::Quorum,
        }
    }

    pub(crate) fn requirements(&self) -> &[Requirement] {
        match self {
            Self::Deny | Self::Hold => &[],
            Self::Quorum(require) => require,
        }
    }
}

impl Limit {
    /// Whether the subject counts towards this limit. Where that depends on a fiat value that is not known, it does:
    /// what was admitted is never forgotten in the payer's favour.
    pub(crate) fn applies(&self, subject: &Subject<'_>) -> bool {
        self.asset
            .is_none_or(|asset| asset == subject.amount.asset())
            && self.when.matches(subject) != Match::No
    }

    /// Whether it cannot be said how much the subject counts, or whether it does, because no value in fiat is known. Only
    /// for a limit that applies.
    pub(crate) fn is_unpriced(&self, subject: &Subject<'_>) -> bool {
        let unpriced = match self.max {
            Measure::Fiat(max) => max.same_currency(subject.fiat).is_none(),
            Measure::Amount(_) | Measure::Count(_) => false,
        };
        unpriced || self.when.matches(subject) == Match::Unpriced
    }

    /// How much the subject counts: base units of the asset, hundredths of the currency, or one. An admission whose
    /// value in fiat is not known, from before the policy spoke of it, counts as the whole limit.
    pub(crate) fn weight(&self, subject: &Subject<'_>) -> U256 {
        match self.max {
            Measure::Amount(_) => subject.amount.units(),
            Measure::Fiat(max) => {
                let value = max.same_currency(subject.fiat).unwrap_or(max);
                U256::from(value.cents)
            }
            Measure::Count(_) => U256::ONE,
        }
    }

    /// The maximum in the unit of [`Limit::weight`].
    pub(crate) fn max_weight(&self) -> U256 {
        match self.max {
            Measure::Amount(max) => max.units(),
            Measure::Fiat(max) => U256::from(max.cents),
            Measure::Count(max) => U256::from(max),
        }
    }

    /// What the subject adds to so much in use; `None` if one of the two is above what can exist.
    pub(crate) fn check(&self, subject: &Subject<'_>, used: U256) -> Option<LimitCheck> {
        Some(LimitCheck {
            limit: self.id.clone(),
            key: self.per.describe(subject),
            used: self.measure(used)?,
            asked: self.measure(self.weight(subject))?,
            max: self.max,
            window_ms: self.window_ms,
        })
    }

    /// A weight in the limit's own measure; `None` if it is above what can exist.
    pub(crate) fn measure(&self, weight: U256) -> Option<Measure> {
        match self.max {
            Measure::Amount(max) => Amount::from_units(max.asset(), weight)
                .ok()
                .map(Measure::Amount),
            Measure::Fiat(max) => u128::try_from(weight).ok().map(|cents| {
                let currency = max.currency;
                Measure::Fiat(Fiat { currency, cents })
            }),
            Measure::Count(_) => u64::try_from(weight).ok().map(Measure::Count),
        }
    }
}

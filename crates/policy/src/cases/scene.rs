//! What a case's file holds: the withdrawal, what was admitted before it, and what is expected.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Amount, Asset};
use serde::Deserialize;

use super::CaseError;
use crate::duration::parse_duration;
use crate::facts::{Call, DestinationClass, Facts, Flag, Initiator, Tier};
use crate::fiat::{Fiat, Price};
use crate::ids::{ClientId, Tag, VaultId, WalletId, WithdrawalId};
use crate::instant::Timestamp;
use crate::policy::Policy;
use crate::requirement::{Joined, Requirement};
use crate::verdict::Outcome;
use crate::window::LimitBook;

/// The most earlier withdrawals that a case may have.
const MAX_EARLIER: u64 = 100_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    pub(super) title: Option<String>,
    withdrawal: Withdrawal,
    #[serde(default)]
    prices: BTreeMap<Asset, Price>,
    #[serde(default)]
    earlier: Vec<Earlier>,
    pub(super) expect: Option<Expect>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    vault: VaultId,
    wallet: WalletId,
    tier: Tier,
    amount: Amount,
    fiat: Option<Fiat>,
    fee: Option<Amount>,
    destination: Address,
    class: DestinationClass,
    destination_tier: Option<Tier>,
    #[serde(default)]
    tags: BTreeSet<Tag>,
    #[serde(default)]
    flags: BTreeSet<Flag>,
    resembles: Option<Address>,
    #[serde(default)]
    call: Call,
    client: Option<ClientId>,
    initiator: Option<Initiator>,
    at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Earlier {
    ago: Option<String>,
    at: Option<String>,
    amount: Amount,
    fiat: Option<Fiat>,
    fee: Option<Amount>,
    #[serde(default = "once")]
    times: u64,
    wallet: Option<WalletId>,
    tier: Option<Tier>,
    destination: Option<Address>,
    class: Option<DestinationClass>,
    destination_tier: Option<Tier>,
    tags: Option<BTreeSet<Tag>>,
    flags: Option<BTreeSet<Flag>>,
    call: Option<Call>,
    client: Option<ClientId>,
    initiator: Option<Initiator>,
}

fn once() -> u64 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    outcome: ExpectedOutcome,
    #[serde(default)]
    require: Vec<Requirement>,
    hold: Option<String>,
    until: Option<String>,
    #[serde(default)]
    pub(super) because: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExpectedOutcome {
    Allow,
    Deny,
    Hold,
}

impl Case {
    /// The book with all that was admitted earlier, in order of time, and the facts to judge.
    pub(super) fn scene(&self, policy: &Policy) -> Result<(LimitBook, Facts), CaseError> {
        let now: Timestamp = self.withdrawal.at.parse()?;
        let mut admissions = Vec::new();
        let mut serial = 0_u64;
        for earlier in &self.earlier {
            let at = earlier.instant(now)?;
            let times = serial.saturating_add(earlier.times);
            if times > MAX_EARLIER {
                let most = MAX_EARLIER;
                return Err(CaseError::TooMuchHistory { times, most });
            }
            while serial < times {
                serial = serial.saturating_add(1);
                admissions.push(self.earlier(policy, earlier, serial, at)?);
            }
        }
        admissions.sort_by_key(|facts| facts.at);
        let mut book = LimitBook::default();
        for facts in &admissions {
            book.reserve(policy, facts);
        }
        Ok((book, self.facts(policy, now)?))
    }

    fn facts(&self, policy: &Policy, at: Timestamp) -> Result<Facts, CaseError> {
        let one = &self.withdrawal;
        Ok(Facts {
            withdrawal: numbered(0),
            vault: one.vault.clone(),
            wallet: one.wallet.clone(),
            tier: one.tier,
            amount: one.amount,
            fiat: one.fiat.or_else(|| self.value(policy, &one.amount)),
            fee: one.fee.unwrap_or_else(|| Amount::zero(one.amount.asset())),
            destination: one.destination.clone(),
            class: one.class,
            destination_tier: one.destination_tier,
            tags: one.tags.clone(),
            flags: one.flags.clone(),
            resembles: one.resembles.clone(),
            call: one.call,
            initiator: match (&one.client, &one.initiator) {
                (Some(client), None) => Initiator::Client(client.clone()),
                (None, Some(initiator)) => initiator.clone(),
                _ => return Err(CaseError::Initiator),
            },
            at,
        })
    }

    fn earlier(
        &self,
        policy: &Policy,
        earlier: &Earlier,
        serial: u64,
        at: Timestamp,
    ) -> Result<Facts, CaseError> {
        let same = self.facts(policy, at)?;
        Ok(Facts {
            withdrawal: numbered(serial),
            amount: earlier.amount,
            fiat: earlier.fiat.or_else(|| self.value(policy, &earlier.amount)),
            fee: earlier.fee.unwrap_or(same.fee),
            wallet: earlier.wallet.clone().unwrap_or(same.wallet),
            tier: earlier.tier.unwrap_or(same.tier),
            destination: earlier.destination.clone().unwrap_or(same.destination),
            class: earlier.class.unwrap_or(same.class),
            destination_tier: earlier.destination_tier.or(same.destination_tier),
            tags: earlier.tags.clone().unwrap_or(same.tags),
            flags: earlier.flags.clone().unwrap_or(same.flags),
            call: earlier.call.unwrap_or(same.call),
            initiator: match (&earlier.client, &earlier.initiator) {
                (None, None) => same.initiator,
                (Some(client), None) => Initiator::Client(client.clone()),
                (None, Some(initiator)) => initiator.clone(),
                (Some(_), Some(_)) => return Err(CaseError::Initiator),
            },
            ..same
        })
    }

    /// What an amount is worth by the case's prices, in the policy's currency.
    fn value(&self, policy: &Policy, amount: &Amount) -> Option<Fiat> {
        let currency = policy.fiat()?.currency;
        let cents = self.prices.get(&amount.asset())?.cents(amount)?;
        Some(Fiat { currency, cents })
    }
}

impl Earlier {
    /// When it was.
    fn instant(&self, now: Timestamp) -> Result<Timestamp, CaseError> {
        match (&self.ago, &self.at) {
            (Some(ago), None) => {
                let at = now.checked_sub_ms(parse_duration(ago)?);
                at.ok_or_else(|| CaseError::BeforeTheEpoch { ago: ago.clone() })
            }
            (None, Some(at)) => Ok(at.parse()?),
            _ => Err(CaseError::EarlierWhen),
        }
    }
}

fn numbered(serial: u64) -> WithdrawalId {
    WithdrawalId::from_bytes(u128::from(serial).to_be_bytes())
}

impl Expect {
    pub(super) fn outcome(&self) -> Result<Outcome, CaseError> {
        let outcome = match self.outcome {
            ExpectedOutcome::Allow => "allow",
            ExpectedOutcome::Deny => "deny",
            ExpectedOutcome::Hold => "hold",
        };
        let is_allow = matches!(self.outcome, ExpectedOutcome::Allow);
        let is_hold = matches!(self.outcome, ExpectedOutcome::Hold);
        for (key, given, belongs) in [
            ("require", !self.require.is_empty(), is_allow),
            ("hold", self.hold.is_some(), is_allow),
            ("until", self.until.is_some(), is_hold),
        ] {
            if given && !belongs {
                return Err(CaseError::KeyWithoutOutcome { key, outcome });
            }
        }
        Ok(match self.outcome {
            ExpectedOutcome::Deny => Outcome::Deny,
            ExpectedOutcome::Hold => Outcome::HoldForLimit {
                until: match &self.until {
                    Some(until) => until.parse()?,
                    None => return Err(CaseError::HoldWithoutUntil),
                },
            },
            ExpectedOutcome::Allow => {
                let mut joined = Joined::default();
                for requirement in &self.require {
                    joined.add(&requirement.clone().canonical());
                }
                let requirements = joined.into_list();
                let hold_ms = match &self.hold {
                    Some(hold) => parse_duration(hold)?,
                    None => 0,
                };
                Outcome::Allow {
                    requirements,
                    hold_ms,
                }
            }
        })
    }
}

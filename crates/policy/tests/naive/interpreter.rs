//! A second reading of policies: straight from the text, rule by rule, over a plain list of everything that was admitted.
//! It shares the types of facts and outcomes with the crate and none of its parsing, indexes, windows or seating. Slow and
//! plain on purpose; it expects a policy that the parser accepted.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_policy::{
    DestinationClass, Facts, Fiat, Outcome, Quorum, Requirement, Tier, Timestamp, parse_duration,
};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use toml::{Table, Value};

type Groups = BTreeMap<String, BTreeSet<String>>;

/// What the naive reading says of a withdrawal.
pub(crate) struct Judgement {
    pub(crate) outcome: Outcome,
    /// For each rule whether it matches; `None` where that hangs on a missing price.
    pub(crate) rules: BTreeMap<String, Option<bool>>,
    pub(crate) limits: BTreeMap<String, Option<bool>>,
}

/// Judges a withdrawal against the text of a policy and what was admitted.
pub(crate) fn judge(source: &str, facts: &Facts, admitted: &[Facts]) -> Judgement {
    let policy: Table = source.parse().unwrap();
    let now = admitted
        .iter()
        .map(|f| f.at)
        .chain([facts.at])
        .max()
        .unwrap();
    let facts = &Facts {
        at: now,
        ..facts.clone()
    };
    let cold_to_hot = facts.tier == Tier::Cold && facts.destination_tier == Some(Tier::Hot);
    let mut denied = facts.amount.is_zero()
        || facts.amount.asset() != facts.destination.network().asset()
        || facts.class == DestinationClass::Blocked
        || cold_to_hot;
    let (mut allowed, mut asked, mut hold_ms, mut until) = (false, Vec::new(), 0, None);
    let mut rules = BTreeMap::new();
    for rule in tables(&policy, "rules") {
        let matches = holds(&policy, rule.get("when"), facts);
        rules.insert(text(&rule["id"]), matches);
        match (matches, rule["effect"].as_str().unwrap()) {
            (Some(false), _) => continue,
            (None, _) | (_, "deny") => denied = true,
            (_, "allow") => allowed = true,
            _ => {}
        }
        asked.extend(requirements(rule.get("require")));
        hold_ms = hold_ms.max(duration(rule.get("hold"), 0));
    }
    if facts.tier != Tier::Hot {
        let floor = policy
            .get("tiers")
            .and_then(|tiers| tiers.get(facts.tier.as_str()));
        match floor {
            None => denied = true,
            Some(floor) => {
                asked.extend(requirements(floor.get("require")));
                if let Some(group) = floor.get("group") {
                    let quorum = floor.get("quorum").map_or(2, |q| q.as_integer().unwrap());
                    asked.push(Requirement::of(text(group).parse().unwrap(), quorum as u32));
                }
                let left_out = if facts.tier == Tier::Warm {
                    3_600_000
                } else {
                    0
                };
                hold_ms = hold_ms.max(duration(floor.get("hold"), left_out));
            }
        }
    }
    let mut limits = BTreeMap::new();
    for limit in tables(&policy, "limits") {
        let applies = limit_applies(&policy, limit, facts);
        limits.insert(text(&limit["id"]), applies);
        if applies == Some(false) {
            continue;
        }
        let (Some(true), Some(own)) = (applies, weight(limit, facts)) else {
            denied = true;
            continue;
        };
        let most = most(limit);
        let earlier = admitted.iter().filter(|f| f.withdrawal != facts.withdrawal);
        let counted: Vec<&Facts> = earlier
            .filter(|f| {
                limit_applies(&policy, limit, f) != Some(false) && same_key(limit, f, facts)
            })
            .collect();
        let window = duration(limit.get("window"), 0);
        let used_at = |t: u64| -> u128 {
            let inside = counted.iter().filter(|f| f.at.as_ms() + window > t);
            inside.map(|f| weight(limit, f).unwrap_or(most)).sum()
        };
        if used_at(now.as_ms()) + own <= most {
            continue;
        }
        match limit["on_breach"].as_str().unwrap() {
            "quorum" | "escalate" => asked.extend(requirements(limit.get("require"))),
            "hold" if own <= most => {
                let ends = counted.iter().map(|f| f.at.as_ms() + window);
                let room = ends
                    .filter(|t| *t >= now.as_ms() && used_at(*t) + own <= most)
                    .min();
                until = until.max(room.map(Timestamp::from_ms));
            }
            _ => denied = true,
        }
    }
    let requirements = joined(asked);
    denied = denied || !allowed || !possible(&policy, &requirements);
    let outcome = match until {
        _ if denied => Outcome::Deny,
        Some(until) => Outcome::HoldForLimit { until },
        None => Outcome::Allow {
            requirements,
            hold_ms,
        },
    };
    Judgement {
        outcome,
        rules,
        limits,
    }
}

fn tables<'a>(policy: &'a Table, key: &str) -> impl Iterator<Item = &'a Table> {
    let list = policy
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    list.map(|one| one.as_table().unwrap())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn duration(value: Option<&Value>, left_out: u64) -> u64 {
    value.map_or(left_out, |value| {
        parse_duration(value.as_str().unwrap()).unwrap()
    })
}

/// Whether every condition holds; `None` if all others do and the value in fiat is not known.
fn holds(policy: &Table, when: Option<&Value>, facts: &Facts) -> Option<bool> {
    let mut unpriced = false;
    for (key, wanted) in when.and_then(Value::as_table).into_iter().flatten() {
        let is_one_of = |value: String| wanted.as_array().unwrap().iter().any(|w| text(w) == value);
        let held = match key.as_str() {
            "tier" => is_one_of(facts.tier.to_string()),
            "wallet" => is_one_of(facts.wallet.to_string()),
            "asset" => is_one_of(facts.amount.asset().to_string()),
            "chain" => is_one_of(facts.destination.network().to_string()),
            "client" => facts
                .initiator
                .client()
                .is_some_and(|c| is_one_of(c.to_string())),
            "initiator" => is_one_of(facts.initiator.to_string()),
            "destination" => is_one_of(facts.class.to_string()),
            "destination_tier" => facts
                .destination_tier
                .is_some_and(|t| is_one_of(t.to_string())),
            "tag" => facts.tags.iter().any(|tag| is_one_of(tag.to_string())),
            "flag" => facts.flags.iter().any(|flag| is_one_of(flag.to_string())),
            "call" => is_one_of(facts.call.to_string()),
            "amount" => in_range(wanted, &facts.amount.to_string()).unwrap_or(false),
            "fee" => in_range(wanted, &facts.fee.to_string()).unwrap_or(false),
            "fiat" => match facts
                .fiat
                .and_then(|fiat| in_range(wanted, &fiat.to_string()))
            {
                Some(held) => held,
                None => {
                    unpriced = true;
                    true
                }
            },
            "hours" => in_hours(policy, wanted, facts.at),
            other => panic!("condition {other}"),
        };
        if !held {
            return Some(false);
        }
    }
    (!unpriced).then_some(true)
}

/// A quantity as digits scaled by 10^18, and its unit.
fn quantity(text: &str) -> (u128, String) {
    let (number, unit) = text.split_once(' ').unwrap();
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction:0<18}");
    (digits.parse().unwrap(), unit.to_owned())
}

/// Whether it is above and at most what is wanted; `None` in another unit.
fn in_range(wanted: &Value, found: &str) -> Option<bool> {
    let (found, unit) = quantity(found);
    let bound = |key| {
        wanted
            .get(key)
            .map(|bound| quantity(bound.as_str().unwrap()))
    };
    let bounds = [bound("above"), bound("at_most")];
    if bounds.iter().flatten().any(|(_, of)| *of != unit) {
        return None;
    }
    let [above, at_most] = bounds;
    Some(above.is_none_or(|(n, _)| found > n) && at_most.is_none_or(|(n, _)| found <= n))
}

fn in_hours(policy: &Table, hours: &Value, at: Timestamp) -> bool {
    let zone = match (hours.get("time_zone"), hours.get("utc_offset_minutes")) {
        (Some(name), _) => TimeZoneDatabase::bundled().get(&text(name)).unwrap(),
        (None, Some(minutes)) => {
            let seconds = i32::try_from(minutes.as_integer().unwrap() * 60).unwrap();
            TimeZone::fixed(Offset::from_seconds(seconds).unwrap())
        }
        (None, None) => TimeZone::UTC,
    };
    let instant = jiff::Timestamp::from_millisecond(i64::try_from(at.as_ms()).unwrap()).unwrap();
    let local = zone.to_datetime(instant);
    let clock = format!("{:02}:{:02}", local.hour(), local.minute());
    let (from, to) = (text(&hours["from"]), text(&hours["to"]));
    let day_counts = |day: DateTime| {
        let holidays = hours
            .get("holidays")
            .map(|name| &policy["calendars"][text(name).as_str()]);
        let dates = holidays.and_then(Value::as_array).into_iter().flatten();
        let is_holiday = dates
            .into_iter()
            .any(|date| text(date) == day.date().to_string());
        let name = match is_holiday {
            true => "holiday".to_owned(),
            false => format!("{:?}", day.date().weekday()).to_lowercase()[..3].to_owned(),
        };
        let days = hours.get("days").and_then(Value::as_array);
        days.is_none_or(|days| days.iter().any(|day| text(day) == name))
    };
    // Two digits a colon and two digits sort like the times they are.
    if from < to {
        return from <= clock && clock < to && day_counts(local);
    }
    let yesterday = local.checked_sub(jiff::Span::new().days(1)).unwrap();
    (from <= clock && day_counts(local)) || (clock < to && day_counts(yesterday))
}

fn limit_applies(policy: &Table, limit: &Table, facts: &Facts) -> Option<bool> {
    let of_amount = limit
        .get("max_amount")
        .map(|max| quantity(max.as_str().unwrap()).1);
    let asset = of_amount.or_else(|| limit.get("asset").map(text));
    if asset.is_some_and(|asset| asset != facts.amount.asset().to_string()) {
        return Some(false);
    }
    holds(policy, limit.get("when"), facts)
}

fn most(limit: &Table) -> u128 {
    let quantity = |key| limit.get(key).map(|max| quantity(max.as_str().unwrap()).0);
    let count = || limit["max_count"].as_integer().unwrap() as u128;
    quantity("max_amount")
        .or_else(|| quantity("max_fiat"))
        .unwrap_or_else(count)
}

/// What a withdrawal weighs in a limit; `None` where its value in the limit's currency is not known.
fn weight(limit: &Table, facts: &Facts) -> Option<u128> {
    if limit.contains_key("max_count") {
        return Some(1);
    }
    if limit.contains_key("max_amount") {
        return Some(quantity(&facts.amount.to_string()).0);
    }
    let (_, currency) = quantity(limit["max_fiat"].as_str().unwrap());
    let value = facts.fiat.as_ref().map(Fiat::to_string)?;
    Some(quantity(&value))
        .filter(|(_, of)| *of == currency)
        .map(|(value, _)| value)
}

fn same_key(limit: &Table, one: &Facts, other: &Facts) -> bool {
    match limit["per"].as_str().unwrap() {
        "vault" => one.vault == other.vault,
        "wallet" => one.wallet == other.wallet,
        "tier" => one.tier == other.tier,
        "asset" => one.amount.asset() == other.amount.asset(),
        "client" => one.initiator == other.initiator,
        "destination" => one.destination == other.destination,
        per => panic!("per {per}"),
    }
}

fn requirements(list: Option<&Value>) -> Vec<Requirement> {
    list.map_or(Vec::new(), |list| list.clone().try_into().unwrap())
}

/// Per group the highest quorum and the most organisations; choices as they are, each once.
fn joined(asked: Vec<Requirement>) -> Vec<Requirement> {
    let mut quorums: BTreeMap<String, Quorum> = BTreeMap::new();
    let mut choices = BTreeSet::new();
    let mut left = asked;
    while let Some(one) = left.pop() {
        match one {
            Requirement::AllOf { all_of } => left.extend(all_of),
            choice @ Requirement::AnyOf { .. } => {
                choices.insert(choice);
            }
            Requirement::Quorum(one) => {
                let most = quorums
                    .entry(one.group.to_string())
                    .or_insert_with(|| one.clone());
                most.quorum = most.quorum.max(one.quorum);
                most.organisations = most.organisations.max(one.organisations);
            }
        }
    }
    let quorums = quorums.into_values().map(Requirement::Quorum);
    quorums.chain(choices).collect()
}

fn members(table: Option<&Value>) -> Groups {
    let groups = table.and_then(Value::as_table).into_iter().flatten();
    let people = |list: &Value| list.as_array().unwrap().iter().map(text).collect();
    groups
        .map(|(name, list)| (name.clone(), people(list)))
        .collect()
}

/// Whether all operators together could meet the requirements: every choice tried, every person given every seat.
fn possible(policy: &Table, requirements: &[Requirement]) -> bool {
    let (groups, houses) = (
        members(policy.get("groups")),
        members(policy.get("organisations")),
    );
    let people: Vec<String> = groups
        .values()
        .flatten()
        .cloned()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    choose(requirements, Vec::new(), &|way: &[Quorum]| {
        let mut given = vec![BTreeSet::new(); way.len()];
        seat(way, &groups, &houses, &people, &mut given)
    })
}

fn choose(left: &[Requirement], so_far: Vec<Quorum>, met: &dyn Fn(&[Quorum]) -> bool) -> bool {
    let Some((first, rest)) = left.split_first() else {
        return met(&so_far);
    };
    match first {
        Requirement::Quorum(one) => choose(rest, [so_far, vec![one.clone()]].concat(), met),
        Requirement::AllOf { all_of } => choose(&[all_of, rest].concat(), so_far, met),
        Requirement::AnyOf { any_of } => any_of.iter().any(|one| {
            choose(
                &[std::slice::from_ref(one), rest].concat(),
                so_far.clone(),
                met,
            )
        }),
    }
}

fn seat(
    way: &[Quorum],
    groups: &Groups,
    houses: &Groups,
    left: &[String],
    given: &mut [BTreeSet<String>],
) -> bool {
    let Some((person, rest)) = left.split_first() else {
        return way.iter().zip(given).all(|(wanted, given)| {
            let represented = houses
                .values()
                .filter(|house| !house.is_disjoint(given))
                .count();
            given.len() >= wanted.quorum as usize
                && (wanted.organisations < 2 || represented >= wanted.organisations as usize)
        });
    };
    if seat(way, groups, houses, rest, given) {
        return true;
    }
    (0..way.len()).any(|index| {
        groups[way[index].group.as_str()].contains(person) && {
            given[index].insert(person.clone());
            let seated = seat(way, groups, houses, rest, given);
            given[index].remove(person);
            seated
        }
    })
}

//! From TOML text to a policy, strictly: whatever is unknown, contradictory or without effect is refused, with its
//! line and with what to write instead.

pub(crate) mod claims;
mod condition;
mod contradiction;
mod destinations;
mod governance;
mod hours;
mod limit;
mod people;
mod range;
mod requirement;
mod rule;
mod syntax;
mod treasury;

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;

use custodyd_chain::Asset;
use toml::Spanned;

use crate::duration::{DAY_MS, HOUR_MS, MINUTE_MS, parse_duration};
use crate::error::{MAX_POLICY_BYTES, Place, PolicyError, PolicyFault};
use crate::facts::Tier;
use crate::fiat::{Currency, FiatTerms};
use crate::index::Index;
use crate::parse::hours::Calendars;
use crate::policy::{Parsed, Policy, TierFloor};
use crate::requirement::{People, Requirement};
use crate::verdict::PolicyHash;

/// How long an approval counts where the policy does not say.
const DEFAULT_APPROVAL_TTL_MS: u64 = DAY_MS;
/// How old a price may be where the policy does not say.
const DEFAULT_PRICE_MAX_AGE_MS: u64 = 15 * MINUTE_MS;
/// How many approve a warm or cold withdrawal where the policy does not say.
const DEFAULT_FLOOR_QUORUM: u32 = 2;
/// For how long a warm withdrawal can be cancelled where the policy does not say.
const DEFAULT_WARM_HOLD_MS: u64 = HOUR_MS;

impl Policy {
    /// Parses and checks a policy.
    ///
    /// # Errors
    /// The first fault that was found, with its line.
    pub fn parse(source: &str) -> Result<Self, PolicyError> {
        let mut file = read(source)?;
        let parser = Parser {
            source,
            calendars: hours::calendars(source, std::mem::take(&mut file.calendars))?,
            fiat: None,
            ways: Cell::new(0),
            people: people::people(
                source,
                std::mem::take(&mut file.groups),
                std::mem::take(&mut file.organisations),
            )?,
        };
        parser.with_fiat(file.fiat.as_ref())?.policy(file)
    }
}

/// The file's shape, before anything in it is checked against anything else.
fn read(source: &str) -> Result<syntax::File, PolicyError> {
    let whole = |fault| PolicyError {
        line: None,
        fault: Box::new(fault),
    };
    if source.len() > MAX_POLICY_BYTES {
        return Err(whole(PolicyFault::TooLarge {
            bytes: source.len(),
        }));
    }
    let says_something = |line: &str| !line.trim().is_empty() && !line.trim().starts_with('#');
    if !source.lines().any(says_something) {
        return Err(whole(PolicyFault::Empty));
    }
    // The parser bounds nesting, of brackets and of dotted keys, by itself.
    toml::from_str(source).map_err(|refusal| PolicyError {
        line: refusal.span().map(|span| line_of(source, &span)),
        fault: Box::new(PolicyFault::Syntax {
            message: advice(refusal.message()),
        }),
    })
}

/// The parser's message on one line, and what to write where a bare number stands for a quantity.
fn advice(message: &str) -> String {
    let line = one_line(message);
    if line.contains("expected a string") {
        return format!(
            "{line}; write amounts, durations and times in quotes and with their unit, such as \"10 LTC\" or \"24h\""
        );
    }
    line
}

/// A message of the TOML parser on one line, its end cut off and its unprintable characters escaped: it quotes what stands in
/// the file, whatever and however long that is.
pub(crate) fn one_line(message: &str) -> String {
    const LONGEST: usize = 600;
    let mut line = String::new();
    for one in message.replace('\n', "; ").chars().take(LONGEST) {
        match one {
            '"' | '\'' | '\\' => line.push(one),
            other => line.extend(other.escape_debug()),
        }
    }
    line
}

fn line_of(source: &str, span: &Range<usize>) -> usize {
    let before = source.as_bytes().iter().take(span.start);
    before
        .filter(|byte| **byte == b'\n')
        .count()
        .saturating_add(1)
}

fn refused<T>(source: &str, at: &Spanned<T>, fault: PolicyFault) -> PolicyError {
    PolicyError {
        line: Some(line_of(source, &at.span())),
        fault: Box::new(fault),
    }
}

/// What each part of the file is read against.
struct Parser<'a> {
    source: &'a str,
    people: People,
    calendars: Calendars,
    fiat: Option<FiatTerms>,
    /// How many ways the lists of requirements with a choice have together, of those read so far.
    ways: Cell<usize>,
}

impl Parser<'_> {
    fn policy(self, file: syntax::File) -> Result<Policy, PolicyError> {
        if *file.version.get_ref() != 1 {
            let found = *file.version.get_ref();
            return Err(self.refused(&file.version, PolicyFault::Version { found }));
        }
        let approval_ttl_ms = self.duration(
            &Place::Approvals,
            "expire_after",
            file.approvals.expire_after.as_ref(),
            DEFAULT_APPROVAL_TTL_MS,
        )?;
        let destinations = self.destinations(&file.destinations)?;
        let governance = self.governance(&file.governance)?;
        let warm = self.floor(Tier::Warm, file.tiers.warm.as_ref(), DEFAULT_WARM_HOLD_MS)?;
        let cold = self.floor(Tier::Cold, file.tiers.cold.as_ref(), 0)?;
        let rules = self.rules(&file.rules, warm.is_some(), cold.is_some())?;
        let limits = self.limits(&file.limits)?;
        let treasury = self.treasury(&file.treasury)?;
        Ok(Policy(Arc::new(Parsed {
            source: self.source.to_owned(),
            hash: PolicyHash::of(self.source),
            everyone: self.people.everyone().cloned().collect(),
            people: self.people,
            calendars: self.calendars,
            fiat: self.fiat,
            approval_ttl_ms,
            destinations,
            governance,
            warm,
            cold,
            rule_index: Index::of(rules.iter().map(|rule| (&rule.when, None))),
            rules,
            limit_index: Index::of(limits.iter().map(|limit| (&limit.when, limit.asset))),
            limits,
            treasury,
        })))
    }

    fn with_fiat(self, written: Option<&Spanned<syntax::FiatTerms>>) -> Result<Self, PolicyError> {
        let Some(written) = written else {
            return Ok(self);
        };
        let syntax::FiatTerms {
            currency: text,
            price_max_age,
        } = written.get_ref();
        let currency: Currency = text.get_ref().parse().map_err(|error| {
            let (place, key) = (Place::Fiat, "currency");
            self.refused(text, PolicyFault::Fiat { place, key, error })
        })?;
        if text.get_ref().parse::<Asset>().is_ok() {
            return Err(self.refused(text, PolicyFault::CurrencyIsAsset { currency }));
        }
        let age = price_max_age.as_ref();
        let price_max_age_ms =
            self.duration(&Place::Fiat, "price_max_age", age, DEFAULT_PRICE_MAX_AGE_MS)?;
        Ok(Self {
            fiat: Some(FiatTerms {
                currency,
                price_max_age_ms,
            }),
            ..self
        })
    }

    fn refused<T>(&self, at: &Spanned<T>, fault: PolicyFault) -> PolicyError {
        refused(self.source, at, fault)
    }

    /// A duration in milliseconds, or what counts where it is left out.
    fn duration(
        &self,
        place: &Place,
        key: &'static str,
        text: Option<&Spanned<String>>,
        left_out: u64,
    ) -> Result<u64, PolicyError> {
        let Some(text) = text else {
            return Ok(left_out);
        };
        parse_duration(text.get_ref()).map_err(|error| {
            let place = place.clone();
            self.refused(text, PolicyFault::Duration { place, key, error })
        })
    }

    fn floor(
        &self,
        tier: Tier,
        floor: Option<&Spanned<syntax::Floor>>,
        hold_left_out: u64,
    ) -> Result<Option<TierFloor>, PolicyError> {
        let Some(floor) = floor else { return Ok(None) };
        let place = Place::Tier(tier);
        let syntax::Floor {
            group,
            quorum,
            require,
            hold,
        } = floor.get_ref();
        let requirement = match (group, quorum, require) {
            (Some(group), quorum, None) => {
                let quorum = quorum.unwrap_or(DEFAULT_FLOOR_QUORUM);
                self.quorum(&place, floor, group, quorum, 1)?
            }
            (None, None, Some(list)) => Requirement::AllOf {
                all_of: self.requirements(&place, list)?,
            }
            .canonical(),
            _ => return Err(self.refused(floor, PolicyFault::FloorForm { place })),
        };
        Ok(Some(TierFloor {
            requirement,
            hold_ms: self.duration(&place, "hold", hold.as_ref(), hold_left_out)?,
        }))
    }
}

//! Rules: each with an id of its own, able to match, and asking for something its effect can use.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::condition::When;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::Tier;
use crate::parse::{Parser, line_of, syntax};
use crate::policy::{Effect, Rule};

impl Parser<'_> {
    pub(super) fn rules(
        &self,
        written: &[Spanned<syntax::Rule>],
        warm_has_floor: bool,
        cold_has_floor: bool,
    ) -> Result<Vec<Rule>, PolicyError> {
        let mut rules = BTreeMap::new();
        let mut lines = BTreeMap::new();
        for one in written {
            let rule = self.rule(one)?;
            let allows = rule.effect == Effect::Allow;
            for (tier, has_floor) in [(Tier::Warm, warm_has_floor), (Tier::Cold, cold_has_floor)] {
                if allows && !has_floor && may_be(&rule.when, tier) {
                    let rule = rule.id;
                    return Err(self.refused(one, PolicyFault::TierWithoutFloor { rule, tier }));
                }
            }
            let line = line_of(self.source, &one.span());
            if let Some(first) = lines.insert(rule.id.clone(), line) {
                let id = rule.id;
                return Err(self.refused(one, PolicyFault::DuplicateRule { id, first }));
            }
            rules.insert(rule.id.clone(), rule);
        }
        if rules.values().any(|rule| rule.effect == Effect::Allow) {
            return Ok(rules.into_values().collect());
        }
        Err(PolicyError {
            line: None,
            fault: Box::new(PolicyFault::NothingAllowed),
        })
    }

    fn rule(&self, one: &Spanned<syntax::Rule>) -> Result<Rule, PolicyError> {
        let syntax::Rule {
            id,
            effect,
            when,
            require,
            hold,
        } = one.get_ref();
        let place = Place::Rule(id.clone());
        let when = self.when(&place, one, when)?;
        if !matches!(effect, syntax::Effect::Deny) {
            self.not_always_denied(&place, one, &when)?;
        }
        let fault = match (effect, require, hold) {
            (syntax::Effect::Deny, Some(_), _) => Some(PolicyFault::DenyAsks {
                place: place.clone(),
                key: "require",
            }),
            (syntax::Effect::Deny, None, Some(_)) => Some(PolicyFault::DenyAsks {
                place: place.clone(),
                key: "hold",
            }),
            (syntax::Effect::Require, None, None) => Some(PolicyFault::RequiresNothing {
                place: place.clone(),
            }),
            _ => None,
        };
        if let Some(fault) = fault {
            return Err(self.refused(one, fault));
        }
        Ok(Rule {
            id: id.clone(),
            effect: match effect {
                syntax::Effect::Allow => Effect::Allow,
                syntax::Effect::Deny => Effect::Deny,
                syntax::Effect::Require => Effect::Require,
            },
            when,
            require: match require {
                Some(list) => self.requirements(&place, list)?,
                None => Vec::new(),
            },
            hold_ms: self.duration(&place, "hold", hold.as_ref(), 0)?,
        })
    }
}

fn may_be(when: &When, tier: Tier) -> bool {
    when.tier.as_ref().is_none_or(|tiers| tiers.contains(&tier))
}

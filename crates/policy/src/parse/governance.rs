//! `[governance]`: who ends a freeze and who changes what, never below the floor that the policy sets itself.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::duration::Span;
use crate::error::{Place, PolicyError, PolicyFault};
use crate::governance::{ChangeKind, ChangeRule, Governance, GovernanceFloor};
use crate::parse::{Parser, syntax};
use crate::requirement::{Listed, fewest_people};

impl Parser<'_> {
    pub(super) fn governance(
        &self,
        written: &syntax::Governance,
    ) -> Result<Governance, PolicyError> {
        let unfreeze = self.requirements(&Place::Governance, &written.unfreeze)?;
        let floor = match &written.floor {
            Some(floor) => self.governance_floor(floor)?,
            None => GovernanceFloor::default(),
        };
        let default = match &written.changes.default {
            Some(rule) => Some(self.change(Place::ChangeDefault, floor, rule)?),
            None => None,
        };
        let mut changes = BTreeMap::new();
        for kind in ChangeKind::ALL {
            let rule = match written.changes.of(kind) {
                Some(rule) => Some(self.change(Place::Change(kind), floor, rule)?),
                None => default.clone(),
            };
            changes.extend(rule.map(|rule| (kind, rule)));
        }
        Ok(Governance {
            unfreeze,
            floor,
            changes,
        })
    }

    fn governance_floor(
        &self,
        written: &Spanned<syntax::GovernanceFloor>,
    ) -> Result<GovernanceFloor, PolicyError> {
        let left_out = GovernanceFloor::default();
        let people = match &written.get_ref().people {
            Some(people) if *people.get_ref() == 0 => {
                return Err(self.refused(people, PolicyFault::FloorOfNobody));
            }
            Some(people) => *people.get_ref(),
            None => left_out.people,
        };
        let delay = written.get_ref().delay.as_ref();
        let delay_ms = self.duration(&Place::GovernanceFloor, "delay", delay, left_out.delay_ms)?;
        Ok(GovernanceFloor { people, delay_ms })
    }

    fn change(
        &self,
        place: Place,
        floor: GovernanceFloor,
        written: &Spanned<syntax::Change>,
    ) -> Result<ChangeRule, PolicyError> {
        let syntax::Change { require, delay } = written.get_ref();
        let rule = ChangeRule {
            require: self.requirements(&place, require)?,
            delay_ms: self.duration(&place, "delay", delay.as_ref(), 0)?,
        };
        let people = fewest_people(&rule.require);
        if people < u64::from(floor.people) {
            let fault = PolicyFault::ChangeByTooFew {
                place,
                require: Listed(&rule.require).to_string(),
                people,
                floor: floor.people,
            };
            return Err(self.refused(require, fault));
        }
        if rule.delay_ms < floor.delay_ms {
            let fault = PolicyFault::ChangeTooSoon {
                place,
                floor: Span(floor.delay_ms).to_string(),
            };
            return match delay {
                Some(delay) => Err(self.refused(delay, fault)),
                None => Err(self.refused(written, fault)),
            };
        }
        Ok(rule)
    }
}

impl syntax::Changes {
    fn of(&self, kind: ChangeKind) -> Option<&Spanned<syntax::Change>> {
        match kind {
            ChangeKind::Rules => self.rules.as_ref(),
            ChangeKind::Limits => self.limits.as_ref(),
            ChangeKind::Groups => self.groups.as_ref(),
            ChangeKind::Governance => self.governance.as_ref(),
            ChangeKind::Operators => self.operators.as_ref(),
            ChangeKind::Clients => self.clients.as_ref(),
            ChangeKind::AddressBook => self.address_book.as_ref(),
            ChangeKind::BlockList => self.block_list.as_ref(),
            ChangeKind::Wallets => self.wallets.as_ref(),
        }
    }
}

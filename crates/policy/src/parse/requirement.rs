//! Requirements that can be met, whichever of their ways is chosen.

use std::collections::BTreeSet;

use toml::Spanned;

use crate::error::{Place, PolicyError, PolicyFault};
use crate::ids::{GroupId, OperatorId};
use crate::parse::{Parser, syntax};
use crate::requirement::{Listed, MAX_ALL_WAYS, MAX_WAYS, Quorum, Requirement, shortfalls};

/// How deep `any_of` and `all_of` may stand in each other.
pub(crate) const MAX_DEPTH: usize = 4;
/// The most quorums that one list may name.
pub(crate) const MAX_QUORUMS: usize = 32;

type List = Spanned<Vec<Spanned<syntax::Requirement>>>;

impl Parser<'_> {
    /// A list of requirements that all operators together can meet, in its one spelling; never empty.
    pub(super) fn requirements(
        &self,
        place: &Place,
        list: &List,
    ) -> Result<Vec<Requirement>, PolicyError> {
        let all_of = self.parts(place, list, 0)?;
        let whole = Requirement::AllOf { all_of }.canonical();
        let found = whole.quorums().len();
        if found > MAX_QUORUMS {
            let place = place.clone();
            return Err(self.refused(list, PolicyFault::TooManyQuorums { place, found }));
        }
        let ways = whole.count_ways();
        let in_all = self.ways.get().saturating_add(ways);
        if ways > MAX_WAYS || in_all > MAX_ALL_WAYS {
            let place = place.clone();
            return Err(self.refused(list, PolicyFault::TooManyWays { place }));
        }
        // A list that has no choice is as cheap as it is long.
        if ways > 1 {
            self.ways.set(in_all);
        }
        self.unambiguous(place, list, &whole)?;
        let everyone: BTreeSet<OperatorId> = self.people.everyone().cloned().collect();
        for way in whole.ways() {
            if !shortfalls(&self.people, &way, &everyone).is_empty() {
                let way: Vec<_> = way.into_iter().map(Requirement::Quorum).collect();
                let (place, require) = (place.clone(), Listed(&way).to_string());
                return Err(self.refused(list, PolicyFault::QuorumsOverlap { place, require }));
            }
        }
        Ok(match whole {
            Requirement::AllOf { all_of } => all_of,
            one => vec![one],
        })
    }

    fn parts(
        &self,
        place: &Place,
        list: &List,
        depth: usize,
    ) -> Result<Vec<Requirement>, PolicyError> {
        if depth > MAX_DEPTH {
            let place = place.clone();
            return Err(self.refused(list, PolicyFault::RequirementTooDeep { place }));
        }
        if list.get_ref().is_empty() {
            let place = place.clone();
            return Err(self.refused(list, PolicyFault::NoRequirements { place }));
        }
        let parts = list.get_ref().iter();
        parts.map(|one| self.part(place, one, depth)).collect()
    }

    fn part(
        &self,
        place: &Place,
        one: &Spanned<syntax::Requirement>,
        depth: usize,
    ) -> Result<Requirement, PolicyError> {
        let deeper = depth.saturating_add(1);
        match one.get_ref() {
            syntax::Requirement {
                group: Some(group),
                quorum: Some(quorum),
                organisations,
                any_of: None,
                all_of: None,
            } => self.quorum(place, one, group, *quorum, organisations.unwrap_or(1)),
            syntax::Requirement {
                group: None,
                quorum: None,
                organisations: None,
                any_of: Some(list),
                all_of: None,
            } => Ok(Requirement::AnyOf {
                any_of: self.parts(place, list, deeper)?,
            }),
            syntax::Requirement {
                group: None,
                quorum: None,
                organisations: None,
                any_of: None,
                all_of: Some(list),
            } => Ok(Requirement::AllOf {
                all_of: self.parts(place, list, deeper)?,
            }),
            _ => {
                let place = place.clone();
                Err(self.refused(one, PolicyFault::RequirementForm { place }))
            }
        }
    }

    /// One quorum: of a group that exists, at least one and at most all of its people, from organisations that they
    /// belong to.
    pub(super) fn quorum<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        group: &GroupId,
        quorum: u32,
        organisations: u32,
    ) -> Result<Requirement, PolicyError> {
        let (place, group) = (place.clone(), group.clone());
        let Some(members) = self.people.groups.get(&group) else {
            let names: Vec<_> = self.people.groups.keys().map(GroupId::as_str).collect();
            let known = names.join(", ");
            let fault = PolicyFault::UnknownGroup {
                place,
                group,
                known,
            };
            return Err(self.refused(at, fault));
        };
        if quorum == 0 {
            return Err(self.refused(at, PolicyFault::ZeroQuorum { place, group }));
        }
        let fits = |asked: u32, there: usize| usize::try_from(asked).is_ok_and(|n| n <= there);
        if !fits(quorum, members.len()) {
            let fault = PolicyFault::QuorumAboveGroup {
                place,
                group,
                quorum,
                members: members.len(),
            };
            return Err(self.refused(at, fault));
        }
        if organisations == 0 || organisations > quorum {
            let fault = PolicyFault::OrganisationsOutOfRange {
                place,
                organisations,
                quorum,
            };
            return Err(self.refused(at, fault));
        }
        let represented = members.iter().filter_map(|p| self.people.organisation(p));
        let represented = represented.collect::<BTreeSet<_>>().len();
        if organisations > 1 && !fits(organisations, represented) {
            let fault = PolicyFault::OrganisationsAboveGroup {
                place,
                group,
                organisations,
                represented,
            };
            return Err(self.refused(at, fault));
        }
        Ok(Requirement::Quorum(Quorum {
            group,
            quorum,
            organisations,
        }))
    }

    /// Refuses what is asked for twice in one breath: two quorums of one group that must both be met, and an
    /// alternative to itself.
    fn unambiguous(
        &self,
        place: &Place,
        list: &List,
        requirement: &Requirement,
    ) -> Result<(), PolicyError> {
        let place_of_fault = || place.clone();
        let parts = match requirement {
            Requirement::Quorum(_) => return Ok(()),
            Requirement::AnyOf { any_of } => any_of,
            Requirement::AllOf { all_of } => all_of,
        };
        let mut groups = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for part in parts {
            let both = matches!(requirement, Requirement::AllOf { .. });
            if let Requirement::Quorum(Quorum { group, .. }) = part
                && both
                && !groups.insert(group)
            {
                let (place, group) = (place_of_fault(), group.clone());
                return Err(self.refused(list, PolicyFault::GroupTwice { place, group }));
            }
            if !seen.insert(part) {
                let (place, part) = (place_of_fault(), part.to_string());
                return Err(self.refused(list, PolicyFault::RequirementTwice { place, part }));
            }
            self.unambiguous(place, list, part)?;
        }
        Ok(())
    }
}

//! Groups, and quorums that they can meet.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::error::{Place, PolicyError, PolicyFault};
use crate::ids::{GroupId, OperatorId};
use crate::parse::{Parser, refused, syntax};
use crate::requirement::{Groups, Listed, Requirement, satisfied};

type Members = Spanned<Vec<Spanned<OperatorId>>>;

/// Groups in which there is somebody, and each person once.
pub(super) fn groups(
    source: &str,
    written: BTreeMap<GroupId, Members>,
) -> Result<Groups, PolicyError> {
    let mut groups = Groups::new();
    for (group, members) in written {
        if members.get_ref().is_empty() {
            return Err(refused(source, &members, PolicyFault::EmptyGroup { group }));
        }
        let mut people = BTreeSet::new();
        for member in members.get_ref() {
            let operator = member.get_ref().clone();
            if !people.insert(operator.clone()) {
                let fault = PolicyFault::DuplicateMember { group, operator };
                return Err(refused(source, member, fault));
            }
        }
        groups.insert(group, people);
    }
    Ok(groups)
}

impl Parser<'_> {
    /// A list of requirements that all operators together can meet; never empty.
    pub(super) fn requirements(
        &self,
        place: &Place,
        list: &Spanned<Vec<Spanned<syntax::Requirement>>>,
    ) -> Result<Vec<Requirement>, PolicyError> {
        let place_of_fault = || place.clone();
        if list.get_ref().is_empty() {
            let place = place_of_fault();
            return Err(self.refused(list, PolicyFault::NoRequirements { place }));
        }
        let mut requirements: Vec<Requirement> = Vec::new();
        let mut named = BTreeSet::new();
        for one in list.get_ref() {
            let syntax::Requirement { group, quorum } = one.get_ref();
            if !named.insert(group) {
                let (place, group) = (place_of_fault(), group.clone());
                return Err(self.refused(one, PolicyFault::GroupTwice { place, group }));
            }
            requirements.push(self.requirement(place, one, group, *quorum)?);
        }
        let everyone = self.groups.values().flatten().cloned().collect();
        if satisfied(&self.groups, &requirements, &everyone).is_err() {
            let (place, require) = (place_of_fault(), Listed(&requirements).to_string());
            return Err(self.refused(list, PolicyFault::QuorumsOverlap { place, require }));
        }
        requirements.sort();
        Ok(requirements)
    }

    /// One requirement: a group that exists, and at least one and at most all of its people.
    pub(super) fn requirement<T>(
        &self,
        place: &Place,
        at: &Spanned<T>,
        group: &GroupId,
        quorum: u32,
    ) -> Result<Requirement, PolicyError> {
        let (place, group) = (place.clone(), group.clone());
        let Some(members) = self.groups.get(&group).map(BTreeSet::len) else {
            let names: Vec<_> = self.groups.keys().map(GroupId::as_str).collect();
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
        if usize::try_from(quorum).is_ok_and(|quorum| quorum <= members) {
            return Ok(Requirement::of(group, quorum));
        }
        Err(self.refused(
            at,
            PolicyFault::QuorumAboveGroup {
                place,
                group,
                quorum,
                members,
            },
        ))
    }
}

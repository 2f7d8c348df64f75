//! Groups with people in them, and the organisations that these belong to.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use crate::error::{PolicyError, PolicyFault};
use crate::ids::{GroupId, OperatorId, OrganisationId};
use crate::parse::refused;
use crate::requirement::{Groups, Organisations, People};

type Members = Spanned<Vec<Spanned<OperatorId>>>;

/// The most operators that a policy may name: what can be asked of them is looked at one by one.
pub(crate) const MAX_OPERATORS: usize = 256;

/// Groups in which there is somebody, and each person once; organisations of people in groups, each person in one.
pub(super) fn people(
    source: &str,
    groups: BTreeMap<GroupId, Members>,
    organisations: BTreeMap<OrganisationId, Members>,
) -> Result<People, PolicyError> {
    let groups = self::groups(source, groups)?;
    let organisations = self::organisations(source, organisations, &groups)?;
    Ok(People::new(groups, organisations))
}

fn groups(source: &str, written: BTreeMap<GroupId, Members>) -> Result<Groups, PolicyError> {
    let mut groups = Groups::new();
    let mut everyone = BTreeSet::new();
    for (group, members) in written {
        if members.get_ref().is_empty() {
            return Err(refused(source, &members, PolicyFault::EmptyGroup { group }));
        }
        let mut people = BTreeSet::new();
        for member in members.get_ref() {
            let operator = member.get_ref().clone();
            everyone.insert(operator.clone());
            if everyone.len() > MAX_OPERATORS {
                return Err(refused(source, member, PolicyFault::TooManyOperators));
            }
            if !people.insert(operator.clone()) {
                let fault = PolicyFault::DuplicateMember { group, operator };
                return Err(refused(source, member, fault));
            }
        }
        groups.insert(group, people);
    }
    Ok(groups)
}

fn organisations(
    source: &str,
    written: BTreeMap<OrganisationId, Members>,
    groups: &Groups,
) -> Result<Organisations, PolicyError> {
    let mut organisations = Organisations::new();
    let mut belongs: BTreeMap<OperatorId, OrganisationId> = BTreeMap::new();
    for (organisation, members) in written {
        if members.get_ref().is_empty() {
            let fault = PolicyFault::EmptyOrganisation { organisation };
            return Err(refused(source, &members, fault));
        }
        for member in members.get_ref() {
            let operator = member.get_ref().clone();
            if !groups.values().any(|group| group.contains(&operator)) {
                let fault = PolicyFault::OutsideGroups {
                    organisation,
                    operator,
                };
                return Err(refused(source, member, fault));
            }
            if let Some(other) = belongs.insert(operator.clone(), organisation.clone()) {
                let fault = PolicyFault::TwoOrganisations {
                    organisation,
                    operator,
                    other,
                };
                return Err(refused(source, member, fault));
            }
        }
        let members = members.into_inner().into_iter().map(Spanned::into_inner);
        organisations.insert(organisation, members.collect());
    }
    Ok(organisations)
}

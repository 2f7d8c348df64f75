//! Who may collude: every choice of so many operators and clients, people and clients that are alike counting once.

use std::collections::BTreeSet;

use crate::analysis::bits::Bits;
use crate::analysis::implication::{TooManySets, choose, kinds};
use crate::analysis::space::Space;
use crate::facts::Initiator;
use crate::ids::{ClientId, OperatorId};
use crate::policy::Policy;

/// People who act together.
#[derive(Debug, Clone)]
pub(super) struct Coalition {
    pub(super) operators: BTreeSet<OperatorId>,
    pub(super) clients: BTreeSet<ClientId>,
    /// Each as who asks, and the atoms of the axis that this is.
    pub(super) initiators: Vec<(Initiator, Bits)>,
}

/// The most choices that are looked at.
const MOST: usize = 4_096;

impl Coalition {
    /// Who of them may approve what this one asks for.
    pub(super) fn approvers(&self, initiator: &Initiator) -> BTreeSet<OperatorId> {
        let others = self.operators.iter();
        let others = others.filter(|person| initiator.operator() != Some(person));
        others.cloned().collect()
    }
}

/// Every choice that may differ from the others. Whoever is not in a group approves nothing, so all such are alike, as
/// far as no condition names them.
///
/// # Errors
/// There are more than are looked at.
pub(super) fn all(
    policy: &Policy,
    space: &Space,
    operators: usize,
    clients: usize,
) -> Result<Vec<Coalition>, TooManySets> {
    let named = |person: &OperatorId| space.initiator_atom(&Initiator::Operator(person.clone()));
    let mut people = policy.operators().clone();
    let listed = space.axes.initiators.iter();
    people.extend(listed.filter_map(Initiator::operator).cloned());
    // An operator in no group approves nothing and may still ask, with a limit per client of their own: there may be any
    // number of them.
    let more = (1..operators).filter_map(|serial| format!("any-operator-no-{serial}").parse().ok());
    people.extend(more.collect::<Vec<OperatorId>>());
    let kinds = kinds(policy, &people, named);
    let operators = operators.min(people.len());
    let mut choices: Vec<BTreeSet<OperatorId>> = Vec::new();
    let size = u32::try_from(operators).unwrap_or(u32::MAX);
    choose(&kinds, size, &mut BTreeSet::new(), &mut |chosen| {
        choices.push(chosen.clone());
        if choices.len() > MOST {
            Err(TooManySets)
        } else {
            Ok(true)
        }
    })?;
    let clients = client_choices(space, clients);
    if choices.len().saturating_mul(clients.len()) > MOST {
        return Err(TooManySets);
    }
    let mut found = Vec::new();
    for operators in choices {
        for clients in &clients {
            let by_client = clients.iter().cloned().map(Initiator::Client);
            let by_operator = operators.iter().cloned().map(Initiator::Operator);
            let initiators = by_client.chain(by_operator).map(|initiator| {
                let atom = space.initiator_atom(&initiator);
                let atoms = Bits::of(space.axes.initiators.len(), |one| Some(one) == atom);
                (initiator, atoms)
            });
            found.push(Coalition {
                initiators: initiators.collect(),
                operators: operators.clone(),
                clients: clients.clone(),
            });
        }
    }
    Ok(found)
}

/// Every choice of so many clients: of those of the world, or of those that are named and others like "any other".
fn client_choices(space: &Space, wanted: usize) -> Vec<BTreeSet<ClientId>> {
    let known = space.axes.initiators.iter().filter_map(Initiator::client);
    let mut all: Vec<ClientId> = known.cloned().collect();
    if space.world.clients.is_empty() {
        let more = (1..wanted).filter_map(|serial| format!("any-client-no-{serial}").parse().ok());
        all.extend(more.collect::<Vec<ClientId>>());
    }
    let mut choices = vec![BTreeSet::new()];
    for client in all {
        for number in 0..choices.len() {
            if let Some(with) = choices.get(number).filter(|choice| choice.len() < wanted) {
                let mut with = with.clone();
                with.insert(client.clone());
                choices.push(with);
            }
        }
        if choices.len() > MOST.saturating_mul(4) {
            break;
        }
    }
    let largest = choices.iter().map(BTreeSet::len).max().unwrap_or(0);
    choices.retain(|choice| choice.len() == largest);
    choices
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::fixture::{ALLOW, policy};
    use crate::analysis::world::World;

    /// The choices of one client out of so many.
    fn choices(clients: usize) -> Result<usize, TooManySets> {
        let policy = policy(ALLOW);
        let names = (0..clients).map(|serial| format!("c{serial}").parse().unwrap());
        let world = World {
            clients: names.collect(),
            ..World::default()
        };
        let space = Space::new(&[&policy], &[], &world);
        all(&policy, &space, 0, 1).map(|found| found.len())
    }

    #[test]
    fn each_client_is_a_choice_up_to_as_many_as_are_looked_at() {
        assert_eq!(choices(3), Ok(3));
        assert_eq!(choices(MOST), Ok(MOST));
        assert_eq!(choices(MOST + 1), Err(TooManySets));
    }
}

//! The policy that tests of the analysis start from.

use crate::analysis::space::Space;
use crate::analysis::world::World;
use crate::policy::Policy;

/// Groups, of which two are the same people, and the least that a policy needs beside its rules.
const HEAD: &str = r#"
version = 1
[groups]
treasury = ["alice", "bob", "erin"]
security = ["carol", "dave"]
twins = ["carol", "dave"]
[governance]
unfreeze = [{ group = "treasury", quorum = 2 }]
[tiers]
warm = { group = "treasury" }
cold = { group = "security", quorum = 1 }
[fiat]
currency = "USD"
price_max_age = "15m"
"#;

/// A rule that allows everything that the invariants leave.
pub(crate) const ALLOW: &str = "[[rules]]\nid = \"allow\"\neffect = \"allow\"\n";

pub(crate) fn policy(rest: &str) -> Policy {
    read(&format!("{HEAD}{rest}"))
}

/// The same policy with somebody else in its groups.
pub(crate) fn with_frank_for_dave(rest: &str) -> Policy {
    read(&format!("{HEAD}{rest}").replace("dave", "frank"))
}

fn read(text: &str) -> Policy {
    Policy::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The space of a policy, where nothing is assumed about the world.
pub(crate) fn space(policy: &Policy) -> Space {
    Space::new(&[policy], &[], &World::default())
}

//! Governance that would let too few change too much, or too soon.

use custodyd_policy::{ChangeKind, DAY_MS, Governance, HOUR_MS, Policy, PolicyFault};

use crate::common::{ALLOW, HEAD};
use crate::{refusal, refused};

const UNFREEZE: &str = "unfreeze = [{ group = \"treasury\", quorum = 2 }]\n";

fn source(governance: &str) -> String {
    format!(
        "{}{ALLOW}",
        HEAD.replace(UNFREEZE, &format!("{UNFREEZE}{governance}\n"))
    )
}

fn with(governance: &str) -> PolicyFault {
    let error = refusal(&source(governance));
    let line = error.line.unwrap_or_else(|| panic!("no line: {error}"));
    assert!((8..=12).contains(&line), "line {line}: {error}");
    *error.fault
}

fn accepted(governance: &str) -> Governance {
    let policy = Policy::parse(&source(governance)).unwrap_or_else(|error| panic!("{error}"));
    policy.governance().clone()
}

const TWO: &str = "require = [{ group = \"treasury\", quorum = 2 }]";
const ONE: &str = "require = [{ group = \"treasury\", quorum = 1 }]";

#[test]
fn a_change_by_fewer_people_than_the_floor_asks_for() {
    let one = format!("[governance.changes]\nlimits = {{ {ONE} }}");
    refused!(
        with(&one),
        PolicyFault::ChangeByTooFew {
            people: 1,
            floor: 2,
            ..
        },
        "limits: 1 of treasury"
    );
    let default = format!("[governance.changes]\ndefault = {{ {ONE} }}");
    refused!(
        with(&default),
        PolicyFault::ChangeByTooFew { .. },
        "governance.changes.default"
    );
    let three = format!("floor = {{ people = 3 }}\n[governance.changes]\nwallets = {{ {TWO} }}");
    refused!(
        with(&three),
        PolicyFault::ChangeByTooFew {
            people: 2,
            floor: 3,
            ..
        },
        "raise a quorum"
    );
    // One person of each of two groups are two people.
    let of_two_groups = accepted(
        "[governance.changes]\nrules = { require = [{ group = \"treasury\", quorum = 1 }, { group = \"security\", quorum = 1 }] }",
    );
    assert!(of_two_groups.change(ChangeKind::Rules).is_some());
    // Who wants to be alone says so.
    let alone = accepted(&format!(
        "floor = {{ people = 1 }}\n[governance.changes]\nrules = {{ {ONE} }}"
    ));
    assert_eq!(alone.floor().people, 1);
    refused!(
        with("floor = { people = 0 }"),
        PolicyFault::FloorOfNobody,
        "people = 1"
    );
}

#[test]
fn a_change_sooner_than_the_floor_asks_for() {
    let none = format!("floor = {{ delay = \"1h\" }}\n[governance.changes]\nclients = {{ {TWO} }}");
    refused!(
        with(&none),
        PolicyFault::ChangeTooSoon { .. },
        "clients: governance.floor asks for a delay of 1h"
    );
    let short = format!(
        "floor = {{ delay = \"90m\" }}\n[governance.changes]\nclients = {{ {TWO}, delay = \"89m\" }}"
    );
    refused!(
        with(&short),
        PolicyFault::ChangeTooSoon { .. },
        "delay = \"90m\""
    );
    let zero = format!("[governance.changes]\nclients = {{ {TWO}, delay = \"0s\" }}");
    refused!(with(&zero), PolicyFault::Duration { .. }, "is zero");
    let enough = accepted(&format!(
        "floor = {{ delay = \"1h\" }}\n[governance.changes]\nclients = {{ {TWO}, delay = \"1h\" }}"
    ));
    assert_eq!(
        enough.change(ChangeKind::Clients).unwrap().delay_ms,
        HOUR_MS
    );
    assert_eq!(enough.floor().delay_ms, HOUR_MS);
}

#[test]
fn a_change_of_something_unknown() {
    let unknown = format!("[governance.changes]\nprices = {{ {TWO} }}");
    refused!(
        with(&unknown),
        PolicyFault::Syntax { .. },
        "expected one of `default`, `rules`"
    );
    let group = "[governance.changes]\nrules = { require = [{ group = \"board\", quorum = 2 }] }";
    refused!(
        with(group),
        PolicyFault::UnknownGroup { .. },
        "governance.changes.rules"
    );
    refused!(
        with("[governance.changes]\nrules = { delay = \"1h\" }"),
        PolicyFault::Syntax { .. },
        "missing field `require`"
    );
}

#[test]
fn what_is_neither_named_nor_defaulted_cannot_be_changed() {
    let nothing = accepted("");
    assert!(
        ChangeKind::ALL
            .iter()
            .all(|kind| nothing.change(*kind).is_none())
    );
    let some = accepted(&format!("[governance.changes]\naddress-book = {{ {TWO} }}"));
    let open: Vec<_> = ChangeKind::ALL
        .into_iter()
        .filter(|kind| some.change(*kind).is_some())
        .collect();
    assert_eq!(open, [ChangeKind::AddressBook]);
    let all = accepted(&format!(
        "[governance.changes]\ndefault = {{ {TWO}, delay = \"24h\" }}\nblock-list = {{ {TWO} }}"
    ));
    let delay = |kind| all.change(kind).unwrap().delay_ms;
    assert_eq!(
        (delay(ChangeKind::BlockList), delay(ChangeKind::Wallets)),
        (0, DAY_MS)
    );
}

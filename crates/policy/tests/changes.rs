//! Which kinds of change lead from one policy to another.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use common::{ALLOW, HEAD};
use custodyd_policy::{ChangeKind, Policy};

const LIMIT: &str = "[[limits]]\nid = \"l\"\nper = \"vault\"\nmax_amount = \"5 LTC\"\nwindow = \"60m\"\non_breach = \"deny\"\n";
const TARGET: &str = "[[treasury]]\nasset = \"LTC\"\ntier = \"hot\"\nfloor = \"1 LTC\"\ntarget = \"3 LTC\"\nceiling = \"9 LTC\"\n";

fn base() -> String {
    format!("{HEAD}{ALLOW}{LIMIT}{TARGET}")
}

fn kinds(from: &str, to: &str) -> Vec<ChangeKind> {
    let parse = |source: &str| Policy::parse(source).unwrap_or_else(|error| panic!("{error}"));
    let (old, new) = (parse(from), parse(to));
    let kinds = old.kinds_changed(&new);
    assert_eq!(kinds, new.kinds_changed(&old), "the way back is the same");
    kinds.into_iter().collect()
}

fn replaced(from: &str, to: &str) -> Vec<ChangeKind> {
    assert!(base().contains(from), "{from}");
    kinds(&base(), &base().replace(from, to))
}

#[test]
fn each_section_is_a_kind_of_its_own() {
    for (from, to, kind) in [
        (
            "effect = \"allow\"",
            "effect = \"allow\"\nhold = \"1h\"",
            ChangeKind::Rules,
        ),
        ("5 LTC", "6 LTC", ChangeKind::Limits),
        ("\"60m\"", "\"61m\"", ChangeKind::Limits),
        (
            "ceiling = \"9 LTC\"",
            "ceiling = \"8 LTC\"",
            ChangeKind::Limits,
        ),
        ("\"alice\", ", "", ChangeKind::Groups),
        (
            "unfreeze = [{ group = \"treasury\", quorum = 2 }]",
            "unfreeze = [{ group = \"treasury\", quorum = 1 }]",
            ChangeKind::Governance,
        ),
        (
            "[tiers]",
            "floor = { people = 3 }\n[tiers]",
            ChangeKind::Governance,
        ),
        (
            "[tiers]",
            "[governance.changes]\ndefault = { require = [{ group = \"treasury\", quorum = 2 }] }\n[tiers]",
            ChangeKind::Governance,
        ),
        (
            "warm = { group = \"treasury\" }",
            "warm = { group = \"treasury\", hold = \"2h\" }",
            ChangeKind::Governance,
        ),
        ("quorum = 1 }\n", "quorum = 2 }\n", ChangeKind::Governance),
        (
            "[tiers]",
            "[approvals]\nexpire_after = \"1h\"\n[tiers]",
            ChangeKind::Governance,
        ),
        (
            "[tiers]",
            "[destinations]\ncool_off = \"1h\"\n[tiers]",
            ChangeKind::Governance,
        ),
    ] {
        assert_eq!(replaced(from, to), [kind], "{from} → {to}");
    }
}

#[test]
fn several_sections_are_several_kinds() {
    let other = base().replace("5 LTC", "6 LTC").replace("\"alice\", ", "");
    assert_eq!(
        kinds(&base(), &other),
        [ChangeKind::Limits, ChangeKind::Groups]
    );
}

#[test]
fn another_spelling_still_needs_somebody_to_look_at_it() {
    assert_eq!(kinds(&base(), &base()), []);
    for (from, to) in [
        ("[tiers]", "# two of them\n[tiers]"),
        ("\"60m\"", "\"1h\""),
        ("5 LTC", "5.0 LTC"),
        ("\"alice\", \"bob\"", "\"bob\", \"alice\""),
        // What is left out is what counts then.
        ("[tiers]", "[approvals]\nexpire_after = \"24h\"\n[tiers]"),
        ("[tiers]", "floor = { people = 2 }\n[tiers]"),
    ] {
        assert_eq!(replaced(from, to), [ChangeKind::Rules], "{from} → {to}");
    }
    let reordered = format!("{HEAD}{TARGET}{LIMIT}{ALLOW}");
    assert_eq!(kinds(&base(), &reordered), [ChangeKind::Rules]);
}

#[test]
fn a_default_written_out_for_every_kind_is_the_same_governance() {
    let two = "{ require = [{ group = \"treasury\", quorum = 2 }], delay = \"1h\" }";
    let default = format!("[governance.changes]\ndefault = {two}\n[tiers]");
    let each: String = ChangeKind::ALL
        .iter()
        .map(|kind| format!("{kind} = {two}\n"))
        .collect();
    let each = format!("[governance.changes]\n{each}[tiers]");
    let (default, each) = (
        base().replace("[tiers]", &default),
        base().replace("[tiers]", &each),
    );
    assert_eq!(kinds(&default, &each), [ChangeKind::Rules]);
    let names: BTreeSet<_> = ChangeKind::ALL
        .iter()
        .map(|kind| serde_json::to_string(kind).unwrap())
        .collect();
    assert!(names.contains("\"address-book\"") && names.len() == 9);
}

#[test]
fn a_comparison_says_what_tiers_should_hold_from_now_on() {
    let parse = |source: &str| Policy::parse(source).unwrap_or_else(|error| panic!("{error}"));
    let other = base().replace("ceiling = \"9 LTC\"", "ceiling = \"8 LTC\"");
    let found = custodyd_policy::analysis::diff(&parse(&base()), &parse(&other)).unwrap();
    assert_eq!(
        found.sections,
        ["treasury LTC hot: was 3 LTC (from 1 LTC to 9 LTC); now 3 LTC (from 1 LTC to 8 LTC)"]
    );
    let without = base().replace(TARGET, "");
    let found = custodyd_policy::analysis::diff(&parse(&without), &parse(&base())).unwrap();
    assert_eq!(
        found.sections,
        ["treasury LTC hot: was none; now 3 LTC (from 1 LTC to 9 LTC)"]
    );
}

//! What holds for every policy and every history, tried on random ones against models that are slow and plain.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{facts, policy};
use custodyd_policy::{DestinationClass, Facts, LimitBook, Outcome, Tier};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// A rule's text without its id.
fn any_rule() -> impl Strategy<Value = String> {
    let effect = select(vec!["allow", "allow", "deny", "require"]);
    let tier = prop::option::of(subsequence(vec!["\"hot\"", "\"warm\"", "\"cold\""], 1..3));
    let class = prop::option::of(subsequence(vec!["\"known\"", "\"new\"", "\"own\""], 1..3));
    let above = prop::option::of(0u64..6);
    let ask = (select(vec!["treasury", "security"]), 1u32..3, 0u64..3);
    (effect, tier, class, above, ask).prop_map(
        |(effect, tier, class, above, (group, quorum, hold))| {
            let mut when = Vec::new();
            when.extend(tier.map(|list| format!("tier = [{}]", list.join(", "))));
            when.extend(class.map(|list| format!("destination = [{}]", list.join(", "))));
            when.extend(above.map(|n| format!("amount = {{ above = \"{n} LTC\" }}")));
            let mut text = format!("effect = \"{effect}\"\nwhen = {{ {} }}\n", when.join(", "));
            if effect == "require" || (effect == "allow" && hold == 2) {
                text += &format!(
                    "require = [{{ group = \"{group}\", quorum = {quorum} }}]\nhold = \"{}m\"\n",
                    hold + 1
                );
            }
            text
        },
    )
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let class = [
        DestinationClass::Known,
        DestinationClass::New,
        DestinationClass::Own,
        DestinationClass::Blocked,
    ];
    (
        select(vec![Tier::Hot, Tier::Warm, Tier::Cold]),
        select(class.to_vec()),
        1u64..8,
    )
        .prop_map(|(tier, class, amount)| {
            let mut facts = facts(0, &format!("{amount} LTC"));
            (facts.tier, facts.class) = (tier, class);
            facts
        })
}

proptest! {
    #[test]
    fn the_order_of_rules_and_limits_does_not_matter(
        rules in prop::collection::vec(any_rule(), 1..8).prop_shuffle(),
        swaps in prop::collection::vec(any::<prop::sample::Index>(), 8),
        facts in any_facts(),
    ) {
        let mut blocks: Vec<String> = rules.iter().enumerate().map(|(n, rule)| format!("[[rules]]\nid = \"r{n}\"\n{rule}")).collect();
        blocks.push("[[rules]]\nid = \"base\"\neffect = \"allow\"\nwhen = { client = [\"exchange\"] }\n".to_owned());
        blocks.push("[[limits]]\nid = \"l\"\nper = \"vault\"\nmax_amount = \"5 LTC\"\nwindow = \"1h\"\non_breach = \"hold\"\n".to_owned());
        blocks.push("[[limits]]\nid = \"k\"\nper = \"tier\"\nmax_amount = \"6 LTC\"\nwindow = \"1h\"\non_breach = \"deny\"\n".to_owned());
        let one = policy(&blocks.concat());
        for (n, swap) in swaps.iter().enumerate() {
            let (a, b) = (n % blocks.len(), swap.index(blocks.len()));
            blocks.swap(a, b);
        }
        let other = policy(&blocks.concat());
        let (a, b) = (one.evaluate(&facts, &LimitBook::default()), other.evaluate(&facts, &LimitBook::default()));
        prop_assert_eq!(a.outcome, b.outcome);
        prop_assert_eq!(a.reasons, b.reasons);
    }

    #[test]
    fn whatever_the_rules_say_blocked_is_denied_and_warm_and_cold_ask_for_people(
        rules in prop::collection::vec(any_rule(), 0..8),
        facts in any_facts(),
    ) {
        let blocks: String = rules.iter().enumerate().map(|(n, rule)| format!("[[rules]]\nid = \"r{n}\"\n{rule}")).collect();
        let policy = policy(&format!("{}{blocks}", common::ALLOW));
        match policy.evaluate(&facts, &LimitBook::default()).outcome {
            Outcome::Allow { requirements, hold_ms } => {
                prop_assert_ne!(facts.class, DestinationClass::Blocked);
                prop_assert!(facts.tier == Tier::Hot || requirements.iter().flat_map(|r| r.quorums()).any(|q| q.quorum > 0));
                prop_assert!(facts.tier != Tier::Warm || hold_ms > 0);
                // And they could be given.
                prop_assert_eq!(policy.satisfied(&requirements, policy.operators()), Ok(()));
            }
            Outcome::Deny => {}
            Outcome::HoldForLimit { .. } => prop_assert!(false, "there is no limit"),
        }
    }
}

//! What holds for every policy and every history, tried on random ones against models that are slow and plain.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{ADDRESSES, HEAD, facts, id, policy};
use custodyd_policy::{
    DestinationClass, Facts, LimitBook, MINUTE_MS, Outcome, Policy, Tier, Timestamp,
};
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

/// What the plain model remembers of an admission.
#[derive(Debug, Clone)]
struct Admitted {
    serial: u64,
    at: u64,
    amount: u64,
    wallet: usize,
    destination: usize,
    own: bool,
}

#[derive(Debug, Clone)]
enum Step {
    Ask {
        wait: u64,
        amount: u64,
        wallet: usize,
        destination: usize,
        own: bool,
    },
    Release(prop::sample::Index),
    ClockGoesBack(u64),
    ChangePolicy,
}

fn any_step() -> impl Strategy<Value = Step> {
    let ask = (0u64..15, 1u64..6, 0usize..2, 0usize..3, any::<bool>()).prop_map(
        |(wait, amount, wallet, destination, own)| Step::Ask {
            wait,
            amount,
            wallet,
            destination,
            own,
        },
    );
    prop_oneof![
        12 => ask,
        2 => any::<prop::sample::Index>().prop_map(Step::Release),
        1 => (1u64..20).prop_map(Step::ClockGoesBack),
        1 => Just(Step::ChangePolicy),
    ]
}

const LIMITS: [&str; 2] = [
    r#"
[[limits]]
id = "wallet"
per = "wallet"
max_amount = "10 LTC"
window = "60m"
on_breach = "deny"
when = { destination = ["known"] }
[[limits]]
id = "destination"
per = "destination"
max_count = 3
window = "45m"
on_breach = "deny"
"#,
    r#"
[[limits]]
id = "wallet"
per = "wallet"
max_amount = "8 LTC"
window = "90m"
on_breach = "deny"
when = { destination = ["known"] }
[[limits]]
id = "destination"
per = "destination"
max_count = 4
window = "30m"
on_breach = "deny"
"#,
];

/// (window in minutes, most LTC) of the first limit and (window, most withdrawals) of the second.
const NUMBERS: [((u64, u64), (u64, u64)); 2] = [((60, 10), (45, 3)), ((90, 8), (30, 4))];

fn model_allows(history: &[Admitted], next: &Admitted, force: usize) -> bool {
    let ((window, most), (count_window, most_times)) = NUMBERS[force];
    let amount: u64 = history
        .iter()
        .filter(|h| !h.own && h.wallet == next.wallet && h.at + window > next.at)
        .map(|h| h.amount)
        .sum();
    let times = history
        .iter()
        .filter(|h| h.destination == next.destination && h.at + count_window > next.at)
        .count() as u64;
    (next.own || amount + next.amount <= most) && times < most_times
}

fn facts_of(admitted: &Admitted) -> Facts {
    let mut facts = facts(admitted.serial, &format!("{} LTC", admitted.amount));
    facts.at = Timestamp::from_ms(admitted.at * MINUTE_MS);
    facts.wallet = format!("hot-{}", admitted.wallet).parse().unwrap();
    facts.destination = serde_json::from_value(ADDRESSES[admitted.destination].into()).unwrap();
    facts.class = if admitted.own {
        DestinationClass::Own
    } else {
        DestinationClass::Known
    };
    facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn windows_are_those_of_a_plain_list_over_any_history(steps in prop::collection::vec(any_step(), 1..80)) {
        let policies: Vec<Policy> = LIMITS.iter()
            .map(|limits| Policy::parse(&format!("{HEAD}{}{limits}", common::ALLOW)).unwrap()).collect();
        let (mut book, mut history, mut ever) = (LimitBook::default(), Vec::<Admitted>::new(), Vec::<Admitted>::new());
        let (mut clock, mut latest, mut force, mut serial) = (1_000_000u64, 0u64, 0usize, 0u64);
        let mut changed = false;
        for step in steps {
            match step {
                Step::ChangePolicy => { force = 1 - force; changed = true; }
                Step::ClockGoesBack(minutes) => clock -= minutes,
                Step::Release(index) if !history.is_empty() => {
                    let gone = history.remove(index.index(history.len()));
                    ever.retain(|e| e.serial != gone.serial);
                    book.release(&id(gone.serial));
                    book.release(&id(gone.serial));
                }
                Step::Release(_) => {}
                Step::Ask { wait, amount, wallet, destination, own } => {
                    clock += wait;
                    serial += 1;
                    let mut next = Admitted { serial, at: clock, amount, wallet, destination, own };
                    let facts = facts_of(&next);
                    // Time does not go back behind the last admission.
                    next.at = clock.max(latest);
                    let verdict = policies[force].evaluate(&facts, &book);
                    let expected = model_allows(&history, &next, force);
                    prop_assert_eq!(verdict.outcome != Outcome::Deny, expected, "{}", verdict);
                    // What the other policy would say is as right, though its sums are not kept.
                    let other = policies[1 - force].evaluate(&facts, &book).outcome != Outcome::Deny;
                    prop_assert_eq!(other, model_allows(&history, &next, 1 - force));
                    if expected {
                        book.reserve(&policies[force], &facts);
                        book.reserve(&policies[force], &facts);
                        latest = next.at;
                        history.push(next.clone());
                        ever.push(next);
                    }
                }
            }
        }
        // No window of the length holds more than the maximum, wherever it ends. A change to a lower maximum may
        // find more already admitted, so this is asked of histories under one policy.
        if !changed {
            let ((window, most), (count_window, most_times)) = NUMBERS[0];
            for end in ever.iter().flat_map(|e| [e.at, e.at + 1, e.at + window - 1]) {
                for key in 0..3 {
                    let amount: u64 = ever.iter()
                        .filter(|e| !e.own && e.wallet == key && e.at <= end && e.at + window > end).map(|e| e.amount).sum();
                    prop_assert!(amount <= most);
                    let times = ever.iter()
                        .filter(|e| e.destination == key && e.at <= end && e.at + count_window > end).count() as u64;
                    prop_assert!(times <= most_times);
                }
            }
        }
        // A book rebuilt from what is left is equal, and says the same.
        let mut rebuilt = LimitBook::default();
        for admitted in &history {
            rebuilt.reserve(&policies[force], &facts_of(admitted));
        }
        let now = Timestamp::from_ms(latest.max(clock) * MINUTE_MS);
        prop_assert_eq!(rebuilt.usage(&policies[force], now), book.usage(&policies[force], now));
    }
}

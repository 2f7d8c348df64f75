//! Sliding windows against a model that keeps every admission for ever: any interleaving of admission, release,
//! settlement, second judgement, clocks that go back, and changes of policy.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod common;

use common::{ADDRESSES, ALLOW, HEAD, facts, id};
use custodyd_policy::{
    DestinationClass, Facts, LimitBook, LimitUsage, MINUTE_MS, Measure, Outcome, Policy, SECOND_MS,
    Timestamp,
};
use proptest::prelude::*;

/// Times in milliseconds, amounts in whole LTC.
#[derive(Debug, Clone)]
struct Admitted {
    serial: u64,
    at: u64,
    amount: u64,
    wallet: usize,
    destination: usize,
    own: bool,
    settled: bool,
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
    JudgeAgain(prop::sample::Index),
    Release(prop::sample::Index),
    Settle(prop::sample::Index),
    ClockGoesBack(u64),
    ChangePolicy,
}

fn any_step() -> impl Strategy<Value = Step> {
    // Within a granule, a few granules, and a good part of a window.
    let wait = prop_oneof![
        3 => 0u64..4 * SECOND_MS,
        2 => 0u64..30 * SECOND_MS,
        2 => 0u64..15 * MINUTE_MS,
    ];
    let ask = (wait, 1u64..6, 0usize..2, 0usize..3, any::<bool>()).prop_map(
        |(wait, amount, wallet, destination, own)| Step::Ask {
            wait,
            amount,
            wallet,
            destination,
            own,
        },
    );
    let index = any::<prop::sample::Index>;
    prop_oneof![
        12 => ask,
        1 => index().prop_map(Step::JudgeAgain),
        2 => index().prop_map(Step::Release),
        1 => index().prop_map(Step::Settle),
        1 => (1u64..20 * MINUTE_MS).prop_map(Step::ClockGoesBack),
        1 => Just(Step::ChangePolicy),
    ]
}

/// A limit by amount on each wallet, for destinations of others, and one by count on each destination.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    window: u64,
    most: u64,
    count_window: u64,
    most_times: u64,
}

const NUMBERS: [Numbers; 2] = [
    Numbers {
        window: 60 * MINUTE_MS,
        most: 10,
        count_window: 45 * MINUTE_MS,
        most_times: 3,
    },
    Numbers {
        window: 90 * MINUTE_MS,
        most: 8,
        count_window: 30 * MINUTE_MS,
        most_times: 4,
    },
];

impl Numbers {
    fn policy(self) -> Policy {
        let (window, count_window) = (self.window / MINUTE_MS, self.count_window / MINUTE_MS);
        let (most, most_times) = (self.most, self.most_times);
        let limits = format!(
            r#"
[[limits]]
id = "wallet"
per = "wallet"
max_amount = "{most} LTC"
window = "{window}m"
on_breach = "deny"
when = {{ destination = ["known"] }}
[[limits]]
id = "destination"
per = "destination"
max_count = {most_times}
window = "{count_window}m"
on_breach = "deny"
"#
        );
        Policy::parse(&format!("{HEAD}{ALLOW}{limits}")).unwrap()
    }

    /// With windows as late as the granules may make them.
    fn later(self) -> Self {
        Self {
            window: late(self.window),
            count_window: late(self.count_window),
            ..self
        }
    }

    fn amount(&self, history: &[Admitted], wallet: usize, t: u64) -> u64 {
        let counted = history.iter().filter(|h| !h.own && h.wallet == wallet);
        let inside = counted.filter(|h| h.at <= t && h.at + self.window > t);
        inside.map(|h| h.amount).sum()
    }

    fn times(&self, history: &[Admitted], destination: usize, t: u64) -> u64 {
        let counted = history.iter().filter(|h| h.destination == destination);
        let inside = counted.filter(|h| h.at <= t && h.at + self.count_window > t);
        inside.count() as u64
    }

    fn allow(&self, history: &[Admitted], next: &Admitted) -> bool {
        let others: Vec<_> = history
            .iter()
            .filter(|h| h.serial != next.serial)
            .cloned()
            .collect();
        let amount = self.amount(&others, next.wallet, next.at);
        let times = self.times(&others, next.destination, next.at);
        (next.own || amount + next.amount <= self.most) && times < self.most_times
    }
}

/// A window and the longest that anything may stay too long: a granule less a millisecond.
fn late(window: u64) -> u64 {
    window + window.div_ceil(512) - 1
}

fn facts_of(admitted: &Admitted) -> Facts {
    let mut facts = facts(admitted.serial, &format!("{} LTC", admitted.amount));
    facts.at = Timestamp::from_ms(admitted.at);
    facts.wallet = format!("hot-{}", admitted.wallet).parse().unwrap();
    facts.destination = serde_json::from_value(ADDRESSES[admitted.destination].into()).unwrap();
    facts.class = if admitted.own {
        DestinationClass::Own
    } else {
        DestinationClass::Known
    };
    facts
}

/// A call that changed the book, to be replayed.
#[derive(Debug, Clone)]
enum Call {
    Reserve(usize, Box<Facts>),
    Release(u64),
    Settle(u64),
    Adopt(usize, Vec<Facts>),
}

fn call(policies: &[Policy], book: &mut LimitBook, call: &Call) {
    match call {
        Call::Reserve(force, facts) => {
            book.reserve(&policies[*force], &**facts);
        }
        Call::Release(serial) => book.release(&id(*serial)),
        Call::Settle(serial) => book.settle(&id(*serial)),
        Call::Adopt(force, facts) => book.adopt(&policies[*force], facts),
    }
}

/// What usage says of a limit's key: how much, or how often.
fn used(usage: &[LimitUsage], limit: &str, key: &str) -> u64 {
    let found = usage
        .iter()
        .find(|u| u.limit.as_str() == limit && u.key == key);
    match found.map(|u| u.used) {
        Some(Measure::Count(times)) => times,
        Some(Measure::Amount(amount)) => {
            let text = amount.to_string();
            text.strip_suffix(" LTC").unwrap().parse().unwrap()
        }
        _ => 0,
    }
}

fn check_usage(
    book: &LimitBook,
    policy: &Policy,
    numbers: Numbers,
    history: &[Admitted],
    t: u64,
) -> Result<(), TestCaseError> {
    let usage = book.usage(policy, Timestamp::from_ms(t));
    let strictest = numbers.later();
    for wallet in 0..2 {
        let said = used(&usage, "wallet", &format!("wallet hot-{wallet}"));
        prop_assert!(said >= numbers.amount(history, wallet, t));
        prop_assert!(said <= strictest.amount(history, wallet, t));
    }
    for (destination, address) in ADDRESSES.iter().enumerate() {
        let said = used(&usage, "destination", &format!("destination {address}"));
        prop_assert!(said >= numbers.times(history, destination, t));
        prop_assert!(said <= strictest.times(history, destination, t));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_window_ever_holds_more_than_the_limit_and_none_is_a_granule_too_strict(
        steps in prop::collection::vec(any_step(), 1..100)
    ) {
        let policies = NUMBERS.map(Numbers::policy);
        let mut book = LimitBook::default();
        let mut calls = Vec::new();
        let mut history = Vec::<Admitted>::new();
        let (mut clock, mut latest, mut force, mut serial, mut done) = (1_000 * MINUTE_MS, 0, 0, 0, 0);
        for step in steps {
            let (numbers, policy) = (NUMBERS[force], &policies[force]);
            let pick = |index: prop::sample::Index| (!history.is_empty()).then(|| index.index(history.len()));
            let mut asked = None;
            match step {
                Step::ChangePolicy => {
                    force = 1 - force;
                    calls.push(Call::Adopt(force, history.iter().map(facts_of).collect()));
                }
                Step::ClockGoesBack(ms) => clock -= ms,
                Step::Release(index) => if let Some(position) = pick(index) {
                    calls.push(Call::Release(history[position].serial));
                    if !history[position].settled {
                        history.remove(position);
                    }
                },
                Step::Settle(index) => if let Some(position) = pick(index) {
                    history[position].settled = true;
                    calls.push(Call::Settle(history[position].serial));
                },
                Step::JudgeAgain(index) => {
                    asked = pick(index).map(|i| history[i].clone()).filter(|again| !again.settled);
                }
                Step::Ask { wait, amount, wallet, destination, own } => {
                    clock += wait;
                    serial += 1;
                    let settled = false;
                    asked = Some(Admitted { serial, at: clock, amount, wallet, destination, own, settled });
                }
            }
            if let Some(mut next) = asked {
                next.at = clock;
                let facts = facts_of(&next);
                // Time does not go back behind the last admission.
                next.at = clock.max(latest);
                let verdict = policy.evaluate(&facts, &book);
                let allowed = verdict.outcome != Outcome::Deny;
                prop_assert!(!allowed || numbers.allow(&history, &next), "{}", verdict);
                prop_assert!(allowed || !numbers.later().allow(&history, &next), "{}", verdict);
                // The other policy's limits are not in this book: that is a fault, never an allowance.
                if !calls.is_empty() {
                    prop_assert_eq!(policies[1 - force].evaluate(&facts, &book).outcome, Outcome::Deny);
                }
                if allowed {
                    calls.push(Call::Reserve(force, Box::new(facts)));
                    latest = next.at;
                    history.retain(|h| h.serial != next.serial);
                    history.push(next);
                }
            }
            for new in calls.iter().skip(done) {
                call(&policies, &mut book, new);
            }
            done = calls.len();
            check_usage(&book, &policies[force], NUMBERS[force], &history, clock.max(latest))?;
        }
        // The same calls again make an equal book, and one rebuilt from what is left forgets nothing.
        let mut replayed = LimitBook::default();
        for made in &calls {
            call(&policies, &mut replayed, made);
        }
        prop_assert_eq!(&replayed, &book);
        let rebuilt = LimitBook::for_policy(&policies[force], history.iter().map(facts_of));
        check_usage(&rebuilt, &policies[force], NUMBERS[force], &history, clock.max(latest))?;
    }
}

//! No sequence of requests, tried one by one, has more paid than a claim about outflow that is true allows; and a claim
//! that is false is refuted by a sequence that is admitted.

use std::collections::BTreeSet;

use custodyd_policy::analysis::{Answer, Claims, prove};
use custodyd_policy::{
    DestinationClass, Facts, HOUR_MS, LimitBook, OperatorId, Outcome, Policy, Tier, Timestamp,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::universe::{HEAD, any_limit, parse};

const NOON: u64 = 1_767_610_800_000;
const EXPIRE_MS: u64 = 12 * HOUR_MS;

fn any_tiny() -> impl Strategy<Value = String> {
    let small = select(vec![
        "effect = \"allow\"\nwhen = { tier = [\"hot\"], amount = { at_most = \"2 LTC\" } }\n",
        "effect = \"allow\"\nwhen = { tier = [\"hot\"], wallet = [\"hot-1\"], amount = { at_most = \"2 LTC\" } }\n",
        "effect = \"allow\"\nwhen = { tier = [\"hot\"], amount = { at_most = \"2 LTC\" } }\nhold = \"6h\"\n",
    ]);
    let large = select(vec![
        "effect = \"allow\"\nwhen = { tier = [\"hot\"], amount = { above = \"2 LTC\", at_most = \"3 LTC\" } }\nrequire = [{ group = \"treasury\", quorum = 1 }]\n",
        "effect = \"allow\"\nwhen = { tier = [\"hot\"], amount = { above = \"2 LTC\", at_most = \"3 LTC\" } }\nrequire = [{ group = \"treasury\", quorum = 2 }]\n",
        "effect = \"deny\"\nwhen = { tier = [\"hot\"], amount = { above = \"2 LTC\" } }\n",
    ]);
    (small, large, prop::collection::vec(any_limit(), 1..3)).prop_map(|(small, large, limits)| {
        let mut text = format!("{}\n[approvals]\nexpire_after = \"12h\"\n[[rules]]\nid = \"small\"\n{small}[[rules]]\nid = \"large\"\n{large}", HEAD);
        for (number, limit) in limits.iter().enumerate() {
            text += &format!("[[limits]]\nid = \"l{number}\"\n{limit}\n");
        }
        text
    })
}

/// What was asked for, when, and whether it needs approval and how long it is held.
struct Search<'a> {
    policy: &'a Policy,
    approvers: &'a BTreeSet<OperatorId>,
    best: u64,
}

impl Search<'_> {
    /// Tries every next request. Times are in steps of six hours, from twelve before the window, which lasts 24 hours.
    fn go(&mut self, book: &LimitBook, from: u64, total: u64, depth: u32) {
        self.best = self.best.max(total);
        if depth == 0 {
            return;
        }
        for step in from..6 {
            for wallet in ["hot-1", "hot-2"] {
                for amount in [1, 2, 3] {
                    let facts = asked(u64::from(depth), step, wallet, amount);
                    let Outcome::Allow {
                        requirements,
                        hold_ms,
                    } = self.policy.evaluate(&facts, book).outcome
                    else {
                        continue;
                    };
                    if self
                        .policy
                        .satisfied(&requirements, self.approvers)
                        .is_err()
                    {
                        continue;
                    }
                    let wait = if requirements.is_empty() {
                        0
                    } else {
                        EXPIRE_MS
                    };
                    // The window is [12h, 36h): it leaves there, at the earliest or later.
                    let at = step * 6 * HOUR_MS + hold_ms;
                    if at >= 36 * HOUR_MS || at + wait < 12 * HOUR_MS {
                        continue;
                    }
                    let mut next = book.clone();
                    next.reserve(self.policy, &facts);
                    self.go(&next, step, total + amount, depth - 1);
                }
            }
        }
    }
}

fn asked(serial: u64, step: u64, wallet: &str, amount: u64) -> Facts {
    let mut facts = crate::common::facts(serial, &format!("{amount} LTC"));
    facts.wallet = wallet.parse().unwrap();
    facts.tier = Tier::Hot;
    facts.class = DestinationClass::New;
    facts.fiat = Some(format!("{}0 USD", amount * 5).parse().unwrap());
    facts.at = Timestamp::from_ms(NOON + step * 6 * HOUR_MS);
    facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_sequence_that_is_tried_has_more_paid_than_is_proven(text in any_tiny(), at_most in 1u64..16) {
        let policy = parse(&text);
        let claim = format!(
            "[world]\nwallets = [{{ id = \"hot-1\", tier = \"hot\", network = \"litecoin-regtest\" }}, {{ id = \"hot-2\", tier = \"hot\", network = \"litecoin-regtest\" }}]\nclients = [\"exchange\"]\nprices = {{ LTC = \"50 USD\" }}\n[[prove]]\nid = \"a\"\nclaim = \"outflow\"\nwindow = \"24h\"\ncolluding = {{ operators = 1, clients = 1 }}\nat_most = \"{at_most} LTC\"\n"
        );
        let claims = Claims::parse(&policy, &claim).unwrap_or_else(|error| panic!("{error}\n{claim}"));
        match prove(&policy, &claims, claims.iter().next().unwrap()).answer {
            Answer::True { argument } => {
                for person in ["alice", "carol", "dave"] {
                    let approvers = BTreeSet::from([person.parse().unwrap()]);
                    let mut search = Search { policy: &policy, approvers: &approvers, best: 0 };
                    search.go(&LimitBook::default(), 0, 0, 3);
                    prop_assert!(search.best <= at_most, "{} is above {at_most}: {argument:?}\n{text}", search.best);
                }
            }
            Answer::False { counterexample } => {
                let mut book = LimitBook::default();
                let mut units = 0;
                let colluding: BTreeSet<_> = counterexample.steps.iter().flat_map(|step| step.approvers.clone()).collect();
                prop_assert!(colluding.len() <= 1);
                for step in &counterexample.steps {
                    let Outcome::Allow { requirements, .. } = policy.evaluate(&step.facts, &book).outcome else { panic!("not admitted") };
                    prop_assert!(policy.satisfied(&requirements, &step.approvers).is_ok());
                    units += step.facts.amount.units_u64().unwrap();
                    book.reserve(&policy, &step.facts);
                }
                prop_assert!(units > at_most * 100_000_000, "{units}");
            }
            // Neither bound is claimed to be exact.
            Answer::Undecided { .. } => {}
        }
    }
}

#[test]
fn operators_in_no_group_are_counted_as_those_who_ask() {
    let policy = parse(&format!(
        "{HEAD}\n[[rules]]\nid = \"small\"\neffect = \"allow\"\nwhen = {{ tier = [\"hot\"], amount = {{ at_most = \"2 LTC\" }} }}\n\
         [[limits]]\nid = \"each\"\nper = \"client\"\nmax_amount = \"2 LTC\"\nwindow = \"24h\"\non_breach = \"deny\"\n"
    ));
    // More than there are people in groups.
    let (colluding, each) = (6, 2);
    let answer = |at_most: u32| {
        let claim = format!(
            "[world]\nwallets = [{{ id = \"hot-1\", tier = \"hot\", network = \"litecoin-regtest\" }}]\nclients = [\"exchange\"]\n\
             [[prove]]\nid = \"a\"\nclaim = \"outflow\"\nwindow = \"24h\"\n\
             colluding = {{ operators = {colluding}, clients = 0 }}\nat_most = \"{at_most} LTC\"\n"
        );
        let claims = Claims::parse(&policy, &claim).unwrap_or_else(|error| panic!("{error}"));
        prove(&policy, &claims, claims.iter().next().unwrap()).answer
    };
    let below = answer(colluding * each - 1);
    let Answer::False { counterexample } = below else {
        panic!("{below:?}")
    };
    let asking: BTreeSet<_> = counterexample
        .steps
        .iter()
        .map(|step| &step.facts.initiator)
        .collect();
    assert_eq!(asking.len(), colluding as usize);
}

//! `requires` and `never` hold exactly where no request of the grid, with no set of approvers, says otherwise.

use custodyd_policy::analysis::{Answer, Claims, prove};
use custodyd_policy::{LimitBook, Outcome};
use proptest::prelude::*;

use crate::universe::{any_policy, any_require, any_when, crowds, grid, parse};

fn answer(policy: &custodyd_policy::Policy, claim: &str) -> Answer {
    let claims = Claims::parse(policy, claim).unwrap_or_else(|error| panic!("{error}\n{claim}"));
    prove(policy, &claims, claims.iter().next().unwrap()).answer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_claim_is_true_exactly_if_no_request_of_the_grid_refutes_it(
        text in any_policy(), when in any_when(), at_least in any_require(),
    ) {
        let policy = parse(&text);
        // A rule with the claim's conditions and nothing else says which requests it is about.
        let about = parse(&format!("{}\n[[rules]]\nid = \"about\"\neffect = \"allow\"\nwhen = {when}\n", crate::universe::HEAD));
        let wanted = format!("[[prove]]\nid = \"a\"\nclaim = \"requires\"\nwhen = {when}\nat_least = {at_least}\n");
        let never = format!("[[prove]]\nid = \"a\"\nclaim = \"never\"\nwhen = {when}\n");
        let rule = parse(&format!("{}\n[[rules]]\nid = \"about\"\neffect = \"allow\"\nrequire = {at_least}\n", crate::universe::HEAD));
        let least = rule.evaluate(&crate::common::facts(1, "1 LTC"), &LimitBook::default()).outcome;
        let Outcome::Allow { requirements: least, .. } = least else { panic!("it is allowed") };
        let book = LimitBook::default();
        let (mut lacking, mut allowed) = (false, false);
        for facts in grid() {
            let is_about = about.evaluate(&facts, &book).outcome != Outcome::Deny;
            let Outcome::Allow { requirements, .. } = policy.evaluate(&facts, &book).outcome else { continue };
            allowed |= is_about;
            lacking |= is_about && crowds().iter().any(|people| {
                policy.satisfied(&requirements, people).is_ok() && policy.satisfied(&least, people).is_err()
            });
        }
        for (claim, refuted) in [(&wanted, lacking), (&never, allowed)] {
            match answer(&policy, claim) {
                Answer::True { .. } => prop_assert!(!refuted, "{claim} is not true of\n{text}"),
                Answer::False { counterexample } => {
                    let step = &counterexample.steps[0];
                    let verdict = policy.evaluate(&step.facts, &book);
                    let Outcome::Allow { requirements, .. } = verdict.outcome else { panic!("not admitted") };
                    prop_assert!(policy.satisfied(&requirements, &step.approvers).is_ok());
                    prop_assert!(about.evaluate(&step.facts, &book).outcome != Outcome::Deny);
                    if claim == &wanted {
                        prop_assert!(policy.satisfied(&least, &step.approvers).is_err());
                    }
                }
                Answer::Undecided { why } => prop_assert!(false, "undecided: {why:?}"),
            }
        }
    }
}

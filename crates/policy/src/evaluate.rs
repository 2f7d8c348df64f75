//! Judging a withdrawal. Every rule that matches counts, whatever the order; deny wins; approvals and hold times add
//! up; without a matching allow rule, or with anything that cannot be evaluated, the answer is deny.

use crate::condition::{Match, Subject};
use crate::facts::{DestinationClass, Facts, Tier};
use crate::instant::Timestamp;
use crate::limit::{Breach, Limit};
use crate::policy::{Effect, Policy};
use crate::reason::{Fault, Reason};
use crate::requirement::{self, Joined, Requirement};
use crate::verdict::{Outcome, Verdict};
use crate::window::{LimitBook, Standing, Used};

impl Policy {
    /// The verdict on a withdrawal at `facts.at`, or at the book's latest admission if that is later, given what the
    /// book says was admitted. If the withdrawal itself is in the book, it is not counted twice.
    pub fn evaluate(&self, facts: &Facts, book: &LimitBook) -> Verdict {
        let subject = Subject::of(facts, book.clamp(facts.at));
        let mut findings = Findings::default();
        findings.facts(&subject);
        findings.rules(self, &subject);
        findings.tier(self, subject.tier);
        match book.standing(self, &subject, &facts.withdrawal) {
            Some(standing) => findings.limits(self, &subject, &standing),
            None => findings.fault(Fault::OtherBook),
        }
        findings.conclude(self)
    }

    /// The verdict of rules and tier alone, at `facts.at`: on a withdrawal that was admitted, and counts towards the limits
    /// since then.
    pub fn evaluate_admitted(&self, facts: &Facts) -> Verdict {
        let subject = Subject::of(facts, facts.at);
        let mut findings = Findings::default();
        findings.facts(&subject);
        findings.rules(self, &subject);
        findings.tier(self, subject.tier);
        findings.conclude(self)
    }
}

/// What was found, sorted by what it leads to.
#[derive(Default)]
struct Findings {
    denials: Vec<Reason>,
    holds: Vec<Reason>,
    grants: Vec<Reason>,
    allowed: bool,
    denied_by_rule: bool,
    rules_failed: bool,
    requirements: Joined,
    hold_ms: u64,
    until: Option<Timestamp>,
}

impl Findings {
    /// Facts that no rule can make payable.
    fn facts(&mut self, subject: &Subject<'_>) {
        if subject.amount.is_zero() {
            self.fault(Fault::ZeroAmount);
        }
        if subject.amount.asset() != subject.destination.network().asset() {
            self.fault(Fault::AssetMismatch {
                amount: subject.amount,
                destination: subject.destination.clone(),
            });
        }
        if (subject.tier, subject.destination_tier) == (Tier::Cold, Some(Tier::Hot)) {
            self.fault(Fault::ColdToHot);
        }
        if subject.class == DestinationClass::Blocked {
            self.denials.push(Reason::DestinationBlocked {
                destination: subject.destination.clone(),
            });
        }
    }

    fn rules(&mut self, policy: &Policy, subject: &Subject<'_>) {
        for (_, rule, found) in policy.rules_about(subject) {
            if found == Match::Unpriced {
                self.rules_failed = true;
                self.fault(Fault::RuleWithoutPrice {
                    rule: rule.id.clone(),
                    asset: subject.amount.asset(),
                });
                continue;
            }
            let (id, saw) = (rule.id.clone(), rule.when.observe(subject));
            let (require, hold_ms) = (rule.require.clone(), rule.hold_ms);
            self.ask(&rule.require, rule.hold_ms);
            match rule.effect {
                Effect::Deny => {
                    self.denied_by_rule = true;
                    self.denials.push(Reason::RuleDenied { rule: id, saw });
                }
                Effect::Require => self.grants.push(Reason::RuleRequired {
                    rule: id,
                    saw,
                    require,
                    hold_ms,
                }),
                Effect::Allow => {
                    self.allowed = true;
                    self.grants.push(Reason::RuleAllowed {
                        rule: id,
                        saw,
                        require,
                        hold_ms,
                    });
                }
            }
        }
        // A deny rule, or one that could not be judged, says why better than the absence of an allow rule does.
        if !self.allowed && !self.denied_by_rule && !self.rules_failed {
            self.denials.push(Reason::NoRuleAllows);
        }
    }

    /// Warm and cold wallets ask for people whatever the rules say.
    fn tier(&mut self, policy: &Policy, tier: Tier) {
        match (tier, policy.tier_floor(tier)) {
            (Tier::Hot, _) => {}
            (Tier::Warm | Tier::Cold, None) => self.fault(Fault::NoTierFloor { tier }),
            (Tier::Warm | Tier::Cold, Some(floor)) => {
                self.ask(std::slice::from_ref(&floor.requirement), floor.hold_ms);
                self.grants.push(Reason::TierFloor {
                    tier,
                    require: floor.requirement.clone(),
                    hold_ms: floor.hold_ms,
                });
            }
        }
    }

    fn limits(&mut self, policy: &Policy, subject: &Subject<'_>, standing: &Standing<'_>) {
        for (index, limit) in policy.limits_on(subject) {
            if limit.is_unpriced(subject) {
                self.fault(Fault::LimitWithoutPrice {
                    limit: limit.id.clone(),
                    asset: subject.amount.asset(),
                });
            } else {
                self.limit(limit, subject, &standing.of(index, limit, subject));
            }
        }
    }

    fn limit(&mut self, limit: &Limit, subject: &Subject<'_>, used: &Used<'_>) {
        let (now, asked, max) = (subject.at, limit.weight(subject), limit.max_weight());
        let in_use = used.within(now);
        let (Some(together), Some(check)) =
            (in_use.checked_add(asked), limit.check(subject, in_use))
        else {
            return self.fault(Fault::SumOutOfRange {
                limit: limit.id.clone(),
            });
        };
        if together <= max {
            self.grants.push(Reason::LimitWithin { check });
            return;
        }
        let fits_at = used.fits_at(now, asked, max);
        let breach = Reason::LimitExceeded {
            check,
            on_breach: limit.on_breach.kind(),
            require: limit.on_breach.requirements().to_vec(),
            fits_at,
        };
        match (&limit.on_breach, fits_at) {
            (Breach::Quorum(require), _) => {
                self.ask(require, 0);
                self.grants.push(breach);
            }
            (Breach::Hold, Some(at)) => {
                self.until = self.until.max(Some(at));
                self.holds.push(breach);
            }
            (Breach::Hold, None) if asked <= max => self.fault(Fault::TimeOutOfRange {
                limit: limit.id.clone(),
            }),
            (Breach::Hold, None) | (Breach::Deny, _) => self.denials.push(breach),
        }
    }

    fn ask(&mut self, require: &[Requirement], hold_ms: u64) {
        for requirement in require {
            self.requirements.add(requirement);
        }
        self.hold_ms = self.hold_ms.max(hold_ms);
    }

    fn fault(&mut self, fault: Fault) {
        self.denials.push(Reason::EvaluationFailed { fault });
    }

    fn conclude(mut self, policy: &Policy) -> Verdict {
        let requirements = self.requirements.into_list();
        // One rule's list was checked when the policy was parsed; what several ask for together was not.
        let everyone = &policy.0.everyone;
        let possible = requirements.len() < 2
            || requirement::satisfied(&policy.0.people, &requirements, everyone).is_ok();
        if self.denials.is_empty() && !possible {
            self.denials.push(Reason::ApprovalsImpossible {
                require: requirements.clone(),
            });
        }
        let (outcome, reasons) = if !self.denials.is_empty() {
            (Outcome::Deny, self.denials)
        } else if let Some(until) = self.until {
            (Outcome::HoldForLimit { until }, self.holds)
        } else {
            let hold_ms = self.hold_ms;
            (
                Outcome::Allow {
                    requirements,
                    hold_ms,
                },
                self.grants,
            )
        };
        Verdict {
            outcome,
            reasons,
            policy: policy.hash(),
        }
    }
}

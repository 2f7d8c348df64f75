//! The detector by itself: nothing is sent, and time is what the test says.

use custodyd_policy::WithdrawalId;

use super::*;

const SECOND: u64 = 1_000;

fn thresholds() -> Thresholds {
    Thresholds {
        limit: 0.9,
        limit_clear: 0.8,
        denials: 4,
        new_destinations: 3,
        window_ms: 60 * SECOND,
        patience_ms: 10 * SECOND,
        calm_ms: 5 * SECOND,
        quiet_ms: 100 * SECOND,
    }
}

fn detector() -> Detector {
    Detector::new(thresholds())
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_ms(seconds * SECOND)
}

fn down(kind: Kind, subject: &str) -> Vec<Condition> {
    vec![Condition {
        kind,
        subject: subject.to_owned(),
        what: format!("{subject} is gone"),
    }]
}

fn told(alerts: impl IntoIterator<Item = Alert>) -> Vec<(Kind, String, Phase)> {
    let told = alerts.into_iter().map(|a| (a.kind, a.subject, a.phase));
    told.collect()
}

fn using(share: f64) -> VaultSight {
    VaultSight {
        shares: [("daily".to_owned(), share)].into(),
        ..VaultSight::default()
    }
}

fn id(number: u8) -> WithdrawalId {
    WithdrawalId::from_bytes([number; 16])
}

#[test]
fn a_part_is_told_once_after_patience_and_once_when_it_stayed_well() {
    let mut detector = detector();
    let node = || down(Kind::NodeDown, "litecoin");
    assert_eq!(told(detector.see_parts(node(), at(0))), []);
    assert_eq!(told(detector.see_parts(node(), at(9))), []);
    let first = detector.see_parts(node(), at(10));
    assert_eq!(
        first[0].since,
        at(0),
        "since when it is out, not since it was told"
    );
    let firing = (Kind::NodeDown, "litecoin".to_owned(), Phase::Firing);
    assert_eq!(told(first), [firing]);
    assert_eq!(told(detector.see_parts(node(), at(11))), []);
    assert_eq!(detector.active()[&Kind::NodeDown], 1);
    // Well for a moment is not well.
    assert_eq!(told(detector.see_parts(Vec::new(), at(12))), []);
    assert_eq!(told(detector.see_parts(node(), at(14))), []);
    assert_eq!(told(detector.see_parts(Vec::new(), at(20))), []);
    assert_eq!(told(detector.see_parts(Vec::new(), at(24))), []);
    let over = detector.see_parts(Vec::new(), at(25));
    let resolved = (Kind::NodeDown, "litecoin".to_owned(), Phase::Resolved);
    assert_eq!(told(over), [resolved]);
    assert_eq!(detector.active()[&Kind::NodeDown], 0);
    assert_eq!(told(detector.see_parts(Vec::new(), at(99))), []);
}

#[test]
fn a_hiccup_shorter_than_patience_is_never_told() {
    let mut detector = detector();
    for second in (0..100).step_by(2) {
        let hiccup = down(Kind::HsmDown, "hsm-a");
        assert_eq!(told(detector.see_parts(hiccup, at(second))), []);
        assert_eq!(told(detector.see_parts(Vec::new(), at(second + 1))), []);
    }
}

#[test]
fn two_tokens_are_two_alerts_and_one_of_them_may_come_back() {
    let mut detector = detector();
    let both = || [down(Kind::HsmDown, "a"), down(Kind::HsmDown, "b")].concat();
    detector.see_parts(both(), at(0));
    assert_eq!(detector.see_parts(both(), at(10)).len(), 2);
    detector.see_parts(down(Kind::HsmDown, "b"), at(11));
    let over = detector.see_parts(down(Kind::HsmDown, "b"), at(16));
    let resolved = (Kind::HsmDown, "a".to_owned(), Phase::Resolved);
    assert_eq!(told(over), [resolved]);
}

#[test]
fn a_limit_is_told_from_its_upper_threshold_until_it_is_below_its_lower_one() {
    let mut detector = detector();
    for (second, share, expected) in [
        (0, 0.89, None),
        (1, 0.9, Some(Phase::Firing)),
        (2, 0.85, None),
        (3, 0.95, None),
        (4, 0.8, None),
        (5, 0.79, Some(Phase::Resolved)),
        // Between the two it is not told again.
        (6, 0.85, None),
        (7, 1.0, Some(Phase::Firing)),
    ] {
        let alerts = told(detector.see_vault(&using(share), at(second)));
        let expected = expected.map(|phase| (Kind::LimitNear, "daily".to_owned(), phase));
        assert_eq!(alerts, Vec::from_iter(expected), "{share} at {second}");
    }
    // A limit that the policy no longer has is no longer near.
    let gone = detector.see_vault(&VaultSight::default(), at(8));
    assert_eq!(told(gone)[0].2, Phase::Resolved);
}

#[test]
fn what_the_vault_says_does_not_end_what_parts_say() {
    let mut detector = detector();
    detector.see_parts(down(Kind::NodeDown, "bitcoin"), at(0));
    assert_eq!(
        detector
            .see_parts(down(Kind::NodeDown, "bitcoin"), at(10))
            .len(),
        1
    );
    assert_eq!(
        told(detector.see_vault(&VaultSight::default(), at(100))),
        []
    );
    assert_eq!(told(detector.tick(at(100))), []);
    assert_eq!(detector.active()[&Kind::NodeDown], 1);
}

#[test]
fn many_denials_in_a_short_time_are_one_alert_until_they_are_few() {
    let mut detector = detector();
    for number in 0..3 {
        detector.note(&Fact::Denied(id(number)), at(number.into()));
        // The same payout again is not another one.
        detector.note(&Fact::Denied(id(number)), at(number.into()));
    }
    assert_eq!(told(detector.tick(at(3))), []);
    detector.note(&Fact::Denied(id(3)), at(50));
    let burst = (Kind::DenialBurst, String::new(), Phase::Firing);
    assert_eq!(told(detector.tick(at(50))), [burst]);
    detector.note(&Fact::Denied(id(4)), at(55));
    assert_eq!(told(detector.tick(at(55))), []);
    // Two of them are left: half of the threshold.
    assert_eq!(told(detector.tick(at(63))), []);
    let over = (Kind::DenialBurst, String::new(), Phase::Resolved);
    assert_eq!(told(detector.tick(at(110))), [over]);
}

#[test]
fn denials_that_come_slowly_are_no_burst_and_new_destinations_are_counted_apart() {
    let mut detector = detector();
    for number in 0..20_u8 {
        let now = at(u64::from(number) * 30);
        detector.note(&Fact::Denied(id(number)), now);
        assert_eq!(told(detector.tick(now)), []);
    }
    for number in 100..103 {
        detector.note(&Fact::NewDestination(id(number)), at(1_000));
    }
    let spike = (Kind::NewDestinations, String::new(), Phase::Firing);
    assert_eq!(told(detector.tick(at(1_000))), [spike]);
}

#[test]
fn an_incident_is_told_once_until_it_was_quiet_for_long_enough() {
    let mut detector = detector();
    let mismatch = |target: &str| Fact::Suspect {
        kind: Kind::StatementMismatch,
        principal: "operator/alice".to_owned(),
        target: target.to_owned(),
        detail: "its amount differs".to_owned(),
    };
    let first = detector
        .note(&mismatch("/v1/withdrawals/a"), at(0))
        .unwrap();
    assert!(first.summary.contains("operator/alice"), "{first:?}");
    assert!(first.summary.contains("amount differs"), "{first:?}");
    assert!(
        detector
            .note(&mismatch("/v1/withdrawals/b"), at(1))
            .is_some()
    );
    // Repeated within the time, it begins anew.
    assert_eq!(detector.note(&mismatch("/v1/withdrawals/a"), at(99)), None);
    detector.tick(at(150));
    assert_eq!(detector.note(&mismatch("/v1/withdrawals/a"), at(150)), None);
    assert_eq!(detector.active()[&Kind::StatementMismatch], 1);
    detector.tick(at(250));
    assert_eq!(detector.active()[&Kind::StatementMismatch], 0);
    assert!(
        detector
            .note(&mismatch("/v1/withdrawals/a"), at(251))
            .is_some()
    );
}

#[test]
fn one_speaker_is_told_of_so_many_times_and_keeps_nobody_else_from_being_told_of() {
    let mut detector = detector();
    let mismatch = |who: &str, number: usize| Fact::Suspect {
        kind: Kind::StatementMismatch,
        principal: who.to_owned(),
        target: format!("/v1/withdrawals/{number}"),
        detail: "its amount differs".to_owned(),
    };
    let told = (0..500).filter_map(|n| detector.note(&mismatch("operator/alice", n), at(0)));
    let subjects: Vec<String> = told.map(|alert| alert.subject).collect();
    assert_eq!(subjects.len(), 17, "{subjects:?}");
    assert_eq!(subjects[16], "operator/alice others");
    let bob = detector.note(&mismatch("operator/bob", 0), at(1)).unwrap();
    assert_eq!(bob.subject, "operator/bob /v1/withdrawals/0");
}

#[test]
fn a_journal_that_verifies_again_ends_what_an_audit_found_and_nothing_else() {
    let mut detector = detector();
    let moved = Fact::JournalMoved("conflict".to_owned());
    assert!(detector.note(&moved, at(0)).is_some());
    let fault = detector.see_audit(Some("row 7".to_owned()), at(1));
    assert_eq!(fault[0].summary, "row 7");
    assert_eq!(detector.active()[&Kind::JournalFault], 2);
    assert_eq!(told(detector.see_audit(None, at(2)))[0].2, Phase::Resolved);
    assert_eq!(detector.active()[&Kind::JournalFault], 1);
}

#[test]
fn however_many_subjects_there_are_what_is_remembered_is_bounded() {
    let mut detector = detector();
    let mut alerts = 0;
    for number in 0..MOST_SUBJECTS + 50 {
        let forged = Fact::Suspect {
            kind: Kind::RequestForged,
            principal: format!("client/shop-{number}"),
            target: "/v1/withdrawals".to_owned(),
            detail: String::new(),
        };
        alerts += usize::from(detector.note(&forged, at(0)).is_some());
    }
    assert_eq!(alerts, MOST_SUBJECTS + 1, "all beyond are one");
    assert_eq!(detector.active()[&Kind::RequestForged], MOST_SUBJECTS + 1);
}

#[test]
fn after_a_restart_what_still_holds_is_not_told_again_and_what_ended_meanwhile_is() {
    let mut before = detector();
    before.see_parts(down(Kind::NodeDown, "bitcoin"), at(0));
    let mut both = down(Kind::NodeDown, "bitcoin");
    both.extend(down(Kind::NodeDown, "litecoin"));
    before.see_parts(both.clone(), at(10));
    let mut frozen = using(0.0);
    frozen.conditions = down(Kind::Frozen, "vault");
    before.see_vault(&frozen, at(11));
    before.see_parts(down(Kind::HsmNonces, ""), at(12));
    // Litecoin's node was not told yet.
    let told = before.told();
    assert_eq!(told.len(), 3, "{told:?}");

    let mut after = detector();
    after.go_on_from(told);
    assert_eq!(after.active()[&Kind::NodeDown], 1);
    // The canary looks again in a day, so nothing is known of it.
    assert_eq!(after.active()[&Kind::HsmNonces], 0);
    // The first glance comes before anything was asked.
    assert_eq!(self::told(after.see_parts(Vec::new(), at(100))), []);
    assert_eq!(self::told(after.see_parts(both, at(101))), []);
    assert_eq!(self::told(after.see_vault(&frozen, at(101))), []);
    let over = after.see_vault(&using(0.0), at(102));
    assert_eq!((over[0].phase, over[0].since), (Phase::Resolved, at(11)));
    let litecoin = down(Kind::NodeDown, "litecoin");
    after.see_parts(litecoin.clone(), at(103));
    let over = after.see_parts(litecoin, at(108));
    assert_eq!(
        (over[0].subject.as_str(), over[0].phase, over[0].since),
        ("bitcoin", Phase::Resolved, at(0))
    );
}

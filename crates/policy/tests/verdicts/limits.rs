//! What limits do to verdicts, and what they say about their use.

use custodyd_policy::{
    DestinationClass, Facts, Fault, HOUR_MS, LimitBook, MINUTE_MS, Measure, Outcome, Reason, Tier,
    Timestamp,
};

use crate::common::{ADDRESSES, ALLOW, facts, id, policy};
use crate::{allowed, limit, minutes_ago, reserve};

#[test]
fn a_limit_denies_what_its_window_has_no_room_for_and_shows_its_numbers() {
    let policy = policy(&format!(
        "{ALLOW}{}",
        limit(
            "daily",
            "per = \"wallet\"\nmax_amount = \"10 LTC\"\non_breach = \"deny\""
        )
    ));
    let mut book = LimitBook::default();
    reserve(&policy, &mut book, 1, "8 LTC", minutes_ago(30));
    assert_eq!(
        policy.evaluate(&facts(2, "2 LTC"), &book).outcome,
        allowed(&[], 0)
    );
    let verdict = policy.evaluate(&facts(2, "3 LTC"), &book);
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert_eq!(
        verdict.reasons[0].to_string(),
        "limit \"daily\" on wallet hot: used 8 LTC + 3 LTC of at most 10 LTC in 1h, which is above it; \
         it would fit at 2026-03-04T10:30:00Z"
    );
    let json = serde_json::to_value(&verdict.reasons[0]).unwrap();
    assert_eq!(json["code"], "limit_exceeded");
    assert_eq!(json["check"]["used"], "8 LTC");
    // Another wallet has its own window.
    let mut other = facts(2, "3 LTC");
    other.wallet = "hot-2".parse().unwrap();
    assert_eq!(policy.evaluate(&other, &book).outcome, allowed(&[], 0));
}

#[test]
fn each_dimension_counts_apart_what_differs_in_it() {
    let mut other = facts(9, "1 LTC");
    other.vault = "second".parse().unwrap();
    other.wallet = "hot-2".parse().unwrap();
    other.tier = Tier::Cold;
    other.initiator = "client/payroll".parse().unwrap();
    other.destination = serde_json::from_value(ADDRESSES[1].into()).unwrap();
    for per in ["vault", "wallet", "tier", "client", "destination", "asset"] {
        let policy = policy(&format!(
            "{ALLOW}{}",
            limit(
                "l",
                &format!("per = \"{per}\"\nmax_count = 1\non_breach = \"deny\"")
            )
        ));
        let mut book = LimitBook::default();
        reserve(&policy, &mut book, 1, "1 LTC", minutes_ago(1));
        assert_eq!(
            policy.evaluate(&facts(2, "1 LTC"), &book).outcome,
            Outcome::Deny,
            "{per}"
        );
        let of_other = policy.evaluate(&other, &book).outcome;
        // All of it is Litecoin.
        assert_eq!(of_other == Outcome::Deny, per == "asset", "{per}");
        assert_ne!(
            policy.evaluate(&facts(2, "1 ETH"), &book).outcome == Outcome::Deny,
            per == "asset" || per == "destination",
            "{per}"
        );
    }
}

#[test]
fn a_hold_names_the_first_instant_at_which_every_limit_has_room() {
    let policy = policy(&format!(
        "{ALLOW}{}{}",
        limit(
            "amount",
            "per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"hold\""
        ),
        limit(
            "count",
            "per = \"client\"\nmax_count = 3\non_breach = \"hold\""
        ),
    ));
    let mut book = LimitBook::default();
    for (serial, amount, ago) in [(1, "4 LTC", 50), (2, "1 LTC", 40), (3, "4 LTC", 30)] {
        reserve(&policy, &mut book, serial, amount, minutes_ago(ago));
    }
    let now = facts(0, "1 LTC").at;
    let at = |minutes: u64| Outcome::HoldForLimit {
        until: now.checked_add_ms(minutes * MINUTE_MS).unwrap(),
    };
    // The count has room when the first leaves, and so has 5 LTC; 6 need the second to leave as well.
    assert_eq!(policy.evaluate(&facts(4, "1 LTC"), &book).outcome, at(10));
    assert_eq!(policy.evaluate(&facts(4, "5 LTC"), &book).outcome, at(10));
    assert_eq!(policy.evaluate(&facts(4, "6 LTC"), &book).outcome, at(20));
    assert_eq!(policy.evaluate(&facts(4, "7 LTC"), &book).outcome, at(30));
    // What is above the limit by itself never fits.
    let verdict = policy.evaluate(&facts(4, "10.1 LTC"), &book);
    assert_eq!(verdict.outcome, Outcome::Deny);
    assert!(
        verdict.to_string().contains("it alone is above the limit"),
        "{verdict}"
    );
    // It does fit then, and not a millisecond before.
    let mut later = facts(4, "6 LTC");
    later.at = now.checked_add_ms(20 * MINUTE_MS).unwrap();
    assert_eq!(policy.evaluate(&later, &book).outcome, allowed(&[], 0));
    later.at = later.at.checked_sub_ms(1).unwrap();
    assert_eq!(policy.evaluate(&later, &book).outcome, at(20));
}

#[test]
fn a_limit_may_ask_for_people_instead() {
    let ask = "per = \"vault\"\nmax_count = 1\non_breach = \"quorum\"\nrequire = [{ group = \"security\", quorum = 1 }]";
    let policy = policy(&format!("{ALLOW}{}", limit("l", ask)));
    let mut book = LimitBook::default();
    reserve(&policy, &mut book, 1, "1 LTC", minutes_ago(1));
    let verdict = policy.evaluate(&facts(2, "1 LTC"), &book);
    assert_eq!(verdict.outcome, allowed(&[("security", 1)], 0));
    assert!(
        verdict.to_string().contains("it asks for 1 of security"),
        "{verdict}"
    );
}

#[test]
fn a_withdrawal_does_not_stand_in_its_own_way() {
    for on_breach in ["deny", "hold"] {
        let policy = policy(&format!(
            "{ALLOW}{}",
            limit(
                "l",
                &format!("per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"{on_breach}\"")
            )
        ));
        let mut book = LimitBook::default();
        reserve(&policy, &mut book, 1, "4 LTC", minutes_ago(50));
        reserve(&policy, &mut book, 2, "6 LTC", minutes_ago(10));
        assert_eq!(
            policy.evaluate(&facts(2, "6 LTC"), &book).outcome,
            allowed(&[], 0)
        );
        let more = policy.evaluate(&facts(2, "7 LTC"), &book);
        let Reason::LimitExceeded { check, fits_at, .. } = &more.reasons[0] else {
            panic!("{more}")
        };
        assert_eq!(check.used, Measure::Amount("4 LTC".parse().unwrap()));
        assert_eq!(*fits_at, minutes_ago(50).checked_add_ms(HOUR_MS));
    }
}

#[test]
fn usage_lists_each_key_and_limits_that_nobody_uses() {
    let policy = policy(&format!(
        "{ALLOW}{}{}",
        limit(
            "amount",
            "per = \"wallet\"\nmax_amount = \"10 LTC\"\non_breach = \"deny\""
        ),
        limit(
            "btc",
            "per = \"vault\"\nmax_amount = \"1 BTC\"\non_breach = \"deny\""
        ),
    ));
    let mut book = LimitBook::default();
    for (serial, wallet, ago) in [(1, "hot-2", 55), (2, "hot-1", 50), (3, "hot-2", 10)] {
        let mut admitted = facts(serial, "2 LTC");
        (admitted.wallet, admitted.at) = (wallet.parse().unwrap(), minutes_ago(ago));
        book.reserve(&policy, &admitted);
    }
    let now = facts(0, "1 LTC").at;
    let usage = book.usage(&policy, now);
    let shown: Vec<_> = usage
        .iter()
        .map(|u| {
            format!(
                "{} {} {} of {} ({})",
                u.limit, u.key, u.used, u.max, u.count
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "amount wallet hot-1 2 LTC of 10 LTC (1)",
            "amount wallet hot-2 4 LTC of 10 LTC (2)",
            "btc any vault 0 BTC of 1 BTC (0)",
        ]
    );
    assert_eq!(usage[1].frees_at, minutes_ago(55).checked_add_ms(HOUR_MS));
    assert_eq!(usage[1].resets_at, minutes_ago(10).checked_add_ms(HOUR_MS));
    // Released and expired ones are gone.
    book.release(&id(3));
    let later = now.checked_add_ms(5 * MINUTE_MS).unwrap();
    assert_eq!(book.usage(&policy, later).len(), 2);
}

#[test]
fn a_hold_that_would_end_after_the_last_instant_is_a_fault() {
    let policy = policy(&format!(
        "{ALLOW}{}",
        limit("l", "per = \"vault\"\nmax_count = 1\non_breach = \"hold\"")
    ));
    let mut book = LimitBook::default();
    let last = Timestamp::from_ms(u64::MAX);
    reserve(&policy, &mut book, 1, "1 LTC", last);
    let mut asked = facts(2, "1 LTC");
    asked.at = last;
    let limit = "l".parse().unwrap();
    assert_eq!(
        policy.evaluate(&asked, &book).reasons,
        [Reason::EvaluationFailed {
            fault: Fault::TimeOutOfRange { limit }
        }]
    );
}

#[test]
fn what_is_above_a_limit_by_itself_never_waits_even_where_nothing_is_used() {
    for on_breach in ["deny", "hold"] {
        let body = format!("per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"{on_breach}\"");
        let policy = policy(&format!("{ALLOW}{}", limit("l", &body)));
        let verdict = policy.evaluate(&facts(1, "11 LTC"), &LimitBook::default());
        assert_eq!(verdict.outcome, Outcome::Deny, "{on_breach}");
        let book = LimitBook::for_policy(&policy, Vec::<Facts>::new());
        let verdict = policy.evaluate(&facts(1, "11 LTC"), &book);
        assert_eq!(verdict.outcome, Outcome::Deny, "{on_breach}");
    }
}

#[test]
fn an_admission_that_a_limit_did_not_count_is_not_taken_off_it() {
    let body = "per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"deny\"\nwhen = { destination = [\"known\"] }";
    let policy = policy(&format!("{ALLOW}{}", limit("l", body)));
    let mut book = LimitBook::default();
    let mut asked = facts(1, "6 LTC");
    asked.class = DestinationClass::New;
    book.reserve(&policy, &asked);
    reserve(&policy, &mut book, 2, "6 LTC", asked.at);
    assert_eq!(policy.evaluate(&asked, &book).outcome, allowed(&[], 0));
    // Meanwhile its destination became known.
    asked.class = DestinationClass::Known;
    assert_eq!(policy.evaluate(&asked, &book).outcome, Outcome::Deny);
}

#[test]
fn a_limit_is_about_its_asset_however_that_is_said() {
    for more in [
        "asset = \"LTC\"",
        "when = { chain = [\"litecoin-regtest\"] }",
        "when = { chain = [\"bitcoin\", \"litecoin-regtest\"] }",
    ] {
        let body =
            format!("per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"deny\"\n{more}");
        let policy = policy(&format!("{ALLOW}{}", limit("l", &body)));
        let outcome = |amount| {
            policy
                .evaluate(&facts(1, amount), &LimitBook::default())
                .outcome
        };
        assert_eq!(outcome("11 LTC"), Outcome::Deny, "{more}");
        assert_eq!(outcome("10 LTC"), allowed(&[], 0), "{more}");
        assert_eq!(outcome("11 BTC"), allowed(&[], 0), "{more}");
    }
}

#[test]
fn an_admission_that_is_judged_again_is_left_out_once_while_it_waits_for_others() {
    let body = "per = \"vault\"\nmax_amount = \"10 LTC\"\non_breach = \"hold\"";
    let policy = policy(&format!("{ALLOW}{}", limit("l", body)));
    let mut book = LimitBook::default();
    for (serial, ago) in [(1, 50), (2, 40), (3, 30)] {
        reserve(&policy, &mut book, serial, "4 LTC", minutes_ago(ago));
    }
    let until = |serial, amount| match policy.evaluate(&facts(serial, amount), &book).outcome {
        Outcome::HoldForLimit { until } => until,
        outcome => panic!("{outcome}"),
    };
    // Its own 4 leave first, and then are not there to be left out a second time.
    assert_eq!(
        Some(until(1, "8 LTC")),
        minutes_ago(30).checked_add_ms(HOUR_MS)
    );
    assert_eq!(
        Some(until(3, "8 LTC")),
        minutes_ago(40).checked_add_ms(HOUR_MS)
    );
}

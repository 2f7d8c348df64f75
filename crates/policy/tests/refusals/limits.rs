//! Limits that have no window, no unit, no maximum or no consequence.

use custodyd_policy::PolicyFault;

use crate::{after_head, limit, refused, rule};

#[test]
fn a_window_of_zero_or_without_unit() {
    let window = |text: &str| {
        limit(&format!(
            "per = \"vault\"\nmax_count = 1\non_breach = \"deny\"\nwindow = {text}"
        ))
    };
    refused!(window("\"0h\""), PolicyFault::Duration { .. }, "is zero");
    refused!(window("\"24\""), PolicyFault::Duration { .. }, "\"24h\"");
    refused!(window("\"367d\""), PolicyFault::Duration { .. }, "366d");
    refused!(window("24"), PolicyFault::Syntax { .. }, "with their unit");
    refused!(
        rule("effect = \"require\"\nhold = \"0s\""),
        PolicyFault::Duration { .. },
        "is zero"
    );
    refused!(
        after_head("[approvals]\nexpire_after = \"1 day\"\n").1,
        PolicyFault::Duration { .. },
        "\"24h\""
    );
    refused!(
        after_head("[destinations]\ncool_off = \"-1h\"\n").1,
        PolicyFault::Duration { .. },
        "\"24h\""
    );
}

#[test]
fn a_limit_without_unit_or_without_maximum() {
    let with = |body: &str| {
        limit(&format!(
            "per = \"vault\"\nwindow = \"1h\"\non_breach = \"deny\"\n{body}"
        ))
    };
    refused!(
        with("max_amount = \"10\""),
        PolicyFault::AmountWithoutUnit { .. },
        "\"10 LTC\""
    );
    refused!(
        with("max_amount = 10"),
        PolicyFault::Syntax { .. },
        "\"10 LTC\""
    );
    refused!(
        with("max_amount = \"10 DOGE\""),
        PolicyFault::Amount { .. },
        "BTC, LTC, ETH"
    );
    refused!(
        with("max_amount = \"1e3 LTC\""),
        PolicyFault::Amount { .. },
        "max_amount"
    );
    refused!(
        with("max_amount = \"-1 LTC\""),
        PolicyFault::Amount { .. },
        "max_amount"
    );
    refused!(
        with("max_amount = \"0.000000001 LTC\""),
        PolicyFault::Amount { .. },
        "decimals"
    );
    refused!(
        with("max_amount = \"0 LTC\""),
        PolicyFault::ZeroMaximum { .. },
        "deny rule"
    );
    refused!(
        with("max_count = 0"),
        PolicyFault::ZeroMaximum { .. },
        "deny rule"
    );
    refused!(with("max_count = -1"), PolicyFault::Syntax { .. }, "-1");
    refused!(
        with(""),
        PolicyFault::OneMaximum { .. },
        "`max_amount` or `max_count`"
    );
    refused!(
        with("max_count = 1\nmax_amount = \"1 LTC\""),
        PolicyFault::OneMaximum { .. },
        "a limit each"
    );
    refused!(
        with("asset = \"BTC\"\nmax_amount = \"1 LTC\""),
        PolicyFault::LimitAsset { .. },
        "in one asset"
    );
}

#[test]
fn a_limit_whose_breach_does_not_say_who() {
    let with = |body: &str| {
        limit(&format!(
            "per = \"vault\"\nwindow = \"1h\"\nmax_count = 1\n{body}"
        ))
    };
    refused!(
        with("on_breach = \"quorum\""),
        PolicyFault::QuorumWithoutRequire { .. },
        "require = ["
    );
    refused!(
        with("on_breach = \"deny\"\nrequire = [{ group = \"treasury\", quorum = 1 }]"),
        PolicyFault::RequireWithoutQuorum { .. },
        "on_breach = \"quorum\""
    );
    refused!(
        with("on_breach = \"alert\""),
        PolicyFault::Syntax { .. },
        "`deny`, `hold`, `escalate`, `quorum`"
    );
}

#[test]
fn an_escalation_is_a_quorum_by_its_other_name() {
    let with = |on_breach: &str| {
        let require = "require = [{ group = \"treasury\", quorum = 2 }]";
        crate::common::policy(&format!(
            "{}[[limits]]\nid = \"l\"\nper = \"vault\"\nwindow = \"1h\"\nmax_count = 1\non_breach = \"{on_breach}\"\n{require}\n",
            crate::common::ALLOW
        ))
    };
    // Nothing but the text differs.
    let kinds = with("quorum").kinds_changed(&with("escalate"));
    assert!(kinds.into_iter().eq([custodyd_policy::ChangeKind::Rules]));
}

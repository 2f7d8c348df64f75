//! Rules that could never match, or whose effect has no use for what they ask.

use custodyd_policy::PolicyFault;

use crate::common::HEAD;
use crate::{limit, refusal, refused, rule};

#[test]
fn a_rule_that_can_never_match() {
    let when = |when: &str| rule(&format!("effect = \"deny\"\nwhen = {{ {when} }}"));
    for field in ["tier", "wallet", "asset", "client", "destination"] {
        refused!(
            when(&format!("{field} = []")),
            PolicyFault::EmptyList { .. },
            "can never match"
        );
    }
    refused!(
        when("client = [\"a\", \"a\"]"),
        PolicyFault::DuplicateInList { .. },
        "names a twice"
    );
    refused!(
        when("amount = {}"),
        PolicyFault::NoBound { .. },
        "`above`, `at_most` or both"
    );
    refused!(
        when("amount = { above = \"2 LTC\", at_most = \"1 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { above = \"1 LTC\", at_most = \"1.0 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { at_most = \"0 LTC\" }"),
        PolicyFault::EmptyRange { .. },
        "can never match"
    );
    refused!(
        when("amount = { above = \"1\" }"),
        PolicyFault::AmountWithoutUnit { .. },
        "\"1 LTC\""
    );
    refused!(
        when("amount = { above = \"1 LTC\", at_most = \"2 BTC\" }"),
        PolicyFault::MixedBounds { .. },
        "in one asset"
    );
    refused!(
        when("asset = [\"BTC\", \"LTC\"], amount = { above = \"1 LTC\" }"),
        PolicyFault::AssetNeverMatches { .. },
        "asset = [\"LTC\"]"
    );
    let hours = |hours: &str| when(&format!("hours = {{ {hours} }}"));
    refused!(
        hours("from = \"09:00\", to = \"09:00\""),
        PolicyFault::EmptyHours { .. },
        "for whole days"
    );
    refused!(
        hours("from = \"09:00\", to = \"17:00\", days = []"),
        PolicyFault::EmptyList { .. },
        "`days`"
    );
    refused!(
        hours("from = \"9:00\", to = \"17:00\""),
        PolicyFault::Clock { key: "from", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"24:00\", to = \"17:00\""),
        PolicyFault::Clock { key: "from", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"09:00\", to = \"25:00\""),
        PolicyFault::Clock { key: "to", .. },
        "HH:MM"
    );
    refused!(
        hours("from = \"09:00\", to = \"10:00\", utc_offset_minutes = 841"),
        PolicyFault::UtcOffset { .. },
        "-720 to 840"
    );
    let blocked = "when = { destination = [\"blocked\"] }";
    refused!(
        rule(&format!("effect = \"allow\"\n{blocked}")),
        PolicyFault::OnlyBlocked { .. },
        "always denied"
    );
    let body = "per = \"vault\"\nwindow = \"1h\"\nmax_amount = \"1 LTC\"\non_breach = \"deny\"\n";
    refused!(
        limit(&format!("{body}{blocked}")),
        PolicyFault::OnlyBlocked { .. },
        "always denied"
    );
    refused!(
        limit(&format!("{body}when = {{ asset = [\"BTC\"] }}")),
        PolicyFault::AssetNeverMatches { .. },
        "LTC"
    );
    refused!(
        limit(&format!(
            "{body}when = {{ amount = {{ above = \"1 BTC\" }} }}"
        )),
        PolicyFault::AssetNeverMatches { .. },
        "LTC"
    );
}

#[test]
fn a_rule_whose_effect_cannot_use_what_it_asks() {
    refused!(
        rule("effect = \"deny\"\nhold = \"1h\""),
        PolicyFault::DenyAsks { key: "hold", .. },
        "remove `hold`"
    );
    refused!(
        rule("effect = \"deny\"\nrequire = [{ group = \"treasury\", quorum = 1 }]"),
        PolicyFault::DenyAsks { key: "require", .. },
        "remove `require`"
    );
    refused!(
        rule("effect = \"require\""),
        PolicyFault::RequiresNothing { .. },
        "add `require` or `hold`"
    );
    let nothing = refusal(HEAD);
    refused!(
        nothing.fault,
        PolicyFault::NothingAllowed,
        "everything would be denied"
    );
}

#[test]
fn conditions_that_exclude_each_other() {
    for (when, says) in [
        (
            "asset = [\"BTC\"], chain = [\"litecoin\"]",
            "no chain of `chain`",
        ),
        (
            "amount = { above = \"1 LTC\" }, chain = [\"bitcoin\", \"eip155:1\"]",
            "no chain of `chain`",
        ),
        (
            "amount = { above = \"1 LTC\" }, fee = { above = \"1 BTC\" }",
            "in two assets",
        ),
        (
            "destination = [\"known\", \"new\"], destination_tier = [\"hot\"]",
            "our own wallets",
        ),
        (
            "destination = [\"known\"], flag = [\"cooling-off\"]",
            "cools off",
        ),
        (
            "asset = [\"LTC\"], call = [\"erc20-transfer\"]",
            "only EVM chains",
        ),
        (
            "chain = [\"bitcoin\"], call = [\"unknown\"]",
            "only EVM chains",
        ),
        (
            "amount = { above = \"1 LTC\" }, call = [\"erc20-approve\"]",
            "only EVM chains",
        ),
        (
            "client = [\"shop\"], initiator = [\"client/other\", \"operator/alice\"]",
            "no client of `client`",
        ),
    ] {
        let fault = rule(&format!("effect = \"deny\"\nwhen = {{ {when} }}"));
        refused!(fault, PolicyFault::NeverMatches { .. }, "can never match");
        assert!(fault.to_string().contains(says), "{fault}");
    }
    let fee = rule("effect = \"deny\"\nwhen = { asset = [\"BTC\"], fee = { above = \"1 LTC\" } }");
    refused!(fee, PolicyFault::AssetNeverMatches { .. }, "LTC");
    let cold_to_hot = "when = { tier = [\"cold\"], destination_tier = [\"hot\"] }";
    refused!(
        rule(&format!("effect = \"allow\"\n{cold_to_hot}")),
        PolicyFault::OnlyColdToHot { .. },
        "always denied"
    );
    // These can.
    for when in [
        "asset = [\"BTC\", \"LTC\"], chain = [\"litecoin\"]",
        "chain = [\"litecoin\"], amount = { above = \"1 LTC\" }, fee = { above = \"0.1 LTC\" }",
        "destination = [\"own\", \"known\"], destination_tier = [\"hot\"]",
        "destination = [\"known\"], flag = [\"cooling-off\", \"first-seen\"]",
        "asset = [\"LTC\", \"ETH\"], call = [\"erc20-transfer\"]",
        "asset = [\"LTC\"], call = [\"erc20-transfer\", \"native\"]",
        "client = [\"shop\"], initiator = [\"client/shop\", \"operator/alice\"]",
        "tier = [\"cold\"], destination_tier = [\"hot\", \"warm\"]",
    ] {
        crate::common::policy(&format!(
            "{}[[rules]]\nid = \"r\"\neffect = \"deny\"\nwhen = {{ {when} }}\n",
            crate::common::ALLOW
        ));
    }
}

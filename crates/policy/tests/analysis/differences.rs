//! Differences in words: which requests are judged otherwise, which limits only one policy has, which sections changed.

use custodyd_policy::analysis::{diff, diff_within};

use crate::{head, parse, plain};

const HOT: &str = "[[rules]]\nid = \"hot\"\neffect = \"allow\"\n\
    when = { tier = [\"hot\"], asset = [\"BTC\"], destination = [\"known\"] }\n";

/// What changes where this is added to the policy.
fn added(rest: &str) -> String {
    told(&head(HOT), &head(&format!("{HOT}{rest}")))
}

fn told(old: &str, new: &str) -> String {
    plain(&diff(&parse(old), &parse(new)).unwrap().to_string())
}

#[test]
fn a_verdict_that_changes_is_told_with_a_request_and_both_verdicts() {
    assert_eq!(
        added("[[rules]]\nid = \"no\"\neffect = \"deny\"\nwhen = { amount = { above = \"1 BTC\", at_most = \"3 BTC\" } }\n"),
        "was allowed; now denied:
  tier hot, asset BTC, destination known, amount above 1 BTC and at most 3 BTC
  for example 3 BTC from hot wallet any-wallet to ADDRESS (known), asked for by client/any-client at 2026-01-07T10:00:00Z
    old: allowed
      - rule \"hot\" allows it: tier hot is hot, asset BTC is BTC, destination known is known
    new: denied
      - rule \"no\" denies it: amount 3 BTC is above 1 BTC and at most 3 BTC
"
    );
    let asks = "[[rules]]\nid = \"ask\"\neffect = \"require\"\nrequire = [{ group = \"treasury\", quorum = 1 }]\n";
    assert!(added(asks).starts_with("was allowed; now allowed with approval by 1 of treasury:\n"));
    let held = added(&format!("{asks}hold = \"1h\"\n"));
    assert!(held.starts_with(
        "was allowed; now allowed with approval by 1 of treasury, after a hold of 1h:\n"
    ));
    assert_eq!(added(""), "no change\n");
}

#[test]
fn requests_are_described_by_what_sets_them_apart() {
    let within = "tier hot, asset BTC, destination known";
    for (when, wanted) in [
        (
            "amount = { at_most = \"3 BTC\" }",
            vec![format!("{within}, amount at most 3 BTC")],
        ),
        (
            "amount = { above = \"0.5 BTC\" }",
            vec![format!("{within}, amount above 0.5 BTC")],
        ),
        (
            "fee = { above = \"0.001 BTC\" }",
            vec![format!("{within}, fee above 0.001 BTC")],
        ),
        (
            "fiat = { above = \"100 USD\", at_most = \"250 USD\" }",
            vec![
                format!("{within}, value without a price"),
                format!("{within}, value 100.01 USD to 250 USD"),
            ],
        ),
        (
            "wallet = [\"a\", \"b\", \"c\"]",
            vec!["tier hot, asset BTC, wallet a or b or c, destination known".to_owned()],
        ),
        (
            "initiator = [\"operator/alice\"], tag = [\"t\"]",
            vec![format!("{within}, initiator operator/alice, t")],
        ),
        (
            "flag = [\"look-alike\", \"first-seen\"]",
            vec![
                format!("{within}, first-seen"),
                format!("{within}, not first-seen, look-alike"),
            ],
        ),
        (
            "chain = [\"bitcoin\"]",
            vec!["tier hot, asset BTC, chain bitcoin, destination known".to_owned()],
        ),
        (
            "hours = { from = \"09:00\", to = \"17:00\", time_zone = \"UTC\" }",
            vec![format!("{within}, at times such as 2026-01-05T09:00:00Z")],
        ),
    ] {
        let told = added(&format!(
            "[[rules]]\nid = \"no\"\neffect = \"deny\"\nwhen = {{ {when} }}\n"
        ));
        let lines = told
            .lines()
            .skip(1)
            .take_while(|line| !line.starts_with("  for example"));
        let lines: Vec<&str> = lines.map(str::trim).collect();
        assert_eq!(lines, wanted, "{told}");
    }
}

#[test]
fn a_limit_that_only_one_policy_has_is_told_with_what_uses_it_up() {
    let limit = |rest: &str| format!("[[limits]]\nid = \"l\"\n{rest}\n");
    let client = limit("per = \"client\"\nmax_count = 2\nwindow = \"1h\"\non_breach = \"hold\"");
    assert_eq!(
        added(&client),
        "only the new policy has limit \"l\": at most 2 withdrawals in 1h per client, above that held
  for example 1 BTC from hot wallet any-wallet to ADDRESS (known), asked for by client/any-client at 2026-01-07T10:00:00Z, after 2 of 1 BTC 1m before
    old: allowed
      - rule \"hot\" allows it: tier hot is hot, asset BTC is BTC, destination known is known
    new: held until 2026-01-07T10:59:00Z
      - limit \"l\" on client any-client: used 2 + 1 of at most 2 in 1h, which is above it; it would fit at 2026-01-07T10:59:00Z
"
    );
    let gone = told(&head(&format!("{HOT}{client}")), &head(HOT));
    assert!(gone.starts_with("only the old policy has limit \"l\": at most 2 withdrawals in 1h per client, above that held\n"));
    let vault = added(&limit(
        "per = \"vault\"\nmax_amount = \"5 BTC\"\nwindow = \"24h\"\non_breach = \"deny\"",
    ));
    assert!(vault.contains("\nonly the new policy has limit \"l\": at most 5 BTC in 24h per vault, above that denied\n"), "{vault}");
    assert!(vault.contains(", after 1 of 5 BTC 1m before\n"), "{vault}");
    let fiat = added(&limit(
        "per = \"destination\"\nmax_fiat = \"100 USD\"\nwindow = \"24h\"\non_breach = \"quorum\"\nrequire = [{ group = \"treasury\", quorum = 2 }]",
    ));
    assert!(
        fiat.contains("tier hot, asset BTC, destination known, value at least 100.01 USD\n"),
        "{fiat}"
    );
    assert!(
        fiat.contains(" at 2026-01-07T10:00:00Z, worth 100.01 USD\n"),
        "{fiat}"
    );
    assert!(
        fiat.contains(
            "at most 100 USD in 24h per destination, above that approved by 2 of treasury\n"
        ),
        "{fiat}"
    );
}

#[test]
fn a_limit_that_differs_only_in_its_name_is_no_change() {
    let limit = |id: &str| {
        format!(
            "{HOT}[[limits]]\nid = \"{id}\"\nper = \"vault\"\nmax_count = 2\nwindow = \"1h\"\non_breach = \"hold\"\n"
        )
    };
    assert_eq!(told(&head(&limit("a")), &head(&limit("b"))), "no change\n");
}

#[test]
fn sections_that_are_no_rules_are_compared_in_words() {
    let base = head(HOT);
    let unfreeze = "unfreeze = [{ group = \"treasury\", quorum = 2 }]";
    let security = "security = [\"carol\", \"dave\"]";
    let cold = "cold = { group = \"security\", quorum = 1 }";
    for (from, to, wanted) in [
        (
            security,
            "security = [\"carol\", \"erin\"]",
            "group security: erin joined\ngroup security: dave left\n",
        ),
        (
            security,
            "security = [\"carol\", \"dave\"]\naudit = [\"erin\", \"frank\"]",
            "group audit is new: erin, frank\n",
        ),
        (
            unfreeze,
            "unfreeze = [{ group = \"treasury\", quorum = 3 }]",
            "governance.unfreeze: was 2 of treasury; now 3 of treasury\n",
        ),
        (
            unfreeze,
            "unfreeze = [{ group = \"treasury\", quorum = 2 }]\nfloor = { people = 2, delay = \"1h\" }",
            "governance.floor: was 2 people and no delay; now 2 people and 1h\n",
        ),
        (
            "[tiers]",
            "[governance.changes]\nrules = { require = [{ group = \"treasury\", quorum = 2 }], delay = \"2h\" }\n[tiers]",
            "governance.changes.rules: was nobody; now 2 of treasury and 2h\n",
        ),
        (
            cold,
            "",
            "tiers.cold: was 1 of security and no delay; now no floor\n",
        ),
        (
            cold,
            "cold = { group = \"security\", quorum = 2, hold = \"1h\" }",
            "tiers.cold: was 1 of security and no delay; now 2 of security and 1h\n",
        ),
        (
            "[tiers]",
            "[approvals]\nexpire_after = \"5h\"\n[tiers]",
            "approvals.expire_after: was 24h; now 5h\n",
        ),
        (
            "[tiers]",
            "[destinations]\ncool_off = \"3h\"\n[tiers]",
            "destinations.cool_off: was 24h; now 3h\n",
        ),
        (
            "15m",
            "10m",
            "fiat: was USD, prices up to 15m old; now USD, prices up to 10m old\n",
        ),
        (
            "USD",
            "EUR",
            "fiat: was USD, prices up to 15m old; now EUR, prices up to 15m old\n",
        ),
    ] {
        assert!(base.contains(from), "{from}");
        let changed = base.replace(from, to);
        assert_eq!(told(&base, &changed), wanted);
        assert_eq!(told(&changed, &changed), "no change\n");
    }
    let audited = base.replace(
        security,
        "security = [\"carol\", \"dave\"]\naudit = [\"erin\"]",
    );
    assert_eq!(told(&audited, &base), "group audit is gone\n");
    let probed = base.replace("[tiers]", "[destinations]\nprobe = { times = 20 }\n[tiers]");
    assert!(told(&base, &probed).starts_with("destinations: was "));
}

#[test]
fn a_change_of_the_same_kind_is_told_by_who_and_how_long() {
    let with = |quorum: u32, delay: &str| {
        head(HOT).replace("[tiers]", &format!("[governance.changes]\nrules = {{ require = [{{ group = \"treasury\", quorum = {quorum} }}], delay = \"{delay}\" }}\n[tiers]"))
    };
    let base = with(2, "2h");
    assert_eq!(
        told(&base, &with(2, "3h")),
        "governance.changes.rules: was 2 of treasury and 2h; now 2 of treasury and 3h\n"
    );
    assert_eq!(
        told(&base, &with(3, "2h")),
        "governance.changes.rules: was 2 of treasury and 2h; now 3 of treasury and 2h\n"
    );
}

#[test]
fn a_hold_that_alone_changes_is_shown_by_an_example() {
    let asks = "[[rules]]\nid = \"ask\"\neffect = \"require\"\nrequire = [{ group = \"treasury\", quorum = 1 }]\n";
    let old = head(&format!("{HOT}{asks}"));
    let new = head(&format!("{HOT}{asks}hold = \"1h\"\n"));
    let told = told(&old, &new);
    assert!(told.contains("\n  for example "), "{told}");
}

#[test]
fn more_than_five_sets_of_requests_are_counted() {
    let told = added(
        "[[rules]]\nid = \"no\"\neffect = \"deny\"\nwhen = { tag = [\"a\", \"b\", \"c\", \"d\", \"e\", \"f\", \"g\"] }\n",
    );
    assert!(
        told.contains("\n  and 2 more such sets of requests\n"),
        "{told}"
    );
}

#[test]
fn people_who_make_approvals_possible_change_verdicts_where_no_rule_does() {
    let rules = format!(
        "{HOT}[[rules]]\nid = \"two\"\neffect = \"require\"\nrequire = [{{ group = \"security\", quorum = 2 }}]\n\
         [[rules]]\nid = \"one\"\neffect = \"require\"\nrequire = [{{ group = \"audit\", quorum = 1 }}]\n"
    );
    let groups = |audit: &str| {
        let security = "security = [\"carol\", \"dave\"]";
        head(&rules).replace(security, &format!("{security}\naudit = [{audit}]"))
    };
    let told = told(&groups("\"carol\""), &groups("\"carol\", \"erin\""));
    assert!(
        told.starts_with(
            "was denied; now allowed with approval by 1 of audit and 2 of security:\n"
        ),
        "{told}"
    );
}

/// A limit of two withdrawals per day.
fn twice(id: &str, per: &str) -> String {
    format!(
        "[[limits]]\nid = \"{id}\"\nper = \"{per}\"\nmax_count = 2\nwindow = \"24h\"\non_breach = \"hold\"\n"
    )
}

#[test]
fn of_two_limits_alike_one_is_told() {
    let told = added(&(twice("l", "vault") + &twice("m", "vault")));
    assert!(
        told.starts_with("only the new policy has limit \"l\""),
        "{told}"
    );
    assert_eq!(told.matches("only the new policy has").count(), 1, "{told}");
}

#[test]
fn a_limit_on_what_is_partly_denied_anyway_is_told() {
    let all = "[[rules]]\nid = \"hot\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"] }\n";
    let limit = format!("{all}{}", twice("l", "vault"));
    let told = told(&head(all), &head(&limit));
    assert!(
        told.starts_with("only the new policy has limit \"l\""),
        "{told}"
    );
}

#[test]
fn what_a_limit_counts_apart_is_shown_by_withdrawals_that_differ_in_it() {
    let rules = "[[rules]]\nid = \"some\"\neffect = \"allow\"\n\
        when = { tier = [\"hot\", \"warm\"], asset = [\"BTC\"], wallet = [\"a\", \"b\"], destination = [\"known\"], client = [\"one\", \"two\"] }\n";
    for per in ["wallet", "tier", "client", "destination"] {
        let with = |per: &str| head(&format!("{rules}{}", twice("l", per)));
        let told = told(&with("vault"), &with(per));
        let only = told.split("only the ").nth(1).unwrap();
        assert!(only.starts_with("old policy has limit \"l\""), "{told}");
        assert!(only.contains(", after 2 of "), "{per}: {told}");
    }
}

#[test]
fn half_as_many_withdrawals_are_tried_as_regions() {
    let limit = twice("l", "vault").replace("max_count = 2", "max_count = 500");
    let (old, new) = (parse(&head(HOT)), parse(&head(&format!("{HOT}{limit}"))));
    let found = |most| {
        let diff = diff_within(&old, &new, most).unwrap();
        diff.limits[0].example.is_some()
    };
    assert!(!found(999));
    assert!(found(1_000));
}

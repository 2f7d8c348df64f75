//! Answers in words: why a claim is true, which requests show that it is false, and what is missing where neither was
//! shown.

use custodyd_policy::analysis::{Claims, prove_all};

use crate::{head, parse, plain};

const SMALL: &str = "[[rules]]\nid = \"small\"\neffect = \"allow\"\n\
    when = { tier = [\"hot\"], asset = [\"BTC\"], destination = [\"known\", \"new\"], amount = { at_most = \"1 BTC\" } }\n";
const LARGE: &str = "[[rules]]\nid = \"large\"\neffect = \"allow\"\nrequire = [{ group = \"treasury\", quorum = 2 }]\nhold = \"2h\"\n\
    when = { tier = [\"hot\"], asset = [\"BTC\"], destination = [\"known\", \"new\"], amount = { above = \"1 BTC\", at_most = \"4 BTC\" } }\n";
const WORLD: &str = "[world]\nwallets = [{ id = \"w\", tier = \"hot\", network = \"bitcoin\" }]\nclients = [\"shop\"]\nprices = { BTC = \"50000 USD\" }\n";

/// A limit on a day.
fn day(rest: &str) -> String {
    format!("[[limits]]\nid = \"day\"\nwindow = \"24h\"\n{rest}\n")
}

fn vault(max: &str) -> String {
    day(&format!("per = \"vault\"\n{max}\non_breach = \"deny\""))
}

/// What is said of a claim about a policy with these limits.
fn answer(limits: &str, world: &str, claim: &str) -> String {
    let policy = parse(&head(&format!("{SMALL}{LARGE}{limits}")));
    let text = format!("{world}[[prove]]\nid = \"c\"\n{claim}\n");
    let claims = Claims::parse(&policy, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let proofs = prove_all(&policy, &claims);
    assert_eq!(proofs.len(), 1);
    plain(&proofs[0].to_string())
}

fn outflow(limits: &str, operators: u32, clients: u32, at_most: &str, window: &str) -> String {
    let claim = format!(
        "claim = \"outflow\"\nwindow = \"{window}\"\ncolluding = {{ operators = {operators}, clients = {clients} }}\nat_most = \"{at_most}\""
    );
    answer(limits, WORLD, &claim)
}

#[test]
fn what_a_claim_of_approvals_rests_on_is_told_by_how_many_regions_need_them() {
    let claim = "claim = \"requires\"\nwhen = { amount = { above = \"1 BTC\" } }\nat_least = [{ group = \"treasury\", quorum = 2 }]";
    assert_eq!(
        answer("", WORLD, claim),
        "true  c: what it is about needs at least 2 of treasury
  what is allowed of it falls into 1 regions, in each of which all is judged alike; they need:
  - 2 of treasury (in 1)
"
    );
    let claim = "claim = \"never\"\nwhen = { amount = { above = \"4 BTC\" } }";
    assert_eq!(
        answer("", WORLD, claim),
        "true  c: what it is about is never allowed
  no request that meets the conditions is allowed by any rule, or each is denied
"
    );
}

#[test]
fn a_refutation_names_who_asks_for_what_and_who_approves() {
    let claim = "claim = \"requires\"\nwhen = { amount = { above = \"0.5 BTC\" } }\nat_least = [{ group = \"treasury\", quorum = 1 }]";
    assert_eq!(
        answer("", WORLD, claim),
        "FALSE  c: what it is about needs at least 1 of treasury
  this request is admitted, and may go with these approvals
  2026-01-07T10:00:00Z: client/shop asks for 1 BTC from hot wallet w to ADDRESS (new, worth 50000 USD): allowed
"
    );
    let claim =
        "claim = \"never\"\nwhen = { fiat = { above = \"150000 USD\" }, flag = [\"look-alike\"] }";
    assert_eq!(
        answer("", WORLD, claim),
        "FALSE  c: what it is about is never allowed
  this request is admitted, and may go with these approvals
  2026-01-07T10:00:00Z: client/shop asks for 4 BTC from hot wallet w to ADDRESS (new, look-alike, worth 200000 USD): allowed with approval by 2 of treasury, after a hold of 2h; alice, carol approve
"
    );
}

/// The line about the limit, in an answer that is true.
fn pass(answer: &str) -> &str {
    assert!(answer.starts_with("true"), "{answer}");
    let line = answer.lines().find(|line| line.starts_with("  - limit"));
    line.unwrap_or_else(|| panic!("{answer}")).trim()
}

#[test]
fn the_windows_that_bound_what_leaves_are_told_with_their_sums() {
    assert_eq!(
        outflow(&vault("max_amount = \"10 BTC\""), 0, 1, "10 BTC", "24h"),
        "true  c: at most 10 BTC leaves in any 24h, whichever 0 operators and 1 clients collude
  1 choices of colluding people were compared, over 2 regions of allowed external requests; the worst is client shop
  whatever they can have paid counts towards one of these windows:
  - limit \"day\" on the vault: 10 BTC in 24h, 1 times in 24h: 10 BTC
  together at most 10 BTC
  counted at admission, with the time that approvals and holds may take added; fees are not counted, and funds are assumed to be there
"
    );
    for (limit, bound, window, line) in [
        (
            "max_amount = \"10 BTC\"",
            "3500000 USD",
            "7d",
            "10 BTC in 24h, 7 times in 7d: 3500000 USD",
        ),
        (
            "max_count = 3",
            "3 BTC",
            "24h",
            "3 in 24h, 1 times in 24h: 3 BTC",
        ),
        (
            "max_count = 3",
            "150000 USD",
            "24h",
            "3 in 24h, 1 times in 24h: 150000 USD",
        ),
        (
            "max_fiat = \"60000 USD\"",
            "1.2 BTC",
            "24h",
            "60000 USD in 24h, 1 times in 24h: 1.2 BTC",
        ),
        (
            "max_fiat = \"60000 USD\"",
            "60000 USD",
            "24h",
            "60000 USD in 24h, 1 times in 24h: 60000 USD",
        ),
    ] {
        let told = outflow(&vault(limit), 0, 1, bound, window);
        assert_eq!(pass(&told), format!("- limit \"day\" on the vault: {line}"));
    }
}

#[test]
fn a_limit_bounds_what_it_counts_apart_where_that_cannot_be_got_around() {
    for (per, on) in [
        ("client", "client/shop"),
        ("wallet", "wallet w"),
        ("tier", "tier hot"),
        ("asset", "asset BTC"),
    ] {
        let limit = day(&format!(
            "per = \"{per}\"\nmax_amount = \"10 BTC\"\non_breach = \"deny\""
        ));
        let told = outflow(&limit, 0, 1, "10 BTC", "24h");
        assert!(
            pass(&told).starts_with(&format!("- limit \"day\" on {on}: 10 BTC")),
            "{told}"
        );
        let two = outflow(&limit, 1, 1, "10 BTC", "24h");
        assert_eq!(two.starts_with("FALSE"), per == "client", "{two}");
    }
    let limit = day("per = \"destination\"\nmax_amount = \"10 BTC\"\non_breach = \"deny\"");
    let told = outflow(&limit, 0, 1, "10 BTC", "24h");
    assert!(
        told.contains("client shop can have 11 BTC paid within 24h, which is above 10 BTC"),
        "{told}"
    );
    assert!(told.ends_with("\n  … and 5 more like these\n"), "{told}");
}

#[test]
fn what_people_may_let_wait_is_paid_in_the_window_as_well() {
    let limit = vault("max_amount = \"10 BTC\"");
    let told = outflow(&limit, 3, 1, "20 BTC", "24h");
    assert!(
        told.contains("alice, carol, dave, client shop can have 21 BTC paid within 24h"),
        "{told}"
    );
    let told = outflow(&limit, 3, 1, "30 BTC", "24h");
    assert_eq!(
        pass(&told),
        "- limit \"day\" on the vault: 10 BTC in 24h, 3 times in 24h and 26h of waiting: 30 BTC"
    );
}

#[test]
fn a_limit_above_which_the_colluding_approve_themselves_bounds_nothing() {
    let limit = day(
        "per = \"vault\"\nmax_amount = \"10 BTC\"\non_breach = \"quorum\"\nrequire = [{ group = \"treasury\", quorum = 2 }]",
    );
    let one = outflow(&limit, 1, 1, "10 BTC", "24h");
    assert_eq!(
        pass(&one),
        "- limit \"day\" on the vault: 10 BTC in 24h, 1 times in 24h: 10 BTC"
    );
    assert!(one.contains("4 choices of colluding people"), "{one}");
    let two = outflow(&limit, 2, 1, "10 BTC", "24h");
    assert!(
        two.contains("alice, carol, client shop can have 12 BTC paid within 24h"),
        "{two}"
    );
}

#[test]
fn nobody_has_nothing_paid_and_an_operator_may_ask_without_approving() {
    let limit = vault("max_amount = \"10 BTC\"");
    let nobody = outflow(&limit, 0, 0, "0 BTC", "24h");
    assert!(nobody.contains("the worst is nobody\n  they can have nothing paid: whatever is allowed asks for people who do not collude\n"), "{nobody}");
    let other = outflow(&limit, 0, 1, "0 LTC", "7d");
    assert!(
        other.starts_with("true") && other.contains("over 0 regions"),
        "{other}"
    );
    let one = outflow(&limit, 1, 0, "0 BTC", "24h");
    assert!(
        one.contains("operator/carol asks for 1 BTC from hot wallet w"),
        "{one}"
    );
}

#[test]
fn what_was_neither_proven_nor_refuted_says_how_far_apart_both_are() {
    let limit = day("per = \"wallet\"\nmax_amount = \"10 BTC\"\non_breach = \"deny\"");
    let claim = "claim = \"outflow\"\nwindow = \"24h\"\ncolluding = { operators = 0, clients = 1 }\nat_most = \"10 BTC\"";
    let told = answer(&limit, "", claim);
    assert!(
        told.starts_with("UNDECIDED  c: at most 10 BTC leaves"),
        "{told}"
    );
    assert!(told.contains("\n  at most any amount can leave, and requests were found that come to 10 BTC; the claim lies between\n"), "{told}");
    assert!(
        told.contains(
            "\n  some of what they can have paid counts towards no limit that bounds it\n"
        ),
        "{told}"
    );
}

#[test]
fn six_requests_are_told_each_and_more_are_counted() {
    let limit = day("per = \"destination\"\nmax_amount = \"10 BTC\"\non_breach = \"deny\"");
    let six = outflow(&limit, 0, 1, "5 BTC", "24h");
    assert!(
        six.contains("client shop can have 6 BTC paid within 24h"),
        "{six}"
    );
    assert_eq!(six.matches("client/shop asks for 1 BTC").count(), 6);
    assert!(!six.contains("more like these"), "{six}");
    let seven = outflow(&limit, 0, 1, "6 BTC", "24h");
    assert_eq!(seven.matches("client/shop asks for 1 BTC").count(), 6);
    assert!(seven.ends_with("\n  … and 1 more like these\n"), "{seven}");
}

#[test]
fn what_can_leave_is_told_by_itself_and_not_as_what_is_claimed() {
    let told = outflow(&vault("max_amount = \"10 BTC\""), 0, 1, "4000000 USD", "7d");
    assert_eq!(
        pass(&told),
        "- limit \"day\" on the vault: 10 BTC in 24h, 7 times in 7d: 3500000 USD"
    );
    assert!(
        told.contains("\n  together at most 3500000 USD\n"),
        "{told}"
    );
}

#[test]
fn a_region_of_which_no_request_can_be_made_leaves_a_claim_undecided() {
    // A hundred million of it come to more hundredths than are counted.
    let world = "[world]\nprices = { ETH = \"300000000000000000000000000000 USD\" }\n";
    let rule = "[[rules]]\nid = \"ether\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"], asset = [\"ETH\"] }\n";
    let claim = "claim = \"never\"\nwhen = { amount = { above = \"100000000 ETH\" } }";
    assert_eq!(
        answer(rule, world, claim),
        "UNDECIDED  c: what it is about is never allowed
  in 1 regions the claim does not seem to hold, and no request of them was found to show it
"
    );
}

#[test]
fn without_prices_what_leaves_is_bounded_by_the_values_that_rules_allow() {
    let policy = parse(&head(&format!(
        "[[rules]]\nid = \"small\"\neffect = \"allow\"\nwhen = {{ tier = [\"hot\"], fiat = {{ at_most = \"100 USD\" }} }}\n{}",
        vault("max_count = 3")
    )));
    let told = |at_most: &str| {
        let claim = format!(
            "[[prove]]\nid = \"c\"\nclaim = \"outflow\"\nwindow = \"24h\"\ncolluding = {{ operators = 0, clients = 1 }}\nat_most = \"{at_most}\"\n"
        );
        let claims = Claims::parse(&policy, &claim).unwrap();
        plain(&prove_all(&policy, &claims)[0].to_string())
    };
    assert_eq!(
        pass(&told("300 USD")),
        "- limit \"day\" on the vault: 3 in 24h, 1 times in 24h: 300 USD"
    );
    let false_of_less = told("250 USD");
    assert!(
        false_of_less.contains("can have 300 USD paid within 24h, which is above 250 USD"),
        "{false_of_less}"
    );
}

#[test]
fn one_window_over_all_bounds_what_two_smaller_ones_bound_less_well() {
    let limit = |id: &str, to: &str, max: u32| {
        format!(
            "[[limits]]\nid = \"{id}\"\nwindow = \"24h\"\nper = \"vault\"\nmax_amount = \"{max} BTC\"\non_breach = \"deny\"\nwhen = {{ destination = [{to}] }}\n"
        )
    };
    let limits = limit("known", "\"known\"", 5)
        + &limit("new", "\"new\"", 6)
        + &limit("all", "\"known\", \"new\"", 10);
    let told = outflow(&limits, 0, 1, "10 BTC", "24h");
    assert_eq!(
        pass(&told),
        "- limit \"all\" on the vault: 10 BTC in 24h, 1 times in 24h: 10 BTC"
    );
}

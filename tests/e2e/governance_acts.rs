//! The acts of governance as an operator types them: `custodyctl` against a daemon, what it shows before it signs, and what holds
//! afterwards.

use custodyd_testbed::House;
use serde_json::Value;

use crate::{
    governance::{governed_house, governed_policy, verified},
    house::{LONG, SOMEBODY},
    typed::{Ran, ctl},
};

/// An account that nobody has paid.
const ELSEWHERE: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
const DAILY: &str = "id = \"hot-eth-daily\"\nper = \"wallet\"\nmax_amount = \"20 ETH\"";

/// Dave proposes, and gives the reason that people read.
fn propose(house: &House, change: &[&str]) -> Ran {
    let reason = ["propose", "--reason", "for a test"];
    ctl(house, "operator/dave", &[&reason, change].concat())
}

fn approve(house: &House, who: &str, id: &str) -> Ran {
    ctl(house, who, &["approve", id, "--yes"])
}

/// Two of those who are asked agree; gives what the second one saw before signing.
fn approved(house: &House, id: &str) -> String {
    let first = approve(house, "operator/alice", id).done();
    assert!(first.row("approved").starts_with("by alice"), "{first:?}");
    approve(house, "operator/bob", id).done().err
}

async fn until_enacted(house: &House, id: &str) {
    until_shows(house, &["proposal", id], "state", "enacted").await;
}

/// Waits until a table that an operator asks for says so.
async fn until_shows(house: &House, command: &[&str], name: &'static str, value: &str) {
    house
        .until(name, LONG, async || {
            let seen = ctl(house, "operator/alice", command);
            seen.code == Some(0) && seen.row(name) == value
        })
        .await
        .unwrap();
}

/// A proposal that goes all its way.
async fn enact(house: &House, change: &[&str]) -> String {
    let id = propose(house, change).done().id();
    let seen = approved(house, &id);
    until_enacted(house, &id).await;
    seen
}

/// The exchange asks for ether.
fn withdraw(house: &House, amount: &str, to: &str) -> Ran {
    let line = ["withdraw", "--asset", "ETH", "--amount", amount, "--to", to];
    let line = [&line[..], &["--reference", "typed"]].concat();
    ctl(house, "client/exchange", &line)
}

fn file(house: &House, name: &str, text: &str) -> String {
    let path = house.folder().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// As quick as it may be: a change takes effect a second after the second approval.
fn quick_policy() -> String {
    let policy = governed_policy();
    let quick = policy.replace("delay = \"3s\"", "delay = \"1s\"");
    assert_ne!(quick, policy);
    quick.replace("cool_off = \"24h\"", "cool_off = \"8s\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_is_added_and_another_removed_as_it_is_typed() {
    let house = governed_house(quick_policy()).await;
    let pem = house.folder().join("erin.pem").display().to_string();
    let keygen = ctl(&house, "operator/erin", &["keygen", "--out", &pem]).done();
    let key = keygen.out.trim();
    let erin = || {
        let line = ["wallets", "--as", "operator/erin", "--key", &pem];
        ctl(&house, "operator/alice", &line)
    };

    let proposed = propose(&house, &["add-operator", "erin", key]).done();
    let words = format!("add operator erin with key {key}");
    assert!(proposed.err.contains(&words), "{proposed:?}");
    assert_eq!(proposed.row("change"), words);
    assert!(
        proposed.row("state").starts_with("voting: "),
        "{proposed:?}"
    );
    assert_eq!(proposed.row("kind"), "operators");
    assert_eq!(proposed.row("delay"), "1s");
    let id = proposed.id();
    let listed = ctl(&house, "operator/bob", &["proposals", "--state", "voting"]).done();
    assert!(
        listed.out.contains(&id) && listed.out.contains("for a test"),
        "{listed:?}"
    );

    // Who proposed it has no say, who doesn't say yes signs nothing, and one voice is not two.
    let own = approve(&house, "operator/dave", &id).refused();
    assert!(own.contains("Not yours"), "{own}");
    let silent = ctl(&house, "operator/alice", &["approve", &id]);
    assert_eq!(silent.code, Some(2), "{silent:?}");
    let first = approve(&house, "operator/alice", &id).done();
    assert!(
        first.err.contains(&words)
            && first.err.contains("you sign, as operator/alice: approve")
            && first.err.contains("digest "),
        "{first:?}"
    );
    assert!(first.row("state").starts_with("voting: "), "{first:?}");
    let twice = approve(&house, "operator/alice", &id).refused();
    assert!(twice.contains("alice"), "{twice}");
    let early = erin().refused();
    assert!(early.contains("not signed by anyone known"), "{early}");
    let second = approve(&house, "operator/bob", &id).done();
    assert!(second.row("state").starts_with("delaying"), "{second:?}");
    until_enacted(&house, &id).await;
    assert!(erin().done().out.contains("hot-eth"));

    let dave = || ctl(&house, "operator/dave", &["wallets"]);
    dave().done();
    let seen = enact(&house, &["remove-operator", "dave"]).await;
    assert!(seen.contains("remove operator dave"), "{seen}");
    let late = dave().refused();
    assert!(late.contains("not signed by anyone known"), "{late}");
    assert!(erin().done().out.contains("hot-eth"));
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_raised_as_it_is_typed_and_approvals_from_before_no_longer_count() {
    let with_daily = |amount: &str| {
        let policy = quick_policy();
        assert!(policy.contains(DAILY));
        policy.replace(DAILY, &DAILY.replace("20 ETH", amount))
    };
    let house = governed_house(with_daily("3 ETH")).await;
    let waits = withdraw(&house, "2", SOMEBODY).done();
    assert_eq!(
        waits.row("state").split(':').next(),
        Some("awaiting_approval")
    );
    let payout = waits.id();
    let before = approve(&house, "operator/alice", &payout).done();
    assert!(before.err.contains("2 ETH") && before.err.contains("0x 7099 7970"));
    let denied = withdraw(&house, "1.2", SOMEBODY).refused();
    assert!(
        denied.contains("hot-eth-daily") && denied.contains("at most 3 ETH"),
        "{denied}"
    );

    let raised = file(&house, "raised.toml", &with_daily("4 ETH"));
    let seen = enact(&house, &["set-policy", &raised]).await;
    assert!(
        seen.contains("the policy would mean:\n")
            && seen.contains("- max_amount = \"3 ETH\"")
            && seen.contains("+ max_amount = \"4 ETH\""),
        "{seen}"
    );
    let policy = ctl(&house, "operator/alice", &["policy"]).done();
    assert!(policy.out.contains("max_amount = \"4 ETH\""));

    // Alice's approval was of the old policy: Bob's alone is one of two.
    let anew = ctl(&house, "operator/bob", &["show", &payout]).done();
    assert!(!anew.out.contains("approve by alice"), "{anew:?}");
    approve(&house, "operator/bob", &payout).done();
    let one = ctl(&house, "operator/bob", &["show", &payout]).done();
    assert!(one.row("state").starts_with("awaiting_approval"), "{one:?}");
    // What was denied fits now, and asks its two people; with it the limit is used up again.
    let fits = withdraw(&house, "1.2", SOMEBODY).done();
    assert!(fits.row("state").starts_with("awaiting_approval"));
    let over = withdraw(&house, "0.9", SOMEBODY).refused();
    assert!(over.contains("at most 4 ETH"), "{over}");
    approve(&house, "operator/alice", &payout).done();
    let line = ["watch", payout.as_str(), "--timeout", "60s"];
    let paid = tokio::task::block_in_place(|| {
        let watching = std::thread::scope(|scope| {
            let watch = scope.spawn(|| ctl(&house, "client/exchange", &line));
            while !watch.is_finished() {
                crate::house::mine(&house, 1);
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            watch.join()
        });
        watching.unwrap()
    });
    assert!(paid.done().out.contains("final"));
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_cools_off_and_a_list_is_blocked_as_it_is_typed() {
    let house = governed_house(quick_policy()).await;
    let simulate = |to: &str| {
        let line = ["simulate", "--asset", "ETH", "--amount", "0.1", "--to", to];
        ctl(&house, "client/exchange", &line).done().out
    };
    assert!(simulate(SOMEBODY).contains("destination new"));
    let address = format!("eip155:31337:{SOMEBODY}");
    let change = ["add-destination", &address, "--name", "the broker"];
    let seen = enact(&house, &[&change[..], &["--tags", "exchange"]].concat()).await;
    assert!(
        seen.contains(&format!(
            "add destination {address} as \"the broker\", tagged exchange"
        )),
        "{seen}"
    );
    let cooling = simulate(SOMEBODY);
    assert!(
        cooling.contains("destination new") && cooling.contains("cooling-off"),
        "{cooling}"
    );
    house
        .until("cool off", LONG, async || {
            simulate(SOMEBODY).contains("destination known")
        })
        .await
        .unwrap();
    assert!(!simulate(SOMEBODY).contains("cooling-off"));

    // What waits for its people goes nowhere when its destination comes onto the list.
    let waits = withdraw(&house, "2", ELSEWHERE).done().id();
    let list = format!("# of May\n\neip155:31337:{ELSEWHERE}   # seen twice\n");
    let list = file(&house, "sanctions.txt", &list);
    let seen = enact(&house, &["block", &list]).await;
    assert!(
        seen.contains(&format!("block eip155:31337:{ELSEWHERE}")),
        "{seen}"
    );
    let refused = withdraw(&house, "0.1", ELSEWHERE).refused();
    assert!(refused.contains("block list"), "{refused}");
    until_shows(&house, &["show", &waits], "state", "denied").await;
    enact(&house, &["unblock", &list]).await;
    withdraw(&house, "0.1", ELSEWHERE).done();
    let wrong = file(&house, "wrong.txt", "eip155:31337:0x00\n");
    let wrong = propose(&house, &["block", &wrong]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.err.contains("wrong.txt line 1: "), "{wrong:?}");
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_scope_is_frozen_by_one_and_unfrozen_by_a_quorum_as_it_is_typed() {
    let house = governed_house(quick_policy()).await;
    let address = format!("eip155:31337:{SOMEBODY}");
    let scopes: [&[&str]; 5] = [
        &[],
        &["--wallet", "hot-eth"],
        &["--asset", "ETH"],
        &["--client", "exchange"],
        &["--destination", &address],
    ];
    for scope in scopes {
        let freeze = [&["freeze", "--reason", "odd withdrawals"], scope].concat();
        ctl(&house, "operator/carol", &freeze).done();
        let refused = withdraw(&house, "0.01", SOMEBODY).refused();
        assert!(
            refused.starts_with("custodyctl: Frozen: "),
            "{scope:?}: {refused}"
        );
        let unfreeze = [&["unfreeze"], scope].concat();
        for who in ["operator/alice", "operator/bob"] {
            ctl(&house, who, &unfreeze).done();
        }
        // Two of treasury are not enough: it takes one of security too.
        withdraw(&house, "0.01", SOMEBODY).refused();
        ctl(&house, "operator/dave", &unfreeze).done();
        withdraw(&house, "0.01", SOMEBODY).done();
        let nothing = ctl(&house, "operator/alice", &unfreeze).refused();
        assert!(nothing.contains("not frozen"), "{nothing}");
    }
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_lock_everybody_out_is_refused_with_the_reason_as_it_is_typed() {
    let house = governed_house(quick_policy()).await;
    let policy = quick_policy();
    let nobody = policy.replace(
        "treasury = [\"alice\", \"bob\", \"carol\"]",
        "treasury = [\"alice\"]",
    );
    let ungoverned = policy.replace(
        "[governance.changes]\ndefault",
        "[governance.changes]\nrules",
    );
    let lower = policy.replace(
        "[governance.changes]",
        "floor = { people = 1 }\n[governance.changes]",
    );
    for (number, (text, why)) in [
        (nobody, "treasury"),
        (ungoverned, "nobody could change"),
        (lower, "floor"),
        (policy.clone(), "in force already"),
    ]
    .iter()
    .enumerate()
    {
        assert!(number == 3 || *text != policy);
        let path = file(&house, &format!("policy-{number}.toml"), text);
        let refused = propose(&house, &["set-policy", &path]).refused();
        assert!(
            refused.contains("Change not possible") && refused.contains(why),
            "{why}: {refused}"
        );
    }
    // Who is asked for two of three, and whose own hand doesn't count, can't lose one.
    let changes = serde_json::json!([
        { "change": "remove_operator", "id": "bob" },
        { "change": "remove_operator", "id": "carol" },
    ]);
    let path = file(&house, "leave.json", &changes.to_string());
    let refused = propose(&house, &["changes", &path]).refused();
    assert!(refused.contains("can't give"), "{refused}");
    let listed = ctl(&house, "operator/alice", &["--json", "proposals"]).done();
    assert_eq!(listed.out.trim(), "[]");
    let kept: Value = serde_json::from_str(
        &ctl(&house, "operator/alice", &["--json", "policy"])
            .done()
            .out,
    )
    .unwrap();
    assert_eq!(kept["source"], policy);
    verified(&house);
}

//! The file of claims: each thing that it may not say is refused with its line, and what it assumes is assumed.

use custodyd_policy::Policy;
use custodyd_policy::analysis::{Answer, Claims, prove};

use crate::{head, parse};

fn policy() -> Policy {
    parse(&head(
        "[[rules]]\nid = \"hot\"\neffect = \"allow\"\nwhen = { tier = [\"hot\"], asset = [\"BTC\"], fiat = { at_most = \"100 USD\" } }\n",
    ))
}

const NEVER: &str = "[[prove]]\nid = \"n\"\nclaim = \"never\"\nwhen = { tier = [\"cold\"] }\n";

fn outflow(operators: usize, clients: usize, window: &str, at_most: &str) -> String {
    format!(
        "[[prove]]\nid = \"o\"\nclaim = \"outflow\"\nwindow = \"{window}\"\ncolluding = {{ operators = {operators}, clients = {clients} }}\nat_most = \"{at_most}\"\n"
    )
}

fn refusal(claims: &str) -> String {
    Claims::parse(&policy(), claims).unwrap_err().to_string()
}

#[test]
fn a_claim_in_each_form_is_told_in_its_own_words() {
    let requires = "[[prove]]\nid = \"r\"\nclaim = \"requires\"\nwhen = { tier = [\"hot\"] }\nat_least = [{ group = \"treasury\", quorum = 2 }]\n";
    let text = format!("{requires}{NEVER}{}", outflow(8, 8, "36h", "1.5 BTC"));
    let claims = Claims::parse(&policy(), &text).unwrap();
    assert!(!claims.is_empty());
    assert_eq!(claims.len(), 3);
    let told: Vec<String> = claims
        .iter()
        .map(|claim| format!("{}: {claim}", claim.id()))
        .collect();
    assert_eq!(
        told,
        [
            "r: what it is about needs at least 2 of treasury",
            "n: what it is about is never allowed",
            "o: at most 1.5 BTC leaves in any 36h, whichever 8 operators and 8 clients collude",
        ]
    );
    let dollars = Claims::parse(&policy(), &outflow(0, 1, "1h", "50 USD")).unwrap();
    assert_eq!(
        dollars.iter().next().unwrap().to_string(),
        "at most 50 USD leaves in any 1h, whichever 0 operators and 1 clients collude"
    );
}

#[test]
fn a_claim_needs_its_keys_and_has_no_others() {
    for (claim, key, example) in [
        (
            "claim = \"requires\"\nwhen = {}",
            "at_least",
            "at_least = [{ group = \"treasury\", quorum = 2 }]",
        ),
        (
            "claim = \"requires\"\nat_least = []",
            "when",
            "when = { asset = [\"BTC\"] }",
        ),
        ("claim = \"never\"", "when", "when = { tier = [\"cold\"] }"),
        (
            "claim = \"outflow\"\nwindow = \"1h\"\nat_most = \"1 BTC\"",
            "colluding",
            "colluding = { operators = 1, clients = 1 }",
        ),
    ] {
        let kind = claim.split('"').nth(1).unwrap();
        assert_eq!(
            refusal(&format!("[[prove]]\nid = \"c\"\n{claim}\n")),
            format!("line 1: claim \"c\": claim = \"{kind}\" needs `{key}`, for example {example}")
        );
    }
    assert_eq!(
        refusal(&format!("{NEVER}window = \"1h\"\n")),
        "line 1: claim \"n\": `window` does not go with claim = \"never\""
    );
    assert_eq!(
        refusal(&format!(
            "{NEVER}{}when = {{}}\n",
            outflow(0, 1, "1h", "1 BTC")
        )),
        "line 5: claim \"o\": `when` does not go with claim = \"outflow\""
    );
}

#[test]
fn two_claims_wallets_or_clients_by_one_name_are_refused() {
    assert_eq!(
        refusal(&format!("{NEVER}{NEVER}")),
        "line 5: \"n\" is written twice"
    );
    let wallet = "{ id = \"w\", tier = \"hot\", network = \"bitcoin\" }";
    assert_eq!(
        refusal(&format!(
            "[world]\nwallets = [{wallet},\n{wallet}]\n{NEVER}"
        )),
        "line 3: \"w\" is written twice"
    );
    assert_eq!(
        refusal(&format!(
            "[world]\nclients = [\"a\", \"b\",\n\"a\"]\n{NEVER}"
        )),
        "line 3: \"a\" is written twice"
    );
    let others = format!(
        "[world]\nwallets = [{wallet}, {}]\nclients = [\"a\", \"b\"]\n{NEVER}{}",
        wallet.replace("\"w\"", "\"v\""),
        NEVER.replace("\"n\"", "\"m\"")
    );
    assert!(Claims::parse(&policy(), &others).is_ok());
}

#[test]
fn a_price_is_of_the_policys_currency() {
    let price = |text: &str| format!("[world]\nprices = {{ BTC = \"{text}\" }}\n{NEVER}");
    assert!(Claims::parse(&policy(), &price("64000 USD")).is_ok());
    for wrong in ["64000 EUR", "64000", "much USD", "64000 dollars"] {
        assert_eq!(
            refusal(&price(wrong)),
            format!(
                "line 2: \"{wrong}\" is no price in the currency of the policy's [fiat]; write for example \"64000 USD\""
            )
        );
    }
    let without = crate::common::policy(crate::common::ALLOW);
    assert!(Claims::parse(&without, &price("64000 USD")).is_err());
}

#[test]
fn a_bound_or_window_that_cannot_be_read_is_refused_with_what_to_write() {
    assert_eq!(
        refusal(&outflow(0, 1, "soon", "1 BTC")),
        "line 4: \"soon\" is no duration; write for example \"24h\""
    );
    for wrong in ["1 EUR", "much"] {
        assert_eq!(
            refusal(&outflow(0, 1, "24h", wrong)),
            format!(
                "line 6: \"{wrong}\" is no bound in an asset or in the policy's currency; write for example \"10 BTC\" or \"100000 USD\""
            )
        );
    }
}

#[test]
fn collusion_is_worked_out_for_eight_operators_and_eight_clients_and_no_more() {
    assert_eq!(
        refusal(&outflow(9, 8, "24h", "1 BTC")),
        "line 1: 9 colluding operators; at most 8 are looked at"
    );
    assert_eq!(
        refusal(&outflow(8, 9, "24h", "1 BTC")),
        "line 1: 9 colluding clients; at most 8 are looked at"
    );
}

#[test]
fn a_file_that_claims_nothing_or_is_no_toml_is_refused() {
    assert_eq!(
        refusal(""),
        "the file claims nothing; write a [[prove]] table"
    );
    assert!(refusal("[[prove]]\nid =\n").starts_with("line 2: "));
}

#[test]
fn what_the_world_says_is_assumed_and_nothing_else() {
    let claim = "[[prove]]\nid = \"n\"\nclaim = \"never\"\nwhen = { tier = [\"hot\"], amount = { above = \"1 BTC\" } }\n";
    let holds = |world: &str| {
        let policy = policy();
        let claims = Claims::parse(&policy, &format!("{world}{claim}")).unwrap();
        prove(&policy, &claims, claims.iter().next().unwrap()).holds()
    };
    // More than a coin may be worth a hundred dollars, unless the price is known.
    assert!(!holds(""));
    assert!(!holds("[world]\nprices = { ETH = \"3000 USD\" }\n"));
    assert!(holds("[world]\nprices = { BTC = \"64000 USD\" }\n"));
    assert!(!holds(
        "[world]\nwallets = [{ id = \"w\", tier = \"hot\", network = \"bitcoin\" }]\n"
    ));
    assert!(holds(
        "[world]\nwallets = [{ id = \"w\", tier = \"cold\", network = \"bitcoin\" }]\n"
    ));
    assert!(holds(
        "[world]\nwallets = [{ id = \"w\", tier = \"hot\", network = \"litecoin\" }]\n"
    ));
}

#[test]
fn who_asks_in_a_refutation_is_a_client_of_the_world() {
    let claim = "[world]\nclients = [\"shop\"]\n[[prove]]\nid = \"n\"\nclaim = \"never\"\nwhen = { tier = [\"hot\"] }\n";
    let policy = policy();
    let claims = Claims::parse(&policy, claim).unwrap();
    let Answer::False { counterexample } =
        prove(&policy, &claims, claims.iter().next().unwrap()).answer
    else {
        panic!("it is allowed")
    };
    let initiator = counterexample.steps[0].facts.initiator.to_string();
    assert_eq!(initiator, "client/shop");
}

//! A policy that changes while payouts are open: they are judged anew, and a page that is open shows it without being loaded again.

use custodyd_vault::{CODE_DOMAIN, Change, short_code};
use sha2::{Digest as _, Sha256};

use super::common::{governed_but, set_policy};
use super::*;
use crate::journal::canonical_json;

/// The element that begins at a byte, with all that is in it.
fn element(html: &str, begins: usize) -> &str {
    let html = &html[begins..];
    let name: String = html[1..]
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let (opening, closing) = (format!("<{name}"), format!("</{name}>"));
    let (mut depth, mut end) = (0, 0);
    loop {
        let rest = &html[end..];
        let close = rest.find(&closing).expect("it ends");
        match rest.find(&opening).filter(|open| *open < close) {
            Some(open) => (depth, end) = (depth + 1, end + open + opening.len()),
            None => (depth, end) = (depth - 1, end + close + closing.len()),
        }
        if depth == 0 {
            return &html[..end];
        }
    }
}

/// The living parts of a page, in order, and the page without them.
fn parts(html: &str) -> (Vec<&str>, String) {
    let (mut living, mut still, mut rest) = (Vec::new(), String::new(), html);
    while let Some(mark) = rest.find(" data-live") {
        let begins = rest[..mark].rfind('<').unwrap();
        let part = element(rest, begins);
        assert!(part.split('>').next().unwrap().contains(" id=\""), "{part}");
        living.push(part);
        still.push_str(&rest[..begins]);
        rest = &rest[begins + part.len()..];
    }
    (living, still + rest)
}

/// What stands in the first element with an attribute, as text.
fn shown(html: &str, attribute: &str) -> String {
    let mark = html
        .find(attribute)
        .unwrap_or_else(|| panic!("{attribute} is not in {html}"));
    let element = element(html, html[..mark].rfind('<').unwrap());
    let pieces = element.split('<').skip(1);
    let text: String = pieces
        .filter_map(|piece| Some(piece.split_once('>')?.1))
        .collect();
    text.trim().to_owned()
}

/// The code that code.js computes of a payout's page: the policy stands on what is around the code, the rest is shown.
fn computed(html: &str, id: &WithdrawalId) -> String {
    let card = parts(html)
        .0
        .into_iter()
        .find(|part| part.contains("data-code>"));
    let card = card.expect("the code is in a living part");
    let (_, policy) = card
        .split_once("data-policy=\"")
        .expect("and the policy with it");
    let network = shown(html, "data-shown=\"network\"");
    let coded = serde_json::json!({
        "domain": CODE_DOMAIN,
        "vault": "main",
        "withdrawal": id.to_string(),
        "policy": policy.split('"').next().unwrap(),
        "effects": {
            "network": network,
            "wallet": shown(html, "data-shown=\"wallet\""),
            "destination": format!("{network}:{}", shown(html, "data-shown=\"destination\"")),
            "amount": shown(html, "data-shown=\"amount\""),
        },
    });
    let digest = Sha256::digest(canonical_json(&coded).unwrap());
    short_code(&digest.into())
}

/// Payouts of more than a litecoin take one more of security, and a small limit has no room for them.
fn stricter() -> String {
    let strict = governed_but("quorum = 1 }]\n[[rules]]", "quorum = 2 }]\n[[rules]]");
    format!(
        "{strict}\n[[limits]]\nid = \"a-litecoin-a-day\"\nper = \"asset\"\nmax_amount = \"1 LTC\"\nwindow = \"24h\"\non_breach = \"quorum\"\nrequire = [{{ group = \"security\", quorum = 2 }}]\n"
    )
}

#[test]
fn what_a_change_of_policy_alters_on_a_payouts_page_is_in_its_living_parts_and_the_code_goes_with_its_policy()
 {
    let mut world = World::governed();
    let id = asked(&mut world, "2.5 LTC", NEW, "invoice 4711");
    let code = |world: &World| world.vault.code(&world.vault.withdrawals()[&id]);
    let old = withdrawal(&world, &id, "alice");
    let before = (world.vault.policy().hash(), code(&world));
    assert_eq!(shown(&old, "data-code"), before.1);
    assert_eq!(computed(&old, &id), before.1);

    world.enact(&[set_policy(&stricter())]);
    assert_eq!(world.state(&id), "awaiting_approval");
    let new = keep("withdrawal-rejudged", withdrawal(&world, &id, "alice"));
    let after = (world.vault.policy().hash(), code(&world));
    assert!(before.0 != after.0 && before.1 != after.1);
    assert_eq!(computed(&new, &id), after.1);

    let ((living, still), (anew, still_anew)) = (parts(&old), parts(&new));
    assert_eq!(
        still, still_anew,
        "an open page keeps this until it is loaded again"
    );
    let changed: Vec<&str> = living
        .iter()
        .zip(&anew)
        .filter(|(old, new)| old != new)
        .map(|(_, new)| {
            new.split(" id=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
        })
        .collect();
    for part in ["terms-card", "decision-card", "why-card", "history-card"] {
        assert!(changed.contains(&part), "{part} is not among {changed:?}");
    }
    assert!(new.contains("a-litecoin-a-day") && !old.contains("a-litecoin-a-day"));
}

#[test]
fn an_approval_whose_vote_counts_no_more_is_verified_as_long_as_its_credential_is_there() {
    let mut world = World::governed();
    let id = asked(&mut world, "2.5 LTC", NEW, "");
    world.vote("alice", &id, Decision::Approve).unwrap();
    world.enact(&[set_policy(&stricter())]);
    assert!(world.withdrawal(&id).votes.is_empty());
    let html = withdrawal(&world, &id, "alice");
    assert!(
        html.contains("<span class=\"state well\">verified</span>"),
        "{html}"
    );
    assert!(!html.contains("credential was removed since"));

    world.enact(&[Change::RevokeCredential {
        operator: viewer("alice"),
        credential: common::ed25519("alice", 0).verifying_key().into(),
    }]);
    let html = withdrawal(&world, &id, "alice");
    assert!(html.contains("credential was removed since"), "{html}");
}

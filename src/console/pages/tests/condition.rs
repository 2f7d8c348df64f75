//! How the parts are, as each page's header says it, and the treasury with reasons.

use custodyd_hsm::Health as TokenHealth;

use super::desk::{Desk, Tokens, text, token};
use super::*;
use crate::condition::Condition;

fn out() -> TokenHealth {
    TokenHealth::Out {
        reason: format!("CKR_DEVICE_REMOVED {MARKUP}"),
    }
}

async fn header(desk: &Desk) -> String {
    let page = freeze::show(&desk.state, &viewer("alice")).await;
    let page = text(page).await;
    let (_, after) = page.split_once("<p class=\"health ").unwrap();
    let (header, _) = after.split_once("</p>").unwrap();
    header.to_owned()
}

#[tokio::test]
async fn a_header_says_which_of_three_states_the_parts_are_in_as_readiness_does() {
    let world = world();
    let well = vec![token("a", TokenHealth::Up), token("b", TokenHealth::Up)];
    let desk = Desk::with(&world, Tokens(well)).await;
    let shown = header(&desk).await;
    assert!(shown.starts_with("well\""), "{shown}");
    assert!(shown.contains("all parts work"), "{shown}");
    for lesser in ["prices", "webhooks:shop"] {
        desk.pulse
            .note_trouble(lesser, Some("it is old".to_owned()));
    }
    let shown = header(&desk).await;
    assert!(shown.starts_with("less\""), "{shown}");
    assert!(shown.contains("degraded: prices, webhooks:shop"), "{shown}");
    desk.pulse
        .note_trouble("litecoin-regtest", Some("no answer".to_owned()));
    let shown = header(&desk).await;
    assert!(shown.starts_with("ill\""), "{shown}");
    assert!(shown.contains("trouble: litecoin-regtest"), "{shown}");
}

#[tokio::test]
async fn one_token_out_of_two_is_degraded_and_both_are_trouble() {
    let world = world();
    let tokens = |first: TokenHealth| Tokens(vec![token("a", first), token("b", out())]);
    let desk = Desk::with(&world, tokens(TokenHealth::Up)).await;
    let shown = header(&desk).await;
    assert!(shown.contains("degraded: hsm:b"), "{shown}");
    let desk = Desk::with(&world, tokens(out())).await;
    let shown = header(&desk).await;
    assert!(shown.starts_with("ill\""), "{shown}");
    assert!(shown.contains("trouble: hsm<"), "{shown}");
}

#[tokio::test]
async fn the_treasury_names_every_part_that_readiness_names_with_its_reason() {
    let world = world();
    let tokens = Tokens(vec![token("a", TokenHealth::Up), token("b", out())]);
    let desk = Desk::with(&world, tokens).await;
    let reports = [
        ("alerts", "the webhook is down"),
        ("litecoin-regtest", "connection refused"),
        ("hsm-journal", "CKR_SESSION_CLOSED"),
    ];
    for (part, reason) in reports {
        desk.pulse.note_trouble(part, Some(reason.to_owned()));
    }
    let page = treasury::show(&desk.state, &viewer("alice"), &BTreeMap::new()).await;
    let html = keep("treasury-of-a-store", text(page).await);
    super::rooms::safe(&html);
    let row = |name: &str| {
        let (_, after) = html
            .split_once(&format!("<tr><th scope=\"row\">{name}</th>"))
            .unwrap_or_else(|| panic!("{name} is not in {html}"));
        after.split_once("</tr>").unwrap().0.to_owned()
    };
    let Condition { trouble, degraded } = Condition::read(&desk.state).await;
    assert_eq!((trouble.len(), degraded.len()), (2, 2));
    for (parts, word, class) in [(trouble, "trouble", "ill"), (degraded, "degraded", "less")] {
        for (name, reason) in parts {
            let row = row(&name);
            let state = format!("<span class=\"state {class}\">{word}</span>");
            assert!(row.contains(&state), "{row}");
            let reason = reason.split('<').next().unwrap();
            assert!(row.contains(&format!("<bdi>{reason}")), "{row}");
        }
    }
    for well in ["engine", "database", "eip155:31337"] {
        assert!(row(well).contains("works"), "{well}");
    }
    // What a node said of fees last, and the token that is out.
    assert!(row("eip155:31337").contains("<time "), "{html}");
    assert!(row("b").contains("<span class=\"state ill\">out</span>"));
}

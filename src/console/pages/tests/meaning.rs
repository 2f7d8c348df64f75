//! A proposal of another policy: its text line by line, and what it means.

use super::common::{governed_but, set_policy};
use super::desk::{Desk, text};
use super::*;
use crate::console::pages::governance;

#[tokio::test]
async fn another_policy_is_shown_line_by_line_and_by_what_it_means_for_requests_and_limits() {
    let mut world = World::governed();
    let source = governed_but("max_amount = \"8 LTC\"", "max_amount = \"6 LTC\"")
        .replace("at_most = \"1 LTC\"", "at_most = \"2 LTC\"")
        .replace("above = \"1 LTC\"", "above = \"2 LTC\"")
        .replace("expire_after = \"24h\"", "expire_after = \"12h\"");
    let id = world.propose("dave", &[set_policy(&source)]).unwrap();
    let desk = Desk::of(&world).await;
    let html = loop {
        let shown = governance::proposal(&desk.state, &viewer("alice"), &id.to_string()).await;
        let html = text(shown).await;
        // A slow machine takes longer than a page may, and the next who asks finds what came of it.
        if !html.contains("comparing takes a while") {
            break keep("proposal-policy", html);
        }
    };
    let (_, meaning) = html.split_once("What it means").unwrap();
    let (meaning, rest) = meaning.split_once("</section>").unwrap();
    for shown in [
        "<bdi>only the old policy has limit &#34;hot-ltc-daily&#34;: at most 8 LTC in 24h per wallet, above that denied</bdi>",
        "<bdi>only the new policy has limit &#34;hot-ltc-daily&#34;: at most 6 LTC in 24h per wallet, above that denied</bdi>",
        "<bdi>approvals.expire_after: was 24h; now 12h</bdi>",
        "<span class=\"state over\">was</span> allowed with approval by 1 of security and 2 of treasury<br>",
        "<span class=\"state open\">becomes</span> <strong>allowed</strong>",
        "amount = &#34;2 LTC&#34;",
    ] {
        assert!(meaning.contains(shown), "{shown} is not in {meaning}");
    }
    let (_, diff) = rest.split_once("The policy, line by line").unwrap();
    let (diff, _) = diff.split_once("</section>").unwrap();
    for (old, new) in [
        (
            "max_amount = &#34;8 LTC&#34;",
            "max_amount = &#34;6 LTC&#34;",
        ),
        (
            "expire_after = &#34;24h&#34;",
            "expire_after = &#34;12h&#34;",
        ),
    ] {
        let lines = format!("<del>- {old}</del>\n<ins>+ {new}</ins>\n");
        assert!(diff.contains(&lines), "{lines} is not in {diff}");
    }
    assert_eq!(diff.matches("<ins>").count(), 4, "{diff}");

    // What is decided already isn't compared with what is in force now.
    world.veto("alice", &id).unwrap();
    let desk = Desk::of(&world).await;
    let shown = governance::proposal(&desk.state, &viewer("alice"), &id.to_string()).await;
    let html = text(shown).await;
    assert!(!html.contains("What it means") && !html.contains("line by line"));
}

//! The list of withdrawals.

use super::*;
use crate::store::WithdrawalRow;

#[test]
fn the_list_shows_each_payout_with_its_state_and_keeps_what_was_chosen() {
    let mut world = world();
    let mut ids = vec![asked(&mut world, "2.5 LTC", NEW, MARKUP)];
    ids.push(paid(&mut world, "0.5 LTC", KNOWN).0);
    ids.push(asked(&mut world, "1.9 ETH", ETH_NEW, ""));
    ids.push(asked(&mut world, "7 LTC", NEW, "too much"));
    let now = Timestamp::from_ms(world.now);
    let row = |id: &WithdrawalId| {
        let view = crate::view::withdrawal(&world.vault, id).unwrap();
        WithdrawalRow {
            vault: "main".to_owned(),
            id: view.id.clone(),
            client: view.client.clone(),
            idempotency_key: String::new(),
            state: view.state.clone(),
            created_seq: 1,
            document: serde_json::to_string(&view).unwrap(),
            wallet: view.wallet.clone(),
            asked: None,
            queue_rank: 0,
        }
    };
    let lines = ids
        .iter()
        .map(|id| withdrawals::Line::of(&row(id), now).unwrap());
    let page = withdrawals::Page {
        frame: frame(&world, Section::Withdrawals, "alice"),
        rows: lines.collect(),
        state: withdrawals::Choice::of(
            ("state", "State"),
            Some("final".to_owned()),
            vec![
                ("denied".to_owned(), "denied".to_owned()),
                ("final".to_owned(), "final".to_owned()),
            ],
        ),
        client: withdrawals::Choice::of(("client", "Client"), None, vec![]),
        wallet: withdrawals::Choice::of(("wallet", "Wallet"), None, vec![]),
        next: Some("/console/withdrawals?after=4.wd_0".to_owned()),
    };
    let html = keep("withdrawals", page.render().unwrap());
    assert!(html.contains("<option value=\"final\" selected>"), "{html}");
    assert!(html.contains("awaiting approval") && html.contains("denied"));
    assert!(html.contains("&#60;script&#62;alert(1)") && !html.contains("<script>"));
    assert!(html.contains(&grouped(KNOWN)));
}

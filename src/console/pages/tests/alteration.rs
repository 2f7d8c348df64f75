//! A payout whose row in the database isn't what the engine knows.

use super::*;
use crate::console::copies;

#[test]
fn a_payout_whose_copy_was_altered_says_so_before_anything_else_and_offers_no_decision() {
    let mut world = world();
    let id = asked(&mut world, "2.5 LTC", NEW, "");
    let now = Timestamp::from_ms(world.now);
    let read = || Read::of(&world.vault, &id, &viewer("alice"), now).unwrap();
    let page = |altered| {
        let trail = read().reader.of_rows(std::iter::empty());
        let frame = frame(&world, Section::Withdrawals, "alice");
        let page = withdrawal::Page::of(frame, read(), trail, |_| None, altered);
        page.render().unwrap()
    };
    let mut row = copies::known(&world.vault, &id).unwrap();
    let same = copies::Stored::Row(Box::new(row.clone()));
    assert!(copies::differences(Some(&row), &same).is_empty());
    let well = page(Vec::new());
    assert!(well.contains("data-act") && !well.contains("Altered in the database"));

    row.document = row
        .document
        .replace("\"amount\":\"2.5\"", &format!("\"amount\":{:?}", MARKUP));
    let known = copies::known(&world.vault, &id);
    let stored = copies::Stored::Row(Box::new(row));
    let altered = copies::differences(known.as_ref(), &stored);
    let html = keep("withdrawal-altered", page(altered));
    assert!(html.contains("Altered in the database"), "{html}");
    assert!(
        html.contains("<td data-label=\"memory\"><bdi>2.5</bdi></td><td data-label=\"database\" class=\"false\"><bdi>&#60;script&#62;"),
        "{html}"
    );
    assert!(
        !html.contains("data-act") && !html.contains("<script>"),
        "{html}"
    );

    let shown = payouts(&world.vault, &[id], Part::Mine, &viewer("alice"), now);
    let stranger: WithdrawalId = "wd_00000000000000000000000000000009".parse().unwrap();
    let (shown, invented) = queue::marked(shown, [id, stranger].into());
    assert!(shown[0].altered && !shown[0].may_vote && !shown[0].may_cancel);
    assert_eq!(invented, [stranger]);
}

//! Lanes with times that the tests choose.

use super::*;

fn due(seq: u64) -> Due {
    Due {
        seq,
        failures: 0,
        since_ms: seq,
        next_ms: 0,
        kept: false,
        fault: None,
    }
}

fn lanes(names: &[(&str, &[u64])]) -> Lanes {
    let mut lanes = Lanes::default();
    for (name, seqs) in names {
        seqs.iter().for_each(|seq| lanes.push(name, due(*seq)));
    }
    lanes
}

fn next(lanes: &mut Lanes, now_ms: u64) -> Option<u64> {
    lanes.next(now_ms).map(|(_, due)| due.seq)
}

#[test]
fn of_one_lane_one_goes_at_a_time_in_order_and_others_go_beside_it() {
    let mut lanes = lanes(&[("a", &[1, 3]), ("b", &[2, 4])]);
    assert_eq!(
        [next(&mut lanes, 0), next(&mut lanes, 0)],
        [Some(1), Some(2)]
    );
    assert_eq!(next(&mut lanes, 0), None, "both are under way");
    assert_eq!(lanes.delivered("b").unwrap().seq, 2);
    assert_eq!(next(&mut lanes, 0), Some(4));
    assert_eq!(lanes.delivered("a").unwrap().seq, 1);
    assert_eq!(next(&mut lanes, 0), Some(3));
    lanes.delivered("a");
    lanes.delivered("b");
    assert_eq!((lanes.len(), lanes.wakes_at()), (0, None));
}

#[test]
fn a_failure_holds_up_its_own_lane_alone_until_its_time() {
    let mut lanes = lanes(&[("a", &[1, 3]), ("b", &[2])]);
    next(&mut lanes, 0);
    next(&mut lanes, 0);
    lanes.failed("a", 1_000, "no".to_owned());
    lanes.delivered("b");
    assert_eq!(next(&mut lanes, 999), None);
    assert_eq!(lanes.wakes_at(), Some(1_000));
    let (_, again) = lanes.next(1_000).unwrap();
    assert_eq!((again.seq, again.failures, again.since_ms), (1, 1, 1));
    lanes.delivered("a");
    assert_eq!(next(&mut lanes, 1_000), Some(3));
}

#[test]
fn what_waits_behind_a_failure_is_to_be_kept_and_the_rest_holds_the_place_back() {
    let mut lanes = lanes(&[("a", &[1, 5]), ("b", &[2, 6])]);
    next(&mut lanes, 0);
    lanes.failed("a", 1_000, "no".to_owned());
    let kept: Vec<u64> = lanes
        .take_for_keeping()
        .iter()
        .map(|(_, due)| due.seq)
        .collect();
    assert_eq!(kept, [1, 5]);
    assert_eq!(lanes.take_for_keeping(), []);
    assert_eq!(lanes.oldest_unkept(), Some(2));
    // A later failure is news of a row that is kept.
    assert_eq!(
        [next(&mut lanes, 1_000), next(&mut lanes, 1_000)],
        [Some(2), Some(1)]
    );
    lanes.failed("a", 2_000, "still no".to_owned());
    lanes.push("a", due(7));
    let kept: Vec<_> = lanes
        .take_for_keeping()
        .into_iter()
        .map(|(_, due)| (due.seq, due.failures))
        .collect();
    assert_eq!(kept, [(1, 2), (7, 0)]);
}

#[test]
fn a_recipient_that_is_down_is_asked_by_one_and_all_go_once_it_is_back() {
    let names: Vec<String> = (0..20).map(|n| format!("lane-{n:02}")).collect();
    let mut lanes = Lanes::default();
    for (name, seq) in names.iter().zip(1..) {
        lanes.push(name, due(seq));
    }
    let mut under_way = Vec::new();
    while let Some((name, _)) = lanes.next(0) {
        under_way.push(name);
    }
    assert_eq!(under_way.len(), PARALLEL);
    for name in &under_way {
        lanes.failed(name, 1_000_000, "down".to_owned());
    }
    let (alone, _) = lanes.next(0).unwrap();
    assert!(lanes.next(0).is_none(), "one at a time finds out");
    lanes.delivered(&alone);
    let mut again = 0;
    while lanes.next(0).is_some() {
        again += 1;
    }
    assert_eq!(again, PARALLEL, "nobody waits for a time of their own");
}

#[test]
fn what_is_given_up_lets_the_next_go_and_what_is_asked_for_again_comes_before_it() {
    let mut lanes = lanes(&[("a", &[4, 9])]);
    next(&mut lanes, 0);
    // While 4 is under way somebody asks for 2 again: it can't overtake, but goes before 9.
    lanes.push("a", due(2));
    lanes.push("a", due(9));
    assert_eq!(lanes.len(), 3);
    assert_eq!(lanes.dropped("a", true).unwrap().seq, 4);
    assert_eq!(next(&mut lanes, 0), Some(2));
    lanes.delivered("a");
    assert_eq!(next(&mut lanes, 0), Some(9));
}

#[test]
fn what_is_asked_for_again_while_it_is_under_way_goes_again_once_it_arrived() {
    let asked_again = |since_ms| Due {
        since_ms,
        kept: true,
        ..due(4)
    };
    let mut lanes = lanes(&[("a", &[4, 9])]);
    next(&mut lanes, 0);
    // The feed, read anew, brings it too, and asks for nothing.
    lanes.push(
        "a",
        Due {
            since_ms: 50,
            ..due(4)
        },
    );
    assert_eq!(lanes.under_way("a").unwrap().since_ms, 4);
    lanes.push("a", asked_again(100));
    lanes.push("a", asked_again(100));
    // Something older that is asked for beside it doesn't hide it.
    lanes.push("a", due(2));
    lanes.push("a", asked_again(200));
    assert_eq!(lanes.len(), 3);
    assert_eq!(lanes.delivered("a"), None, "it is owed since 200");
    assert_eq!(lanes.len(), 3);
    let (_, again) = lanes.next(0).unwrap();
    assert_eq!((again.seq, again.since_ms, again.failures), (4, 200, 0));
    assert_eq!(lanes.delivered("a").unwrap().since_ms, 200);
    assert_eq!(next(&mut lanes, 0), Some(2));
    lanes.delivered("a");
    assert_eq!(next(&mut lanes, 0), Some(9));
}

#[test]
fn what_fails_is_tried_again_for_who_asked_for_it_meanwhile() {
    let mut lanes = lanes(&[("a", &[4])]);
    next(&mut lanes, 0);
    let again = Due {
        since_ms: 100,
        kept: true,
        ..due(4)
    };
    lanes.push("a", again);
    lanes.failed("a", 1_000, "no".to_owned());
    let (_, retry) = lanes.next(1_000).unwrap();
    assert_eq!((retry.since_ms, retry.failures), (100, 1));
    // The retry is what was asked for: that it arrives is the end of it.
    assert_eq!(lanes.delivered("a").unwrap().since_ms, 100);
    assert_eq!(lanes.len(), 0);
}

use super::*;
use crate::intake::submission;

fn outcome(id: &str) -> Outcome {
    Outcome {
        inbox_id: id.to_owned(),
        status: 200,
        body: String::new(),
    }
}

fn row(id: &str) -> Arc<InboxRow> {
    Arc::new(InboxRow {
        id: id.to_owned(),
        vault: "main".to_owned(),
        kind: "withdraw".to_owned(),
        principal: "client/shop".to_owned(),
        nonce: id.to_owned(),
        at_ms: 1,
        request: "".into(),
    })
}

fn vouched(id: &str) -> (Arc<InboxRow>, Option<Vouched>) {
    let row = row(id);
    let vouched = submission::tests::vouched(&row);
    assert!(vouched.is_some());
    (row, vouched)
}

fn ids(rows: &[Arc<InboxRow>]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

const NO_TIME: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_answer_goes_to_who_waits_and_who_went_away_leaves_nothing_behind() {
    let lobby = Lobby::default();
    let mut waiting = lobby.enter(row("a"), None).unwrap();
    drop(lobby.enter(row("b"), None).unwrap());
    assert_eq!(lobby.state().waiting.len(), 1);
    lobby.deliver(vec![outcome("a"), outcome("b")]);
    let answered = waiting.within(LONG).await;
    assert_eq!(answered, Ok(Some(outcome("a"))));
    drop(waiting);
    assert!(lobby.state().waiting.is_empty());
}

#[tokio::test]
async fn nobody_is_told_to_come_again_for_a_request_that_is_not_stored() {
    let lobby = Lobby::default();
    let mut waiting = lobby.enter(row("a"), None).unwrap();
    let elsewhere = lobby.clone();
    let storing = async move {
        tokio::time::sleep(Duration::from_millis(120)).await;
        elsewhere.stored(["a"]);
    };
    let began = Instant::now();
    let (pending, ()) = tokio::join!(waiting.within(NO_TIME), storing);
    assert_eq!(pending, Ok(None));
    assert!(began.elapsed() >= Duration::from_millis(120));

    let mut refused = lobby.enter(row("b"), None).unwrap();
    lobby.refuse("b", Problem::replayed("again"));
    let problem = refused.within(LONG).await.unwrap_err();
    assert_eq!(problem.status, 409);
}

#[tokio::test]
async fn what_is_vouched_for_goes_to_the_engine_while_it_gets_on_and_else_into_the_inbox() {
    let lobby = Lobby::default();
    let enter = |id: &str| {
        let (row, vouched) = vouched(id);
        lobby.enter(row, vouched).unwrap()
    };
    let _early = enter("early");
    assert_eq!(ids(&lobby.unstored(9).await), ["early"]);
    assert!(
        lobby.vouched("early").is_some(),
        "kept for when its turn comes"
    );

    lobby.set_open(true);
    let _unverified = lobby.enter(row("unverified"), None).unwrap();
    let _kept = ["first", "second", "third"].map(enter);
    assert_eq!(ids(&lobby.unstored(9).await), ["unverified"]);
    let arrived = lobby.arrived(2);
    assert_eq!(
        arrived.iter().map(|v| v.id()).collect::<Vec<_>>(),
        ["first", "second"]
    );

    // The engine's batch failed: what it had and what it has not begun with become durable.
    lobby.set_open(false);
    lobby.give_back(arrived.iter().map(|v| v.row()));
    assert_eq!(ids(&lobby.unstored(9).await), ["third", "first", "second"]);
    assert!(lobby.vouched("third").is_some());
    assert!(lobby.arrived(9).is_empty());
}

#[tokio::test]
async fn whoever_runs_out_of_patience_has_the_request_made_durable_before_the_engine_begins_with_it()
 {
    let lobby = Lobby::default();
    lobby.set_open(true);
    let (row, vouched) = vouched("a");
    let mut waiting = lobby.enter(row, vouched).unwrap();
    let elsewhere = lobby.clone();
    let storing = async move {
        assert_eq!(ids(&elsewhere.unstored(9).await), ["a"]);
        assert!(elsewhere.arrived(9).is_empty(), "in one place only");
        elsewhere.stored(["a"]);
    };
    let (pending, ()) = tokio::join!(waiting.within(NO_TIME), storing);
    assert_eq!(pending, Ok(None));
    assert!(lobby.take_stored());
    assert!(!lobby.take_stored());
}

#[tokio::test]
async fn there_is_an_end_to_how_many_wait() {
    let lobby = Lobby::default();
    for number in 0..MOST {
        drop(lobby.enter(row(&number.to_string()), None).unwrap());
    }
    let refused = lobby.enter(row("one too many"), None).unwrap_err();
    assert_eq!(refused.status, 503);
}

//! Events as outsiders hear them: webhooks to a real receiver, verified by the reference implementation of Standard Webhooks, and
//! streams; with receivers that fail, and the daemon killed between.

mod receiver;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    time::Duration,
};

use receiver::{Heard, Mood, Receiver};

use crate::{
    governance::verified,
    house::{House, LONG, Plan, SOMEBODY, ask, fund_ether, house, id_of, until_final, withdraw},
    wire::Speaker,
};

async fn house_told(config: String) -> House {
    let house = house(Plan {
        litecoin: false,
        extra_config: config,
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    house
}

/// What a withdrawal that policy allows at once goes through.
const LIFE: [&str; 7] = [
    "withdrawal.requested",
    "withdrawal.approved",
    "withdrawal.planned",
    "withdrawal.signed",
    "withdrawal.broadcast",
    "withdrawal.confirmed",
    "withdrawal.final",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawals_life_is_told_in_order_and_signed_and_an_endpoint_hears_only_what_is_for_it()
{
    let (all, own) = (Receiver::start(Mood::Takes), Receiver::start(Mood::Takes));
    let only = "clients = [\"exchange\"]\ntypes = [\"withdrawal.confirmed\", \"withdrawal.f*\"]";
    let house = house_told(all.config("all", "") + &own.config("own", only)).await;
    let mut ids = Vec::new();
    for who in ["client/exchange", "client/payroll"] {
        let client = house.client_as(who).unwrap();
        let asked = withdraw(&client, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
        let id = id_of(&asked).to_owned();
        until_final(&house, &client, &id).await;
        all.until_life(&house, &id, &LIFE).await;
        ids.push(id);
    }
    own.until_life(
        &house,
        &ids[0],
        &["withdrawal.confirmed", "withdrawal.final"],
    )
    .await;
    assert_eq!(own.life_of(&ids[1]), [""; 0], "it is another's");

    let heard = all.heard();
    let told = heard
        .iter()
        .find(|h| h.kind() == "withdrawal.final")
        .unwrap();
    let data = &told.body["data"];
    assert_eq!(
        (
            &data["state"],
            &data["client"],
            &data["amount"],
            &data["destination"]
        ),
        (
            &"final".into(),
            &"exchange".into(),
            &"0.25".into(),
            &SOMEBODY.into()
        )
    );
    assert!(
        data["txid"].is_string() && data["height"].is_u64(),
        "{data}"
    );
    assert!(heard.iter().any(|h| h.kind() == "wallet.key_made"));
    // Each was told once, under an id of its own.
    let told: BTreeSet<&str> = heard.iter().map(|heard| heard.id.as_str()).collect();
    assert_eq!(told.len(), heard.len());
    let metrics = house.daemon.get("/metrics").unwrap().body;
    assert!(
        metrics
            .contains(r#"custodyd_webhook_deliveries_total{endpoint="own",outcome="delivered"} 2"#),
        "{metrics}"
    );
    let log = house.daemon.log().unwrap();
    assert!(
        !log.contains("MfKQ") && !log.contains("/hooks"),
        "no secret in the log"
    );
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_withdrawals_events_wait_in_order_while_others_are_told() {
    let receiver = Receiver::start(Mood::Takes);
    let house = house_told(receiver.config("shop", "types = [\"withdrawal.*\"]")).await;
    let client = house.client_as("client/exchange").unwrap();
    receiver.becomes(Mood::Fails);
    let stuck = withdraw(&client, "stuck", &ask("ETH", "0.25", SOMEBODY)).await;
    let stuck = id_of(&stuck);
    receiver.becomes(Mood::FailsAbout(stuck.to_owned()));
    until_final(&house, &client, stuck).await;
    let other = withdraw(&client, "other", &ask("ETH", "0.25", SOMEBODY)).await;
    until_final(&house, &client, id_of(&other)).await;
    receiver.until_life(&house, id_of(&other), &LIFE).await;
    assert_eq!(receiver.life_of(stuck), [""; 0]);
    let (ok, listed) = house.custodyd(&["webhooks", "list"]).unwrap();
    assert!(
        ok && listed.contains(stuck) && listed.contains("HTTP 500"),
        "{listed}"
    );
    receiver.becomes(Mood::Takes);
    receiver.until_life(&house, stuck, &LIFE).await;
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_it_is_owed_an_endpoint_is_told_everything_under_the_same_ids() {
    let receiver = Receiver::start(Mood::Fails);
    let mut house = house_told(receiver.config("shop", "types = [\"withdrawal.*\"]")).await;
    let mut ids = Vec::new();
    for key in ["k1", "k2", "k3"] {
        let client = house.client_as("client/exchange").unwrap();
        let asked = withdraw(&client, key, &ask("ETH", "0.1", SOMEBODY)).await;
        ids.push(id_of(&asked).to_owned());
        until_final(&house, &client, id_of(&asked)).await;
        house.daemon.kill9().unwrap();
        house.daemon.restart().unwrap();
        house.daemon.wait_ready(LONG).unwrap();
    }
    receiver.becomes(Mood::Takes);
    for id in &ids {
        receiver.until_life(&house, id, &LIFE).await;
    }
    // Whatever was tried more than once was the same each time.
    let mut bodies = BTreeMap::new();
    for heard in receiver.heard() {
        let first = bodies
            .entry(heard.id.clone())
            .or_insert_with(|| heard.body.clone());
        assert_eq!(*first, heard.body);
    }
    assert_eq!(bodies.len(), 3 * LIFE.len());
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_wants_no_more_is_left_alone_until_it_is_enabled_and_can_be_told_again() {
    let receiver = Receiver::start(Mood::Gone);
    let house = house_told(receiver.config("shop", "types = [\"withdrawal.*\"]")).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
    let id = id_of(&asked);
    let run = |arguments: &[&str]| {
        let (ok, printed) = house.custodyd(arguments).unwrap();
        assert!(ok, "{printed}");
        printed
    };
    house
        .until("hear that it wants no more", LONG, async || {
            run(&["webhooks", "list"]).contains("wants no more")
        })
        .await
        .unwrap();
    receiver.becomes(Mood::Takes);
    until_final(&house, &client, id).await;
    assert_eq!(receiver.life_of(id), [""; 0]);
    run(&["webhooks", "enable", "--endpoint", "shop"]);
    receiver.until_life(&house, id, &LIFE).await;

    let first: Vec<Heard> = receiver.heard().into_iter().filter(|h| h.taken).collect();
    let printed = run(&[
        "webhooks",
        "replay",
        "--endpoint",
        "shop",
        "--withdrawal",
        id,
    ]);
    assert!(printed.starts_with("7 events"), "{printed}");
    receiver
        .until_life(&house, id, &[LIFE, LIFE].concat())
        .await;
    let again: Vec<Heard> = receiver.heard().into_iter().filter(|h| h.taken).collect();
    let ids = |heard: &[Heard]| heard.iter().map(|h| h.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&again[7..]), ids(&first));
    let (ok, printed) = house
        .custodyd(&["webhooks", "replay", "--endpoint", "nobody"])
        .unwrap();
    assert!(!ok && printed.contains("no webhooks"), "{printed}");
    verified(&house);
}

/// Listens until the connection ends or `enough` was heard; gives numbers and types.
fn listen(
    house: &House,
    who: &str,
    last: u64,
    enough: impl Fn(&str) -> bool,
) -> Vec<(u64, String)> {
    let mut letter = Speaker::of(house, who).letter_to_read("/v1/events");
    letter
        .headers
        .push(("last-event-id".to_owned(), last.to_string()));
    let mut heard = Vec::new();
    let mut kind = String::new();
    for line in BufReader::new(letter.open()).lines() {
        let Ok(line) = line else { break };
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut kind);
        } else if let Some(id) = line.strip_prefix("id: ").filter(|_| !kind.is_empty()) {
            heard.push((id.parse().unwrap(), std::mem::take(&mut kind)));
            if heard.last().is_some_and(|(_, kind)| enough(kind)) {
                break;
            }
        }
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_and_comes_back_after_a_crash_misses_nothing_and_a_client_hears_only_its_own() {
    let mut house = house_told(String::new()).await;
    let client = house.client_as("client/exchange").unwrap();
    let first = withdraw(&client, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
    until_final(&house, &client, id_of(&first)).await;
    let is_final = |kind: &str| kind == "withdrawal.final";
    let before = listen(&house, "operator/alice", 0, |kind| {
        kind == "withdrawal.planned"
    });
    house.daemon.kill9().unwrap();
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    let (last, _) = *before.last().as_ref().unwrap();
    let mut all = before.clone();
    all.extend(listen(&house, "operator/alice", *last, is_final));
    let numbers: Vec<u64> = all.iter().map(|(number, _)| *number).collect();
    let expected: Vec<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "{all:?}");

    let payroll = house.client_as("client/payroll").unwrap();
    let second = withdraw(&payroll, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
    until_final(&house, &payroll, id_of(&second)).await;
    let own = listen(&house, "client/payroll", 0, is_final);
    let kinds: Vec<&str> = own.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, LIFE, "nothing of the exchange's, and no keys");
    verified(&house);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_somebody_wrote_into_is_found_and_mended_at_the_next_start() {
    let mut house = house_told(String::new()).await;
    let client = house.client_as("client/exchange").unwrap();
    let asked = withdraw(&client, "k1", &ask("ETH", "0.25", SOMEBODY)).await;
    until_final(&house, &client, id_of(&asked)).await;
    house.daemon.terminate(Duration::from_secs(20)).unwrap();
    let database = crate::sqlite::database(&house);
    let found = |edit: &str, what: &str| {
        crate::sqlite::sql(&database, &format!("{edit};"));
        let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
        assert!(
            !ok && printed.contains("feed") && printed.contains(what),
            "{edit}: {printed}"
        );
    };
    let kept = "CREATE TABLE kept AS SELECT * FROM feed;";
    crate::sqlite::sql(&database, kept);
    for (edit, what) in [
        (
            "UPDATE feed SET document = replace(document, '0.25', '0.26')",
            "differs",
        ),
        (
            "UPDATE feed SET client = 'payroll' WHERE type = 'withdrawal.final'",
            "differs",
        ),
        (
            "UPDATE feed SET type = 'withdrawal.failed' WHERE type = 'withdrawal.final'",
            "differs",
        ),
        (
            "DELETE FROM feed WHERE type = 'withdrawal.planned'",
            "is missing",
        ),
        (
            "DELETE FROM feed WHERE type = 'withdrawal.final'",
            "is missing",
        ),
        (
            "INSERT INTO feed SELECT vault, seq + 1, journal_seq, at_ms, 'freeze.lifted', subject, withdrawal, client, \
             document FROM feed ORDER BY seq DESC LIMIT 1",
            "knows nothing",
        ),
    ] {
        found(edit, what);
        crate::sqlite::sql(
            &database,
            "DELETE FROM feed; INSERT INTO feed SELECT * FROM kept;",
        );
    }
    // A prefix may be gone: so it is when it was pruned.
    crate::sqlite::sql(&database, "DELETE FROM feed WHERE seq <= 2;");
    verified(&house);
    // An end that is missing, or too much, is made good when the daemon starts.
    crate::sqlite::sql(
        &database,
        "DELETE FROM feed WHERE type = 'withdrawal.final'; DROP TABLE kept;",
    );
    house.daemon.restart().unwrap();
    house.daemon.wait_ready(LONG).unwrap();
    verified(&house);
}

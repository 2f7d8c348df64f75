//! A full disk under the database: a clear refusal or a waiting answer, and afterwards nothing lost and nothing doubled.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use custodyd_client::{Client, ClientError};
use serde_json::Value;

use crate::{
    house::{LONG, Plan, SOMEBODY, ask, fund_ether, house, mine, withdraw},
    sqlite,
};

/// A file system of its own, in memory, that is full when it is.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = as_root("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=0777"),
                "custodyd-test",
            ])
            .arg(folder.path())
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "mounting a small tmpfs takes root, or sudo without a password"
        );
        Self { folder }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.ballast())
            .unwrap();
        for size in [65_536, 4_096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a daemon that outlives the house by a moment holds its database open.
        let _ = as_root("umount")
            .arg("--lazy")
            .arg(self.folder.path())
            .status();
    }
}

fn as_root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", program]);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_requests_wait_or_are_refused_and_what_was_accepted_is_paid_once() {
    let disk = SmallDisk::mount("16m");
    let database = disk.folder.path().join("custodyd.db");
    let house = house(Plan {
        litecoin: false,
        database: Some(format!("sqlite:{}", database.display())),
        ..Plan::default()
    })
    .await;
    fund_ether(&house).await;
    let client = house.client_as("client/exchange").unwrap();
    let before = wei(&house);
    withdraw(&client, "before", &ask("ETH", "0.01", SOMEBODY)).await;

    disk.fill();
    let mut told: BTreeMap<String, u16> = BTreeMap::new();
    let mut named = false;
    // What the database file and its log have allocated still takes a few.
    for number in 0..400 {
        let key = format!("full-{number}");
        let status = status_of(&client, &key).await;
        assert!([201, 202, 503].contains(&status), "{key}: {status}");
        told.insert(key, status);
        let ready = house.daemon.get("/readyz").unwrap();
        named |= ready.status == 503 && ready.body.contains("database");
        if named && told.values().filter(|status| **status == 503).count() > 5 {
            break;
        }
    }
    assert!(
        told.values().any(|status| *status == 503),
        "the disk never was full: {told:?}"
    );
    assert!(named, "/readyz didn't name the database");

    // And it goes on saying so as long as nothing can be written, whatever can be read.
    for _ in 0..20 {
        let ready = house.daemon.get("/readyz").unwrap();
        assert!(
            ready.status == 503 && ready.body.contains("database"),
            "{ready:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    disk.free();
    house
        .until("work again", LONG, async || {
            house.daemon.get("/readyz").is_ok_and(|r| r.status == 200)
        })
        .await
        .unwrap();
    let accepted = 1 + told.values().filter(|status| **status != 503).count();
    house
        .until("pay what was accepted", LONG, async || {
            mine(&house, 2);
            finals(&client).await == accepted
        })
        .await
        .unwrap();
    // Whoever was refused asks again under the same key, and is paid once as well.
    for key in told.keys() {
        assert_ne!(status_of(&client, key).await, 503, "{key}");
    }
    let all = told.len() + 1;
    house
        .until("pay the others", LONG, async || {
            mine(&house, 2);
            finals(&client).await == all
        })
        .await
        .unwrap();
    assert_eq!(
        wei(&house) - before,
        u128::try_from(all).unwrap() * 10_000_000_000_000_000
    );
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    integrity(&database);
}

async fn status_of(client: &Client, key: &str) -> u16 {
    let asked: Result<Value, _> = client
        .post_idempotent("/v1/withdrawals", key, &ask("ETH", "0.01", SOMEBODY))
        .await;
    match asked {
        Ok(document) if document["status"] == "pending" => 202,
        Ok(_) => 201,
        Err(ClientError::Refused(problem)) => problem.status,
        Err(other) => panic!("{key}: {other}"),
    }
}

/// How many withdrawals are paid for good.
async fn finals(client: &Client) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page: Value = client
            .get(&format!("/v1/withdrawals?limit=200&state=final{cursor}"))
            .await
            .unwrap();
        count += page["items"].as_array().unwrap().len();
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

fn wei(house: &crate::house::House) -> u128 {
    let hex = house.anvil.as_ref().unwrap().balance(SOMEBODY).unwrap();
    u128::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap()
}

fn integrity(database: &Path) {
    let found = sqlite::rows(database, "PRAGMA integrity_check;");
    assert_eq!(found[0]["integrity_check"], "ok", "{found:?}");
}

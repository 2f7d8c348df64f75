//! `custodyd init` begins a vault only with what every one of its first operators signed, word for word; else it makes nothing.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    house::{House, LONG, Plan, default_policy, house},
    keys::keys,
    typed::ctl,
};

const OPERATORS: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A second vault that is about to begin, on the token of a house that stands.
struct Beginning {
    house: House,
    folder: PathBuf,
    /// Keys on the token before.
    keys: String,
}

impl Beginning {
    async fn new() -> Self {
        let mut house = house(Plan {
            litecoin: false,
            policy: Some(default_policy()),
            ..Plan::default()
        })
        .await;
        house.daemon.terminate(LONG).unwrap();
        let folder = house.folder().join("second");
        fs::create_dir(&folder).unwrap();
        for name in ["genesis.toml", "policy.toml"] {
            let text = fs::read_to_string(house.folder().join(name)).unwrap();
            let there = house.folder().join("policy.toml").display().to_string();
            fs::write(folder.join(name), text.replace(&there, "policy.toml")).unwrap();
        }
        let keys = listed(&house);
        Self {
            house,
            folder,
            keys,
        }
    }

    /// `custodyd init` with a database and a state folder that aren't there yet.
    fn init(&self) -> (bool, String) {
        let text = fs::read_to_string(self.house.daemon.config()).unwrap();
        let second = text
            .replace("sqlite:custodyd.db", "sqlite:second/custodyd.db")
            .replace("state_dir = \"state\"", "state_dir = \"second/state\"");
        // Beside the first one, since paths are relative to it.
        let config = self.house.folder().join("second.toml");
        fs::write(&config, second).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_custodyd"))
            .args(["init", "--config"])
            .arg(config)
            .arg("--genesis")
            .arg(self.folder.join("genesis.toml"))
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(printed).unwrap())
    }

    /// It is refused in one line that says this, and nothing is made.
    fn refused(&self, what: &str, why: &[&str]) {
        let (ok, printed) = self.init();
        assert!(!ok && printed.lines().count() == 1, "{what}: {printed}");
        for word in why {
            assert!(printed.contains(word), "{what}: {printed}");
        }
        for made in ["custodyd.db", "state"] {
            assert!(!self.folder.join(made).exists(), "{what}: {made} was made");
        }
        assert_eq!(listed(&self.house), self.keys, "{what}: on the token");
    }

    fn signs(&self, operator: &str) {
        let genesis = self.folder.join("genesis.toml").display().to_string();
        let who = format!("operator/{operator}");
        let line = ["genesis", "sign", &genesis, "--yes"];
        ctl(&self.house, &who, &line).done();
    }

    /// Changes a file in one place, and gives what it was.
    fn change(&self, name: &str, from: &str, to: &str) -> String {
        let path = self.folder.join(name);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{name}: {text}");
        fs::write(path, text.replace(from, to)).unwrap();
        text
    }
}

fn listed(house: &House) -> String {
    let (ok, printed) = keys(house, &["list"]);
    assert!(ok, "{printed}");
    printed
}

#[tokio::test(flavor = "multi_thread")]
async fn init_takes_only_what_every_operator_signed_and_else_makes_nothing() {
    let beginning = Beginning::new().await;
    let unsigned = ["has not signed", "genesis.toml"];
    beginning.refused("nobody signed", &unsigned);
    for operator in &OPERATORS[..3] {
        beginning.signs(operator);
    }
    beginning.refused("all but one signed", &[unsigned[0], "dave"]);
    beginning.signs("dave");

    let changed = ["is not theirs over this genesis", "genesis.toml"];
    for (what, name, from, to) in [
        (
            "a policy",
            "policy.toml",
            "at_most = \"1 ETH\"",
            "at_most = \"2 ETH\"",
        ),
        (
            "a policy's comment",
            "policy.toml",
            "# A policy",
            "# The policy",
        ),
        (
            "a fee cap",
            "genesis.toml",
            "absolute = \"0.1 ETH\"",
            "absolute = \"0.2 ETH\"",
        ),
        (
            "a depth",
            "genesis.toml",
            "confirmations = 2",
            "confirmations = 1",
        ),
        (
            "a client's name",
            "genesis.toml",
            "exchange = ",
            "exchanges = ",
        ),
    ] {
        let before = beginning.change(name, from, to);
        beginning.refused(what, &changed);
        fs::write(beginning.folder.join(name), before).unwrap();
    }
    let signatures = beginning.folder.join("genesis.signatures.toml");
    let signed = fs::read_to_string(&signatures).unwrap();
    let strangers = signed.replace("dave = ", "erin = ");
    fs::write(&signatures, &strangers).unwrap();
    beginning.refused("another's signature", &["dave"]);
    fs::write(&signatures, signed).unwrap();

    // With every word as it was signed, the vault begins.
    let (ok, printed) = beginning.init();
    assert!(ok && printed.contains("journal key "), "{printed}");
    assert_ne!(listed(&beginning.house), beginning.keys);
}

//! The whole way through the gap with a real SoftHSM token: a key is made, a bundle is shown, signed, refused where it
//! must be, and what comes back assembles to transactions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bitcoin::consensus::encode::serialize;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, absolute, transaction};
use custodyd_airgap::{Bundle, ExportItem, JournalKey, ReturnBundle, export_bundle, import};
use custodyd_chain::{
    Address, Amount, Asset, BitcoinNetwork, BitcoinPlan, Coin, EvmPlan, Network, OutPoint, Payment,
    Plan, PublicKey,
};
use p256::ecdsa::signature::hazmat::PrehashSigner;

const PIN: &str = "9-secret-7";
/// Three times the generator of secp256k1: somebody else's key.
const STRANGER: &str = "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";

/// An air-gapped machine: a token and coldsign.toml in a folder.
struct Machine {
    folder: tempfile::TempDir,
}

fn journal() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_bytes(&[7; 32].into()).unwrap()
}

fn journal_key() -> JournalKey {
    JournalKey::from_sec1(journal().verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { folder };
        fs::create_dir(machine.path("tokens")).unwrap();
        let conf = machine.path("softhsm2.conf");
        let tokens = machine.path("tokens");
        fs::write(
            &conf,
            format!(
                "directories.tokendir = {}\nlog.level = ERROR\n",
                tokens.display()
            ),
        )
        .unwrap();
        let made = Command::new("softhsm2-util")
            .args([
                "--init-token",
                "--free",
                "--label",
                "cold",
                "--pin",
                PIN,
                "--so-pin",
                "so-pin-1",
            ])
            .env("SOFTHSM2_CONF", &conf)
            .output()
            .expect("softhsm2-util is installed");
        assert!(made.status.success(), "{made:?}");
        fs::write(machine.path("pin"), format!("{PIN}\n")).unwrap();
        fs::set_permissions(machine.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
        let profile = concat!(env!("CARGO_MANIFEST_DIR"), "/../../hsm-config/softhsm.toml");
        fs::write(
            machine.path("coldsign.toml"),
            format!(
                "[vaults.main]\njournal_key = \"{}\"\n[hsm]\nprofile = {profile:?}\npin_file = \"pin\"\ntoken = \"cold\"\n\
                 [hsm.environment]\nSOFTHSM2_CONF = {conf:?}\n[caps]\n\
                 LTC = {{ transaction = \"3 LTC\", bundle = \"5 LTC\", fee = \"0.001 LTC\" }}\n\
                 ETH = {{ transaction = \"2 ETH\", bundle = \"2 ETH\", fee = \"0.01 ETH\" }}\n",
                journal_key()
            ),
        )
        .unwrap();
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends a line in front of the configuration.
    fn configure(&self, line: &str) {
        let config = self.path("coldsign.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, format!("{line}\n{text}")).unwrap();
    }

    fn coldsign(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_coldsign"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SOFTHSM2_CONF")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs it, and gives what it printed.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.coldsign(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, and gives the one line with which it refused.
    fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.coldsign(arguments);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains(PIN), "{line}");
        line
    }

    fn sign(&self, bundle: &str, out: &str) -> Vec<String> {
        [
            "sign",
            bundle,
            "--config",
            "coldsign.toml",
            "--yes",
            "--out",
            out,
        ]
        .map(str::to_owned)
        .into()
    }

    fn signed(&self, bundle: &str, out: &str) -> String {
        let arguments = self.sign(bundle, out);
        self.done(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Refused, and nothing was written.
    fn not_signed(&self, bundle: &str) -> String {
        let log = fs::read(self.path("signed.log")).unwrap_or_default();
        let arguments = self.sign(bundle, "never");
        let line = self.refused(1, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(!self.path("never").exists());
        assert_eq!(fs::read(self.path("signed.log")).unwrap_or_default(), log);
        line
    }

    fn keygen(&self, label: &str) -> PublicKey {
        let printed = self.done(&["keygen", "--config", "coldsign.toml", "--label", label]);
        let value = |name: &str| {
            let line = printed.lines().find(|line| line.starts_with(name)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        assert_eq!(value("key_id").len(), "key_".len() + 32);
        value("public_key").parse().unwrap()
    }

    fn put(&self, name: &str, bundle: &Bundle) {
        write_folder(
            &self.path(name),
            bundle
                .files()
                .into_iter()
                .map(|(file, bytes)| (file.to_string(), bytes)),
        );
    }
}

fn write_folder(folder: &Path, files: impl Iterator<Item = (String, Vec<u8>)>) {
    fs::create_dir(folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

fn litecoin(key: PublicKey, paid: &str, fee: &str) -> ExportItem {
    let regtest: BitcoinNetwork = "litecoin-regtest".parse().unwrap();
    let network = Network::Bitcoin(regtest);
    let funding = |nonce: u8| Transaction {
        version: transaction::Version::TWO,
        lock_time: absolute::LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: ScriptBuf::from_bytes(vec![nonce; 4]),
            sequence: Sequence::MAX,
            witness: Default::default(),
        }],
        output: vec![TxOut {
            value: bitcoin::Amount::from_sat(300_000_000),
            script_pubkey: key.p2wpkh_script(),
        }],
    };
    let previous: BTreeMap<_, _> = [1, 2]
        .map(|nonce| (funding(nonce).compute_txid(), serialize(&funding(nonce))))
        .into();
    let coin = |txid: &custodyd_chain::Txid| Coin {
        outpoint: OutPoint::new(*txid, 0),
        amount: "3 LTC".parse().unwrap(),
        public_key: key,
    };
    let (paid, fee): (Amount, Amount) = (paid.parse().unwrap(), fee.parse().unwrap());
    let change = "6 LTC"
        .parse::<Amount>()
        .unwrap()
        .checked_sub(&paid)
        .unwrap()
        .checked_sub(&fee)
        .unwrap();
    let stranger = Address::from_public_key(network, &STRANGER.parse().unwrap());
    ExportItem {
        transaction: "tx_000000000000000000000000000000a1".parse().unwrap(),
        wallet: "cold-ltc".parse().unwrap(),
        plan: Plan::Bitcoin(BitcoinPlan {
            network: regtest,
            inputs: previous.keys().map(coin).collect(),
            payments: vec![Payment {
                to: stranger,
                amount: paid,
            }],
            change: Some(Payment {
                to: Address::from_public_key(network, &key),
                amount: change,
            }),
            fee,
            lock_time: 0,
        }),
        keys: vec![],
        previous,
    }
}

fn ethereum(key: PublicKey, paid: &str) -> ExportItem {
    let network: Network = "eip155:31337".parse().unwrap();
    let Network::Evm(chain_id) = network else {
        panic!("not EVM")
    };
    ExportItem {
        transaction: "tx_000000000000000000000000000000a2".parse().unwrap(),
        wallet: "cold-eth".parse().unwrap(),
        plan: Plan::Evm(EvmPlan {
            chain_id,
            from: key,
            nonce: 7,
            payment: Payment {
                to: Address::from_public_key(network, &STRANGER.parse().unwrap()),
                amount: Amount::parse(Asset::Eth, paid).unwrap(),
            },
            gas_limit: 21_000,
            max_fee_per_gas: 30_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
        }),
        keys: vec![],
        previous: BTreeMap::new(),
    }
}

/// An export of the vault `main`, by its journal key.
fn export(number: u8, items: &[ExportItem]) -> Bundle {
    let id = format!("ex_{:032x}", number).parse().unwrap();
    let unsigned = export_bundle(
        "main".parse().unwrap(),
        id,
        1_790_000_000_000,
        journal_key(),
        items,
    )
    .unwrap();
    let signature: p256::ecdsa::Signature = journal().sign_prehash(&unsigned.digest()).unwrap();
    unsigned.signed(signature.to_bytes().into()).unwrap()
}

#[test]
fn a_bundle_is_shown_signed_and_comes_back_as_transactions() {
    let machine = Machine::new();
    let (first, second) = (machine.keygen("cold-ltc"), machine.keygen("cold-eth"));
    assert_ne!(first, second);
    let items = [
        litecoin(first, "2.5 LTC", "0.0001 LTC"),
        ethereum(second, "1.5"),
    ];
    let bundle = export(1, &items);
    machine.put("out", &bundle);
    fs::write(machine.path("out.tar"), bundle.to_tar()).unwrap();

    let shown = machine.done(&["inspect", "out", "--config", "coldsign.toml"]);
    let digest = bundle.manifest().sha256().to_string();
    let code = format!(
        "{} {} {} {}",
        &digest[..4],
        &digest[4..8],
        &digest[8..12],
        &digest[12..16]
    );
    for expected in [
        "main",
        "ex_00000000000000000000000000000001",
        "2026-09-21 14:13 UTC",
        "yes, by the pinned journal key",
        "wallet cold-ltc on litecoin-regtest",
        "2.5 LTC",
        "3.4999 LTC",
        "0.0001 LTC",
        "wallet cold-eth on eip155:31337",
        "1.5 ETH",
        "at most 0.00063 ETH",
        "nonce 7",
        &code,
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    assert!(
        machine
            .done(&["inspect", "out.tar"])
            .contains("not checked")
    );

    // From the folder, and once more from the tar: the very same may be signed again.
    machine.signed("out", "back");
    let arguments = [
        "sign",
        "out.tar",
        "--config",
        "coldsign.toml",
        "--out",
        "again",
        "--tar",
        "--yes",
    ];
    machine.done(&arguments);
    assert!(machine.refused(1, &arguments).contains("not empty"));

    let folder = fs::read_dir(machine.path("back")).unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.file_name().into_string().unwrap(),
            fs::read(entry.path()).unwrap(),
        )
    });
    let answers = [
        ReturnBundle::from_files(folder).unwrap(),
        ReturnBundle::from_tar(&fs::read(machine.path("again.tar")).unwrap()).unwrap(),
    ];
    for answer in answers {
        for ((id, signatures), item) in import(&bundle, &answer).unwrap().iter().zip(&items) {
            assert_eq!(*id, item.transaction);
            item.plan.assemble(signatures).unwrap();
        }
    }
    let log = fs::read_to_string(machine.path("signed.log")).unwrap();
    assert_eq!(
        log.lines().count(),
        3,
        "two outpoints and a nonce, once each:\n{log}"
    );
}

#[test]
fn a_second_bundle_that_spends_the_same_is_refused() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    machine.put(
        "one",
        &export(
            1,
            &[litecoin(key, "2.5 LTC", "0.0001 LTC"), ethereum(key, "1.5")],
        ),
    );
    machine.put("coins", &export(2, &[litecoin(key, "2 LTC", "0.0001 LTC")]));
    machine.put("nonce", &export(3, &[ethereum(key, "1.4")]));
    machine.signed("one", "back");
    for again in ["coins", "nonce"] {
        let line = machine.not_signed(again);
        assert!(
            line.contains("signed away already")
                && line.contains("ex_00000000000000000000000000000001"),
            "{line}"
        );
    }
}

#[test]
fn this_machine_s_own_limits_are_kept() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    for (name, items, expected) in [
        (
            "much",
            vec![litecoin(key, "3.1 LTC", "0.0001 LTC")],
            "above the cap of 3 LTC for a transaction",
        ),
        (
            "fee",
            vec![litecoin(key, "2 LTC", "0.0011 LTC")],
            "above the cap of 0.001 LTC",
        ),
        (
            "tip",
            vec![litecoin(key, "0.0004 LTC", "0.0005 LTC")],
            "more than the 0.0004 LTC that it pays",
        ),
        (
            "foreign",
            vec![ethereum(STRANGER.parse().unwrap(), "1")],
            "is not on this token",
        ),
    ] {
        machine.put(name, &export(1, &items));
        let line = machine.not_signed(name);
        assert!(line.contains(expected), "{line}");
    }
    machine.put("fine", &export(1, &[ethereum(key, "1")]));
    machine.configure("allow = [\"eip155:31337:0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf\"]");
    assert!(machine.not_signed("fine").contains("not on the allow-list"));
}

#[test]
fn a_bundle_by_another_key_of_another_vault_or_damaged_is_refused() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    let bundle = export(1, &[ethereum(key, "1")]);
    let files = |edit: fn(&str, Vec<u8>) -> Vec<u8>| {
        bundle
            .files()
            .into_iter()
            .map(move |(name, bytes)| (name.to_string(), edit(name.as_str(), bytes)))
    };
    write_folder(
        &machine.path("unsigned"),
        files(|name, bytes| match name {
            "manifest.sig" => format!("{}\n", "11".repeat(64)).into_bytes(),
            _ => bytes,
        }),
    );
    write_folder(
        &machine.path("damaged"),
        files(|name, mut bytes| {
            if name.ends_with(".unsigned") {
                bytes[20] ^= 1;
            }
            bytes
        }),
    );
    assert!(
        machine
            .not_signed("unsigned")
            .contains("signature of the manifest")
    );
    let shown = machine.coldsign(&["inspect", "unsigned", "--config", "coldsign.toml"]);
    assert_eq!(shown.status.code(), Some(1));
    assert!(
        String::from_utf8(shown.stdout)
            .unwrap()
            .contains("NOT by the pinned journal key")
    );
    assert!(machine.not_signed("damaged").contains("checksum"));
    assert!(machine.not_signed("nowhere").contains("nowhere"));
    std::os::unix::fs::symlink("/etc/passwd", machine.path("damaged/extra")).unwrap();
    assert!(machine.not_signed("damaged").contains("not a plain file"));

    let id = "ex_00000000000000000000000000000009".parse().unwrap();
    let other = export_bundle(
        "other".parse().unwrap(),
        id,
        0,
        journal_key(),
        &[ethereum(key, "1")],
    )
    .unwrap();
    let signature: p256::ecdsa::Signature = journal().sign_prehash(&other.digest()).unwrap();
    machine.put("other", &other.signed(signature.to_bytes().into()).unwrap());
    assert!(
        machine
            .not_signed("other")
            .contains("no journal key is pinned for vault other")
    );
}

#[test]
fn without_a_person_or_with_a_readable_pin_nothing_is_signed() {
    let machine = Machine::new();
    let key = machine.keygen("cold");
    machine.put("out", &export(1, &[ethereum(key, "1")]));
    let line = machine.refused(
        1,
        &["sign", "out", "--config", "coldsign.toml", "--out", "back"],
    );
    assert!(line.contains("nobody can be asked"), "{line}");
    assert!(!machine.path("back").exists());

    fs::set_permissions(machine.path("pin"), fs::Permissions::from_mode(0o644)).unwrap();
    let line = machine.refused(
        2,
        &[
            "sign",
            "out",
            "--config",
            "coldsign.toml",
            "--out",
            "back",
            "--yes",
        ],
    );
    assert!(line.contains("chmod 600"), "{line}");
    fs::set_permissions(machine.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(machine.path("pin"), "wrong").unwrap();
    let line = machine.refused(
        1,
        &[
            "sign",
            "out",
            "--config",
            "coldsign.toml",
            "--out",
            "back",
            "--yes",
        ],
    );
    assert!(line.contains("refused the PIN"), "{line}");
    machine.refused(2, &["sign", "out", "--out", "back"]);
    machine.refused(
        2,
        &["keygen", "--config", "coldsign.toml", "--label", "../x"],
    );
}

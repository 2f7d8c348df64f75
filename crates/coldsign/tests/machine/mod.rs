//! An air-gapped machine with a real SoftHSM token, and bundles for it to sign.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use bitcoin::consensus::encode::serialize;
use bitcoin::{ScriptBuf, Sequence, Transaction, TxIn, TxOut, absolute, transaction};
use custodyd_airgap::{Bundle, ExportItem, JournalKey, export_bundle};
use custodyd_chain::{
    Address, Amount, Asset, BitcoinNetwork, BitcoinPlan, Coin, EvmPlan, Network, OutPoint, Payment,
    Plan, PublicKey,
};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;

pub(crate) const PIN: &str = "9-secret-7";
/// Three times the generator of secp256k1: somebody else's key.
pub(crate) const STRANGER: &str =
    "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";

/// An air-gapped machine: a token and coldsign.toml in a folder.
pub(crate) struct Machine {
    pub(crate) folder: tempfile::TempDir,
}

pub(crate) fn journal() -> p256::ecdsa::SigningKey {
    p256::ecdsa::SigningKey::from_bytes(&[7; 32].into()).unwrap()
}

pub(crate) fn journal_key() -> JournalKey {
    JournalKey::from_sec1(journal().verifying_key().to_encoded_point(true).as_bytes()).unwrap()
}

impl Machine {
    pub(crate) fn new() -> Self {
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

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Appends a line in front of the configuration.
    pub(crate) fn configure(&self, line: &str) {
        let config = self.path("coldsign.toml");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(config, format!("{line}\n{text}")).unwrap();
    }

    pub(crate) fn coldsign(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_coldsign"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SOFTHSM2_CONF")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs it, and gives what it printed.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.coldsign(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs it, and gives the one line with which it refused.
    pub(crate) fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.coldsign(arguments);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(!line.contains(PIN), "{line}");
        line
    }

    pub(crate) fn sign(&self, bundle: &str, out: &str) -> Vec<String> {
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

    pub(crate) fn signed(&self, bundle: &str, out: &str) -> String {
        let arguments = self.sign(bundle, out);
        self.done(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Refused, and nothing was written.
    pub(crate) fn not_signed(&self, bundle: &str) -> String {
        let log = fs::read(self.path("signed.log")).unwrap_or_default();
        let arguments = self.sign(bundle, "never");
        let line = self.refused(1, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(!self.path("never").exists());
        assert_eq!(fs::read(self.path("signed.log")).unwrap_or_default(), log);
        line
    }

    pub(crate) fn keygen(&self, label: &str) -> PublicKey {
        let printed = self.done(&["keygen", "--config", "coldsign.toml", "--label", label]);
        let value = |name: &str| {
            let line = printed.lines().find(|line| line.starts_with(name)).unwrap();
            line.split('"').nth(1).unwrap().to_owned()
        };
        assert_eq!(value("key_id").len(), "key_".len() + 32);
        value("public_key").parse().unwrap()
    }

    pub(crate) fn put(&self, name: &str, bundle: &Bundle) {
        write_folder(
            &self.path(name),
            bundle
                .files()
                .into_iter()
                .map(|(file, bytes)| (file.to_string(), bytes)),
        );
    }
}

pub(crate) fn write_folder(folder: &Path, files: impl Iterator<Item = (String, Vec<u8>)>) {
    fs::create_dir(folder).unwrap();
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
}

pub(crate) fn litecoin(key: PublicKey, paid: &str, fee: &str) -> ExportItem {
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

pub(crate) fn ethereum(key: PublicKey, paid: &str) -> ExportItem {
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
pub(crate) fn export(number: u8, items: &[ExportItem]) -> Bundle {
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

//! The cold tier: what leaves is a PSBT that Litecoin Core reads as we do, and only exactly what left comes back in.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use custodyd_client::{Client, ClientError, NewWithdrawal, pack, unpack};
use custodyd_testbed::House;
use custodyd_vault::Decision;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{
    house::{LONG, Plan, ask, decide, house, id_of, until_final, withdraw},
    sqlite::{database, rows, sql},
};

const IMPORTS: &str = "/v1/cold/imports";

/// A bundle that was exported and unpacked, and what it is of.
struct Exported {
    export: String,
    withdrawal: String,
    folder: PathBuf,
}

impl Exported {
    /// Asks for a payout from the cold wallet, has it approved and exported.
    async fn of(house: &House, client: &Client, amount: &str, destination: &str) -> Self {
        let body = NewWithdrawal {
            wallet: Some("cold-ltc".to_owned()),
            ..ask("LTC", amount, destination)
        };
        let asked = withdraw(client, amount, &body).await;
        assert_eq!(asked["state"], "awaiting_approval", "{asked}");
        let withdrawal = id_of(&asked).to_owned();
        for operator in ["operator/alice", "operator/bob"] {
            decide(house, operator, &withdrawal, Decision::Approve)
                .await
                .unwrap();
        }
        let wanted = json!({ "wallet": "cold-ltc", "withdrawals": [withdrawal] });
        let custodian = house.client_as("operator/dave").unwrap();
        let mut export = None;
        house
            .until("plan the export", LONG, async || {
                let answer: Result<Value, _> = custodian.post("/v1/cold/exports", &wanted).await;
                export = answer.ok().map(|document| id_of(&document).to_owned());
                export.is_some()
            })
            .await
            .unwrap();
        let export = export.unwrap();
        let mut tar = Vec::new();
        house
            .until("build the bundle", LONG, async || {
                let bytes = custodian
                    .get_bytes(&format!("/v1/cold/exports/{export}/bundle"))
                    .await;
                tar = bytes.unwrap_or_default();
                !tar.is_empty()
            })
            .await
            .unwrap();
        let folder = house.folder().join(&export);
        unpack(&tar, &folder).unwrap();
        Self {
            export,
            withdrawal,
            folder,
        }
    }

    /// coldsign signs it with the other token; gives the folder that goes back.
    fn signed(&self, house: &House) -> PathBuf {
        let back = self.folder.with_extension("back");
        let (bundle, out) = (
            self.folder.display().to_string(),
            back.display().to_string(),
        );
        let shown = house.coldsign(&["inspect", &bundle]).unwrap();
        assert!(shown.contains("yes, by the pinned journal key"), "{shown}");
        house
            .coldsign(&["sign", &bundle, "--out", &out, "--yes"])
            .unwrap();
        back
    }

    fn psbt(&self) -> Vec<u8> {
        fs::read(file_in(&self.folder, "psbt")).unwrap()
    }
}

/// The one file with this extension.
fn file_in(folder: &Path, extension: &str) -> PathBuf {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn import(client: &Client, folder: &Path) -> Result<Value, ClientError> {
    let tar = pack(folder).unwrap();
    client.post_bytes(IMPORTS, "application/x-tar", tar).await
}

/// A copy of a folder with its files changed.
fn altered(
    folder: &Path,
    name: &str,
    change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>),
) -> PathBuf {
    let mut files: BTreeMap<String, Vec<u8>> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    change(&mut files);
    let copy = folder.with_extension(name);
    fs::create_dir(&copy).unwrap();
    for (name, content) in files {
        fs::write(copy.join(name), content).unwrap();
    }
    copy
}

/// Replaces a text in every file that is text.
fn replace(files: &mut BTreeMap<String, Vec<u8>>, from: &str, to: &str) {
    let mut found = 0;
    for content in files.values_mut() {
        if let Ok(text) = std::str::from_utf8(content)
            && text.contains(from)
        {
            found += 1;
            *content = text.replace(from, to).into_bytes();
        }
    }
    assert!(found > 0, "{from} is in no file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cold_payout_leaves_as_a_psbt_that_core_accepts_and_only_itself_comes_back() {
    let mut house = house(Plan {
        cold: true,
        ethereum: false,
        ..Plan::default()
    })
    .await;
    house
        .fund_litecoin("cold-ltc", &["15", "15", "3"])
        .await
        .unwrap();
    let node = house.litecoind.as_ref().unwrap();
    let client = house.client_as("client/exchange").unwrap();
    let custodian = house.client_as("operator/dave").unwrap();
    let answer = client
        .post::<_, Value>("/v1/cold/exports", &json!({}))
        .await;
    assert!(
        answer.unwrap_err().to_string().contains("operators"),
        "a client exported"
    );
    let (first, second) = (
        node.outside_address().unwrap(),
        node.outside_address().unwrap(),
    );
    let large = Exported::of(&house, &client, "25", &first).await;
    let small = Exported::of(&house, &client, "1", &second).await;

    let document: Value = custodian
        .get(&format!("/v1/cold/exports/{}", large.export))
        .await
        .unwrap();
    let path = format!(
        "/v1/transactions/{}",
        document["transactions"][0].as_str().unwrap()
    );
    let planned: Value = client.get(&path).await.unwrap();
    let fee = planned["effects"]["fee"]
        .as_str()
        .unwrap()
        .replace(" LTC", "");
    let psbt = STANDARD.encode(large.psbt());
    let decoded = node.cli(&["decodepsbt", &psbt]).unwrap();
    assert_eq!(litoshi(&decoded["fee"]), litoshi_of(&fee), "{decoded}");
    let outputs = decoded["tx"]["vout"].as_array().unwrap();
    let paid = outputs
        .iter()
        .find(|out| out["scriptPubKey"]["addresses"][0] == first.as_str());
    assert_eq!(litoshi(&paid.unwrap()["value"]), 2_500_000_000, "{decoded}");
    for input in decoded["inputs"].as_array().unwrap() {
        assert!(
            input["witness_utxo"].is_object() && input["non_witness_utxo"].is_object(),
            "{input}"
        );
        assert!(
            !input["bip32_derivs"].as_array().unwrap().is_empty(),
            "{input}"
        );
    }
    let analysed = node.cli(&["analyzepsbt", &psbt]).unwrap();
    assert_eq!(analysed["next"], "signer", "{analysed}");
    assert_eq!(litoshi(&analysed["fee"]), litoshi_of(&fee), "{analysed}");
    let inputs = analysed["inputs"].as_array().unwrap();
    assert_eq!(inputs.len(), 2, "{analysed}");
    assert!(
        inputs
            .iter()
            .all(|input| input["has_utxo"] == true && input["next"] == "signer"),
        "{analysed}"
    );
    assert!(node.cli(&["finalizepsbt", &psbt]).unwrap()["complete"] == false);

    let dearer = altered(&large.folder, "dearer", |files| {
        replace(files, "\"25 LTC\"", "\"26 LTC\"")
    });
    let out = dearer.with_extension("out").display().to_string();
    let sign = [
        "sign",
        &dearer.display().to_string(),
        "--out",
        &out,
        "--yes",
    ];
    assert!(
        house.coldsign(&sign).is_err(),
        "coldsign signed a manifest that nobody signed"
    );

    let (back, other) = (large.signed(&house), small.signed(&house));
    refuses_all_but_the_answer(&custodian, &large, &back, &small, &other).await;

    let imported = import(&custodian, &back).await.unwrap();
    assert_eq!(imported["id"], large.export, "{imported}");
    let again = import(&custodian, &back).await.unwrap_err();
    assert!(again.to_string().contains("imported already"), "{again}");
    until_final(&house, &client, &large.withdrawal).await;
    import(&custodian, &other).await.unwrap();
    until_final(&house, &client, &small.withdrawal).await;
    for (destination, amount) in [(&first, 2_500_000_000), (&second, 100_000_000)] {
        let seen = node
            .cli(&[
                "scantxoutset",
                "start",
                &format!("[\"addr({destination})\"]"),
            ])
            .unwrap();
        assert_eq!(seen["unspents"].as_array().unwrap().len(), 1, "{seen}");
        assert_eq!(litoshi(&seen["total_amount"]), amount, "{seen}");
    }
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    assert!(ok, "{printed}");
    let manifests = "SELECT origin FROM signature_points WHERE origin LIKE 'export %'";
    assert_eq!(rows(&database(&house), manifests).len(), 2);

    // A bundle that was put in place of another is found.
    house.daemon.terminate(LONG).unwrap();
    let swap = format!(
        "UPDATE bundles SET bytes = (SELECT bytes FROM bundles WHERE export_id = '{}') WHERE export_id = '{}';",
        small.export, large.export
    );
    sql(&database(&house), &swap);
    let (ok, printed) = house.custodyd(&["journal", "verify"]).unwrap();
    let named = format!(
        "export {}: its bundle is not the one that was built",
        large.export
    );
    assert!(!ok && printed.contains(&named), "{printed}");
}

async fn refuses_all_but_the_answer(
    client: &Client,
    large: &Exported,
    back: &Path,
    small: &Exported,
    other: &Path,
) {
    let answer = file_in(back, "psbt");
    let answer = answer.file_name().unwrap().to_str().unwrap().to_owned();
    let digest = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let forged = [
        // The other export's answer under this one's name.
        altered(other, "renamed", |files| {
            replace(files, &small.export, &large.export)
        }),
        altered(back, "missing", |files| {
            drop(files.remove(&answer).unwrap())
        }),
        altered(back, "extra", |files| {
            drop(files.insert("note.txt".to_owned(), b"hello".to_vec()))
        }),
        altered(back, "truncated", |files| {
            files.get_mut(&answer).unwrap().truncate(100)
        }),
        altered(back, "changed", |files| {
            flip(files.get_mut(&answer).unwrap())
        }),
        // Changed, and the checksum made to fit.
        altered(back, "resealed", |files| {
            let psbt = files.get_mut(&answer).unwrap();
            let before = digest(psbt);
            flip(psbt);
            let after = digest(psbt);
            replace(files, &before, &after);
        }),
        // The file of the other export, with its checksum.
        altered(back, "swapped", |files| {
            let theirs = fs::read(file_in(other, "psbt")).unwrap();
            let ours = files.insert(answer.clone(), theirs.clone()).unwrap();
            replace(files, &digest(&ours), &digest(&theirs));
        }),
        // What was exported, unsigned.
        large.folder.clone(),
    ];
    for folder in forged {
        let refused = import(client, &folder).await.unwrap_err();
        let ClientError::Refused(problem) = &refused else {
            panic!("{}: {refused}", folder.display());
        };
        let code = problem.code();
        assert!(
            ["bundle", "import-differs"].contains(&code),
            "{}: {refused}",
            folder.display()
        );
    }
    let document: Value = client
        .get(&format!("/v1/cold/exports/{}", large.export))
        .await
        .unwrap();
    assert_eq!(document["state"], "built", "{document}");
}

/// Another amount in the unsigned transaction: its bytes come first in a PSBT (BIP-174).
fn flip(psbt: &mut [u8]) {
    let amount = 2_500_000_000_u64.to_le_bytes();
    let at = psbt.windows(8).position(|window| window == amount).unwrap();
    psbt[at] ^= 1;
}

fn litoshi(number: &Value) -> u64 {
    litoshi_of(&number.to_string())
}

/// A decimal number of LTC in its smallest unit, exactly.
fn litoshi_of(decimal: &str) -> u64 {
    if let Some((digits, exponent)) = decimal.split_once("e-") {
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let places = exponent.parse::<usize>().unwrap() + fraction.len();
        return format!("{whole}{fraction}").parse::<u64>().unwrap()
            * 10_u64.pow(u32::try_from(8 - places).unwrap());
    }
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<8}").parse().unwrap()
}

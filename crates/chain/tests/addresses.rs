//! Addresses: the vectors in tests/vectors/, spelling, network binding, dust by output type.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use std::collections::BTreeMap;

use custodyd_chain::{Address, AddressError, BitcoinNetwork, Network, PublicKey, ScriptBuf};
use proptest::prelude::*;
use serde_json::Value;

fn vectors(text: &str, list: &str) -> Vec<BTreeMap<String, String>> {
    let file: Value = serde_json::from_str(text).unwrap();
    assert!(file["about"].is_string());
    serde_json::from_value(file[list].clone()).unwrap()
}

#[test]
fn accepted_addresses_pay_the_script_that_their_source_says() {
    let cases = vectors(include_str!("vectors/addresses_accepted.json"), "accepted");
    assert!(cases.len() > 25);
    for case in cases {
        let network: Network = case["network"].parse().unwrap();
        let address = Address::parse(network, &case["text"]).unwrap();
        let script = address.script_pubkey().unwrap();
        assert_eq!(script.to_hex_string(), case["script"], "{case:?}");
        let canonical = case.get("canonical").unwrap_or(&case["text"]);
        assert_eq!(address.as_str(), canonical);
        assert_eq!(Address::from_script(network, &script).unwrap(), address);
        let caip = address.to_string();
        assert_eq!(caip, format!("{network}:{canonical}"));
        assert_eq!(caip.parse::<Address>().unwrap(), address);
    }
}

#[test]
fn refused_addresses_are_refused_for_the_right_reason() {
    let cases = vectors(include_str!("vectors/addresses_refused.json"), "refused");
    assert!(cases.len() > 45);
    for case in cases {
        let network: Network = case["network"].parse().unwrap();
        let error = Address::parse(network, &case["text"]).unwrap_err();
        let variant = format!("{error:?}");
        let variant = variant.split(['(', ' ']).next().unwrap();
        assert_eq!(variant, case["error"], "{}: {error}", case["why"]);
        assert!(
            error.to_string().len() < 1_000,
            "an error stays short: {error}"
        );
    }
}

#[test]
fn accounts_are_written_in_eip55_whatever_their_case() {
    let file: Value = serde_json::from_str(include_str!("vectors/eip55.json")).unwrap();
    let accounts: Vec<String> = serde_json::from_value(file["accounts"].clone()).unwrap();
    let network: Network = "eip155:1".parse().unwrap();
    for account in accounts {
        let lower = account.to_lowercase();
        let upper = format!("0x{}", account[2..].to_uppercase());
        for text in [&account, &lower, &upper] {
            let address = Address::parse(network, text).unwrap();
            assert_eq!(address.as_str(), account);
            assert_eq!(hex::encode(address.evm().unwrap()), lower[2..]);
        }
    }
}

#[test]
fn the_address_of_a_key_is_its_p2wpkh_or_its_account() {
    let generator = PublicKey::from_sec1(
        &hex::decode("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798").unwrap(),
    )
    .unwrap();
    for (network, text) in [
        ("bitcoin", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        (
            "litecoin-regtest",
            "rltc1qw508d6qejxtdg4y5r3zarvary0c5xw7k693xs3",
        ),
        ("eip155:1", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"),
    ] {
        let network: Network = network.parse().unwrap();
        let address = Address::from_public_key(network, &generator);
        assert_eq!(address.as_str(), text);
        assert_eq!(Address::parse(network, text).unwrap(), address);
    }
}

#[test]
fn a_taproot_key_off_the_curve_is_refused() {
    // x = 5 is on no point of secp256k1: 5^3 + 7 is not a square.
    let script = ScriptBuf::from_hex(&format!("5120{:064x}", 5)).unwrap();
    let network = Network::Bitcoin(BitcoinNetwork::Bitcoin);
    assert!(matches!(
        Address::from_script(network, &script),
        Err(AddressError::UnsupportedScript(_))
    ));
    let program = &script.as_bytes()[2..];
    let text = bitcoin::bech32::segwit::encode_v1(bitcoin::bech32::hrp::BC, program).unwrap();
    assert_eq!(
        Address::parse(network, &text),
        Err(AddressError::TaprootKey(text))
    );
}

#[test]
fn scripts_without_an_address_are_refused() {
    let network = Network::Bitcoin(BitcoinNetwork::Litecoin);
    for script in [
        "",
        "6a",
        "6a0548656c6c6f",
        "51",
        "5121030303",
        "0014",
        "00140102",
        "52200000",
        "a914ff87",
    ] {
        let script = ScriptBuf::from_hex(script).unwrap();
        assert!(Address::from_script(network, &script).is_err(), "{script}");
    }
    let evm: Network = "eip155:1".parse().unwrap();
    assert!(
        Address::from_script(
            evm,
            &signer::wallet(BitcoinNetwork::Bitcoin, 1)
                .script_pubkey()
                .unwrap()
        )
        .is_err()
    );
}

#[test]
fn dust_is_what_core_computes_for_each_output_type() {
    // GetDustThreshold at Bitcoin's 3,000 and Litecoin's 30,000 per 1,000 virtual bytes.
    for (script, bitcoin) in [
        ("76a914751e76e8199196d454941c45d1b3a323f1433bd688ac", 546),
        ("a914bcfeb728b584253d5f3f70bcb780e9ef218a68f487", 540),
        ("0014751e76e8199196d454941c45d1b3a323f1433bd6", 294),
        (
            "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
            330,
        ),
        (
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
            330,
        ),
    ] {
        let script = ScriptBuf::from_hex(script).unwrap();
        assert_eq!(BitcoinNetwork::BitcoinRegtest.dust_limit(&script), bitcoin);
        assert_eq!(BitcoinNetwork::Litecoin.dust_limit(&script), bitcoin * 10);
    }
}

#[test]
fn networks_have_one_name_each() {
    for name in [
        "bitcoin",
        "bitcoin-testnet",
        "bitcoin-regtest",
        "litecoin",
        "litecoin-testnet",
        "litecoin-regtest",
        "eip155:1",
        "eip155:31337",
        "eip155:9223372036854775771",
    ] {
        let network: Network = name.parse().unwrap();
        assert_eq!(network.to_string(), name);
        let json = serde_json::to_string(&network).unwrap();
        assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), network);
    }
    for name in [
        "",
        "Bitcoin",
        "ethereum",
        "eip155:",
        "eip155:0",
        "eip155:01",
        "eip155:+1",
        "eip155:-1",
        "eip155:1e3",
        "eip155:9223372036854775772",
        "eip155:18446744073709551616",
    ] {
        assert!(name.parse::<Network>().is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_program_survives_text(network in 0_usize..6, hash in any::<[u8; 20]>(), kind in 0_u8..4, tail in any::<[u8; 12]>()) {
        let hash = hex::encode(hash);
        let script = match kind {
            0 => format!("76a914{hash}88ac"),
            1 => format!("a914{hash}87"),
            2 => format!("0014{hash}"),
            _ => format!("0020{hash}{}", hex::encode(tail)),
        };
        let script = ScriptBuf::from_hex(&script).unwrap();
        let network = Network::Bitcoin(BitcoinNetwork::ALL[network]);
        let address = Address::from_script(network, &script).unwrap();
        prop_assert_eq!(Address::parse(network, address.as_str()).unwrap(), address.clone());
        prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
    }

    #[test]
    fn one_wrong_character_never_parses_to_another_address(place in 0_usize..42, other in 0_usize..32, seed in 1_u8..255) {
        let good = signer::wallet(BitcoinNetwork::Litecoin, seed);
        let mut text = good.as_str().as_bytes().to_vec();
        let place = place % text.len();
        text[place] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l"[other];
        if let Ok(parsed) = Address::parse(good.network(), std::str::from_utf8(&text).unwrap()) {
            prop_assert_eq!(parsed, good);
        }
    }

    #[test]
    fn no_text_makes_parsing_panic(text in "\\PC{0,100}", network in 0_usize..6) {
        let _ = Address::parse(Network::Bitcoin(BitcoinNetwork::ALL[network]), &text);
        let _ = text.parse::<Address>();
    }
}

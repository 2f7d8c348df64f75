//! Coin selection: conservation, the fee in integers, dust, caps, bounds, and the same answer twice.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]

mod signer;

use bitcoin::Weight;
use custodyd_chain::{
    Address, Amount, Asset, BitcoinNetwork, BitcoinPlan, Coin, FeeAboveCap, FeeCaps, Payment,
    PlanFault, SelectError,
};
use miniscript::Descriptor;
use proptest::prelude::*;
use signer::{coin, key, no_caps, payment, public, wallet};

const LTC: BitcoinNetwork = BitcoinNetwork::Litecoin;

fn coins(values: &[u64]) -> Vec<Coin> {
    let key = key(1);
    values
        .iter()
        .enumerate()
        .map(|(i, value)| coin(LTC, i as u32, *value, &key))
        .collect()
}

fn select(values: &[u64], payments: &[Payment], rate: u64) -> Result<BitcoinPlan, SelectError> {
    let caps = no_caps(Asset::Ltc);
    BitcoinPlan::select(LTC, &coins(values), payments, &wallet(LTC, 1), rate, &caps)
}

fn pay(units: u64) -> Vec<Payment> {
    vec![payment(&wallet(LTC, 9), units)]
}

fn ltc(units: u64) -> Amount {
    Amount::from_u64(Asset::Ltc, units).unwrap()
}

/// The fee that the worst signed size needs, by rust-bitcoin's and miniscript's reckoning.
fn needed_fee(plan: &BitcoinPlan, rate: u64) -> u64 {
    let descriptor =
        Descriptor::new_wpkh(bitcoin::PublicKey::from_slice(&public(&key(1)).to_bytes()).unwrap())
            .unwrap();
    // max_weight_to_satisfy leaves out the empty witness's own count byte; the marker and flag are two more.
    let witness = descriptor.max_weight_to_satisfy().unwrap() + Weight::from_wu(1);
    let unsigned = plan.unsigned_tx().unwrap().weight();
    let weight = unsigned + Weight::from_wu(2) + witness * plan.inputs.len() as u64;
    (weight.to_vbytes_ceil() * rate).div_ceil(1_000)
}

#[test]
fn an_exact_set_of_coins_needs_no_change() {
    let fee = select(&[1_000_000], &pay(500_000), 1_000)
        .unwrap()
        .fee
        .units_u64()
        .unwrap();
    // One input and one output: 31 virtual bytes less than with change.
    let plan = select(&[2_000_000, 500_000 + fee - 31], &pay(500_000), 1_000).unwrap();
    assert_eq!(plan.inputs.len(), 1);
    assert_eq!(plan.change, None);
    assert_eq!(plan.fee, ltc(fee - 31));
}

#[test]
fn change_below_dust_goes_to_the_fee_and_at_dust_comes_back() {
    let with_change = select(&[1_000_000], &pay(500_000), 1_000).unwrap();
    let fee = with_change.fee.units_u64().unwrap();
    let at_limit = select(&[500_000 + fee + 2_940], &pay(500_000), 1_000).unwrap();
    assert_eq!(at_limit.change.unwrap().amount, ltc(2_940));
    let below = select(&[500_000 + fee + 2_939], &pay(500_000), 1_000).unwrap();
    assert_eq!(below.change, None);
    assert_eq!(below.fee, ltc(fee + 2_939));
}

#[test]
fn too_little_says_how_much_there_is_and_how_much_is_needed() {
    let Err(SelectError::InsufficientFunds { available, needed }) =
        select(&[100_000, 200_000], &pay(299_900), 1_000)
    else {
        panic!()
    };
    assert_eq!(available, ltc(300_000));
    assert!(needed.cmp_same(&available).unwrap().is_gt());
    assert!(
        matches!(select(&[], &pay(10_000), 1_000), Err(SelectError::InsufficientFunds { available, .. }) if available.is_zero())
    );
}

#[test]
fn coins_that_cost_more_than_they_hold_are_left_alone() {
    // At 100,000 per 1,000 virtual bytes an input of 68 costs 6,800.
    let plan = select(&[1_000_000, 6_800, 6_000, 5_000], &pay(500_000), 100_000).unwrap();
    assert_eq!(plan.inputs.len(), 1);
    assert!(matches!(
        select(&vec![6_800; 300], &pay(10_000), 100_000),
        Err(SelectError::InsufficientFunds { available, .. }) if available.is_zero()
    ));
}

#[test]
fn more_pieces_than_a_transaction_takes_is_an_error_of_its_own() {
    let values = vec![10_000; 1_000];
    assert!(select(&values, &pay(1_500_000), 1_000).is_ok());
    assert!(matches!(
        select(&values, &pay(5_000_000), 1_000),
        Err(SelectError::TooManyInputs { limit: 200, available, .. }) if available == ltc(2_000_000)
    ));
}

#[test]
fn the_largest_coins_pay_when_the_search_finds_nothing_better() {
    let mut values: Vec<u64> = (1..=5_000).map(|i| 3_000 + i).collect();
    values.push(90_000_000);
    let plan = select(&values, &pay(80_000_000), 1_000).unwrap();
    assert!(plan.inputs.len() <= 200);
}

#[test]
fn dust_wrong_networks_and_impossible_rates_are_refused() {
    assert!(
        matches!(select(&[1_000_000], &pay(2_939), 1_000), Err(SelectError::Dust { limit, .. }) if limit == ltc(2_940))
    );
    assert!(matches!(
        select(&[1_000_000], &pay(0), 1_000),
        Err(SelectError::Dust { .. })
    ));
    assert!(matches!(
        select(&[1_000_000], &[], 1_000),
        Err(SelectError::Plan(PlanFault::Empty("payments")))
    ));
    for rate in [0, 999, 100_000_001, u64::MAX] {
        assert!(matches!(
            select(&[1_000_000], &pay(10_000), rate),
            Err(SelectError::FeeRate { .. })
        ));
    }
    let foreign = [payment(&wallet(BitcoinNetwork::LitecoinRegtest, 9), 10_000)];
    assert!(matches!(
        select(&[1_000_000], &foreign, 1_000),
        Err(SelectError::Plan(PlanFault::Network { .. }))
    ));
    let evm: Address = "eip155:1:0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
        .parse()
        .unwrap();
    assert!(matches!(
        select(&[1_000_000], &[payment(&evm, 10_000)], 1_000),
        Err(SelectError::Plan(PlanFault::Network { .. }))
    ));
    let twice = [coins(&[1_000_000]), coins(&[1_000_000])].concat();
    let caps = no_caps(Asset::Ltc);
    assert!(matches!(
        BitcoinPlan::select(LTC, &twice, &pay(10_000), &wallet(LTC, 1), 1_000, &caps),
        Err(SelectError::Plan(PlanFault::DuplicateInput(_)))
    ));
    assert!(matches!(
        select(&[1_000_000_000], &vec![pay(3_000)[0].clone(); 4_000], 1_000),
        Err(SelectError::TooHeavy { .. })
    ));
}

#[test]
fn both_fee_caps_must_hold() {
    let with = |absolute: u64, relative_bp: u32| {
        let caps = FeeCaps {
            absolute: ltc(absolute),
            relative_bp,
        };
        BitcoinPlan::select(
            LTC,
            &coins(&[1_000_000]),
            &pay(100_000),
            &wallet(LTC, 1),
            10_000,
            &caps,
        )
    };
    let fee = with(1_000_000, 10_000).unwrap().fee.units_u64().unwrap();
    assert!(with(fee, 10_000).is_ok());
    assert!(matches!(
        with(fee - 1, 10_000),
        Err(SelectError::FeeAboveCap(FeeAboveCap::Absolute { .. }))
    ));
    // fee / 100,000 in basis points is fee / 10, rounded up.
    let bp = u32::try_from(fee.div_ceil(10)).unwrap();
    assert!(with(1_000_000, bp).is_ok());
    assert!(matches!(
        with(1_000_000, bp - 1),
        Err(SelectError::FeeAboveCap(FeeAboveCap::Relative { .. }))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn nothing_is_lost_and_the_fee_is_the_rate(
        values in prop::collection::vec(1_000_u64..100_000_000, 1..60),
        payouts in prop::collection::vec(3_000_u64..50_000_000, 1..5),
        rate in 1_000_u64..1_000_000,
    ) {
        let payments: Vec<_> = payouts.iter().map(|units| payment(&wallet(LTC, 9), *units)).collect();
        let first = select(&values, &payments, rate);
        prop_assert_eq!(&first, &select(&values, &payments, rate));
        match first {
            Ok(plan) => {
                let inputs: u64 = plan.inputs.iter().map(|c| c.amount.units_u64().unwrap()).sum();
                let outputs: u64 = plan.outputs().iter().map(|p| p.amount.units_u64().unwrap()).sum();
                let fee = plan.fee.units_u64().unwrap();
                prop_assert_eq!(inputs, outputs + fee);
                let needed = needed_fee(&plan, rate);
                if plan.change.is_some() {
                    prop_assert_eq!(fee, needed);
                } else {
                    // At most what a change output would cost, and a change output that is dust.
                    prop_assert!(fee >= needed && fee < needed + (31 * rate).div_ceil(1_000) + 1 + 2_940);
                }
            }
            Err(SelectError::InsufficientFunds { available, needed }) => {
                prop_assert!(available.cmp_same(&needed).unwrap().is_lt());
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

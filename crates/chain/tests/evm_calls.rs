//! Calldata against another implementation of the ABI: alloy-sol-types encodes what `EvmCall` reads.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use alloy_primitives::{Address, U256, keccak256};
use alloy_sol_types::{SolCall, sol};
use custodyd_chain::EvmCall;
use proptest::prelude::*;

sol! {
    function transfer(address to, uint256 amount) external returns (bool);
    function approve(address spender, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
    function increaseAllowance(address spender, uint256 added) external returns (bool);
    function multicall(bytes[] calls) external;
}

#[test]
fn selectors_are_the_hashes_of_the_functions_names() {
    for (selector, name) in [
        (transferCall::SELECTOR, "transfer(address,uint256)"),
        (approveCall::SELECTOR, "approve(address,uint256)"),
        (
            transferFromCall::SELECTOR,
            "transferFrom(address,address,uint256)",
        ),
    ] {
        assert_eq!(selector, keccak256(name)[..4], "{name}");
    }
}

#[test]
fn no_calldata_is_a_native_payment() {
    assert_eq!(EvmCall::decode(&[]), EvmCall::Native);
}

#[test]
fn other_functions_are_unknown() {
    let added = U256::from(1);
    let spender = Address::repeat_byte(7);
    let inner = transferCall {
        to: spender,
        amount: added,
    }
    .abi_encode();
    for calldata in [
        increaseAllowanceCall { spender, added }.abi_encode(),
        multicallCall {
            calls: vec![inner.clone().into()],
        }
        .abi_encode(),
        vec![0],
        vec![0; 4],
        transferCall::SELECTOR.to_vec(),
        transferCall::SELECTOR[..3].to_vec(),
    ] {
        assert_eq!(
            EvmCall::decode(&calldata),
            EvmCall::Unknown,
            "{calldata:02x?}"
        );
    }
}

fn any_account() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address::from)
}

fn any_amount() -> impl Strategy<Value = U256> {
    prop_oneof![
        Just(U256::MAX),
        any::<[u8; 32]>().prop_map(U256::from_be_bytes)
    ]
}

proptest! {
    #[test]
    fn what_the_other_implementation_writes_is_read_back(
        one in any_account(), other in any_account(), amount in any_amount(),
    ) {
        let transfer = transferCall { to: one, amount }.abi_encode();
        prop_assert_eq!(EvmCall::decode(&transfer), EvmCall::Erc20Transfer { to: one.into_array(), amount });
        let approve = approveCall { spender: one, amount }.abi_encode();
        prop_assert_eq!(EvmCall::decode(&approve), EvmCall::Erc20Approve { spender: one.into_array(), amount });
        let from = transferFromCall { from: one, to: other, amount }.abi_encode();
        let read = EvmCall::Erc20TransferFrom { from: one.into_array(), to: other.into_array(), amount };
        prop_assert_eq!(EvmCall::decode(&from), read);
    }

    #[test]
    fn a_byte_more_or_less_or_before_an_account_makes_it_unknown(
        to in any_account(), amount in any_amount(), cut in 1usize..68, extra in 1usize..33,
        place in 4usize..16, dirt in 1u8..,
    ) {
        let calldata = transferCall { to, amount }.abi_encode();
        prop_assert_eq!(EvmCall::decode(&calldata[..cut]), EvmCall::Unknown);
        let longer = [calldata.clone(), vec![0; extra]].concat();
        prop_assert_eq!(EvmCall::decode(&longer), EvmCall::Unknown);
        let mut dirty = calldata;
        dirty[place] = dirt;
        prop_assert_eq!(EvmCall::decode(&dirty), EvmCall::Unknown);
    }

    #[test]
    fn a_call_that_is_read_is_the_one_that_the_other_implementation_reads(
        selector in prop::sample::select(vec![
            transferCall::SELECTOR, approveCall::SELECTOR, transferFromCall::SELECTOR, [1, 2, 3, 4],
        ]),
        padding in any::<[bool; 3]>(), words in prop::collection::vec(any::<[u8; 32]>(), 0..5),
    ) {
        let mut calldata = selector.to_vec();
        for (n, mut word) in words.into_iter().enumerate() {
            if padding.get(n) == Some(&true) {
                word[..12].fill(0);
            }
            calldata.extend(word);
        }
        // The other one reads on where bytes follow; ours does not.
        let exact = |call: Vec<u8>| call == calldata;
        let expected = transferCall::abi_decode_validate(&calldata).is_ok_and(|c| exact(c.abi_encode()))
            || approveCall::abi_decode_validate(&calldata).is_ok_and(|c| exact(c.abi_encode()))
            || transferFromCall::abi_decode_validate(&calldata).is_ok_and(|c| exact(c.abi_encode()));
        prop_assert_eq!(EvmCall::decode(&calldata) != EvmCall::Unknown, expected);
    }
}

//! What a transaction calls, read from its calldata: a function that is known and written exactly as the ABI writes it, or
//! nothing that anybody should rely on.
//!
//! The contract ABI's encoding is strict here, as Solidity's decoder is: four bytes of selector, a word of 32 bytes for
//! each argument and nothing after them, an address in the low 20 bytes of its word with zeros before it
//! (<https://docs.soliditylang.org/en/latest/abi-spec.html>; functions of EIP-20).

use alloy_primitives::U256;

/// `transfer(address,uint256)`
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// `approve(address,uint256)`
const APPROVE: [u8; 4] = [0x09, 0x5e, 0xa7, 0xb3];
/// `transferFrom(address,address,uint256)`
const TRANSFER_FROM: [u8; 4] = [0x23, 0xb8, 0x72, 0xdd];

/// Bytes of a word of the ABI.
const WORD: usize = 32;

/// A call, decoded. Amounts are in the token's own base units, which the calldata does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvmCall {
    /// No calldata: ether alone is paid.
    Native,
    /// EIP-20 `transfer`: tokens of the sender's go to an account.
    Erc20Transfer {
        /// Who gets them.
        to: [u8; 20],
        /// How many.
        amount: U256,
    },
    /// EIP-20 `approve`: an account may take tokens of the sender's, now or later.
    Erc20Approve {
        /// Who may take them.
        spender: [u8; 20],
        /// How many at most.
        amount: U256,
    },
    /// EIP-20 `transferFrom`: tokens of one account go to another.
    Erc20TransferFrom {
        /// Whose they are.
        from: [u8; 20],
        /// Who gets them.
        to: [u8; 20],
        /// How many.
        amount: U256,
    },
    /// Anything else: another function, or one of these not written as the ABI writes it.
    Unknown,
}

impl EvmCall {
    /// Reads calldata. Whatever is not exactly one of the calls is [`EvmCall::Unknown`].
    #[must_use]
    pub fn decode(calldata: &[u8]) -> Self {
        if calldata.is_empty() {
            return Self::Native;
        }
        known(calldata).unwrap_or(Self::Unknown)
    }
}

fn known(calldata: &[u8]) -> Option<EvmCall> {
    let (selector, arguments) = calldata.split_first_chunk::<4>()?;
    match *selector {
        TRANSFER => {
            let [to, amount] = words(arguments)?;
            Some(EvmCall::Erc20Transfer {
                to: account(to)?,
                amount: U256::from_be_bytes(*amount),
            })
        }
        APPROVE => {
            let [spender, amount] = words(arguments)?;
            Some(EvmCall::Erc20Approve {
                spender: account(spender)?,
                amount: U256::from_be_bytes(*amount),
            })
        }
        TRANSFER_FROM => {
            let [from, to, amount] = words(arguments)?;
            Some(EvmCall::Erc20TransferFrom {
                from: account(from)?,
                to: account(to)?,
                amount: U256::from_be_bytes(*amount),
            })
        }
        _ => None,
    }
}

/// Exactly so many words.
fn words<const N: usize>(bytes: &[u8]) -> Option<[&[u8; WORD]; N]> {
    let (words, []) = bytes.as_chunks::<WORD>() else {
        return None;
    };
    let all: Vec<&[u8; WORD]> = words.iter().collect();
    all.try_into().ok()
}

/// The account in a word, if nothing stands before it.
fn account(word: &[u8; WORD]) -> Option<[u8; 20]> {
    let (padding, account) = word.split_last_chunk::<20>()?;
    padding.iter().all(|byte| *byte == 0).then_some(*account)
}

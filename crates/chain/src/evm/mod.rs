//! EVM chains: native transfers by EIP-1559 transactions. alloy builds, ethers-core reads back.

pub(crate) mod address;
pub mod call;
pub(crate) mod decode;
pub mod plan;

//! Bitcoin and Litecoin: one code, told apart by a table of parameters. Wallets are P2WPKH;
//! payments go to P2PKH, P2SH, P2WPKH, P2WSH and P2TR.

pub(crate) mod address;
pub(crate) mod consensus;
pub(crate) mod decode;
pub mod descriptor;
pub mod params;
pub mod plan;
pub mod select;
mod spend;
mod wire;

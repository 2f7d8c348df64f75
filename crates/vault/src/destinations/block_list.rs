//! A block list as a plain file: an address a line, as lists of sanctioned addresses are handed around.

use std::collections::BTreeSet;

use custodyd_chain::{Address, AddressError, Network};

/// Lines of a block list at most.
pub const MAX_BLOCK_LIST_LINES: usize = 1_000_000;
/// Characters that are shown of a line that was refused.
const SHOWN: usize = 80;

/// A block list that was refused. Nothing of it counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct BlockListError {
    /// The line it was refused for, counted from 1.
    pub line: usize,
    /// Why.
    pub fault: BlockListFault,
}

/// What is wrong with a block list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockListFault {
    /// Not an address.
    #[error("{0}")]
    Address(#[from] AddressError),
    /// An address alone, and no network for such was given.
    #[error(
        "{0:?} does not name its network; write network:address, such as bitcoin:bc1q…, or say which network the list is for"
    )]
    NoNetwork(String),
    /// Too many lines.
    #[error("a block list has at most {MAX_BLOCK_LIST_LINES} lines; split it")]
    TooLong,
}

/// Reads a block list: a line is `network:address`, or an address alone of the network that is given. Empty lines, and what
/// follows a `#`, are skipped; an address may be there more than once.
///
/// # Errors
/// The first line that is neither. A list is taken as a whole: what was not understood could be what matters.
pub fn parse_block_list(
    text: &str,
    network: Option<Network>,
) -> Result<BTreeSet<Address>, BlockListError> {
    let mut addresses = BTreeSet::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, written) in (1..).zip(text.lines()) {
        let refused = |fault| BlockListError { line, fault };
        if line > MAX_BLOCK_LIST_LINES {
            return Err(refused(BlockListFault::TooLong));
        }
        let written = written.split('#').next().unwrap_or_default().trim();
        if !written.is_empty() {
            addresses.insert(address(written, network).map_err(refused)?);
        }
    }
    Ok(addresses)
}

fn address(written: &str, network: Option<Network>) -> Result<Address, BlockListFault> {
    match (written.contains(':'), network) {
        (true, _) => Ok(written.parse()?),
        (false, Some(network)) => Ok(Address::parse(network, written)?),
        (false, None) => Err(BlockListFault::NoNetwork(
            written.chars().take(SHOWN).collect(),
        )),
    }
}

#[cfg(test)]
#[path = "block_list_tests.rs"]
mod tests;

//! Which addresses look alike: the same characters at both ends, as many as a shortened address shows.
//!
//! Somebody who wants a payment makes addresses until one begins and ends like the address that is to be paid, sends from it,
//! and waits for it to be copied from a list of transactions ("address poisoning").

use std::collections::BTreeSet;
use std::ops::Bound;

use custodyd_chain::{Address, Network};
use custodyd_policy::LookAlike;

/// The rank of what people agreed on or is ours. An address known from payments has its first payment's event: later
/// ones are behind it.
pub(super) const TRUSTED: u64 = 0;

/// Addresses by their ends.
#[derive(Debug, Clone)]
pub(super) struct Resemblance {
    look_alike: LookAlike,
    members: BTreeSet<Member>,
}

/// In order of network, ends and rank: what begins and ends alike lies together, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    network: Network,
    ends: Box<str>,
    rank: u64,
    text: Box<str>,
}

impl Resemblance {
    pub(super) fn new(look_alike: LookAlike) -> Self {
        Self {
            look_alike,
            members: BTreeSet::new(),
        }
    }

    pub(super) fn compares_by(&self) -> LookAlike {
        self.look_alike
    }

    pub(super) fn insert(&mut self, address: &Address, rank: u64) {
        let member = self.member(address, rank);
        self.members.insert(member);
    }

    pub(super) fn remove(&mut self, address: &Address, rank: u64) {
        let member = self.member(address, rank);
        self.members.remove(&member);
    }

    /// The first address of a lower rank than `rank` that begins and ends like this one, and is another.
    pub(super) fn of(&self, address: &Address, rank: u64) -> Option<Address> {
        let from = Member {
            text: Box::default(),
            ..self.member(address, TRUSTED)
        };
        let behind = Member {
            rank,
            ..from.clone()
        };
        self.members
            .range((Bound::Included(&from), Bound::Excluded(&behind)))
            // Itself is among them twice at most: as what it was paid as, and as what it became.
            .find(|member| *member.text != *address.as_str())
            .and_then(|member| Address::parse(member.network, &member.text).ok())
    }

    fn member(&self, address: &Address, rank: u64) -> Member {
        Member {
            network: address.network(),
            ends: self.ends(address),
            rank,
            text: address.as_str().into(),
        }
    }

    /// The characters that are compared. Addresses are ASCII.
    fn ends(&self, address: &Address) -> Box<str> {
        let whole = address.distinctive();
        let (prefix, suffix) = (
            usize::from(self.look_alike.prefix),
            usize::from(self.look_alike.suffix),
        );
        let start = whole.get(..prefix).unwrap_or(&whole);
        let end = whole.len().saturating_sub(suffix);
        let end = whole.get(end..).unwrap_or(&whole);
        [start, "…", end].concat().into()
    }
}
